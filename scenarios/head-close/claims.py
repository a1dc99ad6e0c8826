"""Two requests on one connection, HEAD first: does the second one get its answer?"""

from reprolab import Claim, Column

NEWEST = {"WAITRESS": "3.0.2"}
VARIANTS = {
    "documented": {},
    "waitress-1.4.4": {"WAITRESS": "1.4.4"},
    "waitress-2.0.0": {"WAITRESS": "2.0.0"},
    "waitress-3.0.0": {"WAITRESS": "3.0.0"},
    "waitress-3.0.2": NEWEST,
    # One thing changed.
    "get": {"METHOD": "GET"},
    "head-counts-not": {"PATCH": "head-counts-not"},
    "3.0.2-head-counts": NEWEST | {"PATCH": "head-counts"},
}
TRIALS = 3
PARALLEL = True

PAUSE = 1.0  # seconds between the answer and the next request; the server keeps idle connections for 120


def drive(stack):
    """The two requests, and what the client saw of each."""
    method = stack.factors["METHOD"]
    with stack.connect("app") as client:
        client.send(method.encode() + b" / HTTP/1.1\r\nHost: app\r\n\r\n")
        first = client.outcome(method=method)
        client.pause(PAUSE)
        client.send(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
        second = client.outcome()
    return {"method": method, "first": first.to_json(), "second": second.to_json()}


# -- triggers and signs: pure functions of one observation ---------------------------------------


def headers(o):
    """The headers of the first answer, with their names in small letters."""
    pairs = o["first"]["headers"]
    return {name.lower(): value for name, value in (pairs.items() if isinstance(pairs, dict) else pairs)}


def answered_head(o):
    """The first request was HEAD, and its answer has a length."""
    return o["method"] == "HEAD" and o["first"]["status"] == 200 and headers(o).get("content-length") == "2"


def next_is_lost(o):
    """The server ended the connection, and the next request got no answer."""
    return o["second"]["ending"] in ("closed without answer", "reset")


def unannounced(o):
    """The same, and the answer before did not say that the connection ends."""
    return next_is_lost(o) and headers(o).get("connection", "").lower() != "close"


def claim(number, text, sign, shows, absent):
    """A claim on a sign; in the variant without HEAD nothing is asked by HEAD."""
    quiet = [name for name in absent if name == "get"]
    return Claim(f"HC-{number}", text, sign=sign, trigger=answered_head, shows=shows, absent=absent, untriggered=quiet)


OLD = ["documented", "waitress-1.4.4", "waitress-2.0.0"]
NEW = ["waitress-3.0.0", "waitress-3.0.2"]
CLAIMS = [
    claim(
        1,
        "After an answer to HEAD with a Content-Length the connection is closed, and the next request is lost.",
        next_is_lost,
        OLD,
        [*NEW, "get"],
    ),
    claim(
        2,
        "The client is not told: the answer has no `Connection: close`.",
        unannounced,
        OLD,
        NEW,
    ),
    claim(
        3,
        "The cause: the answer to HEAD has no body, and counts as one that is too short.",
        next_is_lost,
        ["documented", "3.0.2-head-counts"],
        ["head-counts-not", "waitress-3.0.2"],
    ),
]

COLUMNS = [
    Column("first", lambda o: f"{o['method']} {o['first']['status']}"),
    Column("next request", lambda o: o["second"]["status"] or o["second"]["ending"]),
    Column("Connection", lambda o: headers(o).get("connection")),
]
