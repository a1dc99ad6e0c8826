"""Secrets of a stack: values that the lab makes up stand in their places, the same value for the same secret.

So the parts of a stack agree with each other, and no file of the scenario or of a run can have the real value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reprolab.stack.hidden import (
    ASSIGNED,
    CREDENTIALS,
    GIVEN,
    KNOWN_FORMS,
    OPTION,
    QUOTED,
    SHORTEST,
    USER_KEY,
    USER_PASSWORD,
    is_secret,
    named_texts,
)

NO_SECRET = re.compile(r"(?i:true|false|yes|no|on|off|none)|\d{1,4}")
FILE_NAMES = ("_FILE", "_PATH", "_DIR")
ADDRESS = re.compile(r"\w+://([\w.-]+)(?=[:/]|$)")
METHOD = re.compile(r"auth|cookie", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z]{1,16}")
PASS = re.compile(r"pass$", re.IGNORECASE)  # requirepass
LARGEST_SECRET = 1 << 16  # bytes
TEXT = "made-up-by-the-lab-{:02}-0123456789abcdef"


@dataclass
class MadeUp:
    """The made-up values: ``values`` is secret -> made-up value. ``hosts`` are the names of the stack's services."""

    hosts: frozenset[str] = frozenset()
    values: dict[str, str] = field(default_factory=dict)
    common: set[str] = field(default_factory=set)

    def is_secret(self, name: str, value: str) -> bool:
        """Whether a variable holds a secret: by its name, unless the value can be none.

        That is a switch, a small number, the path of a file, an address in the stack without a password, or the word
        for a method (AUTH_METHOD=trust).
        """
        if not (is_secret(name) or PASS.search(name)) or not value or NO_SECRET.fullmatch(value):
            return False
        if WORD.fullmatch(value) and not is_secret(METHOD.sub("", name)):
            return False
        address = ADDRESS.match(value)
        return not ((name.endswith(FILE_NAMES) and value.startswith("/")) or (address and address[1] in self.hosts))

    def of(self, secret: str) -> str:
        """The made-up value for a secret. An empty one stays empty, and a made-up one as it is."""
        if not secret or secret in self.values.values():
            return secret
        return self.values.setdefault(secret, TEXT.format(len(self.values) + 1))

    def learn(self, part: Any) -> None:
        """Know the secrets of a model: variables and options by their names, passwords in addresses, known keys."""
        plain = set(self.hosts)
        for name, text in named_texts(part):
            if self.is_secret(name, text):
                self.of(text)
            else:
                plain.add(text)
            for pattern in (CREDENTIALS, USER_KEY, USER_PASSWORD):
                for match in pattern.finditer(text):
                    self.of(match["secret"])
            for match in KNOWN_FORMS.finditer(text):
                self.of(match[0])
        # A password that is also the name of the user or of the database.
        self.common |= {secret for secret in self.values if WORD.fullmatch(secret) and secret in plain}

    def replace(self, part: Any, name: str = "") -> Any:
        """A part of a model without the known secrets; ``name`` is its key."""
        if isinstance(part, dict):
            return {key: self.replace(entry, str(key)) for key, entry in part.items()}
        if isinstance(part, list):
            return self._replace_words(part)
        if not isinstance(part, str) or not part:
            return part
        return self.of(part) if self.is_secret(name, part) else self.text(part)

    def _replace_words(self, part: list[Any]) -> list[Any]:
        """A list, in which an option may have its value in the next entry."""
        replaced: list[Any] = []
        option = ""
        for entry in part:
            text = isinstance(entry, str)
            replaced.append(
                self.of(entry) if text and option and self.is_secret(option, entry) else self.replace(entry)
            )
            option = entry.lstrip("-") if text and OPTION.fullmatch(entry) else ""
        return replaced

    def text(self, text: str) -> str:
        """A text without the known secrets.

        A short one, or a word that stands for something else too, is replaced in addresses and behind the name of a
        secret only: it may be part of any text.
        """
        for secret in sorted(self.values.keys() - self.common, key=len, reverse=True):
            if len(secret) >= SHORTEST:
                text = text.replace(secret, self.values[secret])

        def at_its_place(match: re.Match[str]) -> str:
            start, end = (place - match.start() for place in match.span("secret"))
            return f"{match[0][:start]}{self.of(match['secret'])}{match[0][end:]}"

        def assigned(match: re.Match[str]) -> str:
            return at_its_place(match) if self.is_secret(match["name"], match["secret"]) else match[0]

        text = USER_PASSWORD.sub(at_its_place, CREDENTIALS.sub(at_its_place, text))
        for pattern in (ASSIGNED, GIVEN, QUOTED):
            text = pattern.sub(assigned, text)
        return text

    def has_secret(self, text: str) -> bool:
        """Whether a text has a known secret in it."""
        return self.text(text) != text

    def content(self, content: bytes) -> bytes:
        """The content of a file without the known secrets; words that stand for something else too stay."""
        for secret in sorted(self.values.keys() - self.common, key=len, reverse=True):
            # In a model every dollar is written twice.
            for text in {secret, secret.replace("$$", "$")}:
                if len(text) >= SHORTEST:
                    content = content.replace(text.encode(), self.values[secret].encode())
        return content

    def inside(self, content: bytes) -> bool:
        """Whether a file has a known secret in it."""
        return any(len(secret) >= SHORTEST and secret.encode() in content for secret in self.values)


def secret_name(name: str) -> str:
    """What stands for the content of a secret of the top level."""
    return f"secrets.{name} of the stack"


def read_secret(path: Path) -> str:
    """The content of the file of a secret, "" if it is none that is a text of its own."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_SECRET + 1)
    except OSError:
        return ""
    text = content.decode(errors="replace").strip()
    return text if len(content) <= LARGEST_SECRET and len(text) >= SHORTEST and "\ufffd" not in text else ""
