"""What happened in a trial, on one clock: the responses in steps of time, and over them the events of all logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reprolab.evidence import TrialDirectory
from reprolab.scenario import Experiment

KINDS = ("started", "restarted", "killed", "gone", "present", "traceback", "note")


@dataclass(frozen=True)
class Event:
    """One moment of a trial.

    ``at_ms`` are milliseconds since the timeline's zero (negative before it), ``kind`` is one of KINDS, ``text``
    says in a few words what happened, ``source`` is the role or the file that tells of it.
    """

    at_ms: float
    kind: str
    text: str
    source: str


@dataclass(frozen=True)
class Timeline:
    """A trial on one clock.

    ``zero_ns`` is the moment 0 in nanoseconds since the epoch (0 where only distances are known), ``length_ms`` the
    end of the axis; ``responses`` counts, per status, the responses in each step of ``step_ms`` milliseconds.
    """

    zero_ns: int
    length_ms: float
    step_ms: int
    responses: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    events: tuple[Event, ...] = ()


def timeline(experiment: Experiment, evidence: TrialDirectory, observation: Mapping[str, Any]) -> Timeline | None:
    """The timeline of one trial; None where its evidence holds no moment to show."""
    return None
