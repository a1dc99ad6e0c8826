"""The sections of a bug report as Markdown. Each is a function of the report's input; the form gives the headings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from reprolab.bugreport import release_table
from reprolab.bugreport.input import BugReportInput
from reprolab.bugreport.log_excerpt import Excerpt, excerpt
from reprolab.bugreport.provenance import base_image, changed_files_note, package_version
from reprolab.bugreport.spec import ReportStep, fill
from reprolab.core.markdown import block, cell, code, foreign, grid, prose
from reprolab.core.stats import rate_text
from reprolab.report import minimal_stack
from reprolab.report.table import changes_text
from reprolab.report.timeline import load_figures
from reprolab.scenario.model import Claim
from reprolab.verdict.document import ClaimVerdict, Verdict

FOLD = 30  # a file with more lines is folded
LANGUAGES = {".py": "python", ".sh": "sh", ".conf": "", ".yaml": "yaml", ".txt": "text"}
TYPES = {"bug": "Bug Report", "documentation": "Documentation Issue", "comment": "Bug Report"}


def _grid(headings: list[str], rows: list[list[str]]) -> str:
    return grid(headings, [[*map(cell, row)] for row in rows])


def folded(summary: str, text: str) -> str:
    """A block that the reader opens."""
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


# -- what happened -------------------------------------------------------------------------------------


def kind(report_input: BugReportInput) -> str:
    """The type of the report in gunicorn's form."""
    return TYPES[report_input.report.kind]


def description(report_input: BugReportInput) -> str:
    """What is expected, what happens, how often, in which releases, and why."""
    report, factors = report_input.report, report_input.factors(report_input.report.shows)
    parts = [
        f"**Expected.** {fill(report.expected, factors)}",
        f"**Actual.** {fill(report.actual, factors)}",
        f"**How often.** {load(report_input)}{measured(report_input)}",
        affected(report_input),
        f"**Why.** {fill(report.cause, factors)}{not_measured(report_input)}" if report.cause else "",
        supporting(report_input),
    ]
    return "\n\n".join(part for part in parts if part)


def load(report_input: BugReportInput) -> str:
    """The load of the measured stack as a sentence, "" where it had none."""
    for trial in report_input.trials_of(report_input.report.shows):
        figures = load_figures(trial.observation)
        if {"threads", "connections", "duration_us"} <= figures.keys():
            connections, threads = figures["connections"], figures["threads"]
            seconds = round(figures["duration_us"] / 1e6)
            return f"Under load from wrk ({connections} connections in {threads} threads, {seconds} s). "
    return ""


def not_measured(report_input: BugReportInput) -> str:
    """Which of the supporting claims this run did not decide, as a remark on the cause; "" if it decided all."""
    undecided = [
        claim for claim in report_input.report.supporting if report_input.claim(claim).verdict == Verdict.INCONCLUSIVE
    ]
    texts = "; ".join(f"“{prose(claim.text).rstrip('.')}”" for claim in undecided)
    return f" (This run did not decide: {texts}.)" if undecided else ""


def measured(report_input: BugReportInput) -> str:
    """The table of measurements: the showing stack, the control, and other stacks that point to the cause."""
    report = report_input.report
    base = report_input.factors(report.shows)
    rows, tries = [], False
    for variant, words in report.stacks.items():
        seen = report_input.count(variant)
        if not seen.trials:
            continue
        factors = report_input.factors(variant)
        changed = {n: v for n, v in factors.items() if v != base.get(n) and n not in report.measuring}
        tries = tries or bool(seen.tries)
        role = {report.shows: "shows it", report.control: "control"}.get(variant, "")
        differs = code(changes_text(changed)) if changed else "—"
        sums = rate_text(*seen.tries) if seen.tries else "—"
        rows.append([fill(words, factors), role, sums, rate_text(seen.shown, seen.trials), differs])
    headings = ["stack", "", "tries that show it (95 %)", "runs that show it (95 %)", "factors changed"]
    if not tries:
        headings, *rows = [[*row[:2], *row[3:]] for row in (headings, *rows)]
    return (
        f"Counted as shown: {sign_words(report_input.sign)}. The control differs in one factor, `{report.changed}`. "
        f"Intervals are 95 % Wilson.{other_work(report_input)}\n\n{_grid(headings, rows)}"
    )


def other_work(report_input: BugReportInput) -> str:
    """During how many of the valid trials other work used the processors, as a sentence; "" if during none."""
    trials = [t for variant in report_input.report.stacks for t in report_input.trials_of(variant) if t.valid]
    busy = sum(bool(trial.busy) for trial in trials)
    return f" Other work used the machine's processors during {busy} of these {len(trials)} runs." if busy else ""


def affected(report_input: BugReportInput) -> str:
    """The measured releases with a summary; empty if the report has no releases."""
    block_, rows = report_input.report.releases, release_table.rows(report_input)
    if block_ is None or not rows:
        return ""
    lines = []
    for row in rows:
        rate = rate_text(row.count.shown, row.count.trials) if row.count.trials else "—"
        if row.count.tries:
            rate = f"tries {rate_text(*row.count.tries)}; runs {rate}"
        word = "shows it" if row.word == release_table.AFFECTED else row.word
        word = f"{word}: {foreign(row.reason)}" if row.reason else word
        where = f" (in run {row.run})" if row.run else ""
        lines.append([f"{row.release}{where}", word, rate, code(row.also) if row.also else "—"])
    name = block_.factor.lower()
    words = report_input.report.stacks.get(block_.of, "")
    of = (
        f", otherwise as: {fill(words, report_input.factors(block_.of))}"
        if block_.of != report_input.report.shows
        else ""
    )
    table = _grid([f"release ({name})", "", "runs that show it (95 %)", "also changed"], lines)
    return f"**Releases**, by this measurement{of}: {release_table.summary(rows)}.\n\n{table}"


def supporting(report_input: BugReportInput) -> str:
    """The supporting claims that the run decided."""
    rows = [report_input.claim(claim) for claim in report_input.report.supporting]
    lines = [
        f"- {prose(row.text)} ({row.verdict}; {_tally(claim, row)}){_limits(report_input, claim)}"
        for claim, row in zip(report_input.report.supporting, rows, strict=True)
        if row.verdict != Verdict.INCONCLUSIVE
    ]
    return "\n".join(["**Also found** in the same run:", "", *lines]) if lines else ""


def sign_words(claim: Claim) -> str:
    """The description of a claim's sign, as a part of a sentence."""
    words = prose(claim.sign.__doc__ or claim.text).rstrip(".")
    return words if words[1:2].isupper() else words[0].lower() + words[1:]


def _limits(report_input: BugReportInput, claim: Claim) -> str:
    """The claims that limit a claim, if the run decided them."""
    rows = [row for name in claim.but if (row := report_input.verdict.claim(name))]
    limits = [f"“{prose(row.text)}” ({row.verdict})" for row in rows if row.verdict != Verdict.INCONCLUSIVE]
    return f", but see {' and '.join(limits)}" if limits else ""


def _tally(claim: Claim, row: ClaimVerdict) -> str:
    """The description of the sign, and how often it showed: in the claim's variants, and in all controls together.

    The description is needed, as a claim may say what avoids a bug: its sign then shows in the controls.
    """
    sums = {}
    for expected in (True, False):
        counts = [variant.count for variant in row.variants.values() if variant.expected is expected]
        sums[expected] = (
            f"{sum(count.shown for count in counts)}/{sum(count.trials for count in counts)}" if counts else ""
        )
    parts = [sums[True]] if sums[True] else []
    parts += [f"in the controls {sums[False]}"] if sums[False] else []
    return f"counted: “{sign_words(claim)}”: {'; '.join(parts)}"


# -- how to see it -------------------------------------------------------------------------------------


def steps(report_input: BugReportInput) -> str:
    """The shortest steps, with the files of the scenario that they need, and the least stack of a shrink."""
    factors = report_input.factors(report_input.report.shows)
    parts: list[str] = []
    shell: list[str] = []
    for step in [*report_input.report.steps, ReportStep("text", "")]:
        if step.kind in ("setup", "run", "check"):
            remark = "# status 0: it shows\n" if step.kind == "check" else ""
            shell.append(remark + fill(step.content, factors))
            continue
        if shell:
            parts.append(block("\n".join(shell), "sh"))
            shell = []
        if step.kind == "file":
            parts.append(_file(report_input, step.content))
        elif step.content:
            parts.append(fill(step.content, factors))
    if report_input.minimal:
        parts.append(f"**Minimal stack.** {minimal_stack.markdown(report_input.minimal)}")
    note = changed_files_note(report_input)
    parts.append(
        f"(These are the shortest steps; the figures were measured on the whole stack.{f' {note}.' if note else ''})"
    )
    return "\n\n".join(parts)


def _file(report_input: BugReportInput, name: str) -> str:
    path = report_input.scenario.directory / name
    text = path.read_text(encoding="utf-8")
    shown = block(text, LANGUAGES.get(path.suffix, ""))
    title = f"`{Path(name).name}`"
    return folded(Path(name).name, shown) if text.count("\n") > FOLD else f"{title}:\n\n{shown}"


def configuration(report_input: BugReportInput) -> str:
    """The server's command line, and the factors of the stack that was measured."""
    factors = report_input.factors(report_input.report.shows)
    settings = (
        block(fill(report_input.report.configuration, factors), "sh") if report_input.report.configuration else ""
    )
    values = "\n".join(f"{name}={value}" for name, value in factors.items())
    return "\n\n".join(part for part in (settings, folded("All factors of the measured stack", block(values))) if part)


# -- logs ----------------------------------------------------------------------------------------------


def logs(report_input: BugReportInput, *, whole: bool = True) -> str:
    """The important lines of each log; with ``whole`` also the folded rest."""
    trial = report_input.example
    excerpts = [(wanted.source, excerpt(trial, wanted) if trial else None) for wanted in report_input.report.logs]
    parts = [_excerpt(log, whole) for _, log in excerpts if log is not None]
    if missing := [source for source, log in excerpts if log is None]:
        parts.append(f"Not in the trial's directory, so it could not be read: {', '.join(missing)}.")
    return "\n\n".join(part for part in parts if part) or "No log line tells more than the above."


def _excerpt(log: Excerpt, whole: bool) -> str:
    more = [f"… {log.more} more such lines …"] if log.more else []
    remarks = "".join(f"\n\n{log.source}: {remark}." for remark in map(foreign, log.remarks))
    matching = f"{log.source}:\n\n{block(chr(10).join([*log.matching, *more]), 'text')}" if log.matching else ""
    if not whole or not log.rest():
        return f"{matching}{remarks}".strip()
    dropped = f", {log.dropped} of them of requests and probes, left out" if log.dropped else ""
    rest = folded(f"{log.source}: {log.total} lines{dropped}", block("\n".join(log.rest()), "text"))
    return f"{matching}\n\n{rest}{remarks}".strip()


# -- versions and machine ------------------------------------------------------------------------------


def version(report_input: BugReportInput) -> str:
    """The program's release in the image that ran, and the newest release that shows the sign, if it is newer."""
    name = report_input.report.form.package
    version_text, words = (
        package_version(report_input, name),
        release_table.verdicts(release_table.rows(report_input)),
    )
    newest = [release for release, word in words.items() if word == release_table.AFFECTED][-1:]
    later = newest and report_input.report.releases and report_input.report.releases.factor == name.upper()
    more = (
        f"; also seen in {newest[0]}"
        if later and release_table.order(newest[0]) > release_table.order(version_text)
        else ""
    )
    return f"{name} {version_text}{more}"


def python(report_input: BugReportInput) -> str:
    """The interpreter's release."""
    return f"Python {report_input.factors(report_input.report.shows).get('PYTHON', 'unknown')}"


def system(report_input: BugReportInput) -> str:
    """The kernel, and the base image of the container."""
    return f"Linux {foreign(report_input.info.host.kernel or '?')}, in a container of {base_image(report_input)}"


def versions(report_input: BugReportInput) -> str:
    """Program, interpreter and system in three lines."""
    return block("\n".join((version(report_input), python(report_input), system(report_input))), "text")


def releases_tested(report_input: BugReportInput) -> str:
    """The measured releases as a list; without any, the interpreter's."""
    return ", ".join(release_table.verdicts(release_table.rows(report_input))) or python(report_input)


def host(report_input: BugReportInput) -> str:
    """The machine, without its name."""
    facts = report_input.info.host
    hardware = f"{facts.hardware}, " if facts.hardware else ""
    return foreign(
        f"{hardware}{facts.cpus or '?'} × {facts.cpu or '?'}, {facts.memory_mib or '?'} MiB, kernel "
        f"{facts.kernel or '?'}, {facts.os or '?'}, Docker Engine {facts.engine or '?'}, "
        f"Compose {facts.compose or '?'}, cgroup {facts.cgroup or '?'}"
    )


def context(report_input: BugReportInput) -> str:
    """The control, the machine, the measurement, the document and the known threads."""
    report, document = report_input.report, report_input.scenario.document
    control = report_input.count(report.control)
    tries = f"{rate_text(*control.tries)} of its tries, and in " if control.tries else ""
    pieces = [
        f"- **Control:** {fill(report.stacks[report.control], report_input.factors(report.control))}; only "
        f"`{report.changed}` differs. Seen in {tries}{rate_text(0, control.trials)} of its runs.",
        f"- **Machine:** {host(report_input)}.",
        f"- **Base image:** {base_image(report_input)}.",
        f"- **Measured:** {foreign(report_input.info.started or '?')}, each run on a fresh stack of containers; "
        "the figures are counted from what the runs recorded.",
        f"- **Described in:** {' '.join(filter(None, (prose(document.citation), document.url)))}.",
    ]
    return "\n".join([*pieces, *_threads(report_input)])


def threads(report_input: BugReportInput) -> str:
    """The known threads."""
    return "\n".join(_threads(report_input)) or "None found."


def _threads(report_input: BugReportInput) -> list[str]:
    report = report_input.report
    return [
        f"- **{word}:** [{thread.thread}]({thread.link}): {thread.says}."
        for word, threads in (("Known", report.known), ("Fixed by", report.fixed_by), ("Related", report.related))
        for thread in threads
    ]


def checklist(report_input: BugReportInput) -> str:
    """A checklist with the threads that were found. The person who files the report ticks it."""
    report = report_input.report
    known = ", ".join(thread.thread for thread in (*report.known, *report.fixed_by, *report.related))
    return f"- [ ] searched for duplicates: {known or 'none found'}\n- [ ] read the documentation"


def whole(report_input: BugReportInput) -> str:
    """Description, steps, logs and context in one text, for a form with one field."""
    parts = [
        ("", description(report_input)),
        ("#### Reproduce\n\n", steps(report_input)),
        ("#### What it looks like\n\n", logs(report_input)),
        ("#### Context\n\n", context(report_input)),
    ]
    return "\n\n".join(heading + text for heading, text in parts)


PARTS: Mapping[str, Callable[[BugReportInput], str]] = {
    "type": kind,
    "description": description,
    "steps": steps,
    "configuration": configuration,
    "logs": logs,
    "version": version,
    "python": python,
    "system": system,
    "versions": versions,
    "releases_tested": releases_tested,
    "context": context,
    "threads": threads,
    "checklist": checklist,
    "whole": whole,
}
