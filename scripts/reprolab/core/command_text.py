"""Commands and options as the user types them: for make where make runs the lab, else for `reprolab`.

make sets MAKELEVEL for every program that it runs.
"""

from __future__ import annotations

import os

# The options for which the Makefile has a variable. Any other option goes into ARGS.
NAMES = "variant trials jobs seed budget confidence replay speed html add as sign verify"
VARIABLES = tuple(NAMES.split())
FLAGS = ("keep-going", "observe", "thin")


def command(lab: str, make: str) -> str:
    """Return `reprolab LAB`, or `make MAKE` where make runs the lab."""
    return f"make {make}" if _runs_under_make() else f"reprolab {lab}"


def option(name: str, value: object = "") -> str:
    """Return an option with its value, such as `--trials 20` or `TRIALS=20`; without a value, its name."""
    flag = f"--{name} {value}".rstrip()
    if not _runs_under_make():
        return flag
    if name in FLAGS:
        return f"{name.upper().replace('-', '_')}=1"
    if name in VARIABLES:
        return f"{name.upper()}={value}" if value else name.upper()
    return f'ARGS="{flag}"' if value else f"ARGS={flag}"


def factors() -> str:
    """Return the name of the place where a user sets factors."""
    return "make's command line" if _runs_under_make() else "--set"


def _runs_under_make() -> bool:
    return "MAKELEVEL" in os.environ
