"""How an exchange ended, from the parts that came; and what a trial keeps of it."""

from __future__ import annotations

import gzip
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from reprolab.core.errors import UsageError
from reprolab.core.files import add_lines
from reprolab.evidence.wire_file import WIRE_FILE, WIRE_LOG, WireLine, exchanges, read_lines, write_log
from reprolab.logs.timestamps import moment_ns, stamp
from reprolab.stack.outcome import Ending, Outcome, read_answer

LONG = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000  # of a head
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def outcome_of(*parts: tuple[bytes, str], method: str = "GET", left: bytes = b"") -> tuple[Outcome, bytes]:
    """What comes of these parts, each with the reason why no more came."""
    remaining = list(parts)
    return read_answer(lambda limit: remaining.pop(0), left, method, 5.0)


@pytest.mark.parametrize(
    ("parts", "ending", "status", "body"),
    [
        ([(OK, "found")], Ending.ANSWERED, 200, b"ok"),
        ([(OK[:20], "found"), (OK[20:], "found")], Ending.ANSWERED, 200, b"ok"),
        ([(b"HTTP/1.0 204 No\r\n\r\n", "found")], Ending.ANSWERED, 204, b""),
        ([(b"HTTP/1.0 200 OK\r\n\r\nall", "found"), (b"", "end")], Ending.ANSWERED, 200, b"all"),
        ([(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "found")], Ending.ANSWERED, 200, b"ok"),
        ([(b"", "end")], Ending.CLOSED, None, b""),
        ([(b"", "ECONNRESET")], Ending.RESET, None, b""),
        ([(b"", "limit")], Ending.LATE, None, b""),
        ([(OK[:-1], "found"), (b"", "end")], Ending.CUT, 200, b"o"),
        ([(OK[:20], "found"), (b"", "end")], Ending.CUT, None, b""),
        ([(OK[:-1], "found"), (b"", "limit")], Ending.LATE, 200, b"o"),
        ([(b"220 hello\r\n", "found"), (b"", "end")], Ending.NOT_HTTP, None, b""),
        ([(b"", "EWHAT")], Ending.OTHER, None, b""),
        ([(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nrest", "found")], Ending.ANSWERED, 101, b""),
        (
            [(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, "found"), (b"\r\n" + OK[17:], "found")],
            Ending.ANSWERED,
            200,
            b"ok",
        ),
        ([(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "found")], Ending.NOT_HTTP, None, b""),
    ],
)
def test_the_word_for_what_came(
    parts: Sequence[tuple[bytes, str]], ending: Ending, status: int | None, body: bytes
) -> None:
    """An answer, a part of one, or none."""
    outcome, _ = outcome_of(*parts)
    assert (outcome.ending, outcome.status, outcome.body) == (ending, status, body)
    assert str(outcome) == (str(status) if ending is Ending.ANSWERED else str(ending))


def test_what_comes_behind_an_answer_is_kept() -> None:
    """Two answers in one part."""
    first, left = outcome_of((OK + OK, "found"))
    second, rest = outcome_of(left=left)
    assert (first.received, second.received, rest) == (OK, OK, b"")


def test_an_answer_without_an_end_has_a_limit() -> None:
    """Answers of 1xx, one after the other."""
    begun = time.monotonic()
    outcome, left = read_answer(lambda limit: (b"HTTP/1.1 102 Wait\r\n\r\n", "found"), b"", "GET", 0.2)
    assert outcome.ending is Ending.LATE and time.monotonic() - begun < 5
    assert left == outcome.received


def test_what_came_before_the_limit_belongs_to_the_next_outcome() -> None:
    """The rest of the answer comes later."""
    late, left = outcome_of((OK[:20], "found"), (b"", "limit"))
    assert (late.ending, left) == (Ending.LATE, OK[:20])
    assert outcome_of((OK[20:], "found"), left=left)[0].body == b"ok"


def test_a_long_body_is_read_in_time() -> None:
    """Its parts are not copied again and again."""
    part = b"x" * 65536
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (500 * len(part))
    outcome, _ = outcome_of((head, "found"), *[(part, "found")] * 500)
    assert (outcome.ending, len(outcome.body)) == (Ending.ANSWERED, 500 * len(part))


def test_the_answer_to_head_has_no_body() -> None:
    """Its length is that of another answer."""
    outcome, _ = outcome_of((OK[:-2], "found"), method="HEAD")
    assert (outcome.ending, outcome.body) == (Ending.ANSWERED, b"")


SECOND = 1_000_000_000
LINES = [
    WireLine("app", 1, 5 * SECOND, "open", "['127.0.0.1', 80]"),
    WireLine("app", 2, 6 * SECOND, "open", "['127.0.0.1', 81]", "ECONNREFUSED"),
    WireLine("app", 1, 7 * SECOND + 5, "send", "GET /a HTTP/1.1\r\n\r\n"),
    WireLine("app", 1, 8 * SECOND, "receive", "x" * 500, "found"),
    WireLine("app", 1, 9 * SECOND, "outcome", "", "answered with 200"),
]


def test_the_lines_of_a_trial(tmp_path: Path) -> None:
    """They are read in the order of time, and become a log with the engine's stamps."""
    for line in reversed(LINES):
        add_lines(tmp_path / WIRE_FILE, [line.to_json()])
    assert read_lines(tmp_path / WIRE_FILE) == LINES
    write_log(tmp_path)
    log = gzip.decompress((tmp_path / WIRE_LOG).read_bytes()).decode().splitlines()
    assert log[2] == "1970-01-01T00:00:07.000000005Z app #1 send 'GET /a HTTP/1.1\\r\\n\\r\\n'"
    assert log[1].endswith("app #2 open ['127.0.0.1', 81]: ECONNREFUSED")
    assert log[3].endswith("xxx...' (500 bytes): found")
    assert log[4].endswith("app #1 outcome: answered with 200")
    assert moment_ns(stamp(LINES[2].at_ns)) == LINES[2].at_ns


def test_no_client_no_log(tmp_path: Path) -> None:
    """A log that is empty would be one more thing to read."""
    write_log(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_connections_of_a_trial() -> None:
    """Each with its request and its outcome; a connection that was refused has no request."""
    kept = [(item.connection, item.request, item.outcome) for item in exchanges(LINES)]
    assert kept == [(1, "GET /a HTTP/1.1", "answered with 200"), (2, "", "ECONNREFUSED")]


@pytest.mark.parametrize("text", ["[1]\n", "{}\n", '{"role": "app"}\n', "{\n"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    """No traceback."""
    (tmp_path / WIRE_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"wire\.jsonl does not have the lab's format"):
        read_lines(tmp_path / WIRE_FILE)
