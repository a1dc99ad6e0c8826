"""What happens to a stack from outside its experiment makes the trial invalid, and the reason can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from docker.errors import NotFound
from reprolab.core import files
from reprolab.core.errors import InvalidTrial
from reprolab.engine import labels
from reprolab.engine.containers import PROJECT, SERVICE, role_of
from reprolab.engine.events import EventReader, in_order
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.stack.containers import NotStarted
from reprolab.stack.disturbances import reason_of, service_events, signal_name, undisturbed
from reprolab.stack.stack import Stack

SECOND = 1_000_000_000
NOON = 1_780_315_200 * SECOND  # 2026-06-01 12:00:00 UTC
IDS = {"app": "a" * 64, "proxy": "b" * 64}
NOT_MEANT = "which is no part of the experiment"


def raw(action: str, role: str = "proxy", at: float = 0, *, project: str = "blink-1", **attributes: str) -> Any:
    """An event of the engine on the container of a role, ``at`` seconds after noon."""
    own = {PROJECT: project, SERVICE: f"blink-{role}", labels.SCENARIO: "blink", **attributes}
    return {
        "Type": "container",
        "Action": action,
        "Actor": {"ID": IDS[role], "Attributes": own},
        "timeNano": NOON + int(at * SECOND),
    }


def cut(role: str, at: float) -> Any:
    """The event of a network that loses a container; it has no labels."""
    attributes = {"container": IDS[role], "name": "blink-1_default", "type": "bridge"}
    actor = {"ID": "c" * 64, "Attributes": attributes}
    return {"Type": "network", "Action": "disconnect", "Actor": actor, "timeNano": NOON + int(at * SECOND)}


START = [raw("start", "app", 0), raw("start", "proxy", 1)]
KILLED = [*START, raw("kill", at=5, signal="9"), raw("die", at=5.2, exitCode="137"), cut("proxy", 5.3)]


def reason(*events: Any, **declared: int) -> str:
    """The reason for these events of the engine; ``proxy=5`` declares that from second 5 on it may end."""
    return reason_of(
        service_events(events, "blink-1"), {role: NOON + second * SECOND for role, second in declared.items()}
    )


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], ""),
        (KILLED[2:], "proxy was sent SIGKILL and ended with exit status 137 at 12:00:05 UTC"),
        ([raw("die", at=7, exitCode="1")], "proxy ended with exit status 1 at 12:00:07 UTC"),
        (
            [raw("oom", at=3), raw("die", at=3, exitCode="137")],
            "proxy used more memory than it may and ended with exit status 137 at 12:00:03 UTC",
        ),
        ([raw("pause", at=4), raw("unpause", at=9)], "proxy was paused at 12:00:04 UTC"),
        ([raw("update", at=4)], "proxy had its limits changed at 12:00:04 UTC"),
        ([cut("app", 4)], "app was cut off from the network blink-1_default at 12:00:04 UTC"),
        (
            [
                raw("kill", at=2, signal="15"),
                raw("die", at=2, exitCode="0"),
                raw("stop", at=2),
                raw("start", at=3),
                raw("restart", at=3),
            ],
            "proxy was sent SIGTERM, ended with exit status 0, was stopped and was restarted at 12:00:02 UTC",
        ),
        (
            [raw("die", at=2, exitCode="0"), raw("start", at=3)],
            "proxy ended with exit status 0 and was started again at 12:00:02 UTC",
        ),
        (
            [raw("pause", "app", at=2), raw("destroy", at=3)],
            "app was paused at 12:00:02 UTC; proxy was removed at 12:00:03 UTC",
        ),
        ([raw("die", at=2, project="blink-2", exitCode="1")], ""),
    ],
)
def test_the_reason_names_service_exit_status_and_time(events: list[Any], expected: str) -> None:
    """Nothing else is named: no id, no other stack, no disconnection that follows from an end."""
    events = [event for event in events if event["Action"] != "unpause"]
    assert reason(*START, *events) == (f"{expected}, {NOT_MEANT}" if expected else "")


def test_what_the_experiment_declares_is_its_own() -> None:
    """From the moment of the declaration on, and only for that service."""
    assert reason(*KILLED, proxy=5) == ""
    assert "proxy was sent SIGKILL" in reason(*KILLED, proxy=6)
    assert "proxy was sent SIGKILL" in reason(*KILLED, app=5)


@pytest.mark.parametrize(
    ("number", "name"), [("9", "SIGKILL"), ("15", "SIGTERM"), ("SIGHUP", "SIGHUP"), ("", "a signal")]
)
def test_signals_have_names(number: str, name: str) -> None:
    """Engines give a number or a name."""
    assert signal_name(number) == name


def test_events_are_in_order_and_once() -> None:
    """The stream and the last look both have some of them."""
    assert in_order([*KILLED[2:], *KILLED]) == KILLED


def test_a_role_is_the_name_of_a_service_without_its_scenario() -> None:
    """A container that is no service has none."""
    assert role_of({SERVICE: "pool-freeze-app", labels.SCENARIO: "pool-freeze"}) == "app"
    assert role_of({}) == ""


class Stream:
    """A stream of events that ends when it is closed."""

    def __init__(self, events: list[Any]) -> None:
        self.events = events

    def __iter__(self) -> Iterator[Any]:
        return iter(self.events)

    def close(self) -> None:
        """Nothing holds it."""


class Containers:
    """The engine's containers: those of IDS, without the removed ones."""

    def __init__(self, client: FakeEngine) -> None:
        self.client = client

    def list(self, *, filters: Any, **_: Any) -> list[Any]:
        """The container of one service."""
        role = filters["label"][1].rpartition("-")[2]
        return [] if role in self.client.removed else [FakeContainer(self.client, role)]


class FakeContainer:
    """A container in some state."""

    status = "running"

    def __init__(self, client: FakeEngine, role: str) -> None:
        self.client, self.role, self.id, self.short_id = client, role, IDS[role], IDS[role][:12]
        self.attrs: dict[str, Any] = {"State": {"Running": True}}

    def reload(self) -> None:
        """Read its state again."""
        if self.role in self.client.removed:
            raise NotFound(f"No such container: {self.id}")
        self.attrs["State"] = {"Running": True} | self.client.states.get(self.role, {})


class FakeEngine:
    """An engine that had these events."""

    def __init__(self, *events: Any, removed: tuple[str, ...] = (), **states: Any) -> None:
        self.seen, self.removed, self.states = list(events), removed, states
        self.containers, self.api = Containers(self), SimpleNamespace(base_url="http+docker://localhost")

    def info(self) -> dict[str, str]:
        return {"SystemTime": "2026-06-01T12:00:04.123456789+00:00", "DockerRootDir": "/nowhere"}

    def ping(self) -> bool:
        return True

    def events(self, *, since: str, until: str | None, filters: Any, decode: bool) -> Stream:
        """All events, or only the last two: an engine forgets."""
        assert decode and float(since) > 0 and set(filters) == {"type", "event"}
        wanted = [event for event in self.seen if event["Action"] in filters["event"]]
        return Stream(wanted[-2:] if until else wanted)


def stack(engine: FakeEngine, tmp_path: Path) -> Stack:
    """A stack with two services on this engine."""
    client: Any = engine
    model = {"name": "blink-1", "services": {"blink-app": {}, "blink-proxy": {}}}
    return Stack("blink", model, tmp_path / "c.json", client, ("compose",), TrialDirectory(tmp_path), {})


def test_a_trial_whose_proxy_was_killed_is_invalid(tmp_path: Path) -> None:
    """Though the experiment saw no error; the events are in the evidence."""
    with (
        pytest.raises(InvalidTrial, match="proxy was sent SIGKILL") as caught,
        undisturbed(stack(FakeEngine(*KILLED), tmp_path)),
    ):
        pass
    assert IDS["proxy"] not in str(caught.value)
    kept = files.read_json(tmp_path / "events.json")
    assert [row["action"] for row in kept] == ["start", "start", "kill", "die", "disconnect"]


def test_an_undisturbed_trial_is_valid(tmp_path: Path) -> None:
    """Its events are kept too."""
    with undisturbed(stack(FakeEngine(*START), tmp_path)):
        pass
    assert len(files.read_json(tmp_path / "events.json")) == 2


def test_a_declared_end_is_valid_and_says_why(tmp_path: Path) -> None:
    """The evidence has the experiment's own reason."""
    up = stack(FakeEngine(*KILLED), tmp_path)
    with undisturbed(up):
        up.may_end("proxy", "the experiment ends it")
    assert files.read_json(tmp_path / "events.json")[-1]["declared"] == "the experiment ends it"
    with pytest.raises(InvalidTrial, match="no service in the role 'prxy'"):
        up.may_end("prxy", "")


def test_what_the_experiment_saw_then_comes_after_the_reason(tmp_path: Path) -> None:
    """With the name of the service in place of its id."""
    up = stack(FakeEngine(*KILLED), tmp_path)
    with (
        pytest.raises(InvalidTrial, match=r"^proxy was sent .*; after that: No such container: proxy$"),
        undisturbed(up),
    ):
        raise InvalidTrial(f"No such container: {up.container('proxy').id}")


def test_a_server_that_does_not_start_has_its_own_words(tmp_path: Path) -> None:
    """They have the exit status and the last lines."""
    events = [*START, raw("die", "app", at=2, exitCode="64")]
    with (
        pytest.raises(NotStarted, match=r"^app did not start: exit code 64$"),
        undisturbed(stack(FakeEngine(*events), tmp_path)),
    ):
        raise NotStarted("app did not start: exit code 64")


def test_a_server_that_somebody_killed_before_it_had_started(tmp_path: Path) -> None:
    """That is not its own failure to start."""
    events = [*START, raw("kill", "app", at=2, signal="9"), raw("die", "app", at=2, exitCode="137")]
    with (
        pytest.raises(InvalidTrial, match=r"^app .*was sent SIGKILL .*; after that: app did not start"),
        undisturbed(stack(FakeEngine(*events), tmp_path)),
    ):
        raise NotStarted("app did not start: exit code 137")


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (FakeEngine(*START, app={"Paused": True}), "app is paused"),
        (FakeEngine(*START, proxy={"Running": False, "ExitCode": 137}), "proxy has ended with exit status 137"),
    ],
)
def test_a_state_without_an_event_is_seen(engine: FakeEngine, expected: str, tmp_path: Path) -> None:
    """An engine may not report all that happens."""
    with pytest.raises(InvalidTrial, match=f"^{expected}, {NOT_MEANT}$"), undisturbed(stack(engine, tmp_path)):
        pass


def test_events_that_the_engine_has_forgotten_were_read_in_time(tmp_path: Path) -> None:
    """The engine keeps few events; the thread has read all of them."""
    engine: Any = FakeEngine(*KILLED)
    reader = EventReader(engine, ("container",), ("start", "kill", "die"))
    reader.start()
    for _ in range(100):
        if len(reader.so_far()) == 4:
            break
    reader.close()
    assert [event["Action"] for event in reader.so_far()] == ["start", "start", "kill", "die"]


def test_a_removed_container_has_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The logs of the other services are written; the trial is invalid, not the run."""
    engine = FakeEngine(*START)
    up = stack(engine, tmp_path)
    up.container("app"), up.container("proxy")
    engine.removed = ("proxy",)

    def capture(self: Stack, role: str, container: Any, docker_cli: str) -> dict[str, Any]:
        container.reload()
        return {"Status": "running"}

    monkeypatch.setattr(Stack, "_capture_container", capture)
    with pytest.raises(InvalidTrial, match=r"^no log of proxy: the container was removed$"):
        up.capture("docker")
    assert files.read_json(tmp_path / "containers.json") == {
        "app": {"Status": "running"},
        "proxy": {"missing": "its container was removed"},
    }


def test_the_reader_uses_the_clock_of_the_engine() -> None:
    """In whatever zone the engine is."""
    client: Any = docker.DockerClient.__new__(docker.DockerClient)
    for text in ("2026-06-01T12:00:00.5Z", "2026-06-01T21:00:00.500000001+09:00"):
        client = SimpleNamespace(info=lambda text=text: {"SystemTime": text}, events=lambda **_: Stream([]))
        reader = EventReader(client, (), ())
        reader.start()
        reader.close()
        assert reader.since_ns == NOON + SECOND // 2
