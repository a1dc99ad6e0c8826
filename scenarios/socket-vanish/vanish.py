"""A threaded gunicorn worker that reaches max_requests removes the socket file of the whole server."""

import re
import time

from reprolab import Claim, Column, Event, InvalidTrial, logs

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
    # The newest release needs a newer Python, and that Python needs a newer bottle.
    "gunicorn-27.0.1": {"GUNICORN": "27.0.1", "PYTHON": "3.12.1", "BOTTLE": "0.13.4"},
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
    # Other numbers of threads and connections of wrk.
    "wrk-1-1": {"WRK_THREADS": "1", "WRK_CONNECTIONS": "1"},
    "wrk-1-10": {"WRK_THREADS": "1", "WRK_CONNECTIONS": "10"},
    "wrk-1-200": {"WRK_THREADS": "1", "WRK_CONNECTIONS": "200"},
    "wrk-10-10": {"WRK_THREADS": "10", "WRK_CONNECTIONS": "10"},
    # The cause: corrected in the release that has it, and put into a release that does not have it.
    "creator-only": {"PATCH": "creator-only"},
    "19.5.0-unguarded": {"GUNICORN": "19.5.0", "PATCH": "unguarded"},
}
TRIALS = 3

DURATION = 10
PROBES = 3
# h2o and gunicorn (config.py) close a connection that was idle for 2 s. As long as a connection from before the removal
# is open, a request may still be answered on it. In the longest case this went on nearly to the end of the load.
IDLE = 2.5
MIN_REFUSED = 100
# On starved cores the load may end before a worker that has reached max_requests is replaced. Then the lab waits for
# the replacement, but not longer than this, in seconds. (A gevent worker is replaced only when the load has ended.)
REPLACED = 10
# How long the load must go on after the first replacement, in milliseconds, to tell what the clients get from then on.
LOAD_AFTER = 1000


def drive(stack):
    """Put the document's load on the server, look for the socket file before and after it, then send plain requests.

    Before it looks the second time, it waits until a worker that has reached max_requests is replaced. If the file has
    gone, the plain requests wait until no connection from before the removal can be open.
    """
    workers = int(stack.factors["WORKERS"])
    socket = socket_path(stack.factors["BIND"])
    before = bool(socket) and stack.exists("app", socket)
    clients = {name: int(stack.factors[f"WRK_{name.upper()}"]) for name in ("threads", "connections")}
    load = stack.wrk("/", duration=DURATION, **clients)
    wait_for_replacement(stack, workers)
    looked_ns = time.time_ns()
    after = bool(socket) and stack.exists("app", socket)
    if before and not after:
        time.sleep(IDLE)
    return {
        "socket": socket,
        "socket_before": before,
        "socket_after": after,
        "looked_ns": looked_ns,
        "server_running": stack.running("app"),
        "probes": [probe_after_pause(stack) for _ in range(PROBES)],
        "workers": workers,
        "load": load.summary(),
    }


def wait_for_replacement(stack, workers):
    """If a worker has reached max_requests, wait until the first of them is replaced, at most REPLACED seconds."""
    end = time.monotonic() + REPLACED
    while time.monotonic() < end:
        text = "\n".join(stack.printed("app"))
        reached, ended, booted = (
            re.findall(logs.GUNICORN.pattern(kind), text) for kind in ("max_requests", "exiting", "started")
        )
        if not reached or (set(reached) & set(ended) and len(booted) > workers):
            return
        time.sleep(0.3)


def probe_after_pause(stack):
    """One plain request, after a pause in which a worker that is being replaced can come back."""
    time.sleep(0.2)
    return stack.probe("/", timeout=5)


def socket_path(bind):
    """The path of a Unix address, or None for a TCP one."""
    return bind.removeprefix("unix:") if bind.startswith("unix:") else None


def observe(evidence, driven):
    """Read the captured logs: the proxy's answers over time, the server's restarts, and who removed the file."""
    start = driven["load"]["started_ns"]
    access = logs.access_summary(evidence.lines("proxy"), start)
    missing = driven["load"]["requests"] - access.lines
    if missing > driven["load"]["connections"]:
        raise InvalidTrial(f"{missing} responses that wrk counted have no line in the proxy's log")
    server = server_events(evidence.streams("app"), driven["workers"])
    watched = [event for event in witness_lines(evidence.lines("witness")) if event.get("event") == "gone"]
    return (
        driven
        | server_summary(server, driven["workers"])
        | access_figures(access, driven, missing)
        | {
            "restarted_ms": since(server["replacements"][0], start) if server["replacements"] else None,
            # Runs before it was recorded looked just after the load.
            "looked_ms": since(driven.get("looked_ns", driven["load"]["finished_ns"]), start),
            "gone_ms": since(watched[0]["t_ns"], start) if watched else None,
            "ok_after_gone": ok_after(access, since(watched[0]["t_ns"], start)) if watched else 0,
            "order": order(server, access, watched, start),
            "timeline": access.timeline(),
        }
    )


def access_figures(access, driven, missing):
    """The figures of the table that come from the proxy's log; times in milliseconds since the load began."""
    seconds = driven["load"]["duration_us"] / 1e6
    last_ok = access.last_ok_ns
    return {
        "ok_per_second": access.ok / seconds,
        "share_502": access.share(502),
        "statuses": {str(status): n for status, n in sorted(access.statuses.items())},
        "last_ok_ms": since(last_ok, access.start_ns) if last_ok else None,
        "other": sum(access.statuses.values()) - access.ok - access.statuses[502],
        "log_lines_missing": missing,
    }


def server_events(lines, workers):
    """The restarts, boots, removals and tracebacks in the application server's log, in the order of its lines.

    ``replacements`` holds a moment for each worker that the master started in place of one that had reached
    max_requests and ended.
    """
    events = {"reached": [], "booted": 0, "replacements": [], "unlinks": [], "tracebacks": {}}
    kept, ended = [], set()
    clock = logs.Clock()
    for number, line in enumerate(lines):
        if b'"GET / HTTP' in line:
            continue
        kept.append(line)
        if match := logs.GUNICORN.search("max_requests", line):
            events["reached"].append({"pid": int(match[1]), "line": number, "t_ns": clock(line)})
        elif logs.GUNICORN.search("started", line):
            events["booted"] += 1
            if events["booted"] > workers and len(ended) > len(events["replacements"]):
                events["replacements"].append(clock(line))
        elif match := logs.GUNICORN.search("exiting", line):
            ended |= {int(match[1])} & {event["pid"] for event in events["reached"]}
        elif b'"witness": "unlink"' in line:
            events["unlinks"].append(logs.json_object(line) | {"line": number})
    for trace in logs.tracebacks(kept):
        key = f"{trace.exception} at {trace.place}"
        row = events["tracebacks"].setdefault(key, {"count": 0, "frames": [], "message": trace.message})
        row["count"] += 1
        row["frames"] = [f"{name.rsplit('/', 1)[-1]} {function}" for name, _, function in trace.frames]
    return events


def server_summary(events, workers):
    """Counts for the table. One worker may log its restart several times, so the count takes the workers booted."""
    return {
        "reached": len({event["pid"] for event in events["reached"]}),
        "worker_restarts": max(0, events["booted"] - workers),
        "tracebacks": events["tracebacks"],
        "unlinks": events["unlinks"],
    }


def witness_lines(lines):
    """What the watcher saw in the socket's directory, by the watcher's clock."""
    return list(logs.json_objects(lines, '"witness": "watch"'))


def order(server, access, watched, start):
    """Which worker removed the file, and when each step happened: milliseconds since the load began, None if never."""
    unlink = next((event for event in server["unlinks"] if event["errno"] == 0), None)
    if unlink is None:
        return None
    reached = [event for event in server["reached"] if event["pid"] == unlink["pid"]]
    # The engine stamps a line when it reads it, which may be late. But the worker wrote this line before it removed the
    # file: the order of the two lines in the worker's stream shows that.
    first = bool(reached) and reached[0]["line"] < unlink["line"]
    reached_ns = min(reached[0]["t_ns"], unlink["t_ns"]) if first else None
    return {
        "worker": unlink["pid"],
        "parent": unlink["ppid"],
        "reached_first": first,
        "reached_ms": since(reached_ns, start) if reached_ns else None,
        "unlinked_ms": since(unlink["t_ns"], start),
        "gone_ms": since(watched[0]["t_ns"], start) if watched else None,
        "last_ok_ms": since(access.last_ok_ns, start) if access.last_ok_ns else None,
        "permanent_502_ms": permanent_from(access),
    }


def permanent_from(access):
    """When every answer began to be a 502, in milliseconds since the load began; None if not during the load.

    The log's lines are in the order in which responses ended, except for the resolution of the event loop's clock. So
    the first 502 after the last 2xx in the log counts, and its moment is never earlier than that 2xx.
    """
    moment = access.first_after_ok_ns.get(502)
    return since(max(moment, access.last_ok_ns or 0), access.start_ns) if moment else None


def ok_after(access, moment_ms):
    """How many 2xx came in the 100 ms steps after the step that contains ``moment_ms``."""
    step = moment_ms // logs.BUCKET_MS
    answered = [counts for status, counts in access.buckets.items() if 200 <= status < 300]
    return sum(n for counts in answered for bucket, n in counts.items() if bucket > step)


def since(moment_ns, start_ns):
    """Nanoseconds on the clock as milliseconds since the load began."""
    return round((moment_ns - start_ns) / 1e6, 3)


# -- the timeline of the report ------------------------------------------------------------------


def events(evidence, o):
    """When the socket file appeared and disappeared, as the witness saw it, and which worker removed it."""
    start = o["load"]["started_ns"]
    kinds = {"appeared": "present", "gone": "gone"}
    for seen in witness_lines(evidence.lines("witness")):
        if kind := kinds.get(seen["event"]):
            yield Event(since(seen["t_ns"], start), kind, f"{seen['name']} {seen['event']}", "witness")
    for unlink in o["unlinks"]:
        if unlink["errno"] == 0:
            text = f"worker {unlink['pid']} removed {unlink['path']}"
            yield Event(since(unlink["t_ns"], start), "note", text, "unlink")


def responses(evidence, o):
    """The proxy's answers over time: from the observation if it has them, else from the log."""
    if "timeline" in o:
        return logs.counts_per_step(o["timeline"])
    return logs.counts_per_step(logs.access_summary(evidence.lines("proxy"), o["load"]["started_ns"]).timeline())


# -- triggers: was what the claims are about exercised? ------------------------------------------


def restarted(o):
    """A worker reached max_requests and ended, and another took its place, before the last look for the socket file."""
    if "restarted_ms" not in o:
        # Runs before it was recorded have only the count of the whole trial.
        return o["reached"] > 0 and o["worker_restarts"] > 0
    return o["reached"] > 0 and o["restarted_ms"] is not None and o["restarted_ms"] <= o["looked_ms"]


def restarted_twice(o):
    """The same, and there is a second restart: only a worker that finds no file any more can fail to remove it."""
    return restarted(o) and min(o["reached"], o["worker_restarts"]) > 1


def restarted_under_load(o):
    """The same, and the load went on long enough after the restart to tell what the clients get from then on."""
    return restarted(o) and o.get("restarted_ms", 0) <= o["load"]["duration_us"] / 1000 - LOAD_AFTER


# -- signs: pure functions of one observation ----------------------------------------------------


def socket_gone(o):
    """The file was there before the load and is not there after it, and the server still runs."""
    return o["socket_before"] and not o["socket_after"] and o["server_running"]


def unlink_traceback(o):
    """A FileNotFoundError that ends in sock.py close, called from gthread.py run."""
    return any(
        key.startswith("FileNotFoundError at sock.py close") and "gthread.py run" in row["frames"]
        for key, row in o["tracebacks"].items()
    )


def permanent_502(o):
    """Under the load there are many 502 and otherwise only 2xx; after it every plain request gets 502."""
    return (
        o["statuses"].get("502", 0) >= MIN_REFUSED
        and o["other"] == 0
        and all(answer == "502" for answer in o["probes"])
    )


def end_state_502(o):
    """The socket file has gone, and in the end every answer is a 502."""
    return socket_gone(o) and permanent_502(o)


def answered_after_removal(o):
    """The socket file has gone, and at least one 100 ms step later a request was still answered."""
    return socket_gone(o) and o["ok_after_gone"] > 0


def in_order(o):
    """A worker reached max_requests, that worker removed the file, and then every answer was a 502."""
    if o["order"] is None or not permanent_502(o):
        return False
    # None: the last 2xx was among the load's last answers, so the permanent 502 began after the load.
    begun = o["order"]["permanent_502_ms"]
    return o["order"]["reached_first"] and (begun is None or o["order"]["unlinked_ms"] <= begun)


def socket_stays(o):
    """The file was there before the load and is there after it, and the server still runs."""
    return o["socket_before"] and o["socket_after"] and o["server_running"]


UNIX_CONTROLS = ["gunicorn-19.4.5", "gunicorn-19.5.0"]
LATER = ["gunicorn-19.7.1-startable", "gunicorn-19.8.1", "gunicorn-20.1.0"]
SETTINGS = ["one-thread", "no-max-requests"]
OTHER_LOADS = ["wrk-1-1", "wrk-1-10", "wrk-1-200", "wrk-10-10"]

CLAIMS = [
    Claim(
        "SV-1",
        "While gunicorn keeps running, its Unix socket file disappears once a thread worker restarts at max_requests.",
        sign=socket_gone,
        shows=["documented"],
        absent=["gunicorn-19.5.0"],
        trigger=restarted,
    ),
    Claim(
        "SV-2",
        "The error log then shows FileNotFoundError from os.unlink in gunicorn/sock.py (close), reached from "
        "gthread.py (run).",
        sign=unlink_traceback,
        shows=["documented"],
        absent=["gunicorn-19.5.0"],
        trigger=restarted_twice,
    ),
    Claim(
        "SV-3",
        "From then on the reverse proxy cannot connect and every client gets 502.",
        sign=end_state_502,
        shows=["documented"],
        absent=["gunicorn-19.5.0"],
        trigger=restarted_under_load,
    ),
    Claim(
        "SV-4",
        "Releases before 19.6.0 do not have it.",
        sign=socket_gone,
        shows=["documented"],
        absent=UNIX_CONTROLS,
        trigger=restarted,
    ),
    Claim(
        "SV-5",
        "It is fixed upstream (unreleased when written): a later release does not have it.",
        sign=socket_gone,
        shows=["documented"],
        absent=LATER,
        trigger=restarted,
    ),
    Claim(
        "SV-6",
        "Listening on a TCP port instead of a Unix socket avoids it.",
        sign=permanent_502,
        shows=["documented"],
        absent=["tcp"],
        trigger=restarted_under_load,
    ),
    Claim(
        "SV-7",
        "The thread worker has it (here: threads > 1), and max_requests triggers it.",
        sign=socket_gone,
        shows=["documented"],
        absent=SETTINGS,
        trigger=restarted,
        untriggered=["no-max-requests"],
    ),
    Claim(
        "SV-8",
        "In this order: a worker reaches max_requests, that worker removes the socket file, and then every "
        "answer is a 502.",
        sign=in_order,
        shows=["documented"],
        absent=["gunicorn-19.5.0"],
        trigger=restarted_under_load,
    ),
    Claim(
        "SV-9",
        "The cause: in 19.6.0 UnixSocket.close() removes the file in whichever process closes the socket; in 19.5.0 "
        "only in the process that made the socket.",
        sign=socket_gone,
        shows=["documented", "19.5.0-unguarded"],
        absent=["creator-only", "gunicorn-19.5.0"],
        trigger=restarted,
    ),
    Claim(
        "SV-10",
        "It happens without the lab's witness in the server too.",
        sign=socket_gone,
        shows=["documented", "unwatched"],
        absent=["gunicorn-19.5.0"],
        trigger=restarted,
    ),
    Claim(
        "SV-11",
        "The thread worker is not the only one: an eventlet worker that restarts removes the socket file too.",
        sign=socket_gone,
        shows=["documented", "eventlet"],
        absent=["one-thread"],
        trigger=restarted,
    ),
    Claim(
        "SV-12",
        "Not every client gets 502 at once: after the file has gone, workers still answer, for up to several seconds, "
        "on connections that the proxy already has.",
        sign=answered_after_removal,
        shows=["documented"],
        absent=["gunicorn-19.5.0"],
        trigger=restarted_under_load,
        sometimes=True,
    ),
    Claim(
        "SV-13",
        "The numbers of threads and connections may have to be changed for the effect to show: with one and one the "
        "file may stay.",
        sign=socket_stays,
        shows=["wrk-1-1"],
        absent=["documented"],
        trigger=restarted,
        sometimes=True,
        but=["SV-14"],
    ),
    Claim(
        "SV-14",
        "With all numbers that were tried the file goes, also with one thread and one connection: it is enough that "
        "one worker reaches max_requests.",
        sign=socket_gone,
        shows=["documented", *OTHER_LOADS],
        absent=["gunicorn-19.5.0"],
        trigger=restarted,
    ),
]

COLUMNS = [
    Column("socket", lambda o: socket_word(o)),
    Column("2xx/s", lambda o: o["ok_per_second"]),
    Column("502 share", lambda o: 100 * o["share_502"], "{:.1f} %"),
    Column("last 2xx", lambda o: (o["last_ok_ms"] or 0) / 1000, "{:.1f} s"),
    Column("gone at", lambda o: None if o["gone_ms"] is None else o["gone_ms"] / 1000, "{:.2f} s"),
    Column("reached max", lambda o: o["reached"]),
    Column("restarts", lambda o: o["worker_restarts"]),
    Column("afterwards", lambda o: "/".join(dict.fromkeys(o["probes"]))),
    Column("wrk req/s", lambda o: o["load"]["requests"] / (o["load"]["duration_us"] / 1e6)),
    Column("tracebacks", lambda o: traceback_words(o), note=True),
    Column("who removed it", lambda o: removal_words(o), note=True),
    Column("load", lambda o: load_words(o), note=True),
]


def traceback_words(o):
    """How many tracebacks there are of each exception and place."""
    return "; ".join(f"{row['count']} × {key}" for key, row in o["tracebacks"].items()) or None


def removal_words(o):
    """Which worker removed the file, and when each step happened, in milliseconds since the load began."""
    if o["order"] is None:
        return None
    step = o["order"]
    moments = {name: "never" if ms is None else f"{ms:.1f} ms" for name, ms in step.items() if name.endswith("_ms")}
    if step["permanent_502_ms"] is None:
        moments["permanent_502_ms"] = "not before the load ended"
    return (
        f"worker {step['worker']} (child of {step['parent']}) reached max_requests by {moments['reached_ms']}, "
        f"removed the file at {moments['unlinked_ms']}; last 2xx {moments['last_ok_ms']} "
        f"({o['ok_after_gone']} answers with 2xx after the removal), nothing but 502: {moments['permanent_502_ms']}"
    )


def load_words(o):
    """How many answers of each status the proxy logged, and the latencies and errors that wrk counted."""
    statuses = ", ".join(f"{n:,} × {status}".replace(",", " ") for status, n in o["statuses"].items())
    latency = o["load"]["latency"]
    errors = {name: n for name, n in o["load"]["errors"].items() if n and name != "status_above_399"}
    error_counts = ", ".join(f"{n} {name}" for name, n in errors.items()) or "none"
    difference = -o["log_lines_missing"]
    return (
        f"answers {statuses}; the proxy logged {difference:+d} against wrk's count "
        f"({o['load']['connections']} connections in flight); "
        f"wrk latency p50 {latency['p50'] / 1000:.0f} ms, p99 {latency['p99'] / 1000:.0f} ms; "
        f"wrk socket errors: {error_counts}"
    )


def socket_word(o):
    """Whether the socket file is there after the load."""
    if o["socket"] is None:
        return "no socket"
    return "present" if o["socket_after"] else "gone"
