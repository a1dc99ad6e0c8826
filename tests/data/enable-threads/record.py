"""Make the recorded run in this directory from a whole run of the lab: all its trials.

python tests/data/enable-threads/record.py results/enable-threads/latest
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

if __name__ == "__main__":
    shutil.copyfile(Path(sys.argv[1]) / "trials.jsonl", Path(__file__).parent / "trials.jsonl")
