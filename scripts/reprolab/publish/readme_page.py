"""A scenario's README as a part of a page, and as sections to search in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

# The pages' own markup; anything else that looks like some is text, such as <traceback object> out of a log.
OWN = re.compile(r"\s*(?:</?(?:details|summary)>|<!--.*?-->|[^<])*\s*", re.S)
VERDICTS = ("confirmed", "refuted", "inconclusive")
LONGEST_SECTION = 20_000
# Characters.
SHORT_CELL, LONG_CELL = 20, 60


@dataclass(frozen=True)
class Section:
    """A heading of a story with the text below it."""

    anchor: str
    heading: str
    text: str


@dataclass(frozen=True)
class Story:
    """A README rendered: its title, the HTML below the title, and its sections."""

    title: str
    html: Markup
    sections: tuple[Section, ...]


def read(text: str, link: Callable[[str], str]) -> Story:
    """Render a README. ``link`` gives each of its links the target that it has in the site."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    for name in ("html_block", "html_inline"):
        parser.add_render_rule(name, _markup)
    for name, rule in (("table_open", _table_open), ("table_close", _table_close)):
        parser.add_render_rule(name, rule)
    tokens = parser.parse(text)
    title = _take_title(tokens)
    sections = _sections(tokens)
    for token, following in zip(tokens, tokens[1:] + tokens[-1:], strict=True):
        if token.type == "td_open" and (size := _size(following)):
            token.attrSet("class", size)
        for inner in token.children or ():
            if inner.type == "link_open":
                inner.attrSet("href", link(str(inner.attrGet("href"))))
    html = parser.renderer.render(tokens, parser.options, {})
    for word in VERDICTS:
        html = html.replace(f"<strong>{word}</strong>", f'<strong class="verdict {word}">{word}</strong>')
    # All that is not the README's own Markdown was escaped by the renderer.
    return Story(title, Markup(html), sections)


def _markup(renderer: Any, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    content = tokens[index].content
    return content if OWN.fullmatch(content) else escape(content, quote=False)


def _size(cell: Token) -> str:
    """A cell of a few words is not broken, one of sentences is not squeezed."""
    length = len(_plain(cell))
    return "short" if length <= SHORT_CELL else "long" if length >= LONG_CELL else ""


def _table_open(renderer: Any, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    return '<div class="scroll"><table>\n'


def _table_close(renderer: Any, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    return "</table></div>\n"


def _take_title(tokens: list[Token]) -> str:
    """The first heading of the first rank, taken out: the page has it in its own place."""
    for index, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            title = _plain(tokens[index + 1])
            del tokens[index : index + 3]
            return title
    return ""


def _sections(tokens: Sequence[Token]) -> tuple[Section, ...]:
    """The sections in order; each heading gets an anchor that no other has."""
    found: list[tuple[str, str, list[str]]] = [("top", "", [])]
    taken: set[str] = {"top"}
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = _plain(tokens[index + 1])
            anchor = _anchor(heading, taken)
            token.attrSet("id", anchor)
            found.append((anchor, heading, []))
        elif token.type == "inline" and tokens[index - 1].type != "heading_open":
            found[-1][2].append(_plain(token))
        elif token.type in ("fence", "code_block"):
            found[-1][2].append(" ".join(token.content.split()))
    return tuple(Section(a, h, " ".join(parts)[:LONGEST_SECTION]) for a, h, parts in found if h or parts)


def _anchor(heading: str, taken: set[str]) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "section"
    anchor, number = plain, 2
    while anchor in taken:
        anchor, number = f"{plain}-{number}", number + 1
    taken.add(anchor)
    return anchor


def _plain(token: Token) -> str:
    """The text of a line without its markup."""
    kept = [
        " " if inner.type == "softbreak" else inner.content
        for inner in token.children or ()
        if inner.type in ("text", "code_inline", "softbreak")
        or (inner.type == "html_inline" and not OWN.fullmatch(inner.content))
    ]
    return "".join(kept).strip()
