"""Loads an offline bundle: gives its images to the engine and unpacks its runs, on a machine without a network."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import docker
import requests
from docker.errors import DockerException

from reprolab.baseimage.resolve import Policy, keep_bundled
from reprolab.bundle import archive, members
from reprolab.bundle.manifest import Manifest
from reprolab.core import command_text, files
from reprolab.core.errors import BundleError, LabError, UsageError
from reprolab.core.progress import OnProgress
from reprolab.engine import labels
from reprolab.engine.detect import Engine
from reprolab.engine.failures import plain_reason
from reprolab.engine.images import image_ids
from reprolab.evidence import lookup, run_dir
from reprolab.pins import index_releases
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

    def check_machine(self, contents: archive.Contents) -> None:
        """Raise BundleError if the images are for another processor, or if images or runs do not fit on the disk."""
        machine, bundled = self.client.version()["Arch"], contents.manifest.architecture
        if machine != bundled:
            raise BundleError(
                f"the bundle's images are for {bundled}, this engine runs {machine}",
                expected=f"a bundle made on a machine with {machine}",
                advice="make the bundle there, or replay a run, which needs no image: "
                + command_text.command("demo SCENARIO --replay RUN", "demo-SCENARIO REPLAY=RUN"),
            )
        # A remote engine uses another disk; loading fails there if that disk is full.
        engine = Path(self.client.info().get("DockerRootDir") or "")
        results = lookup.results_root(self.root)
        for what, prefix, directory in (("images", members.IMAGES, engine), ("runs", members.RUNS, results)):
            needed = contents.size(prefix)
            if directory.is_dir() and (free := shutil.disk_usage(directory).free) < needed:
                raise BundleError(
                    f"the {what} need {needed / GIGA:.1f} GB in {directory}, but only {free / GIGA:.1f} GB are free",
                    expected=f"enough disk space for all {what}",
                    advice="free some space (`docker system df` shows what the engine uses), or make a bundle of fewer "
                    "scenarios",
                )

    def load_images(self, manifest: Manifest, on_bytes: archive.OnBytes) -> bool:
        """Load the images into the engine; False if it has all of them already."""
        if self._has_images(manifest.images):
            return False
        try:
            # The library accepts an iterator and streams it, though its types name bytes only.
            self.client.images.load(self.reader.stream(members.IMAGES, on_bytes))  # type: ignore[arg-type]
        except (DockerException, requests.RequestException) as error:
            full = "no space left" in str(error)
            raise BundleError(
                f"the engine did not take the images: {plain_reason(error)}",
                expected="enough space on the engine's disk" if full else "an engine that keeps running",
                advice="free some space there and load again" if full else "`docker info` shows its state",
            ) from error
        return True

    def _has_images(self, images: Mapping[str, str]) -> bool:
        ids = image_ids(self.client)
        return all(ids.get(tag) == identity for tag, identity in images.items())

    def register_bases(self, manifest: Manifest) -> None:
        """Tag the loaded base images so that the lab uses them for the official images and asks no registry."""
        for official, base in manifest.bases.items():
            try:
                keep_bundled(official, base.reference, base.id, self.client)
            except (DockerException, requests.RequestException) as error:
                raise BundleError(
                    f"the bundle's base image {official} ({base.reference}) cannot be used: {plain_reason(error)}",
                    expected="an image of the bundle, by the name that its manifest gives",
                    advice="get the bundle again from its maker",
                ) from error

    def unpack_runs(self, manifest: Manifest) -> Iterator[str]:
        """Unpack the runs that this machine does not have yet; yields each run as SCENARIO/RUN, with what was done.

        Nothing that is here already is changed. A run appears whole or not at all.
        """
        results = lookup.results_root(self.root)
        for run in manifest.runs:
            target = results / run
            if os.path.lexists(target):
                different = self._difference(run, target)
                kept = f"is here with another {different}; it stays, and the bundle's was not unpacked"
                yield f"{run} {kept if different else 'is here already'}"
                continue
            self._unpack(run, target)
            if not (target.parent / lookup.LATEST).exists():
                lookup.point_latest(run_dir.RunDirectory(target))
            yield run

    def _unpack(self, run: str, target: Path) -> None:
        with files.writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as draft:
                self.reader.unpack(f"{members.RUNS}{run}/", Path(draft, target.name))
                Path(draft, target.name).rename(target)

    def keep_releases(self) -> Iterator[str]:
        """Keep the lists of releases for a time without an index; yields each as PACKAGE (DAY), with what was done."""
        with TemporaryDirectory() as draft:
            self.reader.unpack(members.RELEASES, Path(draft))
            for path in sorted(Path(draft).iterdir()):
                listed = _release_list(path)
                kept = index_releases.keep(self.root, listed)
                yield f"{listed.package} ({listed.day})" if kept else f"{listed.package} (a list as new is here)"

    def _difference(self, run: str, target: Path) -> str:
        """The first file of a bundled run that is missing or different in ``target``; "" if all are the same."""
        for name, digest in sorted(self.reader.digests(f"{members.RUNS}{run}/").items()):
            path = target / name
            if not path.is_file():
                return name
            with path.open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                    return name
        return ""

    def describe_missing(self, manifest: Manifest) -> Iterator[str]:
        """The variants that a run would still have to build, a line for each scenario.

        There are none if the bundle was made from the same files as this checkout.
        """
        for name, case in manifest.scenarios.items():
            try:
                missing = sorted(self._missing_variants(name, case.images))
            except LabError as error:
                yield f"{name}: {error}"
                continue
            if missing:
                yield f"{name}: {', '.join(missing)}"

    def _missing_variants(self, name: str, variants: Mapping[str, Any]) -> Iterator[str]:
        scenario = loader.load(self.root, name)
        tags = set(image_ids(self.client))
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


def _release_list(path: Path) -> index_releases.ReleaseList:
    try:
        listed = index_releases.read_file(path)
    except UsageError as error:
        raise BundleError(
            f"the bundle's {members.RELEASES}{path.name} is no list of releases: {error}",
            expected="the list as the lab writes it",
            advice="get the bundle again from its maker",
        ) from error
    if index_releases.file_name(listed.package) != path.name:
        raise BundleError(
            f"the bundle's {members.RELEASES}{path.name} is the list of {listed.package!r}",
            expected="the list of the package that its name says",
            advice="get the bundle again from its maker",
        )
    return listed


def format_size(size: int) -> str:
    """A number of bytes in GB or MB, for people."""
    return f"{size / GIGA:.2f} GB" if size >= GIGA // 10 else f"{size / (1 << 20):.1f} MB"
