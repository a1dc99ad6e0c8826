"""A variant's Compose model: resolved without the caller's environment, then prepared by the lab."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import EXPERIMENT, ROOT, lay_out, load
from reprolab.core.errors import UsageError
from reprolab.engine import labels
from reprolab.engine.helpers import WHOLE_LOG
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
HARDENED = {"cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "mem_limit": "1", "pids_limit": 1}
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
    """A model as Compose resolves it."""
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


def test_the_callers_environment_does_not_change_factors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WORKERS, COMPOSE_FILE or PYTHON_IMAGE in the caller's shell change nothing; only the variant's factors count."""
    scenario = load(tmp_path)
    for name in ("WORKERS", "RELEASE", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "PYTHON_IMAGE", "UNRELATED"):
        monkeypatch.setenv(name, "from the shell")
    environment = stack_compose.clean_environment(scenario, {"RELEASE": "0.9"})
    assert environment["RELEASE"] == "0.9"
    assert environment["UNRELATED"] == "from the shell"
    assert not {"WORKERS", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "PYTHON_IMAGE"} & set(environment)
    assert os.environ["WORKERS"] == "from the shell"


def compose(folder: Path, text: str) -> tuple[str, ...]:
    """A program in the place of docker compose."""
    path = folder / "compose"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return (str(path),)


def test_compose_resolves_the_scenario_and_the_tools(tmp_path: Path) -> None:
    """Compose resolves both files with the same factors, and their services are joined."""
    scenario = load(tmp_path)
    script = (
        f'echo "$RELEASE $*" >>{tmp_path}/calls\n'
        'case "$*" in *images*) echo \'{"services": {"wrk": {}}}\' ;; '
        f"*) echo '{json.dumps({'services': {'blink-app': HARDENED}})}' ;; esac"
    )
    resolved = stack_compose.resolve(scenario, {"RELEASE": "0.9"}, compose(tmp_path, script))
    assert resolved == {"services": {"blink-app": HARDENED, "wrk": {}}}
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["0.9", "0.9"]
    assert f"--file {scenario.compose_file} --profile * config --format json" in calls[0]
    assert f"--project-directory {ROOT}/images --file - " in calls[1]


def test_a_file_that_compose_refuses_is_a_usage_error(tmp_path: Path) -> None:
    """The error has the text of Compose, and the file."""
    scenario = load(tmp_path)
    with pytest.raises(UsageError) as caught:
        stack_compose.resolve(scenario, {}, compose(tmp_path, "echo 'services.x is wrong' >&2; exit 15"))
    assert f"Compose refuses {scenario.compose_file}" in str(caught.value)
    assert "services.x is wrong" in str(caught.value)


def test_bases_are_arguments_that_end_in_image(model: dict[str, Any]) -> None:
    """Only arguments of builds with a value count."""
    model["services"]["blink-app"]["build"]["args"]["OTHER_IMAGE"] = None
    model["services"]["more"] = {"build": {"context": ".", "args": None}}
    assert list(base_arguments(model)) == [("blink-app", "PYTHON_IMAGE", BASE)]


def test_the_variables_for_base_images(model: dict[str, Any], tmp_path: Path) -> None:
    """They are the variables in the scenario's file, each with its image in the model."""
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
    scenario = load(tmp_path, compose=text, lamp=EXPERIMENT.replace('{"RELEASE": "0.9"}', "{}"))
    assert scenario.factors == {"PYTHON": "3.12.1"}
    model["services"]["blink-app"]["build"]["args"]["PLAIN_IMAGE"] = "debian:bookworm"
    model["services"]["wrk"] = {"build": {"context": ".", "args": {"DEBIAN_IMAGE": "debian:bookworm"}}}
    assert image_variables(model, scenario) == {"PYTHON_IMAGE": BASE}


def prepared(model: dict[str, Any], tmp_path: Path, **bases: tuple[str, str]) -> dict[str, Any]:
    """The model after `prepare_model`."""
    lay_out(tmp_path)
    return prepare_model(model, loader.load(tmp_path, "blink"), "reprolab-blink-1", OWNER, {**BASES, **bases})


def test_a_prepared_model(model: dict[str, Any], tmp_path: Path) -> None:
    """It has a project, base images and labels; no fixed names, which two trials would share, and no health check."""
    before = deepcopy(model)
    result = prepared(model, tmp_path)
    app, proxy = result["services"]["blink-app"], result["services"]["blink-proxy"]
    assert result["name"] == "reprolab-blink-1"
    assert app["build"]["args"] == {"PYTHON_IMAGE": "reprolab-base/python:3.6.15-host", "GUNICORN": "19.6.0"}
    assert app["build"]["labels"] == {labels.OBJECT: "image", labels.SCENARIO: "blink"}
    assert app["labels"] == {"reprolab.log": "/log", **OWNER}
    assert app["pull_policy"] == "never"
    assert app["image"].startswith("reprolab/blink-app:")
    assert "container_name" not in app
    assert app["healthcheck"] == {"disable": True}
    logging = {"driver": "json-file", "options": WHOLE_LOG}
    assert proxy == {"image": "nginx:1.25", "labels": OWNER, "healthcheck": {"disable": True}, "logging": logging}
    assert result["networks"]["default"] == {"labels": OWNER}
    assert result["volumes"]["socket"] == {"labels": {"x": "y", **OWNER}}
    assert model == before
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize(
    ("logging", "prepared_logging"),
    [
        ({"driver": "local"}, {"driver": "local", "options": WHOLE_LOG}),
        ({"driver": "none"}, {"driver": "none"}),
        ({"options": {"max-size": "2k"}}, {"driver": "json-file", "options": {**WHOLE_LOG, "max-size": "2k"}}),
    ],
    ids=str,
)
def test_no_log_is_cut(
    model: dict[str, Any], tmp_path: Path, logging: dict[str, Any], prepared_logging: dict[str, Any]
) -> None:
    """The engine's configuration may cut all logs; only an exception of the scenario does."""
    model["services"]["blink-app"]["logging"] = logging
    assert prepared(model, tmp_path)["services"]["blink-app"]["logging"] == prepared_logging


def test_a_model_without_volumes(model: dict[str, Any], tmp_path: Path) -> None:
    """Networks and volumes are optional."""
    model["volumes"] = None
    del model["networks"]
    assert prepared(model, tmp_path)["volumes"] is None


# -- one image for one set of inputs --------------------------------------------------------------


def build(context: Path, **changes: Any) -> dict[str, Any]:
    """A service's build."""
    return {"context": str(context), "args": {"PYTHON_IMAGE": "base", "GUNICORN": "19.6.0"}} | changes


def test_the_same_inputs_give_the_same_image(context: Path) -> None:
    """Variants and runs share an image if its inputs are equal."""
    first = image_name(build(context), "app", [("base", "sha256:1")])
    assert image_name(build(context), "app", [("base", "sha256:1"), ("unused", "sha256:2")]) == first
    (context / "app.py").touch()
    assert image_name(build(context), "app", [("base", "sha256:1")]) == first


def test_every_input_gives_another_image(context: Path) -> None:
    """A change of base, argument, target, Dockerfile, file, name or permission gives another image."""
    bases = [("base", "sha256:1")]
    names = {image_name(build(context), "app", bases)}

    def is_new(**changes: Any) -> None:
        name = image_name(build(context, **changes), "app", changes.pop("bases", bases))
        assert name not in names
        names.add(name)

    names.add(image_name(build(context), "app", [("base", "sha256:2")]))
    assert len(names) == 2
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
    """A change of a file that .dockerignore excludes, such as README.md, needs no new image."""
    (context / ".dockerignore").write_text("# all but\n*\n\n!app.py\n")
    before = context_digest(context, "Dockerfile")
    (context / "README.md").write_text("story\n")
    assert context_digest(context, "Dockerfile") == before
    (context / "app.py").write_text("app = 3\n")
    assert context_digest(context, "Dockerfile") != before


@pytest.mark.parametrize(("context", "what"), [("elsewhere", "build context"), ("", "Dockerfile")])
def test_a_build_without_its_files_is_a_mistake_in_compose_yaml(tmp_path: Path, context: str, what: str) -> None:
    """It names what is missing; no traceback."""
    with pytest.raises(UsageError, match=f"the {what} .* does not exist"):
        context_digest(tmp_path / context, "Dockerfile")


def test_a_dockerfile_outside_the_context_counts(context: Path) -> None:
    """wrk has such a Dockerfile: its context is the library's directory."""
    (context.parent / "Dockerfile").write_text("FROM a\n")
    before = context_digest(context, "../Dockerfile")
    (context.parent / "Dockerfile").write_text("FROM b\n")
    assert context_digest(context, "../Dockerfile") != before


def test_roles_are_names_without_the_prefix() -> None:
    """The role of blink-app is app; a tool without a prefix keeps its name."""
    services = {"services": {"blink-app": {}, "blink-my-proxy": {}, "wrk": {}}}
    assert services_by_role(services, "blink") == {"app": "blink-app", "my-proxy": "blink-my-proxy", "wrk": "wrk"}


def test_only_missing_images_are_built() -> None:
    """An image without a build is not listed."""
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
    ("factors", "experiment", "roles"),
    [
        ({}, "", {"app"}),
        ({"FRONT": "nginx"}, "", {"app", "nginx"}),
        ({}, "lamp", {"app", "browser"}),
        ({"FRONT": "nginx"}, "lamp", {"app", "browser", "nginx"}),
    ],
)
def test_a_service_is_in_the_model_only_if_it_is_needed(
    tmp_path: Path, factors: dict[str, str], experiment: str, roles: set[str]
) -> None:
    """Factors and the experiment decide; a manual stack has no experiment. A removed service is no dependency."""
    lay_out(tmp_path, compose=OPTIONAL)
    scenario = loader.load(tmp_path, "blink")
    services = json.dumps(
        {
            "blink-app": {"depends_on": {"blink-nginx": {}}, **HARDENED},
            "blink-nginx": {"profiles": ["x"], **HARDENED},
            "blink-browser": HARDENED,
        }
    )
    script = (
        'case "$*" in *images*) echo \'{"services": {"wrk": {}, "forensics": {}}}\' ;; '
        f"*) echo '{{\"services\": {services}}}' ;; esac"
    )
    selected = scenario.experiments[experiment] if experiment else None
    resolved = stack_compose.resolve(scenario, factors, compose(tmp_path, script), selected)["services"]
    assert {name.removeprefix("blink-") for name in resolved} == roles | {"wrk", "forensics"}
    assert set(resolved["blink-app"]["depends_on"]) == ({"blink-nginx"} if "nginx" in roles else set())
    assert all("profiles" not in service for service in resolved.values())


def test_an_experiment_without_load_needs_no_wrk(tmp_path: Path) -> None:
    """A failed build of the load tool must not stop trials without load; offline bundles contain the tool."""
    scenario = load(tmp_path)
    tools, services = (f"echo '{json.dumps({'services': {name: HARDENED}})}'" for name in ("wrk", "blink-app"))
    script = f'case "$*" in *images*) {tools} ;; *) {services} ;; esac'
    quiet = replace(scenario.experiments["lamp"], parallel=True)
    command = compose(tmp_path, script)
    assert "wrk" not in stack_compose.resolve(scenario, {}, command, quiet)["services"]
    assert "wrk" in stack_compose.resolve(scenario, {}, command, quiet, all_tools=True)["services"]
    assert "wrk" in stack_compose.resolve(scenario, {}, command, scenario.experiments["lamp"])["services"]


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
def test_a_mistake_in_when_is_an_error(tmp_path: Path, before: str, after: str, words: str) -> None:
    """A condition that is never true would remove a service from every run without a message."""
    lay_out(tmp_path, compose=OPTIONAL.replace(before, after))
    with pytest.raises(UsageError, match=words):
        loader.load(tmp_path, "blink")


def test_a_file_for_compose_by_hand_changes_no_factor(tmp_path: Path) -> None:
    """Compose reads .env beside the file that it is given; the lab's documented values stay."""
    scenario = load(tmp_path)
    arguments = tmp_path / "arguments"
    stack_compose.resolve(scenario, {}, compose(tmp_path, f'echo "$@" >> {arguments}; echo \'{{"services": {{}}}}\''))
    assert "--env-file /dev/null" in arguments.read_text()


def test_the_list_named_after_the_dockerfile_is_the_one_that_counts(tmp_path: Path) -> None:
    """As for BuildKit: a change of a file that goes into the image changes its name."""
    (tmp_path / "Dockerfile").write_text("FROM base\nCOPY app.py /\n")
    (tmp_path / ".dockerignore").write_text("*\n")
    (tmp_path / "Dockerfile.dockerignore").write_text("*\n!app.py\n")
    (tmp_path / "app.py").write_text("1")
    before = context_digest(tmp_path, "Dockerfile")
    (tmp_path / "app.py").write_text("2")
    assert context_digest(tmp_path, "Dockerfile") != before


def test_a_health_check_that_another_service_waits_for_stays(tmp_path: Path, model: dict[str, Any]) -> None:
    """Without it Compose would not start the service that waits; its own and all others are off."""
    check = {"test": ["CMD", "true"]}
    model["services"]["blink-app"] |= {
        "healthcheck": check,
        "depends_on": {"blink-db": {"condition": "service_healthy"}},
    }
    model["services"]["blink-db"] = {"image": "db", "healthcheck": check}
    model["services"]["blink-web"] = {
        "image": "web",
        "healthcheck": check,
        "depends_on": {"blink-app": {"condition": "service_started"}},
    }
    bases = {official: (official, official) for _, _, official in base_arguments(model)}
    services = prepare_model(model, load(tmp_path), "x", {}, bases)["services"]
    assert services["blink-db"]["healthcheck"] == check
    assert services["blink-app"]["healthcheck"] == services["blink-web"]["healthcheck"] == {"disable": True}
