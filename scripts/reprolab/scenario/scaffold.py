"""Lays out a new scenario: a directory that runs as it is, to be changed into the documented case.

What hands a case over or shows it is added when wanted, with the scenario or later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reprolab.core import command_text, shared_files
from reprolab.core.config_file import near
from reprolab.core.errors import UsageError
from reprolab.core.templates import environment
from reprolab.scenario import loader
from reprolab.scenario.model import DOCUMENTED, Scenario

NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
LONGEST = 40
FILES = (
    "compose.yaml",
    "Dockerfile",
    ".dockerignore",
    "requirements/gunicorn.txt",
    "app.py",
    "claims.py",
    "README.md",
)
PAGE = "authoring.md"
ADDITIONS: Mapping[str, tuple[str, ...]] = {
    "bugreport": ("upstream.yaml",),
    "reproducer": ("reproducer.yaml", "reproducer/drive.py"),
    "demo": ("demo.yaml",),
}
# Other words for an addition: its file, the command that reads it.
ALIASES = {"upstream": "bugreport", "bug-report": "bugreport", "export": "reproducer"}


def create(root: Path, name: str) -> list[Path]:
    """Write scenarios/NAME from the templates and its include line; returns the paths, relative to the root.

    Raises UsageError for a name that Compose or a shell would not take, or that is taken.
    """
    check_name(name)
    directory = root / "scenarios" / name
    if directory.exists():
        raise _taken(directory)
    _write(root, directory, FILES, {"name": name, "initials": initials(name)})
    include(root, name)
    return [Path("scenarios", name, file) for file in FILES] + [Path("compose.yaml")]


def include(root: Path, name: str) -> None:
    """Add the line of a scenario to the lab folder's compose.yaml, unless a scenario that was deleted left it there."""
    file = root / "compose.yaml"
    listed = file.read_text(encoding="utf-8").rstrip("\n")
    line = f"  - scenarios/{name}/compose.yaml"
    if line not in listed.splitlines():
        file.write_text(f"{listed}\n{line}\n", encoding="utf-8")


def check_name(name: str) -> None:
    """Raise UsageError for a name that Compose or a shell would not take."""
    if not re.fullmatch(NAME, name) or len(name) > LONGEST:
        raise UsageError(
            f"{name!r} is no scenario name",
            expected=f"words of small letters and digits, with a dash between them, up to {LONGEST} characters",
        )


def additions(texts: Iterable[str]) -> list[str]:
    """The words of ADD, parted by spaces or commas, each once. Raises UsageError for an unknown one."""
    words = dict.fromkeys(word for text in texts for word in re.split(r"[\s,]+", text) if word)
    for word in words:
        if word not in ADDITIONS:
            close = near(word, (*ADDITIONS, *ALIASES))
            meant = f" (did you mean {ALIASES.get(close, close)}?)" if close else ""
            raise UsageError(
                f"{command_text.option('add')}: nothing is called {word!r}{meant}",
                expected="one or more of " + ", ".join(ADDITIONS),
            )
    return list(words)


def add(root: Path, name: str, words: Iterable[str]) -> tuple[list[Path], list[Path]]:
    """Write the files of these additions that a scenario lacks; returns those written and those there already.

    Their claim and variants are the scenario's. Raises UsageError where no claim has a variant that shows its sign and
    one that does not.
    """
    scenario = loader.load(root, name)
    files = [file for word in words for file in ADDITIONS[word]]
    missing = [file for file in files if not _is_there(scenario.directory / file)]
    if missing:
        _write(root, scenario.directory, missing, _names(scenario))
    paths = {file: Path("scenarios", name, file) for file in files}
    return [paths[file] for file in missing], [paths[file] for file in files if file not in missing]


def _write(root: Path, directory: Path, files: Iterable[str], values: Mapping[str, str]) -> None:
    """Render every file before the first is written."""
    templates = environment(__package__)
    context = {**values, **_place_words(root, directory.name)}
    texts = {file: templates.get_template(f"{Path(file).name.lstrip('.')}.j2").render(**context) for file in files}
    for file, text in texts.items():
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        (directory / file).write_text(text, encoding="utf-8")


def _place_words(root: Path, name: str) -> dict[str, Any]:
    """The commands and the page that a scenario's files name, as they exist in this lab folder."""
    both = {
        "run": (f"run {name}", f"scenario-{name}"),
        "up": (f"up {name}", f"up-{name}"),
        "up_two": (f"up {name} --set WORKERS=2", f"up-{name} WORKERS=2"),
        "down": (f"down {name}", f"down-{name}"),
        "export": (f"export {name}", f"export-{name}"),
        "demo": (f"demo {name}", f"demo-{name}"),
    }
    commands = {key: command_text.kept(root, *words) for key, words in both.items()}
    commands["two"] = commands["up_two"].removeprefix(commands["up"]).strip()
    page = shared_files.page(root, PAGE)
    # A page of the installed lab is at another place on every machine.
    inside = page.startswith(shared_files.DOCS)
    return {
        "commands": commands,
        "page": page if inside else f"{PAGE} of reprolab",
        "page_link": f"[{page}](../../{page})" if inside else f"{PAGE} of reprolab",
    }


def _is_there(path: Path) -> bool:
    # A reproducer is driven by drive.py or by a container of its own: two would contradict each other.
    return path.exists() or (path.name == "drive.py" and (path.parent / "Dockerfile").exists())


def _names(scenario: Scenario) -> dict[str, str]:
    """The first claim that has a control, and its variants, as the templates of the additions name them."""
    for experiment in scenario.experiments.values():
        for claim in experiment.claims:
            if claim.shows and claim.absent:
                return {
                    "name": scenario.name,
                    "claim": claim.id,
                    "shows": DOCUMENTED if DOCUMENTED in claim.shows else claim.shows[0],
                    "control": claim.absent[0],
                    "experiment": experiment.name if len(scenario.experiments) > 1 else "",
                }
    raise UsageError(
        f"scenarios/{scenario.name} has no claim with a control",
        expected="a claim that names variants in `shows` and in `absent`, see " + how_to_write(scenario.root),
    )


def _taken(directory: Path) -> UsageError:
    """What to say of a name that is taken: what could be added to the scenario."""
    lacking = [word for word, files in ADDITIONS.items() if not (directory / files[0]).exists()]
    advice = f"{how_to_add(directory.name, *lacking)} adds to it" if lacking else ""
    return UsageError(f"scenarios/{directory.name} is there already", advice=advice)


def how_to_write(root: Path) -> str:
    """The page that says how a scenario is written, for a message."""
    return shared_files.page(root, PAGE)


def how_to_add(name: str, *words: str) -> str:
    """The command that adds these to a scenario."""
    options = " ".join(f"--add {word}" for word in words)
    quote = '"' if len(words) > 1 else ""
    return command_text.command(
        f"new-scenario {name} {options}", f"new-scenario NAME={name} ADD={quote}{' '.join(words)}{quote}"
    )


def initials(name: str) -> str:
    """What the ids of a scenario's claims begin with."""
    return "".join(part[0] for part in name.split("-")).upper()
