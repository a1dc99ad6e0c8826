"""One run from its plan to its verdict: engine, trials, judgement, report."""

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
from reprolab.engine import host_facts, labels
from reprolab.engine.detect import Engine, client, ensure_engine
from reprolab.evidence import lookup, run_dir
from reprolab.evidence.run_dir import RunDirectory
from reprolab.report.write import add_page, report
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan
from reprolab.run.runner import Prepared, Runner, Stopwatch
from reprolab.scenario.model import Scenario
from reprolab.verdict.judge import exit_status, exit_words
from reprolab.verdict.record import judge_run


@dataclass
class Session:
    """A run with everything around it. ``run_trials`` has the trials run and returns the variants with their images."""

    root: Path
    plan: Plan
    console: Console
    observer: RunObserver
    run_trials: Callable[[Runner, list[Prepared]], list[Prepared]] = lambda runner, prepared: runner.execute(prepared)
    watch: Stopwatch = field(default_factory=Stopwatch)
    run: RunDirectory | None = None
    runner: Runner | None = None

    def execute(self) -> Exit:
        """Run the plan, judge it, report it; returns the exit status. LabErrors pass through, evidence kept."""
        found = self.plan.scenario
        with self.watch.stage("set-up"):
            engine = ensure_engine(self.observer.progress)
            removed = labels.remove_leftovers(client())
        if removed:
            self.observer.progress(f"removed what an earlier run that was killed had left: {removed}")
        self.run = lookup.create_run(self.root, found.name)
        self._begin(found, engine)
        try:
            status = self._trials(engine)
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

    def _begin(self, found: Scenario, engine: Engine) -> None:
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
                for v in self.plan.variants
            ],
            "host": host_facts.facts(engine),
        }
        run_dir.merge_run_json(self.run, content)

    def _trials(self, engine: Engine) -> Exit | None:
        assert self.run is not None
        self.runner = Runner(self.plan, self.run, engine, client(), policy(os.environ), self.observer, watch=self.watch)
        prepared = self.runner.prepare()
        self._note_bases()
        with self.observer.trials():
            prepared = self.run_trials(self.runner, prepared)
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
            self.observer.progress(f"this run is {status}; evidence so far: {self.run.path}")
        except LabError as error:
            # The disk may be the very thing that failed; the first error is the one to report.
            self.observer.progress(f"and the run could not be marked {status}: {error}")

    def _tell(self, found: Scenario, run: RunDirectory) -> None:
        try:
            run_dir.merge_run_json(run, {"times": self.watch.line()})
            judge_run(self.root, found, run)
            lookup.point_latest(run)
            report(self.console, found, run)
        except LabError as error:
            self.observer.progress(f"the report could not be written: {error}")
        else:
            add_page(found, run, self.observer.progress)
