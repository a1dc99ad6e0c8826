"""Finds what happened to the containers of a stack and is no part of its experiment. Such a trial is invalid.

A service that ends, is stopped, paused, removed or cut off from its network can look like the sign of a claim, or hide
it. What the experiment does itself it declares with `Stack.may_end`.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from reprolab.core.errors import InvalidTrial
from reprolab.engine.containers import PROJECT, role_of, state_words
from reprolab.engine.events import EventReader, RawEvent
from reprolab.engine.failures import guarded, raise_if_disk_full
from reprolab.logs.timestamps import moment_ns
from reprolab.stack.containers import NotStarted
from reprolab.stack.stack import Stack

EVENTS_FILE = "events.json"
START, DISCONNECT = "start", "disconnect"
ENDED = ("die", "destroy")
FROM_OUTSIDE = ("kill", "oom", "stop", "destroy", "restart", "pause", "update")
BY_THEMSELVES = (START, "die", "oom")
WORDS = {
    "kill": "was sent {}",
    "oom": "used more memory than it may",
    "die": "ended with exit status {}",
    "stop": "was stopped",
    "destroy": "was removed",
    "restart": "was restarted",
    "pause": "was paused",
    "update": "had its limits changed",
    DISCONNECT: "was cut off from the network {}",
}
NOT_MEANT = "which is no part of the experiment"
STARTED_AGAIN = "was started again"


@dataclass(frozen=True)
class ServiceEvent:
    """An event on the container of a role. ``detail`` is the signal, the exit status or the network, if it has one."""

    time_ns: int
    role: str
    action: str
    detail: str = ""


@contextmanager
def undisturbed(stack: Stack) -> Iterator[None]:
    """Watch the containers of a stack while the block runs; the events are written into the trial's evidence.

    Raises InvalidTrial, with the services, if something happened to them that is no part of the experiment.
    """
    reader = EventReader(stack.client, ("container", "network"), (START, *WORDS))
    guarded(reader.start, stack.client)
    try:
        try:
            yield
        except InvalidTrial as error:
            error.args = (stack.without_ids(str(error)),)
            # A server that did not start is reported with its last lines, unless somebody stopped it.
            alone = isinstance(error, NotStarted)
            if reason := guarded(lambda: _disturbance(stack, reader, alone=alone), stack.client):
                raise InvalidTrial(f"{reason}; after that: {error}") from error
            raise
        if reason := guarded(lambda: _disturbance(stack, reader), stack.client):
            raise InvalidTrial(reason)
    finally:
        reader.close()


def _disturbance(stack: Stack, reader: EventReader, *, alone: bool = False) -> str:
    """Write the events into the evidence; the reason why the trial is invalid, "" if there is none.

    ``alone``: there is none if the services ended by themselves. Raises EngineError if the engine's disk is full.
    """
    raise_if_disk_full(stack.client)
    events = service_events(reader.so_far(), stack.project)
    stack.evidence.write(EVENTS_FILE, [asdict(event) | _declared(event, stack) for event in events])
    if alone and not any(event.action in FROM_OUTSIDE for event in events):
        return ""
    declared = {role: time_ns for role, (time_ns, _) in stack.ends.items()}
    return reason_of(events, declared, stack.may_fail) or _cut_off(stack, events) or _silent(stack, events)


def _declared(event: ServiceEvent, stack: Stack) -> dict[str, str]:
    time_ns, why = stack.ends.get(event.role, (event.time_ns + 1, ""))
    return {"declared": why} if event.time_ns >= time_ns else {}


def _cut_off(stack: Stack, events: Sequence[ServiceEvent]) -> str:
    """A service that may fail to start, and was cut off before it ended. The engine itself does that afterwards."""
    for role in sorted(stack.may_fail - stack.ends.keys()):
        ends = [event for event in events if event.role == role and event.action == "die"]
        cuts = [event for event in events if event.role == role and event.action == DISCONNECT]
        if len(ends) == 1 and cuts:
            container = stack.container(role)
            container.reload()
            if cuts[0].time_ns < moment_ns(container.attrs["State"]["FinishedAt"]):
                return f"{role} {_words(cuts[0])} before it ended, {NOT_MEANT}"
    return ""


def _silent(stack: Stack, events: Sequence[ServiceEvent]) -> str:
    """The state of a container that does not run although the engine reported nothing of it."""
    for role in sorted({event.role for event in events if event.action == START} - stack.ends.keys() - stack.may_fail):
        if words := state_words(stack.container(role)):
            return f"{role} {words}, {NOT_MEANT}"
    return ""


def service_events(raw_events: Iterable[RawEvent], project: str) -> list[ServiceEvent]:
    """The events of one Compose project. Events of networks name a container's id, which those of its start give."""
    roles: dict[str, str] = {}
    events = []
    for raw in raw_events:
        attributes: Mapping[str, str] = raw["Actor"].get("Attributes") or {}
        if raw["Type"] == "container" and attributes.get(PROJECT) == project:
            role = roles[raw["Actor"]["ID"]] = role_of(attributes)
        elif raw["Type"] == "network" and raw["Action"] == DISCONNECT:
            role = roles.get(attributes.get("container", ""), "")
        else:
            role = ""
        if role:
            events.append(ServiceEvent(raw["timeNano"], role, raw["Action"], _detail(raw["Action"], attributes)))
    return events


def _detail(action: str, attributes: Mapping[str, str]) -> str:
    if action == "kill":
        return signal_name(attributes.get("signal", ""))
    return attributes.get({"die": "exitCode", DISCONNECT: "name"}.get(action, ""), "")


def signal_name(number: str) -> str:
    """SIGKILL for "9"; what is no number of a signal is returned as it is."""
    try:
        return signal.Signals(int(number)).name
    except ValueError:
        return number or "a signal"


def reason_of(
    events: Sequence[ServiceEvent], declared: Mapping[str, int], may_fail: Collection[str] = frozenset()
) -> str:
    """What happened to each service, in one sentence; "" if nothing did.

    ``declared`` is role -> the moment from which on the experiment may do anything with the service. The services of
    ``may_fail`` may end by themselves, and their restart policies may start them again.
    """
    reasons = []
    for role in dict.fromkeys(event.role for event in events):
        until = declared.get(role)
        unwanted = _unwanted(
            [event for event in events if event.role == role and (until is None or event.time_ns < until)]
        )
        alone = role in may_fail and all(event.action in BY_THEMSELVES for event in unwanted)
        if unwanted and not alone:
            words = dict.fromkeys(_words(event) for event in unwanted)
            moment = datetime.fromtimestamp(unwanted[0].time_ns // 1_000_000_000, UTC)
            reasons.append(f"{role} {_joined([*words])} at {moment:%H:%M:%S} UTC")
    return f"{'; '.join(reasons)}, {NOT_MEANT}" if reasons else ""


def _unwanted(events: Sequence[ServiceEvent]) -> list[ServiceEvent]:
    """The events of one role without its first start, and without what follows from its end."""
    actions = {event.action for event in events}
    first = next((n for n, event in enumerate(events) if event.action == START), len(events))
    unwanted = [event for n, event in enumerate(events) if n != first]
    if actions & set(ENDED):
        # The engine disconnects a container that ends.
        unwanted = [event for event in unwanted if event.action != DISCONNECT]
    if "restart" in actions:
        unwanted = [event for event in unwanted if event.action != START]
    return unwanted


def _words(event: ServiceEvent) -> str:
    return WORDS.get(event.action, STARTED_AGAIN).format(event.detail)


def _joined(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
