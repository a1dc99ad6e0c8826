"""Asks the server from beside it, and counts the workers' threads: `python client.py PLAN`, both ends JSON.

PLAN is {"workers": [pid, ...], "steps": [{"do": KIND, ...}, ...], "busy": N}: N processes for each core do nothing but
compute meanwhile. The answer is one line of JSON for each step, with how many of the machine's cores were idle in it. A
response that names no process ends the program.
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
    """A connection with its request sent."""
    connection = socket.create_connection(ADDRESS, timeout=LIMIT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    send(connection, close)
    return connection


def send(connection, close):
    """Ask once."""
    kind = b"close" if close else b"keep-alive"
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: " + kind + b"\r\n\r\n")


def answer(connection):
    """The pid that answered; exits with what came instead."""
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
    """Some clients, at once or one after the other, all before the first is answered; who answered each."""
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
    """Groups of clients, one group after the other."""
    found = []
    for _ in range(step["rounds"]):
        found.append(group(step["clients"], step.get("stagger", 0)))
        time.sleep(step.get("gap", 0.03))
    return found


def keep_alive(step, workers):
    """Clients that each ask several times on one connection; who answered, a list for each connection."""
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
    """Give one worker requests at once while the others are stopped, until it is so many threads ahead of them."""
    others = [pid for pid in workers if pid != step["worker"]]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    wanted = max(threads(pid) for pid in others) + step["ahead"]
    found = []
    try:
        # On a busy machine some requests are done before the last has begun, and share a thread.
        for more in range(0, 80, 4):
            found.append(group(wanted + more, 0))
            if threads(step["worker"]) >= wanted:
                return found
        sys.exit("worker %d has %d threads, not %d" % (step["worker"], threads(step["worker"]), wanted))
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def threads(pid):
    """How many threads a process has; those of the kernel's own (io_uring) are none of its."""
    found = 0
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/comm" % (pid, task), encoding="utf-8") as stream:
                found += not stream.read().startswith("iou-")
        except OSError:
            pass
    return found


def cores():
    """Of all the machine's cores: how many there are, and their time so far, in ticks: idle, and in all."""
    with open("/proc/stat", encoding="utf-8") as stream:
        lines = [line.split() for line in stream if line.startswith("cpu")]
    times = [int(word) for word in lines[0][1:9]]
    return len(lines) - 1, times[3] + times[4], sum(times)


def idle_between(earlier, later):
    """How many cores were idle between two looks, as the mean."""
    number, idle, total = later[0], later[1] - earlier[1], later[2] - earlier[2]
    return round(number * idle / total, 2) if total else float(number)


STEPS = {"groups": groups, "keep-alive": keep_alive, "fill": fill}


def answers(plan):
    """Each step in turn, the threads counted before and after."""
    workers = plan["workers"]
    for step in plan["steps"]:
        before, earlier = [threads(pid) for pid in workers], cores()
        found = STEPS[step["do"]](step, workers)
        idle, after = idle_between(earlier, cores()), [threads(pid) for pid in workers]
        print(json.dumps({"step": step, "before": before, "after": after, "idle": idle, "pids": found}), flush=True)


def main():
    """The plan's steps, beside as many computing processes as it says."""
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
