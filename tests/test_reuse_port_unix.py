"""reuse-port-unix: its signs on what was recorded, its patches and probes, and one short pair of trials."""

from __future__ import annotations

import errno
import json
import runpy
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT
from lab import lab, read, run_directory
from reprolab.scenario import loader

NAME = "reuse-port-unix"
DIRECTORY = ROOT / "scenarios" / NAME
REFUSES = {"release": "6.18.44", "unix": errno.EOPNOTSUPP, "tcp": None}


@pytest.fixture(scope="module")
def start() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["start"].drive.__module__]


def seen(answered: bool, status: int | None, **more: Any) -> dict[str, Any]:
    """A small observation: whether the port answered, and the exit status."""
    base = {
        "unix": [],
        "workers": 1,
        "kernel": REFUSES,
        "began": True,
        "booted": 0,
        "gave_up": 0,
        "tries": 0,
        "reason": False,
    }
    return base | {"start": {"answered": answered, "exit_status": status}} | more


# What was recorded of 23.0.0, of 20.1.0, of 27.0.1, of 24.0.0, and of servers that serve.
ENDS = seen(False, 1, gave_up=1, tries=5, reason=True)
SILENT = seen(False, 1, gave_up=1, tries=5)
LOOPS = seen(False, None, unix=["FileNotFoundError"] * 12, gave_up=3, booted=4, reason=True)
ONCE = seen(False, None, unix=["FileNotFoundError"] * 12, gave_up=1, booted=1, reason=True)
SERVES = seen(True, None, unix=[9] * 12, booted=1)
THREE = seen(True, None, unix=[9, 10, 11] * 4, booted=3, workers=3)
TAKEN = seen(True, None, unix=[11] * 12, booted=3, workers=3)
ALL = [ENDS, SILENT, LOOPS, ONCE, SERVES, THREE, TAKEN]


@pytest.mark.parametrize(
    ("sign", "shows"),
    [
        ("serves_nobody", [ENDS, SILENT, LOOPS, ONCE]),
        ("hangs", [LOOPS, ONCE]),
        ("ends_after_tries", [ENDS, SILENT]),
        ("workers_for_ever", [LOOPS]),
        ("without_a_reason", [SILENT]),
        ("reached_once", [TAKEN]),
    ],
)
def test_every_sign_tells_the_outcomes_apart(start: ModuleType, sign: str, shows: list[dict[str, Any]]) -> None:
    """Each sign is true of some of them and false of the others."""
    assert [o for o in ALL if getattr(start, sign)(o)] == shows


def test_who_answers_on_either_address_is_served(start: ModuleType) -> None:
    """Without a port there is the Unix socket, and the other way round."""
    assert not start.serves_nobody(seen(False, None, unix=[9] * 12))
    assert not start.serves_nobody(seen(True, None))


def test_an_end_at_once_is_no_end_after_five_tries(start: ModuleType) -> None:
    """gunicorn may end with status 1 for another reason."""
    assert not start.ends_after_tries({**ENDS, "tries": 0})
    assert not start.ends_after_tries({**ENDS, "gave_up": 0})


def test_one_client_without_an_answer_is_not_reached(start: ModuleType) -> None:
    """Then the others say nothing about who has the path."""
    assert not start.reached_once({**TAKEN, "unix": [11] * 11 + ["TimeoutError"]})


def test_a_start_that_did_not_begin_does_not_count(start: ModuleType) -> None:
    """gunicorn may have failed before, and the kernel may accept the option, or refuse it everywhere."""
    assert start.began(ENDS) and start.kernel_refuses(ENDS)
    assert not start.began({**ENDS, "began": False}) and not start.kernel_refuses({**ENDS, "began": False})
    assert not start.kernel_refuses({**ENDS, "kernel": {**REFUSES, "unix": None}})
    assert not start.kernel_refuses({**ENDS, "kernel": {**REFUSES, "tcp": errno.EOPNOTSUPP}})


def test_the_log_tells_the_kernel_and_the_tries(start: ModuleType) -> None:
    """As it was recorded of 27.0.1; lines are bytes."""
    stamp = b"[2026-11-27 08:54:13 +0000] "
    lines = [
        json.dumps({"kernel": REFUSES}).encode(),
        stamp + b"[6] [INFO] Starting gunicorn 27.0.1",
        stamp + b"[8] [INFO] Booting worker with pid: 8",
        stamp + b"[8] [ERROR] connection to /tmp/app.sock failed: [Errno 95] Operation not supported",
        stamp + b"[8] [ERROR] Can't connect to /tmp/app.sock",
    ]
    o = start.observe(SimpleNamespace(lines=lambda _: lines), {})
    assert o == {"kernel": REFUSES, "began": True, "booted": 1, "gave_up": 1, "tries": 1, "reason": True}


def test_the_kernel_is_asked_by_a_socket() -> None:
    """The answer for a TCP socket is known; the one for a Unix socket is that of this kernel."""
    answer = runpy.run_path(str(DIRECTORY / "kernel.py"))["answer"]
    assert answer(socket.AF_INET) is None
    assert answer(socket.AF_UNIX) in (None, errno.EOPNOTSUPP)


def test_one_of_the_probes_holds_on_any_kernel() -> None:
    """They ask the same question, and expect opposite answers; the reason is the last line."""
    answers = [
        subprocess.run([sys.executable, DIRECTORY / f"kernel-{name}.py"], capture_output=True, text=True, check=False)
        for name in ("refuses", "accepts")
    ]
    assert sorted(bool(answer.returncode) for answer in answers) == [False, True]
    assert all(answer.stderr.strip() for answer in answers if answer.returncode)


SOURCE = """\
if True:
    def set_options(self, sock):
        if (self.conf.reuse_port
                and hasattr(socket, 'SO_REUSEPORT')):
            try:
                pass
            except OSError as err:
                if err.errno not in (errno.ENOPROTOOPT, errno.EINVAL):
                    raise
"""


@pytest.mark.parametrize(
    ("name", "part"), [("inet-only", "self.FAMILY != socket.AF_UNIX"), ("forgiving", "EOPNOTSUPP")]
)
def test_each_patch_changes_one_expression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: str
) -> None:
    """One that does not fit, or has no such name, fails the build; "none" reads nothing."""
    file = tmp_path / "sock.py"
    file.write_text(SOURCE)
    sock = SimpleNamespace(__file__=str(file))
    monkeypatch.setitem(sys.modules, "gunicorn", SimpleNamespace(sock=sock))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "gunicorn.sock", sock)  # type: ignore[arg-type]
    patch = runpy.run_path(str(DIRECTORY / "patch.py"))["main"]
    patch("none")
    assert file.read_text() == SOURCE
    patch(name)
    compile(file.read_text(), str(file), "exec")
    assert part in file.read_text()
    with pytest.raises(SystemExit, match="does not fit"):
        patch(name)
    with pytest.raises(SystemExit, match="unknown patch"):
        patch("other")


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """With the option nobody is served, and without it somebody is; if this kernel refuses it."""
    if runpy.run_path(str(DIRECTORY / "kernel.py"))["answer"](socket.AF_UNIX) is None:
        pytest.skip("this kernel accepts SO_REUSEPORT on a Unix socket, so the case is not run here")
    options = ("--variant", "documented", "--variant", "without-option", "--trials", "1")
    status, printed = lab(tmp_path / "results", "run", NAME, *options)
    signs = read(run_directory(tmp_path / "results", NAME) / "verdict.json")["signs"]
    assert status in (0, 1), printed
    assert [signs["RU-1"][name]["shown"] for name in ("documented", "without-option")] == [1, 0]
