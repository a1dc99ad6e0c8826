"""A run's record is held against its plan: what is damaged, missing or there twice is said, and decides nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cases import ROOT, lay_out, recorded_run, trials, write_run_json
from click.testing import CliRunner
from reprolab.cli import main
from reprolab.core import files
from reprolab.core.errors import Exit, UsageError
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.evidence.trials_file import TrialLines
from reprolab.evidence.whole import hold_against_plan
from reprolab.publish import accept, site_files
from reprolab.run.observe_again import observe_again
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import Verdict
from reprolab.verdict.record import judge_run

Damage = Callable[[list[bytes]], list[bytes]]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A complete run of the small scenario: three trials of each variant, the claim is refuted by one of them."""
    lay_out(tmp_path)
    run = RunDirectory(tmp_path / "results" / "blink" / "20260101T000000Z")
    run.path.mkdir(parents=True)
    plan = [{"experiment": "lamp", "variant": name, "trials": 3} for name in ("documented", "old")]
    write_run_json(run, status="complete", plan=plan)
    for row in trials(documented="---", old="---"):
        run.append(row)
    return run


@pytest.fixture
def blink(tmp_path: Path, run: RunDirectory) -> Scenario:
    """The small scenario."""
    return loader.load(tmp_path, "blink")


def damage(run: RunDirectory, change: Damage) -> None:
    """Change the lines of trials.jsonl."""
    path = run.path / "trials.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def flip(line: bytes) -> bytes:
    """A line whose observation says the opposite; it is JSON all the same."""
    return line.replace(b"false", b"true ")


DAMAGED: dict[str, tuple[Damage, str]] = {
    "a changed value": (
        lambda lines: [lines[0], flip(lines[1]), *lines[2:]],
        "trials.jsonl, line 2 is damaged: its checksum is that of another content",
    ),
    "no JSON": (lambda lines: [lines[0], b"{\n", *lines[2:]], "trials.jsonl, line 2 is damaged: it is not JSON"),
    "a list": (lambda lines: [lines[0], b"[]\n", *lines[2:]], "trials.jsonl, line 2 is damaged: it is not an object"),
    "no checksum": (
        lambda lines: [lines[0], lines[1].partition(b', "crc32"')[0] + b"}\n", *lines[2:]],
        "trials.jsonl, line 2 is damaged: it has no checksum, as other lines have",
    ),
    "a missing line": (
        lambda lines: [lines[0], *lines[2:]],
        "trials.jsonl lacks trials of lamp/documented (2 of 3)",
    ),
    "a torn line of a complete run": (
        lambda lines: [*lines[1:], lines[0][:40]],
        "trials.jsonl lacks trials of lamp/documented (2 of 3)",
    ),
    "no line of a variant": (lambda lines: lines[:3], "trials.jsonl lacks trials of lamp/old (0 of 3)"),
    "no line at all": (lambda lines: [], "trials.jsonl lacks trials of lamp/documented (0 of 3)"),
    "a line twice": (
        lambda lines: [*lines, lines[1]],
        "trials.jsonl, lines 2 and 7 both hold trial 2 of lamp/documented",
    ),
    "a line too many": (lambda lines: [*lines, b"nonsense\n"], "trials.jsonl, line 7 is damaged: it is not JSON"),
}


@pytest.fixture(params=DAMAGED)
def fault(request: pytest.FixtureRequest, run: RunDirectory) -> str:
    """What is said of the run after one damage."""
    change, text = DAMAGED[request.param]
    damage(run, change)
    return text


def test_a_sound_run_has_no_faults(run: RunDirectory, blink: Scenario) -> None:
    """Each line has a checksum, and the plan's trials are all there."""
    checked = run.checked_trials()
    assert (checked.faults, checked.notes, checked.doubted) == ((), (), {})
    assert [row.trial for row in checked.records] == [1, 2, 3, 1, 2, 3]
    assert judge_run(blink, run).claims[0].verdict == Verdict.REFUTED


def test_a_damaged_run_decides_nothing(fault: str, run: RunDirectory, blink: Scenario) -> None:
    """The claim is inconclusive, and the reason names file and line; no trial counts twice."""
    verdict = judge_run(blink, run)
    assert fault in run.checked_trials().faults
    assert (verdict.claims[0].verdict, verdict.claims[0].p) == (Verdict.INCONCLUSIVE, None)
    assert verdict.claims[0].why in run.checked_trials().faults
    assert all(row.trials <= 3 for row in verdict.variants.values())
    assert verdict.asked(verdict.claims[0])


def test_every_reader_tells_it(fault: str, run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal, report.txt, the page and the site; judge ends with 3; nothing is put on record."""
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    done = CliRunner().invoke(main.main, ["html", str(run.path)])
    assert done.exit_code == Exit.AS_RECORDED, done.output
    judged = CliRunner().invoke(main.main, ["judge", str(run.path)])
    assert judged.exit_code == Exit.INCONCLUSIVE
    for text in (judged.output, *((run.path / name).read_text() for name in ("report.txt", "report.html"))):
        assert fault in " ".join(text.split()).replace("&#39;", "'")
    with pytest.raises(UsageError, match="is incomplete"):
        accept.record(tmp_path, run)
    assert not (tmp_path / "scenarios" / "blink" / "recorded.json").exists()
    (run.path.parent / "latest").symlink_to(run.name)
    draft = tmp_path / "draft"
    draft.mkdir()
    published = site_files.copy_report(tmp_path, loader.load(tmp_path, "blink"), "", draft, draft)
    assert published.status == "incomplete"


def test_a_page_does_not_trust_an_earlier_verdict(run: RunDirectory, tmp_path: Path, blink: Scenario) -> None:
    """The trials were damaged after the run was judged."""
    judge_run(blink, run)
    damage(run, lambda lines: lines[1:])
    from reprolab.report.write import write_page

    assert "1 inconclusive" in write_page(blink, run).read_text(encoding="utf-8")


def test_only_the_claims_on_a_damaged_variant_are_open(tmp_path: Path) -> None:
    """The planned trials tell whose the damaged line was."""
    run, scenario = recorded_run(tmp_path, "whole"), loader.load(ROOT, "socket-vanish")
    before = {claim.id: claim for claim in judge_run(scenario, run).claims}
    damage(run, lambda lines: [b"{\n" if b'"gunicorn-19.5.0"' in line else line for line in lines])
    after = judge_run(scenario, run).claims
    changed = {claim.id for claim in after if claim.verdict != before[claim.id].verdict}
    needing = {claim.id for claim in after if "gunicorn-19.5.0" in claim.variants}
    decided = {name for name, claim in before.items() if claim.verdict != Verdict.INCONCLUSIVE}
    assert changed == needing & decided != set()
    assert set(run.checked_trials().doubted) == {("vanish", "gunicorn-19.5.0")}


def test_a_torn_last_line_of_a_run_that_was_killed_is_told(run: RunDirectory, blink: Scenario) -> None:
    """It is no fault: the trial had not ended."""
    run.write_info(replace(run.info(), status="aborted"))
    damage(run, lambda lines: [*lines[:-1], lines[-1][:50]])
    checked = run.checked_trials()
    assert checked.faults == ()
    assert checked.lines == ["trials.jsonl, line 6 is torn: the run ended while it was written"]
    assert judge_run(blink, run).claims[0].verdict == Verdict.REFUTED


def test_a_run_that_was_killed_lacks_nothing(run: RunDirectory) -> None:
    """What it had not run yet is not missing, but a damaged line concerns every variant."""
    run.write_info(replace(run.info(), status="aborted"))
    damage(run, lambda lines: lines[:2])
    assert run.checked_trials().faults == ()
    damage(run, lambda lines: [lines[0], flip(lines[1])])
    assert set(run.checked_trials().doubted) == {("lamp", "documented"), ("lamp", "old")}


def test_a_run_of_an_older_release_has_no_checksums(run: RunDirectory) -> None:
    """It is read as before; that other damage may not show is said where some shows."""
    damage(run, lambda lines: [line.partition(b', "crc32"')[0] + b"}\n" for line in lines])
    assert (run.checked_trials().faults, run.checked_trials().notes) == ((), ())
    damage(run, lambda lines: lines[1:])
    (note,) = run.checked_trials().notes
    assert "no checksums" in note


def test_trials_that_are_written_anew_have_checksums(run: RunDirectory) -> None:
    """Observing again rewrites the file, and refuses where a line is damaged."""
    run.replace_trials(run.trials())
    assert run.checked_trials().faults == ()
    assert all("crc32" in json.loads(line) for line in (run.path / "trials.jsonl").open())
    first = run.path / "trials.first.jsonl"
    first.write_bytes(flip(first.read_bytes()))
    with pytest.raises(UsageError, match=r"trials\.first\.jsonl, line 1 is damaged"):
        run.first_trials()


def test_a_trial_that_is_added_later_is_read_again_too(run: RunDirectory) -> None:
    """A cell gets further trials; the next reading begins with what was recorded first, and must not lose them."""
    run.replace_trials(run.trials())
    added = replace(run.trials()[-1], trial=99)
    run.append(added)
    assert added in run.trials()
    assert RunDirectory(run.path).first_trials() == run.trials()


def test_observing_again_refuses_a_damaged_run(run: RunDirectory, blink: Scenario) -> None:
    """Writing the other trials anew would hide the fault."""
    damage(run, lambda lines: lines[1:])
    before = (run.path / "trials.jsonl").read_bytes()
    with pytest.raises(UsageError, match="is incomplete"):
        observe_again(blink, run)
    assert (run.path / "trials.jsonl").read_bytes() == before


def test_a_plan_of_any_size_is_checked_at_once() -> None:
    """A damaged number must not fill the memory."""
    plan = [{"experiment": "lamp", "variant": "documented", "trials": 10**15}]
    info = RunInfo.from_json({"scenario": "blink", "status": "complete", "plan": plan})
    assert hold_against_plan(TrialLines(), info, "trials.jsonl").words.endswith("(0 of 1000000000000000)")


@pytest.mark.parametrize("name", ["whole", "partial"])
def test_recorded_runs_are_sound(tmp_path: Path, name: str) -> None:
    """Those of earlier releases too."""
    run = recorded_run(tmp_path, name)
    assert run.checked_trials().faults == ()
    assert files.read_json(run.path / "run.json")["plan"]


def test_a_trial_that_the_plan_has_not_decides_nothing(run: RunDirectory, blink: Scenario) -> None:
    """A line of another run, say."""
    run.write_info(replace(run.info(), checksums=True))
    for row in trials(documented="----", old="---", dim="-"):
        if row.trial == 4 or row.variant == "dim":
            run.append(row)
    verdict = judge_run(blink, run)
    faults = run.checked_trials().faults
    assert faults == (
        "trials.jsonl has trial 4 of lamp/documented, which run.json has not in its plan",
        "trials.jsonl has trial 1 of lamp/dim, which run.json has not in its plan",
    )
    assert verdict.claims[0].verdict is Verdict.INCONCLUSIVE


def test_lines_that_have_lost_their_checksums_decide_nothing(run: RunDirectory, blink: Scenario) -> None:
    """The run says that it wrote them. Without that word it is a run of an older release."""
    damage(run, lambda lines: [line.partition(b', "crc32"')[0] + b"}\n" for line in lines])
    assert judge_run(blink, run).claims[0].verdict is Verdict.REFUTED
    run.write_info(replace(run.info(), checksums=True))
    assert judge_run(blink, run).claims[0].verdict is Verdict.INCONCLUSIVE
    assert "have lost their checksums" in run.checked_trials().words
