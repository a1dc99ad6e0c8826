"""A run from options to verdict: the plan, and the files that every run leaves."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from cases import EXPERIMENT, claim, in_memory, lay_out, load, trial, trials
from reprolab.core import files
from reprolab.core.errors import EngineError, EvidenceError, Exit, LabError, UsageError
from reprolab.engine import leftovers
from reprolab.evidence import lookup, run_dir
from reprolab.evidence.run_info import BuiltImage, Image, RoundsInfo
from reprolab.report.html import report
from reprolab.run import progress, session
from reprolab.run.plan import RunOptions, make_plan
from reprolab.run.progress import Progress
from reprolab.run.session import Session
from reprolab.scenario import loader
from reprolab.scenario.model import Experiment
from rich.console import Console


def planned(scenario: Any, **options: Any) -> list[tuple[str, str, dict[str, str], int]]:
    """The plan as (experiment, variant, factors, trials) rows."""
    plan = make_plan(scenario, RunOptions("blink", **options))
    return [(v.experiment.name, v.name, dict(v.changes), v.trials) for v in plan.variants]


# -- the plan -------------------------------------------------------------------------------------


def test_without_options_everything_runs(tmp_path: Path) -> None:
    """Every variant runs, in the file's order, with the experiment's number of trials."""
    scenario = load(tmp_path)
    assert planned(scenario) == [("lamp", "documented", {}, 3), ("lamp", "old", {"RELEASE": "0.9"}, 3)]
    assert make_plan(scenario, RunOptions("blink")).trials == 6


def test_some_variants(tmp_path: Path) -> None:
    """They run in the file's order, and once each, whatever the order of the options."""
    scenario = load(tmp_path)
    rows = planned(scenario, variants=("old", "documented", "old"), trials=7)
    assert [(name, n) for _, name, _, n in rows] == [("documented", 7), ("old", 7)]


def test_set_makes_a_variant_of_its_own(tmp_path: Path) -> None:
    """It has the documented values and these factors; no other variant runs."""
    scenario = load(tmp_path)
    assert planned(scenario, settings={"WORKERS": "9"}) == [("lamp", "custom", {"WORKERS": "9"}, 3)]
    assert planned(scenario, settings={"WORKERS": "9"}, trials=1)[0][3] == 1


def test_one_experiment_of_several() -> None:
    """Only this experiment runs; a variant of another experiment is then unknown."""
    bulb = Experiment("bulb", {"dim": {}}, 2, lambda stack: {}, ())
    scenario = in_memory(claim(), also=(bulb,))
    assert [row[0] for row in planned(scenario)] == ["lamp", "bulb"]
    assert planned(scenario, experiment="bulb") == [("bulb", "dim", {}, 1)]
    assert planned(scenario, variants=("dim",)) == [("bulb", "dim", {}, 1)]
    with pytest.raises(UsageError, match="no variant 'dim'"):
        planned(scenario, experiment="lamp", variants=("dim",))


def test_only_parallel_experiments_run_in_parallel(tmp_path: Path) -> None:
    """Trials of an experiment that measures load run one at a time."""
    with pytest.raises(UsageError, match="--jobs 2"):
        planned(load(tmp_path / "a"), jobs=2)
    quiet = load(tmp_path / "b", lamp=EXPERIMENT + "PARALLEL = True\n")
    assert make_plan(quiet, RunOptions("blink", jobs=2)).jobs == 2


def test_by_default_two_for_each_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parallel experiments have at most eight jobs by default; an experiment with load has one."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    quiet = load(tmp_path / "b", lamp=EXPERIMENT + "PARALLEL = True\n")
    assert make_plan(quiet, RunOptions("blink")).jobs == 4
    assert make_plan(quiet, RunOptions("blink", jobs=1)).jobs == 1
    assert make_plan(load(tmp_path / "a"), RunOptions("blink")).jobs == 1
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert make_plan(quiet, RunOptions("blink")).jobs == 8


# -- a run on a fake engine -----------------------------------------------------------------------


class FakeRunner:
    """A runner without stacks: ``behave`` ends the trials."""

    behave: Callable[[FakeRunner], None]
    invalid = ""
    images: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self,
        plan: Any,
        run: Any,
        engine: Any,
        client: Any,
        policy: Any,
        observer: Any,
        *,
        watch: Any,
        keeper: Any,
        on_rounds: Any,
        before_keeping: Callable[[], None],
    ):
        self.keeper, self.before_keeping = keeper, before_keeping
        self.on_rounds = on_rounds
        self.run, self.trial_ends = run, observer.trial_ends
        self.bases: dict[str, Any] = {}
        self.plan = plan
        self.ready: dict[str, Any] = {}
        self.stopped = False

    @property
    def scenario(self) -> Any:
        return self.plan.scenario

    def stop_builds(self) -> None:
        self.stopped = True

    def prepare(self) -> list[Any]:
        return [SimpleNamespace(variant=v, images=self.images, invalid=self.invalid) for v in self.plan.variants]

    def execute(self, prepared: list[Any]) -> list[Any]:
        type(self).behave(self)
        return prepared


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Session]:
    """Make a session on a fake engine; its runner calls ``behave``."""
    lay_out(tmp_path)
    engine = SimpleNamespace(
        kernel="6.1", os="Fake", version="25", compose="2.26", buildx="0.13", cgroup="v2", architecture="", host=""
    )
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    monkeypatch.setattr(session, "ensure_engine", lambda on_progress: engine)
    monkeypatch.setattr(session, "client", lambda: None)
    monkeypatch.setattr(leftovers, "remove_leftovers", lambda client: leftovers.Removed(2))
    monkeypatch.setattr(session, "Runner", FakeRunner)

    def begin(behave: Callable[[FakeRunner], None], **options: Any) -> Session:
        monkeypatch.setattr(FakeRunner, "behave", behave, raising=False)
        messages: list[str] = []
        console = Console(file=io.StringIO(), width=150)
        plan = make_plan(loader.load(tmp_path, "blink"), RunOptions("blink", **options))
        started = Session(tmp_path, plan, console, Progress(plan, console, messages.append))
        started.messages = messages  # type: ignore[attr-defined]
        return started

    return begin


def finish(*rows: Any, error: BaseException | None = None) -> Callable[[FakeRunner], None]:
    """A run that ends these trials, and then raises the error if there is one."""

    def behave(runner: FakeRunner) -> None:
        for row in rows:
            runner.before_keeping()
            runner.run.append(row)
            runner.trial_ends(row)
        if error:
            raise error

    return behave


def run_json(started: Session) -> dict[str, Any]:
    """The run's run.json."""
    assert started.run is not None
    content: dict[str, Any] = files.read_json(started.run.path / "run.json")
    return content


def shown(started: Session) -> str:
    """The printed text."""
    stream = started.console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


BUSY = "other work used 0.9 of 2 processors (45 %)"
GOOD = trials(documented="+++", old="---")


def test_a_directory_in_the_place_of_the_link(start: Callable[..., Session], tmp_path: Path) -> None:
    """A directory called latest stays; the user is told of it, and sees the verdict."""
    taken = tmp_path / "results" / "blink" / "latest"
    taken.mkdir(parents=True)
    started = start(finish(*GOOD))
    assert started.execute() is Exit.AS_RECORDED
    assert taken.is_dir() and not taken.is_symlink()
    assert any("latest is a directory" in message for message in started.messages)  # type: ignore[attr-defined]
    assert "confirmed" in shown(started)


def test_a_run_that_goes_well(start: Callable[..., Session]) -> None:
    """It is judged, reported and named latest; run.json has plan, host and factors, and no name of host or user."""
    started = start(finish(*GOOD))
    assert started.execute() is Exit.AS_RECORDED
    content = run_json(started)
    assert list(content) == [
        *("schema", "scenario", "started", "status", "pid", "command", "factors", "plan", "host"),
        *("machine", "images", "times", "case", "lab", "checksums"),
    ]
    assert content["status"] == "complete"
    assert content["factors"] == {"RELEASE": "1.0", "WORKERS": "2"}
    assert [(row["variant"], row["trials"]) for row in content["plan"]] == [("documented", 3), ("old", 3)]
    assert set(content["host"]) == {
        *("kernel", "cpu", "cpus", "memory_mib", "os", "engine", "compose", "buildx", "cgroup", "python")
    }
    assert started.run is not None
    assert lookup.open_run(started.root, "blink") == started.run
    assert "1 confirmed" in (started.run.path / "report.txt").read_text(encoding="utf-8")
    assert "[  6/6] old #3  blinked no" in shown(started)
    assert "removed the leftovers of an earlier run that was killed: 2 containers" in started.messages  # type: ignore[attr-defined]


def test_a_run_ends_when_the_files_of_its_case_change(start: Callable[..., Session]) -> None:
    """The trials before stay; the one after is of neither state of the files."""

    def behave(runner: FakeRunner) -> None:
        finish(GOOD[0])(runner)
        (runner.scenario.directory / "compose.yaml").write_text("services: {}\n", encoding="utf-8")
        finish(GOOD[1])(runner)

    started = start(behave)
    with pytest.raises(LabError, match="the files of the case were changed"):
        started.execute()
    assert started.run is not None and len(started.run.trials()) == 1
    assert run_json(started)["status"] == "failed"


def test_the_summary_of_a_ci_job_gets_the_report(
    start: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each run one part; of a run without a trial the reason. A summary that fails changes no status."""
    target = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(target))
    started = start(finish(*GOOD))
    assert started.execute() is Exit.AS_RECORDED and started.run is not None
    report_md = (started.run.path / "report.md").read_text(encoding="utf-8")
    assert target.read_text(encoding="utf-8") == f"### blink\n\n{report_md}\n"
    with pytest.raises(EngineError):
        start(finish(error=EngineError("no engine"))).execute()
    assert target.read_text(encoding="utf-8") == f"### blink\n\n{report_md}\n### blink\n\n**No verdict:** no engine\n\n"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "summary"))
    failing = start(finish(*GOOD))
    assert failing.execute() is Exit.AS_RECORDED
    assert any("GITHUB_STEP_SUMMARY could not be written" in line for line in failing.messages)  # type: ignore[attr-defined]


def test_the_page_is_written_last_and_may_fail(start: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """If report.html cannot be written, status, verdict and report are the same as with it."""
    started = start(finish(*GOOD))
    started.execute()
    assert started.run is not None
    assert "1 confirmed" in (started.run.path / "report.html").read_text(encoding="utf-8")
    assert started.messages[-1].endswith("report.html")  # type: ignore[attr-defined]

    def broken(*_: Any) -> str:
        raise RuntimeError("no paper")

    monkeypatch.setattr(report, "page", broken)
    again = start(finish(*GOOD))
    assert again.execute() is Exit.AS_RECORDED
    assert again.run is not None
    assert {path.name for path in again.run.path.glob("*.*")} == {
        *("run.json", "trials.jsonl", "verdict.json", "report.txt", "report.md")
    }
    assert "could not be written, but the verdict stands: RuntimeError: no paper" in again.messages[-1]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), "aborted"),
        (EngineError("the engine is gone"), "failed"),
        (EvidenceError("disk"), "failed"),
    ],
)
def test_a_run_that_is_cut_short(start: Callable[..., Session], error: BaseException, status: str) -> None:
    """The error is raised; the trials until then are saved, judged and shown."""
    started = start(finish(GOOD[0], error=error))
    with pytest.raises(type(error)):
        started.execute()
    content = run_json(started)
    assert content["status"] == status
    assert content["reason"]
    assert started.run is not None
    assert [row.trial for row in started.run.trials()] == [1]
    assert files.read_json(started.run.path / "verdict.json")["claims"][0]["verdict"] == "inconclusive"
    assert (started.run.path / "report.txt").exists()
    assert f"this run is {status}" in shown(started)


def test_the_images_of_a_run_that_is_cut_short(start: Callable[..., Session]) -> None:
    """The images of its trials are saved; no build continues."""

    def behave(runner: FakeRunner) -> None:
        details = BuiltImage(Image("app:1", "sha256:1"), {"pip": {"gunicorn": "23.0.0"}})
        runner.ready["lamp/documented"] = SimpleNamespace(variant=runner.plan.variants[0], images={"app": details})
        raise KeyboardInterrupt

    started = start(behave)
    with pytest.raises(KeyboardInterrupt):
        started.execute()
    content = run_json(started)
    assert content["images"]["documented"]["app"]["reference"] == "app:1"
    assert content["packages"] == {"documented/app": {"pip": {"gunicorn": "23.0.0"}}}
    assert started.runner is not None and started.runner.stopped  # type: ignore[attr-defined]


def test_each_experiment_has_images_of_its_own(
    start: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two experiments have variants with the same names but with other images."""

    def prepare(runner: FakeRunner) -> list[Any]:
        return [
            SimpleNamespace(
                variant=variant,
                images={
                    "app": BuiltImage(Image(f"app:{variant.experiment.name}"), {"pip": {variant.experiment.name: "1"}})
                },
                invalid="",
            )
            for variant in runner.plan.variants
        ]

    monkeypatch.setattr(FakeRunner, "prepare", prepare)
    (tmp_path / "scenarios" / "blink" / "bulb.py").write_text(EXPERIMENT.replace("B-1", "B-2"), encoding="utf-8")
    started = start(finish(*GOOD, *(replace(row, experiment="bulb") for row in GOOD)))
    assert started.execute() is Exit.AS_RECORDED
    content = run_json(started)
    experiments = {
        f"{experiment}/{variant}": experiment for experiment in ("bulb", "lamp") for variant in ("documented", "old")
    }
    assert {name: services["app"]["reference"] for name, services in content["images"].items()} == {
        name: f"app:{experiment}" for name, experiment in experiments.items()
    }
    assert content["packages"] == {
        f"{name}/app": {"pip": {experiment: "1"}} for name, experiment in experiments.items()
    }
    assert started.run is not None
    assert set(files.read_json(started.run.path / "verdict.json")["variants"]) <= set(experiments)


def test_a_run_that_ended_before_its_first_trial(start: Callable[..., Session]) -> None:
    """It has no verdict and is not named latest."""
    started = start(finish(error=EngineError("no room")))
    with pytest.raises(EngineError):
        started.execute()
    assert started.run is not None
    assert run_json(started)["status"] == "failed"
    assert not (started.run.path / "verdict.json").exists()
    assert not (started.run.path.parent / "latest").exists()


def test_a_disk_that_is_full_to_the_end(start: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first error is raised, also if the status of the run cannot be saved."""

    def full(*_: Any) -> None:
        raise EvidenceError("second")

    def behave(runner: FakeRunner) -> None:
        monkeypatch.setattr(run_dir, "write_json", full)
        raise EvidenceError("first")

    started = start(behave)
    with pytest.raises(EvidenceError, match="first"):
        started.execute()
    assert any("could not be marked failed: second" in line for line in started.messages)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        (trials(documented="---", old="---"), Exit.AS_RECORDED),
        (trials(documented="xxx", old="---"), Exit.INCONCLUSIVE),
    ],
)
def test_statuses(start: Callable[..., Session], rows: list[Any], status: Exit) -> None:
    """Without a recorded verdict a refuted claim is a result; an inconclusive one has its exit status."""
    assert start(finish(*rows)).execute() is status


def test_a_drift_is_reported_with_the_differences(start: Callable[..., Session]) -> None:
    """The report has the claim and the other kernel."""
    started = start(finish(*trials(documented="---", old="---")))
    recorded = {"claims": [{"id": "B-1", "verdict": "confirmed"}], "host": {"kernel": "5.10"}}
    files.write_json(started.root / "scenarios" / "blink" / "recorded.json", recorded)
    assert started.execute() is Exit.DRIFT
    assert "DRIFT from the recorded verdict: B-1" in shown(started)
    assert "differs: kernel: recorded 5.10, now 6.1" in shown(started)


def test_changed_packages_are_no_drift(start: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """The report tells that a package changed, but the verdicts are as recorded."""
    newer = {"lamp": BuiltImage(Image("lamp:1"), {"deb": {"libc6": "2.37"}})}
    monkeypatch.setattr(FakeRunner, "images", newer)
    started = start(finish(*GOOD))
    before = {"documented/lamp": {"deb": {"libc6": "2.36"}}}
    recorded = {"claims": [{"id": "B-1", "verdict": "confirmed"}], "packages": before, "variants": {}}
    files.write_json(started.root / "scenarios" / "blink" / "recorded.json", recorded)
    assert started.execute() is Exit.AS_RECORDED
    assert "1 package is other than for the record" in shown(started)
    assert "differs:" not in shown(started)


def test_run_json_has_the_rounds(start: Callable[..., Session]) -> None:
    """The plan has only what ran; a run that its budget ended is complete, and the report says what it left out."""

    def behave(runner: FakeRunner) -> None:
        finish(*GOOD[:2])(runner)
        rounds = RoundsInfo(7, 3, 2, "budget", 60.0, left_out=("old",))
        runner.on_rounds(rounds, [replace(runner.plan.variants[0], trials=2)])

    started = start(behave)
    started.execute()
    content = run_json(started)
    assert content["status"] == "complete"
    assert content["rounds"] == {
        "seed": 7,
        "planned": 3,
        "ran": 2,
        "ended": "budget",
        "budget": 60.0,
        "left_out": ["old"],
    }
    assert [(row["variant"], row["trials"]) for row in content["plan"]] == [("documented", 2)]
    assert "rounds: 2 of 3 (seed 7); the budget of 60 s ended the run; left out: old" in shown(started)


def test_a_broken_record_is_found_before_the_run(start: Callable[..., Session]) -> None:
    """It would end the run after its first round."""
    started = start(finish(*GOOD))
    (started.root / "scenarios" / "blink" / "recorded.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match=r"recorded\.json"):
        started.execute()
    assert started.run is None


def test_an_image_that_cannot_be_built(start: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """The other variants run, and the exit status tells that the lab failed."""
    monkeypatch.setattr(FakeRunner, "invalid", "image build failed: pip")
    started = start(finish(*GOOD))
    assert started.execute() is Exit.LAB_FAILED
    assert run_json(started)["status"] == "complete"


def test_progress_of_an_invalid_trial(tmp_path: Path) -> None:
    """The line has the reason, the last line of the server and the duration; brackets are no markup."""
    console = Console(file=io.StringIO(), width=150)
    progress = Progress(make_plan(load(tmp_path), RunOptions("blink")), console, print)
    progress.trial_ends(trial(invalid="[7] did not start\nlast lines", seconds={"up": 1.25, "down": 0.5}))
    stream = console.file
    assert isinstance(stream, io.StringIO)
    assert stream.getvalue() == "[  1/6] documented #1  invalid: [7] did not start: … last lines  (1.8 s)\n"


def test_a_repeated_trial_is_not_counted_as_a_planned_one(tmp_path: Path) -> None:
    """It has a sign and a number of its own; the planned ones go on to their total."""
    console = Console(file=io.StringIO(), width=150)
    progress = Progress(make_plan(load(tmp_path), RunOptions("blink", trials=1)), console, print)
    for number in (1, 2, 3):
        progress.trial_ends(trial(number=number))
    stream = console.file
    assert isinstance(stream, io.StringIO)
    total = progress.plan.trials
    assert [line.split("]")[0] for line in stream.getvalue().splitlines()] == [f"[  1/{total}", "[+1", "[+2"]


def test_a_terminal_shows_what_runs_now(tmp_path: Path) -> None:
    """The running trial and the time left are on the screen between two finished trials."""
    console = Console(file=io.StringIO(), width=150, force_terminal=True)
    progress = Progress(make_plan(load(tmp_path), RunOptions("blink")), console, print)
    with progress.trials():
        progress.trial_begins("documented", 1)
        assert progress.status is not None and "documented #1 is running" in str(progress.status.status)
        progress.trial_ends(trial())
        progress.trial_begins("documented", 2)
        assert "left" in str(progress.status.status)


def test_waiting_shows_seconds_and_what_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is drawn again and again, so its seconds go on."""
    now = 100.0  # seconds
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    plan = make_plan(load(tmp_path), RunOptions("blink"))
    shown_progress = Progress(plan, console, lambda message: None)
    with shown_progress.trials():
        shown_progress.waits("2 images of documented")
        assert shown_progress.status is not None
        clock: Any = shown_progress.status.renderable.text
        now = 112.4
        assert clock.__rich__().plain == "waiting for 2 images of documented, 12 s"


def test_other_work_is_explained_once(tmp_path: Path) -> None:
    """Further busy trials say only that they were busy."""
    console = Console(file=io.StringIO(), width=150)
    shown_progress = Progress(make_plan(load(tmp_path), RunOptions("blink")), console, lambda message: None)
    for number in (1, 2):
        shown_progress.trial_ends(trial(number=number, busy=BUSY))
    assert isinstance(console.file, io.StringIO)
    first, second = console.file.getvalue().splitlines()
    assert BUSY in first and BUSY not in second and " · busy  (" in second


def test_a_file_gets_no_moving_line(tmp_path: Path) -> None:
    """A log has only the finished trials."""
    console = Console(file=io.StringIO(), width=150)
    progress = Progress(make_plan(load(tmp_path), RunOptions("blink")), console, print)
    with progress.trials():
        progress.trial_begins("documented", 1)
        assert progress.status is None


def test_a_run_whose_directory_is_removed_has_failed(start: Callable[..., Session]) -> None:
    """Writing makes the directory anew, but its trials are lost: that is no complete run."""

    def behave(runner: FakeRunner) -> None:
        runner.run.append(GOOD[0])
        shutil.rmtree(runner.run.path)

    started = start(behave)
    with pytest.raises(EvidenceError, match="the directory of the run was removed while it ran"):
        started.execute()
    assert run_json(started)["status"] == "failed"
