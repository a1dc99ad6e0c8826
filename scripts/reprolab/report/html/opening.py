"""The top of a page: the answer in one sentence, and the two trials that show it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reprolab.report.html.trials import ShownTrial
from reprolab.scenario.model import CUSTOM, DOCUMENTED, Scenario
from reprolab.verdict.document import Verdict, VerdictDocument

WORDS = {
    Verdict.CONFIRMED: "Reproduced",
    Verdict.REFUTED: "Not reproduced",
    Verdict.INTERMITTENT: "Comes and goes",
    Verdict.INCONCLUSIVE: "Undecided",
}


@dataclass(frozen=True)
class Opening:
    """``kind`` is one word or two for the answer, ``details`` the rest of the sentence, ``claim`` the id behind it."""

    kind: str
    details: str
    claim: str = ""


def answer(scenario: Scenario, verdict: VerdictDocument) -> Opening:
    """The answer of a run, from its first claim that was judged; own factors and invalid runs have their own."""
    if not any(row.valid for row in verdict.variants.values()):
        return Opening("Undecided", "no trial is valid")
    if customs := [name for name in verdict.variants if name.rpartition("/")[2] == CUSTOM]:
        seen = [counts[name] for name in customs for counts in verdict.signs.values() if name in counts]
        readable = [count for count in seen if count.trials]
        showed = sum(bool(count.shown) for count in readable)
        factors = " ".join(f"{name}={value}" for name, value in verdict.variants[customs[0]].factors.items())
        kind = "Seen" if showed else "Not seen"
        return Opening(kind, f"{len(readable)} signs looked for, {showed} showed with {factors}")
    judged = next((claim for claim in verdict.claims if verdict.asked(claim)), None)
    if judged is None:
        return Opening("Undecided", "no claim was judged, as not all variants of one ran")
    text = " ".join(judged.text.split()).rstrip(".")
    return Opening(WORDS[judged.verdict], f"“{text}” ({judged.why})", judged.id)


def pair(scenario: Scenario, trials: Sequence[ShownTrial], claim: str = "") -> list[ShownTrial]:
    """The two trials that are shown first: of a variant that must show the sign of a claim, and of its control.

    ``claim`` is the id of the claim that is asked first. Own factors stand beside the documented variant. Without such
    a pair it is the first trial with a timeline, that of the documented variant if there is one.
    """
    first: dict[tuple[str, str], ShownTrial] = {}
    for trial in trials:
        if trial.timeline:
            first.setdefault((trial.record.experiment, trial.record.variant), trial)
    for (experiment, variant), own in first.items():
        if variant == CUSTOM:
            return [own, *(first[key] for key in [(experiment, DOCUMENTED)] if key in first)]
    claims = [(experiment.name, known) for experiment in scenario.experiments.values() for known in experiment.claims]
    for experiment, known in sorted(claims, key=lambda item: item[1].id != claim):
        both = [_first(first, experiment, known.shows), _first(first, experiment, known.absent)]
        if all(both):
            return [trial for trial in both if trial]
    return sorted(first.values(), key=lambda trial: trial.record.variant != DOCUMENTED)[:1]


def _first(
    trials: dict[tuple[str, str], ShownTrial], experiment: str, variants: Sequence[str]
) -> ShownTrial | None:
    return next((trials[experiment, name] for name in variants if (experiment, name) in trials), None)
