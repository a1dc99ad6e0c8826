"""For the Makefile: a target or a variable that it does not know. Nothing is run."""

from __future__ import annotations

from collections.abc import Sequence

import click

from reprolab.cli.common import boundary, project_root
from reprolab.core.config_file import hint, near
from reprolab.core.errors import UsageError
from reprolab.scenario import loader

# The targets that have a scenario's name behind a dash.
OF_SCENARIOS = (
    *("scenario", "matrix", "bisect", "shrink", "report", "bugreport", "export"),
    *("up", "wrk", "logs", "down", "demo"),
)
WITH_FACTORS = ("scenario-", "matrix-", "bisect-", "shrink-", "up-")


@click.command("no-target", hidden=True)
@click.argument("target")
@click.argument("kinds", nargs=-1)
@boundary
def no_target(target: str, kinds: tuple[str, ...]) -> None:
    """Say which target was meant. KINDS: all targets, and of those with a scenario the part before its name."""
    prefix, dash, name = target.partition("-")
    names = loader.names(project_root())
    of_scenarios = [f"{kind}-{scenario}" for kind in OF_SCENARIOS for scenario in names]
    if prefix in OF_SCENARIOS:
        known = [f"{prefix}-{scenario}" for scenario in names]
        close = near(name, names) if dash else ""
        meant = close and f"{prefix}-{close}"
    else:
        whole = [kind for kind in kinds if kind not in OF_SCENARIOS]
        meant = near(target, [*whole, *of_scenarios])
        known = [meant] if meant else sorted(whole)
        if not meant and (kind := near(prefix, OF_SCENARIOS)):
            known = [f"{kind}-{scenario}" for scenario in names]
    guess = f" (did you mean {meant}?)" if meant else ""
    raise UsageError(
        f"make has no target {target!r}{guess}",
        expected="one of " + (", ".join(known) or "(none yet)"),
        advice=f"make {meant}" if meant else "make help, for all targets",
    )


@click.command("given-twice", hidden=True)
@click.argument("target")
@click.argument("words", nargs=-1)
@boundary
def given_twice(target: str, words: tuple[str, ...]) -> None:
    """Say that make's command line sets variables twice."""
    raise UsageError(
        f"make {target}: {' and '.join(words)} is given twice",
        expected="one value for each variable",
        advice="leave one of them out; make matrix-... goes through several values of a factor",
    )


@click.command("no-word", hidden=True)
@click.argument("target")
@click.option("--takes", "taken", multiple=True)
@click.argument("words", nargs=-1)
@boundary
def no_word(target: str, taken: Sequence[str], words: tuple[str, ...]) -> None:
    """Say that TARGET does not take the variables WORDS."""
    meant = "".join(hint(word, (*taken, "PYTHON_BIN")) for word in words[:1])
    raise UsageError(
        f"make {target} takes no {' and no '.join(words)}{meant}",
        expected=", ".join([*taken, *(["factors of the stack"] if target.startswith(WITH_FACTORS) else [])])
        or "no variable",
        advice=f"make {target} without it, or the target that takes it: see `make help`",
    )
