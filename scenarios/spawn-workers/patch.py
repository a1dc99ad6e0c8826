"""Patches one installed package: `python patch.py PATCH`. The build fails if the patch does not fit.

- none: changes nothing
- fork: uvicorn forks its workers instead of spawning them (one word changes)
- own-socket: each worker listens on a separate socket (SO_REUSEPORT), not on the socket of the parent
- accept-one: when connections wait, asyncio accepts one of them for each wake-up, not all
"""

import sys
from importlib.util import find_spec
from pathlib import Path

REUSE_PORT = "sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)"
OWN = '''

def own_sockets(sockets):
    """Sockets of this process's own on the same addresses; the parent's, on which nobody listens, stays as it is."""
    import socket

    made = []
    for shared in sockets:
        sock = socket.socket(shared.family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(shared.getsockname())
        made.append(sock)
    return made
'''


def replace(name, old, new, package="uvicorn"):
    """Replace ``old`` by ``new`` in a file of a package. Exits if the file does not have ``old`` exactly once."""
    file = Path(find_spec(package).origin).with_name(name)
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        sys.exit(f"{package}/{name} has {old!r} {text.count(old)} times, not once: the patch does not fit this release")
    file.write_text(text.replace(old, new), encoding="utf-8")


def own_socket():
    """Let each worker bind a separate socket to the address of the parent's socket, and listen on it."""
    reuse_address = "sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
    replace("config.py", reuse_address, f"{reuse_address}            {REUSE_PORT}\n")
    replace("_subprocess.py", "target(sockets=sockets)\n", "target(sockets=own_sockets(sockets))\n")
    file = Path(find_spec("uvicorn").origin).with_name("_subprocess.py")
    file.write_text(file.read_text(encoding="utf-8") + OWN, encoding="utf-8")


def main(patch):
    """Apply one patch. Exits with a message if the name is unknown."""
    if patch == "fork":
        replace("_subprocess.py", 'get_context("spawn")', 'get_context("fork")')
    elif patch == "own-socket":
        own_socket()
    elif patch == "accept-one":
        replace("selector_events.py", "for _ in range(backlog):", "for _ in range(1):", "asyncio")
    elif patch != "none":
        sys.exit(f"error: PATCH is none, fork, own-socket or accept-one; got {patch}")


main(sys.argv[1])
