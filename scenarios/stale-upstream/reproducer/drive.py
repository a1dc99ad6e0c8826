"""Lets two services swap their addresses, and asks nginx who answers.

It runs in the network of nginx. Exit status: 10 if nginx hands every request to the other service, 11 if not, any other
if this cannot be told.
"""

import http.client
import os
import socket
import sys
import time

SHOWS, ABSENT, UNTOLD = 10, 11, 12
LIMIT = 60.0  # seconds
ASKED, WATCH, EVERY = 5, 10.0, 0.5


class Untold(Exception):
    """Nobody can tell whether the sign shows; the message says why."""


def drive():
    """Swap the addresses, and return whether every request through nginx goes to the other service."""
    if os.environ["CHANGE"] != "swap":
        raise Untold("this drive only swaps addresses")
    wait("nginx answers", lambda: through_nginx() == "app")
    before = [through_nginx() for _ in range(ASKED)]
    old = addresses()
    for command in ("@stop other 10", "@stop app 10", "@start other", "@start app"):
        order(command)
    for name in ("app", "other"):
        wait(f"{name} answers at its own address", lambda name=name: ask(name, 8000) == name)
    new = addresses()
    print(f"app had {old['app']} and has {new['app']}, other has {new['other']}")
    if set(before) != {"app"} or new["app"] == old["app"] or new["other"] != old["app"]:
        raise Untold("the addresses were not swapped")
    answers, end = [], time.monotonic() + WATCH
    while time.monotonic() < end:
        answers.append(through_nginx())
        time.sleep(EVERY)
    counts = ", ".join(f"{answers.count(word)} x {word}" for word in sorted(set(answers)))
    print(f"who answered through nginx in {WATCH:g} s after that: {counts}")
    if addresses() != new or ask("app", 8000) != "app":
        raise Untold("the server did not stay at its address")
    return set(answers) == {"other"}


def addresses():
    """Return the addresses to which the names of the two services resolve."""
    return {name: socket.gethostbyname(name) for name in ("app", "other")}


def order(command):
    """Have run.sh stop or start a service."""
    print(command, flush=True)
    answer = sys.stdin.readline().split()
    if not answer or (command.startswith("@start") and answer != ["0"]):
        raise Untold(f"{command}: {' '.join(answer) or 'no answer'}")


def wait(what, look):
    """Wait until `look()` is true. Raises Untold after LIMIT."""
    end = time.monotonic() + LIMIT
    while not look():
        if time.monotonic() > end:
            raise Untold(f"{what}: not within {LIMIT:g} s")
        time.sleep(0.2)


def through_nginx():
    """Send one request to nginx."""
    return ask("127.0.0.1", 18080)


def ask(host, port):
    """Send one request; return who answered, the status if it is not 200, or the error."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        text = answer.read().decode()
        return text if answer.status == 200 else str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


if __name__ == "__main__":
    try:
        sys.exit(SHOWS if drive() else ABSENT)
    except (Untold, OSError) as error:
        print(f"could not tell: {error}")
        sys.exit(UNTOLD)
