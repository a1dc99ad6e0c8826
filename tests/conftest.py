"""Order of the tests: fast ones first, then those that run real programs, then those on real containers."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The tests may run by make, but they call the lab's command line: its hints must name commands, not make targets.
os.environ.pop("REPROLAB_BY_MAKE", None)
# What make and a CI service set for the lab is not meant for the runs of the tests.
for name in ("REPROLAB_STATUS_FILE", "GITHUB_STEP_SUMMARY"):
    os.environ.pop(name, None)
# The tests may be started under nohup or in the background, so that they ignore some of these, as all that they start.
HANDLERS = {
    signal.SIGINT: signal.default_int_handler,
    **dict.fromkeys((signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT), signal.SIG_DFL),
}


def _handle_as_at_first() -> None:
    for number, handler in HANDLERS.items():
        signal.signal(number, handler)


_handle_as_at_first()


@pytest.fixture(autouse=True)
def signals_as_at_first() -> Iterator[None]:
    """A command that a test or a fixture calls handles the signals from then on; no other test must see that."""
    _handle_as_at_first()
    yield
    _handle_as_at_first()


REAL_PROGRAM_FIXTURES = {"server", "deaf_port"}
SLOW_FILES = {"test_bootstrap.py"}


def _rank(item: pytest.Item) -> int:
    if item.get_closest_marker("docker"):
        return 2
    return 1 if item.get_closest_marker("slow") else 0


# On a busy machine one example may take a second; how long an example takes is no fact about the lab.
settings.register_profile("lab", deadline=None)
settings.load_profile("lab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests and sort all, so that an error shows before the first container starts."""
    for item in items:
        if item.path.name in SLOW_FILES or REAL_PROGRAM_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    items.sort(key=_rank)
