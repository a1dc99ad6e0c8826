"""Keeps what a stack did when a trial went wrong: its processes and each service's last lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from reprolab.core.errors import InvalidTrial
from reprolab.evidence.run_dir import FAILURE
from reprolab.stack.stack import Stack

LIMIT = 8.0  # seconds for all of it
LAST_LINES = 50


@contextmanager
def failure_kept(stack: Stack) -> Iterator[None]:
    """If the block raises InvalidTrial, or if one of its probes had a timeout, look at the stack before it goes on.

    An experiment that expects timeouts looks at the processes itself. Then this does nothing for a timeout.
    """
    try:
        yield
    except InvalidTrial as error:
        keep_failure(stack, str(error))
        raise
    if stack.timeouts and not stack.inspected:
        keep_failure(stack, f"these probes had no answer within their limits: {', '.join(stack.timeouts)}")


def keep_failure(stack: Stack, reason: str) -> None:
    """Write the reason, the last lines and the processes of each service into the trial's evidence.

    It takes at most LIMIT seconds and raises nothing: what cannot be had is left out.
    """
    looking = Thread(target=_keep, args=(stack, reason), daemon=True, name="failure")
    looking.start()
    looking.join(LIMIT)


def _keep(stack: Stack, reason: str) -> None:
    with suppress(Exception):
        stack.evidence.write_text(f"{FAILURE}/reason.txt", f"{reason}\n")
    for role in stack.roles:
        with suppress(Exception):
            lines = stack.container(role).logs(tail=LAST_LINES, timestamps=True).decode("utf-8", "replace")
            stack.evidence.write_text(f"{FAILURE}/{role}/last-lines.txt", lines)
    for role in stack.roles:
        with suppress(Exception):
            if stack.running(role):
                stack.forensics(role, f"{FAILURE}/{role}", reason.partition("\n")[0])
