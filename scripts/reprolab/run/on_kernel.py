"""Runs a scenario on another kernel: the images are built here, and the same command runs for a virtual machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import docker

from reprolab.baseimage.resolve import Base, keep_bundled, policy
from reprolab.core import interrupts
from reprolab.core.errors import BuildError, EngineError
from reprolab.core.number_words import plural
from reprolab.core.progress import OnProgress
from reprolab.engine import labels
from reprolab.engine.detect import Engine, client, compose_command, ensure_engine
from reprolab.engine.images import image_ids
from reprolab.run.plan import Plan
from reprolab.run.runner import package_cache
from reprolab.stack.builds import Builder
from reprolab.stack.images import describe
from reprolab.stack.prepare import StackPreparer, StackRequest
from reprolab.vm import engines as vm_engines
from reprolab.vm.engine_disk import engine_disk
from reprolab.vm.images import give_images

OWNER = "kernel"  # names what is built here for a virtual machine
# Another process, since what a process knows of its engine is the same from its start to its end.
PROGRAM = "import sys; from reprolab.cli.main import main; sys.argv[0] = 'reprolab'; main()"
# It ends with this process, also where that is killed: its engine is gone then.
WITH_PARENT = ("setpriv", "--pdeathsig", "TERM", "--")


@dataclass(frozen=True)
class BuiltImages:
    """The names of images on the engine in use, and the base images among them."""

    references: Sequence[str]
    bases: Sequence[Base]


def run_on_kernel(plan: Plan, kernel: str, results: Path, words: Sequence[str], on_progress: OnProgress) -> int:
    """Run `reprolab` with these words for a virtual machine with the kernel; returns its exit status.

    The images of the plan are built on the engine in use and loaded into the machine, which ends with the run. Raises
    UsageError for a kernel that the distribution does not have, BuildError for an image that does not build, unless the
    plan keeps going, and EngineError if the machine does not start.
    """
    engine, api = ensure_engine(on_progress), client()
    recipes = vm_engines.recipes(results, [kernel], on_progress)
    built = build_images(plan, engine, api, results, on_progress)
    recipe, references = recipes[kernel], ids_of(api, built.references)
    filled = engine_disk(engine.docker, engine.host, references, recipe.root, recipe.disks, on_progress)
    with vm_engines.engines(recipes, on_progress, filled) as addresses:
        environ = os.environ | vm_engines.environment(recipe, addresses[kernel])
        machine = client(environ)
        there = ids_of(machine, references)
        _load(engine, addresses[kernel], [name for name in references if name not in there], on_progress)
        for base in built.bases:
            # Else the run would look for a base image of its own, and reach no network.
            keep_bundled(base.official, base.reference, base.image_id, machine)
        status = in_place([sys.executable, "-c", PROGRAM, *words], environ)
    if status < 0:
        raise EngineError(
            f"the run on kernel {kernel} was ended by {signal.Signals(-status).name}",
            expected="a run that ends by itself; what it has written until then is kept",
        )
    return status


def ids_of(api: docker.DockerClient, references: Iterable[str]) -> dict[str, str]:
    """Reference -> id of the images that an engine has."""
    ids = image_ids(api)
    return {name: ids[name] for name in references if name in ids}


def _load(engine: Engine, address: str, references: Sequence[str], on_progress: OnProgress) -> None:
    if not references:
        return
    on_progress(f"loading {plural(len(references), 'image')} into the engine of the virtual machine")
    begun = time.monotonic()
    give_images(engine.docker, engine.host, address, references, on_progress)
    on_progress(f"its engine has them after {time.monotonic() - begun:.0f} s")


def build_images(
    plan: Plan, engine: Engine, api: docker.DockerClient, results: Path, on_progress: OnProgress
) -> BuiltImages:
    """Build the images of a plan on the engine in use. Raises BuildError, unless the plan keeps going."""
    preparer = StackPreparer(engine, api, policy(os.environ), on_progress)
    requests = [StackRequest(variant.changes, variant.experiment) for variant in plan.variants]
    models = preparer.models(plan.scenario, requests, labels.object_labels(plan.scenario.name, OWNER))
    cache, logs = package_cache(results), results / ".workers" / OWNER / plan.scenario.name / "builds"
    builder = Builder(api, compose_command(engine), logs, on_progress, describe=lambda tag: describe(api, tag, cache))
    builder.start({variant.key: model for variant, model in zip(plan.variants, models, strict=True)})
    references: dict[str, None] = {}
    try:
        for model in models:
            with suppress(*([BuildError] if plan.keep_going else [])):
                references |= dict.fromkeys(built.image.reference for built in builder.wait(model).values())
    finally:
        builder.stop()
    bases = list(preparer.bases.values())
    return BuiltImages([*references, *(base.reference for base in bases if base.reference not in references)], bases)


def in_place(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a program in the place of this one: it gets the signals that end the lab. Returns its exit status.

    A status below 0 is the number of the signal that has ended it.
    """
    passing = _Passing()
    with passing.signals():
        # A session of its own: a terminal would send it Ctrl-C once more.
        passing.to(subprocess.Popen([*WITH_PARENT, *command], env=dict(environ), start_new_session=True))
        assert passing.process
        return passing.process.wait()


@dataclass
class _Passing:
    """Passes signals on to a process, also those that came before it was there."""

    process: subprocess.Popen[bytes] | None = None
    early: list[int] = field(default_factory=list)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """While the block runs, this process does nothing with the signals but to pass them on."""
        # nohup lets a program ignore SIGHUP: then so does the other one.
        numbers = [number for number in interrupts.SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._pass) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def to(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        for number in self.early:
            process.send_signal(number)

    def _pass(self, number: int, frame: FrameType | None) -> None:
        if self.process:
            self.process.send_signal(number)
        else:
            self.early.append(number)
