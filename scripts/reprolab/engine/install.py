"""Install and start a Docker Engine on Debian and its derivatives, where that is allowed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from reprolab.core.errors import EngineError
from reprolab.core.locks import directory_lock
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import CommandError, run
from reprolab.core.waiting import WaitTimeout, wait_until
from reprolab.engine import apt
from reprolab.engine.apt import Machine

START_LIMIT = 60.0  # seconds from the start of the daemon to its first answer
LOCK_LIMIT = 1200.0  # seconds to wait for another lab on this machine that sets up Docker
LOG_LINES = 15
LOG = "var/log/reprolab-dockerd.log"
EXTERNAL = "external"  # the value of REPROLAB_ENGINE that forbids any setup


def require_permission(machine: Machine, problem: str) -> None:
    """Raise EngineError with ``problem`` unless the lab may install and start programs on this machine."""
    if machine.environ.get("REPROLAB_ENGINE") == EXTERNAL:
        reason = f"REPROLAB_ENGINE={EXTERNAL} forbids the lab to install or start anything"
    elif not machine.debian_family:
        reason = "the lab can set up Docker only on Debian and its derivatives"
    elif machine.uid != 0:
        reason = "the lab can set up Docker only as root"
    else:
        return
    raise EngineError(
        f"{problem}; {reason}",
        expected="a running Docker Engine >= 20.10 with Compose >= 2.20 and buildx >= 0.10",
        advice="install and start Docker by hand, or point DOCKER_HOST at an engine, then run this again",
    )


def setup_lock(machine: Machine, on_progress: OnProgress) -> AbstractContextManager[None]:
    """Let only one lab at a time set up Docker on this machine. LabError after LOCK_LIMIT seconds."""
    # The machines that the lab sets up have apt; tests have an empty directory.
    path = machine.root / "etc/apt"
    path.mkdir(parents=True, exist_ok=True)
    return directory_lock(path, "is setting up Docker here", on_progress, LOCK_LIMIT)


def refresh(machine: Machine, on_progress: OnProgress) -> None:
    """Update apt's package lists. Errors are shown, and the present lists are used."""
    complaint = apt.update(machine)
    if complaint:
        on_progress(
            f"apt-get update ended with errors, going on with the present package lists: {complaint.splitlines()[-1]}"
        )


def install_engine(machine: Machine, on_progress: OnProgress) -> None:
    """Install Docker Engine and its command line from the distribution, if dockerd is missing."""
    if machine.which("dockerd"):
        return
    on_progress("Docker Engine is not installed: installing docker.io from this distribution's packages (1-2 min)")
    refresh(machine, on_progress)
    # Since Debian 13 the docker command is in a separate package. ca-certificates is needed to verify the
    # registry's certificate.
    optional = apt.candidates(machine, ["docker-cli"])
    apt.install(machine, ["docker.io", "iptables", "ca-certificates", *optional])
    if not machine.which("dockerd"):
        raise EngineError(
            "docker.io is installed, but there is no dockerd",
            expected="dockerd on PATH or in /usr/sbin",
            advice="see dpkg -L docker.io; install Docker Engine by hand",
        )


def start_engine(machine: Machine, on_progress: OnProgress, answers: Callable[[], bool]) -> None:
    """Start the installed daemon and wait until it ``answers``. EngineError with its log after START_LIMIT."""
    if (machine.root / "run/systemd/system").is_dir():
        on_progress("Docker Engine does not run: systemctl start docker")
        _systemctl_start(machine)
        _wait(answers, lambda: True, lambda: _journal(machine))
        return
    log = machine.root / LOG
    pid = _running_daemon(machine)
    if pid:
        on_progress(f"dockerd (process {pid}) runs but does not answer yet: waiting for it")
    else:
        remove_stale_pid_files(machine, on_progress)
        on_progress(f"Docker Engine does not run: starting dockerd in the background, its output in {log}")
    log_size = log.stat().st_size if log.exists() else 0
    daemon = pid or start_detached(machine, machine.which("dockerd"), log)
    _wait(answers, lambda: bool(_running_program(daemon)), lambda: _tail(log, log_size))


def start_detached(machine: Machine, program: str, log: Path) -> int:
    """Start a daemon that outlives the lab, without the lab's pipes or terminal; return its pid.

    The program that started the lab (make, CI) reads its output until the pipe is closed. A daemon that
    inherited the pipe would keep it open. The shell prints its own pid, which ``exec`` keeps.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    script = 'echo $$; exec "$0" >>"$1" 2>&1 </dev/null'
    launch = run(["setsid", "--fork", "sh", "-c", script, program, str(log)], env=machine.env, timeout=10)
    if not launch.stdout.strip().isdigit():
        raise EngineError(f"{program} could not be started: {launch.tail}", advice=f"check that {log} can be written")
    return int(launch.stdout)


def remove_stale_pid_files(machine: Machine, on_progress: OnProgress) -> None:
    """Remove pid files whose pid now belongs to another program.

    After a crash, or a reboot that kept /var/run, dockerd ignores a pid file whose process is gone. But if
    any process has that pid now, dockerd refuses to start ("pid file found, ensure docker is not running").
    It also takes such a process for its containerd, and waits for it without end.
    """
    for name, program in (
        ("var/run/docker.pid", "dockerd"),
        ("var/run/docker/containerd/containerd.pid", "containerd"),
    ):
        path = machine.root / name
        pid = _pid_in(path)
        holder, _ = _process_state(pid)
        if holder and _running_program(pid) != program:
            on_progress(f"{path} names process {pid}, which is {holder}, not a running {program}: removing it")
            path.unlink(missing_ok=True)


def _systemctl_start(machine: Machine) -> None:
    try:
        run(["systemctl", "start", "docker"], env=machine.env, timeout=START_LIMIT + 60)
    except CommandError as error:
        raise EngineError(
            f"systemd could not start Docker: {error}\n{_journal(machine)}".rstrip(),
            expected="systemctl start docker succeeds",
            advice="see journalctl -u docker, fix the error, then run this again",
        ) from error


def _journal(machine: Machine) -> str:
    try:
        command = ["journalctl", "-u", "docker", "-n", str(LOG_LINES), "--no-pager"]
        return run(command, env=machine.env, timeout=10, check=False).tail
    except CommandError:
        return ""


def _wait(answers: Callable[[], bool], alive: Callable[[], bool], log: Callable[[], str]) -> None:
    """Wait until the engine ``answers``. EngineError if its process ends, or after START_LIMIT."""
    start = time.monotonic()

    def startup_error(state: str) -> EngineError:
        waited = time.monotonic() - start
        return EngineError(
            f"dockerd {state}, {waited:.0f} s after its start; its last lines:\n{log() or '(none)'}",
            expected=f"an engine that answers within {START_LIMIT:g} s",
            advice="fix what the log reports (another engine's pid file? no iptables or overlay in this "
            "kernel? disk full?), or point DOCKER_HOST at a running engine",
        )

    def look() -> bool:
        if answers():
            return True
        if not alive():
            raise startup_error("ended")
        return False

    try:
        wait_until("dockerd answers", look, START_LIMIT, interval=0.2)
    except WaitTimeout as error:
        raise startup_error("still runs but does not answer") from error


def _running_daemon(machine: Machine) -> int:
    """Return the pid of the running dockerd that the pid file names, else 0."""
    pid = _pid_in(machine.root / "var/run/docker.pid")
    return pid if _running_program(pid) == "dockerd" else 0


def _pid_in(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _process_state(pid: int) -> tuple[str, str]:
    """Return name and state of the process (or kernel thread) with this pid; "" if it does not exist."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest.split()[0]


def _running_program(pid: int) -> str:
    """Return the name of a running process. A zombie has ended, although its pid is in use."""
    name, state = _process_state(pid)
    return "" if state in "ZX" else name


def _tail(log: Path, start: int) -> str:
    """Return the last lines of the log after its first ``start`` bytes."""
    try:
        text = log.read_bytes()[start:].decode("utf-8", "replace")
    except OSError as error:
        return str(error)
    return "\n".join(text.splitlines()[-LOG_LINES:])
