"""Gives images to the engine of a virtual machine by a disk of it. Through ssh a slow machine would decrypt each byte.

The lab writes them to the disk as `docker save` does, and says on a serial line of the machine how long they are; the
machine loads them and answers there. Any other engine gets them as a stream.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import CommandError, run
from reprolab.engine.image_copy import LIMIT, copy_images
from reprolab.vm import qemu

# In the directory of a machine, beside the socket of its engine.
ORDERS, IMAGES, MONITOR = "orders.sock", "images", "monitor.sock"
SIZE = 16 << 30  # bytes of the disk; what is not written takes no space
LOADED = "loaded"
STEP = 20.0  # seconds between two lines of progress


def give_images(docker: str, source: str, target: str, references: Sequence[str], on_progress: OnProgress) -> None:
    """Copy images from one engine to another. Raises EngineError."""
    directory = Path(target.removeprefix("unix://")).parent
    if references and target.startswith("unix://") and (directory / ORDERS).is_socket():
        obstacle = by_disk(docker, source, directory, references, on_progress)
        if not obstacle:
            return
        on_progress(f"the images go through ssh, which takes longer: {obstacle}")
    copy_images(docker, source, target, references)


def by_disk(docker: str, source: str, directory: Path, references: Sequence[str], on_progress: OnProgress) -> str:
    """Give a machine images by its disk; returns why that was not possible, "" if it was."""
    try:
        with (directory / IMAGES).open("r+b") as disk:
            run([docker, "--host", source, "save", *references], stdout=disk, timeout=LIMIT)
            # The program has moved the place in the file that it shares with this process.
            length = os.lseek(disk.fileno(), 0, os.SEEK_CUR)
        before = qemu.images_read(directory / MONITOR)

        def show() -> None:
            read = max(0, qemu.images_read(directory / MONITOR) - before)
            size = f"{length / 1e6:.0f} MB"
            # The engine unpacks them when it has read all.
            on_progress(
                f"{100 * read // length} % of {size} are read" if read < length else f"{size} are read; it unpacks them"
            )

        answer = ask(directory / ORDERS, f"{length}\n", show)
    except (CommandError, OSError) as error:
        return str(error).splitlines()[0]
    return "" if answer == LOADED else answer or "the machine has ended"


def ask(orders: Path, text: str, waits: Callable[[], None] = lambda: None) -> str:
    """Send a line to a machine and wait for its line, with a call of ``waits`` from time to time; "" if it has ended.

    Raises TimeoutError if there is no answer after LIMIT.
    """
    end, answer = time.monotonic() + LIMIT, b""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(STEP)
        line.connect(str(orders))
        line.sendall(text.encode("ascii"))
        while b"\n" not in answer:
            try:
                part = line.recv(4096)
            except TimeoutError:
                if time.monotonic() > end:
                    raise
                waits()
                continue
            if not part:
                break
            answer += part
    return answer.partition(b"\n")[0].decode("utf-8", "replace").strip()
