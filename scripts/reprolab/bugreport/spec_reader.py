"""Reads the mappings of upstream.yaml; each message has the place of a mistake and what is expected there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from reprolab.core.config_file import hint, reject_unknown_keys
from reprolab.core.errors import UsageError
from reprolab.scenario.model import Claim, Experiment, Scenario


@dataclass(frozen=True)
class SpecReader:
    """A mapping in upstream.yaml, with its place for messages."""

    content: Any
    where: str
    scenario: Scenario

    def __post_init__(self) -> None:
        if not isinstance(self.content, dict):
            raise UsageError(f"{self.where} is {self.content!r:.60}", expected="a mapping")

    def only(self, *known: str) -> None:
        """Raise UsageError for an unknown key."""
        reject_unknown_keys(self.content, known, self.where)

    def text(self, key: str, default: str | None = None, of: Iterable[str] = ()) -> str:
        """A text. Without a default it is required. With ``of`` it must be one of these."""
        value = self.content.get(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise UsageError(f"{self.where}: {key} is {value!r}", expected="a text")
        known = list(of)
        if known and value not in known:
            raise UsageError(
                f"{self.where}: {key} is {value!r}{hint(value, known)}", expected="one of " + ", ".join(known)
            )
        return value.strip()

    def number(self, key: str) -> int:
        """A whole number of 0 or more; 0 if the key is missing."""
        value = self.content.get(key, 0)
        if not isinstance(value, int) or value < 0:
            raise UsageError(f"{self.where}: {key} is {value!r}", expected="a whole number")
        return value

    def texts(self, key: str, of: Iterable[str] = ()) -> tuple[str, ...]:
        """A list of texts; empty if the key is missing. With ``of`` each must be one of these."""
        value = self.content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise UsageError(f"{self.where}: {key} is {value!r}", expected="a list of texts")
        known = list(of)
        for text in value:
            if known and text not in known:
                raise UsageError(
                    f"{self.where}: {key} names {text!r}{hint(text, known)}", expected="one of " + ", ".join(known)
                )
        return tuple(value)

    def mapping(self, key: str, of: Iterable[str] = ()) -> dict[str, str]:
        """A mapping of texts to texts; empty if the key is missing. With ``of`` each key must be one of these."""
        block = SpecReader(self.content.get(key, {}), f"{self.where}: {key}", self.scenario)
        if known := list(of):
            block.only(*known)
        return {str(name): block.text(name) for name in block.content}

    def named(self, key: str) -> dict[str, SpecReader]:
        """A mapping of names to mappings; empty if the key is missing."""
        block = SpecReader(self.content.get(key, {}), f"{self.where}: {key}", self.scenario)
        return {
            str(name): SpecReader(entry, f"{block.where}.{name}", self.scenario)
            for name, entry in block.content.items()
        }

    def children(self, key: str) -> list[SpecReader]:
        """A list of mappings; empty if the key is missing."""
        value = self.content.get(key, [])
        if not isinstance(value, list):
            raise UsageError(f"{self.where}: {key} is {value!r}", expected="a list")
        return [
            SpecReader(entry, f"{self.where}: {key}[{number}]", self.scenario) for number, entry in enumerate(value, 1)
        ]

    def claims(self, key: str, experiment: Experiment) -> tuple[Claim, ...]:
        """Claims of an experiment, given by their ids."""
        by_id = {claim.id: claim for claim in experiment.claims}
        return tuple(by_id[name] for name in self.texts(key, of=by_id))
