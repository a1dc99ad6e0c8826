"""`reprolab bugreport`: bug reports from a run's files, to file upstream."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from reprolab.bugreport import render, spec
from reprolab.bugreport.input import BugReportInput, command, gather, obstacles, unrelated
from reprolab.bugreport.spec import BugReport
from reprolab.cli.common import FROM, boundary, console, project_root, show_progress
from reprolab.core import command_text, files
from reprolab.core.config_file import hint
from reprolab.core.errors import Exit, LabError, UsageError
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.export import spec as export_spec
from reprolab.report.minimal_stack import MinimalStack
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.shrink import handover

STDOUT = "-"


@dataclass(frozen=True)
class Candidate:
    """One report with its input from the chosen run, or with the reasons why no run supports it."""

    report: BugReport
    report_input: BugReportInput | None
    reasons: tuple[str, ...] = ()


def write_reports(
    root: Path, where: str, only: str, also: Sequence[str], output: str, wanted: str = "", source: str = ""
) -> Exit:
    """Write the reports that a run supports, and name the reasons for the others; 3 (inconclusive) if there is none.

    ``source`` is the shrink whose least stack they have. Raises UsageError if the run is of another scenario than the
    ``wanted`` one.
    """
    scenario, runs = _find_runs(root, where, wanted)
    stack = handover.find(root, scenario, source, show_progress) if source else None
    content = spec.load(scenario)
    reports = [report for report in content.reports if only in ("", report.name)]
    if only and not reports:
        names = [report.name for report in content.reports]
        raise UsageError(
            f"{scenario.name} has no report {only!r}{hint(only, names)}",
            expected="one of " + (", ".join(names) or "(none)"),
        )
    others = [_open_other_run(root, scenario, name) for name in also]
    candidates = [_choose_run(scenario, report, runs) for report in reports]
    written = 0
    for candidate in candidates:
        if candidate.report_input is None:
            _explain(scenario, candidate)
        else:
            report_input = _add_least(_add_runs(candidate.report_input, others), stack)
            _write(render.write(report_input, root), report_input, output, several=len(reports) > 1)
            written += 1
    for nothing in content.nothing if not only else ():
        click.echo(f"nothing to file: {', '.join(nothing.claims)}: {nothing.why}", err=True)
    return Exit.AS_RECORDED if written or not reports else Exit.INCONCLUSIVE


def run_what_is_missing(root: Path, name: str, only: str, trials: int | None) -> None:
    """Run the variants of the reports that no run supports; ``trials`` of each, None for the scenario's own number.

    Raises UsageError if ``name`` is no scenario.
    """
    scenario = loader.load(root, name)
    runs = lookup.runs_of(root, name)[::-1]
    reports = [report for report in spec.load(scenario).reports if only in ("", report.name)]
    missing = [report for report in reports if _choose_run(scenario, report, runs).report_input is None]
    if not missing:
        return
    # A report from kept runs needs no Docker, so what needs it is imported here.
    from reprolab.run import plan as planning
    from reprolab.run.progress import Progress
    from reprolab.run.session import Session

    wanted = {(report.experiment.name, variant) for report in missing for variant in report.variants}
    run_plan = planning.make_plan(scenario, planning.RunOptions(name, trials=trials))
    chosen = tuple(row for row in run_plan.variants if (row.experiment.name, row.name) in wanted)
    run_plan = replace(run_plan, variants=chosen)
    names = ", ".join(row.name for row in chosen)
    show_progress(f"no run supports {', '.join(report.name for report in missing)} yet: running {names}")
    terminal = console()
    Session(root, run_plan, terminal, Progress(run_plan, terminal, show_progress)).execute()


def _find_runs(root: Path, where: str, wanted: str) -> tuple[Scenario, list[RunDirectory]]:
    """The scenario and its runs, newest first; only the named run if ``where`` names one."""
    if where in loader.names(root):
        _check_scenario(where, where, wanted)
        scenario = loader.load(root, where)
        runs = lookup.runs_of(root, where)[::-1]
        if not runs:
            raise lookup.no_run(root, where)
        return scenario, runs
    run = lookup.open_run(root, where)
    name = run.info().scenario
    _check_scenario(where, name, wanted)
    return loader.load(root, name), [run]


def _check_scenario(where: str, name: str, wanted: str) -> None:
    """Raise UsageError for a run of another scenario than the wanted one."""
    if wanted and name != wanted:
        raise UsageError(
            f"{where} is a run of {name}",
            expected=f"a run of {wanted}",
            advice=command_text.command(f"bugreport {where}", f"bugreport-{name} RUN={where}"),
        )


def _open_other_run(root: Path, scenario: Scenario, where: str) -> RunDirectory:
    """A run that adds releases to the table. Raises UsageError if it is incomplete or of another scenario."""
    run = lookup.open_run(root, where)
    info = run.info()
    if info.scenario != scenario.name or not info.complete:
        raise UsageError(
            f"{command_text.option('also', where)} is a run of {info.scenario}{_describe_status(info)}",
            expected=f"a complete run of {scenario.name}",
        )
    if faults := run.checked_trials().words:
        raise UsageError(f"the record of {run.name} is incomplete: {faults}", expected="a run with all its trials")
    return run


def _describe_status(info: RunInfo) -> str:
    return "" if info.complete else f", and {info.status or 'unknown'}"


def _add_runs(report_input: BugReportInput, others: list[RunDirectory]) -> BugReportInput:
    """The same input with the trials of other runs."""
    also = (gather(report_input.scenario, report_input.report, run, run.info()) for run in others)
    return replace(report_input, also=tuple(also))


def _add_least(report_input: BugReportInput, stack: MinimalStack | None) -> BugReportInput:
    """The same input with the least stack of a shrink, if the report is about it."""
    if stack is None:
        return report_input
    if reason := unrelated(report_input.report, stack):
        show_progress(f"{report_input.report.name} gets no minimal stack from this shrink: {reason}")
        return report_input
    return replace(report_input, minimal=stack)


def _choose_run(scenario: Scenario, report: BugReport, runs: list[RunDirectory]) -> Candidate:
    """The newest run that supports the report; if there is none, the reasons of the newest complete run."""
    first: tuple[str, ...] = ()
    for report_input in _gather_all(scenario, report, runs):
        reasons = tuple(obstacles(report_input))
        if not reasons:
            return Candidate(report, report_input)
        prefix = f"run {report_input.run.name}: " if len(runs) > 1 else ""
        first = first or tuple(prefix + reason for reason in reasons)
    return Candidate(report, None, first)


def _gather_all(scenario: Scenario, report: BugReport, runs: list[RunDirectory]) -> Iterator[BugReportInput]:
    """The report's input from each run: complete runs first, then the others, newest first."""
    pairs = [(run, run.info()) for run in runs]
    for run, info in sorted(pairs, key=lambda pair: not pair[1].complete):
        yield gather(scenario, report, run, info)


def _explain(scenario: Scenario, candidate: Candidate) -> None:
    """Print why a report is not written, and the run that it needs."""
    report = candidate.report
    message = LabError(
        f"not written: {report.name} ({report.form.project}): {'; '.join(candidate.reasons)}",
        expected=f"one complete run of {', '.join(report.variants)}, with the sign in {report.shows} "
        f"and not in the control {report.control}",
        advice=f"{command(scenario, report)}; or "
        + command_text.command(f"bugreport {scenario.name} --run", f"report-{scenario.name}")
        + ", which runs them and writes the report",
    )
    click.echo(str(message), err=True)


def _write(text: str, report_input: BugReportInput, output: str, *, several: bool) -> None:
    """Print a report, or write it to ``output`` or into the run's directory and print the path."""
    if output == STDOUT:
        sys.stdout.write(text)
        return
    name = f"bugreport-{report_input.report.name}.md"
    target = Path(output) if output else report_input.run.path
    if not output or several or target.is_dir() or output.endswith("/"):
        target = target / name
    with files.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    click.echo(f"written: {files.display_path(target)}  ({len(text)} characters, from run {report_input.run.name})")
    click.echo(f"  {render.headline(report_input).split('**')[1]}")
    if export := _export_command(report_input):
        click.echo(f"  to attach: `{export}` writes a reproducer that needs only Docker")


def _export_command(report_input: BugReportInput) -> str:
    """The command that exports a reproducer; empty if the scenario has none for this experiment."""
    try:
        reproducer = export_spec.load(report_input.scenario)
    except UsageError:
        return ""
    if reproducer.experiment.name != report_input.report.experiment.name:
        return ""
    shows = report_input.report.shows
    variant = "" if reproducer.variant == shows else f" {command_text.option('variant', shows)}"
    name = report_input.scenario.name
    return command_text.command(f"export {name}{variant}", f"export-{name}{variant}")


@click.command()
@click.argument("where", metavar="RUN|SCENARIO")
@click.option("--scenario", "wanted", default="", metavar="NAME", help="accept only runs of this scenario")
@click.option("--only", default="", metavar="NAME", help="only this report (upstream.yaml names them)")
@click.option("--also", multiple=True, metavar="RUN", help="add the releases that another run measured (by --set, say)")
@click.option("--output", default="", metavar="PATH", help="a file or directory instead of the run's; - prints it")
@click.option("--run", "run_first", is_flag=True, help="SCENARIO: first run the variants that no run has shown yet")
@click.option("--trials", type=click.IntRange(1), help="with --run: the number of trials of each variant")
@FROM
@boundary
def bugreport(
    where: str,
    wanted: str,
    only: str,
    also: tuple[str, ...],
    output: str,
    run_first: bool,
    trials: int | None,
    source: str,
) -> Exit:
    """Write bug reports from a run's files, to file upstream; exit status 3 if the run supports none."""
    if run_first:
        if source:
            # A shrink that is missing must not end the command after its trials.
            handover.find(project_root(), loader.load(project_root(), where), source, lambda message: None)
        run_what_is_missing(project_root(), where, only, trials)
    return write_reports(project_root(), where, only, also, output, wanted, source)
