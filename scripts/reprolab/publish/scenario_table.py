"""The table of scenarios in the READMEs, in English, Korean and Japanese."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reprolab.core.markdown import grid, prose_cell
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import VerdictDocument
from reprolab.verdict.record import recorded_verdict


@dataclass(frozen=True)
class Words:
    """The fixed words of the table in one language; ``verdicts`` has a format for the number of each verdict."""

    headings: tuple[str, str, str, str]
    verdicts: Mapping[str, str]
    not_run: str


WORDS = {
    "en": Words(
        ("scenario", "document", "what was found", "verdicts"),
        {
            "confirmed": "{} confirmed",
            "refuted": "{} refuted",
            "intermittent": "{} intermittent",
            "inconclusive": "{} inconclusive",
        },
        "not recorded yet",
    ),
    "ko": Words(
        ("시나리오", "검증한 글", "확인한 내용", "판정"),
        {
            "confirmed": "확인됨 {}건",
            "refuted": "반증됨 {}건",
            "intermittent": "간헐적 {}건",
            "inconclusive": "판정 불가 {}건",
        },
        "아직 기록 없음",
    ),
    "ja": Words(
        ("シナリオ", "検証した記事", "わかったこと", "判定"),
        {
            "confirmed": "確認済み {} 件",
            "refuted": "反証 {} 件",
            "intermittent": "断続的 {} 件",
            "inconclusive": "判定不能 {} 件",
        },
        "まだ記録がありません",
    ),
}


def render(scenarios: Iterable[Scenario], language: str) -> str:
    """A row for each scenario: a link to its README, its document, its finding and its verdicts on record."""
    words = WORDS[language]
    rows = []
    for scenario in scenarios:
        link = f"[{scenario.name}](scenarios/{scenario.name}/README.md)"
        finding = scenario.headline.get(language) or scenario.headline.get("en") or "—"
        cells = [prose_cell(scenario.document.short), prose_cell(finding), counts(recorded_verdict(scenario), words)]
        rows.append([link, *cells])
    return grid(words.headings, rows)


def counts(verdict: VerdictDocument | None, words: Words) -> str:
    """The number of claims for each verdict of a recorded run."""
    if not verdict:
        return words.not_run
    numbers = Counter(str(claim.verdict) for claim in verdict.claims)
    return " · ".join(word.format(numbers[name]) for name, word in words.verdicts.items() if numbers[name])
