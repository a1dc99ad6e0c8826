"""What the machine did between two readings, and whether other work disturbed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reprolab.machine.texts import Processors, load_average, processors, stalled_seconds

PRESSURES = ("cpu", "memory", "io")
ANOTHER_MACHINE = "what the engine's machine did, since it is another one"
NO_PRESSURE = "this kernel has no /proc/pressure"
# A trial is busy if other work and the hypervisor together took a larger share of the processors' time. See
# docs/verdicts.md for the measurements that this number comes from.
BUSY_SHARE = 0.05


@dataclass(frozen=True)
class Reading:
    """The machine at one moment. ``stalled`` is resource -> seconds; it is empty on a kernel without pressure files."""

    processors: Processors
    load: float
    stalled: Mapping[str, float] = field(default_factory=dict)


def read_machine(proc: Path = Path("/proc")) -> Reading:
    """Read the machine's counters. Raises OSError or ValueError if there are none."""
    stalled = {}
    for name in PRESSURES:
        try:
            stalled[name] = stalled_seconds((proc / "pressure" / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
    stat = (proc / "stat").read_text(encoding="ascii")
    load = (proc / "loadavg").read_text(encoding="ascii")
    return Reading(processors(stat), load_average(load), stalled)


def at_start(proc: Path = Path("/proc")) -> dict[str, Any]:
    """The machine before a run, for run.json: processors, load average, share of the last 10 s with some stall."""
    try:
        reading = read_machine(proc)
        pressure = {name: _average((proc / "pressure" / name).read_text(encoding="ascii")) for name in reading.stalled}
    except (OSError, ValueError) as error:
        return {"missing": f"the machine's counters cannot be read: {error}"}
    known = {"processors": reading.processors.number, "load": reading.load, "pressure": pressure}
    return known if pressure else known | {"missing": NO_PRESSURE}


def _average(pressure: str) -> float:
    """The share of the last 10 s in which some task waited."""
    return round(float(pressure.partition("avg10=")[2].split()[0]) / 100, 4)


def summary(before: Reading, after: Reading, seconds: float, others: float | None) -> dict[str, Any]:
    """What the machine did in ``seconds`` seconds between two readings.

    ``others`` is the CPU time of other programs in that time; None if it is unknown. All shares are of the time of all
    processors:

    - ``work``: all programs, with the kernel's work for them
    - ``others``: the part of ``work`` that is neither the lab nor its containers nor the engine; missing if unknown
    - ``interrupts``: the handlers of interrupts
    - ``stolen``: taken by the hypervisor
    - ``pressure``: resource -> share of the time in which at least one task waited for it
    - ``load``: load average of the last minute, at the end
    """
    then, now = before.processors, after.processors
    total = now.total - then.total
    if total <= 0:
        return {"seconds": round(seconds, 1), "missing": "the machine's counters did not advance"}

    def share(part: float) -> float:
        return round(min(max(part / total, 0.0), 1.0), 4)

    machine: dict[str, Any] = {
        "seconds": round(seconds, 1),
        "processors": now.number,
        "load": after.load,
        "work": share(now.work - then.work),
        "interrupts": share(now.interrupts - then.interrupts),
        "stolen": share(now.stolen - then.stolen),
        "pressure": {
            name: round(min(max((stalled - before.stalled[name]) / seconds, 0.0), 1.0), 4)
            for name, stalled in after.stalled.items()
            if name in before.stalled and seconds > 0
        },
    }
    if others is not None:
        machine["others"] = share(others)
    return machine


def busy_reason(machine: Mapping[str, Any] | None) -> str:
    """Which other work disturbed a trial, for example "other work used 0.9 of 2 processors (45 %)"; "" if none did."""
    if not machine or "processors" not in machine:
        return ""
    others, stolen, number = machine.get("others", 0.0), machine["stolen"], machine["processors"]
    if others + stolen <= BUSY_SHARE:
        return ""
    parts = [
        f"{who} {used * number:.1f} of {number} processors ({used:.0%})".replace("%", " %")
        for who, used in (("other work used", others), ("the hypervisor took", stolen))
        if used >= 0.005
    ]
    return " and ".join(parts)
