"""Debian releases that have left the mirrors: detect them in apt's output, and move sources to the archive.

The functions read and return text; stack/archived_bases.py runs the containers. The archive's address is derived from
the mirror's address, so the project names neither.
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
# The error line of apt for one suite, and the indented lines below it, which give the reason.
FAILED = re.compile(r"^Err:\d+ (\S+) (\S+) \S*Release\b.*\n((?:[ \t]+.*(?:\n|\Z))*)", re.MULTILINE)
NOT_FOUND = re.compile(r"^\s+(?:404|410)\s", re.MULTILINE)
# A Release file expires some days after its last renewal. In the archive it is never renewed.
OUT_OF_DATE = "check-valid-until=no"
UNCHECKED = "trusted=yes"


@dataclass(frozen=True)
class Suite:
    """One suite of one repository, without its options."""

    address: str
    name: str

    def __str__(self) -> str:
        return f"{self.address} {self.name}"


@dataclass(frozen=True)
class _Entry:
    suite: Suite
    options: tuple[str, ...] = ()


def has_missing_suites(output: str) -> bool:
    """Whether a mirror answered ``apt-get update`` that it does not have a suite."""
    return bool(missing_suites(output))


def missing_suites(output: str) -> set[Suite]:
    """Return the suites that a server reported as not found. A network failure does not count."""
    return {suite for suite, reason in _failed_suites(output) if NOT_FOUND.search(reason)}


def expired_suites(output: str) -> set[Suite]:
    """Return the suites whose signature is valid, except that its key has expired."""
    return {suite for suite, reason in _failed_suites(output) if "EXPKEYSIG" in reason and "BADSIG" not in reason}


def move_to_archive(sources: str, only: Collection[Suite] | None = None) -> str:
    """Return apt's sources, in either format, with the suites ``only`` (or all) moved to the archive.

    Expired Release files are accepted for these suites only.
    """

    def move(entry: _Entry) -> _Entry:
        address = archive_of(entry.suite.address)
        if not address or (only is not None and entry.suite not in only):
            return entry
        return _Entry(Suite(address, entry.suite.name), (*entry.options, OUT_OF_DATE))

    return _map_entries(sources, move)


def remove_suites(sources: str, suites: Collection[Suite]) -> str:
    """Return apt's sources without these suites."""
    return _map_entries(sources, lambda entry: None if entry.suite in suites else entry)


def skip_signatures(sources: str, suites: Collection[Suite]) -> str:
    """Return apt's sources with an option that skips the signature check of these suites."""
    return _map_entries(sources, lambda entry: replace(entry, options=(UNCHECKED,)) if entry.suite in suites else entry)


def suites_of(sources: str) -> set[Suite]:
    """Return the suites that apt's sources name."""
    suites = set()

    def note(entry: _Entry) -> _Entry:
        suites.add(entry.suite)
        return entry

    _map_entries(sources, note)
    return suites


def extension_suites(suites: Iterable[Suite], among: Collection[Suite]) -> set[Suite]:
    """Return the suites that extend a suite of ``among``, as `buster-updates` and `buster/updates` extend `buster`."""
    names = "|".join(re.escape(suite.name) for suite in among)
    return {suite for suite in suites if re.match(f"(?:{names})[-/]", suite.name)}


def archive_of(address: str) -> str:
    """Return the address with the first label of its host replaced by ``archive``; "" if it has no host name.

    A host name of two labels keeps both, since the first is the name of the distribution.
    """
    parts = urlsplit(address)
    labels = (parts.hostname or "").split(".")
    if parts.scheme not in ("http", "https") or len(labels) < 2 or labels[-1].isdigit():
        return ""
    host = ".".join(["archive", *(labels[1:] if len(labels) > 2 else labels)])
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def _failed_suites(output: str) -> Iterator[tuple[Suite, str]]:
    for address, name, reason in FAILED.findall(output):
        yield Suite(address, name), reason


def _map_entries(sources: str, change: Callable[[_Entry], _Entry | None]) -> str:
    if DEB822.search(sources):
        return "\n\n".join(_stanzas(sources, change)) + "\n"
    lines = (_line(line, change) for line in sources.splitlines())
    return "".join(f"{line}\n" for line in lines if line is not None)


def _line(line: str, change: Callable[[_Entry], _Entry | None]) -> str | None:
    match = ONE_LINE.fullmatch(line)
    if not match:
        return line
    kind, options, address, name, rest = match.groups(default="")
    before = _entry(address, name)
    after = change(before)
    if after is None or after == before:
        return None if after is None else line
    return f"{kind} [{' '.join([*options.split(), *after.options])}] {after.suite}{rest}"


def _stanzas(sources: str, change: Callable[[_Entry], _Entry | None]) -> Iterator[str]:
    """Yield each stanza unchanged, or one stanza for each of its suites if one of them changes."""
    content = "\n".join(line for line in sources.splitlines() if not line.startswith("#"))
    for stanza in filter(str.strip, re.split(r"\n\s*\n", content)):
        fields = {name.lower(): (name, value) for name, value in FIELD.findall(stanza)}
        addresses, names = (fields.get(name, ("", ""))[1].split() for name in ("uris", "suites"))
        before = [_entry(*pair) for pair in product(addresses, names)]
        after = [change(entry) for entry in before]
        if after == before:
            yield stanza.strip("\n")
            continue
        rest = [f"{name}: {value}" for key, (name, value) in fields.items() if key not in ("uris", "suites")]
        for entry in filter(None, after):
            options = [
                f"{key.title()}: {value}" for key, _, value in (option.partition("=") for option in entry.options)
            ]
            location = [f"URIs: {entry.suite.address}", f"Suites: {entry.suite.name}"]
            yield "\n".join([*rest[:1], *location, *rest[1:], *options])


def _entry(address: str, name: str) -> _Entry:
    return _Entry(Suite(address.rstrip("/"), name))
