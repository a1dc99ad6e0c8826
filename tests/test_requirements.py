"""What a scenario needs of the machine: how it is read, what is compared, and variants that cannot run here."""

from __future__ import annotations

import platform
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import COMPOSE, EXPERIMENT, ROOT, lay_out, load
from click.testing import CliRunner
from reprolab.cli.main import main
from reprolab.core.errors import UsageError
from reprolab.engine.requirements import HostState, lacks, unmet
from reprolab.run.runner import NO_STACK, Prepared
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.scenario.requirement import CAPABILITIES, Requirement
from test_runner import Builder, make

NEEDS = """\
  requires:
    - kernel: ">=5.10, <6.13"
      cgroup: v2
      architecture: x86_64 aarch64
      capabilities: SYS_PTRACE NET_ADMIN
      sysctls: {kernel.yama.ptrace_scope: "<3", kernel.ostype: Linux, vm.swappiness: 60}
      why: the lamp is old
    - when: {RELEASE: 0.9.1 0.9.*, experiment: lamp}
      probe: probe.py
"""


def declaring(needs: str) -> str:
    """The small scenario's Compose file with these needs."""
    return COMPOSE.replace("services:\n", f"{needs}services:\n")


def scenario(root: Path, needs: str, probe: str = "") -> Scenario:
    """The small scenario with these needs, and a file probe.py."""
    directory = lay_out(root, compose=declaring(needs), lamp=EXPERIMENT)
    (directory / "probe.py").write_text(probe, encoding="utf-8")
    return loader.load(root, "blink")


def machine(root: Path, **facts: Any) -> HostState:
    """A machine with files of its own for /proc."""
    values = {"kernel": "6.1.0-30-amd64", "cgroup": "v2 systemd", "architecture": "x86_64"} | facts
    return HostState(**({"own_kernel": values["kernel"]} | values), root=root)


def with_sysctl(root: Path, name: str, value: str) -> HostState:
    """A machine with this sysctl."""
    path = root / "proc/sys" / name.replace(".", "/")
    path.parent.mkdir(parents=True)
    path.write_text(f"{value}\n")
    return machine(root)


def found(host: HostState, **needs: Any) -> list[str]:
    """What the machine does not have."""
    return list(unmet(Requirement(**needs), host))


# -- the definition ------------------------------------------------------------------------------


def test_needs_are_read(tmp_path: Path) -> None:
    """Lists of words are split; a number is a value."""
    general, special = scenario(tmp_path, NEEDS).requires
    assert general == Requirement(
        kernel=">=5.10, <6.13",
        cgroup="v2",
        architecture=("x86_64", "aarch64"),
        capabilities=("SYS_PTRACE", "NET_ADMIN"),
        sysctls={"kernel.yama.ptrace_scope": "<3", "kernel.ostype": "Linux", "vm.swappiness": "60"},
        why="the lamp is old",
    )
    assert special.when == {"RELEASE": ("0.9.1", "0.9.*"), "experiment": ("lamp",)}
    assert special.probe == tmp_path / "scenarios/blink/probe.py"


def test_a_scenario_without_needs(tmp_path: Path) -> None:
    """Nothing is needed."""
    assert load(tmp_path).requires == ()


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        ("{kernel: '>=5'}", "requires is {'kernel': '>=5'}"),
        ("[{kernel: 6.1}]", r"requires\[1\].kernel is 6.1"),
        ("[{kernel: '6.1'}]", r"requires\[1\].kernel is '6.1', which is no range"),
        ("[{kernel: '>=six'}]", r"requires\[1\].kernel is '>=six', which is no range"),
        ("[{kernel: '>=5'}, {kernl: '>=5'}]", r"requires\[2\]: unknown key kernl \(did you mean kernel\?\)"),
        ("[{why: no reason}]", r"requires\[1\] needs nothing"),
        ("[{cgroup: 2}]", r"cgroup is 2"),
        ("[{cgroup: v3}]", "cgroup is 'v3'"),
        ("[{capabilities: ptrace}]", r"names ptrace, which is no capability \(did you mean SYS_PTRACE\?\)"),
        ("[{sysctls: vm.swappiness}]", "sysctls is 'vm.swappiness'"),
        ("[{sysctls: {vm.swappiness: yes}}]", "vm.swappiness is True"),
        ("[{sysctls: {vm.swappiness: '>x'}}]", "vm.swappiness is '>x', which is no range"),
        ("[{probe: missing.py}]", "there is no file missing.py"),
        ("[{when: {RELEAS: 1}, cgroup: v2}]", r"names RELEAS, which is no factor \(did you mean RELEASE\?\)"),
        ("[{when: {RELEASE: 1.0}, cgroup: v2}]", "when.RELEASE is 1.0"),
        (
            "[{when: {experiment: lmp}, cgroup: v2}]",
            r"requires\[1\].when names the experiment 'lmp'.*did you mean lamp",
        ),
    ],
)
def test_a_wrong_definition_is_named(tmp_path: Path, needs: str, message: str) -> None:
    """The message has the place and what was meant."""
    with pytest.raises(UsageError, match=message):
        scenario(tmp_path, f"  requires: {needs}\n")


def test_the_list_of_scenarios_has_the_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variants that have them, and the reason."""
    scenario(tmp_path, NEEDS)
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    printed = " ".join(CliRunner().invoke(main, ["list"]).output.split())
    assert "needs: kernel >=5.10, <6.13, cgroup v2, x86_64 or aarch64, capability SYS_PTRACE" in printed
    assert "vm.swappiness 60 (the lamp is old)" in printed
    assert "needs: RELEASE=0.9.1|0.9.* experiment=lamp: probe probe.py" in printed


# -- the comparison ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "wanted", "has"),
    [
        ("6.18.44-fc-v669", ">=5.10", True),
        ("6.18.44-fc-v669", "<6.13", False),
        ("6.12.9", ">=5.10, <6.13", True),
        ("5.4.0-200-generic", ">=5.10", False),
        ("5.10.0-8-amd64", ">=5.10", True),
        ("unknown", ">=5.10", False),
    ],
)
def test_a_range_of_kernels(tmp_path: Path, kernel: str, wanted: str, has: bool) -> None:
    """A kernel is compared by its three numbers."""
    assert found(machine(tmp_path, kernel=kernel), kernel=wanted) == (
        [] if has else [f"a kernel {wanted}, it has {kernel}"]
    )


def test_cgroup_and_architecture(tmp_path: Path) -> None:
    """The engine names the version and the driver of cgroup."""
    host = machine(tmp_path, cgroup="v1 cgroupfs", architecture="riscv64")
    assert found(host, cgroup="v1") == []
    assert found(host, cgroup="v2") == ["cgroup v2, it has v1 cgroupfs"]
    assert found(host, architecture=("x86_64", "riscv64")) == []
    assert found(host, architecture=("x86_64", "aarch64")) == ["x86_64 or aarch64, it is riscv64"]


def test_capabilities_are_those_of_the_first_process(tmp_path: Path) -> None:
    """The engine cannot give a capability that is not in that set."""
    (tmp_path / "proc/1").mkdir(parents=True)
    without_ptrace = (1 << len(CAPABILITIES)) - 1 & ~(1 << 19)
    (tmp_path / "proc/1/status").write_text(f"Name:\tinit\nCapBnd:\t{without_ptrace:016x}\n")
    assert found(machine(tmp_path), capabilities=("NET_ADMIN", "SYS_PTRACE")) == ["the capability SYS_PTRACE"]
    assert CAPABILITIES.index("SYS_PTRACE") == 19 and CAPABILITIES.index("CHECKPOINT_RESTORE") == 40


@pytest.mark.parametrize(
    ("value", "wanted", "has"),
    [("1", "<3", True), ("3", "<3", False), ("60", "60", True), ("4096", ">=1024", True), ("1  2\t3", "1 2 3", True)],
)
def test_sysctls(tmp_path: Path, value: str, wanted: str, has: bool) -> None:
    """A range compares numbers, everything else is compared as text."""
    host = with_sysctl(tmp_path, "kernel.yama.ptrace_scope", value)
    assert (found(host, sysctls={"kernel.yama.ptrace_scope": wanted}) == []) is has
    assert found(host, sysctls={"vm.swappiness": wanted}) == [f"vm.swappiness {wanted}, it has no such sysctl"]


def test_a_probe_asks_the_machine(tmp_path: Path) -> None:
    """Status 0 means that the machine has it; else the last line says why not. It runs once."""
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("")
    bad.write_text("from pathlib import Path\nPath(__file__).unlink()\nprint('first')\nraise SystemExit('too old')\n")
    host = machine(tmp_path, kernel=platform.release())
    assert found(host, probe=good) == []
    for _ in range(2):
        assert found(host, probe=bad) == ["the probe bad.py ended with too old"]


def test_what_cannot_be_seen_counts_as_there(tmp_path: Path) -> None:
    """An engine on another kernel may have what this machine lacks; its kernel and architecture are known."""
    host = machine(tmp_path, kernel="6.1.5", own_kernel="5.10.1")
    missing = tmp_path / "missing.py"
    assert found(host, sysctls={"vm.swappiness": "1"}, capabilities=("BPF",), probe=missing) == []
    assert found(host, kernel="<6") == ["a kernel <6, it has 6.1.5"]


def test_the_reason_names_need_and_why(tmp_path: Path) -> None:
    """Needs with `when` concern a variant by its factors, whoever set them."""
    needs = NEEDS.replace("0.9.1 0.9.*", "2.*")
    small = scenario(tmp_path, needs, probe="raise SystemExit('no lamp')")
    host = machine(tmp_path, kernel=platform.release())
    small = replace(small, requires=(Requirement(kernel="<2", why="it is old"), small.requires[1]))
    general = f"this host lacks what the variant needs: a kernel <2, it has {host.kernel} (it is old)"
    assert lacks(small, {}, "lamp", host) == general
    assert lacks(small, {"RELEASE": "2.1"}, "lamp", host) == f"{general}; the probe probe.py ended with no lamp"
    assert lacks(small, {"RELEASE": "2.1"}, "", host) == general
    assert lacks(replace(small, requires=()), {}, "lamp", host) == ""


# -- the run -------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("lacking", ["old", "documented"])
def test_a_variant_that_the_machine_cannot_run_is_invalid(tmp_path: Path, jobs: int, lacking: str) -> None:
    """It is not started and counts as no failed build, also if it is the documented one; the others run."""
    runner, prepared, records = make(tmp_path, Builder(), jobs=jobs)
    reason = "this host lacks what the variant needs: a newer kernel"
    prepared = [
        Prepared(item.variant, {**NO_STACK, "name": "none"}, lacks=reason) if item.variant.name == lacking else item
        for item in prepared
    ]
    done = runner.execute(prepared)
    assert {record.invalid for record in records if record.variant == lacking} == {reason}
    assert lacking not in runner.driven and len(runner.driven) == 3
    assert not any(item.invalid for item in done)


class Preparer:
    """Takes the place of the preparer of models."""

    bases: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def models(self, scenario: Scenario, requests: Any, owner: Any) -> list[Any]:
        return [{"services": {"app": {"image": request.factors["RELEASE"]}}} for request in requests]


def test_needs_are_checked_before_anything_is_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variant that cannot run has no model, so no image is built and no base is looked for."""
    runner, _, _ = make(tmp_path, Builder())
    old = {**runner.plan.variants[1].changes, "RELEASE": "0.9"}
    variants = (
        replace(runner.plan.variants[0], changes={"RELEASE": "1"}),
        replace(runner.plan.variants[1], changes=old),
    )
    needs = replace(runner.plan.scenario, requires=(Requirement({"RELEASE": ("0.9",)}, cgroup="v2"),))
    runner.plan = replace(runner.plan, scenario=needs, variants=variants)
    monkeypatch.setattr("reprolab.run.runner.StackPreparer", Preparer)
    monkeypatch.setattr("reprolab.run.runner.compose_command", lambda engine: ())
    monkeypatch.setattr("reprolab.run.runner.HostState.of", lambda engine: machine(tmp_path, cgroup="v1 cgroupfs"))
    started: list[Any] = []
    monkeypatch.setattr(Builder, "start", lambda self, models: started.append(models), raising=False)
    documented, lacking = runner.prepare()
    assert documented.model["services"] == {"app": {"image": "1"}} and not documented.lacks
    assert lacking.model == NO_STACK and "cgroup v2, it has v1 cgroupfs" in lacking.lacks
    assert [model["services"] for model in started[0].values()] == [{"app": {"image": "1"}}, {}]


# -- the scenarios -------------------------------------------------------------------------------


def test_socket_vanish_says_which_variant_needs_what() -> None:
    """Of all variants only the release that cannot start without the option; also for factors that a user sets."""
    vanish = loader.load(ROOT, "socket-vanish")
    (requirement,) = vanish.requires
    concerned = {
        name
        for experiment in vanish.experiments.values()
        for name, changes in experiment.variants.items()
        if requirement.concerns({**vanish.factors, **changes})
    }
    assert concerned == {"gunicorn-19.7.1"}
    assert not requirement.concerns({**vanish.factors, "GUNICORN": "19.7.1", "BIND": "127.0.0.1:8000"})


def test_the_probe_of_socket_vanish_says_what_this_kernel_does() -> None:
    """The same system call in this process has the same result."""
    vanish = loader.load(ROOT, "socket-vanish")
    probe = vanish.requires[0].probe
    assert probe
    try:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        accepts = True
    except OSError:
        accepts = False
    answer = HostState(platform.release(), "v2", "x86_64").probe(probe)
    assert (answer == "") is accepts, answer
