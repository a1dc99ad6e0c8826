"""What both experiments do: send one request, and look at the processes of one that does not come back."""

import re
import time
from concurrent.futures import wait
from dataclasses import dataclass

from reprolab import InvalidTrial, wait_until
from reprolab.processes.snapshot import Snapshot
from reprolab.processes.wait_graph import Link, deadlocked, lost_lock, stuck

ROUNDS = 3  # five tasks on two children
GRACE = 0.3  # seconds for a request's own work, before its processes are looked at
BETWEEN = 0.3  # seconds between two looks
STILL = 3.0  # seconds in which nothing moved but a server's own loops
STARTED = 10.0  # seconds for what must be there at once
LIMIT = 25.0  # seconds; gunicorn's own limit is 30

LINE = re.compile(r"^\[(\d+) of (\d+)\] (.*)$")
# What multiprocessing starts beside a pool's children.
HELPERS = ("semaphore_tracker", "resource_tracker", "forkserver import main")


@dataclass(frozen=True)
class Stuck:
    """A request that will never be answered: the processes as they were, and who waits for whom."""

    snapshot: Snapshot
    links: tuple[Link, ...]

    @property
    def worker(self):
        """The process that began the request."""
        return self.links[0].pid

    @property
    def children(self):
        """The pids of its pool's children."""
        return [process.pid for process in pool_children(self.snapshot, self.worker)]

    def chain(self):
        """Who waits for whom, as text."""
        return [f"{link.pid}: {link.wait.text}" for link in self.links]

    def kinds(self):
        """What each link waits for: child, lock, pipe."""
        return [link.wait.kind for link in self.links]

    @property
    def lock_lost(self):
        """Not the document's freeze: nobody waits for a child, but for a lock whose holder is gone."""
        return "child" not in self.kinds()


def check_upstream(stack):
    """Without its neighbour every HTTP task fails, which is not what the document saw."""
    if stack.factors["TASK"] != "http":
        return

    def probe():
        return stack.probe("/now", role="upstream")

    wait_until("the upstream answers 200", lambda: probe() == "200", STARTED, state=probe)


def worker_of(stack, number):
    """The pid of the process that began a request; None before it did."""
    for line in reversed(stack.printed("app")):
        if (found := LINE.match(line)) and found[3] == f"request {number} begins":
            return int(found[1])
    return None


def pool_children(snapshot, worker):
    """The living processes below a worker, without multiprocessing's helpers, which are its own children."""
    return [
        process
        for process in snapshot.descendants(worker)
        if process.state != "Z"
        and not (process.parent == worker and any(helper in process.title for helper in HELPERS))
    ]


def wait_for(asked, seconds):
    """Sleep until the answer is there, or the time is up."""
    wait([asked], seconds)


def patience(stack):
    """How long a request may take, in seconds, before its processes are looked at."""
    slowest = max(float(stack.factors["LATENCY_MS"]), float(stack.factors["TASK_MS"]))
    return ROUNDS * slowest / 1000 + GRACE


def held(looks, worker):
    """Who waits for whom, for ever; empty where somebody may go on. ``looks``: (when, snapshot), the latest last."""
    (now, after), earlier = looks[-1], looks[:-1]
    if not earlier or worker is None:
        return []
    before = earlier[-1][1]
    if links := stuck(before, after, worker) or deadlocked(before, after, worker):
        return links
    long_ago = [snapshot for when, snapshot in earlier if now - when >= STILL]
    return lost_lock(long_ago[-1], after, worker) if long_ago else []


def answer_or_stuck(stack, asked, number, seconds):
    """Wait for the answer; without one, look twice: what holds the request for ever, or None if it was answered.

    Slow is not frozen: as long as a process moves, or waits for the network or a clock, the wait goes on.
    """
    end = time.monotonic() + LIMIT
    wait_for(asked, seconds)
    looks = []
    while not asked.done():
        if time.monotonic() > end:
            raise InvalidTrial(f"request {number} has no answer after {LIMIT:g} s, yet its processes are not stuck")
        if not stack.running("app"):
            raise InvalidTrial(f"the server ended under request {number}")
        looks.append((time.monotonic(), stack.processes()))
        if (links := held(looks, worker_of(stack, number))) and not asked.done():
            return Stuck(looks[-1][1], tuple(links))
        wait_for(asked, BETWEEN)
    return None
