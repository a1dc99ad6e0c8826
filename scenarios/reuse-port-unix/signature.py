"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

REUSE_PORT = Condition("--reuse-port is given", [Need("gunicorn", "reuse_port", "true")])
FACTORS = {"GUNICORN": "gunicorn", "PYTHON": "python", "WORKERS": "gunicorn.workers"}
DECIDES = (
    "start it without --reuse-port, or only on addresses of the network. A Unix socket on a file system that has none "
    "gets the same error"
)
GIVEN_UP = Step("gunicorn gives the Unix socket up", [LogLine("gunicorn", "Can't connect to /")])

SIGNATURES = [
    Signature(
        "the kernel refuses --reuse-port on a Unix socket, and nobody is served",
        steps=[
            Step(
                "the kernel does not support something on the Unix socket",
                [LogLine("gunicorn", "failed: [Errno 95]", r"connection to /\S+ failed: \[Errno 95\]")],
            ),
            GIVEN_UP,
        ],
        conditions=[REUSE_PORT],
        package="gunicorn",
        # Up to 20.1.0 these lines are there with --log-level debug.
        affected=">=19.9.0,<=27.0.1",
        factors=FACTORS,
        decides=DECIDES,
        known_from=[
            Known("nobody is served", claim="RU-1"),
            Known("the cause", claim="RU-5"),
            Known("the thread", url="https://github.com/benoitc/gunicorn/pull/3346"),
        ],
    ),
    Signature(
        "the kernel refuses --reuse-port on a Unix socket, and the log does not name the reason",
        steps=[Step("gunicorn tries again", [LogLine("gunicorn", "Retrying in 1 second.")]), GIVEN_UP],
        absent=[Step("the address is used by another program", [LogLine("gunicorn", "Connection in use: ")])],
        conditions=[REUSE_PORT],
        package="gunicorn",
        affected=">=19.9.0,<=20.1.0",
        factors=FACTORS,
        decides=DECIDES,
        known_from=[
            Known("the log", claim="RU-7"),
            Known("the thread", url="https://github.com/benoitc/gunicorn/pull/3346"),
        ],
    ),
]
