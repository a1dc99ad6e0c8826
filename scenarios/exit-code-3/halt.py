"""A child of gunicorn's master that is no worker ends with 3, and the master ends as if a worker had failed to boot."""

import re
import time

from reprolab import Claim, Column, logs, wait_until

RELEASES = ["21.2.0", "22.0.0", "23.0.0", "24.0.0", "24.1.1", "25.0.3", "25.1.0", "25.2.0", "25.3.0", "26.0.0"]
RELEASES += ["26.1.0", "27.0.1"]

VARIANTS = {
    "documented": {},
    **{f"gunicorn-{release}": {"GUNICORN": release} for release in RELEASES},
    # Other exit statuses.
    "status-4": {"STATUS": "4"},
    "status-5": {"STATUS": "5"},
    # The hook of the thread.
    "on-exit": {"CHILD": "on-exit"},
    "on-exit-status-5": {"CHILD": "on-exit", "STATUS": "5"},
    "on-exit-23.0.0": {"CHILD": "on-exit", "GUNICORN": "23.0.0"},
    "on-exit-24.1.1": {"CHILD": "on-exit", "GUNICORN": "24.1.1"},
    # A process that the master never started: it adopts it where it is process 1.
    "orphan": {"CHILD": "orphan", "INIT": "false"},
    "orphan-init": {"CHILD": "orphan"},
    "orphan-26.0.0": {"CHILD": "orphan", "INIT": "false", "GUNICORN": "26.0.0"},
    "orphan-26.1.0": {"CHILD": "orphan", "INIT": "false", "GUNICORN": "26.1.0"},
    # The cause.
    "workers-only": {"PATCH": "workers-only"},
}
TRIALS = 3
PARALLEL = True

CHILD = r"child (\d+) of (\d+) ends with (\d+)"
SETTLE = 4  # seconds that a server has to end; a server that ends needs less than 1
LIMIT = 60  # seconds


def drive(stack):
    """Let the child end, wait until the server has ended or shows that it goes on, and stop it."""
    before = stack.probe("/")
    stack.may_end("app", "the end of a child may end the server")
    left = None
    if stack.factors["CHILD"] != "on-exit":
        if stack.factors["CHILD"] == "orphan":
            stack.request("POST", "/orphan").raise_for_status()
        stack.execute("app", ["sh", "-c", "echo go > /tmp/go"])
        pid = re.findall(CHILD, "\n".join(stack.wait_printed(CHILD)))[0][0]
        stack.wait_ended("app", int(pid))
        settled = time.monotonic() + SETTLE

        def decided():
            return not stack.running("app") or (time.monotonic() > settled and stack.probe("/") == "200")

        wait_until("the server has ended, or answers", decided, LIMIT)
        left = stack.exists("app", f"/proc/{pid}") if stack.running("app") else None
    running = stack.running("app")
    stopped = stack.stop("app", grace=LIMIT)
    return {
        "before": before,
        "running": running,
        "zombie": left,
        "exit_status": stopped.exit_status,
        "status": int(stack.factors["STATUS"]),
    }


def observe(evidence, driven):
    """What the server printed: the master's pid, the child's parent and status, and the reason of the end."""
    text = b"\n".join(evidence.lines("app")).decode("utf-8", "replace")
    master = logs.GUNICORN.begins.search(text)  # its first line is the master's
    child = re.search(CHILD, text)
    reason = re.search(r"Reason: (.*)", text)
    return driven | {
        "master": int(master["pid"]),
        "child": child and {"parent": int(child[2]), "status": int(child[3])},
        "reason": reason and reason[1],
        "traceback": "Traceback" in text and "HaltServer" in text,
        "called_worker": bool(child and re.search(rf"Worker \(pid:{child[1]}\) exited", text)),
    }


# -- triggers and signs: pure functions of one observation ---------------------------------------


def child_ended(o):
    """The server had answered, and then a child of the master ended with the status of the variant."""
    child = o["child"]
    return o["before"] == "200" and bool(child) and (child["parent"], child["status"]) == (o["master"], o["status"])


def halted(o):
    """Nobody stopped the server; it ended, and its exit status is the child's."""
    return not o["running"] and o["exit_status"] == o["status"]


def stop_failed(o):
    """The server was told to stop, and ended with a traceback of HaltServer and another status than 0."""
    return o["running"] and o["traceback"] and o["exit_status"] != 0


def not_reaped(o):
    """The server goes on, the child that ended is still there, a zombie, and the stop that comes later fails."""
    return bool(o["zombie"]) and stop_failed(o)


BAD = [f"gunicorn-{release}" for release in RELEASES if release not in ("24.0.0", "26.1.0", "27.0.1")]

CLAIMS = [
    Claim(
        "EC3-1",
        "A child of the master that exits with 3 stops the server, also if it is no worker: the master ends with 3.",
        sign=halted,
        trigger=child_ended,
        shows=["documented"],
        absent=["status-5"],
    ),
    Claim(
        "EC3-2",
        "In an on_exit hook it spoils a stop that was asked for: the master ends with a traceback of HaltServer.",
        sign=stop_failed,
        trigger=child_ended,
        shows=["on-exit", "on-exit-23.0.0"],
        absent=["on-exit-status-5", "on-exit-24.1.1"],
    ),
    Claim(
        "EC3-3",
        "A child that exits with 4 stops the server too, with status 4: 4 is no control for 3.",
        sign=halted,
        trigger=child_ended,
        shows=["status-4"],
        absent=["status-5"],
    ),
    Claim(
        "EC3-4",
        "Each release from 20.1.0 to 26.0.0 that was run has it, but 24.0.0; 26.1.0 and 27.0.1 do not.",
        sign=halted,
        trigger=child_ended,
        shows=["documented", *BAD],
        absent=["gunicorn-24.0.0", "gunicorn-26.1.0", "gunicorn-27.0.1"],
    ),
    Claim(
        "EC3-5",
        "24.0.0 goes on, as it reaps no child while it runs: the child stays a zombie, and spoils a later stop.",
        sign=not_reaped,
        trigger=child_ended,
        shows=["gunicorn-24.0.0"],
        absent=["gunicorn-26.1.0", "gunicorn-27.0.1", "status-5"],
    ),
    Claim(
        "EC3-6",
        "Where gunicorn is process 1, an orphan that exits with 3 stops it too, up to 26.0.0.",
        sign=halted,
        trigger=child_ended,
        shows=["orphan", "orphan-26.0.0"],
        absent=["orphan-init", "orphan-26.1.0"],
        untriggered=["orphan-init"],
    ),
    Claim(
        "EC3-7",
        "The cause: reap_workers() reads the exit status of every child. If it passes over those that are no workers, "
        "the server goes on.",
        sign=halted,
        trigger=child_ended,
        shows=["documented"],
        absent=["workers-only"],
    ),
]

COLUMNS = [
    Column("child's status", lambda o: o["child"] and str(o["child"]["status"])),
    Column("child of", lambda o: o["child"] and ("master" if o["child"]["parent"] == o["master"] else "init")),
    Column("server", lambda o: "goes on" if o["running"] else "ended"),
    Column("its exit status", lambda o: str(o["exit_status"])),
    Column("zombie", lambda o: None if o["zombie"] is None else ("yes" if o["zombie"] else "no")),
    Column("called a worker", lambda o: "yes" if o["called_worker"] else "no"),
    Column("reason", lambda o: o["reason"]),
]
