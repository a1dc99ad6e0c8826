"""Executes one run: starts the engine, runs the trials, judges them, writes the report."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import docker
from rich.console import Console

from reprolab.baseimage.resolve import policy
from reprolab.core.errors import Exit, LabError
from reprolab.engine import host_facts, labels, leftovers
from reprolab.engine.detect import Engine, client, ensure_engine
from reprolab.engine.elsewhere import another_machine
from reprolab.engine.heartbeat import heartbeat
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import ABORTED, COMPLETE, FAILED, RUNNING, BaseImage, PlanEntry, RoundsInfo, RunInfo
from reprolab.machine.load import ANOTHER_MACHINE, at_start
from reprolab.report import step_summary
from reprolab.report.write import SUMMARY, add_page, report
from reprolab.run.keep import Keeper, StackKept
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan, PlannedVariant
from reprolab.run.runner import Prepared, Runner, Stopwatch
from reprolab.scenario.digest import CaseFiles
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import read_verdict
from reprolab.verdict.judge import exit_status, exit_words
from reprolab.verdict.record import judge_run, recorded_verdict


@dataclass
class Session:
    """A run from its plan to its report. ``run_trials`` runs the trials and returns the variants with their images."""

    root: Path
    plan: Plan
    console: Console
    observer: RunObserver
    run_trials: Callable[[Runner, list[Prepared]], list[Prepared]] = lambda runner, prepared: runner.execute(prepared)
    watch: Stopwatch = field(default_factory=Stopwatch)
    keeper: Keeper | None = None
    verbose: bool = False
    run: RunDirectory | None = None
    info: RunInfo | None = None
    runner: Runner | None = None
    files: CaseFiles = field(init=False)

    def __post_init__(self) -> None:
        # Before anything that waits: the scenario has just been loaded.
        self.files = CaseFiles.of(self.plan.scenario.directory)

    def execute(self) -> Exit:
        """Run the plan, judge it, report it; returns the exit status. Raises LabError; the evidence is kept."""
        scenario, status = self.plan.scenario, None
        # A broken file on record must not end the run after its first round.
        recorded_verdict(scenario)
        with self.watch.stage("set-up"):
            engine = ensure_engine(self.observer.progress)
            removed = leftovers.remove_leftovers(client())
        for line in removed.messages():
            self.observer.progress(line)
        self.run = lookup.create_run(self.root, scenario.name)
        self._begin(scenario, engine)
        try:
            status = self._trials(engine)
            self._save(replace(self._current_info, status=COMPLETE))
        except StackKept as end:
            self._abort(ABORTED, str(end))
        except KeyboardInterrupt:
            self._abort(ABORTED, "interrupted from the keyboard or by a signal")
            raise
        except LabError as error:
            self._abort(FAILED, str(error))
            raise
        except BaseException as error:
            # For example, the reader of a pipe ended. run.json must not say that the run still runs.
            self._abort(FAILED, f"{type(error).__name__}: {error}")
            raise
        finally:
            # The trials are judged and reported also if the run did not finish.
            if self.run.trials():
                self._publish_results(scenario, self.run)
            else:
                step_summary.add_failure(scenario.name, self._current_info.reason, self.observer.progress)
        verdict = read_verdict(self.run)
        assert verdict is not None
        return status or exit_status(verdict)

    def words(self, status: Exit) -> str:
        """The text for the exit status of the run."""
        verdict = read_verdict(self.run) if self.run else None
        return exit_words(status, verdict) if verdict else status.words

    def _begin(self, scenario: Scenario, engine: Engine) -> None:
        self._save(
            RunInfo(
                scenario=scenario.name,
                started=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
                status=RUNNING,
                pid=labels.own_identity(),
                command=(Path(sys.argv[0]).name, *sys.argv[1:]),
                factors=dict(scenario.factors),
                plan=_entries(self.plan.variants),
                host=host_facts.facts_of(engine, client()),
                case=self.files.digest,
                lab=version("reprolab"),
                checksums=True,
                machine={"missing": ANOTHER_MACHINE} if another_machine(engine.host) else at_start(),
            )
        )

    @property
    def _current_info(self) -> RunInfo:
        assert self.info is not None
        return self.info

    def _save(self, info: RunInfo) -> None:
        """Replace the information on the run, and write run.json."""
        assert self.run is not None
        self.info = info
        self.run.write_info(info)

    def _trials(self, engine: Engine) -> Exit | None:
        api = client()
        with heartbeat(api, self.observer.progress):
            return self._run_trials(engine, api)

    def _run_trials(self, engine: Engine, api: docker.DockerClient) -> Exit | None:
        assert self.run is not None
        self.runner = Runner(
            self.plan,
            self.run,
            engine,
            api,
            policy(os.environ),
            self.observer,
            watch=self.watch,
            keeper=self.keeper,
            on_rounds=self._save_rounds,
            before_keeping=self.files.check,
        )
        prepared = self.runner.prepare()
        self._save_bases()
        with self.observer.trials():
            prepared = self.run_trials(self.runner, prepared)
        self.run.ensure_kept()
        self._save_images(prepared)
        unbuilt = any(item.invalid for item in prepared)
        return Exit.LAB_FAILED if unbuilt else None

    def _save_rounds(self, rounds: RoundsInfo | None, variants: Sequence[PlannedVariant]) -> None:
        assert self.run is not None
        self.run.ensure_kept()
        self._save(replace(self._current_info, rounds=rounds, plan=_entries(variants)))

    def _save_images(self, prepared: list[Prepared]) -> None:
        assert self.runner is not None
        scenario = self.runner.scenario
        built = {
            scenario.variant_key(item.variant.experiment.name, item.variant.name): item.images for item in prepared
        }
        images = {
            key: {service: built_image.image for service, built_image in services.items()}
            for key, services in built.items()
        }
        packages = {
            f"{key}/{service}": built_image.packages
            for key, services in built.items()
            for service, built_image in services.items()
        }
        self._save(replace(self._current_info, images=images, packages=packages))

    def _save_bases(self) -> None:
        assert self.runner is not None
        bases = {
            name: BaseImage(base.reference, base.image_id, str(base.origin), base.digest, base.detail)
            for name, base in self.runner.bases.items()
        }
        self._save(replace(self._current_info, bases=bases))

    def _abort(self, status: str, reason: str) -> None:
        assert self.run is not None
        try:
            if self.runner:
                self.runner.stop_builds()
                # These are the images of the saved trials.
                self._save_images(list(self.runner.ready.values()))
            self._save(replace(self._current_info, status=status, reason=reason))
            self.observer.progress(f"this run is {status}; evidence so far: {self.run.path}")
        except LabError as error:
            # The disk itself may have failed. The first error is the one to report.
            self.observer.progress(f"and the run could not be marked {status}: {error}")

    def _publish_results(self, scenario: Scenario, run: RunDirectory) -> None:
        try:
            self._save(replace(self._current_info, times=self.watch.line()))
            judge_run(scenario, run)
            lookup.point_latest(run, self.observer.progress)
            report(self.console, scenario, run, self.verbose)
            step_summary.add(scenario.name, run.path / SUMMARY, self.observer.progress)
        except LabError as error:
            self.observer.progress(f"the report could not be written: {error}")
        else:
            add_page(scenario, run, self.observer.progress)


def _entries(variants: Sequence[PlannedVariant]) -> tuple[PlanEntry, ...]:
    return tuple(PlanEntry(item.experiment.name, item.name, dict(item.changes), item.trials) for item in variants)
