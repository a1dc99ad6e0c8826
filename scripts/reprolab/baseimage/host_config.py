"""The configuration that a fallback image takes from this host: package sources, certificate authorities, pip.

The project itself contains none of it. So the lab works behind a mirror, a proxy or a company's certificate authority
if the machine is set up for it.
"""

from __future__ import annotations

import configparser
import hashlib
import re
import shlex
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reprolab.core.errors import BaseImageError, LabError
from reprolab.core.subprocesses import run

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")
PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
# The settings of apt that the host's sources may need.
APT_OPTIONS = re.compile(r'(Acquire::(?:https?::Proxy|Check-Valid-Until|Check-Date|Retries)) "(.+)";', re.IGNORECASE)
PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")


@dataclass(frozen=True)
class HostConfig:
    """The part of the host's configuration that goes into fallback images."""

    distribution: str  # "Debian"
    release: str  # "12.11"
    codename: str  # "bookworm"
    sources: tuple[str, ...]  # one-line apt entries
    apt_options: tuple[str, ...]
    authorities: tuple[str, ...]  # PEM texts that the distribution does not ship
    pip: str  # text of pip.conf


def read_host(environ: Mapping[str, str], root: Path = Path("/")) -> HostConfig:
    """Read this host's configuration. BaseImageError if it is not of the Debian family."""
    release = os_release(root / "etc/os-release")
    codename = release.get("VERSION_CODENAME", "")
    if "debian" not in f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split() or not codename:
        raise BaseImageError(
            f"no base image can be built on {release.get('PRETTY_NAME', 'this system')}",
            expected="a release of the Debian family, whose packages mmdebstrap can unpack",
            advice="give this engine access to its registry, or load the official image with `docker load`",
        )
    sources = tuple(apt_sources(codename, root / "etc/apt"))
    if not sources:
        raise BaseImageError(
            f"no package source for {codename} in /etc/apt",
            expected=f"an http(s) source of {codename}'s main component, signed by the distribution's keys",
            advice="restore the distribution's own entry in /etc/apt/sources.list.d",
        )
    return HostConfig(
        distribution=release.get("NAME", "Debian").split()[0],
        release=point_release(release, root / "etc/debian_version"),
        codename=codename,
        sources=sources,
        apt_options=tuple(apt_options(_apt_dump())),
        authorities=tuple(own_authorities(_bundle(), root / "usr/share/ca-certificates")),
        pip=pip_conf(environ, root),
    )


def os_release(path: Path) -> dict[str, str]:
    """Return the fields of an os-release file; empty if it does not exist."""
    try:
        lines = shlex.split(path.read_text("utf-8"), comments=True)
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def point_release(release: Mapping[str, str], debian_version: Path) -> str:
    """Return the point release: os-release has 12, debian_version has 12.11."""
    if release.get("ID") == "debian" and debian_version.is_file():
        return debian_version.read_text("utf-8").strip()
    return release.get("VERSION_ID", "")


def apt_sources(codename: str, apt: Path) -> Iterator[str]:
    """Yield the distribution's own binary sources of this release as one-line entries, each once."""
    entries = set()
    for file in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))):
        if file.suffix not in {".list", ".sources"} or not file.is_file():
            continue
        text = file.read_text("utf-8", "replace")
        for entry in _deb822(text) if file.suffix == ".sources" else _one_line(text):
            if entry not in entries and _is_distributions(entry, codename):
                entries.add(entry)
                yield entry


def _one_line(text: str) -> Iterator[str]:
    for line in text.splitlines():
        entry = " ".join(line.split("#", 1)[0].split())
        if entry.startswith("deb "):
            yield entry


def _deb822(text: str) -> Iterator[str]:
    content = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", content):
        pairs = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t]+.*)*)", stanza, re.MULTILINE)
        fields = {key.lower(): value.split() for key, value in pairs}
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        key = fields.get("signed-by", [])
        # An embedded key does not fit into a one-line entry. The release's keyring has it too.
        option = f"[signed-by={key[0]}] " if len(key) == 1 else ""
        for uri in fields.get("uris", []):
            for suite in fields.get("suites", []):
                yield f"deb {option}{uri} {suite} {' '.join(fields.get('components', []))}"


def _is_distributions(entry: str, codename: str) -> bool:
    """Whether the entry is of the distribution itself. A new image has no keys of other vendors."""
    match = ONE_LINE.fullmatch(entry)
    if not match or not match["uri"].startswith(("http://", "https://")):
        return False
    key = re.search(r"signed-by=(\S+)", match["options"] or "")
    suites = {codename, *(f"{codename}{end}" for end in ("-updates", "-security", "/updates"))}
    return (
        match["suite"] in suites
        and "main" in match["components"].split()
        and (key is None or key[1].endswith("-archive-keyring.gpg"))
    )


def _apt_dump() -> str:
    try:
        return run(["apt-config", "dump"], timeout=30).stdout
    except LabError:
        return ""


def apt_options(dump: str) -> Iterator[str]:
    """Yield the settings to take from ``apt-config dump``. A container cannot reach a proxy on the loopback."""
    for key, value in APT_OPTIONS.findall(dump):
        if not _is_private(value):
            yield f'{key} "{value}"'


def _bundle() -> str:
    for file in (ssl.get_default_verify_paths().cafile, BUNDLE):
        if file and Path(file).is_file():
            return Path(file).read_text("utf-8", "replace")
    return ""


def own_authorities(bundle: str, shipped: Path) -> Iterator[str]:
    """Yield the certificates that this host trusts and its distribution does not ship."""
    known = {pem for file in shipped.rglob("*.crt") for pem in _pems(file.read_text("utf-8", "replace"))}
    yield from sorted(set(_pems(bundle)) - known)


def _pems(text: str) -> Iterable[str]:
    return (pem.replace("\r", "") + "\n" for pem in PEM.findall(text))


def authority_file(pem: str) -> str:
    """Return a file name made from the certificate only, so that equal hosts build equal images."""
    return f"reprolab-host-{hashlib.sha256(pem.encode()).hexdigest()[:12]}.crt"


def pip_conf(environ: Mapping[str, str], root: Path = Path("/")) -> str:
    """Return a pip.conf for the image: the system's certificates, and the host's indexes.

    A container cannot reach indexes in files or on the loopback, so they are left out. Addresses with a password are
    left out too, since an image may be given to others.
    """
    parser = configparser.RawConfigParser(strict=False)
    home = Path(environ.get("HOME", "/nonexistent"))
    files = [root / "etc/pip.conf", home / ".pip/pip.conf", home / ".config/pip/pip.conf"]
    try:
        parser.read([*files, environ.get("PIP_CONFIG_FILE", "/dev/null")])
    except (configparser.Error, UnicodeDecodeError):
        parser = configparser.RawConfigParser()
    lines = ["[global]", f"cert = {BUNDLE}"]
    for key in PIP_OPTIONS:
        configured = parser.get("global", key, fallback="")
        name = key.upper().replace("-", "_")
        value = environ.get(f"PIP_{name}") or environ.get(f"PIP_DEFAULT_{name}") or configured
        usable = [address for address in value.split() if not _is_private(address)]
        if usable:
            lines.append(f"{key} = {' '.join(usable)}")
    return "\n".join(lines) + "\n"


def _is_private(value: str) -> bool:
    """Whether an address is valid only on this host, or holds a password."""
    parts = urlsplit(value)
    local = (parts.hostname or value) in {"localhost", "127.0.0.1", "::1"}
    return local or parts.scheme == "file" or "@" in parts.netloc
