"""The claims of a run as the page shows them: each with the evidence for its verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reprolab.core.stats import range_text, rate_text
from reprolab.evidence.run_dir import RunDirectory
from reprolab.report.html import rate_chart
from reprolab.scenario.model import Claim, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.judge import asked


def claims(verdict: Mapping[str, Any], run: RunDirectory, trials: list[TrialRecord], found: Scenario) -> list[Any]:
    """A mapping per claim, by their numbers: what verdict.json says of it, a row per variant, the rates' chart."""
    ordered = sorted(verdict["claims"], key=lambda claim: int((re.findall(r"\d+", claim["id"]) or [0])[-1]))
    return [_claim(verdict, claim, run, trials, found) for claim in ordered]


def _claim(
    verdict: Mapping[str, Any], claim: Mapping[str, Any], run: RunDirectory, trials: list[TrialRecord], found: Scenario
) -> dict[str, Any]:
    known = same(found, claim)
    rows = [_row(name, seen, run, trials, found) for name, seen in claim["variants"].items()]
    rated = [row for row in rows if row["rate"]]
    return {
        **{key: claim.get(key) for key in ("id", "text", "verdict", "recorded", "why")},
        "asked": asked(verdict, claim),
        "setting": known.setting if known else "",
        "sign": " ".join((known.sign.__doc__ or "").split()) if known else "",
        "sometimes": bool(known and known.sometimes),
        "rows": rows,
        "measured": any(row["measured"] for row in rows),
        "rated": bool(rated),
        "chart": rate_chart.rate_chart([row["figures"] for row in rated]) if rated else None,
    }


def same(found: Scenario, claim: Mapping[str, Any]) -> Claim | None:
    """The scenario's claim that a verdict is about; None where that id now stands for another sentence."""
    return next((one for one in found.claims if (one.id, one.text) == (claim["id"], claim["text"])), None)


def _row(name: str, seen: Mapping[str, Any], run: RunDirectory, trials: list[TrialRecord], found: Scenario) -> Any:
    low, high = seen["interval"]
    rate = seen.get("rate")
    return {
        "variant": name,
        "expected": seen["expected"],
        "shown": seen["shown"],
        "trials": seen["trials"],
        "interval": range_text(low, high),
        "rate": rate_text(rate["shown"], rate["of"]) if rate else "",
        "figures": _figures(name, seen["expected"], rate) if rate else None,
        "measured": ", ".join(seen.get("measured", [])),
        "places": places(name, run, trials, found),
    }


def _figures(name: str, expected: bool, rate: Mapping[str, Any]) -> dict[str, Any]:
    low, high = rate["interval"]
    # All variants of a claim are of one experiment, whose name would only take the figures' room.
    short = name.rpartition("/")[2]
    return {"variant": short, "k": rate["shown"], "n": rate["of"], "low": low, "high": high, "expected": expected}


def places(name: str, run: RunDirectory, trials: list[TrialRecord], found: Scenario) -> list[tuple[str, str, bool]]:
    """Where the evidence of a variant lies: (number, directory relative to the run, valid) of each trial."""
    own = [trial for trial in trials if found.variant_key(trial.experiment, trial.variant) == name]
    return [
        (str(trial.trial), f"{trial.experiment}/{trial.variant}/{trial.trial}/", trial.valid)
        for trial in own
        if (run.path / trial.experiment / trial.variant / str(trial.trial)).is_dir()
    ]
