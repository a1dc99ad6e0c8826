"""The steps that reports give, followed: in the stack that shows it they end with status 0, in the control they do not.

They run in a container of the app's image, where everything is installed, without network; steps of the kind
`setup` are left out for that reason.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from cases import ROOT
from lab import engine
from reprolab import composefile, scenario, upstream
from reprolab.bases import policy
from reprolab.engine import client, compose_command, ensure_engine
from reprolab.images import bases_of, build_missing, references
from reprolab.scenario import Scenario
from reprolab.upstream import Report

pytestmark = pytest.mark.docker

# A control that these steps can tell: where the patch or the setting is of the lab's making, that of the report is not.
CASES = [
    ("socket-vanish", "gunicorn", True),
    ("pool-freeze", "cpython-lost-lock", False),
    ("pool-freeze", "gunicorn", False),
    ("enable-threads", "uwsgi-docs", True),
    ("spawn-workers", "uvicorn", False),
    ("gunicorn-settings", "check-config-env", False),
    ("gunicorn-settings", "syslog", False),
]


def script(found: Scenario, report: Report, factors: Mapping[str, str]) -> str:
    """The report's steps as one shell script that ends with the status of its check."""
    lines = ["cd $(mktemp -d)"]
    for step in report.steps:
        if step.kind == "file":
            text = (found.directory / step.content).read_text(encoding="utf-8").rstrip("\n")
            lines.append(f"cat > {Path(step.content).name} <<'THE-FILE'\n{text}\nTHE-FILE")
        elif step.kind in ("run", "check"):
            lines.append(upstream.fill(step.content, factors))
    return "\n".join(lines)


def image(found: Scenario, factors: Mapping[str, str], workspace: Path) -> str:
    """The app's image under these factors, built where it is missing."""
    setup = ensure_engine(print)
    compose = compose_command(setup)
    model = composefile.resolve(found, factors, compose)
    bases = bases_of([model], client(), print, policy(os.environ))
    own = composefile.adopt(model, found, "reprolab", {}, references(bases))
    build_missing(own, client(), compose, workspace, print)
    return str(own["services"][f"{found.name}-app"]["image"])


def follow(found: Scenario, report: Report, variant: str, workspace: Path) -> tuple[int, str]:
    """Follow the steps in one variant's image; its exit status and what it printed."""
    factors = {**found.factors, **report.experiment.variants[variant]}
    container = engine().containers.create(
        image(found, factors, workspace),
        entrypoint=["sh", "-c", script(found, report, factors)],
        network_mode="none",
        init=True,
        working_dir="/tmp",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        mem_limit="1g",
        pids_limit=256,
        labels={"reprolab.test": "steps"},
    )
    try:
        container.start()
        status = container.wait(timeout=90)["StatusCode"]
        return status, container.logs().decode("utf-8", "replace")
    finally:
        container.remove(force=True)


@pytest.mark.parametrize(("name", "only", "control"), CASES, ids=[f"{name}-{only}" for name, only, _ in CASES])
def test_the_steps_show_it(name: str, only: str, control: bool, tmp_path: Path) -> None:
    """Whoever follows them sees it; and with the control's factors in their place, does not."""
    found = scenario.load(ROOT, name)
    report = next(one for one in upstream.load(found).reports if one.name == only)
    status, told = follow(found, report, report.shows, tmp_path)
    assert status == 0, f"the steps did not show it in {report.shows}:\n{told[-2000:]}"
    if control:
        status, told = follow(found, report, report.control, tmp_path)
        assert status != 0, f"the steps showed it in the control {report.control}:\n{told[-2000:]}"
