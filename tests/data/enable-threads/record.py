"""Make the recorded run in this directory from a whole run of the lab: all its trials.

    python tests/data/enable-threads/record.py results/enable-threads/latest

The checksum of a line goes: it is that of the file of the run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(source: Path) -> None:
    """Write the trials of the run in ``source`` beside this file."""
    with (Path(__file__).parent / "trials.jsonl").open("w", encoding="utf-8") as stream:
        for line in (source / "trials.jsonl").read_text(encoding="utf-8").splitlines():
            trial = json.loads(line)
            trial.pop("crc32", None)
            stream.write(json.dumps(trial, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
