"""How a reload ends: with a module that is not installed, one that is, a syntax error, an import inside a view."""

import time

from reprolab import Claim, Column, InvalidTrial, logs, wait_until

from .common import Gunicorn, Lab

LINES = {
    "none": "",
    "missing-module": "import lab_package_not_installed\n",
    "module-there": "import json\n",
    "syntax-error": "def broken(\n",
    "in-view": "import json\n",
}
PROJECT = "/tmp/project"
VARIANTS = {
    "documented": {},
    "missing-module": {"ARGUMENTS": "--reload", "FILE": "missing-module"},
    "module-there": {"ARGUMENTS": "--reload", "FILE": "module-there"},
    "off": {"FILE": "missing-module"},
    "syntax-error": {"ARGUMENTS": "--reload", "FILE": "syntax-error"},
    "in-view": {"ARGUMENTS": "--reload", "FILE": "in-view"},
}
TRIALS = 3
PARALLEL = True
WATCHED = 4.0  # seconds; with --reload the change is noticed within one second


def drive(stack):
    """Change a file that the project has imported, and see whether gunicorn lives and answers."""
    lab = Lab(stack)
    code, output = stack.execute("app", ["cp", "-r", "/srv/app", PROJECT])
    if code:
        raise InvalidTrial(f"the project could not be copied: {output}")
    gunicorn = Gunicorn(lab, cwd=PROJECT).ready()
    before = set(gunicorn.workers())
    path = f"{PROJECT}/lab/imports.py"
    lab.call("write", path=path, text=lab.call("read", path=path) + LINES[stack.factors["FILE"]])
    if "--reload" in stack.factors["ARGUMENTS"]:
        wait_until(
            "a worker is replaced, or gunicorn ends", lambda: gunicorn.code is not None or changed(gunicorn, before)
        )
    end = time.monotonic() + WATCHED
    while gunicorn.code is None and time.monotonic() < end:
        time.sleep(0.1)
    late = lab.ask("/late")["status"] if stack.factors["FILE"] == "in-view" else None
    observation = {
        "code": gunicorn.code,
        "noticed": bool(logs.GUNICORN.search("reloading", gunicorn.output)),
        "missing": "ModuleNotFoundError" in gunicorn.output,
        "replaced": changed(gunicorn, before),
        "status": lab.ask("/")["status"],
        "late": late,
    }
    lab.keep()
    return observation


def changed(gunicorn, before):
    """Whether all of the first workers have been replaced."""
    now = set(gunicorn.workers())
    return bool(now) and not now & before


def noticed(o):
    """gunicorn noticed that the file had changed, and reloaded."""
    # Observations of older runs do not have it: there a worker was replaced, or gunicorn ended.
    return o.get("noticed", o["replaced"] or o["code"] is not None)


def stopped(o):
    """gunicorn itself ended, with the module's name as the reason."""
    return o["code"] is not None and o["missing"]


def lives_with_500(o):
    """The view answers 500, and gunicorn goes on."""
    return o["code"] is None and o["late"] == 500 and o["status"] == 200


def lives_without_answer(o):
    """The workers were replaced and answer 500, and gunicorn goes on."""
    return o["code"] is None and o["replaced"] and o["status"] == 500


def seen(o):
    """Whether gunicorn lives, and what it answers."""
    if o["code"] is not None:
        return f"gunicorn ended, exit code {o['code']}"
    return f"gunicorn lives, GET / {o['status']}" + (f", the view {o['late']}" if o["late"] else "")


CLAIMS = [
    Claim(
        "GS-5",
        "A reload that meets a module not installed ends in ModuleNotFoundError and stops gunicorn itself.",
        sign=stopped,
        trigger=noticed,
        shows=["missing-module"],
        absent=["module-there", "off", "in-view"],
        untriggered=["off"],
        setting="reload",
        measured=seen,
    ),
    Claim(
        "GS-43",
        "If a view imports the missing module only when it is called, that view answers 500 and gunicorn goes on.",
        sign=lives_with_500,
        trigger=noticed,
        shows=["in-view"],
        absent=["missing-module"],
        setting="reload",
        measured=seen,
    ),
    Claim(
        "GS-44",
        "A reload that meets a syntax error does not stop gunicorn: it lives and answers 500.",
        sign=lives_without_answer,
        trigger=noticed,
        shows=["syntax-error"],
        absent=["missing-module", "module-there"],
        setting="reload",
        measured=seen,
    ),
]

COLUMNS = [
    Column("exit code", lambda o: o["code"]),
    Column("workers replaced", lambda o: "yes" if o["replaced"] else "no"),
    Column("GET /", lambda o: o["status"], "{}"),
    Column("the view", lambda o: o["late"], "{}"),
]
