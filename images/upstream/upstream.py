"""Answer every HTTP request with 200 after LATENCY_MS milliseconds, as a distant site does.

The program replaces a public site, because the lab sends no load to servers of other people. It logs each request with
the times of its arrival and its answer. It answers a path that ends in /now at once.
"""

import asyncio
import os
import sys
import time

PORT = 8080
BODY = b"<!doctype html><title>upstream</title>" + b"<p>hello</p>" * 100
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY)


def latency():
    """Return the seconds before an answer. Exits if LATENCY_MS is not a number from 0 to 60 000."""
    setting = os.environ.get("LATENCY_MS", "")
    try:
        value = float(setting)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 60_000:
        sys.exit(f"error: LATENCY_MS is milliseconds from 0 to 60000; got {setting!r}")
    return value / 1000


async def answer(reader, writer, delay):
    """Answer one request and close its connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode("latin-1")
        arrived = time.time()
        if not path.endswith("/now"):
            await asyncio.sleep(delay)
        writer.write(HEAD + BODY)
        await writer.drain()
        print(f"{arrived:.6f} {time.time():.6f} {path}")
    except (asyncio.IncompleteReadError, ConnectionError, IndexError):
        pass  # the client closed the connection, or did not speak HTTP
    finally:
        writer.close()


async def main():
    """Serve until the container stops."""
    delay = latency()
    server = await asyncio.start_server(lambda r, w: answer(r, w, delay), "0.0.0.0", PORT)
    async with server:
        await server.serve_forever()


asyncio.run(main())
