"""Commands and options as the user types them: for make where the lab's Makefile runs the lab, else for `reprolab`.

The Makefile sets the variable BY_MAKE. A Makefile of the user's that calls `reprolab` has none of the lab's targets.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

BY_MAKE = "REPROLAB_BY_MAKE"
BOOTSTRAP = "scripts/bootstrap"  # only the lab's own Makefile has it beside it
# The options for which the Makefile has a variable. Any other option goes into ARGS.
NAMES = (
    "variant trials jobs seed budget confidence replay speed html add as sign verify auto"
    " over claim show from factor gap points least-rate source junit engines scheduler kernel"
)
VARIABLES = tuple(NAMES.split())
SHOWN_ONLY = ("-v", "--verbose", "--json")  # they change what a run prints, and not the run
FLAGS = ("keep", "keep-going", "observe", "thin", "fresh", "plan", "deep", "share-images")
# What make takes beside the factors, for a run and for a stack by hand.
RUN_WORDS = (
    *("TRIALS", "VARIANT", "EXPERIMENT", "JOBS", "SEED", "BUDGET", "CONFIDENCE", "KEEP", "KEEP_GOING", "JUNIT"),
    *("KERNEL", "ARGS"),
)
UP_WORDS = ("AS", "ARGS")
MATRIX_WORDS = (
    *("OVER", "CLAIM", "EXPERIMENT", "TRIALS", "BUDGET", "FRESH", "PLAN", "SEED", "JOBS", "SHOW"),
    *("ENGINES", "SCHEDULER", "SHARE_IMAGES", "KERNEL", "ARGS"),
)
OPTION = re.compile(r"'?--([a-z][a-z-]*)'?")


def command(lab: str, make: str) -> str:
    """Return `reprolab LAB`, or `make MAKE` where make runs the lab."""
    return f"make {make}" if runs_under_make() else f"reprolab {lab}"


def kept(root: Path, lab: str, make: str) -> str:
    """The same for a file that stays in the lab folder: with make where the lab's Makefile is, whoever writes it."""
    return f"make {make}" if (root / "Makefile").is_file() and (root / BOOTSTRAP).is_file() else f"reprolab {lab}"


def run(scenario: str, variants: Iterable[str] = (), experiment: str = "") -> str:
    """The command that runs a scenario: of an experiment alone, or with these variants alone, if they are given."""
    names = list(variants)
    return command(
        " ".join([f"run {scenario}{experiment and f'/{experiment}'}", *(f"--variant {name}" for name in names)]),
        f"scenario-{scenario}"
        + (f" EXPERIMENT={experiment}" if experiment else "")
        + (f' VARIANT="{" ".join(names)}"' if names else ""),
    )


def ask(question: str, scenario: str, words: Mapping[str, object]) -> str:
    """The command that asks a question, such as `bisect`, about a scenario; ``words`` is make's word -> value."""
    typed = {name: shlex.quote(str(value)) for name, value in words.items()}
    return command(
        " ".join([f"{question} {scenario}", *(_as_option(name, str(words[name])) for name in typed)]),
        " ".join([f"{question}-{scenario}", *(f"{name}={value}" for name, value in typed.items())]),
    )


def _as_option(word: str, value: str) -> str:
    """A word of make as an option of a question; a factor, which make takes as it is, becomes --set, as KERNEL does."""
    name = word.lower().replace("_", "-")
    named = name in VARIABLES and word != "KERNEL"
    return f"--{name} {shlex.quote(value)}" if named else f"--set {shlex.quote(f'{word}={value}')}"


def typed(words: Sequence[str]) -> str:
    """The command of a run as its user types it; ``words`` are those of the process, `reprolab` the first."""
    if list(words[1:2]) != ["run"] or not runs_under_make():
        return shlex.join(words)
    chosen: dict[str, list[str]] = {}
    flags: list[str] = []
    rest = iter(words[3:])
    for word in rest:
        name, equals, value = word.removeprefix("--").partition("=")
        if word in SHOWN_ONLY:
            continue
        if name in FLAGS:
            flags.append(option(name))
        else:
            chosen.setdefault(name, []).append(value if equals else next(rest, ""))
    settings = [shlex.quote(text) for text in chosen.pop("set", [])]
    scenario, _, experiment = words[2].partition("/")
    named = [f"EXPERIMENT={experiment}"] if experiment else []
    named += [option(name, shlex.quote(" ".join(values))) for name, values in chosen.items()]
    return " ".join([f"make scenario-{scenario}", *named, *flags, *settings])


def by_hand(target: str, scenario: str, name: str = "") -> str:
    """The command `up`, `wrk`, `logs` or `down` for a stack by hand; ``name`` is "" for the one without."""
    return command(
        f"{target} {scenario}" + (f" --as {name}" if name else ""),
        f"{target}-{scenario}" + (f" AS={name}" if name else ""),
    )


def compare(left: str, right: str, *, of_run: str = "", variants: Iterable[str] = ()) -> str:
    """The command that compares two variants of a run, or two runs by these variants."""
    names = list(variants)
    run_words = (f"{of_run} ", f"RUN={of_run} ") if of_run else ("", "")
    return command(
        " ".join([f"compare {run_words[0]}{left} {right}", *(f"--variant {name}" for name in names)]),
        f"compare {run_words[1]}A={left} B={right}" + (f' VARIANT="{" ".join(names)}"' if names else ""),
    )


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
    """Whether the lab's Makefile runs the lab."""
    return bool(os.environ.get(BY_MAKE))
