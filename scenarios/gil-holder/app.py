"""What the container serves: the pid of the worker. GET /hold first makes a call that lasts HOLD seconds.

HOLDER=PyDLL  a call of a C function that keeps the GIL meanwhile
HOLDER=CDLL   the same call, without the GIL
HOLDER=sleep  time.sleep(), which lets go of the GIL
HOLDER=loop   Python code that computes; the interpreter lets other threads run now and then
AT=import     the call is made once, when a worker imports this module

A thread of the worker writes to /tmp/ticks-PID twenty times a second, as long as it gets the GIL.
"""

import ctypes
import os
import threading
import time
from pathlib import Path

HOLDER, HOLD = os.environ["HOLDER"], float(os.environ["HOLD"])


def hold():
    """The call, with a line in the log before and after it."""
    print("holds", os.getpid(), flush=True)
    if HOLDER == "sleep":
        time.sleep(HOLD)
    elif HOLDER == "loop":
        end = time.monotonic() + HOLD
        while time.monotonic() < end:
            pass
    else:
        getattr(ctypes, HOLDER)(None).usleep(int(HOLD * 1e6))
    print("lets go", os.getpid(), flush=True)


def tick():
    """Write a byte, again and again: the time of the file says when this thread last had the GIL."""
    with Path(f"/tmp/ticks-{os.getpid()}").open("wb", buffering=0) as file:
        while True:
            os.pwrite(file.fileno(), b".", 0)
            time.sleep(0.05)


threading.Thread(target=tick, daemon=True).start()
if os.environ["AT"] == "import":
    hold()


async def app(scope, receive, send):
    """Answer every request with the worker's pid, after the call if it is asked for."""
    if scope["path"] == "/hold":
        hold()
    body = b"%d" % os.getpid()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
