"""An application that answers after SLEEP seconds with the pid of the worker. uvicorn runs WORKERS workers."""

import os
from time import sleep

import fastapi
import uvicorn

app = fastapi.FastAPI()


def number():
    """Sleep, then answer. FastAPI runs this in a thread of its pool."""
    sleep(float(os.environ["SLEEP"]))
    return os.getpid()


app.add_api_route("/", number)

if __name__ == "__main__":
    uvicorn.run("main:app", workers=int(os.environ["WORKERS"]))
