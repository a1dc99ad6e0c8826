"""A variant's Compose model: resolved without the caller's environment, then made the lab's own."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import EXPERIMENT, lay_out, load
from reprolab.core.errors import UsageError
from reprolab.engine import labels
from reprolab.scenario import loader
from reprolab.stack import compose as stack_compose
from reprolab.stack.compose import (
    base_arguments,
    context_digest,
    image_name,
    image_variables,
    missing_images,
    prepare_model,
    services_by_role,
)

BASE = "python:3.6.15-slim"
BASES = {BASE: ("reprolab-base/python:3.6.15-host", "sha256:1")}
OWNER = {"reprolab.object": "trial", "reprolab.run": "now"}


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A build's directory."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM x\n")
    (folder / "app.py").write_text("app = 1\n")
    return folder


@pytest.fixture
def model(context: Path) -> dict[str, Any]:
    """What Compose makes of a file."""
    return {
        "name": "reprolab",
        "services": {
            "blink-app": {
                "build": {"context": str(context), "args": {"PYTHON_IMAGE": BASE, "GUNICORN": "19.6.0"}},
                "container_name": "fixed",
                "labels": {"reprolab.log": "/log"},
                "pull_policy": "build",
                "healthcheck": {"test": ["CMD", "true"], "interval": "2s"},
            },
            "blink-proxy": {"image": "nginx:1.25", "labels": None, "pull_policy": "build"},
        },
        "networks": {"default": {"name": "reprolab_default"}},
        "volumes": {"socket": {"name": "reprolab_socket", "labels": {"x": "y"}}},
    }


def test_the_callers_environment_stays_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WORKERS, COMPOSE_FILE or PYTHON_IMAGE in somebody's shell change nothing; the variant's factors alone count."""
    found = load(tmp_path)
    for name in ("WORKERS", "RELEASE", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "PYTHON_IMAGE", "UNRELATED"):
        monkeypatch.setenv(name, "from the shell")
    made = stack_compose.clean_environment(found, {"RELEASE": "0.9"})
    assert made["RELEASE"] == "0.9"
    assert made["UNRELATED"] == "from the shell"
    assert not {"WORKERS", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "PYTHON_IMAGE"} & set(made)
    assert os.environ["WORKERS"] == "from the shell"


def compose(folder: Path, text: str) -> tuple[str, ...]:
    """A stand-in for docker compose."""
    path = folder / "compose"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return (str(path),)


def test_compose_resolves_the_scenario_and_the_tools(tmp_path: Path) -> None:
    """Both files go through Compose under the same factors, and their services are joined."""
    found = load(tmp_path)
    script = (
        f'echo "$RELEASE $*" >>{tmp_path}/calls\n'
        'case "$*" in *images*) echo \'{"services": {"wrk": {}}}\' ;; '
        '*) echo \'{"services": {"blink-app": {}}}\' ;; esac'
    )
    resolved = stack_compose.resolve(found, {"RELEASE": "0.9"}, compose(tmp_path, script))
    assert resolved == {"services": {"blink-app": {}, "wrk": {}}}
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["0.9", "0.9"]
    assert f"--file {found.compose_file} --profile * config --format json" in calls[0]
    assert f"--file {tmp_path}/images/compose.yaml " in calls[1]


def test_what_compose_refuses_is_a_malformed_scenario(tmp_path: Path) -> None:
    """Its own words are shown, with the file."""
    found = load(tmp_path)
    with pytest.raises(UsageError) as caught:
        stack_compose.resolve(found, {}, compose(tmp_path, "echo 'services.x is wrong' >&2; exit 15"))
    assert f"Compose refuses {found.compose_file}" in str(caught.value)
    assert "services.x is wrong" in str(caught.value)


def test_bases_are_arguments_that_end_in_image(model: dict[str, Any]) -> None:
    """Only those of builds, and only those with a value."""
    model["services"]["blink-app"]["build"]["args"]["OTHER_IMAGE"] = None
    model["services"]["more"] = {"build": {"context": ".", "args": None}}
    assert list(base_arguments(model)) == [("blink-app", "PYTHON_IMAGE", BASE)]


def test_the_variables_that_name_bases(model: dict[str, Any], tmp_path: Path) -> None:
    """As the scenario's file writes them, with the image that they stand for under the factors in force."""
    text = """\
x-reprolab: {title: t, document: {title: d}}
services:
  blink-app:
    build:
      context: .
      args:
        PYTHON_IMAGE: ${PYTHON_IMAGE:-python:${PYTHON:-3.12.1}-slim}
        PLAIN_IMAGE: debian:bookworm
"""
    found = load(tmp_path, compose=text, lamp=EXPERIMENT.replace('{"RELEASE": "0.9"}', "{}"))
    assert found.factors == {"PYTHON": "3.12.1"}
    model["services"]["blink-app"]["build"]["args"]["PLAIN_IMAGE"] = "debian:bookworm"
    model["services"]["wrk"] = {"build": {"context": ".", "args": {"DEBIAN_IMAGE": "debian:bookworm"}}}
    assert image_variables(model, found) == {"PYTHON_IMAGE": BASE}


def adopted(model: dict[str, Any], tmp_path: Path, **bases: tuple[str, str]) -> dict[str, Any]:
    """The model as the lab runs it."""
    lay_out(tmp_path)
    return prepare_model(model, loader.load(tmp_path, "blink"), "reprolab-blink-1", OWNER, {**BASES, **bases})


def test_the_model_becomes_the_labs_own(model: dict[str, Any], tmp_path: Path) -> None:
    """Own project, base and labels everywhere; no fixed name by which two trials would collide, no healthcheck."""
    before = deepcopy(model)
    own = adopted(model, tmp_path)
    app, proxy = own["services"]["blink-app"], own["services"]["blink-proxy"]
    assert own["name"] == "reprolab-blink-1"
    assert app["build"]["args"] == {"PYTHON_IMAGE": "reprolab-base/python:3.6.15-host", "GUNICORN": "19.6.0"}
    assert app["build"]["labels"] == {labels.OBJECT: "image", labels.SCENARIO: "blink"}
    assert app["labels"] == {"reprolab.log": "/log", **OWNER}
    assert app["pull_policy"] == "never"
    assert app["image"].startswith("reprolab/blink-app:")
    assert "container_name" not in app
    assert app["healthcheck"] == {"disable": True}
    assert proxy == {"image": "nginx:1.25", "labels": OWNER, "healthcheck": {"disable": True}}
    assert own["networks"]["default"] == {"labels": OWNER}
    assert own["volumes"]["socket"] == {"labels": {"x": "y", **OWNER}}
    assert model == before
    assert json.loads(json.dumps(own)) == own


def test_a_model_without_volumes(model: dict[str, Any], tmp_path: Path) -> None:
    """Nothing is required that a small stack does not have."""
    model["volumes"] = None
    del model["networks"]
    assert adopted(model, tmp_path)["volumes"] is None


# -- one image for one set of inputs --------------------------------------------------------------


def build(context: Path, **changes: Any) -> dict[str, Any]:
    """A service's build."""
    return {"context": str(context), "args": {"PYTHON_IMAGE": "base", "GUNICORN": "19.6.0"}} | changes


def test_the_same_inputs_give_the_same_image(context: Path) -> None:
    """Variants and runs share what they have in common."""
    first = image_name(build(context), "app", [("base", "sha256:1")])
    assert image_name(build(context), "app", [("base", "sha256:1"), ("unused", "sha256:2")]) == first
    (context / "app.py").touch()
    assert image_name(build(context), "app", [("base", "sha256:1")]) == first


def test_every_input_gives_another_image(context: Path) -> None:
    """Base, argument, target, Dockerfile, file, name and permission: none can change unseen."""
    bases = [("base", "sha256:1")]
    seen = {image_name(build(context), "app", bases)}

    def is_new(**changes: Any) -> None:
        name = image_name(build(context, **changes), "app", changes.pop("bases", bases))
        assert name not in seen
        seen.add(name)

    seen.add(image_name(build(context), "app", [("base", "sha256:2")]))
    assert len(seen) == 2
    is_new(args={"PYTHON_IMAGE": "base", "GUNICORN": "19.5.0"})
    is_new(target="witness")
    (context / "app.py").write_text("app = 2\n")
    is_new()
    (context / "app.py").chmod(0o755)
    is_new()
    (context / "app.py").rename(context / "web.py")
    is_new()
    (context / "Dockerfile").write_text("FROM y\n")
    is_new()


def test_ignored_files_do_not_count(context: Path) -> None:
    """What .dockerignore keeps out of the build, an edited README say, builds nothing anew."""
    (context / ".dockerignore").write_text("# all but\n*\n\n!app.py\n")
    before = context_digest(context, "Dockerfile")
    (context / "README.md").write_text("story\n")
    assert context_digest(context, "Dockerfile") == before
    (context / "app.py").write_text("app = 3\n")
    assert context_digest(context, "Dockerfile") != before


def test_a_dockerfile_outside_the_context_counts(context: Path) -> None:
    """As that of wrk, whose context is the library's directory."""
    (context.parent / "Dockerfile").write_text("FROM a\n")
    before = context_digest(context, "../Dockerfile")
    (context.parent / "Dockerfile").write_text("FROM b\n")
    assert context_digest(context, "../Dockerfile") != before


def test_roles_are_names_without_the_prefix() -> None:
    """blink-app plays the role app; a tool without prefix keeps its name."""
    services = {"services": {"blink-app": {}, "blink-my-proxy": {}, "wrk": {}}}
    assert services_by_role(services, "blink") == {"app": "blink-app", "my-proxy": "blink-my-proxy", "wrk": "wrk"}


def test_only_what_is_missing_is_built() -> None:
    """Services that are pulled are none of the lab's builds."""
    services = {"a": {"build": {}, "image": "a:1"}, "b": {"build": {}, "image": "b:1"}, "c": {"image": "c:1"}}
    assert missing_images({"services": services}, lambda image: image == "a:1") == ["b"]


OPTIONAL = """\
x-reprolab:
  title: a server that blinks
  document: {title: doc-1}
  values: {FRONT: none nginx}
  when:
    nginx: {FRONT: nginx}
    browser: {experiment: lamp}
services:
  blink-app:
    image: app:${RELEASE:-1.0}
    labels: {front: "${FRONT:-none}"}
  blink-nginx: {image: "nginx:1"}
  blink-browser: {image: "browser:1"}
"""


@pytest.mark.parametrize(
    ("factors", "experiment", "there"),
    [
        ({}, "", {"app"}),
        ({"FRONT": "nginx"}, "", {"app", "nginx"}),
        ({}, "lamp", {"app", "browser"}),
        ({"FRONT": "nginx"}, "lamp", {"app", "browser", "nginx"}),
    ],
)
def test_a_service_takes_part_only_where_it_is_needed(
    tmp_path: Path, factors: dict[str, str], experiment: str, there: set[str]
) -> None:
    """By the factors that are set, and by the experiment; by hand there is none. Nobody waits for who is not there."""
    lay_out(tmp_path, compose=OPTIONAL)
    found = loader.load(tmp_path, "blink")
    services = (
        '{"blink-app": {"depends_on": {"blink-nginx": {}}}, "blink-nginx": {"profiles": ["x"]}, "blink-browser": {}}'
    )
    script = (
        'case "$*" in *images*) echo \'{"services": {"wrk": {}, "forensics": {}}}\' ;; '
        f"*) echo '{{\"services\": {services}}}' ;; esac"
    )
    own = found.experiments[experiment] if experiment else None
    resolved = stack_compose.resolve(found, factors, compose(tmp_path, script), own)["services"]
    assert {name.removeprefix("blink-") for name in resolved} == there | {"wrk", "forensics"}
    assert set(resolved["blink-app"]["depends_on"]) == ({"blink-nginx"} if "nginx" in there else set())
    assert all("profiles" not in service for service in resolved.values())


def test_an_experiment_without_load_needs_no_wrk(tmp_path: Path) -> None:
    """A load tool that cannot be built must not stop trials that put no load on; but bundles carry it."""
    found = load(tmp_path)
    tools, own = (f"echo '{json.dumps({'services': {name: {}}})}'" for name in ("wrk", "blink-app"))
    script = f'case "$*" in *images*) {tools} ;; *) {own} ;; esac'
    quiet = replace(found.experiments["lamp"], parallel=True)
    command = compose(tmp_path, script)
    assert "wrk" not in stack_compose.resolve(found, {}, command, quiet)["services"]
    assert "wrk" in stack_compose.resolve(found, {}, command, quiet, all_tools=True)["services"]
    assert "wrk" in stack_compose.resolve(found, {}, command, found.experiments["lamp"])["services"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("nginx: {FRONT: nginx}", "ngin: {FRONT: nginx}", "'ngin' is not a role that .* .did you mean nginx"),
        ("nginx: {FRONT: nginx}", "nginx: {FRNT: nginx}", "names FRNT, which is no factor .did you mean FRONT"),
        ("nginx: {FRONT: nginx}", "nginx: {FRONT: apache}", "FRONT cannot be 'apache'"),
        ("nginx: {FRONT: nginx}", "nginx: always", "x-reprolab.when is"),
        ("nginx: {FRONT: nginx}", "nginx: {FRONT: on}", "when.nginx.FRONT is True"),
        ("nginx: {FRONT: nginx}", "nginx: {FRONT: [nginx, none]}", "when.nginx.FRONT is .'nginx', 'none'."),
        ("nginx: {FRONT: nginx}", "blink-nginx: {FRONT: nginx}", "a service's name without `blink-`"),
        ("nginx: {FRONT: nginx}", "app: {FRONT: nginx}", "'app' is not a role that can be left out"),
        (
            "{experiment: lamp}",
            "{experiment: lamb}",
            "names the experiment 'lamb', which does not exist .did you mean lamp",
        ),
    ],
)
def test_a_mistake_in_when_is_told(tmp_path: Path, before: str, after: str, words: str) -> None:
    """A condition that can never hold would leave a service out of every run in silence."""
    lay_out(tmp_path, compose=OPTIONAL.replace(before, after))
    with pytest.raises(UsageError, match=words):
        loader.load(tmp_path, "blink")
