"""A terminal that does not know all characters: what it cannot show is replaced, and no verdict is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile import lay_out_all
from reprolab.core.errors import Exit
from reprolab.evidence.run_dir import RunDirectory

# All commands in one process: each call of its own would take a second to begin.
CALL = """
import json, sys
from reprolab.cli import main
statuses = {}
for words in json.loads(sys.argv[1]):
    try:
        main.main(words)
    except SystemExit as done:
        statuses[words[0]] = done.code
print(json.dumps(statuses), file=open(sys.argv[2], "w"))
"""
ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii-strict": {"PYTHONIOENCODING": "ascii:strict"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "not-there": {"LC_ALL": "xx_XX.ISO-8859-5", "LANG": "xx_XX"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a run whose texts have all kinds of characters."""
    root = tmp_path_factory.mktemp("home")
    lay_out_all(root)
    return root


def call(home: Path, tmp_path: Path, settings: dict[str, str], *commands: list[str]) -> tuple[dict[str, int], str]:
    """The exit status of each command, and all that they print, as it comes out of the process."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON", "REPRO"))
    }
    path = os.pathsep.join(part for part in sys.path if part)
    environment = {**kept, "PYTHONPATH": path, "REPROLAB_ROOT": str(home), **settings}
    statuses = tmp_path / "statuses.json"
    done = subprocess.run(
        [sys.executable, "-c", CALL, json.dumps(commands), str(statuses)], env=environment, capture_output=True
    )
    printed = (done.stdout + done.stderr).decode("latin-1")
    assert done.returncode == 0, printed[-3000:]
    return json.loads(statuses.read_text()), printed


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_command_prints_to_every_terminal(home: Path, tmp_path: Path, name: str) -> None:
    """The statuses and the verdicts are those of a terminal that shows all characters."""
    (run,) = (path.parent for path in home.glob("results/blink/2*/run.json"))
    page = str(tmp_path / "compare.html")
    commands = [
        ["list"],
        ["judge", str(run)],
        ["html", str(run)],
        ["compare", str(run), "documented", "old", "--html", page],
        ["bugreport", str(run), "--output", "-"],
        ["demo", "blink", "--replay", str(run)],
        ["docs"],
        ["site"],
        ["judge", "blink/nöwhere-日本"],
        ["--help"],
    ]
    statuses, printed = call(home, tmp_path, ENCODINGS[name], *commands)
    wanted = {words[0]: Exit.AS_RECORDED for words in commands} | {"judge": Exit.USAGE}
    assert statuses == wanted, printed[-3000:]
    assert "UnicodeEncodeError" not in printed
    assert "1 confirmed" in printed
    assert "1 confirmed" in (run / "report.txt").read_text(encoding="utf-8")
    assert RunDirectory(run).trials()[0].observation["blinked"] is True
