"""Which worker answers: shares for lone and for concurrent requests, with and without threads, old and new workers."""

import json
import re

from reprolab import Claim, Column, InvalidTrial
from reprolab.core.stats import wilson
from reprolab.core.versions import at_least

from .settling import COMPLETE, STARTED, wait_settled, wanted

NEWEST = "0.54.0"
QUICK = {"SLEEP": "0.05"}
SHARES = {**QUICK, "PHASES": "shares"}
VARIANTS = {
    # As in the document: each request takes ten seconds, and the clients come one after the other.
    "documented": {},
    # The same with short requests, so that there are enough of them for rates.
    "quick": QUICK,
    # Each removes one cause: that all workers wait on one socket; that asyncio accepts all connections that wait.
    "own-socket": {**SHARES, "PATCH": "own-socket"},
    "accept-one": {**SHARES, "PATCH": "accept-one"},
    # If other programs keep the cores busy, the scheduler decides which worker comes first, not the order of waking.
    "busy": {**SHARES, "BUSY": "2"},
    # Other things that may matter.
    "async": {**SHARES, "ENDPOINT": "async"},
    "uvloop": {**SHARES, "LOOP": "uvloop"},
    f"uvicorn-{NEWEST}": {**SHARES, "UVICORN": NEWEST},
}
TRIALS = 3

CLIENT = ["python", "/srv/app/client.py"]
LONG = 1.0  # seconds; if requests take longer, there is time only for the document's own clients
AHEAD = 6  # threads more than any other worker, given to each worker in turn; a pool holds 40
MORE = 3  # threads that the document's worker has more than the others
NEWCOMERS = 2
LONE = {"do": "groups", "phase": "lone", "clients": 1, "rounds": 20, "gap": 0.1}  # in this gap all workers go to sleep
THREE = {"do": "groups", "phase": "three", "clients": 3, "stagger": 0.02, "rounds": 12, "gap": 0.02}
BY_HAND = {"do": "groups", "phase": "by hand", "clients": 6, "stagger": 0.5, "rounds": 1}
BURSTS = [
    {"do": "groups", "phase": f"burst of {clients}", "clients": clients, "rounds": rounds}
    for clients, rounds in ((3, 15), (9, 12), (30, 15), (60, 8))
]
KEEP_ALIVE = {"do": "keep-alive", "phase": "keep-alive", "clients": 30, "requests": 5}
IDLE = 0.3  # cores; if fewer are idle, a worker that is woken has to wait for a core
OLDEST, NEW = 0, -1  # places in the order of listening


def drive(stack):
    """Send requests in phases, from inside the container: who answered each, and the threads before and after."""
    return {"busy": int(stack.factors["BUSY"]), "phases": run_phases(stack)}


def run_phases(stack):
    """Run the phases that the factors ask for."""
    factors = stack.factors
    if factors["PHASES"] not in ("all", "shares"):
        raise InvalidTrial(f"PHASES is all or shares; got {factors['PHASES']}")
    order = wait_settled(stack)
    if float(factors["SLEEP"]) > LONG:
        return ask(stack, order, [BY_HAND])
    if replaces(factors):
        order = settled(stack, order)
    results = ask(stack, order, [{**LONE, "rounds": 30}, THREE])
    several = factors["PHASES"] == "all" and wanted(factors) > 1
    if several:
        results += filled(stack, order)
    results += ask(stack, order, [*BURSTS, KEEP_ALIVE])
    if several and replaces(factors):
        results += newcomers(stack, order)
    return results


def listeners(stack, wanted):
    """The workers in the order in which they logged that they had started, oldest first.

    This is nearly always the order in which they began to listen; of eight starts on one core two differed.
    """
    started = [int(pid) for pid in re.findall(STARTED, "\n".join(stack.wait_printed(STARTED, wanted)))]
    alive = stack.processes().processes
    order = [pid for pid in started if pid in alive]
    if len(order) != wanted:
        raise InvalidTrial(f"{len(order)} of {wanted} workers run, of {started}")
    return order


def replaces(factors):
    """Whether the parent replaces a worker that dies; uvicorn's does since 0.30.0."""
    return factors["START"].startswith("gunicorn") or at_least(factors["UVICORN"], "0.30.0")


def settled(stack, order):
    """Make the order of listening certain: kill all workers but one in turn; each replacement is the last to listen."""
    for pid in order[1:]:
        order = replaced(stack, order, pid)
    return order


def replaced(stack, order, pid):
    """Kill one worker, wait for the parent to start another, and return the new order; the new one is the last."""
    begun = len(re.findall(COMPLETE, "\n".join(stack.printed("app"))))
    stack.kill("app", [pid])
    stack.wait_printed(COMPLETE, begun + 1)
    return listeners(stack, len(order))


def filled(stack, order):
    """Give each worker in turn by far the most threads, and send requests each time."""
    results = []
    for target, pid in enumerate(order):
        fill = {"do": "fill", "phase": "fill", "worker": pid, "ahead": AHEAD}
        results += ask(stack, order, [fill, {**THREE, "target": target}, {**LONE, "target": target}])
        threads = results[-2]["before"]
        if threads[target] < max(n for worker, n in enumerate(threads) if worker != target) + MORE:
            raise InvalidTrial(f"worker {target} should have the most threads by {MORE}, but they are {threads}")
    return results


def newcomers(stack, order):
    """Twice: kill the oldest listener, wait for its replacement, which is the last to listen, and send requests."""
    results = []
    for number in range(1, NEWCOMERS + 1):
        order = replaced(stack, order, order[OLDEST])
        results += ask(stack, order, [{**LONE, "newcomer": number}, {**THREE, "newcomer": number}])
    return results


def ask(stack, order, steps):
    """Run some phases in a row; the answers are counted for each worker, oldest listener first."""
    plan = {"workers": order, "steps": steps, "busy": int(stack.factors["BUSY"])}
    code, text = stack.execute("app", [*CLIENT, json.dumps(plan)])
    if code:
        raise InvalidTrial(f"the clients failed: exit code {code}: {text.strip()[-300:]}")
    return [phase(order, json.loads(line)) for line in text.splitlines()]


def phase(order, report):
    """One phase as the observation keeps it. Raises InvalidTrial if an answer is not from one of the workers."""
    if strange := {pid for pids in report["pids"] for pid in pids} - set(order):
        raise InvalidTrial(f"answers by {sorted(strange)}, but the workers are {order}")
    step = {key: report["step"][key] for key in ("phase", "clients", "target", "newcomer") if key in report["step"]}
    counts = [[pids.count(pid) for pid in order] for pids in report["pids"]]
    return step | {key: report[key] for key in ("before", "after", "idle")} | {"groups": counts}


# -- what an observation says ------------------------------------------------------------------------


def phases(o, name):
    """The phases with this name, in their order."""
    return [phase for phase in o["phases"] if phase["phase"] == name]


def totals(phase):
    """Answers by each worker, over all groups of a phase."""
    return [sum(column) for column in zip(*phase["groups"], strict=True)]


def lone_to(o, worker):
    """How many lone requests went to the worker at this place in the order of listening, and how many there were."""
    answers = [totals(phase) for phase in phases(o, "lone")]
    return sum(counts[worker] for counts in answers), sum(sum(counts) for counts in answers)


def lone_past_oldest(o):
    """How many lone requests went to another worker than the one that began to listen first; and all of them."""
    oldest, lone = lone_to(o, OLDEST)
    return lone - oldest, lone


def idle_cores(o):
    """How many cores were idle in each phase that sends requests one by one."""
    return [phase["idle"] for phase in phases(o, "lone")]


def wholly(phase, worker):
    """How many groups of a phase one worker answered alone, and how many groups there were."""
    return sum(counts[worker] == sum(counts) for counts in phase["groups"]), len(phase["groups"])


def threaded(o):
    """The phases of three clients in which a worker had been given many threads."""
    return [phase for phase in phases(o, "three") if "target" in phase]


def threes_to_threaded(o):
    """How many groups of three clients the worker with many threads answered alone, and how many groups there were."""
    groups = [wholly(phase, phase["target"]) for phase in threaded(o)]
    return sum(k for k, _ in groups), sum(n for _, n in groups)


def share_with_threads(o):
    """How many requests of these groups went to the worker with many threads, and how many there were."""
    answers = [(totals(phase), phase["target"]) for phase in threaded(o)]
    return sum(counts[target] for counts, target in answers), sum(sum(counts) for counts, _ in answers)


def largest_share(phase):
    """The largest share of one worker in a group, as the mean over the groups."""
    return sum(max(counts) / sum(counts) for counts in phase["groups"]) / len(phase["groups"])


def bound(o):
    """On how many keep-alive connections one worker answered all requests, and how many connections there were."""
    groups = phases(o, "keep-alive")[0]["groups"]
    return sum(max(counts) == sum(counts) for counts in groups), len(groups)


def percent_to_one(o, name):
    """The largest share that one worker took in a phase, in percent; None where there was no such phase."""
    return 100 * largest_share(matching[0]) if (matching := phases(o, name)) else None


def kept_words(o):
    """Whether one worker answered all requests of a connection."""
    return "one worker" if one_connection_one_worker(o) else "several"


# -- triggers: was what the claims are about exercised? ----------------------------------------------


def requests_arrived(o):
    """The workers answered requests between the two counts of their threads."""
    return sum(totals(o["phases"][0])) > 0


def one_has_threads(o):
    """Groups of three clients came when one worker had at least three threads more than each of the others."""
    return bool(threaded(o)) and all(surplus(phase) >= MORE for phase in threaded(o))


def surplus(phase):
    """By how many threads the worker that was given threads was ahead of every other, before the phase."""
    target = phase["target"]
    return phase["before"][target] - max(n for worker, n in enumerate(phase["before"]) if worker != target)


def one_by_one(o):
    """Requests came one by one, with cores that were idle; where the lab was to keep the cores busy, with busy ones."""
    lone = phases(o, "lone")
    if not lone or any(sum(counts) != 1 for phase in lone for counts in phase["groups"]):
        return False
    return max(idle_cores(o)) <= IDLE if o["busy"] else min(idle_cores(o)) >= IDLE


def thirty_at_once(o):
    """Groups of 30 requests came, and all of them were answered."""
    bursts = phases(o, "burst of 30")
    return bool(bursts) and all(sum(counts) == 30 for phase in bursts for counts in phase["groups"])


# -- signs -------------------------------------------------------------------------------------------


def threads_appear(o):
    """Workers have more threads after the first phase's requests than before."""
    first = o["phases"][0]
    return sum(first["after"]) > sum(first["before"])


def threads_attract(o):
    """Whichever worker has many threads, that worker alone answers most groups of three clients."""
    if not threaded(o):
        raise ValueError("no worker was given threads")
    return all(2 * k > n for k, n in (wholly(phase, phase["target"]) for phase in threaded(o)))


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
        # Other programs may have hidden the order.
        raise ValueError(f"all of the machine's cores were busy ({min(idle):g} idle); try again when less else runs")
    return False


def most_to_one(o):
    """Of 30 requests at once one worker takes more than three fifths, as the mean; by chance it would be two fifths."""
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
        trigger=requests_arrived,
    ),
    Claim(
        "SW-8",
        "Once one worker has three threads, three clients' requests all go to that worker (may vary).",
        sign=threads_attract,
        shows=["quick"],
        rate=threes_to_threaded,
        trigger=one_has_threads,
        needs_idle=True,
        no_control="It says what happens once a worker has the threads; where none has them, there is no such worker.",
    ),
    Claim(
        "SW-16",
        "The order of listening decides, not threads: all workers wait on one socket, and of requests that come one by "
        "one the worker that began first gets less than its part, whichever worker has threads. If each worker has a "
        "socket of its own there is no order; if all cores are busy the order decides nothing.",
        sign=oldest_last,
        shows=["quick"],
        absent=["own-socket", "busy"],
        rate=lone_past_oldest,
        trigger=one_by_one,
        needs_idle=True,
    ),
    Claim(
        "SW-17",
        "Of 30 requests that come at once one worker takes most (three fifths and more), because asyncio accepts all "
        "connections that wait whenever it is woken. If it accepts only one each time, the workers share them.",
        sign=most_to_one,
        shows=["quick", "async", f"uvicorn-{NEWEST}"],
        absent=["accept-one"],
        trigger=thirty_at_once,
        needs_idle=True,
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


def thread_words(phase):
    """Threads of each worker before and after a phase."""
    return f"{'/'.join(map(str, phase['before']))} → {'/'.join(map(str, phase['after']))}"


def drawn(o, number):
    """A phase as a line: each worker's share as a bar, oldest listener first, and their threads."""
    shown = [phase for phase in o["phases"] if phase["phase"] != "fill"]
    if number > len(shown):
        return None
    phase = shown[number - 1]
    name = phase["phase"]
    if "target" in phase:
        name += f", worker {phase['target'] + 1} has the threads"
    if "newcomer" in phase:
        name += f", newcomer {phase['newcomer']}"
    counts = totals(phase)
    bars = "  ".join(f"{'█' * round(10 * n / sum(counts)):·<10} {100 * n / sum(counts):3.0f} %" for n in counts)
    return f"{name:35} {bars}  of {sum(counts)}; threads {thread_words(phase)}"
