"""How often a request that uses multiprocessing.Pool freezes, and what it takes."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

from reprolab import Claim, Column, InvalidTrial
from reprolab.waits import stuck

MANY = "60"
VARIANTS = {
    "documented": {},
    # What becomes of task 5.
    "no-exception": {"OUTCOME": "none"},
    "return-exception": {"OUTCOME": "return-exception"},
    "return-traceback": {"OUTCOME": "return-traceback"},
    "return-text": {"OUTCOME": "return-text"},
    # How far away the site is.
    "latency-0": {"LATENCY_MS": "0"},
    "latency-10": {"LATENCY_MS": "10"},
    "latency-300": {"LATENCY_MS": "300"},
    # What the tasks do.
    "sleep": {"TASK": "sleep"},
    "compute": {"TASK": "compute"},
    "nothing": {"TASK": "nothing"},
    # Interpreters. Django 2.2 does not run on 3.13.
    "python-3.7": {"PYTHON": "3.7.16"},
    "python-3.8": {"PYTHON": "3.8.18"},
    "python-3.9": {"PYTHON": "3.9.18"},
    "python-3.10": {"PYTHON": "3.10.13"},
    "python-3.11": {"PYTHON": "3.11.7"},
    "python-3.12": {"PYTHON": "3.12.1"},
    "python-3.13": {"PYTHON": "3.13.0", "DJANGO": "4.2.16"},
    # Servers.
    "gthread": {"WORKER_CLASS": "gthread"},
    "gunicorn-19.9.0": {"GUNICORN": "19.9.0"},
    "gunicorn-20.0.4": {"GUNICORN": "20.0.4"},
    "gunicorn-21.2.0": {"GUNICORN": "21.2.0"},
    "gunicorn-23.0.0": {"GUNICORN": "23.0.0", "PYTHON": "3.7.16"},
    "gunicorn-27.0.1": {"GUNICORN": "27.0.1", "PYTHON": "3.12.1"},
    "runserver": {"SERVER": "runserver"},
    "runserver-noreload": {"SERVER": "runserver-noreload"},
    "script": {"SERVER": "script", "ATTEMPTS": MANY},
    # The cause: taken away under gunicorn, brought where there is no gunicorn.
    "handler-default": {"HANDLER": "default", "ATTEMPTS": MANY},
    "script-noting": {"SERVER": "script", "HANDLER": "noting"},
    "runserver-noting": {"SERVER": "runserver-noreload", "HANDLER": "noting"},
    # The race: decided one way, and the other.
    "held": {"RUNNER": "held"},
    "held-handler-default": {"RUNNER": "held", "HANDLER": "default", "ATTEMPTS": "20"},
    "late": {"RUNNER": "late", "OUTCOME": "none"},
    "late-handler-default": {"RUNNER": "late", "OUTCOME": "none", "HANDLER": "default", "ATTEMPTS": "20"},
    "settled": {"RUNNER": "settled", "ATTEMPTS": MANY},
    # What one might do about it.
    "wrapper-as-written": {"RUNNER": "wrapper-as-written"},
    "wrapper-as-written-value": {"RUNNER": "wrapper-as-written-value"},
    "wrapper-at-once": {"RUNNER": "wrapper-at-once"},
    "wrapper-afterwards": {"RUNNER": "wrapper-afterwards", "ATTEMPTS": MANY},
    "wrapper-afterwards-latency-0": {"RUNNER": "wrapper-afterwards", "LATENCY_MS": "0", "ATTEMPTS": MANY},
    "close-join": {"RUNNER": "close-join", "ATTEMPTS": MANY},
    "initializer": {"RUNNER": "initializer", "ATTEMPTS": MANY},
    "spawn": {"RUNNER": "spawn", "ATTEMPTS": "20"},
    "forkserver": {"RUNNER": "forkserver", "ATTEMPTS": "20"},
    "executor": {"RUNNER": "executor", "ATTEMPTS": MANY},
    "threads": {"RUNNER": "threads", "ATTEMPTS": MANY},
    "in-turn": {"RUNNER": "in-turn", "ATTEMPTS": "20"},
}
TRIALS = 1
PARALLEL = True

ROUNDS = 5  # five tasks: one after the other at worst
GRACE = 0.4  # seconds for a request's own work, before its processes are looked at
BETWEEN = 0.4  # seconds between two looks
LIMIT = 25.0  # seconds; gunicorn's own limit is 30
RELEASE = 10.0
KNOWN_ERRORS = ("hello", "MaybeEncodingError", "NameError")

LINE = re.compile(r"^\[(\d+) of (\d+)\] (.*)$")
BEGIN, END = re.compile(r"request (\d+) begins"), re.compile(r"request (\d+) ends(?:: (.*))?$")
TASK_BEGIN, TASK_END = re.compile(r"\(?(\d),?\)?$"), re.compile(r"\(?(\d),?\)? / (\w+)$")


def drive(stack):
    """Ask one time after the other; look at the processes of each request that does not come back, then free it."""
    attempts = int(stack.factors["ATTEMPTS"])
    check_upstream(stack)
    seen = []
    with ThreadPoolExecutor(1) as clients:
        for number in range(1, attempts + 1):
            seen.append(attempt(stack, clients, number, first=not any(one["frozen"] for one in seen)))
    check_upstream(stack)
    return {"attempts": seen, "sigterm": next((one["sigterm"] for one in seen if one["sigterm"]), None)}


def check_upstream(stack):
    """Without its neighbour every task fails, which is not what the document saw."""
    answer = stack.probe("/now", role="upstream")
    if answer != "200":
        raise InvalidTrial(f"the upstream does not answer: {answer}")


def attempt(stack, clients, number, first):
    """One request: answered, or found frozen and freed."""
    begun = time.monotonic()
    asked = clients.submit(stack.probe, f"/run/{number}", timeout=LIMIT + RELEASE + 10)
    sigterm = sigterm_of_children(stack, asked, number) if number == 1 else None
    expected = ROUNDS * float(stack.factors["LATENCY_MS"]) / 1000 if number == 1 else 0
    found = wait_or_find_stuck(stack, asked, number, begun, expected + GRACE)
    result = {"number": number, "frozen": bool(found), "sigterm": sigterm}
    if not found:
        return result | {"status": asked.result(), "ms": round((time.monotonic() - begun) * 1000)}
    forensics = describe(stack, found) if first else None
    return result | {"chain": chain(found), "forensics": forensics, "freed": free(stack, asked, found)}


def worker_of(stack, number):
    """The pid of the process that began a request; None before it did."""
    for line in reversed(stack.printed("app")):
        if (found := LINE.match(line)) and found[3] == f"request {number} begins":
            return int(found[1])
    return None


def sigterm_of_children(stack, asked, number):
    """What SIGTERM does in the worker and in its pool's children, looked at while they work; None if not seen."""
    while not asked.done():
        worker = worker_of(stack, number)
        snapshot = stack.processes()
        if worker in snapshot.processes and (children := pool_children(snapshot, worker)):
            return {
                "worker": snapshot.processes[worker].signals.action("SIGTERM"),
                "children": sorted({child.signals.action("SIGTERM") for child in children}),
            }
    return None


def pool_children(snapshot, worker):
    """The processes below a worker, without the helpers that multiprocessing starts beside a pool's children."""
    helpers = ("semaphore_tracker", "resource_tracker", "forkserver import main")
    return [
        process
        for process in snapshot.descendants(worker)
        if process.state != "Z" and not any(helper in process.title for helper in helpers)
    ]


def wait_or_find_stuck(stack, asked, number, begun, patience):
    """Wait for the answer; without one, look twice: the chain that holds the request, or nothing if it answered.

    Slow is not frozen: as long as a process moves, or waits for the network or a clock, the wait goes on.
    """
    wait_for(asked, patience)
    before = None
    while not asked.done():
        if time.monotonic() - begun > LIMIT:
            raise InvalidTrial(f"request {number} has no answer after {LIMIT:g} s, yet its processes are not stuck")
        if not stack.running("app"):
            raise InvalidTrial(f"the server ended under request {number}")
        after, worker = stack.processes(), worker_of(stack, number)
        if before and worker and (found := stuck(before, after, worker)) and not asked.done():
            return after, found
        before = after
        wait_for(asked, BETWEEN)
    return None


def wait_for(asked, seconds):
    """Sleep until the answer is there, or the time is up."""
    end = time.monotonic() + seconds
    while not asked.done() and time.monotonic() < end:
        time.sleep(0.005)


def chain(found):
    """Who waits for whom, as text."""
    return [f"{link.pid}: {link.wait.text}" for link in found[1]]


def describe(stack, found):
    """The full look, once for each trial; and where the Python code of the stuck processes is."""
    seen = stack.forensics()
    pids = list(dict.fromkeys(link.pid for link in found[1]))
    return {
        "summary": seen.lines(),
        "functions": {str(pid): seen.functions(pid) for pid in pids if pid in seen.stacks},
    }


def free(stack, asked, found):
    """End the children that the worker waits for: the request then ends too, if it waited for nothing else."""
    snapshot, links = found
    worker = links[0].pid
    stack.kill("app", [child.pid for child in pool_children(snapshot, worker)])
    wait_for(asked, RELEASE)
    if not asked.done():
        raise InvalidTrial("a frozen request did not end with its pool's children; the trial cannot go on")
    return asked.result()


# -- from the log ------------------------------------------------------------------------------------


def observe(evidence, driven):
    """Join each attempt with what its tasks printed."""
    outputs = outputs_by_request(line.decode("utf-8", "replace") for line in evidence.lines("app"))
    attempts = [one | outputs.get(one["number"], {}) for one in driven["attempts"]]
    for one in attempts:
        check_attempt(one)
    frozen = [one for one in attempts if one["frozen"]]
    return driven | {
        "attempts": attempts,
        "frozen": len(frozen),
        "asked": len(attempts),
        "finished": [len(one["finished"]) for one in frozen],
    }


def outputs_by_request(lines):
    """What was printed between a request's begin and the next one's: tasks begun and finished, and how it ended."""
    found, current = {}, None
    for line in lines:
        text = LINE.match(line.partition(" ")[2].rstrip("\n"))
        if not text:
            continue
        words = text[3]
        if begin := BEGIN.match(words):
            current = found[int(begin[1])] = {"worker": int(text[1]), "begun": [], "finished": {}, "raised": ""}
        elif current is None:
            continue
        elif end := END.match(words):
            current["raised"] = end[2] or ""
        elif task := TASK_END.match(words):
            current["finished"][task[1]] = task[2]
        elif task := TASK_BEGIN.match(words):
            current["begun"].append(task[1])
    return found


def check_attempt(one):
    """A request that did not do what the variant is about says nothing about it."""
    number = one["number"]
    if "begun" not in one:
        raise InvalidTrial(f"request {number} never began")
    if strange := [answer for answer in one["finished"].values() if answer.isdigit() and answer != "200"]:
        raise InvalidTrial(f"request {number}: the upstream answered {strange[0]}")
    raised = one["raised"]
    if raised and not any(word in raised for word in KNOWN_ERRORS):
        raise InvalidTrial(f"request {number} failed otherwise than by task 5: {raised}")
    if not one["frozen"] and one["status"] != ("500" if raised else "200"):
        raise InvalidTrial(f"request {number}: answered {one['status']} {raised}")


# -- signs -------------------------------------------------------------------------------------------


def always(o):
    """Every request froze."""
    return o["frozen"] == o["asked"]


def ever(o):
    """At least one request froze."""
    return o["frozen"] > 0


def rate(o):
    """Frozen requests, of how many."""
    return o["frozen"], o["asked"]


CLAIMS = [Claim("PF-1", "x", sign=always, shows=["documented"])]
COLUMNS = [
    Column("frozen", lambda o: rate(o)),
    Column("SIGTERM worker", lambda o: o["sigterm"] and o["sigterm"]["worker"]),
    Column("SIGTERM child", lambda o: o["sigterm"] and "/".join(o["sigterm"]["children"])),
    Column("finished", lambda o: sorted(set(o["finished"])) or None),
    Column("raised", lambda o: sorted({a["raised"] for a in o["attempts"]})),
    Column("status", lambda o: sorted({a["status"] for a in o["attempts"] if "status" in a})),
    Column("ms", lambda o: sorted(a["ms"] for a in o["attempts"] if "ms" in a)[:1]),
    Column("chain", lambda o: next((a["chain"] for a in o["attempts"] if a["frozen"]), None), note=True),
]
