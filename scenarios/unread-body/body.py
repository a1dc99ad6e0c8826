"""A request body that the application does not read, on a kept connection: whether other clients are answered."""

from reprolab import Claim, Column, wait_until

VARIANTS = {
    "documented": {},
    # Releases before, those between, and today's.
    "gunicorn-20.1.0": {"GUNICORN": "20.1.0"},
    "gunicorn-22.0.0": {"GUNICORN": "22.0.0"},
    "gunicorn-24.0.0": {"GUNICORN": "24.0.0"},
    "gunicorn-24.1.1": {"GUNICORN": "24.1.1"},
    "gunicorn-25.3.0": {"GUNICORN": "25.3.0"},
    "gunicorn-26.0.0": {"GUNICORN": "26.0.0"},
    "gunicorn-27.0.1": {"GUNICORN": "27.0.1"},
    # One setting changed.
    "two-threads": {"THREADS": "2"},
    "no-keep-alive": {"KEEP_ALIVE": "0"},
    # The cause: corrected in the release that has it, and put into the release without it.
    "drained": {"PATCH": "drained"},
    "24.1.1-undrained": {"GUNICORN": "24.1.1", "PATCH": "undrained"},
}
TRIALS = 3
PARALLEL = True

BUFFER = 8192  # bytes that gunicorn reads at once
# How long another client waits while a connection is held, and how long it then waits for the end, in seconds. Releases
# that end the waiting by themselves do so after 5 s.
WAIT, LATER = 12, 30
PORT, ESTABLISHED = ":46A0", "01"  # 18080, as /proc/net/tcp writes it, and an open connection


def request(path, length, *headers):
    """The lines of a POST that announces a body of this length."""
    lines = [f"POST {path} HTTP/1.1", "Host: app", f"Content-Length: {length}", *headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def of_size(total):
    """A POST of this many bytes in all, with its body."""
    length = total - len(request("/", total))
    return request("/", length) + length * b"f"


# Name -> what is sent at once, and what is sent after the answer.
POSTS = {
    "9000 bytes": (request("/", 9000) + 9000 * b"f", b""),
    "4000 bytes": (request("/", 4000) + 4000 * b"f", b""),
    "8192 in all": (of_size(BUFFER), b""),
    "8193 in all": (of_size(BUFFER + 1), b""),
    "read": (request("/read", 9000) + 9000 * b"f", b""),
    "10 bytes later": (request("/", 10), 10 * b"f"),
    "10 bytes never": (request("/", 10), b""),
}


def drive(stack):
    """Send each POST, hold its connection, and ask on another one, while it is held and when it has been closed."""
    return {"posts": {name: hold(stack, *parts) for name, parts in POSTS.items()}}


def hold(stack, first, later):
    """How the POST ended, and the other client's request: while the connection is held, and after that."""
    with stack.connect("app") as client:
        client.send(first)
        answer = client.outcome("POST")
        if later:
            client.send(later)
        # The answer comes before the connection is kept: until the rest is read, another request may still get between.
        wait_until("the server has read all that was sent", lambda: unread(stack) == 0, 20)
        with stack.connect("app") as other:
            other.send(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
            held = other.receive(b"\r\n", limit=WAIT)[0]
            client.close()
            after = held or other.receive(b"\r\n", limit=LATER)[0]
    return {
        "answer": answer.body.decode("latin-1") if answer.status == 200 else str(answer),
        "held": held.decode("latin-1").strip(),
        "after": after.decode("latin-1").strip(),
    }


def unread(stack):
    """How many bytes wait in the server's queues, on connections that are open."""
    rows = [line.split() for line in stack.execute("app", ["cat", "/proc/net/tcp"])[1].splitlines()[1:]]
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1].endswith(PORT) and row[3] == ESTABLISHED)


# -- triggers and signs: pure functions of one observation ---------------------------------------


def all_answered(o):
    """Each POST was answered, with its body read or unread, and the other client in the end, too."""
    bodies = {name: "read 9000 bytes" if name == "read" else "read 0 bytes" for name in POSTS}
    posts = o["posts"]
    return all(posts[name]["answer"] == body and " 200 " in posts[name]["after"] for name, body in bodies.items())


def waits(o, name):
    """The other client was answered when the connection was closed, and not before."""
    return not o["posts"][name]["held"] and " 200 " in o["posts"][name]["after"]


def blocked(o):
    """The other client is not answered while the connection with 9000 unread bytes is held."""
    return waits(o, "9000 bytes")


def only_unread_and_large(o):
    """It waits behind 9000 unread bytes, and not behind 4000 unread bytes, nor 9000 that were read."""
    return blocked(o) and not waits(o, "4000 bytes") and not waits(o, "read")


def from_8193_on(o):
    """It waits behind a request of 8193 bytes that came at once, and not behind one of 8192."""
    return waits(o, "8193 in all") and not waits(o, "8192 in all")


def behind_a_late_body(o):
    """It waits behind ten unread bytes that came after the answer."""
    return waits(o, "10 bytes later")


def behind_a_missing_body(o):
    """It waits behind ten bytes that were announced and never came."""
    return waits(o, "10 bytes never")


def claim(number, text, sign, shows, absent):
    """A claim on a sign."""
    return Claim(f"UB-{number}", text, sign=sign, trigger=all_answered, shows=shows, absent=absent)


OLD = ["documented", "gunicorn-20.1.0", "gunicorn-22.0.0"]
WITHOUT_LIMIT = ["gunicorn-24.0.0", "gunicorn-24.1.1", "gunicorn-25.3.0"]
WITH_LIMIT = ["gunicorn-26.0.0", "gunicorn-27.0.1"]
CLAIMS = [
    claim(
        1,
        "An unread body of 9000 bytes on a kept connection blocks the gthread worker, until the client closes the "
        "connection: no other client is answered.",
        blocked,
        OLD,
        [*WITHOUT_LIMIT, *WITH_LIMIT],
    ),
    claim(
        2,
        "The request must be larger than 8192 bytes with its headers, and the application must not read its body.",
        only_unread_and_large,
        ["documented"],
        ["gunicorn-24.0.0"],
    ),
    claim(3, "The connection must be kept alive.", blocked, ["documented"], ["no-keep-alive"]),
    claim(4, "The limit is exact: 8193 bytes do it, and 8192 do not.", from_8193_on, OLD, WITHOUT_LIMIT),
    claim(
        5,
        "The size is not the reason: ten unread bytes do it too, if they come after the answer.",
        behind_a_late_body,
        OLD,
        [*WITHOUT_LIMIT, *WITH_LIMIT],
    ),
    claim(
        6,
        "One connection takes one thread: with two threads others are answered.",
        blocked,
        ["documented"],
        ["two-threads"],
    ),
    claim(
        7,
        "The cause: the connection is kept before the rest of the body is thrown away; since 24.0.0 this comes first.",
        blocked,
        ["documented", "24.1.1-undrained"],
        ["drained", "gunicorn-24.1.1"],
    ),
    claim(
        8,
        "The correction has a fault of its own: from 24.0.0 to 25.3.0 a client that announces ten bytes and sends none "
        "blocks the worker. 26.0.0 gives up by itself, and 23.0.0 does not wait.",
        behind_a_missing_body,
        [*WITHOUT_LIMIT, "drained"],
        ["documented", *WITH_LIMIT, "24.1.1-undrained"],
    ),
]


def cell(name):
    """Whether another client was answered while the connection was held, after that, or not at all."""
    return lambda o: "held" if o["posts"][name]["held"] else "when closed" if o["posts"][name]["after"] else "never"


COLUMNS = [Column(name, cell(name)) for name in POSTS]
