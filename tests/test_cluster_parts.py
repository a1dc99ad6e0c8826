"""The parts of the cluster that need no worker: archives, blocks, names of engines, what is left behind."""

from __future__ import annotations

import io
import json
import sys
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from cases import load
from click.testing import CliRunner
from reprolab.cli.cluster_options import ClusterOptions
from reprolab.cli.main import main
from reprolab.cluster import archive, driver, kernel_workers, own, session
from reprolab.cluster import crew as crew_module
from reprolab.cluster import share as share_module
from reprolab.cluster.archive import Archive, pack, unpack
from reprolab.cluster.blocks import blocks
from reprolab.cluster.crew import Crew, Job, Member
from reprolab.cluster.dispatch import Dispatcher
from reprolab.cluster.engines import NamedEngine, read_engines
from reprolab.cluster.half_trials import ASIDE, collect, set_aside
from reprolab.cluster.kernel_workers import KernelWorkers
from reprolab.cluster.messages import Built, Failure, Part, Place, Question, Returned, TrialTask
from reprolab.cluster.own import ssh_command
from reprolab.cluster.queue import Queue
from reprolab.cluster.tasks import Opening
from reprolab.cluster.workplace import Workplace, _same_case
from reprolab.core import shared_files
from reprolab.core.errors import BuildError, EngineError, EvidenceError, Exit, LabError, UsageError
from reprolab.core.subprocesses import run
from reprolab.engine.apt import Machine
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.evidence.run_info import BuiltImage, Image, PlanEntry, RunInfo
from reprolab.evidence.trials_file import TrialLines
from reprolab.evidence.whole import hold_against_plan
from reprolab.measure.cell import Cell
from reprolab.measure.key import package_difference
from reprolab.measure.store import CellStore
from reprolab.run.observer import RunObserver
from reprolab.scenario.digest import CaseFiles, case_digest, lab_identity
from reprolab.scenario.trial import TrialRecord
from reprolab.vm import engines as vm_engines
from requests import ConnectionError as NoConnection


def tar_of(name: str, content: bytes = b"x", **more: Any) -> Archive:
    """An archive that `pack` would not make."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        for key, value in more.items():
            setattr(member, key, value)
        tar.addfile(member, io.BytesIO(content))
    return Archive.of(buffer.getvalue())


def test_a_directory_arrives_as_it_was(tmp_path: Path) -> None:
    """With its folders; links are left out."""
    source = tmp_path / "source"
    (source / "failure" / "app").mkdir(parents=True)
    (source / "failure" / "app" / "reason.txt").write_text("why", encoding="utf-8")
    (source / "app.log.gz").write_bytes(bytes(range(256)))
    (source / "link").symlink_to("/etc/passwd")
    unpack(pack(source), tmp_path / "target")
    files = {str(path.relative_to(tmp_path / "target")) for path in (tmp_path / "target").rglob("*") if path.is_file()}
    assert files == {"failure/app/reason.txt", "app.log.gz"}
    assert (tmp_path / "target" / "app.log.gz").read_bytes() == bytes(range(256))


def test_a_trial_without_files_arrives_too(tmp_path: Path) -> None:
    """Its directory may not exist."""
    unpack(pack(tmp_path / "none"), tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", ""])
def test_an_archive_with_a_strange_name_is_refused(name: str, tmp_path: Path) -> None:
    """Nothing of it stays."""
    with pytest.raises(EvidenceError, match="arrived damaged"):
        unpack(tar_of(name), tmp_path / "target" / "1")
    assert not (tmp_path / "target" / "1").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_an_archive_with_something_else_than_files_is_refused(kind: bytes, tmp_path: Path) -> None:
    """A link could lead out of the directory."""
    with pytest.raises(EvidenceError, match="is no file of a trial"):
        unpack(tar_of("x", b"", type=kind, linkname="/etc/passwd"), tmp_path / "target")


def test_an_archive_that_was_changed_on_its_way_is_refused(tmp_path: Path) -> None:
    """Its checksum tells; so does a tar that ends in the middle."""
    sound = tar_of("x", b"abc")
    with pytest.raises(EvidenceError, match="another content"):
        unpack(replace(sound, data=sound.data.replace(b"abc", b"abd")), tmp_path / "target")
    with pytest.raises(EvidenceError, match="arrived damaged"):
        unpack(Archive.of(sound.data[:513]), tmp_path / "target")


def test_too_much_evidence_is_an_error_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker must not fill the driver's memory or disk."""
    (tmp_path / "x").write_bytes(b"12345")
    packed = pack(tmp_path)
    monkeypatch.setattr(archive, "MOST_BYTES", 4)
    with pytest.raises(EvidenceError, match="too large to be sent"):
        pack(tmp_path)
    with pytest.raises(EvidenceError, match="too large"):
        unpack(packed, tmp_path / "target")


def cells(rows: int, columns: int) -> list[Cell]:
    """A map."""
    return [Cell("lamp", (("RELEASE", f"{x}"), ("KIND", f"k{y}"))) for x in range(columns) for y in range(rows)]


def test_a_block_is_one_round_of_all_cells_if_there_are_enough_rounds() -> None:
    """Each cell once; the next round is another block."""
    wanted = dict.fromkeys(cells(2, 3), 2)
    parts = blocks(wanted, 2, "seed")
    assert [{number for _, number in part} for part in parts] == [{0}, {1}]
    assert all(sorted(cell.words for cell, _ in part) == sorted(cell.words for cell in wanted) for part in parts)


def test_with_fewer_rounds_than_hosts_cells_are_compared_along_the_longest_axis() -> None:
    """So that there is something to do for all hosts."""
    parts = blocks(dict.fromkeys(cells(3, 5), 1), 3, "seed")
    assert len(parts) == 3
    for part in parts:
        assert len({dict(cell.changes)["KIND"] for cell, _ in part}) == 1 and len(part) == 5


def test_a_line_is_cut_into_stretches_of_neighbours_if_it_would_leave_hosts_idle() -> None:
    """One release after the other, as long as there are two of them for a comparison."""
    line = cells(1, 12)
    parts = blocks(dict.fromkeys(line, 1), 4, "seed")
    stretches = sorted([line.index(cell) for cell, _ in sorted(part, key=lambda p: line.index(p[0]))] for part in parts)
    assert stretches == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert len(blocks(dict.fromkeys(line, 1), 100, "seed")) == 6
    assert len(blocks(dict.fromkeys(line, 2), 4, "seed")) == 4


def test_a_caller_may_name_what_is_compared() -> None:
    """For example nothing."""
    wanted = dict.fromkeys(cells(2, 2), 2)
    assert [len(part) for part in blocks(wanted, 1, "seed", lambda cell: cell)] == [1] * 8


def test_cells_that_want_fewer_trials_are_in_fewer_rounds() -> None:
    """Every trial is there once."""
    first, second = cells(2, 1)
    parts = blocks({first: 3, second: 1}, 1, "seed")
    assert [len(part) for part in parts] == [2, 1, 1]
    assert sorted(number for part in parts for cell, number in part if cell == first) == [0, 1, 2]


def test_the_order_of_blocks_is_that_of_the_seed() -> None:
    """And another one with another seed."""
    wanted = dict.fromkeys(cells(6, 6), 1)
    assert blocks(wanted, 9, "1") == blocks(wanted, 9, "1")
    assert blocks(wanted, 9, "1") != blocks(wanted, 9, "2")


class Contexts(Machine):
    """A machine whose docker command line knows one context."""

    def which(self, program: str) -> str:
        return str(self.root / program)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Its `docker context inspect` knows `far` and `tls`."""
    script = tmp_path / "docker"
    script.write_text(
        '#!/bin/sh\nshift 5\ncase "$1" in far) echo ssh://me@lab3:2222 ;; tls) echo tcp://lab4:2376 ;; '
        "*) echo no such context >&2; exit 1 ;; esac\n",
        encoding="utf-8",
    )
    script.chmod(0o755)
    return Contexts(root=tmp_path)


def test_engines_are_sockets_machines_and_contexts(machine: Machine) -> None:
    """Each has a name of its own."""
    assert read_engines("unix:///run/docker.sock ssh://lab2,far unix:///srv/two.sock", machine) == (
        NamedEngine("local", "unix:///run/docker.sock"),
        NamedEngine("lab2", "ssh://lab2", ("lab2",)),
        NamedEngine("far", "ssh://me@lab3:2222", ("-p", "2222", "me@lab3")),
        NamedEngine("local-2", "unix:///srv/two.sock"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere", "no docker context 'nowhere'"),
        ("vm:", "'' is no kernel"),
        ("vm:latest", "'latest' is no kernel"),
        ("vm:6.12 vm:6.12", "names vm:6.12 twice"),
        ("tls", "which it names and watches"),
        ("tcp://10.0.0.1:2375", "which it names and watches"),
        ("http://lab2", "no address of an engine"),
        ("unix://", "no address of an engine"),
        ("ssh://lab2/some/path", "no address of an engine"),
        ("ssh://-oProxyCommand=x", "is no host"),
        ("ssh://lab2:x", "Port could not be cast"),
        ("ssh://lab2 ssh://lab2", "names ssh://lab2 twice"),
    ],
)
def test_a_text_that_names_no_engine_is_a_usage_error(text: str, message: str, machine: Machine) -> None:
    """With what was expected."""
    with pytest.raises(UsageError, match=message) as caught:
        read_engines(text, machine)
    assert caught.value.expected


def test_a_virtual_machine_is_named_by_its_kernel(machine: Machine) -> None:
    """It has an address when it runs."""
    local, vm = read_engines("unix:///run/docker.sock vm:6.12", machine)
    assert vm == NamedEngine("vm-6.12", "vm:6.12")
    assert (vm.kernel, local.kernel) == ("6.12", "")
    assert replace(vm, endpoint="unix:///tmp/docker.sock").kernel == ""


def test_a_virtual_machine_gets_its_images_from_another_engine() -> None:
    """It has no network: the first engine builds."""
    for engines, share in (("unix:///run/docker.sock vm:6.12", False), ("vm:6.12 unix:///run/docker.sock", True)):
        with pytest.raises(UsageError, match="reaches no network"):
            session.check_options(engines, "", share)
    assert len(session.check_options("unix:///run/docker.sock vm:6.12", "", True)) == 2


def test_engines_without_a_virtual_machine_start_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is asked for today needs neither QEMU nor apt."""
    monkeypatch.setattr(vm_engines, "recipes", None)
    named = read_engines("unix:///run/docker.sock")
    with session.started(named, tmp_path, print) as engines:
        assert engines == named


def test_a_virtual_machine_gets_its_address_when_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The others keep theirs, and the order stays."""

    @contextmanager
    def running(recipes: dict[str, str], on_progress: object) -> Iterator[dict[str, str]]:
        yield {kernel: f"unix:///tmp/{kernel}" for kernel in recipes}

    monkeypatch.setattr(vm_engines, "recipes", lambda results, kernels, on_progress: {name: name for name in kernels})
    monkeypatch.setattr(vm_engines, "engines", running)
    monkeypatch.setattr(vm_engines, "environment", lambda recipe, address: {"K": recipe, "A": address})
    with session.started(read_engines("unix:///run/docker.sock vm:6.12 vm:5.10"), tmp_path, print) as engines:
        assert [(engine.name, engine.endpoint, dict(engine.environ)) for engine in engines] == [
            ("local", "unix:///run/docker.sock", {}),
            ("vm-6.12", "unix:///tmp/6.12", {"K": "6.12", "A": "unix:///tmp/6.12"}),
            ("vm-5.10", "unix:///tmp/5.10", {"K": "5.10", "A": "unix:///tmp/5.10"}),
        ]


NAMES = {"5.10": "five", "6.1": "six"}


def test_a_machine_that_is_required_gets_a_worker_and_images_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine in use, which has no kernel to start, is there already."""
    monkeypatch.setattr(vm_engines, "environment", lambda recipe, address: {"K": recipe.name})
    monkeypatch.setattr(vm_engines, "Keeper", lambda recipe: Mock(wait=lambda on_progress: f"unix:///tmp/{recipe}"))
    disks: list[tuple[str, str]] = []
    monkeypatch.setattr(
        vm_engines, "replace", lambda recipe, filled: disks.append((recipe.name, filled)) or recipe.name
    )
    monkeypatch.setattr(kernel_workers, "engine_disk", lambda docker, source, images, *others: f"disk of {images}")
    recipes: Any = {number: SimpleNamespace(name=name, root="", disks="") for number, name in NAMES.items()}
    machines = vm_engines.Machines(recipes, print)
    sharer = share_module.Sharer({"local": "unix:///a"}, "docker", print)
    workers: Any = Mock()
    starts = KernelWorkers(machines, workers, sharer)
    starts.require(["", "5.10", "5.10"])
    starts.require(["5.10", ""])
    assert sharer.engines == {"local": "unix:///a", "vm-5.10": "unix:///tmp/five"}
    sharer._built[Cell("lamp")] = Built({"app": BuiltImage(Image("app:1", "sha256:1"), {})}, {})
    starts.require(["6.1", "5.10"])
    added = [call.args[0] for call in workers.add.call_args_list]
    assert [(engine.name, engine.endpoint, engine.environ) for engine in added] == [
        ("vm-5.10", "unix:///tmp/five", (("K", "five"),)),
        ("vm-6.1", "unix:///tmp/six", (("K", "six"),)),
    ]
    assert disks == [("five", "disk of {}"), ("six", "disk of {'app:1': 'sha256:1'}")]


def test_machines_start_side_by_side_as_there_are_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five at once on two processors take minutes until the first one answers."""
    events: list[str] = []

    def keeper(recipe: str) -> Any:
        return Mock(start=lambda: events.append(f"start {recipe}"), wait=lambda on_progress: events.append("wait"))

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(vm_engines, "Keeper", keeper)
    monkeypatch.setattr(vm_engines, "replace", lambda recipe, filled: recipe)
    with vm_engines.machines(dict(zip("abc", "abc", strict=True)), print) as machines:  # type: ignore[arg-type]
        machines.start("abc")
    assert events == ["start a", "start b", "wait", "wait", "start c", "wait"]


def test_a_question_over_kernels_starts_with_the_engine_in_use_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And requires machines through its measurer."""
    crews: list[tuple[NamedEngine, ...]] = []

    @contextmanager
    def crew_of(question: Question, results: Path, engines: Any, *others: Any) -> Iterator[Any]:
        crews.append(engines)
        yield Mock(own=Mock(names=["local"]))

    monkeypatch.setattr(driver, "crew_of", crew_of)
    monkeypatch.setattr(driver, "forget_delivered", lambda crew: None)
    monkeypatch.setattr(session, "ensure_engine", lambda on_progress: Mock(host="unix:///a"))
    monkeypatch.setattr(session, "machines_of", lambda root, kernels: dict.fromkeys(kernels, "p"))
    monkeypatch.setattr(vm_engines, "recipes", lambda results, kernels, on_progress: {name: name for name in kernels})
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    observer = RunObserver()
    with session.measurer(tmp_path, load(tmp_path), observer, kernels=("5.10.223", "6.1.192")) as measurer:
        assert (measurer.by_kernel, measurer.sharer and measurer.sharer.engines) == (True, {"local": "unix:///a"})
        starts: Any = measurer.require_kernels
        assert list(starts.__self__.machines.recipes) == ["5.10.223", "6.1.192"]
    assert crews == [(NamedEngine("local", "unix:///a"),)]


def test_a_worker_of_a_virtual_machine_knows_what_the_machine_is(tmp_path: Path) -> None:
    """No other worker has such variables."""
    here, far = NamedEngine("local", "unix:///a"), NamedEngine("lab2", "ssh://lab2", ("lab2",))
    vm = NamedEngine("vm-6.12", "unix:///b", environ=(("REPROLAB_PORTS", "elsewhere"), ("REPROLAB_KERNEL", "6.12")))
    workers = own.OwnWorkers(tmp_path, tmp_path, [here, vm, far], 1)
    environs = [workers._environ(engine, tmp_path) for engine in (here, vm, far)]
    assert [environ.get("REPROLAB_PORTS") for environ in environs] == [None, "elsewhere", None]
    assert (environs[1]["REPROLAB_KERNEL"], environs[1]["DOCKER_HOST"]) == ("6.12", "unix:///b")


def test_a_job_for_a_worker_that_is_not_ready_waits_for_it() -> None:
    """The worker of a virtual machine comes after that of this machine's engine. One that has ended comes no more."""
    awaited = ["vm-6.12"]
    member = Member("tcp://here", Place("local", "boot", "/srv"))
    crew: Any = SimpleNamespace(members={"tcp://here": member}, greetings={}, gone={}, awaited=lambda: awaited)
    dispatcher, handler = Dispatcher(crew), Mock(give_up=Mock(return_value=False))
    dispatcher._queue = Queue.of([[Job("a trial", Mock(), Mock(), "cell", only="vm-6.12")]])
    dispatcher._stuck(handler, 1.0)
    assert handler.give_up.call_count == 0 and dispatcher._queue
    awaited.clear()
    dispatcher._stuck(handler, 1.0)
    assert handler.give_up.call_args.args[2] is True
    assert not dispatcher._queue


def test_a_socket_behind_a_link_is_no_second_engine(machine: Machine, tmp_path: Path) -> None:
    """/var/run is a link to /run: two workers of one engine would count as two hosts."""
    (tmp_path / "run").mkdir()
    (tmp_path / "var").symlink_to("run")
    with pytest.raises(UsageError, match=r"twice"):
        read_engines(f"unix://{tmp_path}/run/docker.sock unix://{tmp_path}/var/docker.sock", machine)


def test_a_worker_behind_ssh_gets_both_connections() -> None:
    """On the loopback of both machines; the words of the user come last, and the shell sees a quoted path."""
    engine = NamedEngine("lab2", "ssh://me@lab2:2222", ("-p", "2222", "me@lab2"))
    command = ssh_command(engine, 4444, 5555, Path("/srv/the lab"))
    assert command[command.index("-L") + 1] == "127.0.0.1:5555:127.0.0.1:5555"
    assert command[command.index("-R") + 1] == "127.0.0.1:4444:127.0.0.1:4444"
    assert command[-2:] == ["me@lab2", "cd '/srv/the lab' && exec .venv/bin/python -m reprolab.cluster.worker"]


@pytest.mark.parametrize(
    ("engines", "scheduler", "share"),
    [
        ("", "", False),
        ("unix:///run/docker.sock", "tcp://lab1:8786", False),
        ("", "lab1:8786", False),
        ("", "tcp://lab1:8786", True),
    ],
)
def test_options_that_do_not_go_together_are_usage_errors(engines: str, scheduler: str, share: bool) -> None:
    """Before anything is started."""
    with pytest.raises(UsageError):
        session.check_options(engines, scheduler, share)


def test_images_are_shared_between_several_engines_only() -> None:
    """The option alone does nothing."""
    assert not ClusterOptions().several
    with pytest.raises(UsageError, match="several engines"):
        ClusterOptions(share_images=True).several  # noqa: B018


@pytest.mark.parametrize("arrive", [True, False])
def test_images_that_did_not_arrive_are_an_error(arrive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the machine would build them, without a network, and the cell could not be built."""
    given: list[str] = []
    monkeypatch.setattr(
        share_module, "give_images", lambda docker, here, there, names, on_progress: given.extend(names)
    )

    class Engines:
        """Workers of which the second lacks an image until it is given to it."""

        crew = SimpleNamespace(gone={})

        def run(self, units: Any, handler: Any) -> None:
            for (job,) in units:
                lacking = [] if given and arrive else ["app:1"]
                handler.seen[job.group] = Built({}, {}) if job.only == "local" else lacking

    sharer = share_module.Sharer({"local": "unix:///a", "vm-5.10.223": "unix:///b"}, "docker", print)
    dispatcher: Any = Engines()
    known: Any = SimpleNamespace(cell=Cell("lamp", (("KERNEL", "5.10.223"),)), obstacle="")
    sharer.build(dispatcher, [known])
    if arrive:
        sharer.share(dispatcher, [known])
    else:
        with pytest.raises(EngineError, match=r"are not there: app:1 on vm-5\.10\.223"):
            sharer.share(dispatcher, [known])
    assert given == ["app:1"]


def test_images_get_into_so_many_engines_at_once_as_there_are_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine in a slow machine needs minutes; two of them need no longer."""
    both = threading.Barrier(2, timeout=10)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(share_module, "give_images", lambda *arguments: both.wait())
    shown: list[str] = []
    sharer = share_module.Sharer(dict.fromkeys("labcd", "unix:///x"), "docker", shown.append)
    sharer._copy({"a": ["i:1"], "b": ["i:1", "i:2"], "c": [], "d": ["i:1"], "l": ["i:1"]})
    assert "loading 2 images of l into the engine of b" in shown
    assert len([text for text in shown if " has " in text]) == 4


def test_images_that_one_engine_does_not_take_end_the_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that load are not waited for in vain: nobody begins another one."""
    names: list[str] = []

    def give(docker: str, here: str, there: str, references: Sequence[str], on_progress: object) -> None:
        names.extend(references)
        raise EngineError("no space")

    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr(share_module, "give_images", give)
    sharer = share_module.Sharer(dict.fromkeys("lab", "unix:///x"), "docker", print)
    with pytest.raises(EngineError, match="no space"):
        sharer._copy({"a": ["i:1"], "b": ["i:2"]})
    assert names == ["i:1"]


def test_without_the_extra_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how to get it."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"need dask\.distributed") as caught:
        session.require_distributed()
    assert "reprolab[cluster]" in caught.value.advice and "scripts/bootstrap" in caught.value.advice


def test_one_engine_needs_nothing_of_dask() -> None:
    """No command imports it before several engines are asked for."""
    modules = "reprolab.cli.matrix, reprolab.cli.bisect, reprolab.cli.shrink, sys"
    code = f"import {modules}; print([m for m in ('dask', 'distributed') if m in sys.modules])"
    assert run([sys.executable, "-c", code]).stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["matrix", "bisect", "shrink"])
def test_the_questions_take_engines(command: str) -> None:
    """All three have the same options."""
    text = CliRunner().invoke(main, [command, "--help"]).output
    assert all(option in text for option in ("--engines", "--scheduler", "--share-images"))


def test_commits_are_built_on_one_engine_only(tmp_path: Path) -> None:
    """The two options together are refused before anything is measured."""
    arguments = ["idle-connections", "--factor", "GUNICORN=25.0.0..25.1.0", "--deep", "--source", str(tmp_path)]
    result = CliRunner().invoke(main, ["bisect", *arguments, "--engines", "unix:///run/docker.sock"])
    assert result.exit_code == Exit.USAGE and "on the engine in use only" in result.output


def test_a_failure_keeps_the_parts_of_its_error() -> None:
    """Also of errors that cannot be sent as they are."""
    failure = Failure.of(EngineError("gone", expected="an engine", advice="start it"))
    assert (failure.part, failure.line, failure.expected, failure.advice) == (
        Part.ENGINE,
        "gone",
        "an engine",
        "start it",
    )
    assert Failure.of(UsageError("x")).part is Part.USAGE
    assert Failure.of(BuildError("x\ny")).line == "x"
    assert Failure.of(NoConnection("refused")).part is Part.ENGINE


def test_a_difference_of_packages_is_named() -> None:
    """Of any kind, and a package that is absent too."""
    here = {"app": {"pip": {"flask": "2.0"}, "deb": {"curl": "7"}}}
    assert package_difference(here, here) == ""
    other = {"app": {"pip": {"flask": "2.1"}, "deb": {"curl": "7"}}}
    assert package_difference(here, other) == "app has other packages there: flask is 2.1, not 2.0"
    assert package_difference(here, {"app": {"pip": {"flask": "2.0"}}}).endswith("curl is absent, not 7")


def test_a_half_trial_is_not_written_into(tmp_path: Path) -> None:
    """Each attempt has a directory of its own."""
    evidence = TrialDirectory(tmp_path / "custom" / "3")
    for attempt in ("first", "second"):
        evidence.write_text("x", attempt)
        set_aside(evidence)
    assert not evidence.path.exists()
    kept = sorted(path.name for path in (tmp_path / "custom" / ASIDE).iterdir())
    assert kept == ["3", "3-2"]


def test_what_half_trials_left_is_brought_to_their_cells(tmp_path: Path) -> None:
    """What the driver has is removed; the logs of builds are kept, and the worker's directory is gone."""
    store = CellStore(tmp_path / "results", load(tmp_path / "checkout"))
    trials = tmp_path / "worker" / "cluster" / "q"
    cell = trials / "lamp" / "key" / "lamp" / "custom"
    for name in ("1", "2", f"{ASIDE}/2"):
        TrialDirectory(cell / name).write_text("app.log", name)
    TrialDirectory(trials / "builds").write_text("app-1.log", "built")
    places = collect(trials, "lab2", store, {str(cell / "1")})
    assert [str(path.relative_to(store.directory)) for path in places] == [
        f"lamp/key/{ASIDE}/2-lab2",
        f"lamp/key/{ASIDE}/2-lab2-2",
    ]
    assert (store.directory / "builds" / "app-1.log").read_text(encoding="utf-8") == "built"
    assert not trials.exists()


def test_numbers_that_were_skipped_are_no_faults() -> None:
    """They were given to trials that were broken off; a trial with such a number is one."""
    plan = PlanEntry("lamp", "custom", {}, 4, skipped=(2,))
    info = RunInfo("blink", status="complete", plan=(plan,), checksums=True)
    records = tuple(TrialRecord("lamp", "custom", number, {}, {}) for number in (1, 3, 4))
    assert hold_against_plan(TrialLines(records), info, "trials.jsonl").faults == ()
    surplus = (*records, TrialRecord("lamp", "custom", 2, {}, {}))
    assert "has trial 2" in hold_against_plan(TrialLines(surplus), info, "trials.jsonl").words
    assert "lacks trials" in hold_against_plan(TrialLines(records[:2]), info, "trials.jsonl").words
    assert RunInfo.from_json(json.loads(json.dumps(info.to_json()))).plan == (plan,)


class Scheduler:
    """A client whose scheduler has the workers at these addresses; nothing of what it submits ends."""

    def __init__(self) -> None:
        self.addresses: set[str] = set()

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.addresses, 1)

    def submit(self, *arguments: Any, **options: Any) -> Mock:
        return Mock()


class EndedWorkers(own.OwnWorkers):
    """Workers that were told to end."""

    def end(self, name: str) -> None:
        self.threads += 1


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch) -> Crew:
    """A crew with one worker of its own."""
    monkeypatch.setattr(crew_module, "POLL", 0.0)
    workers = EndedWorkers(Path(), Path(), [NamedEngine("local", "unix:///x")], 0)
    return Crew(Scheduler(), Opening(Question("q", "", "blink", "", "")), [].append, workers)


def test_a_worker_that_comes_back_at_its_address_is_asked_again(crew: Crew) -> None:
    """A worker with a fixed port, which the system starts again."""
    for addresses, greetings in (({"a"}, 1), ({"a"}, 1), (set(), 0), ({"a"}, 1)):
        crew.client.addresses = addresses
        crew.update()
        assert len(crew.greetings) == greetings and crew.size == 1


def test_a_worker_that_is_given_up_is_let_end(crew: Crew) -> None:
    """Its engine may hang, and with it a trial that holds the lock for load of the machine."""
    crew.members["a"] = Member("a", Place("local", "boot", "/x"))
    crew.client.addresses = {"a"}
    crew.silent["a"] = "the engine does not answer"
    assert [member.name for member in crew.update()] == ["local"]
    assert isinstance(crew.own, EndedWorkers) and crew.own.threads == 1


def test_workers_that_are_not_ready_yet_count_as_hosts(crew: Crew) -> None:
    """Else the first ones would get all the work, in as few blocks as there are of them."""
    crew.own = None
    crew.client.addresses = {"a", "b", "c"}
    crew.update()
    assert (len(crew.members), crew.size) == (0, 3)


def test_a_worker_gives_no_trial_of_files_that_changed(tmp_path: Path) -> None:
    """Its Python is that of before, and a file may be mounted: what the trial left is no trial."""
    scenario = load(tmp_path / "checkout")
    place = Place("lab2", "boot", str(tmp_path / "trials"))
    cell = Cell("lamp")
    runner = Mock(places={}, trial=Mock(return_value=TrialRecord("lamp", "custom", 1, {}, {"blinked": True})))
    bench = Workplace(scenario, runner, place, CaseFiles.of(scenario.directory))
    prepared, task = Mock(key="lamp/custom", images={}), TrialTask(cell, 1, "key", load=False)
    runner.bases = {}
    assert isinstance(bench.trial(task, prepared), Returned)
    (scenario.directory / "lamp.py").write_text("# changed\n", encoding="utf-8")
    failure = bench.trial(task, prepared)
    assert isinstance(failure, Failure) and "the files of the case were changed" in failure.text
    with pytest.raises(LabError, match="were changed"):
        bench.look([cell])


def test_a_worker_whose_lab_has_other_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trials may be driven in another way, though both are of one version."""
    scenario = load(tmp_path)
    here = Question("q", str(tmp_path), "blink", case_digest(scenario.directory), lab_identity())
    assert _same_case(tmp_path, here).name == "blink"
    with pytest.raises(LabError, match="the lab has other code in"):
        _same_case(tmp_path, replace(here, lab=here.lab.replace("(", "(0")))
    (scenario.directory / "lamp.py").write_text("# changed\n", encoding="utf-8")
    with pytest.raises(LabError, match="the scenario's files are others in"):
        _same_case(tmp_path, here)


def test_the_identity_of_a_lab_is_that_of_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of the shared images, which a wheel has inside the package."""

    def identity() -> str:
        lab_identity.cache_clear()
        return lab_identity()

    monkeypatch.setattr(shared_files, "PACKAGE", tmp_path)
    (tmp_path / "run.py").write_text("pass\n", encoding="utf-8")
    before = identity()
    shared = tmp_path / shared_files.IN_PACKAGE[shared_files.IMAGES] / "nginx"
    shared.mkdir(parents=True)
    (shared / "probe.py").write_text("pass\n", encoding="utf-8")
    assert identity() == before
    (tmp_path / "run.py").write_text("pass  # changed\n", encoding="utf-8")
    assert identity() != before
    lab_identity.cache_clear()


@pytest.mark.parametrize(
    ("waits", "beside", "given"),
    [
        (True, [], True),
        (True, [True], False),
        (True, [False], False),
        (False, [True], False),
        (False, [False], True),
        (False, [False, True], False),
    ],
)
def test_a_load_runs_alone_on_a_machine_with_several_engines(waits: bool, beside: list[bool], given: bool) -> None:
    """Whichever engine of the machine the others run on: no load begins beside a job, and no job beside a load."""
    queue = Queue.of([[job(waits)]])
    member = Member("tcp://two", Place("local-2", "boot", "trials"))
    assert (queue.pick(member, [job(load) for load in beside]) is not None) is given
    assert bool(queue) is not given


def test_the_jobs_beside_are_those_of_all_engines_of_the_machine(crew: Crew) -> None:
    """Two workers of one boot; a third one is another machine."""
    for name, boot in (("local", "a"), ("local-2", "a"), ("lab2", "b")):
        crew.members[name] = Member(name, Place(name, boot, "trials"), {name: job(True)})
    assert {boot: len(jobs) for boot, jobs in crew.running().items()} == {"a": 2, "b": 1}


def job(load: bool) -> Job:
    """A trial with load, or without."""
    return Job("trial 1", print, lambda member: None, group="cell", load=load)
