"""Which user and group the master and its workers have."""

from reprolab import Claim, Column, wait_until

from .common import Gunicorn, Lab

ROOT = {"RUN_AS": "0:0"}
VARIANTS = {
    "documented": {},
    "root": ROOT,
    "root-user-group": {**ROOT, "ARGUMENTS": "--user 1234 --group 2345"},
}
TRIALS = 1
PARALLEL = True
WANTED = (1234, 2345)


def drive(stack):
    """Effective uid and gid of each process, as the kernel tells them."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    wait_until("the workers have imported the application", lambda: len(lab.notes()) >= gunicorn.wanted)
    every = {one["pid"]: [one["uid"], one["gid"]] for one in lab.call("processes")}
    found = {"master": every[gunicorn.master], "workers": [every[pid] for pid in gunicorn.workers()]}
    lab.keep()
    return found


def workers_have_another(o):
    """The workers have the user and group that were set, the master those it was started with."""
    if all(one == list(WANTED) for one in o["workers"]) and o["master"] == [0, 0]:
        return True
    if all(one == o["master"] for one in o["workers"]):
        return False
    raise ValueError(f"master {o['master']}, workers {o['workers']}")


def seen(o):
    """uid:gid."""
    (worker,) = {"{}:{}".format(*one) for one in o["workers"]}
    return "master {}:{}, workers {}".format(*o["master"], worker)


CLAIMS = [
    Claim(
        "GS-23",
        "user, group: apply to workers; default to the effective uid and gid.",
        sign=workers_have_another,
        shows=["root-user-group"],
        absent=["documented", "root"],
        setting="user, group",
        measured=seen,
    ),
]

COLUMNS = [Column("uid:gid", seen)]
