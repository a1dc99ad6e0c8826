"""The releases of a package on the index that pip is set up for; without an answer, those of an offline bundle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pypi_simple import DistributionPackage

from reprolab.core import command_text, files
from reprolab.core.errors import UsageError
from reprolab.core.typed import checked
from reprolab.evidence import lookup
from reprolab.pins import ask_pip

SCHEMA = 1
LIMIT = 20.0  # seconds for the index's answer
FILE_KINDS = ("sdist", "wheel")  # what pip installs
DAY = re.compile(r"\d{4}-\d\d-\d\d")


class NoAnswer(UsageError):
    """Neither the index nor an offline bundle says which releases there are."""


@dataclass(frozen=True)
class Release:
    """A release. ``date`` is the day of its first file, YYYY-MM-DD, "" if the index does not say it.

    ``files`` are the kinds of its files that pip installs, of FILE_KINDS. ``yanked`` means that all of them are.
    """

    version: str
    date: str = ""
    requires_python: str = ""
    files: tuple[str, ...] = ()
    yanked: bool = False

    @property
    def number(self) -> Version:
        return Version(self.version)

    @property
    def left_out(self) -> str:
        """Why a range leaves the release out, in a word; "" if it does not."""
        if self.yanked:
            return "yanked"
        if self.number.is_prerelease:
            return "pre-release"
        return "" if self.files else "without a file that pip installs"


@dataclass(frozen=True)
class ReleaseList:
    """All releases of a package, the oldest number first, and the day on which the index gave them.

    ``kept`` says that the list is from an offline bundle, and why the index was not used; "" if the index gave it now.
    """

    package: str
    day: str
    releases: tuple[Release, ...]
    kept: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "package": self.package,
            "day": self.day,
            "releases": [asdict(release) for release in self.releases],
        }


def from_json(content: Mapping[str, Any]) -> ReleaseList:
    """Read a list that others wrote. Raises TypeError, KeyError or ValueError for one that is no such list."""
    if content["schema"] != SCHEMA:
        raise ValueError(f"schema {content['schema']}, expected {SCHEMA}")
    rows = [{**row, "files": tuple(row["files"])} for row in content["releases"]]
    result = checked(ReleaseList(content["package"], content["day"], tuple(Release(**row) for row in rows)))
    if not all(DAY.fullmatch(day) for day in (result.day, *(row.date for row in result.releases if row.date))):
        raise ValueError("a day is no YYYY-MM-DD")
    # A number that is no version raises InvalidVersion, which is a ValueError.
    return ReleaseList(result.package, result.day, tuple(sorted(result.releases, key=lambda row: row.number)))


def releases_of(root: Path, package: str) -> ReleaseList:
    """Ask for the releases of a package; without an answer read the list that a bundle brought.

    Raises UsageError for a package that the index does not have, and NoAnswer where neither gives a list.
    """
    page = ask_pip.ask_within([package], LIMIT)[package]
    if page.failure:
        return _kept(root, package, page.failure)
    if not page.files:
        raise UsageError(
            f"the package index has no package {package}", expected="the name of a package, as `pip install` takes it"
        )
    return read_page(package, page.files, datetime.now(UTC).date().isoformat())


def read_page(package: str, listed: Iterable[DistributionPackage], day: str) -> ReleaseList:
    """The releases of an index page. A file whose number is no version counts for none, as for pip."""
    by_number: dict[Version, list[DistributionPackage]] = {}
    for file in listed:
        try:
            by_number.setdefault(Version(file.version or ""), []).append(file)
        except InvalidVersion:
            continue
    return ReleaseList(package, day, tuple(_release(number, by_number[number]) for number in sorted(by_number)))


def _release(number: Version, listed: list[DistributionPackage]) -> Release:
    days = sorted(file.upload_time.astimezone(UTC).date().isoformat() for file in listed if file.upload_time)
    kinds = {file.package_type for file in listed}
    return Release(
        str(number),
        days[0] if days else "",
        next((file.requires_python for file in listed if file.requires_python), ""),
        tuple(kind for kind in FILE_KINDS if kind in kinds),
        all(file.is_yanked for file in listed),
    )


# -- kept lists -----------------------------------------------------------------------------------


def kept_path(root: Path, package: str) -> Path:
    """Where the list of a package from an offline bundle is kept on this machine."""
    return lookup.results_root(root) / ".cache" / "releases" / file_name(package)


def file_name(package: str) -> str:
    """The name of the file with a package's list."""
    return f"{canonicalize_name(package)}.json"


def read_file(path: Path) -> ReleaseList:
    """Read a kept list. Raises UsageError if it is no such file."""
    content = files.read_object(path)
    with files.format_errors(path):
        return from_json(content)


def keep(root: Path, listed: ReleaseList) -> bool:
    """Keep a list for a time without an index; False if one as new is here. One that cannot be read is replaced."""
    path = kept_path(root, listed.package)
    with suppress(UsageError):
        if path.is_file() and read_file(path).day >= listed.day:
            return False
    files.write_json(path, listed.to_json())
    return True


def _kept(root: Path, package: str, failure: str) -> ReleaseList:
    path = kept_path(root, package)
    if not path.is_file():
        raise NoAnswer(
            f"the releases of {package} are not known, for the package index did not answer: {failure}",
            expected="an index that pip on this machine can reach, or the list of an offline bundle",
            advice="name the values: FACTOR=A,B,C; or, on a machine with a network, "
            + command_text.command("bundle", "bundle"),
        )
    listed = read_file(path)
    kept = f"the releases of {package} as of {listed.day}, from an offline bundle, for the package index did not answer"
    return ReleaseList(package, listed.day, listed.releases, kept)
