"""What all experiments share: start gunicorn in the container, wait for a state, send requests, look at processes.

The calls go to app/door.py in the container; all times are by the container's clock.
"""

import re
import shlex
import time
from itertools import count

import requests
from reprolab import InvalidTrial, wait_until

ADDRESS = "127.0.0.1:8000"
VIEWS = "/tmp/views.log"
STARTED = 40.0  # seconds in which gunicorn has started or failed, on a busy machine
PATIENCE = 120.0  # seconds for a call of the door, whose functions have limits of their own
STILL = 1.0  # seconds without a change
ACTIVE = re.compile(r"\[DEBUG\] (\d+) workers")


class Lab:
    """The connection to the door in the container of one trial."""

    def __init__(self, stack):
        self.stack = stack
        self.factors = stack.factors
        self.session = requests.Session()
        self.session.trust_env = False
        self.numbers = count(1)
        self.began = []

    def call(self, do, **arguments):
        """Call a function of the door. Raises InvalidTrial with its error if it fails."""
        answer = self.session.post(self.stack.url("/", role="app"), json={"do": do, **arguments}, timeout=PATIENCE)
        if answer.status_code != 200:
            raise InvalidTrial(f"{do} failed in the container: {answer.text.strip().splitlines()[-1]}")
        return answer.json()

    def start(self, name, command, **options):
        """Start a program; its two streams become evidence."""
        self.began.append(name)
        return self.call("start", name=name, command=command, **options)

    def out(self, name="gunicorn"):
        """What a program wrote to its standard output so far."""
        return self.call("read", path=f"/tmp/{name}.out")

    def err(self, name="gunicorn"):
        """What a program wrote to its standard error so far."""
        return self.call("read", path=f"/tmp/{name}.err")

    def ask(self, path="/", address=ADDRESS, **options):
        """Send one request; returns its status, times and body."""
        return self.call("ask", address=address, path=path, **options)

    def begin(self, path, address=ADDRESS, **options):
        """Send one request in the background; returns its number, for `answer`."""
        number = next(self.numbers)
        self.call("begin", number=number, address=address, path=path, **options)
        return number

    def answer(self, number):
        """The result of a request in the background; None while it is under way."""
        return self.call("answers", numbers=[number])[0]

    def notes(self):
        """The application's notes: (when, pid, parent, what, about)."""
        lines = [line.split(" ", 4) for line in self.call("read", path=VIEWS).splitlines()]
        return [(float(when), int(pid), int(parent), what, about) for when, pid, parent, what, about in lines]

    def begun(self, path):
        """The pids in which a view began to answer this path."""
        return [pid for _, pid, _, what, about in self.notes() if (what, about) == ("begin", path)]

    def children(self, pid):
        """The living children of a process, by the kernel's list."""
        return [child for child in self.call("processes") if child["parent"] == pid and child["state"] != "Z"]

    def keep(self):
        """Write the output of the programs to the evidence."""
        for name in self.began:
            self.stack.evidence.write_text(f"{name}.out", self.out(name)[-200_000:])
            self.stack.evidence.write_text(f"{name}.err", self.err(name)[-200_000:])
        self.stack.evidence.write_text("views.log", self.call("read", path=VIEWS)[-200_000:])


class Gunicorn:
    """A gunicorn in the container, started with a trial's factors."""

    def __init__(self, lab, *arguments, name="gunicorn", cwd="/srv/app"):
        self.lab, self.name = lab, name
        factors = lab.factors
        words = ["gunicorn", "--worker-class", factors["WORKER_CLASS"], *shlex.split(factors["ARGUMENTS"]), *arguments]
        if factors["WORKERS"] != "default":
            words += ["--workers", factors["WORKERS"]]
        if factors["APP"] != "none":
            words.append(factors["APP"])
        shell = dict(part.split("=", 1) for part in shlex.split(factors["SHELL_ENV"]) if "=" in part)
        self.words, self.environment = words, {"PYTHONPATH": cwd, **shell}
        self.master = lab.start(name, words, env=self.environment, cwd=cwd)

    @property
    def code(self):
        """Its exit code; None while it runs."""
        return self.lab.call("ended", name=self.name)

    @property
    def output(self):
        """All that it wrote, standard output first."""
        return self.lab.out(self.name) + self.lab.err(self.name)

    def workers(self):
        """The pids of the master's living children. After USR2 a new master is among them."""
        return [child["pid"] for child in self.lab.children(self.master)]

    def answers(self, address=ADDRESS):
        """Whether it answers a request for /."""
        return self.lab.ask("/", address, limit=5)["status"] == 200

    def settled(self, address=ADDRESS):
        """Wait until it answers or has ended; returns whether it answers."""
        wait_until("gunicorn answers or ends", lambda: self.code is not None or self.answers(address), STARTED)
        return self.code is None

    @property
    def wanted(self):
        """How many workers the trial asks for; gunicorn's default is one."""
        number = self.lab.factors["WORKERS"]
        return 1 if number == "default" else int(number)

    def serving(self, address=ADDRESS):
        """Wait until it answers. Raises InvalidTrial if it does not start."""
        if not self.settled(address):
            raise InvalidTrial(f"gunicorn did not start: exit code {self.code}: {self.output.strip()[-600:]}")
        return self

    def ready(self, address=ADDRESS):
        """Wait until it answers and all its workers are there. Raises InvalidTrial if it does not start."""
        self.serving(address)
        wait_until(f"{self.wanted} workers", lambda: len(self.workers()) == self.wanted, STARTED, state=self.workers)
        return self

    def in_force(self):
        """Whether the master, which must be running, has the arguments and variables of the trial, by the kernel."""
        words = self.lab.call("read", path=f"/proc/{self.master}/cmdline").split("\0")[:-1]
        variables = self.lab.call("environment", pid=self.master)
        return words[-len(self.words) + 1 :] == self.words[1:] and self.environment.items() <= variables.items()

    def kill(self, sign, pid=None):
        """Send a signal to the master or to another process; returns the time, by the container's clock."""
        self.lab.call("kill", pid=pid or self.master, sign=sign)
        return self.lab.call("now")

    def stop(self):
        """End it by SIGTERM and wait."""
        self.kill("TERM")
        wait_until("gunicorn ends after SIGTERM", lambda: self.code is not None, 45)


def kept_notes(evidence):
    """The application's notes from a trial's files: (when, pid, what, about), by the container's clock."""
    lines = [line.split(" ", 4) for line in (evidence.path / "views.log").read_text(encoding="utf-8").splitlines()]
    return [(float(when), int(pid), what, about) for when, pid, _, what, about in lines]


def option(factors, name):
    """The value of an option in a trial's arguments; None if it is not given."""
    words = shlex.split(factors["ARGUMENTS"])
    return words[words.index(name) + 1] if name in words else None


def most_at_once(notes, prefix):
    """For each worker, the largest number of requests below ``prefix`` that were in their view at one moment."""
    inside, most = {}, {}
    for _, pid, _, what, about in sorted(notes):
        if about.startswith(prefix) and what in ("begin", "end"):
            inside[pid] = inside.get(pid, 0) + (1 if what == "begin" else -1)
            most[pid] = max(most.get(pid, 0), inside[pid])
    return most


def unchanged(what, look):
    """The result of ``look``, once it has been the same for a second."""
    state = {"seen": None, "since": time.monotonic()}

    def still():
        now = look()
        if now != state["seen"]:
            state.update(seen=now, since=time.monotonic())
        return time.monotonic() - state["since"] > STILL

    wait_until(f"{what} does not change any more", still, state=lambda: state["seen"])
    return state["seen"]


def in_force(o):
    """The master had the arguments and variables of the variant, by the kernel's list."""
    # Observations of older runs do not have it.
    return o.get("in_force", True)


def overlap(answers):
    """Whether all requests were under way at one moment, by the client's clock."""
    return max(answer["began"] for answer in answers) < min(answer["ended"] for answer in answers)


def sent_together(o):
    """The client had sent the last request before the first one was answered."""
    # Observations of older runs do not have it.
    return o.get("overlap", True)


def all_answered(lab, numbers, limit=60):
    """Wait for requests in the background; returns the result of each."""

    def look():
        answers = lab.call("answers", numbers=numbers)
        return None not in answers and answers

    return wait_until(f"{len(numbers)} requests are answered", look, limit)
