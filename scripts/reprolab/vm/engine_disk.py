"""A disk for the engine of a virtual machine that has its images from the start.

An engine like that of the machine, in a container beside the images, takes them, and what it keeps becomes the disk. A
slow machine needs minutes for what takes seconds there.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from reprolab.core.errors import LabError
from reprolab.core.locks import directory_lock
from reprolab.core.number_words import plural
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import CommandError, run
from reprolab.engine import labels
from reprolab.vm.root_image import RootImage
from reprolab.vm.settings import DISK

RECIPE = 1  # increase it when the program changes what is on the disk
ENGINE = "reprolab/vm-engine"  # the image of the container, with the digest of the root file system as its tag
PROGRAM = Path(__file__).parent / "templates" / "fill-disk.sh"
NAME = "disk.img"
DRAFTS = ".filling-"
KEPT = 3  # disks that stay, the newest ones
LIMIT = 600.0  # seconds
# Layers are unpacked in a mount namespace of their own, and overlay file systems are tried.
RIGHTS = (
    *("--network", "none", "--cap-add", "SYS_ADMIN"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
)


def engine_disk(
    docker: str, source: str, images: Mapping[str, str], root: RootImage, cache: Path, on_progress: OnProgress
) -> Path | None:
    """A disk with images of the engine at ``source``, by reference with their ids; a new one unless it is kept.

    None without images, and if that engine cannot fill one, which is shown: then the machine has to load them.
    """
    if not images:
        return None
    disk = cache / f"images-{_digest(images, root)}.img"
    try:
        with directory_lock(cache, "fills a disk for virtual machines", on_progress):
            if not disk.is_file():
                begun = time.monotonic()
                on_progress(f"filling a disk for virtual machines with {plural(len(images), 'image')}")
                _fill(docker, source, list(images), root, disk)
                on_progress(f"the disk is filled after {time.monotonic() - begun:.0f} s")
            disk.touch()
            _forget(cache)
    except (LabError, OSError) as error:
        on_progress(f"the machine loads the images itself, which takes longer: no disk was filled: {_reason(error)}")
        return None
    return disk


def _digest(images: Mapping[str, str], root: RootImage) -> str:
    text = repr((RECIPE, root.image.name, sorted(images.items())))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fill(docker: str, source: str, references: list[str], root: RootImage, disk: Path) -> None:
    """Write a disk. Raises CommandError, or OSError."""
    command = [docker, "--host", source]
    image = f"{ENGINE}:{root.image.stem}"
    if run([*command, "image", "inspect", image], check=False).code:
        label = f"LABEL {labels.OBJECT}={labels.IMAGE}"
        run([*command, "import", "--change", label, str(root.packed), image], timeout=LIMIT)
    # Nobody else writes here: what another run of the lab was killed with is of no use.
    for old in disk.parent.glob(f"{DRAFTS}*"):
        shutil.rmtree(old, ignore_errors=True)
    named = (f"--label={name}={value}" for name, value in labels.object_labels("", "vm").items())
    with tempfile.TemporaryDirectory(prefix=DRAFTS, dir=disk.parent) as place:
        program = PROGRAM.read_text(encoding="utf-8")
        steps = (
            [*command, "save", *references],
            # The images must not be on a file system of layers themselves.
            [
                *(*command, "run", "--rm", "--interactive", *named, *RIGHTS, "--volume", "/filled", image),
                *("sh", "-c", program, "sh", NAME, str(DISK)),
            ],
            ["tar", "-C", place, "-xSf", "-", NAME],
        )
        run(["bash", "-o", "pipefail", "-c", " | ".join(map(shlex.join, steps))], timeout=LIMIT)
        (Path(place) / NAME).replace(disk)


def _reason(error: Exception) -> str:
    """The last line that says why a disk was not filled."""
    lines = (error.finished.tail if isinstance(error, CommandError) else str(error)).splitlines()
    # That nothing came to the last program of the three is no reason.
    return ([line for line in lines if not line.startswith("tar: ")] or lines or ["no reason"])[-1]


def _forget(cache: Path) -> None:
    """Remove all disks but the newest ones."""
    disks = sorted(cache.glob("images-*.img"), key=lambda path: path.stat().st_mtime, reverse=True)
    for disk in disks[KEPT:]:
        disk.unlink(missing_ok=True)
