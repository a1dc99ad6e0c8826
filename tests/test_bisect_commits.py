"""The commits between two releases, from real git repositories, and how a commit gets into an image."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import docker
import pytest
from cases import ROOT, claim
from docker.errors import APIError, ImageNotFound
from docker.errors import BuildError as DockerBuildError
from repositories import Repository
from reprolab.bisect.commit_measurer import CommitMeasurer
from reprolab.bisect.commits import archive, check_source, git, history
from reprolab.core.errors import BuildError, UsageError
from reprolab.measure.cell import Cell
from reprolab.stack.compose import Model
from reprolab.stack.relabel import SCRIPT
from reprolab.stack.source_packages import WHEELS, SourcePackage, context, derived_base, with_sources
from simulated_bisect import Simulated


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Two releases with three commits between them, of which the second is a merge of two others."""
    source = Repository(tmp_path / "source")
    source.commit("begin", "v1.0")
    source.commit("one")
    source.git("checkout", "--quiet", "-b", "topic")
    source.commit("topic one")
    source.commit("topic two")
    source.git("checkout", "--quiet", "main")
    source.day += 1
    source.git("merge", "--quiet", "--no-ff", "--message", "two, with | and a tab\tin it", "topic")
    source.commit("three", "1.1")
    return source


# -- the history ---------------------------------------------------------------------------------


def test_the_commits_are_those_of_the_first_parents(repository: Repository) -> None:
    """From the older tag to the newer one; what a merge brought in is part of the merge."""
    line = history(repository.path, "1.0", "1.1")
    assert [commit.subject for commit in line.commits] == ["begin", "one", "two, with | and a tab\tin it", "three"]
    assert line.tags == ("v1.0", "1.1") and not line.forked
    assert [commit.date for commit in line.commits] == ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"]


def test_the_commits_are_an_ordered_axis(repository: Repository) -> None:
    """As versions that pip takes for later ones than the older release."""
    from packaging.version import Version

    line = history(repository.path, "1.0", "1.1")
    axis = line.axis("SERVER", "server")
    texts = [value.text for value in axis.values]
    assert axis.ordered and axis.package == "server"
    assert texts == [f"1.0+{n}.g{commit.hash[:12]}" for n, commit in enumerate(line.commits)]
    assert [Version("1.0"), *map(Version, texts), Version("1.1")] == sorted(map(Version, ["1.1", "1.0", *texts]))
    assert list(line.subjects) == list(line.hashes) == texts


def test_a_release_of_another_branch_is_said(repository: Repository) -> None:
    """The history begins where both parted, and the first step is more than one commit."""
    repository.git("checkout", "--quiet", "-b", "maintenance", "v1.0")
    repository.commit("only in 1.0.1", "1.0.1")
    line = history(repository.path, "1.0.1", "1.1")
    assert line.forked
    assert [commit.subject for commit in line.commits][:2] == ["begin", "one"]


def test_a_release_that_was_merged_is_no_first_parent(repository: Repository) -> None:
    """Then its neighbour on the line has more than one commit of its own."""
    repository.git("tag", "1.0.5", "topic")
    assert history(repository.path, "1.0.5", "1.1").forked


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("1.0", "1.2", r"no tag for 1\.2\n  expected: 1\.2 or v1\.2; there are 1\.1, v1\.0\n  to do:    git fetch"),
        ("0.9", "1.1", r"no tag for 0\.9\n  expected: 0\.9 or v0\.9; there are"),
        ("1.1", "1.0", r"there is no commit from 1\.1 to v1\.0"),
    ],
)
def test_what_git_does_not_have_is_an_error(repository: Repository, before: str, after: str, message: str) -> None:
    """It names the tags that are there."""
    with pytest.raises(UsageError, match=message):
        history(repository.path, before, after)


def test_a_source_must_be_a_checkout_with_tags(tmp_path: Path, repository: Repository) -> None:
    """Asked before anything is measured."""
    check_source(repository.path)
    with pytest.raises(UsageError, match="is no git checkout"):
        check_source(tmp_path / "nothing")
    empty = Repository(tmp_path / "empty")
    empty.commit("begin")
    with pytest.raises(UsageError, match="has no tags"):
        check_source(empty.path)


def test_histories_that_share_nothing_are_an_error(repository: Repository) -> None:
    """As those of a shallow clone."""
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.commit("another begin", "2.0")
    with pytest.raises(UsageError, match=r"no history from 1\.1 to 2\.0"):
        history(repository.path, "1.1", "2.0")


def test_the_files_of_a_commit_are_the_same_each_time(repository: Repository) -> None:
    """So an image of a commit is built once. The checkout stays as it is."""
    head = git(repository.path, "rev-parse", "HEAD")
    commit = history(repository.path, "1.0", "1.1").commits[1]
    content = archive(repository.path, commit.hash)
    assert content == archive(repository.path, commit.hash)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert sorted(tar.getnames()) == ["begin.txt", "one.txt"]
    assert git(repository.path, "rev-parse", "HEAD") == head and not git(repository.path, "status", "--short")


# -- measuring a commit --------------------------------------------------------------------------


def test_a_commit_is_handed_to_the_builds_before_its_cell_is_measured(repository: Repository) -> None:
    """A commit that does not build is the obstacle of its cell, and is not tried again; the others are measured."""
    line = history(repository.path, "1.0", "1.1")
    values = list(line.hashes)
    packages: dict[str, SourcePackage] = {}
    broken, tried = values[2], []

    class Lab(Simulated):
        def measure(self, wanted, claims):  # type: ignore[no-untyped-def]
            for cell in wanted:
                assert packages[cell.settings["RELEASE"]].name == "server"
                tried.append(cell.settings["RELEASE"])
                if cell.settings["RELEASE"] == broken:
                    raise BuildError("server did not build from its commit")
            return super().measure(wanted, claims)

    lab = Lab({value: float(value == values[3]) for value in values})
    commits = CommitMeasurer(lab, packages, "RELEASE", "server", repository.path, line.hashes)
    cells = {value: Cell("lamp", (("RELEASE", value),)) for value in values}
    results = commits.measure(dict.fromkeys(cells.values(), 2), [claim()])
    assert [results[cells[value]].count(claim()).words for value in values] == ["0/2", "0/2", "0/0", "2/2"]
    assert results[cells[broken]].obstacle == "image build failed: server did not build from its commit"
    assert commits.measure({cells[broken]: 3}, [claim()])[cells[broken]].obstacle
    assert tried.count(broken) == 1
    assert [set(call.values()) for call in lab.calls] == [{0}, {0}, {0}, {2}]


# -- a commit in an image ------------------------------------------------------------------------

PACKAGE = SourcePackage("server", "1.0+1.gabc", b"tar")


def model(**arguments: str) -> Model:
    """A prepared model whose service is built with these arguments, and another one."""
    directory = str(ROOT / "images" / "upstream")
    build, other = ({"context": directory, "args": args} for args in (arguments, {"PYTHON_IMAGE": "base:1"}))
    return {"services": {"app": {"build": build, "image": "app:1"}, "tool": {"build": other, "image": "tool:1"}}}


def derive(reference: str, package: SourcePackage) -> tuple[str, str]:
    """The derived image of a test."""
    return f"derived-{package.version}", f"sha256:{reference}"


def test_only_the_build_with_the_version_gets_another_base() -> None:
    """And another name, so that it is built; a model without such a version stays as it is."""
    plain = model(PYTHON_IMAGE="base:1", SERVER="1.0")
    assert with_sources(plain, {PACKAGE.version: PACKAGE}, [("base:1", "sha256:b")], derive) == plain
    assert with_sources(plain, {}, [], derive) is plain
    before = model(PYTHON_IMAGE="base:1", SERVER=PACKAGE.version)
    after = with_sources(before, {PACKAGE.version: PACKAGE}, [("base:1", "sha256:b")], derive)
    assert after["services"]["app"]["build"]["args"]["PYTHON_IMAGE"] == "derived-1.0+1.gabc"
    assert after["services"]["app"]["image"] != "app:1"
    assert after["services"]["tool"] == before["services"]["tool"]
    assert before == model(PYTHON_IMAGE="base:1", SERVER=PACKAGE.version)


def test_the_name_of_the_image_is_that_of_the_derived_base() -> None:
    """Another commit under the same version gives another image."""
    before = model(PYTHON_IMAGE="base:1", SERVER=PACKAGE.version)
    ids = iter(["sha256:1", "sha256:1", "sha256:2"])
    models = [
        with_sources(before, {PACKAGE.version: PACKAGE}, [], lambda reference, package: ("derived", next(ids)))
        for _ in range(3)
    ]
    first, same, other = (changed["services"]["app"]["image"] for changed in models)
    assert first == same != other


def test_a_build_without_python_cannot_take_a_commit() -> None:
    """The message names the argument that it lacks."""
    with pytest.raises(UsageError, match="app has no Python base image"):
        with_sources(model(DEBIAN_IMAGE="base:1", SERVER=PACKAGE.version), {PACKAGE.version: PACKAGE}, [], derive)


class Images:
    """The images of an engine that builds nothing: reference -> id."""

    def __init__(self, error: Exception | None = None) -> None:
        self.present, self.error, self.contexts = {"base:1": "sha256:b"}, error, []

    def get(self, reference: str) -> object:
        if reference not in self.present:
            raise ImageNotFound(reference)
        return type("Image", (), {"id": self.present[reference]})()

    def build(self, *, fileobj: io.BytesIO, tag: str, **options: object) -> tuple[object, object]:
        self.contexts.append(fileobj.read())
        if self.error:
            raise self.error
        self.present[tag] = "sha256:d"
        return self.get(tag), []


def engine(error: Exception | None = None) -> docker.DockerClient:
    """A client with these images."""
    return type("Client", (), {"images": Images(error)})()


def test_a_derived_image_is_built_once() -> None:
    """Its name is a digest of the base image, the version and the source."""
    client, lines = engine(), []
    built = derived_base("base:1", PACKAGE, client, lines.append)
    assert derived_base("base:1", PACKAGE, client, lines.append) == built
    assert lines == ["building server 1.0+1.gabc from its commit"] and len(client.images.contexts) == 1
    other = SourcePackage("server", "1.0+1.gabc", b"another tar")
    assert derived_base("base:1", other, client, lines.append)[0] != built[0]


@pytest.mark.parametrize(
    "error",
    [
        DockerBuildError("exit code 1", iter([{"stream": "no setup.py\n"}, {"aux": {}}])),
        APIError("no setup.py"),
    ],
)
def test_a_commit_that_does_not_build_tells_why(error: Exception) -> None:
    """With the last lines of the log."""
    with pytest.raises(BuildError, match=r"(?s)server 1\.0\+1\.gabc did not build from its commit.*no setup\.py"):
        derived_base("base:1", PACKAGE, engine(error), lambda text: None)


def test_the_context_has_the_source_and_a_dockerfile() -> None:
    """The base image is named in it twice; pip of later builds looks where the wheel is."""
    with tarfile.open(fileobj=io.BytesIO(context("base:1", PACKAGE))) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    dockerfile = files["Dockerfile"].decode()
    assert files["source.tar"] == b"tar" and files["relabel.py"].decode() == SCRIPT
    assert dockerfile.count("FROM base:1") == 2
    assert f"ENV PIP_FIND_LINKS={WHEELS}" in dockerfile and "'1.0+1.gabc'" in dockerfile


def wheel(folder: Path) -> Path:
    """A wheel of the package "my.server" with the version 1.1.dev0, as setuptools lays one out."""
    info = "my_server-1.1.dev0.dist-info"
    path = folder / "my_server-1.1.dev0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive_file:
        archive_file.writestr("my_server/__init__.py", "__version__ = '1.1.dev0'\n")
        archive_file.writestr("my_server-1.1.dev0.data/scripts/my-server", "#!python\nprint('up')\n")
        archive_file.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: my.server\nVersion: 1.1.dev0\n\nVersion: of the text\n"
        )
        archive_file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive_file.writestr(f"{info}/RECORD", "")
    return path


def test_pip_installs_the_commit_as_the_version_that_was_asked(tmp_path: Path) -> None:
    """As a Dockerfile asks for a release. The code of the wheel is the commit's, with its own version in it."""
    links, target = tmp_path / "wheels", tmp_path / "target"
    links.mkdir()
    wheel(links)
    subprocess.run([sys.executable, "-c", SCRIPT, str(links), "1.0+12.g0123abc"], check=True)
    assert [path.name for path in links.iterdir()] == ["my_server-1.0+12.g0123abc-py3-none-any.whl"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--target",
        str(target),
        "my.server==1.0+12.g0123abc",
    ]
    environ = {**os.environ, "PIP_FIND_LINKS": str(links), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (target / "my_server" / "__init__.py").read_text() == "__version__ = '1.1.dev0'\n"
    metadata = (target / "my_server-1.0+12.g0123abc.dist-info" / "METADATA").read_text()
    assert "\nVersion: 1.0+12.g0123abc\n" in metadata and metadata.endswith("Version: of the text\n")
    assert (target / "bin" / "my-server").exists()
    record = (target / "my_server-1.0+12.g0123abc.dist-info" / "RECORD").read_text()
    assert "my_server/__init__.py,sha256=" in record and json.dumps("1.1.dev0-") not in record
