"""pool-freeze without Docker: its tasks, signs and rates on a recorded run, what makes a trial invalid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cases import ROOT
from reprolab import InvalidTrial
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Scenario
from reprolab.verdict.decide import decide
from reprolab.verdict.document import Rate
from reprolab.verdict.judge import count, judge
from test_wait_graph import call, serving

DIRECTORY = ROOT / "scenarios" / "pool-freeze"
RUN = RunDirectory(Path(__file__).parent / "data" / "pool-freeze")


@pytest.fixture(scope="module")
def found() -> Scenario:
    """The scenario."""
    return loader.load(ROOT, "pool-freeze")


@pytest.fixture(scope="module")
def freeze(found: Scenario) -> ModuleType:
    """The experiment's module."""
    return sys.modules[found.experiments["freeze"].drive.__module__]


def observed(variant: str, experiment: str = "freeze") -> dict[str, Any]:
    """What the recorded run saw in a variant."""
    for trial in RUN.trials():
        if (trial.experiment, trial.variant) == (experiment, variant) and trial.valid:
            return json.loads(json.dumps(trial.observation))
    raise AssertionError(f"tests/data/pool-freeze has no valid trial of {experiment}/{variant}: record it anew")


def frozen(observation: dict[str, Any]) -> dict[str, Any]:
    """The first attempt that froze, which was looked at closely."""
    return next(one for one in observation["attempts"] if one["frozen"])


def claims(found: Scenario) -> dict[str, Claim]:
    """By id."""
    return {claim.id: claim for claim in found.claims}


# -- frozen or slow ---------------------------------------------------------------------------------


def test_a_lock_beside_a_servers_loop_is_lost_after_seconds_only(freeze: ModuleType) -> None:
    """Two looks in a row do not tell it; none of the family moved for three seconds does."""
    asking = sys.modules[freeze.answer_or_stuck.__module__]
    looks = [(when, serving(call("poll", 0x7F, 1, 500), round(10 * when))) for when in (0.0, 0.3, 0.6, 2.9)]
    assert [asking.held(looks[:n], 1) for n in range(1, 5)] == [[], [], [], []]
    looks.append((3.2, serving(call("poll", 0x7F, 1, 500), 99)))
    assert [link.wait.kind for link in asking.held(looks, 1)] == ["lock", "lock"]
    assert asking.held(looks, None) == []


# -- the application --------------------------------------------------------------------------------


def run(found: Scenario, *command: str, **factors: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the application's directory with these factors."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**found.factors, "PATH": path, "UPSTREAM": "x", "PYTHONDONTWRITEBYTECODE": "1", **factors}
    return subprocess.run(command, env=env, cwd=DIRECTORY / "app", capture_output=True, text=True, check=False)


ONE = "import json, tasks; print(json.dumps(repr(tasks.task(int({!r})))))"


@pytest.mark.parametrize(
    ("outcome", "returned"),
    [
        ("none", "None"),
        ("return-exception", "ValueError('task 5 fails')"),
        ("return-traceback", "<traceback object"),
        ("return-text", "Traceback (most recent call last)"),
    ],
)
def test_what_becomes_of_task_5(found: Scenario, outcome: str, returned: str) -> None:
    """It says that it begins and that it is done, whatever it returns; the others return None."""
    fifth = run(found, sys.executable, "-c", ONE.format("5"), TASK="nothing", OUTCOME=outcome)
    *lines, result = fifth.stdout.splitlines()
    assert lines == ["task 5 begins", "task 5 done: nothing"]
    assert json.loads(result).lstrip("'\"").startswith(returned)
    fourth = run(found, sys.executable, "-c", ONE.format("4"), TASK="nothing", OUTCOME=outcome)
    assert fourth.stdout.endswith('"None"\n')


def test_task_5_raises_when_its_work_is_done(found: Scenario) -> None:
    """And no other does."""
    fifth = run(found, sys.executable, "-c", ONE.format("5"), TASK="nothing", OUTCOME="raise")
    assert fifth.stdout == "task 5 begins\ntask 5 done: nothing\n"
    assert fifth.stderr.endswith("ValueError: task 5 fails\n")
    assert run(found, sys.executable, "-c", ONE.format("1"), TASK="nothing", OUTCOME="raise").returncode == 0


RELEASED = """
import gc, tasks
gc.disable()
ended = []
tasks.Late.__del__ = lambda late: ended.append(late)
try:
    tasks.late_raise(5)
except ValueError:
    print("raised")
print("released:", len(ended))
"""


def test_what_task_5_raised_is_released_with_its_last_name(found: Scenario) -> None:
    """A cycle would keep it: the child of late-raise would come back to the queue at once, and take task 4."""
    done = run(found, sys.executable, "-c", RELEASED, TASK="nothing", OUTCOME="raise")
    assert done.stdout.splitlines()[-2:] == ["raised", "released: 1"], done.stderr


WRAPPED = "import carried, tasks; print(vars(carried.{}(tasks.task, {})))"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        # A tuple is no 5: nothing is raised, and the task's own result comes back, which has no variables.
        (("as_written", "(5,)"), "vars() argument must have __dict__"),
        (("as_written", "5"), "NameError: name 'this' is not defined"),
        (("as_meant", "(5,)"), "{'kind': <class 'ValueError'>, 'words': ('task 5 fails',)"),
    ],
)
def test_the_wrapper_with_its_slips_and_without(found: Scenario, call: tuple[str, str], said: str) -> None:
    """`this` for `self`, and arguments that are not spread: what the document's says is what runs."""
    done = run(found, sys.executable, "-c", WRAPPED.format(*call), TASK="nothing")
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SERVER": "apache"}, "SERVER has no value apache"),
        ({"TASK": "ftp"}, "TASK is one of"),
        ({"OUTCOME": "explode"}, "OUTCOME is one of"),
        ({"HANDLER": "none"}, "HANDLER is one of"),
        ({"RUNNER": "hope"}, "RUNNER is one of document wrapper-as-written"),
        ({"SERVER": "runserver", "HANDLER": "noting"}, "use SERVER=runserver-noreload"),
    ],
)
def test_start_refuses_a_value_it_does_not_know(found: Scenario, changes: dict[str, str], said: str) -> None:
    """A misspelt factor is not silently another variant."""
    done = run(found, "sh", str(DIRECTORY / "start.sh"), **changes)
    assert done.returncode != 0 and said in done.stderr


# -- signs on the recorded run ----------------------------------------------------------------------


def test_every_claim_is_decided_as_recorded(found: Scenario) -> None:
    """The recorded trials give the verdicts that are on record."""
    verdict = judge(found, "recorded", RUN.trials())
    recorded = json.loads((DIRECTORY / "recorded.json").read_text(encoding="utf-8"))
    now = {claim.id: claim.verdict for claim in verdict.claims}
    assert now == {claim["id"]: claim["verdict"] for claim in recorded["claims"]}
    assert "inconclusive" not in now.values()


def test_rates_are_counted_over_requests(found: Scenario) -> None:
    """k of n requests with the interval, in verdict.json and in its words."""
    verdict = judge(found, "recorded", RUN.trials())
    row = verdict.claim("PF-9")
    assert row is not None
    assert row.variants["freeze/handler-default"].count.rate == Rate(0, 60, (0.0, 0.0602))
    documented = row.variants["freeze/documented"].count.rate
    assert documented is not None and documented.interval[0] > 0.5
    assert "0/60 (0–6 %)" in row.why
    assert verdict.signs["PF-9"]["freeze/nothing"].rate is not None


@pytest.mark.parametrize(
    ("identifier", "variant", "change"),
    [
        ("PF-1", "documented", lambda o: o.update(frozen=5)),
        ("PF-2", "late", lambda o: o["attempts"][0]["finished"].pop("4")),
        ("PF-3", "late", lambda o: o.update(frozen=o["asked"] - 1)),
        ("PF-9", "documented", lambda o: o.update(frozen=0)),
        ("PF-8", "documented", lambda o: frozen(o).update(kinds=["child", "pipe"])),
        ("PF-8", "documented", lambda o: o["unfinished"].append(["4"])),
        (
            "PF-8",
            "documented",
            lambda o: frozen(o)["seen"].update(functions={str(frozen(o)["worker"]): []}),
        ),
        ("PF-13", "wrapper-as-written-value", lambda o: [a.update(raised="") for a in o["attempts"]]),
        ("PF-19", "sending", lambda o: o.update(lock_lost=0)),
    ],
)
def test_a_sign_can_come_out_false(found: Scenario, identifier: str, variant: str, change: Any) -> None:
    """It shows in what was recorded, and not once that is changed in one place."""
    sign = claims(found)[identifier].sign
    seen = observed(variant)
    assert sign(seen) is True
    change(seen)
    assert sign(seen) is False


@pytest.mark.parametrize(
    ("identifier", "variant", "change"),
    [
        ("PF-16", "timeout-3", {"orphans": 0}),
        ("PF-16", "timeout-3", {"killed_after_s": None}),
        ("PF-16", "timeout-3", {"worker_gone": False}),
        ("PF-17", "timeout-3", {"client": "closed"}),
        ("PF-17", "timeout-3", {"client_after_orphans": "still waiting"}),
        ("PF-18", "gthread", {"killed_after_s": 3.2}),
        ("PF-18", "gthread", {"frozen": False}),
    ],
)
def test_a_sign_of_the_orphans_can_come_out_false(
    found: Scenario, identifier: str, variant: str, change: dict[str, Any]
) -> None:
    """As above."""
    sign = claims(found)[identifier].sign
    seen = observed(variant, "orphans")
    assert sign(seen) is True
    assert sign(seen | change) is False


def test_a_lost_lock_is_another_freeze(found: Scenario, freeze: ModuleType) -> None:
    """Its chain holds no child, it counts for PF-19 alone, and nobody but the worker can be ended to free it."""
    seen = observed("sending")
    assert seen["frozen"] == 0 and claims(found)["PF-9"].sign(seen) is False
    lost = [one for one in seen["attempts"] if one["lock_lost"]]
    assert all("child" not in one["kinds"] and "lock" in one["kinds"] for one in lost)
    assert not any(freeze.answered(one) for one in lost)
    first = next(one for one in lost if one["seen"])
    names = {name for stack in first["seen"]["functions"][str(first["worker"])] for name in stack}
    assert any("_handle_tasks" in name for name in names) and any("put" in name for name in names)


def test_a_full_pipe_is_no_lost_lock(freeze: ModuleType) -> None:
    """The holder of the lock lives and sends, and nobody reads: PF-19 is about a holder that has ended."""
    lost = [one for one in observed("sending")["attempts"] if one["lock_lost"]]
    assert freeze.lost_locks(lost) == len(lost) > 0
    lost[0]["kinds"].append("full-pipe")
    assert freeze.lost_locks([*lost, {"lock_lost": False}]) == len(lost) - 1


def test_how_a_freeze_looks_cannot_be_told_without_one(found: Scenario) -> None:
    """A trial without a frozen request does not count for that claim, and its sign does not call it absent."""
    (trial,) = [t for t in RUN.trials() if (t.experiment, t.variant) == ("freeze", "handler-default")]
    seen = count(claims(found)["PF-8"], [trial])
    assert (seen.trials, seen.not_exercised, seen.errors) == (0, 1, ())
    with pytest.raises(ValueError, match="no request froze"):
        claims(found)["PF-8"].sign(trial.observation)


# -- triggers ---------------------------------------------------------------------------------------


def nothing_raised(o: dict[str, Any]) -> None:
    """No request raised."""
    for attempt in o["attempts"]:
        attempt["raised"] = ""


def five_last(o: dict[str, Any]) -> None:
    """Task 5 ended after all others."""
    for attempt in o["attempts"]:
        attempt["finished"] = dict.fromkeys("12345", "200")


def all_raised(o: dict[str, Any]) -> None:
    """Each request raised."""
    for attempt in o["attempts"]:
        attempt["raised"] = "task 5 fails"


def no_five(o: dict[str, Any]) -> None:
    """Task 5 never did its work."""
    for attempt in o["attempts"]:
        attempt["finished"].pop("5")


def small(o: dict[str, Any]) -> None:
    """No result was large."""
    for attempt in o["attempts"]:
        attempt["finished"] = dict.fromkeys(attempt["finished"], "200")


def caught(o: dict[str, Any]) -> None:
    """The children catch SIGTERM."""
    o["sigterm"]["children"] = ["caught"]


def default(o: dict[str, Any]) -> None:
    """The children do not catch SIGTERM."""
    o["sigterm"]["children"] = ["default"]


@pytest.mark.parametrize(
    ("identifier", "variant", "change"),
    [
        ("PF-1", "handler-default", nothing_raised),
        ("PF-1", "handler-default", five_last),
        ("PF-2", "documented", lambda o: o.update(frozen=0)),
        ("PF-3", "return-traceback", nothing_raised),
        ("PF-3", "return-text", all_raised),
        ("PF-4", "wrapper-at-once", nothing_raised),
        ("PF-5", "python-3.9", five_last),
        ("PF-6", "script", five_last),
        ("PF-7", "documented", nothing_raised),
        ("PF-7", "no-exception", all_raised),
        ("PF-8", "late", lambda o: o.update(frozen=0)),
        ("PF-9", "documented", default),
        ("PF-9", "handler-default", caught),
        ("PF-10", "held", default),
        ("PF-10", "late-handler-default", caught),
        ("PF-11", "settled", default),
        ("PF-11", "settled", nothing_raised),
        ("PF-12", "threads", nothing_raised),
        ("PF-13", "wrapper-at-once", no_five),
        ("PF-14", "script", nothing_raised),
        ("PF-15", "runserver-noreload", five_last),
        ("PF-16", "long-task-handler-default", lambda o: o.update(killed_after_s=None)),
        ("PF-16", "long-task-handler-default", lambda o: o.update(children=0)),
        ("PF-17", "long-task-handler-default", lambda o: o.update(worker_gone=False)),
        ("PF-18", "timeout-3", lambda o: o.update(frozen=False)),
        ("PF-19", "sending-close-join", small),
    ],
)
def test_a_trial_that_provoked_nothing_does_not_count(
    found: Scenario, identifier: str, variant: str, change: Any
) -> None:
    """One fact changed, so that what the claim is about did not happen in one variant that it needs."""
    claim = claims(found)[identifier]
    rows = [t for t in RUN.trials() if t.variant == variant]
    rows = [t for t in rows if (t.experiment == "orphans") == (identifier in ("PF-16", "PF-17", "PF-18"))]
    assert count(claim, rows).trials == len(rows) == 1
    observation = json.loads(json.dumps(rows[0].observation))
    change(observation)
    total = count(claim, [replace(rows[0], observation=observation)])
    assert (total.trials, total.not_exercised, total.errors) == (0, 1, ())
    # Without the other variants, some of which refute the claim by themselves.
    decision = decide(claim, {variant: total})
    assert decision.verdict == "inconclusive" and f"{variant} was not exercised" in decision.why


def test_requests_of_one_trial_that_differ_cannot_be_judged(freeze: ModuleType) -> None:
    """A task that raised in some requests only, or children that differ: an error, neither exercised nor not."""
    seen = observed("documented")
    seen["attempts"][3]["raised"] = ""
    with pytest.raises(ValueError, match="some requests only"):
        freeze.task_raised(seen)
    # The lab had to end this request's worker, which prints no end.
    seen["attempts"][3]["lock_lost"] = True
    assert freeze.task_raised(seen) is True
    for sigterm in (None, {"worker": "caught", "children": ["caught", "default"]}):
        with pytest.raises(ValueError, match="SIGTERM"):
            freeze.sigterm_caught({"sigterm": sigterm})
    five_last(seen)
    with pytest.raises(ValueError, match="not left"):
        freeze.left_with_catching_children(seen)


# -- from the log -----------------------------------------------------------------------------------


def test_outputs_of_the_recorded_log(freeze: ModuleType) -> None:
    """Each request has the tasks that it began and finished; a frozen one ended because its children were ended."""
    lines = TrialDirectory(RUN.path / "freeze" / "documented" / "1").lines("app")
    found = freeze.outputs_by_request(line.decode() for line in lines)
    assert sorted(found) == list(range(1, 11))
    assert all(one["begun"][:3] in (["1", "2", "5"], ["2", "1", "5"]) for one in found.values())
    assert all(set(one["finished"]) >= {"1", "2", "5"} for one in found.values())
    assert all("task 5 fails" in one["raised"] for one in found.values())


def test_lines_of_others_are_passed_over(freeze: ModuleType) -> None:
    """gunicorn's own lines, half lines, and the wrapper's tuples for values."""
    stamp = "2026-01-01T00:00:00.0Z "
    text = [
        f"{stamp}[2026-01-01 00:00:00 +0000] [7] [INFO] Booting worker with pid: 12",
        f"{stamp}[15 of 12] task 1 begins",
        f"{stamp}[12 of 7] request 3 begins",
        f"{stamp}[15 of 12] task (1,) begins",
        f"{stamp}[15 of 12] task (1,) done: 200",
        f"{stamp}[15 of 12] task 2 begins",
        f"{stamp}[12 of 7] request 3 ends",
    ]
    assert freeze.outputs_by_request(text) == {
        3: {"worker": 12, "begun": ["1", "2"], "finished": {"1": "200"}, "raised": ""}
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"finished": {"1": "503"}}, "the upstream answered 503"),
        ({"raised": "ConnectionError('refused')"}, "failed otherwise than by task 5"),
        ({"status": "200"}, "answered 200"),
        ({"begun": None}, "never began"),
    ],
)
def test_a_request_that_did_something_else_is_no_evidence(
    freeze: ModuleType, change: dict[str, Any], said: str
) -> None:
    """A neighbour that fails, an error of another kind, an answer that does not fit."""
    fine = {"number": 1, "frozen": False, "status": "500", "begun": ["1"], "finished": {"1": "200"}}
    fine["raised"] = "task 5 fails"
    freeze.check_attempt(fine)
    other = {key: value for key, value in (fine | change).items() if value is not None}
    with pytest.raises(InvalidTrial, match=said):
        freeze.check_attempt(other)
