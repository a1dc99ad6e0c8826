"""The test set of `reprolab diagnose`: short excerpts of logs with settings, below tests/diagnose/.

Each file is one excerpt. It begins with lines `key: value`: `about`, `after` (the thread after which we wrote it),
`expect` (SCENARIO, LEVEL; or `none`), and the options `version`, `command` and `env`. Then come files, each after a
line `== NAME`: logs, and files of settings. No text is copied; paths, addresses and pids are invented.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reprolab.diagnose.assess import NAMED, Level
from reprolab.diagnose.session import Case, Diagnosis, Question, diagnose, load_cases

ROOT = Path(__file__).resolve().parents[1]
EXCERPTS_FOLDER = ROOT / "tests" / "diagnose"
NONE = "none"


@cache
def cases() -> tuple[Case, ...]:
    """The signatures of this checkout, loaded once."""
    return load_cases(ROOT)


@dataclass(frozen=True)
class Excerpt:
    """One excerpt. ``expected`` is (scenario, level), or None where no case is to be named."""

    name: str
    options: tuple[tuple[str, str], ...]
    files: dict[str, str]

    def values(self, key: str) -> tuple[str, ...]:
        return tuple(value for name, value in self.options if name == key)

    @property
    def expected(self) -> tuple[str, Level] | None:
        text = self.values("expect")[0]
        if text == NONE:
            return None
        scenario, _, level = text.partition(", ")
        return scenario, Level(level)

    def answer(self) -> Diagnosis:
        """Write the files into a directory of their own, and ask."""
        with tempfile.TemporaryDirectory() as folder:
            paths = {name: Path(folder) / name for name in self.files}
            for name, path in paths.items():
                path.write_text(self.files[name], encoding="utf-8")
            return diagnose(cases(), self._question(paths))

    def _question(self, paths: dict[str, Path]) -> Question:
        logs = [str(path) for name, path in paths.items() if name.endswith(".log")]
        configs = [
            path for name, path in paths.items() if name.startswith(("gunicorn.", "uwsgi.")) and str(path) not in logs
        ]
        return Question(
            tuple(logs),
            tuple(configs),
            tuple(path for name, path in paths.items() if name.startswith("requirements")),
            self.values("command"),
            self.values("env"),
            tuple(path for name, path in paths.items() if name == "inspect.json"),
            self.values("version"),
        )


def read(path: Path) -> Excerpt:
    """Read one excerpt."""
    head, *parts = f"\n{path.read_text(encoding='utf-8')}".split("\n== ")
    options = tuple(
        (key, value.strip()) for key, _, value in (line.partition(": ") for line in head.strip().split("\n"))
    )
    files = {name: content for name, _, content in (part.partition("\n") for part in parts)}
    return Excerpt(path.stem, options, files)


def excerpts() -> Iterator[Excerpt]:
    """All excerpts, in the order of their names."""
    return (read(path) for path in sorted(EXCERPTS_FOLDER.glob("*.txt")))


def verdict(excerpt: Excerpt, answer: Diagnosis) -> str:
    """`right`, `wrong`, or `none`: no case was named, and one was expected.

    A case that no log shows is right if it is among those that the settings allow, and nothing else is named.
    """
    named = [row for row in answer.assessments if row.level in NAMED]
    expected = excerpt.expected
    if expected is None:
        return "wrong" if named else "right"
    scenario, level = expected
    if level is Level.NOT_SHOWN and not named:
        silent = any(row.scenario == scenario and row.level is level for row in answer.assessments)
        return "right" if silent else "none"
    if not named:
        return "none"
    return "right" if (named[0].scenario, named[0].level) == expected else "wrong"
