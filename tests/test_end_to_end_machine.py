"""A watch on real containers: the series of a service, and a machine whose processors are taken."""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container
from lab import base, engine, lab
from reprolab.core.waiting import wait_until
from reprolab.engine import labels
from reprolab.engine.containers import PROJECT, SERVICE
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.machine.load import busy_reason
from reprolab.machine.watch import watching
from reprolab.run.repeat import MOST_REPEATS
from reprolab.verdict.document import Verdict, read_verdict

pytestmark = [pytest.mark.docker, pytest.mark.alone]

DEBIAN = "debian:bookworm-slim"
SPIN = "while :; do :; done"
ALL_SPIN = " & ".join([f"timeout 200 sh -c '{SPIN}'"] * (os.cpu_count() or 1)) + " & wait"
# A listener, four open files, and a second process.
SERVE = "exec 5</etc/passwd 6</etc/passwd 7</etc/passwd 8</etc/passwd; timeout 100 sh -c 'while :; do :; done' & wait"


@pytest.fixture
def started() -> Iterator[Any]:
    """Starts containers, and removes them at the end."""
    client, containers = engine(), []

    def start(command: str, **own: str) -> Container:
        created = client.containers.run(
            base(DEBIAN), ["sh", "-c", command], labels=own, detach=True, init=True, network_mode="none"
        )
        containers.append(created)
        return created

    yield start
    for container in containers:
        container.remove(force=True, v=True)


def test_the_series_of_a_service(started: Any, tmp_path: Path) -> None:
    """CPU, memory, processes and descriptors of a container, read from outside; the cost of the watch is written."""
    project, evidence = f"watched-{secrets.token_hex(4)}", TrialDirectory(tmp_path)
    own = labels.object_labels("watched", "watched") | {PROJECT: project, SERVICE: "watched-app"}
    with watching(engine(), project, {"app": "watched-app"}, evidence):
        started(SERVE, **own)
        wait_until("three samples of the container", lambda: len(evidence.series("app")) >= 3, 15)
    series, machine = evidence.series("app"), evidence.machine()
    assert machine and "missing" not in machine and machine["work"] > machine["others"]
    last = series[-1]
    assert max(sample.cpu for sample in series) > 0.1
    assert last.processes >= 3 and last.memory > 50_000
    assert last.descriptors is not None and last.descriptors >= 3 * 3 + 4
    assert [sample.at_ns for sample in series] == sorted(sample.at_ns for sample in series)


def test_a_trial_beside_other_work_is_busy(started: Any, tmp_path: Path) -> None:
    """Containers that are not the lab's take all processors. The same work in a container of the lab is not other."""
    stranger = started(ALL_SPIN, **{labels.OWNER: "another"})
    shares: list[tuple[dict[str, Any], str]] = []
    for container, own in ((stranger, {}), (None, labels.object_labels("watched", "watched"))):
        evidence = TrialDirectory(tmp_path / str(len(shares)))
        container = container or started(ALL_SPIN, **own)
        with watching(engine(), "none", {}, evidence):
            time.sleep(3)
        container.kill()
        machine = evidence.machine()
        assert machine and "missing" not in machine
        shares.append((machine, busy_reason(machine)))
    (others, reason), (alone, _) = shares
    assert reason.startswith("other work used")
    assert others["others"] > others["work"] / 2
    assert alone["others"] < alone["work"] / 2, (alone, others)


def test_a_claim_that_needs_an_idle_machine_is_not_judged_beside_other_work(started: Any, tmp_path: Path) -> None:
    """The trials are repeated. As the other work goes on, the claims are inconclusive, and the report says why."""
    started(ALL_SPIN, **{labels.OWNER: "another"})
    code, printed = lab(tmp_path / "results", "run", "gunicorn-settings/worker-connections", "--trials", "1")
    run = RunDirectory(tmp_path / "results" / "gunicorn-settings" / "latest")
    trials, verdict = run.trials(), read_verdict(run)
    assert all(row.busy and row.valid for row in trials), printed
    assert set(Counter(row.variant for row in trials).values()) == {1 + MOST_REPEATS}
    assert verdict and {claim.verdict for claim in verdict.claims} == {Verdict.INCONCLUSIVE}
    assert code == 3 and "other work used this machine's processors" in " ".join(printed.split())


def test_load_beside_other_work_refutes_nothing(started: Any, tmp_path: Path) -> None:
    """Two containers that are not the lab's take the processors from documented stack and control: none is refuted."""
    for _ in range(2):
        started(ALL_SPIN, **{labels.OWNER: "another"})
    variants = ("--variant", "documented", "--variant", "gunicorn-19.5.0")
    code, printed = lab(tmp_path / "results", "run", "socket-vanish", *variants, "--trials", "1")
    verdict = read_verdict(RunDirectory(tmp_path / "results" / "socket-vanish" / "latest"))
    verdicts = {claim.id: claim.verdict for claim in verdict.claims} if verdict else {}
    assert verdicts.keys() >= {"SV-1", "SV-2", "SV-3", "SV-8", "SV-12"}
    assert set(verdicts.values()) <= {Verdict.CONFIRMED, Verdict.INCONCLUSIVE}, printed
    assert code in (0, 3), printed
