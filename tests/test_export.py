"""Reproducers: their files, their scripts' exit statuses, and their drives' decisions."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import types
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from cases import EXPERIMENT, ROOT, having, lay_out
from click.testing import CliRunner
from lab import wait_for
from reprolab.cli import main
from reprolab.core.errors import UsageError
from reprolab.export import render, spec, write
from reprolab.scenario import loader
from reprolab.scenario import model as scenario_model

SCENARIOS = having(spec.FILE)
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
VARIABLE = re.compile(r"(?<!\$)\$(?:\{([^}]*)\}|\w+)")
# Words of the lab, home directories, and the path of this checkout: none may stand in a reproducer.
PRIVATE = re.compile(
    rb"reprolab|make up-|make scenario-|/(?:root|home)/|pyenv|lab only|" + re.escape(str(ROOT)).encode()
)

VARIANTS = [
    ("pool-freeze", "gunicorn-27.0.1"),
    ("pool-freeze", "python-3.13"),
    ("socket-vanish", "eventlet"),
    ("spawn-workers", "forked"),
    ("enable-threads", "uwsgi-2.0.27"),
    ("gunicorn-settings", "gevent-3"),
]
EVERY = [(name, None) for name in SCENARIOS] + [(name, variant) for name, variant in VARIANTS if name in SCENARIOS]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str | None], Path]:
    """Every reproducer, written once."""
    output = tmp_path_factory.mktemp("export")
    return {
        (name, variant): write.write_reproducer(write.choose_case(loader.load(ROOT, name), variant), output)[0]
        for name, variant in EVERY
    }


@pytest.fixture(params=EVERY, ids=lambda case: f"{case[0]}-{case[1] or 'default'}")
def directory(request: pytest.FixtureRequest, written: dict[tuple[str, str | None], Path]) -> Path:
    """One reproducer."""
    return written[request.param]


def texts(directory: Path) -> dict[str, str]:
    """Every file's text by its path."""
    return {
        str(path.relative_to(directory)): path.read_text(encoding="utf-8")
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


# -- every reproducer -----------------------------------------------------------------------------


def test_it_has_what_a_maintainer_looks_for(directory: Path) -> None:
    """One page to read, one script to run, and the stack; the scripts are executable."""
    for name in ("README.md", "run.sh", "compose.yaml", "Dockerfile"):
        assert (directory / name).is_file(), name
    for script in directory.rglob("*.sh"):
        assert script.stat().st_mode & 0o111, script
    page = (directory / "README.md").read_text(encoding="utf-8")
    assert len(page.splitlines()) <= 60
    assert "\n\n\n" not in page
    assert not re.search(r"[ \t]$", page, re.M)


def test_shellcheck_has_nothing_to_say(directory: Path) -> None:
    """It accepts every script, the scenario's own too."""
    scripts = [str(path) for path in directory.rglob("*.sh")]
    done = subprocess.run([str(SHELLCHECK), *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_python_file_is_one_for_the_interpreter_of_the_case(directory: Path) -> None:
    """Drives run on the old interpreters too."""
    for name, text in texts(directory).items():
        if name.startswith("drive/") and name.endswith(".py"):
            ast.parse(text, name, feature_version=(3, 6))


def test_nothing_in_it_is_the_labs_or_this_machines(directory: Path) -> None:
    """No path, no word of the lab, no file that only the lab uses."""
    for path in directory.rglob("*"):
        assert not re.search("reprolab|witness/|__pycache__", str(path.relative_to(directory))), path
        if path.is_file():
            assert not (match := PRIVATE.search(path.read_bytes())), f"{path}: {match[0]!r}"


def test_its_variables_have_values(directory: Path) -> None:
    """Only base images and what the control changes may come from the environment; each has a default."""
    text = (directory / "compose.yaml").read_text(encoding="utf-8")
    script = (directory / "run.sh").read_text(encoding="utf-8")
    control = set(re.findall(r"(\w+)=", re.search(r"control\) export (.*) ;;", script)[1]))  # type: ignore[index]
    for inner in VARIABLE.findall(text):
        name, separator, default = inner.partition(":-")
        assert separator, f"${{{inner}}} has no default"
        assert name in control or (name.endswith("_IMAGE") and default), inner


def test_its_containers_are_closed(directory: Path) -> None:
    """Hardened like the lab's; ports on 127.0.0.1, or no network at all; mounts from the host are read-only."""
    model = yaml.safe_load((directory / "compose.yaml").read_text(encoding="utf-8"))
    for name, service in model["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"], name
        assert service["mem_limit"], name
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1::\d+", port), name
        for volume in service.get("volumes", []):
            assert not volume.startswith(("/", "..")), name
            assert not volume.startswith("./") or volume.endswith(":ro"), name
        assert (directory / service["build"]["context"]).is_dir(), name
        assert "labels" not in service, name
        for other in service.get("depends_on", []):
            assert other in model["services"], name


def test_the_images_find_all_they_copy(directory: Path) -> None:
    """Each source of a COPY line exists."""
    for dockerfile in directory.rglob("Dockerfile"):
        lines = re.sub(r"\\\n\s*", " ", dockerfile.read_text(encoding="utf-8")).splitlines()
        for line in lines:
            if line.startswith("COPY ") and "--from" not in line:
                for source in (word for word in line.split()[1:-1] if not word.startswith("--")):
                    assert (dockerfile.parent / source).exists(), f"{dockerfile}: {source}"


def test_the_archive_holds_the_directory(directory: Path) -> None:
    """The same files with the same content and modes, in order, with no clock, no user, no group."""
    with tarfile.open(directory.parent / f"{directory.name}.tar.gz") as archive:
        members = archive.getmembers()
        content = {member.name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    assert list(content) == sorted(content)
    expected = {path for path in directory.rglob("*") if path.is_file()}
    assert set(content) == {f"{directory.name}/{path.relative_to(directory)}" for path in expected}
    for member in members:
        path = directory.parent / member.name
        assert content[member.name] == path.read_bytes()
        assert member.mode == path.stat().st_mode & 0o777
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")


# -- each by itself -------------------------------------------------------------------------------


def test_the_archive_is_the_same_every_time() -> None:
    """Byte for byte, whoever makes it and when."""
    chosen = write.choose_case(loader.load(ROOT, "spawn-workers"))
    first, second = (write.pack(write.collect_files(chosen), chosen.name) for _ in range(2))
    assert first == second
    assert first[4:8] == bytes(4), "the gzip header holds a time"


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_files_are_the_scenarios_own(name: str, written: dict[tuple[str, str | None], Path]) -> None:
    """The server's files are copied unchanged, except for the lines that are marked as the lab's."""
    source = ROOT / "scenarios" / name
    for path, text in texts(written[name, None]).items():
        if (source / path).is_file() and path not in ("README.md", "compose.yaml"):
            assert text == write.LAB_ONLY.sub("", (source / path).read_text(encoding="utf-8")), path


def test_what_is_the_labs_is_cut_out() -> None:
    """Marked lines go, the marks with them; all else stays."""
    text = (
        b"a\n# lab only, from here\nb\n# lab only, to here\nc\n    # lab only, from here\n d\n# lab only, to here\ne\n"
    )
    assert write._without_lab(text) == b"a\nc\ne\n"
    assert write._without_lab(b"\xff\xfe") == b"\xff\xfe"


def test_a_variant_has_its_factors_and_the_usual_control(written: dict[tuple[str, str | None], Path]) -> None:
    """gunicorn 27.0.1 on Python 3.12.1 with HANDLER as the one thing to change; repro.sh installs what it needs."""
    directory = written["pool-freeze", "gunicorn-27.0.1"]
    args = yaml.safe_load((directory / "compose.yaml").read_text(encoding="utf-8"))["services"]["app"]["build"]["args"]
    assert args["PYTHON_IMAGE"] == "${PYTHON_IMAGE:-python:3.12.1-slim-bullseye}"
    assert args["GUNICORN"] == "27.0.1"
    run, repro = ((directory / name).read_text(encoding="utf-8") for name in ("run.sh", "repro.sh"))
    assert "gunicorn-27.0.1) export HANDLER=as-is" in run
    assert "control) export HANDLER=default" in run
    assert "gunicorn==27.0.1" in repro
    assert "requirements/gunicorn-21.txt" in repro
    assert "python3.12" in repro


def test_a_control_that_changes_what_is_installed_changes_it_in_both() -> None:
    """Its factor stays a variable, in compose.yaml and in the words for pip."""
    chosen = write.choose_case(loader.load(ROOT, "socket-vanish"))
    assert dict(chosen.control) == {"GUNICORN": "19.5.0"}
    assert "GUNICORN: ${GUNICORN:-19.6.0}" in render.render_files(chosen)["compose.yaml"]
    assert render._shell_word(chosen, "gunicorn==${GUNICORN}") == '"gunicorn==${GUNICORN}"'
    assert render._shell_word(chosen, "bottle==${BOTTLE}") == "bottle==0.12.13"


def test_without_docker_only_where_nothing_but_the_server_is_needed(
    written: dict[tuple[str, str | None], Path],
) -> None:
    """No repro.sh for a case with a proxy or a container that is stopped, nor for a variant patched in its image."""
    has = {key: (directory / "repro.sh").is_file() for key, directory in written.items()}
    without = [("pid-1", None), ("socket-vanish", None), ("stale-upstream", None)]
    without += [("socket-vanish", "eventlet"), ("spawn-workers", "forked")]
    assert [key for key, there in has.items() if not there] == [key for key in without if key in written]


def test_what_repro_installs_is_what_the_image_has(written: dict[tuple[str, str | None], Path]) -> None:
    """Each list of packages that it names is there, installed by a call of its own; all else is pinned."""
    for key, directory in written.items():
        if not (directory / "repro.sh").is_file():
            continue
        lines = re.findall(r"^install (.*)$", (directory / "repro.sh").read_text(), re.M)
        assert lines, key
        for line in lines:
            words = line.split()
            if "-r" in words:
                assert words[:-1] == ["--require-hashes", "-r"], f"{key}: {line}"
                assert (directory / words[-1]).is_file(), f"{key}: {line}"
            else:
                packages = [word for word in words if word != "--no-build-isolation"]
                assert packages and all("==" in word for word in packages), f"{key}: {line}"


def test_the_page_says_what_was_measured(written: dict[tuple[str, str | None], Path]) -> None:
    """From the record: how often the sign showed in this variant and in the control; nothing where there is none."""
    page = (written["socket-vanish", None] / "README.md").read_text(encoding="utf-8")
    assert "| documented | — | in 3 of 3 trials |" in page
    assert "| gunicorn-19.5.0 | `GUNICORN=19.5.0` | in 0 of 3 trials |" in page
    assert "./run.sh control" in page


def test_the_control_itself_is_not_exported() -> None:
    """It is part of every reproducer: `./run.sh control`."""
    with pytest.raises(UsageError, match=r"gunicorn-19\.5\.0 is what the control"):
        write.choose_case(loader.load(ROOT, "socket-vanish"), "gunicorn-19.5.0")
    with pytest.raises(UsageError, match=r"no variant 'gunicorn-19\.6'"):
        write.choose_case(loader.load(ROOT, "socket-vanish"), "gunicorn-19.6")


def test_what_never_ran_is_not_exported() -> None:
    """gunicorn 19.7.1 does not start on this kernel: the reason on record, and the variant that did start."""
    with pytest.raises(UsageError) as refused:
        write.choose_case(loader.load(ROOT, "socket-vanish"), "gunicorn-19.7.1")
    message = str(refused.value)
    assert "gunicorn-19.7.1 has no valid trial on record: this host lacks what the variant needs" in message
    assert "OSError: [Errno 95] Operation not supported" in message
    assert "reprolab export socket-vanish --variant gunicorn-19.7.1-startable" in message


def test_a_variant_of_another_experiment_is_told_where_it_belongs() -> None:
    """The reproducer is of one experiment; its variants are named."""
    with pytest.raises(UsageError, match=r"reproducer is of the experiment worker-connections\n.*sync-3, gevent"):
        write.choose_case(loader.load(ROOT, "gunicorn-settings"), "unix")


def test_a_control_of_other_releases_is_said_to_be_one(written: dict[tuple[str, str | None], Path]) -> None:
    """Each row has all factors that differ, and what the control was not measured with is named."""
    page = (written["pool-freeze", "gunicorn-27.0.1"] / "README.md").read_text(encoding="utf-8")
    assert page.startswith(
        "# a request that uses multiprocessing.Pool under gunicorn never ends: the variant gunicorn-27"
    )
    row = r"\| handler-default \| `PYTHON=3\.6\.15 GUNICORN=20\.1\.0 HANDLER=default ATTEMPTS=60` \| in 0 of \d+ "
    assert re.search(row, page)
    assert "The control handler-default was not measured with PYTHON=3.12.1 GUNICORN=27.0.1." in page
    assert "The rest is about" not in page
    usual = (written["pool-freeze", None] / "README.md").read_text(encoding="utf-8")
    assert "was not measured with" not in usual
    assert "`ATTEMPTS` is the number of tries." in usual


def test_a_control_that_was_measured_as_it_runs_stands_for_itself() -> None:
    """A variant whose own control is a variant too: that row is shown, and nothing is missing."""
    chosen = write.choose_case(loader.load(ROOT, "pool-freeze"), "held")
    same = replace(chosen, control={"HANDLER": "default", "ATTEMPTS": chosen.scenario.factors["ATTEMPTS"]})
    variants = {**same.reproducer.experiment.variants, "held-default": {"RUNNER": "held", "HANDLER": "default"}}
    experiment = replace(same.reproducer.experiment, variants=variants)
    same = replace(same, reproducer=replace(same.reproducer, experiment=experiment))
    assert render._control(same) == "held-default"
    assert render._unmeasured(same) is None
    # As many tries as it had are said; the stack is the same.
    assert render._unmeasured(chosen) == ("held-handler-default", {"ATTEMPTS": "60"})


def test_a_variant_that_would_be_another_one_is_not_exported() -> None:
    """Only the lab uses its factor, or no service of the reproducer has it."""
    with pytest.raises(UsageError, match="the reproducer would not use WITNESS"):
        write.choose_case(loader.load(ROOT, "socket-vanish"), "unwatched")
    scenario = loader.load(ROOT, "gunicorn-settings")
    without_reads = replace(spec.load(scenario), reads=())
    with pytest.raises(UsageError, match="the reproducer would not use ARGUMENTS, WORKER_CLASS"):
        write.check_case(replace(write.choose_case(scenario), reproducer=without_reads))


def test_a_value_with_a_special_character_of_a_shell_is_refused() -> None:
    """It would be written into a default value in a script."""
    chosen = write.choose_case(loader.load(ROOT, "pool-freeze"))
    with pytest.raises(UsageError, match="the value of HANDLER has a character that is special in a shell"):
        write.check_case(replace(chosen, control={"HANDLER": 'a"b'}))


STACK = """\
x-reprolab: {title: a lamp, document: {title: doc-1}}
x-hardened: &hardened {cap_drop: [ALL], security_opt: ["no-new-privileges:true"], mem_limit: 64m, pids_limit: 64}
services:
  blink-app:
    <<: *hardened
    build: {context: "./${KIND:-plain}", dockerfile: "${FILE:-Dockerfile}"}
    volumes: ["./${CONF:-a.conf}:/etc/lamp.conf:ro", "blink-data:/data"]
  blink-store:
    <<: *hardened
    image: store:${STORE:-7}
volumes: {blink-data: }
"""
BLINK = EXPERIMENT.replace(
    '"old": {"RELEASE": "0.9"}', '"old": {"CONF": "b.conf"}, "fancy": {"KIND": "fancy"}, "gone": {"CONF": "c.conf"}'
)


def blink(root: Path, control: str = "old", **more: Any) -> scenario_model.Scenario:
    """A small scenario in which factors name a directory, a Dockerfile and a file that is mounted."""
    directory = lay_out(root, compose=STACK, lamp=BLINK)
    for name in ("plain/Dockerfile", "fancy/Dockerfile", "fancy/lamp.py", "a.conf", "b.conf", "reproducer/Dockerfile"):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(f"# {name}\n", encoding="utf-8")
    content: dict[str, Any] = {
        "claim": "B-1",
        "title": "it blinks",
        "sign": "on",
        "variant": "documented",
        "control": control,
    }
    content |= {"services": ["app", "store"]} | more
    (directory / "reproducer.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return loader.load(root, "blink")


def test_a_setting_names_a_service_as_the_reproducer_does(written: dict[tuple[str, str | None], Path]) -> None:
    """nginx gets its upstream by role; a factor that may only have certain values can be read."""
    services = yaml.safe_load(texts(written["stale-upstream", None])["compose.yaml"])["services"]
    assert services["proxy"]["environment"]["UPSTREAM"] == "app:8000"
    assert services["drive"]["environment"] == {"CHANGE": "swap"}


def test_a_factor_may_name_what_is_built_and_what_is_mounted(tmp_path: Path) -> None:
    """The variant's directory is exported, and the mounted files of the variant and of the control."""
    scenario = blink(tmp_path)
    for variant, kind in (("documented", "plain"), ("fancy", "fancy")):
        content = write.collect_files(write.choose_case(scenario, variant))
        assert {name.partition("/")[0] for name in content} == {
            *(kind, "drive", "a.conf", "b.conf", "compose.yaml", "run.sh", "README.md")
        }
        model = yaml.safe_load(content["compose.yaml"][0])
        assert model["services"]["app"]["build"]["context"] == f"./{kind}"
        assert model["services"]["app"]["volumes"][0] == "./${CONF:-a.conf}:/etc/lamp.conf:ro"
        assert model["services"]["store"]["image"] == "store:7"
        assert model["volumes"] == {"blink-data": None}


def test_a_reproducer_asks_no_more_of_a_machine_than_a_stack(tmp_path: Path) -> None:
    """What the lab would not start, it does not hand to others."""
    scenario = blink(tmp_path)
    text = scenario.compose_file.read_text(encoding="utf-8").replace("blink-data:/data", "/etc:/data:ro")
    scenario.compose_file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"app\.volumes is /etc: it is a path of the host"):
        write.choose_case(loader.load(tmp_path, "blink"))


@pytest.mark.parametrize(
    ("control", "lost", "message"),
    [
        ("fancy", "", "built from ./${KIND:-plain}/${FILE:-Dockerfile}, which the control changes"),
        ("gone", "", "app mounts ./c.conf, but there is no such file"),
        ("old", "plain/Dockerfile", "app is built from ./plain/Dockerfile, but there is no such file"),
    ],
)
def test_what_a_factor_names_must_be_there(tmp_path: Path, control: str, lost: str, message: str) -> None:
    """For the variant and the control; an image is built from one directory in both."""
    scenario = blink(tmp_path, control)
    if lost:
        (scenario.directory / lost).unlink()
    with pytest.raises(UsageError, match=re.escape(message)):
        write.collect_files(write.choose_case(scenario))


def test_only_a_reproducer_is_replaced(tmp_path: Path) -> None:
    """A directory of that name that holds something else is left as it is."""
    chosen = write.choose_case(loader.load(ROOT, "spawn-workers"))
    other = tmp_path / chosen.name
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="is not just an older reproducer"):
        write.write_reproducer(chosen, tmp_path)
    (other / "run.sh").write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match="is not just an older reproducer"):
        write.write_reproducer(chosen, tmp_path)
    assert (other / "letter.txt").read_text() == "dear"
    (other / "letter.txt").unlink()
    directory, archive = write.write_reproducer(chosen, tmp_path)
    assert write.write_reproducer(chosen, tmp_path) == (directory, archive)
    assert "compose build" in (directory / "run.sh").read_text()


def test_no_link_is_followed(tmp_path: Path) -> None:
    """What it leads to belongs to others."""
    chosen = write.choose_case(loader.load(ROOT, "spawn-workers"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "run.sh").write_text("mine")
    for name in (chosen.name, f"{chosen.name}.tar.gz"):
        output = tmp_path / name.replace(".", "-")
        output.mkdir()
        (output / name).symlink_to(elsewhere if name == chosen.name else elsewhere / "run.sh")
        with pytest.raises(UsageError, match="is not just an older reproducer"):
            write.write_reproducer(chosen, output)
    assert (elsewhere / "run.sh").read_text() == "mine"


def test_the_command_says_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory, the archive, and how to run it; where results are, or where it was told."""
    monkeypatch.setenv("REPROLAB_ROOT", str(ROOT))
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    elsewhere = ["--variant", "uvicorn-0.20.0", "--output", str(tmp_path / "there")]
    for arguments, directory in (
        ([], tmp_path / "results" / "export" / "spawn-workers-reproducer"),
        (elsewhere, tmp_path / "there" / "spawn-workers-uvicorn-0.20.0-reproducer"),
    ):
        result = CliRunner().invoke(main.main, ["export", "spawn-workers", *arguments])
        assert result.exit_code == 0, result.output
        case, first, second, third, *images = result.output.splitlines()
        variant = arguments[1] if arguments else "documented"
        assert case.startswith(
            f"exports: SW-2 (imports), variant {variant}: with workers=3 main.py is loaded seven times"
        )
        assert first == f"written: {directory}/"
        assert second == f"written: {directory}.tar.gz"
        assert third.startswith(f"run it:  {directory}/run.sh (exit status 0: the sign shows")
        assert images[0] == f"  where Docker Hub cannot be reached: PYTHON_IMAGE=IMAGE {directory}/run.sh"
        assert images[1].startswith("    PYTHON_IMAGE stands for python:3.")
        assert (directory / "run.sh").is_file()
        assert Path(f"{directory}.tar.gz").is_file()


def test_make_hands_over_the_variant() -> None:
    """`make export-NAME VARIANT=V`."""
    command = ["make", "-n", "-o", "setup", "export-spawn-workers", "VARIANT=forked"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert shlex.split(done.stdout) == [".venv/bin/reprolab", "export", "spawn-workers", "--variant", "forked"]


# -- what run.sh makes of it ----------------------------------------------------------------------

DOCKER = """\
#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in
    *" build"*)
        [ -n "${NO_BASE:-}" ] && [ -z "${PYTHON_IMAGE:-}" ] && { echo "failed to do request: no such host"; exit 1; }
        echo "PYTHON_IMAGE=${PYTHON_IMAGE:-}" >> "$CALLS"
        exit "${BUILD:-0}" ;;
    "image ls"*) printf '%s\\n' alpine/python:3.6.15-alpine mirror/python:3.6.1 ${IMAGES:-} ;;
    *" run "*) sleep "${SLEEP:-0}"; exit "${RUN:-0}" ;;
    "info"*) exit "${INFO:-0}" ;;
esac
"""


def run_sh(directory: Path, tmp_path: Path, *arguments: str, **more: str) -> tuple[int, str, list[str]]:
    """Run it with a docker that only records its arguments; exit status, output, the calls of docker."""
    fake = tmp_path / "bin"
    fake.mkdir(exist_ok=True)
    (fake / "docker").write_text(DOCKER)
    (fake / "docker").chmod(0o755)
    calls = tmp_path / "calls"
    env = {"PATH": f"{fake}:/usr/bin:/bin", "CALLS": str(calls), **more}
    done = subprocess.run([directory / "run.sh", *arguments], env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, calls.read_text().splitlines() if calls.exists() else []


def test_its_project_has_a_name_that_compose_takes(directory: Path, tmp_path: Path) -> None:
    """Lower-case letters, digits and dashes, whatever the variant's name is."""
    _, _, calls = run_sh(directory, tmp_path, RUN="10")
    projects = {match[1] for call in calls if (match := re.search(r"--project-name (\S+)", call))}
    assert len(projects) == 1
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*-reproducer-\d+-\d+", projects.pop())


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"RUN": "10"}, 0),
        ({"RUN": "11"}, 1),
        # An error in the drive, a server or a container that did not start, a kill.
        ({"RUN": "0"}, 2),
        ({"RUN": "1"}, 2),
        ({"RUN": "12"}, 2),
        ({"RUN": "125"}, 2),
        ({"RUN": "137"}, 2),
        ({"BUILD": "1"}, 2),
        ({"INFO": "1"}, 2),
    ],
)
def test_no_failure_is_taken_for_an_answer(
    written: dict[tuple[str, str | None], Path], tmp_path: Path, how: dict[str, str], status: int
) -> None:
    """Only the drive's statuses 10 and 11 count; all others end with status 2, and the stack is removed."""
    directory = written["socket-vanish", None]
    code, output, calls = run_sh(directory, tmp_path, **how)
    assert code == status, output
    assert ("could not tell" in output) == (status == 2)
    if "INFO" not in how:
        assert " down --volumes --remove-orphans" in calls[-1]
        project = re.search(r"--project-name (\S+)", calls[-1])
        assert project
        assert all(f"--project-name {project[1]} " in call for call in calls if "--file" in call)


STOPPED = """\
#!/bin/sh
case "$*" in
    *" run "*) echo asked; echo "@stop app 7"; read -r answer; echo "answer $answer"
        echo "@start app"; read -r answer; echo "started $answer"; exit "${RUN:-10}" ;;
    *" stop "*) echo "$@" >> "$CALLS" ;;
    *" ps "*) echo a-container ;;
    "inspect"*" a-container") echo 137 ;;
    "start a-container") exit 3 ;;
    *" down "*) echo "$@" >> "$CALLS" ;;
esac
"""


@pytest.mark.parametrize(("run", "status"), [("10", 0), ("11", 1), ("3", 2)])
def test_a_drive_can_have_a_service_stopped_and_started(tmp_path: Path, run: str, status: int) -> None:
    """It gets the exit status and the seconds, its other lines are shown, and its own status counts."""
    content = write.collect_files(write.choose_case(blink(tmp_path, stops=["app"]), "documented"))
    assert "pid" not in yaml.safe_load(content["compose.yaml"][0])["services"]["drive"]
    (tmp_path / "docker").write_text(STOPPED)
    (tmp_path / "run.sh").write_bytes(content["run.sh"][0])
    for name in ("docker", "run.sh"):
        (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(tmp_path / "calls"), "RUN": run}
    done = subprocess.run([tmp_path / "run.sh"], env=env, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == status, done.stdout + done.stderr
    assert re.search(r"^asked\nanswer 137 \d+\nstarted 3$", done.stdout, re.M)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0].endswith(" stop --timeout 7 app") and " down " in calls[-1]


def test_without_a_base_it_says_which_line_to_type(written: dict[tuple[str, str | None], Path], tmp_path: Path) -> None:
    """The variable with the image that it stands for; the status is 2."""
    code, output, _ = run_sh(written["pool-freeze", None], tmp_path, NO_BASE="1", RUN="10")
    assert code == 2
    assert "PYTHON_IMAGE=IMAGE ./run.sh\n" in output
    assert "PYTHON_IMAGE stands for python:3.6.15-slim" in output
    assert "failed to do request" in output


def test_without_a_base_it_takes_the_same_release_under_another_name(
    written: dict[tuple[str, str | None], Path], tmp_path: Path
) -> None:
    """As on the machine that exported it: the image is built again with that one, and the output names it."""
    name = "mirror/python:3.6.15-host-bookworm"
    code, output, calls = run_sh(written["pool-freeze", None], tmp_path, NO_BASE="1", RUN="10", IMAGES=name)
    assert code == 0
    assert f"again, with images of this engine: PYTHON_IMAGE={name}" in output
    assert f"PYTHON_IMAGE={name}" in calls


def test_an_interrupt_takes_the_stack_down(written: dict[tuple[str, str | None], Path], tmp_path: Path) -> None:
    """Ctrl-C, which reaches all programs of the terminal, removes the stack and ends with status 2."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    calls = tmp_path / "calls"
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(calls), "SLEEP": "60"}
    script = written["spawn-workers", None] / "run.sh"
    process = subprocess.Popen([script], env=env, stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for("the drive runs", lambda: calls.exists() and " run --rm" in calls.read_text(), 20)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=20) == 2
    assert " down --volumes" in calls.read_text().splitlines()[-1]


def test_without_docker_the_status_is_2(written: dict[tuple[str, str | None], Path], tmp_path: Path) -> None:
    """A missing docker is neither the sign nor its absence."""
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "dirname", "mktemp", "date", "rm"):
        (tmp_path / "bin" / tool).symlink_to(f"/bin/{tool}")
    env = {"PATH": str(tmp_path / "bin")}
    script = written["pool-freeze", None] / "run.sh"
    done = subprocess.run(["/bin/sh", str(script)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "docker with the Compose plugin" in done.stderr


def test_an_unknown_word_prints_the_usage(written: dict[tuple[str, str | None], Path], tmp_path: Path) -> None:
    """Nothing is started."""
    code, output, calls = run_sh(written["pool-freeze", None], tmp_path, "documnted")
    assert (code, calls) == (2, [])
    assert "usage: ./run.sh [documented | control]" in output


@pytest.mark.parametrize(
    ("word", "environment", "shown"),
    [
        ("", {}, "HANDLER=as-is ATTEMPTS=10"),
        ("", {"HANDLER": "noting"}, "HANDLER=noting ATTEMPTS=10"),
        ("documented", {"HANDLER": "noting"}, "HANDLER=as-is ATTEMPTS=10"),
        ("control", {}, "HANDLER=default ATTEMPTS=60"),
    ],
)
def test_it_says_which_factors_are_in_force(
    written: dict[tuple[str, str | None], Path], tmp_path: Path, word: str, environment: dict[str, str], shown: str
) -> None:
    """A word sets both factors; without one the environment may set them."""
    _, output, _ = run_sh(written["pool-freeze", None], tmp_path, *([word] if word else []), RUN="10", **environment)
    assert output.splitlines()[0] == shown


# -- what the drives decide -----------------------------------------------------------------------


def drive_of(directory: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names in a reproducer's drive.py, with a substitute for its server."""
    source = (directory / "drive" / "drive.py").read_text(encoding="utf-8")
    monkeypatch.syspath_prepend(str(directory / "drive"))
    monkeypatch.delitem(sys.modules, "server", raising=False)
    names: dict[str, Any] = {"__name__": "drive"}
    exec(compile(source, "drive.py", "exec"), names)
    names["Server"] = server
    monkeypatch.delitem(sys.modules, "server", raising=False)
    return names


class Spawned:
    """A server that printed what uvicorn and main.py print."""

    def __init__(self, *lines: str) -> None:
        self.printed = list(lines)
        self.env: dict[str, str] = {}
        self.app = "/srv/app"
        self.process = self
        self.pid = 7

    def __call__(self, **_: Any) -> Spawned:
        return self

    def __enter__(self) -> Spawned:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def lines(self) -> list[str]:
        return self.printed

    def until(self, what: str, look: Any) -> None:
        assert look(), what

    def ready(self, path: str) -> None:
        pass


def loads(*pids: int) -> list[str]:
    """The lines of processes that load main.py, and of three workers that start."""
    printed = [f"g_var 0 as pid {pid} loads main.py" for pid in pids]
    return [
        *printed,
        *(f"INFO: Started server process [{pid}]" for pid in (8, 9, 10)),
        *["Application startup complete."] * 3,
    ]


@pytest.mark.parametrize(
    ("pids", "shows"),
    [
        ((7, 8, 8, 9, 9, 10, 10), True),
        ((8, 9, 10), False),
        ((7, 8, 8, 9, 9, 10), False),
        ((8, 8, 8, 9, 9, 10, 10), False),
    ],
)
def test_spawn_workers_counts_as_its_claim_does(
    written: dict[tuple[str, str | None], Path], monkeypatch: pytest.MonkeyPatch, pids: tuple[int, ...], shows: bool
) -> None:
    """Once in the parent, and seven lines in all; any other distribution is not the sign."""
    monkeypatch.setenv("WORKERS", "3")
    names = drive_of(written["spawn-workers", None], Spawned(*loads(*pids)), monkeypatch)
    assert names["drive"]() is shows


def test_spawn_workers_leaves_out_replaced_workers(
    written: dict[tuple[str, str | None], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine uvicorn replaces a worker that loads for too long; its lines are not counted."""
    monkeypatch.setenv("WORKERS", "3")
    lines = [*loads(7, 11, 8, 8, 9, 9, 10, 10), "INFO: Child process [11] died"]
    assert drive_of(written["spawn-workers", None], Spawned(*lines), monkeypatch)["drive"]() is True


def test_gunicorn_settings_counts_overlaps(
    written: dict[tuple[str, str | None], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest number of requests in a sleeping view at one moment; other views are not counted."""
    names = drive_of(written["gunicorn-settings", None], None, monkeypatch)
    lines = ["1.0 9 8 begin /sleep/1", "1.1 9 8 begin /sleep/1", "1.2 9 8 end /sleep/1", "1.3 9 8 begin /sleep/1"]
    assert names["most_at_once"]([*lines, "0.5 8 1 import lab.wsgi", "1.05 9 8 begin /other"]) == 2


class Threaded(Spawned):
    """A server whose thread ticks at these times; requests at 0 (once), 5 to 8 (hold) and 9 (after)."""

    def __init__(self, *ticks: float, known: bool = True) -> None:
        spans = [{"begin": "once", "at": 0.0}, {"end": "once", "at": 0.1}, {"begin": "hold", "at": 5.0}]
        spans += [{"end": "hold", "at": 8.0}, {"begin": "after", "at": 9.0}, {"end": "after", "at": 9.1}]
        super().__init__("starting", *map(json.dumps, [*spans, *({"tick": "once", "at": at} for at in ticks)]))
        self.threads = ["MainThread", *(["once"] if known else [])]

    def ready(self, path: str = "/") -> None:
        pass

    def get(self, path: str) -> tuple[int, str]:
        return 200, json.dumps({"threads": self.threads})


@pytest.mark.parametrize(
    ("server", "shows"),
    [
        (Threaded(0.05, 5.1, 7.1), True),
        (Threaded(0.05, 4.9, 7.1), True),
        # The thread goes on; it prints once only; the interpreter does not know it any more.
        (Threaded(0.05, 2.05, 4.05, 6.05), False),
        (Threaded(0.05), False),
        (Threaded(0.05, 5.1, known=False), False),
    ],
)
def test_enable_threads_counts_the_lines_between_requests(
    written: dict[tuple[str, str | None], Path], monkeypatch: pytest.MonkeyPatch, server: Threaded, shows: bool
) -> None:
    """No line while there is no request, some during the next one, and the thread is known."""
    names = drive_of(written["enable-threads", None], server, monkeypatch)
    names["STUB"], names["AFTER"], names["os"] = (
        "",
        0.0,
        SimpleNamespace(path=SimpleNamespace(exists=bool, join=os.path.join)),
    )
    assert names["drive"]() is shows


def test_a_thread_that_never_printed_decides_nothing(
    written: dict[tuple[str, str | None], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the server did not do what the sign needs."""
    names = drive_of(written["enable-threads", None], Threaded(5.1), monkeypatch)
    names["AFTER"], names["os"] = 0.0, SimpleNamespace(path=SimpleNamespace(exists=bool, join=os.path.join))
    with pytest.raises(names["Untold"], match="printed nothing during its own request"):
        names["drive"]()


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (b"", None),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "status 400"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"path": "/admin"}', "/admin"),
    ],
)
@pytest.mark.parametrize("unread", [True, False], ids=["reset", "closed"])
def test_split_request_tells_a_refusal_from_no_answer(
    written: dict[tuple[str, str | None], Path],
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
    seen: str | None,
    unread: bool,
) -> None:
    """Nothing came, in whichever way the connection ended; a status is an answer."""
    ask = drive_of(written["split-request", None], None, monkeypatch)["ask"]

    def serve() -> None:
        with listening.accept()[0] as connection:
            connection.recv(1 if unread and not answer else 100)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        assert ask(SimpleNamespace(port=listening.getsockname()[1]), [b"GET /"]) == seen
        thread.join()


class Halting(Spawned):
    """A gunicorn with the pid 7, whose child ended with 3; ``code`` is its exit code, None if it goes on."""

    def __init__(self, code: int | None, parent: int = 7, answer: int = 200) -> None:
        super().__init__("[7] [INFO] Listening", f"child 11 of {parent} ends with 3")
        self.code, self.answer, self.scratch = code, answer, "/scratch"

    def __call__(self, *_: Any, **__: Any) -> Halting:
        return self

    def change(self, pairs: list[tuple[str, str]]) -> None:
        pass

    def until(self, what: str, look: Any, limit: float = 0) -> None:
        assert look(), what

    def ready(self, path: str = "/") -> None:
        pass

    def ended(self, limit: float) -> int | None:
        return self.code

    def get(self, path: str) -> tuple[int, str]:
        return self.answer, "served"


@pytest.mark.parametrize(
    ("server", "shows"),
    [
        (Halting(3), True),
        (Halting(None), False),
        # It ended for another reason; it goes on without an answer; the child was another process's.
        (Halting(1), None),
        (Halting(None, answer=502), None),
        (Halting(3, parent=1), None),
    ],
)
def test_exit_code_3_wants_the_status_of_the_masters_child(
    written: dict[tuple[str, str | None], Path], monkeypatch: pytest.MonkeyPatch, server: Halting, shows: bool | None
) -> None:
    """The server ends with the child's status, or goes on and answers; all else decides nothing (None)."""
    monkeypatch.setenv("STATUS", "3")
    names = drive_of(written["exit-code-3", None], server, monkeypatch)
    names |= {"release": lambda pipe: True, "lives": lambda pid: False}
    if shows is None:
        with pytest.raises(names["Untold"]):
            names["drive"]()
    else:
        assert names["drive"]() is shows


def test_exit_code_3_waits_until_the_child_is_gone(
    written: dict[tuple[str, str | None], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process lives until it has ended, whether or not its parent has reaped it."""
    lives = drive_of(written["exit-code-3", None], None, monkeypatch)["lives"]
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert lives(child.pid)
    child.stdin.close()  # type: ignore[union-attr]
    wait_for("the child has ended", lambda: not lives(child.pid))
    child.wait()
    assert not lives(child.pid)


def test_the_drives_count_the_connections_of_their_server_alone(
    written: dict[tuple[str, str | None], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three connections two are accepted; one of these is closed by the client then."""
    held = drive_of(written["idle-connections", None], None, monkeypatch)["held"]
    close_wait = drive_of(written["health-check-leak", None], None, monkeypatch)["close_wait"]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = SimpleNamespace(port=listening.getsockname()[1])
        clients = [socket.create_connection(listening.getsockname()) for _ in range(3)]
        accepted = [listening.accept()[0] for _ in range(2)]
        assert (held(server), close_wait(server)) == (2, 0)
        clients[0].close()
        wait_for("the server's end knows of it", lambda: close_wait(server) == 1)
        assert held(server) == 1
        for connection in (*clients, *accepted):
            connection.close()


WRK = """\
#!/bin/sh
[ "$GOES" = yes ] && rm "$SOCKET"
[ "$ENDS" = yes ] && kill "$SERVER" && sleep 0.2
echo "  ${REQUESTS:-10} requests in 10.00s, 1MB read"
exit "${WRK:-0}"
"""


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"GOES": "yes"}, 10),
        ({}, 11),
        # A control that decides nothing: its workers should have been replaced, and were not.
        ({"MAX_REQUESTS": "512"}, 12),
        ({"GOES": "yes", "WRK": "1"}, 12),
        ({"GOES": "yes", "REQUESTS": "0"}, 12),
        ({"GOES": "yes", "ENDS": "yes"}, 12),
        ({"BIND": "127.0.0.1:8000", "GOES": "yes"}, 11),
    ],
)
def test_socket_vanish_looks_at_the_file_and_the_server(
    written: dict[tuple[str, str | None], Path], tmp_path: Path, how: dict[str, str], status: int
) -> None:
    """The file must have existed, the load must have run, and the server must still run."""
    path = tmp_path / "s.sock"
    # The drive counts the processes that serve web:app. An application's name per test keeps parallel tests apart.
    application = f"{tmp_path.name.replace('_', '-')}-{os.getpid()}:app"
    drive = (written["socket-vanish", None] / "drive" / "drive.sh").read_text(encoding="utf-8")
    assert " web:app " in drive
    script = tmp_path / "drive.sh"
    for name, text in (
        ("drive.sh", drive.replace(" web:app ", f" {application} ")),
        ("wrk", WRK),
        ("curl", "#!/bin/sh\nprintf 200\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    server = subprocess.Popen(["sh", "-c", "while :; do sleep 0.1; done", "gunicorn", application, "-c"])
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        env = {
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "BIND": f"unix:{path}",
            "SOCKET": str(path),
            "SERVER": str(server.pid),
            "MAX_REQUESTS": "0",
        }
        try:
            done = subprocess.run([script], env=env | how, capture_output=True, text=True, check=False)
        finally:
            server.kill()
            server.wait()
    assert done.returncode == status, done.stdout + done.stderr


# -- a server that ends ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("raise SystemExit(3)", 3),
        ("import os; os.abort()", -6),
        ("import time; time.sleep(60)", None),
    ],
)
def test_a_drive_can_expect_a_failed_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, code: int | None
) -> None:
    """The exit code of a server that ends by itself, and none for one that lives."""
    with started(tmp_path, monkeypatch, program) as server:
        assert server.ended(30 if code is not None else 0.2) == code


@pytest.mark.parametrize(("ignores", "code"), [("SIG_DFL", -15), ("SIG_IGN", -9)])
def test_a_drive_can_stop_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignores: str, code: int) -> None:
    """By SIGTERM, and by SIGKILL after the grace time."""
    program = f"import signal, time; signal.signal(15, signal.{ignores}); print('up', flush=True); time.sleep(60)"
    with started(tmp_path, monkeypatch, program) as server:
        server.until("it is up", lambda: "up" in server.lines())
        status, seconds = server.stop(0.3)
        assert status == code and (seconds >= 0.3) == (ignores == "SIG_IGN")


def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> Any:
    """A server of a reproducer: this program."""
    (tmp_path / "files").mkdir()
    monkeypatch.setenv("SERVER_FILES", str(tmp_path / "files"))
    text = render.TEMPLATES.get_template("server.py.j2").render()
    module = types.ModuleType("server")
    exec(compile(text, "server.py", "exec"), module.__dict__)
    return module.Server([sys.executable, "-c", program])


READS_WHEN_TOLD = """\
import os, socket, sys, time
host, port = "{address}".split(":")
with socket.create_server((host, int(port))) as server:
    print("up", flush=True)
    connection = server.accept()[0]
    while not os.path.exists("read"):
        time.sleep(0.05)
    connection.recv(100)
    time.sleep(60)
"""


@pytest.mark.parametrize("told", [True, False])
def test_a_drive_can_wait_for_its_server_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    """It waits while bytes are in the server's queue, and no longer."""
    with started(tmp_path, monkeypatch, READS_WHEN_TOLD) as server:
        server.until("it is up", lambda: "up" in server.lines())
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"hello")
            if told:
                (Path(server.app) / "read").touch()
                server.until_read(client, 30)
            else:
                with pytest.raises(Exception, match=r"the server reads what was sent: not within 0\.3 s"):
                    server.until_read(client, 0.3)
