"""How often a request that uses multiprocessing.Pool freezes, and what makes it freeze."""

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from reprolab import Claim, Column, Event, InvalidTrial, logs

from .asking import LIMIT, LINE, STARTED, answer_or_stuck, check_upstream, patience, pool_children, wait_for, worker_of

FEW, SOME, MANY = "20", "40", "60"
SENDING = {"RUNNER": "sending", "TASK": "nothing"}
VARIANTS = {
    "documented": {},
    # What task 5 does: raise, return something, or nothing special.
    "no-exception": {"OUTCOME": "none", "ATTEMPTS": SOME},
    "return-exception": {"OUTCOME": "return-exception"},
    "return-traceback": {"OUTCOME": "return-traceback"},
    "return-text": {"OUTCOME": "return-text"},
    # How long the site takes to answer.
    "latency-0": {"LATENCY_MS": "0", "ATTEMPTS": FEW},
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
    "runserver": {"SERVER": "runserver", "ATTEMPTS": FEW},
    "runserver-noreload": {"SERVER": "runserver-noreload", "ATTEMPTS": FEW},
    "script": {"SERVER": "script", "ATTEMPTS": SOME},
    # The cause: removed under gunicorn, and added where there is no gunicorn.
    "handler-default": {"HANDLER": "default", "ATTEMPTS": MANY},
    "script-noting": {"SERVER": "script", "HANDLER": "noting"},
    "runserver-noting": {"SERVER": "runserver-noreload", "HANDLER": "noting"},
    # The race: forced to end in one way, and in the other.
    "held": {"RUNNER": "held"},
    "held-handler-default": {"RUNNER": "held", "HANDLER": "default", "ATTEMPTS": FEW},
    "late": {"RUNNER": "late", "OUTCOME": "none"},
    "late-handler-default": {"RUNNER": "late", "OUTCOME": "none", "HANDLER": "default", "ATTEMPTS": FEW},
    "late-raise": {"RUNNER": "late-raise"},
    "settled": {"RUNNER": "settled", "ATTEMPTS": SOME},
    # Possible remedies.
    "wrapper-as-written": {"RUNNER": "wrapper-as-written"},
    "wrapper-as-written-value": {"RUNNER": "wrapper-as-written-value"},
    "wrapper-at-once": {"RUNNER": "wrapper-at-once"},
    "wrapper-afterwards": {"RUNNER": "wrapper-afterwards", "ATTEMPTS": SOME},
    "wrapper-afterwards-latency-0": {"RUNNER": "wrapper-afterwards", "LATENCY_MS": "0", "ATTEMPTS": FEW},
    "close-join": {"RUNNER": "close-join", "ATTEMPTS": MANY},
    "initializer": {"RUNNER": "initializer", "ATTEMPTS": MANY},
    "spawn": {"RUNNER": "spawn", "ATTEMPTS": FEW},
    "forkserver": {"RUNNER": "forkserver", "ATTEMPTS": FEW},
    "executor": {"RUNNER": "executor", "ATTEMPTS": SOME},
    "threads": {"RUNNER": "threads", "ATTEMPTS": FEW},
    "in-turn": {"RUNNER": "in-turn", "ATTEMPTS": FEW},
    # Another race, where SIGTERM does end the children: whether a child is just then sending its result.
    "sending": {"SERVER": "script", **SENDING},
    "sending-python-3.7": {"SERVER": "script", **SENDING, "PYTHON": "3.7.16"},
    "sending-python-3.8": {"SERVER": "script", **SENDING, "PYTHON": "3.8.18"},
    "sending-python-3.12": {"SERVER": "script", **SENDING, "PYTHON": "3.12.1"},
    "sending-initializer": {**SENDING, "RUNNER": "sending-initializer"},
    "sending-close-join": {**SENDING, "RUNNER": "sending-close-join"},
}
TRIALS = 3
PARALLEL = True

RELEASE = 10.0  # seconds in which a frozen request ends when its pool's children are ended
KNOWN_ERRORS = ("task 5 fails", "MaybeEncodingError", "NameError")
TASKS = {"1", "2", "3", "4", "5"}

BEGIN, END = re.compile(r"request (\d+) begins"), re.compile(r"request (\d+) ends(?:: (.*))?$")
# The document's wrapper as written hands its tasks "(1,)" for "1".
TASK_BEGIN = re.compile(r"task \(?(\d)(?:,\))? begins$")
TASK_END = re.compile(r"task \(?(\d)(?:,\))? done: (\w+)$")


def drive(stack):
    """Send one request after the other; look at the processes of each that is not answered, then free it."""
    check_upstream(stack)
    attempts = []
    with ThreadPoolExecutor(1) as clients:
        for number in range(1, attempts_of(stack) + 1):
            first = not any(attempt.get("seen") for attempt in attempts)
            attempts.append(send_request(stack, clients, number, first))
            if attempts[-1]["lock_lost"] and stack.factors["SERVER"].startswith("runserver"):
                break  # only the end of the server freed it, and nothing starts another server
    check_upstream(stack)
    return {"attempts": attempts, "sigterm": attempts[0]["sigterm"]}


def attempts_of(stack):
    """How many requests a trial makes."""
    wanted = stack.factors["ATTEMPTS"]
    if not wanted.isdigit() or int(wanted) < 1:
        raise InvalidTrial(f"ATTEMPTS is {wanted!r}, not a whole number from 1")
    return int(wanted)


def send_request(stack, clients, number, first):
    """Send one request. It is answered, or the lab finds that it is frozen and frees it."""
    begun = time.monotonic()
    asked = clients.submit(stack.probe, f"/run/{number}", timeout=2 * LIMIT + RELEASE)
    sigterm = sigterm_of_children(stack, asked, number) if number == 1 else None
    stuck = answer_or_stuck(stack, asked, number, patience(stack))
    lost = stuck is not None and stuck.lock_lost
    result = {"number": number, "frozen": stuck is not None and not lost, "lock_lost": lost, "sigterm": sigterm}
    if stuck is None:
        status = asked.result()
        if not status.isdigit():
            raise InvalidTrial(f"request {number} was neither answered nor frozen but broken off: {status}")
        return result | {"status": status, "ms": round((time.monotonic() - begun) * 1000)}
    seen = describe(stack, stuck, number) if first else None
    if first:
        stack.hold("FROZEN", begun)
    return result | {
        "worker": stuck.worker,
        "chain": stuck.chain(),
        "kinds": stuck.kinds(),
        "seen": seen,
        "freed": free(stack, asked, stuck),
    }


def sigterm_of_children(stack, asked, number):
    """What SIGTERM does in the worker and in its pool's children while they work; None if they ended too early."""
    end = time.monotonic() + STARTED
    while not asked.done() and time.monotonic() < end:
        snapshot, worker = stack.processes(), worker_of(stack, number)
        if worker in snapshot.processes and (children := pool_children(snapshot, worker)):
            return {
                "worker": snapshot.processes[worker].signals.action("SIGTERM"),
                "children": sorted({child.signals.action("SIGTERM") for child in children}),
            }
    return None


def describe(stack, stuck, number):
    """All that can be seen of the stuck processes, and the Python functions that they are in; once for each trial."""
    factors = " ".join(
        f"{name}={stack.factors[name]}" for name in ("PYTHON", "GUNICORN", "SERVER", "RUNNER", "OUTCOME")
    )
    seen = stack.forensics(title=f"request {number} is frozen ({factors}): {'; '.join(stuck.chain())}")
    pids = list(dict.fromkeys(link.pid for link in stuck.links))
    return {
        "summary": seen.lines(),
        "functions": {str(pid): seen.functions(pid) for pid in pids if pid in seen.stacks},
    }


def free(stack, asked, stuck):
    """End the children that the worker waits for. The request then ends too, if it waited for nothing else.

    If a lock is lost, the worker is ended too. Its children have the client's connection open.
    """
    if stuck.lock_lost and stack.factors["SERVER"].startswith("runserver"):
        stack.may_end("app", "the process that is killed is the server itself")
    stack.kill("app", [*([stuck.worker] if stuck.lock_lost else []), *stuck.children])
    wait_for(asked, RELEASE)
    if not asked.done():
        raise InvalidTrial("a frozen request did not end with the processes it waited for; the trial cannot go on")
    return asked.result()


# -- from the log ------------------------------------------------------------------------------------


def observe(evidence, driven):
    """Join each attempt with what its tasks printed."""
    outputs = outputs_by_request(line.decode("utf-8", "replace") for line in evidence.lines("app"))
    attempts = [attempt | outputs.get(attempt["number"], {}) for attempt in driven["attempts"]]
    for attempt in attempts:
        check_attempt(attempt)
    frozen = [attempt for attempt in attempts if attempt["frozen"]]
    return driven | {
        "attempts": attempts,
        "frozen": len(frozen),
        "asked": len(attempts),
        "lock_lost": lost_locks(attempts),
        "finished": [len(attempt["finished"]) for attempt in frozen],
        "unfinished": [sorted(set(attempt["begun"]) - set(attempt["finished"])) for attempt in frozen],
    }


def lost_locks(attempts):
    """How many requests need a lock whose holder has ended.

    In the others the holder lives: it sends a result, and nobody reads it any more.
    """
    return sum(attempt["lock_lost"] and "full-pipe" not in attempt["kinds"] for attempt in attempts)


def outputs_by_request(lines):
    """For each request, from its first line to the next one's: the tasks begun and finished, and how it ended."""
    outputs, current = {}, None
    for line in lines:
        text = LINE.match(logs.split_timestamp(line)[1].rstrip("\n"))
        if not text:
            continue
        words = text[3]
        if begin := BEGIN.match(words):
            current = outputs[int(begin[1])] = {"worker": int(text[1]), "begun": [], "finished": {}, "raised": ""}
        elif current is None:
            continue
        elif end := END.match(words):
            current["raised"] = end[2] or ""
        elif task := TASK_END.match(words):
            current["finished"][task[1]] = task[2]
        elif task := TASK_BEGIN.match(words):
            current["begun"].append(task[1])
    return outputs


def check_attempt(attempt):
    """Raise InvalidTrial for a request that did not do what its variant tests."""
    number = attempt["number"]
    if "begun" not in attempt:
        raise InvalidTrial(f"request {number} never began")
    if strange := [answer for answer in attempt["finished"].values() if answer.isdigit() and answer != "200"]:
        raise InvalidTrial(f"request {number}: the upstream answered {strange[0]}")
    raised = attempt["raised"]
    if raised and not any(word in raised for word in KNOWN_ERRORS):
        raise InvalidTrial(f"request {number} failed otherwise than by task 5: {raised}")
    if answered(attempt) and attempt["status"] != ("500" if raised else "200"):
        raise InvalidTrial(f"request {number}: answered {attempt['status']} {raised}")


def answered(attempt):
    """Whether a request was answered without the lab's help."""
    return not attempt["frozen"] and not attempt.get("lock_lost")


# -- the timeline of the report ------------------------------------------------------------------------


def events(evidence, o):
    """Each request from its first line to its last; a frozen one ends when the lab has ended what it waited for.

    A worker that the lab ended prints no last line: then the event has no end.
    """
    open_requests, start = {}, zero(evidence, o)
    attempts = {attempt["number"]: attempt for attempt in o["attempts"]}
    for at, words in printed(evidence, start):
        if match := BEGIN.match(words):
            open_requests[int(match[1])] = at
        elif (match := END.match(words)) and int(match[1]) in open_requests:
            number = int(match[1])
            yield request(attempts[number], open_requests.pop(number), at)
            if not answered(attempts[number]):
                yield Event(at, "killed", f"the lab ended what request {number} waited for", "lab")
    for number, at in open_requests.items():
        yield request(attempts[number], at, None)


def request(attempt, began, ended):
    """The event of one request: answered, frozen and lost requests each have a lane."""
    if answered(attempt):
        text = f"request {attempt['number']}: answered {attempt['status']} after {attempt['ms']} ms"
        return Event(began, "note", text, "request", ended)
    lane = "frozen request" if attempt["frozen"] else "lock lost"
    return Event(began, "note", f"request {attempt['number']}: {lane}, freed by the lab", lane, ended)


def zero(evidence, o):
    """The moment of the log's first line."""
    return logs.Clock()(next(iter(evidence.lines("app"))))


def printed(evidence, start):
    """The lines that the processes printed, as (milliseconds since the start, text)."""
    clock = logs.Clock()
    for line in evidence.lines("app"):
        if text := LINE.match(logs.split_timestamp(line)[1].decode("utf-8", "replace").rstrip("\n")):
            yield (clock(line) - start) / 1e6, text[3]


# -- triggers: was what the claims are about exercised? ----------------------------------------------


def task_raised(o):
    """What a task raised left the pool's block in every request. Raises ValueError if only in some requests."""
    # The lab ends the worker of a request that lost a lock, so that one prints no end.
    raised = {bool(attempt["raised"]) for attempt in o["attempts"] if not attempt.get("lock_lost")}
    if len(raised) > 1:
        raise ValueError("a task raised in some requests only")
    return raised == {True}


def left_at_work(o):
    """The same, and in some request another task was not done when task 5 was: the pool had to be ended at work."""
    return task_raised(o) and any(left_over(attempt) for attempt in o["attempts"])


def left_over(attempt):
    """The tasks of a request that had not ended when task 5 ended; they ended later, or never."""
    done = list(attempt["finished"])
    return TASKS - set(done[: done.index("5") + 1]) if "5" in done else set()


def sigterm_caught(o):
    """The pool's children catch SIGTERM. Raises ValueError if the lab did not see that, or if they differ."""
    actions = o["sigterm"]["children"] if o["sigterm"] else []
    if len(actions) != 1:
        raise ValueError(f"what SIGTERM does in the pool's children: {actions or 'not seen'}")
    return actions == ["caught"]


def left_with_catching_children(o):
    """The pool was ended at work, and its children catch SIGTERM. Raises ValueError if it was not ended at work."""
    if not left_at_work(o):
        raise ValueError("the pool's block was not left while a task was to be done")
    return sigterm_caught(o)


def raised_with_catching_children(o):
    """A task raised in every request, and the pool's children catch SIGTERM."""
    return task_raised(o) and sigterm_caught(o)


def froze(o):
    """At least one request froze, so there is something to look at."""
    return o["frozen"] > 0


def fifth_ended(o):
    """In every request task 5 did its work up to the point where it raises."""
    return all("5" in attempt["finished"] for attempt in o["attempts"])


def large_result(o):
    """In some request a child had a result to send that no pipe holds."""
    return any("large" in attempt["finished"].values() for attempt in o["attempts"])


# -- signs -------------------------------------------------------------------------------------------


def ever(o):
    """At least one request froze."""
    return o["frozen"] > 0


def usually(o):
    """More than half of the requests froze."""
    return 2 * o["frozen"] > o["asked"]


def always(o):
    """Every request froze."""
    return o["frozen"] == o["asked"]


def rate(o):
    """Frozen requests, and all requests."""
    return o["frozen"], o["asked"]


def frozen_attempts(o):
    """The attempts that froze. Raises ValueError if none did: such a trial cannot say how a frozen request looks."""
    frozen = [attempt for attempt in o["attempts"] if attempt["frozen"]]
    if not frozen:
        raise ValueError("no request froze")
    return frozen


def waits_for_a_child(o):
    """In every frozen request the worker waits for a child of the pool, and that child for a lock."""
    return all(attempt["kinds"] == ["child", "lock"] for attempt in frozen_attempts(o))


def in_terminate(o):
    """In the frozen request that was looked at closely, the worker is in Pool.terminate(), in waitpid."""
    attempt = next(attempt for attempt in frozen_attempts(o) if attempt["seen"])
    stacks = attempt["seen"]["functions"][str(attempt["worker"])]
    names = [[name.rpartition(".")[2] for name in stack] for stack in stacks]
    return any({"_terminate_pool", "join", "poll"} <= set(stack) for stack in names)


def all_tasks_finished(o):
    """All five tasks have finished, and terminate() waits for a child, as the document says."""
    finished = all(set(attempt["finished"]) == TASKS for attempt in frozen_attempts(o))
    return finished and waits_for_a_child(o) and in_terminate(o)


def no_task_at_work(o):
    """Every task that began has finished, and terminate() waits for a child that waits for a lock."""
    return not any(o["unfinished"]) and waits_for_a_child(o) and in_terminate(o)


def lost(o):
    """How many requests wait for a lost lock. Older runs did not look for it and took such a trial as invalid."""
    return o.get("lock_lost", 0)


def lock_lost(o):
    """In at least one request the worker waits for a lock that a child held when it was ended."""
    return lost(o) > 0


def slips(o):
    """In how many requests the document's wrapper itself raised a NameError for the name `this`; and all requests."""
    raised = [attempt["raised"] for attempt in o["attempts"]]
    return sum("NameError" in text and "this" in text for text in raised), len(raised)


def slip(o):
    """The document's wrapper itself raises a NameError, for the name `this`."""
    return slips(o)[0] > 0


NEWER = ["python-3.8", "python-3.9", "python-3.10", "python-3.11", "python-3.12", "python-3.13"]
RELEASES = ["gunicorn-19.9.0", "gunicorn-20.0.4", "gunicorn-21.2.0", "gunicorn-23.0.0", "gunicorn-27.0.1"]
REMEDIES = ["close-join", "initializer", "spawn", "forkserver", "executor", "threads", "in-turn"]

CLAIMS = [
    Claim(
        "PF-1",
        "When a task raises, the request freezes for ever.",
        sign=usually,
        shows=["documented"],
        absent=["handler-default"],
        rate=rate,
        trigger=left_at_work,
        needs_idle=True,
    ),
    Claim(
        "PF-2",
        "By then all of the pool's tasks have finished; pool.terminate() has begun and waits in os.waitpid for a "
        "child that never ends.",
        sign=all_tasks_finished,
        shows=["documented", "late-raise"],
        rate=lambda o: (sum(n == len(TASKS) for n in o["finished"]), len(o["finished"])),
        trigger=froze,
        needs_idle=True,
        no_control="It says how a frozen request looks; an answered one has no process to look at.",
    ),
    Claim(
        "PF-3",
        "It happens every time the exception's __traceback__ comes back from the child, raised or returned.",
        sign=always,
        shows=["documented", "return-traceback", "latency-0"],
        absent=["return-exception", "return-text", "late"],
        rate=rate,
        trigger=task_raised,
        untriggered=["return-exception", "return-text", "late"],
        needs_idle=True,
    ),
    Claim(
        "PF-4",
        "Catching everything in the child, returning a wrapper (type, args, formatted traceback as text) and "
        "raising in the worker avoids it.",
        sign=ever,
        shows=["documented"],
        absent=["wrapper-at-once", "wrapper-afterwards"],
        rate=rate,
        trigger=task_raised,
        needs_idle=True,
    ),
    Claim(
        "PF-5",
        "It happens on Python 3.6 and 3.7 (and so not on later ones).",
        sign=ever,
        shows=["documented", "python-3.7"],
        absent=NEWER,
        rate=rate,
        trigger=left_at_work,
    ),
    Claim(
        "PF-6",
        "It needs HTTP requests in the task, and gunicorn around it (the same code outside gunicorn is not reported "
        "to freeze).",
        sign=ever,
        shows=["documented"],
        absent=["sleep", "compute", "script", "runserver"],
        rate=rate,
        trigger=left_at_work,
    ),
    Claim(
        "PF-7",
        "Without an exception the same request answers.",
        sign=ever,
        shows=["documented"],
        absent=["no-exception", "late"],
        rate=rate,
        trigger=task_raised,
        untriggered=["no-exception", "late"],
        needs_idle=True,
    ),
    Claim(
        "PF-8",
        "When it freezes, no task is at work any more (one of the five may never have begun): the worker waits in "
        "terminate() for a child, and the child waits for the lock of the queue.",
        sign=no_task_at_work,
        shows=["documented", "late", "script-noting"],
        trigger=froze,
        no_control="It says how a frozen request looks; an answered one has no process to look at.",
    ),
    Claim(
        "PF-9",
        "The cause: the pool's children inherit the Python function with which gunicorn's worker catches SIGTERM, so "
        "that terminate()'s SIGTERM does not end them.",
        sign=ever,
        shows=["documented", "script-noting", "runserver-noting"],
        absent=["handler-default", "initializer", "script", "runserver-noreload"],
        rate=rate,
        trigger=left_with_catching_children,
        untriggered=["handler-default", "initializer", "script", "runserver-noreload"],
    ),
    Claim(
        "PF-10",
        "The other half of the cause is a race: a child that comes back to the queue after terminate() has taken the "
        "queue's lock freezes the request every time, with an exception or without.",
        sign=always,
        shows=["held", "late"],
        absent=["held-handler-default", "late-handler-default"],
        rate=rate,
        trigger=sigterm_caught,
        untriggered=["held-handler-default", "late-handler-default"],
        needs_idle=True,
    ),
    Claim(
        "PF-11",
        "It does not happen if both children wait in the queue before the pool's block is left, although a task raised "
        "and SIGTERM is caught.",
        sign=ever,
        shows=["documented"],
        absent=["settled"],
        rate=rate,
        trigger=raised_with_catching_children,
    ),
    Claim(
        "PF-12",
        "Any of these avoids it: close() and join() before the block is left, an initializer that sets SIGTERM back to "
        "its default, the start methods spawn and forkserver, ProcessPoolExecutor, threads, no pool.",
        sign=ever,
        shows=["documented"],
        absent=REMEDIES,
        rate=rate,
        trigger=task_raised,
    ),
    Claim(
        "PF-13",
        "The document's wrapper, given arguments that its function(args) can use, raises a NameError of its own (this) "
        "instead of the exception that it caught.",
        sign=slip,
        shows=["wrapper-as-written-value"],
        absent=["wrapper-at-once"],
        rate=slips,
        trigger=fifth_ended,
    ),
    Claim(
        "PF-14",
        "Every gunicorn release measured, from 19.9.0 to 27.0.1, has it.",
        sign=usually,
        shows=["documented", *RELEASES],
        absent=["script"],
        rate=rate,
        trigger=left_at_work,
        needs_idle=True,
    ),
    Claim(
        "PF-15",
        "The gthread worker has it too.",
        sign=usually,
        shows=["documented", "gthread"],
        absent=["runserver-noreload"],
        rate=rate,
        trigger=left_at_work,
        needs_idle=True,
    ),
    Claim(
        "PF-19",
        "SIGTERM's default has a freeze of its own: a child that is ended while it sends its result never releases the "
        "lock of the result queue, and terminate() waits for the thread that needs that lock. close() and join() avoid "
        "it.",
        sign=lock_lost,
        shows=["sending", "sending-python-3.7", "sending-initializer"],
        absent=["documented", "sending-close-join"],
        rate=lambda o: (lost(o), o["asked"]),
        trigger=large_result,
        untriggered=["documented"],
    ),
]

COLUMNS = [
    Column("frozen", rate),
    Column("lock lost", lambda o: lost(o) or None),
    Column("SIGTERM in child", lambda o: o["sigterm"] and "/".join(o["sigterm"]["children"])),
    Column("SIGTERM in worker", lambda o: o["sigterm"] and o["sigterm"]["worker"]),
    Column("tasks finished", lambda o: finished_words(o)),
    Column("answers", lambda o: "/".join(sorted({a["status"] for a in o["attempts"] if answered(a)})) or None),
    Column("median ms", lambda o: median_ms(o)),
    Column("raised", lambda o: raised_words(o), note=True),
    Column("who waits for whom", lambda o: chain_words(o), note=True),
]


def finished_words(o):
    """The fewest and the most tasks that had finished in a frozen request, such as "4–5"."""
    return "–".join(str(n) for n in sorted({min(o["finished"]), max(o["finished"])})) if o["finished"] else None


def median_ms(o):
    """The median time of the answered requests."""
    times = [attempt["ms"] for attempt in o["attempts"] if answered(attempt)]
    return median(times) if times else None


def raised_words(o):
    """The exceptions that left the pool's block in the worker, with their counts; None if there were none."""
    # An address in a message differs every time.
    texts = [re.sub(r" at 0x[0-9a-f]+", "", attempt["raised"]) for attempt in o["attempts"] if attempt["raised"]]
    return "; ".join(f"{n} × {text}" for text, n in Counter(texts).items()) or None


def chain_words(o):
    """The waits of the first request that was not answered."""
    # Runs that are kept for the tests leave it out.
    chains = ("; ".join(a["chain"]) for a in o["attempts"] if not answered(a) and "chain" in a)
    return next(chains, None)
