"""A digest of the files of a scenario that can decide a run."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import yaml

from reprolab.core import shared_files
from reprolab.core.errors import LabError
from reprolab.core.files import writing
from reprolab.scenario import catalogue, ranges, signature
from reprolab.scenario.not_tested import NOT_TESTED_KEY
from reprolab.scenario.simpler import SIMPLER_KEY

# Texts about a case, and the results of runs. No run of named variants reads them, and a question is no such run.
TEXTS = (
    *("README.md", "recorded.json", "history.jsonl", "matrix.json"),
    *("demo.yaml", "upstream.yaml", "reproducer.yaml", signature.FILE),
)
PICTURE = re.compile(r"curve-\d+\.svg")  # of a curve on record
TEXT_KEYS = (
    *("title", "document", "summary", "finding", "headline", "answer"),
    *(SIMPLER_KEY, NOT_TESTED_KEY, *catalogue.KEYS, *ranges.KEYS),
)
COMPOSE = "compose.yaml"
CACHE = "__pycache__"
# What editors and file managers write beside a file while somebody looks at it; no build and no experiment reads it.
BESIDE = re.compile(r"\..*\.sw[a-p]|.*~|\.#.*|#.*#|4913|\.DS_Store")


def case_digest(directory: Path) -> str:
    """Return "sha256:..." over paths, contents and executable bits; "" if there is no such directory.

    Texts do not count: the files in TEXTS, the pictures of curves, and in compose.yaml the comments, the texts of
    x-reprolab, and what only a shrink reads. So a finding that is written after a run does not change the digest. Files
    of editors do not count.
    """
    if not directory.is_dir():
        return ""
    total = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        beside = CACHE in name.split("/") or BESIDE.fullmatch(path.name)
        text = name in TEXTS or PICTURE.fullmatch(name)
        if path.is_file() and not text and not beside:
            with writing(path):
                content, executable = path.read_bytes(), bool(path.stat().st_mode & 0o100)
            content = _without_texts(content) if name == COMPOSE else content
            for part in (name.encode(), b"x" if executable else b"-", content):
                total.update(b"%d:" % len(part) + part)
    return f"sha256:{total.hexdigest()}"


@cache
def lab_identity() -> str:
    """The lab's version with a digest of its code: two checkouts of one version may have other code."""
    total = hashlib.sha256()
    shared = {shared_files.PACKAGE / folder for folder in shared_files.IN_PACKAGE.values()}
    for path in sorted(shared_files.PACKAGE.rglob("*.py")):
        if shared.isdisjoint(path.parents):
            name, content = path.relative_to(shared_files.PACKAGE).as_posix().encode(), path.read_bytes()
            total.update(b"%d:%d:" % (len(name), len(content)) + name + content)
    return f"{version('reprolab')} ({total.hexdigest()[:12]})"


@dataclass(frozen=True)
class CaseFiles:
    """The files of a case as they were when its Python was loaded; ``digest`` is that of then."""

    directory: Path
    digest: str

    @classmethod
    def of(cls, directory: Path) -> CaseFiles:
        return cls(directory, case_digest(directory))

    def check(self) -> None:
        """Raise LabError if a file that can decide a trial has changed since.

        The Python that drives the trials is still that of then, and a file may be mounted into a service. So a trial
        of now is of neither state of the files.
        """
        if case_digest(self.directory) != self.digest:
            raise LabError(
                f"the files of the case were changed while it was measured ({self.directory})",
                expected="the same files from the first trial to the last",
                advice="begin again: trials of the files as they are now count, those of before are kept apart",
            )


def _without_texts(content: bytes) -> bytes:
    """A Compose file's model without the texts of x-reprolab."""
    model = yaml.safe_load(content)
    block = model.get("x-reprolab") if isinstance(model, dict) else None
    if isinstance(block, dict):
        model["x-reprolab"] = {key: value for key, value in block.items() if key not in TEXT_KEYS}
    try:
        return json.dumps(model, sort_keys=True, default=str).encode()
    except TypeError:  # keys of several types, which have no order
        return content
