"""A request makes a C call that keeps the GIL: does uvicorn kill the worker, and what becomes of its requests?"""

import time
from contextlib import ExitStack

from reprolab import Claim, Column, InvalidTrial, logs

NEWEST, SHORT = {"UVICORN": "0.54.0"}, {"HOLD": "4"}
VARIANTS = {
    "documented": {},
    **{f"uvicorn-{release}": {"UVICORN": release} for release in ("0.29.0", "0.30.0", "0.37.0", "0.54.0")},
    # One word of the call, another call, a shorter one, and no parent.
    "cdll": {"HOLDER": "CDLL"},
    "sleep": {"HOLDER": "sleep"},
    "loop": {"HOLDER": "loop"},
    "hold-4": SHORT,
    "one-worker": {"WORKERS": "1"},
    # The limit is a setting.
    "0.37.0-timeout-10": {"UVICORN": "0.37.0", "TIMEOUT": "10"},
    "0.54.0-timeout-10": NEWEST | {"TIMEOUT": "10"},
    "0.54.0-timeout-2": NEWEST | SHORT | {"TIMEOUT": "2"},
    # The cause: one place in uvicorn's source.
    "unasked": {"PATCH": "unasked"},
    "limit-30": {"PATCH": "limit-30"},
    "0.54.0-fixed-limit": NEWEST | {"TIMEOUT": "10", "PATCH": "fixed-limit"},
    # The other worker dies during the call.
    "other-killed": {"OTHER": "killed"},
    "other-killed-cdll": {"OTHER": "killed", "HOLDER": "CDLL"},
}
TRIALS = 3
PARALLEL = True  # the calls sleep, so trials side by side need little of the processors

WORKERS = ["sh", "-c", "grep -ls 'spawn_mai[n]' /proc/[0-9]*/cmdline"]  # a process that has ended has no command
GET = b"GET %s HTTP/1.1\r\nHost: app\r\n\r\n"
ASKED, LOOK = 1.2, 3.0  # seconds after the call began: the parent has asked the worker; the lab looks
LOST = ("closed without answer", "reset")


def drive(stack):
    """Two requests for one worker: the first makes the call, the second waits behind it. Look meanwhile and after."""
    running = int(stack.factors["WORKERS"])
    stack.wait_printed(logs.UVICORN.pattern("started"), running)
    with ExitStack() as connections:
        # One more connection than workers: two of them have the same worker.
        clients = [connections.enter_context(stack.connect("app")) for _ in range(running + 1)]
        holder, neighbour, pid = pair(clients)
        before = workers(stack)
        holder.send(GET % b"/hold")
        stack.wait_printed(rf"holds {pid}\b")
        began = time.monotonic()
        neighbour.send(GET % b"/")
        time.sleep(ASKED)
        if stack.factors["OTHER"] == "killed":
            stack.kill("app", [other for other in before if other != pid])
        time.sleep(max(0, began + LOOK - time.monotonic()))
        meanwhile = look(stack, pid, before)
        limit = float(stack.factors["HOLD"]) + 10
        outcomes = {name: client.outcome(limit=limit) for name, client in (("call", holder), ("neighbour", neighbour))}
    by = {name: int(outcome.body) if outcome.status == 200 else None for name, outcome in outcomes.items()}
    endings = {name: str(outcome.ending) for name, outcome in outcomes.items()}
    return {"holder": pid, "meanwhile": meanwhile, "endings": endings, "by": by, "after": stack.probe("/")}


def pair(clients):
    """Two connections that the same worker has accepted, and its pid."""
    accepted = {}
    for client in clients:
        client.send(GET % b"/")
        pid = int(client.outcome().body)
        if pid in accepted:
            return accepted[pid], client, pid
        accepted[pid] = client
    raise InvalidTrial(f"{len(clients)} connections have as many workers: {sorted(accepted)}")


def workers(stack):
    """The pids of the workers that have not ended."""
    return sorted(int(path.split("/")[2]) for path in stack.execute("app", WORKERS)[1].split())


def look(stack, pid, before):
    """During the call: the seconds in which no other thread of the worker ran, new workers, and a new client."""
    ticks = ["sh", "-c", f"date +%s.%N; stat -c %.9Y /tmp/ticks-{pid}"]
    now, last = (float(word) for word in stack.execute("app", ticks)[1].split())
    new = [other for other in workers(stack) if other not in before]
    seen = {"silent_s": now - last, "new": new, "client": stack.probe("/", timeout=1)}
    return seen | {"calling": f"lets go {pid}" not in "\n".join(stack.printed("app"))}


def observe(evidence, driven):
    """What the log adds: the workers that the parent gave up."""
    matches = [logs.UVICORN.search("died", line) for line in evidence.lines("app")]
    return driven | {"died": [int(match[1]) for match in matches if match]}


# -- triggers and signs: pure functions of one observation ---------------------------------------


def calling(o):
    """The call had begun, and went on when the lab looked."""
    return o["meanwhile"]["calling"]


def killed(o):
    """The parent gave the worker up, its request got no answer, and a new client is served afterwards."""
    return o["holder"] in o["died"] and o["endings"]["call"] in LOST and o["after"] == "200"


def neighbour_lost(o):
    """A second request, which waited in the same worker, got no answer either."""
    return o["endings"]["neighbour"] in LOST and o["by"]["neighbour"] is None


def not_replaced_meanwhile(o):
    """The other worker was killed, and during the call nobody takes its place: a new client gets no answer."""
    return not o["meanwhile"]["new"] and o["meanwhile"]["client"] == "timeout"


def claim(number, text, sign, shows, absent):
    """A claim on a sign."""
    return Claim(f"GH-{number}", text, sign=sign, trigger=calling, shows=shows, absent=absent)


HELD = "Since 0.30.0 a healthy worker that keeps the GIL for more than 5 s is killed: its request gets no answer."
GIL = "It is the GIL: the same C call without it, time.sleep() and Python code take as long, and the worker lives."
SETTING = "From 0.37.0 on the limit is a setting; without it the limit is still 5 s."
CAUSE = (
    "The cause: a thread of the worker must answer the parent in time, and gets no GIL. The worker lives if the parent "
    "asks the system alone or waits longer, and is killed if it does not read the setting."
)
OTHERS = "The other requests of the worker are lost with it, though they only waited."
BLIND = "While the parent waits for the answer it looks at no other worker: one that dies meanwhile is not replaced."
RAISED = ["0.37.0-timeout-10", "0.54.0-timeout-10"]
CLAIMS = [
    claim(1, HELD, killed, ["documented", "uvicorn-0.30.0"], ["uvicorn-0.29.0", "hold-4", "one-worker"]),
    claim(2, GIL, killed, ["documented"], ["cdll", "sleep", "loop"]),
    claim(3, SETTING, killed, ["uvicorn-0.37.0", "uvicorn-0.54.0", "0.54.0-timeout-2"], RAISED),
    claim(4, CAUSE, killed, ["documented", "0.54.0-fixed-limit"], ["unasked", "limit-30", "0.54.0-timeout-10"]),
    claim(5, OTHERS, neighbour_lost, ["documented"], ["cdll", "hold-4", "uvicorn-0.29.0"]),
    claim(6, BLIND, not_replaced_meanwhile, ["other-killed"], ["other-killed-cdll", "documented"]),
]

COLUMNS = [
    Column("GIL kept", lambda o: "yes" if o["meanwhile"]["silent_s"] > 1 else "no"),
    Column("worker", lambda o: "killed" if o["holder"] in o["died"] else "lives"),
    Column("its request", lambda o: "200" if o["by"]["call"] else o["endings"]["call"]),
    Column("request behind it", lambda o: "200" if o["by"]["neighbour"] else o["endings"]["neighbour"]),
    Column("new client meanwhile", lambda o: o["meanwhile"]["client"]),
    Column("after", lambda o: o["after"]),
]
