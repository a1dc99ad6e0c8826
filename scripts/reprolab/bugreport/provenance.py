"""On what a trial ran: packages and base of its image, and whether the scenario's files are still those it had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reprolab.bugreport.input import BugReportInput
from reprolab.core.errors import UsageError
from reprolab.core.files import read_json
from reprolab.evidence.packages import of_variant
from reprolab.stack.compose import BASE_ARGUMENT, image_name

APP = "{}-app"


def model(report_input: BugReportInput) -> dict[str, Any]:
    """The Compose model of the showing variant's first trial; empty where it was not kept."""
    for trial in report_input.of(report_input.report.shows):
        path = report_input.run.trial(trial.experiment, trial.variant, trial.trial).path / "compose.json"
        if path.exists():
            content: dict[str, Any] = read_json(path)
            return content
    return {}


def package(report_input: BugReportInput, name: str) -> str:
    """A package's version in the app's image; where the run did not note it, the factor of that name."""
    report = report_input.report
    services = of_variant(report_input.info.packages, report.experiment.name, report.shows)
    installed = services.get(APP.format(report_input.scenario.name), {})
    kept = {key.lower(): value for key, value in installed.get("pip", {}).items()}
    return str(kept.get(name.lower()) or report_input.factors(report.shows).get(name.upper(), "unknown"))


def base_of(report_input: BugReportInput) -> str:
    """What the app's image was built on: the official image, or what stood in for it."""
    service = model(report_input).get("services", {}).get(APP.format(report_input.scenario.name), {})
    arguments = (service.get("build") or {}).get("args") or {}
    used = [value for name, value in arguments.items() if name.startswith("PYTHON") and name.endswith(BASE_ARGUMENT)]
    for official, base in report_input.info.bases.items():
        if base.reference in used and base.origin:
            return (base.detail or official).replace("on this host", "on the reporter's machine")
    return "unknown base image"


def as_it_ran(report_input: BugReportInput) -> str:
    """A note where the files shown may not be those that ran; empty where the image's name proves they are.

    An image's name is a digest of what went into it, so the files of today give the same name or have changed.
    """
    if all(step.kind != "file" or step.content.startswith("upstream/") for step in report_input.report.steps):
        return ""
    service = APP.format(report_input.scenario.name)
    recorded = model(report_input).get("services", {}).get(service, {})
    build = recorded.get("build")
    if not build:
        return "The run did not keep what it was built from, so the files above are the scenario's as they are now"
    local_build = build | {"context": str(_context(report_input, Path(build["context"])))}
    bases = [(base.reference or "", base.id or "") for base in report_input.info.bases.values()]
    try:
        same = image_name(local_build, service, bases) == recorded.get("image")
    except (OSError, UsageError):
        same = False
    return "" if same else "Some of the scenario's files have changed since this run; those above are as they are now"


def _context(report_input: BugReportInput, recorded: Path) -> Path:
    """A build's directory in this checkout: what follows the scenario's name in the recorded path."""
    parts = recorded.parts
    name = report_input.scenario.directory.name
    below = parts[parts.index(name) + 1 :] if name in parts else ()
    return report_input.scenario.directory.joinpath(*below)
