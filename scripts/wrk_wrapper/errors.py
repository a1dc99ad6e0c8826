"""The errors of a run of wrk, one class for each cause."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from wrk_wrapper.model import WrkResult

TAIL_LINES = 20


class WrkError(Exception):
    """A run without usable numbers; the base of every error of this library except ValueError."""


class TargetDown(WrkError):
    """No server accepted a connection when wrk started: wrk printed "unable to connect" and ended with exit code 1.

    A server that dies later is no error for wrk and raises nothing: see ``WrkResult.errors``.
    """


class WrkFailed(WrkError):
    """wrk itself failed: not found, a refused option, an unknown host name, killed, ended early, no numbers printed.

    The message gives the reason, the command, the exit code and the last lines of output.
    """


class NoRequests(WrkError):
    """wrk ran for its whole duration and completed no request; ``result`` holds what it measured."""

    def __init__(self, message: str, result: WrkResult) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[type[NoRequests], tuple[str, WrkResult]]:
        # pickle would call __init__ without a result.
        return type(self), (str(self), self.result)


def describe(reason: str, command: Sequence[str], exit_code: int | None, output: str) -> str:
    """The message of an error: its reason, the command, the exit code (None: none) and the last lines of output."""
    code = "no exit code" if exit_code is None else f"exit code {exit_code}"
    tail = "\n".join(output.strip().splitlines()[-TAIL_LINES:])
    return f"{reason} ({code}): {shlex.join(command)}\n{tail}".rstrip()
