"""Reports: cells, the table, the verdicts, the doubts and the last line, all from files."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from cases import ROOT, blinked, claim, in_memory, recorded_run, trial, trials, trials_of
from reprolab.engine.host_facts import Host
from reprolab.evidence.run_info import COMPLETE, BaseImage, RunInfo
from reprolab.report import table, terminal
from reprolab.scenario import loader
from reprolab.scenario.model import Column, Experiment
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.judge import judge
from reprolab.verdict.record import RecordedRun
from rich.console import Console, RenderableType

PAIR = claim(shows=["documented"], absent=["old"])
HOST = {"kernel": "6.1", "engine": "20.10", "compose": "2.26", "cpus": 2, "cpu": "Some CPU"}
RUN = RunInfo("blink", "2026-01-02 12:00 UTC", COMPLETE, host=Host.from_json(HOST))


def printed(part: RenderableType, width: int = 150) -> str:
    """What a terminal of this width shows."""
    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True).print(part)
    return stream.getvalue()


def whole_report(found: Any, rows: list[Any], run: RunInfo = RUN) -> str:
    """The whole report of some trials."""
    stream = io.StringIO()
    console = Console(file=stream, width=150, no_color=True)
    tables = table.tables(found, rows)
    terminal.render(console, found, run, tables, judge(found, "now", rows), "results/blink/now/")
    return stream.getvalue()


def info(**content: Any) -> RunInfo:
    """A run with what run.json says."""
    return RunInfo.from_json({"scenario": "blink", **content})


def record(**content: Any) -> RecordedRun:
    """A record with what recorded.json says."""
    return RecordedRun.from_json(content)


# -- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "form", "cell"),
    [
        ([1, 3, 100], "{:,.0f}", "3"),
        ([1, 2], "{:.1f} s", "1.5 s"),
        ([1234567.8], "{:,.0f}", "1 234 568"),
        ([None, 2.0, None], "{:.1f} %", "2.0 %"),
        ([0], "{:,.0f}", "0"),
        ([None, None], "{:,.0f}", "—"),
        ([], "{:,.0f}", "—"),
        (["gone", "gone", "present"], "{:,.0f}", "gone | present"),
        (["gone", 1], "{:,.0f}", "gone | 1"),
    ],
)
def test_a_cell(values: list[Any], form: str, cell: str) -> None:
    """Figures give their median, texts each distinct one, nothing a dash."""
    column = Column("x", lambda o: o["blinked"], form)
    assert table.cell(column, [trial(shown=value) for value in values]) == cell


@pytest.mark.parametrize("error", [KeyError, TypeError, ValueError, ZeroDivisionError])
def test_a_column_that_raises_is_seen(error: type[Exception]) -> None:
    """It costs neither the report nor the verdict, and is not taken for a figure that is not there."""

    def value(observation: Any) -> Any:
        raise error("seen")

    column = Column("x", value)
    assert table.cell(column, [trial()]) == "?"
    assert table.cell(Column("x", lambda o: o.get("seen")), [trial()]) == "—"
    told = whole_report(in_memory(PAIR, columns=(column,)), trials(documented="+++", old="---"))
    (line,) = [line for line in told.splitlines() if line.startswith("?")]
    assert line.startswith(f"? the column 'x' of lamp cannot be read in documented, old: {error.__name__}: ")
    assert "1 confirmed" in told


def test_a_column_that_raises_in_some_trials_marks_its_cell() -> None:
    """The figure is of the other trials, and the mark says that it is not of all."""
    rows = [trial(shown=4), trial(shown=None, number=2), trial(shown=8, number=3)]
    assert table.cell(Column("x", lambda o: o["blinked"] / 2), rows) == "3 ?"


@pytest.mark.parametrize(("values", "form"), [([(3, 2)], "{}"), ([1], "{:d"), ([("a", "b")], "{}")])
def test_a_value_that_cannot_be_shown_is_seen(values: list[Any], form: str) -> None:
    """A rate above one, a form that is none, a pair of texts: a mistake in the column, not in the lab."""
    assert table.cell(Column("x", lambda o: o["blinked"], form), [trial(shown=value) for value in values]) == "?"


@pytest.mark.parametrize("name", [name for name in loader.names(ROOT) if trials_of(name)])
def test_every_column_reads_what_is_kept_of_its_scenario(name: str) -> None:
    """No column of any scenario raises on the trials that the tests keep."""
    found = loader.load(ROOT, name)
    rows = [json.loads(line) for line in trials_of(name).decode().splitlines()]
    kept = [TrialRecord(r["experiment"], r["variant"], 1, {}, r["observation"], r.get("invalid", "")) for r in rows]
    for experiment in found.experiments.values():
        assert table.mistakes(experiment, table.rows(experiment, kept)) == []


def test_a_note_that_raises_is_seen() -> None:
    """It stands where the note would, and is explained as a cell is."""
    note = Column("said", lambda o: o["sadi"], note=True)
    lamp = in_memory(PAIR, columns=(note,)).experiments["lamp"]
    (row,) = table.rows(lamp, trials(documented="+"))
    assert row.notes == ("said: ?",)
    assert table.mistakes(lamp, [row]) == [
        "? the column 'said' of lamp cannot be read in documented: KeyError: 'sadi' "
        f"(test_report.py, line {note.value.__code__.co_firstlineno})"
    ]


def test_rows_stand_in_the_order_of_the_experiment() -> None:
    """One per variant, however the trials ended side by side; invalid trials count, and give no figures."""
    found = in_memory(PAIR, columns=(Column("n", lambda o: 7), Column("why", lambda o: "because", note=True)))
    (experiment,) = found.experiments.values()
    rows = [
        trial("old", factors={"RELEASE": "0.9", "WORKERS": "2"}),
        trial("old", number=2, invalid="did not start\nlast lines"),
        trial("documented", invalid="did not start"),
        trial("documented", experiment="another"),
    ]
    documented, old = table.rows(experiment, rows)
    assert table.headings(experiment) == ("n",)
    assert (old.variant, old.changes, old.trials, old.cells) == ("old", "RELEASE=0.9 WORKERS=2", "1/2", ("7",))
    assert old.notes == ("why: because",)
    assert old.invalid.startswith("did not start")
    assert (documented.changes, documented.trials, documented.cells, documented.notes) == ("—", "0/1", (), ())


# -- parts ----------------------------------------------------------------------------------------


def test_claims_that_were_not_asked_stand_in_one_line() -> None:
    """A run of some variants judges what it can and names the rest."""
    verdict = judge(in_memory(PAIR, claim("B-2")), "now", trials(documented="+++"))
    told = printed(terminal.claims(verdict))
    assert "B-2  claim B-2  confirmed  documented 3/3" in told
    assert "not judged, as not all their variants ran: B-1" in told
    assert "B-1  " not in told


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (
            {"documented": "+++", "old": "---"},
            "only 3 valid trial(s) in some variants: 0 of 3 still allows a rate of 56%",
        ),
        (
            {"documented": "+", "old": "-" * 8},
            "only 1 valid trial(s) in some variants: 0 of 8 still allows a rate of 32%",
        ),
        ({"documented": "+++", "old": "+++"}, "only 3 valid trial(s) in some variants; run with"),
        (
            {"documented": "xxx", "old": "---"},
            "no valid trial in documented; only 3 valid trial(s) in some variants: 0 of 3 still allows a rate of 56%",
        ),
        ({"documented": "++++", "old": "x"}, "no valid trial in old"),
        ({"documented": "x", "old": "x"}, "no valid trial in documented, old"),
        ({"documented": "!!!!", "old": "----"}, ""),
        ({"documented": "++++", "old": "----"}, ""),
        ({"documented": "+"}, ""),
    ],
)
def test_doubts(shown: dict[str, str], said: str) -> None:
    """Few trials are told with what they still allow, in figures that belong together, and what to do."""
    told = terminal.doubts(judge(in_memory(PAIR), "now", trials(**shown)))
    assert told.startswith(said)
    assert bool(told) == bool(said)
    assert told.endswith("run with --trials 20 for a closer bound") == ("only" in said)


def test_no_tries_have_no_bound() -> None:
    """A rate of no tries allows nothing to be said, and nothing is: neither beside it nor below."""
    rated = claim(absent=["old"], rate=lambda o: (0, 0))
    verdict = judge(in_memory(rated), "now", trials(documented="+", old="-"))
    assert terminal.doubts(verdict) == ""
    assert "documented 1/1 [0/0] · old 0/1 [0/0]" in verdict.claims[0].why


def test_the_last_line() -> None:
    """Counts of what was asked, drift by id, and where the evidence lies."""
    recorded = record(claims=[{"id": "B-1", "verdict": "refuted"}]).verdict
    verdict = judge(in_memory(PAIR, claim("B-2", shows=["new"])), "now", trials(documented="+", old="-"), recorded)
    assert (
        terminal.closing(verdict, "results/x/") == "1 confirmed · 0 refuted · 0 inconclusive · 1 not asked"
        " · DRIFT from the recorded verdict: B-1    evidence: results/x/"
    )


def test_what_differs_from_the_recorded_run() -> None:
    """A drift is told with host, base and package, as they were and as they are."""
    then = {
        "host": HOST,
        "bases": {"python:3.6": {"origin": "hub"}, "gone": {"origin": "hub"}},
        "packages": {"documented/app": {"pip": {"gunicorn": "19.6.0", "bottle": "0.12.13"}}},
    }
    now = {
        "host": HOST | {"kernel": "6.18"},
        "bases": {"python:3.6": {"origin": "host"}},
        "packages": {"documented/app": {"pip": {"gunicorn": "19.6.0", "six": "1.16"}, "deb": {"apt": "2"}}},
    }
    assert terminal.differences(record(**then), info(**then)) == []
    assert terminal.differences(record(**then), info(**now)) == [
        "kernel: recorded 6.1, now 6.18",
        "base python:3.6: recorded hub, now host",
        "documented/app: pip bottle: recorded 0.12.13, now —",
        "documented/app: pip six: recorded —, now 1.16",
    ]
    assert terminal.differences(record(), info()) == []


def test_a_base_of_the_same_origin_may_be_another() -> None:
    """Its id or its digest tells; a fact that an old record does not have is not compared."""
    then = {"bases": {"b": {"origin": "hub", "id": f"sha256:{'1' * 64}", "digest": f"sha256:{'a' * 64}"}}}
    now = {"bases": {"b": {"origin": "hub", "id": f"sha256:{'2' * 64}", "digest": f"sha256:{'b' * 64}"}}}
    assert terminal.differences(record(**then), info(**now)) == [
        f"base b: recorded hub (id {'1' * 12}, digest {'a' * 12}), now hub (id {'2' * 12}, digest {'b' * 12})"
    ]
    assert terminal.differences(record(bases={"b": {"origin": "hub"}}), info(**now)) == []


def test_many_packages_that_differ_are_told_shortly() -> None:
    """One line each, those that the images install by name first; the rest are counted."""
    debs = {f"lib{n:02}": "1" for n in range(14)} | {"wrk": "4.1"}
    images = {f"{variant}/app": {"deb": debs} for variant in ("documented", "old", "new")}
    newer = {image: {"deb": dict.fromkeys(debs, "9")} for image in images}
    told = terminal.differences(record(packages=images), info(packages=newer), {"wrk"})
    assert told[0] == "documented/app and 2 more images: deb wrk: recorded 4.1, now 9"
    assert told[1] == "documented/app and 2 more images: deb lib00: recorded 1, now 9"
    assert len(told) == 13 and told[-1] == "and 3 more packages"


def test_packages_that_changed_are_told_in_one_line() -> None:
    """How many, and which of those that the images install by name; nothing where none did."""
    before = {"documented/app": {"deb": {"wrk": "4.1", "libc6": "2.36"}}}
    then, now = record(packages=before), {"documented/app": {"deb": {"wrk": "4.2", "libc6": "2.37"}}}
    told = terminal.packages_changed(then, info(packages=now), {"wrk"})
    assert told == "2 packages are not as recorded: wrk 4.1 → 4.2"
    assert terminal.packages_changed(then, info(packages=now), ()) == "2 packages are not as recorded"
    assert terminal.packages_changed(then, info(packages=before), {"wrk"}) == ""


# -- the whole ------------------------------------------------------------------------------------


def test_a_report_says_on_what_it_ran_and_what_it_found() -> None:
    """Title, document, host, base, table, note, verdict, doubt, times, evidence."""
    columns = (Column("lamp", lambda o: "on" if blinked(o) else "off"), Column("seen", lambda o: "twice", note=True))
    base = {"detail": "python:3.6 built on this host"}
    bases = {name: BaseImage.from_json(base) for name in "ab"}
    run = replace(RUN, bases=bases, times="up 1.0 s")
    told = whole_report(in_memory(PAIR, columns=columns), trials(documented="+++", old="---"), run)
    assert told.startswith(
        "blink · a lamp   2026-01-02 12:00 UTC\ndocument: “doc-1”\n"
        "base image: python:3.6 built on this host\nkernel 6.1"
    )
    assert told.count("base image:") == 1
    assert "documented: seen: twice" in told
    assert "B-1  claim B-1  confirmed  documented 3/3 · old 0/3" in told
    assert "time: up 1.0 s" in told
    assert told.rstrip().endswith("1 confirmed · 0 refuted · 0 inconclusive    evidence: results/blink/now/")


def test_an_invalid_variant_shows_its_reason() -> None:
    """The server's last lines stand below the table."""
    told = whole_report(in_memory(PAIR), [trial(invalid="app did not start: exit code 1\nlast"), trial("old", False)])
    assert "documented: invalid: app did not start: exit code 1\nlast" in told
    assert "inconclusive" in told


def test_a_run_that_was_cut_short_says_so() -> None:
    """What was measured is shown, as what it is."""
    told = whole_report(in_memory(PAIR), trials(documented="+"), replace(RUN, status="aborted", reason="interrupted"))
    assert "this run is aborted: interrupted" in told
    assert "this run is" not in whole_report(in_memory(PAIR), trials(documented="+"))


def test_a_custom_variant_shows_every_sign_and_no_verdict() -> None:
    """What --set ran is told sign by sign; a sign that cannot be read says so."""
    unreadable = claim("B-2", sign=lambda o: o["nothing"])
    told = whole_report(in_memory(PAIR, unreadable), trials(custom="+-+"))
    # The sign in its own words: the claim's sentence is about other variants.
    assert re.search(r"The small scenario's sign\. +2/3 +B-1\n", told)
    assert re.search(r"claim B-2 +could not be read +B-2\n", told)
    assert "not judged" not in told


def test_markup_in_a_text_is_text() -> None:
    """A server's log may hold square brackets; they are printed, not obeyed."""
    told = whole_report(in_memory(PAIR), [trial(invalid="[7] [INFO] [bold]x[/bold] [/]")])
    assert "invalid: [7] [INFO] [bold]x[/bold] [/]" in told


def test_several_experiments_have_a_table_each() -> None:
    """Each under its name; one that did not run has none."""
    others = tuple(
        Experiment(n, {"documented": {}}, 1, lambda s: {}, (), summary=f"about {n}") for n in ("bulb", "idle")
    )
    told = whole_report(in_memory(PAIR, also=others), [trial(), trial(experiment="bulb")])
    assert "bulb: about bulb" in told
    assert "idle" not in told


def test_the_recorded_run_renders(tmp_path: Any) -> None:
    """The report of a real run: the table's rows, the tracebacks, who removed the file, the verdicts."""
    run = recorded_run(tmp_path, "whole")
    found = loader.load(ROOT, "socket-vanish")
    told = whole_report(found, run.trials(), run.info())
    assert "socket-vanish · gunicorn 19.6.0 removes its own Unix socket" in told
    for name in found.experiments["vanish"].variants:
        assert f"\n {name} " in told
    assert "documented: tracebacks: " in told
    assert "gunicorn-19.7.1: invalid: app did not start" in told
    assert "SV-1 " in told


def test_the_short_reason_ends_with_the_servers_last_word() -> None:
    """The line that says why is a traceback's last, not its first."""
    from reprolab.report.table import short_reason

    text = "app did not start: exit code 1; last lines: sock = sock_type(addr)\n  File x\nTypeError: no"
    assert short_reason(text) == "app did not start: exit code 1: … TypeError: no"
    assert short_reason("the build did not succeed:\nno such release") == "the build did not succeed: … no such release"
    assert short_reason("one line") == "one line"
    assert short_reason("") == ""


def test_a_narrow_terminal_gets_fewer_columns_not_broken_ones() -> None:
    """At 80 columns names and words stand whole; where the rest is, is said."""
    console = Console(file=io.StringIO(), width=80)
    found = in_memory(PAIR)
    console.print(terminal.results(found, table.tables(found, trials(documented="+")), 80))
    stream = console.file
    assert isinstance(stream, io.StringIO)
    assert "documented" in stream.getvalue() and "report.txt" in stream.getvalue()
    assert "…" not in stream.getvalue()


def test_a_rate_is_shown_with_its_interval() -> None:
    """Summed over the trials; a text column beside it stays a text."""
    column = Column("froze", lambda o: (o["blinked"], 10))
    assert table.cell(column, [trial(shown=9), trial(shown=8, number=2)]) == "17/20 (64–95 %)"


def test_doubts_about_rates_speak_of_tries() -> None:
    """Ten tries in one trial are ten tries; what they do not rule out is said."""
    rated = claim("B-1", sign=lambda o: o["blinked"] > 0, absent=["old"], rate=lambda o: (o["blinked"], 10))
    told = terminal.doubts(judge(in_memory(rated), "now", [trial(shown=9), trial("old", shown=0)]))
    assert told.startswith("only 10 tries in some variants: 0 of 10 still allows a rate of 28%")
    many = claim("B-1", sign=lambda o: o["blinked"] > 0, rate=lambda o: (o["blinked"], 200))
    assert terminal.doubts(judge(in_memory(many), "now", [trial(shown=9)])) == ""


def test_several_trials_say_what_a_figure_is() -> None:
    """Where a figure stands for more than one trial the report says that it is their median; else it says nothing."""
    assert table.has_several([table.Row("a", "—", "1/1", ()), table.Row("b", "—", "2/3", ())])
    assert not table.has_several([table.Row("a", "—", "1/3", ()), table.Row("b", "—", "0/1", ())])


def test_one_reason_of_many_variants_is_told_once() -> None:
    """An image that did not build takes several variants along; its reason is some lines long."""
    rows = [table.Row(name, "", "0/1", (), invalid=reason) for name, reason in [("a", "x"), ("b", "y"), ("c", "x")]]
    assert terminal.reasons(rows) == {"x": "a, c", "y": "b"}
