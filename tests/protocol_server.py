"""An echo by WebSocket on port 8101, HTTP/2 without TLS on 8102, and HTTP/1.1 with TLS on 8103, by libraries."""

import http.server
import socket
import ssl
import subprocess
import sys
import threading

import h2.config
import h2.connection
import h2.events
from websockets.sync.server import serve


def echo(peer):
    """Send each message back, and close at the word bye."""
    for message in peer:
        if message == "bye":
            peer.close(4001)
            return
        peer.send(message)


def second():
    """Answer each request of HTTP/2 with its method."""
    listener = socket.create_server(("127.0.0.1", 8102))
    while True:
        peer, _ = listener.accept()
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        state.initiate_connection()
        peer.sendall(state.data_to_send())
        while data := peer.recv(65536):
            for event in state.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    method = dict(event.headers)[":method"]
                    state.send_headers(event.stream_id, [(":status", "203"), ("x-name", "one")])
                    state.send_data(event.stream_id, method.encode(), end_stream=True)
            peer.sendall(state.data_to_send())


def secure():
    """Answer with TLS."""
    make = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=app -keyout /tmp/key.pem -out /tmp/cert.pem"
    subprocess.run(make.split(), check=True, stderr=subprocess.DEVNULL)
    server = http.server.HTTPServer(("127.0.0.1", 8103), http.server.SimpleHTTPRequestHandler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("/tmp/cert.pem", "/tmp/key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


secure()
threading.Thread(target=second, daemon=True).start()
with serve(echo, "127.0.0.1", 8101) as server:
    print("ready", flush=True)
    server.serve_forever()
sys.exit(1)
