"""reprolab: published claims about Python application servers, put to the test on real stacks.

What an experiment file needs is here: ``from reprolab import Claim, Column, Curve, Event, InvalidTrial, Variant,
logs``, and ``wait_until``. A `signature.py` needs ``Condition, Known, LogLine, Need, Signature, Step``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reprolab import logs
    from reprolab.core.errors import InvalidTrial
    from reprolab.core.waiting import wait_until
    from reprolab.scenario.event import Event
    from reprolab.scenario.model import Claim, Column, Curve
    from reprolab.scenario.signature import Condition, Known, LogLine, Need, Signature, Step
    from reprolab.scenario.variant import Variant

__all__ = [
    "Claim",
    "Column",
    "Condition",
    "Curve",
    "Event",
    "InvalidTrial",
    "Known",
    "LogLine",
    "Need",
    "Signature",
    "Step",
    "Variant",
    "logs",
    "wait_until",
]

# pytest imports this package in every session, for the plugin. So nothing is imported before it is used.
_MODULES = {
    "Claim": "scenario.model",
    "Column": "scenario.model",
    "Condition": "scenario.signature",
    "Curve": "scenario.model",
    "Event": "scenario.event",
    "InvalidTrial": "core.errors",
    "Known": "scenario.signature",
    "LogLine": "scenario.signature",
    "Need": "scenario.signature",
    "Signature": "scenario.signature",
    "Step": "scenario.signature",
    "Variant": "scenario.variant",
    "wait_until": "core.waiting",
}


def __getattr__(name: str) -> Any:
    if name == "logs":
        return import_module("reprolab.logs")
    if name not in _MODULES:
        raise AttributeError(f"module 'reprolab' has no attribute {name!r}")
    return getattr(import_module(f"reprolab.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
