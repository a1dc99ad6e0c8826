"""From a scenario's file to models that can come up: resolved, on base images of this engine, their images built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import docker

from reprolab.baseimage.resolve import Base, Policy, resolve_bases
from reprolab.core.progress import OnProgress
from reprolab.engine.detect import Engine, compose_command
from reprolab.scenario.model import Experiment, Scenario
from reprolab.stack.archived_bases import archived_bases
from reprolab.stack.builds import Builder
from reprolab.stack.compose import Model, base_arguments, prepare_model, resolve

BUILD_PROJECT = "reprolab-build"  # of models that are built, and come up under names of their own


@dataclass(frozen=True)
class StackRequest:
    """A stack that is asked for: the factors that differ, and the experiment; without one it is for a person."""

    factors: Mapping[str, str]
    experiment: Experiment | None = None


@dataclass
class StackPreparer:
    """Prepares stacks on one engine; ``bases`` are the base images of all of them, by their official names."""

    engine: Engine
    client: docker.DockerClient
    policy: Policy
    on_progress: OnProgress
    bases: dict[str, Base] = field(default_factory=dict)

    def models(
        self,
        scenario: Scenario,
        requests: Iterable[StackRequest],
        owner: Mapping[str, str],
        *,
        project: str = BUILD_PROJECT,
        all_tools: bool = False,
    ) -> list[Model]:
        """The model of each stack, in order, with the labels ``owner``; no image of it is built yet.

        ``all_tools``: with wrk, also for experiments that put no load on their stacks. Raises UsageError where Compose
        refuses the file, BaseImageError where a base image cannot be had.
        """
        compose = compose_command(self.engine)
        plain = [resolve(scenario, one.factors, compose, one.experiment, all_tools=all_tools) for one in requests]
        bases = self._bases(plain)
        self.bases |= bases
        identities = {official: (base.reference, base.image_id) for official, base in bases.items()}
        return [prepare_model(model, scenario, project, owner, identities) for model in plain]

    def _bases(self, models: list[Model]) -> dict[str, Base]:
        """Each base image that the models' builds name, once.

        One whose Debian release left the mirrors is replaced where something has yet to be built on it with apt.
        """
        officials = {official for model in models for _, _, official in base_arguments(model)}
        bases = resolve_bases(sorted(officials), self.client, policy=self.policy, on_progress=self.on_progress)
        return archived_bases(models, bases, self.client, self.on_progress)

    def build(self, model: Model, directory: Path) -> None:
        """Build the images that one model lacks, logs in ``directory``. Raises BuildError with the reason."""
        builder = Builder(self.client, compose_command(self.engine), directory, self.on_progress)
        builder.start({"": model})
        try:
            builder.wait(model)
        finally:
            builder.stop()
