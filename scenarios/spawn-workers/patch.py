"""Changes one thing in what is installed: `python patch.py PATCH`. A patch that does not fit fails the build.

- none: nothing
- fork: the one word by which uvicorn chooses how its workers begin
- own-socket: each worker listens on a socket of its own (SO_REUSEPORT) instead of all on the parent's
- accept-one: asyncio, woken because connections wait, takes one of them, not all
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
    """Put ``new`` in place of the only ``old`` in one of a package's files."""
    file = Path(find_spec(package).origin).with_name(name)
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        sys.exit(f"{package}/{name} has {old!r} {text.count(old)} times, not once: the patch does not fit this release")
    file.write_text(text.replace(old, new), encoding="utf-8")


def own_socket():
    """The parent's socket lets others bind the same address; each worker does, and listens there."""
    reuse_address = "sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
    replace("config.py", reuse_address, f"{reuse_address}            {REUSE_PORT}\n")
    replace("_subprocess.py", "target(sockets=sockets)\n", "target(sockets=own_sockets(sockets))\n")
    file = Path(find_spec("uvicorn").origin).with_name("_subprocess.py")
    file.write_text(file.read_text(encoding="utf-8") + OWN, encoding="utf-8")


def main(patch):
    """Apply one of the patches; exits with a message for any other."""
    if patch == "fork":
        replace("_subprocess.py", 'get_context("spawn")', 'get_context("fork")')
    elif patch == "own-socket":
        own_socket()
    elif patch == "accept-one":
        replace("selector_events.py", "for _ in range(backlog):", "for _ in range(1):", "asyncio")
    elif patch != "none":
        sys.exit(f"error: PATCH is none, fork, own-socket or accept-one; got {patch}")


main(sys.argv[1])
