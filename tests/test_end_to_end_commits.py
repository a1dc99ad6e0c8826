"""A commit in an image of the engine: built from its source, and installed as a Dockerfile installs a release."""

from __future__ import annotations

import io
import tarfile
import uuid
from pathlib import Path

import pytest
from lab import base, engine
from repositories import Repository
from reprolab.bisect.commits import archive, history
from reprolab.core.errors import BuildError
from reprolab.stack.source_packages import SourcePackage, derived_base

pytestmark = pytest.mark.docker

PYTHON = "python:3.12.1-slim-bookworm"
PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "blinker-of-a-test"
version = "1.1.dev0"
[tool.setuptools]
py-modules = ["blinker_of_a_test"]
"""
RECIPE = """\
FROM {base}
RUN pip install --no-deps "blinker-of-a-test=={version}"
CMD ["python", "-c", "import blinker_of_a_test as it; print(it.LAMP)"]
"""


@pytest.fixture
def source(tmp_path: Path) -> Repository:
    """Two releases and a commit between them that changes the lamp; then one that cannot be built."""
    repository = Repository(tmp_path / "source")
    (repository.path / "pyproject.toml").write_text(PROJECT)
    (repository.path / "blinker_of_a_test.py").write_text("LAMP = 'off'\n")
    repository.commit("begin", "1.0")
    (repository.path / "blinker_of_a_test.py").write_text("LAMP = 'on'\n")
    repository.commit("lamp")
    (repository.path / "pyproject.toml").write_text("[build-system\n")
    repository.commit("broken", "1.1")
    return repository


def context(recipe: str) -> io.BytesIO:
    """A build context with only a Dockerfile."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(recipe)
        tar.addfile(member, io.BytesIO(recipe.encode()))
    stream.seek(0)
    return stream


def test_a_commit_is_installed_like_a_release(source: Repository) -> None:
    """Each commit as its own version; one that does not build tells why."""
    client, tag = engine(), f"reprolab-test-commits:{uuid.uuid4().hex[:12]}"
    line = history(source.path, "1.0", "1.1")
    derived: list[str] = []
    built: list[str] = []
    try:
        for lamp, version in zip(("off", "on"), list(line.hashes)[:2], strict=True):
            package = SourcePackage("blinker-of-a-test", version, archive(source.path, line.hashes[version]))
            derived.append(derived_base(base(PYTHON), package, client, print)[0])
            recipe = RECIPE.format(base=derived[-1], version=version)
            image, _ = client.images.build(fileobj=context(recipe), custom_context=True, tag=tag, rm=True, forcerm=True)
            built.append(str(image.id))
            assert client.containers.run(tag, remove=True, network_disabled=True).decode().strip() == lamp
        version, commit = list(line.hashes.items())[2]
        with pytest.raises(BuildError, match=r"(?s)did not build from its commit.*pyproject"):
            derived_base(base(PYTHON), SourcePackage("b", version, archive(source.path, commit)), client, print)
    finally:
        # The second build takes the tag from the first, and an image with a child cannot be removed.
        for name in (*built, *derived):
            client.images.remove(name, force=True)
