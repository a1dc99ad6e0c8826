"""Answer every HTTP request with 200 after LATENCY_MS milliseconds, as a site that far away would.

It stands in for a public site: the lab loads nobody else's servers. Each request is logged when it came and
when it was answered; a path that ends in /now is answered at once.
"""

import asyncio
import os
import sys
import time

PORT = 8080
BODY = b"<!doctype html><title>upstream</title>" + b"<p>hello</p>" * 100
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY)


def latency():
    """Seconds before an answer; ends the program where the setting is no figure from 0 to 60 000."""
    setting = os.environ.get("LATENCY_MS", "")
    try:
        value = float(setting)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 60_000:
        sys.exit(f"error: LATENCY_MS is milliseconds from 0 to 60000; got {setting!r}")
    return value / 1000


async def answer(reader, writer, delay):
    """One request on one connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode("latin-1")
        came = time.time()
        if not path.endswith("/now"):
            await asyncio.sleep(delay)
        writer.write(HEAD + BODY)
        await writer.drain()
        print(f"{came:.6f} {time.time():.6f} {path}")
    except (asyncio.IncompleteReadError, ConnectionError, IndexError):
        pass  # the client went, or spoke something else than HTTP
    finally:
        writer.close()


async def main():
    """Serve until the container stops."""
    delay = latency()
    server = await asyncio.start_server(lambda r, w: answer(r, w, delay), "0.0.0.0", PORT)
    async with server:
        await server.serve_forever()


asyncio.run(main())
