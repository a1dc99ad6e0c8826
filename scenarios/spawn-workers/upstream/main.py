"""Each answer takes SLEEP seconds, and is the number of the process that gave it; WORKERS processes answer."""

import os
from time import sleep

import fastapi
import uvicorn

app = fastapi.FastAPI()


def number():
    """Runs in a thread of FastAPI's pool."""
    sleep(float(os.environ["SLEEP"]))
    return os.getpid()


app.add_api_route("/", number)

if __name__ == "__main__":
    uvicorn.run("main:app", workers=int(os.environ["WORKERS"]))
