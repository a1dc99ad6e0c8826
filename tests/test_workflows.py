"""The workflows of CI: what actionlint does not check. `make lint` runs that."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(name: str) -> Any:
    """A workflow. YAML 1.1 reads the key `on` as true."""
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))


def steps(name: str, job: str) -> list[Any]:
    """The steps of a job."""
    found_steps: list[Any] = read(name)["jobs"][job]["steps"]
    return found_steps


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_rights_are_few(path: Path) -> None:
    """By major version or commit; the token of the job can read only, and every job has a limit of time."""
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used and all(re.fullmatch(r"[\w/.-]+@(v\d+|[0-9a-f]{40})", action) for action in used)
    content = yaml.safe_load(text)
    assert content["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in content["jobs"].values())


def test_no_text_of_a_caller_is_put_into_a_script() -> None:
    """An input reaches a script as a variable: else it could be code."""
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            assert not [step["run"] for step in job["steps"] if "${{" in step.get("run", "")]


def test_evidence_is_uploaded_whatever_happened() -> None:
    """It is worth most after a failure."""
    rows = {step["name"]: step for step in steps("lab", "run") if "name" in step}
    for name in ("Pack the evidence", "Upload the evidence", "Upload the test reports"):
        assert rows[name]["if"] == "always()"


def script(tmp_path: Path, statuses: dict[str, int], listed: str = "", **inputs: str) -> tuple[int, list[str], str]:
    """Run the step that runs the scenarios, with a program in the place of the lab.

    Returns the exit status, the calls of the program, and what the step gives to others.
    """
    program, calls, outputs = tmp_path / "reprolab", tmp_path / "calls", tmp_path / "outputs"
    program.write_text(
        f'#!/bin/sh\nprintf \'%s|\' "$PWD" "$@" >>{calls}; echo >>{calls}\n'
        + (f"[ $1 = list ] && {{ {listed}; exit; }}\n" if listed else "")
        + "case $2 in "
        + " ".join(f"{name}) exit {status};;" for name, status in statuses.items())
        + " esac\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    (tmp_path / "python").symlink_to(sys.executable)
    (tmp_path / "my lab").mkdir(exist_ok=True)
    step = next(step for step in steps("lab", "run") if step.get("id") == "run")
    assert step["shell"] == "bash"
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "FOLDER": str(tmp_path / "my lab"),
        "REPROLAB_RESULTS": str(tmp_path / "results"),
        "GITHUB_OUTPUT": str(outputs),
        **dict.fromkeys(step["env"], ""),
        **inputs,
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    lines = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
    return done.returncode, lines, outputs.read_text(encoding="utf-8") if outputs.exists() else ""


def test_every_scenario_runs_and_the_highest_status_counts(tmp_path: Path) -> None:
    """A drift in the first does not keep the others from running."""
    status, calls, outputs = script(
        tmp_path, {"a": 1, "b": 0, "c": 3, "d": 0}, SCENARIOS="a b c d", OPTIONS="--trials 5  --budget 20m"
    )
    assert (status, outputs) == (3, "status=3\n")
    reports = [f"{tmp_path}/results/junit/{name}.xml" for name in "abcd"]
    assert calls == [
        f"{tmp_path}/my lab|run|{name}|--junit|{report}|--trials|5|--budget|20m|"
        for name, report in zip("abcd", reports, strict=True)
    ]


def test_without_names_all_scenarios_run(tmp_path: Path) -> None:
    """As `reprolab list --json` has them."""
    listed = f"echo '{json.dumps({'scenarios': [{'name': 'a'}, {'name': 'b'}]})}'"
    status, calls, outputs = script(tmp_path, {"a": 0, "b": 0}, listed)
    assert (status, outputs, [call.split("|")[2] for call in calls[1:]]) == (0, "status=0\n", ["a", "b"])


@pytest.mark.parametrize("listed", ["false", "echo broken", """echo '{"scenarios": []}'"""])
def test_a_list_that_fails_or_is_empty_is_a_failure(tmp_path: Path, listed: str) -> None:
    """A job that ran nothing would else be green."""
    status, calls, outputs = script(tmp_path, {}, listed)
    assert status != 0 and len(calls) == 1 and outputs == ""


def test_images_of_a_run_that_failed_are_not_kept() -> None:
    """Some may be missing, and a key of the cache is written once."""
    save = next(step for step in steps("lab", "run") if step.get("id") == "saved")
    assert json.loads(re.findall(r"fromJSON\('(.*?)'\)", save["if"])[0]) == ["0", "1", "3"]


def test_the_page_names_every_input() -> None:
    """docs/ci.md has the inputs of lab.yml, and no other."""
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    table = page[page.index("| input |") :].split("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)` ", table, re.MULTILINE) == list(read("lab")[True]["workflow_call"]["inputs"])
