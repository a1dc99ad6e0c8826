"""Keeps secrets of the caller's environment out of the Compose files that a run keeps.

`hide` replaces each secret value in a model by a variable. The values themselves go to Compose in its environment, so
they are in no file. Without them the variable stands for MASK.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MASK = "[masked]"
VARIABLE = "REPROLAB_HIDDEN_{}"
# A word of a name. KEY alone is a secret too, as in API_KEY; PUBLIC_KEY is none.
SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|secret|credential|(?<![a-z])(pass|pwd|tokens?|(?<!public[_.-])(api)?keys?|auth|cookie|dsn|salt|pepper|"
    r"jwt|bearer|otp|webhook)"
    r"(?![a-z])",
    re.IGNORECASE,
)
# A directory, and settings that only have such a word in their name.
NO_SECRET = frozenset({"PWD", "OLDPWD", "SSH_AUTH_SOCK"})
CREDENTIALS = re.compile(r"\w+://[^/\s:@]*:(?P<secret>[^/\s@]+)@")
# Values that are secrets under any name: keys of well-known services, signed tokens, private keys.
KNOWN_FORMS = re.compile(
    r"\b(?:sk|pk|rk)_(?:live|test)_\w{8,}|\bgh[opsu]_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abprs]-[\w-]{10,}|\bAKIA[A-Z0-9]{16}\b|"
    r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*|"
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----|[A-Za-z0-9+/=\s\\]*)"
)
SHORTEST = 6  # a shorter value is hidden only in its own place, since it may be a part of any text
# The keys of a service whose texts may hold a secret.
SERVICE_KEYS = ("environment", "command", "entrypoint", "labels", "healthcheck", "build")


def is_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret."""
    # CamelCase too: dbPassword.
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return name not in NO_SECRET and bool(SECRET_NAME.search(words))


def hide(model: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A copy of a model without its secrets, and the variables (name -> value) that Compose needs to put them in."""
    secrets = _Secrets(_values(model))
    services = {
        name: {key: secrets.replace(part) if key in SERVICE_KEYS else part for key, part in service.items()}
        for name, service in (model.get("services") or {}).items()
    }
    return {**model, "services": services}, secrets.variables


def _values(model: Mapping[str, Any]) -> list[str]:
    """The secret values as a model writes them, the longest first, so that none is cut by another."""
    values = {value.replace("$", "$$") for name, value in os.environ.items() if is_secret(name)}
    for service in (model.get("services") or {}).values():
        for text in _texts({key: part for key, part in service.items() if key in SERVICE_KEYS}):
            values |= {match["secret"] for match in CREDENTIALS.finditer(text)}
        for section in (service.get("environment"), service.get("labels"), (service.get("build") or {}).get("args")):
            named = section.items() if isinstance(section, Mapping) else ()
            values |= {str(value) for name, value in named if value is not None and is_secret(name)}
    return sorted((value for value in values if len(value) >= SHORTEST), key=lambda value: (-len(value), value))


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping | list):
        for inner in part.values() if isinstance(part, Mapping) else part:
            yield from _texts(inner)


class _Secrets:
    """Replaces known values in texts, and every value that has the name of a secret."""

    def __init__(self, values: Sequence[str]) -> None:
        self._names: dict[str, str] = {}
        self._pattern = re.compile("|".join(map(re.escape, values))) if values else None
        self.variables: dict[str, str] = {}

    def replace(self, part: Any, name: str = "") -> Any:
        """A part of a model without secrets; ``name`` is its key."""
        if isinstance(part, Mapping):
            return {key: self.replace(entry, str(key)) for key, entry in part.items()}
        if isinstance(part, list):
            return [self.replace(entry) for entry in part]
        if not isinstance(part, str):
            return part
        if part and is_secret(name):
            return self._variable(part)
        return self._pattern.sub(lambda match: self._variable(match[0]), part) if self._pattern else part

    def _variable(self, value: str) -> str:
        name = self._names.setdefault(value, VARIABLE.format(len(self._names) + 1))
        # Compose takes a value as it is; in a model every dollar is written twice.
        self.variables[name] = value.replace("$$", "$")
        return f"${{{name}-{MASK}}}"
