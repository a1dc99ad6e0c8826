"""Run other programs. All of the lab's programs are started here."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from reprolab.core.errors import LabError

TAIL_LINES = 20
_running: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True)
class Finished:
    """A program that has ended: its command, exit code and decoded output."""

    command: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def tail(self) -> str:
        """The last lines of the output; standard error follows standard output."""
        return "\n".join(f"{self.stdout}\n{self.stderr}".strip().splitlines()[-TAIL_LINES:])


class CommandError(LabError):
    """A program ended with an unexpected exit code, could not be started, or exceeded its time limit."""

    def __init__(self, finished: Finished, reason: str = "", *, advice: str = "") -> None:
        command = shlex.join(finished.command)
        super().__init__(
            f"{reason or f'exit code {finished.code}'}: {command}\n{finished.tail}".rstrip(), advice=advice
        )
        self.finished = finished


def run(
    command: Sequence[str],
    *,
    timeout: float = 600.0,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    stdout: IO[bytes] | int = subprocess.PIPE,
    stderr: IO[bytes] | int = subprocess.PIPE,
    on_start: Callable[[subprocess.Popen[bytes]], None] | None = None,
) -> Finished:
    """Run ``command`` to its end, at most ``timeout`` seconds, and return its exit code and output.

    ``env``, if given, replaces the whole environment. ``stdout`` and ``stderr`` may be an open binary file.
    ``on_start`` gets the process, so that another thread can end it with `end`.
    The program gets its own process group: Ctrl-C reaches only the lab, which then ends the program and its children.

    Raises CommandError for a non-zero exit code (unless ``check`` is false), for a program that
    cannot be started, and at the time limit.
    """
    args = tuple(command)
    try:
        process = subprocess.Popen(
            args,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandError(Finished(args, 127, "", str(error)), "cannot be started") from error
    _running.add(process)
    out: bytes | None
    err: bytes | None
    try:
        if on_start:
            on_start(process)
        out, err = process.communicate(None if stdin is None else stdin.encode(), timeout=timeout)
    except subprocess.TimeoutExpired as error:
        out, err = _end_group(process)
        finished = Finished(args, -1, _text(out), _text(err))
        raise CommandError(finished, f"not finished after {timeout:g} s") from error
    except BaseException:
        _end_group(process)
        raise
    finally:
        _running.discard(process)
    finished = Finished(args, process.returncode, _text(out), _text(err))
    if check and finished.code != 0:
        raise CommandError(finished)
    return finished


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")


def _end_group(process: subprocess.Popen[bytes]) -> tuple[bytes | None, bytes | None]:
    """End a program and its children: SIGTERM, then SIGKILL after three seconds. Return the rest of its output."""
    for sign, grace in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
        _signal_group(process.pid, sign)
        try:
            output = process.communicate(timeout=grace)
        except subprocess.TimeoutExpired:
            continue
        # The program has ended. A child that ignores SIGTERM and does not hold the output may still run.
        _signal_group(process.pid, signal.SIGKILL)
        return output
    return None, None


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program that another thread waits for, and its children. Does nothing if it has ended."""
    # After the end another program may have the same process id.
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)


def kill_all() -> None:
    """Kill all programs that `run` waits for, with their children: this process ends now."""
    for process in list(_running):
        if process.returncode is None:
            _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, sign: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, sign)


def replace_process(command: Sequence[str]) -> NoReturn:
    """Replace this process by another program. The user then sees its output directly."""
    os.execvp(command[0], list(command))
