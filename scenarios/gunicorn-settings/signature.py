"""How single sentences of the document show in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

FACTORS = {"GUNICORN": "gunicorn", "PYTHON": "python", "DJANGO": "django"}
SYNC = Condition("the worker class is sync", [Need("gunicorn", "worker_class", "sync")])

SIGNATURES = [
    Signature(
        "logging to syslog raises Bad file descriptor, since dictConfig() closed the handler's socket",
        experiment="syslog",
        steps=[
            Step("a line of the log cannot be written", [LogLine("python", "--- Logging error ---")]),
            Step(
                "... to syslog over UDP",
                [LogLine("python", "self.socket.sendto(msg, self.address)")],
                within=6,
            ),
            Step("the socket is closed", [LogLine("python", "OSError: [Errno 9] Bad file descriptor")], within=4),
            Step(
                "... for a logger of gunicorn",
                [LogLine("gunicorn", "gunicorn/glogging.py")],
                within=80,
                resets=[LogLine("python", "Message: ")],  # the end of what Python writes of this line
            ),
        ],
        package="python",
        affected=">=3.6,<3.11",
        unaffected=">=3.11,<3.14",
        factors=FACTORS,
        decides="the same program on Python 3.11, or syslog by a Unix socket (--log-syslog-to unix:///dev/log#dgram): "
        "either must end it",
        known_from=[
            Known("the error", claim="GS-14"),
            Known("the cause", claim="GS-15"),
            Known("the releases of Python", claim="GS-49"),
            Known("a user's log of the same", url="https://github.com/benoitc/gunicorn/issues/2016"),
            Known("that any dictConfig() does it", url="https://github.com/benoitc/gunicorn/issues/2073"),
        ],
        decisive=True,
    ),
    Signature(
        "a reload meets a module that is not installed, and gunicorn itself stops",
        experiment="reload",
        steps=[
            Step("a changed file makes a worker reload", [LogLine("gunicorn", "Worker reloading: ")]),
            Step(
                "a worker cannot be started",
                [LogLine("gunicorn", "Exception in worker process")],
                # Later starts are not those of the reload.
                resets=[
                    LogLine("gunicorn", "Starting gunicorn "),
                    LogLine("gunicorn", "Handling signal: "),
                    LogLine("gunicorn", "WORKER TIMEOUT (pid:"),
                ],
            ),
            Step(
                "a module is missing",
                [
                    LogLine("python", "ModuleNotFoundError: No module named"),
                    LogLine("python", "ImportError: No module named"),
                ],
                within=120,
                resets=[LogLine("gunicorn", "Worker exiting (pid: ")],
            ),
            Step(
                "the server stops",
                [
                    LogLine("gunicorn", "Reason: Worker failed to boot."),
                    LogLine("gunicorn", "HaltServer 'Worker failed to boot.'"),
                ],
                resets=[LogLine("gunicorn", "Starting gunicorn ")],
            ),
        ],
        package="gunicorn",
        affected="==20.1.0",
        factors=FACTORS,
        decides="start it again without the import: gunicorn must come up",
        known_from=[Known("the order of events", claim="GS-5")],
        decisive=True,
    ),
    Signature(
        "a sync worker that does not answer within `timeout` is killed, as the setting says",
        experiment="timeout",
        steps=[Step("the master gives a worker up", [LogLine("gunicorn", "WORKER TIMEOUT (pid:")])],
        conditions=[SYNC],
        package="gunicorn",
        affected="==20.1.0",
        factors=FACTORS,
        decides="which request takes so long: the access log with its duration (%(L)s), or py-spy dump on the worker",
        known_from=[Known("the worker is killed and replaced", claim="GS-34")],
    ),
]
