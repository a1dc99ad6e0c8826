"""The network namespaces of a running stack's services: slow links, and whether they have IPv6."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from docker.models.containers import Container

from reprolab.core.errors import InvalidTrial
from reprolab.engine.containers import state_words
from reprolab.engine.helpers import NO_LOG
from reprolab.stack.containers import StackContainers, remove_container, start_beside

TOOL = "network"
RATE = re.compile(r"[1-9]\d*(?:\.\d+)?[kmg]?bit")
MOST_PACKETS = 100_000  # that wait in a slow link; netem's own limit, 1000, would lose some at a usual load
# For a rate alone. A burst must hold the largest packet of the loopback interface, 64 KiB.
BURST, QUEUE = 70_000, 16 << 20  # bytes
# What the kernel or the engine says where it does not let a link be changed -> the reason.
FORBIDDEN = {
    "qdisc kind is unknown": "the kernel has no {}",
    "Operation not permitted": "the engine does not give NET_ADMIN",
}


def shaping(delay_ms: float, loss: float, rate: str) -> list[str]:
    """The queue of a slow link in tc's words. Raises ValueError for a value that makes no sense.

    A rate alone takes tbf, which kernels without netem have too.
    """
    if not 0 <= delay_ms <= 60_000:
        raise ValueError(f"delay_ms: 0 to 60000 milliseconds are possible, got {delay_ms!r}")
    if not 0 <= loss < 1:
        raise ValueError(f"loss: a share from 0 to below 1 is needed, got {loss!r}")
    if rate and not RATE.fullmatch(rate):
        raise ValueError(f'rate: bits per second such as "64kbit" or "1mbit" are needed, got {rate!r}')
    if not (delay_ms or loss or rate):
        raise ValueError("a slow link needs delay_ms, loss or rate")
    if not (delay_ms or loss):
        return ["tbf", "rate", rate, "burst", str(BURST), "limit", str(QUEUE)]
    words = ["netem", "limit", str(MOST_PACKETS)]
    words += ["delay", f"{delay_ms:g}ms"] if delay_ms else []
    words += ["loss", f"{loss * 100:g}%"] if loss else []
    return words + (["rate", rate] if rate else [])


def interfaces(printed: str) -> list[str]:
    """The names of the interfaces that are up, from the output of ``ip -o link show up``."""
    return [line.split(": ")[1].partition("@")[0] for line in printed.splitlines() if ": " in line]


def why_forbidden(printed: str, command: Sequence[str]) -> str:
    """The reason for which tc could not change a link, from what it printed."""
    kind = next((word for word in command if word in ("netem", "tbf")), command[0])
    reasons = [reason.format(kind) for words, reason in FORBIDDEN.items() if words in printed]
    return reasons[0] if reasons else f"{command[0]}: {printed.strip() or 'no message'}"


def in_url(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if is_ipv6(host) else host


def is_ipv6(host: str) -> bool:
    """Whether a host is an IPv6 address, such as ::1."""
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


@dataclass
class StackNetwork(StackContainers):
    """Changes the links of a stack's services."""

    _slow: dict[str, Container] = field(default_factory=dict)

    @contextmanager
    def slow(self, role: str, delay_ms: float = 0, loss: float = 0.0, rate: str = "") -> Iterator[None]:
        """Within the block, each packet that leaves an interface of a service is late, lost or held back.

        ``delay_ms`` in milliseconds; ``loss`` is a share from 0 to below 1; ``rate`` is such as "64kbit". The loopback
        interface is slow too: there both ways of a connection are, elsewhere only the way from the service. Raises
        ValueError for values that make no sense, InvalidTrial with the reason where the kernel or the engine does not
        allow it, and if the service was started again within the block: its new links are not slow.
        """
        queue = shaping(delay_ms, loss, rate)
        if role in self._slow:
            raise ValueError(f"the links of {role} are slow already")
        begun = self._start_of(role)
        self._slow[role] = helper = self._network_helper(role)
        changed: list[str] = []
        try:
            for name in interfaces(self._change(helper, role, ["ip", "-o", "link", "show", "up"])):
                self._change(helper, role, ["tc", "qdisc", "add", "dev", name, "root", *queue])
                changed.append(name)
            yield
            if self._start_of(role) not in (begun, ""):
                raise InvalidTrial(f"{role} was started again while its links were slow: its new links were not")
        finally:
            try:
                for name in changed:
                    self._change(helper, role, ["tc", "qdisc", "del", "dev", name, "root"])
            except InvalidTrial as error:
                # The network may have gone, with its service.
                if self._start_of(role) == begun:
                    raise InvalidTrial(f"the links of {role} stay slow: {error}") from error
            finally:
                remove_container(self._slow.pop(role))

    def require_host(self, role: str, host: str) -> None:
        """Raise InvalidTrial if a host is an IPv6 address and the network of a service has no IPv6."""
        if not is_ipv6(host):
            return
        code, printed = self.execute(role, ["grep", "-q", ".", "/proc/net/if_inet6"])
        if code in (1, 2):
            raise InvalidTrial(
                f"the network of {role} has no IPv6, so {host} cannot be reached: the service needs the sysctl "
                "net.ipv6.conf.all.disable_ipv6=0, and the machine IPv6"
            )
        if code:
            raise InvalidTrial(f"whether the network of {role} has IPv6 is unknown: exit code {code} {printed.strip()}")

    def remove_network_helpers(self) -> None:
        """Remove the containers that change links."""
        for helper in list(self._slow.values()):
            remove_container(helper)

    def _start_of(self, role: str) -> str:
        """Which start of which container a service's network is of; "" if the service does not run."""
        container = self.container(role)
        return "" if state_words(container) else f"{container.id} {container.attrs['State']['StartedAt']}"

    def _change(self, helper: Container, role: str, command: Sequence[str]) -> str:
        """What a command prints that runs in a service's network. Raises InvalidTrial with the reason if it fails."""
        output = self._commands.run(helper, command, name=f"the container that changes the links of {role}")
        if output.code:
            raise InvalidTrial(f"the links of {role} cannot be changed: {why_forbidden(output.err, command)}")
        return output.out

    def _network_helper(self, role: str) -> Container:
        """A container in a service's network that may change it. Raises InvalidTrial if it does not start."""
        return start_beside(
            self.client,
            self.model["services"][TOOL]["image"],
            self.container(role),
            self.owner,
            f"the links of {role} cannot be changed",
            "it",
            user="root",
            cap_add=["NET_ADMIN"],
            read_only=True,
            log_config=NO_LOG,
            pids_limit=64,
            mem_limit="64m",
        )
