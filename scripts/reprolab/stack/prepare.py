"""Prepares the stacks of a scenario: resolves their models and base images, and builds their images."""

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
from reprolab.stack.source_packages import Identity, SourcePackage, derived_base, with_sources

BUILD_PROJECT = "reprolab-build"  # the project of models for builds; a stack starts under another name


@dataclass(frozen=True)
class StackRequest:
    """A stack to prepare: the factors that differ, and the experiment. Without one the stack is for a person."""

    factors: Mapping[str, str]
    experiment: Experiment | None = None


@dataclass
class StackPreparer:
    """Prepares stacks on one engine; ``bases`` is official name -> base image, for all of them.

    ``sources`` is version -> package, for versions that stand for a commit.
    """

    engine: Engine
    client: docker.DockerClient
    policy: Policy
    on_progress: OnProgress
    bases: dict[str, Base] = field(default_factory=dict)
    sources: Mapping[str, SourcePackage] = field(default_factory=dict)

    def models(
        self,
        scenario: Scenario,
        requests: Iterable[StackRequest],
        owner: Mapping[str, str],
        *,
        project: str = BUILD_PROJECT,
        all_tools: bool = False,
    ) -> list[Model]:
        """The model of each stack, in order, with the labels ``owner``. No image is built.

        ``all_tools``: include wrk also for experiments that put no load on their stacks. Raises UsageError if Compose
        refuses the file, BaseImageError if a base image is not available, BuildError if a commit cannot be built.
        """
        compose = compose_command(self.engine)
        resolved = [
            resolve(scenario, request.factors, compose, request.experiment, all_tools=all_tools) for request in requests
        ]
        bases = self._resolve_bases(resolved)
        self.bases |= bases
        identities = {official: (base.reference, base.image_id) for official, base in bases.items()}
        prepared = [prepare_model(model, scenario, project, owner, identities) for model in resolved]
        return [with_sources(model, self.sources, identities.values(), self._derived) for model in prepared]

    def _derived(self, reference: str, package: SourcePackage) -> Identity:
        return derived_base(reference, package, self.client, self.on_progress)

    def _resolve_bases(self, models: list[Model]) -> dict[str, Base]:
        """The base images of the models' builds, by official name.

        A base whose Debian release left the mirrors is replaced if an image on it still has to be built with apt.
        """
        officials = {official for model in models for _, _, official in base_arguments(model)}
        bases = resolve_bases(sorted(officials), self.client, policy=self.policy, on_progress=self.on_progress)
        return archived_bases(models, bases, self.client, self.on_progress)

    def build(self, model: Model, directory: Path) -> None:
        """Build the missing images of one model, with logs in ``directory``. Raises BuildError with the reason."""
        # The caller shows the error, with the reason in it.
        compose = compose_command(self.engine)
        builder = Builder(self.client, compose, directory, self.on_progress, tells_failures=False)
        builder.start({"": model})
        try:
            builder.wait(model)
        finally:
            builder.stop()
