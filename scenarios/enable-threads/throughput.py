"""Throughput without and with --enable-threads: two servers in one container, under the same load in turn."""

import re
from statistics import median

from reprolab import Claim, Column, InvalidTrial, wait_until

# Both servers are started in the same way, beside that of the stack. That one answered a fifth fewer requests than a
# second one with the same options, so it cannot be compared.
PORTS = {"first": 8001, "second": 8002}
LOG = "/tmp/{name}.log"
PAIRS = 6
THREADS, CONNECTIONS, DURATION = 1, 4, 1
VARIANTS = {
    # The second server is as the first one, without the option: so much do two equal servers differ.
    "documented": {},
    "second-enable-threads": {"SECOND": "--enable-threads"},
    "second-threads-2": {"SECOND": "--threads 2"},
}
TRIALS = 3
ENABLED = re.compile(r"python threads support enabled", re.I)
DISABLED = re.compile(r"python threads support is disabled", re.I)


def drive(stack):
    """Start both servers; then put load on them, in turn, in an order that a drift does not favour."""
    flags = stack.factors["SECOND"].replace("none", "")
    start(stack, "first", "")
    start(stack, "second", flags)
    pairs, load = [], {}
    for number in range(PAIRS):
        names = list(PORTS) if number % 2 else list(PORTS)[::-1]
        pair = {}
        for name in names:
            load = loaded(stack, PORTS[name])
            pair[name] = load["requests_per_second"]
        pairs.append(pair)
    threads = {f"{name}_threads": threads_enabled(printed(stack, name)) for name in PORTS}
    return {"pairs": pairs, "load": load, **threads, "asked": bool(flags)}


def start(stack, name, flags):
    """Start a server with these options beside that of the stack, and wait until it answers."""
    port, log = PORTS[name], LOG.format(name=name)
    command = f"uwsgi --{stack.factors['FRONT']} 0.0.0.0:{port} --module lab.wsgi:application {flags} >{log} 2>&1 &"
    code, output = stack.execute("app", ["sh", "-c", command])
    if code:
        raise InvalidTrial(f"the {name} server did not start: {output}")
    ask = f"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:{port}/', timeout=5).status)"
    answers = ["python", "-c", ask]
    wait_until(f"the {name} server answers", lambda: stack.execute("app", answers)[1].strip() == "200", 60)


def printed(stack, name):
    """What one of the two servers has printed so far."""
    return stack.execute("app", ["cat", LOG.format(name=name)])[1]


def loaded(stack, port):
    """The figures of wrk against one of the servers. Raises InvalidTrial if a request failed.

    The answers have no length, so each ends with its connection. wrk counts it, and that end as a failed read too.
    """
    result = stack.wrk("/", role="app", port=port, threads=THREADS, connections=CONNECTIONS, duration=DURATION)
    summary = result.summary()
    failed = sum(number for name, number in summary["errors"].items() if name != "read")
    if failed or summary["errors"]["read"] > summary["requests"]:
        raise InvalidTrial(f"requests to port {port} failed: {summary['errors']}")
    return summary | {"requests_per_second": round(result.result.requests_per_second, 1)}


def threads_enabled(text):
    """Whether a uWSGI printed at its start that threads of Python are enabled; None if it says neither."""
    if ENABLED.search(text):
        return True
    return False if DISABLED.search(text) else None


def compared(o):
    """The first server said that threads are disabled, and the second one that they are as its options ask."""
    return o["first_threads"] is False and o["second_threads"] is o["asked"]


def wins(o):
    """In how many pairs the first server, without the option, was the faster one; and the number of pairs."""
    return sum(pair["first"] > pair["second"] for pair in o["pairs"]), len(o["pairs"])


def gain(o):
    """How much faster the first server was, in per cent of the second one: the median of the pairs."""
    return 100 * (median(pair["first"] / pair["second"] for pair in o["pairs"]) - 1)


def faster_without(o):
    """Without the option it was faster in every pair. Two equal servers give that in one trial of sixty-four."""
    won, pairs = wins(o)
    return won == pairs


CLAIMS = [
    Claim(
        "ET-29",
        "That threads are off by default is for performance: without --enable-threads uWSGI answers more requests in a "
        "second.",
        sign=faster_without,
        rate=wins,
        trigger=compared,
        needs_idle=True,
        shows=["second-enable-threads"],
        absent=["documented"],
    ),
]

COLUMNS = [
    Column("without, req/s", lambda o: median(pair["first"] for pair in o["pairs"])),
    Column("second server, req/s", lambda o: median(pair["second"] for pair in o["pairs"])),
    Column("without is faster by", gain, "{:+.1f} %"),
    Column("faster in pairs", wins),
    Column(
        "pairs, req/s",
        lambda o: " · ".join(f"{pair['first']:.0f}|{pair['second']:.0f}" for pair in o["pairs"]),
        note=True,
    ),
]
