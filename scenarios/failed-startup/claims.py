"""An application says that its startup failed: does hypercorn end, and with which exit status?"""

from reprolab import Claim, Column, logs

# In most variants the start fails: that is what is observed.
MAY_FAIL_TO_START = True
NEWEST = {"HYPERCORN": "0.18.0"}
VARIANTS = {
    "documented": {},
    "hypercorn-0.13.2": {"HYPERCORN": "0.13.2"},
    "hypercorn-0.14.4": {"HYPERCORN": "0.14.4"},
    "hypercorn-0.15.0": {"HYPERCORN": "0.15.0"},
    "hypercorn-0.16.0": {"HYPERCORN": "0.16.0"},
    "hypercorn-0.17.0": {"HYPERCORN": "0.17.0"},
    "hypercorn-0.17.1": {"HYPERCORN": "0.17.1"},
    "hypercorn-0.17.2": {"HYPERCORN": "0.17.2"},
    "hypercorn-0.17.3": {"HYPERCORN": "0.17.3"},
    "hypercorn-0.18.0": NEWEST,
    # The documented release, one thing changed.
    "with-message": {"MESSAGE": "no database"},
    "startup-works": {"STARTUP": "works"},
    "optional-message": {"PATCH": "optional-message"},
    # What the exit status comes from.
    "0.15.0-no-worker": {"HYPERCORN": "0.15.0", "WORKERS": "0"},
    "0.18.0-kept-status": NEWEST | {"PATCH": "kept-status"},
    "0.18.0-no-worker": NEWEST | {"WORKERS": "0"},
    "0.18.0-two-workers": NEWEST | {"WORKERS": "2"},
    "0.18.0-two-workers-kept-status": NEWEST | {"WORKERS": "2", "PATCH": "kept-status"},
}
TRIALS = 3
PARALLEL = True

# How long a server is watched that does not end. One that ends does so after some seconds: this need not be exact.
LIMIT = 40.0  # seconds
REQUESTS = 3


def drive(stack):
    """The start, and, if the server is still there then, what its clients get."""
    start = stack.start(limit=LIMIT)
    answers = [] if start.ended else [stack.probe("/") for _ in range(REQUESTS)]
    return {"start": start.to_json(), "answers": answers}


def observe(evidence, driven):
    """What the application sent to the server, what the server raised there, and what became of that in the worker."""
    lines = list(evidence.lines("app"))
    printed = [row["app"] for row in logs.json_objects(lines, '{"app": ')]
    return driven | {
        "sent": [row["sends"] for row in printed if "sends" in row],
        "raised": [row["raised"] for row in printed if "raised" in row],
        "tracebacks": [trace.exception.rpartition(".")[2] for trace in logs.tracebacks(lines)],
    }


# -- triggers ------------------------------------------------------------------------------------


def said_failed(o):
    """The application told the server that its startup failed."""
    return any(message["type"] == "lifespan.startup.failed" for message in o["sent"])


def worker_ended_by_it(o):
    """It did, and the server's worker ended with the error that stands for this failure."""
    return said_failed(o) and "LifespanFailureError" in o["tracebacks"] and o["start"]["exit_status"] is not None


# -- signs: pure functions of one observation ----------------------------------------------------


def runs_and_fails(o):
    """The server runs on, and every request gets 500."""
    return o["start"]["exit_status"] is None and bool(o["answers"]) and set(o["answers"]) == {"500"}


def trips_over_the_message(o):
    """The server raised KeyError where the application told it of the failure, and runs on."""
    return o["raised"] == ["KeyError"] and o["start"]["exit_status"] is None


def status_of_success(o):
    """The server ended with exit status 0."""
    return o["start"]["exit_status"] == 0


def status_of_failure(o):
    """The server ended with an exit status other than 0."""
    return o["start"]["exit_status"] not in (None, 0)


KEEPING = ["hypercorn-0.16.0", *(f"hypercorn-0.17.{n}" for n in range(4)), "hypercorn-0.18.0"]
AFTER = ["hypercorn-0.14.4", "hypercorn-0.15.0", *KEEPING]

CLAIMS = [
    Claim(
        "FS-1",
        "If the application sends lifespan.startup.failed without a message, hypercorn does not end: it answers every "
        "request with 500.",
        sign=runs_and_fails,
        shows=["documented", "hypercorn-0.13.2"],
        absent=["with-message", "startup-works"],
        trigger=said_failed,
        untriggered=["startup-works"],
    ),
    Claim(
        "FS-2",
        "The cause: the message is optional, and hypercorn expects one; the result is a KeyError, which does not end "
        "the server.",
        sign=trips_over_the_message,
        shows=["documented"],
        absent=["optional-message", "with-message"],
        trigger=said_failed,
    ),
    Claim(
        "FS-3",
        "Releases from 0.14.4 on do not have it: a failed startup ends the server.",
        sign=runs_and_fails,
        shows=["documented"],
        absent=AFTER,
        trigger=said_failed,
    ),
    Claim(
        "FS-4",
        "If hypercorn fails to start because of the lifespan, its exit status is 0, which stands for success.",
        sign=status_of_success,
        shows=["with-message", "hypercorn-0.14.4", "hypercorn-0.15.0"],
        absent=["0.15.0-no-worker"],
        trigger=worker_ended_by_it,
    ),
    Claim(
        "FS-5",
        "From 0.16.0 on hypercorn returns the exit status of its worker if that is not 0.",
        sign=status_of_failure,
        shows=KEEPING,
        absent=["hypercorn-0.14.4", "hypercorn-0.15.0"],
        trigger=worker_ended_by_it,
        but=["FS-6"],
    ),
    Claim(
        "FS-6",
        "The cause: from 0.16.0 on hypercorn reads the status of the worker that failed, and then looks a second time, "
        "where no worker is left; the 0 of that look replaces the status. With the second look made only after a 0, "
        "the failure has a status of its own.",
        sign=status_of_success,
        shows=KEEPING,
        absent=["0.18.0-kept-status", "0.18.0-no-worker"],
        trigger=worker_ended_by_it,
    ),
    Claim(
        "FS-7",
        "With two workers that both fail, the exit status of 0.18.0 is 0 too.",
        sign=status_of_success,
        shows=["0.18.0-two-workers"],
        absent=["0.18.0-two-workers-kept-status"],
        trigger=worker_ended_by_it,
        sometimes=True,
    ),
]

COLUMNS = [
    Column("ends", lambda o: "runs on" if o["start"]["exit_status"] is None else "ends"),
    Column("exit status", lambda o: o["start"]["exit_status"]),
    Column("requests get", lambda o: "/".join(dict.fromkeys(o["answers"])) or None),
    Column("the server raised", lambda o: "/".join(dict.fromkeys(o["raised"])) or None),
    Column("errors in the log", lambda o: ", ".join(dict.fromkeys(o["tracebacks"])) or None, note=True),
]
