"""Keeps secrets of the caller's environment out of the Compose files that a run keeps.

`hide` replaces each secret value in a model by a variable. The values themselves go to Compose in its environment, so
they are in no file. Without them the variable stands for MASK.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
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
# A password may have an @ itself: the last one before a slash ends it.
CREDENTIALS = re.compile(r"\w+://[^/\s:@]*:(?P<secret>[^/\s]+)@")
# A key alone before the host, as error trackers have it.
USER_KEY = re.compile(r"\w+://(?P<secret>[^/\s:@]{16,})@")
# curl --user NAME:PASSWORD
USER_PASSWORD = re.compile(r"\b(?:curl|wget)\b[^|;&\n]*?\s(?:-\w*u|--user)[ =]?[\"']?[^\s:\"']+:(?P<secret>[^\s\"'$]+)")
OPTION = re.compile(r"--?[A-Za-z][\w-]*")
# NAME=VALUE and --name VALUE within a text; a value with a dollar is the shell's, and no secret itself.
ASSIGNED = re.compile(r"(?<![\w-])(?:--?)?(?P<name>[A-Za-z][\w.-]*)=[\"']?(?P<secret>[^\s\"'$()&|;]+)")
GIVEN = re.compile(r"(?<![\w-])--(?P<name>[A-Za-z][\w-]*) [\"']?(?P<secret>[^\s\"'$()&|;-][^\s\"'$()&|;]*)")
# "name": "value", as in JSON
QUOTED = re.compile(r"[\"'](?P<name>[A-Za-z][\w.-]*)[\"']\s*:\s*[\"'](?P<secret>[^\"'$]+)")
# Values that are secrets under any name: keys of well-known services, signed tokens, private keys.
KNOWN_FORMS = re.compile(
    r"\b(?:sk|pk|rk)_(?:live|test)_\w{8,}|\bgh[opsu]_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abprs]-[\w-]{10,}|\bAKIA[A-Z0-9]{16}\b|"
    r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*|"
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----|[A-Za-z0-9+/=\s\\]*)"
)
SHORTEST = 6  # a shorter value is hidden only in its own place, since it may be a part of any text
# The keys of a service whose texts may hold a secret.
SERVICE_KEYS = ("environment", "command", "entrypoint", "labels", "healthcheck", "build", "post_start", "pre_stop")
SWITCHES = ("true", "false", "yes", "no", "on", "off", "none", "null")
# Where a text has a secret without a name.
PLACES = (CREDENTIALS, USER_KEY, USER_PASSWORD)


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
    shared = {
        kind: {**model[kind], **{name: _shown(entry, secrets) for name, entry in entries.items()}}
        for kind in ("configs", "secrets")
        if (entries := _with_content(model, kind))
    }
    return {**model, "services": services, **shared}, secrets.variables


def _shown(entry: Mapping[str, Any], secrets: _Secrets) -> dict[str, Any]:
    return {**entry, "content": secrets.replace(entry["content"])}


def _values(model: Mapping[str, Any]) -> list[str]:
    """The secret values as a model writes them, the longest first, so that none is cut by another."""
    values = {value.replace("$", "$$") for name, value in os.environ.items() if is_secret(name)}
    parts = [
        {key: part for key, part in service.items() if key in SERVICE_KEYS}
        for service in (model.get("services") or {}).values()
    ]
    contents = [entry["content"] for kind in ("configs", "secrets") for entry in _with_content(model, kind).values()]
    for name, text in named_texts([*parts, *contents]):
        if is_secret(name) and text.lower() not in SWITCHES:
            values.add(text)
        values |= {match["secret"] for pattern in PLACES for match in pattern.finditer(text)}
        values |= {match[0] for match in KNOWN_FORMS.finditer(text)}
    # A secret of the top level is one as a whole.
    values |= {entry["content"].strip() for entry in _with_content(model, "secrets").values()}
    return sorted((value for value in values if len(value) >= SHORTEST), key=lambda value: (-len(value), value))


def _with_content(model: Mapping[str, Any], kind: str) -> dict[str, Any]:
    entries = model.get(kind) or {}
    return {name: entry for name, entry in entries.items() if isinstance((entry or {}).get("content"), str)}


def named_texts(part: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(name, text) of all texts of a model. In lists and command lines a name is an option, or the left side of `=`."""
    if isinstance(part, Mapping):
        for key, entry in part.items():
            yield from named_texts(entry, str(key))
    elif isinstance(part, list):
        words = [entry for entry in part if isinstance(entry, str)]
        yield from ((option.lstrip("-"), word) for option, word in pairwise(words) if OPTION.fullmatch(option))
        for entry in part:
            yield from named_texts(entry)
    elif isinstance(part, str):
        yield name, part
        for pattern in (ASSIGNED, GIVEN, QUOTED):
            yield from ((match["name"], match["secret"]) for match in pattern.finditer(part))


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
        part = CREDENTIALS.sub(self._at_its_place, part)
        return self._pattern.sub(lambda match: self._variable(match[0]), part) if self._pattern else part

    def _at_its_place(self, match: re.Match[str]) -> str:
        """An address with a variable for its password, which may be short."""
        begin, end = (place - match.start() for place in match.span("secret"))
        return f"{match[0][:begin]}{self._variable(match['secret'])}{match[0][end:]}"

    def _variable(self, value: str) -> str:
        name = self._names.setdefault(value, VARIABLE.format(len(self._names) + 1))
        # Compose takes a value as it is; in a model every dollar is written twice.
        self.variables[name] = value.replace("$$", "$")
        return f"${{{name}-{MASK}}}"
