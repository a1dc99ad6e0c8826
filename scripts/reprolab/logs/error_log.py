"""Reads nginx's error log: which message, when, for which request and which server behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reprolab.logs.servers import NGINX
from reprolab.logs.timestamps import Clock, split_timestamp

CONNECTION = re.compile(r"\*\d+ ")
DETAILS = re.compile(r", client: ")
REQUEST = re.compile(r', request: "(.*?)"(?:, (?:subrequest|upstream|host|referrer): "|$)')
UPSTREAM = re.compile(r', upstream: "([^"]*)"')


@dataclass(frozen=True)
class NginxMessage:
    """A message of nginx. ``at_ns`` is when the engine read the line, in nanoseconds since the epoch.

    ``text`` is without numbers of processes and connections and without the details of the request, such as "connect()
    failed (111: Connection refused) while connecting to upstream". ``request`` is the request line and ``upstream`` the
    URL of the server behind nginx; both are "" in a message without them.
    """

    at_ns: int
    level: str
    text: str
    request: str = ""
    upstream: str = ""


def nginx_errors(lines: Iterable[bytes], since_ns: int = 0) -> list[NginxMessage]:
    """The messages of the levels error, crit, alert and emerg that the engine read at ``since_ns`` or later.

    ``lines`` begin with the engine's timestamps, as in ``evidence.streams("proxy")``. Other lines are left out.
    """
    return [m for m in nginx_messages(lines) if m.level in NGINX.errors and m.at_ns >= since_ns]


def nginx_messages(lines: Iterable[bytes]) -> Iterator[NginxMessage]:
    """All messages of nginx, in the log's order."""
    clock = Clock()
    for line in lines:
        stamp, rest = split_timestamp(line)
        text = rest.decode("utf-8", "replace").rstrip("\n")
        if stamp and (begin := NGINX.begins.match(text)):
            message = CONNECTION.sub("", text[begin.end() :], count=1)
            details = DETAILS.search(message)
            request, upstream = REQUEST.search(message), UPSTREAM.search(message)
            yield NginxMessage(
                clock(line),
                begin["level"],
                message[: details.start()] if details else message,
                request[1] if request else "",
                upstream[1] if upstream else "",
            )
