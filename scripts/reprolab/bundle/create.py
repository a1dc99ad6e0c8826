"""Creates an offline bundle: everything that a machine with Docker and no network needs, in one archive."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import docker

from reprolab.baseimage.resolve import Policy
from reprolab.bundle import archive as bundle_archive
from reprolab.bundle import members
from reprolab.bundle.manifest import SCHEMA
from reprolab.core import command_text
from reprolab.core.config_file import hint
from reprolab.core.errors import BundleError, LabError, UsageError
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import CommandError, run
from reprolab.demo import script as demo_script
from reprolab.engine import labels
from reprolab.engine.detect import Engine
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.pins import index_releases
from reprolab.scenario import loader
from reprolab.scenario.model import DOCUMENTED, Scenario
from reprolab.stack.compose import Model
from reprolab.stack.prepare import StackPreparer, StackRequest

SAVE_LIMIT = 3600.0
DOWNLOAD_LIMIT = 1800.0
LOCK_FILE = "requirements.lock"


@dataclass(frozen=True)
class BundledScenario:
    """One scenario of a bundle: its variants (experiment, name), their Compose models, and a run to replay."""

    scenario: Scenario
    variants: tuple[tuple[str, str], ...]
    models: tuple[Model, ...]
    run: RunDirectory | None

    def images(self) -> dict[str, dict[str, str]]:
        """The tag of each image, by variant and service."""
        return {
            "/".join(variant): {name: service["image"] for name, service in model["services"].items()}
            for variant, model in zip(self.variants, self.models, strict=True)
        }


def choose_variants(scenario: Scenario, *, everything: bool) -> list[tuple[str, str]]:
    """The documented variants and those of the demonstration, as (experiment, name); or all variants."""
    variants = [
        (experiment.name, variant)
        for experiment in scenario.experiments.values()
        for variant in experiment.variants
        if everything or variant == DOCUMENTED
    ]
    return list(dict.fromkeys([*variants, *_demo_variants(scenario)]))


def _demo_variants(scenario: Scenario) -> list[tuple[str, str]]:
    """The variants of the demonstration; empty for a scenario without one."""
    if not demo_script.exists(scenario):
        return []
    script = demo_script.load(scenario)
    return [(script.experiment.name, act.variant) for act in script.acts]


def find_replayable_run(root: Path, scenario: Scenario) -> RunDirectory | None:
    """The newest run with a valid trial of every variant of the demonstration; a complete run is preferred."""
    needed = set(_demo_variants(scenario))
    runs = [
        run
        for run in lookup.runs_of(root, scenario.name)
        if needed <= {(trial.experiment, trial.variant) for trial in run.trials() if trial.valid}
    ]
    complete = [run for run in runs if run.info().complete]
    return next(reversed(complete or runs), None)


@dataclass
class Bundler:
    """Collects the contents of a bundle and writes it."""

    root: Path
    engine: Engine
    client: docker.DockerClient
    policy: Policy
    on_progress: OnProgress

    def __post_init__(self) -> None:
        self.preparer = StackPreparer(self.engine, self.client, self.policy, self.on_progress)

    def gather(self, names: Sequence[str], *, everything: bool, runs: bool) -> list[BundledScenario]:
        """Resolve the variants, build missing images, and find a run of each scenario if ``runs``.

        Raises BundleError if a scenario with a demonstration has no run to replay.
        """
        scenarios = [loader.load(self.root, name) for name in names]
        replays = {scenario.name: find_replayable_run(self.root, scenario) if runs else None for scenario in scenarios}
        missing = [
            scenario.name
            for scenario in scenarios
            if runs and demo_script.exists(scenario) and replays[scenario.name] is None
        ]
        if missing:
            raise BundleError(
                f"no run of {', '.join(missing)} that its demonstration could replay",
                expected="one recorded run of each scenario, to show it without containers",
                advice=f"{command_text.command(f'demo {missing[0]} --auto 1', f'demo-{missing[0]} AUTO=1')} (or "
                f"{command_text.run(missing[0])}), or leave runs out: "
                f"{command_text.option('no-runs')}",
            )
        return [
            self._bundle(scenario, choose_variants(scenario, everything=everything), replays[scenario.name])
            for scenario in scenarios
        ]

    def _bundle(
        self, scenario: Scenario, variants: list[tuple[str, str]], replay: RunDirectory | None
    ) -> BundledScenario:
        pairs = [(scenario.experiments[experiment], name) for experiment, name in variants]
        requests = [StackRequest(experiment.variants[name], experiment) for experiment, name in pairs]
        # A person may put load on any stack, so every stack includes wrk.
        models = self.preparer.models(scenario, requests, labels.object_labels(scenario.name, "bundle"), all_tools=True)
        kept, built = [], []
        for variant, model in zip(variants, models, strict=True):
            try:
                workspace = lookup.results_root(self.root) / ".cache" / "bundle"
                self.preparer.build(model, workspace)
            except LabError as error:
                # Some scenarios have a variant whose image cannot be built. It has no image to bundle.
                self.on_progress(
                    f"{scenario.name}, {'/'.join(variant)}: left out, as its image cannot be built: {error}"
                )
                continue
            kept.append(variant)
            built.append(model)
        return BundledScenario(scenario, tuple(kept), tuple(built), replay)

    def images_of(self, parts: Sequence[BundledScenario]) -> list[str]:
        """The tags of the services' images and of their base images, each once."""
        tags = [tag for part in parts for services in part.images().values() for tag in services.values()]
        return sorted(dict.fromkeys([*tags, *(base.reference for base in self.preparer.bases.values())]))

    def release_lists(self, parts: Sequence[BundledScenario]) -> list[index_releases.ReleaseList]:
        """The releases of all packages in the ranges of the scenarios. A list that cannot be had is left out."""
        ranges = [entry for part in parts for entry in part.scenario.ranges.values()]
        lists = []
        for package in sorted({entry.package for entry in ranges if entry.package}):
            try:
                lists.append(index_releases.releases_of(self.root, package))
            except UsageError as error:
                self.on_progress(f"{package}: its list of releases is left out: {error}")
        return lists

    def manifest(self, parts: Sequence[BundledScenario], wheels: Sequence[Path]) -> dict[str, Any]:
        """The contents of the bundle, and the kind of machine that it is for, as manifest.json has them."""
        return {
            "schema": SCHEMA,
            "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "architecture": self.client.version()["Arch"],
            "python": describe_python(),
            "scenarios": {
                part.scenario.name: {
                    "images": part.images(),
                    "run": part.run.name if part.run else None,
                }
                for part in parts
            },
            "images": {tag: str(self.client.images.get(tag).id) for tag in self.images_of(parts)},
            "bases": {
                name: {"reference": base.reference, "id": base.image_id} for name, base in self.preparer.bases.items()
            },
            "wheels": [wheel.name for wheel in wheels],
        }

    def write(
        self,
        parts: Sequence[BundledScenario],
        wheels: Sequence[Path],
        target: Path,
        on_bytes: bundle_archive.OnBytes,
        sign: bundle_archive.Sign | None = None,
        lists: Sequence[index_releases.ReleaseList] = (),
    ) -> int:
        """Write the archive and return its size in bytes."""
        with bundle_archive.ArchiveWriter(target, on_bytes, sign) as archive:
            archive.add(members.MANIFEST, json.dumps(self.manifest(parts, wheels), indent=2).encode())
            archive.add(f"{members.WHEELS}PYTHON", f"{describe_python()}\n".encode())
            for wheel in wheels:
                archive.add_file(f"{members.WHEELS}{wheel.name}", wheel)
            for listed in lists:
                name = f"{members.RELEASES}{index_releases.file_name(listed.package)}"
                archive.add(name, json.dumps(listed.to_json()).encode())
            for run in (part.run for part in parts if part.run):
                for path in _files(run):
                    archive.add_file(f"{members.RUNS}{path.relative_to(run.path.parents[1])}", path)
            archive.add_stream(members.IMAGES, save_images(self.engine.docker, self.images_of(parts)))
        return target.stat().st_size


def _files(run: RunDirectory) -> list[Path]:
    return sorted(path for path in run.path.rglob("*") if path.is_file() and not path.is_symlink())


def describe_python() -> str:
    """The kind of Python that the wheels are for: '3.11 linux-x86_64'."""
    return f"{sys.version_info[0]}.{sys.version_info[1]} {sysconfig.get_platform()}"


def save_images(docker_cli: str, images: Sequence[str]) -> Iterator[bytes]:
    """The output of `docker save`, with shared layers only once. Raises BundleError if the command fails."""
    reading, writing = os.pipe()
    failure: list[CommandError] = []

    def save() -> None:
        try:
            run([docker_cli, "save", *images], timeout=SAVE_LIMIT, stdout=writing)
        except CommandError as error:
            failure.append(error)
        finally:
            os.close(writing)

    thread = Thread(target=save, name="save", daemon=True)
    thread.start()
    with os.fdopen(reading, "rb", buffering=0) as stream:
        while chunk := stream.read(bundle_archive.CHUNK):
            yield chunk
    thread.join()
    if failure:
        raise BundleError(f"the engine could not save the images: {failure[0]}") from failure[0]


def download_wheels(root: Path, on_progress: OnProgress) -> list[Path]:
    """The packages of requirements.lock as files; downloads them once for each lock file and kind of Python."""
    lock = root / LOCK_FILE
    if not lock.is_file():
        on_progress(f"no {LOCK_FILE} here, so the bundle has no packages: install reprolab on the other machine first")
        return []
    target = lookup.results_root(root) / ".cache" / "wheels" / _stamp(lock)
    done = target / ".done"
    if not done.exists():
        on_progress("downloading the packages of requirements.lock, for a machine without a package index")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
        try:
            run(
                [*command, "--require-hashes", "--no-deps", "--dest", str(target), "--requirement", str(lock)],
                timeout=DOWNLOAD_LIMIT,
            )
        except CommandError as error:
            raise BundleError(
                f"the packages of {LOCK_FILE} could not be downloaded: {error.finished.tail}",
                expected="a package index that pip can reach",
                advice="make the bundle on a machine with a network",
            ) from error
        done.touch()
    return sorted(path for path in target.iterdir() if path.name != done.name)


def _stamp(lock: Path) -> str:
    parts = f"{describe_python()} {platform.libc_ver()}".encode() + lock.read_bytes()
    return hashlib.sha256(parts).hexdigest()[:16]


def choose_scenarios(root: Path, names: Sequence[str]) -> list[str]:
    """The named scenarios, or all. Raises UsageError for an unknown name."""
    known = loader.names(root)
    for name in names:
        if name not in known:
            raise UsageError(f"no scenario {name!r}{hint(name, known)}", expected="one of " + ", ".join(known))
    return list(names) or known
