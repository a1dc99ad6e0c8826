"""What a stack may ask of the machine that it runs on: the one list of it.

It knows the keys of a Compose model that do no harm, and the values that the others may have. All else is a breach,
also a key of a later Compose.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Keys of a service that give it nothing of the host. What networks, configs and secrets refer to is checked where the
# file declares it.
HARMLESS = """
    annotations attach command configs container_name cpu_count cpu_percent cpu_period cpu_quota cpu_shares cpus cpuset
    depends_on develop dns dns_opt dns_search domainname entrypoint env_file environment expose extra_hosts group_add
    healthcheck hostname image init labels links mac_address mem_reservation mem_swappiness networks platform profiles
    pull_policy read_only restart secrets shm_size stdin_open stop_grace_period stop_signal tmpfs tty ulimits user
    working_dir
"""
# Inline Dockerfiles and further contexts are not among them: an image is named after the files of one context.
HARMLESS_IN_BUILD = "args extra_hosts labels no_cache platforms pull shm_size target ulimits"
HARMLESS_KEYS, HARMLESS_BUILD_KEYS = frozenset(HARMLESS.split()), frozenset(HARMLESS_IN_BUILD.split())
TOP_LEVEL = frozenset({"name", "version", "services", "networks", "volumes", "configs", "secrets"})
TMPFS_FLAGS = frozenset({"size", "mode", "uid", "gid", "nr_inodes", "noexec", "nosuid", "nodev"})
LOG_DRIVERS = ("json-file", "local", "none")
NEW_PRIVILEGES = ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true")
ADDRESS = re.compile(r"[\w.+-]+://|github\.com/|[\w.-]+@[^/]*:")
MOST_MEMORY, MOST_PIDS = 8 << 30, 4096
NOTHING: tuple[Any, ...] = (None, False, "", [], {})


@dataclass(frozen=True)
class Breach:
    """A value that the policy refuses. ``what`` is its place with the service's role: ``app.build.network``."""

    what: str
    value: str
    why: str
    instead: str


Found = Iterator[tuple[str, str, str]]
"""(value, why it is refused, what to write instead) of each refused value of a key."""


@dataclass(frozen=True)
class Places:
    """The directories of which a stack may see files, and the names of a model's services."""

    roots: tuple[Path, ...]
    services: frozenset[str]
    base: Path

    def holds(self, path: object) -> bool:
        """Whether a path, without its links, is one of the directories or below it."""
        text = str(path)
        real = (self.base / text).resolve()
        # Compose also builds from addresses.
        return not ADDRESS.match(text) and any(real.is_relative_to(root.resolve()) for root in self.roots)

    @property
    def words(self) -> str:
        return " or ".join(f"{root.name}/" for root in self.roots)


def breaches(model: Mapping[str, Any], base: Path, roots: Iterable[Path], prefix: str = "") -> Iterator[Breach]:
    """What a Compose model, in the short or the long form, asks beyond the policy; relative paths begin at ``base``."""
    places = Places(tuple(roots), frozenset(model.get("services") or {}), base)
    for name, service in (model.get("services") or {}).items():
        role = name.removeprefix(prefix)
        for key, rule in RULES.items():
            yield from (Breach(f"{role}.{key}", *value) for value in rule(service, places))
        for key in sorted(service.keys() - RULES.keys() - HARMLESS_KEYS - {"build", "deploy"}):
            for value in () if key.startswith("x-") else _each(service[key]):
                yield Breach(f"{role}.{key}", value, "a stack may not have this", "remove it")
        yield from _build(role, service.get("build"), places)
        yield from _deploy(role, service.get("deploy") or {})
    yield from _shared(model, places)


# -- the keys of a service -------------------------------------------------------------------------------


def _ports(service: Mapping[str, Any], places: Places) -> Found:
    for port in service.get("ports") or ():
        if isinstance(port, Mapping):
            host, shown = str(port.get("host_ip") or ""), f"{port.get('published', '')}:{port.get('target', '')}"
        else:
            host, _, shown = _short_port(str(port))
        if not _is_loopback(host):
            address = f"[{host}]" if ":" in host else host or "0.0.0.0"
            yield f"{address}:{shown}", "every machine on the network reaches it", f'"127.0.0.1:{shown}"'


def _short_port(text: str) -> tuple[str, str, str]:
    """Split IP:HOST:CONTAINER of the short form after the address; the other parts may be missing."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]:")
        return host, ":", rest
    return text.partition(":") if text.count(":") == 2 else ("", "", text if ":" in text else f":{text}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(key: str, why: str) -> Callable[[Mapping[str, Any], Places], Found]:
    """A key whose every value is refused; in a list each value on its own."""

    def rule(service: Mapping[str, Any], places: Places) -> Found:
        for value in _each(service.get(key)):
            yield value, why, "remove it"

    return rule


def _namespace(key: str, *fine: str) -> Callable[[Mapping[str, Any], Places], Found]:
    """A namespace that is the service's own or that of another service of the stack."""

    def rule(service: Mapping[str, Any], places: Places) -> Found:
        value = _text(service.get(key) or "")
        kind, _, name = value.partition(":")
        if value and value not in fine and not (kind == "service" and name in places.services):
            choice = ", ".join(fine) if fine else f"remove it, or {key}: service:NAME"
            yield value, "it is shared with the host or with containers of others", choice

    return rule


def _cap_drop(service: Mapping[str, Any], places: Places) -> Found:
    if "ALL" not in [str(name).upper() for name in service.get("cap_drop") or ()]:
        yield "not ALL", "the container keeps the engine's usual capabilities", "cap_drop: [ALL]"


def _security(service: Mapping[str, Any], places: Places) -> Found:
    options = [str(option) for option in service.get("security_opt") or ()]
    for option in options:
        if option not in NEW_PRIVILEGES:
            yield option, "it loosens what keeps the container in", "remove it"
    if not set(options) & set(NEW_PRIVILEGES):
        yield "without no-new-privileges", "a program may gain rights", 'security_opt: ["no-new-privileges:true"]'


def _limit(key: str, in_deploy: str, most: int, example: str) -> Callable[[Mapping[str, Any], Places], Found]:
    def rule(service: Mapping[str, Any], places: Places) -> Found:
        limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
        value = service.get(key) or limits.get(in_deploy)
        if not 0 < amount(value) <= most:
            yield (
                _text(value) if value is not None else "missing",
                "it can take all of the machine",
                f"{key}: {example}",
            )

    return rule


def amount(value: Any) -> float:
    """A number, or a size with a unit, in bytes; 0 for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?", str(value).strip().lower())
    return float(match[1]) * 1024 ** " kmgt".index(match[2] or " ") if match else 0.0


def _swap(service: Mapping[str, Any], places: Places) -> Found:
    if str(service.get("memswap_limit", "")).startswith("-"):
        yield _text(service["memswap_limit"]), "it can take all swap of the machine", "remove it"


def _volumes(service: Mapping[str, Any], places: Places) -> Found:
    for volume in service.get("volumes") or ():
        kind, source, read_only = _mount(volume)
        if kind == "bind" and not places.holds(source):
            yield source, "it is a path of the host", f"mount files below {places.words}, read-only"
        elif kind == "bind" and not read_only:
            yield source, "the stack could change files that this machine runs", f"{source}:TARGET:ro"
        elif kind not in ("bind", "volume", "tmpfs"):
            yield f"{kind}:{source}", "a stack has binds, volumes and tmpfs only", "remove it"


def _mount(volume: Any) -> tuple[str, str, bool]:
    """(kind, source, whether it is read-only) of a mount."""
    if isinstance(volume, Mapping):
        return str(volume.get("type")), str(volume.get("source") or ""), bool(volume.get("read_only"))
    source, *rest = str(volume).split(":")
    is_path = bool(rest) and source.startswith((".", "/", "~"))
    return "bind" if is_path else "volume", source, "ro" in rest[-1].split(",") if rest else False


def _logging(service: Mapping[str, Any], places: Places) -> Found:
    driver = (service.get("logging") or {}).get("driver")
    if driver and driver not in LOG_DRIVERS:
        yield str(driver), "it sends the log to other programs", "logging: {driver: json-file}"
    for value in _each((service.get("logging") or {}).get("options")):
        yield value, "a log that is cut is no evidence", "remove it"


def _sysctls(service: Mapping[str, Any], places: Places) -> Found:
    # With a network namespace of its own, which `network_mode` cannot change, net.* is of this namespace.
    for value in _each(service.get("sysctls")):
        if not value.startswith("net."):
            yield value, "it is a setting of the kernel", "remove it; net.* is of the service's own network"


def _hooks(key: str) -> Callable[[Mapping[str, Any], Places], Found]:
    def rule(service: Mapping[str, Any], places: Places) -> Found:
        for hook in service.get(key) or ():
            if hook.get("privileged"):
                yield "privileged", "it has every right on the host", "remove it"

    return rule


def _scale(service: Mapping[str, Any], places: Places) -> Found:
    if service.get("scale") not in (None, 1):
        yield str(service["scale"]), "a service is one container", "remove it"


RULES: Mapping[str, Callable[[Mapping[str, Any], Places], Found]] = {
    "ports": _ports,
    "privileged": _refused("privileged", "it has every right on the host"),
    "cap_add": _refused("cap_add", "a capability is a right on the host"),
    "cap_drop": _cap_drop,
    "security_opt": _security,
    "pid": _namespace("pid"),
    "ipc": _namespace("ipc", "private", "shareable", "none"),
    "uts": _namespace("uts"),
    "userns_mode": _namespace("userns_mode"),
    "cgroup": _namespace("cgroup", "private"),
    "network_mode": _namespace("network_mode", "none"),
    "volumes": _volumes,
    "volumes_from": _refused("volumes_from", "it has the files of other containers"),
    "devices": _refused("devices", "it is a device of the host"),
    "mem_limit": _limit("mem_limit", "memory", MOST_MEMORY, "512m, at most 8g"),
    "pids_limit": _limit("pids_limit", "pids", MOST_PIDS, f"256, at most {MOST_PIDS}"),
    "memswap_limit": _swap,
    "sysctls": _sysctls,
    "logging": _logging,
    "scale": _scale,
    "post_start": _hooks("post_start"),
    "pre_stop": _hooks("pre_stop"),
}


# -- builds, deploy, and what services share -------------------------------------------------------------


def _build(role: str, build: Any, places: Places) -> Iterator[Breach]:
    if build in NOTHING:
        return
    section: Mapping[str, Any] = {"context": build} if isinstance(build, str) else build
    context = str(section.get("context") or ".")
    outside = f"name a directory below {places.words}"
    if not places.holds(context):
        yield Breach(f"{role}.build.context", context, "it is not the scenario's", outside)
    elif not places.holds(Path(context, str(section.get("dockerfile") or "Dockerfile"))):
        yield Breach(f"{role}.build.dockerfile", str(section["dockerfile"]), "it is a file of the host", outside)
    if section.get("network") not in (None, "default", "none"):
        yield Breach(f"{role}.build.network", str(section["network"]), "it is not the build's own", "remove it")
    known = HARMLESS_BUILD_KEYS | {"context", "dockerfile", "network"}
    for key in sorted(section.keys() - known):
        for value in _each(section[key]):
            yield Breach(f"{role}.build.{key}", value, "a build may not have this", "remove it")


def _deploy(role: str, deploy: Mapping[str, Any]) -> Iterator[Breach]:
    if deploy.get("replicas") not in (None, 1):
        yield Breach(f"{role}.deploy.replicas", str(deploy["replicas"]), "a service is one container", "remove it")
    resources = deploy.get("resources") or {}
    for device in (resources.get("reservations") or {}).get("devices") or ():
        yield Breach(f"{role}.deploy.resources.reservations.devices", _text(device), "it is a device", "remove it")


def _shared(model: Mapping[str, Any], places: Places) -> Iterator[Breach]:
    """The breaches in what services share: networks, volumes, configs, secrets, and other top-level keys."""
    advice = "let the stack make its own"
    for kind in ("networks", "volumes", "configs", "secrets"):
        for name, entry in (model.get(kind) or {}).items():
            content: Mapping[str, Any] = entry or {}
            if content.get("external"):
                yield Breach(f"{kind}.{name}.external", "true", "it belongs to others", advice)
            if kind in ("configs", "secrets"):
                yield from _file(f"{kind}.{name}", content, places)
            else:
                yield from _driver(kind, name, content, advice)
    for key in sorted(model.keys() - TOP_LEVEL):
        if not key.startswith("x-") and model[key] not in NOTHING:
            yield Breach(key, _text(model[key]), "a stack may not have this", "remove it")


def _file(what: str, content: Mapping[str, Any], places: Places) -> Iterator[Breach]:
    if "file" in content and not places.holds(content["file"]):
        yield Breach(f"{what}.file", str(content["file"]), "it is a file of the host", f"a file below {places.words}")
    if "environment" in content:
        yield Breach(f"{what}.environment", str(content["environment"]), "it is a variable of the host", "remove it")


def _driver(kind: str, name: str, content: Mapping[str, Any], advice: str) -> Iterator[Breach]:
    usual = "bridge" if kind == "networks" else "local"
    if content.get("driver") not in (None, "", usual):
        yield Breach(f"{kind}.{name}.driver", str(content["driver"]), "it reaches beyond this stack", advice)
    if ipam := {key: value for key, value in (content.get("ipam") or {}).items() if value not in NOTHING}:
        yield Breach(f"{kind}.{name}.ipam", _text(ipam), "it changes the host's routes", "remove it")
    options = dict(content.get("driver_opts") or {})
    if options and not (kind == "volumes" and _is_memory(options)):
        yield Breach(f"{kind}.{name}.driver_opts", _text(options), "it can name places of the host", advice)


def _is_memory(options: Mapping[str, Any]) -> bool:
    """Whether a volume is a tmpfs. With the flag `bind` the engine would mount a path of the host instead."""
    flags = {flag.partition("=")[0] for flag in str(options.get("o") or "").split(",") if flag}
    return options.get("type") == options.get("device") == "tmpfs" and flags <= TMPFS_FLAGS


# -- texts -----------------------------------------------------------------------------------------------


def _each(value: Any) -> list[str]:
    """A value as texts: those of a list, ``name=value`` of a mapping."""
    if value in NOTHING:
        return []
    if isinstance(value, Mapping):
        return [f"{name}={_text(entry)}" for name, entry in value.items()]
    return [_text(entry) for entry in value] if isinstance(value, list) else [_text(value)]


def _text(value: Any) -> str:
    """A value in one line; of a mapping ``name=value`` with commas."""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_text(entry)}" for name, entry in sorted(value.items()))
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
