"""Which user and group the master and its workers have."""

from reprolab import Claim, Column, wait_until

from .common import Gunicorn, Lab

ROOT = {"RUN_AS": "0:0"}
VARIANTS = {
    "documented": {},
    "root": ROOT,
    "root-user-group": {**ROOT, "ARGUMENTS": "--user 1234 --group 2345"},
}
TRIALS = 3
PARALLEL = True
WANTED = (1234, 2345)


def drive(stack):
    """Read the effective uid and gid of each process from the kernel."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    wait_until("the workers have imported the application", lambda: len(lab.notes()) >= gunicorn.wanted)
    ids = {process["pid"]: [process["uid"], process["gid"]] for process in lab.call("processes")}
    observation = {"master": ids[gunicorn.master], "workers": [ids[pid] for pid in gunicorn.workers()]}
    lab.keep()
    return observation


def workers_have_another(o):
    """The workers have the user and group that were set, and the master has root's."""
    if all(worker == list(WANTED) for worker in o["workers"]) and o["master"] == [0, 0]:
        return True
    if all(worker == o["master"] for worker in o["workers"]):
        return False
    raise ValueError(f"master {o['master']}, workers {o['workers']}")


def master_is_root(o):
    """The master has the rights of root, so that it can give its workers another user."""
    return o["master"] == [0, 0]


def seen(o):
    """uid:gid."""
    (worker,) = {"{}:{}".format(*ids) for ids in o["workers"]}
    return "master {}:{}, workers {}".format(*o["master"], worker)


CLAIMS = [
    Claim(
        "GS-23",
        "user, group: apply to workers; default to the effective uid and gid.",
        sign=workers_have_another,
        trigger=master_is_root,
        shows=["root-user-group"],
        absent=["documented", "root"],
        untriggered=["documented"],
        setting="user, group",
        measured=seen,
    ),
]

COLUMNS = [Column("uid:gid", seen)]
