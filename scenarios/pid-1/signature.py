"""How the case shows in logs and in what `docker inspect` prints; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

SIGNATURES = [
    Signature(
        "a start script without exec keeps SIGTERM from the server, and the container is killed after the grace time",
        absent=[Step("the server got the signal", [LogLine("gunicorn", "Handling signal: term")])],
        conditions=[
            Condition("the container was killed (status 137)", [Need("container", "exit_code", "137")]),
            Condition("it did not run out of memory", [Need("container", "out_of_memory", "false")]),
            Condition("it is started by a shell or a script", [Need("container", "start", "script")]),
        ],
        factors={"GUNICORN": "gunicorn", "PYTHON": "python"},
        silent="the log ends without a line about the stop",
        decides="`docker top`: the script is process 1, and the server its child; with exec the server is process 1",
        known_from=[
            Known("status 137 after the grace time", claim="P1-1"),
            Known("CMD as a text", claim="P1-6"),
            Known("the thread", url="https://github.com/apache/superset/issues/41172"),
        ],
        settings_show=True,
    ),
]
