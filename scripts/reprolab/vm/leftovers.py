"""The files of machines whose keeper was killed; their programs ended with it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reprolab.engine.owner import Owner, own_identity, owner_state

PREFIX = "reprolab-vm-"
OWNER = "owner"


def claim(directory: Path) -> None:
    """Write into a machine's directory whose it is."""
    (directory / OWNER).write_text(own_identity(), encoding="ascii")


def remove_leftovers(disks: Path, temporary: Path | None = None) -> int:
    """Remove the directories and disks of machines whose keeper has ended, of this user; return their number."""
    directories = list(_ended(temporary or Path(tempfile.gettempdir())))
    for directory in directories:
        for disk in disks_of(disks, directory):
            disk.unlink(missing_ok=True)
        shutil.rmtree(directory, ignore_errors=True)
    return len(directories)


def disks_of(disks: Path, directory: Path) -> tuple[Path, Path]:
    """The disks of the machine with its files in a directory: its own, and the one for images."""
    return disks / f".{directory.name}.img", disks / f".{directory.name}.images"


def _ended(temporary: Path) -> Iterator[Path]:
    for directory in temporary.glob(f"{PREFIX}*"):
        # Another user could have made a directory, or a link, with such a name.
        if directory.is_symlink() or not directory.is_dir() or directory.stat().st_uid != os.geteuid():
            continue
        try:
            identity = (directory / OWNER).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            continue
        if owner_state(identity) is Owner.ENDED:
            yield directory
