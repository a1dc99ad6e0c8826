"""What both experiments share: send a request, and look at the processes of a request that is not answered."""

import re
import time
from concurrent.futures import wait
from dataclasses import dataclass

from reprolab import InvalidTrial, wait_until
from reprolab.processes.snapshot import Snapshot
from reprolab.processes.wait_graph import Link, deadlocked, lost_lock, stuck

ROUNDS = 3  # five tasks on two children
GRACE = 0.3  # seconds for a request's own work, before the lab looks at its processes
BETWEEN = 0.3  # seconds between two looks
STILL = 3.0  # seconds in which only a server's own loops may have moved
STARTED = 10.0  # seconds in which something must start that should be there at once
LIMIT = 25.0  # seconds; gunicorn's own limit is 30

LINE = re.compile(r"^\[(\d+) of (\d+)\] (.*)$")
# The processes that multiprocessing starts besides a pool's children.
HELPERS = ("semaphore_tracker", "resource_tracker", "forkserver import main")


@dataclass(frozen=True)
class Stuck:
    """A request that will never be answered: its processes at that moment, and who waits for whom."""

    snapshot: Snapshot
    links: tuple[Link, ...]

    @property
    def worker(self):
        """The pid of the process that began the request."""
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
        """Another freeze than the document's: a process waits for a lock, and none for a child."""
        return "child" not in self.kinds()


def check_upstream(stack):
    """Wait until the server that the tasks ask answers: without it every HTTP task fails, unlike in the document."""
    if stack.factors["TASK"] != "http":
        return

    def probe():
        return stack.probe("/now", role="upstream")

    wait_until("the upstream answers 200", lambda: probe() == "200", STARTED, state=probe)


def worker_of(stack, number):
    """The pid of the process that began a request; None before the request began."""
    for line in reversed(stack.printed("app")):
        if (match := LINE.match(line)) and match[3] == f"request {number} begins":
            return int(match[1])
    return None


def pool_children(snapshot, worker):
    """The living descendants of a worker, without the helpers that multiprocessing starts as the worker's children."""
    return [
        process
        for process in snapshot.descendants(worker)
        if process.state != "Z"
        and not (process.parent == worker and any(helper in process.title for helper in HELPERS))
    ]


def wait_for(asked, seconds):
    """Wait until the answer is there or the time is over."""
    wait([asked], seconds)


def patience(stack):
    """How long a request may take, in seconds, before the lab looks at its processes."""
    slowest = max(float(stack.factors["LATENCY_MS"]), float(stack.factors["TASK_MS"]))
    return ROUNDS * slowest / 1000 + GRACE


def held(looks, worker):
    """Who waits for whom for ever; empty if a process may still go on. ``looks``: (time, snapshot), the latest last."""
    (now, after), earlier = looks[-1], looks[:-1]
    if not earlier or worker is None:
        return []
    before = earlier[-1][1]
    if links := stuck(before, after, worker) or deadlocked(before, after, worker):
        return links
    long_ago = [snapshot for when, snapshot in earlier if now - when >= STILL]
    return lost_lock(long_ago[-1], after, worker) if long_ago else []


def answer_or_stuck(stack, asked, number, seconds):
    """Wait for the answer; if there is none, look at the processes. Returns Stuck, or None if it was answered.

    A slow request is not frozen: as long as a process moves, or waits for the network or a clock, the lab waits.
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
