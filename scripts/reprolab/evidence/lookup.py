"""Run directories by name: a new one, the latest, one that the user names."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from reprolab.core.config_file import near
from reprolab.core.errors import EvidenceError, UsageError
from reprolab.core.files import replacing, writing
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario import loader

LATEST = "latest"
SHOWN = 3  # runs in a message, the newest


def results_root(root: Path) -> Path:
    """Where runs are kept: REPROLAB_RESULTS, or results/ in the checkout."""
    return Path(os.environ.get("REPROLAB_RESULTS") or root / "results")


def create_run(root: Path, name: str, now: datetime | None = None) -> RunDirectory:
    """Make a new run directory, its name unique even where two runs start in the same second."""
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


def point_latest(run: RunDirectory) -> None:
    """Let ``latest`` name this run; replaced in one step, so that it never dangles between two runs."""
    with replacing(run.path.parent / LATEST) as draft:
        draft.symlink_to(run.path.name)


def open_run(root: Path, where: str) -> RunDirectory:
    """A run named by its path, or as SCENARIO/STAMP or SCENARIO (its latest). Raises UsageError."""
    for path in (Path(where), results_root(root) / where, results_root(root) / where / LATEST):
        if (path / "run.json").is_file():
            return RunDirectory(path.resolve())
    raise no_run(root, where)


def no_run(root: Path, where: str) -> UsageError:
    """What to say of a name that leads to no run: the near name, the runs there are, how to get one."""
    expected = "a run directory, SCENARIO/STAMP, or SCENARIO for its latest run"
    known = loader.names(root)
    kept = {p.parent.parent.name for p in results_root(root).glob("*/2*/run.json")}
    words = [word for word in Path(where).parts if word not in ("/", results_root(root).name)]
    name, stamp = words[0] if words else "", words[-1] if words else ""
    runs = {f"{one}/{run.name}": run for one in sorted(kept) for run in runs_of(root, one)}
    # A stamp alone is looked for among all scenarios' runs.
    meant = next((run for run in runs if run.endswith(f"/{name}")), "") or near(name, {*known, *kept})
    scenario_meant = meant.partition("/")[0]
    own = [run for run in runs if run.startswith(f"{scenario_meant}/")] if scenario_meant else []
    if scenario_meant and not own:
        guess = "" if name == meant else f" (did you mean {meant}?)"
        return UsageError(
            f"no run {where!r}{guess}: {scenario_meant} has no run yet",
            expected=expected,
            advice=f"make scenario-{scenario_meant}, then again",
        )
    if meant == name and len(words) > 1:
        meant = f"{name}/{close}" if (close := near(stamp, [run.partition("/")[2] for run in own])) else ""
    guess = f" (did you mean {meant}?)" if meant and meant != name else ""
    there = sorted(own or runs, key=lambda run: run.partition("/")[2], reverse=True)
    more = f" and {len(there) - SHOWN} older" if len(there) > SHOWN else ""
    told = f"; there are {', '.join(there[:SHOWN])}{more}" if there else "; there is none yet"
    advice = "" if there else f"make scenario-NAME, then again; NAME is one of {', '.join(known) or '(none yet)'}"
    return UsageError(f"no run {where!r}{guess}: there is no run.json in it", expected=expected + told, advice=advice)


def runs_of(root: Path, name: str) -> list[RunDirectory]:
    """The runs of a scenario, oldest first."""
    parent = results_root(root) / name
    return [RunDirectory(p.parent) for p in sorted(parent.glob("2*/run.json"))]
