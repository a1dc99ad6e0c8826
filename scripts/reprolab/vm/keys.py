"""The keys of one start: the lab's, and the machine's own. Nobody else can come in, nor stand in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprolab.core.subprocesses import run

LIMIT = 30.0  # seconds
# The name under which ssh knows the machine: its port is another one at each start.
ALIAS = "reprolab-vm"
USER = "root"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Keys:
    """Their files in a directory that only this user can read."""

    directory: Path

    @property
    def private(self) -> Path:
        return self.directory / "key"

    @property
    def public(self) -> Path:
        return self.directory / "key.pub"

    @property
    def host(self) -> Path:
        return self.directory / "host"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def make(self) -> None:
        """Make both pairs. Raises CommandError."""
        for file in (self.private, self.host):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", ALIAS, "-f", str(file)], timeout=LIMIT)
        public = self.host.with_name("host.pub").read_text(encoding="ascii")
        self.known_hosts.write_text(f"{ALIAS} {public}", encoding="ascii")

    def ssh(self, port: int) -> list[str]:
        """The command for a connection, without what is to be done there. No configuration of the user's counts."""
        options = {
            "BatchMode": "yes",
            # A machine that TCG runs takes some seconds for its part of the exchange.
            "ConnectTimeout": "60",
            "ExitOnForwardFailure": "yes",
            "HostKeyAlias": ALIAS,
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            # A machine that TCG runs may stand still for a minute where other work has the processors.
            "ServerAliveCountMax": "18",
            "ServerAliveInterval": "10",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", "-i", str(self.private), *words, "-p", str(port), f"{USER}@{LOOPBACK}"]


def tunnel(ssh: Sequence[str], socket: Path) -> list[str]:
    """The command that makes the machine's engine reachable at a socket of this machine."""
    return [*ssh[:-1], "-N", "-L", f"{socket}:/run/docker.sock", ssh[-1]]
