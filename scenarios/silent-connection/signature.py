"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

SYNC = Condition("the worker class is sync", [Need("gunicorn", "worker_class", "sync")])
FACTORS = {
    "GUNICORN": "gunicorn",
    "PYTHON": "python",
    "WORKERS": "gunicorn.workers",
    "THREADS": "gunicorn.threads",
    "TIMEOUT": "gunicorn.timeout",
}

SIGNATURES = [
    Signature(
        "a sync worker waits for a request that does not come, and is killed at its timeout",
        steps=[
            Step("the master gives a worker up", [LogLine("gunicorn", "WORKER TIMEOUT (pid:")]),
            Step(
                "it has read no request on its connection",
                [LogLine("gunicorn", "Error handling request (no URI read)")],
                within=3,
            ),
            Step(
                "it is aborted while it waits for one",
                [LogLine("gunicorn", "gunicorn/workers/base.py", r"in handle_abort\b")],
                within=60,
            ),
        ],
        conditions=[SYNC],
        package="gunicorn",
        affected=">=19.9.0,<=27.0.1",
        factors=FACTORS,
        decides="whether anything comes from that client: a browser that connects in advance, a load balancer, a "
        "scanner. With --threads 2, or with a proxy in front, it must be gone",
        known_from=[
            Known("the worker is held until its timeout", claim="SC-1"),
            Known("the releases", claim="SC-2"),
            Known("a user's log", url="https://github.com/benoitc/gunicorn/issues/3207"),
        ],
    ),
    Signature(
        "a sync worker is killed at its timeout, and no request took so long",
        conditions=[SYNC],
        package="gunicorn",
        affected=">=19.9.0,<=20.1.0",
        factors=FACTORS,
        silent="the log says WORKER TIMEOUT, as for every other reason",
        decides="the access log: no request is missing there. Or a stack of the worker (py-spy dump --pid PID): recv() "
        "below the parser",
        known_from=[
            Known("the worker is held until its timeout", claim="SC-1"),
            Known("the thread", url="https://github.com/benoitc/gunicorn/issues/2797"),
        ],
    ),
]
