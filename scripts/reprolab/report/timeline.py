"""The timeline of a trial: the responses in steps of time, and the events of all logs, on one clock."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from reprolab.core.errors import UsageError
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.evidence.wire_file import WIRE_FILE, exchanges, read_lines
from reprolab.logs import access_log, timestamps
from reprolab.logs.log_file import DamagedLog
from reprolab.logs.server_events import from_log, from_proxy_log
from reprolab.scenario.event import KINDS, Event
from reprolab.scenario.model import Experiment

__all__ = ["KINDS", "Event", "Timeline", "timeline"]

STEP_MS = access_log.BUCKET_MS
# A page can show this many steps (two minutes). Of a longer timeline, the steps are made longer.
MOST_STEPS = 1200
# Connections of a client that a page can show, each as a line.
MOST_EXCHANGES = 20
# Whether a log is an access log is decided by its first lines.
ENOUGH_LINES = 2000
# The page says itself that a log is damaged.
UNREADABLE = (OSError, DamagedLog)


@dataclass(frozen=True)
class Timeline:
    """A trial on one clock.

    ``zero_ns`` is the moment 0 in nanoseconds since the epoch, or 0 if only distances are known. ``length_ms`` is the
    end of the axis. ``responses`` counts, per status, the responses in each step of ``step_ms`` milliseconds.
    """

    zero_ns: int
    length_ms: float
    step_ms: int
    responses: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    events: tuple[Event, ...] = ()


def timeline(experiment: Experiment, evidence: TrialDirectory, observation: Mapping[str, Any]) -> Timeline | None:
    """The timeline of one trial; None if there is nothing to show, or only the start of a server.

    The lab reads the log lines of the server and of nginx before it, the start and the end of the load, and the access
    log of the proxy. The experiment's ``events`` are added to these; its ``responses`` and ``zero`` replace those of
    the lab. If ``zero`` returns 0, only distances are known, and no log is read.
    """
    zero = experiment.zero(evidence, observation) if experiment.zero else zero_of(evidence, observation)
    from_experiment = list(experiment.events(evidence, observation)) if experiment.events else []
    lab_events = log_events(evidence, zero) + load_events(observation, zero) if zero else []
    from_client = wire_events(evidence, zero) if zero else []
    if experiment.responses:
        responses = {status: tuple(n) for status, n in experiment.responses(evidence, observation).items()}
    else:
        responses = proxy_responses(evidence, zero) if zero else {}
    if not (
        responses
        or from_experiment
        or from_client
        or any(event.kind not in ("started", "note") for event in lab_events)
    ):
        return None
    events = lab_events + from_client + from_experiment
    steps = max((len(counts) for counts in responses.values()), default=0)
    length = max([event.end_ms for event in events] + [float(steps * STEP_MS), float(STEP_MS)])
    factor = -(-steps // MOST_STEPS) or 1
    joined = {status: _joined(counts, factor) for status, counts in responses.items()}
    return Timeline(zero, length, STEP_MS * factor, joined, tuple(sorted(events, key=lambda e: e.at_ms)))


def zero_of(evidence: TrialDirectory, observation: Mapping[str, Any]) -> int:
    """The moment 0 in ns since the epoch: the start of the load, else the first log line of the app; 0 if unknown."""
    if started := load_start(observation):
        return started
    # A container that was made anew during the trial has a log of its own; the first one's is app.1.
    for role in ("app.1", "app"):
        with suppress(*UNREADABLE, ValueError):
            for line in islice(evidence.streams(role), 1):
                return timestamps.moment_ns(timestamps.split_timestamp(line)[0])
    return 0


def load_start(observation: Mapping[str, Any]) -> int:
    """When the load of a trial began, in ns since the epoch; 0 without a load."""
    return int(load_figures(observation).get("started_ns") or 0)


def log_events(evidence: TrialDirectory, zero_ns: int) -> list[Event]:
    """The events in the streams of app and proxy, by the engine's timestamps; none of one that cannot be read."""
    events: list[Event] = []
    for role, read in (("app", from_log), ("proxy", from_proxy_log)):
        with suppress(*UNREADABLE):
            events += read(evidence.streams(role), zero_ns, role)
    return events


def load_events(observation: Mapping[str, Any], zero_ns: int) -> list[Event]:
    """One event that lasts as long as the load; empty without a load."""
    load = load_figures(observation)
    if not (load.get("started_ns") and load.get("finished_ns")):
        return []
    begun, ended = ((load[name] - zero_ns) / 1e6 for name in ("started_ns", "finished_ns"))
    text = f"load: {load.get('connections', '?')} connections, {load.get('requests', '?')} requests"
    return [Event(begun, "note", text, "load", ended)]


def wire_events(evidence: TrialDirectory, zero_ns: int) -> list[Event]:
    """An event for each connection of the client that speaks bytes, as long as it was open."""
    with suppress(UsageError):
        all_exchanges = list(exchanges(read_lines(evidence.path / WIRE_FILE)))
        events = [
            Event(
                (item.begun_ns - zero_ns) / 1e6,
                "note",
                f"#{item.connection} {item.request or 'no request'}: {item.outcome}",
                "client",
                (item.ended_ns - zero_ns) / 1e6,
            )
            for item in all_exchanges[:MOST_EXCHANGES]
        ]
        if more := all_exchanges[MOST_EXCHANGES:]:
            text = f"{len(more)} more connections: see {WIRE_FILE}"
            begun, ended = more[0].begun_ns, max(item.ended_ns for item in more)
            events.append(Event((begun - zero_ns) / 1e6, "note", text, "client", (ended - zero_ns) / 1e6))
        return events
    return []


def proxy_responses(evidence: TrialDirectory, zero_ns: int) -> dict[str, tuple[int, ...]]:
    """The proxy's responses per status and step, from its access log; empty if the log has no times."""
    with suppress(*UNREADABLE):
        if not access_log.access_summary(islice(evidence.lines("proxy"), ENOUGH_LINES), zero_ns).lines:
            return {}
        return access_log.counts_per_step(access_log.access_summary(evidence.lines("proxy"), zero_ns).timeline())
    return {}


def _joined(counts: tuple[int, ...], factor: int) -> tuple[int, ...]:
    """The sums of every ``factor`` steps."""
    return tuple(sum(counts[start : start + factor]) for start in range(0, len(counts), factor))


def load_figures(observation: Mapping[str, Any]) -> Mapping[str, Any]:
    """What wrk's load on a trial came to; empty without a load."""
    load = observation.get("load")
    return load if isinstance(load, Mapping) else {}
