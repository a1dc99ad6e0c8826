"""Copies the logs of services from the engine to disk.

A line that a service wrote to its standard streams begins with the engine's timestamp. This is the moment when the
engine *read* the line; under load it is up to a second late. A service that writes many lines writes them to a file
with its own clock instead (label ``reprolab.log``). The whole file is copied.
"""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
import threading
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from docker.errors import NotFound
from docker.models.containers import Container

from reprolab.core.errors import EngineError
from reprolab.core.files import writing
from reprolab.logs.timestamps import split_timestamp

CHUNK = 1 << 20
COMPRESSION = 1


def capture(docker: str, container: str, target: Path, timeout: float = 300.0) -> int:
    """Stream a container's log, with timestamps, into a gzip file; returns the number of bytes read.

    The command line client ``docker`` decodes the log; one chunk at a time is in memory. Raises EngineError if the
    engine stops answering, or after ``timeout`` seconds.
    """
    command = [docker, "logs", "--timestamps", container]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    except OSError as error:
        raise EngineError(f"{docker} cannot be started: {error.strerror}") from error
    size = 0
    with _killed_after(process, timeout) as overrun, writing(target):
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
def _killed_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """Kill a program at the limit, and at the end of the block; yields the event that tells of the limit.

    A read from the program's pipe has no timeout. It ends when the program ends.
    """
    overrun = threading.Event()

    def kill() -> None:
        overrun.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        yield overrun
    finally:
        timer.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()


def capture_file(container: Container, path: str, target: Path) -> int:
    """Stream a file of a container into a gzip file; returns the number of bytes read, 0 if there is no such file.

    ``path`` must be a regular file that nothing writes to any more. Raises EngineError if the file arrives incomplete.
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
