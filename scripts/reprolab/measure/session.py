"""Starts what measures cells: the engine, the lock of the scenario's cells, and a runner."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprolab.baseimage.resolve import policy
from reprolab.core.files import writing
from reprolab.core.locks import directory_lock
from reprolab.engine import leftovers
from reprolab.engine.detect import client, ensure_engine
from reprolab.engine.heartbeat import heartbeat
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.measure.local import LocalMeasurer
from reprolab.measure.store import CellStore
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan, default_jobs
from reprolab.run.runner import Runner
from reprolab.scenario.digest import CaseFiles
from reprolab.scenario.model import Scenario


@contextmanager
def measurer(
    root: Path,
    scenario: Scenario,
    observer: RunObserver,
    *,
    seed: int = 0,
    jobs: int | None = None,
    fresh: bool = False,
) -> Iterator[LocalMeasurer]:
    """A measurer on the engine in use, while the block runs. Two questions about one scenario wait for each other.

    Raises LabError as a run does.
    """
    # Before anything that waits: the scenario has just been loaded.
    files = CaseFiles.of(scenario.directory)
    engine = ensure_engine(observer.progress)
    api = client()
    for line in leftovers.remove_leftovers(api).messages():
        observer.progress(line)
    store = CellStore(lookup.results_root(root), scenario)
    with writing(store.directory):
        store.directory.mkdir(parents=True, exist_ok=True)
    with (
        directory_lock(store.directory, f"measures cells of {scenario.name}", observer.progress),
        heartbeat(api, observer.progress),
        observer.trials(),
    ):
        plan = Plan(scenario, (), jobs or default_jobs())
        place = RunDirectory(store.directory)
        runner = Runner(plan, place, engine, api, policy(os.environ), observer, tells_failures=False)
        try:
            yield LocalMeasurer(scenario, runner, store, files, seed, fresh)
        finally:
            runner.stop_builds()
