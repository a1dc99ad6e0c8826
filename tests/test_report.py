"""The report: cells, the table, the verdicts, the doubts and the last line."""

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
    """The output in a terminal of this width."""
    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True).print(part)
    return stream.getvalue()


def whole_report(scenario: Any, rows: list[Any], run: RunInfo = RUN, **options: Any) -> str:
    """The output of the whole report for some trials."""
    stream = io.StringIO()
    console = Console(file=stream, width=150, no_color=True)
    tables = table.tables(scenario, rows)
    terminal.render(console, scenario, run, tables, judge(scenario, "now", rows), "results/blink/now/", **options)
    return stream.getvalue()


def record(**content: Any) -> RecordedRun:
    """A RecordedRun with this content of recorded.json."""
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
    """Numbers give their median, texts each distinct text, and no value gives a dash."""
    column = Column("x", lambda o: o["blinked"], form)
    assert table.cell(column, [trial(shown=value) for value in values]) == cell


@pytest.mark.parametrize("error", [KeyError, TypeError, ValueError, ZeroDivisionError])
def test_a_column_that_raises_is_reported(error: type[Exception]) -> None:
    """The error stops neither the report nor the verdict, and its cell differs from that of a missing value."""

    def value(observation: Any) -> Any:
        raise error("seen")

    column = Column("x", value)
    assert table.cell(column, [trial()]) == "?"
    assert table.cell(Column("x", lambda o: o.get("seen")), [trial()]) == "—"
    output = whole_report(in_memory(PAIR, columns=(column,)), trials(documented="+++", old="---"))
    (line,) = [line for line in output.splitlines() if line.startswith("?")]
    assert line.startswith(f"? the column 'x' of lamp cannot be read in documented, old: {error.__name__}: ")
    assert "1 confirmed" in output


def test_a_column_that_raises_in_some_trials_marks_its_cell() -> None:
    """The value is that of the other trials, with a question mark."""
    rows = [trial(shown=4), trial(shown=None, number=2), trial(shown=8, number=3)]
    assert table.cell(Column("x", lambda o: o["blinked"] / 2), rows) == "3 ?"


@pytest.mark.parametrize(("values", "form"), [([(3, 2)], "{}"), ([1], "{:d"), ([("a", "b")], "{}")])
def test_a_value_that_cannot_be_shown_is_marked(values: list[Any], form: str) -> None:
    """A rate above 1, an invalid form and a pair of texts are mistakes in the column, not in the lab."""
    assert table.cell(Column("x", lambda o: o["blinked"], form), [trial(shown=value) for value in values]) == "?"


@pytest.mark.parametrize("name", [name for name in loader.names(ROOT) if trials_of(name)])
def test_every_column_reads_the_kept_trials(name: str) -> None:
    """No column of a scenario raises an error for the trials in tests/data."""
    scenario = loader.load(ROOT, name)
    rows = [json.loads(line) for line in trials_of(name).decode().splitlines()]
    kept = [TrialRecord(r["experiment"], r["variant"], 1, {}, r["observation"], r.get("invalid", "")) for r in rows]
    for experiment in scenario.experiments.values():
        assert table.mistakes(experiment, table.rows(experiment, kept)) == []


def test_a_note_that_raises_is_reported() -> None:
    """The note has a question mark, and the error is reported like that of a cell."""
    note = Column("said", lambda o: o["sadi"], note=True)
    lamp = in_memory(PAIR, columns=(note,)).experiments["lamp"]
    (row,) = table.rows(lamp, trials(documented="+"))
    assert row.notes == ("said: ?",)
    assert table.mistakes(lamp, [row]) == [
        "? the column 'said' of lamp cannot be read in documented: KeyError: 'sadi' "
        f"(test_report.py, line {note.value.__code__.co_firstlineno})"
    ]


def test_rows_have_the_order_of_the_experiment() -> None:
    """One row per variant, for trials in any order; invalid trials are counted and give no values."""
    scenario = in_memory(PAIR, columns=(Column("n", lambda o: 7), Column("why", lambda o: "because", note=True)))
    (experiment,) = scenario.experiments.values()
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


def test_claims_that_were_not_asked_are_in_one_line() -> None:
    """A run of some variants judges the claims about these, and names the others."""
    verdict = judge(in_memory(PAIR, claim("B-2")), "now", trials(documented="+++"))
    output = printed(terminal.claims(verdict))
    assert "B-2  claim B-2  confirmed  documented 3/3" in output
    assert "not judged, as not all their variants ran: B-1" in output
    assert "B-1  " not in output


@pytest.mark.parametrize(
    ("shown", "beginning"),
    [
        (
            {"documented": "+++", "old": "---"},
            "only 3 valid trials in some variants: 0 of 3 still allows a rate of 56%",
        ),
        (
            {"documented": "+", "old": "-" * 8},
            "only 1 valid trial in some variants: 0 of 8 still allows a rate of 32%",
        ),
        ({"documented": "+++", "old": "+++"}, "only 3 valid trials in some variants; run with"),
        (
            {"documented": "xxx", "old": "---"},
            "no valid trial in documented; only 3 valid trials in some variants: 0 of 3 still allows a rate of 56%",
        ),
        ({"documented": "++++", "old": "x"}, "no valid trial in old"),
        ({"documented": "x", "old": "x"}, "no valid trial in documented, old"),
        ({"documented": "!!!!", "old": "----"}, ""),
        ({"documented": "++++", "old": "----"}, ""),
        ({"documented": "+"}, ""),
    ],
)
def test_doubts(shown: dict[str, str], beginning: str) -> None:
    """Few trials are reported with the rate that they still allow, and the option for more."""
    doubts = terminal.doubts(judge(in_memory(PAIR), "now", trials(**shown)))
    assert doubts.startswith(beginning)
    assert bool(doubts) == bool(beginning)
    assert doubts.endswith("run with --trials 20 for a closer bound") == ("only" in beginning)


def test_no_tries_have_no_bound() -> None:
    """A rate of zero tries has no interval, in the claim and in the doubts."""
    rated = claim(absent=["old"], rate=lambda o: (0, 0))
    verdict = judge(in_memory(rated), "now", trials(documented="+", old="-"))
    assert terminal.doubts(verdict) == ""
    assert "documented 1/1 [0/0] · old 0/1 [0/0]" in verdict.claims[0].why


def test_the_numbers_of_verdicts() -> None:
    """With the drift; a run that judges no claim has none."""
    recorded = record(claims=[{"id": "B-1", "verdict": "refuted"}]).verdict
    verdict = judge(in_memory(PAIR, claim("B-2", shows=["new"])), "now", trials(documented="+", old="-"), recorded)
    assert (
        terminal.counts(verdict) == "1 confirmed · 0 refuted · 0 inconclusive · 1 not judged"
        " · DRIFT from the recorded verdict: B-1"
    )
    assert terminal.counts(judge(in_memory(PAIR), "now", trials(documented="+"))) == ""


# -- the whole ------------------------------------------------------------------------------------


def test_the_parts_of_a_report() -> None:
    """First the answer, then claims, table, notes, times, title, document, base image, host and evidence."""
    columns = (Column("lamp", lambda o: "on" if blinked(o) else "off"), Column("seen", lambda o: "twice", note=True))
    base = {"detail": "python:3.6 built on this host"}
    bases = {name: BaseImage.from_json(base) for name in "ab"}
    run = replace(RUN, bases=bases, times="up 1.0 s")
    output = whole_report(in_memory(PAIR, columns=columns), trials(documented="+++", old="---"), run)
    parts = [
        "Reproduced: “claim B-1” (in documented 3/3, in old 0/3).\n1 confirmed · 0 refuted · 0 inconclusive\n",
        "B-1  claim B-1  confirmed  documented 3/3 · old 0/3",
        " documented   —",
        "documented: seen: twice",
        "time: up 1.0 s",
        "blink · a lamp   2026-01-02 12:00 UTC\ndocument: “doc-1”\n"
        "base image: python:3.6 built on this host\nkernel 6.1",
        "evidence: results/blink/now/\n",
    ]
    places = [output.index(part) for part in parts]
    assert places == sorted(places) and places[0] == 0
    assert output.count("base image:") == 1


def test_a_short_report_leaves_out_what_it_rests_on() -> None:
    """Notes, times, base images and host are in report.txt."""
    columns = (Column("seen", lambda o: "twice", note=True),)
    run = replace(RUN, times="up 1.0 s")
    output = whole_report(in_memory(PAIR, columns=columns), trials(documented="+++", old="---"), run, verbose=False)
    assert output.startswith("Reproduced: ") and "evidence: results/blink/now/    report.txt there has more" in output
    assert not any(part in output for part in ("kernel", "document:", "seen: twice", "time:"))


def test_an_invalid_variant_shows_its_reason() -> None:
    """The last lines of the server are below the table."""
    output = whole_report(in_memory(PAIR), [trial(invalid="app did not start: exit code 1\nlast"), trial("old", False)])
    assert "documented: invalid: app did not start: exit code 1\nlast" in output
    assert "inconclusive" in output


def test_the_report_of_an_aborted_run_has_its_status() -> None:
    """A complete run has no such line."""
    output = whole_report(in_memory(PAIR), trials(documented="+"), replace(RUN, status="aborted", reason="interrupted"))
    assert "this run is aborted: interrupted" in output
    assert "this run is" not in whole_report(in_memory(PAIR), trials(documented="+"))


def test_a_custom_variant_shows_every_sign_and_no_verdict() -> None:
    """A variant of --set has one line per sign; a sign that cannot be read says so."""
    unreadable = claim("B-2", sign=lambda o: o["nothing"])
    output = whole_report(in_memory(PAIR, unreadable), trials(custom="+-+"))
    # The sign in its own words: the claim's sentence is about other variants.
    assert re.search(r"The small scenario's sign\. +2/3 +B-1 *\n", output)
    assert re.search(r"claim B-2 +the sign could not be read +B-2 *\n", output)
    assert "not judged, as" not in output and "0 confirmed" not in output and "on record" not in output


def test_signs_stand_beside_the_documented_variant_on_record() -> None:
    """Also where a run has only some variants of each claim."""
    scenario = in_memory(PAIR)
    recorded = judge(scenario, "then", trials(documented="+++", old="---"))
    for variant in ("custom", "documented"):
        output = whole_report(scenario, trials(**{variant: "-"}), recorded=recorded)
        assert re.search(rf"sign +{variant} +on record: documented +claims", output)
        assert re.search(r"The small scenario's sign\. +0/1 +3/3 +B-1", output)


def test_a_sign_without_a_trial_that_counts_says_why() -> None:
    """What a claim is about did not happen: that is another thing than a sign that raises."""
    output = whole_report(in_memory(claim(trigger=lambda o: False)), trials(custom="+"))
    assert re.search(r"The small scenario's sign\. +1 not exercised +B-1", output)


def test_markup_in_a_text_is_text() -> None:
    """Square brackets in the log of a server are printed, not interpreted as markup."""
    output = whole_report(in_memory(PAIR), [trial(invalid="[7] [INFO] [bold]x[/bold] [/]")])
    assert "invalid: [7] [INFO] [bold]x[/bold] [/]" in output


def test_several_experiments_have_a_table_each() -> None:
    """Each table has the name of its experiment. An experiment without trials has none."""
    others = tuple(
        Experiment(n, {"documented": {}}, 1, lambda s: {}, (), summary=f"about {n}") for n in ("bulb", "idle")
    )
    output = whole_report(in_memory(PAIR, also=others), [trial(), trial(experiment="bulb")])
    assert "bulb: about bulb" in output
    assert "idle" not in output


def test_the_recorded_run_renders(tmp_path: Any) -> None:
    """The report of a recorded run has its variants, notes, reasons and claims."""
    run = recorded_run(tmp_path, "whole")
    scenario = loader.load(ROOT, "socket-vanish")
    output = whole_report(scenario, run.trials(), run.info())
    assert "socket-vanish · gunicorn 19.6.0 removes its own Unix socket" in output
    for name in scenario.experiments["vanish"].variants:
        assert f"\n {name} " in output
    assert "documented: tracebacks: " in output
    assert "gunicorn-19.7.1: invalid: app did not start" in output
    assert "SV-1 " in output


def test_the_short_reason_has_the_line_with_the_error() -> None:
    """The reason of a traceback is its last line, not its first."""
    from reprolab.report.table import short_reason

    text = "app did not start: exit code 1; last lines: sock = sock_type(addr)\n  File x\nTypeError: no"
    assert short_reason(text) == "app did not start: exit code 1: … TypeError: no"
    assert short_reason("the build did not succeed:\nno such release") == "the build did not succeed: … no such release"
    assert short_reason("one line") == "one line"
    pip = (
        "an image did not build:\n  Downloading flask-2.0.0-py3-none-any.whl\n"
        "  Downloading greenlet-1.1.3.tar.gz (9 kB)\n"
        "  error: subprocess-exited-with-error\n  × python setup.py egg_info did not run successfully.\n"
        "      TypeError: canonicalize\n  note: This error originates from a subprocess.\n"
        "[notice] To update, run: pip install --upgrade pip\nerror: metadata-generation-failed\n"
        "× Encountered error while generating package metadata.\n╰─> See above for output."
    )
    assert short_reason(pip) == "an image did not build: … greenlet-1.1.3: TypeError: canonicalize"
    missing = "an image did not build:\nERROR: No matching distribution found for x==1\n[notice] A new release of pip"
    assert short_reason(missing) == "an image did not build: … ERROR: No matching distribution found for x==1"
    assert short_reason("") == ""


def test_a_narrow_terminal_has_fewer_columns() -> None:
    """In 80 columns no word is cut, and a line refers to report.txt for the other columns."""
    console = Console(file=io.StringIO(), width=80)
    columns = tuple(Column(f"column {n}", lambda o: "a long value") for n in range(9))
    scenario = in_memory(PAIR, columns=columns)
    console.print(terminal.results(scenario, table.tables(scenario, trials(documented="+")), 80))
    stream = console.file
    assert isinstance(stream, io.StringIO)
    assert "column 2" in stream.getvalue() and "column 5" not in stream.getvalue()
    assert "documented" in stream.getvalue() and "report.txt" in stream.getvalue()
    assert "…" not in stream.getvalue()
    assert "report.txt" not in printed(terminal.results(in_memory(PAIR), {"lamp": []}, 80), 80)


def test_claims_in_a_narrow_terminal() -> None:
    """Each claim stands below its verdict."""
    verdict = judge(in_memory(PAIR), "now", trials(documented="+++", old="---"))
    assert [line.rstrip() for line in printed(terminal.claims(verdict, 80), 80).split("\n")[:2]] == [
        "B-1  confirmed  documented 3/3 · old 0/3 · p = 0.05",
        "     claim B-1",
    ]


def test_a_rate_is_shown_with_its_interval() -> None:
    """The rate is the sum over the trials."""
    column = Column("froze", lambda o: (o["blinked"], 10))
    assert table.cell(column, [trial(shown=9), trial(shown=8, number=2)]) == "17/20 (64–95 %)"


def test_doubts_about_rates_count_tries() -> None:
    """Ten tries in one trial count as ten tries."""
    rated = claim("B-1", sign=lambda o: o["blinked"] > 0, absent=["old"], rate=lambda o: (o["blinked"], 10))
    doubts = terminal.doubts(judge(in_memory(rated), "now", [trial(shown=9), trial("old", shown=0)]))
    assert doubts.startswith("only 10 tries in some variants: 0 of 10 still allows a rate of 28%")
    many = claim("B-1", sign=lambda o: o["blinked"] > 0, rate=lambda o: (o["blinked"], 200))
    assert terminal.doubts(judge(in_memory(many), "now", [trial(shown=9)])) == ""


def test_whether_values_are_of_several_trials() -> None:
    """The report explains the median only if a variant has more than one valid trial."""
    assert table.has_several([table.Row("a", "—", "1/1", ()), table.Row("b", "—", "2/3", ())])
    assert not table.has_several([table.Row("a", "—", "1/3", ()), table.Row("b", "—", "0/1", ())])


def test_a_reason_of_several_variants_is_printed_once() -> None:
    """An image that cannot be built makes several variants invalid for the same reason."""
    rows = [table.Row(name, "", "0/1", (), invalid=reason) for name, reason in [("a", "x"), ("b", "y"), ("c", "x")]]
    assert terminal.reasons(rows) == {"x": "a, c", "y": "b"}
