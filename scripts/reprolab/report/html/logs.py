"""The logs of a run for the page: digests of one trial of each variant; the reader puts two side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reprolab.report import table
from reprolab.report.html import log_digest
from reprolab.report.html.trials import ShownTrial
from reprolab.report.timeline import zero_of
from reprolab.scenario.model import DOCUMENTED, Scenario

# The lines of all digests of a page together: it stays below 5 MB.
ALL_LINES = 8000
FEWEST_LINES = 6


def logs(scenario: Scenario, trials: Sequence[ShownTrial]) -> dict[str, Any]:
    """The digests of one trial of each variant, and the two variants that are shown first; empty without logs."""
    chosen = _choose_trials(trials)
    files = sum(len(log_digest.log_files(trial.evidence.path)) for trial in chosen)
    most = max(FEWEST_LINES, min(log_digest.MOST_LINES, ALL_LINES // max(1, files)))
    entries = []
    for trial in chosen:
        zero = trial.timeline.zero_ns if trial.timeline else zero_of(trial.evidence, trial.record.observation)
        digests = log_digest.digest_logs(trial.evidence, zero, most)
        if digests:
            entries.append(_entry(scenario, trial, digests))
    names = [entry["key"] for entry in entries]
    roles = sorted({log.file for entry in entries for log in entry["logs"]})
    return {"entries": entries, "first": _choose_pair(scenario, names), "files": roles} if entries else {}


def _entry(scenario: Scenario, trial: ShownTrial, digests: Sequence[log_digest.LogDigest]) -> dict[str, Any]:
    record = trial.record
    return {
        "key": scenario.variant_key(record.experiment, record.variant),
        "trial": record.trial,
        "valid": record.valid,
        "changes": table.changes_text(record.factors),
        "place": f"{record.experiment}/{record.variant}/{record.trial}/",
        "logs": digests,
    }


def _choose_trials(trials: Sequence[ShownTrial]) -> list[ShownTrial]:
    """The first valid trial of each variant, or its first trial if none is valid."""
    by_variant: dict[tuple[str, str], ShownTrial] = {}
    for trial in trials:
        key = (trial.record.experiment, trial.record.variant)
        if key not in by_variant or (trial.record.valid and not by_variant[key].record.valid):
            by_variant[key] = trial
    return list(by_variant.values())


def _choose_pair(scenario: Scenario, names: Sequence[str]) -> list[str]:
    """Two variants of one claim: one must show the sign, the other must not. Else the documented one and another."""
    for experiment in scenario.experiments.values():
        for claim in experiment.claims:
            pair = [
                scenario.variant_key(experiment.name, variant[0]) for variant in (claim.shows, claim.absent) if variant
            ]
            if len(pair) == 2 and set(pair) <= set(names):
                return pair
    documented = [name for name in names if name.rpartition("/")[2] == DOCUMENTED]
    return list(dict.fromkeys([*documented[:1], *names]))[:2]
