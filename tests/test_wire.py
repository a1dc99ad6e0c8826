"""Connections byte by byte, against real servers in a container: each way to end has its word."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container
from lab import ROOT, base, engine, wait_for
from reprolab.core.errors import InvalidTrial
from reprolab.core.subprocesses import run
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.evidence.wire_file import WIRE_FILE, read_lines
from reprolab.stack.archived_bases import packed
from reprolab.stack.containers import remove_container
from reprolab.stack.outcome import Ending
from reprolab.stack.protocols import WebSocket, exchange
from reprolab.stack.wire import WireClient

pytestmark = pytest.mark.docker

# Another test run on the machine has its own.
TAG = f"reprolab-test/client:{os.getpid()}"
PYTHON = "python:3.12.1-slim-bookworm"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWERS, CLOSES, RESETS, WAITS, CUTS, COUNTS, CHATS, EARLY, NOBODY = range(8001, 8010)


@pytest.fixture(scope="module")
def client() -> docker.DockerClient:
    """The real engine."""
    return engine()


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> Iterator[str]:
    """The client's image, of the project's own file."""
    build = (
        "docker",
        "build",
        "--tag",
        TAG,
        "--build-arg",
        f"PYTHON_IMAGE={base(PYTHON)}",
        str(ROOT / "images/client"),
    )
    run(build, timeout=300, env={**os.environ, "DOCKER_BUILDKIT": "1"})
    yield TAG
    client.images.remove(TAG, force=True)


@pytest.fixture(scope="module")
def server(client: docker.DockerClient, image: str) -> Iterator[Container]:
    """A container with servers of every kind. It has the client's image, whose libraries can serve too."""
    container = client.containers.create(
        image,
        ["sh", "-c", "python /srv/protocol_server.py & exec python /srv/wire_server.py"],
        entrypoint="",
        user="0",
        volumes=["/srv/sockets"],
        # The engine gives a container an address of IPv6 only in a network that has some.
        sysctls={"net.ipv6.conf.all.disable_ipv6": "0"},
        labels={"reprolab.test": "wire"},
    )
    try:
        programs = {
            name: (Path(__file__).parent / name).read_text() for name in ("wire_server.py", "protocol_server.py")
        }
        container.put_archive("/srv", packed(programs))
        container.start()
        wait_for("the servers", lambda: container.logs().count(b"ready") == 2, 60)
        yield container
    finally:
        remove_container(container)


@pytest.fixture
def wire(client: docker.DockerClient, server: Container, image: str, tmp_path: Path) -> Iterator[WireClient]:
    """A client in the server's network."""
    with closing(WireClient.start(client, image, server, "app", {}, TrialDirectory(tmp_path))) as started:
        yield started


@pytest.mark.parametrize(
    ("port", "ending", "body"),
    [
        (ANSWERS, Ending.ANSWERED, b"ok"),
        (CLOSES, Ending.CLOSED, b""),
        (RESETS, Ending.RESET, b""),
        (WAITS, Ending.LATE, b""),
        (CUTS, Ending.CUT, b"abc"),
        (CHATS, Ending.NOT_HTTP, b""),
        (NOBODY, Ending.REFUSED, b""),
    ],
)
def test_each_ending_has_its_word(wire: WireClient, port: int, ending: Ending, body: bytes) -> None:
    """As a client sees it that reads to the end."""
    with wire.connect(["127.0.0.1", port], 5) as connection:
        connection.send(GET)
        outcome = connection.outcome(limit=1.0)
    assert (outcome.ending, outcome.body) == (ending, body)
    assert (outcome.status == 200) == (ending in (Ending.ANSWERED, Ending.CUT))


def test_unix_sockets(wire: WireClient) -> None:
    """One that answers, one that is not there, and one that may not be used."""
    for name, ending in (("open", Ending.ANSWERED), ("none", Ending.NO_FILE), ("closed", Ending.DENIED)):
        with wire.connect([f"/srv/sockets/{name}.sock"], 5) as connection:
            connection.send(GET)
            assert connection.outcome().ending == ending


def test_an_address_of_ipv6(wire: WireClient) -> None:
    """The namespace of a container has its own ::1."""
    with wire.connect(["::1", ANSWERS], 5) as connection:
        connection.send(GET)
        assert connection.outcome().ending == Ending.ANSWERED


def test_a_kept_connection_gives_one_answer_after_the_other(wire: WireClient) -> None:
    """Also if both were asked for at once, so that the bytes of both come together."""
    with wire.connect(["127.0.0.1", ANSWERS], 5) as connection:
        connection.send(GET)
        first = connection.outcome()
        connection.send(GET)
        second = connection.outcome()
    assert (first.status, second.status, first.received) == (200, 200, second.received)
    assert ("x-name", "one") in first.headers


def test_a_request_in_parts_with_pauses(wire: WireClient, tmp_path: Path) -> None:
    """The server gets as many parts as were sent, and the end of the client's side; the evidence has all with times."""
    with wire.connect(["127.0.0.1", COUNTS], 5) as connection:
        for part in (b"GET /a", b"b HT", b"TP/1.1\r\n\r\n"):
            connection.send(part)
            connection.pause(0.15)
        connection.half_close()
        outcome = connection.outcome()
    assert outcome.body == b"20 bytes in 3 parts"
    lines = read_lines(tmp_path / WIRE_FILE)
    assert [line.text for line in lines if line.what == "send"] == ["GET /a", "b HT", "TP/1.1\r\n\r\n"]
    assert "20 bytes in 3 parts" in "".join(line.text for line in lines if line.what == "receive")
    assert lines[-1].at_ns - lines[0].at_ns > 0.45e9


def test_bytes_until_a_pattern(wire: WireClient) -> None:
    """What comes behind it stays for the next call."""
    with wire.connect(["127.0.0.1", ANSWERS], 5) as connection:
        connection.send(GET)
        head, why = connection.receive(b"\r\n\r\n")
        rest, _ = connection.receive(b"ok")
    assert head.endswith(b"\r\n\r\n") and (why, rest) == ("found", b"ok")


def test_a_reset_of_our_own(wire: WireClient) -> None:
    """Afterwards nothing more can be done with the connection, and the others go on."""
    with wire.connect(["127.0.0.1", WAITS], 5) as connection, wire.connect(["127.0.0.1", ANSWERS], 5) as other:
        connection.reset()
        other.send(GET)
        assert other.outcome().ending == Ending.ANSWERED


def test_an_answer_before_the_request_was_read(wire: WireClient) -> None:
    """It counts, though the rest of the request could not be sent."""
    with wire.connect(["127.0.0.1", EARLY], 5) as connection:
        for _ in range(3):
            connection.send(b"x" * (4 << 20), limit=1.0)
        outcome = connection.outcome()
    assert (outcome.status, outcome.body) == (413, b"no") or outcome.ending is Ending.RESET


def test_how_a_connection_ended_is_kept(wire: WireClient) -> None:
    """A receive that met the reset, then the outcome, and once more; what a receive took is part of the outcome."""
    with wire.connect(["127.0.0.1", RESETS], 5) as connection:
        connection.send(GET)
        assert connection.receive(b"\r\n\r\n") == (b"", "ECONNRESET")
        assert [connection.outcome().ending for _ in range(2)] == [Ending.RESET] * 2
    with wire.connect(["127.0.0.1", ANSWERS], 5) as connection:
        connection.send(GET)
        connection.receive(b"\r\n")
        assert connection.outcome().status == 200


def test_more_connections_than_threads(wire: WireClient) -> None:
    """One after the other: each ends its thread."""
    for _ in range(300):
        with wire.connect(["127.0.0.1", ANSWERS], 5) as connection:
            assert not connection.error
    code, printed = wire.container.exec_run(["sh", "-c", "ls /proc/*/task | grep -c '^[0-9]'"])
    assert code == 0 and int(printed) < 60


def test_a_client_that_is_killed_is_said_at_once(wire: WireClient) -> None:
    """Not after the limit of what waits, and for all that comes after it."""
    with wire.connect(["127.0.0.1", WAITS], 5) as connection:
        threading.Timer(0.5, wire.container.kill).start()
        begun = time.monotonic()
        with pytest.raises(InvalidTrial, match="does not answer; its container has ended"):
            connection.outcome(limit=60)
        assert time.monotonic() - begun < 30 and wire.gone
        with pytest.raises(InvalidTrial, match="does not answer"):
            wire.connect(["127.0.0.1", ANSWERS], 60)


def test_many_connections_at_once(wire: WireClient) -> None:
    """A hundred that are held open; one more is answered, and they do not wait for each other."""
    held = [wire.connect(["127.0.0.1", WAITS], 5) for _ in range(100)]
    assert {connection.error for connection in held} == {""}
    begun = time.monotonic()
    threads = [threading.Thread(target=connection.receive, kwargs={"limit": 1.0}) for connection in held]
    for thread in threads:
        thread.start()
    with wire.connect(["127.0.0.1", ANSWERS], 5) as connection:
        connection.send(GET)
        assert connection.outcome().ending == Ending.ANSWERED
    for thread in threads:
        thread.join()
    # One after the other they would take a hundred seconds.
    assert time.monotonic() - begun < 50


def test_http_2(wire: WireClient) -> None:
    """Its version is checked; a server of HTTP/1.1 gives no answer in it."""
    outcome = exchange(wire, "POST", "http://127.0.0.1:8102/", "2", {}, b"x", 5)
    assert (outcome.status, outcome.body) == (203, b"POST") and ("x-name", "one") in outcome.headers
    assert exchange(wire, "GET", f"http://127.0.0.1:{ANSWERS}/", "1.1", {}, b"", 5).body == b"ok"
    assert exchange(wire, "GET", f"http://127.0.0.1:{ANSWERS}/", "2", {}, b"", 5).ending != Ending.ANSWERED


@pytest.mark.parametrize(
    ("port", "ending"),
    [(NOBODY, Ending.REFUSED), (CLOSES, Ending.CLOSED), (WAITS, Ending.LATE), (RESETS, Ending.RESET)],
)
def test_a_request_by_a_library_ends_in_the_same_words(wire: WireClient, port: int, ending: Ending) -> None:
    """As a connection byte by byte does."""
    assert exchange(wire, "GET", f"http://127.0.0.1:{port}/", "1.1", {}, b"", 1).ending == ending


def test_tls(wire: WireClient) -> None:
    """With a certificate of the server's own, byte by byte and by a library; without TLS there is no answer."""
    with wire.connect(["127.0.0.1", 8103], 5, tls=True) as connection:
        connection.send(GET)
        assert connection.outcome().status == 200
    assert exchange(wire, "GET", "https://127.0.0.1:8103/", "1.1", {}, b"", 5).status == 200
    with wire.connect(["127.0.0.1", 8103], 5) as connection:
        connection.send(GET)
        assert connection.outcome().ending != Ending.ANSWERED


def test_web_sockets(wire: WireClient, tmp_path: Path) -> None:
    """Messages, the server's close, and a handshake that is refused; all of it is kept."""
    with WebSocket.open(wire, "ws://127.0.0.1:8101/", {}, 5) as socket:
        socket.send("hello")
        assert socket.receive() == (b"hello", "found")
        assert socket.receive(limit=0.3) == (b"", "limit")
        socket.send("bye")
        assert socket.receive() == (b"", "closed with 4001")
    with WebSocket.open(wire, f"ws://127.0.0.1:{CLOSES}/", {}, 5) as socket:
        assert socket.error and socket.receive() == (b"", socket.error)
    kept = [(line.what, line.text) for line in read_lines(tmp_path / WIRE_FILE)]
    assert ("ws_send", "hello") in kept and ("ws_receive", "hello") in kept
