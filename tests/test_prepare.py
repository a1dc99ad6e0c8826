"""Preparation of stacks: models are resolved, base images are resolved once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cases import load
from reprolab.baseimage.resolve import Base, Origin, Policy
from reprolab.core.errors import BaseImageError
from reprolab.stack import prepare
from reprolab.stack.prepare import StackPreparer, StackRequest

ENGINE: Any = SimpleNamespace(docker="docker")
CLIENT: Any = None


@pytest.fixture
def preparer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackPreparer:
    """A preparer of stacks with a Python each. There is no base image with Python 3.5."""
    (tmp_path / "Dockerfile").write_text("FROM $PYTHON_IMAGE\n")

    def resolve(scenario: Any, factors: Any, compose: Any, experiment: Any, *, all_tools: bool) -> dict[str, Any]:
        build = {"context": str(tmp_path), "args": {"PYTHON_IMAGE": f"python:{factors['PYTHON']}"}}
        return {"name": "any", "services": {"blink-app": {"build": build}}}

    def resolve_bases(officials: Iterable[str], client: Any, **_: Any) -> dict[str, Base]:
        names = list(officials)
        if missing := [name for name in names if ":3.5" in name]:
            raise BaseImageError(f"no {missing[0]}", expected="one")
        return {name: Base(name, f"local/{name}", f"id of {name}", Origin.LOCAL, "", "") for name in names}

    monkeypatch.setattr(prepare, "resolve", resolve)
    monkeypatch.setattr(prepare, "resolve_bases", resolve_bases)
    monkeypatch.setattr(prepare, "archived_bases", lambda models, bases, client, on_progress: bases)
    return StackPreparer(ENGINE, CLIENT, Policy.AUTO, print)


def test_a_missing_base_image_is_a_reason_for_the_stacks_on_it(preparer: StackPreparer, tmp_path: Path) -> None:
    """The others keep their order, and have the same models as if they were alone."""
    scenario = load(tmp_path / "lab")
    requests = [StackRequest({"PYTHON": release}) for release in ("3.5.1", "3.6.15", "3.5.2", "3.12.1")]
    found = preparer.models_or_reasons(scenario, requests, {"owner": "me"})
    reasons = [f"no base image python:{release}: no python:{release}" for release in ("3.5.1", "3.5.2")]
    assert [found[0], found[2]] == reasons
    assert [found[1], found[3]] == preparer.models(scenario, [requests[1], requests[3]], {"owner": "me"})
    with pytest.raises(BaseImageError):
        preparer.models(scenario, requests, {})


def test_without_a_missing_base_image_each_stack_has_its_model(preparer: StackPreparer, tmp_path: Path) -> None:
    """As without the question."""
    scenario, requests = load(tmp_path / "lab"), [StackRequest({"PYTHON": "3.6.15"})]
    assert preparer.models_or_reasons(scenario, requests, {}) == preparer.models(scenario, requests, {})


def test_the_base_images_of_all_stacks_are_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models have the order of the requests and the resolved base images, which the preparer keeps."""
    (tmp_path / "Dockerfile").write_text("FROM $PYTHON_IMAGE\n")
    resolved: list[list[str]] = []

    def resolve(scenario: Any, factors: Any, compose: Any, experiment: Any, *, all_tools: bool) -> dict[str, Any]:
        build = {"context": str(tmp_path), "args": {"PYTHON_IMAGE": f"python:{factors['PYTHON']}"}}
        return {"name": "any", "services": {"blink-app": {"build": build}}}

    def resolve_bases(officials: Iterable[str], client: Any, **_: Any) -> dict[str, Base]:
        resolved.append(list(officials))
        return {name: Base(name, f"local/{name}", f"id of {name}", Origin.LOCAL, "", "") for name in resolved[-1]}

    monkeypatch.setattr(prepare, "resolve", resolve)
    monkeypatch.setattr(prepare, "resolve_bases", resolve_bases)
    monkeypatch.setattr(prepare, "archived_bases", lambda models, bases, client, on_progress: bases)
    scenario = load(tmp_path / "lab")
    preparer = StackPreparer(ENGINE, CLIENT, Policy.AUTO, print)
    requests = [StackRequest({"PYTHON": release}) for release in ("3.12.1", "3.6.15", "3.12.1")]
    models = preparer.models(scenario, requests, {"owner": "me"})
    assert resolved == [["python:3.12.1", "python:3.6.15"]]
    apps = [model["services"]["blink-app"] for model in models]
    used = [app["build"]["args"]["PYTHON_IMAGE"] for app in apps]
    assert used == ["local/python:3.12.1", "local/python:3.6.15", "local/python:3.12.1"]
    assert apps[0]["image"] == apps[2]["image"] != apps[1]["image"]
    assert [app["labels"] for app in apps] == [{"owner": "me"}] * 3
    preparer.models(scenario, [StackRequest({"PYTHON": "3.13.0"})], {})
    assert set(preparer.bases) == {"python:3.12.1", "python:3.6.15", "python:3.13.0"}
