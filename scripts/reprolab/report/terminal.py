"""What a run prints at its end: the answer, the verdicts, the table of variants; behind them what they rest on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from reprolab.core import command_text
from reprolab.core.number_words import plural
from reprolab.core.terminal import REPORT_WIDTH
from reprolab.evidence.run_info import RunInfo
from reprolab.report import curve_table, table
from reprolab.report.curves import PlottedCurve
from reprolab.scenario.model import Scenario
from reprolab.verdict.answer import Answer, Kind, LookedFor, answer, custom_variants, looked_for
from reprolab.verdict.document import SignCount, VerdictDocument

STYLES = {"confirmed": "green", "refuted": "red", "intermittent": "magenta", "inconclusive": "yellow"}
ANSWER_STYLES = {
    Kind.REPRODUCED: "green",
    Kind.NOT_REPRODUCED: "red",
    Kind.COMES_AND_GOES: "magenta",
    Kind.UNDECIDED: "yellow",
}
ALWAYS_COUNTED = ("confirmed", "refuted", "inconclusive")
FEW_TRIALS = 3
ENOUGH_TRIES = 100
WIDE_ENOUGH = 130
GAP = 3  # characters between two columns of a table
# Sign tables of so many variants; a run of one or two variants shows what it saw in them.
MOST_SIGN_TABLES = 3


def header(scenario: Scenario, run: RunInfo) -> Text:
    """The scenario's title, the time, the document, the base images and the host."""
    host = run.host
    bases = sorted({base.detail or "?" for base in run.bases.values()})
    facts = [
        *([host.hardware] if host.hardware else []),
        f"kernel {host.kernel or '?'}",
        f"engine {host.engine or '?'}",
        f"compose {host.compose or '?'}",
        f"{host.cpus or '?'} × {host.cpu or ('processors' if host.hardware else '?')}",
    ]
    text = Text(f"{scenario.name} · {scenario.title}", style="bold")
    text.append(f"   {run.started}\n", style="dim")
    text.append(f"document: {scenario.document.citation}\n", style="dim")
    text.append("".join(f"base image: {base}\n" for base in bases), style="dim")
    text.append("".join(f"allowed: {allowance.words}\n" for allowance in scenario.allow), style="dim")
    text.append(" · ".join(facts), style="dim")
    return text


def results(scenario: Scenario, tables: table.Tables, width: int = REPORT_WIDTH) -> RenderableType:
    """One table for each experiment that ran. In a narrow terminal it has the columns that fit."""
    narrow = width < WIDE_ENOUGH
    parts: list[RenderableType] = []
    for name, rows in tables.items():
        experiment = scenario.experiments[name]
        headings = table.headings(experiment)
        shown = _fitting(headings, rows, width) if narrow else len(headings)
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
        grid.add_column("variant", overflow="fold" if narrow else "ellipsis", no_wrap=not narrow)
        if not narrow:
            grid.add_column("changes", overflow="fold", min_width=16)
        for heading in ("valid", *headings[:shown]):
            grid.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            changes = () if narrow else (row.changes,)
            grid.add_row(row.variant, *changes, row.trials, *row.cells[:shown])
        if len(scenario.experiments) > 1:
            parts.append(Text(f"{experiment.name}: {experiment.summary}", style="bold"))
        parts.append(grid)
        if shown < len(headings):
            parts.append(Text(f"the first columns, as this terminal has {width}; report.txt has all", style="dim"))
        parts += [Text(line, style="yellow") for line in table.mistakes(experiment, rows)]
        parts += [Text(f"{names}: invalid: {reason}", style="yellow") for reason, names in reasons(rows).items()]
    return Group(*parts)


def _fitting(headings: Sequence[str], rows: Sequence[table.Row], width: int) -> int:
    """How many columns of values fit beside the names of the variants and the numbers of trials."""
    used = max([cell_len(row.variant) for row in rows], default=0) + len("valid") + 2 * GAP
    for number, heading in enumerate(headings):
        used += GAP + max([cell_len(heading), *(cell_len(row.cells[number]) for row in rows if row.cells)])
        if used > width:
            return number
    return len(headings)


def notes(tables: table.Tables) -> RenderableType:
    """The notes of each variant, and what the figures of the tables are."""
    rows = [row for rows in tables.values() for row in rows]
    lines = [table.BASIS] if table.has_several(rows) else []
    lines += [f"{row.variant}: {note}" for row in rows for note in row.notes]
    return Group(*(Text(line, style="dim") for line in lines))


def reasons(rows: Iterable[table.Row]) -> dict[str, str]:
    """Each reason why trials are invalid, with the names of its variants."""
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        if row.invalid:
            by_reason.setdefault(row.invalid, []).append(row.variant)
    return {reason: table.list_first(names) for reason, names in by_reason.items()}


def claims(verdict: VerdictDocument, width: int = REPORT_WIDTH) -> RenderableType:
    """One line for each claim that the run could judge. The last line names the other claims.

    In a narrow terminal the claim stands below its verdict.
    """
    narrow = width < WIDE_ENOUGH
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    if not narrow:
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold", style="dim")
    left_out = []
    for claim in verdict.claims:
        if not verdict.asked(claim):
            left_out.append(claim.id)
            continue
        verdict_text = Text(claim.verdict + (", thin" if claim.thin else ""), style=STYLES[claim.verdict])
        if narrow:
            grid.add_row(claim.id, verdict_text.append(f"  {claim.reason}", "dim"))
            grid.add_row("", claim.text)
        else:
            grid.add_row(claim.id, claim.text, verdict_text, claim.reason)
    if not left_out:
        return grid
    return Group(grid, Text(f"not judged, as not all their variants ran: {', '.join(left_out)}", style="dim"))


def signs(variant: str, rows: Sequence[LookedFor], width: int = REPORT_WIDTH) -> RenderableType:
    """How often each sign showed in a variant, beside the documented variant on record."""
    wide, on_record = width >= WIDE_ENOUGH, any(row.recorded for row in rows)
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("sign", variant.rpartition("/")[2]):
        grid.add_column(heading, overflow="fold")
    if on_record:
        grid.add_column("on record: documented", overflow="fold")
    if wide:
        grid.add_column("claims", overflow="fold", style="dim")
    for row in rows:
        seen = Text(sign_answer(row.seen), style="bold" if row.seen.shown else "")
        before = [sign_answer(row.recorded) if row.recorded else table.NOTHING] if on_record else []
        grid.add_row(row.words, seen, *before, *([" ".join(row.claims)] if wide else []))
    return grid


def sign_answer(seen: SignCount) -> str:
    """How often a sign showed, with the rate if the claim has one; without a trial that counts, the reason."""
    if seen.trials:
        return seen.text
    return seen.uncounted or "the sign could not be read"


def sign_variants(verdict: VerdictDocument) -> list[str]:
    """The variants whose signs a report shows: those of own factors; all, if they are few and no claim is judged."""
    shown = custom_variants(verdict)
    if not shown and not any(verdict.asked(claim) for claim in verdict.claims):
        shown = list(verdict.variants)
    return [name for name in shown if verdict.variants[name].valid][:MOST_SIGN_TABLES]


def _signs(
    scenario: Scenario, verdict: VerdictDocument, recorded: VerdictDocument | None, width: int
) -> list[RenderableType]:
    tables = [signs(name, looked_for(scenario, verdict, name, recorded), width) for name in sign_variants(verdict)]
    note = "the signs of the claims, looked for in what ran; no claim is judged by them:"
    return [Text(note, style="dim"), *tables] if tables else []


def doubts(verdict: VerdictDocument) -> str:
    """The limits of the result (no valid trial, few trials, few tries) and the option for more trials."""
    named = [pair for claim in verdict.claims if verdict.asked(claim) for pair in claim.variants.items()]
    silent = dict.fromkeys(name for name, _ in named if not verdict.variants[name].valid)
    plain = [row for _, row in named if not row.count.rate and row.count.trials]
    rates = [row.count.rate for _, row in named if row.count.rate and row.count.rate.of]
    sentences = []
    if plain and min(row.count.trials for row in plain) <= FEW_TRIALS:
        few = f"only {plural(min(row.count.trials for row in plain), 'valid trial')} in some variants"
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


def headline(run_answer: Answer) -> Text:
    """The answer of the run as its first line."""
    return Text(run_answer.sentence, style=f"bold {ANSWER_STYLES.get(run_answer.kind, '')}")


def counts(verdict: VerdictDocument) -> str:
    """The number of claims with each verdict, and the drift; "" for a run that judges no claim."""
    numbers = Counter(str(claim.verdict) for claim in verdict.claims if verdict.asked(claim))
    if not numbers:
        return ""
    words = " · ".join(f"{numbers[name]} {name}" for name in STYLES if numbers[name] or name in ALWAYS_COUNTED)
    left_out = len(verdict.claims) - sum(numbers.values())
    if left_out:
        words += f" · {left_out} not judged"
    drift = f" · DRIFT from the recorded verdict: {', '.join(verdict.drifted)}" if verdict.drifted else ""
    return f"{words}{drift}"


def render(
    console: Console,
    scenario: Scenario,
    run: RunInfo,
    tables: table.Tables,
    verdict: VerdictDocument,
    where: str,
    machine: Sequence[str] = (),
    recorded: VerdictDocument | None = None,
    verbose: bool = True,
    curves: Sequence[PlottedCurve] = (),
) -> None:
    """Print the report; ``machine`` are the lines about the machine, ``recorded`` is the verdict on record.

    Only with ``verbose`` it has the notes of the variants, the base images and the host.
    """
    console.print(headline(answer(scenario, verdict, recorded)))
    if numbers := counts(verdict):
        console.print(Text(numbers, style="bold"))
    if run.status and not run.complete:
        console.print(Text(f"this run is {run.status}: {run.reason}".rstrip(": "), style="yellow"))
    for part in _signs(scenario, verdict, recorded, console.width):
        console.print(part)
    if numbers:
        console.print(claims(verdict, console.width))
        if doubt := doubts(verdict):
            console.print(Text(doubt, style="dim"))
    console.print(results(scenario, tables, console.width))
    if curves:
        console.print(curve_table.tables(curves, console.width))
    for line in machine:
        console.print(Text(line, style="yellow"))
    if run.observed:
        console.print(Text(run.observed.text, style="yellow"))
    if run.rounds and (verbose or run.rounds.cut):
        console.print(Text(f"rounds: {run.rounds.words}", style="yellow" if run.rounds.cut else "dim"))
    if verbose:
        console.print(notes(tables))
        if run.times:
            console.print(Text(f"time: {run.times}", style="dim"))
        console.print(header(scenario, run))
    more = "" if verbose else "    report.txt there has more: notes, base images, host"
    console.print(Text(f"evidence: {where}{more}", style="bold"))
