"""The root's compose.yaml, as a person uses it: `docker compose --profile NAME up --wait`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import ROOT
from lab import base, engine
from reprolab.baseimage.resolve import Base, Origin
from reprolab.engine.detect import compose_command, ensure_engine
from reprolab.run import manual
from reprolab.scenario import loader

# It has a service that the documented stack does without, and its image compiles nothing.
CASE = "gunicorn-settings"
PROJECT = f"reprolab-test-{os.getpid()}"
# The image as it is, but nothing in it listens.
DEAF = f"""\
services:
  {CASE}-app:
    entrypoint: [sleep, infinity]
    healthcheck: {{interval: 500ms, retries: 3}}
"""


def compose(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Docker Compose in the checkout, in a project of the tests' own."""
    command = [*compose_command(ensure_engine(print)), "--project-name", PROJECT, *words]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
    return subprocess.run(
        command, cwd=ROOT, env=kept | variables, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.fixture
def images() -> Iterator[dict[str, str]]:
    """The variable that names the base image of this machine; afterwards nothing of the project is left."""
    python = loader.load(ROOT, CASE).factors["PYTHON"]
    yield {"PYTHON_IMAGE": base(f"python:{python}-slim-bullseye")}
    done = compose("--profile", "*", "down", "--volumes", "--rmi", "local", "--timeout", "1")
    assert done.returncode == 0, done.stderr


@pytest.mark.docker
@pytest.mark.parametrize("name", loader.names(ROOT))
def test_a_profile_has_the_services_of_its_case_alone(name: str) -> None:
    """Those that the documented stack needs; without a profile there are none."""
    found = loader.load(ROOT, name)
    done = compose("--profile", name, "config", "--services")
    services = set(done.stdout.split())
    assert f"{name}-app" in services, done.stderr
    assert all(found.needs(service.removeprefix(f"{name}-"), {}) for service in services)
    assert compose("config", "--services").stdout.split() == []


@pytest.mark.docker
def test_a_case_comes_up_by_compose_alone(images: dict[str, str]) -> None:
    """`--wait` ends once it is healthy; no other service is there; it is closed as the lab's own stacks are."""
    done = compose("--profile", CASE, "up", "--wait", **images)
    assert done.returncode == 0, done.stderr
    (container,) = engine().containers.list(
        all=True, ignore_removed=True, filters={"label": f"com.docker.compose.project={PROJECT}"}
    )
    assert container.labels["com.docker.compose.service"] == f"{CASE}-app"
    assert container.attrs["State"]["Health"]["Status"] == "healthy"
    host = container.attrs["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["PidsLimit"] == 512
    assert host["Memory"] == 1024**3
    assert host["Init"]


@pytest.mark.docker
def test_a_stack_that_does_not_listen_is_unhealthy(images: dict[str, str], tmp_path: Path) -> None:
    """Its container runs, and `up --wait` fails all the same."""
    (tmp_path / "deaf.yaml").write_text(DEAF, encoding="utf-8")
    files = ("--file", "compose.yaml", "--file", str(tmp_path / "deaf.yaml"))
    done = compose(*files, "--profile", CASE, "up", "--wait", **images)
    assert done.returncode != 0
    assert "is unhealthy" in done.stderr


def test_the_command_for_the_same_stack() -> None:
    """It names the images that stand for official ones, the factors, and the profile of each service that is needed."""
    found = loader.load(ROOT, CASE)
    python, debian = "python:3.6.15-slim-bullseye", "debian:bookworm-slim"
    model = {
        "services": {
            f"{CASE}-app": {"build": {"args": {"PYTHON_IMAGE": "reprolab-base/python:1"}}},
            f"{CASE}-nginx": {"build": {"args": {"DEBIAN_IMAGE": debian}}},
        }
    }
    bases = {
        python: Base(python, "reprolab-base/python:1", "sha256:1", Origin.HOST, "", ""),
        debian: Base(debian, debian, "sha256:2", Origin.PULLED, "", ""),
    }
    assert manual.by_compose(found, {"PROXY": "nginx", "FILE": "a b"}, model, bases) == (
        f"PYTHON_IMAGE=reprolab-base/python:1 PROXY=nginx FILE='a b' "
        f"docker compose --profile {CASE} --profile {CASE}-nginx up --wait"
    )
