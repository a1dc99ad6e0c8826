"""The faults: when each is injected, and what the lab promises then."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaos.attempt import CASE, Attempt
from chaos.engine import SpareEngine

DRIFT_ONLY, INTERRUPTED = 1, 130
REQUESTS = 40  # that a trial of the case sends, at least
RUN = ("run", CASE)


@dataclass(frozen=True)
class Fault:
    """A fault and its promises.

    ``inject`` waits for its stage and does the fault. The exit status must be one of ``exits``. If they are given, the
    output must have ``says`` (a regular expression) and run.json must say ``status``. ``afterwards`` runs when the lab
    has ended; if it returns an exit status, that is the one that counts. ``quick``: part of `make test`.
    """

    name: str
    inject: Callable[[Attempt], None]
    exits: frozenset[int]
    says: str = ""
    status: str = ""
    arguments: tuple[str, ...] = RUN
    wrapper: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    afterwards: Callable[[Attempt], int | None] = lambda attempt: None
    quick: bool = False


# -- stages ---------------------------------------------------------------------------------------


def building(attempt: Attempt) -> None:
    attempt.wait_for("a build", lambda: "building chaos-app" in attempt.output)


def coming_up(attempt: Attempt) -> None:
    attempt.wait_for("the stack comes up", lambda: attempt.run and attempt.left())


def driving(attempt: Attempt) -> None:
    attempt.wait_for("requests", attempt.in_drive)


def keeping_evidence(attempt: Attempt) -> None:
    attempt.wait_for("the end of drive()", lambda: attempt.evidence("driven.json").exists())


def going_down(attempt: Attempt) -> None:
    attempt.wait_for(
        "the logs", lambda: attempt.evidence("app.log.gz").exists() and attempt.evidence("proxy.log.gz").exists()
    )


STAGES: dict[str, Callable[[Attempt], None]] = {
    "build": building,
    "up": coming_up,
    "drive": driving,
    "evidence": keeping_evidence,
    "down": going_down,
}


def at(stage: str, action: Callable[[Attempt], object]) -> Callable[[Attempt], None]:
    """An action at a stage."""

    def inject(attempt: Attempt) -> None:
        STAGES[stage](attempt)
        attempt.labels = attempt.labels_of_run()
        action(attempt)

    return inject


def nothing(attempt: Attempt) -> None:
    """The fault is in the environment of the run."""


# -- signals --------------------------------------------------------------------------------------


def clean(attempt: Attempt) -> int | None:
    """`clean` must remove what a killed lab left."""
    status = attempt.call("clean")
    return None if status == 0 else status


def signals() -> Iterator[Fault]:
    """Every signal at every stage."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL):
        for stage in STAGES:
            killed = number == signal.SIGKILL
            exits = {-9} if killed else {INTERRUPTED, 128 + number}
            yield Fault(
                f"{number.name} during {stage}",
                at(stage, lambda attempt, number=number: attempt.send(number)),  # type: ignore[misc]
                frozenset(exits),
                says="" if killed else "interrupted",
                status="" if killed else "aborted",
                arguments=(*RUN, "--set", f"SLOW_BUILD=15.{number:d}{os.getpid()}") if stage == "build" else RUN,
                afterwards=clean if killed else lambda attempt: None,
                quick=stage == "drive" and number in (signal.SIGHUP, signal.SIGKILL),
            )


# -- containers -----------------------------------------------------------------------------------


def on_container(role: str, variant: str, action: Callable[..., object]) -> Callable[[Attempt], None]:
    """An action on a container of a variant's stack in the middle of drive()."""

    def inject(attempt: Attempt) -> None:
        attempt.wait_for("requests", lambda: attempt.in_drive(variant))
        action(attempt.container(role, variant))

    return inject


def cut_off(container: object) -> None:
    """Take a container from its network."""
    for name in container.attrs["NetworkSettings"]["Networks"]:  # type: ignore[attr-defined]
        container.client.networks.get(name).disconnect(container, force=True)  # type: ignore[attr-defined]


def out_of_memory(container: object) -> None:
    """Let the kernel kill a process of a container for its memory."""
    container.exec_run(["python", "-c", "x = bytearray(10**9)"])  # type: ignore[attr-defined]


CONTAINER_ACTIONS: dict[str, Callable[..., object]] = {
    "killed": lambda c: c.kill(),
    "stopped": lambda c: c.stop(timeout=1),
    "restarted": lambda c: c.restart(timeout=1),
    "paused": lambda c: c.pause(),
    "removed": lambda c: c.remove(force=True),
    "cut off from the network": cut_off,
    "out of memory": out_of_memory,
}


QUICK = {("killed", "proxy"), ("restarted", "app"), ("removed", "app"), ("paused", "proxy")}


def containers() -> Iterator[Fault]:
    """Everything that can happen to a container, in the case and in the control, at the server and before it."""
    for what, action in CONTAINER_ACTIONS.items():
        for role, variant in (("app", "documented"), ("proxy", "sound")):
            yield Fault(
                f"{role} of {variant} {what}",
                on_container(role, variant, action),
                frozenset({3}),
                says=rf"{role}",
                status="complete",
                quick=(what, role) in QUICK,
            )


# -- the engine -----------------------------------------------------------------------------------


def whole_log(attempt: Attempt) -> int:
    """0 if the log of a server has all of its requests."""
    with gzip.open(attempt.evidence("app.log.gz")) as log:
        return 0 if log.read().count(b"GET /") >= REQUESTS else 1


def engine_faults(engine: SpareEngine) -> Iterator[Fault]:
    """An engine that ends, hangs, or does not speak the same version."""

    def hang_and_interrupt(attempt: Attempt) -> None:
        engine.signal(signal.SIGSTOP)
        attempt.send(signal.SIGINT)
        try:
            assert attempt.process is not None
            attempt.process.wait(2)
        except subprocess.TimeoutExpired:
            attempt.send(signal.SIGINT)

    def back(attempt: Attempt) -> int | None:
        engine.restore()
        return clean(attempt)

    def fault(name: str, stage: str, action: Callable[[Attempt], object], status: int, says: str, ends: str) -> Fault:
        return Fault(name, at(stage, action), frozenset({status}), says=says, status=ends, afterwards=back)

    def kill(attempt: Attempt) -> None:
        engine.signal(signal.SIGKILL)

    yield Fault("an engine that cuts all logs at 2 kB", nothing, frozenset({0}), afterwards=whole_log)
    for stage in ("up", "drive", "evidence"):
        yield fault(f"dockerd killed during {stage}", stage, kill, 4, "engine", "failed")
    yield fault(
        "dockerd hangs during drive", "drive", lambda attempt: engine.signal(signal.SIGSTOP), 4, "engine", "failed"
    )
    yield fault(
        "dockerd hangs, then two times Ctrl-C", "drive", hang_and_interrupt, INTERRUPTED, "interrupted", "aborted"
    )
    yield Fault(
        "an API version that the engine has not", nothing, frozenset({4}), environ={"DOCKER_API_VERSION": "1.99"}
    )


# -- disk, terminal, environment -----------------------------------------------------------------


def remove_results(attempt: Attempt) -> None:
    shutil.rmtree(attempt.results)


def shell(script: str) -> tuple[str, ...]:
    """A wrapper: the lab's command is "$@"."""
    return ("bash", "-o", "pipefail", "-c", script, "lab")


def environment_faults() -> Iterator[Fault]:
    """A run in surroundings that do not suit it."""
    yield Fault("results removed during drive", at("drive", remove_results), frozenset({4}), quick=True)
    # The namespace of mounts ends with the run, and the file system with it.
    tmpfs = 'mkdir -p "$REPROLAB_RESULTS"; mount -t tmpfs -o {} tmpfs "$REPROLAB_RESULTS"; "$@"'
    private = ("unshare", "--mount")
    yield Fault(
        "disk full", nothing, frozenset({4}), says="No space left", wrapper=(*private, *shell(tmpfs.format("size=64k")))
    )
    yield Fault(
        "disk read-only", nothing, frozenset({4}), says="Read-only", wrapper=(*private, *shell(tmpfs.format("ro")))
    )
    yield Fault("few descriptors", nothing, frozenset({0, 4}), wrapper=shell('ulimit -n 32; "$@"'))
    yield Fault(
        "the reader of the output ends", nothing, frozenset({4, 141}), wrapper=shell('"$@" | head -1'), quick=True
    )
    yield Fault("no standard output", nothing, frozenset({0, 4}), wrapper=shell('"$@" >&-'))
    whole: dict[str, dict[str, str]] = {
        "a terminal that knows ASCII only": {"PYTHONIOENCODING": "ascii"},
        "a Latin-1 terminal": {"PYTHONIOENCODING": "latin-1"},
        "no locale": {"LC_ALL": "C", "PYTHONUTF8": "0"},
        "no home directory": {"HOME": "/nonexistent"},
        "a screen of ten columns": {"COLUMNS": "10"},
        "no runtime directory": {"XDG_RUNTIME_DIR": "/nonexistent", "XDG_STATE_HOME": "/nonexistent"},
    }
    for name, environ in whole.items():
        yield Fault(name, nothing, frozenset({0}), status="complete", environ=environ)


# -- files ----------------------------------------------------------------------------------------


def damaged(name: str, change: Callable[[Path], None], command: str) -> Callable[[Attempt], int]:
    """Damage a file of the finished run, and read the run with a command; returns its exit status."""

    def afterwards(attempt: Attempt) -> int:
        change(attempt.run.path / name)
        return attempt.call(command, str(attempt.run.path))

    return afterwards


def flip(path: Path) -> None:
    """Change the documented trial so that it says the contrary: one digit of one line."""
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"last": "500"', '"last": "200"'), encoding="utf-8")


def break_line(path: Path) -> None:
    """One byte of the first line."""
    content = bytearray(path.read_bytes())
    content[40] ^= 0x1F
    path.write_bytes(content)


def repeat_lines(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") * 2, encoding="utf-8")


def drop_line(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[1:]), encoding="utf-8")


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_shape(path: Path) -> None:
    path.write_text(json.dumps([1, {"factors": [1]}]), encoding="utf-8")


def file_faults() -> Iterator[Fault]:
    """A finished run whose files are damaged before they are read again."""
    trials = "trials.jsonl"
    rows: list[tuple[str, Callable[[Attempt], int], set[int]]] = [
        ("a figure of a trial changed", damaged(trials, flip, "judge"), {2, 3}),
        ("a byte of a trial broken", damaged(trials, break_line, "judge"), {2, 3}),
        ("all trials twice", damaged(trials, repeat_lines, "judge"), {0, 2, 3}),
        ("a trial missing", damaged(trials, drop_line, "judge"), {2, 3}),
        ("trials.jsonl torn", damaged(trials, tear, "judge"), {2, 3}),
        ("run.json torn", damaged("run.json", tear, "judge"), {2}),
        ("run.json of another shape", damaged("run.json", other_shape, "judge"), {2}),
        ("verdict.json of another shape", damaged("verdict.json", other_shape, "html"), {0, 2}),
        ("a log torn", damaged("failing/documented/1/app.log.gz", tear, "html"), {0, 2, 4}),
    ]
    for name, afterwards, exits in rows:
        yield Fault(name, nothing, frozenset(exits), afterwards=afterwards)


def all_faults(engine: SpareEngine | None) -> list[Fault]:
    """All faults; those that break the engine need one of their own."""
    of_the_engine = engine_faults(engine) if engine else ()
    return [*signals(), *containers(), *of_the_engine, *environment_faults(), *file_faults()]
