"""Chooses the variants of an end-to-end test: few, but for each claim some with its sign and some without.

`make scenario-NAME` runs all variants, and recorded.json holds such a run. A test runs a smaller set, chosen from the
record. For each claim the set has a variant in which the sign showed in every trial and one in which it showed in
none, if the claim has them, and for a refuted claim a variant that contradicts it. A variant in which the sign showed
in some trials only is not counted, and neither is one whose tries could as well come out the other way.
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

RARE = 0.01


@dataclass(frozen=True)
class Need:
    """One outcome that the chosen variants must include: at least one of ``variants`` is needed."""

    claim: str
    what: str
    variants: frozenset[str]


def recorded(name: str) -> dict[str, Any]:
    """The content of a scenario's recorded.json."""
    record: dict[str, Any] = read(ROOT / "scenarios" / name / "recorded.json")
    return record


def signs(verdict: dict[str, Any], claim: str) -> dict[str, bool]:
    """Whether the claim's sign showed, for each variant whose trials all agree."""
    counts = verdict["signs"][claim]
    agreed = {
        name: count for name, count in counts.items() if count["trials"] and count["shown"] in (0, count["trials"])
    }
    return {name: count["shown"] > 0 for name, count in agreed.items()}


def pure_signs(record: dict[str, Any], claim: str) -> dict[str, bool]:
    """The same for the variants of a record that would agree again. The few tries of a test cannot say that."""
    return {name: shown for name, shown in signs(record, claim).items() if not by_chance(record["signs"][claim][name])}


def by_chance(count: dict[str, Any]) -> bool:
    """Whether the sign of one trial could come out the other way, as it depends on tries of which some differ.

    9 of 10 tries and no sign: the sign asks for all tries, and in one trial of three all ten may show it. 1 of 10 and
    the sign: it asks for any.
    """
    rate = count.get("rate")
    if not rate or rate["shown"] in (0, rate["of"]):
        return False
    low, high = rate["interval"]
    other_way = 1 - low if count["shown"] else high
    return bool(other_way ** (rate["of"] / count["trials"]) > RARE)


def _claims(name: str) -> Iterator[tuple[Claim, dict[str, bool]]]:
    """Every claim with its variants, named as in verdict.json, and whether the sign must show there."""
    scenario = loader.load(ROOT, name)
    for experiment in scenario.experiments.values():
        for claim in experiment.claims:
            yield claim, {scenario.variant_key(experiment.name, v): e for v, e in claim.expectations.items()}


def needs(name: str) -> list[Need]:
    """The outcomes that the chosen variants of a scenario must include."""
    record = recorded(name)
    all_needs = []
    verdicts = {row["id"]: row["verdict"] for row in record["claims"]}
    for claim, expected in _claims(name):
        signs = {variant: shown for variant, shown in pure_signs(record, claim.id).items() if variant in expected}
        for shown, what in ((True, "the sign shows"), (False, "the sign does not show")):
            all_needs.append(Need(claim.id, what, frozenset(v for v in signs if signs[v] is shown)))
        if verdicts[claim.id] == "refuted":
            against = frozenset(v for v in signs if signs[v] is not expected[v])
            all_needs.append(Need(claim.id, "contradicted", against))
    return [need for need in all_needs if need.variants]


def cover(name: str, also: Iterable[str] = ()) -> list[str]:
    """A small set of variants that meets all needs.

    It has the variants in ``also`` and the documented ones; then the variant that meets most open needs is added, again
    and again, until all are met.
    """
    all_needs = needs(name)
    variants = {variant for _, expected in _claims(name) for variant in expected}
    missing = set(also) - variants
    assert not missing, f"no claim of {name} names these variants: {sorted(missing)}"
    chosen = {variant for variant in variants if variant.rpartition("/")[2] == DOCUMENTED} | set(also)
    while unmet_needs := [need for need in all_needs if not need.variants & chosen]:
        counts = Counter(variant for need in unmet_needs for variant in need.variants)
        # Sorted by name, so that each run chooses the same of two variants with the same count.
        chosen.add(max(sorted(counts), key=lambda variant: counts[variant]))
    return sorted(chosen)


def run_cover(results: Path, name: str, also: Iterable[str] = ()) -> tuple[Path, str]:
    """Run the cover of a scenario, one trial each; returns the run's directory and the output."""
    variants = sorted({variant.rpartition("/")[2] for variant in cover(name, also)})
    options = [word for variant in variants for word in ("--variant", variant)]
    status, printed = lab(results, "run", name, *options, "--trials", "1", limit=1200)
    assert status == 0, printed
    return run_directory(results, name), printed


def differences(run: Path, name: str) -> list[str]:
    """The differences from the record: signs, invalid trials, and verdicts of claims that were decided."""
    verdict, record = read(run / "verdict.json"), recorded(name)
    lines = [f"{variant}: invalid: {row['invalid']}" for variant, row in verdict["variants"].items() if row["invalid"]]
    before = {row["id"]: row["verdict"] for row in record["claims"]}
    for claim, expected in _claims(name):
        now, then = signs(verdict, claim.id), pure_signs(record, claim.id)
        ran = {variant for variant, row in verdict["variants"].items() if row["valid"]}
        counts = {variant: verdict["signs"][claim.id][variant] for variant in ran & set(then) & set(expected)}
        lines += [
            f"{claim.id} in {variant}: no valid trial counts: {count}"
            for variant, count in sorted(counts.items())
            if variant not in now
        ]
        lines += [
            f"{claim.id} in {variant}: the sign {'shows' if now[variant] else 'does not show'}, unlike on record"
            for variant in sorted(set(now) & set(then) & set(expected))
            if now[variant] is not then[variant] and not by_chance(counts[variant])
        ]
    lines += [
        f"{row['id']}: {row['verdict']}, on record {before[row['id']]}: {row['why']}"
        for row in verdict["claims"]
        if row["verdict"] not in ("inconclusive", before[row["id"]])
    ]
    return lines


def unmet(run: Path, name: str) -> list[Need]:
    """The needs of which the run has no trial whose sign was read."""
    verdict = read(run / "verdict.json")
    return [need for need in needs(name) if not need.variants & set(signs(verdict, need.claim))]
