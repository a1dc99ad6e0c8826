"""Kills one worker of uvicorn, then the others, and looks each time whether new ones are started and who answers."""

import os
import signal
import sys
import time

from server import Server, Untold, main

COMMAND = ["-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--lifespan", "off"]
REPLACED = 12.0  # seconds in which a new worker is there; on an idle machine it takes less than 1
LATE = 4.0  # seconds that a request waits


def drive():
    """Return whether no worker is replaced, and nobody answers once all are dead."""
    wanted = int(os.environ["WORKERS"])
    server = Server([sys.executable, *COMMAND, "--workers", str(wanted)], port=18080, env={"DEATH": "KILL"})
    server.command += ["--port", str(server.port)]
    with server:
        server.ready()
        server.until("all workers run", lambda: len(workers(server)) >= wanted)
        before = workers(server)
        left = end(server, before[:1])
        print(f"one of {len(before)} workers killed: {len(left)} are there afterwards; a request gets {answer(server)}")
        rest = end(server, left)
        last = answer(server)
        print(f"all {len(left)} killed: {len(rest)} are there afterwards; a request gets {last}")
        server.check()
    return len(left) < len(before) and not rest and last == "no answer"


def end(server, pids):
    """Kill workers and return those that are there some seconds later."""
    lived = len(workers(server))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    limit = time.monotonic() + REPLACED
    time.sleep(1)
    while len(workers(server)) < lived and time.monotonic() < limit:
        time.sleep(0.2)
    left = workers(server)
    if set(left) & set(pids):
        raise Untold(f"of {pids}, which were killed, some run: {left}")
    return left


def workers(server):
    """Return the pids of the server's children that multiprocessing has spawned, without those that have ended."""
    pids = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stream:
                parent = int(stream.read().rpartition(")")[2].split()[1])
            with open(f"/proc/{entry}/cmdline") as stream:
                command = stream.read()
        except OSError:
            continue  # it has ended meanwhile
        if parent == server.process.pid and "spawn_main" in command:
            pids.append(int(entry))
    return sorted(pids)


def answer(server):
    """Return what a request gets, as a word."""
    try:
        return str(server.get("/", limit=LATE)[0])
    except OSError as error:
        return "no answer" if "timed out" in str(error) else type(error).__name__


if __name__ == "__main__":
    main(drive)
