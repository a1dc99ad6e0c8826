"""Requests to a server that does not behave: each has an end, and goes nowhere else."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
import requests
from reprolab import InvalidTrial
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.stack import http
from reprolab.stack.stack import Stack

Answer = Callable[[socket.socket], object]


class LocalStack(Stack):
    """A stack whose front is a server of this process."""

    address = ""

    def url(self, path: str = "/", role: str = "") -> str:
        return f"http://{self.address}{path}"


@contextmanager
def server(answer: Answer, on_request: Callable[[bytes], object] = lambda data: None) -> Iterator[LocalStack]:
    """A stack whose front answers each connection with ``answer``, which gets the socket."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            on_request(connection.recv(65536))
            answer(connection)

    threading.Thread(target=serve, daemon=True).start()
    client: Any = docker.DockerClient.__new__(docker.DockerClient)
    stack = LocalStack("blink", {"name": "b", "services": {}}, Path("c"), client, (), TrialDirectory(Path("t")), {})
    stack.address = f"127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield stack
    finally:
        listener.close()


def headers(*lines: str, status: str = "200 OK") -> bytes:
    """The head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def trickle(connection: socket.socket) -> None:
    """A byte now and then: each read ends in time."""
    connection.sendall(headers("Content-Length: 1000"))
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


def flood(connection: socket.socket) -> None:
    """A body without an end."""
    connection.sendall(headers())
    while True:
        connection.sendall(b"x" * 65536)


def test_a_body_is_read_as_always() -> None:
    """Its bytes, text and JSON."""
    with server(lambda c: c.sendall(headers("Content-Length: 8") + b'{"a": 1}')) as stack:
        answer = stack.get("/")
        assert (answer.status_code, answer.content, answer.json()) == (200, b'{"a": 1}', {"a": 1})


def test_chunks_and_compression_are_undone() -> None:
    """As requests does."""
    body = gzip.compress(b"hello" * 1000)
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:], b""))
    head = headers("Transfer-Encoding: chunked", "Content-Encoding: gzip")
    with server(lambda c: c.sendall(head + parts)) as stack:
        assert stack.get("/").content == b"hello" * 1000


def test_a_body_that_ends_too_early_is_no_answer() -> None:
    """The error is one of requests."""
    short = headers("Content-Length: 100") + b"x"
    with server(lambda c: c.sendall(short)) as stack, pytest.raises(requests.exceptions.ChunkedEncodingError):
        stack.get("/")


def test_a_body_that_trickles_is_a_timeout() -> None:
    """The limit holds for the whole body, not for each read."""
    with server(trickle) as stack:
        with pytest.raises(requests.Timeout, match=r"was not complete after 0\.3 s"):
            stack.get("/", timeout=0.3)
        assert stack.probe("/", timeout=0.3) == "timeout" and stack.timeouts == ["/"]


def test_a_body_without_an_end_makes_the_trial_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not fill the lab's memory."""
    monkeypatch.setattr(http, "MOST_BODY", 1 << 20)
    with server(flood) as stack, pytest.raises(InvalidTrial, match="is longer than 1 MiB"):
        stack.get("/", timeout=5)


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    """The lab sends requests to no other server."""
    with server(
        lambda c: c.sendall(headers("Location: http://192.0.2.1/", "Content-Length: 0", status="302 Found"))
    ) as stack:
        assert stack.get("/").status_code == 302


def reset(connection: socket.socket) -> None:
    """Close with a reset in place of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (lambda c: c.sendall(headers("Content-Length: 0", status="503 No")), "503"),
        (lambda c: None, "closed without answer"),
        (reset, "reset"),
        (lambda c: c.sendall(headers("Content-Length: 100") + b"x"), "cut short"),
        (lambda c: c.sendall(b"220 hello\r\n"), "not HTTP"),
        (lambda c: time.sleep(2), "timeout"),
        (lambda c: (c.sendall(headers("Content-Length: 9")), time.sleep(2)), "timeout"),
    ],
)
def test_a_probe_says_how_a_request_ended(answer: Answer, word: str) -> None:
    """In the words of a connection byte by byte."""
    with server(answer) as stack:
        assert stack.probe("/", timeout=0.5) == word


def test_a_probe_of_a_closed_port_is_refused() -> None:
    """The one word for which no server is needed."""
    with server(lambda c: None) as stack:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            stack.address = f"127.0.0.1:{listener.getsockname()[1]}"
        assert stack.probe("/") == "refused"


def test_a_request_has_a_method_a_body_and_headers() -> None:
    """They reach the server as they are, on a connection of their own."""
    parts: list[bytes] = []

    def to_the_end(connection: socket.socket) -> None:
        while not parts[-1].endswith(b"body"):
            parts.append(connection.recv(65536))
        connection.sendall(headers("Content-Length: 0"))

    with server(to_the_end, parts.append) as stack:
        assert stack.request("POST", "/x", data=b"body", headers={"X-Name": "one"}).status_code == 200
    sent = b"".join(parts).decode()
    assert sent.startswith("POST /x HTTP/1.1\r\n") and sent.endswith("\r\n\r\nbody")
    assert "X-Name: one\r\n" in sent and "Connection: close\r\n" in sent


def test_a_kept_connection_is_used_again() -> None:
    """The server sees both requests on it."""
    counts: list[int] = []

    def twice(connection: socket.socket) -> None:
        connection.sendall(headers("Content-Length: 2") + b"ok")
        counts.append(connection.recv(65536).count(b"GET /second"))
        connection.sendall(headers("Content-Length: 2") + b"ok")

    with server(twice) as stack, stack.kept() as connection:
        assert [connection.request("GET", path).status_code for path in ("/first", "/second")] == [200, 200]
    assert counts == [1]


class RestartedStack(Stack):
    """A stack whose server has a restart policy, with a container that publishes a port."""

    def container(self, role: str) -> Any:
        ports = {"18080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4321"}]}
        return SimpleNamespace(attrs={"NetworkSettings": {"Ports": ports}}, reload=lambda: None)


def test_a_service_with_a_restart_policy_can_be_asked() -> None:
    """Its port is read anew each time, as the engine may have started it again."""
    model = {"name": "b", "services": {"blink-app": {"restart": "no"}}}
    client: Any = SimpleNamespace(api=SimpleNamespace(base_url="http+docker://localhost"))
    stack = RestartedStack("blink", model, Path("c"), client, (), TrialDirectory(Path("t")), {})
    assert stack.url("/x", "app") == "http://127.0.0.1:4321/x"


def two_ports(*numbers: int) -> Stack:
    """A stack whose service publishes these TCP ports in this order; port N is at 127.0.0.1:40000+N."""

    class TwoPorts(Stack):
        def container(self, role: str) -> Any:
            ports = {f"{number}/tcp": [{"HostPort": str(40000 + number)}] for number in sorted(numbers, key=str)}
            return SimpleNamespace(attrs={"NetworkSettings": {"Ports": {"53/udp": None, **ports}}}, reload=lambda: None)

    published = [{"target": 53, "protocol": "udp"}, *({"target": number, "protocol": "tcp"} for number in numbers)]
    client: Any = SimpleNamespace(api=SimpleNamespace(base_url="http+docker://localhost"))
    model = {"name": "b", "services": {"blink-app": {"ports": published}}}
    return TwoPorts("blink", model, Path("c"), client, (), TrialDirectory(Path("t")), {})


def test_of_several_ports_the_first_of_the_file_is_asked() -> None:
    """The engine lists them as texts, so 443 stands before 80; wrk and the requests go to the same port."""
    for numbers in ((80, 443), (443, 80), (8000, 10000)):
        stack = two_ports(*numbers)
        assert stack.url("/", "app") == f"http://127.0.0.1:{40000 + numbers[0]}/"
        assert stack.port("app") == numbers[0]
