"""The last pages: the verdict on each claim in this run, or the recorded verdict if this run has too few variants."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from reprolab.demo.layout import prose
from reprolab.demo.script import Script
from reprolab.report.terminal import STYLES
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.counting import count
from reprolab.verdict.document import ClaimVerdict, VerdictDocument
from reprolab.verdict.record import recorded_verdict


def claim_page(scenario: Scenario, identifier: str, verdict: VerdictDocument) -> RenderableType:
    """The page of one claim with its verdict."""
    row = next(row for row in verdict.claims if row.id == identifier)
    parts = [prose(f"{identifier}  {row.text}"), Text(), *_verdict_lines(row, verdict, recorded_verdict(scenario))]
    return Group(Text(), *parts)


def surprises(scenario: Scenario, script: Script, record: TrialRecord) -> list[str]:
    """The script's claims whose sign in this trial differs from every recorded trial of the variant, as text."""
    recorded = recorded_verdict(scenario)
    key = scenario.variant_key(record.experiment, record.variant)
    texts = []
    for claim in script.experiment.claims:
        before = recorded.signs.get(claim.id, {}).get(key) if recorded else None
        if claim.id not in script.claims or not before or before.shown not in (0, before.trials):
            continue
        now = count(claim, [record])
        if now.trials and now.shown != (before.shown > 0):
            texts.append(f"{claim.id}'s sign {'showed' if now.shown else 'did not show'} ({claim.text})")
    return texts


def _verdict_lines(claim: ClaimVerdict, verdict: VerdictDocument, recorded: VerdictDocument | None) -> list[Text]:
    """This run's verdict if it has all variants of the claim; otherwise its counts, and the recorded verdict."""
    if verdict.asked(claim):
        return [_styled_verdict(claim.verdict) + Text(f" in this run: {claim.why}")]
    counts = [f"{name.rpartition('/')[2]} {count.text}" for name, count in verdict.signs[claim.id].items()]
    lines = [Text(f"  in this run the sign showed in {' · '.join(counts)}")] if counts else []
    before = recorded.claim(claim.id) if recorded else None
    if recorded is None or before is None:
        return [*lines, Text("  its other variants were not run, and nothing is on record", style="dim")]
    return [*lines, _styled_verdict(before.verdict) + Text(f" on record ({recorded.run}): {before.why}", style="dim")]


def _styled_verdict(verdict: str) -> Text:
    return Text("  ") + Text(verdict, style=f"bold {STYLES.get(verdict, '')}")
