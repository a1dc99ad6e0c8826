"""GITHUB_STEP_SUMMARY: a run appends its summary, and no failure to do so ends a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from reprolab.report import step_summary


def test_summaries_follow_each_other(tmp_path: Path) -> None:
    """Several runs of one step each have their part; what another program wrote stays."""
    report, target = tmp_path / "report.md", tmp_path / "summary"
    target.write_text("before\n", encoding="utf-8")
    environ = {step_summary.VARIABLE: str(target)}
    for text in ("**first**\n", "**second** “é”\n"):
        report.write_text(text, encoding="utf-8")
        step_summary.add("blink", report, pytest.fail, environ)
    assert target.read_text(encoding="utf-8") == "before\n### blink\n\n**first**\n\n### blink\n\n**second** “é”\n\n"


@pytest.mark.parametrize("environ", [{}, {step_summary.VARIABLE: ""}])
def test_nothing_is_read_without_the_variable(tmp_path: Path, environ: dict[str, str]) -> None:
    """There is no report here: reading it would be told."""
    step_summary.add("blink", tmp_path / "report.md", pytest.fail, environ)
    step_summary.add_failure("blink", "no engine", pytest.fail, environ)


@pytest.mark.parametrize("target", ["no/folder/summary", "."])
def test_a_failure_is_a_line_of_progress(tmp_path: Path, target: str) -> None:
    """The verdict stands."""
    (tmp_path / "report.md").write_text("text", encoding="utf-8")
    lines: list[str] = []
    environ = {step_summary.VARIABLE: str(tmp_path / target)}
    step_summary.add("blink", tmp_path / "report.md", lines.append, environ)
    step_summary.add_failure("blink", "no engine", lines.append, environ)
    assert len(lines) == 2 and all("GITHUB_STEP_SUMMARY could not be written" in line for line in lines)
    assert "the verdict stands" in lines[0]


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    """The run would hang at its very end."""
    os.mkfifo(tmp_path / "pipe")
    messages: list[str] = []
    step_summary.add_failure("blink", "x", messages.append, {step_summary.VARIABLE: str(tmp_path / "pipe")})
    assert "could not be written" in messages[0]


def test_a_summary_stays_within_what_the_forge_shows(tmp_path: Path) -> None:
    """It shows nothing of a longer file. The cut is between two lines, and it is said."""
    report, target = tmp_path / "report.md", tmp_path / "summary"
    report.write_text("é" * 99 + "\n" + ("é" * 99 + "\n") * 9000, encoding="utf-8")
    environ = {step_summary.VARIABLE: str(target)}
    step_summary.add("blink", report, pytest.fail, environ)
    text = target.read_text(encoding="utf-8")
    assert target.stat().st_size <= step_summary.MOST_BYTES and text.endswith(step_summary.CUT)
    assert set(text.removesuffix(step_summary.CUT).splitlines()) == {"### blink", "", "é" * 99}
    size = target.stat().st_size
    step_summary.add("blink", report, pytest.fail, environ)
    assert size <= target.stat().st_size <= step_summary.MOST_BYTES


def test_a_run_without_a_trial_says_why(tmp_path: Path) -> None:
    """The reason is a foreign text: it cannot become a link or HTML."""
    target = tmp_path / "summary"
    step_summary.add_failure("blink", "<b>no</b>\n  engine", pytest.fail, {step_summary.VARIABLE: str(target)})
    assert target.read_text(encoding="utf-8") == "### blink\n\n**No verdict:** `<b>no</b> engine`\n\n"
