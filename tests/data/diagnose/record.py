"""Copies logs of real runs into this directory: for each case a variant that shows it, and its control.

    python tests/data/diagnose/record.py RESULTS SCENARIO EXPERIMENT VARIANT FILE...

RESULTS holds the run directories. Of a log the first and the last lines are kept, and all that are no notice.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

HERE = Path(__file__).parent
HEAD, TAIL, REPEATED = 60, 40, (b"[notice]", b" connect() ")


def thin(lines: list[bytes]) -> list[bytes]:
    """The lines without the many equal ones in the middle."""
    middle = [line for line in lines[HEAD:-TAIL] if not any(word in line for word in REPEATED)]
    return [*lines[:HEAD], *middle, *lines[max(HEAD, len(lines) - TAIL) :]]


def main(results: Path, scenario: str, experiment: str, variant: str, files: list[str]) -> None:
    """Copy the files of the newest run's first trial."""
    trial = sorted(results.glob(f"{scenario}/2*/{experiment}/{variant}/1"))[-1]
    for file in files:
        content = (trial / file).read_bytes()
        lines = (gzip.decompress(content) if file.endswith(".gz") else content).splitlines(keepends=True)
        name = file.removesuffix(".gz").removesuffix(".log")
        target = HERE / scenario / f"{variant}.{name}.log.gz"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(gzip.compress(b"".join(thin(lines)), mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:5], sys.argv[5:])
