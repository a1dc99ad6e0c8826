"""The names that the services of a user's stack get in a scenario: the scenario's name and a role."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError

APP, PROXY = "app", "proxy"
# The tools of the lab beside a stack have these roles.
TAKEN = frozenset({APP, PROXY, "wrk", "client", "forensics", "network"})
SUFFIX = "-service"


@dataclass(frozen=True)
class Names:
    """``roles`` is service -> role, for the services that the scenario has; ``links`` service -> its further names."""

    scenario: str
    roles: Mapping[str, str]
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def service(self, name: str) -> str:
        """The name of a service in the scenario."""
        return f"{self.scenario}-{self.roles[name]}"

    def shared(self, name: str) -> str:
        """The name of a volume, a network, a secret or a config in the scenario."""
        return name if name == "default" else f"{self.scenario}-{plain(name)}"


def plain(text: str) -> str:
    """A text as a name of small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def choose(scenario: str, services: Mapping[str, Any], app: str, proxy: str = "", without: Iterable[str] = ()) -> Names:
    """Give each service a role; without ``app`` a service that is alone is the server under test.

    Raises UsageError for an unknown service, or one that is named twice.
    """
    known = list(services)
    if not app and len(known) > 1:
        raise UsageError("no server under test is named", expected="--app SERVICE, which is one of " + ", ".join(known))
    app = app or known[0]
    left_out = list(without)
    for option, name in (
        ("--app", app),
        *([("--proxy", proxy)] if proxy else []),
        *(("--without", n) for n in left_out),
    ):
        if name not in known:
            raise UsageError(
                f"{option} {name}: the stack has no service {name!r}{hint(name, known)}",
                expected="one of " + ", ".join(known),
            )
    if app == proxy or {app, proxy} & set(left_out):
        raise UsageError(
            f"{app!r} and {proxy!r} cannot both be what is wanted", expected="two services, neither of them left out"
        )
    roles = {app: APP} | ({proxy: PROXY} if proxy else {})
    for name in known:
        if name not in roles and name not in left_out:
            role = plain(name)
            role = f"{role}{SUFFIX}" if role in TAKEN else role
            while role in roles.values():
                role = f"{role}-2"
            roles[name] = role
    return Names(scenario, {name: roles[name] for name in known if name in roles}, links(services))


def links(services: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The names that `links` of other services give a service."""
    pairs = [str(link).partition(":") for section in services.values() for link in section.get("links") or ()]
    by_service: dict[str, tuple[str, ...]] = {}
    for name, colon, alias in pairs:
        if colon:
            by_service[name] = (*by_service.get(name, ()), alias)
    return by_service


def aliases(name: str, section: Mapping[str, Any]) -> list[str]:
    """The names by which other services of the stack reach this one, so that no file of theirs must change."""
    return list(
        dict.fromkeys(str(text) for text in (name, section.get("container_name"), section.get("hostname")) if text)
    )
