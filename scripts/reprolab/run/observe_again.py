"""Reads the kept files of a run again with the experiments' observe() as it is now.

What the run itself recorded is kept, and each call begins with it: the result depends on the run's files and on the
scenario only, not on earlier calls.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from reprolab.core.errors import InvalidTrial, UsageError
from reprolab.core.files import read_json
from reprolab.core.number_words import plural
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.evidence.run_info import RUNNING, UNSEEN, ObservedAgain
from reprolab.logs.log_file import DamagedLog
from reprolab.run.runner import DRIVEN, OBSERVE_ERROR, observation
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord

# Errors of files, not of the code that reads them.
FILE_ERRORS = (OSError, EOFError, zlib.error)
MOST_SHOWN = 10  # trials in the terminal


@dataclass(frozen=True)
class Reading:
    """A trial that was read again: as the run recorded it, as it is now, and why it stays as it was ("" if read)."""

    before: TrialRecord
    now: TrialRecord
    kept: str = ""

    @property
    def name(self) -> str:
        """The trial's experiment, variant and number."""
        return f"{self.before.experiment}/{self.before.variant} #{self.before.trial}"

    @property
    def changed(self) -> list[str]:
        """The keys of the observation whose values differ."""
        old, new = self.before.observation, self.now.observation
        return sorted(key for key in old.keys() | new.keys() if _text(old, key) != _text(new, key))

    @property
    def became_valid(self) -> bool:
        return self.now.valid and not self.before.valid

    @property
    def became_invalid(self) -> bool:
        return self.before.valid and not self.now.valid


def observe_again(scenario: Scenario, run: RunDirectory) -> list[Reading]:
    """Read all trials of a run again. If any could be read, trials.jsonl and run.json are written.

    Raises UsageError while the run still runs.
    """
    info = run.info()
    if info.status == RUNNING:
        raise UsageError(f"{run.name} is still running", expected="a run that has ended")
    if info.status == UNSEEN:
        raise UsageError(
            f"{run.name} is {info.status}: {info.reason}",
            expected="a run that has ended",
            advice="read it again where it ran",
        )
    readings = [_read(scenario, run, record) for record in run.first_trials()]
    if not all(reading.kept for reading in readings):
        run.replace_trials(reading.now for reading in readings)
        run.write_info(replace(info, observed=_summary(scenario, readings)))
    return readings


def _summary(scenario: Scenario, readings: Iterable[Reading]) -> ObservedAgain:
    read = [reading for reading in readings if not reading.kept]
    return ObservedAgain(
        at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        trials=len(read),
        changed=sum(bool(reading.changed) for reading in read),
        now_valid=sum(reading.became_valid for reading in read),
        now_invalid=sum(reading.became_invalid for reading in read),
        kept=sum(bool(reading.kept) for reading in readings),
        case=case_digest(scenario.directory),
    )


def _read(scenario: Scenario, run: RunDirectory, record: TrialRecord) -> Reading:
    experiment = scenario.experiments.get(record.experiment)
    evidence = run.trial(record.experiment, record.variant, record.trial)
    if experiment is None:
        return Reading(record, record, "the scenario no longer has this experiment")
    if experiment.observe is None:
        return Reading(record, record, "the experiment has no observe()")
    if record.invalid and not (evidence.path / OBSERVE_ERROR).exists():
        return Reading(record, record, f"invalid for another reason: {record.invalid.splitlines()[0]}")
    if not (evidence.path / DRIVEN).exists():
        return Reading(record, record, f"{DRIVEN} is missing")
    try:
        driven = read_json(evidence.path / DRIVEN)
        return Reading(record, replace(record, observation=observation(experiment, evidence, driven), invalid=""))
    except UsageError as error:
        return Reading(record, record, str(error).splitlines()[0])
    except DamagedLog as error:
        return Reading(record, record, str(error))
    except InvalidTrial as error:
        if isinstance(error.__cause__, FILE_ERRORS):
            return Reading(record, record, _file_error(evidence, error.__cause__))
        return Reading(record, replace(record, observation={}, invalid=str(error) or "no reason was given"))


def _file_error(evidence: TrialDirectory, error: BaseException) -> str:
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{str(error.filename).removeprefix(f'{evidence.path}/')} is missing"
    return f"a file cannot be read: {type(error).__name__}: {error}"


def lines(readings: list[Reading]) -> list[str]:
    """What changed, trial by trial, and which trials stay as they were, for the terminal."""
    changed = [f"{reading.name}: {_change(reading)}" for reading in readings if reading.changed or _flipped(reading)]
    kept: dict[str, list[str]] = {}
    for reading in readings:
        if reading.kept:
            kept.setdefault(reading.kept, []).append(reading.name)
    stay = [f"not read again: {_first(names)}: {reason}" for reason, names in kept.items()]
    more = [f"and {len(changed) - MOST_SHOWN} more trials"] if len(changed) > MOST_SHOWN else []
    return [*changed[:MOST_SHOWN], *more, *stay]


def _flipped(reading: Reading) -> bool:
    return reading.before.invalid != reading.now.invalid


def _change(reading: Reading) -> str:
    if reading.became_valid:
        return "valid now"
    if not reading.now.valid:
        return f"invalid now: {reading.now.invalid.splitlines()[0]}"
    return f"other values of {', '.join(reading.changed)}"


def _first(names: list[str]) -> str:
    more = len(names) - 1
    return names[0] + (f" and {plural(more, 'more trial')}" if more else "")


def _text(observation: Mapping[str, Any], key: str) -> str:
    """A value as it stands in trials.jsonl; "" for a missing key. Unlike the values, texts of NaN are equal."""
    return json.dumps(observation[key], sort_keys=True) if key in observation else ""
