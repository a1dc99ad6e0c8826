"""What a scenario has, as JSON for programs: factors, experiments with variants and claims, and needs."""

from __future__ import annotations

from typing import Any

from reprolab.scenario.model import Experiment, Scenario


def listing(scenario: Scenario) -> dict[str, Any]:
    """A scenario as `reprolab list --json` prints it (docs/schemas/list.json)."""
    return {
        "name": scenario.name,
        "title": scenario.title,
        "document": scenario.document.citation,
        "servers": list(scenario.catalogue.servers),
        "kinds": list(scenario.catalogue.kinds),
        "factors": {
            name: {"documented": documented, "values": list(scenario.values.get(name, ()))}
            for name, documented in scenario.factors.items()
        },
        "experiments": {name: _experiment(row) for name, row in scenario.experiments.items()},
        "requires": [requirement.words for requirement in scenario.requires],
        "allowed": [allowance.words for allowance in scenario.allow],
    }


def _experiment(experiment: Experiment) -> dict[str, Any]:
    return {
        "summary": experiment.summary,
        "trials": experiment.trials,
        "variants": {name: dict(changes) for name, changes in experiment.variants.items()},
        "needed": [name for name in experiment.variants if name in experiment.needed],
        "claims": [{"id": claim.id, "text": claim.text} for claim in experiment.claims],
    }
