"""Offline bundles: their contents, damaged files, and (marker docker) a machine without a network."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, load, recorded_run, write_run_json
from lab import engine
from reprolab.baseimage.resolve import remove_bundled
from reprolab.bundle import archive as bundle_archive
from reprolab.bundle import create, members
from reprolab.bundle import load as bundle_load
from reprolab.bundle.load import Loader
from reprolab.core.errors import BundleError
from reprolab.engine.images import listed_images
from reprolab.engine.labels import BUNDLED
from reprolab.evidence import lookup, run_dir
from reprolab.scenario import loader as scenario_loader
from reprolab.scenario import scaffold
from test_authoring import NOT_COPIED

NAME = "bundled-case"
UNUSED: Any = None
RUN = "blink/20260101T000000Z"
MANIFEST: dict[str, Any] = {
    "schema": 1,
    "created": "2026-01-01 00:00 UTC",
    "architecture": "amd64",
    "scenarios": {"blink": {"images": {}, "run": RUN.partition("/")[2]}},
    "images": {},
    "bases": {},
}


def ignore_progress(size: int) -> None:
    """Takes the progress of an archive and does nothing."""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small bundle, its image stream in pieces of ten bytes."""
    monkeypatch.setattr(bundle_archive, "PIECE", 10)
    (tmp_path / "run.json").write_text("{}")
    target = tmp_path / "results" / "small.tar"
    with bundle_archive.ArchiveWriter(target, ignore_progress) as archive:
        archive.add(members.MANIFEST, json.dumps(MANIFEST).encode())
        archive.add_file(f"runs/{RUN}/run.json", tmp_path / "run.json")
        archive.add_stream(members.IMAGES, iter([b"0123456", b"789abcdefghijklm", b"nopq"]))
    return target


# -- the archive -------------------------------------------------------------------------------------


def test_an_archive_returns_what_was_written(written: Path, tmp_path: Path) -> None:
    """The manifest, the files and the stream are unchanged, in any number of pieces."""
    reader = bundle_archive.ArchiveReader(written)
    contents = reader.verify(ignore_progress)
    assert contents.manifest.architecture == "amd64" and contents.manifest.runs == [RUN]
    assert b"".join(reader.stream(members.IMAGES, ignore_progress)) == b"0123456789abcdefghijklmnopq"
    assert contents.size(members.IMAGES) == 27 and contents.count(members.RUNS) == 1
    reader.unpack(members.RUNS, tmp_path / "out")
    assert (tmp_path / "out" / RUN / "run.json").read_text() == "{}"


def test_a_changed_byte_is_found(written: Path) -> None:
    """The message names the member."""
    content = written.read_bytes()
    written.write_bytes(content.replace(b"abcdefg", b"abcdXfg"))
    with pytest.raises(BundleError, match="images/000002 has another checksum than when it was written"):
        bundle_archive.ArchiveReader(written).verify(ignore_progress)


@pytest.mark.parametrize("part", [0.2, 0.4, 0.55])
def test_an_incomplete_bundle_is_damaged(written: Path, part: float) -> None:
    """A copy that ended early is never taken for a complete bundle."""
    content = written.read_bytes()
    written.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(BundleError, match="damaged"):
        bundle_archive.ArchiveReader(written).verify(ignore_progress)


def test_a_file_that_is_no_bundle_is_an_error(tmp_path: Path) -> None:
    """A missing file, and a file of another kind."""
    with pytest.raises(BundleError, match="no bundle"):
        bundle_archive.ArchiveReader(tmp_path / "nothing.tar")
    (tmp_path / "page.tar").write_text("<html>your session has expired</html>")
    with pytest.raises(BundleError, match="damaged"):
        bundle_archive.ArchiveReader(tmp_path / "page.tar").verify(ignore_progress)


def test_no_member_is_written_elsewhere(tmp_path: Path) -> None:
    """A path outside of its directory is refused."""
    with tarfile.open(tmp_path / "bad.tar", "w") as archive:
        member = tarfile.TarInfo("runs/../../escaped")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(BundleError, match="is outside of its directory"):
        bundle_archive.ArchiveReader(tmp_path / "bad.tar").unpack(members.RUNS, tmp_path / "in")
    assert not (tmp_path / "escaped").exists()


def test_a_bundle_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Neither a full disk nor an interrupt leaves a file that looks like a bundle."""

    def full(chunks: Any) -> Iterator[bytes]:
        yield b"x"
        raise OSError(28, "No space left on device")

    target = tmp_path / "b.tar"
    with (
        pytest.raises(OSError, match="No space left"),
        bundle_archive.ArchiveWriter(target, ignore_progress) as archive,
    ):
        archive.add_stream(members.IMAGES, full(None))
    archive = bundle_archive.ArchiveWriter(target, ignore_progress)
    archive._tar.addfile = lambda member, stream: next(full(None)) and (_ for _ in ()).throw(OSError(28, "full"))  # type: ignore[method-assign,assignment]
    with pytest.raises(BundleError, match="could not be written: full"), archive:
        archive.add("a", b"x")
    assert list(tmp_path.iterdir()) == []


# -- what goes in ------------------------------------------------------------------------------------


def test_the_variants_of_the_demonstration_are_bundled() -> None:
    """By default the documented variants and those of the demonstration, each once; with everything, all."""
    scenario = scenario_loader.load(ROOT, "socket-vanish")
    default = create.choose_variants(scenario, everything=False)
    assert default == [("vanish", name) for name in ("documented", "gunicorn-19.5.0", "creator-only")]
    assert len(create.choose_variants(scenario, everything=True)) == len(scenario.experiments["vanish"].variants)


def test_a_scenario_without_a_demonstration_is_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its documented variants and any run of it; a missing run is no error."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    scenario = load(tmp_path)
    assert create.choose_variants(scenario, everything=False) == [("lamp", "documented")]
    monkeypatch.setattr(create.Bundler, "_bundle", lambda *arguments: arguments[-1])
    bundler = create.Bundler(tmp_path, UNUSED, UNUSED, UNUSED, print)
    assert bundler.gather(["blink"], everything=False, runs=True) == [None]
    run = lookup.create_run(tmp_path, "blink")
    write_run_json(run, status="complete")
    assert bundler.gather(["blink"], everything=False, runs=True) == [run]


def test_the_bundled_run_can_be_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest complete run that has every act; an aborted run only if there is no other."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path))
    scenario = scenario_loader.load(ROOT, "socket-vanish")
    assert create.find_replayable_run(ROOT, scenario) is None
    whole = recorded_run(tmp_path, "whole")
    assert create.find_replayable_run(ROOT, scenario) == whole
    later = tmp_path / "socket-vanish" / "20270101T000000Z"
    shutil.copytree(whole.path, later)
    content = json.loads((later / "run.json").read_text())
    (later / "run.json").write_text(json.dumps(content | {"status": "aborted"}))
    assert create.find_replayable_run(ROOT, scenario) == whole
    (whole.path / "trials.jsonl").write_text("")
    assert create.find_replayable_run(ROOT, scenario) == run_dir.RunDirectory(later)


def test_without_a_run_the_bundle_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing run must show when the bundle is made, not at the venue."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path))
    bundler = create.Bundler(ROOT, UNUSED, UNUSED, UNUSED, print)
    with pytest.raises(BundleError) as raised:
        bundler.gather(["pool-freeze"], everything=False, runs=True)
    assert "reprolab demo pool-freeze --auto 1" in str(raised.value) and "--no-runs" in str(raised.value)


# -- loading -----------------------------------------------------------------------------------------


def loader(written: Path, arch: str = "amd64", directory: str = "/") -> Loader:
    """A loader with an engine that only gives its processor and its directory."""
    client: Any = SimpleNamespace(version=lambda: {"Arch": arch}, info=lambda: {"DockerRootDir": directory})
    return Loader(ROOT, UNUSED, client, bundle_archive.ArchiveReader(written), print)


def contents_of(written: Path) -> bundle_archive.Contents:
    """What the whole bundle has."""
    return bundle_archive.ArchiveReader(written).verify(ignore_progress)


def test_images_of_another_processor_are_refused(written: Path) -> None:
    """Before anything is loaded; the message says what can be done instead."""
    with pytest.raises(BundleError, match="are for amd64, this engine runs arm64") as raised:
        loader(written, "arm64").check_machine(contents_of(written))
    assert "--replay RUN" in str(raised.value)


def test_too_little_disk_space_is_found_before_loading(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of the images is known; the disk of a remote engine is not checked."""
    monkeypatch.setattr(bundle_load.shutil, "disk_usage", lambda place: SimpleNamespace(free=26))
    with pytest.raises(BundleError, match="fewer scenarios"):
        loader(written).check_machine(contents_of(written))
    monkeypatch.setenv("REPROLAB_RESULTS", "/no/such/directory")
    loader(written, directory="/no/such/directory").check_machine(contents_of(written))


def load_script(bundle_file: Path, root: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/load in a copy of it."""
    (root / "scripts").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "scripts" / "load", root / "scripts" / "load")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "REPROLAB_RESULTS")}
    command = [str(root / "scripts" / "load"), str(bundle_file)]
    return subprocess.run(command, env=environment | more, capture_output=True, text=True, timeout=60, check=False)


def test_packages_for_another_python_are_refused(tmp_path: Path) -> None:
    """The message names the release that is needed and the interpreters that were tried."""
    target = tmp_path / "b.tar"
    with bundle_archive.ArchiveWriter(target, ignore_progress) as archive:
        archive.add("wheels/PYTHON", b"2.7 amiga-m68k\n")
    done = load_script(target, tmp_path / "checkout")
    assert done.returncode == 4
    assert "for Python 2.7 on amiga-m68k" in done.stderr and "python2.7 on the PATH" in done.stderr


def test_a_bundle_must_be_named(tmp_path: Path) -> None:
    """Without a bundle the script says how to call it."""
    done = load_script(tmp_path / "nothing.tar", tmp_path / "checkout")
    assert done.returncode == 2 and "no file" in done.stderr
    (tmp_path / "page.tar").write_text("<html>")
    done = load_script(tmp_path / "page.tar", tmp_path / "checkout")
    assert done.returncode == 4 and "cannot be unpacked" in done.stderr


def test_names_from_bundles_are_taken_back() -> None:
    """Only those that `load` gave; an image stays."""
    removed = []
    row = {"Id": "sha256:1", "RepoTags": [f"{BUNDLED}/python-3:1", "reprolab-base/python:3"]}
    client: Any = SimpleNamespace(
        api=SimpleNamespace(images=lambda filters: [row]),
        images=SimpleNamespace(remove=lambda tag, noprune: removed.append((tag, noprune))),
    )
    assert remove_bundled(client) == ["python-3"]
    assert removed == [(f"{BUNDLED}/python-3:1", True)]


# -- on a real engine --------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy of the checkout with one new scenario. Its images have unique content and are removed afterwards."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED, symlinks=True)
    for name in scenario_loader.names(copy):
        shutil.rmtree(copy / "scenarios" / name)
    (copy / "compose.yaml").write_text("name: reprolab\ninclude:\n")
    scaffold.create(copy, NAME)
    scaffold.add(copy, NAME, ["demo"])
    lock = copy / "requirements.lock"
    lock.write_text(without_tools(lock.read_text()))
    app = copy / "scenarios" / NAME / "app.py"
    app.write_text(f"{app.read_text()}\n# {tmp_path.name} {os.getpid()}\n")
    yield copy
    remove_test_images()


def without_tools(lock: str) -> str:
    """The text of a lock file without the large packages that only developers need."""
    blocks = re.split(r"^(?=\S)", lock, flags=re.M)
    return "".join(block for block in blocks if not block.startswith(("mypy==", "ruff==", "hadolint", "shellcheck")))


def remove_test_images() -> None:
    """Remove the tags that this test made: of the scenario's images, and those that loading gave to base images."""
    client = engine()
    for image in listed_images(client):
        for tag in image.tags:
            if tag.startswith((f"reprolab/{NAME}-", f"{BUNDLED}/")):
                client.images.remove(tag, noprune=tag.startswith(BUNDLED))


def at(checkout: Path, *words: str, cut_off: bool = False, **more: str) -> str:
    """Run a command in the copy, with the code of the copy; ``cut_off`` leaves it only the engine's socket."""
    # pip's variables stay: pip's settings are part of the name of a fallback image.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "PYTHON", "REPROLAB"))}
    # Without root this needs a user namespace.
    prefix = ["unshare", "-n" if os.geteuid() == 0 else "-rn"] if cut_off else []
    done = subprocess.run(
        [*prefix, *words], cwd=checkout, env=kept | more, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"$ {' '.join(words)}\nexit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.docker
def test_a_machine_without_network_is_made_ready(checkout: Path) -> None:
    """A scenario is shown and bundled, its images are removed and loaded without a network: it runs without a build."""
    variables = {"PYTHONPATH": str(checkout / "scripts"), "REPROLAB_ROOT": str(checkout)}
    lab = str(Path(sys.executable).with_name("reprolab"))
    shown = at(checkout, lab, "demo", NAME, "--auto=0", **variables)
    assert "confirmed in this run" in shown and "What do you expect?" in shown
    (trial,) = (checkout / "results" / NAME).glob("2*/claims/documented/1")
    run = trial.parents[2].name
    recorded = [json.loads(line) for line in (trial / "stage.jsonl").read_text().splitlines()]
    assert any(line["look"]["processes"] for line in recorded if "look" in line), "no record has a process"
    at(checkout, lab, "bundle", NAME, "--output", "offline.tar", **variables)
    (checkout / "offline.tar").rename(checkout.parent / "offline.tar")
    shutil.rmtree(checkout / "results")
    remove_test_images()

    output = at(checkout, "make", "load", f"BUNDLE={checkout.parent / 'offline.tar'}", cut_off=True)
    assert f"ready:  make demo-{NAME}" in output and "loaded" in output
    output = at(checkout, "make", f"scenario-{NAME}", "VARIANT=documented", "TRIALS=1", "ARGS=-v")
    assert "came in a bundle" in output
    assert "building" not in output and "pulling" not in output
    output = at(checkout, "make", f"demo-{NAME}", f"REPLAY={NAME}/{run}", cut_off=True, DOCKER_HOST="tcp://127.0.0.1:1")
    assert f"replay of {run}" in output and "shown from what the demonstration saw" in output
