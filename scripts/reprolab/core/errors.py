"""The errors of the lab, each with its exit status."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses of the command line."""

    AS_RECORDED = 0
    DRIFT = 1
    USAGE = 2
    INCONCLUSIVE = 3
    LAB_FAILED = 4
    INTERRUPTED = 130
    # What a shell shows for a program that SIGPIPE ended.
    BROKEN_PIPE = 141

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ")


class LabError(Exception):
    """The lab itself failed: engine, build or disk.

    The message says what failed, ``expected`` what should be true, ``advice`` what the user can do.
    """

    exit_status = Exit.LAB_FAILED

    def __init__(self, message: str, *, expected: str = "", advice: str = "") -> None:
        super().__init__(message)
        self.expected = expected
        self.advice = advice

    def __str__(self) -> str:
        parts = [super().__str__()]
        if self.expected:
            parts.append(f"  expected: {self.expected}")
        if self.advice:
            parts.append(f"  to do:    {self.advice}")
        return "\n".join(parts)


class UsageError(LabError):
    """The command line or a scenario's own files are wrong."""

    exit_status = Exit.USAGE


class EngineError(LabError):
    """No usable Docker Engine, Compose or buildx."""


class BaseImageError(LabError):
    """Neither the registry nor this host can provide a base image."""


class BuildError(LabError):
    """An image of a scenario did not build; the message has the log lines that give the reason."""


class EvidenceError(LabError):
    """Evidence could not be written (disk full, no permission) or read."""


class BundleError(LabError):
    """A bundle is missing, damaged, or made for another kind of machine."""


class InvalidTrial(Exception):
    """A trial does not count for any claim; the reason goes into the evidence."""
