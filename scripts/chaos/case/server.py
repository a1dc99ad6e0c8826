"""`serve`: answers, and fails after a number of requests if FAILS is "yes". `forward`: stands before it."""

import os
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 18080
LIMIT = 20
START_S = 1.0
asked = 0


class Application(BaseHTTPRequestHandler):
    """Answers 200, then 500."""

    def do_GET(self):
        global asked
        asked += 1
        broken = os.environ["FAILS"] == "yes" and asked > LIMIT
        reply(self, 500 if broken else 200)


class Proxy(BaseHTTPRequestHandler):
    """Passes each request on; 502 if there is no answer."""

    def do_GET(self):
        try:
            with urllib.request.urlopen(f"http://chaos-app:{PORT}{self.path}", timeout=2) as answer:
                reply(self, answer.status)
        except urllib.error.HTTPError as error:
            reply(self, error.code)
        except OSError:
            reply(self, 502)


def reply(handler, status):
    """An answer without a body."""
    handler.send_response(status)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


if __name__ == "__main__":
    time.sleep(START_S)
    ThreadingHTTPServer(("0.0.0.0", PORT), {"serve": Application, "forward": Proxy}[sys.argv[1]]).serve_forever()
