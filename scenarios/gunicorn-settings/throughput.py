"""Throughput over the number of workers, for requests that compute and for requests that wait, in one trial each."""

import json
from itertools import pairwise

from reprolab import Claim, Column, Curve, InvalidTrial, wait_until

from .common import STARTED, Gunicorn, Lab

CLIENTS = 24  # for each processor: twice as many as the most workers
SECONDS = 2.0
LOADED = {"APP": "loaded:application", "LASTS": "0.05"}
VARIANTS = {
    "documented": {},
    "computes": {**LOADED, "WORK": "compute"},
    "waits": LOADED,
}
TRIALS = 3
# Multiples of the processors, in an order in which a drift of the machine does not look like an effect of the number.
MULTIPLES = (1, 12, 2, 6, 4)
CLEAR = 0.85  # of the highest rate: as good as it


def drive(stack):
    """For each number of workers start gunicorn, send requests for some seconds, and stop it.

    The documented application has no work that fits here: its rates are left out.
    """
    lab = Lab(stack)
    processors = int(stack.execute("app", ["python", "-c", "import os; print(os.cpu_count())"])[1])
    path = f"/{stack.factors['WORK']}/{stack.factors['LASTS']}"
    rates, failed = {}, 0
    numbers = (1, *(multiple * processors for multiple in MULTIPLES))
    for workers in numbers if stack.factors["APP"] == LOADED["APP"] else ():
        name = f"workers-{workers}"
        gunicorn = Gunicorn(lab, "--workers", str(workers), name=name).serving()
        wait_until(f"{workers} workers", lambda g=gunicorn, n=workers: len(g.workers()) == n, STARTED)
        load = answers(lab, f"load-{workers}", path, CLIENTS * processors)
        rates[workers], failed = round(load["answered"] / load["took_s"], 1), failed + load["failed"]
        gunicorn.stop()
    lab.keep()
    return {"processors": processors, "rates": dict(sorted(rates.items())), "failed": failed, "path": path}


def answers(lab, name, path, clients):
    """What the clients of app/load.py counted."""
    lab.start(name, ["python", "load.py", "8000", path, str(clients), str(SECONDS)])
    wait_until("the load has ended", lambda: lab.call("ended", name=name) is not None, 60)
    if lab.call("ended", name=name):
        raise InvalidTrial(f"the clients failed: {lab.err(name)[-300:]}")
    return json.loads(lab.out(name))


def all_numbers(o):
    """Each number of workers answered requests, and no request failed."""
    return all(o["rates"].values()) and o["failed"] == 0


def rate(o, multiple):
    """Requests per second with so many workers for each processor."""
    return by_number(o)[multiple * o["processors"]]


def by_number(o):
    """Number of workers -> requests per second. Observations from a file have text as keys."""
    return {int(number): value for number, value in o["rates"].items()}


def recommended_is_best(o):
    """With 2 and with 4 workers for each processor the rate is as good as the highest; with one worker it is not."""
    best = max(o["rates"].values())
    alone = by_number(o)[1]
    return min(rate(o, 2), rate(o, 4)) >= CLEAR * best and alone < CLEAR * best


def more_is_more(o):
    """Each step from 2 to 12 workers for each processor gives a clearly higher rate."""
    steps = [rate(o, multiple) for multiple in sorted(MULTIPLES) if multiple >= 2]
    return all(low < CLEAR * high for low, high in pairwise(steps))


def seen(o):
    """Requests per second over the number of workers, as multiples of the rate of one worker."""
    (_, alone), *others = by_number(o).items()
    return "of the rate of one worker: " + ", ".join(f"{n} workers {value / alone:.0f} ×" for n, value in others)


def figures(o):
    """Requests per second over the number of workers."""
    return ", ".join(f"{number} worker{'s' * (number > 1)} {value:.0f}/s" for number, value in by_number(o).items())


CLAIMS = [
    Claim(
        "GS-62",
        "workers: the manual recommends 2 to 4 × CPU: with so many the throughput is as high as with any number.",
        sign=recommended_is_best,
        trigger=all_numbers,
        needs_idle=True,
        shows=["computes", "waits"],
        no_control="one worker and twelve for each processor are measured in the same trial",
        but=["GS-76"],
        setting="workers",
        measured=seen,
    ),
    Claim(
        "GS-76",
        "workers: for requests that wait, more workers than 4 × CPU give more throughput; for requests that compute "
        "they do not.",
        sign=more_is_more,
        trigger=all_numbers,
        needs_idle=True,
        shows=["waits"],
        absent=["computes"],
        setting="workers",
        measured=seen,
    ),
]

CURVES = [
    Curve(
        "Throughput by the number of workers, for requests that compute and for requests that wait",
        "workers",
        "requests per second",
        by_number,
        variants=("computes", "waits"),
    ),
]
COLUMNS = [
    Column("processors", lambda o: o["processors"]),
    *(Column(f"{m} × CPU, req/s", lambda o, m=m: by_number(o).get(m * o["processors"])) for m in sorted(MULTIPLES)),
    Column("requests per second", lambda o: figures(o) or None, note=True),
]
