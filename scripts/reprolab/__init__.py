"""reprolab: published claims about Python application servers, put to the test on real stacks.

What an experiment file needs is here: ``from reprolab import Claim, Column, Event, InvalidTrial, Variant, logs``, and
``wait_until``. A `signature.py` needs ``Condition, Known, LogLine, Need, Signature, Step``.
"""

from reprolab import logs
from reprolab.core.errors import InvalidTrial
from reprolab.core.waiting import wait_until
from reprolab.scenario.event import Event
from reprolab.scenario.model import Claim, Column
from reprolab.scenario.signature import Condition, Known, LogLine, Need, Signature, Step
from reprolab.scenario.variant import Variant

__all__ = [
    "Claim",
    "Column",
    "Condition",
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
