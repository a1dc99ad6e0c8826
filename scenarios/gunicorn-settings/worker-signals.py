"""What happens to a running request when its worker, not the master, gets a signal, by worker class."""

import re

from reprolab import Claim, Column, wait_until

from .common import Gunicorn, Lab, all_answered

TWO = {"ARGUMENTS": "--graceful-timeout 2", "LASTS": "6"}
LONG = {"ARGUMENTS": "--graceful-timeout 20"}
GEVENT = {"WORKER_CLASS": "gevent"}
GTHREAD = {"WORKER_CLASS": "gthread", "ARGUMENTS": "--graceful-timeout 2 --threads 4"}
VARIANTS = {
    "documented": {},
    "term": TWO,
    "term-long": {**TWO, **LONG},
    "int": {**TWO, "SIGNAL": "INT"},
    "quit": {**TWO, "SIGNAL": "QUIT"},
    "usr1": {**TWO, "SIGNAL": "USR1"},
    "gevent-term": {**TWO, **GEVENT},
    "gevent-term-long": {**TWO, **GEVENT, **LONG},
    "gevent-int": {**TWO, **GEVENT, "SIGNAL": "INT"},
    "gthread-term": {**TWO, **GTHREAD},
    "eventlet-term": {**TWO, "WORKER_CLASS": "eventlet"},
}
TRIALS = 2
PARALLEL = True


def drive(stack):
    """Send one request, and a signal to the worker that has it; see how the request and the worker end."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    path = f"/{stack.factors['WORK']}/{stack.factors['LASTS']}"
    number = lab.begin(path)
    (worker,) = wait_until("the request is begun", lambda: lab.begun(path))
    sent = gunicorn.kill(stack.factors["SIGNAL"], worker)
    (answer,) = all_answered(lab, [number])
    stays = stack.factors["SIGNAL"] == "USR1"
    if not stays:
        wait_until("the worker has ended", lambda: worker not in gunicorn.workers(), 30)
        wait_until("another in its place", gunicorn.workers)
    observation = {
        "status": answer["status"],
        "after_s": round(answer["ended"] - sent, 2),
        "lasts_s": float(stack.factors["LASTS"]),
        "graceful_s": int(re.search(r"--graceful-timeout (\d+)|$", stack.factors["ARGUMENTS"])[1] or 30),
        "same_worker": worker in gunicorn.workers(),
        "master": gunicorn.code is None,
    }
    lab.keep()
    return observation


def in_hand(o):
    """The request ended after the signal, and the master, which got no signal, still runs."""
    return o["after_s"] > 0 and o["master"]


def cut_at_graceful(o):
    """The worker ended, and the request was cut off at graceful_timeout: from it on, and up to 3.5 s later.

    A worker of gevent or eventlet notices the signal within a second, and gives its server one second more.
    """
    over = o["after_s"] - o["graceful_s"]
    return o["status"] is None and not o["same_worker"] and -0.2 <= over <= 3.5


def finished(o):
    """The worker ended, but only after it had answered the request in full, long after graceful_timeout was over."""
    return o["status"] == 200 and not o["same_worker"] and o["after_s"] > o["graceful_s"] + 2


def seen(o):
    """How the request ended, and when."""
    return f"{'answered' if o['status'] == 200 else 'cut off'} {o['after_s']:.1f} s after the signal"


CLAIMS = [
    Claim(
        "GS-68",
        "graceful_timeout: if a worker gets a signal (TERM), it has this time to handle its request.",
        sign=cut_at_graceful,
        trigger=in_hand,
        needs_idle=True,
        shows=["term", "gevent-term", "gthread-term", "eventlet-term"],
        absent=["documented", "gevent-term-long", "term-long", "usr1"],
        but=["GS-75"],
        setting="graceful_timeout",
        measured=seen,
    ),
    Claim(
        "GS-75",
        "A sync or gthread worker that gets TERM answers its request in full, though graceful_timeout is over.",
        sign=finished,
        trigger=in_hand,
        needs_idle=True,
        shows=["term", "gthread-term"],
        absent=["gevent-term", "eventlet-term", "int", "quit"],
        setting="graceful_timeout",
        measured=seen,
    ),
]

COLUMNS = [
    Column("request", lambda o: "answered" if o["status"] == 200 else "cut off"),
    Column("after the signal", lambda o: o["after_s"], "{:.1f} s"),
    Column("worker", lambda o: "goes on" if o["same_worker"] else "replaced"),
]
