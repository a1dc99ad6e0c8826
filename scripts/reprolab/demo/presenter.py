"""Plays a script: opening, each act with its question, the live state and its figures, then the finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live as Screen

from reprolab.demo import closing, layout, live_view
from reprolab.demo.frames import frame
from reprolab.demo.keys import Keys
from reprolab.demo.layout import Page
from reprolab.demo.recording import Recording
from reprolab.demo.script import Act, Script
from reprolab.report import table
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import VerdictDocument

FRAME = 0.25  # seconds between two pictures
PLAIN = 1.0  # seconds between two lines where there is no terminal
ROWS = 4  # of a page that the live state does not have: heading, rule, a space, the foot


class Player(Protocol):
    """Where acts come from: containers that run now, or a run on disk."""

    aside: str

    def missing(self, act: Act) -> str:
        """Why an act cannot be played; empty where it can."""

    def prepare(self, act: Act) -> None:
        """What can be done while the audience still thinks."""

    def start(self, act: Act, waiting: Callable[[str], None]) -> Recording:
        """Let it begin; ``waiting`` hears, again and again, what is awaited until then."""

    def now_ms(self) -> float:
        """How far it is."""

    def over(self) -> bool:
        """Whether it has ended."""

    def finish(self, act: Act, waiting: Callable[[str], None]) -> tuple[TrialRecord, str]:
        """The trial's observation, and a note on which trial it is."""

    def verdict(self) -> VerdictDocument:
        """The verdict on the run so far."""


class Display:
    """A terminal's whole screen, or plain lines where there is none; a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._screen = Screen(console=console, screen=True, auto_refresh=False) if console.is_terminal else None
        self._told = ""

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
        """Seconds between two pictures."""
        return FRAME if self._screen else PLAIN

    def show(self, whole: Page) -> None:
        """Show one page."""
        if self._screen:
            self._screen.update(whole, refresh=True)
        else:
            self.console.print(whole)

    def passing(self, whole: Page, line: str) -> None:
        """Show a picture that the next one replaces; without a terminal, its line, once."""
        if self._screen:
            self._screen.update(whole, refresh=True)
        elif line != self._told:
            self._told = line
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)


@dataclass
class Show:
    """One performance."""

    scenario: Scenario
    script: Script
    player: Player
    display: Display
    keys: Keys
    figures: dict[str, dict[str, str]] = field(default_factory=dict)

    def play(self) -> None:
        """From the opening to the finding. Raises Left where the presenter leaves."""
        self._words(self.scenario.title, layout.words(self.script.opening, note=self.scenario.document.citation))
        for number, act in enumerate(self.script.acts, 1):
            self._act(number, act)
        self._finding()

    def _words(self, heading: str, body: Any, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.display.show(self._page(heading, body, self.keys.hint))
        meanwhile()
        self.keys.pause()

    def _page(self, heading: str, body: Any, foot: str, aside: str = "") -> Page:
        return Page(f"{self.scenario.name} · {heading}", f"{aside}{self.player.aside}", body, foot)

    def _act(self, number: int, act: Act) -> None:
        heading = f"{number}/{len(self.script.acts)} {act.heading}"
        if reason := self.player.missing(act):
            self._words(heading, layout.words(act.say, note=reason))
            return
        note = f"{act.variant}: {table.changes_text(self.script.experiment.variants[act.variant])}"
        told = layout.words(act.say, act.expect, note.replace("—", "the documented values"))
        self._words(heading, told, lambda: self.player.prepare(act))
        self._live(heading, act)
        record, which = self.player.finish(act, self._waiting(heading))
        if record.invalid:
            reason = f"This trial says nothing: {table.short_reason(record.invalid)}"
            self._words(heading, layout.words(reason, note="The demonstration goes on; its evidence is kept."))
            return
        self.figures[act.variant] = cells(self.script, act, record)
        other = closing.surprises(self.scenario, self.script, record)
        reveal = f"This time it came out otherwise than on record: {'; '.join(other)}." if other else act.reveal
        self._words(heading, layout.figures(self._headings(), self.figures, reveal, which))

    def _headings(self) -> list[str]:
        return list(dict.fromkeys(heading for cells in self.figures.values() for heading in cells))

    def _waiting(self, heading: str) -> Callable[[str], None]:
        def tell(state: str) -> None:
            self.display.passing(self._page(heading, layout.words(state), "q: leave"), f"· {state}")
            self.keys.wait(FRAME)

        return tell

    def _live(self, heading: str, act: Act) -> None:
        recording = self.player.start(act, self._waiting(heading))
        while not self.player.over():
            self._picture(heading, recording, "q: leave")
            self.keys.wait(self.display.every)
        self._picture(heading, recording, self.keys.hint)
        # The last picture stays, to be talked about.
        self.keys.pause()

    def _picture(self, heading: str, recording: Recording, foot: str) -> None:
        console, watch = self.display.console, self.script.watch
        now = self.player.now_ms()
        seen = frame(recording, now, live_view.columns_for(console.width), watch.window)
        state = live_view.Live(seen, watch, console.height - ROWS)
        whole = self._page(heading, state, foot, f"{live_view.seconds(now)} · ")
        self.display.passing(whole, live_view.plain_line(seen, watch))

    def _finding(self) -> None:
        verdict, claims = self.player.verdict(), self.script.claims
        for number, identifier in enumerate(claims, 1):
            self._words(f"found {number}/{len(claims)}", closing.claim(self.scenario, identifier, verdict))
        self._words("why", layout.words(self.script.cause))
        if self.script.ask:
            self._words("and now", layout.words(self.script.ask))


def cells(script: Script, act: Act, record: TrialRecord) -> dict[str, str]:
    """The act's figures: heading -> cell, from the trial's observation."""
    wanted = {column.heading: column for column in script.experiment.columns}
    return {heading: table.cell(wanted[heading], [record]) for heading in act.show}
