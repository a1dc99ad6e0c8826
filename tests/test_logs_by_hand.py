"""What `logs` and `wrk` say of a stack by hand: one clock, repeated lines once, errors that are found; words."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from reprolab.cli.main import main
from reprolab.core.errors import InvalidTrial
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.run import load_words, log_text
from wrk_wrapper.model import ErrorCounts, Latency, WrkResult

ACCESS = '127.0.0.1 - - [26/Nov/2026:13:51:19 +0000] "GET / HTTP/1.1" {} 25 "-" "-" 17957010{:02}500000 0\n'
APP = [
    "13:51:20.100000000Z [2026-11-26 13:51:20 +0000] [10] [INFO] Booting worker with pid: 10",
    "13:51:20.200000000Z again",
    "13:51:20.300000000Z again",
    "13:51:20.400000000Z Traceback (most recent call last):",
    '13:51:20.400000000Z   File "sock.py", line 123, in close',
    "13:51:20.400000000Z FileNotFoundError: gone",
    "13:51:20.500000000Z \x1b[31mafter\x1b[0m",
]


@pytest.fixture
def copy(tmp_path: Path) -> TrialDirectory:
    """Logs of a server, and of a proxy that writes its access log into a file."""
    place = TrialDirectory(tmp_path)
    server = "".join(f"2026-11-26T{line}\n" for line in APP)
    place.log_path("app").write_bytes(gzip.compress(server.encode()))
    access = [ACCESS.format(200, 79), ACCESS.format(502, 79), ACCESS.format(200, 79), ACCESS.format(502, 85)]
    place.log_path("proxy").write_bytes(gzip.compress("".join(access).encode()))
    place.streams_path("proxy").write_bytes(
        gzip.compress(b"2026-11-26T13:51:20.600000000Z failed to connect to host\n")
    )
    return place


def shown(copy: TrialDirectory, tail: int | None = None, *, errors: bool = False) -> list[str]:
    """The lines as a pipe gets them."""
    return [entry.shown(5).plain for entry in log_text.entries(copy, ["app", "proxy"], tail, errors=errors)]


def test_all_lines_have_one_clock(copy: TrialDirectory) -> None:
    """In the order of time, without the clocks of the servers; lines of equal text stand once, with their number."""
    assert shown(copy)[:5] == [
        '13:51:19.500 proxy 127.0.0.1 - - "GET / HTTP/1.1" 200 25 "-" "-"  (× 2 until 13:51:19.500)',
        '13:51:19.500 proxy 127.0.0.1 - - "GET / HTTP/1.1" 502 25 "-" "-"',
        "13:51:20.100 app   [10] [INFO] Booting worker with pid: 10",
        "13:51:20.200 app   again  (× 2 until 13:51:20.300)",
        "13:51:20.400 app   Traceback (most recent call last):",
    ]
    assert shown(copy)[-2:] == [
        "13:51:20.600 proxy failed to connect to host",
        '13:51:25.500 proxy 127.0.0.1 - - "GET / HTTP/1.1" 502 25 "-" "-"',
    ]


def test_only_errors(copy: TrialDirectory) -> None:
    """Whole tracebacks, answers with 5xx, and what failed; nothing else."""
    assert [line.split(maxsplit=2)[2] for line in shown(copy, errors=True)] == [
        '127.0.0.1 - - "GET / HTTP/1.1" 502 25 "-" "-"',
        "Traceback (most recent call last):",
        'File "sock.py", line 123, in close',
        "FileNotFoundError: gone",
        "failed to connect to host",
        '127.0.0.1 - - "GET / HTTP/1.1" 502 25 "-" "-"',
    ]


def test_the_last_entries_of_each_service(copy: TrialDirectory) -> None:
    """The number counts entries of each service."""
    assert [line.split()[1] for line in shown(copy, 1)] == ["app", "proxy"]


def result(**changes: Any) -> WrkResult:
    """A load of 4 s with answers of two kinds."""
    fields: dict[str, Any] = {
        "url": "http://127.0.0.1/",
        "threads": 10,
        "connections": 200,
        "duration_us": 4_000_000,
        "requests": 22_000,
        "bytes": 1,
        "errors": ErrorCounts(0, 0, 0, 0, 0),
        "latency": Latency(p50=27_700, p99=322_700),
        "statuses": {502: 19_380, 200: 2_620},
        "text": "",
    }
    return WrkResult(**{**fields, **changes})


def stack(*, exists: bool = True, running: bool = True) -> Any:
    """A stack whose server listens on a Unix socket."""
    services = {"blink-app": {"environment": {"BIND": "unix:/tmp/g.sock", "WORKERS": "5"}}}
    return SimpleNamespace(
        roles={"app": "blink-app"},
        model={"services": services},
        running=lambda role: running,
        exists=lambda role, path: exists,
    )


def test_a_load_ends_in_words() -> None:
    """The answers by status, what became of the socket, the rate and the latency."""
    assert load_words.lines(result(), stack(exists=False)) == [
        "2,620 × 200, 19,380 × 502; the socket /tmp/g.sock is gone",
        "  22,000 answers in 4.0 s, 5,500 a second; half of them within 27.7 ms, 99% within 322.7 ms",
    ]
    assert load_words.lines(result(), stack())[0].endswith("; the socket is there")
    assert load_words.lines(result(), stack(running=False))[0].endswith("; the server has ended")


def test_what_wrk_counts_beside_the_answers() -> None:
    """Errors have a line of their own; a look that fails is said in its place."""
    failing = stack()

    def fails(role: str) -> bool:
        raise InvalidTrial("app is paused")

    failing.running = fails
    lines = load_words.lines(result(errors=ErrorCounts(0, 0, 31_000, 0, 0), latency=Latency(), statuses={}), failing)
    assert lines == [
        "22,000 without a header; app is paused",
        "  22,000 answers in 4.0 s, 5,500 a second",
        "  also: 31,000 attempts on a refused connection",
    ]


def test_tail_is_a_number_or_all() -> None:
    """Anything else is a usage error, before the engine is asked."""

    said = CliRunner().invoke(main, ["logs", "blink", "--tail", "xyz"])
    assert said.exit_code == 2
    assert "'xyz'; expected: a number of lines, or all" in said.output
