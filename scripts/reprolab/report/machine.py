"""What a report says about the machine: the busy trials, and what could not be measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from reprolab.core.number_words import plural
from reprolab.evidence.run_info import RunInfo
from reprolab.report.table import list_first
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import VerdictDocument


def machine_lines(
    scenario: Scenario, run: RunInfo, verdict: VerdictDocument, trials: Sequence[TrialRecord]
) -> list[str]:
    """A line each on another machine, several hosts, the busy trials, and what was not measured, if there is any."""
    lines = (elsewhere_line(run), hosts_line(trials), busy_line(scenario, verdict), missing_line(run, trials))
    return [line for line in lines if line]


def elsewhere_line(run: RunInfo) -> str:
    """The machine of the engine and its kernel, if that machine is not this one."""
    host = run.host
    return f"ran elsewhere: {host.hardware}, kernel {host.kernel or '?'}" if host.hardware else ""


def hosts_line(trials: Sequence[TrialRecord]) -> str:
    """How many trials ran on each host, if they name their hosts."""
    numbers = Counter(trial.host for trial in trials)
    if set(numbers) <= {""}:
        return ""
    return "hosts: " + ", ".join(f"{host or 'not named'} {plural(number, 'trial')}" for host, number in numbers.items())


def busy_line(scenario: Scenario, verdict: VerdictDocument) -> str:
    """How many trials ran beside other work, in which variants, and which claims they do not count for."""
    busy = {name: row.busy for name, row in verdict.variants.items() if row.busy}
    if not busy:
        return ""
    every = sum(row.trials for row in verdict.variants.values())
    names = list_first([f"{name} {number}" for name, number in busy.items()])
    claims = [claim.id for claim in scenario.claims if claim.needs_idle]
    effect = f"they do not count for {', '.join(claims)}" if claims else "no claim here needs an idle machine"
    return f"busy: other work used the processors during {sum(busy.values())} of {every} trials ({names}); {effect}"


def missing_line(run: RunInfo, trials: Sequence[TrialRecord]) -> str:
    """What could not be measured on the machine."""
    reasons = [run.machine.get("missing"), *((trial.machine or {}).get("missing") for trial in trials)]
    texts = dict.fromkeys(part for reason in reasons if reason for part in str(reason).split("; "))
    return f"not measured on this machine: {'; '.join(texts)}" if texts else ""
