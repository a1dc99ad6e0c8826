"""bisect.json: everything that a bisect measured, and the reports are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from reprolab.bisect.point import Point
from reprolab.bisect.search import Rules
from reprolab.core.files import format_errors, read_object, write_json
from reprolab.core.typed import checked
from reprolab.engine.host_facts import Host

SCHEMA = 1
FILE = "bisect.json"


@dataclass(frozen=True)
class CommitSearch:
    """The bisect over the commits between two releases. ``start`` is the commit where their history begins.

    ``tags`` are those of the releases. ``forked``: the older release is not on the first-parent line of the newer one,
    so the first step is more than one commit.
    """

    before: str
    after: str
    tags: tuple[str, str]
    start: str
    forked: bool
    rules: Rules
    points: tuple[Point, ...]
    ended: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CommitSearch:
        before, after = data["tags"]
        return cls(
            data["before"],
            data["after"],
            (before, after),
            data["start"],
            data["forked"],
            Rules(**data["rules"]),
            _points(data["points"]),
            data.get("ended", ""),
        )


@dataclass(frozen=True)
class BisectDocument:
    """A bisect of ``claim``, whose ``sentence`` is the document's and whose ``sign`` is in words.

    ``documented`` is the documented value of ``factor``; ``package`` is "" if its values are no releases. ``settings``
    are those of all cells, ``notes`` say what the range leaves out. ``status`` is that of a run; ``ended`` is BUDGET or
    POINTS if that ended it early. ``budget`` is in seconds. ``bases`` are the lines of the base images.
    """

    scenario: str
    title: str
    experiment: str
    claim: str
    sentence: str
    sign: str
    factor: str
    package: str
    documented: str
    rules: Rules
    points: tuple[Point, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    started: str = ""
    status: str = ""
    ended: str = ""
    budget: float | None = None
    seed: int = 0
    host: Host = field(default_factory=Host)
    bases: tuple[str, ...] = ()
    case: str = ""
    lab: str = ""
    deep: tuple[CommitSearch, ...] = ()
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """The content of bisect.json."""
        return {"schema": self.schema, **asdict(self), "host": self.host.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BisectDocument:
        """Read the content of bisect.json. Raises KeyError, TypeError or ValueError for anything else."""
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, expected {SCHEMA}")
        known = {item.name: data[item.name] for item in fields(cls) if item.name in data}
        return cls(
            **{
                **known,
                "rules": Rules(**data["rules"]),
                "points": _points(data["points"]),
                "notes": tuple(data["notes"]),
                "bases": tuple(data["bases"]),
                "host": Host.from_json(data["host"]),
                "deep": tuple(CommitSearch.from_json(item) for item in data["deep"]),
            }
        )


def _points(rows: Any) -> tuple[Point, ...]:
    if not isinstance(rows, list):
        raise TypeError(f"points is {type(rows).__name__}, expected a list")
    return tuple(Point(**row) for row in rows)


def write_document(directory: Path, document: BisectDocument) -> None:
    """Write bisect.json."""
    write_json(directory / FILE, document.to_json())


def read_document(directory: Path) -> BisectDocument:
    """Read bisect.json. Raises UsageError if it is missing or damaged."""
    path = directory / FILE
    content = read_object(path)
    with format_errors(path):
        document = checked(BisectDocument.from_json(content))
        for point in (*document.points, *(point for search in document.deep for point in search.points)):
            _check_counts(point)
    return document


def _check_counts(point: Point) -> None:
    """Raise ValueError for counts that no trials can have."""
    counts = (point.asked, point.trials, point.invalid, point.not_exercised, point.busy, point.unreadable, point.kept)
    if min(counts) < 0 or not 0 <= point.shown <= point.trials or point.kept > point.all_trials:
        raise ValueError(f"{point.value}: {point.shown} of {point.trials} trials is impossible")
