"""A container is stopped while a request runs: what the server hears of it, and what becomes of the requests."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

from reprolab import Claim, Column, InvalidTrial, logs

VARIANTS = {
    "documented": {},
    # The remedies, each alone.
    "exec": {"START": "exec"},
    "trap": {"START": "trap"},
    "init": {"INIT": "true"},
    "init-exec": {"INIT": "true", "START": "exec"},
    # CMD as a text: Docker puts /bin/sh -c before it.
    "shell-form": {"START": "shell-form"},
    # Another server.
    "uwsgi": {"SERVER": "uwsgi"},
    "uwsgi-exec": {"SERVER": "uwsgi", "START": "exec"},
    "uwsgi-die-on-term": {"SERVER": "uwsgi", "START": "exec", "OPTIONS": "--die-on-term"},
}
TRIALS = 3
PARALLEL = True

GRACE = 14  # seconds
EARLY = "3"  # seconds that the request takes that runs when the stop begins
# When the late request is sent, in seconds after the stop began, and how long it takes: beyond the grace time.
LATE_AT, LATE = 9.0, "12"
PORT = 18080
KILLED = 137
# How a server says that it got a signal; none other than SIGTERM is sent before the kill.
HEARD = {
    "gunicorn": logs.GUNICORN.pattern("signal"),
    "uwsgi": "brutally killing workers|SIGINT/SIGTERM received|SIGTERM",
}
LOST = ("closed without answer", "reset", "cut short")


def drive(stack):
    """Stop the container while a request runs; send another one near the end of the grace time."""
    with ThreadPoolExecutor() as pool, stack.connect("app", port=PORT) as early:
        send(early, EARLY)
        stack.wait_printed(rf"began: {EARLY}\b")
        began = time.monotonic()
        stopping = pool.submit(stack.stop, "app", GRACE)
        # It would be read only after the late one else, and it is the end of it that tells.
        first = pool.submit(early.outcome, limit=GRACE + 10)
        time.sleep(LATE_AT)
        with stack.connect("app", port=PORT) as late:
            send(late, LATE)
            sent = time.monotonic() - began
            second = late.outcome(limit=GRACE + 10)
        stopped = stopping.result()
        return {
            "server": stack.factors["SERVER"],
            "grace": GRACE,
            "stopped": stopped.to_json(),
            "early": str(first.result()),
            "late": str(second),
            "late_sent_s": round(sent, 3),
        }


def send(connection, path):
    """A GET on its own connection."""
    connection.send(f"GET /{path} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n".encode())


def observe(evidence, driven):
    """Whether the server said that it heard of the stop, and whether the late request reached the application."""
    printed = b"\n".join(evidence.lines("app")).decode("utf-8", "replace")
    if driven["late_sent_s"] > driven["grace"] - 2:
        raise InvalidTrial("the late request was sent too near the end of the grace time")
    return driven | {
        "heard": bool(re.search(HEARD[driven["server"]], printed)),
        "late_began": f"began: {LATE}" in printed,
    }


# -- triggers and signs: pure functions of one observation ---------------------------------------


def was_stopped(o):
    """The container ended by the stop and not for lack of memory; the early request had been answered or was cut."""
    return not o["stopped"]["oom_killed"] and (o["early"] == "200" or o["early"] in LOST)


def deaf(o):
    """The container was killed, and its server had said nothing of a signal."""
    return o["stopped"]["exit_status"] == KILLED and not o["heard"]


def reloaded(o):
    """The server heard of the stop, cut what ran and took new requests until the container was killed."""
    return o["heard"] and early_lost(o) and o["late_began"] and o["stopped"]["exit_status"] == KILLED


def late_lost(o):
    """The server took the request that came in the grace time, and did not answer it."""
    return o["late_began"] and o["late"] in LOST


def early_lost(o):
    """The request that ran when the stop began has no answer."""
    return o["early"] in LOST


def graceful(o):
    """The server heard of the stop, answered what ran, took nothing new, and ended by itself with status 0."""
    return o["heard"] and o["early"] == "200" and not o["late_began"] and o["stopped"]["exit_status"] == 0


CLAIMS = [
    Claim(
        "P1-1",
        "Without exec the shell is process 1. SIGTERM never reaches the server, and the container is killed when"
        " the grace time is over (status 137).",
        sign=deaf,
        trigger=was_stopped,
        shows=["documented", "uwsgi"],
        absent=["exec", "trap", "init-exec"],
    ),
    Claim(
        "P1-2",
        "The kill cuts requests: the server takes new ones in the grace time as if nothing had happened, and those"
        " that still run at its end get no answer.",
        sign=late_lost,
        trigger=was_stopped,
        shows=["documented", "uwsgi"],
        absent=["exec", "trap", "init-exec"],
    ),
    Claim(
        "P1-3",
        "With exec gunicorn gets SIGTERM, finishes the request that runs, takes no new one, and ends with status 0.",
        sign=graceful,
        trigger=was_stopped,
        shows=["exec", "init-exec"],
        absent=["documented", "init"],
    ),
    Claim(
        "P1-4",
        "A script that stays can do the same with a trap that hands SIGTERM on.",
        sign=graceful,
        trigger=was_stopped,
        shows=["trap"],
        absent=["documented"],
    ),
    Claim(
        "P1-5",
        "The engine's init without exec makes it worse: SIGTERM ends the script, the container ends with it, and"
        " the request that runs is cut at once.",
        sign=early_lost,
        trigger=was_stopped,
        shows=["init"],
        absent=["documented", "exec", "init-exec"],
    ),
    Claim(
        "P1-6",
        "CMD as a text is such a script too: /bin/sh -c stays, as process 1.",
        sign=deaf,
        trigger=was_stopped,
        shows=["shell-form"],
        absent=["exec"],
    ),
    Claim(
        "P1-7",
        "uWSGI needs more than exec: on SIGTERM it cuts the request that runs, reloads, serves on, and is killed"
        " when the grace time is over.",
        sign=reloaded,
        trigger=was_stopped,
        shows=["uwsgi-exec"],
        absent=["uwsgi-die-on-term", "uwsgi"],
    ),
    Claim(
        "P1-8",
        "With --die-on-term uWSGI ends at once, and cuts the request that runs.",
        sign=early_lost,
        trigger=was_stopped,
        shows=["uwsgi-die-on-term"],
        absent=["exec"],
    ),
]

COLUMNS = [
    Column("status", lambda o: str(o["stopped"]["exit_status"])),
    Column("took", lambda o: o["stopped"]["took_s"], "{:.1f} s"),
    Column("server heard", lambda o: "yes" if o["heard"] else "no"),
    Column("running request", lambda o: o["early"]),
    Column("late request", lambda o: o["late"]),
]
