"""Copies the logs of services from the engine to disk.

A line that a service wrote to its standard streams begins with the engine's timestamp. This is the moment when the
engine *read* the line; under load it is up to a second late. A service that writes many lines writes them to a file
with its own clock instead (label ``reprolab.log``). The whole file is copied.
"""

from __future__ import annotations

import gzip
import io
import os
import select
import subprocess
import tarfile
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

from docker.errors import NotFound
from docker.models.containers import Container

from reprolab.core.errors import EngineError
from reprolab.core.files import writing
from reprolab.logs.timestamps import split_timestamp

CHUNK = 1 << 20
COMPRESSION = 1
SILENCE = 30.0  # seconds; an engine that works hands the next part of a log out at once
MOST_MESSAGE = 1 << 14  # bytes; longer than any error message of the client


def capture(docker: str, container: str, target: Path, silence: float = SILENCE) -> int:
    """Stream a container's log, with timestamps, into a gzip file; returns the number of bytes written.

    The command line client ``docker`` decodes the log; one chunk at a time is in memory. Raises EngineError if the
    engine does not hand the whole log out, or nothing for ``silence`` seconds. The client's own error message is in
    the error, not in the log.
    """
    command = [docker, "logs", "--timestamps", container]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    except OSError as error:
        raise EngineError(f"{docker} cannot be started: {error.strerror}") from error
    size = 0
    with _Watchdog(process, silence) as watchdog, writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        held = b""
        try:
            with gzip.open(target, "wb", compresslevel=COMPRESSION) as packed:
                for chunk in watchdog.chunks():
                    held += chunk
                    size += packed.write(held[:-MOST_MESSAGE])
                    held = held[-MOST_MESSAGE:]
                code = watchdog.code()
                log, message = without_message(held) if code > 0 else (held, b"")
                size += packed.write(log)
        except zlib.error as error:
            raise EngineError(f"log of {container} could not be compressed: {error}") from error
        if code and not size:
            # A log that was never fetched is not an empty log.
            target.unlink(missing_ok=True)
    if watchdog.barked:
        raise EngineError(f"the engine did not hand out the log of {container}: nothing came for {silence:g} s")
    if code != 0:
        reason = message.decode("utf-8", "replace").strip() or "no message"
        raise EngineError(f"the engine did not hand out the log of {container} (exit code {code}): {reason}")
    return size


def without_message(end: bytes) -> tuple[bytes, bytes]:
    """The end of a log that was cut short, and the message of the client after it, which has no timestamp."""
    lines = end.splitlines(keepends=True)
    message: list[bytes] = []
    while lines and (not split_timestamp(lines[-1])[0] or not lines[-1].endswith(b"\n")):
        message.insert(0, lines.pop())
    return b"".join(lines), b"".join(message)


class _Watchdog:
    """Kills a program that is silent for too long, and at the end of the block.

    A read from the program's pipe has no timeout. It ends when the program ends.
    """

    def __init__(self, process: subprocess.Popen[bytes], silence: float) -> None:
        self.process, self.silence, self.barked = process, silence, False

    def __enter__(self) -> _Watchdog:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def chunks(self) -> Iterator[bytes]:
        """The program's output until its end."""
        assert self.process.stdout is not None
        while chunk := self._read(self.process.stdout):
            yield chunk

    def code(self) -> int:
        """The program's exit code, negative if it was killed."""
        try:
            return self.process.wait(self.silence)
        except subprocess.TimeoutExpired:
            self.barked = True
            self.process.kill()
            return self.process.wait()

    def _read(self, pipe: IO[bytes]) -> bytes:
        if not select.select([pipe], [], [], self.silence)[0]:
            self.barked = True
            self.process.kill()
            return b""
        return os.read(pipe.fileno(), CHUNK)


def capture_file(container: Container, path: str, target: Path) -> int:
    """Stream a file of a container into a gzip file; returns the number of bytes read, 0 if there is no such file.

    ``path`` must be a regular file that nothing writes to any more. Raises EngineError if the file arrives incomplete.
    """
    size = 0
    # As long as an archive is half read and open, the engine does not remove the container.
    with closing(_archive(container, path)) as chunks, writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(target, "wb", compresslevel=COMPRESSION) as packed:
            try:
                for chunk in _untar(chunks):
                    packed.write(chunk)
                    size += len(chunk)
            except tarfile.TarError as error:
                raise EngineError(f"the engine did not hand out the whole of {path}: {error}") from error
    return size


def _archive(container: Container, path: str) -> Generator[bytes]:
    """A file of a container as the chunks of a tar archive; nothing if there is no such file."""
    try:
        chunks, _ = container.get_archive(path, chunk_size=CHUNK)
    except NotFound:
        return
    yield from chunks


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
        if feed.delivered:
            raise


class _Feed(io.RawIOBase):
    """An iterator of chunks as the file object that tarfile reads from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""
        self.delivered = 0

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (chunk := next(self._chunks, b"")):
            self._left += chunk
        data, self._left = self._left[:size], self._left[size:]
        self.delivered += len(data)
        return data


def tail(lines: Iterable[bytes], count: int = 8) -> list[str]:
    """The last ``count`` lines of a log, without the engine's timestamps, for error messages."""
    last = deque(lines, maxlen=count)
    return [split_timestamp(line)[1].decode("utf-8", "replace").rstrip() for line in last]
