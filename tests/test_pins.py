"""How `reprolab pins` reads answers: recorded ones of apt and of the index, then live ones."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cases import ROOT
from click.testing import CliRunner, Result
from docker.models.containers import Container
from pypi_simple import DistributionPackage, ProjectPage
from reprolab.cli.main import main
from reprolab.core.errors import Exit
from reprolab.engine import labels
from reprolab.engine.detect import client
from reprolab.pins import ask_apt, ask_pip, asking, suites, table
from reprolab.pins.pin import APT, PIP, Pin, PinAnswer, State, Use
from rich.console import Console

DATA = Path(__file__).parent / "data" / "pins"
SETS = sorted(
    [
        ("nginx=1.22.1-9+deb12u10", "nginx-common=1.22.1-9+deb12u10"),
        ("nginx-light=1.22.1-9*", "libc6"),
        ("curl=7.88*", "nosuch=1"),
        ("wrk=4.1.0-3*",),
        ("gcc=4:1*", "libc6-dev=2.3*"),
        ("libc6=2.36-9+deb12u7", "nginx-light"),
    ]
)
DEBIAN = "debian:bookworm-slim"
NGINX = Pin(APT, "nginx", "1.22.1-9+deb12u10", DEBIAN, SETS[4])
TRIES = (State.GONE, State.NOT_ASKED, State.AVAILABLE)

# -- apt ------------------------------------------------------------------------------------------


def recorded_answer(name: str) -> ask_apt.AptAnswer:
    """Read the recorded output of apt in a container of Debian 12, of November 2026."""
    return ask_apt.read((DATA / f"apt-{name}.txt").read_text(encoding="utf-8"), SETS)


def apt(word: str, answer: ask_apt.AptAnswer) -> PinAnswer:
    """Return the answer for a package of SETS."""
    name, _, wanted = word.partition("=")
    together = next(packages for packages in SETS if word in packages)
    return ask_apt.judge(Pin(APT, name, wanted, DEBIAN, together), answer)


@pytest.mark.parametrize(
    ("word", "state", "text"),
    [
        ("nginx-light=1.22.1-9*", State.AVAILABLE, "1.22.1-9+deb12u11"),
        ("libc6", State.AVAILABLE, "2.36-9+deb12u14"),  # is installed
        ("gcc=4:1*", State.AVAILABLE, "4:12.2.0-3"),  # an epoch
        ("wrk=4.1.0-3*", State.AVAILABLE, "4.1.0-3+b2"),
        ("nginx=1.22.1-9+deb12u10", State.GONE, "the archive has 1.22.1-9+deb12u11, 1.22.1-9+deb12u9"),
        ("nosuch=1", State.GONE, "the archive has no such package"),
        ("curl=7.88*", State.AVAILABLE, "7.88.1-10+deb12u15"),  # another word of its command is gone
        (
            "libc6=2.36-9+deb12u7",
            State.GONE,
            "apt refuses to install these packages together: "
            "Packages were downgraded and -y was used without --allow-downgrades.",
        ),
    ],
)
def test_apt_says_what_it_would_install(word: str, state: State, text: str) -> None:
    """The answer has the exact version, or the versions that exist instead."""
    assert apt(word, recorded_answer("answers")) == PinAnswer(state, text)


def test_without_a_mirror_packages_are_not_asked() -> None:
    """They are not gone."""
    answer = recorded_answer("no-network")
    assert answer.suite == "bookworm"
    assert apt("wrk=4.1.0-3*", answer).state is State.NOT_ASKED
    assert "Temporary failure resolving" in apt("wrk=4.1.0-3*", answer).text


def test_a_mirror_without_the_release_has_none_of_its_packages() -> None:
    """It answers "not found"."""
    answer = apt("wrk=4.1.0-3*", recorded_answer("no-suite"))
    assert answer.state is State.GONE
    assert "does not have a Release file" in answer.text


@pytest.mark.parametrize("printed", ["", "sh: 1: apt-get: not found\n", "@ suite bookworm\n@ update\n"])
def test_a_container_that_dies_has_not_answered(printed: str) -> None:
    """This holds for any output until then."""
    assert apt("wrk=4.1.0-3*", ask_apt.read(printed, SETS)).state is State.NOT_ASKED


def test_patterns_reach_apt_unchanged() -> None:
    """The shell does not expand them."""
    assert "install --simulate --yes --no-install-recommends 'wrk=4.1.0-3*' 2>&1" in ask_apt.script([("wrk=4.1.0-3*",)])


# -- the index ------------------------------------------------------------------------------------


def files(name: str) -> list[DistributionPackage]:
    """Return some files of a project, from the index of November 2026."""
    content: dict[str, Any] = json.loads((DATA / "index.json").read_text(encoding="utf-8"))
    return ProjectPage.from_json_data(content[name], "https://index.example/").packages


def pip(name: str, wanted: str, python: str, *hashes: str, machine: str = "x86_64") -> PinAnswer:
    """The answer for a pin."""
    return ask_pip.judge(
        Pin(PIP, name, wanted, python, hashes=frozenset(hashes)), ask_pip.IndexPage(files(name)), machine
    )


def hash_of(filename: str) -> str:
    """Return the hash of a file in the form of a requirements list."""
    return next("sha256:" + file.digests["sha256"] for file in files("greenlet") if file.filename == filename)


@pytest.mark.parametrize(
    ("name", "wanted", "python", "state", "text"),
    [
        ("django", "==2.2", "3.6.15", State.AVAILABLE, "2.2"),
        ("django", "==2.2.0", "3.12.1", State.AVAILABLE, "2.2"),
        ("django", "==2.3", "3.6.15", State.GONE, "the index has no such version; there is 2.2, 3.2.18"),
        (
            "django",
            "==4.2.16",
            "3.6.15",
            State.GONE,
            "none of its 2 files is for this Python (Python >=3.8); there is 3.2.18",
        ),
        ("greenlet", "==2.0.2", "3.6.15", State.AVAILABLE, "2.0.2"),
        ("greenlet", "==2.0.2", "3.12.1", State.AVAILABLE, "2.0.2"),  # from source
        ("greenlet", "==3.2.4", "3.13.0", State.AVAILABLE, "3.2.4"),
        (
            "greenlet",
            "==3.2.4",
            "3.12.1",
            State.GONE,
            "none of its 2 files is for this Python (Python >=3.9); there is 2.0.2",
        ),
    ],
)
def test_the_index_says_what_pip_could_take(name: str, wanted: str, python: str, state: State, text: str) -> None:
    """A file counts if its version, its tag (for a wheel) and its requires-python fit."""
    assert pip(name, wanted, python) == PinAnswer(state, text)


def test_a_wheel_is_for_one_kind_of_machine() -> None:
    """Its C library must not be newer than that of the image."""
    assert pip("greenlet", "==3.2.4", "3.13.0").state is State.AVAILABLE
    assert pip("greenlet", "==3.2.4", "3.13.0", machine="aarch64").state is State.GONE
    wheel = "x-1-cp36-cp36m-{}.whl"
    names = {"manylinux1_x86_64": True, "manylinux_2_31_x86_64": True, "manylinux_2_39_x86_64": False}
    for tag, fits in {**names, "musllinux_1_1_x86_64": False, "win_amd64": False}.items():
        file = DistributionPackage(wheel.format(tag), "", "x", "1", "wheel", {}, None, None)
        assert ask_pip.usable_by(file, "3.6.15", "x86_64") is fits, tag


def test_with_hashes_a_file_must_have_one_of_them() -> None:
    """The hash of a wheel for another system does not count."""
    mine = hash_of("greenlet-2.0.2-cp36-cp36m-manylinux2010_x86_64.whl")
    windows = hash_of("greenlet-2.0.2-cp36-cp36m-win32.whl")
    assert pip("greenlet", "==2.0.2", "3.6.15", windows, mine).state is State.AVAILABLE
    answer = pip("greenlet", "==2.0.2", "3.6.15", windows)
    assert answer.state is State.GONE
    assert "no hash in the list matches" in answer.text


def test_yanked_is_a_warning() -> None:
    """pip installs a yanked file if it is pinned."""
    answer = pip("django", "==4.2.12", "3.12.1")
    assert answer.state is State.AVAILABLE
    assert answer.warning.startswith("yanked: Release files have Windows")


def test_no_page_and_no_answer() -> None:
    """A project that the index does not have is gone. Without an answer it is not asked."""
    pin = Pin(PIP, "nosuch", "==1", "3.6.15")
    assert ask_pip.judge(pin, ask_pip.IndexPage(), "x86_64").state is State.GONE
    assert ask_pip.judge(pin, ask_pip.IndexPage(failure="down"), "x86_64") == PinAnswer(State.NOT_ASKED, "down")


def test_an_index_that_is_down_is_asked_once() -> None:
    """Each name gets the same failure."""
    nowhere = ask_pip.Index(("http://127.0.0.1:9/simple/",))
    pages = ask_pip.ask(["a", "b", "c"], nowhere)
    assert {page.failure for page in pages.values()} == {"http://127.0.0.1:9/simple/ did not answer: ConnectionError"}
    assert ask_pip.ask([], nowhere) == {}


def test_the_index_is_the_one_of_this_machines_pip(tmp_path: Path) -> None:
    """It is read from pip's settings, without addresses that only this machine can reach."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/pip.conf").write_text(
        "[global]\nindex-url = https://one.example/simple\nextra-index-url = file:///x https://two.example/simple\n",
        encoding="utf-8",
    )
    index = ask_pip.index_of({"HOME": str(tmp_path)}, tmp_path)
    assert index.addresses == ("https://one.example/simple", "https://two.example/simple")
    environ = {"PIP_INDEX_URL": "https://three.example/simple", "HOME": str(tmp_path)}
    assert ask_pip.index_of(environ, tmp_path).addresses[0] == "https://three.example/simple"
    assert len(ask_pip.index_of({"HOME": "/nonexistent"}, tmp_path / "none").addresses) == 1


# -- all of it ------------------------------------------------------------------------------------


def test_one_python_is_enough_where_an_if_decides() -> None:
    """A pin outside an `if` must be available for each Python."""
    old, new = (Pin(PIP, "gevent", "==1", python, maybe=True) for python in ("3.6.15", "3.12.1"))
    gone, available = PinAnswer(State.GONE, "no"), PinAnswer(State.AVAILABLE, "1")
    assert asking.settle({old: available, new: gone})[new].state is State.AVAILABLE
    assert asking.settle({old: gone, new: gone})[new] == gone
    always = Pin(PIP, "gevent", "==1", "3.12.1")
    assert asking.settle({old: available, always: gone})[always] == gone


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ((), Exit.AS_RECORDED),
        ((State.AVAILABLE,), Exit.AS_RECORDED),
        ((State.AVAILABLE, State.NOT_ASKED), Exit.LAB_FAILED),
        ((State.NOT_ASKED, State.GONE), Exit.DRIFT),
    ],
)
def test_what_is_gone_decides(states: tuple[State, ...], status: Exit) -> None:
    """It has priority over pins that could not be asked."""
    answers = {Pin(APT, str(number), "1", DEBIAN): PinAnswer(state, "") for number, state in enumerate(states)}
    assert asking.status(answers) == status


def test_old_releases_get_a_warning() -> None:
    """It starts on the day after the end of support. An unknown release gets none."""
    assert suites.warning("bullseye", date(2026, 8, 31)) == ""
    assert suites.warning("bullseye", date(2026, 9, 1)).startswith("Debian 11 (bullseye) has had no support since")
    assert suites.warning("forky", date(2099, 1, 1)) == ""


def shown(answers: dict[Pin, PinAnswer], users: dict[Pin, set[Use]], *, everything: bool = False) -> str:
    """Return the printed table."""
    console = Console(width=160)
    with console.capture() as capture:
        table.render(console, table.rows(answers, users, {"blink": 6}), everything=everything)
    return capture.get()


def test_the_rows_of_the_table() -> None:
    """A few variants are named, more are counted. Several bases with the same answer share a row."""
    uses = {Use("images/nginx/Dockerfile:5", "NGINX", "blink", f"lamp/{number}") for number in range(6)}
    other = Pin(APT, "nginx", "1.22.1-9+deb12u10", "debian:bullseye-slim", SETS[4])
    few = Pin(PIP, "gevent", "==1", "3.6.15")
    answers = {NGINX: PinAnswer(State.GONE, "the archive has 2"), other: PinAnswer(State.GONE, "the archive has 2")}
    answers |= {few: PinAnswer(State.AVAILABLE, "1.0")}
    users = {NGINX: uses, other: uses, few: {Use("list.txt:1", "", "blink", "lamp/1")}}
    assert [(row.text, row.where, row.bases) for row in table.rows(answers, users, {"blink": 6})] == [
        (
            "nginx=1.22.1-9+deb12u10",
            ("images/nginx/Dockerfile:5 (NGINX)", "blink: all 6 variants"),
            ("debian:bookworm-slim", "debian:bullseye-slim"),
        ),
        ("gevent==1", ("list.txt:1", "blink: lamp/1"), ("Python 3.6.15",)),
    ]
    assert "GONE: the archive has 2" in shown(answers, users)
    assert "gevent" not in shown(answers, users)
    assert "1.0" in shown(answers, users, everything=True)
    assert table.summary(answers, users) == "2 pins of 2 files asked for: 1 gone"
    long = {few: {Use(f"{'long/' * 30}list.txt:{number}") for number in range(2)}}
    assert "…" not in shown({few: PinAnswer(State.GONE, "it is gone " * 20)}, long)


def test_what_could_not_be_asked_is_one_row() -> None:
    """The row has their number and the reason. Warnings are shown too."""
    pins = [Pin(PIP, name, "==1", "3.6.15") for name in ("a", "b", "c")]
    users = {pin: {Use("list.txt:1")} for pin in pins}
    down: dict[Pin, PinAnswer] = dict.fromkeys(pins, PinAnswer(State.NOT_ASKED, "the index is down"))
    assert "3 of pip" in shown(down, users)
    assert table.summary(down, users) == "3 pins of 1 files asked for: 3 not asked"
    available = dict.fromkeys(pins, PinAnswer(State.AVAILABLE, "1", "yanked: broken"))
    assert "yanked: broken" in shown(available, users)
    assert table.summary(available, users) == "3 pins of 1 files are available"


# -- today ----------------------------------------------------------------------------------------

IMPOSSIBLE = """\
ARG PYTHON_IMAGE=python:3.12.1-slim-bookworm
FROM ${PYTHON_IMAGE}
ARG CURL=0.0.1-*
RUN apt-get update && apt-get install --yes "curl=${CURL}" tzdata
ARG SIX=0.0.1
RUN pip install --no-deps "six==${SIX}" six==1.16.0
"""
COMPOSE = """\
x-reprolab: {title: a server that blinks, document: {title: doc-1}}
services:
  blink-app:
    build: {context: ., args: {PYTHON_IMAGE: "python:3.12.1-slim-bookworm", CURL: "${CURL:-0.0.1-*}"}}
"""
EXPERIMENT = """\
from reprolab import Claim

VARIANTS = {"documented": {}, "any": {"CURL": "*"}}
TRIALS = 1
CLAIMS = [Claim("B-1", "It blinks.", sign=lambda o: True, shows=["documented"])]


def drive(stack):
    return {}
"""


def lab(root: Path, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """`reprolab pins` in a checkout."""
    monkeypatch.setenv("REPROLAB_ROOT", str(root))
    return CliRunner().invoke(main, ["pins", *arguments], env={"COLUMNS": "200"})


def ours() -> list[Container]:
    """Return the containers that asking left behind."""
    containers: list[Container] = client().containers.list(
        all=True, ignore_removed=True, filters={"label": f"{labels.RUN}={ask_apt.RUN}"}
    )
    return containers


@pytest.fixture
def impossible(tmp_path: Path) -> Path:
    """A checkout with versions that never existed."""
    directory = tmp_path / "scenarios/blink"
    directory.mkdir(parents=True)
    (tmp_path / "compose.yaml").write_text("name: reprolab\n", encoding="utf-8")
    for name, text in (("compose.yaml", COMPOSE), ("Dockerfile", IMPOSSIBLE), ("lamp.py", EXPERIMENT)):
        (directory / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.docker
def test_a_pin_that_never_existed_is_gone(impossible: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apt and the index give the versions that exist; nothing is built, and no container remains."""
    result = lab(impossible, monkeypatch=monkeypatch)
    assert result.exit_code == Exit.DRIFT, result.output
    lines = {line.split()[0]: line for line in result.output.splitlines() if line.strip()}
    assert "GONE: the archive has" in lines["curl=0.0.1-*"]
    assert "scenarios/blink/Dockerfile:4 (CURL)" in lines["curl=0.0.1-*"]
    assert "GONE: the index has no such version; there is" in lines["six==0.0.1"]
    assert "blink: lamp/documented" in result.output
    assert "six==1.16.0" not in lines
    assert "tzdata" not in lines
    assert "5 pins of 1 files asked for: 2 gone" in result.output
    assert not [
        container
        for container in ours()
        if container.labels[labels.OWNER] == labels.object_labels("", "")[labels.OWNER]
    ]


@pytest.mark.docker
def test_available_pins_are_one_line(impossible: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With -v each pin is listed with its exact version."""
    directory = impossible / "scenarios/blink"
    for name in ("Dockerfile", "compose.yaml"):
        text = (directory / name).read_text(encoding="utf-8")
        changed = text.replace("0.0.1-*", "*").replace("=0.0.1", "=1.17.0")
        (directory / name).write_text(changed, encoding="utf-8")
    result = lab(impossible, "-v", monkeypatch=monkeypatch)
    assert result.exit_code == Exit.AS_RECORDED, result.output
    assert "4 pins of 1 files are available" in result.output
    rows = [line.split() for line in result.output.splitlines() if line.startswith("  ")]
    assert any(row[0] == "six==1.17.0" and row[-1] == "1.17.0" for row in rows if row)


@pytest.mark.docker
def test_a_network_that_is_down_is_no_pin_gone(impossible: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither apt nor the index could be asked, so the exit status is 4."""
    create = client().containers.create

    def cut_off(self: object, *arguments: Any, **options: Any) -> Container:
        container: Container = create(*arguments, **options, network_mode="none")
        return container

    monkeypatch.setattr("docker.models.containers.ContainerCollection.create", cut_off)
    monkeypatch.setattr(ask_pip, "index_of", lambda environ: ask_pip.Index(("http://127.0.0.1:9/simple/",)))
    result = lab(impossible, monkeypatch=monkeypatch)
    assert result.exit_code == Exit.LAB_FAILED, result.output
    assert "3 of apt" in result.output
    assert "5 pins of 1 files asked for: 5 not asked" in result.output
    assert "GONE" not in result.output


def test_an_unknown_scenario_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is asked."""
    assert lab(ROOT, "nosuch", monkeypatch=monkeypatch).exit_code == Exit.USAGE
