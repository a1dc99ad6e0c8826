"""The root file system of the virtual machine: Debian with docker.io, for all kernels the same."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from reprolab.baseimage.host_config import HostConfig, read_host
from reprolab.baseimage.rootfs import MERGED_USR, MMDEBSTRAP_LIMIT, NOT_UNPACKED, TIMESTAMP, ensure_mmdebstrap
from reprolab.core.errors import EngineError
from reprolab.core.files import replacing
from reprolab.core.locks import directory_lock
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import CommandError, run
from reprolab.engine.apt import Machine
from reprolab.vm.disk_image import make_image

RECIPE = 2  # increase it when this module changes the content of the image
# docker.io: the engine. openssh-server: the way to it. busybox-static: the first steps of the start.
PACKAGES = ("docker.io", "iptables", "openssh-server", "mount", "kmod", "iproute2", "e2fsprogs", "busybox-static")
BUSYBOX = "usr/bin/busybox"
UNPACK_LIMIT = 300.0  # seconds


@dataclass(frozen=True)
class RootImage:
    """The image, the program of the first steps, and the same files as an archive for a container."""

    image: Path
    busybox: Path
    packed: Path

    @property
    def complete(self) -> bool:
        return all(path.is_file() for path in (self.image, self.busybox, self.packed))


def fingerprint(host: HostConfig) -> str:
    """A digest of all that decides about the content, but for newer packages of the same release."""
    parts = [RECIPE, PACKAGES, NOT_UNPACKED, host.codename, host.release, host.sources, host.apt_options]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def root_image(machine: Machine, cache: Path, on_progress: OnProgress) -> RootImage:
    """Return the image; it is built if there is none. Raises EngineError, or BaseImageError without mmdebstrap."""
    host = read_host(machine.environ, machine.root)
    name = f"root-{fingerprint(host)}"
    image = RootImage(cache / f"{name}.img", cache / f"{name}.busybox", cache / f"{name}.tar.gz")
    if image.complete:
        return image
    with directory_lock(cache, "builds the root file system of virtual machines", on_progress):
        if not image.complete:
            _build(machine, host, image, on_progress)
    return image


def _build(machine: Machine, host: HostConfig, image: RootImage, on_progress: OnProgress) -> None:
    if machine.uid != 0:
        raise EngineError(
            "the root file system of virtual machines is not built yet, and only root can build it",
            expected=f"{image.image.name} in {image.image.parent}",
            advice="run this once as root with the same REPROLAB_RESULTS",
        )
    ensure_mmdebstrap(on_progress)
    on_progress(f"building the root file system of virtual machines from {host.distribution} {host.codename} (1-2 min)")
    # Not in the cache: apt downloads as a user of its own, who may not reach it.
    with TemporaryDirectory(prefix="reprolab-root-") as name, replacing(image.image) as draft:
        work = Path(name)
        work.chmod(0o755)
        packed, tree = work / "root.tar", work / "root"
        tree.mkdir()
        try:
            environment = {**machine.env, "TMPDIR": str(work), "SOURCE_DATE_EPOCH": str(TIMESTAMP)}
            run(mmdebstrap_command(host, packed), timeout=MMDEBSTRAP_LIMIT, env=environment)
            run(["tar", "-C", str(tree), "-xf", str(packed)], timeout=UNPACK_LIMIT)
            packed.unlink()
            strip(tree)
            make_image(machine, tree, draft)
            with replacing(image.packed) as archive:
                run(["tar", "-C", str(tree), "-I", "gzip -1", "-cf", str(archive), "."], timeout=UNPACK_LIMIT)
        except CommandError as error:
            raise EngineError(
                f"the root file system of virtual machines could not be built: {error}",
                expected="packages from the sources in /etc/apt, and 1 GB of free space in TMPDIR",
                advice="check that `apt-get update` works on this host",
            ) from error
        with replacing(image.busybox) as program:
            shutil.copyfile(tree / BUSYBOX, program)


def mmdebstrap_command(host: HostConfig, packed: Path) -> list[str]:
    """Return the command that writes the root file system as a tar, in a mount namespace of its own."""
    return [
        *("unshare", "--mount", "--"),
        "mmdebstrap",
        "--variant=essential",
        "--format=tar",
        f"--include={','.join(PACKAGES)}",
        *([f"--hook-dir={MERGED_USR}"] if MERGED_USR.is_dir() else []),
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in NOT_UNPACKED),
        *(f"--aptopt={option}" for option in host.apt_options),
        host.codename,
        str(packed),
        *host.sources,
    ]


def strip(tree: Path) -> None:
    """Remove keys that all machines would share, and make the directories that the start needs."""
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for name in ("reprolab", "usr/lib/modules"):
        (tree / name).mkdir(parents=True, exist_ok=True)
