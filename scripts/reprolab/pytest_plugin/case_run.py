"""Runs one case for its claims, or judges a run of it that is there."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from reprolab.core import interrupts
from reprolab.core.errors import Exit, LabError
from reprolab.core.files import display_path
from reprolab.core.foreign_text import shown
from reprolab.core.terminal import REPORT_WIDTH, Terminal
from reprolab.engine.install import EXTERNAL
from reprolab.evidence.run_dir import RunDirectory
from reprolab.pins import releases
from reprolab.pytest_plugin.outcome import JudgedRun
from reprolab.report import layers
from reprolab.run.plan import Plan, RunOptions, make_plan
from reprolab.run.progress import Progress
from reprolab.run.session import Session
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import VerdictDocument, read_verdict
from reprolab.verdict.record import judge_trials, read_record, recorded_verdict

ENGINE = "REPROLAB_ENGINE"
SET = "--reprolab-set"


@dataclass(frozen=True)
class CaseOptions:
    """The options of pytest's command line for a run. Empty or None: not given."""

    settings: Mapping[str, str] = field(default_factory=dict)
    trials: int | None = None
    seed: int | None = None
    budget: float | None = None

    def check(self, scenario: Scenario) -> None:
        """Raise UsageError for a factor that the scenario does not have."""
        load = any(not experiment.parallel for experiment in scenario.experiments.values())
        scenario.check_factors(self.settings, SET, load=load)


def plan_for(scenario: Scenario, claims: Collection[str], options: CaseOptions) -> Plan:
    """The plan of a run that decides the claims with these ids: the variants that they need, and no other.

    With settings it is one variant with these factors, in each experiment of the claims. Raises UsageError.
    """
    settings = RunOptions(
        scenario.name, settings=options.settings, trials=options.trials, seed=options.seed, budget=options.budget
    )
    plan = make_plan(scenario, settings)
    needed = {
        experiment.name: {name for claim in experiment.claims if claim.id in claims for name in claim.expectations}
        for experiment in scenario.experiments.values()
    }
    chosen = [
        variant
        for variant in plan.variants
        if (needed[variant.experiment.name] if options.settings else variant.name in needed[variant.experiment.name])
    ]
    return replace(plan, variants=tuple(chosen))


@contextmanager
def no_set_up() -> Iterator[None]:
    """In the block the lab uses an engine that is there, and installs none: a test must not change its machine."""
    before = os.environ.get(ENGINE)
    os.environ[ENGINE] = EXTERNAL
    try:
        yield
    finally:
        if before is None:
            del os.environ[ENGINE]
        else:
            os.environ[ENGINE] = before


def run_case(root: Path, scenario: Scenario, claims: Collection[str], options: CaseOptions) -> JudgedRun:
    """Run the case, and judge it. What the lab prints of it goes to standard output.

    Raises LabError with the directory of the evidence so far. A signal raises KeyboardInterrupt once the stack is down.
    """
    plan = plan_for(scenario, claims, options)
    terminal = Terminal(width=REPORT_WIDTH)
    session = Session(root, plan, terminal, Progress(plan, terminal, print_progress))
    try:
        with no_set_up(), interrupts.handled():
            releases.check(root, scenario, options.settings, SET)
            status = session.execute()
    except LabError as error:
        if session.run is None:
            raise
        error.args = (f"{error.args[0]}\n  evidence: {display_path(session.run.path)}/",)
        raise
    except KeyboardInterrupt as error:
        if session.run is None:
            raise
        # pytest shows no output of an interrupted test, but this message.
        raise KeyboardInterrupt(f"evidence so far: {display_path(session.run.path)}/") from error
    assert session.run is not None
    verdict = read_verdict(session.run)
    assert verdict is not None
    failure = "an image could not be built" if status == Exit.LAB_FAILED else ""
    return judged(scenario, session.run, verdict, failure)


def judge_run(scenario: Scenario, run: RunDirectory) -> JudgedRun:
    """Judge a run from its files. Nothing is written. Raises UsageError for a run that cannot be read."""
    verdict = judge_trials(scenario, run, run.checked_trials(), recorded_verdict(scenario))
    return judged(scenario, run, verdict)


def judged(scenario: Scenario, run: RunDirectory, verdict: VerdictDocument, failure: str = "") -> JudgedRun:
    """A run and its verdict with what has changed since the record."""
    record = read_record(scenario)
    comparison = layers.compare_with_record(scenario, record, run.info()) if record else None
    return JudgedRun(scenario, run.path, verdict, comparison, failure)


def print_progress(message: str) -> None:
    """Print a line for the captured output of a test."""
    print(f"· {shown(message)}")
