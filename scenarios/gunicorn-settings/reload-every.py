"""How often --reload restarts the workers: several changes, changes of a file that nobody imported, and no change."""

import time

from reprolab import Claim, Column, InvalidTrial

from .common import Gunicorn, Lab

PROJECT = "/tmp/project"
# Value of FILE -> the file that is written, and what is added to its text.
WRITTEN = {
    "none": (f"{PROJECT}/lab/imports.py", "# again\n"),
    "imported": (f"{PROJECT}/lab/imports.py", "# again\n"),
    "same-text": (f"{PROJECT}/lab/imports.py", ""),
    "not-imported": (f"{PROJECT}/receiver.py", "# again\n"),
    "template": (f"{PROJECT}/lab/page.html", "<p>again</p>\n"),
}
RELOAD = "--reload"
VARIANTS = {
    "documented": {},
    "changes": {"ARGUMENTS": RELOAD, "FILE": "imported"},
    "changes-three-workers": {"ARGUMENTS": RELOAD, "FILE": "imported", "WORKERS": "3"},
    "not-imported": {"ARGUMENTS": RELOAD, "FILE": "not-imported"},
    "template": {"ARGUMENTS": RELOAD, "FILE": "template"},
    "same-text": {"ARGUMENTS": RELOAD, "FILE": "same-text"},
    "same-text-no-reload": {"FILE": "same-text"},
}
TRIALS = 3
PARALLEL = True
TIMES = 3
# Seconds. A new worker notes the times of its files once a second. What changes before it has done so is not noticed.
NOTED = 3.0
WATCHED = 8.0  # seconds in which all workers are replaced


def drive(stack):
    """Write a file three times, and see after each time whether all workers are replaced."""
    lab = Lab(stack)
    code, output = stack.execute("app", ["cp", "-r", "/srv/app", PROJECT])
    if code:
        raise InvalidTrial(f"the project could not be copied: {output}")
    path, added = WRITTEN[stack.factors["FILE"]]
    lab.call("write", path=path, text=lab.call("read", path=path) or "<p>page</p>\n")
    gunicorn = Gunicorn(lab, cwd=PROJECT).ready()
    rounds = []
    for _ in range(TIMES):
        gunicorn.serving()
        time.sleep(NOTED)
        before, text = set(gunicorn.workers()), lab.call("read", path=path) + added
        lab.call("write", path=path, text=text)
        rounds.append({"written": lab.call("read", path=path) == text, "replaced": replaced(gunicorn, before)})
    observation = {"rounds": rounds, "changed": bool(added), "status": lab.ask("/")["status"]}
    lab.keep()
    return observation


def replaced(gunicorn, before):
    """Whether all these workers are replaced before the time is over."""
    end = time.monotonic() + WATCHED
    while time.monotonic() < end:
        now = set(gunicorn.workers())
        if len(now) == len(before) and not now & before:
            return True
        time.sleep(0.1)
    return False


def written(o):
    """The file was written each time, and gunicorn answers at the end."""
    return o["status"] == 200 and all(row["written"] for row in o["rounds"])


def every_time(o):
    """After each change all workers were replaced."""
    return o["changed"] and all(row["replaced"] for row in o["rounds"])


def never(o):
    """The file was changed, and no worker was replaced."""
    return o["changed"] and not any(row["replaced"] for row in o["rounds"])


def without_a_change(o):
    """All workers were replaced each time, though the text of the file stayed as it was."""
    return not o["changed"] and all(row["replaced"] for row in o["rounds"])


def seen(o):
    """After how many changes the workers were replaced."""
    what = "changes" if o["changed"] else "times that it was written without a change"
    return f"workers replaced after {sum(row['replaced'] for row in o['rounds'])} of {len(o['rounds'])} {what}"


CLAIMS = [
    Claim(
        "GS-63",
        "reload: the workers are restarted at every change of code.",
        sign=every_time,
        trigger=written,
        shows=["changes", "changes-three-workers"],
        absent=["documented"],
        but=["GS-73"],
        setting="reload",
        measured=seen,
    ),
    Claim(
        "GS-73",
        "reload: a change of a file that no worker has imported restarts nothing, be it Python or a template.",
        sign=never,
        trigger=written,
        shows=["not-imported", "template"],
        absent=["changes"],
        setting="reload",
        measured=seen,
    ),
    Claim(
        "GS-74",
        "reload: the time of a file counts, not its text: a file that is written again without a change restarts them.",
        sign=without_a_change,
        trigger=written,
        shows=["same-text"],
        absent=["changes", "same-text-no-reload"],
        setting="reload",
        measured=seen,
    ),
]

COLUMNS = [
    Column("times written", lambda o: len(o["rounds"])),
    Column("workers replaced", lambda o: (sum(row["replaced"] for row in o["rounds"]), len(o["rounds"]))),
]
