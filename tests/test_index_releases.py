"""The releases of a package: from a recorded answer of the index, and from an offline bundle where it has no answer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from cases import DATA, load
from pypi_simple import DistributionPackage, ProjectPage
from reprolab.bundle import archive, create, members
from reprolab.bundle.load import Loader
from reprolab.core.errors import BundleError, UsageError
from reprolab.pins import ask_pip, index_releases
from reprolab.pins.index_releases import NoAnswer, Release, ReleaseList
from reprolab.scenario.ranges import ValueRange
from test_bundle import MANIFEST, UNUSED, ignore_progress

LISTED = ReleaseList("gunicorn", "2026-11-26", (Release("19.0", "2014-06-12"), Release("20.0", "2019-11-09", ">=3.4")))


def files() -> list[DistributionPackage]:
    """The files of some releases of uvicorn, from the index of November 2026."""
    content: dict[str, Any] = json.loads((DATA / "releases" / "uvicorn.json").read_text(encoding="utf-8"))
    return ProjectPage.from_json_data(content, "https://index.example/").packages


def answering(monkeypatch: pytest.MonkeyPatch, page: ask_pip.IndexPage) -> None:
    """Let the index answer with this page."""

    def ask(names: Iterable[str], index: object) -> dict[str, ask_pip.IndexPage]:
        return dict.fromkeys(names, page)

    monkeypatch.setattr(ask_pip, "ask", ask)


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Kept lists are in the test's own results."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


# -- the index ------------------------------------------------------------------------------------


def test_a_page_gives_its_releases() -> None:
    """Once each in the order of their numbers, with the day of the first file and the kinds of files."""
    releases = index_releases.read_page("uvicorn", files(), "2026-11-26").releases
    assert [row.version for row in releases] == [
        *("0.7.0b1", "0.7.0b2", "0.7.0", "0.16.0", "0.17.0", "0.17.0.post1", "0.17.1", "0.54.0"),
    ]
    assert releases[-1] == Release("0.54.0", "2026-09-25", ">=3.10", ("sdist", "wheel"))
    assert releases[2] == Release("0.7.0", "2019-04-18", "", ("sdist",))


def test_yanked_releases_and_pre_releases_are_known_as_such() -> None:
    """A post-release is none of them."""
    listed = index_releases.read_page("uvicorn", files(), "2026-11-26")
    left_out = {row.version: row.left_out for row in listed.releases if row.left_out}
    assert left_out == {"0.7.0b1": "pre-release", "0.7.0b2": "pre-release", "0.17.0": "yanked"}


def test_a_release_is_yanked_only_if_all_its_files_are() -> None:
    """pip still takes the other file."""
    wheel, sdist = (file for file in files() if file.version == "0.17.0")
    other = DistributionPackage(**{**vars(sdist), "is_yanked": False})
    assert index_releases.read_page("uvicorn", [wheel, sdist], "2026-11-26").releases[0].yanked
    assert not index_releases.read_page("uvicorn", [wheel, other], "2026-11-26").releases[0].yanked


def test_a_file_that_pip_does_not_install_makes_no_release() -> None:
    """An installer for another system is no source distribution, and a file without a number counts for none."""
    fields = {**vars(files()[0]), "package_type": "wininst"}
    strange = [
        DistributionPackage(**{**fields, "version": "0.1"}),
        DistributionPackage(**{**fields, "version": "x"}),
        DistributionPackage(**{**fields, "version": None}),
    ]
    (release,) = index_releases.read_page("uvicorn", strange, "2026-11-26").releases
    assert release.files == () and release.left_out == "without a file that pip installs"


def test_the_day_of_a_release_is_that_of_its_first_file() -> None:
    """A wheel may come years later, and stands first on the page."""
    wheel, sdist = (file for file in files() if file.version == "0.54.0")
    later = DistributionPackage(**{**vars(wheel), "upload_time": datetime(2030, 1, 1, tzinfo=UTC)})
    assert index_releases.read_page("uvicorn", [later, sdist], "2026-11-26").releases[0].date == "2026-09-25"


def test_an_index_without_times_gives_no_days() -> None:
    """Its pages are in HTML."""
    undated = [DistributionPackage(**{**vars(file), "upload_time": None}) for file in files()]
    assert {row.date for row in index_releases.read_page("uvicorn", undated, "2026-11-26").releases} == {""}


def test_the_index_is_asked_for_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says now has priority over a kept list."""
    index_releases.keep(tmp_path, ReleaseList("uvicorn", "2020-01-01", ()))
    answering(monkeypatch, ask_pip.IndexPage(files()))
    listed = index_releases.releases_of(tmp_path, "uvicorn")
    assert len(listed.releases) == 8 and listed.kept == ""


def test_an_unknown_package_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if a list is kept: the index has answered."""
    index_releases.keep(tmp_path, LISTED)
    answering(monkeypatch, ask_pip.IndexPage())
    with pytest.raises(UsageError, match="the package index has no package gunicorn"):
        index_releases.releases_of(tmp_path, "gunicorn")


def test_no_answer_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is not known, why, and what can be done."""
    answering(monkeypatch, ask_pip.IndexPage(failure="https://index.example did not answer: ConnectionError"))
    with pytest.raises(NoAnswer) as raised:
        index_releases.releases_of(tmp_path, "gunicorn")
    assert "the releases of gunicorn are not known" in str(raised.value)
    assert "ConnectionError" in str(raised.value) and "FACTOR=A,B,C" in str(raised.value)


def test_an_index_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit the page says so."""
    monkeypatch.setattr(ask_pip, "ask", lambda names, index: sleep(0.5) or {})
    assert ask_pip.ask_within(["gunicorn"], 0.01)["gunicorn"].failure == "no answer within 0.01 s"
    assert ask_pip.ask_within([], 0.01) == {}


# -- kept lists -----------------------------------------------------------------------------------


def test_without_an_answer_the_kept_list_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the list says from which day it is."""
    assert index_releases.keep(tmp_path, LISTED)
    answering(monkeypatch, ask_pip.IndexPage(failure="no network"))
    listed = index_releases.releases_of(tmp_path, "Gunicorn")
    assert listed.releases == LISTED.releases
    assert "as of 2026-11-26, from an offline bundle" in listed.kept


def test_a_newer_list_stays(tmp_path: Path) -> None:
    """An older bundle does not replace it; a damaged one is replaced."""
    assert index_releases.keep(tmp_path, LISTED)
    assert not index_releases.keep(tmp_path, ReleaseList("gunicorn", "2026-11-25", ()))
    path = index_releases.kept_path(tmp_path, "gunicorn")
    assert index_releases.read_file(path) == LISTED
    path.write_text("{", encoding="utf-8")
    assert index_releases.keep(tmp_path, LISTED) and index_releases.read_file(path) == LISTED


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"package": 7},
        {"day": "yesterday"},
        {"releases": [{"version": "x", "files": []}]},
        {"releases": [{"version": "1", "files": [], "date": "1/1/2020"}]},
        {"releases": [{"version": "1", "files": [3]}]},
        {"releases": [{"version": "1", "files": [], "colour": "red"}]},
        {"releases": [{"files": []}]},
        {"releases": 3},
    ],
)
def test_a_list_of_another_form_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Others may have written it."""
    path = tmp_path / "gunicorn.json"
    path.write_text(json.dumps(LISTED.to_json() | changes), encoding="utf-8")
    with pytest.raises(UsageError, match="does not have the lab's format"):
        index_releases.read_file(path)


# -- bundles --------------------------------------------------------------------------------------


def bundle(path: Path, lists: Iterable[tuple[str, ReleaseList]]) -> Loader:
    """A bundle with these lists by file name, and its loader."""
    with archive.ArchiveWriter(path / "b.tar", ignore_progress) as writer:
        writer.add(members.MANIFEST, json.dumps(MANIFEST | {"scenarios": {}}).encode())
        for name, listed in lists:
            writer.add(f"{members.RELEASES}{name}", json.dumps(listed.to_json()).encode())
    reader = archive.ArchiveReader(path / "b.tar")
    reader.verify(ignore_progress)
    return Loader(path, UNUSED, UNUSED, reader, print)


def test_a_bundle_carries_lists_to_a_machine_without_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read where the index does not answer."""
    loader = bundle(tmp_path, [("gunicorn.json", LISTED)])
    assert list(loader.keep_releases()) == ["gunicorn (2026-11-26)"]
    assert list(loader.keep_releases()) == ["gunicorn (a list as new is here)"]
    answering(monkeypatch, ask_pip.IndexPage(failure="no network"))
    assert index_releases.releases_of(tmp_path, "gunicorn").releases == LISTED.releases


def test_a_bundle_without_lists_loads(tmp_path: Path) -> None:
    """Older ones have none."""
    assert list(bundle(tmp_path, []).keep_releases()) == []


@pytest.mark.parametrize("name", ["Gunicorn.json", "a/b.json", "gunicorn.txt", ".json"])
def test_a_list_has_the_name_of_a_package(tmp_path: Path, name: str) -> None:
    """Any other file is no part of a bundle."""
    with pytest.raises(BundleError, match="belongs to no part of a bundle"):
        bundle(tmp_path, [(name, LISTED)])


def test_a_list_under_another_name_is_refused(tmp_path: Path, results: Path) -> None:
    """Nothing is written then."""
    with pytest.raises(BundleError, match=r"releases/uvicorn.json is the list of 'gunicorn'"):
        list(bundle(tmp_path, [("uvicorn.json", LISTED)]).keep_releases())
    with pytest.raises(BundleError, match=r"releases/x.json is no list of releases"):
        list(bundle(tmp_path, [("x.json", ReleaseList("x", "", ()))]).keep_releases())
    assert not results.exists()


def test_all_packages_of_the_ranges_are_bundled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that cannot be had is left out, and that is said."""
    scenario = load(tmp_path)
    ranges = {"RELEASE": ValueRange("gunicorn"), "OTHER": ValueRange("gunicorn"), "WORKERS": ValueRange(values=("2",))}
    object.__setattr__(scenario, "ranges", ranges | {"MORE": ValueRange("uvicorn")})
    said: list[str] = []
    bundler = create.Bundler(tmp_path, UNUSED, UNUSED, UNUSED, said.append)
    part = create.BundledScenario(scenario, (), (), None)

    def ask(names: Iterable[str], index: object) -> dict[str, ask_pip.IndexPage]:
        pages = {"uvicorn": ask_pip.IndexPage(files()), "gunicorn": ask_pip.IndexPage(failure="no network")}
        return {name: pages[name] for name in names}

    monkeypatch.setattr(ask_pip, "ask", ask)
    assert [listed.package for listed in bundler.release_lists([part, part])] == ["uvicorn"]
    assert len(said) == 1 and said[0].startswith("gunicorn: its list of releases is left out")
