"""The options of wrk, its command line, and a function that runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from wrk_wrapper import parser
from wrk_wrapper.errors import WrkFailed, describe
from wrk_wrapper.model import WrkResult

SCRIPT = "report.lua"
# The kernel takes 128 KiB in one word of a command line, and about 2 MiB in all. A byte of the body is two letters.
BODY_WORD, MOST_BODY = 1 << 15, 1 << 19
METHOD = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True)
class Wrk:
    """The options of a load test with wrk, checked when the object is made. Reusable and immutable.

    - ``threads``: threads of wrk. ``connections``: kept open in all; a multiple of the threads, since wrk
      opens as many in each thread.
    - ``duration``: seconds of load. ``timeout``: seconds after which a response is late (wrk still
      waits for it). Both are whole seconds, from 1.
    - ``headers``: sent with each request.
    - ``method``, ``body``: of each request; a body of up to 512 KiB, with its length as header.
    - ``reuse``: with False each request asks the server to close its connection, and the next one has a new one.
    - ``statuses``: count responses by HTTP status. wrk then calls Lua for every response, which costs
      throughput.
    - ``executable``: how to start wrk, for instance ``("docker", "exec", "NAME", "wrk")``.
    - ``script_dir``: the directory of report.lua *as wrk sees it*; None means this package's own. If wrk
      runs in a container, copy the script into it and name that directory.
    - ``grace``: seconds that ``run`` waits beyond ``duration + timeout`` before it ends wrk.

    Raises ValueError, which names the option, for values that wrk refuses or misreads.
    """

    threads: int = 2
    connections: int = 10
    duration: float = 10.0
    timeout: float = 2
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes = b""
    reuse: bool = True
    statuses: bool = False
    executable: Sequence[str] = ("wrk",)
    script_dir: str | Path | None = None
    grace: float = 10.0

    def __post_init__(self) -> None:
        _check_counts(self.threads, self.connections)
        _check_seconds("duration", self.duration)
        _check_seconds("timeout", self.timeout)
        _check_headers(self.headers)
        _check_request(self.method, self.body)
        if not self.reuse and "connection" in map(str.lower, self.headers):
            raise ValueError("reuse: without it the header Connection is wrk's own")
        if isinstance(self.executable, str) or not self.executable:
            raise ValueError(f"executable: a sequence of words is needed, got {self.executable!r}")
        if self.grace < 0:
            raise ValueError(f"grace: seconds from 0 are needed, got {self.grace!r}")
        object.__setattr__(self, "headers", dict(self.headers))  # a copy: the caller may change the original
        object.__setattr__(self, "executable", tuple(self.executable))

    @property
    def limit(self) -> float:
        """Seconds after which ``run`` ends a wrk that has not ended by itself."""
        return self.duration + self.timeout + self.grace

    def command(self, url: str) -> tuple[str, ...]:
        """Return the command line that loads ``url``, program first. Starts nothing."""
        options = [f"-t{self.threads}", f"-c{self.connections}", f"-d{self.duration:.0f}s"]
        options += ["--timeout", f"{self.timeout:.0f}s", "-s", self._script()]
        for name, value in {**self.headers, **({} if self.reuse else {"Connection": "close"})}.items():
            options += ["-H", f"{_spelled(name)}: {value}"]
        return (*self.executable, *options, "--", url, *self._words())

    def parse(self, stdout: str, stderr: str, exit_code: int, url: str) -> WrkResult:
        """Read the output of a run of ``command(url)``; ``exit_code`` is the negative number of a signal that ended it.

        Raises TargetDown if nothing listened at the start, NoRequests if the run completed no request,
        WrkFailed for anything else: see the classes. A server that died during the run is no error.
        """
        return parser.parse(
            stdout,
            stderr,
            exit_code,
            url=url,
            threads=self.threads,
            connections=self.connections,
            duration=self.duration,
            command=self.command(url),
        )

    def run(self, url: str) -> WrkResult:
        """Load ``url`` for ``duration`` seconds and return the numbers; blocks at most ``limit`` seconds.

        wrk gets its own process group, so that Ctrl-C reaches only Python, which then kills wrk. On SIGINT
        wrk itself would stop early and report success. Raises as ``parse`` does, and WrkFailed if wrk cannot
        be started or does not end (it waits for ever to connect if the target's queue is full).
        """
        command = self.command(url)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise WrkFailed(describe(f"wrk cannot be started: {error}", command, None, "")) from error
        stdout, stderr = self._output(process, command)
        return self.parse(stdout, stderr, process.returncode, url)

    def _words(self) -> list[str]:
        """What report.lua is told."""
        words = ["statuses"] if self.statuses else []
        words += [f"method={self.method}"] if self.method != "GET" else []
        parts = (self.body[start : start + BODY_WORD] for start in range(0, len(self.body), BODY_WORD))
        return words + [f"body={part.hex()}" for part in parts]

    def _script(self) -> str:
        if self.script_dir is None:
            return str(Path(__file__).with_name(SCRIPT))
        return str(PurePosixPath(self.script_dir) / SCRIPT)

    def _output(self, process: subprocess.Popen[str], command: Sequence[str]) -> tuple[str, str]:
        """Wait for wrk up to the limit; end its process group if it overruns, or on any interruption."""
        try:
            return process.communicate(timeout=self.limit)
        except subprocess.TimeoutExpired as error:
            output = "\n".join(_kill(process))
            reason = f"wrk did not end within {self.limit:g} s and was killed"
            raise WrkFailed(describe(reason, command, process.returncode, output)) from error
        except BaseException:
            _kill(process)
            raise


def _kill(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Kill a program and what it started in its process group, and return what it had printed."""
    if process.returncode is None:  # not reaped yet, so the group's id cannot be anyone else's
        os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()


def _check_counts(threads: int, connections: int) -> None:
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"threads: a whole number from 1 is needed, got {threads!r}")
    if not isinstance(connections, int) or connections < threads:
        raise ValueError(f"connections: at least one per thread ({threads}) is needed, got {connections!r}")
    if rest := connections % threads:
        opened = connections - rest
        raise ValueError(
            f"connections: wrk would open {opened} of {connections}, {opened // threads} in each of {threads} threads; "
            f"choose {opened} or {opened + threads}"
        )


def _check_seconds(option: str, value: float) -> None:
    if value < 1 or not float(value).is_integer():
        raise ValueError(f"{option}: wrk takes whole seconds from 1, got {value!r}")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not name or set(name) & set(": \t\r\n"):
            raise ValueError(f"headers: {name!r} is not the name of a header")
        if set(value) & set("\r\n\0"):
            raise ValueError(f"headers: the value of {name!r} must be one line, got {value!r}")


def _check_request(method: str, body: bytes) -> None:
    if not METHOD.fullmatch(method):
        raise ValueError(f"method: letters such as POST are needed, got {method!r}")
    if method.upper() == "HEAD":
        raise ValueError("method: wrk would wait for the bodies of the responses to HEAD")
    if not isinstance(body, bytes):
        raise ValueError(f"body: bytes are needed, got {body!r}")
    if len(body) > MOST_BODY:
        raise ValueError(f"body: at most {MOST_BODY} bytes are possible, got {len(body)}")


def _spelled(name: str) -> str:
    """Spell Host as wrk does; with another spelling wrk would send a second Host header."""
    return "Host" if name.lower() == "host" else name
