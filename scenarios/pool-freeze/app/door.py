"""An HTTP server that runs the plain script: each request runs `python script.py NUMBER` and waits for its end.

The script is a separate process, so it inherits no signal handler from this server.
"""

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn


class Door(BaseHTTPRequestHandler):
    """GET / answers at once. GET /run/NUMBER answers when the script has ended: 200, or 500 if it failed."""

    def do_GET(self):
        code = 0
        if self.path.startswith("/run/"):
            number = self.path[len("/run/") :]
            code = subprocess.call([sys.executable, "script.py", number])
        body = "exit code {}\n".format(code).encode()
        self.send_response(500 if code else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingMixIn, HTTPServer):
    """An HTTP server with a thread for each request, so that a frozen request does not block the others."""

    daemon_threads = True


Server(("0.0.0.0", 18080), Door).serve_forever()
