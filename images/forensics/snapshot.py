"""Print the entries of /proc for every process in this process namespace, as one line of JSON.

The entries give state, signals, what each thread waits for, open files and shared mappings. The program runs in the
forensics container and decodes nothing: scripts/reprolab/processes/snapshot.py decodes its output.
"""

import ctypes
import json
import os
import time

LIBC = ctypes.CDLL(None)


def become_owner(base):
    """Read files from now on as the owner of a process's files: open files and system calls are for the owner only.

    This replaces the capability DAC_READ_SEARCH, with which a container can also open files of the host.
    """
    try:
        # Not that of the directory of the process: the files of one that changed its user are root's.
        owner = os.stat(base + "/fd").st_uid
    except OSError:
        owner = 0
    LIBC.setfsuid(owner)


def text(path):
    """Return the text of a file; None if the process has ended or may not be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None


def entries(path):
    """Return the names in a directory; an empty list if the process has ended or may not be read."""
    try:
        return sorted(os.listdir(path), key=lambda name: (len(name), name))
    except OSError:
        return []


def files(base):
    """Return the open file descriptors: number -> [the target of its link, the flags line of fdinfo]."""
    descriptors = {}
    for number in entries(base + "/fd"):
        try:
            target = os.readlink(base + "/fd/" + number)
        except OSError:
            continue
        info = text(base + "/fdinfo/" + number) or ""
        flags = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("flags:")]
        descriptors[number] = [target, flags[0] if flags else ""]
    return descriptors


def tasks(base):
    """Return the threads: id -> stat, status, wchan and syscall as the kernel prints them."""
    return {
        task: {name: text(base + "/task/" + task + "/" + name) for name in ("stat", "status", "wchan", "syscall")}
        for task in entries(base + "/task")
    }


def shared(maps):
    """Return the lines of /proc/PID/maps that are shared with other processes (the fourth letter of the mode)."""
    return [line for line in maps.splitlines() if line.split(" ", 2)[1][3:4] == "s"]


def process(pid):
    """Return the entries of one process; None if it has ended."""
    base = "/proc/" + pid
    become_owner(base)
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
    """Print all processes except those of the forensics container."""
    forensics_container = os.stat("/proc/self/ns/mnt").st_ino
    processes = {}
    for pid in entries("/proc"):
        if not pid.isdigit():
            continue
        try:
            if os.stat("/proc/" + pid + "/ns/mnt").st_ino == forensics_container:
                continue
        except OSError:
            continue
        content = process(pid)
        if content is not None:
            processes[pid] = content
    print(json.dumps({"taken_ns": time.time_ns(), "machine": os.uname().machine, "processes": processes}))


main()
