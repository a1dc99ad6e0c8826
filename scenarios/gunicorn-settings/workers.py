"""How many processes the master forks."""

from reprolab import Claim, Column, wait_until

from .common import Gunicorn, Lab, in_force, unchanged

VARIANTS = {
    "documented": {},
    "three": {"WORKERS": "3"},
    "five": {"WORKERS": "5"},
    # A signal makes one worker more than the setting, which shows that the count can differ from it.
    "ttin": {"SIGNAL": "TTIN"},
    "worker-killed": {"SIGNAL": "KILL"},
}
TRIALS = 2
PARALLEL = True


def drive(stack):
    """Count the master's children, in some variants after a signal that adds one, or after one was killed."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).serving()
    before = unchanged("the list of workers", gunicorn.workers)
    if stack.factors["SIGNAL"] == "TTIN":
        gunicorn.kill("TTIN")
        wait_until("one worker more", lambda: len(gunicorn.workers()) > len(before))
    if stack.factors["SIGNAL"] == "KILL":
        gunicorn.kill("KILL", before[0])
        wait_until(
            "another in its place",
            lambda: before[0] not in gunicorn.workers() and len(gunicorn.workers()) >= len(before),
        )
    observation = {
        "wanted": gunicorn.wanted,
        "workers": len(unchanged("the list of workers", gunicorn.workers)),
        "in_force": gunicorn.in_force(),
    }
    lab.keep()
    return observation


def as_many(o):
    """The master has as many children as the setting says."""
    return o["workers"] == o["wanted"]


def seen(o):
    """How many workers there are, and how many were set."""
    return f"{o['workers']} where {o['wanted']} is set"


CLAIMS = [
    Claim(
        "GS-27",
        "workers: the number of worker processes the master forks.",
        sign=as_many,
        trigger=in_force,
        shows=["documented", "three", "five", "worker-killed"],
        absent=["ttin"],
        setting="workers",
        measured=seen,
    ),
]

COLUMNS = [Column("set", lambda o: o["wanted"]), Column("workers", lambda o: o["workers"])]
