"""A client that leaves in the middle of a chunked request: what becomes of the thread that reads it."""

import re
import time

from reprolab import Claim, Column, logs, wait_until

VARIANTS = {
    "documented": {},
    # Releases: the newest one when the thread began, the one between, the first one with the fix, and today's.
    "gunicorn-20.1.0": {"GUNICORN": "20.1.0"},
    "gunicorn-21.2.0": {"GUNICORN": "21.2.0"},
    "gunicorn-23.0.0": {"GUNICORN": "23.0.0"},
    "gunicorn-27.0.1": {"GUNICORN": "27.0.1"},
    # One setting changed.
    "two-threads": {"THREADS": "2"},
    "sync": {"WORKER_CLASS": "sync"},
    "sync-23.0.0": {"WORKER_CLASS": "sync", "GUNICORN": "23.0.0"},
    # The cause: corrected in the release that has it, and put into the release without it.
    "checked": {"PATCH": "checked"},
    "23.0.0-unchecked": {"GUNICORN": "23.0.0", "PATCH": "unchecked"},
}
TRIALS = 3
PARALLEL = True

# Where a client leaves -> what it sent of a chunk of five bytes. The last one is what the thread is about.
LEAVES = {"data": b"5\r\nhel", "next": b"5\r\nhello\r\n", "reset": b"5\r\nhello", "crlf": b"5\r\nhello"}
PORT, ESTABLISHED = ":46A0", "01"  # 18080, as /proc/net/tcp writes it, and an open connection
ENDS = 5  # seconds in which a read ends whose client has left
LOOKS = 5
LIMIT = 25  # seconds that the other client waits; --timeout is 10


def drive(stack):
    """Leave at each place, look at the thread that reads for the last one, and ask on another connection."""
    ended = {name: leave(stack, name, part) for name, part in LEAVES.items()}
    worker, thread = re.findall(r"reading crlf (\d+) (\d+)", "\n".join(stack.printed("app")))[-1]
    looks = [look(stack, worker, thread) for _ in range(LOOKS)]
    seen = stack.forensics(title="after the client has left")
    functions = seen.functions(int(worker)) if int(worker) in seen.stacks else []
    with stack.connect("app") as client:
        client.send(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
        outcome = client.outcome(limit=LIMIT)
    return {
        "worker": int(worker),
        "ended": ended,
        "looks": looks,
        "in_chunk": any(name.endswith("parse_chunked") for names in functions for name in names),
        "other": {"ending": str(outcome.ending), "by": int(outcome.body) if outcome.status == 200 else None},
        "looped_on": look(stack, worker, thread)["state"] == "R",
    }


def leave(stack, name, part):
    """Send a part of a chunk, close once the server has read it, and say how the application's read ended, or None."""
    with stack.connect("app") as client:
        client.send(b"POST /%s HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n" % name.encode() + part)
        stack.wait_printed(rf"reading {name} ")
        wait_until("the server has read what was sent", lambda: unread(stack) == 0, 20)
        (client.reset if name == "reset" else client.close)()
    end = time.monotonic() + ENDS
    while not (how := re.findall(rf"ended {name} (.+)", "\n".join(stack.printed("app")))) and time.monotonic() < end:
        time.sleep(0.2)
    return how[0] if how else None


def unread(stack):
    """How many bytes wait in the server's queues, on connections that are open. -1 if none is open."""
    rows = [line.split() for line in stack.execute("app", ["cat", "/proc/net/tcp"])[1].splitlines()[1:]]
    queues = [row[4] for row in rows if row[1].endswith(PORT) and row[3] == ESTABLISHED]
    return sum(int(queue.split(":")[1], 16) for queue in queues) if queues else -1


def look(stack, worker, thread):
    """A thread's state (a letter of ps, "" if it has ended), the nanoseconds that it ran and was ready to, and when."""
    task = f"/proc/{worker}/task/{thread}"
    code, text = stack.execute("app", ["cat", f"{task}/schedstat", f"{task}/stat"])
    ran, ready = text.split()[:2] if code == 0 else (0, 0)
    state = text.rpartition(")")[2].split()[0] if code == 0 else ""
    return {"state": state, "ran_ns": int(ran), "ready_ns": int(ready), "at_ns": time.monotonic_ns()}


def observe(evidence, driven):
    """What gunicorn's log adds: the workers that it killed at their timeout."""
    matches = [logs.GUNICORN.search("timeout", line) for line in evidence.lines("app")]
    return driven | {"timed_out": [int(match[1]) for match in matches if match]}


# -- triggers and signs: pure functions of one observation ---------------------------------------


def read_to_the_end(o):
    """The clients that left at the other places were noticed: the server reads chunks, and the client closes."""
    return all(o["ended"][name] for name in ("data", "next", "reset"))


def spins(o):
    """The read has not ended, and its thread ran at each look, in gunicorn's parse_chunked()."""
    return o["ended"]["crlf"] is None and o["in_chunk"] and all(seen["state"] == "R" for seen in o["looks"])


def spins_there_only(o):
    """The same, and each other read ended with an error of its own."""
    return spins(o) and all(o["ended"][name].isidentifier() for name in ("data", "next", "reset"))


def nobody_answered(o):
    """No answer for the other client in more than twice the timeout; nobody was killed, and the thread still ran."""
    return o["other"]["ending"] == "timeout" and not o["timed_out"] and o["looped_on"]


def killed_at_timeout(o):
    """gunicorn killed the worker at its timeout, and another worker gave the answer."""
    return o["worker"] in o["timed_out"] and o["other"]["by"] not in (None, o["worker"])


def answered_beside_it(o):
    """The thread spins, and the same worker answered the other client."""
    return spins(o) and o["other"]["by"] == o["worker"] and o["looped_on"]


def claim(number, text, sign, shows, absent):
    """A claim on a sign."""
    return Claim(f"CS-{number}", text, sign=sign, trigger=read_to_the_end, shows=shows, absent=absent)


GOOD = ["gunicorn-23.0.0", "gunicorn-27.0.1"]
CLAIMS = [
    claim(
        1,
        "A client that leaves in the middle of a chunked request can leave behind a thread that loops in "
        "parse_chunked(): it reads the connection that has ended, again and again.",
        spins,
        ["documented", "gunicorn-20.1.0", "gunicorn-21.2.0"],
        GOOD,
    ),
    claim(
        2,
        "It must leave after the data of a chunk and before its CRLF, and in order: one that leaves in the data, after "
        "the CRLF, or with a reset is noticed.",
        spins_there_only,
        ["documented"],
        ["gunicorn-23.0.0"],
    ),
    claim(
        3,
        "With gthread it goes on for good: the timeout does not end it, since the worker still says that it is alive, "
        "and with one thread nobody else is answered.",
        nobody_answered,
        ["documented"],
        ["sync", "two-threads", "gunicorn-23.0.0"],
    ),
    claim(
        4,
        "A sync worker is killed at its timeout, and the request that waited is answered by the next worker.",
        killed_at_timeout,
        ["sync"],
        ["documented", "sync-23.0.0"],
    ),
    claim(
        5,
        "With two threads the other one answers, and the lost one loops on.",
        answered_beside_it,
        ["two-threads"],
        ["documented", "gunicorn-23.0.0"],
    ),
    claim(
        6,
        "The cause: up to 22.0.0 gunicorn waits for the two bytes behind a chunk, and does not look whether the "
        "connection has ended; 23.0.0 does.",
        spins,
        ["documented", "23.0.0-unchecked"],
        ["checked", "gunicorn-23.0.0"],
    ),
]


def wanted(o):
    """In which part of the time the thread wanted a processor: it ran, or it waited for one that was busy."""
    first, last = o["looks"][0], o["looks"][-1]
    used = sum(last[key] - first[key] for key in ("ran_ns", "ready_ns"))
    return 100 * used / (last["at_ns"] - first["at_ns"]) if first["state"] and last["state"] else None


def other_client(o):
    """Who answered the other client, or how it ended."""
    if o["other"]["by"] is None:
        return o["other"]["ending"]
    return "the worker" if o["other"]["by"] == o["worker"] else "the next worker"


COLUMNS = [
    Column("read ended", lambda o: o["ended"]["crlf"] or "never"),
    Column("states", lambda o: "".join(seen["state"] or "-" for seen in o["looks"])),
    Column("wants a processor", wanted, "{:.0f} %"),
    Column("other client", other_client),
    Column("killed", lambda o: len(o["timed_out"])),
    Column("left at", lambda o: ", ".join(f"{name}: {how or 'never'}" for name, how in o["ended"].items()), note=True),
]
