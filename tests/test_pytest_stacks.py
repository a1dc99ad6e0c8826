"""The fixture reprolab_stack on a stack without containers: always removed, and described where a test fails."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cases import LOADED, lay_out
from reprolab.core import locks
from reprolab.core.errors import BuildError, EngineError, InvalidTrial, UsageError
from reprolab.engine.leftovers import Removed
from reprolab.pytest_plugin import stacks
from reprolab.pytest_plugin.selection import lab_root
from reprolab.scenario.model import Scenario
from reprolab.stack.load import StackLoad

pytest_plugins = ["pytester"]

ENGINE = SimpleNamespace(
    kernel="6.1",
    cgroup="v2",
    architecture="x86_64",
    os="",
    version="20.10",
    compose="2.26",
    buildx="0.10",
    docker="d",
    host="",
)
ESCAPE = "\x1b[2J"


class FakeStack:
    """A stack that writes down what is done with it. ``fails`` is what ``up`` raises."""

    fails: BaseException | None = None
    done: list[str]
    roles: Mapping[str, str] = {"app": "blink-app"}
    scenario, project, compose, client = "blink", "reprolab-blink-1", ("docker", "compose"), None

    def __init__(self, factors: Mapping[str, str], evidence: Any) -> None:
        self.factors, self.evidence = factors, evidence
        self.done.append(f"made {' '.join(f'{name}={value}' for name, value in factors.items())}".rstrip())

    def up(self) -> None:
        self.done.append("up")
        if self.fails is not None:
            raise self.fails

    def down(self) -> None:
        self.done.append("down")

    def capture(self, docker_cli: str) -> None:
        self.done.append("logs saved")
        self.evidence.write_text("app.log.gz", "log")


def look(stack: Any, reason: str) -> None:
    """Takes the place of a look at containers."""
    stack.done.append("looked at")
    stack.evidence.write_text("failure/app/last-lines.txt", f"{ESCAPE}last words\n")
    stack.evidence.write_text("failure/app/summary.txt", "one process\n")


@pytest.fixture
def done(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done with stacks. The lab is the directory in which the inner pytest runs."""
    lay_out(pytester.path)
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    monkeypatch.setenv("REPROLAB_ROOT", str(pytester.path))
    log: list[str] = []
    monkeypatch.setattr(FakeStack, "done", log, raising=False)

    def prepared(scenario: Scenario, experiment: Any, factors: Any, engine: Any, api: Any, evidence: Any) -> FakeStack:
        return FakeStack(factors, evidence)

    monkeypatch.setattr(stacks, "_prepared", prepared)
    monkeypatch.setattr(stacks, "ensure_engine", lambda on_progress: ENGINE)
    monkeypatch.setattr(stacks, "client", lambda: None)
    monkeypatch.setattr(stacks, "no_answer", lambda api: "")
    monkeypatch.setattr(stacks, "keep_failure", look)
    monkeypatch.setattr(stacks.leftovers, "remove_leftovers", lambda api: Removed())
    return log


def run(pytester: pytest.Pytester, body: str, *words: str) -> pytest.RunResult:
    """Run a test with this body."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    pytester.makepyfile(f"import pytest\n\ndef test_it(reprolab_stack):\n{lines}")
    return pytester.runpytest_inprocess(*LOADED, *words, no_reraise_ctrlc=True)


def evidence(pytester: pytest.Pytester) -> list[Path]:
    """The directories of the stacks of tests."""
    return sorted((pytester.path / "results/pytest/blink").glob("2*"))


def test_a_test_that_passes_leaves_nothing(pytester: pytest.Pytester, done: list[str]) -> None:
    """Neither containers nor files. A number is a value too."""
    run(
        pytester, 'stack = reprolab_stack("blink", WORKERS=4)\nassert stack.factors == {"WORKERS": "4"}'
    ).assert_outcomes(passed=1)
    assert done == ["made WORKERS=4", "up", "down"]
    assert evidence(pytester) == []


def test_a_failed_test_tells_what_the_stack_did(pytester: pytest.Pytester, done: list[str]) -> None:
    """Logs, processes and the last load, each in a section, and where the evidence is; a terminal obeys none of it."""
    body = 'stack = reprolab_stack("blink", WORKERS="4")\nstack.evidence.write_text("wrk.txt", "502 of 9")\nassert 0'
    result = run(pytester, body, "--junitxml=out.xml")
    (directory,) = evidence(pytester)
    result.stdout.fnmatch_lines(
        [
            "*- reprolab blink -*",
            "WORKERS=4",
            f"evidence: results/pytest/blink/{directory.name}/",
            "*- reprolab blink: last 50 lines of app -*",
            "*last words",
            "*- reprolab blink: app then -*",
            "one process",
            "*- reprolab blink: the last load -*",
            "502 of 9",
        ]
    )
    assert ESCAPE not in result.stdout.str()
    assert done == ["made WORKERS=4", "up", "looked at", "logs saved", "down"]
    assert sorted(path.name for path in directory.iterdir()) == ["app.log.gz", "failure", "stack.json", "wrk.txt"]
    assert str(directory) in (pytester.path / "out.xml").read_text()


def test_a_failure_in_a_set_up_is_told_too(pytester: pytest.Pytester, done: list[str]) -> None:
    """The fixture of a user starts the stack and fails."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def server(reprolab_stack):
            stack = reprolab_stack("blink")
            raise RuntimeError("not as I need it")

        def test_it(server): pass
        """
    )
    result = pytester.runpytest_inprocess(*LOADED)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*- reprolab blink: last 50 lines of app -*"])
    assert done[-1] == "down" and len(evidence(pytester)) == 1


@pytest.mark.parametrize("error", [InvalidTrial("app did not start"), EngineError("gone", advice="start it")])
def test_a_stack_that_does_not_come_up(
    pytester: pytest.Pytester, done: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The reader sees the line of the test and the message, and no line of the lab."""
    monkeypatch.setattr(FakeStack, "fails", error)
    result = run(pytester, 'reprolab_stack("blink")')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['>*reprolab_stack("blink")', f"E*{str(error).splitlines()[0]}"])
    assert "stacks.py" not in result.stdout.str()
    assert done[-1] == "down"


def test_images_that_cannot_be_built_leave_their_logs(
    pytester: pytest.Pytester, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no stack then, but evidence."""

    def prepared(*arguments: Any) -> Any:
        raise BuildError("an image did not build")

    monkeypatch.setattr(stacks, "_prepared", prepared)
    result = run(pytester, 'reprolab_stack("blink", WORKERS=7)')
    (directory,) = evidence(pytester)
    result.stdout.fnmatch_lines(["E*an image did not build", "WORKERS=7", f"evidence: *{directory.name}/"])


def test_evidence_that_somebody_removed_ends_no_session(pytester: pytest.Pytester, done: list[str]) -> None:
    """The test fails as it would, and the report says what is missing."""
    body = 'import shutil\nshutil.rmtree(reprolab_stack("blink").evidence.path)\nassert 0'
    result = run(pytester, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- reprolab blink -*", "*stack.json*"])
    assert done[-1] == "down"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('"blnk"', "no scenario 'blnk' (did you mean blink?)"),
        ('"blink", WORKRES=2', "reprolab_stack('blink'): blink has no factor WORKRES (did you mean WORKERS?)"),
        ('"blink", WORKERS=""', "reprolab_stack('blink'): WORKERS has no value"),
        ('"blink", experiment="lmap"', "blink has no experiment 'lmap' (did you mean lamp?)"),
    ],
)
def test_a_wrong_word_is_an_error_at_the_test(
    pytester: pytest.Pytester, done: list[str], call: str, message: str
) -> None:
    """Before anything is started."""
    result = run(pytester, f"reprolab_stack({call})")
    result.stdout.fnmatch_lines([f">*reprolab_stack({call})", f"E*UsageError: {message}"])
    assert done == [] and evidence(pytester) == []


def test_all_stacks_are_removed_though_one_fails(
    pytester: pytest.Pytester, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is told, as a leftover is."""

    def down(self: FakeStack) -> None:
        self.done.append("down")
        if self.factors:
            raise EngineError("left on the engine: container x")

    monkeypatch.setattr(FakeStack, "down", down)
    result = run(pytester, 'reprolab_stack("blink")\nreprolab_stack("blink", WORKERS=3)')
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*left on the engine: container x"])
    assert done.count("down") == 2


def test_an_interrupt_saves_the_logs_and_removes_the_stack(pytester: pytest.Pytester, done: list[str]) -> None:
    """pytest makes no report then; the last lines name the evidence."""
    result = run(pytester, 'reprolab_stack("blink")\nraise KeyboardInterrupt')
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert done == ["made", "up", "logs saved", "down"]
    (directory,) = evidence(pytester)
    result.stdout.fnmatch_lines([f"reprolab: the stack is down; evidence: *{directory.name}/"])


@pytest.mark.parametrize("number", ["SIGTERM", "SIGQUIT"])
def test_signals_that_end_a_program_are_interrupts_while_a_stack_is_up(
    pytester: pytest.Pytester, done: list[str], number: str
) -> None:
    """Without it they would end pytest at once, and the stack would stay. Afterwards they are handled as before."""
    signal_number = getattr(signal, number)
    # Without a handler a failure of this test would end the whole session.
    before = signal.signal(signal_number, lambda *_: pytest.fail("nobody has handled it"))
    body = f'import os, signal\nreprolab_stack("blink")\nos.kill(os.getpid(), signal.{number})'
    try:
        result = run(pytester, body)
    finally:
        mine = signal.signal(signal_number, before)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert done[-1] == "down" and callable(mine) and mine.__module__ == __name__


def test_the_limit_of_a_test_removes_its_stack(pytester: pytest.Pytester, done: list[str]) -> None:
    """pytest-timeout fails the test, and what the stack did is in the report."""
    result = run(pytester, 'import time\nreprolab_stack("blink")\ntime.sleep(9)', "--timeout=1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Timeout*", "*- reprolab blink: last 50 lines of app -*"])
    assert done[-1] == "down"


def test_a_removal_that_is_broken_off_is_repeated(
    pytester: pytest.Pytester, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of pytest-timeout may fall into it."""

    def down(self: FakeStack) -> None:
        self.done.append("down")
        if self.done.count("down") == 1:
            pytest.fail("Timeout >1s")

    monkeypatch.setattr(FakeStack, "down", down)
    run(pytester, 'reprolab_stack("blink")').assert_outcomes(passed=1, errors=1)
    assert done == ["made", "up", "down", "down"]


def test_load_waits_for_other_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests on several workers, and runs of the lab, measure one after the other."""
    monkeypatch.setattr(stacks, "machine_directory", lambda: tmp_path)
    waited: list[str] = []

    def wrk(self: Any, path: str, **options: Any) -> str:
        with pytest.raises(Exception, match="waited 0 s"), locks.directory_lock(tmp_path, "loads", waited.append, 0):
            pass
        return f"{path} {options}"

    monkeypatch.setattr(StackLoad, "wrk", wrk)
    stack = object.__new__(stacks.SharedStack)
    assert str(stack.wrk("/x", threads=2)) == "/x {'threads': 2}"
    assert len(waited) == 1
    # The one that gave up may get the lock for a moment, before it lets go.
    with locks.directory_lock(tmp_path, "loads", lambda message: None, 5):
        pass


def test_stacks_of_the_same_scenario_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Workers of pytest-xdist may start them in the same moment."""
    projects: list[str] = []

    class Preparer:
        def __init__(self, *arguments: Any) -> None: ...
        def build(self, *arguments: Any) -> None: ...
        def models(self, *arguments: Any, project: str, all_tools: bool) -> list[Any]:
            assert all_tools, "a test may put load on any stack"
            projects.append(project)
            return [{"name": project, "services": {}}]

    monkeypatch.setattr(stacks, "StackPreparer", Preparer)
    lay_out(tmp_path)
    scenario = stacks.loader.load(tmp_path, "blink")
    for _ in range(2):
        stack = stacks._prepared(scenario, None, {}, ENGINE, None, stacks.TrialDirectory(tmp_path))  # type: ignore[arg-type]
        assert stack.factors == scenario.factors
    assert len(set(projects)) == 2 and all(re.fullmatch("reprolab-blink-[0-9a-f]{8}", name) for name in projects)


def test_without_a_lab_folder_the_message_names_the_setting(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests mostly live outside of the lab folder: `reprolab_root` is what they need."""
    monkeypatch.delenv("REPROLAB_ROOT", raising=False)
    monkeypatch.setattr("reprolab.cli.common.__file__", str(pytester.path / "site-packages/reprolab/cli/common.py"))
    config = pytester.parseconfig()
    with pytest.raises(UsageError, match=r"no lab folder found(.|\n)*pytest's settings: reprolab_root = DIR"):
        lab_root(config)
