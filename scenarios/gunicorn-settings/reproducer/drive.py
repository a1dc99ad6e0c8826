"""Sends eight requests to one worker at once, and counts how many it handles at the same time."""

import os
import shlex
import sys
import threading

from server import Server, Untold, main

CLIENTS, LIMIT = 8, 3
COMMAND = ["-m", "gunicorn", "--bind", "{address}", "--workers", "1"]


def drive():
    """Return whether the worker handles as many requests at the same time as worker_connections allows."""
    arguments = ["--worker-class", os.environ["WORKER_CLASS"], *shlex.split(os.environ["ARGUMENTS"])]
    command = [sys.executable, *COMMAND, *arguments, "lab.wsgi:application"]
    server = Server(command)
    notes = os.path.join(server.scratch, "views.log")
    server.change([("/tmp/views.log", notes)])
    print("gunicorn " + " ".join(arguments))
    with server:
        server.ready()
        statuses = []
        path = "/sleep/{}".format(os.environ["LASTS"])
        clients = [threading.Thread(target=lambda: statuses.append(server.get(path)[0])) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        if statuses != [200] * CLIENTS:
            raise Untold(f"the requests were answered with {statuses}")
        with open(notes) as stream:
            most = most_at_once(stream.read().splitlines())
    print(f"at once in one worker: {most} of {CLIENTS}")
    return most == LIMIT


def most_at_once(lines):
    """Return the largest number of requests in the view at one time. A line is WHEN PID PARENT begin|end PATH."""
    events = sorted((float(words[0]), words[3]) for words in map(str.split, lines) if words[4].startswith("/sleep/"))
    inside, most = 0, 0
    for _, what in events:
        inside += 1 if what == "begin" else -1
        most = max(most, inside)
    return most


if __name__ == "__main__":
    main(drive)
