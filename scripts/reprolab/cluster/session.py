"""Starts what measures cells on several engines: a cluster of the driver's own, or one that is there."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reprolab.cluster.engines import NamedEngine, endpoints, engines_of_kernels, read_engines, results_of
from reprolab.cluster.half_trials import collect
from reprolab.cluster.messages import Question
from reprolab.cluster.workplace import FOLDER
from reprolab.core.command_text import option
from reprolab.core.errors import UsageError
from reprolab.core.files import display_path, writing
from reprolab.core.locks import directory_lock
from reprolab.core.progress import OnProgress
from reprolab.engine.apt import Machine
from reprolab.engine.detect import ensure_engine
from reprolab.evidence import lookup
from reprolab.measure.kernels import machines_of
from reprolab.measure.store import CellStore
from reprolab.run.observer import RunObserver
from reprolab.run.plan import default_jobs
from reprolab.scenario.digest import case_digest, lab_identity
from reprolab.scenario.model import Scenario
from reprolab.vm import engines as vm_engines
from reprolab.vm.engines import Machines

if TYPE_CHECKING:
    from reprolab.cluster.measurer import ClusterMeasurer
    from reprolab.cluster.own import OwnWorkers
    from reprolab.cluster.share import Sharer

SCHEMES = ("tcp://", "tls://")


@contextmanager
def measurer(
    root: Path,
    scenario: Scenario,
    observer: RunObserver,
    *,
    engines: str = "",
    scheduler: str = "",
    share_images: bool = False,
    kernels: Sequence[str] = (),
    seed: int = 0,
    jobs: int | None = None,
    fresh: bool = False,
) -> Iterator[ClusterMeasurer]:
    """A measurer on several engines, while the block runs: a worker for each of ``engines``, or those of ``scheduler``.

    With ``kernels`` these are the engine in use and a virtual machine for each kernel, which runs the cells of it, and
    starts when the first of them is asked. Two
    questions about one scenario wait for each other. Raises UsageError for options that do not go together, and if
    dask.distributed is missing; else LabError as a run does.
    """
    # Before anything that waits: the scenario has just been loaded.
    case = case_digest(scenario.directory)
    require_distributed()
    # These modules import dask.distributed.
    from reprolab.cluster import driver
    from reprolab.cluster.dispatch import Dispatcher
    from reprolab.cluster.measurer import ClusterMeasurer
    from reprolab.cluster.share import Sharer

    named = _on_kernels(kernels, observer.progress) if kernels else check_options(engines, scheduler, share_images)
    share_images = share_images or bool(kernels)
    store = CellStore(lookup.results_root(root), scenario)
    with writing(store.directory):
        store.directory.mkdir(parents=True, exist_ok=True)
    # A virtual machine has two processors, which may be slow.
    jobs = jobs or (1 if any(engine.kernel for engine in named) else default_jobs())
    identities = tuple(machines_of(root, kernels).items()) if kernels else ()
    question = Question(secrets.token_hex(6), str(root), scenario.name, case, lab_identity(), jobs, identities)
    doing = f"measures cells of {scenario.name}"
    with directory_lock(store.directory, doing, observer.progress), observer.trials(), ExitStack() as stack:
        delivered: set[str] = set()
        # Called when the workers have ended.
        stack.callback(_collect, question, named, store, delivered, observer)
        # Ended after the workers.
        machines = stack.enter_context(_machines(kernels, store.results, observer.progress))
        named = named[:1] if kernels else named
        named = stack.enter_context(started(named, store.results, observer.progress))
        crew = stack.enter_context(driver.crew_of(question, store.results, named, scheduler, observer.progress))
        sharer = Sharer(endpoints(named), Machine().which("docker"), observer.progress) if share_images else None
        try:
            yield ClusterMeasurer(
                scenario,
                store,
                Dispatcher(crew, jobs),
                observer,
                seed=seed,
                fresh=fresh,
                sharer=sharer,
                delivered=delivered,
                by_kernel=bool(kernels),
                require_kernels=_starts(machines, crew.own, sharer),
            )
        finally:
            driver.forget_delivered(crew)


@contextmanager
def _machines(kernels: Sequence[str], results: Path, on_progress: OnProgress) -> Iterator[Machines]:
    """Machines with these kernels, of which none is started yet."""
    recipes = vm_engines.recipes(results, kernels, on_progress) if kernels else {}
    with vm_engines.machines(recipes, on_progress) as machines:
        yield machines


def _starts(machines: Machines, workers: OwnWorkers | None, sharer: Sharer | None) -> Callable[[Iterable[str]], None]:
    """What starts machines and their workers when their kernels are asked."""
    if workers is None or sharer is None:
        return lambda kernels: None
    # It imports dask.distributed.
    from reprolab.cluster.kernel_workers import KernelWorkers

    return KernelWorkers(machines, workers, sharer).require


def _on_kernels(kernels: Sequence[str], on_progress: OnProgress) -> tuple[NamedEngine, ...]:
    """The engine in use, which is started where that is allowed, and one for each kernel."""
    return engines_of_kernels(ensure_engine(on_progress).host, kernels)


def _collect(
    question: Question,
    engines: Sequence[NamedEngine],
    store: CellStore,
    delivered: Collection[str],
    observer: RunObserver,
) -> None:
    """Bring what half trials left on workers of this machine to their cells."""
    for engine in engines:
        if not engine.ssh:
            trials = (results_of(store.results, engine) / FOLDER / question.id).resolve()
            for path in collect(trials, engine.name, store, delivered):
                observer.progress(f"a half trial of {engine.name} is kept apart in {display_path(path)}")


def require_distributed() -> None:
    """Raise UsageError if the optional extra of the lab is not installed."""
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"trials on several engines need dask.distributed: {error}",
            expected="the lab's extra `cluster`",
            advice="in a checkout scripts/bootstrap installs it; else pip install 'reprolab[cluster]'",
        ) from error


def check_options(engines: str, scheduler: str, share_images: bool) -> tuple[NamedEngine, ...]:
    """The engines that are named. Raises UsageError unless there is either a list of engines or a scheduler."""
    if bool(engines.strip()) == bool(scheduler.strip()):
        raise UsageError(
            f"{option('engines')} and {option('scheduler')} are two ways to several engines",
            expected="one of the two",
        )
    if scheduler and not scheduler.startswith(SCHEMES):
        raise UsageError(
            f"{option('scheduler')}: {scheduler!r} is no address of a scheduler",
            expected="an address such as tcp://lab1:8786",
        )
    if scheduler and share_images:
        raise UsageError(
            f"{option('share-images')} needs {option('engines')}: a scheduler does not know the engines of its workers",
            expected="workers whose engines build their images, or pull them from a registry",
        )
    named = read_engines(engines)
    if any(engine.kernel for engine in named) and (named[0].kernel or not share_images):
        raise UsageError(
            "a virtual machine reaches no network, so it builds no images",
            expected=f"{option('share-images')}, and a first engine that is none, which builds them",
            advice=option("engines", f"unix:///var/run/docker.sock {engines}"),
        )
    return named


@contextmanager
def started(
    engines: Sequence[NamedEngine], results: Path, on_progress: OnProgress
) -> Iterator[tuple[NamedEngine, ...]]:
    """The engines, those in virtual machines with their addresses; the machines run while the block does.

    Raises UsageError for a kernel that the distribution does not have, EngineError if a machine does not start.
    """
    kernels = [engine.kernel for engine in engines if engine.kernel]
    if not kernels:
        yield tuple(engines)
        return
    recipes = vm_engines.recipes(results, kernels, on_progress)
    with vm_engines.engines(recipes, on_progress) as addresses:
        yield tuple(
            engine.running(address, vm_engines.environment(recipes[engine.kernel], address))
            if (address := addresses.get(engine.kernel, ""))
            else engine
            for engine in engines
        )
