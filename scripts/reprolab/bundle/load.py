"""Loads an offline bundle: gives its images to the engine and unpacks its runs, on a machine without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import DockerException

from reprolab.baseimage.resolve import Policy, keep_bundled
from reprolab.bundle import archive
from reprolab.core import command_text
from reprolab.core.errors import BundleError, LabError
from reprolab.core.progress import OnProgress
from reprolab.engine import labels
from reprolab.engine.detect import Engine
from reprolab.evidence import lookup, run_dir
from reprolab.scenario import loader
from reprolab.stack.compose import missing_images
from reprolab.stack.prepare import StackPreparer, StackRequest

GIGA = 1 << 30


@dataclass
class Loader:
    """Loads the parts of one bundle."""

    root: Path
    engine: Engine
    client: docker.DockerClient
    reader: archive.ArchiveReader
    on_progress: OnProgress

    def check_machine(self, manifest: Mapping[str, Any]) -> None:
        """Raise BundleError if the images are for another processor or do not fit on the disk."""
        machine, bundled = self.client.version()["Arch"], manifest["architecture"]
        if machine != bundled:
            raise BundleError(
                f"the bundle's images are for {bundled}, this engine runs {machine}",
                expected=f"a bundle made on a machine with {machine}",
                advice="make the bundle there, or replay a run, which needs no image: "
                + command_text.command("demo SCENARIO --replay RUN", "demo-SCENARIO REPLAY=RUN"),
            )
        self._check_disk_space()

    def _check_disk_space(self) -> None:
        directory = Path(self.client.info().get("DockerRootDir") or "")
        needed = self.reader.total_size(archive.IMAGES)
        # A remote engine uses another disk; loading fails there if that disk is full.
        if directory.is_dir() and (free := shutil.disk_usage(directory).free) < needed:
            raise BundleError(
                f"the images need {needed / GIGA:.1f} GB in {directory}, but only {free / GIGA:.1f} GB are free",
                expected="enough disk space for all images",
                advice="free some space (`docker system df` shows what uses it), or make a bundle of fewer scenarios",
            )

    def load_images(self, manifest: Mapping[str, Any], on_bytes: archive.OnBytes) -> bool:
        """Load the images into the engine; False if it has all of them already."""
        if self._has_images(manifest["images"]):
            return False
        try:
            # The library accepts an iterator and streams it, though its types name bytes only.
            self.client.images.load(self.reader.stream(archive.IMAGES, on_bytes))  # type: ignore[arg-type]
        except (DockerException, requests.RequestException) as error:
            full = "no space left" in str(error)
            raise BundleError(
                f"the engine did not take the images: {error}",
                expected="enough space on the engine's disk" if full else "an engine that keeps running",
                advice="free some space there and load again" if full else "`docker info` shows its state",
            ) from error
        return True

    def _has_images(self, images: Mapping[str, str]) -> bool:
        ids = {tag: str(image.id) for image in self.client.images.list() for tag in image.tags}
        return all(ids.get(tag) == identity for tag, identity in images.items())

    def register_bases(self, manifest: Mapping[str, Any]) -> None:
        """Tag the loaded base images so that the lab uses them for the official images and asks no registry."""
        for official, base in manifest["bases"].items():
            keep_bundled(official, base["reference"], base["id"], self.client)

    def unpack_runs(self, manifest: Mapping[str, Any]) -> list[str]:
        """Unpack the runs that this machine does not have yet; returns their names, SCENARIO/RUN."""
        results = lookup.results_root(self.root)
        written = []
        for name, part in manifest["scenarios"].items():
            if part["run"] is None or (results / name / part["run"]).exists():
                continue
            prefix = f"{name}/{part['run']}/"
            self.reader.unpack(archive.RUNS, results, lambda path, prefix=prefix: path.startswith(prefix))  # type: ignore[misc]
            if not (results / name / lookup.LATEST).exists():
                lookup.point_latest(run_dir.RunDirectory(results / name / part["run"]))
            written.append(f"{name}/{part['run']}")
        return written

    def describe_missing(self, manifest: Mapping[str, Any]) -> Iterator[str]:
        """The variants that a run would still have to build, a line for each scenario.

        There are none if the bundle was made from the same files as this checkout.
        """
        for name, part in manifest["scenarios"].items():
            try:
                missing = sorted(self._missing_variants(name, part["images"]))
            except LabError as error:
                yield f"{name}: {error}"
                continue
            if missing:
                yield f"{name}: {', '.join(missing)}"

    def _missing_variants(self, name: str, variants: Mapping[str, Any]) -> Iterator[str]:
        scenario = loader.load(self.root, name)
        tags = {tag for image in self.client.images.list() for tag in image.tags}
        preparer = StackPreparer(self.engine, self.client, Policy.AUTO, self.on_progress)
        for variant in variants:
            experiment_name, _, variant_name = variant.partition("/")
            experiment = scenario.experiments.get(experiment_name)
            if experiment is None or variant_name not in experiment.variants:
                yield f"{variant} (this checkout does not have it)"
                continue
            request = StackRequest(experiment.variants[variant_name], experiment)
            (model,) = preparer.models(scenario, [request], labels.object_labels(name, "load"), all_tools=True)
            if missing_images(model, tags.__contains__):
                yield variant


def format_size(size: int) -> str:
    """A number of bytes in GB or MB, for people."""
    return f"{size / GIGA:.2f} GB" if size >= GIGA // 10 else f"{size / (1 << 20):.1f} MB"
