"""Timelines from recorded logs and observations."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from cases import ROOT, RUNS, claim, in_memory, lay_out
from reprolab.core.files import add_lines
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.evidence.wire_file import WIRE_FILE, WireLine
from reprolab.logs import access_log
from reprolab.logs.server_events import from_log
from reprolab.report.html import timeline_data
from reprolab.report.timeline import MOST_EXCHANGES, MOST_STEPS, STEP_MS, Timeline, timeline, zero_of
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
    """A line with the engine's timestamp."""
    return f"{MORNING}{seconds}00000000Z {text}"


def events_of(*lines: str) -> list[tuple[str, str]]:
    """The kinds and texts of the events in some lines."""
    return [(event.kind, event.text) for event in from_log([line.encode() for line in lines], ZERO, "app")]


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
def test_the_lines_of_each_server_are_events(line: str, kind: str, text: str) -> None:
    """Lines of gunicorn, uWSGI and uvicorn about a worker are events that name the worker."""
    assert events_of(stamped("26.5", line)) == [(kind, text)]


def test_other_lines_are_not_events() -> None:
    """Access lines, other processes and lines without a timestamp are ignored."""
    assert (
        events_of(
            stamped("26.1", '- - [x] "GET /Booting worker with pid: 3 HTTP/1.1" 200 11'),
            stamped("26.2", "spawned uWSGI http 1 (pid: 9)"),
            "[x] [46] [INFO] Booting worker with pid: 46",
            "",
        )
        == []
    )


def test_a_restart_is_one_event() -> None:
    """Each thread of a worker may write the line; only the first is an event."""
    again = "[2026-11-21 05:52:26 +0000] [19] [INFO] Autorestarting worker after current request."
    assert len(events_of(stamped("26.1", again), stamped("26.2", again))) == 1


def test_nginx_before_the_server_has_its_events(tmp_path: Path) -> None:
    """Its workers, and its errors, of which equal ones within a second are one; its access log gives the responses."""
    refused = "[error] 9#9: *{} connect() failed (111: Connection refused) while connecting to upstream, client: x"
    lines = [(26.0, "[notice] 1#1: start worker process 9"), (26.05, "[notice] 1#1: using epoll")]
    lines += [(26 + n / 10, refused.format(n)) for n in range(1, 9)] + [(29.0, refused.format(9))]
    streams = [stamped(f"{at:.1f}", f"2026/11/21 05:52:26 {text}") for at, text in lines]
    written(tmp_path, "proxy", '- - - [x] "GET / HTTP/1.1" 502 0 "-" "-" 1795240346.500 0.100')
    evidence = written(tmp_path, "proxy.streams", *streams)
    line = timeline(LAMP, evidence, {"load": {"started_ns": ZERO}})
    assert line is not None and line.responses["502"][5] == 1
    words = "connect() failed (111: Connection refused) while connecting to upstream"
    assert [(e.kind, e.text, e.source, e.at_ms, e.until_ms) for e in line.events] == [
        ("started", "worker 9 started", "proxy", 0, None),
        ("note", f"{words} (8 times)", "proxy", 100, 800),
        ("note", words, "proxy", 3000, None),
    ]


def test_an_event_has_one_of_the_known_kinds() -> None:
    """An unknown kind raises an error that names the known kinds."""
    with pytest.raises(ValueError, match=r"vanished.*started"):
        Event(0, "vanished", "the socket", "app")
    assert all(Event(1, kind, "x", "app").end_ms == 1 for kind in KINDS)


# -- a whole timeline ---------------------------------------------------------------------------------


def vanish(variant: str) -> Timeline:
    """The timeline of a recorded trial of socket-vanish."""
    run = RunDirectory(RUNS / "whole")
    record = next(trial for trial in run.trials() if trial.variant == variant and trial.trial == 1)
    experiment = loader.load(ROOT, "socket-vanish").experiments["vanish"]
    line = timeline(experiment, run.trial("vanish", variant, 1), record.observation)
    assert line is not None
    return line


def test_the_documented_case_on_one_clock() -> None:
    """Restart, removal, the missing socket and the first traceback are in this order; then all responses are 502."""
    line = vanish("documented")
    first = {(event.kind, event.source): event.at_ms for event in reversed(line.events)}
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
    """In the control workers restart too, but the file of the socket stays."""
    kinds = {event.kind for event in vanish("gunicorn-19.5.0").events}
    assert {"started", "ending", "present"} <= kinds
    assert not {"gone", "traceback"} & kinds


def test_no_timeline_without_events(tmp_path: Path) -> None:
    """The start of a server alone, a missing directory and a torn log give no timeline."""
    booted = stamped("25.0", "[x] [10] [INFO] Booting worker with pid: 10")
    assert timeline(LAMP, written(tmp_path / "1", "app", booted), {"blinked": True}) is None
    assert timeline(LAMP, TrialDirectory(tmp_path / "missing"), {}) is None
    torn = written(tmp_path / "2", "app", *[booted] * 50)
    torn.log_path("app").write_bytes(torn.log_path("app").read_bytes()[:-12])
    assert timeline(LAMP, torn, {}) is None


def test_the_lab_reads_the_events_of_servers(tmp_path: Path) -> None:
    """Without own events, an experiment shows the death of a worker. The first line of the log is the zero."""
    evidence = written(
        tmp_path,
        "app",
        stamped("25.0", "INFO: Started server process [12]"),
        stamped("27.5", "INFO: Child process [12] died"),
    )
    line = timeline(LAMP, evidence, {})
    assert line is not None
    assert [(event.at_ms, event.kind) for event in line.events] == [(0.0, "started"), (2500.0, "killed")]
    assert line.length_ms == 2500
    assert not line.responses


def test_a_proxys_log_gives_responses(tmp_path: Path) -> None:
    """Lines with a time are counted per status and step from the start of the load, without probes."""
    lines = [
        f'127.0.0.1 - - [x] "GET / HTTP/1.1" {status} 11 "-" "{agent}" {ZERO // 1000 + ms * 1000} 0.010'
        for status, agent, ms in [(200, "-", 5), (200, "-", 60), (502, "-", 250), (200, "reprolab-probe", 300)]
    ]
    observation = {"load": {"started_ns": ZERO, "finished_ns": ZERO + 10**9, "connections": 200, "requests": 3}}
    line = timeline(LAMP, written(tmp_path, "proxy", *lines), observation)
    assert line is not None
    assert line.responses == {"200": (2, 0, 0), "502": (0, 0, 1)}
    assert [(event.source, event.at_ms, event.until_ms) for event in line.events] == [("load", 0, 1000)]


def test_a_long_trial_has_longer_steps(tmp_path: Path) -> None:
    """After two minutes steps are joined, and all responses are counted."""
    steps = 3 * MOST_STEPS
    lamp = in_memory(claim()).experiments["lamp"]
    long = type(lamp)(**{**vars(lamp), "responses": lambda evidence, o: {"200": [1] * steps}, "zero": lambda e, o: 0})
    line = timeline(long, TrialDirectory(tmp_path), {})
    assert line is not None
    assert (line.step_ms, sum(line.responses["200"])) == (3 * STEP_MS, steps)
    assert len(line.responses["200"]) <= MOST_STEPS
    assert line.length_ms == steps * STEP_MS


def test_an_experiment_adds_its_own_events(tmp_path: Path) -> None:
    """`events` are added to those of the lab. With a `zero` of 0, only `events` are shown."""
    text = """
        from reprolab import Claim, Event
        VARIANTS, TRIALS = {"documented": {}}, 1
        CLAIMS = [Claim("B-1", "x", sign=lambda o: True, shows=["documented"])]
        def drive(stack): return {}
        def events(evidence, o): yield Event(o["at"], "gone", "the light", "lamp")
    """.replace("\n        ", "\n")
    lay_out(tmp_path, lamp=text)
    experiment = loader.load(tmp_path, "blink").experiments["lamp"]
    evidence = written(tmp_path / "1", "app", stamped("25.0", "INFO: Started server process [12]"))
    line = timeline(experiment, evidence, {"at": 40.0})
    assert line is not None
    assert [event.kind for event in line.events] == ["started", "gone"]
    alone = timeline(type(experiment)(**{**vars(experiment), "zero": lambda e, o: 0}), evidence, {"at": 40.0})
    assert alone is not None
    assert [event.kind for event in alone.events] == ["gone"]
    assert alone.zero_ns == 0


# -- events of the scenarios, from recorded observations ------------------------------------------------


def recorded(where: str, file: str, experiment: str, variant: str) -> tuple[Any, dict[str, Any]]:
    """An experiment, and the observation of a recorded trial of it."""
    lines = (Path(__file__).parent / "data" / where / file).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    row = next(row for row in rows if row["experiment"] == experiment and row["variant"] == variant)
    return loader.load(ROOT, where).experiments[experiment], row["observation"]


def test_two_clients_are_served_one_after_the_other(tmp_path: Path) -> None:
    """B is served after A and waits while A is served. A client without a time is left out."""
    experiment, observation = recorded("enable-threads", "trials.jsonl", "two-clients", "documented")
    line = timeline(experiment, TrialDirectory(tmp_path), observation)
    assert line is not None
    spans = {event.source: (event.at_ms, event.end_ms) for event in line.events}
    assert spans["B is served"][0] >= spans["A is served"][1] > spans["B waits"][0]
    unseen = observation | {"A": observation["A"] | {"shown": None}}
    fewer = timeline(experiment, TrialDirectory(tmp_path), unseen)
    assert fewer is not None
    assert "A is shown" not in {event.source for event in fewer.events}


def test_frozen_requests_last_until_the_lab_ends_them() -> None:
    """Each request lasts from its first line to its last, in its own lane; the lab ends each frozen one."""
    experiment, observation = recorded("pool-freeze", "trials.jsonl", "freeze", "documented")
    place = TrialDirectory(Path(__file__).parent / "data" / "pool-freeze" / "freeze" / "documented" / "1")
    line = timeline(experiment, place, observation)
    assert line is not None
    lanes = [event.source for event in line.events]
    assert lanes.count("frozen request") == observation["frozen"] == lanes.count("lab") > 0
    assert lanes.count("request") == observation["asked"] - observation["frozen"]
    assert all(event.end_ms > event.at_ms for event in line.events if event.source.endswith("request"))


def test_a_request_without_a_last_line_has_no_end(tmp_path: Path) -> None:
    """A request that lost its lock has only its start."""
    experiment = loader.load(ROOT, "pool-freeze").experiments["freeze"]
    evidence = written(tmp_path, "app", stamped("25.0", "[12 of 8] request 1 begins"))
    line = timeline(experiment, evidence, {"attempts": [{"number": 1, "frozen": False, "lock_lost": True}]})
    assert line is not None
    assert [(event.source, event.until_ms) for event in line.events] == [("lock lost", None)]


def test_a_signal_is_the_zero_of_its_timeline(tmp_path: Path) -> None:
    """graceful_timeout: the request ends at the observed time, with the event `killed`."""
    experiment, observation = recorded("gunicorn-settings", "trials.jsonl", "graceful-timeout", "term")
    line = timeline(experiment, TrialDirectory(tmp_path), observation)
    assert line is not None
    cut = [event.at_ms for event in line.events if event.kind == "killed"]
    assert cut == [1000 * observation["after_s"]]


# -- the data of a chart -------------------------------------------------------------------------------


def events(*moments: float, kind: str = "restarted") -> tuple[Event, ...]:
    """Events of one kind."""
    return tuple(Event(at, kind, f"at {at}", "app") for at in moments)


def chart_data(line: Timeline, most: int = timeline_data.MOST_MARKS) -> dict[str, Any]:
    """The data of one chart."""
    return timeline_data.timeline_data(
        line, timeline_data.statuses([line]), timeline_data.lanes([line]), timeline_data.axis([line]), most
    )


def test_events_of_one_step_are_one_mark() -> None:
    """Events at the same place are one mark, with their number and the first texts."""
    marks = chart_data(Timeline(ZERO, 1000, 100, {}, events(10, 20, 30, 40, 50, 60, 250)))["events"]
    assert [mark[4] for mark in marks] == ["6 × at 10; at 20; at 30; at 40 …", "at 250"]
    assert [mark[:2] for mark in marks] == [[10, 10], [250, 250]], "and a moment stays one"


def test_the_number_of_marks_is_limited() -> None:
    """Ten thousand events are joined to at most 50 marks, and all of them are counted."""
    many = Timeline(ZERO, 1e6, 100, {}, events(*(100.0 * n for n in range(10_000))))
    marks = chart_data(many, 50)["events"]
    assert len(marks) <= 50
    assert sum(int(mark[4].split(" × ")[0]) for mark in marks) == 10_000


def test_events_in_different_lanes_are_not_joined() -> None:
    """More lanes than marks lose no event, and the joining ends."""
    notes = tuple(Event(at, "note", "x", f"lane {at}") for at in range(100))
    assert len(chart_data(Timeline(ZERO, 100, 100, {}, notes), 50)["events"]) == 100


def test_the_start_up_takes_little_of_the_axis() -> None:
    """Events long before the load are left out and counted."""
    early = Timeline(ZERO, 10_000, 100, {}, events(-20_000, -500, 100, kind="started"))
    assert chart_data(early)["early"] == 1
    assert -1400 < timeline_data.axis([early])[0] < -500


def test_all_timelines_share_one_axis() -> None:
    """The axis contains the earliest and the latest event of all trials."""
    first, last = timeline_data.axis([Timeline(ZERO, 500, 100), Timeline(ZERO, 9000, 100, {}, events(-100))])
    assert first <= -100
    assert last >= 9000


def test_counts_per_step() -> None:
    """A step without responses has a 0, and responses before the zero are in the first step."""
    buckets = {"200": [[-100, 5], [0, 1], [300, 2]], "502": [[100, 7]]}
    assert access_log.counts_per_step(buckets) == {"200": (6, 0, 0, 2), "502": (0, 7, 0, 0)}
    assert access_log.counts_per_step({"200": [[-100, 5]]}) == {"200": (5,)}
    assert access_log.counts_per_step({}) == {}


# -- a client that speaks bytes ------------------------------------------------------------------------


def test_connections_of_a_client_are_on_the_timeline(tmp_path: Path) -> None:
    """Each lasts from its opening to its last line; of many, the rest is one event."""
    evidence = written(tmp_path, "app", stamped("26.", "hello"))
    for number in range(1, MOST_EXCHANGES + 3):
        for offset, what, text, result in (
            (0, "open", "", ""),
            (1, "send", "GET /a HTTP/1.1\r\n", ""),
            (2, "outcome", "", "reset"),
        ):
            moment = ZERO + (number * 10 + offset) * 1_000_000
            add_lines(evidence.path / WIRE_FILE, [WireLine("app", number, moment, what, text, result).to_json()])
    line = timeline(LAMP, evidence, {})
    assert line is not None
    events = [event for event in line.events if event.source == "client"]
    assert (events[0].text, events[0].end_ms - events[0].at_ms) == ("#1 GET /a HTTP/1.1: reset", 2.0)
    assert len(events) == MOST_EXCHANGES + 1 and events[-1].text == f"2 more connections: see {WIRE_FILE}"


def test_the_zero_is_the_first_container_of_a_service(tmp_path: Path) -> None:
    """Also if the experiment made it anew: its log then has another name."""
    evidence = written(tmp_path, "app", stamped("29.", "second life"))
    assert zero_of(evidence, {}) == ZERO + 3 * 10**9
    written(tmp_path, "app.1", stamped("26.", "first life"))
    assert zero_of(evidence, {}) == ZERO
