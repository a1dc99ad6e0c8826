"""What diagnose reads of a user's settings, without running or trusting any of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reprolab.core.errors import UsageError
from reprolab.diagnose import command_line, given_file, gunicorn_file, inspect_file, requirements, uwsgi_file
from reprolab.diagnose.session import Question, read_facts
from reprolab.diagnose.settings import Facts, Release, Setting, Unread, holds, met
from reprolab.scenario.signature import Condition, Need


def values(items: list) -> dict[str, str]:
    """Setting -> the value that counts."""
    return {item.name: item.value for item in items if isinstance(item, Setting)}


def unread(items: list) -> list[str]:
    """What was not read, with its place."""
    return [f"{item.source}: {item.reason}" for item in items if isinstance(item, Unread)]


CONFIG = """\
import multiprocessing, os
bind = "unix:/run/shop.sock"
workers = 2 * 4 + 1
threads: int = 4
max_requests = -(-1000)
limit = 30
timeout = limit
raw_env = ["A=1", "B=2"]
preload_app = True
keepalive = multiprocessing.cpu_count()
accesslog = os.environ.get("LOG", "-")
if os.getenv("FAST"):
    worker_class = "gevent"
"""


def test_a_gunicorn_file_is_read_without_running_it(tmp_path: Path) -> None:
    """Constants and their arithmetic are known; the rest is said to be unknown, with its line."""
    marker = tmp_path / "ran"
    items = gunicorn_file.read(CONFIG + f"open({str(marker)!r}, 'w')\n", "gunicorn.conf.py")
    known = values(items)
    assert known["bind"] == "unix:/run/shop.sock"
    assert (known["workers"], known["threads"], known["max_requests"], known["timeout"]) == ("9", "4", "1000", "30")
    assert known["preload_app"] == "true"
    assert known["worker_class"] == "" == known["keepalive"]
    assert unread(items) == [
        "gunicorn.conf.py:10: keepalive is not known: it is computed by cpu_count()",
        "gunicorn.conf.py:11: accesslog is not known: it is read from the environment",
        "gunicorn.conf.py:12: worker_class is not known: a condition or a loop sets it",
    ]
    assert not marker.exists()


@pytest.mark.parametrize(
    "text",
    [
        "workers = " + "-" * 20000 + "1",
        "workers = " + "(" * 5000 + "1" + ")" * 5000,
        "workers = " + "[" * 90 + "]" * 90,
        "workers = 9 ** 9 ** 9 ** 9",
        "workers = 10 ** 9 * 10 ** 9",
        "workers = 'a' * 10 ** 12",
        "workers = 1 +",
        "x = 1\0",
        "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
        "from shop.settings import *",
    ],
)
def test_a_hostile_gunicorn_file_gives_nothing_and_stops_nothing(text: str) -> None:
    """Deep nesting, huge powers, broken text: no value comes of it, and no error."""
    assert set(values(gunicorn_file.read(text, "c.py")).values()) <= {""}


def test_a_secret_of_a_gunicorn_file_is_in_no_message() -> None:
    """The reason why a value is not known names a function, never an argument."""
    assert "hunter2" not in str(unread(gunicorn_file.read('secret = make("hunter2")', "c.py")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gunicorn -w 4 -k gthread --threads=8 --max-requests 1000 shop.wsgi", ("4", "gthread", "8", "1000")),
        (
            "exec /venv/bin/gunicorn -w4 -kgthread --threads 8 --max-requests=1000 --reload x",
            ("4", "gthread", "8", "1000"),
        ),
        (
            "sh -c 'A=1 gunicorn --workers 4 --worker-class gthread --threads 8 --max-requests 1000 x'",
            ("4", "gthread", "8", "1000"),
        ),
        (
            "python -m gunicorn -w 4 -k gthread --threads 8 --max-requests 1000 x; rm -rf /",
            ("4", "gthread", "8", "1000"),
        ),
    ],
)
def test_a_command_line_of_gunicorn_is_read(text: str, expected: tuple[str, ...]) -> None:
    """Long and short options, with and without an equals sign, behind wrappers."""
    known = values(command_line.read(text))
    assert tuple(known[name] for name in ("workers", "worker_class", "threads", "max_requests")) == expected


def test_command_lines_of_the_other_servers_are_read() -> None:
    """uWSGI, uvicorn and hypercorn have options of their own."""
    uwsgi = values(command_line.read("uwsgi --http :80 --master --enable-threads -p 4 --threads 2 --module x"))
    assert (uwsgi["master"], uwsgi["enable-threads"], uwsgi["processes"], uwsgi["threads"]) == (
        "true",
        "true",
        "4",
        "2",
    )
    uvicorn = values(command_line.read("uvicorn main:app --workers 3 --loop uvloop --reload --http=h11"))
    assert (uvicorn["workers"], uvicorn["loop"], uvicorn["reload"], uvicorn["http"]) == ("3", "uvloop", "true", "h11")
    assert values(command_line.read("hypercorn -w 2 app:app"))["workers"] == "2"


@pytest.mark.parametrize("text", ["", "ls -l", "gunicorn 'open", "gunicorn -c gunicorn.conf.py", "uwsgi --ini a.ini"])
def test_what_a_command_line_does_not_say_is_said(text: str) -> None:
    """No server, an open quotation mark, or a configuration file that was not given."""
    assert unread(command_line.read(text))


UWSGI = {
    "a.ini": "[other]\nthreads = 9\n[uwsgi]\n; a comment\nenable-threads = true\nprocesses = 4\nmaster\n"
    "home = %d/env\nini = b.ini\n",
    "a.xml": "<uwsgi><enable-threads/><processes>4</processes><master>1</master></uwsgi>",
    "a.yaml": "uwsgi:\n  enable-threads: true\n  processes: 4\n  master: true\n",
    "a.json": '{"uwsgi": {"enable-threads": true, "processes": 4, "master": true}}',
}


@pytest.mark.parametrize("name", UWSGI)
def test_each_form_of_a_uwsgi_file_is_read(name: str) -> None:
    """ini, XML, YAML and JSON give the same settings."""
    known = values(uwsgi_file.read(UWSGI[name], name))
    assert known["enable-threads"] == "true"
    assert known["processes"] == "4"
    assert known.get("threads") is None


def test_what_a_uwsgi_file_leaves_open_is_said() -> None:
    """A placeholder, and another file."""
    assert unread(uwsgi_file.read(UWSGI["a.ini"], "a.ini")) == [
        "a.ini:8: home has a placeholder",
        "a.ini:9: it names another file: give that with --config",
    ]


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><uwsgi><x>&b;</x></uwsgi>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><uwsgi><x>&f;</x></uwsgi>'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xml", LAUGHS),
        ("a.xml", OUTSIDE),
        ("a.xml", "<uwsgi>" + "<a>" * 100000),
        ("a.xml", "<uwsgi"),
        ("a.yaml", "[" * 20000),
        ("a.yaml", "uwsgi: !!python/object/apply:os.system ['touch /tmp/never']"),
        ("a.yaml", "a: &a [x,x]\nb: &b [*a,*a]\nuwsgi: [*b,*b]\n"),
        ("a.yaml", "x" * (1 << 19)),
        ("a.json", "[" * 200000),
        ("a.json", "{"),
        ("a.json", "[1]"),
    ],
)
def test_a_hostile_uwsgi_file_is_refused_in_a_sentence(name: str, text: str) -> None:
    """Entities, nesting, objects of Python: nothing is expanded, made or read."""
    items = uwsgi_file.read(text, name)
    assert values(items) == {}
    assert len(unread(items)) == 1
    assert "root:" not in str(items)


def test_lists_of_packages_are_read() -> None:
    """Pins, `pip list`, hashes; a range is no release, and a package of no use is left out."""
    text = (
        "# comment\ngunicorn==19.6.0 \\\n    --hash=sha256:abc\nUvicorn[standard]==0.15.0 ; python_version > '3.7'\n"
        "django>=2,<3\n-r base.txt\nsecret-package==1.0\nbottle    0.12.13\nnot a line !\nuvloop==0.16.*\n"
    )
    items = requirements.read(text, "requirements.txt")
    assert [(item.package, item.version, item.source) for item in items if isinstance(item, Release)] == [
        ("gunicorn", "19.6.0", "requirements.txt:2"),
        ("uvicorn", "0.15.0", "requirements.txt:4"),
        ("bottle", "0.12.13", "requirements.txt:8"),
    ]
    assert len(unread(items)) == 3
    assert "secret-package" not in str(items)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("poetry.lock", '[[package]]\nname = "gunicorn"\nversion = "21.2.0"\n'),
        ("uv.lock", 'version = 1\n[[package]]\nname = "gunicorn"\nversion = "21.2.0"\nsource = {}\n'),
        ("pylock.toml", '[[packages]]\nname = "gunicorn"\nversion = "21.2.0"\n'),
        ("Pipfile.lock", '{"default": {"gunicorn": {"version": "==21.2.0"}}}'),
    ],
)
def test_lock_files_are_read(name: str, text: str) -> None:
    """poetry, uv, pylock and pipenv."""
    assert requirements.read(text, name) == [Release("gunicorn", "21.2.0", name)]


@pytest.mark.parametrize("text", ["", "[[[", "{", "[1]", "[" * 100000, '[[package]]\nname = "x"\nversion = "1"\n'])
def test_a_broken_lock_file_is_said(text: str) -> None:
    """Whatever it holds, the answer is a sentence."""
    assert unread(requirements.read(text, "uv.lock"))


def test_docker_inspect_is_read_without_its_secrets() -> None:
    """The command, the state and two variables; any other variable is neither kept nor shown."""
    container = {
        "Config": {
            "Entrypoint": ["/bin/sh", "-c"],
            "Cmd": ["gunicorn -w 3 x"],
            "Env": ["PYTHON_VERSION=3.11.9", "GUNICORN_CMD_ARGS=--threads 4", "DATABASE_PASSWORD=hunter2"],
        },
        "State": {"ExitCode": 137, "OOMKilled": False},
        "HostConfig": {"Init": True},
    }
    items = inspect_file.read(json.dumps([container]), "inspect.json")
    known = values(items)
    assert (known["workers"], known["threads"], known["exit_code"]) == ("3", "4", "137")
    assert (known["out_of_memory"], known["init"], known["start"]) == ("false", "true", "script")
    assert Release("python", "3.11.9", "inspect.json") in items
    assert "hunter2" not in str(items)


@pytest.mark.parametrize("text", ["", "[", "[" * 200000, "{}", "[{}]", '[{"Config": 3}]', '[{"Config": {"Env": 1}}]'])
def test_a_broken_inspect_file_stops_nothing(text: str) -> None:
    """No container, or parts of another type."""
    assert values(inspect_file.read(text, "i.json")) == {}


def test_the_command_line_wins_over_variable_and_file(tmp_path: Path) -> None:
    """gunicorn's own order decides which value counts."""
    file = tmp_path / "gunicorn.conf.py"
    file.write_text("threads = 1\nworkers = 1\nmax_requests = 1\n")
    question = Question(
        (),
        configs=(file,),
        variables=("GUNICORN_CMD_ARGS=--threads 2 --workers 2",),
        commands=("gunicorn --threads 3 x",),
    )
    facts = read_facts(question)
    known = {name: facts.setting("gunicorn", name).value for name in ("threads", "workers", "max_requests")}
    assert known == {"threads": "3", "workers": "2", "max_requests": "1"}


@pytest.mark.parametrize(
    ("value", "needed", "expected"),
    [
        ("5", ">1", True),
        ("1", ">1", False),
        ("many", ">1", False),
        ("gthread", "gthread threads", True),
        ("sync", "gthread threads", False),
        ("unix:/run/x", "*unix:*", True),
        ("asyncio", "!asyncio", False),
        ("uvloop", "!asyncio", True),
    ],
)
def test_a_value_is_compared_with_what_is_needed(value: str, needed: str, expected: bool) -> None:
    """Numbers by comparison, words by pattern."""
    assert holds(Need("s", "n", needed), value) is expected


def test_a_condition_is_unknown_until_all_its_settings_are_known() -> None:
    """One setting that does not fit proves nothing where another one could."""
    condition = Condition("w", (Need("s", "a", ">0"), Need("s", "b", "true")))
    facts = Facts()
    assert met(condition, facts)[0] is None
    facts.add([Setting("s", "a", "0", "x")])
    assert met(condition, facts)[0] is None
    facts.add([Setting("s", "b", "false", "x")])
    assert met(condition, facts)[0] is False
    facts.add([Setting("s", "b", "true", "y")])
    assert met(condition, facts)[0] is True


def test_only_small_regular_files_are_read(tmp_path: Path) -> None:
    """A pipe, a device, a directory, a link to a device, a missing and a large file: each is a sentence, at once."""
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(b"x" * (given_file.LARGEST + 1))
    for name in ("pipe", "device", ".", "none", "large"):
        with pytest.raises(UsageError):
            given_file.read_bounded(tmp_path / name)
