"""Generated parts of the pages, and putting a run on record, from which they are made."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from cases import EXPERIMENT, ROOT, lay_out, recorded_run, trial, trials, write_run_json
from reprolab.core import files
from reprolab.core.errors import EvidenceError, UsageError
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.publish import readme_sections, scenario_table
from reprolab.publish.accept import accept, record
from reprolab.report.table import Row
from reprolab.scenario import loader
from reprolab.scenario.model import LANGUAGES
from reprolab.verdict.document import Verdict
from reprolab.verdict.record import RECORDED

HOST = {"kernel": "6.1", "engine": "20.10", "compose": "2.26", "cpus": 2, "cpu": "Some CPU"}


def part(name: str, content: str = "") -> str:
    """A generated part as it stands in a page."""
    return f"<!-- generated: {name} -->\n{content}<!-- end -->"


def finished(root: Path, *rows: Any, **changes: Any) -> RunDirectory:
    """A run of the small scenario with these trials."""
    run = lookup.create_run(root, "blink")
    plan = [{"experiment": "lamp", "variant": name, "factors": {}, "trials": 3} for name in ("documented", "old")]
    base = {"origin": "host", "detail": "python:3.6 built on this host"}
    content = {"started": "2026-01-02 12:00 UTC", "status": "complete", "plan": plan, "host": HOST}
    packages = {"documented/app": {"pip": {"gunicorn": "19.6.0"}, "deb": {"apt": "2.6"}}}
    content |= {"bases": {"b": base}, "packages": packages, "times": "up 1.0 s"}
    write_run_json(run, **content | changes)
    for row in rows or trials(documented="+++", old="---"):
        run.append(row)
    return run


@pytest.fixture(autouse=True)
def own_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results lie in the test's own checkout."""
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)


# -- putting a run on record ----------------------------------------------------------------------


def test_what_is_recorded(tmp_path: Path) -> None:
    """The verdict with what it holds for: host, bases, packages, and what the columns of the table say."""
    lay_out(tmp_path)
    run = finished(tmp_path)
    path = accept(tmp_path, run)
    assert path == tmp_path / "scenarios" / "blink" / "recorded.json"
    recorded = files.read_json(path)
    verdict = files.read_json(run.path / "verdict.json")
    assert {key: recorded[key] for key in verdict} == verdict
    assert set(recorded) - set(verdict) == {"started", "host", "bases", "packages", "times", "measured"}
    assert recorded["packages"] == {"documented/app": {"pip": {"gunicorn": "19.6.0"}, "deb": {"apt": "2.6"}}}
    assert recorded["measured"] == {
        "documented": {"values": {"blinked": "yes"}},
        "old": {"values": {"blinked": "no"}},
    }


def test_packages_are_recorded_once(tmp_path: Path) -> None:
    """Variants that share an image's packages share the entry; one with others has its own."""
    lay_out(tmp_path)
    same, other = {"pip": {"gunicorn": "20.1.0"}}, {"pip": {"gunicorn": "21.2.0"}}
    packages = {"documented/app": same, "documented/proxy": same, "old/app": same, "older/app": other}
    recorded = files.read_json(accept(tmp_path, finished(tmp_path, packages=packages)))
    assert recorded["packages"] == {
        "documented/app": same,
        "documented/proxy": {"like": "documented/app"},
        "older/app": other,
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "aborted"}, "is aborted"),
        ({"status": "running"}, "is running"),
        ({"plan": [{"experiment": "lamp", "variant": "documented"}]}, "left out lamp/old"),
        ({"plan": [{"experiment": "lamp", "variant": "custom"}]}, "left out lamp/documented, lamp/old"),
    ],
)
def test_only_a_whole_run_is_recorded(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Half a run, or one of a single variant, is refused with what is missing."""
    lay_out(tmp_path)
    with pytest.raises(UsageError, match=said):
        accept(tmp_path, finished(tmp_path, **changes))
    assert not (tmp_path / "scenarios" / "blink" / "recorded.json").exists()


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"documented": "+++"}, r"lacks trials of lamp/old \(0 of 3\)"),
        ({"documented": "+++", "old": "-"}, r"lacks trials of lamp/old \(1 of 3\)"),
    ],
)
def test_a_run_whose_trials_are_gone_is_not_recorded(tmp_path: Path, shown: dict[str, str], said: str) -> None:
    """Planned, and not in trials.jsonl: nothing is written, neither in the checkout nor beside the run."""
    directory = lay_out(tmp_path)
    run = finished(tmp_path, *trials(**shown))
    with pytest.raises(UsageError, match=said):
        record(tmp_path, run)
    assert not (directory / "recorded.json").exists()
    assert not (run.path / "verdict.json").exists()


def test_trials_that_are_invalid_with_a_reason_are_recorded(tmp_path: Path) -> None:
    """A variant that never started belongs on record; the claim that needs it stays undecided."""
    lay_out(tmp_path)
    recorded = files.read_json(accept(tmp_path, finished(tmp_path, *trials(documented="+++", old="xxx"))))
    assert recorded["variants"]["old"]["invalid"] == ["not healthy"] * 3
    assert recorded["claims"][0]["verdict"] == "inconclusive"


@pytest.mark.parametrize("earlier", [False, True])
def test_where_a_page_fails_the_record_is_put_back(tmp_path: Path, earlier: bool) -> None:
    """Whether there was one before or not."""
    path = lay_out(tmp_path) / "recorded.json"
    if earlier:
        record(tmp_path, finished(tmp_path))
    before = path.read_bytes() if earlier else None
    (tmp_path / "README.md").write_text(part("claims/nothing"), encoding="utf-8")
    with pytest.raises(UsageError, match="no scenario 'nothing'"):
        record(tmp_path, finished(tmp_path, *trials(documented="---", old="---")))
    assert (path.read_bytes() if path.exists() else None) == before


def test_pages_are_written_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up at the second page: the first one and recorded.json are as they were."""
    directory = lay_out(tmp_path)
    first, second = tmp_path / "README.md", directory / "README.md"
    for one in (first, second):
        one.write_text(part("claims/blink"), encoding="utf-8")
    plain = Path.write_text

    def write_text(self: Path, *words: Any, **options: Any) -> int:
        if self == second:
            raise OSError(28, "No space left on device", str(self))
        return plain(self, *words, **options)

    monkeypatch.setattr(Path, "write_text", write_text)
    with pytest.raises(EvidenceError, match="No space left on device"):
        record(tmp_path, finished(tmp_path))
    assert first.read_text(encoding="utf-8") == part("claims/blink")
    assert not (directory / "recorded.json").exists()


def test_a_recorded_verdict_is_what_later_runs_are_held_against(tmp_path: Path) -> None:
    """The next run names it, claim by claim."""
    lay_out(tmp_path)
    accept(tmp_path, finished(tmp_path))
    later = finished(tmp_path, *trials(documented="---", old="---"))
    accept(tmp_path, later)
    row = files.read_json(later.path / "verdict.json")["claims"][0]
    assert (row["recorded"], row["verdict"]) == ("confirmed", "refuted")


# -- the parts ------------------------------------------------------------------------------------


def page(root: Path, *parts: str) -> str:
    """The README with these parts, brought up to date."""
    (root / "README.md").write_text("\n\n".join(part(name) for name in parts) + "\n", encoding="utf-8")
    readme_sections.write(root)
    return (root / "README.md").read_text(encoding="utf-8")


def test_before_the_first_recorded_run(tmp_path: Path) -> None:
    """Claims are listed all the same, and nothing is claimed of them."""
    lay_out(tmp_path)
    told = page(tmp_path, "claims/blink", "results/blink", "summary/blink: documented B-1", "scenarios: en")
    assert "| B-1 | It blinks since 1.0. | not recorded yet | — |" in told
    assert "```text\nnot recorded yet\n```" in told
    assert "| [blink](scenarios/blink/README.md) | doc-1 | — | not recorded yet |" in told


def test_after_a_recorded_run(tmp_path: Path) -> None:
    """Verdicts, figures, provenance and the short report stand where the markers are."""
    lay_out(tmp_path)
    accept(tmp_path, run := finished(tmp_path))
    told = page(tmp_path, "claims/blink", "results/blink", "summary/blink: old B-1", "scenarios")
    assert "| B-1 | It blinks since 1.0. | **confirmed** | documented 3/3 · old 0/3 |" in told
    assert "| variant | changes | valid | blinked |\n|---|---|---|---|\n| documented | `—` | 3/3 | yes |" in told
    assert f"Run {run.name}, 2026-01-02 12:00 UTC: kernel 6.1, engine 20.10, Compose 2.26, 2 × Some CPU." in told
    assert "Base images: python:3.6 built on this host." in told
    assert "| doc-1 | — | 1 confirmed |" in told
    short = told.partition("```text\n")[2].partition("\n```")[0].splitlines()
    assert short[0] == "blink · a server that blinks   2026-01-02 12:00 UTC"
    assert [line.split() for line in short[1:2] + short[3:4]] == [
        ["variant", "changes", "valid", "blinked"],
        ["old", "—", "3/3", "no"],
    ]
    assert short[4].split("  ") == ["B-1", "It blinks since 1.0.", "confirmed", "documented 3/3 · old 0/3"]
    assert short[5] == "… left out here: 1 variant"
    assert short[6] == f"1 confirmed · 0 refuted · 0 inconclusive    evidence: results/blink/{run.name}/"


def test_the_short_report_keeps_to_what_it_is_told(tmp_path: Path) -> None:
    """No claim and no variant but those that are named; one that the run has not is an error."""
    lay_out(tmp_path)
    accept(tmp_path, finished(tmp_path))
    told = page(tmp_path, "summary/blink: documented")
    assert "It blinks" not in told
    assert "left out here: 1 variant, 1 claim" in told
    with pytest.raises(UsageError, match="no variant B-2"):
        page(tmp_path, "summary/blink: documented B-2")


def test_the_table_of_scenarios_in_three_languages(tmp_path: Path) -> None:
    """Headings, finding and counts are in the language of the page; English stands in where a finding has none."""
    lay_out(tmp_path)
    accept(tmp_path, finished(tmp_path))
    compose = tmp_path / "scenarios" / "blink" / "compose.yaml"
    said = "  headline: {en: It blinks., ko: 깜빡입니다.}\nservices:"
    compose.write_text(compose.read_text(encoding="utf-8").replace("services:", said), encoding="utf-8")
    told = page(tmp_path, "scenarios: en", "scenarios: ko", "scenarios: ja")
    assert "| scenario | document | what was found | verdicts |" in told
    assert "| doc-1 | It blinks. | 1 confirmed |" in told
    assert "| doc-1 | 깜빡입니다. | 확인됨 1건 |" in told
    assert "| doc-1 | It blinks. | 確認 1 件 |" in told


def test_the_list_of_documents(tmp_path: Path) -> None:
    """A dash for what a document does not say of itself; the title links to it where it says where it is."""
    lay_out(tmp_path)
    assert "| doc-1 | — | — | — | — | [blink](../scenarios/blink/README.md) | — |" in page(tmp_path, "sources")
    compose = tmp_path / "scenarios" / "blink" / "compose.yaml"
    block = "{title: on | off, author: A. Writer, date: 2021, url: 'https://example.org/a', id: d1}"
    compose.write_text(compose.read_text(encoding="utf-8").replace("{title: doc-1}", block), encoding="utf-8")
    assert "| [on \\| off](https://example.org/a) | A. Writer | 2021 | — | — |" in page(tmp_path, "sources")


def test_the_table_by_setting(tmp_path: Path) -> None:
    """Setting, sentence, what was measured, verdict, number; a claim that names neither still has its row."""
    named = EXPERIMENT.replace('absent=["old"]', 'absent=["old"], setting="lamp.mode", measured=said').replace(
        "CLAIMS = ", 'def said(o):\n    return "on" if o["blinked"] else "off | dark"\n\n\nCLAIMS = '
    )
    lay_out(tmp_path, lamp=named)
    assert "| lamp.mode | B-1 | It blinks since 1.0. | — | not recorded yet | — | [lamp](lamp.py) |" in page(
        tmp_path, "settings/blink"
    )
    accept(tmp_path, finished(tmp_path))
    told = page(tmp_path, "settings/blink")
    measured = "documented: on; old: off \\| dark"
    row = f"| {measured} | **confirmed** | shown 3/3 · control 0/3 | [lamp](lamp.py) |"
    assert f"| lamp.mode | B-1 | It blinks since 1.0. {row}" in told


def test_an_invalid_variant_in_the_table(tmp_path: Path) -> None:
    """What happened and the server's last word stand where its figures would be; the table stays one."""
    lay_out(tmp_path)
    rows = [trial(), trial("old", invalid="did not start | exit code 1\nlast lines")]
    plan = [{"experiment": "lamp", "variant": row.variant, "trials": 1} for row in rows]
    accept(tmp_path, finished(tmp_path, *rows, plan=plan))
    assert "| old | `—` | 0/1 | invalid: did not start \\| exit code 1: … last lines |" in page(
        tmp_path, "results/blink"
    )


def test_an_experiment_without_columns(tmp_path: Path) -> None:
    """A table of variants alone is one too."""
    lay_out(tmp_path, lamp=EXPERIMENT.split("COLUMNS")[0])
    accept(tmp_path, finished(tmp_path))
    assert "| documented | `—` | 3/3 |\n" in page(tmp_path, "results/blink")


def test_some_variants_of_a_table(tmp_path: Path) -> None:
    """In the order in which they are named, without notes; an unknown one is an error that names it."""
    lay_out(tmp_path)
    accept(tmp_path, finished(tmp_path))
    told = page(tmp_path, "results/blink: old documented")
    assert [line.split(" | ")[0] for line in told.splitlines() if "RELEASE" in line or "`—`" in line] == [
        "| old",
        "| documented",
    ]
    assert "Run 2" not in told
    with pytest.raises(UsageError, match="no variant new"):
        page(tmp_path, "results/blink: old new")


def test_a_note_of_several_lines_keeps_them() -> None:
    """A drawing made of characters would be lost without its spaces."""
    rows = [Row("documented", "—", "1/1", (), notes=("spent: 3 s", "drawn: \n  A ──\nB   ──"))]
    told = readme_sections._notes(rows).splitlines()
    assert told[2:-2] == [
        "- documented: spent: 3 s",
        "- documented: drawn:",
        "",
        "  ```text",
        "    A ──",
        "  B   ──",
        "  ```",
        "",
    ]


def test_texts_cannot_break_a_table(tmp_path: Path) -> None:
    """A bar in a claim or a title is escaped: every row has as many cells as the head."""
    lay_out(tmp_path, lamp=EXPERIMENT.replace("It blinks", "It blinks | or not"))
    compose = tmp_path / "scenarios" / "blink" / "compose.yaml"
    compose.write_text(compose.read_text().replace("a server that blinks", "on | off").replace("doc-1", "doc | 1"))
    accept(tmp_path, finished(tmp_path))
    told = page(tmp_path, "claims/blink", "scenarios")
    assert "| It blinks \\| or not since 1.0. |" in told
    for line in told.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (5, 6)


def test_all_scenarios_under_headings(tmp_path: Path) -> None:
    """A page about all of them names each; one about a single scenario does not."""
    lay_out(tmp_path, "blink")
    lay_out(tmp_path, "glow")
    told = page(tmp_path, "claims", "claims/glow")
    assert told.count("## blink: a server that blinks") == 1
    assert told.count("## glow: a server that blinks") == 1
    assert told.count("| B-1 |") == 3


# -- pages ----------------------------------------------------------------------------------------


def test_only_generated_parts_change(tmp_path: Path) -> None:
    """What a person wrote around them stays, byte for byte; a second writing changes nothing."""
    lay_out(tmp_path)
    old = part("claims/blink", "old\n")
    text = f"# Title\n\nbefore \\1 \\g<0>\n{old}\nafter <!-- end -->\n"
    readme = tmp_path / "scenarios" / "blink" / "README.md"
    readme.write_text(text, encoding="utf-8")
    assert readme_sections.stale(tmp_path) == [readme]
    assert readme_sections.write(tmp_path) == [readme]
    told = readme.read_text(encoding="utf-8")
    assert told.startswith("# Title\n\nbefore \\1 \\g<0>\n<!-- generated: claims/blink -->\n| id |")
    assert told.endswith("|\n<!-- end -->\nafter <!-- end -->\n")
    assert readme_sections.stale(tmp_path) == readme_sections.write(tmp_path) == []


def test_a_page_is_stale_once_a_run_is_recorded(tmp_path: Path) -> None:
    """And a verdict edited by hand is found out."""
    lay_out(tmp_path)
    page(tmp_path, "claims/blink")
    accept(tmp_path, finished(tmp_path))
    readme = tmp_path / "README.md"
    assert readme_sections.stale(tmp_path) == [readme]
    readme_sections.write(tmp_path)
    readme.write_text(readme.read_text(encoding="utf-8").replace("**confirmed**", "**refuted**"), encoding="utf-8")
    assert readme_sections.stale(tmp_path) == [readme]


def test_checking_writes_nothing(tmp_path: Path) -> None:
    """The page that is out of date is still as it was."""
    lay_out(tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(part("scenarios"), encoding="utf-8")
    before = readme.read_bytes()
    assert readme_sections.stale(tmp_path) == [readme]
    assert readme.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("clams", "unknown generated part 'clams'"),
        ("claims/blonk", "no scenario 'blonk'"),
        ("results/x", "no scenario 'x'"),
        ("scenarios: xx", "the table of scenarios in 'xx'"),
        ("claims/blink: documented", "'claims' takes no words"),
        ("results: documented", "'results' takes no words"),
        ("summary/blink", "'summary' needs words"),
    ],
)
def test_a_misspelt_marker(tmp_path: Path, name: str, said: str) -> None:
    """A part that nothing would ever fill is an error that names the page."""
    lay_out(tmp_path)
    with pytest.raises(UsageError, match=said) as caught:
        page(tmp_path, name)
    assert "README.md" in str(caught.value)


# -- this checkout --------------------------------------------------------------------------------


def test_the_recorded_run_makes_the_pages(tmp_path: Path) -> None:
    """With a real run: accepted, every claim of the scenario is judged in its README, and nothing is stale."""
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("compose.yaml", *readme_sections.PAGES):
        if (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    readme = tmp_path / "scenarios" / "socket-vanish" / "README.md"
    readme.write_text(part("claims/socket-vanish") + part("results/socket-vanish"), encoding="utf-8")
    recorded = json.loads(accept(tmp_path, recorded_run(tmp_path / "results", "whole")).read_text(encoding="utf-8"))
    readme_sections.write(tmp_path)
    told = readme.read_text(encoding="utf-8")
    for claim in recorded["claims"]:
        assert f"| {claim['id']} | {claim['text']} | **{claim['verdict']}** |" in told
    assert "| gunicorn-19.7.1 | `GUNICORN=19.7.1` | 0/1 | invalid: app did not start: exit code 1" in told
    assert readme_sections.stale(tmp_path) == []


READMES = ("README.md", "README.ko.md", "README.ja.md")
LONGEST_README = 120


def readme(name: str) -> str:
    """One of the three READMEs."""
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READMES)
def test_a_readme_is_one_screen(name: str) -> None:
    """More belongs to docs/usage.md or docs/verdicts.md; and it links to its translations at once."""
    lines = readme(name).splitlines()
    assert len(lines) <= LONGEST_README, f"{name}: move something to docs/"
    for other in set(READMES) - {name}:
        assert f"]({other})" in "\n".join(lines[:5]), f"{name}: link {other} below the title"


def commands(text: str) -> list[str]:
    """The commands of a page, without what is said of them."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]


def test_the_readmes_agree() -> None:
    """The same commands, the same scenarios with the same counts, the same links into docs/, the same report."""
    english, *others = [readme(name) for name in READMES]
    assert "make scenario-socket-vanish" in commands(english)
    rows = re.compile(r"^\| (\[[\w-]+\]\(scenarios/[\w./-]+\)) \|.*\| (.+) \|$", re.M)
    wanted = [(link, re.findall(r"\d+", numbers)) for link, numbers in rows.findall(english)]
    assert len(wanted) == len(loader.names(ROOT))
    for text in others:
        assert commands(text) == commands(english)
        assert [(link, re.findall(r"\d+", numbers)) for link, numbers in rows.findall(text)] == wanted
        assert sorted(re.findall(r"\]\((docs/[^)]+)\)", text)) == sorted(re.findall(r"\]\((docs/[^)]+)\)", english))
        assert re.findall(r"^```text\n.*?^```", text, re.M | re.S) == re.findall(
            r"^```text\n.*?^```", english, re.M | re.S
        )


@pytest.mark.parametrize("page", [*READMES, *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))])
def test_links_lead_somewhere(page: str) -> None:
    """To a file of this checkout, and to a heading of it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)", text):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {target} is not there"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
            anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, f"{page}: {target} has no heading #{anchor}"


@pytest.mark.parametrize("name", loader.names(ROOT))
def test_each_scenario_names_its_document(name: str) -> None:
    """By title and language; and what was found stands in the table of the READMEs, at least in English."""
    found = loader.load(ROOT, name)
    assert found.document.title, f"scenarios/{name}/compose.yaml: give x-reprolab.document a title"
    assert found.document.language, f"scenarios/{name}/compose.yaml: give x-reprolab.document a language"
    if (found.directory / RECORDED).exists():
        assert found.headline.get("en"), f"scenarios/{name}/compose.yaml: give x-reprolab a headline, {{en: ...}}"


def test_the_table_has_words_for_every_verdict_in_every_language() -> None:
    """So that no count is left out of a page."""
    assert set(scenario_table.WORDS) == set(LANGUAGES)
    for words in scenario_table.WORDS.values():
        assert set(words.verdicts) == {str(verdict) for verdict in Verdict}
