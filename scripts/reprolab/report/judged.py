"""The judged run as a JSON document, for programs: its answer, its verdict, its drift and the place of its evidence."""

from __future__ import annotations

from typing import Any

from reprolab.core.errors import UsageError
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario.model import Scenario
from reprolab.verdict.answer import answer
from reprolab.verdict.document import read_verdict
from reprolab.verdict.record import recorded_verdict


def judged(scenario: Scenario, run: RunDirectory) -> dict[str, Any]:
    """The document of a run (docs/schemas/judged.json), without the exit status. Raises UsageError without a verdict.

    It has the whole content of verdict.json. ``not_judged`` are the claims that need a variant which did not run.
    """
    verdict = read_verdict(run)
    if verdict is None:
        raise UsageError(f"{run.path} has no verdict.json", expected="a run that was judged")
    return {
        "answer": answer(scenario, verdict, recorded_verdict(scenario)).to_json(),
        **verdict.to_json(),
        "drifted": verdict.drifted,
        "not_judged": [claim.id for claim in verdict.claims if not verdict.asked(claim)],
        "evidence": str(run.path),
    }
