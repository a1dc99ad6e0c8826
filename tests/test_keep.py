"""What stays when a trial goes wrong: the look at its stack, and with KEEP=1 the stack itself."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cases import lay_out
from click.testing import CliRunner
from reprolab.cli import run as cli_run
from reprolab.cli.main import main
from reprolab.core import files
from reprolab.core.errors import EngineError, Exit, InvalidTrial
from reprolab.engine import labels
from reprolab.evidence import by_hand
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.run import keep, manual, session
from reprolab.run.keep import Keeper, StackKept
from reprolab.run.runner import Runner
from reprolab.stack import failure
from reprolab.stack.failure import failure_kept
from test_runner import Builder, FakeStackRunner, make
from test_session import GOOD, finish, start  # noqa: F401


class Stack:
    """A stack without containers. ``ended`` roles do not run, ``broken`` ones cannot be read."""

    def __init__(self, path: Path, *, ended: tuple[str, ...] = (), broken: tuple[str, ...] = ()) -> None:
        self.evidence = TrialDirectory(path)
        self.project = "blink-1"
        self.roles = {"app": "blink-app", "proxy": "blink-proxy"}
        self.timeouts: list[str] = []
        self.inspected = False
        self.ended, self.broken = ended, broken
        self.removed = 0

    def container(self, role: str) -> Any:
        if role in self.broken:
            raise InvalidTrial(f"{role} has no container")
        return SimpleNamespace(logs=lambda tail, timestamps: f"{role} printed this\n".encode())

    def running(self, role: str) -> bool:
        return role not in self.ended

    def forensics(self, role: str, name: str, title: str) -> None:
        if role in self.broken:
            raise InvalidTrial("SYS_PTRACE is forbidden")
        self.evidence.write_text(f"{name}/summary.txt", f"{title}\n")

    def check_load_settings(self) -> None:
        """No load is set."""

    def up(self) -> None:
        pass

    def capture(self, docker: str) -> None:
        pass

    def down(self) -> None:
        self.removed += 1

    def remove_inspectors(self) -> None:
        self.inspected = False


def kept_files(stack: Any) -> dict[str, str]:
    """The files below failure/ with their texts."""
    folder = stack.evidence.path / "failure"
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


# -- the look at the stack -----------------------------------------------------------------------


def test_an_invalid_trial_is_looked_at(tmp_path: Path) -> None:
    """Reason, last lines and processes are kept; the error goes on."""
    stack: Any = Stack(tmp_path)
    with pytest.raises(InvalidTrial, match="not healthy"), failure_kept(stack):
        raise InvalidTrial("not healthy\nmore")
    assert kept_files(stack) == {
        "reason.txt": "not healthy\nmore\n",
        "app/last-lines.txt": "app printed this\n",
        "app/summary.txt": "not healthy\n",
        "proxy/last-lines.txt": "proxy printed this\n",
        "proxy/summary.txt": "not healthy\n",
    }


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """A service that has ended has no processes; one that cannot be read stops nothing."""
    stack: Any = Stack(tmp_path, ended=("proxy",), broken=("app",))
    failure.keep_failure(stack, "why")
    assert set(kept_files(stack)) == {"reason.txt", "proxy/last-lines.txt"}


def test_the_look_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose processes cannot be read in time does not hold up the run."""
    stack: Any = Stack(tmp_path)
    end = threading.Event()
    stack.forensics = lambda *_: end.wait(60)
    monkeypatch.setattr(failure, "LIMIT", 0.2)
    failure.keep_failure(stack, "why")
    assert {"reason.txt", "app/last-lines.txt", "proxy/last-lines.txt"} == set(kept_files(stack))
    end.set()


@pytest.mark.parametrize("error", [EngineError("gone"), KeyboardInterrupt()])
def test_other_ends_are_not_looked_at(tmp_path: Path, error: BaseException) -> None:
    """Without an engine there is nothing to see, and an interrupt must not wait."""
    stack: Any = Stack(tmp_path)
    with pytest.raises(type(error)), failure_kept(stack):
        raise error
    assert kept_files(stack) == {}


@pytest.mark.parametrize(
    ("timeouts", "inspected", "looks"), [([], False, 0), (["/slow"], False, 1), (["/slow"], True, 0)]
)
def test_a_probe_without_an_answer(tmp_path: Path, timeouts: list[str], inspected: bool, looks: int) -> None:
    """The processes are looked at after the trial, unless the experiment has done so."""
    stack: Any = Stack(tmp_path)
    with failure_kept(stack):
        stack.timeouts, stack.inspected = timeouts, inspected
    assert stack.evidence.has_failure == bool(looks)
    if looks:
        assert kept_files(stack)["reason.txt"] == "these probes had no answer within their limits: /slow\n"


# -- KEEP=1 --------------------------------------------------------------------------------------


VARIANT: Any = SimpleNamespace(changes={"RELEASE": "0.9"})


def ended(keeper: Keeper, stack: Any, error: BaseException | None = None) -> bool:
    """Whether the keeper takes a stack whose trial ended with this error."""
    if error is None:
        return keeper.takes(stack, VARIANT)
    try:
        raise error
    except type(error):
        return keeper.takes(stack, VARIANT)


def test_the_last_stack_is_held_until_the_next_trial(tmp_path: Path) -> None:
    """It must not disturb that trial."""
    keeper, first, second = Keeper(tmp_path, print), *(Stack(tmp_path) for _ in range(2))
    assert ended(keeper, first)
    keeper.trial_ends()
    keeper.trial_begins()
    assert first.removed == 1
    assert ended(keeper, second)
    assert (keeper.stack, second.removed) == (second, 0)


def test_of_parallel_trials_one_stack_stays(tmp_path: Path) -> None:
    """The one that ended last; with an invalid trial, its own."""
    keeper, first, second, failed, late = Keeper(tmp_path, print), *(Stack(tmp_path) for _ in range(4))
    assert ended(keeper, first) and ended(keeper, second)
    assert (first.removed, second.removed) == (1, 0)
    assert ended(keeper, failed, InvalidTrial("not healthy"))
    assert not ended(keeper, late) and not ended(keeper, late, InvalidTrial("broken off"))
    keeper.trial_begins()
    assert (second.removed, failed.removed, keeper.stack) == (1, 0, failed)
    with pytest.raises(StackKept):
        keeper.trial_ends()


@pytest.mark.parametrize("error", [EngineError("gone"), KeyboardInterrupt()])
def test_no_other_end_keeps_a_stack(tmp_path: Path, error: BaseException) -> None:
    """Ctrl-C takes everything down, as without KEEP=1."""
    keeper, held, broken = Keeper(tmp_path, print), *(Stack(tmp_path) for _ in range(2))
    with pytest.raises(type(error)), keeper:
        assert ended(keeper, held)
        assert not ended(keeper, broken, error)
        raise error
    assert held.removed == 1 and keeper.stack is None


def test_the_runner_leaves_the_stack_of_an_invalid_trial_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial is on record with the place of the look; the run ends there."""
    runner, prepared, records = make(tmp_path, Builder())
    stacks: list[Any] = []

    def stack_of(item: Any, evidence: TrialDirectory) -> Any:
        stacks.append(Stack(evidence.path))
        return stacks[-1]

    def drive(experiment: Any, stack: Any, evidence: Any) -> dict[str, Any]:
        if len(stacks) == 2:
            raise InvalidTrial("not healthy")
        return {"blinked": True}

    monkeypatch.setattr(FakeStackRunner, "_on_stack", Runner._on_stack)
    monkeypatch.setattr("reprolab.run.runner.undisturbed", lambda stack: nullcontext())
    runner._stack, runner._drive, runner.engine = stack_of, drive, SimpleNamespace(docker="docker")
    runner.client = SimpleNamespace(api=SimpleNamespace(base_url="http+docker://localhost"))
    runner.keeper = Keeper(tmp_path, print)
    with pytest.raises(StackKept):
        runner.execute(prepared)
    assert [record.invalid for record in records] == ["", "not healthy (its processes then: failure/)"]
    assert [stack.removed for stack in stacks] == [1, 0] and runner.keeper.stack is stacks[1]
    assert runner._owner()[labels.OBJECT] == labels.HAND


def test_a_session_that_keeps_a_stack_is_judged(start: Any) -> None:  # noqa: F811
    """The run is marked, its trials are judged and reported."""

    def behave(runner: Any) -> None:
        finish(*GOOD)(runner)
        raise StackKept("a trial is invalid")

    started = start(behave)
    assert started.execute() is Exit.AS_RECORDED
    assert started.run.info().status == "aborted" and started.run.info().reason == "a trial is invalid"


# -- the kept stack as one by hand ----------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the small scenario; Compose projects are "up" as long as their names are in a set."""
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    lay_out(tmp_path)
    engine: Any = SimpleNamespace(
        kernel="6", os="", version="25", compose="2", buildx="0", cgroup="v2", architecture="", host=""
    )
    monkeypatch.setattr(manual, "ensure_engine", lambda on_progress: engine)
    monkeypatch.setattr(manual, "compose_command", lambda engine: ())
    projects: set[str] = set()

    def listed(*, filters: dict[str, str], **_: Any) -> list[str]:
        return [name for name in projects if filters["label"] == f"com.docker.compose.project={name}"]

    api = SimpleNamespace(base_url="http+docker://localhost")
    client = SimpleNamespace(containers=SimpleNamespace(list=listed), api=api)
    monkeypatch.setattr(manual, "client", lambda: client)
    monkeypatch.setattr(manual.Stack, "down", lambda stack: projects.discard(stack.project))
    monkeypatch.setattr(manual.Stack, "published_url", lambda stack, path: f"http://127.0.0.1:1{path}")
    monkeypatch.setattr(manual.Stack, "container", lambda stack, role: SimpleNamespace(name=f"{stack.project}-{role}"))
    monkeypatch.setattr(keep, "projects", projects, raising=False)
    return tmp_path


def trial_stack(root: Path, project: str) -> Any:
    """The stack of a trial, which is up."""
    keep.projects.add(project)  # type: ignore[attr-defined]
    evidence = TrialDirectory(root / "results/blink/1/lamp/documented/1")
    model = {"name": project, "services": {"blink-app": {}}}
    file = evidence.path / "compose.json"
    return manual.Stack("blink", model, file, manual.client(), (), evidence, manual.hand_labels(root, "blink"))


def test_a_kept_stack_is_one_by_hand(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last lines say what it is, how to look inside, and how to take it down; `down` then does so."""
    up: set[str] = keep.projects  # type: ignore[attr-defined]
    with Keeper(home, print) as keeper:
        keeper.takes(trial_stack(home, "reprolab-blink-1234"), VARIANT)
    printed = capsys.readouterr().out
    assert "kept: blink --as kept, the stack of the trial" in printed and "lamp/documented/1" in printed
    assert "docker exec reprolab-blink-1234-app" in printed and "reprolab down blink --as kept" in printed
    info = by_hand.StackInfo.read(by_hand.place(home, "blink", "kept").path / by_hand.UP)
    assert info.changes == {"RELEASE": "0.9"} and info.factors["RELEASE"] == "1.0"
    assert up == {"reprolab-blink-1234"}
    assert "still up: blink --as kept" in CliRunner().invoke(main, ["down", "blink"]).output
    assert "down: blink --as kept" in CliRunner().invoke(main, ["down", "blink", "--as", "kept"]).output
    assert up == set()


def test_a_second_run_takes_the_kept_stack_of_the_first_down(home: Path) -> None:
    """There is one kept stack of a scenario at a time."""
    messages: list[str] = []
    for project in ("reprolab-blink-1", "reprolab-blink-2"):
        with Keeper(home, messages.append) as keeper:
            keeper.takes(trial_stack(home, project), VARIANT)
    assert keep.projects == {"reprolab-blink-2"}  # type: ignore[attr-defined]
    assert messages == ["taking the stack blink --as kept down that was up before"]
    assert files.read_json(by_hand.place(home, "blink", "kept").path / by_hand.MODEL)["name"] == "reprolab-blink-2"


def test_the_command_line_keeps_no_stack_unasked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session gets a keeper with --keep only."""
    keepers: list[Any] = []

    def execute(run_session: session.Session) -> Exit:
        keepers.append(run_session.keeper)
        return Exit.AS_RECORDED

    monkeypatch.setattr(cli_run.session.Session, "execute", execute)
    for options in ([], ["--keep"]):
        assert CliRunner().invoke(main, ["run", "blink", *options]).exit_code == 0
    assert keepers[0] is None and isinstance(keepers[1], Keeper)
