"""What pytest loads in every session: the options and the fixture. All else is imported when one of them is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from reprolab.pytest_plugin.stacks import StackFactory


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, all with the lab's name in front."""
    parser.addini(
        "reprolab_root", "the folder of the lab with scenarios/ and compose.yaml, from pytest's root directory"
    )
    group = parser.getgroup("reprolab", "claims about application servers as tests")
    group.addoption(
        "--reprolab",
        action="append",
        default=[],
        metavar="SCENARIO[/EXPERIMENT][::CLAIM]",
        help="run this case, and make a test of each claim (may be given several times)",
    )
    group.addoption(
        "--reprolab-run",
        action="append",
        default=[],
        metavar="RUN",
        help="judge this run instead, without Docker: a directory, SCENARIO/STAMP or SCENARIO (may be given several "
        "times)",
    )
    group.addoption("--reprolab-trials", type=int, metavar="N", help="number of trials of every variant")
    group.addoption(
        "--reprolab-set",
        action="append",
        default=[],
        metavar="FACTOR=VALUE",
        help="run one variant with these factors instead: no claim is judged, its sign is looked for",
    )
    group.addoption("--reprolab-budget", metavar="DURATION", help="begin no further round after this time: 90s, 5m, 1h")
    group.addoption("--reprolab-seed", type=int, metavar="N", help="repeat the order of the trials of a run")


def pytest_configure(config: pytest.Config) -> None:
    """Make tests of the claims where a case or a run is named."""
    if config.getoption("reprolab") or config.getoption("reprolab_run"):
        from reprolab.pytest_plugin.claims import ClaimTests

        config.pluginmanager.register(ClaimTests.of(config), "reprolab-claims")
    elif names := [
        name for name in ("trials", "set", "budget", "seed") if config.getoption(f"reprolab_{name}") not in (None, [])
    ]:
        raise pytest.UsageError(f"--reprolab-{names[0]} is about the case of --reprolab, and there is none")


@pytest.fixture
def reprolab_stack(request: pytest.FixtureRequest) -> Iterator[StackFactory]:
    """Starts stacks of scenarios: ``reprolab_stack("socket-vanish", GUNICORN="19.5.0")`` gives a running Stack.

    It is removed after the test. Where the test fails, its logs, its processes and the figures of the last load are
    in the test's report.
    """
    from reprolab.pytest_plugin.stacks import stacks_of

    with stacks_of(request) as start:
        yield start
