"""nginx sets the header SCRIPT_NAME: what does the application get, and what if somebody else sets it?"""

import json
import re

from reprolab import Claim, Column

LATER = ["23.0.0", "24.1.1", "25.3.0", "26.1.0", "27.0.1"]
OTHER = {"UPSTREAM": "script-name-proxy:8000"}  # nginx comes from an address that is not 127.0.0.1.
UNIX = {"UPSTREAM": "unix:/run/lab/gunicorn.sock"}
NEWEST = {"GUNICORN": "27.0.1"}
NETWORKS = {"OPTIONS": "--forwarded-allow-ips=10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"}
VARIANTS = {
    "documented": {},
    **{f"gunicorn-{release}": {"GUNICORN": release} for release in ("20.1.0", "21.2.0", *LATER)},
    # Settings of 22.0.0.
    "dangerous": {"OPTIONS": "--header-map=dangerous"},
    "refuse": {"OPTIONS": "--header-map=refuse"},
    "unix": UNIX,
    "static": {"STATIC": "/shop"},
    # forwarded_allow_ips of later releases: the address of the proxy.
    **{f"{release}-other": OTHER | {"GUNICORN": release} for release in LATER},
    "27.0.1-unix": UNIX | NEWEST,
    "27.0.1-any": OTHER | NEWEST | {"OPTIONS": "--forwarded-allow-ips=*"},
    "27.0.1-networks": OTHER | NEWEST | NETWORKS,
    "24.1.1-networks": OTHER | NETWORKS | {"GUNICORN": "24.1.1"},
    # forwarder_headers: the name of the header.
    "27.0.1-list": NEWEST | {"OPTIONS": "--forwarder-headers=REMOTE_USER"},
    "27.0.1-user": NEWEST | {"EXTRA": "REMOTE_USER: alice"},
    "27.0.1-user-list": NEWEST
    | {"EXTRA": "REMOTE_USER: alice", "OPTIONS": "--forwarder-headers=SCRIPT_NAME,PATH_INFO,REMOTE_USER"},
    # header_map: all other headers with an underscore.
    "27.0.1-refuse": NEWEST | {"OPTIONS": "--header-map=refuse"},
    "27.0.1-other-refuse": OTHER | NEWEST | {"OPTIONS": "--header-map=refuse"},
    "27.0.1-other-dangerous": OTHER | NEWEST | {"OPTIONS": "--header-map=dangerous"},
    # The cause: corrected in the release that has it, and undone in releases without it.
    "excepted": {"PATCH": "excepted"},
    "23.0.0-unexcepted": {"GUNICORN": "23.0.0", "PATCH": "unexcepted"},
    "27.0.1-unexcepted": NEWEST | {"PATCH": "unexcepted"},
}
TRIALS = 3
PARALLEL = True

PATH = "/shop/item"
REQUEST = b"GET /shop/item HTTP/1.1\r\nHost: app\r\nSCRIPT_NAME: /shop\r\nConnection: close\r\n\r\n"


def drive(stack):
    """A request through nginx, and one of a stranger with the same header, from an address that is not 127.0.0.1."""
    answer = stack.get(PATH)
    with stack.connect("proxy", host="script-name-proxy", port=8000) as client:
        client.send(REQUEST)
        outcome = client.outcome()
    proxied = answer.json() if answer.ok else {}
    stranger = json.loads(outcome.body) if outcome.status == 200 else {}
    return {
        "extra": stack.factors["EXTRA"],
        "status": answer.status_code,
        "proxied": proxied,
        "stranger": stranger,
        "stranger_got": str(outcome),
    }


def observe(evidence, driven):
    """The headers in question that nginx sent to gunicorn, as its log has them."""
    text = b"\n".join(evidence.streams("proxy")).decode("utf-8", "replace")
    return driven | {"sent": sorted(set(re.findall(r"Z ((?:SCRIPT_NAME|REMOTE_USER|X-Lab): \S+)", text)))}


# -- triggers and signs: pure functions of one observation ---------------------------------------


def sent(o):
    """nginx sent SCRIPT_NAME to gunicorn, and the other header of the variant."""
    return o["sent"] == sorted(["SCRIPT_NAME: /shop", o["extra"]])


def lost(o):
    """The application has an empty SCRIPT_NAME, and the whole path in PATH_INFO."""
    return (o["proxied"].get("SCRIPT_NAME"), o["proxied"].get("PATH_INFO")) == ("", PATH)


def passed(o):
    """The application has the proxy's SCRIPT_NAME, and the rest of the path in PATH_INFO."""
    return (o["proxied"].get("SCRIPT_NAME"), o["proxied"].get("PATH_INFO")) == ("/shop", "/item")


def passed_once(o):
    """The same, and there is no HTTP_SCRIPT_NAME beside it."""
    return passed(o) and o["proxied"]["HTTP_SCRIPT_NAME"] is None


def user_passed(o):
    """The application has the proxy's REMOTE_USER, as HTTP_REMOTE_USER."""
    return o["proxied"].get("HTTP_REMOTE_USER") == "alice"


def refused(o):
    """nginx's request got 400."""
    return o["status"] == 400


def stranger_believed(o):
    """The application has a SCRIPT_NAME that somebody sent who is not the proxy, from an address of the network."""
    seen = o["stranger"]
    return seen.get("SCRIPT_NAME") == "/shop" and seen["REMOTE_ADDR"] not in (None, "", "127.0.0.1")


def claim(number, text, sign, shows, absent):
    """A claim on a sign, where nginx sent its headers."""
    return Claim(f"SN-{number}", text, sign=sign, trigger=sent, shows=shows.split(), absent=absent.split())


KEPT = " ".join(f"gunicorn-{release}" for release in LATER)
CLAIMS = [
    claim(
        1,
        "The header SCRIPT_NAME of the proxy is dropped by default in 22.0.0, and was not in 21.2.0.",
        lost,
        "documented",
        "gunicorn-20.1.0 gunicorn-21.2.0",
    ),
    claim(2, "--header-map dangerous brings it back in 22.0.0.", passed, "dangerous", "documented refuse"),
    claim(
        3,
        "The header is never added as HTTP_SCRIPT_NAME, so an exception for it conflicts with no other header.",
        passed_once,
        "gunicorn-20.1.0 gunicorn-21.2.0",
        "documented",
    ),
    claim(4, "23.0.0 and later take it from allowed forwarders.", passed, KEPT, "documented 23.0.0-other"),
    claim(
        5,
        "By default only this machine is one: from a proxy with another address they drop it, as 22.0.0 does.",
        lost,
        " ".join(f"{release}-other" for release in LATER),
        KEPT,
    ),
    claim(
        6,
        "forwarded_allow_ips decides that; a Unix socket is always allowed, and networks can be given from 24.1.1 on.",
        passed,
        "27.0.1-any 27.0.1-networks 24.1.1-networks 27.0.1-unix",
        "27.0.1-other unix",
    ),
    claim(7, "A forwarder_headers of one's own replaces the default list.", lost, "27.0.1-list", "gunicorn-27.0.1"),
    claim(
        8,
        "Another header with an underscore, such as REMOTE_USER, must be added to that list.",
        user_passed,
        "27.0.1-user-list",
        "27.0.1-user",
    ),
    claim(
        9,
        "header_map decides on the other headers: with refuse such a request gets 400.",
        refused,
        "refuse 27.0.1-other-refuse",
        "27.0.1-refuse 27.0.1-other",
    ),
    claim(
        10,
        "header_map=dangerous and forwarded_allow_ips=* take the header from everybody, as 21.2.0 did.",
        stranger_believed,
        "dangerous 27.0.1-other-dangerous 27.0.1-any gunicorn-21.2.0",
        "gunicorn-27.0.1 27.0.1-unix",
    ),
    claim(11, "A SCRIPT_NAME in gunicorn's own environment works in 22.0.0.", passed, "static", "documented"),
    claim(
        12,
        "The cause: 22.0.0 drops every header with an underscore; 23.0.0 excepts those of forwarder_headers. With an "
        "exception 22.0.0 keeps it, without one 23.0.0 and 27.0.1 drop it.",
        lost,
        "documented 23.0.0-unexcepted 27.0.1-unexcepted",
        "excepted gunicorn-23.0.0 gunicorn-27.0.1",
    ),
]

FROM = {None: None, "127.0.0.1": "127.0.0.1", "": "socket"}
COLUMNS = [
    Column("status", lambda o: str(o["status"])),
    Column("from", lambda o: FROM.get(o["proxied"].get("REMOTE_ADDR"), "network")),
    Column("SCRIPT_NAME", lambda o: o["proxied"].get("SCRIPT_NAME")),
    Column("PATH_INFO", lambda o: o["proxied"].get("PATH_INFO")),
    Column("REMOTE_USER", lambda o: o["proxied"].get("HTTP_REMOTE_USER")),
    Column("a stranger's", lambda o: o["stranger"].get("SCRIPT_NAME", o["stranger_got"])),
]
