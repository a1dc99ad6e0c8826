"""Two gunicorns on one Unix path: the second takes it from the first, the first removes the file of the second."""

import re
import time

from reprolab import Claim, Column, logs

NEWER = ("20.1.0", "21.2.0", "22.0.0", "23.0.0", "24.1.1", "25.3.0", "26.1.0")
VARIANTS = {
    "documented": {},
    # The release of the document's days needs an older Python.
    "gunicorn-19.9.0": {"GUNICORN": "19.9.0", "PYTHON": "3.9.18"},
    **{f"gunicorn-{release}": {"GUNICORN": release} for release in NEWER},
    # One thing changed.
    "second-stops": {"STOPS": "second"},
    "first-killed": {"STOP_SIGNAL": "SIGKILL"},
    "tcp": {"BIND": "127.0.0.1:8000"},
    "tcp-reuse-port": {"BIND": "127.0.0.1:8000", "OPTIONS": "--reuse-port"},
    # The causes.
    "own-only": {"PATCH": "own-only"},
    "ask-first": {"PATCH": "ask-first"},
}
TRIALS = 3
PARALLEL = True

RELEASES = ["documented", *(name for name in VARIANTS if name.startswith("gunicorn-"))]
GO = "/run/lab/go"
ASKED = 20
NAMES = {"app": "first", "second": "second"}
SETTLE = 60  # seconds in which the second instance is to answer or to end


def drive(stack):
    """Start the second instance beside the first, ask; stop one of them, and ask again."""
    bind = stack.factors["BIND"]
    file = bind.removeprefix("unix:") if bind.startswith("unix:") else ""
    before = ask(stack)
    stack.may_end("second", "it ends by itself if its address is in use")
    stack.execute("app", ["touch", GO])
    end = time.monotonic() + SETTLE
    while stack.running("second") and "second" not in ask(stack) and time.monotonic() < end:
        time.sleep(0.1)
    seen = {
        "file": file,
        "before": before,
        "between": ask(stack),
        "first_runs": stack.running("app"),
        "second_runs": stack.running("second"),
        "second_booted": any(logs.GUNICORN.search("started", line) for line in stack.printed("second")),
        "complaints": {name: complaints(stack.printed(role)) for role, name in NAMES.items()},
        "stopped": None,
    }
    if not seen["second_runs"]:
        return seen
    stops = stack.factors["STOPS"]
    stays = "second" if stops == "app" else "app"
    inode_before = inode(stack, stays, file)
    stopped = stack.stop(stops)
    seen |= {
        "stopped": {"which": NAMES[stops], "exit_status": stopped.exit_status},
        "stays": NAMES[stays],
        "stays_runs": stack.running(stays),
        "inode_before": inode_before,
        "inode_after": inode(stack, stays, file),
        "after": ask(stack),
    }
    last = stack.stop(stays)
    no_file = any("FileNotFoundError" in line for line in stack.printed(stays))
    return seen | {"last": {"exit_status": last.exit_status, "no_file": no_file}}


def ask(stack):
    """ASKED requests through the proxy, each on a connection of its own: who answered, or the status."""
    answers = [stack.get("/", timeout=10) for _ in range(ASKED)]
    return sorted(answer.text if answer.ok else str(answer.status_code) for answer in answers)


def complaints(lines):
    """How many lines are more than information."""
    return sum(bool(re.search(r"\[(WARNING|ERROR|CRITICAL)\]", line)) for line in lines)


def inode(stack, role, file):
    """The number of the socket file as a service sees it; "" if there is none."""
    code, output = stack.execute(role, ["stat", "--format=%i", file]) if file else (1, "")
    return output.strip() if code == 0 else ""


# -- triggers and signs: pure functions of one observation ---------------------------------------


def tried(o):
    """The first instance answered, and the second was started beside it: it has a worker, or it said that it cannot."""
    second = o["second_booted"] if o["second_runs"] else o["complaints"]["second"] > 0
    return set(o["before"]) == {"first"} and o["first_runs"] and second


def one_stopped(o):
    """Both ran, one of them stopped, and the other one runs."""
    return bool(tried(o) and o["stopped"] and o["stays_runs"])


def removed(o):
    """The file was that of the instance that runs on, and it has gone."""
    return bool(o["file"]) and set(o["between"]) == {o["stays"]} and bool(o["inode_before"]) and not o["inode_after"]


def nobody_served(o):
    """Every request after the stop got 502."""
    return set(o["after"]) == {"502"}


def failed_to_stop(o):
    """The instance that ran on was stopped too, and its master ended with the error that its file is not there."""
    return o["last"]["no_file"] and o["last"]["exit_status"] == 1


def taken(o):
    """The second serves every request, the first runs on and gets none; no warning or error in either log."""
    return set(o["between"]) == {"second"} and o["first_runs"] and not any(o["complaints"].values())


def both_serve(o):
    """Both instances answer requests."""
    return set(o["between"]) == {"first", "second"}


CLAIMS = [
    Claim(
        "TM-1",
        "Of two instances on one Unix path the one that stops removes the socket file, though the other one runs.",
        sign=removed,
        trigger=one_stopped,
        shows=["documented"],
        absent=["second-stops", "first-killed", "own-only"],
    ),
    Claim(
        "TM-2",
        "The instance that still runs can process no request any more.",
        sign=nobody_served,
        trigger=one_stopped,
        shows=["documented", "second-stops"],
        absent=["first-killed", "own-only", "tcp-reuse-port"],
    ),
    Claim(
        "TM-3",
        "Until one of them stops, all of them work.",
        sign=both_serve,
        trigger=tried,
        shows=["documented", "tcp-reuse-port"],
        absent=["tcp"],
        but=["TM-4"],
    ),
    Claim(
        "TM-4",
        "On a Unix path they do not share: as soon as the second instance starts, the first one gets no request"
        " any more, and no line of a log warns of it. On a TCP port the second instance does not start.",
        sign=taken,
        trigger=tried,
        shows=["documented"],
        absent=["tcp", "tcp-reuse-port"],
    ),
    Claim(
        "TM-5",
        "All nine releases that were measured have it, from that of the document's days to the newest.",
        sign=removed,
        trigger=one_stopped,
        shows=RELEASES,
        absent=["first-killed", "own-only"],
    ),
    Claim(
        "TM-6",
        "The cause at the start: the file that is there is removed without a question. If gunicorn first asks"
        " whether somebody answers there, the second instance does not start, as on a TCP port.",
        sign=taken,
        trigger=tried,
        shows=["documented", "own-only"],
        absent=["ask-first", "tcp"],
    ),
    Claim(
        "TM-7",
        "When the instance that ran on is stopped too, its master ends with FileNotFoundError and status 1, since"
        " its file has gone.",
        sign=failed_to_stop,
        trigger=one_stopped,
        shows=["documented", "second-stops"],
        absent=["own-only", "tcp-reuse-port"],
    ),
]


def who(answers):
    """The answers of `ask`, counted."""
    return " ".join(f"{answers.count(word)}x {word}" for word in sorted(set(answers)))


COLUMNS = [
    Column("both up", lambda o: who(o["between"])),
    Column("stopped", lambda o: o["stopped"] and o["stopped"]["which"]),
    Column("file", lambda o: o["stopped"] and o["file"] and ("there" if o["inode_after"] else "gone")),
    Column("then", lambda o: o["stopped"] and who(o["after"])),
    Column("last stop", lambda o: o["stopped"] and f"status {o['last']['exit_status']}"),
]
