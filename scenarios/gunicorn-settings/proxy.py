"""nginx in front of gunicorn: whose limit ends a long request line, and whose time limit ends a long request."""

from reprolab import Claim, Column, InvalidTrial

from .common import ADDRESS, Gunicorn, Lab, all_answered, option

NGINX, NGINX_3_SECONDS = "127.0.0.1:8091", "127.0.0.1:8092"
READ_TIMEOUT = 3  # seconds, of the second address
LASTS = 6  # seconds of the request
TOP = 30_000  # bytes; a longer line is not tried
BEHIND = {"PROXY": "nginx", "WORKERS": "3"}
VARIANTS = {
    "documented": {},
    "behind": BEHIND,
    "limit-0": {**BEHIND, "ARGUMENTS": "--limit-request-line 0"},
    "limit-8190": {**BEHIND, "ARGUMENTS": "--limit-request-line 8190"},
    "timeout-1": {**BEHIND, "ARGUMENTS": "--timeout 1"},
}
TRIALS = 3
PARALLEL = True


def drive(stack):
    """Find the longest request line with and without nginx; then send a long request through it, in two ways."""
    lab = Lab(stack)
    Gunicorn(lab).ready()
    if stack.factors["PROXY"] == "none":
        observation = {"direct": longest(lab, ADDRESS), "proxied": None, "slow": {}}
    else:
        numbers = [lab.begin(f"/sleep/{LASTS}", address) for address in (NGINX_3_SECONDS, NGINX)]
        ends = all_answered(lab, numbers)
        slow = {
            name: {"status": end["status"], "after_s": round(end["ended"] - end["began"], 2)}
            for name, end in zip(("short", "long"), ends, strict=True)
        }
        observation = {"direct": longest(lab, ADDRESS), "proxied": longest(lab, NGINX), "slow": slow}
    observation |= {
        "finished": sum(what == "end" for _, _, _, what, _ in lab.notes()),
        "begun": len(lab.begun(f"/sleep/{LASTS}")),
        "limit": option(stack.factors, "--limit-request-line") or "default",
    }
    lab.keep()
    return observation


def longest(lab, address):
    """The longest request line in bytes that is answered with 200 there; None if TOP is."""

    def accepted(length):
        line = "GET /{} HTTP/1.1".format("a" * (length - len("GET / HTTP/1.1")))
        status = lab.ask(line=line, address=address)["status"]
        if status not in (200, 400, 414):
            raise InvalidTrial(f"a request line of {length} bytes was answered with {status}")
        return status == 200

    if accepted(TOP):
        return None
    low, high = 30, TOP
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if accepted(middle) else (low, middle)
    return low


def through_proxy(o):
    """The same line was tried with nginx in front and without it."""
    return o["proxied"] is not None


def both_begun(o):
    """gunicorn began both long requests."""
    return o["begun"] == 2


def proxy_decides_line(o):
    """With nginx in front a shorter line is refused than gunicorn alone refuses."""
    return o["direct"] is None or o["proxied"] < o["direct"]


def proxy_decides_time(o):
    """At nginx's limit the client got 504, and gunicorn finished the request; with nginx's longer limit it got 200."""
    short, long = o["slow"]["short"], o["slow"]["long"]
    at_limit = READ_TIMEOUT - 0.2 <= short["after_s"] <= READ_TIMEOUT + 1.5
    return short["status"] == 504 and at_limit and long["status"] == 200 and o["finished"] >= 2


def lines(o):
    """The longest lines."""
    direct = f"{o['direct']:,}" if o["direct"] else f"more than {TOP:,}"
    return f"{direct} bytes alone" + (f", {o['proxied']:,} behind nginx" if o["proxied"] else "")


def times(o):
    """How the two requests ended."""
    short, long = o["slow"]["short"], o["slow"]["long"]
    return (
        f"{short['status']} after {short['after_s']:.1f} s, with 120 s {long['status']} after {long['after_s']:.1f} s"
    )


CLAIMS = [
    Claim(
        "GS-69",
        "limit_request_line: the limit of a proxy must be thought of too: whatever gunicorn allows, nginx refuses a "
        "line that does not fit into its buffer.",
        sign=proxy_decides_line,
        trigger=through_proxy,
        shows=["limit-0"],
        absent=["behind", "limit-8190"],
        setting="limit_request_line",
        measured=lines,
    ),
    Claim(
        "GS-70",
        "timeout: a proxy's read timeout must be thought of too: if it is the shorter one, it decides what the client "
        "gets.",
        sign=proxy_decides_time,
        trigger=both_begun,
        needs_idle=True,
        shows=["behind", "limit-0"],
        absent=["timeout-1"],
        setting="timeout",
        measured=times,
    ),
]

COLUMNS = [
    Column("longest line, alone", lambda o: o["direct"]),
    Column("behind nginx", lambda o: o["proxied"]),
    Column("nginx waits 3 s", lambda o: o["slow"]["short"]["status"] if o["slow"] else None, "{}"),
    Column("after", lambda o: o["slow"]["short"]["after_s"] if o["slow"] else None, "{:.1f} s"),
    Column("nginx waits 120 s", lambda o: o["slow"]["long"]["status"] if o["slow"] else None, "{}"),
]
