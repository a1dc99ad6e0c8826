"""Write the hashes into the lists of packages that images install. The pins stay as they are.

To change a list, write NAME==VERSION into it, with a marker if necessary, then run `make lock`. Needs uv on PATH.
With a scenario's name (`make lock NAME=my-case`) only its lists are written: each pin is a question to the index.
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
# uv resolves one release at a time, without its marker. The newest interpreter meets the requirement of each release.
ASK = ("uv", "pip", "compile", "--quiet", "--no-deps", "--generate-hashes", "--no-header", "--no-annotate")
PYTHON = ("--python-version", "3.13")
LIMIT = 300.0  # seconds for one release


def lists(scenario: str = "") -> list[Path]:
    """Return the paths of all lists, or of those of one scenario. LabError for a scenario that has none."""
    paths = sorted(path for pattern in LISTS for path in ROOT.glob(pattern))
    if not scenario:
        return paths
    directory = ROOT / "scenarios" / scenario
    if chosen := [path for path in paths if directory in path.parents]:
        return chosen
    raise LabError(f"scenarios/{scenario}/requirements has no list", expected="a scenario with a list, NAME.txt")


def locked(text: str, hashes: Callable[[str], list[str]]) -> str:
    """Return a list with the ``hashes`` of each NAME==VERSION. LabError for a line that is not such a pin."""
    return "".join(f"{line}\n" for line in _locked_entries(text, hashes))


def _locked_entries(text: str, hashes: Callable[[str], list[str]]) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith("#"):
            yield line
        elif line.strip() and not line.lstrip().startswith("--hash="):
            entry = ENTRY.fullmatch(line)
            if not entry:
                raise LabError(f"{line!r} is not a pin", expected="NAME==VERSION, or NAME==VERSION; MARKER")
            marker = f" ; {entry['marker']}" if entry["marker"] else ""
            yield " \\\n    ".join([f"{entry['pin']}{marker}", *hashes(entry["pin"])])


@cache
def hashes_of(pin: str) -> list[str]:
    """Return the hashes of all files of a release, as options for pip."""
    options = HASH.findall(run([*ASK, *PYTHON, "-"], stdin=f"{pin}\n", timeout=LIMIT).stdout)
    if not options:
        raise LabError(f"uv found no file of {pin}", expected="a release that the package index has")
    return options


def main(scenario: str = "") -> int:
    """Write every list, or those of one scenario. Return 0, or 1 without uv."""
    if shutil.which("uv") is None:
        print("lock: uv is not on the PATH; install it (pip install uv)")
        return 1
    for path in lists(scenario):
        path.write_text(locked(path.read_text(encoding="utf-8"), hashes_of), encoding="utf-8")
        print(f"written: {path.relative_to(ROOT)}", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except LabError as error:
        print(f"lock: {error}")
        sys.exit(error.exit_status)
