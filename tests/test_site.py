"""The site: READMEs rendered, claims with their verdicts on record, reports copied, and missing parts named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cases import COMPOSE, EXPERIMENT, ROOT, lay_out, write_run_json
from click.testing import CliRunner, Result
from reprolab.cli import main
from reprolab.core import files
from reprolab.core.errors import Exit
from reprolab.evidence import lookup, run_dir
from reprolab.publish import readme_page, site
from reprolab.scenario import loader

README = """\
# blink: a lamp

It **confirmed** what the document says.

<!-- generated: claims/blink -->
| id | claim |
|---|---|
| B-1 | <script>alert(1)</script> & <MaybeEncodingError: x> |
<!-- end -->

## The cause

See [the experiment](lamp.py), [the start](../../README.md), [another](../shine/README.md#top) and [all](https://example.org/).

## The cause

<details><summary>Notes</summary>

- one: `<traceback object>`

</details>
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one scenario and its README."""
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    (lay_out(tmp_path) / "README.md").write_text(README)
    (tmp_path / "README.md").write_text("# lab\n")
    return tmp_path


def lab(*arguments: str) -> Result:
    """Call the command line."""
    return CliRunner().invoke(main.main, ["site", *arguments])


def record(home: Path, verdict: str = "confirmed") -> None:
    """Write a recorded.json with this verdict."""
    row = {
        "id": "B-1",
        "text": "as it was",
        "verdict": verdict,
        "why": "documented 3/3 · old 0/3",
        "variants": {"old": {"expected": False, "shown": 0, "trials": 3, "interval": [0.0, 0.5615]}},
    }
    content = {"schema": 1, "run": "20260102T120000Z", "started": "2026-01-02 12:00 UTC", "claims": [row]}
    files.write_json(home / "scenarios" / "blink" / "recorded.json", content)


def page(home: Path, name: str = "index.html") -> str:
    """A page of the site."""
    return (home / "results" / "site" / name).read_text(encoding="utf-8")


# -- stories ----------------------------------------------------------------------------------------


def test_a_story_is_the_readme_rendered() -> None:
    """The title is separate, tables scroll, verdicts have a colour, folds are kept, any other HTML is shown as text."""
    story = readme_page.render_readme(README, lambda href: href)
    assert story.title == "blink: a lamp"
    assert "<h1>" not in story.html
    assert '<strong class="verdict confirmed">confirmed</strong>' in story.html
    assert '<div class="scroll"><table>' in story.html
    assert "<details><summary>Notes</summary>" in story.html
    assert "<script" not in story.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in story.html
    assert "&lt;MaybeEncodingError: x&gt;" in story.html
    assert "<code>&lt;traceback object&gt;</code>" in story.html


def test_sections_have_anchors_of_their_own() -> None:
    """Two headings with the same words get two anchors; a section's text includes its tables and code."""
    story = readme_page.render_readme(README, lambda href: href)
    assert [(section.anchor, section.heading) for section in story.sections] == [
        ("top", ""),
        ("the-cause", "The cause"),
        ("the-cause-2", "The cause"),
    ]
    assert 'id="the-cause-2"' in story.html
    assert "B-1" in story.sections[0].text
    assert "<traceback object>" in story.sections[2].text


@pytest.mark.parametrize("name", loader.names(ROOT))
def test_every_real_story_is_whole(name: str) -> None:
    """In each README every heading has an anchor, every table is rendered, and every element is closed."""
    text = (ROOT / "scenarios" / name / "README.md").read_text(encoding="utf-8")
    story = readme_page.render_readme(text, lambda href: href)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    assert len(re.findall(r"<h2 id=", story.html)) == len(re.findall(r"^## ", prose, flags=re.M))
    assert (
        story.html.count("<table>")
        == story.html.count("</table></div>")
        == len(re.findall(r"^\|---", text, flags=re.M))
    )
    assert story.html.count("<details>") == story.html.count("</details>")
    assert "|---" not in story.html


# -- the site ----------------------------------------------------------------------------------------


def test_what_is_on_record_is_shown(home: Path) -> None:
    """A claim with its verdict and its reason, the counts, the day of the record, no run's name, and the answer."""
    record(home)
    result = lab()
    assert result.exit_code == 0, result.output
    text = page(home)
    assert "It blinks since 1.0." in text
    assert '<span class="verdict confirmed">confirmed</span>' in text
    assert "documented 3/3 · old 0/3" in text
    assert "Document: “doc-1”." in text
    assert "1 confirmed" in text
    assert "On record since 2026-01-02." in text
    assert "20260102T120000Z" not in text
    assert re.search(r'class="answer"><b>Undecided:</b>', text), "the record names no variant that ran"
    assert "blink: a lamp" in page(home, "blink.html")


def test_missing_parts_are_named(home: Path) -> None:
    """A missing record, run, report or README is named, and none is shown as a verdict."""
    (home / "scenarios" / "blink" / "README.md").unlink()
    assert lab().exit_code == 0
    assert "not recorded yet" in page(home)
    assert "no run of it here; reprolab run blink makes one" in page(home)
    assert "This scenario has no README yet." in page(home, "blink.html")
    assert 'class="verdict' not in page(home)
    run = lookup.create_run(home, "blink")
    write_run_json(run, status="complete")
    lookup.point_latest(run)
    assert lab().exit_code == 0
    assert f"the run {run.name} has no report.html; reprolab html blink/{run.name} writes it" in page(home)


def test_a_report_is_copied_and_its_links_lead_to_the_evidence(home: Path) -> None:
    """Links within the page stay; those to the run's files point to its directory; scripts are unchanged."""
    record(home)
    run = lookup.create_run(home, "blink")
    write_run_json(run, status="aborted")
    lookup.point_latest(run)
    (run.path / "report.txt").write_text("kept")
    report = '<a href="report.txt">t</a><a href="#x">x</a><link href="data:,"><script>a = \'<a href="b">\'</script>'
    (run.path / run_dir.PAGE).write_text(report)
    assert lab().exit_code == 0
    copy = page(home, "reports/blink.html")
    link = re.match(r'<a href="([^"]+)">t</a>', copy)
    assert link
    assert (home / "results" / "site" / "reports" / link[1]).read_text() == "kept"
    assert copy.endswith(report[report.index('<a href="#x">') :])
    assert "report of the latest run</a> <span" in page(home)
    assert "(aborted)" in page(home, "blink.html")
    assert "the verdicts on this page are of the run on record" in page(home, "blink.html")


def test_links_of_a_story(home: Path) -> None:
    """A file of the checkout is copied as text, other READMEs are pages of the site, other links stay."""
    lay_out(home / "other", "shine")
    (home / "scenarios" / "shine").mkdir()
    (home / "scenarios" / "shine" / "README.md").write_text("# shine\n")
    assert lab().exit_code == 0
    links = re.findall(r'href="([^"]+)"', page(home, "blink.html"))
    assert "files/scenarios/blink/lamp.py.txt" in links
    assert (home / "results" / "site" / "files" / "scenarios" / "blink" / "lamp.py.txt").is_file()
    assert "shine.html#top" in links
    assert "https://example.org/" in links
    assert "../../README.md" not in links


def test_the_search_index_is_part_of_the_page(home: Path) -> None:
    """The sections are JSON that no text of a README can end, each with its page and anchor."""
    assert lab().exit_code == 0
    script = re.search(r'<script type="application/json" id="sections">(.*?)</script>', page(home), re.S)
    assert script
    sections = json.loads(script[1])
    assert [section["href"] for section in sections] == [
        "blink.html#top",
        "blink.html#the-cause",
        "blink.html#the-cause-2",
    ]
    assert "<script>alert(1)" in sections[0]["text"]


def test_a_site_replaces_a_site_and_nothing_else(home: Path) -> None:
    """Old pages are removed; a directory of the user is left alone, with a message."""
    assert lab().exit_code == 0
    (home / "results" / "site" / "yesterday.html").write_text("x")
    assert lab().exit_code == 0
    assert not (home / "results" / "site" / "yesterday.html").exists()
    mine = home / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    result = lab("--output", str(mine))
    assert result.exit_code == Exit.USAGE
    assert "holds files that are no site of the lab" in result.output
    assert (mine / "letter.txt").read_text() == "dear"
    assert lab("--output", str(home / "new")).exit_code == 0
    assert sorted(path.name for path in home.glob(".new*")) == []


def test_the_pages_load_no_other_files(home: Path) -> None:
    """No style sheet, script, font or picture: a page works as a single file."""
    record(home)
    assert lab().exit_code == 0
    for name in ("index.html", "blink.html"):
        text = page(home, name)
        assert not re.search(r'\bsrc=|<link rel="stylesheet"|@import|url\(', text), name


def listed(home: Path, *lines: str) -> None:
    """Write further lines into x-reprolab of the scenario."""
    text = COMPOSE.replace("  document:", "\n".join(f"  {line}" for line in lines) + "\n  document:")
    (home / "scenarios" / "blink" / "compose.yaml").write_text(text, encoding="utf-8")


def test_a_case_is_listed_with_what_was_measured(home: Path) -> None:
    """Server, kinds, the verdicts of its claims, releases from the record's counts, the time of the run."""
    answer = "answer: {B-1: it blinks}"
    listed(home, "server: uWSGI", "kind: [lost request, stop]", 'releases: {documented: "1.0", old: "0.9"}', answer)
    more = '\nCLAIMS += [Claim("B-2", "It hums.", sign=blinked, shows=["old"])]\n'
    (home / "scenarios" / "blink" / "lamp.py").write_text(EXPERIMENT + more, encoding="utf-8")
    record(home)
    path = home / "scenarios" / "blink" / "recorded.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    signs = {"B-1": {"documented": {"shown": 0, "trials": 3}, "old": {"shown": 1, "trials": 3}}}
    ran = {name: {"trials": 3, "valid": 3} for name in ("documented", "old")}
    claims = [*content["claims"], {"id": "B-2", "verdict": "refuted"}]
    times = "up 5.0 s · in all 61.2 s"
    files.write_json(path, content | {"claims": claims, "signs": signs, "variants": ran, "times": times})
    assert lab().exit_code == 0
    text = page(home)
    card = text[text.index('<article class="card"') : text.index("</article>")]
    assert 'data-server="uWSGI" data-kind="lost request|stop" data-verdict="confirmed|refuted"' in card
    assert '<dd class="affected">0.9</dd>' in card
    assert '<dd class="fixed">1.0</dd>' in card
    assert '<dd class="takes">62 s</dd>' in card
    assert '<a class="tag kind" href="#kind=lost%20request">lost request</a>' in card
    assert 'href="index.html#server=uWSGI"' in page(home, "blink.html")


def test_without_a_record_no_release_is_affected(home: Path) -> None:
    """The keys alone say nothing of what was measured."""
    listed(home, "server: uWSGI", 'releases: {documented: "1.0", old: "0.9"}')
    assert lab().exit_code == 0
    assert not re.search('class="(affected|fixed|takes)"', page(home) + page(home, "blink.html"))


def test_a_reproducer_that_is_missing_or_broken_is_named(home: Path) -> None:
    """The rest of the site is there all the same."""
    assert lab().exit_code == 0
    assert "No reproducer: this case has none yet." in page(home, "blink.html")
    (home / "scenarios" / "blink" / "reproducer.yaml").write_text("claim: B-7\n")
    assert lab().exit_code == 0
    assert "No reproducer: it cannot be exported: scenarios/blink/reproducer.yaml" in page(home, "blink.html")
    assert "download>" not in page(home)


def test_the_whole_site_of_this_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scenario has a page, every claim is in the index once, every link within the site has a target."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    first = site.build(ROOT, tmp_path / "site", lambda text: None)
    index = first.read_text(encoding="utf-8")
    for name in loader.names(ROOT):
        scenario = loader.load(ROOT, name)
        for claim in scenario.claims:
            assert index.count(f'<li id="{claim.id}"') == 1
        for href in re.findall(r'href="([^"#]+)', (tmp_path / "site" / f"{name}.html").read_text(encoding="utf-8")):
            assert re.match(r"[a-z]+:", href) or (tmp_path / "site" / href).exists(), f"{name}: {href}"
