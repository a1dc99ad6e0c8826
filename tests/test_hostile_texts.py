"""Texts that others wrote are inert in every output: terminal, report.txt, pages, Markdown, demonstration."""

from __future__ import annotations

import ast
import io
import re
import sys
import unicodedata
from pathlib import Path

import pytest
from cases import ROOT
from click.testing import CliRunner
from hostile import ACTS, MARKUP, TEXT, lay_out_all, run_of
from markdown_it import MarkdownIt
from reprolab.cli import common, main
from reprolab.core import foreign_text, markdown, terminal
from reprolab.core.errors import Exit, LabError
from reprolab.core.terminal import Terminal
from reprolab.evidence.run_dir import RunDirectory
from reprolab.run.plan import RunOptions, make_plan
from reprolab.run.progress import Progress
from reprolab.scenario import loader
from rich.table import Table
from rich.text import Text

STYLED = re.compile(r"\x1b\[[0-9;]*m")
LIBRARY = re.compile(r'<script type="module">.*?</script>', re.S)
PARTS = ("scenarios", "claims/blink", "results/blink", "sources", "summary/blink: documented old B-1")
LONGEST = foreign_text.LONGEST + 200


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the hostile scenario."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run(home: Path) -> RunDirectory:
    """A judged run of it, with its page."""
    run = lay_out_all(home)
    for command in ("judge", "html"):
        lab(home, command, str(run.path))
    (run.path.parent / "latest").symlink_to(run.name)
    return run


def lab(home: Path, *arguments: str, status: int = Exit.AS_RECORDED) -> str:
    """What a command prints, on both streams."""
    done = CliRunner().invoke(main.main, list(arguments), env={"REPROLAB_ROOT": str(home), "REPROLAB_RESULTS": None})
    assert done.exit_code == status, done.output[-3000:]
    return done.output


def check_text(text: str) -> None:
    """Nothing in it acts, the markup of rich is as it was written, and no line is endless."""
    assert not foreign_text.ACTIVE.findall(text)
    assert "hostile" in text
    assert max(map(len, text.split("\n"))) < LONGEST


def check_page(page: str) -> None:
    """Nothing in it acts: neither a character, nor an element or a link of a foreign text."""
    own = LIBRARY.sub("", page)
    assert not foreign_text.ACTIVE.findall(own)
    assert "&lt;script&gt;alert(1)" in own
    assert not re.search(r"<script>alert|<img src=x|href=\"javascript:|<[^>]*onerror", own)


def check_markdown(text: str) -> None:
    """Rendered as a forge does it, it has no element or link of a foreign text."""
    assert not foreign_text.ACTIVE.findall(text)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert not re.search(r"<script>alert|<img src=x|href=\"javascript:|<[^>]*onerror", html)
    assert "&lt;script&gt;alert(1)" in html


# -- every output -----------------------------------------------------------------------------------


def test_the_list_of_scenarios(home: Path, run: RunDirectory) -> None:
    """Titles and factors come from files of others."""
    check_text(lab(home, "list"))


def test_the_report_in_the_terminal_and_in_its_file(home: Path, run: RunDirectory) -> None:
    """Values, errors of columns and reasons of invalid trials, with rich's markup as it was written."""
    printed = lab(home, "judge", str(run.path))
    check_markdown((run.path / "report.md").read_text(encoding="utf-8"))
    for text in (printed, (run.path / "report.txt").read_text(encoding="utf-8")):
        check_text(text)
        assert "[bold]fat" in re.sub(r"\s+", "", text)


def test_a_run_that_was_aborted(home: Path, run: RunDirectory) -> None:
    """Its reason may be the text of a program."""
    aborted = run_of(home, status="aborted", reason=TEXT)
    check_text(lab(home, "judge", str(aborted.path)))
    lab(home, "html", str(aborted.path))
    check_page((aborted.path / "report.html").read_text(encoding="utf-8"))


def test_the_page(run: RunDirectory) -> None:
    """All texts are escaped, and no character acts; the data of the charts too."""
    check_page((run.path / "report.html").read_text(encoding="utf-8"))


def test_a_comparison(home: Path, run: RunDirectory) -> None:
    """In the terminal and as a page, of variants and of runs."""
    page = home / "compare.html"
    check_text(lab(home, "compare", str(run.path), "documented", "old", "--html", str(page)))
    check_page(page.read_text(encoding="utf-8"))
    other = run_of(home, status="complete")
    check_text(lab(home, "compare", str(run.path), str(other.path), "--variant", "old"))


def test_the_bug_report(home: Path, run: RunDirectory) -> None:
    """Log lines, values, the machine and the document, as Markdown."""
    text = lab(home, "bugreport", str(run.path), "--output", "-")
    check_text(text)
    check_markdown(text)


def test_the_site(home: Path, run: RunDirectory) -> None:
    """The index, the page of the scenario and the copy of the report."""
    lab(home, "site")
    for name in ("index.html", "blink.html", "reports/blink.html"):
        check_page((home / "results" / "site" / name).read_text(encoding="utf-8"))


def test_the_demonstration(home: Path, run: RunDirectory) -> None:
    """Texts, log lines and figures of a replay."""
    check_text(lab(home, "demo", "blink", "--replay", str(run.path)))


def test_what_is_put_on_record(home: Path, run: RunDirectory) -> None:
    """The tables of the READMEs are Markdown, and the record may have any text."""
    readme = home / "scenarios" / "blink" / "README.md"
    before = readme.read_text(encoding="utf-8")
    parts = (f"\n<!-- generated: {part} -->\n<!-- end -->\n" for part in PARTS)
    readme.write_text(before + "".join(parts), encoding="utf-8")
    lab(home, "accept", str(run.path), "--thin")
    assert not foreign_text.ACTIVE.findall(readme.read_text(encoding="utf-8"))
    lab(home, "site")


def test_lines_of_progress(home: Path, run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each trial, in a terminal too, where rich writes colours and nothing else."""
    stream = io.StringIO()
    console = Terminal(file=stream, force_terminal=True, width=100)
    scenario = loader.load(home, "blink")
    progress = Progress(make_plan(scenario, RunOptions("blink")), console, common.show_progress)
    with progress.trials():
        for record in run.trials():
            progress.trial_begins(f"{record.variant}[/tmp/x]", record.trial)
            progress.trial_ends(record)
    progress.progress(TEXT)
    allowed = re.sub(r"\x1b\[\??[0-9;]*[A-Zhlm]|\r", "", stream.getvalue())
    check_text(allowed)
    check_text(capsys.readouterr().err)


def test_a_message_of_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of a failed program, and a traceback with it."""
    for error, status in ((LabError(TEXT, advice=TEXT), 4), (RuntimeError(TEXT + "x" * 10_000), 4)):

        def fail(error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(loader, "names", lambda root, fail=fail: fail())
        check_text(lab(home, "list", status=status))


# -- the functions ----------------------------------------------------------------------------------


def test_every_character_that_acts_is_known() -> None:
    """Unicode's control and format characters, surrogates, and separators of lines; no letter, accent or space."""
    signs = {chr(number) for number in range(sys.maxunicode + 1)}
    acting = {sign for sign in signs if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n", "\t"}
    found = set(foreign_text.ACTIVE.findall("".join(sorted(signs))))
    assert acting <= found
    assert {unicodedata.category(sign) for sign in found - acting} <= {"Cn", "Lo", "Mn"}
    assert foreign_text.plain("é 日本 한글 العربية 5 µs – …\t\n") == "é 日本 한글 العربية 5 µs – …\t\n"


def test_a_text_keeps_its_length_and_its_styles() -> None:
    """So the columns of a table stay in line."""
    stream = io.StringIO()
    grid = Table("a", "b")
    grid.add_row(Text(ACTS, style="red"), "[red]x[/red]")
    grid.add_row("\u200b" * 500, "x" * 9000)
    Terminal(file=stream, width=60, force_terminal=True).print(grid)
    lines = STYLED.sub("", stream.getvalue()).splitlines()
    assert len({len(line) for line in lines}) <= 2, lines
    assert not foreign_text.ACTIVE.findall("".join(lines))
    assert "[red]x[/red]" in stream.getvalue()


def test_endless_lines_are_cut() -> None:
    """Each line for itself, with the number of the characters that are left out."""
    assert foreign_text.short("abc\n" + "x" * 12, 10) == "abc\n" + "x" * 10 + " … (2 more characters)"
    stream = io.StringIO()
    Terminal(file=stream, width=100_000).print(Text("y" * 5000 + "\nshort"), soft_wrap=True)
    assert stream.getvalue() == "y" * 4000 + " … (1000 more characters)\nshort\n"


@pytest.mark.parametrize("text", [MARKUP, "``` ` ``", "`", "@everyone", "https://x.example", "a\nb|c", "__x__"])
def test_a_foreign_text_in_markdown_is_code(text: str) -> None:
    """Neither an element, nor a link, nor a mention; also at the end of a block and in a table."""
    for written in (markdown.foreign(text), f"| a |\n|---|\n| {markdown.cell(markdown.foreign(text))} |"):
        html = MarkdownIt("commonmark", {"html": True}).enable("table").render(written)
        assert re.search(r"<code>[^<]*</code>", html), html
        assert not re.search(r"<(?!/?(p|code|table|thead|tbody|tr|th|td)\b)", html), html
    assert (
        markdown.foreign("Intel(R) Xeon(R) CPU @ 2.20GHz, 6.1.0-13 (x)")
        == "Intel(R) Xeon(R) CPU @ 2.20GHz, 6.1.0-13 (x)"
    )


def test_only_one_module_makes_consoles_and_nothing_reads_markup() -> None:
    """A console of rich itself would take markup from texts. `Status` and `Spinner` always do, so they get a `Text`."""
    faults = []
    for path in sorted((ROOT / "scripts" / "reprolab").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in ("rich.markup", "rich.prompt", "rich"):
                faults += [f"{path.name}: {node.module}.{n.name}" for n in node.names if n.name not in ("box",)]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Console":
                faults.append(f"{path.name}, line {node.lineno}: Console(...), not Terminal(...)")
            if isinstance(node, ast.Attribute) and node.attr in ("from_markup", "from_ansi"):
                faults.append(f"{path.name}, line {node.lineno}: {node.attr}")
            keywords = node.keywords if isinstance(node, ast.Call) else []
            faults += [
                f"{path.name}, line {node.lineno}: markup=True" for k in keywords if k.arg in ("markup", "emoji")
            ]
    assert [fault for fault in faults if not fault.startswith("terminal.py") or "Console" in fault] == []


def test_the_streams_are_restored() -> None:
    """Also after an error."""
    before = sys.stdout, sys.stderr
    with pytest.raises(KeyError), terminal.harmless_output():
        print(TEXT)
        raise KeyError
    assert (sys.stdout, sys.stderr) == before
