"""`reprolab watch`: are the verdicts still as recorded, and which layer has changed?"""

from __future__ import annotations

import click

from reprolab.cli.common import boundary, console, project_root, show_progress
from reprolab.core.errors import Exit
from reprolab.run import watch as watching

EPILOG = (
    "Exit status, the worst of all cases: 0 as recorded; 3 inconclusive; 1 drift; 2 a malformed scenario; "
    "4 the lab failed."
)


@click.command(epilog=EPILOG)
@click.argument("names", metavar="[SCENARIO]...", nargs=-1)
@boundary
def watch(names: tuple[str, ...]) -> Exit:
    """Run the needed variants of all cases once, and say what drifted and which layers changed since the record."""
    terminal = console()
    results: list[watching.Watched] = []
    try:
        for result in watching.watch(project_root(), names, terminal, show_progress):
            results.append(result)
            watching.show(terminal, result)
    finally:
        # An interrupt ends the watch; the cases that have ended are shown all the same.
        if results:
            watching.summary(terminal, results)
    return watching.worst(results)
