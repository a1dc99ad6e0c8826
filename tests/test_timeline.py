"""Timelines: what happened in a trial on one clock, from recorded logs and observations."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from cases import ROOT, RUNS, claim, in_memory, lay_out
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.logs import access_log
from reprolab.logs.server_events import from_log
from reprolab.report.html import timeline_data
from reprolab.report.timeline import MOST_STEPS, STEP_MS, Timeline, timeline
from reprolab.scenario import loader
from reprolab.scenario.event import KINDS, Event

ZERO = 1_795_240_346_000_000_000
MORNING = "2026-11-21T05:52:"
LAMP = in_memory(claim()).experiments["lamp"]


def written(at: Path, role: str, *lines: str) -> TrialDirectory:
    """A trial's directory with one log."""
    at.mkdir(parents=True, exist_ok=True)
    with gzip.open(at / f"{role}.log.gz", "wt") as stream:
        stream.writelines(f"{line}\n" for line in lines)
    return TrialDirectory(at)


def stamped(seconds: str, text: str) -> str:
    """A line behind the engine's timestamp."""
    return f"{MORNING}{seconds}00000000Z {text}"


def told(*lines: str) -> list[tuple[str, str]]:
    """The kinds and texts of what some lines tell."""
    return [(one.kind, one.text) for one in from_log([line.encode() for line in lines], ZERO, "app")]


# -- events of log lines ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        ("[2026-11-21 05:52:26 +0000] [46] [INFO] Booting worker with pid: 46", "started", "worker 46 booted"),
        ("spawned uWSGI worker 1 (and the only) (pid: 8, cores: 2)", "started", "worker 8 spawned"),
        ("spawned uWSGI worker 2 (pid: 9, cores: 1)", "started", "worker 9 spawned"),
        ("INFO:     Started server process [12]", "started", "server process 12 started"),
        (
            "[2026-11-21 05:52:26 +0000] [18] [INFO] Autorestarting worker after current request.",
            "ending",
            "worker 18 reached max_requests",
        ),
        ("Respawned uWSGI worker 1 (new pid: 31)", "restarted", "worker 31 respawned"),
        ("[2026-11-21 09:36:33 +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:69)", "killed", "worker 69 timed out"),
        (
            "[x] [10] [ERROR] Worker (pid:69) was sent SIGKILL! Perhaps out of memory?",
            "killed",
            "worker 69 was sent a signal",
        ),
        (
            "[x] [8] [WARNING] Worker with pid 77 was terminated due to signal 9",
            "killed",
            "worker 77 was sent a signal",
        ),
        ("DAMN ! worker 1 (pid: 7) died, killed by signal 9 :( trying respawn ...", "killed", "worker 7 died"),
        ("INFO:     Child process [13] died", "killed", "worker 13 died"),
        ("[x] [10] [INFO] Handling signal: hup", "note", "the master got a signal: hup"),
    ],
)
def test_each_server_tells_in_its_own_words(line: str, kind: str, text: str) -> None:
    """The lines of gunicorn, uWSGI and uvicorn that say what became of a worker are events, and say of which."""
    assert told(stamped("26.5", line)) == [(kind, text)]


def test_what_else_a_log_says_is_no_event() -> None:
    """Access lines, other processes and lines that no engine stamped are passed over, whatever words they hold."""
    assert (
        told(
            stamped("26.1", '- - [x] "GET /Booting worker with pid: 3 HTTP/1.1" 200 11'),
            stamped("26.2", "spawned uWSGI http 1 (pid: 9)"),
            "[x] [46] [INFO] Booting worker with pid: 46",
            "",
        )
        == []
    )


def test_a_worker_says_once_that_it_restarts() -> None:
    """Each of a worker's threads says that it restarts; one worker restarts."""
    again = "[2026-11-21 05:52:26 +0000] [19] [INFO] Autorestarting worker after current request."
    assert len(told(stamped("26.1", again), stamped("26.2", again))) == 1


def test_an_event_has_one_of_the_known_kinds() -> None:
    """A misspelt kind is an error where the event is made, with the kinds that there are."""
    with pytest.raises(ValueError, match=r"vanished.*started"):
        Event(0, "vanished", "the socket", "app")
    assert all(Event(1, kind, "x", "app").end_ms == 1 for kind in KINDS)


# -- a whole timeline ---------------------------------------------------------------------------------


def vanish(variant: str) -> Timeline:
    """The timeline of a recorded trial of socket-vanish."""
    run = RunDirectory(RUNS / "whole")
    record = next(one for one in run.trials() if one.variant == variant and one.trial == 1)
    found = loader.load(ROOT, "socket-vanish").experiments["vanish"]
    line = timeline(found, run.trial("vanish", variant, 1), record.observation)
    assert line is not None
    return line


def test_the_documented_case_on_one_clock() -> None:
    """Restart, removal, the socket's going and the first traceback come in that order, and from then on 502 alone."""
    line = vanish("documented")
    first = {(one.kind, one.source): one.at_ms for one in reversed(line.events)}
    order = [first[key] for key in (("ending", "app"), ("note", "unlink"), ("gone", "witness"), ("traceback", "app"))]
    assert order == sorted(order)
    assert order[0] == pytest.approx(775.0, abs=1)
    assert order[2] == pytest.approx(778.1, abs=1)
    assert line.zero_ns == 1_795_272_347_725_332_002
    assert line.step_ms == STEP_MS
    last = line.responses["200"][29:]
    assert not any(last), "the last 2xx was logged at 2.861 s"
    assert any(line.responses["502"][29:])


def test_the_control_keeps_its_socket() -> None:
    """In the control workers restart too, but the socket's file never goes."""
    kinds = {one.kind for one in vanish("gunicorn-19.5.0").events}
    assert {"started", "ending", "present"} <= kinds
    assert not {"gone", "traceback"} & kinds


def test_no_moment_no_timeline(tmp_path: Path) -> None:
    """Where nothing but the start of a server has a moment, there is no timeline; nor where a log is torn."""
    booted = stamped("25.0", "[x] [10] [INFO] Booting worker with pid: 10")
    assert timeline(LAMP, written(tmp_path / "1", "app", booted), {"blinked": True}) is None
    assert timeline(LAMP, TrialDirectory(tmp_path / "missing"), {}) is None
    torn = written(tmp_path / "2", "app", *[booted] * 50)
    torn.log_path("app").write_bytes(torn.log_path("app").read_bytes()[:-12])
    assert timeline(LAMP, torn, {}) is None


def test_the_lab_reads_what_any_server_says(tmp_path: Path) -> None:
    """An experiment without events of its own still shows a worker's death, from the log's first line on."""
    evidence = written(
        tmp_path,
        "app",
        stamped("25.0", "INFO: Started server process [12]"),
        stamped("27.5", "INFO: Child process [12] died"),
    )
    line = timeline(LAMP, evidence, {})
    assert line is not None
    assert [(one.at_ms, one.kind) for one in line.events] == [(0.0, "started"), (2500.0, "killed")]
    assert line.length_ms == 2500
    assert not line.responses


def test_a_proxys_log_gives_responses(tmp_path: Path) -> None:
    """A log with a clock of its own is counted per status and step from the load's start; probes are left out."""
    lines = [
        f'127.0.0.1 - - [x] "GET / HTTP/1.1" {status} 11 "-" "{agent}" {ZERO // 1000 + ms * 1000} 0.010'
        for status, agent, ms in [(200, "-", 5), (200, "-", 60), (502, "-", 250), (200, "reprolab-probe", 300)]
    ]
    observation = {"load": {"started_ns": ZERO, "finished_ns": ZERO + 10**9, "connections": 200, "requests": 3}}
    line = timeline(LAMP, written(tmp_path, "proxy", *lines), observation)
    assert line is not None
    assert line.responses == {"200": (2, 0, 0), "502": (0, 0, 1)}
    assert [(one.source, one.at_ms, one.until_ms) for one in line.events] == [("load", 0, 1000)]


def test_a_long_trial_has_longer_steps(tmp_path: Path) -> None:
    """Beyond two minutes steps are joined, and no response is lost."""
    steps = 3 * MOST_STEPS
    found = in_memory(claim()).experiments["lamp"]
    long = type(found)(**{**vars(found), "responses": lambda evidence, o: {"200": [1] * steps}, "zero": lambda e, o: 0})
    line = timeline(long, TrialDirectory(tmp_path), {})
    assert line is not None
    assert (line.step_ms, sum(line.responses["200"])) == (3 * STEP_MS, steps)
    assert len(line.responses["200"]) <= MOST_STEPS
    assert line.length_ms == steps * STEP_MS


def test_an_experiment_adds_its_own_events(tmp_path: Path) -> None:
    """`events` come on top of the lab's; with a `zero` of 0 they stand alone, as only distances are known."""
    text = """
        from reprolab import Claim, Event
        VARIANTS, TRIALS = {"documented": {}}, 1
        CLAIMS = [Claim("B-1", "x", sign=lambda o: True, shows=["documented"])]
        def drive(stack): return {}
        def events(evidence, o): yield Event(o["at"], "gone", "the light", "lamp")
    """.replace("\n        ", "\n")
    lay_out(tmp_path, lamp=text)
    own = loader.load(tmp_path, "blink").experiments["lamp"]
    evidence = written(tmp_path / "1", "app", stamped("25.0", "INFO: Started server process [12]"))
    line = timeline(own, evidence, {"at": 40.0})
    assert line is not None
    assert [one.kind for one in line.events] == ["started", "gone"]
    alone = timeline(type(own)(**{**vars(own), "zero": lambda e, o: 0}), evidence, {"at": 40.0})
    assert alone is not None
    assert [one.kind for one in alone.events] == ["gone"]
    assert alone.zero_ns == 0


# -- the scenarios' own, on recorded observations ------------------------------------------------------


def recorded(where: str, file: str, experiment: str, variant: str) -> tuple[Any, dict[str, Any]]:
    """An experiment and the observation of a recorded trial of it."""
    lines = (Path(__file__).parent / "data" / where / file).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    row = next(one for one in rows if one["experiment"] == experiment and one["variant"] == variant)
    return loader.load(ROOT, where).experiments[experiment], row["observation"]


def test_two_clients_are_drawn_as_they_were_served(tmp_path: Path) -> None:
    """B is served after A, waits from before A was done, and what has no moment is left out."""
    found, observation = recorded("enable-threads", "trials.jsonl", "two-clients", "documented")
    line = timeline(found, TrialDirectory(tmp_path), observation)
    assert line is not None
    spans = {one.source: (one.at_ms, one.end_ms) for one in line.events}
    assert spans["B is served"][0] >= spans["A is served"][1] > spans["B waits"][0]
    unseen = observation | {"A": observation["A"] | {"shown": None}}
    fewer = timeline(found, TrialDirectory(tmp_path), unseen)
    assert fewer is not None
    assert "A is shown" not in {one.source for one in fewer.events}


def test_frozen_requests_last_until_the_lab_ends_them() -> None:
    """Each request is a bar from its first line to its last, in the lane of its fate; each frozen one was ended."""
    found, observation = recorded("pool-freeze", "trials.jsonl", "freeze", "documented")
    place = TrialDirectory(Path(__file__).parent / "data" / "pool-freeze" / "freeze" / "documented" / "1")
    line = timeline(found, place, observation)
    assert line is not None
    lanes = [one.source for one in line.events]
    assert lanes.count("frozen request") == observation["frozen"] == lanes.count("lab") > 0
    assert lanes.count("request") == observation["asked"] - observation["frozen"]
    assert all(one.end_ms > one.at_ms for one in line.events if one.source.endswith("request"))


def test_a_worker_that_was_ended_says_no_last_line(tmp_path: Path) -> None:
    """A request that lost its lock has only the moment at which it began: its end is not made up."""
    found = loader.load(ROOT, "pool-freeze").experiments["freeze"]
    evidence = written(tmp_path, "app", stamped("25.0", "[12 of 8] request 1 begins"))
    line = timeline(found, evidence, {"attempts": [{"number": 1, "frozen": False, "lock_lost": True}]})
    assert line is not None
    assert [(one.source, one.until_ms) for one in line.events] == [("lock lost", None)]


def test_a_signal_is_the_zero_of_its_timeline(tmp_path: Path) -> None:
    """graceful_timeout: the request ends where the observation has it, and a cut is marked as one."""
    found, observation = recorded("gunicorn-settings", "trials.jsonl", "graceful-timeout", "term")
    line = timeline(found, TrialDirectory(tmp_path), observation)
    assert line is not None
    cut = [one.at_ms for one in line.events if one.kind == "killed"]
    assert cut == [1000 * observation["after_s"]]


# -- what is drawn ------------------------------------------------------------------------------------


def events(*moments: float, kind: str = "restarted") -> tuple[Event, ...]:
    """Events of one kind."""
    return tuple(Event(at, kind, f"at {at}", "app") for at in moments)


def drawn(one: Timeline, most: int = timeline_data.MOST_MARKS) -> dict[str, Any]:
    """The data of one chart."""
    return timeline_data.timeline_data(
        one, timeline_data.statuses([one]), timeline_data.lanes([one]), timeline_data.axis([one]), most
    )


def test_events_of_one_step_are_one_mark() -> None:
    """What would be drawn over each other is one mark that says how many, and what the first of them were."""
    found = drawn(Timeline(ZERO, 1000, 100, {}, events(10, 20, 30, 40, 50, 60, 250)))["events"]
    assert [mark[4] for mark in found] == ["6 × at 10; at 20; at 30; at 40 …", "at 250"]
    assert [mark[:2] for mark in found] == [[10, 10], [250, 250]], "and a moment stays one"


def test_there_is_a_most_of_marks() -> None:
    """Ten thousand events are no more marks than the page has room for, and each is counted in one."""
    many = Timeline(ZERO, 1e6, 100, {}, events(*(100.0 * n for n in range(10_000))))
    found = drawn(many, 50)["events"]
    assert len(found) <= 50
    assert sum(int(mark[4].split(" × ")[0]) for mark in found) == 10_000


def test_more_lanes_than_marks_end_too() -> None:
    """Where every event has a lane of its own nothing can be joined, and nothing is lost."""
    own = tuple(Event(at, "note", "x", f"lane {at}") for at in range(100))
    assert len(drawn(Timeline(ZERO, 100, 100, {}, own), 50)["events"]) == 100


def test_the_start_up_takes_little_of_the_axis() -> None:
    """Events long before the load are left out of the picture, and how many is said."""
    early = Timeline(ZERO, 10_000, 100, {}, events(-20_000, -500, 100, kind="started"))
    assert drawn(early)["early"] == 1
    assert -1400 < timeline_data.axis([early])[0] < -500


def test_all_timelines_share_one_axis() -> None:
    """The axis reaches from the earliest to the latest of all trials."""
    first, last = timeline_data.axis([Timeline(ZERO, 500, 100), Timeline(ZERO, 9000, 100, {}, events(-100))])
    assert first <= -100
    assert last >= 9000


def test_counts_per_step_lose_nothing() -> None:
    """A summary's buckets become a count for each step, zeros where there was none; earlier ones are in the first."""
    found = {"200": [[-100, 5], [0, 1], [300, 2]], "502": [[100, 7]]}
    assert access_log.counts_per_step(found) == {"200": (6, 0, 0, 2), "502": (0, 7, 0, 0)}
    assert access_log.counts_per_step({"200": [[-100, 5]]}) == {"200": (5,)}
    assert access_log.counts_per_step({}) == {}
