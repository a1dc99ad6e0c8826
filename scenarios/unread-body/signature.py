"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, Need, Signature

GTHREAD = Condition("the worker class is gthread", [Need("gunicorn", "worker_class", "gthread threads")])
FACTORS = {
    "GUNICORN": "gunicorn",
    "PYTHON": "python",
    "THREADS": "gunicorn.threads",
    "KEEP_ALIVE": "gunicorn.keepalive",
}

SIGNATURES = [
    Signature(
        "a kept connection with a body that the application did not read takes a thread until the client closes it",
        conditions=[GTHREAD],
        package="gunicorn",
        affected=">=20.1.0,<=23.0.0",
        unaffected=">=24.0.0,<=27.0.1",
        factors=FACTORS,
        silent="gunicorn writes nothing: the thread waits for the next request of the connection",
        decides="a stack of the worker while requests wait (py-spy dump --pid PID): its threads in recv(); and "
        "whether the application reads the body of each POST, also of those that it refuses",
        known_from=[
            Known("the block", claim="UB-1"),
            Known("the cause", claim="UB-7"),
            Known("the thread", url="https://github.com/benoitc/gunicorn/issues/3301"),
        ],
    ),
    Signature(
        "a client that announces a body and never sends it takes a thread",
        conditions=[GTHREAD],
        package="gunicorn",
        affected=">=24.0.0,<=25.3.0",
        unaffected=">=20.1.0,<=23.0.0 | >=26.0.0,<=27.0.1",
        factors=FACTORS,
        silent="gunicorn writes nothing: the thread waits for the body, to throw it away",
        decides="a stack of the worker while requests wait (py-spy dump --pid PID): its threads in recv()",
        known_from=[Known("the block, and the releases", claim="UB-8")],
    ),
]
