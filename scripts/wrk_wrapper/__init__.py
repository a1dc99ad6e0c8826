"""wrk from Python: the exact numbers of a load test, and a class of error for each kind of failure.

    from wrk_wrapper import Wrk

    result = Wrk(threads=2, connections=10, duration=3).run("http://127.0.0.1:8080/")
    print(result.requests_per_second, result.errors.timeout, result.latency.p99)

The numbers come from a small Lua script that wrk runs at the end of the load, not from the table that wrk prints.
"""

from wrk_wrapper.errors import NoRequests, TargetDown, WrkError, WrkFailed
from wrk_wrapper.model import ErrorCounts, Latency, WrkResult
from wrk_wrapper.wrk import Wrk

__all__ = [
    "ErrorCounts",
    "Latency",
    "NoRequests",
    "TargetDown",
    "Wrk",
    "WrkError",
    "WrkFailed",
    "WrkResult",
]
