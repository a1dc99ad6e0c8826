"""Removes private data from a report: hosts, users, paths of home directories and checkouts, addresses, ids.

Known names and paths of this machine and of the run's machine are replaced literally, all other private data by
patterns. Loopback and unspecified addresses stay, because all machines have them. Known versions that look like an
address (uWSGI 2.0.19.1) stay too.
"""

from __future__ import annotations

import getpass
import ipaddress
import os
import platform
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reprolab.logs import servers

# Names that identify nobody, and that a report needs as words.
ORDINARY = frozenset(
    {"root", "nobody", "app", "user", "test", "runner", "build", "ci", "vagrant", "admin", "ubuntu", "debian"}
    | {"docker", "python", *servers.NAMES, "linux", "localhost", "localdomain"}
)
# In a report these are directories of a container, so they stay, even if the checkout is one of them.
SYSTEM = frozenset({"/", "/tmp", "/var/tmp", "/srv", "/usr", "/usr/local", "/opt", "/etc", "/var", "/run", "/home"})
HOSTS_OF_THREADS = ("github.com", "docs.python.org", "docs.gunicorn.org", "gunicorn.org", "uwsgi-docs.readthedocs.io")

HOMES = re.compile(r"(/home/|/Users/|[A-Za-z]:\\Users\\)([^/\\\s:\"'`,;)\]]+)")
ROOT_HOME = re.compile(r"(?<![\w./-])/root(?=[/\s:\"'`,;)\]]|$)", re.M)
URL = re.compile(r"(\w+://)([^/\s@\"'`]+@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)")
MAIL = re.compile(r"[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
# An address in use starts with a group of three or four digits; text such as `words[1::2]` does not.
IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{3,4}:(?:[0-9A-Fa-f]{0,4}:){1,7}[0-9A-Fa-f]{0,4}(?:%\w+)?(?![\w:])")
MAC = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![\w:])")
UUID = re.compile(r"(?<!\w)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?!\w)", re.I)
LONG_ID = re.compile(r"(?<!\w)[0-9a-f]{64}(?!\w)")
# The short id of a container in Docker: twelve hexadecimal characters, with at least one letter and one digit.
SHORT_ID = re.compile(r"(?<!\w)(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{12}(?!\w)")
# Host names that clouds give to their machines.
CLOUD_HOST = re.compile(r"(?<![\w-])ip(?:-\d{1,3}){4}(?!\w)")
NODE = re.compile(r"(nodename: )\S+")


@dataclass(frozen=True)
class Masker:
    """Replaces private data in texts by words in square brackets.

    ``paths`` maps each private path to its word, and ``names`` each name of a host or a user. ``keep`` holds texts
    that only look like an address. ``hosts`` holds host names that stay in URLs.
    """

    paths: Mapping[str, str]
    names: Mapping[str, str]
    keep: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()

    def text(self, text: str) -> str:
        for path, word in sorted(self.paths.items(), key=lambda pair: -len(pair[0])):
            text = re.sub(rf"(?<![\w.]){re.escape(path)}(?![\w-])", word, text)
        learned = {match[2] for match in HOMES.finditer(text)} - ORDINARY
        text = HOMES.sub(lambda match: f"{match[1]}[user]", text)
        text = ROOT_HOME.sub("[home]", text)
        text = URL.sub(self._url, text)
        text = MAIL.sub("[e-mail]", text)
        text = NODE.sub(r"\1[id]", text)
        for pattern, word in (
            (UUID, "[id]"),
            (LONG_ID, "[id]"),
            (SHORT_ID, "[id]"),
            (MAC, "[address]"),
            (CLOUD_HOST, "[host]"),
        ):
            text = pattern.sub(word, text)
        for pattern in (IPV4, IPV6):
            text = pattern.sub(self._address, text)
        names = dict.fromkeys(learned, "[user]") | dict(self.names)
        for name, word in sorted(names.items(), key=lambda pair: -len(pair[0])):
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", word, text, flags=re.I)
        return text

    def _address(self, match: re.Match[str]) -> str:
        """Replace an address. Loopback and unspecified addresses, versions and other texts stay."""
        if match[0] in self.keep:
            return match[0]
        # "2001:db8::1: refused": the colon of the sentence is no part of the address.
        text, colon = match[0], ""
        if text.endswith(":") and not text.endswith("::"):
            text, colon = text[:-1], ":"
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return match[0]
        return match[0] if address.is_loopback or address.is_unspecified else f"[address]{colon}"

    def _url(self, match: re.Match[str]) -> str:
        """Replace a private host and credentials in a URL. Addresses are replaced later, by their own rule."""
        scheme, credentials, name = match.groups()
        known = name in self.hosts or name in HOSTS_OF_THREADS or name == "localhost"
        host = name if known or name.startswith("[") or IPV4.fullmatch(name) else "[host]"
        return f"{scheme}{'[credentials]@' if credentials else ''}{host}"


def masker(places: Iterable[Path], services: Iterable[str] = (), versions: Iterable[str] = ()) -> Masker:
    """A masker for the names of this machine and for ``places``: checkouts and results of this and the run's machine.

    ``services`` are host names within the stack. ``versions`` are texts that may look like an address.
    """
    paths = {str(place): "[checkout]" for place in _spellings(places)} | {str(Path.home()): "[home]"}
    learned = {match[2] for path in paths for match in [HOMES.match(path)] if match}
    names = dict.fromkeys(_users() | learned, "[user]") | dict.fromkeys(_hosts(), "[host]")
    return Masker(
        {path: word for path, word in paths.items() if path not in SYSTEM},
        {name: word for name, word in names.items() if len(name) > 1 and name.lower() not in ORDINARY},
        frozenset(text for text in versions if IPV4.fullmatch(text)),
        frozenset(services),
    )


def _spellings(places: Iterable[Path]) -> Iterator[Path]:
    """Each path as it is given, and without symbolic links."""
    for place in places:
        yield place
        yield place.resolve()


def _users() -> set[str]:
    names = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER", "USERNAME")}
    with suppress(KeyError, OSError, ImportError):
        names.add(getpass.getuser())
    return names - {""}


def _hosts() -> set[str]:
    full = {socket.gethostname(), platform.node(), socket.getfqdn(), os.environ.get("HOSTNAME", "")}
    return (full | {name.partition(".")[0] for name in full}) - {""}
