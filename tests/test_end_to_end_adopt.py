"""A user's stack of two services, adopted and run on the engine; no secret of it is in any file afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from adoption import SECRETS, stack, with_secrets
from lab import engine, lab, left, read, run_directory
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario import lab_folder

NAME = "little-shop"


@pytest.mark.docker
def test_an_adopted_stack_runs_as_it_stands(tmp_path: Path) -> None:
    """Both claims are decided; the server has its factors; the network has its earlier names; secrets are made up."""
    home, results = tmp_path / "lab", tmp_path / "results"
    lab_folder.create(home)

    def call(*words: str) -> tuple[int, str]:
        return lab(results, *words, limit=1500, REPROLAB_ROOT=str(home))

    status, output = call("adopt", str(stack(tmp_path)), "--app", "web", "--proxy", "front")
    assert status == 0, output
    status, output = call("run", NAME, "--trials", "1")
    assert status == 0, output
    run = run_directory(results, NAME)
    verdict = read(run / "verdict.json")
    assert {claim["id"]: claim["verdict"] for claim in verdict["claims"]} == {"LS-1": "confirmed", "LS-2": "confirmed"}
    (trial,) = RunDirectory(run).trials()
    assert trial.valid and len(trial.observation["before"]) == 3  # the server and its two workers
    assert trial.observation["load"]["statuses"].keys() == {"200"}
    evidence = RunDirectory(run).trial("claims", "documented", 1)
    (printed,) = [line for line in evidence.lines("app") if b"API_TOKEN" in line]
    assert b"'API_TOKEN': 'made-up-by-the-lab-" in printed and b"'GREETING': 'good day'" in printed
    assert any(b"the secret is made-up-by-the-lab-" in line for line in evidence.lines("proxy"))
    for words in (("html", NAME), ("site",), ("accept", NAME, "--thin"), ("compare", NAME, NAME, "--force")):
        status, output = call(*words)
        assert not any(secret in output for secret in SECRETS)
    assert not list(with_secrets(home)) and not list(with_secrets(results))
    assert not left(engine(), run)
