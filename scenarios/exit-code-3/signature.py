"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Known, LogLine, Signature, Step

FACTORS = {"GUNICORN": "gunicorn", "PYTHON": "python"}
RANGE = {
    "package": "gunicorn",
    "affected": ">=20.1.0,<=23.0.0 | >=24.1.1,<=26.0.0",
    "unaffected": "==24.0.0 | >=26.1.0,<=27.0.1",
}
# A worker names itself at its start and at its end. The log may lack the start.
WORKERS = [
    LogLine("gunicorn", "Booting worker with pid: ", r"with pid: (?P<pid>\d+)"),
    LogLine("gunicorn", "Worker exiting (pid: ", r"\(pid: (?P<pid>\d+)"),
]
ENDED = [LogLine("gunicorn", " exited with code ", r"Worker \(pid:(?P<pid>\d+)\) exited with code [34]\b")]
# All by one master: after an upgrade in place (USR2) there are two, and the log may not have the start of the first.
START = [LogLine("gunicorn", "Starting gunicorn ", r"\[(?P<same>\d+)\] \[INFO\] Starting")]
ENDED_CHILD = [
    LogLine(
        "gunicorn",
        " exited with code ",
        r"\[(?P<same>\d+)\] \[\w+\] Worker \(pid:(?P<pid>\d+)\) exited with code [34]\b",
    )
]
MASTER_STOPS = [LogLine("gunicorn", "Shutting down: Master", r"\[(?P<same>\d+)\] \[\w+\] Shutting")]
REASON = [LogLine("gunicorn", "Reason: Worker failed to boot."), LogLine("gunicorn", "Reason: App failed to load.")]
REAL = [
    Step("a worker itself ended with 3 or 4", ENDED, introduced_by=WORKERS),
    Step("a worker really could not be started", [LogLine("gunicorn", "Exception in worker process")]),
    Step(
        "the application really could not be loaded",
        [
            LogLine("gunicorn", "Failed to parse "),
            LogLine("gunicorn", "Failed to find a", r"Failed to find (?:attribute|application)"),
            LogLine("gunicorn", "Function reference must be a simple name: "),
            LogLine("gunicorn", "Application object must be callable."),
            LogLine("python", "TypeError: ", r"TypeError: \S+\(\) .*argument"),  # of a factory
        ],
    ),
]
# A worker whose start was dropped would be taken for a stranger.
DROPPED = Step(
    "the journal dropped lines",
    [
        LogLine("journald", "Suppressed ", r"Suppressed \d+ messages from"),
        LogLine("journald", " messages lost due to rate-limiting"),
    ],
)
DECIDES = (
    "which child of the master ended with 3 or 4: a program that a hook of the configuration starts, or an orphan, "
    "where gunicorn is process 1. A worker that calls os._exit(3), or that cannot be started and logs no reason, "
    "does the same: compare the pid of `Worker (pid:...) exited with code 3` (since 21) with those of the workers"
)

SIGNATURES = [
    Signature(
        "a child of the master that is no worker ends with 3 or 4, and stops the whole server",
        steps=[
            Step("a worker was started", [LogLine("gunicorn", "Booting worker with pid: ")]),
            Step("the server stops", [LogLine("gunicorn", "Shutting down: Master")]),
            Step(
                "it says that a worker could not be started",
                REASON,
                within=5,
            ),
        ],
        absent=REAL,
        **RANGE,
        factors=FACTORS,
        decides=DECIDES,
        known_from=[
            Known("the end of the server", claim="EC3-1"),
            Known("the releases", claim="EC3-4"),
            Known("a user's hook", url="https://github.com/benoitc/gunicorn/issues/2807"),
        ],
    ),
    Signature(
        "a child of the master that ends with 3 or 4 in an on_exit hook spoils a stop that was asked for",
        steps=[
            Step("the server is stopped", [LogLine("gunicorn", "Handling signal: ", r"signal: (?:term|int|quit)")]),
            Step("it stops as asked", [LogLine("gunicorn", "Shutting down: Master")]),
            Step(
                "it ends with HaltServer",
                [LogLine("gunicorn", "HaltServer: <HaltServer '", r"failed to (?:boot|load)\.' [34]")],
                within=60,
            ),
        ],
        absent=REAL,
        package="gunicorn",
        affected=">=20.1.0,<=23.0.0",
        unaffected=">=24.1.1,<=27.0.1",
        factors=FACTORS,
        decides=DECIDES,
        known_from=[
            Known("the traceback at the end", claim="EC3-2"),
            Known("a user's log of the same", url="https://github.com/benoitc/gunicorn/issues/2807"),
        ],
    ),
    Signature(
        "a process that is no worker ended with 3 or 4, and gunicorn took it for one",
        steps=[
            Step("the server starts", START),
            Step("its workers are named", [LogLine("gunicorn", "Booting worker with pid: ")]),
            Step("a process that is none of them ends", ENDED_CHILD, introduced_by=WORKERS, introduced=False),
            Step("the server stops", MASTER_STOPS),
            Step("it says that a worker could not be started", REASON, within=5),
        ],
        absent=[*REAL, DROPPED],
        package="gunicorn",
        # 20.1.0 does not log the end of a worker.
        affected=">=21.2.0,<=23.0.0 | >=24.1.1,<=26.0.0",
        unaffected="==24.0.0 | >=26.1.0,<=27.0.1",
        factors=FACTORS,
        decides=DECIDES,
        known_from=[
            Known("the end of the server", claim="EC3-1"),
            Known("the releases", claim="EC3-4"),
            Known("a log that calls such a process a worker", url="https://github.com/benoitc/gunicorn/issues/3220"),
        ],
        decisive=True,
    ),
]
