"""What a matrix would do, in words, before anything is built: cells, builds, and the expected time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reprolab.core import command_text
from reprolab.core.number_words import duration, plural
from reprolab.matrix import grid
from reprolab.matrix.grid import Coordinates
from reprolab.matrix.plan import MatrixPlan
from reprolab.measure.axis import Axis
from reprolab.measure.trial_time import NOT_KNOWN, kernels_time_line, time_per_trial
from reprolab.pins.builds import builds_of
from reprolab.scenario.kernel_setting import kernel_of


def forecast(root: Path, plan: MatrixPlan, jobs: int) -> list[str]:
    """The lines that tell what the matrix would do. ``jobs`` trials without load run side by side."""
    scenario, experiment = plan.scenario, plan.experiment
    factors = " × ".join(f"{axis.factor} ({len(axis.values)})" for axis in plan.axes)
    lines = [f"{scenario.name}/{experiment.name}: {plural(len(plan.points), 'cell')}, {factors}"]
    for axis in plan.axes:
        lines += axis_lines(axis)
    if plan.fixed:
        lines.append(f"in all cells: {grid.settings_words(plan.fixed)}")
    lines += [f"{words} in {where}" for words, where in companion_areas(plan).items()]
    lines += [f"doubt is narrowed for {claim.id}: {claim.text}" for claim in plan.claims]
    if others := len(experiment.claims) - len(plan.claims):
        lines.append(f"counted too: {plural(others, 'other claim')} of {experiment.name}")
    builds = builds_of(scenario, experiment.name, [point.cell.settings for point in plan.points])
    lines.append(f"builds: {len(builds)} at most; those of which this engine has the image are not built again")
    if kernels := len({kernel_of(point.cell.settings) for point in plan.points} - {""}):
        machines = plural(kernels, "virtual machine")
        lines.append(f"{machines}, one for each kernel: each runs one trial at a time, which may take longer there")
    lines += _time_lines(root, plan, jobs)
    lines.append(f"nothing was run: leave out {command_text.option('plan')} to measure it")
    return lines


def axis_lines(axis: Axis) -> Iterator[str]:
    """The values of an axis with the dates of its releases, and what a range leaves out."""
    dates = sorted(value.date for value in axis.values if value.date)
    of = f"{plural(len(axis.values), 'release')} of {axis.package}: " if axis.package else ""
    released = f", released {dates[0]} to {dates[-1]}" if dates else ""
    yield f"{axis.factor}: {of}{_first_and_last(axis)}{released}"
    yield from (f"  {note}" for note in axis.notes)


def _first_and_last(axis: Axis) -> str:
    """The values, of a long ordered axis the first and the last one."""
    texts = grid.texts(axis)
    return f"{texts[0]} to {texts[-1]}" if axis.ordered and len(texts) > 3 else ", ".join(texts)


def companion_areas(plan: MatrixPlan) -> dict[str, str]:
    """The factors that the scenario adds -> the cells for which it does."""
    areas: dict[str, list[Coordinates]] = {}
    for point in plan.points:
        if point.companions:
            areas.setdefault(grid.settings_words(point.companions), []).append(point.coordinates)
    return {words: f"{plural(len(area), 'cell')}: {grid.area_words(plan.axes, area)}" for words, area in areas.items()}


def _time_lines(root: Path, plan: MatrixPlan, jobs: int) -> Iterator[str]:
    least, most = len(plan.points), len(plan.points) * plan.trials
    numbers = f"{plural(least, 'trial')} for the coarse map, {most} if every cell is in doubt"
    yield f"trials: {numbers}; trials that are kept from earlier questions are not run again"
    if any(kernel_of(point.cell.settings) for point in plan.points):
        yield kernels_time_line(root, plan.scenario, plan.experiment.name)
        return
    trial = time_per_trial(root, plan.scenario, plan.experiment.name)
    if trial is None:
        yield NOT_KNOWN
        return
    beside = jobs if plan.experiment.parallel else 1
    low, high = (duration(number * trial.seconds / beside) for number in (least, most))
    side_by_side = f", {beside} side by side" if beside > 1 else ""
    yield f"time: {low} to {high}, without builds, at {trial.seconds:.0f} s a trial{side_by_side} ({trial.source})"
