"""A server with forked workers. It prints its environment, as careless programs do."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Hello(BaseHTTPRequestHandler):
    """Answers each GET."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer with the greeting."""
        body = f"{os.environ['GREETING']} from {os.getpid()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        """Write no line for each request."""


server = ThreadingHTTPServer(("0.0.0.0", 8000), Hello)
print(dict(os.environ), Path("/srv/motd.txt").read_text())
for _ in range(int(os.environ["WORKERS"])):
    if os.fork() == 0:
        server.serve_forever()
os.wait()
