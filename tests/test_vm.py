"""Virtual machines for engines on other kernels: the parts that need no machine."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import socket
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reprolab.core.errors import EngineError, UsageError
from reprolab.engine import apt
from reprolab.engine.apt import AptSource, Machine
from reprolab.engine.detect import Engine
from reprolab.engine.host_facts import facts_elsewhere
from reprolab.engine.owner import own_identity
from reprolab.vm import cpio, qemu
from reprolab.vm.accelerator import Accelerator, accelerator, require_architecture
from reprolab.vm.disk_image import BLOCK, FREE, MIB, image_size
from reprolab.vm.images import MONITOR
from reprolab.vm.kernel_files import KernelFiles, modules_of
from reprolab.vm.kernels import Archive, Kernel, choose, earlier_suites, kernels_of
from reprolab.vm.keys import Keys, tunnel
from reprolab.vm.leftovers import OWNER, PREFIX, claim, disks_of, remove_leftovers, temporary
from reprolab.vm.modules import dependencies, load_order, plain_module
from reprolab.vm.programs import PACKAGES, ensure_programs, missing_packages
from reprolab.vm.qemu import Files
from reprolab.vm.root_image import RootImage, strip
from reprolab.vm.settings import Settings
from reprolab.vm.start_archive import start_archive
from reprolab.vm.state import vm_state

OLD = Kernel("5.10.0-32-cloud-amd64", "5.10.223-1", earlier=True)
OLDER = Kernel("5.10.0-30-cloud-amd64", "5.10.218-1", earlier=True)
SIX = Kernel("6.1.0-56-cloud-amd64", "6.1.192-2")
SIX_BEFORE = Kernel("6.1.0-9-cloud-amd64", "6.1.192-1")
TWELVE = Kernel("6.12.117+deb12-cloud-amd64", "6.12.117-1~deb12u1")
KERNELS = [SIX_BEFORE, TWELVE, OLD, SIX, OLDER]
NAMES = ["kernel", "start", "root", "modules", "disk", "images", "console", "monitor", "orders"]
FILES = Files(*(Path(f"/srv/{name}") for name in NAMES))
SLOW = Accelerator("tcg", "slow: there is no /dev/kvm")


@pytest.mark.parametrize(
    ("wanted", "kernel"),
    [
        ("5.10", OLD),
        ("5.10.218", OLDER),
        ("6.1", SIX),
        ("6", TWELVE),
        ("6.12", TWELVE),
        ("6.1.0-9", SIX_BEFORE),
        ("5.10.0-30-cloud-amd64", OLDER),
        ("6.12.117+deb12-cloud-amd64", TWELVE),
    ],
)
def test_a_kernel_is_the_newest_that_begins_with_the_numbers(wanted: str, kernel: Kernel) -> None:
    """Whole numbers: 6.1 does not mean 6.12. Of the same Linux, the newest build counts by number, not by letter."""
    assert choose(KERNELS, wanted) == kernel


EXPECTED = "one of these versions of Linux, or the first numbers of one: 5.10.218, 5.10.223, 6.1.192, 6.12.117"


@pytest.mark.parametrize("wanted", ["6.2", "6.1.19", "cloud", "6.", ""])
def test_a_kernel_that_is_not_there_is_a_usage_error_that_names_those_that_are(wanted: str) -> None:
    """From the oldest to the newest."""
    with pytest.raises(UsageError) as caught:
        choose(KERNELS, wanted)
    assert caught.value.expected == EXPECTED


@pytest.mark.parametrize("empty", [True, False])
def test_without_network_nobody_says_that_the_distribution_lacks_a_kernel(
    empty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lists of the release before could not be read: either apt fails, or it says nothing and knows no package."""

    def versions(machine: Any, pattern: str, options: Any = ()) -> Iterator[tuple[str, str]]:
        if options and not empty:
            raise EngineError("asking apt for packages failed")
        yield from [] if options else [("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2")]

    def read_lists(*arguments: Any) -> None:
        raise EngineError("no name server answers")

    monkeypatch.setattr(apt, "versions", versions)
    monkeypatch.setattr(apt, "read_lists", read_lists)
    machine: Any = None
    known = Archive(machine, ("-o", "x")).kernels()
    assert choose(known, "6.1").release == "6.1.0-56-cloud-amd64"
    reason = "no name server answers" if empty else "asking apt for packages failed"
    with pytest.raises(EngineError, match=f"the release before is unknown: {reason}"):
        choose(known, "5.10")
    with pytest.raises(UsageError, match="no such one"):
        choose(Archive(machine).kernels(), "5.10")


def test_of_a_package_in_two_archives_the_newest_version_counts() -> None:
    """Apt names it first."""
    rows = [("linux-image-6.1.0-47-cloud-amd64", "6.1.170-3"), ("linux-image-6.1.0-47-cloud-amd64", "6.1.170-1")]
    assert kernels_of(rows, earlier=False) == [Kernel("6.1.0-47-cloud-amd64", "6.1.170-3")]


def test_the_release_before_has_the_same_archives() -> None:
    """The main archive and the security fixes; neither updates nor the archives of others."""
    main = AptSource("http://mirror/debian", ("bookworm", "bookworm-updates"), ("main",), "/key")
    fixes = AptSource("http://mirror/security", ("bookworm-security",), ("main",), "/key")
    foreign = AptSource("http://vendor/apt", ("bookworm",), ("stable",), "")
    expected = [(main, "bullseye"), (fixes, "bullseye-security")]
    assert earlier_suites([main, fixes, foreign], "bookworm") == expected
    assert earlier_suites([main], "unknown") == []


def members(archive: bytes) -> Iterator[tuple[str, int, bytes, list[int]]]:
    """Name, mode, content and device numbers of each member of an archive of cpio."""
    stream = io.BytesIO(gzip.decompress(archive))
    while head := stream.read(110):
        assert head[:6] == b"070701"
        fields = [int(head[6 + 8 * number : 14 + 8 * number], 16) for number in range(13)]
        name = stream.read(fields[11])
        stream.read(-(110 + fields[11]) % 4)
        content = stream.read(fields[6])
        stream.read(-fields[6] % 4)
        yield name.rstrip(b"\0").decode(), fields[1], content, fields[9:11]


def test_an_archive_has_files_directories_and_devices_of_any_length() -> None:
    """Each begins at a multiple of four bytes, and the last member is the end mark."""
    entries = [cpio.directory("a", 0o700), cpio.file("a/b", b"12345", 0o755), cpio.character_device("con", 5, 1)]
    assert list(members(cpio.archive(entries))) == [
        ("a", stat.S_IFDIR | 0o700, b"", [0, 0]),
        ("a/b", stat.S_IFREG | 0o755, b"12345", [0, 0]),
        ("con", stat.S_IFCHR | 0o600, b"", [5, 1]),
        ("TRAILER!!!", 0, b"", [0, 0]),
    ]
    assert cpio.archive(entries) == cpio.archive(entries)


def test_modules_are_loaded_after_those_that_they_need() -> None:
    """Each once; what depmod does not list is built in. The names in the list have both kinds of dash."""
    text = (
        "kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko\n"
        "kernel/drivers/block/virtio-blk.ko.xz: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko\n"
        "kernel/fs/overlayfs/overlay.ko:\n"
    )
    order = load_order(dependencies(text), ["virtio_pci", "virtio_blk", "ext4", "overlay"])
    assert [Path(file).name for file in order] == [
        "virtio.ko",
        "virtio_ring.ko",
        "virtio_pci.ko",
        "virtio-blk.ko.xz",
        "overlay.ko",
    ]


def test_a_module_is_unpacked(tmp_path: Path) -> None:
    """The first program has no way to do it. Another compression is an error, not a machine that does not start."""
    for name, content in {"a.ko": b"elf", "b.ko.xz": lzma.compress(b"elf")}.items():
        (tmp_path / name).write_bytes(content)
        assert plain_module(tmp_path / name) == b"elf"
    (tmp_path / "c.ko.zst").write_bytes(b"?")
    with pytest.raises(EngineError, match=r"c\.ko\.zst"):
        plain_module(tmp_path / "c.ko.zst")


@pytest.mark.parametrize(
    ("modules", "opens", "name", "why"),
    [
        (["kvm", "kvm_amd"], True, "kvm", "the processor runs the guest"),
        (["kvm", "kvm_intel"], True, "kvm", "the processor runs the guest"),
        (["kvm", "kvm_amd"], False, "tcg", "slow: /dev/kvm cannot be opened by this user"),
        (["kvm", "kvm_pvm"], True, "tcg", "slow: KVM is there without the processor's help (kvm_pvm)"),
        ([], True, "tcg", "slow: KVM is there without the processor's help (no kvm_intel or kvm_amd)"),
    ],
)
def test_kvm_is_used_where_the_processor_runs_the_guest(
    modules: list[str], opens: bool, name: str, why: str, tmp_path: Path
) -> None:
    """That /dev/kvm can be opened says too little: without the processor's help it is slower than TCG."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kvm").touch()
    for module in modules:
        (tmp_path / "sys/module" / module).mkdir(parents=True)
    assert accelerator({}, tmp_path, lambda device: opens) == Accelerator(name, why)


def test_without_a_device_tcg_is_used_and_a_user_can_choose(tmp_path: Path) -> None:
    """Another word is a usage error."""
    assert accelerator({}, tmp_path) == SLOW
    assert accelerator({"REPROLAB_VM_ACCELERATOR": "kvm"}, tmp_path).name == "kvm"
    with pytest.raises(UsageError, match="no such accelerator"):
        accelerator({"REPROLAB_VM_ACCELERATOR": "xen"}, tmp_path)


def test_another_architecture_is_refused() -> None:
    """The names of kernels and of QEMU are those of x86-64."""
    require_architecture("x86_64")
    with pytest.raises(EngineError, match="aarch64"):
        require_architecture("aarch64")


def test_a_machine_has_no_network_and_writes_to_its_disk_alone() -> None:
    """The only port is at 127.0.0.1, and QEMU chooses it."""
    command = qemu.command(FILES, Settings(1024, 3), SLOW)
    assert command[command.index("-netdev") + 1] == "user,id=network,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"
    drives = [command[number + 1] for number, word in enumerate(command) if word == "-drive"]
    assert [drive.partition(",")[0] for drive in drives] == [
        "file=/srv/root",
        "file=/srv/modules",
        "file=/srv/disk",
        "file=/srv/images",
    ]
    assert ["readonly=on" in drive for drive in drives] == [True, True, False, True]
    assert command[command.index("-m") + 1] == "1024"
    assert command[command.index("-smp") + 1] == "3"
    assert command[command.index("-accel") + 1] == "tcg,thread=multi"


def test_a_comma_in_a_path_is_no_option() -> None:
    """QEMU reads options up to the next comma."""
    command = qemu.command(replace(FILES, root=Path("/srv/a,snapshot=off/root")), Settings(), SLOW)
    assert "file=/srv/a,,snapshot=off/root,if=virtio,format=raw,readonly=on" in command


USERNET = """Hub -1 (network):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  12       127.0.0.1 46163       10.0.2.15    22     0     0
"""


def test_the_port_is_read_from_the_monitor() -> None:
    """Another forward, and one that is on all addresses, are not it."""
    assert qemu.forwarded_port(USERNET) == 46163
    assert qemu.forwarded_port(USERNET.replace("127.0.0.1", "0.0.0.0")) == 0
    assert qemu.forwarded_port(USERNET.replace("    22 ", "    80 ")) == 0


def monitor(path: Path, answers: list[dict[str, object]], last: str = "") -> None:
    """Serve one connection at a socket: a greeting, then an answer for each command, and at the end the last text."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(1)

    def serve() -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as stream:
            stream.write('{"QMP": {}}\n')
            stream.flush()
            for answer in answers:
                stream.readline()
                stream.write('{"event": "RESUME"}\n' + json.dumps(answer) + "\n")
                stream.flush()
            if last:
                stream.readline()
                stream.write(last)
                stream.flush()
        server.close()

    threading.Thread(target=serve, daemon=True).start()


def test_a_monitor_is_asked_and_its_events_are_no_answers(tmp_path: Path) -> None:
    """A monitor that is not there yet has no port; one that refuses is an error."""
    assert qemu.ssh_port(tmp_path / "none") == 0
    monitor(tmp_path / "early", [{"return": {}}])
    assert qemu.ssh_port(tmp_path / "early") == 0
    monitor(tmp_path / "good", [{"return": {}}, {"return": USERNET}])
    assert qemu.ssh_port(tmp_path / "good") == 46163
    # QEMU can die at any moment, also within a line.
    monitor(tmp_path / "cut", [], '{"return": {')
    assert qemu.ssh_port(tmp_path / "cut") == 0
    monitor(tmp_path / "bad", [{"return": {}}, {"error": {"desc": "no such command"}}])
    with pytest.raises(EngineError, match="no such command"):
        qemu.ask(tmp_path / "bad", ["info nothing"])
    monitor(tmp_path / "ended", [{"return": {}}])
    with pytest.raises((EngineError, OSError)):
        qemu.ask(tmp_path / "ended", ["info usernet"])


def test_how_much_of_the_images_a_machine_has_read(tmp_path: Path) -> None:
    """Of the fourth disk; a monitor that does not answer has read none."""
    rows = "virtio0: rd_bytes=7 wr_bytes=0\r\nvirtio3: rd_bytes=1048576 wr_bytes=0 rd_operations=4\r\n"
    monitor(tmp_path / "good", [{"return": {}}, {"return": rows}])
    assert qemu.images_read(tmp_path / "good") == 1048576
    monitor(tmp_path / "other", [{"return": {}}, {"return": "virtio0: rd_bytes=7"}])
    assert qemu.images_read(tmp_path / "other") == qemu.images_read(tmp_path / "none") == 0


@pytest.mark.parametrize(
    ("environ", "settings"),
    [
        ({}, Settings(2048, 2)),
        ({"REPROLAB_VM_MEMORY": "768", "REPROLAB_VM_CPUS": "1"}, Settings(768, 1)),
        ({"REPROLAB_VM_MEMORY": "", "REPROLAB_VM_CPUS": "255"}, Settings(2048, 255)),
    ],
)
def test_memory_and_processors_can_be_set(environ: dict[str, str], settings: Settings) -> None:
    """In MiB."""
    assert Settings.of(environ) == settings


@pytest.mark.parametrize("text", ["767", "2G", "0", "-1", "1048577", "9999999", "²"])
def test_an_impossible_amount_of_memory_is_a_usage_error(text: str) -> None:
    """Before anything is started."""
    with pytest.raises(UsageError, match="REPROLAB_VM_MEMORY"):
        Settings.of({"REPROLAB_VM_MEMORY": text})


def test_keys_are_made_for_one_start(tmp_path: Path) -> None:
    """Nobody else can read them, and ssh accepts this machine alone: no configuration of the user's counts."""
    keys, others = Keys(tmp_path / "a"), Keys(tmp_path / "b")
    for item in (keys, others):
        item.directory.mkdir()
        item.make()
    assert keys.public.read_text() != others.public.read_text()
    assert keys.known_hosts.read_text().split()[:2] == ["reprolab-vm", "ssh-ed25519"]
    assert keys.private.stat().st_mode & 0o077 == 0
    command = keys.ssh(46163)
    assert command[:3] == ["ssh", "-F", "none"]
    assert {"StrictHostKeyChecking=yes", "BatchMode=yes", f"UserKnownHostsFile={keys.known_hosts}"} <= set(command)
    assert command[-3:] == ["-p", "46163", "root@127.0.0.1"]


def test_a_tunnel_leads_from_a_socket_to_the_engines_socket() -> None:
    """No port of this machine is opened for it."""
    command = tunnel(["ssh", "-q", "root@127.0.0.1"], Path("/tmp/vm/docker.sock"))
    assert command == ["ssh", "-q", "-N", "-L", "/tmp/vm/docker.sock:/run/docker.sock", "root@127.0.0.1"]


def test_an_image_has_room_for_all_files(tmp_path: Path) -> None:
    """A small file takes a block, and so does a directory; what a link leads to is not counted."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/small").write_text("x")
    (tmp_path / "dir/large").write_bytes(b"x" * (3 * BLOCK + 1))
    (tmp_path / "link").symlink_to("/dev/null")
    used = (1 + 1 + 4 + 1) * BLOCK
    assert image_size(tmp_path) >= used + FREE
    assert image_size(tmp_path) % MIB == 0
    assert image_size(tmp_path) < used + FREE + 2 * MIB


def test_modules_are_in_either_place(tmp_path: Path) -> None:
    """Packages since the merge of /usr have them there."""
    with pytest.raises(EngineError, match="has no modules"):
        modules_of(tmp_path, SIX)
    (tmp_path / "usr/lib/modules" / SIX.release).mkdir(parents=True)
    assert modules_of(tmp_path, SIX) == tmp_path / "usr/lib/modules" / SIX.release


def test_a_root_has_no_keys_of_its_own(tmp_path: Path) -> None:
    """All machines would have the same; each start brings its keys."""
    (tmp_path / "etc/ssh").mkdir(parents=True)
    for name in ("ssh_host_rsa_key", "ssh_host_rsa_key.pub", "sshd_config"):
        (tmp_path / "etc/ssh" / name).touch()
    strip(tmp_path)
    assert [path.name for path in (tmp_path / "etc/ssh").iterdir()] == ["sshd_config"]
    assert (tmp_path / "usr/lib/modules").is_dir()


def test_a_start_has_its_program_its_modules_and_the_keys(tmp_path: Path) -> None:
    """The public key goes in, the private one stays here. Modules are in their order."""
    first = tmp_path / "kernel/first"
    first.mkdir(parents=True)
    for name in ("01-b.ko", "00-a.ko"):
        (first / name).write_bytes(name.encode())
    (tmp_path / "busybox").write_bytes(b"box")
    keys = Keys(tmp_path)
    keys.make()
    root = RootImage(tmp_path / "image", tmp_path / "busybox", tmp_path / "packed")
    content = {name: data for name, _, data, _ in members(start_archive(root, KernelFiles(first.parent), keys))}
    assert [name for name in content if name.startswith("modules/")] == ["modules/00-a.ko", "modules/01-b.ko"]
    assert content["reprolab/authorized_keys"] == keys.public.read_bytes()
    assert content["reprolab/host_key"] == keys.host.read_bytes()
    assert keys.private.read_bytes() not in content.values()
    assert content["init"].startswith(b"#!/bin/busybox sh\n")
    assert content["reprolab/start"].startswith(b"#!/bin/sh\n")
    # Without it no container starts on Linux 5.10.218 and 5.10.223: runc finds its own program no more.
    assert b"ln -s /proc/self/fd /dev/fd" in content["reprolab/start"]


def test_files_of_a_keeper_that_has_ended_are_removed(tmp_path: Path) -> None:
    """With its disk. Those of a living one stay, and so does what the lab did not make."""
    names = {"ended": "boot:1:2", "lives": own_identity()}
    for name, identity in names.items():
        (tmp_path / f"{PREFIX}{name}").mkdir()
        claim(tmp_path / f"{PREFIX}{name}", tmp_path)
        owner = tmp_path / f"{PREFIX}{name}" / OWNER
        owner.write_text(owner.read_text().replace(own_identity(), identity))
        for disk in disks_of(tmp_path, tmp_path / f"{PREFIX}{name}"):
            disk.touch()
    (tmp_path / f"{PREFIX}empty").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / f"{PREFIX}ended")
    assert remove_leftovers(tmp_path) == 1
    left = sorted(path.name.removeprefix(".").removeprefix(PREFIX) for path in tmp_path.iterdir())
    assert left == ["empty", "link", "lives", "lives.images", "lives.img"]


def machine_with(tmp_path: Path, programs: list[str], **more: str) -> Machine:
    """A machine of Debian with these programs."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text("ID=debian\n")
    (tmp_path / "usr/sbin").mkdir(parents=True)
    for name in programs:
        (tmp_path / "usr/sbin" / name).touch(mode=0o755)
    return Machine(tmp_path, {"PATH": "/nowhere", **more}, uid=0)


def test_the_paths_of_its_sockets_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have at most 107 bytes; a directory for temporary files may be deep."""
    for usual, place in (
        ("/var/tmp", "/var/tmp"),
        ("/x" * 36, "/x" * 36),
        ("/x" * 37, "/tmp"),
        ("/\u0436" * 25, "/tmp"),
    ):
        monkeypatch.setattr("tempfile.tempdir", usual)
        assert temporary() == Path(place)
        assert len(os.fsencode(temporary() / f"{PREFIX}12345678" / MONITOR)) <= 107


def test_missing_programs_are_named_by_their_packages(tmp_path: Path) -> None:
    """Where the lab may install nothing, the error has the command."""
    machine = machine_with(tmp_path, ["mke2fs", "depmod", "setpriv"], REPROLAB_ENGINE="external")
    assert missing_packages(machine) == ["qemu-system-x86", "openssh-client"]
    with pytest.raises(EngineError) as caught:
        ensure_programs(machine, print)
    assert caught.value.advice.endswith("apt-get install --no-install-recommends qemu-system-x86 openssh-client")


def test_a_machine_with_all_programs_needs_nothing(tmp_path: Path) -> None:
    """Nothing is installed then, whoever the user is."""
    ensure_programs(machine_with(tmp_path, list(PACKAGES), REPROLAB_ENGINE="external"), print)


@pytest.mark.parametrize(
    ("programs", "environ", "architecture", "accelerator_name", "detail"),
    [
        (list(PACKAGES), {}, "x86_64", "tcg", "TCG (slow: there is no /dev/kvm)"),
        ([], {}, "x86_64", "tcg", "TCG (slow: there is no /dev/kvm); the lab would install qemu-system-x86 kmod"),
        ([], {"REPROLAB_ENGINE": "external"}, "x86_64", "none", "not installed: qemu-system-x86 kmod"),
        (list(PACKAGES), {}, "aarch64", "none", "no virtual machine on aarch64"),
    ],
)
def test_the_doctor_says_what_a_machine_would_run_with(
    programs: list[str], environ: dict[str, str], architecture: str, accelerator_name: str, detail: str, tmp_path: Path
) -> None:
    """Or why there would be none."""
    state = vm_state(machine_with(tmp_path, programs, **environ), architecture)
    assert state.accelerator == accelerator_name
    assert state.detail.startswith(detail)


def test_the_facts_of_a_virtual_machine_are_not_those_of_this_machine() -> None:
    """An engine of an older release may not tell them."""
    engine = Engine("28.0", "1.41", "2.26", "0.13", "7.0", "6.12.117", "v2", "Debian", "unix:///x", started=False)
    host = facts_elsewhere(engine, {"NCPU": 2, "MemTotal": 2048 << 20})
    assert (host.kernel, host.cpu, host.cpus, host.memory_mib) == ("6.12.117", None, 2, 2048)
    assert facts_elsewhere(engine, {}).memory_mib is None
