"""The key under which the trials of a cell are kept: equal keys mean the same stack, driven by the same files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from reprolab.core import shared_files
from reprolab.evidence.packages import Kinds
from reprolab.measure.cell import Cell
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Scenario
from reprolab.stack.compose import Model

LENGTH = 16  # hexadecimal digits


def cell_key(
    scenario: Scenario, cell: Cell, model: Model, owner: Mapping[str, str], case: str = "", kernel: str = ""
) -> str:
    """A digest of the prepared model, the scenario's files, the cell and the lab's version.

    The model has the names of the images, which are digests of all that goes into them. ``owner`` are its labels that
    differ from run to run. The place of the checkout does not count. The settings of a load are in no model, but in the
    cell. ``case`` is the digest of the scenario's files, if the caller has it. ``kernel`` is the package of a cell that
    names a kernel: its version of Linux alone can be that of several packages.
    """
    # What of x-reprolab can decide a trial is in the digest of the case.
    services = {name: part for name, part in model.items() if not name.startswith("x-")}
    content = json.dumps(_without(services, owner.keys()), sort_keys=True, default=str)
    root = scenario.directory.resolve().parents[1]
    parts = [
        shared_files.without_places(content, root),
        case or case_digest(scenario.directory),
        cell.experiment,
        cell.changes,
        version("reprolab"),
        *([kernel] if kernel else []),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:LENGTH]


def _without(part: Any, labels: Any) -> Any:
    """A part of a model without these labels."""
    if isinstance(part, Mapping):
        return {name: _without(inner, labels) for name, inner in part.items() if name not in labels}
    return [_without(inner, labels) for inner in part] if isinstance(part, list) else part


def same_images(recorded: Mapping[str, str], present: Mapping[str, str]) -> bool:
    """Whether no image (reference -> id) was built anew since: pip may then have installed other packages."""
    return all(present.get(reference, image) == image for reference, image in recorded.items())


def package_difference(wanted: Mapping[str, Kinds], present: Mapping[str, Kinds]) -> str:
    """The first package that differs between images (service -> kind -> name -> version), "" if none does."""
    for service in sorted({*wanted, *present}):
        kinds, others = wanted.get(service, {}), present.get(service, {})
        for kind in sorted({*kinds, *others}):
            names, other_names = kinds.get(kind, {}), others.get(kind, {})
            for name in sorted({*names, *other_names}):
                if names.get(name) != other_names.get(name):
                    before, now = names.get(name, "absent"), other_names.get(name, "absent")
                    return f"{service} has other packages there: {name} is {now}, not {before}"
    return ""
