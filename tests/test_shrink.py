"""A shrink from its question to its reports, and what FROM=shrink hands over."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_export
import yaml
from cases import COMPOSE, EXPERIMENT, ROOT, load, recorded_run
from click.testing import CliRunner
from hostile import ACTS, MARKUP
from reprolab.bugreport import render, sections, spec
from reprolab.bugreport.input import BugReportInput, gather, unrelated
from reprolab.cli import main
from reprolab.cli import shrink as command
from reprolab.cli.cluster_options import ClusterOptions
from reprolab.core.errors import Exit, UsageError
from reprolab.core.files import read_json, write_json
from reprolab.core.foreign_text import ACTIVE
from reprolab.core.terminal import Terminal
from reprolab.export import least, write
from reprolab.report.minimal_stack import MinimalStack, markdown
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.shrink import document as shrink_document
from reprolab.shrink import handover, plan, words
from reprolab.shrink import markdown as shrink_markdown
from reprolab.shrink.document import Kind, ShrinkDocument, Status
from reprolab.shrink.question import Control, Question, ask
from reprolab.shrink.session import NothingToShrink, ShrinkSession
from reprolab.verdict.document import SignCount
from simulated_shrink import ABSENT, INVALID, SHOWN, SocketVanish, Truth, vanishing

SECOND = EXPERIMENT.replace(
    "CLAIMS = [",
    'CLAIMS = [Claim("B-0", "It is dark.", sign=blinked, absent=["old"]), '
    'Claim("B-2", "The old one does.", sign=blinked, shows=["old"]), ',
)


def vanish() -> Scenario:
    """The scenario with a load."""
    return loader.load(ROOT, "socket-vanish")


class Shrunk:
    """A shrink of socket-vanish in a directory of its own; ``printed`` is its terminal."""

    def __init__(self, results: Path, truth: Truth = vanishing, **options: Any) -> None:
        self.scenario = options.pop("scenario", None) or vanish()
        self.question = ask(self.scenario, **options.pop("question", {}))
        self.measurer = SocketVanish(self.scenario, truth, results=results, **options)
        self.printed, self.progress = io.StringIO(), []
        terminal = Terminal(file=self.printed, width=120)
        self.session = ShrinkSession(ROOT, self.question, self.measurer, terminal, self.progress.append)

    def run(self) -> Exit:
        """The exit status of the shrink."""
        return self.session.execute()

    @property
    def directory(self) -> Path:
        return self.session.directory

    @property
    def document(self) -> ShrinkDocument:
        return shrink_document.read(self.directory)

    def stack(self) -> MinimalStack:
        """Its least stack, as it is handed over."""
        return handover.find(ROOT, self.scenario, str(self.directory), self.progress.append)


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of all results."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.fixture
def shrunk(results: Path) -> Shrunk:
    """A shrink that has ended."""
    made = Shrunk(results)
    assert made.run() is Exit.AS_RECORDED
    return made


# -- the question ---------------------------------------------------------------------------------


def test_the_main_claim_is_asked_by_default() -> None:
    """Of a scenario, or of one experiment; from the documented stack where the sign shows there."""
    question = ask(vanish())
    assert (question.claim.id, question.variant, question.trials) == ("SV-1", "documented", 3)
    assert question.roles == ("proxy", "app", "witness")
    threads = loader.load(ROOT, "enable-threads")
    assert ask(threads, "two-clients").claim in threads.experiments["two-clients"].claims


def test_the_start_is_a_variant_that_shows_the_sign(tmp_path: Path) -> None:
    """With its changes; what the user fixes is added and stays."""
    scenario = load(tmp_path, lamp=SECOND)
    question = ask(scenario, claim="B-2", fixed={"WORKERS": "4"}, trials=5)
    assert (question.variant, question.trials) == ("old", 5)
    assert question.cell({}).settings == {"RELEASE": "0.9", "WORKERS": "4"}
    assert question.stays == ("WORKERS",)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"claim": "B-9"}, "--claim B-9: blink has no such claim"),
        ({"claim": "B-0"}, "B-0 expects its sign in no variant"),
        ({}, "blink has no main claim, and none is named\n  expected: --claim ID, one of B-2, B-1"),
        ({"experiment": "lampe"}, r"blink has no experiment 'lampe' \(did you mean lamp\?\)"),
        ({"claim": "B-1", "fixed": {"WORKRES": "1"}}, "blink has no factor WORKRES"),
    ],
)
def test_a_question_that_cannot_be_asked(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    """Each mistake with what is expected."""
    with pytest.raises(UsageError, match=expected):
        ask(load(tmp_path, lamp=SECOND), **options)


def test_a_release_that_needs_others_has_them_in_each_stack() -> None:
    """They are no steps; what the user has chosen is not replaced."""
    question = ask(vanish(), fixed={"GUNICORN": "27.0.1"})
    assert {"PYTHON", "BOTTLE"} <= question.companions.keys()
    assert question.companions.items() <= question.cell({}).settings.items()
    assert set(question.stays) == {"GUNICORN", *question.companions}
    assert "PYTHON" not in ask(vanish(), fixed={"GUNICORN": "27.0.1", "PYTHON": "3.13.0"}).companions


def test_a_load_setting_needs_an_experiment_with_a_load() -> None:
    """Others never start wrk."""
    assert ask(vanish(), fixed={"LOAD_DURATION": "5"}).stays == ("LOAD_DURATION",)
    with pytest.raises(UsageError, match="pool-freeze has no factor LOAD_DURATION"):
        ask(loader.load(ROOT, "pool-freeze"), fixed={"LOAD_DURATION": "5"})


def test_a_control_must_differ_and_be_able_to_count() -> None:
    """Where the trigger must not happen a trial counts only under the variant's own name."""
    question = ask(vanish(), claim="SV-7")
    assert question.controls({"WORKERS": "1"}) == [Control("one-thread", {"WORKERS": "1", "THREADS": "1"})]
    assert question.controls({"THREADS": "1"}) == []


def test_a_control_that_undoes_a_part_of_the_shrink_comes_last() -> None:
    """Three idle connections are a control beside four threads; beside a single one they are more than enough."""
    question = ask(loader.load(ROOT, "idle-connections"))
    least = {"IDLE": "1", "THREADS": "1"}
    undone = [(control.variant, control.undoes) for control in question.controls(least)]
    assert undone == [("one-less", ("IDLE",)), ("five-threads", ("THREADS",))]
    assert not any(control.undoes for control in question.controls({}))
    idle = [(control.variant, control.undoes) for control in question.controls({"IDLE": "2"})]
    assert idle == [("five-threads", ()), ("one-less", ("IDLE",))]


def test_services_that_the_least_stack_does_not_need_are_left_out() -> None:
    """x-reprolab.when says by which factors."""
    question = ask(loader.load(ROOT, "pool-freeze"))
    assert "upstream" in question.services({})
    assert "upstream" not in question.services({"TASK": "sleep"})


# -- the session and its files --------------------------------------------------------------------


def test_a_shrink_finds_the_least_stack_and_writes_it_down(shrunk: Shrunk, results: Path) -> None:
    """Its directory has the document, and the reports as text, Markdown and a page."""
    document = shrunk.document
    assert document.status is Status.MINIMAL
    assert document.least == {
        **{"WORKERS": "1", "THREADS": "2", "MAX_REQUESTS": "2", "WITNESS": "off"},
        **{"LOAD_THREADS": "1", "LOAD_CONNECTIONS": "1", "LOAD_DURATION": "1"},
    }
    assert document.new_trials == shrunk.measurer.trials_run
    assert shrunk.directory.parent == results / "shrink/socket-vanish"
    assert {path.name for path in shrunk.directory.iterdir()} == {
        *("shrink.json", "report.txt", "report.md", "report.html")
    }


def test_the_document_is_read_as_it_was_written(shrunk: Shrunk) -> None:
    """Each step has its experiment, changes, count, reason and the place of its evidence below results/."""
    document = shrunk.document
    assert document == replace(shrunk.session.document(), seconds=document.seconds)
    assert document.steps[0].evidence == "cells/documented"
    assert all(step.experiment == "vanish" for step in document.steps)
    assert all(step.reason for step in document.steps if not step.accepted)
    assert {(move.words, step.reason) for move, step in document.refused} == {
        ("THREADS 2 → 1", "no sign"),
        ("MAX_REQUESTS 2 → 1", "not exercised: the trigger of the claim did not happen"),
    }


def test_kept_trials_are_counted_apart(results: Path) -> None:
    """Those of earlier questions ran in another command."""

    def exercised(s: Mapping[str, str], n: int) -> str:
        return SHOWN if vanishing(s, n) == SHOWN else ABSENT

    first, again = Shrunk(results, exercised), Shrunk(results, exercised)
    first.run()
    again.measurer.kept = first.measurer.kept
    again.measurer.earlier = {cell: len(records) for cell, records in first.measurer.kept.items()}
    again.run()
    assert (again.document.new_trials, again.document.kept_trials) == (0, first.document.new_trials)
    assert "0 new trials and " in " ".join(again.printed.getvalue().split())
    assert again.document.least == first.document.least


def test_the_terminal_says_what_was_found(shrunk: Shrunk) -> None:
    """The steps, the stacks side by side, the proof, the control, and the effort."""
    text = " ".join(shrunk.printed.getvalue().split())
    assert "The least stack shows the sign of SV-1 in 6/6 trials: WORKERS 5 → 1, THREADS 5 → 2" in text
    assert "It is 1-minimal: 2 single steps from it, and none shows the sign in every trial." in text
    assert "The least stack with GUNICORN=19.5.0, as in the control gunicorn-19.5.0, shows the sign in 0/3" in text
    assert re.search(r"LOAD_CONNECTIONS 200 1 .* services proxy app witness the same ", text)
    assert f"{len(shrunk.document.steps)} stacks, {shrunk.measurer.trials_run} new trials" in text
    assert shrunk.progress[:2] == ["the starting stack: documented", "  shown in 3/3"]


def test_the_page_links_the_evidence_of_each_step(shrunk: Shrunk, results: Path) -> None:
    """Relative to the page; the least stack and the remaining steps stand before all others."""
    page = (shrunk.directory / "report.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(\.\./[^"]+)"', page)
    assert len(links) == len(shrunk.document.steps) + len(shrunk.document.remaining)
    assert (shrunk.directory / links[-1]).resolve().is_relative_to(results.resolve() / "cells")
    assert page.index('id="least"') < page.index('id="remaining"') < page.index('id="steps"')


def test_the_markdown_has_both_tables(shrunk: Shrunk) -> None:
    """It names no directory of this machine."""
    text = (shrunk.directory / "report.md").read_text(encoding="utf-8")
    assert "| `LOAD_CONNECTIONS` | 200 | 1 |" in text
    assert "| 0 | the starting stack: documented | 3/3 | shows it |  |" in text
    assert f"`results/shrink/socket-vanish/{shrunk.directory.name}/`" in text


def test_all_reports_say_whether_the_sign_depends_on_the_host(shrunk: Shrunk) -> None:
    """It stands beside the effort. The names of hosts are texts of others."""
    document = replace(shrunk.document, hosts=("SV-1 depends on the host: <b>lab2 5/5",))
    assert words.effort(document).endswith(" min; SV-1 depends on the host: <b>lab2 5/5")
    assert re.search(r"`[^`]*SV-1 depends on the host: <b>lab2 5/5`", shrink_markdown.summary(document, "here"))
    assert words.effort(shrunk.document).endswith(" min")


def test_nothing_to_shrink_from_is_an_error_that_says_so(results: Path) -> None:
    """With the count of the starting stack; the document is kept."""
    made = Shrunk(results, lambda s, n: ABSENT if n else SHOWN)
    with pytest.raises(
        NothingToShrink, match=r"does not show the sign of SV-1 each time: 1/3, the sign comes and goes"
    ):
        made.run()
    assert NothingToShrink.exit_status is Exit.INCONCLUSIVE
    assert made.document.status is Status.NOTHING


def test_an_interrupt_leaves_the_state_and_its_reports(results: Path) -> None:
    """The least stack so far, and the steps that were not tested."""
    made = Shrunk(results, interrupt=25)
    with pytest.raises(KeyboardInterrupt):
        made.run()
    document = made.document
    assert document.status is Status.INTERRUPTED
    assert document.untested
    assert document.least_step is not None
    assert "The shrink ended early: interrupted" in " ".join(made.printed.getvalue().split())
    assert "the same command goes on with the kept trials: reprolab shrink socket-vanish --claim SV-1" in "\n".join(
        made.progress
    )


def test_a_killed_process_leaves_all_steps_so_far(results: Path) -> None:
    """The document is written after each test."""
    made = Shrunk(results)
    seen: list[tuple[str, int]] = []
    measure = made.measurer.measure

    def look(*arguments: Any) -> Any:
        seen.append((str(made.document.status), len(made.document.steps)))
        return measure(*arguments)

    made.measurer.measure = look  # type: ignore[method-assign]
    made.run()
    assert seen[0] == ("running", 0)
    assert [number for _, number in seen] == sorted(number for _, number in seen)
    assert seen[-1] == ("running", len(made.document.steps) - 1)


def test_a_budget_that_ends_the_search_leaves_it_inconclusive(results: Path) -> None:
    """Exit status 3, since less may do."""
    made = Shrunk(results)
    made.session.budget = 0.0
    assert made.run() is Exit.INCONCLUSIVE
    assert made.document.status is Status.BUDGET
    assert made.document.steps == ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.pop("steps"),
        lambda data: data.update(schema=2),
        lambda data: data.update(status="done"),
        lambda data: data.update(trials="3"),
        lambda data: data.update(more=1),
        lambda data: data["steps"][0].update(kind="?"),
        lambda data: data["steps"][0].update(accepted=1),
        lambda data: data["steps"][0]["count"].update(shown="3"),
        lambda data: data["steps"][1]["moves"][0].pop("after"),
        lambda data: data["remaining"][0].update(step=99),
        lambda data: data["least"].pop("WORKERS"),
        lambda data: data.update(services=[["app"]]),
        lambda data: data.update(untested=[{"name": "A", "before": "2", "after": 1}]),
    ],
)
def test_a_damaged_document_is_named(shrunk: Shrunk, damage: Callable[[dict[str, Any]], Any]) -> None:
    """No traceback, and no result from half a file."""
    path = shrunk.directory / "shrink.json"
    data = read_json(path)
    damage(data)
    write_json(path, data)
    with pytest.raises(UsageError, match=r"shrink\.json does not have the lab's format"):
        shrink_document.read(shrunk.directory)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_file_that_is_no_document_is_named(shrunk: Shrunk, text: str) -> None:
    """A full disk leaves such files."""
    (shrunk.directory / "shrink.json").write_text(text)
    with pytest.raises(UsageError, match=r"shrink\.json"):
        shrink_document.read(shrunk.directory)


def test_texts_of_servers_are_inert_in_every_report(results: Path) -> None:
    """A reason why a trial is invalid may hold escape sequences, markup and links."""
    made = Shrunk(results, lambda s, n: INVALID if s["WORKERS"] == "1" else SHOWN)
    trial = made.measurer._trial
    made.measurer._trial = lambda *a: (  # type: ignore[method-assign]
        replace(record, invalid=f"{ACTS}{MARKUP}") if (record := trial(*a)).invalid else record
    )
    made.run()
    for name in ("report.txt", "report.md", "report.html"):
        text = (made.directory / name).read_text(encoding="utf-8")
        assert not ACTIVE.findall(text), name
        assert name != "report.html" or "<script>" not in text
    assert not ACTIVE.findall(re.sub(r"\x1b\[[0-9;]*m", "", made.printed.getvalue()))


# -- FROM=shrink ----------------------------------------------------------------------------------


def test_the_newest_shrink_that_fits_is_handed_over(shrunk: Shrunk, results: Path) -> None:
    """One that failed is passed over, and named."""
    failed = Shrunk(results, lambda s, n: ABSENT)
    with pytest.raises(NothingToShrink):
        failed.run()
    said: list[str] = []
    stack = handover.find(ROOT, vanish(), "shrink", said.append)
    assert stack.evidence == f"shrink/socket-vanish/{shrunk.directory.name}"
    name = failed.directory.name
    assert f"newer ones do not fit: {name} (it has no least stack: nothing to shrink from)" in said[0]
    assert stack.changes["LOAD_CONNECTIONS"] == "1"
    assert (stack.count.text, stack.minimal, stack.control) == ("6/6", True, {"GUNICORN": "19.5.0"})


def test_without_a_shrink_the_command_for_one_is_named(results: Path) -> None:
    """As for a run."""
    with pytest.raises(
        UsageError, match=r"socket-vanish has no shrink to hand over\n.*\n.*reprolab shrink socket-vanish"
    ):
        handover.find(ROOT, vanish(), "shrink", print)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scenario": "two-masters"}, "it is of two-masters"),
        ({"status": Status.RUNNING}, "it has no least stack: running"),
        ({"case": "sha256:0"}, "the files of the case have changed since"),
    ],
)
def test_a_shrink_that_says_nothing_of_the_case_is_refused(
    shrunk: Shrunk, changes: dict[str, Any], reason: str
) -> None:
    """Each with the reason."""
    shrink_document.write(shrunk.directory, replace(shrunk.document, **changes))
    with pytest.raises(UsageError, match=reason):
        shrunk.stack()


def test_a_least_stack_whose_control_shows_the_sign_is_refused(results: Path) -> None:
    """There the sign says nothing; the terminal says it, too."""
    made = Shrunk(results, lambda s, n: SHOWN)
    made.run()
    assert "shows the sign in 3/3 trials too, so there the sign says nothing" in " ".join(
        made.printed.getvalue().split()
    )
    with pytest.raises(UsageError, match="its control shows the sign too, in 3/3 trials"):
        made.stack()


def test_the_export_has_the_factors_and_the_load_of_the_least_stack(shrunk: Shrunk, tmp_path: Path) -> None:
    """The numbers of wrk stand in the files of the drive; the README says what was left out, and with what result."""
    case = least.least_case(vanish(), shrunk.stack())
    directory, _ = write.write_reproducer(case, tmp_path / "export")
    assert directory.name == "socket-vanish-least-reproducer"
    model = yaml.safe_load((directory / "compose.yaml").read_text(encoding="utf-8"))
    variables = model["services"]["app"]["environment"]
    assert {name: variables[name] for name in ("WORKERS", "THREADS", "MAX_REQUESTS")} == {
        **{"WORKERS": "1", "THREADS": "2", "MAX_REQUESTS": "2"}
    }
    drive = (directory / "drive/drive.sh").read_text(encoding="utf-8")
    assert "wrk --threads 1 --connections 1 --duration 1s" in drive
    page = (directory / "README.md").read_text(encoding="utf-8")
    assert "It showed in 6 of 6 trials of this stack. It is 1-minimal" in page
    assert "| `LOAD_CONNECTIONS` | `200` | `1` |" in page
    assert "Not part of this reproducer: WITNESS." in page
    assert "| least |" in page and "| control of least |" in page
    assert "in 0 of 3 trials" in page
    assert "was not measured" not in page
    assert len(page.splitlines()) <= 80
    assert "least) export GUNICORN=19.6.0 ;;" in (directory / "run.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "check",
    [
        test_export.test_shellcheck_has_nothing_to_say,
        test_export.test_nothing_in_it_is_the_labs_or_this_machines,
        test_export.test_its_variables_have_values,
        test_export.test_its_containers_are_closed,
        test_export.test_the_images_find_all_they_copy,
        test_export.test_the_archive_holds_the_directory,
    ],
)
def test_the_export_is_as_whole_as_any_other(shrunk: Shrunk, tmp_path: Path, check: Callable[[Path], None]) -> None:
    """What holds for the reproducer of a variant."""
    check(write.write_reproducer(least.least_case(vanish(), shrunk.stack()), tmp_path / "export")[0])


def test_a_load_that_the_drive_does_not_name_is_said_to_be_left(shrunk: Shrunk, tmp_path: Path) -> None:
    """Its files have no such number: the reproducer keeps the documented load."""
    stack = shrunk.stack()
    reduced = tuple(replace(row, start="77") if row.name == "LOAD_CONNECTIONS" else row for row in stack.reduced)
    case = least.least_case(vanish(), replace(stack, reduced=reduced))
    directory, _ = write.write_reproducer(case, tmp_path / "export")
    assert "--threads 1 --connections 200 --duration 1s" in (directory / "drive/drive.sh").read_text(encoding="utf-8")
    page = (directory / "README.md").read_text(encoding="utf-8")
    assert "Not part of this reproducer: WITNESS, LOAD_CONNECTIONS." in page


def test_the_export_of_another_sign_is_refused(shrunk: Shrunk) -> None:
    """SV-4 has the sign of the reproducer, SV-3 has another one."""
    stack = shrunk.stack()
    assert least.least_case(vanish(), replace(stack, claim="SV-4")).minimal
    with pytest.raises(UsageError, match=r"the shrink is about SV-3(.|\n)*reprolab shrink socket-vanish --claim SV-1"):
        least.least_case(vanish(), replace(stack, claim="SV-3"))


def test_a_least_stack_that_is_the_control_is_refused(shrunk: Shrunk) -> None:
    """Its script could show no difference."""
    stack = shrunk.stack()
    with pytest.raises(UsageError, match="is what the control of its reproducer changes to"):
        least.least_case(vanish(), replace(stack, changes=stack.changes | {"GUNICORN": "19.5.0"}))


def report_input(results: Path) -> BugReportInput:
    """The input of gunicorn's report, from the recorded run."""
    scenario, run = vanish(), recorded_run(results, "whole")
    report = next(report for report in spec.load(scenario).reports if report.name == "gunicorn")
    return gather(scenario, report, run, run.info())


def test_a_bug_report_has_the_least_stack_with_its_proof(shrunk: Shrunk, results: Path) -> None:
    """In the steps, which every form has; without a shrink there is no word of it."""
    given = report_input(results)
    assert "Minimal stack" not in sections.steps(given)
    text = render.write(replace(given, minimal=shrunk.stack()), ROOT)
    assert "**Minimal stack.** It shows the sign in 6/6 trials" in text
    assert "| `MAX_REQUESTS` | 512 | 2 |" in text
    assert "| THREADS 2 → 1 | 0/1 | no sign |" in text
    assert "With `GUNICORN=19.5.0` the least stack shows it in 0/3 trials." in text
    assert f"`results/shrink/socket-vanish/{shrunk.directory.name}/`" in text


def test_a_least_stack_of_something_else_is_no_part_of_a_report(shrunk: Shrunk, results: Path) -> None:
    """Another claim, or another starting stack."""
    report, stack = report_input(results).report, shrunk.stack()
    assert unrelated(report, stack) == ""
    assert unrelated(report, replace(stack, claim="SV-7")).startswith("it is about SV-7")
    assert unrelated(report, replace(stack, variant="tcp")) == "it started from tcp, and the report shows documented"


def test_what_is_not_minimal_is_not_called_so(shrunk: Shrunk) -> None:
    """Nor what could not be made smaller."""
    stack = shrunk.stack()
    assert "Not every single step was decided, so less may do." in markdown(replace(stack, minimal=False))
    assert "Nothing could be left out" in markdown(replace(stack, reduced=()))
    assert "No single step is left." in markdown(replace(stack, refused=()))


# -- the command line -----------------------------------------------------------------------------


def lab(*arguments: str) -> tuple[int, str]:
    """The exit status and the output of a command."""
    done = CliRunner().invoke(main.main, list(arguments), env={"REPROLAB_ROOT": str(ROOT)})
    return done.exit_code, done.output


def test_the_command_shrinks(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user fixes is part of each stack; the measurer gets the other options."""
    got: list[Any] = []

    def measurer(root: Path, question: Question, options: Any, terminal: Any) -> AbstractContextManager[SocketVanish]:
        got.append(options)
        return nullcontext(SocketVanish(question.scenario, vanishing, results=results))

    monkeypatch.setattr(command, "_measurer", measurer)
    words_ = ["--set", "WORKERS=2", "--set", "LOAD_DURATION=4", "--trials", "2", "--fresh", "--seed", "7"]
    status, output = lab("shrink", "socket-vanish", "--claim", "SV-1", *words_)
    assert status == Exit.AS_RECORDED, output
    assert got == [command.MeasureOptions(fresh=True, seed=7, jobs=None, cluster=ClusterOptions())]
    assert "documented (WORKERS=2 LOAD_DURATION=4)" in output
    assert "4/4 trials: THREADS 5 → 2" in " ".join(output.split())


def test_exports_and_reports_take_the_newest_shrink(shrunk: Shrunk, results: Path, tmp_path: Path) -> None:
    """`--from shrink` in both; an export has a variant or the least stack."""
    status, output = lab("export", "socket-vanish", "--from", "shrink", "--output", str(tmp_path / "out"))
    assert status == Exit.AS_RECORDED, output
    assert "the sign showed in 6/6 trials of the least stack: WORKERS=1 THREADS=2" in output
    assert "not part of the reproducer: WITNESS" in output
    status, output = lab("export", "socket-vanish", "--from", "shrink", "--variant", "tcp")
    assert status == Exit.USAGE
    assert "--from shrink exports the least stack, and --variant a variant" in output
    recorded_run(results, "whole")
    status, output = lab("bugreport", "socket-vanish", "--from", "shrink", "--output", "-", "--only", "gunicorn")
    assert status == Exit.AS_RECORDED, output
    assert "**Minimal stack.**" in output


def test_a_report_that_needs_a_missing_shrink_runs_nothing(results: Path) -> None:
    """It ends before its trials."""
    status, output = lab("bugreport", "socket-vanish", "--run", "--from", "shrink")
    assert (status, "has no shrink to hand over" in output) == (Exit.USAGE, True)


def test_a_plan_shows_what_can_get_simpler_and_runs_nothing(results: Path) -> None:
    """The load is known when the starting stack was measured."""
    status, output = lab("shrink", "socket-vanish", "--plan")
    text = " ".join(output.split())
    assert status == Exit.AS_RECORDED
    assert "starting stack: documented; services: proxy app witness" in text
    assert "WORKERS 5 4 3 1 …" in text
    assert "WITNESS on off" in text
    assert "LOAD_THREADS LOAD_CONNECTIONS LOAD_DURATION too" in text
    assert "s a trial, without builds" in text
    assert "nothing was run" in text
    assert not results.exists()


def test_a_mistyped_engine_ends_a_plan_too(results: Path) -> None:
    """Whoever plans wants to know it."""
    status, output = lab("shrink", "socket-vanish", "--engines", "nix://foo", "--plan")
    assert (status, "nix://foo" in output) == (Exit.USAGE, True)


def test_a_mistyped_claim_ends_before_anything_is_run(results: Path) -> None:
    """With the nearest that there is."""
    status, output = lab("shrink", "socket-vanish", "--claim", "SV-99")
    assert status == Exit.USAGE
    assert "--claim SV-99: socket-vanish has no such claim" in output


# -- words ----------------------------------------------------------------------------------------


def test_the_words_of_steps_of_which_nothing_could_be_told(shrunk: Shrunk) -> None:
    """They do not say that the result is 1-minimal."""
    document = shrunk.document
    row = document.remaining[0]
    steps = [replace(s, count=SignCount(0, 0, busy=2)) if s.number == row.step else s for s in document.steps]
    open_one = replace(document, steps=tuple(steps), status=Status.UNDECIDED)
    told = f"of {len(document.remaining)} single steps from it, nothing could be told of 1."
    assert words.minimality(open_one).startswith(f"It may not be 1-minimal: {told}")


def test_the_words_of_a_confirmation_that_fails(results: Path) -> None:
    """It is dropped; the control is the last row of the steps."""
    made = Shrunk(results, lambda s, n: ABSENT if s["WORKERS"] == "1" and n == 4 else vanishing(s, n))
    made.run()
    rows = list(words.step_rows(made.document))
    assert next(row.outcome for row in rows if row.what.startswith("measured again")) == "dropped"
    assert [row.what for row in rows if row.tested.kind is Kind.CONTROL] == ["control: GUNICORN=19.5.0"]
    assert made.document.least["WORKERS"] != "1"


def test_the_plan_names_empty_values(tmp_path: Path) -> None:
    """An option that is left out."""
    text = COMPOSE.replace("services:\n", '  simpler: {OPTIONS: ""}\nservices:\n') + "      OPTIONS: ${OPTIONS:-}\n"
    lamp = EXPERIMENT.replace('"documented": {}', '"documented": {}, "more": {"OPTIONS": "--x"}').replace(
        'shows=["documented"]', 'shows=["more"]'
    )
    stream = io.StringIO()
    plan.show(tmp_path, Terminal(file=stream, width=100), ask(load(tmp_path, compose=text, lamp=lamp)))
    assert re.search(r"OPTIONS +--x +\(empty\)", stream.getvalue())


def test_a_plan_says_where_nothing_can_get_simpler() -> None:
    """Instead of an empty table; there is no load of wrk beside other trials."""
    stream = io.StringIO()
    plan.show(ROOT, Terminal(file=stream, width=100), ask(loader.load(ROOT, "failed-startup")))
    text = " ".join(stream.getvalue().split())
    assert "no setting of this stack can get simpler" in text
    assert "LOAD_" not in text
    assert "simpler ───" not in text


def test_the_command_that_asks_again_asks_the_same(results: Path) -> None:
    """The number of trials and what stays are a part of the question."""
    made = Shrunk(results, question={"fixed": {"WORKERS": "2", "PYTHON": vanish().factors["PYTHON"]}, "trials": 2})
    made.run()
    again = words.repeat(made.document)
    assert again.startswith("reprolab shrink socket-vanish --claim SV-1 --trials 2 --set WORKERS=2 --set PYTHON=")
    for name in ("report.md", "report.html", "report.txt"):
        assert again in " ".join((made.directory / name).read_text(encoding="utf-8").split())


def test_the_reports_have_all_settings_of_the_least_stack(shrunk: Shrunk) -> None:
    """Whoever reads the Markdown alone knows the releases."""
    whole = words.whole(shrunk.document)
    assert "GUNICORN=19.6.0" in whole
    assert "THREADS=2" in whole
    assert "LOAD_CONNECTIONS=1" in whole
    for name in ("report.md", "report.html"):
        assert whole in html.unescape((shrunk.directory / name).read_text(encoding="utf-8"))


def test_latest_is_the_newest_shrink(shrunk: Shrunk) -> None:
    """As for runs, maps and bisects."""
    assert (shrunk.directory.parent / "latest").resolve() == shrunk.directory.resolve()


def test_what_a_budget_left_out_is_said(shrunk: Shrunk) -> None:
    """If each single step was tested, the least stack was not measured again."""
    early = replace(shrunk.document, status=Status.BUDGET)
    assert early.untested == ()
    assert "No single step from it was left, but it was not measured again" in words.minimality(early)
    left = replace(early, untested=(early.remaining[0].move,))
    assert "1 single step from it was not tested, so less may do." in words.minimality(left)


def test_where_nothing_is_left_no_steps_are_counted(shrunk: Shrunk) -> None:
    """Every setting may be at its simplest value."""
    nothing_left = words.minimality(replace(shrunk.document, remaining=()))
    assert nothing_left == "It is 1-minimal: no setting is left that could get simpler."


def test_that_no_control_was_measured_is_said(shrunk: Shrunk) -> None:
    """Without it nobody knows whether the sign can be absent there."""
    document = shrunk.document
    without = replace(document, steps=tuple(step for step in document.steps if step.kind is not Kind.CONTROL))
    assert words.control(without) == ("No control of SV-1 was measured on it", False)


def test_a_control_may_take_a_setting_back_to_its_documented_value(shrunk: Shrunk) -> None:
    """Then it is none of its changes, and a difference all the same."""
    document = shrunk.document
    control, least = document.control_step, document.least_step
    assert control is not None and least is not None
    back = {name: value for name, value in control.changes.items() if name != "WITNESS"}
    assert document.differing(replace(control, changes=back)) == {"WITNESS": "on", "GUNICORN": "19.5.0"}
    assert document.differing(least) == {}


def test_the_row_of_a_control_that_undoes_the_shrink_says_so(shrunk: Shrunk) -> None:
    """It says nothing, whatever its outcome is."""
    document = shrunk.document
    control = document.control_step
    assert control is not None
    count = replace(control.count, shown=3, trials=3)
    undoing = replace(control, changes={**control.changes, "THREADS": "3"}, count=count, accepted=False)
    assert words.row(document, undoing).why == "says nothing: it changes THREADS, as the shrink did"
    assert words.row(document, replace(control, count=count, accepted=False)).why == ""


def test_the_reports_of_a_shrink_are_written_again_from_their_file(shrunk: Shrunk, results: Path) -> None:
    """Without Docker, as those of a run, a bisect and a map."""
    page = shrunk.directory / "report.html"
    before = page.read_text()
    for where in (f"shrink/socket-vanish/{shrunk.directory.name}", "shrink/socket-vanish"):
        page.unlink()
        status, output = lab("html", where)
        assert status == Exit.AS_RECORDED, output
        assert page.read_text() == before


def test_a_control_that_undoes_the_shrink_refutes_nothing(results: Path) -> None:
    """It is named, and the least stack is handed over without it."""
    made = Shrunk(results, lambda s, n: SHOWN)
    made.run()
    document = replace(made.document, undone=("THREADS",))
    shrink_document.write(made.directory, document)
    text, clean = words.control(document) or ("", True)
    assert text.endswith("This says nothing: it changes THREADS, as the shrink did")
    assert not clean
    assert made.stack().control_count is None


def test_an_older_shrink_of_a_refuted_stack_is_not_handed_over(shrunk: Shrunk) -> None:
    """The newer one says that the sign says nothing there; another stack is not meant."""
    found = shrunk.document
    control = found.control_step
    assert control is not None
    seen = replace(control, accepted=False, count=replace(control.count, shown=3, trials=3))
    refuted = replace(found, steps=tuple(seen if step is control else step for step in found.steps))
    newer = shrunk.directory.parent / "29990101T000000Z"
    newer.mkdir()
    shrink_document.write(newer, refuted)
    with pytest.raises(UsageError, match=f"{newer.name} refutes the same stack"):
        handover.find(ROOT, vanish(), "shrink", print)
    shrink_document.write(newer, replace(refuted, claim="SV-3"))
    assert handover.find(ROOT, vanish(), "shrink", print).evidence.endswith(shrunk.directory.name)


def test_a_shrink_can_be_named_by_its_stamp(shrunk: Shrunk) -> None:
    """As a run; where there is none, the stamps that are there are named."""
    assert handover.find(ROOT, vanish(), shrunk.directory.name, print) == shrunk.stack()
    with pytest.raises(UsageError, match=rf"--from nix: there is no shrink.json in it\n.*{shrunk.directory.name}"):
        handover.find(ROOT, vanish(), "nix", print)


def test_the_document_is_plain_json(shrunk: Shrunk) -> None:
    """Readable without the lab."""
    data = json.loads((shrunk.directory / "shrink.json").read_text(encoding="utf-8"))
    assert data["schema"] == 1
    assert data["steps"][0]["count"] == {"shown": 3, "trials": 3}
    assert data["status"] == "1-minimal"
