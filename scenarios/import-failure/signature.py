"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Known, LogLine, Signature, Step

FACTORS = {
    "GUNICORN": "gunicorn",
    "PYTHON": "python",
    "TIMEOUT": "gunicorn.timeout",
    "MAX_REQUESTS": "gunicorn.max_requests",
}
RANGE = {
    "package": "gunicorn",
    "affected": "==24.0.0",
    "unaffected": ">=20.1.0,<=23.0.0 | >=24.1.0,<=27.0.1",
}
UNHANDLED = [LogLine("gunicorn", "Unhandled signal: cld")]
CHANGE_LOG = "https://github.com/benoitc/gunicorn/discussions/3453"

SIGNATURES = [
    Signature(
        "the application cannot be loaded, and the master runs on without a worker",
        steps=[
            Step("a worker is started", [LogLine("gunicorn", "Booting worker with pid: ")]),
            Step(
                "it cannot load the application",
                [
                    LogLine("gunicorn", "Exception in worker process"),
                    LogLine("gunicorn", "Failed to find attribute '"),
                    LogLine("gunicorn", "Failed to parse '"),
                ],
                within=3,
            ),
            Step("it ends", [LogLine("gunicorn", "Worker exiting (pid: ")]),
            Step("the master does not know the signal", UNHANDLED),
        ],
        **RANGE,
        factors=FACTORS,
        decides="whether the master still runs and has no living child (ps --ppid): its worker is a zombie",
        known_from=[
            Known("the master runs on", claim="IF-1"),
            Known("the other releases", claim="IF-2"),
            Known("the change log that names the line", url=CHANGE_LOG),
        ],
        decisive=True,
    ),
    Signature(
        "a worker has ended, by a signal or at max_requests, and the master does not replace it",
        steps=[Step("the master does not know the signal of a child that has ended", UNHANDLED)],
        absent=[Step("the application could not be loaded", [LogLine("gunicorn", "Exception in worker process")])],
        **RANGE,
        factors=FACTORS,
        decides="how many living workers the master has (ps --ppid), beside `workers`; a reload brings them back",
        known_from=[
            Known("workers are not replaced", claim="IF-6"),
            Known("the change log that names the line", url=CHANGE_LOG),
        ],
        decisive=True,
    ),
]
