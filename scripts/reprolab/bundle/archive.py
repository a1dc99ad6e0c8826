"""The file of an offline bundle: a tar with checksums, written and read as a stream.

Its members are manifest.json, wheels/, runs/, the engine's image stream in pieces (images/000001 ...), and last
SHA256SUMS over all of them. The image stream comes in pieces because its length is not known in advance. An archive
without its last member is incomplete.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from reprolab.core import command_text
from reprolab.core.errors import BundleError
from reprolab.core.files import writing

SCHEMA = 1
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
IMAGES = "images/"
RUNS = "runs/"
WHEELS = "wheels/"
# Bytes.
PIECE = 16 << 20
CHUNK = 1 << 20
# Called with the number of bytes each time some have been read or written.
OnBytes = Callable[[int], None]


class ArchiveWriter:
    """Writes an archive; a context manager. The file gets its name when it is complete and is removed on an error."""

    def __init__(self, path: Path, on_bytes: OnBytes) -> None:
        self.path = path
        self.size = 0
        self._draft = path.with_name(f".{path.name}.part")
        self._on_bytes = on_bytes
        self._sums: list[str] = []
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._tar = tarfile.open(self._draft, "w")  # noqa: SIM115  # closed in __exit__

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with _writing(self.path):
                if kind is None:
                    self.add(SUMS, "".join(self._sums).encode())
                self._tar.close()
                if kind is None:
                    self._draft.replace(self.path)
        finally:
            self._draft.unlink(missing_ok=True)

    def add(self, name: str, data: bytes) -> None:
        """Add a member with this content."""
        self._put(name, len(data), BytesIO(data), hashlib.sha256(data).hexdigest())

    def add_file(self, name: str, path: Path) -> None:
        """Add a file as a member."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(0)
            self._put(name, path.stat().st_size, stream, digest)

    def add_stream(self, prefix: str, chunks: Iterable[bytes]) -> None:
        """Add a stream of unknown length as members PREFIX000001, PREFIX000002 and so on."""
        for number, piece in enumerate(_pieces(chunks), 1):
            self.add(f"{prefix}{number:06}", piece)

    def _put(self, name: str, size: int, stream: IO[bytes], digest: str) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o644, int(time.time())
        with _writing(self.path):
            self._tar.addfile(member, stream)
        self._sums.append(f"{digest}  {name}\n")
        self.size += size
        self._on_bytes(size)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BundleError(
            f"the bundle could not be written: {error.strerror or error} ({path})",
            expected="enough disk space for all images and runs",
            advice="free some space, take fewer scenarios, or name another place: "
            + command_text.option("output", "FILE"),
        ) from error


def _copy(stream: IO[bytes], path: Path) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as copy:
            while chunk := stream.read(CHUNK):
                copy.write(chunk)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= PIECE:
            yield bytes(buffer[:PIECE])
            del buffer[:PIECE]
    if buffer:
        yield bytes(buffer)


class ArchiveReader:
    """Reads an archive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise BundleError(f"no bundle {path}", expected="a file that `make bundle` has written")

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return self.path.stat().st_size

    def verify(self, on_bytes: OnBytes) -> Mapping[str, Any]:
        """Read the whole archive and return its manifest. Raises BundleError if a checksum or the schema differs."""
        digests: dict[str, str] = {}
        contents = {MANIFEST: b"", SUMS: b""}
        with self._reading():
            for member, stream in self._members():
                digest = hashlib.sha256()
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
                    on_bytes(len(chunk))
                    if member.name in contents:
                        contents[member.name] += chunk
                digests[member.name] = digest.hexdigest()
        digests.pop(SUMS, None)
        return self._check(digests, contents[SUMS], contents[MANIFEST])

    def _check(self, digests: Mapping[str, str], sums: bytes, manifest: bytes) -> Mapping[str, Any]:
        if not sums:
            raise self._damaged("its end with the checksums is missing")
        wanted = {name: digest for digest, _, name in (line.partition("  ") for line in sums.decode().splitlines())}
        for name in sorted(wanted.keys() | digests.keys()):
            if wanted.get(name) != digests.get(name):
                raise self._damaged(f"{name} has another checksum than when it was written")
        content: Mapping[str, Any] = json.loads(manifest)
        if content.get("schema") != SCHEMA:
            raise BundleError(
                f"{self.path} is a bundle of schema {content.get('schema')}",
                expected=f"schema {SCHEMA}",
                advice="use the checkout that it was made with",
            )
        return content

    def total_size(self, prefix: str) -> int:
        """The size of all members below a prefix, in bytes."""
        with self._reading():
            return sum(member.size for member, _ in self._members() if member.name.startswith(prefix))

    def stream(self, prefix: str, on_bytes: OnBytes) -> Iterator[bytes]:
        """The stream that ``add_stream`` wrote below this prefix."""
        with self._reading():
            for member, stream in self._members():
                while member.name.startswith(prefix) and (chunk := stream.read(CHUNK)):
                    on_bytes(len(chunk))
                    yield chunk

    def unpack(self, prefix: str, target: Path, wanted: Callable[[str], bool]) -> None:
        """Write members below a prefix into ``target``, without the prefix; ``wanted`` gets the rest of each name."""
        with self._reading():
            for member, stream in self._members():
                name = member.name.removeprefix(prefix)
                if not member.name.startswith(prefix) or not wanted(name):
                    continue
                path = target / name
                if not path.resolve().is_relative_to(target.resolve()):
                    raise self._damaged(f"the path {member.name} is outside of its directory")
                _copy(stream, path)

    def _members(self) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
        with tarfile.open(self.path, "r:") as archive:
            for member in archive:
                stream = archive.extractfile(member)
                if stream is None:
                    raise self._damaged(f"{member.name} is not a regular file")
                yield member, stream

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (tarfile.TarError, EOFError) as error:
            raise self._damaged(str(error)) from error
        except OSError as error:
            if error.filename not in (None, str(self.path), self.path):
                raise
            raise BundleError(f"{self.path} cannot be read: {error.strerror or error}") from error

    def _damaged(self, what: str) -> BundleError:
        return BundleError(
            f"the bundle {self.path} is damaged: {what}",
            expected="the file as `make bundle` wrote it",
            advice="copy it again and compare the sizes; nothing was changed on this machine",
        )
