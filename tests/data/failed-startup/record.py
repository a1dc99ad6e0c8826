"""Make the recorded run in this directory from a whole run of the lab: the first trial of each variant.

python tests/data/failed-startup/record.py results/failed-startup/latest
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

KEYS = ("experiment", "variant", "trial", "factors", "observation")

if __name__ == "__main__":
    rows = map(json.loads, (Path(sys.argv[1]) / "trials.jsonl").read_text(encoding="utf-8").splitlines())
    kept = [{key: row[key] for key in KEYS} for row in rows if row["trial"] == 1]
    text = "".join(f"{json.dumps(row)}\n" for row in kept)
    (Path(__file__).parent / "trials.jsonl").write_text(text, encoding="utf-8")
