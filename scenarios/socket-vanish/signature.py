"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

RESTART = Step("a worker reaches max_requests", [LogLine("gunicorn", "Autorestarting worker after current request")])
IN_SOCK = Step(
    "... in gunicorn's sock.py", [LogLine("gunicorn", "gunicorn/sock.py", r"line \d+, in close\b")], within=3
)
GONE_ERROR = Step(
    "the file of the socket is not there any more",
    [LogLine("gunicorn", "FileNotFoundError: [Errno 2]"), LogLine("gunicorn", "OSError: [Errno 2] No such file")],
    within=4,
)
UNREACHABLE = Step(
    "the proxy does not find the socket file",
    [
        LogLine("nginx", " connect() to unix:", r"failed \(2: No such file or directory\)"),
        LogLine("h2o", "failed to connect to host"),
    ],
)
UNIX = Condition("the server listens on a Unix socket", [Need("gunicorn", "bind", "*unix:*")])
LIMITED = Condition(
    "max_requests is set", [Need("gunicorn", "max_requests", ">0"), Need("gunicorn", "restarts", "true")]
)
# "sync" with more than one thread is the thread worker.
THREADS = Condition("the worker is a thread worker", [Need("gunicorn", "worker_class", "sync threads gthread")])
EVENTLET = Condition("the worker class is eventlet", [Need("gunicorn", "worker_class", "*eventlet*")])
FACTORS = {
    "GUNICORN": "gunicorn",
    "PYTHON": "python",
    "WORKERS": "gunicorn.workers",
    "THREADS": "gunicorn.threads",
    "WORKER_CLASS": "gunicorn.worker_class",
    "MAX_REQUESTS": "gunicorn.max_requests",
}
DECIDES = "look whether the socket file is there when the proxy answers 502, while gunicorn runs"

SIGNATURES = [
    Signature(
        "a thread worker that restarts at max_requests removes the socket file of the whole server",
        steps=[
            RESTART,
            Step(
                "a thread worker closes the socket, and with it removes the file",
                [LogLine("gunicorn", "gunicorn/workers/gthread.py", r"line \d+, in run\b")],
            ),
            IN_SOCK,
            GONE_ERROR,
        ],
        beside=[UNREACHABLE],
        beside_hints=True,
        conditions=[UNIX, LIMITED, THREADS],
        package="gunicorn",
        affected="==19.6.0",
        unaffected=">=19.0,<=19.1.1 | >=19.4.0,<=19.5.0 | >=19.7.1,<=27.0.1",
        factors=FACTORS,
        decides=DECIDES,
        known_from=[
            Known("the traceback", claim="SV-2"),
            Known("the order of the steps", claim="SV-8"),
            Known("the releases", claim="SV-4"),
            Known("a user's log of the same", url="https://github.com/benoitc/gunicorn/issues/1298"),
        ],
        decisive=True,
    ),
    Signature(
        "an eventlet worker that ends removes the socket file of the whole server",
        steps=[
            Step(
                "eventlet closes the socket",
                [LogLine("gunicorn", "eventlet/greenio/base.py", r"in (?:__del__|close)\b")],
            ),
            IN_SOCK,
            GONE_ERROR,
        ],
        beside=[UNREACHABLE],
        beside_hints=True,
        conditions=[UNIX, EVENTLET],
        package="gunicorn",
        affected=">=19.0,<=19.3.0 | ==19.6.0",
        unaffected=">=19.4.0,<=19.5.0 | >=19.8.0,<=23.0.0",
        factors=FACTORS,
        decides=DECIDES,
        known_from=[
            Known("eventlet has it too", claim="SV-11"),
            Known("a user's log of the same", url="https://github.com/benoitc/gunicorn/issues/1320"),
            Known("the earlier releases", url="https://github.com/benoitc/gunicorn/issues/965"),
        ],
        decisive=True,
    ),
]
