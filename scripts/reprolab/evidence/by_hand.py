"""Stacks by hand below results/: where each has its files, and the copies of its logs that are kept.

results/by-hand/SCENARIO/NAME/ holds up.json and, while the stack NAME is up, compose.json. Each copy has a directory in
it, named by its UTC stamp: <role>.log.gz, containers.json, compose.json, wrk.json after a load, and stack.json, written
last. The stack without a name is "default".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprolab.core import command_text
from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError
from reprolab.core.files import format_errors, read_json, read_object, write_json
from reprolab.core.results import BY_HAND
from reprolab.core.typed import checked
from reprolab.engine.host_facts import Host
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import TrialDirectory

FOLDER = BY_HAND
DEFAULT = "default"
MODEL = "compose.json"
UP = "up.json"
STACK = "stack.json"
NAME = r"[a-z0-9]+([_-][a-z0-9]+)*"
LONGEST = 30
STAMPS = "2*T*Z*"


@dataclass(frozen=True)
class StackInfo:
    """What a stack by hand runs with: its documented factors, and ``changes``, those that were set."""

    scenario: str
    name: str
    factors: Mapping[str, str]
    changes: Mapping[str, str]
    host: Host

    @classmethod
    def read(cls, path: Path) -> StackInfo:
        """Read a stack.json. Raises UsageError where it is missing or not one."""
        content = read_json(path)
        with format_errors(path):
            info = cls(
                scenario=str(content["scenario"]),
                name=str(content["name"]),
                factors=dict(content["factors"]),
                changes=dict(content["changes"]),
                host=Host.from_json(content["host"]),
            )
            return checked(info)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        content = {
            "scenario": self.scenario,
            "name": self.name,
            "factors": dict(self.factors),
            "changes": dict(self.changes),
            "host": self.host.to_json(),
        }
        write_json(path, content)


@dataclass(frozen=True)
class StackCopy:
    """A copy of the logs of a stack by hand."""

    path: Path
    info: StackInfo

    def load(self) -> dict[str, Any] | None:
        """The figures of the last load before it, as wrk.json holds them; None where there was none.

        Raises UsageError for a file of another shape.
        """
        path = self.path / "wrk.json"
        return read_object(path) if path.exists() else None


def checked_name(text: str) -> str:
    """A stack's name as its directory has it; "" is the default one's. Raises UsageError for what is no name."""
    if text and (not re.fullmatch(NAME, text) or len(text) > LONGEST):
        raise UsageError(
            f"{command_text.option('as', repr(text))} is no name of a stack",
            expected=f"small letters and digits, with single dashes or underscores between, up to {LONGEST} characters",
        )
    return text or DEFAULT


def place(root: Path, scenario: str, name: str) -> TrialDirectory:
    """Where a stack has its files."""
    return TrialDirectory(lookup.results_root(root) / FOLDER / scenario / name)


def names(root: Path, scenario: str) -> list[str]:
    """The names under which a scenario's stacks were ever up, in alphabetical order."""
    folder = lookup.results_root(root) / FOLDER / scenario
    return sorted(path.name for path in folder.glob("*") if path.is_dir())


def create_copy(root: Path, scenario: str, name: str) -> TrialDirectory:
    """A new directory for a copy."""
    return TrialDirectory(lookup.create_run(root, f"{FOLDER}/{scenario}/{name}").path)


def copied_names(root: Path, scenario: str = "*") -> list[str]:
    """The stacks of which there is a copy, as SCENARIO/NAME."""
    paths = (lookup.results_root(root) / FOLDER).glob(f"{scenario}/*/{STAMPS}/{STACK}")
    return sorted({f"{path.parents[2].name}/{path.parents[1].name}" for path in paths})


def named_copy(root: Path, where: str) -> StackCopy | None:
    """The copy that a path or [by-hand/]SCENARIO/NAME[/STAMP] names, without a stamp the latest; None for other words.

    Raises UsageError for a word that begins with by-hand/ and names no copy.
    """
    results = lookup.results_root(root)
    for path in (Path(where), results / where, results / FOLDER / where):
        if (path / STACK).is_file():
            return StackCopy(path.resolve(), StackInfo.read(path / STACK))
        if stamps := sorted(path.glob(f"{STAMPS}/{STACK}")):
            return StackCopy(stamps[-1].parent.resolve(), StackInfo.read(stamps[-1]))
    words = [word for word in Path(where).parts if word not in ("/", results.name)]
    if words and words[0] == FOLDER:
        raise no_copy(root, "/".join(words[1:]))
    return None


def copy_by_name(root: Path, name: str) -> StackCopy | None:
    """The latest copy of the stack of this name; None where there is none. Raises UsageError for names of several."""
    if "/" in name:
        return None
    copies = [known for known in copied_names(root) if known.endswith(f"/{name}")]
    if len(copies) > 1:
        raise UsageError(
            f"several scenarios have a stack {name!r}",
            expected="one of " + ", ".join(f"{FOLDER}/{n}" for n in copies),
        )
    return named_copy(root, f"{FOLDER}/{copies[0]}") if copies else None


def no_copy(root: Path, where: str) -> UsageError:
    """What to say of SCENARIO/NAME of which there is no copy: what was meant, what there is, how to get one."""
    scenario, _, name = where.partition("/")
    known = copied_names(root)
    there = f"; there are {', '.join(f'{FOLDER}/{copied}' for copied in known)}" if known else "; there is none yet"
    up = name in names(root, scenario)
    of_scenario = [copied.partition("/")[2] for copied in known if copied.startswith(f"{scenario}/")]
    guess = "" if up else hint(name, of_scenario) if of_scenario else hint(where, known)
    advice = command_text.by_hand("logs", scenario or "SCENARIO", name if name != DEFAULT else "")
    return UsageError(
        f"no copy of the logs of a stack {FOLDER}/{where}{guess}",
        expected=f"a copy's directory, or {FOLDER}/SCENARIO/NAME for its latest one{there}",
        advice=f"{advice} keeps one while the stack is up" if up or not known else "",
    )
