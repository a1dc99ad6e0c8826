"""Cells on several workers: what goes where, what is done again, what is counted, what is kept apart."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import pytest
from cases import claim, load
from distributed import Client, LocalCluster
from reprolab.cluster import measurer as measurer_module
from reprolab.cluster.archive import pack
from reprolab.cluster.crew import Crew
from reprolab.cluster.dispatch import Dispatcher
from reprolab.cluster.driver import listen
from reprolab.cluster.half_trials import ASIDE
from reprolab.cluster.measurer import ClusterMeasurer
from reprolab.cluster.messages import (
    Built,
    Failure,
    Look,
    Place,
    Question,
    Refused,
    Returned,
    TrialTask,
    Why,
)
from reprolab.cluster.tasks import CloseWorkplaces, Opening
from reprolab.cluster.workplace import FOLDER, run_on
from reprolab.core.errors import EngineError, LabError, UsageError
from reprolab.core.waiting import wait_until
from reprolab.engine import elsewhere
from reprolab.engine.host_facts import Host
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import BuiltImage, Image
from reprolab.measure.cell import Cell
from reprolab.measure.key import package_difference
from reprolab.measure.store import CellStore
from reprolab.run.observer import RunObserver
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import CUSTOM, Scenario
from reprolab.scenario.trial import TrialRecord

OLD, NEW, ODD = Cell("lamp", (("RELEASE", "0.9"),)), Cell("lamp"), Cell("lamp", (("WORKERS", "3"),))
CLAIM = claim(shows=["custom"])
FLASK = {"blink-app": {"pip": {"flask": "2.0"}}}


def key_of(cell: Cell) -> str:
    """A key for a cell, which is the same on all workers."""
    return f"key-of-{'-'.join(value for _, value in cell.changes)}"


@dataclass
class Lab:
    """What the workers of a test do. ``does`` is called for each trial: (name of the worker, task).

    ``log`` has a row for each trial that began: worker, cell, number; ``most`` is boot -> most loads at once.
    """

    results: Path
    does: Callable[[str, TrialTask], object] = lambda name, task: None
    boots: dict[str, str] = field(default_factory=dict)
    packages: dict[str, Any] = field(default_factory=dict)
    looks: Callable[[str, Cell], Look] = lambda name, cell: Look(cell, key_of(cell))
    log: list[tuple[str, Cell, int]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    silent: dict[str, Callable[[str], None]] = field(default_factory=dict)
    loads: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ran(self, name: str) -> list[tuple[Cell, int]]:
        """The trials that began on a worker."""
        return [(cell, number) for worker, cell, number in self.log if worker == name]


LABS: dict[str, Lab] = {}


class FakeBench:
    """A workplace whose trials end as the test says, each with a file of evidence."""

    def __init__(self, question: Question, name: str, report: Any, silent: Any) -> None:
        self.lab, self.name = LABS[question.id], name
        self.lab.silent[name] = silent
        trials = self.lab.results / name / FOLDER / question.id
        self.place = Place(name, self.lab.boots.get(name, name), str(trials), Host(kernel=f"kernel of {name}"))
        report("ready")
        if self.lab.boots.get(name) == "refuses":
            raise EngineError("no engine answers")

    def look(self, cells: Sequence[Cell]) -> list[Look]:
        return [self.lab.looks(self.name, cell) for cell in cells]

    def build(self, cell: Cell) -> Built:
        return self._built()

    def _built(self) -> Built:
        packages = self.lab.packages.get(self.name, FLASK)["blink-app"]
        return Built({"blink-app": BuiltImage(Image("app:1", f"sha256:{self.name}"), packages)}, {})

    def prepare(self, task: TrialTask) -> Refused | None:
        difference = package_difference(task.packages, {k: v.packages for k, v in self._built().images.items()})
        return Refused(Why.PACKAGES, difference) if task.packages and difference else None

    def trial(self, task: TrialTask, prepared: Any) -> Returned | Failure | Refused:
        evidence = run_on(self.place, task.cell, task.key).trial("lamp", CUSTOM, task.number)
        evidence.write("driven.json", {"worker": self.name})
        boot = self.place.boot
        with self.lab.lock:
            self.lab.log.append((self.name, task.cell, task.number))
            self.lab.loads[boot] = self.lab.loads.get(boot, 0) + 1
            self.lab.most[boot] = max(self.lab.most.get(boot, 0), self.lab.loads[boot])
        try:
            outcome = self.lab.does(self.name, task)
        except LabError as error:
            return Failure.of(error, pack(evidence.path))
        finally:
            with self.lab.lock:
                self.lab.loads[boot] -= 1
        if isinstance(outcome, Refused):
            return outcome
        record = TrialRecord("lamp", CUSTOM, task.number, task.cell.settings, {"blinked": outcome is not False})
        return Returned(record, pack(evidence.path), self._built(), str(evidence.path))

    def forget(self, paths: Sequence[str]) -> None:
        for path in paths:
            Path(path).joinpath("driven.json").unlink(missing_ok=True)

    def close(self) -> None:
        self.lab.closed.append(self.name)


@dataclass
class Lines(RunObserver):
    """Collects the lines of progress and the trials."""

    lines: list[str] = field(default_factory=list)
    records: list[TrialRecord] = field(default_factory=list)

    def progress(self, message: str) -> None:
        self.lines.append(message)

    def trial_ends(self, record: TrialRecord) -> None:
        self.records.append(record)


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """The small scenario."""
    return load(tmp_path / "checkout")


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    """Three workers in this process, named 0, 1 and 2."""
    with dask.config.set({"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}):
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        with LocalCluster(
            n_workers=3, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0", memory_limit=0
        ) as local:
            yield local


@dataclass
class Driver:
    """A measurer on the fake workers, with what it was told and what they did."""

    measurer: ClusterMeasurer
    lab: Lab
    observer: Lines

    def measure(self, wanted: dict[Cell, int]) -> dict[Cell, str]:
        """Counts of the claim in each cell."""
        return {cell: result.count(CLAIM).words for cell, result in self.measurer.measure(wanted, [CLAIM]).items()}

    def kept(self, cell: Cell = OLD) -> RunDirectory:
        """The directory of a cell."""
        directory = self.measurer.measure({cell: 1}, [CLAIM])[cell].directory
        assert directory
        return RunDirectory(directory)


@pytest.fixture
def driver(cluster: LocalCluster, scenario: Scenario, tmp_path: Path) -> Iterator[Callable[..., Driver]]:
    """Makes drivers of the cluster, each with a question of its own."""
    with Client(cluster, set_as_default=False) as client:

        def make(load: bool = False, **options: Any) -> Driver:
            lab = Lab(tmp_path / "workers", **{k: options.pop(k) for k in list(options) if k in Lab.__annotations__})
            jobs, case = options.pop("jobs", 2), case_digest(scenario.directory)
            question = Question(f"q{len(LABS)}", "", "blink", case, version("reprolab"), jobs)
            LABS[question.id] = lab
            observer = Lines()
            crew = Crew(client, Opening(question, FakeBench), observer.progress)
            listen(client, crew)
            client.register_plugin(CloseWorkplaces(question.id))
            store = CellStore(tmp_path / "results", scenario)
            at_once = options.pop("at_once", 2)
            object.__setattr__(scenario.experiments["lamp"], "parallel", not load)
            return Driver(
                ClusterMeasurer(scenario, store, Dispatcher(crew, at_once), observer, **options), lab, observer
            )

        yield make


def test_the_store_is_the_same_as_from_one_machine(driver: Callable[..., Driver]) -> None:
    """Numbers without gaps, evidence in place, no fault; each trial names its host, and run.json has all of them."""
    lab = driver(block_of=lambda cell: cell)
    assert lab.measure({OLD: 6, NEW: 6}) == {OLD: "6/6", NEW: "6/6"}
    assert (lab.measurer.trials_run, lab.measurer.trials_kept, len(lab.observer.records)) == (12, 0, 12)
    run = lab.kept()
    checked = run.checked_trials()
    assert (sorted(record.trial for record in checked.records), checked.faults) == ([1, 2, 3, 4, 5, 6], ())
    for record in checked.records:
        evidence = run.trial("lamp", CUSTOM, record.trial).path / "driven.json"
        assert evidence.read_text(encoding="utf-8").split('"')[3] == record.host
    info = run.info()
    assert set(info.hosts) == {record.host for record in checked.records}
    assert {name: host.host.kernel for name, host in info.hosts.items()} == {n: f"kernel of {n}" for n in info.hosts}
    assert info.packages == {f"{CUSTOM}/blink-app": FLASK["blink-app"]}
    assert (info.status, info.plan[0].trials) == ("complete", 6)


def test_what_was_measured_is_not_measured_again(driver: Callable[..., Driver]) -> None:
    """Whichever of the hosts it was; with `fresh` it is, and nothing is lost."""
    driver().measure({OLD: 2})
    again = driver()
    assert again.measure({OLD: 3}) == {OLD: "3/3"}
    assert (again.measurer.trials_run, again.measurer.trials_kept) == (1, 2)
    anew = driver(fresh=True)
    assert anew.measure({OLD: 1}) == {OLD: "1/1"}
    assert sorted(record.trial for record in anew.kept().trials()) == [1, 2, 3, 4]


def test_a_round_of_compared_cells_stays_on_one_host(driver: Callable[..., Driver]) -> None:
    """With as many rounds as hosts, each host has one trial of each cell."""
    lab = driver(does=lambda name, task: time.sleep(0.05), at_once=1)
    lab.measure({OLD: 3, NEW: 3, ODD: 3})
    for number in (1, 2, 3):
        assert len({worker for worker, _, trial in lab.lab.log if trial == number}) == 1, lab.lab.log
    assert len({worker for worker, _, _ in lab.lab.log}) == 3


def ignored(*given: Any) -> None:
    """Does nothing."""


def test_a_cell_of_a_kernel_runs_on_its_machine_only(
    driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell without a kernel runs on the engine in use, which is the first; its machine may be the busiest."""
    monkeypatch.setattr(measurer_module, "vm_name", lambda kernel: kernel)
    first = SimpleNamespace(first="0", build=ignored, share=ignored)
    lab = driver(by_kernel=True, sharer=first, at_once=1)
    one, two = (Cell("lamp", (("KERNEL", name),)) for name in "12")
    both = Cell("lamp", (("WORKERS", "3"), ("KERNEL", "2")))
    assert lab.measure({one: 3, two: 2, both: 1, NEW: 2}) == {one: "3/3", two: "2/2", both: "1/1", NEW: "2/2"}
    assert set(lab.lab.ran("1")) == {(one, 1), (one, 2), (one, 3)}
    assert set(lab.lab.ran("2")) == {(two, 1), (two, 2), (both, 1)}
    assert set(lab.lab.ran("0")) == {(NEW, 1), (NEW, 2)}


def test_a_machine_is_required_only_when_its_kernel_is_asked(
    driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For trials that were kept it is not needed."""
    monkeypatch.setattr(measurer_module, "vm_name", lambda kernel: kernel)
    events: list[Any] = []
    first = SimpleNamespace(
        first="0", build=lambda *given: events.append("build"), share=lambda *given: events.append("share")
    )
    one, two = (Cell("lamp", (("KERNEL", name),)) for name in "12")
    lab = driver(by_kernel=True, sharer=first, require_kernels=events.append)
    lab.measure({one: 2})
    assert events == ["build", ["1"], "share"], "a machine that starts has the images that were built"
    lab.measure({one: 2, two: 1})
    assert events[3:] == ["build", ["2"], "share"]
    again = driver(by_kernel=True, sharer=first, require_kernels=events.append)
    again.measure({one: 2, two: 1})
    assert len(events) == 6


def test_without_its_machine_a_cell_of_a_kernel_is_an_error(
    driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other machine may run it instead. The cells of the others are measured before, or in the next question."""
    monkeypatch.setattr(measurer_module, "vm_name", lambda kernel: kernel)
    first = SimpleNamespace(first="0", build=ignored, share=ignored)
    lab = driver(by_kernel=True, sharer=first, boots={"1": "refuses"})
    with pytest.raises(LabError, match=r"KERNEL=1 runs on no worker:\n  1: no engine answers"):
        lab.measure({Cell("lamp", (("KERNEL", "1"),)): 1})
    assert lab.lab.log == []


def test_trials_with_load_never_share_a_machine(driver: Callable[..., Driver]) -> None:
    """Two workers have the same boot: together they run one at a time. The third runs beside them."""
    lab = driver(load=True, boots={"0": "a", "1": "a", "2": "b"}, does=lambda name, task: time.sleep(0.05))
    lab.measurer.block_of = lambda cell: cell
    lab.measure({OLD: 4, NEW: 4, ODD: 4})
    assert lab.lab.most == {"a": 1, "b": 1}
    assert len(lab.lab.log) == 12


def test_loads_of_two_drivers_never_share_a_machine(driver: Callable[..., Driver]) -> None:
    """The drivers know nothing of each other; the lease of the machine is the scheduler's."""
    running: list[str] = []
    most: list[int] = []

    def does(name: str, task: TrialTask) -> None:
        running.append(name)
        most.append(len(running))
        time.sleep(0.1)
        running.remove(name)

    options: dict[str, Any] = {"load": True, "boots": dict.fromkeys("012", "same machine"), "does": does}
    first, second = driver(**options), driver(**options, fresh=True)
    other = threading.Thread(target=second.measure, args=({NEW: 3},))
    other.start()
    first.measure({OLD: 3})
    other.join()
    assert len(most) == 6 and set(most) == {1}


def test_trials_without_load_run_side_by_side(driver: Callable[..., Driver]) -> None:
    """As many on a worker as it may, however many its machine has."""
    lab = driver(boots=dict.fromkeys("012", "same"), does=lambda name, task: time.sleep(0.2))
    lab.measurer.block_of = lambda cell: cell
    lab.measure({OLD: 6, NEW: 6})
    assert 3 < lab.lab.most["same"] <= 6


@pytest.mark.parametrize(("processors", "most"), [("2", {1}), ("1", {1, 2})])
def test_trials_in_virtual_machines_have_no_more_processors_than_this_machine(
    processors: str, most: set[int], driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each machine is a host of its own, and all use the processors of this one."""
    monkeypatch.setenv(elsewhere.KERNEL, "5.10.223")
    monkeypatch.setenv("REPROLAB_VM_CPUS", processors)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    running: list[str] = []
    seen: set[int] = set()

    def does(name: str, task: TrialTask) -> None:
        running.append(name)
        seen.add(len(running))
        time.sleep(0.1)
        running.remove(name)

    driver(jobs=1, at_once=1, does=does, block_of=lambda cell: cell).measure({OLD: 3, NEW: 3})
    assert seen == most


def test_the_trial_of_an_engine_that_fails_goes_to_another_worker(driver: Callable[..., Driver]) -> None:
    """It is counted once, the worker gets no other trial, and what it left is kept apart."""

    def does(name: str, task: TrialTask) -> None:
        if name == "1":
            raise EngineError("the engine stopped answering")
        time.sleep(0.05)

    lab = driver(does=does, at_once=1, block_of=lambda cell: cell)
    assert lab.measure({OLD: 3, NEW: 3}) == {OLD: "3/3", NEW: "3/3"}
    assert len(lab.lab.ran("1")) == 1
    (cell, number), run = lab.lab.ran("1")[0], None
    run = lab.kept(cell)
    assert sorted(record.trial for record in run.trials()) == [1, 2, 3]
    assert run.checked_trials().faults == ()
    left = run.path / ASIDE / f"{number}-1" / "driven.json"
    assert '"1"' in left.read_text(encoding="utf-8")
    assert any("was broken off on 1 (the engine stopped answering)" in line for line in lab.observer.lines)


def test_the_trials_of_a_worker_that_dies_go_to_others(driver: Callable[..., Driver], cluster: LocalCluster) -> None:
    """Also where its task has not ended: its result would come from nowhere."""
    released = threading.Event()

    def does(name: str, task: TrialTask) -> None:
        if name == "2":
            threading.Thread(target=lambda: cluster.sync(cluster.workers[2].close, executor_wait=False)).start()
            released.wait(20)

    lab = driver(does=does, at_once=1, block_of=lambda cell: cell)
    try:
        assert lab.measure({OLD: 2, NEW: 2, ODD: 2}) == {OLD: "2/2", NEW: "2/2", ODD: "2/2"}
    finally:
        released.set()
    assert len(lab.lab.ran("2")) == 1
    assert lab.measurer.trials_run == 6
    assert any(line.startswith("2 is used no more") for line in lab.observer.lines)


def test_an_engine_that_is_silent_loses_its_trial(driver: Callable[..., Driver]) -> None:
    """A request to it may never end, so the worker's task does not."""
    released = threading.Event()

    def does(name: str, task: TrialTask) -> None:
        if name == "0":
            lab.lab.silent[name]("the engine does not answer: no answer within 5 s")
            released.wait(20)

    lab = driver(does=does, at_once=1, block_of=lambda cell: cell)
    try:
        assert lab.measure({OLD: 3, NEW: 3}) == {OLD: "3/3", NEW: "3/3"}
    finally:
        released.set()
    assert any("0 is used no more: the engine does not answer" in line for line in lab.observer.lines)


def test_a_trial_that_fails_on_several_workers_is_an_error_that_names_them(driver: Callable[..., Driver]) -> None:
    """It is no property of a cell."""

    def does(name: str, task: TrialTask) -> None:
        raise LabError(f"the disk of {name} is full")

    with pytest.raises(LabError) as caught:
        driver(does=does).measure({OLD: 1})
    text = str(caught.value)
    assert "trial 1 of RELEASE=0.9 failed on 3 workers" in text
    assert all(f"{name}: the disk of {name} is full" in text for name in "012")


def test_without_a_worker_the_question_ends(driver: Callable[..., Driver]) -> None:
    """All are named with their reasons."""
    with pytest.raises(EngineError, match="no worker is left") as caught:
        driver(boots=dict.fromkeys("012", "refuses")).measure({OLD: 1})
    assert str(caught.value).count("no engine answers") == 3


def test_an_engine_that_fails_everywhere_ends_the_question(driver: Callable[..., Driver]) -> None:
    """The last worker has no other to hand its trial to."""

    def does(name: str, task: TrialTask) -> None:
        raise EngineError("the engine stopped answering")

    with pytest.raises(LabError) as caught:
        driver(does=does, at_once=1).measure({OLD: 1})
    assert all(f"  {name}: the engine stopped answering" in str(caught.value) for name in "012")


def test_a_mistake_of_the_user_ends_the_question_at_once(driver: Callable[..., Driver]) -> None:
    """It would be the same everywhere."""

    def does(name: str, task: TrialTask) -> None:
        raise UsageError("no such factor")

    lab = driver(does=does)
    with pytest.raises(UsageError, match="no such factor"):
        lab.measure({OLD: 1})
    assert len(lab.lab.log) == 1


def test_an_error_in_the_labs_code_is_named(driver: Callable[..., Driver]) -> None:
    """With its type."""

    def does(name: str, task: TrialTask) -> None:
        raise ZeroDivisionError("division by zero")

    with pytest.raises(LabError, match="ZeroDivisionError: division by zero"):
        driver(does=does).measure({OLD: 1})


def test_two_workers_that_cannot_build_a_cell_are_enough(driver: Callable[..., Driver]) -> None:
    """It has an obstacle then; one might have lost its network. The other cells are measured."""

    def does(name: str, task: TrialTask) -> Refused | None:
        return Refused(Why.BUILD, "image build failed: no such release") if task.cell == ODD else None

    lab = driver(does=does)
    results = lab.measurer.measure({OLD: 2, ODD: 2}, [CLAIM])
    assert results[OLD].count(CLAIM).words == "2/2"
    assert (results[ODD].obstacle, results[ODD].records) == ("image build failed: no such release", ())
    # A third one may have begun before the second has refused.
    assert len({worker for worker, cell, _ in lab.lab.log if cell == ODD}) >= 2


def test_what_one_machine_lacks_another_may_have(driver: Callable[..., Driver]) -> None:
    """Only a cell that no machine can run has an obstacle."""

    def looks(name: str, cell: Cell) -> Look:
        return Look(
            cell, "key" if name == "2" and cell == OLD else "", "" if name == "2" and cell == OLD else "no IPv6"
        )

    def does(name: str, task: TrialTask) -> Refused | None:
        return None if name == "2" else Refused(Why.LACKS, "no IPv6")

    lab = driver(looks=looks, does=does)
    results = lab.measurer.measure({OLD: 2, ODD: 2}, [CLAIM])
    assert (results[OLD].count(CLAIM).words, {record.host for record in results[OLD].records}) == ("2/2", {"2"})
    assert results[ODD].obstacle == "no IPv6"


def test_trials_with_other_packages_are_not_added_up(driver: Callable[..., Driver]) -> None:
    """A worker whose image has another release of a package runs no trial of the cell; it is named once."""
    lab = driver(packages={"1": {"blink-app": {"pip": {"flask": "2.1"}}}}, does=lambda name, task: time.sleep(0.05))
    lab.measurer.block_of = lambda cell: cell
    lab.measure({OLD: 6})
    hosts = {record.host for record in lab.kept().trials()}
    assert hosts == {"1"} or "1" not in hosts
    info = lab.kept().info()
    assert len(info.packages[f"{CUSTOM}/blink-app"]["pip"]) == 1


def test_a_cell_whose_packages_have_changed_everywhere_is_measured_anew(driver: Callable[..., Driver]) -> None:
    """Its old trials stay, and do not count."""
    driver().measure({OLD: 2})
    newer = {name: {"blink-app": {"pip": {"flask": "2.1"}}} for name in "012"}
    lab = driver(packages=newer)
    assert lab.measure({OLD: 3}) == {OLD: "3/3"}
    assert (lab.measurer.trials_run, lab.measurer.trials_kept) == (3, 0)
    assert lab.kept().path.name == "key-of-0.9-2"
    assert any("it is measured anew" in line for line in lab.observer.lines)


def test_an_interrupt_ends_the_question_and_keeps_the_trials(driver: Callable[..., Driver]) -> None:
    """The rest is done by the next question; numbers that were given out are not faults."""
    lab = driver(does=lambda name, task: time.sleep({1: 0, 2: 1, 3: 0.3}[task.number]), at_once=1)
    lab.measurer.block_of = lambda cell: cell
    lab.observer.trial_ends = lambda record: _interrupt(record, 3)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        lab.measure({OLD: 3})
    later = driver()
    assert later.measure({OLD: 3}) == {OLD: "3/3"}
    assert (later.measurer.trials_kept, later.measurer.trials_run) == (2, 1)
    assert later.kept().checked_trials().faults == ()
    assert later.kept().info().plan[0].skipped == (2,)


def _interrupt(record: TrialRecord, number: int) -> None:
    if record.trial == number:
        raise KeyboardInterrupt


def test_workers_forget_what_the_driver_has(driver: Callable[..., Driver]) -> None:
    """Else a worker's disk would fill up."""
    lab = driver(at_once=1)
    lab.measure({OLD: 9})
    left = list(lab.lab.results.rglob("driven.json"))
    assert len(left) <= 3


def test_the_lines_of_the_workers_are_shown(driver: Callable[..., Driver]) -> None:
    """With their names."""
    lab = driver()
    lab.measure({OLD: 3})
    deadline = time.monotonic() + 5
    while not any(line.endswith(": ready") for line in lab.observer.lines) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert {"0: ready", "1: ready", "2: ready"} & set(lab.observer.lines)


def test_a_result_that_comes_twice_counts_once(driver: Callable[..., Driver]) -> None:
    """Whatever sends it again, the driver takes a task from its list with its first result."""
    lab = driver()
    crew = lab.measurer.dispatcher.crew
    submit = crew.submit

    def twice(*words: Any) -> Any:
        future = submit(*words)
        future.add_done_callback(lambda _: crew.done.put((future, future.result())))
        return future

    crew.submit = twice  # type: ignore[method-assign]
    assert lab.measure({OLD: 3, NEW: 3}) == {OLD: "3/3", NEW: "3/3"}
    assert lab.measurer.trials_run == len(lab.observer.records) == 6
    assert lab.kept().checked_trials().faults == ()


def test_the_late_result_of_a_worker_that_was_given_up_does_not_count(driver: Callable[..., Driver]) -> None:
    """The same number has been given to another worker."""
    ended = threading.Event()

    def again(task: TrialTask) -> bool:
        return [row[1:] for row in lab.lab.log].count((task.cell, task.number)) == 2

    def does(name: str, task: TrialTask) -> None:
        if name == "0":
            lab.lab.silent[name]("the engine does not answer")
            wait_until("another worker has the trial", lambda: again(task), 20)
            ended.set()
        elif again(task):
            # The question goes on until the late result is there.
            ended.wait(20)
            time.sleep(0.3)

    lab = driver(does=does, at_once=1, block_of=lambda cell: cell)
    assert lab.measure({OLD: 2, NEW: 2, ODD: 2}) == {OLD: "2/2", NEW: "2/2", ODD: "2/2"}
    assert ended.is_set() and len(lab.observer.records) == 6
    assert len(lab.lab.log) == 7
