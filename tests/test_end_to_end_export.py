"""Reproducers, unpacked elsewhere and run without the lab, decide variant and control as the lab did."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cases import ROOT, having
from lab import base, engine, read
from reprolab.baseimage import cpython
from reprolab.core.subprocesses import run
from reprolab.engine.detect import compose_command, ensure_engine
from reprolab.engine.images import listed_images
from reprolab.export import spec, write
from reprolab.scenario import loader

UNDECIDED = 2
BASES = {
    "PYTHON_IMAGE": "python:{python}-slim-bookworm",
    "TOOLCHAIN_IMAGE": "debian:bookworm-slim",
    "DEBIAN_IMAGE": "debian:bookworm-slim",
}
# Variables that locate the engine and the network; no others of the lab's environment are kept.
KEPT = ("HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TMPDIR")

Unpack = Callable[[str], Path]


@pytest.fixture
def unpack(tmp_path: Path) -> Unpack:
    """Export a scenario and unpack its archive into another directory."""

    def make(name: str) -> Path:
        _, archive = write.write_reproducer(write.choose_case(loader.load(ROOT, name)), tmp_path / "export")
        with tarfile.open(archive) as content:
            content.extractall(tmp_path / "elsewhere", filter="data")
        (place,) = (tmp_path / "elsewhere").iterdir()
        return place

    return make


def outside(**more: str) -> dict[str, str]:
    """An environment without the lab's package and programs."""
    venv = str(ROOT / ".venv")
    path = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if entry and not entry.startswith(venv)]
    kept = {name: value for name, value in os.environ.items() if name.upper() in KEPT}
    return kept | {"PATH": os.pathsep.join(path)} | more


def run_script(script: Path, *words: str, **more: str) -> tuple[int, str]:
    """Run a script of a reproducer; exit status and output."""
    done = subprocess.run(
        [str(script), *words],
        cwd="/",
        env=outside(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return done.returncode, done.stdout + done.stderr


def verdicts(name: str) -> tuple[int, int]:
    """The exit statuses of the variant and of the control that agree with the verdict on record."""
    scenario = loader.load(ROOT, name)
    reproducer = spec.load(scenario)
    recorded = read(scenario.directory / "recorded.json")["signs"][reproducer.claim.id]
    signs = [
        recorded[scenario.variant_key(reproducer.experiment.name, variant)]
        for variant in (reproducer.variant, reproducer.control)
    ]
    assert all(sign["shown"] in (0, sign["trials"]) for sign in signs)
    variant, control = (0 if sign["shown"] else 1 for sign in signs)
    return variant, control


def left(name: str) -> list[str]:
    """Containers, volumes, networks and images of a reproducer that are still on the engine."""
    client = engine()
    names = [
        *(container.name for container in client.containers.list(all=True, ignore_removed=True)),
        *(volume.name for volume in client.volumes.list()),
        *(network.name for network in client.networks.list()),
        *(tag for image in listed_images(client) for tag in image.tags),
    ]
    return [str(text) for text in names if str(text).startswith(f"{name}-reproducer")]


@pytest.fixture
def bases() -> Iterator[Callable[[str], dict[str, str]]]:
    """The base images of this machine as build arguments, as a maintainer without Docker Hub names them."""
    yield lambda python: {name: base(official.format(python=python)) for name, official in BASES.items()}


@pytest.mark.docker
@pytest.mark.alone
def test_spawn_workers_differs_from_its_control(unpack: Unpack, bases: Callable[[str], dict[str, str]]) -> None:
    """Seven loads with `python main.py`, three from a launcher; a server that cannot start decides nothing.

    The files have the modes that a umask of 077 gives.
    """
    place, images = unpack("spawn-workers"), bases("3.12.1")
    shows, absent = verdicts("spawn-workers")
    for path in place.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    status, output = run_script(place / "run.sh", **images)
    assert (status, "lines printed in all: 7" in output) == (shows, True), output
    status, output = run_script(place / "run.sh", "control", **images)
    assert (status, "lines printed in all: 3" in output) == (absent, True), output
    (place / "app" / "main.py").write_text("raise SystemExit('broken')\n")
    status, output = run_script(place / "run.sh", **images)
    assert (status, "could not tell" in output, "broken" in output) == (UNDECIDED, True, True), output
    assert left("spawn-workers") == []


@pytest.mark.docker
@pytest.mark.alone
def test_socket_vanish_differs_from_its_control(unpack: Unpack, bases: Callable[[str], dict[str, str]]) -> None:
    """gunicorn 19.6.0 removes the file; 19.5.0 does not."""
    place, images = unpack("socket-vanish"), bases("3.6.15")
    shows, absent = verdicts("socket-vanish")
    status, output = run_script(place / "run.sh", **images)
    assert status == shows, output
    assert "before the load: yes, after it: no" in output
    status, output = run_script(place / "run.sh", "control", **images)
    assert status == absent, output
    assert "before the load: yes, after it: yes" in output
    assert left("socket-vanish") == []


@pytest.mark.docker
@pytest.mark.alone
@pytest.mark.parametrize("name", having(spec.FILE))
def test_compose_takes_the_file(unpack: Unpack, name: str) -> None:
    """Without any variable set, and without a warning about a missing one."""
    place = unpack(name)
    command = [*compose_command(ensure_engine(print)), "--file", str(place / "compose.yaml"), "config", "--quiet"]
    done = run(command, env=outside(), cwd=place)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.slow
def test_spawn_workers_without_docker(unpack: Unpack) -> None:
    """A virtual environment and pip are enough; for another interpreter the message names the one that is needed."""
    python = cpython.find_interpreter("3.12.1", os.environ)
    place = unpack("spawn-workers")
    shows, absent = verdicts("spawn-workers")
    repro = place / "repro.sh"
    status, output = run_script(repro, PYTHON=str(python.prefix / "bin" / "python3.12"))
    assert (status, "lines printed in all: 7" in output) == (shows, True), output
    status, output = run_script(repro, "control", PYTHON=str(python.prefix / "bin" / "python3.12"))
    assert (status, "lines printed in all: 3" in output) == (absent, True), output
    status, output = run_script(repro, PYTHON=str(place / "python"))
    assert (status, "Python 3.12 is needed" in output) == (UNDECIDED, True), output
