"""The site and a comparison in Chromium, without a network: complete, searchable, and nothing is cut off."""

from __future__ import annotations

import tarfile
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

STEPS = """(async () => {
  const [field, server, kind, verdict] = ['search', 'server', 'kind', 'verdict'].map(id => document.getElementById(id));
  const shown = selector => [...document.querySelectorAll(selector)].filter(element => element.checkVisibility());
  const count = () => document.getElementById('count').textContent;
  const cases = () => shown('.card').map(element => element.dataset.scenario);
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
  set(server, 'uWSGI');
  steps.server = [cases(), shown('section.case').map(element => element.dataset.scenario), location.hash];
  set(kind, 'lost request');
  steps.neither = [cases()];
  location.hash = 'server=gunicorn&kind=lost%20request';
  await new Promise(done => addEventListener('hashchange', () => setTimeout(done), { once: true }));
  steps.address = [cases(), server.value, kind.value];
  document.querySelector('.tag[href="#kind=hang"]').click();
  await new Promise(done => addEventListener('hashchange', () => setTimeout(done), { once: true }));
  steps.tag = [cases(), server.value, kind.value];
  location.hash = 'server=nobody&q=SIGTERM';
  await new Promise(done => addEventListener('hashchange', () => setTimeout(done), { once: true }));
  steps.unknown = [server.value, field.value, cases().includes('pool-freeze'), cases().includes('socket-vanish')];
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
    names, filters = loader.names(ROOT), ["#server", "#kind", "#verdict"]
    seen = chromium.look(
        site / "index.html",
        width,
        scheme=scheme,
        selectors=[".card h3 a", ".card .answer", ".card .takes", ".thumbnail", ".claims > li", "#search", *filters],
    )
    assert seen.errors == []
    assert seen.overflow == []
    assert seen.texts[".card h3 a"] == names
    assert len(seen.texts[".card .answer"]) == len(names)
    assert len(seen.texts[".card .takes"]) == sum(bool(record.read_record(loader.load(ROOT, name))) for name in names)
    assert len(seen.texts[".thumbnail"]) == 1, "of the only scenario with a run"
    assert len(seen.texts[".claims > li"]) == sum(map(claims_of, names))
    assert [len(seen.texts[element]) for element in ("#search", *filters)] == [1] * 4


def test_the_search_narrows(chromium: Chromium, site: Path) -> None:
    """Only claims with all the words are left, with their cases, and the README sections with them are linked."""
    seen = chromium.look(
        site / "index.html",
        PHONE,
        script=SEARCH % "gthread Timeout",
        selectors=[".claims > li", "#count", "#hits a", "section.case h3 a", ".card h3 a"],
    )
    assert seen.errors == []
    assert seen.overflow == []
    assert 0 < len(seen.texts[".claims > li"]) < 20
    assert all("timeout" in text.lower() for text in seen.texts[".claims > li"])
    assert f"cases, {len(seen.texts['.claims > li'])} of " in seen.texts["#count"][0]
    assert "pool-freeze: What gunicorn's timeout does then" in seen.texts["#hits a"]
    assert 0 < len(seen.texts["section.case h3 a"]) <= len(seen.texts[".card h3 a"]) < len(loader.names(ROOT))
    assert set(seen.texts["section.case h3 a"]) <= set(seen.texts[".card h3 a"])


def test_the_filters(chromium: Chromium, site: Path) -> None:
    """A verdict, a server and a kind narrow cases and claims, also from the address; an unknown word leaves nothing."""
    seen = chromium.look(site / "index.html", LAPTOP, script=STEPS)
    assert seen.errors == []
    everything = sum(map(claims_of, loader.names(ROOT)))
    assert seen.value["refuted"] == ["refuted"]
    names = loader.names(ROOT)
    nothing = f"0 of {len(names)} cases, 0 of {everything} claims, 0 sections of the stories"
    assert seen.value["nothing"] == [0, 0, nothing]
    assert seen.value["all"] == [everything, ""]

    def cases(server: str = "", kind: str = "") -> list[str]:
        entries = {name: loader.load(ROOT, name).catalogue for name in names}
        return [
            name
            for name, entry in entries.items()
            if (not server or server in entry.servers) and (not kind or kind in entry.kinds)
        ]

    assert seen.value["server"] == [cases("uWSGI"), cases("uWSGI"), "#server=uWSGI"]
    assert seen.value["neither"][0] == cases("uWSGI", "lost request")
    assert seen.value["address"] == [cases("gunicorn", "lost request"), "gunicorn", "lost request"]
    assert seen.value["tag"] == [cases(kind="hang"), "", "hang"]
    assert "socket-vanish" not in cases(kind="hang")
    assert seen.value["unknown"] == ["", "SIGTERM", True, False]


def claims_of(name: str) -> int:
    """How many claims a case has, with those that no run can test."""
    scenario = loader.load(ROOT, name)
    return len(scenario.claims) + len(scenario.not_tested)


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


def test_a_case_has_timeline_reproducer_and_releases(chromium: Chromium, site: Path) -> None:
    """On its page: the picture, the archive to download, each release with its count, and tags that lead back."""
    seen = chromium.look(
        site / "socket-vanish.html",
        LAPTOP,
        selectors=[
            ".masthead .tag",
            "#timeline-of-the-case a",
            "#reproducer-of-the-case a",
            ".releases tr",
            ".masthead dd",
        ],
    )
    assert seen.errors == seen.overflow == []
    assert seen.texts[".masthead .tag"] == ["gunicorn", "lost request"]
    assert len(seen.texts["#timeline-of-the-case a"]) == 2
    (archive,) = seen.texts["#reproducer-of-the-case a"]
    with tarfile.open(site / "reproducers" / archive) as packed:
        assert "socket-vanish-reproducer/run.sh" in packed.getnames()
    rows = [row.split() for row in seen.texts[".releases tr"][1:]]
    assert ["19.6.0", "documented", "3/3", "affected"] in rows
    assert ["19.5.0", "gunicorn-19.5.0", "0/3", "not", "seen"] in rows
    assert ["19.7.1", "gunicorn-19.7.1", "—", "not", "tested"] in rows
    assert seen.texts[".masthead dd"][:2] == ["19.6.0", "19.7.1"]


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
