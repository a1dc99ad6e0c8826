"""Reference pictures of the pages, in pictures/: the first 900 pixels at each width, in the light and the dark scheme.

    python pictures.py      draws all pages and writes the references that differ (`make pictures`)

The pages are made from a recorded run and from the files of the repository, so a picture changes only if one of these
changes. A reference has SHADES values for each of red, green and blue, so that a palette of 256 colours is enough and
the file is small. It names the version of Chromium that drew it.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cases import ROOT, recorded_run
from chromium import SIGHTS, Chromium, browser
from PIL import Image, ImageChops, PngImagePlugin
from reprolab.compare import comparison, html, select
from reprolab.evidence.lookup import LATEST
from reprolab.publish import site
from reprolab.report.html import report
from reprolab.scenario import loader
from reprolab.verdict import record
from reprolab.verdict.document import write_verdict

# `make pictures` sets it, and the pages would name targets of make; the tests draw them without it.
os.environ.pop("REPROLAB_BY_MAKE", None)

REFERENCES = Path(__file__).parent / "pictures"
TOP = 900
SHADES = 16
STEP = 255 / (SHADES - 1)
# The rounding of a reference changes a value by up to STEP / 2. Another processor may round at the edge of a curve.
TOLERANCE = round(STEP / 2) + 4
FEW = 10  # so many pixels may differ by more, again at edges
# Another Chromium draws the edges of letters otherwise. Then pictures of a quarter of the size are compared, in which a
# moved element or another colour of one still shows.
COARSE, COARSE_TOLERANCE, COARSE_FEW = 4, 64, 40
DRAWN_BY = "Software"
NAMES = ("report", "comparison", "site")
SHOTS = [(name, width, scheme) for name in NAMES for width, scheme in SIGHTS]


@dataclass(frozen=True)
class Difference:
    """How a new picture differs from its reference: the number of pixels, and a picture with these pixels in red."""

    pixels: int
    picture: Image.Image


def pages(directory: Path) -> dict[str, Path]:
    """Write the pages of NAMES below the directory. Nothing in them depends on the day or on the machine."""
    results = directory / "results"
    scenario, run = loader.load(ROOT, "socket-vanish"), recorded_run(results, "whole")
    verdict = record.judge_trials(scenario, run, run.checked_trials())
    write_verdict(run, verdict)
    shown = report.write(scenario, run, record.RecordedRun(verdict, run.info()))
    (run.path.parent / LATEST).symlink_to(run.name)
    left, right = select.find(ROOT, [str(run.path), "gunicorn-19.5.0"], [])
    compared = directory / "compare.html"
    compared.write_text(html.render(comparison.compare(left, right, scenario, (), (), lambda text: None)), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPROLAB_RESULTS", str(results))
        start = site.build(ROOT, directory / "site", lambda text: None)
    return dict(zip(NAMES, (shown, compared, start), strict=True))


def reference(name: str, width: int, scheme: str) -> Path:
    """The file of a reference picture."""
    return REFERENCES / f"{name}-{width}-{scheme}.png"


def draw(chromium: Chromium, page: Path, width: int, scheme: str, script: str = "") -> Image.Image:
    """The top of a page as Chromium draws it."""
    png = chromium.look(page, width, scheme=scheme, script=script, picture=(0, TOP)).picture
    return Image.open(io.BytesIO(png)).convert("RGB")


def difference(old: Path, new: Image.Image, version: str) -> Difference | None:
    """Compare a new picture with its reference; None if they look alike. Without a reference everything differs.

    ``version`` is that of the Chromium that drew ``new``.
    """
    if not old.exists():
        return Difference(new.width * new.height, Image.new("RGB", new.size, "red"))
    with Image.open(old) as picture:
        before = picture.convert("RGB")
    if before.size != new.size:
        before = before.crop((0, 0, *new.size))
    tolerance, few = TOLERANCE, FEW
    if drawn_by(old) != version:
        before, new, tolerance, few = before.reduce(COARSE), new.reduce(COARSE), COARSE_TOLERANCE, COARSE_FEW
    red, green, blue = ImageChops.difference(before, new).split()
    farthest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    differs = farthest.point(lambda value: 255 if value > tolerance else 0)
    pixels = differs.histogram()[255]
    if pixels <= few:
        return None
    pale = Image.blend(new, Image.new("RGB", new.size, "white"), 0.7)
    return Difference(pixels, Image.composite(Image.new("RGB", new.size, "red"), pale, differs))


def drawn_by(old: Path) -> str:
    """The version of Chromium that drew a reference, or "" without a reference."""
    if not old.exists():
        return ""
    with Image.open(old) as picture:
        return str(picture.info.get(DRAWN_BY, ""))


def accept(new: Image.Image, old: Path, version: str) -> None:
    """Write a new picture as the reference."""
    few = new.point(lambda value: round(round(value / STEP) * STEP))
    named = PngImagePlugin.PngInfo()
    named.add_text(DRAWN_BY, version)
    old.parent.mkdir(exist_ok=True)
    few.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(old, optimize=True, pnginfo=named)


def accept_all() -> Iterator[str]:
    """Draw all pages, write the references that differ, and remove those that no page has; yields a line for each."""
    wanted = {reference(*shot) for shot in SHOTS}
    for old in sorted(set(REFERENCES.glob("*.png")) - wanted):
        old.unlink()
        yield f"removed: {old.relative_to(ROOT)}"
    with tempfile.TemporaryDirectory() as directory, browser() as chromium:
        shown, version = pages(Path(directory)), chromium.version()
        for name, width, scheme in SHOTS:
            old, new = reference(name, width, scheme), draw(chromium, shown[name], width, scheme)
            if change := difference(old, new, version):
                accept(new, old, version)
                yield f"written: {old.relative_to(ROOT)} ({change.pixels} pixels differ)"


if __name__ == "__main__":
    lines = 0
    for lines, line in enumerate(accept_all(), 1):  # noqa: B007
        print(line, flush=True)
    print("look at them before you commit them" if lines else "every page looks like its reference")
