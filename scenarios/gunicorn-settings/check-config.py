"""What --check-config and --print-config check, and what they do not check."""

import re

from reprolab import Claim, Column

from .common import Gunicorn, Lab

NEWEST = {"GUNICORN": "27.0.1", "PYTHON": "3.12.1"}
VARIANTS = {
    "documented": {},
    "check": {"ARGUMENTS": "--check-config"},
    "bad-log-path": {"ARGUMENTS": "--check-config", "LOGGING": "nowhere"},
    "own-log-path": {"ARGUMENTS": "--check-config --error-logfile /nowhere/gunicorn.log"},
    "own-log-path-run": {"ARGUMENTS": "--error-logfile /nowhere/gunicorn.log"},
    "env": {"ARGUMENTS": "--check-config --env NAME=argument", "NEEDS": "NAME"},
    "shell": {"ARGUMENTS": "--check-config", "NEEDS": "NAME", "SHELL_ENV": "NAME=shell"},
    "env-run": {"ARGUMENTS": "--env NAME=argument", "NEEDS": "NAME"},
    # The same in the newest release, for the bug report.
    "env-gunicorn-27.0.1": {"ARGUMENTS": "--check-config --env NAME=argument", "NEEDS": "NAME", **NEWEST},
    "env-run-gunicorn-27.0.1": {"ARGUMENTS": "--env NAME=argument", "NEEDS": "NAME", **NEWEST},
    "print": {"ARGUMENTS": "--print-config --error-logfile /tmp/error.log"},
    "print-bad-log-path": {"ARGUMENTS": "--print-config --error-logfile /tmp/error.log", "LOGGING": "nowhere"},
    "print-env": {"ARGUMENTS": "--print-config --env NAME=argument", "NEEDS": "NAME"},
}
TRIALS = 2
PARALLEL = True
SETTING = re.compile(r"^(bind|workers|worker_class|timeout)\s+= ", re.M)


def drive(stack):
    """Run gunicorn until it ends or answers; observe its exit code and both streams."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab)
    serves = gunicorn.settled()
    out, err = lab.out(), lab.err()
    code, _ = stack.execute("app", ["test", "-e", "/nowhere"])
    lab.keep()
    return {
        "serves": serves,
        "code": gunicorn.code,
        "imports": [pid for _, pid, _, what, _ in lab.notes() if what == "import"] != [],
        "settings_on_stdout": len(set(SETTING.findall(out))),
        "settings_elsewhere": len(set(SETTING.findall(err + lab.call("read", path="/tmp/error.log")))),
        "key_error": "KeyError: 'NAME'" in err,
        "nowhere": "/nowhere" in err,
        "faulty": stack.factors["LOGGING"] == "nowhere",
        "no_directory": code != 0,
    }


def finds_the_path(o):
    """The application was imported, and the check ended with an error because its log file cannot be opened."""
    return o["imports"] and o["code"] == 1 and o["nowhere"]


def env_is_missing(o):
    """The application does not find the variable, and the check ends with an error."""
    return o["code"] == 1 and o["key_error"]


def checks_and_prints(o):
    """The settings are only on standard output, the application was imported, and its error decides the exit code."""
    printed = o["settings_on_stdout"] == 4 and o["settings_elsewhere"] == 0
    return printed and o["imports"] and o["code"] == (1 if o["faulty"] else 0)


def passes(o):
    """The check ends with exit code 0."""
    return o["code"] == 0


def faulty(o):
    """The application names a log file in a directory that does not exist."""
    # Observations of older runs do not have "no_directory".
    return o["faulty"] and o.get("no_directory", True)


def loaded(o):
    """The application was loaded, so that it asked for what it needs."""
    return o["imports"]


def ended(o):
    """gunicorn ended without serving."""
    return not o["serves"]


def cannot_serve(o):
    """gunicorn ended without serving, and the directory of its log file does not exist."""
    return ended(o) and o.get("no_directory", True)


def seen(o):
    """How it ended."""
    return "it serves" if o["serves"] else f"exit code {o['code']}"


CLAIMS = [
    Claim(
        "GS-7",
        "check_config goes as far as importing the application (so its log file paths and the like are checked too).",
        sign=finds_the_path,
        trigger=faulty,
        shows=["bad-log-path"],
        absent=["check", "documented", "own-log-path"],
        untriggered=["check", "documented", "own-log-path"],
        setting="check_config",
        measured=seen,
    ),
    Claim(
        "GS-8",
        "raw_env / --env is not applied under check_config; a variable set in the shell is.",
        sign=env_is_missing,
        trigger=loaded,
        shows=["env"],
        absent=["shell", "env-run", "check"],
        setting="check_config",
        measured=seen,
    ),
    Claim(
        "GS-9",
        "print_config does the same as check_config, and prints the settings with print, not logging.",
        sign=checks_and_prints,
        trigger=ended,
        shows=["print", "print-bad-log-path"],
        absent=["check", "bad-log-path"],
        setting="print_config",
        measured=seen,
    ),
    Claim(
        "GS-45",
        "gunicorn's own log files are not checked: the check passes, and the start with the same settings fails.",
        sign=passes,
        trigger=cannot_serve,
        shows=["own-log-path"],
        absent=["own-log-path-run", "bad-log-path", "env"],
        setting="check_config",
        measured=seen,
    ),
]

COLUMNS = [
    Column("exit code", lambda o: o["code"]),
    Column("application imported", lambda o: "yes" if o["imports"] else "no"),
    Column("settings on stdout", lambda o: f"{o['settings_on_stdout']} of 4"),
]
