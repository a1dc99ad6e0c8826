"""The disk with images for virtual machines: which one it is, how long it stays, what happens if none can be filled."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from reprolab.vm.engine_disk import KEPT, engine_disk
from reprolab.vm.root_image import RootImage

IMAGES = {"app:1": "sha256:1", "client:2": "sha256:2"}
# An engine that has no image of the container before it is imported, and whose container writes a disk as a tar.
DOCKER = """
import os, subprocess, sys
open(os.environ["CALLS"], "a").write(" ".join(sys.argv[1:]).replace("\\n", " ") + "\\n")
imported = os.environ["CALLS"] + ".imported"
if "inspect" in sys.argv:
    sys.exit(not os.path.exists(imported))
elif "import" in sys.argv:
    open(imported, "w")
elif "save" in sys.argv:
    sys.stdout.write("images")
elif os.environ.get("BROKEN"):
    sys.stdin.read()
    sys.exit("overlay file systems are not possible here")
else:
    place = os.path.dirname(os.environ["CALLS"])
    open(place + "/disk.img", "w").write("a disk with " + sys.stdin.read())
    subprocess.run(["tar", "-C", place, "-cSf", "-", "disk.img"], check=True)
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A docker command line, and a directory for disks."""
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    program = tmp_path / "docker"
    program.write_text(f"#!{sys.executable}\n{DOCKER}")
    program.chmod(0o755)
    return str(program)


def root(at: Path, name: str = "root-1") -> RootImage:
    """A root file system."""
    return RootImage(at / f"{name}.img", at / "busybox", at / f"{name}.tar.gz")


def calls(at: Path) -> list[str]:
    """What the docker command line was asked, without the program of the container."""
    return [line.partition(" #!")[0] for line in (at / "calls").read_text().splitlines()]


def test_a_disk_is_filled_once_for_the_same_images(docker: str, tmp_path: Path) -> None:
    """The container has no network; nothing but the disk stays."""
    lines: list[str] = []
    cache = tmp_path / "cache"
    disk = engine_disk(docker, "unix:///here", IMAGES, root(tmp_path), cache, lines.append)
    assert disk
    assert disk.read_text() == "a disk with images"
    assert engine_disk(docker, "unix:///here", IMAGES, root(tmp_path), cache, lines.append) == disk
    asked = calls(tmp_path)
    assert asked[:2] == [
        "--host unix:///here image inspect reprolab/vm-engine:root-1",
        "--host unix:///here import --change LABEL reprolab.object=image "
        f"{tmp_path}/root-1.tar.gz reprolab/vm-engine:root-1",
    ]
    assert sorted(line.split()[2] for line in asked) == ["image", "import", "run", "save"]
    assert "--host unix:///here save app:1 client:2" in asked
    (run,) = (line for line in asked if " run " in line)
    assert "--rm" in run and "--network none" in run and "--label=reprolab.owner=" in run and "privileged" not in run
    assert lines[0] == "filling a disk for virtual machines with 2 images"
    assert len(lines) == 2 and list(cache.iterdir()) == [disk]


def test_another_image_or_root_is_another_disk(docker: str, tmp_path: Path) -> None:
    """The container is imported once for each root."""
    cache = tmp_path / "cache"
    disks = {
        engine_disk(docker, "unix:///here", images, root(tmp_path, name), cache, print)
        for images, name in ((IMAGES, "root-1"), (IMAGES | {"app:1": "sha256:3"}, "root-1"), (IMAGES, "root-2"))
    }
    assert len(disks) == 3 and None not in disks


def test_the_disks_that_were_used_last_stay(docker: str, tmp_path: Path) -> None:
    """The others would fill the machine."""
    cache, disks = tmp_path / "cache", []
    for number in range(KEPT + 1):
        disk = engine_disk(docker, "unix:///here", {"app:1": f"sha256:{number}"}, root(tmp_path), cache, print)
        assert disk
        os.utime(disk, (number, number))
        disks.append(disk)
    assert [disk.exists() for disk in disks] == [False, *[True] * KEPT]
    # What was killed while it filled one is of no use.
    (cache / ".filling-x").mkdir()
    engine_disk(docker, "unix:///here", {"app:1": "sha256:9"}, root(tmp_path), cache, print)
    assert not (cache / ".filling-x").exists()


def test_without_a_disk_the_machine_loads_the_images(
    docker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine may refuse the container what it needs."""
    monkeypatch.setenv("BROKEN", "1")
    lines: list[str] = []
    cache = tmp_path / "cache"
    assert engine_disk(docker, "unix:///here", {}, root(tmp_path), cache, lines.append) is None
    assert lines == []
    assert engine_disk(docker, "unix:///here", IMAGES, root(tmp_path), cache, lines.append) is None
    assert lines[1].startswith("the machine loads the images itself") and lines[1].endswith("not possible here")
    assert list(cache.iterdir()) == []
    assert engine_disk(f"{docker}-not-there", "unix:///here", IMAGES, root(tmp_path), cache, lines.append) is None
