"""Two clients, A and B, that ask the same server at nearly the same time, for each kind of client."""

import http.client
import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import requests
from reprolab import InvalidTrial

PATH = "/document/cpu"
LAG = 0.5  # seconds between A and B
LIMIT = 25.0  # seconds for both
BROWSER_LIMIT = 90.0  # seconds for both, with two browsers that start and end on a busy machine
INSIDE = "http://enable-threads-app:8000"  # the server, for clients in a container of their own
ANSWER = re.compile(r"process (\d+) computed from ([\d.]+) to ([\d.]+)")
# Value of CLIENT -> the mode of tabs.py in images/chromium, and the ends of the two addresses.
BROWSERS = {
    "two-browsers": ("two-browsers", "", ""),
    "two-browsers-no-spare": ("no-spare", "", ""),
    "one-browser": ("one-browser", "", ""),
    "one-browser-different-urls": ("one-browser", "?a", "?b"),
    "one-browser-no-cache": ("no-cache", "", ""),
}


def ask_both(stack):
    """Let A and B ask, as the factor CLIENT says. Returns each one's times, in seconds since the epoch, and text."""
    client = stack.factors["CLIENT"]
    if client in BROWSERS:
        return browsers(stack, *BROWSERS[client])
    if client == "curl":
        return run_in_browser(stack, ["python3", "/srv/curls.py", str(LAG), INSIDE + PATH, INSIDE + PATH], LIMIT + 5)
    if client in AT_HAND:
        return side_by_side(AT_HAND[client], stack.url(PATH, role="app"))
    raise InvalidTrial(f"CLIENT is {client!r}, not one of {', '.join([*BROWSERS, *AT_HAND, 'curl'])}")


def browsers(stack, how, *ends):
    """Let A and B ask from two windows of Chromium."""
    command = ["python3", "/srv/tabs.py", how, str(LAG), *(INSIDE + PATH + end for end in ends)]
    return run_in_browser(stack, command, BROWSER_LIMIT)


def run_in_browser(stack, command, limit):
    """Run a command in the browser's container and return the line of JSON that it printed."""
    code, printed = stack.execute("browser", command, limit=limit)
    if code:
        raise InvalidTrial(f"{command[1]} failed with {code}: {printed[-500:]}")
    return json.loads(printed.splitlines()[0])


def side_by_side(ask, url):
    """Let A ask, and a little later B, from this machine."""
    with ThreadPoolExecutor(2) as pool:
        a = pool.submit(ask, url)
        time.sleep(LAG)
        b = pool.submit(ask, url)
        return {"version": ask.__name__, "A": a.result(), "B": b.result()}


def raw(url):
    """Ask over a bare socket: when the first byte came, the last byte, and the end of the connection."""
    parts, moments = urlsplit(url), []
    asked, received = time.time(), b""
    with socket.create_connection((parts.hostname, parts.port), timeout=LIMIT) as connection:
        request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.hostname}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        sent = time.time()
        while part := connection.recv(65536):
            moments.append(time.time())
            received += part
        closed = time.time()
    if not moments:
        raise InvalidTrial("the server closed the connection without an answer")
    text = received.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")
    # The body is complete with its last byte, whether the answer has a length or not.
    return {"asked": asked, "sent": sent, "first": moments[0], "complete": moments[-1], "closed": closed, "text": text}


def with_requests(url):
    """Ask with the library requests: when it had the headers, and when it took the body for complete."""
    asked = time.time()
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(url, timeout=LIMIT, stream=True)
            first, text = time.time(), answer.text
    except (requests.RequestException, http.client.HTTPException) as error:
        raise InvalidTrial(f"requests: {error}") from error
    return {"asked": asked, "sent": asked, "first": first, "complete": time.time(), "text": text}


AT_HAND = {"raw": raw, "requests": with_requests}


# -- one clock ---------------------------------------------------------------------------------------


def served(text):
    """Who served, and from when to when, as the page says. Raises InvalidTrial if it is another page."""
    match = ANSWER.search(text)
    if not match:
        raise InvalidTrial(f"a client got another page: {text[:80]!r}")
    return {"pid": int(match[1]), "began": float(match[2]), "ended": float(match[3])}


def since(zero, client):
    """A client's times in seconds since A asked."""
    names = ("asked", "sent", "first", "complete", "closed", "shown", "began", "ended")
    moments = {name: None if client.get(name) is None else round(client[name] - zero, 3) for name in names}
    others = [
        {key: None if r.get(key) is None else round(r[key] - zero, 3) for key in ("asked", "sent", "complete")}
        | {"path": urlsplit(r["url"]).path, "ahead": r.get("opened") is None}
        for r in client.get("requests", [])[1:]
    ]
    return {"pid": client["pid"], **moments, "others": others}


def measured(both):
    """The times of both clients on one clock: seconds since A asked."""
    for name in "AB":
        if both[name].get("complete") is None:
            raise InvalidTrial(f"{name} has no complete answer within {LIMIT:g} s")
        both[name] |= served(both[name]["text"])
    zero = both["A"]["asked"]
    return {"version": both["version"], **{name: since(zero, both[name]) for name in "AB"}}


# -- for a reader ------------------------------------------------------------------------------------

STEP = 0.125  # seconds for each character


def timeline(o):
    """For each client a line of the server and one of the client; each character is an eighth of a second."""
    end = max(value for name in "AB" for value in o[name].values() if isinstance(value, float))
    width = int(end / STEP) + 2
    ruler = "".join(f"{second}s".ljust(int(1 / STEP)) for second in range(int(end) + 1))
    lines = [f"{'':10}{ruler}"]
    for name in "AB":
        lines.append(f"{name + ' server':10}{bar(width, o[name]['began'], o[name]['ended'])}".rstrip())
        lines.append(f"{name + ' client':10}{client_bar(width, o[name])}".rstrip())
    return lines


def bar(width, begun, ended):
    """The line of the server: when it was at work on a request."""
    cells = [" "] * width
    for cell in range(int(begun / STEP), max(int(begun / STEP) + 1, int(ended / STEP))):
        cells[cell] = "█"
    return "".join(cells)


def client_bar(width, client):
    """The line of a client: · not sent yet, ─ sent, ▒ answered but not shown, ● complete or on the screen."""
    cells = [" "] * width
    last = client["complete"] if client["shown"] is None else max(client["shown"], client["complete"])
    for cell in range(int(client["asked"] / STEP), int(last / STEP) + 1):
        moment = cell * STEP
        sent, complete = client["sent"] - STEP, client["complete"]
        cells[cell] = "·" if moment < sent else "─" if moment < complete else "▒"
    cells[int(last / STEP)] = "●"
    return "".join(cells)
