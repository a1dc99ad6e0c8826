"""An HTTP server through which the lab controls gunicorn. It runs as long as the container, so gunicorn may stop.

It starts gunicorn, sends it signals and requests, and reads /proc. GET / answers at once. POST / takes
{"do": NAME, ...}, calls the function NAME below and answers with its result as JSON. All times are from
time.monotonic(). The views use the same clock.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

STARTED = {}
ASKED = {}
HELD = []
STATES = {"01": "ESTABLISHED", "02": "SYN_SENT", "03": "SYN_RECV", "0A": "LISTEN", "08": "CLOSE_WAIT"}


def start(name, command, env=None, cwd="/srv/app"):
    """Start a program and return its pid. Standard output and standard error go to /tmp/NAME.out and /tmp/NAME.err."""
    with open("/tmp/{}.out".format(name), "ab") as out, open("/tmp/{}.err".format(name), "ab") as err:
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(os.environ, **(env or {})), stdout=out, stderr=err, start_new_session=True
        )
    STARTED[name] = process
    return process.pid


def ended(name):
    """Return the exit code of a program that start() started; None while it runs."""
    return STARTED[name].poll()


def read(path):
    """Return the text of a file; an empty string if the file does not exist."""
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def write(path, text):
    """Write a file atomically, and create its directory if needed."""
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        os.makedirs(directory)
    draft = path + ".draft"
    with open(draft, "w") as stream:
        stream.write(text)
    os.rename(draft, path)


def kill(pid, sign):
    """Send a signal by its name, for instance "TERM". Return False if the process does not exist."""
    try:
        os.kill(pid, getattr(signal, "SIG" + sign))
    except ProcessLookupError:
        return False
    return True


def processes():
    """Return every process of the container: pid, parent, state, uid, gid, command."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/{}/status".format(pid)) as stream:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
            with open("/proc/{}/cmdline".format(pid), "rb") as stream:
                command = stream.read().decode("utf-8", "replace").replace("\0", " ").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append(
            {
                "pid": int(pid),
                "parent": int(status["PPid"]),
                "state": status["State"][0],
                "uid": int(status["Uid"].split()[1]),
                "gid": int(status["Gid"].split()[1]),
                "command": command,
            }
        )
    return sorted(found, key=lambda one: one["pid"])


def environment(pid):
    """Return the environment that a process got when it was started."""
    return dict(part.split("=", 1) for part in read("/proc/{}/environ".format(pid)).split("\0") if "=" in part)


def connections():
    """Return the TCP sockets of the container: local address and port, remote port, state, queue length, inode."""
    found = []
    for line in read("/proc/net/tcp").splitlines()[1:]:
        words = line.split()
        found.append(
            {
                "address": ".".join(str(int(words[1][n : n + 2], 16)) for n in (6, 4, 2, 0)),
                "port": int(words[1].split(":")[1], 16),
                "peer": int(words[2].split(":")[1], 16),
                "state": STATES.get(words[3], words[3]),
                "queued": int(words[4].split(":")[1], 16),
                "inode": int(words[9]),
            }
        )
    return found


def connect(address, limit):
    """Return a connection to "HOST:PORT" or "unix:PATH"."""
    if address.startswith("unix:"):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(limit)
        client.connect(address[len("unix:") :])
        return client
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), limit)


def ask(address, path, limit=60, line=None):
    """Send one request on a new connection. Return path, times, status and body; an OSError becomes `error`."""
    seen = {"path": path, "began": time.monotonic(), "status": None, "body": "", "error": ""}
    request = line or "GET {} HTTP/1.0".format(path)
    try:
        client = connect(address, limit)
        try:
            client.sendall((request + "\r\nHost: lab\r\nConnection: close\r\n\r\n").encode("ascii"))
            data = receive(client, time.monotonic() + limit)
        finally:
            client.close()
        head, _, body = data.partition(b"\r\n\r\n")
        words = head.split(None, 2)
        if words:
            seen.update(status=int(words[1]), body=body.decode("utf-8", "replace")[:4000])
        else:
            seen["error"] = "closed without an answer"
    except OSError as error:
        seen["error"] = "{}: {}".format(type(error).__name__, error)
    seen["ended"] = time.monotonic()
    return seen


def receive(client, end):
    """Receive until the other side closes the connection. A reset after some data counts as a close."""
    parts = []
    while True:
        client.settimeout(max(end - time.monotonic(), 0.001))
        try:
            part = client.recv(65536)
        except ConnectionResetError:
            if parts:
                return b"".join(parts)
            raise
        if not part:
            return b"".join(parts)
        parts.append(part)


def begin(number, **request):
    """Send a request in the background. answers() returns its result under ``number``."""
    ASKED[number] = None

    def run():
        ASKED[number] = ask(**request)

    threading.Thread(target=run, daemon=True).start()


def answers(numbers):
    """Return the results of these background requests; None for a request that has no result yet."""
    return [ASKED[number] for number in numbers]


def many(address, path, count):
    """Send ``count`` requests, one after another. Return how many were answered with 200."""
    return sum(ask(address, path)["status"] == 200 for _ in range(count))


def hold(address, count):
    """Begin ``count`` connections, and keep them open whether the server accepts them or not."""
    host, _, port = address.rpartition(":")
    for _ in range(count):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((host, int(port)))
        HELD.append(client)


def release():
    """Close the connections of hold()."""
    while HELD:
        HELD.pop().close()


def now():
    return time.monotonic()


DOES = {
    name: globals()[name]
    for name in (
        "start ended read write kill processes environment connections ask begin answers many hold release now".split()
    )
}


class Door(BaseHTTPRequestHandler):
    """GET shows that the container is ready. POST calls a function."""

    def do_GET(self):
        self.answer(200, "gunicorn is started and stopped through this door\n")

    def do_POST(self):
        """Call the function. Answer with its result, or with 500 and a traceback."""
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])).decode())
        try:
            self.answer(200, json.dumps(DOES[call.pop("do")](**call)))
        except Exception:
            self.answer(500, traceback.format_exc())

    def answer(self, code, text):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        """Log nothing."""


class Server(ThreadingMixIn, HTTPServer):
    """An HTTP server with a thread for each request."""

    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    Server(("0.0.0.0", 18080), Door).serve_forever()
