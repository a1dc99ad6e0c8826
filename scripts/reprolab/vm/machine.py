"""One virtual machine: its start, its engine, its end, which leaves nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from reprolab.core.errors import EngineError
from reprolab.core.foreign_text import short
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import run
from reprolab.vm import qemu
from reprolab.vm.accelerator import VARIABLE, Accelerator
from reprolab.vm.images import IMAGES, MONITOR, ORDERS, SIZE
from reprolab.vm.kernel_files import KernelFiles
from reprolab.vm.keys import Keys, tunnel
from reprolab.vm.leftovers import PREFIX, claim, disks_of, temporary
from reprolab.vm.root_image import RootImage
from reprolab.vm.settings import DISK, Settings
from reprolab.vm.start_archive import start_archive

STEP = 0.2  # seconds between two looks
# Seconds until the engine answers. Measured: 20 to 57 s with TCG on two cores that others used too.
LIMITS = {"kvm": 60.0, "tcg": 300.0}
COPY_LIMIT = 300.0  # seconds
GRACE = 5.0  # seconds for a program to end
NOTICE = 1.0  # seconds from the end of ssh to that of QEMU, if the latter is why
LAST_LINES = 5
CONSOLE, QEMU_LOG, SSH_LOG = "console.log", "qemu.log", "ssh.log"
SOCKET = "docker.sock"
READY = "reprolab: engine at"
FAILED = "reprolab: failed:"
# The kernel ends a program with the one that started it, however that ends.
WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True)
class Recipe:
    """What a machine is made of."""

    root: RootImage
    kernel: KernelFiles
    settings: Settings
    accelerator: Accelerator
    disks: Path
    """A directory with room for the disk, which is removed as soon as the machine has opened it."""
    linux: str
    """What names the kernel: its version of Linux, 5.10.223, or its release if a newer one has the same version."""
    filled: Path | None = None
    """A disk that has the images already, of which the machine gets a copy."""


@dataclass
class VirtualMachine:
    """A machine. Its files are in a directory that is made at its start and removed at its end.

    QEMU and ssh end with the thread that called `start`.
    """

    recipe: Recipe
    directory: Path | None = None
    _programs: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _words: dict[int, str] = field(default_factory=dict)
    _images: BinaryIO | None = None

    @property
    def endpoint(self) -> str:
        """Where the engine is reached."""
        return f"unix://{self.directory}/{SOCKET}"

    def start(self, on_progress: OnProgress) -> None:
        """Start the machine, and return when its engine answers. Raises EngineError with the last lines of it."""
        here = self.directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=temporary()))
        claim(here, self.recipe.disks)
        keys, files = Keys(here), self._files(here)
        keys.make()
        files.start.write_bytes(start_archive(self.recipe.root, self.recipe.kernel, keys))
        with _new(files.disk) as disk:
            disk.truncate(DISK)
        if self.recipe.filled:
            copy = ("cp", "--sparse=always", "--reflink=auto", str(self.recipe.filled), str(files.disk))
            run(copy, timeout=COPY_LIMIT)
        self._images = _new(files.images)
        self._images.truncate(SIZE)
        # It has no name while the machine runs, and this process has it open.
        (here / IMAGES).symlink_to(f"/proc/{os.getpid()}/fd/{self._images.fileno()}")
        settings, accelerator = self.recipe.settings, self.recipe.accelerator
        on_progress(
            f"starting a virtual machine: kernel of {self.recipe.kernel.directory.name}, {settings.processors} "
            f"processors, {settings.memory} MiB, {accelerator}"
        )
        limit, begun = LIMITS[accelerator.name], time.monotonic()
        self._run(qemu.command(files, settings, accelerator), here / QEMU_LOG)
        self._wait("its monitor", lambda: bool(qemu.ssh_port(files.monitor)), limit)
        # It has opened the disks and read the archive.
        files.disk.unlink()
        files.images.unlink()
        files.start.unlink()
        port = qemu.ssh_port(files.monitor)
        self._wait("its engine", lambda: READY in self._console(), limit)
        self._run(tunnel(keys.ssh(port), here / SOCKET), here / SSH_LOG)
        self._wait("the way to its engine", (here / SOCKET).exists, limit)
        # Nobody needs them any more.
        keys.private.unlink()
        keys.host.unlink()
        on_progress(f"its engine answers after {time.monotonic() - begun:.0f} s")

    def ended(self) -> str:
        """Why the machine is gone, with the last lines; "" if it runs."""
        if not any(program.poll() is not None for program in self._programs):
            return ""
        # ssh notices the end of QEMU before its memory is free: QEMU, which is the first one, is the reason then.
        with suppress(subprocess.TimeoutExpired):
            self._programs[0].wait(NOTICE)
        for program in self._programs:
            if program.poll() is not None:
                return f"its process {self._words[program.pid]} ended with status {program.returncode}: {self._last()}"
        return ""

    def stop(self) -> None:
        """End the machine and remove its files. Does nothing if it never started."""
        for program in reversed(self._programs):
            program.kill()
            with suppress(subprocess.TimeoutExpired):
                program.wait(GRACE)
        if self._images:
            self._images.close()
        if self.directory:
            for disk in disks_of(self.recipe.disks, self.directory):
                disk.unlink(missing_ok=True)
            shutil.rmtree(self.directory, ignore_errors=True)

    def _files(self, here: Path) -> qemu.Files:
        kernel, root = self.recipe.kernel, self.recipe.root
        disk, images = disks_of(self.recipe.disks, here)
        return qemu.Files(
            kernel=kernel.kernel,
            start=here / "start.cpio.gz",
            root=root.image,
            modules=kernel.modules,
            disk=disk,
            images=images,
            console=here / CONSOLE,
            monitor=here / MONITOR,
            orders=here / ORDERS,
        )

    def _run(self, command: Sequence[str], log: Path) -> None:
        with log.open("wb") as output:
            program = subprocess.Popen(
                [*WITH_PARENT, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
        self._programs.append(program)
        self._words[program.pid] = command[0]

    def _wait(self, what: str, look: Callable[[], bool], limit: float) -> None:
        end = time.monotonic() + limit
        while not look():
            why = self.ended()
            if FAILED in self._console():
                why = f"its start failed: {self._last()}"
            elif time.monotonic() > end:
                why = f"{what} was not there after {limit:g} s: {self._last()}"
            if why:
                raise EngineError(
                    f"the virtual machine does not run: {why}",
                    expected=f"a machine whose engine answers, with {self.recipe.accelerator}",
                    advice=f"try {VARIABLE}=tcg, which needs nothing of the processor but takes longer",
                )
            time.sleep(STEP)

    def _console(self) -> str:
        return self._text(CONSOLE)

    def _last(self) -> str:
        """The last lines that its programs and its console wrote."""
        logs = (QEMU_LOG, SSH_LOG, CONSOLE)
        lines = [line.strip() for log in logs for line in self._text(log).splitlines() if line.strip()]
        return " | ".join(short(line) for line in lines[-LAST_LINES:]) or "no message"

    def _text(self, log: str) -> str:
        try:
            return (self.directory / log).read_text(encoding="utf-8", errors="replace") if self.directory else ""
        except OSError:
            return ""


def _new(path: Path) -> BinaryIO:
    """A new file that nobody else can open while it has a name."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "r+b")
