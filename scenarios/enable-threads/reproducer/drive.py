"""Checks whether a thread that a request has started runs between requests. The thread prints a line every 2 s."""

import json
import os
import time

from server import Server, Untold, main

AFTER = 4.5  # seconds; a thread that runs prints two or three lines in this time
HOLD = 3
SETTLE = 0.2  # seconds; threads may run shortly before the view begins and shortly after it ends
STUB = "def initialised():\n    return None\n"


def drive():
    """Return whether the thread stops between requests, and runs during the next request."""
    server = Server(port=8000)
    if not os.path.exists(os.path.join(server.app, "gil.so")):
        # The application imports a module that exists only in the image. A stub is enough here.
        with open(os.path.join(server.app, "gil.py"), "w") as stream:
            stream.write(STUB)
    with server:
        server.ready()
        ask(server, "/thread/once/0")
        time.sleep(AFTER)
        ask(server, f"/hold/{HOLD}")
        known = "once" in json.loads(ask(server, "/state/after"))["threads"]
        lines = [json.loads(line[line.index("{") :]) for line in server.lines() if '"at": ' in line]
    ticks = [line["at"] for line in lines if line.get("tick") == "once"]
    spans = [span(lines, name) for name in ("once", "hold", "after")]
    if not ticks or ticks[0] > spans[0][1] + SETTLE:
        raise Untold("the thread printed nothing during its own request")
    first, *later = [[at for at in ticks if begun - SETTLE <= at <= ended + SETTLE] for begun, ended in spans]
    idle = len(ticks) - len(first) - sum(map(len, later))
    print(f"lines of the thread during its own request:        {len(first)}")
    print(f"lines in {AFTER} s without a request:                  {idle}")
    print(f"lines during the next request, which sleeps {HOLD} s:   {sum(map(len, later))}")
    print("threading.enumerate() still has it:                {}".format("yes" if known else "no"))
    return known and idle == 0 and sum(map(len, later)) > 0


def ask(server, path):
    """Send one request and return the text of the answer. Raises Untold if the status is not 200."""
    status, text = server.get(path)
    if status != 200:
        raise Untold(f"GET {path}: {status}")
    return text


def span(lines, name):
    """Return when a request began and ended, by the server's clock. Raises Untold if the log does not show both."""
    moments = [line["at"] for line in lines if name in (line.get("begin"), line.get("end"))]
    if len(moments) != 2:
        raise Untold(f"the log has {len(moments)} of the 2 lines of the request {name}")
    return moments


if __name__ == "__main__":
    main(drive)
