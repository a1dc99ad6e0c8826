"""The documents of a bisect: what is written, read again, and said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from reprolab.bisect import html, markdown, terminal, words
from reprolab.bisect.document import FILE, BisectDocument, CommitSearch, read_document, write_document
from reprolab.bisect.drawing import drawing
from reprolab.bisect.findings import read
from reprolab.bisect.measuring import BUDGET, POINTS, Measuring
from reprolab.bisect.point import Point
from reprolab.bisect.reading import Reading, of_document
from reprolab.bisect.search import Rules
from reprolab.bisect.write import write
from reprolab.core.errors import UsageError
from reprolab.core.terminal import Terminal
from reprolab.engine.host_facts import Host
from reprolab.evidence.run_info import ABORTED, COMPLETE, RUNNING
from simulated_bisect import bisected, measuring


def dated(points: list[Point]) -> tuple[Point, ...]:
    """The points as releases 19.1.0, 19.2.0 and so on, a month apart."""
    return tuple(
        replace(point, value=f"19.{n}.0", date=str(date(2015, 1, 1) + timedelta(days=30 * n)))
        for n, point in enumerate(points, 1)
    )


def document(bisect: Measuring, **changes: Any) -> BisectDocument:
    """The document of a bisect over releases."""
    plain = BisectDocument(
        "blink",
        "a lamp",
        "lamp",
        "B-1",
        "It blinks.",
        "the lamp blinks",
        "RELEASE",
        "blinker",
        "19.1.0",
        bisect.rules,
        dated(bisect.points),
        started="2026-01-02 12:00 UTC",
        status=COMPLETE,
        host=Host(kernel="6.1", engine="20.10", compose="2.26", cpu="Some CPU", cpus=2, python="3.11"),
        bases=("python:3.12 was on this engine already",),
        lab="0.1.0",
    )
    return replace(plain, **changes)


def shown(content: BisectDocument) -> str:
    """The report in the terminal."""
    stream = StringIO()
    terminal.render(Terminal(file=stream, width=160, no_color=True), content, "results/bisect/blink/1/")
    return stream.getvalue()


COMMITS = CommitSearch(
    "19.7.0",
    "19.8.0",
    ("19.7.0", "v19.8.0"),
    "0123456789abcdef",
    True,
    Rules(gap=9),
    (
        Point("19.7.0+0.g01", "2015-07-30", "begin", asked=13, trials=13),
        Point("19.7.0+1.g02", "2015-08-01", "change | the lamp", asked=3, trials=3, shown=3),
    ),
)
WHOLE = document(bisected("ggggggxBBBBBBBggggggg"), deep=(COMMITS,), notes=("left out: 1 pre-release (19.0rc1)",))


# -- bisect.json ---------------------------------------------------------------------------------


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    """With the counts, the rules, the commits and the host."""
    write_document(tmp_path, WHOLE)
    assert read_document(tmp_path) == WHOLE
    cell = json.loads((tmp_path / FILE).read_text())["points"][7]
    assert (cell["shown"], cell["trials"], cell["evidence"]) == (3, 3, "cells/blink/8")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("points"),
        lambda content: content.update(schema=2),
        lambda content: content.update(points={}),
        lambda content: content.update(factor=3),
        lambda content: content["points"][0].update(shown=99),
        lambda content: content["points"][0].update(trials=-1),
        lambda content: content["points"][0].update(kept=99),
        lambda content: content["points"][0].update(strange=1),
        lambda content: content["points"][0].update(companions=["PYTHON"]),
        lambda content: content["rules"].update(confidence=100),
        lambda content: content["rules"].update(gap=0),
        lambda content: content["deep"][0].update(tags=["one"]),
        lambda content: content["deep"][0]["points"][0].update(shown=99),
    ],
)
def test_a_damaged_document_is_a_usage_error(tmp_path: Path, damage: Any) -> None:
    """It names the file."""
    write_document(tmp_path, WHOLE)
    content = json.loads((tmp_path / FILE).read_text())
    damage(content)
    (tmp_path / FILE).write_text(json.dumps(content))
    with pytest.raises(UsageError, match=FILE):
        read_document(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "{}"])
def test_what_is_no_document_is_a_usage_error(tmp_path: Path, text: str) -> None:
    """As a file that was cut off."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match=FILE):
        read_document(tmp_path)


def test_all_documents_are_written(tmp_path: Path) -> None:
    """The public ones name the results by their path in a checkout, not by that of this machine."""
    write(tmp_path / "20260102T120000Z", WHOLE)
    written = {path.name: path.read_text() for path in (tmp_path / "20260102T120000Z").iterdir()}
    assert sorted(written) == ["bisect.json", "report.html", "report.md", "report.txt"]
    assert "results/bisect/blink/20260102T120000Z/" in written["report.md"]
    assert not [name for name, text in written.items() if str(tmp_path) in text]


# -- sentences -----------------------------------------------------------------------------------


def test_the_report_to_paste_has_everything() -> None:
    """The changes with dates, counts and intervals, the holes, what was assumed, the host, and the command."""
    text = markdown.summary(WHOLE, "results/bisect/blink/1/")
    assert text.startswith("### blinker: the lamp blinks\n\nBad: 19.8.0 to 19.14.0. Good: 19.1.0 to 19.6.0 and")
    for part in (
        "- **First bad between 19.6.0 (2015-06-30), good, and 19.8.0 (2015-08-29), bad; 19.7.0 could not be built.**",
        "- **Last bad: 19.14.0 (2016-02-25). Fixed in 19.15.0 (2016-03-26).** 19.14.0 showed the sign in 3/3",
        "| release | date | sign | k of n | 95 % interval |",
        "| 19.6.0 | 2015-06-30 | good | 0/12 | 0–24 % |",
        "| 19.8.0 | 2015-08-29 | bad | 3/3 | 44–100 % |",
        "| 19.7.0 | 2015-07-30 | hole | — | image build failed: no wheel: … more of the log |",
        "- 19.7.0 could not be built: image build failed: no wheel",
        "(3 releases): assumed good, as ",
        "A window inside an assumed stretch is not noticed; the longest stretch has 3 releases.",
        "shows the sign in 50 % of its trials looks good then with 25 %.",
        "If all 21 releases showed it in 50 % of their trials, the chance that any looks like this is 0.51 %",
        "A sign that shows in less than 50 % of the trials is not covered.",
        "- left out: 1 pre-release (19.0rc1)",
        "kernel 6.1, engine 20.10, compose 2.26, Python 3.11, 2 × Some CPU, 2026-01-02 12:00 UTC",
        "`reprolab bisect blink --factor RELEASE=19.1.0..19.21.0 --claim B-1 --confidence 99 --gap 4 --least-rate 50`",
    ):
        assert part in text, part


def test_both_numbers_of_trials_are_printed() -> None:
    """Those used, and those of trying all."""
    reading = of_document(WHOLE)
    used = sum(point.all_trials for point in WHOLE.points)
    assert reading.trials.startswith(f"{used} trials on 11 of 21 releases. Trying all takes about ")
    kept = replace(WHOLE, points=(replace(WHOLE.points[0], kept=2), *WHOLE.points[1:]))
    assert f"{used} trials, 2 of them from earlier questions, on" in of_document(kept).trials


def test_the_commits_of_a_change_follow_it() -> None:
    """With their subjects, the tags, and that the first step is more than one commit."""
    for text in (markdown.summary(WHOLE, ""), shown(WHOLE)):
        assert "Commits from 19.7.0 to v19.8.0, first-parent: 1 commit." in text
        assert "the first step, from 0123456789ab, is more than one commit" in text
        assert "First bad: 19.7.0+1.g02 (2015-08-01). Last good: 19.7.0+0.g01 (2015-07-30)." in text
    assert "change \\| the lamp" in markdown.summary(WHOLE, "")


@pytest.mark.parametrize(
    ("truth", "sentences"),
    [
        ("gggggggg", ["The sign showed in no release that was measured, 19.1.0 to 19.8.0."]),
        ("BBBBBB", ["Bad: 19.1.0 to 19.6.0.", "Bad already in the first release", "Still bad in the last release"]),
        ("BBBgggBBB", ["Last bad: 19.3.0", "Back again: 19.7.0 (2015-07-30). Last good: 19.6.0", "Still bad"]),
        ("gBgg", ["Bad: 19.2.0. Good: 19.1.0 and 19.3.0 to 19.4.0."]),
        ("xxx", ["Nothing is known: none of 3 releases has a trial that counts."]),
        ("g", ["no release that was measured, 19.1.0."]),
        ("B", ["Bad: 19.1.0.", "Bad already in the first release"]),
        (
            "BxxgggB",
            ["Fixed between 19.1.0 (2015-01-31), bad, and 19.4.0 (2015-05-01), good; 19.2.0 could not be built"],
        ),
    ],
)
def test_the_answer_is_said_in_sentences(truth: str, sentences: list[str]) -> None:
    """In the terminal, whose report.txt is the same."""
    text = shown(document(bisected(truth, Rules(gap=1))))
    for sentence in sentences:
        assert sentence in text, sentence


def test_a_flaky_end_is_said_to_be_flaky() -> None:
    """With its rate, and the mark of its own."""
    text = shown(document(bisected("ggggFFFFF", Rules(gap=1), seed=1)))
    assert "It shows in some trials only." in text and "bad at times" in text
    assert "◐ bad: it showed in some trials" in text


def test_a_companion_that_differs_is_said_to_be_a_possible_reason() -> None:
    """The newer release runs on another Python: the change may be that of the Python."""
    content = document(bisected("gggBBB", Rules(gap=1)))
    newer = [replace(point, companions={"PYTHON": "3.12.1"}) for point in content.points[3:]]
    text = shown(replace(content, points=(*content.points[:3], *newer)))
    assert "PYTHON differs too (documented, then 3.12.1), so it may be the reason" in text
    same = [replace(point, companions={"PYTHON": "3.12.1"}) for point in content.points]
    assert "differs too" not in shown(replace(content, points=tuple(same)))


def test_a_measured_rate_below_the_assumed_one_is_said() -> None:
    """The assumption of 50 % does not stand beside it."""
    points = [Point("1", asked=20, trials=20, shown=1), Point("2", asked=20, trials=20)]
    text = shown(replace(document(bisected("gg")), points=tuple(points)))
    assert "Assumed was a least rate of 50 %, but 5 % was measured; so it counts." in text
    assert "Not sure: 104 trials without the sign are needed for 99 %" in text


def test_trials_that_do_not_count_stand_beside_those_that_do() -> None:
    """A sign that could not be read may be there: 2 of 2 trials are not all that is known of the release."""
    bisect = bisected("gg")
    points = [replace(bisect.points[0], unreadable=3, invalid=1), bisect.points[1]]
    first, second = Reading(tuple(points), Rules(), "release", read(points, Rules())).rows
    assert first.interval == f"{second.interval}; beside it 1 invalid, 3 unreadable"


def test_what_ended_it_early_is_said() -> None:
    """And a change that is only known to lie in a stretch; what was not reached is not assumed."""
    bisect = measuring("g" * 9 + "B" * 9, Rules(points=3))
    bisect.run()
    text = shown(document(bisect, ended=POINTS))
    assert "This bisect ended early: the number of points was used." in text
    assert "a change lies here, between 19.1.0 (good) and 19.10.0 (bad)." in text
    assert "This bisect ended early: its time was used." in shown(document(bisect, ended=BUDGET))
    assert "This bisect is aborted: what was measured until then stands here." in shown(
        document(bisect, status=ABORTED)
    )
    # Whoever was killed has left the file so.
    assert "This bisect is running or aborted: what" in shown(document(bisect, status=RUNNING))
    bisect = measuring("gggg", Rules(points=1))
    bisect.run()
    outside = "Nothing is known of 3 releases outside the measured ones: 19.2.0, 19.3.0, 19.4.0."
    assert outside in shown(document(bisect))


def test_a_bisect_that_measured_nothing_draws_nothing() -> None:
    """What was measured outside the measured ones is no sentence; the command to repeat it stays."""
    text = shown(replace(document(measuring("gggg", Rules()), status=ABORTED), host=Host(), bases=()))
    assert "Nothing is known: none of 4 releases has a trial that counts." in text
    assert "outside the measured ones" not in text
    assert "outside the measured ones" not in markdown.summary(document(measuring("gggg", Rules())), "x")
    assert "????" not in text
    assert "not recorded" not in text
    assert "again: reprolab bisect" in text


def test_the_command_that_asks_again_has_the_limits() -> None:
    """Two trials at most is another question than forty."""
    content = document(bisected("ggBB"))
    assert "--trials" not in words.repeat(content)
    limited = replace(content, rules=replace(content.rules, most_trials=2, points=3), settings={"PYTHON": "3.9.18"})
    assert words.repeat(limited).endswith("--least-rate 50 --trials 2 --points 3 --set PYTHON=3.9.18")


def test_the_range_of_other_values_is_a_list() -> None:
    """Only releases have one from A to B; settings are part of the command."""
    points = tuple(Point(text, asked=2, trials=2) for text in ("1", "2 b"))
    content = replace(document(bisected("gg")), points=points, package="", settings={"WORKERS": "3"})
    assert "--factor 'RELEASE=1,2 b' --claim B-1" in shown(content) and "--set WORKERS=3" in shown(content)


# -- the page ------------------------------------------------------------------------------------


def test_the_page_links_each_release_to_its_evidence() -> None:
    """And shows the changes, the holes and the strip."""
    page = html.render(WHOLE)
    assert '<a href="../../../cells/blink/8/report.html">19.8.0</a>' in page
    assert page.count('<svg class="bisect"') == 2
    assert "<h1>RELEASE: Bad: 19.8.0 to 19.14.0. Good: 19.1.0 to 19.6.0 and 19.15.0 to 19.21.0.</h1>" in page
    assert '<div class="change ends"><p><b>Last bad: 19.14.0' in page


def test_a_text_of_others_is_escaped() -> None:
    """As the reason of a hole, or the subject of a commit."""
    evil = replace(WHOLE.points[6], value="<b>", reason="<script>alert(1)</script>")
    page = html.render(replace(WHOLE, points=(*WHOLE.points[:6], evil, *WHOLE.points[7:])))
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page


def test_the_drawing_has_every_value_and_the_years() -> None:
    """A window is a band; without dates, or on one day, there is no axis of time."""
    picture = drawing(WHOLE.points, "release")
    assert picture.count('<g class="mark">') == 21
    assert picture.count('fill="var(--refuted)" opacity="0.16"') == 1
    assert ">2016</text>" in picture and ">19.8.0</text>" in picture
    for changed in ({"date": ""}, {"date": "2020-01-01"}):
        plain = drawing([replace(point, **changed) for point in WHOLE.points], "value")
        assert 'class="year"' not in plain and plain.count('<g class="mark">') == 21
    assert drawing([], "value") == ""
    assert drawing(WHOLE.points[:1], "release").count('<g class="mark">') == 1


def test_releases_out_of_their_order_in_time_have_a_band_too() -> None:
    """A series that is maintained longer has releases that are newer than those of the next one."""
    points = list(WHOLE.points)
    points[14] = replace(points[14], date="2014-01-01")
    band = re.search(r'width="([-\d.]+)" height="6\.0"', drawing(points, "release"))
    assert band and float(band[1]) > 100
