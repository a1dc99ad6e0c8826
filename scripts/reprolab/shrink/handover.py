"""FROM=shrink: the newest shrink of a scenario, as what is exported and reported."""

from __future__ import annotations

from pathlib import Path

from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.core.files import display_path
from reprolab.core.progress import OnProgress
from reprolab.evidence import lookup
from reprolab.report.minimal_stack import MinimalStack, Refused, Setting
from reprolab.report.table import NOTHING
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Scenario
from reprolab.shrink import document as shrink_document
from reprolab.shrink import words
from reprolab.shrink.document import FILE, ShrinkDocument, Status
from reprolab.shrink.write import QUESTION as SHRINK

Key = tuple[str, str, tuple[tuple[str, str], ...]]


def find(root: Path, scenario: Scenario, source: str, on_progress: OnProgress) -> MinimalStack:
    """The least stack of a shrink: ``source`` is "shrink" for the newest that fits, or the directory of another.

    Raises UsageError if there is none, or if it says nothing about the scenario as it is now.
    """
    parent = lookup.results_root(root) / SHRINK / scenario.name
    if source != SHRINK:
        document = shrink_document.read(_directory(scenario, source, parent))
        if reason := unfit(scenario, document):
            raise UsageError(f"{source}: {reason}", expected=f"a shrink of {scenario.name}", advice=_again(scenario))
        return minimal_stack(document, _directory(scenario, source, parent))
    passed_over: list[str] = []
    refuted: dict[Key, str] = {}
    for path in sorted(parent.glob(f"2*/{FILE}"), reverse=True):
        document = shrink_document.read(path.parent)
        if not (reason := refuted.get(_key(document), "") or unfit(scenario, document)):
            behind = f"; newer ones do not fit: {', '.join(passed_over)}" if passed_over else ""
            early = "" if document.status is Status.MINIMAL else f" ({words.minimality(document)})"
            on_progress(f"shrink {scenario.name}/{path.parent.name}{early}{behind}")
            return minimal_stack(document, path.parent)
        if document.refuted:
            refuted.setdefault(_key(document), f"{path.parent.name} refutes the same stack")
        passed_over.append(f"{path.parent.name} ({reason})")
    seen = f": {'; '.join(passed_over)}" if passed_over else ""
    raise UsageError(
        f"{scenario.name} has no shrink to hand over{seen}",
        expected=f"a shrink with a least stack below {display_path(parent)}",
        advice=_again(scenario),
    )


def _directory(scenario: Scenario, source: str, parent: Path) -> Path:
    """The directory of a shrink, by its path or by its stamp below ``parent``."""
    for directory in (Path(source), parent / source):
        if (directory / FILE).is_file():
            return directory
    stamps = sorted((path.parent.name for path in parent.glob(f"2*/{FILE}")), reverse=True)
    raise UsageError(
        f"{command_text.option('from', source)}: there is no {FILE} in it",
        expected=f"{SHRINK} for the newest, a stamp, or a directory; there is {', '.join(stamps[:3]) or 'none yet'}",
        advice=_again(scenario),
    )


def _again(scenario: Scenario) -> str:
    return f"`{command_text.command(f'shrink {scenario.name}', f'shrink-{scenario.name}')}`, then this again"


def unfit(scenario: Scenario, document: ShrinkDocument) -> str:
    """Why the result of a shrink cannot be handed over, "" if it can."""
    if document.scenario != scenario.name:
        return f"it is of {document.scenario}"
    if document.status in (Status.RUNNING, Status.NOTHING) or document.least_step is None:
        return f"it has no least stack: {document.status}"
    if document.case != case_digest(scenario.directory):
        return "the files of the case have changed since"
    control = document.control_step
    if control and document.refuted:
        return f"its control shows the sign too, in {words.sign(control)} trials"
    return ""


def _key(document: ShrinkDocument) -> Key:
    """Which sign a shrink is about, and on which least stack."""
    least = document.least_step
    return document.experiment, document.claim, tuple(sorted(least.changes.items())) if least else ()


def minimal_stack(document: ShrinkDocument, directory: Path) -> MinimalStack:
    """The least stack of a shrink that fits."""
    least, control = document.least_step, document.control_step
    assert least is not None
    changes = {**least.changes}
    differing = document.differing(control) if control else {}
    # A control that undoes a part of the shrink and shows the sign is none.
    counted = control.count if control and control.count.trials and (control.accepted or not document.undone) else None
    return MinimalStack(
        document.scenario,
        document.experiment,
        document.claim,
        document.variant,
        changes,
        tuple(Setting(move.name, move.before or NOTHING, move.after or NOTHING) for move in document.reductions),
        least.count,
        tuple(Refused(row.what, row.sign, row.why) for row in words.remaining_rows(document)),
        document.status is Status.MINIMAL,
        f"{SHRINK}/{document.scenario}/{directory.resolve().name}",
        differing if counted else {},
        counted,
    )
