"""Create and find run directories: a new run, the latest one, one that the user names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from reprolab.core import command_text
from reprolab.core.config_file import near
from reprolab.core.errors import EvidenceError, UsageError
from reprolab.core.files import replacing, writing
from reprolab.core.progress import OnProgress
from reprolab.core.results import LATEST as LATEST
from reprolab.core.results import results_root as results_root
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario import loader

MOST_SHOWN = 3  # runs in a message, the newest


def create_run(root: Path, name: str, now: datetime | None = None) -> RunDirectory:
    """Make a new run directory. Its name is unique, also for two runs that start in the same second."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    parent = results_root(root) / name
    with writing(parent):
        parent.mkdir(parents=True, exist_ok=True)
        for suffix in ("", *(f"-{n}" for n in range(2, 100))):
            path = parent / f"{stamp}{suffix}"
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return RunDirectory(path)
    raise EvidenceError(f"no free run directory for {stamp} below {parent}")


def point_latest(run: RunDirectory, on_progress: OnProgress = lambda message: None) -> None:
    """Set the link ``latest`` to this run, in one step. A directory of that name stays, and the user is told."""
    link = run.path.parent / LATEST
    if link.is_dir() and not link.is_symlink():
        on_progress(f"{link} is a directory, so it cannot name the newest run; move it away")
        return
    with replacing(link) as draft:
        draft.symlink_to(run.path.name)


def find_question(results: Path, where: str, file: str) -> Path | None:
    """The directory of a bisect, a shrink or a map, which has ``file``; None if there is none at ``where``.

    ``where`` is its path, or a path below ``results``: bisect/SCENARIO/STAMP, or bisect/SCENARIO for the latest.
    """
    for path in (Path(where), results / where, results / where / LATEST):
        if (path / file).is_file():
            return path.resolve()
    return None


def open_run(root: Path, where: str) -> RunDirectory:
    """Open a run by its path, by SCENARIO/STAMP, or by SCENARIO (its latest run). Raises UsageError."""
    for path in (Path(where), results_root(root) / where, results_root(root) / where / LATEST):
        if (path / "run.json").is_file():
            return RunDirectory(path.resolve())
    raise no_run(root, where)


def find_run(
    root: Path, where: str, obstacle: Callable[[RunDirectory], str], on_progress: OnProgress = lambda message: None
) -> RunDirectory:
    """Open a run by its path or by SCENARIO/STAMP; by SCENARIO the newest run without an obstacle, which is then told.

    ``obstacle`` says in a few words what a run lacks, "" for nothing. If every run has one, the latest is returned, and
    the caller says what is wrong with it. Raises UsageError if there is no run.
    """
    runs = runs_of(root, where)[::-1] if is_scenario(root, where) else []
    passed_over: list[str] = []
    for run in runs:
        if not (reason := obstacle(run)):
            newer = len(passed_over) - MOST_SHOWN
            more = f" and {newer} more" if newer > 0 else ""
            behind = f"; newer ones do not fit: {', '.join(passed_over[:MOST_SHOWN])}{more}" if passed_over else ""
            on_progress(f"run {where}/{run.name}{behind}")
            return run
        passed_over.append(f"{run.name} ({reason})")
    return open_run(root, where)


def is_scenario(root: Path, where: str) -> bool:
    """Whether a user's word stands for a scenario's latest run: it is no run, and names a directory of runs."""
    return not (Path(where) / "run.json").is_file() and Path(where).name == where and bool(runs_of(root, where))


def no_run(root: Path, where: str) -> UsageError:
    """Return the error for a name without a run. It has the closest name, the newest runs, and how to get one."""
    expected = "a run directory, SCENARIO/STAMP, or SCENARIO for its latest run"
    scenarios = loader.names(root)
    with_runs = {p.parent.parent.name for p in results_root(root).glob("*/2*/run.json")}
    words = [word for word in Path(where).parts if word not in ("/", results_root(root).name)]
    name, stamp = words[0] if words else "", words[-1] if words else ""
    runs = [f"{scenario}/{run.name}" for scenario in sorted(with_runs) for run in runs_of(root, scenario)]
    # A stamp without a scenario may be the name of a run of any scenario.
    guess = next((run for run in runs if run.endswith(f"/{name}")), "") or near(name, {*scenarios, *with_runs})
    scenario = guess.partition("/")[0]
    scenario_runs = [run for run in runs if run.startswith(f"{scenario}/")] if scenario else []
    if scenario and not scenario_runs:
        return UsageError(
            f"no run {where!r}{_suggestion(guess, name)}: {scenario} has no run yet",
            expected=expected,
            advice=f"{command_text.run(scenario)}, then again",
        )
    if guess == name and len(words) > 1:
        guess = f"{name}/{close}" if (close := near(stamp, [run.partition("/")[2] for run in scenario_runs])) else ""
    newest = sorted(scenario_runs or runs, key=lambda run: run.partition("/")[2], reverse=True)
    more = f" and {len(newest) - MOST_SHOWN} older" if len(newest) > MOST_SHOWN else ""
    present = f"; there are {', '.join(newest[:MOST_SHOWN])}{more}" if newest else "; there is none yet"
    names = ", ".join(scenarios) or "(none yet)"
    advice = "" if newest else f"{command_text.run('NAME')}, then again; NAME is one of {names}"
    return UsageError(
        f"no run {where!r}{_suggestion(guess, name)}: there is no run.json in it",
        expected=expected + present,
        advice=advice,
    )


def _suggestion(guess: str, name: str) -> str:
    return f" (did you mean {guess}?)" if guess and guess != name else ""


def runs_of(root: Path, name: str) -> list[RunDirectory]:
    """Return the runs of a scenario, the oldest first."""
    parent = results_root(root) / name
    return [RunDirectory(p.parent) for p in sorted(parent.glob("2*/run.json"))]
