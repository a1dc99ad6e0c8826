"""The last page: what the claims came to in this run, and where one run is not enough, on record."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from reprolab.demo.layout import prose
from reprolab.demo.script import Script
from reprolab.report.terminal import STYLES
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import ClaimVerdict, VerdictDocument
from reprolab.verdict.judge import count
from reprolab.verdict.record import recorded_verdict


def claim(scenario: Scenario, identifier: str, verdict: VerdictDocument) -> RenderableType:
    """One claim with its verdict."""
    row = next(one for one in verdict.claims if one.id == identifier)
    parts = [prose(f"{identifier}  {row.text}"), Text(), *_verdict(row, verdict, recorded_verdict(scenario))]
    return Group(Text(), *parts)


def surprises(scenario: Scenario, script: Script, record: TrialRecord) -> list[str]:
    """The script's claims whose sign came out otherwise in this trial than in every trial on record."""
    recorded = recorded_verdict(scenario)
    key = scenario.variant_key(record.experiment, record.variant)
    found = []
    for one in script.experiment.claims:
        before = recorded.signs.get(one.id, {}).get(key) if recorded else None
        if one.id not in script.claims or not before or before.shown not in (0, before.trials):
            continue
        now = count(one, [record])
        if now.trials and now.shown != (before.shown > 0):
            found.append(f"{one.id}'s sign {'showed' if now.shown else 'did not show'} ({one.text})")
    return found


def _verdict(claim: ClaimVerdict, verdict: VerdictDocument, recorded: VerdictDocument | None) -> list[Text]:
    """Of this run where it held all that the claim needs; else what this run showed, and what is on record."""
    if verdict.asked(claim):
        return [_word(claim.verdict) + Text(f" in this run: {claim.why}")]
    seen = [f"{name.rpartition('/')[2]} {count.text}" for name, count in verdict.signs[claim.id].items()]
    lines = [Text(f"  in this run the sign showed in {' · '.join(seen)}")] if seen else []
    known = recorded.claim(claim.id) if recorded else None
    if recorded is None or known is None:
        return [*lines, Text("  its other variants were not run, and nothing is on record", style="dim")]
    return [*lines, _word(known.verdict) + Text(f" on record ({recorded.run}): {known.why}", style="dim")]


def _word(verdict: str) -> Text:
    return Text("  ") + Text(verdict, style=f"bold {STYLES.get(verdict, '')}")
