"""Engines on other machines: how the lab knows them, what it says of them, and how it connects to them."""

from __future__ import annotations

import http.server
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
import requests
from reprolab.core.errors import EngineError
from reprolab.engine import elsewhere, failures
from reprolab.engine.detect import Engine, client
from reprolab.engine.dialed import BASE_URL, dialed_client
from reprolab.engine.host_facts import facts_of
from reprolab.engine.requirements import HostState
from reprolab.engine.streams import socket_of, stdout_lines
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.machine.load import ANOTHER_MACHINE
from reprolab.machine.watch import watching
from reprolab.run import manual
from reprolab.stack.stack import Stack

SSH = "ssh://lab2"
ENGINE = Engine("28.0", "1.41", "2.26", "0.13", "docker", "6.1.0", "v2", "Debian", SSH, started=False)
SOCKET = "http+docker://localhost"  # the SDK's base URL for a socket of this machine


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has said where the engine is."""
    for name in (elsewhere.PORTS, elsewhere.KERNEL, elsewhere.HARDWARE):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("address", "other"),
    [
        ("", False),
        ("unix:///var/run/docker.sock", False),
        ("npipe:////./pipe/docker_engine", False),
        (SOCKET, False),
        ("http+docker://localnpipe", False),
        ("tcp://127.0.0.1:2375", False),
        ("tcp://127.8.0.1:2375", False),
        ("tcp://[::1]:2375", False),
        ("tcp://localhost:2375", False),
        ("tcp://LOCALHOST:2375", False),
        ("tcp://0.0.0.0:2375", False),
        ("tcp://:2375", False),
        ("http://127.0.0.1:2375", False),
        ("http://[", False),
        (SSH, True),
        ("ssh://root@127.0.0.1:2222", True),
        ("http+docker://ssh", True),
        (BASE_URL, True),
        ("tcp://192.0.2.7:2376", True),
        ("tcp://[2001:db8::7]:2376", True),
        ("tcp://lab2:2375", True),
        ("tcp://docker:2375", True),
        ("https://192.0.2.7:2376", True),
        ("http://lab2:2375", True),
    ],
)
def test_an_address_says_whether_the_engine_is_on_another_machine(address: str, other: bool) -> None:
    """Behind ssh it is, whatever the host; behind TCP the host decides."""
    assert elsewhere.on_another_machine(address) is other
    assert elsewhere.ports_elsewhere(address, {}) is other
    assert elsewhere.another_machine(address, {}) is other


def test_whoever_forwards_a_socket_can_say_that_its_engine_is_elsewhere() -> None:
    """The socket itself does not say it. A virtual machine of the lab is on this machine."""
    forwarded, socket = {elsewhere.PORTS: elsewhere.ELSEWHERE}, "unix:///tmp/lab2.sock"
    assert elsewhere.another_machine(socket, forwarded)
    assert elsewhere.hardware(socket, forwarded) == "another machine (its load was not watched)"
    assert not elsewhere.another_machine(socket, forwarded | {elsewhere.KERNEL: "5.10.223"})


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("unix:///var/run/docker.sock", ""),
        ("ssh://me@lab2.example.org", "another machine (behind ssh; its load was not watched)"),
        ("tcp://192.0.2.7:2376", "another machine (behind tcp; its load was not watched)"),
    ],
)
def test_the_hardware_is_named_without_the_name_of_the_machine(address: str, words: str) -> None:
    """And with what nobody watched there."""
    assert elsewhere.hardware(address, {}) == words


def test_the_facts_of_a_run_are_those_of_the_engines_machine() -> None:
    """Its processors and memory, and not the model of the processor here."""
    sdk: Any = SimpleNamespace(info=lambda: {"NCPU": 64, "MemTotal": 4096 << 20})
    host = facts_of(ENGINE, sdk)
    assert (host.cpus, host.memory_mib, host.cpu) == (64, 4096, None)
    assert host.hardware and "behind ssh" in host.hardware
    assert facts_of(replace(ENGINE, host="unix:///run/docker.sock"), sdk).hardware is None


def test_another_machine_with_the_same_kernel_is_not_probed_here() -> None:
    """Its sysctls and capabilities are not those of the files here."""
    far = replace(ENGINE, kernel=platform.release())
    assert not HostState.of(far).is_here
    assert HostState.of(replace(far, host="unix:///run/docker.sock")).is_here


def test_the_watch_keeps_nothing_of_this_machine_for_a_trial_elsewhere(tmp_path: Path) -> None:
    """The record says what is missing, also of a trial that fails."""
    sdk: Any = SimpleNamespace(api=SimpleNamespace(base_url=BASE_URL))
    evidence = TrialDirectory(tmp_path / "trial")
    with pytest.raises(ZeroDivisionError), watching(sdk, "p", {"app": "blink-app"}, evidence):
        raise ZeroDivisionError
    assert evidence.machine() == {"missing": ANOTHER_MACHINE}
    assert evidence.series("app") == []


def test_a_full_disk_here_is_none_of_an_engine_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both may have a directory of the same name."""
    monkeypatch.setattr(failures.os, "statvfs", lambda path: SimpleNamespace(f_bfree=0, f_frsize=1))
    facts = {"DockerRootDir": "/var/lib/docker"}
    for address in (BASE_URL, SOCKET):
        sdk: Any = SimpleNamespace(info=lambda: facts, api=SimpleNamespace(base_url=address))
        if address == BASE_URL:
            failures.raise_if_disk_full(sdk)
        else:
            with pytest.raises(EngineError, match="disk is full"):
                failures.raise_if_disk_full(sdk)


@pytest.mark.parametrize(("address", "said"), [(SOCKET, False), (BASE_URL, True)])
def test_who_brings_a_stack_up_is_told_where_its_port_is(
    address: str, said: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The port is shown as the engine published it: a relay would end with the command."""
    services = {"blink-app": {"ports": [{"target": 8080}]}}
    sdk: Any = SimpleNamespace(api=SimpleNamespace(base_url=address))
    stack = Stack("blink", {"name": "p", "services": services}, tmp_path / "c", sdk, (), TrialDirectory(tmp_path), {})
    ports = {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4711"}]}
    container: Any = SimpleNamespace(attrs={"NetworkSettings": {"Ports": ports}}, name="p-app-1")
    stack._containers["app"] = container
    scenario: Any = SimpleNamespace(name="blink", experiments={})
    manual._say_what_to_do(scenario, stack, "")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "curl" in line]
    assert "curl -i http://127.0.0.1:4711/" in line
    assert ("on the engine's machine: its ports are not here" in line) is said


# -- connections that the docker command line makes ------------------------------------------------

# In place of `docker system dial-stdio`: carries bytes to the port in FAR, and notes each start.
CARRIER = """#!{python}
import os, select, socket, sys
with open(os.environ["STARTS"], "a") as file: file.write(" ".join(sys.argv[1:]) + "\\n")
if os.environ["FAR"] == "none":
    sys.exit("ssh: connect to host lab2 port 22: Connection refused")
far = socket.create_connection(("127.0.0.1", int(os.environ["FAR"])))
ends = {{0: far.fileno(), far.fileno(): 1}}
while ends:
    for end in select.select(list(ends), [], [])[0]:
        data = os.read(end, 65536)
        if data:
            os.write(ends[end], data)
        elif end:
            sys.exit()
        else:
            far.shutdown(socket.SHUT_WR)
            del ends[0]
"""


class FarEngine(http.server.BaseHTTPRequestHandler):
    """Answers like an engine; an attached stream gets back what it sends, when it ends."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path.endswith("/late"):
            time.sleep(3)
        body = json.dumps({"ApiVersion": "1.44", "Version": "28.0", "SystemTime": "x"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        data = self.rfile.read()
        for part in (data[:1], data[1:]):
            self.wfile.write(b"\x01\0\0\0" + len(part).to_bytes(4, "big") + part)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def far(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which the command line reaches an engine."""
    carrier = tmp_path / "docker"
    carrier.write_text(CARRIER.format(python=sys.executable), encoding="utf-8")
    carrier.chmod(0o755)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FarEngine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    yield {"PATH": path, "DOCKER_HOST": SSH, "FAR": str(server.server_port), "STARTS": str(tmp_path / "starts")}
    server.shutdown()
    server.server_close()


def starts(environ: dict[str, str]) -> list[str]:
    """The words of each start of the command line."""
    return Path(environ["STARTS"]).read_text(encoding="utf-8").splitlines()


def test_requests_go_through_the_command_line_and_share_a_connection(far: dict[str, str]) -> None:
    """A new one takes a while behind ssh. The client is of the engine's own version."""
    sdk = client(far)
    assert [sdk.info()["Version"] for _ in range(3)] == ["28.0"] * 3
    assert starts(far) == ["system dial-stdio"]
    assert sdk.api.api_version == "1.44"
    assert elsewhere.on_another_machine(sdk.api.base_url)


def test_a_stream_is_a_connection_whose_sending_end_can_be_closed(far: dict[str, str]) -> None:
    """Commands in containers and the client of the wire need that."""
    sdk = client(far)
    stream = sdk.api.attach_socket("app", params={"stdin": 1, "stdout": 1, "stream": 1})
    socket = socket_of(stream)
    socket.sendall(b"first\nsecond\n")
    socket.shutdown(1)
    assert list(stdout_lines(stream)) == [b"first", b"second"]
    stream.close()
    # The next request cannot use that connection again.
    assert sdk.info()["Version"] == "28.0" and len(starts(far)) == 2


def test_the_process_of_a_connection_ends_with_it(far: dict[str, str]) -> None:
    """Nothing runs on after a command, also where that is killed."""
    sdk = client(far)
    (pool,) = {adapter.pool for adapter in sdk.api.adapters.values() if hasattr(adapter, "pool")}
    readers = list(pool.dialer._readers)
    assert all(reader.is_alive() for reader in readers)
    sdk.close()
    for reader in readers:
        reader.join(10)
        assert not reader.is_alive()


def test_a_request_has_its_limit(far: dict[str, str]) -> None:
    """A machine that has gone answers nothing."""
    sdk = dialed_client(str(Path(far["STARTS"]).with_name("docker")), far, 1)
    begun = time.monotonic()
    with pytest.raises(requests.ReadTimeout):
        sdk.api.get(f"{BASE_URL}/late", timeout=1)
    assert time.monotonic() - begun < 2.5


def test_what_the_command_line_says_is_in_the_error(far: dict[str, str]) -> None:
    """Such as the reason of ssh."""
    with pytest.raises(
        EngineError, match=r"no Docker Engine answers at ssh://lab2: .*port 22: Connection refused"
    ) as error:
        client(far | {"FAR": "none"})
    assert "`docker version` must answer without a question" in error.value.advice


def test_without_the_command_line_there_is_no_way(far: dict[str, str], tmp_path: Path) -> None:
    """The message says so."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(EngineError, match="the docker command line, which makes the connections to it, is not on PATH"):
        client(far | {"PATH": str(tmp_path / "empty")})


def test_an_engine_here_is_reached_without_it(monkeypatch: pytest.MonkeyPatch, far: dict[str, str]) -> None:
    """As before."""
    addresses: list[str] = []
    monkeypatch.setattr(docker, "from_env", lambda environment, timeout: addresses.append(environment["DOCKER_HOST"]))
    client(far | {"DOCKER_HOST": "tcp://127.0.0.1:2375"})
    assert addresses == ["tcp://127.0.0.1:2375"]
