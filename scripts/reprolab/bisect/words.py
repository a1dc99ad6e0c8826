"""What a bisect came to, in sentences that the terminal, the Markdown and the page share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reprolab.bisect.chance import looks_good
from reprolab.bisect.document import BisectDocument, CommitSearch
from reprolab.bisect.findings import Assumed, Change, Findings, Kind, cost, windows
from reprolab.bisect.measuring import BUDGET, POINTS
from reprolab.bisect.point import Point, Side
from reprolab.bisect.search import MOST_TRIALS, Rules
from reprolab.core import command_text
from reprolab.core.number_words import plural
from reprolab.core.stats import rate_text
from reprolab.engine.host_facts import Host
from reprolab.evidence.run_info import COMPLETE, RUNNING, UNSEEN

RELEASE, VALUE, COMMIT = "release", "value", "commit"
NOT_BUILT = "image build failed"
MOST_NAMES = 6  # in one sentence


def noun(document: BisectDocument) -> str:
    """What the values of the factor are."""
    return RELEASE if document.package else VALUE


def percent(share: float) -> str:
    """A probability with two digits that count: "0.78 %"."""
    return f"{100 * share:.2g} %"


def headline(points: Sequence[Point], kind: str) -> str:
    """The windows in one sentence."""
    measured = [point for point in points if point.measured]
    if not measured:
        return f"Nothing is known: none of {plural(len(points), kind)} has a trial that counts."
    spans: dict[Side, list[str]] = {Side.BAD: [], Side.GOOD: []}
    for window in windows(points):
        spans[window.side].append(_span(points[window.first].value, points[window.last].value))
    if not spans[Side.BAD]:
        return f"The sign showed in no {kind} that was measured, {spans[Side.GOOD][0]}."
    parts = [f"{side.capitalize()}: {_listed(texts)}." for side, texts in spans.items() if texts]
    return " ".join(parts)


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


# -- changes ---------------------------------------------------------------------------------------------


def change_words(change: Change) -> str:
    """Where a change is, in one sentence or two."""
    before, after = change.before.name, change.after.name
    if change.holes:
        what = {Kind.FIRST_BAD: "First bad", Kind.FIXED: "Fixed", Kind.BACK: "Back again"}[change.kind]
        sides = ("bad", "good") if change.kind is Kind.FIXED else ("good", "bad")
        holes = "; ".join(hole_words(hole) for hole in change.holes)
        return f"{what} between {before}, {sides[0]}, and {after}, {sides[1]}; {holes}."
    if change.kind is Kind.FIXED:
        return f"Last bad: {before}. Fixed in {after}."
    return f"{'First bad' if change.kind is Kind.FIRST_BAD else 'Back again'}: {after}. Last good: {before}."


def change_counts(change: Change, rules: Rules, needed: int) -> str:
    """The trials of both ends, and whether they are enough."""
    good, bad = change.good, change.bad
    text = f"{bad.value} showed the sign in {rate_text(bad.shown, bad.trials)}, {good.value} in {good.rate}."
    if bad.sometimes:
        text += " It shows in some trials only."
    for name, values in change.also.items():
        text += (
            f" {name} differs too ({values[0]}, then {values[1]}), so it may be the reason: set {name} for all trials."
        )
    if not change.sure:
        text += (
            f" Not sure: {needed} trials without the sign are needed for {rules.confidence:g} %; with {good.trials} "
            f"the chance of a wrong side is {percent(change.chance)}."
        )
    return text


def hole_words(point: Point) -> str:
    """For example "19.5.0 could not be built"."""
    return f"{point.value} could not be {'built' if NOT_BUILT in point.obstacle else 'measured'}"


def edges(points: Sequence[Point], kind: str) -> Iterator[str]:
    """What is bad at the ends of the range, where no change says it."""
    measured = [point for point in points if point.measured]
    if measured and measured[0].shown:
        yield f"Bad already in the first {kind} that was measured, {measured[0].name}."
    if len(measured) > 1 and measured[-1].shown:
        yield f"Still bad in the last {kind} that was measured, {measured[-1].name}."


# -- what is assumed -------------------------------------------------------------------------------------


def assumed_words(item: Assumed, kind: str) -> str:
    """An unmeasured stretch: how long it is, and what is assumed of it."""
    span, before, after = span_words(item.points, kind), item.before, item.after
    if item.differs:
        return f"{span}: a change lies here, between {before.value} ({before.side}) and {after.value} ({after.side})."
    return f"{span}: assumed {before.side}, as {before.value} and {after.value} are."


def span_words(points: Sequence[Point], kind: str) -> str:
    """For example "20.0.1 to 20.0.4 (4 releases)"."""
    if len(points) == 1:
        return points[0].value
    return f"{points[0].value} to {points[-1].value} ({plural(len(points), kind)})"


def outside_words(points: Sequence[Point], kind: str) -> str:
    """The unmeasured points before the first measured one, or after the last: nothing is assumed of them."""
    names = [point.value for point in points]
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 1], "…", names[-1]]
    return f"Nothing is known of {plural(len(points), kind)} outside the measured ones: {', '.join(names)}."


def limits(findings: Findings, rules: Rules, points: Sequence[Point], kind: str) -> Iterator[str]:
    """What the bisect can have missed."""
    longest = max((len(item.points) for item in findings.assumed if not item.differs), default=0)
    if longest:
        yield f"A window inside an assumed stretch is not noticed; the longest stretch has {plural(longest, kind)}."
    rate = rules.rate(points)
    least = min((point.trials for point in findings.measured if not point.shown), default=0)
    if least and looks_good(rate, least) > 1 - rules.confidence / 100:
        few = sum(point.trials == least and not point.shown for point in findings.measured)
        yield (
            f"{plural(few, f'good {kind}')} {'has' if few == 1 else 'have'} {plural(least, 'trial')} each: one that "
            f"shows the sign in {percent(rate)} of its trials looks good then with {percent(looks_good(rate, least))}."
        )


def sureness(findings: Findings, rules: Rules, points: Sequence[Point], kind: str) -> Iterator[str]:
    """How sure the sides of the changes are, and on which assumption."""
    rate = rules.rate(points)
    if findings.changes:
        least = min(change.good.trials for change in findings.changes)
        yield (
            f"Good ends of changes have {plural(least, 'trial')} or more without the sign. If all "
            f"{plural(len(points), kind)} showed it in {percent(rate)} of their trials, the chance that any looks like "
            f"this is {percent(findings.chance)}; at most {percent(1 - rules.confidence / 100)} was asked."
        )
        yield f"A sign that shows in less than {percent(rate)} of the trials is not covered."
    if rate < rules.least_rate / 100:
        yield f"Assumed was a least rate of {rules.least_rate:g} %, but {percent(rate)} was measured; so it counts."


# -- numbers, host, how to repeat ------------------------------------------------------------------------


def trials_words(points: Sequence[Point], rules: Rules, kind: str) -> str:
    """The trials used, and those of trying all."""
    spent = cost(points, rules)
    kept = f", {spent.kept} of them from earlier questions," if spent.kept else ""
    return (
        f"{plural(spent.used, 'trial')}{kept} on {spent.tried} of {plural(spent.points, kind)}. Trying all takes about "
        f"{spent.all_alike} by the same rules, and {spent.all_sure} to be as sure of each side as of those stated."
    )


def ended_words(ended: str, status: str = COMPLETE) -> str:
    """Why a bisect is not complete, "" if it is."""
    if status != COMPLETE:
        # A killed process has left the file so.
        return f"This bisect is {UNSEEN if status == RUNNING else status}: what was measured until then stands here."
    reasons = {BUDGET: "its time was used", POINTS: "the number of points was used"}
    return f"This bisect ended early: {reasons[ended]}." if ended in reasons else ""


def host_words(host: Host) -> str:
    """The machine in one line."""
    parts = (("kernel", host.kernel), ("engine", host.engine), ("compose", host.compose), ("Python", host.python))
    named = [f"{name} {text}" for name, text in parts if text]
    named = [host.hardware, *named] if host.hardware else named
    return ", ".join([*named, f"{host.cpus} × {host.cpu}"] if host.cpu else named) or "not recorded"


def range_words(document: BisectDocument) -> str:
    """The values as the factor's range on the command line."""
    values = [point.value for point in document.points]
    return f"{values[0]}..{values[-1]}" if document.package and len(values) > 1 else ",".join(values)


def repeat(document: BisectDocument) -> str:
    """The command that asks the same question again."""
    rules = document.rules
    words = {
        "FACTOR": f"{document.factor}={range_words(document)}",
        "CLAIM": document.claim,
        "CONFIDENCE": f"{rules.confidence:g}",
        "GAP": rules.gap,
        "LEAST_RATE": f"{rules.least_rate:g}",
    }
    # Both decide how much is measured. A budget does not belong to the question: without it the answer is whole.
    limits = {"TRIALS": rules.most_trials if rules.most_trials != MOST_TRIALS else None, "POINTS": rules.points}
    words |= {name: number for name, number in limits.items() if number is not None}
    return command_text.ask("bisect", document.scenario, {**words, **document.settings})


def commits_title(search: CommitSearch) -> str:
    """What a bisect over commits went through."""
    text = f"Commits from {search.tags[0]} to {search.tags[1]}, first-parent: {plural(len(search.points) - 1, COMMIT)}."
    if search.forked:
        text += (
            f" {search.tags[0]} is not on this line: the first step, from {search.start[:12]}, is more than one commit."
        )
    return text
