"""The options for several engines, which the questions over many cells share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from reprolab.cli.common import project_root, show_progress
from reprolab.cluster import session as cluster_session
from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.measure import session
from reprolab.measure.cell import Cell, Measurer
from reprolab.measure.hosts import host_sentences
from reprolab.measure.kernels import full_kernel
from reprolab.run.observer import RunObserver
from reprolab.scenario.kernel_setting import KERNEL, kernel_of
from reprolab.scenario.model import Claim, Scenario


@dataclass(frozen=True)
class ClusterOptions:
    """Which engines run the trials; without any of these, it is the engine in use."""

    engines: str = ""
    scheduler: str = ""
    share_images: bool = False
    kernels: tuple[str, ...] = ()
    """Those of KERNEL: each is run by a virtual machine, and the engine in use builds the images."""

    @property
    def several(self) -> bool:
        """Whether the trials run on other engines than the one in use. Raises UsageError if options are missing."""
        if self.share_images and not (self.engines or self.scheduler):
            raise UsageError(
                f"{command_text.option('share-images')} is for several engines",
                expected=f"it together with {command_text.option('engines')}",
            )
        return bool(self.engines or self.scheduler or self.kernels)

    def check(self, asked: Iterable[str]) -> None:
        """Raise UsageError for options that do not go together, and for a text that names no engine or no kernel.

        ``asked``: what the user gave as factors and values, such as "KERNEL=5.10,6.1".
        """
        if not self.several:
            return
        if any(text.partition("=")[0] == KERNEL for text in asked):
            raise _two_ways()
        for engine in cluster_session.check_options(self.engines, self.scheduler, self.share_images):
            if engine.kernel:
                full_kernel(project_root(), engine.kernel, command_text.option("engines"))

    def on_kernels(self, cells: Iterable[Cell]) -> ClusterOptions:
        """The options for cells of which some name a kernel. Raises UsageError if the user names engines too."""
        kernels = tuple(kernel for kernel in dict.fromkeys(kernel_of(cell.settings) for cell in cells) if kernel)
        if kernels and self.several:
            raise _two_ways()
        return replace(self, kernels=kernels)


def _two_ways() -> UsageError:
    return UsageError(
        f"{KERNEL} and {command_text.option('engines')} or {command_text.option('scheduler')} are two ways to "
        "choose what runs the trials",
        expected=f"one of the two; {KERNEL} starts its virtual machines by itself",
    )


ENGINES = click.option(
    "--engines",
    default="",
    metavar='"ENGINE ..."',
    help="run trials on these: unix:///..., ssh://HOST, a context, vm:KERNEL",
)
SCHEDULER = click.option(
    "--scheduler", default="", metavar="ADDRESS", help="run trials on the workers of this dask scheduler"
)
SHARE_IMAGES = click.option(
    "--share-images", is_flag=True, help="build on the first engine, and load the images into the others"
)


@contextmanager
def open_measurer(
    root: Path,
    scenario: Scenario,
    observer: RunObserver,
    cluster: ClusterOptions,
    claims: Sequence[Claim],
    *,
    seed: int = 0,
    jobs: int | None = None,
    fresh: bool = False,
) -> Iterator[Measurer]:
    """What measures cells, on the engine in use or on several.

    At the end of a question on several hosts, a line for each claim says whether its sign depends on the host.
    """
    if not cluster.several:
        with session.measurer(root, scenario, observer, seed=seed, jobs=jobs, fresh=fresh) as local:
            yield local
        return
    with cluster_session.measurer(
        root,
        scenario,
        observer,
        engines=cluster.engines,
        scheduler=cluster.scheduler,
        share_images=cluster.share_images,
        kernels=cluster.kernels,
        seed=seed,
        jobs=jobs,
        fresh=fresh,
    ) as lab:
        try:
            yield lab
        finally:
            for sentence in host_sentences(claims, lab.results()):
                show_progress(sentence)
