"""Record the outputs in this directory from a real wrk.

Run ``PYTHONPATH=scripts python tests/data/wrk/record.py`` from the project's root. The tests compare exact
numbers, so adjust them after a new recording.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import wrk_wrapper
from wrk_wrapper import Wrk

HERE = Path(__file__).parent
PACKAGE = Path(wrk_wrapper.__file__).parent
PLAIN = Wrk(threads=2, connections=4, duration=1, timeout=1, script_dir=".")
INTERRUPTED = ("timeout", "--preserve-status", "-s", "INT", "1", "wrk")


def record(name: str, command: tuple[str, ...], cwd: Path = PACKAGE) -> None:
    """Run a command where report.lua is (so that no path of this machine is recorded), keep its output."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=30)
    text = f"$ {shlex.join(command)}\nexit code {done.returncode}\n"
    (HERE / f"{name}.txt").write_text(f"{text}--- stderr\n{done.stderr}--- stdout\n{done.stdout}")
    print(name, done.returncode)


def with_(**changes: Any) -> Wrk:
    """Return the plain options with some changed."""
    return Wrk(**{**vars(PLAIN), **changes})


def closed_port() -> tuple[socket.socket, str]:
    """Return the URL of a port that refuses connections, reserved while the socket is kept."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder, f"http://127.0.0.1:{holder.getsockname()[1]}/"


def main() -> None:
    """Record every case."""
    server = subprocess.Popen([sys.executable, HERE / "server.py"], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    base = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    holder, closed = closed_port()
    try:
        record("ok", PLAIN.command(f"{base}/ok"))
        record("statuses", with_(statuses=True).command(f"{base}/mix"))
        record("timeouts", with_(duration=2).command(f"{base}/late"))
        record("no-requests", PLAIN.command(f"{base}/reset"))
        record("never-answered", PLAIN.command(f"{base}/never"))
        record("target-down", PLAIN.command(closed))
        record("unknown-host", PLAIN.command("http://host.invalid/"))
        record("bad-url", PLAIN.command("nonsense"))
        record("no-script", with_(script_dir="nowhere").command(f"{base}/ok"))
        record("interrupted", with_(duration=3, executable=INTERRUPTED).command(f"{base}/ok"))
        killed = ("timeout", "-s", "KILL", "1", "wrk")
        record("killed", with_(duration=3, executable=killed).command(f"{base}/ok"))
        # The server dies one second into a run of two, seen from wrk's side.
        dies = f'(sleep 1; kill -9 {server.pid}) & exec wrk "$@"'
        command = with_(duration=2).command(f"{base}/ok")
        record("server-died", ("sh", "-c", dies, *command))
    finally:
        holder.close()
        server.kill()
        server.wait()


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    main()
