"""reprolab: published claims about Python application servers, put to the test on real stacks.

What an experiment file needs is here: ``from reprolab import Claim, Column, Event, InvalidTrial, Variant, logs``, and
``wait_until``.
"""

from reprolab import logs
from reprolab.core.errors import InvalidTrial
from reprolab.core.waiting import wait_until
from reprolab.scenario.event import Event
from reprolab.scenario.model import Claim, Column
from reprolab.scenario.variant import Variant

__all__ = ["Claim", "Column", "Event", "InvalidTrial", "Variant", "logs", "wait_until"]
