"""Which process answers, and what the other processes are for."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

from reprolab import Claim, Column, Event, InvalidTrial, wait_until

VARIANTS = {
    "documented": {},
    "http-socket": {"FRONT": "http-socket"},
    "socket-nginx": {"FRONT": "socket"},
    "master": {"FLAGS": "--master"},
    "processes-2": {"FLAGS": "--processes 2"},
    "master-processes-2": {"FLAGS": "--master --processes 2"},
    "http-socket-master": {"FRONT": "http-socket", "FLAGS": "--master"},
    "socket-nginx-processes-2": {"FRONT": "socket", "FLAGS": "--master --processes 2"},
    "threads-4": {"FLAGS": "--threads 4"},
    "master-processes-2-threads-4": {"FLAGS": "--master --processes 2 --threads 4"},
    "uwsgi-2.0.31": {"UWSGI": "2.0.31"},
    "gunicorn": {"SERVER": "gunicorn"},
    "gunicorn-2": {"SERVER": "gunicorn", "WORKERS": "2"},
    "gunicorn-threads-4": {"SERVER": "gunicorn", "FLAGS": "--threads 4"},
}
TRIALS = 2
PARALLEL = True

REQUESTS, AT_ONCE = 60, 12
MILLISECONDS = 50  # of CPU for each request
STOPPED = 1.5  # seconds without an answer, while a process is stopped
LIMIT = 30.0
LISTENING = re.compile(r"^\s*\d+: \w+:(\w{4}) \w+:\w{4} 0A (?:\S+\s+){5}(\d+)", re.M)
PORT = 8000


def drive(stack):
    """Send many requests at once; then stop each process in turn and see whether requests are still answered."""
    role = "proxy" if (stack.factors["SERVER"], stack.factors["FRONT"]) == ("uwsgi", "socket") else "app"
    first = ask(stack, role, "/busy/1")["pid"]
    served, most = burst(stack, role)
    processes = server_processes(stack)
    listener = listening_socket(stack)
    rows = [
        {
            "pid": process.pid,
            "parent": process.parent,
            "served": sum(answer["pid"] == process.pid for answer in served),
            "threads": len(process.threads),
            "listens": any(file.target == listener for file in process.files),
            "needed": needed(stack, role, process.pid),
        }
        for process in processes
    ]
    spans = [[answer["pid"], answer["began"], answer["ended"]] for answer in served]
    return {"first": first, "processes": rows, "spans": spans, "under_way": most}


def ask(stack, role, path):
    """Send one request. Raises InvalidTrial if it is not answered with 200."""
    answer = stack.get(path, role=role, timeout=LIMIT)
    if answer.status_code != 200:
        raise InvalidTrial(f"GET {path}: {answer.status_code}")
    return answer.json()


def burst(stack, role):
    """Send concurrent requests that each take some CPU time.

    Returns who served each and from when to when, and the most requests that were under way at one moment.
    """

    def timed(_):
        began = time.monotonic()
        answer = ask(stack, role, f"/busy/{MILLISECONDS}")
        return answer, (began, time.monotonic())

    with ThreadPoolExecutor(AT_ONCE) as clients:
        answers = list(clients.map(timed, range(REQUESTS)))
    return [answer for answer, _ in answers], overlapping([span for _, span in answers])


def overlapping(spans):
    """The most of these spans, (began, ended), that cover one moment."""
    return max((sum(b <= began < e for b, e in spans) for began, _ in spans), default=0)


def server_processes(stack):
    """The server's processes, the first one first, without the container's init."""
    snapshot = stack.processes("app")
    (init,) = snapshot.roots()
    return snapshot.descendants(init.pid)


def listening_socket(stack):
    """The kernel's name for the socket that listens on the server's port."""
    code, text = stack.execute("app", ["cat", "/proc/net/tcp"])
    for port, inode in LISTENING.findall(text):
        if int(port, 16) == PORT:
            return f"socket:[{inode}]"
    raise InvalidTrial(f"nobody listens on {PORT}: exit code {code} {text[-200:]}")


def needed(stack, role, pid):
    """Whether requests get no answer while a process is stopped. Each request has a connection of its own."""
    stack.kill("app", [pid], "STOP")
    try:
        answers = [stack.probe("/busy/1", role=role, timeout=STOPPED) for _ in range(2)]
    finally:
        stack.kill("app", [pid], "CONT")
    recover(stack, role)
    return "200" not in answers


def recover(stack, role):
    """Wait until the server has answered several times: requests that waited meanwhile are served first."""
    answers = []

    def recovered():
        answers.append(stack.probe("/busy/1", role=role, timeout=5))
        return answers.count("200") >= 3

    wait_until("the server answers again after it was stopped", recovered, LIMIT, state=lambda: answers[-1])


# -- the timeline of the report ------------------------------------------------------------------------


def zero(evidence, o):
    """0: the moments count from the first request that was served."""
    return 0


def events(evidence, o):
    """Each request with the process that served it; the processes in the order of their first requests."""
    spans = sorted(o["spans"], key=lambda span: span[1])
    pids = list(dict.fromkeys(pid for pid, _, _ in spans))
    for pid, began, ended in spans:
        at, until = (1000 * (moment - spans[0][1]) for moment in (began, ended))
        yield Event(at, "note", f"served by process {pid}", f"server {pids.index(pid) + 1}", until)


# -- triggers ----------------------------------------------------------------------------------------


def several_processes(o):
    """The server has more than one process, so that it could be another one that answers."""
    return len(o["processes"]) > 1


def crowded(o):
    """The clients had more than four requests under way at one moment."""
    # Observations of older runs do not have it.
    return o.get("under_way", AT_ONCE) > 4


def stopping_counts(o):
    """While one of the processes was stopped there was no answer, so that a stopped process is seen to be missing."""
    return any(row["needed"] for row in o["processes"])


# -- signs -------------------------------------------------------------------------------------------


def row_of(o, pid):
    """The row of the process with this pid."""
    return next(row for row in o["processes"] if row["pid"] == pid)


def first_serves(o):
    """The pid that answers is the server's first process, the parent of the others."""
    return o["first"] == o["processes"][0]["pid"]


def child_serves(o):
    """The pid that answers is a child of the server's first process."""
    return row_of(o, o["first"])["parent"] == o["processes"][0]["pid"]


def other_child_shares(o):
    """Of many requests a child of the process that answered first served some."""
    children = [row for row in o["processes"] if row["parent"] == o["first"]]
    return any(row["served"] for row in children)


def one_serves_all(o):
    """Of many requests at once a single process served all."""
    return sum(row["served"] > 0 for row in o["processes"]) == 1


def most_at_once(o):
    """The most requests that a single process had begun and not ended at one moment."""
    best = 0
    for pid in {span[0] for span in o["spans"]}:
        best = max(best, overlapping([(began, ended) for who, began, ended in o["spans"] if who == pid]))
    return best


def four_at_once(o):
    """One process handled four requests at once."""
    return most_at_once(o) == 4


def router(o):
    """A child serves no request and holds the listening socket, and without it no request is served."""
    children = [row for row in o["processes"] if row["parent"] == o["processes"][0]["pid"]]
    return any(row["needed"] and not row["served"] and row["listens"] for row in children)


CLAIMS = [
    Claim(
        "ET-9",
        "uWSGI serves from the main process's pid, not from a forked child's, though pstree shows a child.",
        sign=first_serves,
        trigger=several_processes,
        shows=["documented"],
        absent=["master", "gunicorn", "gunicorn-2"],
    ),
    Claim(
        "ET-10",
        "The child is a worker that will share the load when requests grow.",
        sign=other_child_shares,
        trigger=crowded,
        shows=["documented"],
        absent=["http-socket"],
    ),
    Claim(
        "ET-13",
        "gunicorn serves from a child's pid.",
        sign=child_serves,
        trigger=several_processes,
        shows=["gunicorn", "gunicorn-2"],
        absent=["documented", "threads-4"],
    ),
    Claim(
        "ET-15",
        "So neither server's prefork mode distributes requests over its forked processes.",
        sign=one_serves_all,
        trigger=crowded,
        no_control="Each stack with several serving processes is one of which the claim speaks.",
        shows=["documented", "gunicorn", "master-processes-2", "gunicorn-2"],
    ),
    Claim(
        "ET-16",
        "--threads N makes one process serve N requests at once, as Apache's worker model does.",
        sign=four_at_once,
        trigger=crowded,
        shows=["threads-4", "master-processes-2-threads-4"],
        absent=["documented", "master-processes-2"],
    ),
    Claim(
        "ET-21",
        "The child is the HTTP router that --http starts: it serves no request, and without it no request is served. "
        "With --http-socket there is no router.",
        sign=router,
        trigger=stopping_counts,
        needs_idle=True,
        shows=["documented"],
        absent=["http-socket", "socket-nginx", "http-socket-master"],
    ),
    Claim(
        "ET-22",
        "With --master the first process only watches, and a child of it serves.",
        sign=child_serves,
        trigger=several_processes,
        shows=["master", "http-socket-master"],
        absent=["documented", "http-socket"],
        untriggered=["http-socket"],
    ),
]

COLUMNS = [
    Column("answers", lambda o: "first process" if first_serves(o) else "a child"),
    Column("at once in one process", most_at_once),
    Column("served by each", lambda o: " + ".join(str(r["served"]) for r in o["processes"] if r["served"])),
    Column("processes", lambda o: len(o["processes"])),
    Column("who is who", lambda o: "; ".join(words(o, row) for row in o["processes"]), note=True),
]


def words(o, row):
    """What a process did, and what it is needed for."""
    place = "first process" if row is o["processes"][0] else f"child of {row['parent']}"
    return (
        f"{row['pid']} ({place}, {row['threads']} threads): served {row['served']} of {len(o['spans'])}, "
        f"{'holds' if row['listens'] else 'does not hold'} the listening socket, "
        f"{'without it no answer' if row['needed'] else 'not needed for an answer'}"
    )
