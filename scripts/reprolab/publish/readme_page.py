"""A scenario's README as HTML for a page of the site, and as sections for the search."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

# The only HTML that READMEs use. Anything else that looks like a tag is text, such as <traceback object> from a log.
ALLOWED_HTML = re.compile(r"\s*(?:</?(?:details|summary)>|<!--.*?-->|[^<])*\s*", re.S)
VERDICTS = ("confirmed", "refuted", "intermittent", "inconclusive")
LONGEST_SECTION = 20_000
# In characters. Short cells are not wrapped; long cells get a minimum width.
SHORT_CELL, LONG_CELL = 20, 60
# A table that begins with these columns becomes cards on a phone.
CLAIMS = ["id", "claim", "verdict"]


@dataclass(frozen=True)
class Section:
    """A heading of a README with the text below it."""

    anchor: str
    heading: str
    text: str


@dataclass(frozen=True)
class Story:
    """A rendered README: its title, the HTML below the title, and its sections."""

    title: str
    html: Markup
    sections: tuple[Section, ...]


def render_readme(text: str, link: Callable[[str], str]) -> Story:
    """Render a README. ``link`` turns the target of a link or an image into its target in the site."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    for name in ("html_block", "html_inline"):
        parser.add_render_rule(name, _markup)
    for name, rule in (("table_open", _table_open), ("table_close", _table_close)):
        parser.add_render_rule(name, rule)
    tokens = parser.parse(text)
    title = _take_title(tokens)
    sections = _sections(tokens)
    for token, following in zip(tokens, tokens[1:] + tokens[-1:], strict=True):
        if token.type == "td_open" and (size := _cell_class(following)):
            token.attrSet("class", size)
        for inner in token.children or ():
            if inner.type == "link_open":
                inner.attrSet("href", link(str(inner.attrGet("href"))))
            if inner.type == "image":
                inner.attrSet("src", link(str(inner.attrGet("src"))))
    html = parser.renderer.render(tokens, parser.options, {})
    for word in VERDICTS:
        html = html.replace(f"<strong>{word}</strong>", f'<strong class="verdict {word}">{word}</strong>')
    # The renderer has escaped all HTML except ALLOWED_HTML.
    return Story(title, Markup(html), sections)


def _markup(renderer: Any, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    content = tokens[index].content
    return content if ALLOWED_HTML.fullmatch(content) else escape(content, quote=False)


def _cell_class(cell: Token) -> str:
    """The CSS class that keeps a short cell on one line and a long cell wide; empty for other cells."""
    length = len(_plain(cell))
    return "short" if length <= SHORT_CELL else "long" if length >= LONG_CELL else ""


def _table_open(renderer: Any, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    headings = []
    for token in tokens[index:]:
        if token.type == "thead_close":
            break
        headings += [token.content] if token.type == "inline" else []
    cards = " claim-cards" if headings[: len(CLAIMS)] == CLAIMS else ""
    return f'<div class="scroll{cards}"><table>\n'


def _table_close(renderer: Any, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    return "</table></div>\n"


def _take_title(tokens: list[Token]) -> str:
    """Remove the first heading of level 1 and return its text; the page's template shows the title."""
    for index, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            title = _plain(tokens[index + 1])
            del tokens[index : index + 3]
            return title
    return ""


def _sections(tokens: Sequence[Token]) -> tuple[Section, ...]:
    """The sections in order. Sets a unique id on each heading."""
    sections: list[tuple[str, str, list[str]]] = [("top", "", [])]
    anchors: set[str] = {"top"}
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = _plain(tokens[index + 1])
            anchor = _anchor(heading, anchors)
            token.attrSet("id", anchor)
            sections.append((anchor, heading, []))
        elif token.type == "inline" and tokens[index - 1].type != "heading_open":
            sections[-1][2].append(_plain(token))
        elif token.type in ("fence", "code_block"):
            sections[-1][2].append(" ".join(token.content.split()))
    return tuple(
        Section(anchor, heading, " ".join(texts)[:LONGEST_SECTION])
        for anchor, heading, texts in sections
        if heading or texts
    )


def _anchor(heading: str, taken: set[str]) -> str:
    """A new anchor for a heading; adds it to ``taken``."""
    plain = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "section"
    anchor, number = plain, 2
    while anchor in taken:
        anchor, number = f"{plain}-{number}", number + 1
    taken.add(anchor)
    return anchor


def _plain(token: Token) -> str:
    """The text of a token without its markup."""
    texts = [
        " " if inner.type == "softbreak" else inner.content
        for inner in token.children or ()
        if inner.type in ("text", "code_inline", "softbreak")
        or (inner.type == "html_inline" and not ALLOWED_HTML.fullmatch(inner.content))
    ]
    return "".join(texts).strip()
