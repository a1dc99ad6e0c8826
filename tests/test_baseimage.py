"""Base images: names, policies, failed pulls, the content of fallback images, and real builds."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from docker.errors import APIError, DockerException, ImageNotFound
from reprolab.baseimage import cpython, fallback, host_config, rootfs
from reprolab.baseimage import resolve as base_resolve
from reprolab.baseimage.cpython import Interpreter
from reprolab.baseimage.host_config import HostConfig
from reprolab.baseimage.resolve import (
    Base,
    Origin,
    Policy,
    PullFailure,
    classify,
    fallback_version,
    policy,
    resolve_base,
)
from reprolab.core.errors import BaseImageError, EngineError, UsageError
from reprolab.engine import elsewhere
from reprolab.engine.images import listed_images

KEYRING = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
OFFICIAL = "python:3.6.15-slim-bullseye"
UNREACHABLE = 'Get "https://registry.invalid/v2/": dial tcp: lookup registry.invalid on 10.0.0.1:53: no such host'
ABSENT = "manifest for python:3.6.99-slim not found: manifest unknown: manifest unknown"
HOST = HostConfig("Debian", "12.11", "bookworm", ("deb http://mirror.invalid/debian bookworm main",), (), (), "")


@pytest.fixture(autouse=True)
def forget_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset the state of the registry before each test."""
    monkeypatch.setattr(base_resolve, "_registry", base_resolve._Registry())


class Images:
    """The images of a fake engine."""

    def __init__(self, **present: Any) -> None:
        self.present = present

    def get(self, name: str) -> Any:
        """The image of that name, or the SDK's error."""
        if name not in self.present:
            raise ImageNotFound(f"No such image: {name}")
        return self.present[name]


class Engine:
    """A client with a given outcome of pulls: a dict is an event of the stream, an exception is raised."""

    def __init__(self, outcome: Any = None, **present: Any) -> None:
        self.images = Images(**present)
        self.outcome = outcome
        self.pulls: list[str] = []
        self.api = SimpleNamespace(pull=self.pull, images=self.rows)

    def rows(self, filters: dict[str, Any]) -> list[dict[str, Any]]:
        """All images, as the engine lists them."""
        tagged = {id(row): row for row in self.images.present.values() if hasattr(row, "tags")}
        return [{"Id": row.id, "RepoTags": row.tags, "Labels": row.labels} for row in tagged.values()]

    def pull(self, repository: str, tag: str, *, stream: bool, decode: bool) -> Iterator[dict[str, Any]]:
        """Record the pull and return the outcome."""
        self.pulls.append(f"{repository}:{tag}")
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if isinstance(self.outcome, dict):
            return iter([{"status": "Pulling"}, self.outcome])
        self.images.present[f"{repository}:{tag}"] = image(RepoDigests=[f"{repository}@sha256:{'a' * 64}"])
        return iter([{"status": "Done"}])


def image(labels: dict[str, str] | None = None, **attrs: Any) -> Any:
    """An image of the SDK."""
    return SimpleNamespace(id="sha256:1", labels=labels or {}, attrs=attrs)


def refused(text: str) -> APIError:
    """The error of an engine that answers a pull with ``text``."""
    return APIError("500 Server Error", explanation=text)


def resolve(engine: Any, official: str = OFFICIAL, how: Policy = Policy.AUTO) -> Base:
    """Resolve one name."""
    return resolve_base(official, engine, policy=how, on_progress=lambda line: None)


@pytest.fixture
def fallback_images(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record builds of fallback images instead of running them."""
    builds: list[str] = []

    def python(official: str, version: str, *rest: object) -> fallback.FallbackImage:
        builds.append(version)
        return fallback.FallbackImage(f"reprolab-base/python:{version}-host-bookworm", image(), "Debian 12.11")

    def debian(*rest: object) -> fallback.FallbackImage:
        builds.append("debian")
        return fallback.FallbackImage("reprolab-base/debian:host-bookworm", image(), "Debian 12.11")

    monkeypatch.setattr(fallback, "python_base", python)
    monkeypatch.setattr(fallback, "debian_base", debian)
    return builds


def test_a_base_from_a_bundle_keeps_its_name_and_id(
    fallback_images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No registry is asked and nothing is built. The id is that of the first machine: image names depend on it."""
    reference, identity = "reprolab-base/python:3.6.15-host-bookworm", "b" * 64
    loaded = image({"reprolab.base": "host", "reprolab.base.debian": "12.11"})
    loaded.tags = [reference, f"{base_resolve.bundled_name(OFFICIAL)}:{identity}"]
    engine = Engine(refused(UNREACHABLE), **{reference: loaded})
    base = resolve(engine)
    assert (base.reference, base.image_id, base.origin) == (reference, f"sha256:{identity}", Origin.HOST)
    assert "came in a bundle, built on the host where that was made, with Debian 12.11" in base.detail
    assert (engine.pulls, fallback_images) == ([], [])
    # In a virtual machine no base comes from a bundle.
    monkeypatch.setenv(elsewhere.KERNEL, "5.10.223")
    assert "came from the engine of this machine, built there with Debian 12.11" in resolve(engine).detail


def test_a_replaced_base_of_a_bundle_is_ignored(fallback_images: list[str]) -> None:
    """If the name of the fallback image belongs to another image now, the old one is not used."""
    loaded = image({"reprolab.base": "host"})
    loaded.tags = [f"{base_resolve.bundled_name(OFFICIAL)}:{'b' * 64}"]
    resolve(Engine(refused(UNREACHABLE), old=loaded))
    assert fallback_images == ["3.6.15"]


def test_a_bundle_does_not_override_a_policy() -> None:
    """Without fallback images, one from a bundle is not used either."""
    reference = "reprolab-base/python:3.6.15-host-bookworm"
    loaded = image({"reprolab.base": "host"})
    loaded.tags = [reference, f"{base_resolve.bundled_name(OFFICIAL)}:{'b' * 64}"]
    with pytest.raises(BaseImageError):
        resolve(Engine(refused(UNREACHABLE), **{reference: loaded}), how=Policy.HUB)


@pytest.mark.parametrize(
    ("official", "version"),
    [
        ("python:3.6.15-slim-bullseye", "3.6.15"),
        ("python:3.13.0-slim", "3.13.0"),
        ("python:3.11.7-bookworm", "3.11.7"),
        ("python:3.11.7", "3.11.7"),
        ("debian:bookworm-slim", ""),
        ("debian:12", ""),
        ("python:3.11", "3.11"),
        ("python:3.12-slim-bookworm", "3.12"),
        ("python:3-slim", None),
        ("python:3.12-alpine", None),
        ("python:3.11.7-alpine", None),
        ("python:3.11.7-slim-alpine", None),
        ("python:3.11.7-windowsservercore", None),
        ("python:3.13.0rc1", None),
        ("python:2.7.18", None),
        ("example.org/python:3.11.7", None),
        ("debian", None),
        ("nginx:1.24.0", None),
    ],
)
def test_names_with_a_fallback(official: str, version: str | None) -> None:
    """Only a release of CPython 3, with or without its patch number, or Debian, has a fallback image."""
    assert fallback_version(official) == version


@pytest.mark.parametrize(("word", "expected"), [("", "auto"), ("auto", "auto"), ("hub", "hub"), (" host ", "host")])
def test_policy(word: str, expected: str) -> None:
    """An unset or empty REPROLAB_BASES means auto."""
    assert policy({"REPROLAB_BASES": word}) == expected
    assert policy({}) is Policy.AUTO


def test_an_unknown_policy_names_the_allowed_ones() -> None:
    """A misspelt REPROLAB_BASES is a UsageError."""
    with pytest.raises(UsageError, match="'never'") as raised:
        policy({"REPROLAB_BASES": "never"})
    assert "auto, hub, host" in str(raised.value)


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        (UNREACHABLE, PullFailure.UNREACHABLE),
        ("dial tcp 192.0.2.1:443: i/o timeout", PullFailure.UNREACHABLE),
        ("dial tcp 192.0.2.1:443: connect: connection refused", PullFailure.UNREACHABLE),
        ("net/http: TLS handshake timeout", PullFailure.UNREACHABLE),
        ("request canceled while waiting for connection (Client.Timeout exceeded)", PullFailure.UNREACHABLE),
        ("x509: certificate signed by unknown authority", PullFailure.UNREACHABLE),
        ("received unexpected HTTP status: 503 Service Unavailable", PullFailure.UNREACHABLE),
        ('Get "https://registry.invalid/v2/": EOF', PullFailure.UNREACHABLE),
        ("toomanyrequests: You have reached your pull rate limit.", PullFailure.LIMITED),
        (ABSENT, PullFailure.ABSENT),
        ("registry.invalid/library/python:3.6.99: not found", PullFailure.ABSENT),
        (
            "pull access denied for nosuch, repository does not exist or may require 'docker login'",
            PullFailure.ABSENT,
        ),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", PullFailure.ABSENT),
        ("failed to register layer: write /usr/lib/x: no space left on device", PullFailure.OTHER),
    ],
)
def test_failed_pulls_are_classified(message: str, failure: PullFailure) -> None:
    """A registry that does not answer differs from one without the image."""
    assert classify(message) is failure


def test_a_local_official_image_is_used_as_it_is(fallback_images: list[str]) -> None:
    """A present image needs neither registry nor build."""
    engine = Engine(**{OFFICIAL: image(RepoDigests=["python@sha256:beef"])})
    base = resolve(engine)
    assert (base.origin, base.reference, base.digest) == (Origin.LOCAL, OFFICIAL, "sha256:beef")
    assert engine.pulls == [] and fallback_images == []


def test_a_fallback_image_with_the_official_name_is_not_official(fallback_images: list[str]) -> None:
    """It is recognized by its label."""
    engine = Engine(refused(UNREACHABLE), **{OFFICIAL: image({"reprolab.base": "host"})})
    assert resolve(engine).origin is Origin.HOST


def test_a_pulled_image_carries_its_digest(fallback_images: list[str]) -> None:
    """The digest identifies the pulled image."""
    base = resolve(Engine())
    assert (base.origin, base.reference, base.digest) == (Origin.PULLED, OFFICIAL, f"sha256:{'a' * 64}")
    assert fallback_images == []


@pytest.mark.parametrize("outcome", [refused(UNREACHABLE), {"error": UNREACHABLE}], ids=["status", "stream"])
def test_without_a_registry_the_fallback_image_is_used(outcome: Any, fallback_images: list[str]) -> None:
    """It has its own name, and its line has its origin and the reason."""
    base = resolve(Engine(outcome))
    assert base.origin is Origin.HOST and base.digest == ""
    assert base.reference == "reprolab-base/python:3.6.15-host-bookworm"
    assert base.detail == f"{OFFICIAL} built on this host from Debian 12.11 (Docker Hub not reachable)"


def test_the_fallback_of_a_full_image_is_slim(fallback_images: list[str]) -> None:
    """The full image has compilers. The line of the fallback image says that it has none."""
    assert "no compilers" in resolve(Engine(refused(UNREACHABLE)), "python:3.11.7").detail


def test_an_unreachable_registry_is_asked_once(fallback_images: list[str]) -> None:
    """A pull that times out takes many seconds, so a process tries only one."""
    engine = Engine(refused(UNREACHABLE))
    names = [OFFICIAL, "debian:bookworm-slim", OFFICIAL]
    bases = base_resolve.resolve_bases(names, engine, policy=Policy.AUTO, on_progress=lambda line: None)  # type: ignore[arg-type]
    assert list(bases) == [OFFICIAL, "debian:bookworm-slim"]
    assert engine.pulls == [OFFICIAL] and fallback_images == ["3.6.15", "debian"]


@pytest.mark.parametrize("outcome", [refused(ABSENT), {"error": ABSENT}], ids=["status", "stream"])
def test_a_name_that_the_registry_does_not_have(outcome: Any, fallback_images: list[str]) -> None:
    """It is an error, since a fallback image would hide a wrong name. The registry is asked again."""
    engine = Engine(outcome)
    for _ in range(2):
        with pytest.raises(BaseImageError, match=r"has no image python:3\.6\.15"):
            resolve(engine)
    assert len(engine.pulls) == 2 and fallback_images == []


def test_a_pull_that_fails_otherwise_is_an_error(fallback_images: list[str]) -> None:
    """With a full disk the build of a fallback image would fail too."""
    with pytest.raises(BaseImageError, match="no space left"):
        resolve(Engine(refused("write /x: no space left on device")))
    assert fallback_images == []


def test_hub_never_builds(fallback_images: list[str]) -> None:
    """With REPROLAB_BASES=hub only the official image is used."""
    with pytest.raises(BaseImageError, match="not reachable") as raised:
        resolve(Engine(refused(UNREACHABLE)), how=Policy.HUB)
    assert "REPROLAB_BASES=auto" in str(raised.value) and fallback_images == []


def test_host_neither_pulls_nor_uses_the_official_image(fallback_images: list[str]) -> None:
    """REPROLAB_BASES=host gives the same base with and without a registry."""
    engine = Engine(**{OFFICIAL: image()})
    base = resolve(engine, how=Policy.HOST)
    assert base.origin is Origin.HOST and base.detail.endswith("(REPROLAB_BASES=host)")
    assert engine.pulls == []


def test_an_image_without_a_fallback() -> None:
    """The error lists the images that have one."""
    with pytest.raises(BaseImageError, match="nginx") as raised:
        resolve(Engine(refused(UNREACHABLE)), "nginx:1.24.0")
    assert "python:X.Y[.Z]" in raised.value.expected and "docker load" in raised.value.advice


def test_an_engine_that_stops_answering_is_the_engine_s_error() -> None:
    """A lost connection is an EngineError."""
    engine = Engine()
    engine.images.get = lambda name: (_ for _ in ()).throw(DockerException("connection aborted"))  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="connection aborted"):
        resolve(engine)


def pyenv(tmp_path: Path, *versions: str) -> Path:
    """Make a pyenv root with these versions."""
    for version in versions:
        program = tmp_path / "versions" / version / f"bin/python{version.rpartition('.')[0]}"
        program.parent.mkdir(parents=True)
        program.write_bytes(b"x")
    return tmp_path


def test_the_error_for_a_missing_interpreter(tmp_path: Path) -> None:
    """It lists the present versions, the oldest first, and the command that installs the missing one."""
    root = pyenv(tmp_path, "3.11.7", "3.9.18")
    with pytest.raises(BaseImageError, match=r"no CPython 3\.6\.15 \(it has 3\.9\.18, 3\.11\.7\)") as raised:
        cpython.find_interpreter("3.6.15", {"PYENV_ROOT": str(root)})
    assert "`pyenv install 3.6.15`" in raised.value.advice
    assert cpython.find_interpreter("3.9.18", {"PYENV_ROOT": str(root)}).minor == "3.9"


def test_a_tag_that_moves_has_the_newest_release(tmp_path: Path) -> None:
    """By numbers, not as texts; where there is none the error names the tag."""
    environ = {"PYENV_ROOT": str(pyenv(tmp_path, "3.11.7", "3.11.10", "3.1.4", "3.12.1"))}
    assert cpython.find_interpreter("3.11", environ).version == "3.11.10"
    with pytest.raises(BaseImageError, match=r"no CPython 3\.13 \("):
        cpython.find_interpreter("3.13", environ)


def test_the_error_without_pyenv() -> None:
    """Neither PYENV_ROOT nor a program pyenv exists."""
    with pytest.raises(BaseImageError, match="there is no pyenv"):
        cpython.find_interpreter("3.6.15", {"PATH": "/nonexistent"})


def test_a_pyenv_that_this_user_cannot_read_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its directory may be root's own; there was a traceback about a permission."""
    environ = {"PYENV_ROOT": str(pyenv(tmp_path, "3.6.15"))}
    assert cpython.find_interpreter("3.6.15", environ)
    monkeypatch.setattr(cpython.os, "access", lambda *_: False)
    with pytest.raises(BaseImageError, match="there is no pyenv that this user can read") as raised:
        cpython.find_interpreter("3.6.15", environ)
    assert "as root, once" in raised.value.advice


@pytest.mark.parametrize("user", [0, 1000])
def test_a_user_who_is_not_root_takes_the_bases_that_are_there(user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may have built them with other settings of pip; such a user could not build them anew. Root does."""
    labels = {"reprolab.base": "host", "reprolab.base.debian": "12.11", "reprolab.base.fingerprint": "another"}
    names = ("reprolab-base/debian:host-bookworm", "reprolab-base/python:3.6.15-host-bookworm")
    engine: Any = Engine(**{name: image(labels) for name in names})
    monkeypatch.setattr(fallback.os, "geteuid", lambda: user)
    monkeypatch.setattr(fallback, "read_host", lambda environ: HOST)
    monkeypatch.setattr(fallback, "_make_debian", lambda *_: pytest.fail("built"))
    nobody = {"PATH": "/nonexistent"}

    def take() -> list[str]:
        return [
            fallback.debian_base(engine, nobody, print).reference,
            fallback.python_base(OFFICIAL, "3.6.15", engine, nobody, print).reference,
        ]

    if user:
        assert take() == list(names)
    else:
        with pytest.raises(pytest.fail.Exception, match="built"):
            fallback.debian_base(engine, nobody, print)
        with pytest.raises(BaseImageError, match="there is no pyenv"):
            fallback.python_base(OFFICIAL, "3.6.15", engine, nobody, print)


@pytest.mark.parametrize(
    ("version", "pip"),
    [
        ("3.6.15", "21.3.1"),
        ("3.7.16", "24.0"),
        ("3.8.18", "25.0.1"),
        ("3.9.18", "25.0.1"),
        ("3.13.0", "25.0.1"),
    ],
)
def test_pip_is_the_newest_for_the_interpreter(version: str, pip: str) -> None:
    """Later versions of pip do not start on it, or (since 3.9) build with packages that are not pinned."""
    requirements = (fallback.FILES / cpython.requirements_file(version)).read_text(encoding="utf-8")
    assert f"\npip=={pip} " in f"\n{requirements}"


def test_a_binary_keeps_its_layout_when_its_prefix_changes() -> None:
    """Linkers share the end of a string: "3.6.15" is the end of the prefix and also the version."""
    old, new = b"/opt/pyenv/versions/3.6.15", b"/usr/local"
    data = b"\x7fELF\0" + old + b"/lib\0(default\0" + old + b"\0"
    moved = cpython.relocate(data, old, new)
    assert len(moved) == len(data) and moved.index(b"(default") == data.index(b"(default")
    path = moved.split(b"\0")[1].decode()
    assert os.path.normpath(path) == "/usr/local/lib"
    assert moved.endswith(b"3.6.15\0")
    assert cpython.relocate(b"#!" + old + b"/bin/python3\n", old, new) == b"#!/usr/local/bin/python3\n"


def test_only_the_files_of_cpython_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that pip installed into the host's interpreter are not copied."""
    monkeypatch.setattr(cpython, "_strip", lambda target: None)
    source = pyenv(tmp_path, "3.6.15") / "versions/3.6.15"
    for name in (
        "bin/pip",
        "bin/flask",
        "bin/pydoc3.6",
        "bin/python3.6m-config",
        "include/python3.6m/Python.h",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(f"#!{source}/bin/python3.6")
    for name in ("os.py", "test/x.py", "json/tests/x.py", "site-packages/flask.py", "config/libpython3.6.a"):
        (source / "lib/python3.6" / name).parent.mkdir(parents=True, exist_ok=True)
        (source / "lib/python3.6" / name).touch()
    cpython.lay_out(Interpreter("3.6.15", source), [], tmp_path / "root")
    local = tmp_path / "root/usr/local"
    assert {p.name for p in (local / "bin").iterdir()} == {"python3.6", "pydoc3.6", "python3.6m-config"}
    assert (local / "bin/pydoc3.6").read_text() == "#!/usr/local/bin/python3.6"
    library = {str(p.relative_to(local / "lib/python3.6")) for p in (local / "lib/python3.6").rglob("*")}
    assert library == {"os.py", "json", "config", "site-packages"}


def test_fingerprints_change_with_the_inputs(tmp_path: Path) -> None:
    """A changed source, certificate, pip setting, interpreter or Debian gives another fingerprint."""
    hosts = [
        HOST,
        replace(HOST, release="12.12"),
        replace(HOST, sources=("deb http://other.invalid/debian bookworm main",)),
        replace(HOST, authorities=("PEM",)),
        replace(HOST, pip="[global]\nindex-url = https://index.invalid/simple\n"),
    ]
    prints = [fallback.debian_fingerprint(host) for host in hosts]
    assert len(set(prints)) == len(hosts)
    assert fallback.debian_fingerprint(replace(HOST)) == prints[0]

    interpreter = Interpreter("3.6.15", pyenv(tmp_path, "3.6.15") / "versions/3.6.15")
    first = fallback.python_fingerprint(interpreter, "debian-a")
    assert first == fallback.python_fingerprint(interpreter, "debian-a")
    assert first != fallback.python_fingerprint(interpreter, "debian-b")
    (interpreter.prefix / "bin/python3.6").write_bytes(b"built anew")
    assert first != fallback.python_fingerprint(interpreter, "debian-a")


def test_a_fingerprint_changes_with_the_list_of_its_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another pip changes only the fingerprints of its interpreters."""
    shutil.copytree(fallback.FILES, tmp_path / "base")
    monkeypatch.setattr(fallback, "FILES", tmp_path / "base")
    root = pyenv(tmp_path, "3.6.15", "3.7.16")
    interpreters = [cpython.find_interpreter(version, {"PYENV_ROOT": str(root)}) for version in ("3.6.15", "3.7.16")]
    before = [fallback.python_fingerprint(interpreter, "debian-a") for interpreter in interpreters]
    (tmp_path / "base" / cpython.requirements_file("3.6.15")).write_text("pip==21.3\n", encoding="utf-8")
    after = [fallback.python_fingerprint(interpreter, "debian-a") for interpreter in interpreters]
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_the_labels_of_a_fallback_image() -> None:
    """`clean` uses reprolab.object, reports use the others."""
    assert fallback.base_labels(OFFICIAL, "12.11", "abc") == {
        "reprolab.object": "base",
        "reprolab.base": "host",
        "reprolab.base.official": OFFICIAL,
        "reprolab.base.debian": "12.11",
        "reprolab.base.fingerprint": "abc",
    }


def test_only_the_sources_of_the_distribution_are_used(tmp_path: Path) -> None:
    """Both formats are read; other vendors, other releases and local files are left out."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# comment\n"
        f"deb {KEYRING}  https://m.invalid/debian bookworm main # x\n"
        "deb-src https://m.invalid/debian bookworm main\n"
        "deb https://m.invalid/debian trixie main\n"
        "deb file:/srv/mirror bookworm main\n"
        "deb [signed-by=/etc/apt/keyrings/vendor.gpg] https://vendor.invalid/apt bookworm main\n"
        "deb https://vendor.invalid/apt bookworm stable\n"
    )
    (tmp_path / "sources.list.d/debian.sources").write_text(
        "Types: deb deb-src\n# comment\nURIs: http://m.invalid/debian\nSuites: bookworm bookworm-updates\n"
        "Components: main contrib\n\nTypes: deb\nEnabled: no\nURIs: http://m.invalid/debian\n"
        "Suites: bookworm-security\nComponents: main\n"
    )
    assert list(host_config.apt_sources("bookworm", tmp_path)) == [
        f"deb {KEYRING} https://m.invalid/debian bookworm main",
        "deb http://m.invalid/debian bookworm main contrib",
        "deb http://m.invalid/debian bookworm-updates main contrib",
    ]


def test_pip_inside_uses_the_indexes_a_container_can_reach(tmp_path: Path) -> None:
    """Files, the loopback and addresses with a password are left out."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/pip.conf").write_text(
        "[global]\nindex-url = https://index.invalid/simple\nextra-index-url =\n  file:///opt/simple\n"
        "  https://user:secret@index.invalid/simple\n  http://127.0.0.1:3141/simple\n  https://b.invalid/simple\n"
    )
    assert host_config.pip_conf({"PIP_DEFAULT_TIMEOUT": "60"}, tmp_path) == (
        "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\nindex-url = https://index.invalid/simple\n"
        "extra-index-url = https://b.invalid/simple\ntimeout = 60\n"
    )


def test_only_the_host_s_own_authorities_are_added(tmp_path: Path) -> None:
    """Those that the distribution ships are left out."""
    shipped, added = (f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n" for text in ("aaaa", "bbbb"))
    (tmp_path / "shipped.crt").write_text(shipped)
    assert list(host_config.own_authorities(shipped + added, tmp_path)) == [added]


def test_apt_settings_that_make_the_sources_work_are_kept() -> None:
    """A container cannot reach a proxy on the loopback of the host."""
    dump = (
        'Acquire::http::Proxy "http://proxy.invalid:3128";\nAcquire::https::Proxy "http://127.0.0.1:9";\n'
        'Acquire::Check-Valid-Until "false";\nAPT::Architecture "amd64";\n'
    )
    assert list(host_config.apt_options(dump)) == [
        'Acquire::http::Proxy "http://proxy.invalid:3128"',
        'Acquire::Check-Valid-Until "false"',
    ]


def test_a_host_of_another_family_is_refused(tmp_path: Path) -> None:
    """mmdebstrap unpacks Debian's packages only."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID=fedora\nPRETTY_NAME="Fedora Linux 40"\nVERSION_CODENAME=""\n')
    with pytest.raises(BaseImageError, match="Fedora Linux 40"):
        host_config.read_host({}, tmp_path)


def test_mounts_cannot_outlive_mmdebstrap() -> None:
    """As root it has its own mount namespace, so that no cleanup can reach /dev."""
    command = rootfs.mmdebstrap_command(HOST, Path("/t/overlay"), Path("/t/rootfs.tar"), as_root=True)
    assert command[:4] == ["unshare", "--mount", "--", "mmdebstrap"]
    assert command[-3:] == ["bookworm", "/t/rootfs.tar", *HOST.sources]


def test_the_error_without_mmdebstrap_and_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab without root rights installs nothing; the error says how to install it."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(BaseImageError, match="mmdebstrap is not installed") as raised:
        rootfs.ensure_mmdebstrap(lambda line: None)
    assert "apt-get install mmdebstrap" in raised.value.advice


def leftovers() -> set[Path]:
    """The temporary directories of builds."""
    return set(Path(tempfile.gettempdir()).glob("reprolab-base-*"))


@pytest.mark.docker
@pytest.mark.parametrize(
    ("version", "pip", "bottle"), [("3.6.15", "21.3.1", "0.12.13"), ("3.11.7", "25.0.1", "0.12.25")]
)
def test_a_fallback_image_works_and_is_kept(version: str, pip: str, bottle: str) -> None:
    """Its modules load, pip reaches the index over the bridge, and it is not built again."""
    client = docker.from_env()
    official = f"python:{version}-slim-bullseye"
    before = leftovers()
    base = resolve_base(official, client, policy=Policy.HOST, on_progress=print)
    assert leftovers() <= before
    assert base.origin is Origin.HOST and base.reference.startswith(f"reprolab-base/python:{version}-host-")
    labels = client.images.get(base.reference).labels
    assert labels["reprolab.object"] == "base" and labels["reprolab.base"] == "host"

    check = (
        "import ssl, sqlite3, bz2, lzma, ctypes, zlib, readline, multiprocessing, hashlib;"
        "import pip, pkg_resources, sys;"
        "print(sys.version.split()[0], pip.__version__, sys.prefix)"
    )
    shown = client.containers.run(base.reference, ["python", "-W", "ignore", "-c", check], remove=True)
    assert shown.decode().split() == [version, pip, "/usr/local"]

    started = time.monotonic()
    again = resolve_base(
        official, client, policy=Policy.HOST, on_progress=lambda line: pytest.fail(f"built again: {line}")
    )
    assert again == base
    assert time.monotonic() - started < 2

    tag = f"reprolab-test-bases:{uuid.uuid4().hex[:12]}"
    recipe = f"FROM {base.reference}\nRUN pip install --no-cache-dir --no-deps bottle=={bottle}\n"
    try:
        client.images.build(fileobj=context(recipe), custom_context=True, tag=tag, nocache=True, rm=True, forcerm=True)
        shown = client.containers.run(tag, ["python", "-c", "import bottle; print(bottle.__version__)"], remove=True)
        assert shown.decode().strip() == bottle
    finally:
        for built in listed_images(client, tag):
            client.images.remove(str(built.id), force=True)


@pytest.mark.docker
def test_a_failed_build_shows_its_last_lines_and_leaves_no_image(tmp_path: Path) -> None:
    """An image gets its name only at the end of a build."""
    client = docker.from_env()
    name = f"reprolab-test-bases:{uuid.uuid4().hex[:12]}"
    recipe = "FROM scratch\nCOPY nothing /\n"
    with pytest.raises(BaseImageError, match=r"(?s)could not be built.*COPY"):
        fallback._replace(client, name, lambda: fallback._build(client, context(recipe), name, {}, {}), "print")
    assert listed_images(client, name) == []


def context(dockerfile: str) -> io.BytesIO:
    """A build context with only a Dockerfile."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile)
        tar.addfile(member, io.BytesIO(dockerfile.encode()))
    stream.seek(0)
    return stream
