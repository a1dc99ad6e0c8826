"""The application. It prints a line at each load. It answers after SLEEP seconds with the pid of the process.

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
# Text and line end are one write, so that lines of several processes do not mix.
print(f"g_var {g_var} as pid {os.getpid()} loads main.py\n", end="")
g_var += 1


def who():
    """Return the pid of this process, and the value of g_var in it."""
    return {"pid": os.getpid(), "g_var": g_var}


def load_again():
    """Load this file again if IMPORT_AGAIN is on."""
    if settings.IMPORT_AGAIN:
        importlib.reload(sys.modules["main"])


def in_thread():
    """Answer after SLEEP seconds. FastAPI runs this in a thread of its pool."""
    load_again()
    time.sleep(settings.SLEEP)
    return who()


async def in_loop():
    """Answer after SLEEP seconds. FastAPI runs this in the event loop."""
    load_again()
    await asyncio.sleep(settings.SLEEP)
    return who()


app = fastapi.FastAPI()
app.add_api_route("/", in_loop if settings.IN_LOOP else in_thread)

if __name__ == "__main__":
    if settings.MARK:
        g_var = 1000
    serving.serve()
