"""How often main.py is loaded, where and under which name, and what a worker has from its parent's memory."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

from reprolab import Claim, Column, InvalidTrial, logs

from .settling import DIED, serving, wait_settled

NEWEST = "0.54.0"
# How long a request takes does not change the loads (see many-requests), so variants that test loads wait less.
SOON = {"SLEEP": "2"}
VARIANTS = {
    "documented": {},
    "unwatched": {"WITNESS": "off"},
    "one-worker": {"WORKERS": "1"},
    "two-workers": {"WORKERS": "2"},
    "reload": {"RELOAD": "True"},
    # The file that is started is not the application.
    "command-line": {"START": "command-line"},
    "launcher": {"START": "launcher"},
    # One word in uvicorn: its workers are forked, and nothing else changes.
    "forked": {"PATCH": "fork"},
    # What a user may try.
    "set-start-method": {"START_METHOD": "fork"},
    f"uvicorn-{NEWEST}-set-start-method": {**SOON, "START_METHOD": "fork", "UVICORN": NEWEST},
    # A value that the parent sets before the children start: which workers have it?
    "marked": {**SOON, "START": "launcher", "MARK": "on"},
    "marked-forked": {**SOON, "START": "launcher", "MARK": "on", "PATCH": "fork"},
    "marked-gunicorn": {**SOON, "START": "gunicorn-preload", "MARK": "on"},
    # The other server.
    "gunicorn": {**SOON, "START": "gunicorn"},
    "gunicorn-preload": {**SOON, "START": "gunicorn-preload"},
    # A request that loads main.py again: it shows that the sign of SW-7 can come out true.
    "import-again": {"IMPORT_AGAIN": "on", "SLEEP": "0.05"},
    # Many more requests than there is time for if each takes ten seconds.
    "many-requests": {"SLEEP": "0.01"},
    # Other releases.
    "uvicorn-0.20.0": {**SOON, "UVICORN": "0.20.0"},
    f"uvicorn-{NEWEST}": {**SOON, "UVICORN": NEWEST},
}
TRIALS = 3
PARALLEL = True

PRINTED = re.compile(r"g_var (\d+) as pid (\d+) loads main\.py")
AT_ONCE = 30  # no worker's thread pool (40) is ever full
LONG = 1.0  # seconds; a server that takes longer gets AT_ONCE requests, another gets MANY
MANY = 600
OPTIONS = """
import inspect, json, uvicorn
print(json.dumps(sorted(inspect.signature(uvicorn.Config).parameters)))
"""


def drive(stack):
    """Wait for the workers, send many requests, and keep what was loaded before and after."""
    workers = wait_settled(stack)
    begun = stack.printed("app")
    served = ask(stack, float(stack.factors["SLEEP"]))
    snapshot = stack.processes()
    server = snapshot.server()
    family = [server, *snapshot.descendants(server.pid)]
    return {
        "loads_before": loads(begun),
        "served": served,
        "server": server.pid,
        "workers": sorted(workers),
        # Whether the same workers serve still: then none was replaced under the requests.
        "settled": serving(stack) == workers,
        "processes": [
            {
                "pid": process.pid,
                "parent": process.parent,
                "command": process.title,
                "forked": process.forked,
                "layout_of_parent": shares_layout(snapshot, process),
            }
            for process in family
        ],
        "options": options(stack),
    }


def shares_layout(snapshot, process):
    """Whether program and stack are at the parent's addresses, hardly by chance; None if the kernel hides them."""
    parent = snapshot.processes.get(process.parent)
    if parent is None or not (process.layout and parent.layout):
        return None
    return process.layout == parent.layout


def ask(stack, sleep):
    """Send many requests; how often each process answered with each value of g_var."""
    many = AT_ONCE if sleep > LONG else MANY
    with ThreadPoolExecutor(AT_ONCE) as clients:
        answers = list(clients.map(lambda _: stack.get("/", timeout=sleep * 3 + 30), range(many)))
    served = {}
    for answer in answers:
        answer.raise_for_status()
        body = answer.json()
        counts, value = served.setdefault(str(body["pid"]), {}), str(body["g_var"])
        counts[value] = counts.get(value, 0) + 1
    return served


def options(stack):
    """The command line's options and the names of uvicorn.Config's arguments."""
    code, text = stack.execute("app", ["uvicorn", "--help"])
    inner, names = stack.execute("app", ["python", "-c", OPTIONS])
    if code or inner:
        raise InvalidTrial(
            f"uvicorn's options cannot be read: exit codes {code}, {inner}: {text[-200:]} {names[-200:]}"
        )
    return {"help": sorted(set(re.findall(r"--[a-z][a-z0-9-]+", text))), "config": json.loads(names), "text": text}


def loads(lines):
    """What the program printed and what the witness saw of main.py, in the log's order.

    From 0.30.0 on uvicorn replaces a worker that does not answer within 5 s, which may happen on a busy machine while
    the worker still loads. Such a worker never served, so what it printed is left out.
    """
    text = "\n".join(lines)
    died = [int(pid) for pid in re.findall(DIED, text)]
    seen = [event for event in logs.json_objects(lines, '{"witness": ') if event["pid"] not in died]
    return {
        "replaced": len(died),
        "printed": [[int(pid), int(value)] for value, pid in PRINTED.findall(text) if int(pid) not in died],
        "witnessed": [event for event in seen if event["witness"] == "load"],
        "begun": [event for event in seen if event["witness"] != "load"],
    }


def observe(evidence, driven):
    """Read the whole log; check that the witness and the program agree."""
    seen = loads([line.decode("utf-8", "replace").rstrip("\n") for line in evidence.lines("app")])
    by_print = sorted(pid for pid, _ in seen["printed"])
    by_witness = sorted(event["pid"] for event in seen["witnessed"])
    if seen["begun"] and by_print != by_witness:
        raise InvalidTrial(f"the program printed in {by_print}, but the witness saw it load in {by_witness}")
    if not set(driven["served"]) <= {str(pid) for pid in driven["workers"]}:
        raise InvalidTrial(f"answers by {sorted(driven['served'])}, but the workers are {driven['workers']}")
    return driven | {"loads": seen, "asked": sum(sum(counts.values()) for counts in driven["served"].values())}


# -- what an observation says ------------------------------------------------------------------------


def children(o):
    """The workers that are not the first process."""
    return [pid for pid in o["workers"] if pid != o["server"]]


def printed(o, pid, when="loads"):
    """The values that a process printed while it loaded main.py."""
    return [value for printer, value in o[when]["printed"] if printer == pid]


def names(o, pid):
    """The names under which main.py ran in a process."""
    return [load["name"] for load in o["loads"]["witnessed"] if load["pid"] == pid]


def process(o, pid):
    """The process of the tree with this pid."""
    return next(process for process in o["processes"] if process["pid"] == pid)


def origin(o, pid):
    """How a process began: fork, spawn, or first. Raises ValueError if the four signs contradict each other.

    The signs are: the kernel's mark on a process that was forked and has run no other program since; the addresses of
    program and stack; what the interpreter itself reported when it began; and whether the process has the random number
    that is in the memory of its parent's interpreter.
    """
    if pid == o["server"]:
        return "first"
    worker = process(o, pid)
    forked = {"kernel": worker["forked"]}
    if worker["layout_of_parent"] is not None:
        forked["memory"] = worker["layout_of_parent"]
    begun = [event for event in o["loads"]["begun"] if event["pid"] == pid]
    if begun:
        # The last report counts: spawn forks first, and the new interpreter reports its start after that.
        tokens = {event["token"] for event in o["loads"]["begun"] if event["pid"] == worker["parent"]}
        forked["interpreter"] = begun[-1]["witness"] == "fork"
        forked["token"] = begun[-1]["token"] in tokens
    if len(set(forked.values())) > 1:
        raise ValueError(f"process {pid} was forked? {forked}")
    return "fork" if worker["forked"] else "spawn"


def origins(o):
    """How each worker began."""
    return [origin(o, pid) for pid in o["workers"]]


# -- triggers: was what the claims are about exercised? ----------------------------------------------


def settled(o):
    """All workers were up before the requests, none was replaced since, and requests were answered."""
    # Runs before it was recorded tell only that a worker that had started is not there any more.
    stayed = o.get("settled", set(o["workers"]) <= {process["pid"] for process in o["processes"]})
    return stayed and o["asked"] > 0


def distributed(o):
    """The same, and the requests were distributed over several processes."""
    return settled(o) and len(o["served"]) > 1


# -- signs -------------------------------------------------------------------------------------------


def twice_each(o):
    """Each worker loaded main.py twice, in one thread."""
    witnessed = o["loads"]["witnessed"]
    threads = {pid: {load["thread"] for load in witnessed if load["pid"] == pid} for pid in children(o)}
    return bool(children(o)) and all(len(printed(o, p)) == 2 and len(threads[p]) == 1 for p in children(o))


def seven_lines(o):
    """The parent loaded it once, and all processes together printed seven lines."""
    return len(printed(o, o["server"])) == 1 and len(o["loads"]["printed"]) == 7


def zero_everywhere(o):
    """Every line that was printed says 0."""
    values = [value for _, value in o["loads"]["printed"]]
    return bool(values) and set(values) == {0}


def loads_changed(o):
    """After the requests the number of loads of main.py is different in some process."""
    return any(len(printed(o, pid)) != len(printed(o, pid, "loads_before")) for pid in [o["server"], *o["workers"]])


def no_way_to_fork(o):
    """Workers are not forked, and no option or argument says how workers begin."""
    words = re.compile(r"fork|spawn|start.method|preload", re.I)
    names_it = [name for name in (*o["options"]["help"], *o["options"]["config"]) if words.search(name)]
    return not names_it and not words.search(o["options"]["text"]) and "fork" not in origins(o)


def all_forked(o):
    """Every worker is a copy of its parent."""
    return set(origins(o)) == {"fork"}


def main_again(o):
    """Each worker ran main.py first as the parent's main file, then as the module that uvicorn imports."""
    return bool(children(o)) and all(names(o, pid) == ["__mp_main__", "main"] for pid in children(o))


def has_parents_value(o):
    """Every answer shows the value that the parent set before the children started."""
    return {value for counts in o["served"].values() for value in counts} == {"1000"}


CLAIMS = [
    Claim(
        "SW-1",
        "`python main.py` with `workers=3`: each worker process loads `main.py` twice, in the same thread.",
        sign=twice_each,
        shows=["documented", "uvicorn-0.20.0", f"uvicorn-{NEWEST}"],
        absent=["launcher", "command-line", "forked", "gunicorn"],
        trigger=settled,
    ),
    Claim(
        "SW-2",
        "The parent loads it once: seven lines in all.",
        sign=seven_lines,
        shows=["documented", "unwatched"],
        absent=["two-workers", "launcher", "command-line", "forked"],
        trigger=settled,
    ),
    Claim(
        "SW-5",
        "`g_var` prints 0 everywhere, because the children are spawned.",
        sign=zero_everywhere,
        shows=["documented"],
        # If that were the reason, forked children would print something else.
        absent=["forked"],
        trigger=settled,
    ),
    Claim(
        "SW-7",
        "How many `main.py` instances a process holds changes with the distribution of requests.",
        sign=loads_changed,
        shows=["documented", "many-requests"],
        absent=["one-worker"],
        trigger=distributed,
        untriggered=["one-worker"],
    ),
    Claim(
        "SW-11",
        "uvicorn has no option to fork instead of spawn.",
        sign=no_way_to_fork,
        shows=["documented", "set-start-method", f"uvicorn-{NEWEST}-set-start-method"],
        absent=["forked", "gunicorn"],
        trigger=settled,
    ),
    Claim(
        "SW-12",
        "gunicorn forks by default; to force fork, host with gunicorn.",
        sign=all_forked,
        shows=["gunicorn", "gunicorn-preload"],
        absent=["documented"],
        trigger=settled,
    ),
    Claim(
        "SW-13",
        "The cause of the second load: a spawned child runs its parent's main file again, as `__mp_main__`, before "
        "uvicorn imports `main`. If uvicorn is started from another file, or forks, each worker loads it once.",
        sign=main_again,
        shows=["documented"],
        absent=["launcher", "command-line", "forked"],
        trigger=settled,
    ),
    Claim(
        "SW-14",
        "A value that the parent sets before its children start tells them apart: forked workers see it, but uvicorn's "
        "workers do not, because they are spawned.",
        sign=has_parents_value,
        shows=["marked-forked", "marked-gunicorn"],
        absent=["marked"],
        trigger=settled,
    ),
]
COLUMNS = [
    Column("parent loads", lambda o: len(printed(o, o["server"]))),
    Column("worker loads", lambda o: worker_words(o, lambda pid: str(len(printed(o, pid))))),
    Column("as", lambda o: worker_words(o, lambda pid: "+".join(dict.fromkeys(names(o, pid))))),
    Column("lines", lambda o: len(o["loads"]["printed"])),
    Column("printed", lambda o: "/".join(sorted({str(value) for _, value in o["loads"]["printed"]}))),
    Column("answered", lambda o: "/".join(sorted({v for counts in o["served"].values() for v in counts}))),
    Column("workers are", lambda o: "/".join(sorted(set(origins(o))))),
    Column("loads after", lambda o: "changed" if loads_changed(o) else "the same"),
    Column("requests", lambda o: o["asked"]),
    Column("replaced while they loaded", lambda o: o["loads"]["replaced"] or None, note=True),
]


def worker_words(o, word):
    """A word about each worker, each distinct word once; None if the first process serves alone."""
    return "/".join(sorted({word(pid) for pid in children(o)})) or None
