"""The frame of all pages: one file, with escaped values, that loads nothing."""

import json
import re

import pytest
from jinja2 import DictLoader, Environment, UndefinedError
from reprolab.report.html import page


@pytest.fixture
def template(monkeypatch):
    """Renders a template that is given as text, with the lab's templates."""

    def render(text, **values):
        lab = page._templates("reprolab.report.html")
        both = Environment(loader=DictLoader({"it": text}), autoescape=True, undefined=lab.undefined)
        both.loader = DictLoader({"it": text, **{n: lab.loader.get_source(lab, n)[0] for n in lab.list_templates()}})
        monkeypatch.setattr(page, "_templates", lambda package: both)
        return page.render("reprolab.report.html", "it", **values)

    return render


def test_a_page_is_one_file_for_phones_and_in_both_colours():
    """The frame fits a phone, has a light and a dark scheme, and loads nothing."""
    text = page.render("reprolab.report.html", "page.html.j2")
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert "prefers-color-scheme: dark" in text
    assert "&#34;" not in text, "the style sheet is no value: it is not escaped"
    assert not re.search(r"https?://|<link rel=\"?stylesheet|src=", text)


def test_every_value_is_escaped(template):
    """A log line that looks like markup is text."""
    text = template('{% extends "page.html.j2" %}{% block body %}{{ line }}{% endblock %}', line="<script>alert(1)")
    assert "&lt;script&gt;" in text
    assert "<script>" not in text


def test_a_missing_value_is_an_error(template):
    """A template cannot leave out a missing value."""
    with pytest.raises(UndefinedError):
        template("{{ missing }}")


def test_data_for_a_script_cannot_end_it():
    """Text in the data of a script does not end the script element; parsed, it lacks only characters that act."""
    text = str(page.script_json({"line": "</script><!-- & \u2028"}))
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == {"line": "</script><!-- & �"}


def test_backticks_make_code_and_nothing_else():
    """Text between backticks is code. Markup in it, and a backtick without a partner, are text."""
    assert page.code("`g_var` is <b> and `</code>`") == (
        "<code>g_var</code> is &lt;b&gt; and <code>&lt;/code&gt;</code>"
    )
    assert page.code("an odd ` <sign>") == "an odd ` &lt;sign&gt;"
