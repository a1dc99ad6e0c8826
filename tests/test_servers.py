"""The dialects, with lines that the servers wrote: tests/data/servers, and recorded runs."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from cases import DATA, ROOT, RUNS
from reprolab import logs
from reprolab.compare.log_reader import moment
from reprolab.logs import access_log, servers
from reprolab.logs.servers import DIALECTS, EVENT_KINDS, GUNICORN, H2O, NGINX, UVICORN, UWSGI, Dialect, LineType
from reprolab.logs.timestamps import moment_ns, split_timestamp
from reprolab.report.html.log_digest import DigestLine

VANISH = RUNS / "whole/vanish/documented/1"
LOGS = {
    "gunicorn-19": (GUNICORN, VANISH / "app.streams.log.gz"),
    "gunicorn-20": (GUNICORN, DATA / "servers/gunicorn-20.log"),
    "gunicorn-23": (GUNICORN, DATA / "servers/gunicorn-23.log"),
    "uwsgi-2": (UWSGI, DATA / "servers/uwsgi-2.log"),
    "uvicorn-0": (UVICORN, DATA / "servers/uvicorn-0.log"),
    "h2o": (H2O, VANISH / "proxy.streams.log.gz"),
    "nginx-1": (NGINX, DATA / "servers/nginx-1.log"),
}
# Group 1 of each line of a type, in the order of the log; "" if the pattern has no group.
GROUPS: Mapping[str, Mapping[str, str]] = {
    "gunicorn-19": {
        "master_starting": "19.6.0",
        "listening": "unix:/tmp/gunicorn.sock",
        "started": "10 11 18 19 20 45 46 47 48 49",
        "max_requests": "10 10 11 11 11 11 18 18 18 19 20",
        "exiting": "10 11 18 19 20",
    },
    "gunicorn-20": {
        "master_starting": "20.1.0",
        "listening": "http://0.0.0.0:8000",
        "started": "12 14 62 67 77 105 113 114 124 126",
        "max_requests": "14 12",
        "reloading": "113 114",
        "timeout": "67",
        "exiting": "14 12 67 62 105 113 114 124 126",
        "died": "77",
        "signal": "hup term",
        "master_ended": "",
    },
    "gunicorn-23": {
        "master_starting": "23.0.0",
        "listening": "http://0.0.0.0:8000",
        "started": "11 13 61 66 77 106 115 116 126 128",
        "max_requests": "13 11",
        "reloading": "115 116",
        "timeout": "66",
        "exiting": "13 11 66 106 61 115 116 126 128",
        "died": "77",
        "signal": "hup term",
        "master_ended": "",
    },
    "uwsgi-2": {
        "master_starting": "2.0.20 2.0.20",
        "listening": "0.0.0.0:8000",
        "started": "11 12 52 53",
        "respawned": "45",
        "exiting": "11 45",
        "died": "12",
        "master_ended": "",
    },
    "uvicorn-0": {
        "listening": "http://0.0.0.0:8000",
        "ready": "    ",
        "started": "12 13 55 57 58",
        "exiting": "12 55 58 57",
        "died": "13",
        "master_ended": "7",
    },
    "h2o": {"ready": "8"},
    "nginx-1": {"started": "12 13 47 54 55", "exiting": "12 47 54 55", "died": "13"},
}


def recorded(path: Path) -> list[str]:
    """The lines of a recorded log, with the engine's timestamps."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return content.decode().splitlines()


def texts(path: Path) -> list[str]:
    """The lines without the timestamps."""
    return [split_timestamp(line)[1] for line in recorded(path)]


@pytest.mark.parametrize("name", LOGS)
def test_the_lines_of_a_server_are_recognised(name: str) -> None:
    """Every type in every recorded log matches exactly the expected lines."""
    dialect, path = LOGS[name]
    groups: dict[str, list[str]] = {}
    for line in recorded(path):
        for line_type in dialect.lines:
            if match := dialect.search(line_type, line):
                groups.setdefault(line_type, []).append(match[1] if match.re.groups else "")
    assert {line_type: " ".join(values) for line_type, values in groups.items()} == GROUPS[name]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_no_pattern_without_a_recorded_line(dialect: Dialect) -> None:
    """Every pattern matches a line that the server wrote."""
    lines = [line for other, path in LOGS.values() if other is dialect for line in texts(path)]
    assert [
        name for name, line in dialect.lines.items() if not any(re.search(line.pattern, text) for text in lines)
    ] == []
    assert any(dialect.begins.match(text) for text in lines)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_texts_for_the_timeline(dialect: Dialect) -> None:
    """A pattern has an event's text only if its type has a kind of event; it has one group for the text."""
    for line_type, line in dialect.lines.items():
        assert bool(line.event) == (line_type in EVENT_KINDS), line_type
        assert not line.event or re.compile(line.pattern).groups == 1, line_type


def test_bytes_and_text_match_in_the_same_way() -> None:
    """A line matches with and without the engine's timestamp before it."""
    line = "spawned uWSGI worker 1 (pid: 11, cores: 1)"
    for text in (line, f"2026-11-26T01:19:43.553410043Z {line}"):
        for line_or_bytes in (text, text.encode()):
            match = UWSGI.search("started", line_or_bytes)
            assert match is not None
            assert int(match[1]) == 11
    with pytest.raises(ValueError, match="begun"):
        UWSGI.pattern("begun")
    with pytest.raises(KeyError):
        UWSGI.pattern("timeout")


# -- how lines begin ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "levels", "pids"),
    [
        ("gunicorn-20", {"INFO", "WARNING", "CRITICAL"}, 11),
        ("gunicorn-23", {"INFO", "ERROR", "CRITICAL"}, 11),
        ("uvicorn-0", {"INFO"}, 0),
        ("h2o", {"INFO", "WARN"}, 0),
        ("nginx-1", {"notice", "error", "alert"}, 5),
    ],
)
def test_levels_and_processes_before_messages(name: str, levels: set[str], pids: int) -> None:
    """The levels of the lines, and the number of processes in lines that name one."""
    dialect, path = LOGS[name]
    begins = [match.groupdict() for text in texts(path) if (match := dialect.begins.match(text))]
    assert {groups["level"] for groups in begins} == levels
    assert len({groups["pid"] for groups in begins if "pid" in groups}) == pids


def test_gunicorns_clock_agrees_with_the_engines() -> None:
    """Its clock has whole seconds and a zone; the engine read the line within the next two seconds."""
    compared = 0
    for name in ("gunicorn-19", "gunicorn-20", "gunicorn-23"):
        for line in recorded(LOGS[name][1]):
            stamp, text = split_timestamp(line)
            if (written := servers.server_moment_ns(text)) is not None:
                compared += 1
                assert 0 <= moment_ns(stamp) - written < 2e9, line
    assert compared > 50


def test_a_workers_zone_is_read() -> None:
    """Django sets the zone of the worker that imports it; the master's lines stay in UTC."""
    master = b"[2026-11-26 01:06:11 +0000] [11] [INFO] Handling signal: term"
    worker = b"[2026-11-25 19:06:11 -0600] [29] [INFO] Worker exiting (pid: 29)"
    assert moment(worker) == moment(master) == 1_795_655_171 * 10**9


def test_a_clock_without_a_zone_is_no_moment() -> None:
    """nginx's clock has no zone, uWSGI and uvicorn have no clock; an impossible time is none."""
    for name in ("nginx-1", "uwsgi-2", "uvicorn-0", "h2o"):
        assert {servers.server_moment_ns(text) for text in texts(LOGS[name][1])} == {None}
    assert moment(b"[2026-13-21 05:52:25 +0000] [10] [INFO] x") is None
    assert servers.server_moment_ns("[2026-13-21 05:52:25 +0000] [10] [INFO] x") is None


def test_an_access_lines_moment_is_when_the_request_came() -> None:
    """Each line of the proxy's access log has a moment; it has no timestamp of the engine."""
    lines = texts(VANISH / "proxy.log.gz")
    moments = [access_log.request_ns(line) for line in lines]
    assert len(lines) > 400
    assert all(value is not None and abs(value - 1_795_272_350 * 10**9) < 60e9 for value in moments)
    assert moments == [moment(line.encode()) for line in lines]


def test_errors_by_level() -> None:
    """A line is an error by its level, in small letters for nginx, and not by its words."""
    errors = [text for text in texts(LOGS["nginx-1"][1]) if servers.is_error(text)]
    assert [re.sub(r".*#\d+: (\*\d+ )?", "", text)[:16] for text in errors] == ["connect() failed", "worker process 1"]
    assert all(DigestLine(1, None, text).hot for text in errors)
    assert not any(servers.is_error(text) for name in ("uvicorn-0", "uwsgi-2") for text in texts(LOGS[name][1]))
    assert not servers.is_error("[2026-11-26 01:29:40 +0000] [8] [WARNING] Worker with pid 77 was terminated")
    assert servers.is_error("[2026-11-26 01:29:34 +0000] [8] [CRITICAL] WORKER TIMEOUT (pid:67)")


# -- over all servers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "left"),
    [("gunicorn-20", []), ("gunicorn-23", []), ("uwsgi-2", ["52", "53"]), ("uvicorn-0", []), ("nginx-1", [])],
)
def test_the_workers_that_run_by_the_log(name: str, left: list[str]) -> None:
    """Killed and replaced workers have ended, and their successors run; uWSGI's last line names no worker."""
    begins, ends = servers.any_pattern(servers.WORKER_BEGINS), servers.any_pattern(servers.WORKER_ENDS)
    alive: list[str] = []
    most = 0
    for text in texts(LOGS[name][1]):
        if match := begins.search(text):
            alive += [pid for pid in match.groups() if pid]
        if match := ends.search(text):
            alive = [pid for pid in alive if pid not in match.groups()]
        most = max(most, len(alive))
    assert alive == left
    # New workers may start before the old ones end.
    assert 2 <= most <= 4


def test_statuses_in_every_form() -> None:
    """The access lines of h2o and gunicorn, of uvicorn, and of uWSGI."""
    pattern = re.compile(servers.status_pattern(r"5\d\d"))
    for line in ('"GET / HTTP/1.1" {} 11 "-" "-"', 'INFO:     127.0.0.1:5 - "GET / HTTP/1.1" {} X', "(HTTP/1.0 {}) 1"):
        assert pattern.search(line.format(502)), line
        assert not pattern.search(line.format(200)), line


# -- one place ----------------------------------------------------------------------------------------

SERVER_WORDS = re.compile(
    r"Booting worker|Worker exiting|Autorestarting|WORKER TIMEOUT|Worker reloading|Handling signal|Listening at|"
    r"Started server process|Finished server process|Child process|Application startup|Uvicorn running|"
    r"spawned uWSGI|DAMN !|ready to serve|start worker process|\[INFO"
)
TABLE = ROOT / "scripts" / "reprolab" / "logs" / "servers.py"
# YAML files are not checked: they tell what a screen or a report shows of a log, not what the lab reads.
GLOBS = ("scripts/reprolab/**/*.py", "scripts/reprolab/**/*.py.j2", "scenarios/*/*.py")
# A signature.py is a table itself: the lines by which others' logs show a case.
READERS = sorted({path for glob in GLOBS for path in ROOT.glob(glob) if path.name != "signature.py"})


def test_no_other_module_knows_a_servers_lines() -> None:
    """All readers of a server's lines take the patterns from the table."""
    assert SERVER_WORDS.search(TABLE.read_text(encoding="utf-8"))
    assert len(READERS) > 150
    modules = [str(path.relative_to(ROOT)) for path in READERS if SERVER_WORDS.search(path.read_text(encoding="utf-8"))]
    assert modules == [str(TABLE.relative_to(ROOT))]


def test_a_dialect_for_each_server() -> None:
    """The names are those of the programs, as in process lists and in syslog."""
    assert servers.NAMES == ("gunicorn", "uwsgi", "uvicorn", "h2o", "nginx")
    assert {LineType.STARTED, LineType.DIED} <= set.intersection(*(set(d.lines) for d in DIALECTS if d is not H2O))


# -- nginx's error log ----------------------------------------------------------------------------

NO_SOCKET = (
    "2026-11-26T01:31:05.5Z 2026/11/26 01:31:05 [crit] 12#12: *7 connect() to unix:/run/x.sock failed "
    "(2: No such file or directory) while connecting to upstream, client: 127.0.0.1, server: , "
    'request: "GET /a?b="c", d HTTP/1.1", upstream: "http://unix:/run/x.sock:/a", host: "x"\n'
)


def test_errors_of_nginx_with_their_requests() -> None:
    """By their levels, from a moment on; notices and lines of other programs are left out."""
    lines = [*LOGS["nginx-1"][1].read_bytes().splitlines(keepends=True), NO_SOCKET.encode(), b"x\n", b"[error] y\n"]
    refused, died, missing = logs.nginx_errors(lines)
    assert (refused.level, refused.request, refused.upstream) == ("error", "GET / HTTP/1.0", "http://127.0.0.1:9/")
    assert refused.text == "connect() failed (111: Connection refused) while connecting to upstream"
    assert refused.at_ns == moment_ns("2026-11-26T01:30:57.120481833Z")
    assert (died.level, died.text, died.upstream) == ("alert", "worker process 13 exited on signal 9", "")
    assert missing.request == 'GET /a?b="c", d HTTP/1.1' and missing.upstream == "http://unix:/run/x.sock:/a"
    assert missing.text.endswith("(2: No such file or directory) while connecting to upstream")
    assert logs.nginx_errors(lines, died.at_ns) == [died, missing]
    assert logs.nginx_errors(lines, died.at_ns + 1) == [missing]
