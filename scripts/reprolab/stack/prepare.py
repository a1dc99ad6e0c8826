"""Prepares the stacks of a scenario: resolves their models and base images, and builds their images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import docker

from reprolab.baseimage.resolve import Base, Policy, resolve_bases
from reprolab.core.errors import BaseImageError
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
        resolved = self._resolved(scenario, requests, all_tools)
        return self._on_bases(resolved, self._resolve_bases(resolved), scenario, owner, project)

    def models_or_reasons(
        self, scenario: Scenario, requests: Iterable[StackRequest], owner: Mapping[str, str]
    ) -> list[Model | str]:
        """The model of each stack, in order; of a stack whose base images are not all available, the reason.

        Raises UsageError if Compose refuses the file, BuildError if a commit cannot be built.
        """
        resolved = self._resolved(scenario, requests, all_tools=False)
        bases, missing = self._available_bases(resolved)
        reasons = [
            "; ".join(missing[name] for name in sorted(_officials([model]) & missing.keys())) for model in resolved
        ]
        able = [model for model, reason in zip(resolved, reasons, strict=True) if not reason]
        models = iter(self._on_bases(able, bases, scenario, owner, BUILD_PROJECT))
        return [reason or next(models) for reason in reasons]

    def _resolved(self, scenario: Scenario, requests: Iterable[StackRequest], all_tools: bool) -> list[Model]:
        compose = compose_command(self.engine)
        return [
            resolve(scenario, request.factors, compose, request.experiment, all_tools=all_tools) for request in requests
        ]

    def _on_bases(
        self,
        resolved: list[Model],
        bases: Mapping[str, Base],
        scenario: Scenario,
        owner: Mapping[str, str],
        project: str,
    ) -> list[Model]:
        """The models with their base images and labels."""
        self.bases |= bases
        identities = {official: (base.reference, base.image_id) for official, base in bases.items()}
        prepared = [prepare_model(model, scenario, project, owner, identities) for model in resolved]
        return [with_sources(model, self.sources, identities.values(), self._derived) for model in prepared]

    def _derived(self, reference: str, package: SourcePackage) -> Identity:
        return derived_base(reference, package, self.client, self.on_progress)

    def _resolve_bases(self, models: list[Model], only: str = "") -> dict[str, Base]:
        """The base images of the models' builds, by official name; of ``only`` this name if it is given.

        A base whose Debian release left the mirrors is replaced if an image on it still has to be built with apt.
        """
        officials = [only] if only else sorted(_officials(models))
        bases = resolve_bases(officials, self.client, policy=self.policy, on_progress=self.on_progress)
        return archived_bases(models, bases, self.client, self.on_progress)

    def _available_bases(self, models: list[Model]) -> tuple[dict[str, Base], dict[str, str]]:
        """The base images that are available, and the reason why each other one is not, by official name."""
        bases, missing = dict[str, Base](), dict[str, str]()
        with suppress(BaseImageError):
            return self._resolve_bases(models), missing
        for official in sorted(_officials(models)):
            try:
                bases |= self._resolve_bases(models, official)
            except BaseImageError as error:
                missing[official] = f"no base image {official}: {str(error).splitlines()[0]}"
                self.on_progress(missing[official])
        return bases, missing

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


def _officials(models: Iterable[Model]) -> set[str]:
    """The official names of the base images of the models' builds."""
    return {official for model in models for _, _, official in base_arguments(model)}
