"""What the machine did during a trial: recorded texts of /proc and of cgroups, and the arithmetic on them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import NotFound
from reprolab.core.waiting import wait_until
from reprolab.engine import labels
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.evidence.series import Sample
from reprolab.machine import containers, load, texts
from reprolab.machine.containers import NOT_HERE, LabContainers, NotVisible, cgroup_files
from reprolab.machine.load import Reading, busy_reason, read_machine, summary
from reprolab.machine.other_work import OtherWork
from reprolab.machine.services import ServiceReader
from reprolab.machine.texts import Processors
from reprolab.machine.watch import MachineWatch

STAT = """\
cpu  2081995 166035 950710 2297855 34983 0 56266 1256 0 0
cpu0 953729 72257 452341 1280310 9861 0 22913 640 0 0
cpu1 1128265 93777 498368 1017545 25122 0 33352 616 0 0
ctxt 360828093
btime 1795641008
processes 2979295
"""
PRESSURE = """\
some avg10=6.78 avg60=15.66 avg300=18.81 total=9025374714
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
"""
LOAD = "1.67 2.64 2.74 3/245 29676\n"
IDENTIFIER = "8fb3f0f5ecd767bb6f564bb0c0c480d2f3edc043f3abe644e3adf23f9c01f74d"
CGROUP_1 = f"""\
9:name=systemd:/docker/{IDENTIFIER}
8:pids:/docker/{IDENTIFIER}
4:memory:/docker/{IDENTIFIER}
2:cpuacct:/docker/{IDENTIFIER}
1:cpu:/docker/{IDENTIFIER}
0::/docker/{IDENTIFIER}
"""
CGROUP_2 = f"0::/system.slice/docker-{IDENTIFIER}.scope\n"
MOUNTS_1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
MOUNTS_2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
CPU_STAT = "usage_usec 14100808397\nuser_usec 10020473637\nsystem_usec 4080334759\nnice_usec 0\n"
MEMORY_1 = "cache 0\ninactive_file 0\nhierarchical_memory_limit 9223372036854771712\ntotal_inactive_file 219987968\n"
MEMORY_2 = "anon 40960000\nfile 8192000\ninactive_anon 100\ninactive_file 4096000\nactive_file 4096000\n"
PROCESS = (
    "11741 (docker-init) S 11721 11741 11741 0 -1 4194560 1092 0 0 0 1 2 30 40 20 0 1 0 2784368 1044480 146 "
    "18446744073709551615 4198400 4705985 140735853545632 0 0 0 0 3145728 0 1 0 0 17 0 0 0 0 0 0\n"
)
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 512 1 000000003b9abf52 100
   1: 01C0A8C0:B414 02C0A8C0:46A0 06 00000000:00000000 03:00000894 00000000     0        0 0 3 00000000553c8c0f
   2: 01C0A8C0:BCE4 02C0A8C0:46A0 06 00000000:00000000 03:00000CFD 00000000     0        0 0 3 00000000023aa9af
"""
TCP_6 = "  sl  local_address                         remote_address                        st\n"
UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
00000000bae6b83f: 00000002 00000000 00010000 0001 01 33253009 /var/run/a socket
00000000169c01e3: 00000003 00000000 00000000 0001 03 33253031
00000000a52540bd: 00000003 00000000 00000000 0001 03 33253026 /var/run/docker/containerd/containerd.sock
000000007746d5a9: 00000002 00000000 00000000 0002 01 33253006 @5ba02
"""


def write(root: Path, **content: str) -> Path:
    """Write files below a directory; ``a__b`` stands for the path a/b."""
    for name, text in content.items():
        path = root / name.strip("_").replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


# -- texts -----------------------------------------------------------------------------------------


def test_the_time_of_all_processors() -> None:
    """The first line of /proc/stat, in seconds; the other lines give the number of processors."""
    read = texts.processors(STAT)
    assert read.number == 2
    assert read.work == pytest.approx((2081995 + 166035 + 950710) / texts.TICKS_PER_SECOND)
    assert read.interrupts == pytest.approx(56266 / texts.TICKS_PER_SECOND)
    assert read.stolen == pytest.approx(1256 / texts.TICKS_PER_SECOND)
    assert read.total == pytest.approx(sum(map(int, STAT.splitlines()[0].split()[1:9])) / texts.TICKS_PER_SECOND)


@pytest.mark.parametrize("text", ["", "intr 5\n", "cpu 1 2 3\n"])
def test_another_text_is_no_stat(text: str) -> None:
    """An error, and no zero counters."""
    with pytest.raises(ValueError, match="not the text"):
        texts.processors(text)


def test_pressure_and_load_average() -> None:
    """Pressure is the total time in which some task waited."""
    assert texts.stalled_seconds(PRESSURE) == pytest.approx(9025.374714)
    assert texts.load_average(LOAD) == 1.67
    with pytest.raises(ValueError, match="pressure"):
        texts.stalled_seconds("")


def test_the_times_of_a_process() -> None:
    """Own time and that of ended children are apart; a name may have spaces and brackets."""
    read = texts.process_times(PROCESS.replace("docker-init", "a ) b"))
    assert (read.name, read.parent, read.started) == ("a ) b", 11721, 2784368)
    assert (read.own, read.children) == (3 / texts.TICKS_PER_SECOND, 70 / texts.TICKS_PER_SECOND)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2288377649\n", 2.288377649), (CPU_STAT, 14100.808397)], ids=["version 1", "version 2"]
)
def test_the_cpu_time_of_a_cgroup(text: str, seconds: float) -> None:
    """Nanoseconds in version 1, microseconds in version 2."""
    assert texts.cpu_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "size"), [(MEMORY_1, 219987968), (MEMORY_2, 4096000), ("inactive_file 7", 7)])
def test_the_page_cache_that_can_be_dropped(text: str, size: int) -> None:
    """In version 1 the total counts, not the value of the cgroup alone."""
    assert texts.inactive_file_bytes(text) == size


def test_a_memory_stat_without_the_value() -> None:
    """An error, and no zero."""
    with pytest.raises(ValueError, match="no inactive_file"):
        texts.inactive_file_bytes("anon 1\n")


def test_sockets_by_state() -> None:
    """A listening Unix socket is known by its flags; its state says "unconnected"."""
    assert texts.tcp_states([TCP, TCP_6]) == {"tcp listening": 1, "tcp time-wait": 2}
    assert texts.unix_states(UNIX) == {"unix listening": 1, "unix connected": 2, "unix unconnected": 1}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (IDENTIFIER, IDENTIFIER),
        (f"docker-{IDENTIFIER}.scope", IDENTIFIER),
        ("docker.service", ""),
        ("cpu.stat", ""),
        (f"{IDENTIFIER}-exec", ""),
    ],
)
def test_the_container_of_a_cgroup_directory(name: str, found: str) -> None:
    """The name depends on the engine's cgroup driver."""
    assert texts.container_id(name) == found


@pytest.mark.parametrize("cgroup", [CGROUP_1, CGROUP_2, CGROUP_2.replace("docker-", "kube/cri-")])
def test_the_container_of_a_process(cgroup: str) -> None:
    """It is in the path of the cgroup; a process outside of containers has none."""
    assert texts.container_of(cgroup) == ("" if "kube" in cgroup else IDENTIFIER)
    assert texts.container_of("0::/system.slice/docker.service\n") == ""


def test_the_cgroup_files_of_version_1() -> None:
    """Each controller has its own hierarchy, even if version 2 is mounted too."""
    files = cgroup_files(texts.cgroup_mounts(MOUNTS_1), texts.cgroup_paths(CGROUP_1))
    assert str(files.cpu) == f"/sys/fs/cgroup/cpuacct/docker/{IDENTIFIER}/cpuacct.usage"
    assert str(files.memory) == f"/sys/fs/cgroup/memory/docker/{IDENTIFIER}/memory.usage_in_bytes"
    assert str(files.processes) == f"/sys/fs/cgroup/memory/docker/{IDENTIFIER}/cgroup.procs"


def test_the_cgroup_files_of_version_2() -> None:
    """All files are in one directory."""
    files = cgroup_files(texts.cgroup_mounts(MOUNTS_2), texts.cgroup_paths(CGROUP_2))
    base = f"/sys/fs/cgroup/system.slice/docker-{IDENTIFIER}.scope"
    names = ("cpu.stat", "memory.current", "memory.stat", "cgroup.procs")
    assert [str(path) for path in (files.cpu, files.memory, files.memory_stat, files.processes)] == [
        f"{base}/{name}" for name in names
    ]


# -- arithmetic ------------------------------------------------------------------------------------


def reading(work: float, total: float, *, stolen: float = 0.0, interrupts: float = 0.0, **stalled: float) -> Reading:
    """Counters of two processors; ``stalled`` is resource -> seconds."""
    return Reading(Processors(2, work, interrupts, stolen, total), 1.5, stalled)


def test_a_share_is_of_all_processors() -> None:
    """20 s of two processors: programs used 12 s, 9 s of them were not the lab's."""
    machine = summary(reading(100, 1000, cpu=5), reading(112, 1020, interrupts=1, cpu=7.5), 10.0, 9.0)
    assert machine == {
        "seconds": 10.0,
        "processors": 2,
        "load": 1.5,
        "work": 0.6,
        "interrupts": 0.05,
        "stolen": 0.0,
        "pressure": {"cpu": 0.25},
        "others": 0.45,
    }
    assert busy_reason(machine) == "other work used 0.9 of 2 processors (45 %)"


def test_an_idle_machine_is_not_busy() -> None:
    """The lab itself may use all processors."""
    machine = summary(reading(0, 0), reading(20, 20), 10.0, 0.1)
    assert machine["others"] == 0.005 and busy_reason(machine) == ""


def test_the_limit_is_not_busy_and_more_is() -> None:
    """The share must be above the limit."""
    known = {"processors": 2, "stolen": 0.0}
    assert busy_reason({**known, "others": load.BUSY_SHARE}) == ""
    assert busy_reason({**known, "others": load.BUSY_SHARE + 0.01})


def test_stolen_time_counts_with_others() -> None:
    """The reason names both, with the number of processors."""
    machine = {"processors": 4, "others": 0.06, "stolen": 0.2}
    assert (
        busy_reason(machine)
        == "other work used 0.2 of 4 processors (6 %) and the hypervisor took 0.8 of 4 processors (20 %)"
    )
    assert busy_reason(machine | {"others": 0.0}) == "the hypervisor took 0.8 of 4 processors (20 %)"


@pytest.mark.parametrize("machine", [None, {}, {"missing": "no counters"}])
def test_without_counters_a_trial_is_not_called_busy(machine: Any) -> None:
    """The record says why there are none."""
    assert busy_reason(machine) == ""


def test_others_that_are_unknown_are_missing() -> None:
    """The whole work of the machine must not be called other work."""
    machine = summary(reading(0, 0), reading(20, 20), 10.0, None)
    assert machine["work"] == 1.0 and "others" not in machine
    assert busy_reason(machine) == ""


def test_counters_that_stand_still() -> None:
    """The record says so."""
    assert summary(reading(1, 1), reading(1, 1), 0.0, 0.0)["missing"] == "the machine's counters did not advance"


def test_a_kernel_without_pressure_files(tmp_path: Path) -> None:
    """It is said once, and everything else is read."""
    write(tmp_path, stat=STAT, loadavg=LOAD)
    assert read_machine(tmp_path).stalled == {}
    assert load.at_start(tmp_path) == {"processors": 2, "load": 1.67, "pressure": {}, "missing": load.NO_PRESSURE}


def test_the_machine_at_the_start(tmp_path: Path) -> None:
    """Pressure is the share of the last ten seconds."""
    write(tmp_path, stat=STAT, loadavg=LOAD, pressure__cpu=PRESSURE, pressure__io=PRESSURE)
    assert load.at_start(tmp_path) == {"processors": 2, "load": 1.67, "pressure": {"cpu": 0.0678, "io": 0.0678}}
    assert "cannot be read" in load.at_start(tmp_path / "none")["missing"]


# -- containers ------------------------------------------------------------------------------------


class Api:
    """The engine: id -> (labels, pid) of its containers. ``asked`` are the ids of which the details were asked."""

    def __init__(self, **containers: tuple[dict[str, str], int]) -> None:
        self.found = containers
        self.asked: list[str] = []

    def containers(self, filters: dict[str, str]) -> list[dict[str, str]]:
        name, _, value = filters["label"].partition("=")
        return [{"Id": key} for key, (own, _) in self.found.items() if own.get(name) == value]

    def inspect_container(self, identifier: str) -> dict[str, Any]:
        self.asked.append(identifier)
        if identifier not in self.found:
            raise NotFound("gone")
        own, pid = self.found[identifier]
        return {"Config": {"Labels": own}, "State": {"Pid": pid}}


MINE = {labels.OWNER: labels.process_identity(os.getpid())}
APP = MINE | {"com.docker.compose.project": "p", "com.docker.compose.service": "blink-app"}
FIRST, SECOND, STRANGE = "a" * 64, "b" * 64, "c" * 64


def host(tmp_path: Path, *ids: str) -> Path:
    """A /proc and a cgroup of version 2 with a container for each id; the pids are 11, 12, ..."""
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    write(proc, self__mountinfo=f"30 23 0:26 / {cgroups} rw - cgroup2 cgroup2 rw\n")
    for pid, identifier in enumerate(ids, 11):
        write(proc / str(pid), cgroup=f"0::/docker/{identifier}\n", stat=PROCESS, net__tcp=TCP, net__unix=UNIX)
        write(proc / str(pid) / "fd", **{"0": "", "1": "", "2": ""})
        directory = cgroups / "docker" / identifier
        directory.mkdir(parents=True)
        for name, content in (("cpu.stat", CPU_STAT), ("memory.current", "9096000\n"), ("memory.stat", MEMORY_2)):
            (directory / name).write_text(content, encoding="ascii")
        (directory / "cgroup.procs").write_text(f"{pid}\n", encoding="ascii")
    return proc


def find(api: Api, proc: Path) -> LabContainers:
    """The containers that are seen through this engine and /proc."""
    return LabContainers(SimpleNamespace(api=api), proc)  # type: ignore[arg-type]


def test_only_containers_of_this_process_are_the_labs(tmp_path: Path) -> None:
    """The engine is asked once for each container, and for none of the later looks."""
    api = Api(**{FIRST: (APP, 11)})
    containers = find(api, host(tmp_path, FIRST, SECOND, STRANGE))
    containers.find()
    api.found |= {SECOND: (MINE, 12), STRANGE: ({labels.OWNER: "another"}, 13)}
    for _ in range(3):
        containers.find()
    assert sorted(containers.known) == [FIRST, SECOND]
    assert sorted(api.asked) == [FIRST, SECOND, STRANGE]
    assert containers.known[FIRST].service == "blink-app"
    assert (containers.is_foreign(FIRST), containers.is_foreign(STRANGE)) == (False, True)


def test_a_container_of_another_engine_is_foreign(tmp_path: Path) -> None:
    """This engine does not know it. Of a container that is starting it does not say the process yet."""
    containers = find(Api(**{FIRST: (APP, 0)}), host(tmp_path, FIRST))
    assert (containers.is_foreign(FIRST), containers.is_foreign(SECOND)) == (None, True)


def test_a_container_that_ends_meanwhile_is_no_error(tmp_path: Path) -> None:
    """The engine no longer knows a directory's container."""
    api = Api(**{FIRST: (MINE, 11)})
    containers = find(api, host(tmp_path, FIRST, SECOND))
    containers.find()
    api.found.clear()
    containers.find()
    assert list(containers.known) == [FIRST]


def test_a_container_that_has_just_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process is not in its cgroup yet. Taken for one of another machine, a trial beside other work looked idle."""
    proc = host(tmp_path, FIRST)
    write(proc / "11", cgroup="0::/\n")
    monkeypatch.setattr(containers.time, "sleep", lambda _: write(proc / "11", cgroup=f"0::/docker/{FIRST}\n"))
    seen = find(Api(**{FIRST: (APP, 11)}), proc)
    seen.find()
    assert list(seen.known) == [FIRST]


@pytest.mark.parametrize("text", [None, "0::/\n"], ids=["no such process", "another process"])
def test_the_containers_of_a_remote_engine(tmp_path: Path, text: str | None) -> None:
    """The process id is of another machine, so nothing here is read for it."""
    proc = host(tmp_path)
    if text:
        write(proc / "11", cgroup=text, stat=PROCESS)
    with pytest.raises(NotVisible, match=NOT_HERE):
        find(Api(**{FIRST: (MINE, 11)}), proc).find()


# -- other work ------------------------------------------------------------------------------------


def process(proc: Path, pid: int, name: str, own: float = 0, children: float = 0, **more: Any) -> None:
    """A process with its CPU seconds and those of its ended children; ``more``: parent, container."""
    ticks = [round(seconds * texts.TICKS_PER_SECOND) for seconds in (own, children)]
    rest = f"S {more.get('parent', 1)} " + "0 " * 9 + f"{ticks[0]} 0 {ticks[1]} 0 20 0 1 0 5 0 0"
    write(
        proc / str(pid), stat=f"{pid} ({name}) {rest}\n", cgroup=f"9:pids:/docker/{more.get('container', '')}\n0::/\n"
    )


def others(proc: Path) -> OtherWork:
    """A count of other work that began with these processes; only STRANGE is a container of another program."""
    work = OtherWork({FIRST: False, STRANGE: True}.get, proc)
    assert work.count() == 0
    return work


def test_only_the_work_of_other_programs_counts(tmp_path: Path) -> None:
    """Not that of the lab, its containers, the engine with its helpers, and the kernel's threads."""
    process(tmp_path, 1, "init", 5, 100)
    process(tmp_path, 40, "stranger", 50)
    process(tmp_path, 41, "loop", 50, container=STRANGE)
    work = others(tmp_path)
    process(tmp_path, os.getpid(), "reprolab", 100)
    process(tmp_path, 50, "docker", 100, parent=os.getpid())
    process(tmp_path, 1, "init", 5.25, 300)
    process(tmp_path, 20, "dockerd", 100, 100)
    process(tmp_path, 21, "iptables", 100, parent=20)
    process(tmp_path, 22, "runc:[2:INIT]", 100, parent=20)
    process(tmp_path, 30, "kworker/0:1", 100, parent=2)
    process(tmp_path, 31, "gunicorn", 100, parent=22, container=FIRST)
    assert work.count() == pytest.approx(0.25)
    process(tmp_path, 40, "stranger", 52)
    process(tmp_path, 41, "loop", 53, container=STRANGE)
    process(tmp_path, 42, "new", 4)
    assert work.count() == pytest.approx(0.25 + 2 + 3 + 4)


def test_a_container_that_the_engine_does_not_tell_yet_waits(tmp_path: Path) -> None:
    """It counts from the first look on as soon as it is known to be of another program."""
    work = OtherWork((answers := {SECOND: None}).get, tmp_path)  # type: ignore[arg-type]
    process(tmp_path, 40, "loop", 50, container=SECOND)
    work.count()
    process(tmp_path, 40, "loop", 53, container=SECOND)
    assert work.count() == 0
    answers[SECOND] = True  # type: ignore[assignment]
    assert work.count() == pytest.approx(3)


def test_the_work_of_an_ended_process_counts_once(tmp_path: Path) -> None:
    """It is in its parent's times too, with what it did before the first look. So 3 s of 10 s are new."""
    process(tmp_path, 40, "make")
    process(tmp_path, 41, "cc", 7, parent=40)
    work = others(tmp_path)
    process(tmp_path, 41, "cc", 9, parent=40)
    assert work.count() == pytest.approx(2)
    shutil.rmtree(tmp_path / "41")
    process(tmp_path, 40, "make", 0, 10)
    assert work.count() == pytest.approx(3)
    process(tmp_path, 40, "make", 0, 15)  # children that began and ended between two looks
    assert work.count() == pytest.approx(8)
    shutil.rmtree(tmp_path / "40")
    assert work.count() == pytest.approx(8)


def test_a_process_that_is_not_collected_never_counts_less_than_nothing(tmp_path: Path) -> None:
    """Its parent ignores it, so the parent's times stay as they are."""
    process(tmp_path, 40, "daemon", 1)
    process(tmp_path, 41, "child", 50, parent=40)
    work = others(tmp_path)
    shutil.rmtree(tmp_path / "41")
    process(tmp_path, 40, "daemon", 3)
    assert work.count() == pytest.approx(2)


# -- series ----------------------------------------------------------------------------------------


def test_a_service_is_read_from_outside(tmp_path: Path) -> None:
    """CPU, memory, processes, descriptors and sockets; containers of other projects and tools are left out."""
    api = Api(**{FIRST: (APP, 11), SECOND: (MINE, 12)})
    containers = find(api, host(tmp_path, FIRST, SECOND))
    containers.find()
    reader = ServiceReader("p", {"blink-app": "app"}, containers.proc)
    (sample,) = reader.samples(containers.known.values())
    assert (sample.service, sample.cpu, sample.memory, sample.processes) == ("app", 0.0, 5000000, 1)
    assert sample.sockets == {
        "tcp listening": 1,
        "tcp time-wait": 2,
        "unix listening": 1,
        "unix connected": 2,
        "unix unconnected": 1,
    }


def test_cpu_is_the_number_of_processors_in_use(tmp_path: Path) -> None:
    """The CPU time since the sample before, by the time since then."""
    containers = find(Api(**{FIRST: (APP, 11)}), host(tmp_path, FIRST))
    containers.find()
    reader = ServiceReader("p", {"blink-app": "app"}, containers.proc)
    now = 1000.0
    reader._before[FIRST] = now, 14100.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.monotonic", lambda: now + 0.5)
        (sample,) = reader.samples(containers.known.values())
    assert sample.cpu == pytest.approx(0.808397 / 0.5, abs=0.001)


def test_sockets_are_read_as_often_as_their_cost_allows(tmp_path: Path) -> None:
    """Reading them took a millisecond of CPU time, so the next reading is 0.4 s later at the earliest."""
    containers = find(Api(**{FIRST: (APP, 11)}), host(tmp_path, FIRST))
    containers.find()
    reader = ServiceReader("p", {"blink-app": "app"}, containers.proc)
    clock = iter([0.0, 0.001, 0.0, 0.001])
    read = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.thread_time", lambda: next(clock))
        for now in (10.0, 10.3, 10.5):
            patch.setattr("time.monotonic", lambda now=now: now)
            (sample,) = reader.samples(containers.known.values())
            read.append(bool(sample.sockets))
    assert read == [True, False, True]


def test_descriptors_that_this_user_may_not_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are unknown, not zero."""
    containers = find(Api(**{FIRST: (APP, 11)}), host(tmp_path, FIRST))
    containers.find()
    reader = ServiceReader("p", {"blink-app": "app"}, containers.proc)
    plain_stat: Callable[..., Any] = Path.stat

    def stat(path: Path, **options: Any) -> Any:
        if path.name == "fd":
            raise PermissionError(path)
        return plain_stat(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    (sample,) = reader.samples(containers.known.values())
    assert sample.descriptors is None and "descriptors" not in sample.to_json()


def test_a_series_is_read_by_role(tmp_path: Path) -> None:
    """A torn line and the last line, which tells the cost, are no samples."""
    app, proxy = Sample("app", 1, 0.5, 10, 2, 7, {"tcp established": 3}), Sample("proxy", 2, 0.1, 20, 1)
    lines = [json.dumps(app.to_json()), json.dumps(proxy.to_json()), '{"samples": 2, "cost_s": 0.1}', '{"service": "ap']
    (tmp_path / "series.jsonl").write_text("\n".join(lines), encoding="utf-8")
    evidence = TrialDirectory(tmp_path)
    assert evidence.series("app") == [app] and evidence.series("proxy") == [proxy]
    assert TrialDirectory(tmp_path / "none").series("app") == []
    assert TrialDirectory(tmp_path / "none").machine() is None


# -- the watch -------------------------------------------------------------------------------------


def watch(tmp_path: Path, api: Any, proc: Path) -> MachineWatch:
    """A watch of the project p with short steps."""
    containers = find(api, proc)
    reader = ServiceReader("p", {"blink-app": "app"}, proc)
    return MachineWatch(containers, reader, TrialDirectory(tmp_path / "trial"), step=0.01)


def test_a_watch_leaves_the_machine_and_the_series(tmp_path: Path) -> None:
    """Both say what the watch itself cost."""
    started = watch(tmp_path, Api(**{FIRST: (APP, 11)}), host(tmp_path, FIRST))
    started.start()
    wait_until("two samples", lambda: started.samples >= 2, 30)
    started.end()
    machine = started.evidence.machine()
    assert machine and 0 <= machine["work"] <= 1 and machine["watch_s"] >= 0
    assert len(started.evidence.series("app")) == started.samples
    last = json.loads((tmp_path / "trial/series.jsonl").read_text().splitlines()[-1])
    assert last == {"samples": started.samples, "cost_s": machine["watch_s"]}


def test_where_containers_cannot_be_seen_the_record_says_so(tmp_path: Path) -> None:
    """There is no series, and no word on other work."""
    started = watch(tmp_path, Api(**{FIRST: (APP, 99)}), host(tmp_path))
    started.start()
    started.end()
    machine = started.evidence.machine()
    assert machine and NOT_HERE in machine["missing"] and "others" not in machine
    assert started.evidence.series("app") == []


def test_a_watch_that_fails_does_not_end_the_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is in the record."""
    monkeypatch.setattr("reprolab.machine.watch.read_machine", lambda: 1 / 0)
    started = watch(tmp_path, Api(), host(tmp_path))
    started.start()
    started.end()
    machine = started.evidence.machine()
    assert machine and "ZeroDivisionError" in machine["missing"] and busy_reason(machine) == ""


def test_an_engine_that_does_not_answer_is_noted(tmp_path: Path) -> None:
    """The trial itself will find out."""

    class Broken(Api):
        def containers(self, filters: dict[str, str]) -> list[dict[str, str]]:
            raise ConnectionError

    started = watch(tmp_path, Broken(), host(tmp_path))
    started.start()
    started.end()
    machine = started.evidence.machine()
    assert machine and "ConnectionError" in machine["missing"]
