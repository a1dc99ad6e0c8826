"""Functions that all commands use: the checkout, the terminal, errors as messages and exit statuses."""

from __future__ import annotations

import errno
import os
import re
import resource
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

from reprolab.cli.json_output import document_only, error_document, print_json
from reprolab.cli.output import Output, reader_has_ended, reader_may_end
from reprolab.core import command_text, interrupts
from reprolab.core.errors import EngineError, Exit, LabError, UsageError
from reprolab.core.terminal import REPORT_WIDTH

# The faults of a file or a disk that no message of the lab has named; they need no traceback.
MACHINE_FAULTS = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENAMETOOLONG, errno.ELOOP, errno.EMFILE, errno.ENFILE)
ROOT_VARIABLE = "REPROLAB_ROOT"
# Open files of one process: where a run has room, and where it fails in the middle.
WANTED_FILES, LEAST_FILES = 1024, 128
UNITS = {"s": 1, "m": 60, "h": 3600}
FROM = click.option(
    "--from", "source", default="", metavar="shrink|DIR", help="the least stack of the newest shrink, or of this one"
)


def project_root() -> Path:
    """The lab folder: the nearest one with scenarios/ and compose.yaml.

    The search starts at REPROLAB_ROOT if that is set, else at the working directory, and goes upwards; elsewhere a lab
    that was not installed takes its own checkout. Raises UsageError if there is none.
    """
    variable = os.environ.get(ROOT_VARIABLE)
    starts = [Path(variable)] if variable else [Path.cwd(), Path(__file__).resolve().parent]
    for start in starts:
        for folder in (start, *start.parents):
            if (folder / "scenarios").is_dir() and (folder / "compose.yaml").is_file():
                return folder
    raise UsageError(
        f"no lab folder found in {starts[0]} or above it",
        expected=f"a folder with scenarios/ and compose.yaml, or {ROOT_VARIABLE}=DIR",
        advice="go into one; or lay one out: reprolab init my-lab",
    )


def folder_here() -> Path | None:
    """The same, but None where there is none. A REPROLAB_ROOT that is none stays an error."""
    try:
        return project_root()
    except UsageError:
        if os.environ.get(ROOT_VARIABLE):
            raise
        return None


def show_progress(message: str) -> None:
    """Print a line of progress on standard error."""
    terminal = Output(stderr=True)
    # A terminal would cut a long line within a word.
    terminal.print(f"· {message}", soft_wrap=not terminal.is_terminal)


def console() -> Output:
    """The terminal with its own width; for a file or a pipe, a console that is wide enough for the tables."""
    terminal = Output()
    return terminal if terminal.is_terminal else Output(width=REPORT_WIDTH)


def boundary(command: Callable[..., Exit | None]) -> Callable[..., None]:
    """Decorate a command: errors become a message and an exit status. No other code does this."""

    @wraps(command)
    @reader_may_end()
    def guarded(*arguments: Any, **options: Any) -> None:
        interrupts.install()
        as_json = bool(options.get("as_json"))
        try:
            require_open_files()
            with document_only() if as_json else nullcontext():
                status = command(*arguments, **options) or Exit.AS_RECORDED
        except LabError as error:
            _finish(error.exit_status, error, as_json)
        except KeyboardInterrupt:
            where = "the stack is down, " if interrupts.stood() and not interrupts.standing() else ""
            _finish(Exit.INTERRUPTED, LabError(f"interrupted; {where}the evidence so far is kept"), as_json)
        except SystemExit:
            raise
        except BaseException as error:  # a library written in Rust raises no Exception when it panics
            if isinstance(error, BrokenPipeError) and reader_has_ended():
                sys.exit(Exit.BROKEN_PIPE)
            if type(error) in MACHINE_FAULTS or getattr(error, "errno", None) in FULL:
                _finish(Exit.LAB_FAILED, _machine_fault(error), as_json)
            if type(error).__module__.startswith(("docker", "requests")):
                _finish(Exit.LAB_FAILED, _engine_failed(error), as_json)
            # Python would end with status 1, which means drift.
            traceback.print_exc()
            fault = LabError("an error in the lab itself; the traceback above shows where")
            _finish(Exit.LAB_FAILED, fault, as_json)
        else:
            if status:
                # make turns every status except 0 into 2.
                click.echo(f"reprolab: exit status {int(status)} ({status.words})", err=True)
            sys.exit(status)

    return guarded


def _machine_fault(error: BaseException) -> LabError:
    """An OSError as a message: what the machine refused, and of which file."""
    name = getattr(error, "filename", None)
    what = f"{getattr(error, 'strerror', None) or error} ({name or 'the output of this command'})"
    return LabError(what, expected="a file that can be read or written, with free space", advice="see its permissions")


def require_open_files() -> None:
    """Allow this process as many open files as it may have. Raises LabError if these are too few for a run."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= WANTED_FILES:
        return
    most = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < LEAST_FILES:
        raise LabError(
            f"this process may have only {most} open files",
            expected=f"at least {LEAST_FILES}, for logs, containers, programs, and the removal of a stack",
            advice="raise the limit: ulimit -n 1024",
        )


def _engine_failed(error: BaseException) -> EngineError:
    return EngineError(
        f"the Docker Engine failed: {error}",
        expected="an engine that answers",
        advice="`docker info` shows whether it does; then run this again",
    )


def _finish(status: Exit, error: LabError, as_json: bool) -> NoReturn:
    """End the command with a message; with ``as_json`` also with a JSON document on standard output."""
    remains = interrupts.remains() if interrupts.standing() else ""
    click.echo(f"reprolab: {error}" + (f"\nreprolab: {remains}" if remains else ""), err=True)
    if as_json:
        print_json(error_document(status, error, remains))
    click.echo(f"reprolab: exit status {int(status)} ({status.words})", err=True)
    sys.exit(status)


def settings_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """Factors from FACTOR=VALUE pairs. Raises UsageError for a malformed pair, and for a factor that is set twice."""
    factors: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(command_text.option("set", repr(pair)), expected="FACTOR=VALUE")
        if name in factors:
            raise UsageError(
                f"{name} is set twice: to {factors[name]!r} and to {value!r}",
                expected="each factor once",
                advice="leave one of them out; `matrix` goes through several values of a factor",
            )
        factors[name] = value
    return factors


def duration(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """Read a duration such as 90s, 5m or 1.5h; returns seconds. Raises BadParameter."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if match is None or float(match[1]) == 0:
        raise click.BadParameter(f"{text!r} is no duration; expected seconds, minutes or hours: 90s, 5m, 1h")
    return float(match[1]) * UNITS[match[2]]
