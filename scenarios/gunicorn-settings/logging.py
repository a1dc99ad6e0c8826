"""Where the access log and the error log go, what Django's LOGGING takes from them, what each level shows."""

import re

from reprolab import Claim, Column, logs, wait_until

from .common import Gunicorn, Lab

ACCESS = "--access-logfile -"
VARIANTS = {
    "documented": {},
    "stdout": {"ARGUMENTS": ACCESS},
    # LOGGING without the key, with True, with False (stdout); no LOGGING at all; the logger named in it.
    "without": {"ARGUMENTS": ACCESS, "LOGGING": "without"},
    "disabled": {"ARGUMENTS": ACCESS, "LOGGING": "disabled"},
    "no-logging": {"ARGUMENTS": ACCESS, "LOGGING": "none"},
    "named": {"ARGUMENTS": ACCESS, "LOGGING": "named"},
    "named-with-handler": {"ARGUMENTS": ACCESS, "LOGGING": "handled"},
    "error-file": {"ARGUMENTS": f"{ACCESS} --error-logfile /tmp/error.log"},
    "warning": {"ARGUMENTS": f"{ACCESS} --log-level warning"},
}
TRIALS = 1
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
    """One request, one worker ended and replaced, then the end; both streams are what is looked at."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    lab.ask("/mark")
    before = gunicorn.workers()
    gunicorn.kill("TERM", before[0])
    wait_until(
        "the worker is replaced",
        lambda: before[0] not in gunicorn.workers() and len(gunicorn.workers()) == len(before),
    )
    wait_until("it answers again", gunicorn.answers)
    # Both workers must have loaded the application, and with it LOGGING, before they are ended.
    wait_until("the application is imported", lambda: imported(lab) >= set(gunicorn.workers()))
    gunicorn.stop()
    out, err = lab.out(), lab.err()
    lab.keep()
    return {
        "access_on_stdout": '"GET /mark ' in out,
        "access_on_stderr": '"GET /mark ' in err,
        "on_stderr": {name: len(re.findall(text, err)) for name, text in LIFE.items()},
        "on_stdout": {name: len(re.findall(text, out)) for name, text in LIFE.items()},
        "workers": len(before),
    }


def imported(lab):
    """The processes that have imported the application."""
    return {pid for _, pid, _, what, _ in lab.notes() if what == "import"}


def access_is_stdout(o):
    """The request's line is on standard output, and there alone."""
    return o["access_on_stdout"] and not o["access_on_stderr"]


def no_access_log(o):
    """The request was made, and no line tells of it."""
    return not o["access_on_stdout"] and not o["access_on_stderr"]


def access_somewhere(o):
    """The request's line is on one of the two streams: on which one, a handler of the project's decides."""
    return o["access_on_stdout"] or o["access_on_stderr"]


def life_is_on_stderr(o):
    """The master's start and end, its workers' too, are on standard error, and none of it on standard output."""
    return all(o["on_stderr"].values()) and not any(o["on_stdout"].values())


def workers_come_and_go(o):
    """Each worker that was started is told, the one that took another's place too, and each that ended."""
    started = o["workers"] + 1
    return o["on_stderr"]["spawned"] == started and o["on_stderr"]["ended"] == started


def ends_are_hidden(o):
    """Workers are told to start, and none to end, though each of them did."""
    return o["on_stderr"]["spawned"] == o["workers"] + 1 and o["on_stderr"]["ended"] == 0


def access(o):
    """Where the line is."""
    return "on stdout" if o["access_on_stdout"] else "on stderr" if o["access_on_stderr"] else "no access log"


def life(o):
    """Counts."""
    return f"{o['on_stderr']['spawned']} starts, {o['on_stderr']['ended']} ends of workers on stderr"


CLAIMS = [
    Claim(
        "GS-10",
        "accesslog: `-` is stdout.",
        sign=access_is_stdout,
        shows=["stdout"],
        absent=["documented"],
        setting="accesslog",
        measured=access,
    ),
    Claim(
        "GS-11",
        "With Django, disable_existing_loggers: False must be set in LOGGING or there is no access log.",
        sign=no_access_log,
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
        shows=["documented", "stdout"],
        absent=["error-file"],
        setting="errorlog",
        measured=life,
    ),
    Claim(
        "GS-13",
        "loglevel: info shows workers starting and ending.",
        sign=workers_come_and_go,
        shows=["documented", "stdout"],
        absent=["warning"],
        setting="loglevel",
        measured=life,
    ),
    Claim(
        "GS-47",
        "disable_existing_loggers need not be set where the project has no LOGGING, or one that gives gunicorn.access "
        "a handler; naming that logger without a handler does not help.",
        sign=access_somewhere,
        shows=["no-logging", "named-with-handler"],
        absent=["without", "named"],
        setting="accesslog",
        measured=access,
    ),
    Claim(
        "GS-48",
        "Without disable_existing_loggers: False the workers' lines go from the error log too: their start is logged, "
        "their end is not.",
        sign=ends_are_hidden,
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
