"""The driver's own workers are processes: they come, end with the driver, and are missed when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from bench_cluster import WaitingBench
from cases import ROOT, lay_out, load
from reprolab.cluster import driver, own, session
from reprolab.cluster.half_trials import ASIDE
from reprolab.cluster.measurer import ClusterMeasurer
from reprolab.cluster.messages import Returned, TrialTask
from reprolab.core.errors import EngineError
from reprolab.core.waiting import wait_until
from reprolab.evidence.run_dir import RunDirectory
from reprolab.measure.cell import Cell
from reprolab.run.observer import RunObserver
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord

pytestmark = pytest.mark.slow

ENGINES = "unix:///none/1 unix:///none/2"
OLD, NEW = Cell("lamp", (("RELEASE", "0.9"),)), Cell("lamp")
QUIET = 'VARIANTS = {"documented": {}}\nPARALLEL = True\n'


class Lines(RunObserver):
    """Collects the lines of progress."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ended = 0

    def progress(self, message: str) -> None:
        self.lines.append(message)

    def trial_ends(self, record: TrialRecord) -> None:
        self.ended += 1


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """The small scenario, without load."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "scripts"), str(ROOT / "tests")]))
    small = load(tmp_path / "checkout")
    object.__setattr__(small.experiments["lamp"], "parallel", True)
    return small


@pytest.fixture
def measuring(scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Opens the measurer of a session whose trials wait."""

    @contextmanager
    def opened(
        observer: RunObserver,
        wait: float = 0.05,
        bench: type[WaitingBench] = WaitingBench,
        engines: str = ENGINES,
        root: Path = ROOT,
    ) -> Iterator[ClusterMeasurer]:
        results = tmp_path / "results" / ".workers"
        opening = partial(bench, wait, 100, str(results))
        real = driver.crew_of
        monkeypatch.setattr(driver, "crew_of", lambda *words: real(*words, opening))
        try:
            with session.measurer(root, scenario, observer, engines=engines, jobs=1) as lab:
                yield lab
        finally:
            monkeypatch.setattr(driver, "crew_of", real)

    return opened


def workers() -> dict[str, int]:
    """The worker processes of this process: command line -> process id."""
    processes = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = (path / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1]
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == str(os.getpid()) and b"reprolab.cluster.worker" in words:
            processes[path.name] = int(path.name)
    return processes


def test_each_engine_has_a_worker_that_ends_with_the_question(measuring: Callable[..., Any], tmp_path: Path) -> None:
    """Nothing of them stays."""
    observer = Lines()
    trials = count(4, 4)
    with measuring(observer) as lab:

        def hosts() -> set[str]:
            """Where trials ran until now, after some more of them: on a busy machine one worker comes much later."""
            number = next(trials)
            results = lab.measure({OLD: number, NEW: number}, [])
            return {record.host for result in results.values() for record in result.records}

        wait_until("both workers had trials", lambda: hosts() == {"local", "local-2"}, 120)
        assert len(workers()) == 2
    assert workers() == {}
    assert not list((tmp_path / "results" / ".workers").rglob("app.log.gz"))
    assert not list((tmp_path / "results").rglob(ASIDE)), observer.lines


def test_an_engine_behind_ssh_has_its_worker_there(
    measuring: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This ssh runs the command on this machine, where both ports are what they would be behind its tunnel."""
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@" >> "$0.log"\nfor last; do :; done\nexec sh -c "$last"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    (tmp_path / "checkout" / ".venv").symlink_to(sys.prefix)
    with measuring(Lines(), engines="ssh://me@lab2:2222", root=tmp_path / "checkout") as lab:
        (result,) = lab.measure({OLD: 2}, []).values()
    assert {record.host for record in result.records} == {"lab2"} and len(result.records) == 2
    assert " -p 2222 me@lab2 cd " in program.with_suffix(".log").read_text(encoding="utf-8")
    assert workers() == {}


def test_a_worker_that_is_killed_loses_its_trial_and_nothing_else(measuring: Callable[..., Any]) -> None:
    """The other one runs it; what it left is beside the trials."""
    observer = Lines()

    def kill() -> None:
        wait_until("two trials run", lambda: len(list(Path(os.environ["REPROLAB_RESULTS"]).rglob("app.log.gz"))) >= 2)
        os.kill(next(iter(workers().values())), signal.SIGKILL)

    with measuring(observer, wait=1.5) as lab:
        killer = threading.Thread(target=kill)
        killer.start()
        results = lab.measure({OLD: 2, NEW: 2}, [])
        killer.join()
    assert [len(result.records) for result in results.values()] == [2, 2]
    assert lab.trials_run == 4
    for result in results.values():
        assert RunDirectory(result.directory or Path()).checked_trials().faults == ()
    left = list(Path(os.environ["REPROLAB_RESULTS"]).rglob(f"{ASIDE}/*/app.log.gz"))
    assert len(left) == 1
    assert any("its process ended with status -9" in line for line in observer.lines), observer.lines
    assert any("is kept apart in" in line for line in observer.lines)


class DiesWhenSent(str):
    """The end of a process that sends it."""

    def __reduce__(self) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class DyingBench(WaitingBench):
    """The first worker that has a result dies while it sends it."""

    def trial(self, task: TrialTask, prepared: None) -> Returned:
        returned = super().trial(task, prepared)
        try:
            (Path(os.environ["REPROLAB_RESULTS"]).parent / "one has died").mkdir()
        except FileExistsError:
            return returned
        return replace(returned, path=DiesWhenSent(returned.path))


def test_a_result_that_is_lost_on_its_way_is_measured_again(measuring: Callable[..., Any]) -> None:
    """The trial had ended, but only its worker had it."""
    observer = Lines()
    with measuring(observer, bench=DyingBench) as lab:
        results = lab.measure({OLD: 2, NEW: 2}, [])
    assert [len(result.records) for result in results.values()] == [2, 2]
    assert lab.trials_run == observer.ended == 4
    assert any("its process ended with status -9" in line for line in observer.lines), observer.lines


def test_a_worker_that_stands_still_and_goes_on_later_counts_nothing_twice(
    measuring: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the scheduler it is as if its network were cut. Its trial ends after another worker has run it."""
    monkeypatch.setitem(own.SCHEDULER, "distributed.scheduler.worker-ttl", "2s")
    observer = Lines()
    results_root = Path(os.environ["REPROLAB_RESULTS"])
    with measuring(observer, wait=1.0) as lab:
        stopped: list[int] = []

        def stop() -> None:
            wait_until("two trials run", lambda: len(list(results_root.rglob("app.log.gz"))) >= 2)
            stopped.append(next(iter(workers().values())))
            os.kill(stopped[0], signal.SIGSTOP)

        def go_on() -> None:
            wait_until("the worker is given up", lambda: any("is used no more" in line for line in observer.lines), 40)
            os.kill(stopped[0], signal.SIGCONT)

        threads = [threading.Thread(target=stop), threading.Thread(target=go_on)]
        for thread in threads:
            thread.start()
        results = lab.measure({OLD: 4, NEW: 4}, [])
        for thread in threads:
            thread.join()
        wait_until("the late worker ends", lambda: len(workers()) == 1, 30)
    assert [len(result.records) for result in results.values()] == [4, 4]
    assert lab.trials_run == observer.ended == 8
    for result in results.values():
        assert RunDirectory(result.directory or Path()).checked_trials().faults == ()
    assert len(list(results_root.rglob(f"{ASIDE}/*/app.log.gz"))) == 1, observer.lines


def test_a_worker_that_cannot_start_is_named(measuring: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it printed."""
    monkeypatch.setattr(own.sys, "executable", "/bin/false")
    with pytest.raises(EngineError, match="no worker is left") as caught, measuring(Lines()) as lab:
        lab.measure({OLD: 1}, [])
    assert str(caught.value).count("its process ended with status 1") == 2


def test_the_workers_end_if_the_driver_is_killed(tmp_path: Path) -> None:
    """They notice the end of their input."""
    lay_out(tmp_path / "checkout", lamp=QUIET)
    script = tmp_path / "driver.py"
    script.write_text(DRIVER, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "REPROLAB_RESULTS": str(tmp_path / "results")}
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2 and all(Path(f"/proc/{pid}").exists() for pid in pids)
    finally:
        process.kill()
        process.wait()
    wait_until("the workers end", lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 20)


DRIVER = """
import sys, time
from functools import partial
from itertools import count
from pathlib import Path
from bench_cluster import WaitingBench, question_of, quiet_scenario
from reprolab.cluster.engines import NamedEngine
from reprolab.cluster.own import OwnWorkers, own_cluster

folder = Path(sys.argv[1])
workers = OwnWorkers(Path.cwd(), folder, [NamedEngine("a", "unix:///a"), NamedEngine("b", "unix:///b")], 1)
with own_cluster(workers) as client:
    client.wait_for_workers(2)
    print(*(process.pid for process in workers.processes.values()), flush=True)
    time.sleep(60)
"""


def test_nobody_else_can_use_the_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens on the loopback only, and refuses who has not the key."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "scripts"))
    workers_of_own = own.OwnWorkers(ROOT, tmp_path, [], 1)
    with own.own_cluster(workers_of_own) as client:
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        stranger = "from distributed import Client, Security; Client('{}://{}', timeout=2, security={})"
        for scheme, key in (("tcp", "None"), ("tls", "None"), ("tls", "Security.temporary()")):
            code = stranger.format(scheme, address.removeprefix("tls://"), key)
            finished = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
            assert finished.returncode != 0, key
