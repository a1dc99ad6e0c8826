"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

# Who stops must be the first one: otherwise the second has only followed one that was killed.
FIRST = [LogLine("gunicorn", "Starting gunicorn ", r"\[(?P<same_first>\d+)\] \[INFO\] Starting")]
SECOND = [LogLine("gunicorn", "Starting gunicorn ", r"\[(?P<other_first>\d+)\] \[INFO\] Starting")]
FIRST_STOPS = [LogLine("gunicorn", "Shutting down: Master", r"\[(?P<same_first>\d+)\] \[\w+\] Shutting")]
END = [LogLine("gunicorn", "Shutting down: Master"), LogLine("gunicorn", "Handling signal: usr2")]
ON_UNIX = [LogLine("gunicorn", "Listening at: unix:", r"unix:(?P<same>\S+)")]
NOT_THERE = Step(
    "the proxy does not find the socket file",
    [LogLine("nginx", " connect() to unix:", r"failed \(2: No such file or directory\)")],
)
UNIX = Condition("the server listens on a Unix socket", [Need("gunicorn", "bind", "*unix:*")])
UPGRADED = Step(
    "gunicorn was upgraded in place (USR2), which hands the socket on", [LogLine("gunicorn", "Handling signal: usr2")]
)

SIGNATURES = [
    Signature(
        "the second of two gunicorns on one Unix path loses its socket file when the first one stops",
        steps=[
            Step("an instance starts", FIRST),
            Step("... on a Unix path", ON_UNIX, resets=END),
            Step("another instance starts, though the first has not ended", SECOND, resets=END),
            Step("... on the same path", ON_UNIX, resets=END),
            Step("the first one stops", FIRST_STOPS),
        ],
        beside=[NOT_THERE],
        absent=[UPGRADED],
        conditions=[UNIX],
        package="gunicorn",
        affected=">=19.9.0,<=27.0.1",
        unaffected="",
        factors={"GUNICORN": "gunicorn", "PYTHON": "python"},
        decides="how many gunicorn masters have the path in their command line, and whether its file is there",
        known_from=[
            Known("the instance that stops removes the file", claim="TM-1"),
            Known("several instances on one path", url="https://github.com/benoitc/gunicorn/pull/1887"),
        ],
    ),
    Signature(
        "a gunicorn whose socket file another instance removed ends with FileNotFoundError",
        steps=[
            Step("the master is stopped", [LogLine("gunicorn", "Handling signal: ", r"signal: (?:term|int|quit)")]),
            Step("it removes its socket", [LogLine("gunicorn", "gunicorn/sock.py", r"line \d+, in close_sockets\b")]),
            Step("the file is not there any more", [LogLine("gunicorn", "FileNotFoundError: [Errno 2]")], within=4),
        ],
        beside=[NOT_THERE],
        conditions=[UNIX],
        package="gunicorn",
        affected=">=19.9.0,<=27.0.1",
        factors={"GUNICORN": "gunicorn", "PYTHON": "python"},
        decides="look whether a second instance was started on the same path, by a supervisor or a deployment; "
        "a program that cleans up temporary files does the same",
        known_from=[Known("how the instance that is left ends", claim="TM-7")],
    ),
]
