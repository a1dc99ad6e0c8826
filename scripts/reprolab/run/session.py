"""One run from the command line's wishes to its verdict: plan, engine, trials, judgement, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from reprolab.baseimage.resolve import policy
from reprolab.core.errors import Exit, LabError
from reprolab.engine import host_facts, labels
from reprolab.engine.detect import Engine, client, ensure_engine
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import COMPLETE, BaseImage, PlanEntry, RunInfo
from reprolab.report.write import add_page, report
from reprolab.run.plan import Plan, Wishes, make_plan
from reprolab.run.progress import Progress
from reprolab.run.runner import Prepared, Runner, Stopwatch
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import read_verdict
from reprolab.verdict.judge import exit_status, exit_words
from reprolab.verdict.record import judge_run


@dataclass
class Session:
    """A run with everything around it."""

    root: Path
    wishes: Wishes
    console: Console
    say: Callable[[str], None]
    watch: Stopwatch = field(default_factory=Stopwatch)
    run: RunDirectory | None = None
    info: RunInfo | None = None
    runner: Runner | None = None

    def execute(self) -> Exit:
        """Run the plan, judge it, report it; returns the exit status. LabErrors pass through, evidence kept."""
        found = loader.load(self.root, self.wishes.scenario)
        plan = make_plan(found, self.wishes)
        with self.watch.stage("set-up"):
            engine = ensure_engine(self.say)
            removed = labels.remove_leftovers(client())
        if removed:
            self.say(f"removed what an earlier run that was killed had left: {removed}")
        self.run = lookup.create_run(self.root, found.name)
        self._begin(found, plan, engine)
        try:
            status = self._trials(plan, engine)
            self._save(replace(self._known, status=COMPLETE))
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
        verdict = read_verdict(self.run)
        assert verdict is not None
        return status or exit_status(verdict)

    def words(self, status: Exit) -> str:
        """What the exit status of the run says."""
        verdict = read_verdict(self.run) if self.run else None
        return exit_words(status, verdict) if verdict else status.words

    def _begin(self, found: Scenario, plan: Plan, engine: Engine) -> None:
        self._save(
            RunInfo(
                scenario=found.name,
                started=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
                status="running",
                pid=labels.process_identity(os.getpid()),
                command=(Path(sys.argv[0]).name, *sys.argv[1:]),
                factors=dict(found.factors),
                plan=tuple(PlanEntry(v.experiment.name, v.name, dict(v.changes), v.trials) for v in plan.variants),
                host=host_facts.facts(engine),
            )
        )

    @property
    def _known(self) -> RunInfo:
        assert self.info is not None
        return self.info

    def _save(self, info: RunInfo) -> None:
        """Keep what is known of the run now, and write run.json."""
        assert self.run is not None
        self.info = info
        self.run.write_info(info)

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
        assert self.runner is not None
        scenario = self.runner.scenario
        built = {scenario.variant_key(one.variant.experiment.name, one.variant.name): one.images for one in prepared}
        images = {key: {service: one.image for service, one in own.items()} for key, own in built.items()}
        packages = {f"{key}/{service}": one.packages for key, own in built.items() for service, one in own.items()}
        self._save(replace(self._known, images=images, packages=packages))

    def _note_bases(self) -> None:
        assert self.runner is not None
        bases = {
            name: BaseImage(base.reference, base.image_id, str(base.origin), base.digest, base.detail)
            for name, base in self.runner.bases.items()
        }
        self._save(replace(self._known, bases=bases))

    def _abort(self, status: str, reason: str) -> None:
        assert self.run is not None
        try:
            if self.runner:
                self.runner.stop_builds()
                # The trials that are on record ran in these images.
                self._note_images(list(self.runner.ready.values()))
            self._save(replace(self._known, status=status, reason=reason))
            self.say(f"this run is {status}; evidence so far: {self.run.path}")
        except LabError as error:
            # The disk may be the very thing that failed; the first error is the one to report.
            self.say(f"and the run could not be marked {status}: {error}")

    def _tell(self, found: Scenario, run: RunDirectory) -> None:
        try:
            self._save(replace(self._known, times=self.watch.line()))
            judge_run(found, run)
            lookup.point_latest(run)
            report(self.console, found, run)
        except LabError as error:
            self.say(f"the report could not be written: {error}")
        else:
            add_page(found, run, self.say)
