"""Fast tests first, then those that run real programs, then those on real containers."""

import os

import pytest

# Whoever runs the tests by make does not run the lab by make: hints stand in the command line's words.
os.environ.pop("MAKELEVEL", None)

REAL_PROGRAM_FIXTURES = {"server", "deaf_port"}
SLOW_FILES = {"test_bootstrap.py"}


def _rank(item: pytest.Item) -> int:
    if item.get_closest_marker("docker"):
        return 2
    return 1 if item.get_closest_marker("slow") else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes seconds, and order: a mistake shows before the first container starts."""
    for item in items:
        if item.path.name in SLOW_FILES or REAL_PROGRAM_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    items.sort(key=_rank)
