"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Known, LogLine, Signature, Step

FACTORS = {
    "GUNICORN": "gunicorn",
    "PYTHON": "python",
    "DJANGO": "django",
    "REQUESTS": "requests",
    "WORKERS": "gunicorn.workers",
    "WORKER_CLASS": "gunicorn.worker_class",
    "TIMEOUT": "gunicorn.timeout",
}

SIGNATURES = [
    # No run on record has this traceback, since gunicorn 20.1.0 does not log it itself. So it decides nothing.
    Signature(
        "a request that uses multiprocessing.Pool waits for ever in Pool.terminate()",
        steps=[
            Step("the pool is ended", [LogLine("python", "multiprocessing/pool.py", r"in (?:__exit__|terminate)\b")]),
            Step("... and waits", [LogLine("python", "multiprocessing/pool.py", r"in _terminate_pool\b")], within=12),
            Step(
                "... for a child that does not end",
                [LogLine("python", "multiprocessing/popen_fork.py", r"in (?:poll|wait)\b")],
                within=12,
            ),
            Step(
                "... until gunicorn's timeout aborts the worker",
                [LogLine("gunicorn", "gunicorn/workers/base.py", r"in handle_abort\b")],
                within=12,
            ),
        ],
        package="gunicorn",
        affected=">=19.9.0,<=27.0.1",
        factors=FACTORS,
        decides="a stack of the worker and of a child of its pool while a request hangs (py-spy dump): the worker in "
        "waitpid, the child at the lock of the queue. An initializer that sets SIGTERM to its default must cure it",
        known_from=[
            Known("who waits for whom", claim="PF-8"),
            Known("the cause", claim="PF-9"),
            Known("the releases", claim="PF-14"),
            Known("the same with a handler of another program", url="https://github.com/oracle/opengrok/issues/3650"),
        ],
    ),
    Signature(
        "a stack of the worker shows it: Pool.terminate() waits for a child of the pool",
        steps=[
            Step(
                "the worker waits for a child",
                [LogLine("python", "(multiprocessing/popen_fork.py:", r"\b(?:poll|wait) \(")],
            ),
            Step(
                "... in Pool.terminate()",
                [LogLine("python", "(multiprocessing/pool.py:", r"_terminate_pool \(")],
                within=6,
            ),
            Step("... of a gunicorn worker", [LogLine("gunicorn", "(gunicorn/workers/")], within=60),
        ],
        package="gunicorn",
        affected=">=19.9.0,<=27.0.1",
        factors=FACTORS,
        decides="whether it is there again a minute later: a pool that ends passes the same place for a moment",
        known_from=[Known("who waits for whom", claim="PF-8"), Known("the cause", claim="PF-9")],
    ),
]
