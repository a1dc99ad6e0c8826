"""Logs: copied from containers, and read as streams, also with garbled lines."""

from __future__ import annotations

import errno
import gzip
import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound
from reprolab.core.errors import EngineError, EvidenceError
from reprolab.logs import capture
from reprolab.logs.access_log import access_summary, request_ns
from reprolab.logs.python_tracebacks import tracebacks
from reprolab.logs.timestamps import Clock, moment_ns, split_timestamp

SECOND = 1_000_000_000
EPOCH = 1_795_239_009 * SECOND  # 2026-11-21T05:30:09Z


# -- moments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-21T05:30:09Z", EPOCH),
        ("2026-11-21T05:30:09.686806291Z", EPOCH + 686_806_291),
        ("2026-11-21T05:30:09.5Z", EPOCH + 500_000_000),
        ("2026-11-21T05:30:09.000000001Z", EPOCH + 1),
        ("2026-11-21T05:30:09", EPOCH),
        ("2026-11-21T05:30:09.25+00:00", EPOCH + 250_000_000),
        (b"2026-11-21T05:30:09.5Z \n", EPOCH + 500_000_000),
    ],
)
def test_moments(stamp: str | bytes, nanoseconds: int) -> None:
    """An engine's timestamp keeps every nanosecond, which a float would not."""
    assert moment_ns(stamp) == nanoseconds


@pytest.mark.parametrize(
    "stamp",
    ["", "now", "2026-11-21", "2026-13-21T05:30:09Z", "2026-11-21T05:30:09+09:00", "2026-11-21T05:30:09Zzz", "é"],
)
def test_other_text_is_no_moment(stamp: str) -> None:
    """Other text raises ValueError, also a time in another zone."""
    with pytest.raises(ValueError, match=r".*"):
        moment_ns(stamp)
    with pytest.raises(ValueError, match=r".*"):
        moment_ns(stamp.encode())


def test_the_clock_reads_lines_in_any_order() -> None:
    """The remembered second does not change the result for lines that are not in order."""
    clock = Clock()
    lines = [
        (b"2026-11-21T05:30:09.686806291Z [7] [INFO] Starting", 686_806_291),
        (b"2026-11-21T05:30:09.7Z short fraction", 700_000_000),
        (b"2026-11-21T05:30:11.000000001Z later", 2 * SECOND + 1),
        (b"2026-11-21T05:30:09.9Z and back", 900_000_000),
        (b"2026-11-21T05:30:10Z no fraction, and a later Z in the text", SECOND),
        (b"2026-11-21T05:30:10.5Z ", SECOND + 500_000_000),
    ]
    for line, offset in lines:
        assert clock(line) == EPOCH + offset, line
        assert clock(line) == moment_ns(line.split(b" ")[0])


def test_the_clock_refuses_a_line_without_a_timestamp() -> None:
    """Such a line does not get the time of the line before."""
    clock = Clock()
    clock(b"2026-11-21T05:30:09.5Z fine")
    with pytest.raises(ValueError, match="Traceback"):
        clock(b"Traceback (most recent call last):")


@pytest.mark.parametrize(
    ("line", "stamp", "text"),
    [
        ("2026-11-21T05:30:09.686806291Z [7] [INFO] x\n", "2026-11-21T05:30:09.686806291Z", "[7] [INFO] x\n"),
        ("2026-11-21T05:30:09Z no fraction", "2026-11-21T05:30:09Z", "no fraction"),
        ("2026-11-21T05:30:09.5Z   an indented line\n", "2026-11-21T05:30:09.5Z", "  an indented line\n"),
        ("2026-11-21T05:30:09.5Z \n", "2026-11-21T05:30:09.5Z", "\n"),
        ("2026-11-21T05:30:09.5Z", "2026-11-21T05:30:09.5Z", ""),
        ("Traceback (most recent call last):\n", "", "Traceback (most recent call last):\n"),
        ("2026-11-21T05:30:09.5Zulu", "", "2026-11-21T05:30:09.5Zulu"),
        ("2026-11-21 05:30:09 +0000 x", "", "2026-11-21 05:30:09 +0000 x"),
        ("", "", ""),
    ],
)
def test_a_line_is_split_after_the_engines_timestamp(line: str, stamp: str, text: str) -> None:
    """Text and bytes give the same; a line without a timestamp stays whole."""
    assert split_timestamp(line) == (stamp, text)
    assert split_timestamp(line.encode()) == (stamp.encode(), text.encode())


# -- the access log -------------------------------------------------------------------------------


def access(
    ms: float, status: object = 200, agent: str = "-", took: str = "0", request: str = "GET / HTTP/1.1"
) -> bytes:
    """A line as images/h2o writes it, for a request that came ``ms`` after the start."""
    came = (EPOCH + int(ms * 1e6)) // 1000
    return f'127.0.0.1 - - [21/Nov/2026:05:30:09 +0000] "{request}" {status} 25 "-" "{agent}" {came} {took}\n'.encode()


def test_responses_count_at_their_end() -> None:
    """The log has the request's moment and its duration; the response counts at the end."""
    summary = access_summary([access(10, took="0.0955"), access(20)], EPOCH)
    assert summary.first_ns == {200: EPOCH + 105_500_000}
    assert summary.last_ns == {200: EPOCH + 105_500_000}
    assert summary.timeline() == {"200": [[0, 1], [100, 1]]}


def test_nginx_writes_the_end_of_a_response() -> None:
    """In seconds with a fraction, where h2o writes when the request came; the duration gives the other moment."""
    line = access(105.5).replace(str((EPOCH + 105_500_000) // 1000).encode(), b"1795239009.105")
    line = line.replace(b" 0\n", b" 0.096\n")
    assert access_summary([line], EPOCH).first_ns == {200: EPOCH + 105_000_000}
    assert request_ns(line.decode().rstrip()) == EPOCH + 9_000_000
    assert request_ns(access(10, took="0.096").decode().rstrip()) == EPOCH + 10_000_000


def test_figures_per_status() -> None:
    """Counts, shares, the last 2xx, and the first 502 after the last 2xx."""
    lines = [access(5), access(40, 502), access(50, 204), access(60, 502), access(70, 502), access(160, 302)]
    summary = access_summary(lines, EPOCH)
    assert (summary.lines, summary.ok, summary.other_lines) == (6, 2, 0)
    assert summary.statuses == {200: 1, 204: 1, 502: 3, 302: 1}
    assert summary.share(502) == 0.5
    assert summary.share(404) == 0.0
    assert summary.last_ok_ns == EPOCH + 50_000_000
    assert summary.first_after_ok_ns == {502: EPOCH + 60_000_000, 302: EPOCH + 160_000_000}
    assert summary.timeline() == {"200": [[0, 1]], "204": [[0, 1]], "302": [[100, 1]], "502": [[0, 3]]}


def test_a_2xx_after_a_502_clears_it() -> None:
    """There is no 502 after the last 2xx."""
    assert access_summary([access(5, 502), access(6, 200)], EPOCH).first_after_ok_ns == {}


def test_an_empty_log() -> None:
    """No lines give zeros and None, not an error."""
    summary = access_summary([], EPOCH)
    assert (summary.lines, summary.ok, summary.last_ok_ns, summary.share(502)) == (0, 0, None, 0.0)
    assert summary.timeline() == {}


def test_probes_are_excluded_by_their_agent() -> None:
    """The lab's own requests are other lines, not responses to wrk."""
    lines = [access(1, agent="reprolab-probe"), access(2), access(3, agent="x-"), access(4, agent="")]
    summary = access_summary(lines, EPOCH)
    assert (summary.lines, summary.other_lines) == (1, 3)
    probes = access_summary(lines, EPOCH, agent=b"reprolab-probe")
    assert (probes.lines, probes.other_lines) == (1, 3)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"[INFO] starting up\n",
        b'"""""" \n',
        b"\xff\xfe\x00" * 20,
        access(5, status="-"),
        access(5, took="-"),
        access(5, took="inf"),
        access(5, took="nan"),
        access(5, took="0 0"),
        access(5, request='GET /"quoted" HTTP/1.1'),
        access(5).replace(b"17952390", b"x"),
        access(5).rsplit(b" ", 1)[0],
        access(5).rsplit(b" ", 2)[0],
        access(5)[:-30],
        access(5)[:40],
    ],
)
def test_garbled_and_incomplete_lines(line: bytes) -> None:
    """A line that is no complete access line is counted as another line and changes no figure."""
    summary = access_summary([access(1), line, access(2)], EPOCH)
    assert (summary.lines, summary.other_lines, dict(summary.statuses)) == (2, 1, {200: 2})


def test_a_last_line_without_newline_counts() -> None:
    """A complete line counts with or without a newline."""
    assert access_summary([access(1).rstrip()], EPOCH).lines == 1


def test_responses_before_the_start_are_before_it() -> None:
    """A clock that is behind gives a negative step."""
    assert access_summary([access(-50)], EPOCH).timeline() == {"200": [[-100, 1]]}


# -- tracebacks -----------------------------------------------------------------------------------


def stamped(text: str) -> list[bytes]:
    """A text as the engine logs it: each line has a timestamp, and they are a millisecond apart."""
    rows = text.strip("\n").split("\n")
    return [f"2026-11-21T05:30:09.{n:03}Z {row}\n".encode() for n, row in enumerate(rows)]


# The first line of every traceback that Python prints.
BEGIN = "Traceback (most recent call last):"
UNLINK = f"""
[2026-11-21 05:30:10 +0000] [20] [ERROR] Exception in worker process
{BEGIN}
  File "/x/outer.py", line 24, in serve
    listener.shut()
  File "/x/inner.py", line 12, in shut
    remove(self.path)
FileNotFoundError: [Errno 2] No such file or directory: '/run/one.sock'
[2026-11-21 05:30:10 +0000] [20] [INFO] Worker exiting (pid: 20)
"""


def test_a_traceback() -> None:
    """The moment, the exception, its message, and the frames with the outermost first."""
    (trace,) = tracebacks(stamped(UNLINK))
    assert trace.moment_ns == EPOCH + 6_000_000
    assert trace.exception == "FileNotFoundError"
    assert trace.message == "[Errno 2] No such file or directory: '/run/one.sock'"
    assert trace.frames == (
        ("/x/outer.py", 24, "serve"),
        ("/x/inner.py", 12, "shut"),
    )
    assert trace.place == "inner.py shut"


def test_a_traceback_mixed_with_other_lines() -> None:
    """Lines of other workers between its lines change nothing."""
    lines = stamped(UNLINK)
    others = [
        b' - - [21/Nov/2026:05:30:09 +0000] "GET / HTTP/1.1" 200 11 "-" "-"',
        b"[2026-11-21 05:30:10 +0000] [12] [INFO] Worker exiting (pid: 12)",
        b'{"witness": "unlink", "t_ns": 1, "errno": 2}',
        b"",
    ]
    mixed = [row for line in lines for row in (line, *(b"2026-11-21T05:30:09.9Z " + other + b"\n" for other in others))]
    assert list(tracebacks(mixed)) == list(tracebacks(lines))


def test_chained_tracebacks() -> None:
    """An error that is raised while another is handled gives two tracebacks, each with its frames."""
    traces = list(
        tracebacks(
            stamped(f"""
{BEGIN}
  File "a.py", line 1, in first
KeyError: 'x'

During handling of the above exception, another exception occurred:

{BEGIN}
  File "b.py", line 2, in second
    raise ValueError
ValueError
""")
        )
    )
    assert [(trace.exception, trace.message, trace.place) for trace in traces] == [
        ("KeyError", "'x'", "a.py first"),
        ("ValueError", "", "b.py second"),
    ]


@pytest.mark.parametrize(
    ("line", "exception"),
    [
        ("Exception: boom", "Exception"),
        ("Warning: careful", "Warning"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("SystemExit: 3", "SystemExit"),
        ("gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>", "gunicorn.errors.HaltServer"),
        ("socket.timeout: timed out", "socket.timeout"),
        ("StopIteration", "StopIteration"),
    ],
)
def test_exceptions_of_every_name(line: str, exception: str) -> None:
    """Builtin exceptions, and classes whose name does not end in Error."""
    (trace,) = tracebacks(stamped(f'Traceback (most recent call last):\n  File "a.py", line 1, in f\n{line}'))
    assert trace.exception == exception


def test_a_traceback_without_an_end_is_dropped() -> None:
    """Its frames do not become part of the next traceback."""
    incomplete = stamped(UNLINK)[:5]
    (trace,) = tracebacks([*incomplete, *stamped(UNLINK)])
    assert len(trace.frames) == 2


def test_an_error_line_without_frames_is_none() -> None:
    """A line that looks like the last line of a traceback is no traceback."""
    line = "OSError: [Errno 98] Address already in use"
    assert list(tracebacks(stamped(line))) == []
    assert len(list(tracebacks(stamped(UNLINK + line)))) == 1


def test_a_name_that_is_no_utf8() -> None:
    """Invalid bytes are replaced; they raise nothing."""
    lines = [b'2026-11-21T05:30:09Z   File "\xff.py", line 3, in f\n', b"2026-11-21T05:30:09Z OSError: \xfe\n"]
    (trace,) = tracebacks(lines)
    assert trace.message == "\ufffd"


def test_the_tail_of_a_log() -> None:
    """The last lines without the engine's timestamps."""
    assert capture.tail(stamped("one\ntwo three\nfour"), 2) == ["two three", "four"]
    assert capture.tail([]) == []
    assert capture.tail([b"a file of its own has no timestamps\n"]) == ["a file of its own has no timestamps"]


# -- copying --------------------------------------------------------------------------------------


class FakeContainer:
    """A container with one archive, in chunks of ``size`` bytes."""

    def __init__(self, archive: bytes | None, size: int) -> None:
        self.archive, self.size = archive, size

    def get_archive(self, path: str, chunk_size: int) -> tuple[Iterator[bytes], dict[str, Any]]:
        if self.archive is None:
            raise NotFound(path)
        content = self.archive
        return (content[at : at + self.size] for at in range(0, len(content), self.size)), {}


def archive(content: bytes, name: str = "access.log") -> bytes:
    """A tar file with one file, as the engine makes it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


CONTENT = b"".join(access(n) for n in range(2000))


@pytest.mark.parametrize("size", [1, 7, 511, 512, 513, 4096, 1 << 21])
def test_a_file_is_complete_with_chunks_of_any_size(tmp_path: Path, size: int) -> None:
    """A chunk may end in a header, in the content or in the padding."""
    content = CONTENT if size > 100 else CONTENT[:3001]
    container: Any = FakeContainer(archive(content), size)
    target = tmp_path / "trial" / "proxy.log.gz"
    assert capture.capture_file(container, "/srv/proxy/access.log", target) == len(content)
    assert gzip.decompress(target.read_bytes()) == content


def test_a_file_larger_than_a_chunk_of_the_lab(tmp_path: Path) -> None:
    """A log of several megabytes, the size of a chunk, is complete."""
    content = bytes(range(256)) * (3 * 4096 + 1)
    container: Any = FakeContainer(archive(content), 65_537)
    assert capture.capture_file(container, "/log", tmp_path / "log.gz") == len(content)
    assert gzip.decompress((tmp_path / "log.gz").read_bytes()) == content


@pytest.mark.parametrize("stream", [None, b"", archive(b"")])
def test_no_file_and_an_empty_one(tmp_path: Path, stream: bytes | None) -> None:
    """Without a file there is an empty log on disk, which can be read."""
    container: Any = FakeContainer(stream, 512)
    assert capture.capture_file(container, "/log", tmp_path / "log.gz") == 0
    assert gzip.decompress((tmp_path / "log.gz").read_bytes()) == b""


@pytest.mark.parametrize("length", [100, 700, 512 + 3000])
def test_an_incomplete_archive_is_an_error(tmp_path: Path, length: int) -> None:
    """The error names the file."""
    container: Any = FakeContainer(archive(CONTENT)[:length], 512)
    with pytest.raises(EngineError, match=r"/srv/access\.log"):
        capture.capture_file(container, "/srv/access.log", tmp_path / "log.gz")


def program(folder: Path, text: str) -> str:
    """A program in the place of the engine's command line client."""
    path = folder / "docker"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_log_is_streamed_into_a_file(tmp_path: Path) -> None:
    """Both streams are captured, with timestamps."""
    docker = program(tmp_path, 'echo "$@"; echo oops >&2')
    target = tmp_path / "trial" / "app.log.gz"
    assert capture.capture(docker, "abc", target) == 27
    assert gzip.decompress(target.read_bytes()) == b"logs --timestamps abc\noops\n"


def test_a_log_that_the_engine_refuses(tmp_path: Path) -> None:
    """The refusal is an EngineError with the engine's words. A log that was never fetched is not an empty log."""
    docker = program(tmp_path, "echo Error response from daemon: No such container: abc; exit 3")
    with pytest.raises(EngineError, match=r"log of abc \(exit code 3\): Error response from daemon: No such container"):
        capture.capture(docker, "abc", tmp_path / "app.log.gz")
    assert not (tmp_path / "app.log.gz").exists()


def test_a_log_that_is_cut_short_keeps_its_lines(tmp_path: Path) -> None:
    """The engine's own message is not one of them, nor is half of a line; lines before it are kept as they are."""
    first, half = "2026-01-01T00:00:00.1Z error from daemon is what the app printed", "2026-01-01T00:00:01.1Z half"
    docker = program(
        tmp_path, f"echo '{first}'; printf '{half}'; echo; echo error from daemon in stream: EOF >&2; exit 1"
    )
    with pytest.raises(EngineError, match="error from daemon in stream: EOF"):
        capture.capture(docker, "abc", tmp_path / "app.log.gz")
    assert gzip.decompress((tmp_path / "app.log.gz").read_bytes()).decode() == f"{first}\n{half}\n"
    assert capture.without_message(b"2026-01-01T00:00:00.1Z one\n2026-01-01T00:00:01.1Z tw") == (
        b"2026-01-01T00:00:00.1Z one\n",
        b"2026-01-01T00:00:01.1Z tw",
    )


def test_a_long_log_is_kept_as_it_is(tmp_path: Path) -> None:
    """Whatever its chunks."""
    lines = "".join(f"2026-01-01T00:00:00.1Z {'x' * 500} {n}\n" for n in range(500))
    (tmp_path / "log").write_text(lines)
    assert capture.capture(program(tmp_path, f"cat {tmp_path}/log"), "abc", tmp_path / "app.log.gz") == len(lines)
    assert gzip.decompress((tmp_path / "app.log.gz").read_bytes()).decode() == lines


def test_no_client_program(tmp_path: Path) -> None:
    """A missing client is an EngineError, not an error of the disk."""
    with pytest.raises(EngineError, match="cannot be started"):
        capture.capture(str(tmp_path / "none"), "abc", tmp_path / "app.log.gz")


def test_an_engine_that_stops_answering(tmp_path: Path) -> None:
    """At the limit the client is killed, and the error tells the limit."""
    docker = program(tmp_path, "echo begun; exec sleep 60")
    begun = time.monotonic()
    with pytest.raises(EngineError, match=r"log of abc: nothing came for 0\.3 s"):
        capture.capture(docker, "abc", tmp_path / "app.log.gz", silence=0.3)
    assert time.monotonic() - begun < 10
    assert gzip.decompress((tmp_path / "app.log.gz").read_bytes()) == b"begun\n"


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an EvidenceError that names the file."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(capture.gzip, "open", full)
    container: Any = FakeContainer(archive(b"x"), 512)
    for fetch in (
        lambda target: capture.capture_file(container, "/log", target),
        lambda target: capture.capture(program(tmp_path, "echo x"), "abc", target),
    ):
        with pytest.raises(EvidenceError, match=r"No space left on device \(.*proxy\.log\.gz\)"):
            fetch(tmp_path / "proxy.log.gz")
