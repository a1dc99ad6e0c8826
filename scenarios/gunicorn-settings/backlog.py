"""How many connections wait besides the one being handled, by the kernel's count, with and without nginx in front."""

from reprolab import Claim, Column, wait_until

from .common import ADDRESS, Gunicorn, Lab, option, unchanged

BUSY = "/sleep/60"
NGINX = "127.0.0.1:8091"
DEFAULT = 2048
CLIENTS = 60  # requests that nginx gets
VARIANTS = {
    "documented": {},
    "backlog-5": {"ARGUMENTS": "--backlog 5"},
    "backlog-1": {"ARGUMENTS": "--backlog 1"},
    "backlog-64": {"ARGUMENTS": "--backlog 64"},
    "gevent": {"ARGUMENTS": "--backlog 5", "WORKER_CLASS": "gevent"},
    "nginx-few": {"ARGUMENTS": "--backlog 40", "PROXY": "nginx", "NGINX_CONNECTIONS": "32"},
    "nginx-many": {"ARGUMENTS": "--backlog 40", "PROXY": "nginx"},
}
TRIALS = 3
PARALLEL = True


def drive(stack):
    """Keep the only worker busy, open more connections than the backlog, and count."""
    lab = Lab(stack)
    nginx = stack.factors["PROXY"] == "nginx"
    Gunicorn(lab, "--timeout", "0", "--keep-alive", "60").ready()
    busy = lab.begin(BUSY)
    wait_until("the worker is busy", lambda: lab.begun(BUSY))
    backlog = int(option(stack.factors, "--backlog") or DEFAULT)
    if nginx:
        numbers = [lab.begin(f"/?{n}", NGINX) for n in range(CLIENTS)]
    else:
        numbers = []
        lab.call("hold", address=ADDRESS, count=backlog + 10)
    observation = unchanged("the queue", lambda: counted(lab))
    observation |= {
        "backlog": backlog,
        "nginx": nginx,
        "busy": lab.answer(busy) is None,
        "refused": sum(answer is not None for answer in lab.call("answers", numbers=numbers)),
    }
    lab.keep()
    return observation


def counted(lab):
    """Connections on gunicorn's port: in its listen queue, established but not accepted, accepted, not connected."""
    sockets = lab.call("connections")
    of_server = [s for s in sockets if s["port"] == 8000]
    return {
        "queued": sum(s["queued"] for s in of_server if s["state"] == "LISTEN"),
        "waiting": sum(s["state"] == "ESTABLISHED" and s["inode"] == 0 for s in of_server),
        "accepted": sum(s["state"] == "ESTABLISHED" and s["inode"] != 0 for s in of_server),
        "knocking": sum(s["peer"] == 8000 and s["state"] == "SYN_SENT" for s in sockets),
    }


def exactly(more):
    """A sign: as many connections as the backlog, and ``more``, wait ESTABLISHED; others cannot connect."""

    def sign(o):
        if o["waiting"] != o["queued"]:
            raise ValueError(f"{o['waiting']} established, but {o['queued']} in the queue")
        return o["knocking"] > 0 and o["waiting"] == o["backlog"] + more

    return sign


def never_filled(o):
    """Behind nginx, fewer connections wait than the backlog."""
    return o["nginx"] and o["waiting"] < o["backlog"]


def more_came(o):
    """While the worker was busy, more connections were begun than the backlog and one more."""
    # Observations of older runs do not have "busy".
    begun = o["waiting"] + o["accepted"] + o["knocking"] + o["refused"]
    return o.get("busy", True) and begun > o["backlog"] + 1


def seen(o):
    """How many connections wait, and how many were accepted."""
    return f"{o['waiting']} wait ESTABLISHED with backlog {o['backlog']} ({o['accepted']} accepted)"


CLAIMS = [
    Claim(
        "GS-25",
        "backlog: the number of connections that may sit ESTABLISHED beyond those being handled.",
        sign=exactly(0),
        trigger=more_came,
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
        trigger=more_came,
        shows=["nginx-few"],
        absent=["nginx-many"],
        setting="backlog",
        measured=seen,
    ),
    Claim(
        "GS-53",
        "One connection more than backlog sits ESTABLISHED beyond those being handled.",
        sign=exactly(1),
        trigger=more_came,
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
