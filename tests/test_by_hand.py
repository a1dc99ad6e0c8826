"""Stacks by hand: their names, their files, which stacks are up, and how copies of their logs are compared."""

from __future__ import annotations

import gzip
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, lay_out, trial, write_run_json
from click.testing import CliRunner, Result
from reprolab.cli import main
from reprolab.compare import by_hand as sides
from reprolab.core import files
from reprolab.core.errors import EngineError, Exit, UsageError
from reprolab.engine.host_facts import Host
from reprolab.evidence import by_hand, lookup
from reprolab.evidence.by_hand import StackInfo
from reprolab.run import manual

LOG = "2026-01-02T12:00:00.{:03}000000Z {}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a temporary checkout with the small scenario. A test that asks for the engine fails."""
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    monkeypatch.setattr(manual, "client", lambda: pytest.fail("the engine is asked for"))
    lay_out(tmp_path)
    return tmp_path


def lab(*arguments: str) -> Result:
    """Call the command line and return its result."""
    return CliRunner().invoke(main.main, list(arguments))


def keep(root: Path, name: str, *lines: str, scenario: str = "blink", **changes: str) -> Path:
    """Write a copy of a stack's logs, as `logs` does. Return its directory."""
    copy = by_hand.create_copy(root, scenario, name)
    files.write_json(copy.path / by_hand.MODEL, {"services": {"blink-app": {"environment": changes}}})
    log = "".join(LOG.format(number, line) for number, line in enumerate(lines))
    copy.log_path("app").write_bytes(gzip.compress(log.encode()))
    factors = {"RELEASE": "1.0", "WORKERS": "2"}
    StackInfo(scenario, name, factors, changes, Host(kernel="6")).write(copy.path / by_hand.STACK)
    return copy.path


def measured(root: Path) -> str:
    """Write a run of the small scenario with one trial. Return its name for the command line."""
    run = lookup.create_run(root, "blink")
    plan = [{"experiment": "lamp", "variant": "documented", "factors": {}, "trials": 1}]
    write_run_json(run, started="2026-01-02", status="complete", plan=plan)
    run.append(trial())
    path = run.trial("lamp", "documented", 1).log_path("app")
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(LOG.format(0, "from the run").encode()))
    lookup.point_latest(run)
    return f"blink/{run.name}"


# -- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["with", "gunicorn_19-5", "2", "w" * by_hand.LONGEST])
def test_what_can_be_a_name(name: str) -> None:
    """A valid name can be part of a Compose project name and the name of a directory."""
    assert by_hand.checked_name(name) == name


@pytest.mark.parametrize("name", ["With", "a b", "../up", "-a", "a-", "a/b", "20260101T000000Z", "w" * 31])
def test_what_cannot_be_a_name(home: Path, name: str) -> None:
    """Every command exits with status 2 and explains which names are valid. It starts nothing."""
    for command in ("up", "down", "logs", "wrk"):
        result = lab(command, "blink", f"--as={name}")
        assert result.exit_code == Exit.USAGE
        assert "is no name of a stack" in result.output
        assert "small letters and digits" in result.output


def test_the_stack_without_a_name_is_the_default_one() -> None:
    """The empty name and "default" mean the same stack."""
    assert by_hand.checked_name("") == by_hand.checked_name("default") == "default"


def test_each_name_is_a_project_of_its_own(tmp_path: Path) -> None:
    """Stacks with different names have different Compose projects. The default stack's project has no suffix."""
    projects = [manual._project(tmp_path, "blink", name) for name in ("", "default", "one", "two")]
    plain = f"reprolab-blink-{manual.stamp(tmp_path)}"
    assert projects == [plain, plain, f"{plain}-one", f"{plain}-two"]


@pytest.mark.parametrize("target", ["up", "wrk", "logs", "down"])
def test_make_hands_the_name_over(target: str) -> None:
    """make passes AS as --as, not as a factor. Without AS it passes no name: AS also is a built-in variable of make."""
    for given, words in (([], []), (["AS=one"], ["--as", "one"])):
        command = ["make", "-n", "-o", "setup", f"{target}-enable-threads", *given]
        printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert shlex.split(printed) == [".venv/bin/reprolab", target, "enable-threads", *words]


# -- what is up -----------------------------------------------------------------------------------


def stand(root: Path, monkeypatch: pytest.MonkeyPatch, *names: str, gone: tuple[str, ...] = ()) -> None:
    """Set up stacks that are up (``names``), and stacks with files but without containers (``gone``)."""
    for name in (*names, *gone):
        model = {"name": manual._project(root, "blink", name), "services": {}}
        files.write_json(by_hand.place(root, "blink", name).path / by_hand.MODEL, model)
    projects = {manual._project(root, "blink", name) for name in names}

    def listed(*, filters: dict[str, str], **_: Any) -> list[str]:
        return [one for one in projects if filters["label"] == f"com.docker.compose.project={one}"]

    engine = SimpleNamespace(containers=SimpleNamespace(list=listed))
    monkeypatch.setattr(manual, "client", lambda: engine)


@pytest.mark.parametrize("command", ["logs", "wrk", "down"])
def test_a_mistyped_name_comes_with_those_that_are_up(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The message suggests the nearest name and lists the stacks that are up. A stack without containers is not up."""
    stand(home, monkeypatch, "without", "with", "default", gone=("old",))
    result = lab(command, "blink", "--as", "wihout")
    assert result.exit_code == Exit.USAGE
    assert "blink --as wihout is not up (did you mean without?)" in result.output
    assert "one that is up: no --as, --as with, --as without\n" in result.output


def test_where_only_named_stacks_are_up_it_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AS a command means the default stack. The message lists the named stacks that are up."""
    stand(home, monkeypatch, "with")
    result = lab("logs", "blink")
    assert result.exit_code == Exit.USAGE
    assert "blink is not up without a name\n  expected: one that is up: --as with" in result.output


def test_down_of_what_is_not_up_is_fine_and_names_the_others(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command succeeds, also for the name of a stack that was up before. It lists the stacks that are up."""
    stand(home, monkeypatch, "with")
    keep(home, "without", "a line")
    others = "still up: blink --as with  (reprolab down blink --as with)\n"
    assert lab("down", "blink").output == f"blink is not up\n{others}"
    assert lab("down", "blink", "--as", "without").output == f"blink --as without is not up\n{others}"


def test_nothing_up_needs_no_engine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no stack is up, the engine is not needed. The message of `logs` shows how to start the stack."""

    def gone() -> None:
        raise EngineError("no engine")

    monkeypatch.setattr(manual, "client", gone)
    assert lab("down", "blink").output == "blink is not up\n"
    result = lab("logs", "blink", "--as", "one")
    assert result.exit_code == Exit.USAGE
    assert "blink --as one is not up\n  to do:    reprolab up blink --as one" in result.output


# -- copies, compared -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("by-hand/blink/old", "by-hand/blink/new"),
        ("blink/old", "blink/new"),
        ("old", "new"),
        ("by-hand/blink", "old", "new"),
        ("results/by-hand/blink/old", "by-hand/blink/new"),
    ],
)
def test_the_forms_of_the_command_line(home: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    """An argument is the directory of a copy, or the name of a stack, which means its latest copy."""
    keep(home, "old", "an older copy")
    copies = [keep(home, "old", "a"), keep(home, "new", "b")]
    monkeypatch.chdir(home)
    found = sides.find(home, words, ())
    assert found is not None
    assert [side.run.path for side in found] == copies


def test_two_copies_of_one_stack(home: Path) -> None:
    """The stamp selects an earlier copy. The comparison shows the stamps of both copies."""
    copies = [keep(home, "one", "before"), keep(home, "one", "after")]
    result = lab("compare", f"by-hand/blink/one/{copies[0].name}", "one")
    assert result.exit_code == 0, result.output
    assert f"< {copies[0].name} one" in result.output
    assert f"> {copies[1].name} one" in result.output


def test_what_there_is_of_two_stacks_is_compared(home: Path) -> None:
    """The comparison covers factors, host, model and logs. It states that stacks by hand have no trials."""
    keep(home, "one", "both", "only here")
    keep(home, "two", "both", WORKERS="3")
    result = lab("compare", "one", "two")
    assert result.exit_code == 0, result.output
    for text in (
        "blink · by-hand",
        "> two   WORKERS=3 · logs kept ",
        "a stack by hand has no trials: signs, columns and verdicts are left out",
        "factors: 1 difference, 1 the same",
        "only one  1 | 0",
        "no packages are on record for one of the sides",
        "a stack by hand is up once",
    ):
        assert text in result.output
    assert "TRIALS=" not in result.output


def test_the_page_of_two_stacks(home: Path) -> None:
    """The heading of the page has the names of both stacks."""
    keep(home, "one", "only here")
    keep(home, "two", "only there")
    page = home / "page.html"
    assert lab("compare", "one", "two", "--html", str(page)).exit_code == 0
    assert "<h1>one and two</h1>" in page.read_text(encoding="utf-8")


def test_the_figures_of_the_load_are_compared(home: Path) -> None:
    """The comparison has the figures of the last load before the copy, without the printed text of wrk."""
    for name, count in (("one", 100), ("two", 900)):
        copy = keep(home, name, "a")
        files.write_json(copy / "wrk.json", {"requests": count, "text": "Running"})
    result = lab("compare", "one", "two")
    assert "observations: 1 difference" in result.output
    assert "load.requests" in result.output


def test_a_stack_beside_a_run(home: Path) -> None:
    """A copy is compared with the documented variant of a run. A word without a path after a run is a variant."""
    run = measured(home)
    keep(home, "one", "by hand")
    result = lab("compare", "by-hand/blink/one", run)
    assert result.exit_code == 0, result.output
    assert "from the run" in result.output
    assert "by hand" in result.output
    assert "has no variant 'one'" in lab("compare", run, "one").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["by-hand/blink/one", "by-hand/blink/tow"], ["by-hand/blink/tow (did you mean two?)", "by-hand/blink/one"]),
        (["one", "tow"], ["'tow' is neither a copy of a stack by hand nor a run (did you mean two?)"]),
        (["one", "one"], ["one is on both sides", "reprolab logs blink --as one keeps another copy"]),
        (["one", "two", "--variant", "old"], ["a stack by hand has no variants"]),
        (["by-hand/blink/one", "blink"], ["blink has no run yet", "reprolab run blink"]),
        (
            ["by-hand/blink/up", "one"],
            ["by-hand/blink/up", "reprolab logs blink --as up keeps one while the stack is up"],
        ),
        (["one", "by-hand/blink/shared"], ["by-hand/blink/shared", "there are by-hand/blink/one, by-hand/blink/two"]),
        (["one", "shared"], ["several scenarios have a stack 'shared'", "by-hand/glow/shared"]),
    ],
)
def test_refusals_say_what_there_is(home: Path, words: list[str], said: list[str]) -> None:
    """A wrong argument ends with status 2. The message has the nearest name, the known copies, or how to make one."""
    keep(home, "one", "a")
    keep(home, "two", "b")
    by_hand.place(home, "blink", "up").write("compose.json", {})
    if words == ["one", "shared"]:
        for scenario in ("glow", "shine"):
            keep(home, "shared", "c", scenario=scenario)
    result = lab("compare", *words)
    assert result.exit_code == Exit.USAGE, result.output
    for text in said:
        assert text in result.output


def test_other_scenarios_are_compared_by_force_alone(home: Path) -> None:
    """Copies of different scenarios are compared only with --force."""
    keep(home, "one", "a")
    keep(home, "two", "b", scenario="glow")
    assert "the scenarios differ (blink, glow)" in lab("compare", "one", "two").output
    forced = lab("compare", "one", "two", "--force")
    assert forced.exit_code == 0
    assert "compared by force, though the scenarios differ" in forced.output


def test_words_of_runs_are_left_to_runs(home: Path) -> None:
    """If no argument names a copy, find() returns None, and the runs are compared."""
    run = measured(home)
    assert sides.find(home, (run, "documented"), ()) is None
    assert sides.find(home, (run, "documented", "old"), ()) is None
    keep(home, "documented", "a")
    assert sides.find(home, (run, "documented"), ()) is None


def test_half_a_copy_is_none(home: Path) -> None:
    """A directory without stack.json is not a copy. stack.json is written last, so the logs may be incomplete."""
    (keep(home, "one", "a") / by_hand.STACK).unlink()
    with pytest.raises(UsageError, match="no copy of the logs"):
        by_hand.named_copy(home, "by-hand/blink/one")
    assert by_hand.copied_names(home) == []


def test_a_stack_json_of_something_else_is_named(home: Path) -> None:
    """The message names the file that has a wrong format."""
    path = keep(home, "one", "a") / by_hand.STACK
    path.write_text('{"a": 1}', encoding="utf-8")
    result = lab("compare", "by-hand/blink/one", "by-hand/blink/one")
    assert result.exit_code == Exit.USAGE
    assert f"{path} does not have the lab's format" in result.output


def test_a_stack_of_other_results_is_not_called_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no files here, but its containers are there."""
    lay_out(tmp_path)
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "other"))
    monkeypatch.setattr(manual, "client", lambda: None)
    monkeypatch.setattr(manual, "_is_up", lambda api, project: project.startswith("reprolab-blink-by-hand-"))
    with pytest.raises(UsageError, match="blink is up, but its files are not below"):
        manual.down(tmp_path, "blink")
    monkeypatch.setattr(manual, "_is_up", lambda api, project: False)
    manual.down(tmp_path, "blink")
