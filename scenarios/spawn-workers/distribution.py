"""Which worker answers: shares for lone and for concurrent requests, with and without threads, old and new workers."""

import json
import re

from reprolab import Claim, Column, InvalidTrial, logs
from reprolab.core.stats import wilson
from reprolab.core.versions import at_least

NEWEST = "0.54.0"
QUICK = {"SLEEP": "0.05"}
SHARES = {**QUICK, "PHASES": "shares"}
VARIANTS = {
    # As the document has it: each request takes ten seconds, clients one after the other.
    "documented": {},
    # The same with short requests, so that there are enough of them for rates.
    "quick": QUICK,
    # Two causes taken away, one each: all workers wait on one socket; asyncio takes all connections that wait.
    "own-socket": {**SHARES, "PATCH": "own-socket"},
    "accept-one": {**SHARES, "PATCH": "accept-one"},
    # On cores that others keep busy the scheduler decides who comes first, not the order of waking.
    "busy": {**SHARES, "BUSY": "2"},
    # What else may matter.
    "async": {**SHARES, "ENDPOINT": "async"},
    "uvloop": {**SHARES, "LOOP": "uvloop"},
    f"uvicorn-{NEWEST}": {**SHARES, "UVICORN": NEWEST},
}
TRIALS = 1

STARTED, COMPLETE = logs.UVICORN.pattern("started"), logs.UVICORN.pattern("ready")
CLIENT = ["python", "/srv/app/client.py"]
LONG = 1.0  # seconds; where requests take longer there is time for the document's own clients only
AHEAD = 6  # threads, by which each worker in turn is made to have the most; a pool holds 40
MORE = 3  # threads, by which the document's worker is ahead
NEWCOMERS = 2
LONE = {"do": "groups", "phase": "lone", "clients": 1, "rounds": 20, "gap": 0.1}  # all have long gone to sleep
THREE = {"do": "groups", "phase": "three", "clients": 3, "stagger": 0.02, "rounds": 12, "gap": 0.02}
BY_HAND = {"do": "groups", "phase": "by hand", "clients": 6, "stagger": 0.5, "rounds": 1}
BURSTS = [
    {"do": "groups", "phase": f"burst of {clients}", "clients": clients, "rounds": rounds}
    for clients, rounds in ((3, 15), (9, 12), (30, 15), (60, 8))
]
KEEP_ALIVE = {"do": "keep-alive", "phase": "keep-alive", "clients": 30, "requests": 5}
IDLE = 0.3  # cores; with less than that idle, whoever is woken waits for one
OLDEST, NEW = 0, -1  # places in the order of listening


def drive(stack):
    """Ask from beside the server, in phases; each says who answered, and counts the threads before and after."""
    return {"busy": int(stack.factors["BUSY"]), "phases": asked(stack)}


def asked(stack):
    """The phases that the factors ask for."""
    factors = stack.factors
    if factors["PHASES"] not in ("all", "shares"):
        raise InvalidTrial(f"PHASES is all or shares; got {factors['PHASES']}")
    wanted = 1 if factors["RELOAD"] == "True" else int(factors["WORKERS"])
    stack.wait_printed(COMPLETE, wanted)
    order = listeners(stack, wanted)
    if float(factors["SLEEP"]) > LONG:
        return ask(stack, order, [BY_HAND])
    if replaces(factors):
        order = settled(stack, order)
    found = ask(stack, order, [{**LONE, "rounds": 30}, THREE])
    several = factors["PHASES"] == "all" and wanted > 1
    if several:
        found += filled(stack, order)
    found += ask(stack, order, [*BURSTS, KEEP_ALIVE])
    if several and replaces(factors):
        found += newcomers(stack, order)
    return found


def listeners(stack, wanted):
    """The workers in the order in which they said that they had started, oldest first.

    It is about the order in which they began to listen, and not certain: of eight starts on one core two had it wrong.
    """
    found = [int(pid) for pid in re.findall(STARTED, "\n".join(stack.wait_printed(STARTED, wanted)))]
    alive = stack.processes().processes
    order = [pid for pid in found if pid in alive]
    if len(order) != wanted:
        raise InvalidTrial(f"{len(order)} of {wanted} workers run, of {found}")
    return order


def replaces(factors):
    """Whether the parent puts another in the place of a worker that dies; uvicorn's does since 0.30.0."""
    return factors["START"].startswith("gunicorn") or at_least(factors["UVICORN"], "0.30.0")


def settled(stack, order):
    """The workers in a certain order of listening: all but one are killed in turn, and each replacement is the last."""
    for pid in order[1:]:
        order = replaced(stack, order, pid)
    return order


def replaced(stack, order, pid):
    """The order after one worker was killed and the parent started another, which begins to listen last."""
    begun = len(re.findall(COMPLETE, "\n".join(stack.printed("app"))))
    stack.kill("app", [pid])
    stack.wait_printed(COMPLETE, begun + 1)
    return listeners(stack, len(order))


def filled(stack, order):
    """Each worker in turn is made to be the one with by far the most threads."""
    found = []
    for target, pid in enumerate(order):
        fill = {"do": "fill", "phase": "fill", "worker": pid, "ahead": AHEAD}
        found += ask(stack, order, [fill, {**THREE, "target": target}, {**LONE, "target": target}])
        threads = found[-2]["before"]
        if threads[target] < max(n for worker, n in enumerate(threads) if worker != target) + MORE:
            raise InvalidTrial(f"worker {target} should have the most threads by {MORE}, but they are {threads}")
    return found


def newcomers(stack, order):
    """The oldest listener is killed, and the parent starts another, which begins to listen last; twice."""
    found = []
    for number in range(1, NEWCOMERS + 1):
        order = replaced(stack, order, order[OLDEST])
        found += ask(stack, order, [{**LONE, "newcomer": number}, {**THREE, "newcomer": number}])
    return found


def ask(stack, order, steps):
    """Some phases in a row; answers are counted for each worker, oldest listener first."""
    plan = {"workers": order, "steps": steps, "busy": int(stack.factors["BUSY"])}
    code, text = stack.execute("app", [*CLIENT, json.dumps(plan)])
    if code:
        raise InvalidTrial(f"the clients failed: exit code {code}: {text.strip()[-300:]}")
    return [phase(order, json.loads(line)) for line in text.splitlines()]


def phase(order, said):
    """One phase as the observation keeps it. Raises InvalidTrial for an answer by no known worker."""
    if strange := {pid for pids in said["pids"] for pid in pids} - set(order):
        raise InvalidTrial(f"answers by {sorted(strange)}, but the workers are {order}")
    step = {key: said["step"][key] for key in ("phase", "clients", "target", "newcomer") if key in said["step"]}
    counts = [[pids.count(pid) for pid in order] for pids in said["pids"]]
    return step | {key: said[key] for key in ("before", "after", "idle")} | {"groups": counts}


# -- what an observation says ------------------------------------------------------------------------


def phases(o, name):
    """The phases of a name, in their order."""
    return [one for one in o["phases"] if one["phase"] == name]


def totals(one):
    """Answers by each worker, over all groups of a phase."""
    return [sum(column) for column in zip(*one["groups"], strict=True)]


def lone_to(o, worker):
    """Lone requests that went to the worker in a place in the order of listening, of how many."""
    found = [totals(one) for one in phases(o, "lone")]
    return sum(counts[worker] for counts in found), sum(sum(counts) for counts in found)


def lone_to_oldest(o):
    """Lone requests that went to the worker that began to listen first, of how many."""
    return lone_to(o, OLDEST)


def idle_cores(o):
    """How many cores were idle while requests were sent one by one, for each such phase."""
    return [one["idle"] for one in phases(o, "lone")]


def wholly(one, worker):
    """Groups of a phase that one worker answered alone, of how many."""
    return sum(counts[worker] == sum(counts) for counts in one["groups"]), len(one["groups"])


def threaded(o):
    """The phases of three clients in which a worker had the many threads."""
    return [one for one in phases(o, "three") if "target" in one]


def threes_to_threaded(o):
    """Groups of three clients that went wholly to the worker with the many threads, of how many."""
    found = [wholly(one, one["target"]) for one in threaded(o)]
    return sum(k for k, _ in found), sum(n for _, n in found)


def share_with_threads(o):
    """Requests of the groups of three that went to the worker with the many threads, of how many."""
    found = [totals(one) for one in threaded(o)]
    return sum(c[one["target"]] for c, one in zip(found, threaded(o), strict=True)), sum(sum(c) for c in found)


def largest_share(one):
    """The largest share of one worker in a group, as the mean over the groups."""
    return sum(max(counts) / sum(counts) for counts in one["groups"]) / len(one["groups"])


def bound(o):
    """Keep-alive connections all of whose requests one worker answered, of how many."""
    groups = phases(o, "keep-alive")[0]["groups"]
    return sum(max(counts) == sum(counts) for counts in groups), len(groups)


def percent_to_one(o, name):
    """The largest share that one worker took in a phase, in percent; None where there was no such phase."""
    return 100 * largest_share(found[0]) if (found := phases(o, name)) else None


def kept_words(o):
    """Whether one worker answered all requests of a connection."""
    return "one worker" if one_connection_one_worker(o) else "several"


# -- signs -------------------------------------------------------------------------------------------


def threads_appear(o):
    """Workers have more threads after the first phase's requests than before."""
    first = o["phases"][0]
    return sum(first["after"]) > sum(first["before"])


def threads_attract(o):
    """Whichever worker has the many threads, most groups of three clients go wholly to it."""
    if not threaded(o):
        raise ValueError("no worker was given threads")
    return all(2 * k > n for k, n in (wholly(one, one["target"]) for one in threaded(o)))


def oldest_last(o):
    """Of lone requests the oldest listener gets less than its part, and less than the newest, both beyond chance."""
    idle = idle_cores(o)
    if not idle:
        raise ValueError(f"no requests one by one: there is time for them only where SLEEP is {LONG:g} or less")
    if o["busy"] and max(idle) > IDLE:
        raise ValueError(f"all cores were to be busy, but {max(idle):g} of them were idle")
    upper, part = wilson(*lone_to(o, OLDEST))[1], 1 / len(o["phases"][0]["before"])
    if upper < part and upper < wilson(*lone_to(o, NEW))[0]:
        return True
    if not o["busy"] and min(idle) < IDLE:
        # Others may have hidden it.
        raise ValueError(f"all of the machine's cores were busy ({min(idle):g} idle); try again when less else runs")
    return False


def most_to_one(o):
    """Of 30 requests at once one worker takes more than three fifths, as the mean; dealt out by chance, two fifths."""
    return largest_share(phases(o, "burst of 30")[0]) > 0.6


def one_connection_one_worker(o):
    """All requests of a keep-alive connection are answered by one worker."""
    k, n = bound(o)
    return k == n > 0


CLAIMS = [
    Claim(
        "SW-6",
        "Threads appear in the workers as requests arrive.",
        sign=threads_appear,
        shows=["documented", "quick", f"uvicorn-{NEWEST}"],
        absent=["async"],
    ),
    Claim(
        "SW-8",
        "Once one worker has three threads, three clients' requests all go to that worker (may vary).",
        sign=threads_attract,
        shows=["quick"],
        rate=threes_to_threaded,
    ),
    Claim(
        "SW-16",
        "What decides is not threads but the order of listening: all workers wait on one socket, and of requests that "
        "come one by one the worker that began first gets less than its part, whoever has threads; with a socket for "
        "each there is no order, and where all cores are busy it decides nothing.",
        sign=oldest_last,
        shows=["quick"],
        absent=["own-socket", "busy"],
        rate=lone_to_oldest,
    ),
    Claim(
        "SW-17",
        "Requests that come at once go in clumps: of 30 one worker takes most (three fifths and more), as asyncio "
        "accepts all connections that wait whenever it is woken; where it accepts but one, they are shared out.",
        sign=most_to_one,
        shows=["quick", "async", f"uvicorn-{NEWEST}"],
        absent=["accept-one"],
    ),
]
COLUMNS = [
    Column("lone: newest", lambda o: lone_to(o, NEW) if phases(o, "lone") else None),
    Column("oldest", lambda o: lone_to(o, OLDEST) if phases(o, "lone") else None),
    Column("idle cores", lambda o: min(idle_cores(o), default=None), "{:.1f}"),
    Column("three to threaded", lambda o: threes_to_threaded(o) if threaded(o) else None),
    Column("its share", lambda o: share_with_threads(o) if threaded(o) else None),
    Column("burst of 30", lambda o: percent_to_one(o, "burst of 30"), "{:.0f} %"),
    Column("of 60", lambda o: percent_to_one(o, "burst of 60"), "{:.0f} %"),
    Column("kept alive", lambda o: kept_words(o) if phases(o, "keep-alive") else None),
    Column("threads", lambda o: thread_words(o["phases"][0])),
    *(Column(f"{number:2}", lambda o, number=number: drawn(o, number), note=True) for number in range(1, 20)),
]


def thread_words(one):
    """Threads of each worker before and after a phase."""
    return f"{'/'.join(map(str, one['before']))} → {'/'.join(map(str, one['after']))}"


def drawn(o, number):
    """A phase as a line: each worker's share as a bar, oldest listener first, and their threads."""
    shown = [one for one in o["phases"] if one["phase"] != "fill"]
    if number > len(shown):
        return None
    one = shown[number - 1]
    name = one["phase"]
    if "target" in one:
        name += f", worker {one['target'] + 1} has the threads"
    if "newcomer" in one:
        name += f", newcomer {one['newcomer']}"
    counts = totals(one)
    bars = "  ".join(f"{'█' * round(10 * n / sum(counts)):·<10} {100 * n / sum(counts):3.0f} %" for n in counts)
    return f"{name:35} {bars}  of {sum(counts)}; threads {thread_words(one)}"
