"""Turns the variables of a user's Compose file into factors."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reprolab.adopt.changes import Changes
from reprolab.scenario.kernel_setting import KERNEL
from reprolab.scenario.load_settings import LOAD_SETTINGS
from reprolab.stack.compose import BASE_ARGUMENT
from reprolab.stack.hidden import is_secret

# A variable with at most a default; an escaped dollar is none. Other forms of Compose stay as they are filled in.
VARIABLE = re.compile(
    r"(?<!\$)(?P<dollars>(?:\$\$)*)\$(?:\{(?P<name>[A-Za-z_]\w*)(?::?-(?P<default>[^${}]*))?\}|(?P<plain>[A-Za-z_]\w*))"
)
NAMED = re.compile(r"(?<!\$)(?:\$\$)*\$\{?([A-Za-z_]\w*)")
FACTOR_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
WHY_NO_FACTOR = "a factor has capital letters, a plain value and at most a default, and no name of the lab's"
SPECIAL = frozenset("${}\n")
# Keys whose texts Compose rewrites: 256m becomes a number of bytes.
REWRITTEN = ("mem_limit", "mem_reservation", "shm_size", "cpus", "pids_limit", "stop_grace_period", "init", "read_only")


def variable_names(part: Any) -> set[str]:
    """The names of all variables of a model, in whatever form."""
    return {name for text in _texts(part) for name in NAMED.findall(text)}


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _texts(inner)


@dataclass
class Factors:
    """Puts the variables back into a model that Compose has filled in; ``names`` gets those that became factors.

    A variable whose value has a secret in it (``has_secret``) is none.
    """

    values: Mapping[str, str]
    changes: Changes
    has_secret: Callable[[str], bool] = lambda text: False
    names: dict[str, str] = field(default_factory=dict)

    def merge(self, filled: Any, written: Any, where: str, key: str = "") -> Any:
        """A part of the filled model, with a factor where the written one has a variable."""
        if isinstance(filled, dict):
            entries = _mapping(written)
            return {
                name: self.merge(part, entries.get(name), f"{where}.{name}", str(name)) for name, part in filled.items()
            }
        if isinstance(filled, list):
            parts = _list(written)
            if len(parts) != len(filled):
                parts = [None] * len(filled)
            return [self.merge(part, parts[number], where) for number, part in enumerate(filled)]
        if not isinstance(written, str) or not NAMED.search(written) or filled is None:
            return filled
        text, used = self._with_factors(written)
        whole = key in REWRITTEN and VARIABLE.fullmatch(written)
        if not used or not (whole or self._filled(text) == str(filled)):
            self._note(written, where)
            return filled
        self.names |= used
        return text

    def _with_factors(self, written: str) -> tuple[str, dict[str, str]]:
        """The text with `${NAME:-value}` for each variable that can be a factor, and these with their values."""
        used: dict[str, str] = {}

        def factor(match: re.Match[str]) -> str:
            name = match["name"] or match["plain"]
            value = self.values.get(name) or match["default"] or ""
            if not self._can_be_factor(name, value):
                # Its present value: a run takes nothing from its caller.
                return match["dollars"] + value.replace("$", "$$")
            used[name] = value
            return f"{match['dollars']}${{{name}:-{value}}}"

        return VARIABLE.sub(factor, written), used

    def _filled(self, text: str) -> str:
        """The text with its variables filled in; one that is no factor has its value."""

        def value(match: re.Match[str]) -> str:
            default = match["default"] or ""
            name = match["name"] or match["plain"]
            known = default if self._can_be_factor(name, default) else self.values.get(name) or default
            return match["dollars"] + known.replace("$", "$$")

        return VARIABLE.sub(value, text)

    def _can_be_factor(self, name: str, value: str) -> bool:
        if not FACTOR_NAME.fullmatch(name) or SPECIAL & set(value) or is_secret(name) or self.has_secret(value):
            return False
        return not (name in (*LOAD_SETTINGS, KERNEL) or name.endswith(BASE_ARGUMENT) or name.startswith("COMPOSE_"))

    def _note(self, written: str, where: str) -> None:
        for name in sorted(set(NAMED.findall(written))):
            if is_secret(name) or self.has_secret(self.values.get(name, "")):
                continue
            self.changes.add(where, f"{name} keeps its present value, and is no factor", WHY_NO_FACTOR)


def _mapping(written: Any) -> dict[str, Any]:
    """A mapping, or a list of NAME=VALUE as one."""
    if isinstance(written, dict):
        return written
    entries = [entry.partition("=") for entry in written or () if isinstance(entry, str)] if _is_list(written) else []
    return {name: value for name, _, value in entries}


def _list(written: Any) -> list[Any]:
    """A list, or a command line as its words."""
    if isinstance(written, list):
        return written
    try:
        return list(shlex.split(written)) if isinstance(written, str) else []
    except ValueError:
        return []


def _is_list(written: Any) -> bool:
    return isinstance(written, list)
