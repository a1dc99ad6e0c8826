"""A request line that comes in two segments: what uvicorn makes of its URL."""

import json

from reprolab import Claim, Column, wait_until

VARIANTS = {
    "documented": {},
    # Releases: the newest one when the thread began, the first one with the fix, and today's.
    "uvicorn-0.15.0": {"UVICORN": "0.15.0"},
    "uvicorn-0.17.5": {"UVICORN": "0.17.5"},
    "uvicorn-0.54.0": {"UVICORN": "0.54.0", "PYTHON": "3.12.1"},
    # The other parser.
    "h11": {"HTTP": "h11"},
    # The cause: corrected in the release that has it, and put into the release without it.
    "joined": {"PATCH": "joined"},
    "0.17.5-last-part": {"UVICORN": "0.17.5", "PATCH": "last-part"},
}
TRIALS = 3
PARALLEL = True

REST = b" HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
# Name -> the segments of one request. The first of each group is whole, the others are the same bytes with a cut.
PATHS = {
    "whole": [b"GET /public/admin" + REST],
    "in a name": [b"GET /pub", b"lic/admin" + REST],
    "at a slash": [b"GET /public", b"/admin" + REST],
    "in the method": [b"GE", b"T /public/admin" + REST],
    "in the version": [b"GET /public/admin HT", REST[3:]],
    "in a header": [b"GET /public/admin HTTP/1.1\r\nHo", REST[13:]],
}
QUERIES = {
    "whole query": [b"GET /public?next=/admin" + REST],
    "in the query": [b"GET /public?next=", b"/admin" + REST],
}
PATH = {"method": "GET", "path": "/public/admin", "query": ""}
QUERY = {"method": "GET", "path": "/public", "query": "next=/admin"}
PORT = "46A0"  # 18080, as /proc/net/tcp writes it
ESTABLISHED = "01"


def drive(stack):
    """Send each request on a connection of its own; a second segment only when the server has read the first."""
    return {"requests": {name: send(stack, segments) for name, segments in (PATHS | QUERIES).items()}}


def send(stack, segments):
    """Send one request. How it ended, what the application saw, and how many segments the server read by themselves."""
    with stack.connect("app") as client:
        client.send(segments[0])
        for segment in segments[1:]:
            wait_until("the server has read the first segment", lambda: unread(stack) == 0, 20)
            client.send(segment)
        outcome = client.outcome()
    return {
        "segments": len(segments),
        "ending": str(outcome.ending),
        "status": outcome.status,
        "seen": json.loads(outcome.body) if outcome.status == 200 else None,
    }


def unread(stack):
    """How many bytes wait in the server's queues, on connections that are open. -1 if none is open."""
    rows = [line.split() for line in stack.execute("app", ["cat", "/proc/net/tcp"])[1].splitlines()[1:]]
    queues = [row[4] for row in rows if row[1].endswith(":" + PORT) and row[3] == ESTABLISHED]
    return sum(int(queue.split(":")[1], 16) for queue in queues) if queues else -1


def observe(evidence, driven):
    """What the server's log adds: how often the parser refused a URL."""
    refused = sum(b"HttpParserInvalidURLError" in line for line in evidence.lines("app"))
    return driven | {"refused": refused}


# -- triggers and signs: pure functions of one observation ---------------------------------------


def understood_whole(o):
    """The requests in one segment were served as they were sent, and the others came in two."""
    whole = (o["requests"]["whole"]["seen"], o["requests"]["whole query"]["seen"])
    return whole == (PATH, QUERY) and all(o["requests"][cut]["segments"] == 2 for cut in ("in a name", "at a slash"))


def unanswered(o):
    """The request that was cut inside a name got no answer: the connection closed."""
    return o["requests"]["in a name"]["ending"] in ("closed without answer", "reset")


def unanswered_for_its_url(o):
    """The same, and the server's log has HttpParserInvalidURLError."""
    return unanswered(o) and o["refused"] > 0


def other_path(o):
    """The request that was cut at a slash was answered with 200, for the path behind the cut."""
    return o["requests"]["at a slash"]["seen"] == {**PATH, "path": "/admin"}


def other_path_from_query(o):
    """The request that was cut in its query was answered with 200, and the rest of the query was the path."""
    return o["requests"]["in the query"]["seen"] == {**QUERY, "path": "/admin", "query": ""}


def misread_in_the_url_only(o):
    """Cuts inside the URL are misread, and those in the method, the version and a header are not."""
    elsewhere = ("in the method", "in the version", "in a header")
    return unanswered(o) and other_path(o) and all(o["requests"][cut]["seen"] == PATH for cut in elsewhere)


def claim(number, text, sign, shows, absent):
    """A claim on a sign."""
    return Claim(f"SR-{number}", text, sign=sign, trigger=understood_whole, shows=shows, absent=absent)


BAD = ["documented", "uvicorn-0.15.0"]
GOOD = ["uvicorn-0.17.5", "uvicorn-0.54.0"]
CLAIMS = [
    claim(
        1,
        "When the first line of a request comes in several segments, HttpParserInvalidURLError is raised and the "
        "server closes the connection (here: cut inside a name).",
        unanswered_for_its_url,
        BAD,
        GOOD,
    ),
    claim(2, "With h11 in place of httptools the request is answered.", unanswered, ["documented"], ["h11"]),
    claim(
        3,
        "Cut at a slash, the request is answered, for another path: of /public/admin the application sees /admin.",
        other_path,
        BAD,
        [*GOOD, "h11"],
    ),
    claim(
        4,
        "A slash in the query does the same: of /public?next=/admin, cut before /admin, the application sees /admin.",
        other_path_from_query,
        BAD,
        [*GOOD, "h11"],
    ),
    claim(
        5,
        "Only a cut inside the URL does it; one in the method, in the version or in a header is harmless.",
        misread_in_the_url_only,
        ["documented"],
        ["uvicorn-0.17.5"],
    ),
    claim(
        6,
        "The cause: httptools hands over the URL in parts, and uvicorn takes each for the whole; 0.17.5 joins them.",
        other_path,
        ["documented", "0.17.5-last-part"],
        ["joined", "uvicorn-0.17.5"],
    ),
]


def cell(name):
    """What became of a request: the path and query that were served, or how it ended."""

    def read(o):
        request = o["requests"][name]
        seen = request["seen"]
        return (
            seen["path"] + (seen["query"] and "?" + seen["query"])
            if seen
            else str(request["status"] or request["ending"])
        )

    return read


COLUMNS = [
    *(Column(name, cell(name)) for name in ("whole", "in a name", "at a slash", "in the query")),
    *(Column(f"cut {name}", cell(name), note=True) for name in ("in the method", "in the version", "in a header")),
    Column("invalid URL, log", lambda o: o["refused"]),
]
