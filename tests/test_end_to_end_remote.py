"""A run on another machine: a second dockerd behind sshd, and behind TLS, in a network namespace of its own.

Nothing of this namespace reaches the ports that this engine publishes, so a probe that has an answer went by the relay.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from chaos.engine import THERE, SpareEngine, link, spare_engine
from lab import ROOT, engine, lab, read, run_directory
from reprolab.baseimage import fallback
from reprolab.core.waiting import wait_until
from reprolab.engine import apt
from reprolab.engine.images import listed_images
from reprolab.evidence.run_dir import RunDirectory

pytestmark = [pytest.mark.docker, pytest.mark.alone]

CASE = "smuggled"
# The second one mounts a file of the case.
VARIANTS = ("documented", "h2o")
RUN = ("run", CASE, *(word for name in VARIANTS for word in ("--variant", name)), "--trials", "1")
SSH_PORT, TLS_PORT = 2222, 2376
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


def call(*words: str | Path) -> None:
    """Run a program; its output is shown if the test fails."""
    subprocess.run([str(word) for word in words], check=True)


@dataclass(frozen=True)
class Certificates:
    """Those of an engine and of its client, in directories of their own. Each has ca.pem, cert.pem and key.pem."""

    server: Path
    client: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        authority = (folder / "ca.pem", folder / "ca-key.pem")
        call("openssl", "req", "-x509", *CURVE, "-keyout", authority[1], "-out", authority[0], "-subj", "/CN=ca")
        for name in ("server", "client"):
            place = folder / name
            place.mkdir()
            shutil.copy(authority[0], place / "ca.pem")
            files = ("-keyout", place / "key.pem", "-out", place / "cert.pem", "-subj", f"/CN={name}")
            signed = ("-CA", authority[0], "-CAkey", authority[1], "-addext", f"subjectAltName=IP:{THERE}")
            usage = ("-addext", "extendedKeyUsage=serverAuth,clientAuth")
            call("openssl", "req", "-x509", *CURVE, *files, *signed, *usage)
        return cls(folder / "server", folder / "client")

    @property
    def options(self) -> tuple[str, ...]:
        """Those of dockerd."""
        names = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
        files = [word for option, name in names.items() for word in (f"--{option}", str(self.server / name))]
        return ("-H", f"tcp://0.0.0.0:{TLS_PORT}", "--tlsverify", *files)


@dataclass(frozen=True)
class Far:
    """The second engine, which has the images of the case."""

    engine: SpareEngine
    certificates: Certificates
    folder: Path

    @contextmanager
    def sshd(self) -> Iterator[dict[str, str]]:
        """An sshd beside the engine; yields the environment in which it is reached. Nothing of the user's is used."""
        here = self.folder
        for name in ("key", "host"):
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", here / name)
        public = (here / "host.pub").read_text(encoding="ascii")
        (here / "known").write_text(f"[{THERE}]:{SSH_PORT} {public}", encoding="ascii")
        settings = {
            "ListenAddress": f"{THERE}:{SSH_PORT}",
            "HostKey": here / "host",
            "AuthorizedKeysFile": here / "key.pub",
            "StrictModes": "no",  # the directory of a test may be open to others
            "UsePAM": "no",
            "PidFile": "none",
            "PermitRootLogin": "prohibit-password",
            "SetEnv": f"DOCKER_HOST={self.engine.host} PATH={os.environ['PATH']}",
        }
        lines = [f"{name} {value}\n" for name, value in settings.items()]
        (here / "sshd_config").write_text("".join(lines), encoding="ascii")
        wrapper = here / "bin" / "ssh"
        wrapper.parent.mkdir()
        options = f"-F none -i {here}/key -o UserKnownHostsFile={here}/known -o BatchMode=yes"
        wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} {options} "$@"\n', encoding="ascii")
        wrapper.chmod(0o755)
        with (here / "sshd.log").open("wb") as log:
            process = subprocess.Popen([*self.engine.prefix, *server_command(here)], stderr=log)
        try:
            wait_until("sshd listens", lambda: b"listening" in (here / "sshd.log").read_bytes(), 30)
            path = f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}"
            yield {"DOCKER_HOST": f"ssh://root@{THERE}:{SSH_PORT}", "PATH": path}
        finally:
            process.terminate()
            process.wait(30)

    def behind_tls(self) -> dict[str, str]:
        """The environment in which the engine is reached by TLS."""
        host = {"DOCKER_HOST": f"tcp://{THERE}:{TLS_PORT}", "DOCKER_TLS_VERIFY": "1"}
        return host | {"DOCKER_CERT_PATH": str(self.certificates.client)}

    def in_a_context(self) -> dict[str, str]:
        """The environment in which a docker context leads to the engine: the certificates are in the context."""
        environ = {"DOCKER_CONFIG": str(self.folder / "config")}
        files = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
        words = [f"{name}={self.certificates.client / file}" for name, file in files.items()]
        endpoint = ",".join([f"host=tcp://{THERE}:{TLS_PORT}", *words])
        command = ["docker", "context", "create", "far", "--docker", endpoint]
        subprocess.run(command, env={**os.environ, **environ}, check=True)
        return environ | {"DOCKER_CONTEXT": "far"}


def server_command(here: Path) -> Sequence[str]:
    """The command of sshd from its package, which is not installed: that would start one for the whole machine.

    It wants a user and a directory of its own. In a mount namespace it has them, and the machine has not.
    """
    packages = here / "packages"
    packages.mkdir()
    for package in apt.download_with(apt.Machine(), (), ["openssh-server", "libwrap0"], packages):
        call("dpkg-deb", "-x", package, here / "root")
    users = Path("/etc/passwd").read_text(encoding="utf-8") + "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"
    (here / "passwd").write_text(users, encoding="utf-8")
    libraries = os.pathsep.join(str(path.parent) for path in (here / "root").rglob("libwrap.so.0"))
    steps = (
        f"mount --bind {here}/passwd /etc/passwd",
        "mount -t tmpfs none /run",
        "mkdir /run/sshd",
        f"exec env LD_LIBRARY_PATH={libraries} {here}/root/usr/sbin/sshd -D -e -f {here}/sshd_config",
    )
    return ("unshare", "--mount", "sh", "-c", " && ".join(steps))


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    """The engine on the other machine."""
    if os.geteuid() != 0:
        pytest.fail("a second dockerd needs root")
    folder = tmp_path_factory.mktemp("far")
    status, printed = lab(folder / "results", *RUN)
    assert status == 0, printed
    info = RunDirectory(run_directory(folder / "results", CASE)).info()
    tags = {image.reference for images in info.images.values() for image in images.values()}
    tags |= {base.reference or "" for base in info.bases.values()}
    # A base that was made on this host is looked up with the one of Debian that it was made from.
    tags |= {
        tag for image in listed_images(engine()) for tag in image.tags if tag.startswith(f"{fallback.NAME}/debian:")
    }
    certificates = Certificates.make(folder)
    with spare_engine(sorted(tags), certificates.options) as second, link(second):
        yield Far(second, certificates, folder)


def on_record() -> dict[tuple[str, str], tuple[bool, int]]:
    """(claim, variant) -> whether its sign shows there, in one trial; only where all trials on record agree."""
    rows = read(ROOT / "scenarios" / CASE / "recorded.json")["signs"].items()
    counts = {(claim, name): row[name] for claim, row in rows for name in VARIANTS}
    agreed = {key: row for key, row in counts.items() if row["trials"] and row["shown"] in (0, row["trials"])}
    return {key: (bool(row["shown"]), 1) for key, row in agreed.items()}


def check(results: Path, far: Far, environ: Mapping[str, str], way: str) -> None:
    """Run the case there: it comes out as on record, and nothing is left."""
    status, printed = lab(results, *RUN, **environ)
    assert status == 0, printed
    run = run_directory(results, CASE)
    verdict, info = read(run / "verdict.json"), read(run / "run.json")
    rows = {(claim, name): verdict["signs"][claim][name] for claim, name in on_record()}
    # A trial in which the trigger of a claim did not happen is not counted.
    shown = {key: (bool(row["shown"]), row["trials"]) for key, row in rows.items()}
    assert shown == on_record() and len(shown) > len(VARIANTS), printed
    assert info["host"]["hardware"] == f"another machine (behind {way}; its load was not watched)"
    assert "not measured on this machine: what the engine's machine did" in (run / "report.txt").read_text()
    (model,) = run.glob("*/h2o/1/compose.json")
    sources = [
        volume["source"] for service in read(model)["services"].values() for volume in service.get("volumes", ())
    ]
    assert [source.startswith(f"{far.engine.folder}/data/volumes/") for source in sources] == [True], sources
    client = far.engine.client()
    assert client.containers.list(all=True, ignore_removed=True) == [] and client.volumes.list() == []


@pytest.mark.timeout(1800)
def test_a_case_comes_out_the_same_on_an_engine_behind_ssh(far: Far, tmp_path: Path) -> None:
    """With the address alone."""
    with far.sshd() as environ:
        check(tmp_path / "results", far, environ, "ssh")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", ["behind_tls", "in_a_context"])
def test_a_case_comes_out_the_same_on_an_engine_behind_tls(way: str, far: Far, tmp_path: Path) -> None:
    """With the variables of the docker command line, and with a context."""
    check(tmp_path / "results", far, getattr(far, way)(), "tcp")
