"""The numbers of one run of wrk, and their JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class ErrorCounts:
    """wrk's five error counters: the number of events in all threads together.

    Source: ``summary.errors`` in wrk's Lua ``done()``. As measured on wrk 4.1.0:

    - ``connect``: sockets that could not be opened on wrk's side (no file descriptor left), one per
      connection. Refused connections are *not* counted here.
    - ``read``: connections reset, or closed before or inside a response, and bytes that are not HTTP.
      A response whose body ends by closing the connection counts as a request and as a read error.
    - ``write``: attempts on a refused connection. wrk tries again at once, so a dead server gives
      thousands per second. This is not a number of requests or clients.
    - ``timeout``: responses that came later than the time limit. They also count as requests but
      have no latency. A response that never came is counted nowhere.
    - ``status_above_399``: responses with a status above 399, printed as "Non-2xx or 3xx responses".
      They also count as requests.
    """

    connect: int
    read: int
    write: int
    timeout: int
    status_above_399: int


@dataclass(frozen=True)
class Latency:
    """Time from sending a request to the end of its response, in whole microseconds (rounded).

    Source: the ``latency`` statistics in wrk's Lua ``done()``, percentiles included; ``p99_9`` is the
    99.9th. Responses after the time limit are left out. Every field is None when there was no
    sample (no request, or all of them timed out). wrk *corrects* these numbers: after a slow
    response it adds samples for the requests that it would have sent in the meantime, so that a
    stall of one second has the weight of one second in the percentiles.
    """

    min: int | None = None
    max: int | None = None
    mean: int | None = None
    stdev: int | None = None
    p50: int | None = None
    p75: int | None = None
    p90: int | None = None
    p99: int | None = None
    p99_9: int | None = None


@dataclass(frozen=True)
class WrkResult:
    """What one run of wrk measured; immutable.

    - ``url``: the address that was loaded.
    - ``threads``, ``connections``: as asked for. wrk opens ``connections // threads`` in each thread.
    - ``duration_us``: microseconds from start to the last thread's end; up to 0.1 s over the asked time.
    - ``requests``: complete responses, with any status.
    - ``bytes``: bytes read, headers included, unfinished responses too.
    - ``errors``, ``latency``: see their classes.
    - ``statuses``: responses by HTTP status; None unless asked for. Responses without any header
      are not counted.
    - ``text``: what wrk printed, without the line of JSON that the numbers come from.
    """

    url: str
    threads: int
    connections: int
    duration_us: int
    requests: int
    bytes: int
    errors: ErrorCounts
    latency: Latency
    statuses: dict[int, int] | None
    text: str

    @property
    def requests_per_second(self) -> float:
        """Complete responses per second of ``duration_us``, with any status: a high rate is no proof of health."""
        return self.requests * MICROSECONDS / self.duration_us

    def to_json(self) -> dict[str, Any]:
        """Return all fields as plain data for ``json.dumps``; statuses become strings, as JSON's keys are."""
        data = asdict(self)
        if self.statuses is not None:
            data["statuses"] = {str(status): count for status, count in sorted(self.statuses.items())}
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> WrkResult:
        """Return the result that ``to_json`` wrote, equal to the original.

        Raises KeyError where a field is absent, TypeError where one is unknown or not a table.
        """
        return cls(
            **{
                **data,
                "errors": ErrorCounts(**data["errors"]),
                "latency": Latency(**data["latency"]),
                "statuses": counts_by_status(data["statuses"]),
            }
        )

    def summary(self) -> dict[str, Any]:
        """Return the numbers for a table: counts, requests per second, latency in microseconds."""
        return {
            "requests": self.requests,
            "requests_per_second": round(self.requests_per_second, 1),
            "errors": asdict(self.errors),
            "latency_us": {"p50": self.latency.p50, "p99": self.latency.p99},
        }


def counts_by_status(counts: Mapping[str, int] | None) -> dict[int, int] | None:
    """Turn JSON's string keys back into HTTP statuses; None (not asked for) stays None."""
    return None if counts is None else {int(status): int(count) for status, count in counts.items()}
