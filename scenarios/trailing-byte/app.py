"""An application that accepts WebSockets: at once, or after a time in which it does something else."""

import json
import os

import sniffio

LATE = 2.0  # seconds


async def app(scope, receive, send):
    """Answer requests with "ok", and tell the log what becomes of a WebSocket."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await websocket(receive, send)
    else:
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


async def lifespan(receive, send):
    """Start and stop without doing anything."""
    while True:
        kind = (await receive())["type"]
        await send({"type": kind + ".complete"})
        if kind.endswith("shutdown"):
            return


async def websocket(receive, send):
    """Accept the connection, now or later, and wait until it ends."""
    report((await receive())["type"])
    if os.environ["ACCEPTS"] == "late":
        await sleep(LATE)
    report("accepts")
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        report(message["type"])
        if message["type"] == "websocket.disconnect":
            return


async def sleep(seconds):
    """Sleep in the event loop that the worker has."""
    if sniffio.current_async_library() == "trio":
        import trio

        await trio.sleep(seconds)
    else:
        import asyncio

        await asyncio.sleep(seconds)


def report(event):
    """Write a line for the lab."""
    print(json.dumps({"app": event}), flush=True)
