"""A reproducer of the least stack of a shrink: its factors, its load, and what of it the reproducer does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.export import spec
from reprolab.export.render import ExportCase, LoadText
from reprolab.export.spec import Reproducer
from reprolab.export.write import check_case
from reprolab.report.minimal_stack import MinimalStack
from reprolab.scenario.load_settings import LOAD_SETTINGS
from reprolab.scenario.model import Scenario

LEAST = "least"


def least_case(scenario: Scenario, stack: MinimalStack) -> ExportCase:
    """The least stack as a reproducer. Raises UsageError if the scenario's reproducer shows another sign."""
    reproducer = spec.load(scenario)
    _check_sign(scenario, reproducer, stack)
    variants = reproducer.experiment.variants
    factors = {**scenario.factors, **{name: v for name, v in stack.changes.items() if name in scenario.factors}}
    usual, control = ({**scenario.factors, **variants[name]} for name in (reproducer.variant, reproducer.control))
    changes = {name: value for name, value in control.items() if value != usual[name]}
    if all(factors[name] == value for name, value in changes.items()):
        raise UsageError(
            f"the least stack of {scenario.name} is what the control of its reproducer changes to",
            expected="a least stack that differs from it",
        )
    case = ExportCase(scenario, reproducer, LEAST, factors, changes, minimal=stack)
    check_case(case)
    return replace(case, load=tuple(_load_texts(case, stack)))


def _check_sign(scenario: Scenario, reproducer: Reproducer, stack: MinimalStack) -> None:
    signs = {claim.id: claim.sign for claim in reproducer.experiment.claims}
    if stack.experiment == reproducer.experiment.name and signs.get(stack.claim) is reproducer.claim.sign:
        return
    claim = reproducer.claim.id
    raise UsageError(
        f"export {scenario.name}: the shrink is about {stack.claim}, and the reproducer shows the sign of {claim}",
        expected="a shrink of the same sign",
        advice=command_text.command(f"shrink {scenario.name} --claim {claim}", f"shrink-{scenario.name} CLAIM={claim}"),
    )


def _load_texts(case: ExportCase, stack: MinimalStack) -> Iterator[LoadText]:
    """The load settings whose numbers stand in the files of the drive as options of wrk."""
    texts = [
        path.read_text(encoding="utf-8") for path in spec.drive_directory(case.scenario).rglob("*") if path.is_file()
    ]
    for setting in stack.reduced:
        if option := LOAD_SETTINGS.get(setting.name):
            pattern = re.compile(rf"(--{option}[ =]){re.escape(setting.start)}(s?)(?![\w.])")
            if any(pattern.search(text) for text in texts):
                yield LoadText(setting, pattern)
