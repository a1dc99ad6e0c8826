"""Prints a line whenever it is loaded. An answer comes after a while, and names the process that gives it.

`python3 main.py` starts the server from this file, as the document does.
"""

import asyncio
import importlib
import os
import sys
import time

import fastapi
import serving
import settings

g_var = 0
# Line and end in one write: lines of several processes do not mix.
print(f"g_var {g_var} as pid {os.getpid()} loads main.py\n", end="")
g_var += 1


def who():
    """The process, and the value that this module has in it."""
    return {"pid": os.getpid(), "g_var": g_var}


def load_again():
    """Load this file once more, where that is asked for."""
    if settings.IMPORT_AGAIN:
        importlib.reload(sys.modules["main"])


def in_thread():
    """FastAPI runs this in a thread of its pool."""
    load_again()
    time.sleep(settings.SLEEP)
    return who()


async def in_loop():
    """FastAPI runs this in the event loop."""
    load_again()
    await asyncio.sleep(settings.SLEEP)
    return who()


app = fastapi.FastAPI()
app.add_api_route("/", in_loop if settings.IN_LOOP else in_thread)

if __name__ == "__main__":
    if settings.MARK:
        g_var = 1000
    serving.serve()
