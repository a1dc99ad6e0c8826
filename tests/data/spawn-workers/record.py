"""Make the recorded data in this directory from a whole run of the lab.

    python tests/data/spawn-workers/record.py results/spawn-workers/latest

Kept are all observations (but for most of what import-again prints), the documented trial's log, and the processes of
three trials in the kernel's own text.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
SNAPSHOTS = ("documented", "forked", "gunicorn")
FEW = 12


def thinned(row: dict) -> dict:
    """An observation without the bulk that no test reads."""
    if row["variant"] == "import-again" and row["observation"]:
        for when in ("loads", "loads_before"):
            loads = row["observation"][when]
            loads["printed"], loads["witnessed"] = loads["printed"][:FEW], loads["witnessed"][:FEW]
    return {key: row[key] for key in ("experiment", "variant", "observation")}


def pack(target: Path, text: str) -> None:
    """Write a text, compressed the same way each time."""
    target.write_bytes(gzip.compress(text.encode(), mtime=0))


def main(run: Path) -> None:
    """Write everything anew."""
    rows = [json.loads(line) for line in (run / "trials.jsonl").read_text(encoding="utf-8").splitlines()]
    pack(HERE / "trials.jsonl.gz", "".join(json.dumps(thinned(row), ensure_ascii=False) + "\n" for row in rows))
    shutil.copy(run / "imports/documented/1/app.log.gz", HERE / "app.log.gz")
    for variant in SNAPSHOTS:
        text = (run / "tree" / variant / "1/idle/snapshot.json").read_text(encoding="utf-8")
        pack(HERE / f"snapshot-{variant}.json.gz", text)


main(Path(sys.argv[1]))
