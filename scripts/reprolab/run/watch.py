"""Runs the needed variants of all cases once, and compares verdicts and layers with the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reprolab.core import command_text
from reprolab.core.errors import Exit, LabError
from reprolab.core.progress import OnProgress
from reprolab.core.terminal import Terminal
from reprolab.report import layers
from reprolab.report.layers import Comparison
from reprolab.run.plan import Plan, RunOptions, make_plan
from reprolab.run.progress import Progress
from reprolab.run.session import Session
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import ClaimVerdict, Verdict, VerdictDocument, read_verdict
from reprolab.verdict.record import read_record

# The worst status of all cases is the last of these.
SEVERITY = (Exit.AS_RECORDED, Exit.INCONCLUSIVE, Exit.DRIFT, Exit.USAGE, Exit.LAB_FAILED)
NO_RECORD = "nothing on record"


@dataclass(frozen=True)
class Watched:
    """One case: exit status, verdicts, and what is not as recorded.

    ``verdict`` is None if no trial ended, ``comparison`` is None also if the case has no record. ``error`` says why the
    run failed.
    """

    scenario: str
    status: Exit
    verdict: VerdictDocument | None = None
    comparison: Comparison | None = None
    error: str = ""

    @property
    def claims(self) -> tuple[ClaimVerdict, ...]:
        return self.verdict.claims if self.verdict else ()

    @property
    def asked(self) -> list[ClaimVerdict]:
        """The claims of which all variants ran: a case may end before its last trial."""
        return [claim for claim in self.claims if self.verdict and self.verdict.asked(claim)]

    @property
    def on_record(self) -> bool:
        """Whether the case has recorded verdicts."""
        return any(claim.recorded for claim in self.claims)

    @property
    def as_recorded(self) -> list[str]:
        """The claims with the verdict that is on record."""
        return [claim.id for claim in self.asked if claim.verdict == claim.recorded]

    @property
    def drifted(self) -> list[ClaimVerdict]:
        """The claims that were decided differently from the record."""
        drifted = self.verdict.drifted if self.verdict else []
        return [claim for claim in self.claims if claim.id in drifted]

    @property
    def undecided(self) -> list[str]:
        """The claims that stayed inconclusive although the record is another one."""
        inconclusive = [claim for claim in self.asked if claim.verdict == Verdict.INCONCLUSIVE]
        return [claim.id for claim in inconclusive if claim.recorded != Verdict.INCONCLUSIVE]

    @property
    def thin(self) -> list[str]:
        """The claims whose verdict rests on too few trials."""
        return [claim.id for claim in self.claims if claim.thin]


def watch(root: Path, names: Sequence[str], console: Console, on_progress: OnProgress) -> Iterator[Watched]:
    """Run each named case, or all of them. A case that fails does not stop the others.

    Raises UsageError for an unknown name before anything runs; KeyboardInterrupt ends all.
    """
    known = loader.names(root)
    for name in names:
        if name not in known:
            loader.load(root, name)
    for name in names or known:
        yield _watch_one(root, name, console, on_progress)


def needed_plan(scenario: Scenario) -> Plan:
    """One trial of each variant that a claim of its experiment names."""
    plan = make_plan(scenario, RunOptions(scenario.name, trials=1))
    named = {e.name: {name for claim in e.claims for name in claim.expectations} for e in scenario.experiments.values()}
    return replace(plan, variants=tuple(v for v in plan.variants if v.name in named[v.experiment.name]))


def _watch_one(root: Path, name: str, console: Console, on_progress: OnProgress) -> Watched:
    session: Session | None = None
    error = ""
    try:
        scenario = loader.load(root, name)
        plan = needed_plan(scenario)
        session = Session(root, plan, Terminal(quiet=True), Progress(plan, console, on_progress))
        status = session.execute()
    except LabError as caught:
        status, error = caught.exit_status, str(caught)
    except Exception as caught:
        status, error = Exit.LAB_FAILED, f"{type(caught).__name__}: {caught}"
    if session is None or session.run is None:
        return Watched(name, status, error=error)
    try:
        verdict, record = read_verdict(session.run), read_record(scenario)
        comparison = layers.compare_with_record(scenario, record, session.run.info()) if record else None
    except LabError as caught:
        return Watched(name, max(status, caught.exit_status, key=SEVERITY.index), error=error or str(caught))
    return Watched(name, status, verdict, comparison, error)


def worst(results: Iterable[Watched]) -> Exit:
    """The exit status of all cases: 4 if the lab failed, else 2 for a malformed case, 1 for a drift, 3, 0."""
    return max((result.status for result in results), key=SEVERITY.index, default=Exit.AS_RECORDED)


def show(console: Console, result: Watched) -> None:
    """Print each drift of a case with the layers that changed, and why the case failed."""
    for claim in result.drifted:
        console.print(Text(f"{result.scenario} {drift_line(claim, result.comparison)}", style="bold"), soft_wrap=True)
    if result.drifted and result.comparison:
        for line in result.comparison.lines:
            console.print(Text(f"  differs: {line}", style="yellow"), soft_wrap=True)
    if result.error:
        console.print(Text(f"{result.scenario} failed: {result.error}", style="red"), soft_wrap=True)


def drift_line(claim: ClaimVerdict, comparison: Comparison | None) -> str:
    """A drift in one line: both verdicts with the reason, and the layers that changed for the claim's variants."""
    changed = comparison.in_variants(claim.variants).words if comparison else NO_RECORD
    thin = f" (thin: {claim.thin})" if claim.thin else ""
    return (
        f"{claim.id}: recorded {claim.recorded}, now {claim.verdict}{thin}: {claim.why}. "
        f"Changed since the record: {changed}"
    )


def summary(console: Console, results: Sequence[Watched]) -> None:
    """Print the table of all cases."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    grid.add_column("scenario", no_wrap=True)
    for heading in ("as recorded", "drifted", "undecided", "thin"):
        grid.add_column(heading, justify="right")
    grid.add_column("changed since the record", overflow="fold")
    grid.add_column("exit status", no_wrap=True)
    for result in results:
        grid.add_row(
            result.scenario,
            f"{len(result.as_recorded)} of {len(result.claims)}" if result.on_record else "—",
            *(_cell(ids) for ids in ([claim.id for claim in result.drifted], result.undecided)),
            str(len(result.thin)) if result.claims else "—",
            result.comparison.words if result.comparison else NO_RECORD if result.claims else "—",
            _status(result),
        )
    console.print(grid)
    if drifted := [result.scenario for result in results if result.drifted]:
        runs = [command_text.command(f"run {name}", f"scenario-{name}") for name in drifted]
        console.print(Text(f"one trial of each variant may mislead; in full: {', '.join(runs)}", style="dim"))


def _status(result: Watched) -> str:
    """The exit status in words. Status 0 of a case without a record does not mean that it is as recorded."""
    nothing = result.status == Exit.AS_RECORDED and not result.on_record
    return f"{int(result.status)} {NO_RECORD if nothing else result.status.words}"


def _cell(ids: Sequence[str]) -> str:
    return ", ".join(ids) or "0"
