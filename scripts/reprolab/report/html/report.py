"""report.html: one page with the claims, the timelines and the logs of a run. It needs no network.

The page is made from the run's files only, and has relative links to them, so the run's directory may be moved. All
other parts of the page work without these files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reprolab.core import command_text, files
from reprolab.evidence import run_dir
from reprolab.evidence.run_dir import FIRST_TRIALS, TRIALS, RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.report import curves, layers, table, terminal
from reprolab.report.html import claims as claims_html
from reprolab.report.html import curve_chart, logs, opening, timeline_chart, vega
from reprolab.report.html import trials as trials_html
from reprolab.report.html.page import render, script_json
from reprolab.report.machine import machine_lines
from reprolab.scenario.model import CUSTOM, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.answer import Kind, answer
from reprolab.verdict.document import VerdictDocument
from reprolab.verdict.record import RecordedRun, verdict_of

# The colour of an answer's first words is that of a verdict.
ANSWER_STYLES = {
    Kind.REPRODUCED: "confirmed",
    Kind.SEEN: "confirmed",
    Kind.NOT_REPRODUCED: "refuted",
    Kind.NOT_SEEN: "refuted",
    Kind.COMES_AND_GOES: "intermittent",
    Kind.UNDECIDED: "inconclusive",
    Kind.JUDGED: "",
}
ERROR_STATUS = re.compile(r"[45]\d\d")
FILES = ("report.txt", "report.md", "verdict.json", "run.json", TRIALS, FIRST_TRIALS)


def write(scenario: Scenario, run: RunDirectory, recorded: RecordedRun | None) -> Path:
    """Write the report.html of a run; returns the path. After an error there is no partial file.

    ``recorded`` is the recorded run of the scenario. Raises UsageError for a run whose files cannot be read.
    """
    text = page(scenario, run, recorded)
    path = run.path / run_dir.PAGE
    with files.replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return path


def page(scenario: Scenario, run: RunDirectory, recorded: RecordedRun | None) -> str:
    """The HTML text of the page."""
    info, checked = run.info(), run.checked_trials()
    trials = list(checked.records)
    verdict = verdict_of(scenario, run, checked, recorded.verdict if recorded else None)
    charts = trials_html.Charts()
    shown = trials_html.read_trials(scenario, run, trials)
    claims = claims_html.claims(verdict, run, trials, scenario)
    for claim in claims:
        if chart := claim["chart"]:
            claim["chart"] = charts.add(chart["spec"], kind="rates", rows=chart["data"]["rates"])
    sections = trials_html.timelines(scenario, shown, charts)
    main = answer(scenario, verdict, recorded.verdict if recorded else None)
    customs = _customs(scenario, verdict)
    return render(
        __package__,
        "report.html.j2",
        scenario=scenario,
        run=run.name,
        status=info.status or "of unknown status",
        reason=info.reason,
        answer=main,
        kinds=ANSWER_STYLES,
        picture=trials_html.opening(opening.pair_of(scenario, shown, main.claim), charts),
        headline=_headline(verdict),
        drift=_drift(scenario, verdict, info, recorded),
        facts=_facts(scenario, info),
        repeat=_repeat(scenario, info, bool(customs)),
        where_and_when=[*_host(info)[:2], info.started],
        hosts=sum(base.origin == "host" for base in info.bases.values()),
        finding=_finding(scenario, recorded),
        marked=marked,
        tables=_tables(scenario, run, trials, charts),
        machine=[*checked.lines, *machine_lines(scenario, info, verdict, trials)],
        customs=customs,
        claims=claims,
        doubts="" if customs else terminal.doubts(verdict),
        sections=sections,
        logs=logs.logs(scenario, shown),
        files=[name for name in FILES if (run.path / name).exists()],
        charts=script_json(charts.to_json()),
        library=vega.library() if charts.items else "",
    )


def marked(cell: str) -> Markup | str:
    """A cell of a table; what is gone or killed, and the status of an error, have the colour of the timeline."""
    if cell in timeline_chart.THROUGH:
        return Markup('<b style="color:var(--{})">{}</b>').format(cell, cell)
    if ERROR_STATUS.fullmatch(cell):
        phrase = next((status.phrase for status in HTTPStatus if status == int(cell)), "error").lower()
        return Markup('<b style="color:{}">{} <small>{}</small></b>').format(timeline_chart.colour(cell), cell, phrase)
    return cell


def _headline(verdict: VerdictDocument) -> list[tuple[int, str]]:
    """The number of claims with each verdict, and of those that were not judged."""
    counts = Counter(str(claim.verdict) for claim in verdict.claims if verdict.asked(claim))
    left_out = len(verdict.claims) - sum(counts.values())
    words = [(counts.get(name, 0), name) for name in terminal.STYLES]
    return [*words, *([(left_out, "not judged")] if left_out else [])]


def _drift(scenario: Scenario, verdict: VerdictDocument, info: RunInfo, recorded: RecordedRun | None) -> Any:
    if not verdict.drifted:
        return None
    # The record may have been removed after the run was judged.
    differs = layers.compare_with_record(scenario, recorded, info).lines if recorded else []
    return {"claims": verdict.drifted, "differs": differs}


def _finding(scenario: Scenario, recorded: RecordedRun | None) -> dict[str, str] | None:
    """The finding of the scenario with the name of the recorded run, as it may not be the run of this page."""
    return {"text": scenario.finding, "run": recorded.verdict.run if recorded else ""} if scenario.finding else None


def _repeat(scenario: Scenario, info: RunInfo, customs: bool) -> str:
    """The command of the run; of one that differs in nothing but its trials, the command of the scenario."""
    chosen = customs or info.host.hardware or {"--variant", "--experiment"} & set(info.command)
    return command_text.typed(info.command) if chosen else command_text.run(scenario.name)


def _facts(scenario: Scenario, info: RunInfo) -> list[tuple[str, list[str]]]:
    """The facts of a run as (name, lines): document, time, command, host and so on. Unknown facts are left out."""
    bases = sorted({base.detail or "" for base in info.bases.values()})
    facts = [
        ("document", [part for part in (scenario.document.citation, scenario.document.url) if part]),
        ("run", [info.started]),
        ("command", [" ".join(info.command)]),
        ("host", [" · ".join(_host(info))]),
        ("base images", bases),
        ("allowed", [allowance.words for allowance in scenario.allow]),
        ("documented stack", [" ".join(f"{name}={value}" for name, value in info.factors.items())]),
        ("rounds", [info.rounds.words] if info.rounds else []),
        ("time", [info.times]),
        ("observed again", [info.observed.text] if info.observed else []),
    ]
    return [(name, lines) for name, lines in facts if any(lines)]


def _host(info: RunInfo) -> list[str]:
    """What is known of the run's machine: processors, kernel, engine and so on, the most important first."""
    host = info.host
    return [*host.words, *([f"cgroup {host.cgroup}"] if host.cgroup else [])]


def _tables(
    scenario: Scenario, run: RunDirectory, trials: list[TrialRecord], charts: trials_html.Charts
) -> list[dict[str, Any]]:
    """The table of each experiment that ran, with the same cells as in the terminal; and its curves."""
    parts, plotted = [], curves.plot(scenario, trials)
    for name, rows in table.tables(scenario, trials).items():
        experiment = scenario.experiments[name]
        keys = [scenario.variant_key(name, row.variant) for row in rows]
        parts.append(
            {
                "name": name if len(scenario.experiments) > 1 else "",
                "summary": experiment.summary,
                "basis": table.BASIS if table.has_several(rows) else "",
                "headings": table.headings(experiment),
                "mistakes": table.mistakes(experiment, rows),
                "rows": rows,
                "reasons": [table.short_reason(row.invalid) for row in rows],
                "places": [claims_html.trial_places(key, run, trials, scenario) for key in keys],
                "notes": any(row.notes or row.invalid for row in rows),
                "curves": curve_chart.figures(curves.by_experiment(plotted, name), charts),
            }
        )
    return parts


def _customs(scenario: Scenario, verdict: VerdictDocument) -> list[dict[str, Any]]:
    """For each variant that --set defines: how often each sign showed. No claim is judged by it."""
    names = [name for name in verdict.variants if name.rpartition("/")[2] == CUSTOM]
    return [{"name": name, "signs": list(_signs(scenario, verdict, name))} for name in names]


def _signs(scenario: Scenario, verdict: VerdictDocument, name: str) -> Iterable[dict[str, Any]]:
    for claim in verdict.claims:
        seen = verdict.signs.get(claim.id, {}).get(name)
        if seen is not None:
            known = claims_html.current_claim(scenario, claim)
            words = " ".join(((known.sign.__doc__ if known else "") or claim.text).split())
            yield {"id": claim.id, "words": words, "answer": terminal.sign_answer(seen)}
