"""A lab folder of one's own: `reprolab init`, and how the commands find the folder."""

from __future__ import annotations

import re
from pathlib import Path

import adoption
import pytest
from cases import ROOT
from click.testing import CliRunner, Result
from reprolab.bugreport import spec as bugreport_spec
from reprolab.cli import main
from reprolab.cli.common import project_root
from reprolab.core.errors import Exit, UsageError
from reprolab.demo import script
from reprolab.export import spec as export_spec
from reprolab.publish import readme_sections
from reprolab.scenario import lab_folder, loader


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is in no lab folder, as the working directory."""
    monkeypatch.delenv("REPROLAB_ROOT", raising=False)
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lab(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main.main, arguments)


def test_init_lays_out_a_folder_with_a_scenario(outside: Path) -> None:
    """It names each file, and the command that runs the scenario; the scenario has all additions."""
    result = lab("init", "my-lab")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "written: my-lab/compose.yaml" in lines and "written: my-lab/scenarios/first-case/compose.yaml" in lines
    assert len(lines) == len(set(lines))
    assert lines[-1] == "it runs as it stands: cd my-lab && reprolab run first-case"
    written = {line.removeprefix("written: ") for line in lines[:-1]}
    assert written == {str(p.relative_to(outside)) for p in Path("my-lab").absolute().rglob("*") if p.is_file()}
    scenario = loader.load(outside / "my-lab", "first-case")
    assert script.load(scenario) and bugreport_spec.load(scenario) and export_spec.load(scenario)


def test_every_file_names_commands_of_the_folder(outside: Path) -> None:
    """There is no Makefile, and no docs/."""
    lab_folder.create(outside / "my-lab")
    for path in (outside / "my-lab").rglob("*"):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        assert "make " not in text.replace("docker make", "") and "docs/" not in text, path
        assert str(ROOT) not in text, path


def test_the_pages_of_a_new_folder_are_up_to_date(outside: Path) -> None:
    """Its README has a row for the scenario."""
    lab("init", "my-lab")
    assert readme_sections.stale(outside / "my-lab") == []
    assert "scenarios/first-case/README.md" in (outside / "my-lab/README.md").read_text(encoding="utf-8")


def test_nothing_that_is_there_is_overwritten(outside: Path) -> None:
    """A project's own compose.yaml stays; the message names it, and a place for the lab."""
    (outside / "compose.yaml").write_text("services: {}\n", encoding="utf-8")
    result = lab("init", ".")
    assert result.exit_code == Exit.USAGE
    assert "has compose.yaml already; nothing was written" in result.output and "lab" in result.output
    assert [path.name for path in outside.iterdir()] == ["compose.yaml"]


@pytest.mark.parametrize(
    ("name", "message"), [("", "is empty"), (" ", "is empty"), ("/proc/nothing", "cannot be made")]
)
def test_a_folder_that_cannot_be_is_a_message(outside: Path, name: str, message: str) -> None:
    """An empty name comes from a shell's variable that is not set; it must not be the working directory."""
    result = CliRunner().invoke(main.main, ["init", name])
    assert result.exit_code == Exit.USAGE
    assert message in result.output
    assert not list(outside.iterdir())


def test_a_link_to_nothing_is_not_followed(outside: Path) -> None:
    """A file of the lab would be written where it points to."""
    (outside / "lab").mkdir()
    (outside / "lab/compose.yaml").symlink_to(outside / "elsewhere")
    with pytest.raises(UsageError, match=r"has compose\.yaml already"):
        lab_folder.create(outside / "lab")
    assert not (outside / "elsewhere").exists()


def test_a_bad_name_leaves_no_folder(outside: Path) -> None:
    """The name is checked before anything is written."""
    assert lab("init", "my-lab", "--scenario", "Bad Name").exit_code == Exit.USAGE
    assert not (outside / "my-lab").exists()
    (outside / "file").touch()
    assert "is no directory" in lab("init", "file").output


def test_the_folder_is_found_from_below(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As git does it; the nearest one counts, and REPROLAB_ROOT stands before the working directory."""
    lab_folder.create(outside / "my-lab")
    below = outside / "my-lab/scenarios/first-case/requirements"
    monkeypatch.chdir(below)
    assert project_root() == outside / "my-lab"
    lab_folder.create(below / "inner")
    monkeypatch.chdir(below / "inner/scenarios")
    assert project_root() == below / "inner"
    monkeypatch.setenv("REPROLAB_ROOT", str(outside / "my-lab"))
    assert project_root() == outside / "my-lab"


def test_outside_of_a_folder_the_message_says_how_to_get_one(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab that is installed has no checkout to fall back to."""
    monkeypatch.setattr("reprolab.cli.common.__file__", str(outside / "site-packages/reprolab/cli/common.py"))
    with pytest.raises(UsageError, match=r"no lab folder found in .*\n.*expected: .*\n.*reprolab init my-lab"):
        project_root()


# -- docs/own-lab.md -----------------------------------------------------------------------------


def quoted(page: str) -> list[tuple[str, list[str]]]:
    """The commands of a page, each with the lines that it quotes of the output."""
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.M | re.S)
    commands = [part for block in blocks for part in block.split("$ ")[1:]]
    return [(lines[0], lines[1:]) for lines in (command.splitlines() for command in commands)]


@pytest.mark.docker
def test_the_page_is_followed(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command succeeds and prints what the page quotes, in this order. Compose is asked, no container starts."""
    adoption.stack(outside)
    commands = quoted((ROOT / "docs/own-lab.md").read_text(encoding="utf-8"))
    assert [command.split()[1] for command, _ in commands] == ["init", "my-lab", "new-scenario", "list", "adopt"]
    for command, lines in commands:
        program, *words = command.split()
        if program == "cd":
            monkeypatch.chdir(words[0])
            continue
        result = lab(*words)
        assert program == "reprolab" and result.exit_code == 0, result.output
        printed = iter(result.output.splitlines())
        for line in lines:
            assert line == "..." or line in printed, f"{command}: {line}"


@pytest.mark.docker
def test_the_page_names_the_options_of_adopt() -> None:
    """All of them, and no other."""
    page = (ROOT / "docs/own-lab.md").read_text(encoding="utf-8")
    options = set(re.findall(r"^  (--[a-z]+)", lab("adopt", "--help").output, re.M)) - {"--help"}
    assert options == set(re.findall(r"^\| `(--[a-z]+) ", page, re.M))
