"""The table of releases: which were measured, and whether the sign showed. One that was not measured is not in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from reprolab.bugreport.input import BugReportInput
from reprolab.verdict.judge import Count

AFFECTED, CLEAN, UNTESTED = "affected", "not seen", "not tested"


@dataclass(frozen=True)
class ReleaseRow:
    """One release as one variant measured it; ``also`` is what else that variant changes, ``reason`` why it was not.

    ``run`` is named where it was another run than the report's.
    """

    release: str
    variant: str
    also: str
    count: Count
    reason: str = ""
    run: str = ""

    @property
    def word(self) -> str:
        """Affected, not seen, or not tested."""
        if not self.count.trials:
            return UNTESTED
        return AFFECTED if self.count.shown else CLEAN


def order(release: str) -> tuple[int, ...]:
    """Releases by their numbers: 2.0.9 before 2.0.27."""
    return tuple(int(number) for number in re.findall(r"\d+", release))


def rows(report_input: BugReportInput) -> list[ReleaseRow]:
    """A row for each variant that differs from the base in its release, and in what may change with it, alone."""
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
        rows.append(ReleaseRow(factors[block.factor], variant, also, report_input.count(variant), reason))
    return rows


def _changed(base: Mapping[str, str], factors: Mapping[str, str], measuring: tuple[str, ...]) -> set[str]:
    return {name for name in base if base[name] != factors.get(name) and name not in measuring}


def verdicts(rows: list[ReleaseRow]) -> dict[str, str]:
    """Each release that was measured, oldest first, with its word; affected where any of its variants was."""
    words: dict[str, str] = {}
    for row in rows:
        if row.word != UNTESTED and words.get(row.release) != AFFECTED:
            words[row.release] = row.word
    return words


def summary(rows: list[ReleaseRow]) -> str:
    """In one sentence, by this measurement alone: affected from where to where, and what comes after."""
    words = verdicts(rows)
    affected = [release for release, word in words.items() if word == AFFECTED]
    if not words:
        return "no release was measured"
    if not affected:
        return f"not seen in any release measured ({', '.join(words)})"
    parts = [f"seen in {', '.join(affected)}"]
    for place, sides in (("before", _before(words, affected[0])), ("later", _later(words, affected[-1]))):
        parts += [f"not seen in {', '.join(sides)} ({place})"] if sides else []
    between = [r for r in words if words[r] == CLEAN and order(affected[0]) < order(r) < order(affected[-1])]
    parts += [f"not seen in {', '.join(between)} (between)"] if between else []
    return "; ".join(parts)


def newest_is_clean(rows: list[ReleaseRow]) -> bool | None:
    """Whether the newest release measured did not show it; None where no release was measured."""
    words = verdicts(rows)
    return words[list(words)[-1]] == CLEAN if words else None


def first_clean(rows: list[ReleaseRow]) -> str:
    """The first release measured after the last affected one; empty where there is none."""
    words = verdicts(rows)
    affected = [release for release, word in words.items() if word == AFFECTED]
    return next(iter(_later(words, affected[-1])), "") if affected else ""


def _before(words: Mapping[str, str], release: str) -> list[str]:
    return list(_sides(words, lambda other: other < order(release)))


def _later(words: Mapping[str, str], release: str) -> list[str]:
    return list(_sides(words, lambda other: other > order(release)))


def _sides(words: Mapping[str, str], wanted: Callable[[tuple[int, ...]], bool]) -> Iterator[str]:
    return (release for release, word in words.items() if word == CLEAN and wanted(order(release)))
