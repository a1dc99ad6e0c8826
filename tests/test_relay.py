"""The relay to a service on an engine elsewhere, with a client in this process."""

from __future__ import annotations

import importlib.util
import io
import socket
import struct
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import requests
from cases import ROOT
from reprolab.core.errors import InvalidTrial
from reprolab.engine import dialed
from reprolab.engine.elsewhere import ports_elsewhere
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.stack.http import ending_of
from reprolab.stack.outcome import Ending
from reprolab.stack.relay import Relay
from reprolab.stack.stack import Stack
from reprolab.stack.wire import WireClient

CLIENT = ROOT / "images" / "client"


class HereClient:
    """Does with the client's own program what the lab would let it do in a container."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # HTTP/2 and WebSockets need libraries that only the client's image has.
        monkeypatch.setitem(sys.modules, "protocols", types.ModuleType("protocols"))
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        specification = importlib.util.spec_from_file_location("client_here", CLIENT / "client.py")
        assert specification and specification.loader
        self.module: Any = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(self.module)
        self.numbers = count(1)
        self.open: dict[int, Any] = {}
        self.gone = False
        self.calls: list[str] = []

    def number(self) -> int:
        return next(self.numbers)

    def call(self, connection: int, do: str, limit: float, **values: Any) -> dict[str, Any]:
        if self.gone:
            raise InvalidTrial("the client does not answer")
        self.calls.append(do)
        item = self.open.setdefault(connection, self.module.Connection())
        try:
            answer: dict[str, Any] = getattr(item, f"do_{do}")({"limit": limit, **values})
        except OSError as error:
            return {"error": self.module.name_of(error)}
        return answer


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> HereClient:
    """The client's program, in this process."""
    return HereClient(monkeypatch)


@contextmanager
def service(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A service that treats each connection with a function; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def read_request(connection: socket.socket) -> bytes:
    """The bytes up to the end of the headers."""
    data = b""
    while b"\r\n\r\n" not in data and (part := connection.recv(4096)):
        data += part
    return data


def answers(connection: socket.socket) -> None:
    """Each request of a connection gets its own first line, until the connection ends."""
    while request := read_request(connection):
        body = request.split(b"\r\n")[0]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def resets(connection: socket.socket) -> None:
    """A reset in place of an answer."""
    read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def cuts(connection: socket.socket) -> None:
    """The half of an answer."""
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")


def keeps_silent(connection: socket.socket) -> None:
    """No answer."""
    read_request(connection)
    time.sleep(2)


@contextmanager
def relay_to(client: HereClient, port: int) -> Iterator[str]:
    """A relay to a port of this machine; yields its address."""
    relay = Relay.open(client, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{relay.port}/"
    finally:
        relay.close()


def test_a_request_comes_back_with_its_answer(client: HereClient) -> None:
    """Several on one connection, and several connections at the same time; each is closed at the service too."""
    with service(answers) as port, relay_to(client, port) as address:
        with requests.Session() as session:
            for path in ("a", "b", "c"):
                assert session.get(address + path, timeout=5).text == f"GET /{path} HTTP/1.1"
        assert client.calls.count("open") == 1
        assert soon(lambda: client.calls.count("close") == 1)


def test_large_bodies_cross_in_both_directions(client: HereClient) -> None:
    """With all their bytes in order."""
    content = bytes(range(256)) * 4096

    def echo(connection: socket.socket) -> None:
        data = read_request(connection)
        body = data.partition(b"\r\n\r\n")[2]
        while len(body) < len(content):
            body += connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with service(echo) as port, relay_to(client, port) as address:
        assert requests.post(address, data=content, timeout=20).content == content


@pytest.mark.parametrize(
    ("treatment", "ending"),
    [(resets, Ending.RESET), (cuts, Ending.CUT), (keeps_silent, Ending.LATE), (read_request, Ending.CLOSED)],
)
def test_an_exchange_ends_as_it_does_without_a_relay(
    treatment: Callable[[socket.socket], None], ending: Ending, client: HereClient
) -> None:
    """A reset is a reset."""
    with (
        service(treatment) as port,
        relay_to(client, port) as address,
        pytest.raises(requests.RequestException) as caught,
    ):
        requests.get(address, timeout=1)
    assert ending_of(caught.value) is ending


def test_a_service_that_does_not_listen_looks_like_one_that_closes(client: HereClient) -> None:
    """As it does behind a port of the engine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with relay_to(client, port) as address, pytest.raises(requests.RequestException) as caught:
        requests.get(address, timeout=5)
    assert ending_of(caught.value) in (Ending.CLOSED, Ending.RESET)


def test_a_client_that_is_gone_ends_the_connection(client: HereClient) -> None:
    """And the next one: no request waits for its limit."""
    client.gone = True
    with relay_to(client, 1) as address:
        for _ in range(2):
            begun = time.monotonic()
            with pytest.raises(requests.ConnectionError):
                requests.get(address, timeout=5)
            assert time.monotonic() - begun < 3


def test_a_closed_relay_takes_no_connection(client: HereClient) -> None:
    """Its port is free again."""
    with relay_to(client, 1) as address:
        pass
    with pytest.raises(requests.ConnectionError) as caught:
        requests.get(address, timeout=5)
    assert ending_of(caught.value) is Ending.REFUSED


class FailsOnce(socket.socket):
    """A socket that cannot take its first connection."""

    failed = False

    def accept(self) -> Any:
        taken = super().accept()
        if not self.failed:
            self.failed = True
            taken[0].close()
            raise OSError(24, "Too many open files")
        return taken


def test_a_connection_that_cannot_be_taken_does_not_end_the_relay(client: HereClient) -> None:
    """Other connections, and other requests later, find it."""
    with service(answers) as port:
        relay = Relay(client, "127.0.0.1", port, FailsOnce())
        relay._server.bind(("127.0.0.1", 0))
        relay._server.listen()
        thread = threading.Thread(target=relay._accept, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{relay.port}/a"
        with pytest.raises(requests.ConnectionError):
            requests.get(address, timeout=5)
        assert requests.get(address, timeout=5).status_code == 200
        relay.close()
        thread.join(5)
    assert not thread.is_alive()


def test_a_relay_is_for_engines_elsewhere() -> None:
    """On this machine the engine's own ports are used."""
    socket = "unix:///run/docker.sock"
    assert not ports_elsewhere(socket, {})
    assert not ports_elsewhere(socket, {"REPROLAB_PORTS": "here"})
    assert ports_elsewhere(socket, {"REPROLAB_PORTS": "elsewhere"})
    assert ports_elsewhere("ssh://lab2", {})


def stack_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, starts: list[str]) -> Stack:
    """A stack whose proxy is at 10.0.0.5; ``starts`` are the clients that were started, each with a container."""
    services = {"blink-proxy": {"ports": [{"target": 8080, "published": "0"}]}, "client": {"image": "client"}}
    stack = Stack(
        "blink", {"name": "p", "services": services}, tmp_path / "c", Mock(), (), TrialDirectory(tmp_path), {}
    )
    state = {"StartedAt": "1"}
    attributes = {"State": state, "NetworkSettings": {"Networks": {"none": {}, "p_default": {"IPAddress": "10.0.0.5"}}}}
    stack._containers["proxy"] = Mock(attrs=attributes)

    def start(*arguments: Any) -> Any:
        starts.append("client")
        return Mock(gone=False, container=Mock(id=f"client-{len(starts)}"))

    monkeypatch.setattr(WireClient, "start", start)
    return stack


def test_a_stack_elsewhere_is_reached_by_one_relay_for_each_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """At its address in its own network. A service that was started again has another network, and another relay."""
    starts: list[str] = []
    monkeypatch.setenv("REPROLAB_PORTS", "elsewhere")
    stack = stack_with(monkeypatch, tmp_path, starts)
    first = stack.url("/a")
    assert first.startswith("http://127.0.0.1:") and first.endswith("/a")
    assert stack.url("/a", "proxy") == first
    (relay,) = stack._relays.values()
    assert (relay.host, relay.service_port) == ("10.0.0.5", 8080)
    stack.container("proxy").attrs["State"]["StartedAt"] = "2"
    assert stack.url("/a") != first
    assert len(starts) == 2
    stack.remove_clients()
    with pytest.raises(requests.ConnectionError):
        requests.get(first, timeout=5)


def test_a_service_that_joins_again_is_reached_at_its_new_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It keeps its start, so its client and its relay stay."""
    monkeypatch.setenv("REPROLAB_PORTS", "elsewhere")
    stack = stack_with(monkeypatch, tmp_path, [])
    first = stack.url("/a")
    stack.container("proxy").attrs["NetworkSettings"]["Networks"]["p_default"]["IPAddress"] = "10.0.0.9"
    assert stack.url("/a") == first
    (relay,) = stack._relays.values()
    assert relay.host == "10.0.0.9"
    stack.remove_clients()


def test_a_service_that_is_cut_off_is_not_reached_by_its_loopback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on this machine, where the engine publishes no port of it then."""
    monkeypatch.setenv("REPROLAB_PORTS", "elsewhere")
    stack = stack_with(monkeypatch, tmp_path, [])
    stack.container("proxy").attrs["NetworkSettings"]["Networks"] = {}
    with pytest.raises(InvalidTrial, match="proxy is on no network"):
        stack.url("/a")
    assert not stack._relays


def test_a_stack_behind_ssh_is_reached_by_a_relay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody has to say it: the client of its engine does. For the user its port is where the engine is."""
    monkeypatch.delenv("REPROLAB_PORTS", raising=False)
    starts: list[str] = []
    stack = stack_with(monkeypatch, tmp_path, starts)
    stack.client.api.base_url = dialed.BASE_URL
    ports = {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4711"}]}
    stack.container("proxy").attrs["NetworkSettings"]["Ports"] = ports
    address = stack.url("/a")
    (relay,) = stack._relays.values()
    assert address == f"http://127.0.0.1:{relay.port}/a" != stack.published_url("/a")
    assert (starts, stack.published_url("/a")) == (["client"], "http://127.0.0.1:4711/a")
    stack.remove_clients()


def test_a_stack_on_this_machine_needs_no_relay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The port is the engine's."""
    monkeypatch.delenv("REPROLAB_PORTS", raising=False)
    starts: list[str] = []
    stack = stack_with(monkeypatch, tmp_path, starts)
    ports = {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4711"}]}
    stack.container("proxy").attrs["NetworkSettings"]["Ports"] = ports
    assert stack.url("/a") == "http://127.0.0.1:4711/a"
    assert starts == []


def soon(look: Callable[[], bool]) -> bool:
    """Whether something is so within some seconds."""
    end = time.monotonic() + 5
    while time.monotonic() < end and not look():
        time.sleep(0.02)
    return look()
