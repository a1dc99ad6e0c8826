"""Sends requests to the server from its own container, and counts the workers' threads: `python client.py PLAN`.

PLAN is JSON: {"workers": [pid, ...], "steps": [{"do": KIND, ...}, ...], "busy": N}. During the steps, N processes for
each core compute. The program prints one line of JSON for each step, with the mean number of idle cores during the
step. It exits with a message if a response does not contain a pid.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

ADDRESS = ("127.0.0.1", 8000)
LIMIT = 60.0
PID = re.compile(rb'"pid":(\d+)')
LENGTH = re.compile(rb"content-length: (\d+)", re.I)


def connect(close=True):
    """Open a connection and send a request. Return the connection."""
    connection = socket.create_connection(ADDRESS, timeout=LIMIT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    send(connection, close)
    return connection


def send(connection, close):
    """Send one request."""
    kind = b"close" if close else b"keep-alive"
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: " + kind + b"\r\n\r\n")


def answer(connection):
    """Return the pid in the answer. Exits with the received data if there is none."""
    data = b""
    while True:
        head, gap, body = data.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if gap and length and len(body) >= int(length[1]):
            break
        more = connection.recv(65536)
        if not more:
            break
        data += more
    found = PID.search(data)
    if not data.startswith(b"HTTP/1.1 200") or not found:
        sys.exit("an answer that names no process: %r" % data[:200])
    return int(found[1])


def group(clients, stagger):
    """Send a request on each of ``clients`` connections, then read the answers. Return the pids that answered.

    ``stagger`` is the time between two requests, in seconds.
    """
    connections = []
    for number in range(clients):
        if number and stagger:
            time.sleep(stagger)
        connections.append(connect())
    pids = []
    for connection in connections:
        pids.append(answer(connection))
        connection.close()
    return pids


def groups(step, workers):
    """Run groups of clients, one group after another. Return a list of pids for each group."""
    found = []
    for _ in range(step["rounds"]):
        found.append(group(step["clients"], step.get("stagger", 0)))
        time.sleep(step.get("gap", 0.03))
    return found


def keep_alive(step, workers):
    """Send several requests on each connection. Return a list of the pids that answered for each connection."""
    connections = [connect(close=False) for _ in range(step["clients"])]
    found = [[answer(connection)] for connection in connections]
    for _ in range(step["requests"] - 1):
        for connection in connections:
            send(connection, close=False)
        for pids, connection in zip(found, connections):
            pids.append(answer(connection))
    for connection in connections:
        connection.close()
    return found


def fill(step, workers):
    """Stop the other workers, and send requests until this worker has ``ahead`` threads more than each of them.

    Return a list of pids for each group of requests. Exits if the worker does not start enough threads.
    """
    others = [pid for pid in workers if pid != step["worker"]]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    wanted = max(threads(pid) for pid in others) + step["ahead"]
    found = []
    try:
        # On a busy machine some requests end before the last one begins, so they share a thread.
        for more in range(0, 80, 4):
            found.append(group(wanted + more, 0))
            if threads(step["worker"]) >= wanted:
                return found
        sys.exit("worker %d has %d threads, not %d" % (step["worker"], threads(step["worker"]), wanted))
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def threads(pid):
    """Return how many threads a process has, without the threads that the kernel adds for io_uring."""
    found = 0
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/comm" % (pid, task), encoding="utf-8") as stream:
                found += not stream.read().startswith("iou-")
        except OSError:
            pass
    return found


def cores():
    """Return for the machine: the number of cores, their idle ticks, and all their ticks."""
    with open("/proc/stat", encoding="utf-8") as stream:
        lines = [line.split() for line in stream if line.startswith("cpu")]
    times = [int(word) for word in lines[0][1:9]]
    return len(lines) - 1, times[3] + times[4], sum(times)


def idle_between(earlier, later):
    """Return the mean number of idle cores between two results of cores()."""
    number, idle, total = later[0], later[1] - earlier[1], later[2] - earlier[2]
    return round(number * idle / total, 2) if total else float(number)


STEPS = {"groups": groups, "keep-alive": keep_alive, "fill": fill}


def answers(plan):
    """Run the steps in order. Print the result of each, with the number of threads before and after."""
    workers = plan["workers"]
    for step in plan["steps"]:
        before, earlier = [threads(pid) for pid in workers], cores()
        found = STEPS[step["do"]](step, workers)
        idle, after = idle_between(earlier, cores()), [threads(pid) for pid in workers]
        print(json.dumps({"step": step, "before": before, "after": after, "idle": idle, "pids": found}), flush=True)


def main():
    """Run the steps of the plan while its computing processes run."""
    plan = json.loads(sys.argv[1])
    computing = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(computing) for _ in range(plan["busy"] * cores()[0])]
    try:
        answers(plan)
    finally:
        for other in others:
            other.kill()
            other.wait()


main()
