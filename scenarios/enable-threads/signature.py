"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

OFF = Condition("uWSGI runs without --enable-threads", [Need("uwsgi", "enable-threads", "false")])
NO_THREADS = Condition(
    "neither --threads nor --py-autoreload turns them on",
    [Need("uwsgi", "enable-threads", "false"), Need("uwsgi", "threads", "<1")],
)
FACTORS = {"UWSGI": "uwsgi", "PYTHON": "python", "DJANGO": "django"}
DECIDES = "start it with --enable-threads: the threads must go on between requests"

SIGNATURES = [
    Signature(
        "a library needs a thread of its own, and uWSGI lets it run only while a request is handled",
        experiment="background-thread",
        steps=[
            Step("uWSGI says that threads are off", [LogLine("uwsgi", "*** Python threads support is disabled")]),
            Step(
                "a library says that it needs threads",
                [
                    LogLine("uwsgi", "detected the use of uw", r"(?i)without thread support|with disabled threads"),
                    LogLine("uwsgi", "detected the use of uW", r"(?i)without thread support|with disabled threads"),
                    LogLine("uwsgi", "requires the enable-threads option"),
                ],
            ),
        ],
        conditions=[OFF],
        package="uwsgi",
        affected="==2.0.20",
        factors=FACTORS,
        decides=DECIDES,
        known_from=[
            Known("the thread stands still when the request ends", claim="ET-3"),
            Known("the option cures it", claim="ET-5"),
            Known("a library's warning", url="https://github.com/getsentry/sentry-python/issues/187"),
        ],
        decisive=True,
    ),
    Signature(
        "a thread of the application stands still between requests",
        experiment="background-thread",
        conditions=[OFF, NO_THREADS],
        factors=FACTORS,
        silent="a log of uWSGI says whether threads are off, and not whether your application starts any",
        decides=DECIDES,
        known_from=[
            Known("the thread stands still when the request ends", claim="ET-3"),
            Known("a user's question", url="https://github.com/unbit/uwsgi/issues/1141"),
        ],
    ),
]
