"""Opens a page in Chromium and prints what a reader sees as one line of JSON. Runs in the container with tabs.py.

    look.py REQUEST.json

The request: {page, width, height, scheme: "light" | "dark", open: open all <details>, script, selectors, pictures:
[[from, to, file], ...], pdf: file}. The answer: errors; overflow (elements that are wider than the window or cut
off); the texts of the visible elements by selector; the script's value; the height of the page. Sizes are in pixels.
"""

import base64
import json
import sys
import tempfile
import time
from pathlib import Path

from tabs import Browser

SETTLED = 0.4
LIMIT = 30.0
HIGHEST = 40_000

# Charts are drawn when they come into view, so the program waits until all visible ones are drawn.
BUSY = (
    """[...document.querySelectorAll('.chart')].filter(c => c.checkVisibility() && c.dataset.drawn !== 'done').length"""
)
OVERFLOW = """(() => {
  const width = document.documentElement.clientWidth, faults = [];
  const name = e => [e.tagName, e.id, e.className.baseVal ?? e.className, e.textContent.trim().slice(0, 40)]
    .filter(Boolean).join(' ');
  if (document.documentElement.scrollWidth > width) faults.push('the page: ' + document.documentElement.scrollWidth);
  for (const e of document.querySelectorAll('body *')) {
    if (!e.getClientRects().length || e.closest('template, script, style')) continue;
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    const scrolls = e.parentElement.closest('.scroll, pre, select');
    if (!scrolls && (box.right > width + 1 || box.left < -1))
      faults.push(name(e) + ': ' + box.left + ' to ' + box.right);
    if (['hidden', 'clip'].includes(style.overflowX) && e.scrollWidth > e.clientWidth + 1)
      faults.push('cut off: ' + name(e) + ': ' + e.scrollWidth + ' in ' + e.clientWidth);
  }
  for (const text of document.querySelectorAll('svg text')) {
    const box = text.getBoundingClientRect(), frame = text.closest('svg').getBoundingClientRect();
    if (box.width && (box.left < frame.left - 1 || box.right > frame.right + 1))
      faults.push('cut off in its drawing: ' + name(text));
  }
  return faults.slice(0, 20);
})()"""
SEEN = """(selectors => Object.fromEntries(selectors.map(s => [s, [...document.querySelectorAll(s)]
  .filter(e => e.checkVisibility()).map(e => (e.innerText ?? e.textContent).trim())])))"""


def evaluate(browser, session, expression):
    """The value of an expression in the page; an error in it ends the program."""
    answer = browser.ask("Runtime.evaluate", session, expression=expression, returnByValue=True, awaitPromise=True)
    if "exceptionDetails" in answer:
        sys.exit(f"{expression[:200]}: {answer['exceptionDetails']}")
    return answer["result"].get("value")


def settle(browser, session, done):
    """Wait until the expression ``done`` is falsy, and a little longer."""
    end = time.monotonic() + LIMIT
    while evaluate(browser, session, done) and time.monotonic() < end:
        time.sleep(0.1)
    end = time.monotonic() + SETTLED
    while time.monotonic() < end:
        browser.messages(0.05)


def window(browser, request, height):
    """The parameters of the window's size."""
    return {"width": request["width"], "height": height, "deviceScaleFactor": 1, "mobile": request["width"] < 600}


def errors(browser):
    """The page's errors: exceptions, console errors and warnings, requests to a network."""
    messages = []
    for event in browser.events:
        params = event["params"]
        if event["method"] == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            messages.append(details.get("exception", {}).get("description") or details["text"])
        elif event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            messages.append(" ".join(str(value.get("value", value.get("description"))) for value in params["args"]))
        elif event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
            messages.append(params["entry"]["text"])
        elif event["method"] == "Network.requestWillBeSent" and params["request"]["url"].startswith("http"):
            messages.append(f"asked the network for {params['request']['url']}")
    return messages


def look(request, profile):
    """Open the page and return the answer."""
    browser = Browser(profile)
    try:
        session = browser.window(True)
        browser.ask("Log.enable", session)
        scheme = [{"name": "prefers-color-scheme", "value": request.get("scheme", "light")}]
        browser.ask("Emulation.setEmulatedMedia", session, features=scheme)
        browser.ask("Emulation.setDeviceMetricsOverride", session, **window(browser, request, request["height"]))
        browser.ask("Page.navigate", session, url=Path(request["page"]).resolve().as_uri())
        settle(browser, session, "document.readyState !== 'complete'")
        if request.get("open"):
            evaluate(browser, session, "document.querySelectorAll('details').forEach(d => { d.open = true; }), 1")
        value = evaluate(browser, session, request["script"]) if request.get("script") else None
        # A window as high as the page: all of it comes into view.
        high = min(HIGHEST, evaluate(browser, session, "document.documentElement.scrollHeight") + 50)
        browser.ask("Emulation.setDeviceMetricsOverride", session, **window(browser, request, high))
        settle(browser, session, BUSY)
        seen = evaluate(browser, session, f"{SEEN}({json.dumps(request.get('selectors', []))})")
        overflow = evaluate(browser, session, OVERFLOW)
        for begin, end, file in request.get("pictures", []):
            clip = {"x": 0, "y": begin, "width": request["width"], "height": min(end, high) - begin, "scale": 1}
            shot = browser.ask("Page.captureScreenshot", session, format="png", clip=clip)
            Path(file).write_bytes(base64.b64decode(shot["data"]))
        if request.get("pdf"):
            # As the browser's own dialog prints: paper of the style sheet, no backgrounds.
            printed = browser.ask("Page.printToPDF", session, preferCSSPageSize=True)
            Path(request["pdf"]).write_bytes(base64.b64decode(printed["data"]))
        return {"errors": errors(browser), "overflow": overflow, "texts": seen, "value": value, "height": high}
    finally:
        browser.end()


if __name__ == "__main__":
    wanted = json.loads(Path(sys.argv[1]).read_text())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        print(json.dumps(look(wanted, f"{directory}/profile")))
