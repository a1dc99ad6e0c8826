"""Hints name commands and options as the user types them: for make or for the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import ROOT, claim, in_memory, load, trials
from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.report import terminal
from reprolab.run.plan import RunOptions, make_plan
from reprolab.verdict.judge import judge


def test_commands_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under make some options are variables and the others go into ARGS."""
    assert command_text.option("trials", 20) == "--trials 20"
    assert command_text.option("variant") == "--variant"
    assert command_text.command("judge x", "judge RUN=x") == "reprolab judge x"
    monkeypatch.setenv(command_text.BY_MAKE, "1")
    assert command_text.option("trials", 20) == "TRIALS=20"
    assert command_text.option("variant") == "VARIANT"
    assert command_text.option("output", "DIR") == 'ARGS="--output DIR"'
    assert command_text.option("force") == "ARGS=--force"
    assert command_text.command("judge x", "judge RUN=x") == "make judge RUN=x"


def test_every_variable_is_one_of_the_makefile() -> None:
    """The Makefile knows each variable that a hint may name."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    takes = {kind: words.split() for kind, words in re.findall(r"^TAKES_(\S+) :=(.*)$", makefile, re.M)}
    known = {word for words in takes.values() for word in words}
    assert {name.upper().replace("-", "_") for name in (*command_text.VARIABLES, *command_text.FLAGS)} <= known
    assert takes["scenario"] == list(command_text.RUN_WORDS)
    assert takes["up"] == list(command_text.UP_WORDS)


def test_the_kernel_of_a_question_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run it is an option; make has one word for both."""
    monkeypatch.delenv(command_text.BY_MAKE, raising=False)
    words = {"CLAIM": "B-1", "KERNEL": "5.10.223"}
    assert command_text.ask("shrink", "blink", words) == "reprolab shrink blink --claim B-1 --set KERNEL=5.10.223"
    assert command_text.option("kernel", "5.10") == "--kernel 5.10"
    monkeypatch.setenv(command_text.BY_MAKE, "1")
    assert command_text.ask("shrink", "blink", words) == "make shrink-blink CLAIM=B-1 KERNEL=5.10.223"
    assert command_text.option("kernel", "5.10") == "KERNEL=5.10"


def test_a_run_is_named_as_its_user_types_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes the output only is left out for make."""
    given = "run blink/lamp --variant old --variant=new --set A=1 --kernel 5.10 --keep-going -v --set B=x --output DIR"
    words = ("reprolab", *given.split(), "--set", "C=two words")
    monkeypatch.delenv(command_text.BY_MAKE, raising=False)
    assert command_text.typed(words) == f"reprolab {given} --set 'C=two words'"
    monkeypatch.setenv(command_text.BY_MAKE, "1")
    assert command_text.typed(words) == (
        "make scenario-blink EXPERIMENT=lamp VARIANT='old new' KERNEL=5.10 ARGS=\"--output DIR\" KEEP_GOING=1 "
        "A=1 B=x 'C=two words'"
    )
    assert command_text.typed(("reprolab", "judge", "x")) == "reprolab judge x"


def test_a_message_has_the_words_that_were_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """make's variables where make runs the lab; options of `reprolab` that no variable stands for stay."""
    message = "Invalid value for '--trials': 'x'; --keep-going and --follow"
    monkeypatch.delenv(command_text.BY_MAKE, raising=False)
    assert command_text.as_typed(message) == message
    monkeypatch.setenv(command_text.BY_MAKE, "1")
    assert command_text.as_typed(message) == "Invalid value for TRIALS: 'x'; KEEP_GOING and --follow"


def test_hints_under_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the notes below a table and in the errors of a plan."""
    monkeypatch.setenv(command_text.BY_MAKE, "1")
    notes = terminal.doubts(judge(in_memory(claim()), "now", trials(documented="+")))
    assert notes.endswith("run with TRIALS=20 for a closer bound")
    scenario = load(tmp_path)
    with pytest.raises(UsageError, match=r"JOBS=2: blink puts load.*\n.*expected: JOBS=1"):
        make_plan(scenario, RunOptions("blink", jobs=2))
    with pytest.raises(UsageError, match="make's command line: blink has no factor RELAESE"):
        make_plan(scenario, RunOptions("blink", settings={"RELAESE": "1"}))
    with pytest.raises(UsageError, match="and VARIANT names others"):
        make_plan(scenario, RunOptions("blink", variants=("old",), settings={"RELEASE": "1"}))


OPTIONS = "variant|set|thin|observe|trials|jobs|keep|replay|speed|html|force|also|only|no-runs|output|log|all-variants"
COMMANDS = "run|watch|judge|html|compare|site|accept|bugreport|docs|doctor|clean|up|down|logs|wrk|export|demo|bundle"
WORDS = re.compile(rf"(?<!\w)--(?:{OPTIONS})\b|\breprolab (?:{COMMANDS})\b")


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts in a piece of code, except the arguments of `command_text`."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("command_text."):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for inner in ast.iter_child_nodes(node):
        yield from texts(inner)


def shows_text(node: ast.AST) -> bool:
    """Whether a piece of code shows text to the user: an error, or a line on the terminal."""
    if isinstance(node, ast.Raise):
        return True
    return isinstance(node, ast.Call) and bool(re.search(r"(Error|Text|Facts|progress|echo)$", ast.unparse(node.func)))


@pytest.mark.parametrize("path", sorted((ROOT / "scripts" / "reprolab").rglob("*.py")), ids=lambda path: path.stem)
def test_no_message_names_an_option_by_itself(path: Path) -> None:
    """Messages get the names of options and commands from `command_text`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for text in texts(node) if shows_text(node) else ():
            hint = "by command_text.option() or command_text.command()"
            assert not WORDS.search(text), f"{path.name}: write {text!r} {hint}"


def advised_targets() -> Iterator[tuple[str, str]]:
    """The beginning of each make target that a message names by `command_text.command`, with its file.

    A call may name the function with or without its module.
    """
    for path in sorted((ROOT / "scripts" / "reprolab").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("command", "command_text.command"):
                make = node.args[1] if len(node.args) > 1 else None
                first = make.values[0] if isinstance(make, ast.JoinedStr) else make
                if isinstance(first, ast.Constant):
                    yield path.name, str(first.value)


@pytest.mark.parametrize(("file", "target"), sorted(set(advised_targets())))
def test_a_message_names_a_target_that_exists(file: str, target: str) -> None:
    """A user who follows the advice must not be told that there is no such target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    names = re.findall(r"^\$\(addprefix ([a-z]+-),|^([a-z-]+):", makefile, re.M)
    word = target.split()[0]
    assert any(word.startswith(prefix) if prefix else word == name for prefix, name in names), f"{file}: make {target}"


HARD_CODED = re.compile(
    r"\bmake (scenario|up|down|wrk|logs|demo|export|bugreport|report|matrix|bisect|shrink)-|"
    r"`make [a-z-]+`|\bmake (html|judge|accept|compare|docs|bundle|load|clean) \w+="
)


@pytest.mark.parametrize("path", sorted((ROOT / "scripts" / "reprolab").rglob("*.j2")), ids=lambda path: path.name)
def test_no_template_names_a_target_by_itself(path: Path) -> None:
    """A lab folder has no Makefile, and its pages and scenarios come from these templates."""
    assert not HARD_CODED.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted((ROOT / "scripts" / "reprolab").rglob("*.py")), ids=lambda path: path.stem)
def test_no_message_names_a_target_by_itself(path: Path) -> None:
    """Only the words about the Makefile's own targets do: make alone calls that command."""
    if path.name in ("make_words.py", "command_text.py"):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        assert not HARD_CODED.search(text), f"{path.name}:{node.lineno}: {text!r}"


def test_only_the_labs_own_makefile_has_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Makefile of the user's that calls `reprolab` does not make messages name targets."""
    monkeypatch.setenv("MAKELEVEL", "1")
    assert command_text.run("blink") == "reprolab run blink"
    assert f"export {command_text.BY_MAKE} := 1" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_files_that_stay_name_what_their_folder_has(tmp_path: Path) -> None:
    """Whoever writes them: targets in the checkout, commands in a lab folder, also beside another Makefile."""
    assert command_text.kept(ROOT, "site", "site") == "make site"
    (tmp_path / "Makefile").touch()
    assert command_text.kept(tmp_path, "site", "site") == "reprolab site"


def test_commands_with_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each form in both words."""
    calls = (
        lambda: command_text.run("blink", ["a", "b"], "lamp"),
        lambda: command_text.by_hand("up", "blink", "one"),
        lambda: command_text.compare("a", "b", of_run="blink"),
        lambda: command_text.compare("blink", "OTHER", variants=["a", "b"]),
    )
    assert [call() for call in calls] == [
        "reprolab run blink/lamp --variant a --variant b",
        "reprolab up blink --as one",
        "reprolab compare blink a b",
        "reprolab compare blink OTHER --variant a --variant b",
    ]
    monkeypatch.setenv(command_text.BY_MAKE, "1")
    assert [call() for call in calls] == [
        'make scenario-blink EXPERIMENT=lamp VARIANT="a b"',
        "make up-blink AS=one",
        "make compare RUN=blink A=a B=b",
        'make compare A=blink B=OTHER VARIANT="a b"',
    ]
