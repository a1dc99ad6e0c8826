"""Which trials are repeated because other work disturbed them."""

from __future__ import annotations

from collections.abc import Iterable

from reprolab.scenario.model import Experiment
from reprolab.scenario.trial import TrialRecord

MOST_REPEATS = 2


def needs_idle(experiment: Experiment, variant: str) -> bool:
    """Whether a claim that needs an idle machine needs the variant."""
    return any(claim.needs_idle and variant in claim.expectations for claim in experiment.claims)


def repeats(experiment: Experiment, variant: str, records: Iterable[TrialRecord]) -> int:
    """The number of trials to add to those planned: one for each busy trial of the variant, at most MOST_REPEATS.

    ``records`` are the finished trials of the run, repeated ones included. So a variant is done when it has as many
    records as trials are planned, and this number of others.
    """
    if not needs_idle(experiment, variant):
        return 0
    of_variant = [row for row in records if (row.experiment, row.variant) == (experiment.name, variant)]
    return min(sum(bool(row.busy) and row.valid for row in of_variant), MOST_REPEATS)
