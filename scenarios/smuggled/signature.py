"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

SIGNATURES = [
    Signature(
        "a request that a proxy took for the body of another one reaches the application",
        beside=[
            Step(
                "what is left of a body is read as a request",
                [LogLine("gunicorn", "Invalid request from ip=", r"Invalid HTTP request line: ''")],
            ),
            Step(
                "somebody sends such requests, and the proxy refuses them",
                [
                    LogLine("nginx", 'client sent unknown "Transfer-Encoding"'),
                    LogLine("nginx", 'client sent duplicate header line: "Transfer-Encoding'),
                    LogLine("nginx", 'client sent "Content-Length" and "Transfer-Encoding" headers at the same time'),
                ],
            ),
        ],
        conditions=[
            Condition(
                "the worker keeps connections",
                [Need("gunicorn", "worker_class", "gthread threads gevent eventlet tornado gevent_wsgi gevent_pywsgi")],
            )
        ],
        package="gunicorn",
        affected=">=20.0.4,<=21.2.0",
        unaffected=">=22.0.0,<=27.0.1",
        factors={
            "GUNICORN": "gunicorn",
            "PYTHON": "python",
            "THREADS": "gunicorn.threads",
            "WORKER_CLASS": "gunicorn.worker_class",
        },
        silent="gunicorn writes nothing of it: the hidden request is in its access log like any other",
        decides="look for requests that gunicorn's access log has and the proxy's has not, in the same seconds",
        known_from=[
            Known("the request that the proxy does not see", claim="SM-1"),
            Known("the unknown coding", claim="SM-2"),
            Known("a worker that keeps no connection", claim="SM-6"),
            Known("the advisory", url="https://github.com/advisories/GHSA-w3h3-4rj7-4ph4"),
        ],
    ),
]
