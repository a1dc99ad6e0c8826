"""The directory of a trial as one piece of data: a tar with a checksum, and with limits."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from reprolab.core.errors import EvidenceError
from reprolab.core.files import replacing

MOST_BYTES = 1 << 29
MOST_FILES = 10_000


@dataclass(frozen=True)
class Archive:
    """A tar of a directory. Its members are regular files with relative names."""

    data: bytes
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Archive:
        return cls(data, hashlib.sha256(data).hexdigest())


def pack(directory: Path) -> Archive:
    """The files below a directory; an empty archive if there is none. Links are left out.

    Raises EvidenceError if they are more than MOST_FILES or MOST_BYTES.
    """
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    if len(files) > MOST_FILES or size > MOST_BYTES:
        raise EvidenceError(
            f"the evidence of a trial is too large to be sent: {len(files)} files, {size >> 20} MiB ({directory})",
            expected=f"at most {MOST_FILES} files and {MOST_BYTES >> 20} MiB",
            advice="measure this case on one engine",
        )
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in files:
            tar.add(path, str(path.relative_to(directory)), recursive=False)
    return Archive.of(buffer.getvalue())


def unpack(archive: Archive, directory: Path) -> None:
    """Write the files of an archive into a new directory, in one step.

    Raises EvidenceError if the archive is not what was sent, has other members than `pack` writes, or is too large.
    """
    if Archive.of(archive.data).sha256 != archive.sha256:
        raise _damaged(directory, "its checksum is that of another content")
    try:
        with replacing(directory) as draft:
            draft.mkdir()
            with tarfile.open(fileobj=BytesIO(archive.data), mode="r") as tar:
                for member in _sound(tar, directory):
                    target = draft / member.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("xb") as stream:
                        shutil.copyfileobj(tar.extractfile(member) or BytesIO(), stream)
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(directory, str(error)) from error


def _sound(tar: tarfile.TarFile, directory: Path) -> Iterator[tarfile.TarInfo]:
    size = 0
    for number, member in enumerate(tar, 1):
        size += member.size
        path = PurePosixPath(member.name)
        if not member.isreg() or path.is_absolute() or ".." in path.parts or not path.parts or "\0" in member.name:
            raise _damaged(directory, f"{member.name!r} is no file of a trial")
        if number > MOST_FILES or size > MOST_BYTES:
            raise _damaged(directory, "it is too large")
        yield member


def _damaged(directory: Path, reason: str) -> EvidenceError:
    return EvidenceError(
        f"the evidence of a trial arrived damaged: {reason} (for {directory})", expected="the archive as it was sent"
    )
