"""What a run prints at its end: the table of variants, the verdicts, and the time that each part took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from reprolab.core import command_text
from reprolab.evidence.run_info import RunInfo
from reprolab.report import table
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import SignCount, VerdictDocument

STYLES = {"confirmed": "green", "refuted": "red", "intermittent": "magenta", "inconclusive": "yellow"}
ALWAYS_COUNTED = ("confirmed", "refuted", "inconclusive")
REPORT_WIDTH = 160  # characters, where no terminal has a width of its own
FEW_TRIALS = 3
ENOUGH_TRIES = 100
WIDE_ENOUGH = 130
NARROW_COLUMNS = 4


def header(scenario: Scenario, run: RunInfo) -> Text:
    """The scenario's title, the time, the document, the base images and the host."""
    host = run.host
    bases = sorted({base.detail or "?" for base in run.bases.values()})
    facts = [
        f"kernel {host.kernel or '?'}",
        f"engine {host.engine or '?'}",
        f"compose {host.compose or '?'}",
        f"{host.cpus or '?'} × {host.cpu or '?'}",
    ]
    text = Text(f"{scenario.name} · {scenario.title}", style="bold")
    text.append(f"   {run.started}\n", style="dim")
    text.append(f"document: {scenario.document.citation}\n", style="dim")
    text.append("".join(f"base image: {base}\n" for base in bases), style="dim")
    text.append("".join(f"allowed: {allowance.words}\n" for allowance in scenario.allow), style="dim")
    text.append(" · ".join(facts), style="dim")
    return text


def results(scenario: Scenario, tables: table.Tables, width: int = 160) -> RenderableType:
    """One table for each experiment that ran. In a narrow terminal it has only the first columns."""
    narrow = width < WIDE_ENOUGH
    shown = NARROW_COLUMNS if narrow else None
    parts: list[RenderableType] = []
    for name, rows in tables.items():
        experiment = scenario.experiments[name]
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
        grid.add_column("variant", no_wrap=True)
        if not narrow:
            grid.add_column("changes", overflow="fold", min_width=16)
        grid.add_column("valid", justify="right", no_wrap=True)
        for heading in table.headings(experiment)[:shown]:
            grid.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            changes = () if narrow else (row.changes,)
            grid.add_row(row.variant, *changes, row.trials, *row.cells[:shown])
        if len(scenario.experiments) > 1:
            parts.append(Text(f"{experiment.name}: {experiment.summary}", style="bold"))
        parts.append(grid)
        if narrow:
            parts.append(
                Text(f"fewer columns, as this terminal has {width}; all of them are in report.txt", style="dim")
            )
        if table.has_several(rows):
            parts.append(Text(table.BASIS, style="dim"))
        parts += [Text(line, style="yellow") for line in table.mistakes(experiment, rows)]
        parts += [Text(f"{names}: invalid: {reason}", style="yellow") for reason, names in reasons(rows).items()]
        parts += [Text(f"{row.variant}: {note}", style="dim") for row in rows for note in row.notes]
    return Group(*parts)


def reasons(rows: Iterable[table.Row]) -> dict[str, str]:
    """Each reason why trials are invalid, with the names of its variants."""
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        if row.invalid:
            by_reason.setdefault(row.invalid, []).append(row.variant)
    return {reason: table.list_first(names) for reason, names in by_reason.items()}


def claims(verdict: VerdictDocument) -> RenderableType:
    """One line for each claim that the run could judge. The last line names the other claims."""
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", style="dim")
    left_out = []
    for claim in verdict.claims:
        if not verdict.asked(claim):
            left_out.append(claim.id)
            continue
        verdict_text = Text(claim.verdict + (", thin" if claim.thin else ""), style=STYLES[claim.verdict])
        grid.add_row(claim.id, claim.text, verdict_text, claim.reason)
    if not left_out:
        return grid
    return Group(grid, Text(f"not judged, as not all their variants ran: {', '.join(left_out)}", style="dim"))


def custom_signs(scenario: Scenario, verdict: VerdictDocument, variant: str) -> RenderableType:
    """How often each sign showed in the variant that --set defines. The claims are about other variants."""
    if not verdict.variants[variant].valid:
        return Text("no valid trial: no sign was looked for", style="yellow")
    answers: dict[tuple[str, str], list[str]] = {}
    for claim in scenario.claims:
        seen = verdict.signs[claim.id].get(variant)
        if seen is not None:
            words = " ".join((claim.sign.__doc__ or claim.text).split())
            answers.setdefault((words, sign_answer(seen)), []).append(claim.id)
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for (words, answer), identifiers in answers.items():
        grid.add_row(Text(words, overflow="fold"), Text(answer, style="bold"), Text(" ".join(identifiers), style="dim"))
    note = "the signs that the claims look for, looked for here; no claim is judged by them:"
    return Group(Text(note, style="dim"), grid)


def sign_answer(seen: SignCount) -> str:
    """How often a sign showed, with the rate if the claim has one."""
    return seen.text if seen.trials else "could not be read"


def doubts(verdict: VerdictDocument) -> str:
    """The limits of the result (no valid trial, few trials, few tries) and the option for more trials."""
    named = [pair for claim in verdict.claims if verdict.asked(claim) for pair in claim.variants.items()]
    silent = dict.fromkeys(name for name, _ in named if not verdict.variants[name].valid)
    plain = [row for _, row in named if not row.count.rate and row.count.trials]
    rates = [row.count.rate for _, row in named if row.count.rate and row.count.rate.of]
    sentences = []
    if plain and min(row.count.trials for row in plain) <= FEW_TRIALS:
        few = f"only {min(row.count.trials for row in plain)} valid trial(s) in some variants"
        sentences.append(
            _add_bound(few, [(row.interval[1], row.count.trials) for row in plain if row.count.shown == 0])
        )
    if rates and min(rate.of for rate in rates) < ENOUGH_TRIES:
        nowhere = [(rate.interval[1], rate.of) for rate in rates if rate.shown == 0]
        fewest = min(nowhere, key=lambda row: row[1])[1] if nowhere else min(rate.of for rate in rates)
        sentences.append(_add_bound(f"only {fewest} tries in some variants", nowhere))
    parts = [f"no valid trial in {table.list_first(list(silent))}"] if silent else []
    more = command_text.option("trials", 20)
    parts += [f"{'; '.join(sentences)}; run with {more} for a closer bound"] if sentences else []
    return "; ".join(parts)


def _add_bound(few: str, nowhere: list[tuple[float, int]]) -> str:
    """Add the highest rate that is still possible. ``nowhere`` holds (upper limit, tries) where no sign showed."""
    if not nowhere:
        return few
    limit, tried = max(nowhere)
    return f"{few}: 0 of {tried} still allows a rate of {limit:.0%} (95 % Wilson)"


def closing(verdict: VerdictDocument, where: str) -> str:
    """The last line: the number of claims with each verdict, drift, and the directory of the evidence."""
    counts = Counter(str(claim.verdict) for claim in verdict.claims if verdict.asked(claim))
    words = " · ".join(f"{counts[name]} {name}" for name in STYLES if counts[name] or name in ALWAYS_COUNTED)
    left_out = len(verdict.claims) - sum(counts.values())
    if left_out:
        words += f" · {left_out} not judged"
    drift = f" · DRIFT from the recorded verdict: {', '.join(verdict.drifted)}" if verdict.drifted else ""
    return f"{words}{drift}    evidence: {where}"


def render(
    console: Console,
    scenario: Scenario,
    run: RunInfo,
    tables: table.Tables,
    verdict: VerdictDocument,
    where: str,
    machine: Sequence[str] = (),
) -> None:
    """Print the whole report; ``machine`` are the lines about the machine."""
    console.print(header(scenario, run))
    console.print(results(scenario, tables, console.width))
    for line in machine:
        console.print(Text(line, style="yellow"))
    customs = [name for name in verdict.variants if name.rpartition("/")[2] == "custom"]
    if customs:
        for name in customs:
            console.print(custom_signs(scenario, verdict, name))
    else:
        console.print(claims(verdict))
        if doubt := doubts(verdict):
            console.print(Text(doubt, style="dim"))
    if run.times:
        console.print(Text(f"time: {run.times}", style="dim"))
    if run.rounds:
        console.print(Text(f"rounds: {run.rounds.words}", style="yellow" if run.rounds.cut else "dim"))
    if run.observed:
        console.print(Text(run.observed.text, style="yellow"), soft_wrap=True)
    if run.status and not run.complete:
        console.print(Text(f"this run is {run.status}: {run.reason}".rstrip(": "), style="yellow"))
    console.print(Text(closing(verdict, where), style="bold"), soft_wrap=True)
