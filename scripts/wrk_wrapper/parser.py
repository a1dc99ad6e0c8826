"""Reads the output of wrk: returns its numbers, or raises the error that says why there are none."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from wrk_wrapper.errors import NoRequests, TargetDown, WrkFailed, describe
from wrk_wrapper.model import MICROSECONDS, ErrorCounts, Latency, WrkResult, counts_by_status

PREFIX = "wrk_wrapper-json: "
# The shortest run that counts as complete, as a part of the requested duration.
SHORTEST = 0.9
_DOWN = re.compile(r"^unable to connect to .*", re.MULTILINE)


def parse(
    stdout: str,
    stderr: str,
    exit_code: int,
    *,
    url: str,
    threads: int,
    connections: int,
    duration: float,
    command: Sequence[str],
) -> WrkResult:
    """Read the output of one run that was asked to last ``duration`` seconds.

    Raises TargetDown, WrkFailed or NoRequests; ``command`` is shown in their messages.
    """

    def failed(reason: str) -> WrkFailed:
        return WrkFailed(describe(reason, command, exit_code, f"{stdout}\n{stderr}"))

    if exit_code != 0:
        down = _DOWN.search(stderr) or _DOWN.search(stdout)
        if down and exit_code == 1:
            raise TargetDown(describe(down[0].strip(), command, exit_code, ""))
        raise failed("wrk failed")
    text, reports = _split(stdout)
    if len(reports) != 1:
        raise failed(f"wrk printed {len(reports)} lines of numbers instead of 1; did it find report.lua?")
    try:
        result = _result(json.loads(reports[0]), url, threads, connections, text)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise failed(f"wrk's line of numbers cannot be read ({error!r})") from error
    if result.duration_us < duration * MICROSECONDS * SHORTEST:
        raise failed(f"wrk was cut short after {result.duration_us} of {duration * MICROSECONDS:.0f} us")
    if result.requests == 0:
        raise NoRequests(describe("wrk completed no request", command, exit_code, text), result)
    return result


def _split(stdout: str) -> tuple[str, list[str]]:
    """Separate wrk's text from the lines of JSON. A run without errors has one."""
    lines = stdout.splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith(PREFIX))
    return text, [line.removeprefix(PREFIX) for line in lines if line.startswith(PREFIX)]


def _result(numbers: dict[str, Any], url: str, threads: int, connections: int, text: str) -> WrkResult:
    return WrkResult(
        url=url,
        threads=threads,
        connections=connections,
        duration_us=int(numbers["duration_us"]),
        requests=int(numbers["requests"]),
        bytes=int(numbers["bytes"]),
        errors=ErrorCounts(**{name: int(count) for name, count in numbers["errors"].items()}),
        latency=Latency(**{name: int(us) for name, us in (numbers["latency"] or {}).items() if us is not None}),
        statuses=counts_by_status(numbers["statuses"]),
        text=text,
    )
