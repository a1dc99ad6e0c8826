"""The kernels that a user names: a version of Linux, or its first numbers, becomes one that the distribution has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from reprolab.evidence import lookup
from reprolab.measure.axis import Axis, Value
from reprolab.scenario.kernel_setting import KERNEL, check_kernel, kernel_of
from reprolab.vm.engines import hardware, known_kernels
from reprolab.vm.kernels import Kernel, choose, name_of


def full_kernel(root: Path, text: str, where: str) -> str:
    """The kernel that a text names: 5.10 -> 5.10.223.

    Raises UsageError for one that the distribution does not have, EngineError if its lists cannot be read.
    """
    check_kernel(text, where)
    known = known_kernels(lookup.results_root(root))
    return name_of(choose(known, text), known)


def with_full_kernel(root: Path, settings: Mapping[str, str], where: str) -> dict[str, str]:
    """Settings, in which KERNEL is what the distribution has for it. Raises what `full_kernel` raises."""
    kernel = kernel_of(settings)
    return {**settings, KERNEL: full_kernel(root, kernel, where)} if KERNEL in settings else dict(settings)


def machines_of(root: Path, kernels: Iterable[str]) -> dict[str, str]:
    """Kernel, as `full_kernel` names it -> its package with the whole version, and the hardware of its machine.

    Raises what `full_kernel` raises.
    """
    known = known_kernels(lookup.results_root(root))
    return {name: f"{choose(known, name).identity}, {hardware()}" for name in kernels}


def kernel_axis(root: Path, text: str) -> Axis:
    """The kernels of a text such as 5.10,6.1,6.12, each once, the oldest first. Raises what `full_kernel` raises."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        check_kernel(part, f"{KERNEL}={text}")
    known = known_kernels(lookup.results_root(root))
    chosen: list[Kernel] = sorted({choose(known, part) for part in parts}, key=lambda kernel: kernel.rank)
    return Axis(KERNEL, tuple(Value(name_of(kernel, known)) for kernel in chosen), ordered=True)
