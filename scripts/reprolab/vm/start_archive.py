"""What the kernel unpacks at its start: the first program with its modules, and the keys of this start."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reprolab.vm import cpio
from reprolab.vm.kernel_files import KernelFiles
from reprolab.vm.keys import Keys
from reprolab.vm.root_image import RootImage

TEMPLATES = Path(__file__).parent / "templates"
DIRECTORIES = ("bin", "dev", "lower", "memory", "modules", "proc", "root")
# Below this directory in the machine are the lab's files and the keys; nobody but root reads them.
LAB = "reprolab"


def start_archive(root: RootImage, kernel: KernelFiles, keys: Keys) -> bytes:
    """The archives of a start, one after the other."""
    return cpio.archive([*_first_steps(root.busybox, kernel.first_modules()), *_of_this_start(keys)])


def _first_steps(busybox: Path, modules: Iterable[Path]) -> Iterable[cpio.Entry]:
    yield from (cpio.directory(name) for name in DIRECTORIES)
    yield cpio.file("bin/busybox", busybox.read_bytes(), 0o755)
    # Without it the first program has no output.
    yield cpio.character_device("dev/console", 5, 1)
    yield from (cpio.file(f"modules/{path.name}", path.read_bytes()) for path in modules)
    yield cpio.file("init", _template("init.sh"), 0o755)


def _of_this_start(keys: Keys) -> Iterable[cpio.Entry]:
    yield cpio.directory(LAB, 0o700)
    yield cpio.file(f"{LAB}/start", _template("start.sh"), 0o755)
    yield cpio.file(f"{LAB}/containerd.toml", _template("containerd.toml"))
    yield cpio.file(f"{LAB}/authorized_keys", keys.public.read_bytes(), 0o600)
    yield cpio.file(f"{LAB}/host_key", keys.host.read_bytes(), 0o600)


def _template(name: str) -> bytes:
    return (TEMPLATES / name).read_bytes()
