"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

THREAD = "https://github.com/conbench/conbench/issues/1156"

SIGNATURES = [
    Signature(
        "the server closes an idle connection at the moment when its proxy sends a request on it",
        steps=[
            Step(
                "the proxy gets no answer on a connection to the server",
                [
                    LogLine("nginx", "upstream prematurely closed connection while reading response header"),
                    LogLine("nginx", "recv() failed (104: Connection reset by peer) while reading response header"),
                ],
            )
        ],
        conditions=[
            Condition("the worker keeps connections", [Need("gunicorn", "worker_class", "!sync")]),
            Condition("gunicorn closes idle connections soon", [Need("gunicorn", "keepalive", "<60")]),
        ],
        factors={
            "GUNICORN": "gunicorn",
            "PYTHON": "python",
            "WORKERS": "gunicorn.workers",
            "THREADS": "gunicorn.threads",
            "WORKER_CLASS": "gunicorn.worker_class",
            "KEEP_ALIVE": "gunicorn.keepalive",
        },
        decides="whether it ends when gunicorn's keepalive is longer than the proxy's; the proxy's log has the errors "
        "for POST and other methods that it does not send again, and gunicorn's log has nothing at these moments",
        known_from=[
            Known("the race", claim="KR-1"),
            Known("the remedy", claim="KR-2"),
            Known("the thread", url=THREAD),
        ],
    ),
]
