"""What happens to a running request when the master gets a signal, with graceful_timeout shorter and longer than it."""

import re

from reprolab import Claim, Column, Event, logs, wait_until

from .common import Gunicorn, Lab

TWO = {"ARGUMENTS": "--graceful-timeout 2", "LASTS": "6"}
LONG = "--graceful-timeout 20"
HUP = {**TWO, "SIGNAL": "HUP"}
GEVENT = {"WORKER_CLASS": "gevent"}
THREADS = "--threads 4"
GTHREAD = {"WORKER_CLASS": "gthread", "ARGUMENTS": f"--graceful-timeout 2 {THREADS}"}
LIMITED = {"ARGUMENTS": "--graceful-timeout 20 --timeout 3", "LASTS": "9"}
VARIANTS = {
    "documented": {},
    "term": TWO,
    "term-long": {**TWO, "ARGUMENTS": LONG},
    "int": {**TWO, "SIGNAL": "INT"},
    "quit": {**TWO, "SIGNAL": "QUIT"},
    # A view that does not let itself be ended by the SystemExit that gunicorn raises in it.
    "quit-stubborn": {**TWO, "SIGNAL": "QUIT", "WORK": "stubborn"},
    "int-stubborn": {**TWO, "SIGNAL": "INT", "WORK": "stubborn"},
    "ttou": {**TWO, "SIGNAL": "TTOU", "WORKERS": "2"},
    "usr1": {**TWO, "SIGNAL": "USR1"},
    "usr2": {**TWO, "SIGNAL": "USR2"},
    "winch": {**TWO, "SIGNAL": "WINCH"},
    "hup": HUP,
    "hup-long": {**HUP, "ARGUMENTS": LONG},
    "gevent-hup": {**HUP, **GEVENT},
    "gevent-hup-long": {**HUP, **GEVENT, "ARGUMENTS": LONG},
    "gevent-term": {**TWO, **GEVENT},
    "gthread-hup": {**HUP, **GTHREAD},
    "gthread-term": {**TWO, **GTHREAD},
    "hup-timeout": {**HUP, **LIMITED},
    "gevent-hup-timeout": {**HUP, **GEVENT, **LIMITED},
    "gthread-hup-timeout": {**HUP, **GTHREAD, **LIMITED, "ARGUMENTS": f"{LIMITED['ARGUMENTS']} {THREADS}"},
}
TRIALS = 2
PARALLEL = True
AFTERWARDS = 6.0  # seconds in which an old worker may still end after its request has ended


def drive(stack):
    """Send one request and one signal to the master; see how the request ends, and when workers come and go."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    before = set(gunicorn.workers())
    path = f"/{stack.factors['WORK']}/{stack.factors['LASTS']}"
    # With two workers TTOU ends the older one, which may not be the one that got the request. So both get one.
    for n in range(len(before)):
        number = lab.begin(path)
        wait_until("the request is begun", lambda n=n: len(lab.begun(path)) == n + 1)
    numbers = list(range(number - len(before) + 1, number + 1))
    sent = gunicorn.kill(stack.factors["SIGNAL"])
    observation = watch(lab, gunicorn, before, numbers, sent)
    answers = sorted(lab.call("answers", numbers=numbers), key=lambda answer: answer["ended"])
    first = answers[0]
    observation |= {
        "statuses": sorted({str(answer["status"]) for answer in answers}),
        "after_s": round(first["ended"] - sent, 2),
        "timeout_told": bool(logs.GUNICORN.search("timeout", gunicorn.output)),
        "heard": stack.factors["SIGNAL"].lower() in re.findall(logs.GUNICORN.pattern("signal"), gunicorn.output),
        "ended": gunicorn.code is not None,
    }
    lab.keep()
    return observation


def watch(lab, gunicorn, before, numbers, sent):
    """The seconds from the signal until a new worker was there and until an old one had gone; None if neither was."""
    seen = {"new_s": None, "old_gone_s": None}
    state = {"over": None}

    def look():
        now, workers = lab.call("now"), set(gunicorn.workers())
        if seen["new_s"] is None and fresh(lab, workers - before):
            seen["new_s"] = round(now - sent, 2)
        if seen["old_gone_s"] is None and before - workers:
            seen["old_gone_s"] = round(now - sent, 2)
        if None in lab.call("answers", numbers=numbers):
            return False
        state["over"] = state["over"] or now
        settled = seen["old_gone_s"] is not None and (seen["new_s"] is not None or gunicorn.code is not None)
        return settled or now - state["over"] > AFTERWARDS

    wait_until("the request has ended, and what follows it", look, 60)
    return seen


def fresh(lab, pids):
    """The new processes that are workers. After USR2 a new master is a child of the old one, but no worker."""
    return [pid for pid in pids if any(note[1] == pid and note[3] == "import" for note in lab.notes())]


def zero(evidence, o):
    """0: the moments count from the signal."""
    return 0


def events(evidence, o):
    """The request, from the signal on, and the workers that come and go."""
    fate = "answered" if answered(o) else "cut off"
    yield Event(0, "note", f"request in hand, then {fate}", "request", 1000 * o["after_s"])
    if not answered(o):
        yield Event(1000 * o["after_s"], "killed", "the request is cut off", "client")
    if o["new_s"] is not None:
        yield Event(1000 * o["new_s"], "started", "new worker", "gunicorn")
    if o["old_gone_s"] is not None:
        yield Event(1000 * o["old_gone_s"], "note", "the old worker is gone", "old worker gone")


def in_hand(o):
    """The master logged the signal, and the request, which had begun before it, ended after it."""
    return o["heard"] and o["after_s"] > 0


def answered(o):
    """The request was answered with 200."""
    return o["statuses"] == ["200"]


def cut_at_graceful(o):
    """The request was cut off when graceful_timeout was over: after two seconds and the time to notice it.

    A gevent worker notices the signal within a second, counts in whole seconds, and gives its server one second more.
    """
    return o["statuses"] == ["None"] and 1.8 <= o["after_s"] <= 5.5


def new_at_once_old_finishes(o):
    """A new worker came while the request was running; it was answered in full, after graceful_timeout was over."""
    at_once = o["new_s"] is not None and o["new_s"] < 2.5 and o["new_s"] < o["after_s"]
    return at_once and answered(o) and o["after_s"] > 4.8 and o["old_gone_s"] >= o["after_s"] - 0.2


def new_at_once_old_cut(o):
    """A new worker came while the request was running, and it was cut off when graceful_timeout was over."""
    return o["new_s"] is not None and o["new_s"] < 2.5 and o["new_s"] < o["after_s"] and cut_at_graceful(o)


def cut_by_timeout(o):
    """gunicorn's timeout ended the request of an old worker, long before graceful_timeout was over."""
    return o["statuses"] == ["None"] and o["timeout_told"] and o["after_s"] < 7


def seen(o):
    """How the request ended, and when a new worker came."""
    fate = "answered" if answered(o) else "cut off"
    new = f", new worker {o['new_s']:.1f} s" if o["new_s"] is not None else ""
    return f"{fate} {o['after_s']:.1f} s after the signal{new}"


OTHERS = ["int", "quit", "ttou", "usr1", "usr2", "winch", "hup"]
CLAIMS = [
    Claim(
        "GS-36",
        "graceful_timeout: sync: of the signals to the master, it applies only on TERM.",
        sign=cut_at_graceful,
        trigger=in_hand,
        needs_idle=True,
        shows=["term"],
        absent=["documented", "term-long", *OTHERS],
        but=["GS-58"],
        setting="graceful_timeout",
        measured=seen,
    ),
    Claim(
        "GS-37",
        "graceful_timeout: sync, HUP: new workers start at once; old ones end after their request, whatever "
        "graceful_timeout is.",
        sign=new_at_once_old_finishes,
        trigger=in_hand,
        needs_idle=True,
        shows=["hup", "hup-long"],
        absent=["term", "gevent-hup"],
        setting="graceful_timeout",
        measured=seen,
    ),
    Claim(
        "GS-38",
        "graceful_timeout: gevent, HUP: new workers start at once; old ones are killed after graceful_timeout.",
        sign=new_at_once_old_cut,
        trigger=in_hand,
        needs_idle=True,
        shows=["gevent-hup"],
        absent=["hup", "gevent-hup-long", "gevent-term"],
        setting="graceful_timeout",
        measured=seen,
    ),
    Claim(
        "GS-39",
        "timeout during a graceful HUP: it ends the request of an old sync worker, however long graceful_timeout is.",
        sign=cut_by_timeout,
        trigger=in_hand,
        needs_idle=True,
        shows=["hup-timeout"],
        absent=["hup", "hup-long", "gevent-hup-timeout"],
        setting="timeout",
        measured=seen,
    ),
    Claim(
        "GS-57",
        "gthread, HUP: graceful_timeout ends no request: the old worker waits for its threads, as a sync worker waits.",
        sign=new_at_once_old_finishes,
        trigger=in_hand,
        needs_idle=True,
        shows=["gthread-hup"],
        absent=["gthread-term", "gevent-hup", "term"],
        setting="graceful_timeout",
        measured=seen,
    ),
    Claim(
        "GS-59",
        "gthread, HUP: timeout, which otherwise ends no request of a gthread worker, ends one of an old worker.",
        sign=cut_by_timeout,
        trigger=in_hand,
        needs_idle=True,
        shows=["gthread-hup-timeout"],
        absent=["gthread-hup", "gevent-hup-timeout", "gthread-term"],
        setting="timeout",
        measured=seen,
    ),
    Claim(
        "GS-58",
        "sync, QUIT and INT: graceful_timeout is the limit for a request that does not let itself be ended (stubborn). "
        "Any other request is ended at once.",
        sign=cut_at_graceful,
        trigger=in_hand,
        needs_idle=True,
        shows=["quit-stubborn", "int-stubborn"],
        absent=["quit", "int"],
        setting="graceful_timeout",
        measured=seen,
    ),
]

COLUMNS = [
    Column("request", lambda o: "answered" if answered(o) else "cut off"),
    Column("after the signal", lambda o: o["after_s"], "{:.1f} s"),
    Column("new worker", lambda o: o["new_s"], "{:.1f} s"),
    Column("old worker gone", lambda o: o["old_gone_s"], "{:.1f} s"),
]
