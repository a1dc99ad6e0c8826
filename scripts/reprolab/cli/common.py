"""What all commands share: the checkout, the terminal, errors as messages and exit statuses."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from rich.console import Console

from reprolab.core import command_text
from reprolab.core.errors import Exit, LabError, UsageError
from reprolab.report import write

ROOT_VARIABLE = "REPROLAB_ROOT"


def project_root() -> Path:
    """The checkout: REPROLAB_ROOT, or the nearest folder upwards that has scenarios/ and compose.yaml."""
    named = os.environ.get(ROOT_VARIABLE)
    starts = [Path(named)] if named else [Path.cwd(), Path(__file__).resolve().parent]
    for start in starts:
        for folder in (start, *start.parents):
            if (folder / "scenarios").is_dir() and (folder / "compose.yaml").is_file():
                return folder
    raise UsageError(
        "no reprolab checkout here",
        expected=f"a folder with scenarios/ and compose.yaml, or {ROOT_VARIABLE}=DIR",
    )


def show_progress(message: str) -> None:
    """One line of progress, on standard error."""
    Console(stderr=True).print(f"· {message}", markup=False, highlight=False, soft_wrap=True)


def console() -> Console:
    """The terminal as it is; where output goes to a file or a pipe, wide enough for the tables."""
    here = Console()
    return here if here.is_terminal else Console(width=write.REPORT_WIDTH)


def boundary(command: Callable[..., Exit | None]) -> Callable[..., None]:
    """The one place where errors become a message and an exit status."""

    @wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        # SIGINT too: a shell that starts the lab in the background has it ignored, and Python then keeps it so.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        try:
            status = command(*arguments, **options) or Exit.AS_RECORDED
        except LabError as error:
            _finish(error.exit_status, f"reprolab: {error}")
        except KeyboardInterrupt:
            _finish(Exit.INTERRUPTED, "reprolab: interrupted; the stack is down, the evidence so far is kept")
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(Exit.LAB_FAILED)
        except Exception:
            # Python would end with 1, which here means drift.
            traceback.print_exc()
            _finish(Exit.LAB_FAILED, "reprolab: a mistake in the lab itself; the traceback says where")
        else:
            if status:
                # make has one status of its own for all failures.
                click.echo(f"reprolab: exit status {int(status)}", err=True)
            sys.exit(status)

    return guarded


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    # From here on the stack comes down, in limited time; a second Ctrl-C must not stop that half-way.
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, _patience)
    raise KeyboardInterrupt


def _patience(number: int, frame: FrameType | None) -> None:
    os.write(2, "\n· already stopping: keeping the evidence and taking the stack down\n".encode())


def _finish(status: Exit, message: str) -> NoReturn:
    click.echo(message, err=True)
    click.echo(f"reprolab: exit status {int(status)} ({status.words})", err=True)
    sys.exit(status)


def settings_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """Factors from FACTOR=VALUE words. Raises UsageError."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(command_text.option("set", repr(pair)), expected="FACTOR=VALUE")
        found[name] = value
    return found
