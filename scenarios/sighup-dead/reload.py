"""uWSGI is asked to reload: has it new workers then, and what does its master do?"""

import time

from reprolab import Claim, Column, logs

FIXED = {"UWSGI": "2.0.28"}
WAYS = ("pidfile", "touch", "autoreload", "fifo")
VARIANTS = {
    "documented": {},
    "uwsgi-2.0.24": {"UWSGI": "2.0.24"},
    "uwsgi-2.0.26": {"UWSGI": "2.0.26"},
    "uwsgi-2.0.28": FIXED,
    "uwsgi-2.0.31": {"UWSGI": "2.0.31"},
    "no-signal": {"TRIGGER": "none"},
    # Other ways to ask for the same, in the bad release and in the next one.
    **{way: {"TRIGGER": way} for way in WAYS},
    **{f"{way}-2.0.28": FIXED | {"TRIGGER": way} for way in WAYS},
    # With a program that uWSGI looks after.
    "daemon": {"DAEMON": "sleep"},
    "daemon-2.0.26": {"DAEMON": "sleep", "UWSGI": "2.0.26"},
    "daemon-2.0.28": {"DAEMON": "sleep"} | FIXED,
    # Reloads that take another way through the master.
    "chain": {"TRIGGER": "chain"},
    "lazy": {"APPS": "lazy"},
    "lazy-apps": {"APPS": "lazy-apps"},
    # The cause: taken out of the release that has it, and put into its neighbours.
    "no-wait": {"PATCH": "no-wait"},
    "2.0.26-wait": {"UWSGI": "2.0.26", "PATCH": "wait"},
    "2.0.28-wait": FIXED | {"PATCH": "wait"},
}
TRIALS = 3
PARALLEL = True

# What asks for a reload: a command of the shell, with the master's pid.
ASK = {
    "none": ":",
    "signal": "kill -HUP {}",
    "pidfile": "uwsgi --reload /tmp/uwsgi.pid",
    "touch": "touch /tmp/reload",
    "autoreload": "touch /srv/app/app.py",
    "fifo": "echo r > /tmp/fifo",
    "chain": "echo c > /tmp/fifo",
}
# What uWSGI prints when it has noticed; the others are signals, or the fifo, whose writer waits for a reader.
NOTICED = {"touch": "/tmp/reload has been touched", "autoreload": "app.py has been modified"}
SIGNALS = ("signal", "pidfile")
RELOAD = 8  # seconds in which a reload is done; it takes about 2
REPLACE = 5  # seconds in which a worker that was killed is replaced; it takes about 1
PAUSE = 1.2  # --touch-reload and --py-autoreload look once a second, at times in whole seconds


def drive(stack):
    """Ask for a reload, look at the workers; then kill one, and then all the others that were there."""
    time.sleep(PAUSE)
    way, daemons = stack.factors["TRIGGER"], int(stack.factors["DAEMON"] != "none")
    before = until(stack, lambda seen: len(seen["daemons"]) == daemons, RELOAD)
    code, text = stack.execute("app", ["sh", "-c", ASK[way].format(before["master"])])
    after = until(stack, lambda seen: renewed(before["workers"], seen, daemons), RELOAD if way != "none" else PAUSE)
    driven = {"way": way, "asked": {"code": code, "text": text}, "before": before, "after": after}
    driven |= {"lines": len(stack.printed("app")), "by": int(stack.get("/").text)}
    if way in ("none", "signal"):
        for step, killed in {"one_killed": after["workers"][-1:], "all_killed": after["workers"]}.items():
            stack.kill("app", killed)
            driven[step] = until(stack, lambda seen, killed=killed: renewed(killed, seen), REPLACE)
    return driven


def look(stack):
    """The master, its workers and daemons, and what its main thread waits for: a system call, its first argument."""
    snapshot = stack.processes()
    master = snapshot.server()
    call = next((thread.syscall for thread in master.threads if thread.tid == master.pid), None)
    children = [child for child in snapshot.children(master.pid) if child.state != "Z"]
    return {
        "master": master.pid,
        "workers": [child.pid for child in children if "uwsgi" in child.title],
        "daemons": [child.pid for child in children if "uwsgi" not in child.title],
        **({"waits_in": call.name, "argument": call.arguments[0]} if call else {"waits_in": None, "argument": None}),
        **{name: "SIGHUP" in getattr(master.signals, name) for name in ("caught", "pending")},
    }


def until(stack, done, limit):
    """Look until ``done`` is true of a look, or for ``limit`` seconds; the last look."""
    end = time.monotonic() + limit
    while not done(seen := look(stack)) and time.monotonic() < end:
        time.sleep(0.5)
    return seen


def renewed(gone, seen, daemons=0):
    """Two workers, none of ``gone`` among them, and so many daemons."""
    return len(seen["workers"]) == 2 and len(seen["daemons"]) >= daemons and not set(seen["workers"]) & set(gone)


def observe(evidence, driven):
    """How often uWSGI had started before the workers were killed, and in the end; whether it saw that it was asked."""
    lines = [line.decode("utf-8", "replace") for line in evidence.lines("app")]
    started = [number for number, line in enumerate(lines) if logs.UWSGI.search("master_starting", line)]
    noticed = NOTICED.get(driven["way"])
    return driven | {
        "starts": [sum(n < driven["lines"] for n in started), len(started)],
        "noticed": noticed is None or any(noticed in line for line in lines),
    }


# -- triggers and signs: pure functions of one observation ---------------------------------------


def asked(o):
    """The master was asked: it has a handler for the signal and took it, or it printed that it noticed."""
    taken = o["before"]["caught"] and not o["after"]["pending"] if o["way"] in SIGNALS else o["noticed"]
    return o["way"] != "none" and o["asked"]["code"] == 0 and taken


def same_workers(o):
    """The workers are those from before, and one of them answers."""
    return o["after"]["workers"] == o["before"]["workers"] and o["by"] in o["before"]["workers"]


def new_workers(o):
    """All workers are new, and one of them answers."""
    return renewed(o["before"]["workers"], o["after"]) and o["by"] in o["after"]["workers"]


def master_waits_for_worker(o):
    """The workers are the same, and the master waits for the end of one of them."""
    return same_workers(o) and o["after"]["waits_in"] == "wait4" and o["after"]["argument"] in o["after"]["workers"]


def daemon_is_gone(o):
    """There was a daemon, the workers are the same, and the daemon was ended and not started again."""
    return bool(o["before"]["daemons"]) and not o["after"]["daemons"] and same_workers(o)


def not_replaced(o):
    """One worker was killed, and the others are alone."""
    return "one_killed" in o and o["one_killed"]["workers"] == o["after"]["workers"][:-1]


def reloads_late(o):
    """uWSGI had not started anew; it did when all its workers had been killed."""
    return o["starts"] == [1, 2] and "all_killed" in o and renewed(o["after"]["workers"], o["all_killed"])


def claim(number, text, sign, shows, absent, **more):
    """A claim on a sign; each needs that uWSGI was asked."""
    return Claim(f"SD-{number}", text, sign=sign, trigger=asked, shows=shows, absent=absent, **more)


GOOD = ["uwsgi-2.0.24", "uwsgi-2.0.26", "uwsgi-2.0.28", "uwsgi-2.0.31"]
DOC, NOT, NEAR = ["documented"], ["no-signal"], ["uwsgi-2.0.26", "uwsgi-2.0.28"]
CLAIMS = [
    claim(1, "uWSGI 2.0.27 makes no new workers after SIGHUP; 2.0.26 does.", same_workers, DOC, GOOD),
    claim(
        2,
        "Nor does it after uwsgi --reload, --touch-reload, --py-autoreload, or an r in the master's fifo.",
        same_workers,
        [*WAYS],
        [f"{way}-2.0.28" for way in WAYS],
    ),
    claim(
        3,
        "An attached daemon is not restarted either: it is ended, and nobody starts it again.",
        daemon_is_gone,
        ["daemon"],
        ["daemon-2.0.26", "daemon-2.0.28"],
    ),
    claim(
        4, "From then on the master replaces no worker that dies.", not_replaced, DOC, [*NOT, *NEAR], untriggered=NOT
    ),
    claim(5, "When all old workers have ended, the reload goes on.", reloads_late, DOC, [*NOT, *NEAR], untriggered=NOT),
    claim(
        6,
        "The cause: before it tells its workers to end, the master of 2.0.27 waits for their end.",
        master_waits_for_worker,
        ["documented", "2.0.26-wait", "2.0.28-wait"],
        ["no-wait", *NEAR],
    ),
    claim(
        7,
        "A chain reload, and a reload with --lazy, do not come to that place: with them 2.0.27 has new workers.",
        new_workers,
        ["chain", "lazy"],
        ["documented", "lazy-apps"],
    ),
]

COLUMNS = [
    Column("workers before", lambda o: "/".join(map(str, o["before"]["workers"]))),
    Column("after", lambda o: "/".join(map(str, o["after"]["workers"]))),
    Column("the master is in", lambda o: o["after"]["waits_in"]),
    Column("one killed", lambda o: ("not replaced" if not_replaced(o) else "replaced") if "one_killed" in o else None),
    Column("starts", lambda o: "/".join(map(str, o["starts"]))),
    Column("daemons", lambda o: "/".join(str(len(o[when]["daemons"])) for when in ("before", "after"))),
]
