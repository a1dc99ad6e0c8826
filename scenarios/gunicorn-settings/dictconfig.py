"""Whether Django calls logging.config.dictConfig(), seen by a config file that counts the calls."""

from reprolab import Claim, Column

from .common import Gunicorn, Lab

WITNESS = """
import logging.config
import sys
from views_log import note

real = logging.config.dictConfig


def counted(settings):
    note("dictConfig", sys._getframe(1).f_globals["__name__"])
    real(settings)


logging.config.dictConfig = counted
"""
PATH = "/tmp/witness.py"
VARIANTS = {
    "documented": {},
    "no-logging": {"LOGGING": "none"},
    "logging-config-none": {"DICTCONFIG": "off"},
    "django-4.2.16": {"DJANGO": "4.2.16", "PYTHON": "3.9.18"},
    "plain": {"APP": "plain:application", "DICTCONFIG": "off"},
    "plain-dictconfig": {"APP": "plain:application"},
}
TRIALS = 3
PARALLEL = True


def drive(stack):
    """Start gunicorn with the witness, and send a request."""
    lab = Lab(stack)
    lab.call("write", path=PATH, text=WITNESS)
    Gunicorn(lab, "--config", PATH).ready()
    observation = {
        "status": lab.ask("/")["status"],
        "callers": [about for _, _, _, what, about in lab.notes() if what == "dictConfig"],
    }
    lab.keep()
    return observation


def answered(o):
    """The application was loaded, and answered the request with 200."""
    return o["status"] == 200


def by_django(o):
    """Django called dictConfig() at least once."""
    return any(caller.startswith("django.") for caller in o["callers"])


def seen(o):
    """Who called it, and how often."""
    if not o["callers"]:
        return "never called"
    return f"called {len(o['callers'])} × by {' and '.join(dict.fromkeys(o['callers']))}"


CLAIMS = [
    Claim(
        "GS-65",
        "Django always calls dictConfig().",
        sign=by_django,
        trigger=answered,
        shows=["documented", "no-logging", "logging-config-none", "django-4.2.16"],
        absent=["plain", "plain-dictconfig"],
        but=["GS-72"],
        setting="syslog",
        measured=seen,
    ),
    Claim(
        "GS-72",
        "Django calls dictConfig(), even with an empty LOGGING, unless LOGGING_CONFIG is None.",
        sign=by_django,
        trigger=answered,
        shows=["documented", "no-logging", "django-4.2.16"],
        absent=["logging-config-none", "plain", "plain-dictconfig"],
        setting="syslog",
        measured=seen,
    ),
]

COLUMNS = [
    Column("calls", lambda o: len(o["callers"])),
    Column("by", lambda o: ", ".join(dict.fromkeys(o["callers"])) or None),
]
