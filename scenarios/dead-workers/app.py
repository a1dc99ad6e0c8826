"""What the container serves: the pid of the worker. If DEATH is a number, SIGUSR1 ends the worker with this status."""

import os
import signal

DEATH = os.environ["DEATH"]

if DEATH.isdigit():
    signal.signal(signal.SIGUSR1, lambda number, frame: os._exit(int(DEATH)))


async def app(scope, receive, send):
    """Answer every request with the worker's pid."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"%d" % os.getpid()})
