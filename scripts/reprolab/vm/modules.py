"""The modules of a kernel that its start needs, before its root file system is there."""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Mapping
from pathlib import Path

from reprolab.core.errors import EngineError

# What the start needs, if the kernel does not have it built in: disks, the file systems, the network.
WANTED = ("virtio_pci", "virtio_blk", "ext4", "overlay", "virtio_net")
LIST = "modules.dep"


def dependencies(text: str) -> dict[str, tuple[str, list[str]]]:
    """Name -> its file and the files it needs, from the text of modules.dep."""
    modules = {}
    for line in text.splitlines():
        file, _, needed = line.partition(":")
        modules[module_name(file)] = (file, needed.split())
    return modules


def module_name(file: str) -> str:
    """kernel/drivers/virtio/virtio-pci.ko.xz -> virtio_pci"""
    return Path(file).name.partition(".ko")[0].replace("-", "_")


def load_order(modules: Mapping[str, tuple[str, list[str]]], wanted: Iterable[str] = WANTED) -> list[str]:
    """The files to load, one after the other. What is not in the list is built in.

    depmod writes what a module needs in the reverse of the order in which it is loaded.
    """
    order: dict[str, None] = {}
    for name in wanted:
        if name in modules:
            file, needed = modules[name]
            order |= dict.fromkeys([*reversed(needed), file])
    return list(order)


def plain_module(path: Path) -> bytes:
    """A module's content, unpacked. Raises EngineError for a compression that is not known here."""
    data = path.read_bytes()
    if path.suffix == ".ko":
        return data
    if path.suffix == ".xz":
        return lzma.decompress(data)
    raise EngineError(f"the kernel module {path.name} cannot be unpacked", expected="a name that ends in .ko or .ko.xz")
