"""Make the small recorded run in this directory from a run of the lab.

    python tests/data/pool-freeze/record.py results/pool-freeze/latest

Kept are all trials with what the claims look for (the waits in words and the summaries of forensics go, and of the 60
requests of a control that only answered, ten stay); and the server's log of the documented variant's trial.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
LOG = Path("freeze/documented/1/app.log.gz")


def main(source: Path) -> None:
    """Write HERE from the run in ``source``."""
    with (HERE / "trials.jsonl").open("w", encoding="utf-8") as stream:
        for line in (source / "trials.jsonl").read_text(encoding="utf-8").splitlines():
            trial = json.loads(line)
            trial.pop("crc32", None)
            trial["observation"].pop("seen", None)
            attempts = trial["observation"].get("attempts", [])
            for one in attempts:
                one.pop("chain", None)
                if one.get("seen"):
                    one["seen"].pop("summary")
            if attempts and not trial["observation"]["frozen"]:
                del attempts[10:]
            stream.write(json.dumps(trial, ensure_ascii=False) + "\n")
    with gzip.open(source / LOG, "rb") as log:
        text = log.read()
    target = HERE / LOG
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
