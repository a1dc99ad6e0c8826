"""A threaded gunicorn worker that reaches max_requests takes the whole server's socket with it."""

import json
import re
import time

from reprolab import Claim, Column, InvalidTrial, logs

VARIANTS = {
    "documented": {},
    "unwatched": {"WITNESS": "off"},
    # Releases before and after.
    "gunicorn-19.0": {"GUNICORN": "19.0"},
    "gunicorn-19.4.5": {"GUNICORN": "19.4.5"},
    "gunicorn-19.5.0": {"GUNICORN": "19.5.0"},
    "gunicorn-19.7.1": {"GUNICORN": "19.7.1"},
    "gunicorn-19.7.1-startable": {"GUNICORN": "19.7.1", "SO_REUSEPORT": "hidden"},
    "gunicorn-19.8.1": {"GUNICORN": "19.8.1"},
    "gunicorn-20.1.0": {"GUNICORN": "20.1.0"},
    "gunicorn-21.2.0": {"GUNICORN": "21.2.0"},
    # One setting changed.
    "tcp": {"BIND": "127.0.0.1:8000"},
    "one-thread": {"THREADS": "1"},
    "no-max-requests": {"MAX_REQUESTS": "0"},
    "one-worker": {"WORKERS": "1"},
    "gthread": {"WORKER_CLASS": "gthread"},
    "gthread-one-thread": {"WORKER_CLASS": "gthread", "THREADS": "1"},
    "gevent": {"WORKER_CLASS": "gevent"},
    "eventlet": {"WORKER_CLASS": "eventlet"},
    "tornado": {"WORKER_CLASS": "tornado"},
    "python-3.7": {"PYTHON": "3.7.16"},
    "python-3.9": {"PYTHON": "3.9.18"},
    # The cause, put right in the release that has it and put into the one that has not.
    "creator-only": {"PATCH": "creator-only"},
    "19.5.0-unguarded": {"GUNICORN": "19.5.0", "PATCH": "unguarded"},
}
TRIALS = 3

THREADS, CONNECTIONS, DURATION = 10, 200, 10
PROBES = 3
# After the socket has gone, workers still answer on the connections they have, until they too are replaced.
TAIL_LIMIT_MS = 5000
MIN_REFUSED = 100

REACHED = re.compile(rb"\[(\d+)\] \[INFO\] Autorestarting worker after current request")
BOOTED = re.compile(rb"\[INFO\] Booting worker with pid: (\d+)")


def drive(stack):
    """The document's load, with a look at the socket before and after and plain requests at the end."""
    socket = socket_path(stack.factors["BIND"])
    before = bool(socket) and stack.exists("app", socket)
    load = stack.wrk("/", threads=THREADS, connections=CONNECTIONS, duration=DURATION)
    return {
        "socket": socket,
        "socket_before": before,
        "socket_after": bool(socket) and stack.exists("app", socket),
        "server_running": stack.running("app"),
        "probes": [probe_after_pause(stack) for _ in range(PROBES)],
        "workers": int(stack.factors["WORKERS"]),
        "load": load.summary(),
    }


def probe_after_pause(stack):
    """One plain request; the pause lets a worker that is being replaced come back."""
    time.sleep(0.2)
    return stack.probe("/", timeout=5)


def socket_path(bind):
    """The path of a Unix address, or None for a TCP one."""
    return bind.removeprefix("unix:") if bind.startswith("unix:") else None


def observe(evidence, driven):
    """What the captured logs say: the proxy's answers over time, the server's restarts, who removed what."""
    start = driven["load"]["started_ns"]
    access = logs.access_summary(evidence.lines("proxy"), start)
    missing = driven["load"]["requests"] - access.lines
    if missing > CONNECTIONS:
        raise InvalidTrial(f"{missing} responses that wrk counted have no line in the proxy's log")
    server = server_events(evidence.lines("app"))
    watched = [event for event in witness_lines(evidence.lines("witness")) if event.get("event") == "gone"]
    return (
        driven
        | server_summary(server, driven["workers"])
        | access_figures(access, driven, missing)
        | {
            "gone_ms": since(watched[0]["t_ns"], start) if watched else None,
            "order": order(server, access, watched, start),
            "timeline": access.timeline(),
        }
    )


def access_figures(access, driven, missing):
    """The proxy's log in the figures of the table; times in milliseconds since the load began."""
    seconds = driven["load"]["duration_us"] / 1e6
    last_ok = access.last_ok_ns
    return {
        "ok_per_second": access.ok / seconds,
        "share_502": access.share(502),
        "statuses": {str(status): n for status, n in sorted(access.statuses.items())},
        "last_ok_ms": since(last_ok, access.start_ns) if last_ok else None,
        "refused_after_last_ok": refused_after(access, last_ok),
        "other_after_last_ok": sum(access.statuses.values()) - access.ok - access.statuses[502],
        "log_lines_missing": missing,
    }


def refused_after(access, last_ok):
    """How many 502 came in the 100 ms steps after the one with the last 2xx."""
    step = -1 if last_ok is None else (last_ok - access.start_ns) // (logs.BUCKET_MS * 1_000_000)
    return sum(n for bucket, n in access.buckets.get(502, {}).items() if bucket > step)


def server_events(lines):
    """The application server's log, read once: restarts, boots, removals and tracebacks, in its order."""
    events = {"reached": [], "booted": 0, "unlinks": [], "tracebacks": {}}
    kept = []
    clock = logs.Clock()
    for number, line in enumerate(lines):
        if b'"GET / HTTP' in line:
            continue
        kept.append(line)
        if found := REACHED.search(line):
            events["reached"].append({"pid": int(found[1]), "line": number, "t_ns": clock(line)})
        elif BOOTED.search(line):
            events["booted"] += 1
        elif b'"witness": "unlink"' in line:
            found = json.loads(line[line.index(b"{") :])
            events["unlinks"].append(found | {"line": number})
    for trace in logs.tracebacks(kept):
        key = f"{trace.exception} at {trace.place}"
        row = events["tracebacks"].setdefault(key, {"count": 0, "frames": [], "message": trace.message})
        row["count"] += 1
        row["frames"] = [f"{name.rsplit('/', 1)[-1]} {function}" for name, _, function in trace.frames]
    return events


def server_summary(events, workers):
    """Counts for the table. A worker may say several times that it restarts: a restart is a worker more."""
    return {
        "reached": len({event["pid"] for event in events["reached"]}),
        "worker_restarts": max(0, events["booted"] - workers),
        "tracebacks": events["tracebacks"],
        "unlinks": events["unlinks"],
    }


def witness_lines(lines):
    """What the watcher saw, in its own clock."""
    return [json.loads(line[line.index(b"{") :]) for line in lines if b'"witness": "watch"' in line]


def order(server, access, watched, start):
    """Who did what, when: milliseconds since the load began, None where it did not happen."""
    unlink = next((event for event in server["unlinks"] if event["errno"] == 0), None)
    if unlink is None:
        return None
    own = [event for event in server["reached"] if event["pid"] == unlink["pid"]]
    permanent = access.last_ok_ns and first_502_after(access)
    return {
        "worker": unlink["pid"],
        "parent": unlink["ppid"],
        # The engine stamps a line when it reads it, so this one is late rather than early; which came
        # first is read from the order of the two lines on the worker's own stream.
        "reached_ms": since(own[0]["t_ns"], start) if own else None,
        "reached_first": bool(own) and own[0]["line"] < unlink["line"],
        "unlinked_ms": since(unlink["t_ns"], start),
        "gone_ms": since(watched[0]["t_ns"], start) if watched else None,
        "last_ok_ms": since(access.last_ok_ns, start) if access.last_ok_ns else None,
        "permanent_502_ms": permanent,
    }


def first_502_after(access):
    """The first 502 that no 2xx followed, in milliseconds since the load began; None where there is none."""
    moment = access.first_after_ok_ns.get(502)
    return since(moment, access.start_ns) if moment else None


def since(moment_ns, start_ns):
    """Nanoseconds on the clock as milliseconds since the load began."""
    return round((moment_ns - start_ns) / 1e6, 3)


# -- signs: pure functions of one observation ----------------------------------------------------


def socket_gone(o):
    """The file was there, is not there any more, and the server still runs."""
    return o["socket_before"] and not o["socket_after"] and o["server_running"]


def unlink_traceback(o):
    """A FileNotFoundError that ends in sock.py close and came by gthread.py run."""
    return any(
        key.startswith("FileNotFoundError at sock.py close") and "gthread.py run" in row["frames"]
        for key, row in o["tracebacks"].items()
    )


def permanent_502(o):
    """After the last 2xx nothing but 502, soon after the start of the trouble, and for plain requests too."""
    return (
        o["refused_after_last_ok"] >= MIN_REFUSED
        and o["other_after_last_ok"] == 0
        and all(answer == "502" for answer in o["probes"])
    )


def all_502_once_gone(o):
    """The socket went; once the connections made before are used up (TAIL_LIMIT_MS), all answers are 502."""
    if not socket_gone(o):
        return False
    return permanent_502(o) and (o["last_ok_ms"] or 0) - o["gone_ms"] <= TAIL_LIMIT_MS


def tail_ms(o):
    """How long after the removal the last 2xx came, in milliseconds; None where either is missing."""
    return None if o["gone_ms"] is None or o["last_ok_ms"] is None else o["last_ok_ms"] - o["gone_ms"]


def in_order(o):
    """The worker that reached max_requests removed the file, and then the permanent 502 began."""
    if o["order"] is None:
        return False
    steps = [o["order"][name] for name in ("unlinked_ms", "permanent_502_ms")]
    return o["order"]["reached_first"] and None not in steps and steps == sorted(steps)


def removed_by_worker(o):
    """A process that did not make the socket removed its file: a worker that had reached max_requests."""
    return o["order"] is not None and o["order"]["reached_ms"] is not None


UNIX_CONTROLS = ["gunicorn-19.4.5", "gunicorn-19.5.0"]
LATER = ["gunicorn-19.7.1-startable", "gunicorn-19.8.1", "gunicorn-20.1.0"]
SETTINGS = ["one-thread", "no-max-requests"]

CLAIMS = [
    Claim(
        "SV-1",
        "While gunicorn keeps running, its Unix socket file disappears once a thread worker restarts at max_requests.",
        sign=socket_gone,
        shows=["documented"],
        absent=["gunicorn-19.5.0", *SETTINGS],
    ),
    Claim(
        "SV-2",
        "The error log then shows FileNotFoundError from os.unlink in gunicorn/sock.py (close), reached from "
        "gthread.py (run).",
        sign=unlink_traceback,
        shows=["documented"],
        absent=["gunicorn-19.5.0", *SETTINGS],
    ),
    Claim(
        "SV-3",
        "From then on the reverse proxy cannot connect and every client gets 502.",
        sign=all_502_once_gone,
        shows=["documented"],
        absent=["gunicorn-19.5.0", *SETTINGS],
    ),
    Claim(
        "SV-4",
        "Releases before 19.6.0 do not have it.",
        sign=socket_gone,
        shows=["documented"],
        absent=UNIX_CONTROLS,
    ),
    Claim(
        "SV-5",
        "It is fixed upstream (unreleased when written): a later release does not have it.",
        sign=socket_gone,
        shows=["documented"],
        absent=LATER,
    ),
    Claim(
        "SV-6",
        "Listening on a TCP port instead of a Unix socket avoids it.",
        sign=permanent_502,
        shows=["documented"],
        absent=["tcp"],
    ),
    Claim(
        "SV-7",
        "It is the thread worker that has it (here: threads > 1); and max_requests that triggers it.",
        sign=socket_gone,
        shows=["documented"],
        absent=SETTINGS,
    ),
    Claim(
        "SV-8",
        "In this order: a worker reaches max_requests, that worker removes the socket file, and then every "
        "answer is a 502.",
        sign=in_order,
        shows=["documented"],
        absent=["gunicorn-19.5.0", *SETTINGS],
    ),
    Claim(
        "SV-9",
        "The cause: 19.6.0's UnixSocket.close() removes the file in whichever process closes the socket; 19.5.0 "
        "let only the process that made it do so.",
        sign=socket_gone,
        shows=["documented", "19.5.0-unguarded"],
        absent=["creator-only", "gunicorn-19.5.0"],
    ),
    Claim(
        "SV-10",
        "It shows without the lab's witness in the server just as with it.",
        sign=socket_gone,
        shows=["documented", "unwatched"],
        absent=["gunicorn-19.5.0"],
    ),
]

COLUMNS = [
    Column("socket", lambda o: socket_word(o)),
    Column("2xx/s", lambda o: o["ok_per_second"]),
    Column("502 share", lambda o: 100 * o["share_502"], "{:.1f} %"),
    Column("last 2xx", lambda o: (o["last_ok_ms"] or 0) / 1000, "{:.1f} s"),
    Column("gone at", lambda o: None if o["gone_ms"] is None else o["gone_ms"] / 1000, "{:.2f} s"),
    Column("restarts", lambda o: o["worker_restarts"]),
    Column("afterwards", lambda o: "/".join(dict.fromkeys(o["probes"]))),
    Column("wrk req/s", lambda o: o["load"]["requests"] / (o["load"]["duration_us"] / 1e6)),
    Column("tracebacks", lambda o: traceback_words(o), note=True),
    Column("who removed it", lambda o: removal_words(o), note=True),
    Column("wrk errors", lambda o: error_words(o), note=True),
]


def traceback_words(o):
    """Tracebacks by exception and place, with their number."""
    return "; ".join(f"{row['count']} × {key}" for key, row in o["tracebacks"].items()) or None


def removal_words(o):
    """The order of events in milliseconds since the load began."""
    if o["order"] is None:
        return None
    step = o["order"]
    return (
        f"worker {step['worker']} (child of {step['parent']}) reached max_requests by {step['reached_ms']:.1f} ms, "
        f"removed the file at {step['unlinked_ms']:.1f} ms, last 2xx at {step['last_ok_ms']:.1f} ms, "
        f"only 502 from {step['permanent_502_ms']:.1f} ms"
    )


def error_words(o):
    """wrk's socket errors, where there were any; statuses above 399 stand in the table."""
    errors = {name: n for name, n in o["load"]["errors"].items() if n and name != "status_above_399"}
    return ", ".join(f"{n} {name}" for name, n in errors.items()) or None


def socket_word(o):
    """The state of the socket file at the end, in a word."""
    if o["socket"] is None:
        return "no socket"
    return "present" if o["socket_after"] else "gone"
