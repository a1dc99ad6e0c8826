"""What a run prints at its end: the table of variants, the verdicts, where the time went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from reprolab.core import command_text
from reprolab.core.stats import rate_text
from reprolab.evidence import packages
from reprolab.evidence.packages import Change
from reprolab.report import table
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.judge import asked, drifted

STYLES = {"confirmed": "green", "refuted": "red", "inconclusive": "yellow"}
FEW_TRIALS = 3
ENOUGH_TRIES = 100
WIDE_ENOUGH = 130
NARROW_COLUMNS = 4
MOST_PACKAGES = 12
MOST_NAMED = 6
BASE_FACTS = ("origin", "id", "digest")


def header(scenario: Scenario, run: Mapping[str, Any]) -> Text:
    """Title, time, the document, and on what it all ran."""
    host = run.get("host", {})
    bases = sorted({base["detail"] for base in run.get("bases", {}).values()})
    facts = [
        f"kernel {host.get('kernel', '?')}",
        f"engine {host.get('engine', '?')}",
        f"compose {host.get('compose', '?')}",
        f"{host.get('cpus', '?')} × {host.get('cpu', '?')}",
    ]
    text = Text(f"{scenario.name} · {scenario.title}", style="bold")
    text.append(f"   {run.get('started', '')}\n", style="dim")
    text.append(f"document: {scenario.document.citation}\n", style="dim")
    text.append("".join(f"base image: {base}\n" for base in bases), style="dim")
    text.append(" · ".join(facts), style="dim")
    return text


def results(scenario: Scenario, trials: list[TrialRecord], width: int = 160) -> RenderableType:
    """One table for each experiment that ran; in a terminal too narrow for it, its first columns."""
    narrow = width < WIDE_ENOUGH
    shown = NARROW_COLUMNS if narrow else None
    parts: list[RenderableType] = []
    for experiment in scenario.experiments.values():
        found = table.rows(scenario, experiment, trials)
        if not found:
            continue
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
        grid.add_column("variant", no_wrap=True)
        if not narrow:
            grid.add_column("changes", overflow="fold", min_width=16)
        grid.add_column("valid", justify="right", no_wrap=True)
        for heading in table.headings(experiment)[:shown]:
            grid.add_column(heading, justify="right", no_wrap=True)
        for row in found:
            changes = () if narrow else (row.changes,)
            grid.add_row(row.variant, *changes, row.trials, *row.cells[:shown])
        if len(scenario.experiments) > 1:
            parts.append(Text(f"{experiment.name}: {experiment.summary}", style="bold"))
        parts.append(grid)
        if narrow:
            parts.append(
                Text(f"fewer columns, as this terminal has {width}; all of them are in report.txt", style="dim")
            )
        if table.has_several(found):
            parts.append(Text(table.BASIS, style="dim"))
        parts += [Text(line, style="yellow") for line in table.mistakes(experiment, found)]
        parts += [Text(f"{names}: invalid: {reason}", style="yellow") for reason, names in reasons(found).items()]
        parts += [Text(f"{row.variant}: {note}", style="dim") for row in found for note in row.notes]
    return Group(*parts)


def reasons(rows: Iterable[table.Row]) -> dict[str, str]:
    """Each reason why trials are invalid, with the variants that it is about."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.invalid:
            found.setdefault(row.invalid, []).append(row.variant)
    return {reason: table.some(names) for reason, names in found.items()}


def claims(verdict: Mapping[str, Any]) -> RenderableType:
    """A line for each claim the run could judge, the others in one line at the end."""
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", style="dim")
    left_out = []
    for claim in verdict["claims"]:
        if not asked(verdict, claim):
            left_out.append(claim["id"])
            continue
        style = STYLES[claim["verdict"]]
        grid.add_row(claim["id"], claim["text"], Text(claim["verdict"], style=style), claim["why"])
    if not left_out:
        return grid
    return Group(grid, Text(f"not judged, as not all their variants ran: {', '.join(left_out)}", style="dim"))


def custom_signs(scenario: Scenario, verdict: Mapping[str, Any], variant: str) -> RenderableType:
    """Every sign on the variant that --set made, in its own words: a claim's sentence is about other variants."""
    if not verdict["variants"][variant]["valid"]:
        return Text("no valid trial: no sign was looked for", style="yellow")
    answers: dict[tuple[str, str], list[str]] = {}
    for claim in scenario.claims:
        seen = verdict["signs"][claim.id].get(variant)
        if seen is not None:
            words = " ".join((claim.sign.__doc__ or claim.text).split())
            answers.setdefault((words, sign_answer(seen)), []).append(claim.id)
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for (words, answer), identifiers in answers.items():
        grid.add_row(Text(words, overflow="fold"), Text(answer, style="bold"), Text(" ".join(identifiers), style="dim"))
    note = "the signs that the claims look for, looked for here; no claim is judged by them:"
    return Group(Text(note, style="dim"), grid)


def sign_answer(seen: Mapping[str, Any]) -> str:
    """How often a sign showed, with the rate where the claim has one."""
    if not seen["trials"]:
        return "could not be read"
    rate = f" [{rate_text(seen['rate']['shown'], seen['rate']['of'])}]" if "rate" in seen else ""
    return f"{seen['shown']}/{seen['trials']}{rate}"


def doubts(verdict: Mapping[str, Any]) -> str:
    """What the numbers do not allow one to say, with the next step."""
    named = [pair for claim in verdict["claims"] if asked(verdict, claim) for pair in claim["variants"].items()]
    silent = dict.fromkeys(name for name, _ in named if not verdict["variants"][name]["valid"])
    plain = [row for _, row in named if "rate" not in row and row["trials"]]
    rates = [row["rate"] for _, row in named if "rate" in row and row["rate"]["of"]]
    told = []
    if plain and min(row["trials"] for row in plain) <= FEW_TRIALS:
        few = f"only {min(row['trials'] for row in plain)} valid trial(s) in some variants"
        told.append(_still(few, [(row["interval"][1], row["trials"]) for row in plain if row["shown"] == 0]))
    if rates and min(rate["of"] for rate in rates) < ENOUGH_TRIES:
        nowhere = [(rate["interval"][1], rate["of"]) for rate in rates if rate["shown"] == 0]
        fewest = min(nowhere, key=lambda row: row[1])[1] if nowhere else min(rate["of"] for rate in rates)
        told.append(_still(f"only {fewest} tries in some variants", nowhere))
    parts = [f"no valid trial in {table.some(list(silent))}"] if silent else []
    parts += [f"{'; '.join(told)}; run with {command_text.option('trials', 20)} for a closer bound"] if told else []
    return "; ".join(parts)


def _still(few: str, nowhere: list[tuple[float, int]]) -> str:
    """What the few do not rule out, by the widest of their intervals (upper limit, tries)."""
    if not nowhere:
        return few
    limit, tried = max(nowhere)
    return f"{few}: 0 of {tried} still allows a rate of {limit:.0%} (95 % Wilson)"


def closing(verdict: Mapping[str, Any], where: str) -> str:
    """The last line: counts, drift, and where the evidence lies."""
    counts = Counter(claim["verdict"] for claim in verdict["claims"] if asked(verdict, claim))
    words = " · ".join(f"{counts.get(name, 0)} {name}" for name in STYLES)
    left_out = len(verdict["claims"]) - sum(counts.values())
    if left_out:
        words += f" · {left_out} not asked"
    drift = drifted(verdict)
    told = f" · DRIFT from the recorded verdict: {', '.join(drift)}" if drift else ""
    return f"{words}{told}    evidence: {where}"


def differences(recorded: Mapping[str, Any], run: Mapping[str, Any], named: Collection[str] = ()) -> list[str]:
    """What else is not as it was when the verdict was recorded: host, bases, packages, those ``named`` first."""
    found = []
    before, now = recorded.get("host", {}), run.get("host", {})
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            found.append(f"{key}: recorded {before.get(key)}, now {now.get(key)}")
    old, new = recorded.get("bases", {}), run.get("bases", {})
    for key in sorted(old.keys() & new.keys()):
        if differing := [fact for fact in BASE_FACTS if fact in old[key] and old[key][fact] != new[key].get(fact)]:
            found.append(f"base {key}: recorded {_base(old[key], differing)}, now {_base(new[key], differing)}")
    return found + _package_differences(packages.changed(recorded, run), named)


def _base(base: Mapping[str, Any], differing: Sequence[str]) -> str:
    """Where a base came from, and the start of its id and digest where they differ."""
    parts = ", ".join(f"{fact} {_short(base.get(fact))}" for fact in differing if fact != "origin")
    return f"{base.get('origin')} ({parts})" if parts else str(base.get("origin"))


def _short(digest: str | None) -> str:
    return (digest or "—").removeprefix("sha256:")[:12]


def _package_differences(changes: Sequence[Change], named: Collection[str]) -> list[str]:
    """A line for each package that changed, not too many."""
    lines = [
        f"{_images(one.images)}: {one.kind} {one.name}: recorded {one.recorded or '—'}, now {one.now or '—'}"
        for one in sorted(changes, key=lambda one: one.name not in named)
    ]
    more = len(lines) - MOST_PACKAGES
    return [*lines[:MOST_PACKAGES], f"and {more} more packages"] if more > 0 else lines


def _images(names: Sequence[str]) -> str:
    more = len(names) - 1
    return f"{names[0]} and {more} more image{'s' if more > 1 else ''}" if more else names[0]


def packages_changed(recorded: Mapping[str, Any], run: Mapping[str, Any], named: Collection[str]) -> str:
    """In one line, how many packages are not as recorded, and which of those ``named``; empty where all are."""
    changes = packages.changed(recorded, run)
    if not changes:
        return ""
    count = len({(one.kind, one.name) for one in changes})
    text = f"{count} package{'s are' if count > 1 else ' is'} not as recorded"
    told = dict.fromkeys(f"{c.name} {c.recorded or '—'} → {c.now or '—'}" for c in changes if c.name in named)
    shown = [*list(told)[:MOST_NAMED], *(["…"] if len(told) > MOST_NAMED else [])]
    return f"{text}: {', '.join(shown)}" if shown else text


def render(
    console: Console,
    scenario: Scenario,
    run: Mapping[str, Any],
    trials: list[TrialRecord],
    verdict: Mapping[str, Any],
    where: str,
) -> None:
    """Print the whole report."""
    console.print(header(scenario, run))
    console.print(results(scenario, trials, console.width))
    customs = [name for name in verdict["variants"] if name.rpartition("/")[2] == "custom"]
    if customs:
        for name in customs:
            console.print(custom_signs(scenario, verdict, name))
    else:
        console.print(claims(verdict))
        if doubt := doubts(verdict):
            console.print(Text(doubt, style="dim"))
    if run.get("times"):
        console.print(Text(f"time: {run['times']}", style="dim"))
    if run.get("status") not in (None, "complete"):
        console.print(Text(f"this run is {run['status']}: {run.get('reason', '')}".rstrip(": "), style="yellow"))
    console.print(Text(closing(verdict, where), style="bold"), soft_wrap=True)
