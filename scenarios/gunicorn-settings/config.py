"""Where gunicorn takes its settings from: the default file, the command line, both, or neither."""

import re

from reprolab import Claim, Column, wait_until

from .common import ACTIVE, Gunicorn, Lab, in_force, option

ASKED = 2  # workers that the command line asks for
SET = "workers = 3\n"
FILES = ("gunicorn.config.py", "gunicorn.conf.py")
APP = "wsgi_app = 'lab.wsgi:application'\n"
VARIANTS = {
    "documented": {},
    "arguments": {"ARGUMENTS": "--workers 2"},
    "gunicorn.config.py": {"FILE": "gunicorn.config.py"},
    "gunicorn.conf.py": {"FILE": "gunicorn.conf.py"},
    "file-and-arguments": {"FILE": "gunicorn.conf.py", "ARGUMENTS": "--workers 2"},
    "named-file-missing": {"ARGUMENTS": "--config /tmp/work/missing.py"},
    "cmd-args": {"SHELL_ENV": "GUNICORN_CMD_ARGS=--workers=4"},
    "wsgi-app": {"FILE": "gunicorn.conf.py", "APP": "none"},
    "no-app": {"APP": "none"},
    "wsgi-app-gunicorn-20.0.4": {
        "FILE": "gunicorn.conf.py",
        "APP": "none",
        "GUNICORN": "20.0.4",
    },
}
TRIALS = 3
PARALLEL = True


def drive(stack):
    """Start gunicorn in a directory with or without a config file, and count its workers."""
    lab = Lab(stack)
    lab.call("write", path="/tmp/work/readme.txt", text="the working directory\n")
    files = dict.fromkeys(FILES, "")
    if stack.factors["FILE"] != "none":
        files[stack.factors["FILE"]] = SET + (APP if stack.factors["APP"] == "none" else "")
        lab.call("write", path=f"/tmp/work/{stack.factors['FILE']}", text=files[stack.factors["FILE"]])
    gunicorn = Gunicorn(lab, "--log-level", "debug", "--pythonpath", "/srv/app", cwd="/tmp/work")
    workers = None
    if gunicorn.settled():
        wait_until("the master says how many workers it has", lambda: ACTIVE.search(gunicorn.output))
        workers = len(gunicorn.workers())
    texts = {name: lab.call("read", path=f"/tmp/work/{name}") for name in FILES}
    given = texts == files and (gunicorn.code is not None or gunicorn.in_force())
    code, output = gunicorn.code, gunicorn.output
    lab.keep()
    asked = option(stack.factors, "--workers")
    last = [line for line in output.splitlines() if re.search(r"Error|error", line)][-1:] if code is not None else []
    return {"workers": workers, "asked": asked and int(asked), "code": code, "said": last, "in_force": given}


def from_the_file(o):
    """The three workers of the file run, though no option names the file."""
    return o["workers"] == 3


def as_the_command_line(o):
    """It runs with the workers that the command line asks for, or else with gunicorn's default of one."""
    return o["workers"] == (o["asked"] or 1)


def command_line_wins(o):
    """The two workers of the command line run, not the three of the file."""
    return o["workers"] == ASKED


def serves(o):
    """gunicorn started and answers."""
    return o["workers"] is not None


def four(o):
    """The four workers of the environment's variable run."""
    return o["workers"] == 4


def started(o):
    """gunicorn had the file, arguments and variables of the variant, and it did not end."""
    return in_force(o) and o["code"] is None


def both_set(o):
    """gunicorn started with a file, and the command line asks for a number of workers too."""
    return started(o) and o["asked"] is not None


def seen(o):
    """How many workers run, or the exit code."""
    many = "" if o["workers"] == 1 else "s"
    return f"{o['workers']} worker{many}" if o["workers"] else f"no start, exit code {o['code']}"


CLAIMS = [
    Claim(
        "GS-1",
        "The default file is gunicorn.config.py.",
        sign=from_the_file,
        trigger=started,
        shows=["gunicorn.config.py"],
        absent=["documented"],
        setting="config",
        measured=seen,
    ),
    Claim(
        "GS-2",
        "Without a config file gunicorn runs on its command line alone.",
        sign=as_the_command_line,
        trigger=started,
        shows=["documented", "arguments"],
        absent=["gunicorn.conf.py"],
        but=["GS-42"],
        setting="config",
        measured=seen,
    ),
    Claim(
        "GS-3",
        "Where both set a value, the command line wins.",
        sign=command_line_wins,
        trigger=both_set,
        shows=["file-and-arguments"],
        absent=["gunicorn.conf.py"],
        untriggered=["gunicorn.conf.py"],
        setting="config",
        measured=seen,
    ),
    Claim(
        "GS-4",
        "With wsgi_app set in the config file, the positional argument may be left out.",
        sign=serves,
        trigger=in_force,
        shows=["wsgi-app"],
        absent=["no-app", "wsgi-app-gunicorn-20.0.4"],
        setting="wsgi_app",
        measured=seen,
    ),
    Claim(
        "GS-41",
        "The default file is gunicorn.conf.py in the working directory.",
        sign=from_the_file,
        trigger=started,
        shows=["gunicorn.conf.py"],
        absent=["gunicorn.config.py", "documented"],
        setting="config",
        measured=seen,
    ),
    Claim(
        "GS-42",
        "Without a config file not only the command line counts, but also the variable GUNICORN_CMD_ARGS.",
        sign=four,
        trigger=started,
        shows=["cmd-args"],
        absent=["documented"],
        setting="config",
        measured=seen,
    ),
]

COLUMNS = [
    Column("workers", lambda o: o["workers"]),
    Column("exit code", lambda o: o["code"]),
    Column("it said", lambda o: " ".join(o["said"]) or None, note=True),
]
