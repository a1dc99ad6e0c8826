"""Curves on record: their pictures beside the README of a scenario, and their generated part."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from reprolab.core.markdown import cell, foreign, grid, prose, prose_cell
from reprolab.report.curves import PlottedCurve, all_curves, cells, plot_record
from reprolab.scenario.digest import PICTURE
from reprolab.scenario.model import Scenario
from reprolab.verdict.record import read_record

NAME = "curve-{}.svg"


def pictures(scenarios: Iterable[Scenario]) -> dict[Path, str]:
    """The SVG text of each picture; "" for a file that shows a curve of before and must go."""
    texts: dict[Path, str] = {}
    for scenario in scenarios:
        texts |= {path: "" for path in scenario.directory.iterdir() if PICTURE.fullmatch(path.name)}
        texts |= {scenario.directory / NAME.format(plotted.number): _draw(plotted) for plotted in _recorded(scenario)}
    return dict(sorted(texts.items()))


def render(page: Path, scenarios: Sequence[Scenario]) -> str:
    """The generated part `curves` of a page: for each curve its picture and its numbers."""
    return "\n\n".join(part for scenario in scenarios for part in _parts(page, scenario)) or "no curves"


def _recorded(scenario: Scenario) -> list[PlottedCurve]:
    record = read_record(scenario) if any(all_curves(scenario)) else None
    return plot_record(scenario, record) if record else []


def _draw(plotted: PlottedCurve) -> str:
    # The drawing library takes a quarter of a second to load. Pages without curves do not wait for it.
    from reprolab.report.html.curve_picture import picture

    return picture(plotted)


def _parts(page: Path, scenario: Scenario) -> Iterator[str]:
    recorded = {plotted.number: plotted for plotted in _recorded(scenario)}
    for number, (_, curve) in enumerate(all_curves(scenario), 1):
        yield f"**{prose(curve.title)}**"
        if plotted := recorded.get(number):
            yield from _content(page, scenario, plotted)
        else:
            yield "not recorded yet"


def _content(page: Path, scenario: Scenario, plotted: PlottedCurve) -> Iterator[str]:
    curve = plotted.curve
    if plotted.drawable:
        path = scenario.directory / NAME.format(plotted.number)
        place = Path(os.path.relpath(path, page.parent)).as_posix()
        yield f"![{prose(f'{curve.title}: {curve.y} over {curve.x}')}]({place})"
        yield plotted.basis
    headings, rows = cells(plotted)
    lines = ["<details><summary>The numbers of this curve</summary>", ""]
    lines += [
        grid([prose_cell(heading) for heading in headings], [[cell(foreign(text)) for text in row] for row in rows])
    ]
    yield "\n".join([*lines, "", "</details>"])
    yield from (foreign(line) for line in plotted.mistakes)
