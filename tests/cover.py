"""The variants that an end-to-end test runs: few, and each claim's sign comes out both ways among them.

The whole set of variants belongs to `make scenario-NAME`; a run of it is on record in recorded.json. A test runs a
smaller set, chosen from what is on record: for each claim a variant in which the sign showed in every trial and one
in which it showed in none, where the claim has them, and for a refuted claim a variant that contradicts it. Variants
whose sign came out mixed decide nothing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import ROOT, lab, read, run_directory
from reprolab.scenario import loader
from reprolab.scenario.model import DOCUMENTED, Claim


@dataclass(frozen=True)
class Need:
    """One thing that the chosen variants must show: any of ``variants`` does."""

    claim: str
    what: str
    variants: frozenset[str]


def recorded(name: str) -> dict[str, Any]:
    """What is on record of a scenario."""
    found: dict[str, Any] = read(ROOT / "scenarios" / name / "recorded.json")
    return found


def pure_signs(verdict: dict[str, Any], claim: str) -> dict[str, bool]:
    """For each variant whose trials all agree: whether the claim's sign showed."""
    counts = {name: (seen["shown"], seen["trials"]) for name, seen in verdict["signs"][claim].items()}
    return {name: shown > 0 for name, (shown, trials) in counts.items() if trials and shown in (0, trials)}


def _claims(name: str) -> Iterator[tuple[Claim, dict[str, bool]]]:
    """Every claim with its variants, named as in verdict.json, and whether the sign must show there."""
    scenario = loader.load(ROOT, name)
    for experiment in scenario.experiments.values():
        for claim in experiment.claims:
            yield claim, {scenario.variant_key(experiment.name, v): e for v, e in claim.expectations.items()}


def needs(name: str) -> list[Need]:
    """What the chosen variants of a scenario must show."""
    record, found = recorded(name), []
    verdicts = {row["id"]: row["verdict"] for row in record["claims"]}
    for claim, expected in _claims(name):
        signs = {variant: shown for variant, shown in pure_signs(record, claim.id).items() if variant in expected}
        for shown, what in ((True, "the sign shows"), (False, "the sign does not show")):
            found.append(Need(claim.id, what, frozenset(v for v in signs if signs[v] is shown)))
        if verdicts[claim.id] == "refuted":
            against = frozenset(v for v in signs if signs[v] is not expected[v])
            found.append(Need(claim.id, "contradicted", against))
    return [need for need in found if need.variants]


def cover(name: str, also: Iterable[str] = ()) -> list[str]:
    """A small set of variants that meets all needs: those in ``also``, the documented ones, then the most useful."""
    wanted = needs(name)
    known = {variant for _, expected in _claims(name) for variant in expected}
    missing = set(also) - known
    assert not missing, f"{name} has no such variants that a claim names: {sorted(missing)}"
    chosen = {variant for variant in known if variant.rpartition("/")[2] == DOCUMENTED} | set(also)
    while left := [need for need in wanted if not need.variants & chosen]:
        counts = Counter(variant for need in left for variant in need.variants)
        # The name decides between two that are as useful, so that each run chooses the same.
        chosen.add(max(sorted(counts), key=lambda variant: counts[variant]))
    return sorted(chosen)


def run_cover(results: Path, name: str, also: Iterable[str] = ()) -> tuple[Path, str]:
    """Run the cover of a scenario, one trial each; the run's directory and what was printed."""
    variants = sorted({variant.rpartition("/")[2] for variant in cover(name, also)})
    options = [word for variant in variants for word in ("--variant", variant)]
    status, printed = lab(results, "run", name, *options, "--trials", "1", limit=1200)
    assert status == 0, printed
    return run_directory(results, name), printed


def differences(run: Path, name: str) -> list[str]:
    """What came out otherwise than on record: signs, invalid trials, verdicts of claims that were decided."""
    verdict, record = read(run / "verdict.json"), recorded(name)
    told = [f"{variant}: invalid: {row['invalid']}" for variant, row in verdict["variants"].items() if row["invalid"]]
    before = {row["id"]: row["verdict"] for row in record["claims"]}
    for claim, expected in _claims(name):
        now, then = pure_signs(verdict, claim.id), pure_signs(record, claim.id)
        told += [
            f"{claim.id} in {variant}: the sign {'shows' if now[variant] else 'does not show'}, unlike on record"
            for variant in sorted(set(now) & set(then) & set(expected))
            if now[variant] is not then[variant]
        ]
    told += [
        f"{row['id']}: {row['verdict']}, on record {before[row['id']]}: {row['why']}"
        for row in verdict["claims"]
        if row["verdict"] not in ("inconclusive", before[row["id"]])
    ]
    return told


def unmet(run: Path, name: str) -> list[Need]:
    """The needs that no valid trial of the run speaks to: a run that skipped a variant has shown nothing of it."""
    verdict = read(run / "verdict.json")
    valid = {variant for variant, row in verdict["variants"].items() if row["valid"]}
    return [need for need in needs(name) if not need.variants & valid]
