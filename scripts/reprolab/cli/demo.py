"""`reprolab demo`: the demonstration of a scenario, on real containers or as a replay of a run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from reprolab.cli.common import boundary, console, project_root, show_progress
from reprolab.core import command_text
from reprolab.core.errors import Exit, UsageError
from reprolab.demo import script as demo_script
from reprolab.demo.keys import Keyboard, Keys, Left, Rhythm
from reprolab.demo.presenter import Display, Show
from reprolab.demo.replay import Replay
from reprolab.evidence import lookup, run_dir
from reprolab.scenario import loader, model
from reprolab.verdict import fitting

DEFAULT_PAUSE = 8  # seconds


class Number(click.FloatRange):
    """A number whose error message says what was expected, for make and for the command line."""

    def __init__(self, low: float, expected: str, *, min_open: bool = False) -> None:
        super().__init__(low, min_open=min_open)
        self.expected = expected

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{str(value).strip()!r}; expected: {self.expected}", param, ctx)


AUTO = click.option(
    "--auto",
    type=Number(0, f"seconds to the next step, such as {command_text.option('auto', DEFAULT_PAUSE)}"),
    is_flag=False,
    flag_value=DEFAULT_PAUSE,
    metavar="[SECONDS]",
    help=f"go on without a key, after {DEFAULT_PAUSE:g} seconds or the number that is given",
)
REPLAY = click.option("--replay", metavar="RUN", help="replay a run from its files, without Docker and network")
SPEED = click.option(
    "--speed",
    type=Number(0, f"how many times as fast, above 0, such as {command_text.option('speed', 4)}", min_open=True),
    default=1.0,
    help="speed of a replay; 4 is four times as fast",
)
NAME = click.argument("name", metavar="SCENARIO")


@click.command()
@NAME
@AUTO
@REPLAY
@SPEED
@boundary
def demo(name: str, auto: float | None, replay: str | None, speed: float) -> Exit:
    """Show a scenario to an audience: text, live state, control, finding. q leaves, any other key goes on."""
    root = project_root()
    scenario = loader.load(root, name)
    script = demo_script.load(scenario)
    if replay is None:
        if speed != 1:
            raise UsageError(
                f"{command_text.option('speed', f'{speed:g}')} is only for a replay",
                expected=command_text.option("replay", "RUN"),
            )
        return _show_live(root, scenario, script, auto)
    if replay == name and not lookup.runs_of(root, name):
        raise UsageError(
            f"there is no run of {name} to replay",
            expected="a run of this machine, or one that was unpacked from a bundle",
            advice=command_text.command(f"demo {name} --auto=1", f"demo-{name} AUTO=1")
            + " leaves one, in some minutes",
        )
    acts = [(script.experiment.name, act.variant) for act in script.acts]
    run = lookup.find_run(root, replay, partial(fitting.to_show, variants=acts), show_progress)
    return _show_replay(scenario, script, run, auto, speed)


def _show_live(root: Path, scenario: model.Scenario, script: demo_script.Script, auto: float | None) -> Exit:
    # Imported here because a replay must work without Docker's library.
    from reprolab.demo import live

    terminal = console()
    session = live.session(root, scenario, script, terminal, choose_keys(terminal, auto), show_progress)
    try:
        status = session.execute()
    except Left:
        click.echo(f"reprolab: left; the stack is down, the evidence so far is in {_run_name(session)}")
        return Exit.AS_RECORDED
    run = _run_name(session)
    again = command_text.command(f"demo {scenario.name} --replay {run}", f"demo-{scenario.name} REPLAY={run}")
    click.echo(f"evidence: {run}   again without Docker: {again}")
    click.echo(f"reprolab: exit status {int(status)} ({status.name.lower().replace('_', ' ')})")
    sys.exit(status)


def _run_name(session: Any) -> str:
    return f"{session.run.path.parent.name}/{session.run.name}" if session.run else "no run"


def _show_replay(
    scenario: model.Scenario, script: demo_script.Script, run: run_dir.RunDirectory, auto: float | None, speed: float
) -> Exit:
    terminal = console()
    keys: Keys = choose_keys(terminal, auto)
    clock: Callable[[], float] = time.monotonic
    if not terminal.is_terminal and auto is None:
        # Nobody watches, so nothing waits: a simulated clock moves the replay on at once.
        simulated = SimulatedClock()
        keys, clock = Rhythm(0, simulated.sleep), simulated
    player = Replay(scenario, script, run, speed, clock)
    try:
        with keys, Display(terminal) as display:
            Show(scenario, script, player, display, keys).play()
    except Left:
        click.echo("reprolab: left")
    return Exit.AS_RECORDED


class SimulatedClock:
    """A clock in seconds that only ``sleep`` moves on; ``sleep`` returns at once."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def choose_keys(terminal: Console, auto: float | None) -> Keys:
    """The keyboard in a terminal that can be read, else fixed pauses of ``auto`` seconds."""
    if sys.stdin.isatty() and terminal.is_terminal:
        return Keyboard(rhythm=auto)
    return Rhythm(DEFAULT_PAUSE if auto is None and terminal.is_terminal else auto or 0.0)
