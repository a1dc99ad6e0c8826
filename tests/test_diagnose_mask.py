"""Nothing private of a log is in an answer: each line here has something that must not be shown, marked by its name."""

from __future__ import annotations

import pytest
from reprolab.bugreport.redact import masker
from reprolab.diagnose.mask import masked

PRIVATE = [
    "Authorization: Bearer priv123+/456=",
    "{'authorization': 'Basic priv123'}",
    "Cookie: sid=priv; csrftoken=priv",
    "Set-Cookie: lang=priv; Path=/",
    "X-Api-Key: priv",
    '"password": "priv with priv"',
    "password='priv priv",
    '{"db_pass":"priv","pwd":"priv"}',
    "env: {'SECRET_KEY': 'priv-a priv', 'USER': 'priv'}",
    "PGPASSWORD=priv PASS=priv DB_PWD=priv MY_DSN=priv dbPassword=priv",
    "--password priv --api-key priv -token priv",
    "passphrase: \"priv priv priv\"",
    "curl -u me:priv https://priv.example/priv",
    "the key AKIAPRIV567890123456 of the store",
    "sent ghp_privprivprivprivpriv123456",
    "token eyJpriv1234567.eyJpriv12345.priv",
    "session privprivprivpriv0123456789abcdef ended",
    "-----BEGIN RSA PRIVATE KEY-----\\nMIIpriv",
    "postgres://me:priv@priv/priv@db.priv.example:5432/priv",
    "https://priv0123456789abcdef@o1.ingest.example/42",
    "GET https://api.priv.example/priv/4711?a=priv#priv failed",
    "Internal Server Error: /priv/?next=priv&uid=priv",
    "Error handling request /priv?sig=priv",
    'FATAL: password authentication failed for user "priv"',
    "Access denied for user 'priv'@'priv'",
    "uid=1000(priv) gid=1000(priv)",
    "host=priv user=priv dbname=shop",
    'could not translate host name "priv" to address',
    "connecting to redis.priv.internal:6379.",
    "priv-1.kafka.svc.priv.local is down; smtp.priv.com:587 too",
    "mail for priv@localhost and priv+x@priv.example",
    "open '/home/priv/My priv/priv.txt'",
    r"C:\Users\priv\priv.py and \\priv\share\priv",
    "~priv/app.py",
    "Mar  3 10:11:12.123456 priv gunicorn[12]: hello",
    "Sun 2026-03-03 10:11:12 CEST priv gunicorn[12]: hello",
    "2026-03-03T10:11:12.123456+02:00 priv gunicorn[12]: hello",
    "<34>1 2026-03-03T10:11:12Z priv.example gunicorn 123 - - hello",
    "urn:b'priv'",
]  # fmt: skip
KEPT = [
    "[2026-03-02 07:31:09 +0000] [14] [INFO] Autorestarting worker after current request.",
    "KeyError: 'message'",
    "OSError: [Errno 9] Bad file descriptor",
    "  parse_chunked (gunicorn/http/body.py:123)",
    "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>",
    "hypercorn.utils.LifespanFailureError: Lifespan failure in startup. ''",
    "*** Starting uWSGI 2.0.20 (64bit) on [Tue Mar  3 10:11:12 2026] ***",
    "ModuleNotFoundError: No module named 'pandas'",
]


@pytest.mark.parametrize("line", PRIVATE)
def test_nothing_private_is_shown(line: str) -> None:
    """Secrets by name, place or form; hosts and users by their place; addresses, paths, queries and data."""
    assert "priv" not in masked(line).lower().replace("private", "")


@pytest.mark.parametrize("line", KEPT)
def test_what_tells_a_case_stays(line: str) -> None:
    """The words of servers and of Python."""
    assert masked(line) == line


@pytest.mark.parametrize(
    "address", ["2001:db8::1", "2001:db8:0:0:0:0:0:1", "fe80::1%eth0", "10.0.0.5", "::ffff:10.0.0.5"]
)
@pytest.mark.parametrize("line", ["connect to {}: refused", "[{}]:443", "{}, then", "({})", "{}"])
def test_an_address_is_masked_whatever_stands_behind_it(line: str, address: str) -> None:
    """Also in bug reports, which mask with the same patterns."""
    for shown in (masked(line.format(address)), masker(()).text(line.format(address))):
        assert "[address]" in shown
        assert "db8" not in shown
        assert "0.5" not in shown
        assert "fe80" not in shown


def test_a_long_line_of_signs_is_masked_quickly() -> None:
    """No pattern goes over a line again and again."""
    for part in ("a:", "a=", "a@", "/a", "a.", "[1:", "'", "\\\\", "--a ", "http://a", "user ", "0a"):
        masked(part * 50_000)
