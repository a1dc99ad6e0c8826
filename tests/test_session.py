"""A run from options to verdict: the plan, and what is kept however the run ends."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from cases import EXPERIMENT, claim, in_memory, lay_out, load, trial, trials
from reprolab.core import files
from reprolab.core.errors import EngineError, EvidenceError, Exit, UsageError
from reprolab.engine import labels
from reprolab.evidence import lookup, run_dir
from reprolab.evidence.run_info import BuiltImage, Image
from reprolab.report.html import report
from reprolab.run import session
from reprolab.run.plan import RunOptions, make_plan
from reprolab.run.progress import Progress
from reprolab.run.session import Session
from reprolab.scenario import loader
from reprolab.scenario.model import Experiment
from rich.console import Console


def planned(found: Any, **options: Any) -> list[tuple[str, str, dict[str, str], int]]:
    """What would run: experiment, variant, factors, trials."""
    plan = make_plan(found, RunOptions("blink", **options))
    return [(v.experiment.name, v.name, dict(v.changes), v.trials) for v in plan.variants]


# -- the plan -------------------------------------------------------------------------------------


def test_without_wishes_everything_runs(tmp_path: Path) -> None:
    """Every variant in the file's order, as often as the experiment says."""
    found = load(tmp_path)
    assert planned(found) == [("lamp", "documented", {}, 3), ("lamp", "old", {"RELEASE": "0.9"}, 3)]
    assert make_plan(found, RunOptions("blink")).trials == 6


def test_some_variants(tmp_path: Path) -> None:
    """In the file's order, whatever the order of the options, and once each."""
    found = load(tmp_path)
    wanted = planned(found, variants=("old", "documented", "old"), trials=7)
    assert [(name, n) for _, name, _, n in wanted] == [("documented", 7), ("old", 7)]


def test_set_makes_a_variant_of_its_own(tmp_path: Path) -> None:
    """Documented plus the given factors, beside nothing else."""
    found = load(tmp_path)
    assert planned(found, settings={"WORKERS": "9"}) == [("lamp", "custom", {"WORKERS": "9"}, 3)]
    assert planned(found, settings={"WORKERS": "9"}, trials=1)[0][3] == 1


def test_one_experiment_of_several() -> None:
    """Named, it runs alone; a variant that only another has is then unknown."""
    bulb = Experiment("bulb", {"dim": {}}, 2, lambda stack: {}, ())
    found = in_memory(claim(), also=(bulb,))
    assert [row[0] for row in planned(found)] == ["lamp", "bulb"]
    assert planned(found, experiment="bulb") == [("bulb", "dim", {}, 1)]
    assert planned(found, variants=("dim",)) == [("bulb", "dim", {}, 1)]
    with pytest.raises(UsageError, match="no variant 'dim'"):
        planned(found, experiment="lamp", variants=("dim",))


def test_side_by_side_only_where_nothing_is_disturbed(tmp_path: Path) -> None:
    """Experiments that measure load run one at a time; those that say PARALLEL may not."""
    with pytest.raises(UsageError, match="--jobs 2"):
        planned(load(tmp_path / "a"), jobs=2)
    quiet = load(tmp_path / "b", lamp=EXPERIMENT + "PARALLEL = True\n")
    assert make_plan(quiet, RunOptions("blink", jobs=2)).jobs == 2


def test_by_default_two_for_each_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that wait run side by side unasked, eight at most; those that measure load never do."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    quiet = load(tmp_path / "b", lamp=EXPERIMENT + "PARALLEL = True\n")
    assert make_plan(quiet, RunOptions("blink")).jobs == 4
    assert make_plan(quiet, RunOptions("blink", jobs=1)).jobs == 1
    assert make_plan(load(tmp_path / "a"), RunOptions("blink")).jobs == 1
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert make_plan(quiet, RunOptions("blink")).jobs == 8


# -- a run, its engine played ---------------------------------------------------------------------


class FakeRunner:
    """Stands where the stacks would be: ends each trial as told."""

    behave: Callable[[FakeRunner], None]
    invalid = ""
    images: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, plan: Any, run: Any, engine: Any, client: Any, policy: Any, observer: Any, *, watch: Any):
        self.run, self.told = run, observer.trial_ends
        self.bases: dict[str, Any] = {}
        self.plan = plan
        self.ready: dict[str, Any] = {}
        self.stopped = False

    @property
    def scenario(self) -> Any:
        """As the runner's."""
        return self.plan.scenario

    def stop_builds(self) -> None:
        """Noted."""
        self.stopped = True

    def prepare(self) -> list[Any]:
        """Nothing needs to be built."""
        return [SimpleNamespace(variant=v, images=self.images, invalid=self.invalid) for v in self.plan.variants]

    def execute(self, prepared: list[Any]) -> list[Any]:
        """As the test says."""
        type(self).behave(self)
        return prepared


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Session]:
    """Make a session on a fake engine whose run behaves as given."""
    lay_out(tmp_path)
    engine = SimpleNamespace(kernel="6.1", os="Fake", version="25", compose="2.26", buildx="0.13", cgroup="v2")
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    monkeypatch.setattr(session, "ensure_engine", lambda on_progress: engine)
    monkeypatch.setattr(session, "client", lambda: None)
    monkeypatch.setattr(labels, "remove_leftovers", lambda client: labels.Removed(2))
    monkeypatch.setattr(session, "Runner", FakeRunner)

    def begin(behave: Callable[[FakeRunner], None], **options: Any) -> Session:
        monkeypatch.setattr(FakeRunner, "behave", behave, raising=False)
        said: list[str] = []
        console = Console(file=io.StringIO(), width=150)
        plan = make_plan(loader.load(tmp_path, "blink"), RunOptions("blink", **options))
        made = Session(tmp_path, plan, console, Progress(plan, console, said.append))
        made.said = said  # type: ignore[attr-defined]
        return made

    return begin


def finish(*rows: Any, error: BaseException | None = None) -> Callable[[FakeRunner], None]:
    """A run that ends these trials, then goes on or fails."""

    def behave(runner: FakeRunner) -> None:
        for row in rows:
            runner.run.append(row)
            runner.told(row)
        if error:
            raise error

    return behave


def run_json(made: Session) -> dict[str, Any]:
    """The run's run.json."""
    assert made.run is not None
    content: dict[str, Any] = files.read_json(made.run.path / "run.json")
    return content


def shown(made: Session) -> str:
    """What was printed."""
    stream = made.console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


GOOD = trials(documented="+++", old="---")


def test_a_run_that_goes_well(start: Callable[..., Session]) -> None:
    """Judged, reported, named latest; run.json holds plan, host and factors, and no name of host or user."""
    made = start(finish(*GOOD))
    assert made.execute() is Exit.AS_RECORDED
    content = run_json(made)
    assert list(content) == [
        *("schema", "scenario", "started", "status", "pid", "command", "factors", "plan", "host", "images", "times")
    ]
    assert content["status"] == "complete"
    assert content["factors"] == {"RELEASE": "1.0", "WORKERS": "2"}
    assert [(row["variant"], row["trials"]) for row in content["plan"]] == [("documented", 3), ("old", 3)]
    assert set(content["host"]) == {
        *("kernel", "cpu", "cpus", "memory_mib", "os", "engine", "compose", "buildx", "cgroup", "python")
    }
    assert made.run is not None
    assert lookup.open_run(made.root, "blink") == made.run
    assert "1 confirmed" in (made.run.path / "report.txt").read_text(encoding="utf-8")
    assert "[  6/6] old #3  blinked no" in shown(made)
    assert "removed the leftovers of an earlier run that was killed: 2 containers" in made.said  # type: ignore[attr-defined]


def test_the_page_is_written_last_and_costs_nothing(
    start: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """report.html is there after a run; where it cannot be made, status, verdict and report are as without it."""
    made = start(finish(*GOOD))
    made.execute()
    assert made.run is not None
    assert "1 confirmed" in (made.run.path / "report.html").read_text(encoding="utf-8")
    assert made.said[-1].endswith("report.html")  # type: ignore[attr-defined]

    def broken(*_: Any) -> str:
        raise RuntimeError("no paper")

    monkeypatch.setattr(report, "page", broken)
    again = start(finish(*GOOD))
    assert again.execute() is Exit.AS_RECORDED
    assert again.run is not None
    assert {path.name for path in again.run.path.glob("*.*")} == {
        *("run.json", "trials.jsonl", "verdict.json", "report.txt")
    }
    assert "could not be written, but the verdict stands: RuntimeError: no paper" in again.said[-1]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), "aborted"),
        (EngineError("the engine is gone"), "failed"),
        (EvidenceError("disk"), "failed"),
    ],
)
def test_a_run_that_is_cut_short(start: Callable[..., Session], error: BaseException, status: str) -> None:
    """The error passes on; what was measured until then is marked, judged and shown."""
    made = start(finish(GOOD[0], error=error))
    with pytest.raises(type(error)):
        made.execute()
    content = run_json(made)
    assert content["status"] == status
    assert content["reason"]
    assert made.run is not None
    assert [row.trial for row in made.run.trials()] == [1]
    assert files.read_json(made.run.path / "verdict.json")["claims"][0]["verdict"] == "inconclusive"
    assert f"this run is {status}" in shown(made)


def test_the_images_of_a_run_that_is_cut_short(start: Callable[..., Session]) -> None:
    """Those that were there are on record, since trials ran in them; no build goes on."""

    def behave(runner: FakeRunner) -> None:
        details = BuiltImage(Image("app:1", "sha256:1"), {"pip": {"gunicorn": "23.0.0"}})
        runner.ready["lamp/documented"] = SimpleNamespace(variant=runner.plan.variants[0], images={"app": details})
        raise KeyboardInterrupt

    made = start(behave)
    with pytest.raises(KeyboardInterrupt):
        made.execute()
    content = run_json(made)
    assert content["images"]["documented"]["app"]["reference"] == "app:1"
    assert content["packages"] == {"documented/app": {"pip": {"gunicorn": "23.0.0"}}}
    assert made.runner is not None and made.runner.stopped  # type: ignore[attr-defined]


def test_each_experiment_has_images_of_its_own(
    start: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two experiments have variants of the same names, and what they were built from differs."""

    def prepare(runner: FakeRunner) -> list[Any]:
        return [
            SimpleNamespace(
                variant=one,
                images={"app": BuiltImage(Image(f"app:{one.experiment.name}"), {"pip": {one.experiment.name: "1"}})},
                invalid="",
            )
            for one in runner.plan.variants
        ]

    monkeypatch.setattr(FakeRunner, "prepare", prepare)
    (tmp_path / "scenarios" / "blink" / "bulb.py").write_text(EXPERIMENT.replace("B-1", "B-2"), encoding="utf-8")
    made = start(finish(*GOOD))
    assert made.execute() is Exit.AS_RECORDED
    content = run_json(made)
    of = {f"{experiment}/{variant}": experiment for experiment in ("bulb", "lamp") for variant in ("documented", "old")}
    assert {name: own["app"]["reference"] for name, own in content["images"].items()} == {
        name: f"app:{experiment}" for name, experiment in of.items()
    }
    assert content["packages"] == {f"{name}/app": {"pip": {experiment: "1"}} for name, experiment in of.items()}
    assert made.run is not None
    assert set(files.read_json(made.run.path / "verdict.json")["variants"]) <= set(of)


def test_a_run_that_ended_before_its_first_trial(start: Callable[..., Session]) -> None:
    """There is nothing to judge, and nothing is called latest."""
    made = start(finish(error=EngineError("no room")))
    with pytest.raises(EngineError):
        made.execute()
    assert made.run is not None
    assert run_json(made)["status"] == "failed"
    assert not (made.run.path / "verdict.json").exists()
    assert not (made.run.path.parent / "latest").exists()


def test_a_disk_that_is_full_to_the_end(start: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first error is the one that is reported, even where not even the run's mark can be written."""

    def full(*_: Any) -> None:
        raise EvidenceError("second")

    def behave(runner: FakeRunner) -> None:
        monkeypatch.setattr(run_dir, "write_json", full)
        raise EvidenceError("first")

    made = start(behave)
    with pytest.raises(EvidenceError, match="first"):
        made.execute()
    assert any("could not be marked failed: second" in line for line in made.said)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        (trials(documented="---", old="---"), Exit.AS_RECORDED),
        (trials(documented="xxx", old="---"), Exit.INCONCLUSIVE),
    ],
)
def test_statuses(start: Callable[..., Session], rows: list[Any], status: Exit) -> None:
    """With nothing on record a refuted claim is a result; an undecided one is told."""
    assert start(finish(*rows)).execute() is status


def test_drift_is_told_with_what_differs(start: Callable[..., Session]) -> None:
    """The verdict on record, and another kernel."""
    made = start(finish(*trials(documented="---", old="---")))
    recorded = {"claims": [{"id": "B-1", "verdict": "confirmed"}], "host": {"kernel": "5.10"}}
    files.write_json(made.root / "scenarios" / "blink" / "recorded.json", recorded)
    assert made.execute() is Exit.DRIFT
    assert "DRIFT from the recorded verdict: B-1" in shown(made)
    assert "differs: kernel: recorded 5.10, now 6.1" in shown(made)


def test_packages_that_changed_are_told_without_a_drift(
    start: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdicts are as recorded, the packages are not: the run says so, and it is no drift."""
    newer = {"lamp": BuiltImage(Image("lamp:1"), {"deb": {"libc6": "2.37"}})}
    monkeypatch.setattr(FakeRunner, "images", newer)
    made = start(finish(*GOOD))
    before = {"documented/lamp": {"deb": {"libc6": "2.36"}}}
    recorded = {"claims": [{"id": "B-1", "verdict": "confirmed"}], "packages": before, "variants": {}}
    files.write_json(made.root / "scenarios" / "blink" / "recorded.json", recorded)
    assert made.execute() is Exit.AS_RECORDED
    assert "1 package is not as recorded" in shown(made)
    assert "differs:" not in shown(made)


def test_an_image_that_cannot_be_built(start: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """The others run all the same; the lab has failed, and says so by its status."""
    monkeypatch.setattr(FakeRunner, "invalid", "image build failed: pip")
    made = start(finish(*GOOD))
    assert made.execute() is Exit.LAB_FAILED
    assert run_json(made)["status"] == "complete"


def test_progress_of_an_invalid_trial(tmp_path: Path) -> None:
    """What happened, the server's last word, and how long it took; brackets in it are text."""
    console = Console(file=io.StringIO(), width=150)
    progress = Progress(make_plan(load(tmp_path), RunOptions("blink")), console, print)
    progress.trial_ends(trial(invalid="[7] did not start\nlast lines", seconds={"up": 1.25, "down": 0.5}))
    stream = console.file
    assert isinstance(stream, io.StringIO)
    assert stream.getvalue() == "[  1/6] documented #1  invalid: [7] did not start: … last lines  (1.8 s)\n"


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


def test_a_file_gets_no_moving_line(tmp_path: Path) -> None:
    """In a log only the finished trials stand."""
    console = Console(file=io.StringIO(), width=150)
    progress = Progress(make_plan(load(tmp_path), RunOptions("blink")), console, print)
    with progress.trials():
        progress.trial_begins("documented", 1)
        assert progress.status is None
