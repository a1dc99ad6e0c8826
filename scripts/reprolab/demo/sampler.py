"""Samples a running stack twice a second while the experiment drives it, and saves the samples.

Each look is a command in a container. It uses processor time, so the figures of a demonstration differ from those of an
ordinary run. A look that fails is skipped; it never makes the trial invalid.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Thread

import requests
from docker.errors import DockerException

from reprolab.core.errors import InvalidTrial
from reprolab.demo.recording import (
    FILE,
    STEP_MS,
    Hold,
    Look,
    ProcessState,
    Recording,
    RecordingWriter,
    event_to_json,
    look_to_json,
)
from reprolab.demo.script import LineSource, Watch
from reprolab.evidence.run_dir import LOG_LABEL
from reprolab.logs import timestamps
from reprolab.processes.snapshot import FIRST, from_outside
from reprolab.report.timeline import Event
from reprolab.stack.stack import Stack

TICK = 0.5  # seconds
LIMIT = 10.0  # seconds for one look
NOW = "date +%s%N"
PROCESSES = "cat /proc/[0-9]*/stat 2>/dev/null; true"
# Prints the counts of the access lines of its input as "step status number", and at the end the number of bytes. The
# lab's own requests do not count, as in the evidence.
COUNT = (
    "LC_ALL=C awk -F'\"' -v zero={zero} '"
    '{{ bytes += length($0) + 1 }} NF == 7 && $6 == "-" {{ split($3, a, " "); split($7, b, " ");'
    ' n[int((b[1] / 1000 + b[2] * 1000 - zero) / {step}) " " a[1]]++ }}'
    ' END {{ for (k in n) print k, n[k]; printf "bytes %d\\n", bytes }}\''
)
FAILURES = (InvalidTrial, DockerException, requests.RequestException, ValueError, KeyError, IndexError)


@dataclass
class Sampler:
    """A thread that fills a recording; a context manager for the time of the drive."""

    stack: Stack
    watch: Watch
    recording: Recording = field(default_factory=Recording)
    tick: float = TICK
    zero_ns: int = 0
    _ended: Flag = field(default_factory=Flag)
    _thread: Thread | None = None
    _writer: RecordingWriter | None = None
    _offsets: dict[tuple[str, str], int] = field(default_factory=dict)
    _started: float = 0.0

    def __enter__(self) -> Sampler:
        self.recording.source = "what is seen now"
        self._writer = RecordingWriter(self.stack.evidence.path / FILE)
        self.zero_ns = self._clock()
        self._started = time.monotonic()
        self._writer.write(zero_ns=self.zero_ns, step_ms=STEP_MS)
        self._thread = Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(2 * LIMIT)
        self.recording.length_ms = self.now_ms()
        if self._writer is not None:
            self._writer.write(length_ms=self.recording.length_ms)
            self._writer.close()

    def now_ms(self) -> float:
        """Milliseconds since the drive began."""
        return round((time.monotonic() - self._started) * 1000, 1)

    def hold(self, text: str, begun: float, seconds: float, left: Flag) -> None:
        """Show ``text`` with the time since ``begun`` (of the monotonic clock) for some seconds, or until ``left``."""
        shown = self.now_ms()
        since = shown - (time.monotonic() - begun) * 1000
        self.recording.holds.append(Hold(text, since, shown))
        left.wait(seconds)
        ended = Hold(text, since, shown, self.now_ms())
        self.recording.holds[-1] = ended
        self._save(hold=[ended.text, ended.since_ms, ended.shown_ms, ended.until_ms])

    def _clock(self) -> int:
        """The time by the containers' clock, in nanoseconds since the epoch; this machine's may differ."""
        role = self.watch.processes or self.stack.front
        try:
            return int(self.stack.execute(role, ["sh", "-c", NOW], LIMIT)[1])
        except FAILURES:
            return time.time_ns()

    def _run(self) -> None:
        while True:
            started = time.monotonic()
            # There is one more sample after the end, for the last responses and lines.
            last = self._ended.is_set()
            for look in (self._look, self._count_responses, self._read_lines):
                self._try(look)
            if last:
                return
            self._ended.wait(max(0.05, self.tick - (time.monotonic() - started)))

    def _try(self, look: Callable[[], None]) -> None:
        try:
            look()
        except FAILURES as error:
            if not self._ended.is_set():
                reason = (str(error) or type(error).__name__).splitlines()[0]
                self.recording.missing["looks"] = f"a look failed at {self.now_ms() / 1000:.1f} s: {reason}"
                self._save(missing={"looks": self.recording.missing["looks"]})

    def _save(self, **line: object) -> None:
        assert self._writer is not None
        self._writer.write(at_ms=self.now_ms(), **line)

    # -- processes and file ------------------------------------------------------------------------

    def _look(self) -> None:
        """Look at the processes and the file, with one command if they are in the same container."""
        if not self.watch.processes and self.watch.file is None:
            return
        at_ms, file = self.now_ms(), self.watch.file
        present = self.stack.exists(file.role, file.path) if file and file.role != self.watch.processes else None
        processes = None
        if self.watch.processes:
            test = f"test -e '{file.path}' && echo present || echo gone; " if file and present is None else ""
            _, printed = self.stack.execute(self.watch.processes, ["sh", "-c", f"{test}{PROCESSES}"], LIMIT)
            lines = printed.splitlines()
            present = lines.pop(0) == "present" if test else present
            processes = parse_processes(lines)
        look = Look(at_ms, processes, present)
        self.recording.looks.append(look)
        self._save(look=look_to_json(look))

    # -- responses and lines -----------------------------------------------------------------------

    def _count_responses(self) -> None:
        if not self.watch.responses:
            return
        role = self.watch.responses
        path = self.stack.container(role).labels.get(LOG_LABEL, "")
        key, at_ms = (role, path), self.now_ms()
        count = COUNT.format(zero=self.zero_ns // 1_000_000, step=STEP_MS)
        offset = self._offsets.get(key, 0)
        _, printed = self.stack.execute(role, ["sh", "-c", f"tail -c +{offset + 1} '{path}' | {count}"], LIMIT)
        counts, size = parse_counts(printed)
        self._offsets[key] = offset + size
        self._add_counts(counts, at_ms)

    def _add_counts(self, counts: list[tuple[str, int, int]], at_ms: float) -> None:
        for label, step, number in counts:
            self.recording.count(label, step, number)
        self.recording.seen_ms = at_ms
        if counts:
            self._save(counts=counts)

    def _read_lines(self) -> None:
        at_ms = self.now_ms()
        counts: list[tuple[str, int, int]] = []
        new_lines = {place: self._lines_since_last_look(*place) for place in self._places()}
        for source in self.watch.lines:
            for moment, match in matches(source, new_lines[source.role, source.file]):
                counts.append((source.label_of(match), int(moment // STEP_MS), 1))
        events = [
            Event(round(moment, 1), "note", match[0], source.role)
            for source in self.watch.events
            for moment, match in matches(source, new_lines[source.role, source.file])
        ]
        for event in sorted(events, key=lambda event: event.at_ms):
            self.recording.events.append(event)
            self._save(event=event_to_json(event))
        if self.watch.lines:
            self._add_counts(counts, at_ms)

    def _places(self) -> dict[tuple[str, str], None]:
        return dict.fromkeys((source.role, source.file) for source in (*self.watch.lines, *self.watch.events))

    def _lines_since_last_look(self, role: str, file: str) -> list[tuple[float, str]]:
        """The new lines of a log as (milliseconds, line); a line of a file has the time at which it was read."""
        read = self._offsets.get((role, file), 0)
        if file:
            code, text = self.stack.execute(role, ["sh", "-c", f"cat '{file}' 2>/dev/null; true"], LIMIT)
            lines = [(self.now_ms(), line) for line in text.splitlines()] if code == 0 else []
        else:
            log = self.stack.container(role).logs(timestamps=True).splitlines()
            lines = [stamped(line, self.zero_ns) for line in log[read:]]
            self._offsets[role, file] = read + len(lines)
            return lines
        self._offsets[role, file] = len(lines)
        return lines[read:]


def stamped(line: bytes, zero_ns: int) -> tuple[float, str]:
    """The moment of a line with the engine's timestamp, in milliseconds since zero, and its text."""
    stamp, text = timestamps.split_timestamp(line)
    return (timestamps.moment_ns(stamp) - zero_ns) / 1e6, text.decode("utf-8", "replace")


def matches(source: LineSource, lines: list[tuple[float, str]]) -> list[tuple[float, re.Match[str]]]:
    """The matches of a source's pattern, with their moments; lines from before the drive are skipped."""
    return [(at_ms, match) for at_ms, text in lines if at_ms >= 0 and (match := source.pattern.search(text))]


def parse_counts(printed: str) -> tuple[list[tuple[str, int, int]], int]:
    """Parse the output of COUNT: (status, step, number) rows, and the bytes read. Raises ValueError, IndexError."""
    *rows, size = printed.splitlines()
    counts = [(status, int(step), int(number)) for step, status, number in (row.split() for row in rows)]
    return sorted(counts), int(size.split()[1])


def parse_processes(lines: list[str]) -> tuple[ProcessState, ...]:
    """Parse lines of /proc/PID/stat: the descendants of the container's first process, without those of the look."""
    processes: dict[int, ProcessState] = {}
    for line in lines:
        head, _, rest = line.rpartition(")")
        pid, _, name = head.partition(" (")
        fields = rest.split()
        if pid.isdigit() and len(fields) > 17 and fields[0] not in ("Z", "X"):
            processes[int(pid)] = ProcessState(int(pid), int(fields[1]), name, int(fields[17]))
    others = from_outside({pid: process.parent for pid, process in processes.items()}) | {FIRST}
    return tuple(process for pid, process in processes.items() if pid not in others)
