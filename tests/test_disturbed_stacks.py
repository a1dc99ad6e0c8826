"""Faults in the middle of a trial's load: the trial is invalid and names the service; the others go on."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from cases import ROOT
from docker.models.containers import Container
from lab import base, engine, lab, left, output, read, run_directory, start
from reprolab.core.errors import InvalidTrial
from reprolab.engine import labels
from reprolab.engine.containers import PROJECT, SERVICE
from reprolab.engine.exec import Commands
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.processes.inspector import ProcessInspector
from reprolab.stack.disturbances import undisturbed
from reprolab.stack.stack import Stack
from reprolab.verdict.document import Verdict, read_verdict

pytestmark = pytest.mark.docker

CONTROL = "gunicorn-19.5.0"
NOT_MEANT = "which is no part of the experiment"
AT = r"at \d\d:\d\d:\d\d UTC"


def cut_off(proxy: Container) -> None:
    """Take the proxy from its network."""
    (name,) = proxy.attrs["NetworkSettings"]["Networks"]
    proxy.client.networks.get(name).disconnect(proxy, force=True)  # type: ignore[union-attr]


FAULTS: dict[tuple[str, int], tuple[Callable[[Container], Any], str]] = {
    ("documented", 1): (Container.kill, "was sent SIGKILL and ended with exit status 137"),
    (CONTROL, 1): (Container.kill, "was sent SIGKILL and ended with exit status 137"),
    ("documented", 2): (cut_off, r"was cut off from the network \S+"),
    (CONTROL, 2): (Container.pause, "was paused"),
    ("documented", 3): (lambda proxy: proxy.remove(force=True), r"was sent SIGKILL.* and was removed"),
}


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A checkout in which the load lasts three seconds. Its images are those of the real one."""
    root = tmp_path / "checkout"
    for name in ("scenarios/socket-vanish", "images", "scripts/wrk_wrapper"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "compose.yaml").write_text("name: reprolab\ninclude:\n  - scenarios/socket-vanish/compose.yaml\n")
    experiment = root / "scenarios/socket-vanish/vanish.py"
    text = experiment.read_text(encoding="utf-8")
    changed = text.replace("\nDURATION = 10\n", "\nDURATION = 3\n")
    assert changed != text
    experiment.write_text(changed, encoding="utf-8")
    return root


def disturb(client: docker.DockerClient, results: Path, process: subprocess.Popen[str]) -> set[tuple[str, int]]:
    """While the lab runs, inject the fault of each trial one second after its load began; returns those injected."""
    done: set[tuple[str, int]] = set()
    while process.poll() is None:
        time.sleep(0.2)
        for file in sorted(results.glob("socket-vanish/2*/vanish/*/*/compose.json")):
            trial = (file.parents[1].name, int(file.parent.name))
            if trial in FAULTS and trial not in done and loaded(client, str(read(file)["name"])):
                time.sleep(1)
                FAULTS[trial][0](service(client, str(read(file)["name"]), "proxy"))
                done.add(trial)
    return done


def service(client: docker.DockerClient, project: str, role: str) -> Any:
    """The container of a role of one trial; None while there is none."""
    filters = {"label": [f"{PROJECT}={project}", f"{SERVICE}=socket-vanish-{role}"]}
    containers = client.containers.list(filters=filters, ignore_removed=True)
    return containers[0] if containers else None


def loaded(client: docker.DockerClient, project: str) -> bool:
    """Whether wrk runs in the namespace of this trial's proxy."""
    proxy = service(client, project, "proxy")
    running = client.containers.list(ignore_removed=True)
    return proxy and any(c.attrs["HostConfig"]["NetworkMode"] == f"container:{proxy.id}" for c in running if is_wrk(c))


def is_wrk(container: Container) -> bool:
    """Whether this is a container with load."""
    return "/wrk:" in str(container.attrs["Config"]["Image"])


@pytest.mark.alone
def test_a_disturbed_trial_is_invalid_and_the_others_go_on(short: Path, tmp_path: Path) -> None:
    """The proxy is killed, cut off, paused and removed in the middle of the load, in the documented stack and control.

    No claim is decided, the run comes to its end, no message has an id, and nothing is left.
    """
    client, results = engine(), tmp_path / "results"
    variants = ("--variant", "documented", "--variant", CONTROL)
    process = start(results, "run", "socket-vanish", *variants, "--trials", "3", REPROLAB_ROOT=str(short))
    try:
        injected = disturb(client, results, process)
    finally:
        process.kill()
    printed = output(process)
    assert injected == set(FAULTS), printed
    run = RunDirectory(run_directory(results))
    rows = {(row.variant, row.trial): row.invalid for row in run.trials()}
    for trial, (_, words) in FAULTS.items():
        assert re.match(rf"proxy {words} {AT}, {NOT_MEANT}", rows[trial]), rows
        assert not re.search(r"[0-9a-f]{12}", rows[trial].replace(run.name, "")), rows[trial]
    assert rows[CONTROL, 3] == ""
    verdict = read_verdict(run)
    assert verdict and len(verdict.claims) > 3
    assert {claim.verdict for claim in verdict.claims} == {Verdict.INCONCLUSIVE}, printed
    assert process.returncode == 3 and read(run.path / "run.json")["status"] == "complete", printed
    events = read(run.path / "vanish/documented/1/events.json")
    assert {row["action"] for row in events if row["role"] == "proxy"} >= {"start", "kill", "die"}
    assert "proxy was paused" in printed
    assert left(client, run.path) == []


def test_an_api_version_that_the_engine_refuses_ends_the_run(tmp_path: Path) -> None:
    """No trial could work: exit status 4, and one message that says what to do."""
    results = tmp_path / "results"
    one = ("run", "socket-vanish", "--variant", "documented", "--trials", "1")
    status, printed = lab(results, *one, DOCKER_API_VERSION="1.99")
    assert status == 4, printed
    assert "the engine refuses the API version of the docker command line" in printed
    assert "unset DOCKER_API_VERSION" in printed
    assert not run_directory(results).joinpath("trials.jsonl").exists()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack with one service, which `run` starts; it is removed at the end."""
    project = f"reprolab-watched-{secrets.token_hex(4)}"
    model = {"name": project, "services": {"watched-app": {}}}
    made = Stack("watched", model, tmp_path / "c.json", engine(), (), TrialDirectory(tmp_path), {})
    yield made
    made.remove_containers()


def run(stack: Stack, command: str, **options: Any) -> Container:
    """Start the stack's only service."""
    own = {PROJECT: stack.project, SERVICE: "watched-app", labels.SCENARIO: "watched"}
    options = {"labels": own, "detach": True, "init": True, "network_mode": "none"} | options
    return stack.client.containers.run(base("debian:bookworm-slim"), ["sh", "-c", command], **options)


def pause_and_go_on(container: Container) -> None:
    """Nothing of it is left in the container's state."""
    container.pause()
    container.unpause()


@pytest.mark.parametrize(
    ("command", "fault", "words"),
    [
        ("sleep 0.5; exit 7", Container.wait, "ended with exit status 7"),
        ("tail /dev/zero", Container.wait, "used more memory than it may and ended with exit status 137"),
        ("sleep 60", pause_and_go_on, "was paused"),
        ("sleep 60", lambda container: container.restart(timeout=0), ".* and was restarted"),
    ],
    ids=["ends", "memory", "paused", "restarted"],
)
def test_what_happened_to_a_service_is_named(stack: Stack, command: str, fault: Any, words: str) -> None:
    """Also if its container runs again at the end. An experiment that does it itself declares it."""
    with pytest.raises(InvalidTrial, match=f"^app {words} {AT}, {NOT_MEANT}$"), undisturbed(stack):
        fault(run(stack, command, mem_limit="32m"))
    stack.remove_containers()
    stack._containers.clear()
    with undisturbed(stack):
        container = run(stack, "sleep 60")
        stack.may_end("app", "this test does it")
        container.kill()
        container.wait()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Container.pause, "is paused"),
        (Container.kill, "has ended with exit status 137"),
        (lambda container: container.remove(force=True), "was removed"),
    ],
    ids=["paused", "ended", "removed"],
)
def test_a_service_that_cannot_run_a_command_is_named_with_its_state(stack: Stack, fault: Any, words: str) -> None:
    """By its role, also where another container looks at its processes."""
    container = run(stack, "sleep 60")
    stack.execute("app", ["true"])
    fault(container)
    with pytest.raises(InvalidTrial, match=f"^test cannot run in app: it {words}$"):
        stack.exists("app", "/etc")
    if words != "is paused":
        look = ProcessInspector(stack.client, base("debian:bookworm-slim"), container, {}, Commands(), "app")
        with pytest.raises(InvalidTrial, match=f"^the processes of app cannot be inspected: it {words}$"):
            look.snapshot()
        if look.container:
            look.container.remove(force=True)


def test_many_commands_do_not_hide_what_happened(stack: Stack) -> None:
    """The engine forgets all but its last 256 events; a hundred commands make three hundred."""
    with pytest.raises(InvalidTrial, match=r"^app was paused"), undisturbed(stack):
        pause_and_go_on(run(stack, "sleep 60"))
        stack.execute("app", ["true"])
        api = stack.client.api
        for _ in range(100):
            api.exec_start(api.exec_create(stack.container("app").id, ["true"])["Id"])
