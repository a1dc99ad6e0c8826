"""The lab's own scenarios in a user's place: `diagnose` knows them everywhere, and `take` copies them."""

from __future__ import annotations

import json
from pathlib import Path

import diagnose_excerpts
import pytest
from cases import ROOT
from click.testing import CliRunner, Result
from reprolab.cli import diagnose as command
from reprolab.cli.main import main
from reprolab.core import shared_files
from reprolab.core.errors import Exit, UsageError
from reprolab.publish import readme_sections
from reprolab.scenario import lab_folder, loader, scaffold, taking
from reprolab.scenario.digest import case_digest

EXCERPT = next(excerpt for excerpt in diagnose_excerpts.excerpts() if excerpt.name == "socket-vanish-heroku")


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in no lab folder, as the working directory of an installed lab; it has a log of socket-vanish."""
    monkeypatch.delenv("REPROLAB_ROOT", raising=False)
    monkeypatch.setattr("reprolab.cli.common.__file__", str(tmp_path / "site-packages/reprolab/cli/common.py"))
    monkeypatch.chdir(tmp_path)
    Path("web.log").write_text(EXCERPT.files["web.log"], encoding="utf-8")
    return tmp_path


@pytest.fixture
def folder(outside: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab folder as the working directory, with the log beside it."""
    lab_folder.create(outside / "my-lab")
    monkeypatch.chdir(outside / "my-lab")
    return outside / "my-lab"


def lab(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments)


# -- diagnose ------------------------------------------------------------------------------------


def test_diagnose_knows_the_cases_outside_of_any_folder(outside: Path) -> None:
    """The command that it shows runs where the user stands: it lays out a folder and takes the case."""
    result = lab("diagnose", "web.log")
    assert result.exit_code == 0 and "matches: socket-vanish" in result.output
    assert (
        "try it: reprolab init my-lab && cd my-lab && reprolab take socket-vanish && reprolab run socket-vanish --set "
        in result.output
    )


def test_diagnose_knows_the_cases_in_a_lab_folder(folder: Path) -> None:
    """As text and as JSON; a case that the folder has needs no taking."""
    assert "try it: reprolab take socket-vanish && reprolab run socket-vanish" in lab("diagnose", "../web.log").output
    taking.take(folder, "socket-vanish")
    content = json.loads(lab("diagnose", "../web.log", "--json").output)
    assert content["cases"][0]["command"].startswith("reprolab run socket-vanish --set ")


def test_a_changed_case_of_the_folder_counts(folder: Path) -> None:
    """Its own signature stands before the lab's."""
    file = folder / taking.take(folder, "socket-vanish") / "signature.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("a thread worker that restarts at max_requests removes", "it takes away"), "utf-8")
    assert "matches: socket-vanish: it takes away the socket" in lab("diagnose", "../web.log").output


def test_verify_takes_the_case_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is one of the lab folder."""
    roots = []

    class Session:
        run = None

        def __init__(self, root: Path, *_: object) -> None:
            roots.append(root)

        def execute(self) -> Exit:
            return Exit.AS_RECORDED

    monkeypatch.setattr(command, "Session", Session)
    monkeypatch.setattr(command.releases, "check", lambda *_: None)
    result = lab("diagnose", "../web.log", "--verify")
    assert result.exit_code == 0, result.output
    assert "taken into this lab folder: scenarios/socket-vanish" in result.output
    assert roots == [folder] and "socket-vanish" in loader.names(folder)
    assert "taken" not in lab("diagnose", "../web.log", "--verify").output


def test_verify_outside_of_any_folder_says_what_it_needs(outside: Path) -> None:
    """A run must leave its evidence somewhere."""
    result = lab("diagnose", "web.log", "--verify")
    assert result.exit_code == Exit.USAGE
    assert "no lab folder here or above" in result.output and "reprolab init my-lab" in result.output


def test_verify_points_to_the_commands_of_cases_that_no_log_shows(folder: Path) -> None:
    """The answer names such cases, so the message must not say that there is none."""
    Path("app.log").write_text("[2026-03-02 07:02:44 +0000] [9] [INFO] Using worker: gthread\n", encoding="utf-8")
    result = lab("diagnose", "app.log", "--version", "gunicorn=20.1.0", "--verify")
    assert result.exit_code == Exit.INCONCLUSIVE and "idle-connections" in result.output
    assert "the cases that no log shows have their commands above" in result.output


@pytest.mark.parametrize(("logs", "message"), [((), "no log is given"), (("-", "-"), "standard input is given twice")])
def test_the_message_about_logs_names_the_one_fault(outside: Path, logs: tuple[str, ...], message: str) -> None:
    """A pipe without `-` is a common slip."""
    result = lab("diagnose", *logs)
    assert result.exit_code == Exit.USAGE and f"reprolab: {message}\n" in result.output
    assert "- once for standard input" in result.output


def test_the_guide_that_is_named_can_be_opened(outside: Path) -> None:
    """Where nothing matches, in a directory without docs/."""
    Path("app.log").write_text("nothing\n", encoding="utf-8")
    (line,) = (line for line in lab("diagnose", "app.log").output.splitlines() if line.startswith("make a case of it"))
    assert Path(line.partition("; ")[2].partition(" shows")[0]).is_file()


# -- take ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", taking.names())
def test_every_case_loads_where_it_was_taken_to(folder: Path, name: str) -> None:
    """With its claims and its signatures, and without the lab's own history; for a record it is the same case."""
    directory = folder / taking.take(folder, name)
    assert [claim.id for claim in loader.load(folder, name).claims] == [c.id for c in loader.load(ROOT, name).claims]
    assert loader.signatures(loader.load(folder, name)) == loader.signatures(loader.load(ROOT, name))
    taken, here = (loader.signatures(loader.load(root, name)) for root in (folder, ROOT))
    assert [row.title for row in taken] == [row.title for row in here]
    assert case_digest(directory) == case_digest(ROOT / "scenarios" / name)
    assert not list(directory.rglob("*.jsonl")) and not list(directory.rglob("*.pyc"))
    assert f"  - scenarios/{name}/compose.yaml" in (folder / "compose.yaml").read_text(encoding="utf-8").splitlines()


def test_take_names_what_it_wrote_and_how_it_runs(folder: Path) -> None:
    """The folder's pages are up to date after it; a second time it says that the case is there."""
    result = lab("take", "split-request")
    assert result.exit_code == 0 and "written: scenarios/split-request/" in result.output
    assert result.output.splitlines()[-1] == "it runs as it stands: reprolab run split-request"
    assert readme_sections.stale(folder) == []
    assert "scenarios/split-request is there already" in lab("take", "split-request").output
    assert "did you mean split-request?" in lab("take", "split-requst").output


def test_take_without_a_name_lists_the_cases(outside: Path) -> None:
    """All of them, each with its title; it needs no folder."""
    lines = lab("take").output.splitlines()
    assert [line.split()[0] for line in lines] == loader.names(ROOT) == taking.names()


def test_a_case_that_the_lab_does_not_have(folder: Path) -> None:
    """Nothing is written."""
    with pytest.raises(UsageError, match="no scenario 'nothing'"):
        taking.take(folder, "nothing")
    assert not (folder / "scenarios/nothing").exists()


def test_the_catalogue_of_an_installed_lab_is_in_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the form of a lab folder: `scenarios/` below it."""
    assert shared_files.catalogue() == ROOT
    monkeypatch.setattr(shared_files, "PACKAGE", tmp_path / "reprolab")
    (tmp_path / "reprolab/catalogue/scenarios").mkdir(parents=True)
    assert shared_files.catalogue() == tmp_path / "reprolab/catalogue"


def test_a_line_that_a_deleted_scenario_left_is_not_written_twice(folder: Path) -> None:
    """Who deletes a scenario and makes it again has it once."""
    for _ in range(2):
        scaffold.include(folder, "again")
    assert (folder / "compose.yaml").read_text(encoding="utf-8").count("scenarios/again/") == 1
