"""Claims as tests: pytest collects a case with its claims, runs the case once, and reports each claim."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest

from reprolab.cli.common import duration, require_open_files, settings_of
from reprolab.core.errors import LabError, UsageError
from reprolab.core.files import display_path
from reprolab.core.foreign_text import shown
from reprolab.pytest_plugin.case_run import CaseOptions, judge_run, run_case
from reprolab.pytest_plugin.outcome import JudgedRun, Outcome, counted
from reprolab.pytest_plugin.selection import Selection, lab_root, select

UNDECIDED = 6
"""The exit status of pytest if no test failed, and claims are undecided."""
CASE_OPTION = "--reprolab"
ATTRIBUTE = "reprolab_outcome"


class ClaimNotPassed(Exception):
    """A claim did not pass; the outcome has the reason."""


class Case(pytest.Collector):
    """A case whose claims are tests. It runs once, when the first of them is set up."""

    def __init__(self, *, root: Path, selection: Selection, options: CaseOptions, **rest: Any) -> None:
        super().__init__(**rest)
        self.root, self.selection, self.options = root, selection, options
        self.judged: JudgedRun | None = None
        self.error: Exception | None = None

    def collect(self) -> Iterator[ClaimItem]:
        for identifier in self.selection.claims:
            yield ClaimItem.from_parent(self, name=identifier)

    def ready(self) -> JudgedRun:
        """The run of the claims that pytest has chosen. Raises what ended it, for each claim.

        An error of the lab is pytest's Failed, with the whole message for the first claim only.
        """
        first = self.judged is None and self.error is None
        if first:
            try:
                self.judged = self._judge()
            except Exception as error:
                self.error = error
        if self.judged is not None:
            return self.judged
        if not isinstance(self.error, LabError):
            assert self.error is not None
            raise self.error
        message = str(self.error)
        if not first:
            message = f"{message.splitlines()[0]} (see the first claim of {self.name})"
        pytest.fail(shown(message), pytrace=False)

    def _judge(self) -> JudgedRun:
        scenario = self.selection.scenario
        if self.selection.run is not None:
            return judge_run(scenario, self.selection.run)
        require_open_files()
        # Without those that -k, -m or --lf left out.
        chosen = [item.name for item in self.session.items if item.parent is self]
        return run_case(self.root, scenario, chosen, self.options)


class ClaimItem(pytest.Item):
    """A claim as a test."""

    parent: Case

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.outcome: Outcome | None = None
        if self.config.pluginmanager.hasplugin("timeout"):
            # The limits of a run are the lab's own: a whole run belongs to its first claim.
            self.add_marker(pytest.mark.timeout(0))

    def setup(self) -> None:
        self.parent.ready()

    def runtest(self) -> None:
        run = self.parent.ready()
        self.outcome = run.outcome(self.name)
        claim = run.verdict.claim(self.name)
        assert claim is not None
        recorded = str(claim.recorded or "")
        self.user_properties += [
            ("verdict", str(claim.verdict)),
            ("recorded", recorded),
            ("evidence", str(run.path)),
        ]
        if not self.outcome.ends_well:
            raise ClaimNotPassed(self.outcome.text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ClaimNotPassed):
            return shown(str(excinfo.value))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.nodeid


# pytest keeps plugins in sets.
@dataclass(eq=False)
class ClaimTests:
    """The hooks of a session with claims. ``only`` says that nothing but claims is collected."""

    root: Path
    selections: list[Selection]
    options: CaseOptions
    only: bool
    reported: list[tuple[pytest.TestReport, Outcome]] = field(default_factory=list)

    @classmethod
    def of(cls, config: pytest.Config) -> ClaimTests:
        """Read the options. Raises pytest's UsageError for what does not exist."""
        try:
            root = lab_root(config)
            options = _case_options(config)
            selections = select(root, config.getoption("reprolab"), config.getoption("reprolab_run"))
            for selection in selections:
                options.check(selection.scenario)
            if options != CaseOptions() and all(selection.run for selection in selections):
                raise UsageError(
                    f"{CASE_OPTION}-trials, -set, -budget and -seed are about a case that runs",
                    expected=f"{CASE_OPTION} SCENARIO beside the runs that are judged, or none of these options",
                )
        except LabError as error:
            raise pytest.UsageError(shown(str(error))) from error
        tests = cls(root, selections, options, _nothing_else(config))
        if tests.only:
            config.args = []
        if config.getoption("dist", "no") == "each":
            raise pytest.UsageError(f"{CASE_OPTION} runs a case once, and --dist each would run it on every worker")
        return tests

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        if isinstance(collector, pytest.Session) and report.passed:
            report.result = [*(report.result or []), *self._cases(collector)]
        return report

    def _cases(self, session: pytest.Session) -> Iterator[Case]:
        for selection in self.selections:
            name = selection.scenario.name
            yield Case.from_parent(
                session,
                name=name,
                nodeid=name,
                root=self.root,
                selection=selection,
                options=self.options,
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if isinstance(item, ClaimItem) and item.outcome is not None and call.when == "call":
            # A plain attribute goes from a worker of pytest-xdist to its controller.
            setattr(report, ATTRIBUTE, item.outcome.to_json())
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        outcome = outcome_of(report)
        if outcome is None:
            return None
        word = (outcome.word, {"yellow": True}) if outcome.kind.undecided else outcome.word
        return str(outcome.kind), outcome.kind.letter, word

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if outcome := outcome_of(report):
            self.reported.append((report, outcome))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the reason for each undecided claim, and the run of each case."""
        undecided = [(report, outcome) for report, outcome in self.reported if outcome.kind.undecided]
        if undecided:
            terminalreporter.section("UNDECIDED CLAIMS")
        for report, outcome in undecided:
            terminalreporter.line(f"{report.nodeid} {shown(outcome.text)}")
        if self.reported:
            terminalreporter.section("reprolab")
        cases: dict[tuple[str, str], list[Outcome]] = {}
        for report, outcome in self.reported:
            evidence = dict(report.user_properties)["evidence"]
            cases.setdefault((report.nodeid.partition("::")[0], str(evidence)), []).append(outcome)
        for (name, evidence), outcomes in cases.items():
            terminalreporter.line(f"{name}: {counted(outcomes)}; evidence: {display_path(Path(evidence))}/")

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        undecided = sum(report.failed and outcome.open for report, outcome in self.reported)
        if exitstatus == pytest.ExitCode.TESTS_FAILED and session.testsfailed == undecided:
            session.exitstatus = UNDECIDED

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """With pytest-xdist: all claims of a case on one worker."""
        if config.getoption("dist") in ("loadscope", "loadfile"):
            return None
        from reprolab.pytest_plugin.scheduling import CaseScheduling

        return CaseScheduling(config, log, [selection.scenario.name for selection in self.selections])


def outcome_of(report: pytest.TestReport) -> Outcome | None:
    """The outcome that a report has if it is the one of a claim, also if a worker of pytest-xdist made it."""
    content = getattr(report, ATTRIBUTE, None)
    return Outcome.from_json(content) if content is not None else None


def _case_options(config: pytest.Config) -> CaseOptions:
    budget = config.getoption("reprolab_budget")
    trials = config.getoption("reprolab_trials")
    if trials is not None and trials < 1:
        raise pytest.UsageError(f"--reprolab-trials is {trials}; expected a whole number from 1")
    try:
        seconds = duration(click.Context(click.Command("pytest")), click.Option(["--reprolab-budget"]), budget)
    except click.BadParameter as error:
        raise pytest.UsageError(f"--reprolab-budget: {error.message}") from error
    pairs = tuple(config.getoption("reprolab_set"))
    return CaseOptions(settings_of(pairs), trials, config.getoption("reprolab_seed"), seconds)


def _nothing_else(config: pytest.Config) -> bool:
    """Whether only claims are wanted: a case stands on the command line itself, and no file or directory does."""
    words = [str(word).partition("=")[0] for word in config.invocation_params.args]
    named = any(word in (CASE_OPTION, f"{CASE_OPTION}-run") for word in words)
    return named and config.args_source is not pytest.Config.ArgsSource.ARGS
