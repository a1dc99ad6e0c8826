"""Commands and options as the user types them: for make where make runs the lab, else for `reprolab`.

make sets MAKELEVEL for every program that it runs.
"""

from __future__ import annotations

import os
import re

# The options for which the Makefile has a variable. Any other option goes into ARGS.
NAMES = (
    "variant trials jobs seed budget confidence replay speed html add as sign verify auto"
    " over claim show from factor gap points least-rate source junit engines scheduler"
)
VARIABLES = tuple(NAMES.split())
FLAGS = ("keep-going", "observe", "thin", "fresh", "plan", "deep", "share-images")
# What make takes beside the factors, for a run and for a stack by hand.
RUN_WORDS = (
    *("TRIALS", "VARIANT", "EXPERIMENT", "JOBS", "SEED", "BUDGET", "CONFIDENCE", "KEEP", "KEEP_GOING", "JUNIT"),
    "ARGS",
)
UP_WORDS = ("AS", "ARGS")
MATRIX_WORDS = (
    *("OVER", "CLAIM", "EXPERIMENT", "TRIALS", "BUDGET", "FRESH", "PLAN", "SEED", "JOBS", "SHOW"),
    *("ENGINES", "SCHEDULER", "SHARE_IMAGES", "ARGS"),
)
OPTION = re.compile(r"'?--([a-z][a-z-]*)'?")


def command(lab: str, make: str) -> str:
    """Return `reprolab LAB`, or `make MAKE` where make runs the lab."""
    return f"make {make}" if runs_under_make() else f"reprolab {lab}"


def option(name: str, value: object = "") -> str:
    """Return an option with its value, such as `--trials 20` or `TRIALS=20`; without a value, its name."""
    flag = f"--{name} {value}".rstrip()
    if not runs_under_make():
        return flag
    if name in FLAGS:
        return f"{name.upper().replace('-', '_')}=1"
    if name in VARIABLES:
        variable = name.upper().replace("-", "_")
        return f"{variable}={value}" if value else variable
    return f'ARGS="{flag}"' if value else f"ARGS={flag}"


def as_typed(message: str) -> str:
    """A message about options, with make's variables in their places where make runs the lab."""

    def word(match: re.Match[str]) -> str:
        return option(match[1]).removesuffix("=1") if match[1] in (*VARIABLES, *FLAGS) else match[0]

    return OPTION.sub(word, message) if runs_under_make() else message


def factors() -> str:
    """Return the name of the place where a user sets factors."""
    return "make's command line" if runs_under_make() else "--set"


def beside(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words that make takes in the same way as factors; none for `reprolab`."""
    return words if runs_under_make() else ()


def runs_under_make() -> bool:
    """Whether make runs the lab."""
    return "MAKELEVEL" in os.environ
