"""A client connects and sends nothing: how long does another client wait for its answer, and from whom is it?"""

import time
from contextlib import ExitStack

from reprolab import Claim, Column, logs

VARIANTS = {
    "documented": {},
    "gunicorn-19.9.0": {"GUNICORN": "19.9.0", "PYTHON": "3.9.18"},
    "gunicorn-23.0.0": {"GUNICORN": "23.0.0"},
    "gunicorn-25.3.0": {"GUNICORN": "25.3.0"},
    "gunicorn-27.0.1": {"GUNICORN": "27.0.1"},
    # The connection: none, one that sends a part of a request, one that sends all of it and stays.
    "no-connection": {"SILENT": "0"},
    "part-of-a-request": {"SENDS": "part"},
    "whole-request": {"SENDS": "request"},
    # What helps, and what helps for a while.
    "two-threads": {"THREADS": "2"},
    "27.0.1-two-threads": {"GUNICORN": "27.0.1", "THREADS": "2"},
    "nginx": {"FRONT": "nginx"},
    "two-workers": {"WORKERS": "2"},
    "two-workers-two-silent": {"WORKERS": "2", "SILENT": "2"},
    # The cause: a limit on the wait for the request.
    "two-seconds": {"PATCH": "two-seconds"},
    "27.0.1-two-seconds": {"GUNICORN": "27.0.1", "PATCH": "two-seconds"},
}
TRIALS = 3
PARALLEL = True

SENDS = {"nothing": b"", "part": b"GET /part HTTP/1.1\r\nHos", "request": b"GET /first HTTP/1.1\r\nHost: app\r\n\r\n"}
ASK = b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
PORT, ESTABLISHED, NOT_ACCEPTED = ":46A0", "01", "0"  # 18080, as /proc/net/tcp writes it; an inode of nobody
ACCEPTS = 3  # seconds in which a server accepts a connection
LIMIT = 30  # seconds that the other client waits; --timeout is 5


def drive(stack):
    """Open the silent connections, and ask on another one."""
    front = "proxy" if stack.factors["FRONT"] == "nginx" else "app"
    silent, sends = int(stack.factors["SILENT"]), SENDS[stack.factors["SENDS"]]
    with ExitStack() as opened:
        for _ in range(silent):
            client = opened.enter_context(stack.connect(front))
            if sends:
                client.send(sends)
            if stack.factors["SENDS"] == "request":
                client.outcome()
            else:
                accepted(stack, front, 1)
        seen = {"accepted": accepted(stack, front, silent), "before": timeouts(stack)}
        begun = time.monotonic()
        other = opened.enter_context(stack.connect(front))
        other.send(ASK)
        outcome = other.outcome(limit=LIMIT)
        seen |= {"took_s": round(time.monotonic() - begun, 1), "killed_first": timeouts(stack) - seen["before"]}
    by = int(outcome.body) if outcome.status == 200 else None
    return seen | {"silent": silent, "sends": stack.factors["SENDS"], "ending": str(outcome.ending), "by": by}


def accepted(stack, front, wanted):
    """How many connections to the server somebody has accepted; waits a little for as many as wanted."""

    def count():
        rows = [line.split() for line in stack.execute(front, ["cat", "/proc/net/tcp"])[1].splitlines()[1:]]
        return sum(row[1].endswith(PORT) and row[3] == ESTABLISHED and row[9] != NOT_ACCEPTED for row in rows)

    end = time.monotonic() + ACCEPTS
    while (number := count()) < wanted and time.monotonic() < end:
        time.sleep(0.2)
    return number


def timeouts(stack):
    """How many workers gunicorn has killed so far because they did not answer."""
    return sum(bool(logs.GUNICORN.search("timeout", line.encode())) for line in stack.printed("app"))


def observe(evidence, driven):
    """What gunicorn's log adds: the workers in the order of their start, and those killed at their timeout."""
    lines = list(evidence.lines("app"))
    matches = {name: [logs.GUNICORN.search(name, line) for line in lines] for name in ("started", "timeout")}
    return driven | {name: [int(match[1]) for match in rows if match] for name, rows in matches.items()}


# -- triggers and signs: pure functions of one observation ---------------------------------------


def silent(o):
    """The server, or its proxy, has accepted the connections, and they are open and silent."""
    return 0 < o["silent"] <= o["accepted"]


def held_up(o):
    """The other client had its answer only when a worker had been killed at its timeout, and from a new worker."""
    return o["killed_first"] > 0 and o["by"] in o["started"][o["killed_first"] :] and o["by"] not in o["timeout"]


def answered_meanwhile(o):
    """The other client had its answer from a worker that was there, and nobody had been killed."""
    return o["by"] is not None and o["killed_first"] == 0


def claim(number, text, sign, shows, absent, **more):
    """A claim on a sign; each needs connections that are silent."""
    return Claim(f"SC-{number}", text, sign=sign, trigger=silent, shows=shows, absent=absent, **more)


RELEASES = [f"gunicorn-{release}" for release in ("19.9.0", "23.0.0", "25.3.0", "27.0.1")]
LIMITED = ["two-seconds", "27.0.1-two-seconds"]
CLAIMS = [
    claim(
        1,
        "A connection that sends nothing holds the sync worker until its timeout; another client waits so long.",
        held_up,
        ["documented"],
        ["no-connection", "whole-request", "two-threads"],
        untriggered=["no-connection", "whole-request"],
    ),
    claim(
        2,
        "It is so in all releases, as designed.",
        held_up,
        ["documented", *RELEASES],
        ["27.0.1-two-threads"],
    ),
    claim(
        3,
        "A part of a request does it too.",
        held_up,
        ["part-of-a-request"],
        ["two-threads", "whole-request"],
        untriggered=["whole-request"],
    ),
    claim(
        4,
        "With several sync workers it still happens: two workers are held by two such connections; one is not enough.",
        held_up,
        ["two-workers-two-silent"],
        ["two-workers", "nginx"],
    ),
    claim(
        5,
        "Two threads, or nginx in front, help.",
        answered_meanwhile,
        ["two-threads", "27.0.1-two-threads", "nginx"],
        ["documented"],
    ),
    claim(
        6,
        "The cause: a sync worker has no limit for its wait for a request but the timeout that kills it.",
        held_up,
        ["documented", "gunicorn-27.0.1"],
        LIMITED,
    ),
]

COLUMNS = [
    Column("silent", lambda o: o["accepted"]),
    Column("other client", lambda o: o["ending"]),
    Column("after", lambda o: o["took_s"], "{:.1f} s"),
    Column("killed before", lambda o: o["killed_first"]),
    Column("answered by worker", lambda o: o["started"].index(o["by"]) + 1 if o["by"] in o["started"] else None),
]
