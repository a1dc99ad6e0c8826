"""Makes the recording for a replay from the evidence of an ordinary run.

Parts that the evidence lacks are marked as missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from reprolab.demo import recording as recordings
from reprolab.demo.recording import BY_LAB, LAB, Look, ProcessState, Recording
from reprolab.demo.script import LineSource, Script, Watch
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs import servers, timestamps
from reprolab.logs.log_file import LogFile
from reprolab.report.timeline import Event, Timeline, timeline
from reprolab.scenario.trial import TrialRecord

NOT_RECORDED = "not recorded in this run"
LONGEST_PID = 10  # digits
PIDS_FROM_LOG = "from the server's own log lines"
WORKER_BEGAN = servers.any_pattern(servers.WORKER_BEGINS)
WORKER_ENDED = servers.any_pattern(servers.WORKER_ENDS)
Moments = list[tuple[int, re.Match[str]]]


def recorded(script: Script, evidence: TrialDirectory, record: TrialRecord) -> Recording:
    """The recording that a demonstration saved of this trial; otherwise one from the evidence of the run."""
    if (evidence.path / recordings.FILE).is_file():
        return recordings.read(evidence.path / recordings.FILE)
    return from_evidence(script.watch, _timeline(script, evidence, record), evidence, record)


def _timeline(script: Script, evidence: TrialDirectory, record: TrialRecord) -> Timeline | None:
    """The timeline; None also if the evidence is incomplete: the replay then shows the rest of it."""
    try:
        return timeline(script.experiment, evidence, record.observation)
    except Exception:
        return None


def from_evidence(
    watch: Watch, trial_timeline: Timeline | None, evidence: TrialDirectory, record: TrialRecord
) -> Recording:
    """The recording from a trial's timeline, and from the lines of its logs."""
    recording = Recording(source="the evidence of an ordinary run")
    recording.length_ms = 1000 * (record.seconds or {}).get("drive", 0.0)
    logs = _Logs(evidence)
    stamped = {source: _moments(logs, source) for source in (*watch.lines, *watch.events)}
    pids = list(_pids(logs, watch)) if watch.processes else []
    zero = trial_timeline.zero_ns if trial_timeline and trial_timeline.zero_ns else _zero(stamped.values(), pids)
    if trial_timeline:
        _from_timeline(recording, trial_timeline)
    for source in watch.lines:
        _count_lines(recording, source, stamped[source], zero)
    for source in watch.events:
        recording.events += [_event(source, moment, match, zero) for moment, match in stamped[source]]
    if trial_timeline:
        # They come before a log line of the same moment, since the lab's action is the cause of the line.
        recording.events[:0] = _shown_events(trial_timeline, bool(recording.events))
    recording.events.sort(key=lambda event: event.at_ms)
    recording.looks += [Look((moment - zero) / 1e6, processes) for moment, processes in pids]
    _mark_missing(recording, watch)
    recording.looks.sort(key=lambda look: look.at_ms)
    ends = [recording.length_ms, *(event.at_ms for event in recording.events)]
    ends += [(step + 1) * recording.step_ms for steps in recording.counts.values() for step in steps]
    recording.length_ms = recording.seen_ms = min(max(ends), recordings.LONGEST_MS)
    recording.source = "; ".join((recording.source, *logs.remarks))
    return recording


def _zero(groups: Iterable[Moments], pids: Sequence[tuple[int, object]]) -> int:
    """The zero without a timeline: the first line on the screen; without lines, the first worker's start."""
    first = [moments[0][0] for moments in groups if moments]
    return min(first, default=pids[0][0] if pids else 0)


def _from_timeline(recording: Recording, trial_timeline: Timeline) -> None:
    recording.step_ms = trial_timeline.step_ms
    recording.length_ms = max(recording.length_ms, trial_timeline.length_ms)
    for label, numbers in trial_timeline.responses.items():
        for step, count in enumerate(numbers):
            if count:
                recording.count(label, step, count)
    for event in filter(_by_lab, trial_timeline.events):
        recording.count(BY_LAB, int(event.at_ms // recording.step_ms), 1)
    present = {"present": True, "gone": False}
    recording.looks += [Look(e.at_ms, present=present[e.kind]) for e in trial_timeline.events if e.kind in present]


def _shown_events(trial_timeline: Timeline, lines: bool) -> Iterator[Event]:
    """The timeline's events about the file and about processes that the lab ended; all events if the log has no lines.

    An event with a duration is placed at its end, since its text tells how it ended.
    """
    for event in trial_timeline.events:
        if event.kind in ("present", "gone") or _by_lab(event) or not lines:
            yield Event(event.end_ms, event.kind, event.text, event.source)


def _by_lab(event: Event) -> bool:
    """Whether the lab ended a process."""
    return event.kind == "killed" and event.source == LAB


def _count_lines(recording: Recording, source: LineSource, moments: Moments, zero: int) -> None:
    for moment, match in moments:
        recording.count(source.label_of(match), int((moment - zero) / 1e6 // recording.step_ms), 1)


def _event(source: LineSource, moment: int, match: re.Match[str], zero: int) -> Event:
    return Event((moment - zero) / 1e6, "note", match[0], source.role)


def _moments(logs: _Logs, source: LineSource) -> Moments:
    """(nanoseconds since the epoch, match) for each line of the source that matches."""
    return [(moment, match) for moment, text in logs.lines(source) if (match := source.pattern.search(text))]


@dataclass(frozen=True)
class _Logs:
    """The logs of a trial; ``remarks`` say that lines were cut, or that a file is damaged."""

    evidence: TrialDirectory
    remarks: dict[str, None] = field(default_factory=dict)

    def lines(self, source: LineSource) -> Iterator[tuple[int, str]]:
        """The lines with a time: of a role's log, or of a container's file that the experiment saved under its name."""
        if source.file:
            log, moment = LogFile(self.evidence.path / source.file.rpartition("/")[2]), _server_moment
        else:
            log, moment = self.evidence.streams_file(source.role), _engine_moment
        if not log.path.is_file():
            return
        for line in log.lines():
            when, text = moment(line)
            if when:
                yield when, text.decode("utf-8", "replace").rstrip("\r\n")
        self.remarks.update((f"{log.path.name}: {remark}", None) for remark in log.remarks)


def _engine_moment(line: bytes) -> tuple[int | None, bytes]:
    stamp, text = timestamps.split_timestamp(line)
    return timestamps.moment_ns(stamp) if stamp else None, text


def _server_moment(line: bytes) -> tuple[int | None, bytes]:
    return servers.server_moment_ns(line.decode("utf-8", "replace")), line


def _pids(logs: _Logs, watch: Watch) -> Iterator[tuple[int, tuple[ProcessState, ...]]]:
    """The running workers by the server's log, after each of its lines about a worker."""
    alive: dict[int, ProcessState] = {}
    places = dict.fromkeys((source.role, source.file) for source in watch.events if source.role == watch.processes)
    for role, file in places | {(watch.processes, ""): None}:
        for moment, text in logs.lines(LineSource(role, WORKER_BEGAN, file)):
            began, ended = _pid(WORKER_BEGAN, text), _pid(WORKER_ENDED, text)
            if began:
                alive[began] = ProcessState(began, 0, "worker")
            alive.pop(ended, None)
            if began or ended:
                yield moment, tuple(alive.values())


def _pid(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.search(text)
    digits = next(filter(None, match.groups()), "") if match else ""
    return int(digits) if 0 < len(digits) < LONGEST_PID else 0


def _mark_missing(recording: Recording, watch: Watch) -> None:
    present: dict[str, Callable[[], bool]] = {
        "processes": lambda: any(look.processes is not None for look in recording.looks),
        "file": lambda: any(look.present is not None for look in recording.looks),
        "counts": lambda: bool(recording.counts),
        "events": lambda: bool(recording.events),
    }
    recording.missing |= {part: NOT_RECORDED for part, is_present in present.items() if not is_present()}
    if "processes" not in recording.missing and watch.processes:
        recording.missing["processes"] = PIDS_FROM_LOG
