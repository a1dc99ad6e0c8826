"""A test bench for the judge: it judges made-up runs of which the truth is known, and counts its verdicts.

Prints two tables in Markdown, which docs/judge.md holds:

1. For each true situation, how often each verdict comes out, over many simulated runs.
2. If case and control do not differ: the exact share of runs that end confirmed and not thin, at the worst rate.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import comb
from pathlib import Path

from reprolab.scenario.model import Claim, Document, Experiment, Observation, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import ClaimVerdict, Verdict
from reprolab.verdict.judge import judge

RUNS = 1000
CASE, CONTROL = "case", "control"
# The promise: without a difference, at most this share of runs ends confirmed and not thin.
PROMISE = 0.05
RATES = tuple(step / 20 for step in range(1, 20))  # 0.05 to 0.95


@dataclass(frozen=True)
class World:
    """What is true of the machine and the server, and how the run is made.

    ``case`` and ``control`` are the chances that a trial shows the sign. ``rounds`` is the number of trials of each
    variant. ``invalid``, ``untriggered`` and ``busy`` are shares of the trials. In a busy trial the sign comes out
    wrong. ``drift`` is how much both chances grow from the beginning to the end of the run.

    The variants run ``one_after_the_other``, or in random order within each round. With ``stop`` the run ends with
    the first round after which the claim is confirmed and not thin.

    ``tries`` is the number of tries in a trial, 0 for a claim that counts trials. Then the chances are those of a try.
    With ``alike`` all tries of a trial have the same result.
    """

    name: str
    case: float
    control: float
    rounds: int = 3
    invalid: float = 0.0
    untriggered: float = 0.0
    control_untriggered: bool = False
    busy: float = 0.0
    needs_idle: bool = True
    drift: float = 0.0
    one_after_the_other: bool = False
    stop: bool = False
    sometimes: bool = False
    tries: int = 0
    alike: bool = False

    @property
    def differs(self) -> bool:
        """Whether the sign depends on the variant."""
        return self.case != self.control


WORLDS = (
    World("always against never", 1, 0),
    World("always against never, one trial each", 1, 0, rounds=1),
    World("always against always", 1, 1),
    World("never against never", 0, 0),
    World("half against half, one trial each", 0.5, 0.5, rounds=1),
    World("half against half, 2 rounds", 0.5, 0.5, rounds=2),
    World("half against half, 3 rounds", 0.5, 0.5),
    World("half against half, 10 rounds", 0.5, 0.5, rounds=10),
    World("half against half, up to 10 rounds, stopped when confirmed", 0.5, 0.5, rounds=10, stop=True),
    World("7 in 10 against never", 0.7, 0),
    World("7 in 10 against never, 10 rounds", 0.7, 0, rounds=10),
    World("always against 1 in 10 (unclean control)", 1, 0.1),
    World("always against 1 in 10, 10 rounds", 1, 0.1, rounds=10),
    World("always against never, trigger missing in 3 of 10 trials", 1, 0, untriggered=0.3),
    World("always against never, trigger always missing in the control", 1, 0, control_untriggered=True),
    World("always against never, 3 of 10 trials invalid", 1, 0, invalid=0.3),
    World("always against never, 3 of 10 trials busy, `needs_idle`", 1, 0, busy=0.3),
    World("always against never, 3 of 10 trials busy, without `needs_idle`", 1, 0, busy=0.3, needs_idle=False),
    World(
        "no difference, drift from 5 % to 95 %, one variant after the other",
        0.5,
        0.5,
        3,
        drift=-0.9,
        one_after_the_other=True,
    ),
    World("no difference, drift from 5 % to 95 %, random rounds", 0.5, 0.5, 3, drift=-0.9),
    World(
        "no difference, change from always to never half-way, one variant after the other",
        0.5,
        0.5,
        3,
        drift=-9,
        one_after_the_other=True,
    ),
    World("no difference, change from always to never half-way, random rounds", 0.5, 0.5, 3, drift=-9),
    World("`sometimes`: 3 in 10 against never, 10 rounds", 0.3, 0, rounds=10, sometimes=True),
    World("`sometimes`: 2 in 10 against 2 in 10, 10 rounds", 0.2, 0.2, rounds=10, sometimes=True),
    World("`sometimes`: 2 in 10 against 2 in 10, stopped when confirmed", 0.2, 0.2, 10, sometimes=True, stop=True),
    World(
        "`sometimes`: no difference, drift, one after the other",
        0.5,
        0.5,
        10,
        drift=-0.9,
        sometimes=True,
        one_after_the_other=True,
    ),
    World("20 tries each: 1 in 10 against 1 in 10", 0.1, 0.1, 3, tries=20),
    World("20 tries that are all alike: half against half, one trial each", 0.5, 0.5, 1, tries=20, alike=True),
    World("20 tries that are all alike: half against half, 2 rounds", 0.5, 0.5, 2, tries=20, alike=True),
    World("20 tries that are all alike: half against half, 3 rounds", 0.5, 0.5, 3, tries=20, alike=True),
    World(
        "20 tries that are all alike, `sometimes`: half against half, 3 rounds",
        0.5,
        0.5,
        3,
        tries=20,
        alike=True,
        sometimes=True,
    ),
)


def sign(observation: Observation) -> bool:
    """The sign."""
    return bool(observation["shown"])


def happened(observation: Observation) -> bool:
    """The trigger."""
    return bool(observation["triggered"])


def tried(observation: Observation) -> tuple[int, int]:
    """The rate: the tries that showed the sign, of all."""
    k, n = observation["tries"]
    return k, n


@cache
def scenario(sometimes: bool, needs_idle: bool, tries: bool) -> Scenario:
    """A scenario with one claim on one case and one control."""
    claim = Claim(
        "J-1",
        "The case shows it, the control does not.",
        sign,
        shows=(CASE,),
        absent=(CONTROL,),
        sometimes=sometimes,
        rate=tried if tries else None,
        trigger=happened,
        needs_idle=needs_idle,
    )
    experiment = Experiment("bench", {CASE: {}, CONTROL: {}}, 3, lambda stack: {}, (claim,))
    return Scenario("bench", Path("bench"), "", Document("none"), "", "", {}, {"bench": experiment})


def verdict_of(world: World, trials: list[TrialRecord]) -> ClaimVerdict:
    """What the judge says of these trials."""
    (claim,) = judge(scenario(world.sometimes, world.needs_idle, bool(world.tries)), "run", trials).claims
    return claim


def is_firm(claim: ClaimVerdict) -> bool:
    """Whether the claim is confirmed and not thin."""
    return claim.verdict == Verdict.CONFIRMED and not claim.thin


# -- simulated runs ------------------------------------------------------------------------------


def order(world: World, chance: random.Random) -> Iterator[tuple[str, int]]:
    """The trials of a run, (variant, round), in the order in which they run."""
    if world.one_after_the_other:
        yield from ((variant, number) for variant in (CASE, CONTROL) for number in range(1, world.rounds + 1))
        return
    for number in range(1, world.rounds + 1):
        yield from ((variant, number) for variant in chance.sample((CASE, CONTROL), 2))


def simulated_trial(world: World, variant: str, number: int, done: float, chance: random.Random) -> TrialRecord:
    """One trial; ``done`` is the part of the run that is over, 0 to 1."""
    rate = (world.case if variant == CASE else world.control) + world.drift * (done - 0.5)
    busy = chance.random() < world.busy
    if world.alike:
        k = world.tries * (chance.random() < rate)
    else:
        k = sum(chance.random() < rate for _ in range(world.tries or 1))
    missing = chance.random() < world.untriggered or (world.control_untriggered and variant == CONTROL)
    observation = {"shown": (k > 0) != busy, "triggered": not missing, "tries": [k, world.tries]}
    invalid = "app did not start" if chance.random() < world.invalid else ""
    return TrialRecord("bench", variant, number, {}, observation, invalid, busy="other work" if busy else "")


def simulated_run(world: World, chance: random.Random) -> ClaimVerdict:
    """The verdict on one simulated run."""
    trials: list[TrialRecord] = []
    for variant, number in order(world, chance):
        trials.append(simulated_trial(world, variant, number, len(trials) / (2 * world.rounds - 1), chance))
        if world.stop and len(trials) % 2 == 0 and is_firm(verdict := verdict_of(world, trials)):
            return verdict
    return verdict_of(world, trials)


def shares(world: World, runs: int = RUNS) -> dict[str, float]:
    """How often each verdict comes out, 0 to 1, the thin ones separately. The same world gives the same shares."""
    chance = random.Random(world.name)
    counts: Counter[str] = Counter()
    for _ in range(runs):
        claim = simulated_run(world, chance)
        counts[f"{claim.verdict}{', thin' if claim.thin else ''}"] += 1
    return {word: number / runs for word, number in counts.items()}


# -- exact shares --------------------------------------------------------------------------------


def outcome(rounds: int, cases: int, controls: int, sometimes: bool) -> ClaimVerdict:
    """The verdict if ``cases`` of the trials of the case and ``controls`` of those of the control show the sign."""
    world = World("", 0, 0, rounds, sometimes=sometimes)
    trials = [
        TrialRecord("bench", variant, number, {}, {"shown": number < shown, "triggered": True})
        for variant, shown in ((CASE, cases), (CONTROL, controls))
        for number in range(rounds)
    ]
    return verdict_of(world, trials)


def false_confirmed(rounds: int, rate: float, *, sometimes: bool = False) -> float:
    """The exact share of runs that end confirmed and not thin, if each trial shows the sign with chance ``rate``."""
    return sum(
        _binomial(rounds, cases, rate) * _binomial(rounds, controls, rate)
        for cases, controls in _firm_outcomes(rounds, sometimes)
    )


@cache
def _firm_outcomes(rounds: int, sometimes: bool) -> tuple[tuple[int, int], ...]:
    possible = range(rounds + 1)
    return tuple((a, b) for a in possible for b in possible if is_firm(outcome(rounds, a, b, sometimes)))


def _binomial(trials: int, shown: int, rate: float) -> float:
    return comb(trials, shown) * rate**shown * (1 - rate) ** (trials - shown)


# -- the tables ----------------------------------------------------------------------------------

WORDS = ("confirmed", "confirmed, thin", "refuted", "refuted, thin", "intermittent", "inconclusive")


def situations(runs: int = RUNS) -> Iterator[str]:
    """The rows of the first table."""
    yield f"| true situation | {' | '.join(WORDS)} |"
    yield "|---" * (len(WORDS) + 1) + "|"
    for world in WORLDS:
        yield row(world, shares(world, runs))


def row(world: World, share: Mapping[str, float]) -> str:
    """The row of a world, with its shares of each verdict."""
    cells = [f"{100 * share[word]:.1f} %" if word in share else "" for word in WORDS]
    return f"| {world.name} | {' | '.join(cells)} |"


def worst_rates() -> Iterator[str]:
    """The rows of the second table."""
    yield "| trials of each | falsely confirmed | at the rate | `sometimes`: falsely confirmed | at the rate |"
    yield "|---|---|---|---|---|"
    for rounds in (1, 2, 3, 4, 5, 6, 8, 10, 20):
        cells = []
        for sometimes in (False, True):
            worst = max(RATES, key=lambda rate: false_confirmed(rounds, rate, sometimes=sometimes))
            share = false_confirmed(rounds, worst, sometimes=sometimes)
            cells += [f"{100 * share:.2g} %", f"{worst:g}"] if share else ["never", ""]
        yield f"| {rounds} | {' | '.join(cells)} |"


def print_tables(runs: int = RUNS) -> None:
    """Print both tables."""
    print(f"{runs:,} simulated runs of each situation\n")
    for line in situations(runs):
        print(line, flush=True)
    print("\nno difference between case and control, exact\n")
    for line in worst_rates():
        print(line, flush=True)
