"""Refuses a Compose model that asks for more than the policy for stacks and the scenario's exceptions allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from reprolab.core.errors import UsageError
from reprolab.scenario.allowance import ALLOW_KEY, Allowance
from reprolab.stack.policy import TOP_LEVEL, Breach, Places, breaches

MERGED = ("env_file", "label_file", "extends")


def check(
    model: Mapping[str, Any], file: Path, roots: Iterable[Path], allowances: Iterable[Allowance] = (), prefix: str = ""
) -> None:
    """Raise UsageError for what a model asks of the host beyond the policy and the exceptions.

    ``file`` is the Compose file, for its lines. Files may come from below ``roots``. ``prefix`` is what the services'
    names have before their roles.
    """
    allowed = {(allowance.what, value) for allowance in allowances for value in allowance.values}
    places = tuple(roots)
    all_breaches = [*breaches(model, file.parent, places, prefix), *merged_files(file, places, prefix)]
    refused = [b for b in all_breaches if (b.what, b.value) not in allowed]
    if not refused:
        return
    written = _Lines(file, prefix)
    rows = [f"  {written.place(b.what)}: {b.what} is {b.value}: {b.why}; {b.instead}" for b in refused]
    first = refused[0]
    raise UsageError(
        "\n".join([f"{file}: the stack asks for more of this machine than a stack may have:", *rows]),
        expected="stacks on loopback, without privileges, with limits, that see no files but their own",
        advice=f"change these lines, or name each exception with its reason: x-reprolab.{ALLOW_KEY}: "
        f'[{{what: {first.what}, values: ["{first.value}"], why: ...}}]',
    )


def merged_files(file: Path, roots: Iterable[Path], prefix: str) -> Iterator[Breach]:
    """The files of the host whose content Compose merges into a model, so that the model does not name them."""
    content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    services = content.get("services") if isinstance(content, Mapping) else None
    places = Places(tuple(roots), frozenset(), file.parent)
    for name, service in services.items() if isinstance(services, Mapping) else ():
        for key in MERGED if isinstance(service, Mapping) else ():
            for path in _paths(service.get(key)):
                if "$" in path or not places.holds(path):
                    what = f"{str(name).removeprefix(prefix)}.{key}"
                    yield Breach(what, path, "it is a file of the host", "name a file of the scenario")


def _paths(value: Any) -> list[str]:
    """The files of `env_file`, `label_file` or `extends` in each of their forms."""
    entries = value if isinstance(value, list) else [value]
    files = [entry.get("path", entry.get("file")) if isinstance(entry, Mapping) else entry for entry in entries]
    return [str(path) for path in files if path]


class _Lines:
    """The lines of a Compose file on which its keys are."""

    def __init__(self, file: Path, prefix: str) -> None:
        self._prefix = prefix
        self._root = yaml.compose(file.read_text(encoding="utf-8")) if file.is_file() else None

    def place(self, what: str) -> str:
        """``line 7`` for the place of a breach: of the nearest key that the file has."""
        node, line = self._root, 1
        first = what.partition(".")[0]
        path = what.split(".") if first in TOP_LEVEL else ["services", *what.split(".")]
        for name in path:
            pairs = node.value if isinstance(node, yaml.MappingNode) else ()
            matches = [(key, value) for key, value in pairs if key.value in (name, f"{self._prefix}{name}")]
            if not matches:
                break
            line, node = matches[0][0].start_mark.line + 1, matches[0][1]
        return f"line {line}"
