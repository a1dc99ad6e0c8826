"""What a cell says of a claim's sign: shown, absent, in some trials; or why its trials say nothing."""

from __future__ import annotations

import re
from enum import StrEnum

from reprolab.core.number_words import plural
from reprolab.core.stats import rate_text
from reprolab.matrix.document import MatrixCell, MatrixClaim, MatrixDocument
from reprolab.report.table import short_reason


class State(StrEnum):
    """A cell for one claim. The first three are cells with a trial that counts."""

    SHOWN = "sign shown"
    ABSENT = "sign absent"
    MIXED = "in some trials"
    INVALID = "invalid"
    NOT_EXERCISED = "not exercised"
    DISTURBED = "disturbed"
    UNREADABLE = "unreadable"
    NOT_RUN = "not run"

    @property
    def counted(self) -> bool:
        """Whether a trial of the cell counts for the claim."""
        return self in (State.SHOWN, State.ABSENT, State.MIXED)

    @property
    def undecided(self) -> bool:
        """Whether measuring again may give the cell a result: nothing kept it from one but time or a fault."""
        return self in (State.DISTURBED, State.UNREADABLE, State.NOT_RUN)


LEGEND = {
    State.SHOWN: "n/n: the sign showed in every trial that counts",
    State.ABSENT: "0/n: in none of them",
    State.MIXED: "k/n: in some of them",
    State.INVALID: "invalid: the stack could not be built or started, or its trials failed",
    State.NOT_EXERCISED: "not exercised: what the claim is about did not happen",
    State.DISTURBED: "disturbed: the sign needs an idle machine; other work used the processors, or nobody knows",
    State.UNREADABLE: "unreadable: the sign raised an error",
    State.NOT_RUN: "–: no trial was run",
}
THIN = "thin: the two counts may differ by chance (p above 0.05)"
NOT_RUN = "–"
IMAGE = re.compile(r"image build failed: the image \S+ did not build \([^)]*\)")


def state_of(cell: MatrixCell, claim: str) -> State:
    """The state of a cell for a claim."""
    count = cell.count(claim)
    if count.trials:
        return {0: State.ABSENT, count.trials: State.SHOWN}.get(count.shown, State.MIXED)
    if not cell.tried:
        return State.NOT_RUN
    if count.busy:
        return State.DISTURBED
    if claim in cell.errors:
        return State.UNREADABLE
    return State.NOT_EXERCISED if count.not_exercised else State.INVALID


def short_text(cell: MatrixCell, claim: str) -> str:
    """The cell of a table: "3/3", "invalid", or "–" without any trial."""
    state, count = state_of(cell, claim), cell.count(claim)
    if state.counted:
        return f"{count.shown}/{count.trials}"
    return NOT_RUN if state is State.NOT_RUN else str(state)


def full_text(cell: MatrixCell, claim: str) -> str:
    """Everything that is known of a cell: "3/3 (44–100 %), 1 invalid", or its state with the reason."""
    state, count = state_of(cell, claim), cell.count(claim)
    parts = [rate_text(count.shown, count.trials) if state.counted else str(state)]
    if state.counted and count.rate:
        parts.append(f"tries {count.rate.text}")
    parts += [count.uncounted] if state.counted and count.uncounted else []
    parts += [plural(cell.invalid, "invalid trial")] if state.counted and cell.invalid else []
    return ", ".join(parts) + (f": {why}" if (why := reason_of(cell, claim)) else "")


def reason_of(cell: MatrixCell, claim: str) -> str:
    """Why trials of a cell do not count, in one line: all of them, or those of which the sign could not be read.

    "" if its state says it all.
    """
    state, error = state_of(cell, claim), cell.errors.get(claim, "")
    if state is State.INVALID:
        # Without the names of image and log, cells with the same reason stand together.
        return IMAGE.sub("an image did not build", short_reason(cell.obstacle or cell.reason))
    if state.counted:
        return error and f"in other trials the sign raised an error: {error}"
    return error if state is State.UNREADABLE else ""


def legend_of(document: MatrixDocument, claim: MatrixClaim) -> list[tuple[State, str]]:
    """The states that the map has for a claim, with what they mean; of the trigger that did not happen, its words."""
    missing = f": {claim.trigger}" if claim.trigger else ""
    return [
        (state, LEGEND[state] + (missing if state is State.NOT_EXERCISED else ""))
        for state in states_shown(document, claim.id)
    ]


def states_shown(document: MatrixDocument, claim: str) -> list[State]:
    """The states that the map has for a claim, in the order of `State`."""
    present = {state_of(cell, claim) for cell in document.cells}
    return [state for state in State if state in present]
