"""Gives a run its rounds one by one. After each round the run has a provisional verdict, and may end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from reprolab.core.number_words import plural
from reprolab.evidence.run_info import BUDGET, CONFIDENCE, RoundsInfo
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan, PlannedVariant
from reprolab.run.repeat import MOST_REPEATS, repeats
from reprolab.run.rounds import Round, Step, order, planned_rounds
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import ClaimVerdict, Verdict, VerdictDocument
from reprolab.verdict.judge import judge

# An inconclusive claim gets so many rounds to become decided. An image that cannot be built will not be there later.
PATIENCE = 3

OnRounds = Callable[[RoundsInfo | None, Sequence[PlannedVariant]], None]


@dataclass
class Schedule:
    """The rounds of one run.

    ``judge`` judges the trials so far and writes verdict.json, ``records`` returns them. ``on_rounds`` gets the rounds
    so far with the plan; at the end the plan has only the trials that ran. The budget counts from ``started``, a value
    of ``clock`` (seconds).
    """

    plan: Plan
    judge: Callable[[], VerdictDocument]
    records: Callable[[], Sequence[TrialRecord]]
    observer: RunObserver
    on_rounds: OnRounds
    started: float
    clock: Callable[[], float] = time.monotonic
    info: RoundsInfo = field(init=False)
    _decided: set[str] = field(default_factory=set)
    _repeated: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        planned = planned_rounds(order(self.plan))
        self.info = RoundsInfo(self.plan.seed, planned, budget=self.plan.budget, confidence=self.plan.confidence)

    def rounds(self) -> Iterator[Round]:
        """Yield each round to run; a round has been run when the next one is asked for.

        No round begins when the budget is used, except the first one. With a confidence, no round begins when every
        judged claim is settled; variants that only illustrate still follow.
        """
        planned = order(self.plan)
        finished: list[Round] = []
        skipped: list[Round] = []
        self.on_rounds(self.info, self.plan.variants)
        for part in planned:
            if (finished and self._budget_used()) or (self.info.ended and not part.illustrates):
                skipped.append(part)
                continue
            yield part
            finished.append(part)
            if part.illustrates:
                continue
            while steps := self._repeats(part):
                self.observer.progress(
                    f"once more: {plural(len(steps), 'trial')} that other work disturbed, as a claim needs an idle "
                    f"machine; each variant at most {MOST_REPEATS} times"
                )
                again = Round(part.number, steps)
                yield again
                finished.append(again)
            self._judge(part, last=part is planned[-1])
        self._end(finished, skipped)

    def trial_ended(self) -> None:
        """Tell the observer in the first round which claims became decided, so that nobody waits for its end."""
        if self.info.ran:
            return
        # `judge` also reads run.json and the record, and writes a file: too much after each trial.
        verdict = judge(self.plan.scenario, "", self.records())
        now = [claim for claim in verdict.claims if verdict.asked(claim) and claim.verdict != Verdict.INCONCLUSIVE]
        claims = [claim for claim in now if claim.id not in self._decided]
        self._decided |= {claim.id for claim in claims}
        if claims:
            self.observer.claims_decided(claims)

    def _repeats(self, part: Round) -> tuple[Step, ...]:
        """The trials of a round to repeat, because other work disturbed them; they have numbers above the planned."""
        records, steps = self.records(), []
        for variant in {step.variant.key: step.variant for step in part.steps}.values():
            wanted = repeats(variant.experiment, variant.name, records)
            numbers = range(variant.trials + self._repeated[variant.key] + 1, variant.trials + wanted + 1)
            self._repeated[variant.key] += len(numbers)
            steps += [Step(variant, number) for number in numbers]
        return tuple(steps)

    def _budget_used(self) -> bool:
        if self.plan.budget is None or self.clock() - self.started < self.plan.budget:
            return False
        self.info = replace(self.info, ended=self.info.ended or BUDGET)
        return True

    def _judge(self, part: Round, *, last: bool) -> None:
        verdict = self.judge()
        self.info = replace(self.info, ran=part.number)
        limit = self.plan.highest_p
        if limit is not None and not unsettled(verdict, limit, part.number):
            self.info = replace(self.info, ended=CONFIDENCE)
        self.on_rounds(self.info, self.plan.variants)
        if not last:
            # After the last round the report follows at once.
            self.observer.round_ends(part.number, self.info.planned, verdict)

    def _end(self, finished: Sequence[Round], skipped: Sequence[Round]) -> None:
        ran = Counter(step.variant.key for part in finished for step in part.steps)
        skipped_keys = {step.variant.key for part in skipped for step in part.steps}
        out = [item for item in self.plan.variants if item.key in skipped_keys - ran.keys()]
        names = [self.plan.scenario.variant_key(item.experiment.name, item.name) for item in out]
        self.info = replace(self.info, left_out=tuple(names))
        self.on_rounds(
            self.info, [replace(item, trials=ran[item.key]) for item in self.plan.variants if item.key in ran]
        )


def unsettled(verdict: VerdictDocument, highest_p: float, ran: int) -> list[str]:
    """The ids of the judged claims for which a run with a confidence goes on after ``ran`` rounds."""
    return [claim.id for claim in verdict.claims if verdict.asked(claim) and not _settled(claim, highest_p, ran)]


def _settled(claim: ClaimVerdict, highest_p: float, ran: int) -> bool:
    """Whether further trials are not worth their time.

    Confirmed with a p: when p is low enough. Confirmed without a p, and refuted: when it is not thin. Intermittent: at
    once, since no further trial can make it confirmed. Inconclusive: after PATIENCE rounds.
    """
    if claim.verdict == Verdict.INTERMITTENT:
        return True
    if claim.verdict == Verdict.INCONCLUSIVE:
        return ran >= PATIENCE
    if claim.verdict == Verdict.CONFIRMED and claim.p is not None:
        return claim.p <= highest_p
    return not claim.thin
