"""Sends requests one after the other, each on a new connection, while workers restart at max_requests."""

import os
import re
import socket
import sys
import time

from server import Server, Untold, main

REQUESTS = 60
GET = b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
OPTIONS = {
    "--worker-class": "WORKER_CLASS",
    "--workers": "WORKERS",
    "--threads": "THREADS",
    "--max-requests": "MAX_REQUESTS",
    "--max-requests-jitter": "JITTER",
    "--keep-alive": "KEEP_ALIVE",
    "--graceful-timeout": "GRACEFUL_TIMEOUT",
}


def drive():
    """Return whether some requests had no answer."""
    options = [f"{option}={os.environ[factor]}" for option, factor in OPTIONS.items()]
    with Server([sys.executable, "-m", "gunicorn", "--bind", "{address}", *options, "app:app"]) as server:
        server.ready()
        endings = []
        for _ in range(REQUESTS):
            endings.append(ask(server.port))
            time.sleep(0.005)
        restarts = len(set(re.findall(r"\[(\d+)\] \[INFO\] Autorestarting worker", "\n".join(server.lines()))))
    for number, ending in enumerate(endings):
        if ending != "200":
            print(f"request {number}: {ending}")
    lost = sum(ending != "200" for ending in endings)
    print(f"{REQUESTS} requests, {restarts} restarts of workers, {lost} requests without an answer")
    if restarts < 2:
        raise Untold("the workers were not restarted")
    return lost > 0


def ask(port):
    """Send one request, read to the end of the connection, and return the status, or how it ended without one."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(GET)
            answer = part = client.recv(65536)
            while part:
                part = client.recv(65536)
                answer += part
    except OSError as error:
        return type(error).__name__
    return answer.split()[1].decode() if answer else "closed without an answer"


if __name__ == "__main__":
    main(drive)
