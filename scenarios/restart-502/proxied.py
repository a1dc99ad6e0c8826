"""Load through a proxy while gunicorn's workers restart: how many answers are 502, and what the proxy hides."""

import re
from collections import Counter

from reprolab import Claim, Column, logs

# Enough workers and threads that one which restarts is not missed, and many restarts in a short load.
SERVER = {"WORKERS": "4", "THREADS": "4", "MAX_REQUESTS": "200"}
KEPT = SERVER | {"KEPT": "16"}
APP = "restart-502-app:18080"
TWICE = KEPT | {"SERVERS": f"{APP} max_fails=0; server {APP} max_fails=0"}
ALL = {"DIRECTIVES": "proxy_next_upstream error timeout non_idempotent;"}
VARIANTS = {
    "documented": {},
    "nginx": SERVER,
    "post": SERVER | {"METHOD": "POST"},
    "no-max-requests": SERVER | {"MAX_REQUESTS": "0"},
    "gunicorn-20.1.0": SERVER | {"GUNICORN": "20.1.0"},
    "gunicorn-24.1.1": SERVER | {"GUNICORN": "24.1.1"},
    "gunicorn-27.0.1": SERVER | {"GUNICORN": "27.0.1"},
    "sync": SERVER | {"WORKER_CLASS": "sync", "THREADS": "1"},
    "gevent": SERVER | {"WORKER_CLASS": "gevent"},
    # The proxy keeps its connections to the server.
    "kept-20.1.0": KEPT | {"GUNICORN": "20.1.0"},
    "kept-24.1.1": KEPT | {"GUNICORN": "24.1.1"},
    "kept-post-20.1.0": KEPT | {"GUNICORN": "20.1.0", "METHOD": "POST"},
    "kept-post-24.1.1": KEPT | {"GUNICORN": "24.1.1", "METHOD": "POST"},
    "kept-post-26.1.0": KEPT | {"GUNICORN": "26.1.0", "METHOD": "POST"},
    "kept-post-27.0.1": KEPT | {"GUNICORN": "27.0.1", "METHOD": "POST"},
    "kept-post-24.1.1-keep-alive-0": KEPT | {"GUNICORN": "24.1.1", "METHOD": "POST", "KEEP_ALIVE": "0"},
    "sync-kept-post": KEPT | {"WORKER_CLASS": "sync", "THREADS": "1", "METHOD": "POST"},
    "gevent-kept-post": KEPT | {"WORKER_CLASS": "gevent", "METHOD": "POST"},
    # Another proxy, which keeps its connections for two seconds.
    "h2o-24.1.1": SERVER | {"FRONT": "h2o", "GUNICORN": "24.1.1"},
    "h2o-24.1.1-keep-alive-0": SERVER | {"FRONT": "h2o", "GUNICORN": "24.1.1", "KEEP_ALIVE": "0"},
    "h2o-27.0.1": SERVER | {"FRONT": "h2o", "GUNICORN": "27.0.1"},
    # nginx has a second way to the same server, and may try again.
    "twice": TWICE,
    "twice-post": TWICE | {"METHOD": "POST"},
    "twice-post-again": TWICE | {"METHOD": "POST"} | ALL,
}
# Each trial has at least RESTARTS tries, so two trials of a variant are many.
TRIALS = 2
THREADS, CONNECTIONS, DURATION = 2, 16, 4
# Not every restart loses an answer. So the load is put on again until there were so many, at most LOADS times.
RESTARTS, LOADS = 30, 6
FAILED = 10


def drive(stack):
    """Put load on the proxy, with GET or POST, until enough workers were replaced."""
    post = {"method": "POST", "body": b"0123456789"} if stack.factors["METHOD"] == "POST" else {}
    most = LOADS if int(stack.factors["MAX_REQUESTS"]) else 1
    front = "h2o" if stack.factors["FRONT"] == "h2o" else "proxy"
    loads = []
    while len(loads) < most and restarts_so_far(stack) < RESTARTS:
        load = stack.wrk("/", threads=THREADS, connections=CONNECTIONS, duration=DURATION, role=front, **post)
        loads.append(load.summary())
    return {"front": front, "load": loads[0], "loads": len(loads)}


def restarts_so_far(stack):
    """How many workers have reached max_requests."""
    return len(set(re.findall(logs.GUNICORN.pattern("max_requests"), "\n".join(stack.printed("app")))))


def observe(evidence, driven):
    """Read how the proxy answered, what failed between it and gunicorn, and at which restarts answers were lost."""
    start = driven["load"]["started_ns"]
    access = logs.access_summary(evidence.lines(driven["front"]), start)
    restarts = restart_moments(evidence.streams("app"))
    return driven | {
        "statuses": {str(status): n for status, n in sorted(access.statuses.items())},
        "failed": Counter(error.text for error in logs.nginx_errors(evidence.streams("proxy"), start)),
        "restarts": len(restarts),
        "losing": len(
            {nearest(restarts, start + step * 10**6 * logs.BUCKET_MS) for step in access.buckets.get(502, ())}
        ),
    }


def restart_moments(lines):
    """When each worker reached max_requests, in nanoseconds since the epoch, by its pid."""
    clock, moments = logs.Clock(), {}
    for line in lines:
        if match := logs.GUNICORN.search("max_requests", line):
            moments.setdefault(int(match[1]), clock(line))
    return moments


def nearest(restarts, moment):
    """The pid of the worker whose restart is nearest in time, or None if there was none."""
    return min(restarts, key=lambda pid: abs(restarts[pid] - moment), default=None)


# -- triggers and signs: pure functions of one observation ---------------------------------------


def restarted(o):
    """Enough workers were replaced, and most answers were good."""
    return o["restarts"] >= RESTARTS and o["statuses"].get("200", 0) > sum(o["statuses"].values()) / 2


def bad(o):
    """How many answers were 502."""
    return o["statuses"].get("502", 0)


def lost(o):
    """Some answers were 502."""
    return bad(o) > 0


def hidden(o):
    """Requests failed between nginx and gunicorn, and no client noticed."""
    return sum(o["failed"].values()) > 0 and not lost(o)


def mostly_hidden(o):
    """Many requests failed between nginx and gunicorn, and of ten at most one reached a client."""
    failed = sum(o["failed"].values())
    return failed >= FAILED and bad(o) <= failed / 10


def restarts(o):
    """At how many of the restarts answers were lost."""
    return o["losing"], o["restarts"]


def claim(number, text, sign, shows, absent, **more):
    """A claim on a sign."""
    return Claim(f"RS-{number}", text, sign=sign, trigger=restarted, shows=shows, absent=absent, **more)


CLAIMS = [
    claim(
        8,
        "Behind a proxy the clients get 502 now and then while workers restart.",
        lost,
        ["documented", "nginx", "post"],
        ["no-max-requests", "gunicorn-20.1.0", "gunicorn-24.1.1", "gunicorn-27.0.1", "sync", "gevent"],
        untriggered=["no-max-requests"],
        rate=restarts,
    ),
    claim(
        9,
        "Another loss: before 27.0.1 a worker that ends closes the connections that the proxy keeps, also when a POST "
        "is on its way on one.",
        lost,
        ["kept-post-20.1.0", "kept-post-24.1.1", "kept-post-26.1.0"],
        [
            *("gunicorn-24.1.1", "kept-post-24.1.1-keep-alive-0", "kept-post-27.0.1"),
            *("sync-kept-post", "gevent-kept-post"),
        ],
        rate=restarts,
    ),
    claim(
        10,
        "nginx hides this loss for GET: it sends the request again on another connection.",
        hidden,
        ["kept-20.1.0", "kept-24.1.1"],
        ["kept-post-24.1.1", "gunicorn-24.1.1"],
    ),
    claim(
        11,
        "h2o does not send it again: there a GET is lost too, which nginx hides.",
        lost,
        ["h2o-24.1.1"],
        ["h2o-24.1.1-keep-alive-0", "h2o-27.0.1", "kept-24.1.1"],
        rate=restarts,
    ),
    claim(
        12,
        "Where nginx knows a second way to the server, it tries again, and most failures stay hidden: in 21.2.0 those "
        "of a GET, and those of a POST only if nginx may send it twice (non_idempotent).",
        mostly_hidden,
        ["twice", "twice-post-again"],
        ["nginx", "twice-post"],
    ),
]
COLUMNS = [
    Column("restarts", lambda o: o["restarts"]),
    Column("answers", lambda o: sum(o["statuses"].values())),
    Column("502", lambda o: (bad(o), sum(o["statuses"].values()))),
    Column("502 a restart", lambda o: bad(o) / o["restarts"] if o["restarts"] else None, "{:.1f}"),
    Column("restarts that lose", restarts),
    Column("failed tries", lambda o: sum(o["failed"].values())),
    Column("why", lambda o: ", ".join(f"{n} {text}" for text, n in sorted(o["failed"].items())), note=True),
]
