"""Generated parts of the pages, and recording the run from which they are made."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from cases import COMPOSE, EXPERIMENT, ROOT, lay_out, recorded_run, trial, trials, write_run_json
from reprolab.core import files
from reprolab.core.errors import EvidenceError, UsageError
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import ObservedAgain
from reprolab.publish import history, readme_sections, scenario_table
from reprolab.publish.accept import accept, record
from reprolab.report.table import Row
from reprolab.scenario import loader
from reprolab.scenario.model import LANGUAGES
from reprolab.verdict.document import Verdict
from reprolab.verdict.record import RECORDED, RecordedRun

HOST = {"kernel": "6.1", "engine": "20.10", "compose": "2.26", "cpus": 2, "cpu": "Some CPU"}


def part(name: str, content: str = "") -> str:
    """A generated part with its markers."""
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
def results_in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are written into the test's own checkout."""
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)


# -- putting a run on record ----------------------------------------------------------------------


def test_what_is_recorded(tmp_path: Path) -> None:
    """The verdict with its host, bases and packages, and the values of the table's columns."""
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


def test_a_run_in_a_virtual_machine_is_no_record(tmp_path: Path) -> None:
    """A later run on this machine's kernel would be held against it."""
    lay_out(tmp_path)
    run = finished(tmp_path, host=HOST | {"hardware": "virtual machine (TCG)"})
    with pytest.raises(UsageError, match=r"ran elsewhere: virtual machine \(TCG\), with kernel 6\.1"):
        accept(tmp_path, run)
    assert not (tmp_path / "scenarios" / "blink" / "recorded.json").exists()


def test_what_a_run_kept_of_its_files_is_recorded(tmp_path: Path) -> None:
    """The digest of the case, the lab's version, and that its logs were read again."""
    lay_out(tmp_path)
    kept = {"case": "sha256:3", "lab": "0.1.0", "observed": ObservedAgain("2026-01-03", 6, changed=1).to_json()}
    recorded = files.read_json(accept(tmp_path, finished(tmp_path, **kept)))
    assert {key: recorded[key] for key in kept} == kept
    assert RecordedRun.from_json(recorded).to_json() == recorded


def test_packages_are_recorded_once(tmp_path: Path) -> None:
    """Images with the same packages share an entry; an image with other packages has its own."""
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
    ("changes", "message"),
    [
        ({"status": "aborted"}, "is aborted"),
        ({"status": "running"}, "is running"),
        ({"plan": [{"experiment": "lamp", "variant": "documented"}]}, "left out lamp/old"),
        (
            {"rounds": {"seed": 7, "planned": 3, "ran": 1, "ended": "budget", "budget": 60.0}},
            r"was cut short; rounds: 1 of 3 \(seed 7\); the budget of 60 s ended the run",
        ),
        ({"rounds": {"seed": 7, "planned": 1, "ran": 1, "left_out": ["dim"]}}, "left out: dim"),
        ({"plan": [{"experiment": "lamp", "variant": "custom"}]}, "left out lamp/documented, lamp/old"),
    ],
)
def test_only_a_whole_run_is_recorded(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """A part of a run, or a run of one variant, is refused; the message names what is missing."""
    lay_out(tmp_path)
    with pytest.raises(UsageError, match=message):
        accept(tmp_path, finished(tmp_path, **changes))
    assert not (tmp_path / "scenarios" / "blink" / "recorded.json").exists()


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ({"documented": "+++"}, r"lacks trials of lamp/old \(0 of 3\)"),
        ({"documented": "+++", "old": "-"}, r"lacks trials of lamp/old \(1 of 3\)"),
    ],
)
def test_a_run_whose_trials_are_gone_is_not_recorded(tmp_path: Path, shown: dict[str, str], message: str) -> None:
    """Planned trials are missing in trials.jsonl: nothing is written, neither in the checkout nor beside the run."""
    directory = lay_out(tmp_path)
    run = finished(tmp_path, *trials(**shown))
    with pytest.raises(UsageError, match=message):
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
def test_if_a_page_fails_the_record_is_restored(tmp_path: Path, earlier: bool) -> None:
    """With and without an earlier record."""
    path = lay_out(tmp_path) / "recorded.json"
    if earlier:
        record(tmp_path, finished(tmp_path))
    before = path.read_bytes() if earlier else None
    (tmp_path / "README.md").write_text(part("claims/nothing"), encoding="utf-8")
    kept = path.with_name("history.jsonl")
    lines = kept.read_bytes() if earlier else None
    with pytest.raises(UsageError, match="no scenario 'nothing'"):
        record(tmp_path, finished(tmp_path, *trials(documented="---", old="---")))
    assert (path.read_bytes() if path.exists() else None) == before
    assert (kept.read_bytes() if kept.exists() else None) == lines


def test_each_record_has_a_line_in_the_history(tmp_path: Path) -> None:
    """When and on what it ran, and the verdicts; the lines of earlier records stay as they were."""
    path = lay_out(tmp_path) / "history.jsonl"
    base = {"reference": "python:3.6", "id": "sha256:1", "origin": "hub", "digest": "sha256:2", "detail": "python:3.6"}
    record(tmp_path, run := finished(tmp_path, case="sha256:3", lab="0.1.0", bases={"python:3.6": base}))
    (first,) = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(first) == {
        "date": "2026-01-02 12:00 UTC",
        "run": run.name,
        "verdicts": {"B-1": "confirmed"},
        "kernel": "6.1",
        "engine": "20.10",
        "lab": "0.1.0",
        "case": "sha256:3",
        "bases": {"python:3.6": {key: value for key, value in base.items() if key != "detail"}},
    }
    record(tmp_path, run)
    assert path.read_text(encoding="utf-8").splitlines() == [first], "a run that is judged again has one line"
    record(tmp_path, finished(tmp_path, *trials(documented="---", old="---")))
    again, second = path.read_text(encoding="utf-8").splitlines()
    assert again == first
    assert json.loads(second)["verdicts"] == {"B-1": "refuted"} and json.loads(second)["case"] is None


def test_if_the_history_fails_the_record_is_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No record is without its line."""
    directory = lay_out(tmp_path)

    def full(*_: Any) -> None:
        raise EvidenceError("disk")

    monkeypatch.setattr(history, "append", full)
    with pytest.raises(EvidenceError, match="disk"):
        record(tmp_path, finished(tmp_path))
    assert not (directory / "recorded.json").exists()


ONE = [{"experiment": "lamp", "variant": name, "factors": {}, "trials": 1} for name in ("documented", "old")]


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({"documented": "+", "old": "-"}, r"B-1 \(needs 3 trials of each variant\)\n.*\n.*--trials 3; or .*--thin"),
        ({"documented": "-", "old": "-"}, r"B-1 \(needs 2 trials of each variant\)\n.*\n.*--trials 2; or .*--thin"),
    ],
)
def test_thin_verdicts_are_recorded_only_on_demand(tmp_path: Path, shown: dict[str, str], words: str) -> None:
    """The message names the claims and the trials that they need; nothing is recorded without --thin."""
    directory = lay_out(tmp_path)
    run = finished(tmp_path, *trials(**shown), plan=ONE)
    with pytest.raises(UsageError, match=words):
        record(tmp_path, run)
    assert not (directory / "recorded.json").exists() and not (directory / "history.jsonl").exists()
    record(tmp_path, run, thin=True)
    assert files.read_json(directory / "recorded.json")["claims"][0]["thin"]


def test_pages_are_written_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk is full at the second page, the first page and recorded.json are restored."""
    directory = lay_out(tmp_path)
    first, second = tmp_path / "README.md", directory / "README.md"
    for path in (first, second):
        path.write_text(part("claims/blink"), encoding="utf-8")
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


def test_later_runs_are_compared_with_the_recorded_verdict(tmp_path: Path) -> None:
    """The next run names it for each claim."""
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
    """Claims are listed without a verdict."""
    lay_out(tmp_path)
    text = page(tmp_path, "claims/blink", "results/blink", "summary/blink: documented B-1", "scenarios: en")
    assert "| B-1 | It blinks since 1.0. | not recorded yet | — |" in text
    assert "```text\nnot recorded yet\n```" in text
    assert "| [blink](scenarios/blink/README.md) | — | not recorded yet |" in text


def test_after_a_recorded_run(tmp_path: Path) -> None:
    """Verdicts, figures, provenance and the short report are written between the markers."""
    lay_out(tmp_path)
    accept(tmp_path, run := finished(tmp_path))
    text = page(tmp_path, "claims/blink", "results/blink", "summary/blink: old B-1", "scenarios")
    assert "| B-1 | It blinks since 1.0. | **confirmed** | documented 3/3 · old 0/3 · p = 0.05 |" in text
    assert "| variant | changes | valid | blinked |\n|---|---|---|---|\n| documented | `—` | 3/3 | yes |" in text
    assert f"Run {run.name}, 2026-01-02 12:00 UTC: kernel 6.1, engine 20.10, Compose 2.26, 2 × Some CPU." in text
    assert "Base images: python:3.6 built on this host." in text
    assert "| **—** | [blink](scenarios/blink/README.md) | — | 1 confirmed |" in text
    short = text.partition("```text\n")[2].partition("\n```")[0].splitlines()
    assert short[0] == "Reproduced: “It blinks since 1.0” (in documented 3/3, in old 0/3)."
    assert short[1] == "1 confirmed · 0 refuted · 0 inconclusive"
    assert short[2].split("  ") == ["B-1", "It blinks since 1.0.", "confirmed", "documented 3/3 · old 0/3 · p = 0.05"]
    assert [line.split() for line in short[3:4] + short[5:6]] == [
        ["variant", "changes", "valid", "blinked"],
        ["old", "—", "3/3", "no"],
    ]
    assert short[6:] == [
        "… left out here: 1 variant",
        "blink · a server that blinks   2026-01-02 12:00 UTC",
        f"evidence: results/blink/{run.name}/",
    ]


def test_the_short_report_keeps_to_what_it_is_told(tmp_path: Path) -> None:
    """Claims and variants that are not named are left out; an unknown one is an error."""
    lay_out(tmp_path)
    accept(tmp_path, finished(tmp_path))
    text = page(tmp_path, "summary/blink: documented")
    assert "B-1" not in text
    assert "left out here: 1 variant, 1 claim" in text
    with pytest.raises(UsageError, match="no variant B-2"):
        page(tmp_path, "summary/blink: documented B-2")


def test_the_table_of_scenarios_in_three_languages(tmp_path: Path) -> None:
    """Headings, finding and counts are in the language of the page; a missing finding is given in English."""
    lay_out(tmp_path)
    accept(tmp_path, finished(tmp_path))
    compose = tmp_path / "scenarios" / "blink" / "compose.yaml"
    headline = "  headline: {en: It blinks., ko: 깜빡입니다.}\nservices:"
    compose.write_text(compose.read_text(encoding="utf-8").replace("services:", headline), encoding="utf-8")
    text = page(tmp_path, "scenarios: en", "scenarios: ko", "scenarios: ja")
    assert "| server | scenario | what was found | verdicts |" in text
    link = "| **—** | [blink](scenarios/blink/README.md) |"
    assert f"{link} It blinks. | 1 confirmed |" in text
    assert f"{link} 깜빡입니다. | 확인됨 1건 |" in text
    assert f"{link} It blinks. | 確認済み 1 件 |" in text


def test_the_table_of_scenarios_is_grouped_by_server(tmp_path: Path) -> None:
    """By server without regard to capitals, then by name; each server is named once; those without one come last."""
    servers = {"e": "", "d": "[nginx, gunicorn]", "c": "uWSGI", "b": "gunicorn", "a": "gunicorn"}
    for name, server in servers.items():
        document = f"document: {{title: doc-1}}\n  server: {server}" if server else "document: {title: doc-1}"
        lay_out(tmp_path, name, compose=COMPOSE.replace("document: {title: doc-1}", document))
    table = scenario_table.render([loader.load(tmp_path, name) for name in servers], "en")
    rows = [line.split(" | ")[:2] for line in table.splitlines()[2:]]
    assert [(server.strip("| "), link[1]) for server, link in rows] == [
        ("**gunicorn**", "a"),
        ("", "b"),
        ("**nginx**", "d"),
        ("**uWSGI**", "c"),
        ("**—**", "e"),
    ]


def test_the_list_of_documents(tmp_path: Path) -> None:
    """A missing fact is a dash; the title links to the document's address if there is one."""
    lay_out(tmp_path)
    assert "| doc-1 | — | — | — | — | [blink](../scenarios/blink/README.md) | — |" in page(tmp_path, "sources")
    compose = tmp_path / "scenarios" / "blink" / "compose.yaml"
    block = "{title: on | off, author: A. Writer, date: 2021, url: 'https://example.org/a', id: d1}"
    compose.write_text(compose.read_text(encoding="utf-8").replace("{title: doc-1}", block), encoding="utf-8")
    assert "| [on \\| off](https://example.org/a) | A. Writer | 2021 | — | — |" in page(tmp_path, "sources")


def test_the_table_by_setting(tmp_path: Path) -> None:
    """Setting, sentence, what was measured, verdict, number; a claim that names neither still has its row."""
    named = EXPERIMENT.replace('absent=["old"]', 'absent=["old"], setting="lamp.mode", measured=state').replace(
        "CLAIMS = ", 'def state(o):\n    return "on" if o["blinked"] else "off | dark"\n\n\nCLAIMS = '
    )
    lay_out(tmp_path, lamp=named)
    assert "| lamp.mode | B-1 | It blinks since 1.0. | — | not recorded yet | — | [lamp](lamp.py) |" in page(
        tmp_path, "settings/blink"
    )
    accept(tmp_path, finished(tmp_path))
    text = page(tmp_path, "settings/blink")
    measured = "documented: on; old: off \\| dark"
    row = f"| {measured} | **confirmed** | shown 3/3 · control 0/3 | [lamp](lamp.py) |"
    assert f"| lamp.mode | B-1 | It blinks since 1.0. {row}" in text


def test_an_invalid_variant_in_the_table(tmp_path: Path) -> None:
    """The reason and the server's last line replace the figures; the row keeps its cells."""
    lay_out(tmp_path)
    rows = [trial(), trial("old", invalid="did not start | exit code 1\nlast lines")]
    plan = [{"experiment": "lamp", "variant": row.variant, "trials": 1} for row in rows]
    accept(tmp_path, finished(tmp_path, *rows, plan=plan))
    assert "| old | `—` | 0/1 | invalid: did not start \\| exit code 1: … last lines |" in page(
        tmp_path, "results/blink"
    )


def test_an_experiment_without_columns(tmp_path: Path) -> None:
    """The table lists the variants only."""
    lay_out(tmp_path, lamp=EXPERIMENT.split("COLUMNS")[0])
    accept(tmp_path, finished(tmp_path))
    assert "| documented | `—` | 3/3 |\n" in page(tmp_path, "results/blink")


def test_some_variants_of_a_table(tmp_path: Path) -> None:
    """The rows have the order of the names, without notes; an unknown name is an error that names it."""
    lay_out(tmp_path)
    accept(tmp_path, finished(tmp_path))
    text = page(tmp_path, "results/blink: old documented")
    assert [line.split(" | ")[0] for line in text.splitlines() if "RELEASE" in line or "`—`" in line] == [
        "| old",
        "| documented",
    ]
    assert "Run 2" not in text
    with pytest.raises(UsageError, match="no variant new"):
        page(tmp_path, "results/blink: old new")


def test_a_note_of_several_lines_keeps_them() -> None:
    """A drawing made of characters needs its spaces."""
    rows = [Row("documented", "—", "1/1", (), notes=("spent: 3 s", "drawn: \n  A ──\nB   ──"))]
    lines = readme_sections._notes(rows).splitlines()
    assert lines[2:-2] == [
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
    text = page(tmp_path, "claims/blink", "scenarios")
    assert "| It blinks \\| or not since 1.0. |" in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (5, 6)


def test_all_scenarios_under_headings(tmp_path: Path) -> None:
    """A page about all of them names each; one about a single scenario does not."""
    lay_out(tmp_path, "blink")
    lay_out(tmp_path, "glow")
    text = page(tmp_path, "claims", "claims/glow")
    assert text.count("## blink: a server that blinks") == 1
    assert text.count("## glow: a server that blinks") == 1
    assert text.count("| B-1 |") == 3


# -- pages ----------------------------------------------------------------------------------------


def test_only_generated_parts_change(tmp_path: Path) -> None:
    """The text around them stays, byte for byte; writing again changes nothing."""
    lay_out(tmp_path)
    old = part("claims/blink", "old\n")
    text = f"# Title\n\nbefore \\1 \\g<0>\n{old}\nafter <!-- end -->\n"
    readme = tmp_path / "scenarios" / "blink" / "README.md"
    readme.write_text(text, encoding="utf-8")
    assert readme_sections.stale(tmp_path) == [readme]
    assert readme_sections.write(tmp_path) == [readme]
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("# Title\n\nbefore \\1 \\g<0>\n<!-- generated: claims/blink -->\n| id |")
    assert text.endswith("|\n<!-- end -->\nafter <!-- end -->\n")
    assert readme_sections.stale(tmp_path) == readme_sections.write(tmp_path) == []


def test_a_page_is_stale_once_a_run_is_recorded(tmp_path: Path) -> None:
    """A verdict edited by hand is noticed too."""
    lay_out(tmp_path)
    page(tmp_path, "claims/blink")
    accept(tmp_path, finished(tmp_path))
    readme = tmp_path / "README.md"
    assert readme_sections.stale(tmp_path) == [readme]
    readme_sections.write(tmp_path)
    readme.write_text(readme.read_text(encoding="utf-8").replace("**confirmed**", "**refuted**"), encoding="utf-8")
    assert readme_sections.stale(tmp_path) == [readme]


def test_checking_writes_nothing(tmp_path: Path) -> None:
    """The page that is out of date is unchanged."""
    lay_out(tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(part("scenarios"), encoding="utf-8")
    before = readme.read_bytes()
    assert readme_sections.stale(tmp_path) == [readme]
    assert readme.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "message"),
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
def test_a_misspelt_marker(tmp_path: Path, name: str, message: str) -> None:
    """An unknown part is an error that names the page."""
    lay_out(tmp_path)
    with pytest.raises(UsageError, match=message) as caught:
        page(tmp_path, name)
    assert "README.md" in str(caught.value)


# -- this checkout --------------------------------------------------------------------------------


def test_the_recorded_run_makes_the_pages(tmp_path: Path) -> None:
    """A real run is accepted: the README has a verdict for every claim, and no page is stale."""
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("compose.yaml", *readme_sections.PAGES):
        if (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    readme = tmp_path / "scenarios" / "socket-vanish" / "README.md"
    readme.write_text(part("claims/socket-vanish") + part("results/socket-vanish"), encoding="utf-8")
    recorded = json.loads(accept(tmp_path, recorded_run(tmp_path / "results", "whole")).read_text(encoding="utf-8"))
    readme_sections.write(tmp_path)
    text = readme.read_text(encoding="utf-8")
    for claim in recorded["claims"]:
        assert f"| {claim['id']} | {claim['text']} | **{claim['verdict']}** |" in text
    assert "| gunicorn-19.7.1 | `GUNICORN=19.7.1` | 0/1 | invalid: app did not start: exit code 1" in text
    assert readme_sections.stale(tmp_path) == []


READMES = ("README.md", "README.ko.md", "README.ja.md")
LONGEST_README = 104


def readme(name: str) -> str:
    """One of the three READMEs."""
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READMES)
def test_a_readme_is_one_screen(name: str) -> None:
    """The rest belongs to docs/usage.md or docs/verdicts.md; the links to its translations come first.

    The generated table of the scenarios grows with them and does not count.
    """
    lines = re.sub(
        r"(<!-- generated: scenarios.*?-->\n).*?(?=<!-- end -->)", r"\1", readme(name), flags=re.S
    ).splitlines()
    assert len(lines) <= LONGEST_README, f"{name}: move something to docs/"
    for other in set(READMES) - {name}:
        assert f"]({other})" in "\n".join(lines[:5]), f"{name}: link {other} below the title"


def commands(text: str) -> list[str]:
    """The commands of a page, without their comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]


def test_the_readmes_agree() -> None:
    """The same commands, the same scenarios with the same counts, the same links into docs/, the same report."""
    english, *others = [readme(name) for name in READMES]
    assert "make scenario-socket-vanish" in commands(english)
    rows = re.compile(r"^\|.*\| (\[[\w-]+\]\(scenarios/[\w./-]+\)) \|.*\| (.+) \|$", re.M)
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
def test_links_have_a_target(page: str) -> None:
    """A file of this checkout, and a heading of it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)", text):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {target} does not exist"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
            anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, f"{page}: {target} has no heading #{anchor}"


@pytest.mark.parametrize("name", loader.names(ROOT))
def test_each_scenario_names_its_document(name: str) -> None:
    """By title and language; a recorded scenario has a headline for the READMEs, at least in English."""
    scenario = loader.load(ROOT, name)
    assert scenario.document.title, f"scenarios/{name}/compose.yaml: give x-reprolab.document a title"
    assert scenario.document.language, f"scenarios/{name}/compose.yaml: give x-reprolab.document a language"
    if (scenario.directory / RECORDED).exists():
        assert scenario.headline.get("en"), f"scenarios/{name}/compose.yaml: give x-reprolab a headline, {{en: ...}}"


def test_the_table_has_words_for_every_verdict_in_every_language() -> None:
    """No count is left out of a page."""
    assert set(scenario_table.WORDS) == set(LANGUAGES)
    for words in scenario_table.WORDS.values():
        assert set(words.verdicts) == {str(verdict) for verdict in Verdict}
