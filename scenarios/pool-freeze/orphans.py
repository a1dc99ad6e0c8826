"""What happens to a frozen request, its worker and its pool's children when gunicorn's timeout kills the worker."""

import time
from concurrent.futures import ThreadPoolExecutor

from reprolab import Claim, Column, InvalidTrial, logs, wait_until

from .asking import STARTED, answer_or_stuck, check_upstream, patience, pool_children, wait_for, worker_of

LONG = {"TASK": "sleep", "TASK_MS": "600000", "OUTCOME": "none"}
VARIANTS = {
    "documented": {},
    "timeout-3": {"TIMEOUT": "3"},
    "gthread": {"TIMEOUT": "3", "WORKER_CLASS": "gthread"},
    # No freeze: the tasks simply last longer than the timeout.
    "long-task": {"TIMEOUT": "3", **LONG},
    "long-task-handler-default": {"TIMEOUT": "3", "HANDLER": "default", **LONG},
}
TRIALS = 3
PARALLEL = True

NUMBER = 1
MARGIN = 10.0  # seconds after gunicorn's timeout; the arbiter looks at its workers once a second
AFTERWARDS = 3.0  # seconds in which orphans and client may still end by themselves
RELEASE = 10.0
CLOSED = ("closed without answer", "reset")


def drive(stack):
    """Send one request, wait for gunicorn's timeout, and see which processes are left. At the end kill all of them."""
    check_upstream(stack)
    with ThreadPoolExecutor(1) as clients:
        limit = 3 * float(stack.factors["TIMEOUT"]) + 2 * MARGIN + RELEASE
        asked = clients.submit(stack.probe, f"/run/{NUMBER}", timeout=limit)
        try:
            return watch(stack, asked)
        finally:
            stack.may_end("app", "at the end the lab kills every process of the server")
            stack.execute("app", ["sh", "-c", "kill -KILL -1"])


def watch(stack, asked):
    """Observe how the worker, its children and the request end, in whatever order."""
    frozen, worker, before = begin(stack, asked)
    children = {process.pid for process in pool_children(before, worker)}
    killed_after = wait_for_kill(stack, worker)
    wait_for(asked, AFTERWARDS)
    after = stack.processes()
    orphans = [after.processes[pid] for pid in sorted(children & after.processes.keys())]
    orphans = [process for process in orphans if process.state != "Z" and process.parent != worker]
    seen = stack.forensics(title=f"after gunicorn's timeout: worker {worker}, its pool's children {sorted(children)}")
    client = answer_of(asked)
    return {
        "frozen": frozen,
        "killed_after_s": killed_after,
        "worker_gone": worker not in after.processes,
        "children": len(children),
        "orphans": len(orphans),
        "parents": sorted({process.parent for process in orphans}),
        "client": client,
        **held(before, after, worker, orphans),
        "client_after_orphans": end_orphans(stack, asked, orphans) if orphans else client,
        "workers_now": len(after.children(before.processes[worker].parent)),
        "seen": seen.lines(),
    }


def begin(stack, asked):
    """Send the request; returns whether it froze, its worker's pid, and a snapshot with the pool's children."""
    if stack.factors["TASK_MS"] == LONG["TASK_MS"]:
        return False, *working(stack, asked)
    stuck = answer_or_stuck(stack, asked, NUMBER, patience(stack))
    if stuck is None:
        raise InvalidTrial(f"the request was answered: {asked.result()}")
    return True, stuck.worker, stuck.snapshot


def working(stack, asked):
    """The worker's pid and a snapshot, once the pool's two children are at work."""

    def look():
        if asked.done():
            raise InvalidTrial(f"the request ended before its pool had two children: {asked.result()}")
        worker, snapshot = worker_of(stack, NUMBER), stack.processes()
        return worker in snapshot.processes and len(pool_children(snapshot, worker)) == 2 and (worker, snapshot)

    return wait_until("the request has a pool with two children", look, STARTED)


def wait_for_kill(stack, worker):
    """Seconds until gunicorn had killed the worker for its timeout; None if it has not within the limit."""
    begun = time.monotonic()
    timeout = float(stack.factors["TIMEOUT"])
    limit = max(3 * timeout, timeout + MARGIN) if stack.factors["WORKER_CLASS"] != "sync" else timeout + 2 * MARGIN
    while time.monotonic() - begun < limit:
        matches = (logs.GUNICORN.search("timeout", line) for line in stack.printed("app"))
        reported = any(match and int(match[1]) == worker for match in matches)
        if reported and worker not in stack.processes().processes:
            return round(time.monotonic() - begun, 1)
        time.sleep(0.3)
    return None


def held(before, after, worker, orphans):
    """Which of the server's and the worker's sockets the orphans keep open."""
    listening = sockets(before.processes[before.processes[worker].parent])
    connection = sockets(before.processes[worker]) - listening
    of_orphans = set().union(*(sockets(process) for process in orphans))
    others = set().union(*(sockets(p) for pid, p in after.processes.items() if p not in orphans))
    return {
        "orphans_hold_listener": bool(of_orphans & listening),
        "orphans_alone_hold_connection": bool(of_orphans & connection - others),
    }


def sockets(process):
    """The sockets that a process has open, by the kernel's names for them."""
    return {file.target for file in process.files if file.target.startswith("socket:")}


def end_orphans(stack, asked, orphans):
    """End the orphans, and return what the client gets then."""
    stack.kill("app", [process.pid for process in orphans])
    wait_for(asked, RELEASE)
    return answer_of(asked)


def answer_of(asked):
    """What the client has: a status, "closed" for a connection closed without one, or "still waiting"."""
    if not asked.done():
        return "still waiting"
    return "closed" if asked.result() in CLOSED else asked.result()


# -- triggers: was what the claims are about exercised? ----------------------------------------------


def killed_with_a_pool(o):
    """gunicorn's timeout killed the worker, which had a pool with children."""
    return o["killed_after_s"] is not None and o["worker_gone"] and o["children"] > 0


def frozen(o):
    """The request is frozen, so that the timeout has something to notice."""
    return bool(o["frozen"])


# -- signs -------------------------------------------------------------------------------------------


def orphaned(o):
    """The worker was killed, and children of its pool still live."""
    return o["killed_after_s"] is not None and o["worker_gone"] and o["orphans"] > 0


def client_waits(o):
    """The worker was killed, and the client's connection stays open without an answer until the orphans end."""
    killed = o["killed_after_s"] is not None and o["worker_gone"]
    return killed and o["client"] == "still waiting" and o["client_after_orphans"] != "still waiting"


def never_killed(o):
    """The request is frozen, and gunicorn does not kill its worker."""
    return o["frozen"] and o["killed_after_s"] is None


CLAIMS = [
    Claim(
        "PF-16",
        "When gunicorn's timeout kills the frozen worker, the children of its pool stay behind as orphans.",
        sign=orphaned,
        shows=["documented", "timeout-3"],
        absent=["long-task-handler-default"],
        trigger=killed_with_a_pool,
        needs_idle=True,
    ),
    Claim(
        "PF-17",
        "The client still waits then: the orphans hold its connection open, and it ends when the lab ends the orphans.",
        sign=client_waits,
        shows=["documented", "timeout-3"],
        absent=["long-task-handler-default"],
        trigger=killed_with_a_pool,
        needs_idle=True,
    ),
    Claim(
        "PF-18",
        "gunicorn never notices a frozen request in a gthread worker: the timeout does not come.",
        sign=never_killed,
        shows=["gthread"],
        absent=["timeout-3"],
        trigger=frozen,
    ),
]

COLUMNS = [
    Column("frozen", lambda o: "yes" if o["frozen"] else "no"),
    Column("killed after", lambda o: o["killed_after_s"], "{:.1f} s"),
    Column("orphans", lambda o: f"{o['orphans']} of {o['children']}"),
    Column("client", lambda o: o["client"]),
    Column("client after them", lambda o: o["client_after_orphans"]),
    Column("connection", lambda o: "yes" if o["orphans_alone_hold_connection"] else "no"),
    Column("port", lambda o: "yes" if o["orphans_hold_listener"] else "no"),
    Column("workers", lambda o: o["workers_now"]),
]
