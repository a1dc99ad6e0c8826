"""Counts the responses in a proxy's access log."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

BUCKET_MS = 100
MOST_STEPS = 24 * 3600 * 1000 // BUCKET_MS
# The two fields that the shared proxies add. images/h2o: when the request came (microseconds), and how long it took
# (seconds, "0" for none). images/nginx: when the response ended (seconds), and how long it took (seconds).
FIELDS = re.compile(r'(?<=") (1[5-9]\d{8}(?:\d{6}|\.\d{3})) (\d+(?:\.\d+)?)$')


@dataclass
class AccessSummary:
    """The responses in a proxy's access log. Times are nanoseconds since the epoch, by the proxy's clock.

    ``first_after_ok_ns`` is status -> the first response (in the log's order) after the last 2xx.
    ``buckets`` is status -> step -> number of responses; a step is BUCKET_MS milliseconds, from ``start_ns``.
    """

    start_ns: int
    lines: int = 0
    other_lines: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    first_ns: dict[int, int] = field(default_factory=dict)
    last_ns: dict[int, int] = field(default_factory=dict)
    first_after_ok_ns: dict[int, int] = field(default_factory=dict)
    buckets: dict[int, Counter[int]] = field(default_factory=dict)

    @property
    def ok(self) -> int:
        """Responses with a status from 200 to 299."""
        return sum(n for status, n in self.statuses.items() if 200 <= status < 300)

    @property
    def last_ok_ns(self) -> int | None:
        """When the last 2xx was logged."""
        return max((t for status, t in self.last_ns.items() if 200 <= status < 300), default=None)

    def share(self, status: int) -> float:
        """The share of one status among all responses, from 0 to 1; 0 if there are no responses."""
        return self.statuses[status] / self.lines if self.lines else 0.0

    def add(self, moment: int, status: int) -> None:
        self.lines += 1
        self.statuses[status] += 1
        self.first_ns.setdefault(status, moment)
        self.last_ns[status] = max(moment, self.last_ns.get(status, 0))
        if 200 <= status < 300:
            self.first_after_ok_ns.clear()
        elif status not in self.first_after_ok_ns:
            self.first_after_ok_ns[status] = moment
        bucket = (moment - self.start_ns) // (BUCKET_MS * 1_000_000)
        per_status = self.buckets.get(status)
        if per_status is None:
            per_status = self.buckets[status] = Counter()
        per_status[bucket] += 1

    def timeline(self) -> dict[str, list[list[int]]]:
        """The buckets as plain data: status -> [[milliseconds since start, responses], ...]."""
        return {
            str(status): [[int(b) * BUCKET_MS, n] for b, n in sorted(counts.items())]
            for status, counts in sorted(self.buckets.items())
        }


def counts_per_step(timeline: Mapping[str, list[list[int]]]) -> dict[str, tuple[int, ...]]:
    """`AccessSummary.timeline()` as status -> the count in each step of BUCKET_MS from the start.

    Responses before the start count in the first step: the engine stamps a load's start a little after its first
    requests. Responses of more than a day later are left out: their time is wrong.
    """
    steps = (ms // BUCKET_MS for rows in timeline.values() for ms, _ in rows)
    last = max((max(step, 0) for step in steps if step < MOST_STEPS), default=-1)
    counts = {status: [0] * (last + 1) for status in timeline}
    for status, rows in timeline.items():
        for ms, n in rows:
            if ms // BUCKET_MS < MOST_STEPS:
                counts[status][max(ms // BUCKET_MS, 0)] += n
    return {status: tuple(row) for status, row in counts.items()}


def access_summary(lines: Iterable[bytes], start_ns: int, agent: bytes = b"-") -> AccessSummary:
    """Read a proxy's access log in the combined format with two more fields, as images/h2o and images/nginx write it.

    The two fields are a moment and how long the request took: when it came, or when its response ended (`FIELDS`). A
    response counts at the moment when it ended. Only lines with the user agent ``agent`` count: wrk sends none, which
    the log shows as "-". The lab's own requests have another one.
    """
    summary = AccessSummary(start_ns)
    ending = b'"' + agent
    for line in lines:
        parts = line.split(b'"')
        # An access line has six quotes: "request" status bytes "referer" "agent" clock.
        if len(parts) != 7 or not line[: line.rfind(b'"')].endswith(ending):
            summary.other_lines += 1
            continue
        try:
            moment, took = parts[6].split()
            _, ended = _moments(moment, took)
            status = int(parts[2][:4])
        except (ValueError, OverflowError):
            summary.other_lines += 1
            continue
        summary.add(ended, status)
    return summary


def request_ns(line: str) -> int | None:
    """When the request of an access line came, in nanoseconds since the epoch; None for any other line."""
    match = FIELDS.search(line)
    return _moments(match[1].encode(), match[2].encode())[0] if match else None


def _moments(moment: bytes, took: bytes) -> tuple[int, int]:
    """When a request came and its response ended, in ns since the epoch. Raises ValueError or OverflowError."""
    lasted = int(float(took) * 1e9)
    seconds, dot, fraction = moment.partition(b".")
    if dot:
        ended = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, b"0")[:9])
        return ended - lasted, ended
    came = int(moment) * 1000
    return came, came + lasted
