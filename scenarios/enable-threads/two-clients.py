"""Two clients at nearly the same time: when each was served, had its answer, and had its page on the screen."""

from reprolab import Claim, Column, Event, InvalidTrial

from .clients import ask_both, measured, timeline

STYLED = {"PAGE": "styled"}
GUNICORN = {"SERVER": "gunicorn"}
TWO = {"FLAGS": "--master --processes 2"}
VARIANTS = {
    # Two browsers, as in the document, and a page that is only text: the document does not show its template.
    "documented": {},
    # The page has a style sheet from the same server, as a page of a real site has.
    "styled": STYLED,
    "gunicorn-styled": GUNICORN | STYLED,
    "gunicorn-styled-no-spare": GUNICORN | STYLED | {"CLIENT": "two-browsers-no-spare"},
    "http-socket-styled": STYLED | {"FRONT": "http-socket"},
    # Two windows of one browser.
    "one-browser": {"CLIENT": "one-browser"},
    "one-browser-different-urls": {"CLIENT": "one-browser-different-urls"},
    "one-browser-no-cache": {"CLIENT": "one-browser-no-cache"},
    "one-browser-styled": STYLED | {"CLIENT": "one-browser"},
    # Two processes that serve.
    "processes-2": TWO,
    "processes-2-one-browser": TWO | {"CLIENT": "one-browser"},
    # Clients without a screen.
    "raw": {"CLIENT": "raw"},
    "raw-gunicorn": GUNICORN | {"CLIENT": "raw"},
    "requests": {"CLIENT": "requests"},
    "curl": {"CLIENT": "curl"},
    # Other stacks that might hold an answer back.
    "keepalive-length-sent": {"FLAGS": "--http-keepalive", "LENGTH": "sent"},
    "after-thread": {"BEFORE": "/document/thread"},
}
TRIALS = 3

CLEAR = 1.0  # seconds before B's end; A and B end 3 s apart, so an event earlier than this belongs to A's end


def drive(stack):
    """Ask for the page in the factor BEFORE, if any; then let A and B ask."""
    before = stack.factors["BEFORE"]
    if before != "none" and (status := stack.get(before, role="app").status_code) != 200:
        raise InvalidTrial(f"GET {before}: {status}")
    seen = measured(ask_both(stack))
    if seen["B"]["began"] < seen["A"]["began"]:
        raise InvalidTrial("B was served before A: one of them was sent too late")
    return seen | {"timeline": timeline(seen)}


# -- the timeline of the report ------------------------------------------------------------------------


def zero(evidence, o):
    """0: the moments count from when A asked."""
    return 0


def events(evidence, o):
    """For each client: from its request to its answer, when it was served, and when its page was on the screen."""
    for name in ("A", "B"):
        moments = {key: o[name][key] for key in ("sent", "complete", "began", "ended", "shown")}
        at = {key: 1000 * moment for key, moment in moments.items() if moment is not None}
        if {"sent", "complete"} <= at.keys():
            yield Event(at["sent"], "note", "sent, until all was answered", f"{name} waits", at["complete"])
        yield Event(at["began"], "note", f"served by process {o[name]['pid']}", f"{name} is served", at["ended"])
        if "shown" in at:
            yield Event(at["shown"], "note", "on the screen", f"{name} is shown")


# -- triggers ----------------------------------------------------------------------------------------


def sent_meanwhile(o):
    """B's request was sent while A was being served."""
    return o["B"]["sent"] < o["A"]["ended"]


def asked_meanwhile(o):
    """B was asked for while A was being served, whether or not B's client sent the request at once."""
    return o["B"]["asked"] < o["A"]["ended"]


def styled(o):
    """B was asked for while A was being served, and A's page has a style sheet, for which A asked."""
    return asked_meanwhile(o) and any(other["path"] == "/style.css" for other in o["A"]["others"])


# -- signs -------------------------------------------------------------------------------------------


def on_screen(client):
    """When the page was first painted. Raises ValueError if the client has no screen."""
    if client["shown"] is None:
        raise ValueError("this client has no screen")
    return client["shown"]


def one_after_the_other(o):
    """The server began with B only when it was done with A."""
    return o["B"]["began"] >= o["A"]["ended"]


def before(moment, o):
    """Whether a moment is clearly before the server was done with B."""
    return moment <= o["B"]["ended"] - CLEAR


def one_process_in_turn(o):
    """One process served both, B after A, though B's request had been sent while A was being served."""
    return o["A"]["pid"] == o["B"]["pid"] and o["B"]["sent"] < o["A"]["ended"] and one_after_the_other(o)


def answer_held_back(o):
    """A has its complete answer only when the server is done with B, long after it was done with A."""
    return o["A"]["complete"] >= o["B"]["ended"] and before(o["A"]["ended"], o)


def in_turn_and_prompt(o):
    """One process, A then B, and A has its complete answer while the server is at work on B."""
    return one_process_in_turn(o) and before(o["A"]["complete"], o)


def shown_together(o):
    """A's complete answer came while the server was at work on B; on the screen it is only when B is done."""
    return before(o["A"]["complete"], o) and on_screen(o["A"]) >= o["B"]["ended"]


def shown_at_once(o):
    """A is on the screen while the server is at work on B."""
    return before(on_screen(o["A"]), o)


def browser_waits(o):
    """B was asked for long before, but its request went out only when A's answer began to come."""
    return o["B"]["sent"] >= o["A"]["first"] and o["B"]["sent"] - o["B"]["asked"] >= CLEAR


CLAIMS = [
    Claim(
        "ET-11",
        "Two clients A and B, 3 s of CPU each: one process serves A, then B.",
        sign=one_process_in_turn,
        trigger=sent_meanwhile,
        shows=["documented", "raw", "requests", "curl"],
        absent=["processes-2"],
    ),
    Claim(
        "ET-12",
        "A's response reaches its client only together with B's (about 6 s), not when A is done (3 s).",
        sign=answer_held_back,
        trigger=sent_meanwhile,
        needs_idle=True,
        shows=["documented", "styled", "raw", "requests", "curl"],
        absent=["raw-gunicorn"],
    ),
    Claim(
        "ET-14",
        "gunicorn also serves A then B in one process, but A's response arrives when A is done.",
        sign=in_turn_and_prompt,
        trigger=sent_meanwhile,
        needs_idle=True,
        shows=["gunicorn-styled", "raw-gunicorn"],
        absent=["processes-2"],
    ),
    Claim(
        "ET-25",
        "What the document saw on its screens: if the page has a style sheet from the same server, A's page appears "
        "only with B's, although A's response came when A was done, because the style sheet's request waits behind B.",
        sign=shown_together,
        trigger=styled,
        needs_idle=True,
        shows=["styled", "one-browser-styled"],
        absent=["documented", "gunicorn-styled"],
        untriggered=["documented"],
    ),
    Claim(
        "ET-26",
        "Under gunicorn the same page appears at once because A's browser had opened a spare connection before B's. "
        "The worker takes that connection in its turn, waits for a request on it, and so serves the style sheet before "
        "B. If browsers open no spare connection, A appears with B there too. uWSGI takes only connections with a "
        "request.",
        sign=shown_at_once,
        trigger=styled,
        needs_idle=True,
        shows=["gunicorn-styled"],
        absent=["gunicorn-styled-no-spare", "styled", "http-socket-styled"],
    ),
    Claim(
        "ET-27",
        "Two windows of one browser on one address are not two clients: because of its cache the browser sends B only "
        "when A's answer begins.",
        sign=browser_waits,
        trigger=asked_meanwhile,
        needs_idle=True,
        shows=["one-browser", "processes-2-one-browser"],
        absent=["documented", "one-browser-different-urls", "one-browser-no-cache"],
    ),
    Claim(
        "ET-28",
        "So in one browser the order A, then B says nothing about the server: it also appears when a second process is "
        "free.",
        sign=one_after_the_other,
        trigger=asked_meanwhile,
        shows=["processes-2-one-browser"],
        absent=["processes-2"],
    ),
]


def seconds(name, moment):
    """A function for a column: a moment of a client, in seconds since A asked."""
    return lambda o: "—" if o[name][moment] is None else f"{o[name][moment]:.2f}"


def span(name):
    """A function for a column: from when to when a client was served."""
    return lambda o: f"{o[name]['began']:.2f}–{o[name]['ended']:.2f}"


LEGEND = "timeline (█ serving, · not sent yet, ─ sent, ▒ answered but not shown, ● there)"
COLUMNS = [
    Column("A served", span("A")),
    Column("B served", span("B")),
    Column("A answered", seconds("A", "complete")),
    Column("A shown", seconds("A", "shown")),
    Column("B sent", seconds("B", "sent")),
    Column("B answered", seconds("B", "complete")),
    Column("B shown", seconds("B", "shown")),
    Column(LEGEND, lambda o: "\n" + "\n".join(o["timeline"]), note=True),
]
