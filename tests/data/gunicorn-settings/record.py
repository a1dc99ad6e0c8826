"""Make the small recorded run in this directory from a run of the lab.

    python tests/data/gunicorn-settings/record.py results/gunicorn-settings/latest

Kept are all trials with their observations; how long each stage took goes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(source: Path) -> None:
    """Write HERE from the run in ``source``."""
    with (HERE / "trials.jsonl").open("w", encoding="utf-8") as stream:
        for line in (source / "trials.jsonl").read_text(encoding="utf-8").splitlines():
            trial = json.loads(line)
            trial["seconds"] = None
            trial.pop("crc32", None)
            stream.write(json.dumps(trial, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
