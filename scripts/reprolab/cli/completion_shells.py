"""How bash, zsh and fish ask for completions, and their scripts. click has the protocols; what it lacks is here."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

VARIABLE = "_REPROLAB_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
TEMPLATES = Path(__file__).resolve().parent / "templates"
LONGEST_HELP = 80


def script(shell: str) -> str:
    """The script that a shell reads."""
    return (TEMPLATES / f"completion.{shell}").read_text(encoding="utf-8")


def is_asked() -> bool:
    """Whether a shell asks for completions in this process."""
    return VARIABLE in os.environ


def register() -> None:
    """Let click use the classes below."""
    for shell in (Bash, Zsh, Fish):
        add_completion_class(shell)


class Bash(BashComplete):
    """bash splits words at `=` and `:`, and replaces only the part behind the last of them."""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        if line[-1:].isspace():
            words.append("")
        self.kept = _kept(words[-1] if len(words) > 1 else "", os.environ.get("COMP_BREAKS", "=:"))
        return words[1:-1], words[-1] if len(words) > 1 else ""

    def format_completion(self, item: CompletionItem[Any]) -> str:
        text = str(item.value).removeprefix(self.kept)
        # bash inserts the text as it is. What ends with = gets its value first.
        return f"{item.type},{text if text.endswith('=') else shlex.quote(text) if text else ''}"


def _kept(word: str, breaks: str) -> str:
    """The part of a word that bash keeps as it is: up to the last character at which it splits words."""
    ends = [word.rfind(character) + 1 for character in "=:" if character in breaks]
    return word[: max(ends, default=0)]


class Zsh(ZshComplete):
    """zsh shows the help of each word in one line."""

    def format_completion(self, item: CompletionItem[str]) -> str:
        return super().format_completion(_short(item))


class Fish(FishComplete):
    """fish shows the help of each word in one line."""

    def format_completion(self, item: CompletionItem[str]) -> str:
        return super().format_completion(_short(item))


def _short(item: CompletionItem[str]) -> CompletionItem[str]:
    help_ = " ".join((item.help or "").split())
    short = help_ if len(help_) <= LONGEST_HELP else f"{help_[: LONGEST_HELP - 1]}…"
    return CompletionItem(item.value, item.type, short or None)
