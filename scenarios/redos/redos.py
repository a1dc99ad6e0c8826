"""A header that waitress cannot match: how much CPU time it costs, and how long all others wait."""

import time
from itertools import pairwise

from reprolab import Claim, Column, wait_until

VARIANTS = {
    "documented": {},
    # Releases: three before, the first with the correction, the next one, and today's.
    "waitress-1.3.1": {"WAITRESS": "1.3.1"},
    "waitress-1.4.0": {"WAITRESS": "1.4.0"},
    "waitress-1.4.1": {"WAITRESS": "1.4.1"},
    "waitress-1.4.3": {"WAITRESS": "1.4.3"},
    "waitress-1.4.4": {"WAITRESS": "1.4.4"},
    "waitress-3.0.2": {"WAITRESS": "3.0.2"},
    # One thing changed: the last character, the number of threads, a proxy in front.
    "good-character": {"LAST": "good"},
    "sixteen-threads": {"THREADS": "16"},
    "nginx": {"FRONT": "nginx"},
    # The cause: corrected in the release that has it, and put into the release without it.
    "once": {"PATCH": "once"},
    "1.4.3-repeated": {"WAITRESS": "1.4.3", "PATCH": "repeated"},
}
TRIALS = 3

# How many x the header has before its last character. 15 is the number in the advisory's example.
LENGTHS = (15, 20, 24, 26, 28, 30)
LONGEST = LENGTHS[-1]
LAST = {"bad": b"\x10", "good": b"y"}
LIMIT = 180.0  # seconds that a client waits
SECOND = 1.0  # seconds of CPU time


def drive(stack):
    """Send the header with each number of x; meanwhile another client asks for a page, straight from the server."""
    front = stack.factors["FRONT"]
    role, port = ("app", 18080) if front == "none" else (front, 18081)
    wait_until(f"{role} answers", lambda: ask(stack, role, port)["status"] == 200, 30)
    last = LAST[stack.factors["LAST"]]
    pid = ask(stack, "app", 18080)["body"]
    return {
        "idle": ask(stack, "app", 18080),
        "headers": {str(n): send(stack, role, port, pid, n, last) for n in LENGTHS},
    }


def send(stack, role, port, pid, number, last):
    """One request with the header: its status, the CPU time of the server's main thread, and the other client."""
    before = cpu_s(stack, pid)
    with stack.connect(role, port=port) as client:
        client.send(b"GET /header HTTP/1.1\r\nHost: app\r\nBad-header: " + b"x" * number + last + b"\r\n\r\n")
        other = ask(stack, "app", 18080)
        outcome = client.outcome(limit=LIMIT)
    return {"status": outcome.status, "cpu_s": cpu_s(stack, pid) - before, "other": other}


def ask(stack, role, port):
    """A client's GET: its status, how long it took (seconds), and the body."""
    begun = time.monotonic()
    with stack.connect(role, port=port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
        outcome = client.outcome(limit=LIMIT)
    return {"status": outcome.status, "took_s": time.monotonic() - begun, "body": outcome.body.decode()}


def cpu_s(stack, pid):
    """The seconds that the server's main thread, which reads all requests, has run; waiting for a processor is none."""
    return int(stack.execute("app", ["cat", f"/proc/{pid}/schedstat"])[1].split()[0]) / 1e9


# -- triggers and signs: pure functions of one observation ---------------------------------------
# They read CPU time, which other work on the machine hardly changes, and never a wait alone.


def answered(o):
    """Somebody answered each request with the header, and the server each other client."""
    return all(row["status"] and row["other"]["status"] == 200 for row in o["headers"].values())


def cpu(o, number=LONGEST):
    """The CPU time of a header with so many x."""
    return o["headers"][str(number)]["cpu_s"]


def costs_a_second(o):
    """The header with 30 x cost the server's main thread more than a second of CPU time."""
    return cpu(o) > SECOND


def others_wait(o):
    """The same, and another client, which asked after it, waited more than a second for its page."""
    return costs_a_second(o) and o["headers"][str(LONGEST)]["other"]["took_s"] > SECOND


def doubles(o):
    """From 24 x on, two more x at least double the CPU time, and 30 x cost more than a second."""
    steps = pairwise(number for number in LENGTHS if number >= 24)
    return costs_a_second(o) and all(cpu(o, after) >= 2 * cpu(o, before) for before, after in steps)


def harmless_in_the_advisory(o):
    """The header with 15 x cost less than a twentieth of a second, and the one with 30 x more than a second."""
    return cpu(o, LENGTHS[0]) < SECOND / 20 and costs_a_second(o)


def claim(number, sign, shows, absent, text, **more):
    """A claim on a sign."""
    return Claim(f"RD-{number}", text, sign=sign, trigger=answered, shows=shows, absent=absent, **more)


EARLIER = ["waitress-1.3.1", "waitress-1.4.0", "waitress-1.4.1"]
LATER = ["waitress-1.4.3", "waitress-1.4.4", "waitress-3.0.2"]
CLAIMS = [
    claim(
        1,
        costs_a_second,
        ["documented"],
        LATER,
        "A header with a character that it must not have makes the regular expression backtrack and takes a processor; "
        "1.4.3 corrects it (here: 30 x and a control character, more than a second of CPU time).",
    ),
    claim(
        2,
        others_wait,
        ["documented", "sixteen-threads"],
        [*EARLIER, *LATER],
        "It blocks all others: another client waits until it is done, with 16 threads too.",
    ),
    claim(3, costs_a_second, ["documented"], EARLIER, "It came with 1.4.2: 1.3.1, 1.4.0 and 1.4.1 do not have it."),
    claim(
        4,
        costs_a_second,
        EARLIER,
        ["waitress-1.4.3"],
        "All releases before 1.4.3 have it, as the database entry PYSEC-2020-155 lists them.",
        but=["RD-3"],
    ),
    claim(5, doubles, ["documented"], LATER, "The time grows exponentially: two more x at least double it."),
    claim(
        6,
        harmless_in_the_advisory,
        ["documented"],
        LATER,
        "The header in the advisory's example has 15 x and costs next to nothing; it takes about twice as many.",
    ),
    claim(
        7,
        costs_a_second,
        ["documented"],
        ["good-character"],
        "The last character does it: with a letter in its place the longest header costs nothing.",
    ),
    claim(
        8,
        others_wait,
        ["documented", "nginx"],
        ["waitress-1.4.3"],
        "nginx 1.22.1 in front does not help: it passes the header on.",
    ),
    claim(
        9,
        costs_a_second,
        ["documented", "1.4.3-repeated"],
        ["once", "waitress-1.4.3"],
        "The cause: the expression for a value repeats a part that repeats itself, so one text can be cut in very many "
        "ways, and all are tried before it is refused.",
    ),
]

COLUMNS = [
    *(Column(f"{n} x", lambda o, n=n: cpu(o, n), "{:.3f} s") for n in LENGTHS),
    Column("another client waits", lambda o: o["headers"][str(LONGEST)]["other"]["took_s"], "{:.3f} s"),
    Column("idle", lambda o: o["idle"]["took_s"], "{:.3f} s"),
    Column("status", lambda o: o["headers"][str(LONGEST)]["status"]),
]
