"""The files of machines whose keeper was killed; their programs ended with it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from reprolab.engine.owner import Owner, own_identity, owner_state

PREFIX = "reprolab-vm-"
OWNER = "owner"
# The path of a socket has at most 107 bytes. Beside the directory's name it needs up to 34.
LONGEST, SHORT = 72, Path("/tmp")


def claim(directory: Path, disks: Path) -> None:
    """Write into a machine's directory whose it is, and where its disks are: the next run may have another place."""
    text = f"{own_identity()}\n{disks.absolute()}"
    (directory / OWNER).write_text(text, encoding="utf-8", errors="surrogateescape")


def temporary() -> Path:
    """Where the directories of machines are: that of temporary files, or SHORT if a path in it would be too long."""
    usual = Path(tempfile.gettempdir())
    return usual if len(os.fsencode(usual)) <= LONGEST else SHORT


def remove_leftovers(place: Path | None = None) -> int:
    """Remove the directories and disks of machines whose keeper has ended, of this user; return their number."""
    machines = list(_ended(place or temporary()))
    for directory, disks in machines:
        for disk in disks_of(disks, directory) if disks else ():
            with suppress(OSError):
                disk.unlink(missing_ok=True)
        shutil.rmtree(directory, ignore_errors=True)
    return len(machines)


def disks_of(disks: Path, directory: Path) -> tuple[Path, Path]:
    """The disks of the machine with its files in a directory: its own, and the one for images."""
    return disks / f".{directory.name}.img", disks / f".{directory.name}.images"


def _ended(place: Path) -> Iterator[tuple[Path, Path | None]]:
    """The directories of machines that have ended, each with that of its disks, if it is known."""
    for directory in place.glob(f"{PREFIX}*"):
        # Another user could have made a directory, or a link, with such a name.
        if directory.is_symlink() or not directory.is_dir() or directory.stat().st_uid != os.geteuid():
            continue
        try:
            text = (directory / OWNER).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            continue
        identity, _, disks = text.partition("\n")
        if owner_state(identity) is Owner.ENDED:
            yield directory, Path(disks) if disks else None
