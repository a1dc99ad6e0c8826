"""A worker ends, because the application cannot be loaded or later: does gunicorn's master notice it?"""

import re

from reprolab import Claim, Column, logs, wait_until

# In many variants the start fails: that is what is observed.
MAY_FAIL_TO_START = True
GOOD = ["20.1.0", "21.2.0", "22.0.0", "23.0.0", "24.1.0", "24.1.1", "25.3.0", "26.1.0", "27.0.1"]
KILLED = {"APPLICATION": "works"}  # The server starts, then its worker is killed.
RECYCLED = KILLED | {"MAX_REQUESTS": "10"}  # The worker ends at max_requests.
UNHANDLED = {"GUNICORN": "24.1.1", "PATCH": "unhandled"}
VARIANTS = {
    "documented": {},
    **{f"gunicorn-{release}": {"GUNICORN": release} for release in GOOD},
    # The documented release, one thing changed.
    "missing": {"APPLICATION": "missing"},
    "timeout-3": {"TIMEOUT": "3"},
    "preload": {"OPTIONS": "--preload"},
    "usr1": {"SIGNAL": "USR1"},
    # The cause: corrected in the release that has it, and put into the release without it.
    "handled": {"PATCH": "handled"},
    "24.1.1-unhandled": UNHANDLED,
    # A worker that ends after it has served.
    "killed": KILLED,
    **{f"killed-{release}": KILLED | {"GUNICORN": release} for release in ("23.0.0", "24.1.0", "27.0.1")},
    "killed-handled": KILLED | {"PATCH": "handled"},
    "killed-24.1.1-unhandled": KILLED | UNHANDLED,
    "killed-timeout-3": KILLED | {"TIMEOUT": "3"},
    "killed-usr1": KILLED | {"SIGNAL": "USR1"},
    "recycled": RECYCLED,
    "recycled-24.1.0": RECYCLED | {"GUNICORN": "24.1.0"},
    "no-init": RECYCLED | {"INIT": "false"},
    "no-init-24.1.0": RECYCLED | {"INIT": "false", "GUNICORN": "24.1.0"},
}
TRIALS = 3
PARALLEL = True

FAILED = r"cannot be loaded in (\d+)"
LIMIT = {"works": 30, "raises": 4, "missing": 4}  # seconds for the start, by APPLICATION; a slow end is seen later too
SETTLE = 6  # seconds in which a master that notices has ended, or its new worker answers


def drive(stack):
    """The start, the end of the worker, what a client gets then; and the same after a signal to the master."""
    start = stack.start(limit=LIMIT[stack.factors["APPLICATION"]])
    driven = dict.fromkeys(("worker", "answer", "kept", "alive", "after", "status")) | {"start": start.to_json()}
    if start.ended:
        return driven | {"status": start.exit_status}
    worker = end_worker(stack) if start.answered else int(re.search(FAILED, "\n".join(stack.wait_printed(FAILED)))[1])
    stack.wait_ended("app", worker)
    answer = stack.probe("/", timeout=SETTLE)
    if answer not in ("200", "timeout"):  # A start that was slow: only now has the master noticed, and ends.
        wait_until("the master has ended", lambda: not stack.running("app"), 60)
        return driven | {"status": stack.stop("app").exit_status}
    kept = stack.exists("app", f"/proc/{worker}")  # It has ended, so it is a zombie.
    seen = stack.processes()  # without zombies
    server = seen.server().pid
    alive = len(seen.children(server))
    stack.may_end("app", "a signal to the master may end the server")
    stack.kill("app", [server], stack.factors["SIGNAL"])
    after = stack.probe("/", timeout=SETTLE)
    return driven | {"worker": worker, "answer": answer, "kept": kept, "alive": alive, "after": after}


def end_worker(stack):
    """End the worker that answers: at max_requests, if that is set, else by SIGKILL. Return its pid."""
    worker = int(stack.get("/").text)
    if stack.factors["MAX_REQUESTS"] == "0":
        stack.kill("app", [worker])
        return worker
    while not re.search(logs.GUNICORN.pattern("max_requests"), "\n".join(stack.printed("app"))):
        stack.probe("/", timeout=SETTLE)
    return worker


def observe(evidence, driven):
    """What the log has: the processes that could not load the application, and lines of the master."""
    text = b"\n".join(evidence.lines("app")).decode("utf-8", "replace")
    return driven | {
        "failed_in": [int(pid) for pid in re.findall(FAILED, text)],
        "unhandled": sorted(set(re.findall(r"Unhandled signal: (\w+)", text))),
        "timed_out": [int(pid) for pid in re.findall(logs.GUNICORN.pattern("timeout"), text)],
    }


# -- triggers and signs: pure functions of one observation ---------------------------------------


def not_loaded(o):
    """gunicorn tried to load the application, and could not; where a worker ended, it was this one."""
    return bool(o["failed_in"]) and o["worker"] in (None, o["failed_in"][0])


def worker_ended(o):
    """A worker ended, and the master had not."""
    return o["worker"] is not None


def served(o):
    """The server answered, and then its worker ended."""
    return o["start"]["answered"] and worker_ended(o)


def unnoticed(o):
    """The master runs and has not handled cld: its dead worker is kept, it has no other, and a client has no answer."""
    nobody = o["answer"] == "timeout" and o["kept"] and o["alive"] == 0
    return o["status"] is None and bool(nobody) and "cld" in o["unhandled"]


def unnoticed_at_timeout(o):
    """The same, though the master has found that this worker is beyond its timeout."""
    return unnoticed(o) and o["timed_out"] == [o["worker"]]


def ends_with_3(o):
    """The server ended by itself with exit status 3."""
    return o["status"] == 3


def ends_with_1(o):
    """The server ended by itself with exit status 1."""
    return o["status"] == 1


def looks(o):
    """After the signal a new worker answered, or the master closed its port."""
    return unnoticed(o) and o["after"] != "timeout"


def claim(number, text, shows, absent, trigger=not_loaded, sign=unnoticed):
    """A claim on a worker that ended, at the start where nothing else is said."""
    return Claim(f"IF-{number}", text, sign=sign, trigger=trigger, shows=shows.split(), absent=absent.split())


CLAIMS = [
    claim(
        1,
        'If the application cannot be imported, gunicorn 24.0.0 does not end: it logs "Unhandled signal: cld", keeps '
        "the dead worker, and serves nobody.",
        "documented missing",
        "gunicorn-23.0.0 gunicorn-24.1.0",
    ),
    claim(
        2,
        "All other releases that were run end with exit status 3.",
        " ".join(f"gunicorn-{release}" for release in GOOD),
        "documented",
        sign=ends_with_3,
    ),
    claim(
        3,
        "The cause: the handler is looked up by the signal's name, which is cld, and 24.0.0 has one for chld alone. "
        "With a second name for it 24.0.0 notices; without it 24.1.1 does not.",
        "documented 24.1.1-unhandled",
        "handled gunicorn-24.1.1",
    ),
    claim(
        4,
        "The timeout does not help: the master reports the dead worker, and does not replace it. One that failed at "
        "the start it does not even report.",
        "killed-timeout-3",
        "killed timeout-3",
        worker_ended,
        unnoticed_at_timeout,
    ),
    claim(5, "With --preload 24.0.0 ends too, with status 1.", "preload", "documented", sign=ends_with_1),
    claim(
        6,
        "Later it is the same: 24.0.0 never replaces a worker that is killed, or that ends at max_requests.",
        "killed killed-24.1.1-unhandled recycled",
        "killed-23.0.0 killed-24.1.0 killed-27.0.1 killed-handled recycled-24.1.0",
        served,
    ),
    claim(7, "An init as process 1 makes no difference.", "recycled no-init", "recycled-24.1.0 no-init-24.1.0", served),
    claim(
        8,
        "A reload (SIGHUP) makes it look: it replaces the dead worker, or ends. Another signal does not.",
        "documented killed recycled",
        "usr1 killed-usr1",
        worker_ended,
        looks,
    ),
]

COLUMNS = [
    Column("exit status", lambda o: o["status"]),
    Column("dead worker", lambda o: {None: None, True: "kept", False: "gone"}[o["kept"]]),
    Column("a client then", lambda o: o["answer"]),
    Column("after the signal", lambda o: o["after"]),
    Column("unhandled", lambda o: " ".join(o["unhandled"]) or None),
    Column("timed out", lambda o: len(o["timed_out"])),
]
