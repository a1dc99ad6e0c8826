"""Where the access log and the error log go, what Django's LOGGING removes from them, what each level shows."""

import re

from reprolab import Claim, Column, logs, wait_until

from .common import Gunicorn, Lab

ACCESS = "--access-logfile -"
VARIANTS = {
    "documented": {},
    "stdout": {"ARGUMENTS": ACCESS},
    # LOGGING without the key, and with True (with False: stdout); no LOGGING; LOGGING that names the logger.
    "without": {"ARGUMENTS": ACCESS, "LOGGING": "without"},
    "disabled": {"ARGUMENTS": ACCESS, "LOGGING": "disabled"},
    "no-logging": {"ARGUMENTS": ACCESS, "LOGGING": "none"},
    "named": {"ARGUMENTS": ACCESS, "LOGGING": "named"},
    "named-with-handler": {"ARGUMENTS": ACCESS, "LOGGING": "handled"},
    "error-file": {"ARGUMENTS": f"{ACCESS} --error-logfile /tmp/error.log"},
    "warning": {"ARGUMENTS": f"{ACCESS} --log-level warning"},
}
TRIALS = 3
PARALLEL = True
LIFE = {
    "start": logs.GUNICORN.pattern("master_starting"),
    "listening": logs.GUNICORN.pattern("listening"),
    "spawned": logs.GUNICORN.pattern("started"),
    "ended": logs.GUNICORN.pattern("exiting"),
    "signal": logs.GUNICORN.pattern("signal"),
    "end": logs.GUNICORN.pattern("master_ended"),
}


def drive(stack):
    """Send one request, end one worker, wait for its replacement, stop gunicorn; observe both streams."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    status = lab.ask("/mark")["status"]
    before = gunicorn.workers()
    gunicorn.kill("TERM", before[0])
    wait_until(
        "the worker is replaced",
        lambda: before[0] not in gunicorn.workers() and len(gunicorn.workers()) == len(before),
    )
    wait_until("it answers again", gunicorn.answers)
    # A worker must have loaded the application, and with it LOGGING, before it is ended.
    wait_until("the application is imported", lambda: imported(lab) >= set(gunicorn.workers()))
    after = gunicorn.workers()
    gunicorn.stop()
    out, err = lab.out(), lab.err()
    lab.keep()
    return {
        "status": status,
        "access_on_stdout": '"GET /mark ' in out,
        "access_on_stderr": '"GET /mark ' in err,
        "on_stderr": {name: len(re.findall(text, err)) for name, text in LIFE.items()},
        "on_stdout": {name: len(re.findall(text, out)) for name, text in LIFE.items()},
        "workers": len(before),
        "replaced": before[0] not in after,
    }


def imported(lab):
    """The processes that have imported the application."""
    return {pid for _, pid, _, what, _ in lab.notes() if what == "import"}


def requested(o):
    """The request that is looked for in the access log was answered with 200."""
    # Observations of older runs do not have it.
    return o.get("status", 200) == 200


def replaced(o):
    """A worker was ended and another came in its place."""
    # Observations of older runs do not have it.
    return o.get("replaced", True)


def access_is_stdout(o):
    """The line of the request is on standard output only."""
    return o["access_on_stdout"] and not o["access_on_stderr"]


def no_access_log(o):
    """The request was made, but neither stream has its line."""
    return not o["access_on_stdout"] and not o["access_on_stderr"]


def access_somewhere(o):
    """The line of the request is on one of the two streams; a handler of the project decides on which."""
    return o["access_on_stdout"] or o["access_on_stderr"]


def life_is_on_stderr(o):
    """The starts and ends of the master and its workers are on standard error, and none on standard output."""
    return all(o["on_stderr"].values()) and not any(o["on_stdout"].values())


def workers_come_and_go(o):
    """The start and the end of each worker are logged, also those of the replacement."""
    started = o["workers"] + 1
    return o["on_stderr"]["spawned"] == started and o["on_stderr"]["ended"] == started


def ends_are_hidden(o):
    """The start of each worker is logged, and the end of none, though all of them ended."""
    return o["on_stderr"]["spawned"] == o["workers"] + 1 and o["on_stderr"]["ended"] == 0


def access(o):
    """Where the line of the request is."""
    return "on stdout" if o["access_on_stdout"] else "on stderr" if o["access_on_stderr"] else "no access log"


def life(o):
    """How many starts and ends of workers are logged."""
    return f"{o['on_stderr']['spawned']} starts, {o['on_stderr']['ended']} ends of workers on stderr"


CLAIMS = [
    Claim(
        "GS-10",
        "accesslog: `-` is stdout.",
        sign=access_is_stdout,
        trigger=requested,
        shows=["stdout"],
        absent=["documented"],
        setting="accesslog",
        measured=access,
    ),
    Claim(
        "GS-11",
        "With Django, disable_existing_loggers: False must be set in LOGGING or there is no access log.",
        sign=no_access_log,
        trigger=requested,
        shows=["without", "disabled"],
        absent=["stdout"],
        but=["GS-47"],
        setting="accesslog",
        measured=access,
    ),
    Claim(
        "GS-12",
        "errorlog: default `-`, stderr; carries the master's life (start, workers spawned and ended), not only "
        "exceptions.",
        sign=life_is_on_stderr,
        trigger=replaced,
        shows=["documented", "stdout"],
        absent=["error-file"],
        setting="errorlog",
        measured=life,
    ),
    Claim(
        "GS-13",
        "loglevel: info shows workers starting and ending.",
        sign=workers_come_and_go,
        trigger=replaced,
        shows=["documented", "stdout"],
        absent=["warning"],
        setting="loglevel",
        measured=life,
    ),
    Claim(
        "GS-47",
        "disable_existing_loggers need not be set if the project has no LOGGING, or if its LOGGING gives "
        "gunicorn.access a handler. To name that logger without a handler does not help.",
        sign=access_somewhere,
        trigger=requested,
        shows=["no-logging", "named-with-handler"],
        absent=["without", "named"],
        setting="accesslog",
        measured=access,
    ),
    Claim(
        "GS-48",
        "Without disable_existing_loggers: False the error log also loses lines of the workers: their start is logged, "
        "their end is not.",
        sign=ends_are_hidden,
        trigger=replaced,
        shows=["without", "disabled"],
        absent=["stdout"],
        setting="errorlog",
        measured=life,
    ),
]

COLUMNS = [
    Column("access log", lambda o: "stdout" if o["access_on_stdout"] else "stderr" if o["access_on_stderr"] else "—"),
    Column("starts told", lambda o: o["on_stderr"]["spawned"]),
    Column("ends told", lambda o: o["on_stderr"]["ended"]),
]
