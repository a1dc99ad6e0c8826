"""Counts a claim's sign in the trials of one variant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reprolab.core.number_words import plural
from reprolab.core.stats import rate_text, wilson
from reprolab.scenario.model import Claim, Observation
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import Interval, Rate, SignCount


@dataclass(frozen=True)
class Count:
    """A sign in one variant: ``shown`` of ``trials`` trials that count showed it. ``errors`` tells where it raised.

    A valid trial does not count if it did not exercise the claim (``not_exercised``), or if the claim's sign needs an
    idle machine and other work disturbed it, or nobody knows whether it did (``busy``, of which ``unwatched`` are the
    latter). ``tries`` is the claim's rate over all trials that count, (k, n), if it has one.
    """

    shown: int
    trials: int
    errors: tuple[str, ...] = ()
    tries: tuple[int, int] | None = None
    not_exercised: int = 0
    busy: int = 0
    unwatched: int = 0

    def to_sign(self) -> SignCount:
        """The part that verdict.json stores."""
        rate = Rate(*self.tries, rounded_interval(*self.tries)) if self.tries else None
        return SignCount(self.shown, self.trials, rate, self.not_exercised, self.busy)

    @property
    def words(self) -> str:
        """For example "2/2", or "2/2 [16/20 (58–92 %)]" with a rate."""
        return f"{self.shown}/{self.trials}" + (f" [{rate_text(*self.tries)}]" if self.tries else "")

    @property
    def disturbance(self) -> str:
        """What kept the ``busy`` trials from counting."""
        disturbed = self.busy - self.unwatched
        parts = [
            f"other work used this machine's processors in {plural(disturbed, 'valid trial')}" if disturbed else "",
            f"the load of the machine was not measured in {plural(self.unwatched, 'valid trial')}"
            if self.unwatched
            else "",
        ]
        return ", and ".join(filter(None, parts))

    @property
    def tally(self) -> tuple[int, int]:
        """(k, n): the tries if the claim has a rate, else the trials."""
        return self.tries or (self.shown, self.trials)


def count(claim: Claim, trials: Iterable[TrialRecord]) -> Count:
    """Count the claim's sign in the valid trials; all are of one variant.

    A sign, a rate or a trigger that raises is an error; it counts neither as shown nor as absent.
    """
    total = Count(0, 0)
    for trial in trials:
        if trial.valid:
            try:
                total = _add(claim, total, trial)
            except Exception as error:
                text = f"trial {trial.trial}: {type(error).__name__}: {error}"
                total = replace(total, errors=(*total.errors, text))
    return total


def _add(claim: Claim, total: Count, trial: TrialRecord) -> Count:
    """The count with one more valid trial. Raises whatever the claim's functions raise."""
    observation = trial.observation
    if not exercises(claim, trial.variant, observation):
        return replace(total, not_exercised=total.not_exercised + 1)
    if claim.needs_idle and (trial.busy or trial.unwatched):
        return replace(total, busy=total.busy + 1, unwatched=total.unwatched + (not trial.busy))
    shown = _bool("sign", claim.sign(observation))
    tries = _add_rate(total.tries or (0, 0), claim.rate(observation)) if claim.rate else None
    return replace(total, shown=total.shown + shown, trials=total.trials + 1, tries=tries)


def exercises(claim: Claim, variant: str, observation: Observation) -> bool:
    """Whether a trial of the variant exercises the claim. Raises whatever the trigger raises."""
    return claim.trigger is None or _bool("trigger", claim.trigger(observation)) != (variant in claim.untriggered)


def _bool(function: str, result: object) -> bool:
    if not isinstance(result, bool):
        raise TypeError(f"the {function} returned {result!r}, not a bool")
    return result


def _add_rate(total: tuple[int, int], rate: tuple[int, int]) -> tuple[int, int]:
    """The sum of two rates. Raises ValueError for an impossible rate."""
    k, n = rate
    if not 0 <= k <= n:
        raise ValueError(f"the rate {k} of {n} is impossible")
    return total[0] + k, total[1] + n


def measured(claim: Claim, trials: Iterable[TrialRecord]) -> list[str]:
    """The distinct texts of the claim's ``measured`` function for the valid trials; "?" where it raises."""
    texts: list[str] = []
    for trial in trials:
        if trial.valid and claim.measured:
            try:
                texts.append(str(claim.measured(trial.observation)))
            except Exception:
                texts.append("?")
    return list(dict.fromkeys(texts))


def rounded_interval(shown: int, trials: int) -> Interval:
    """The 95 % Wilson interval, with four digits."""
    low, high = wilson(shown, trials)
    return round(low, 4), round(high, 4)
