"""What a virtual machine needs of a kernel's package, kept in the cache: the kernel, its modules as an image."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from reprolab.core.errors import EngineError
from reprolab.core.locks import directory_lock
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import CommandError, run
from reprolab.vm.disk_image import make_image
from reprolab.vm.kernels import Archive, Kernel
from reprolab.vm.modules import LIST, dependencies, load_order, plain_module

LIMIT = 120.0  # seconds for one program
# Before Debian's files in /usr, and since.
MODULES = ("lib/modules", "usr/lib/modules")


@dataclass(frozen=True)
class KernelFiles:
    """A directory with the files of one kernel."""

    directory: Path

    @property
    def kernel(self) -> Path:
        return self.directory / "vmlinuz"

    @property
    def modules(self) -> Path:
        """The image of all modules."""
        return self.directory / "modules.img"

    def first_modules(self) -> Sequence[Path]:
        """The modules that are loaded before there is a root file system, in their order."""
        return sorted((self.directory / "first").iterdir())


def kernel_files(archive: Archive, kernel: Kernel, cache: Path, on_progress: OnProgress) -> KernelFiles:
    """Return the files of a kernel; its package is downloaded if they are not in the cache. Raises EngineError."""
    place = cache / "kernels" / f"{kernel.release}_{kernel.version}".replace("~", "-")
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        return KernelFiles(place)
    with directory_lock(place.parent, "downloads a kernel", on_progress):
        if not place.is_dir():
            on_progress(f"downloading the kernel {kernel.release} ({kernel.version})")
            with TemporaryDirectory(prefix=".kernel-", dir=place.parent) as name:
                draft = Path(name) / "files"
                _unpack(archive, kernel, Path(name), draft)
                draft.replace(place)
    return KernelFiles(place)


def _unpack(archive: Archive, kernel: Kernel, work: Path, draft: Path) -> None:
    download, tree = work / "download", work / "tree"
    for directory in (download, tree, draft / "first"):
        directory.mkdir(parents=True)
    work.chmod(0o755)  # apt downloads as a user of its own
    package = archive.download(kernel, download)
    env = archive.machine.env
    try:
        run(["dpkg-deb", "-x", str(package), str(tree)], env=env, timeout=LIMIT)
        modules = modules_of(tree, kernel)
        run(["depmod", "-b", str(modules.parents[2]), kernel.release], env=env, timeout=LIMIT)
        make_image(archive.machine, modules.parent, draft / "modules.img")
    except CommandError as error:
        raise EngineError(f"{kernel.package} cannot be used: {error}", expected="a package of a kernel") from error
    shutil.copyfile(tree / "boot" / f"vmlinuz-{kernel.release}", draft / "vmlinuz")
    order = load_order(dependencies((modules / LIST).read_text(encoding="utf-8")))
    for number, file in enumerate(order):
        name = f"{number:02d}-{Path(file).name.partition('.ko')[0]}.ko"
        (draft / "first" / name).write_bytes(plain_module(modules / file))


def modules_of(tree: Path, kernel: Kernel) -> Path:
    """The directory of a kernel's modules in its unpacked package. Raises EngineError."""
    for place in MODULES:
        if (directory := tree / place / kernel.release).is_dir():
            return directory
    raise EngineError(f"{kernel.package} has no modules", expected=f"{MODULES[0]}/{kernel.release} in the package")
