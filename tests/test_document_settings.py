"""The values that the documents give, against those that our files have. The code is ours; the values are facts."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cases import ROOT
from dockerfile_parse import DockerfileParser
from reprolab.scenario import loader
from test_spawn_workers import ran, run_line

SERVERS = ("python", "python3", "uwsgi", "gunicorn", "uvicorn")


class Files:
    """One scenario's files, read as what they are: compose defaults, Dockerfiles, Python, a start script."""

    def __init__(self, name: str, scratch: Path, root: Path = ROOT) -> None:
        self.found = loader.load(root, name)
        self.scratch = scratch

    def factor(self, name: str) -> str:
        """What compose.yaml has where nobody sets it."""
        return self.found.factors[name]

    def argument(self, name: str) -> str:
        """What the Dockerfile has where nobody sets it."""
        parser = DockerfileParser(str(self.found.directory / "Dockerfile"))
        words = [row["value"].partition("=") for row in parser.structure if row["instruction"] == "ARG"]
        (value,) = {default for argument, _, default in words if argument == name}
        return value

    def constant(self, file: str, name: str) -> Any:
        """What a Python file sets a name of its own to."""
        tree = ast.parse((self.found.directory / file).read_text(encoding="utf-8"))
        (value,) = [
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]
        ]
        return ast.literal_eval(value)

    def keyword(self, file: str, function: str, name: str) -> Any:
        """What a Python file gives a function for one of its arguments, in its only call."""
        tree = ast.parse((self.found.directory / file).read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == function]
        ((value,),) = [[one.value for one in call.keywords if one.arg == name] for call in calls]
        return ast.literal_eval(value)

    def variant(self, experiment: str, name: str) -> dict[str, str]:
        """In which factors a variant differs."""
        return dict(self.found.experiments[experiment].variants[name])

    def command(self, **factors: str) -> str:
        """The command line that start.sh ends in."""
        for name in SERVERS:
            program = self.scratch / name
            program.write_text(f'#!/bin/sh\n[ "$1" = -c ] || echo {name} "$@"\n')
            program.chmod(0o755)
        env = {**self.found.factors, **factors, "PATH": f"{self.scratch}:{os.environ['PATH']}"}
        command = ["sh", str(self.found.directory / "start.sh")]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()

    def served(self) -> dict[str, Any]:
        """What spawn-workers' application gives uvicorn, its route among it."""
        lines = ran(self.scratch, self.found, "main.py")
        return run_line(lines) | {"lines": lines}


# (what the document says, its value, where we have it)
Row = tuple[str, Any, Callable[[Files], Any]]
VIEWS = "app/lab/views.py"
TABLES: dict[str, list[Row]] = {
    "enable-threads": [
        ("seconds between a thread's lines", 2, lambda f: f.constant(VIEWS, "PERIOD")),
        ("the thread is a daemon", True, lambda f: f.keyword(VIEWS, "threading.Thread", "daemon")),
        ("seconds that the request sleeps", 3, lambda f: f.constant("background-thread.py", "HOLD")),
        ("seconds of computing", 3, lambda f: f.constant(VIEWS, "COMPUTING")),
        ("the thread waits in", "sleep", lambda f: f.factor("KIND")),
        ("or in", "recv", lambda f: f.variant("background-thread", "recv")["KIND"]),
        (
            "uWSGI without the option, with its router",
            "uwsgi --http 0.0.0.0:8000 --module lab.wsgi:application",
            lambda f: f.command(),
        ),
        ("the option", {"FLAGS": "--enable-threads"}, lambda f: f.variant("background-thread", "enable-threads")),
        ("threads", {"FLAGS": "--threads 2"}, lambda f: f.variant("background-thread", "threads-2")),
        ("reloading", {"FLAGS": "--py-autoreload 1"}, lambda f: f.variant("background-thread", "py-autoreload")),
        (
            "gunicorn with one worker",
            "gunicorn lab.wsgi:application --bind 0.0.0.0:8000 --workers 1",
            lambda f: f.command(SERVER="gunicorn"),
        ),
        ("who asks", "two-browsers", lambda f: f.factor("CLIENT")),
    ],
    "pool-freeze": [
        ("Python", "3.6.15", lambda f: f.factor("PYTHON")),
        ("Python, in the image", "python:3.6.15-slim-bullseye", lambda f: f.argument("PYTHON_IMAGE")),
        ("Django", "2.2", lambda f: f.factor("DJANGO")),
        ("Django, in the image", "2.2", lambda f: f.argument("DJANGO")),
        ("gunicorn's line", "20", lambda f: f.factor("GUNICORN").partition(".")[0]),
        ("gunicorn's line, in the image", "20", lambda f: f.argument("GUNICORN").partition(".")[0]),
        ("the pool's processes", 2, lambda f: f.constant("app/runners.py", "CHILDREN")),
        ("the tasks' order", (1, 2, 5, 3, 4), lambda f: f.constant("app/runners.py", "ORDER")),
        ("the task that fails", 5, lambda f: f.constant("app/tasks.py", "BAD")),
        ("what becomes of it", "raise", lambda f: f.factor("OUTCOME")),
        ("what tasks do", "http", lambda f: f.factor("TASK")),
        ("the server", "gunicorn lab.wsgi:application", lambda f: f.command().partition(" --")[0]),
    ],
    "spawn-workers": [
        ("the command", "python3 main.py", lambda f: f.command()),
        ("workers", 3, lambda f: f.served()["workers"]),
        ("host", "0.0.0.0", lambda f: f.served()["host"]),
        ("port", 8000, lambda f: f.served()["port"]),
        ("reload", False, lambda f: f.served()["reload"]),
        ("g_var as main.py is loaded", "g_var 0 as pid PID loads main.py", lambda f: f.served()["lines"][0]),
        ("g_var afterwards", 1, lambda f: f.served()["g_var"]),
        ("the path, handled in a thread", "route / in_thread", lambda f: f.served()["lines"][1]),
        ("seconds for an answer", "10", lambda f: f.factor("SLEEP")),
        ("one worker", {"WORKERS": "1"}, lambda f: only(f.variant("tree", "one-worker"), "WORKERS")),
        ("two workers", {"WORKERS": "2"}, lambda f: only(f.variant("tree", "two-workers"), "WORKERS")),
    ],
}


def only(factors: dict[str, str], name: str) -> dict[str, str]:
    """The one factor of those that do not only save time."""
    assert set(factors) <= {name, "SLEEP"}
    return {name: factors[name]}


@pytest.mark.parametrize(
    ("name", "row"), [pytest.param(name, row, id=f"{name}: {row[0]}") for name, rows in TABLES.items() for row in rows]
)
def test_a_value_is_the_documents(tmp_path: Path, name: str, row: Row) -> None:
    """What a document gives a figure or a name for, the documented stack has."""
    what, documented, read = row
    assert read(Files(name, tmp_path)) == documented, what


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "what"),
    [
        ("enable-threads", VIEWS, "PERIOD = 2.0", "PERIOD = 2.5", "seconds between a thread's lines"),
        ("enable-threads", "start.sh", "--module", "--master --module", "uWSGI without the option, with its router"),
        ("enable-threads", "compose.yaml", "WORKERS:-1}", "WORKERS:-2}", "gunicorn with one worker"),
        ("pool-freeze", "Dockerfile", "ARG DJANGO=2.2", "ARG DJANGO=2.1", "Django, in the image"),
        ("pool-freeze", "compose.yaml", "PYTHON:-3.6.15}", "PYTHON:-3.7.16}", "Python"),
        ("pool-freeze", "app/runners.py", "(1, 2, 5, 3, 4)", "(1, 2, 3, 4, 5)", "the tasks' order"),
        ("spawn-workers", "app/serving.py", "port=8000", "port=8001", "port"),
        ("spawn-workers", "app/main.py", "g_var += 1", "g_var += 2", "g_var afterwards"),
        ("spawn-workers", "compose.yaml", "SLEEP:-10}", "SLEEP:-1}", "seconds for an answer"),
    ],
)
def test_another_value_is_found(tmp_path: Path, name: str, file: str, old: str, new: str, what: str) -> None:
    """Changed in the file that the stack uses, it differs from the table."""
    shutil.copytree(ROOT / "scenarios" / name, tmp_path / "scenarios" / name)
    path = tmp_path / "scenarios" / name / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    ((_, documented, read),) = [row for row in TABLES[name] if row[0] == what]
    assert read(Files(name, tmp_path, tmp_path)) != documented
