"""`reprolab demo`: a case on a stage, on real containers or from a run on disk."""

from __future__ import annotations

import sys
import time
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

RHYTHM = 8.0  # seconds


class Number(click.FloatRange):
    """A number that says, in make's words too, what it should have been."""

    def __init__(self, low: float, expected: str, *, min_open: bool = False) -> None:
        super().__init__(low, min_open=min_open)
        self.expected = expected

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Fails with what was expected."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r}; expected: {self.expected}", param, ctx)


AUTO = click.option(
    "--auto",
    type=Number(0, f"seconds until it goes on, such as AUTO={RHYTHM:g} (--auto={RHYTHM:g})"),
    is_flag=False,
    flag_value=RHYTHM,
    metavar="[SECONDS]",
    help=f"go on without a key, after {RHYTHM:g} seconds or as many as are given",
)
REPLAY = click.option("--replay", metavar="RUN", help="play a run on disk: no Docker, no network")
SPEED = click.option(
    "--speed",
    type=Number(0, "how many times as fast, above 0, such as SPEED=4 (--speed 4)", min_open=True),
    default=1.0,
    help="of a replay; 4 is fast",
)
NAME = click.argument("name", metavar="SCENARIO")


@click.command()
@NAME
@AUTO
@REPLAY
@SPEED
@boundary
def demo(name: str, auto: float | None, replay: str | None, speed: float) -> Exit:
    """Play a case on a stage: text, live state, control, finding. q leaves, any other key goes on."""
    root = project_root()
    found = loader.load(root, name)
    script = demo_script.load(found)
    if replay is None:
        if speed != 1:
            raise UsageError(
                f"{command_text.option('speed', f'{speed:g}')} is for a replay: containers take their own time",
                expected=command_text.option("replay", "RUN"),
            )
        return _live(root, found, script, auto)
    return _replay(found, script, lookup.open_run(root, replay), auto, speed)


def _live(root: Path, found: model.Scenario, script: demo_script.Script, auto: float | None) -> Exit:
    # Only here: a replay needs no Docker, not even its library at work.
    from reprolab.demo import live

    stage = console()
    show = live.session(root, found, script, stage, keys(stage, auto), show_progress)
    try:
        status = show.execute()
    except Left:
        click.echo(f"reprolab: left; the stack is down, the evidence so far is in {_where(show)}")
        return Exit.AS_RECORDED
    click.echo(f"evidence: {_where(show)}   again without Docker: make demo-{found.name} REPLAY={_where(show)}")
    click.echo(f"reprolab: exit status {int(status)} ({status.name.lower().replace('_', ' ')})")
    sys.exit(status)


def _where(show: Any) -> str:
    return f"{show.run.path.parent.name}/{show.run.name}" if show.run else "no run"


def _replay(
    found: model.Scenario, script: demo_script.Script, run: run_dir.RunDirectory, auto: float | None, speed: float
) -> Exit:
    stage = console()
    waits, clock = keys(stage, auto), time.monotonic
    if not stage.is_terminal and auto is None:
        # Nobody watches: the lines come at once, on a clock of their own.
        own = Clock()
        waits, clock = Rhythm(0, own.sleep), own
    player = Replay(found, script, run, speed, clock)
    try:
        with waits, Display(stage) as display:
            Show(found, script, player, display, waits).play()
    except Left:
        click.echo("reprolab: left")
    return Exit.AS_RECORDED


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let them pass at once."""
        self.now += seconds


def keys(stage: Console, auto: float | None) -> Keys:
    """The keyboard where there is one and somebody to see the screen, else a rhythm."""
    if sys.stdin.isatty() and stage.is_terminal:
        return Keyboard(rhythm=auto)
    return Rhythm(RHYTHM if auto is None and stage.is_terminal else auto or 0.0)
