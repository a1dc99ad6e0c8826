"""Starts the server with an application that cannot be imported, and looks whether the master ends."""

import os
import re
import sys

from server import Server, Untold, main

COMMAND = [sys.executable, "-m", "gunicorn", "app:app", "--bind", "{address}", "--workers", "1"]
OPTIONS = {"--timeout": "TIMEOUT", "--max-requests": "MAX_REQUESTS"}
LIMIT = 20.0  # seconds for the end of the worker
SETTLE = 5.0  # seconds; a master that notices ends in less than 1


def drive():
    """Return whether the master runs on and answers nobody, though its worker has ended."""
    with Server(COMMAND + [f"{option}={os.environ[factor]}" for option, factor in OPTIONS.items()]) as server:
        status = wait(server)
        lines = server.lines()
        answer = ask(server) if status is None else None
    if not any("cannot be loaded in" in line for line in lines):
        raise Untold("gunicorn did not try to import the application")
    print("\n".join(line for line in lines if re.search(r"Worker exiting|Unhandled signal|Reason:", line)))
    print("the master runs on" if status is None else f"the master ended with exit status {status}")
    if answer:
        print(f"a client: {answer}")
    return status is None and answer == "no answer"


def wait(server):
    """Wait until the worker has ended, and a while longer for the master. Return its exit status, or None."""
    try:
        server.until("the worker ends", lambda: any("Worker exiting" in line for line in server.lines()), LIMIT)
    except Untold:
        if server.process.poll() is None:
            raise
    return server.ended(SETTLE)


def ask(server):
    """What a client gets: "no answer", or the status."""
    try:
        return f"status {server.get('/', limit=SETTLE)[0]}"
    except TimeoutError:
        return "no answer"


if __name__ == "__main__":
    main(drive)
