"""The Debian root file system of every fallback image. mmdebstrap unpacks it from this host's package sources."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

from reprolab.baseimage.host_config import HostConfig, authority_file
from reprolab.core.errors import BaseImageError
from reprolab.core.progress import OnProgress
from reprolab.core.shared_files import IMAGES, installed
from reprolab.core.subprocesses import CommandError, run

FILES = installed(IMAGES) / "base"
AS_ROOT = "or run this once as root: base images stay on the engine for all users"
TIMESTAMP = 1_700_000_000  # the time of every file, so that equal inputs give equal layers
MMDEBSTRAP_LIMIT = 900.0  # seconds; 15 to 30 are usual
# Directories of /usr/share that official slim images leave out.
NOT_UNPACKED = ("doc", "groff", "info", "linda", "lintian", "locale", "man")
# Added after mmdebstrap has ended: it would remove policy-rc.d, and apt.conf would prevent its cleanup.
ADDED = {"policy-rc.d": "./usr/sbin/policy-rc.d", "apt.conf": "./etc/apt/apt.conf.d/50reprolab"}
# Makes /bin a link to /usr/bin from the start. Otherwise a package does it, and that package requires perl.
MERGED_USR = Path("/usr/share/mmdebstrap/hooks/maybe-merged-usr")


def ensure_mmdebstrap(on_progress: OnProgress) -> None:
    """Install mmdebstrap if it is missing. BaseImageError if the lab may not install it."""
    if shutil.which("mmdebstrap"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BaseImageError(
            "mmdebstrap is not installed, so no base image can be built from this host",
            expected="the program that unpacks a Debian root file system",
            advice=f"as root: apt-get install mmdebstrap; {AS_ROOT}",
        )
    on_progress("installing mmdebstrap with apt-get: it unpacks Debian for the base images")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(["apt-get", "update"], env=env, check=False)
        run(["apt-get", "install", "--yes", "--no-install-recommends", "mmdebstrap"], env=env)
    except CommandError as error:
        raise BaseImageError("mmdebstrap could not be installed", expected=str(error)) from error


def unpack(host: HostConfig, work: Path) -> tuple[Path, str]:
    """Write the root file system as a tar file into ``work``; return its path and its point release."""
    rootfs = work / "rootfs.tar"
    work.chmod(0o755)  # apt downloads as a user of its own
    _run_mmdebstrap(host, work, rootfs)
    with tarfile.open(rootfs, "a") as tar:
        for source, target in ADDED.items():
            tar.add(FILES / source, target, filter=normalize_member)
    return rootfs, _release_in(rootfs) or host.release


def _run_mmdebstrap(host: HostConfig, work: Path, rootfs: Path) -> None:
    overlay = work / "overlay"
    _write_overlay(host, overlay)
    command = mmdebstrap_command(host, overlay, rootfs, as_root=os.geteuid() == 0)
    env = {**os.environ, "TMPDIR": str(work), "SOURCE_DATE_EPOCH": str(TIMESTAMP)}
    try:
        run(command, timeout=MMDEBSTRAP_LIMIT, env=env)
    except CommandError as error:
        raise BaseImageError(
            f"mmdebstrap could not unpack {host.distribution} {host.codename}: "
            f"{str(error).partition(':')[0]}\n{error.finished.tail}",
            expected="packages from the sources in /etc/apt",
            advice="check that `apt-get update` works on this host" + ("" if os.geteuid() == 0 else f"; {AS_ROOT}"),
        ) from error


def _write_overlay(host: HostConfig, overlay: Path) -> None:
    """Write the files that are added to the packages: the host's authorities and pip's settings."""
    trusted = overlay / "usr/local/share/ca-certificates"
    for directory in (trusted, overlay / "etc"):
        directory.mkdir(parents=True, exist_ok=True)
    for pem in host.authorities:
        (trusted / authority_file(pem)).write_text(pem, "utf-8")
    (overlay / "etc/pip.conf").write_text(host.pip, "utf-8")


def mmdebstrap_command(host: HostConfig, overlay: Path, rootfs: Path, *, as_root: bool) -> list[str]:
    """Return the command that writes the root file system to ``rootfs``.

    As root it runs in its own mount namespace. Its mounts of /dev and /proc then end with it, and the removal of the
    temporary directory never reaches them.
    """
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in NOT_UNPACKED]
    return [
        *(("unshare", "--mount", "--") if as_root else ()),
        "mmdebstrap",
        "--variant=minbase",
        "--format=tar",
        "--include=ca-certificates",
        *([f"--hook-dir={MERGED_USR}"] if MERGED_USR.is_dir() else []),
        *left_out,
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        *(f"--aptopt={option}" for option in host.apt_options),
        f"--customize-hook=sync-in {overlay} /",
        '--customize-hook=chroot "$1" update-ca-certificates',
        host.codename,
        str(rootfs),
        *host.sources,
    ]


def _release_in(rootfs: Path) -> str:
    """Return the point release of the root file system, which may be newer than the host's."""
    with tarfile.open(rootfs) as tar:
        for member in tar:
            if member.name == "./etc/debian_version":
                stream = tar.extractfile(member)
                release = stream.read().decode().strip() if stream else ""
                return release if release[:1].isdigit() else ""
    return ""


def normalize_member(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Filter a tar member: set root as owner, a fixed time, and modes that do not depend on the umask."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = TIMESTAMP
    executable = member.isdir() or member.mode & 0o100
    member.mode = 0o777 if member.issym() else 0o755 if executable else 0o644
    return member
