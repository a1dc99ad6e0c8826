"""`reprolab bugreport`: what a run has found, as reports to file upstream."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import yaml

from reprolab.bugreport import render, spec
from reprolab.bugreport.input import BugReportInput, command, gather, obstacles
from reprolab.bugreport.spec import BugReport
from reprolab.cli.common import boundary, project_root
from reprolab.core import command_text, files
from reprolab.core.config_file import hint
from reprolab.core.errors import Exit, LabError, UsageError
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.scenario import loader
from reprolab.scenario.model import DOCUMENTED, Scenario

STDOUT = "-"


@dataclass(frozen=True)
class Chosen:
    """One report with the run it is made from, or with why there is none."""

    report: BugReport
    report_input: BugReportInput | None
    why_not: tuple[str, ...] = ()


def make(root: Path, where: str, only: str, also: Sequence[str], output: str, wanted: str = "") -> Exit:
    """Write the reports that a run bears, and say why there are not more; 3 (inconclusive) where there is none.

    Raises UsageError where a scenario is ``wanted`` and the run is another's.
    """
    found, runs = _runs(root, where, wanted)
    content = spec.load(found)
    reports = [report for report in content.reports if only in ("", report.name)]
    if only and not reports:
        raise UsageError(
            f"{found.name} has no report {only!r}{hint(only, names := [r.name for r in content.reports])}",
            expected="one of " + (", ".join(names) or "(none)"),
        )
    others = [_other(root, found, one) for one in also]
    chosen = [_choose(found, report, runs) for report in reports]
    written = 0
    for one in chosen:
        if one.report_input is None:
            _refuse(found, one)
        else:
            report_input = _with(one.report_input, others)
            _put(render.write(report_input, root), report_input, output, several=len(reports) > 1)
            written += 1
    for nothing in content.nothing if not only else ():
        click.echo(f"nothing to file: {', '.join(nothing.claims)}: {nothing.why}", err=True)
    return Exit.AS_RECORDED if written or not reports else Exit.INCONCLUSIVE


def _runs(root: Path, where: str, wanted: str) -> tuple[Scenario, list[RunDirectory]]:
    """The scenario, and the runs to look at, newest first: all of a scenario's, or the one that is named."""
    if where in loader.names(root):
        _same(where, where, wanted)
        found = loader.load(root, where)
        runs = lookup.runs_of(root, where)[::-1]
        if not runs:
            raise lookup.no_run(root, where)
        return found, runs
    run = lookup.open_run(root, where)
    name = run.info().scenario
    _same(where, name, wanted)
    return loader.load(root, name), [run]


def _same(where: str, name: str, wanted: str) -> None:
    """Refuse a run of another scenario than the one that was asked for: its reports are of another case."""
    if wanted and name != wanted:
        raise UsageError(
            f"{where} is a run of {name}",
            expected=f"a run of {wanted}",
            advice=command_text.command(f"bugreport {where}", f"report-{name} RUN={where}"),
        )


def _other(root: Path, found: Scenario, where: str) -> RunDirectory:
    """A run that only adds releases. Raises UsageError where it is another scenario's, or did not come to its end."""
    run = lookup.open_run(root, where)
    info = run.info()
    if info.scenario != found.name or not info.complete:
        raise UsageError(
            f"{command_text.option('also', where)} is a run of {info.scenario}{_unfinished(info)}",
            expected=f"a complete run of {found.name}",
        )
    return run


def _unfinished(info: RunInfo) -> str:
    """What to add to a run's description where it did not come to its end."""
    return "" if info.complete else f", and {info.status or 'unknown'}"


def _with(report_input: BugReportInput, others: list[RunDirectory]) -> BugReportInput:
    """The same with what other runs measured of its experiment."""
    also = (gather(report_input.scenario, report_input.report, run, run.info()) for run in others)
    return replace(report_input, also=tuple(also))


def _choose(found: Scenario, report: BugReport, runs: list[RunDirectory]) -> Chosen:
    """The newest run that bears the report; where none does, what the newest complete one lacks."""
    first: tuple[str, ...] = ()
    for report_input in _report_inputs(found, report, runs):
        why_not = tuple(obstacles(report_input))
        if not why_not:
            return Chosen(report, report_input)
        name = f"run {report_input.run.name}: " if len(runs) > 1 else ""
        first = first or tuple(name + reason for reason in why_not)
    return Chosen(report, None, first)


def _report_inputs(found: Scenario, report: BugReport, runs: list[RunDirectory]) -> Iterator[BugReportInput]:
    """Complete runs before those that are not, newest first."""
    told = [(run, run.info()) for run in runs]
    for run, info in sorted(told, key=lambda pair: not pair[1].complete):
        yield gather(found, report, run, info)


def _refuse(found: Scenario, one: Chosen) -> None:
    report = one.report
    told = LabError(
        f"not written: {report.name} ({report.project}): {'; '.join(one.why_not)}",
        expected=f"one complete run of {', '.join(report.variants)}, with the sign in {report.shows} "
        f"and not in the control {report.control}",
        advice=command(found, report),
    )
    click.echo(str(told), err=True)


def _put(text: str, report_input: BugReportInput, output: str, *, several: bool) -> None:
    """Print a report, or write it beside the run or where it is wanted, and say where it went."""
    if output == STDOUT:
        sys.stdout.write(text)
        return
    name = f"report-{report_input.report.name}.md"
    target = Path(output) if output else report_input.run.path
    if not output or several or target.is_dir():
        target = target / name
    with files.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    click.echo(f"written: {files.display_path(target)}  ({len(text)} characters, from run {report_input.run.name})")
    click.echo(f"  {render.headline(report_input).split('**')[1]}")
    if attach := _reproducer(report_input):
        click.echo(f"  to attach: what `{attach}` writes shows it with Docker alone")


def _reproducer(report_input: BugReportInput) -> str:
    """The command that exports the case for a maintainer, where the scenario has one for this experiment."""
    path = report_input.scenario.directory / "reproducer.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if content.get("claim") not in {claim.id for claim in report_input.report.experiment.claims}:
        return ""
    own = content.get("variant", DOCUMENTED)
    variant = (
        "" if own == report_input.report.shows else f" {command_text.option('variant', report_input.report.shows)}"
    )
    name = report_input.scenario.name
    return command_text.command(f"export {name}{variant}", f"export-{name}{variant}")


@click.command()
@click.argument("where", metavar="RUN|SCENARIO")
@click.option("--scenario", "wanted", default="", metavar="NAME", help="refuse a run of any other scenario")
@click.option("--only", default="", metavar="NAME", help="this report alone (upstream.yaml names them)")
@click.option("--also", multiple=True, metavar="RUN", help="add the releases that another run measured (by --set, say)")
@click.option("--output", default="", metavar="PATH", help="a file or folder instead of the run's; - prints it")
@boundary
def bugreport(where: str, wanted: str, only: str, also: tuple[str, ...], output: str) -> Exit:
    """Write bug reports to file upstream, from a run's files; 3 where the run does not bear one."""
    return make(project_root(), where, only, also, output, wanted)
