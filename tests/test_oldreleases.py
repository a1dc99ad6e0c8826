"""Releases that left the mirrors: what apt says, sources moved to the archive, and a base whose suite is gone."""

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
    additions,
    archive_of,
    expired,
    gone,
    is_gone,
    rewritten,
    suites_of,
    unchecked,
    without,
)
from reprolab.baseimage.resolve import Base, Origin, Policy, resolve_base
from reprolab.core.errors import BaseImageError
from reprolab.stack import apt_stages, archived_bases
from reprolab.stack.archived_bases import on_archive

MIRROR, ARCHIVE = "http://mirror.lab.invalid/debian", "http://archive.lab.invalid/debian"
# What apt 2.2 and 2.6 print; the words below an `Err:` line say why.
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


def test_only_a_server_that_answers_says_that_a_suite_is_gone() -> None:
    """A network that is down and a server in trouble end in the same sentence about a Release file."""
    assert gone(NOT_FOUND) == {Suite(MIRROR, "oldie")}
    assert [is_gone(said) for said in (NOT_FOUND, UNREACHABLE, REFUSED, OLD_KEY, "")] == [True, *[False] * 4]


def test_only_the_age_of_a_key_can_be_passed_over() -> None:
    """A wrong signature, or one by an unknown key alone, is no matter of age."""
    assert expired(OLD_KEY) == {Suite(ARCHIVE, "oldie")}
    assert expired(OLD_KEY.replace("EXPKEYSIG", "BADSIG")) == set()
    assert expired(OLD_KEY.replace("EXPKEYSIG 0123456789ABCDEF", "NO_PUBKEY 0123456789ABCDEF")) == set()
    assert expired(NOT_FOUND) == set()


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
    """Derived from the mirror's; a password for the one is not told to the other."""
    assert archive_of(address) == archive


def test_one_line_sources_are_moved() -> None:
    """Options and comments stay; what is no mirror on the web stays as it is."""
    assert rewritten(ONE_LINE) == (
        "# the distribution's\n"
        f"deb [check-valid-until=no] {ARCHIVE} oldie main contrib\n"
        f"deb-src [arch=amd64 signed-by=/k.gpg check-valid-until=no] {ARCHIVE} oldie-updates main # sources\n"
        "deb [check-valid-until=no] http://archive.lab.invalid:8080/debian-security oldie/updates main\n"
        "deb cdrom:[Old]/ oldie main\n"
    )


def test_deb822_sources_are_moved() -> None:
    """Each suite gets a stanza of its own, with the other fields, a key written out included."""
    first, second, third = rewritten(DEB822).strip().split("\n\n")
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
def test_only_what_is_gone_is_moved(sources: str) -> None:
    """The check of dates stays on for the mirror's other suites."""
    moved = rewritten(sources, {Suite(MIRROR, "oldie-updates")})
    assert suites_of(moved) == suites_of(sources) - {Suite(MIRROR, "oldie-updates")} | {Suite(ARCHIVE, "oldie-updates")}
    assert moved.lower().count("check-valid-until") == 1
    assert rewritten(sources, {Suite(MIRROR, "newer")}).splitlines() == [
        line for line in sources.splitlines() if line != "# dated"
    ]


@pytest.mark.parametrize("sources", [ONE_LINE, DEB822], ids=["one-line", "deb822"])
def test_a_suite_can_be_left_out_or_taken_unchecked(sources: str) -> None:
    """Of the archive, that suite alone."""
    suite = Suite(ARCHIVE, "oldie-updates")
    moved = rewritten(sources)
    assert suites_of(without(moved, {suite})) == suites_of(moved) - {suite}
    assert unchecked(moved, {suite}).lower().replace(": ", "=").count("trusted=yes") == 1
    assert suites_of(unchecked(moved, {suite})) == suites_of(moved)


def test_which_suites_only_add_to_another() -> None:
    """The release itself must be there; what adds to it may be lacking."""
    names = ("oldie", "oldie-updates", "oldie/updates", "oldiest")
    suites = [Suite(MIRROR, name) for name in names]
    assert {suite.name for suite in additions(suites, suites)} == {"oldie-updates", "oldie/updates"}


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
    """A stage on a stage counts for the base below; a comment, or a word that apt is a part of, does not."""
    arguments = {"PYTHON_IMAGE": "python:3.6.15", "TOOL_IMAGE": "debian:bullseye", "PLAIN_IMAGE": "debian:bookworm"}
    build = {"context": str(tmp_path), "args": arguments}
    (tmp_path / "Dockerfile").write_text(DOCKERFILE, "utf-8")
    assert apt_stages.stages_with_apt(build) == {"debian:bullseye"}
    # What the engine would not build asks nothing.
    assert apt_stages.stages_with_apt({**build, "target": "tools"}) == set()


def test_a_dockerfile_that_cannot_be_read_may_run_apt(tmp_path: Path) -> None:
    """A run goes on: all its bases are asked."""
    (tmp_path / "Dockerfile").write_text("ARG A_IMAGE\nFROM ${A_IMAGE}\nRUN echo 'unclosed\n", "utf-8")
    build = {"context": str(tmp_path), "args": {"A_IMAGE": "debian:11", "VERSION": "1"}}
    assert apt_stages.stages_with_apt(build) == {"debian:11"}


def test_a_base_is_asked_only_where_something_has_to_be_built(tmp_path: Path) -> None:
    """Images that are there, from a bundle or an earlier run, keep their name and cost no question."""
    (tmp_path / "Dockerfile").write_text("ARG A_IMAGE=debian:11\nFROM ${A_IMAGE}\nRUN apt-get update\n", "utf-8")
    build = {"context": str(tmp_path), "dockerfile": "Dockerfile", "args": {"A_IMAGE": "debian:11"}}
    model = {"services": {"x-app": {"build": build}, "x-other": {"image": "x"}}}
    known = {"debian:11": Base("debian:11", "debian:11", "sha256:1", Origin.LOCAL, "", "")}
    asked: list[str] = []

    def client(there: bool) -> Any:
        def get(name: str) -> None:
            asked.append(name)
            if not there:
                raise ImageNotFound(name)

        return SimpleNamespace(images=SimpleNamespace(get=get))

    assert apt_stages.apt_bases([model], known, client(there=True)) == set()
    assert apt_stages.apt_bases([model], known, client(there=False)) == {"debian:11"}
    assert asked[0] == asked[1] and asked[0].startswith("reprolab/x-app:")


def test_a_base_from_this_host_is_not_asked() -> None:
    """It has the host's own sources, which the host keeps in order."""
    base = Base("debian:11", "reprolab-base/debian:host-x", "sha256:1", Origin.HOST, "", "")
    assert on_archive(base, None, pytest.fail) is base  # type: ignore[arg-type]


def test_a_derived_base_in_a_bundle_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no stand-in from a host, and it is not asked again."""
    own = "reprolab-base/debian-11:archive-1"
    labels = {fallback.LABEL: fallback.ARCHIVE, f"{fallback.LABEL}.detail": "packages come from the archive"}
    image = SimpleNamespace(
        id="sha256:2", labels=labels, attrs={}, tags=[own, f"{resolve.bundled_name('debian:11')}:ab"]
    )

    def listed(name: str) -> list[Any]:
        return [image]

    client: Any = SimpleNamespace(images=SimpleNamespace(list=listed, get=lambda name: image))
    base = resolve_base("debian:11", client, policy=Policy.AUTO, on_progress=print)
    assert (base.origin, base.reference, base.image_id) == (Origin.LOCAL, own, "sha256:ab")
    assert base.detail == "debian:11 came in a bundle; packages come from the archive"
    assert on_archive(base, client, pytest.fail) is base


# -- on real containers: a mirror that has no such suite, and an archive that has ----------------------------

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
# The lab's own stand-in takes the host's settings of apt along, which may switch the check of dates off.
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
    """A network with a mirror that has nothing, and an archive beside it; and the bases that are made for it."""

    client: docker.DockerClient
    name: str
    python: str

    def build(self, target: str, sources: str = "") -> Base:
        """An image of the Dockerfile above, as a base that was found on the engine."""
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
        """A container that serves a directory of the image under these names."""
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
        """Run a command on the network as root; status and output."""
        container = self.client.containers.create(
            image, command, network=self.name, user="0", labels={"reprolab-test": self.name}
        )
        container.start()
        code = container.wait(timeout=120)["StatusCode"]
        return code, container.logs().decode()


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    """The network; it is no internal one, since there a name that nobody has takes the resolver many seconds."""
    client = lab.engine()
    found = Net(client, f"reprolab-test-{uuid.uuid4().hex[:8]}", lab.base("python:3.12.1-slim-bookworm"))
    client.networks.create(found.name, labels={"reprolab-test": found.name})
    try:
        archive = found.build("archive").reference
        found.serve(archive, "/media", "mirror.lab.invalid", "mirror.alone.invalid")
        found.serve(archive, "/srv", "archive.lab.invalid", "living.lab.invalid")
        yield found
    finally:
        for container in client.containers.list(all=True, filters={"label": f"reprolab-test={found.name}"}):
            container.remove(force=True)
        client.networks.get(found.name).remove()
        for image in client.images.list():
            for tag in image.tags:
                if tag.startswith((f"{found.name}:", f"{fallback.NAME}/{found.name}-")):
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
    ("sources", "told"),
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
def test_a_base_whose_suite_left_the_mirrors_installs_from_the_archive(net: Net, sources: str, told: list[str]) -> None:
    """apt works again in the image that stands for the base, whose line says so; in all else it is the base."""
    base = net.build("base", sources)
    code, said = net.run(base.reference, INSTALL)
    assert code != 0 and "404" in said
    found = on_archive(base, net.client, print, network=net.name)
    assert found.reference == f"{fallback.NAME}/{base.official.replace(':', '-')}:archive-{base.image_id[7:19]}"
    assert found.detail.startswith(f"{base.detail}; suites of its Debian release")
    for words in told:
        assert words in found.detail
    code, said = net.run(found.reference, INSTALL)
    assert code == 0 and said.endswith("hello from the archive\n"), said
    assert net.client.images.get(found.reference).attrs["Config"]["User"] == "1000:1000"
    assert on_archive(base, net.client, pytest.fail, network=net.name) == found
    assert on_archive(found, net.client, pytest.fail, network=net.name) == found


@pytest.mark.docker
def test_without_an_archive_the_error_names_what_was_looked_for(net: Net) -> None:
    """A mirror without the suite and no archive beside it: nothing is built."""
    base = net.build("base", LINES.format("oldie").replace("lab.invalid", "alone.invalid"))
    with pytest.raises(BaseImageError, match="no longer has the Debian release") as raised:
        on_archive(base, net.client, print, network=net.name)
    assert raised.value.expected.endswith("http://archive.alone.invalid/debian oldie")
    assert "REPROLAB_BASES=host" in raised.value.advice
    assert not [tag for image in net.client.images.list() for tag in image.tags if base.image_id[7:19] in tag]


@pytest.mark.docker
def test_a_network_that_is_down_changes_no_base(net: Net) -> None:
    """A mirror that cannot be reached has not said that the suite is gone; it is asked again another time."""
    base = net.build("base", LINES.format("oldie"))
    assert on_archive(base, net.client, print, network="none") == base
    assert base.image_id not in archived_bases._available


@pytest.mark.docker
def test_a_base_whose_release_is_there_stays(net: Net) -> None:
    """It is asked once by a process."""
    base = net.build("base", LIVING)
    assert on_archive(base, net.client, print, network=net.name) == base
    assert on_archive(base, net.client, pytest.fail, network=net.name) == base
