"""Sends numbered requests one after the other, each on a new connection, and prints how each ended, as a list in JSON.

It stops at the first that has no answer for ten seconds.

Arguments: the port, how many, the method, and the milliseconds between an answer and the next request.
"""

import json
import socket
import sys
import time

BODY = b"0123456789"
LIMIT = 10  # seconds


def ask(port, method, number):
    """Send one request and read to the end of the connection. Return the status, or how it ended without one."""
    head = f"{method} /{number} HTTP/1.1\r\nHost: app\r\nConnection: close\r\nContent-Length: {len(BODY)}\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as stream:
            stream.sendall(head.encode() + BODY)
            answer = b""
            while part := stream.recv(65536):
                answer += part
    except socket.timeout:  # noqa: UP041 - the name of it before Python 3.10
        return TimeoutError.__name__
    except OSError as error:
        return type(error).__name__
    return int(answer.split()[1]) if answer else "closed"


def main(port, count, method, pause):
    """Send the requests, and print the list."""
    rows, answered = [], time.monotonic()
    for number in range(int(count)):
        sent = time.monotonic()
        how = ask(int(port), method, number)
        rows.append({"how": how, "gap_ms": round(1000 * (sent - answered), 1)})
        answered = time.monotonic()
        if how == TimeoutError.__name__:
            break
        time.sleep(int(pause) / 1000)
    print(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
