"""Watches the machine and the services of a stack during a trial, in a thread of its own.

It writes two files of the trial: series.jsonl, twice a second, and at the end machine.json. Whatever fails here is
recorded as ``missing``; it never makes a trial invalid.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import docker
import requests
from docker.errors import DockerException

from reprolab.engine.elsewhere import another_machine
from reprolab.evidence.run_dir import MACHINE_FILE, TrialDirectory
from reprolab.evidence.series import SERIES_FILE
from reprolab.machine.containers import LabContainers, NotVisible
from reprolab.machine.load import ANOTHER_MACHINE, NO_PRESSURE, read_machine, summary
from reprolab.machine.other_work import OtherWork
from reprolab.machine.services import ServiceReader

STEP = 0.5  # seconds
OTHERS_STEP = 2.0  # seconds between two looks at all processes, which cost more than a sample of a service
LIMIT = 30.0  # seconds to wait for the last sample; a request to the engine may hang


@contextmanager
def watching(
    client: docker.DockerClient, project: str, roles: Mapping[str, str], evidence: TrialDirectory
) -> Iterator[None]:
    """Watch the machine and a Compose project's services while the block runs; ``roles`` is role -> service.

    Where the engine is on another machine, the counters of this one say nothing of the trial, and are not kept.
    """
    if another_machine(str(client.api.base_url)):
        evidence.path.mkdir(parents=True, exist_ok=True)
        evidence.write(MACHINE_FILE, {"missing": ANOTHER_MACHINE})
        yield
        return
    watch = MachineWatch(
        LabContainers(client), ServiceReader(project, {service: role for role, service in roles.items()}), evidence
    )
    try:
        watch.start()
        yield
    finally:
        watch.end()


@dataclass
class MachineWatch:
    """The thread of one trial."""

    containers: LabContainers
    services: ServiceReader
    evidence: TrialDirectory
    step: float = STEP
    missing: list[str] = field(default_factory=list)
    samples: int = 0
    cost: float = 0.0
    _ended: Event = field(default_factory=Event)
    _ready: Event = field(default_factory=Event)
    _machine: dict[str, Any] = field(default_factory=dict)
    _thread: Thread | None = None
    _visible: bool = True
    _others: OtherWork = field(init=False)
    _others_due: float = 0.0

    def __post_init__(self) -> None:
        self._others = OtherWork(self._is_foreign, self.containers.proc)

    def start(self) -> None:
        """Begin; returns when the first reading is done."""
        self.evidence.path.mkdir(parents=True, exist_ok=True)
        self._thread = Thread(target=self._run, name="machine-watch", daemon=True)
        self._thread.start()
        self._ready.wait(LIMIT)

    def end(self) -> None:
        """Take the last reading and write machine.json. The stack must still be up."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(LIMIT)
        machine = dict(self._machine)
        if self._machine and not machine.get("pressure"):
            self._note(NO_PRESSURE)
        if self.missing:
            machine["missing"] = "; ".join(self.missing)
        self.evidence.write(MACHINE_FILE, machine | {"watch_s": round(self.cost, 3)})

    def _run(self) -> None:
        try:
            self._watch()
        except Exception as error:
            # The trial itself is not affected.
            self._note(f"the machine was not watched: {type(error).__name__}: {error}")
        finally:
            self._ready.set()

    def _watch(self) -> None:
        before, started = read_machine(), time.monotonic()
        self._count_others()
        self._ready.set()
        with (self.evidence.path / SERIES_FILE).open("w", encoding="utf-8") as stream:
            due = started
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                due = time.monotonic() + self.step
                if due < self._others_due:
                    self._find()
                else:
                    self._count_others()
                self._write_samples(stream)
            others = self._count_others()
            after, seconds = read_machine(), time.monotonic() - started
            self._write_samples(stream)
            self.cost = time.thread_time()
            stream.write(json.dumps({"samples": self.samples, "cost_s": round(self.cost, 3)}) + "\n")
        self._machine = summary(before, after, seconds, others if self._visible else None)

    def _count_others(self) -> float:
        """Look for new containers, and count the CPU seconds of other programs until now."""
        self._others_due = time.monotonic() + OTHERS_STEP
        self._find()
        return self._others.count()

    def _write_samples(self, stream: Any) -> None:
        for sample in self.services.samples(self.containers.known.values()):
            stream.write(json.dumps(sample.to_json()) + "\n")
            self.samples += 1
        stream.flush()

    def _find(self) -> None:
        """Look for new containers. If they are not on this machine, there is no series, and others' CPU is unknown."""
        if not self._visible:
            return
        try:
            self.containers.find()
        except NotVisible as error:
            self._visible = False
            self._note(str(error))
        except Exception as error:
            # For example, a container was removed between two requests. It is looked for again.
            self._note(f"a look for containers failed: {type(error).__name__}")

    def _is_foreign(self, container: str) -> bool | None:
        with suppress(NotVisible, DockerException, requests.RequestException):
            return self.containers.is_foreign(container)
        return None

    def _note(self, text: str) -> None:
        if text not in self.missing:
            self.missing.append(text)
