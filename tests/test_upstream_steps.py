"""The steps of the bug reports are run. They end with status 0 in the showing stack, and not in the control.

The steps must leave no process and no listener behind, because a reader may run them again and then needs the port.
They run without network in a container of the app's image, where everything is installed. So steps of the kind
`setup` are left out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from cases import ROOT
from lab import engine
from reprolab.baseimage.resolve import policy
from reprolab.bugreport import spec
from reprolab.bugreport.spec import BugReport
from reprolab.engine.detect import client, ensure_engine
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.stack.prepare import StackPreparer, StackRequest

pytestmark = [pytest.mark.docker, pytest.mark.alone]

LEFT = 99  # the status of steps that leave something behind
# Processes that are ending get three seconds. Process 1 is Docker's init.
LOOK = """
import glob, os, sys, time
def left():
    for place in glob.glob("/proc/[0-9]*"):
        if int(place[6:]) in (1, os.getpid(), os.getppid()):
            continue
        try:
            with open(place + "/stat") as stat, open(place + "/cmdline") as command:
                if stat.read().rpartition(")")[2].split()[0] != "Z":
                    yield "process: " + command.read().replace(chr(0), " ")
        except OSError:
            pass
    for name, column, word in (("tcp", 3, "0A"), ("tcp6", 3, "0A"), ("unix", 3, "00010000")):
        with open("/proc/net/" + name) as table:
            yield from ("listener: " + line for line in table.readlines()[1:] if line.split()[column] == word)
for _ in range(30):
    remains = list(left())
    if not remains:
        sys.exit(0)
    time.sleep(0.1)
print("left behind:", *remains, sep=chr(10))
sys.exit(1)
"""

# The last value: whether the steps can be run with the control's factors. They cannot where the control is a patch or
# a setting of the lab that is not part of the steps.
CASES = [
    ("socket-vanish", "gunicorn", True),
    ("two-masters", "gunicorn", False),
    ("pool-freeze", "cpython", False),
    ("pool-freeze", "cpython-lost-lock", False),
    ("pool-freeze", "gunicorn", False),
    ("enable-threads", "uwsgi-docs", True),
    ("spawn-workers", "uvicorn", False),
    ("gunicorn-settings", "check-config-env", False),
    ("gunicorn-settings", "syslog", False),
    ("failed-startup", "hypercorn", False),
    ("reuse-port-unix", "gunicorn", False),
    ("dead-workers", "uvicorn", True),
]


def script(scenario: Scenario, report: BugReport, factors: Mapping[str, str]) -> str:
    """The steps as one shell script; it ends with 0, the status of the first check that fails, or LEFT."""
    lines = ["(cd $(mktemp -d)"]
    for step in report.steps:
        if step.kind == "file":
            text = (scenario.directory / step.content).read_text(encoding="utf-8").rstrip("\n")
            lines.append(f"cat > {Path(step.content).name} <<'THE-FILE'\n{text}\nTHE-FILE")
        elif step.kind == "run":
            lines.append(spec.fill(step.content, factors))
        elif step.kind == "check":
            lines.append(f"{{ {spec.fill(step.content, factors)}\n}} || exit 1")
    return "\n".join([*lines, f"); status=$?\npython - <<'LEFT' || exit {LEFT}\n{LOOK}LEFT\nexit $status"])


def image(scenario: Scenario, factors: Mapping[str, str], workspace: Path) -> str:
    """The app's image under these factors, built where it is missing."""
    preparer = StackPreparer(ensure_engine(print), client(), policy(os.environ), print)
    (model,) = preparer.models(scenario, [StackRequest(factors)], {})
    preparer.build(model, workspace)
    return str(model["services"][f"{scenario.name}-app"]["image"])


def follow(scenario: Scenario, report: BugReport, variant: str, workspace: Path) -> tuple[int, str]:
    """Run the steps in the image of a variant; returns the exit status and the output."""
    factors = {**scenario.factors, **report.experiment.variants[variant]}
    container = engine().containers.create(
        image(scenario, factors, workspace),
        entrypoint=["sh", "-c", script(scenario, report, factors)],
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
    """The steps show the sign; with the control's factors they do not."""
    scenario = loader.load(ROOT, name)
    report = next(report for report in spec.load(scenario).reports if report.name == only)
    status, output = follow(scenario, report, report.shows, tmp_path)
    assert status == 0, f"the steps did not show it in {report.shows}:\n{output[-2000:]}"
    if control:
        status, output = follow(scenario, report, report.control, tmp_path)
        assert status != LEFT, f"in the control {report.control}:\n{output[-2000:]}"
        assert status != 0, f"the steps showed it in the control {report.control}:\n{output[-2000:]}"
