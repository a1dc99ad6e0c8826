"""Debian releases that left the mirrors: how apt tells, and its sources moved to the archive of old releases.

Text in, text out; archivebase.py asks containers. The archive's name is derived from the mirror's, so that the
project names neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from urllib.parse import urlsplit, urlunsplit

ONE_LINE = re.compile(r"\s*(deb(?:-src)?)\s+(?:\[([^]]*)]\s*)?(\S+)\s+(\S+)(.*)")
DEB822 = re.compile(r"^Types:", re.MULTILINE | re.IGNORECASE)
FIELD = re.compile(r"^([\w-]+):[ \t]*(.*(?:\n[ \t]+.*)*)", re.MULTILINE)
# What apt says of one suite, and below it, indented, why it could not be had.
FAILED = re.compile(r"^Err:\d+ (\S+) (\S+) \S*Release\b.*\n((?:[ \t]+.*(?:\n|\Z))*)", re.MULTILINE)
NOT_FOUND = re.compile(r"^\s+(?:404|410)\s", re.MULTILINE)
# A Release file is out of date some days after its last renewal; nobody renews it in the archive.
OUT_OF_DATE = "check-valid-until=no"
UNCHECKED = "trusted=yes"


@dataclass(frozen=True)
class Suite:
    """One suite of one repository, as apt names them; two are equal whatever their options are."""

    address: str
    name: str

    def __str__(self) -> str:
        return f"{self.address} {self.name}"


@dataclass(frozen=True)
class _Entry:
    suite: Suite
    options: tuple[str, ...] = ()


def is_gone(said: str) -> bool:
    """Whether ``apt-get update`` met a mirror that answers and does not have a suite."""
    return bool(gone(said))


def gone(said: str) -> set[Suite]:
    """The suites that a server said it does not have; a network that is down says no such thing."""
    return {suite for suite, why in _failed(said) if NOT_FOUND.search(why)}


def expired(said: str) -> set[Suite]:
    """The suites with a signature that is good but for the age of its key."""
    return {suite for suite, why in _failed(said) if "EXPKEYSIG" in why and "BADSIG" not in why}


def rewritten(sources: str, only: Collection[Suite] | None = None) -> str:
    """apt's sources, in either notation, with these suites (all, unless named) taken from the archive.

    Release files that are out of date are accepted there, and nowhere else.
    """

    def move(entry: _Entry) -> _Entry:
        address = archive_of(entry.suite.address)
        if not address or (only is not None and entry.suite not in only):
            return entry
        return _Entry(Suite(address, entry.suite.name), (*entry.options, OUT_OF_DATE))

    return _mapped(sources, move)


def without(sources: str, suites: Collection[Suite]) -> str:
    """apt's sources less these suites."""
    return _mapped(sources, lambda entry: None if entry.suite in suites else entry)


def unchecked(sources: str, suites: Collection[Suite]) -> str:
    """apt's sources with these suites taken without looking at their signatures."""
    return _mapped(sources, lambda entry: replace(entry, options=(UNCHECKED,)) if entry.suite in suites else entry)


def suites_of(sources: str) -> set[Suite]:
    """The suites that apt's sources name."""
    found = set()

    def note(entry: _Entry) -> _Entry:
        found.add(entry.suite)
        return entry

    _mapped(sources, note)
    return found


def additions(suites: Iterable[Suite], among: Collection[Suite]) -> set[Suite]:
    """Those that only add to another one of ``among``, as `buster-updates` and `buster/updates` do to `buster`."""
    bare = "|".join(re.escape(suite.name) for suite in among)
    return {suite for suite in suites if re.match(f"(?:{bare})[-/]", suite.name)}


def archive_of(address: str) -> str:
    """The address with the first label of its host replaced by ``archive``; empty where it names no host on the web.

    A host of two labels keeps both: there the first is the distribution's.
    """
    parts = urlsplit(address)
    labels = (parts.hostname or "").split(".")
    if parts.scheme not in ("http", "https") or len(labels) < 2 or labels[-1].isdigit():
        return ""
    host = ".".join(["archive", *(labels[1:] if len(labels) > 2 else labels)])
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def _failed(said: str) -> Iterator[tuple[Suite, str]]:
    for address, name, why in FAILED.findall(said):
        yield Suite(address, name), why


def _mapped(sources: str, change: Callable[[_Entry], _Entry | None]) -> str:
    if DEB822.search(sources):
        return "\n\n".join(_stanzas(sources, change)) + "\n"
    lines = (_line(line, change) for line in sources.splitlines())
    return "".join(f"{line}\n" for line in lines if line is not None)


def _line(line: str, change: Callable[[_Entry], _Entry | None]) -> str | None:
    found = ONE_LINE.fullmatch(line)
    if not found:
        return line
    kind, options, address, name, rest = found.groups(default="")
    before = _entry(address, name)
    after = change(before)
    if after is None or after == before:
        return None if after is None else line
    return f"{kind} [{' '.join([*options.split(), *after.options])}] {after.suite}{rest}"


def _stanzas(sources: str, change: Callable[[_Entry], _Entry | None]) -> Iterator[str]:
    """Each stanza as it was, or one for each of its suites where one of them changes."""
    bare = "\n".join(line for line in sources.splitlines() if not line.startswith("#"))
    for stanza in filter(str.strip, re.split(r"\n\s*\n", bare)):
        fields = {name.lower(): (name, value) for name, value in FIELD.findall(stanza)}
        addresses, names = (fields.get(name, ("", ""))[1].split() for name in ("uris", "suites"))
        before = [_entry(*pair) for pair in product(addresses, names)]
        after = [change(entry) for entry in before]
        if after == before:
            yield stanza.strip("\n")
            continue
        rest = [f"{name}: {value}" for key, (name, value) in fields.items() if key not in ("uris", "suites")]
        for entry in filter(None, after):
            options = [f"{key.title()}: {value}" for key, _, value in (word.partition("=") for word in entry.options)]
            place = [f"URIs: {entry.suite.address}", f"Suites: {entry.suite.name}"]
            yield "\n".join([*rest[:1], *place, *rest[1:], *options])


def _entry(address: str, name: str) -> _Entry:
    return _Entry(Suite(address.rstrip("/"), name))
