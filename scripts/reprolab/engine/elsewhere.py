"""What this process knows of an engine that is not this machine's own: by its address, or from who starts the process.

The latter is in variables of the environment, since a worker and a run on another kernel are processes of their own.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

PORTS = "REPROLAB_PORTS"
ELSEWHERE = "elsewhere"
KERNEL = "REPROLAB_KERNEL"  # the version of Linux of the virtual machine that the engine is in: 5.10.223
HARDWARE = "REPROLAB_HARDWARE"  # that machine in words: "virtual machine (TCG)"
# What begins the words for the machine of an engine that is not this one.
VIRTUAL_MACHINE, ANOTHER_MACHINE = "virtual machine", "another machine"
# The schemes of addresses with a host. The last three are those that the Docker SDK makes of the others.
WITH_HOST = ("ssh", "tcp", "http", "https", "http+docker")
# The SDK gives a socket of this machine and a pipe of Windows a host too.
THIS_MACHINE = ("", "localhost", "localnpipe")


def on_another_machine(address: str) -> bool:
    """Whether the engine at an address, or behind a base URL of the Docker SDK, is not on this machine.

    One behind ssh never is, one behind TCP is if its host is the loopback. A socket says nothing: it counts as here.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "ssh" or (parts.scheme in WITH_HOST and not _is_here(host))


def _is_here(host: str) -> bool:
    if host in THIS_MACHINE:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def ports_elsewhere(address: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the ports that the engine at an address publishes are those of another machine."""
    return environ.get(PORTS) == ELSEWHERE or on_another_machine(address)


def another_machine(address: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the engine is on a machine that the lab did not start."""
    return ports_elsewhere(address, environ) and not kernel(environ)


def kernel(environ: Mapping[str, str] = os.environ) -> str:
    """The kernel of the virtual machine that the engine is in, "" if it is in none that the lab has started."""
    return environ.get(KERNEL, "")


def kernel_words(release: str, environ: Mapping[str, str] = os.environ) -> str:
    """The kernel of an engine that is elsewhere: "5.10.223 (5.10.0-32-cloud-amd64)"; ``release`` if it is in no VM.

    The release that a kernel of Debian names itself is not the version of Linux that it is built from.
    """
    linux = kernel(environ)
    return f"{linux} ({release})" if linux and release and linux not in release else release or linux


def hardware(address: str, environ: Mapping[str, str] = os.environ) -> str:
    """The machine of the engine at an address in words, "" if it is this one. Its name is not among them."""
    if named := environ.get(HARDWARE, ""):
        return named
    if not another_machine(address, environ):
        return ""
    way = f"behind {urlsplit(address).scheme}; " if on_another_machine(address) else ""
    return f"{ANOTHER_MACHINE} ({way}its load was not watched)"
