"""Secrets of a stack: values that the lab makes up stand in their places, the same value for the same secret.

So the parts of a stack agree with each other, and no file of the scenario or of a run can have the real value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from reprolab.stack.hidden import CREDENTIALS, KNOWN_FORMS, SHORTEST, is_secret

# A key alone before the host, as error trackers have it.
USER_KEY = re.compile(r"\w+://(?P<secret>[^/\s:@]{16,})@")
# curl --user NAME:PASSWORD
USER_PASSWORD = re.compile(r"\b(?:curl|wget)\b[^|;&\n]*?\s(?:-\w*u|--user)[ =]?[\"']?[^\s:\"']+:(?P<secret>[^\s\"'$]+)")
NO_SECRET = re.compile(r"(?i:true|false|yes|no|on|off|none)|\d{1,4}")
FILE_NAMES = ("_FILE", "_PATH", "_DIR")
ADDRESS = re.compile(r"\w+://([\w.-]+)(?=[:/]|$)")
METHOD = re.compile(r"auth|cookie", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z]{1,16}")
OPTION = re.compile(r"--?[A-Za-z][\w-]*")
PASS = re.compile(r"pass$", re.IGNORECASE)  # requirepass
# NAME=VALUE and --name VALUE within a text; a value with a dollar is the shell's, and no secret itself.
ASSIGNED = re.compile(r"(?<![\w-])(?:--?)?(?P<name>[A-Za-z][\w.-]*)=[\"']?(?P<secret>[^\s\"'$()&|;]+)")
GIVEN = re.compile(r"(?<![\w-])--(?P<name>[A-Za-z][\w-]*) [\"']?(?P<secret>[^\s\"'$()&|;-][^\s\"'$()&|;]*)")
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
        for name, text in _named(part):
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
        for pattern in (ASSIGNED, GIVEN):
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


def _named(part: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(name, text) of all texts of a model. In lists and command lines a name is an option, or the left side of `=`."""
    if isinstance(part, Mapping):
        for key, entry in part.items():
            yield from _named(entry, str(key))
    elif isinstance(part, list):
        words = [entry for entry in part if isinstance(entry, str)]
        yield from ((option.lstrip("-"), word) for option, word in pairwise(words) if OPTION.fullmatch(option))
        for entry in part:
            yield from _named(entry)
    elif isinstance(part, str):
        yield name, part
        for pattern in (ASSIGNED, GIVEN):
            yield from ((match["name"], match["secret"]) for match in pattern.finditer(part))
