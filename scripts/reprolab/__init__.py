"""reprolab: published claims about Python application servers, put to the test on real stacks.

What an experiment file needs is here: ``from reprolab import Claim, Column, Event, InvalidTrial, Variant, logs``, and
``wait_until``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reprolab import logs
    from reprolab.core.errors import InvalidTrial
    from reprolab.core.waiting import wait_until
    from reprolab.scenario.event import Event
    from reprolab.scenario.model import Claim, Column
    from reprolab.scenario.variant import Variant

__all__ = ["Claim", "Column", "Event", "InvalidTrial", "Variant", "logs", "wait_until"]

# pytest imports this package in every session, for the plugin. So nothing is imported before it is used.
_MODULES = {
    "Claim": "scenario.model",
    "Column": "scenario.model",
    "Event": "scenario.event",
    "InvalidTrial": "core.errors",
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
