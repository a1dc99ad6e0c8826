"""Settings that a file may set in a way that is not read: then nothing is known of them. And files that are traps."""

from __future__ import annotations

import json
import time

import pytest
from reprolab.diagnose import command_line, gunicorn_file, inspect_file, requirements, uwsgi_file
from reprolab.diagnose.settings import Facts


def known(items: list, server: str, name: str) -> str | None:
    """The value of a setting; "" if it is known that it is not known."""
    facts = Facts()
    facts.add(items)
    setting = facts.setting(server, name)
    return setting.value if setting else None


@pytest.mark.parametrize(
    "later",
    [
        "globals()['threads'] = 8",
        "vars().update(threads=8)",
        "exec('threads = 8')",
        "setattr(module, 'threads', 8)",
        "from base import threads",
        "from base import *",
        "import threads",
        "if x:\n    from base import *",
        "if x:\n    import threads",
        "if x:\n    workers, threads = 1, 8",
        "for threads in (1, 8): pass",
        "while x:\n    for threads in y: pass",
        "with x as threads: pass",
        "try:\n    pass\nexcept E as threads: pass",
        "try:\n    threads = 8\nexcept* E: pass",
        "match x:\n    case threads: pass",
        "match x:\n    case {'a': 1, **threads}: pass",
        "(threads := 8)",
        "del threads",
        "def threads(): pass",
        "class threads: pass",
        "a, threads = f()",
        "a, *threads = 1, 8",
        "threads = 0x" + "f" * 10_000,
        "def post_fork(server, worker):\n    global threads\n    threads = 8",
    ],
)
def test_a_setting_that_a_later_line_may_change_is_not_known(later: str) -> None:
    """In whatever way Python binds a name; and it is said."""
    items = gunicorn_file.read(f"threads = 1\n{later}\n", "c.py")
    assert known(items, "gunicorn", "threads") == ""
    assert any("threads is not known" in getattr(item, "reason", "") for item in items)


def test_what_a_function_does_with_its_own_names_changes_nothing() -> None:
    """And several values of a line are read where they go together."""
    text = "threads = 1\nworkers, bind = 2, 'unix:/a'\ndef post_fork(server, worker):\n    threads = 8\n    exec(x)\n"
    items = gunicorn_file.read(f"import os\n{text}", "c.py")
    assert [known(items, "gunicorn", name) for name in ("threads", "workers", "bind")] == ["1", "2", "unix:/a"]
    assert not [item for item in items if hasattr(item, "reason")]


@pytest.mark.parametrize("begin", ["if-env = X", "if-not-file = /x", "for = 1 2"])
def test_what_holds_in_a_condition_of_uwsgi_is_not_known(begin: str) -> None:
    """Behind its end options count again."""
    end = "endfor =" if begin.startswith("for") else "endif ="
    items = uwsgi_file.read(f"[uwsgi]\nthreads = 1\n{begin}\nthreads = 8\n{end}\nprocesses = 4\n", "a.ini")
    assert known(items, "uwsgi", "threads") == ""
    assert known(items, "uwsgi", "processes") == "4"


@pytest.mark.parametrize(
    ("value", "switch"), [("0", "false"), ("off", "false"), ("no", "false"), ("1", "true"), ("on", "true")]
)
def test_a_switch_of_uwsgi_is_read_in_whatever_words(value: str, switch: str) -> None:
    """In a file and in a variable. A number of something else is no switch."""
    assert known(uwsgi_file.read(f"[uwsgi]\nenable-threads = {value}\n", "a.ini"), "uwsgi", "enable-threads") == switch
    assert known(command_line.read_variable("UWSGI_ENABLE_THREADS", value), "uwsgi", "enable-threads") == switch
    assert known(command_line.read_variable("UWSGI_PROCESSES", "1"), "uwsgi", "processes") == "1"
    assert known(command_line.read("uwsgi -T"), "uwsgi", "enable-threads") == "true"


@pytest.mark.parametrize("value", ["$THREADS", "${THREADS:-4}", "$(nproc)", "`nproc`"])
def test_a_variable_of_the_shell_is_no_value(value: str) -> None:
    """It would exclude a case that it may well allow."""
    assert known(command_line.read(f"gunicorn --threads '{value}' shop"), "gunicorn", "threads") == ""


MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{level}: &a{level}\n  <<: [{','.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", f"{MERGES}uwsgi:\n  <<: *a9\n"),
        ("a.yaml", "uwsgi: &a\n  threads: *a\n"),
        ("a.xml", f"<uwsgi>{'<a/>' * 200_000}</uwsgi>"),
        ("a.xml", "<uwsgi><threads>" + "a\n" * 500_000 + "</threads></uwsgi>"),
        ("a.ini", "[uwsgi]\n" + "a\n" * 500_000),
    ],
)
def test_a_trap_in_a_file_of_uwsgi_costs_little(name: str, text: str) -> None:
    """Aliases that multiply, very many options, a text in very many lines."""
    begin = time.process_time()
    assert len(uwsgi_file.read(text, name)) <= uwsgi_file.MOST_OPTIONS + 1
    assert time.process_time() - begin < 3


def test_two_releases_of_two_forks_of_a_lock_are_both_known() -> None:
    """What follows from that is decided elsewhere: neither is taken."""
    text = '[[package]]\nname = "gunicorn"\nversion = "20.1.0"\n[[package]]\nname = "gunicorn"\nversion = "21.2.0"\n'
    assert [row.version for row in requirements.read(text, "uv.lock")] == ["20.1.0", "21.2.0"]


def test_the_status_of_one_container_and_the_start_of_another_are_no_case() -> None:
    """`docker inspect` prints several. A release and a command are read all the same."""
    killed = {"Config": {"Cmd": ["gunicorn", "x", "--threads", "4"]}, "State": {"ExitCode": 137, "OOMKilled": False}}
    script = {"Config": {"Entrypoint": ["start.sh"], "Env": ["PYTHON_VERSION=3.8.18"]}, "State": {"ExitCode": 0}}
    items = inspect_file.read(json.dumps([killed, script]), "i.json")
    assert known(items, "gunicorn", "threads") == "4"
    assert known(items, "container", "exit_code") is None
    assert any("2 containers" in getattr(item, "reason", "") for item in items)
    assert known(inspect_file.read(json.dumps([killed]), "i.json"), "container", "exit_code") == "137"


def test_each_address_of_gunicorn_counts() -> None:
    """It listens on all of them, so a Unix socket among them is one."""
    assert known(command_line.read("gunicorn -b unix:/a --bind :80 x"), "gunicorn", "bind") == "unix:/a :80"
    assert (
        known(command_line.read_variable("GUNICORN_CMD_ARGS", "-b :80 -b unix:/a"), "gunicorn", "bind") == ":80 unix:/a"
    )
