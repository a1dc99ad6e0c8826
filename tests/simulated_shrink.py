"""A measurer without Docker for the tests of shrink: a function decides what each trial of a stack shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reprolab.measure.cell import Cell, CellResult
from reprolab.scenario.load_settings import CONNECTIONS, DURATION, THREADS
from reprolab.scenario.model import Claim, Document, Experiment, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.shrink.question import Question
from reprolab.shrink.search import Search

LOAD = {THREADS: "10", CONNECTIONS: "200", DURATION: "10"}
FACTORS = {"SERVER": "19.6.0", "WORKERS": "5", "THREADS": "5", "MAX_REQUESTS": "512", "CLASS": "sync", "WITNESS": "on"}
SIMPLER = {"WITNESS": ("off",), "CLASS": ("sync",)}
CLEAN = {"SERVER": "19.5.0"}

SHOWN, ABSENT, NOT_EXERCISED, INVALID, OBSTACLE = "shown", "absent", "not exercised", "invalid", "obstacle"
Truth = Callable[[Mapping[str, str], int], str]
"""(all settings of a stack, the number of the trial from 0) -> what the trial shows."""


def scenario(
    factors: Mapping[str, str] = FACTORS, simpler: Mapping[str, tuple[str, ...]] = SIMPLER, **fields: object
) -> Scenario:
    """A scenario with the experiment `lamp` and one claim: shown in documented, absent with another server."""
    claim = Claim(
        "B-1",
        "It blinks.",
        sign=lambda o: o["blinked"],
        shows=["documented"],
        absent=["clean"],
        trigger=lambda o: o["exercised"],
    )
    variants = {"documented": {}, "clean": CLEAN, "other": {"CLASS": "gthread", "WORKERS": "3"}}
    lamp = Experiment("lamp", variants, 3, lambda stack: {}, (claim,))
    return Scenario(
        "blink",
        Path("blink"),
        "a lamp",
        Document("doc-1"),
        "",
        "",
        factors,
        {"lamp": lamp},
        simpler=simpler,
        **fields,  # type: ignore[arg-type]
    )


def question(subject: Scenario | None = None, trials: int = 3, **fields: object) -> Question:
    """The question of a scenario's claim."""
    subject = subject or scenario()
    experiment = subject.experiments["lamp"]
    values = {"variant": "documented", "trials": trials} | fields
    return Question(subject, experiment, experiment.claims[0], **values)  # type: ignore[arg-type]


@dataclass
class Simulated:
    """A measurer whose trials a truth decides. ``load`` is the load of the experiment; ``asked`` are all its calls.

    ``earlier`` of a cell's trials are from earlier questions. ``clock`` goes on by 10 s in each new trial. The trial
    with the number ``interrupt`` raises.
    """

    subject: Scenario
    truth: Truth
    load: Mapping[str, str] = field(default_factory=lambda: LOAD)
    interrupt: int | None = None
    results: Path | None = None
    kept: dict[Cell, list[TrialRecord]] = field(default_factory=dict)
    asked: list[tuple[Cell, int]] = field(default_factory=list)
    trials_run: int = 0
    most_repeats: int = 2
    earlier: Mapping[Cell, int] = field(default_factory=dict)

    @property
    def clock(self) -> Callable[[], float]:
        return lambda: 10.0 * self.trials_run

    def measure(self, wanted: Mapping[Cell, int], claims: Sequence[Claim]) -> dict[Cell, CellResult]:
        return {cell: self._measure(cell, trials, claims[0]) for cell, trials in wanted.items()}

    def _measure(self, cell: Cell, trials: int, claim: Claim) -> CellResult:
        self.asked.append((cell, trials))
        records = self.kept.setdefault(cell, [])
        settings = {**self.subject.factors, **self.load, **cell.settings}
        if self.truth(settings, 0) == OBSTACLE:
            return CellResult(cell, obstacle="image build failed: no such release\nlast line")
        repeats = self.most_repeats
        while (counting := CellResult(cell, tuple(records)).count(claim).trials) < trials and repeats:
            records.append(self._trial(cell, settings, len(records)))
            repeats -= CellResult(cell, tuple(records)).count(claim).trials == counting
        name = "-".join(f"{name}-{value}" for name, value in cell.changes) or "documented"
        directory = self.results / "cells" / name if self.results else None
        return CellResult(cell, tuple(records), directory=directory, kept=self.earlier.get(cell, 0))

    def _trial(self, cell: Cell, settings: Mapping[str, str], number: int) -> TrialRecord:
        if self.trials_run == self.interrupt:
            raise KeyboardInterrupt
        self.trials_run += 1
        shows = self.truth(settings, number)
        load = {
            "threads": int(settings[THREADS]),
            "connections": int(settings[CONNECTIONS]),
            "duration_us": int(settings[DURATION]) * 1_000_000 + 41_312,
        }
        observation = {"blinked": shows == SHOWN, "exercised": shows != NOT_EXERCISED, "load": load}
        invalid = "not healthy: exit code 1" if shows == INVALID else ""
        return TrialRecord("lamp", "custom", number + 1, cell.settings, observation, invalid)


class SocketVanish(Simulated):
    """The same for socket-vanish: what its claim SV-1 reads of an observation."""

    def _trial(self, cell: Cell, settings: Mapping[str, str], number: int) -> TrialRecord:
        record = super()._trial(cell, settings, number)
        shown, exercised = record.observation["blinked"], record.observation["exercised"]
        seen = {
            "socket_before": True,
            "socket_after": not shown,
            "server_running": True,
            "reached": int(exercised),
            "worker_restarts": int(exercised),
            "restarted_ms": 1.0,
            "looked_ms": 2.0,
            "load": record.observation["load"],
        }
        return replace(record, experiment="vanish", observation=seen)


def vanishing(settings: Mapping[str, str], number: int) -> str:
    """A truth for socket-vanish: it needs two threads and as many requests as max_requests says."""
    if settings["GUNICORN"] == "19.5.0" or settings["THREADS"] == "1":
        return ABSENT
    requests = 100 * int(settings[CONNECTIONS]) * int(settings[DURATION])
    return SHOWN if 1 < int(settings["MAX_REQUESTS"]) <= requests else NOT_EXERCISED


def truth(rule: Callable[[Mapping[str, str]], bool]) -> Truth:
    """A truth in which every trial of a stack shows the same. With the clean server the sign never shows."""
    return lambda settings, number: SHOWN if settings["SERVER"] != CLEAN["SERVER"] and rule(settings) else ABSENT


def searched(measurer: Simulated, trials: int = 3, budget: float | None = None, **fields: object) -> Search:
    """A search that has run."""
    search = Search(question(measurer.subject, trials, **fields), measurer, budget=budget, clock=measurer.clock)
    search.run()
    return search


def number(settings: Mapping[str, str], name: str) -> int:
    """A setting as a number."""
    return int(settings[name])


def states(search: Search) -> Iterator[Mapping[str, str]]:
    """The states after each single step from the state of a search."""
    for move in search.space.single(search.state):
        yield {**search.state, move.name: move.after}
