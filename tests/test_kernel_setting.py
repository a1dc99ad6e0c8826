"""KERNEL, the lab's setting for the kernel: how it is read, carried and checked, and what it starts."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cases import COMPOSE, ROOT, claim, lay_out, load, trial
from click.testing import CliRunner
from reprolab.baseimage.resolve import Policy
from reprolab.cli import matrix as matrix_command
from reprolab.cli.cluster_options import ClusterOptions
from reprolab.cli.main import main
from reprolab.cluster import session as cluster_session
from reprolab.cluster.engines import NamedEngine, engines_of_kernels, vm_name
from reprolab.cluster.messages import Question
from reprolab.cluster.workplace import Workplace
from reprolab.core.errors import Exit, LabError, UsageError
from reprolab.core.waiting import WaitTimeout, patient, wait_until
from reprolab.engine import elsewhere
from reprolab.engine.detect import Engine
from reprolab.engine.host_facts import Host, facts_of
from reprolab.engine.requirements import HostState, lacks
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import BuiltImage, Image
from reprolab.matrix.collect import host_words
from reprolab.measure import kernels
from reprolab.measure.cell import Cell, CellResult
from reprolab.measure.hosts import VIRTUAL, host_sentences
from reprolab.measure.key import cell_key
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan, PlannedVariant, default_jobs
from reprolab.run.runner import Prepared, Runner
from reprolab.scenario.digest import CaseFiles
from reprolab.scenario.kernel_setting import KERNEL, check_kernel
from reprolab.scenario.model import CUSTOM, Scenario
from reprolab.stack.images import describe, remember
from reprolab.vm import engines as vm_engines
from reprolab.vm.accelerator import Accelerator
from reprolab.vm.kernel_files import KernelFiles
from reprolab.vm.kernels import Kernel, name_of
from reprolab.vm.machine import Recipe
from reprolab.vm.root_image import RootImage
from reprolab.vm.settings import Settings

OLD = Kernel("5.10.0-32-cloud-amd64", "5.10.223-1", earlier=True)
SIX_BEFORE, SIX = Kernel("6.1.0-9-cloud-amd64", "6.1.192-1"), Kernel("6.1.0-56-cloud-amd64", "6.1.192-2")
TWELVE = Kernel("6.12.117+deb12-cloud-amd64", "6.12.117-1~deb12u1")
KNOWN = [SIX_BEFORE, TWELVE, OLD, SIX]
ENGINE = Engine("28.0", "1.41", "2.26", "0.13", "docker", "5.10.0-32-cloud-amd64", "v2", "Debian", "unix:///x", False)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small scenario, in a distribution with four kernels, in which nothing can be started."""
    lay_out(tmp_path)
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(kernels, "known_kernels", lambda results: KNOWN)
    monkeypatch.setattr(vm_engines, "recipes", None)
    return tmp_path


def recipe(accelerator: str) -> Recipe:
    """A machine whose files are not there."""
    root, kernel = RootImage(Path("image"), Path("busybox"), Path("packed")), KernelFiles(Path("kernel"))
    return Recipe(root, kernel, Settings(), Accelerator(accelerator, "test"), Path("disks"), "5.10.223")


# -- how it is written ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "latest", "v6.1", "6 1", "6.1;true", "../x"])
def test_a_text_that_is_no_version_is_refused(text: str) -> None:
    """Before anything looks for it."""
    with pytest.raises(UsageError, match="KERNEL is") as caught:
        check_kernel(text, "--set")
    assert "5.10" in caught.value.expected


def test_a_range_of_kernels_is_refused_as_a_range(checkout: Path) -> None:
    """A kernel 5.10..6.12 would be one that the distribution lacks."""
    with pytest.raises(UsageError, match=r"KERNEL has no ranges") as caught:
        kernels.kernel_axis(checkout, "5.10..6.12")
    assert "KERNEL=5.10,6.1,6.12" in caught.value.expected


def test_a_prefix_becomes_the_full_version_of_linux(checkout: Path) -> None:
    """So that the key of a cell, and its report, name the kernel that runs."""
    assert kernels.full_kernel(checkout, "5.10", "--kernel") == "5.10.223"
    assert kernels.with_full_kernel(checkout, {KERNEL: "6.12", "WORKERS": "1"}, "--set") == {
        KERNEL: "6.12.117",
        "WORKERS": "1",
    }
    assert kernels.with_full_kernel(checkout, {"WORKERS": "1"}, "--set") == {"WORKERS": "1"}


def test_of_two_kernels_with_one_version_the_older_is_named_by_its_release() -> None:
    """Each name leads back to its kernel."""
    assert [name_of(kernel, KNOWN) for kernel in KNOWN] == ["6.1.0-9-cloud-amd64", "6.12.117", "5.10.223", "6.1.192"]


def test_a_kernel_that_is_not_there_is_a_usage_error_that_names_those_that_are(checkout: Path) -> None:
    """Not of the engine: nothing was started."""
    with pytest.raises(UsageError, match=r"kernel 4\.9") as caught:
        kernels.full_kernel(checkout, "4.9", "--kernel")
    assert "5.10.223, 6.1.192, 6.12.117" in caught.value.expected


def test_the_kernels_of_an_axis_are_in_the_order_of_their_versions(checkout: Path) -> None:
    """Each once, however it is written; 6.12 is newer than 6.2 would be."""
    axis = kernels.kernel_axis(checkout, "6.12,5.10, 6.1,5.10.223,6.1.0-9")
    assert [value.text for value in axis.values] == ["5.10.223", "6.1.0-9-cloud-amd64", "6.1.192", "6.12.117"]
    assert (axis.factor, axis.ordered, axis.package) == (KERNEL, True, "")
    with pytest.raises(UsageError, match="KERNEL is ''"):
        kernels.kernel_axis(checkout, "5.10,")


# -- how a cell carries it ------------------------------------------------------------------------


def test_a_cell_carries_it_behind_its_factors(tmp_path: Path) -> None:
    """A cell without it runs on the engine in use."""
    scenario = load(tmp_path)
    cell = Cell.of(scenario, "lamp", {KERNEL: "5.10.223", "WORKERS": "1", "RELEASE": "1.0"})
    assert cell.words == "WORKERS=1 KERNEL=5.10.223"


def test_only_questions_take_it_as_a_factor(tmp_path: Path) -> None:
    """A variant, a stack by hand and the settings of a run do not."""
    scenario = load(tmp_path)
    scenario.check_factors({KERNEL: "5.10", "WORKERS": "1"}, "--set", kernel=True)
    with pytest.raises(UsageError, match="has no factor KERNEL"):
        scenario.check_factors({KERNEL: "5.10"}, "--set")
    with pytest.raises(UsageError, match="KERNEL is 'x'"):
        scenario.check_factors({KERNEL: "x"}, "--set", kernel=True)
    with pytest.raises(UsageError, match=r"no factor KERNELL \(did you mean KERNEL\?\)"):
        scenario.check_factors({"KERNELL": "5.10"}, "--set", kernel=True)


def test_a_scenario_cannot_have_a_factor_of_that_name(tmp_path: Path) -> None:
    """The two could not be told apart."""
    with pytest.raises(UsageError, match="KERNEL is the lab's own name for the kernel"):
        load(tmp_path, compose=COMPOSE + "      KERNEL: ${KERNEL:-5}\n")


@pytest.mark.parametrize("before", [[SIX_BEFORE], [replace(SIX, version="6.1.192-3")]])
def test_a_cell_of_another_package_of_one_version_of_linux_is_another_one(
    before: list[Kernel], checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yesterday's 6.1.192 was another package, or had other patches: its trials do not count today."""
    scenario = load(checkout / "case")
    keys, names = set(), set()
    for known in (before, [SIX_BEFORE, SIX]):
        monkeypatch.setattr(kernels, "known_kernels", lambda results, known=known: known)
        name = kernels.full_kernel(checkout, "6.1", "--set")
        names.add(name)
        packages = question_of(scenario, (name,), checkout, monkeypatch).kernels
        runner: Any = SimpleNamespace(run=RunDirectory(checkout / "run"))
        place: Any = None
        bench = Workplace(scenario, runner, place, CaseFiles.of(scenario.directory), dict(packages))
        prepared: Any = SimpleNamespace(model={"services": {}})
        keys.add(bench._key(Cell("lamp", ((KERNEL, name),)), prepared))
        assert bench._key(Cell("lamp"), prepared) == cell_key(scenario, Cell("lamp"), prepared.model, {})
    assert (names, len(keys)) == ({"6.1.192"}, 2)


@pytest.mark.parametrize(
    ("options", "jobs"),
    [
        ({"engines": "unix:///run/docker.sock vm:5.10", "share_images": True}, 1),
        ({"engines": "unix:///run/docker.sock vm:5.10", "share_images": True, "jobs": 3}, 3),
        ({"kernels": ("5.10.223",)}, 1),
        ({"engines": "unix:///run/docker.sock"}, 4),
    ],
)
def test_where_an_engine_is_in_a_virtual_machine_trials_run_one_at_a_time(
    options: dict[str, Any], jobs: int, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the user says another number."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert question_of(load(checkout / "case"), (), checkout, monkeypatch, **options).jobs == jobs


def question_of(
    scenario: Scenario, names: tuple[str, ...], root: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> Question:
    """What workers learn of a question over kernels."""
    asked: list[Question] = []

    def question(*arguments: Any) -> Question:
        asked.append(Question(*arguments))
        raise LabError("no further")

    monkeypatch.setattr(cluster_session, "Question", question)
    monkeypatch.setattr(cluster_session, "ensure_engine", lambda on_progress: ENGINE)
    observer: Any = SimpleNamespace(progress=print)
    opened = cluster_session.measurer(root, scenario, observer, **{"kernels": names, **options})
    with pytest.raises(LabError, match="no further"), opened:
        pass
    return asked[0]


# -- what a machine has ---------------------------------------------------------------------------


def test_a_need_is_that_of_the_machine_with_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine that only builds the images is not asked, even if it lacks what the variant needs."""
    needs = '  requires:\n    - {kernel: "<6", why: the lamp is old}\n'
    lay_out(tmp_path, compose=COMPOSE.replace("services:\n", f"{needs}services:\n"))
    scenario = load(tmp_path / "other", compose=COMPOSE.replace("services:\n", f"{needs}services:\n"))

    def lacking(kernel: str, machine: str, **changes: str) -> str:
        return lacks(scenario, changes, "lamp", HostState(kernel, "v2", "x86_64", machine=machine))

    monkeypatch.setenv(elsewhere.KERNEL, "6.1.192")
    assert HostState.of(replace(ENGINE, kernel="6.1.0-56-cloud-amd64")).kernel == "6.1.192"
    monkeypatch.delenv(elsewhere.KERNEL)
    assert HostState.of(ENGINE).kernel == ENGINE.kernel
    assert lacking("6.18.0", "", KERNEL="5.10.223") == ""
    assert lacking("5.10.0-32-cloud-amd64", "5.10.223", KERNEL="5.10.223") == ""
    assert "a kernel <6, it has 6.1.0-56" in lacking("6.1.0-56-cloud-amd64", "6.1.192", KERNEL="6.1.192")
    assert "a kernel <6, it has 6.18.0" in lacking("6.18.0", "")


def test_a_virtual_machine_with_the_kernel_of_this_one_is_another_machine() -> None:
    """Its capabilities and sysctls are not those of the files here."""
    assert HostState(platform.release(), "v2", "x86_64", machine="").is_here
    assert not HostState(platform.release(), "v2", "x86_64", machine="6.1.192").is_here


def test_what_a_process_knows_of_a_machine_is_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """TCG makes everything slow, so the lab waits longer; who has set that is left alone."""
    monkeypatch.delenv("REPROLAB_PATIENCE", raising=False)
    environ = vm_engines.environment(recipe("tcg"), "unix:///tmp/x.sock")
    address = environ["DOCKER_HOST"]
    assert address == "unix:///tmp/x.sock" and elsewhere.ports_elsewhere(address, environ)
    assert not elsewhere.another_machine(address, environ)
    assert (elsewhere.kernel(environ), elsewhere.hardware(address, environ)) == ("5.10.223", "virtual machine (TCG)")
    assert patient(6.0, environ) == 60.0
    assert patient(6.0, vm_engines.environment(recipe("kvm"), "unix:///x")) == 6.0
    # make exports variables that are empty.
    monkeypatch.setenv("REPROLAB_PATIENCE", "")
    assert patient(6.0, vm_engines.environment(recipe("tcg"), "unix:///x")) == 60.0
    monkeypatch.setenv("REPROLAB_PATIENCE", "3")
    assert patient(6.0, vm_engines.environment(recipe("tcg"), "unix:///x")) == 18.0


@pytest.mark.parametrize("text", ["0", "-1", "x", "20x", "1e3", "1000", " "])
def test_a_patience_that_is_no_number_is_a_usage_error(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit is never zero or without end. No machine is started for it."""
    with pytest.raises(UsageError, match="REPROLAB_PATIENCE="):
        patient(6.0, {"REPROLAB_PATIENCE": text})
    monkeypatch.setenv("REPROLAB_PATIENCE", text)
    monkeypatch.setattr(vm_engines, "ensure_programs", None)
    with pytest.raises(UsageError, match="REPROLAB_PATIENCE="):
        vm_engines.recipes(tmp_path, ["5.10"], print)


def test_without_a_patience_limits_stay() -> None:
    """An empty text is none."""
    assert patient(6.0, {}) == patient(6.0, {"REPROLAB_PATIENCE": ""}) == 6.0


def test_a_wait_is_as_long_as_the_patience_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """And names the limit that held."""
    monkeypatch.setenv("REPROLAB_PATIENCE", "2.5")
    with pytest.raises(WaitTimeout, match=r"not so after 0\.05 s"):
        wait_until("something", lambda: False, 0.02)


def test_in_a_virtual_machine_trials_run_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has two processors, which may be slow."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.delenv(elsewhere.KERNEL, raising=False)
    assert default_jobs() == 4
    monkeypatch.setenv(elsewhere.KERNEL, "5.10.223")
    assert default_jobs() == 1


def test_what_another_engine_has_listed_is_not_listed_again(tmp_path: Path) -> None:
    """The packages of an image with the same id: in a slow machine a list takes minutes."""
    remember(BuiltImage(Image("app:1", "sha256:12"), {"pip": {"flask": "2.0"}}), tmp_path)
    attributes = SimpleNamespace(id="sha256:12", attrs={})
    client: Any = SimpleNamespace(images=SimpleNamespace(get=lambda reference: attributes))
    assert describe(client, "app:1", tmp_path).packages == {"pip": {"flask": "2.0"}}


def test_the_facts_of_a_run_name_the_virtual_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """On this machine there is nothing to name."""

    class Client:
        def info(self) -> dict[str, Any]:
            return {"NCPU": 2, "MemTotal": 2048 << 20}

    for name in (elsewhere.PORTS, elsewhere.HARDWARE, elsewhere.KERNEL):
        monkeypatch.delenv(name, raising=False)
    client: Any = Client()
    assert facts_of(ENGINE, client).hardware is None
    monkeypatch.setenv(elsewhere.PORTS, elsewhere.ELSEWHERE)
    monkeypatch.setenv(elsewhere.HARDWARE, "virtual machine (TCG)")
    monkeypatch.setenv(elsewhere.KERNEL, "5.10.223")
    host = facts_of(ENGINE, client)
    assert (host.hardware, host.memory_mib, host.cpu) == ("virtual machine (TCG)", 2048, None)
    assert Host.from_json(host.to_json()) == host
    assert host_words(host).startswith("virtual machine (TCG) · 2 × processors · kernel 5.10.223 (5.10.0-32")


def test_a_trial_never_runs_on_another_kernel_than_its_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever led to it."""
    scenario = load(tmp_path)
    variant = PlannedVariant(scenario.experiments["lamp"], CUSTOM, {KERNEL: "5.10.223"}, 1)
    client: Any = None
    run = RunDirectory(tmp_path / "results" / "blink" / "1")
    runner = Runner(Plan(scenario, (variant,)), run, ENGINE, client, Policy.AUTO, RunObserver())
    for kernel in ("", "6.1.192"):
        monkeypatch.setenv(elsewhere.KERNEL, kernel)
        with pytest.raises(LabError, match=r"lamp/custom KERNEL=5\.10\.223 was about to run on another kernel"):
            runner._stack(Prepared(variant, {"services": {}}), run.trial("lamp", CUSTOM, 1))
    monkeypatch.setenv(elsewhere.KERNEL, "5.10.223")
    assert runner._stack(Prepared(variant, {"services": {}}), run.trial("lamp", CUSTOM, 1))


# -- what it starts -------------------------------------------------------------------------------


def test_each_kernel_has_a_machine_and_the_engine_in_use_is_first() -> None:
    """It builds the images."""
    engines = engines_of_kernels("unix:///run/docker.sock", ["5.10.223", "6.1.0-9-cloud-amd64"])
    assert [(engine.name, engine.kernel) for engine in engines] == [
        ("local", ""),
        (vm_name("5.10.223"), "5.10.223"),
        (vm_name("6.1.0-9-cloud-amd64"), "6.1.0-9-cloud-amd64"),
    ]


def test_the_engine_in_use_is_taken_as_it_is() -> None:
    """Nobody has named it, so no message speaks of words that a user gave. Its path may have any signs."""
    endpoint = "unix:///home/me/my, sockets/docker.sock"
    assert engines_of_kernels(endpoint, ["5.10.223"])[0] == NamedEngine("local", endpoint)
    assert engines_of_kernels("ssh://me@lab2", [])[0].ssh == ("me@lab2",)
    with pytest.raises(UsageError, match="the engine in use is on another machine"):
        engines_of_kernels("tcp://192.0.2.7:2376", ["5.10.223"])


def test_the_kernels_of_a_question_are_those_of_its_cells() -> None:
    """Each once. A question without them runs where it ran before."""
    cells = [Cell("lamp", ((KERNEL, kernel), ("WORKERS", n))) for kernel in ("5.10.223", "6.1.192") for n in "12"]
    options = ClusterOptions().on_kernels([*cells, Cell("lamp")])
    assert (options.kernels, options.several) == (("5.10.223", "6.1.192"), True)
    assert ClusterOptions().on_kernels([Cell("lamp")]) == ClusterOptions()
    named = ClusterOptions(engines="unix:///run/docker.sock")
    assert named.on_kernels([Cell("lamp")]) == named
    for other in (named, ClusterOptions(scheduler="tcp://lab1:8786")):
        with pytest.raises(UsageError, match="two ways to choose what runs the trials"):
            other.on_kernels(cells)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["matrix", "blink", "--over", "KERNEL=6.1,5.10", "--over", "WORKERS=1,2"], "KERNEL: 5.10.223, 6.1.192"),
        (["matrix", "blink", "--over", "WORKERS=1,2", "--set", "KERNEL=5.10"], "in all cells: KERNEL=5.10.223"),
        (["bisect", "blink", "--factor", "KERNEL=5.10,6.12,6.1"], "KERNEL"),
        (["shrink", "blink", "--set", "KERNEL=5.10"], "KERNEL=5.10.223"),
    ],
)
def test_a_plan_names_the_full_version_and_starts_no_machine(words: list[str], expected: str, checkout: Path) -> None:
    """Of each kind of question."""
    result = CliRunner().invoke(main, [*words, "--plan"])
    assert result.exit_code == Exit.AS_RECORDED, result.output
    assert expected in result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["matrix", "blink", "--over", "KERNEL=4.9"], "this distribution has no such one"),
        (["matrix", "blink", "--over", "KERNEL="], "KERNEL is ''"),
        (["matrix", "blink", "--over", "KERNEL"], "names no values"),
        (["matrix", "blink", "--over", "KERNEL=5.10", "--set", "KERNEL=6.1"], "KERNEL is given twice"),
        (["matrix", "blink", "--over", "KERNEL=5.10", "--engines", "unix:///run/docker.sock"], "two ways to choose"),
        (["matrix", "blink", "--over", "KERNEL=5.10", "--engines", "unix:///x vm:6.1"], "two ways to choose"),
        (["shrink", "blink", "--set", "KERNEL=5.10", "--scheduler", "tcp://lab:1"], "two ways to choose"),
        (["shrink", "blink", "--engines", "unix:///x vm:4.9", "--share-images"], "this distribution has no such one"),
        (["shrink", "blink", "--set", "KERNEL=5.10,6.1"], "'5.10,6.1' are several kernels"),
        (["bisect", "blink", "--factor", "KERNEL"], "KERNEL of blink has no range"),
        (["bisect", "blink", "--factor", "KERNEL=5.10,6.1", "--set", "KERNEL=6.1"], "KERNEL is the factor"),
        (["bisect", "blink", "--factor", "RELEASE=1.0,0.9", "--set", "KERNEL=4.9"], "this distribution has no such"),
        (["shrink", "blink", "--set", "KERNEL=latest"], "KERNEL is 'latest'"),
        (["up", "blink", "--set", "KERNEL=5.10"], "blink has no factor KERNEL"),
        (["run", "blink", "--set", "KERNEL=5.10"], "blink has no factor KERNEL"),
    ],
)
def test_what_cannot_be_is_a_usage_error(words: list[str], expected: str, checkout: Path) -> None:
    """Before anything is started."""
    result = CliRunner().invoke(main, [*words, *(["--plan"] if words[0] in ("matrix", "bisect", "shrink") else [])])
    assert result.exit_code == Exit.USAGE, result.output
    assert expected in result.output


def test_a_map_over_kernels_is_measured_on_their_machines(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurer gets each kernel once; no user has to name engines."""
    seen: list[ClusterOptions] = []

    def opening(*arguments: Any, **options: Any) -> Any:
        seen.append(arguments[3])
        raise LabError("no further")

    monkeypatch.setattr(matrix_command, "open_measurer", opening)
    result = CliRunner().invoke(main, ["matrix", "blink", "--over", "KERNEL=6.1,5.10", "--over", "WORKERS=1,2"])
    assert result.exit_code == Exit.LAB_FAILED
    assert [options.kernels for options in seen] == [("5.10.223", "6.1.192")]


@pytest.mark.parametrize(
    ("target", "given", "words"),
    [
        ("scenario", ["VARIANT=old", "KERNEL=5.10"], ["run", "--variant", "old", "--kernel", "5.10"]),
        ("matrix", ["OVER=KERNEL=5.10,6.1 WORKERS=1"], ["matrix", "--over", "KERNEL=5.10,6.1", "--over", "WORKERS=1"]),
        ("bisect", ["FACTOR=KERNEL=5.10,6.1"], ["bisect", "--factor", "KERNEL=5.10,6.1"]),
        ("shrink", ["KERNEL=6.12"], ["shrink", "--set", "KERNEL=6.12"]),
        ("scenario", [], ["run"]),
        # It is an error, since the run would be on this kernel.
        ("scenario", ["KERNEL="], ["run", "--kernel", ""]),
        ("shrink", ["KERNEL="], ["shrink", "--set", "KERNEL="]),
    ],
)
def test_make_has_a_word_for_it(target: str, given: list[str], words: list[str]) -> None:
    """Only on its command line: other programs have a variable of that name in the environment."""
    command = ["make", "-n", "-o", "setup", f"{target}-socket-vanish", *given]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "KERNEL": "linux"}, capture_output=True, text=True)
    assert shlex.split(done.stdout.replace("\\\n", "")) == [".venv/bin/reprolab", words[0], "socket-vanish", *words[1:]]


# -- what is said of it ---------------------------------------------------------------------------


def test_a_question_over_kernels_says_what_differs_beside_them() -> None:
    """And not that nothing can be told of hosts: the question itself chose them."""

    def results(**kernels_: str) -> list[CellResult]:
        return [
            CellResult(
                Cell("lamp", ((KERNEL, kernel),) if kernel else (("WORKERS", host),)),
                (trial("custom", True, 1, machine={"host": host}),),
            )
            for host, kernel in kernels_.items()
        ]

    assert list(host_sentences([claim()], results(a="5.10.223", b="6.1.192"))) == [VIRTUAL]
    (sentence,) = host_sentences([claim()], results(a="", b=""))
    assert sentence.startswith("whether B-1 depends on the host cannot be told")
    assert list(host_sentences([claim()], [CellResult(Cell("lamp", ((KERNEL, "5.10.223"),)))])) == []


def test_the_environment_of_these_tests_names_no_machine() -> None:
    """Otherwise they would test something else."""
    assert not {elsewhere.PORTS, elsewhere.KERNEL, elsewhere.HARDWARE} & os.environ.keys()
