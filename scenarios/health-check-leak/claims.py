"""Connections that are opened and closed without a request: does uvicorn close its side?"""

import json
import time

from reprolab import Claim, Column, InvalidTrial

VARIANTS = {
    "documented": {},
    "uvicorn-0.13.4": {"UVICORN": "0.13.4"},
    "uvicorn-0.14.0": {"UVICORN": "0.14.0"},
    "uvicorn-0.16.0": {"UVICORN": "0.16.0"},
    "uvicorn-0.17.0": {"UVICORN": "0.17.0"},
    "uvicorn-0.17.1": {"UVICORN": "0.17.1"},
    "uvicorn-0.17.2": {"UVICORN": "0.17.2"},
    "h11": {"HTTP": "h11"},
    "asyncio": {"LOOP": "asyncio"},
    "h11-asyncio": {"HTTP": "h11", "LOOP": "asyncio"},
    # The client closes when the server has surely taken the connection over.
    "held": {"HOLD": "2"},
    "close-at-eof": {"PATCH": "close-at-eof"},
    # Fewer descriptors than checks.
    "few-descriptors": {"DESCRIPTORS": "128"},
    "few-descriptors-asyncio": {"DESCRIPTORS": "128", "LOOP": "asyncio"},
}
TRIALS = 3

CHECKS = 500
AFTER = 6.0  # seconds; uvicorn closes an idle connection after 5 s, if it had a request
REQUESTS = 3


def drive(stack):
    """The health checks, and what is left of them some seconds later; then requests, as a client sends them."""
    with stack.sample("app", ["descriptors", "sockets"]) as samples:
        code, printed = stack.execute("app", ["python", "check.py", str(CHECKS)], limit=60)
        time.sleep(AFTER)
    if code != 0:
        raise InvalidTrial(f"the health checks ended with {code}: {printed}")
    descriptors = samples.values("descriptors")
    return {
        "checks": json.loads(printed),
        "descriptors": [descriptors[0], descriptors[-1]],
        "sockets": samples.values("sockets")[-1],
        "answers": [stack.probe("/") for _ in range(REQUESTS)],
        "samples": samples.to_json(),
    }


# -- triggers ------------------------------------------------------------------------------------


def checked(o):
    """The client opened and closed all connections, and the kernel saw them arrive."""
    return o["checks"]["opened"] == CHECKS and o["checks"]["arrived"] >= CHECKS


# -- signs: pure functions of one observation ----------------------------------------------------


def kept(o):
    """How many descriptors more than before the checks are open."""
    return o["descriptors"][1] - o["descriptors"][0]


def close_wait(o):
    """How many sockets wait for the server to close them."""
    return o["sockets"].get("tcp close-wait", 0)


def left_open(o):
    """Some seconds after the checks at least half of their connections are open in the server, in CLOSE_WAIT."""
    return min(kept(o), close_wait(o)) >= CHECKS / 2


def out_of_descriptors(o):
    """After the checks no request gets its answer."""
    return "200" not in o["answers"]


BAD = ["uvicorn-0.14.0", "documented", "uvicorn-0.16.0", "uvicorn-0.17.0"]

CLAIMS = [
    Claim(
        "HL-1",
        "Connections that a health check opens and closes without a request stay open in uvicorn, in CLOSE_WAIT.",
        sign=left_open,
        shows=BAD,
        absent=["uvicorn-0.13.4"],
        trigger=checked,
    ),
    Claim(
        "HL-2",
        "When all descriptors are used up, requests get no answer.",
        sign=out_of_descriptors,
        shows=["few-descriptors"],
        absent=["few-descriptors-asyncio", "documented"],
        trigger=checked,
    ),
    Claim(
        "HL-3",
        "The parser h11 in place of httptools avoids it.",
        sign=left_open,
        shows=["documented"],
        absent=["h11"],
        trigger=checked,
        but=["HL-5"],
    ),
    Claim(
        "HL-4",
        "It is fixed in 0.17.1.",
        sign=left_open,
        shows=["documented"],
        absent=["uvicorn-0.17.1", "uvicorn-0.17.2"],
        trigger=checked,
    ),
    Claim(
        "HL-5",
        "The event loop decides: with uvloop each parser has it, with asyncio none.",
        sign=left_open,
        shows=["documented", "h11"],
        absent=["asyncio", "h11-asyncio"],
        trigger=checked,
    ),
    Claim(
        "HL-6",
        "It does not happen if the client closes only after uvicorn has taken the connection over.",
        sign=left_open,
        shows=["documented"],
        absent=["held"],
        trigger=checked,
    ),
    Claim(
        "HL-7",
        "The cause: the end of the connection is read by asyncio's stream reader, before uvicorn puts its own protocol "
        "in place, and that protocol never hears of it. If uvicorn closes a connection that has ended by then, nothing "
        "stays open.",
        sign=left_open,
        shows=["documented"],
        absent=["close-at-eof"],
        trigger=checked,
    ),
]

COLUMNS = [
    Column("checks", lambda o: o["checks"]["arrived"]),
    Column("descriptors before", lambda o: o["descriptors"][0]),
    Column("after", lambda o: o["descriptors"][1]),
    Column("CLOSE_WAIT", close_wait),
    Column("requests get", lambda o: "/".join(dict.fromkeys(o["answers"]))),
]
