"""What a scenario's stack may have beyond the lab's policy for stacks: x-reprolab.allow of its compose.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reprolab.core.config_file import rows
from reprolab.core.errors import UsageError

ALLOW_KEY = "allow"
KEYS = ("what", "values", "why")
EXAMPLE = "{what: app.cap_add, values: CHOWN KILL, why: the master gives its workers another user}"


@dataclass(frozen=True)
class Allowance:
    """An exception: the place of a key (``app.cap_add``), the values that it may have there, and the reason."""

    what: str
    values: tuple[str, ...]
    why: str

    @property
    def words(self) -> str:
        """The exception in one line, with its reason."""
        return f"{self.what} {' '.join(self.values)} ({self.why})"


def read_allowances(content: object, where: str) -> tuple[Allowance, ...]:
    """Read x-reprolab.allow. ``where`` is the Compose file. Raises UsageError that names the place of a fault."""
    listed = rows(content, KEYS, f"{where}: x-reprolab.{ALLOW_KEY}", f"a list, such as [{EXAMPLE}]")
    return tuple(_allowance(row, place) for row, place in listed)


def _allowance(row: dict[str, Any], where: str) -> Allowance:
    for key in ("what", "why"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise UsageError(f"{where}.{key} is {row.get(key)!r}", expected=f"a line of text, as in {EXAMPLE}")
    return Allowance(row["what"].strip(), _values(row.get("values"), f"{where}.values"), " ".join(row["why"].split()))


def _values(content: object, where: str) -> tuple[str, ...]:
    """The values as texts: words in one line, or a list where a value has spaces."""
    parts = content.split() if isinstance(content, str) else content if isinstance(content, list) else [content]
    if not parts or not all(isinstance(part, str | int) and str(part) for part in parts):
        raise UsageError(
            f"{where} is {content!r}", expected=f"the values as the message about them shows them: {EXAMPLE}"
        )
    return tuple(str(part).lower() if isinstance(part, bool) else str(part) for part in parts)
