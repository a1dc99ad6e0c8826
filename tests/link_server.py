"""The server of test_network: says what it was sent, over TCP, over a Unix socket, and in the uwsgi protocol."""

import http.server
import json
import os
import pathlib
import socket
import socketserver
import struct
import threading

SOCKET = "/run/lab/app.sock"


class Tells(http.server.BaseHTTPRequestHandler):
    """Answers with a request's headers and the port of its connection; /big with as many bytes as the query says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer with a body of known length, so that the connection may be kept."""
        path, _, size = self.path.partition("?")
        peer = self.client_address[1] if self.client_address else None
        told = {"protocol": self.request_version, "headers": dict(self.headers), "peer": peer}
        body = b"x" * int(size) if path == "/big" else json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        """Print nothing."""


class OnTcp(http.server.ThreadingHTTPServer):
    """On both families; the socket of IPv6 takes IPv4 too."""

    address_family = socket.AF_INET6


class OnFile(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """On a path."""


class Uwsgi(socketserver.StreamRequestHandler):
    """Answers with the variables of the uwsgi protocol."""

    def handle(self):
        """Read one packet: a head of four bytes, then names and values, each after its length."""
        _, size, _ = struct.unpack("<BHB", self.rfile.read(4))
        data, words = self.rfile.read(size), []
        while data:
            (length,) = struct.unpack("<H", data[:2])
            words.append(data[2 : 2 + length].decode())
            data = data[2 + length :]
        variables = dict(zip(words[::2], words[1::2], strict=True))
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(variables).encode())


os.umask(0)
pathlib.Path(SOCKET).unlink(missing_ok=True)
for server in (OnTcp(("::", 8000), Tells), OnFile(SOCKET, Tells), socketserver.ThreadingTCPServer(("", 8001), Uwsgi)):
    threading.Thread(target=server.serve_forever).start()
threading.Event().wait()
