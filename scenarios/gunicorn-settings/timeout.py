"""What happens to a request that lasts longer than --timeout, by worker class and by what the request does."""

from reprolab import Claim, Column, Event, logs, wait_until

from .common import Gunicorn, Lab, all_answered, kept_notes

TIMEOUT = 3  # seconds
THREE = {"ARGUMENTS": f"--timeout {TIMEOUT}", "LASTS": "8"}
VARIANTS = {
    "documented": {},
    "sync": THREE,
    "short": {**THREE, "LASTS": "1.5"},
    "off": {**THREE, "ARGUMENTS": "--timeout 0"},
    "gevent": {**THREE, "WORKER_CLASS": "gevent"},
    "gevent-compute": {**THREE, "WORKER_CLASS": "gevent", "WORK": "compute"},
    "eventlet": {**THREE, "WORKER_CLASS": "eventlet"},
    "gthread": {**THREE, "WORKER_CLASS": "gthread", "ARGUMENTS": f"--timeout {TIMEOUT} --threads 4"},
    "gthread-compute": {
        **THREE,
        "WORKER_CLASS": "gthread",
        "ARGUMENTS": f"--timeout {TIMEOUT} --threads 4",
        "WORK": "compute",
    },
}
TRIALS = 2
PARALLEL = True


def drive(stack):
    """Send one long request; see how it ends, and whether the worker was replaced."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    (before,) = gunicorn.workers()
    path = f"/{stack.factors['WORK']}/{stack.factors['LASTS']}"
    number = lab.begin(path)
    wait_until("the request is begun", lambda: lab.begun(path))
    (answer,) = all_answered(lab, [number])
    wait_until("it answers again", gunicorn.answers)
    wait_until("one worker", lambda: len(gunicorn.workers()) == 1)
    observation = {
        "status": answer["status"],
        "after_s": round(answer["ended"] - answer["began"], 2),
        "replaced": gunicorn.workers() != [before],
        "told": bool(logs.GUNICORN.search("timeout", gunicorn.output)),
        "lasts_s": float(stack.factors["LASTS"]),
    }
    lab.keep()
    return observation


def zero(evidence, o):
    """0: the client's moments count from its request, the server's from the beginning of the view."""
    return 0


def events(evidence, o):
    """The request as the client saw it, the view as the worker saw it, and the workers that started."""
    fate = f"answered {o['status']}" if o["status"] else "cut off"
    yield Event(0, "note", f"request: {fate}", "request", 1000 * o["after_s"])
    if not o["status"]:
        yield Event(1000 * o["after_s"], "killed", "the request is cut off", "client")
    notes = kept_notes(evidence)
    begun = next(at for at, _, what, about in notes if what == "begin" and about.count("/") == 2)
    for at, pid, what, about in notes:
        if what == "import":
            yield Event(1000 * (at - begun), "started", f"worker {pid}", "views.log")
        elif what == "end" and about.count("/") == 2 and at > begun:
            yield Event(0, "note", f"view in worker {pid}, to its end", "view", 1000 * (at - begun))


def longer(o):
    """A worker began a request that lasts longer than the timeout of three seconds."""
    return o["lasts_s"] > TIMEOUT


def killed(o):
    """The request was cut off between the timeout and 2.5 s later, gunicorn logged why, and another worker came."""
    return o["status"] is None and o["told"] and o["replaced"] and 3 <= o["after_s"] <= 5.5


def left_alone(o):
    """The request lasted longer than the timeout and was answered, and its worker is still there."""
    return o["status"] == 200 and not o["replaced"] and not o["told"] and o["after_s"] > 6


def seen(o):
    """How the request ended, and when."""
    return f"{'answered' if o['status'] == 200 else 'cut off'} after {o['after_s']:.1f} s"


CLAIMS = [
    Claim(
        "GS-34",
        "timeout: a sync worker that does not answer in time is killed and replaced; 0 turns it off.",
        sign=killed,
        trigger=longer,
        needs_idle=True,
        shows=["sync"],
        absent=["documented", "short", "off"],
        untriggered=["documented", "short"],
        setting="timeout",
        measured=seen,
    ),
    Claim(
        "GS-35",
        "timeout: with gevent it does not work.",
        sign=left_alone,
        trigger=longer,
        needs_idle=True,
        shows=["gevent"],
        absent=["sync", "short", "gevent-compute"],
        untriggered=["short"],
        but=["GS-56"],
        setting="timeout",
        measured=seen,
    ),
    Claim(
        "GS-56",
        "A gevent worker whose request computes and never waits is killed by the timeout, as a sync worker is.",
        sign=killed,
        trigger=longer,
        needs_idle=True,
        shows=["gevent-compute"],
        absent=["gevent", "gthread", "gthread-compute"],
        setting="timeout",
        measured=seen,
    ),
    Claim(
        "GS-67",
        "timeout: for any worker but sync it means little: a request that lasts longer is left alone.",
        sign=left_alone,
        trigger=longer,
        needs_idle=True,
        shows=["gevent", "eventlet", "gthread", "gthread-compute", "gevent-compute"],
        absent=["sync", "documented"],
        untriggered=["documented"],
        but=["GS-56", "GS-59"],
        setting="timeout",
        measured=seen,
    ),
    Claim(
        "GS-40",
        "gthread: the timeout ends no request, whether it waits or computes: the main thread answers for the worker.",
        sign=left_alone,
        trigger=longer,
        needs_idle=True,
        shows=["gthread", "gthread-compute"],
        absent=["sync", "gevent-compute"],
        setting="timeout",
        measured=seen,
    ),
]

COLUMNS = [
    Column("answer", lambda o: o["status"], "{}"),
    Column("after", lambda o: o["after_s"], "{:.1f} s"),
    Column("worker replaced", lambda o: "yes" if o["replaced"] else "no"),
]
