"""Files that services mount, on the way to a virtual machine."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import lab
import pytest
from reprolab.engine import labels
from reprolab.stack.mounted_files import bring, mounted, packed


def model_of(image: str, *sources: Path) -> dict[str, Any]:
    """A model whose services mount these, one service each, and a volume and a temporary file system."""
    others = [{"type": "volume", "source": "data", "target": "/data"}, {"type": "tmpfs", "target": "/tmp"}]
    services = {
        f"web-{number}": {
            "image": image,
            "volumes": [{"type": "bind", "source": str(source), "target": "/srv/it"}, *others],
        }
        for number, source in enumerate(sources)
    }
    return {"services": {**services, "plain": {"image": image}}}


def test_only_paths_of_the_machine_are_brought(tmp_path: Path) -> None:
    """A volume is the engine's own."""
    assert list(mounted(model_of("web", tmp_path))) == [str(tmp_path)]


def test_a_file_keeps_its_place_its_content_and_its_mode(tmp_path: Path) -> None:
    """Also one in a directory that is mounted as a whole."""
    script = tmp_path / "start.sh"
    script.write_text("exit 7\n", encoding="utf-8")
    script.chmod(0o755)
    with tarfile.open(fileobj=io.BytesIO(packed([str(tmp_path)]))) as archive:
        member = archive.getmember(str(script).lstrip("/"))
        content = archive.extractfile(member)
        assert content and content.read() == b"exit 7\n"
        assert member.mode & 0o777 == 0o755


@pytest.mark.docker
def test_an_engine_has_the_files_at_their_place(tmp_path: Path) -> None:
    """On the engine of this machine the file is there already, so it is written again with the same content."""
    client, source = lab.engine(), tmp_path / "h2o.conf"
    source.write_text("listen: 80\n", encoding="utf-8")
    before = source.stat().st_ino
    owner = labels.object_labels("blink", f"test-{tmp_path.name}")
    bring(client, model_of(lab.base("debian:bookworm-slim"), source), owner)
    assert source.read_text(encoding="utf-8") == "listen: 80\n"
    assert source.stat().st_ino != before, "the engine has written it"
    named = {"label": f"{labels.RUN}=test-{tmp_path.name}"}
    assert client.containers.list(all=True, ignore_removed=True, filters=named) == []
