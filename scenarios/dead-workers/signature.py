"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

FACTORS = {"UVICORN": "uvicorn", "PYTHON": "python", "WORKERS": "uvicorn.workers"}
SEVERAL = Condition(
    "uvicorn has several workers", [Need("uvicorn", "parent", "true"), Need("uvicorn", "workers", ">1")]
)
ALONE = {
    "conditions": [SEVERAL],
    "package": "uvicorn",
    "affected": ">=0.20.0,<=0.29.0",
    "unaffected": ">=0.30.0,<=0.54.0",
    "factors": FACTORS,
    "decides": "count the parent's children that run spawn_main (ps --ppid PID): fewer than --workers is the fault",
}
STARTED = [LogLine("uvicorn", "Started server process [", r"process \[(?P<pid>\d+)\]")]
DIED = [LogLine("uvicorn", "] died", r"Child process \[(?P<same>\d+)\] died")]

SIGNATURES = [
    Signature(
        "a worker that dies is not replaced",
        **ALONE,
        silent="the parent of these releases writes nothing when a worker dies",
        known_from=[
            Known("it is not replaced", claim="DW-1"),
            Known("without workers nobody answers", claim="DW-2"),
            Known("the thread", url="https://github.com/Kludex/uvicorn/issues/517"),
        ],
    ),
    Signature(
        "a worker ends by itself, as at --limit-max-requests, and is not replaced",
        **ALONE,
        steps=[
            Step("a worker ends", [LogLine("uvicorn", "Finished server process [")]),
        ],
        absent=[
            Step("the server was stopped", [LogLine("uvicorn", "Stopping parent process [")]),
            Step("the parent looks after its workers", DIED),
        ],
        known_from=[
            Known("the last one leaves a server that is silent", claim="DW-3"),
            Known("the thread", url="https://github.com/Kludex/uvicorn/issues/632"),
        ],
    ),
    Signature(
        "several workers died at once, and the parent started too many and lost sight of one",
        steps=[
            Step("a worker is found dead", DIED),
            Step("... and the same one again", DIED, within=60),
        ],
        conditions=[SEVERAL],
        package="uvicorn",
        affected=">=0.30.0,<=0.30.1",
        unaffected=">=0.30.2,<=0.54.0",
        factors=FACTORS,
        decides="count the parent's children that run spawn_main (ps --ppid PID): more than --workers is the fault",
        known_from=[
            Known("too many workers", claim="DW-5"),
            Known("the stop signal does not end the server", claim="DW-6"),
            Known("the correction", url="https://github.com/Kludex/uvicorn/pull/2373"),
        ],
    ),
    Signature(
        "a worker that had served exits with status 3, and the whole server stops",
        steps=[
            Step(
                "the parent stops because of a worker that had started",
                [
                    LogLine(
                        "uvicorn",
                        "failed to start, stopping the parent process",
                        r"process \[(?P<pid>\d+)\] failed to start",
                    )
                ],
                introduced_by=STARTED,
            ),
        ],
        absent=[Step("the startup of a worker failed", [LogLine("uvicorn", "Application startup failed. Exiting.")])],
        conditions=[SEVERAL],
        package="uvicorn",
        affected=">=0.50.0,<=0.54.0",
        unaffected="==0.49.0",
        factors=FACTORS,
        decides="which program of the worker exits with 3: sys.exit(3) or os._exit(3) in the application or a library",
        known_from=[
            Known("the end of the server", claim="DW-7"),
            Known("the change", url="https://github.com/Kludex/uvicorn/pull/3001"),
        ],
    ),
]
