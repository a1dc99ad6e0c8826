"""Print what /proc says of every process in this process namespace, undecoded, as one line of JSON.

State, signals, what each thread waits for, open files and shared mappings, by `python snapshot.py`. It runs
inside the forensics container and decodes nothing: reprolab.proc does, from the kept text.
"""

import json
import os
import time


def text(path):
    """A file's text; None where the process is gone or may not be looked at."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None


def entries(path):
    """The names in a directory; none where it is gone or may not be looked at."""
    try:
        return sorted(os.listdir(path), key=lambda name: (len(name), name))
    except OSError:
        return []


def files(base):
    """Open file descriptors: number -> [what it is, the flags line of fdinfo]."""
    found = {}
    for number in entries(base + "/fd"):
        try:
            target = os.readlink(base + "/fd/" + number)
        except OSError:
            continue
        info = text(base + "/fdinfo/" + number) or ""
        flags = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("flags:")]
        found[number] = [target, flags[0] if flags else ""]
    return found


def tasks(base):
    """Threads: id -> stat, status, wchan and syscall as the kernel prints them."""
    return {
        task: {name: text(base + "/task/" + task + "/" + name) for name in ("stat", "status", "wchan", "syscall")}
        for task in entries(base + "/task")
    }


def shared(maps):
    """The lines of /proc/PID/maps that are shared with other processes (the fourth letter of the mode)."""
    return [line for line in maps.splitlines() if line.split(" ", 2)[1][3:4] == "s"]


def process(pid):
    """One process; None if it ended meanwhile."""
    base = "/proc/" + pid
    stat, status = text(base + "/stat"), text(base + "/status")
    if stat is None or status is None:
        return None
    return {
        "stat": stat,
        "status": status,
        "cmdline": (text(base + "/cmdline") or "").split("\0")[:-1],
        "tasks": tasks(base),
        "files": files(base),
        "maps": shared(text(base + "/maps") or ""),
    }


def main():
    """Everything but this program itself and what else runs in this container."""
    own = os.stat("/proc/self/ns/mnt").st_ino
    found = {}
    for pid in entries("/proc"):
        if not pid.isdigit():
            continue
        try:
            if os.stat("/proc/" + pid + "/ns/mnt").st_ino == own:
                continue
        except OSError:
            continue
        seen = process(pid)
        if seen is not None:
            found[pid] = seen
    print(json.dumps({"taken_ns": time.time_ns(), "machine": os.uname().machine, "processes": found}))


main()
