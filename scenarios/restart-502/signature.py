"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

RESTART = Step("a worker reaches max_requests", [LogLine("gunicorn", "Autorestarting worker after current request")])
REFUSED = Step(
    "the proxy gets no answer on a connection to the server",
    [
        LogLine("nginx", "upstream prematurely closed connection while reading response header"),
        LogLine("nginx", "recv() failed (104: Connection reset by peer) while reading response header"),
    ],
)
LIMITED = Condition(
    "max_requests is set", [Need("gunicorn", "max_requests", ">0"), Need("gunicorn", "restarts", "true")]
)
THREADS = Condition("the worker is a thread worker", [Need("gunicorn", "worker_class", "sync threads gthread")])
FACTORS = {
    "GUNICORN": "gunicorn",
    "PYTHON": "python",
    "WORKERS": "gunicorn.workers",
    "THREADS": "gunicorn.threads",
    "WORKER_CLASS": "gunicorn.worker_class",
    "MAX_REQUESTS": "gunicorn.max_requests",
}
DECIDES = "whether the proxy's errors come in the same second as the restarts, and end with max_requests = 0"
THREAD = "https://github.com/benoitc/gunicorn/issues/3038"

SIGNATURES = [
    Signature(
        "a thread worker that restarts at max_requests accepts one more connection and closes it unread",
        steps=[REFUSED],
        beside=[RESTART],
        conditions=[LIMITED, THREADS],
        package="gunicorn",
        affected=">=21.0.0,<=23.0.0",
        unaffected=">=19.8.0,<=20.1.0 | >=24.1.0,<=27.0.1",
        factors=FACTORS,
        decides=DECIDES,
        experiment="direct",
        known_from=[
            Known("one request for each restart", claim="RS-4"),
            Known("the releases", claim="RS-7"),
            Known("the thread", url=THREAD),
        ],
    ),
]
