"""upstream.yaml: its keys, and the messages about mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import ROOT, having, lay_out
from reprolab.bugreport import forms, sections, spec
from reprolab.bugreport.forms import FORMS, Field, Form
from reprolab.core.errors import UsageError
from reprolab.scenario import loader

REPORT: dict[str, Any] = {
    "name": "gunicorn",
    "project": "gunicorn",
    "kind": "bug",
    "state": "new",
    "title": "It blinks since {{ RELEASE }}",
    "claims": ["B-1"],
    "shows": "documented",
    "control": "old",
    "stacks": {"documented": "the lamp of {{ RELEASE }}", "old": "the lamp of {{ RELEASE }}"},
    "expected": "It does not blink.",
    "actual": "It blinks.",
    "steps": [{"text": "Switch it on:"}, {"run": "on {{ RELEASE }}"}],
}


def load(root: Path, *reports: Any, **top: Any) -> spec.BugReportFile:
    """The small scenario's upstream.yaml with these reports."""
    directory = lay_out(root)
    content = {"reports": list(reports), **top}
    (directory / "upstream.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return spec.load(loader.load(root, "blink"))


def test_a_report_is_read(tmp_path: Path) -> None:
    """The reader determines the factor in which the control differs. The showing variant is first."""
    (report,) = load(tmp_path, REPORT).reports
    assert report.changed == "RELEASE"
    assert list(report.stacks) == ["documented", "old"]
    assert report.variants == ("documented", "old")
    assert spec.fill(report.title, {"RELEASE": "1.0"}) == "It blinks since 1.0"


def test_the_newest_release_is_read(tmp_path: Path) -> None:
    """The base variant is the showing variant by default."""
    (report,) = load(tmp_path, {**REPORT, "releases": {"factor": "RELEASE", "newest": "old"}}).reports
    assert report.releases is not None
    assert (report.releases.of, report.releases.newest) == ("documented", "old")


def test_a_file_may_hold_no_report(tmp_path: Path) -> None:
    """It gives the reason instead."""
    content = load(tmp_path, nothing=[{"claims": ["B-1"], "why": "lamps do that"}])
    assert content.reports == ()
    assert content.nothing[0].why == "lamps do that"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"projekt": "x"}, "unknown key projekt (did you mean project?)"),
        ({"project": "gunicron"}, "project is 'gunicron' (did you mean gunicorn?)"),
        ({"kind": "rumour"}, "kind is 'rumour'"),
        ({"state": "maybe"}, "state is 'maybe'"),
        ({"name": "Big Bug"}, "name is 'Big Bug'"),
        ({"title": ""}, "title is ''"),
        ({"claims": []}, "no claims"),
        ({"claims": ["B-2"]}, "claims names 'B-2' (did you mean B-1?)"),
        ({"shows": "new"}, "shows is 'new'"),
        ({"control": "documented"}, "documented and documented differ in nothing"),
        ({"stacks": {"documented": "the lamp"}}, "stacks does not say what old is"),
        ({"stacks": {"older": "x"}}, "unknown key older (did you mean old?)"),
        ({"steps": [{"text": "think"}]}, "no steps with a run"),
        ({"steps": [{"run": "on", "check": "lit"}]}, "steps[1] has 2 keys"),
        ({"steps": [{"file": "gone.py"}]}, "there is no file gone.py"),
        ({"known": [{"thread": "1298", "says": "x"}]}, "thread is '1298'"),
        ({"logs": [{"source": "app", "keep": ["("]}]}, "'(' is no pattern"),
        ({"logs": [{"source": "app", "after": -1}]}, "after is -1"),
        ({"releases": {"factor": "VERSION"}}, "factor is 'VERSION'"),
        ({"releases": {"factor": "RELEASE", "newest": "newer"}}, "newest is 'newer'"),
        ({"measuring": ["RELEASE"]}, "documented and old differ in nothing"),
    ],
)
def test_a_mistake_is_reported_with_its_place(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """The message names the file, the report's number, what is wrong and what is expected."""
    with pytest.raises(UsageError) as caught:
        load(tmp_path, {**REPORT, **change})
    assert message in str(caught.value)
    assert "scenarios/blink/upstream.yaml: reports[1]" in str(caught.value)
    assert "expected:" in str(caught.value) or "pattern" in str(caught.value)


FORM: dict[str, Any] = {
    "place": "https://example.org/lamp/issues/new",
    "source": "example/lamp has no form",
    "prefix": "[Bug]",
    "package": "lamp",
    "fields": {"What happened": "description", "Deployment": "answer:deployment"},
}


def test_a_form_of_the_scenario(tmp_path: Path) -> None:
    """A project that the lab does not know: headings in the file's order, and a name for the reader."""
    (report,) = load(
        tmp_path / "a", {**REPORT, "project": "lamp"}, forms={"lamp": {**FORM, "project": "The Lamp"}}
    ).reports
    fields = (Field("What happened", "description"), Field("Deployment", "answer:deployment"))
    assert report.form == Form("The Lamp", FORM["place"], FORM["source"], fields, "[Bug] ", "lamp")
    bare = {"lamp": {"place": FORM["place"], "source": FORM["source"]}}
    (report,) = load(tmp_path / "b", {**REPORT, "project": "lamp"}, forms=bare).reports
    assert (report.form.project, report.form.prefix, report.form.package) == ("lamp", "", "")
    assert report.form.fields == FORMS["uwsgi"].fields, "the headings of a project without a form"


def test_a_form_may_have_every_part() -> None:
    """What a field may name is what the lab can write."""
    assert set(forms.PARTS) == set(sections.PARTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"place": "the tracker"}, "forms.lamp: place is 'the tracker'"),
        ({"place": ""}, "forms.lamp: place is ''"),
        ({"source": None}, "forms.lamp: source is None"),
        ({"file": "x"}, "forms.lamp: unknown key file"),
        ({"fields": {"What": "descriptoin"}}, "'What' is 'descriptoin' (did you mean description?)"),
        ({"fields": {"What": "answers"}}, "or answer:KEY"),
        ({"fields": ["description"]}, "forms.lamp: fields is ['description']"),
    ],
)
def test_a_mistake_in_a_form(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """The message names the form and what is expected."""
    with pytest.raises(UsageError) as caught:
        load(tmp_path, {**REPORT, "project": "lamp"}, forms={"lamp": {**FORM, **change}})
    assert message in str(caught.value)
    assert "scenarios/blink/upstream.yaml: forms.lamp" in str(caught.value)


def test_a_known_projects_form_stays(tmp_path: Path) -> None:
    """A scenario cannot give gunicorn another form; an unknown project is told all that there are."""
    with pytest.raises(UsageError, match="the lab has the form of gunicorn"):
        load(tmp_path / "a", REPORT, forms={"gunicorn": FORM})
    with pytest.raises(UsageError, match=r"project is 'lamb' \(did you mean lamp\?\)"):
        load(tmp_path / "b", {**REPORT, "project": "lamb"}, forms={"lamp": FORM})


def test_an_unknown_name_in_a_list_is_reported_with_the_known_names(tmp_path: Path) -> None:
    """The message lists the names that the key takes."""
    with pytest.raises(UsageError, match="claims names 'B-2'") as caught:
        load(tmp_path, {**REPORT, "claims": ["B-2"]})
    assert "expected: one of B-1" in str(caught.value)


def test_a_control_that_differs_in_two_factors_is_refused(tmp_path: Path) -> None:
    """Two changed factors do not tell which of them matters."""
    directory = lay_out(tmp_path)
    text = (directory / "lamp.py").read_text(encoding="utf-8")
    (directory / "lamp.py").write_text(text.replace('{"RELEASE": "0.9"}', '{"RELEASE": "0.9", "WORKERS": "1"}'))
    (directory / "upstream.yaml").write_text(yaml.safe_dump({"reports": [REPORT]}), encoding="utf-8")
    with pytest.raises(UsageError, match="documented and old differ in RELEASE, WORKERS") as caught:
        spec.load(loader.load(tmp_path, "blink"))
    assert "expected: a control that differs in one factor" in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    """The message names the missing file."""
    lay_out(tmp_path)
    with pytest.raises(UsageError, match=r"scenarios/blink/upstream\.yaml is missing"):
        spec.load(loader.load(tmp_path, "blink"))


def test_an_empty_file(tmp_path: Path) -> None:
    """A file needs a report, or a reason why there is none."""
    with pytest.raises(UsageError, match="says nothing"):
        load(tmp_path)


def test_two_reports_of_one_name(tmp_path: Path) -> None:
    """Two reports with the same name would be written to the same file."""
    with pytest.raises(UsageError, match="two reports have the name gunicorn"):
        load(tmp_path, REPORT, REPORT)


def test_an_unknown_factor_in_a_text() -> None:
    """The message names the unknown factor."""
    with pytest.raises(UsageError, match="VERSION"):
        spec.fill("since {{ VERSION }}", {"RELEASE": "1.0"})


def test_every_known_thread_is_a_link() -> None:
    """The threads in all upstream.yaml files have GitHub addresses."""
    for name in having(spec.FILE):
        for report in spec.load(loader.load(ROOT, name)).reports:
            for thread in (*report.known, *report.related):
                assert thread.link.startswith("https://github.com/")
                assert thread.link.rpartition("/")[2].isdigit()
