"""How diagnose reads logs: as a stream, in little memory, whatever is in them, and how it shows a line."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reprolab.core.errors import UsageError
from reprolab.diagnose import log_stream
from reprolab.diagnose.log_facts import LogFacts
from reprolab.diagnose.log_stream import BLOCK, LONGEST_LINE, LogStream, open_logs
from reprolab.diagnose.mask import LONGEST, masked
from reprolab.diagnose.matcher import Block
from reprolab.diagnose.settings import Release, Setting
from reprolab.diagnose.unusual import MOST_TEMPLATES, LineSample, healthy, template_of, unusual_lines


def read(path: Path) -> tuple[bytes, LogStream]:
    """All blocks of a log, and the stream after them."""
    stream = LogStream(path.name, path)
    blocks = list(stream.blocks())
    assert all(block.endswith(b"\n") for block in blocks)
    return b"".join(blocks), stream


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_log_is_read_as_it_is(tmp_path: Path, pack: object) -> None:
    """Every byte, also those of no text, in blocks of whole lines; the last line gets its end."""
    content = b"".join(b"%d \x00\xff\x1b[31m \xe2\x80\xae\r\n" % number for number in range(120_000)) + b"torn"
    file = tmp_path / "app.log"  # the content decides, not the name
    file.write_bytes(pack(content))
    text, stream = read(file)
    assert text == content + b"\n"
    assert stream.lines == 120_001
    assert stream.remarks == ["it has bytes that are no text"]


def test_an_endless_line_is_cut_and_said(tmp_path: Path) -> None:
    """Of a line without an end the beginning is read; what follows after its end is read too."""
    file = tmp_path / "app.log"
    file.write_bytes(b"first\n" + b"x" * (3 * BLOCK) + b"\nlast\n" + b"y" * (2 * BLOCK))
    text, stream = read(file)
    lines = text.split(b"\n")
    assert [lines[0], lines[2]] == [b"first", b"last"]
    assert len(lines[1]) == len(lines[3]) == LONGEST_LINE
    assert stream.remarks == ["2 lines longer than 64 KiB cut"]


def test_a_bomb_is_read_in_little_memory_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that unpacks to a thousand times its size is no log."""
    monkeypatch.setattr(log_stream, "RATIO_FROM", 4 * BLOCK)
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(BLOCK)) for _ in range(64)) + packer.flush()
    file = tmp_path / "app.log.gz"
    file.write_bytes(bomb)
    tracemalloc.start()
    text, stream = read(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(text) < 2 * BLOCK
    assert peak < 16 * BLOCK
    assert "more than 400 times its size" in stream.remarks[1]


@pytest.mark.parametrize("damage", ["torn", "changed", "not gzip"])
def test_a_damaged_log_is_read_up_to_the_damage(tmp_path: Path, damage: str) -> None:
    """What comes before the damage counts, and the damage is said."""
    packed = bytearray(gzip.compress(b"".join(b"line %d\n" % n for n in range(50_000))))
    if damage == "torn":
        del packed[-2000:]
    elif damage == "changed":
        packed[-4000:-3900] = bytes(100)
    else:
        packed = bytearray(b"\x1f\x8b") + b"no gzip at all" * 100
    file = tmp_path / "app.log.gz"
    file.write_bytes(packed)
    text, stream = read(file)
    assert text.startswith(b"line 0\n") or damage == "not gzip"
    assert any("damaged" in remark for remark in stream.remarks)


def test_utf_16_is_said_and_not_searched(tmp_path: Path) -> None:
    """Its lines would match nothing, and look as if nothing had happened."""
    file = tmp_path / "app.log"
    file.write_bytes("Worker exiting\n".encode("utf-16"))
    text, stream = read(file)
    assert text == b""
    assert "UTF-16" in stream.remarks[0]


@pytest.mark.parametrize(
    "pack", [bz2.compress, lzma.compress, lambda text: b"PK\x03\x04" + text, lambda text: b"\x28\xb5\x2f\xfd" + text]
)
def test_a_log_that_is_packed_otherwise_is_said_and_not_searched(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    """It would look as if nothing had happened. A text that begins as such a file does is read."""
    file = tmp_path / "app.log"
    file.write_bytes(pack(b"Worker exiting\n"))
    text, stream = read(file)
    assert text == b""
    assert "unpack it" in stream.remarks[0]
    file.write_bytes(b"BZhang was here\n")
    assert read(file)[0] == b"BZhang was here\n"


def test_a_file_that_cannot_be_read_to_its_end_is_said(tmp_path: Path) -> None:
    """What was read before counts."""
    (tmp_path / "app.log").symlink_to("/proc/self/mem")
    text, stream = read(tmp_path / "app.log")
    assert text == b""
    assert "cannot be read any further" in stream.remarks[0]


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/tty", "/"])
def test_a_link_to_a_device_is_refused(tmp_path: Path, target: str) -> None:
    """Nothing is read of it, so nothing can be endless."""
    (tmp_path / "app.log").symlink_to(target)
    with pytest.raises(UsageError):
        read(tmp_path / "app.log")


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if it is packed."""
    for content in (b"a\nb", gzip.compress(b"a\nb")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        (stream,) = open_logs(["-"])
        assert b"".join(stream.blocks()) == b"a\nb\n"


def test_a_log_is_called_by_its_name_or_by_its_path() -> None:
    """Two logs of one name need their paths."""
    assert [log.name for log in open_logs(["/a/app.log", "b.log"])] == ["app.log", "b.log"]
    assert [log.name for log in open_logs(["/a/app.log", "/b/app.log"])] == ["/a/app.log", "/b/app.log"]


def blocks(*lines: str) -> Iterator[Block]:
    """Each line as a block of its own."""
    return (Block("a.log", f"{line}\n".encode(), number) for number, line in enumerate(lines))


def test_a_log_says_its_release_and_some_settings() -> None:
    """Each with its line. A server that was replaced has two releases."""
    collector = LogFacts()
    for block in blocks(
        "[x] Starting gunicorn 19.6.0",
        "[x] Starting gunicorn 19.6.0",
        "Listening at: unix:/run/a.sock (7)",
        "Using worker: gthread",
        "[x] Starting gunicorn 20.1.0",
        '  File "/opt/lib/python3.6/site-packages/x.py"',
        "*** Python threads support is disabled. You can enable it with --enable-threads ***",
        "python threads support enabled",
    ):
        collector.feed(block)
    assert [row.fact for row in collector.facts] == [
        Release("gunicorn", "19.6.0", "a.log:1"),
        Setting("gunicorn", "bind", "unix:/run/a.sock", "a.log:3"),
        Setting("gunicorn", "worker_class", "gthread", "a.log:4"),
        Release("gunicorn", "20.1.0", "a.log:5"),
        Release("python", "3.6", "a.log:6"),
        Setting("uwsgi", "enable-threads", "false", "a.log:7"),
        Setting("uwsgi", "enable-threads", "true", "a.log:8"),
    ]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('  File "/home/jane/shop/venv/lib/python3.9/site-packages/gunicorn/sock.py", line 1, in close',
         '  File "…/gunicorn/sock.py", line 1, in close'),
        ('  File "/srv/shop/views.py", line 3', '  File "[path]", line 3'),
        ("No such file or directory: '/run/shop.sock'", "No such file or directory: '[path]'"),
        ('203.0.113.9 - jane@shop.org "GET /user/jane?token=abc HTTP/1.1" 502',
         '[address] - [e-mail] "GET [path] HTTP/1.1" 502'),
        ('client: 203.0.113.9, server: shop.example, host: "shop.example"',
         'client: [name], server: [name], host: "[name]"'),
        ("Mar  3 10:11:12 web7 gunicorn[7]: password=hunter2", "Mar  3 10:11:12 [host] gunicorn[7]: password=[secret]"),
        ("invalid url b'uments?key=1'", "invalid url b'[data]'"),
        ("127.0.0.1 stays", "127.0.0.1 stays"),
    ],
)  # fmt: skip
def test_names_addresses_paths_and_data_are_masked(line: str, shown: str) -> None:
    """What tells the case stays: the file of an installed package, the line, the status."""
    assert masked(line) == shown


def test_nothing_in_a_line_acts_on_a_terminal() -> None:
    """Escapes, marks of direction and bytes of no text become signs; a long line is cut."""
    text = masked(b"\x1b]0;owned\x07 \x1b[2J \xe2\x80\xae \xff \x9b31m" + b"x" * 10_000)
    assert text.isprintable()
    assert "\x1b" not in text
    assert len(text) < LONGEST + 10


def test_healthy_lines_are_learned_for_each_server() -> None:
    """What differs from run to run is not in a template."""
    assert template_of(b"[2031-01-02 03:04:05 +0000] [987] [INFO] Booting worker with pid: 987") in healthy("gunicorn")
    assert template_of(b"INFO:     Started server process [987]") in healthy("uvicorn")
    assert healthy("nothing") == frozenset()
    for server in ("gunicorn", "uwsgi", "uvicorn", "nginx", "h2o"):
        assert not [line for line in healthy(server) if "[ERROR]" in line or "[error]" in line]


def test_unusual_lines_come_with_their_number_and_errors_first() -> None:
    """A line that healthy runs have, a request, and a frame of a traceback are not unusual."""
    sample = LineSample("a.log")
    for block in blocks(
        "[2031-01-02 03:04:05 +0000] [7] [INFO] Booting worker with pid: 7",
        '203.0.113.9 - - [02/Jan/2031:03:04:05 +0000] "GET /a HTTP/1.1" 404 12 "-" "curl"',
        "something odd",
        "[2031-01-02 03:04:05 +0000] [7] [ERROR] Exception in worker process",
        '  File "x.py", line 1',
        "[2031-01-02 03:04:06 +0000] [8] [ERROR] Exception in worker process",
    ):
        sample.feed(block)
    rows = unusual_lines([sample], ["gunicorn"])
    assert [(row.line, row.count) for row in rows] == [(4, 2), (3, 1)]


def test_a_log_of_new_lines_only_keeps_few_of_them() -> None:
    """Memory is bounded, however many kinds of lines there are."""
    sample = LineSample("a.log")
    content = b"".join(b"%s [ERROR]\n" % bytes(97 + (n >> k) % 26 for k in range(0, 16, 2)) for n in range(9000))
    sample.feed(Block("a.log", content, 0))
    assert len(sample.templates) <= MOST_TEMPLATES
