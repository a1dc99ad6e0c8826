"""Install and start a Docker Engine on a Debian-family machine, where that is allowed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from reprolab.core.errors import EngineError
from reprolab.core.locks import file_lock
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import CommandError, run
from reprolab.core.waiting import WaitTimeout, wait_until
from reprolab.engine import apt
from reprolab.engine.apt import Machine

START_LIMIT = 60.0  # seconds from starting the daemon to its first answer
TURN_LIMIT = 1200.0  # seconds to wait for another lab on this machine that is setting up Docker
LOG_LINES = 15
LOG = "var/log/reprolab-dockerd.log"
EXTERNAL = "external"  # the value of REPROLAB_ENGINE that forbids setting anything up


def require_permission(machine: Machine, problem: str) -> None:
    """Raise EngineError, naming ``problem``, unless the lab may install and start things here."""
    if machine.environ.get("REPROLAB_ENGINE") == EXTERNAL:
        why = f"REPROLAB_ENGINE={EXTERNAL} forbids the lab to install or start anything"
    elif not machine.debian_family:
        why = "the lab can set Docker up on Debian and its derivatives only"
    elif machine.uid != 0:
        why = "the lab can set Docker up only when run as root"
    else:
        return
    raise EngineError(
        f"{problem}; {why}",
        expected="a running Docker Engine >= 20.10 with Compose >= 2.20 and buildx >= 0.10",
        advice="install and start Docker by hand, or point DOCKER_HOST at an engine, then run this again",
    )


@contextmanager
def my_turn(machine: Machine, on_progress: OnProgress) -> Iterator[None]:
    """Let one lab at a time set up Docker on this machine; the kernel frees the lock of a killed one."""
    path = machine.root / "run/reprolab-engine.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            waiting = "another reprolab is setting up Docker here: waiting for it"
            held.enter_context(file_lock(path, lambda holder: on_progress(waiting), TURN_LIMIT))
        except WaitTimeout as error:
            raise EngineError(
                f"waited {TURN_LIMIT:g} s for another reprolab that is setting up Docker",
                expected=f"it lets go of {path}",
                advice=f"see who holds it: fuser {path}",
            ) from error
        yield


def refresh(machine: Machine, on_progress: OnProgress) -> None:
    """Renew apt's package lists; go on with what there is if that did not work."""
    complaint = apt.update(machine)
    if complaint:
        on_progress(f"apt-get update ended with errors, going on with what it has: {complaint.splitlines()[-1]}")


def install_engine(machine: Machine, on_progress: OnProgress) -> None:
    """Install Docker Engine and its command line from the distribution, where the daemon is missing."""
    if machine.which("dockerd"):
        return
    on_progress("Docker Engine is not installed: installing docker.io from this distribution's packages (1-2 min)")
    refresh(machine, on_progress)
    # From Debian 13 on the docker command is a package of its own. The registry's certificate
    # can be checked only with the CA bundle.
    optional = apt.candidates(machine, ["docker-cli"])
    apt.install(machine, ["docker.io", "iptables", "ca-certificates", *optional])
    if not machine.which("dockerd"):
        raise EngineError(
            "docker.io is installed, yet there is no dockerd",
            expected="dockerd on PATH or in /usr/sbin",
            advice="see dpkg -L docker.io; install Docker Engine by hand",
        )


def start_engine(machine: Machine, on_progress: OnProgress, answers: Callable[[], bool]) -> None:
    """Start the installed daemon and wait until it ``answers``; EngineError with its log at the limit."""
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
    seen = log.stat().st_size if log.exists() else 0
    daemon = pid or start_detached(machine, machine.which("dockerd"), log)
    _wait(answers, lambda: bool(_running(daemon)), lambda: _tail(log, seen))


def start_detached(machine: Machine, program: str, log: Path) -> int:
    """Start a daemon that outlives the lab and holds none of its pipes or its terminal; return its pid.

    Whoever started the lab (make, CI) reads its output to the end, and a daemon that inherited the
    pipe would keep that end from coming. The shell prints its own pid, which ``exec`` keeps.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    script = 'echo $$; exec "$0" >>"$1" 2>&1 </dev/null'
    done = run(["setsid", "--fork", "sh", "-c", script, program, str(log)], env=machine.env, timeout=10)
    if not done.stdout.strip().isdigit():
        raise EngineError(f"{program} could not be started: {done.tail}", advice=f"can {log} be written?")
    return int(done.stdout)


def remove_stale_pid_files(machine: Machine, on_progress: OnProgress) -> None:
    """Remove pid files whose number now belongs to another program.

    After a crash or a reboot that kept /var/run, dockerd ignores a pid file whose process is gone. But
    if the number is in use again, by anything, it refuses to start ("pid file found, ensure docker is
    not running"), and likewise takes the stranger for its containerd and waits for it in vain.
    """
    for name, program in (
        ("var/run/docker.pid", "dockerd"),
        ("var/run/docker/containerd/containerd.pid", "containerd"),
    ):
        path = machine.root / name
        pid = _pid_in(path)
        holder, _ = _holder(pid)
        if holder and _running(pid) != program:
            on_progress(f"{path} names process {pid}, which is {holder}, not a {program} that runs: removing it")
            path.unlink(missing_ok=True)


def _systemctl_start(machine: Machine) -> None:
    try:
        run(["systemctl", "start", "docker"], env=machine.env, timeout=START_LIMIT + 60)
    except CommandError as error:
        raise EngineError(
            f"systemd could not start Docker: {error}\n{_journal(machine)}".rstrip(),
            expected="systemctl start docker succeeds",
            advice="see journalctl -u docker, mend it, then run this again",
        ) from error


def _journal(machine: Machine) -> str:
    try:
        command = ["journalctl", "-u", "docker", "-n", str(LOG_LINES), "--no-pager"]
        return run(command, env=machine.env, timeout=10, check=False).tail
    except CommandError:
        return ""


def _wait(answers: Callable[[], bool], alive: Callable[[], bool], log: Callable[[], str]) -> None:
    """Wait until the engine ``answers``; give up when its process has ended, or at the limit."""
    began = time.monotonic()

    def given_up(state: str) -> EngineError:
        waited = time.monotonic() - began
        return EngineError(
            f"dockerd {state}, {waited:.0f} s after its start; its last lines:\n{log() or '(none)'}",
            expected=f"an engine that answers within {START_LIMIT:g} s",
            advice="mend what the log says (another engine's pid file? no iptables or overlay in this "
            "kernel? disk full?), or point DOCKER_HOST at an engine that runs",
        )

    def look() -> bool:
        if answers():
            return True
        if not alive():
            raise given_up("ended")
        return False

    try:
        wait_until("dockerd answers", look, START_LIMIT, interval=0.2)
    except WaitTimeout as error:
        raise given_up("still runs but does not answer") from error


def _running_daemon(machine: Machine) -> int:
    """The pid of a dockerd that its pid file names and that really runs, else 0."""
    pid = _pid_in(machine.root / "var/run/docker.pid")
    return pid if _running(pid) == "dockerd" else 0


def _pid_in(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _holder(pid: int) -> tuple[str, str]:
    """The name and state of the process (or kernel thread) with this pid; empty if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest.split()[0]


def _running(pid: int) -> str:
    """The name of a process that really runs; a zombie has ended, though its pid is still taken."""
    name, state = _holder(pid)
    return "" if state in "ZX" else name


def _tail(log: Path, start: int) -> str:
    """The last lines that the log gained after its first ``start`` bytes."""
    try:
        text = log.read_bytes()[start:].decode("utf-8", "replace")
    except OSError as error:
        return str(error)
    return "\n".join(text.splitlines()[-LOG_LINES:])
