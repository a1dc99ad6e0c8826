"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

FACTORS = {
    "GUNICORN": "gunicorn",
    "PYTHON": "python",
    "THREADS": "gunicorn.threads",
    "WORKER_CLASS": "gunicorn.worker_class",
}
RANGE = {"package": "gunicorn", "affected": ">=20.1.0,<=22.0.0", "unaffected": ">=23.0.0,<=27.0.1"}
DECIDES = (
    "a stack of the worker while it takes a processor (py-spy dump --pid PID): the thread in parse_chunked() each time"
)

SIGNATURES = [
    Signature(
        "a worker reads a chunked body whose client has left, again and again, until its timeout",
        steps=[
            Step("the master gives a worker up", [LogLine("gunicorn", "WORKER TIMEOUT (pid:")]),
            Step(
                "it was reading a chunked body",
                [LogLine("gunicorn", "gunicorn/http/body.py", r"in parse_chunked\b")],
                within=120,
            ),
            Step("... in the loop behind a chunk", [LogLine("gunicorn", "rest += unreader.read()")], within=2),
            Step(
                "... and is aborted there",
                [LogLine("gunicorn", "gunicorn/workers/base.py", r"in handle_abort\b")],
                within=12,
            ),
        ],
        **RANGE,
        factors=FACTORS,
        decides=DECIDES,
        known_from=[
            Known("a sync worker is killed at its timeout", claim="CS-4"),
            Known("the loop", url="https://github.com/benoitc/gunicorn/issues/2684"),
        ],
    ),
    Signature(
        "a stack shows a thread of the worker in parse_chunked()",
        steps=[
            Step("a thread reads from the connection", [LogLine("gunicorn", "(gunicorn/http/unreader.py:")]),
            Step(
                "... in the loop behind a chunk",
                [LogLine("gunicorn", "(gunicorn/http/body.py:", r"parse_chunked \(")],
                within=4,
            ),
        ],
        **RANGE,
        factors=FACTORS,
        decides="whether it is there each time, and takes a processor: one that waits for a slow client is there too",
        known_from=[
            Known("the place in the code", claim="CS-6"),
            Known("such a stack", url="https://github.com/benoitc/gunicorn/issues/2684"),
        ],
    ),
    Signature(
        "a thread of gthread takes a whole processor, for a client that left at the end of a chunk",
        conditions=[Condition("the worker class is gthread", [Need("gunicorn", "worker_class", "gthread threads")])],
        **RANGE,
        factors=FACTORS,
        silent="gunicorn writes nothing: the thread runs on, and gthread's timeout does not come",
        decides=DECIDES,
        known_from=[
            Known("it goes on for good", claim="CS-3"),
            Known("the thread", url="https://github.com/benoitc/gunicorn/issues/2684"),
        ],
    ),
]
