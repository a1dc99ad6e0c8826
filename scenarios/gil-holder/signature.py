"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

FACTORS = {
    "UVICORN": "uvicorn",
    "PYTHON": "python",
    "WORKERS": "uvicorn.workers",
    "TIMEOUT": "uvicorn.timeout_worker_healthcheck",
}
STARTED = [LogLine("uvicorn", "Started server process [", r"process \[(?P<pid>\d+)\]")]
DIED = [LogLine("uvicorn", "] died", r"Child process \[(?P<pid>\d+)\] died")]
COMMON = {
    "conditions": [
        Condition("uvicorn has several workers", [Need("uvicorn", "parent", "true"), Need("uvicorn", "workers", ">1")])
    ],
    "package": "uvicorn",
    "affected": ">=0.30.0,<=0.54.0",
    "unaffected": "==0.29.0",
    "factors": FACTORS,
}

SIGNATURES = [
    Signature(
        "the parent gave up a worker that ran, as it does with one that keeps the GIL for more than five seconds",
        experiment="holding",
        **COMMON,
        steps=[Step("a worker that had started is given up", DIED, introduced_by=STARTED)],
        # A worker that is done with its requests ends by itself.
        absent=[Step("workers end by themselves", [LogLine("uvicorn", "Maximum request limit of ")])],
        decides=(
            "whether somebody else killed it: a kernel without memory says so (dmesg). If not, raise "
            "--timeout-worker-healthcheck (0.37.0 and later), and look for the call with py-spy dump --pid PID"
        ),
        known_from=[
            Known("the worker is killed", claim="GH-1"),
            Known("the thread", url="https://github.com/Kludex/uvicorn/issues/2506"),
        ],
    ),
    Signature(
        "workers are given up before they serve, again and again",
        experiment="importing",
        **COMMON,
        steps=[
            Step("a worker that never started to serve is given up", DIED, introduced_by=STARTED, introduced=False),
            Step("... and the next one", DIED, introduced_by=STARTED, introduced=False),
            Step("... and the next one", DIED, introduced_by=STARTED, introduced=False),
        ],
        absent=[
            Step("a worker says why it ends", [LogLine("uvicorn", "Process SpawnProcess-")]),
            Step("its startup failed", [LogLine("uvicorn", "Application startup failed. Exiting.")]),
        ],
        decides="how long `python -c 'import MODULE'` takes: over five seconds, or a machine without free processors",
        known_from=[
            Known("the server never starts", claim="GH-7"),
            Known("the thread", url="https://github.com/Kludex/uvicorn/issues/2506"),
        ],
    ),
]
