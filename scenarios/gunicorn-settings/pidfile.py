"""Whether there is a pid file, and what it says."""

from reprolab import Claim, Column, InvalidTrial

from .common import Gunicorn, Lab, in_force

PATH = "/tmp/gunicorn.pid"
VARIANTS = {
    "documented": {},
    "pidfile": {"ARGUMENTS": f"--pid {PATH}", "WORKERS": "3"},
}
TRIALS = 3
PARALLEL = True


def drive(stack):
    """Read the file, and count the children of the process that it names."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    code, files = stack.execute(
        "app", ["find", "/tmp", "/srv", "/run/lab", "-newer", "/srv/app/door.py", "-type", "f", "-name", "*pid*"]
    )
    if code:
        raise InvalidTrial(f"find: exit code {code}: {files}")
    text = lab.call("read", path=PATH).strip()
    observation = {
        "files": files.split(),
        "pid": int(text) if text else None,
        "master": gunicorn.master,
        "children": len(lab.children(int(text))) if text else None,
        "workers": gunicorn.wanted,
        "in_force": gunicorn.in_force(),
    }
    lab.keep()
    return observation


def holds_the_master(o):
    """The only pid file names the master, and the master has as many children as there are workers."""
    return o["files"] == [PATH] and o["pid"] == o["master"] and o["children"] == o["workers"]


def seen(o):
    """What the file says."""
    if o["pid"] is None:
        return f"{len(o['files'])} pid files"
    whose = "the master's pid" if o["pid"] == o["master"] else "another pid"
    return f"{whose}, with {o['children']} children"


CLAIMS = [
    Claim(
        "GS-22",
        "pidfile: holds the master's pid; none is written by default; serves to find and count the workers.",
        sign=holds_the_master,
        trigger=in_force,
        shows=["pidfile"],
        absent=["documented"],
        setting="pidfile",
        measured=seen,
    ),
]

COLUMNS = [Column("pid files", lambda o: len(o["files"])), Column("children of that pid", lambda o: o["children"])]
