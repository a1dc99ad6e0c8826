"""Secrets of a stack: values that the lab makes up stand in their places, the same value for the same secret.

So the parts of a stack agree with each other, and no file of the scenario or of a run can have the real value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reprolab.stack.hidden import CREDENTIALS, SHORTEST, is_secret

# A key alone before the host, as error trackers have it.
USER_KEY = re.compile(r"\w+://(?P<secret>[^/\s:@]{16,})@")
# Values that are secrets under any name: keys of well-known services, signed tokens, private keys.
KNOWN_FORMS = re.compile(
    r"\b(?:sk|pk|rk)_(?:live|test)_\w{8,}|\bgh[opsu]_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abprs]-[\w-]{10,}|\bAKIA[A-Z0-9]{16}\b|"
    r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
NO_SECRET = re.compile(r"(?i:true|false|yes|no|on|off|none)|\d{1,4}")
FILE_NAMES = ("_FILE", "_PATH", "_DIR")
ADDRESS = re.compile(r"\w+://([\w.-]+)(?=[:/]|$)")
TEXT = "made-up-by-the-lab-{:02}-0123456789abcdef"


@dataclass
class MadeUp:
    """The made-up values: ``values`` is secret -> made-up value. ``hosts`` are the names of the stack's services."""

    hosts: frozenset[str] = frozenset()
    values: dict[str, str] = field(default_factory=dict)

    def is_secret(self, name: str, value: str) -> bool:
        """Whether a variable holds a secret: by its name, unless the value can be none.

        That is a switch, a small number, the path of a file, or an address in the stack without a password.
        """
        if not is_secret(name) or not value or NO_SECRET.fullmatch(value):
            return False
        address = ADDRESS.match(value)
        return not ((name.endswith(FILE_NAMES) and value.startswith("/")) or (address and address[1] in self.hosts))

    def of(self, secret: str) -> str:
        """The made-up value for a secret. An empty one stays empty, and a made-up one as it is."""
        if not secret or secret in self.values.values():
            return secret
        return self.values.setdefault(secret, TEXT.format(len(self.values) + 1))

    def learn(self, part: Any) -> None:
        """Know the secrets of a model: variables by their names, passwords in addresses, keys of known forms."""
        for name, text in _named(part):
            if self.is_secret(name, text):
                self.of(text)
            for pattern in (CREDENTIALS, USER_KEY):
                for match in pattern.finditer(text):
                    self.of(match["secret"])
            for match in KNOWN_FORMS.finditer(text):
                self.of(match[0])

    def replace(self, part: Any, name: str = "") -> Any:
        """A part of a model without the known secrets; ``name`` is its key."""
        if isinstance(part, dict):
            return {key: self.replace(entry, str(key)) for key, entry in part.items()}
        if isinstance(part, list):
            return [self.replace(entry) for entry in part]
        if not isinstance(part, str) or not part:
            return part
        return self.of(part) if self.is_secret(name, part) else self.text(part)

    def text(self, text: str) -> str:
        """A text without the known secrets. A short one is replaced in addresses only: it may be part of any word."""

        def in_address(match: re.Match[str]) -> str:
            return match[0].replace(match["secret"], self.of(match["secret"]))

        for secret in sorted(self.values, key=len, reverse=True):
            if len(secret) >= SHORTEST:
                text = text.replace(secret, self.values[secret])
        return CREDENTIALS.sub(in_address, text)

    def has_secret(self, text: str) -> bool:
        """Whether a text has a known secret in it."""
        return self.text(text) != text

    def inside(self, content: bytes) -> bool:
        """Whether a file has a known secret in it."""
        return any(len(secret) >= SHORTEST and secret.encode() in content for secret in self.values)


def _named(part: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(key, text) of all texts of a model; an entry NAME=VALUE of a list is one with this key."""
    if isinstance(part, Mapping):
        for key, entry in part.items():
            yield from _named(entry, str(key))
    elif isinstance(part, list):
        for entry in part:
            key, equals, value = entry.partition("=") if isinstance(entry, str) else ("", "", "")
            yield from [(key.lstrip("-"), value)] if equals else _named(entry)
    elif isinstance(part, str):
        yield name, part
