"""A recording of a trial that nobody watched, made from the evidence that every run leaves: for replays.

What the evidence does not hold is said to be missing, never filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from reprolab.demo import recording
from reprolab.demo.recording import BY_LAB, LAB, Look, Process, Recording
from reprolab.demo.script import LineSource, Script, Watch
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs import servers, timestamps
from reprolab.report.timeline import Event, Timeline, timeline
from reprolab.scenario.trial import TrialRecord

NOT_RECORDED = "not recorded in this run"
PIDS_FROM_LOG = "from the server's own log lines"
BEGAN = servers.any_pattern(servers.WORKER_BEGINS)
ENDED = servers.any_pattern(servers.WORKER_ENDS)
Moments = list[tuple[int, re.Match[str]]]


def recorded(script: Script, evidence: TrialDirectory, record: TrialRecord) -> Recording:
    """What a demonstration saw of this trial where it was one, else what the run's own evidence tells."""
    if (evidence.path / recording.FILE).is_file():
        return recording.read(evidence.path / recording.FILE)
    return from_evidence(script.watch, _timeline(script, evidence, record), evidence, record)


def _timeline(script: Script, evidence: TrialDirectory, record: TrialRecord) -> Timeline | None:
    """None too where the evidence is not whole: a replay goes on with what there is, and says what is missing."""
    try:
        return timeline(script.experiment, evidence, record.observation)
    except Exception:
        return None


def from_evidence(watch: Watch, line: Timeline | None, evidence: TrialDirectory, record: TrialRecord) -> Recording:
    """The recording in a trial's timeline, and in the lines of its logs."""
    found = Recording(source="the evidence of an ordinary run")
    found.length_ms = 1000 * (record.seconds or {}).get("drive", 0.0)
    stamped = {source: _moments(evidence, source) for source in (*watch.lines, *watch.events)}
    pids = list(_pids(evidence, watch)) if watch.processes else []
    zero = line.zero_ns if line and line.zero_ns else _zero(stamped.values(), pids)
    if line:
        _from_timeline(found, line)
    for source in watch.lines:
        _count_lines(found, source, stamped[source], zero)
    for source in watch.events:
        found.events += [_event(source, moment, match, zero) for moment, match in stamped[source]]
    if line:
        # Before a log's line of the same moment: it is what the lab did that made the server say it.
        found.events[:0] = _also(line, bool(found.events))
    found.events.sort(key=lambda event: event.at_ms)
    found.looks += [Look((moment - zero) / 1e6, processes) for moment, processes in pids]
    _say_missing(found, watch)
    found.looks.sort(key=lambda look: look.at_ms)
    ends = [found.length_ms, *(event.at_ms for event in found.events)]
    ends += [(step + 1) * found.step_ms for steps in found.counts.values() for step in steps]
    found.length_ms = found.seen_ms = max(ends)
    return found


def _zero(groups: Iterable[Moments], pids: Sequence[tuple[int, object]]) -> int:
    """Without a timeline: the first line that the screen shows; without any, the first worker's start."""
    first = [moments[0][0] for moments in groups if moments]
    return min(first, default=pids[0][0] if pids else 0)


def _from_timeline(found: Recording, line: Timeline) -> None:
    found.step_ms = line.step_ms
    found.length_ms = max(found.length_ms, line.length_ms)
    for label, numbers in line.responses.items():
        for step, count in enumerate(numbers):
            if count:
                found.count(label, step, count)
    for event in filter(_by_lab, line.events):
        found.count(BY_LAB, int(event.at_ms // found.step_ms), 1)
    present = {"present": True, "gone": False}
    found.looks += [Look(e.at_ms, present=present[e.kind]) for e in line.events if e.kind in present]


def _also(line: Timeline, lines: bool) -> Iterator[Event]:
    """Of a timeline's events those of the file and what the lab ended; all, where the log has no line to show.

    What lasted, when it ended: its text tells how.
    """
    for event in line.events:
        if event.kind in ("present", "gone") or _by_lab(event) or not lines:
            yield Event(event.end_ms, event.kind, event.text, event.source)


def _by_lab(event: Event) -> bool:
    """Whether the lab interfered: what the log says then is not the server's own doing."""
    return event.kind == "killed" and event.source == LAB


def _count_lines(found: Recording, source: LineSource, moments: Moments, zero: int) -> None:
    for moment, match in moments:
        found.count(source.label_of(match), int((moment - zero) / 1e6 // found.step_ms), 1)


def _event(source: LineSource, moment: int, match: re.Match[str], zero: int) -> Event:
    return Event((moment - zero) / 1e6, "note", match[0], source.role)


def _moments(evidence: TrialDirectory, source: LineSource) -> Moments:
    """(nanoseconds since the epoch, match) for each line of the source that matches."""
    return [(moment, match) for moment, text in _lines(evidence, source) if (match := source.pattern.search(text))]


def _lines(evidence: TrialDirectory, source: LineSource) -> Iterator[tuple[int, str]]:
    yield from _own_file(evidence, source) if source.file else _streams(evidence, source)


def _streams(evidence: TrialDirectory, source: LineSource) -> Iterator[tuple[int, str]]:
    if not evidence.log_path(source.role).exists():
        return
    clock = timestamps.Clock()
    for line in evidence.streams(source.role):
        yield clock(line), timestamps.split_timestamp(line)[1].decode("utf-8", "replace").rstrip("\n")


def _own_file(evidence: TrialDirectory, source: LineSource) -> Iterator[tuple[int, str]]:
    """A file of the container that the experiment kept under its own name; lines without a clock stay out."""
    path = evidence.path / source.file.rpartition("/")[2]
    if not path.is_file():
        return
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if moment := servers.server_moment_ns(text):
            yield moment, text


def _pids(evidence: TrialDirectory, watch: Watch) -> Iterator[tuple[int, tuple[Process, ...]]]:
    """The workers that the server says it has, after each of its lines about one."""
    alive: dict[int, Process] = {}
    places = dict.fromkeys((source.role, source.file) for source in watch.events if source.role == watch.processes)
    for role, file in places | {(watch.processes, ""): None}:
        for moment, text in _lines(evidence, LineSource(role, BEGAN, file)):
            began, ended = _pid(BEGAN, text), _pid(ENDED, text)
            if began:
                alive[began] = Process(began, 0, "worker")
            alive.pop(ended, None)
            if began or ended:
                yield moment, tuple(alive.values())


def _pid(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return int(next(filter(None, found.groups()))) if found else 0


def _say_missing(found: Recording, watch: Watch) -> None:
    seen: dict[str, Callable[[], bool]] = {
        "processes": lambda: any(look.processes is not None for look in found.looks),
        "file": lambda: any(look.present is not None for look in found.looks),
        "counts": lambda: bool(found.counts),
        "events": lambda: bool(found.events),
    }
    found.missing |= {what: NOT_RECORDED for what, there in seen.items() if not there()}
    if "processes" not in found.missing and watch.processes:
        found.missing["processes"] = PIDS_FROM_LOG
