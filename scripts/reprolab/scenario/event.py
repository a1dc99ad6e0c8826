"""One event on a trial's timeline."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("started", "ending", "restarted", "killed", "gone", "present", "traceback", "note")


@dataclass(frozen=True)
class Event:
    """One moment of a trial.

    ``at_ms`` is the time in milliseconds since the timeline's zero (negative before it), ``kind`` is one of KINDS,
    ``text`` describes the event in a few words, ``source`` is the role or the file that reports it. An event that
    lasts has its end in ``until_ms``.
    """

    at_ms: float
    kind: str
    text: str
    source: str
    until_ms: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"the kind of an event is {self.kind!r}, not one of {', '.join(KINDS)}")

    @property
    def end_ms(self) -> float:
        """The end of the event; ``at_ms`` if it does not last."""
        return self.at_ms if self.until_ms is None else self.until_ms
