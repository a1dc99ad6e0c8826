"""reprolab: published claims about Python application servers, put to the test on real stacks.

What an experiment file needs is here: ``from reprolab import Claim, Column, Event, InvalidTrial, logs``.
"""

from reprolab import logs
from reprolab.errors import InvalidTrial
from reprolab.report.events import Event
from reprolab.scenario import Claim, Column

__all__ = ["Claim", "Column", "Event", "InvalidTrial", "logs"]
