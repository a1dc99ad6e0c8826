"""The pages look like their reference pictures (pictures.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import LAPTOP, Chromium, browser
from pictures import REFERENCES, SHOTS, accept, difference, draw, drawn_by, pages, reference
from PIL import Image, ImageDraw

MOST_BYTES = 1_500_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """One browser for all pictures."""
    with browser() as container:
        yield container


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages by their names."""
    return pages(tmp_path_factory.mktemp("pages"))


@pytest.mark.docker
@pytest.mark.parametrize(("name", "width", "scheme"), SHOTS)
def test_a_page_looks_like_its_reference(
    chromium: Chromium, shown: dict[str, Path], tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    """If it does not, the failure names the reference, the new picture, one of the differences, and what to do."""
    old, new = reference(name, width, scheme), draw(chromium, shown[name], width, scheme)
    if change := difference(old, new, chromium.version()):
        new.save(tmp_path / old.name)
        change.picture.save(tmp_path / f"differences-{old.name}")
        pytest.fail(
            f"{change.pixels} pixels of {name} differ from the reference\n"
            f"  reference:   {old if old.exists() else 'there is none'}\n"
            f"  new:         {tmp_path / old.name}\n"
            f"  differences: {tmp_path / f'differences-{old.name}'} (in red)\n"
            f"{other_browser(drawn_by(old), chromium.version())}"
            "  to do:       look at them; if the new page is as it should be, make pictures writes the references",
            pytrace=False,
        )


def other_browser(old: str, new: str) -> str:
    """A line about the browsers, if the reference was drawn by another version than the new picture."""
    return f"  Chromium:    {new}, but the reference was drawn by {old}\n" if old and old != new else ""


CHANGES = {
    "a changed colour": "document.querySelector('h1 span').style.color = '#1a6f3a'",
    "a moved element": "document.querySelector('.opening .chart').style.transform = 'translateX(1px)'",
}


@pytest.mark.docker
@pytest.mark.parametrize("script", CHANGES.values(), ids=CHANGES.keys())
def test_a_small_change_is_seen(chromium: Chromium, shown: dict[str, Path], script: str) -> None:
    """One word in another green, or one chart a pixel to the right: the page no longer looks like its reference."""
    new = draw(chromium, shown["report"], LAPTOP, "light", script)
    change = difference(reference("report", LAPTOP, "light"), new, drawn_by(reference("report", LAPTOP, "light")))
    assert change
    assert change.pixels < 20_000, "only these elements changed"


@pytest.fixture
def old(tmp_path: Path) -> tuple[Path, Image.Image]:
    """A reference with many colours, and the picture that it was made from."""
    picture = Image.linear_gradient("L").convert("RGB")
    ImageDraw.Draw(picture).rectangle((100, 100, 120, 120), fill="#1a7f37")
    accept(picture, tmp_path / "old.png", "Chromium 1")
    return tmp_path / "old.png", picture


def test_a_picture_looks_like_its_own_reference(old: tuple[Path, Image.Image]) -> None:
    """The fewer shades of a reference do not count, and no noise of two or three shades."""
    path, picture = old
    assert difference(path, picture, "Chromium 1") is None
    assert difference(path, picture.point(lambda value: min(255, value + 3)), "Chromium 1") is None
    assert drawn_by(path) == "Chromium 1"


def test_another_browser_may_draw_other_edges_but_nothing_else(old: tuple[Path, Image.Image]) -> None:
    """A line of one pixel is an edge; a larger area is not."""
    path, picture = old
    ImageDraw.Draw(picture).line((30, 0, 30, 255), fill="#808080")
    assert difference(path, picture, "Chromium 1")
    assert difference(path, picture, "Chromium 2") is None
    ImageDraw.Draw(picture).rectangle((50, 50, 90, 90), fill="#c00000")
    assert difference(path, picture, "Chromium 2")


def test_the_differences_are_marked(old: tuple[Path, Image.Image]) -> None:
    """They are counted, and red in the picture of the differences; the rest of it is pale."""
    path, picture = old
    ImageDraw.Draw(picture).rectangle((100, 100, 109, 109), fill="#c00000")
    change = difference(path, picture, "Chromium 1")
    assert change is not None
    assert change.pixels == 100
    assert change.picture.getpixel((105, 105)) == (255, 0, 0)
    assert change.picture.getpixel((115, 115)) != (255, 0, 0)


def test_another_size_or_no_reference_differs(old: tuple[Path, Image.Image], tmp_path: Path) -> None:
    """A picture that is larger than its reference, and one that has none."""
    path, picture = old
    assert difference(path, picture.resize((300, 300)), "Chromium 1")
    assert difference(tmp_path / "none.png", picture, "Chromium 1")
    assert drawn_by(tmp_path / "none.png") == ""


def test_another_browser_is_named() -> None:
    """The failure says so only if the versions differ."""
    assert other_browser("Chromium 1", "Chromium 1") == other_browser("", "Chromium 1") == ""
    assert "Chromium 2, but the reference was drawn by Chromium 1" in other_browser("Chromium 1", "Chromium 2")


def test_the_references_are_those_of_the_pages_and_small() -> None:
    """One for each page, width and scheme; together small enough for a repository."""
    assert set(REFERENCES.glob("*")) == {reference(*shot) for shot in SHOTS}
    assert sum(path.stat().st_size for path in REFERENCES.glob("*")) < MOST_BYTES
