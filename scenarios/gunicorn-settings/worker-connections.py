"""How many connections one worker takes, by worker class."""

from reprolab import Claim, Column, InvalidTrial

from .common import Gunicorn, Lab, all_answered, most_at_once, overlap, sent_together

CLIENTS = 8
LIMIT = 3
SET = f"--worker-connections {LIMIT}"
THREADS = "--threads 8"
VARIANTS = {
    "documented": {},
    "sync-3": {"ARGUMENTS": SET},
    "gevent": {"WORKER_CLASS": "gevent"},
    "gevent-3": {"WORKER_CLASS": "gevent", "ARGUMENTS": SET},
    "eventlet": {"WORKER_CLASS": "eventlet"},
    "eventlet-3": {"WORKER_CLASS": "eventlet", "ARGUMENTS": SET},
    "gthread": {"WORKER_CLASS": "gthread", "ARGUMENTS": THREADS},
    "gthread-3": {"WORKER_CLASS": "gthread", "ARGUMENTS": f"{THREADS} {SET}"},
}
TRIALS = 2
PARALLEL = True


def drive(stack):
    """Send eight requests at once to one worker."""
    lab = Lab(stack)
    Gunicorn(lab).ready()
    numbers = [lab.begin(f"/sleep/{stack.factors['LASTS']}") for _ in range(CLIENTS)]
    answers = all_answered(lab, numbers)
    statuses = [answer["status"] for answer in answers]
    if statuses != [200] * CLIENTS:
        raise InvalidTrial(f"the requests were answered with {statuses}")
    observation = {"most": max(most_at_once(lab.notes(), "/sleep/").values()), "overlap": overlap(answers)}
    lab.keep()
    return observation


def limited(o):
    """Exactly 3 of the 8 requests were handled at the same time."""
    return o["most"] == LIMIT


def seen(o):
    """How many requests were handled at once."""
    return f"{o['most']} of {CLIENTS} at once"


CLAIMS = [
    Claim(
        "GS-31",
        "worker_connections: matters only for eventlet and gevent; the most connections per worker.",
        sign=limited,
        trigger=sent_together,
        needs_idle=True,
        shows=["gevent-3", "eventlet-3"],
        absent=["documented", "sync-3", "gevent", "eventlet", "gthread-3"],
        setting="worker_connections",
        measured=seen,
    ),
    Claim(
        "GS-55",
        "worker_connections is the most connections of a gthread worker too, however many threads it has.",
        sign=limited,
        trigger=sent_together,
        needs_idle=True,
        shows=["gthread-3"],
        absent=["gthread", "sync-3", "documented"],
        setting="worker_connections",
        measured=seen,
    ),
]

COLUMNS = [Column("at once", lambda o: o["most"])]
