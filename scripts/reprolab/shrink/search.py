"""The search for the least stack: tests steps, keeps those that show the sign in every trial, ends when none is left.

First it takes several settings to their simplest values at once, then one by one. What was tested is not tested again.
The least stack is measured again at the end, since it was chosen among many. If a trial then lacks the sign, the search
goes back to the last stack that keeps it, and wants twice as many trials from then on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from reprolab.core.errors import LabError
from reprolab.core.number_words import plural
from reprolab.core.progress import OnProgress
from reprolab.measure.cell import Cell, CellResult, Measurer
from reprolab.report.table import short_reason
from reprolab.report.timeline import load_figures
from reprolab.scenario.load_settings import settings_of_load
from reprolab.shrink.document import Kind, Remaining, Status, StepResult
from reprolab.shrink.question import Question
from reprolab.shrink.refusal import refusal, shows_in
from reprolab.shrink.steps import Move, Space, State, Step, applied, space_of

Key = tuple[tuple[str, str], ...]


class BudgetUsed(Exception):
    """The time for the search is over."""


@dataclass
class Search:
    """A search and its results so far; `run` fills them. ``budget`` is in seconds, None for no limit.

    ``space`` is known when the starting stack was measured, since only its trials tell the load. ``place`` turns the
    result of a cell into the path of its evidence. ``on_tested`` is called after each test.
    """

    question: Question
    measurer: Measurer
    on_progress: OnProgress = lambda message: None
    on_tested: Callable[[], None] = lambda: None
    place: Callable[[CellResult], str] = lambda result: str(result.directory or "")
    budget: float | None = None
    clock: Callable[[], float] = time.monotonic
    status: Status = Status.RUNNING
    reason: str = ""
    space: Space = field(default_factory=lambda: Space((), {}))
    state: State = field(default_factory=dict)
    steps: list[StepResult] = field(default_factory=list)
    results: dict[Cell, CellResult] = field(default_factory=dict)
    control: str = ""
    undone: tuple[str, ...] = ()
    _known: dict[Key, StepResult] = field(default_factory=dict)
    _path: list[State] = field(default_factory=list)
    # The largest size of a value that was refused, by setting: what is simpler is tested last.
    _refused: dict[str, Fraction] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._wanted = self.question.trials

    def run(self) -> None:
        """Search until no single step is left, or until the budget is used; ``status`` says which.

        Raises what the measurer raises. The state and the steps so far are kept then, too.
        """
        try:
            self._search()
        except BudgetUsed:
            self.status = Status.BUDGET
        except KeyboardInterrupt:
            self._broken_off(Status.INTERRUPTED, "interrupted from the keyboard or by a signal")
            raise
        except BaseException as error:
            text = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
            self._broken_off(Status.FAILED, text)
            raise

    def _broken_off(self, status: Status, reason: str) -> None:
        """Only the control may be missing from a search that has ended: its result stands."""
        if self.status is Status.RUNNING:
            self.status, self.reason = status, reason

    @property
    def remaining(self) -> list[Remaining]:
        """The single steps from the state that were tested."""
        pairs = [(move, self._known.get(_key(applied(self.state, (move,))))) for move in self.space.single(self.state)]
        return [Remaining(move, tested.number) for move, tested in pairs if tested]

    @property
    def untested(self) -> list[Move]:
        """The single steps from the state that were not tested."""
        return [move for move in self.space.single(self.state) if _key(applied(self.state, (move,))) not in self._known]

    def _search(self) -> None:
        if not self._starts():
            self.status = Status.NOTHING
            return
        while True:
            self._several(tuple(self.space.start))
            while step := self._next():
                self._accepts(Kind.SINGLE, step)
            if self._confirmed():
                break
            self._go_back()
        undecided = any(self.steps[row.step].undecided for row in self.remaining)
        self.status = Status.UNDECIDED if undecided else Status.MINIMAL
        self._measure_control()

    def _starts(self) -> bool:
        """Test the starting stack, and read from its trials what can get simpler."""
        question = self.question
        self.on_progress(f"the starting stack: {question.cell({}).words}")
        result = self._measured({}, question.trials)
        figures = [load_figures(record.observation) for record in result.records if record.valid]
        load = next((row for row in map(settings_of_load, figures) if row), {})
        self.space = space_of(question.scenario, question.settings, load, question.stays)
        self.state = self.space.start
        return self._add(Kind.START, (), self.state, result, question.trials).accepted

    def _several(self, names: tuple[str, ...]) -> None:
        """Take all these settings to their simplest values at once; if that is too much, each half of them."""
        step = self.space.simplest(self.state, names)
        if len(step) < 2 or self._accepts(Kind.SEVERAL, step):
            return
        moved = tuple(move.name for move in step)
        self._several(moved[: len(moved) // 2])
        self._several(moved[len(moved) // 2 :])

    def _next(self) -> Step:
        """The single step to test next, () if all were tested. Values as simple as a refused one come last."""
        moves = self.untested
        moves.sort(key=lambda move: self.space.size_after(move) <= self._refused.get(move.name, Fraction(-1)))
        return tuple(moves[:1])

    def _accepts(self, kind: Kind, step: Step) -> bool:
        """Test a step, and take it if the sign shows in every trial. A refused one is refused by its first trial."""
        after = applied(self.state, step)
        tested = self._known.get(_key(after)) or self._test(kind, step, after)
        if tested.accepted:
            self._path.append(self.state)
            self.state = after
        elif len(step) == 1:
            size = self.space.size_after(step[0])
            self._refused[step[0].name] = max(size, self._refused.get(step[0].name, size))
        return tested.accepted

    def _test(self, kind: Kind, step: Step, after: State) -> StepResult:
        number = len(self.steps)
        self.on_progress(f"step {number}: {', '.join(move.words for move in step)}")
        result = self._measured(after, 1)
        if self._wanted > 1 and shows_in(result.count(self.question.claim), 1):
            result = self._measured(after, self._wanted)
        tested = self._known[_key(after)] = self._add(kind, step, after, result, self._wanted)
        return tested

    def _confirmed(self) -> bool:
        """Measure the least stack again: that it showed the sign may have been the luck of many tests."""
        if not self._path:
            return True
        self.on_progress(f"no single step is left; the least stack again: {plural(self.question.trials, 'trial')}")
        return self._again(self._wanted + self.question.trials)

    def _go_back(self) -> None:
        """Take the last stack on the way that shows the sign in twice as many trials; the starting stack did."""
        self._wanted *= 2
        while self._path:
            self.state = self._path.pop()
            self.on_progress(f"back to the stack before: {plural(self._wanted, 'trial')}")
            if not self._path or self._again(self._wanted):
                return

    def _again(self, wanted: int) -> bool:
        """Whether more trials of the state confirm it."""
        start = self.space.start
        moves = tuple(Move(name, start[name], value) for name, value in self.state.items() if value != start[name])
        tested = self._add(Kind.CONFIRMATION, moves, self.state, self._measured(self.state, wanted), wanted)
        self._known[_key(self.state)] = tested
        return tested.accepted

    def _measure_control(self) -> None:
        """Look whether the sign can be absent on the least stack: in a control of the claim.

        The first control that undoes nothing of the shrink decides. Of those that undo something any may show that the
        sign can be absent; that it shows in such a one says nothing.
        """
        for control in self.question.controls(self._settings(self.state)):
            if self._budget_used():
                return
            self.on_progress(f"the control of the least stack: {control.variant}")
            self.control, self.undone = control.variant, control.undoes
            result = self._measured_cell(self.question.cell(control.settings), self.question.trials)
            tested = self._add(Kind.CONTROL, (), self.state, result, self.question.trials)
            if tested.accepted or not control.undoes:
                return

    def _measured(self, state: State, wanted: int) -> CellResult:
        if self._budget_used():
            raise BudgetUsed
        return self._measured_cell(self.question.cell(self._settings(state)), wanted)

    def _measured_cell(self, cell: Cell, wanted: int) -> CellResult:
        result = self.measurer.measure({cell: wanted}, [self.question.claim])[cell]
        self.results[cell] = result
        return result

    def _settings(self, state: State) -> dict[str, str]:
        """The settings that differ from the starting stack: a load that stays is the experiment's own."""
        start = self.space.start
        return {name: value for name, value in state.items() if value != start[name]}

    def _budget_used(self) -> bool:
        return self.budget is not None and self.clock() - self._began >= self.budget

    def _add(self, kind: Kind, moves: Step, state: State, result: CellResult, wanted: int) -> StepResult:
        """Keep a test, and say how it ended."""
        count = result.count(self.question.claim)
        if kind is Kind.CONTROL:
            reason, accepted = "", count.trials > 0 and not count.shown
        else:
            reason = refusal(count, result, wanted)
            accepted = not reason
        tested = StepResult(
            len(self.steps),
            kind,
            moves,
            dict(state),
            self.question.experiment.name,
            result.cell.settings,
            dict(self.question.companions),
            count.to_sign(),
            wanted,
            accepted,
            reason,
            len(result.invalid),
            short_reason(next(iter(result.invalid), "")),
            result.obstacle,
            self.place(result),
        )
        self.steps.append(tested)
        self.on_progress(f"  shown in {tested.count.text}" + (f": refused, {reason}" if reason else ""))
        self.on_tested()
        return tested


def _key(state: Mapping[str, str]) -> Key:
    return tuple(sorted(state.items()))
