"""Run all checks that need no container. One line for each check; the output of a failed one follows."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from reprolab.cli.common import show_progress
from reprolab.core.errors import LabError
from reprolab.core.subprocesses import run
from reprolab.engine.detect import compose_command, ensure_engine

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
LIMIT = 300.0  # seconds for one check


def shell_scripts() -> list[str]:
    """Return every tracked or new shell script. Scripts made from templates are checked by tests/test_export.py."""
    names = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT).stdout.split("\n")
    files = [ROOT / name for name in names if name and (ROOT / name).is_file() and not name.endswith(".j2")]
    return [
        str(f)
        for f in files
        if f.suffix == ".bash" or f.read_bytes()[:32].startswith((b"#!/bin/sh", b"#!/usr/bin/env bash", b"#!/bin/bash"))
    ]


def checks() -> Iterator[tuple[str, list[str]]]:
    """Yield (name of the check, command)."""
    engine = ensure_engine(show_progress)
    dockerfiles = sorted(
        str(path) for glob in ("*/*/Dockerfile", "scenarios/*/*/Dockerfile") for path in ROOT.glob(glob)
    )
    yield "ruff check", [str(BIN / "ruff"), "check", "--quiet", "."]
    yield "ruff format", [str(BIN / "ruff"), "format", "--check", "--quiet", "."]
    yield "mypy", [str(BIN / "mypy")]
    yield f"hadolint, {len(dockerfiles)} Dockerfiles", [str(BIN / "hadolint"), *dockerfiles]
    scripts = shell_scripts()
    yield f"shellcheck, {len(scripts)} scripts", [str(BIN / "shellcheck"), *scripts]
    workflows = sorted(map(str, ROOT.glob(".github/workflows/*.yml")))
    # It looks for shellcheck on the PATH, and for pyflakes, which ruff stands for here.
    options = ["-shellcheck", str(BIN / "shellcheck"), "-pyflakes="]
    yield f"actionlint, {len(workflows)} workflows", [str(BIN / "actionlint"), *options, *workflows]
    for file in [ROOT / "compose.yaml", *sorted(ROOT.glob("scenarios/*/compose.yaml"))]:
        command = [*compose_command(engine), "--file", str(file), "--profile", "*", "config", "--quiet"]
        yield f"compose config {file.relative_to(ROOT)}", command
    yield "what stacks ask of the machine", [str(BIN / "reprolab"), "list"]
    yield "generated pages", [str(BIN / "reprolab"), "docs", "--check"]


def main() -> int:
    """Run every check. Return 0 if all pass, else 1."""
    if shutil.which("git") is None:
        print("lint: git is not on the PATH; install it")
        return 1
    failed = 0
    for name, command in checks():
        start = time.monotonic()
        result = run(command, timeout=LIMIT, check=False, cwd=ROOT)
        print(f"{'ok  ' if result.code == 0 else 'FAIL'} {name} ({time.monotonic() - start:.1f} s)", flush=True)
        if result.code:
            failed += 1
            print(f"{result.stdout}{result.stderr}".rstrip(), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"lint: {error}")
        sys.exit(error.exit_status)
