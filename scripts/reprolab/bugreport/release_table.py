"""The table of releases that were measured, with and without the sign."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from reprolab.bugreport.input import BugReportInput
from reprolab.core.markdown import foreign
from reprolab.verdict.counting import Count

AFFECTED, CLEAN, UNTESTED = "affected", "not seen", "not tested"


@dataclass(frozen=True)
class ReleaseRow:
    """One release, measured in one variant. ``also`` names the other factors that the variant changes.

    ``release`` is its name as Markdown.
    ``reason`` says why there is no valid trial. ``run`` is the name of the run if it is not the report's own.
    """

    release: str
    variant: str
    also: str
    count: Count
    reason: str = ""
    run: str = ""

    @property
    def word(self) -> str:
        if not self.count.trials:
            return UNTESTED
        return AFFECTED if self.count.shown else CLEAN


def order(release: str) -> tuple[int, ...]:
    """The numbers of a release as a sort key: 2.0.9 comes before 2.0.27."""
    return tuple(int(number) for number in re.findall(r"\d+", release))


def rows(report_input: BugReportInput) -> list[ReleaseRow]:
    """One row for each variant that differs from the base variant only in its release and in ``may_change`` factors."""
    rows = _rows(report_input)
    for other in report_input.also:
        rows += [replace(row, run=other.run.name) for row in _rows(other) if row.variant != _base(other)]
    return sorted(rows, key=lambda row: (order(row.release), row.also, row.run))


def _base(report_input: BugReportInput) -> str:
    return report_input.report.releases.of if report_input.report.releases else ""


def _rows(report_input: BugReportInput) -> list[ReleaseRow]:
    block = report_input.report.releases
    if block is None:
        return []
    base = report_input.factors(block.of)
    rows = []
    for variant in dict.fromkeys(
        t.variant for t in report_input.trials if t.experiment == report_input.report.experiment.name
    ):
        factors = report_input.factors(variant)
        changed = _changed(base, factors, report_input.report.measuring)
        others = changed - {block.factor}
        if variant != block.of and (block.factor not in changed or others - set(block.may_change)):
            continue
        also = " ".join(f"{name}={factors[name]}" for name in sorted(others))
        reason = (
            "" if report_input.count(variant).trials else report_input.invalid(variant) or "the sign could not be read"
        )
        rows.append(ReleaseRow(foreign(factors[block.factor]), variant, also, report_input.count(variant), reason))
    return rows


def _changed(base: Mapping[str, str], factors: Mapping[str, str], measuring: tuple[str, ...]) -> set[str]:
    return {name for name in base if base[name] != factors.get(name) and name not in measuring}


def verdicts(rows: list[ReleaseRow]) -> dict[str, str]:
    """Each release that was measured, oldest first: affected or not seen. One affected variant is enough."""
    words: dict[str, str] = {}
    for row in rows:
        if row.word != UNTESTED and words.get(row.release) != AFFECTED:
            words[row.release] = row.word
    return words


def summary(rows: list[ReleaseRow]) -> str:
    """One sentence: the releases with the sign, and the clean ones before, after and between them."""
    words = verdicts(rows)
    affected = [release for release, word in words.items() if word == AFFECTED]
    if not words:
        return "no release was measured"
    if not affected:
        return f"not seen in any release measured ({', '.join(words)})"
    parts = [f"seen in {', '.join(affected)}"]
    for place, releases in (
        ("before", _clean_before(words, affected[0])),
        ("later", _clean_after(words, affected[-1])),
    ):
        parts += [f"not seen in {', '.join(releases)} ({place})"] if releases else []
    between = [name for name in _clean_after(words, affected[0]) if order(name) < order(affected[-1])]
    parts += [f"not seen in {', '.join(between)} (between)"] if between else []
    return "; ".join(parts)


def newest_is_clean(rows: list[ReleaseRow]) -> bool | None:
    """Whether the newest measured release did not show the sign; None if no release was measured."""
    words = verdicts(rows)
    return words[list(words)[-1]] == CLEAN if words else None


def first_clean(rows: list[ReleaseRow]) -> str:
    """The first measured release after the last affected one; empty if there is none."""
    words = verdicts(rows)
    affected = [release for release, word in words.items() if word == AFFECTED]
    return next(iter(_clean_after(words, affected[-1])), "") if affected else ""


def _clean_before(words: Mapping[str, str], release: str) -> list[str]:
    return [other for other, word in words.items() if word == CLEAN and order(other) < order(release)]


def _clean_after(words: Mapping[str, str], release: str) -> list[str]:
    return [other for other, word in words.items() if word == CLEAN and order(other) > order(release)]
