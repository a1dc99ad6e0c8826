"""Texts that others wrote (servers, documents, observations), made harmless for whatever shows them.

A terminal obeys escape sequences, a browser and an editor obey marks of direction, and both hide characters without a
width. Here every such character becomes one visible sign. `terminal.py` and `templates.py` call this for all that
the lab prints and for all pages; `markdown.py` adds what Markdown needs.
"""

from __future__ import annotations

import re

SIGN = "\N{REPLACEMENT CHARACTER}"
LONGEST = 4000  # characters of a line

# Unicode's control characters (Cc, without tab and line feed), format characters (Cf), surrogates (Cs), and separators
# of lines and paragraphs (Zl, Zp); and letters that have no width or look like nothing.
ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    "\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def plain(text: str) -> str:
    """The text with a sign in place of each character that acts or hides; tabs and ends of lines stay."""
    return ACTIVE.sub(SIGN, text)


def short(text: str, longest: int = LONGEST) -> str:
    """The text with long lines cut; each says how many characters are left out."""
    if len(text) <= longest:
        return text
    return "\n".join(_short_line(line, longest) for line in text.split("\n"))


def _short_line(line: str, longest: int) -> str:
    return line if len(line) <= longest else f"{line[:longest]} … ({len(line) - longest} more characters)"


def shown(text: str) -> str:
    """The text as every page and every terminal shows it: plain, without endless lines."""
    return short(plain(text))
