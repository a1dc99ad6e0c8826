"""What gunicorn listens on: the default, several addresses, a Unix socket behind nginx, PORT in the environment."""

import re
import shlex
import stat
from pathlib import Path

from reprolab import Claim, Column

from .common import ADDRESS, Gunicorn, Lab, in_force

SOCKET = "/run/lab/gunicorn.sock"
NGINX = "127.0.0.1:8090"
LISTEN = re.compile(r"\blisten 127\.0\.0\.1:(\d+)")
# The ports of the door and of nginx.
OURS = {18080, *map(int, LISTEN.findall(Path(__file__).with_name("nginx.conf").read_text(encoding="utf-8")))}
VARIANTS = {
    "documented": {},
    "several": {"ARGUMENTS": "--bind 127.0.0.1:8001 --bind 127.0.0.1:8002"},
    "unix": {"ARGUMENTS": f"--bind unix:{SOCKET}", "PROXY": "nginx"},
    "port": {"SHELL_ENV": "PORT=8005"},
}
TRIALS = 2
PARALLEL = True


def drive(stack):
    """See what listens, whether each address answers, and what nginx in front of the socket file answers."""
    lab = Lab(stack)
    words = shlex.split(stack.factors["ARGUMENTS"])
    wanted = [words[n + 1] for n, word in enumerate(words) if word == "--bind"]
    if stack.factors["SHELL_ENV"] != "none":
        first = f"127.0.0.1:{stack.factors['SHELL_ENV'].partition('=')[2]}"
    else:
        first = (wanted or [ADDRESS])[0]
    gunicorn = Gunicorn(lab).ready(first)
    tcp = [f"{s['address']}:{s['port']}" for s in lab.call("connections") if listens(s)]
    code, mode = stack.execute("app", ["stat", "-c", "%f", SOCKET])
    unix = [f"unix:{SOCKET}"] if code == 0 and stat.S_ISSOCK(int(mode, 16)) else []
    listening = sorted(tcp) + unix
    observation = {
        "in_force": gunicorn.in_force(),
        "wanted": wanted or [ADDRESS],
        "listening": listening,
        "statuses": [lab.ask("/", address)["status"] for address in listening],
        "nginx": lab.ask("/", NGINX)["status"] if stack.factors["PROXY"] == "nginx" else None,
    }
    lab.keep()
    return observation


def listens(connection):
    """Whether this is a listening socket of gunicorn: not of the door, of nginx or of the engine's name server."""
    loopback = connection["address"] == "127.0.0.11"
    return connection["state"] == "LISTEN" and connection["port"] not in OURS and not loopback


def as_said(o):
    """gunicorn listens on these addresses only, answers on each, and nginx answers if there is a socket file."""
    unix = any(address.startswith("unix:") for address in o["wanted"])
    answers = all(status == 200 for status in [*o["statuses"], *([o["nginx"]] if unix else [])])
    return o["listening"] == o["wanted"] and answers


def everywhere(o):
    """gunicorn listens on every address, on the port that the variable PORT names."""
    return o["listening"] == ["0.0.0.0:8005"]


def seen(o):
    """The addresses, and nginx's answer if there is a socket file."""
    nginx = f"; nginx {o['nginx']}" if any(address.startswith("unix:") for address in o["listening"]) else ""
    return f"{' and '.join(o['listening'])}{nginx}"


CLAIMS = [
    Claim(
        "GS-24",
        "bind: default 127.0.0.1:8000; may be several; unix:PATH makes a socket file nginx can proxy to.",
        sign=as_said,
        trigger=in_force,
        shows=["documented", "several", "unix"],
        absent=["port"],
        setting="bind",
        measured=seen,
    ),
    Claim(
        "GS-52",
        "With PORT in the environment the default is 0.0.0.0:$PORT, open to all.",
        sign=everywhere,
        trigger=in_force,
        shows=["port"],
        absent=["documented", "several", "unix"],
        setting="bind",
        measured=seen,
    ),
]

COLUMNS = [Column("listens on", lambda o: " ".join(o["listening"])), Column("nginx", lambda o: o["nginx"], "{}")]
