"""The lab's pages in Chromium: as wide as a phone, a laptop and a projector, in the light and the dark scheme."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cases import ROOT, claim, in_memory, recorded_run, trial
from chromium import LAPTOP, PHONE, PROJECTOR, SIGHTS, Chromium, browser
from pypdf import PdfReader
from reprolab.core import files
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.series import SERIES_FILE, Sample
from reprolab.report.html import report, series_chart
from reprolab.scenario import loader
from reprolab.scenario.event import KINDS, Event
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict import record
from reprolab.verdict.answer import answer
from reprolab.verdict.document import write_verdict
from reprolab.verdict.judge import judge

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """One browser for all pages."""
    with browser() as chromium_browser:
        yield chromium_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html of the recorded run of socket-vanish."""
    run = recorded_run(tmp_path_factory.mktemp("results"), "whole")
    scenario = loader.load(ROOT, "socket-vanish")
    record.judge_run(scenario, run)
    return report.write(scenario, run, record.read_record(scenario))


@pytest.mark.parametrize(("width", "scheme"), SIGHTS)
def test_the_report_is_complete_at_all_widths(chromium: Chromium, page: Path, width: int, scheme: str) -> None:
    """All parts are shown, nothing is cut or wider than the window, and the browser reports no error."""
    seen = chromium.look(
        page,
        width,
        scheme=scheme,
        open_details=True,
        selectors=[
            "h2",
            ".verdicts p",
            "h1",
            "details.claim",
            ".variants tbody tr",
            ".chart svg",
            ".pane .log",
            ".claim .inside",
        ],
        script="getComputedStyle(document.body).backgroundColor",
        picture=(0, 900),
    )
    assert seen.errors == []
    assert seen.overflow == []
    assert seen.texts["h2"] == ["Claims", "Variants", "Timeline", "Logs side by side", "The run"]
    assert "confirmed" in seen.texts[".verdicts p"][0]
    assert len(seen.texts["h1"]) == 1
    assert len(seen.texts["details.claim"]) == len(seen.texts[".claim .inside"]) == 14
    assert len(seen.texts[".variants tbody tr"]) == 28
    assert len(seen.texts[".chart svg"]) == 2 + 2, "two at the top, and two in the section"
    assert len(seen.texts[".pane .log"]) == 8
    assert (seen.value == "rgb(255, 255, 255)") is (scheme == "light")
    assert seen.picture.startswith(b"\x89PNG")


TOP = 700
PLACES = """(() => {
  const place = selector => [...document.querySelectorAll(selector)].map(e => e.getBoundingClientRect().toJSON());
  return {answer: place('h1'), charts: place('.opening .chart'), facts: place('#facts'), rest: place('main')};
})()"""
CLIPPED = """[...document.querySelectorAll('.scroll')]
  .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
  .map(e => e.textContent.trim().slice(0, 60))"""


@pytest.mark.parametrize("width", [LAPTOP, PROJECTOR])
def test_the_answer_and_both_timelines_are_at_the_top(chromium: Chromium, page: Path, width: int) -> None:
    """The sentence, then the documented variant and its control side by side; the factsheet is behind all else."""
    places = chromium.look(page, width, script=PLACES).value
    (answer,), (left, right), (facts,), (rest,) = (places[name] for name in ("answer", "charts", "facts", "rest"))
    assert answer["bottom"] <= left["top"]
    assert left["bottom"] <= TOP
    assert left["top"] == right["top"]
    assert left["right"] <= right["left"]
    assert left["width"] == pytest.approx(right["width"], abs=2)
    assert facts["bottom"] == pytest.approx(rest["bottom"], abs=60)


@pytest.mark.parametrize("width", [LAPTOP, PROJECTOR])
def test_no_column_is_cut_off(chromium: Chromium, page: Path, width: int) -> None:
    """The widest table of socket-vanish fits into the window of a laptop."""
    assert chromium.look(page, width, script=CLIPPED).value == []


def test_the_first_column_stays_when_a_table_is_scrolled(chromium: Chromium, page: Path) -> None:
    """On a phone the table is wider than the window, and the names of the variants stay at its left edge."""
    script = """(() => {
      const table = document.querySelector('.variants').parentElement, name = table.querySelector('tbody th');
      table.scrollLeft = 300;
      return [table.scrollLeft, name.getBoundingClientRect().left - table.getBoundingClientRect().left];
    })()"""
    scrolled, distance = chromium.look(page, PHONE, script=script).value
    assert scrolled == 300
    assert distance == pytest.approx(0, abs=2)


def test_answers_and_errors_have_lanes_of_their_own(chromium: Chromium, page: Path) -> None:
    """The bars of 200 end above the place where those of 502 begin, however many of these there are."""
    script = """(async () => {
      const drawn = () => document.querySelectorAll('.opening .chart[data-drawn=done]').length === 2;
      for (let n = 0; n < 200 && !drawn(); n++) await new Promise(done => setTimeout(done, 50));
      const lane = fill => [...document.querySelectorAll('.opening .track:first-child .mark-rect path')]
        .filter(bar => bar.getAttribute('fill') === fill).map(bar => bar.getBoundingClientRect());
      const bottom = Math.max(...lane('var(--ok)').map(box => box.bottom));
      return [bottom, Math.min(...lane('var(--server)').map(box => box.top))];
    })()"""
    answers, errors = chromium.look(page, LAPTOP, script=script).value
    assert answers <= errors


def test_a_timeline_has_marks(chromium: Chromium, page: Path) -> None:
    """Lanes have marks, steps have bars, and a line marks the time at which the socket was removed."""
    marks = [
        f".opening .chart {mark}" for mark in (".mark-symbol path", ".mark-rect path", ".role-mark.mark-rule line")
    ]
    seen = chromium.look(page, LAPTOP, selectors=marks)
    counts = {selector: len(texts) for selector, texts in seen.texts.items()}
    assert all(counts[selector] > 5 for selector in marks[:2]), counts
    assert counts[marks[2]] == 1, "the socket's going is drawn through the responses"
    assert seen.errors == []


def test_a_mark_has_a_tooltip(chromium: Chromium, page: Path) -> None:
    """It has the time, the text and the source of the event."""
    script = """(async () => {
      const pause = () => new Promise(done => setTimeout(done, 50));
      const wait = async look => { for (let n = 0; n < 100 && !look(); n++) await pause(); };
      const mark = () => document.querySelector('.chart[data-drawn=done] .mark-symbol path');
      await wait(mark);
      const box = mark().getBoundingClientRect();
      for (const kind of ['pointerover', 'mouseover', 'pointermove', 'mousemove'])
        mark().dispatchEvent(new MouseEvent(kind, {bubbles: true, clientX: box.left + 2, clientY: box.top + 2}));
      const told = () => document.getElementById('vg-tooltip-element')?.innerText;
      await wait(told);
      return told();
    })()"""
    words = chromium.look(page, LAPTOP, script=script).value.split()
    assert {"when", "what", "told", "by"} <= set(words)
    assert re.search(r"-?\d+\.\d+ s", " ".join(words))


def test_any_two_variants_can_be_side_by_side(chromium: Chromium, page: Path) -> None:
    """A pane shows the logs of the chosen variant, or only the chosen log."""
    script = """(() => {
      const pane = document.querySelectorAll('.pane')[1], select = pane.querySelector('select');
      select.value = '0'; select.dispatchEvent(new Event('change'));
      const log = document.getElementById('which-log');
      log.value = 'witness.log.gz'; log.dispatchEvent(new Event('change'));
      return pane.querySelector('.log a').getAttribute('href');
    })()"""
    seen = chromium.look(page, LAPTOP, script=script, selectors=[".pane .log h4 a", ".pane .log pre"])
    assert seen.value == "vanish/documented/1/app.streams.log.gz"
    assert seen.texts[".pane .log h4 a"] == ["witness.log.gz"] * 2
    assert seen.texts[".pane .log pre"][0] == seen.texts[".pane .log pre"][1]


@pytest.fixture
def folded(tmp_path: Path) -> Path:
    """A page with one chart: that of a claim which counts tries, in a closed element."""
    rated = claim(absent=["old"], sign=lambda o: o["blinked"] > 5, rate=lambda o: (o["blinked"], 10))
    scenario, rows = in_memory(rated), [trial(shown=9), trial("old", shown=0)]
    run = RunDirectory(tmp_path / "run")
    files.write_json(run.path / "run.json", {"scenario": "blink", "status": "complete"})
    write_verdict(run, judge(scenario, "run", rows))
    for row in rows:
        run.append(row)
    return report.write(scenario, run, None)


def test_a_claim_shows_its_rates_when_it_is_opened(chromium: Chromium, folded: Path) -> None:
    """The chart is drawn when the claim is opened, with a point and a line for each variant."""
    marks = [".chart .mark-symbol path", ".chart .role-mark.mark-rule line"]
    closed = chromium.look(folded, PHONE, selectors=marks)
    assert [len(closed.texts[selector]) for selector in marks] == [0, 0]
    opened = chromium.look(folded, PHONE, selectors=marks, open_details=True)
    assert [len(opened.texts[selector]) for selector in marks] == [2, 2]
    assert opened.errors == opened.overflow == []


def test_the_series_of_the_services_are_drawn(chromium: Chromium, tmp_path: Path) -> None:
    """A chart for each trial, with a line for each service and measurement."""
    scenario, rows = in_memory(claim(absent=["old"])), [trial(), trial("old", shown=False)]
    run = RunDirectory(tmp_path / "run")
    files.write_json(run.path / "run.json", {"scenario": "blink", "status": "complete"})
    write_verdict(run, judge(scenario, "run", rows))
    for row in rows:
        run.append(row)
        samples = [
            Sample(role, at * 500_000_000, at / 10, at << 20, at, at, {"tcp established": at})
            for at in range(1, 9)
            for role in ("app", "proxy")
        ]
        path = run.trial(row.experiment, row.variant, row.trial).path / SERIES_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(sample.to_json()) + "\n" for sample in samples), encoding="utf-8")
    lines = ".chart .mark-line path"
    seen = chromium.look(report.write(scenario, run, None), PHONE, selectors=[lines, ".chart svg"], open_details=True)
    assert len(seen.texts[".chart svg"]) == 2
    assert len(seen.texts[lines]) == 2 * 2 * len(series_chart.ROWS)
    assert seen.errors == seen.overflow == []


# -- the hand-out -------------------------------------------------------------------------------------

# The lanes of the two timelines at the top of each case's report, as recorded: kinds, then sources of notes.
SOCKET_VANISH = ("started", "ending", "gone", "present", "traceback", "load", "unlink")
LANES = {
    "enable-threads": (("requests", "thread once", "thread held"), ()),
    "gunicorn-settings": (("killed", "request", "old worker gone"), ()),
    "pool-freeze": (("started", "killed", "frozen request", "request"), ()),
    "socket-vanish": (SOCKET_VANISH, ("200", "502")),
    "spawn-workers": (("started", "killed"), ()),
}
# Of a case that is not among them.
USUAL_LANES = (("started", "request"), ())
A4 = (595, 842)
SMALLEST = 6.5


def recorded_page(at: Path, name: str) -> Path:
    """The page of a case's recorded run. Its logs are not here: two trials have events and responses with its lanes."""
    scenario = loader.load(ROOT, name)
    recorded = record.read_record(scenario)
    assert recorded is not None
    run = RunDirectory(at / recorded.verdict.run)
    files.write_json(run.path / "run.json", recorded.info.to_json())
    main = answer(scenario, recorded.verdict).claim
    pairs = [
        (one, known) for one in scenario.experiments.values() for known in one.claims if known.shows and known.absent
    ]
    # A case of many claims has no main one; its page opens with the first that has a pair.
    experiment, known = min(pairs, key=lambda pair: pair[1].id != main)
    lanes, statuses = LANES.get(name, USUAL_LANES)
    stand_in = replace(
        experiment,
        zero=lambda evidence, observation: 0,
        events=lambda evidence, observation: [
            Event(400.0 * number, lane if lane in KINDS else "note", lane, lane) for number, lane in enumerate(lanes)
        ],
        responses=lambda evidence, observation: {status: [5] * 60 for status in statuses},
    )
    for variant in (known.shows[0], known.absent[0]):
        factors = recorded.verdict.variants[scenario.variant_key(experiment.name, variant)].factors
        run.append(TrialRecord(experiment.name, variant, 1, factors, {}))
        run.trial(experiment.name, variant, 1).path.mkdir(parents=True)
    write_verdict(run, recorded.verdict)
    return report.write(
        replace(scenario, experiments={**scenario.experiments, experiment.name: stand_in}), run, recorded
    )


def squeezed(text: str) -> str:
    """A text without spaces, ligatures and marks of code: a printed text has its line breaks anywhere."""
    return re.sub(r"[\s`]+", "", unicodedata.normalize("NFKC", text))


def printed(pdf: bytes) -> tuple[PdfReader, str, list[float]]:
    """A PDF with its text, squeezed, and the sizes of its letters in points."""
    reader, sizes = PdfReader(io.BytesIO(pdf)), []

    def visit(text: str, matrix: list[float], text_matrix: list[float], font: object, size: float) -> None:
        if text.strip():
            sizes.append(abs(size * text_matrix[3] * matrix[3]))

    text = "".join(page.extract_text(visitor_text=visit) for page in reader.pages)
    return reader, squeezed(text), sizes


@pytest.mark.parametrize("name", loader.names(ROOT))
def test_a_case_is_printed_on_one_page(chromium: Chromium, tmp_path: Path, name: str) -> None:
    """A4, with title, answer, timelines, finding, all claims with their verdicts, and how to repeat it; no more."""
    page, scenario = recorded_page(tmp_path, name), loader.load(ROOT, name)
    recorded = record.read_record(scenario)
    assert recorded is not None
    seen = chromium.look(page, LAPTOP, scheme="dark", pdf=True)
    reader, text, sizes = printed(seen.pdf)
    assert seen.errors == []
    assert [tuple(round(n) for n in sheet.mediabox[2:]) for sheet in reader.pages] == [A4]
    assert min(sizes) >= SMALLEST
    main = answer(scenario, recorded.verdict)
    lanes, statuses = LANES.get(name, USUAL_LANES)
    shown = [scenario.title, main.sentence, *lanes * 2, *statuses * 2, scenario.finding, f"reprolab run {name}"]
    shown += [recorded.verdict.run, recorded.info.host.cpu, recorded.info.started]
    assert [part for part in shown if text.count(squeezed(part)) < shown.count(part)] == []
    claims = recorded.verdict.claims
    assert [row.id for row in claims if squeezed(row.id + row.text) not in text] == []
    verdicts = Counter(str(row.verdict) for row in claims)
    assert {word: n for word, n in verdicts.items() if text.count(word) < n} == {}
    for hidden in ("Open a claim", "Variants", "Logs side by side", "The run", "Timeline"):
        assert squeezed(hidden) not in text


def test_the_charts_of_a_hand_out_are_as_wide_as_its_columns(chromium: Chromium, page: Path) -> None:
    """So their words are not scaled; afterwards they have the width of the screen again."""
    script = """(async () => {
      const pause = () => new Promise(done => setTimeout(done, 50));
      const charts = [...document.querySelectorAll('.opening .chart')];
      const widths = () => charts.map(chart => Number(chart.querySelector('svg')?.getAttribute('width')));
      const wait = async look => { for (let n = 0; n < 200 && !look(); n++) await pause(); };
      await wait(() => charts.every(chart => chart.dataset.drawn === 'done'));
      const screen = widths();
      dispatchEvent(new Event('beforeprint'));
      await pause();
      const paper = widths();
      dispatchEvent(new Event('afterprint'));
      await wait(() => widths()[0] === screen[0]);
      return {screen, paper, after: widths()};
    })()"""
    value = chromium.look(page, LAPTOP, script=script).value
    assert value["paper"] == [350, 350]
    assert value["after"] == value["screen"] != value["paper"]


def test_the_harness_reports_faults(chromium: Chromium, tmp_path: Path) -> None:
    """It reports text that is too wide or cut, script errors, and network requests."""
    path = tmp_path / "bad.html"
    narrow = "overflow:hidden;width:20px;white-space:nowrap"
    path.write_text(
        f'<body><div style="width:3000px">wide</div><p style="{narrow}">cut off text</p>'
        '<script>console.error("oh"); fetch("http://127.0.0.1:9/x"); missing();</script>'
    )
    seen = chromium.look(path, PHONE)
    errors = "\n".join(seen.errors)
    assert "oh" in errors
    assert "missing is not defined" in errors
    assert "asked the network for http://127.0.0.1:9/x" in errors
    assert any("wide" in text for text in seen.overflow)
    assert any(text.startswith("cut off") for text in seen.overflow)
