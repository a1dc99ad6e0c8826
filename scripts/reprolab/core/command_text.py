"""What the user would type: in make's words where make runs the lab, else in those of the command line.

make sets MAKELEVEL for all that it runs.
"""

from __future__ import annotations

import os

# The options for which the Makefile has a variable; any other goes into ARGS.
VARIABLES = ("variant", "trials", "jobs", "replay", "speed", "html", "add", "as")
FLAGS = ("keep-going",)


def command(lab: str, make: str) -> str:
    """A command, as `reprolab LAB` or `make MAKE`."""
    return f"make {make}" if _by_make() else f"reprolab {lab}"


def option(name: str, value: object = "") -> str:
    """An option with its value, such as `--trials 20` or `TRIALS=20`; without one, what it is called."""
    words = f"--{name} {value}".rstrip()
    if not _by_make():
        return words
    if name in FLAGS:
        return f"{name.upper().replace('-', '_')}=1"
    if name in VARIABLES:
        return f"{name.upper()}={value}" if value else name.upper()
    return f'ARGS="{words}"' if value else f"ARGS={words}"


def factors() -> str:
    """Where a user gives factors."""
    return "make's command line" if _by_make() else "--set"


def _by_make() -> bool:
    return "MAKELEVEL" in os.environ
