"""A service of a user's stack as a service of a scenario: what the lab keeps of it, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reprolab.adopt import names
from reprolab.adopt.changes import Changes
from reprolab.adopt.mounts import Mounts
from reprolab.adopt.names import Names
from reprolab.core.errors import UsageError
from reprolab.stack.policy import MOST_MEMORY, MOST_PIDS, amount

KEPT_KEYS = """
    command cpuset dns dns_opt dns_search domainname entrypoint environment expose extra_hosts group_add healthcheck
    hostname init labels mem_reservation mem_swappiness platform read_only shm_size stdin_open stop_grace_period
    stop_signal tmpfs tty ulimits user working_dir
"""
HANDLED_KEYS = """
    build image ports volumes networks network_mode depends_on links secrets configs sysctls deploy mem_limit pids_limit
    cpus
"""
KEPT, HANDLED = tuple(KEPT_KEYS.split()), frozenset(HANDLED_KEYS.split())
# Keys that are left out without a word: they are about `docker compose` by hand.
SILENT = frozenset({"profiles", "env_file", "pull_policy", "annotations", "attach"})
REASONS = {
    "container_name": "two trials may run at once; the other services still reach it by this name",
    "restart": "a server that ends must be seen to end",
    "privileged": "it has every right on the host",
    "cap_add": "a capability is a right on the host",
    "devices": "it is a device of the host",
    "pid": "it sees the processes of the host or of others",
    "ipc": "it shares memory with the host or with others",
    "security_opt": "it loosens what keeps the container in",
    "volumes_from": "it has the files of other containers",
    "logging": "the lab keeps the whole log",
    "develop": "it is for work on the files, not for a run",
    "scale": "a service is one container",
}
ANY_OTHER = "a stack of the lab may not have this"
# What an image that starts as root needs to give its processes another user. The engine gives every container these.
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
WHY_CAPABILITIES = (
    "an adopted image may start as root and give its processes another user; remove those that it does without"
)
TLS_PORTS = (443, 8443)
BUILT = frozenset({"context", "dockerfile", "dockerfile_inline", "args", "target", "labels", "shm_size", "ulimits"})


@dataclass(frozen=True)
class Services:
    """Turns the services of a stack into those of a scenario."""

    names: Names
    mounts: Mounts
    changes: Changes
    port: int = 0

    def adopted(self, name: str, section: Mapping[str, Any]) -> dict[str, Any]:
        """One service. Raises UsageError for one that cannot be built or started."""
        role = self.names.roles[name]
        if not section.get("image") and not section.get("build"):
            raise UsageError(f"the service {name} has no image and no build", expected="one of the two")
        service: dict[str, Any] = {
            "extends": {"file": "../../images/hardened.yaml", "service": "hardened"},
            "profiles": [self.names.scenario],
            **self._source(name, section),
            "init": False,
            **{key: section[key] for key in KEPT if section.get(key) is not None},
            "cap_add": list(CAPABILITIES),
            **self._limits(name, section),
            **self._network(name, section),
        }
        if sysctls := {k: v for k, v in (section.get("sysctls") or {}).items() if k.startswith("net.")}:
            service["sysctls"] = sysctls
        if ports := list(self._ports(name, role, section)):
            service["ports"] = ports
        for key, value in (
            ("volumes", self.mounts.of_service(name, section)),
            ("depends_on", self._needed(name, section)),
        ):
            if value:
                service[key] = value
        for key in ("secrets", "configs"):
            if section.get(key):
                service[key] = [{**entry, "source": self.names.shared(entry["source"])} for entry in section[key]]
        self._note_dropped(name, section)
        return service

    def _source(self, name: str, section: Mapping[str, Any]) -> dict[str, Any]:
        """Where the image comes from: a copy of its build context, or its name."""
        build = section.get("build")
        if not build:
            return {"image": section["image"], "pull_policy": "missing"}
        for key in sorted(build.keys() - BUILT):
            if build[key]:
                self.changes.dropped(f"{name}.build.{key}", "a build of the lab may not have this")
        if section.get("image"):
            self.changes.dropped(f"{name}.image", "the lab names an image after what it is built from")
        kept = {key: build[key] for key in ("target", "labels", "shm_size", "ulimits") if build.get(key)}
        place, bases = self.mounts.build(name, build)
        arguments = {**bases, **(build.get("args") or {})}
        return {"build": {"context": f"./{place}", **kept, **({"args": arguments} if arguments else {})}}

    def _limits(self, name: str, section: Mapping[str, Any]) -> dict[str, Any]:
        """The limits of `deploy`, and those beyond what the lab allows replaced by the lab's own."""
        limits = ((section.get("deploy") or {}).get("resources") or {}).get("limits") or {}
        wanted = {
            "mem_limit": section.get("mem_limit") or limits.get("memory"),
            "pids_limit": section.get("pids_limit") or limits.get("pids"),
            "cpus": section.get("cpus") or limits.get("cpus"),
        }
        kept = {}
        for key, most in (("mem_limit", MOST_MEMORY), ("pids_limit", MOST_PIDS), ("cpus", float("inf"))):
            value = wanted[key]
            if value is None:
                continue
            if "$" in str(value) or 0 < amount(value) <= most:
                kept[key] = value
            elif amount(value):
                kept[key] = most
                self.changes.add(f"{name}.{key}", f"{value} became {most}", "it can take all of the machine")
        return kept

    def _network(self, name: str, section: Mapping[str, Any]) -> dict[str, Any]:
        """The networks of a service, in which it keeps the names that the others know."""
        mode = str(section.get("network_mode") or "")
        kind, _, other = mode.partition(":")
        if mode == "none":
            return {"network_mode": "none"}
        if kind == "service" and other in self.names.roles:
            return {"network_mode": f"service:{self.names.service(other)}"}
        if mode and mode not in ("bridge", "default"):
            self.changes.add(
                f"{name}.network_mode", f"{mode} became a network of the stack", "it is shared with the host or others"
            )
        known = [*names.aliases(name, section), *self.names.links.get(name, ())]
        networks = section.get("networks") or {"default": None}
        return {
            "networks": {
                self.names.shared(network): {
                    "aliases": list(dict.fromkeys([*known, *((part or {}).get("aliases") or ())]))
                }
                for network, part in networks.items()
            }
        }

    def _ports(self, name: str, role: str, section: Mapping[str, Any]) -> Iterator[str]:
        """The published ports, on free ports of 127.0.0.1; the first one of the front takes the load.

        The lab asks without TLS, so the ports of HTTPS come last there.
        """
        targets = dict.fromkeys(
            (int(port["target"]), str(port.get("protocol") or "tcp")) for port in section.get("ports") or ()
        )
        if role == self.front:
            exposed = [
                (int(str(entry).partition("/")[0]), "tcp")
                for entry in section.get("expose") or ()
                if "-" not in str(entry)
            ]
            tcp = sorted((t for t in targets if t[1] == "tcp"), key=lambda t: t[0] in TLS_PORTS)
            first = [(self.port, "tcp")] if self.port else tcp[:1] or exposed[:1]
            if not first:
                raise UsageError(
                    f"{name} publishes no port, so the lab cannot ask it",
                    expected="`ports` or `expose` of the service in front",
                    advice="name the port on which it listens in its container: --port 8000",
                )
            targets = dict.fromkeys([*first, *targets])
        for port in section.get("ports") or ():
            written = f"{port.get('host_ip') or '0.0.0.0'}:{port.get('published') or ''}"
            self.changes.add(
                f"{name}.ports",
                f"{written} became a free port of 127.0.0.1 for {port['target']}",
                "runs must not collide",
            )
        if section.get("network_mode") and str(section["network_mode"]).startswith(("none", "service")):
            return
        for target, protocol in targets:
            yield f"127.0.0.1::{target}" + (f"/{protocol}" if protocol != "tcp" else "")

    @property
    def front(self) -> str:
        """The role that takes requests and load."""
        return names.PROXY if names.PROXY in self.names.roles.values() else names.APP

    def _needed(self, name: str, section: Mapping[str, Any]) -> dict[str, Any]:
        """What must be started before, by the names of the scenario."""
        needed = {}
        for other, entry in (section.get("depends_on") or {}).items():
            condition = (entry or {}).get("condition", "service_started")
            if other not in self.names.roles:
                continue
            if condition == "service_completed_successfully":
                raise UsageError(
                    f"{name} waits for the end of {other}, and a service of the lab must not end in a trial",
                    expected="services that run on",
                    advice=f"do its work in the image or in the command of {name}, and leave it out: --without {other}",
                )
            needed[self.names.service(other)] = {"condition": condition}
        return needed

    def _note_dropped(self, name: str, section: Mapping[str, Any]) -> None:
        """Note each key that the scenario's service does not have, with the reason."""
        for key in sorted(section.keys() - set(KEPT) - HANDLED - SILENT):
            value = section[key]
            if value in (None, False, "", [], {}) or key.startswith("x-"):
                continue
            if key == "restart" and value == "no":
                continue
            shown = f"{name}.{key}" if isinstance(value, dict | list | bool) else f"{name}.{key} {value}"
            self.changes.dropped(shown, REASONS.get(key, ANY_OTHER))
        deploy = {
            k: v for k, v in (section.get("deploy") or {}).items() if k not in ("resources", "placement", "mode") and v
        }
        for key in sorted(deploy):
            if not (key == "replicas" and deploy[key] == 1):
                self.changes.dropped(f"{name}.deploy.{key}", REASONS["scale"] if key == "replicas" else ANY_OTHER)
        for sysctl in section.get("sysctls") or {}:
            if not sysctl.startswith("net."):
                self.changes.dropped(f"{name}.sysctls.{sysctl}", "it is a setting of the kernel")
