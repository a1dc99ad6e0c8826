"""A request to upgrade to a WebSocket, with one byte behind it: does the server live on?"""

import time

from reprolab import Claim, Column, logs

AT_ONCE = {"ACCEPTS": "at-once"}
NEWEST = {"HYPERCORN": "0.18.0"}
VARIANTS = {
    "documented": {},
    "hypercorn-0.14.4": {"HYPERCORN": "0.14.4"},
    "hypercorn-0.15.0": {"HYPERCORN": "0.15.0"},
    "hypercorn-0.17.0": {"HYPERCORN": "0.17.0"},
    "hypercorn-0.18.0": NEWEST,
    # The documented release, one thing changed.
    "no-byte": {"TRAILING": "none"},
    "asyncio": {"WORKER_CLASS": "asyncio"},
    "no-worker": {"WORKERS": "0"},
    "refused": {"PATCH": "refused"},
    "0.18.0-unlooked": NEWEST | {"PATCH": "unlooked"},
    # An application that accepts at once.
    "at-once-0.17.0": AT_ONCE | {"HYPERCORN": "0.17.0"},
    "at-once-0.17.3": AT_ONCE | {"HYPERCORN": "0.17.3"},
    "at-once-0.18.0": AT_ONCE | NEWEST,
    "at-once-0.18.0-asyncio": AT_ONCE | NEWEST | {"WORKER_CLASS": "asyncio"},
    "at-once-0.18.0-closed-first": AT_ONCE | NEWEST | {"PATCH": "closed-first"},
}
TRIALS = 3
PARALLEL = True

REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
LIMIT = 6.0  # seconds in which a server ends that ends of it


def drive(stack):
    """Send the request, wait for the server's end, and ask for a page if it has not ended."""
    trailing = b"" if stack.factors["TRAILING"] == "none" else stack.factors["TRAILING"].encode()
    stack.may_end("app", "the request may end it")
    with stack.connect("app") as client:
        client.send(REQUEST + trailing)
        outcome = client.outcome(limit=LIMIT)
        end = time.monotonic() + LIMIT
        while stack.running("app") and time.monotonic() < end:
            time.sleep(0.2)
        alive = stack.running("app")
        page = stack.probe("/") if alive else None
    return {
        "sent": len(trailing),
        "client": str(outcome),
        "alive": alive,
        "page": page,
        "exit_status": stack.stop("app").exit_status,
    }


def observe(evidence, driven):
    """What the application told, and the last exception of each traceback."""
    lines = list(evidence.lines("app"))
    return driven | {
        "app": [row["app"] for row in logs.json_objects(lines, '{"app": ')],
        "raised": [line.decode().rpartition("| ")[2].strip() for line in lines if b"Error: " in line],
    }


# -- triggers and signs: pure functions of one observation ---------------------------------------


def byte_came(o):
    """A byte was sent behind the request, and the server answered it or ended the connection."""
    return o["sent"] > 0 and o["client"] in ("101", "400", "500", "closed without answer", "cut short", "reset")


def ends(o):
    """The server ended by itself."""
    return not o["alive"]


def ends_as_if_well(o):
    """The server ended by itself, and its exit status is that of a success."""
    return not o["alive"] and o["exit_status"] == 0


def lives(o):
    """The server has not ended, and gives the page."""
    return o["alive"] and o["page"] == "200"


def no_websocket(o):
    """The server ended, because the WebSocket did not exist."""
    return ends(o) and any("has no attribute 'connection'" in line for line in o["raised"])


def in_the_refusal(o):
    """The server ended, because the acceptance came before the end of the answer 400."""
    return ends(o) and "accepts" in o["app"] and any("our state is ERROR" in line for line in o["raised"])


def claim(number, text, sign, shows, absent):
    """A claim on a sign; in the variant without the byte none comes."""
    quiet = [name for name in absent if name == "no-byte"]
    return Claim(f"TB-{number}", text, sign=sign, trigger=byte_came, shows=shows, absent=absent, untriggered=quiet)


OLD = ["documented", "hypercorn-0.14.4", "hypercorn-0.15.0"]
AT_ONCE_ENDS = ["at-once-0.17.0", "at-once-0.17.3", "at-once-0.18.0"]
CLAIMS = [
    claim(
        1,
        "A WebSocket upgrade request with a byte behind it ends the whole server.",
        ends,
        [*OLD, *AT_ONCE_ENDS],
        ["no-byte", "asyncio", "at-once-0.18.0-asyncio", "hypercorn-0.17.0", "hypercorn-0.18.0"],
    ),
    claim(
        2,
        "With the asyncio worker the connection ends, and the server lives on.",
        lives,
        ["asyncio", "at-once-0.18.0-asyncio"],
        ["documented", "at-once-0.18.0"],
    ),
    claim(
        3,
        "The server's exit status is then 0, as after a success; with --workers 0 it is not.",
        ends_as_if_well,
        ["documented", "at-once-0.18.0"],
        ["no-worker"],
    ),
    claim(
        4,
        "The cause up to 0.16.0: the byte is given to a WebSocket that exists only after its acceptance.",
        no_websocket,
        ["documented", "0.18.0-unlooked"],
        ["refused", "hypercorn-0.18.0"],
    ),
    claim(
        5,
        "The cause from 0.17.0 on: the application's acceptance is sent in the middle of the answer 400, because the "
        "stream is closed only after it.",
        in_the_refusal,
        AT_ONCE_ENDS,
        ["at-once-0.18.0-closed-first", "hypercorn-0.18.0"],
    ),
]

COLUMNS = [
    Column("client", lambda o: o["client"]),
    Column("server", lambda o: "lives" if o["alive"] else f"ended: {o['exit_status']}"),
    Column("page", lambda o: o["page"]),
    Column("raised", lambda o: o["raised"][-1][:60] if o["raised"] else None, note=True),
]
