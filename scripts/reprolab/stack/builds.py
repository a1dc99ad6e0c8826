"""Builds the images of a run: each once, two at a time. The whole log of each build is kept.

A failed build is not repeated. `Builder.start` gets all models of a run and returns at once. `Builder.wait` waits for
the images of one model.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

import docker

from reprolab.core.errors import BuildError, EngineError
from reprolab.core.files import write_json, writing
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import CommandError, end, run
from reprolab.engine.detect import has_image
from reprolab.engine.failures import engine_errors, engine_fault
from reprolab.evidence.run_info import BuiltImage, Image
from reprolab.stack.build_files import BuildFiles
from reprolab.stack.compose import Model
from reprolab.stack.hidden import hide

AT_ONCE = 2
BUILD_LIMIT = 1200.0
EXCERPT_LINES = 30
CONTEXT_LINES = 2  # before and after each line that may tell the reason
# "#12 3.456 text" is a line that a step printed; "#12 ERROR: ..." is the failure of the step.
STEP_LINE = re.compile(r"#(?P<step>\d+) (?:(?P<seconds>\d+\.\d+) )?(?P<text>.*)")
REASON = re.compile(
    r"\b(error|fatal|invalid|not found|no matching|cannot|could not|failed|denied|discarding|no space)\b|^E: ",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class BuildImage:
    """An image of a run: its tag, one service of a model that builds it, and the variants that need it."""

    reference: str
    service: str
    model: Model
    variants: tuple[str, ...]

    @property
    def stem(self) -> str:
        """The name of the build's files without their endings: service and tag."""
        return self.reference.rpartition("/")[2].replace(":", "-")

    @property
    def build(self) -> Mapping[str, Any]:
        """What its service says of the build."""
        part: Mapping[str, Any] = self.model["services"][self.service]["build"]
        return part


def images_of(models: Mapping[str, Model]) -> list[BuildImage]:
    """Each image that the models (variant -> prepared model) build, once, in the order of the models."""
    first: dict[str, tuple[str, Model]] = {}
    users: dict[str, list[str]] = {}
    for variant, model in models.items():
        for name, service in model["services"].items():
            if "build" in service:
                first.setdefault(service["image"], (name, model))
                users.setdefault(service["image"], []).append(variant)
    return [BuildImage(tag, service, model, tuple(users[tag])) for tag, (service, model) in first.items()]


@dataclass
class Builder:
    """Builds the images of one run. ``directory`` gets a log and a Compose file of each build; messages name ``shown``.

    ``describe`` is called for each image that exists, in the thread that built it; `wait` returns its results. While
    ``gentle`` is true, builds run one at a time, since trials run at the same time.
    """

    client: docker.DockerClient
    compose: tuple[str, ...]
    directory: Path
    on_progress: OnProgress
    describe: Callable[[str], BuiltImage] = lambda reference: BuiltImage(Image(reference))
    shown: str = ""
    at_once: int = AT_ONCE
    tells_failures: bool = True
    gentle: bool = False
    _futures: dict[str, Future[BuiltImage]] = field(default_factory=dict)
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _stopped: bool = False
    _times: list[float] = field(default_factory=list)
    _gentle_lock: Lock = field(default_factory=Lock)
    _files: BuildFiles = field(default_factory=BuildFiles)

    def __post_init__(self) -> None:
        self.shown = self.shown or str(self.directory)

    def start(self, models: Mapping[str, Model]) -> None:
        """Start to build the missing images of the models (variant -> prepared model), in order; returns at once.

        An image that an earlier call started is not built again.
        """
        pool = ThreadPoolExecutor(self.at_once, thread_name_prefix="build")
        new = [image for image in images_of(models) if image.reference not in self._futures]
        self._files.note({image.reference: image.build for image in new})
        for image in new:
            self._futures[image.reference] = pool.submit(self._ensure, image)
        pool.shutdown(wait=False)

    def pending(self, model: Model) -> list[Future[BuiltImage]]:
        """The images of a model that are not finished."""
        tags = {service.get("image", "") for service in model["services"].values()}
        return [self._futures[tag] for tag in tags & self._futures.keys() if not self._futures[tag].done()]

    def wait(self, model: Model) -> dict[str, BuiltImage]:
        """Wait for all images of a model; service -> the result of `describe` for its image.

        Raises BuildError with the reason if a build failed.
        """
        services = {name: service["image"] for name, service in model["services"].items() if "build" in service}
        return {name: self._futures[tag].result() for name, tag in services.items()}

    def stop(self) -> None:
        """End the running builds, and start no other."""
        self._stopped = True
        for future in self._futures.values():
            future.cancel()
        for process in list(self._running):
            end(process)

    @property
    def seconds(self) -> float:
        """From the start of the first image to the end of the last image so far."""
        return max(self._times) - min(self._times) if self._times else 0.0

    def _ensure(self, image: BuildImage) -> BuiltImage:
        self._times.append(monotonic())
        try:
            with engine_errors(f"the image {image.reference} was asked for"):
                if not has_image(self.client, image.reference):
                    with self._gentle_lock if self.gentle else nullcontext():
                        self._build(image)
                    self._files.check(image.reference, image.build, self.client)
                return self.describe(image.reference)
        except BuildError as error:
            if not self._stopped and self.tells_failures:
                variants = [name for name in image.variants if name]
                self.on_progress(f"{error}" + (f"\n  cannot run: {', '.join(variants)}" if variants else ""))
            raise
        finally:
            self._times.append(monotonic())

    def _announce(self, image: BuildImage, model: Model) -> None:
        arguments = model["services"][image.service]["build"].get("args") or {}
        shown = " ".join(f"{key}={value}" for key, value in arguments.items())
        suffix = f" ({shown})" if shown else ""
        self.on_progress(f"building {image.service}: not built yet from these files with these factors{suffix}")

    def _on_start(self, process: subprocess.Popen[bytes]) -> None:
        self._running.add(process)
        if self._stopped:
            # It started while `stop` ended the others.
            end(process)

    def _build(self, image: BuildImage) -> None:
        if self._stopped:
            # The run ended while this build waited for another one.
            raise BuildError(f"the image {image.reference} was not built: the run has ended")
        shown, secrets = hide(image.model)
        self._announce(image, shown)
        file, log = (self.directory / f"{image.stem}{ending}" for ending in (".compose.json", ".log"))
        variables = {**os.environ, **secrets}
        write_json(file, shown)
        options = ["--project-name", image.model["name"], "--file", str(file), "--progress", "plain"]
        try:
            with writing(log), log.open("wb") as stream:
                command = [*self.compose, *options, "build", image.service]
                run(
                    command,
                    timeout=BUILD_LIMIT,
                    stdout=stream,
                    stderr=stream,
                    env=variables,
                    on_start=self._on_start,
                )
        except CommandError as error:
            printed = log.read_text(encoding="utf-8", errors="replace")
            if "Cannot connect to the Docker daemon" in printed:
                raise EngineError("the engine stopped answering during a build") from error
            reasons = excerpt(printed)
            if fault := engine_fault(reasons):
                raise fault from error
            failure = str(error).partition(":")[0]
            raise BuildError(
                f"the image {image.reference} did not build ({failure}; whole log: {self.shown}/{log.name}):\n{reasons}"
            ) from error


def excerpt(log: str) -> str:
    """The lines of a build's log that tell why it failed: those of the failed step around a possible reason.

    At most EXCERPT_LINES lines, without repeats. The last lines of the log if no step failed.
    """
    lines = [match for line in log.splitlines() if (match := STEP_LINE.fullmatch(line.strip()))]
    failed = {line["step"] for line in lines if line["text"].startswith("ERROR: ")}
    printed = [line["text"].rstrip() for line in lines if line["step"] in failed and line["seconds"]]
    if not printed:
        # A step that printed nothing has only its error: a base image or a file for COPY does not exist.
        printed = [line["text"] for line in lines if line["text"].startswith("ERROR: ")]
    if not printed:
        return "\n".join(log.rstrip().splitlines()[-EXCERPT_LINES:])
    return "\n".join(_near_reasons(list(dict.fromkeys(printed))))


def _near_reasons(lines: list[str]) -> list[str]:
    """The lines near a possible reason, and the last lines, with "…" in the place of other lines."""
    near = {
        n
        for at, line in enumerate(lines)
        if REASON.search(line)
        for n in range(at - CONTEXT_LINES, at + CONTEXT_LINES + 1)
    }
    last = range(max(0, len(lines) - CONTEXT_LINES - 1), len(lines))
    kept = sorted(n for n in near | set(last) if 0 <= n < len(lines))[-EXCERPT_LINES:]
    shown: list[str] = []
    for before, n in zip([kept[0] - 1, *kept], kept, strict=False):
        shown += (["…"] if n > before + 1 else []) + [lines[n]]
    return shown
