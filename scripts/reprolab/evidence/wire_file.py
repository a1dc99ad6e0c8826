"""What a client sent and received byte by byte: wire.jsonl of a trial, and the log that readers see of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprolab.core.files import format_errors, writing
from reprolab.logs.timestamps import stamp

WIRE_FILE = "wire.jsonl"
# Beside the logs of the services, so that every reader of logs has it.
WIRE_LOG = "client.log.gz"
MOST_TEXT = 240  # characters of one line's bytes


@dataclass(frozen=True)
class WireLine:
    """A line of wire.jsonl: what a client did on a connection to ``role``, and when (ns since the epoch).

    ``what`` is open, send, receive, pause, half_close, reset, close or outcome; ``text`` has the bytes, each as one
    character; ``result`` is the error's name, how a receive ended, or the outcome.
    """

    role: str
    connection: int
    at_ns: int
    what: str
    text: str = ""
    result: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> WireLine:
        return cls(
            str(data["role"]),
            int(data["connection"]),
            int(data["at_ns"]),
            str(data["what"]),
            str(data.get("text", "")),
            str(data.get("result", "")),
        )

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value != ""}

    @property
    def words(self) -> str:
        """The line as a reader of a log sees it."""
        shown = self.text
        if self.what in ("send", "receive", "ws_send", "ws_receive"):
            long = len(self.text) > MOST_TEXT
            shown = ascii(f"{self.text[:MOST_TEXT]}..." if long else self.text)
            shown += f" ({len(self.text)} bytes)" if long else ""
        what = " ".join(word for word in (self.what, shown) if word)
        return f"{self.role} #{self.connection} {what}" + (f": {self.result}" if self.result else "")


def read_lines(path: Path) -> list[WireLine]:
    """The lines of wire.jsonl in the order of time; none if there is no file. Raises UsageError for another format."""
    if not path.is_file():
        return []
    with format_errors(path):
        rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        return sorted((WireLine.from_json(row) for row in rows), key=lambda line: line.at_ns)


def write_log(directory: Path) -> None:
    """Write client.log.gz of a trial's wire.jsonl, a stamp before each line as in the logs of services."""
    if lines := read_lines(directory / WIRE_FILE):
        with writing(directory / WIRE_LOG), gzip.open(directory / WIRE_LOG, "wt", encoding="utf-8") as log:
            log.writelines(f"{stamp(line.at_ns)} {line.words}\n" for line in lines)


@dataclass(frozen=True)
class Exchange:
    """One connection from its opening to its last line; ``request`` is the first line that was sent."""

    role: str
    connection: int
    begun_ns: int
    ended_ns: int
    request: str
    outcome: str


def exchanges(lines: Iterable[WireLine]) -> Iterator[Exchange]:
    """The connections of a trial, by their opening."""
    by_connection: dict[tuple[str, int], list[WireLine]] = {}
    for line in lines:
        by_connection.setdefault((line.role, line.connection), []).append(line)
    for (role, connection), own_lines in by_connection.items():
        sent = "".join(line.text for line in own_lines if line.what == "send")
        results = [line.result for line in own_lines if line.what == "outcome"]
        failed = [line.result for line in own_lines if line.what == "open" and line.result]
        outcome = ", ".join(results or failed) or "no answer was asked for"
        request = sent.split("\r\n", 1)[0][:60]
        yield Exchange(role, connection, own_lines[0].at_ns, own_lines[-1].at_ns, request, outcome)
