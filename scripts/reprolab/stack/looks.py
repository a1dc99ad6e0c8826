"""Inspects a running stack: its processes, and the output of its services."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from reprolab.core.waiting import wait_until
from reprolab.processes.inspector import Forensics, ProcessInspector, look
from reprolab.processes.snapshot import Snapshot
from reprolab.stack.containers import StackContainers


@dataclass
class StackLooks(StackContainers):
    """Inspects a stack."""

    _inspectors: dict[str, ProcessInspector] = field(default_factory=dict)

    def _inspector(self, role: str) -> ProcessInspector:
        if role not in self._inspectors:
            image, target = self.model["services"]["forensics"]["image"], self.container(role)
            self._inspectors[role] = ProcessInspector(self.client, image, target, self.owner, self._commands, role)
        return self._inspectors[role]

    @property
    def inspected(self) -> bool:
        """Whether the processes of a service were looked at."""
        return bool(self._inspectors)

    def processes(self, role: str = "app") -> Snapshot:
        """A snapshot of the processes of a service, without its health checks. Raises InvalidTrial."""
        inspector = self._inspector(role)
        snapshot = inspector.snapshot()[0]
        return snapshot if inspector.joined else snapshot.of_service()

    def forensics(self, role: str = "app", name: str = "forensics", title: str = "") -> Forensics:
        """A snapshot with Python stacks. It is kept as evidence below ``name``, with a summary under ``title``."""
        return look(self._inspector(role), self.evidence, name, title)

    def printed(self, role: str) -> list[str]:
        """The lines that a service has written to its standard streams so far."""
        return self.container(role).logs().decode("utf-8", "replace").splitlines()

    def wait_printed(self, pattern: str, times: int = 1, role: str = "app", limit: float = 60.0) -> list[str]:
        """Wait until a service has printed a pattern so many times; its lines. InvalidTrial after ``limit`` seconds."""
        lines: list[str] = []
        count = 0

        def enough() -> bool:
            nonlocal lines, count
            lines = self.printed(role)
            count = len(re.findall(pattern, "\n".join(lines)))
            if count < times:
                self._fail_if_exited(started=True)
            return count >= times

        def state() -> str:
            return f"{count} times; its last lines: {self._tail(role)}"

        wait_until(f"{role} has printed {pattern!r} {times} times", enough, limit, state=state)
        return lines
