"""Open two pages in Chromium, the second LAG seconds after the first; print the times of both as one line of JSON.

    tabs.py HOW LAG URL_A URL_B [BEFORE]

HOW is one-browser (two windows of one browser, as a user opens them), no-cache (the same with its cache off),
two-browsers (each with its own profile), or no-spare (two browsers that open no connection ahead of a request).
BEFORE is a page that each browser visits first. The program controls Chromium over its debugging pipe. All times are
in seconds since the epoch: the browser's monotonic clock plus the difference that it reports with each request.
"""

import fcntl
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOW = ("one-browser", "no-cache", "two-browsers", "no-spare")
# Seconds.
LIMIT = 25.0  # for both pages
START = 20.0  # for the browser to start
PAINT_LIMIT = 5.0  # from a page's load to its first paint
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--remote-debugging-pipe",
)


def write_preferences(profile):
    """Turn off "preload pages" in a new profile, as a user can."""
    default = Path(profile) / "Default"
    default.mkdir(parents=True)
    (default / "Preferences").write_text(json.dumps({"net": {"network_prediction_options": 2}}))


class Browser:
    """One Chromium with its own profile."""

    def __init__(self, profile, spare=True):
        if not spare:
            write_preferences(profile)
        commands, self.writing = os.pipe()
        self.reading, answers = os.pipe()
        self.buffer, self.number, self.events = b"", 0, []
        # Chromium reads commands from descriptor 3 and writes to 4. Both may be in use, so the pipes get high numbers.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (commands, answers)]

        def place():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.log = Path(f"{profile}.log").open("w+b")  # noqa: SIM115
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        # exec closes Python's other descriptors.
        self.process = subprocess.Popen(
            command, preexec_fn=place, close_fds=False, stdout=self.log, stderr=subprocess.STDOUT
        )
        for fd in (commands, answers, *high):
            os.close(fd)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.reading, selectors.EVENT_READ)

    def send(self, method, session=None, **params):
        """Send a command and do not wait for its answer. Return the number of the command."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        return self.number

    def ask(self, method, session=None, **params):
        """Send a command and return its answer. Keep the events that arrive before the answer."""
        wanted, end = self.send(method, session, **params), time.monotonic() + START
        while time.monotonic() < end:
            for message in self.messages(0.1):
                if message.get("id") == wanted:
                    if "error" in message:
                        sys.exit(f"{method}: {message['error']}")
                    return message["result"]
        self.log.seek(0)
        sys.exit(f"{method}: no answer in {START:g} s; {self.log.read()[-500:]!r}")

    def messages(self, seconds):
        """Return the messages that have arrived, and keep the events. Wait up to ``seconds`` for the first one."""
        if not self.selector.select(seconds):
            return []
        part = os.read(self.reading, 1 << 16)
        if not part:
            self.log.seek(0)
            sys.exit(f"chromium ended: {self.log.read()[-500:]!r}")
        *whole, self.buffer = (self.buffer + part).split(b"\0")
        messages = [json.loads(message) for message in whole]
        self.events += [message for message in messages if "method" in message]
        return messages

    def window(self, cache):
        """Open a window that reports its requests. Return its session."""
        target = self.ask("Target.createTarget", url="about:blank", newWindow=True)["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for method in ("Network.enable", "Page.enable", "Runtime.enable"):
            self.ask(method, session)
        self.ask("Page.setLifecycleEventsEnabled", session, enabled=True)
        if not cache:
            self.ask("Network.setCacheDisabled", session, cacheDisabled=True)
        return session

    def end(self):
        """Kill the browser. Its profile is not kept."""
        self.process.kill()
        self.process.wait()


class Page:
    """One navigation of one window, with its events."""

    def __init__(self, browser, cache):
        self.browser, self.session = browser, browser.window(cache)
        self.asked = self.command = None

    def go(self, url):
        """Request the page."""
        self.asked = time.time()
        self.command = self.browser.send("Page.navigate", self.session, url=url)

    def events(self):
        """Return the events of this window, as (method, parameters)."""
        return [(e["method"], e["params"]) for e in self.browser.events if e.get("sessionId") == self.session]

    def reached(self, name):
        """Return whether the page has reached this point of its life cycle."""
        document = self.document()
        return document is not None and any(
            method == "Page.lifecycleEvent" and p["name"] == name and p["loaderId"] == document["loaderId"]
            for method, p in self.events()
        )

    def loaded(self):
        """Return whether the page and all its resources are loaded."""
        return self.reached("load")

    def painted(self):
        """Return whether a part of the page has been painted."""
        return self.reached("firstContentfulPaint")

    def document(self):
        """Return the event of the request for the page itself; None before the request was sent."""
        for method, params in self.events():
            if method == "Network.requestWillBeSent" and params["request"]["url"].startswith("http"):
                return params
        return None

    def result(self):
        """Return the times of the page, its text and all its requests."""
        document = self.document()
        if document is None:
            return {"asked": self.asked, "requests": []}
        shift = document["wallTime"] - document["timestamp"]
        ids = [p["requestId"] for method, p in self.events() if method == "Network.requestWillBeSent"]
        requests = [self.request(identifier, shift) for identifier in dict.fromkeys(ids)]
        points = {
            p["name"]: p["timestamp"] + shift
            for method, p in self.events()
            if method == "Page.lifecycleEvent" and p["loaderId"] == document["loaderId"]
        }
        text = self.browser.ask(
            "Runtime.evaluate", self.session, expression="document.body ? document.body.innerText : ''"
        )
        return {
            "asked": self.asked,
            **{name: requests[0][name] for name in ("sent", "first", "complete")},
            "load": points.get("load"),
            "shown": points.get("firstContentfulPaint"),
            "text": text["result"].get("value", ""),
            "requests": requests,
        }

    def request(self, identifier, shift):
        """Return the times of one request. `asked`: the page requested it; `sent`: the browser sent its bytes."""
        times = {"url": None, "asked": None, "sent": None, "first": None, "complete": None}
        for method, params in self.events():
            if params.get("requestId") != identifier:
                continue
            if method == "Network.requestWillBeSent":
                times |= {"url": params["request"]["url"], "asked": params["timestamp"] + shift}
            elif method == "Network.responseReceived" and (timing := params["response"].get("timing")):
                zero = timing["requestTime"] + shift
                times["sent"] = zero + timing["sendStart"] / 1000
                times["first"] = zero + (timing.get("receiveHeadersStart") or timing["receiveHeadersEnd"]) / 1000
                times["headers"] = {k.lower(): v for k, v in params["response"]["headers"].items()}
                times |= {"connection": params["response"]["connectionId"], "opened": opened(timing, zero)}
            elif method == "Network.loadingFinished":
                times["complete"] = params["timestamp"] + shift
            elif method == "Network.loadingFailed":
                times["failed"] = params["errorText"]
        return times


def opened(timing, zero):
    """Return when the browser began to open the connection; None if the connection existed before the request."""
    return zero + timing["connectStart"] / 1000 if timing["connectStart"] >= 0 else None


def listen(browsers, seconds, done=lambda: False):
    """Read the messages of the browsers for ``seconds``, or until ``done()`` is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not done():
        for browser in browsers:
            browser.messages(0.01)


def visit(browser, url):
    """Load a page, so that the browser knows the site."""
    page = Page(browser, True)
    page.go(url)
    listen([browser], LIMIT, page.loaded)
    listen([browser], PAINT_LIMIT, page.painted)


def main():
    """Open both pages, wait for them, and print their results."""
    how, lag, *urls = sys.argv[1:]
    before = urls[2:]
    if how not in HOW:
        sys.exit(f"HOW is one of {', '.join(HOW)}; got {how!r}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        two = how in ("two-browsers", "no-spare")
        browsers = [Browser(f"{directory}/{number}", how != "no-spare") for number in range(1 + two)]
        try:
            pages = [Page(browsers[number % len(browsers)], how != "no-cache") for number in range(2)]
            for url in before:
                for browser in browsers:
                    visit(browser, url)
            listen(browsers, 0.5)
            pages[0].go(urls[0])
            listen(browsers, float(lag))
            pages[1].go(urls[1])
            listen(browsers, LIMIT - float(lag), lambda: all(page.loaded() for page in pages))
            listen(browsers, PAINT_LIMIT, lambda: all(page.painted() for page in pages))
            version = browsers[0].ask("Browser.getVersion")["product"]
            print(json.dumps({"version": version, "A": pages[0].result(), "B": pages[1].result()}))
        finally:
            for browser in browsers:
                browser.end()


if __name__ == "__main__":
    main()
