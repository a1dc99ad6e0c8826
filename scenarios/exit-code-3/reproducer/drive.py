"""Lets a child of the master end that is no worker, and checks whether the server ends with the child's status."""

import os
import re
import sys
import time

from server import Server, Untold, main

COMMAND = ["-m", "gunicorn", "--config", "config.py", "--bind", "{address}", "app:app"]
CHILD = re.compile(r"^child (?P<pid>\d+) of (?P<parent>\d+) ends with (?P<status>\d+)$", re.M)
SETTLE = 4.0  # seconds that a server has to end; a server that ends needs less than 1
LIMIT = 20.0


def drive():
    """Return whether the server ends by itself, with the status of the child."""
    status = int(os.environ["STATUS"])
    server = Server([sys.executable, *COMMAND])
    pipe = os.path.join(server.scratch, "go")
    server.change([("/srv/app", server.app), ("/tmp/go", pipe)])
    with server:
        server.ready()
        print("the server answers")
        server.until("the child waits for its end", lambda: release(pipe), LIMIT)
        child = wait_child(server)
        if (child["parent"], child["status"]) != (server.process.pid, status):
            raise Untold(f"{child} is no child of the master {server.process.pid} that ends with {status}")
        code = server.ended(SETTLE)
        answer = server.get("/")[0] if code is None else None
        reasons = [line for line in server.lines() if "Reason: " in line]
    print("child {pid} of the master {parent} ended with {status}".format(**child))
    print(f"the server goes on: {answer}" if code is None else f"the server ended with {code}")
    print("\n".join(reasons) or "it logged no reason of an end")
    if code not in (None, status) or answer not in (None, 200):
        raise Untold("the server neither ended with the child's status nor answers with 200")
    return code == status


def release(pipe):
    """Let the child end that reads from the pipe. Return whether one did."""
    try:
        writing = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False  # nobody reads yet
    os.write(writing, b"go\n")
    os.close(writing)
    return True


def wait_child(server):
    """Return the pid, parent and status of the child that has ended. The server may end at the same moment."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        printed = CHILD.search("\n".join(server.lines()))
        if printed and not lives(printed.group("pid")):
            return {name: int(value) for name, value in printed.groupdict().items()}
        time.sleep(0.05)
    raise Untold("no child has ended")


def lives(pid):
    """Return whether a process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    main(drive)
