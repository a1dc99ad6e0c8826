"""`reprolab bundle`: all that a machine with Docker and no network needs, in one archive."""

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
from reprolab.scenario import loader
from reprolab.scenario.model import DOCUMENTED, Scenario
from reprolab.stack.compose import Model
from reprolab.stack.prepare import StackPreparer, StackRequest

SAVE_LIMIT = 3600.0
DOWNLOAD_LIMIT = 1800.0
LOCK_FILE = "requirements.lock"


@dataclass(frozen=True)
class Part:
    """One scenario in a bundle: its variants (experiment, name), their models, and a run for replays."""

    scenario: Scenario
    variants: tuple[tuple[str, str], ...]
    models: tuple[Model, ...]
    run: RunDirectory | None

    def images(self) -> dict[str, dict[str, str]]:
        """Variant -> service -> the tag of its image."""
        named = zip(self.variants, self.models, strict=True)
        return {
            "/".join(variant): {name: service["image"] for name, service in model["services"].items()}
            for variant, model in named
        }


def variants_of(found: Scenario, *, everything: bool) -> list[tuple[str, str]]:
    """Which variants go along: the documented ones and those of the demonstration, or all."""
    wanted = [(e.name, v) for e in found.experiments.values() for v in e.variants if everything or v == DOCUMENTED]
    return list(dict.fromkeys([*wanted, *_acts(found)]))


def _acts(found: Scenario) -> list[tuple[str, str]]:
    """What its demonstration plays; nothing where it has none."""
    if not demo_script.exists(found):
        return []
    script = demo_script.load(found)
    return [(script.experiment.name, act.variant) for act in script.acts]


def playable(root: Path, found: Scenario) -> RunDirectory | None:
    """The newest run of a scenario whose trials hold every act of its demonstration; a whole one if there is."""
    needed = set(_acts(found))
    fit = []
    for one in lookup.runs_of(root, found.name):
        if needed <= {(trial.experiment, trial.variant) for trial in one.trials() if trial.valid}:
            fit.append(one)
    whole = [one for one in fit if one.info().complete]
    return next(reversed(whole or fit), None)


@dataclass
class Bundler:
    """Gathers and writes one bundle."""

    root: Path
    engine: Engine
    client: docker.DockerClient
    policy: Policy
    on_progress: OnProgress

    def __post_init__(self) -> None:
        self.preparer = StackPreparer(self.engine, self.client, self.policy, self.on_progress)

    def gather(self, names: Sequence[str], *, everything: bool, runs: bool) -> list[Part]:
        """Resolve the variants, build what is not there, find a run of each. Raises BundleError without a run."""
        found = [loader.load(self.root, name) for name in names]
        chosen = {one.name: variants_of(one, everything=everything) for one in found}
        recorded = {one.name: playable(self.root, one) if runs else None for one in found}
        if without := [one.name for one in found if runs and demo_script.exists(one) and recorded[one.name] is None]:
            raise BundleError(
                f"no run of {', '.join(without)} that its demonstration could replay",
                expected="one recorded run of each scenario, for when there are no containers",
                advice=f"make demo-{without[0]} AUTO=1 (or make scenario-{without[0]}), or leave runs out: "
                f"{command_text.option('no-runs')}",
            )
        return [self._part(one, chosen[one.name], recorded[one.name]) for one in found]

    def _part(self, found: Scenario, variants: list[tuple[str, str]], recorded: RunDirectory | None) -> Part:
        chosen = [(found.experiments[experiment], name) for experiment, name in variants]
        requests = [StackRequest(experiment.variants[name], experiment) for experiment, name in chosen]
        # A person may put load on any stack, so wrk goes along with all.
        models = self.preparer.models(found, requests, labels.own(found.name, "bundle"), all_tools=True)
        kept, built = [], []
        for variant, model in zip(variants, models, strict=True):
            try:
                workspace = lookup.results_root(self.root) / ".cache" / "bundle"
                self.preparer.build(model, workspace)
            except LabError as error:
                # A variant that cannot be built is part of some cases; it has nothing to carry.
                self.on_progress(f"{found.name}, {'/'.join(variant)}: left out, as its image cannot be built: {error}")
                continue
            kept.append(variant)
            built.append(model)
        return Part(found, tuple(kept), tuple(built), recorded)

    def images_of(self, parts: Sequence[Part]) -> list[str]:
        """The tags to save, each once: those of the services and of the bases below them."""
        tags = [tag for part in parts for services in part.images().values() for tag in services.values()]
        return sorted(dict.fromkeys([*tags, *(base.reference for base in self.preparer.bases.values())]))

    def manifest(self, parts: Sequence[Part], wheels: Sequence[Path]) -> dict[str, Any]:
        """What the bundle holds, and for which kind of machine."""
        return {
            "schema": bundle_archive.SCHEMA,
            "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "architecture": self.client.version()["Arch"],
            "python": python_words(),
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

    def write(self, parts: Sequence[Part], wheels: Sequence[Path], target: Path, heard: bundle_archive.Heard) -> int:
        """Write the archive; its size in bytes."""
        with bundle_archive.Writer(target, heard) as archive:
            archive.add(bundle_archive.MANIFEST, json.dumps(self.manifest(parts, wheels), indent=2).encode())
            archive.add(f"{bundle_archive.WHEELS}PYTHON", f"{python_words()}\n".encode())
            for wheel in wheels:
                archive.add_file(f"{bundle_archive.WHEELS}{wheel.name}", wheel)
            for one in (part.run for part in parts if part.run):
                for path in _files(one):
                    archive.add_file(f"{bundle_archive.RUNS}{path.relative_to(one.path.parents[1])}", path)
            archive.add_stream(bundle_archive.IMAGES, saved(self.engine.docker, self.images_of(parts)))
        return target.stat().st_size


def _files(one: RunDirectory) -> list[Path]:
    return sorted(path for path in one.path.rglob("*") if path.is_file() and not path.is_symlink())


def python_words() -> str:
    """The kind of Python that the wheels are for: '3.11 linux-x86_64'."""
    return f"{sys.version_info[0]}.{sys.version_info[1]} {sysconfig.get_platform()}"


def saved(docker_cli: str, images: Sequence[str]) -> Iterator[bytes]:
    """The engine's stream of images, layers that they share but once. Raises BundleError where it breaks off."""
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
        raise BundleError(f"the engine did not hand out the images: {failure[0]}") from failure[0]


def wheels(root: Path, on_progress: OnProgress) -> list[Path]:
    """The packages of requirements.lock as files, downloaded once for each lock and kind of Python."""
    lock = root / LOCK_FILE
    target = lookup.results_root(root) / ".cache" / "wheels" / _stamp(lock)
    done = target / ".done"
    if not done.exists():
        on_progress("downloading the packages of requirements.lock, for a machine that has no index")
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
                advice="make the bundle while there is a network",
            ) from error
        done.touch()
    return sorted(path for path in target.iterdir() if path.name != done.name)


def _stamp(lock: Path) -> str:
    parts = f"{python_words()} {platform.libc_ver()}".encode() + lock.read_bytes()
    return hashlib.sha256(parts).hexdigest()[:16]


def chosen(root: Path, names: Sequence[str]) -> list[str]:
    """The scenarios to take: those named, or all. Raises UsageError for an unknown one."""
    known = loader.names(root)
    for name in names:
        if name not in known:
            raise UsageError(f"no scenario {name!r}{hint(name, known)}", expected="of " + ", ".join(known))
    return list(names) or known
