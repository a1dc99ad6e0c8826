"""Small git repositories for tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

NOBODY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
NAMES = {
    f"GIT_{who}_{what}": f"{what.lower()}@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


class Repository:
    """A git repository of a test; each commit is a day later."""

    def __init__(self, path: Path) -> None:
        self.path, self.day = path, 0
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        date = f"2020-01-{1 + self.day:02d}T12:00:00Z"
        environ = {**os.environ, **NOBODY, **NAMES, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        done = subprocess.run(["git", "-C", str(self.path), *words], env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, subject: str, tag: str = "") -> str:
        """A commit that changes a file; returns its hash."""
        self.day += 1
        (self.path / f"{subject.replace(' ', '-')}.txt").write_text(subject, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        if tag:
            self.git("tag", tag)
        return self.git("rev-parse", "HEAD")
