"""What happened in a trial, on one clock: the responses in steps of time, and over them the events of all logs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs import access_log, timestamps
from reprolab.logs.server_events import from_log
from reprolab.scenario.event import KINDS, Event
from reprolab.scenario.model import Experiment

__all__ = ["KINDS", "Event", "Timeline", "timeline"]

STEP_MS = access_log.BUCKET_MS
# Beyond that many steps (two minutes) a page cannot show them apart; they are then made longer.
MOST_STEPS = 1200
# A log that is not a proxy's shows it in its first lines.
ENOUGH_LINES = 2000


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
    """The timeline of one trial; None where its evidence holds no moment to show.

    The lab reads the servers' own log lines, the load's beginning and end, and the proxy's access log; an
    experiment's ``events`` come on top, its ``responses`` and ``zero`` in place of the lab's. Where ``zero`` returns 0
    only distances are known, and nothing is read from logs. That a server started is by itself no story: None.
    """
    zero = experiment.zero(evidence, observation) if experiment.zero else zero_of(evidence, observation)
    from_experiment = list(experiment.events(evidence, observation)) if experiment.events else []
    usual = log_events(evidence, zero) + load_events(observation, zero) if zero else []
    if experiment.responses:
        responses = {status: tuple(n) for status, n in experiment.responses(evidence, observation).items()}
    else:
        responses = proxy_responses(evidence, zero) if zero else {}
    if not (responses or from_experiment or any(event.kind not in ("started", "note") for event in usual)):
        return None
    events = usual + from_experiment
    steps = max((len(counts) for counts in responses.values()), default=0)
    length = max([event.end_ms for event in events] + [float(steps * STEP_MS), float(STEP_MS)])
    factor = -(-steps // MOST_STEPS) or 1
    joined = {status: _joined(counts, factor) for status, counts in responses.items()}
    return Timeline(zero, length, STEP_MS * factor, joined, tuple(sorted(events, key=lambda e: e.at_ms)))


def zero_of(evidence: TrialDirectory, observation: Mapping[str, Any]) -> int:
    """The moment 0: when the load began, else the first line of the server's log; 0 where neither is known."""
    started = _load(observation).get("started_ns")
    if started:
        return int(started)
    with suppress(OSError, EOFError, ValueError):
        for line in islice(evidence.streams("app"), 1):
            return timestamps.moment_ns(timestamps.split_timestamp(line)[0])
    return 0


def log_events(evidence: TrialDirectory, zero_ns: int) -> list[Event]:
    """What the server's log tells (its streams, with the engine's timestamps); nothing where it cannot be read."""
    with suppress(OSError, EOFError):
        return from_log(evidence.streams("app"), zero_ns, "app")
    return []


def load_events(observation: Mapping[str, Any], zero_ns: int) -> list[Event]:
    """How long the load was on, where there was one."""
    load = _load(observation)
    if not (load.get("started_ns") and load.get("finished_ns")):
        return []
    begun, ended = ((load[name] - zero_ns) / 1e6 for name in ("started_ns", "finished_ns"))
    text = f"load: {load.get('connections', '?')} connections, {load.get('requests', '?')} requests"
    return [Event(begun, "note", text, "load", ended)]


def proxy_responses(evidence: TrialDirectory, zero_ns: int) -> dict[str, tuple[int, ...]]:
    """The proxy's answers per status and step, from its access log; empty where that has no clock of its own."""
    with suppress(OSError, EOFError):
        if not access_log.access_summary(islice(evidence.lines("proxy"), ENOUGH_LINES), zero_ns).lines:
            return {}
        return access_log.counts_per_step(access_log.access_summary(evidence.lines("proxy"), zero_ns).timeline())
    return {}


def _joined(counts: tuple[int, ...], factor: int) -> tuple[int, ...]:
    """Each ``factor`` steps in one."""
    return tuple(sum(counts[start : start + factor]) for start in range(0, len(counts), factor))


def _load(observation: Mapping[str, Any]) -> Mapping[str, Any]:
    load = observation.get("load")
    return load if isinstance(load, Mapping) else {}
