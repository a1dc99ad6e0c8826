"""Where results are. Completion needs it at once, so this module imports no library."""

from __future__ import annotations

import os
from pathlib import Path

LATEST = "latest"  # the link to the newest run of a scenario
BY_HAND = "by-hand"  # the folder for stacks by hand


def results_root(root: Path) -> Path:
    """Return the directory of all runs: REPROLAB_RESULTS, else results/ in the checkout."""
    return Path(os.environ.get("REPROLAB_RESULTS") or root / "results")
