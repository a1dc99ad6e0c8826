"""idle-connections: its sign on what was recorded, its count of connections, its patches, and one pair of trials."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "idle-connections"
DIRECTORY = ROOT / "scenarios" / NAME


@pytest.fixture(scope="module")
def block() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["block"].drive.__module__]


# What was recorded of 20.1.0, 23.0.0 and 27.0.1 with as many silent connections as threads.
ENDS = {"before": "200", "last": "200", "opened": True, "idle": 4}
DOCUMENTED: dict[str, Any] = {**ENDS, "held": 5, "first": "timeout", "waited_s": 10.004}
GOOD: dict[str, Any] = {**ENDS, "held": 4, "first": "200", "waited_s": 0.018}
LIMITED: dict[str, Any] = {**ENDS, "held": 4, "first": "200", "waited_s": 4.9}


@pytest.mark.parametrize(
    ("observation", "shown"),
    [
        (DOCUMENTED, True),
        (GOOD, False),
        (LIMITED, False),
        # It is another fault if the answer never comes, or if the server ends the connection.
        ({**DOCUMENTED, "last": "timeout"}, False),
        ({**DOCUMENTED, "first": "reset"}, False),
    ],
)
def test_the_sign_is_an_answer_that_waits_for_the_end(block: ModuleType, observation: Any, shown: bool) -> None:
    """Not one that is late, and not one that never comes."""
    assert block.blocked(observation) is shown


@pytest.mark.parametrize("change", [{"before": "500"}, {"last": "timeout"}, {"opened": False}, {"held": 3}])
def test_a_trial_counts_if_the_connections_were_held(block: ModuleType, change: dict[str, Any]) -> None:
    """And if the server answered before and in the end."""
    assert block.held_and_asked(DOCUMENTED) and block.held_and_asked(GOOD)
    assert not block.held_and_asked({**DOCUMENTED, **change})


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:46A0 00000000:0000 0A 00000000:00000001 00:00000000 00000000  1000        0 91001 1
   1: 0100007F:46A0 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 91002 1
   2: 0100007F:46A0 0100007F:C002 01 00000000:00000000 00:00000000 00000000     0        0 0 1
   3: 0100007F:46A0 0100007F:C003 06 00000000:00000000 00:00000000 00000000     0        0 0 1
   4: 0100007F:C001 0100007F:46A0 01 00000000:00000000 00:00000000 00000000  1000        0 91003 1
   5: 020012AC:46A0 010012AC:C004 01 00000000:00000000 00:00000000 00000000  1000        0 91004 1
"""


def test_only_accepted_connections_of_the_client_count(block: ModuleType) -> None:
    """Not the listening socket, one in the queue, one that has ended, the client's side, or one from outside."""
    assert block.accepted(SimpleNamespace(execute=lambda *_: (0, TABLE))) == 1


def test_the_patches_fit_once_or_fail_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each changes what it names, and nothing where it does not fit."""
    package = tmp_path / "gunicorn" / "workers"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("")
    worker = package / "gthread.py"
    accept = (
        "def accept(self, client_sock, conn):\n    if True:\n        if True:\n"
        "            # Submit directly to thread pool for processing\n            self.enqueue_req(conn)\n"
    )
    limit = "DEFAULT_WORKER_DATA_TIMEOUT = 5.0\n"
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "gunicorn"]:
        monkeypatch.delitem(sys.modules, name)
    cases = [("none", accept, accept), ("poll-first", accept, "poller.register"), ("no-wait", limit, "TIMEOUT = 0.0")]
    for patch, before, after in cases:
        worker.write_text(before)
        monkeypatch.setattr(sys, "argv", ["patch.py", patch])
        runpy.run_path(str(DIRECTORY / "patch.py"))
        assert after in worker.read_text()
        compile(worker.read_text(), str(worker), "exec")
    for patch, before in [("poll-first", limit), ("no-wait", accept), ("other", limit)]:
        worker.write_text(before)
        monkeypatch.setattr(sys, "argv", ["patch.py", patch])
        with pytest.raises(SystemExit, match="does not fit"):
            runpy.run_path(str(DIRECTORY / "patch.py"))
        assert worker.read_text() == before
    for name in [name for name in sys.modules if name.split(".")[0] == "gunicorn"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of the first good release that is measured."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "gunicorn-21.2.0"), ["IC-2"])
    assert shown == {"IC-2": [1, 0]}
