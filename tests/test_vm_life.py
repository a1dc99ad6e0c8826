"""The life of a virtual machine, with programs in the place of QEMU and ssh: start, end, and what is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from reprolab.core.errors import EngineError
from reprolab.vm import images, keeper, qemu
from reprolab.vm.accelerator import Accelerator
from reprolab.vm.engines import Keeper, engines
from reprolab.vm.images import IMAGES, ORDERS, give_images
from reprolab.vm.keeper import machine_of, order_of
from reprolab.vm.kernel_files import KernelFiles
from reprolab.vm.leftovers import PREFIX, disks_of, remove_leftovers
from reprolab.vm.machine import Recipe, VirtualMachine
from reprolab.vm.root_image import RootImage
from reprolab.vm.settings import Settings

pytestmark = pytest.mark.slow

# Takes the options that the lab gives to QEMU: it serves a monitor, and says on the console that the engine is there.
QEMU = """
import json, os, socket, sys
def after(option): return sys.argv[sys.argv.index(option) + 1]
open(os.environ["PIDS"], "a").write(f"{os.getpid()}\\n")
drive = [word for word in sys.argv if "cache=unsafe" in word][0]
disk = open(drive.split(",")[0].removeprefix("file="), "r+b")
open(os.environ["PIDS"].replace("pids", "drive"), "wb").write(disk.read(10))
server = socket.socket(socket.AF_UNIX)
server.bind(after("-qmp").removeprefix("unix:").split(",")[0])
server.listen(1)
with open(after("-serial").removeprefix("file:"), "w") as console:
    console.write(os.environ["CONSOLE"] + "\\n")
answer = "  TCP[HOST_FORWARD]  12       127.0.0.1 4711       10.0.2.15    22     0     0\\n"
while True:
    connection, _ = server.accept()
    stream = connection.makefile("rw")
    print('{"QMP": {}}', file=stream, flush=True)
    while line := stream.readline():
        print(json.dumps({"return": answer if "human" in line else {}}), file=stream, flush=True)
"""
SSH = """
import os, socket, sys, time
open(os.environ["PIDS"], "a").write(f"{os.getpid()}\\n")
assert "4711" in sys.argv, sys.argv
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[sys.argv.index("-L") + 1].split(":")[0])
time.sleep(600)
"""
GOOD = "reprolab: engine at 12.3 s"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with the programs on PATH and directories for temporary files and disks; its path is short."""
    tmp_path = Path(tempfile.mkdtemp(prefix="reprolab-test-"))
    for folder in ("bin", "t", "disks", "kernel/first"):
        (tmp_path / folder).mkdir(parents=True)
    for name, text in {"qemu-system-x86_64": QEMU, "ssh": SSH}.items():
        (tmp_path / "bin" / name).write_text(f"#!{sys.executable}\n{text}")
        (tmp_path / "bin" / name).chmod(0o755)
    for name in ("busybox", "image", "pids"):
        (tmp_path / name).touch()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    monkeypatch.setenv("CONSOLE", GOOD)
    yield tmp_path
    # What a failed test has left must not stay.
    for pid in running(tmp_path):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(tmp_path)


def test_a_machine_has_a_copy_of_the_disk_with_its_images(place: Path) -> None:
    """What it writes does not reach the disk, which others get too. The copy goes with the machine."""
    filled = place / "images.img"
    filled.write_bytes(b"images")
    virtual = VirtualMachine(replace(recipe(place), filled=filled))
    virtual.start(print)
    try:
        assert (place / "drive").read_bytes() == b"images"
    finally:
        virtual.stop()
    assert filled.read_bytes() == b"images"
    assert files(place) == []


def test_an_order_names_all_that_a_machine_is_made_of(place: Path) -> None:
    """With a disk that has images, or without."""
    for order in (recipe(place), replace(recipe(place), filled=place / "images.img")):
        assert machine_of(json.loads(json.dumps(order_of(order)))).recipe == order


def recipe(place: Path) -> Recipe:
    """Files that the programs do not look at."""
    root, kernel = RootImage(place / "image", place / "busybox", place / "packed"), KernelFiles(place / "kernel")
    return Recipe(root, kernel, Settings(), Accelerator("tcg", "slow"), place / "disks", "5.10.223")


def running(place: Path) -> list[int]:
    """The programs that run."""
    pids = [int(line) for line in (place / "pids").read_text().split()]
    return [pid for pid in pids if Path(f"/proc/{pid}").exists() and "Z" not in _state(pid)]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def soon(look: Callable[[], bool]) -> bool:
    """Whether something is so within some seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if look():
            return True
        time.sleep(0.05)
    return False


def files(place: Path) -> list[Path]:
    """All that machines have left."""
    return [*(place / "t").iterdir(), *(place / "disks").iterdir()]


def test_an_order_is_the_recipe(place: Path) -> None:
    """It crosses to the keeper as JSON."""
    assert keeper.machine_of(keeper.order_of(recipe(place))).recipe == recipe(place)


def test_a_machine_ends_with_the_block_and_leaves_nothing(place: Path) -> None:
    """While it runs there are neither its keys nor its disk on any file system, and its directory is the user's."""
    texts: list[str] = []
    with engines({"5.10": recipe(place), "6.1": recipe(place)}, texts.append) as endpoints:
        assert list(endpoints) == ["5.10", "6.1"]
        directories = [Path(endpoint.removeprefix("unix://")).parent for endpoint in endpoints.values()]
        assert len(set(directories)) == 2
        assert stat.S_IMODE(directories[0].stat().st_mode) == 0o700
        assert not {"key", "host", "start.cpio.gz"} & {path.name for path in directories[0].iterdir()}
        assert list((place / "disks").iterdir()) == []
        assert len(running(place)) == 4
    assert running(place) == []
    assert files(place) == []
    assert any(text.startswith("vm 6.1: its engine answers after") for text in texts)


def test_a_machine_whose_driver_is_killed_ends_too(place: Path) -> None:
    """The end of its input is all that a keeper learns of it."""
    machine = Keeper(recipe(place))
    machine.start()
    machine.wait(print)
    assert machine._process and machine._process.stdin
    machine._process.stdin.close()
    assert soon(lambda: not running(place) and not files(place))
    machine.stop()


def kill_keeper(place: Path) -> None:
    """Start a machine, and kill its keeper; the kernel ends its programs with it."""
    machine = Keeper(recipe(place))
    machine.start()
    machine.wait(print)
    assert machine._process
    os.kill(machine._process.pid, signal.SIGKILL)
    assert soon(lambda: not running(place))
    machine.stop()


def test_a_keeper_that_is_killed_leaves_files_that_the_next_run_removes(place: Path) -> None:
    """The kernel ends its programs with it."""
    kill_keeper(place)
    assert [path.name.startswith(PREFIX) for path in files(place)] == [True]
    assert remove_leftovers(place / "t") == 1
    assert files(place) == []


def test_a_machine_that_ends_in_the_middle_says_why(place: Path) -> None:
    """All that a worker sees of it is an engine that does not answer. An end that was asked for is no failure."""
    texts: list[str] = []
    with engines({"5.10": recipe(place)}, texts.append):
        os.kill(running(place)[0], signal.SIGKILL)
        assert soon(lambda: any("gone" in text for text in texts))
    (text,) = [text for text in texts if "gone" in text]
    assert text.startswith("vm 5.10: the virtual machine is gone: its process qemu-system-x86_64 ended with status -9")
    assert files(place) == []
    with engines({"5.10": recipe(place)}, texts.append):
        pass
    assert len([text for text in texts if "gone" in text]) == 1


def test_no_other_user_can_open_a_disk_while_it_has_a_name(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who opened it then would read all that is written later, such as the images."""
    modes: list[int] = []
    virtual = VirtualMachine(recipe(place))

    def run(self: VirtualMachine, command: object, log: Path) -> None:
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in (place / "disks").iterdir())
        raise EngineError("no further")

    monkeypatch.setattr(VirtualMachine, "_run", run)
    before = os.umask(0)
    try:
        with pytest.raises(EngineError, match="no further"):
            virtual.start(print)
    finally:
        os.umask(before)
        virtual.stop()
    assert modes == [0o600, 0o600]


def test_disks_are_removed_wherever_they_are(place: Path) -> None:
    """The next run may have other results, so the machine's directory says where its disks are."""
    kill_keeper(place)
    (directory,) = (place / "t").iterdir()
    for disk in disks_of(place / "disks", directory):
        disk.touch()
    assert remove_leftovers(place / "t") == 1
    assert files(place) == []


def test_a_machine_that_is_still_starting_ends_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who waits for it may press Ctrl-C; its disk and its keys are removed then."""
    monkeypatch.setenv("CONSOLE", "")
    machine = Keeper(recipe(place))
    machine.start()
    assert soon(lambda: len(running(place)) == 1)
    machine.close()
    machine.stop()
    assert running(place) == []
    assert files(place) == []


@pytest.mark.parametrize(
    ("console", "program", "message"),
    [
        ("reprolab: failed: dockerd", QEMU, "its start failed: reprolab: failed: dockerd"),
        (GOOD, "import sys; sys.exit('no such device')", "qemu-system-x86_64 ended with status 1: no such device"),
    ],
)
def test_a_machine_that_does_not_start_says_why(
    console: str, program: str, message: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the last lines of its programs, and nothing is left."""
    monkeypatch.setenv("CONSOLE", console)
    (place / "bin/qemu-system-x86_64").write_text(f"#!{sys.executable}\n{program}")
    with pytest.raises(EngineError, match=message) as caught, engines({"6.1": recipe(place)}, print):
        pass
    assert "REPROLAB_VM_ACCELERATOR=tcg" in caught.value.advice
    assert running(place) == []
    assert files(place) == []


def test_a_way_that_is_refused_says_why(place: Path) -> None:
    """Such as a key that the machine does not know."""
    (place / "bin/ssh").write_text(f"#!{sys.executable}\nimport sys; sys.exit('Permission denied')")
    with (
        pytest.raises(EngineError, match=r"ssh ended with status 1: .*Permission denied"),
        engines({"6": recipe(place)}, print),
    ):
        pass
    assert files(place) == []


DOCKER = """
import os, sys
open(os.environ["PIDS"] + ".docker", "a").write(" ".join(sys.argv[1:]) + "\\n")
if os.environ.get("BROKEN"):
    sys.exit("no such image")
if "save" in sys.argv:
    sys.stdout.write("images " + " ".join(sys.argv[4:]))
else:
    sys.stdin.read()
"""


@pytest.fixture
def docker(place: Path) -> str:
    """A docker command line whose images are a text."""
    (place / "bin/docker").write_text(f"#!{sys.executable}\n{DOCKER}")
    (place / "bin/docker").chmod(0o755)
    return str(place / "bin/docker")


def guest(
    directory: Path, answer: str, got: list[tuple[str, str]], begins: threading.Event | None = None
) -> threading.Thread:
    """A machine at the other end of the serial line: it keeps what it is told, with so much of the disk."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(directory / ORDERS))
    server.listen(1)

    def serve() -> None:
        connection, _ = server.accept()
        with server, connection, connection.makefile("rw") as stream:
            length = stream.readline().strip()
            with (directory / IMAGES).open() as disk:
                got.append((length, disk.read(int(length))))
            if begins:
                begins.wait(10)
            stream.write(answer)
            stream.flush()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_images_get_into_a_machine_by_its_disk(place: Path, docker: str) -> None:
    """The disk has no name. A machine that could not load them gets them as a stream, as any other engine does."""
    with engines({"6.1": recipe(place)}, print) as endpoints:
        directory = Path(endpoints["6.1"].removeprefix("unix://")).parent
        assert list((place / "disks").iterdir()) == []
        got: list[tuple[str, str]] = []
        told: list[str] = []
        for answer in ("loaded\n", "docker load failed: no space\n", ""):
            (directory / ORDERS).unlink(missing_ok=True)
            thread = guest(directory, answer, got)
            give_images(docker, "unix:///here", endpoints["6.1"], ["a:1", "b:2"], told.append)
            thread.join(10)
    assert got == [("14", "images a:1 b:2")] * 3
    assert [text.rpartition(": ")[2] for text in told] == ["no space", "the machine has ended"]
    calls = (place / "pids.docker").read_text().splitlines()
    assert [call.split()[2] for call in calls].count("load") == 2
    assert files(place) == []


def test_a_machine_that_loads_for_long_is_asked_how_far_it_is(
    place: Path, docker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it answers."""
    read = iter([100, 107])
    asked = threading.Event()

    def images_read(monitor: Path) -> int:
        number = next(read, 114)
        if number == 114:
            asked.set()
        return number

    monkeypatch.setattr(qemu, "images_read", images_read)
    monkeypatch.setattr(images, "STEP", 0.05)
    with engines({"6.1": recipe(place)}, print) as endpoints:
        directory = Path(endpoints["6.1"].removeprefix("unix://")).parent
        shown: list[str] = []
        guest(directory, "loaded\n", [], asked)
        give_images(docker, "unix:///here", endpoints["6.1"], ["a:1", "b:2"], shown.append)
    assert shown[:2] == ["50 % of 0 MB are read", "0 MB are read; it unpacks them"]


def test_images_that_cannot_be_saved_are_an_error(place: Path, docker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On both ways."""
    monkeypatch.setenv("BROKEN", "1")
    told: list[str] = []
    with engines({"6.1": recipe(place)}, print) as endpoints:
        directory = Path(endpoints["6.1"].removeprefix("unix://")).parent
        guest(directory, "loaded\n", [])
        with pytest.raises(EngineError, match="could not be loaded"):
            give_images(docker, "unix:///here", endpoints["6.1"], ["a:1"], told.append)
    assert len(told) == 1 and "through ssh" in told[0]
