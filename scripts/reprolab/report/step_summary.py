"""The summary of a run for the page of a CI job: GitHub and others show the Markdown in GITHUB_STEP_SUMMARY."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from reprolab.core.markdown import foreign
from reprolab.core.progress import OnProgress

VARIABLE = "GITHUB_STEP_SUMMARY"
# The forge shows nothing of a file that is larger than this.
MOST_BYTES = 1024 * 1024
CUT = "\n\n… the summary is cut here; report.md of the run has all of it\n"


def add(name: str, report: Path, on_progress: OnProgress, environ: Mapping[str, str] = os.environ) -> None:
    """Append the report.md of a scenario to the summary, if there is one. An error is a line: the verdict stands."""
    _add(name, lambda: report.read_text(encoding="utf-8"), ", but the verdict stands", on_progress, environ)


def add_failure(name: str, reason: str, on_progress: OnProgress, environ: Mapping[str, str] = os.environ) -> None:
    """Append that the run of a scenario ended without a trial, and why."""
    _add(name, lambda: f"**No verdict:** {foreign(reason)}\n", "", on_progress, environ)


def _add(name: str, text: Callable[[], str], but: str, on_progress: OnProgress, environ: Mapping[str, str]) -> None:
    if environ.get(VARIABLE):
        try:
            _append(Path(environ[VARIABLE]), f"### {foreign(name)}\n\n{text()}")
        except (OSError, ValueError) as error:
            on_progress(f"the summary in {VARIABLE} could not be written{but}: {error}")


def _append(path: Path, text: str) -> None:
    """Append to the file, up to what the forge shows."""
    # A named pipe that nobody reads would be waited for.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o666), "ab") as stream:
        room = MOST_BYTES - stream.tell()
        content = f"{text}\n".encode("utf-8", "replace")
        if len(content) > room:
            cut = content[: max(0, room - len(CUT.encode()))]
            content = cut[: cut.rfind(b"\n") + 1] + CUT.encode() if cut else b""
        stream.write(content)
