"""Completion of the command line: the words, the shells, and that it waits for no library of a command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from cases import COMPOSE, EXPERIMENT, ROOT, lay_out
from click.testing import CliRunner
from reprolab.cli import completion, completion_commands, completion_shells, completion_words, main
from reprolab.core.errors import Exit
from reprolab.evidence import lookup

VALUES = COMPOSE.replace("  document:", '  values: {WORKERS: "1 2 4"}\n  document:')


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout with the small scenario, one of two experiments, and one that is malformed."""
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    lay_out(tmp_path, compose=VALUES)
    lay_out(tmp_path, "flash", lamp=EXPERIMENT, bulb=EXPERIMENT.replace("B-1", "B-2").replace('"old"', '"dim"'))
    lay_out(tmp_path, "wrong", lamp="VARIANTS = nothing")
    yield tmp_path


def completed(line: str, shell: str = "bash", breaks: str = "=:") -> list[str]:
    """The words that complete `reprolab LINE`, as bash gets them; those of another shell with their help."""
    environ = {"COMP_LINE": f"reprolab {line}", "COMP_BREAKS": breaks, completion_shells.VARIABLE: f"{shell}_complete"}
    environ |= {"COMP_WORDS": f"reprolab {line}", "COMP_CWORD": line.rpartition(" ")[2]}
    if shell == "zsh":
        environ["COMP_CWORD"] = str(line.count(" ") + 1)
    result = CliRunner().invoke(main.main, env=environ)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return [line for line in result.stdout.splitlines() if line]


def words(line: str) -> list[str]:
    """The plain words that complete `reprolab LINE` in a shell that splits no words."""
    return [text.partition(",")[2] for text in completed(line, breaks="")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ju", ["judge"]),
        ("no-", []),
        ("run ", ["blink", "flash", "wrong"]),
        ("run bl", ["blink"]),
        ("run flash/", ["flash/bulb", "flash/lamp"]),
        ("run flash/l", ["flash/lamp"]),
        ("watch blink f", ["flash"]),
        ("run blink --var", ["--variant"]),
        ("run blink --variant ", ["documented", "old"]),
        ("run blink --variant old --variant ", ["documented"]),
        ("run flash/bulb --variant ", ["documented", "dim"]),
        ("run --variant old blink --variant ", ["documented"]),
        ("run blink --set ", ["RELEASE=", "WORKERS=", "LOAD_THREADS=", "LOAD_CONNECTIONS=", "LOAD_DURATION="]),
        ("run blink --set REL", ["RELEASE="]),
        ("run blink --set RELEASE=", ["RELEASE=1.0", "RELEASE=0.9"]),
        ("up blink --set WORKERS=", ["WORKERS=2", "WORKERS=1", "WORKERS=4"]),
        ("run blink --set RELEASE=0.9 --set R", []),
        ("matrix blink --over RELEASE=1,2 --set R", []),
        ("matrix blink --over WOR", ["WORKERS="]),
        ("bisect blink --factor ", ["RELEASE", "WORKERS", "KERNEL"]),
        ("matrix blink --set K", ["KERNEL="]),
        ("shrink blink --set K", ["KERNEL="]),
        ("matrix blink --over KERNEL=5.10,6.1 --set K", []),
        ("run blink --set K", []),
        ("run blink --ker", ["--kernel"]),
        ("shrink blink --claim ", ["B-1"]),
        ("export blink --from ", ["shrink"]),
        ("new-scenario new --add re", ["reproducer"]),
        ("take split", ["split-request"]),
        ("run wrong --variant ", []),
        ("run nothing --set ", []),
        ("run --set ", []),
        ("run blink --trials ", []),
        ("run 'bli", ["blink"]),
        ("completion ", []),
    ],
)
def test_each_parameter_has_its_words(line: str, expected: list[str]) -> None:
    """A factor that has a value is offered no more: a second value is an error."""
    assert words(line) == expected


def test_the_services_of_a_stack_to_adopt(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the file that stands before, or of the one in a directory. A file that is no Compose file gives no word."""
    stack = home / "stack"
    stack.mkdir()
    (stack / "docker-compose.yml").write_text("services: {web: {}, worker: {}, db: {}}\n", encoding="utf-8")
    (stack / "notes.txt").write_text("{", encoding="utf-8")
    monkeypatch.chdir(stack)
    assert words("adopt docker-compose.yml --app w") == ["web", "worker"]
    assert words("adopt . --proxy ") == ["web", "worker", "db"]
    assert words("adopt notes.txt --app ") == words("adopt missing.yml --app ") == []


def test_runs_and_kept_logs(home: Path) -> None:
    """Scenarios that have runs; behind a slash their runs, the newest first."""
    for name, stamp in (("blink", "20260101T000000Z"), ("blink", "20260202T000000Z"), ("gone", "20260303T000000Z")):
        path = home / "results" / name / stamp
        path.mkdir(parents=True)
        (path / "run.json").write_text("{}", encoding="utf-8")
    (home / "results" / "by-hand" / "blink" / "one").mkdir(parents=True)
    (home / "results" / "matrix" / "blink" / "20260404T000000Z").mkdir(parents=True)
    (home / "results" / "matrix" / "blink" / "20260404T000000Z" / "matrix.json").touch()
    stamps = ["blink/20260202T000000Z", "blink/20260101T000000Z"]
    assert words("judge ") == ["blink", "gone"]
    assert words("judge blink/") == words("accept blink/") == words("demo blink --replay blink/") == stamps
    assert words("compare ") == ["blink", "gone", "by-hand/blink/one"]
    assert words("compare blink/20260202T000000Z o") == ["old"]
    assert words("matrix blink --show ") == ["latest", "20260404T000000Z"]
    assert words("up blink --as ") == ["one"]
    assert words("bugreport --scenario f") == ["flash"]
    assert words("bugreport b") == ["blink"]


def test_the_runs_are_where_the_lab_has_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REPROLAB_RESULTS names another directory for completion too."""
    for value in ("", str(home / "other")):
        monkeypatch.setenv("REPROLAB_RESULTS", value)
        line = completion_words.Line(click.Context(click.Command("run")))
        assert line.results == lookup.results_root(home)


def test_files_are_left_to_the_shell() -> None:
    """It knows them better."""
    assert completed("run blink --junit ") == ["file,"] and completed("export blink --output ") == ["dir,"]


@pytest.mark.parametrize(
    ("line", "breaks", "expected"),
    [
        ("run blink --set RELEASE=0", "=:", ["plain,0.9"]),
        ("run blink --set RELEASE=", "=:", ["plain,1.0", "plain,0.9"]),
        ("run blink --set RELEASE=0", " ", ["plain,RELEASE=0.9"]),
        ("run blink --set RELE", "=:", ["plain,RELEASE="]),
    ],
)
def test_bash_gets_the_part_behind_the_last_break(line: str, breaks: str, expected: list[str]) -> None:
    """It keeps what stands before, and would else have it twice."""
    assert completed(line, breaks=breaks) == expected


def test_a_value_with_spaces_is_one_word_in_bash(home: Path) -> None:
    """bash inserts it as it is."""
    text = EXPERIMENT.replace('"0.9"', '"a b; c"')
    (home / "scenarios" / "blink" / "lamp.py").write_text(text, encoding="utf-8")
    assert completed("run blink --set RELEASE=a") == ["plain,'a b; c'"]


def test_zsh_and_fish_get_help_in_one_line() -> None:
    """zsh reads three lines for each word, fish one."""
    assert completed("run blink --variant o", "zsh") == ["plain", "old", "RELEASE=0.9"]
    assert completed("run blink --variant o", "fish") == ["plain,old\tRELEASE=0.9"]
    lines = completed("run blink --kee", "fish")
    assert [line.partition("\t")[0] for line in lines] == ["plain,--keep-going", "plain,--keep"]
    assert all(len(line) < 120 for line in lines)


def real(name: str) -> click.Command:
    """A command as the lab runs it."""
    command = main.main.get_command(click.Context(main.main), name)
    assert command is not None
    return command


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_what_is_read_from_the_source_is_what_runs(name: str) -> None:
    """Options and arguments, in their order, with all that decides how a line is read."""

    def facts(command: click.Command) -> list[tuple[object, ...]]:
        return [
            (
                *(param.param_type_name, param.name, param.opts, param.nargs, param.multiple, param.metavar),
                getattr(param, "is_flag", False),
                *(isinstance(param.type, click.Path), isinstance(param.type, click.Choice)),
            )
            for param in command.params
        ]

    module, function = main.COMMANDS[name]
    read, runs = completion_commands.command(module, function, name), real(name)
    assert facts(read) == facts(runs) and read.hidden == runs.hidden
    for part, whole in zip(read.params, runs.params, strict=True):
        # A text that is put together is left out.
        assert getattr(part, "help", None) in (None, getattr(whole, "help", None))


def test_every_kind_of_word_belongs_to_a_parameter() -> None:
    """A metavar that was renamed would lose its words without a sign."""
    params = [param for name in main.COMMANDS for param in real(name).params]
    known = {param.metavar for param in params} | {param.name for param in params}
    assert set(completion_words.WORDS) <= known


@pytest.mark.parametrize(
    "line", ["", "run blink --variant ", "judge ", "compare blink ", "bugreport ", "demo b", "doctor --"]
)
def test_completion_waits_for_no_library_of_a_command(line: str) -> None:
    """The engine's library, the drawing library and the templates take most of a second."""
    code = (
        "import sys\nfrom reprolab.cli.main import main\n"
        "try: main(prog_name='reprolab')\n"
        "except SystemExit: pass\n"
        "print(sorted({'docker', 'altair', 'requests', 'jinja2', 'vl_convert'} & set(sys.modules)), file=sys.stderr)"
    )
    environ = {**os.environ, "COMP_LINE": f"reprolab {line}", completion_shells.VARIABLE: "bash_complete"}
    environ["PYTHONPATH"] = str(ROOT / "scripts")
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_bash_itself_completes(home: Path) -> None:
    """The script as bash reads it, with a program that is named by its path."""
    program = home / "bin" / "reprolab"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom reprolab.cli.main import main\nmain(prog_name='reprolab')\n")
    program.chmod(0o755)
    script = home / "completion.bash"
    script.write_text(completion_shells.script("bash"), encoding="utf-8")
    typed = "reprolab run blink --set RELEASE=0"
    code = (
        f"set -u; . {script}; complete -p reprolab; COMP_LINE='{typed}  --json' COMP_POINT={len(typed)}\n"
        f'_reprolab_completion {program}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(["bash", "--norc", "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["0.9"] and "-F _reprolab_completion reprolab" in done.stdout


@pytest.mark.parametrize("shell", [name for name in completion_shells.SHELLS if shutil.which(name)])
def test_the_scripts_are_valid(shell: str, tmp_path: Path) -> None:
    """Of the shells that are here."""
    path = tmp_path / "script"
    path.write_text(completion_shells.script(shell), encoding="utf-8")
    subprocess.run([shell, "-n", str(path)], check=True)


@pytest.mark.parametrize("shell", completion_shells.SHELLS)
def test_one_command_installs_it(home: Path, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """A second time it writes the script again, and adds no second line; the user's own lines stay."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home / "it's me"))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    settings = home / "settings"
    settings.write_bytes(b"alias x=y \xff")
    start = home / "it's me" / completion.START_FILES.get(shell, "none")
    start.parent.mkdir()
    start.symlink_to(settings)
    for _ in range(2):
        result = CliRunner().invoke(main.main, ["completion", "--install"])
        assert result.exit_code == 0 and f"it works in a new {shell}" in result.output
    written = [path for path in start.parent.rglob("*") if path.is_file() and path != start]
    assert [path.read_text(encoding="utf-8") for path in written] == [completion_shells.script(shell)]
    lines = settings.read_bytes().split(b"\n")
    if shell == "fish":
        assert lines == [b"alias x=y \xff"] and written[0].parts[-3:] == ("fish", "completions", "reprolab.fish")
    else:
        assert start.is_symlink() and lines[0] == b"alias x=y \xff" and len(lines) == 3
        done = subprocess.run(
            ["sh", "-c", lines[1].decode().replace("&& .", "&& cat")], capture_output=True, check=True
        )
        assert done.stdout.decode() == completion_shells.script(shell)


def test_without_install_the_script_is_printed() -> None:
    """For who puts it somewhere else."""
    result = CliRunner().invoke(main.main, ["completion", "zsh"])
    assert result.output == completion_shells.script("zsh")


def test_another_shell_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the shells that it can be."""
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    for arguments in ([], ["ksh"]):
        result = CliRunner().invoke(main.main, ["completion", *arguments, "--install"])
        assert result.exit_code == Exit.USAGE and "expected: one of bash, zsh, fish" in result.output
