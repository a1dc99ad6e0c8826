"""The packages and the base image of a trial, and whether the scenario's files have changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reprolab.bugreport.input import BugReportInput
from reprolab.core.errors import UsageError
from reprolab.core.files import read_json
from reprolab.core.markdown import foreign
from reprolab.evidence.packages import of_variant
from reprolab.stack.compose import BASE_ARGUMENT, image_name

APP = "{}-app"


def recorded_model(report_input: BugReportInput) -> dict[str, Any]:
    """The Compose model of the first trial of the showing variant; empty if the run did not keep it."""
    for trial in report_input.trials_of(report_input.report.shows):
        path = report_input.run.trial(trial.experiment, trial.variant, trial.trial).path / "compose.json"
        if path.exists():
            content: dict[str, Any] = read_json(path)
            return content
    return {}


def package_version(report_input: BugReportInput, name: str) -> str:
    """The version of a package of pip or apt, in the app's image or else in that of another service.

    If the run did not record it, the value of the factor NAME.
    """
    report = report_input.report
    services = of_variant(report_input.info.packages, report.experiment.name, report.shows)
    app = APP.format(report_input.scenario.name)
    for service in sorted(services, key=lambda other: other != app):
        for kind in ("pip", "deb"):
            installed = {key.lower(): value for key, value in services[service].get(kind, {}).items()}
            if name.lower() in installed:
                return str(installed[name.lower()])
    return str(report_input.factors(report.shows).get(name.upper(), "unknown"))


def base_image(report_input: BugReportInput) -> str:
    """The base of the app's image: the official image, or the fallback image in its place."""
    service = recorded_model(report_input).get("services", {}).get(APP.format(report_input.scenario.name), {})
    arguments = (service.get("build") or {}).get("args") or {}
    used = [value for name, value in arguments.items() if name.startswith("PYTHON") and name.endswith(BASE_ARGUMENT)]
    for official, base in report_input.info.bases.items():
        if base.reference in used and base.origin:
            return foreign((base.detail or official).replace("on this host", "on the reporter's machine"))
    return "unknown base image"


def changed_files_note(report_input: BugReportInput) -> str:
    """A note if the files in the report may not be those of the run; empty if they are the same.

    The name of an image is a digest of its files and factors. So the files of today give another name if they have
    changed.
    """
    if all(step.kind != "file" or step.content.startswith("upstream/") for step in report_input.report.steps):
        return ""
    service = APP.format(report_input.scenario.name)
    recorded = recorded_model(report_input).get("services", {}).get(service, {})
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
    """The directory of a build in this checkout: the part of the recorded path below the scenario's directory."""
    parts = recorded.parts
    name = report_input.scenario.directory.name
    below = parts[parts.index(name) + 1 :] if name in parts else ()
    return report_input.scenario.directory.joinpath(*below)
