"""`reprolab diagnose`: which of the lab's cases a log shows."""

from __future__ import annotations

from pathlib import Path

import click

from reprolab.cli.common import boundary, console, project_root, show_progress
from reprolab.cli.json_output import print_json
from reprolab.cli.output import Output
from reprolab.core import command_text
from reprolab.core.errors import Exit, UsageError
from reprolab.diagnose import result_json, result_text
from reprolab.diagnose.case_command import CaseCommand
from reprolab.diagnose.log_stream import STANDARD_INPUT
from reprolab.diagnose.session import Diagnosis, Question, diagnose, load_cases
from reprolab.pins import releases
from reprolab.run import plan
from reprolab.run.progress import Progress
from reprolab.run.session import Session
from reprolab.scenario import loader


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
            f"{command_text.command('diagnose', 'diagnose')}: no log is given, or standard input twice",
            expected="one or more logs, or - once",
        )
    root = project_root()
    question = Question(logs, configs, requirements, commands, variables, inspects, versions)
    answer = diagnose(load_cases(root), question)
    if as_json:
        print_json(result_json.to_json(answer))
    else:
        for line in result_text.lines(answer):
            click.echo(line)
    return _verify(root, answer, as_json) if verify else None


def _verify(root: Path, answer: Diagnosis, as_json: bool) -> Exit | None:
    """Run the first case that is named, and show its verdicts."""
    if not answer.shown:
        show_progress("nothing to verify: no case is named")
        return Exit.INCONCLUSIVE
    command: CaseCommand = answer.commands[0]
    show_progress(command.text)
    scenario = loader.load(root, command.scenario)
    options = plan.RunOptions(command.scenario, command.experiment, settings=dict(command.factors))
    run_plan = plan.make_plan(scenario, options)
    releases.check(root, scenario, options.settings, command_text.factors())
    terminal = Output(stderr=True) if as_json else console()
    return Session(root, run_plan, terminal, Progress(run_plan, terminal, show_progress)).execute()
