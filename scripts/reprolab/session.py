"""One run from the command line's wishes to its verdict: plan, engine, trials, judgement, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from reprolab import evidence, host, installed, labels, scenario, typed
from reprolab.bases import policy
from reprolab.engine import Engine, client, ensure_engine
from reprolab.errors import Exit, LabError, UsageError
from reprolab.evidence import RunDirectory
from reprolab.judge import TrialRecord, drifted, exit_status, exit_words, judge
from reprolab.progress import Progress
from reprolab.reading import hint
from reprolab.report import terminal
from reprolab.runner import Plan, PlannedVariant, Prepared, Runner, Stopwatch
from reprolab.scenario import CUSTOM, Experiment, Scenario

RECORDED = "recorded.json"
REPORT_WIDTH = 160
MOST_JOBS = 8
REPORT = "report.txt"


@dataclass(frozen=True)
class Wishes:
    """What the user asked for."""

    scenario: str
    experiment: str = ""
    variants: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    trials: int | None = None
    jobs: int | None = None
    keep_going: bool = False


def make_plan(found: Scenario, wishes: Wishes) -> Plan:
    """The plan for what was asked. Raises UsageError for an unknown experiment, variant or factor."""
    experiments = _experiments(found, wishes.experiment)
    if wishes.settings:
        if wishes.variants:
            raise UsageError(
                f"{typed.factors()} makes a variant of its own and {typed.option('variant')} names others",
                expected="one of the two",
            )
        found.check_factors(wishes.settings, typed.factors())
        planned = [PlannedVariant(e, CUSTOM, dict(wishes.settings), wishes.trials or e.trials) for e in experiments]
    else:
        planned = [
            PlannedVariant(e, name, e.variants[name], wishes.trials or found.trials_of(e, name))
            for e in experiments
            for name in _variants(e, wishes.variants, experiments)
        ]
    return Plan(found, tuple(planned), _jobs(found, wishes.jobs, experiments), wishes.keep_going)


def _jobs(found: Scenario, wanted: int | None, experiments: Sequence[Experiment]) -> int:
    """How many trials run side by side. Those of such experiments mostly wait: two for each processor."""
    if not any(experiment.parallel for experiment in experiments):
        if (wanted or 1) > 1:
            raise UsageError(
                f"{typed.option('jobs', wanted)}: {found.name} puts load on its stacks, and two at once would "
                "disturb each other",
                expected=typed.option("jobs", 1),
            )
        return 1
    return wanted or min(2 * (os.cpu_count() or 1), MOST_JOBS)


def _experiments(found: Scenario, name: str) -> list[Experiment]:
    if not name:
        return list(found.experiments.values())
    if name not in found.experiments:
        raise UsageError(f"{found.name} has no experiment {name!r}", expected="one of " + ", ".join(found.experiments))
    return [found.experiments[name]]


def _variants(experiment: Experiment, wanted: Sequence[str], chosen: Sequence[Experiment]) -> list[str]:
    if not wanted:
        return list(experiment.variants)
    known = {name for one in chosen for name in one.variants}
    for name in wanted:
        if name not in known:
            raise UsageError(f"no variant {name!r}{hint(name, known)}", expected="one of " + ", ".join(sorted(known)))
    return [name for name in experiment.variants if name in wanted]


@dataclass
class Session:
    """A run with everything around it."""

    root: Path
    wishes: Wishes
    console: Console
    say: Callable[[str], None]
    keep: bool = False
    watch: Stopwatch = field(default_factory=Stopwatch)
    run: RunDirectory | None = None
    runner: Runner | None = None

    def execute(self) -> Exit:
        """Run the plan, judge it, report it; returns the exit status. LabErrors pass through, evidence kept."""
        found = scenario.load(self.root, self.wishes.scenario)
        plan = make_plan(found, self.wishes)
        with self.watch.stage("set-up"):
            engine = ensure_engine(self.say)
            removed = labels.remove_leftovers(client())
        if removed:
            self.say(f"removed what an earlier run that was killed had left: {removed}")
        self.run = evidence.create_run(self.root, found.name)
        self._begin(found, plan, engine)
        try:
            status = self._trials(plan, engine)
            evidence.merge_run_json(self.run, {"status": "complete"})
        except KeyboardInterrupt:
            self._abort("aborted", "interrupted from the keyboard or by a signal")
            raise
        except LabError as error:
            self._abort("failed", str(error))
            raise
        except BaseException as error:
            # For instance a pipe that was closed at its other end: the run must not look as if it still ran.
            self._abort("failed", f"{type(error).__name__}: {error}")
            raise
        finally:
            # What was measured is judged and shown even where the run did not come to its end.
            if self.run.trials():
                self._tell(found, self.run)
        return status or exit_status(evidence.read_json(self.run.path / "verdict.json"))

    def words(self, status: Exit) -> str:
        """What the exit status of the run says."""
        verdict = self.run.path / "verdict.json" if self.run else None
        return exit_words(status, evidence.read_json(verdict)) if verdict and verdict.exists() else status.words

    def _begin(self, found: Scenario, plan: Plan, engine: Engine) -> None:
        assert self.run is not None
        content = {
            "scenario": found.name,
            "started": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "status": "running",
            "pid": labels.process_identity(os.getpid()),
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "factors": dict(found.factors),
            "plan": [
                {
                    "experiment": v.experiment.name,
                    "variant": v.name,
                    "factors": dict(v.changes),
                    "trials": v.trials,
                }
                for v in plan.variants
            ],
            "host": host.facts(engine),
        }
        evidence.merge_run_json(self.run, content)

    def _runner(
        self, plan: Plan, engine: Engine, on_begin: Callable[[str, int], None], on_trial: Callable[[TrialRecord], None]
    ) -> Runner:
        assert self.run is not None
        return Runner(
            plan,
            self.run,
            engine,
            client(),
            policy(os.environ),
            self.say,
            on_begin=on_begin,
            on_trial=on_trial,
            watch=self.watch,
        )

    def _trials(self, plan: Plan, engine: Engine) -> Exit | None:
        progress = Progress(plan, self.console)
        self.runner = self._runner(plan, engine, progress.begun, progress.finished)
        prepared = self.runner.prepare()
        self._note_bases()
        with progress:
            prepared = self.runner.execute(prepared)
        self._note_images(prepared)
        unbuilt = any(item.invalid for item in prepared)
        return Exit.LAB_FAILED if unbuilt else None

    def _note_images(self, prepared: list[Prepared]) -> None:
        assert self.run is not None and self.runner is not None
        images: dict[str, dict[str, Any]] = {}
        for item in prepared:
            # The same variant of another experiment may have a service more.
            images.setdefault(item.variant.name, {}).update(item.images)
        packages = {
            f"{variant}/{service}": details["packages"]
            for variant, services in images.items()
            for service, details in services.items()
        }
        references = {
            variant: {
                service: {key: details[key] for key in ("reference", "id", "digests")}
                for service, details in services.items()
            }
            for variant, services in images.items()
        }
        evidence.merge_run_json(self.run, {"images": references, "packages": packages})

    def _note_bases(self) -> None:
        assert self.run is not None and self.runner is not None
        bases = {
            name: {
                "reference": base.reference,
                "id": base.image_id,
                "origin": str(base.origin),
                "digest": base.digest,
                "detail": base.detail,
            }
            for name, base in self.runner.bases.items()
        }
        evidence.merge_run_json(self.run, {"bases": bases})

    def _abort(self, status: str, reason: str) -> None:
        assert self.run is not None
        try:
            if self.runner:
                self.runner.stop_builds()
                # The trials that are on record ran in these images.
                self._note_images(list(self.runner.ready.values()))
            evidence.merge_run_json(self.run, {"status": status, "reason": reason})
            self.say(f"this run is {status}; evidence so far: {self.run.path}")
        except LabError as error:
            # The disk may be the very thing that failed; the first error is the one to report.
            self.say(f"and the run could not be marked {status}: {error}")

    def _tell(self, found: Scenario, run: RunDirectory) -> None:
        try:
            evidence.merge_run_json(run, {"times": self.watch.line()})
            judge_run(self.root, found, run)
            evidence.point_latest(run)
            report(self.console, found, run)
        except LabError as error:
            self.say(f"the report could not be written: {error}")
        else:
            add_page(found, run, self.say)


def write_page(found: Scenario, run: RunDirectory) -> Path:
    """Write a run's report.html from its files; returns its path."""
    # The drawing library takes most of a second to load, which other commands need not wait for.
    from reprolab.report import html

    return html.write(found, run, recorded_verdict(found))


def add_page(found: Scenario, run: RunDirectory, say: Callable[[str], None]) -> None:
    """Write report.html, after all else: that it cannot be written must not cost the user the verdict."""
    try:
        path = write_page(found, run)
    except Exception as error:
        told = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
        say(f"{evidence.PAGE} could not be written, but the verdict stands: {told}")
    else:
        say(f"page: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


def recorded_verdict(found: Scenario) -> dict[str, Any] | None:
    """The scenario's recorded.json, if it has one."""
    path = found.directory / RECORDED
    return evidence.read_json(path) if path.exists() else None


def judge_run(root: Path, found: Scenario, run: RunDirectory) -> dict[str, Any]:
    """Judge a run from its files and write verdict.json; the same whether right after the run or years later."""
    verdict = judge(found, run.name, run.trials(), recorded_verdict(found))
    evidence.write_json(run.path / "verdict.json", verdict)
    return verdict


def report(console: Console, found: Scenario, run: RunDirectory) -> None:
    """Print a run's report and keep it as text beside the evidence."""
    content = evidence.read_json(run.path / "run.json")
    verdict = evidence.read_json(run.path / "verdict.json")
    trials = run.trials()
    where = f"results/{found.name}/{run.name}/"
    here = run.path.relative_to(Path.cwd()) if run.path.is_relative_to(Path.cwd()) else run.path
    terminal.render(console, found, content, trials, verdict, f"{here}/")
    recorded, named = recorded_verdict(found) or {}, installed.named(found)
    if drifted(verdict):
        for line in terminal.differences(recorded, content, named):
            console.print(f"  differs: {line}", style="yellow", highlight=False)
    elif told := terminal.packages_changed(recorded, content, named):
        console.print(f"  {told}", style="dim", highlight=False, soft_wrap=True)
    with evidence.writing(run.path / REPORT), (run.path / REPORT).open("w", encoding="utf-8") as stream:
        # This report may be recorded and published: it names no folder of this machine.
        plain = Console(file=stream, width=REPORT_WIDTH, no_color=True, highlight=False)
        terminal.render(plain, found, content, trials, verdict, where)
