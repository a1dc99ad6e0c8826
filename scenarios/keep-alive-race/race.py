"""Requests on kept connections, many at once, after pauses around the moment at which the server closes them."""

import json
import time
from collections import Counter

from reprolab import Claim, Column, Curve, InvalidTrial, logs

VARIANTS = {
    "documented": {},
    # Releases: what came after it, and today's.
    "gunicorn-21.2.0": {"GUNICORN": "21.2.0"},
    "gunicorn-23.0.0": {"GUNICORN": "23.0.0"},
    "gunicorn-25.3.0": {"GUNICORN": "25.3.0"},
    "gunicorn-27.0.1": {"GUNICORN": "27.0.1"},
    # The server keeps a connection for longer than the proxy, or the proxy for as long as the server, or shorter.
    "keep-alive-75": {"KEEP_ALIVE": "75"},
    "proxy-4s": {"PROXY_KEEP": "4s"},
    "proxy-3s": {"PROXY_KEEP": "3s"},
    "proxy-2.5s": {"PROXY_KEEP": "2500ms"},
    "proxy-2s": {"PROXY_KEEP": "2s"},
    "proxy-1.5s": {"PROXY_KEEP": "1500ms"},
    "proxy-1s": {"PROXY_KEEP": "1s"},
    "no-kept": {"KEPT": "0"},
    # Another method, and other workers.
    "get": {"METHOD": "GET"},
    "sync": {"WORKER_CLASS": "sync", "THREADS": "1"},
    "gevent": {"WORKER_CLASS": "gevent"},
    # The server looks for a request before it closes.
    "looked": {"PATCH": "looked"},
}
TRIALS = 3
PARALLEL = True
CONNECTIONS = 64
# Seconds. gunicorn looks at idle connections once a second, or when a request comes: it closes them after 2 to 3 s.
PAUSES = ("1", "1.9", *(f"{2 + step / 20:g}" for step in range(13)), "2.9", "3.2")
LATE = 0.3  # seconds by which the mean pause may be longer than asked for


def drive(stack):
    """Send the requests to the proxy from within the server's container."""
    command = [
        "python",
        "client.py",
        "keep-alive-race-proxy",
        str(CONNECTIONS),
        stack.factors["METHOD"],
        *PAUSES,
    ]
    begun_ns = time.time_ns()
    code, text = stack.execute("app", command, limit=120)
    if code:
        raise InvalidTrial(f"the client ended with {code}: {text[-300:]}")
    times = {"server_s": seconds(stack.factors["KEEP_ALIVE"]), "proxy_s": seconds(stack.factors["PROXY_KEEP"])}
    return times | {"begun_ns": begun_ns, "rounds": json.loads(text)}


def seconds(text):
    """A time of nginx or gunicorn in seconds."""
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text.removesuffix("s"))


def observe(evidence, driven):
    """The tries that failed between nginx and the server."""
    errors = logs.nginx_errors(evidence.streams("proxy"), driven["begun_ns"])
    return driven | {"failed": Counter(error.text for error in errors)}


# -- triggers and signs: pure functions of one observation ---------------------------------------


def paused(o):
    """The pauses were as long as asked for, and all answers but those of 502 were good."""
    late = sum(row["waited"] - row["pause"] for row in o["rounds"]) / len(o["rounds"])
    return late < LATE and {status for row in o["rounds"] for status in row["statuses"]} <= {"200", "502"}


def answers(o):
    """How many answers came, but those of the first round, in which there is no kept connection yet."""
    return sum(sum(row["statuses"].values()) for row in o["rounds"] if row["pause"])


def bad(o):
    """How many of them were 502."""
    return sum(row["statuses"].get("502", 0) for row in o["rounds"] if row["pause"])


def lost(o):
    """Some answers were 502."""
    return bad(o) > 0


def hidden(o):
    """Requests failed between nginx and gunicorn, and no client noticed."""
    return sum(o["failed"].values()) > 0 and not lost(o)


def tries(o):
    """How many of the answers were 502."""
    return bad(o), answers(o)


def claim(number, text, shows, absent, sign=lost, rate=tries):
    """A claim on a race: one trial in which it shows is enough."""
    absent_from = {"shows": shows, "absent": absent}
    return Claim(f"KR-{number}", text, sign=sign, trigger=paused, sometimes=True, rate=rate, **absent_from)


CLAIMS = [
    claim(
        1,
        "gunicorn closes an idle connection after two seconds. A proxy that keeps it for longer may send a request at "
        "that moment, and the client gets 502.",
        ["documented"],
        ["keep-alive-75", "no-kept", "sync"],
    ),
    claim(
        2,
        "It ends when the server keeps its connections for longer than the proxy, whichever of the two is changed.",
        ["documented", "proxy-3s"],
        ["keep-alive-75", "proxy-1s"],
    ),
    claim(
        3,
        "nginx hides it where the method is GET: it sends the request again.",
        ["get"],
        ["documented", "keep-alive-75"],
        sign=hidden,
        rate=None,
    ),
    claim(
        4,
        "A look whether a request has come, just before the connection is closed, does not end it.",
        ["documented", "looked"],
        ["keep-alive-75"],
    ),
    claim(
        5,
        "Later releases have it too, 21.2.0 and 23.0.0 among them.",
        ["gunicorn-21.2.0", "gunicorn-23.0.0"],
        ["keep-alive-75", "no-kept"],
    ),
]


def by_pause(o):
    """The share of 502 after each pause, where there were any."""
    shares = Counter()
    for row in o["rounds"]:
        shares[row["pause"]] += row["statuses"].get("502", 0)
    return ", ".join(f"{pause:g} s: {n} of {CONNECTIONS}" for pause, n in shares.items() if n) or "none"


def share_by_pause(o):
    """Pause in seconds -> how many of the answers after it were 502."""
    return {row["pause"]: (row["statuses"].get("502", 0), CONNECTIONS) for row in o["rounds"] if row["pause"]}


CURVES = [
    Curve(
        "502 by how much longer the server keeps a connection than the proxy",
        "server's time minus the proxy's, in seconds",
        "answers with 502",
        lambda o: {o["server_s"] - o["proxy_s"]: tries(o)},
        variants=("proxy-4s", "proxy-3s", "proxy-2.5s", "proxy-2s", "proxy-1.5s", "proxy-1s"),
        over_variants=True,
    ),
    Curve(
        "502 by the pause between two requests of a connection",
        "pause in seconds",
        "answers with 502",
        share_by_pause,
        variants=("documented", "gunicorn-27.0.1", "looked", "keep-alive-75"),
    ),
]
COLUMNS = [
    Column("answers", answers),
    Column("502", tries),
    Column("failed tries", lambda o: sum(o["failed"].values())),
    Column("502 after a pause of", by_pause, note=True),
    Column("why", lambda o: ", ".join(f"{n} {text}" for text, n in sorted(o["failed"].items())), note=True),
]
