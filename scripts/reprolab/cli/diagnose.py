"""`reprolab diagnose`: which of the lab's cases a log shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from reprolab.cli.common import boundary, console, folder_here, show_progress
from reprolab.cli.json_output import print_json
from reprolab.cli.output import Output
from reprolab.core import command_text, shared_files
from reprolab.core.errors import Exit, UsageError
from reprolab.diagnose import result_json, result_text
from reprolab.diagnose.case_command import CaseCommand, from_here
from reprolab.diagnose.log_stream import STANDARD_INPUT
from reprolab.diagnose.session import Diagnosis, Question, diagnose, load_cases
from reprolab.pins import releases
from reprolab.run import plan
from reprolab.run.progress import Progress
from reprolab.run.session import Session
from reprolab.scenario import loader, scaffold, taking
from reprolab.scenario.model import CUSTOM, DOCUMENTED, Scenario
from reprolab.verdict.document import read_verdict


@click.command("diagnose")
@click.argument("logs", nargs=-1, metavar="LOG...")
@click.option(
    "--config",
    "configs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="gunicorn's or uWSGI's file",
)
@click.option(
    "--requirements",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="a list of packages, or a lock file",
)
@click.option("--command", "commands", multiple=True, metavar="TEXT", help='how it is started: "gunicorn -w 4 ..."')
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="GUNICORN_CMD_ARGS, WEB_CONCURRENCY")
@click.option(
    "--inspect",
    "inspects",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="what `docker inspect` prints",
)
@click.option("--version", "versions", multiple=True, metavar="PACKAGE=VERSION", help="such as gunicorn=19.6.0")
@click.option("--verify", is_flag=True, help="run the first case that is named, with your releases and settings")
@click.option("--json", "as_json", is_flag=True, help="print the answer as JSON")
@boundary
def diagnose_(
    logs: tuple[str, ...],
    configs: tuple[Path, ...],
    requirements: tuple[Path, ...],
    commands: tuple[str, ...],
    variables: tuple[str, ...],
    inspects: tuple[Path, ...],
    versions: tuple[str, ...],
    verify: bool,
    as_json: bool,
) -> Exit | None:
    """Say which of the lab's cases logs and settings show. LOG: a file, also .gz; - for standard input."""
    if not logs or logs.count(STANDARD_INPUT) > 1:
        raise UsageError(
            "standard input is given twice" if logs else "no log is given",
            expected="one or more logs, and - once for standard input",
        )
    for version in versions:
        if "=" not in version:
            raise UsageError(
                command_text.option("version", repr(version)), expected="PACKAGE=VERSION, such as gunicorn=19.6.0"
            )
    root = folder_here()
    if verify and root is None:
        raise UsageError(
            f"{command_text.option('verify')}: there is no lab folder here or above",
            expected="a lab folder, which keeps the evidence of the run",
            advice="go into one; or lay one out: reprolab init my-lab",
        )
    question = Question(logs, configs, requirements, commands, variables, inspects, versions)
    catalogue = shared_files.catalogue()
    diagnosis = diagnose(load_cases(*filter(None, (root, catalogue))), question)
    answer = replace(diagnosis, commands=tuple(from_here(command, root) for command in diagnosis.commands))
    if as_json:
        print_json(result_json.to_json(answer))
    else:
        for line in result_text.lines(answer, shared_files.page(root or Path.cwd(), scaffold.PAGE)):
            click.echo(line)
    return _verify(root, answer, as_json) if verify and root else None


def _verify(root: Path, answer: Diagnosis, as_json: bool) -> Exit | None:
    """Run the first case that is named, and show its verdicts."""
    if not answer.shown:
        others = "; the cases that no log shows have their commands above" if answer.assessments else ""
        show_progress(f"nothing to verify: the logs show no case{others}")
        return Exit.INCONCLUSIVE
    command: CaseCommand = answer.commands[0]
    show_progress(command.text)
    if command.scenario not in loader.names(root):
        show_progress(f"taken into this lab folder: {taking.take(root, command.scenario)}")
    scenario = loader.load(root, command.scenario)
    options = plan.RunOptions(command.scenario, command.experiment, settings=dict(command.factors))
    run_plan = plan.make_plan(scenario, options)
    releases.check(root, scenario, options.settings, command_text.factors())
    terminal = Output(stderr=True) if as_json else console()
    session = Session(root, run_plan, terminal, Progress(run_plan, terminal, show_progress))
    status = session.execute()
    if line := _outcome(session, scenario, command.claim):
        click.echo(line, err=as_json)
    return status


def _outcome(session: Session, scenario: Scenario, identifier: str) -> str:
    """Whether the case showed with the user's values. Other signs of the scenario may be those of other cases."""
    verdict = read_verdict(session.run) if session.run else None
    claim = next((claim for claim in scenario.claims if claim.id == identifier), None)
    if verdict is None or claim is None:
        return ""
    counts = verdict.signs.get(claim.id, {})
    count = next((counts[variant] for variant in (CUSTOM, DOCUMENTED) if variant in counts), None)
    if count is None or not count.trials:
        return f"not decided: no trial tells whether the case shows here ({claim.id})"
    what = "verified: the case shows here" if count.shown else "not seen: the case does not show here"
    return f"{what} in {count.shown}/{count.trials} ({claim.id}: {claim.text})"
