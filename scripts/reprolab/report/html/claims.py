"""The claims of a run for the page, each with the evidence for its verdict."""

from __future__ import annotations

import re
from typing import Any

from reprolab.core.stats import range_text
from reprolab.evidence.run_dir import RunDirectory
from reprolab.report.html import rate_chart
from reprolab.scenario.model import Claim, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import ClaimVariant, ClaimVerdict, Rate, VerdictDocument


def claims(verdict: VerdictDocument, run: RunDirectory, trials: list[TrialRecord], scenario: Scenario) -> list[Any]:
    """One mapping per claim, by the number in its id: the verdict, a row per variant, the chart of its rates."""
    ordered = sorted(verdict.claims, key=lambda claim: int((re.findall(r"\d+", claim.id) or [0])[-1]))
    return [_claim(verdict, claim, run, trials, scenario) for claim in ordered]


def _claim(
    verdict: VerdictDocument, claim: ClaimVerdict, run: RunDirectory, trials: list[TrialRecord], scenario: Scenario
) -> dict[str, Any]:
    known = current_claim(scenario, claim)
    rows = [_row(name, seen, run, trials, scenario) for name, seen in claim.variants.items()]
    rated = [row for row in rows if row["rate"]]
    return {
        **{key: getattr(claim, key) for key in ("id", "text", "verdict", "recorded", "thin")},
        "why": claim.reason,
        "asked": verdict.asked(claim),
        "setting": known.setting if known else "",
        "sign": " ".join((known.sign.__doc__ or "").split()) if known else "",
        "sometimes": bool(known and known.sometimes),
        "rows": rows,
        "measured": any(row["measured"] for row in rows),
        "rated": bool(rated),
        "chart": rate_chart.rate_chart([row["figures"] for row in rated]) if rated else None,
    }


def current_claim(scenario: Scenario, claim: ClaimVerdict) -> Claim | None:
    """The scenario's claim with the id and the sentence of a verdict; None if the sentence has changed."""
    return next(
        (candidate for candidate in scenario.claims if (candidate.id, candidate.text) == (claim.id, claim.text)), None
    )


def _row(name: str, seen: ClaimVariant, run: RunDirectory, trials: list[TrialRecord], scenario: Scenario) -> Any:
    rate = seen.count.rate
    return {
        "variant": name,
        "expected": seen.expected,
        "shown": seen.count.shown,
        "trials": seen.count.trials,
        "uncounted": seen.count.uncounted,
        "interval": range_text(*seen.interval),
        "rate": rate.text if rate else "",
        "figures": _figures(name, seen.expected, rate) if rate else None,
        "measured": ", ".join(seen.measured or ()),
        "places": trial_places(name, run, trials, scenario),
    }


def _figures(name: str, expected: bool, rate: Rate) -> dict[str, Any]:
    low, high = rate.interval
    # All variants of a claim belong to one experiment: without its name the chart has more room.
    short = name.rpartition("/")[2]
    return {"variant": short, "k": rate.shown, "n": rate.of, "low": low, "high": high, "expected": expected}


def trial_places(
    name: str, run: RunDirectory, trials: list[TrialRecord], scenario: Scenario
) -> list[tuple[str, str, bool]]:
    """The evidence of a variant: (number, directory relative to the run, valid) of each trial with a directory."""
    of_variant = [trial for trial in trials if scenario.variant_key(trial.experiment, trial.variant) == name]
    return [
        (str(trial.trial), f"{trial.experiment}/{trial.variant}/{trial.trial}/", trial.valid)
        for trial in of_variant
        if (run.path / trial.experiment / trial.variant / str(trial.trial)).is_dir()
    ]
