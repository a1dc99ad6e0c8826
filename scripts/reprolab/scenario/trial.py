"""The record of one trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The key of ``machine`` that names the host.
HOST = "host"


@dataclass(frozen=True)
class TrialRecord:
    """One line of trials.jsonl: the observation of one trial, or the reason why the trial is invalid.

    ``invalid`` is that reason, "" for a valid trial. ``seconds`` is stage -> duration. ``machine`` is what the machine
    did during the trial, and names the host if the run has several. ``busy`` says which other work used the processors
    then, "" if there was none.
    """

    experiment: str
    variant: str
    trial: int
    factors: Mapping[str, str]
    observation: Mapping[str, Any]
    invalid: str = ""
    seconds: Mapping[str, float] | None = None
    machine: Mapping[str, Any] | None = None
    busy: str = ""

    @property
    def valid(self) -> bool:
        """Whether the trial counts for claims."""
        return not self.invalid

    @property
    def host(self) -> str:
        """The name of the host that it ran on; "" for that of the run."""
        return str((self.machine or {}).get(HOST, ""))

    @property
    def unwatched(self) -> bool:
        """Whether the machine was looked at, and what other programs used of it could not be measured.

        So it is where the engine's containers are no processes of the machine on which the lab runs.
        """
        return bool(set(self.machine or {}) - {HOST}) and "others" not in (self.machine or {})
