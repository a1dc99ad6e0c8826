"""The result of a bisect as a page: the strip over time, the changes, the table with links to the evidence."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from reprolab.bisect import words
from reprolab.bisect.document import BisectDocument
from reprolab.bisect.drawing import drawing
from reprolab.bisect.reading import Reading, of_commits, of_document
from reprolab.bisect.strip import legend
from reprolab.report.html import page

RESULTS = "../../../"  # from results/bisect/SCENARIO/STAMP/ to results/


@dataclass(frozen=True)
class _Part:
    """A bisect on the page, with its drawing."""

    reading: Reading
    picture: Markup
    legend: list[str]


def render(document: BisectDocument) -> str:
    """The HTML text of the page. All values are escaped."""
    return page.render(
        __package__,
        "bisect.html.j2",
        document=document,
        main=_part(of_document(document)),
        commits=[(words.commits_title(search), _part(of_commits(search))) for search in document.deep],
        early=words.ended_words(document.ended, document.status),
        host=words.host_words(document.host),
        again=words.repeat(document),
        results=RESULTS,
    )


def _part(reading: Reading) -> _Part:
    return _Part(reading, drawing(reading.points, reading.kind), legend(reading.points))
