"""A new scenario: what `make new-scenario` lays out, and the guide docs/authoring.md followed to its end."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from click.testing import CliRunner
from docker.models.containers import Container
from lab import base, engine
from reprolab.bugreport import spec as bugreport_spec
from reprolab.cli import main
from reprolab.core.errors import Exit, InvalidTrial, UsageError
from reprolab.demo import script
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.export import spec as export_spec
from reprolab.export import write
from reprolab.export.compose import read_compose
from reprolab.publish import readme_sections
from reprolab.report import terminal
from reprolab.report.timeline import timeline
from reprolab.run import runner
from reprolab.scenario import loader, model, scaffold
from reprolab.scenario.trial import TrialRecord
from reprolab.stack.stack import Stack
from reprolab.verdict.judge import judge

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
GUIDE = ROOT / "docs" / "authoring.md"
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "results", "__pycache__", ".*_cache", "*.egg-info", "dist")
COMMAND = re.compile(r"^\$ (.+)$", re.M)
# The guide's name, and the one that the test puts in its place: a stack of the reader's own may be up.
NAME, OWN_NAME = "my-case", "authoring-guide"
# The scenario that passes the tests of every scenario, with and without what may be added.
BARE = "bare-case"
# Linting is about the whole checkout, not about the guide.
NOT_FOLLOWED = ("make lint",)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with everything but git, the environment and results, nor what a reader of the guide laid out."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED, symlinks=True)
    shutil.rmtree(copy / "scenarios" / NAME, ignore_errors=True)
    compose = copy / "compose.yaml"
    line = f"  - scenarios/{NAME}/compose.yaml\n"
    compose.write_text(compose.read_text(encoding="utf-8").replace(line, ""), encoding="utf-8")
    return copy


@pytest.fixture
def fresh(checkout: Path) -> model.Scenario:
    """A scenario as it is laid out, with all that may be added."""
    scaffold.create(checkout, NAME)
    scaffold.add(checkout, NAME, scaffold.ADDITIONS)
    return loader.load(checkout, NAME)


# -- what is laid out -----------------------------------------------------------------------------


def test_a_fresh_scenario_is_whole(fresh: model.Scenario) -> None:
    """It has the three factors, two variants, and a claim that expects its sign in one and not in the other."""
    assert list(fresh.factors) == ["PYTHON", "GUNICORN", "WORKERS"]
    (experiment,) = fresh.experiments.values()
    assert experiment.name == "claims"
    assert list(experiment.variants) == ["documented", "two-workers"]
    (claim,) = fresh.claims
    assert claim.id == "MC-1"
    assert claim.expectations == {"documented": True, "two-workers": False}
    assert experiment.columns
    assert experiment.observe is not None


def test_its_files_and_the_include_line_are_named(checkout: Path) -> None:
    """What create() returns is what it wrote; the root file includes the new stack, on a line of its own."""
    compose = checkout / "compose.yaml"
    compose.write_text(compose.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    written = scaffold.create(checkout, NAME)
    directory = checkout / "scenarios" / NAME
    found = {path.relative_to(checkout) for path in directory.rglob("*") if path.is_file()}
    assert found == {path for path in written if NAME in path.parts}
    assert {path.name for path in found} == {Path(file).name for file in scaffold.FILES}
    assert all((checkout / path).is_file() for path in written)
    assert compose.read_text(encoding="utf-8").endswith(f"\n  - scenarios/{NAME}/compose.yaml\n")


def test_the_variants_differ_in_the_sign(fresh: model.Scenario) -> None:
    """The sign of the example comes out either way: an answer that waited, and one that did not."""
    waited = {"waiting": True, "slow": {"began": 1.0, "ended": 2.0}, "quick": {"began": 2.0}}
    at_once = {"waiting": True, "slow": {"began": 1.0, "ended": 2.0}, "quick": {"began": 1.3}}
    trials = [
        TrialRecord("claims", "documented", 1, {}, waited),
        TrialRecord("claims", "two-workers", 1, {"WORKERS": "2"}, at_once),
    ]
    assert judge(fresh, "now", trials).claims[0].verdict == "confirmed"
    contradicted = [*trials, TrialRecord("claims", "two-workers", 2, {"WORKERS": "2"}, waited)]
    assert judge(fresh, "now", contradicted).claims[0].verdict == "intermittent"
    refuted = [trials[0], TrialRecord("claims", "two-workers", 1, {"WORKERS": "2"}, waited)]
    assert judge(fresh, "now", refuted).claims[0].verdict == "refuted"


def test_its_timeline_shows_the_one_waiting(fresh: model.Scenario, tmp_path: Path) -> None:
    """The two requests are drawn as bars, the quick one behind the slow one where it waited."""
    observation = {"slow": {"began": 7.0, "ended": 8.0}, "quick": {"began": 8.0, "ended": 8.1}}
    line = timeline(fresh.experiments["claims"], TrialDirectory(tmp_path), observation)
    assert line is not None
    assert [(one.source, one.at_ms, one.end_ms) for one in line.events] == [
        ("slow", 0, 1000),
        ("quick", 1000, pytest.approx(1100)),
    ]


def test_it_is_hardened_as_the_others_are(fresh: model.Scenario) -> None:
    """Dropped capabilities, no new privileges, limits, an init, and ports on 127.0.0.1 only."""
    (service,) = read_compose(fresh.compose_file)["services"].values()
    (hardened,) = read_compose(ROOT / "images" / "hardened.yaml")["services"].values()
    for key in ("init", "cap_drop", "security_opt", "pids_limit", "logging"):
        assert service[key] == hardened[key]
    assert service["mem_limit"] == "512m"
    assert service["ports"] == ["127.0.0.1::18080"]


def test_its_packages_come_with_hashes(fresh: model.Scenario) -> None:
    """The list that its image installs is laid out, gets into the build, and holds a hash for each package."""
    (path,) = (fresh.directory / "requirements").iterdir()
    dockerfile = (fresh.directory / "Dockerfile").read_text(encoding="utf-8")
    assert f"--require-hashes -r /srv/requirements/{path.name}\n" in dockerfile
    assert "!requirements/\n" in (fresh.directory / ".dockerignore").read_text(encoding="utf-8")
    assert re.fullmatch(r"([\w.-]+==[\w.]+( \\\n +--hash=sha256:[0-9a-f]{64})+\n)+", path.read_text(encoding="utf-8"))


def test_it_can_be_handed_over(fresh: model.Scenario, tmp_path: Path) -> None:
    """Its reproducer has both scripts, and nothing on record yet to tell."""
    directory, _ = write.write_reproducer(write.choose_case(fresh), tmp_path)
    scripts = [str(directory / name) for name in ("run.sh", "repro.sh")]
    _run([str(BIN / "shellcheck"), *scripts], tmp_path)
    page = (directory / "README.md").read_text(encoding="utf-8")
    assert "Nothing is on record for it" in page
    assert "WORKERS=1" in page


@pytest.mark.parametrize("name", [NAME, "x", "w" * scaffold.LONGEST])
def test_its_files_pass_the_checks(checkout: Path, name: str) -> None:
    """ruff, its formatter and hadolint have nothing to say, however long the name."""
    scaffold.create(checkout, name)
    files = Path("scenarios", name)
    for command in (["ruff", "check"], ["ruff", "format", "--check"]):
        _run([str(BIN / command[0]), *command[1:], "--no-cache", str(files)], checkout)
    _run([str(BIN / "hadolint"), str(files / "Dockerfile")], checkout)


@pytest.mark.parametrize("added", [(), tuple(scaffold.ADDITIONS)])
def test_what_is_laid_out_passes_the_tests_of_every_scenario(checkout: Path, added: tuple[str, ...]) -> None:
    """Without additions, or with all of them; a step of its own after pip's is no package."""
    scaffold.create(checkout, BARE)
    scaffold.add(checkout, BARE, added)
    directory = checkout / "scenarios" / BARE
    dockerfile = directory / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8")
    dockerfile.write_text(text.replace("COPY ", "RUN python3 -m gunicorn --version\nCOPY ", 1), encoding="utf-8")
    readme_sections.write(checkout)
    _run(["git", "init", "--quiet"], checkout)
    about_it = ["-k", f"test_shape or {BARE} or every_known_thread", "-m", "not docker and not slow"]
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *about_it]
    printed = _run(words, checkout, **at_home(checkout, checkout / "results"))
    assert re.search(r"^\d+ passed", printed, re.M), printed


@pytest.mark.parametrize("word", scaffold.ADDITIONS)
def test_an_addition_later_writes_what_is_missing(checkout: Path, word: str) -> None:
    """A second time it writes nothing; a file that is there stays as it is."""
    scaffold.create(checkout, NAME)
    files = [Path("scenarios", NAME, file) for file in scaffold.ADDITIONS[word]]
    assert scaffold.add(checkout, NAME, [word]) == (files, [])
    (checkout / files[0]).write_text("my own\n", encoding="utf-8")
    assert scaffold.add(checkout, NAME, [word]) == ([], files)
    assert (checkout / files[0]).read_text(encoding="utf-8") == "my own\n"


def test_what_is_added_names_the_scenarios_own_claim_and_variants(checkout: Path) -> None:
    """A claim and variants that are not the example's any more are found in the scenario."""
    scaffold.create(checkout, NAME)
    claims = checkout / "scenarios" / NAME / "claims.py"
    text = claims.read_text(encoding="utf-8").replace("MC-1", "OWN-7").replace("two-workers", "three-workers")
    claims.write_text(text, encoding="utf-8")
    compose = checkout / "scenarios" / NAME / "compose.yaml"
    compose.write_text(compose.read_text(encoding="utf-8").replace("MC-1", "OWN-7"), encoding="utf-8")
    scaffold.add(checkout, NAME, scaffold.ADDITIONS)
    found = loader.load(checkout, NAME)
    (report,) = bugreport_spec.load(found).reports
    handed = export_spec.load(found)
    shown = script.load(found)
    assert [one.id for one in report.claims] == [handed.claim.id] == list(shown.claims) == ["OWN-7"]
    assert {report.control, handed.control, shown.acts[1].variant} == {"three-workers"}


def test_a_reproducer_with_a_container_of_its_own_gets_no_drive(checkout: Path) -> None:
    """Two drives would contradict each other."""
    scaffold.create(checkout, NAME)
    scaffold.add(checkout, NAME, ["reproducer"])
    folder = checkout / "scenarios" / NAME / "reproducer"
    (folder / "drive.py").rename(folder / "Dockerfile")
    assert scaffold.add(checkout, NAME, ["reproducer"])[0] == []


def test_nothing_is_added_where_no_claim_has_a_control(checkout: Path) -> None:
    """Each of the additions sets a variant that shows the sign beside one that does not."""
    scaffold.create(checkout, NAME)
    claims = checkout / "scenarios" / NAME / "claims.py"
    text = claims.read_text(encoding="utf-8").replace('        absent=["two-workers"],\n', "")
    claims.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="no claim with a control"):
        scaffold.add(checkout, NAME, ["demo"])
    assert not (checkout / "scenarios" / NAME / "demo.yaml").exists()


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["demos"], "did you mean demo"),
        (["bugreport,reprodcer"], "did you mean reproducer"),
        (["upstream"], "did you mean bugreport"),
        (["bug"], "did you mean bugreport"),
        (["export demo"], "did you mean reproducer"),
        (["everything"], "expected: one or more of bugreport, reproducer, demo"),
    ],
)
def test_an_unknown_addition_is_refused_with_what_was_meant(checkout: Path, texts: list[str], said: str) -> None:
    """Before anything is written."""
    done = CliRunner().invoke(
        main.main,
        ["new-scenario", NAME, *(word for text in texts for word in ("--add", text))],
        env={"REPROLAB_ROOT": str(checkout)},
    )
    assert done.exit_code == Exit.USAGE
    assert said in done.output
    assert not (checkout / "scenarios" / NAME).exists()


def test_additions_are_words_parted_by_spaces_or_commas() -> None:
    """Each counts once."""
    assert scaffold.additions(["demo,bugreport", "demo reproducer"]) == ["demo", "bugreport", "reproducer"]


def test_the_command_says_what_it_wrote_and_what_was_there(checkout: Path) -> None:
    """A name that is taken comes with what could be added to it."""

    def lab(*words: str) -> str:
        return (
            CliRunner().invoke(main.main, ["new-scenario", NAME, *words], env={"REPROLAB_ROOT": str(checkout)}).output
        )

    assert f"written: scenarios/{NAME}/demo.yaml\n" in lab("--add", "demo")
    again = lab("--add", "demo bugreport")
    assert f"there already: scenarios/{NAME}/demo.yaml\n" in again
    assert f"written: scenarios/{NAME}/upstream.yaml\n" in again
    assert "it runs as it stands" not in again
    assert f"reprolab new-scenario {NAME} --add reproducer adds to it" in lab()


def test_its_readme_has_its_generated_parts(checkout: Path) -> None:
    """Its claims stand in its README once the pages are written, and nothing is stale then."""
    scaffold.create(checkout, NAME)
    readme_sections.write(checkout)
    text = (checkout / "scenarios" / NAME / "README.md").read_text(encoding="utf-8")
    assert "| MC-1 |" in text
    assert readme_sections.NOT_RUN in text
    assert readme_sections.stale(checkout) == []


@pytest.mark.parametrize("name", ["", "My-Case", "-case", "case-", "my--case", "my_case", "1st", "../up", "w" * 41])
def test_a_name_that_compose_or_a_shell_would_not_take_is_refused(checkout: Path, name: str) -> None:
    """The message says what a name may be made of, and nothing is written."""
    before = (checkout / "compose.yaml").read_bytes()
    with pytest.raises(UsageError, match="no scenario name") as caught:
        scaffold.create(checkout, name)
    assert "small letters" in str(caught.value)
    assert (checkout / "compose.yaml").read_bytes() == before


def test_a_scenario_that_is_there_is_left_alone(fresh: model.Scenario, checkout: Path) -> None:
    """Laying it out again is refused and changes no file."""
    before = {path: path.read_bytes() for path in fresh.directory.iterdir() if path.is_file()}
    include = (checkout / "compose.yaml").read_bytes()
    with pytest.raises(UsageError, match="there already"):
        scaffold.create(checkout, NAME)
    assert {path: path.read_bytes() for path in fresh.directory.iterdir() if path.is_file()} == before
    assert (checkout / "compose.yaml").read_bytes() == include


# -- what the lab does for it ---------------------------------------------------------------------


@pytest.mark.parametrize(("roles", "front"), [(["app"], "app"), (["app", "proxy"], "proxy"), (["proxy"], "proxy")])
def test_requests_go_to_the_proxy_where_there_is_one(roles: list[str], front: str) -> None:
    """Without a proxy the server itself is asked; the lab's tools are never in front."""
    services: dict[str, Any] = {f"{NAME}-{role}": {} for role in roles} | {"wrk": {}}
    unused: Any = None
    stack = Stack(NAME, {"name": "p", "services": services}, Path("f"), unused, (), unused, {})
    assert stack.front == front


def test_a_report_needs_no_variant_without_the_sign(fresh: model.Scenario) -> None:
    """Where every variant shows the sign, the doubt about few trials is told without a bound for none."""
    waited = {"waiting": True, "slow": {"began": 1.0, "ended": 2.0}, "quick": {"began": 2.0}}
    trials = [TrialRecord("claims", name, 1, {}, waited) for name in ("documented", "two-workers")]
    told = terminal.doubts(judge(fresh, "now", trials))
    assert told.startswith("only 1 valid trial in")
    assert "Wilson" not in told


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "it returned None, not a dict"),
        ({"seen": {1, 2}}, "an observation cannot hold set"),
        (FileNotFoundError("sock"), "FileNotFoundError: sock"),
        (KeyError("pid"), "KeyError: 'pid'"),
    ],
)
def test_a_mistake_in_an_experiment_makes_the_trial_invalid(
    fresh: model.Scenario, tmp_path: Path, returned: Any, said: str
) -> None:
    """Whatever drive() or observe() do wrong, the reason is told and the traceback kept; the run goes on."""

    def mistaken(*_: Any) -> Any:
        if isinstance(returned, Exception):
            raise returned
        return returned

    (experiment,) = fresh.experiments.values()
    experiment = replace(experiment, drive=mistaken, observe=mistaken)
    stack: Any = SimpleNamespace(client=SimpleNamespace(ping=lambda: True))
    evidence = TrialDirectory(tmp_path / "trial")
    with pytest.raises(InvalidTrial, match=re.escape(said)):
        runner.drive(experiment, stack, evidence)
    with pytest.raises(InvalidTrial, match=re.escape(said)):
        runner.observe(experiment, evidence, {})
    for name in ("drive-error.txt", "observe-error.txt"):
        assert "Traceback" in (evidence.path / name).read_text(encoding="utf-8")


def test_what_drive_returned_is_kept(fresh: model.Scenario, tmp_path: Path) -> None:
    """It is on disk before observe() runs, so a mistake there loses nothing."""
    (experiment,) = fresh.experiments.values()
    evidence = TrialDirectory(tmp_path / "trial")
    unused: Any = None
    runner.drive(replace(experiment, drive=lambda stack: {"seen": 1}), unused, evidence)
    assert json.loads((evidence.path / "driven.json").read_text(encoding="utf-8")) == {"seen": 1}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["VARIANT=a b", "TRIALS=2"], ["--variant", "a", "--variant", "b", "--trials", "2"]),
        (["PYTHON=3.9.18"], ["--set", "PYTHON=3.9.18"]),
        (
            ["WORKERS=2", "BIND=a b", "ARGS=--keep --jobs 1"],
            ["--set", "BIND=a b", "--set", "WORKERS=2", *["--keep", "--jobs", "1"]],
        ),
    ],
)
def test_make_hands_over_what_it_was_given(checkout: Path, given: list[str], words: list[str]) -> None:
    """The lab's own words become options, every other variable a factor, spaces and all."""
    scaffold.create(checkout, NAME)
    printed = _run(["make", "-n", "-o", "setup", f"scenario-{NAME}", *given], checkout)
    assert shlex.split(printed) == [".venv/bin/reprolab", "run", NAME, *words]


def test_a_factor_is_not_the_interpreter(checkout: Path) -> None:
    """PYTHON on make's command line is a factor; PYTHON_BIN, or PYTHON in the environment, makes the .venv."""
    for given, interpreter in ((["PYTHON=3.9.18"], ""), (["PYTHON_BIN=/a/python3"], "/a/python3"), ([], "/b/python3")):
        variables = {} if given else {"PYTHON": "/b/python3"}
        printed = _run(["make", "-n", "setup", *given], checkout, **variables).splitlines()
        assert f"PYTHON='{interpreter}' scripts/bootstrap" in printed
        # setup takes no factor.
        assert ("no-word 'setup'" in "".join(printed[1:])) == (given == ["PYTHON=3.9.18"])


# -- the guide ------------------------------------------------------------------------------------


def test_the_guide_goes_all_the_way() -> None:
    """It lays out, runs, judges, accepts, checks the pages, lints and undoes, in this order."""
    commands = [text for kind, text in steps_of_the_guide() if kind == "console"]
    steps = ("new-scenario", f"scenario-{NAME}", "judge", "accept", "docs --check", "ADD=", "rm -r")
    found = [next((n for n, command in enumerate(commands) if step in command), -1) for step in steps]
    assert -1 not in found, f"{GUIDE.name} lacks a step: {dict(zip(steps, found, strict=True))}"
    assert found == sorted(found)
    assert set(NOT_FOLLOWED) <= set(commands)


def test_the_guide_shows_the_files_as_they_are(fresh: model.Scenario) -> None:
    """Every line of Python or YAML that it quotes from the fresh scenario stands there."""
    laid_out = "\n".join(
        (fresh.directory / name).read_text(encoding="utf-8")
        for name in ("compose.yaml", "claims.py", "app.py", "upstream.yaml", "reproducer/drive.py", "demo.yaml")
    )
    quoted = re.findall(r"^```(?:python|yaml)\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    assert quoted
    for block in quoted:
        for line in block.splitlines():
            assert line in laid_out, f"{GUIDE.name} quotes a line that no fresh scenario has: {line!r}"


def test_the_guides_changes_make_a_case_of_its_own(checkout: Path) -> None:
    """Each can be made in a fresh scenario; then it has a further factor, variant and claim, and passes the checks."""
    scaffold.create(checkout, NAME)
    for kind, text in steps_of_the_guide():
        if kind == "diff":
            change(checkout, text)
    found = loader.load(checkout, NAME)
    (experiment,) = found.experiments.values()
    assert (found.factors["THREADS"], experiment.variants["two-threads"]) == ("1", {"THREADS": "2"})
    assert [claim.expectations for claim in found.claims] == [
        {"documented": True, "two-workers": False, "two-threads": False},
        {"two-threads": True, "documented": False, "two-workers": False},
    ]
    directory = Path("scenarios", NAME)
    _run([str(BIN / "ruff"), "check", "--no-cache", str(directory)], checkout)
    _run([str(BIN / "ruff"), "format", "--check", "--no-cache", str(directory)], checkout)


@pytest.mark.docker
def test_the_guide_can_be_followed(checkout: Path) -> None:
    """Each of its commands ends with 0; both claims are confirmed and recorded; undone, nothing is left."""
    client = engine()
    results = checkout / "results"
    (checkout / ".venv").symlink_to(BIN.parent)
    before = (checkout / "compose.yaml").read_bytes()
    try:
        for kind, text in steps_of_the_guide():
            own = text.replace(NAME, OWN_NAME)
            if kind == "diff":
                change(checkout, own)
                continue
            if text.startswith("rm "):
                check_recorded(checkout, results)
            if text not in NOT_FOLLOWED:
                follow(own, checkout, results)
    finally:
        remains = remaining(client)
        for one in remains:
            one.remove(force=True) if isinstance(one, Container) else one.remove()
    assert [one.name for one in remains] == []
    assert OWN_NAME not in loader.names(checkout)
    assert (checkout / "compose.yaml").read_bytes() == before
    assert readme_sections.stale(checkout) == []


def check_recorded(checkout: Path, results: Path) -> None:
    """What the guide promises of the run: confirmed, every trial valid, on record, in the README."""
    recorded = json.loads((checkout / "scenarios" / OWN_NAME / "recorded.json").read_text(encoding="utf-8"))
    assert [claim["verdict"] for claim in recorded["claims"]] == ["confirmed"] * 2, recorded["claims"]
    valid = {name: row["valid"] for name, row in recorded["variants"].items()}
    assert valid == {"documented": 3, "two-workers": 3, "two-threads": 3}
    assert "**confirmed**" in (checkout / "scenarios" / OWN_NAME / "README.md").read_text(encoding="utf-8")
    for trial in (results / OWN_NAME / recorded["run"] / "claims").glob("*/*"):
        assert {"app.log.gz", "driven.json", "wrk.json", "wrk.txt", "compose.json", "containers.json"} <= {
            file.name for file in trial.iterdir()
        }


def steps_of_the_guide() -> list[tuple[str, str]]:
    """What the guide tells its reader to do, in order: a command ("console"), or a change to a file ("diff")."""
    blocks = re.findall(r"^```(console|diff)\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    steps = []
    for kind, text in blocks:
        steps += [(kind, line.strip()) for line in COMMAND.findall(text)] if kind == "console" else [(kind, text)]
    return steps


def change(checkout: Path, text: str) -> None:
    """Make a change of the guide: `--- FILE`, then parts between lines `@@`, each of which fits in one place only."""
    head, _, body = text.partition("\n")
    path = checkout / head.removeprefix("--- ")
    for part in re.split(r"^@@\n", body, flags=re.M):
        lines = [(line[:1], line[1:]) for line in part.splitlines()]
        old, new = ("".join(f"{line}\n" for mark, line in lines if mark != other) for other in "+-")
        content = path.read_text(encoding="utf-8")
        assert content.count(old) == 1, f"{GUIDE.name}: {path.name} has {content.count(old)} times:\n{old}"
        path.write_text(content.replace(old, new), encoding="utf-8")


def follow(command: str, checkout: Path, results: Path) -> None:
    """Run one command in the copy; make takes the environment for made, since the copy borrows it."""
    words = shlex.split(command)
    if words[0] == "make":
        words[1:1] = ["-o", "setup"]
    own = {"PYTHON_IMAGE": base("python:3.12.1-slim-bookworm")} if words[0].endswith("run.sh") else {}
    _run(words, checkout, **at_home(checkout, results), **own)


def at_home(checkout: Path, results: Path) -> dict[str, str]:
    """The variables that make the lab use the copy, its code included."""
    return {
        "REPROLAB_ROOT": str(checkout),
        "REPROLAB_RESULTS": str(results),
        "PYTHONPATH": str(checkout / "scripts"),
    }


def _run(words: list[str], folder: Path, **variables: str) -> str:
    # The make that may run these tests must not pass its own variables and jobs on.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))}
    env = kept | {"PYTHONDONTWRITEBYTECODE": "1"} | variables
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, f"$ {' '.join(words)}\nexit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def remaining(client: docker.DockerClient) -> list[Any]:
    """The containers, networks and volumes of the guide's scenario that are on the engine now, in this order."""
    filters: dict[str, Any] = {"label": f"reprolab.scenario={OWN_NAME}"}
    return [
        *client.containers.list(all=True, ignore_removed=True, filters=filters),
        *client.networks.list(filters=filters),
        *client.volumes.list(filters=filters),
    ]
