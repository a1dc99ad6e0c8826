"""A run on another kernel: what is built here, what the process for the virtual machine gets, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from cases import ROOT, lay_out, load
from click.testing import CliRunner
from reprolab.baseimage.resolve import Base, Origin
from reprolab.cli.main import main
from reprolab.core.errors import BuildError, EngineError, Exit
from reprolab.engine import elsewhere
from reprolab.evidence.run_info import BuiltImage, Image
from reprolab.measure import kernels
from reprolab.run import on_kernel, session
from reprolab.run.on_kernel import BuiltImages, build_images, in_place, run_on_kernel
from reprolab.run.plan import Plan, RunOptions, make_plan
from reprolab.vm import engines as vm_engines
from reprolab.vm.kernels import Kernel

BASE = Base("python:3.12-slim", "reprolab-base/python:1", "sha256:1", Origin.HOST, "", "built here")
RECIPE = SimpleNamespace(root="root", disks="disks")
ENVIRON = {"DOCKER_HOST": "unix:///tmp/vm.sock", elsewhere.KERNEL: "5.10.223"}


class World:
    """What happened, in order; ``status`` is that with which the process for the machine ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.environ: dict[str, str] = {}
        self.command: list[str] = []
        self.status = 0
        self.there: dict[str, str] = {}
        for name, do in {
            "ensure_engine": lambda on_progress: SimpleNamespace(docker="docker", host="unix:///run/docker.sock"),
            "client": lambda environ=os.environ: environ.get("DOCKER_HOST", "here"),
            "build_images": self.build,
            "give_images": lambda docker, source, target, names, say: self.log.append(f"{source} -> {target}: {names}"),
            "keep_bundled": lambda official, reference, image, client: self.log.append(f"{official} on {client}"),
            "in_place": self.run,
            "ids_of": lambda api, names: dict.fromkeys(names, "sha256:1") if api == "here" else self.there,
            "engine_disk": self.fill,
        }.items():
            monkeypatch.setattr(on_kernel, name, do)
        monkeypatch.setattr(
            vm_engines, "recipes", lambda results, kernels_, on_progress: dict.fromkeys(kernels_, RECIPE)
        )
        monkeypatch.setattr(vm_engines, "engines", self.machines)
        monkeypatch.setattr(vm_engines, "environment", lambda recipe, address: ENVIRON)

    def build(self, *arguments: Any) -> BuiltImages:
        self.log.append("built")
        return BuiltImages(["app:1", BASE.reference], [BASE])

    def fill(self, docker: str, source: str, images: dict[str, str], *others: Any) -> str:
        return f"disk of {list(images)}"

    @contextmanager
    def machines(self, recipes: dict[str, Any], on_progress: Any, filled: Any) -> Iterator[dict[str, str]]:
        self.log.append(f"started {', '.join(recipes)} with {filled}")
        try:
            yield dict.fromkeys(recipes, "unix:///tmp/vm.sock")
        finally:
            self.log.append("ended")

    def run(self, command: list[str], environ: dict[str, str]) -> int:
        self.command, self.environ = command, environ
        self.log.append("ran")
        return self.status


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Nothing of it is real."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return World(monkeypatch)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A run of the small scenario."""
    return make_plan(load(tmp_path / "checkout"), RunOptions("blink"))


def test_a_run_on_another_kernel_is_the_same_command_for_the_machines_engine(
    world: World, plan: Plan, tmp_path: Path
) -> None:
    """The images are built before the machine starts, and the machine ends after the run."""
    world.status = 3
    words = ["run", "blink", "--kernel", "5.10"]
    assert run_on_kernel(plan, "5.10.223", tmp_path, words, lambda text: None) == 3
    assert world.log == [
        "built",
        "started 5.10.223 with disk of ['app:1', 'reprolab-base/python:1']",
        f"unix:///run/docker.sock -> unix:///tmp/vm.sock: {['app:1', BASE.reference]}",
        "python:3.12-slim on unix:///tmp/vm.sock",
        "ran",
        "ended",
    ]
    assert world.command[-4:] == words
    assert world.environ == os.environ | ENVIRON


def test_images_that_are_on_the_disk_are_not_loaded(world: World, plan: Plan, tmp_path: Path) -> None:
    """Those that are not there are."""
    world.there = {BASE.reference: "sha256:1"}
    run_on_kernel(plan, "5.10.223", tmp_path, [], lambda text: None)
    world.there["app:1"] = "sha256:1"
    run_on_kernel(plan, "5.10.223", tmp_path, [], lambda text: None)
    assert [line for line in world.log if "->" in line] == ["unix:///run/docker.sock -> unix:///tmp/vm.sock: ['app:1']"]


def test_a_machine_ends_if_the_run_is_killed_or_interrupted(
    world: World, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status below 0 is a signal; the message names it."""
    world.status = -9
    with pytest.raises(EngineError, match=r"kernel 5\.10\.223 was ended by SIGKILL"):
        run_on_kernel(plan, "5.10.223", tmp_path, [], lambda text: None)
    assert world.log[-1] == "ended"

    def interrupted(*arguments: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(on_kernel, "give_images", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_on_kernel(plan, "5.10.223", tmp_path, [], lambda text: None)
    assert world.log[-1] == "ended"


class FakeBuilder:
    """Builds what its class says, and is stopped."""

    fails: tuple[str, ...] = ()
    stopped = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        pass

    def start(self, models: dict[str, Any]) -> None:
        pass

    def wait(self, model: dict[str, str]) -> dict[str, BuiltImage]:
        if model["image"] in self.fails:
            raise BuildError(f"{model['image']} did not build")
        return {"blink-app": BuiltImage(Image(model["image"], "sha256:2"), {})}

    def stop(self) -> None:
        FakeBuilder.stopped += 1


@pytest.mark.parametrize("keep_going", [False, True])
def test_an_image_that_does_not_build_ends_the_run_before_a_machine_starts(
    keep_going: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With KEEP_GOING=1 the others are taken along. An image of several variants, and a base, are named once."""
    plan = make_plan(load(tmp_path / "checkout"), RunOptions("blink", keep_going=keep_going))
    images = iter(["app:1", "app:2"] + ["app:1"] * len(plan.variants))

    class Preparer:
        bases: ClassVar = {BASE.official: BASE}

        def __init__(self, *arguments: Any) -> None:
            pass

        def models(self, scenario: Any, requests: list[Any], owner: Any) -> list[dict[str, str]]:
            return [{"image": next(images)} for _ in requests]

    monkeypatch.setattr(on_kernel, "StackPreparer", Preparer)
    monkeypatch.setattr(on_kernel, "Builder", FakeBuilder)
    monkeypatch.setattr(FakeBuilder, "fails", ("app:2",))
    monkeypatch.setattr(FakeBuilder, "stopped", 0)
    engine: Any = SimpleNamespace(docker="docker")
    api: Any = None
    if keep_going:
        built = build_images(plan, engine, api, tmp_path, lambda text: None)
        assert (built.references, built.bases) == (["app:1", BASE.reference], [BASE])
    else:
        with pytest.raises(BuildError, match="app:2 did not build"):
            build_images(plan, engine, api, tmp_path, lambda text: None)
    assert FakeBuilder.stopped == 1


# -- the process in the place of this one ---------------------------------------------------------


def test_the_status_is_that_of_the_process() -> None:
    """Also that of one that a signal ended."""
    assert in_place([sys.executable, "-c", "raise SystemExit(3)"], os.environ) == 3
    assert in_place([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], os.environ) == -9


# Says what it got, and ends with the second signal, or after a while.
CHILD = """
import signal, sys
got = []
def note(number, frame):
    got.append(signal.Signals(number).name)
    print(got[-1], flush=True)
    if len(got) == 2:
        sys.exit(7)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, note)
# So that a test that fails ends, and leaves nothing.
signal.alarm(30)
print("ready", flush=True)
while True:
    signal.pause()
"""
PARENT = f"""
import os, sys
from reprolab.core import interrupts
from reprolab.run.on_kernel import in_place
interrupts.install()
status = in_place([sys.executable, "-c", {CHILD!r}], os.environ)
print("status", status, flush=True)
"""


@contextmanager
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process in whose place another one runs."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env=environ)
    try:
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close() if process.stdout else None


def test_it_gets_each_signal_once_and_this_process_ends_after_it() -> None:
    """A first signal ends a run in order, a second one at once: neither may come twice."""
    with parent() as process:
        assert process.stdout
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "SIGINT\n"
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "SIGTERM\n"
        assert process.stdout.readline() == "status 7\n"
        assert process.wait(10) == 0


def test_it_ends_if_this_process_is_killed() -> None:
    """Its engine is gone then."""
    with parent() as process:
        assert process.stdout
        process.kill()
        assert process.stdout.readline() == "SIGTERM\n"
        # The second signal ends it, so that nothing is left of this test.
        children = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _is_child(path)]
        for pid in children:
            os.kill(pid, signal.SIGINT)
        end = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < end:
            time.sleep(0.05)
        assert children


def _is_child(path: Path) -> bool:
    try:
        return (
            b"got.append(signal" in (path / "cmdline").read_bytes()
            and b"in_place" not in (path / "cmdline").read_bytes()
        )
    except OSError:
        return False


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small scenario, in a distribution with one kernel."""
    lay_out(tmp_path)
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    known = [Kernel("5.10.0-32-cloud-amd64", "5.10.223-1")]
    monkeypatch.setattr(kernels, "known_kernels", lambda results: known)
    return tmp_path


def test_the_command_runs_on_the_full_version_and_has_its_status(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variant stays what it is: the kernel is no factor of a run."""
    seen: list[Any] = []

    def run(plan: Plan, kernel: str, *others: Any) -> int:
        seen.append(([variant.name for variant in plan.variants], kernel))
        return 3

    monkeypatch.setattr(on_kernel, "run_on_kernel", run)
    result = CliRunner().invoke(main, ["run", "blink", "--variant", "old", "--kernel", "5.10"])
    assert (result.exit_code, seen) == (3, [(["old"], "5.10.223")])


def test_the_process_for_the_machine_runs_the_trials(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the same words, and starts no other one."""
    monkeypatch.setenv(elsewhere.KERNEL, "5.10.223")
    monkeypatch.setattr(on_kernel, "run_on_kernel", None)
    monkeypatch.setattr(session.Session, "execute", lambda self: Exit.DRIFT)
    result = CliRunner().invoke(main, ["run", "blink", "--kernel", "5.10"])
    assert result.exit_code == Exit.DRIFT, result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--kernel", "4.9"], "this distribution has no such one"),
        (["--kernel", "latest"], "KERNEL is 'latest'"),
        (["--kernel", ""], "KERNEL is ''"),
        (["--kernel", "5.10,6.1"], "reprolab matrix SCENARIO --over KERNEL=5.10,6.1"),
        (["--kernel", "5.10", "--keep"], "a virtual machine ends with the run"),
        (["--kernel", "5.10", "--variant", "nope"], "no variant 'nope'"),
    ],
)
def test_what_cannot_be_is_a_usage_error(
    words: list[str], expected: str, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is built or started."""
    monkeypatch.setattr(on_kernel, "run_on_kernel", None)
    result = CliRunner().invoke(main, ["run", "blink", *words])
    assert result.exit_code == Exit.USAGE, result.output
    assert expected in result.output
