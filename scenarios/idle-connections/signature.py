"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

SIGNATURES = [
    Signature(
        "as many silent connections as threads block every other request",
        beside=[
            Step(
                "the proxy waits in vain for an answer",
                [LogLine("nginx", "upstream timed out (110: ", r"while reading response header from upstream")],
            )
        ],
        beside_hints=True,
        conditions=[Condition("the worker class is gthread", [Need("gunicorn", "worker_class", "gthread threads")])],
        package="gunicorn",
        affected="==20.1.0 | >=24.0.0,<=25.1.0",
        unaffected=">=21.2.0,<=23.0.0 | >=25.2.0,<=27.0.1",
        factors={
            "GUNICORN": "gunicorn",
            "PYTHON": "python",
            "THREADS": "gunicorn.threads",
            "TIMEOUT": "gunicorn.timeout",
        },
        silent="gunicorn writes nothing of a thread that waits for the first bytes of a connection",
        decides="count the connections that are idle (ss -tnp) while requests wait: as many as workers x threads",
        known_from=[
            Known("the block", claim="IC-1"),
            Known("the releases", claim="IC-3"),
            Known("the thread", url="https://github.com/benoitc/gunicorn/issues/2917"),
            Known("that it came back", url="https://github.com/benoitc/gunicorn/issues/3518"),
        ],
    ),
]
