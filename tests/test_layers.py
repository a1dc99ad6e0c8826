"""What differs from the recorded run, by layer; and the digest of a case's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cases import EXPERIMENT, lay_out
from reprolab.evidence.run_info import RunInfo
from reprolab.report import layers
from reprolab.report.layers import Layer
from reprolab.scenario.digest import case_digest
from reprolab.verdict.record import RecordedRun

HOST = {"kernel": "6.1", "engine": "20.10", "compose": "2.26", "cpus": 2, "cpu": "Some CPU"}
BASE = {"origin": "hub", "id": f"sha256:{'1' * 64}", "digest": f"sha256:{'a' * 64}"}
SAME = {
    "host": HOST,
    "case": f"sha256:{'c' * 64}",
    "lab": "0.1.0",
    "bases": {"python:3.6": BASE},
    "packages": {"documented/app": {"pip": {"gunicorn": "19.6.0"}, "deb": {"libc6": "2.36"}}},
}


def info(**content: Any) -> RunInfo:
    """A RunInfo with this content of run.json."""
    return RunInfo.from_json({"scenario": "blink", **content})


def record(**content: Any) -> RecordedRun:
    """A RecordedRun with this content of recorded.json."""
    return RecordedRun.from_json(content)


def test_nothing_has_changed() -> None:
    """Every layer is known, and none differs."""
    same = layers.compare(record(**SAME), info(**SAME))
    assert same.differences == () and same.unknown == ()
    assert same.words == "none of them" and same.lines == [] and same.short_lines == []


@pytest.mark.parametrize(
    ("change", "layer", "line"),
    [
        ({"case": f"sha256:{'d' * 64}"}, "case files", f"case files: recorded {'c' * 12}, now {'d' * 12}"),
        ({"host": HOST | {"kernel": "6.18"}}, "kernel", "kernel: recorded 6.1, now 6.18"),
        ({"host": HOST | {"engine": "25.0"}}, "engine", "engine: recorded 20.10, now 25.0"),
        ({"host": HOST | {"compose": "2.30"}}, "engine", "engine: compose: recorded 2.26, now 2.30"),
        ({"host": HOST | {"cpus": 4}}, "machine", "machine: cpus: recorded 2, now 4"),
        ({"host": HOST | {"cgroup": "v2"}}, "machine", "machine: cgroup: recorded —, now v2"),
        ({"lab": "0.2.0"}, "lab", "lab: recorded 0.1.0, now 0.2.0"),
        (
            {"bases": {"python:3.6": BASE | {"origin": "host"}}},
            "base",
            "base: python:3.6: recorded hub, now host",
        ),
        (
            {"bases": {"python:3.6": BASE | {"id": f"sha256:{'2' * 64}", "digest": f"sha256:{'b' * 64}"}}},
            "base",
            f"base: python:3.6: recorded hub (id {'1' * 12}, digest {'a' * 12}), "
            f"now hub (id {'2' * 12}, digest {'b' * 12})",
        ),
        (
            {"packages": {"documented/app": {"pip": {"gunicorn": "19.9.0"}, "deb": {"libc6": "2.36"}}}},
            "packages",
            "packages: pip gunicorn in documented/app: recorded 19.6.0, now 19.9.0",
        ),
        (
            {"packages": {"documented/app": {"pip": {"gunicorn": "19.6.0"}, "deb": {"libc6": "2.37"}}}},
            "image's own packages",
            "image's own packages: deb libc6 in documented/app: recorded 2.36, now 2.37",
        ),
    ],
)
def test_each_layer(change: dict[str, Any], layer: str, line: str) -> None:
    """One change is a change of one layer, with the recorded value and the new one."""
    changed = layers.compare(record(**SAME), info(**SAME | change))
    assert (changed.words, changed.lines) == (layer, [line])


def test_a_debian_package_that_a_dockerfile_names_is_of_the_case() -> None:
    """The other Debian packages came with the base image, or because another package needs them."""
    newer = SAME | {"packages": {"documented/app": {"deb": {"libc6": "2.37"}}}}
    (unnamed,) = layers.compare(record(**SAME), info(**newer)).differences
    (named,) = layers.compare(record(**SAME), info(**newer), {"libc6"}).differences
    assert (unnamed.layer, named.layer) == (Layer.IMAGE_PACKAGES, Layer.PACKAGES)


def test_what_was_not_kept_is_unknown() -> None:
    """A layer that the record or the run lacks is not said to be the same."""
    older = layers.compare(record(host={"kernel": "6.1"}), info(**SAME))
    assert set(older.unknown) == {"case files", "base", "engine", "lab", "packages", "image's own packages"}
    assert older.words.startswith("engine, machine (not on record: case files, base, ")
    nothing = layers.compare(record(), info())
    assert nothing.words.startswith("none of those on record (not on record: case files, ")
    assert nothing.lines == ["case files, base, engine, kernel, lab, packages, image's own packages: not on record"]


def test_a_base_without_id_on_record() -> None:
    """A record of an older release has only the origin. A base that did not run is not compared."""
    older = record(bases={"python:3.6": {"origin": "hub"}, "gone": {"origin": "hub"}})
    assert layers.compare(older, info(bases={"python:3.6": BASE})).differences == ()


def test_files_that_changed_after_the_run() -> None:
    """A run that is judged by other files than it ran with is not said to be judged by the recorded ones."""
    changed = layers.compare(record(**SAME), info(**SAME), case=f"sha256:{'e' * 64}")
    assert changed.lines == [f"case files: since the run: recorded {'c' * 12}, now {'e' * 12}"]


def test_the_list_of_changed_packages_is_short() -> None:
    """One line per package, the named ones first; the last line has the number of the others."""
    debs = {f"lib{n:02}": "1" for n in range(14)} | {"wrk": "4.1"}
    images = {f"{variant}/app": {"deb": debs} for variant in ("documented", "old", "new")}
    newer = SAME | {"packages": {image: {"deb": dict.fromkeys(debs, "9")} for image in images}}
    lines = layers.compare(record(**SAME | {"packages": images}), info(**newer), {"wrk"}).lines
    assert lines[0] == "packages: deb wrk in documented/app and 2 more images: recorded 4.1, now 9"
    assert lines[1].startswith("image's own packages: deb lib00 in documented/app and 2 more images: ")
    assert len(lines) == 13 and lines[-1] == "and 3 more packages"


def test_changes_in_two_lines() -> None:
    """The layers, then the number of changed packages and those that the case names."""
    then = SAME | {"packages": {"documented/app": {"deb": {"wrk": "4.1", "libc6": "2.36"}}}}
    now = then | {"packages": {"documented/app": {"deb": {"wrk": "4.2", "libc6": "2.37"}}}}
    packages = layers.compare(record(**then), info(**now), {"wrk"}).short_lines
    assert packages == ["2 packages are other than for the record: wrk 4.1 → 4.2"]
    assert layers.compare(record(**then), info(**now)).short_lines == ["2 packages are other than for the record"]
    kernel = now | {"host": HOST | {"kernel": "6.18"}, "lab": "0.2.0"}
    assert layers.compare(record(**then), info(**kernel)).short_lines[0] == "other than for the record: kernel, lab"


def test_packages_of_other_variants() -> None:
    """A claim is not about the packages of variants that it does not need."""
    then = SAME | {"packages": {"documented/app": {"pip": {"a": "1"}}, "old/app": {"pip": {"a": "1"}}}}
    now = then | {"packages": {"documented/app": {"pip": {"a": "1"}}, "old/app": {"pip": {"a": "2"}}}}
    changed = layers.compare(record(**then), info(**now | {"host": HOST | {"kernel": "6.18"}}))
    assert changed.in_variants(["old"]).words == "kernel, packages"
    assert changed.in_variants(["documented"]).words == "kernel"


# -- the digest of a case -------------------------------------------------------------------------


def test_the_digest_changes_with_every_file_that_decides_a_run(tmp_path: Path) -> None:
    """An experiment, the Compose file, a file for an image, a name, an executable bit."""
    directory = lay_out(tmp_path)
    seen = [case_digest(directory)]
    (directory / "lamp.py").write_text(EXPERIMENT.replace("TRIALS = 3", "TRIALS = 4"), encoding="utf-8")
    seen.append(case_digest(directory))
    compose = directory / "compose.yaml"
    compose.write_text(compose.read_text().replace("RELEASE:-1.0", "RELEASE:-1.1"), encoding="utf-8")
    seen.append(case_digest(directory))
    (directory / "app").mkdir()
    (directory / "app" / "start.sh").write_text("true\n")
    seen.append(case_digest(directory))
    (directory / "app" / "start.sh").chmod(0o755)
    seen.append(case_digest(directory))
    (directory / "app" / "start.sh").rename(directory / "app" / "run.sh")
    seen.append(case_digest(directory))
    assert len(set(seen)) == len(seen)
    assert all(digest.startswith("sha256:") for digest in seen)


def test_the_digest_does_not_change_with_texts_and_results(tmp_path: Path) -> None:
    """README, record, history and the finding are written after a run."""
    directory = lay_out(tmp_path)
    before = case_digest(directory)
    for name in ("README.md", "recorded.json", "history.jsonl", "demo.yaml"):
        (directory / name).write_text("{}\n")
    (directory / "__pycache__").mkdir()
    (directory / "__pycache__" / "lamp.pyc").write_bytes(b"x")
    compose = directory / "compose.yaml"
    compose.write_text(
        "# a comment\n" + compose.read_text().replace("a server that blinks", "a lamp"), encoding="utf-8"
    )
    assert case_digest(directory) == before


def test_the_digest_is_that_of_a_copy(tmp_path: Path) -> None:
    """It depends on nothing else on the machine; a directory that does not exist has none."""
    assert case_digest(lay_out(tmp_path / "a")) == case_digest(lay_out(tmp_path / "b"))
    assert case_digest(tmp_path / "nowhere") == ""
