"""The forms of the upstream projects: the headings of a report, their order, and where to file it.

The headings are those of the projects' own forms; ``source`` names the file of each (read in November 2026). No other
text is taken from these files. The form of another project stands in a scenario's upstream.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass

from reprolab.bugreport.spec_reader import SpecReader
from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError

# What a field may hold: the names of sections.PARTS, and answer:KEY.
PARTS = (
    *("type", "description", "steps", "configuration", "logs", "version", "python", "system", "versions"),
    *("releases_tested", "context", "threads", "checklist", "whole"),
)
ANSWER = "answer:"


@dataclass(frozen=True)
class Field:
    """One heading of a form, and the part of the report below it: a name of sections.PARTS.

    ``answer:KEY`` is the text under ``answers`` in upstream.yaml.
    """

    heading: str
    part: str


@dataclass(frozen=True)
class Form:
    """The form of one project: ``place`` is where reports are filed, ``prefix`` the start of each title.

    ``package`` is the name of the program's package for pip or apt.
    """

    project: str
    place: str
    source: str
    fields: tuple[Field, ...]
    prefix: str = ""
    package: str = ""


GUNICORN = Form(
    "gunicorn",
    "https://github.com/benoitc/gunicorn/discussions/new?category=issue-triage",
    "benoitc/gunicorn, .github/DISCUSSION_TEMPLATE/issue-triage.yml",
    (
        Field("Type", "type"),
        Field("Description", "description"),
        Field("Steps to Reproduce (for bugs)", "steps"),
        Field("Configuration", "configuration"),
        Field("Logs / Error Output", "logs"),
        Field("Gunicorn Version", "version"),
        Field("Python Version", "python"),
        Field("Worker Class", "answer:worker_class"),
        Field("Operating System", "system"),
        Field("Additional Context", "context"),
        Field("Checklist", "checklist"),
    ),
    prefix="[Triage] ",
    package="gunicorn",
)
CPYTHON = Form(
    "CPython",
    "https://github.com/python/cpython/issues/new?template=bug.yml",
    "python/cpython, .github/ISSUE_TEMPLATE/bug.yml",
    (
        Field("Bug description:", "whole"),
        Field("CPython versions tested on:", "releases_tested"),
        Field("Operating systems tested on:", "system"),
    ),
)
UVICORN = Form(
    "uvicorn",
    "https://github.com/Kludex/uvicorn/discussions",
    "Kludex/uvicorn, .github/ISSUE_TEMPLATE/1-issue.md (a discussion comes first); "
    "encode/uvicorn, .github/DISCUSSION_TEMPLATE/potential_issue.yml",
    (
        Field("Initial Checks", "checklist"),
        Field("Discussion Link", "threads"),
        Field("Description", "description"),
        Field("Example Code", "steps"),
        Field("Python, Uvicorn & OS Version", "versions"),
        Field("Debugging material", "logs"),
        Field("Environment", "context"),
    ),
    package="uvicorn",
)
# These two repositories have no form: their .github directories contain only workflows.
_FREE = (
    Field("Description", "description"),
    Field("Steps to reproduce", "steps"),
    Field("Configuration", "configuration"),
    Field("Logs", "logs"),
    Field("Versions", "versions"),
    Field("Context", "context"),
)
UWSGI = Form(
    "uWSGI",
    "https://github.com/unbit/uwsgi/issues/new",
    "unbit/uwsgi has no form",
    _FREE,
    package="uWSGI",
)
UWSGI_DOCS = Form(
    "uWSGI's documentation",
    "https://github.com/unbit/uwsgi-docs/issues/new",
    "unbit/uwsgi-docs has no form",
    _FREE,
    package="uWSGI",
)
FORMS = {"gunicorn": GUNICORN, "cpython": CPYTHON, "uvicorn": UVICORN, "uwsgi": UWSGI, "uwsgi-docs": UWSGI_DOCS}


def read_form(name: str, reader: SpecReader) -> Form:
    """The form ``name`` of upstream.yaml; without ``fields`` the headings of a project that has no form."""
    reader.only("project", "place", "source", "prefix", "package", "fields")
    place = reader.text("place")
    if not place.startswith("https://"):
        raise UsageError(
            f"{reader.where}: place is {place!r}", expected="the page where a report is filed, https://..."
        )
    fields = tuple(Field(heading, part) for heading, part in reader.mapping("fields").items())
    for field in fields:
        if field.part not in PARTS and not field.part.startswith(ANSWER):
            raise UsageError(
                f"{reader.where}: fields: {field.heading!r} is {field.part!r}{hint(field.part, PARTS)}",
                expected=f"one of {', '.join(PARTS)}, or {ANSWER}KEY for the text KEY under answers",
            )
    return Form(
        reader.text("project", default=name),
        place,
        reader.text("source"),
        fields or _FREE,
        prefix=f"{prefix} " if (prefix := reader.text("prefix", default="")) else "",
        package=reader.text("package", default=""),
    )
