"""The limit of an observed start is that of the experiment, also on a slow machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from reprolab import InvalidTrial
from reprolab.core.waiting import PATIENCE
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.stack import starts as starts_module
from reprolab.stack.stack import Stack

STATE = {"StartedAt": "2026-11-27T00:00:00Z", "FinishedAt": "2026-11-27T00:00:02Z", "ExitCode": 3}


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A service that runs, and whose start is watched."""
    monkeypatch.setattr(starts_module, "engine_time_ns", lambda client: 2_000_000_000)
    services = {"blink-app": {"ports": [{"target": 8080}]}}
    made = Stack("blink", {"name": "p", "services": services}, tmp_path / "c", Mock(), (), TrialDirectory(tmp_path), {})
    made._containers["app"] = Mock(status="running", attrs={"State": STATE})
    made._containers["app"].logs.return_value = b""
    return made


def answers(stack: Stack, after: float, takes: float = 0.0) -> None:
    """Requests succeed ``after`` seconds from now; each takes so long."""
    moment = time.monotonic() + after

    def ask(path: str, role: str, timeout: float) -> tuple[bool, str]:
        time.sleep(min(takes, timeout))
        return time.monotonic() > moment and takes < timeout, "status"

    stack._ask = ask  # type: ignore[method-assign]


@pytest.mark.parametrize(("patience", "after", "answered"), [("1", 0.5, False), ("4", 0.1, True), ("4", 60.0, False)])
def test_a_start_within_the_limit_and_one_that_hangs_are_the_same_on_a_slow_machine(
    patience: str, after: float, answered: bool, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that does not answer in several times the limit hangs on any machine."""
    monkeypatch.setenv(PATIENCE, patience)
    answers(stack, after)
    assert stack.start(limit=0.2).answered is answered


def test_an_answer_in_the_time_that_was_added_makes_the_trial_invalid(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither did it answer in time, nor does it hang. What was seen is kept."""
    monkeypatch.setenv(PATIENCE, "20")
    answers(stack, 0.4)
    with pytest.raises(InvalidTrial, match=r"later than the limit of 0\.2 s, .*on a slow machine"):
        stack.start(limit=0.2)
    assert [start.answered for start in stack.starts] == [True]


def test_an_end_in_the_time_that_was_added_makes_the_trial_invalid(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the limit it would have been alive."""
    monkeypatch.setenv(PATIENCE, "20")
    answers(stack, 60)
    container: Any = stack.container("app")
    moment = time.monotonic() + 0.4
    container.reload = lambda: setattr(container, "status", "exited" if time.monotonic() > moment else "running")
    with pytest.raises(InvalidTrial, match="later than the limit"):
        stack.start(limit=0.2)


def test_an_answer_that_a_fast_machine_would_not_have_waited_for_makes_the_trial_invalid(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that needs long for each answer is not started for the experiment."""
    monkeypatch.setattr(starts_module, "ASK_LIMIT", 0.1)
    monkeypatch.setenv(PATIENCE, "20")
    answers(stack, 0, takes=0.3)
    with pytest.raises(InvalidTrial, match=r"a request waited 0\.3 s, longer than 0\.1 s"):
        stack.start(limit=5)
    monkeypatch.setenv(PATIENCE, "1")
    assert not stack.start(limit=0.5).answered
