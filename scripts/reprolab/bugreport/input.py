"""The input of a bug report: a finding and a run, which is judged again; and the reasons against a report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reprolab.bugreport.spec import BugReport
from reprolab.core import command_text
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.report.minimal_stack import MinimalStack
from reprolab.report.table import short_reason
from reprolab.scenario.model import Claim, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.counting import Count, count
from reprolab.verdict.document import ClaimVerdict, Verdict, VerdictDocument
from reprolab.verdict.record import judge_trials


@dataclass(frozen=True)
class BugReportInput:
    """A finding and the run that supports it; ``verdict`` is the result of judging the run again.

    ``also`` are other runs, which only add rows to the table of releases. ``faults`` says what of the run's record is
    damaged. ``minimal`` is the least stack of a shrink that started from the showing variant.
    """

    scenario: Scenario
    report: BugReport
    run: RunDirectory
    info: RunInfo
    verdict: VerdictDocument
    trials: tuple[TrialRecord, ...]
    also: tuple[BugReportInput, ...] = ()
    faults: str = ""
    minimal: MinimalStack | None = None

    @property
    def sign(self) -> Claim:
        """The claim whose sign is counted."""
        return self.report.claims[0]

    def trials_of(self, variant: str) -> list[TrialRecord]:
        """The trials of one variant, in the report's experiment."""
        return [t for t in self.trials if (t.experiment, t.variant) == (self.report.experiment.name, variant)]

    def ran(self, variant: str) -> bool:
        return bool(self.trials_of(variant))

    def count(self, variant: str) -> Count:
        """How often the sign showed in a variant."""
        return count(self.sign, self.trials_of(variant))

    def invalid(self, variant: str) -> str:
        """Why the first invalid trial of a variant is invalid, in one line; empty if there is none."""
        return next((short_reason(trial.invalid) for trial in self.trials_of(variant) if trial.invalid), "")

    def factors(self, variant: str) -> dict[str, str]:
        """The values of all factors in a variant, as the run recorded them."""
        trials = self.trials_of(variant)
        changed = trials[0].factors if trials else self.report.experiment.variants.get(variant, {})
        return {**self.scenario.factors, **self.info.factors, **changed}

    def claim(self, claim: Claim) -> ClaimVerdict:
        return next(row for row in self.verdict.claims if row.id == claim.id)

    @property
    def example(self) -> TrialDirectory | None:
        """The evidence of the first valid trial in which the sign showed."""
        for trial in self.trials_of(self.report.shows):
            if trial.valid and count(self.sign, [trial]).shown:
                return self.run.trial(trial.experiment, trial.variant, trial.trial)
        return None


def gather(scenario: Scenario, report: BugReport, run: RunDirectory, info: RunInfo) -> BugReportInput:
    """Read a run for a report, and judge it. Nothing is written."""
    trials = run.checked_trials()
    verdict = judge_trials(scenario, run, trials)
    return BugReportInput(scenario, report, run, info, verdict, trials.records, faults=trials.words)


def obstacles(report_input: BugReportInput) -> list[str]:
    """The reasons why this run does not support a report, one line each; empty if it does."""
    info = report_input.info
    if not info.complete:
        reason = f" ({info.reason.splitlines()[0]})" if info.reason else ""
        return [f"the run is {info.status or 'unknown'}{reason}"]
    if report_input.faults:
        return [f"the record of the run is incomplete: {report_input.faults}"]
    report = report_input.report
    if missing := [name for name in report.variants if not report_input.ran(name)]:
        return [f"{_part(report, name)} was not run" for name in missing]
    reasons = [text for name in report.variants if (text := _no_valid_trial(report_input, name))]
    return reasons or [*_signs(report_input), *_claims(report_input)]


def unrelated(report: BugReport, stack: MinimalStack) -> str:
    """Why the least stack of a shrink is no part of a report, "" if it is."""
    if stack.experiment != report.experiment.name or stack.claim not in {claim.id for claim in report.claims}:
        return f"it is about {stack.claim}, the report about {', '.join(claim.id for claim in report.claims)}"
    if stack.variant != report.shows:
        return f"it started from {stack.variant}, and the report shows {report.shows}"
    return ""


def _part(report: BugReport, variant: str) -> str:
    """A variant with its part in the report."""
    newest = report.releases.newest if report.releases else ""
    part = {newest: "the newest release ", report.control: "the control "}.get(variant, "")
    return f"{part}{variant}"


def _no_valid_trial(report_input: BugReportInput, variant: str) -> str:
    if any(trial.valid for trial in report_input.trials_of(variant)):
        return ""
    return f"{_part(report_input.report, variant)} has no valid trial: {report_input.invalid(variant)}"


def _signs(report_input: BugReportInput) -> Iterator[str]:
    """The showing variant must show the sign, and the control must not."""
    report = report_input.report
    shown, clean = report_input.count(report.shows), report_input.count(report.control)
    if shown.errors or clean.errors:
        yield f"the sign could not be read: {(shown.errors or clean.errors)[0]}"
    if clean.shown:
        yield f"the control {report.control} did not come out clean: it showed the sign in {clean.words}"
    if not shown.shown:
        yield f"{report.shows} did not show the sign ({shown.words})"


def _claims(report_input: BugReportInput) -> Iterator[str]:
    for claim in report_input.report.claims:
        row = report_input.claim(claim)
        if row.verdict != Verdict.CONFIRMED:
            yield f"{claim.id} is {row.verdict}: {row.why}"


def command(scenario: Scenario, report: BugReport) -> str:
    """The command for a run that supports the report. Without VARIANT it measures the other releases too."""
    experiment = report.experiment.name if len(scenario.experiments) > 1 else ""
    return command_text.run(scenario.name, report.variants, experiment)
