"""The site and a comparison in Chromium, without a network: complete, searchable, and nothing is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import ROOT, recorded_run
from chromium import WIDTHS, Chromium, browser
from reprolab.compare import comparison, html, select
from reprolab.publish import site as site_pages
from reprolab.scenario import loader

pytestmark = pytest.mark.docker

SIGHTS = [(WIDTHS[0], "dark"), (WIDTHS[1], "light")]
SEARCH = """(() => {
  const field = document.getElementById('search');
  field.value = %r;
  field.dispatchEvent(new Event('input'));
})()"""

STEPS = """(() => {
  const field = document.getElementById('search'), verdict = document.getElementById('verdict');
  const shown = selector => [...document.querySelectorAll(selector)].filter(element => element.checkVisibility());
  const count = () => document.getElementById('count').textContent;
  const steps = {};
  const set = (input, value) => {
    input.value = value;
    input.dispatchEvent(new Event(input === field ? 'input' : 'change'));
  };
  set(verdict, 'refuted');
  steps.refuted = [...new Set(shown('.claims .verdict').map(element => element.textContent))];
  set(verdict, '');
  set(field, 'qwertz');
  steps.nothing = [shown('.claims > li').length, shown('#hits a').length, count()];
  set(field, '');
  steps.all = [shown('.claims > li').length, count()];
  return steps;
})()"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """One browser for all tests of this file."""
    with browser() as container:
        yield container


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this checkout; no run has left a report."""
    patch = pytest.MonkeyPatch()
    patch.setenv("REPROLAB_RESULTS", str(tmp_path_factory.mktemp("results")))
    try:
        return site_pages.build(ROOT, tmp_path_factory.mktemp("pages") / "site", lambda text: None).parent
    finally:
        patch.undo()


@pytest.mark.parametrize(("width", "scheme"), SIGHTS)
def test_the_index_holds_all_claims(chromium: Chromium, site: Path, width: int, scheme: str) -> None:
    """At both widths: a card for each scenario, every claim, the search, no error and nothing cut off."""
    names = loader.names(ROOT)
    seen = chromium.look(
        site / "index.html", width, scheme=scheme, selectors=[".card h3", ".claims > li", "#search", "#verdict"]
    )
    assert seen.errors == []
    assert seen.overflow == []
    assert seen.texts[".card h3"] == names
    assert len(seen.texts[".claims > li"]) == sum(len(loader.load(ROOT, name).claims) for name in names)
    assert len(seen.texts["#search"]) == len(seen.texts["#verdict"]) == 1


def test_the_search_narrows(chromium: Chromium, site: Path) -> None:
    """Only claims with all the words are left, and the README sections with them are linked."""
    seen = chromium.look(
        site / "index.html",
        WIDTHS[0],
        script=SEARCH % "gthread Timeout",
        selectors=[".claims > li", "#count", "#hits a", "section.case", ".card"],
    )
    assert seen.errors == []
    assert seen.overflow == []
    assert 0 < len(seen.texts[".claims > li"]) < 20
    assert all("timeout" in text.lower() for text in seen.texts[".claims > li"])
    assert seen.texts["#count"][0].startswith(f"{len(seen.texts['.claims > li'])} of ")
    assert "pool-freeze: What gunicorn's timeout does then" in seen.texts["#hits a"]
    assert 0 < len(seen.texts["section.case"]) < len(loader.names(ROOT))
    assert seen.texts[".card"] == []


def test_the_search_by_verdict_and_for_nothing(chromium: Chromium, site: Path) -> None:
    """A verdict alone narrows too; an unknown word leaves nothing; without both, everything is shown again."""
    seen = chromium.look(site / "index.html", WIDTHS[1], script=STEPS)
    assert seen.errors == []
    everything = sum(len(loader.load(ROOT, name).claims) for name in loader.names(ROOT))
    assert seen.value["refuted"] == ["refuted"]
    assert seen.value["nothing"] == [0, 0, f"0 of {everything} claims, 0 sections of the stories"]
    assert seen.value["all"] == [everything, ""]


@pytest.mark.parametrize("name", loader.names(ROOT))
def test_every_story_is_readable(chromium: Chromium, site: Path, name: str) -> None:
    """On a phone, and for the widest table on a projector: everything unfolded, no error, nothing cut off."""
    for width in WIDTHS if name == "gunicorn-settings" else WIDTHS[:1]:
        seen = chromium.look(site / f"{name}.html", width, open_details=True, selectors=["h1", "h2", "nav a"])
        assert seen.errors == []
        assert seen.overflow == []
        assert len(seen.texts["h1"]) == 1
        assert len(seen.texts["h2"]) > 3
        assert len(seen.texts["nav a"]) == 1 + len(loader.names(ROOT))


@pytest.mark.parametrize(("width", "scheme"), SIGHTS)
def test_a_comparison_is_readable(chromium: Chromium, tmp_path: Path, width: int, scheme: str) -> None:
    """The most important line comes first; both sides are named; no error, nothing cut off."""
    run = recorded_run(tmp_path, "whole")
    left, right = select.find(ROOT, [str(run.path), "gunicorn-19.5.0"], [])
    result = comparison.compare(left, right, loader.load(ROOT, "socket-vanish"), (), (), lambda text: None)
    file = tmp_path / "compare.html"
    file.write_text(html.render(result), encoding="utf-8")
    seen = chromium.look(file, width, scheme=scheme, open_details=True, selectors=["h1", ".found .line", ".fold"])
    assert seen.errors == []
    assert seen.overflow == []
    assert seen.texts["h1"] == ["documented and gunicorn-19.5.0"]
    assert seen.texts[".found .line"][0].startswith("FileNotFoundError: [Errno 2]")
    assert seen.texts[".fold"]
