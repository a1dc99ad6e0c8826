"""Make the small recorded run in this directory from a run of the lab.

    python tests/data/pool-freeze/record.py results/pool-freeze/latest

Kept are all trials, each with whole observations but for the summaries of forensics, of which one stays; and the
server's log of the documented variant's trial.
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
    kept_one = False
    with (HERE / "trials.jsonl").open("w", encoding="utf-8") as stream:
        for line in (source / "trials.jsonl").read_text(encoding="utf-8").splitlines():
            trial = json.loads(line)
            for one in trial["observation"].get("attempts", []):
                if one.get("seen") and kept_one:
                    one["seen"].pop("summary")
                kept_one = kept_one or bool(one.get("seen"))
            if kept_one:
                trial["observation"].pop("seen", None)
            stream.write(json.dumps(trial, ensure_ascii=False) + "\n")
    with gzip.open(source / LOG, "rb") as log:
        text = log.read()
    target = HERE / LOG
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
