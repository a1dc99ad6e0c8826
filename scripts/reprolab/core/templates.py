"""Jinja environments for the `templates` folders of the lab's packages."""

from __future__ import annotations

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reprolab.core.foreign_text import plain, shown


def environment(*packages: str, autoescape: bool = False) -> Environment:
    """Return an environment that looks for a template in the folder of each package, in this order.

    An undefined value in a template is an error. A line that holds only a statement leaves no blank line. Every value
    that is not markup becomes harmless.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in packages]),
        autoescape=autoescape,
        undefined=StrictUndefined,
        finalize=_page_text if autoescape else _file_text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _page_text(value: Any) -> Any:
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _file_text(value: Any) -> Any:
    return plain(value) if isinstance(value, str) else value
