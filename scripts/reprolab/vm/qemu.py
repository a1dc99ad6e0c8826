"""The command that starts a virtual machine, and the few things that are asked of it while it runs."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprolab.core.errors import EngineError
from reprolab.vm.accelerator import Accelerator
from reprolab.vm.programs import QEMU
from reprolab.vm.settings import Settings

ANSWER_LIMIT = 20.0  # seconds
# "TCP[HOST_FORWARD]  12       127.0.0.1 46163       10.0.2.15    22     0     0"
FORWARD = re.compile(r"^\s*TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+22\s", re.MULTILINE)
# The disk for images is the fourth one: "virtio3: rd_bytes=1048576 wr_bytes=0 ..."
IMAGES_READ = re.compile(r"^virtio3\b.*?\brd_bytes=(\d+)", re.MULTILINE)
# The kernel ends the machine when it panics; nothing is written about its start but errors.
KERNEL_LINE = "console=ttyS0 quiet panic=-1"


@dataclass(frozen=True)
class Files:
    """What a machine reads, the disk that it writes to, what it writes for the lab, and where it takes orders.

    ``images`` is a disk to which the lab writes images while the machine runs.
    """

    kernel: Path
    start: Path
    root: Path
    modules: Path
    disk: Path
    images: Path
    console: Path
    monitor: Path
    orders: Path


def command(files: Files, settings: Settings, accelerator: Accelerator) -> list[str]:
    """The command of a machine without screen and sound.

    ``restrict`` leaves the guest no network: it reaches neither this machine nor others. Its sshd is at a free port of
    127.0.0.1.
    """
    network = "user,id=network,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"
    return [
        QEMU,
        *("-machine", "q35", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *accelerator.words,
        *("-m", str(settings.memory), "-smp", str(settings.processors)),
        *("-kernel", str(files.kernel), "-initrd", str(files.start), "-append", KERNEL_LINE),
        *("-serial", f"file:{_escaped(files.console)}"),
        *("-serial", f"unix:{_escaped(files.orders)},server=on,wait=off"),
        *_disk(files.root, "readonly=on"),
        *_disk(files.modules, "readonly=on"),
        # What is on it is gone with the machine, so nothing has to be safe.
        *_disk(files.disk, "cache=unsafe", "discard=unmap"),
        *_disk(files.images, "readonly=on"),
        *("-device", "virtio-rng-pci"),
        *("-netdev", network, "-device", "virtio-net-pci,netdev=network,romfile="),
        *("-qmp", f"unix:{_escaped(files.monitor)},server=on,wait=off"),
    ]


def _disk(path: Path, *options: str) -> list[str]:
    return ["-drive", ",".join([f"file={_escaped(path)}", "if=virtio", "format=raw", *options])]


def _escaped(path: Path) -> str:
    """QEMU separates options by commas."""
    return str(path).replace(",", ",,")


def forwarded_port(text: str) -> int:
    """The port of 127.0.0.1 that leads to the machine's sshd, from the answer to "info usernet"; 0 if there is none."""
    match = FORWARD.search(text)
    return int(match[1]) if match else 0


def ssh_port(monitor: Path) -> int:
    """The port of 127.0.0.1 that leads to the machine's sshd; 0 while its monitor does not answer, or breaks off."""
    try:
        return forwarded_port(ask(monitor, ["info usernet"])[0])
    except (OSError, EngineError, ValueError):
        return 0


def images_read(monitor: Path) -> int:
    """How many bytes the machine has read of its disk for images; 0 if its monitor does not answer."""
    try:
        match = IMAGES_READ.search(ask(monitor, ["info blockstats"])[0])
    except (OSError, EngineError, ValueError):
        return 0
    return int(match[1]) if match else 0


def ask(monitor: Path, commands: Sequence[str]) -> list[str]:
    """Let the machine's monitor do something, and return its answers. Raises EngineError, or OSError if it is gone."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_LIMIT)
        connection.connect(str(monitor))
        with connection.makefile("r", encoding="utf-8") as answers:
            answers.readline()  # its greeting
            _call(connection, answers, "qmp_capabilities")
            return [_call(connection, answers, "human-monitor-command", **{"command-line": text}) for text in commands]


def _call(connection: socket.socket, answers: Iterable[str], execute: str, **arguments: str) -> str:
    connection.sendall(json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n")
    for line in answers:
        answer = json.loads(line)
        if "error" in answer:
            raise EngineError(f"QEMU refuses {execute}: {answer['error'].get('desc', answer['error'])}")
        if "return" in answer:
            return str(answer["return"])
    raise EngineError(f"QEMU ended while it was asked {execute}")
