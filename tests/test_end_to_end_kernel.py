"""A run on another kernel: the same image, in a virtual machine that ends with the run."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import lab, output, read, run_directory, start, wait_for
from reprolab.core.errors import Exit
from reprolab.vm.engines import CACHE
from reprolab.vm.leftovers import PREFIX

pytestmark = [pytest.mark.docker, pytest.mark.alone]

# The engine has built its images for the tests of the case. The option fails on newer kernels only.
RUN = ("run", "reuse-port-unix", "--variant", "documented", "--trials", "1", "--kernel", "5.10")


def machines() -> Iterator[int]:
    """The processes of QEMU that run a machine of the lab."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = place.read_bytes()
        except OSError:
            continue
        if b"qemu-system" in command and PREFIX.encode() in command:
            yield int(place.parent.name)


def files(results: Path) -> list[Path]:
    """What a machine has on disk while it runs."""
    return [*Path(tempfile.gettempdir()).glob(f"{PREFIX}*"), *(results / CACHE).glob(f".{PREFIX}*")]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One results directory, whose cache has the parts of machines."""
    return tmp_path_factory.mktemp("kernel") / "results"


@pytest.mark.timeout(1800)
def test_the_same_image_serves_on_an_older_kernel(results: Path) -> None:
    """Linux 5.10 takes SO_REUSEPORT for a Unix socket; the kernels that refuse it are on record."""
    status, printed = lab(results, *RUN, limit=1500)
    assert status in (0, 1, 3), printed
    run = run_directory(results, "reuse-port-unix")
    host, verdict = read(run / "run.json")["host"], read(run / "verdict.json")
    assert host["kernel"].startswith("5.10."), host
    assert "virtual machine" in host["hardware"], host
    (claim,) = [row for row in verdict["claims"] if row["id"] == "RU-1"]
    counted = claim["variants"]["documented"]
    assert (counted["shown"], counted["trials"]) == (0, 1), printed
    assert list(machines()) == [] and files(results) == []


@pytest.mark.timeout(1800)
def test_a_machine_that_dies_in_mid_trial_takes_that_trial_with_it_only(results: Path) -> None:
    """Two machines are two hosts: the cell of the other one has its trial, and the question says what is gone."""
    axes = ("--over", "KERNEL=5.10,6.12", "--set", "GUNICORN=23.0.0", "--trials", "1")
    process = start(results, "matrix", "reuse-port-unix", *axes)
    begun = ".workers/vm-6.12*/cluster/*/start/*"
    wait_for("the trial of the newer kernel runs", lambda: list(results.glob(begun)), 1200)
    (newer,) = (pid for pid in machines() if b"kernels/6.12" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(newer, signal.SIGKILL)
    status, printed = process.wait(600), output(process)
    assert status == Exit.LAB_FAILED, printed
    assert "the virtual machine is gone: its process qemu-system-x86_64 ended with status -9" in printed
    assert "trial 1 of KERNEL=6.12" in printed and "was broken off" in printed and "Traceback" not in printed
    assert list((results / "cells/reuse-port-unix").glob("start/*/half-trials/1-*"))
    (table,) = (results / "matrix/reuse-port-unix").glob("2*/matrix.json")
    trials = {cell["coordinates"]["KERNEL"][:4]: cell.get("trials", 0) for cell in read(table)["cells"]}
    assert trials == {"5.10": 1, "6.12": 0}, printed
    assert list(machines()) == [] and files(results) == []


@pytest.mark.timeout(900)
def test_a_machine_ends_with_a_run_that_is_killed(results: Path) -> None:
    """Nobody is left who could end it."""
    process = start(results, *RUN)
    wait_for("a machine runs", lambda: list(machines()), 300)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for("the machine has ended", lambda: not list(machines()), 60)
    wait_for("its files are gone", lambda: not files(results), 60)
    assert "Traceback" not in output(process)
