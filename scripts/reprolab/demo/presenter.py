"""Plays a script: the opening, each act with its question, live state and figures, then the finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live as Screen

from reprolab.demo import closing, layout, live_view
from reprolab.demo.frames import frame
from reprolab.demo.keys import Keys
from reprolab.demo.layout import Slide, prose
from reprolab.demo.recording import Recording
from reprolab.demo.script import Act, Script
from reprolab.report import table
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import VerdictDocument

FRAME = 0.25  # seconds between two updates of the screen
PLAIN = 1.0  # seconds between two lines without a terminal
ROWS = 4  # lines of a slide around the live state: heading, rule, a space, the foot


class Player(Protocol):
    """The source of the acts: containers that run now, or a run on disk."""

    aside: str

    def missing(self, act: Act) -> str:
        """The reason why an act cannot be played; empty if it can."""

    def prepare(self, act: Act) -> None:
        """Prepare an act while the audience thinks about the question."""

    def start(self, act: Act, waiting: Callable[[str], None]) -> Recording:
        """Start an act. Until then ``waiting`` is called repeatedly with the reason for the wait."""

    def now_ms(self) -> float:
        """Milliseconds since the act began."""

    def over(self) -> bool:
        """Whether the act has ended."""

    def finish(self, act: Act, waiting: Callable[[str], None]) -> tuple[TrialRecord, str]:
        """The record of the act's trial, and a note that tells which trial it is."""

    def verdict(self) -> VerdictDocument:
        """The verdict on the trials so far."""


class Display:
    """The whole screen of a terminal, or plain lines without a terminal; a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._screen = Screen(console=console, screen=True, auto_refresh=False) if console.is_terminal else None
        self._last_line = ""

    def __enter__(self) -> Display:
        if self._screen:
            self._screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._screen:
            self._screen.stop()

    @property
    def every(self) -> float:
        """Seconds between two updates."""
        return FRAME if self._screen else PLAIN

    def show(self, slide: Slide) -> None:
        if self._screen:
            self._screen.update(slide, refresh=True)
        else:
            self.console.print(slide)

    def update(self, slide: Slide, line: str) -> None:
        """Show a slide that the next one replaces; without a terminal, print its line, but not twice in succession."""
        if self._screen:
            self._screen.update(slide, refresh=True)
        elif line != self._last_line:
            self._last_line = line
            self.console.print(line, soft_wrap=True)


@dataclass
class Show:
    """One demonstration. ``figures`` is variant -> heading -> cell, for the acts so far; ``totals`` likewise, by label.

    ``top`` is the highest bar so far, which all acts have as their scale.
    """

    scenario: Scenario
    script: Script
    player: Player
    display: Display
    keys: Keys
    figures: dict[str, dict[str, str]] = field(default_factory=dict)
    totals: dict[str, dict[str, str]] = field(default_factory=dict)
    top: int = 0

    def play(self) -> None:
        """Play everything from the opening to the finding. Raises Left if the presenter leaves."""
        self._show_words(self.scenario.title, layout.words(self.script.opening, note=self.scenario.document.citation))
        for number, act in enumerate(self.script.acts, 1):
            self._act(number, act)
        self._show_finding()

    def _show_words(self, heading: str, body: Any, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.display.show(self._slide(heading, body, self.keys.hint))
        meanwhile()
        self.keys.pause()

    def _slide(self, heading: str, body: Any, foot: str, aside: str = "") -> Slide:
        return Slide(f"{self.scenario.name} · {heading}", f"{aside}{self.player.aside}", body, foot)

    def _act(self, number: int, act: Act) -> None:
        heading = f"{number}/{len(self.script.acts)} {act.heading}"
        if reason := self.player.missing(act):
            self._show_words(heading, layout.words(act.say, note=reason))
            return
        note = f"{act.variant}: {table.changes_text(self.script.experiment.variants[act.variant])}"
        question = layout.words(act.say, act.expect, note.replace("—", "the documented values"))
        self._show_words(heading, question, lambda: self.player.prepare(act))
        recording = self._show_live(heading, act)
        record, source = self.player.finish(act, self._show_waiting(heading))
        if record.invalid:
            reason = f"This trial is invalid: {table.short_reason(record.invalid)}"
            self._show_words(heading, layout.words(reason, note="The demonstration goes on; its evidence is kept."))
            return
        self.totals[act.variant] = {
            f"{label} in all": live_view.number(recording.total(label, recording.length_ms))
            for label in recording.labels()
        }
        self.figures[act.variant] = cells(self.script, act, record)
        surprises = closing.surprises(self.scenario, self.script, record)
        reveal = f"This time the result differs from the record: {'; '.join(surprises)}." if surprises else act.reveal
        self._show_words(heading, layout.figures(_headings(self.figures), self.figures, reveal, source))

    def _show_waiting(self, heading: str) -> Callable[[str], None]:
        def show_state(state: str) -> None:
            self.display.update(self._slide(heading, layout.words(state), "q: leave"), f"· {state}")
            self.keys.wait(FRAME)

        return show_state

    def _show_live(self, heading: str, act: Act) -> Recording:
        recording = self.player.start(act, self._show_waiting(heading))
        while not self.player.over():
            self._show_state(heading, recording, "q: leave")
            self.keys.wait(self.display.every)
        self._show_state(heading, recording, self.keys.hint)
        # The last state stays on the screen, so that the presenter can talk about it.
        self.keys.pause()
        return recording

    def _show_state(self, heading: str, recording: Recording, foot: str) -> None:
        console, watch = self.display.console, self.script.watch
        now = self.player.now_ms()
        current = frame(recording, now, live_view.columns_for(console.width), watch.window)
        self.top = max(self.top, current.top)
        state = live_view.Live(current, watch, console.height - ROWS, self.top)
        slide = self._slide(heading, state, foot, f"{live_view.seconds(now)} · ")
        self.display.update(slide, live_view.plain_line(current, watch))

    def _show_finding(self) -> None:
        verdict, claims = self.player.verdict(), self.script.claims
        for number, identifier in enumerate(claims, 1):
            self._show_words(f"found {number}/{len(claims)}", closing.claim_page(self.scenario, identifier, verdict))
        self._show_words("why", layout.words(self.script.cause))
        # The last screen stays while the audience talks: it keeps the figures and the totals of all acts.
        figures = {variant: self.totals[variant] | cells for variant, cells in self.figures.items()}
        last = layout.figures(_headings(figures), figures, self.script.ask, "") if figures else prose(self.script.ask)
        if figures or self.script.ask:
            self._show_words("and now", last)


def _headings(acts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The headings of all acts, each once."""
    return list(dict.fromkeys(heading for cells in acts.values() for heading in cells))


def cells(script: Script, act: Act, record: TrialRecord) -> dict[str, str]:
    """The act's figures from the trial's observation: heading -> cell."""
    columns = {column.heading: column for column in script.experiment.columns}
    return {heading: table.cell(columns[heading], [record]) for heading in act.show}
