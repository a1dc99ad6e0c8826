"""The content of shrink.json: the starting stack, every tested step with its evidence, and the least stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from reprolab.core.files import format_errors, read_object, write_json
from reprolab.core.typed import checked
from reprolab.shrink.steps import Move
from reprolab.verdict.document import SignCount

SCHEMA = 1
FILE = "shrink.json"


class Kind(StrEnum):
    """What a tested stack is."""

    START = "start"
    SEVERAL = "several settings"
    SINGLE = "single step"
    CONFIRMATION = "confirmation"
    CONTROL = "control"


class Status(StrEnum):
    """How a shrink ended. In a 1-minimal stack no single step is left. UNDECIDED: of some nothing could be told."""

    RUNNING = "running"
    MINIMAL = "1-minimal"
    UNDECIDED = "steps undecided"
    BUDGET = "budget used"
    NOTHING = "nothing to shrink from"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class StepResult:
    """A stack that was tested, and what its trials showed.

    ``moves`` lead to it from the state before; ``state`` has the values of all settings that can get simpler.
    ``changes`` are all settings that differ from the documented ones. ``wanted`` trials had to show the sign.
    ``invalid`` is the number of invalid trials, ``first_invalid`` the reason of the first. ``evidence`` is a path
    relative to the directory of all results. ``reason`` says why the step is refused, "" if it is accepted.
    """

    number: int
    kind: Kind
    moves: tuple[Move, ...]
    state: Mapping[str, str]
    experiment: str
    changes: Mapping[str, str]
    companions: Mapping[str, str]
    count: SignCount
    wanted: int
    accepted: bool
    reason: str = ""
    invalid: int = 0
    first_invalid: str = ""
    obstacle: str = ""
    evidence: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StepResult:
        plain = {
            "kind": Kind(data["kind"]),
            "moves": tuple(Move(**move) for move in data["moves"]),
            "count": SignCount.from_json(data["count"]),
        }
        return cls(**{**data, **plain})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "count": self.count.to_json()}

    @property
    def undecided(self) -> bool:
        """Whether it is refused though nothing was seen against it: its trials could not be counted, or not read."""
        against = self.obstacle or self.invalid or self.count.not_exercised or self.count.shown < self.count.trials
        return not self.accepted and not against

    @property
    def words(self) -> str:
        """The moves, or what the stack is where there are none."""
        return ", ".join(move.words for move in self.moves) or self.kind.value


@dataclass(frozen=True)
class Remaining:
    """A single step from the least stack, and the number of its test: there it may stand among several settings."""

    move: Move
    step: int


@dataclass(frozen=True)
class ShrinkDocument:
    """A shrink of one claim's sign.

    ``variant`` is the variant of the starting stack and ``settings`` are all its settings that differ from the
    documented ones; the user has ``fixed`` some of them. ``start`` and ``least`` are setting -> value, for the settings
    that can get simpler. ``services`` are the roles of the starting stack and of the least one. ``remaining`` are
    the tested single steps from the least stack, ``untested`` those that were not tested. ``control`` names the variant
    whose changes the control of the least stack has. ``trials`` of each accepted stack showed the sign;
    ``new_trials`` ran for this shrink, ``kept_trials`` are from earlier questions. ``case`` is the digest of the
    scenario's files. ``hosts`` says whether the sign depends on the host, if several ran the trials. ``undone`` are the
    settings of the shrink that the control changes back. ``factors`` are those of the documented stack.
    """

    scenario: str
    experiment: str
    claim: str
    text: str
    variant: str
    begun: str
    trials: int
    settings: Mapping[str, str]
    fixed: tuple[str, ...]
    status: Status = Status.RUNNING
    reason: str = ""
    start: Mapping[str, str] = field(default_factory=dict)
    least: Mapping[str, str] = field(default_factory=dict)
    services: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    steps: tuple[StepResult, ...] = ()
    remaining: tuple[Remaining, ...] = ()
    untested: tuple[Move, ...] = ()
    control: str = ""
    new_trials: int = 0
    kept_trials: int = 0
    seconds: float = 0.0
    case: str = ""
    lab: str = ""
    hosts: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    factors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ShrinkDocument:
        """Read the content of shrink.json. Raises KeyError, TypeError or ValueError for anything else."""
        if data["schema"] != SCHEMA:
            raise ValueError(f"its schema is {data['schema']!r}, expected {SCHEMA}")
        services = tuple(tuple(roles) for roles in data["services"])
        plain = {
            "fixed": tuple(data["fixed"]),
            "status": Status(data["status"]),
            "services": services,
            "steps": tuple(StepResult.from_json(step) for step in data["steps"]),
            "remaining": tuple(Remaining(Move(**row["move"]), row["step"]) for row in data["remaining"]),
            "untested": tuple(Move(**move) for move in data["untested"]),
            "hosts": tuple(data.get("hosts", ())),
            "undone": tuple(data.get("undone", ())),
        }
        return cls(**{name: value for name, value in {**data, **plain}.items() if name != "schema"})

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self), "steps": [step.to_json() for step in self.steps]}

    @property
    def first(self) -> StepResult | None:
        """The test of the starting stack."""
        return self.steps[0] if self.steps else None

    @property
    def least_step(self) -> StepResult | None:
        """The last test of the least stack that showed the sign in every trial; None if the starting stack did not."""
        accepted = [step for step in self.steps if step.accepted and step.kind is not Kind.CONTROL]
        return next((step for step in reversed(accepted) if step.state == self.least), None)

    @property
    def refused(self) -> tuple[tuple[Move, StepResult], ...]:
        """The single steps from the least stack, each with its test. None shows the sign in every trial."""
        tests = {step.number: step for step in self.steps}
        return tuple((row.move, tests[row.step]) for row in self.remaining)

    @property
    def control_step(self) -> StepResult | None:
        """The last test of a control of the least stack, which decides; None if there was none."""
        return next((step for step in reversed(self.steps) if step.kind is Kind.CONTROL), None)

    @property
    def refuted(self) -> bool:
        """Whether the control shows the sign too, so that the sign says nothing on the least stack."""
        control = self.control_step
        return bool(control and control.count.shown and not self.undone)

    def differing(self, step: StepResult) -> dict[str, str]:
        """The settings of a stack that the least one has not; a setting may be back at its documented value."""
        least = self.least_step.changes if self.least_step else {}
        return {
            name: step.changes.get(name, self.factors.get(name, "(documented)"))
            for name in {**least, **step.changes}
            if step.changes.get(name) != least.get(name)
        }

    @property
    def reductions(self) -> tuple[Move, ...]:
        """What is simpler in the least stack than in the starting one."""
        return tuple(Move(n, self.start[n], value) for n, value in self.least.items() if value != self.start[n])


def write(directory: Path, document: ShrinkDocument) -> None:
    """Write shrink.json. The file is never left half written."""
    write_json(directory / FILE, document.to_json())


def read(directory: Path) -> ShrinkDocument:
    """Read the shrink.json of a directory. Raises UsageError if it is missing or damaged."""
    path = directory / FILE
    content = read_object(path)
    with format_errors(path):
        document = checked(ShrinkDocument.from_json(content))
        if unknown := {row.step for row in document.remaining} - {step.number for step in document.steps}:
            raise ValueError(f"remaining names {min(unknown)}, which is no step")
        if document.least.keys() != document.start.keys():
            raise ValueError("start and least have other settings")
        return document
