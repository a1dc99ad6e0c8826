"""The file of an offline bundle: a tar with checksums, written and read as a stream.

Its members are manifest.json, wheels/, releases/, runs/, the engine's image stream in pieces (images/000001 ...), then
SHA256SUMS over all of them, and last a signature of it if a key was given. The image stream comes in pieces because its
length is not known in advance. An archive without SHA256SUMS is incomplete. What is read was written by others: see
`members`.
"""

from __future__ import annotations

import hashlib
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO

from reprolab.bundle import members
from reprolab.bundle.manifest import SCHEMA, Manifest, read_manifest
from reprolab.bundle.members import MANIFEST, RUNS, SIGNATURE, SUMS, MemberCheck
from reprolab.core import command_text
from reprolab.core.errors import BundleError
from reprolab.core.files import writing
from reprolab.evidence.run_dir import RUN_FILE

# What tarfile raises for an archive that somebody changed.
DAMAGE = (tarfile.TarError, EOFError, ValueError, LookupError, ArithmeticError, RecursionError, MemoryError)
# Bytes.
PIECE = 16 << 20
CHUNK = 1 << 20
# Called with the number of bytes each time some have been read or written.
OnBytes = Callable[[int], None]
Sign = Callable[[bytes], bytes]


class ArchiveWriter:
    """Writes an archive; a context manager. The file gets its name when it is complete and is removed on an error."""

    def __init__(self, path: Path, on_bytes: OnBytes, sign: Sign | None = None) -> None:
        self.path = path
        self.size = 0
        self._sign = sign
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
                    sums = "".join(self._sums).encode()
                    self.add(SUMS, sums)
                    if self._sign:
                        self.add(SIGNATURE, self._sign(sums))
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
        with path.open("xb") as copy:
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


@dataclass(frozen=True)
class Contents:
    """What a whole bundle has: its manifest, the sizes of its files by name, and its signature with what it signs."""

    manifest: Manifest
    files: Mapping[str, int]
    sums: bytes
    signature: bytes

    def size(self, prefix: str) -> int:
        """The size of all files below a prefix, in bytes."""
        return sum(size for name, size in self.files.items() if name.startswith(prefix))

    def count(self, prefix: str) -> int:
        """The number of files below a prefix."""
        return sum(name.startswith(prefix) for name in self.files)


class ArchiveReader:
    """Reads an archive. ``limit`` is the most that its files may have without the images, in bytes."""

    def __init__(self, path: Path, limit: int = members.USUAL_LIMIT) -> None:
        self.path = path
        self.limit = limit
        if not path.is_file():
            raise BundleError(
                f"no bundle {path}",
                expected="a file that the lab has written: " + command_text.command("bundle", "bundle"),
            )

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return self.path.stat().st_size

    def verify(self, on_bytes: OnBytes) -> Contents:
        """Read the whole archive. Raises BundleError for a wrong checksum, a strange member, or another schema."""
        digests: dict[str, str] = {}
        texts = {MANIFEST: b"", SUMS: b"", SIGNATURE: b""}
        check = MemberCheck(self.limit)
        with self._reading():
            for member, stream in self._members(check):
                digest = hashlib.sha256()
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
                    on_bytes(len(chunk))
                    if member.name in texts:
                        texts[member.name] += chunk
                digests[member.name] = digest.hexdigest()
            self._check_sums(digests, texts[SUMS])
            manifest = read_manifest(texts[MANIFEST])
        self._check_manifest(manifest, check.files)
        return Contents(manifest, check.files, texts[SUMS], texts[SIGNATURE])

    def _check_sums(self, digests: Mapping[str, str], sums: bytes) -> None:
        if not sums:
            raise self._damaged("its end with the checksums is missing")
        wanted = {name: digest for digest, _, name in (line.partition("  ") for line in sums.decode().splitlines())}
        for name in sorted((wanted.keys() | digests.keys()) - {SUMS, SIGNATURE}):
            if wanted.get(name) != digests.get(name):
                raise self._damaged(f"{name} has another checksum than when it was written")

    def _check_manifest(self, manifest: Manifest, files: Mapping[str, int]) -> None:
        if manifest.schema != SCHEMA:
            raise BundleError(
                f"{self.path} is a bundle of schema {str(manifest.schema)[:100]}",
                expected=f"schema {SCHEMA}",
                advice="use the checkout that it was made with",
            )
        runs = {f"{RUNS}{run}" for run in manifest.runs}
        for run in sorted(runs):
            if f"{run}/{RUN_FILE}" not in files:
                raise self._damaged(f"{MANIFEST} names the run {run.removeprefix(RUNS)}, whose {RUN_FILE} is missing")
        for name in files:
            if name.startswith(RUNS) and "/".join(name.split("/")[:3]) not in runs:
                raise self._damaged(f"{name} belongs to no run that {MANIFEST} names")

    def stream(self, prefix: str, on_bytes: OnBytes) -> Iterator[bytes]:
        """The stream that ``add_stream`` wrote below this prefix."""
        with self._reading():
            for member, stream in self._members(MemberCheck(self.limit)):
                while member.name.startswith(prefix) and (chunk := stream.read(CHUNK)):
                    on_bytes(len(chunk))
                    yield chunk

    def unpack(self, prefix: str, target: Path) -> None:
        """Write the members below a prefix into ``target``, without the prefix. No file that exists is written."""
        with self._reading():
            for member, stream in self._members(MemberCheck(self.limit)):
                if member.name.startswith(prefix):
                    _copy(stream, target / member.name.removeprefix(prefix))

    def digests(self, prefix: str) -> dict[str, str]:
        """The SHA-256 of each member below a prefix, by the rest of its name."""
        with self._reading():
            return {
                member.name.removeprefix(prefix): hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
                for member, stream in self._members(MemberCheck(self.limit))
                if member.name.startswith(prefix)
            }

    def _members(self, check: MemberCheck) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
        with tarfile.open(self.path, "r:", tarinfo=members.BoundedMember) as archive:
            for member in archive:
                check.look(member)
                stream = archive.extractfile(member)
                assert stream is not None
                yield member, stream

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except members.TooLarge as error:
            raise BundleError(
                f"{self.path}: {error}",
                expected="less, or your word that it may be more",
                advice=f"{command_text.option('limit', 'GB')}, if you know where the bundle comes from",
            ) from error
        except DAMAGE as error:
            raise self._damaged(str(error) or type(error).__name__) from error
        except OSError as error:
            if error.filename not in (None, str(self.path), self.path):
                raise
            raise BundleError(f"{self.path} cannot be read: {error.strerror or error}") from error

    def _damaged(self, what: str) -> BundleError:
        return BundleError(
            f"the bundle {self.path} is damaged: {what}",
            expected="the file as the lab wrote it",
            advice="copy it again and compare the sizes; nothing was changed on this machine",
        )
