"""docs/pytest.md: its examples are run, and print what the page says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cases import LOADED, NO_ENGINE, ROOT, recorded_run
from reprolab.pytest_plugin import claims
from reprolab.pytest_plugin.outcome import Kind

PAGE = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
# These commands start containers.
ON_CONTAINERS = re.compile(r"pytest (\S+\.py|--reprolab \S+ (?!--collect-only))")


@dataclass(frozen=True)
class Example:
    """A command of the page, and the lines that it prints."""

    command: str
    lines: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """The lines as an expression: dots stand for anything, a line of dots for any number of lines."""
        parts = [
            r"(?:.*\n)*?" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + r" *\n"
            for line in self.lines
        ]
        return "".join(parts)


def examples() -> list[Example]:
    """The commands in the order of the page."""
    blocks = re.findall(r"^```console\n\$ (.+)\n((?:.*\n)*?)```$", PAGE, re.M)
    return [Example(command, tuple(text.splitlines())) for command, text in blocks]


EXAMPLES = [
    pytest.param(
        example,
        id=example.command,
        marks=[pytest.mark.docker, pytest.mark.timeout(600)] if ON_CONTAINERS.match(example.command) else [],
    )
    for example in examples()
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_prints_what_the_page_says(example: Example, tmp_path: Path) -> None:
    """In a directory with the page's files and a recorded run; without containers no engine can be reached."""
    for name, text in re.findall(r"^```python\n# (\S+)\n((?:.*\n)*?)```$", PAGE, re.M):
        (tmp_path / name).write_text(text, encoding="utf-8")
    recorded_run(tmp_path / "results", "whole")
    environment = {**os.environ, "REPROLAB_ROOT": str(ROOT), "REPROLAB_RESULTS": str(tmp_path / "results")}
    if not ON_CONTAINERS.match(example.command):
        environment["DOCKER_HOST"] = NO_ENGINE
    program, *words = shlex.split(example.command)
    assert program == "pytest"
    command = [sys.executable, "-m", "pytest", *LOADED, *words]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert re.search(f"^{example.pattern}", run.stdout, re.M), f"{run.stdout}\n{run.stderr}"


def test_the_page_has_examples_of_both_kinds() -> None:
    """A changed fence must not take them out of the test."""
    on_containers = [example for example in examples() if ON_CONTAINERS.match(example.command)]
    assert len(on_containers) == 2 and len(examples()) == PAGE.count("```console") == 4
    assert PAGE.count("```python") == 1


def test_the_page_has_every_outcome_and_option() -> None:
    """Word and letter of each kind, the exit status, and the options as --help has them."""
    for kind in Kind:
        assert re.search(rf"^\| {kind.upper()}[^|]* \| `{re.escape(kind.letter)}` \|", PAGE, re.M), kind
    assert f"**{claims.UNDECIDED}**" in PAGE
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", *LOADED, "--help"], capture_output=True, text=True, check=True
    )
    options = set(re.findall(r"^  (--reprolab[\w-]*)", shown.stdout, re.M))
    assert options == set(re.findall(r"^\| `(--reprolab[\w-]*)", PAGE, re.M))
