"""Fresh Python environments for tests: a wheel of this checkout, installed elsewhere."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

from cases import ROOT

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "results", "build", "__pycache__", ".*_cache", "*.egg-info", "dist"
)
# Variables that would show the fresh environment this checkout.
LEFT_OUT = ("PYTHONPATH", "REPROLAB_ROOT", "REPROLAB_RESULTS", "REPROLAB_BY_MAKE", "VIRTUAL_ENV")


def outside(**more: str) -> dict[str, str]:
    """The environment of a user who has no checkout."""
    return {name: value for name, value in os.environ.items() if name not in LEFT_OUT} | more


def call(*command: str | Path, cwd: Path, limit: float = 300, **more: str) -> str:
    """Run a program outside of the checkout; returns its output. It must succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=outside(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def wheel(folder: Path, source: str = ".") -> Path:
    """Build the wheel of a directory of a copy of this checkout, without an index."""
    copy = folder / "copy"
    if not copy.exists():
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED, symlinks=True)
    target = folder / "wheels" / source.replace("/", "-")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    call(sys.executable, "-m", "pip", "wheel", "--quiet", *options, "--wheel-dir", target, copy / source, cwd=folder)
    (built,) = target.glob("*.whl")
    return built


def environment(folder: Path, built: Path, *, dependencies: bool) -> Path:
    """A fresh environment with a wheel; returns its directory of programs.

    With ``dependencies`` it sees the packages of the environment that runs the tests, so that no index is needed.
    """
    venv = folder / "venv"
    call(sys.executable, "-m", "venv", venv, cwd=folder)
    call(venv / "bin/pip", "install", "--quiet", "--no-deps", "--no-index", built, cwd=folder)
    if dependencies:
        (packages,) = venv.glob("lib/python*/site-packages")
        # Only the packages: the .pth file of an editable install in this directory is not read.
        (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    return venv / "bin"
