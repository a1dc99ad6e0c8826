"""The program that keeps one virtual machine: it ends when its standard input does, and the machine ends with it.

So no machine outlives the run that started it, also where that is killed. Its first line of input is the order, as
JSON. It writes a line of JSON for each step: {"progress": TEXT}, {"ready": ADDRESS} or {"failed": TEXT, ...}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from reprolab.core.errors import LabError
from reprolab.vm.accelerator import Accelerator
from reprolab.vm.kernel_files import KernelFiles
from reprolab.vm.machine import STEP, Recipe, VirtualMachine
from reprolab.vm.root_image import RootImage
from reprolab.vm.settings import Settings

PROGRESS, READY, FAILED = "progress", "ready", "failed"


def order_of(recipe: Recipe) -> dict[str, Any]:
    """The order for a machine, as JSON holds it."""
    return {
        "image": str(recipe.root.image),
        "busybox": str(recipe.root.busybox),
        "packed": str(recipe.root.packed),
        "kernel": str(recipe.kernel.directory),
        "settings": asdict(recipe.settings),
        "accelerator": asdict(recipe.accelerator),
        "disks": str(recipe.disks),
        "linux": recipe.linux,
        "filled": str(recipe.filled or ""),
    }


def machine_of(order: dict[str, Any]) -> VirtualMachine:
    """The machine of an order."""
    recipe = Recipe(
        RootImage(Path(order["image"]), Path(order["busybox"]), Path(order["packed"])),
        KernelFiles(Path(order["kernel"])),
        Settings(**order["settings"]),
        Accelerator(**order["accelerator"]),
        Path(order["disks"]),
        order["linux"],
        Path(order["filled"]) if order["filled"] else None,
    )
    return VirtualMachine(recipe)


def main() -> int:
    """Keep one machine. Returns the exit status."""
    # A terminal sends SIGINT to the driver, which ends its machines in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    machine = machine_of(json.loads(sys.stdin.readline()))
    threading.Thread(target=_until_end_of_input, daemon=True).start()
    try:
        machine.start(lambda text: _tell(PROGRESS, text))
        _tell(READY, machine.endpoint)
        while not (why := machine.ended()):
            threading.Event().wait(STEP)
        _tell(FAILED, f"the virtual machine is gone: {why}")
    except LabError as error:
        _tell(FAILED, error.args[0], expected=error.expected, advice=error.advice)
    except OSError as error:
        _tell(FAILED, f"the virtual machine does not start: {error}")
    finally:
        # The end may be told once more while the files are removed.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        machine.stop()
    return 1


def _until_end_of_input() -> None:
    while sys.stdin.readline():
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _tell(kind: str, text: str, **more: str) -> None:
    # Nobody reads it any more where the driver is gone.
    with suppress(OSError):
        print(json.dumps({kind: text, **more}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
