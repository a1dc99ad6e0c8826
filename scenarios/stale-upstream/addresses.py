"""The server behind nginx gets another address: who answers from then on, and what ends it."""

import time

from reprolab import Claim, Column, logs, wait_until

LOOKED_UP_AGAIN = "127.0.0.11 valid=1s"
VARIANTS = {
    "documented": {},
    "restarted": {"CHANGE": "restart"},
    "resolver": {"RESOLVER": LOOKED_UP_AGAIN},
    "resolver-alone": {"RESOLVER": "127.0.0.11"},
    "swapped": {"CHANGE": "swap"},
    "swapped-resolver": {"CHANGE": "swap", "RESOLVER": LOOKED_UP_AGAIN},
}
TRIALS = 3
PARALLEL = True

ASKED = 5
WATCH = 15  # seconds from the moment when the server serves at its new address
EVERY = 0.5
LAST = 10  # of the answers in WATCH: the last 5 s
RELOADED = 10  # seconds in which a reload is to show
DIRECT = "exec 3<>/dev/tcp/$0/8000 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && tail -n 1 <&3"


def drive(stack):
    """Change the server's address, watch the answers through nginx; reload nginx, and ask again."""
    before = [ask(stack) for _ in range(ASKED)]
    addresses = {"before": resolved(stack)}
    change(stack)
    wait_until("the server answers at its own address", lambda: direct(stack) == "app", 60)
    addresses["after"] = resolved(stack)
    watched, end = [], time.monotonic() + WATCH
    since_ns = time.time_ns()
    while time.monotonic() < end:
        watched.append(ask(stack))
        time.sleep(EVERY)
    seen = {
        "before": before,
        "addresses": addresses,
        "since_ns": since_ns,
        "watched": watched,
        "direct": direct(stack),
    }
    stack.execute("proxy", ["nginx", "-s", "reload", "-c", "/srv/proxy/nginx.conf"])
    # For a moment the worker from before the reload may still answer.
    reloaded, end = [], time.monotonic() + RELOADED
    while reloaded[-ASKED:] != ["app"] * ASKED and time.monotonic() < end:
        reloaded.append(ask(stack))
        time.sleep(EVERY / ASKED)
    return seen | {"reloaded": reloaded[-ASKED:]}


def change(stack):
    """What the variant does to the server."""
    if stack.factors["CHANGE"] == "recreate":
        stack.recreate("app")
    elif stack.factors["CHANGE"] == "restart":
        stack.restart("app")
    else:
        # As in the document: both stop, and the other one is first to take an address.
        stack.stop("other")
        stack.stop("app")
        stack.start("other", limit=2)
        stack.start("app", limit=2)
        wait_until("the other service answers", lambda: direct(stack, "other") == "other", 60)


def ask(stack):
    """One request through nginx: who answered, or the status."""
    answer = stack.get("/", timeout=30)
    return answer.text if answer.ok else str(answer.status_code)


def resolved(stack):
    """Service -> the address to which its name resolves in nginx's container; "" if it does not."""
    roles = ["app", "other"] if stack.factors["CHANGE"] == "swap" else ["app"]
    return {
        role: (stack.execute("proxy", ["getent", "hosts", f"stale-upstream-{role}"])[1].split() or [""])[0]
        for role in roles
    }


def direct(stack, role="app"):
    """Who answers in nginx's container at the address to which the name resolves now."""
    return stack.execute("proxy", ["bash", "-c", DIRECT, f"stale-upstream-{role}"])[1].strip()


def observe(evidence, driven):
    """To which addresses nginx could not connect while the answers were watched."""
    errors = logs.nginx_errors(evidence.streams("proxy"), driven["since_ns"])
    return driven | {"failed_at": sorted({error.upstream for error in errors if error.upstream})}


# -- triggers and signs: pure functions of one observation ---------------------------------------


def moved(o):
    """The server answered before, has another address now, and answers there; its name resolves to the new address."""
    addresses = o["addresses"]
    return (
        set(o["before"]) == {"app"}
        and o["direct"] == "app"
        and bool(addresses["after"]["app"])
        and addresses["after"]["app"] != addresses["before"]["app"]
    )


def swapped(o):
    """The server has moved, and another service has the address that it had."""
    return moved(o) and o["addresses"]["after"].get("other") == o["addresses"]["before"]["app"]


def lost(o):
    """Every request in the time of the watch got 502."""
    return set(o["watched"]) == {"502"}


def found_again(o):
    """The server answered every request in the last seconds of the watch."""
    return set(o["watched"][-LAST:]) == {"app"}


def reload_ends_it(o):
    """The last requests before the reload did not reach the server, those after it did."""
    return "app" not in o["watched"][-LAST:] and set(o["reloaded"]) == {"app"}


def handed_over(o):
    """Every request in the time of the watch was answered by the other service."""
    return set(o["watched"]) == {"other"}


CLAIMS = [
    Claim(
        "SU-1",
        "nginx looks up the name of its upstream once. When the server gets another address, every request gets"
        " 502, though the server runs and its name resolves to the new address.",
        sign=lost,
        trigger=moved,
        shows=["documented"],
        absent=["resolver", "restarted"],
        untriggered=["restarted"],
    ),
    Claim(
        "SU-2",
        "With a resolver, the name in a variable and valid=1s nginx finds the server at its new address.",
        sign=found_again,
        trigger=moved,
        shows=["resolver", "swapped-resolver"],
        absent=["documented", "swapped"],
    ),
    Claim(
        "SU-3",
        "A reload of nginx ends it.",
        sign=reload_ends_it,
        trigger=moved,
        shows=["documented", "swapped"],
        absent=["resolver"],
    ),
    Claim(
        "SU-4",
        "A resolver and a variable alone do not help soon: the engine's answers are valid for 600 s, and nginx"
        " keeps them.",
        sign=lost,
        trigger=moved,
        shows=["resolver-alone"],
        absent=["resolver"],
    ),
    Claim(
        "SU-5",
        "When another service has got the old address, nginx hands it the requests.",
        sign=handed_over,
        trigger=swapped,
        shows=["swapped"],
        absent=["swapped-resolver"],
    ),
]


def who(answers):
    """The answers, counted."""
    return ", ".join(f"{answers.count(word)} {word}" for word in sorted(set(answers)))


COLUMNS = [
    Column("address", lambda o: "another" if moved(o) else "the same"),
    Column("15 s after it", lambda o: who(o["watched"])),
    Column("nginx reloaded", lambda o: who(o["reloaded"])),
    Column("nginx failed at", lambda o: " ".join(o["failed_at"]) or None, note=True),
]
