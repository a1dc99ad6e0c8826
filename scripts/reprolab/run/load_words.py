"""What a load on a stack by hand came to, in words."""

from __future__ import annotations

from collections.abc import Iterator

from wrk_wrapper import WrkResult

from reprolab.core.errors import InvalidTrial
from reprolab.stack.stack import Stack

SOCKET = "unix:"
SERVER = "app"


def lines(result: WrkResult, stack: Stack) -> list[str]:
    """The answers by status, the latency, what failed, and what became of the server and of its Unix socket."""
    answers = _answers(result)
    state = "; ".join(_states(stack))
    rate = (
        f"{result.requests:,} answers in {result.duration_us / 1e6:.1f} s, {result.requests_per_second:,.0f} a second"
    )
    return [f"{answers}; {state}" if state else answers, f"  {rate}{_latency(result)}", *_failures(result)]


def _answers(result: WrkResult) -> str:
    """Each status with the number of its answers: "2,650 × 200, 21,489 × 502"."""
    counts = sorted((result.statuses or {}).items())
    shown = [f"{number:,} × {status}" for status, number in counts]
    if without := result.requests - sum(number for _, number in counts):
        shown.append(f"{without:,} without a header")
    return ", ".join(shown) or "no answer"


def _latency(result: WrkResult) -> str:
    p50, p99 = result.latency.p50, result.latency.p99
    return (
        ""
        if p50 is None or p99 is None
        else f"; half of them within {p50 / 1000:,.1f} ms, 99% within {p99 / 1000:,.1f} ms"
    )


def _failures(result: WrkResult) -> Iterator[str]:
    """What wrk counted beside the answers, where there was any."""
    errors = result.errors
    counted = {
        "attempts on a refused connection": errors.write,
        "connections closed before the end of an answer": errors.read,
        "answers after more than 2 s": errors.timeout,
        "connections that wrk could not open": errors.connect,
    }
    if shown := [f"{number:,} {what}" for what, number in counted.items() if number]:
        yield f"  also: {', '.join(shown)}"


def _states(stack: Stack) -> Iterator[str]:
    """Whether the server still runs, and whether the file of its Unix socket is there."""
    if SERVER not in stack.roles:
        return
    try:
        if not stack.running(SERVER):
            yield "the server has ended"
            return
        environment = stack.model["services"][stack.roles[SERVER]].get("environment") or {}
        for value in dict.fromkeys(map(str, environment.values())):
            if value.startswith(f"{SOCKET}/"):
                there = stack.exists(SERVER, value.removeprefix(SOCKET))
                yield "the socket is there" if there else f"the socket {value.removeprefix(SOCKET)} is gone"
    except InvalidTrial as error:
        yield str(error)
