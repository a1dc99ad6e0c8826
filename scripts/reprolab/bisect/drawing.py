"""The strip of a bisect as an SVG: the values in their order, each joined to its date on an axis of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from markupsafe import Markup

from reprolab.bisect.findings import windows
from reprolab.bisect.point import Point, Side
from reprolab.bisect.strip import ASSUMED, BAD, GOOD, HOLE, SOMETIMES, marks

# In units of the drawing, which is as wide as its place.
WIDTH, MARGIN, LABEL, MARKS, TIME, HEIGHT = 960, 40, 14, 58, 118, 140
ROWS = 3  # of labels above the marks
LETTER = 7.2
LARGEST = 6.0
COLOURS = {
    BAD: "var(--refuted)",
    SOMETIMES: "var(--intermittent)",
    GOOD: "var(--confirmed)",
    HOLE: "var(--inconclusive)",
}


def drawing(points: Sequence[Point], kind: str) -> Markup:
    """The drawing; without dates it has no axis of time. Empty without points."""
    if not points:
        return Markup("")
    days = _days(points)
    title = Markup("<title>{}</title>").format(f"each {kind} in its order" + (", and its date" if days else ""))
    parts = [*_windows(points, days), *_dates(points, days), *_marks(points), *_labels(points), *_years(days)]
    frame = Markup('<svg class="bisect" viewBox="0 0 {} {}" role="img">{}{}</svg>')
    return frame.format(WIDTH, HEIGHT if days else MARKS + 16, title, Markup("").join(parts))


def _days(points: Sequence[Point]) -> list[int]:
    """The day of each point as a number; empty unless all have a date, on two days at least."""
    try:
        days = [date.fromisoformat(point.date).toordinal() for point in points]
    except ValueError:
        return []
    return days if len(set(days)) > 1 else []


def _place(index: int, count: int) -> float:
    return MARGIN + (WIDTH - 2 * MARGIN) * (index / (count - 1) if count > 1 else 0.5)


def _time(day: int, days: Sequence[int]) -> float:
    first, last = min(days), max(days)
    return MARGIN + (WIDTH - 2 * MARGIN) * (day - first) / (last - first)


def _size(count: int) -> float:
    return min(LARGEST, 0.42 * (WIDTH - 2 * MARGIN) / max(1, count - 1))


def _windows(points: Sequence[Point], days: Sequence[int]) -> Iterator[Markup]:
    """A band behind each bad window; on the axis of time it ends where the sign is gone, or with the last value."""
    every = windows(points)
    size = _size(len(points)) + 3
    rect = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="3" fill="var(--refuted)" {}/>')
    for number, window in enumerate(every):
        if window.side is not Side.BAD:
            continue
        begin, end = (_place(index, len(points)) for index in (window.first, window.last))
        yield rect.format(begin - size, MARKS - size, end - begin + 2 * size, 2 * size, Markup('opacity="0.16"'))
        if days:
            after = every[number + 1].first if number + 1 < len(every) else window.last
            # Releases of two series may be out of their order in time.
            begin, end = sorted(_time(days[index], days) for index in (window.first, after))
            yield rect.format(begin, TIME - 3, max(2.0, end - begin), 6, Markup('opacity="0.55"'))


def _dates(points: Sequence[Point], days: Sequence[int]) -> Iterator[Markup]:
    """A line from each value to its date."""
    line = Markup('<path d="M{:.1f} {:.1f}L{:.1f} {}" stroke="var(--line)" fill="none"/>')
    for index, day in enumerate(days):
        yield line.format(_place(index, len(points)), MARKS + LARGEST + 4, _time(day, days), TIME - 4)


def _years(days: Sequence[int]) -> Iterator[Markup]:
    """The axis of time, with a mark for the beginning of each year."""
    if not days:
        return
    yield Markup('<path d="M{} {}H{}" stroke="var(--soft)"/>').format(MARGIN, TIME, WIDTH - MARGIN)
    years = range(date.fromordinal(min(days)).year + 1, date.fromordinal(max(days)).year + 1)
    every = len(years) // 14 + 1
    for year in years[::every]:
        x = _time(date(year, 1, 1).toordinal(), days)
        yield Markup('<path d="M{0:.1f} {1}v5" stroke="var(--soft)"/>').format(x, TIME)
        yield Markup('<text class="year" x="{:.1f}" y="{}">{}</text>').format(x, TIME + 18, year)


def _marks(points: Sequence[Point]) -> Iterator[Markup]:
    size = _size(len(points))
    for index, (point, mark) in enumerate(zip(points, marks(points), strict=True)):
        words = f"{point.name}: {point.rate}" if point.measured else f"{point.name}: {point.reason or mark}"
        group = Markup('<g class="mark">{}<title>{}</title></g>')
        yield group.format(_shape(mark, _place(index, len(points)), size), words)


def _shape(mark: str, x: float, size: float) -> Markup:
    colour = COLOURS.get(mark, "var(--soft)")
    if mark == HOLE:
        cross = Markup('<path d="M{0:.1f} {1:.1f}l{2:.1f} {2:.1f}m0 -{2:.1f}l-{2:.1f} {2:.1f}" stroke="{3}"/>')
        return cross.format(x - size * 0.7, MARKS - size * 0.7, size * 1.4, colour)
    if mark in (BAD, SOMETIMES, GOOD):
        fill = "var(--paper)" if mark == GOOD else colour
        circle = Markup('<circle cx="{:.1f}" cy="{}" r="{:.1f}" fill="{}" stroke="{}" stroke-width="1.6"/>')
        return circle.format(x, MARKS, size * 0.8, fill, colour)
    return Markup('<circle cx="{:.1f}" cy="{}" r="{:.1f}" fill="{}"{}/>').format(
        x, MARKS, size * 0.3, colour, Markup("") if mark == ASSUMED else Markup(' opacity="0.5"')
    )


def _labels(points: Sequence[Point]) -> Iterator[Markup]:
    """The names of the first and the last value of each window, on the first row that has room."""
    ends = [-WIDTH * 1.0] * ROWS
    for index in sorted({index for window in windows(points) for index in (window.first, window.last)}):
        name, x = points[index].value, _place(index, len(points))
        half = len(name) * LETTER / 2
        x = min(max(x, half), WIDTH - half)
        row = next((number for number, end in enumerate(ends) if end < x - half - 4), None)
        if row is None:
            continue
        ends[row] = x + half
        text = Markup('<text x="{:.1f}" y="{}">{}</text>')
        yield text.format(x, LABEL + (ROWS - 1 - row) * LABEL - 4, name)
