"""Measures what several workers save, and what it costs to give them trials. The trials wait instead of using Docker.

`bench.py --cluster` prints the speed-up over worker processes. `--hosts N --cells N` plays a large matrix on workers
that are threads of this process: it shows what the driver and the scheduler can do.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from queue import Empty
from typing import Any

import dask
from distributed import Client, LocalCluster
from reprolab.cluster.archive import pack
from reprolab.cluster.crew import Crew
from reprolab.cluster.dispatch import Dispatcher
from reprolab.cluster.driver import crew_of
from reprolab.cluster.engines import NamedEngine
from reprolab.cluster.measurer import ClusterMeasurer
from reprolab.cluster.messages import Built, Look, Place, Question, Returned, TrialTask
from reprolab.cluster.own import SCHEDULER
from reprolab.cluster.tasks import Opening
from reprolab.cluster.workplace import FOLDER, run_on
from reprolab.measure.cell import Cell
from reprolab.measure.store import CellStore
from reprolab.run.observer import RunObserver
from reprolab.scenario import loader
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import CUSTOM, Scenario
from reprolab.scenario.trial import TrialRecord

ROOT = Path(__file__).resolve().parents[1]
WAIT = 2.0  # seconds of a trial
# Bytes of evidence of a trial: the median of 180 trials of socket-vanish, see docs/scale.md.
EVIDENCE = 300_000
ROWS, COLUMNS = 4, 5
TASKS = 400


class WaitingBench:
    """A workplace whose trials wait, and leave so many bytes of evidence."""

    def __init__(self, wait: float, size: int, results: str, question: Question, name: str, *unused: Any) -> None:
        self.wait, self.size = wait, size
        self.place = Place(name, f"boot of {name}", f"{results}/{name}/{FOLDER}/{question.id}")

    def look(self, cells: Sequence[Cell]) -> list[Look]:
        return [Look(cell, hashlib.sha256(cell.words.encode()).hexdigest()[:16]) for cell in cells]

    def build(self, cell: Cell) -> Built:
        return Built({}, {})

    def prepare(self, task: TrialTask) -> None:
        """Nothing is built."""

    def trial(self, task: TrialTask, prepared: None) -> Returned:
        evidence = run_on(self.place, task.cell, task.key).trial(task.cell.experiment, CUSTOM, task.number)
        evidence.path.mkdir(parents=True, exist_ok=True)
        (evidence.path / "app.log.gz").write_bytes(os.urandom(self.size))
        time.sleep(self.wait)
        record = TrialRecord(task.cell.experiment, CUSTOM, task.number, task.cell.settings, {})
        return Returned(record, pack(evidence.path), Built({}, {}), str(evidence.path))

    def forget(self, paths: Sequence[str]) -> None:
        for path in paths:
            (Path(path) / "app.log.gz").unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is open."""


def quiet_scenario() -> Scenario:
    """A scenario with an experiment without load; its stacks are never started."""
    every = (loader.load(ROOT, name) for name in loader.names(ROOT))
    return next(s for s in every if any(e.parallel for e in s.experiments.values()) and len(s.factors) > 1)


def matrix(scenario: Scenario, rows: int, columns: int) -> list[Cell]:
    """A map with so many cells, along two factors."""
    experiment = next(name for name, item in scenario.experiments.items() if item.parallel)
    first, second, *_ = scenario.factors
    return [Cell(experiment, ((first, f"a{x}"), (second, f"b{y}"))) for x in range(columns) for y in range(rows)]


def measuring(crew: Crew, scenario: Scenario, results: Path, at_once: int) -> ClusterMeasurer:
    """A measurer with a store of its own."""
    return ClusterMeasurer(scenario, CellStore(results, scenario), Dispatcher(crew, at_once), RunObserver())


def question_of(scenario: Scenario, jobs: int) -> Question:
    """A question of its own; the workers do not read the scenario."""
    case = case_digest(scenario.directory)
    return Question(secrets.token_hex(4), str(ROOT), scenario.name, case, version("reprolab"), jobs)


def seconds_for(cells: Sequence[Cell], scenario: Scenario, workers: int, wait: float, jobs: int = 1) -> float:
    """Measure each cell once on so many worker processes; returns the seconds from the first job on."""
    with tempfile.TemporaryDirectory() as folder:
        opening = partial(WaitingBench, wait, EVIDENCE, folder)
        engines = [NamedEngine(f"w{number}", "unix:///none") for number in range(workers)]
        question = question_of(scenario, jobs)
        with crew_of(question, Path(folder), engines, "", print, opening) as crew:
            while len(crew.members) < workers:
                crew.update()
                with suppress(Empty):
                    crew.greet(*crew.done.get(timeout=0.05))
            lab = measuring(crew, scenario, Path(folder) / "results", jobs)
            begun = time.monotonic()
            lab.measure(dict.fromkeys(cells, 1), [])
            return time.monotonic() - begun


def print_speed_up() -> None:
    """The speed-up of a matrix over one worker, against the ideal, and the cost of a trial that does nothing."""
    scenario = quiet_scenario()
    cells = matrix(scenario, ROWS, COLUMNS)
    alone = seconds_for(cells, scenario, 1, WAIT)
    ideal = len(cells) * WAIT
    print(f"a matrix of {len(cells)} trials that wait {WAIT:g} s, on 1 worker: {alone / ideal:.2f} of the ideal time")
    for workers in (2, 4):
        speed = alone / seconds_for(cells, scenario, workers, WAIT)
        print(f"  on {workers} workers: {speed:.2f} times as fast (ideal {workers})")
    spent = seconds_for(matrix(scenario, TASKS // 8, 8), scenario, 4, 0.0)
    print(f"dispatch, transport and storage of a trial with {EVIDENCE // 1000} kB: {1000 * spent / TASKS:.1f} ms")


@contextmanager
def threads_as_hosts(hosts: int, jobs: int, opening: Any, question: Question) -> Iterator[Crew]:
    """A crew whose workers are threads of this process."""
    options: dict[str, Any] = {"dashboard_address": "127.0.0.1:0", "silence_logs": 50, "memory_limit": 0}
    # Each worker would look after this one process, as if it were its machine.
    quiet = {
        "distributed.worker.http.routes": [],
        "distributed.worker.profile.interval": "1h",
        "distributed.admin.system-monitor.interval": "1h",
    }
    with (
        dask.config.set({**SCHEDULER, **quiet}),
        LocalCluster(n_workers=hosts, threads_per_worker=jobs, processes=False, **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield Crew(client, Opening(question, opening), print)


def print_simulation(hosts: int, cells: int, wait: float, jobs: int = 4) -> None:
    """Play a large matrix, and print the time against the ideal one."""
    scenario = quiet_scenario()
    rows = max(1, cells // 10)
    with tempfile.TemporaryDirectory() as folder:
        question = question_of(scenario, jobs)
        opening = partial(WaitingBench, wait, EVIDENCE, folder)
        with threads_as_hosts(hosts, jobs, opening, question) as crew:
            lab = measuring(crew, scenario, Path(folder) / "results", jobs)
            wanted = dict.fromkeys(matrix(scenario, rows, 10), 1)
            begun, used = time.monotonic(), time.process_time()
            lab.measure(dict.fromkeys(wanted, 0), [])
            looked = time.monotonic()
            lab.measure(wanted, [])
            ended, processor = time.monotonic(), time.process_time() - used
    ideal = len(wanted) * wait / (hosts * jobs)
    print(f"{len(wanted)} trials that wait {wait:g} s on {hosts} simulated hosts with {jobs} trials at once each:")
    print(f"  stacks looked up in {looked - begun:.1f} s, trials done in {ended - looked:.1f} s; ideal {ideal:.1f} s")
    print(
        f"  {1000 * (ended - looked) / len(wanted):.1f} ms a trial in all; "
        f"{1000 * processor / len(wanted):.1f} ms of the processor for driver, scheduler and all simulated workers"
    )
