"""Starts two instances of the server on one Unix path, ends the first one, and looks at the socket file."""

import os
import signal
import socket
import sys

from server import Server, Untold, main

ASKED = 5
LIMIT = 40.0  # seconds; a stop takes less than 1


def drive():
    """Return whether the end of the first instance removes the socket file of the second, which runs on."""
    how = os.environ["STOP_SIGNAL"]
    first = instance("first")
    path = os.path.join(first.scratch, "gunicorn.sock")
    second = instance("second")
    for server in (first, second):
        server.command += ["--bind", "unix:" + path, "web:app"]
    with first:
        first.until("the first instance answers", lambda: ask(path) == "first")
        with second:
            second.until("the second instance answers", lambda: ask(path) == "second")
            between, made = answers(path), inode(path)
            first.check()
            if set(between) != {"second"} or made is None:
                raise Untold(f"the path is not the second instance's: {between}")
            first.process.send_signal(getattr(signal, how))
            status = first.ended(LIMIT)
            if status is None:
                raise Untold(f"the first instance did not end on {how}")
            after, left = answers(path), inode(path)
            second.check()
    print("answers while both run:             " + " ".join(between))
    print(f"the first instance got {how}:     exit code {status}")
    print("the second's socket file after it:  " + ("gone" if left is None else "there"))
    print("answers of the second after it:     " + " ".join(after))
    if left not in (None, made):
        raise Untold("another socket file is at the path")
    return left is None


def instance(name):
    """Return a server that answers with this name."""
    return Server([sys.executable, "-m", "gunicorn"], env={"INSTANCE": name})


def answers(path):
    """Send some requests; return who answered each of them."""
    return [ask(path) for _ in range(ASKED)]


def ask(path):
    """Send one request to a Unix path and return the body of the answer, or the error."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(path)
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with client.makefile("rb") as stream:
                return stream.read().rpartition(b"\r\n\r\n")[2].decode()
    except OSError as error:
        return type(error).__name__


def inode(path):
    """Return the number of the file at a path; None if there is none."""
    return os.stat(path).st_ino if os.path.exists(path) else None


if __name__ == "__main__":
    main(drive)
