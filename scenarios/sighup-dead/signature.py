"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Known, LogLine, Signature, Step

RANGE = {
    "package": "uwsgi",
    "affected": "==2.0.27",
    "unaffected": ">=2.0.24,<=2.0.26 | >=2.0.28,<=2.0.31",
    "factors": {"UWSGI": "uwsgi", "PYTHON": "python"},
}
DECIDES = "what the master waits for (cat /proc/PID/wchan, or py-spy dump --native): do_wait, while its workers run"
# With it the reload is done, or goes on when the old workers have ended.
GOES_ON = [Step("the workers are told to end", [LogLine("uwsgi", "...gracefully killing workers...")])]

SIGNATURES = [
    Signature(
        "uWSGI notices that it must reload, and its workers stay",
        steps=[
            Step(
                "uWSGI notices that it must reload",
                [
                    LogLine("uwsgi", "has been touched... grace them all !!!"),
                    LogLine("uwsgi", "[uwsgi-python-reloader] module/file ", r"has been modified"),
                ],
            )
        ],
        absent=GOES_ON,
        **RANGE,
        decides=DECIDES,
        known_from=[
            Known("the workers stay", claim="SD-2"),
            Known("a user's log", url="https://github.com/unbit/uwsgi/issues/2681"),
        ],
    ),
    Signature(
        "uWSGI gets SIGHUP, and its workers stay; from then on none is replaced",
        **RANGE,
        silent="uWSGI writes nothing: the master waits before it says what it does",
        decides=DECIDES,
        known_from=[
            Known("the workers stay", claim="SD-1"),
            Known("none is replaced", claim="SD-4"),
            Known("the thread", url="https://github.com/unbit/uwsgi/issues/2688"),
        ],
    ),
]
