"""HTML pages from the lab's templates: each page is one file that needs no network and no other file.

All pages extend `page.html.j2`, which has the blocks `title`, `style`, `head` and `body`, and contains the style
sheet `page.css`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from reprolab.core.foreign_text import plain, shown
from reprolab.core.number_words import grouped, plural
from reprolab.core.templates import environment


@cache
def _templates(package: str) -> Environment:
    # Values come from logs and observations, so all of them are escaped.
    templates = environment(package, __package__, autoescape=True)
    templates.filters["code"] = code
    templates.filters["signed"] = signed
    templates.globals |= {"plural": plural, "grouped": grouped}
    return templates


def code(text: str) -> Markup:
    """A text as HTML: escaped, with the parts between backticks as code."""
    text = shown(str(text))
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without a partner is a plain character
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def signed(ms: float) -> str:
    """Milliseconds as seconds with a sign, and a real minus."""
    return f"{ms / 1000:+.3f} s".replace("-", "\N{MINUS SIGN}")


def render(package: str, template: str, **values: object) -> str:
    """A page from a template of a package, such as "report.html.j2" of "reprolab.report.html".

    All values are escaped. A value that the template needs and does not get is an error.
    """
    return _templates(package).get_template(template).render(**values)


def script_json(data: object) -> Markup:
    """Data as JSON for a `<script type="application/json">` element. No text in it can end the element."""
    text = json.dumps(_plain_data(data), ensure_ascii=False, separators=(",", ":"))
    # HTML escapes do not work in a script element, so these characters become escapes of JSON.
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _plain_data(data: Any) -> Any:
    """The data with plain texts; keys too."""
    if isinstance(data, str):
        return plain(data)
    if isinstance(data, Mapping):
        return {_plain_data(key): _plain_data(value) for key, value in data.items()}
    return [_plain_data(value) for value in data] if isinstance(data, list | tuple) else data
