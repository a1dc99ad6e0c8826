"""`reprolab load`: make a machine with Docker and no network ready from a bundle."""

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
    """Puts one bundle's parts in their places."""

    root: Path
    engine: Engine
    client: docker.DockerClient
    reader: archive.Reader
    on_progress: OnProgress

    def check_machine(self, manifest: Mapping[str, Any]) -> None:
        """Raise BundleError where the images are for another processor, or would not fit on the disk."""
        here, there = self.client.version()["Arch"], manifest["architecture"]
        if here != there:
            raise BundleError(
                f"the bundle's images are for {there}, this engine runs {here}",
                expected=f"a bundle made on a machine with {here}",
                advice="make the bundle there, or replay, which needs no image: "
                + command_text.command("demo SCENARIO --replay RUN", "demo-SCENARIO REPLAY=RUN"),
            )
        self._check_room()

    def _check_room(self) -> None:
        place = Path(self.client.info().get("DockerRootDir") or "")
        needed = self.reader.sizes(archive.IMAGES)
        # An engine elsewhere has a disk of its own, and says itself when that is full.
        if place.is_dir() and (free := shutil.disk_usage(place).free) < needed:
            raise BundleError(
                f"the images need {needed / GIGA:.1f} GB in {place}, and there are {free / GIGA:.1f} GB free",
                expected="room for all images",
                advice="free some space (`docker system df` shows what is there), or make a bundle of fewer scenarios",
            )

    def images(self, manifest: Mapping[str, Any], heard: archive.Heard) -> bool:
        """Hand the images to the engine; False where it had all of them."""
        if self._here(manifest["images"]):
            return False
        try:
            # Handed on piece by piece, though the library's types know files alone.
            self.client.images.load(self.reader.stream(archive.IMAGES, heard))  # type: ignore[arg-type]
        except (DockerException, requests.RequestException) as error:
            full = "no space left" in str(error)
            raise BundleError(
                f"the engine did not take the images: {error}",
                expected="room for them on the engine's disk" if full else "an engine that keeps running",
                advice="free some space there and load again" if full else "`docker info` shows its state",
            ) from error
        return True

    def _here(self, images: Mapping[str, str]) -> bool:
        here = {tag: str(image.id) for image in self.client.images.list() for tag in image.tags}
        return all(here.get(tag) == identity for tag, identity in images.items())

    def bases(self, manifest: Mapping[str, Any]) -> None:
        """Let the loaded bases stand for the official images, so that no registry is asked."""
        for official, base in manifest["bases"].items():
            keep_bundled(official, base["reference"], base["id"], self.client)

    def runs(self, manifest: Mapping[str, Any]) -> list[str]:
        """Unpack the recorded runs; those that are there already stay as they are."""
        results = lookup.results_root(self.root)
        written = []
        for name, part in manifest["scenarios"].items():
            if part["run"] is None or (results / name / part["run"]).exists():
                continue
            prefix = f"{name}/{part['run']}/"
            self.reader.unpack(archive.RUNS, results, lambda inside, prefix=prefix: inside.startswith(prefix))  # type: ignore[misc]
            if not (results / name / lookup.LATEST).exists():
                lookup.point_latest(run_dir.RunDirectory(results / name / part["run"]))
            written.append(f"{name}/{part['run']}")
        return written

    def unready(self, manifest: Mapping[str, Any]) -> Iterator[str]:
        """What a run would still have to build, in words; nothing of a bundle made from these very files."""
        for name, part in manifest["scenarios"].items():
            try:
                missing = sorted(self._missing(name, part["images"]))
            except LabError as error:
                yield f"{name}: {error}"
                continue
            if missing:
                yield f"{name}: {', '.join(missing)}"

    def _missing(self, name: str, variants: Mapping[str, Any]) -> Iterator[str]:
        found = loader.load(self.root, name)
        here = {tag for image in self.client.images.list() for tag in image.tags}
        preparer = StackPreparer(self.engine, self.client, Policy.AUTO, self.on_progress)
        for variant in variants:
            experiment, _, short = variant.partition("/")
            if short not in getattr(found.experiments.get(experiment), "variants", {}):
                yield f"{variant} (this checkout does not have it)"
                continue
            own = found.experiments[experiment]
            request = StackRequest(own.variants[short], own)
            (model,) = preparer.models(found, [request], labels.own(name, "load"), all_tools=True)
            if missing_images(model, here.__contains__):
                yield variant


def gigabytes(size: int) -> str:
    """A size for people."""
    return f"{size / GIGA:.2f} GB" if size >= GIGA // 10 else f"{size / (1 << 20):.1f} MB"
