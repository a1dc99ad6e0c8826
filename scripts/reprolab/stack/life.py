"""What an experiment does to the containers of its stack: stop, start again, make anew, pause, cut off.

Each of these declares `may_end` for its service, from that moment on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from docker.errors import APIError
from docker.models.containers import Container

from reprolab.core.errors import InvalidTrial
from reprolab.core.waiting import WaitTimeout
from reprolab.engine.containers import PAUSED, state_words
from reprolab.engine.helpers import NO_LOG
from reprolab.stack.connections import StackConnections
from reprolab.stack.containers import remove_container
from reprolab.stack.hidden import hide
from reprolab.stack.kept_logs import StackLogs
from reprolab.stack.looks import StackLooks

GRACE = 10.0  # seconds
MOST_PLACEHOLDERS = 4
STEP = 0.05  # seconds
ENDING = 5.0  # seconds
TOO_LATE = 9
# Ends when the process has ended: there is none of its number, another one has the number, or it is a zombie. Of the
# fields after the name, which may hold any character, the first is the state, the 20th the moment of the start.
WAIT_FOR_END = rf"""
begun= left=$2
while read -r line 2>/dev/null </proc/"$1"/stat; do
    set -- "$1" ${{line##*) }}
    case $2 in Z | X) exit 0 ;; esac
    [ "${{begun:-${{21}}}}" = "${{21}}" ] || exit 0
    [ "$left" -gt 0 ] || exit {TOO_LATE}
    begun=${{21}} left=$((left - 1))
    sleep {STEP}
done
"""


@dataclass(frozen=True)
class Stopped:
    """How a service stopped: its exit status, the seconds from the request to the end, and whether memory ran out."""

    exit_status: int
    took_s: float
    oom_killed: bool

    def to_json(self) -> dict[str, Any]:
        """For an observation."""
        return asdict(self)


@dataclass(frozen=True)
class Recreated:
    """The addresses of a service before and after its container was made anew: network -> address."""

    before: Mapping[str, str]
    after: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """For an observation."""
        return asdict(self)


@dataclass
class StackLife(StackConnections, StackLooks, StackLogs):
    """Stops and starts the services of a stack."""

    # Role -> the start (as the engine writes the moment) that was waited for, or that was ended by `stop`.
    _known_starts: dict[str, str] = field(default_factory=dict)
    _last_addresses: dict[str, dict[str, str]] = field(default_factory=dict)
    _cut_off: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    _placeholders: list[Container] = field(default_factory=list)

    def stop(self, role: str = "app", grace: float = GRACE) -> Stopped:
        """Stop a service: its stop signal, and SIGKILL after ``grace`` seconds. The whole seconds count.

        The exit status is that of the container's first process: with an init, that of the server, or 128 and the
        number of the signal that ended it.
        """
        container = self._in_hand(role, "stops")
        self._note_addresses(role)
        began = time.monotonic()
        with self._asked(role, "stopped"):
            container.stop(timeout=math.ceil(grace))
        took = time.monotonic() - began
        container.reload()
        state = container.attrs["State"]
        self._known_starts[role] = str(state["StartedAt"])
        return Stopped(int(state["ExitCode"]), round(took, 3), bool(state.get("OOMKilled")))

    def restart(self, role: str = "app", grace: float = GRACE) -> None:
        """Stop a service and start the same container again. `start` waits until it answers."""
        container = self._in_hand(role, "restarts")
        with self._asked(role, "restarted"):
            container.restart(timeout=math.ceil(grace))
        self._begin_life(role)

    def recreate(self, role: str = "app", *, new_address: bool = True, grace: float = GRACE) -> Recreated:
        """Remove a service's container and make a new one. `start` waits until it answers.

        With ``new_address`` it has other addresses than before. The log of the old container stays in the evidence, as
        app.1 (``evidence.lines("app.1")``). Named volumes stay, a tmpfs does not.
        """
        if role in self._cut_off:
            raise InvalidTrial(f"{role} is cut off: it must rejoin its networks before it can be made anew")
        old = self._in_hand(role, "makes anew")
        before = self._note_addresses(role)
        with self._asked(role, "stopped"):
            old.stop(timeout=math.ceil(grace))
        self._capture_former(role, old)
        with self._asked(role, "removed"):
            old.remove(force=True)
        if new_address:
            self._occupy(before)
        del self._containers[role]
        _, secrets = hide(self.model)
        service = self.roles[role]
        self._compose("up", "--detach", "--no-build", "--no-deps", "--no-recreate", service, variables=secrets)
        self._begin_life(role)
        after = _addresses(self.container(role))
        if same := [address for name, address in before.items() if new_address and after.get(name) == address]:
            raise InvalidTrial(f"{role} was made anew and has its address {same[0]} again")
        return Recreated(before, after)

    def pause(self, role: str = "app") -> None:
        """Freeze all processes of a service. Its sockets stay open, and the kernel still accepts connections."""
        container = self._in_hand(role, "pauses")
        with self._asked(role, "paused"):
            container.pause()

    def unpause(self, role: str = "app") -> None:
        container = self._in_hand(role, "pauses")
        with self._asked(role, "continued"):
            container.unpause()

    def cut_off(self, role: str = "app") -> None:
        """Take a service off its networks. Its own loopback stays; nothing arrives from outside or from others."""
        container = self._in_hand(role, "cuts off")
        container.reload()
        networks = container.attrs["NetworkSettings"]["Networks"]
        if not networks:
            raise InvalidTrial(f"{role} is on no network that it could be cut off from")
        with self._asked(role, "cut off"):
            for name, endpoint in networks.items():
                self.client.networks.get(endpoint["NetworkID"]).disconnect(container)
                self._cut_off.setdefault(role, {})[name] = list(endpoint.get("Aliases") or [])
        container.reload()

    def rejoin(self, role: str = "app") -> None:
        """Put a service back on the networks that it was cut off from, under the same names."""
        container = self._in_hand(role, "cuts off")
        if role not in self._cut_off:
            raise InvalidTrial(f"{role} was not cut off")
        with self._asked(role, "connected"):
            for name, aliases in self._cut_off.pop(role).items():
                self.client.networks.get(name).connect(container, aliases=aliases)
        container.reload()

    def wait_ended(self, role: str, pid: int, limit: float = 30.0) -> float:
        """Wait until a process of a service has ended, also as a zombie; the seconds that it took.

        ``pid`` is its number in the container, as in `processes`. A process that has ended already takes 0. Raises
        InvalidTrial after ``limit`` seconds. If the container may end with it, declare `may_end` before you end it.
        """
        self._in_hand(role, "ends")
        began, looks = time.monotonic(), math.ceil(limit / STEP)
        command = ["sh", "-c", WAIT_FOR_END, "wait", str(pid), str(looks)]
        try:
            code, output = self.execute(role, command, 2 * limit + GRACE)
        except InvalidTrial:
            # The command ends with its container. Then the process has ended too.
            if not self._ends(role) or state_words(self.container(role)) == PAUSED:
                raise
            code, output = 0, ""
        if code == TOO_LATE:
            raise WaitTimeout(f"process {pid} of {role} has ended: not so after {limit:g} s")
        if code and not self._ends(role):
            raise InvalidTrial(f"the end of process {pid} of {role} could not be waited for: {output.strip()}")
        return round(time.monotonic() - began, 3)

    def _ends(self, role: str) -> bool:
        """Whether a service has ended. The engine ends a command before it says that the container has ended."""
        end = time.monotonic() + ENDING
        while not state_words(self.container(role)) and time.monotonic() < end:
            time.sleep(STEP)
        return bool(state_words(self.container(role)))

    def remove_placeholders(self) -> None:
        """Remove the containers that hold the former addresses of services."""
        for container in self._placeholders:
            remove_container(container)

    def _in_hand(self, role: str, does: str) -> Container:
        """The container of a service that the experiment ends from now on."""
        self.may_end(role, f"the experiment {does} it")
        return self.container(role)

    @contextmanager
    def _asked(self, role: str, done: str) -> Iterator[None]:
        """Make what the engine refuses an InvalidTrial, with the state of the service."""
        try:
            yield
        except APIError as error:
            words = state_words(self.container(role))
            reason = f"it {words}" if words else error.explanation
            raise InvalidTrial(f"{role} could not be {done}: {reason}") from error

    def _begin_life(self, role: str) -> None:
        """Forget what belongs to the processes before: ports, and containers that joined their namespaces."""
        self.container(role).reload()
        inspector = self._inspectors.pop(role, None)
        if inspector is not None and inspector.container is not None:
            remove_container(inspector.container)

    def _note_addresses(self, role: str) -> dict[str, str]:
        """The addresses of a service, or the last ones that it had: a container that has ended has none."""
        addresses = _addresses(self.container(role))
        if all(addresses.values()):
            self._last_addresses[role] = addresses
        return self._last_addresses.get(role, addresses)

    def _occupy(self, addresses: Mapping[str, str]) -> None:
        """Let other containers take addresses that are free, so that a new container gets others.

        The engine gives the lowest free address first, or the next one; it can be asked for no certain one.
        """
        for network, address in addresses.items():
            for _ in range(MOST_PLACEHOLDERS):
                try:
                    holder = self._placeholder(network)
                except APIError as error:
                    raise InvalidTrial(f"the address {address} could not be occupied: {error.explanation}") from error
                if _addresses(holder).get(network) == address:
                    break

    def _placeholder(self, network: str) -> Container:
        """Start a container that does nothing on a network."""
        holder = self.client.containers.create(
            self.model["services"]["forensics"]["image"],
            entrypoint=["sleep", "infinity"],
            network=network,
            labels=dict(self.owner),
            log_config=NO_LOG,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            read_only=True,
            pids_limit=16,
            mem_limit="64m",
            init=True,
        )
        self._placeholders.append(holder)
        holder.start()
        return holder


def _addresses(container: Container) -> dict[str, str]:
    """Network -> the container's address on it."""
    container.reload()
    networks = container.attrs["NetworkSettings"]["Networks"]
    return {name: str(endpoint.get("IPAddress") or "") for name, endpoint in networks.items()}
