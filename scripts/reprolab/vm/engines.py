"""Engines in virtual machines for a run: what they are made of, their start, their end with the run."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from reprolab.core.errors import EngineError
from reprolab.core.files import writing
from reprolab.core.progress import OnProgress
from reprolab.core.waiting import PATIENCE, patient
from reprolab.engine import elsewhere
from reprolab.engine.apt import Machine
from reprolab.engine.install import EXTERNAL
from reprolab.vm.accelerator import Accelerator, accelerator, require_architecture
from reprolab.vm.keeper import FAILED, PROGRESS, READY, order_of
from reprolab.vm.kernel_files import kernel_files
from reprolab.vm.kernels import Archive, Kernels, choose, name_of
from reprolab.vm.leftovers import remove_leftovers
from reprolab.vm.machine import Recipe
from reprolab.vm.programs import ensure_programs
from reprolab.vm.root_image import root_image
from reprolab.vm.settings import Settings

CACHE = Path(".cache") / "vm"  # below the results
GRACE = 20.0  # seconds for a keeper to end its machine
# How many times as long as on this machine the lab waits for what TCG runs: measured were three to ten times.
TCG_PATIENCE = "10"


def recipes(results: Path, kernels: Sequence[str], on_progress: OnProgress) -> dict[str, Recipe]:
    """What the machines with these kernels are made of; what is not in the cache is built or downloaded.

    ``kernels`` are releases or their first numbers, as a user writes them. Raises UsageError for one that the
    distribution does not have, else LabError.
    """
    patient(1)  # A mistake in it would be seen when the machine runs.
    machine, settings, kind = Machine(), Settings.of(), _accelerator()
    ensure_programs(machine, on_progress)
    kept = _cache(results)
    remove_leftovers()
    archive, known = _archive(results), known_kernels(results)
    chosen = {wanted: choose(known, wanted) for wanted in kernels}
    root = root_image(machine, kept, on_progress)
    return {
        wanted: Recipe(
            root, kernel_files(archive, kernel, kept, on_progress), settings, kind, kept, name_of(kernel, known)
        )
        for wanted, kernel in chosen.items()
    }


@cache
def known_kernels(results: Path) -> Kernels:
    """The kernels that the distribution has, asked once. Nothing is installed or started. Raises EngineError."""
    return _archive(results).kernels()


@cache
def _archive(results: Path) -> Archive:
    return Archive.open(Machine(), _cache(results) / "apt")


def hardware() -> str:
    """Processors, memory and accelerator of the machines here. Raises UsageError for a setting that is not possible."""
    settings = Settings.of()
    return f"{settings.processors} processors, {settings.memory} MiB, {accelerator().name}"


def environment(recipe: Recipe, address: str) -> dict[str, str]:
    """What a process must have in its environment to run trials on the engine of a machine at this address."""
    kind = recipe.accelerator
    return {
        "DOCKER_HOST": address,
        "REPROLAB_ENGINE": EXTERNAL,
        elsewhere.PORTS: elsewhere.ELSEWHERE,
        elsewhere.KERNEL: recipe.linux,
        elsewhere.HARDWARE: f"{elsewhere.VIRTUAL_MACHINE} ({kind.name.upper()})",
        **({PATIENCE: os.environ.get(PATIENCE) or TCG_PATIENCE} if kind.slow else {}),
    }


def _cache(results: Path) -> Path:
    directory = (results / CACHE).resolve()
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    return directory


def _accelerator() -> Accelerator:
    require_architecture(platform.machine())
    return accelerator()


@contextmanager
def engines(
    recipes: Mapping[str, Recipe], on_progress: OnProgress, filled: Path | None = None
) -> Iterator[dict[str, str]]:
    """Start a machine for each recipe; yields name -> address of the engine. They end with the block.

    ``filled`` is a disk that has images already.

    Raises EngineError if a machine does not start; the others are ended then.
    """
    with machines(recipes, on_progress) as virtual:
        yield virtual.start(recipes, filled)


@contextmanager
def machines(recipes: Mapping[str, Recipe], on_progress: OnProgress) -> Iterator[Machines]:
    """Machines that are started one after the other, as they are needed. They end with the block."""
    virtual = Machines(recipes, on_progress)
    try:
        yield virtual
    finally:
        virtual.end()


@dataclass
class Machines:
    """The machines of these recipes, of which none runs at first."""

    recipes: Mapping[str, Recipe]
    on_progress: OnProgress
    _keepers: dict[str, Keeper] = field(default_factory=dict)

    def lacking(self, names: Iterable[str]) -> list[str]:
        """Those that were not started, each once."""
        return [name for name in dict.fromkeys(names) if name not in self._keepers]

    def start(self, names: Iterable[str], filled: Path | None = None) -> dict[str, str]:
        """Start those that were not started, as many side by side as there are processors here.

        Each has a copy of the disk ``filled``, if there is one. Returns name -> address of the engine of these. Raises
        EngineError if one does not start.
        """
        new = self.lacking(names)
        at_once = os.cpu_count() or 1
        addresses: dict[str, str] = {}
        for begin in range(0, len(new), at_once):
            part = new[begin : begin + at_once]
            for name in part:
                self._keepers[name] = keeper = Keeper(replace(self.recipes[name], filled=filled))
                keeper.start()
            addresses |= {name: self._wait(name) for name in part}
        return addresses

    def _wait(self, name: str) -> str:
        return self._keepers[name].wait(lambda text: self.on_progress(f"vm {name}: {text}"))

    def end(self) -> None:
        for keeper in self._keepers.values():
            keeper.close()
        for keeper in self._keepers.values():
            keeper.stop()


@dataclass
class Keeper:
    """A keeper's process, in a process group of its own: Ctrl-C reaches the driver only."""

    recipe: Recipe
    _process: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None

    def start(self) -> None:
        """Give the order; returns at once."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reprolab.vm.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order_of(self.recipe)) + "\n")
            self._process.stdin.flush()

    def wait(self, on_progress: OnProgress) -> str:
        """The address of the engine, when it answers. Raises EngineError.

        What the keeper says later, such as why the machine is gone, is passed on too, by a thread.
        """
        assert self._process and self._process.stdout
        for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            if PROGRESS in message:
                on_progress(message[PROGRESS])
            elif READY in message:
                self._reader = threading.Thread(target=self._pass_on, args=(on_progress,), name="keeper", daemon=True)
                self._reader.start()
                return str(message[READY])
            else:
                expected, advice = message.get("expected", ""), message.get("advice", "")
                raise EngineError(message.get(FAILED, "no reason"), expected=expected, advice=advice)
        raise EngineError(f"the keeper of a virtual machine ended with status {self._process.wait()}")

    def _pass_on(self, on_progress: OnProgress) -> None:
        assert self._process and self._process.stdout
        for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            on_progress(str(message.get(FAILED) or message.get(PROGRESS, "")))

    def close(self) -> None:
        """Let it end its machine; returns at once."""
        if self._process and self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()

    def stop(self) -> None:
        """Wait for its end; kill it if it takes too long."""
        if not self._process:
            return
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader:
            self._reader.join(GRACE)
        if self._process.stdout:
            self._process.stdout.close()
