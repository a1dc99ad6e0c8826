"""Puts a reviewed run on record: recorded.json holds its verdict, with the host and the versions of the run.

history.jsonl gets a line for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.core.number_words import plural
from reprolab.evidence.run_dir import RunDirectory
from reprolab.publish import history, readme_sections
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import VerdictDocument
from reprolab.verdict.enough import MOST_TRIALS, trials_needed
from reprolab.verdict.measured import Measured, measure
from reprolab.verdict.record import RecordedRun, judge_run, recorded_path, write_record


def accept(root: Path, run: RunDirectory, *, thin: bool = False) -> Path:
    """Write the scenario's recorded.json from a complete run of all its variants; returns its path.

    Raises UsageError, before anything is put on record, for a run that was aborted or cut short by its budget, left
    variants out, ran on another machine or in a virtual one, or lacks trials; also for a run with thin verdicts, unless
    ``thin`` is set.
    """
    info = run.info()
    scenario = loader.load(root, info.scenario)
    if not info.complete:
        raise UsageError(f"{run.name} is {info.status or 'of unknown status'}", expected="a complete run")
    if info.host.hardware:
        raise UsageError(
            f"{run.name} ran elsewhere: {info.host.hardware}, with kernel {info.host.kernel}",
            expected="a run on this machine and its own kernel: a record is compared with later runs, which are here",
        )
    if info.rounds and info.rounds.cut:
        raise UsageError(f"{run.name} was cut short; rounds: {info.rounds.words}", expected="a run without a budget")
    planned = {(variant.experiment, variant.variant) for variant in info.plan}
    wanted = {(e.name, variant) for e in scenario.experiments.values() for variant in e.variants}
    if missing := wanted - planned:
        names = ", ".join(sorted(f"{experiment}/{variant}" for experiment, variant in missing))
        raise UsageError(f"{run.name} left out {names}", expected="a run of all variants")
    checked = run.checked_trials()
    if checked.faults:
        raise UsageError(
            f"the record of {run.name} is incomplete: {checked.words}",
            expected="every planned trial, either valid or invalid with a reason",
            advice=f"run it again: {command_text.run(scenario.name)}; nothing was written",
        )
    verdict = judge_run(scenario, run)
    if not thin:
        _refuse_thin(scenario, run, verdict)
    new = RecordedRun(verdict, info, measure_variants(scenario, list(checked.records)))
    path = write_record(scenario, new)
    history.append(scenario, new)
    return path


def record(root: Path, run: RunDirectory, *, thin: bool = False) -> tuple[Path, list[Path]]:
    """Accept a run and write the generated pages; returns the path of recorded.json and the pages that changed.

    If the history or a page cannot be written, recorded.json and history.jsonl are restored.
    """
    scenario = loader.load(root, run.info().scenario)
    path = recorded_path(scenario)
    with _restoring(path, history.history_path(scenario)):
        accept(root, run, thin=thin)
        return path, readme_sections.write(root)


@contextmanager
def _restoring(*paths: Path) -> Iterator[None]:
    """Give files their content from before the block, if the block raises."""
    before = {path: path.read_bytes() if path.exists() else None for path in paths}
    try:
        yield
    except BaseException:
        for path, content in before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        raise


def _refuse_thin(scenario: Scenario, run: RunDirectory, verdict: VerdictDocument) -> None:
    """Raise UsageError if a verdict rests on too few trials; it says how many would be enough."""
    by_number: dict[int | None, list[str]] = defaultdict(list)
    for claim in verdict.claims:
        if claim.thin:
            by_number[trials_needed(claim)].append(claim.id)
    if not by_number:
        return
    parts = [f"{', '.join(claims)} ({_number_words(number)})" for number, claims in by_number.items()]
    anyway = f"record it all the same with {command_text.option('thin')}"
    if enough := max((number for number in by_number if number), default=0):
        more = command_text.option("trials", enough)
        anyway = f"{command_text.command(f'run {scenario.name}', f'scenario-{scenario.name}')} {more}; or {anyway}"
    raise UsageError(
        f"{run.name} has thin verdicts, which chance or one trial could give: {'; '.join(parts)}",
        expected="enough trials that count, for every claim",
        advice=f"{anyway}; nothing was recorded",
    )


def _number_words(number: int | None) -> str:
    if number is None:
        return f"{MOST_TRIALS} trials of each variant would not be enough"
    return f"needs {plural(number, 'trial')} of each variant"


def measure_variants(scenario: Scenario, trials: list[TrialRecord]) -> dict[str, Measured]:
    """The values of the columns and curves for each variant, by the variant's key in the verdict."""
    by_variant: dict[tuple[str, str], list[TrialRecord]] = defaultdict(list)
    for trial in trials:
        by_variant[trial.experiment, trial.variant].append(trial)
    return {
        scenario.variant_key(name, variant): measure(experiment.columns, records, experiment.curves)
        for (name, variant), records in by_variant.items()
        if (experiment := scenario.experiments.get(name))
    }
