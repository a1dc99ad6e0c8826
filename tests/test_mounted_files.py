"""Files that services mount, on the way to an engine elsewhere."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import lab
import pytest
from reprolab.core.errors import EngineError, UsageError
from reprolab.engine import labels
from reprolab.engine.containers import PROJECT
from reprolab.engine.leftovers import remove_project
from reprolab.stack.mounted_files import bring, bring_beside, mounted, moved, packed


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


def test_the_files_of_configs_and_secrets_are_mounted_too(tmp_path: Path) -> None:
    """Compose makes a mount of each. One with a value in the environment has no file."""
    model = model_of("web") | {
        "configs": {"site": {"name": "p_site", "file": str(tmp_path / "site.conf")}},
        "secrets": {"key": {"file": str(tmp_path / "key")}, "token": {"environment": "TOKEN"}},
    }
    assert list(mounted(model)) == [str(tmp_path / "site.conf"), str(tmp_path / "key")]
    assert moved(model, "/far")["secrets"]["key"] == {"file": f"/far{tmp_path}/key"}


def test_a_moved_model_mounts_the_same_paths_below_a_directory(tmp_path: Path) -> None:
    """Its volumes and the model itself stay as they were."""
    model = model_of("web", tmp_path)
    far = moved(model, "/var/lib/docker/volumes/p_files/_data")
    assert list(mounted(far)) == [f"/var/lib/docker/volumes/p_files/_data{tmp_path}"]
    assert list(mounted(model)) == [str(tmp_path)]
    assert far["services"]["web-0"]["volumes"][1:] == model["services"]["web-0"]["volumes"][1:]


def test_what_is_mounted_by_a_link_is_the_file_behind_it(tmp_path: Path) -> None:
    """An engine follows the link on its own machine; there the file behind it is not. Links in a directory stay."""
    target, link = tmp_path / "real.conf", tmp_path / "now.conf"
    target.write_text("listen: 80\n", encoding="utf-8")
    link.symlink_to("real.conf")
    with tarfile.open(fileobj=io.BytesIO(packed([str(link)]))) as archive:
        content = archive.extractfile(str(link).lstrip("/"))
        assert content and content.read() == b"listen: 80\n"
        assert len(archive.getmembers()) == 1
    with tarfile.open(fileobj=io.BytesIO(packed([str(tmp_path)]))) as archive:
        assert archive.getmember(str(link).lstrip("/")).issym()


@pytest.mark.parametrize("bringing", [bring, bring_beside])
def test_a_missing_file_is_a_usage_error_on_each_engine_elsewhere(bringing: Any, tmp_path: Path) -> None:
    """In a virtual machine too. No container is left for it."""
    client = Mock()
    client.volumes.create.return_value = Mock(attrs={"Mountpoint": "/volumes/x"})
    with pytest.raises(UsageError, match="which cannot be read here"):
        bringing(client, model_of("web", tmp_path / "h2o.conf") | {"name": "p"}, {})
    assert not client.containers.create.called


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """An engine would make a directory in its place."""
    with pytest.raises(
        UsageError, match=r"a service mounts /\S+/h2o.conf, which cannot be read here: No such file"
    ) as error:
        packed([str(tmp_path / "h2o.conf")])
    assert error.value.expected and error.value.advice


def test_a_volume_without_a_place_is_an_error_with_the_files(tmp_path: Path) -> None:
    """A driver for a store in the network has none."""
    client = Mock()
    client.volumes.create.return_value = Mock(attrs={"Mountpoint": ""})
    with pytest.raises(EngineError, match=f"services mount {tmp_path}, and the engine does not say"):
        bring_beside(client, model_of("web", tmp_path) | {"name": "p"}, {})
    assert not client.containers.create.called


def test_a_model_without_mounts_needs_no_volume() -> None:
    """It stays the same."""
    client, model = Mock(), model_of("web") | {"name": "p"}
    assert bring_beside(client, model, {}) is model
    assert not client.volumes.create.called


@pytest.mark.docker
def test_files_on_another_machine_are_beside_those_that_are_there_and_go_with_the_project(tmp_path: Path) -> None:
    """A container mounts them as the model says; the file here is not written."""
    client, source = lab.engine(), tmp_path / "h2o.conf"
    source.write_text("listen: 80\n", encoding="utf-8")
    before, image = source.stat().st_ctime_ns, lab.base("debian:bookworm-slim")
    project = f"reprolab-test-{tmp_path.name.replace('_', '-').lower()}"
    owner = labels.object_labels("blink", f"test-{tmp_path.name}")
    try:
        far = bring_beside(client, model_of(image, source) | {"name": project}, owner)
        (place,) = mounted(far)
        assert place.endswith(str(source)) and place != str(source)
        binds = {place: {"bind": "/srv/it", "mode": "ro"}}
        printed = client.containers.run(image, ["cat", "/srv/it"], volumes=binds, network_mode="none", remove=True)
        assert printed == b"listen: 80\n"
        assert source.stat().st_ctime_ns == before
    finally:
        assert remove_project(client, project) == ()
    named = {"label": f"{PROJECT}={project}"}
    assert (
        client.volumes.list(filters=named) == []
        and client.containers.list(all=True, ignore_removed=True, filters=named) == []
    )


@pytest.mark.docker
def test_an_engine_has_the_files_at_their_place(tmp_path: Path) -> None:
    """On the engine of this machine the file is there already, so it is written again with the same content."""
    client, source = lab.engine(), tmp_path / "h2o.conf"
    source.write_text("listen: 80\n", encoding="utf-8")
    before = source.stat().st_ctime_ns
    owner = labels.object_labels("blink", f"test-{tmp_path.name}")
    bring(client, model_of(lab.base("debian:bookworm-slim"), source), owner)
    assert source.read_text(encoding="utf-8") == "listen: 80\n"
    assert source.stat().st_ctime_ns > before, "the engine has written it"
    named = {"label": f"{labels.RUN}=test-{tmp_path.name}"}
    assert client.containers.list(all=True, ignore_removed=True, filters=named) == []
