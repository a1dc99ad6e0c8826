"""Running stacks for tests: started by a call, described in the report of a failed test, always removed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from reprolab.baseimage.resolve import policy
from reprolab.core import interrupts
from reprolab.core.errors import InvalidTrial, LabError
from reprolab.core.files import display_path
from reprolab.core.foreign_text import shown
from reprolab.core.locks import directory_lock, machine_directory
from reprolab.engine import host_facts, labels, leftovers
from reprolab.engine.detect import Engine, client, compose_command, ensure_engine
from reprolab.engine.failures import guarded, no_answer
from reprolab.engine.requirements import HostState, lacks
from reprolab.evidence import by_hand, lookup
from reprolab.evidence.run_dir import FAILURE, MODEL, TrialDirectory
from reprolab.pytest_plugin.case_run import no_set_up, print_progress
from reprolab.pytest_plugin.selection import lab_root
from reprolab.scenario import loader
from reprolab.scenario.model import Experiment, Scenario
from reprolab.stack.failure import LAST_LINES, keep_failure
from reprolab.stack.load import Load
from reprolab.stack.prepare import StackPreparer, StackRequest
from reprolab.stack.stack import Stack

FOLDER = "pytest"
"""Where below results/ the stacks of tests have their evidence."""
REPORTER = "reprolab-stacks"


class SharedStack(Stack):
    """A stack whose load waits for the load of other tests and of runs on this machine."""

    def wrk(self, path: str = "/", **options: Any) -> Load:
        """As `Stack.wrk`, while no other load of the lab runs on this machine."""
        with directory_lock(machine_directory(), "measures load on this machine", print_progress):
            return super().wrk(path, **options)

    def __repr__(self) -> str:
        """Short, since pytest shows it beside a failed assertion."""
        return f"<stack {self.project}>"


@dataclass(eq=False, repr=False)
class StackFactory:
    """Starts stacks for one test. ``failed`` is None as long as the outcome of the test is not known.

    ``places`` are the directories of evidence, also of a stack whose images could not be built.
    """

    config: pytest.Config
    node: pytest.Item
    failed: bool | None = None
    stacks: list[Stack] = field(default_factory=list)
    places: list[Path] = field(default_factory=list)
    _cleanup: ExitStack = field(default_factory=ExitStack)
    _engine: Engine | None = None

    def __call__(self, scenario: str, *, experiment: str = "", **factors: object) -> Stack:
        """Start a stack of a scenario with these factors, and wait until it answers.

        ``experiment``: with the services that this experiment needs. Raises UsageError for an unknown scenario,
        experiment, factor or value, LabError if the lab fails, InvalidTrial if the stack does not come up.
        """
        __tracebackhide__ = True
        try:
            return self._start(scenario, experiment, {name: str(value) for name, value in factors.items()})
        except (LabError, InvalidTrial) as error:
            # The reader of a failed test needs its line and the message, but not the lines of the lab.
            raise error.with_traceback(None) from None

    def _start(self, name: str, experiment: str, factors: dict[str, str]) -> Stack:
        root = lab_root(self.config)
        scenario = loader.load(root, name)
        scenario.check_factors(factors, f"reprolab_stack({name!r})")
        chosen = scenario.experiment(experiment) if experiment else None
        with no_set_up():
            engine = ensure_engine(print_progress)
        api = client()
        if not self._engine:
            leftovers.remove_leftovers(api)
        self._engine = engine
        if lack := lacks(scenario, factors, experiment, HostState.of(engine)):
            raise LabError(lack, advice="`reprolab list` shows what each scenario needs")
        evidence = TrialDirectory(lookup.create_run(root, f"{FOLDER}/{name}").path)
        self._cleanup.enter_context(interrupts.handled())
        self._cleanup.callback(self._remove_evidence, evidence.path)
        self.places.append(evidence.path)
        host = host_facts.facts_of(engine, api)
        info = by_hand.StackInfo(name, evidence.path.name, scenario.factors, factors, host)
        info.write(evidence.path / by_hand.STACK)
        stack = _prepared(scenario, chosen, factors, engine, api, evidence)
        self.stacks.append(stack)
        self._cleanup.callback(self._end, stack)
        guarded(stack.up, api)
        return stack

    def close(self) -> None:
        """Remove all stacks. Each is tried; the first error is raised at the end."""
        self._cleanup.close()

    def _end(self, stack: Stack) -> None:
        """Remove a stack; its logs are saved before, unless the test passed."""
        try:
            if self.failed is None and self._engine and not no_answer(stack.client):
                _capture(stack)
        finally:
            _remove(stack)

    def _remove_evidence(self, path: Path) -> None:
        if self.failed is False:
            shutil.rmtree(path, ignore_errors=True)

    def describe(self, report: pytest.TestReport) -> None:
        """Save what the stacks did, and add it to the report of a failed test. The stacks still run."""
        for stack in self.stacks:
            keep_failure(stack, f"the test {report.nodeid} failed")
            _capture(stack)
        for path in self.places:
            report.sections += sections(path)
            # Of the report of the whole test, which comes last.
            self.node.user_properties.append(("evidence", str(path.resolve())))


def _prepared(
    scenario: Scenario,
    experiment: Experiment | None,
    factors: dict[str, str],
    engine: Engine,
    api: docker.DockerClient,
    evidence: TrialDirectory,
) -> Stack:
    """The stack with its images built. Nothing of it is on the engine yet."""
    preparer = StackPreparer(engine, api, policy(os.environ), print_progress)
    owner = labels.object_labels(scenario.name, evidence.path.name)
    # Tests of several workers may ask for the same stack at the same time.
    project = f"reprolab-{scenario.name}-{secrets.token_hex(4)}"
    request = StackRequest(factors, experiment)
    (model,) = preparer.models(scenario, [request], owner, project=project, all_tools=True)
    preparer.build(model, evidence.path / "builds")
    compose, all_factors = compose_command(engine), {**scenario.factors, **factors}
    return SharedStack(scenario.name, model, evidence.path / MODEL, api, compose, evidence, owner, all_factors)


def _capture(stack: Stack) -> None:
    """Save the logs. What cannot be had must not hide the failure of the test."""
    with suppress(LabError, InvalidTrial):
        guarded(lambda: stack.capture(stack.compose[0]), stack.client)


def _remove(stack: Stack) -> None:
    """Remove a stack, also if the limit of pytest-timeout ends the first attempt."""
    try:
        stack.down()
    except LabError:
        raise
    except BaseException:
        stack.down()
        raise


def sections(path: Path) -> Iterator[tuple[str, str]]:
    """The sections of a report on the stack of this evidence: where that is, last lines, processes, the last load."""
    title = f"reprolab {path.parent.name}"
    try:
        info = by_hand.StackInfo.read(path / by_hand.STACK)
    except LabError as error:
        # Somebody has removed it. An error here would end the whole session.
        yield title, shown(str(error))
        return
    changes = " ".join(f"{name}={value}" for name, value in info.changes.items()) or "the documented values"
    yield title, f"{changes}\nevidence: {display_path(path)}/"
    for role in sorted(directory.name for directory in (path / FAILURE).glob("*/")):
        for file, what in (("last-lines.txt", f"last {LAST_LINES} lines of {role}"), ("summary.txt", f"{role} then")):
            if text := _text(path / FAILURE / role / file):
                yield f"{title}: {what}", text
    if text := _text(path / "wrk.txt"):
        yield f"{title}: the last load", text


def _text(path: Path) -> str:
    return shown(path.read_text(encoding="utf-8", errors="replace").rstrip()) if path.is_file() else ""


@dataclass(eq=False)
class StackReports:
    """Adds what stacks did to the reports of failed tests. It is a plugin from the first use of a stack on."""

    active: list[StackFactory] = field(default_factory=list)
    interrupted: list[Path] = field(default_factory=list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        for factory in [factory for factory in self.active if factory.node is item]:
            if report.failed and call.when != "teardown":
                factory.failed = True
                factory.describe(report)
            elif call.when == "call" and factory.failed is None:
                factory.failed = False
        return report

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the evidence of tests that have no report, since a signal ended them."""
        for path in self.interrupted:
            terminalreporter.line(f"reprolab: the stack is down; evidence: {display_path(path)}/")


@contextmanager
def stacks_of(request: pytest.FixtureRequest) -> Iterator[StackFactory]:
    """A factory of stacks for the test that asks for it; they are removed at the end of the block."""
    plugins = request.config.pluginmanager
    reports = plugins.get_plugin(REPORTER)
    if reports is None:
        reports = StackReports()
        plugins.register(reports, REPORTER)
    factory = StackFactory(request.config, request.node)
    reports.active.append(factory)
    try:
        yield factory
    finally:
        reports.active.remove(factory)
        try:
            factory.close()
        finally:
            if factory.failed is None:
                reports.interrupted += factory.places
