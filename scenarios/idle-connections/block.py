"""Connections that send nothing hold the threads of gunicorn's gthread worker, and a request gets no answer."""

import time
from contextlib import ExitStack

from reprolab import Claim, Column, wait_until

BLOCKED = ["24.0.0", "24.1.1", "25.0.3", "25.1.0"]
LIMITED = ["25.2.0", "25.3.0", "26.0.0", "26.1.0", "27.0.1"]
BRIEFLY = "2"  # seconds: less than the 5 s that a thread waits since 25.2.0
MANY = "16"  # four for each thread: 20 s
NEWEST = "27.0.1"
# Without the option a worker of 25.1.0 may hang when it boots: a fault of its own, see the README.
LAST_BLOCKED = {"GUNICORN": "25.1.0", "OPTIONS": "--no-control-socket"}

VARIANTS = {
    "documented": {},
    **{f"gunicorn-{release}": {"GUNICORN": release} for release in ["21.2.0", "22.0.0", "23.0.0", *BLOCKED, *LIMITED]},
    "gunicorn-25.1.0": LAST_BLOCKED,
    # One setting changed.
    "one-less": {"IDLE": "3"},
    "five-threads": {"THREADS": "5"},
    "timeout-5": {"TIMEOUT": "5"},
    "one-less-25.1.0": {**LAST_BLOCKED, "IDLE": "3"},
    # A wait shorter than the new limit, and more connections than it copes with.
    **{f"briefly-{release}": {"GUNICORN": release, "WAIT": BRIEFLY} for release in ("23.0.0", "25.2.0", NEWEST)},
    "briefly-one-less": {"GUNICORN": NEWEST, "WAIT": BRIEFLY, "IDLE": "3"},
    "many-23.0.0": {"GUNICORN": "23.0.0", "IDLE": MANY},
    "many-25.2.0": {"GUNICORN": "25.2.0", "IDLE": MANY},
    "newest-many": {"GUNICORN": NEWEST, "IDLE": MANY},
    # The cause.
    "poll-first": {**LAST_BLOCKED, "PATCH": "poll-first"},
    "no-wait": {"GUNICORN": NEWEST, "IDLE": MANY, "PATCH": "no-wait"},
    "no-wait-briefly": {"GUNICORN": NEWEST, "WAIT": BRIEFLY, "PATCH": "no-wait"},
}
TRIALS = 3
PARALLEL = True

LIMIT = 60  # seconds
LOOPBACK_PORT = "0100007F:46A0"  # 127.0.0.1:18080 as /proc/net/tcp writes it
ESTABLISHED = "01"
REQUEST = b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"


def accepted(stack):
    """How many connections the server has accepted on its loopback: one in the queue of the kernel has no inode."""
    _, table = stack.execute("app", ["cat", "/proc/net/tcp"])
    rows = [line.split() for line in table.splitlines()[1:]]
    return sum(row[1] == LOOPBACK_PORT and row[3] == ESTABLISHED and row[9] != "0" for row in rows)


def drive(stack):
    """Open connections and send nothing on them; send a request on another one; wait; close the silent ones."""
    idle, wait = int(stack.factors["IDLE"]), float(stack.factors["WAIT"])
    before = stack.probe("/")
    with ExitStack() as open_connections:
        silent = [open_connections.enter_context(stack.connect("app")) for _ in range(idle)]
        opened = not any(connection.error for connection in silent)
        wait_until("the server has accepted all connections", lambda: accepted(stack) == idle, LIMIT)
        asking = open_connections.enter_context(stack.connect("app"))
        asked = time.monotonic()
        asking.send(REQUEST)
        first = asking.outcome(limit=wait)
        waited = time.monotonic() - asked
        held = accepted(stack)
        for connection in silent:
            connection.close()
        last = first if first.status else asking.outcome(limit=LIMIT)
    return {
        "before": before,
        "opened": opened,
        "held": held,
        "idle": idle,
        "first": str(first),
        "waited_s": waited,
        "last": str(last),
    }


# -- triggers and signs: pure functions of one observation ---------------------------------------


def held_and_asked(o):
    """The server answered before and in the end, and all silent connections were accepted and open meanwhile."""
    return o["before"] == o["last"] == "200" and o["opened"] and o["held"] >= o["idle"]


def blocked(o):
    """No answer came as long as the silent connections were open; when they were closed, it came."""
    return o["first"] == "timeout" and o["last"] == "200"


CLAIMS = [
    Claim(
        "IC-1",
        "As many connections that send nothing as there are threads block every other request until they end.",
        sign=blocked,
        trigger=held_and_asked,
        shows=["documented"],
        absent=["one-less", "five-threads"],
    ),
    Claim(
        "IC-2",
        "21.2.0, 22.0.0 and 23.0.0 do not have it.",
        sign=blocked,
        trigger=held_and_asked,
        shows=["documented"],
        absent=["gunicorn-21.2.0", "gunicorn-22.0.0", "gunicorn-23.0.0"],
    ),
    Claim(
        "IC-3",
        "It is back in 24.0.0, and stays until 25.1.0.",
        sign=blocked,
        trigger=held_and_asked,
        shows=[f"gunicorn-{release}" for release in BLOCKED],
        absent=["gunicorn-23.0.0", "one-less-25.1.0"],
    ),
    Claim(
        "IC-4",
        "From 25.2.0 on as many silent connections as threads block no request for 10 s.",
        sign=blocked,
        trigger=held_and_asked,
        shows=["gunicorn-25.1.0"],
        absent=[f"gunicorn-{release}" for release in LIMITED],
    ),
    Claim(
        "IC-5",
        "They still hold it up for more than 2 s: 25.2.0 and 27.0.1 are not as good as 23.0.0.",
        sign=blocked,
        trigger=held_and_asked,
        shows=["briefly-25.2.0", f"briefly-{NEWEST}"],
        absent=["briefly-23.0.0", "briefly-one-less"],
    ),
    Claim(
        "IC-6",
        "Four silent connections for each thread block a request for more than 10 s in 25.2.0 and 27.0.1.",
        sign=blocked,
        trigger=held_and_asked,
        shows=["many-25.2.0", "newest-many"],
        absent=["many-23.0.0"],
    ),
    Claim(
        "IC-7",
        "The setting `timeout` does not end it: with 5 s a request waits for more than 10 s.",
        sign=blocked,
        trigger=held_and_asked,
        shows=["timeout-5"],
        absent=["one-less"],
    ),
    Claim(
        "IC-8",
        "The cause: a thread waits for the first bytes. 25.1.0 does not have it where the poller waits for them.",
        sign=blocked,
        trigger=held_and_asked,
        shows=["gunicorn-25.1.0"],
        absent=["poll-first"],
    ),
    Claim(
        "IC-9",
        "What is left since 25.2.0 is that a thread waits for 5 s: with 0 s in its place a request is held up no more.",
        sign=blocked,
        trigger=held_and_asked,
        shows=["newest-many", f"briefly-{NEWEST}"],
        absent=["no-wait", "no-wait-briefly"],
    ),
]

COLUMNS = [
    Column("silent", lambda o: o["idle"]),
    Column("open meanwhile", lambda o: o["held"]),
    Column("while they were open", lambda o: o["first"]),
    Column("waited", lambda o: o["waited_s"], "{:.1f} s"),
    Column("when they had ended", lambda o: o["last"]),
]
