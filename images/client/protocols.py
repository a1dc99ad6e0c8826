"""HTTP by httpx, and WebSockets, for the client: each function takes a command and returns its answer."""

import base64
import errno
import ssl

import httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect


def any_certificate():
    """TLS without a check of the certificate: the server is one of our own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def http(command):
    """One request. HTTP/2 without TLS begins at once, without an upgrade."""
    second = command["version"] == "2"
    try:
        with httpx.Client(
            http1=not second, http2=second, verify=False, timeout=command["limit"], trust_env=False
        ) as client:
            body = base64.b64decode(command["data"])
            answer = client.request(command["method"], command["url"], headers=command["headers"], content=body)
    except httpx.HTTPError as error:
        return {"error": system_error(error) or type(error).__name__}
    return {
        "done": "http",
        "status": answer.status_code,
        "version": answer.http_version,
        "headers": [list(pair) for pair in answer.headers.multi_items()],
        "data": base64.b64encode(answer.content).decode(),
    }


def system_error(error):
    """The name of the system's error that is behind an error, "" if there is none."""
    while error is not None:
        if getattr(error, "errno", None):
            return errno.errorcode.get(error.errno, "")
        if "disconnected without" in str(error):
            return "closed"
        error = error.__cause__ or error.__context__
    return ""


def ws_open(command):
    """The WebSocket, and the answer to the command."""
    context = any_certificate() if command["url"].startswith("wss:") else None
    try:
        socket = connect(
            command["url"],
            open_timeout=command["limit"],
            ssl=context,
            additional_headers=command["headers"],
            proxy=None,
            compression=None,
        )
    except InvalidStatus as error:
        return None, {"error": f"status {error.response.status_code}"}
    except InvalidHandshake as error:
        return None, {"error": f"{type(error).__name__}: {error}"}
    return socket, {"done": "ws_open"}


def ws_send(socket, command):
    """Send a message."""
    data = base64.b64decode(command["data"])
    try:
        socket.send(data.decode() if command["text"] else data)
    except ConnectionClosed as error:
        return {"error": closed(error)}
    return {"done": "ws_send"}


def ws_receive(socket, command):
    """The next message."""
    try:
        data = socket.recv(timeout=command["limit"])
    except TimeoutError:
        return {"done": "ws_receive", "data": "", "ended": "limit"}
    except ConnectionClosed as error:
        return {"done": "ws_receive", "data": "", "ended": closed(error)}
    data = data.encode() if isinstance(data, str) else data
    return {"done": "ws_receive", "data": base64.b64encode(data).decode(), "ended": "found"}


def closed(error):
    """The code of the server's close frame; 1006 if it sent none."""
    return f"closed with {error.rcvd.code if error.rcvd else 1006}"
