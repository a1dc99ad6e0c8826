"""Why a stack is refused: the sign did not show in every trial, or nothing could be told."""

from __future__ import annotations

from reprolab.core.number_words import plural
from reprolab.measure.cell import CellResult
from reprolab.report.table import short_reason
from reprolab.verdict.counting import Count


def refusal(count: Count, result: CellResult, wanted: int) -> str:
    """Why a stack is refused, "" if the sign showed in each of the ``wanted`` trials."""
    if result.obstacle:
        return f"it cannot run: {short_reason(result.obstacle)}"
    if count.shown < count.trials:
        return "no sign" if not count.shown else "the sign comes and goes"
    if count.errors:
        return f"the sign could not be read: {count.errors[0]}"
    if shows_in(count, wanted):
        return ""
    if result.invalid:
        return f"invalid: {short_reason(result.invalid[0])}"
    if count.not_exercised:
        return "not exercised: the trigger of the claim did not happen"
    return count.disturbance if count.busy else f"only {plural(count.trials, 'trial')} counted"


def shows_in(count: Count, wanted: int) -> bool:
    """Whether the sign showed in every trial that counts, and there are at least ``wanted``."""
    return count.trials >= wanted and count.shown == count.trials
