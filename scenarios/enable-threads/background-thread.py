"""A thread that a request starts: the lines that it prints during the request, after it, and in later requests."""

import time

from reprolab import Claim, Column, Event, InvalidTrial, logs

ON = {"FLAGS": "--enable-threads"}
VARIANTS = {
    "documented": {},
    "enable-threads": ON,
    # What the thread does while it waits.
    "recv": {"KIND": "recv"},
    "recv-enable-threads": {"KIND": "recv", **ON},
    "compute": {"KIND": "compute"},
    "compute-enable-threads": {"KIND": "compute", **ON},
    # Options that imply it.
    "threads-1": {"FLAGS": "--threads 1"},
    "threads-2": {"FLAGS": "--threads 2"},
    "threads-4": {"FLAGS": "--threads 4"},
    "py-autoreload": {"FLAGS": "--py-autoreload 1"},
    # Options that do not imply it.
    "master": {"FLAGS": "--master"},
    "master-processes-2": {"FLAGS": "--master --processes 2"},
    "lazy-apps": {"FLAGS": "--master --lazy-apps"},
    "master-enable-threads": {"FLAGS": "--master --enable-threads"},
    # Interpreters and releases.
    "python-3.6": {"PYTHON": "3.6.15"},
    "python-3.6-enable-threads": {"PYTHON": "3.6.15", **ON},
    "python-3.7": {"PYTHON": "3.7.16"},
    "python-3.12": {"PYTHON": "3.12.1", "UWSGI": "2.0.31", "DJANGO": "4.2.16"},
    "uwsgi-2.0.19.1": {"UWSGI": "2.0.19.1"},
    "uwsgi-2.0.24": {"UWSGI": "2.0.24"},
    "uwsgi-2.0.26": {"UWSGI": "2.0.26"},
    "uwsgi-2.0.27": {"UWSGI": "2.0.27"},
    "uwsgi-2.0.29": {"UWSGI": "2.0.29"},
    "uwsgi-2.0.31": {"UWSGI": "2.0.31"},
    "gunicorn": {"SERVER": "gunicorn"},
}
TRIALS = 2
PARALLEL = True

IDLE = 4.0  # seconds without a request; in this time a thread that goes on prints two lines
AFTER = 4.5  # seconds; in this time a thread that goes on prints two or three lines
HOLD = 3  # seconds, as in the document
# Seconds. Threads go on from the moment when the server reads a request, a little before the view begins, until the
# server is done with it.
SETTLE = 0.2
LIMIT = 15.0
LOOKS = 10
REQUESTS = ("before", "once", "held", "hold", "after")


def drive(stack):
    """Send a request that returns at once, one that sleeps 3 s, and one that starts no thread, with pauses between."""
    before = ask(stack, "/state/before")
    first = ask(stack, "/thread/once/0")
    time.sleep(AFTER)
    stopped = look(stack, first["pid"])
    ask(stack, f"/thread/held/{HOLD}")
    time.sleep(AFTER)
    ask(stack, f"/hold/{HOLD}")
    after = ask(stack, "/state/after")
    return {
        "gil_at_load": before["gil_at_load"],
        "threads": after["threads"],
        "pids": [first["pid"], after["pid"]],
        **stopped,
    }


def ask(stack, path):
    """Send one request to the server itself. Raises InvalidTrial if it is not answered with 200."""
    answer = stack.get(path, role="app", timeout=LIMIT)
    if answer.status_code != 200:
        raise InvalidTrial(f"GET {path}: {answer.status_code}")
    return answer.json()


def look(stack, pid):
    """The system call and state of each thread of the process that served, while there is no request.

    A thread that waits for the interpreter's lock wakes every few milliseconds to ask for it; then it is in no call.
    """
    for _ in range(LOOKS):
        process = stack.processes("app").processes.get(pid)
        if process is None:
            raise InvalidTrial(f"the process {pid} that served has gone")
        if all(thread.syscall for thread in process.threads):
            break
    return {
        "kernel_threads": [
            {
                "tid": thread.tid,
                "first": thread.tid == pid,
                "call": thread.syscall.name if thread.syscall else "",
                "state": thread.state,
            }
            for thread in process.threads
        ]
    }


def observe(evidence, driven):
    """Count the lines of each thread: during its request, after it, and in the requests that follow."""
    lines = list(logs.json_objects(evidence.lines("app"), '"at": '))
    spans = {name: span(lines, name) for name in REQUESTS}
    return driven | {
        "once": counts(lines, "once", spans),
        "held": counts(lines, "held", spans),
        "timeline": [[round(line["at"] - spans["once"][0], 2), describe(line)] for line in lines],
    }


def span(lines, name):
    """When a request began and ended, by the server's clock."""
    moments = [line["at"] for line in lines if name in (line.get("begin"), line.get("end"))]
    if len(moments) != 2:
        raise InvalidTrial(f"the log has {len(moments)} of the 2 lines of the request {name}")
    return moments


def counts(lines, name, spans):
    """How many lines a thread printed during its request, later while there was no request, and in later requests."""
    moments = [line["at"] for line in lines if line.get("tick") == name]
    begun, ended = spans[name]
    later = [other for other in spans.values() if other[0] > ended]
    in_later = [m for m in moments if any(start - SETTLE <= m <= end + SETTLE for start, end in later)]
    during = [m for m in moments if begun <= m <= ended + SETTLE]
    return {"during": len(during), "idle": len(moments) - len(during) - len(in_later), "later": len(in_later)}


def describe(line):
    """A line of the log in a few words."""
    if "tick" in line:
        return f"{line['tick']} line {line['number']}"
    return f"request {line.get('begin') or line.get('end')} {'begins' if 'begin' in line else 'ends'}"


def threads_of(o):
    """The threads besides the one that serves."""
    return [thread for thread in o["kernel_threads"] if not thread["first"]]


# -- the timeline of the report ------------------------------------------------------------------------


def zero(evidence, o):
    """0: the moments count from the beginning of the first request that starts a thread."""
    return 0


def events(evidence, o):
    """The requests from begin to end, and each line that a thread printed."""
    begun = {}
    for at, what in o["timeline"]:
        first, name, rest = what.split()
        if first != "request":  # a thread's line, such as "once line 2"
            yield Event(1000 * at, "note", what, f"thread {first}")
        elif rest == "begins":
            begun[name] = at
        elif name in begun:
            yield Event(1000 * begun[name], "note", f"request {name}", "requests", 1000 * at)


# -- triggers ----------------------------------------------------------------------------------------


def moment(o, what):
    """When the log first says something, in seconds; None if it never does."""
    return next((at for at, text in o["timeline"] if text == what), None)


def pause(o, first, then):
    """How many seconds there was no request between two requests; 0 if one of them is not in the log."""
    ended, begun = moment(o, f"request {first} ends"), moment(o, f"request {then} begins")
    return 0 if ended is None or begun is None else begun - ended


def thread_started(o):
    """The view that starts the thread ran to its end."""
    return moment(o, "request once ends") is not None


def request_lasted(o):
    """The request that starts a thread and then sleeps lasted for its three seconds."""
    begun, ended = moment(o, "request held begins"), moment(o, "request held ends")
    return begun is not None and ended is not None and ended - begun >= HOLD - SETTLE


def left_alone(o):
    """Both threads printed their first line, and for four seconds after each of their requests there was none."""
    printed = all(moment(o, f"{name} line 0") is not None for name in ("once", "held"))
    return printed and pause(o, "once", "held") >= IDLE and pause(o, "held", "hold") >= IDLE


def same_process(o):
    """As `left_alone`, and the process that started the threads was also the one that was asked later."""
    return left_alone(o) and len(set(o["pids"])) == 1


# -- signs -------------------------------------------------------------------------------------------


def starts(o):
    """The thread's first line is printed."""
    return o["once"]["during"] >= 1


def runs_during(o):
    """While its request is handled the thread prints at its times: at 0 and 2 s of the 3 s."""
    return o["held"]["during"] == 2


def stops(o):
    """After its request has ended, the thread prints no line while there is no other request."""
    return o["once"]["idle"] == 0 and o["held"]["idle"] == 0


def goes_on(o):
    """Each thread prints a line every 2 s after its request: two or three in 4.5 s."""
    return all(o[name]["idle"] >= 2 for name in ("once", "held"))


def gone(o):
    """The interpreter does not know the threads any more."""
    return not {"once", "held"} & set(o["threads"])


def never_runs(o):
    """Neither thread ever prints a line."""
    return sum(o[name][when] for name in ("once", "held") for when in ("during", "idle", "later")) == 0


def waits_for_the_lock(o):
    """Between requests the thread waits for a lock (futex) and prints nothing; in a later request it prints again."""
    waiting = [thread for thread in threads_of(o) if thread["call"] == "futex"]
    return bool(waiting) and o["once"]["idle"] == 0 and o["once"]["later"] > 0 and "once" in o["threads"]


def gil_there(o):
    """The interpreter's lock is initialised when the application is loaded, before anything starts a thread."""
    if o["gil_at_load"] == "None":
        raise ValueError("this interpreter does not say whether its lock is initialised")
    return o["gil_at_load"] == "True"


def no_gil_no_threads(o):
    """The lock is not initialised when the application is loaded, and no thread prints a line, as the manual says."""
    return o["gil_at_load"] == "False" and never_runs(o)


STOPPING = ["documented", "recv", "compute", "master"]
GOING_ON = ["enable-threads", "recv-enable-threads", "compute-enable-threads", "master-enable-threads"]

CLAIMS = [
    Claim(
        "ET-1",
        "Without --enable-threads, a thread started in a request does start: its first line is printed.",
        sign=starts,
        trigger=thread_started,
        needs_idle=True,
        no_control="Only the thread can print the line. A control would be a stack that starts no thread.",
        shows=STOPPING,
    ),
    Claim(
        "ET-2",
        "Without it the thread keeps running as long as its request is being handled (with time.sleep(3) in the view "
        "it prints for those 3 s).",
        sign=runs_during,
        trigger=request_lasted,
        needs_idle=True,
        no_control="The claim says when the thread prints, and in no variant does it not print while its request runs.",
        shows=["documented", "recv", "master"],
    ),
    Claim(
        "ET-3",
        "Without it the thread stops when the request ends; socket.recv behaves as time.sleep does.",
        sign=stops,
        trigger=left_alone,
        needs_idle=True,
        shows=["documented", "recv"],
        absent=["enable-threads", "recv-enable-threads"],
    ),
    Claim(
        "ET-4",
        "At the end of a request uWSGI seems to remove all that the request made (the thread is gone).",
        sign=gone,
        trigger=same_process,
        shows=["documented"],
        absent=["enable-threads"],
    ),
    Claim(
        "ET-5",
        "With --enable-threads the thread goes on after the request, a line every 2 s.",
        sign=goes_on,
        trigger=left_alone,
        needs_idle=True,
        shows=["enable-threads", "recv-enable-threads"],
        absent=["documented", "recv"],
    ),
    Claim(
        "ET-6",
        "--threads N implies --enable-threads.",
        sign=goes_on,
        trigger=left_alone,
        needs_idle=True,
        shows=["threads-1", "threads-2", "threads-4"],
        absent=["documented"],
    ),
    Claim(
        "ET-7",
        "--py-autoreload implies it.",
        sign=goes_on,
        trigger=left_alone,
        needs_idle=True,
        shows=["py-autoreload"],
        absent=["documented", "master", "lazy-apps"],
    ),
    Claim(
        "ET-8",
        "(comment, quoting uWSGI's manual) Without it the GIL is not initialised, so application threads do not run; "
        "the option decides GIL initialisation.",
        sign=no_gil_no_threads,
        trigger=thread_started,
        shows=["documented", "python-3.6"],
        absent=["enable-threads"],
    ),
    Claim(
        "ET-17",
        "The thread is not gone, it is stopped: between requests it waits for the interpreter's lock, which uWSGI "
        "keeps; during the next request it prints again.",
        sign=waits_for_the_lock,
        trigger=same_process,
        needs_idle=True,
        shows=[*STOPPING, "python-3.6"],
        absent=GOING_ON,
    ),
    Claim(
        "ET-18",
        "--master, --processes and --lazy-apps do not imply it.",
        sign=goes_on,
        trigger=left_alone,
        needs_idle=True,
        shows=["master-enable-threads"],
        absent=["master", "master-processes-2", "lazy-apps"],
    ),
    Claim(
        "ET-19",
        "From uWSGI 2.0.27 on threads go on without any option.",
        sign=goes_on,
        trigger=left_alone,
        needs_idle=True,
        shows=["uwsgi-2.0.27", "uwsgi-2.0.29", "uwsgi-2.0.31"],
        absent=["documented", "uwsgi-2.0.24", "uwsgi-2.0.26"],
    ),
    Claim(
        "ET-23",
        "On Python 3.6 the option decides whether the GIL is initialised. From 3.7 on the GIL always is, and the "
        "option decides only whether uWSGI releases it.",
        sign=gil_there,
        shows=["documented", "python-3.7", "python-3.6-enable-threads"],
        absent=["python-3.6"],
    ),
    Claim(
        "ET-20",
        "gunicorn needs no option: its sync worker releases the lock while it waits.",
        sign=goes_on,
        trigger=left_alone,
        needs_idle=True,
        shows=["gunicorn"],
        absent=["documented", "recv", "master"],
    ),
]

COLUMNS = [
    Column("after at once", lambda o: "goes on" if o["once"]["idle"] >= 2 else f"{o['once']['idle']} lines"),
    Column("during 3 s", lambda o: f"{o['held']['during']} lines"),
    Column("after 3 s", lambda o: "goes on" if o["held"]["idle"] >= 2 else f"{o['held']['idle']} lines"),
    Column("in later requests", lambda o: f"{o['once']['later']} lines"),
    Column("waits in", lambda o: ", ".join(sorted({t["call"] or "—" for t in threads_of(o)})) or None),
    Column("python knows it", lambda o: "yes" if "once" in o["threads"] else "no"),
    Column("GIL at load", lambda o: {"True": "there", "False": "not there"}.get(o["gil_at_load"])),
    Column("timeline", lambda o: "; ".join(f"{at:.1f} s {what}" for at, what in o["timeline"]), note=True),
]
