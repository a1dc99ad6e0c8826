"""Archives of files as the kernel unpacks them at its start (cpio, format "newc")."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterable
from dataclasses import dataclass

MAGIC = "070701"
ALIGNMENT = 4  # bytes; names and contents begin at a multiple of it
TRAILER = "TRAILER!!!"
# Quick, since an archive is made for each start, and most of it are binaries that get no smaller.
LEVEL = 1


@dataclass(frozen=True)
class Entry:
    """A file, a directory or a device of characters (``device``: its numbers), all of root's."""

    name: str
    data: bytes = b""
    mode: int = 0o100644
    device: tuple[int, int] = (0, 0)


def directory(name: str, permissions: int = 0o755) -> Entry:
    """A directory."""
    return Entry(name, mode=stat.S_IFDIR | permissions)


def file(name: str, data: bytes, permissions: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(name, data, stat.S_IFREG | permissions)


def character_device(name: str, major: int, minor: int) -> Entry:
    """A device of characters."""
    return Entry(name, mode=stat.S_IFCHR | 0o600, device=(major, minor))


def archive(entries: Iterable[Entry]) -> bytes:
    """A compressed archive. Equal entries give equal bytes. The kernel unpacks several, one after the other."""
    listed = [*entries, Entry(TRAILER, mode=0)]
    return gzip.compress(b"".join(_packed(entry, number) for number, entry in enumerate(listed, 1)), LEVEL, mtime=0)


def _packed(entry: Entry, number: int) -> bytes:
    name = entry.name.encode() + b"\0"
    # Inode, mode, user, group, links, time, size, numbers of the device it is on, of the device it is, name, checksum.
    fields = (number, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, *entry.device, len(name), 0)
    head = MAGIC + "".join(f"{value:08X}" for value in fields)
    return _aligned(head.encode() + name) + _aligned(entry.data)


def _aligned(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGNMENT)
