"""After how many requests a worker is replaced, and how far the jitter spreads that number."""

from collections import Counter

from reprolab import Claim, Column, Event, InvalidTrial, logs, wait_until

from .common import ADDRESS, Gunicorn, Lab, kept_notes, option

LIMIT = 20
PLAIN = {"APP": "plain:application", "WORKERS": "4"}
VARIANTS = {
    "documented": {},
    "limit-20": {**PLAIN, "ARGUMENTS": f"--max-requests {LIMIT}"},
    "jitter-10": {**PLAIN, "ARGUMENTS": f"--max-requests {LIMIT} --max-requests-jitter 10"},
    "jitter-2": {**PLAIN, "ARGUMENTS": f"--max-requests {LIMIT} --max-requests-jitter 2"},
    "jitter-alone": {**PLAIN, "ARGUMENTS": "--max-requests-jitter 10"},
}
TRIALS = 2
PARALLEL = True
WORKERS = 40  # that must have ended; then one of three equally likely numbers is missing in 3 of ten million trials
AT_ONCE = 50
UNLIMITED = 10  # times AT_ONCE requests without the setting; with it, workers would have ended
MOST = 60  # times AT_ONCE requests, at the most


def drive(stack):
    """Send requests until enough workers have ended; count how many requests each of these answered."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    limited = option(stack.factors, "--max-requests") is not None
    for rounds in range(MOST):
        answered = lab.call("many", address=ADDRESS, path="/sleep/0", count=AT_ONCE)
        if answered != AT_ONCE:
            raise InvalidTrial(f"{AT_ONCE - answered} of {AT_ONCE} requests were not answered")
        if (limited and len(ended(lab, gunicorn)) >= WORKERS) or (not limited and rounds == UNLIMITED):
            break
    wait_until("all workers are back", lambda: len(gunicorn.workers()) == gunicorn.wanted)
    observation = {
        "limit": limited and int(option(stack.factors, "--max-requests")),
        "jitter": int(option(stack.factors, "--max-requests-jitter") or 0),
        "ended": sorted(ended(lab, gunicorn).values()),
        "answered": sum(served(lab).values()),
    }
    lab.keep()
    return observation


def served(lab):
    """How many requests each worker began."""
    return Counter(pid for _, pid, _, what, _ in lab.notes() if what == "begin")


def ended(lab, gunicorn):
    """How many requests each worker began that has ended."""
    alive = gunicorn.workers()
    return {pid: number for pid, number in served(lab).items() if pid not in alive}


def zero(evidence, o):
    """0: the moments count from the first note of a worker."""
    return 0


def events(evidence, o):
    """Each worker's start."""
    notes = kept_notes(evidence)
    for at, pid, what, _ in notes:
        if what == "import":
            yield Event(1000 * (at - notes[0][0]), "started", f"worker {pid}", "views.log")


def responses(evidence, o):
    """The views that ended, for each step."""
    notes = kept_notes(evidence)
    steps = Counter(int(1000 * (at - notes[0][0])) // logs.BUCKET_MS for at, _, what, _ in notes if what == "end")
    return {"views done": [steps[step] for step in range(max(steps, default=-1) + 1)]}


def enough_requests(o):
    """With the setting, enough requests for 40 workers to end; without it, enough for each worker to reach 20."""
    return o["answered"] >= (WORKERS * o["limit"] if o["limit"] else UNLIMITED * AT_ONCE)


def after_exactly(o):
    """Workers ended, each after exactly as many requests as were set."""
    return len(o["ended"]) >= WORKERS and set(o["ended"]) == {LIMIT}


def spread(o):
    """Workers ended after different numbers, from limit to limit + jitter; with a small jitter each number occurs."""
    most = LIMIT + o["jitter"]
    values = set(o["ended"])
    inside = len(o["ended"]) >= WORKERS and len(values) > 1 and values <= set(range(LIMIT, most + 1))
    return inside and (o["jitter"] > 2 or values == set(range(LIMIT, most + 1)))


def seen(o):
    """How many workers ended, and after how many requests."""
    if not o["ended"]:
        return f"no worker ended in {o['answered']:,} requests"
    first, last = o["ended"][0], o["ended"][-1]
    span = f"{first} to {last}" if first != last else f"exactly {first}"
    return f"{len(o['ended'])} workers ended after {span} requests"


CLAIMS = [
    Claim(
        "GS-32",
        "max_requests: a worker restarts after that many requests; 0 (default): never.",
        sign=after_exactly,
        trigger=enough_requests,
        shows=["limit-20"],
        absent=["documented", "jitter-alone", "jitter-10"],
        setting="max_requests",
        measured=seen,
    ),
    Claim(
        "GS-33",
        "max_requests_jitter: adds randint(0, jitter) per worker, so that restarts do not coincide.",
        sign=spread,
        trigger=enough_requests,
        shows=["jitter-10", "jitter-2"],
        absent=["limit-20", "jitter-alone"],
        setting="max_requests_jitter",
        measured=seen,
    ),
]

COLUMNS = [
    Column("workers ended", lambda o: len(o["ended"])),
    Column("after requests", lambda o: f"{o['ended'][0]}–{o['ended'][-1]}" if o["ended"] else None),
    Column("different numbers", lambda o: len(set(o["ended"]))),
]
