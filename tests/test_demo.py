"""Demonstrations: demo.yaml, the recording at a moment, its screen, and the replay's clock."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import shlex
import subprocess
import sys
import threading
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from cases import ROOT, having, recorded_run, unplan
from click.testing import CliRunner
from reprolab.cli import main
from reprolab.cli.demo import SimulatedClock
from reprolab.core.errors import Exit, InvalidTrial, UsageError
from reprolab.demo import from_logs, live, live_view, recording, sampler, script
from reprolab.demo.frames import frame
from reprolab.demo.keys import Keyboard, Left, Rhythm
from reprolab.demo.layout import Slide
from reprolab.demo.presenter import Display, Show
from reprolab.demo.recording import Look, ProcessState, Recording
from reprolab.demo.replay import Replay
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.logs import access_log
from reprolab.report.timeline import Event, Timeline
from reprolab.run.plan import PlannedVariant
from reprolab.run.runner import Prepared
from reprolab.scenario import loader, model
from reprolab.scenario.trial import TrialRecord
from reprolab.stack.stack import Stack
from rich.console import Console

SCENARIOS = having(script.FILE)


def terminal(width: int = 80, height: int = 24) -> Console:
    """A terminal of this size that records its output."""
    return Console(width=width, height=height, record=True, force_terminal=True, file=open(os.devnull, "w"))  # noqa: PTH123


def drawn(content: Any, width: int = 80, height: int = 24) -> str:
    """The text on a terminal of this size."""
    console = terminal(width, height)
    console.print(content)
    return console.export_text()


# -- demo.yaml ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vanish() -> model.Scenario:
    """A scenario whose demonstration has every part."""
    return loader.load(ROOT, "socket-vanish")


def content(scenario: model.Scenario) -> dict[str, Any]:
    """The content of its demo.yaml."""
    return yaml.safe_load((scenario.directory / script.FILE).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("break_content", "message"),
    [
        (lambda c: c.update(opning="x"), "unknown key opning (did you mean opening?)"),
        (lambda c: c.pop("opening"), "opening is ''"),
        (lambda c: c.update(acts=c["acts"][:1]), "two or more: the case, and its control"),
        (lambda c: c["acts"][0].update(variant="docmented"), "did you mean documented?"),
        (lambda c: c["acts"][1].update(variant="documented"), "two acts play the same variant"),
        (lambda c: c["acts"][0].update(show=["sockets"]), "show names 'sockets' (did you mean socket?)"),
        (lambda c: c["acts"][0].pop("expect"), "expect is ''"),
        (lambda c: c["closing"].update(claims=["SV-99"]), "claims is ['SV-99']"),
        (lambda c: c["watch"].update(window=0), "window is 0"),
        (lambda c: c["watch"].update(processes="apps"), "no service in the role 'apps' (did you mean app?)"),
        (lambda c: c["watch"].update(file={"role": "app"}), "path is ''"),
        (lambda c: c["watch"].update(events=[{"role": "app", "pattern": "("}]), "events 1"),
        (lambda c: c["watch"].update(lines=[{"role": "app", "pattern": "x", "label": r"\1"}]), "asks for a group"),
        (lambda c: c.update(experiment="vanished"), "did you mean vanish?"),
    ],
)
def test_a_mistake_in_demo_yaml_is_named(vanish: model.Scenario, break_content: Any, message: str) -> None:
    """The error has the place, the key and the expected value."""
    broken = content(vanish)
    break_content(broken)
    with pytest.raises(UsageError) as raised:
        script.parse(vanish, broken, "demo.yaml")
    assert message in str(raised.value)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_texts_of_a_demonstration_have_no_measured_figure(name: str) -> None:
    """The figures of a demonstration are measured; its texts have only settings of the document."""
    scenario = loader.load(ROOT, name)
    demo = script.load(scenario)
    texts = [demo.opening, demo.cause, demo.ask, *(t for act in demo.acts for t in (act.say, act.expect, act.reveal))]
    for text in texts:
        assert not re.search(r"\d+(\.\d+)? ?(%|ms|req/s|per second|/s)", text), text


# -- the recording -----------------------------------------------------------------------------------


def looks(*rows: tuple[float, list[int], bool | None]) -> list[Look]:
    """Looks at a server 7 with workers."""
    server = ProcessState(7, 1, "gunicorn")
    return [
        Look(at_ms, (server, *(ProcessState(pid, 7, "gunicorn", 5) for pid in pids)), present)
        for at_ms, pids, present in rows
    ]


@pytest.fixture
def grown() -> Recording:
    """Ten seconds: 200 for two of them, then 502. The file is removed, and a worker is replaced."""
    growing = Recording(seen_ms=10_000, length_ms=10_000)
    for step in range(20):
        growing.count("200", step, 10)
    for step in range(20, 100):
        growing.count("502", step, 1000)
    growing.looks += looks((0, [10, 11], True), (1000, [10, 11], True), (2500, [11, 12], False))
    growing.events.append(Event(2100, "gone", "the file is gone", "witness"))
    return growing


def test_a_frame_has_nothing_from_after_its_moment(grown: Recording) -> None:
    """Counts, looks and events after the moment are not in the frame."""
    state = frame(grown, 2000, 40, 10)
    assert [(line.label, line.total) for line in state.lines] == [("200", 200), ("502", 0)]
    assert state.present is True and state.gone_ms is None and not state.events
    assert state.rows is not None and all(row.gone_ms is None for row in state.rows)


def test_a_frame_tells_rates_of_the_last_second(grown: Recording) -> None:
    """The rate is of the last second, the total is of all seconds."""
    ok, refused = frame(grown, 5000, 40, 10).lines
    assert (ok.rate, ok.total) == (0, 200)
    assert (refused.rate, refused.total) == (10_000, 30_000)


def test_one_line_is_one_in_a_second() -> None:
    """One line counts as one in a second, also right after the start."""
    single = Recording(seen_ms=60)
    single.count("tick", 0, 1)
    (line,) = frame(single, 60, 40, 10).lines
    assert (line.rate, line.peak, line.total) == (1, 1, 1)


def test_a_frame_marks_new_and_gone_processes(grown: Recording) -> None:
    """A process that the first look lacks is new; one that the last look lacks has ended, at that look."""
    rows = {row.process.pid: row for row in frame(grown, 3000, 40, 10).rows or ()}
    assert (rows[10].gone_ms, rows[10].new) == (2500, False)
    assert (rows[12].gone_ms, rows[12].new, rows[12].since_ms) == (None, True, 2500)
    assert (rows[11].gone_ms, rows[11].new, rows[11].depth) == (None, False, 1)


def test_a_column_that_is_not_counted_yet_is_empty(grown: Recording) -> None:
    """A column after the last count is None, not zero."""
    grown.seen_ms = 3000
    columns = frame(grown, 5000, 50, 10).lines[1].columns
    assert columns[-1] is None and columns[14] is not None


def test_a_recording_is_read_from_its_file(tmp_path: Path, grown: Recording) -> None:
    """The file has the whole recording; an incomplete last line is skipped."""
    path = tmp_path / recording.FILE
    writer = recording.RecordingWriter(path)
    for look in grown.looks:
        writer.write(at_ms=look.at_ms, look=recording.look_to_json(look))
    writer.write(at_ms=9000, counts=[["200", 3, 7]])
    writer.write(at_ms=9100, event=recording.event_to_json(grown.events[0]))
    writer.write(length_ms=10_000.0)
    writer.close()
    path.write_bytes(path.read_bytes() + b'{"at_ms": 99')
    restored = recording.read(path)
    assert restored.looks == grown.looks and restored.events == grown.events
    assert restored.counts == {"200": {3: 7}} and restored.length_ms == 10_000


# -- the sampler -------------------------------------------------------------------------------------


def test_processes_below_the_first_are_the_servers() -> None:
    """The shell of a look has no parent in the container and is excluded; so are the init and zombies."""
    tail = " ".join(["0"] * 15) + " 3 0"
    lines = [
        f"1 (docker-init) S 0 {tail}",
        f"7 (gunicorn: (a) b) S 1 {tail}",
        f"10 (gunicorn) S 7 {tail}",
        f"11 (gunicorn) Z 7 {tail}",
        f"99 (sh) S 0 {tail}",
        f"100 (cat) R 99 {tail}",
        "garbage",
    ]
    processes = sampler.parse_processes(lines)
    assert [(process.pid, process.parent, process.name) for process in processes] == [
        (7, 1, "gunicorn: (a) b"),
        (10, 7, "gunicorn"),
    ]


def test_the_access_log_is_counted_as_the_evidence_counts_it(tmp_path: Path) -> None:
    """The command does not count the lab's own requests and lines that are no access lines."""
    log = tmp_path / "access.log"
    line = '127.0.0.1 - - [21/Nov/2026:06:55:32 +0000] "GET / HTTP/1.1" {} 25 "-" "{}" {} {}\n'
    log.write_text(
        line.format(200, "-", 1795244132222074, 0)
        + line.format(502, "-", 1795244132222074, 0.31)
        + line.format(502, "reprolab-probe", 1795244132222074, 0)
        + "the proxy says something\n"
    )
    count = sampler.COUNT.format(zero=1795244132000, step=100)
    finished = subprocess.run(["sh", "-c", f"cat '{log}' | {count}"], capture_output=True, text=True, check=True)
    assert sampler.parse_counts(finished.stdout) == ([("200", 2, 1), ("502", 5, 1)], log.stat().st_size)


def test_a_look_that_fails_is_reported(tmp_path: Path) -> None:
    """The experiment continues; the screen and the recording have the error."""

    def fails(*_: Any) -> Any:
        raise InvalidTrial("the container went away\nwith details")

    stack: Any = SimpleNamespace(evidence=TrialDirectory(tmp_path), front="app", execute=fails, exists=fails)
    with sampler.Sampler(stack, script.Watch(processes="app"), tick=0.01) as running:
        while "looks" not in running.recording.missing:
            time.sleep(0.01)
    (line,) = live_view.process_lines(frame(running.recording, 1000, 40, 10), 5)
    assert line.plain.startswith("a look failed at ") and line.plain.endswith(": the container went away")
    assert recording.read(tmp_path / recording.FILE).missing == running.recording.missing


# -- the screen --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50)])
def test_the_live_slide_fits_its_terminal(vanish: model.Scenario, grown: Recording, width: int, height: int) -> None:
    """In both sizes the slide has lines, the state of the file, processes and events, and not too many rows."""
    watch = script.load(vanish).watch
    state = frame(grown, 4000, live_view.columns_for(width), watch.window)
    slide = Slide("socket-vanish · 1/3", "live", live_view.Live(state, watch, height - 4), "q: leave")
    text = drawn(slide, width, height)
    assert len(text.rstrip("\n").split("\n")) <= height
    assert max(map(len, text.split("\n"))) <= width
    for part in ("200", "502", "10 000/s", "GONE", "seen gone at 2.5 s", "12 gunicorn 5 threads", "the file is gone"):
        assert part in text, f"{part!r} is not on the page:\n{text}"


def test_the_acts_have_a_time_axis_and_one_scale(vanish: model.Scenario, grown: Recording) -> None:
    """The seconds stand below the columns. A line of a tenth of the answers has a tenth of the height, in all acts."""
    watch = script.load(vanish).watch
    state = frame(grown, 10_000, 100, 10)
    text = drawn(live_view.Live(state, watch, 30), 140, 40)
    (marks,) = [line for line in text.split("\n") if "full height" in line]
    assert marks.index("╵7 s") - marks.index("╵2 s") == 50
    assert "full height 10 000/s" in marks
    bars = {line.label: live_view.moving_line(line, 4, state.top) for line in state.lines}
    assert "█" in drawn(bars["502"], 140, 40) and "█" not in drawn(bars["200"], 140, 40)
    assert "full height 40 000/s" in drawn(live_view.Live(state, watch, 30, 4000), 140, 40)


def test_what_the_lab_holds_is_on_the_screen(grown: Recording, vanish: model.Scenario, tmp_path: Path) -> None:
    """With the time since it began, from the moment when the lab saw it until it goes on; also in a replay."""
    grown.holds.append(recording.Hold("FROZEN", 1000, 2000, 9000))
    watch = script.load(vanish).watch
    assert "FROZEN: 4 s" in drawn(live_view.Live(frame(grown, 5000, 40, 10), watch, 24))
    assert "  FROZEN: 4 s  " in live_view.plain_line(frame(grown, 5000, 40, 10), watch)
    for moment in (1500, 9000):
        assert "FROZEN" not in drawn(live_view.Live(frame(grown, moment, 40, 10), watch, 24))
    writer = recording.RecordingWriter(tmp_path / recording.FILE)
    writer.write(hold=["FROZEN", 1000, 2000, 9000])
    writer.close()
    assert recording.read(tmp_path / recording.FILE).holds == grown.holds


def test_running_processes_stay_on_a_full_slide() -> None:
    """If there are too many processes, the first that ended are omitted and counted."""
    crowded = Recording(length_ms=60_000)
    crowded.looks += looks(*((1000 * n, [100 + n, 101 + n], None) for n in range(50)))
    lines = [line.plain for line in live_view.process_lines(frame(crowded, 60_000, 40, 10), 10)]
    assert len(lines) == 10
    assert any("150 gunicorn" in line and "gone" not in line for line in lines)
    assert lines[-1] == "… 43 more gone"


def test_a_small_bar_is_visible() -> None:
    """One response among thousands has a bar, zero has a dot, and an unknown number has a space."""
    assert live_view.block(1, 30_000, 0, 4) == "▁"
    assert live_view.block(0, 30_000, 0, 4) == "·"
    assert live_view.block(None, 30_000, 0, 4) == " "
    assert live_view.block(30_000, 30_000, 3, 4) == "█"


# -- replays -----------------------------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path: Path) -> RunDirectory:
    """A recorded run of socket-vanish: documented with its evidence, gunicorn-19.5.0 without."""
    return recorded_run(tmp_path, "whole")


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_a_replay_keeps_the_recorded_time(vanish: model.Scenario, whole: RunDirectory, speed: float) -> None:
    """After one second of the clock a replay is ``speed`` seconds into the trial, up to its end."""
    clock = SimulatedClock()
    player = Replay(vanish, script.load(vanish), whole, speed, clock)
    act = player.script.acts[0]
    player.prepare(act)
    played = player.start(act, lambda state: None)
    clock.now += 1
    assert player.now_ms() == pytest.approx(1000 * speed) and not player.over()
    clock.now += 3600
    assert player.over() and player.now_ms() == played.length_ms


def test_a_replay_shows_the_evidence(vanish: model.Scenario, whole: RunDirectory) -> None:
    """In an ordinary run the responses are from the proxy's log, and the workers from the server's lines."""
    demo = script.load(vanish)
    player = Replay(vanish, demo, whole)
    act = demo.acts[0]
    player.prepare(act)
    state = frame(player._recording, player._recording.length_ms, 40, 20)
    # The test data have a part of the proxy's log.
    log = access_log.access_summary(whole.trial("vanish", "documented", 1).lines("proxy"), 0)
    assert {line.label: line.total for line in state.lines} == {str(s): n for s, n in log.statuses.items()}
    assert state.missing["processes"] == from_logs.PIDS_FROM_LOG
    assert sum(row.gone_ms is not None for row in state.rows or ()) > 0


def test_a_request_that_the_lab_freed_is_marked(tmp_path: Path) -> None:
    """It is marked in the graph, and in the log before the line that follows."""
    events = (Event(900, "note", "request 1: frozen", "frozen request", 2000), Event(2000, "killed", "freed", "lab"))
    (tmp_path / "app").mkdir()
    evidence = TrialDirectory(tmp_path / "app")
    with gzip.open(evidence.log_path("app"), "wb") as log:
        log.write(b"1970-01-01T00:00:03.000000000Z request 1 ends\n")
    source = script.LineSource("app", re.compile("request 1 ends"), "", "ends")
    watch = script.Watch("", None, "", (source,), (source,), 20.0)
    trial_timeline = Timeline(1_000_000_000, 3000, 100, {}, events)
    replayed = from_logs.from_evidence(watch, trial_timeline, evidence, TrialRecord("vanish", "documented", 1, {}, {}))
    assert [event.text for event in replayed.events] == ["freed", "request 1 ends"]
    assert replayed.counts == {"lab ended": {20: 1}, "ends": {20: 1}}
    text = drawn(live_view.Live(frame(replayed, 3000, 40, 20), watch, 20))
    assert "lab ended: frozen, freed by the lab" in text
    assert "what the lab did" in text


def test_a_long_heading_is_not_cut() -> None:
    """It continues in a second line, and the foot stays."""
    heading = "socket-vanish · gunicorn 19.6.0 removes its own Unix socket"
    text = drawn(Slide(heading, "replay of 20260102T120000Z", "the body", "q: leave"))
    assert "…" not in text
    assert all(word in text for word in [*heading.split(), "20260102T120000Z", "the body", "q: leave"])


@pytest.mark.parametrize(("arguments", "example"), [(["--auto=abc"], "8"), (["--speed", "fast"], "4")])
def test_a_wrong_number_is_a_usage_error(arguments: list[str], example: str) -> None:
    """The error has an example."""
    result = CliRunner().invoke(main.main, ["demo", "socket-vanish", *arguments])
    assert result.exit_code == Exit.USAGE
    assert "expected: " in result.output and example in result.output


def test_a_replay_marks_missing_parts(tmp_path: Path, vanish: model.Scenario, whole: RunDirectory) -> None:
    """Every missing part is marked on the screen."""
    record = next(row for row in whole.trials() if row.variant == "documented")
    replayed = from_logs.from_evidence(script.load(vanish).watch, None, TrialDirectory(tmp_path / "empty"), record)
    assert set(replayed.missing) == {"processes", "file", "counts", "events"}
    text = drawn(live_view.Live(frame(replayed, 1000, 40, 10), script.load(vanish).watch, 20))
    assert text.count(from_logs.NOT_RECORDED) == 4


def test_a_run_of_another_scenario_is_refused(vanish: model.Scenario, whole: RunDirectory) -> None:
    """A replay needs a run of its scenario with a valid trial of an act."""
    (whole.path / "trials.jsonl").write_text("")
    with pytest.raises(UsageError, match="no valid trial that the demonstration shows"):
        Replay(vanish, script.load(vanish), whole)
    (whole.path / "run.json").write_text(json.dumps({"scenario": "pool-freeze"}))
    with pytest.raises(UsageError, match="is a run of pool-freeze"):
        Replay(vanish, script.load(vanish), whole)


def test_a_terminal_gets_the_screens_themselves(whole: RunDirectory) -> None:
    """Rich's escape sequences arrive as such: they are not shown as text, as those of servers are."""
    master, slave = pty.openpty()
    options = ["demo", "socket-vanish", "--replay", str(whole.path), "--auto=0", "--speed", "1000"]
    environment = {**os.environ, "REPROLAB_ROOT": str(ROOT), "TERM": "xterm", "LINES": "40", "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, "-m", "reprolab.cli.main", *options], stdin=slave, stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    written = b""
    # The read fails once the other end is closed.
    with suppress(OSError):
        while part := os.read(master, 1 << 16):
            written += part
    os.close(master)
    assert process.wait(60) == Exit.AS_RECORDED, written[-2000:]
    assert written.count(b"\x1b[H") > 5
    assert "\N{REPLACEMENT CHARACTER}".encode() not in written


def test_a_replay_before_any_run(tmp_path: Path) -> None:
    """The shortest way to one is a demonstration, not a whole run."""
    environment = {"REPROLAB_RESULTS": str(tmp_path), "REPROLAB_ROOT": str(ROOT)}
    result = CliRunner().invoke(main.main, ["demo", "socket-vanish", "--replay", "socket-vanish"], env=environment)
    assert result.exit_code == Exit.USAGE
    assert "no run of socket-vanish to replay" in result.output
    assert "demo-socket-vanish AUTO=1" in result.output or "demo socket-vanish --auto=1" in result.output


def test_a_replay_plays_to_the_finding(vanish: model.Scenario, whole: RunDirectory) -> None:
    """It shows texts, questions, live lines, figures, an act without a trial, and the claims with their verdicts."""
    unplan(whole, "creator-only")
    clock = SimulatedClock()
    demo = script.load(vanish)
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    keys = Rhythm(0, clock.sleep)
    with Display(console) as display:
        Show(vanish, demo, Replay(vanish, demo, whole, 1, clock), display, keys).play()
    text = console.export_text()
    for part in (
        "What do you expect?",
        "replay of 20260101T000000Z",
        "there is nothing to replay",
        "98.",
        "SV-1",
        "confirmed in this run",
        "on record",
    ):
        assert part in text, f"{part!r} was not shown:\n{text}"
    last = text[text.index("and now") :]
    assert "in all" in last and "gunicorn-19.5.0" in last and demo.ask.split()[-1] in last


def test_a_replay_needs_no_docker(tmp_path: Path, whole: RunDirectory) -> None:
    """The command plays a run without an engine; without a terminal it prints plain lines."""
    environment = {**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:1", "REPROLAB_ROOT": str(ROOT), "PATH": "/nowhere"}
    command = [str(Path(sys.executable).with_name("reprolab")), "demo", "socket-vanish", "--replay", str(whole.path)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    assert "502" in finished.stdout and "\x1b" not in finished.stdout


def test_a_trial_that_differs_from_the_record_is_reported(vanish: model.Scenario, whole: RunDirectory) -> None:
    """If a sign differs from the record, the slide says so in the place of the prepared text."""
    lines = [json.loads(line) for line in (whole.path / "trials.jsonl").read_text().splitlines()]
    for line in lines:
        line["observation"]["socket_after"] = True
    (whole.path / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    clock, demo = SimulatedClock(), script.load(vanish)
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with Display(console) as display:
        Show(vanish, demo, Replay(vanish, demo, whole, 1, clock), display, Rhythm(0, clock.sleep)).play()
    text = " ".join(console.export_text().split())
    assert "This time the result differs from the record: SV-1's sign did not show" in text
    assert "The file is gone, the server runs on" not in text


# -- live --------------------------------------------------------------------------------------------


class FakeRunner:
    """A runner whose trial is only the drive, on a stack without containers."""

    playing: Any = None

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.ended = threading.Event()

    def trial(self, prepared: Any, number: int) -> TrialRecord:
        stack = SimpleNamespace(evidence=TrialDirectory(self.path), front="app", ended=self.ended)
        stack.execute = lambda *_: (0, "0")
        try:
            with self.playing.driving(stack):
                observation = prepared.variant.experiment.drive(stack)
        except InvalidTrial as error:
            return TrialRecord("vanish", "documented", number, {}, {}, str(error))
        return TrialRecord("vanish", "documented", number, {}, observation)

    def end_stacks(self) -> None:
        self.ended.set()


def staged(vanish: model.Scenario, tmp_path: Path, drive: Any) -> tuple[Any, FakeRunner]:
    """A trial that waits for the presenter, with this drive."""
    demo = script.load(vanish)
    demo = replace(demo, watch=script.Watch(), experiment=replace(demo.experiment, drive=drive))
    runner: Any = FakeRunner(tmp_path)
    variant = PlannedVariant(demo.experiment, "documented", {}, 1)
    runner.playing = live._TrialThread(runner, Prepared(variant, {}), demo)
    return runner.playing, runner


def test_the_drive_waits_for_the_presenter(vanish: model.Scenario, tmp_path: Path) -> None:
    """The stack starts while the question is on the screen; the drive starts with the key."""
    driven: list[Any] = []
    playing, _ = staged(vanish, tmp_path, lambda stack: driven.append(stack) or {"seen": 1})
    playing.start()
    assert playing.up.wait(5) and not playing.driven.wait(0.1) and driven == []
    playing.go.set()
    playing.join(5)
    assert playing.record.observation == {"seen": 1} and playing.driven.is_set()
    assert (tmp_path / recording.FILE).exists()


def test_a_hold_waits_only_before_an_audience(vanish: model.Scenario, tmp_path: Path) -> None:
    """In a demonstration it is recorded with its times; a presenter who leaves ends it. Other runs go on at once."""
    begun = time.monotonic() - 3

    def drive(stack: Any) -> dict[str, Any]:
        Stack.hold(stack, "FROZEN", begun, 0.2)
        return {}

    playing, _ = staged(vanish, tmp_path, drive)
    playing.start()
    playing.go.set()
    playing.join(5)
    (hold,) = playing.recording.holds
    assert hold.text == "FROZEN" and hold.until_ms - hold.shown_ms >= 200
    assert 3000 <= hold.shown_ms - hold.since_ms < 8000

    playing, _ = staged(vanish, tmp_path, lambda stack: Stack.hold(stack, "FROZEN", begun, 600) or {})
    playing.start()
    playing.go.set()
    assert playing.up.wait(5)
    playing.abandon()
    assert not playing.is_alive()

    Stack.hold(cast(Any, SimpleNamespace(on_hold=None)), "FROZEN", begun, 600)


def test_a_presenter_who_leaves_ends_the_trial(vanish: model.Scenario, tmp_path: Path) -> None:
    """Before the drive it does not start; during it the containers are removed, and the drive ends."""
    driven: list[Any] = []
    playing, runner = staged(vanish, tmp_path, driven.append)
    playing.start()
    assert playing.up.wait(5)
    playing.abandon()
    assert not playing.is_alive() and driven == [] and "left before it began" in playing.record.invalid

    def long(stack: Any) -> dict[str, Any]:
        assert stack.ended.wait(30)
        raise InvalidTrial("the container went away")

    playing, runner = staged(vanish, tmp_path, long)
    playing.start()
    playing.go.set()
    assert playing.up.wait(5)
    playing.abandon()
    assert not playing.is_alive() and runner.ended.is_set() and playing.record.invalid


def test_messages_are_on_the_screen_during_the_show(vanish: model.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages before and after the show go to ``on_progress``, also if the presenter leaves."""
    messages: list[str] = []
    nothing: Any = nullcontext()
    demonstration = live.Demonstration(script.load(vanish), nothing, nothing, messages.append)

    def play(show: Any) -> None:
        demonstration.progress("waiting")
        assert show.player.state == "waiting"
        raise Left

    monkeypatch.setattr(live, "Display", nullcontext)
    monkeypatch.setattr(live.Show, "play", play)
    runner: Any = SimpleNamespace(scenario=vanish, built_all=lambda prepared: prepared)
    demonstration.progress("building")
    with pytest.raises(Left):
        demonstration.play(runner, [])
    demonstration.progress("aborted")
    assert messages == ["building", messages[1], "aborted"]
    assert messages[1].startswith("leaving: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo-socket-vanish"], ["demo", "socket-vanish"]),
        (
            ["demo-socket-vanish", "AUTO=3", "REPLAY=a run", "SPEED=4"],
            ["demo", "socket-vanish", "--auto= 3", "--replay", "a run", "--speed", "4"],
        ),
        (["bundle"], ["bundle"]),
        (["bundle", "SCENARIOS=a b", "ARGS=--all-variants"], ["bundle", "a", "b", "--all-variants"]),
    ],
)
def test_make_passes_its_variables_as_options(arguments: list[str], words: list[str]) -> None:
    """The variables of make become options; none of them is taken for a factor."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    finished = subprocess.run(
        ["make", "-n", "-o", "setup", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert shlex.split(finished.stdout) == [".venv/bin/reprolab", *words]


def test_wrong_options_are_usage_errors() -> None:
    """A speed needs a replay; an unknown scenario gets a suggestion."""
    for words, message in ((["socket-vanish", "--speed", "2"], "--replay RUN"), (["socket-vansh"], "did you mean")):
        command = [str(Path(sys.executable).with_name("reprolab")), "demo", *words]
        environment = {**os.environ, "REPROLAB_ROOT": str(ROOT), "DOCKER_HOST": "tcp://127.0.0.1:1"}
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert finished.returncode == 2 and message in finished.stderr, finished.stderr


# -- keys --------------------------------------------------------------------------------------------


def at_keyboard(pressed: bytes, wait: Any, rhythm: float | None = None) -> BaseException | None:
    """The exception of a wait at a terminal on which keys are pressed a little later; None without one."""
    master, slave = pty.openpty()
    before = os.ttyname(slave)
    outcome: list[BaseException | None] = []

    def wait_for_key() -> None:
        try:
            with Keyboard(slave, rhythm) as keys:
                ready.set()
                wait(keys)
            outcome.append(None)
        except Left as left:
            outcome.append(left)

    ready = threading.Event()
    thread = threading.Thread(target=wait_for_key, daemon=True)
    thread.start()
    assert ready.wait(5), before
    # The keys must come after the pause has discarded earlier keys.
    thread.join(0.2)
    os.write(master, pressed)
    thread.join(5)
    assert not thread.is_alive(), "it still waits"
    os.close(master)
    os.close(slave)
    return outcome[0]


def test_any_key_continues() -> None:
    """Space, Return and Page Down of a remote control each end a pause."""
    for pressed in (b" ", b"\n", b"\x1b[6~"):
        assert at_keyboard(pressed, lambda keys: keys.pause()) is None


def test_q_leaves_a_pause_and_a_live_screen() -> None:
    """q works in both."""
    assert isinstance(at_keyboard(b"q", lambda keys: keys.pause()), Left)
    assert isinstance(at_keyboard(b"q", lambda keys: keys.wait(5)), Left)


def test_a_rhythm_needs_no_key() -> None:
    """With a fixed rhythm a pause ends by itself."""
    assert at_keyboard(b"", lambda keys: keys.pause(), rhythm=0.05) is None


def test_the_terminal_is_restored() -> None:
    """After the show the terminal has its settings back."""
    import termios

    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with Keyboard(slave):
        assert not termios.tcgetattr(slave)[3] & termios.ECHO
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)
