"""HTML pages from the lab's templates: each is one file that needs no network and no other file.

`page.html.j2` is the frame of all of them, with the blocks `title`, `style`, `head` and `body`; a page begins with
`{% extends "page.html.j2" %}`. Its style sheet, `page.css`, goes into the page.
"""

from __future__ import annotations

import json
from functools import cache

from jinja2 import Environment
from markupsafe import Markup, escape

from reprolab.core.templates import environment


@cache
def _templates(package: str) -> Environment:
    # What a page shows comes out of logs and observations: it is text, whatever it looks like.
    templates = environment(package, __package__, autoescape=True)
    templates.filters["code"] = code
    return templates


def code(text: str) -> Markup:
    """A claim's sentence, what stands between backticks as code; everything in it is text."""
    parts = str(text).split("`")
    if len(parts) % 2 == 0:  # an odd backtick means itself
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def render(package: str, template: str, **values: object) -> str:
    """A page from a template of a package, such as "report.html.j2" of "reprolab.report.html".

    All values are escaped; a value that the template asks for and does not get is an error.
    """
    return _templates(package).get_template(template).render(**values)


def script_json(data: object) -> Markup:
    """Data for a `<script type="application/json">`: no text in it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # A script's content is not escaped as HTML is: JSON's own escapes keep it from being read as markup.
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)
