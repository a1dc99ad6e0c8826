"""Jinja environments for the `templates` folders of the lab's packages."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def environment(*packages: str, autoescape: bool = False) -> Environment:
    """Return an environment that looks for a template in the folder of each package, in this order.

    An undefined value in a template is an error. A line that holds only a statement leaves no blank line.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in packages]),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
