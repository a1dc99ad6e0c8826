"""Normalized lines: parts that always differ are replaced, differences between runs stay."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import RUNS
from reprolab.compare.log_reader import without_stamp
from reprolab.logs import normalize

DATA = Path(__file__).parent / "data"
LOGS = sorted(
    [*RUNS.glob("whole/**/*.log.gz"), *DATA.glob("pool-freeze/**/*.log.gz"), DATA / "spawn-workers/app.log.gz"]
)

# Two lines of each kind, as the servers of the five scenarios wrote them, and their normalized line.
EQUAL = {
    "gunicorn": (
        "[2026-11-21 05:52:25 +0000] [10] [INFO] Booting worker with pid: 10",
        "[2026-11-21 06:02:55 +0000] [348] [INFO] Booting worker with pid: 348",
        "[<clock>] [<pid>] [INFO] Booting worker with pid: <pid>",
    ),
    "gunicorn's listener": (
        "[2026-11-21 05:52:25 +0000] [7] [INFO] Listening at: unix:/tmp/gunicorn.sock (7)",
        "[2026-11-21 05:52:53 +0000] [6] [INFO] Listening at: unix:/tmp/gunicorn.sock (6)",
        "[<clock>] [<pid>] [INFO] Listening at: unix:/tmp/gunicorn.sock (<pid>)",
    ),
    "gunicorn's access log": (
        ' - - [21/Nov/2026:05:52:25 +0000] "GET / HTTP/1.1" 200 11 "-" "-"',
        ' - - [21/Nov/2026:05:52:26 -0600] "GET / HTTP/1.1" 200 11 "-" "-"',
        ' - - [<clock>] "GET / HTTP/1.1" 200 11 "-" "-"',
    ),
    "h2o": (
        '192.168.176.1 - - [21/Nov/2026:05:52:25 +0000] "GET / HTTP/1.1" 200 11 "-" "p" 1795240345899356 0.001779',
        '172.20.0.1 - - [21/Nov/2026:05:52:36 +0000] "GET / HTTP/1.1" 200 11 "-" "p" 1795240356892723 0',
        '<address> - - [<clock>] "GET / HTTP/1.1" 200 11 "-" "p" <clock> <time>',
    ),
    "nginx's access log": (
        '172.18.0.1 - - [26/Nov/2026:19:33:24 +0000] "GET / HTTP/1.0" 301 0 "-" "-" 1795721604.554 0.002',
        '172.18.0.3 - - [26/Nov/2026:19:34:28 +0000] "GET / HTTP/1.0" 301 0 "-" "-" 1795721668.763 60.059',
        '<address> - - [<clock>] "GET / HTTP/1.0" 301 0 "-" "-" <clock> <time>',
    ),
    "h2o's own words": (
        "h2o server (pid:7) is ready to serve requests",
        "h2o server (pid:8) is ready to serve requests",
        "h2o server (pid:<pid>) is ready to serve requests",
    ),
    "nginx": (
        "2026/11/21 09:29:42 [alert] 9#9: *29 32 worker_connections are not enough",
        "2026/11/21 09:29:43 [alert] 11#11: *62 32 worker_connections are not enough",
        "<clock> [alert] <pid>#<pid>: *<n> 32 worker_connections are not enough",
    ),
    "uWSGI's request": (
        "[pid: 8|app: 0|req: 1/1] 172.20.0.4 () {32 vars in 367 bytes} [Sat Nov 21 03:48:04 2026] GET / => generated "
        "22 bytes in 72 msecs (HTTP/1.0 200) 1 headers in 51 bytes (1 switches on core 0)",
        "[pid: 10|app: 0|req: 3/9] 192.168.64.4 () {32 vars in 369 bytes} [Sat Nov 21 03:50:02 2026] GET / => "
        "generated 22 bytes in 206 msecs (HTTP/1.0 200) 1 headers in 51 bytes (1 switches on core 0)",
        "[pid: <pid>|app: 0|req: <n>/<n>] <address> () {32 vars in <n> bytes} [<clock>] GET / => generated "
        "22 bytes in <time> (HTTP/1.0 200) 1 headers in 51 bytes (1 switches on core 0)",
    ),
    "uWSGI's start": (
        "WSGI app 0 (mountpoint='') ready in 1 seconds on interpreter 0x55f63dddc760 pid: 8 (default app)",
        "WSGI app 0 (mountpoint='') ready in 2 seconds on interpreter 0x55c00f4956a0 pid: 7 (default app)",
        "WSGI app 0 (mountpoint='') ready in <time> on interpreter <hex> pid: <pid> (default app)",
    ),
    "uWSGI's socket": (
        "uwsgi socket 0 bound to TCP address 127.0.0.1:44403 (port auto-assigned) fd 3",
        "uwsgi socket 0 bound to TCP address 127.0.0.1:33369 (port auto-assigned) fd 3",
        "uwsgi socket 0 bound to TCP address 127.0.0.1:<port> (port auto-assigned) fd 3",
    ),
    "uWSGI's host": ("nodename: f6b2e8ef1d66", "nodename: 927503824123", "nodename: <id>"),
    "uvicorn": (
        'INFO:     127.0.0.1:53926 - "GET / HTTP/1.1" 200 OK',
        'INFO:     127.0.0.1:37022 - "GET / HTTP/1.1" 200 OK',
        'INFO:     127.0.0.1:<port> - "GET / HTTP/1.1" 200 OK',
    ),
    "uvicorn's process": (
        "INFO:     Started server process [13]",
        "INFO:     Started server process [8]",
        "INFO:     Started server process [<pid>]",
    ),
    "the witness of imports": (
        '{"witness": "load", "pid": 6, "parent": 1, "token": "a5e8d3b9f4e44529", "thread": 140676730280832}',
        '{"witness": "load", "pid": 11, "parent": 7, "token": "e14c039492e16633", "thread": 140133205584768}',
        '{"witness": "load", "pid": <pid>, "parent": <pid>, "token": "<id>", "thread": <id>}',
    ),
    "the witness of removals": (
        '{"witness": "unlink", "t_ns": 1795240346443593743, "pid": 18, "tid": 18, "ppid": 7, "errno": 0}',
        '{"witness": "unlink", "t_ns": 1795240374588640148, "pid": 9, "tid": 9, "ppid": 6, "errno": 0}',
        '{"witness": "unlink", "t_ns": <clock>, "pid": <pid>, "tid": <pid>, "ppid": <pid>, "errno": 0}',
    ),
    "the pool's prints": (
        "[22 of 11] task 1 done: 200",
        "[304 of 12] task 1 done: 200",
        "[<pid> of <pid>] task 1 done: 200",
    ),
    "the slow upstream": (
        "1795252469.815085 1795252469.815163 /now",
        "1795252786.433568 1795252786.466108 /now",
        "<clock> <clock> /now",
    ),
    "the settings' views": (
        "19323.800103 91 10 begin /sleep/8",
        "19318.091918 58 9 begin /sleep/8",
        "<clock> <pid> <pid> begin /sleep/8",
    ),
    "a name by chance": ("open /tmp/tmpab12cd_4/x", "open /tmp/tmpzz99yy88/x", "open /tmp/tmp<name>/x"),
    "a semaphore": ("/dev/shm/sem.mIZTYH (deleted)", "/dev/shm/sem.q0Plk2 (deleted)", "/dev/shm/sem.<name> (deleted)"),
    "colours": ("\x1b[32mINFO\x1b[0m:  up", "INFO:  up", "INFO:  up"),
}

# Two values that distinguish two runs, in the forms of the scenarios' logs.
DIFFERENT = {
    "a status": (' - - [21/Nov/2026:05:52:25 +0000] "GET / HTTP/1.1" {} 11 "-" "-"', "200", "502"),
    "a size": (
        '127.0.0.1 - - [21/Nov/2026:05:52:36 +0000] "GET / HTTP/1.1" 502 {} "-" "-" 1795240356173403 0',
        "25",
        "16",
    ),
    "uvicorn's status": ('INFO:     127.0.0.1:53926 - "GET / HTTP/1.1" {}', "200 OK", "500 Internal Server Error"),
    "uWSGI's status": ("[pid: 8|app: 0|req: 1/1] GET / => generated 22 bytes in 72 msecs (HTTP/1.0 {})", "200", "500"),
    "an errno": ("{}", "OSError: [Errno 98] Address already in use", "OSError: [Errno 13] Address already in use"),
    "an exception": ("{}: hello", "ValueError", "TypeError"),
    "its message": ("FileNotFoundError: [Errno 2] No such file or directory: '/tmp/{}.sock'", "gunicorn", "other"),
    "a line of code": ('  File "/srv/gunicorn/sock.py", line {}, in close', "123", "125"),
    "an exit code": ("Worker (pid:58) exited with code {}", "1", "3"),
    "a signal": ("Worker (pid:58) was sent {}!", "SIGKILL", "SIGTERM"),
    "a release": ("[2026-11-21 05:52:25 +0000] [7] [INFO] Starting gunicorn {}", "19.6.0", "19.5.0"),
    "a chosen port": ("[2026-11-21 05:52:25 +0000] [7] [INFO] Listening at: http://0.0.0.0:{} (7)", "8000", "18080"),
    "a setting": ("your mercy for graceful operations on workers is {} seconds", "60", "30"),
    "a witness's errno": ('{{"witness": "unlink", "t_ns": 1795240346443593743, "pid": 18, "errno": {}}}', "0", "2"),
    "a level": ("[2026-11-21 05:52:25 +0000] [7] [{}] x", "INFO", "ERROR"),
}


def real_lines() -> Iterator[str]:
    """Every line of the recorded logs, and those above."""
    for path in LOGS:
        with gzip.open(path, "rb") as stream:
            yield from (without_stamp(line) for line in stream)
    for first, second, _ in EQUAL.values():
        yield from (first, second)
    for form, *values in DIFFERENT.values():
        yield from (form.format(value) for value in values)


@pytest.mark.parametrize("name", EQUAL)
def test_parts_that_always_differ_are_replaced(name: str) -> None:
    """Two lines that differ in a clock, process id, address, port, duration and so on become equal."""
    first, second, normalized = EQUAL[name]
    assert normalize.normalize_line(first) == normalized
    assert normalize.normalize_line(second) == normalized


@pytest.mark.parametrize("name", DIFFERENT)
def test_differences_between_runs_are_kept(name: str) -> None:
    """Lines with another status, size, errno, exception, line of code, release or setting never become equal."""
    form, first, second = DIFFERENT[name]
    assert normalize.normalize_line(form.format(first)) != normalize.normalize_line(form.format(second))


def test_normalizing_twice_changes_nothing() -> None:
    """For every recorded line, and for lines made of pieces of them."""
    lines = sorted(set(real_lines()))
    assert len(lines) > 1000
    generator = random.Random(7)
    pieces = [re.split(r"(?<=[ \[\](:,])", line) for line in generator.sample(lines, 200)]
    mixed = ["".join(generator.choice(generator.choice(pieces)) for _ in range(12)) for _ in range(4000)]
    for line in [*lines, *mixed]:
        normalized = normalize.normalize_line(line)
        assert normalize.normalize_line(normalized) == normalized, line


STATUS = re.compile(r'(?:(?<=" )|(?<=HTTP/1\.[01] ))[1-5]\d\d\b')
ERROR = re.compile(r"\b(?!Exception in)[A-Z]\w*(?:Error|Exception)\b")


def test_another_status_or_exception_is_another_line() -> None:
    """For a recorded line with another status or exception, neither normalize_line() nor shape() is the same."""
    tried = 0
    for line in sorted(set(real_lines())):
        for pattern, others in ((STATUS, ("200", "404", "500", "502", "599")), (ERROR, ("KeyError", "OSError"))):
            for other in others:
                changed = pattern.sub(other, line, count=1)
                if changed != line:
                    tried += 1
                    assert normalize.normalize_line(changed) != normalize.normalize_line(line), line
                    assert normalize.shape(normalize.normalize_line(changed)) != normalize.shape(
                        normalize.normalize_line(line)
                    ), line
    assert tried > 1000


def test_a_rule_is_tried_on_every_line_that_it_matches() -> None:
    """Every line that a rule matches contains one of the rule's needed words, also after the rules before it."""
    matched = 0
    for line in sorted(set(real_lines())):
        text = line
        for pattern, replacement in normalize.FIRST:
            text = pattern.sub(replacement, text)
        for needed, pattern, replacement in normalize.RULES:
            if pattern.search(text):
                matched += 1
                assert any(word in text for word in needed), (pattern.pattern, text)
                text = pattern.sub(replacement, text)
        assert text == normalize.normalize_line(line), line
    assert matched > 500


def test_every_status_stays_apart_from_every_other() -> None:
    """In each form of an access line, 500 statuses give 500 normalized lines and 500 shapes."""
    for name in ("a status", "uvicorn's status", "uWSGI's status"):
        normalized = {normalize.normalize_line(DIFFERENT[name][0].format(status)) for status in range(100, 600)}
        assert len(normalized) == 500, name
        assert len({normalize.shape(line) for line in normalized}) == 500, name


def test_the_shape_has_no_plain_numbers() -> None:
    """Request 7 and request 18 have one shape; a line of code and an errno keep their numbers."""
    assert normalize.shape("request 7 begins") == normalize.shape("request 18 begins") == "request # begins"
    assert normalize.shape('  File "x.py", line 17, in close') == '  File "x.py", line 17, in close'
    assert normalize.shape("[Errno 2] <clock>") == "[Errno 2] <clock>"
