"""One run from the command line's wishes to its verdict: plan, engine, trials, judgement, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from reprolab.baseimage.resolve import policy
from reprolab.core import files
from reprolab.core.errors import Exit, LabError
from reprolab.core.progress import OnProgress
from reprolab.engine import host_facts, labels
from reprolab.engine.detect import Engine, client, ensure_engine
from reprolab.evidence import lookup, run_dir
from reprolab.evidence.run_dir import RunDirectory
from reprolab.report.write import add_page, report
from reprolab.run.plan import Plan, Wishes, make_plan
from reprolab.run.progress import Progress
from reprolab.run.runner import Prepared, Runner, Stopwatch
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.judge import exit_status, exit_words
from reprolab.verdict.record import judge_run


@dataclass
class Session:
    """A run with everything around it."""

    root: Path
    wishes: Wishes
    console: Console
    say: OnProgress
    keep: bool = False
    watch: Stopwatch = field(default_factory=Stopwatch)
    run: RunDirectory | None = None
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
            run_dir.merge_run_json(self.run, {"status": "complete"})
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
        return status or exit_status(files.read_json(self.run.path / "verdict.json"))

    def words(self, status: Exit) -> str:
        """What the exit status of the run says."""
        verdict = self.run.path / "verdict.json" if self.run else None
        return exit_words(status, files.read_json(verdict)) if verdict and verdict.exists() else status.words

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
            "host": host_facts.facts(engine),
        }
        run_dir.merge_run_json(self.run, content)

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
        run_dir.merge_run_json(self.run, {"images": references, "packages": packages})

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
        run_dir.merge_run_json(self.run, {"bases": bases})

    def _abort(self, status: str, reason: str) -> None:
        assert self.run is not None
        try:
            if self.runner:
                self.runner.stop_builds()
                # The trials that are on record ran in these images.
                self._note_images(list(self.runner.ready.values()))
            run_dir.merge_run_json(self.run, {"status": status, "reason": reason})
            self.say(f"this run is {status}; evidence so far: {self.run.path}")
        except LabError as error:
            # The disk may be the very thing that failed; the first error is the one to report.
            self.say(f"and the run could not be marked {status}: {error}")

    def _tell(self, found: Scenario, run: RunDirectory) -> None:
        try:
            run_dir.merge_run_json(run, {"times": self.watch.line()})
            judge_run(self.root, found, run)
            lookup.point_latest(run)
            report(self.console, found, run)
        except LabError as error:
            self.say(f"the report could not be written: {error}")
        else:
            add_page(found, run, self.say)
