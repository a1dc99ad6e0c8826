"""Images of disks with the file system ext4."""

from __future__ import annotations

from pathlib import Path

from reprolab.core.subprocesses import run
from reprolab.engine.apt import Machine

MIB = 1 << 20
# For the tables of the file system, beside the contents.
FREE, SHARE = 16 * MIB, 0.15
BLOCK = 4096
LIMIT = 300.0  # seconds


def make_image(machine: Machine, tree: Path, image: Path) -> None:
    """Write the files of a directory into a new image, which nobody has to write to."""
    command = ["mke2fs", "-q", "-t", "ext4", "-b", str(BLOCK), "-O", "^has_journal", "-m", "0", "-d", str(tree)]
    run([*command, str(image), f"{image_size(tree) // 1024}k"], env=machine.env, timeout=LIMIT)
    image.chmod(0o444)


def image_size(tree: Path) -> int:
    """The size in bytes of an image that holds a directory, a multiple of 1 MiB."""
    used = sum(_blocks(path) for path in tree.rglob("*"))
    size = int(used * (1 + SHARE)) + FREE
    return (size + MIB - 1) // MIB * MIB


def _blocks(path: Path) -> int:
    size = path.lstat().st_size
    return (size + BLOCK - 1) // BLOCK * BLOCK or BLOCK
