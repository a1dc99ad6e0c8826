"""How many requests one worker handles at once, and whether a health check is answered while all workers compute."""

from reprolab import Claim, Column, InvalidTrial, wait_until

from .common import Gunicorn, Lab, all_answered, most_at_once, overlap, sent_together

CLIENTS = 6
ALL_AT_WORK = 2.0  # seconds that all must still be at work after the health check is sent
THREADS = "--threads 8"
COMPUTE = {"WORK": "compute", "WORKERS": "4", "LASTS": "10"}
VARIANTS = {
    "documented": {},
    "gevent": {"WORKER_CLASS": "gevent"},
    "gthread": {"WORKER_CLASS": "gthread", "ARGUMENTS": THREADS},
    "gevent-compute": {**COMPUTE, "WORKER_CLASS": "gevent"},
    "gevent-one-worker-free": {**COMPUTE, "WORKER_CLASS": "gevent", "SIGNAL": "TTIN"},
    "gevent-waiting": {**COMPUTE, "WORKER_CLASS": "gevent", "WORK": "sleep"},
    "sync-compute": COMPUTE,
    # One worker: with more, one of them might have no request and answer for that reason.
    "gthread-compute": {**COMPUTE, "WORKERS": "1", "WORKER_CLASS": "gthread", "ARGUMENTS": THREADS},
}
TRIALS = 3
PARALLEL = True


def drive(stack):
    """Send more requests than there are workers; or keep each worker busy and then send a health check."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    observation = together(lab, stack.factors) if stack.factors["LASTS"] == "0.5" else health(lab, gunicorn)
    lab.keep()
    return observation


def together(lab, factors):
    """How many requests a worker handled at once, at the most."""
    numbers = [lab.begin(f"/sleep/{factors['LASTS']}") for _ in range(CLIENTS)]
    answers = all_answered(lab, numbers)
    statuses = [answer["status"] for answer in answers]
    if statuses != [200] * CLIENTS:
        raise InvalidTrial(f"the requests were answered with {statuses}")
    most = max(most_at_once(lab.notes(), "/sleep/").values())
    return {"most": most, "overlap": overlap(answers), "health_s": None}


def health(lab, gunicorn):
    """Send one request for each worker, each when the one before has begun; then the health check."""
    factors = lab.factors
    busy = gunicorn.wanted
    if factors["SIGNAL"] == "TTIN":
        gunicorn.kill("TTIN")
        wait_until("a worker more", lambda: len(gunicorn.workers()) == busy + 1)
    path = f"/{factors['WORK']}/{factors['LASTS']}"
    numbers = []
    for n in range(busy):
        numbers.append(lab.begin(path))
        wait_until("the request is begun", lambda n=n: len(lab.begun(path)) == n + 1)
    pids = lab.begun(path)
    if factors["SIGNAL"] == "TTIN":
        # The free worker answers only after it has loaded the application. This time is not to be measured.
        lab.ask("/")
    check = lab.ask("/", limit=60)
    ends = [answer["ended"] for answer in all_answered(lab, numbers)]
    if factors["WORK"] == "compute" and len(set(pids)) != busy:
        raise InvalidTrial(f"{len(set(pids))} of {busy} workers computed, so one was free that should not be")
    if check["status"] != 200 or min(ends) - check["began"] < ALL_AT_WORK:
        raise InvalidTrial(f"no health check while all computed: {check}")
    return {
        "most": max(most_at_once(lab.notes(), f"/{factors['WORK']}/").values()),
        "workers_at_work": len(set(pids)),
        "health_s": round(check["ended"] - check["began"], 3),
        "others_took_s": round(min(ends) - check["began"], 3),
    }


def all_at_work(o):
    """The other requests went on for at least two seconds after the health check was sent."""
    return o.get("others_took_s", 0) >= ALL_AT_WORK


def one_at_a_time(o):
    """No worker ever had two requests in a view at once."""
    return o["most"] == 1


def many_at_once(o):
    """One worker had all requests in a view at once."""
    return o["most"] == CLIENTS


def healthy(o):
    """The health check was answered within two seconds, long before the first of the other requests had ended."""
    return o["health_s"] < 2.0 and o["health_s"] < o["others_took_s"] / 2


def at_once(o):
    """The most requests at once in one worker."""
    return f"{o['most']} at once in one worker"


def waited(o):
    """How long the health check took, and how long after it was sent the first of the other requests ended."""
    return (
        f"health check after {o['health_s']:.2f} s; the first other request ended {o['others_took_s']:.1f} s after it"
    )


CLAIMS = [
    Claim(
        "GS-28",
        "worker_class: sync: one connection's request at a time per worker.",
        sign=one_at_a_time,
        trigger=sent_together,
        shows=["documented"],
        absent=["gevent", "gthread"],
        setting="worker_class",
        measured=at_once,
    ),
    Claim(
        "GS-29",
        "gevent: one worker handles many connections at once.",
        sign=many_at_once,
        trigger=sent_together,
        needs_idle=True,
        shows=["gevent"],
        absent=["documented"],
        setting="worker_class",
        measured=at_once,
    ),
    Claim(
        "GS-30",
        "gevent: with as many CPU-bound requests running as there are workers, a health check still answers without "
        "trouble.",
        sign=healthy,
        trigger=all_at_work,
        needs_idle=True,
        shows=["gevent-compute"],
        absent=["sync-compute"],
        setting="worker_class",
        measured=waited,
    ),
    Claim(
        "GS-54",
        "A health check is answered as the document says only if requests wait, if one worker does not compute, or "
        "under gthread.",
        sign=healthy,
        trigger=all_at_work,
        needs_idle=True,
        shows=["gevent-waiting", "gevent-one-worker-free", "gthread-compute"],
        absent=["gevent-compute", "sync-compute"],
        setting="worker_class",
        measured=waited,
    ),
]

COLUMNS = [
    Column("at once in one worker", lambda o: o["most"]),
    Column("health check", lambda o: o["health_s"], "{:.2f} s"),
]
