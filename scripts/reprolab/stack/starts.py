"""Waits for the start of services, and observes how a start went."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import requests
from docker.models.containers import Container

from reprolab.core.errors import InvalidTrial
from reprolab.core.files import add_lines
from reprolab.core.waiting import patient, wait_until
from reprolab.engine.events import engine_time_ns
from reprolab.logs.timestamps import moment_ns
from reprolab.stack.life import GRACE, StackLife

READY_LIMIT = 60.0  # seconds
READY_LABEL = "reprolab.ready"
STARTS_FILE = "starts.jsonl"
START_LIMIT = 30.0  # seconds
ASK_LIMIT = 5.0  # seconds for one answer while a service starts
STEP = 0.05  # seconds
LAST_LINES = 20
ENDED = ("exited", "dead")
NO_ANSWER = "none yet"


@dataclass(frozen=True)
class Start:
    """One start of a service.

    ``answered``: a GET had a status below 500. ``answer`` is what the last GET had: "status 500", or the name of an
    error. ``exit_status`` is None while the container runs, or is about to be started again by its restart policy.
    ``lived_s`` is the time from the start until the first answer, the end, or the limit, by the engine's clock.
    ``last_lines`` are what the service printed last in this life. ``restarts`` is how often the engine has started
    the container again by its restart policy.
    """

    answered: bool
    exit_status: int | None
    lived_s: float
    last_lines: tuple[str, ...]
    restarts: int = 0
    answer: str = ""

    @property
    def ended(self) -> bool:
        return self.exit_status is not None

    def to_json(self) -> dict[str, Any]:
        """For an observation."""
        return asdict(self)


@dataclass
class StackStarts(StackLife):
    """Starts the services of a stack; ``starts`` has what `start` returned so far."""

    starts: list[Start] = field(default_factory=list)

    def wait_ready(self, limit: float = READY_LIMIT) -> None:
        """Wait until a GET to the front has a status below 500. Raises InvalidTrial after ``limit`` seconds.

        The path is in the front's label ``reprolab.ready``; by default it is ``/``.
        """
        path = self._ready_path(self.front)
        answer = NO_ANSWER

        def ready() -> bool:
            nonlocal answer
            self._fail_if_exited()
            answered, answer = self._ask(path, "", patient(ASK_LIMIT))
            return answered

        def state() -> str:
            roles = dict.fromkeys(("app", self.front))
            tails = (f"{role}'s last lines: {self._tail(role)}" for role in roles)
            return f"{answer}, asked at port {self.port()} of {self.front}; {'; '.join(tails)}"

        wait_until(f"the stack is healthy: GET {path} gets less than 500", ready, limit, state=state)

    def start(self, role: str = "app", limit: float = START_LIMIT) -> Start:
        """Start a service if it has ended, and wait until it answers below 500 or ends, at most ``limit`` seconds.

        In a variant that may fail to start the first call waits for the start that the lab made. A service that
        publishes no port is asked through the front. A start that fails raises nothing. On a slow machine (see
        `patient`) the wait is longer. Raises InvalidTrial for an answer or an end that comes in the time that was
        added: nobody knows whether the start would have been in time on another machine.
        """
        container = self.container(role)
        container.reload()
        if container.status == "created" or (container.status in ENDED and self._was_seen(role, container)):
            container = self._in_hand(role, "starts")
            with self._asked(role, "started"):
                container.start()
            self._begin_life(role)
        start, late = self._observe(role, container, limit)
        self._known_starts[role] = str(container.attrs["State"]["StartedAt"])
        self.starts.append(start)
        add_lines(self.evidence.path / STARTS_FILE, [{"role": role, **start.to_json()}])
        if late:
            raise InvalidTrial(
                f"{late}, on a slow machine: elsewhere it may have been in time; let nothing else run beside it"
            )
        return start

    def start_again(
        self, role: str = "app", times: int = 200, *, limit: float = START_LIMIT, grace: float = GRACE
    ) -> list[Start]:
        """Stop a service and start it, so many times; each start as `start` returns it. For races of booting."""
        starts = []
        for _ in range(times):
            self.stop(role, grace)
            starts.append(self.start(role, limit))
        return starts

    def check_start_observed(self) -> None:
        """Raise InvalidTrial if a start that may fail was not observed: nothing else says that the server was up."""
        if self.may_fail and not self.starts:
            raise InvalidTrial("the variant may fail to start, and drive() did not call stack.start()")

    def _observe(self, role: str, container: Container, limit: float) -> tuple[Start, str]:
        """Wait for an answer or the end, at most ``limit`` seconds as long as a slow machine needs.

        Returns the start, and in words what came in the time that was added, "" if nothing did.
        """
        asked = role if self.model["services"][self.roles[role]].get("ports") else ""
        path = self._ready_path(asked or self.front)
        answered, answer, waited = False, NO_ANSWER, 0.0
        begun = time.monotonic()
        while True:
            container.reload()
            now = time.monotonic()
            left = begun + patient(limit) - now
            if container.status in ENDED or answered or left <= 0:
                break
            answered, answer = self._ask(path, asked, max(0.1, min(patient(ASK_LIMIT), left)))
            waited = time.monotonic() - now
            if not answered:
                time.sleep(STEP)
        late = _late(now - begun, limit, waited) if answered or container.status in ENDED else ""
        state = container.attrs["State"]
        ended = container.status in ENDED
        began_ns = moment_ns(state["StartedAt"])
        until_ns = moment_ns(state["FinishedAt"]) if ended else engine_time_ns(self.client)
        lines = container.logs(since=began_ns / 1e9, tail=LAST_LINES).decode("utf-8", "replace").splitlines()
        start = Start(
            answered,
            int(state["ExitCode"]) if ended else None,
            round((until_ns - began_ns) / 1e9, 3),
            tuple(lines),
            int(container.attrs.get("RestartCount") or 0),
            answer,
        )
        return start, late

    def _was_seen(self, role: str, container: Container) -> bool:
        """Whether the experiment knows of the life that ended: a start that may fail is observed before another."""
        known = self._known_starts.get(role)
        return role not in self.may_fail or (known is not None and known == container.attrs["State"]["StartedAt"])

    def _ready_path(self, role: str) -> str:
        labels = self.model["services"][self.roles[role]].get("labels") or {}
        return str(labels.get(READY_LABEL) or "/")

    def _ask(self, path: str, role: str, timeout: float) -> tuple[bool, str]:
        """Whether a GET has a status below 500, and what it had in words."""
        try:
            status = self.get(path, role, timeout=timeout).status_code
        except requests.RequestException as error:
            return False, type(error).__name__
        except InvalidTrial as error:
            # The engine has not published the port yet, or the container has just ended.
            return False, str(error)
        return status < 500, f"status {status}"


def _late(after: float, limit: float, waited: float) -> str:
    """What of a start would not have been seen without patience; "" if all would have been.

    It was over ``after`` seconds; the last request waited so long.
    """
    if patient(limit) == limit:
        return ""
    if after > limit:
        return f"it was over after {after:.1f} s, later than the limit of {limit:g} s"
    return f"a request waited {waited:.1f} s, longer than {ASK_LIMIT:g} s" if waited > ASK_LIMIT else ""
