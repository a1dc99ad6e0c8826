"""The rounds of a run: their order, when the run ends, and what the terminal shows after each."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import claim, in_memory, trials
from reprolab.core.errors import UsageError
from reprolab.core.terminal import Terminal
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RoundsInfo, RunInfo
from reprolab.run import provisional
from reprolab.run.observer import RunObserver
from reprolab.run.plan import MOST_ROUNDS, Plan, PlannedVariant, RunOptions, make_plan
from reprolab.run.progress import Progress
from reprolab.run.rounds import Round, order, planned_rounds
from reprolab.run.schedule import PATIENCE, Schedule, unsettled
from reprolab.scenario.model import Experiment, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import ClaimVerdict, Verdict, VerdictDocument
from reprolab.verdict.judge import judge

ALWAYS = claim("B-1", absent=["old", "older"])


def scenario(*also: str) -> Scenario:
    """A scenario whose claim needs three variants; the variants in ``also`` only illustrate."""
    plain = in_memory(ALWAYS)
    lamp = replace(plain.experiments["lamp"], variants={name: {} for name in (*also, *ALWAYS.expectations)})
    return replace(plain, experiments={"lamp": lamp})


def plan_of(*also: str, **options: Any) -> Plan:
    """A plan of that scenario."""
    return make_plan(scenario(*also), RunOptions("blink", **options))


def names(part: Round) -> list[str]:
    """The variants in the order of their trials."""
    return [step.variant.name for step in part.steps]


# -- the order ------------------------------------------------------------------------------------


def test_every_needed_variant_is_once_in_each_round() -> None:
    """The number of the round is the number of each of its trials; the variants that illustrate come last."""
    parts = order(plan_of("dim", "bright", seed=7))
    assert [(part.number, part.illustrates) for part in parts] == [(1, False), (2, False), (3, False), (1, True)]
    assert [sorted(names(part)) for part in parts] == [["documented", "old", "older"]] * 3 + [["bright", "dim"]]
    assert all(step.number == part.number for part in parts for step in part.steps)


def test_the_same_seed_gives_the_same_order() -> None:
    """Another seed gives another order, and the order of a round does not depend on the number of rounds."""
    orders = {seed: [names(part) for part in order(plan_of(seed=seed, trials=20))] for seed in (1, 2)}
    assert orders[1] == [names(part) for part in order(plan_of(seed=1, trials=20))]
    assert orders[1] != orders[2]
    assert orders[1][:2] == [names(part) for part in order(plan_of(seed=1, trials=2))]


def test_each_variant_can_be_first() -> None:
    """Over many rounds each variant has each place about equally often: a drift falls on all variants."""
    places = Counter(names(part)[0] for part in order(plan_of(seed=3, trials=300)))
    assert set(places) == {"documented", "old", "older"} and min(places.values()) > 70


def test_a_round_has_the_trials_of_all_experiments() -> None:
    """An experiment with fewer trials ends after fewer rounds."""
    bulb = Experiment("bulb", {"documented": {}}, 2, lambda stack: {}, ())
    plain = scenario()
    both = replace(plain, experiments={**plain.experiments, "bulb": bulb})
    parts = order(make_plan(both, RunOptions("blink")))
    assert [sum(step.variant.experiment is bulb for step in part.steps) for part in parts] == [1, 1, 0]
    assert [len(part.steps) for part in parts] == [4, 4, 3]


def test_a_run_of_variants_that_no_claim_needs_has_rounds_too() -> None:
    """A custom variant, or one that only illustrates, if the user asks for nothing else."""
    assert [part.illustrates for part in order(plan_of(settings={"RELEASE": "2"}, trials=2))] == [False, False]
    assert [names(part) for part in order(plan_of("dim", variants=("dim",)))] == [["dim"]]


@pytest.mark.parametrize(
    ("jobs", "parallel", "numbers"),
    [
        (1, True, [1, 2, 3, 4, 5]),
        (2, True, [2, 4, 5]),
        (8, True, [5]),
        (8, False, [1, 2, 3, 4, 5]),
    ],
)
def test_rounds_that_fit_side_by_side_are_joined(jobs: int, parallel: bool, numbers: list[int]) -> None:
    """Five trials of one variant use all places; with load they never do. Each trial keeps its number."""
    lamp = Experiment("lamp", {"documented": {}}, 5, lambda stack: {}, (), parallel=parallel)
    parts = order(Plan(in_memory(claim()), (PlannedVariant(lamp, "documented", {}, 5),), jobs))
    assert [part.number for part in parts] == numbers
    assert [step.number for part in parts for step in part.steps] == [1, 2, 3, 4, 5]
    assert planned_rounds(parts) == 5


def test_a_plan_draws_a_seed() -> None:
    """Without the option, two plans have different orders; both can be repeated."""
    assert len({plan_of().seed for _ in range(5)}) > 1
    assert plan_of(seed=0).seed == 0


# -- the options ----------------------------------------------------------------------------------


def test_with_a_confidence_trials_is_the_limit() -> None:
    """Without it there are MOST_ROUNDS; variants that illustrate keep one trial."""
    assert {item.name: item.trials for item in plan_of("dim", confidence=99).variants} == {
        "dim": 1,
        **dict.fromkeys(("documented", "old", "older"), MOST_ROUNDS),
    }
    assert {item.name: item.trials for item in plan_of("dim", confidence=99, trials=6).variants}["old"] == 6


def test_confidence_as_p() -> None:
    """95 allows exactly 1/20, which is the p of 3 of 3 against 0 of 3."""
    assert [plan_of(confidence=percent).highest_p for percent in (95, 99, 99.9)] == [0.05, 0.01, 0.001]
    assert plan_of().highest_p is None
    verdict = judge(in_memory(claim(absent=["old"])), "now", trials(documented="+++", old="---"))
    assert not unsettled(verdict, 0.05, 3)


def test_no_confidence_in_a_variant_of_its_own() -> None:
    """No claim is judged by a custom variant."""
    with pytest.raises(UsageError, match="--confidence is about verdicts"):
        plan_of(confidence=95, settings={"RELEASE": "2"})


# -- when a run ends ------------------------------------------------------------------------------


class Watcher(RunObserver):
    """Keeps what the run tells it."""

    def __init__(self) -> None:
        self.ends: list[tuple[int, int]] = []
        self.decided: list[tuple[str, str]] = []

    def claims_decided(self, claims: Sequence[ClaimVerdict]) -> None:
        self.decided += [(claim.id, claim.verdict.value) for claim in claims]

    def round_ends(self, number: int, planned: int, verdict: VerdictDocument) -> None:
        self.ends.append((number, planned))


class Run:
    """A run on a fake clock: each round takes ``lasts`` seconds; ``shown`` is for `cases.trials`."""

    def __init__(self, plan: Plan, *, lasts: float = 60, **shown: str) -> None:
        self.now, self.lasts, self.shown = 1000.0, lasts, shown
        self.ran: list[tuple[int, bool]] = []
        self.saved: list[tuple[RoundsInfo, Sequence[PlannedVariant]]] = []
        self.observer = Watcher()
        self.records: list[TrialRecord] = []
        self.schedule = Schedule(
            plan, self.judge, lambda: self.records, self.observer, self.save, self.now, lambda: self.now
        )

    def judge(self) -> VerdictDocument:
        number = sum(not illustrates for _, illustrates in self.ran)
        return judge(self.schedule.plan.scenario, "now", trials(**{k: v[:number] for k, v in self.shown.items()}))

    def save(self, info: RoundsInfo, variants: Sequence[PlannedVariant]) -> None:
        self.saved.append((info, variants))

    def all_rounds(self) -> Run:
        for part in self.schedule.rounds():
            self.ran.append((part.number, part.illustrates))
            self.now += self.lasts
        return self

    @property
    def info(self) -> RoundsInfo:
        return self.saved[-1][0]

    @property
    def plan(self) -> dict[str, int]:
        return {item.name: item.trials for item in self.saved[-1][1]}


GOOD = {"documented": "+" * 30, "old": "-" * 30, "older": "-" * 30}


def test_without_limits_everything_runs() -> None:
    """After each round there is a provisional verdict; seed and rounds are saved from the beginning."""
    run = Run(plan_of("dim", seed=5), **GOOD).all_rounds()
    assert run.ran == [(1, False), (2, False), (3, False), (1, True)]
    assert run.observer.ends == [(1, 3), (2, 3), (3, 3)]
    assert [(info.seed, info.ran) for info, _ in run.saved] == [(5, 0), (5, 1), (5, 2), (5, 3), (5, 3)]
    assert run.info == RoundsInfo(5, 3, 3) and not run.info.cut
    assert run.plan == {"dim": 1, "documented": 3, "old": 3, "older": 3}


def test_the_first_round_names_each_claim_once_it_is_decided() -> None:
    """Nobody waits for the end of a long round; later rounds show their verdicts at the end."""
    run = Run(plan_of(), **GOOD)
    rounds = run.schedule.rounds()
    next(rounds)
    run.schedule.trial_ended()
    assert run.observer.decided == []
    run.ran = [(1, False)]
    run.records = trials(documented="+", old="-", older="-")
    run.schedule.trial_ended()
    run.schedule.trial_ended()
    assert run.observer.decided == [("B-1", "confirmed")]
    next(rounds)
    run.schedule._decided.clear()
    run.schedule.trial_ended()
    assert run.observer.decided == [("B-1", "confirmed")]


def test_the_line_of_claims_that_became_decided() -> None:
    """Their verdicts, in one line."""
    claims = (claim("B-1"), claim("B-2", absent=["old"]), claim("B-3", absent=["old"]))
    verdict = judge(in_memory(*claims), "now", trials(documented="+", old="+"))
    assert provisional.decided(verdict.claims).plain.strip() == "so far: B-1 confirmed, thin; B-2, B-3 refuted, thin"


def test_nothing_is_shown_after_the_last_round() -> None:
    """The report follows at once."""
    assert Run(plan_of(trials=2), **GOOD).all_rounds().observer.ends == [(1, 2)]


def test_a_budget_ends_with_the_round_that_reaches_it() -> None:
    """90 s: the second round begins at 60 s and ends at 120 s. What illustrates is left out, and named."""
    run = Run(plan_of("dim", budget=90, seed=5), **GOOD).all_rounds()
    assert run.ran == [(1, False), (2, False)]
    assert run.plan == {"documented": 2, "old": 2, "older": 2}
    assert run.info.cut
    assert run.info.words == "2 of 3 (seed 5); the budget of 90 s ended the run; left out: dim"


def test_the_first_round_runs_in_any_case() -> None:
    """A budget that the builds have used still gives a verdict."""
    run = Run(plan_of(budget=1), **GOOD)
    run.now += 500
    assert run.all_rounds().ran == [(1, False)]


def test_a_budget_that_is_not_reached_cuts_nothing() -> None:
    """The run is like one without a budget."""
    run = Run(plan_of("dim", budget=600), **GOOD).all_rounds()
    assert len(run.ran) == 4 and not run.info.cut and "budget" not in run.info.words


def test_a_budget_may_leave_out_only_what_illustrates() -> None:
    """All rounds ran, but the run is not whole."""
    run = Run(plan_of("dim", budget=150), **GOOD).all_rounds()
    assert run.ran == [(1, False), (2, False), (3, False)]
    assert run.info.cut and run.info.left_out == ("dim",)


def test_a_confidence_ends_with_the_round_that_reaches_it() -> None:
    """With two controls, 2 of 2 against 0 of 4 has p = 1/15, 3 of 3 against 0 of 6 has 1/84, the next 1/495."""
    run = Run(plan_of("dim", confidence=99), **GOOD).all_rounds()
    assert run.ran == [(1, False), (2, False), (3, False), (4, False), (1, True)]
    assert run.plan["old"] == 4 and run.plan["dim"] == 1
    assert run.info.ended == "confidence" and not run.info.cut
    assert "the run has the confidence of 99 %" in run.info.words


def test_a_confidence_that_is_not_reached() -> None:
    """The run ends with the last round, and says so."""
    run = Run(plan_of(confidence=99, trials=2), **GOOD).all_rounds()
    assert run.ran == [(1, False), (2, False)] and run.info.ended == ""
    assert "the run does not have the confidence of 99 %" in run.info.words


def test_confidence_and_budget() -> None:
    """The first that is reached ends the rounds."""
    early = Run(plan_of("dim", confidence=99, budget=90), **GOOD).all_rounds()
    assert early.info.ended == "budget" and early.info.ran == 2
    late = Run(plan_of("dim", confidence=99, budget=200), **GOOD).all_rounds()
    assert late.info.ended == "confidence" and late.info.ran == 4 and late.info.left_out == ("dim",)
    assert late.info.cut


def verdict_of(verdict: Verdict, p: float | None = None, thin: str = "") -> VerdictDocument:
    """A verdict on one claim, of a fake judge."""
    return VerdictDocument("blink", "now", (ClaimVerdict("B-1", "", "", verdict, None, "", p=p, thin=thin),))


@pytest.mark.parametrize(
    ("verdict", "p", "thin", "ran", "settled"),
    [
        (Verdict.CONFIRMED, 0.01, "", 1, True),
        (Verdict.CONFIRMED, 0.011, "", 19, False),
        (Verdict.CONFIRMED, None, "only 2 trials", 2, False),
        (Verdict.CONFIRMED, None, "", 3, True),
        (Verdict.REFUTED, 1.0, "refuted by a single trial", 1, False),
        (Verdict.REFUTED, 1.0, "", 2, True),
        (Verdict.INTERMITTENT, 0.5, "", 2, True),
        (Verdict.INCONCLUSIVE, None, "", PATIENCE - 1, False),
        (Verdict.INCONCLUSIVE, 0.001, "", PATIENCE - 1, False),
        (Verdict.INCONCLUSIVE, None, "", PATIENCE, True),
    ],
)
def test_when_a_claim_is_settled(verdict: Verdict, p: float | None, thin: str, ran: int, settled: bool) -> None:
    """More trials of an intermittent claim change nothing; an image that cannot be built ends no run at its limit."""
    assert unsettled(verdict_of(verdict, p, thin), 0.01, ran) == ([] if settled else ["B-1"])


def test_a_claim_that_the_run_does_not_ask_is_not_waited_for() -> None:
    """It lacks a variant, which no further round has."""
    verdict = judge(in_memory(claim(absent=["old"])), "now", trials(documented="+"))
    assert unsettled(verdict, 0.01, 1) == []


# -- on the screen --------------------------------------------------------------------------------


def screen(verdict: VerdictDocument, width: int = 100) -> str:
    """What a terminal of this width shows."""
    stream = io.StringIO()
    console = Terminal(file=stream, width=width)
    console.print(provisional.render(verdict, "after round 1 of 3"))
    return stream.getvalue()


def test_the_provisional_verdicts() -> None:
    """Numbers first; then the claims that are not confirmed, with the reasons."""
    claims = (claim("B-1"), claim("B-2", absent=["old"]), claim("B-3", absent=["bright"]), claim("B-4", shows=["dim"]))
    found = judge(in_memory(*claims), "now", trials(documented="+++", old="--", bright="++", dim="x"))
    lines = screen(found).splitlines()
    assert lines[0] == "after round 1 of 3: 1 confirmed · 1 thin · 1 refuted · 1 undecided"
    assert [line.split()[:2] for line in lines[1:]] == [["B-3", "refuted"], ["B-4", "undecided"]]
    assert "bright showed it in 2/2, expected in none" in lines[1]


def test_a_drift_is_named() -> None:
    """The recorded verdict is beside the new one."""
    recorded = judge(in_memory(claim()), "then", trials(documented="+++"))
    found = judge(in_memory(claim()), "now", trials(documented="--"), recorded)
    assert "refuted (recorded: confirmed)" in screen(found)


def test_no_claim_that_the_run_asks() -> None:
    """A run of one variant says so."""
    found = judge(in_memory(claim(absent=["old"])), "now", trials(documented="+"))
    assert screen(found) == "after round 1 of 3: no claim is judged\n"


def test_long_reasons_in_a_narrow_terminal() -> None:
    """Each claim has one line, which fits; the report has the whole reason."""
    _, line = screen(judge(in_memory(claim()), "now", trials(documented="-")), 60).splitlines()
    assert len(line) <= 60 and line.rstrip().endswith("…")
    assert line.startswith("  B-1  refuted, thin  documented showed it in 0/1")


def test_progress_shows_the_rounds() -> None:
    """The option that repeats the order, and the provisional verdict with the minutes since the beginning."""
    console = Terminal(file=io.StringIO(), width=150)
    progress = Progress(plan_of("dim", seed=7), console, print)
    with progress.trials():
        progress.round_ends(1, 3, judge(in_memory(claim()), "now", trials(documented="+")))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == (
        "blink: 10 trials of 4 variants in 3 rounds; --seed 7 repeats their order\n"
        "after round 1 of 3 (0.0 min): 1 thin\n"
    )


def test_a_run_that_may_end_early_promises_no_number() -> None:
    """Its number of trials is a limit, from which no time that is left can be told."""
    console = Terminal(file=io.StringIO(), width=150, force_terminal=True)
    progress = Progress(plan_of(confidence=99, seed=7), console, print)
    with progress.trials():
        progress.trial_ends(trials(documented="+")[0])
        progress.trial_begins("old", 1)
        assert progress.status is not None and "left" not in str(progress.status.status)
    assert isinstance(console.file, io.StringIO)
    assert "at most 60 trials of 3 variants in 20 rounds" in console.file.getvalue()
    assert "[  1] documented #1" in console.file.getvalue()


# -- run.json -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rounds", [RoundsInfo(7, 3), RoundsInfo(0, 20, 4, "confidence", 300.0, 99.5, ("dim",)), RoundsInfo(1, 1, 1)]
)
def test_run_json_keeps_the_rounds(tmp_path: Path, rounds: RoundsInfo) -> None:
    """All fields come back."""
    RunDirectory(tmp_path).write_info(RunInfo("blink", rounds=rounds))
    assert RunDirectory(tmp_path).info().rounds == rounds


def test_a_run_of_an_older_release_has_no_rounds() -> None:
    """Such a run.json is still read."""
    assert RunInfo.from_json({"scenario": "blink"}).rounds is None
