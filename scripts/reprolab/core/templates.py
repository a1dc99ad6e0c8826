"""Jinja environments for the templates that packages of the lab carry in their folder `templates`."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def environment(*packages: str, autoescape: bool = False) -> Environment:
    """An environment that looks templates up in each package's folder, in this order.

    A value that a template asks for and does not get is an error. Lines with statements alone leave no blank line.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in packages]),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
