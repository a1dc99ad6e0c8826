"""The commits between two releases, from a checkout of the project's source. Nothing in the checkout is changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from reprolab.core.command_text import option
from reprolab.core.errors import UsageError
from reprolab.core.files import display_path
from reprolab.core.subprocesses import CommandError, run
from reprolab.measure.axis import Axis, Value

LIMIT = 120.0  # seconds for one call of git
MOST_TAGS = 12  # in a message
SEPARATOR = "\x1f"
HASH_LENGTH = 12


@dataclass(frozen=True)
class Commit:
    """A commit: its full hash, the day of its committer, its subject."""

    hash: str
    date: str
    subject: str


@dataclass(frozen=True)
class History:
    """The commits from ``commits[0]``, the start, to that of the newer release, by first parents.

    ``tags`` are those of the two releases. The start is the commit of the older one, or the last that both releases
    share. ``forked``: the start is not the first parent of the commit after it, so that this step is more than one.
    """

    before: str
    tags: tuple[str, str]
    commits: tuple[Commit, ...]
    forked: bool

    def axis(self, factor: str, package: str) -> Axis:
        """The commits as values of a factor: as versions of their own, later than the older release."""
        values = [Value(self._version(number), commit.date) for number, commit in enumerate(self.commits)]
        return Axis(factor, tuple(values), ordered=True, package=package)

    @property
    def subjects(self) -> dict[str, str]:
        """Value -> subject of its commit."""
        return {self._version(number): commit.subject for number, commit in enumerate(self.commits)}

    @property
    def hashes(self) -> dict[str, str]:
        """Value -> hash of its commit."""
        return {self._version(number): commit.hash for number, commit in enumerate(self.commits)}

    def _version(self, number: int) -> str:
        """For example "20.1.0+12.g0123456789ab", which pip takes for a version after 20.1.0."""
        return f"{self.before}+{number}.g{self.commits[number].hash[:HASH_LENGTH]}"


def git(source: Path, *words: str) -> str:
    """The output of git in the checkout. Raises CommandError."""
    return run(["git", "-C", str(source), *words], timeout=LIMIT).stdout


def check_source(source: Path) -> None:
    """Raise UsageError unless the directory is a git checkout with tags."""
    try:
        tags = _tags(source)
    except CommandError as error:
        raise UsageError(
            f"{option('source', display_path(source))} is no git checkout: {error.finished.tail}",
            expected="a directory with the project's source and its history",
            advice="git clone it, with its tags and not shallow",
        ) from error
    if not tags:
        raise UsageError(
            f"{option('source', display_path(source))} has no tags, so no release can be looked up in it",
            expected="a checkout with the tags of its releases",
            advice="git fetch --tags, in that directory",
        )


def history(source: Path, before: str, after: str) -> History:
    """The commits between the tags of two releases, the older one first.

    Raises UsageError for a release without a tag, and if there is no commit between the two.
    """
    tags = _tags(source)
    older, newer = (_tag_of(tags, release) for release in (before, after))
    try:
        start = git(source, "merge-base", f"{older}^{{commit}}", f"{newer}^{{commit}}").strip()
        first = _log(source, "--max-count=1", start)
        later = _log(source, "--first-parent", "--reverse", f"{start}..{newer}^{{commit}}")
    except CommandError as error:
        raise UsageError(
            f"git has no history from {older} to {newer}: {error.finished.tail}",
            expected="two releases with a common commit",
            advice="a shallow clone lacks it: git fetch --unshallow, in that directory",
        ) from error
    if not later:
        raise UsageError(f"there is no commit from {older} to {newer}", expected="an older and a newer release")
    at_tag = git(source, "rev-parse", f"{older}^{{commit}}").strip() == start
    follows = git(source, "rev-parse", f"{later[0].hash}^1").strip() == start
    return History(before, (older, newer), (*first, *later), forked=not (at_tag and follows))


def archive(source: Path, commit: str) -> bytes:
    """The files of a commit as a tar file. Raises CommandError."""
    with TemporaryFile() as stream:
        run(["git", "-C", str(source), "archive", "--format=tar", commit], timeout=LIMIT, stdout=stream)
        stream.seek(0)
        return stream.read()


def _tags(source: Path) -> list[str]:
    return git(source, "tag", "--list").split()


def _tag_of(tags: Sequence[str], release: str) -> str:
    """The tag of a release: "20.0.0" or "v20.0.0". Raises UsageError that names the tags that are there."""
    expected = (release, f"v{release}")
    for tag in expected:
        if tag in tags:
            return tag
    series = re.match(r"\d+", release)
    near = [tag for tag in tags if series and re.match(rf"v?{series[0]}\b", tag)] or list(tags)
    more = f" and {len(near) - MOST_TAGS} more" if len(near) > MOST_TAGS else ""
    raise UsageError(
        f"the checkout has no tag for {release}",
        expected=f"{' or '.join(expected)}; there are {', '.join(near[:MOST_TAGS])}{more}",
        advice="git fetch --tags, in that directory",
    )


def _log(source: Path, *words: str) -> list[Commit]:
    form = SEPARATOR.join(("%H", "%cd", "%s"))
    lines = git(source, "log", f"--format={form}", "--date=short", *words, "--").splitlines()
    return [Commit(*line.split(SEPARATOR, 2)) for line in lines if line]
