"""How a map is drawn: in the terminal, and as a page. From the files of a map, without Docker."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cases import DATA, ROOT, lay_out
from click.testing import CliRunner
from reprolab.cli import main
from reprolab.core.errors import Exit
from reprolab.core.terminal import Terminal
from reprolab.evidence.run_info import RUNNING
from reprolab.matrix import layout, page, terminal, write
from reprolab.matrix.document import MatrixCell, MatrixDocument, read_matrix
from reprolab.scenario import loader
from simulated import releases, words
from test_matrix_changes import document as document_of

RECORDED = DATA / "matrix"


def printed(document: MatrixDocument, width: int = 100, **options: Any) -> str:
    """What the terminal shows of a map."""
    stream = StringIO()
    terminal.render(Terminal(file=stream, width=width, no_color=True), document, "results/x/", **options)
    return stream.getvalue()


def lines(text: str) -> list[str]:
    """The lines without their indentation."""
    return [line.strip() for line in text.splitlines()]


def test_what_did_not_happen_is_said_beside_the_word() -> None:
    """A cell that is not exercised lacks what the claim is about: its trigger."""
    whole = document_of(["0/1", "e"])
    claim = replace(whole.claims[0], trigger="The server was told.")
    assert "not exercised: what the claim is about did not happen: The server was told." in " ".join(
        printed(replace(whole, claims=(claim,))).split()
    )


def test_more_trials_than_the_map_would_take_are_no_saving() -> None:
    """Kept trials, and those of cells that cannot run."""
    whole = read_matrix(RECORDED)
    assert "instead of" not in layout.effort(replace(whole, trials=1))


def test_the_page_of_a_map_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `html`, as that of a run."""
    monkeypatch.setenv("REPROLAB_ROOT", str(ROOT))
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path))
    home = tmp_path / "matrix" / "socket-vanish" / "20261122T101500Z"
    shutil.copytree(RECORDED, home)
    result = lab("html", "matrix/socket-vanish/20261122T101500Z")
    assert result.exit_code == Exit.AS_RECORDED, result.output
    assert (home / "matrix.html").is_file()


# -- the terminal -----------------------------------------------------------------------------------


def test_the_terminal_shows_a_table() -> None:
    """Releases with their days as rows, worker classes as columns; then what changes, and why cells have no result."""
    text = printed(read_matrix(RECORDED))
    assert lines(text)[0] == "socket-vanish/vanish: 60 cells, GUNICORN × WORKER_CLASS"
    assert re.search(r"GUNICORN +released +sync +gthread +eventlet", text)
    assert "19.7.1     2017-03-21   invalid   invalid        1/1" in text
    assert "20.0.2     2019-11-23       0/1       2/3        0/1" in text
    assert "22.0.0     2024-04-16      0/1*      0/1*   invalid*" in text
    assert "GUNICORN with WORKER_CLASS=eventlet, from 19.4.5: without the sign" in text
    assert "19.8.1: without the sign again (3/3, then 0/3)" in lines(text)
    assert "invalid: app did not start: exit code 1: GUNICORN=19.7.0, 19.7.1 WORKER_CLASS=sync, gthread" in text
    assert "invalid: image build failed: no such release: GUNICORN=22.0.0, 23.0.0 WORKER_CLASS=eventlet" in text
    assert "* with PYTHON=3.12.1 BOTTLE=0.13.4" in lines(text)
    assert "98 trials (98 new) instead of 180 for 3 of each cell · seed 7 · 21 min" in lines(text)
    assert "map and evidence: results/x/" in lines(text)


def test_trials_of_which_the_sign_could_not_be_read_are_not_hidden_by_others() -> None:
    """It may raise an error just where the effect is."""
    shown = document_of(["0/3", "2/2"])
    cells = (replace(shown.cells[0], errors={"B-1": "trial 4: KeyError: 'x'"}), shown.cells[1])
    said = "sign absent: in other trials the sign raised an error: trial 4: KeyError: 'x': RELEASE=0.0"
    assert said in lines(printed(replace(shown, cells=cells)))


def test_a_map_whose_process_was_killed_does_not_say_that_it_runs() -> None:
    """Nobody can tell from the file."""
    assert "this map is running or aborted" in lines(printed(replace(document_of(["0/3"]), status=RUNNING)))


def test_images_that_fail_for_one_reason_are_told_once() -> None:
    """Each has a name and a log of its own."""
    failed = "image build failed: the image reprolab/blink-app:{0} did not build (exit code 17; whole log: builds/{0}):"
    cells = tuple(
        MatrixCell((f"0.{number}",), obstacle=f"{failed.format(number)}\nerror: no wheel\nnotice")
        for number in range(2)
    )
    text = printed(replace(document_of(["x", "x"]), cells=cells))
    assert "invalid: an image did not build: … error: no wheel: all cells" in lines(text)


def test_a_legend_explains_what_is_there() -> None:
    """And no state that the map does not have."""
    text = " ".join(printed(read_matrix(RECORDED)).split())
    assert "k/n: in some of them" in text
    assert "thin: the two counts may differ by chance" in text
    assert "disturbed" not in text
    assert "thin" not in printed(document_of(["0/3", "3/3"]))


def test_every_state_has_its_text() -> None:
    """Also those without a count."""
    text = printed(document_of(["3/3", "0/3", "1/3", "x", "e", "b", "!", "."]))
    cells = ("3/3", "0/3", "1/3", "invalid", "not exercised", "disturbed", "unreadable", "–")
    table = [line.split(maxsplit=2)[2].strip() for line in text.splitlines() if re.match(r" 0\.\d ", line)]
    assert table == list(cells)
    assert "unreadable: trial 1: KeyError: 'x': RELEASE=0.6" in text


def test_with_verbose_each_cell_has_its_interval() -> None:
    """And the machines are named."""
    short, long = printed(read_matrix(RECORDED)), printed(read_matrix(RECORDED), verbose=True)
    assert "GUNICORN=20.0.2 WORKER_CLASS=gthread: 2/3 (21–94 %)" in lines(long)
    assert "GUNICORN=22.0.0 WORKER_CLASS=eventlet: invalid: image build failed: no such release" in lines(long)
    assert "kernel 6.1" in long
    assert "(21–94 %)" not in short


def wide() -> MatrixDocument:
    """A map with two ordered axes and many columns."""
    modes = words("MODE", *(f"mode-{number}" for number in range(12)))
    return document_of(["0/1"] * 11 * 12 + ["3/3"] * 12, releases(12), modes)


def test_a_map_that_is_wider_than_the_terminal_becomes_a_list() -> None:
    """Each release with its columns, grouped by what they show; no line is wider than the terminal."""
    text = printed(wide())
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "0.11 2020-01-12  3/3 mode-0, mode-1, mode-2" in text
    assert re.search(r"RELEASE +released", printed(wide(), width=200))


@pytest.mark.parametrize("width", [40, 60, 100])
def test_nothing_is_cut_off(width: int) -> None:
    """In a narrow terminal texts are folded, not lost."""
    text = printed(read_matrix(RECORDED), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "…" not in text
    assert "20.0.2" in text


def test_the_longest_ordered_axis_makes_the_rows() -> None:
    """Whatever comes first on the command line."""
    axes = (words("MODE", "a", "b", "c"), releases(2))
    text = printed(document_of(["0/1", "3/3"] * 3, *axes))
    assert re.search(r"RELEASE +released +a +b +c", text)
    assert re.search(r"0\.1 +2020-01-02 +3/3 +3/3 +3/3", text)


def test_headings_of_several_axes_stand_one_above_the_other() -> None:
    """A line for each axis."""
    axes = (releases(2), words("MODE", "plain", "loud"), words("PYTHON", "3.6", "3.7"))
    text = printed(document_of(["0/1"] * 8, *axes))
    assert re.search(r"plain +plain +loud +loud", text)
    assert re.search(r"3\.6 +3\.7 +3\.6 +3\.7", text)
    assert "columns: MODE, PYTHON" in lines(text)


def test_several_sets_of_companions_have_marks_of_their_own() -> None:
    """A mark for each set."""
    text = printed(document_of(["0/1"] * 3, cell_1={"PYTHON": "3.9"}, cell_2={"PYTHON": "3.12"}))
    assert {"* with PYTHON=3.9", "† with PYTHON=3.12"} <= set(lines(text))
    assert re.search(r"0\.1 .*0/1\*", text)
    assert re.search(r"0\.2 .*0/1†", text)


# -- the page -----------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The directory of the map below results/, with evidence of two cells; one of them has a report."""
    directory = tmp_path / "results" / "matrix" / "socket-vanish" / "20261126T120000Z"
    directory.mkdir(parents=True)
    shutil.copy(RECORDED / "matrix.json", directory)
    for cell in read_matrix(RECORDED).cells[:2]:
        (tmp_path / "results" / cell.evidence).mkdir(parents=True)
    (tmp_path / "results" / read_matrix(RECORDED).cells[0].evidence / "report.html").write_text("")
    return directory


class Elements(HTMLParser):
    """Collects the elements of a page with their attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.every: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.every.append((tag, dict(attrs)))

    def of(self, tag: str, css: str = "") -> Iterator[dict[str, str | None]]:
        """The attributes of all elements of a kind and a class."""
        for name, attributes in self.every:
            if name == tag and (not css or css in str(attributes.get("class", "")).split()):
                yield attributes


def test_the_page_has_a_table_for_each_claim(place: Path) -> None:
    """The claim that was asked for first; a cell has its state as a class, and all that is known as a title."""
    text = page.render_page(place, read_matrix(place))
    elements = Elements(text)
    sections = [attributes["id"] for attributes in elements.of("section")]
    assert sections == [*(f"SV-{number}" for number in range(1, 13)), "facts"]
    cells = list(elements.of("td", "cell"))
    assert len(cells) == 60 * 12
    titles = [str(attributes["title"]) for attributes in cells[:60]]
    assert "GUNICORN=20.0.2 WORKER_CLASS=gthread: 2/3 (21–94 %)" in titles
    broken = "GUNICORN=22.0.0 WORKER_CLASS=eventlet (with PYTHON=3.12.1 BOTTLE=0.13.4): invalid: image build failed"
    assert any(title.startswith(broken) for title in titles)
    kinds = [str(attributes["class"]) for attributes in cells[:60]]
    assert sum("in-some-trials" in kind for kind in kinds) == 1
    assert sum("documented" in kind.split() for kind in kinds) == 1


def test_the_page_links_what_is_there(place: Path) -> None:
    """A cell's report, else its directory, else nothing; every claim links the same evidence."""
    hrefs = [str(link["href"]) for link in Elements(page.render_page(place, read_matrix(place))).of("a")]
    evidence = [href for href in hrefs if "cells/" in href]
    assert len(evidence) == 2 * 12
    assert len(set(evidence)) == 2
    for href in set(evidence):
        assert (place / href).exists(), href
    assert any(href.endswith("/report.html") for href in evidence)
    anchors = {href for href in hrefs if href.startswith("#")}
    assert {"#SV-1", "#facts"} <= anchors


@pytest.mark.parametrize("evidence", ["/etc", "../../../../etc", "cells/../../x", "javascript:alert(1)", "no/such"])
def test_a_page_links_nothing_outside_of_the_results(place: Path, evidence: str) -> None:
    """A map may come from somebody else."""
    assert page.evidence_link(place, MatrixCell(("1",), trials=1, evidence=evidence)) == ""


def test_the_page_needs_no_other_file(place: Path) -> None:
    """No script, no address; its style sheet is in it."""
    text = page.render_page(place, read_matrix(place))
    elements = Elements(text)
    assert not list(elements.of("script"))
    assert "://" not in text
    assert [link["href"] for link in elements.of("link")] == ["data:,"]
    assert ".map td.cell" in text


def test_the_page_has_the_changes_the_days_and_the_facts(place: Path) -> None:
    """As in the terminal."""
    document = replace(read_matrix(place), budget=300.0, ended="budget", fixed={"THREADS": "2"})
    text = page.render_page(place, document)
    for words_of_page in (
        "21.0.0: without the sign again (3/3, then 0/3)",
        "2016-05-23",
        "the budget of 300 s ended the map",
        "98 trials (98 new) instead of 180",
        "GUNICORN: 20 releases of gunicorn: 19.4.5 to 23.0.0, released 2016-01-05 to 2024-08-10",
        "left out: 20.0.1 (yanked)",
        "THREADS=2",
        "2 × a simulated processor",
        "image build failed: no such release",
    ):
        assert words_of_page in text, words_of_page


def test_a_thick_line_is_where_the_column_changes() -> None:
    """Above the cell that differs; over a hole it is above the next cell that counts."""
    shown = document_of(["0/3", "x", "3/3", "3/3", "0/3"])
    cells = list(Elements(page.render_page(Path("nowhere"), shown)).of("td", "cell"))
    assert [number for number, cell in enumerate(cells) if "edge" in str(cell["class"]).split()] == [2, 4]


def test_a_thick_line_is_not_where_the_row_changes() -> None:
    """The columns may be ordered too; beside a cell there is no line."""
    shown = document_of(["0/3", "3/3"] * 3, releases(3), releases(2, "PYTHON"))
    assert not [
        cell
        for cell in Elements(page.render_page(Path("nowhere"), shown)).of("td", "cell")
        if "edge" in str(cell["class"]).split()
    ]


def test_headings_span_their_columns() -> None:
    """A row of headings for each axis, as a reader's program needs it."""
    axes = (releases(2), words("MODE", "plain", "loud"), words("PYTHON", "3.6", "3.7"))
    elements = Elements(page.render_page(Path("nowhere"), document_of(["0/1"] * 8, *axes)))
    spans = [attributes.get("colspan") for attributes in elements.of("th", "value")]
    assert spans == ["2", "2", "1", "1", "1", "1"]
    assert {str(attributes.get("scope")) for attributes in elements.of("th")} == {"col", "colgroup", "row"}


def test_a_huge_map_leaves_claims_out_of_its_page() -> None:
    """Those that were not asked for; the page names them."""
    shown = document_of(["0/1"] * 7000, releases(7000))
    others = tuple(replace(shown.claims[0], id=f"B-{number}", asked=False) for number in range(2, 5))
    text = page.render_page(Path("nowhere"), replace(shown, claims=(*shown.claims, *others)))
    assert len(list(Elements(text).of("td", "cell"))) == 7000
    assert "no room for B-2, B-3, B-4" in text


def test_the_page_tells_the_reasons_of_cells_once() -> None:
    """A cell that cannot start has no result for any claim; a claim with other reasons tells its own."""
    shown = document_of(["x", "0/1"])
    others = tuple(replace(shown.claims[0], id=f"B-{number}", asked=False) for number in range(2, 4))
    cells = (shown.cells[0], replace(shown.cells[1], errors={"B-2": "KeyError: 'lamp'"}))
    text = page.render_page(Path("nowhere"), replace(shown, claims=(*shown.claims, *others), cells=cells))
    assert len(list(Elements(text).of("ul", "reasons"))) == 2
    first = shown.claims[0].id
    assert text.count(f'for the same reasons, as <a href="#{first}">') == 1


def test_a_hostile_text_stays_a_text(place: Path) -> None:
    """A reason comes from a server's log."""
    document = read_matrix(place)
    hostile = replace(document.cells[0], counts={}, invalid=1, reason="<script>alert(1)</script>\x1b[31m")
    shown = replace(document, cells=(hostile, *document.cells[1:]))
    text = page.render_page(place, shown)
    assert "<script>" not in text
    assert "\x1b" not in text + printed(shown)


# -- drawing a map again ------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's scenarios, with the results of the test."""
    monkeypatch.setenv("REPROLAB_ROOT", str(ROOT))
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    (place.parent / "latest").symlink_to(place.name)
    return place


def lab(*arguments: str) -> Any:
    """Call the command line."""
    return CliRunner().invoke(main.main, list(arguments))


@pytest.mark.parametrize("where", ["latest", "20261126T120000Z", "the directory"])
def test_a_map_is_drawn_again_from_its_file(home: Path, where: str) -> None:
    """By its name or its directory; text, CSV and page are written anew."""
    result = lab("matrix", "socket-vanish", "--show", str(home) if where == "the directory" else where)
    assert result.exit_code == Exit.AS_RECORDED, result.output
    assert "20.0.2     2019-11-23       0/1       2/3        0/1" in result.output
    assert sorted(path.name for path in home.iterdir()) == ["matrix.csv", "matrix.html", "matrix.json", "matrix.txt"]
    assert "results/matrix/socket-vanish/20261126T120000Z/" in (home / "matrix.txt").read_text(encoding="utf-8")


def test_a_directory_needs_no_scenario(home: Path) -> None:
    """The map says which scenario it is of."""
    assert lab("matrix", "--show", str(home)).exit_code == Exit.AS_RECORDED


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["matrix"], "no scenario is given"),
        (["matrix", "socket-vanish", "--show", "20990101T000000Z"], "there is 20261126T120000Z"),
        (["matrix", "--show", "nowhere"], "no map 'nowhere'"),
    ],
)
def test_what_is_missing_is_said(home: Path, arguments: list[str], text: str) -> None:
    """With the maps that there are."""
    result = lab(*arguments)
    assert result.exit_code == Exit.USAGE
    assert text in result.output


def test_the_files_of_a_map_name_no_directory_of_this_machine(home: Path) -> None:
    """They may be published."""
    write.write_files(home, read_matrix(home))
    for name in ("matrix.txt", "matrix.csv", "matrix.html"):
        assert str(home.parent) not in (home / name).read_text(encoding="utf-8")


# -- the command --------------------------------------------------------------------------------------


def test_a_plan_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints cells, builds and the time, and needs no engine."""
    lay_out(tmp_path)
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    result = lab("matrix", "blink", "--over", "WORKERS=1,2,4", "--set", "RELEASE=0.9", "--plan")
    assert result.exit_code == Exit.AS_RECORDED, result.output
    assert result.output.startswith("blink/lamp: 3 cells, WORKERS (3)\nWORKERS: 1, 2, 4\nin all cells: RELEASE=0.9\n")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "no factor to go through is given"),
        ([], "to do:    reprolab matrix blink --over RELEASE="),
        (["--over", "WORKERS"], "--over WORKERS names no values"),
        (["--over", "WORKERS"], "to do:    reprolab matrix blink --over WORKERS="),
        (["--over", "=1"], "blink has no factor"),
        (["--show", "latest"], "for a first map"),
        (["--over", "WORKERS=1", "--engines", "nix://foo", "--plan"], "nix://foo"),
        (["--over", "WORKRES=1"], "no factor WORKRES (did you mean WORKERS?)"),
        (["--over", "WORKERS=1", "--set", "WORKERS=2"], "WORKERS is given twice"),
        (["--over", "WORKERS=1", "--over", "WORKERS=2"], "WORKERS is given twice"),
        (["--over", "WORKERS=1,", "--plan"], "has an empty value"),
        (["--over", "WORKERS=1", "--claim", "B-9"], "blink has no such claim"),
        (["--over", "WORKERS=1", "--budget", "5"], "Invalid value for '--budget'"),
    ],
)
def test_mistakes_end_the_command_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str
) -> None:
    """With status 2 and what was expected."""
    lay_out(tmp_path)
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    result = lab("matrix", "blink", *arguments)
    assert result.exit_code == Exit.USAGE, result.output
    assert text in result.output
    assert "Traceback" not in result.output


def test_the_scenario_of_the_recorded_map_exists() -> None:
    """Its claims are those of the map."""
    known = {claim.id for claim in loader.load(ROOT, "socket-vanish").claims}
    assert {claim.id for claim in read_matrix(RECORDED).claims} <= known
