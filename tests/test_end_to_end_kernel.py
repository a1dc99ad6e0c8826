"""A run on another kernel: the same image, in a virtual machine that ends with the run."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import lab, output, read, run_directory, start, wait_for
from reprolab.vm.engines import CACHE
from reprolab.vm.leftovers import OWNER, PREFIX, temporary

pytestmark = [pytest.mark.docker, pytest.mark.alone]

# The engine has built its images for the tests of the case. The option fails on newer kernels only.
RUN = ("run", "reuse-port-unix", "--variant", "documented", "--kernel", "5.10")


def machines(results: Path) -> Iterator[int]:
    """The processes of QEMU that run a machine with these results, whose cache has its kernel."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = place.read_bytes()
        except OSError:
            continue
        if b"qemu-system" in command and bytes(results / CACHE) in command:
            yield int(place.parent.name)


def files(results: Path) -> list[Path]:
    """What the machines with these results have on disk while they run."""
    places = (path.parent for path in temporary().glob(f"{PREFIX}*/{OWNER}") if str(results) in path.read_text())
    return [*places, *(results / CACHE).glob(f".{PREFIX}*")]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One results directory, whose cache has the parts of machines."""
    return tmp_path_factory.mktemp("kernel") / "results"


@pytest.mark.timeout(1800)
def test_the_same_image_serves_on_an_older_kernel(results: Path) -> None:
    """Linux 5.10 takes SO_REUSEPORT for a Unix socket; the kernels that refuse it are on record.

    Where the machine is slow, a first request may wait for too long: then that trial is invalid.
    """
    status, printed = lab(results, *RUN, "--trials", "4", limit=1500)
    assert status in (0, 1, 3), printed
    run = run_directory(results, "reuse-port-unix")
    host, verdict = read(run / "run.json")["host"], read(run / "verdict.json")
    assert re.fullmatch(r"5\.10\.\d+ \(5\.10\.0-\d+-cloud-amd64\)", host["kernel"]), host
    assert " into the engine of " not in printed, "the machine had the images when it started"
    assert "virtual machine" in host["hardware"], host
    (claim,) = [row for row in verdict["claims"] if row["id"] == "RU-1"]
    counted = claim["variants"]["documented"]
    assert (counted["shown"], counted["trials"] > 0) == (0, True), printed
    assert list(machines(results)) == [] and files(results) == []


@pytest.mark.timeout(900)
def test_a_machine_ends_with_a_run_that_is_killed(results: Path) -> None:
    """Nobody is left who could end it."""
    process = start(results, *RUN)
    wait_for("a machine runs", lambda: list(machines(results)), 300)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for("the machine has ended", lambda: not list(machines(results)), 60)
    wait_for("its files are gone", lambda: not files(results), 60)
    assert "Traceback" not in output(process)
