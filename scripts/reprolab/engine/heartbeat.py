"""Notices an engine that hangs: it accepts requests and never answers. Some requests of the SDK have no limit.

A thread asks the engine again and again. The user is told after some seconds; later the command ends, whatever it waits
for.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import docker

from reprolab.core import interrupts
from reprolab.core.errors import EngineError, Exit
from reprolab.core.progress import OnProgress
from reprolab.engine.failures import no_answer

STEP = 5.0  # seconds between two pings
TELL = 20.0  # seconds without an answer until the user is told
LIMIT = 90.0  # seconds without an answer until the command ends with an error
AFTER = 60.0  # seconds from the error to the end of the process: threads may wait for answers without a limit
SIGNAL = signal.SIGUSR1


@contextmanager
def heartbeat(client: docker.DockerClient, on_progress: OnProgress) -> Iterator[None]:
    """Watch the engine while the block runs. Raises EngineError in the main thread if it hangs for LIMIT seconds."""
    ended = threading.Event()
    main = threading.main_thread().ident
    before = signal.signal(SIGNAL, _raise)

    def watch() -> None:
        last, warned = time.monotonic(), False
        while not ended.wait(STEP):
            if not no_answer(client, TELL):
                last, warned = time.monotonic(), False
                continue
            silent = time.monotonic() - last
            if ended.is_set():
                return
            if silent >= TELL and not warned:
                warned = True
                on_progress(
                    f"the Docker Engine has not answered for {silent:.0f} s: is it stopped, or has the machine no time "
                    f"for it? The run ends after {LIMIT:g} s; Ctrl-C ends it now"
                )
            if silent >= LIMIT and interrupts.received():
                interrupts.end_after(0, Exit.INTERRUPTED)
                return
            if silent >= LIMIT:
                interrupts.end_after(AFTER, Exit.LAB_FAILED)
                # A real signal, since only this ends a system call of the main thread.
                signal.pthread_kill(main or 0, SIGNAL)
                return

    thread = threading.Thread(target=watch, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        signal.signal(SIGNAL, before)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    raise EngineError(
        f"the Docker Engine does not answer: nothing came for {LIMIT:g} s",
        expected="an engine that answers a ping at once",
        advice="see what it does (systemctl status docker); continue it if it was stopped (kill -CONT), or start it "
        "again, then repeat the run, which also removes leftovers",
    )
