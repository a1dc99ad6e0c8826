"""Workers of uvicorn end, one and then all of them: does the parent start new ones, and who answers meanwhile?"""

import re
import time

from reprolab import Claim, Column, InvalidTrial, logs

NEWEST = {"UVICORN": "0.54.0"}
VARIANTS = {
    "documented": {},
    **{f"uvicorn-{release}": {"UVICORN": release} for release in ("0.20.0", "0.30.0", "0.30.1", "0.30.2", "0.54.0")},
    # Nobody kills a worker here: each ends by itself after three requests.
    "max-requests": {"LIMIT": "3"},
    "0.54.0-max-requests": NEWEST | {"LIMIT": "3"},
    # The causes: one place in uvicorn's source, changed in both directions.
    "supervised": {"PATCH": "supervised"},
    "0.54.0-unsupervised": NEWEST | {"PATCH": "unsupervised"},
    "0.30.1-in-place": {"UVICORN": "0.30.1", "PATCH": "in-place"},
    "0.30.2-appended": {"UVICORN": "0.30.2", "PATCH": "appended"},
    # A worker that ends with a status of its own.
    "0.49.0-status-3": {"UVICORN": "0.49.0", "DEATH": "3"},
    "0.50.0-status-3": {"UVICORN": "0.50.0", "DEATH": "3"},
    "0.54.0-status-3": NEWEST | {"DEATH": "3"},
    "0.54.0-status-4": NEWEST | {"DEATH": "4"},
}
TRIALS = 3
PARALLEL = True

WORKERS = ["sh", "-c", "grep -ls 'spawn_mai[n]' /proc/[0-9]*/cmdline"]  # a process that has ended has no command
# Seconds: new workers appear in REPLACED (on an idle machine 1), the parent has looked several times in SETTLED, an
# answer that comes at all does so before LATE, and the server ends within GRACE of its stop signal (here: 1).
REPLACED, SETTLED, LATE, GRACE = 8, 2, 3, 10


def drive(stack):
    """End one worker and look; end all and look, by requests if they have a limit; stop the server."""
    stack.may_end("app", "the end of a worker may end the server")
    before, served = workers(stack), [stack.probe("/") for _ in range(2)]
    limited = stack.factors["LIMIT"] == "3"
    first = None if limited else look(stack, before, kill(stack, before[:1]))
    left = workers(stack)
    rest = look(stack, left, spend(stack, left) if limited else kill(stack, left)) if left else None
    finished = len(re.findall(logs.UVICORN.pattern("exiting"), "\n".join(stack.printed("app"))))
    running = stack.running("app")
    stopped = stack.stop("app", grace=GRACE)
    seen = {"workers": int(stack.factors["WORKERS"]), "before": before, "served": served, "one": first, "all": rest}
    return seen | {"finished": finished, "running": running, "exit_status": stopped.exit_status}


def workers(stack):
    """The pids of the workers that have not ended; none if the server has."""
    try:
        printed = stack.execute("app", WORKERS)[1]
    except InvalidTrial:
        if stack.running("app"):
            raise
        return []
    return sorted(int(path.split("/")[2]) for path in printed.split() if path.startswith("/proc/"))


def kill(stack, pids):
    """End workers as DEATH says. Return those that ended."""
    stack.kill("app", pids, "KILL" if stack.factors["DEATH"] == "KILL" else "USR1")
    for pid in pids if stack.running("app") else []:
        stack.wait_ended("app", pid)
    return pids


def spend(stack, pids):
    """Send requests until all these workers have ended, or nobody answers. Return those that ended."""
    for _ in range(8 * len(pids) * int(stack.factors["LIMIT"])):
        if stack.probe("/", timeout=LATE) != "200" or not set(pids) & set(workers(stack)):
            break
    return sorted(set(pids) - set(workers(stack)))


def look(stack, lived, ended):
    """Wait for as many workers as before, and then until the parent has looked again. Who is there, and who answers?"""
    end = time.monotonic() + REPLACED
    while len(workers(stack)) < len(lived) and stack.running("app") and time.monotonic() < end:
        time.sleep(0.3)
    time.sleep(SETTLED)
    seen = {"lived": lived, "ended": ended, "left": workers(stack), "running": stack.running("app")}
    return seen | {"answers": [stack.probe("/", timeout=LATE), connected(stack)] if seen["running"] else []}


def connected(stack):
    """One request byte by byte, as the word for its result: "timeout" is a connection that was made, and no answer."""
    with stack.connect("app") as client:
        client.send(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
        return str(client.outcome(limit=LATE))


def observe(evidence, driven):
    """What the log adds: the workers that the parent found dead."""
    matches = [logs.UVICORN.search("died", line) for line in evidence.lines("app")]
    return driven | {"died": [int(match[1]) for match in matches if match]}


# -- triggers and signs: pure functions of one observation ---------------------------------------


def served(o):
    """All workers ran, and the server answered."""
    return len(o["before"]) == o["workers"] and o["served"] == ["200", "200"]


def one_killed(o):
    """Of several workers that served one has ended."""
    return served(o) and o["workers"] > 1 and bool(o["one"]) and o["one"]["ended"] == o["before"][:1]


def all_killed(o):
    """All workers that were left have ended, at once."""
    return served(o) and bool(o["all"]) and o["all"]["ended"] == o["all"]["lived"]


def all_died(o):
    """As many workers as there were have ended: they were killed, or were done with their requests."""
    return served(o) and (all_killed(o) or o["finished"] >= o["workers"])


def two_killed(o):
    """Two or more ended at once."""
    return all_killed(o) and len(o["all"]["ended"]) > 1


def alone(o):
    """The one is not replaced: its siblings are all that is left, and they answer."""
    seen = o["one"]
    return bool(seen) and seen["left"] == o["before"][1:] and seen["answers"] == ["200", "200"]


def accepts_and_is_silent(o):
    """No worker is left, the server runs on, connections are made, and no request gets an answer."""
    seen = o["all"]
    return bool(seen) and not seen["left"] and seen["running"] and seen["answers"] == ["timeout", "timeout"]


def replaced_twice(o):
    """The parent found the same dead worker a second time, and started another one for it."""
    return len(o["died"]) > len(set(o["died"]))


def does_not_stop(o):
    """The stop signal does not end the server; SIGKILL does, after the grace time."""
    return o["running"] and o["exit_status"] == 137


def stopped_by_it(o):
    """Nobody stopped the server, which served with its other worker; it ended, with exit status 0."""
    return not o["running"] and bool(o["one"]) and not o["one"]["left"] and o["exit_status"] == 0


def claim(number, text, sign, trigger, shows, absent, **more):
    """A claim on a sign."""
    return Claim(f"DW-{number}", text, sign=sign, trigger=trigger, shows=shows, absent=absent, **more)


BAD, EARLY = ["documented", "uvicorn-0.20.0"], ["uvicorn-0.30.0", "uvicorn-0.30.1"]
GOOD = ["uvicorn-0.30.2", "uvicorn-0.54.0"]
SINGLE = "uvicorn does not start single workers again: one that was killed is not replaced, and its siblings go on."
SILENT = "uvicorn stays alive when all workers are dead: it accepts connections, and no request gets an answer."
LIMIT = "No accident is needed: with --limit-max-requests the workers end by themselves, and the server is silent."
CAUSE = "The cause: the parent of 0.29.0 waits for a signal and looks at no worker; from 0.30.0 on it looks."
MANY = "0.30.0 and 0.30.1 replace a worker twice if all die at once: they delete another worker's entry of their list."
LOST = "The worker whose entry they deleted is not told to stop: the stop signal does not end the server, SIGKILL must."
STATUS = "From 0.50.0 on a worker that exits with 3 may stop the server, also if it has served; its status is then 0."
OTHER = ["0.49.0-status-3", "0.54.0-status-4"]
CLAIMS = [
    claim(1, SINGLE, alone, one_killed, BAD, [*EARLY, *GOOD]),
    claim(2, SILENT, accepts_and_is_silent, all_killed, BAD, [*EARLY, *GOOD]),
    claim(3, LIMIT, accepts_and_is_silent, all_died, ["max-requests"], ["0.54.0-max-requests", *GOOD]),
    claim(4, CAUSE, alone, one_killed, ["documented", "0.54.0-unsupervised"], ["supervised", "uvicorn-0.54.0"]),
    claim(5, MANY, replaced_twice, two_killed, [*EARLY, "0.30.2-appended"], [*GOOD, "0.30.1-in-place"]),
    claim(6, LOST, does_not_stop, two_killed, [*EARLY, "0.30.2-appended"], [*GOOD, "0.30.1-in-place"]),
    claim(7, STATUS, stopped_by_it, one_killed, ["0.50.0-status-3", "0.54.0-status-3"], OTHER, sometimes=True),
]


def count(seen):
    """How many workers there were, and how many there are after it."""
    return f"{len(seen['lived'])} → {len(seen['left'])}" if seen else None


def answers(seen):
    """What requests get after it."""
    return "/".join(dict.fromkeys(seen["answers"])) or "—" if seen else None


COLUMNS = [
    Column("one ended", lambda o: count(o["one"])),
    Column("requests get", lambda o: answers(o["one"])),
    Column("all ended", lambda o: count(o["all"])),
    Column("requests get then", lambda o: answers(o["all"])),
    Column("server", lambda o: "runs on" if o["running"] else "ended"),
    Column("exit status at its stop", lambda o: str(o["exit_status"])),
]
