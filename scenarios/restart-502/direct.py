"""The document's own load: one request after the other, each on a new connection, straight to gunicorn."""

import json
import re

from reprolab import Claim, Column, InvalidTrial, logs

VARIANTS = {
    "documented": {},
    # Releases: the other one of the document, the next ones, the first one with another worker, and today's.
    "gunicorn-20.1.0": {"GUNICORN": "20.1.0"},
    "gunicorn-22.0.0": {"GUNICORN": "22.0.0"},
    "gunicorn-23.0.0": {"GUNICORN": "23.0.0"},
    "gunicorn-24.0.0": {"GUNICORN": "24.0.0"},
    "gunicorn-24.1.0": {"GUNICORN": "24.1.0"},
    "gunicorn-27.0.1": {"GUNICORN": "27.0.1"},
    # One setting changed.
    "post": {"METHOD": "POST"},
    "no-max-requests": {"MAX_REQUESTS": "0"},
    "max-requests-30": {"MAX_REQUESTS": "30"},
    "four-threads": {"THREADS": "4"},
    "sync": {"WORKER_CLASS": "sync"},
    "gevent": {"WORKER_CLASS": "gevent"},
    # The cause: 20.1.0's way put into 21.2.0, 21.2.0's into 20.1.0; and the correction that the document's author
    # proposed.
    "enqueued": {"PATCH": "enqueued"},
    "20.1.0-registered": {"GUNICORN": "20.1.0", "PATCH": "registered"},
    "guarded": {"PATCH": "guarded"},
}
TRIALS = 3
PARALLEL = True
REQUESTS, PAUSE_MS = 100, 5
# An idle worker looks at its end once a second. A request that comes later than that finds no worker that ends.
SOON_MS = 900
WAITS = "TimeoutError"  # no answer in ten seconds; then the client stops


def drive(stack):
    """Send the requests from within the server's container, so nothing stands between."""
    method = stack.factors["METHOD"]
    command = ["python", "client.py", "18080", str(REQUESTS), method, str(PAUSE_MS)]
    code, text = stack.execute("app", command)
    if code:
        raise InvalidTrial(f"the client ended with {code}: {text[-300:]}")
    return {"requests": json.loads(text)}


def observe(evidence, driven):
    """Which requests the application has run, and after which of them a worker began to end."""
    ran, restarts = set(), []
    for line in evidence.lines("app"):
        if match := re.search(rb"ran (\d+)$", line.rstrip()):
            ran.add(int(match[1]))
        elif match := logs.GUNICORN.search("max_requests", line):
            restarts.append(int(match[1]))
    rows = driven["requests"]
    lost = [n for n, row in enumerate(rows) if isinstance(row["how"], str) and row["how"] != WAITS]
    return {
        "sent": len(rows),
        "statuses": sorted({row["how"] for row in rows if isinstance(row["how"], int)}),
        "lost": lost,
        "waits": rows[-1]["how"] == WAITS,
        "how": sorted({row["how"] for row in rows if not isinstance(row["how"], int)}),
        "ran_lost": len(ran & set(lost)),
        "restarts": len(set(restarts)),
        "longest_gap_ms": max(row["gap_ms"] for row in rows),
    }


# -- triggers and signs: pure functions of one observation ---------------------------------------


def restarted(o):
    """Workers were replaced while requests came, one soon after the other, and all answers were good."""
    return o["restarts"] >= 2 and o["longest_gap_ms"] < SOON_MS and o["statuses"] == [200]


def one_restarted(o):
    """A worker was to be replaced."""
    return o["restarts"] >= 1


def waits(o):
    """A request had no answer in ten seconds."""
    return o["waits"]


def loses(o):
    """Some requests had no answer: their connections were closed or reset."""
    return bool(o["lost"])


def one_each(o):
    """About one request was lost for each restart, and the application has run none of them."""
    return o["restarts"] - 1 <= len(o["lost"]) <= o["restarts"] and not o["ran_lost"] and bool(o["lost"])


def seldom(o):
    """Less than one request in twenty was lost."""
    return len(o["lost"]) / o["sent"] < 0.05


def tries(o):
    """How many requests were lost, and in how many restarts."""
    return min(len(o["lost"]), o["restarts"]), o["restarts"]


def claim(number, text, sign, shows, absent, trigger=restarted, **more):
    """A claim on a sign."""
    return Claim(f"RS-{number}", text, sign=sign, trigger=trigger, shows=shows, absent=absent, **more)


CLAIMS = [
    claim(
        1,
        "With gthread and max_requests, the connection that comes next is closed without an answer when a worker "
        "restarts.",
        loses,
        ["documented", "four-threads", "post"],
        ["no-max-requests", "sync", "gevent"],
        untriggered=["no-max-requests"],
        rate=tries,
    ),
    claim(2, "gunicorn 20.1.0 has it too.", loses, ["gunicorn-20.1.0"], ["sync", "gevent"], rate=tries),
    claim(
        3,
        "It is seen less often with a larger max_requests.",
        seldom,
        ["max-requests-30"],
        ["documented"],
    ),
    claim(
        4,
        "Each restart loses one request, and the application has not run it.",
        one_each,
        ["documented", "max-requests-30"],
        ["gunicorn-20.1.0", "gunicorn-27.0.1"],
        rate=tries,
    ),
    claim(
        5,
        "The cause: since 21.0.0 a new connection waits on the worker's poller until its client has sent something, "
        "and a worker that ends does not look at the poller again. 20.1.0 gives the connection to a thread at once.",
        loses,
        ["documented", "20.1.0-registered"],
        ["enqueued", "gunicorn-20.1.0"],
        rate=tries,
    ),
    claim(
        6,
        "A worker that accepts nothing any more once it is about to end loses none of these requests.",
        loses,
        ["documented"],
        ["guarded"],
        rate=tries,
    ),
    claim(
        7,
        "24.1.0 ended it: the worker answers all that it has accepted before it ends.",
        loses,
        ["documented", "gunicorn-22.0.0", "gunicorn-23.0.0"],
        ["gunicorn-24.1.0", "gunicorn-27.0.1"],
        rate=tries,
    ),
    claim(
        13,
        "24.0.0 does not replace a worker that has reached max_requests until the timeout: with one worker nobody is "
        "answered meanwhile.",
        waits,
        ["gunicorn-24.0.0"],
        ["documented", "gunicorn-24.1.0"],
        trigger=one_restarted,
    ),
]
COLUMNS = [
    Column("requests", lambda o: o["sent"]),
    Column("restarts", lambda o: o["restarts"]),
    Column("lost", lambda o: len(o["lost"])),
    Column("one waits", lambda o: "yes" if o["waits"] else "no"),
    Column("of them run", lambda o: o["ran_lost"]),
    Column("how they ended", lambda o: ", ".join(o["how"]), note=True),
    Column("gap", lambda o: o["longest_gap_ms"], "{:.0f} ms"),
]
