"""Cells: what is measured again, what counts from before, and what is kept apart."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, load
from reprolab.core.errors import BaseImageError, LabError
from reprolab.core.terminal import Terminal
from reprolab.engine.host_facts import Host
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import BuiltImage, Image, ObservedAgain, RunInfo
from reprolab.evidence.trials_file import TORN
from reprolab.matrix.collect import hosts_of
from reprolab.measure import local, pages
from reprolab.measure.cell import Cell, CellResult
from reprolab.measure.key import cell_key, same_images
from reprolab.measure.local import LocalMeasurer, lacking
from reprolab.measure.progress import CellProgress
from reprolab.measure.store import CellStore, cell_info
from reprolab.run.observer import RunObserver
from reprolab.run.plan import PlannedVariant
from reprolab.run.rounds import Step
from reprolab.run.runner import NO_STACK, Prepared
from reprolab.scenario import loader
from reprolab.scenario.digest import CaseFiles
from reprolab.scenario.model import CUSTOM, Claim, Scenario
from reprolab.scenario.trial import TrialRecord

LAMP = Cell("lamp")
OWNER = {"reprolab.run": "one"}
MODEL = {"services": {"blink-app": {"image": "reprolab/blink-app:1", "labels": {"reprolab.run": "one", "kept": "x"}}}}
BUILT = {"blink-app": BuiltImage(Image("reprolab/blink-app:1", "sha256:a"))}


def claim(**more: Any) -> Claim:
    """A claim of the small scenario."""
    return Claim("B-1", "It blinks.", sign=lambda o: bool(o["blinked"]), shows=["documented"], **more)


def trial(number: int = 1, blinked: bool = True, **more: Any) -> TrialRecord:
    """A trial with its observation."""
    return TrialRecord("lamp", CUSTOM, number, {}, {"blinked": blinked}, **more)


def invalid(number: int, busy: str = "") -> TrialRecord:
    """A trial whose stack did not start."""
    return trial(number, invalid="the stack did not come up", busy=busy)


EXERCISED = claim(trigger=lambda o: bool(o["blinked"]))


@pytest.mark.parametrize(
    ("wanted", "records", "rule", "more"),
    [
        (3, [], claim(), 3),
        (3, [trial(1)], claim(), 2),
        (3, [trial(1), trial(2), trial(3)], claim(), 0),
        # A trial that is invalid is repeated, at most twice beyond what was wanted.
        (3, [trial(1), invalid(2), trial(3)], claim(), 1),
        (3, [trial(1), invalid(2), invalid(3), invalid(4), invalid(5)], claim(), 0),
        # What does not start twice will not start; nor will a trigger that did not happen twice.
        (3, [invalid(1)], claim(), 1),
        (3, [invalid(1), invalid(2)], claim(), 0),
        (3, [trial(1, False), trial(2, False)], EXERCISED, 0),
        # Other work may end: busy trials are repeated although none counts yet.
        (2, [trial(1, busy="x"), trial(2, busy="x")], claim(needs_idle=True), 1),
        (1, [invalid(1, "x"), invalid(2, "x")], claim(), 1),
        (1, [invalid(1, "x"), invalid(2, "x"), invalid(3, "x")], claim(), 0),
    ],
)
def test_as_many_trials_are_added_as_count_is_lacking(
    wanted: int, records: list[TrialRecord], rule: Claim, more: int
) -> None:
    """How many trials are added to those that are there."""
    assert lacking(wanted, records, [rule]) == more


@pytest.mark.parametrize(
    ("kept", "rule", "more"),
    [
        ([invalid(1, "x"), invalid(2, "x"), invalid(3, "x")], claim(), 1),
        ([trial(1, busy="x"), trial(2, busy="x"), trial(3, busy="x")], claim(needs_idle=True), 1),
        # Nothing disturbed these.
        ([invalid(1), invalid(2)], claim(), 0),
        ([trial(1, busy="x")], claim(), 0),
    ],
)
def test_disturbed_trials_of_an_earlier_question_are_run_again(kept: list[TrialRecord], rule: Claim, more: int) -> None:
    """A cell that no trial could tell of on a busy machine is measured by the next question."""
    assert lacking(1, kept, [rule], len(kept)) == more
    assert lacking(1, [*kept, trial(9)], [rule], len(kept)) == 0


def test_the_reason_of_an_invalid_trial_names_the_other_work() -> None:
    """A start that failed on a starved machine says nothing of the stack."""
    busy = "other work used 1.9 of 2 processors (95 %)"
    reasons = CellResult(Cell("lamp"), (invalid(1, busy), invalid(2))).invalid
    assert reasons == ["the stack did not come up", f"while {busy}: the stack did not come up"]


def test_the_line_of_a_trial_names_the_factors_of_the_question(scenario: Scenario) -> None:
    """Also where the value is the documented one: who asked for two factors wants to see both."""
    stream = StringIO()
    progress = CellProgress(scenario, [claim()], Terminal(file=stream, width=120), print, ["RELEASE", "WORKERS"])
    progress.trial_ends(trial(1))
    plain = CellProgress(scenario, [claim()], Terminal(file=stream, width=120), print)
    plain.trial_ends(trial(1))
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("[1] RELEASE=1.0 WORKERS=2 #1  B-1 shows")
    assert lines[1].startswith("[1] documented #1  B-1 shows")


def test_every_claim_must_have_its_trials() -> None:
    """A trial that one of two claims does not count is repeated for it."""
    records = [trial(1), trial(2, False)]
    assert lacking(2, records, [claim(), EXERCISED]) == 1
    assert lacking(2, records, [claim()]) == 0


def test_the_key_is_that_of_the_stack_and_not_of_the_run(tmp_path: Path) -> None:
    """Owner and place of the checkout do not count; the model, the files and the experiment do."""
    scenario = load(tmp_path / "here")
    key = cell_key(scenario, LAMP, MODEL, OWNER)
    service = MODEL["services"]["blink-app"]
    other_run = {"services": {"blink-app": {**service, "labels": {"reprolab.run": "two", "kept": "x"}}}}
    assert cell_key(scenario, LAMP, other_run, OWNER) == key
    assert cell_key(load(tmp_path / "there"), LAMP, MODEL, OWNER) == key
    assert cell_key(scenario, LAMP, {**MODEL, "x-reprolab": {"finding": "It blinks."}}, OWNER) == key
    changed = {"services": {"blink-app": {**service, "environment": {"WORKERS": "3"}}}}
    assert cell_key(scenario, LAMP, changed, OWNER) != key
    assert cell_key(scenario, Cell("other"), MODEL, OWNER) != key
    assert cell_key(scenario, Cell("lamp", (("LOAD_DURATION", "5"),)), MODEL, OWNER) != key, "in no model"
    (scenario.directory / "lamp.py").write_text("# changed\n", encoding="utf-8")
    assert cell_key(scenario, LAMP, MODEL, OWNER) != key


def test_the_places_of_the_lab_folder_and_of_its_images_do_not_count(tmp_path: Path) -> None:
    """A shared image is in the checkout, in the folder itself, or in the package of the installed lab."""

    def key(folder: Path, images: Path) -> str:
        scenario = loader.load(folder, "blink")
        build = {"context": f"{folder}/scenarios/blink", "dockerfile": f"{images}/nginx/Dockerfile"}
        model = {"services": {"blink-app": {**MODEL["services"]["blink-app"], "build": build}}}
        return cell_key(scenario, LAMP, model, OWNER)

    for name in ("here", "there"):
        load(tmp_path / name)
    assert key(tmp_path / "here", tmp_path / "here/images") == key(tmp_path / "there", ROOT / "images")


def test_an_image_that_was_built_anew_is_another_one() -> None:
    """A name of an image says what went into it, but pip may install other packages on another day."""
    assert same_images({"app:1": "sha256:a"}, {"app:1": "sha256:a", "app:2": "sha256:b"})
    assert same_images({"app:1": "sha256:a"}, {})
    assert not same_images({"app:1": "sha256:a"}, {"app:1": "sha256:b"})


def test_a_cell_has_only_the_factors_that_differ(tmp_path: Path) -> None:
    """A setting that is the documented value is no change."""
    scenario = load(tmp_path)
    cell = Cell.of(scenario, "lamp", {"WORKERS": "2", "RELEASE": "0.9"})
    assert cell == Cell("lamp", (("RELEASE", "0.9"),))
    assert (cell.words, Cell("lamp").words) == ("RELEASE=0.9", "documented")


class FakeRunner:
    """Runs trials by a function, in the directories of the cells; the rest is that of a runner."""

    def __init__(self, outcome: Callable[[Step], TrialRecord]) -> None:
        self.outcome, self.places, self.bases, self.observer = outcome, {}, {}, RunObserver()
        self.run, self.engine, self.client = RunDirectory(Path("unused")), None, None
        self.before_keeping: Callable[[], None] = lambda: None
        self.images = BUILT
        self.without: dict[str, str] = {}
        self.built_keys: list[str] = []

    def resolve(self, variants: Sequence[PlannedVariant], *, all_needed: bool = True) -> list[Prepared]:
        if all_needed and self.without:
            raise BaseImageError("no base image")
        return [
            Prepared(variant, NO_STACK, lacks="no base image")
            if variant.changes.items() & self.without.items()
            else Prepared(variant, {"services": {"blink-app": {"image": variant.key}}})
            for variant in variants
        ]

    def start_builds(self, prepared: Sequence[Prepared]) -> None:
        self.built_keys += [item.key for item in prepared]

    def built(self, item: Prepared) -> Prepared:
        bad = "bad" in item.key
        return Prepared(item.variant, item.model, "image build failed: no such release" if bad else "", self.images)

    def run_steps(self, steps: Sequence[Step], by_key: dict[str, Prepared]) -> None:
        for step in steps:
            record = self.outcome(step)
            self.before_keeping()
            self.places[step.variant.key].append(record)


def shows(step: Step) -> TrialRecord:
    """A trial that shows the sign."""
    return TrialRecord("lamp", CUSTOM, step.number, step.variant.changes, {"blinked": True})


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """The small scenario."""
    return load(tmp_path / "checkout")


def measurer(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Any = shows, **more: Any
) -> LocalMeasurer:
    """A measurer whose trials end as ``outcome`` says."""
    monkeypatch.setattr(local.host_facts, "facts_of", lambda engine, api: Host())
    monkeypatch.setattr(LocalMeasurer, "_images", lambda self: iter(()))
    runner: Any = FakeRunner(outcome)
    files = CaseFiles.of(scenario.directory)
    return LocalMeasurer(scenario, runner, CellStore(tmp_path / "results", scenario), files, **more)


OLD = Cell("lamp", (("RELEASE", "0.9"),))


def test_a_missing_base_image_is_the_obstacle_of_its_cells_alone(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map or a bisect has a hole there, and goes on."""
    question = measurer(scenario, tmp_path, monkeypatch)
    question.runner.without = {"RELEASE": "0.9"}  # type: ignore[attr-defined]
    results = question.measure({OLD: 1, Cell("lamp"): 1}, [claim()])
    assert (results[OLD].obstacle, results[OLD].records) == ("no base image", ())
    assert results[Cell("lamp")].count(claim()).words == "1/1"


def test_what_was_measured_is_not_measured_again(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second question runs only what is lacking; with `fresh` nothing from before counts, and nothing is lost."""
    first = measurer(scenario, tmp_path, monkeypatch)
    assert first.measure({OLD: 2}, [claim()])[OLD].count(claim()).words == "2/2"
    assert (first.trials_run, first.trials_kept) == (2, 0)
    second = measurer(scenario, tmp_path, monkeypatch)
    result = second.measure({OLD: 3}, [claim()])[OLD]
    assert (second.trials_run, second.trials_kept, result.kept) == (1, 2, 2)
    assert [record.trial for record in result.records] == [1, 2, 3]
    anew = measurer(scenario, tmp_path, monkeypatch, fresh=True)
    assert [record.trial for record in anew.measure({OLD: 1}, [claim()])[OLD].records] == [4]
    assert len(measurer(scenario, tmp_path, monkeypatch).measure({OLD: 1}, [claim()])[OLD].records) == 4


def test_nothing_is_built_for_a_cell_that_has_its_trials(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept trials need no image."""
    measurer(scenario, tmp_path, monkeypatch).measure({OLD: 1}, [claim()])
    again = measurer(scenario, tmp_path, monkeypatch)
    again.measure({OLD: 1}, [claim()])
    assert again.runner.built_keys == []  # type: ignore[attr-defined]


def test_an_image_that_cannot_be_built_is_an_obstacle_and_no_trial(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other cells are measured."""
    bad = Cell("lamp", (("RELEASE", "bad"),))
    results = measurer(scenario, tmp_path, monkeypatch).measure({OLD: 1, bad: 1}, [claim()])
    assert results[OLD].count(claim()).words == "1/1"
    assert "no such release" in results[bad].obstacle
    assert (results[bad].records, results[bad].directory) == ((), None)


def test_an_interrupted_question_goes_on_where_it_was(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trials that ended are kept; a trial whose record is missing is not mistaken for another one."""

    def interrupted(step: Step) -> TrialRecord:
        if step.number == 2:
            raise KeyboardInterrupt
        return shows(step)

    broken_off = measurer(scenario, tmp_path, monkeypatch, interrupted)
    with pytest.raises(KeyboardInterrupt):
        broken_off.measure({OLD: 3}, [claim()])
    kept = len(next((tmp_path / "results").rglob("trials.jsonl")).read_text(encoding="utf-8").splitlines())
    later = measurer(scenario, tmp_path, monkeypatch)
    assert later.measure({OLD: 3}, [claim()])[OLD].count(claim()).words == "3/3"
    assert (later.trials_kept, later.trials_run) == (kept, 3 - kept)


def test_a_directory_without_a_record_is_never_written_again(scenario: Scenario, tmp_path: Path) -> None:
    """The evidence of a half trial stays as it is; the next trial has another number."""
    kept = CellStore(tmp_path, scenario).open(OLD, "key", {})
    kept.run.trial("lamp", CUSTOM, 4).write("driven.json", {})
    assert kept.next_number() == 5


def test_a_cell_whose_images_changed_or_whose_file_is_damaged_begins_anew(scenario: Scenario, tmp_path: Path) -> None:
    """Its old trials stay where they are."""
    store = CellStore(tmp_path, scenario)
    kept = store.open(OLD, "key", {})
    store.begin(kept, cell_info(scenario, OLD, Host(), {}, BUILT), 1)
    kept.run.append(trial(1))
    store.end(kept)
    reference = BUILT["blink-app"].image.reference
    assert store.open(OLD, "key", {reference: "sha256:a"}).run.path.name == "key"
    assert store.open(OLD, "key", {reference: "sha256:b"}).run.path.name == "key-2"
    (kept.run.path / "run.json").write_text("{", encoding="utf-8")
    assert store.open(OLD, "key", {}).run.path.name == "key-2"
    shutil.rmtree(kept.run.path)
    assert store.open(OLD, "key", {}).records() == ()


def test_a_damaged_trial_is_measured_again(scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line does not count, and its number is not used again."""
    measurer(scenario, tmp_path, monkeypatch).measure({OLD: 2}, [claim()])
    file = next((tmp_path / "results").rglob("trials.jsonl"))
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text(lines[0] + lines[1].replace("true", "false"), encoding="utf-8")
    result = measurer(scenario, tmp_path, monkeypatch).measure({OLD: 2}, [claim()])[OLD]
    assert result.count(claim()).words == "2/2"


def test_cells_whose_values_hold_spaces_are_not_taken_for_each_other(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One value may read like that and the next factor; the trial of each runs on its own stack."""
    both, one = Cell("lamp", (("RELEASE", "1"), ("WORKERS", "3"))), Cell("lamp", (("RELEASE", "1 WORKERS=3"),))
    lab = measurer(scenario, tmp_path, monkeypatch)
    results = lab.measure({both: 1, one: 1}, [claim()])
    assert lab.trials_run == 2
    assert {len(RunDirectory(result.directory).trials()) for result in results.values() if result.directory} == {1}
    assert {cell: [dict(r.factors) for r in result.records] for cell, result in results.items()} == {
        both: [both.settings],
        one: [one.settings],
    }


@pytest.mark.parametrize(("other", "name"), [(False, ""), (True, "2")])
def test_trials_that_were_read_again_with_other_files_do_not_count(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: bool, name: str
) -> None:
    """Their observations are of another observe(), though the key is that of these files again."""
    measurer(scenario, tmp_path, monkeypatch).measure({OLD: 1}, [claim()])
    run = RunDirectory(recorded(tmp_path).parent)
    info = run.info()
    run.write_info(replace(info, observed=ObservedAgain("now", 1, case="sha256:other" if other else info.case)))
    result = measurer(scenario, tmp_path, monkeypatch).measure({OLD: 2}, [claim()])[OLD]
    assert result.directory
    assert (result.kept, result.directory.name.partition("-")[2]) == (0 if other else 1, name)
    assert bool(RunDirectory(result.directory).info().observed) is not other


def test_the_machine_of_the_trials_before_an_update_stays_known(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not said to be of the new kernel. On one machine there is one host."""

    def asked(kernel: str, wanted: int) -> RunInfo:
        lab = measurer(scenario, tmp_path, monkeypatch)
        monkeypatch.setattr(local.host_facts, "facts_of", lambda engine, api: Host(kernel=kernel))
        directory = lab.measure({OLD: wanted}, [claim()])[OLD].directory
        assert directory
        return RunDirectory(directory).info()

    asked("6.1", 1)
    assert asked("6.1", 2).hosts == {}
    info = asked("6.2", 3)
    assert info.host.kernel == "6.2"
    ((name, before),) = info.hosts.items()
    assert (name.partition(" ")[0], before.host.kernel, before.images) == ("until", "6.1", info.images)
    result = measurer(scenario, tmp_path, monkeypatch).measure({OLD: 3}, [claim()])[OLD]
    assert hosts_of([result]) == (f"{name}: kernel 6.1", "kernel 6.2")


def recorded(tmp_path: Path) -> Path:
    """The file of trials of the only cell."""
    return next((tmp_path / "results").rglob("trials.jsonl"))


@pytest.mark.parametrize(("cut", "kept"), [(1, 2), (20, 1), (10_000, 0)])
def test_a_trial_after_a_torn_line_is_not_lost(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int, kept: int
) -> None:
    """A killed process or a full disk leaves half a line. It is kept beside the file, and the record is sound again."""
    measurer(scenario, tmp_path, monkeypatch).measure({OLD: 2}, [claim()])
    file = recorded(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1][:-cut] if cut < len(lines[1]) else lines[0][:10])
    later = measurer(scenario, tmp_path, monkeypatch)
    result = later.measure({OLD: 3}, [claim()])[OLD]
    assert (result.count(claim()).words, later.trials_kept, later.trials_run) == ("3/3", kept, 3 - kept)
    assert RunDirectory(file.parent).checked_trials().faults == ()
    assert file.with_name(TORN).exists() is (cut > 1)


def test_a_line_of_another_cell_does_not_count(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has copied a directory, or added one file to another."""
    measurer(scenario, tmp_path, monkeypatch).measure({OLD: 1}, [claim()])
    run = RunDirectory(recorded(tmp_path).parent)
    sound = run.trials()[0]
    for number, changes in enumerate([{"factors": {}}, {"variant": "documented"}, {"experiment": "other"}], 7):
        run.append(replace(sound, trial=number, **changes))
    later = measurer(scenario, tmp_path, monkeypatch)
    assert [record.trial for record in later.measure({OLD: 2}, [claim()])[OLD].records] == [1, 10]


def test_the_files_of_a_case_must_stay_as_they_were(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python in memory is that of before: no trial may count for the files of now, nor for those of before."""

    def edits(step: Step) -> TrialRecord:
        if step.variant.changes and step.number == 2:
            (scenario.directory / "lamp.py").write_text("# changed\n", encoding="utf-8")
        return shows(step)

    first = measurer(scenario, tmp_path, monkeypatch, edits)
    with pytest.raises(LabError, match="the files of the case were changed while it was measured"):
        first.measure({OLD: 3}, [claim()])
    assert [record.trial for record in RunDirectory(recorded(tmp_path).parent).trials()] in ([1], [1, 3], [3], [])
    with pytest.raises(LabError, match="were changed"):
        first.measure({LAMP: 0}, [claim()])
    assert not measurer(scenario, tmp_path, monkeypatch).measure({LAMP: 0}, [claim()])[LAMP].records


def test_who_only_looks_at_a_file_changes_nothing(scenario: Scenario) -> None:
    """An editor writes files of its own meanwhile; a hidden file of the case counts."""
    files = CaseFiles.of(scenario.directory)
    for name in (".lamp.py.swp", "lamp.py~", "#lamp.py#", "4913", ".DS_Store", "__pycache__/lamp.pyc"):
        (scenario.directory / name).parent.mkdir(exist_ok=True)
        (scenario.directory / name).touch()
    files.check()
    (scenario.directory / ".dockerignore").touch()
    with pytest.raises(LabError, match="were changed"):
        files.check()


def test_trials_of_images_with_other_packages_are_not_added_up(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images were removed and built anew. With the same packages the trials are of the same stack."""

    def asked(identity: str, flask: str, wanted: int) -> tuple[str, int, int, str]:
        lab = measurer(scenario, tmp_path, monkeypatch)
        image = Image("reprolab/blink-app:1", identity)
        lab.runner.images = {"blink-app": BuiltImage(image, {"pip": {"flask": flask}})}  # type: ignore[attr-defined]
        result = lab.measure({OLD: wanted}, [claim()])[OLD]
        assert result.directory
        return result.count(claim()).words, lab.trials_kept, lab.trials_run, result.directory.name.partition("-")[2]

    assert asked("sha256:a", "2.0", 1) == ("1/1", 0, 1, "")
    assert asked("sha256:b", "2.0", 2) == ("2/2", 1, 1, "")
    assert asked("sha256:c", "2.1", 3) == ("3/3", 0, 3, "2")


def test_the_page_of_a_cell_goes_when_it_gets_new_trials(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The times of files do not tell that it is old: the clock may have been set back."""
    measurer(scenario, tmp_path, monkeypatch).measure({OLD: 1}, [claim()])
    page = recorded(tmp_path).with_name("report.html")
    page.touch()
    measurer(scenario, tmp_path, monkeypatch).measure({OLD: 1}, [claim()])
    assert page.exists()
    measurer(scenario, tmp_path, monkeypatch).measure({OLD: 2}, [claim()])
    assert not page.exists()


@pytest.mark.parametrize("kind", ["directory", "link"])
def test_a_cell_that_cannot_be_read_begins_anew(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """In a directory beside it, which stays as it is."""
    measurer(scenario, tmp_path, monkeypatch).measure({OLD: 1}, [claim()])
    file = recorded(tmp_path)
    if kind == "directory":
        file.unlink()
        file.mkdir()
    else:
        shutil.rmtree(file.parent)
        file.parent.symlink_to("nowhere")
    result = measurer(scenario, tmp_path, monkeypatch).measure({OLD: 1}, [claim()])[OLD]
    assert result.directory
    assert (result.directory.name, result.count(claim()).words) == (f"{file.parent.name}-2", "1/1")


def test_an_error_of_the_lab_ends_the_question(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no property of a cell."""

    def fails(step: Step) -> TrialRecord:
        raise LabError("the disk is full")

    with pytest.raises(LabError, match="disk"):
        measurer(scenario, tmp_path, monkeypatch, fails).measure({OLD: 1}, [claim()])


def test_a_map_of_thousands_does_not_wait_for_all_its_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line says how one that was left out can be written."""
    for number in range(3):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "trials.jsonl").touch()
    written: list[str] = []
    lines: list[str] = []
    monkeypatch.setattr(pages, "MOST", 2)
    monkeypatch.setattr(pages, "judge_run", lambda scenario, run: None)
    monkeypatch.setattr(pages.write, "write_page", lambda scenario, run: written.append(run.path.name))
    pages.write_pages(load(tmp_path / "checkout"), [tmp_path / f"{number}" for number in range(3)], lines.append)
    assert written == ["0", "1"]
    assert lines[0] == "writing the pages of 2 cells"
    assert lines[1].startswith("the pages of 1 further cell are left out; `")
    assert lines[1].endswith("/2` writes the first")


def test_the_images_of_an_engine_are_asked_for_at_once() -> None:
    """Another process may remove one between the list and a question about it."""
    rows = [
        {"Id": "sha256:1", "RepoTags": ["reprolab/blink-app:1", "reprolab/blink-app:2"]},
        {"Id": "sha256:2", "RepoTags": ["<none>:<none>"]},
        {"Id": "sha256:3", "RepoTags": None},
    ]
    client: Any = SimpleNamespace(api=SimpleNamespace(images=lambda filters: rows))
    names = ("reprolab/blink-app:1", "reprolab/blink-app:2")
    assert dict(local.lab_images(client)) == dict.fromkeys(names, "sha256:1")
