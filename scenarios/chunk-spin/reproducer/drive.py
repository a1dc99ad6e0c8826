"""Leaves a chunked request at three places. The application's log says how its read ended.

Where it did not end, the drive looks at the thread: its state, and its stack.
"""

import os
import re
import signal
import socket
import sys
import time

from server import Server, Untold, main

# Where the client leaves, and what it has sent of a chunk of five bytes. The last one is what this is about.
LEAVES = {"data": b"5\r\nhel", "next": b"5\r\nhello\r\n", "crlf": b"5\r\nhello"}
HEAD = "POST /{} HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDS = 5.0  # seconds in which a read ends whose client has left
LOOKS = 5
# The worker prints the stacks of its threads at a signal that gunicorn does not use.
CONFIG = """\
import faulthandler, signal
def post_worker_init(worker):
    faulthandler.register(signal.SIGRTMIN)
"""
OPTIONS = {"--worker-class": "WORKER_CLASS", "--threads": "THREADS", "--timeout": "TIMEOUT"}


def drive():
    """Return whether the read for the last client does not end, and its thread runs in parse_chunked()."""
    options = [f"{option}={os.environ[factor]}" for option, factor in OPTIONS.items()]
    command = [sys.executable, "-m", "gunicorn", "--bind", "{address}", "--workers=1", *options, "--config=stacks.py"]
    server = Server([*command, "app:app"])
    with open(os.path.join(server.app, "stacks.py"), "w") as stream:
        stream.write(CONFIG)
    with server:
        server.ready()
        ended = {name: leave(server, name, part) for name, part in LEAVES.items()}
        for name, part in LEAVES.items():
            print(f"left after {part!r}: the read {'ended: ' + ended[name] if ended[name] else 'has not ended'}")
        if not (ended["data"] and ended["next"]):
            raise Untold("the reads at the other places have not ended either")
        if ended["crlf"]:
            return False
        worker, thread = found(server, r"reading crlf (\d+) (\d+)$").groups()
        states = [state(worker, thread) for _ in range(LOOKS)]
        os.kill(int(worker), signal.SIGRTMIN)
        server.until("the worker prints its stacks", lambda: found(server, r"\(most recent call first\)"), 10)
        time.sleep(0.5)  # the rest of the stacks
        place = found(server, r"File \"(.*)\", (line \d+) in parse_chunked$")
    print(f"its thread at {LOOKS} looks (R: it runs): {' '.join(states)}")
    print("in parse_chunked(): " + (" ".join(place.groups()) if place else "no"))
    return place is not None and set(states) == {"R"}


def leave(server, name, part):
    """Send a part of a chunk, and close when the server has read it. Return how the application's read ended."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(HEAD.format(name).encode() + part)
        server.until(f"the application reads {name}", lambda: found(server, f"reading {name} "), 20)
        server.until_read(client)
    end = time.monotonic() + ENDS
    while time.monotonic() < end:
        match = found(server, rf"ended {name} (.+)$")
        if match:
            return match.group(1)
        time.sleep(0.2)
    return None


def found(server, pattern):
    """Return the match of a pattern in the first line of the log that has one, or None."""
    matches = (re.search(pattern, line) for line in server.lines())
    return next((match for match in matches if match), None)


def state(worker, thread):
    """Return the state of a thread, a letter, a fifth of a second later."""
    time.sleep(0.2)
    with open(f"/proc/{worker}/task/{thread}/stat") as stream:
        return stream.read().rpartition(")")[2].split()[0]


if __name__ == "__main__":
    main(drive)
