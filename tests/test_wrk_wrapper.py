"""wrk_wrapper against recorded outputs, then against a real wrk and a real server on 127.0.0.1."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import FrozenInstanceError, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
import wrk_wrapper
from wrk_wrapper import ErrorCounts, Latency, NoRequests, TargetDown, Wrk, WrkError, WrkFailed, WrkResult

DATA = Path(__file__).parent / "data" / "wrk"
PACKAGE = Path(wrk_wrapper.__file__).parent
LIMIT = 10.0  # seconds to wait for a state before a test gives up
PLAIN = Wrk(threads=2, connections=4, duration=1, timeout=1)
NO_ERRORS = ErrorCounts(0, 0, 0, 0, 0)
RECORDING = re.compile(
    r"\$ (?P<command>[^\n]*)\nexit code (?P<code>-?\d+)\n--- stderr\n(?P<err>.*)--- stdout\n(?P<out>.*)", re.S
)


# --- recorded outputs -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recording:
    """One run of wrk 4.1.0, as record.py wrote it down."""

    stdout: str
    stderr: str
    code: int

    def parse(self, wrk: Wrk = PLAIN, url: str = "http://127.0.0.1/") -> WrkResult:
        """Read it as if ``wrk`` had just run."""
        return wrk.parse(self.stdout, self.stderr, self.code, url)


def recording(name: str) -> Recording:
    """Load a recorded run by name."""
    match = RECORDING.fullmatch((DATA / f"{name}.txt").read_text())
    assert match, f"{name}.txt is not a recording; run record.py"
    return Recording(match["out"], match["err"], int(match["code"]))


def test_the_recorded_numbers_are_read_exactly() -> None:
    """Each number lands in its own field."""
    result = recording("ok").parse(url="http://127.0.0.1:39317/ok")
    assert replace(result, text="") == WrkResult(
        url="http://127.0.0.1:39317/ok",
        threads=2,
        connections=4,
        duration_us=1099841,
        requests=69914,
        bytes=3076216,
        errors=NO_ERRORS,
        latency=Latency(min=13, max=2760, mean=64, stdev=94, p50=51, p75=74, p90=104, p99=205, p99_9=1704),
        statuses=None,
        text="",
    )


def test_the_text_is_what_wrk_printed_without_the_line_of_numbers() -> None:
    """The evidence keeps wrk's own words, unchanged, and only those."""
    recorded = recording("ok")
    text = recorded.parse().text
    assert recorded.stdout.startswith(text)
    assert text.startswith("Running 1s test @ ")
    assert text.endswith("Transfer/sec:      2.67MB\n")


def test_requests_per_second_is_exact() -> None:
    """It comes from the exact counts, and agrees with the rounded one that wrk prints."""
    assert recording("ok").parse().requests_per_second == pytest.approx(63567.37, abs=0.005)


def test_recorded_statuses_are_counted_by_number() -> None:
    """wrk's own count of failures is the sum of every status above 399."""
    result = recording("statuses").parse()
    assert result.statuses == {200: 10940, 204: 10940, 301: 10938, 404: 10938, 500: 10937, 502: 10936}
    assert result.errors == replace(NO_ERRORS, status_above_399=10938 + 10937 + 10936)


def test_late_responses_have_no_latency() -> None:
    """Requests that all timed out are requests, but leave no latency to speak of."""
    result = recording("timeouts").parse(replace(PLAIN, duration=2))
    assert (result.requests, result.errors.timeout) == (4, 4)
    assert result.latency == Latency()
    assert result.summary()["latency_us"] == {"p50": None, "p99": None}


def test_a_server_that_died_is_no_error_but_shows_in_write_errors() -> None:
    """wrk exits 0 and counts refused connections as write errors, not as connect errors."""
    result = recording("server-died").parse(replace(PLAIN, duration=2))
    assert result.errors == replace(NO_ERRORS, read=4, write=107650)


@pytest.mark.parametrize(("name", "read"), [("no-requests", 9018), ("never-answered", 0)])
def test_zero_requests_is_an_error_that_carries_the_result(name: str, read: int) -> None:
    """Numbers of a run without any request must not pass for a measurement, but are not lost."""
    with pytest.raises(NoRequests, match="wrk completed no request") as caught:
        recording(name).parse()
    result = caught.value.result
    assert (result.requests, result.errors.read, result.latency) == (0, read, Latency())
    assert result.requests_per_second == 0.0
    assert pickle.loads(pickle.dumps(caught.value)).result == result


def test_target_down_at_the_start_is_told_apart() -> None:
    """The reason is wrk's own line."""
    with pytest.raises(TargetDown, match=r"^unable to connect to 127\.0\.0\.1:52337 Connection refused"):
        recording("target-down").parse()


def test_target_down_is_seen_where_both_streams_are_one() -> None:
    """With a terminal (docker exec -t) standard error arrives in standard output."""
    recorded = recording("target-down")
    with pytest.raises(TargetDown):
        Recording(recorded.stderr.replace("\n", "\r\n"), "", 1).parse()


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("unknown-host", 1, "unable to resolve host.invalid"),
        ("bad-url", 1, "invalid URL: nonsense"),
        ("no-script", 0, "cannot open nowhere/report.lua"),
        ("killed", -9, "wrk -t2 -c4 -d3s"),
    ],
)
def test_wrks_own_failures_show_command_code_and_output(name: str, code: int, says: str) -> None:
    """Whoever reads the message can tell what to repair."""
    with pytest.raises(WrkFailed) as caught:
        recording(name).parse(replace(PLAIN, duration=3))
    message = str(caught.value)
    assert says in message
    assert f"(exit code {code}): wrk -t2 -c4 -d3s" in message


def test_a_run_cut_short_is_a_failure() -> None:
    """SIGINT makes wrk stop early, print everything and exit 0: not the run that was asked for."""
    with pytest.raises(WrkFailed, match="cut short after 999620 of 3000000 us"):
        recording("interrupted").parse(replace(PLAIN, duration=3))


NUMBERS = recording("ok").stdout.splitlines()[-1] + "\n"


@pytest.mark.parametrize(
    ("stdout", "says"),
    [
        ("", "0 lines of numbers"),
        (NUMBERS + NUMBERS, "2 lines of numbers"),
        (NUMBERS[:60], "cannot be read"),
        (NUMBERS.replace('"bytes"', '"octets"'), "cannot be read"),
        (NUMBERS.replace('"read":0', '"red":0'), "cannot be read"),
        ("wrk_wrapper-json: 7\n", "cannot be read"),
    ],
)
def test_output_without_one_good_line_of_numbers_is_a_failure(stdout: str, says: str) -> None:
    """Half a line, a foreign line, two lines: never a result, never a stray exception."""
    with pytest.raises(WrkFailed, match=says):
        PLAIN.parse(stdout, "", 0, "http://127.0.0.1/")


def test_errors_share_one_base() -> None:
    """A caller can catch them all at once, and they are not confused with each other."""
    assert {TargetDown, WrkFailed, NoRequests} == set(WrkError.__subclasses__())


@pytest.mark.parametrize(("name", "duration"), [("ok", 1), ("statuses", 1), ("timeouts", 2), ("server-died", 2)])
def test_json_round_trip_is_lossless(name: str, duration: int) -> None:
    """A result written to a file and read again equals the first."""
    result = recording(name).parse(replace(PLAIN, duration=duration))
    stored = json.loads(json.dumps(result.to_json()))
    assert stored == result.to_json()
    assert WrkResult.from_json(stored) == result


def test_from_json_refuses_what_is_not_a_result() -> None:
    """A missing field must not become a silent default."""
    data = recording("ok").parse().to_json()
    del data["errors"]
    with pytest.raises(KeyError, match="errors"):
        WrkResult.from_json(data)


def test_summary_is_small_plain_data() -> None:
    """The numbers for a table."""
    assert recording("statuses").parse().summary() == {
        "requests": 65629,
        "requests_per_second": 59685.4,
        "errors": {"connect": 0, "read": 0, "write": 0, "timeout": 0, "status_above_399": 32811},
        "latency_us": {"p50": 55, "p99": 212},
    }


def test_results_are_frozen() -> None:
    """A measurement is not edited."""
    with pytest.raises(FrozenInstanceError):
        recording("ok").parse().requests = 1  # type: ignore[misc]


# --- options and command line -------------------------------------------------------------------------


def test_the_whole_command_line() -> None:
    """What is run can be shown and repeated by hand."""
    wrk = Wrk(
        threads=10,
        connections=200,
        duration=10,
        timeout=3,
        headers={"X-Test": "a b", "host": "example"},
        statuses=True,
        executable=("docker", "exec", "box", "wrk"),
        script_dir="/usr/share/wrk_wrapper",
    )
    assert wrk.command("http://127.0.0.1:18080/") == (
        *("docker", "exec", "box", "wrk", "-t10", "-c200", "-d10s", "--timeout", "3s"),
        *("-s", "/usr/share/wrk_wrapper/report.lua", "-H", "X-Test: a b", "-H", "Host: example"),
        *("--", "http://127.0.0.1:18080/", "statuses"),
    )


def test_the_default_script_is_the_packages_own() -> None:
    """It is found wherever the package is, and nothing is added for statuses that nobody asked for."""
    command = Wrk().command("http://127.0.0.1/")
    assert command[command.index("-s") + 1] == str(PACKAGE / "report.lua")
    assert (PACKAGE / "report.lua").is_file()
    assert command[-1] == "http://127.0.0.1/"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("threads", 0),
        ("threads", 1.5),
        ("connections", 1),
        ("connections", 10.5),
        ("duration", 0),
        ("duration", 0.5),
        ("duration", 1.5),
        ("duration", float("nan")),
        ("duration", float("inf")),
        ("timeout", 0),
        ("timeout", 0.25),
        ("grace", -1),
        ("headers", {"X-Test:": "x"}),
        ("headers", {"": "x"}),
        ("headers", {"X-Test": "x\r\nX-Other: y"}),
        ("method", ""),
        ("method", "GET /x"),
        ("method", "head"),
        ("body", "text"),
        ("body", bytes((1 << 19) + 1)),
        ("executable", "wrk"),
        ("executable", ()),
    ],
)
def test_a_refused_option_is_named(option: str, value: Any) -> None:
    """Before wrk is started, not by its usage text."""
    with pytest.raises(ValueError, match=f"^{option}: "):
        Wrk(**{option: value})


def test_one_way_to_close_connections() -> None:
    """A header of the caller's would be a second one."""
    with pytest.raises(ValueError, match=r"^reuse: "):
        Wrk(reuse=False, headers={"connection": "keep-alive"})


def test_options_are_copied() -> None:
    """What was checked cannot be changed from outside afterwards."""
    headers = {"X-Test": "1"}
    wrk = Wrk(headers=headers)
    headers["X-Test"] = "2"
    assert wrk.headers == {"X-Test": "1"}


def test_the_library_stands_alone() -> None:
    """It imports the standard library and itself, nothing else."""
    code = "import sys, wrk_wrapper; print([m for m in sys.modules if m.split('.')[0] == 'reprolab'])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, timeout=LIMIT
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


# --- a real wrk, a real server --------------------------------------------------------------------------


def wait_for(what: str, state: Callable[[], bool]) -> None:
    """Wait until ``state()`` holds; fail, saying for what, at the limit."""
    deadline = time.monotonic() + LIMIT
    while not state():
        assert time.monotonic() < deadline, f"{what}: not within {LIMIT:g} s"
        time.sleep(0.01)


class Server:
    """data/wrk/server.py in a process of its own, ready to answer."""

    def __init__(self) -> None:
        command = [sys.executable, str(DATA / "server.py")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        port = self.process.stdout.readline().strip()
        assert port.isdigit(), f"server.py did not start: exit code {self.process.wait(LIMIT)}"
        self.base = f"http://127.0.0.1:{port}"

    def counts(self) -> dict[str, Any]:
        """What the server has done so far."""
        counts: dict[str, Any] = requests.get(f"{self.base}/counts", timeout=LIMIT).json()
        return counts

    def answers(self, path: str) -> dict[int, int]:
        """How many responses of each status the server has sent for a path."""
        rows = ((*key.split(), count) for key, count in self.counts()["answers"].items())
        return {int(status): count for name, status, count in rows if name == path}

    def kill(self) -> None:
        """End it without a word, as a crash would."""
        self.process.kill()
        self.process.communicate(timeout=LIMIT)


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a server, and end it whatever happens."""
    server = Server()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a fresh server; fail where there is no wrk to load it."""
    if shutil.which("wrk") is None:
        pytest.fail("wrk is not installed; on Debian or Ubuntu: apt-get install wrk")
    with running_server() as server:
        yield server


def test_a_plain_run_agrees_with_the_server_and_with_the_printed_text(server: Server) -> None:
    """Every response that wrk counts was sent; at most one per connection was under way at the end."""
    result = PLAIN.run(f"{server.base}/ok")
    sent = server.answers("/ok")[200]
    assert 0 < result.requests <= sent <= result.requests + PLAIN.connections
    assert f"  {result.requests} requests in 1." in result.text
    assert result.url in result.text
    assert 1_000_000 <= result.duration_us < 3_000_000
    assert result.bytes >= result.requests * len("HTTP/1.1 200 Status\r\nContent-Length: 2\r\n\r\nok")
    assert result.errors == NO_ERRORS
    assert result.statuses is None


@pytest.mark.parametrize("body", [bytes(range(256)) * 500, b""], ids=["bytes", "none"])
def test_a_method_and_a_body_of_any_bytes(server: Server, body: bytes) -> None:
    """Longer than one word of a command line may be; the statuses are counted all the same."""
    result = replace(PLAIN, method="POST", body=body, statuses=True).run(f"{server.base}/ok")
    seen = server.counts()
    assert seen["last_head"].startswith("POST /ok HTTP/1.1\r\n")
    assert f"Content-Length: {len(body)}\r\n" in seen["last_head"] or not body
    assert bytes.fromhex(seen["last_body"]) == body
    assert result.statuses == {200: result.requests} and result.errors == NO_ERRORS


def test_without_reuse_each_request_has_a_connection(server: Server) -> None:
    """With it there are as many connections as were asked for."""
    result = replace(PLAIN, reuse=False).run(f"{server.base}/ok")
    assert result.requests <= server.counts()["connections"]["/ok"] <= result.requests + PLAIN.connections
    assert result.requests > 10 * PLAIN.connections and result.errors == NO_ERRORS
    PLAIN.run(f"{server.base}/mix")
    assert server.counts()["connections"]["/mix"] <= PLAIN.connections


def test_latency_is_whole_microseconds_in_order(server: Server) -> None:
    """Percentiles rise; all are integers, so that nothing is lost in JSON."""
    latency = PLAIN.run(f"{server.base}/ok").latency
    values = [latency.min, latency.p50, latency.p75, latency.p90, latency.p99, latency.p99_9, latency.max]
    assert all(isinstance(value, int) for value in [*values, latency.mean, latency.stdev])
    known = [value for value in values if value is not None]
    assert known == sorted(known)
    assert 0 < known[0] <= (latency.mean or 0) <= known[-1] < 1_000_000


def microseconds(printed: str) -> float:
    """Read a time as wrk prints it, "1.30ms" for instance."""
    for unit, factor in (("us", 1.0), ("ms", 1e3), ("s", 1e6)):
        if printed.endswith(unit):
            return float(printed.removesuffix(unit)) * factor
    raise AssertionError(f"not a time of wrk's: {printed!r}")


def test_latency_agrees_with_the_table_that_wrk_prints(server: Server) -> None:
    """Each number is the one of its name (wrk prints the percentiles when given --latency)."""
    result = replace(PLAIN, executable=("wrk", "--latency")).run(f"{server.base}/ok")
    table = re.search(r"^    Latency +(\S+) +(\S+) +(\S+)", result.text, re.MULTILINE)
    assert table
    printed = dict(zip(("mean", "stdev", "max"), table.groups(), strict=True))
    printed |= {f"p{n}": time for n, time in re.findall(r"^ +(\d+)% +(\S+)$", result.text, re.MULTILINE)}
    assert sorted(printed) == ["max", "mean", "p50", "p75", "p90", "p99", "stdev"]
    for name, value in printed.items():
        assert getattr(result.latency, name) == pytest.approx(microseconds(value), rel=0.01, abs=1), name


def test_statuses_on_are_counted_over_all_threads(server: Server) -> None:
    """The counts of both threads add up to every request, and to what the server sent."""
    result = replace(PLAIN, statuses=True).run(f"{server.base}/mix")
    sent = server.answers("/mix")
    assert result.statuses is not None
    assert set(result.statuses) == {200, 204, 301, 404, 500, 502} == set(sent)
    assert sum(result.statuses.values()) == result.requests
    unread = {status: sent[status] - count for status, count in result.statuses.items()}
    assert min(unread.values()) >= 0
    assert sum(unread.values()) <= PLAIN.connections


@pytest.mark.parametrize("statuses", [True, False])
def test_status_above_399_is_neither_5xx_nor_all_but_2xx(server: Server, statuses: bool) -> None:
    """A 404 counts, a 301 does not, whatever "Non-2xx or 3xx" may suggest; the hook changes nothing."""
    result = replace(PLAIN, statuses=statuses).run(f"{server.base}/mix")
    sent = server.answers("/mix")
    bad = sent[404] + sent[500] + sent[502]
    assert bad - PLAIN.connections <= result.errors.status_above_399 <= bad
    assert f"Non-2xx or 3xx responses: {result.errors.status_above_399}\n" in result.text
    assert (result.statuses is None) is not statuses


def test_target_down_at_start(server: Server) -> None:
    """A port that is taken but does not listen refuses; that is told from every other failure."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        with pytest.raises(TargetDown, match=f"unable to connect to 127.0.0.1:{port} Connection refused"):
            PLAIN.run(f"http://127.0.0.1:{port}/")


def test_target_killed_under_load_raises_nothing(server: Server) -> None:
    """wrk exits 0; the only sign is in write errors, each a refused connection, and no timeout is seen."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(replace(PLAIN, duration=2).run, f"{server.base}/ok")
        wait_for("the load to run", lambda: server.answers("/ok").get(200, 0) > 1000)
        server.kill()
        result = running.result(timeout=LIMIT)
    assert result.requests > 1000
    assert result.errors.write > 0
    assert (result.errors.connect, result.errors.timeout, result.errors.status_above_399) == (0, 0, 0)


@pytest.mark.parametrize("path", ["/hangup", "/reset", "/garbage"])
def test_zero_requests_with_a_server_that_never_speaks_http(server: Server, path: str) -> None:
    """Closed, reset and senseless answers are read errors; a run of nothing else is no result."""
    with pytest.raises(NoRequests) as caught:
        PLAIN.run(f"{server.base}{path}")
    result = caught.value.result
    assert result.errors.read > 0
    assert (result.requests, result.latency) == (0, Latency())
    assert replace(result.errors, read=0) == NO_ERRORS


def test_responses_that_never_come_are_no_timeouts(server: Server) -> None:
    """Blind spot: a hung server leaves no trace in any counter of wrk, only the absence of requests."""
    with pytest.raises(NoRequests) as caught:
        replace(PLAIN, duration=3, statuses=True).run(f"{server.base}/never")
    assert caught.value.result.errors == NO_ERRORS
    assert caught.value.result.statuses == {}


def test_timeouts_are_late_responses(server: Server) -> None:
    """They count as requests, and their latency is unknown."""
    result = replace(PLAIN, duration=2).run(f"{server.base}/late")
    assert result.requests == result.errors.timeout > 0
    assert result.latency == Latency()


def test_a_longer_timeout_makes_them_good(server: Server) -> None:
    """The option reaches wrk, in seconds: the same server, a limit above its delay."""
    result = replace(PLAIN, duration=2, timeout=3).run(f"{server.base}/late")
    assert result.errors.timeout == 0
    assert (result.latency.min or 0) > 1_000_000


def test_a_body_that_ends_with_the_connection_is_a_request_and_a_read_error(server: Server) -> None:
    """Blind spot: an old server's good answers raise the read errors one for one."""
    result = PLAIN.run(f"{server.base}/until-close")
    assert result.requests > 0
    assert abs(result.requests - result.errors.read) <= PLAIN.connections


def test_responses_without_headers_have_no_status(server: Server) -> None:
    """Blind spot: wrk does not call the hook for them, so the statuses may miss requests."""
    result = replace(PLAIN, statuses=True).run(f"{server.base}/bare")
    assert result.requests > 0
    assert result.statuses == {}


def test_latency_is_corrected_by_wrk_for_stalls(server: Server) -> None:
    """Blind spot: one slow response among hundreds moves the 90th percentile."""
    result = Wrk(threads=1, connections=1, duration=2).run(f"{server.base}/stall")
    assert result.requests > 100
    assert (result.latency.p90 or 0) > 100_000


def test_each_thread_opens_as_many_connections(server: Server) -> None:
    """wrk itself would open 9 of 10 connections in 3 threads, and report 10."""
    with pytest.raises(ValueError, match="wrk would open 9 of 10, 3 in each of 3 threads; choose 9 or 12"):
        Wrk(threads=3, connections=10)
    result = Wrk(threads=3, connections=9, duration=1).run(f"{server.base}/ok")
    assert result.connections == server.counts()["connections"]["/ok"] == 9


def test_connect_errors_are_sockets_that_could_not_be_opened_here(server: Server) -> None:
    """Blind spot: with too few file descriptors wrk runs on with fewer connections."""
    few = ("sh", "-c", 'ulimit -n 20; exec wrk "$@"', "wrk")
    result = Wrk(threads=1, connections=50, duration=1, executable=few).run(f"{server.base}/ok")
    assert result.requests > 0
    assert server.counts()["connections"]["/ok"] == 50 - result.errors.connect
    assert 30 < result.errors.connect < 50


def test_headers_are_sent(server: Server) -> None:
    """Each once; Host replaces wrk's own."""
    replace(PLAIN, headers={"X-Test": "a: b", "host": "example"}).run(f"{server.base}/ok")
    lines = server.counts()["last_head"].split("\r\n")
    assert "X-Test: a: b" in lines
    assert [line for line in lines if line.lower().startswith("host:")] == ["Host: example"]


def test_a_url_that_wrk_refuses(server: Server) -> None:
    """wrk's own words, and the command that they are about."""
    with pytest.raises(WrkFailed, match=r"(?s)wrk failed \(exit code 1\): wrk .*invalid URL: nonsense"):
        PLAIN.run("nonsense")


def test_a_script_that_wrk_cannot_see(server: Server, tmp_path: Path) -> None:
    """wrk runs without it and exits 0: that is a failure here, which names the script."""
    with pytest.raises(WrkFailed, match=r"(?s)0 lines of numbers.*cannot open .*/report\.lua"):
        replace(PLAIN, script_dir=tmp_path).run(f"{server.base}/ok")


def test_a_script_copied_elsewhere(server: Server, tmp_path: Path) -> None:
    """script_dir is where wrk looks, as in a container."""
    shutil.copy(PACKAGE / "report.lua", tmp_path)
    assert replace(PLAIN, script_dir=tmp_path).run(f"{server.base}/ok").requests > 0


def test_an_early_stop_is_a_failure(server: Server) -> None:
    """SIGINT after one second of three: wrk itself reports success."""
    interrupted = ("timeout", "--preserve-status", "-s", "INT", "1", "wrk")
    with pytest.raises(WrkFailed, match=r"cut short .* \(exit code 0\)"):
        replace(PLAIN, duration=3, executable=interrupted).run(f"{server.base}/ok")


def test_a_wrk_that_cannot_be_started() -> None:
    """The system's reason is shown, with the command."""
    with pytest.raises(WrkFailed, match=r"cannot be started: .*No such file.*\(no exit code\): no-such-wrk -t2"):
        Wrk(executable=("no-such-wrk",)).run("http://127.0.0.1/")


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Give a port whose queue of connections is full, so that one more connect waits without end."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[str]]:
    """Collect the processes that the library starts."""
    processes: list[subprocess.Popen[str]] = []

    class Noted(subprocess.Popen[str]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            processes.append(self)

    monkeypatch.setattr("wrk_wrapper.wrk.subprocess.Popen", Noted)
    return processes


def test_a_target_that_neither_accepts_nor_refuses(deaf_port: int, started: list[subprocess.Popen[str]]) -> None:
    """wrk waits to connect before its clock starts; the limit ends it, with its children."""
    with pytest.raises(WrkFailed, match=r"did not end within 2 s and was killed \(exit code -9\): sh -c"):
        Wrk(duration=1, timeout=1, grace=0, executable=("sh", "-c", 'wrk "$@"; exit $?', "wrk")).run(
            f"http://127.0.0.1:{deaf_port}/"
        )
    assert [process.returncode for process in started] == [-9]


def test_an_interruption_ends_wrk(
    server: Server, started: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C passes through, and leaves no load behind."""
    original = subprocess.Popen.communicate

    def interrupted_once(process: subprocess.Popen[str], *args: Any, **options: Any) -> Any:
        if options.get("timeout") is None:
            return original(process, *args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        replace(PLAIN, duration=60).run(f"{server.base}/ok")
    assert [process.returncode for process in started] == [-9]


def test_the_example_of_the_page_runs_as_it_stands(tmp_path: Path) -> None:
    """docs/wrk_wrapper.md: copied into a file and started with the library on the path, it prints what it measured."""
    page = (PACKAGE.parents[1] / "docs/wrk_wrapper.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", page, re.S)
    assert example
    (tmp_path / "example.py").write_text(example[1], encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ responses a second, \{200: \d+\}, p99 \d+ µs\n", done.stdout)
    assert (tmp_path / "load.json").is_file()
