"""The lab on a worker: it prepares cells and runs single trials of them on the worker's own engine."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

from reprolab.baseimage.resolve import keep_bundled, policy
from reprolab.cluster.archive import pack
from reprolab.cluster.half_trials import content_of, remove_empty, set_aside
from reprolab.cluster.messages import ERRORS, Built, Failure, Look, Place, Question, Refused, Returned, TrialTask, Why
from reprolab.core import process_info
from reprolab.core.errors import EngineError, LabError, UsageError
from reprolab.core.files import writing
from reprolab.core.progress import OnProgress
from reprolab.core.waiting import patient
from reprolab.engine import host_facts, labels, leftovers
from reprolab.engine.detect import client, ensure_engine
from reprolab.engine.elsewhere import on_another_machine
from reprolab.engine.failures import no_answer
from reprolab.engine.images import image_ids
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import BuiltImage
from reprolab.measure.cell import Cell
from reprolab.measure.key import cell_key, package_difference
from reprolab.measure.local import cell_variant, lab_images, used_bases
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan
from reprolab.run.runner import Prepared, Runner, package_cache
from reprolab.scenario import loader
from reprolab.scenario.digest import CaseFiles, case_digest, lab_identity
from reprolab.scenario.kernel_setting import kernel_of
from reprolab.scenario.model import CUSTOM, Scenario
from reprolab.stack.images import remember

FOLDER = "cluster"  # below the worker's results
ROOT_VARIABLE = "REPROLAB_ROOT"
STEP = 5.0  # seconds between two pings of the engine
SILENT = 30.0  # seconds without an answer until the driver is told


@dataclass
class Reporter(RunObserver):
    """Sends the lines of progress of a worker to the driver."""

    report: OnProgress

    def progress(self, message: str) -> None:
        self.report(message)


@dataclass
class Workplace:
    """The lab of one worker for one question. Its methods may be called by several threads."""

    scenario: Scenario
    runner: Runner
    place: Place
    files: CaseFiles
    kernels: Mapping[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _prepared: dict[Cell, Prepared] = field(default_factory=dict)
    _ended: Event = field(default_factory=Event)

    @classmethod
    def open(cls, question: Question, name: str, report: OnProgress, silent: OnProgress) -> Workplace:
        """Find the scenario and the engine. ``silent`` is called once if the engine does not answer any more.

        Raises LabError, if the files of the case or the lab are others than those of the driver too.
        """
        root = Path(os.environ.get(ROOT_VARIABLE) or question.root)
        scenario = _same_case(root, question)
        engine = ensure_engine(report)
        _require_local(engine.host)
        api = client()
        for line in leftovers.remove_leftovers(api).messages():
            report(line)
        directory = lookup.results_root(root) / FOLDER / question.id
        with writing(directory):
            directory.mkdir(parents=True, exist_ok=True)
        plan = Plan(scenario, (), question.jobs)
        runner = Runner(
            plan, RunDirectory(directory), engine, api, policy(os.environ), Reporter(report), tells_failures=False
        )
        # Where a machine has no boot id, each worker is taken for a machine of its own.
        boot = process_info.boot_id() or name
        facts = host_facts.facts_of(engine, api)
        place = Place(name, boot, str(directory.resolve()), facts, dict(lab_images(api)))
        workplace = cls(scenario, runner, place, CaseFiles(scenario.directory, question.case), dict(question.kernels))
        Thread(target=workplace.watch, args=(silent,), name="engine-watch", daemon=True).start()
        return workplace

    def watch(self, silent: OnProgress) -> None:
        """Ping the engine until it is silent for SILENT seconds. Some requests of the SDK would wait for ever."""
        last = time.monotonic()
        while not self._ended.wait(STEP):
            if not (reason := no_answer(self.runner.client, patient(STEP))):
                last = time.monotonic()
            elif time.monotonic() - last >= patient(SILENT):
                silent(f"the engine does not answer: {reason}")
                return

    def look(self, cells: Sequence[Cell]) -> list[Look]:
        """Resolve the stacks of cells. Raises LabError if the files of the case have changed."""
        self.files.check()
        prepared = self._resolved(cells)
        return [Look(cell, "" if item.lacks else self._key(cell, item), item.lacks) for cell, item in prepared.items()]

    def build(self, cell: Cell) -> Built | Refused:
        """Build the images of a cell."""
        prepared = self._built(self._resolved([cell])[cell])
        if prepared.obstacle:
            return Refused(Why.LACKS if prepared.lacks else Why.BUILD, prepared.obstacle)
        return self._images(prepared)

    def adopt(self, wanted: Sequence[Built]) -> list[str]:
        """The images of another engine that this one lacks; if it lacks none, it uses their bases for its own."""
        images = {name: item for built in wanted for name, item in built.references().items()}
        bases = {name: base for built in wanted for name, base in built.bases.items()}
        client = self.runner.client
        present = image_ids(client)
        lacking = [name for name, identity in images.items() if present.get(name) != identity]
        for item in [] if lacking else [item for built in wanted for item in built.images.values()]:
            remember(item, package_cache(self.runner.run.path.parents[1]))
        for official, base in bases.items():
            # Else this machine would look for a base of its own, which may be another one.
            if not lacking and base.reference and base.id:
                keep_bundled(official, base.reference, base.id, client)
        return lacking

    def prepare(self, task: TrialTask) -> Prepared | Refused:
        """Build the images of a trial's cell, and check that it is the same cell as for the driver."""
        prepared = self._resolved([task.cell])[task.cell]
        if prepared.lacks:
            return Refused(Why.LACKS, prepared.lacks)
        if self._key(task.cell, prepared) != task.key:
            names = ", ".join(f"{name} is {base.image_id[7:19]}" for name, base in self.runner.bases.items())
            return Refused(Why.STACK, f"its stack is another one there: {names}")
        prepared = self._built(prepared)
        if prepared.invalid:
            return Refused(Why.BUILD, prepared.invalid)
        difference = package_difference(task.packages, {name: b.packages for name, b in prepared.images.items()})
        return Refused(Why.PACKAGES, difference) if task.packages and difference else prepared

    def trial(self, task: TrialTask, prepared: Prepared) -> Returned | Failure:
        """Run one trial. What a half trial left is in the Failure, and stays here too."""
        self.runner.places[prepared.key] = run_on(self.place, task.cell, task.key)
        evidence = run_on(self.place, task.cell, task.key).trial(task.cell.experiment, CUSTOM, task.number)
        set_aside(evidence)
        try:
            record = self.runner.trial(prepared, task.number)
            self.files.check()
            return Returned(record, pack(evidence.path), self._images(prepared), str(evidence.path))
        except ERRORS as error:
            return Failure.of(error, content_of(evidence))

    def forget(self, paths: Iterable[str]) -> None:
        """Remove the evidence of trials that the driver has."""
        for path in map(Path, paths):
            if path.is_relative_to(self.place.trials):
                shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """End builds and trials, and remove the stacks. Directories without evidence are removed."""
        self._ended.set()
        self.runner.stop_builds()
        self.runner.end_stacks()
        remove_empty(Path(self.place.trials))

    def _resolved(self, cells: Sequence[Cell]) -> dict[Cell, Prepared]:
        with self._lock:
            new = [cell for cell in cells if cell not in self._prepared]
            if new:
                resolved = self.runner.resolve([cell_variant(self.scenario, cell) for cell in new], all_needed=False)
                self._prepared |= dict(zip(new, resolved, strict=True))
            return {cell: self._prepared[cell] for cell in cells}

    def _built(self, prepared: Prepared) -> Prepared:
        with self._lock:
            self.runner.start_builds([prepared])
        return self.runner.built(prepared)

    def _key(self, cell: Cell, prepared: Prepared) -> str:
        owner = labels.object_labels(self.scenario.name, self.runner.run.name)
        kernel = self.kernels.get(kernel_of(cell.settings), "")
        return cell_key(self.scenario, cell, prepared.model, owner, self.files.digest, kernel)

    def _images(self, prepared: Prepared) -> Built:
        images: Mapping[str, BuiltImage] = prepared.images
        return Built(images, used_bases(self.runner))


def run_on(place: Place, cell: Cell, key: str) -> RunDirectory:
    """The directory of a cell's trials on a worker."""
    return RunDirectory(Path(place.trials) / cell.experiment / key)


def _same_case(root: Path, question: Question) -> Scenario:
    """The scenario. Raises LabError if its files or the lab are others than the driver's."""
    here = {"lab": lab_identity(), "case": ""}
    with suppress(UsageError):
        scenario = loader.load(root, question.scenario)
        here["case"] = case_digest(scenario.directory)
    if here == {"lab": question.lab, "case": question.case}:
        return scenario
    what = "the lab has other code" if here["lab"] != question.lab else "the scenario's files are others"
    raise LabError(
        f"{what} in {root}, or there is none",
        expected=f"lab {question.lab} and the same files of {question.scenario} on all workers",
        advice=f"bring this checkout to the worker's machine, at the same place or where {ROOT_VARIABLE} names it",
    )


def _require_local(endpoint: str) -> None:
    """Raise EngineError for an engine of another machine: a worker names and watches the machine that it runs on."""
    if on_another_machine(endpoint):
        raise EngineError(
            f"the engine of this worker is on another machine ({endpoint})",
            expected="an engine on the worker's own machine, which it names and watches",
            advice="start the worker on that machine",
        )
