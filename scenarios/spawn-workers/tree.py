"""The process tree of each way to start: command lines, forked or spawned, and the number of threads."""

import re

from reprolab import Claim, Column, InvalidTrial

from .settling import serving, wait_settled

NEWEST = "0.54.0"
# How long a request takes does not change the processes, so other variants than the document's wait less.
SOON = {"SLEEP": "1"}
VARIANTS = {
    "documented": {},
    "one-worker": {"WORKERS": "1"},
    "two-workers": {"WORKERS": "2"},
    "forked": {**SOON, "PATCH": "fork"},
    "gunicorn": {**SOON, "START": "gunicorn"},
    "uvicorn-0.29.0": {**SOON, "UVICORN": "0.29.0"},
    "uvicorn-0.30.0": {**SOON, "UVICORN": "0.30.0"},
    f"uvicorn-{NEWEST}": {**SOON, "UVICORN": NEWEST},
}
TRIALS = 3
PARALLEL = True

TRACKER = re.compile(r"-c from multiprocessing\.resource_tracker import main;main\((\d+)\)$")
SPAWNED = re.compile(
    r"-c from multiprocessing\.spawn import spawn_main; spawn_main\(tracker_fd=(\d+), pipe_handle=(\d+)\) "
    r"--multiprocessing-fork$"
)


def drive(stack):
    """Look at the tree as soon as all workers are up, before any request for `/`; then see who answers a request."""
    workers = wait_settled(stack)
    snapshot = stack.processes()
    stack.forensics(name="idle")
    server = snapshot.server()
    grandchildren = len(snapshot.descendants(server.pid)) - len(snapshot.children(server.pid))
    answer = stack.get("/", timeout=float(stack.factors["SLEEP"]) * 3 + 30)
    answer.raise_for_status()
    return {
        "server": {"pid": server.pid, "command": server.title, "threads": len(server.threads)},
        "children": [child(server, process) for process in snapshot.children(server.pid)],
        "grandchildren": grandchildren,
        "workers": sorted(workers),
        # Whether the same workers serve still: then none was being replaced when the lab looked.
        "settled": serving(stack) == workers,
        "served_by": answer.json()["pid"],
    }


def child(server, process):
    """A child of the first process: its kind, by its command line, and what the kernel says about how it began."""
    kind = "other"
    if TRACKER.search(process.title):
        kind = "resource_tracker"
    elif SPAWNED.search(process.title):
        kind = "spawn_main"
    elif process.command == server.command:
        kind = "the same command line"
    if not (process.layout and server.layout):
        raise InvalidTrial("the kernel does not tell where the processes' programs lie")
    return {
        "pid": process.pid,
        "kind": kind,
        "command": process.title,
        "forked": process.forked,
        "layout_of_parent": process.layout == server.layout,
        "threads": len(process.threads),
    }


# -- what an observation says ------------------------------------------------------------------------


def settled(o):
    """The trigger: all workers were up when the lab looked at the tree, and none was replaced in the meantime."""
    # Runs before it was recorded tell only that a worker that had started is not there any more.
    return o.get("settled", set(o["workers"]) <= {o["server"]["pid"], *(child["pid"] for child in o["children"])})


# -- signs -------------------------------------------------------------------------------------------


def kinds(o):
    """The children of the first process, by kind, in their order."""
    return [child["kind"] for child in o["children"]]


def workers(o):
    """The children that serve."""
    return [child for child in o["children"] if child["pid"] in o["workers"]]


def tracker_and(o, number):
    """There are one resource tracker, ``number`` spawn_main children that serve, and no other process."""
    mains = [child["pid"] for child in o["children"] if child["kind"] == "spawn_main"]
    return (
        sorted(kinds(o)) == ["resource_tracker"] + ["spawn_main"] * number
        and mains == o["workers"]
        and o["served_by"] in mains
        and o["grandchildren"] == 0
    )


def tracker_and_three(o):
    """The parent has one resource tracker and three spawn_main children, and there is no other process."""
    return tracker_and(o, 3)


def tracker_and_two(o):
    """The parent has one resource tracker and two spawn_main children, and there is no other process."""
    return tracker_and(o, 2)


def named_fork_yet_spawned(o):
    """Each worker's command line has --multiprocessing-fork, but the kernel and the worker's memory show no fork."""
    return bool(workers(o)) and all(
        "--multiprocessing-fork" in worker["command"] and not worker["forked"] and not worker["layout_of_parent"]
        for worker in workers(o)
    )


def alone(o):
    """There is no child, and the first process answers."""
    return not o["children"] and o["served_by"] == o["server"]["pid"]


def documents_tree(o):
    """The command lines have the document's descriptors, and before any request no worker has a second thread."""
    commands = [child["command"] for child in o["children"]]
    tracker = [int(match[1]) for command in commands if (match := TRACKER.search(command))]
    spawned = [[int(n) for n in match.groups()] for command in commands if (match := SPAWNED.search(command))]
    idle = all(worker["threads"] == 1 for worker in workers(o))
    return tracker == [4] and spawned == [[5, 7], [5, 9], [5, 11]] and idle


RELEASES = ["uvicorn-0.29.0", "uvicorn-0.30.0", f"uvicorn-{NEWEST}"]
CLAIMS = [
    Claim(
        "SW-3",
        "The tree is the parent, one `multiprocessing.resource_tracker` and three `spawn_main` children.",
        sign=tracker_and_three,
        shows=["documented", *RELEASES],
        absent=["one-worker", "two-workers", "forked", "gunicorn"],
        trigger=settled,
    ),
    Claim(
        "SW-4",
        "Although the children's command line says `--multiprocessing-fork`, they are spawned, not forked.",
        sign=named_fork_yet_spawned,
        shows=["documented", *RELEASES],
        absent=["forked", "gunicorn"],
        trigger=settled,
    ),
    Claim(
        "SW-9",
        "`workers=1` (the default) has no resource_tracker and no child: the first process serves.",
        sign=alone,
        shows=["one-worker"],
        absent=["documented", "two-workers"],
        trigger=settled,
    ),
    Claim(
        "SW-10",
        "`workers=2`: resource_tracker and two children.",
        sign=tracker_and_two,
        shows=["two-workers"],
        absent=["documented", "one-worker"],
        trigger=settled,
    ),
    Claim(
        "SW-15",
        "The document's trees come from a release before 0.30.0: their descriptors and their workers without a second "
        "thread show it. Since 0.30.0 each worker has one more thread from the start, for the parent's health checks.",
        sign=documents_tree,
        shows=["uvicorn-0.29.0"],
        absent=["documented", "uvicorn-0.30.0", f"uvicorn-{NEWEST}"],
        trigger=settled,
    ),
]
COLUMNS = [
    Column("children", lambda o: kind_words(o)),
    Column("workers forked", lambda o: (sum(worker["forked"] for worker in workers(o)), len(workers(o)))),
    Column("parent's layout", lambda o: (sum(worker["layout_of_parent"] for worker in workers(o)), len(workers(o)))),
    Column("threads, idle", lambda o: "/".join(str(w["threads"]) for w in workers(o)) or o["server"]["threads"]),
    Column("served by", lambda o: "the first" if o["served_by"] == o["server"]["pid"] else "a child"),
    Column(
        "tree", lambda o: "; ".join([o["server"]["command"], *(child["command"] for child in o["children"])]), note=True
    ),
]


def kind_words(o):
    """How many children of each kind."""
    return ", ".join(f"{kinds(o).count(kind)} {kind}" for kind in dict.fromkeys(kinds(o))) or "none"
