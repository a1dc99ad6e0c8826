"""Finding, installing and starting an engine: with fake programs on PATH, and (marker docker) the real one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from reprolab.core.errors import EngineError, LabError, UsageError
from reprolab.core.versions import at_least, parse_version
from reprolab.engine import apt, install
from reprolab.engine.apt import AptSource, Machine
from reprolab.engine.detect import Engine, client, compose_command, ensure_engine
from reprolab.engine.plugins import COMPOSE

TOOLS = ("sh", "setsid", "sleep", "cat", "cp", "touch", "sed")

# A fake dockerd that answers like an engine.
DOCKERD = """#!{python}
import http.server, json, os, socketserver
root = {root!r}
with open(root + "/pids", "a") as pids: pids.write(str(os.getpid()) + "\\n")
print("fake dockerd starts", flush=True)
facts = {{"Version": "{version}", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}}
info = {{"KernelVersion": "6.1", "CgroupVersion": "2", "CgroupDriver": "systemd", "OperatingSystem": "Fake"}}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(info if self.path.endswith("/info") else facts).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
class Server(socketserver.ThreadingUnixStreamServer): daemon_threads = True
Server(root + "/var/run/docker.sock", Handler).serve_forever()
"""

DOCKER = """#!/bin/sh
case "$1" in
context) echo "unix://{root}/var/run/docker.sock" ;;
compose) cat "{root}/compose" ;;
buildx) echo "github.com/docker/buildx $(cat "{root}/buildx") 30feaa1" && [ -s "{root}/buildx" ] ;;
esac
"""

# A fake apt-get: it records each call, and "installs" from stock/.
APT_GET = """#!/bin/sh
echo "apt-get $*" >>"{root}/calls"
case "$*" in
*docker.io*) cp "{root}/stock/dockerd" "{root}/stock/docker" "{root}/bin/" ;;
*" download "*) touch docker-compose_2.26.1-4_amd64.deb docker-buildx_0.13.1_amd64.deb
    cp lab.sources "{root}/lab.sources" ;;
*install*) echo 2.26.1-4 >"{root}/compose"; echo 0.13.1+ds1 >"{root}/buildx" ;;
esac
"""

APT_CACHE = """#!/bin/sh
for package in "$@"; do sed -n "/^$package:/,/Version table/p" "{root}/policy"; done
"""

POLICY = """docker-compose:
  Installed: (none)
  Candidate: {compose}
  Version table:
     {compose} 500
docker-buildx:
  Installed: (none)
  Candidate: {buildx}
  Version table:
"""

SOURCES = """# the main archive
Types: deb
URIs: http://deb.example.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/example.gpg

Types: deb
URIs: http://deb.example.org/security
Suites: bookworm-security
Components: main
"""


@dataclass(frozen=True)
class Box:
    """A fake machine in a directory. Only its bin is on PATH, and it has no engine at first."""

    root: Path
    messages: list[str] = field(default_factory=list)

    @property
    def machine(self) -> Machine:
        """Root on Debian 12."""
        return Machine(root=self.root, environ={"PATH": str(self.root / "bin"), "HOME": "/nonexistent"}, uid=0)

    @property
    def calls(self) -> list[str]:
        """The calls of apt and systemctl."""
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def program(self, name: str, text: str) -> Path:
        """Write an executable file."""
        path = self.root / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def stock(self, version: str = "20.10.24+dfsg1") -> None:
        """Put docker.io into the archive."""
        self.program("stock/dockerd", DOCKERD.format(python=sys.executable, root=str(self.root), version=version))
        self.program("stock/docker", DOCKER.format(root=self.root))

    def unpack(self) -> None:
        """Install docker.io without starting its daemon."""
        for name in ("docker", "dockerd"):
            shutil.copy(self.root / "stock" / name, self.root / "bin" / name)

    def plugins(self, compose: str, buildx: str) -> None:
        """Set the versions of the plugins; "" for a missing one."""
        (self.root / "compose").write_text(compose)
        (self.root / "buildx").write_text(buildx)

    def ensure(self, machine: Machine | None = None, **environ: str) -> Engine:
        """Call ensure_engine on this box, with changes to its environment."""
        machine = machine or self.machine
        return ensure_engine(self.messages.append, machine=replace(machine, environ={**machine.environ, **environ}))


@pytest.fixture
def box() -> Iterator[Box]:
    """A new box. Its path is short, since the path of a socket has a limit. Its daemons are ended."""
    root = Path(tempfile.mkdtemp(prefix="rl-"))
    for name in ("bin", "stock", "etc/apt/sources.list.d", "var/run", "var/log", "run"):
        (root / name).mkdir(parents=True)
    for tool in TOOLS:
        (root / "bin" / tool).symlink_to(str(shutil.which(tool)))
    (root / "etc/os-release").write_text('ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian 12"\n')
    (root / "etc/apt/sources.list.d/debian.sources").write_text(SOURCES)
    (root / "policy").write_text(POLICY.format(compose="1.29.2-3", buildx="(none)"))
    box = Box(root)
    box.program("bin/apt-get", APT_GET.format(root=root))
    box.program("bin/apt-cache", APT_CACHE.format(root=root))
    box.stock()
    box.plugins("2.26.1-4", "0.13.1+ds1")
    yield box
    for pid in _pids(root):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    shutil.rmtree(root)


def _pids(root: Path) -> list[int]:
    path = root / "pids"
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


# Versions


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.26.1-4", (2, 26, 1)),
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("v2.20.0", (2, 20, 0)),
        ("28.2.2", (28, 2, 2)),
        ("5:20.10.24~3-0~debian-bookworm", (20, 10, 24)),
        ("v0.14.0-desktop.1\n", (0, 14, 0)),
        ("20.10", (20, 10, 0)),
    ],
)
def test_a_version_is_read_whatever_its_packager_adds(text: str, version: tuple[int, int, int]) -> None:
    """Suffixes, epochs and a leading v do not matter."""
    assert parse_version(text) == version


def test_a_text_without_a_version_is_refused() -> None:
    """The ValueError has the text."""
    with pytest.raises(ValueError, match="not a version: 'dev'"):
        parse_version("dev")


@pytest.mark.parametrize(
    ("version", "minimum", "enough"),
    [
        ("2.26.1-4", "2.20", True),
        ("v2.20.0", "2.20", True),
        ("v2.9.0", "2.20", False),  # numbers, not text
        ("1.29.2-3", "2.20", False),
        ("20.10.24+dfsg1", "20.10", True),
        ("19.03.15", "20.10", False),
        ("28.2.2", "20.10", True),
        ("", "0.10", False),
        ("dev", "0.10", False),
    ],
)
def test_versions_compare_by_number(version: str, minimum: str, enough: bool) -> None:
    """2.9 is older than 2.20, and a text without a version is never new enough."""
    assert at_least(version, minimum) is enough


# A fresh machine, and each state between it and a ready one


def test_a_fresh_machine_gets_an_engine(box: Box) -> None:
    """The daemon is installed, then the plugins of the next release; each step is announced."""
    box.plugins("", "")
    engine = box.ensure()
    assert (engine.version, engine.compose, engine.buildx) == ("20.10.24+dfsg1", "2.26.1-4", "0.13.1+ds1")
    assert (engine.started, engine.kernel, engine.cgroup, engine.os) == (True, "6.1", "v2 systemd", "Fake")
    assert engine.host == f"unix://{box.root}/var/run/docker.sock"
    assert compose_command(engine) == (f"{box.root}/bin/docker", "compose")
    installs = [call for call in box.calls if " install " in call]
    assert installs[0].endswith("--no-install-recommends docker.io iptables ca-certificates")
    assert "docker-compose_2.26.1-4_amd64.deb" in installs[1]
    assert "installing docker.io" in box.messages[0]
    assert any("installing from trixie" in line for line in box.messages)
    assert (box.root / "var/log/reprolab-dockerd.log").read_text() == "fake dockerd starts\n"


def test_an_engine_that_answers_is_used_without_output(box: Box) -> None:
    """The second time nothing is printed, installed or started, and no permission is needed."""
    box.unpack()
    assert box.ensure().started is True
    box.messages.clear()
    again = box.ensure(REPROLAB_ENGINE="external")
    assert (again.started, box.messages, box.calls) == (False, [], [])
    assert len(_pids(box.root)) == 1


def test_the_private_apt_state_leaves_the_sources_alone(box: Box) -> None:
    """Mirror and key are those of the machine, the suite is the next one, and apt works in a temporary directory."""
    box.unpack()
    box.plugins("1.29.2", "")
    box.ensure()
    assert (box.root / "lab.sources").read_text() == (
        "Types: deb\nURIs: http://deb.example.org/debian\nSuites: trixie\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/example.gpg\n"
    )
    private = [call for call in box.calls if "Dir::Etc::sourcelist=" in call]
    assert [call.split()[-1] for call in private] == ["update", "docker-buildx"]
    assert all("Dir::Etc::sourceparts=/dev/null" in call and "Dir::State::lists=" in call for call in private)
    assert (box.root / "etc/apt/sources.list.d/debian.sources").read_text() == SOURCES


def test_the_distributions_own_plugins_come_first(box: Box) -> None:
    """If the packages of this release are new enough, no other release is asked."""
    box.unpack()
    box.plugins("", "")
    (box.root / "policy").write_text(POLICY.format(compose="2.26.1-4", buildx="0.13.1+ds1-3"))
    box.ensure()
    assert box.calls[-1].endswith("--no-install-recommends docker-compose docker-buildx")
    assert not any("download" in call for call in box.calls)


# Errors and their messages


def _no_engine(box: Box) -> Machine:
    return box.machine


def _not_root(box: Box) -> Machine:
    return replace(box.machine, uid=1000)


def _not_debian(box: Box) -> Machine:
    (box.root / "etc/os-release").write_text("ID=fedora\n")
    return box.machine


@pytest.mark.parametrize(
    ("prepare", "environ", "words"),
    [
        (_not_root, {}, "only as root"),
        (_not_debian, {}, "only on Debian and its derivatives"),
        (_no_engine, {"REPROLAB_ENGINE": "external"}, "REPROLAB_ENGINE=external forbids"),
    ],
)
def test_without_permission_nothing_is_installed(
    box: Box, prepare: Callable[[Box], Machine], environ: dict[str, str], words: str
) -> None:
    """The message has the failure, the reason why nothing is installed, what was expected and what to do."""
    with pytest.raises(EngineError) as error:
        box.ensure(prepare(box), **environ)
    text = str(error.value)
    assert words in text
    assert "no Docker Engine answers at unix://" in text
    assert "expected: a running Docker Engine >= 20.10 with Compose >= 2.20 and buildx >= 0.10" in text
    assert "to do:    install and start Docker by hand" in text
    assert box.calls == []


def test_without_permission_no_plugin_is_installed(box: Box) -> None:
    """The message names both plugins with their versions and the required ones."""
    box.unpack()
    box.ensure()
    box.plugins("", "0.9.1")
    with pytest.raises(EngineError) as error:
        box.ensure(REPROLAB_ENGINE="external")
    assert "compose plugin is missing (2.20 or later needed)" in str(error.value)
    assert "buildx plugin is 0.9.1 (0.10 or later needed)" in str(error.value)
    assert box.calls == []


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:9", "unix:///nonexistent/docker.sock"])
def test_a_dead_docker_host_is_an_error_and_installs_nothing(box: Box, host: str) -> None:
    """With DOCKER_HOST set, no engine is installed on this machine."""
    with pytest.raises(EngineError) as error:
        box.ensure(DOCKER_HOST=host)
    assert f"no Docker Engine answers at {host}" in str(error.value)
    assert "unset DOCKER_HOST" in str(error.value)
    assert (box.calls, box.messages) == ([], [])
    with pytest.raises(EngineError, match="no Docker Engine answers at"):
        client({**box.machine.environ, "DOCKER_HOST": host})


def test_an_old_engine_is_refused(box: Box) -> None:
    """The message has its version and the required one."""
    box.stock(version="19.03.15")
    box.unpack()
    with pytest.raises(EngineError) as error:
        box.ensure()
    assert "is too old: 19.03.15" in str(error.value)
    assert "expected: 20.10 or later" in str(error.value)


def test_an_older_plugin_that_comes_first_is_named(box: Box) -> None:
    """After the installation docker still runs the user's own, older copy."""
    box.unpack()
    box.plugins("2.5.0", "0.13.1")
    box.program("bin/apt-get", "#!/bin/sh\ncase $* in *download*) touch docker-compose_2.deb;; esac\n")
    with pytest.raises(EngineError) as error:
        box.ensure()
    assert "after the installation of its package, Docker's compose plugin is 2.5.0" in str(error.value)
    assert "~/.docker/cli-plugins" in str(error.value)


def test_a_failed_installation_shows_the_output_of_apt(box: Box) -> None:
    """A failed update is only reported; a failed installation is an error with command, code and output."""
    box.program("bin/apt-get", "#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
    with pytest.raises(EngineError) as error:
        box.ensure()
    assert "installing packages failed: exit code 100: apt-get install" in str(error.value)
    assert "E: Unable to locate package" in str(error.value)
    assert any("apt-get update ended with errors" in line for line in box.messages)


def test_a_distribution_without_the_plugins(box: Box) -> None:
    """Debian 11 has no plugins, and its libc is too old for those of the next release."""
    (box.root / "etc/os-release").write_text("ID=debian\nVERSION_CODENAME=bullseye\nPRETTY_NAME='Debian 11'\n")
    box.unpack()
    box.plugins("", "0.13.1")
    with pytest.raises(EngineError, match=r"packages of Debian 11 have no Docker compose >= 2\.20"):
        box.ensure()


def test_a_missing_docker_command_is_named(box: Box) -> None:
    """An engine is not enough: the lab runs Compose by the command line."""
    box.unpack()
    box.ensure()
    (box.root / "bin/docker").unlink()
    with pytest.raises(EngineError, match="there is no docker command on PATH"):
        box.ensure()


def test_an_unknown_setting_is_refused(box: Box) -> None:
    """A misspelt 'external' must not cause an installation."""
    with pytest.raises(UsageError, match="REPROLAB_ENGINE=extern is not known"):
        box.ensure(REPROLAB_ENGINE="extern")


# Starting the daemon


def test_a_daemon_that_ends_shows_its_last_lines(box: Box) -> None:
    """The log of an earlier start is not shown, and the lab does not wait for the limit."""
    box.unpack()
    box.program("bin/dockerd", "#!/bin/sh\necho 'failed to start daemon: no iptables'\nexit 1\n")
    (box.root / "var/log/reprolab-dockerd.log").write_text("of yesterday\n")
    began = time.monotonic()
    with pytest.raises(EngineError) as error:
        box.ensure()
    assert time.monotonic() - began < 10
    assert "dockerd ended" in str(error.value)
    assert "failed to start daemon: no iptables" in str(error.value)
    assert "of yesterday" not in str(error.value)


def test_a_daemon_that_never_answers_is_an_error(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the last lines of the log and the limit."""
    monkeypatch.setattr(install, "START_LIMIT", 1.0)
    box.unpack()
    script = f'#!/bin/sh\necho $$ >>"{box.root}/pids"\necho "waiting for a lock"\nexec sleep 60\n'
    box.program("bin/dockerd", script)
    with pytest.raises(EngineError) as error:
        box.ensure()
    assert "still runs but does not answer" in str(error.value)
    assert "waiting for a lock" in str(error.value)
    assert "answers within 1 s" in str(error.value)


def test_systemd_starts_the_daemon_if_it_runs(box: Box) -> None:
    """The lab then does not start dockerd itself."""
    (box.root / "run/systemd/system").mkdir(parents=True)
    box.unpack()
    start = f'echo "systemctl $*" >>"{box.root}/calls"; setsid --fork dockerd >"{box.root}/log" 2>&1'
    box.program("bin/systemctl", f"#!/bin/sh\n{start}\n")
    assert box.ensure().started is True
    assert box.calls == ["systemctl start docker"]


def test_the_daemon_inherits_no_pipes(box: Box) -> None:
    """A pipe that CI reads ends with the lab, although the daemon runs on. The daemon has its own session."""
    box.unpack()
    code = (
        "import sys; from pathlib import Path; from reprolab.engine.apt import Machine\n"
        "from reprolab.engine.install import start_detached\n"
        "m = Machine(root=Path(sys.argv[1]), environ={'PATH': sys.argv[1] + '/bin'})\n"
        "print(start_detached(m, m.which('dockerd'), m.root / 'log'))\n"
    )
    began = time.monotonic()
    starter = subprocess.run(
        [sys.executable, "-c", code, str(box.root)], capture_output=True, text=True, timeout=30, check=True
    )
    assert time.monotonic() - began < 10
    daemon = int(starter.stdout)
    _until(lambda: "starts" in (box.root / "log").read_text())
    assert _pids(box.root) == [daemon]
    assert os.getsid(daemon) == daemon
    fds = {str(fd.readlink()) for fd in Path(f"/proc/{daemon}/fd").iterdir()}
    assert not [target for target in fds if target.startswith("pipe:")]
    assert {"/dev/null", str(box.root / "log")} <= fds


def _until(true: Callable[[], bool], limit: float = 10.0) -> None:
    deadline = time.monotonic() + limit
    while not true():
        assert time.monotonic() < deadline, f"not so after {limit:g} s"
        time.sleep(0.05)


def test_a_pid_file_of_another_program_is_removed(box: Box) -> None:
    """After a reboot any program may have its pid, and dockerd 20.10 then refuses to start."""
    box.unpack()
    for name in ("docker.pid", "docker/containerd/containerd.pid"):
        path = box.root / "var/run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(os.getpid()))
    assert box.ensure().started is True
    assert len([line for line in box.messages if f"names process {os.getpid()}" in line]) == 2
    assert not list((box.root / "var/run").rglob("*.pid"))


def test_a_running_daemon_is_not_started_again(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pid file stays. If it never answers, that is an error."""
    monkeypatch.setattr(install, "START_LIMIT", 0.5)
    box.unpack()
    program = box.program("bin/dockerd", f'#!/bin/sh\necho $$ >>"{box.root}/pids"\nsleep 30\n')
    daemon = install.start_detached(box.machine, str(program), box.root / "log")
    _until(lambda: _pids(box.root) == [daemon])
    (box.root / "var/run/docker.pid").write_text(str(daemon))
    with pytest.raises(EngineError, match="still runs but does not answer"):
        box.ensure()
    assert (box.root / "var/run/docker.pid").exists()
    assert _pids(box.root) == [daemon]


def test_one_lab_at_a_time_sets_docker_up(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one waits, prints one line, and fails at its limit."""
    monkeypatch.setattr(install, "LOCK_LIMIT", 0.2)
    with install.setup_lock(box.machine, print):
        with pytest.raises(LabError, match=r"setting up Docker here: waited 0\.2 s for process"):
            box.ensure()
        (line,) = box.messages
        assert line.startswith("another run of the lab is setting up Docker here: waiting for process")
    assert box.ensure().started is True


# apt's sources


def test_sources_are_read_in_both_formats(box: Box) -> None:
    """Comments, deb-src and cdroms are skipped; options and components are parsed."""
    etc = box.root / "etc/apt"
    (etc / "sources.list").write_text(
        "# deb http://old.example.org/debian bookworm main\n"
        "deb cdrom:[Debian]/ bookworm main\n"
        "deb-src http://deb.example.org/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://list.example.org/debian bookworm main contrib # ours\n"
    )
    expected = AptSource("http://list.example.org/debian", ("bookworm",), ("main", "contrib"), "/k.gpg")
    assert apt.debian_source(box.machine) == expected
    (etc / "sources.list").unlink()
    assert apt.debian_source(box.machine).uris == "http://deb.example.org/debian"


def test_a_disabled_source_is_not_used_and_an_embedded_key_is_kept(box: Box) -> None:
    """A key in the source itself has many lines."""
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----"
    (box.root / "etc/apt/sources.list.d/debian.sources").write_text(
        f"Enabled: no\n{SOURCES.split(chr(10), 1)[1]}\n"
        "Types: deb deb-src\nURIs: http://key.example.org\nSuites: bookworm\nComponents: main\n"
        f"Signed-By:{key}\n"
    )
    source = apt.debian_source(box.machine)
    assert (source.uris, source.signed_by) == ("http://key.example.org", key)


def test_a_machine_without_debians_archive(box: Box) -> None:
    """It is an error; the lab does not guess a mirror."""
    (box.root / "etc/apt/sources.list.d/debian.sources").unlink()
    with pytest.raises(EngineError, match="no apt source for Debian bookworm main"):
        apt.debian_source(box.machine)


def test_a_package_without_candidate_is_left_out(box: Box) -> None:
    """Unknown packages and the candidate '(none)' are left out."""
    assert apt.candidates(box.machine, COMPOSE.packages) == {"docker-compose": "1.29.2-3"}


# The real engine


@pytest.mark.docker
def test_the_real_engine_answers_at_once_and_names_itself() -> None:
    """Engine, SDK client and Compose command report the same versions."""
    messages: list[str] = []
    ensure_engine(messages.append)
    began = time.monotonic()
    engine = ensure_engine(messages.append, {**os.environ, "REPROLAB_ENGINE": "external"})
    assert time.monotonic() - began < 2  # 0.2 s when the machine is idle
    assert at_least(engine.version, "20.10") and at_least(engine.compose, "2.20")
    assert at_least(engine.buildx, "0.10") and engine.kernel and engine.started is False
    sdk = client()
    assert sdk.ping() is True
    assert sdk.version()["Version"] == engine.version
    command = [*compose_command(engine), "version", "--short"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == engine.compose


@pytest.mark.docker
def test_the_client_follows_the_current_context(tmp_path: Path) -> None:
    """DOCKER_CONTEXT sets another endpoint, which the client uses."""
    environ = {**os.environ, "DOCKER_CONFIG": str(tmp_path)}
    environ.pop("DOCKER_HOST", None)
    dead = f"host=unix://{tmp_path}/none.sock"
    command = ["docker", "context", "create", "elsewhere", "--docker", dead]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    with pytest.raises(EngineError, match=r"no Docker Engine answers at unix://.*/none\.sock"):
        client({**environ, "DOCKER_CONTEXT": "elsewhere"})
    with pytest.raises(EngineError, match="the current docker context cannot be read"):
        client({**environ, "DOCKER_CONTEXT": "no-such-context"})
