"""A view that keeps memory, under a limit: what happens with and without max_requests, and the memory over requests."""

import re

from reprolab import Claim, Column, Curve, wait_until

from .common import ADDRESS, Gunicorn, Lab, option

KB = 1024  # that each request keeps
REQUESTS = 400
STEP = 10
LEAKING = {"APP": "loaded:application", "MEMORY": "160m"}
VARIANTS = {
    "documented": {},
    "leaking": LEAKING,
    "max-requests-40": {**LEAKING, "ARGUMENTS": "--max-requests 40"},
    # So many requests of one worker do not fit into the memory.
    "max-requests-300": {**LEAKING, "ARGUMENTS": "--max-requests 300"},
    "not-leaking": {**LEAKING, "APP": "plain:application"},
    "enough-memory": {**LEAKING, "MEMORY": "1g"},
}
TRIALS = 3


def drive(stack):
    """Send requests, and read the memory of the workers on the way."""
    lab = Lab(stack)
    stack.may_end("app", "the kernel may kill a process of it for want of memory")
    gunicorn = Gunicorn(lab).ready()
    answered, rss, pids = 0, {}, set()
    for sent in range(STEP, REQUESTS + STEP, STEP):
        answered += lab.call("many", address=ADDRESS, path=f"/leak/{KB}", count=STEP)
        workers = wait_until("a worker", gunicorn.workers)
        pids |= set(workers)
        rss[sent] = max(resident_mib(lab, pid) for pid in workers)
    observation = {
        "sent": REQUESTS,
        "unanswered": REQUESTS - answered,
        "killed": len(re.findall(r"was terminated due to signal 9|was sent SIGKILL", gunicorn.output)),
        "oom_kills": oom_kills(lab),
        "kept_mib": answered * KB // 1024 if stack.factors["APP"] == "loaded:application" else 0,
        "limit_mib": mib(stack.factors["MEMORY"]),
        "max_requests": int(option(stack.factors, "--max-requests") or 0),
        "workers": len(pids),
        "rss_mib": rss,
    }
    lab.keep()
    return observation


def resident_mib(lab, pid):
    """The memory of a process in MiB; 0 if it has ended."""
    match = re.search(r"VmRSS:\s+(\d+) kB", lab.call("read", path=f"/proc/{pid}/status"))
    return round(int(match[1]) / 1024, 1) if match else 0


def oom_kills(lab):
    """How many processes of the container the kernel has killed for want of memory; None if it does not say."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        if match := re.search(r"oom_kill (\d+)", lab.call("read", path=path)):
            return int(match[1])
    return None


def mib(text):
    """A limit such as "160m" or "1g" in MiB."""
    return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]


def leaked_too_much(o):
    """The answered requests together kept more memory than the limit."""
    return o["kept_mib"] > o["limit_mib"]


def survives(o):
    """Every request was answered, and the kernel killed nothing."""
    return o["unanswered"] == 0 and not o["oom_kills"] and not o["killed"]


def seen(o):
    """The highest memory of a worker, and what became of the requests."""
    kills = "nothing killed" if not o["oom_kills"] else f"{o['oom_kills']} killed"
    top = max(o["rss_mib"].values())
    return f"at most {top:.0f} MiB in a worker, {kills}, {o['unanswered']} of {o['sent']} requests unanswered"


CLAIMS = [
    Claim(
        "GS-66",
        "max_requests: if memory leaks, it resolves the want of memory (out of memory).",
        sign=survives,
        trigger=leaked_too_much,
        shows=["max-requests-40"],
        absent=["leaking", "max-requests-300"],
        setting="max_requests",
        measured=seen,
    ),
]

CURVES = [
    Curve(
        "Memory of a worker whose view leaks, by the requests that were sent",
        "requests",
        "MiB",
        lambda o: {int(at): mib for at, mib in o["rss_mib"].items()},
        variants=("leaking", "max-requests-40", "max-requests-300"),
    ),
]
COLUMNS = [
    Column("workers", lambda o: o["workers"]),
    Column("killed by the kernel", lambda o: o["oom_kills"]),
    Column("unanswered", lambda o: (o["unanswered"], o["sent"])),
    Column("highest memory, MiB", lambda o: max(o["rss_mib"].values())),
    Column(
        "memory over requests, MiB",
        lambda o: " · ".join(f"{at} {mib:.0f}" for at, mib in list(o["rss_mib"].items())[::5]),
        note=True,
    ),
]
