"""An application whose startup fails or succeeds; it prints what it sends to the server, and what the server raises.

STARTUP=fails   send lifespan.startup.failed, with MESSAGE as its message; with no MESSAGE the key is left out
STARTUP=works   send lifespan.startup.complete
"""

import json
import os

FAILS = os.environ["STARTUP"] == "fails"
MESSAGE = os.environ["MESSAGE"]
started = False


def tell(**facts):
    """Print one line of JSON for the lab."""
    print(json.dumps({"app": facts}), flush=True)


async def app(scope, receive, send):
    """An ASGI application that cannot answer before its startup is complete."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if not started:
        raise RuntimeError("a request came, and the startup had failed")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"started\n"})


async def lifespan(receive, send):
    """The startup, as STARTUP says, and the shutdown."""
    global started
    await receive()
    message = {"type": "lifespan.startup.failed" if FAILS else "lifespan.startup.complete"}
    if FAILS and MESSAGE:
        message["message"] = MESSAGE
    tell(sends=message)
    try:
        await send(message)
    except Exception as error:
        tell(raised=type(error).__name__)
        raise
    started = not FAILS
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
