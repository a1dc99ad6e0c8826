"""Reproducers unpacked elsewhere and run without the lab: they say of variant and control what the lab says."""

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
from reprolab.export import spec, write
from reprolab.scenario import loader

UNTOLD = 2
BASES = {
    "PYTHON_IMAGE": "python:{python}-slim-bookworm",
    "TOOLCHAIN_IMAGE": "debian:bookworm-slim",
    "DEBIAN_IMAGE": "debian:bookworm-slim",
}
# What finds the engine and the network; nothing else of the lab's environment gets in.
KEPT = ("HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TMPDIR")

Unpack = Callable[[str], Path]


@pytest.fixture
def unpack(tmp_path: Path) -> Unpack:
    """Export a scenario and unpack its archive in a place of its own."""

    def make(name: str) -> Path:
        _, archive = write.write(write.case(loader.load(ROOT, name)), tmp_path / "export")
        with tarfile.open(archive) as content:
            content.extractall(tmp_path / "elsewhere", filter="data")
        (place,) = (tmp_path / "elsewhere").iterdir()
        return place

    return make


def outside(**more: str) -> dict[str, str]:
    """An environment in which the lab cannot be imported and none of its programs is found."""
    own = str(ROOT / ".venv")
    path = [one for one in os.environ.get("PATH", "").split(os.pathsep) if one and not one.startswith(own)]
    kept = {name: value for name, value in os.environ.items() if name.upper() in KEPT}
    return kept | {"PATH": os.pathsep.join(path)} | more


def say(script: Path, *words: str, **more: str) -> tuple[int, str]:
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
    """The exit statuses that the lab's claim, as it is on record, wants of the variant and of the control."""
    found = loader.load(ROOT, name)
    one = spec.load(found)
    recorded = read(found.directory / "recorded.json")["signs"][one.claim.id]
    signs = [recorded[found.variant_key(one.experiment.name, variant)] for variant in (one.variant, one.control)]
    assert all(sign["shown"] in (0, sign["trials"]) for sign in signs)
    variant, control = (0 if sign["shown"] else 1 for sign in signs)
    return variant, control


def left(name: str) -> list[str]:
    """Containers, volumes and networks on the engine whose names begin as a reproducer's do."""
    client = engine()
    found = [
        *(one.name for one in client.containers.list(all=True, ignore_removed=True)),
        *(one.name for one in client.volumes.list()),
        *(one.name for one in client.networks.list()),
        *(tag for image in client.images.list() for tag in image.tags),
    ]
    return [str(one) for one in found if str(one).startswith(f"{name}-reproducer")]


@pytest.fixture
def bases() -> Iterator[Callable[[str], dict[str, str]]]:
    """The base images of this machine, as a maintainer without Docker Hub would name them."""
    yield lambda python: {name: base(official.format(python=python)) for name, official in BASES.items()}


@pytest.mark.docker
@pytest.mark.alone
def test_spawn_workers_is_told_from_its_control(unpack: Unpack, bases: Callable[[str], dict[str, str]]) -> None:
    """Seven loads with `python main.py`, three from a launcher; a server that cannot start is neither.

    Unpacked by somebody whose umask keeps all others out.
    """
    place, images = unpack("spawn-workers"), bases("3.12.1")
    shows, absent = verdicts("spawn-workers")
    for path in place.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    status, said = say(place / "run.sh", **images)
    assert (status, "lines printed in all: 7" in said) == (shows, True), said
    status, said = say(place / "run.sh", "control", **images)
    assert (status, "lines printed in all: 3" in said) == (absent, True), said
    (place / "app" / "main.py").write_text("raise SystemExit('broken')\n")
    status, said = say(place / "run.sh", **images)
    assert (status, "could not tell" in said, "broken" in said) == (UNTOLD, True, True), said
    assert left("spawn-workers") == []


@pytest.mark.docker
@pytest.mark.alone
def test_socket_vanish_is_told_from_its_control(unpack: Unpack, bases: Callable[[str], dict[str, str]]) -> None:
    """The file goes under 19.6.0; under 19.5.0 it stays."""
    place, images = unpack("socket-vanish"), bases("3.6.15")
    shows, absent = verdicts("socket-vanish")
    status, said = say(place / "run.sh", **images)
    assert status == shows, said
    assert "before the load: yes, after it: no" in said
    status, said = say(place / "run.sh", "control", **images)
    assert status == absent, said
    assert "before the load: yes, after it: yes" in said
    assert left("socket-vanish") == []


@pytest.mark.docker
@pytest.mark.alone
@pytest.mark.parametrize("name", having(spec.FILE))
def test_compose_takes_the_file(unpack: Unpack, name: str) -> None:
    """With no variable set, and without a word about one that is missing."""
    place = unpack(name)
    command = [*compose_command(ensure_engine(print)), "--file", str(place / "compose.yaml"), "config", "--quiet"]
    done = run(command, env=outside(), cwd=place)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.slow
def test_spawn_workers_without_docker(unpack: Unpack) -> None:
    """A virtual environment and pip are enough; another interpreter is told which one is needed."""
    python = cpython.find_interpreter("3.12.1", os.environ)
    place = unpack("spawn-workers")
    shows, absent = verdicts("spawn-workers")
    repro = place / "repro.sh"
    status, said = say(repro, PYTHON=str(python.prefix / "bin" / "python3.12"))
    assert (status, "lines printed in all: 7" in said) == (shows, True), said
    status, said = say(repro, "control", PYTHON=str(python.prefix / "bin" / "python3.12"))
    assert (status, "lines printed in all: 3" in said) == (absent, True), said
    status, said = say(repro, PYTHON=str(place / "python"))
    assert (status, "Python 3.12 is needed" in said) == (UNTOLD, True), said
