"""What is removed from a report before it is published, and what stays in it."""

from __future__ import annotations

import getpass
import platform
import socket
from pathlib import Path

import pytest
from reprolab.bugreport.redact import Masker, masker

ROOTS_HOME = "/root"  # of the user root on any Linux


@pytest.fixture
def mask(monkeypatch: pytest.MonkeyPatch) -> Masker:
    """A masker with the private names and paths of a made-up machine."""
    monkeypatch.setattr(socket, "gethostname", lambda: "build7")
    monkeypatch.setattr(socket, "getfqdn", lambda: "build7.corp.example")
    monkeypatch.setattr(platform, "node", lambda: "build7")
    monkeypatch.setattr(getpass, "getuser", lambda: "u4711")
    for name in ("USER", "LOGNAME", "SUDO_USER", "USERNAME", "HOSTNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/u4711")
    return masker([Path("/data/lab/reprolab")], ["blink-proxy"], ["2.0.19.1", "19.6.0"])


@pytest.mark.parametrize(
    ("private", "clean"),
    [
        ("on build7 now", "on [host] now"),
        ("build7.corp.example is up", "[host] is up"),
        ("Build7: ready", "[host]: ready"),
        ("build7-eth0 of u4711_dev", "[host]-eth0 of [user]_dev"),
        ("u4711 logged in", "[user] logged in"),
        ('File "/data/lab/reprolab/scenarios/x.py"', 'File "[checkout]/scenarios/x.py"'),
        ("/home/u4711/notes", "[home]/notes"),
        ("/home/u4712/app and u4712 again", "/home/[user]/app and [user] again"),
        ("/Users/u4713/app", "/Users/[user]/app"),
        (r"C:\Users\u4713\app", r"C:\Users\[user]\app"),
        (f"{ROOTS_HOME}/.pip/x", "[home]/.pip/x"),
        ("from 192.168.48.1:47160", "from [address]:47160"),
        ("172.17.0.2 - -", "[address] - -"),
        ("[fe80::1%eth0]:80 2001:db8::7", "[[address]]:80 [address]"),
        ("::ffff:10.0.0.9 and ip-10-0-3-12.ec2", "::ffff:[address] and [host].ec2"),
        ("02:42:ac:11:00:02", "[address]"),
        ("nodename: 123456789012", "nodename: [id]"),
        ("container 935b28d640e2 ended", "container [id] ended"),
        ("sha256:" + "ab" * 32, "sha256:[id]"),
        ("7204f6cd-5f18-4666-a3f5-885b0c6e2da2:25319", "[id]:25319"),
        ("mail me: u4712@corp.example", "mail me: [e-mail]"),
        ("https://bot:hunter2@git.corp.example/x", "https://[credentials]@[host]/x"),
        ("GET http://intranet/status", "GET http://[host]/status"),
    ],
)
def test_private_texts_are_replaced(mask: Masker, private: str, clean: str) -> None:
    """A word for the kind replaces each host, user, home, checkout, address, id and mail address."""
    assert mask.text(private) == clean


@pytest.mark.parametrize(
    "text",
    [
        "Listening at: http://127.0.0.1:8000 (7)",
        "http://0.0.0.0:8000 and [::1]:80 and [::]:80 and http://localhost/",
        "uWSGI 2.0.19.1, gunicorn 19.6.0, 2.2.5+dfsg2-7",
        'File "/usr/local/lib/python3.6/site-packages/gunicorn/sock.py", line 123, in close',
        "unix:/tmp/gunicorn.sock",
        "GET /thread/once/0 => generated 26 bytes in 11 msecs",
        "[2026-11-21 05:52:26 +0000] [18] [INFO] Worker exiting (pid: 18)",
        "http://blink-proxy:8080/ and https://github.com/benoitc/gunicorn/issues/1298",
        "0x561a34ce8840 1795240346443593743 sem.nJgUMr",
        "@app.get('/')\ndef home(): return a @ b",
        "test -S /tmp/x && kill -0 $!  # std::string ::",
        "words[1::2] [::1] 10:52:57 {1:2}",
    ],
)
def test_public_texts_stay(mask: Masker, text: str) -> None:
    """Loopback, versions, paths inside containers, times, process ids, names within the stack and public threads."""
    assert mask.text(text) == text


def test_an_ordinary_name_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name such as root or python identifies nobody, and the report needs these words."""
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    monkeypatch.setattr(getpass, "getuser", lambda: "python")
    monkeypatch.setenv("USER", "root")
    assert "python as root on localhost" in masker([]).text("run by python as root on localhost")


def test_this_machine(tmp_path: Path) -> None:
    """The real host name, user name and paths of this machine are replaced, except ordinary names."""
    private = f"{socket.gethostname()} {tmp_path}/x {Path.home()}/y"
    clean = masker([tmp_path]).text(private)
    assert str(tmp_path) not in clean
    assert str(Path.home()) not in clean.split()
    assert socket.gethostname() in ("localhost", "") or socket.gethostname() not in clean.split()


def test_paths_in_tmp_stay_if_the_results_are_in_tmp() -> None:
    """Containers have a /tmp too, and the report needs the path of a socket in it."""
    assert masker([Path("/tmp")]).text("/tmp/gunicorn.sock") == "/tmp/gunicorn.sock"
