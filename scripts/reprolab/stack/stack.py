"""A running stack: one Compose project with a network, and the operations on it for experiments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reprolab.core import interrupts
from reprolab.core.command_text import command
from reprolab.core.errors import EngineError
from reprolab.core.files import write_json
from reprolab.engine import elsewhere
from reprolab.engine.failures import engine_errors, raise_if_engine_gone
from reprolab.engine.leftovers import remove_project
from reprolab.stack.connections import StackConnections
from reprolab.stack.containers import remove_container
from reprolab.stack.hidden import hide
from reprolab.stack.load import StackLoad
from reprolab.stack.mounted_files import bring, bring_beside
from reprolab.stack.sampling import StackSampling
from reprolab.stack.starts import StackStarts

HOLD = 10.0  # seconds


@dataclass
class Stack(StackStarts, StackSampling, StackLoad, StackConnections):
    """The containers of one trial. Experiments get this object.

    Here it comes up and ends. The base classes send requests, put load on it, inspect it, stop and start its services,
    and save its evidence.
    """

    on_hold: Callable[[str, float, float], None] | None = None
    """In a demonstration: shows a text with the time since a moment of the monotonic clock, for some seconds."""

    def hold(self, text: str, begun: float, seconds: float = HOLD) -> None:
        """In a demonstration, show ``text`` with the time since ``begun`` (time.monotonic()), for some seconds.

        In any other run this does nothing. A drive calls it where it would else go on before an audience has seen it.
        """
        if self.on_hold is not None:
            self.on_hold(text, begun, seconds)

    def up(self) -> None:
        """Start all services and wait until the stack answers. Raises InvalidTrial if it does not.

        If the start of a service may fail, this does not wait: `start` does.
        """
        interrupts.stands(self._title)
        self._bring_files()
        shown, secrets = hide(self.model)
        write_json(self.file, shown)
        self._compose("up", "--detach", "--no-build", *self.roles.values(), variables=secrets)
        if not self.may_fail:
            self.wait_ready()

    def _bring_files(self) -> None:
        """Another machine has none of this machine's files. One that the lab has started is empty, others are not."""
        if elsewhere.kernel():
            bring(self.client, self.model, self.owner)
        elif self.is_elsewhere:
            self.model = bring_beside(self.client, self.model, self.owner)

    def down(self) -> None:
        """Remove the project's containers, network and volumes; they may be removed already.

        A signal waits for the end of it. Raises EngineError with the names of what the engine did not remove.
        """
        with interrupts.deferred():
            raise_if_engine_gone(self.client)
            with engine_errors(f"the stack {self.project} was removed"):
                try:
                    self.remove_inspectors()
                finally:
                    left = remove_project(self.client, self.project)
            if left:
                raise EngineError(
                    f"left on the engine: {'; '.join(left)}",
                    expected="an engine that removes all objects of a stack",
                    advice=f"`{command('clean', 'clean')}` and the next run try again",
                )
            interrupts.is_gone(self._title)

    @property
    def _title(self) -> str:
        return f"stack {self.project}"

    def stays(self) -> None:
        """The stack may stay up when this process ends."""
        interrupts.is_gone(self._title)

    def remove_inspectors(self) -> None:
        """End all running commands in containers, and remove the containers of clients and of looks at processes."""
        self._commands.break_off()
        self.remove_clients()
        self.remove_placeholders()
        self.remove_network_helpers()
        # After a failure the look at the processes may still go on, in a thread.
        for inspector in list(self._inspectors.values()):
            if inspector.container is not None:
                remove_container(inspector.container)

    def remove_containers(self) -> None:
        """Remove all containers at once. A thread that uses them gets an error and ends."""
        self.remove_inspectors()
        label = f"com.docker.compose.project={self.project}"
        # Another thread may have removed a container meanwhile.
        for container in self.client.containers.list(all=True, ignore_removed=True, filters={"label": label}):
            # The evidence is saved. A graceful stop of an old server can take half a minute.
            remove_container(container)
