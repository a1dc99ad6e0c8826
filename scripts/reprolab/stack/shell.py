"""Finds the commands of a RUN line without running it.

A `case` is decided, since the values of build arguments are known. An `if` is not decided: its condition may depend on
the image. Its commands are marked as ``maybe``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

PUNCTUATION = ";&|()"  # without < and >: they stay in their words
SEPARATORS = re.compile(r"[;&|()]+")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
BEFORE_A_COMMAND = {"then", "else", "elif", "do", "!", "{", "}"}

Expand = Callable[[str], str]


@dataclass(frozen=True)
class Command:
    """One command: its words without quotes; ``maybe`` if it depends on an `if` or a loop."""

    words: tuple[str, ...]
    maybe: bool = False


def commands(line: str, expand: Expand) -> Iterator[Command]:
    """Every command that ``line`` may run. ``expand`` replaces the variables in the words of a `case`.

    Raises ValueError if quotes do not match, or if a `case` has no end.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=PUNCTUATION)
    lexer.whitespace_split = True
    lexer.commenters = ""
    yield from _Walk(list(lexer), expand).until()


class _Walk:
    """Reads the tokens once, from the first to the last."""

    def __init__(self, tokens: list[str], expand: Expand) -> None:
        self.tokens = tokens
        self.expand = expand
        self.at = 0
        self.depth = 0

    def next(self) -> str:
        """The next token. Raises ValueError at the end."""
        if self.at == len(self.tokens):
            raise ValueError("a `case` has no end")
        self.at += 1
        return self.tokens[self.at - 1]

    def until(self, *ends: str) -> Iterator[Command]:
        """The commands before one of ``ends``, which is read too; without ``ends``, all commands."""
        words: list[str] = []
        while self.at < len(self.tokens) or ends:
            token = self.next()
            separates = token in ends or SEPARATORS.fullmatch(token)
            if not words and token == "case":
                yield from self._case()
            elif not words and token in ("if", "while", "until", "for"):
                self.depth += 1
            elif not words and token in ("fi", "done"):
                self.depth -= 1
            elif separates:
                yield from self._command(words)
                words = []
                if token in ends:
                    return
            elif words or not (token in BEFORE_A_COMMAND or ASSIGNMENT.match(token)):
                words.append(token)
        yield from self._command(words)

    def _command(self, words: Iterable[str]) -> Iterator[Command]:
        if words:
            yield Command(tuple(words), self.depth > 0)

    def _case(self) -> Iterator[Command]:
        """The commands of the first clause that matches. The last clause may lack its `;;`."""
        value, decided = self.expand(self.next()), False
        self.next()  # in
        while (token := self.next()) != "esac":
            patterns = []
            while token != ")":
                patterns += [token] if token not in ("|", "(") else []
                token = self.next()
            matches = not decided and any(fnmatchcase(value, self.expand(pattern)) for pattern in patterns)
            body = list(self._clause())
            if matches:
                decided = True
                yield from body

    def _clause(self) -> Iterator[Command]:
        ends = (";;", "esac")
        yield from self.until(*ends)
        if self.tokens[self.at - 1] == "esac":
            self.at -= 1
