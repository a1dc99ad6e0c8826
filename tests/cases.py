"""Helpers of the tests without Docker: a small scenario on disk, generated trials, recorded runs."""

from __future__ import annotations

import gzip
import json
import runpy
import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from reprolab.core import files
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Column, Document, Experiment, Scenario
from reprolab.scenario.trial import TrialRecord

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(__file__).parent / "data"
RUNS = DATA / "runs"
# The words by which an inner pytest loads the lab's plugin. An installed lab has it by its entry point, and pytest
# refuses a plugin that is there twice.
PLUGIN = "reprolab.pytest_plugin.plugin"
LOADED = () if entry_points(group="pytest11", name="reprolab") else ("-p", PLUGIN)
NO_ENGINE = "tcp://127.0.0.1:1"

COMPOSE = """\
x-reprolab:
  title: a server that blinks
  document: {title: doc-1}
services:
  blink-app:
    image: app:${RELEASE:-1.0}
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    mem_limit: 64m
    pids_limit: 64
    environment:
      WORKERS: ${WORKERS:-2}
"""

EXPERIMENT = '''\
"""Whether the lamp blinks."""
from reprolab import Claim, Column

VARIANTS = {"documented": {}, "old": {"RELEASE": "0.9"}}
TRIALS = 3


def drive(stack):
    return {"blinked": True}


def blinked(o):
    return o["blinked"]


CLAIMS = [Claim("B-1", "It blinks since 1.0.", sign=blinked, shows=["documented"], absent=["old"])]
COLUMNS = [Column("blinked", lambda o: "yes" if o["blinked"] else "no")]
'''


def having(*files: str) -> list[str]:
    """The names of the scenarios that have these files; some files are optional."""
    return [name for name in loader.names(ROOT) if all((ROOT / "scenarios" / name / file).is_file() for file in files)]


def lay_out(root: Path, name: str = "blink", compose: str = COMPOSE, **files: str) -> Path:
    """Write a checkout with one scenario; ``lamp="..."`` writes lamp.py, by default the experiment above."""
    directory = root / "scenarios" / name
    directory.mkdir(parents=True)
    (root / "compose.yaml").write_text(f"name: reprolab\ninclude:\n  - scenarios/{name}/compose.yaml\n")
    (directory / "compose.yaml").write_text(compose.replace("blink-app:", f"{name}-app:"), encoding="utf-8")
    for stem, text in (files or {"lamp": EXPERIMENT}).items():
        (directory / f"{stem}.py").write_text(text, encoding="utf-8")
    return directory


def load(root: Path, **changes: str) -> Scenario:
    """Write the small scenario and load it."""
    lay_out(root, **changes)
    return loader.load(root, "blink")


def blinked(observation: Mapping[str, Any]) -> bool:
    """The small scenario's sign."""
    return observation["blinked"]


def claim(identifier: str = "B-1", **options: Any) -> Claim:
    """A claim on the sign ``blinked``."""
    return Claim(identifier, f"claim {identifier}", **({"sign": blinked, "shows": ["documented"]} | options))


def in_memory(*claims: Claim, columns: tuple[Column, ...] = (), also: tuple[Experiment, ...] = ()) -> Scenario:
    """A scenario without a directory, with the experiment ``lamp``."""
    variants = {name: {} for claim in claims for name in claim.expectations} or {"documented": {}}
    lamp = Experiment("lamp", variants, 3, lambda stack: {}, claims, columns=columns)
    experiments = {experiment.name: experiment for experiment in (lamp, *also)}
    return Scenario("blink", Path("blink"), "a lamp", Document("doc-1"), "", "", {"RELEASE": "1.0"}, experiments)


def trial(variant: str = "documented", shown: Any = True, number: int = 1, **changes: Any) -> TrialRecord:
    """A valid trial whose observation has ``shown`` for the sign; ``invalid="..."`` makes it invalid."""
    defaults: dict[str, Any] = {"experiment": "lamp", "factors": {}, "observation": {"blinked": shown}}
    return TrialRecord(variant=variant, trial=number, **(defaults | changes))


def trials(**shown: str) -> list[TrialRecord]:
    """Trials by variant, a character each: + shows the sign, - does not, ! makes the sign raise, x is invalid."""
    signs: dict[str, Any] = {"+": True, "-": False, "!": None, "x": True}
    return [
        trial(name.replace("_", "-"), signs[mark], number, invalid="not healthy" if mark == "x" else "")
        for name, marks in shown.items()
        for number, mark in enumerate(marks, 1)
    ]


def changed(o: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """An observation with one value changed; ``path`` is its keys, parted by dots."""
    result: dict[str, Any] = deepcopy(o)
    *keys, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    inner: Any = result
    for key in keys:
        inner = inner[key]
    inner[last] = value
    return result


def main_of_patch(scenario: str) -> Callable[[str], None]:
    """The entry of a scenario's patch.py."""
    return runpy.run_path(str(ROOT / "scenarios" / scenario / "patch.py"))["main"]  # type: ignore[no-any-return]


def trials_of(name: str) -> bytes:
    """The recorded trials of a scenario; empty if the tests have none."""
    if name == "socket-vanish":
        return (RUNS / "whole" / "trials.jsonl").read_bytes()
    plain = DATA / name / "trials.jsonl"
    packed = plain.with_name("trials.jsonl.gz")
    if plain.exists():
        return plain.read_bytes()
    return gzip.decompress(packed.read_bytes()) if packed.exists() else b""


def write_run_json(run: RunDirectory, **content: Any) -> None:
    """Write a run.json of the small scenario with this content, as a run of any release may have it."""
    files.write_json(run.path / "run.json", {"schema": 1, "scenario": "blink", **content})


def unplan(run: RunDirectory, variant: str) -> None:
    """Make a run one that was asked for all variants but this one: without its trials, and not in its plan."""
    path = run.path / "trials.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line)["variant"] != variant), encoding="utf-8")
    content = files.read_json(run.path / "run.json")
    content["plan"] = [row for row in content.get("plan", []) if row["variant"] != variant]
    files.write_json(run.path / "run.json", content)


def recorded_run(results: Path, name: str) -> RunDirectory:
    """A copy of a recorded run of socket-vanish, in which judging may write."""
    target = results / "socket-vanish" / "20260101T000000Z"
    shutil.copytree(RUNS / name, target)
    return RunDirectory(target)
