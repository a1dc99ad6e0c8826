"""Builds images: each once in a run, two at a time, with each build's whole log kept.

An image that did not build is not tried again. `Builder.start` takes all models of a run and returns at once;
`Builder.wait` is asked for one model when its trials are due.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import monotonic

import docker

from reprolab.core.errors import BuildError, EngineError
from reprolab.core.files import write_json, writing
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import CommandError, end, run
from reprolab.engine.detect import has_image
from reprolab.engine.failures import engine_errors
from reprolab.evidence.run_info import BuiltImage
from reprolab.evidence.run_info import Image as RunImage
from reprolab.stack.compose import Model

AT_ONCE = 2
BUILD_LIMIT = 1200.0
EXCERPT_LINES = 30
AROUND = 2  # lines before and after each one that looks like a reason
# "#12 3.456 text" is a line that a step printed; "#12 ERROR: ..." says that the step failed.
STEP_LINE = re.compile(r"#(?P<step>\d+) (?:(?P<seconds>\d+\.\d+) )?(?P<text>.*)")
REASON = re.compile(
    r"\b(error|fatal|invalid|not found|no matching|cannot|could not|failed|denied|discarding|no space)\b|^E: ",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Image:
    """One image of a run: its tag, a service of a model that it belongs to, and the variants that need it."""

    reference: str
    service: str
    model: Model
    variants: tuple[str, ...]

    @property
    def stem(self) -> str:
        """The name of its build's files: service and tag."""
        return self.reference.rpartition("/")[2].replace(":", "-")


def images_of(models: Mapping[str, Model]) -> list[Image]:
    """Each image that the models (variant -> prepared model) build, once, in their order."""
    first: dict[str, tuple[str, Model]] = {}
    users: dict[str, list[str]] = {}
    for variant, model in models.items():
        for name, service in model["services"].items():
            if "build" in service:
                first.setdefault(service["image"], (name, model))
                users.setdefault(service["image"], []).append(variant)
    return [Image(tag, service, model, tuple(users[tag])) for tag, (service, model) in first.items()]


@dataclass
class Builder:
    """The images of one run; ``directory`` gets a log and the Compose file of each build; messages call it ``shown``.

    ``describe`` is asked for each image that is there, in the thread that built it; `wait` hands out what it said.
    ``gentle``: from now on one build at a time, since trials run beside them.
    """

    client: docker.DockerClient
    compose: tuple[str, ...]
    directory: Path
    on_progress: OnProgress
    describe: Callable[[str], BuiltImage] = lambda reference: BuiltImage(RunImage(reference))
    shown: str = ""
    at_once: int = AT_ONCE
    gentle: bool = False
    _futures: dict[str, Future[BuiltImage]] = field(default_factory=dict)
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _stopped: bool = False
    _moments: list[float] = field(default_factory=list)
    _turn: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.shown = self.shown or str(self.directory)

    def start(self, models: Mapping[str, Model]) -> None:
        """Begin to build what the models (variant -> prepared model) lack, in their order; returns at once."""
        pool = ThreadPoolExecutor(self.at_once, thread_name_prefix="build")
        for image in images_of(models):
            self._futures[image.reference] = pool.submit(self._make, image)
        pool.shutdown(wait=False)

    def pending(self, model: Model) -> list[Future[BuiltImage]]:
        """The images of a model that are still waited for."""
        tags = {service.get("image", "") for service in model["services"].values()}
        return [self._futures[tag] for tag in tags & self._futures.keys() if not self._futures[tag].done()]

    def wait(self, model: Model) -> dict[str, BuiltImage]:
        """Wait until all images of a model are there; service -> what `describe` said of its image.

        Raises BuildError with the reason if one did not build.
        """
        services = {name: service["image"] for name, service in model["services"].items() if "build" in service}
        return {name: self._futures[tag].result() for name, tag in services.items()}

    def stop(self) -> None:
        """End the builds that run, and begin no other."""
        self._stopped = True
        for future in self._futures.values():
            future.cancel()
        for process in list(self._running):
            end(process)

    @property
    def seconds(self) -> float:
        """From the beginning of the first image to the end of the last one so far."""
        return max(self._moments) - min(self._moments) if self._moments else 0.0

    def _make(self, image: Image) -> BuiltImage:
        self._moments.append(monotonic())
        try:
            with engine_errors(f"the image {image.reference} was asked for"):
                if not has_image(self.client, image.reference):
                    with self._turn if self.gentle else nullcontext():
                        self._build(image)
                return self.describe(image.reference)
        except BuildError as error:
            if not self._stopped:
                variants = [name for name in image.variants if name]
                self.on_progress(f"{error}" + (f"\n  cannot run: {', '.join(variants)}" if variants else ""))
            raise
        finally:
            self._moments.append(monotonic())

    def _announce(self, image: Image) -> None:
        arguments = image.model["services"][image.service]["build"].get("args") or {}
        shown = " ".join(f"{key}={value}" for key, value in arguments.items())
        told = f" ({shown})" if shown else ""
        self.on_progress(f"building {image.service}: not built yet from these files with these factors{told}")

    def _began(self, process: subprocess.Popen[bytes]) -> None:
        self._running.add(process)
        if self._stopped:
            # It began while `stop` went over those that run.
            end(process)

    def _build(self, image: Image) -> None:
        if self._stopped:
            # It had waited for its turn.
            raise BuildError(f"the image {image.reference} was not built: the run has ended")
        self._announce(image)
        file, log = (self.directory / f"{image.stem}{ending}" for ending in (".compose.json", ".log"))
        write_json(file, image.model)
        place = ["--project-name", image.model["name"], "--file", str(file), "--progress", "plain"]
        try:
            with writing(log), log.open("wb") as stream:
                command = [*self.compose, *place, "build", image.service]
                run(command, timeout=BUILD_LIMIT, stdout=stream, stderr=stream, on_start=self._began)
        except CommandError as error:
            printed = log.read_text(encoding="utf-8", errors="replace")
            if "Cannot connect to the Docker daemon" in printed:
                raise EngineError("the engine stopped answering during a build") from error
            how = str(error).partition(":")[0]
            raise BuildError(
                f"the image {image.reference} did not build ({how}; whole log: {self.shown}/{log.name}):\n"
                f"{excerpt(printed)}"
            ) from error


def excerpt(log: str) -> str:
    """The lines of a build's log that tell why it failed: of the step that failed, around what looks like a reason.

    At most EXCERPT_LINES, each once; the log's last lines where no step failed.
    """
    lines = [match for line in log.splitlines() if (match := STEP_LINE.fullmatch(line.strip()))]
    failed = {line["step"] for line in lines if line["text"].startswith("ERROR: ")}
    printed = [line["text"].rstrip() for line in lines if line["step"] in failed and line["seconds"]]
    if not printed:
        # A step that never printed (a base that cannot be had, a file that COPY does not find) has its error alone.
        printed = [line["text"] for line in lines if line["text"].startswith("ERROR: ")]
    if not printed:
        return "\n".join(log.rstrip().splitlines()[-EXCERPT_LINES:])
    return "\n".join(_around(list(dict.fromkeys(printed))))


def _around(lines: list[str]) -> list[str]:
    """The lines near a reason, and the last ones; a mark where lines are left out."""
    near = {n for at, line in enumerate(lines) if REASON.search(line) for n in range(at - AROUND, at + AROUND + 1)}
    last = range(max(0, len(lines) - AROUND - 1), len(lines))
    kept = sorted(n for n in near | set(last) if 0 <= n < len(lines))[-EXCERPT_LINES:]
    shown: list[str] = []
    for before, n in zip([kept[0] - 1, *kept], kept, strict=False):
        shown += (["…"] if n > before + 1 else []) + [lines[n]]
    return shown
