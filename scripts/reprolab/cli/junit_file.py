"""`--junit FILE`: checked before a command works, and written whatever ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from reprolab.cli.common import show_progress
from reprolab.cli.output_file import check_output
from reprolab.core.errors import LabError
from reprolab.evidence.run_dir import RunDirectory
from reprolab.report import junit
from reprolab.scenario.model import Scenario

JUNIT = click.option(
    "--junit",
    "junit_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="also write the verdicts as JUnit XML, a test case for each claim",
)


def check(path: Path | None) -> None:
    """Raise UsageError if the file cannot be written, or if another file is there."""
    if path:
        check_output(path, "junit", "an XML file", lambda start: start.startswith(b"<?xml"))


@contextmanager
def written(path: Path | None, scenario: Scenario, run: Callable[[], RunDirectory | None]) -> Iterator[None]:
    """Write the file at the end of the block, also if the block raises. ``run`` gives the run once it has begun."""
    try:
        yield
    except BaseException as error:
        if path:
            try:
                junit.write(path, scenario, run(), _reason(error))
            except LabError as second:
                show_progress(f"{path} could not be written: {second}")
        raise
    if path:
        junit.write(path, scenario, run())


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "the run was interrupted"
    return str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
