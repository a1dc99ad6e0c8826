"""Curves: points from trials, their chart and table on the page and in the terminal, and pictures on record."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cases import EXPERIMENT, in_memory, lay_out, trial, write_run_json
from markupsafe import Markup
from reprolab.core import files
from reprolab.core.errors import UsageError
from reprolab.core.stats import wilson
from reprolab.core.terminal import Terminal
from reprolab.core.typed import checked
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.publish import readme_sections
from reprolab.publish.accept import record
from reprolab.publish.readme_page import render_readme
from reprolab.publish.site_files import readme_links
from reprolab.report import curve_table, curves, write
from reprolab.report.html import report
from reprolab.report.html.curve_chart import chart_rows
from reprolab.report.html.curve_picture import picture
from reprolab.scenario import loader
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Curve, Experiment, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.curve_points import CurvePoint, MeasuredCurve, measure_curve
from reprolab.verdict.measured import Measured
from reprolab.verdict.record import judge_run, read_record


def share(observation: Mapping[str, Any]) -> dict[float, tuple[int, int]]:
    """The share of 502 after each pause."""
    return {
        row["pause"]: (row["statuses"].get("502", 0), sum(row["statuses"].values())) for row in observation["rounds"]
    }


BY_PAUSE = Curve("Answers 502", "pause in seconds", "share of 502", share)
BY_WORKERS = Curve("Speed", "workers", "requests", lambda o: {o["workers"]: o["speed"]}, over_variants=True)
CURVES = """\


def share(o):
    return {row["pause"]: (row["statuses"].get("502", 0), sum(row["statuses"].values())) for row in o["rounds"]}


from reprolab import Curve

CURVES = [
    Curve("Answers 502", "pause in seconds", "share of 502", share),
    Curve("Speed", "workers", "requests", lambda o: {o["workers"]: o["speed"]}, over_variants=True),
]
"""
PART = "<!-- generated: curves/blink -->\n<!-- end -->\n"


def rounds(**bad: int) -> list[dict[str, Any]]:
    """Rounds of 64 requests; ``_2_05=4`` is a pause of 2.05 s with four answers 502."""
    return [
        {
            "pause": float(pause[1:].replace("_", ".")),
            "statuses": {"200": 64 - number} | ({"502": number} if number else {}),
        }
        for pause, number in bad.items()
    ]


def observed(variant: str, number: int = 1, workers: int = 1, speed: float = 900.0, **bad: int) -> TrialRecord:
    """A trial with these rounds."""
    observation = {"blinked": variant == "documented", "workers": workers, "speed": speed, "rounds": rounds(**bad)}
    return trial(variant, number=number, observation=observation)


TRIALS = [
    observed("documented", 1, _2_05=4, _1_9=0),
    observed("documented", 2, _1_9=1, _2_05=2),
    observed("old", 1, 4, 2100.5, _1_9=0, _3=0),
]


def scenario_of(*wanted: Curve) -> Scenario:
    """A scenario without a directory whose experiment has these curves."""
    lamp = Experiment("lamp", {"documented": {}, "old": {}}, 3, lambda stack: {}, (), curves=wanted)
    return in_memory(also=(lamp,))


def plotted(curve: Curve, rows: list[TrialRecord] = TRIALS) -> curves.PlottedCurve:
    """A curve with the points of these trials."""
    (result,) = curves.plot(scenario_of(curve), rows)
    return result


def points(curve: Curve, *rows: TrialRecord) -> list[tuple[float, Any]]:
    """The points of a curve in one variant."""
    return [(point.x, point.value) for point in measure_curve(curve, rows).points]


def of(function: Any) -> Curve:
    """A curve with this function."""
    return Curve("c", "x", "y", function)


# -- points ---------------------------------------------------------------------------------------


def test_rates_are_summed_over_the_trials_in_the_order_of_x() -> None:
    """Two trials with 64 requests each have one rate of 128."""
    assert points(BY_PAUSE, *TRIALS[:2]) == [(1.9, (1, 128)), (2.05, (6, 128))]


def test_of_numbers_the_median_is_taken() -> None:
    """One slow trial does not move it."""
    rows = [observed("documented", number, 2, speed) for number, speed in enumerate((10.0, 500.0, 30.0), 1)]
    assert points(BY_WORKERS, *rows) == [(2, 30.0)]


def test_a_trial_without_points_gives_none() -> None:
    """None stands for no points, as in a column."""
    assert measure_curve(of(lambda o: None), TRIALS) == MeasuredCurve()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([(1, 2)], "not a mapping"),
        ({"2.05": 1}, "x is '2.05', not a number"),
        ({True: 1}, "x is True, not a number"),
        ({1: None}, "the value at x = 1 is None, not a number"),
        ({1: float("nan")}, "not a finite number"),
        ({10**400: 1}, "not a finite number"),
        ({1: (1, 2, 3)}, "not a pair"),
        ({1: (0.5, 1)}, "not a pair"),
        ({1: (3, 2)}, "3 of 2"),
        ({1: (-1, 2)}, "-1 of 2"),
        ({1: 2, 2: (1, 2)}, "some points are pairs"),
    ],
)
def test_points_that_are_no_points_are_a_mistake(returned: Any, message: str) -> None:
    """The error says what is wrong, and there is no point."""
    measured = measure_curve(of(lambda o: returned), TRIALS[:1])
    assert measured.points == ()
    assert message in measured.error


def test_a_trial_in_which_the_function_raises_leaves_the_points_of_the_others() -> None:
    """The error has its place in the file."""
    broken = trial("documented", number=3, observation={})
    measured = measure_curve(BY_PAUSE, [broken, *TRIALS[:2]])
    assert [point.x for point in measured.points] == [1.9, 2.05]
    assert re.fullmatch(r"KeyError: 'rounds' \(test_curves.py, line \d+\)", measured.error)


def test_a_sum_that_no_chart_can_hold_is_a_mistake() -> None:
    """The page draws in numbers of JavaScript."""
    measured = measure_curve(of(lambda o: {1: (0, 1 << 53)}), TRIALS[:2])
    assert measured.points == () and "ValueError" in measured.error


def test_points_come_back_as_they_were() -> None:
    """Also with an error, and through JSON."""
    measured = Measured({"a": 1}, {}, {"c": MeasuredCurve((CurvePoint(2.05, (4, 64)), CurvePoint(3, (0, 64))), "no")})
    plain = measured.to_json()
    assert plain == {"values": {"a": 1}, "curves": {"c": {"points": [[2.05, [4, 64]], [3, [0, 64]]], "error": "no"}}}
    assert checked(Measured.from_json(json.loads(json.dumps(plain)))) == measured


def test_a_record_without_curves_is_read_and_written_as_before() -> None:
    """Records of before curves stay valid, byte for byte."""
    plain = {"values": {"a": 1}, "errors": {"b": "no"}}
    assert Measured.from_json(plain) == Measured({"a": 1}, {"b": "no"})
    assert Measured.from_json(plain).to_json() == plain


@pytest.mark.parametrize("point", [[1], 1, ["1", 2], [1, [3, 2]], [1, "2"], [1, None], [float("inf"), 1]])
def test_a_forged_point_of_a_record_is_refused(point: Any) -> None:
    """A page of it could not be drawn."""
    with pytest.raises((TypeError, ValueError)):
        Measured.from_json({"values": {}, "curves": {"c": {"points": [point]}}})


# -- definitions ----------------------------------------------------------------------------------


def test_an_experiment_has_its_curves(tmp_path: Path) -> None:
    """The loader reads CURVES."""
    lay_out(tmp_path, lamp=EXPERIMENT + CURVES)
    first, second = loader.load(tmp_path, "blink").experiments["lamp"].curves
    assert (first.title, first.x, first.y, first.over_variants) == (
        "Answers 502",
        "pause in seconds",
        "share of 502",
        False,
    )
    assert second.over_variants and second.variants == ()


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("[1]", "CURVES is"),
        ("Curve('a', 'x', 'y', len)", "CURVES is"),
        ("[Curve('a', 'x', 'y', len), Curve('a', 'x', 'y', len)]", "two curves have the title 'a'"),
        ("[Curve('a', '', 'y', len)]", "a curve lacks a text"),
        ("[Curve(1, 'x', 'y', len)]", "a curve lacks a text"),
        ("[Curve('a', 'x', 'y', len, variants=['odl'])]", "the variant 'odl', which VARIANTS lacks"),
        ("[Curve('a', 'x', 'y', len, variants='old')]", "variants is 'old', not a list"),
    ],
)
def test_a_malformed_curve_is_named(tmp_path: Path, definition: str, message: str) -> None:
    """The message names the file."""
    lay_out(tmp_path, lamp=f"{EXPERIMENT}from reprolab import Curve\nCURVES = {definition}\n")
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        loader.load(tmp_path, "blink")
    assert "scenarios/blink/lamp.py" in str(caught.value)


# -- lines and tables -----------------------------------------------------------------------------


def test_each_variant_is_a_line() -> None:
    """Rates have their interval in the table; a missing point is a dash."""
    assert plotted(BY_PAUSE).lines == ("documented", "old")
    assert curves.cells(plotted(BY_PAUSE)) == (
        ("pause in seconds", "documented", "old"),
        (
            ("1.9", "1/128 (0.1–4.3 %)", "0/64 (0–6 %)"),
            ("2.05", "6/128 (2–10 %)", "—"),
            ("3", "—", "0/64 (0–6 %)"),
        ),
    )


def test_across_there_is_a_column_for_each_x() -> None:
    """The same cells, turned."""
    headings, rows = curves.cells(plotted(BY_PAUSE), intervals=False, across=True)
    assert headings == ("variant", "1.9", "2.05", "3")
    assert rows == (("documented", "1/128", "6/128", "—"), ("old", "0/64", "—", "0/64"))


def test_over_the_variants_there_is_a_single_line() -> None:
    """Each point keeps the name of its variant."""
    curve = plotted(BY_WORKERS)
    assert curve.lines == ("",)
    headings, rows = curves.cells(curve)
    assert headings == ("workers", "variant", "requests")
    assert rows == (("1", "documented", "900"), ("4", "old", "2\N{NO-BREAK SPACE}100"))
    assert {row["l"] for row in chart_rows(curve)} == {""}
    assert [(row["x"], row["y"]) for row in chart_rows(curve)] == [(1, 900.0), (4, 2100.5)]
    assert [row["v"] for row in chart_rows(curve)] == ["documented", "old"]


def test_two_variants_with_the_same_x_keep_their_own_points() -> None:
    """They are not added: the variants may differ in more than x."""
    rows = [observed("documented", 1, 2, 100.0), observed("old", 1, 2, 300.0)]
    values = [(name, point.value) for name, point in plotted(BY_WORKERS, rows).points]
    assert values == [("documented", 100.0), ("old", 300.0)]


def test_only_the_named_variants_have_lines_and_one_of_own_factors() -> None:
    """A variant that a user sets is always shown."""
    curve = Curve("c", "x", "y", share, variants=("old",))
    assert plotted(curve, [*TRIALS, observed("custom", _1_9=0)]).lines == ("old", "custom")


def test_invalid_trials_give_no_points() -> None:
    """As in a column."""
    invalid = trial("old", number=2, observation=observed("old", _1_9=64).observation, invalid="app did not start")
    assert plotted(BY_PAUSE, [*TRIALS, invalid]) == plotted(BY_PAUSE)


def test_a_mistake_is_named_with_its_variants() -> None:
    """Its points are from the other trials, so a question mark stands beside its name."""
    curve = plotted(BY_PAUSE, [*TRIALS, trial("old", number=2, observation={})])
    (line,) = curve.mistakes
    assert line.startswith("? the curve 'Answers 502' of lamp cannot be read in old: KeyError: 'rounds'")
    assert curves.cells(curve)[0] == ("pause in seconds", "documented", "old ?")


def test_rates_and_numbers_have_no_common_chart() -> None:
    """The table has both, and a line says why there is no chart."""
    curve = plotted(of(lambda o: {1: (1, 2)} if o["blinked"] else {1: 7}))
    assert not curve.drawable and picture(curve) == ""
    assert "some variants have rates (k, n), and others have numbers" in curve.mistakes[0]
    assert curves.cells(curve)[1] == (("1", "2/4 (15–85 %)", "7"),)


def test_a_rate_of_no_tries_is_in_the_table_and_has_no_place_in_the_chart() -> None:
    """Its interval would be everything."""
    curve = plotted(of(lambda o: {1: (0, 0), 2: (0, 5)}))
    assert [row["x"] for row in chart_rows(curve)] == [2, 2]
    assert curves.cells(curve)[1][0] == ("1", "0/0", "0/0")
    assert not plotted(of(lambda o: {1: (0, 0)})).drawable


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2"), (-0.25, "-0.25"), (1234, "1 234"), (1234.7, "1 235"), (0.1 + 0.2, "0.3"), (0, "0")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    """At most six digits, with spaces between the thousands."""
    assert curves.number_text(value).replace("\N{NO-BREAK SPACE}", " ") == text


# -- the terminal ---------------------------------------------------------------------------------


def printed(curve: curves.PlottedCurve, width: int = 160) -> str:
    """What a terminal shows."""
    stream = io.StringIO()
    Terminal(file=stream, width=width, no_color=True).print(curve_table.tables([curve], width))
    return stream.getvalue()


def test_the_terminal_has_the_shorter_side_as_columns() -> None:
    """With fewer x than variants there is a column for each x."""
    assert re.search(r"pause in seconds +documented +old *\n", printed(plotted(BY_PAUSE)))
    short = plotted(BY_PAUSE, [observed("documented", _1_9=1), observed("old", _1_9=0)])
    # As many as variants: x goes down, as in a chart's table.
    assert re.search(r"variant +1\.9 *\n", printed(short))


def test_a_table_that_is_too_wide_is_turned() -> None:
    """The names of the variants are in a column then."""
    curve = of(lambda o: dict.fromkeys(range(3), (1, 10)))
    many = [trial(f"a-long-name-of-a-variant-{number}") for number in range(2)]
    assert re.search(r"variant +0 +1 +2 *\n", printed(plotted(curve, many), 50))


def test_what_is_too_large_for_a_terminal_is_left_to_the_page() -> None:
    """A line says where the curve is."""
    curve = of(lambda o: dict.fromkeys(range(40), (1, 1000)))
    text = printed(plotted(curve))
    assert "80 points of 2 lines are too many for a table here; report.html has the curve" in text
    assert "1/1000" not in text


def test_no_line_of_a_table_is_wider_than_a_hundred_columns() -> None:
    """The report's own width is larger."""
    curve = of(lambda o: dict.fromkeys(range(12), (1, 100000)))
    assert max(map(len, printed(plotted(curve)).splitlines())) <= 100


# -- the page -------------------------------------------------------------------------------------


def finished(root: Path, rows: list[TrialRecord] = TRIALS) -> RunDirectory:
    """A run of the small scenario with these trials, judged."""
    run = lookup.create_run(root, "blink")
    numbers = Counter(row.variant for row in rows)
    plan = [
        {"experiment": "lamp", "variant": name, "factors": {}, "trials": trials} for name, trials in numbers.items()
    ]
    write_run_json(run, started="2026-01-02 12:00 UTC", status="complete", plan=plan)
    for row in rows:
        run.append(row)
    judge_run(loader.load(root, "blink"), run)
    return run


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the small scenario and two curves, whose README shows them."""
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    directory = lay_out(tmp_path, lamp=EXPERIMENT + CURVES)
    (directory / "README.md").write_text(PART, encoding="utf-8")
    return tmp_path


def test_the_page_has_each_curve_with_its_numbers(checkout: Path) -> None:
    """A rate has bars, a number has none; both have a table beneath."""
    text = report.page(loader.load(checkout, "blink"), finished(checkout), None)
    data = json.loads(re.search(r'id="charts">(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    first, second = (item for item in data["charts"].values() if item["kind"] == "curve")
    low, high = wilson(6, 128)
    row = next(row for row in first["rows"] if row["x"] == 2.05)
    assert (row["y"], row["lo"], row["hi"], row["d"]) == (6 / 128, low, high, "6 of 128")
    assert [layer["mark"]["type"] for layer in data["specs"][first["spec"]]["layer"]] == ["line", "rule", "point"]
    assert [layer["mark"]["type"] for layer in data["specs"][second["spec"]]["layer"]] == ["line", "point"]
    assert "<h4>Answers 502</h4>" in text
    assert '<td class="figure">6/128 (2–10 %)</td>' in text
    assert text.count("the numbers of this curve") == 2
    assert 'aria-label="Speed: requests over workers; the table below has its numbers"' in text


def test_a_curve_that_raises_loses_neither_page_nor_report(checkout: Path) -> None:
    """The error stands on the page and in the report, as for a column."""
    rows = [trial(name, name == "documented", number) for name in ("documented", "old") for number in (1, 2, 3)]
    run, scenario = finished(checkout, rows), loader.load(checkout, "blink")
    message = "? the curve 'Answers 502' of lamp cannot be read in documented, old: KeyError: 'rounds' (lamp.py, line"
    assert message in Markup(report.page(scenario, run, None)).unescape()
    stream = io.StringIO()
    write.report(Terminal(file=stream, width=200, no_color=True), scenario, run)
    assert message in stream.getvalue()
    assert message in " ".join((run.path / "report.txt").read_text(encoding="utf-8").split())


# -- on record ------------------------------------------------------------------------------------


def accepted(checkout: Path, rows: list[TrialRecord] = TRIALS) -> Path:
    """The scenario's directory after a run was put on record."""
    record(checkout, finished(checkout, rows), thin=True)
    return checkout / "scenarios" / "blink"


def test_before_a_record_the_part_says_so(checkout: Path) -> None:
    """No picture is written."""
    readme_sections.write(checkout)
    text = (checkout / "scenarios" / "blink" / "README.md").read_text(encoding="utf-8")
    assert "**Answers 502**\n\nnot recorded yet\n\n**Speed**\n\nnot recorded yet\n<!-- end -->" in text


def test_a_record_has_the_points_and_the_readme_the_pictures(checkout: Path) -> None:
    """The points are summed over the trials; nothing is out of date afterwards."""
    directory = accepted(checkout)
    measured = files.read_json(directory / "recorded.json")["measured"]
    assert measured["documented"]["curves"]["Answers 502"] == {"points": [[1.9, [1, 128]], [2.05, [6, 128]]]}
    assert measured["old"]["curves"]["Speed"] == {"points": [[4, 2100.5]]}
    text = (directory / "README.md").read_text(encoding="utf-8")
    assert "![Answers 502: share of 502 over pause in seconds](curve-1.svg)" in text
    assert "| 2.05 | 6/128 (2–10 %) | — |" in text
    assert "| 4 | old | 2 100 |" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert sorted(path.name for path in directory.glob("*.svg")) == ["curve-1.svg", "curve-2.svg"]
    assert readme_sections.stale(checkout) == []


def test_the_curves_of_a_record_are_those_of_its_run(checkout: Path) -> None:
    """No point is lost or changed."""
    accepted(checkout)
    scenario = loader.load(checkout, "blink")
    kept = read_record(scenario)
    assert kept is not None
    assert curves.plot_record(scenario, kept) == curves.plot(scenario, TRIALS)


def test_pictures_do_not_change_the_digest_of_the_case(checkout: Path) -> None:
    """A run does not read them. Any other new file counts."""
    directory = checkout / "scenarios" / "blink"
    before = case_digest(directory)
    accepted(checkout)
    assert case_digest(directory) == before
    (directory / "other.svg").touch()
    assert case_digest(directory) != before


def test_a_picture_that_differs_is_out_of_date(checkout: Path) -> None:
    """So is a picture of a curve that is no more; it is removed."""
    directory = accepted(checkout)
    path = directory / "curve-1.svg"
    drawn = path.read_bytes()
    path.write_bytes(drawn.replace(b"#2f7fd6", b"#2f7fd7"))
    (directory / "curve-3.svg").write_text("old", encoding="utf-8")
    assert readme_sections.stale(checkout) == [path, directory / "curve-3.svg"]
    assert readme_sections.write(checkout) == [path, directory / "curve-3.svg"]
    assert path.read_bytes() == drawn
    assert not (directory / "curve-3.svg").exists()


def test_if_a_page_fails_no_picture_stays(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """README, pictures and record are as before."""
    plain = Path.write_text

    def write_text(self: Path, *words: Any, **options: Any) -> int:
        if self.name == "curve-2.svg":
            raise OSError(28, "No space left on device", str(self))
        return plain(self, *words, **options)

    monkeypatch.setattr(Path, "write_text", write_text)
    with pytest.raises(Exception, match="No space left on device"):
        accepted(checkout)
    directory = checkout / "scenarios" / "blink"
    assert (directory / "README.md").read_text(encoding="utf-8") == PART
    assert not list(directory.glob("*.svg")) and not (directory / "recorded.json").exists()


def test_on_another_page_the_link_leads_to_the_scenario(checkout: Path) -> None:
    """A page in another directory can have the part too."""
    accepted(checkout)
    (checkout / "README.md").write_text(PART, encoding="utf-8")
    readme_sections.write(checkout)
    assert "](scenarios/blink/curve-1.svg)" in (checkout / "README.md").read_text(encoding="utf-8")


def test_the_site_has_the_pictures_under_their_names(checkout: Path, tmp_path: Path) -> None:
    """A browser draws no file with the suffix .txt."""
    directory, draft = accepted(checkout), tmp_path / "site"
    page = directory / "README.md"
    story = render_readme(page.read_text(encoding="utf-8"), readme_links(checkout, page, draft))
    assert 'src="files/scenarios/blink/curve-1.svg"' in story.html
    assert (draft / "files/scenarios/blink/curve-1.svg").read_bytes() == (directory / "curve-1.svg").read_bytes()


# -- pictures -------------------------------------------------------------------------------------


def test_a_picture_is_the_same_whenever_it_is_drawn() -> None:
    """In any order, so that `docs --check` can compare it."""
    first, second = plotted(BY_PAUSE), plotted(BY_WORKERS)
    drawn = [picture(first), picture(second)]
    assert [picture(second), picture(first)] == drawn[::-1]


def test_a_picture_is_svg_with_both_schemes_and_its_texts() -> None:
    """It is read as XML, and has no variable of the page's style sheet."""
    svg = picture(plotted(BY_PAUSE))
    root = ElementTree.fromstring(svg)
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"pause in seconds", "share of 502", "documented", "old"} <= texts
    assert "var(" not in svg
    assert "@media (prefers-color-scheme:dark){" in svg
    assert '[stroke="#2f7fd6"]{stroke:#5aa2f0}' in svg and '[fill="#ffffff"]{fill:#14171b}' in svg


def test_no_part_of_a_picture_has_the_width_of_a_text() -> None:
    """Machines have other fonts, and the bytes would differ."""
    svg = picture(plotted(BY_PAUSE))
    assert 'class="background"' not in svg
    longer = picture(plotted(Curve("Answers 502", "pause in secondssssss", "share of 502 and more", share)))
    assert longer.replace("secondssssss", "seconds").replace("502 and more", "502") == svg
    narrow, wide = (
        picture(plotted(BY_PAUSE, [observed(letter * 20, _1_9=1), observed("old", _1_9=1)])) for letter in "iW"
    )
    assert narrow.replace("i" * 20, "W" * 20) == wide


def test_a_curve_over_the_variants_has_no_legend() -> None:
    """A single line needs no name."""
    svg = picture(plotted(BY_WORKERS))
    assert "legend" not in svg and "documented" not in svg
