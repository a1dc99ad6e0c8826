"""Bundles that somebody changed or made up: a message, no file outside of the target, none overwritten."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import lab
from reprolab.bundle import members, signature
from reprolab.bundle.archive import ArchiveReader, ArchiveWriter
from reprolab.bundle.load import Loader
from reprolab.core.errors import BundleError, UsageError
from test_bundle import MANIFEST, RUN, UNUSED, ignore_progress, load_script

RUN_JSON = f"runs/{RUN}/run.json"
KINDS = {
    "symlink": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "directory": tarfile.DIRTYPE,
    "sparse": tarfile.GNUTYPE_SPARSE,
}


def pack(path: Path, content: Sequence[tuple[str | tarfile.TarInfo, bytes]], *, manifest: Any = MANIFEST) -> Path:
    """Write an archive with these members, whose checksums are right."""
    lines = []
    with tarfile.open(path, "w") as archive:
        for name, data in [("manifest.json", json.dumps(manifest).encode()), *content]:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = member.size or len(data)
            archive.addfile(member, io.BytesIO(data))
            lines.append(f"{hashlib.sha256(data).hexdigest()}  {member.name}\n")
        sums = tarfile.TarInfo(members.SUMS)
        text = "".join(dict.fromkeys(lines)).encode("utf-8", "surrogateescape")
        sums.size = len(text)
        archive.addfile(sums, io.BytesIO(text))
    return path


def special(kind: bytes, name: str = f"runs/{RUN}/x", target: str = "/etc/passwd") -> tarfile.TarInfo:
    """A member that is no plain file."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def load_runs(bundle: Path, root: Path, limit: int = members.USUAL_LIMIT) -> list[str]:
    """Check a bundle and unpack its runs below ``root``/results, as `load` does."""
    reader = ArchiveReader(bundle, limit)
    contents = reader.verify(ignore_progress)
    return list(Loader(root, UNUSED, UNUSED, reader, print).unpack_runs(contents.manifest))


def tree(root: Path) -> dict[str, bytes | None]:
    """All paths below a directory, with the contents of the files."""
    return {str(p.relative_to(root)): p.read_bytes() if p.is_file() else None for p in sorted(root.rglob("*"))}


def test_a_right_bundle_is_unpacked_once(tmp_path: Path) -> None:
    """The same content again is fine; a run with other content stays, and the message names a file."""
    bundle = pack(tmp_path / "b.tar", [(RUN_JSON, b"{}"), (f"runs/{RUN}/a/b.gz", b"x")])
    assert load_runs(bundle, tmp_path) == [RUN]
    assert load_runs(bundle, tmp_path) == [f"{RUN} is here already"]
    (tmp_path / "results" / RUN / "run.json").write_text("other")
    before = tree(tmp_path)
    assert load_runs(bundle, tmp_path) == [
        f"{RUN} is here with another run.json; it stays, and the bundle's was not unpacked"
    ]
    assert tree(tmp_path) == before


def test_a_link_in_the_place_of_a_run_is_not_followed(tmp_path: Path) -> None:
    """What somebody put there stays, also where it leads nowhere."""
    bundle = pack(tmp_path / "b.tar", [(RUN_JSON, b"{}")])
    place = tmp_path / "results" / RUN
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "elsewhere")
    (line,) = load_runs(bundle, tmp_path)
    assert "it stays" in line and place.is_symlink() and not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_only_plain_files_are_in_a_bundle(kind: str, tmp_path: Path) -> None:
    """Not even one that nobody asks for."""
    bundle = pack(tmp_path / "b.tar", [(RUN_JSON, b"{}"), (special(KINDS[kind]), b"")])
    with pytest.raises(BundleError, match="is not a plain file"):
        load_runs(bundle, tmp_path)
    assert set(tree(tmp_path)) == {"b.tar"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("runs/../../escaped", "outside of its directory"),
        (f"runs/{RUN}/../../other/20260101T000000Z/run.json", "outside of its directory"),
        ("/etc/passwd", "outside of its directory"),
        (f"runs/{RUN}//x", "outside of its directory"),
        (f"runs/{RUN}/./x", "outside of its directory"),
        (f"runs/{RUN}/a\\..\\x", "characters"),
        (f"runs/{RUN}/a\x1b[2J", "characters"),
        (f"runs/{RUN}/a\u202ex", "characters"),
        (f"runs/{RUN}/{'x' * 300}", "too long"),
        (f"runs/{RUN}/{'x/' * 600}x", "too long"),
        ("runs/blink/latest", "belongs to no part"),
        ("runs/.hidden/20260101T000000Z/run.json", "belongs to no part"),
        ("wheels/a/b", "belongs to no part"),
        ("elsewhere", "belongs to no part"),
        ("runs/other/20260101T000000Z/run.json", "belongs to no run that manifest.json names"),
        (RUN_JSON, "is there twice"),
        (f"runs/{RUN}/RUN.json", "would be one file"),
        (f"{RUN_JSON}/x", "would be one file"),
    ],
)
def test_a_strange_name_is_refused(name: str, message: str, tmp_path: Path) -> None:
    """Outside of the target, in another run, twice, one file on some systems, or with letters that a terminal obeys."""
    bundle = pack(tmp_path / "b.tar", [(RUN_JSON, b"{}"), (name, b"x")])
    with pytest.raises(BundleError) as raised:
        load_runs(bundle, tmp_path)
    assert message in str(raised.value) and "\x1b" not in str(raised.value) and "\u202e" not in str(raised.value)
    assert set(tree(tmp_path)) == {"b.tar"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scenarios": {"blink": {"images": {}, "run": "../other/20260101T000000Z"}}}, "is no name of a run"),
        ({"scenarios": {"../x": {"images": {}, "run": None}}}, "is no name of a scenario"),
        ({"scenarios": {"blink": {"images": {}, "run": "20270101T000000Z"}}}, "whose run.json is missing"),
        ({"scenarios": ["blink"]}, "scenarios is no mapping"),
        ({"scenarios": {"blink": {"images": [], "run": None}}}, "scenarios.blink.images is no mapping"),
        ({"bases": {"python:3": {"id": 3}}}, "bases.python:3 is no text"),
        ({"images": {"a": None}}, "images is no text"),
        ({"architecture": None}, "architecture is no text"),
        ({"schema": 9}, "is a bundle of schema 9"),
    ],
)
def test_a_manifest_of_another_shape_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    """The place of the fault, no traceback."""
    bundle = pack(tmp_path / "b.tar", [(RUN_JSON, b"{}")], manifest={**MANIFEST, **changes})
    with pytest.raises(BundleError, match=message):
        load_runs(bundle, tmp_path)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"1" * 5000])
def test_a_manifest_that_is_no_json_is_damage(text: bytes, tmp_path: Path) -> None:
    """Also one that is nested without end."""
    target = tmp_path / "b.tar"
    with ArchiveWriter(target, ignore_progress) as archive:
        archive.add(members.MANIFEST, text)
    with pytest.raises(BundleError, match="damaged"):
        ArchiveReader(target).verify(ignore_progress)


def test_sizes_and_counts_have_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger bundle needs the user's word; a header or a text that would fill the memory is refused."""
    bundle = pack(tmp_path / "b.tar", [(RUN_JSON, b"{}"), (f"runs/{RUN}/x", b"x" * 1000)])
    with pytest.raises(BundleError, match=r"have more than .* GB(.|\n)*--limit GB"):
        load_runs(bundle, tmp_path, limit=1000)
    monkeypatch.setattr(members, "MOST_MEMBERS", 2)
    with pytest.raises(BundleError, match="more than 2 files"):
        load_runs(bundle, tmp_path)
    monkeypatch.setattr(members, "LARGEST_TEXT", 10)
    with pytest.raises(BundleError, match=r"manifest.json has \d+ bytes"):
        load_runs(bundle, tmp_path)
    member = tarfile.TarInfo("x" * (members.LONGEST_HEADER + 1))
    with tarfile.open(tmp_path / "c.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(member)
    with pytest.raises(BundleError, match="a header of"):
        load_runs(tmp_path / "c.tar", tmp_path)


def test_a_run_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt in the middle leaves nothing that looks like a run."""
    bundle = pack(tmp_path / "b.tar", [(RUN_JSON, b"{}"), (f"runs/{RUN}/x", b"x")])

    def unpack(self: ArchiveReader, prefix: str, target: Path) -> None:
        target.mkdir()
        (target / "run.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(ArchiveReader, "unpack", unpack)
    with pytest.raises(KeyboardInterrupt):
        load_runs(bundle, tmp_path)
    assert set(tree(tmp_path)) == {"b.tar", "results", "results/blink"}


# -- signatures ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the keys `maker` and `other`, and `allowed`, which names the maker."""
    directory = tmp_path_factory.mktemp("keys")
    for name in ("maker", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    (directory / "allowed").write_text(f"maker@example.org {(directory / 'maker.pub').read_text()}")
    return directory


def signed(target: Path, key: Path | None) -> Path:
    """A bundle that is signed with a key."""
    sign = (lambda text: signature.sign(text, key)) if key else None
    with ArchiveWriter(target, ignore_progress, sign) as archive:
        archive.add(members.MANIFEST, json.dumps(MANIFEST).encode())
        archive.add(RUN_JSON, b"{}")
    return target


def signer(bundle: Path, allowed: Path) -> str:
    """Who signed a bundle."""
    contents = ArchiveReader(bundle).verify(ignore_progress)
    return signature.check(contents.sums, contents.signature, allowed, bundle)


def test_a_signed_bundle_names_its_signer(tmp_path: Path, keys: Path) -> None:
    """Its checksums are signed, in the namespace of the lab."""
    assert signer(signed(tmp_path / "b.tar", keys / "maker"), keys / "allowed") == "maker@example.org"


def test_another_signature_is_refused(tmp_path: Path, keys: Path) -> None:
    """Without one, with the key of somebody else, and with the signature of another text."""
    with pytest.raises(BundleError, match="it has no signature"):
        signer(signed(tmp_path / "a.tar", None), keys / "allowed")
    with pytest.raises(BundleError, match="is not signed by one of"):
        signer(signed(tmp_path / "b.tar", keys / "other"), keys / "allowed")
    stolen = signature.sign(b"another text", keys / "maker")
    with pytest.raises(BundleError, match="is not signed by one of"):
        signature.check(b"text", stolen, keys / "allowed", tmp_path)
    with pytest.raises(BundleError, match="is not signed by one of"):
        signature.check(b"text", b"no signature", keys / "allowed", tmp_path)


def test_a_changed_bundle_fails(tmp_path: Path, keys: Path) -> None:
    """With its old checksums, and with new ones beside the old signature."""
    bundle = signed(tmp_path / "b.tar", keys / "maker")
    contents = ArchiveReader(bundle).verify(ignore_progress)
    changed = tmp_path / "changed.tar"
    changed.write_bytes(bundle.read_bytes().replace(b"2026-01-01 00:00", b"2027-01-01 00:00"))
    with pytest.raises(BundleError, match=r"manifest.json has another checksum"):
        ArchiveReader(changed).verify(ignore_progress)
    with ArchiveWriter(tmp_path / "again.tar", ignore_progress, lambda text: contents.signature) as archive:
        archive.add(members.MANIFEST, json.dumps({**MANIFEST, "created": "later"}).encode())
        archive.add(RUN_JSON, b"{}")
    with pytest.raises(BundleError, match="is not signed by one of"):
        signer(tmp_path / "again.tar", keys / "allowed")


def test_a_key_that_cannot_sign_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the bundle is made."""
    key = tmp_path / "key"
    key.write_text("no key")
    with pytest.raises(BundleError, match=r"cannot be signed with .*key"):
        signature.sign(b"", key)
    with pytest.raises(UsageError, match="no file"):
        signature.sign(b"", tmp_path / "nothing")
    with pytest.raises(UsageError, match="no file"):
        signature.check(b"", b"x", tmp_path / "nothing", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BundleError, match="ssh-keygen is not on the PATH"):
        signature.sign(b"", key)


# -- the script before the lab ---------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["", "../../tmp/x 1", "3.11;touch 1"])
def test_the_script_takes_no_strange_release(release: str, tmp_path: Path) -> None:
    """It becomes a part of the name of a program."""
    bundle = pack(tmp_path / "b.tar", [("wheels/PYTHON", release.encode() + b"\n")])
    done = load_script(bundle, tmp_path / "checkout")
    assert done.returncode == 4 and "does not say for which Python" in done.stderr


def test_the_script_takes_no_links(tmp_path: Path) -> None:
    """A link in the place of a package is not followed."""
    content: list[tuple[str | tarfile.TarInfo, bytes]] = [("wheels/PYTHON", b"3.11 x\n")]
    bundle = pack(tmp_path / "b.tar", [*content, (special(tarfile.SYMTYPE, "wheels/x.whl"), b"")])
    done = load_script(bundle, tmp_path / "checkout")
    assert done.returncode == 4 and "not plain files" in done.stderr


# -- mutated archives ------------------------------------------------------------------------------------

NAMES = st.one_of(
    st.sampled_from(
        (
            *(RUN_JSON, f"runs/{RUN}/x", f"runs/{RUN}/x/y", f"runs/{RUN}/X", "wheels/PYTHON", "images/000001"),
            *("../x", "/tmp/x", f"runs/{RUN}/../../../x", f"runs/{RUN}", "runs", "", ".", members.MANIFEST),
            members.SUMS,
        )
    ),
    st.text(max_size=40).map(lambda text: f"runs/{RUN}/{text}"),
    st.text(max_size=40),
)
MEMBERS = st.tuples(
    NAMES,
    st.binary(max_size=40),
    st.sampled_from([tarfile.REGTYPE] * 4 + [*KINDS.values(), tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, b"Z"]),
    st.sampled_from(["", "x", "../x", "/etc/passwd", RUN_JSON, f"runs/{RUN}/x"]),
)


def meets_the_promise(content: bytes) -> None:
    """Loading ends with a message or with runs; no file is outside of the results, and what was there is unchanged."""
    with TemporaryDirectory() as directory:
        root = Path(directory, "root")
        other = root / "results" / "other" / "20260101T000000Z"
        other.mkdir(parents=True)
        (other / "run.json").write_text("mine")
        bundle = Path(directory, "b.tar")
        bundle.write_bytes(content)
        try:
            load_runs(bundle, root)
        except BundleError as error:
            assert str(error)
        files = {name for name, data in tree(Path(directory)).items() if data is not None}
        inside = f"root/results/{RUN}/"
        assert {name for name in files if not name.startswith((inside, "root/results/blink/latest"))} == {
            "b.tar",
            "root/results/other/20260101T000000Z/run.json",
        }
        assert (other / "run.json").read_text() == "mine"


@given(st.lists(MEMBERS, max_size=6), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_made_up_archive_does_harm(content: list[tuple[str, bytes, bytes, str]], has_run: bool) -> None:
    """Members of every kind and name, with right checksums."""
    packed: list[tuple[str | tarfile.TarInfo, bytes]] = [(RUN_JSON, b"{}")] if has_run else []
    for name, data, kind, target in content:
        member = special(kind, name.encode("utf-8", "replace").decode().replace("\0", ""), target)
        packed.append((member, data))
    with TemporaryDirectory() as directory:
        meets_the_promise(pack(Path(directory, "b.tar"), packed).read_bytes())


def small() -> bytes:
    """A right bundle, in which every byte is near a header."""
    with TemporaryDirectory() as directory:
        path = pack(Path(directory, "b.tar"), [(RUN_JSON, b"{}"), (f"runs/{RUN}/{'long/' * 40}x", b"x")])
        return path.read_bytes().rstrip(b"\0") + b"\0" * 1024


SMALL = small()
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "insert", "copy"]),
        st.integers(0, len(SMALL)),
        st.binary(min_size=1, max_size=20),
    ),
    min_size=1,
    max_size=8,
)


@given(EDITS)
@settings(max_examples=400, deadline=None)
def test_no_damage_does_harm(edits: list[tuple[str, int, bytes]]) -> None:
    """Bytes that are changed, cut, inserted, and blocks that are there twice; header checksums are put right again."""
    content = bytearray(SMALL)
    for kind, at, data in edits:
        if kind == "set":
            content[at : at + len(data)] = data
        elif kind == "cut":
            del content[at : at + 37 * len(data)]
        elif kind == "insert":
            content[at:at] = data
        else:
            block = at // 512 * 512
            content[block:block] = content[block : block + 512 * len(data)]
    meets_the_promise(bytes(content))
    meets_the_promise(with_checksums(content))


def with_checksums(content: bytearray) -> bytes:
    """The archive with the right checksum in each block that looks like a header."""
    for at in range(0, len(content) - 511, 512):
        if content[at + 257 : at + 262] == b"ustar":
            block = bytes(content[at : at + 148]) + b" " * 8 + bytes(content[at + 156 : at + 512])
            content[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    return bytes(content)


@pytest.mark.docker
def test_the_command_refuses_a_forged_bundle(tmp_path: Path, keys: Path) -> None:
    """Status 4 and a message, before the engine gets anything; what is in it is told before."""
    forged = pack(tmp_path / "b.tar", [(RUN_JSON, b"{}"), (special(tarfile.SYMTYPE), b"")])
    status, printed = lab(tmp_path / "results", "load", str(forged))
    assert status == 4 and "is not a plain file" in printed and "Traceback" not in printed
    whole = signed(tmp_path / "c.tar", keys / "other")
    status, printed = lab(tmp_path / "results", "load", str(whole), "--verify", str(keys / "allowed"))
    assert status == 4 and "is not signed by one of" in printed and "1 files of 1 runs" in printed
    assert not list((tmp_path / "results").rglob("run.json"))
