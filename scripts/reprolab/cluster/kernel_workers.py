"""Virtual machines for the kernels of a question, and their workers: each starts when its kernel is asked first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reprolab.cluster.engines import engine_of_kernel
from reprolab.cluster.own import OwnWorkers
from reprolab.cluster.share import Sharer
from reprolab.vm import engines as vm_engines
from reprolab.vm.engine_disk import engine_disk
from reprolab.vm.engines import Machines


@dataclass(frozen=True)
class KernelWorkers:
    """They run until the question ends: a kernel is often asked again, and a start takes long.

    So a bisect starts those that it asks, and a question whose trials were kept starts none.
    """

    machines: Machines
    workers: OwnWorkers
    sharer: Sharer

    def require(self, kernels: Iterable[str]) -> None:
        """Start what lacks of the machines with these kernels, "" for none; the workers come later.

        They have the images that were built so far. Raises EngineError if a machine does not start.
        """
        lacking = self.machines.lacking(filter(None, kernels))
        if not lacking:
            return
        recipe, sharer = self.machines.recipes[lacking[0]], self.sharer
        source = sharer.engines[sharer.first]
        filled = engine_disk(sharer.docker, source, sharer.images, recipe.root, recipe.disks, self.machines.on_progress)
        for kernel, address in self.machines.start(lacking, filled).items():
            environ = vm_engines.environment(self.machines.recipes[kernel], address)
            engine = engine_of_kernel(kernel).running(address, environ)
            sharer.engines[engine.name] = engine.endpoint
            self.workers.add(engine)
