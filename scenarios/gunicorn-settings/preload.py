"""Who imports the application, and how often."""

from reprolab import Claim, Column, wait_until

from .common import Gunicorn, Lab, in_force

VARIANTS = {
    "documented": {},
    "three-workers": {"WORKERS": "3"},
    "preload": {"WORKERS": "3", "ARGUMENTS": "--preload"},
}
TRIALS = 3
PARALLEL = True


def drive(stack):
    """Start gunicorn, and read from the application's notes which processes imported it."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    if "--preload" not in stack.factors["ARGUMENTS"]:
        wait_until("an import by each worker, or by the master", lambda: len(importers(lab)) >= gunicorn.wanted)
    observation = {
        "master": gunicorn.master,
        "workers": sorted(gunicorn.workers()),
        "importers": sorted(importers(lab)),
        "in_force": gunicorn.in_force(),
    }
    lab.keep()
    return observation


def importers(lab):
    """The pid of the importing process, for each import."""
    return [pid for _, pid, _, what, _ in lab.notes() if what == "import"]


def once_before_fork(o):
    """The master imported the application once. (False: each worker did, once. Anything else decides nothing.)"""
    if o["importers"] == [o["master"]]:
        return True
    if o["importers"] == o["workers"]:
        return False
    raise ValueError(f"imported by {o['importers']}, the workers are {o['workers']}")


def seen(o):
    """Which processes imported it, and how often."""
    times = "once" if len(o["importers"]) == 1 else f"{len(o['importers'])} times"
    return f"{times}, by the {'master' if o['importers'] == [o['master']] else 'workers'}"


CLAIMS = [
    Claim(
        "GS-20",
        "preload_app: off, each worker imports the application after fork; on, it is imported once, before fork.",
        sign=once_before_fork,
        trigger=in_force,
        shows=["preload"],
        absent=["documented", "three-workers"],
        setting="preload_app",
        measured=seen,
    ),
]

COLUMNS = [Column("imported", seen)]
