"""Names and states of containers, as messages give them: never an id."""

from __future__ import annotations

from collections.abc import Mapping

from docker.errors import NotFound
from docker.models.containers import Container

from reprolab.engine import labels

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
PAUSED, REMOVED = "is paused", "was removed"


def role_of(container_labels: Mapping[str, str]) -> str:
    """The role of a container from its labels: the service's name without the scenario's prefix; "" if it has none."""
    return container_labels.get(SERVICE, "").removeprefix(f"{container_labels.get(labels.SCENARIO, '')}-")


def state_words(container: Container) -> str:
    """What keeps a container from working, such as "is paused"; "" while it runs."""
    try:
        container.reload()
    except NotFound:
        return REMOVED
    state = container.attrs["State"]
    if state.get("Paused"):
        return PAUSED
    if state.get("Status") == "created":
        return "did not start"
    return "" if state.get("Running") else f"has ended with exit status {state.get('ExitCode')}"
