"""How `reprolab pins` reads Dockerfiles: commands of RUN lines, stages with build arguments, pins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cases import COMPOSE, EXPERIMENT, ROOT, lay_out
from reprolab.core.errors import UsageError
from reprolab.engine.detect import compose_command, ensure_engine
from reprolab.pins import asking, builds, collect
from reprolab.pins.pin import APT, PIP, Pin, Use
from reprolab.scenario import loader
from reprolab.scenario import model as scenario_model
from reprolab.stack import compose as stack_compose
from reprolab.stack.dockerfile import expand, stages
from reprolab.stack.shell import commands

SCENARIOS = [loader.load(ROOT, name) for name in loader.names(ROOT)]


def words(line: str, **variables: str) -> list[tuple[str, ...]]:
    """The commands of a RUN line."""
    return [command.words for command in commands(line, lambda text: expand(text, variables))]


def pins(tmp_path: Path, text: str, target: str = "", **arguments: str) -> dict[str, Pin]:
    """What a Dockerfile in an empty context installs, by the pin's text."""
    file = tmp_path / "Dockerfile"
    file.write_text(text, encoding="utf-8")
    build = collect.Build(file, tmp_path, arguments, target, (Use("", "", "blink", "lamp/old"),))
    return {pin.text: pin for pin, _ in collect.collect(build, tmp_path, "x86_64")}


# -- RUN lines ------------------------------------------------------------------------------------


def test_commands_are_separated() -> None:
    """Every operator ends a command; quotes and assignments before a command are removed."""
    line = 'A=1 apt-get update && (rm -rf "/x y" ; B="$(. /z; echo "${C}")" pip install "a==${V}") || true'
    assert words(line) == [("apt-get", "update"), ("rm", "-rf", "/x y"), ("pip", "install", "a==${V}"), ("true",)]


@pytest.mark.parametrize(("version", "taken"), [("20.1.0", []), ("21.2.0", [("b",)]), ("x", [("c", "d")])])
def test_a_case_is_decided(version: str, taken: list[tuple[str, ...]]) -> None:
    """The first matching pattern counts, as in the shell; the rest of the line follows."""
    line = 'a && case "${V}" in 19.*|20.*) ;; 21.*) b ;; *) c d; esac && z'
    assert words(line, V=version) == [("a",), *taken, ("z",)]


def test_a_case_in_a_case() -> None:
    """Each ends with its own esac."""
    line = "case ${A} in 1) case ${B} in 2) two ;; esac; one ;; *) other ;; esac; last"
    assert words(line, A="1", B="2") == [("two",), ("one",), ("last",)]
    assert words(line, A="3", B="2") == [("other",), ("last",)]


def test_what_an_if_runs_may_run() -> None:
    """An `if` is not evaluated: its condition may depend on the image's Python."""
    parsed = list(commands("if [ -e /x ]; then pip install a==1; else b; fi; c", str))
    assert [(command.words[0], command.maybe) for command in parsed] == [
        ("[", True),
        ("pip", True),
        ("b", True),
        ("c", False),
    ]


@pytest.mark.parametrize("line", ['echo "a', "case x in a) b"])
def test_a_line_without_its_end_is_refused(tmp_path: Path, line: str) -> None:
    """The error has file and line."""
    with pytest.raises(UsageError, match="Dockerfile, line 3"):
        pins(tmp_path, f"# a comment\nFROM debian:bookworm-slim\nRUN {line}\n")


# -- stages ---------------------------------------------------------------------------------------

STAGES = """\
ARG PYTHON_IMAGE=python:3.6.15-slim-bullseye
ARG TOOLCHAIN_IMAGE=debian:bullseye-slim
FROM ${PYTHON_IMAGE} AS python

FROM ${TOOLCHAIN_IMAGE} AS compile
ARG GCC=4:1*
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \\
    # a comment inside
    apt-get update && apt-get install --yes --no-install-recommends -o A=b "gcc=${GCC}" libc6-dev \\
    && rm -rf /x
COPY --from=python /usr/local/ /usr/local/
ARG UWSGI=2.0.20
RUN python3 -m pip wheel --no-deps --wheel-dir /wheels "uWSGI==${UWSGI}" > /dev/null 2>&1

FROM debian:bookworm-slim AS unused
RUN apt-get install --yes nothing=1

FROM python AS app
ARG UWSGI
ARG DJANGO=2.2
RUN --mount=type=bind,from=compile,source=/wheels,target=/wheels \\
    pip install --no-index --find-links=/wheels "uWSGI==${UWSGI}" && pip install --find-links /x "Django==${DJANGO}"
"""


def test_stages_under_arguments(tmp_path: Path) -> None:
    """Arguments replace defaults. Only the target and the stages that it needs are built."""
    by_text = pins(tmp_path, STAGES, PYTHON_IMAGE="python:3.8.18-slim-bullseye", UWSGI="2.0.31")
    together = ("gcc=4:1*", "libc6-dev")
    assert by_text == {
        "gcc=4:1*": Pin(APT, "gcc", "4:1*", "debian:bullseye-slim", together),
        "libc6-dev": Pin(APT, "libc6-dev", "", "debian:bullseye-slim", together),
        "uwsgi==2.0.31": Pin(PIP, "uwsgi", "==2.0.31", "3.8.18"),
        "django==2.2": Pin(PIP, "django", "==2.2", "3.8.18"),
    }
    assert set(pins(tmp_path, STAGES, "unused")) == {"nothing=1"}
    assert [stage.name for stage in stages(STAGES, {}, "x", "compile")] == ["python", "compile"]


def test_apt_of_a_python_image_is_its_debian(tmp_path: Path) -> None:
    """The Debian image has the same packages, so the Python image is not needed."""
    by_text = pins(tmp_path, "FROM python:3.8.18-slim-bullseye\nRUN apt-get install -y gcc\n")
    assert by_text["gcc"].base == "debian:bullseye-slim"
    by_text = pins(tmp_path, "FROM python:3.8.18-slim\nRUN apt-get install -y gcc\n")
    assert by_text["gcc"].base == "python:3.8.18-slim"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("FROM debian:bookworm-slim\nRUN pip install a==1\n", "whose Python is not known"),
        ("FROM alpine:3\nRUN apt-get install a\n", "installs with apt into alpine:3"),
        ("FROM python:3.8.18-slim\nRUN V=1; pip install a==${V}\n", "is not known before the build"),
        ("FROM python:3.8.18-slim\nRUN pip install -r /srv/list.txt\n", "which no COPY creates"),
        ("FROM python:3.8.18-slim\nRUN pip install a=1\n", "is not a requirement"),
        ("FROM ${NONE}\n", "no build argument says which image"),
        ("RUN true\n", "no FROM before it"),
        ("# nothing\n", "has no stage"),
    ],
)
def test_an_unreadable_pin_is_an_error(tmp_path: Path, text: str, reason: str) -> None:
    """A pin that is skipped would never be checked."""
    with pytest.raises(UsageError, match=reason):
        pins(tmp_path, text)


# -- lists ----------------------------------------------------------------------------------------

LISTS = """\
FROM python:3.6.15-slim-bullseye
ARG CLASS=sync
WORKDIR /srv
COPY requirements/ requirements/
COPY more.txt /lists/
RUN pip install --no-deps --require-hashes -r /srv/requirements/common.txt -r /lists/more.txt \\
    && if [ -e "/srv/requirements/${CLASS}.txt" ]; then pip install -r "/srv/requirements/${CLASS}.txt"; fi
"""
COMMON = """\
# a comment
asgiref==3.7.2 ; python_version >= "3.7" \\
    --hash=sha256:aa
asgiref==3.4.1; python_version < "3.7" \\
    --hash=sha256:bb \\
    --hash=sha256:cc
typing_extensions==4.1.1 # another
"""


def test_lists_come_from_the_context(tmp_path: Path) -> None:
    """Markers use the image's Python, hashes belong to the pin, and inside an `if` a list may be missing."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/common.txt").write_text(COMMON, encoding="utf-8")
    (tmp_path / "requirements/gevent.txt").write_text("gevent==21.12.0\n", encoding="utf-8")
    (tmp_path / "more.txt").write_text('six==1.16.0; platform_machine == "x86_64"\n', encoding="utf-8")
    by_text = pins(tmp_path, LISTS)
    assert set(by_text) == {"asgiref==3.4.1", "typing-extensions==4.1.1", "six==1.16.0"}
    assert by_text["asgiref==3.4.1"].hashes == {"sha256:bb", "sha256:cc"}
    assert pins(tmp_path, LISTS, CLASS="gevent")["gevent==21.12.0"].maybe


@pytest.mark.parametrize(
    ("copy", "arguments"),
    [
        ("COPY lists/ /srv/", "-r /srv/a.txt"),
        ("COPY lists/a.txt /srv/", "-r/srv/a.txt"),
        ("COPY lists/a.txt /srv/b.txt", "--requirement=/srv/b.txt"),
        ("COPY lists/*.txt /srv/", "--requirement /srv/a.txt"),
        ("COPY --chown=1:1 . /srv", "-r /srv/lists/a.txt"),
        ("WORKDIR /srv/lists\nCOPY lists .", "-r /srv/lists/a.txt"),
        ("RUN --mount=type=bind,source=lists,target=/srv pip install -r /srv/a.txt", "a==1"),
    ],
)
def test_a_list_is_found_however_it_is_copied(tmp_path: Path, copy: str, arguments: str) -> None:
    """A directory, a file, a pattern, the whole context, or a mount."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/a.txt").write_text("a==1\n", encoding="utf-8")
    assert set(pins(tmp_path, f"FROM python:3.8.18-slim\n{copy}\nRUN pip install {arguments}\n")) == {"a==1"}


def test_a_file_may_have_another_name_in_the_context(tmp_path: Path) -> None:
    """The lab itself makes such a context."""
    (tmp_path / "a.txt").write_text("a==1\n", encoding="utf-8")
    file = tmp_path / "Dockerfile"
    text = "FROM python:3.8.18-slim\nCOPY list.txt /tmp/\nRUN pip install -r /tmp/list.txt\n"
    file.write_text(text, encoding="utf-8")
    build = collect.Build(file, tmp_path, {}, "", (Use(""),), {"list.txt": "a.txt"})
    assert [(pin.text, use.place) for pin, use in collect.collect(build, tmp_path, "x86_64")] == [("a==1", "a.txt:1")]


def test_the_fields_of_a_use(tmp_path: Path) -> None:
    """It has file and line, the build argument that sets the version, and the variant."""
    file = tmp_path / "Dockerfile"
    file.write_text("FROM debian:bookworm-slim\nARG V=1\nRUN apt-get install a=${V} b=2\n", encoding="utf-8")
    build = collect.Build(file, tmp_path, {}, "", (Use("", "", "blink", "lamp/old"),))
    uses = {pin.name: use for pin, use in collect.collect(build, tmp_path, "x86_64")}
    assert uses["a"] == Use("Dockerfile:3", "V", "blink", "lamp/old")
    assert uses["b"] == Use("Dockerfile:3", "", "blink", "lamp/old")


# -- builds ---------------------------------------------------------------------------------------

BUILT = COMPOSE.replace(
    "image: app:${RELEASE:-1.0}", "build: {context: ., args: {RELEASE: '${RELEASE:-1.0}', PRICE: 1$$}}"
)


def test_each_variant_builds_with_its_factors(tmp_path: Path) -> None:
    """Equal builds are one, with all users. Each Dockerfile with its defaults is a separate build."""
    directory = lay_out(tmp_path, compose=BUILT, lamp=EXPERIMENT, bulb=EXPERIMENT.replace("B-1", "B-2"))
    (directory / "Dockerfile").write_text("FROM debian:bookworm-slim\n", encoding="utf-8")
    all_builds = builds.all_builds(tmp_path, [loader.load(tmp_path, "blink")])
    assert [(dict(build.arguments), [use.variant for use in build.users]) for build in all_builds] == [
        ({"RELEASE": "1.0", "PRICE": "1$"}, ["bulb/documented", "lamp/documented"]),
        ({"RELEASE": "0.9", "PRICE": "1$"}, ["bulb/old", "lamp/old"]),
        ({}, [""]),
    ]


def test_a_variant_builds_only_the_services_that_it_needs(tmp_path: Path) -> None:
    """The pins of the other services do not list the variant."""
    compose = BUILT.replace(
        "services:\n", "  when: {proxy: {RELEASE: '0.9'}}\nservices:\n  blink-app: {image: 'app:1'}\n"
    )
    compose = compose.replace("  blink-app:\n", "  blink-proxy:\n")
    (lay_out(tmp_path, compose=compose) / "Dockerfile").write_text("FROM debian:bookworm-slim\n", encoding="utf-8")
    all_builds = builds.all_builds(tmp_path, [loader.load(tmp_path, "blink")])
    assert {use.variant for build in all_builds for use in build.users} == {"lamp/old", ""}


@pytest.mark.docker
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_builds_are_those_of_compose(scenario: scenario_model.Scenario) -> None:
    """For the documented stack, Compose has the same contexts, Dockerfiles and arguments."""
    model = stack_compose.resolve(scenario, scenario.factors, compose_command(ensure_engine(print)))
    theirs = {
        (
            str((Path(service["build"]["context"]) / service["build"].get("dockerfile", "Dockerfile")).resolve()),
            tuple(sorted((service["build"].get("args") or {}).items())),
            service["build"].get("target", ""),
        )
        for service in model["services"].values()
        if "build" in service
    }
    ours = {
        (str(build.dockerfile), tuple(sorted(build.arguments.items())), build.target)
        for build in builds.all_builds(ROOT, [scenario])
        if any(use.variant.endswith("/documented") or not use.scenario for use in build.users) and build.arguments
    }
    assert theirs <= ours


def test_every_dockerfile_of_the_checkout_is_read() -> None:
    """Each Dockerfile has pins, except those that install nothing, and so has each list."""
    all_builds = builds.all_builds(ROOT, SCENARIOS)
    installing = {build.dockerfile for build in all_builds if any(collect.collect(build, ROOT, "x86_64"))}
    files = {file for place in ("images", "scenarios") for file in (ROOT / place).rglob("Dockerfile")}
    without = {file for file in files if not re.search(r"\b(?:pip|apt-get)\b", file.read_text(encoding="utf-8"))}
    assert ROOT / "images/upstream/Dockerfile" in without
    assert files - installing == without
    users = asking.pins_of(ROOT, SCENARIOS, "x86_64")
    read = {use.place.rpartition(":")[0] for uses in users.values() for use in uses}
    lists = {str(file.relative_to(ROOT)) for file in ROOT.glob("*/*/requirements/*.txt")}
    assert lists <= read
    assert {pin.name for pin in users} >= {"nginx", "wrk", "gunicorn", "uwsgi", "setuptools", "pip", "py-spy"}
