"""Two pages in Chromium, the second asked for a little after the first; prints one line of JSON with what came when.

    tabs.py HOW LAG URL_A URL_B [BEFORE]

HOW is one-browser (two windows of one browser, as a user opens them), no-cache (the same with its cache off),
two-browsers (each with a profile of its own), or no-spare (two browsers that open no connection ahead of a request).
BEFORE is a page that each browser visits first. Chromium is spoken to over its debugging pipe. All times are seconds
since the epoch: the browser's own monotonic clock, moved by the difference that it tells with each request.
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
LIMIT = 25.0  # seconds for both pages
START = 20.0  # seconds for the browser to start
AFTERWARDS = 5.0  # seconds after which a page that is loaded and not painted will not be
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
    """What a user who turns off "preload pages" has in the profile."""
    default = Path(profile) / "Default"
    default.mkdir(parents=True)
    (default / "Preferences").write_text(json.dumps({"net": {"network_prediction_options": 2}}))


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self, profile, spare=True):
        if not spare:
            write_preferences(profile)
        commands, self.writing = os.pipe()
        self.reading, answers = os.pipe()
        self.buffer, self.number, self.events = b"", 0, []
        # Chromium reads commands from descriptor 3 and writes to 4, which may be in use here: so first out of the way.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (commands, answers)]

        def place():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.log = Path(f"{profile}.log").open("w+b")  # noqa: SIM115
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        # All other descriptors of Python's are closed by exec.
        self.process = subprocess.Popen(
            command, preexec_fn=place, close_fds=False, stdout=self.log, stderr=subprocess.STDOUT
        )
        for fd in (commands, answers, *high):
            os.close(fd)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.reading, selectors.EVENT_READ)

    def send(self, method, session=None, **params):
        """A command, not waiting for its answer; returns its number."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        return self.number

    def ask(self, method, session=None, **params):
        """A command and its answer; events that come before it are kept."""
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
        """What has come, waiting for it for so long."""
        if not self.selector.select(seconds):
            return []
        part = os.read(self.reading, 1 << 16)
        if not part:
            self.log.seek(0)
            sys.exit(f"chromium ended: {self.log.read()[-500:]!r}")
        *whole, self.buffer = (self.buffer + part).split(b"\0")
        found = [json.loads(message) for message in whole]
        self.events += [message for message in found if "method" in message]
        return found

    def window(self, cache):
        """A new window that tells of its requests; returns its session."""
        target = self.ask("Target.createTarget", url="about:blank", newWindow=True)["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for method in ("Network.enable", "Page.enable", "Runtime.enable"):
            self.ask(method, session)
        self.ask("Page.setLifecycleEventsEnabled", session, enabled=True)
        if not cache:
            self.ask("Network.setCacheDisabled", session, cacheDisabled=True)
        return session

    def end(self):
        """Close it, at once: nothing of its profile is kept."""
        self.process.kill()
        self.process.wait()


class Page:
    """What one window told about one navigation."""

    def __init__(self, browser, cache):
        self.browser, self.session = browser, browser.window(cache)
        self.asked = self.command = None

    def go(self, url):
        """Ask for the page."""
        self.asked = time.time()
        self.command = self.browser.send("Page.navigate", self.session, url=url)

    def events(self):
        """This window's events, as (method, parameters)."""
        return [(e["method"], e["params"]) for e in self.browser.events if e.get("sessionId") == self.session]

    def had(self, name):
        """Whether the page has come to some point of its life."""
        own = self.document()
        return own is not None and any(
            method == "Page.lifecycleEvent" and p["name"] == name and p["loaderId"] == own["loaderId"]
            for method, p in self.events()
        )

    def loaded(self):
        """Whether the page, with all that belongs to it, is there."""
        return self.had("load")

    def painted(self):
        """Whether anything of it is on the screen."""
        return self.had("firstContentfulPaint")

    def document(self):
        """The request for the page itself."""
        for method, params in self.events():
            if method == "Network.requestWillBeSent" and params["request"]["url"].startswith("http"):
                return params
        return None

    def told(self):
        """The page's times, its text, and its other requests."""
        own = self.document()
        if own is None:
            return {"asked": self.asked, "requests": []}
        shift = own["wallTime"] - own["timestamp"]
        ids = [p["requestId"] for m, p in self.events() if m == "Network.requestWillBeSent"]
        requests = [self.request(one, shift) for one in dict.fromkeys(ids)]
        paints = {
            p["name"]: p["timestamp"] + shift
            for m, p in self.events()
            if m == "Page.lifecycleEvent" and p["loaderId"] == own["loaderId"]
        }
        text = self.browser.ask(
            "Runtime.evaluate", self.session, expression="document.body ? document.body.innerText : ''"
        )
        return {
            "asked": self.asked,
            **{name: requests[0][name] for name in ("sent", "first", "complete")},
            "load": paints.get("load"),
            "shown": paints.get("firstContentfulPaint"),
            "text": text["result"].get("value", ""),
            "requests": requests,
        }

    def request(self, identifier, shift):
        """One request's times. `sent` is when its bytes went out, not when the page asked for it."""
        found = {"url": None, "asked": None, "sent": None, "first": None, "complete": None}
        for method, params in self.events():
            if params.get("requestId") != identifier:
                continue
            if method == "Network.requestWillBeSent":
                found |= {"url": params["request"]["url"], "asked": params["timestamp"] + shift}
            elif method == "Network.responseReceived" and (timing := params["response"].get("timing")):
                zero = timing["requestTime"] + shift
                found["sent"] = zero + timing["sendStart"] / 1000
                found["first"] = zero + (timing.get("receiveHeadersStart") or timing["receiveHeadersEnd"]) / 1000
                found["headers"] = {k.lower(): v for k, v in params["response"]["headers"].items()}
                found |= {"connection": params["response"]["connectionId"], "opened": opened(timing, zero)}
            elif method == "Network.loadingFinished":
                found["complete"] = params["timestamp"] + shift
            elif method == "Network.loadingFailed":
                found["failed"] = params["errorText"]
        return found


def opened(timing, zero):
    """When the request's connection was begun; None if it was there already, opened ahead or used before."""
    return zero + timing["connectStart"] / 1000 if timing["connectStart"] >= 0 else None


def listen(browsers, seconds, done=lambda: False):
    """Hear the browsers for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not done():
        for browser in browsers:
            browser.messages(0.01)


def visit(browser, url):
    """Load a page and leave it, so that the browser knows the site."""
    page = Page(browser, True)
    page.go(url)
    listen([browser], LIMIT, page.loaded)
    listen([browser], AFTERWARDS, page.painted)


def main():
    """Open, wait, tell."""
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
            listen(browsers, AFTERWARDS, lambda: all(page.painted() for page in pages))
            version = browsers[0].ask("Browser.getVersion")["product"]
            print(json.dumps({"version": version, "A": pages[0].told(), "B": pages[1].told()}))
        finally:
            for browser in browsers:
                browser.end()


if __name__ == "__main__":
    main()
