"""A release that a user sets as a factor and that does not exist: said before anything is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from cases import ROOT
from pypi_simple import DistributionPackage
from reprolab.core.errors import UsageError
from reprolab.pins import ask_pip, releases
from reprolab.scenario import loader


def page(*versions: str) -> ask_pip.IndexPage:
    """An index page with a source distribution of each version."""
    fields: dict[str, Any] = {"digests": {}, "requires_python": None, "has_sig": None, "url": "", "project": "gunicorn"}
    return ask_pip.IndexPage(
        [
            DistributionPackage(filename=f"gunicorn-{version}.tar.gz", version=version, package_type="sdist", **fields)
            for version in versions
        ]
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that the index was asked for; it has three releases."""
    names: list[str] = []

    def ask(wanted: Iterable[str], index: object) -> dict[str, ask_pip.IndexPage]:
        names.extend(wanted)
        return {name: page("19.9.0", "19.10.0", "20.0.0") for name in names}

    monkeypatch.setattr(ask_pip, "ask", ask)
    return names


def test_a_release_that_does_not_exist_names_the_nearest(asked: list[str]) -> None:
    """Of this Python's releases, those beside it and the newest."""
    scenario = loader.load(ROOT, "socket-vanish")
    with pytest.raises(UsageError) as raised:
        releases.check(ROOT, scenario, {"GUNICORN": "19.9.9"}, "up")
    assert "up: GUNICORN=19.9.9: no gunicorn 19.9.9 can be installed" in str(raised.value)
    assert "there is 19.9.0, 19.10.0, 20.0.0" in str(raised.value)


@pytest.mark.parametrize("value", ["latest", "20.x", "x"])
def test_a_word_that_is_no_release_asks_nobody(asked: list[str], value: str) -> None:
    """pip would print all its releases after the image had been built for a minute."""
    with pytest.raises(UsageError, match=f"run: GUNICORN={value} is no release of gunicorn"):
        releases.check(ROOT, loader.load(ROOT, "socket-vanish"), {"GUNICORN": value}, "run")
    assert asked == []


@pytest.mark.parametrize("settings", [{"GUNICORN": "19.5.0"}, {"WORKERS": "7"}, {}])
def test_the_index_is_asked_only_for_new_releases(asked: list[str], settings: dict[str, str]) -> None:
    """Not for a release of the scenario's own variants, nor for a factor that is no release."""
    releases.check(ROOT, loader.load(ROOT, "socket-vanish"), settings, "up")
    assert asked == []


def test_a_release_that_exists_is_fine(asked: list[str]) -> None:
    """It is built."""
    releases.check(ROOT, loader.load(ROOT, "socket-vanish"), {"GUNICORN": "19.10.0"}, "up")
    assert asked == ["gunicorn"]


def test_without_an_answer_the_build_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and an index that takes too long: the lab goes on."""
    scenario = loader.load(ROOT, "socket-vanish")
    failing = ask_pip.IndexPage(failure="the index did not answer: ConnectionError")
    monkeypatch.setattr(ask_pip, "ask", lambda names, index: dict.fromkeys(names, failing))
    releases.check(ROOT, scenario, {"GUNICORN": "99.9"}, "up")
    monkeypatch.setattr(releases, "LIMIT", 0.0)
    monkeypatch.setattr(ask_pip, "ask", lambda names, index: {})
    releases.check(ROOT, scenario, {"GUNICORN": "99.9"}, "up")
