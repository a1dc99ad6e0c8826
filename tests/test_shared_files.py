"""Where the shared images are: in the checkout, in the installed lab, in a lab folder."""

from __future__ import annotations

import runpy
import shutil
import tomllib
from pathlib import Path
from unittest import mock

import pytest
import wrk_wrapper
from cases import ROOT, load
from reprolab.baseimage import rootfs
from reprolab.core import shared_files
from reprolab.core.errors import UsageError
from reprolab.engine.detect import compose_command, ensure_engine
from reprolab.export import write
from reprolab.scenario import lab_folder, loader
from reprolab.stack import compose as stack_compose

EXTENDS = "extends: {file: ../../images/hardened.yaml, service: hardened}"


def test_the_checkout_uses_its_own_images() -> None:
    """Nothing of a file is changed there, so the images of all cases keep their names."""
    for file in [ROOT / "images/compose.yaml", *ROOT.glob("scenarios/*/compose.yaml")]:
        text = file.read_text(encoding="utf-8")
        assert shared_files.with_places(text, ROOT) == text
    assert shared_files.installed(shared_files.IMAGES) == ROOT / "images"
    assert shared_files.image_folders(ROOT) == (ROOT / "images",)


def test_a_lab_folder_without_images_uses_those_of_the_installed_lab(tmp_path: Path) -> None:
    """The paths in a compose.yaml become places of files that exist; wrk's script too."""
    assert shared_files.with_places(EXTENDS, tmp_path) == EXTENDS.replace("../../images", str(ROOT / "images"))
    tools = shared_files.with_places((ROOT / "images/compose.yaml").read_text(encoding="utf-8"), tmp_path)
    assert f"context: {Path(wrk_wrapper.__file__).parent}\n" in tools
    assert f"dockerfile: {ROOT}/images/wrk/Dockerfile" in tools
    assert "context: .." not in tools and "file: .." not in tools


def test_an_image_of_the_lab_folder_stands_first(tmp_path: Path) -> None:
    """Only that one image is the folder's; the others are those of the installed lab."""
    (tmp_path / "images/nginx").mkdir(parents=True)
    text = "../../images/nginx ../../images/h2o ../../images/nginx-quic"
    expected = f"../../images/nginx {ROOT}/images/h2o ../../images/nginx-quic"
    assert shared_files.with_places(text, tmp_path) == expected
    assert shared_files.image_folders(tmp_path) == (tmp_path / "images", ROOT / "images")


def test_an_image_that_nobody_has_stays_as_it_is_written(tmp_path: Path) -> None:
    """Compose names it then in its error."""
    assert shared_files.with_places("../../images/ngnix", tmp_path) == "../../images/ngnix"


def test_places_are_not_part_of_a_key(tmp_path: Path) -> None:
    """The same stack has the same key in every lab folder and under every installation."""
    model = f'{{"context": "{ROOT}/images/nginx", "file": "{tmp_path}/scenarios/x"}}'
    assert shared_files.without_places(model, tmp_path) == '{"context": "./images/nginx", "file": "./scenarios/x"}'
    assert shared_files.shown(ROOT / "images/nginx/Dockerfile", tmp_path) == "images/nginx/Dockerfile"


def test_a_page_is_named_so_that_the_reader_can_open_it(tmp_path: Path) -> None:
    """From the checkout's top, or where the installed lab has it."""
    assert shared_files.page(ROOT, "authoring.md") == "docs/authoring.md"
    assert Path(shared_files.page(tmp_path, "authoring.md")).is_file()


def test_the_installed_lab_has_the_folders_in_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the wheel has them; setup.py copies them to the place where they are looked for."""
    monkeypatch.setattr(shared_files, "PACKAGE", tmp_path / "reprolab")
    (tmp_path / "reprolab/shared_images").mkdir(parents=True)
    assert shared_files.installed(shared_files.IMAGES) == tmp_path / "reprolab/shared_images"
    with mock.patch("setuptools.setup"):
        copied = runpy.run_path(str(ROOT / "setup.py"))["SHARED"]
    assert copied == {folder: f"reprolab/{place}" for folder, place in shared_files.IN_PACKAGE.items()}


def test_the_recipe_of_fallback_images_is_among_the_shared_files() -> None:
    """It travels with the package too."""
    assert (rootfs.FILES / "Dockerfile").is_file() and set(rootfs.ADDED) <= {p.name for p in rootfs.FILES.iterdir()}


def test_compose_reads_a_file_with_other_paths_from_its_input(tmp_path: Path) -> None:
    """The project directory stays that of the scenario, so its own relative paths hold; a refusal names the file."""
    scenario = load(tmp_path)
    scenario.compose_file.write_text(f"services:\n  blink-app:\n    {EXTENDS}\n", encoding="utf-8")
    program = tmp_path / "compose"
    program.write_text(f'#!/bin/sh\necho "$*" >{tmp_path}/call; cat >{tmp_path}/text; echo no >&2; exit 1\n')
    program.chmod(0o755)
    with pytest.raises(UsageError, match=str(scenario.compose_file)):
        stack_compose.resolve(scenario, {}, (str(program),))
    assert f"--project-directory {scenario.directory} --file - " in (tmp_path / "call").read_text(encoding="utf-8")
    assert f"{ROOT}/images/hardened.yaml" in (tmp_path / "text").read_text(encoding="utf-8")


def test_wrk_wrapper_is_a_distribution_that_needs_nothing() -> None:
    """It has the files that its users need, the same ones that the lab's distribution has of it."""
    alone = tomllib.loads((ROOT / "scripts/wrk_wrapper/pyproject.toml").read_text(encoding="utf-8"))
    lab = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "dependencies" not in alone["project"]
    assert alone["project"]["requires-python"] == lab["project"]["requires-python"]
    data = [project["tool"]["setuptools"]["package-data"]["wrk_wrapper"] for project in (alone, lab)]
    assert data[0] == data[1]


@pytest.mark.docker
@pytest.mark.parametrize("name", ["socket-vanish", "enable-threads"])
def test_a_scenario_has_the_same_images_in_a_lab_folder(name: str, tmp_path: Path) -> None:
    """Its own image and those of the tools are named after their content, not after their place."""
    shutil.copytree(ROOT / "scenarios" / name, tmp_path / "scenarios" / name)
    names = []
    for root in (ROOT, tmp_path):
        scenario = loader.load(root, name)
        model = stack_compose.resolve(scenario, {}, compose_command(ensure_engine(print)))
        bases = {official: (official, official) for _, _, official in stack_compose.base_arguments(model)}
        prepared = stack_compose.prepare_model(model, scenario, "x", {}, bases)
        names.append({service: part["image"] for service, part in prepared["services"].items()})
    assert names[0] == names[1] and {"wrk", "client", "forensics", "network"} < set(names[0])


def test_an_export_of_a_lab_folder_names_no_place(tmp_path: Path) -> None:
    """A service that extends the shared settings has them in the reproducer, without the lab's directories."""
    lab_folder.create(tmp_path)
    case = write.choose_case(loader.load(tmp_path, lab_folder.FIRST))
    directory, _ = write.write_reproducer(case, tmp_path / "export")
    text = (directory / "compose.yaml").read_text(encoding="utf-8")
    assert "no-new-privileges" in text and "images/" not in text and str(ROOT) not in text


def test_by_hand_compose_is_not_advised_where_it_would_miss_an_image(tmp_path: Path) -> None:
    """`docker compose` knows nothing of the installed lab's images."""
    assert shared_files.names_others(EXTENDS, tmp_path)
    assert not shared_files.names_others(EXTENDS, ROOT)
