"""The simpler values of factors that a scenario names: x-reprolab.simpler of a scenario's compose.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError

SIMPLER_KEY = "simpler"
EXPECTED = 'FACTOR: its values towards the simplest, in one line ("4 2 1"), or as a list where a value has spaces'


def read_simpler(
    content: object, factors: Mapping[str, str], values: Mapping[str, tuple[str, ...]], where: str
) -> dict[str, tuple[str, ...]]:
    """Read x-reprolab.simpler: factor -> its values from the present one to the simplest.

    A factor without values stays as it is, also if its value is a number. ``factors`` is factor -> documented value,
    ``values`` factor -> allowed values, ``where`` the Compose file. Raises UsageError that names the place of a fault.
    """
    if content is None:
        return {}
    key_path = f"{where}: x-reprolab.{SIMPLER_KEY}"
    if not isinstance(content, dict) or not content:
        raise UsageError(f"{key_path} is {content!r}", expected=EXPECTED)
    simpler = {}
    for name, entry in content.items():
        if name not in factors:
            raise UsageError(f"{key_path} names {name}, which is no factor{hint(str(name), factors)}")
        simpler[name] = _texts(entry, f"{key_path}.{name}")
        for value in simpler[name]:
            _check(value, factors[name], values.get(name, ()), f"{key_path}.{name}")
    return simpler


def _texts(entry: Any, where: str) -> tuple[str, ...]:
    if isinstance(entry, str):
        entry = entry.split() or [""]
    elif isinstance(entry, int) and not isinstance(entry, bool):
        entry = [entry]
    # YAML reads `on`, `off`, `true` and `false` as booleans. They never equal a factor's value.
    if not isinstance(entry, list) or any(isinstance(v, bool) or not isinstance(v, str | int) for v in entry):
        raise UsageError(f"{where} is {entry!r}", expected=f'{EXPECTED}; a word such as "off" in quotes')
    texts = tuple(str(value) for value in entry)
    if len(set(texts)) < len(texts):
        raise UsageError(f"{where} names a value twice: {' '.join(texts)}", expected=EXPECTED)
    return texts


def _check(value: str, documented: str, allowed: tuple[str, ...], where: str) -> None:
    if not value and documented:
        # Compose takes the documented value where a factor is empty.
        raise UsageError(f"{where} has an empty value", expected=f"a value: the documented one is {documented!r}")
    if allowed and value not in allowed:
        raise UsageError(
            f"{where}: it cannot be {value!r}{hint(value, allowed)}", expected="one of " + " ".join(allowed)
        )
