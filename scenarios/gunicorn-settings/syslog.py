"""Logging to syslog with Django: what closes the handler, and on which releases of Python and gunicorn."""

import re

from reprolab import Claim, Column, wait_until

from .common import Gunicorn, Lab

UDP = "--log-syslog"
UNIX = "--log-syslog --log-syslog-to unix:///run/lab/log#dgram"
ON = {"ARGUMENTS": UDP}
VARIANTS = {
    "documented": {},
    "syslog": ON,
    # Interpreters.
    "python-3.7": {**ON, "PYTHON": "3.7.16"},
    "python-3.8": {**ON, "PYTHON": "3.8.18"},
    "python-3.9": {**ON, "PYTHON": "3.9.18"},
    "python-3.10": {**ON, "PYTHON": "3.10.13"},
    "python-3.11": {**ON, "PYTHON": "3.11.7"},
    "python-3.12": {**ON, "PYTHON": "3.12.1"},
    "python-3.13": {**ON, "PYTHON": "3.13.0", "DJANGO": "4.2.16"},
    # Servers.
    "gunicorn-19.9.0": {**ON, "GUNICORN": "19.9.0"},
    "gunicorn-20.0.4": {**ON, "GUNICORN": "20.0.4"},
    "gunicorn-21.2.0": {**ON, "GUNICORN": "21.2.0"},
    "gunicorn-23.0.0": {**ON, "GUNICORN": "23.0.0", "PYTHON": "3.9.18"},
    "gunicorn-27.0.1-python-3.10": {**ON, "GUNICORN": "27.0.1", "PYTHON": "3.10.13"},
    "gunicorn-27.0.1": {**ON, "GUNICORN": "27.0.1", "PYTHON": "3.12.1"},
    # The cause: dictConfig() removed from Django, and added to a program without Django.
    "no-dictconfig": {**ON, "DICTCONFIG": "off"},
    "plain": {**ON, "APP": "plain:application", "DICTCONFIG": "off"},
    "plain-dictconfig": {**ON, "APP": "plain:application"},
    # As Python did before 3.6.7: dictConfig() forgets the handlers without closing them.
    "handlers-kept": {**ON, "HANDLERS": "kept"},
    "unix": {"ARGUMENTS": UNIX},
    # Whether the access log goes to syslog.
    "redirect-off": {"ARGUMENTS": f"{UDP} --disable-redirect-access-to-syslog", "DICTCONFIG": "off"},
    "redirect-off-no-syslog": {"ARGUMENTS": "--disable-redirect-access-to-syslog --access-logfile -"},
    "accesslog": {"ARGUMENTS": "--access-logfile -"},
    # Without syslog, and with nothing else changed.
    "no-syslog": {"DICTCONFIG": "off"},
}
TRIALS = 2
PARALLEL = True


def drive(stack):
    """Send one request and stop gunicorn, with a syslog receiver beside it; see what arrives and what stderr says."""
    lab = Lab(stack)
    where = "unix:/run/lab/log" if "unix" in stack.factors["ARGUMENTS"] else "udp:514"
    lab.start("receiver", ["python", "-u", "receiver.py", where])
    wait_until("the receiver listens", lambda: "listening" in lab.out("receiver"))
    gunicorn = Gunicorn(lab).ready()
    status = lab.ask("/mark")["status"]
    gunicorn.stop()
    out, err, received = lab.out(), lab.err(), lab.out("receiver")
    lab.keep()
    return {
        "status": status,
        "bad_descriptor": len(re.findall(r"OSError: \[Errno 9\] Bad file descriptor", err)),
        "received": len(received.splitlines()) - 1,
        "started_in_syslog": "Starting gunicorn" in received,
        "access_in_syslog": '"GET /mark ' in received,
        "access_on_stdout": '"GET /mark ' in out,
        "syslog": UDP in stack.factors["ARGUMENTS"],
        "other_errors": sorted(set(re.findall(r"^(\w+Error)\b", err, re.M))),
    }


def requested(o):
    """The request that is looked for in the access log was answered with 200."""
    # Observations of older runs do not have it.
    return o.get("status", 200) == 200


def logs_to_syslog(o):
    """The line of the server's start reached the receiver, and later the request was answered with 200."""
    return o["started_in_syslog"] and requested(o)


def syslog_set(o):
    """gunicorn was started with syslog on, and the request was answered with 200."""
    return o["syslog"] and requested(o)


def raises(o):
    """Logging to syslog fails with the document's error."""
    return o["bad_descriptor"] > 0


def works(o):
    """There is no such error, and the receiver got the lines of the server's start and of the request."""
    return o["bad_descriptor"] == 0 and o["started_in_syslog"] and o["access_in_syslog"]


def carries_both(o):
    """The lines of the server's start and of the request reached the receiver."""
    return o["started_in_syslog"] and o["access_in_syslog"]


def loses_access(o):
    """The line of the server's start reached the receiver, that of the request did not."""
    return o["started_in_syslog"] and not o["access_in_syslog"]


def takes_access_away(o):
    """The access log is missing: from syslog if syslog is on, from standard output if it is not."""
    if o["syslog"]:
        return o["started_in_syslog"] and not o["access_in_syslog"]
    return not o["access_on_stdout"]


def seen(o):
    """How many errors there were, and how many messages arrived."""
    return f"{o['bad_descriptor']} × [Errno 9], {o['received']} messages received"


def access(o):
    """Where the line of the request is."""
    places = [name for name, key in (("syslog", "access_in_syslog"), ("stdout", "access_on_stdout")) if o[key]]
    return f"access log in {' and '.join(places) or 'neither syslog nor stdout'}"


def arrives(o):
    """Which of the two logs are in syslog."""
    logs = [name for name, key in (("error log", "started_in_syslog"), ("access log", "access_in_syslog")) if o[key]]
    return f"{' and '.join(logs) or 'nothing'} in syslog"


OF_THE_TIME = ["python-3.7", "python-3.8", "python-3.9"]
SINCE = [
    "python-3.10",
    "python-3.11",
    "python-3.12",
    "python-3.13",
    "gunicorn-21.2.0",
    "gunicorn-23.0.0",
    "gunicorn-27.0.1-python-3.10",
    "gunicorn-27.0.1",
]
CLAIMS = [
    Claim(
        "GS-14",
        "With Django on Python 3.6.7 and later, logging to syslog raises OSError: [Errno 9] Bad file descriptor.",
        sign=raises,
        trigger=logs_to_syslog,
        shows=["syslog", *OF_THE_TIME],
        absent=["documented", "plain"],
        untriggered=["documented"],
        but=["GS-49"],
        setting="syslog",
        measured=seen,
    ),
    Claim(
        "GS-15",
        "The cause is dictConfig() called after gunicorn set its SysLogHandler.",
        sign=raises,
        trigger=logs_to_syslog,
        shows=["syslog", "plain-dictconfig"],
        absent=["no-dictconfig", "plain", "handlers-kept"],
        setting="syslog",
        measured=seen,
    ),
    Claim(
        "GS-16",
        "A fix is unlikely ever to come.",
        sign=raises,
        trigger=logs_to_syslog,
        shows=SINCE,
        absent=["documented"],
        untriggered=["documented"],
        setting="syslog",
        measured=seen,
    ),
    Claim(
        "GS-17",
        "disable_redirect_access_to_syslog: no effect unless syslog is on; with it, the access log stays out of "
        "syslog.",
        sign=takes_access_away,
        trigger=requested,
        shows=["redirect-off"],
        absent=["redirect-off-no-syslog", "accesslog", "no-dictconfig"],
        setting="disable_redirect_access_to_syslog",
        measured=access,
    ),
    Claim(
        "GS-64",
        "syslog: it carries the access log and the error log.",
        sign=carries_both,
        trigger=requested,
        shows=["no-dictconfig", "plain", "unix"],
        absent=["no-syslog", "redirect-off"],
        but=["GS-71"],
        setting="syslog",
        measured=arrives,
    ),
    Claim(
        "GS-71",
        "With Django, Python before 3.11 and syslog over UDP, the access log does not reach syslog; the lines of the "
        "master, which does not load Django, do.",
        sign=loses_access,
        trigger=logs_to_syslog,
        shows=["syslog", *OF_THE_TIME, "python-3.10"],
        absent=["no-dictconfig", "plain", "python-3.11", "unix"],
        setting="syslog",
        measured=arrives,
    ),
    Claim(
        "GS-49",
        "The fix came with Python 3.11, with any release of gunicorn: its SysLogHandler opens a closed socket anew.",
        sign=works,
        trigger=syslog_set,
        shows=["python-3.11", "python-3.12", "python-3.13", "gunicorn-27.0.1"],
        absent=["syslog", "python-3.10", "gunicorn-27.0.1-python-3.10"],
        setting="syslog",
        measured=seen,
    ),
    Claim(
        "GS-50",
        "Over a Unix socket there is no such error on 3.6.15 either, because there the handler connects again by "
        "itself.",
        sign=works,
        trigger=syslog_set,
        shows=["unix"],
        absent=["syslog", "python-3.7", "python-3.8"],
        setting="syslog",
        measured=seen,
    ),
]

COLUMNS = [
    Column("[Errno 9]", lambda o: o["bad_descriptor"]),
    Column("messages received", lambda o: o["received"]),
    Column("access log in syslog", lambda o: "yes" if o["access_in_syslog"] else "no"),
    Column("on stdout", lambda o: "yes" if o["access_on_stdout"] else "no"),
]
