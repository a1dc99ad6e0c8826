"""The script that samples the processes of a service. It runs in the second container, and needs only Python."""

SCRIPT = r"""
import ctypes, json, os, select, sys, time

every, sockets = float(sys.argv[1]), bool(sys.argv[2])
own, page = os.stat("/proc/self/ns/mnt").st_ino, os.sysconf("SC_PAGE_SIZE")
libc = ctypes.CDLL(None)

def text(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()

def look():
    processes, network = {}, ""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        base = "/proc/" + pid
        try:
            libc.setfsuid(0)
            if os.stat(base + "/ns/mnt").st_ino == own:
                continue
            # As in snapshot.py: open files are for the owner only.
            libc.setfsuid(os.stat(base + "/fd").st_uid)
            stat = text(base + "/stat").rpartition(")")[2].split()
            memory = int(text(base + "/statm").split()[1]) * page
            files = len(os.listdir(base + "/fd"))
        except OSError:
            continue
        processes[pid] = [int(stat[19]), int(stat[11]) + int(stat[12]), memory, files, int(stat[1])]
        network = network or base
    return {"at_ns": time.time_ns(), "processes": processes, "sockets": counts(network) if sockets and network else {}}

def counts(base):
    tcp, unix = {}, {}
    for name in ("tcp", "tcp6"):
        for row in rows(base + "/net/" + name):
            tcp[row[3]] = tcp.get(row[3], 0) + 1
    for row in rows(base + "/net/unix"):
        state = "listening" if int(row[3], 16) & 0x10000 else row[5]
        unix[state] = unix.get(state, 0) + 1
    return {"tcp": tcp, "unix": unix}

def rows(path):
    try:
        return [line.split() for line in text(path).splitlines()[1:]]
    except OSError:
        return []

ended, due = False, time.monotonic()
while not ended:
    print(json.dumps(look()), flush=True)
    due = max(due + every, time.monotonic())
    ended = bool(select.select([sys.stdin], [], [], max(0, due - time.monotonic()))[0])
print(json.dumps(look()), flush=True)
"""
