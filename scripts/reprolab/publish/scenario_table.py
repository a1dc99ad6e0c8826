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
        ("server", "scenario", "what was found", "verdicts"),
        {
            "confirmed": "{} confirmed",
            "refuted": "{} refuted",
            "intermittent": "{} intermittent",
            "inconclusive": "{} inconclusive",
        },
        "not recorded yet",
    ),
    "ko": Words(
        ("서버", "시나리오", "확인한 내용", "판정"),
        {
            "confirmed": "확인됨 {}건",
            "refuted": "반증됨 {}건",
            "intermittent": "간헐적 {}건",
            "inconclusive": "판정 불가 {}건",
        },
        "아직 기록 없음",
    ),
    "ja": Words(
        ("サーバー", "シナリオ", "わかったこと", "判定"),
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
    """A row for each scenario, by server: a link to its README, its finding and its verdicts on record.

    A scenario with several servers is listed once, under the first. The server is named in its first row alone.
    """
    words, rows, before = WORDS[language], [], ""
    for scenario in sorted(scenarios, key=_place):
        server = _server(scenario) or "—"
        link = f"[{scenario.name}](scenarios/{scenario.name}/README.md)"
        finding = scenario.headline.get(language) or scenario.headline.get("en") or "—"
        verdicts = counts(recorded_verdict(scenario), words)
        rows.append(["" if server == before else f"**{prose_cell(server)}**", link, prose_cell(finding), verdicts])
        before = server
    return grid(words.headings, rows)


def _server(scenario: Scenario) -> str:
    return next(iter(scenario.catalogue.servers), "")


def _place(scenario: Scenario) -> tuple[bool, str, str]:
    """By server, those without one last, then by name."""
    server = _server(scenario)
    return not server, server.lower(), scenario.name


def counts(verdict: VerdictDocument | None, words: Words) -> str:
    """The number of claims for each verdict of a recorded run."""
    if not verdict:
        return words.not_run
    numbers = Counter(str(claim.verdict) for claim in verdict.claims)
    return " · ".join(word.format(numbers[name]) for name, word in words.verdicts.items() if numbers[name])
