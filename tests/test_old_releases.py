"""Releases that left the mirrors: apt's output, sources moved to the archive, and a base without its suite."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import lab
import pytest
from docker.errors import ImageNotFound
from reprolab.baseimage import fallback, resolve
from reprolab.baseimage.old_releases import (
    Suite,
    archive_of,
    expired_suites,
    extension_suites,
    has_missing_suites,
    missing_suites,
    move_to_archive,
    remove_suites,
    skip_signatures,
    suites_of,
)
from reprolab.baseimage.resolve import Base, Origin, Policy, resolve_base
from reprolab.core.errors import BaseImageError
from reprolab.engine.images import listed_images
from reprolab.stack import apt_stages, archived_bases
from reprolab.stack.archived_bases import on_archive

MIRROR, ARCHIVE = "http://mirror.lab.invalid/debian", "http://archive.lab.invalid/debian"
# The output of apt 2.2 and 2.6. The lines below an `Err:` line give the reason.
NOT_FOUND = f"""\
Ign:1 {MIRROR} oldie InRelease
Err:2 {MIRROR} oldie Release
  404  Not Found [IP: 192.0.2.80 80]
Hit:3 http://other.lab.invalid/x stable InRelease
Reading package lists...
E: The repository '{MIRROR} oldie Release' does not have a Release file.
"""
UNREACHABLE = f"""\
Err:1 {MIRROR} oldie InRelease
  Could not resolve 'mirror.lab.invalid'
Reading package lists...
W: Failed to fetch {MIRROR}/dists/oldie/InRelease  Could not resolve 'mirror.lab.invalid'
W: Some index files failed to download. They have been ignored, or old ones used instead.
"""
REFUSED = f"""\
Ign:1 {MIRROR} oldie InRelease
Err:2 {MIRROR} oldie Release
  503  Service Unavailable [IP: 192.0.2.80 80]
E: The repository '{MIRROR} oldie Release' does not have a Release file.
"""
OLD_KEY = f"""\
Get:1 {ARCHIVE} oldie InRelease [1,204 B]
Err:1 {ARCHIVE} oldie InRelease
  The following signatures were invalid: EXPKEYSIG 0123456789ABCDEF Old archive <old@lab.invalid>
E: The repository '{ARCHIVE} oldie InRelease' is not signed.
"""
ONE_LINE = f"""\
# the distribution's
deb {MIRROR} oldie main contrib
deb-src [arch=amd64 signed-by=/k.gpg] {MIRROR}/ oldie-updates main # sources
deb http://security.lab.invalid:8080/debian-security oldie/updates main
deb cdrom:[Old]/ oldie main
"""
DEB822 = f"""\
Types: deb
# dated
URIs: {MIRROR}
Suites: oldie oldie-updates
Components: main
Signed-By: /k.gpg

Types: deb
URIs: http://mirror.lab.invalid/debian-security
Suites: oldie-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQ
"""


def test_a_suite_is_missing_only_if_a_server_says_so() -> None:
    """A network that is down and a failing server give the same error line about the Release file."""
    assert missing_suites(NOT_FOUND) == {Suite(MIRROR, "oldie")}
    assert [has_missing_suites(output) for output in (NOT_FOUND, UNREACHABLE, REFUSED, OLD_KEY, "")] == [
        True,
        *[False] * 4,
    ]


def test_only_an_expired_key_is_accepted() -> None:
    """A wrong signature, or one of an unknown key, is not."""
    assert expired_suites(OLD_KEY) == {Suite(ARCHIVE, "oldie")}
    assert expired_suites(OLD_KEY.replace("EXPKEYSIG", "BADSIG")) == set()
    assert expired_suites(OLD_KEY.replace("EXPKEYSIG 0123456789ABCDEF", "NO_PUBKEY 0123456789ABCDEF")) == set()
    assert expired_suites(NOT_FOUND) == set()


@pytest.mark.parametrize(
    ("address", "archive"),
    [
        (MIRROR, ARCHIVE),
        ("https://security.lab.invalid/debian-security", "https://archive.lab.invalid/debian-security"),
        ("http://me:secret@mirror.lab.invalid:8080/debian", "http://archive.lab.invalid:8080/debian"),
        ("http://lab.invalid/debian", "http://archive.lab.invalid/debian"),
        ("http://192.0.2.80/debian", ""),
        ("http://mirror/debian", ""),
        ("file:/srv/debian", ""),
    ],
)
def test_the_archive_has_a_name_beside_the_mirror(address: str, archive: str) -> None:
    """It is derived from the mirror's address, without its password."""
    assert archive_of(address) == archive


def test_one_line_sources_are_moved() -> None:
    """Options and comments stay. A source that is not a mirror on the web stays unchanged."""
    assert move_to_archive(ONE_LINE) == (
        "# the distribution's\n"
        f"deb [check-valid-until=no] {ARCHIVE} oldie main contrib\n"
        f"deb-src [arch=amd64 signed-by=/k.gpg check-valid-until=no] {ARCHIVE} oldie-updates main # sources\n"
        "deb [check-valid-until=no] http://archive.lab.invalid:8080/debian-security oldie/updates main\n"
        "deb cdrom:[Old]/ oldie main\n"
    )


def test_deb822_sources_are_moved() -> None:
    """Each suite gets its own stanza with the other fields, also with an embedded key."""
    first, second, third = move_to_archive(DEB822).strip().split("\n\n")
    assert first.splitlines() == [
        "Types: deb",
        f"URIs: {ARCHIVE}",
        "Suites: oldie",
        "Components: main",
        "Signed-By: /k.gpg",
        "Check-Valid-Until: no",
    ]
    assert second == first.replace("Suites: oldie", "Suites: oldie-updates")
    assert third.splitlines()[1:3] == ["URIs: http://archive.lab.invalid/debian-security", "Suites: oldie-security"]
    assert third.splitlines()[-4:] == [" -----BEGIN PGP PUBLIC KEY BLOCK-----", " .", " mQ", "Check-Valid-Until: no"]


@pytest.mark.parametrize("sources", [ONE_LINE, DEB822], ids=["one-line", "deb822"])
def test_only_the_given_suites_are_moved(sources: str) -> None:
    """The check of dates stays on for the other suites."""
    moved = move_to_archive(sources, {Suite(MIRROR, "oldie-updates")})
    assert suites_of(moved) == suites_of(sources) - {Suite(MIRROR, "oldie-updates")} | {Suite(ARCHIVE, "oldie-updates")}
    assert moved.lower().count("check-valid-until") == 1
    assert move_to_archive(sources, {Suite(MIRROR, "newer")}).splitlines() == [
        line for line in sources.splitlines() if line != "# dated"
    ]


@pytest.mark.parametrize("sources", [ONE_LINE, DEB822], ids=["one-line", "deb822"])
def test_a_suite_can_be_removed_or_used_without_its_signature(sources: str) -> None:
    """The other suites stay unchanged."""
    suite = Suite(ARCHIVE, "oldie-updates")
    moved = move_to_archive(sources)
    assert suites_of(remove_suites(moved, {suite})) == suites_of(moved) - {suite}
    assert skip_signatures(moved, {suite}).lower().replace(": ", "=").count("trusted=yes") == 1
    assert suites_of(skip_signatures(moved, {suite})) == suites_of(moved)


def test_suites_that_extend_another() -> None:
    """The release itself is not among them."""
    names = ("oldie", "oldie-updates", "oldie/updates", "oldiest")
    suites = [Suite(MIRROR, name) for name in names]
    assert {suite.name for suite in extension_suites(suites, suites)} == {"oldie-updates", "oldie/updates"}


DOCKERFILE = """\
ARG PYTHON_IMAGE=python:3.6.15-slim-bullseye
ARG TOOL_IMAGE=debian:bullseye-slim
ARG PLAIN_IMAGE=debian:bookworm-slim
FROM ${TOOL_IMAGE} AS tools
FROM tools AS compile
RUN --mount=type=cache,target=/x \\
    set -e; \\
    # apt-get in a comment, and a command
    apt-get install --yes gcc
FROM $PLAIN_IMAGE
# RUN apt-get update
RUN adapt me
FROM ${PYTHON_IMAGE}
COPY apt /
COPY --from=compile /x /x
RUN pip install bottle==0.12.13
"""


def test_which_stages_run_apt(tmp_path: Path) -> None:
    """A stage on a stage counts for its base. A comment, or a word that contains apt, does not count."""
    arguments = {"PYTHON_IMAGE": "python:3.6.15", "TOOL_IMAGE": "debian:bullseye", "PLAIN_IMAGE": "debian:bookworm"}
    build = {"context": str(tmp_path), "args": arguments}
    (tmp_path / "Dockerfile").write_text(DOCKERFILE, "utf-8")
    assert apt_stages.stages_with_apt(build) == {"debian:bullseye"}
    # A stage that the engine would not build is ignored.
    assert apt_stages.stages_with_apt({**build, "target": "tools"}) == set()


def test_a_dockerfile_that_cannot_be_read_may_run_apt(tmp_path: Path) -> None:
    """All its bases are then asked."""
    (tmp_path / "Dockerfile").write_text("ARG A_IMAGE\nFROM ${A_IMAGE}\nRUN echo 'unclosed\n", "utf-8")
    build = {"context": str(tmp_path), "args": {"A_IMAGE": "debian:11", "VERSION": "1"}}
    assert apt_stages.stages_with_apt(build) == {"debian:11"}


def test_a_base_is_asked_only_where_something_has_to_be_built(tmp_path: Path) -> None:
    """Present images, from a bundle or an earlier run, keep their name, and no container is asked."""
    (tmp_path / "Dockerfile").write_text("ARG A_IMAGE=debian:11\nFROM ${A_IMAGE}\nRUN apt-get update\n", "utf-8")
    build = {"context": str(tmp_path), "dockerfile": "Dockerfile", "args": {"A_IMAGE": "debian:11"}}
    model = {"services": {"x-app": {"build": build}, "x-other": {"image": "x"}}}
    known = {"debian:11": Base("debian:11", "debian:11", "sha256:1", Origin.LOCAL, "", "")}
    names: list[str] = []

    def client(present: bool) -> Any:
        def get(name: str) -> None:
            names.append(name)
            if not present:
                raise ImageNotFound(name)

        return SimpleNamespace(images=SimpleNamespace(get=get))

    assert apt_stages.apt_bases([model], known, client(present=True)) == set()
    assert apt_stages.apt_bases([model], known, client(present=False)) == {"debian:11"}
    assert names[0] == names[1] and names[0].startswith("reprolab/x-app:")


def test_a_base_from_this_host_is_not_asked() -> None:
    """It has the host's sources, which work."""
    base = Base("debian:11", "reprolab-base/debian:host-x", "sha256:1", Origin.HOST, "", "")
    assert on_archive(base, None, pytest.fail) is base  # type: ignore[arg-type]


def test_the_line_of_an_archived_base_in_a_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not a fallback image, and it is not asked again."""
    tag = "reprolab-base/debian-11:archive-1"
    labels = {fallback.LABEL: fallback.ARCHIVE, f"{fallback.LABEL}.detail": "packages come from the archive"}
    image = SimpleNamespace(
        id="sha256:2", labels=labels, attrs={}, tags=[tag, f"{resolve.bundled_name('debian:11')}:ab"]
    )

    row = {"Id": image.id, "RepoTags": image.tags, "Labels": labels}
    api = SimpleNamespace(images=lambda filters: [row])
    client: Any = SimpleNamespace(api=api, images=SimpleNamespace(get=lambda name: image))
    base = resolve_base("debian:11", client, policy=Policy.AUTO, on_progress=print)
    assert (base.origin, base.reference, base.image_id) == (Origin.LOCAL, tag, "sha256:ab")
    assert base.detail == "debian:11 came in a bundle; packages come from the archive"
    assert on_archive(base, client, pytest.fail) is base


# -- on real containers: a mirror without the suite, and an archive with it ----------------------------

# The archive is signed by two keys, of which one lived for a month of 2020.
ARCHIVE_SH = r"""
set -eu
export GNUPGHOME=/keys; mkdir -m 700 /keys
key() { gpg --batch --quiet --passphrase '' "$@"; }
key --quick-gen-key living@lab.invalid rsa2048 sign never
key --faked-system-time 20200101T000000 --quick-gen-key expired@lab.invalid rsa2048 sign 30d
gpg --export > /archive.gpg
mkdir -p /hello/DEBIAN /hello/usr/bin /srv/debian/pool
printf '#!/bin/sh\necho hello from the archive\n' > /hello/usr/bin/lab-hello; chmod 755 /hello/usr/bin/lab-hello
printf 'Package: lab-hello\nVersion: 1\nArchitecture: all\nMaintainer: Lab <lab@lab.invalid>\nDescription: says so\n' \
    > /hello/DEBIAN/control
dpkg-deb --build /hello /srv/debian/pool/lab-hello_1_all.deb
cd /srv/debian
for suite in oldie oldest oldie-security; do
    list="dists/$suite/main/binary-$(dpkg --print-architecture)"; mkdir -p "$list"
    { dpkg-deb -f pool/lab-hello_1_all.deb
      echo "Filename: pool/lab-hello_1_all.deb"
      echo "Size: $(stat -c %s pool/lab-hello_1_all.deb)"
      echo "SHA256: $(sha256sum pool/lab-hello_1_all.deb | cut -d ' ' -f 1)"; } > "$list/Packages"
    cd "dists/$suite"
    { printf 'Origin: Lab\nSuite: %s\nCodename: %s\nComponents: main\n' "$suite" "$suite"
      printf 'Architectures: %s\nDate: Wed, 01 Jan 2020 00:00:00 UTC\n' "$(dpkg --print-architecture)"
      printf 'Valid-Until: Sat, 11 Jan 2020 00:00:00 UTC\nSHA256:\n'
      for file in main/binary-*/Packages; do
          echo " $(sha256sum $file | cut -d ' ' -f 1) $(stat -c %s $file) $file"
      done; } > Release
    case "$suite" in
        oldest) set -- --faked-system-time 20200102T000000 -u expired@lab.invalid ;;
        *) set -- -u living@lab.invalid ;;
    esac
    gpg --batch "$@" --clearsign -o InRelease Release
    cd ../..
done
mkdir -p /srv/debian-security/dists
mv dists/oldie-security /srv/debian-security/dists/
cp -r pool /srv/debian-security/
"""
# The fallback image has the host's settings of apt, which may switch the check of dates off.
LAB_DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS archive
RUN apt-get update && apt-get install --yes --no-install-recommends gnupg
COPY archive.sh /
RUN sh /archive.sh

FROM ${PYTHON_IMAGE} AS base
RUN rm -rf /etc/apt/sources.list.d /etc/apt/apt.conf.d/99mmdebstrap
COPY --from=archive /archive.gpg /etc/apt/trusted.gpg.d/archive.gpg
ARG SOURCES
RUN case "${SOURCES}" in Types*) mkdir /etc/apt/sources.list.d; rm -f /etc/apt/sources.list; \
    printf "${SOURCES}" > /etc/apt/sources.list.d/lab.sources ;; *) printf "${SOURCES}" > /etc/apt/sources.list ;; esac
USER 1000:1000
"""


@dataclass(frozen=True)
class Net:
    """A network with an empty mirror and an archive, and the bases that are built for it."""

    client: docker.DockerClient
    name: str
    python: str

    def build(self, target: str, sources: str = "") -> Base:
        """Build an image of the Dockerfile above, as a base that is on the engine."""
        tag = f"{self.name}:{uuid.uuid4().hex[:8]}"
        image, _ = self.client.images.build(
            fileobj=io.BytesIO(archived_bases.packed({"Dockerfile": LAB_DOCKERFILE, "archive.sh": ARCHIVE_SH})),
            custom_context=True,
            target=target,
            tag=tag,
            buildargs={"PYTHON_IMAGE": self.python, "SOURCES": sources},
            labels={fallback.LABEL: ""},
            rm=True,
            forcerm=True,
        )
        return Base(tag, tag, str(image.id), Origin.LOCAL, "", f"{tag} was on this engine already")

    def serve(self, image: str, directory: str, *aliases: str) -> None:
        """Start a container that serves a directory of the image under these names."""
        container = self.client.containers.create(
            image,
            ["python3", "-m", "http.server", "--directory", directory, "80"],
            network_mode="none",
            labels={"reprolab-test": self.name},
        )
        self.client.networks.get("none").disconnect(container)
        self.client.networks.get(self.name).connect(container, aliases=list(aliases))
        container.start()
        code = f"import socket; socket.create_connection(('{aliases[0]}', 80), 2)"
        lab.wait_for(f"{aliases} to listen", lambda: self.run(image, ["python3", "-c", code])[0] == 0)

    def run(self, image: str, command: list[str]) -> tuple[int, str]:
        """Run a command on the network as root; return exit code and output."""
        container = self.client.containers.create(
            image, command, network=self.name, user="0", labels={"reprolab-test": self.name}
        )
        container.start()
        code = container.wait(timeout=120)["StatusCode"]
        return code, container.logs().decode()


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    """The network. It is not internal: there the resolver takes many seconds for an unknown name."""
    client = lab.engine()
    network = Net(client, f"reprolab-test-{uuid.uuid4().hex[:8]}", lab.base("python:3.12.1-slim-bookworm"))
    client.networks.create(network.name, labels={"reprolab-test": network.name})
    try:
        archive = network.build("archive").reference
        network.serve(archive, "/media", "mirror.lab.invalid", "mirror.alone.invalid")
        network.serve(archive, "/srv", "archive.lab.invalid", "living.lab.invalid")
        yield network
    finally:
        for container in client.containers.list(
            all=True, ignore_removed=True, filters={"label": f"reprolab-test={network.name}"}
        ):
            container.remove(force=True)
        client.networks.get(network.name).remove()
        for image in listed_images(client):
            for tag in image.tags:
                if tag.startswith((f"{network.name}:", f"{fallback.NAME}/{network.name}-")):
                    client.images.remove(tag, force=True)


INSTALL = ["sh", "-c", "apt-get update && apt-get install --yes lab-hello && lab-hello"]
LINES = "deb http://mirror.lab.invalid/debian {0} main\\n"
SECURITY = "deb http://mirror.lab.invalid/debian-security oldie-security main\\n"
STANZA = (
    "Types: deb\\nURIs: http://mirror.lab.invalid/debian\\nSuites: {0} {0}-updates\\nComponents: main\\n"
    "Signed-By: /etc/apt/trusted.gpg.d/archive.gpg\\n"
)
LIVING = "deb [check-valid-until=no] http://living.lab.invalid/debian oldie main\\n"
UPDATES = "deb http://living.lab.invalid/debian oldie-updates main\\n"


@pytest.mark.docker
@pytest.mark.parametrize(
    ("sources", "texts"),
    [
        (
            LINES.format("oldie") + SECURITY,
            ["left the mirrors: oldie, oldie-security;", "although they are out of date"],
        ),
        (STANZA.format("oldie"), ["oldie-updates is left out, since the archive does not have it"]),
        (LINES.format("oldest"), ["not verified, since the key that signed them has expired"]),
        (
            LIVING + UPDATES,
            ["left the mirrors: oldie-updates;", "oldie-updates is left out, since the archive does not have it"],
        ),
    ],
    ids=["lists-out-of-date", "deb822-without-updates", "key-expired", "only-updates-gone"],
)
def test_a_base_without_its_suite_installs_from_the_archive(net: Net, sources: str, texts: list[str]) -> None:
    """apt works in the image that replaces the base. Its line says so. Its configuration is that of the base."""
    base = net.build("base", sources)
    code, output = net.run(base.reference, INSTALL)
    assert code != 0 and "404" in output
    archived = on_archive(base, net.client, print, network=net.name)
    assert archived.reference == f"{fallback.NAME}/{base.official.replace(':', '-')}:archive-{base.image_id[7:19]}"
    assert archived.detail.startswith(f"{base.detail}; suites of its Debian release")
    for text in texts:
        assert text in archived.detail
    code, output = net.run(archived.reference, INSTALL)
    assert code == 0 and output.endswith("hello from the archive\n"), output
    assert net.client.images.get(archived.reference).attrs["Config"]["User"] == "1000:1000"
    assert on_archive(base, net.client, pytest.fail, network=net.name) == archived
    assert on_archive(archived, net.client, pytest.fail, network=net.name) == archived


@pytest.mark.docker
def test_the_error_without_an_archive(net: Net) -> None:
    """It has the address of the archive, and nothing is built."""
    base = net.build("base", LINES.format("oldie").replace("lab.invalid", "alone.invalid"))
    with pytest.raises(BaseImageError, match="no longer has the Debian release") as raised:
        on_archive(base, net.client, print, network=net.name)
    assert raised.value.expected.endswith("http://archive.alone.invalid/debian oldie")
    assert "REPROLAB_BASES=host" in raised.value.advice
    assert not [tag for image in listed_images(net.client) for tag in image.tags if base.image_id[7:19] in tag]


@pytest.mark.docker
def test_a_network_that_is_down_changes_no_base(net: Net) -> None:
    """A mirror that cannot be reached does not show that the suite is missing. It is asked again later."""
    base = net.build("base", LINES.format("oldie"))
    assert on_archive(base, net.client, print, network="none") == base
    assert base.image_id not in archived_bases._available


@pytest.mark.docker
def test_a_base_whose_release_is_on_the_mirror_stays(net: Net) -> None:
    """A process asks it once."""
    base = net.build("base", LIVING)
    assert on_archive(base, net.client, print, network=net.name) == base
    assert on_archive(base, net.client, pytest.fail, network=net.name) == base
