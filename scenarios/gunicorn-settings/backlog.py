"""How many connections wait beyond the one being handled, counted in the kernel; with and without nginx before."""

import time

from reprolab import Claim, Column, wait_until

from .common import ADDRESS, Gunicorn, Lab, option

BUSY = "/sleep/60"
NGINX = "127.0.0.1:8091"
DEFAULT = 2048
CLIENTS = 60  # what nginx gets
VARIANTS = {
    "documented": {},
    "backlog-5": {"ARGUMENTS": "--backlog 5"},
    "backlog-1": {"ARGUMENTS": "--backlog 1"},
    "backlog-64": {"ARGUMENTS": "--backlog 64"},
    "gevent": {"ARGUMENTS": "--backlog 5", "WORKER_CLASS": "gevent"},
    "nginx-few": {"ARGUMENTS": "--backlog 40", "PROXY": "nginx", "NGINX_CONNECTIONS": "32"},
    "nginx-many": {"ARGUMENTS": "--backlog 40", "PROXY": "nginx"},
}
TRIALS = 1
PARALLEL = True
STILL = 1.0  # seconds without a change, after which the kernel's queue is as full as it gets


def drive(stack):
    """Keep the only worker busy, connect more than the backlog, and count."""
    lab = Lab(stack)
    nginx = stack.factors["PROXY"] == "nginx"
    Gunicorn(lab, "--timeout", "0", "--keep-alive", "60").ready()
    lab.begin(BUSY)
    wait_until("the worker is busy", lambda: lab.begun(BUSY))
    backlog = int(option(stack.factors, "--backlog") or DEFAULT)
    if nginx:
        numbers = [lab.begin(f"/?{n}", NGINX) for n in range(CLIENTS)]
    else:
        numbers = []
        lab.call("hold", address=ADDRESS, count=backlog + 10)
    found = unchanged(lambda: counted(lab))
    found |= {
        "backlog": backlog,
        "nginx": nginx,
        "refused": sum(one is not None for one in lab.call("answers", numbers=numbers)),
    }
    lab.keep()
    return found


def counted(lab):
    """The sockets on gunicorn's port: in its listen queue, established and not yet accepted, not yet connected."""
    every = lab.call("connections")
    own = [one for one in every if one["port"] == 8000]
    return {
        "queued": sum(one["queued"] for one in own if one["state"] == "LISTEN"),
        "waiting": sum(one["state"] == "ESTABLISHED" and one["inode"] == 0 for one in own),
        "accepted": sum(one["state"] == "ESTABLISHED" and one["inode"] != 0 for one in own),
        "knocking": sum(one["peer"] == 8000 and one["state"] == "SYN_SENT" for one in every),
    }


def unchanged(look):
    """What ``look`` says once it has said the same for a second."""
    state = {"seen": None, "since": time.monotonic()}

    def still():
        now = look()
        if now != state["seen"]:
            state.update(seen=now, since=time.monotonic())
        return time.monotonic() - state["since"] > STILL

    wait_until("the queue does not change any more", still, state=lambda: state["seen"])
    return state["seen"]


def exactly(more):
    """A sign: as many connections wait ESTABLISHED as the backlog says, and ``more``; others knock in vain."""

    def sign(o):
        if o["waiting"] != o["queued"]:
            raise ValueError(f"{o['waiting']} established, but {o['queued']} in the queue")
        return o["knocking"] > 0 and o["waiting"] == o["backlog"] + more

    return sign


def never_filled(o):
    """All of nginx's clients came, and the queue holds fewer than the backlog."""
    return o["nginx"] and o["waiting"] < o["backlog"]


def seen(o):
    """Counts."""
    return f"{o['waiting']} wait ESTABLISHED with backlog {o['backlog']} ({o['accepted']} accepted)"


CLAIMS = [
    Claim(
        "GS-25",
        "backlog: the number of connections that may sit ESTABLISHED beyond those being handled.",
        sign=exactly(0),
        shows=["documented", "backlog-1", "backlog-5", "backlog-64"],
        absent=["gevent"],
        but=["GS-53"],
        setting="backlog",
        measured=seen,
    ),
    Claim(
        "GS-26",
        "Behind nginx with fewer connections allowed than backlog, the queue never fills to backlog.",
        sign=never_filled,
        shows=["nginx-few"],
        absent=["nginx-many"],
        setting="backlog",
        measured=seen,
    ),
    Claim(
        "GS-53",
        "One connection more than backlog sits ESTABLISHED beyond those being handled.",
        sign=exactly(1),
        shows=["documented", "backlog-1", "backlog-5", "backlog-64"],
        absent=["gevent"],
        setting="backlog",
        measured=seen,
    ),
]

COLUMNS = [
    Column("waiting", lambda o: o["waiting"]),
    Column("accepted", lambda o: o["accepted"]),
    Column("not connected", lambda o: o["knocking"]),
    Column("refused by nginx", lambda o: o["refused"] if o["nginx"] else None),
]
