"""A client of an engine on another machine, whose connections the docker command line makes.

Whatever the command line reaches is reached so: a machine behind ssh, TLS, and a context with its certificates. Each
connection is a process `docker system dial-stdio`, whose standard input and output are the bytes of the connection.
"""

from __future__ import annotations

import socket
import subprocess
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Thread
from typing import IO

import docker
import requests
from docker.errors import DockerException
from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool

# The host is not that of a socket, so who has the client sees that its engine is elsewhere.
BASE_URL = "http+docker://elsewhere"
DIAL = ("system", "dial-stdio")
NO_SOCKET = "unix:///nonexistent"
FIRST_VERSION = "1.41"  # of the API; the request for the engine's version has none
LAST_LINES = 5
END_LIMIT = 2.0  # seconds for the last words of a process that has ended


@dataclass
class Dialer:
    """Starts processes for connections, and keeps what they say on standard error."""

    docker: str
    environ: Mapping[str, str]
    _said: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    _readers: deque[Thread] = field(default_factory=lambda: deque(maxlen=LAST_LINES))

    def dial(self) -> socket.socket:
        """A new connection. The process ends when this side closes it. Raises OSError."""
        near, far = socket.socketpair()
        with far:
            process = subprocess.Popen(
                [self.docker, *DIAL],
                stdin=far.fileno(),
                stdout=far.fileno(),
                stderr=subprocess.PIPE,
                env=dict(self.environ),
                # Ctrl-C is for the lab, which still needs its connections then.
                start_new_session=True,
            )
        assert process.stderr
        reader = Thread(target=self._read, args=(process, process.stderr), name="dialed", daemon=True)
        reader.start()
        self._readers.append(reader)
        return near

    def last_words(self) -> str:
        """What the last processes said before they ended."""
        for reader in list(self._readers):
            reader.join(END_LIMIT / LAST_LINES)
        return " | ".join(self._said)

    def _read(self, process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
        with stderr:
            for line in stderr:
                if text := line.decode("utf-8", "replace").strip():
                    self._said.append(text)
        process.wait()


class DialedConnection(UnixHTTPConnection):
    """A connection of the SDK."""

    def __init__(self, dialer: Dialer, timeout: int) -> None:
        super().__init__(BASE_URL, "", timeout)
        self.dialer = dialer

    def connect(self) -> None:
        self.sock = self.dialer.dial()
        self.sock.settimeout(self.timeout)


class DialedPool(UnixHTTPConnectionPool):
    """The connections that are open, which are used again."""

    def __init__(self, dialer: Dialer, limit: int, size: int) -> None:
        super().__init__(BASE_URL, "", limit, maxsize=size)
        self.dialer, self.limit = dialer, limit

    def _new_conn(self) -> DialedConnection:  # type: ignore[override]  # as that of the SDK
        return DialedConnection(self.dialer, self.limit)


class DialedAdapter(UnixHTTPAdapter):
    """What the SDK sends its requests with."""

    def __init__(self, dialer: Dialer, limit: int) -> None:
        super().__init__(NO_SOCKET, limit)
        self.pool = DialedPool(dialer, limit, self.max_pool_size)

    def get_connection(self, url: bytes | str, proxies: object = None) -> UnixHTTPConnectionPool:
        return self.pool

    def close(self) -> None:
        super().close()
        self.pool.close()


def dialed_client(command: str, environ: Mapping[str, str], limit: int) -> docker.DockerClient:
    """A client of the engine that ``command``, the docker command line, reaches with this environment.

    ``limit`` is that of a request, in seconds. Raises DockerException with the command line's own words if the engine
    does not answer.
    """
    dialer = Dialer(command, environ)
    adapter = DialedAdapter(dialer, limit)
    try:
        version = str(_client(adapter, limit, FIRST_VERSION).api.version(api_version=False)["ApiVersion"])
    except (DockerException, requests.RequestException, OSError, KeyError) as error:
        words = dialer.last_words()
        raise DockerException(words or str(error)) from (None if words else error)
    return _client(adapter, limit, version)


def _client(adapter: DialedAdapter, limit: int, version: str) -> docker.DockerClient:
    client = docker.DockerClient(base_url=NO_SOCKET, version=version, timeout=limit)
    client.api.mount("http+docker://", adapter)
    client.api.base_url = BASE_URL
    return client
