"""The least stack of a shrink, for what is handed over: an export and a bug report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reprolab.core.markdown import cell, code, foreign, grid
from reprolab.verdict.document import SignCount


@dataclass(frozen=True)
class Setting:
    """A setting of the starting stack and its value in the least one."""

    name: str
    start: str
    least: str


@dataclass(frozen=True)
class Refused:
    """A single step from the least stack that does not show the sign in every trial, and why."""

    step: str
    sign: str
    why: str


@dataclass(frozen=True)
class MinimalStack:
    """The least stack that shows a claim's sign in every trial, with its evidence.

    ``variant`` is the variant that the shrink started from. ``changes`` are all settings of the least stack that differ
    from the documented ones, ``reduced`` those that are simpler than in the starting stack. With the settings in
    ``control`` the sign must be absent on the least stack; ``control_count`` is what their trials showed. ``minimal``
    says that every single step was tested. ``evidence`` is a path below results/.
    """

    scenario: str
    experiment: str
    claim: str
    variant: str
    changes: Mapping[str, str]
    reduced: tuple[Setting, ...]
    count: SignCount
    refused: tuple[Refused, ...]
    minimal: bool
    evidence: str
    control: Mapping[str, str] = field(default_factory=dict)
    control_count: SignCount | None = None


def markdown(stack: MinimalStack) -> str:
    """The least stack beside the starting one, and the proof that nothing more can be left out."""
    sign = f"It shows the sign in {stack.count.text} trials"
    parts = [f"{sign}; the settings that are not named here are those of the measured stack."]
    if stack.reduced:
        rows = [[code(row.name), cell(foreign(row.start)), cell(foreign(row.least))] for row in stack.reduced]
        parts.append(grid(("setting", "measured stack", "least"), rows))
    else:
        parts = [f"Nothing could be left out of the measured stack. {sign}."]
    if stack.control_count:
        changes = code(" ".join(f"{name}={value}" for name, value in stack.control.items()))
        parts.append(f"With {changes} the least stack shows it in {stack.control_count.text} trials.")
    parts.append(_proof(stack))
    parts.append(f"Evidence: {code(f'results/{stack.evidence}/')}")
    return "\n\n".join(part for part in parts if part)


def _proof(stack: MinimalStack) -> str:
    if not stack.minimal:
        return "Not every single step was decided, so less may do."
    if not stack.refused:
        return "No single step is left."
    rows = [[cell(foreign(text)) for text in (row.step, row.sign, row.why)] for row in stack.refused]
    return "No single step further shows it in every trial:\n\n" + grid(("step", "sign", "why not"), rows)
