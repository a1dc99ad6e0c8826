"""What a shrink can take away from its starting stack, shown before anything is measured."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reprolab.core import command_text
from reprolab.measure.trial_time import time_line
from reprolab.report.table import NOTHING, changes_text
from reprolab.scenario.kernel_setting import kernel_of
from reprolab.scenario.load_settings import LOAD_SETTINGS
from reprolab.shrink.question import Question
from reprolab.shrink.steps import space_of


def show(root: Path, console: Console, question: Question) -> None:
    """Print the starting stack, what can get simpler in it, and the number of trials of each step."""
    changes = changes_text(question.cell({}).settings)
    stack = question.variant if changes == NOTHING else f"{question.variant} ({changes})"
    console.print(Text(f"{question.scenario.name} · {question.claim.id}: {question.claim.text}", style="bold"))
    console.print(f"starting stack: {stack}; services: {' '.join(question.services({}))}")
    space = space_of(question.scenario, question.settings, {}, question.stays)
    grid = Table("setting", "now", "simpler", box=box.SIMPLE_HEAD, pad_edge=False)
    for item in space.reducibles:
        simpler = " ".join(value or "(empty)" for value in reversed(item.simpler(item.start)))
        grid.add_row(Text(item.name), Text(item.start or "(empty)"), Text(simpler if item.named else f"{simpler} …"))
    if space.reducibles:
        console.print(grid)
    else:
        console.print(
            "no setting of this stack can get simpler: x-reprolab.simpler names none, and no number is above 1"
        )
    if not question.experiment.parallel:
        console.print(f"{' '.join(LOAD_SETTINGS)} too, if the trials of the starting stack have a load of wrk")
    trials = question.trials
    console.print(
        f"trials: {trials} of the starting stack; at least 1 of a step that is refused, {trials} of one that is "
        f"accepted; {trials} more of the least stack, and {trials} of its control"
    )
    on_kernel = bool(kernel_of(question.cell({}).settings))
    console.print(time_line(root, question.scenario, question.experiment.name, on_kernels=on_kernel))
    console.print(f"nothing was run: leave out {command_text.option('plan')} to measure it")
