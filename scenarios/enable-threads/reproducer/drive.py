"""A request starts a thread that prints a line every 2 s. Are there lines while there is no request?"""

import json
import os
import time

from server import Server, Untold, main

AFTER = 4.5  # seconds; in this time a thread that goes on prints two or three lines
HOLD = 3
SETTLE = 0.2  # seconds; threads go on a little before the view begins, until the server is done with the request
STUB = "def initialised():\n    return None\n"


def drive():
    """Whether the thread stops between requests, and goes on during the next request."""
    server = Server(port=8000)
    if not os.path.exists(os.path.join(server.app, "gil.so")):
        # The application imports a module that is built in the image. Its answer is not needed here.
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
    """Send one request. Raises Untold if it is not answered with 200."""
    status, text = server.get(path)
    if status != 200:
        raise Untold(f"GET {path}: {status}")
    return text


def span(lines, name):
    """When a request began and ended, by the server's clock."""
    moments = [line["at"] for line in lines if name in (line.get("begin"), line.get("end"))]
    if len(moments) != 2:
        raise Untold(f"the log has {len(moments)} of the 2 lines of the request {name}")
    return moments


if __name__ == "__main__":
    main(drive)
