"""The words and rows that the terminal, the Markdown and the page of a shrink share."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace

from reprolab.core import command_text
from reprolab.core.number_words import plural
from reprolab.report.table import NOTHING, changes_text
from reprolab.shrink.document import Kind, ShrinkDocument, Status, StepResult

SAME = "the same"  # the least stack has the value of the starting one
STEP_HEADINGS = ("step", "what", "sign", "outcome", "why")


@dataclass(frozen=True)
class StepRow:
    """A tested step in words; ``tested`` has the rest."""

    number: str
    what: str
    sign: str
    outcome: str
    why: str
    tested: StepResult

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts below STEP_HEADINGS."""
        return (self.number, self.what, self.sign, self.outcome, self.why)


def step_rows(document: ShrinkDocument) -> Iterator[StepRow]:
    """All tests in their order."""
    for step in document.steps:
        yield row(document, step)


def remaining_rows(document: ShrinkDocument) -> list[StepRow]:
    """The single steps from the least stack."""
    return [replace(row(document, step), what=move.words) for move, step in document.refused]


def row(document: ShrinkDocument, step: StepResult) -> StepRow:
    """A test in words."""
    outcomes = {True: "accepted", False: "refused"}
    if step.kind is Kind.START:
        what, outcomes = f"the starting stack: {start_words(document)}", {True: "shows it", False: "does not"}
    elif step.kind is Kind.CONFIRMATION:
        what, outcomes = "measured again: " + step.words, {True: "confirmed", False: "dropped"}
    elif step.kind is Kind.CONTROL:
        what, outcomes = f"control: {control_changes(document, step)}", {True: "absent", False: "not absent"}
    else:
        what = step.words
    beside = [f"beside it {plural(step.invalid, 'invalid trial')}: {step.first_invalid}"] if step.invalid else []
    beside += [f"beside it {step.count.uncounted}"] if step.count.uncounted else []
    why = "; ".join(beside) if step.accepted else step.reason
    if step.kind is Kind.CONTROL and step.count.shown and (undone := _undone(document, step)):
        why = f"says nothing: it changes {' and '.join(undone)}, as the shrink did"
    return StepRow(str(step.number), what, sign(step), outcomes[step.accepted], why, step)


def sign(step: StepResult) -> str:
    """How often the sign showed: "3/3", with the rate if the claim has one."""
    return replace(step.count, not_exercised=0, busy=0).text


def start_words(document: ShrinkDocument) -> str:
    """The variant of the starting stack, with what differs from the documented one."""
    changes = changes_text(document.settings)
    return document.variant if changes == NOTHING else f"{document.variant} ({changes})"


def side_by_side(document: ShrinkDocument) -> list[tuple[str, str, str]]:
    """(what, starting stack, least stack) for each setting that can get simpler, the services, and the sign."""
    rows = [
        (name, value or NOTHING, SAME if document.least[name] == value else document.least[name] or NOTHING)
        for name, value in document.start.items()
    ]
    before, after = (" ".join(roles) for roles in document.services)
    rows.append(("services", before, SAME if before == after else after))
    first, least = document.first, document.least_step
    rows.append(("sign", sign(first) if first else NOTHING, sign(least) if least else NOTHING))
    return rows


def outcome(document: ShrinkDocument) -> tuple[str, str]:
    """The outcome in a sentence without its full stop, and what it is about: the moves, or a reason; "" for nothing."""
    first, least = document.first, document.least_step
    if least is None:
        seen = f"{sign(first)}, {first.reason}" if first else ""
        return f"Nothing to shrink from: the starting stack does not show the sign of {document.claim} each time", seen
    simpler = ", ".join(move.words for move in document.reductions)
    stack = "The least stack" if simpler else "Nothing could be left out: the starting stack"
    return f"{stack} shows the sign of {document.claim} in {sign(least)} trials", simpler


def result(document: ShrinkDocument) -> str:
    """The outcome in one sentence."""
    return ": ".join(part for part in outcome(document) if part) + "."


def minimality(document: ShrinkDocument) -> str:
    """Whether a single step is left, in one sentence; "" where there is no least stack."""
    if document.least_step is None:
        return ""
    if document.status is Status.MINIMAL:
        if not document.remaining:
            return "It is 1-minimal: no setting is left that could get simpler."
        steps = plural(len(document.remaining), "single step")
        return f"It is 1-minimal: {steps} from it, and none shows the sign in every trial."
    if document.status is Status.UNDECIDED:
        steps, unknown = plural(len(document.refused), "single step"), sum(s.undecided for _, s in document.refused)
        return f"It may not be 1-minimal: of {steps} from it, nothing could be told of {unknown}. Ask again later."
    why = f" ({document.reason.splitlines()[0]})" if document.reason else ""
    return f"The shrink ended early: {document.status}{why}. {_not_done(document)}"


def _not_done(document: ShrinkDocument) -> str:
    """What a shrink that ended early has left out, in one sentence."""
    if document.untested:
        left, were = plural(len(document.untested), "single step"), "was" if len(document.untested) == 1 else "were"
        return f"{left} from it {were} not tested, so less may do."
    return "No single step from it was left, but it was not measured again: it was chosen among many."


def control_changes(document: ShrinkDocument, step: StepResult) -> str:
    """What the control changes in the least stack: "GUNICORN=19.5.0"."""
    return changes_text(document.differing(step))


def _undone(document: ShrinkDocument, step: StepResult) -> list[str]:
    """The settings of the shrink that a control changes back."""
    differing = document.differing(step)
    return [move.name for move in document.reductions if move.name in differing]


def control(document: ShrinkDocument) -> tuple[str, bool] | None:
    """What the control of the least stack showed, and whether it was clean; None where there is no least stack."""
    step, least = document.control_step, document.least_step
    if least is None:
        return None
    if step is None:
        return f"No control of {document.claim} was measured on it", False
    what = f"The least stack with {control_changes(document, step)}, as in the control {document.control},"
    if step.obstacle:
        return f"{what} cannot run: {step.obstacle.splitlines()[0]}", False
    if step.count.shown and document.undone:
        undone = f"it changes {' and '.join(document.undone)}, as the shrink did"
        return f"{what} shows the sign in {sign(step)} trials. This says nothing: {undone}", False
    if step.count.shown:
        return f"{what} shows the sign in {sign(step)} trials too, so there the sign says nothing", False
    return f"{what} shows the sign in {sign(step)} trials", step.accepted


def whole(document: ShrinkDocument) -> str:
    """All settings of the least stack, and those of its load that differ from the experiment's own."""
    least = document.least_step
    settings = {**document.factors, **least.changes} if least else {}
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())


def repeat(document: ShrinkDocument) -> str:
    """The command that asks the same question again."""
    values = {**document.factors, **document.settings}
    fixed = {name: values[name] for name in document.fixed if name in values}
    return command_text.ask("shrink", document.scenario, {"CLAIM": document.claim, "TRIALS": document.trials, **fixed})


def effort(document: ShrinkDocument) -> str:
    """The number of trials and the time, in one line; with several hosts, whether the sign depends on the host."""
    kept = f" and {document.kept_trials} kept from earlier questions" if document.kept_trials else ""
    minutes = document.seconds / 60
    stacks, trials = plural(len(document.steps), "stack"), plural(document.new_trials, "new trial")
    return "; ".join([f"{stacks}, {trials}{kept}, {minutes:.1f} min", *document.hosts])
