"""The series of a trial: what each service used, twice a second.

series.jsonl has one JSON object a line, of one of two kinds: a sample of one service (see `Sample`), or, as the last
line, ``{"samples": number, "cost_s": CPU time of the sampling in seconds}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reprolab.core.typed import checked

SERIES_FILE = "series.jsonl"
SAMPLES_FILE = "samples.jsonl"  # what an experiment itself sampled, in the same form


@dataclass(frozen=True)
class Sample:
    """One service at one moment.

    ``at_ns`` is in nanoseconds since the epoch. ``cpu`` is the number of processors in use since the sample before
    (1.0 is one processor), ``memory`` is in bytes without the page cache that the kernel can drop. ``descriptors``
    counts the open files of all processes; None if this user may not see them. ``sockets`` is state -> number, with
    names such as "tcp established" and "unix listening"; reading TCP sockets is costly, so most samples have none.
    """

    service: str
    at_ns: int
    cpu: float
    memory: int
    processes: int
    descriptors: int | None = None
    sockets: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The content of a line, without unknown values."""
        return {key: value for key, value in asdict(self).items() if value not in (None, {})}


def read_series(path: Path) -> Iterator[Sample]:
    """The samples of a file, in the order of their moments. Lines that are torn or of another kind are skipped."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            yield checked(Sample(**json.loads(line)))
        except (ValueError, TypeError, RecursionError):
            continue
