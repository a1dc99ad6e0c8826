"""Service logs: fetched through the engine after the load, read back as a stream.

A line that a service wrote to its standard streams begins with the engine's timestamp: the moment at
which the engine *read* it, up to a second late while the machine is under load. A service with much to
say writes a file with its own clock instead (label ``reprolab.log``), which is fetched whole.
"""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import tarfile
import threading
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from docker.errors import NotFound
from docker.models.containers import Container

from reprolab.errors import EngineError
from reprolab.evidence import writing

CHUNK = 1 << 20
COMPRESSION = 1
BUCKET_MS = 100
PYTHON_FILE = re.compile(rb'^\S+\s+File "([^"]+)", line (\d+), in (\S+)')
PYTHON_ERROR = re.compile(
    rb"^\S+ ((?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*|\w*(?:Error|Exception|Exit|Interrupt|Iteration|Warning))(?:: (.*))?$"
)
# What follows is another traceback: frames without an end, before it, belong to one that was torn off.
PYTHON_BEGIN = (
    b"Traceback (most recent call last):",
    b"During handling of the above exception",
    b"The above exception was the direct cause",
)
STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)?")


def capture(docker: str, container: str, target: Path, timeout: float = 300.0) -> int:
    """Stream a container's log, with timestamps, into a gzip file; returns the bytes read.

    The engine's own client does the decoding; the lab holds one chunk at a time. Raises EngineError
    if the engine stops answering or the limit (seconds) is reached.
    """
    command = [docker, "logs", "--timestamps", container]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    except OSError as error:
        raise EngineError(f"{docker} cannot be started: {error.strerror}") from error
    size = 0
    with _limited(process, timeout) as overrun, writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        assert process.stdout is not None
        try:
            with gzip.open(target, "wb", compresslevel=COMPRESSION) as packed:
                while chunk := process.stdout.read(CHUNK):
                    packed.write(chunk)
                    size += len(chunk)
        except zlib.error as error:
            raise EngineError(f"log of {container} could not be compressed: {error}") from error
        code = process.wait()
    if overrun.is_set():
        raise EngineError(f"the engine did not hand out the log of {container} within {timeout:g} s")
    if code != 0:
        raise EngineError(f"the engine did not hand out the log of {container} (exit code {code})")
    return size


@contextmanager
def _limited(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """End a program at the limit or with the block; a read that waits for it cannot be timed, but then it ends."""
    overrun = threading.Event()

    def end() -> None:
        overrun.set()
        process.kill()

    limit = threading.Timer(seconds, end)
    limit.start()
    try:
        yield overrun
    finally:
        limit.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()


def capture_file(container: Container, path: str, target: Path) -> int:
    """Stream a file out of a container into a gzip file; returns the bytes read, 0 where there is no such file.

    ``path`` must be a plain file that nothing reads at both ends, as a finished log is.
    """
    try:
        chunks, _ = container.get_archive(path, chunk_size=CHUNK)
    except NotFound:
        chunks = iter(())
    size = 0
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(target, "wb", compresslevel=COMPRESSION) as packed:
            try:
                for chunk in _untar(chunks):
                    packed.write(chunk)
                    size += len(chunk)
            except tarfile.TarError as error:
                raise EngineError(f"the engine did not hand out the whole of {path}: {error}") from error
    return size


def _untar(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content of the one file in a tar stream, chunk by chunk."""
    feed = _Feed(iter(chunks))
    try:
        with tarfile.open(fileobj=feed, mode="r|", bufsize=CHUNK) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                while content is not None and (chunk := content.read(CHUNK)):
                    yield chunk
    except tarfile.ReadError:
        if feed.given:
            raise


class _Feed(io.RawIOBase):
    """An iterator of chunks as the file object that tarfile wants."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (chunk := next(self._chunks, b"")):
            self._left += chunk
        taken, self._left = self._left[:size], self._left[size:]
        self.given += len(taken)
        return taken


def moment_ns(stamp: bytes | str) -> int:
    """An engine timestamp (RFC 3339, nanoseconds, UTC) as integer nanoseconds since the epoch.

    Raises ValueError for anything else.
    """
    text = stamp.decode("utf-8", "replace") if isinstance(stamp, bytes) else stamp
    if not (found := STAMP.fullmatch(text.strip())):
        raise ValueError(f"not an engine timestamp in UTC: {text!r}")
    seconds = int(datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp())
    return seconds * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))


class Clock:
    """Turns engine timestamps into nanoseconds, remembering the last second: logs are mostly in order."""

    def __init__(self) -> None:
        self._second = b""
        self._base = 0

    def __call__(self, line: bytes) -> int:
        """The moment of a captured line, in nanoseconds since the epoch."""
        second = line[:19]
        if second != self._second:
            self._second, self._base = second, moment_ns(second)
        end = line.find(b"Z ", 19, 40)
        return self._base + int(line[20:end].ljust(9, b"0")) if end > 20 else self._base


@dataclass
class AccessSummary:
    """A proxy's access log in figures. Times are nanoseconds since the epoch, by the proxy's own clock.

    ``first_after_ok_ns`` holds, per status, the first response (in the log's order) that no 2xx followed;
    ``buckets`` counts responses per status in steps of BUCKET_MS milliseconds from ``start_ns``.
    """

    start_ns: int
    lines: int = 0
    other_lines: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    first_ns: dict[int, int] = field(default_factory=dict)
    last_ns: dict[int, int] = field(default_factory=dict)
    first_after_ok_ns: dict[int, int] = field(default_factory=dict)
    buckets: dict[int, Counter[int]] = field(default_factory=dict)

    @property
    def ok(self) -> int:
        """Responses with a status from 200 to 299."""
        return sum(n for status, n in self.statuses.items() if 200 <= status < 300)

    @property
    def last_ok_ns(self) -> int | None:
        """When the last 2xx was logged."""
        return max((t for status, t in self.last_ns.items() if 200 <= status < 300), default=None)

    def share(self, status: int) -> float:
        """The share of one status among all responses, 0 to 1; 0 where there was none."""
        return self.statuses[status] / self.lines if self.lines else 0.0

    def add(self, moment: int, status: int) -> None:
        """Count one response."""
        self.lines += 1
        self.statuses[status] += 1
        self.first_ns.setdefault(status, moment)
        self.last_ns[status] = max(moment, self.last_ns.get(status, 0))
        if 200 <= status < 300:
            self.first_after_ok_ns.clear()
        elif status not in self.first_after_ok_ns:
            self.first_after_ok_ns[status] = moment
        bucket = (moment - self.start_ns) // (BUCKET_MS * 1_000_000)
        per_status = self.buckets.get(status)
        if per_status is None:
            per_status = self.buckets[status] = Counter()
        per_status[bucket] += 1

    def timeline(self) -> dict[str, list[list[int]]]:
        """The buckets as plain data: status -> [[milliseconds since start, responses], ...]."""
        return {
            str(status): [[int(b) * BUCKET_MS, n] for b, n in sorted(counts.items())]
            for status, counts in sorted(self.buckets.items())
        }


def counts_per_step(timeline: Mapping[str, list[list[int]]]) -> dict[str, tuple[int, ...]]:
    """`AccessSummary.timeline()` as counts for each step of BUCKET_MS from the start.

    Answers from before it stand in the first step: the engine stamps a load's start a little after its first requests.
    """
    last = max((max(ms // BUCKET_MS, 0) for rows in timeline.values() for ms, _ in rows), default=-1)
    counts = {status: [0] * (last + 1) for status in timeline}
    for status, rows in timeline.items():
        for ms, n in rows:
            counts[status][max(ms // BUCKET_MS, 0)] += n
    return {status: tuple(row) for status, row in counts.items()}


def access_summary(lines: Iterable[bytes], start_ns: int, agent: bytes = b"-") -> AccessSummary:
    """Read a proxy's access log: combined format with two more fields, as images/h2o writes it.

    The last two fields are the moment at which the request came (microseconds since the epoch) and how
    long it took (seconds); a response counts at the moment at which it ended. Only lines of the user
    agent ``agent`` are counted (wrk sends none, logged as "-"), so that the lab's own probes stay out.
    """
    summary = AccessSummary(start_ns)
    ending = b'"' + agent
    for line in lines:
        parts = line.split(b'"')
        # "request" status bytes "referer" "agent" clock: six quotes, or this is no access line.
        if len(parts) != 7 or not line[: line.rfind(b'"')].endswith(ending):
            summary.other_lines += 1
            continue
        try:
            came, took = parts[6].split()
            moment = int(came) * 1000 + int(float(took) * 1e9)
            status = int(parts[2][:4])
        except (ValueError, OverflowError):
            summary.other_lines += 1
            continue
        summary.add(moment, status)
    return summary


@dataclass(frozen=True)
class Traceback:
    """The end of one Python traceback: when, what, and its frames as (file, line, function), outermost first."""

    moment_ns: int
    exception: str
    message: str
    frames: tuple[tuple[str, int, str], ...]

    @property
    def place(self) -> str:
        """The innermost file and function, for grouping: 'sock.py close'."""
        if not self.frames:
            return "?"
        name, _, function = self.frames[-1]
        return f"{name.rsplit('/', 1)[-1]} {function}"


def tracebacks(lines: Iterable[bytes]) -> Iterator[Traceback]:
    """The Python tracebacks of a log, one by one; a traceback's lines may be mixed with others' lines."""
    frames: list[tuple[str, int, str]] = []
    clock = Clock()
    for line in lines:
        if found := PYTHON_FILE.match(line):
            frames.append((found[1].decode("utf-8", "replace"), int(found[2]), found[3].decode("utf-8", "replace")))
        elif frames and (found := PYTHON_ERROR.match(line.rstrip())):
            message = (found[2] or b"").decode("utf-8", "replace")
            yield Traceback(clock(line), found[1].decode(), message, tuple(frames))
            frames = []
        elif any(mark in line for mark in PYTHON_BEGIN):
            frames = []


def tail(lines: Iterable[bytes], count: int = 8) -> list[str]:
    """The last lines of a log, without the engine's timestamps, for error messages."""
    kept: list[bytes] = []
    for line in lines:
        kept.append(line)
        if len(kept) > count:
            kept.pop(0)
    return [line.decode("utf-8", "replace").rstrip().partition(" ")[2] for line in kept]
