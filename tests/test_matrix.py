"""A matrix: its plan, which trials it runs, and how it ends. The measurer is simulated, so the truth is known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cases import ROOT, claim, in_memory, lay_out, load, trial
from reprolab.core.errors import EngineError, Exit, UsageError
from reprolab.core.terminal import Terminal
from reprolab.engine.host_facts import Host
from reprolab.evidence import lookup
from reprolab.evidence.run_info import ABORTED, BUDGET, COMPLETE, FAILED, RUNNING, RunInfo
from reprolab.matrix import forecast, session
from reprolab.matrix.changes import line_changes
from reprolab.matrix.collect import document_of
from reprolab.matrix.document import MatrixDocument, read_matrix
from reprolab.matrix.plan import MatrixOptions, MatrixPlan, make_plan
from reprolab.matrix.session import MatrixSession
from reprolab.matrix.state import State, state_of
from reprolab.matrix.strategy import Survey
from reprolab.measure.axis import Axis, Value
from reprolab.measure.cell import Cell
from reprolab.measure.trial_time import time_line, time_per_trial
from reprolab.scenario import loader
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Experiment
from simulated import BROKEN, BUSY, IDLE, INVALID, ONCE, Simulated, Truth, blink, number, releases, words

# -- the plan ---------------------------------------------------------------------------------------


def plan_of(*axes: Axis, **options: Any) -> MatrixPlan:
    """A plan over the small scenario."""
    return make_plan(blink(), MatrixOptions("blink", **({"seed": 7} | options)), axes)


def test_a_plan_has_a_cell_for_every_combination() -> None:
    """In order, the last axis fastest; the fixed settings are in each, documented values in none."""
    plan = plan_of(releases(2), words("MODE", "plain", "loud"), settings={"WORKERS": "4"})
    assert [point.coordinates for point in plan.points] == [
        *[("0.0", "plain"), ("0.0", "loud")],
        *[("0.1", "plain"), ("0.1", "loud")],
    ]
    assert [point.cell.words for point in plan.points[:2]] == [
        "RELEASE=0.0 WORKERS=4",
        "RELEASE=0.0 WORKERS=4 MODE=loud",
    ]
    assert (plan.trials, plan.claims[0].id, plan.seed) == (3, "B-1", 7)


def test_a_value_that_is_named_twice_is_one_cell() -> None:
    """A range and a list may overlap; the day of the release is kept."""
    axis = replace(releases(3), values=(*releases(3).values, Value("0.1")))
    plan = plan_of(axis)
    assert [point.coordinates[0] for point in plan.points] == ["0.0", "0.1", "0.2"]
    assert plan.axes[0].values[1].date


def test_companions_are_in_the_cell_and_noted() -> None:
    """Only factors that the user has not chosen, and only values that differ from the documented ones."""

    def companions(settings: Any) -> dict[str, str]:
        new = settings["RELEASE"] == "0.1"
        return {**settings, "PYTHON": "3.12.1" if new else "3.6.15", "WORKERS": "9"}

    plan = make_plan(blink(), MatrixOptions("blink", settings={"WORKERS": "4"}), [releases(2)], companions)
    assert [dict(point.companions) for point in plan.points] == [{}, {"PYTHON": "3.12.1"}]
    assert plan.points[1].cell.words == "RELEASE=0.1 WORKERS=4 PYTHON=3.12.1"


@pytest.mark.parametrize(
    ("axes", "options", "message"),
    [
        ([words("RELAESE", "1")], {}, r"no factor RELAESE \(did you mean RELEASE"),
        ([releases(2)], {"settings": {"RELEASE": "0.1"}}, "RELEASE is given twice"),
        ([releases(2), releases(3)], {}, "RELEASE is given twice"),
        ([words("RELEASE")], {}, "RELEASE has no value"),
        ([words("RELEASE", "")], {}, "RELEASE has no value"),
        ([words("MODE", "plain", "lowd")], {}, r"MODE cannot be 'lowd' \(did you mean loud"),
        ([releases(2)], {"claims": ("B-7",)}, "blink has no such claim.*\n.*one of B-1, B-2"),
        ([releases(2)], {"experiment": "lmap"}, r"no experiment 'lmap' \(did you mean lamp"),
        ([releases(2)], {"experiment": "lamp", "claims": ("B-7",)}, "lamp has no such claim"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_measured(
    axes: list[Axis], options: dict[str, Any], message: str
) -> None:
    """Each is a UsageError that names what was expected."""
    scenario = replace(blink(), values={"MODE": ("plain", "loud")})
    with pytest.raises(UsageError, match=re.compile(message, re.DOTALL)):
        make_plan(scenario, MatrixOptions("blink", **options), axes)


def two_experiments(**answer: str) -> Any:
    """A scenario with two experiments of two claims and one."""
    dim = Experiment("dim", {"documented": {}}, 2, lambda stack: {}, (claim("D-1"),))
    return replace(in_memory(claim("B-1"), claim("B-2"), also=(dim,)), answer=answer)


def test_the_experiment_is_that_of_the_main_claim() -> None:
    """Or that of the claims that are asked for, or the named one."""
    scenario = two_experiments(**{"B-2": "it is dark"})
    plans = {
        name: make_plan(scenario, MatrixOptions("blink", **options), [words("RELEASE", "1", "2")])
        for name, options in {"main": {}, "claim": {"claims": ("D-1",)}, "named": {"experiment": "dim"}}.items()
    }
    experiments = {name: (plan.experiment.name, plan.claims[0].id, plan.trials) for name, plan in plans.items()}
    assert experiments == {"main": ("lamp", "B-2", 3), "claim": ("dim", "D-1", 2), "named": ("dim", "D-1", 2)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "several experiments and no main claim"),
        ({"experiment": "lamp"}, "lamp has 2 claims, and none of them is the scenario's main claim"),
        ({"claims": ("B-1", "D-1")}, "are of several experiments: lamp, dim"),
    ],
)
def test_a_claim_must_be_named_where_none_is_the_main_one(options: dict[str, Any], message: str) -> None:
    """No claim is guessed, as doubt is narrowed for it."""
    with pytest.raises(UsageError, match=message):
        make_plan(two_experiments(), MatrixOptions("blink", **options), [words("RELEASE", "1", "2")])


# -- which trials are run -----------------------------------------------------------------------------


def survey(truth: Callable[[Cell], Truth], *axes: Axis, **options: Any) -> tuple[MatrixDocument, Simulated]:
    """The map that a survey measures with this truth."""
    plan, simulated = plan_of(*axes, **options), Simulated(truth)
    surveyed = Survey(plan, simulated, Path("results"))
    surveyed.execute()
    return document_of(plan, "now", "", surveyed.cells), simulated


def changes(document: MatrixDocument, claim_id: str = "B-1") -> list[list[tuple[str, State]]]:
    """For each line that changes: the values at which it does, with the state from there on."""
    every = [[(change.after, change.state) for change in line.changes] for line in line_changes(document, claim_id)]
    return [line for line in every if line]


def test_one_window_is_found_with_few_trials() -> None:
    """A cell has one trial, except the two beside each change: those have all three."""
    document, simulated = survey(lambda cell: 13 <= number(cell) < 20, releases(40))
    assert changes(document) == [[("0.13", State.SHOWN), ("0.20", State.ABSENT)]]
    counts = {cell.coordinates[0]: cell.count("B-1").trials for cell in document.cells}
    assert [name for name, trials in counts.items() if trials == 3] == ["0.12", "0.13", "0.19", "0.20"]
    assert simulated.trials_run == 40 + 4 * 2 == document.trials_run
    assert document.trials_of_all == 120


def test_two_windows_are_found() -> None:
    """Also a window of a single release, which halving would step over."""
    document, simulated = survey(lambda cell: number(cell) == 5 or 20 <= number(cell) < 31, releases(40))
    assert changes(document) == [
        [("0.5", State.SHOWN), ("0.6", State.ABSENT), ("0.20", State.SHOWN), ("0.31", State.ABSENT)]
    ]
    assert simulated.trials_run == 40 + 7 * 2


def test_each_line_of_an_ordered_axis_is_narrowed_by_itself() -> None:
    """The sign shows in one of three modes; the cells of the other modes beside the change have one trial."""
    document, simulated = survey(
        lambda cell: number(cell) >= 4 and cell.settings.get("MODE") == "loud",
        releases(10),
        words("MODE", "plain", "loud", "soft"),
    )
    assert changes(document) == [[("0.4", State.SHOWN)]]
    assert simulated.trials_run == 30 + 2 * 2


def test_neighbours_in_an_axis_without_an_order_are_not_compared() -> None:
    """Worker classes stand beside each other by chance; only a sign that comes and goes is repeated."""
    axis = words("MODE", "a", "b", "c", "d")
    document, simulated = survey(lambda cell: cell.settings["MODE"] in "ac", axis)
    assert (changes(document), simulated.trials_run) == ([], 4)


def test_cells_beside_a_hole_are_in_doubt() -> None:
    """An invalid cell hides what is in it; a hole between unlike cells hides where the change is."""
    holes = {5, 6, 20}
    document, _ = survey(lambda cell: INVALID if number(cell) in holes else number(cell) >= 6, releases(30))
    counts = {cell.coordinates[0]: cell.count("B-1").trials for cell in document.cells}
    assert [name for name, trials in counts.items() if trials == 3] == ["0.4", "0.7", "0.19", "0.21"]
    assert changes(document) == [[("0.7", State.SHOWN)]]
    (line,) = line_changes(document, "B-1")
    assert line.changes[0].holes == ("0.5", "0.6")
    assert state_of(document.cells[5], "B-1") is State.INVALID


def test_a_cell_that_never_counts_gets_no_trial_twice() -> None:
    """What cannot be built, does not start or is not exercised is asked for once."""
    truths = {1: BROKEN, 4: INVALID, 7: IDLE}
    document, simulated = survey(lambda cell: truths.get(number(cell), False), releases(10))
    states = [state_of(cell, "B-1") for cell in document.cells if number_of(cell) in truths]
    assert states == [State.INVALID, State.INVALID, State.NOT_EXERCISED]
    asked = [cell for call in simulated.asked for cell in call if number(cell) in truths]
    assert len(asked) == len(truths)
    assert document.cells[1].obstacle == "image build failed: no such release"
    assert document.cells[1].counts == {}, "nothing was counted"
    assert document.cells[4].reason == "app did not start: exit code 1"


def test_a_cell_that_gets_fewer_trials_than_asked_for_is_asked_no_more() -> None:
    """Its first trial counted, and then none does: the survey ends all the same."""
    document, simulated = survey(lambda cell: ONCE if number(cell) == 4 else False, releases(10))
    count = document.cells[4].count("B-1")
    assert (count.shown, count.trials, document.cells[4].invalid) == (1, 1, 3)
    assert sum(number(cell) == 4 for call in simulated.asked for cell in call) == 2
    assert [document.cells[place].count("B-1").trials for place in (3, 5)] == [3, 3]


def number_of(cell: Any) -> int:
    """The number of the release of a cell of the document."""
    return int(cell.coordinates[0].removeprefix("0."))


def test_a_sign_that_comes_and_goes_is_repeated_and_so_are_its_neighbours() -> None:
    """A cell that turns out to be mixed puts the cells beside it in doubt, and these the next ones."""
    document, simulated = survey(
        lambda cell: {4: 0.5, 5: True}.get(number(cell), number(cell) > 5), releases(10), trials=8
    )
    counts = {number_of(cell): cell.count("B-1") for cell in document.cells}
    assert state_of(document.cells[4], "B-1") is State.MIXED
    assert [name for name, count in counts.items() if count.trials == 8] == [3, 4, 5]
    assert simulated.trials_run == 7 + 3 * 8


def test_neighbours_that_become_different_join() -> None:
    """The first trial of the flaky cell showed nothing, as its neighbour; a later one does."""
    odds = dict.fromkeys(range(3, 6), 0.5)
    document, simulated = survey(lambda cell: odds.get(number(cell), False), releases(9), trials=10)
    assert len({len(call) for call in simulated.asked}) > 1
    for before, after in zip(document.cells, document.cells[1:], strict=False):
        if state_of(before, "B-1") != state_of(after, "B-1"):
            assert before.count("B-1").trials == after.count("B-1").trials == 10


def test_doubt_is_narrowed_for_the_claims_that_were_asked_for() -> None:
    """All claims are counted in the trials that ran."""
    document, _ = survey(lambda cell: number(cell) >= 4, releases(8), claims=("B-2",))
    assert [(row.id, row.asked) for row in document.claims] == [("B-2", True), ("B-1", False)]
    assert changes(document, "B-2") == [[("0.4", State.ABSENT)]]
    assert changes(document, "B-1") == [[("0.4", State.SHOWN)]]


def test_cells_are_measured_in_random_order_by_the_seed() -> None:
    """So that a machine that changes is not taken for an axis; in parts, so that results appear."""
    orders = [
        [cell for call in survey(lambda cell: False, releases(20), seed=seed)[1].asked for cell in call]
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0], key=number)
    simulated = survey(lambda cell: False, releases(20))[1]
    assert [len(call) for call in simulated.asked] == [8, 8, 4]


@pytest.mark.parametrize("seed", range(20))
def test_a_known_truth_is_found_whatever_the_order(seed: int) -> None:
    """Random windows and holes: the map has exactly the changes of the truth, with fewer trials than trying all."""
    from random import Random

    random = Random(seed)
    truths: list[Truth] = []
    while len(truths) < 60:
        truths += [random.choice((True, False, False, INVALID))] * random.randint(1, 12)
    document, simulated = survey(lambda cell: truths[number(cell)], releases(60), seed=seed)
    states = {True: State.SHOWN, False: State.ABSENT, INVALID: State.INVALID}
    assert [state_of(cell, "B-1") for cell in document.cells] == [states[truth] for truth in truths[:60]]
    assert simulated.trials_run < 60 * 3


# -- how it ends ----------------------------------------------------------------------------------------


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of all results."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


class Clock:
    """A clock that each look moves on by a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def matrix(plan: MatrixPlan, simulated: Simulated, results: Path, **more: Any) -> tuple[MatrixSession, StringIO]:
    """A session of a plan with a simulated measurer, and what it prints."""
    stream = StringIO()
    console = Terminal(file=stream, width=100, no_color=True)
    progress = lambda line: stream.write(f"· {line}\n")  # noqa: E731
    opening = lambda: nullcontext(simulated)  # noqa: E731
    simulated.results = results
    return MatrixSession(results.parent, plan, opening, console, progress, **more), stream


def test_a_matrix_leaves_its_files(results: Path) -> None:
    """matrix.json with all that is needed to draw it; a text, CSV, and a page; a link to the newest map."""
    plan = plan_of(releases(12), words("MODE", "plain", "loud"))
    run, stream = matrix(plan, Simulated(lambda cell: number(cell) >= 6), results)
    assert run.execute() is Exit.AS_RECORDED
    assert run.run
    assert run.run.path.parent == results / "matrix" / "blink"
    assert sorted(path.name for path in run.run.path.iterdir()) == [
        "matrix.csv",
        "matrix.html",
        "matrix.json",
        "matrix.txt",
    ]
    assert (results / "matrix" / "blink" / lookup.LATEST).resolve() == run.run.path.resolve()
    document = read_matrix(run.run.path)
    assert (document.status, document.trials_run, document.trials_of_all) == (COMPLETE, 24 + 2 * 2 * 2, 72)
    assert document.hosts == ("2 × Some CPU · kernel 6.1 · engine 20.10 · Compose 2.26",)
    assert document.cells[0].evidence.startswith("cells/blink/")
    assert "32 trials (32 new) instead of 72 for 3 of each cell" in stream.getvalue()


def test_trials_of_earlier_questions_are_told_apart(results: Path) -> None:
    """An interrupted matrix goes on where it was: nothing is measured twice."""
    simulated, plan = Simulated(lambda cell: number(cell) >= 6), plan_of(releases(12))
    matrix(plan, simulated, results)[0].execute()
    before = simulated.trials_run
    simulated.kept = {cell: len(records) for cell, records in simulated.records.items()}
    run, stream = matrix(plan, simulated, results)
    assert run.execute() is Exit.AS_RECORDED
    assert simulated.trials_run == before
    assert f"{before} trials (0 new, {before} kept from earlier questions)" in stream.getvalue()


def test_with_a_budget_no_further_part_begins(results: Path) -> None:
    """The first part always runs. The map says what is missing, and the status that it is not decided."""
    run, stream = matrix(plan_of(releases(30), budget=2.0), Simulated(lambda cell: True), results, clock=Clock())
    assert run.execute() is Exit.INCONCLUSIVE
    assert run.run
    document = read_matrix(run.run.path)
    assert (document.ended, document.status) == (BUDGET, COMPLETE)
    tried = sum(cell.tried for cell in document.cells)
    assert 8 <= tried < 30
    assert "the budget of 2 s ended the map" in stream.getvalue()
    assert f"{30 - tried} cells without a result" in stream.getvalue()


def test_a_budget_that_ends_in_doubt_is_said(results: Path) -> None:
    """The coarse map is complete, but the cells beside the change have one trial."""
    plan = plan_of(releases(8), budget=2.5)
    clock = iter([0.0, 1.0, 2.0, *[99.0] * 99])
    run, stream = matrix(plan, Simulated(lambda cell: number(cell) >= 4), results, clock=lambda: next(clock))
    assert run.execute() is Exit.INCONCLUSIVE
    assert "2 cells in doubt with fewer than 3 trials: RELEASE=0.3, 0.4" in stream.getvalue()
    assert "0.4: first with the sign (0/1, then 1/1, thin)" in stream.getvalue()


def test_disturbed_cells_leave_the_map_undecided(results: Path) -> None:
    """Measuring again may give them a result."""
    run, stream = matrix(plan_of(releases(3)), Simulated(lambda cell: BUSY if number(cell) == 1 else False), results)
    assert run.execute() is Exit.INCONCLUSIVE
    assert "1 cell without a result: RELEASE=0.1" in stream.getvalue()


def test_cells_that_are_invalid_with_a_reason_leave_nothing_undecided(results: Path) -> None:
    """But a map without any result is none."""
    run, stream = matrix(plan_of(releases(3)), Simulated(lambda cell: BROKEN if number(cell) == 1 else False), results)
    assert run.execute() is Exit.AS_RECORDED
    assert "invalid: image build failed: no such release: RELEASE=0.1" in stream.getvalue()
    nothing, _ = matrix(plan_of(releases(3)), Simulated(lambda cell: BROKEN), results)
    assert nothing.execute() is Exit.INCONCLUSIVE


@pytest.mark.parametrize(
    ("error", "status", "words_of_reason"),
    [
        (KeyboardInterrupt(), ABORTED, "interrupted from the keyboard"),
        (EngineError("no answer"), FAILED, "no answer"),
    ],
)
def test_whatever_ends_a_matrix_the_map_so_far_is_kept(
    results: Path, error: BaseException, status: str, words_of_reason: str
) -> None:
    """It is written and shown with the cells on the way, and then the error goes on."""
    simulated = Simulated(lambda cell: True, trials_until=11, raises=error)
    run, stream = matrix(plan_of(releases(30)), simulated, results)
    with pytest.raises(type(error)):
        run.execute()
    assert run.run
    document = read_matrix(run.run.path)
    assert document.status == status
    assert words_of_reason in document.reason
    assert sum(cell.tried for cell in document.cells) == 11
    assert f"this map is {status}" in stream.getvalue()
    assert (run.run.path / "matrix.html").is_file()


def test_a_map_that_was_broken_off_in_doubt_is_undecided(results: Path) -> None:
    """All cells have a trial, but those beside the change have no second one. So it is, too, when it is drawn again."""
    simulated = Simulated(lambda cell: number(cell) >= 4, trials_until=8, raises=EngineError("no answer"))
    run, _ = matrix(plan_of(releases(8)), simulated, results)
    with pytest.raises(EngineError):
        run.execute()
    assert run.run
    document = read_matrix(run.run.path)
    assert sum(cell.tried for cell in document.cells) == 8
    assert session.exit_status(document) is Exit.INCONCLUSIVE
    assert session.exit_status(replace(document, status=COMPLETE)) is Exit.AS_RECORDED


def test_the_files_of_a_map_are_those_of_its_beginning(results: Path, tmp_path: Path) -> None:
    """Else a file that is changed meanwhile would be on record with trials that it had no part in."""
    plan = replace(plan_of(releases(3)), case="sha256:then")
    run, _ = matrix(plan, Simulated(lambda cell: True), results)
    run.execute()
    assert run.run
    assert read_matrix(run.run.path).case == "sha256:then"
    scenario = load(tmp_path)
    made = make_plan(scenario, MatrixOptions("blink"), [Axis("WORKERS", (Value("1"), Value("2")))])
    assert made.case == case_digest(scenario.directory)


def test_the_map_is_written_while_it_is_measured(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed leaves what it has."""
    seen = []
    monkeypatch.setattr(session, "write_matrix", lambda path, document: seen.append(document))
    run, _ = matrix(plan_of(releases(20)), Simulated(lambda cell: False), results)
    run.execute()
    tried = [(document.status, sum(cell.tried for cell in document.cells)) for document in seen]
    assert tried == [(RUNNING, 0), (RUNNING, 8), (RUNNING, 16), (RUNNING, 20), (COMPLETE, 20)]


def test_without_a_measurer_nothing_is_left(results: Path) -> None:
    """The engine did not answer: no directory is made."""

    def fails() -> Any:
        raise EngineError("no engine")

    run, _ = matrix(plan_of(releases(2)), Simulated(lambda cell: True), results)
    run.open_measurer = fails
    with pytest.raises(EngineError):
        run.execute()
    assert not results.exists()


# -- the forecast -----------------------------------------------------------------------------------------


def forecast_of(tmp_path: Path, *axes: Axis, companions: Any = lambda settings: settings, **options: Any) -> list[str]:
    """What a plan over the small scenario on disk would do."""
    scenario = load(tmp_path) if not (tmp_path / "compose.yaml").exists() else loader.load(tmp_path, "blink")
    plan = make_plan(scenario, MatrixOptions("blink", **options), axes, companions)
    return forecast.forecast(tmp_path, plan, jobs=4)


def test_a_forecast_names_cells_axes_and_companions(tmp_path: Path, results: Path) -> None:
    """Nothing is run; what is not known is said."""
    axis = replace(releases(5), notes=("left out: 0.3.1 (yanked)",))

    def companions(settings: Any) -> dict[str, str]:
        return {**settings, "WORKERS": "4"} if settings["RELEASE"] in ("0.3", "0.4") else settings

    lines = forecast_of(tmp_path, axis, companions=companions)
    assert lines == [
        "blink/lamp: 5 cells, RELEASE (5)",
        "RELEASE: 5 releases of lamp: 0.0 to 0.4, released 2020-01-01 to 2020-01-05",
        "  left out: 0.3.1 (yanked)",
        "WORKERS=4 in 2 cells: RELEASE=0.3, 0.4",
        "doubt is narrowed for B-1: It blinks since 1.0.",
        "builds: 0 at most; those of which this engine has the image are not built again",
        "trials: 5 trials for the coarse map, 15 if every cell is in doubt; trials that are kept from earlier "
        "questions are not run again",
        "time: not known, as there is no run of this experiment yet",
        "nothing was run: leave out --plan to measure it",
    ]
    assert not results.exists()


def test_the_expected_time_is_that_of_earlier_trials(tmp_path: Path, results: Path) -> None:
    """The median of the newest run that has trials; trials of other experiments, and invalid ones, do not count."""
    lay_out(tmp_path)
    older, newer, empty = (lookup.create_run(tmp_path, "blink") for _ in range(3))
    for run in (older, newer, empty):
        run.write_info(RunInfo("blink"))
    older.append(trial(seconds={"up": 500.0}))
    for number_of_trial, seconds in enumerate((10.0, 20.0, 90.0), 1):
        newer.append(trial(number=number_of_trial, seconds={"up": 1.0, "drive": seconds - 1.0}))
    newer.append(trial(number=4, seconds={"up": 1.0}, invalid="not healthy"))
    newer.append(trial(experiment="other", number=5, seconds={"up": 1.0}))
    lines = forecast_of(tmp_path, releases(30), trials=10)
    assert f"time: 10 min to 100 min, without builds, at 20 s a trial (median of 3 trials of run {newer.name})" in lines


def test_the_expected_time_in_a_virtual_machine_is_that_of_runs_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run here says nothing of them, and the other way round."""
    scenario = load(tmp_path)
    assert time_line(tmp_path, scenario, "lamp", on_kernels=True).endswith("in a virtual machine yet")
    here, there = (lookup.create_run(tmp_path, "blink") for _ in range(2))
    here.write_info(RunInfo("blink"))
    here.append(trial(seconds={"up": 7.0}))
    assert time_line(tmp_path, scenario, "lamp", on_kernels=True).endswith("; on this machine a trial takes 7 s")
    there.write_info(RunInfo("blink", host=Host(hardware="virtual machine (TCG)")))
    there.append(trial(seconds={"up": 70.0}))
    assert time_line(tmp_path, scenario, "lamp", on_kernels=True).startswith("time: 70 s a trial, without builds, sta")
    assert time_line(tmp_path, scenario, "lamp").startswith("time: 7 s a trial")


def test_the_expected_time_may_come_from_the_record() -> None:
    """The run on record has sums over all its trials."""
    scenario = loader.load(ROOT, "socket-vanish")
    recorded = json.loads((scenario.directory / "recorded.json").read_text())
    trials = sum(row["trials"] for row in recorded["variants"].values())
    time = time_per_trial(Path("nowhere"), scenario, "vanish")
    assert time
    assert time.source == f"mean of {trials} trials of the run on record, of all experiments"
    assert 5 < time.seconds < 60


def test_builds_are_counted_by_what_goes_into_them() -> None:
    """A factor that is only an environment variable needs no image of its own."""
    scenario = loader.load(ROOT, "socket-vanish")

    def builds(*axes: Axis) -> int:
        plan = make_plan(scenario, MatrixOptions("socket-vanish"), axes)
        (line,) = [line for line in forecast.forecast(ROOT, plan, 1) if line.startswith("builds: ")]
        return int(line.split()[1])

    threads, releases_axis = words("THREADS", "1", "5"), words("GUNICORN", "19.5.0", "19.6.0", "19.7.1")
    assert builds(threads) == 3, "app, proxy and witness"
    assert builds(releases_axis) == builds(releases_axis, threads) == 5
