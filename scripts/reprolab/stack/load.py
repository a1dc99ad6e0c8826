"""Puts load on a running stack with wrk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests
from docker.models.containers import Container
from wrk_wrapper import Wrk, WrkError, WrkResult

from reprolab.core.errors import InvalidTrial
from reprolab.core.waiting import patient
from reprolab.engine.failures import raise_if_engine_gone
from reprolab.engine.helpers import SMALL_LOG
from reprolab.logs import timestamps
from reprolab.scenario.load_settings import LOAD_SETTINGS, wrk_options
from reprolab.stack.containers import remove_container, start_beside
from reprolab.stack.http import StackRequests
from reprolab.stack.network import StackNetwork, in_url

SCRIPT_DIRECTORY = "/usr/share/wrk_wrapper"
FIGURES = "wrk.json"
GRACE = 30.0  # seconds beyond those of the load, for the start and the end of its container


@dataclass(frozen=True)
class Load:
    """One wrk run, with its start and end by the engine's clock (nanoseconds since the epoch)."""

    result: WrkResult
    started_ns: int
    finished_ns: int

    def to_json(self) -> dict[str, Any]:
        """The content of wrk.json."""
        return {"started_ns": self.started_ns, "finished_ns": self.finished_ns, **self.result.to_json()}

    def summary(self) -> dict[str, Any]:
        """The values for an observation: all but the text that wrk printed, which is in the trial's wrk.txt."""
        return {name: value for name, value in self.to_json().items() if name != "text"}


class StackLoad(StackRequests, StackNetwork):
    """Puts load on a stack."""

    def wrk(self, path: str = "/", *, host: str = "127.0.0.1", port: int = 0, role: str = "", **options: Any) -> Load:
        """Put load on a service with wrk, which runs in the service's network namespace, so that no bridge is measured.

        ``host`` and ``port`` are in this namespace; "::1" needs IPv6 there, and the default is the first port that the
        service publishes. ``options`` are for wrk_wrapper.Wrk (threads, connections, duration in s, method, body, reuse
        ...). Load settings of the trial, such as LOAD_CONNECTIONS, replace them. Raises InvalidTrial if the load did
        not run: the target was down at the start, no request was made, wrk failed, or the namespace has no IPv6.
        """
        tool = Wrk(script_dir=SCRIPT_DIRECTORY, **(options | wrk_options(self.factors)))
        self.require_host(role or self.front, host)
        url = f"http://{in_url(host)}:{port or self.port(role)}{path}"
        container = self._start_wrk(tool.command(url), role)
        try:
            code = container.wait(timeout=tool.duration + tool.timeout + patient(GRACE))["StatusCode"]
            out = container.logs(stdout=True, stderr=False).decode("utf-8", "replace")
            err = container.logs(stdout=False, stderr=True).decode("utf-8", "replace")
            container.reload()
            state = container.attrs["State"]
        except requests.RequestException as error:
            raise_if_engine_gone(self.client)
            raise InvalidTrial(f"wrk did not end within its limit: {error}") from error
        finally:
            remove_container(container)
        self.evidence.write_text("wrk.txt", f"$ {' '.join(tool.command(url))}\n{out}{err}")
        try:
            result = tool.parse(out, err, code, url)
        except WrkError as error:
            raise InvalidTrial(f"the load did not run: {error}") from error
        load = Load(result, timestamps.moment_ns(state["StartedAt"]), timestamps.moment_ns(state["FinishedAt"]))
        self.evidence.write(FIGURES, load.to_json())
        return load

    def check_load_settings(self) -> None:
        """Raise InvalidTrial if the trial has load settings and its experiment started no wrk.

        What was set had no effect then, and the trial is that of another load than its record says.
        """
        names = [name for name in LOAD_SETTINGS if name in self.factors]
        if names and not (self.evidence.path / FIGURES).exists():
            raise InvalidTrial(f"{' '.join(names)}: this experiment puts no load on its stack with wrk")

    def _start_wrk(self, command: Sequence[str], role: str) -> Container:
        service = self.model["services"].get("wrk")
        if service is None:
            raise InvalidTrial(
                "wrk is not part of this stack: an experiment that puts load on its stack must not be PARALLEL"
            )
        role = role or self.front
        return start_beside(
            self.client,
            service["image"],
            self.container(role),
            self.owner,
            "wrk's container did not start",
            role,
            entrypoint=[command[0]],
            command=list(command[1:]),
            log_config=SMALL_LOG,
            pids_limit=256,
            mem_limit="512m",
        )
