"""One request for the proxy, two for gunicorn: which bytes do it, in which releases, and behind which proxies."""

import json
import re
import time

from reprolab import Claim, Column, logs, wait_until

from .forms import FORMS, HIDING, read_as

VARIANTS = {
    "documented": {},
    # Releases: two older ones, the first with the correction, the next one, and today's.
    "gunicorn-20.0.4": {"GUNICORN": "20.0.4"},
    "gunicorn-20.1.0": {"GUNICORN": "20.1.0"},
    "gunicorn-22.0.0": {"GUNICORN": "22.0.0"},
    "gunicorn-23.0.0": {"GUNICORN": "23.0.0"},
    "gunicorn-27.0.1": {"GUNICORN": "27.0.1"},
    # One setting changed; and a proxy in front.
    "sync": {"WORKER_CLASS": "sync"},
    "nginx": {"FRONT": "nginx"},
    "h2o": {"FRONT": "h2o"},
    # The causes: each corrected alone in the release that has them, and all put into the release without them.
    "known": {"PATCH": "known"},
    "last": {"PATCH": "last"},
    "alone": {"PATCH": "alone"},
    "22.0.0-unchecked": {"GUNICORN": "22.0.0", "PATCH": "unchecked"},
}
TRIALS = 3
PARALLEL = True
LIMIT = 6  # seconds for an answer


def drive(stack):
    """On a connection for each form: its bytes, the answer, then a request as another client's, and the answer."""
    front = stack.factors["FRONT"]
    role, port = ("app", 18080) if front == "none" else (front, 18081)
    if front != "none":
        wait_until(f"{front} answers", lambda: ask(stack, role, port) == 200, 30)
    begun = time.monotonic()
    forms = {name: send(stack, role, port, name) for name in FORMS}
    stack.hold("all forms are sent", begun)
    return {"front": front, "forms": forms}


def ask(stack, role, port):
    """The status of a GET, or None."""
    with stack.connect(role, port=port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
        return client.outcome(limit=LIMIT).status


def send(stack, role, port, name):
    """What a reader by length and one by chunks see in the bytes, and the two answers."""
    by, data = FORMS[name]
    with stack.connect(role, port=port) as client:
        client.send(data)
        first = client.outcome("POST", limit=LIMIT)
        client.send(b"GET /next/%s HTTP/1.1\r\nHost: app\r\n\r\n" % name.encode())
        second = client.outcome(limit=LIMIT)
    readings = {reader: read_as(reader, data) for reader in ("length", "chunks")}
    return {"by": by, "readings": readings, "first": answer(first), "next": answer(second)}


def answer(outcome):
    """The status of an answer, the path that it is for, and how the exchange ended."""
    path = json.loads(outcome.body)["request"]["path"] if outcome.status == 200 else None
    return {"status": outcome.status, "path": path, "ending": str(outcome.ending)}


def observe(evidence, driven):
    """What the logs add: the requests that reached the application, and those that the proxy saw."""
    reached = [row["request"] for row in logs.json_objects(evidence.lines("app"), '{"request": ')]
    front = driven["front"]
    lines = evidence.lines(front) if front != "none" else []
    proxied = [match[1].decode() for line in lines if (match := re.search(rb'"[A-Z]+ (\S+) HTTP', line))]
    return driven | {"reached": reached, "proxied": proxied}


# -- triggers and signs: pure functions of one observation ---------------------------------------


def arrived(o):
    """The plain chunked request was served with its body, and somebody answered each of the others."""
    plain = {"method": "POST", "path": "/plain", "body": 5}
    return plain in o["reached"] and all(form["first"]["status"] for form in o["forms"].values())


def reached(o, path):
    """Whether the application saw a request for a path."""
    return path in [row["path"] for row in o["reached"]]


def unseen(o, name):
    """The hidden request of a form reached the application, and the reader in front saw no such request."""
    form, path = o["forms"][name], f"/hidden/{name}"
    seen = form["readings"][form["by"]] if o["front"] == "none" else o["proxied"]
    return reached(o, path) and path not in seen


def stacked(o):
    """A hidden request got past the reader in front: the fields `chunked` and `identity`, and a length."""
    return unseen(o, "stacked")


def unknown(o):
    """A hidden request got past the reader in front: the field `xchunked`, and a length."""
    return unseen(o, "unknown")


def both(o):
    """A hidden request got past the reader in front: the field `chunked`, and a length."""
    return unseen(o, "both")


def next_client_gets_it(o):
    """The answer to the hidden request came for the next request; after the plain one each had its own answer."""
    gets = {name: form["next"]["path"] for name, form in o["forms"].items()}
    return gets == {"plain": "/next/plain"} | {name: f"/hidden/{name}" for name in HIDING}


def refused_in_front(o):
    """The proxy's log has the three requests, it answered each with an error, and the application saw none of them."""
    errors = all(o["forms"][name]["first"]["status"] >= 400 and f"/{name}" in o["proxied"] for name in HIDING)
    return errors and not any(reached(o, path) for name in HIDING for path in (f"/{name}", f"/hidden/{name}"))


def claim(number, text, sign, shows, absent, **more):
    """A claim on a sign."""
    return Claim(f"SM-{number}", text, sign=sign, trigger=arrived, shows=shows, absent=absent, **more)


BAD = ["documented", "gunicorn-20.0.4", "gunicorn-20.1.0"]
LATER = ["gunicorn-23.0.0", "gunicorn-27.0.1"]
GOOD = ["gunicorn-22.0.0", *LATER]
OPEN = ["documented", "22.0.0-unchecked"]
HIDES = "A second request in what a proxy takes for the body reaches the application."
TEXTS = {
    1: "CVE-2024-1135: gunicorn before 22.0.0 takes a request with contradictory codings (chunked, and identity in a "
    f"second field) for a chunked one, whatever comes last. {HIDES}",
    2: "CVE-2024-6827: gunicorn 21.2.0 does not refuse a transfer coding that it does not know (xchunked), and goes by "
    f"the Content-Length. {HIDES}",
    3: "22.0.0 has CVE-2024-6827 too: its advisory names 23.0.0 as the first release without it.",
    4: f"With chunked alone and a length, gunicorn before 22.0.0 goes by the chunks. {HIDES}",
    5: "The answer to the hidden request is the next one on the connection, so a proxy that keeps connections gives it "
    "to the next client.",
    6: "It needs a worker that keeps connections: a sync worker closes after each answer, and reads no second request.",
    7: "nginx 1.22.1 in front refuses all three forms, and gunicorn sees none of them.",
    8: "The cause of CVE-2024-6827: a transfer coding that is not known is ignored.",
    9: "The cause of CVE-2024-1135: a coding that comes after chunked is ignored.",
    10: "The cause of the third form: a length beside chunked is ignored, and the connection is kept.",
}
CLAIMS = [
    claim(1, TEXTS[1], stacked, BAD, GOOD),
    claim(2, TEXTS[2], unknown, BAD, LATER),
    claim(3, TEXTS[3], unknown, ["gunicorn-22.0.0"], LATER, but=["SM-8"]),
    claim(4, TEXTS[4], both, BAD, [*GOOD, "h2o"]),
    claim(5, TEXTS[5], next_client_gets_it, ["documented"], ["sync", "gunicorn-22.0.0", "nginx"]),
    claim(6, TEXTS[6], stacked, ["documented"], ["sync"]),
    claim(7, TEXTS[7], refused_in_front, ["nginx"], ["documented", "h2o"]),
    claim(8, TEXTS[8], unknown, [*OPEN, "last", "alone"], ["known", "gunicorn-22.0.0"]),
    claim(9, TEXTS[9], stacked, [*OPEN, "known"], ["last", "gunicorn-22.0.0"]),
    claim(10, TEXTS[10], both, [*OPEN, "known", "last"], ["alone", "gunicorn-22.0.0"]),
]


def cell(name):
    """What became of a form: its hidden request reached the application, or what the form itself was answered with."""

    def read(o):
        if reached(o, f"/hidden/{name}"):
            return "hidden" if unseen(o, name) else "two requests"
        first = o["forms"][name]["first"]["status"]
        return f"{first}, closed" if first == 200 else str(first)

    return read


COLUMNS = [
    *(Column(name, cell(name)) for name in HIDING),
    Column("after plain", lambda o: o["forms"]["plain"]["next"]["path"] or "no answer"),
    Column("next client gets", lambda o: o["forms"]["stacked"]["next"]["path"] or "no answer"),
]
