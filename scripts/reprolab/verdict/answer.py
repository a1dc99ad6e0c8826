"""The answer of a run in one sentence: whether the main sign of its scenario showed, and where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reprolab.core.number_words import plural
from reprolab.scenario.model import CUSTOM, DOCUMENTED, Claim, Scenario
from reprolab.verdict.document import ClaimVariant, ClaimVerdict, SignCount, Verdict, VerdictDocument

NAMED_VARIANTS = 3
NAMED_CLAIMS = 8
LONGEST_REASON = 200


class Kind(StrEnum):
    """The first words of an answer. SEEN and NOT_SEEN are of a run that judges no claim, JUDGED is of many claims."""

    REPRODUCED = "Reproduced"
    NOT_REPRODUCED = "Not reproduced"
    COMES_AND_GOES = "Comes and goes"
    UNDECIDED = "Undecided"
    SEEN = "Seen"
    NOT_SEEN = "Not seen"
    JUDGED = "Judged"


OF_VERDICT = {
    Verdict.CONFIRMED: Kind.REPRODUCED,
    Verdict.REFUTED: Kind.NOT_REPRODUCED,
    Verdict.INTERMITTENT: Kind.COMES_AND_GOES,
    Verdict.INCONCLUSIVE: Kind.UNDECIDED,
}


@dataclass(frozen=True)
class Answer:
    """The answer of a run. ``claim`` is the id of the claim that gives it, "" if there is none.

    ``details`` is the sentence behind the kind. ``thin`` says why the verdict could be chance, "" if it could not.
    """

    kind: Kind
    details: str
    claim: str = ""
    thin: str = ""

    @property
    def sentence(self) -> str:
        """For example "Reproduced: the socket file is gone in documented 3/3, in gunicorn-19.5.0 0/3."."""
        return f"{self.kind}{', thin' if self.thin else ''}: {self.details}."

    def to_json(self) -> dict[str, Any]:
        return {"sentence": self.sentence, "kind": str(self.kind), "claim": self.claim, "thin": self.thin}


@dataclass(frozen=True)
class LookedFor:
    """One sign that a run of own factors looked for: its words, the claims that look for it, and its counts.

    ``recorded`` is its count in the documented variant of the run on record, None if there is none.
    """

    words: str
    claims: tuple[str, ...]
    seen: SignCount
    recorded: SignCount | None = None


def answer(scenario: Scenario, verdict: VerdictDocument, recorded: VerdictDocument | None = None) -> Answer:
    """The answer of a run, from the counts of its verdict; it says the same as the verdict on its claim.

    ``recorded`` is the verdict on record; a run of own factors is set against it.
    """
    if not any(row.valid for row in verdict.variants.values()):
        return Answer(Kind.UNDECIDED, _no_valid_trial(verdict))
    if customs := custom_variants(verdict):
        return _of_own_factors(scenario, verdict, recorded, customs)
    asked = [claim for claim in verdict.claims if verdict.asked(claim)]
    main = sorted((claim for claim in asked if claim.id in scenario.answer), key=_order(scenario))
    if len(asked) > 1 and not scenario.answer:
        return _of_all(asked)
    if main or asked:
        return _of_claim((main or asked)[0], scenario)
    return _of_some_variants(scenario, verdict)


def custom_variants(verdict: VerdictDocument) -> list[str]:
    """The variants of own factors, as the verdict names them."""
    return [name for name in verdict.variants if name.rpartition("/")[2] == CUSTOM]


def looked_for(
    scenario: Scenario, verdict: VerdictDocument, variant: str, recorded: VerdictDocument | None
) -> list[LookedFor]:
    """The signs that were looked for in a variant of own factors. Claims with the same sign and counts are one row."""
    rows: dict[tuple[str, SignCount, SignCount | None], list[str]] = {}
    for experiment in scenario.experiments.values():
        documented = scenario.variant_key(experiment.name, DOCUMENTED)
        for claim in experiment.claims:
            seen = verdict.signs.get(claim.id, {}).get(variant)
            if seen is not None:
                before = recorded.signs.get(claim.id, {}).get(documented) if recorded else None
                rows.setdefault((sign_words(claim), seen, before), []).append(claim.id)
    return [LookedFor(words, tuple(ids), seen, before) for (words, seen, before), ids in rows.items()]


def sign_words(claim: Claim) -> str:
    """A claim's sign in words: what its function says of itself, else the claim."""
    return " ".join((claim.sign.__doc__ or claim.text).split())


def _of_all(claims: Sequence[ClaimVerdict]) -> Answer:
    """The counts of a scenario that has no main sign, and the claims that are not confirmed."""
    confirmed = sum(claim.verdict == Verdict.CONFIRMED for claim in claims)
    parts = [f"{confirmed} of {plural(len(claims), 'claim')} confirmed"]
    for verdict in (Verdict.REFUTED, Verdict.INTERMITTENT, Verdict.INCONCLUSIVE):
        ids = [claim.id for claim in claims if claim.verdict == verdict]
        more = f" and {len(ids) - NAMED_CLAIMS} more" if len(ids) > NAMED_CLAIMS else ""
        parts += [f"{verdict}: {', '.join(ids[:NAMED_CLAIMS])}{more}"] if ids else []
    return Answer(Kind.JUDGED, "; ".join(parts))


def _order(scenario: Scenario) -> Any:
    ids = list(scenario.answer)
    return lambda claim: ids.index(claim.id)


def _of_claim(claim: ClaimVerdict, scenario: Scenario) -> Answer:
    """The answer of a claim that was judged."""
    words, kind = scenario.answer.get(claim.id, ""), OF_VERDICT[claim.verdict]
    if claim.verdict == Verdict.INCONCLUSIVE:
        first_reason = claim.why.partition(" · but see ")[0].partition("; ")[0]
        details = f"{f'whether {words}' if words else _quoted(claim)}; {_one_line(first_reason)}"
    elif words:
        details = f"{words} {_places(claim.variants)}"
    else:
        details = f"{_quoted(claim)} ({_places(claim.variants)})"
    return Answer(kind, details, claim.id, claim.thin)


def _quoted(claim: ClaimVerdict) -> str:
    return f"“{' '.join(claim.text.split()).rstrip('.')}”"


def _places(variants: Mapping[str, ClaimVariant]) -> str:
    """Where the sign showed: the cases, the controls, and behind "but also" the controls that showed it too."""
    cases = [(name, row.count) for name, row in variants.items() if row.expected]
    controls = [(name, row.count) for name, row in variants.items() if not row.expected]
    clean = [(name, seen) for name, seen in controls if not seen.shown]
    unclean = [(name, seen) for name, seen in controls if seen.shown]
    parts = [f"in {_list(cases)}"] if cases else []
    parts += [f"in {_list(clean, 'controls')}"] if clean else []
    parts += [f"but also in {_list(unclean, 'controls')}"] if unclean else []
    return ", ".join(parts)


def _list(counts: Sequence[tuple[str, SignCount]], noun: str = "variants") -> str:
    """Variants of one experiment with their counts; of many, the number of variants and the sum."""
    if len(counts) <= NAMED_VARIANTS:
        return ", ".join(f"{_short(name)} {_count(seen)}" for name, seen in counts)
    shown, trials = sum(seen.shown for _, seen in counts), sum(seen.trials for _, seen in counts)
    return f"{len(counts)} {noun} {shown}/{trials}"


def _short(name: str) -> str:
    """A variant without its experiment: a claim belongs to one."""
    return name.rpartition("/")[2]


def _count(seen: SignCount) -> str:
    return f"{seen.shown}/{seen.trials}"


def _of_own_factors(
    scenario: Scenario, verdict: VerdictDocument, recorded: VerdictDocument | None, customs: Iterable[str]
) -> Answer:
    """What a run of own factors was for: how many signs were looked for, and how many showed."""
    factors, rows = "", []
    for variant in customs:
        if verdict.variants[variant].valid:
            factors = " ".join(f"{name}={value}" for name, value in verdict.variants[variant].factors.items())
            rows += looked_for(scenario, verdict, variant, recorded)
    readable = [row for row in rows if row.seen.trials]
    showed = [row for row in readable if row.seen.shown]
    number = f"{plural(len(readable), 'sign')} looked for, {len(showed)} showed"
    if not readable:
        return Answer(Kind.UNDECIDED, f"no sign could be looked for with {factors}")
    identifier = next((id for id in scenario.answer if any(id in row.claims for row in readable)), "")
    kind = Kind.SEEN if showed else Kind.NOT_SEEN
    if not identifier:
        return Answer(kind, f"{number} with {factors}")
    main = next(row for row in readable if identifier in row.claims)
    before = f" (on record: {DOCUMENTED} {_count(main.recorded)})" if main.recorded and main.recorded.trials else ""
    details = f"{scenario.answer[identifier]} with {factors} {_count(main.seen)}{before}; {number}"
    return Answer(_kind(main.seen), details, identifier)


def _kind(seen: SignCount) -> Kind:
    """What trials without a verdict say."""
    if not seen.trials:
        return Kind.UNDECIDED
    if 0 < seen.shown < seen.trials:
        return Kind.COMES_AND_GOES
    return Kind.SEEN if seen.shown else Kind.NOT_SEEN


def _of_some_variants(scenario: Scenario, verdict: VerdictDocument) -> Answer:
    """What the chosen variants showed, where a claim needs others too."""
    claims = {claim.id: claim for claim in verdict.claims}
    for identifier, words in scenario.answer.items():
        claim, counts = claims.get(identifier), verdict.signs.get(identifier, {})
        if claim is None or not counts:
            continue
        needed = {name: counts[name] for name in claim.variants if name in counts}
        # All that ran, those first by which the claim would be judged.
        ran = needed | dict(counts)
        cases = [seen for name, seen in needed.items() if claim.variants[name].expected] or list(ran.values())
        kind = _kind(SignCount(sum(seen.shown for seen in cases), sum(seen.trials for seen in cases)))
        missing = [name for name in claim.variants if name not in counts]
        not_run = f"; {_names(missing)} not run, so nothing is judged" if missing else ""
        subject = f"whether {words}: no trial counts for it;" if kind == Kind.UNDECIDED else words
        return Answer(kind, f"{subject} in {_list(list(ran.items()))}{not_run}", identifier)
    return Answer(Kind.UNDECIDED, "no claim was judged, as not all variants of one ran")


def _names(names: Sequence[str]) -> str:
    if len(names) > NAMED_VARIANTS:
        return f"{len(names)} more variants were"
    return f"{', '.join(map(_short, names))} {'was' if len(names) == 1 else 'were'}"


def _no_valid_trial(verdict: VerdictDocument) -> str:
    """That nothing ran, and the first reason."""
    for name, row in verdict.variants.items():
        if row.invalid:
            first = next((line.strip() for line in row.invalid[0].splitlines() if line.strip()), "")
            return f"no trial is valid; {name}: {_one_line(first)}" if first else "no trial is valid"
    return "no trial is valid"


def _one_line(text: str) -> str:
    line = " ".join(text.split()).rstrip(".:")
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON].rpartition(' ')[0]} …"
