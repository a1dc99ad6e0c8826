"""The site and a comparison in Chromium, without a network: complete, searchable, and nothing is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import ROOT, recorded_run
from chromium import LAPTOP, PHONE, PROJECTOR, SIGHTS, Chromium, browser
from reprolab.compare import comparison, html, select
from reprolab.evidence.lookup import LATEST
from reprolab.publish import site as site_pages
from reprolab.report.html import report
from reprolab.scenario import loader
from reprolab.verdict import record

pytestmark = pytest.mark.docker

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
    """The site of this checkout, with the report of a run of socket-vanish."""
    patch, results = pytest.MonkeyPatch(), tmp_path_factory.mktemp("results")
    patch.setenv("REPROLAB_RESULTS", str(results))
    run, scenario = recorded_run(results, "whole"), loader.load(ROOT, "socket-vanish")
    record.judge_run(scenario, run)
    report.write(scenario, run, record.read_record(scenario))
    (run.path.parent / LATEST).symlink_to(run.name)
    try:
        return site_pages.build(ROOT, tmp_path_factory.mktemp("pages") / "site", lambda text: None).parent
    finally:
        patch.undo()


@pytest.mark.parametrize(("width", "scheme"), SIGHTS)
def test_the_index_holds_all_claims(chromium: Chromium, site: Path, width: int, scheme: str) -> None:
    """At all widths: a card for each scenario, every claim, the search, no error and nothing cut off."""
    names = loader.names(ROOT)
    seen = chromium.look(
        site / "index.html",
        width,
        scheme=scheme,
        selectors=[".card h3", ".card .answer", ".thumbnail", ".claims > li", "#search", "#verdict"],
    )
    assert seen.errors == []
    assert seen.overflow == []
    assert seen.texts[".card h3"] == names
    assert len(seen.texts[".card .answer"]) == len(names)
    assert len(seen.texts[".thumbnail"]) == 1, "of the only scenario with a run"
    assert len(seen.texts[".claims > li"]) == sum(len(loader.load(ROOT, name).claims) for name in names)
    assert len(seen.texts["#search"]) == len(seen.texts["#verdict"]) == 1


def test_the_search_narrows(chromium: Chromium, site: Path) -> None:
    """Only claims with all the words are left, and the README sections with them are linked."""
    seen = chromium.look(
        site / "index.html",
        PHONE,
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
    seen = chromium.look(site / "index.html", LAPTOP, script=STEPS)
    assert seen.errors == []
    everything = sum(len(loader.load(ROOT, name).claims) for name in loader.names(ROOT))
    assert seen.value["refuted"] == ["refuted"]
    assert seen.value["nothing"] == [0, 0, f"0 of {everything} claims, 0 sections of the stories"]
    assert seen.value["all"] == [everything, ""]


@pytest.mark.parametrize("name", loader.names(ROOT))
def test_every_story_is_readable(chromium: Chromium, site: Path, name: str) -> None:
    """On a phone, and for the widest table on a projector: everything unfolded, no error, nothing cut off."""
    for width in (PHONE, LAPTOP, PROJECTOR) if name == "gunicorn-settings" else (PHONE,):
        seen = chromium.look(site / f"{name}.html", width, open_details=True, selectors=["h1", "h2", "nav a"])
        assert seen.errors == []
        assert seen.overflow == []
        assert len(seen.texts["h1"]) == 1
        assert len(seen.texts["h2"]) > 3
        assert len(seen.texts["nav a"]) == 1 + len(loader.names(ROOT))


CARDS = """(() => {
  const rows = [...document.querySelectorAll('.claim-cards tbody tr')];
  const [id, claim, verdict] = [...rows[0].children].map(cell => cell.getBoundingClientRect());
  return [rows.length, id.top === verdict.top, claim.top >= id.bottom, claim.top >= verdict.bottom];
})()"""


def test_on_a_phone_claims_are_cards(chromium: Chromium, site: Path) -> None:
    """Id and verdict in the first line of a card, the claim below them; on a laptop they are one row."""
    count = len(loader.load(ROOT, "socket-vanish").claims)
    phone = chromium.look(site / "socket-vanish.html", PHONE, script=CARDS, selectors=[".thumbnail"])
    assert phone.value == [count, True, True, True]
    assert len(phone.texts[".thumbnail"]) == 1
    assert chromium.look(site / "socket-vanish.html", LAPTOP, script=CARDS).value == [count, True, False, False]


@pytest.mark.parametrize(("width", "scheme"), SIGHTS)
def test_a_comparison_is_readable(chromium: Chromium, tmp_path: Path, width: int, scheme: str) -> None:
    """Timelines and results, then lines, the cause first; both sides are named; no error, nothing cut off."""
    run = recorded_run(tmp_path, "whole")
    left, right = select.find(ROOT, [str(run.path), "gunicorn-19.5.0"], [])
    result = comparison.compare(left, right, loader.load(ROOT, "socket-vanish"), (), (), lambda text: None)
    file = tmp_path / "compare.html"
    file.write_text(html.render(result), encoding="utf-8")
    seen = chromium.look(
        file, width, scheme=scheme, open_details=True, selectors=["h1", "h2", ".opening svg", ".found .line", ".fold"]
    )
    assert seen.errors == []
    assert seen.overflow == []
    assert seen.texts["h1"] == ["documented and gunicorn-19.5.0"]
    assert len(seen.texts[".opening svg"]) == 2
    assert seen.texts["h2"][:2] == ["Results", "What stands out"]
    assert '"witness": "unlink"' in seen.texts[".found .line"][0]
    assert any(text.startswith("FileNotFoundError: [Errno 2]") for text in seen.texts[".found .line"][:8])
    assert seen.texts[".fold"]
