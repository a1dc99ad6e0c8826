"""Write the lists of packages that images install anew: the pins stay, with the hashes of all files of their releases.

To change a list, write NAME==VERSION in it, with a marker if need be, then run `make lock`. Needs uv on PATH.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from reprolab.core.errors import LabError
from reprolab.core.subprocesses import run

ROOT = Path(__file__).resolve().parents[1]
LISTS = (
    "images/*/requirements/*.txt",
    "scenarios/*/requirements/*.txt",
    "scripts/reprolab/scenario/templates/*.txt.j2",
)
ENTRY = re.compile(r"(?P<pin>[\w.-]+==[\w.]+)(?: *; *(?P<marker>[^\\]+?))?[ \\]*")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
# uv is asked for one release at a time, without its marker: the newest interpreter meets what each of them requires.
ASK = ("uv", "pip", "compile", "--quiet", "--no-deps", "--generate-hashes", "--no-header", "--no-annotate")
PYTHON = ("--python-version", "3.13")
LIMIT = 300.0


def lists() -> list[Path]:
    """Every list of packages."""
    return sorted(path for pattern in LISTS for path in ROOT.glob(pattern))


def locked(text: str, hashes: Callable[[str], list[str]]) -> str:
    """A list with what ``hashes`` knows of each NAME==VERSION. LabError for a line that is no such pin."""
    return "".join(f"{line}\n" for line in _locked(text, hashes))


def _locked(text: str, hashes: Callable[[str], list[str]]) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith("#"):
            yield line
        elif line.strip() and not line.lstrip().startswith("--hash="):
            entry = ENTRY.fullmatch(line)
            if not entry:
                raise LabError(f"{line!r} is no pin", expected="NAME==VERSION, or NAME==VERSION; MARKER")
            marker = f" ; {entry['marker']}" if entry["marker"] else ""
            yield " \\\n    ".join([f"{entry['pin']}{marker}", *hashes(entry["pin"])])


@cache
def hashes_of(pin: str) -> list[str]:
    """The hashes of all files of a release, as pip takes them."""
    found = HASH.findall(run([*ASK, *PYTHON, "-"], stdin=f"{pin}\n", timeout=LIMIT).stdout)
    if not found:
        raise LabError(f"uv found no file of {pin}", expected="a release that the package index has")
    return found


def main() -> int:
    """Write every list; 0 when all are written."""
    if shutil.which("uv") is None:
        print("lock: uv is not on the PATH; install it (pip install uv)")
        return 1
    for path in lists():
        path.write_text(locked(path.read_text(encoding="utf-8"), hashes_of), encoding="utf-8")
        print(f"written: {path.relative_to(ROOT)}", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"lock: {error}")
        sys.exit(error.exit_status)
