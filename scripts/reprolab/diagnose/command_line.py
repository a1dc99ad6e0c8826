"""Reads the command lines of gunicorn, uWSGI, uvicorn and hypercorn, and the variables that add to them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from reprolab.diagnose.settings import Setting, Unread

SERVERS = ("gunicorn", "uwsgi", "uvicorn", "hypercorn")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
MOST_WORDS = 2000
# Short options with a value, and their settings.
SHORT: Mapping[str, Mapping[str, str]] = {
    "gunicorn": {
        **{"-w": "workers", "-k": "worker_class", "-b": "bind", "-t": "timeout", "-c": "config", "-u": "user"},
        **{"-g": "group", "-p": "pidfile", "-n": "proc_name", "-e": "raw_env", "-m": "umask"},
    },
    "uwsgi": {"-p": "processes", "-s": "socket", "-H": "virtualenv", "-w": "module", "-z": "socket-timeout"},
    "uvicorn": {},
    "hypercorn": {"-w": "workers", "-b": "bind", "-k": "worker_class", "-c": "config"},
}
SHORT_SWITCHES = {
    "gunicorn": {"-D": "daemon", "-R": "enable_stdio_inheritance"},
    "uwsgi": {"-M": "master", "-T": "enable-threads"},
}
# Long options whose settings have another name.
LONG = {
    "gunicorn": {
        **{"log_syslog": "syslog", "keep_alive": "keepalive", "preload": "preload_app", "name": "proc_name"},
        **{"pid": "pidfile", "access_logfile": "accesslog", "error_logfile": "errorlog", "log_file": "errorlog"},
        **{"log_level": "loglevel", "env": "raw_env"},
    },
    "uwsgi": {"workers": "processes", "thread": "threads", "enable-thread": "enable-threads"},
}
# Long options without a value.
SWITCH_NAMES = {
    "gunicorn": "reload spew check_config print_config preload no_sendfile reuse_port daemon log_syslog capture_output"
    " enable_stdio_inheritance initgroups disable_redirect_access_to_syslog proxy_protocol no_control_socket",
    "uwsgi": "enable-threads master die-on-term lazy lazy-apps vacuum thunder-lock single-interpreter need-app"
    " http-keepalive disable-logging strict no-default-app auto-procname memory-report",
    "uvicorn": "reload proxy-headers no-proxy-headers use-colors no-use-colors access-log no-access-log factory"
    " server-header no-server-header date-header no-date-header version",
    "hypercorn": "reload debug",
}
SWITCHES = {server: frozenset(names.split()) for server, names in SWITCH_NAMES.items()}
CONFIG_FILES = ("ini", "xml", "yaml", "yml", "json", "config")


def read(text: str, source: str = "the command") -> list[Setting | Unread]:
    """The settings of a command line. What is no call of a known server is said."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        return [Unread(source, f"it cannot be split into words: {error}")]
    return read_words(words, source)


def read_words(words: Sequence[str], source: str) -> list[Setting | Unread]:
    """The settings of a command line that is split into words, also one inside `sh -c`."""
    words = list(words)[:MOST_WORDS]
    for number, word in enumerate(words):
        name = PurePosixPath(word).name
        server = next((server for server in SERVERS if re.fullmatch(rf"{server}(-?[\d.]+)?", name)), "")
        if server:
            return _with_all_binds(list(_options(server, words[number + 1 :], source)))
        if word == "-c" and number + 1 < len(words) and PurePosixPath(words[number - 1]).name in ("sh", "bash", "dash"):
            return read(words[number + 1], source)
    return [Unread(source, f"it calls none of {', '.join(SERVERS)}")]


def _with_all_binds(items: list[Setting | Unread]) -> list[Setting | Unread]:
    """gunicorn listens on each address that it is given; of any other option the last value counts."""
    binds = [item for item in items if isinstance(item, Setting) and (item.server, item.name) == ("gunicorn", "bind")]
    if len(binds) < 2:
        return items
    others = [item for item in items if item not in binds]
    return [*others, Setting("gunicorn", "bind", " ".join(row.value for row in binds), binds[0].source)]


def read_variable(name: str, value: str) -> list[Setting | Unread]:
    """The settings of a variable of the environment: GUNICORN_CMD_ARGS, WEB_CONCURRENCY, UWSGI_...; others are none."""
    if name == "GUNICORN_CMD_ARGS":
        try:
            return _with_all_binds(list(_options("gunicorn", shlex.split(value)[:MOST_WORDS], name)))
        except ValueError as error:
            return [Unread(name, f"it cannot be split into words: {error}")]
    if name == "WEB_CONCURRENCY" and value.isdigit():
        return [Setting(server, "workers", value, name) for server in ("gunicorn", "uvicorn")]
    if name.startswith("UWSGI_"):
        option = name.removeprefix("UWSGI_").lower().replace("_", "-")
        return [Setting("uwsgi", _named("uwsgi", option), uwsgi_value(option, value), name)]
    return []


def uwsgi_value(option: str, value: str) -> str:
    """The value of an option of uWSGI: "true" or "false" for a switch, in whatever words."""
    small = value.lower()
    if small in ("true", "yes", "on", "") or (small == "1" and option in SWITCHES["uwsgi"]):
        return "true"
    return "false" if option in SWITCHES["uwsgi"] and small in ("0", "false", "no", "off") else value


def _options(server: str, words: Sequence[str], source: str) -> Iterator[Setting | Unread]:
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in (";", "&&", "||", "|", "&"):
            return
        if word.startswith("--") and len(word) > 2:
            option, equals, value = word[2:].partition("=")
            option = option.replace("-", "_") if server == "gunicorn" else option
            if equals:
                yield from _setting(server, option, value, source)
            elif server == "gunicorn" and option not in SWITCHES[server] and (not rest or rest[0].startswith("-")):
                yield Unread(source, f"--{option} has no value")
            elif option in SWITCHES[server] or not rest or rest[0].startswith("-"):
                yield Setting(server, _named(server, option), "true", source)
            else:
                yield from _setting(server, option, rest.pop(0), source)
        elif word in SHORT_SWITCHES.get(server, {}):
            yield Setting(server, SHORT_SWITCHES[server][word], "true", source)
        elif word[:2] in SHORT[server]:
            value = word[2:].removeprefix("=") or (rest.pop(0) if rest else "")
            yield from _setting(server, SHORT[server][word[:2]], value, source)
        elif server == "uwsgi" and word.rpartition(".")[2] in CONFIG_FILES:
            yield Unread(source, "it names a configuration file: give it with --config")


def _setting(server: str, option: str, value: str, source: str) -> Iterator[Setting | Unread]:
    if option in CONFIG_FILES and server != "uvicorn":
        yield Unread(source, "it names a configuration file: give it with --config")
        return
    if re.search(r"[$`]", value):
        yield Unread(source, f"{option} is a variable of the shell")
        value = ""
    yield Setting(server, _named(server, option), value, source)


def _named(server: str, option: str) -> str:
    return LONG.get(server, {}).get(option, option)
