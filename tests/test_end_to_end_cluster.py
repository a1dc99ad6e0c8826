"""Cells on two real engines: the one in use, and a second dockerd in a network namespace that stands for a machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from chaos.attempt import CASE, lay_out
from chaos.engine import HERE, THERE, UPLINK, SpareEngine, link, spare_engine
from lab import engine
from reprolab.baseimage import fallback
from reprolab.baseimage.resolve import Policy, resolve_base
from reprolab.cluster.messages import Built, Question
from reprolab.cluster.session import measurer
from reprolab.cluster.workplace import FOLDER, Workplace
from reprolab.core.waiting import wait_until
from reprolab.engine.detect import ensure_engine
from reprolab.engine.image_copy import copy_images
from reprolab.engine.images import listed_images
from reprolab.engine.labels import OBJECT, TRIAL
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import BuiltImage
from reprolab.measure.cell import Cell
from reprolab.measure.session import measurer as local_measurer
from reprolab.run.observer import RunObserver
from reprolab.scenario import loader
from reprolab.scenario.digest import case_digest, lab_identity

pytestmark = [pytest.mark.docker, pytest.mark.alone]

FAILS, SOUND = Cell("failing"), Cell("failing", (("FAILS", "no"),))


class Lines(RunObserver):
    """Collects the lines of progress."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def progress(self, message: str) -> None:
        self.lines.append(message)


@contextmanager
def program(
    folder: Path, *words: str, prefix: tuple[str, ...] = (), **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A program of dask, while the block runs."""
    with (folder / f"{words[0]}-{len(list(folder.glob('*.log')))}.log").open("wb") as log:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]],
            env={**os.environ, **environ},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class TwoHosts:
    """A checkout with the small case, whose images are ``built``; ``second`` stands for another machine."""

    checkout: Path
    second: SpareEngine
    built: Built

    @contextmanager
    def scheduler(self, folder: Path) -> Iterator[str]:
        """A scheduler with two workers, each with its own engine; yields its address."""
        address = f"tcp://{HERE}:18786"
        common = ("--nthreads", "2", "--no-nanny", "--no-dashboard", "--memory-limit", "0")
        root = {"REPROLAB_ROOT": str(self.checkout), "REPROLAB_ENGINE": "external"}
        there = {**root, "DOCKER_HOST": self.second.host, "REPROLAB_RESULTS": str(folder / "second")}
        with ExitStack() as stack:
            scheduler = ("scheduler", "--host", HERE, "--port", "18786", "--no-dashboard")
            stack.enter_context(program(folder, *scheduler, DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="2s"))
            first = ("worker", address, *common, "--name", "first", "--host", HERE)
            stack.enter_context(program(folder, *first, **root, REPROLAB_RESULTS=str(folder / "first")))
            other = ("worker", address, *common, "--name", "second", "--host", THERE)
            stack.enter_context(program(folder, *other, prefix=self.second.prefix, **there))
            yield address

    def in_a_trial(self, folder: Path) -> None:
        """Return when a trial runs on the second host."""
        client = self.second.client()
        trial = {"label": f"{OBJECT}={TRIAL}"}
        wait_until(
            "a trial's stack runs there",
            lambda: len(client.containers.list(ignore_removed=True, filters=trial)) >= 2,
            90,
        )
        wait_until("its evidence has begun", lambda: list((folder / "second" / FOLDER).rglob("compose.json")), 30)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoHosts]:
    """Two engines in two network namespaces."""
    if os.geteuid() != 0:
        pytest.fail("a second dockerd needs root")
    folder = tmp_path_factory.mktemp("hosts")
    lay_out(folder / "checkout")
    scenario = loader.load(folder / "checkout", CASE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPROLAB_RESULTS", str(folder / "results"))
        with local_measurer(folder / "checkout", scenario, RunObserver()) as local:
            results = local.measure({FAILS: 1, SOUND: 1}, scenario.claims[:1])
    (info, *_) = [RunDirectory(result.directory or folder).info() for result in results.values()]
    (images,) = info.images.values()
    built = Built({name: BuiltImage(image) for name, image in images.items()}, info.bases)
    # A base that was made on this host is looked up with the one of Debian that it was made from.
    tags = {
        tag for image in listed_images(engine()) for tag in image.tags if tag.startswith(f"{fallback.NAME}/debian:")
    }
    tags |= {image.reference for image in images.values()} | {base.reference or "" for base in info.bases.values()}
    with spare_engine(sorted(tags)) as second, link(second):
        yield TwoHosts(folder / "checkout", second, built)


def measured(hosts: TwoHosts, folder: Path, fault: Callable[[], None]) -> list[str]:
    """Measure two cells on both hosts while something happens, and check them; returns the lines of progress."""
    scenario = loader.load(hosts.checkout, CASE)
    claim, observer = scenario.claims[0], Lines()
    with ThreadPoolExecutor(1) as pool, hosts.scheduler(folder) as scheduler:
        ended = pool.submit(fault)
        with measurer(hosts.checkout, scenario, observer, scheduler=scheduler, jobs=1, fresh=True) as lab:
            lab.block_of = lambda cell: cell
            results = lab.measure({FAILS: 2, SOUND: 2}, [claim])
            ended.result()
    assert [results[cell].count(claim).words for cell in (FAILS, SOUND)] == ["2/2", "0/2"], observer.lines
    assert lab.trials_run == 4
    for result in results.values():
        run = RunDirectory(result.directory or folder)
        assert run.checked_trials().faults == ()
        assert {record.host for record in result.records} <= {"first", "second"}
        assert all(record.machine and record.machine["boot"] for record in result.records)
        assert all(next(run.trial("failing", "custom", record.trial).streams("app")) for record in result.records)
    return observer.lines


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of results of a test."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def test_the_trial_of_a_host_whose_network_is_cut_runs_elsewhere(
    hosts: TwoHosts, tmp_path: Path, results: Path
) -> None:
    """Its own trial goes on meanwhile, and ends when the network is there again: that result does not count."""

    def cut() -> None:
        hosts.in_a_trial(tmp_path)
        subprocess.run([*hosts.second.prefix, "ip", "link", "set", UPLINK, "down"], check=True)
        try:
            wait_until(
                "its trial has ended", lambda: not hosts.second.client().containers.list(ignore_removed=True), 60
            )
            time.sleep(12)  # until the scheduler has given it up
        finally:
            subprocess.run([*hosts.second.prefix, "ip", "link", "set", UPLINK, "up"], check=True)

    lines = measured(hosts, tmp_path, cut)
    assert any(line.startswith("second is used no more: the scheduler has lost it") for line in lines), lines
    assert any("was broken off on second" in line and "stays on its machine" in line for line in lines), lines


def test_an_engine_that_is_killed_in_a_trial_costs_nothing_but_time(
    hosts: TwoHosts, tmp_path: Path, results: Path
) -> None:
    """The other engine runs the trial, and the half trial is kept apart."""

    def kill() -> None:
        hosts.in_a_trial(tmp_path)
        hosts.second.signal(signal.SIGKILL)

    try:
        lines = measured(hosts, tmp_path, kill)
    finally:
        hosts.second.restore()
    for container in hosts.second.client().containers.list(all=True, ignore_removed=True):
        container.remove(force=True)
    assert any(line.startswith("second is used no more") for line in lines), lines
    assert any("was broken off on second" in line for line in lines), lines
    half = list(results.rglob("half-trials/*-second"))
    assert half and all((path / "compose.json").exists() for path in half)
    left = engine().containers.list(all=True, ignore_removed=True, filters={"label": "reprolab.scenario=chaos"})
    assert left == []


def test_the_lab_starts_a_worker_for_an_engine_that_is_named(hosts: TwoHosts, tmp_path: Path, results: Path) -> None:
    """It runs a trial as the lab without workers does, and leaves neither process nor stack."""
    scenario = loader.load(hosts.checkout, CASE)
    with measurer(hosts.checkout, scenario, Lines(), engines=ensure_engine(print).host, jobs=1) as lab:
        (result,) = lab.measure({FAILS: 1}, scenario.claims[:1]).values()
    assert [(record.host, record.valid) for record in result.records] == [("local", True)]
    assert result.count(scenario.claims[0]).words == "1/1"
    assert engine().containers.list(all=True, ignore_removed=True, filters={"label": "reprolab.scenario=chaos"}) == []


def test_an_engine_uses_the_images_of_another_one(
    hosts: TwoHosts, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the same ones then, and takes their base for its own."""
    client = hosts.second.client()
    (official, base), *_ = hosts.built.bases.items()
    image, *_ = (built.image for built in hosts.built.images.values())
    assert base.reference
    client.images.remove(image.reference, force=True)
    client.images.remove(base.reference, force=True)
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", hosts.second.host)
        patch.setenv("REPROLAB_ROOT", str(hosts.checkout))
        scenario = loader.load(hosts.checkout, CASE)
        question = Question("q", str(hosts.checkout), CASE, case_digest(scenario.directory), lab_identity())
        place = Workplace.open(question, "second", print, print)
    lacking = place.adopt([hosts.built])
    assert {image.reference, base.reference} <= set(lacking)
    copy_images("docker", ensure_engine(print).host, hosts.second.host, lacking)
    assert place.adopt([hosts.built]) == []
    place.close()
    assert client.images.get(image.reference).id == image.id
    found = resolve_base(official, client, policy=Policy.AUTO, on_progress=pytest.fail)
    assert (found.reference, found.image_id) == (base.reference, base.id)
