"""The page of a map in Chromium: as wide as a phone, a laptop and a projector, in the light and the dark scheme."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import DATA
from chromium import LAPTOP, PHONE, SIGHTS, Chromium, browser
from reprolab.matrix.document import PAGE, read_matrix
from reprolab.matrix.write import write_files
from simulated import releases, words
from test_matrix_changes import document as document_of

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """One browser for all pages."""
    with browser() as chromium_browser:
        yield chromium_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the recorded map, with evidence for its cells."""
    results = tmp_path_factory.mktemp("results")
    directory = results / "matrix" / "socket-vanish" / "20261126T120000Z"
    directory.mkdir(parents=True)
    shutil.copy(DATA / "matrix" / "matrix.json", directory)
    document = read_matrix(directory)
    for cell in document.cells:
        if cell.evidence:
            (results / cell.evidence).mkdir(parents=True)
    write_files(directory, document)
    return directory / PAGE


CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (...colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = colour => {
    const [r, g, b] = colour.map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = getComputedStyle(document.body).backgroundColor;
  return Object.fromEntries([...document.querySelectorAll('.map td.cell')].map(cell => {
    const style = getComputedStyle(cell);
    const pair = [light(rgb(style.color)), light(rgb(paper, style.backgroundColor))].sort((a, b) => b - a);
    return [cell.className, (pair[0] + 0.05) / (pair[1] + 0.05)];
  }));
})()"""


@pytest.mark.parametrize(("width", "scheme"), SIGHTS)
def test_the_map_is_complete_and_readable(chromium: Chromium, page: Path, width: int, scheme: str) -> None:
    """Nothing is cut off, the browser reports no error, and every text of a cell stands out from its colour."""
    seen = chromium.look(
        page, width, scheme=scheme, selectors=["h1", "h2", ".map", ".map td.cell", ".stories"], script=CONTRAST
    )
    assert seen.errors == []
    assert seen.overflow == []
    assert len(seen.texts["h1"]) == 1
    assert len(seen.texts[".map"]) == 12
    assert len(seen.texts[".map td.cell"]) == 60 * 12
    assert seen.texts["h2"][-1] == "The map"
    assert seen.value
    assert min(seen.value.values()) >= 4.5, seen.value


def test_states_differ_in_colour(chromium: Chromium, page: Path) -> None:
    """A look at the map tells where the sign shows."""
    script = """(() => Object.fromEntries([...document.querySelectorAll('.map td.cell')].map(cell => {
      const style = getComputedStyle(cell);
      return [cell.className.split(' ')[1], style.backgroundColor + style.backgroundImage];
    })))()"""
    for scheme in ("light", "dark"):
        colours = chromium.look(page, LAPTOP, scheme=scheme, script=script).value
        assert len(colours) == len(set(colours.values())) >= 4, colours


def test_the_map_of_a_laptop_needs_no_scrolling(chromium: Chromium, page: Path) -> None:
    """On a phone the names of the rows stay at the left edge."""
    clipped = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert chromium.look(page, LAPTOP, script=clipped).value == 0


def test_a_wide_map_scrolls_by_itself(chromium: Chromium, tmp_path: Path) -> None:
    """The page does not, and the names of the rows stay in view."""
    modes = words("MODE", *(f"mode-{number}" for number in range(12)))
    shown = document_of(["0/1"] * 6 * 24, releases(6), modes, words("PYTHON", "3.6", "3.7"))
    write_files(tmp_path, shown)
    script = """(() => {
      const table = document.querySelector('.scroll'), name = table.querySelector('tbody th');
      table.scrollLeft = 300;
      return [table.scrollLeft, name.getBoundingClientRect().left - table.getBoundingClientRect().left];
    })()"""
    seen = chromium.look(tmp_path / PAGE, PHONE, script=script)
    assert seen.overflow == seen.errors == []
    scrolled, distance = seen.value
    assert scrolled == 300
    assert distance == pytest.approx(0, abs=2)
