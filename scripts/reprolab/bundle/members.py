"""Which members a bundle may have: plain files with known names, no more and no larger than the limits."""

from __future__ import annotations

import re
import tarfile
import unicodedata
from dataclasses import dataclass, field
from typing import Any

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
SIGNATURE = f"{SUMS}.sig"
IMAGES = "images/"
RUNS = "runs/"
WHEELS = "wheels/"
RELEASES = "releases/"
RUN_NAME = r"\d{8}T\d{6}Z(-\d+)?"
SCENARIO_NAME = r"[a-z][a-z0-9-]*"
KNOWN = re.compile(
    rf"{MANIFEST}|{SUMS}|{re.escape(SIGNATURE)}|images/\d+|wheels/[^/]+|releases/[a-z0-9-]+\.json"
    rf"|runs/{SCENARIO_NAME}/{RUN_NAME}/.+"
)
# Bytes. A header may give a name or other facts in a block of its own, which is read as a whole.
LONGEST_HEADER = 1 << 16
LONGEST_NAME, LONGEST_PART = 1024, 255
LARGEST_TEXT = 32 << 20
MOST_MEMBERS = 200_000
# Bytes of everything but the images, whose size is compared with the free space of the engine's disk.
USUAL_LIMIT = 4 << 30


class Refused(ValueError):
    """A member that no bundle has; the text says which and why."""


class BoundedMember(tarfile.TarInfo):
    """A member whose extended header has a limit."""

    EXTENDED = (*tarfile.GNU_TYPES, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in self.EXTENDED and self.size > LONGEST_HEADER:
            raise Refused(f"a header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


class TooLarge(Refused):
    """A limit that the user can raise is exceeded."""


@dataclass
class MemberCheck:
    """Looks at the members of one bundle in their order. ``limit`` is in bytes."""

    limit: int = USUAL_LIMIT
    files: dict[str, int] = field(default_factory=dict)
    _spellings: dict[str, str] = field(default_factory=dict)
    _unpacked: int = 0

    def look(self, member: tarfile.TarInfo) -> None:
        """Raise Refused for a member that is no plain file, has an unknown or unsafe name, or exceeds a limit."""
        name = member.name
        shown = repr(name[:100])
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse:
            raise Refused(f"{shown} is not a plain file")
        self._look_at_name(name, shown)
        if member.size < 0:
            raise Refused(f"{shown} has no size")
        if len(self.files) >= MOST_MEMBERS:
            raise Refused(f"it has more than {MOST_MEMBERS} files")
        if (name in (MANIFEST, SUMS, SIGNATURE) or name.startswith(RELEASES)) and member.size > LARGEST_TEXT:
            raise Refused(f"{name} has {member.size} bytes")
        self.files[name] = member.size
        if not name.startswith(IMAGES):
            self._unpacked += member.size
            if self._unpacked > self.limit:
                raise TooLarge(f"its files without the images have more than {self.limit / (1 << 30):g} GB")

    def _look_at_name(self, name: str, shown: str) -> None:
        parts = name.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise Refused(f"the path {shown} is outside of its directory")
        too_long = len(name.encode("utf-8", "surrogateescape")) > LONGEST_NAME
        if too_long or any(len(part.encode("utf-8", "surrogateescape")) > LONGEST_PART for part in parts):
            raise Refused(f"the path {shown} is too long")
        if "\\" in name or any(unicodedata.category(letter).startswith("C") for letter in name):
            raise Refused(f"the path {shown} has characters that no file of a bundle has")
        if not KNOWN.fullmatch(name):
            raise Refused(f"{shown} belongs to no part of a bundle")
        if name in self.files:
            raise Refused(f"{shown} is there twice")
        self._look_for_collision(parts, shown)

    def _look_for_collision(self, parts: list[str], shown: str) -> None:
        """On some file systems two names are one; a name is a file or a directory, not both."""
        for length in range(1, len(parts) + 1):
            path = "/".join(parts[:length]) + ("/" if length < len(parts) else "")
            folded = unicodedata.normalize("NFC", path).casefold().rstrip("/")
            if self._spellings.setdefault(folded, path) != path:
                raise Refused(f"{shown} and {self._spellings[folded]!r} would be one file")
