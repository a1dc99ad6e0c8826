"""The lab's folder, and which claims become tests: the words of the command line as scenarios, claims and runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reprolab.cli.common import ROOT_VARIABLE, project_root
from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Scenario
from reprolab.verdict import fitting

ROOT_SETTING = "reprolab_root"


def lab_root(config: pytest.Config) -> Path:
    """The lab's folder: REPROLAB_ROOT, else pytest's setting reprolab_root, else found from here. Raises UsageError."""
    setting = config.getini(ROOT_SETTING)
    named = bool(setting) and ROOT_VARIABLE not in os.environ
    if named:
        # For this call only: another session of the same process may have another folder.
        os.environ[ROOT_VARIABLE] = str(config.rootpath / setting)
    try:
        return project_root()
    except UsageError as error:
        error.advice += f"; or name it in pytest's settings: {ROOT_SETTING} = DIR"
        raise
    finally:
        if named:
            del os.environ[ROOT_VARIABLE]


@dataclass
class Selection:
    """The claims of one scenario that become tests. ``run`` is the run to judge; None: the case is run."""

    scenario: Scenario
    claims: dict[str, Claim] = field(default_factory=dict)
    run: RunDirectory | None = None

    def add(self, experiment: str, identifier: str) -> None:
        """Add the claims of an experiment ("" for all), or the one with this id. Raises UsageError."""
        scenario = self.scenario
        chosen = [scenario.experiment(experiment)] if experiment else scenario.experiments.values()
        claims = {claim.id: claim for item in chosen for claim in item.claims}
        if identifier and identifier not in claims:
            raise UsageError(
                f"{scenario.name} has no claim {identifier!r}{hint(identifier, claims)}",
                expected="one of " + ", ".join(claims),
            )
        wanted = self.claims.keys() | ({identifier} if identifier else claims.keys())
        # In the order of the scenario, whatever the order of the words.
        self.claims = {claim.id: claim for claim in scenario.claims if claim.id in wanted}


def select(root: Path, cases: Sequence[str], runs: Sequence[str]) -> list[Selection]:
    """The claims of the cases and of the runs, by scenario in the order of the words.

    A case is SCENARIO[/EXPERIMENT][::CLAIM]. A run is of its whole scenario unless a case names some of its claims.
    Raises UsageError for a name that does not exist, and for two runs of one scenario.
    """
    selections: dict[str, Selection] = {}
    for word in cases:
        place, _, identifier = word.partition("::")
        name, _, experiment = place.partition("/")
        selections.setdefault(name, Selection(loader.load(root, name))).add(experiment, identifier)
    for where in runs:
        scenario, run = fitting.open_to_judge(root, where, lambda message: None)
        name = scenario.name
        if name not in selections:
            selections[name] = Selection(scenario)
            selections[name].add("", "")
        if selections[name].run is not None:
            raise UsageError(f"--reprolab-run names two runs of {name}", expected="one run of a scenario")
        selections[name].run = run
    return list(selections.values())
