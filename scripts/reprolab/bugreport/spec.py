"""Reads and checks scenarios/<name>/upstream.yaml: the findings of a scenario that are reported upstream.

The file holds what a run cannot know: the project of each finding, the known threads, and the shortest steps. All
figures in a report come from a run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jinja2 import Environment, StrictUndefined, TemplateError

from reprolab.bugreport.forms import FORMS, Form, read_form
from reprolab.bugreport.spec_reader import SpecReader
from reprolab.core.config_file import read_yaml
from reprolab.core.errors import UsageError
from reprolab.scenario.model import Claim, Experiment, Scenario
from reprolab.scenario.scaffold import how_to_add, how_to_write

FILE = "upstream.yaml"
KINDS = ("bug", "documentation", "comment")
STATES = ("new", "open", "closed", "fixed", "intended")
STEPS = ("text", "setup", "file", "run", "check")
THREAD = re.compile(r"[\w.-]+/[\w.-]+#\d+")
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class ReportStep:
    """One step of a reproduction: ``kind`` is text (prose), setup, run or check (shell), or file (a path).

    A check ends with status 0 if the sign shows. The path is relative to the scenario's directory.
    """

    kind: str
    content: str


@dataclass(frozen=True)
class Logs:
    """A log of a trial and its important lines. ``source`` is a service's role or a file in the trial's directory.

    Lines that match ``keep`` are shown, each with the ``after`` lines that follow. Lines that match ``drop`` are
    counted, not shown. ``title`` replaces the name of the log.
    """

    source: str
    keep: tuple[str, ...]
    after: int = 0
    drop: str = ""
    title: str = ""


@dataclass(frozen=True)
class Releases:
    """The factor that is the release. The rows of the table are the variants that differ from ``of`` only in it.

    ``may_change`` are factors that may differ too, such as an interpreter that a release needs; the table names them.
    ``newest`` is the variant of the newest release: without a trial of it there is no report.
    """

    factor: str
    of: str
    may_change: tuple[str, ...] = ()
    newest: str = ""


@dataclass(frozen=True)
class Known:
    """A thread of an upstream tracker, owner/name#number, and what it says."""

    thread: str
    says: str

    @property
    def link(self) -> str:
        """The address of the thread. GitHub redirects from an issue to a pull request of the same number."""
        repository, _, number = self.thread.partition("#")
        return f"https://github.com/{repository}/issues/{number}"


@dataclass(frozen=True)
class BugReport:
    """One finding for one project. Texts may contain factors of the showing variant: ``{{ GUNICORN }}``.

    ``claims`` must be confirmed; the sign of the first is counted. ``supporting`` claims are added if the run decided
    them. ``measuring`` factors only change how much is measured. ``stacks`` describes each variant in the table of
    measurements for a reader who does not know the lab.
    """

    name: str
    form: Form
    kind: str
    state: str
    title: str
    experiment: Experiment
    claims: tuple[Claim, ...]
    shows: str
    control: str
    changed: str
    expected: str
    actual: str
    steps: tuple[ReportStep, ...]
    stacks: Mapping[str, str]
    releases: Releases | None = None
    supporting: tuple[Claim, ...] = ()
    measuring: tuple[str, ...] = ()
    known: tuple[Known, ...] = ()
    fixed_by: tuple[Known, ...] = ()
    related: tuple[Known, ...] = ()
    logs: tuple[Logs, ...] = ()
    status: str = ""
    cause: str = ""
    configuration: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants that a run must have for the report, in the experiment's order."""
        wanted = {self.shows, self.control} | {name for claim in self.claims for name in claim.expectations}
        if self.releases and self.releases.newest:
            wanted.add(self.releases.newest)
        return tuple(name for name in self.experiment.variants if name in wanted)


@dataclass(frozen=True)
class Nothing:
    """Claims that are not a bug of any project, and why."""

    claims: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class BugReportFile:
    """The reports of a scenario, and the findings without a report."""

    reports: tuple[BugReport, ...]
    nothing: tuple[Nothing, ...]


def load(scenario: Scenario) -> BugReportFile:
    """Read a scenario's upstream.yaml. Raises UsageError with the place of a mistake and what is expected there."""
    where = f"scenarios/{scenario.name}/{FILE}"
    path = scenario.directory / FILE
    try:
        content = read_yaml(path, where)
    except OSError as error:
        raise UsageError(
            f"{where} is missing",
            expected="what of the scenario is worth telling upstream; see " + how_to_write(scenario.root),
            advice=how_to_add(scenario.name, "bugreport"),
        ) from error
    top = SpecReader(content, where, scenario)
    top.only("forms", "reports", "nothing")
    forms = FORMS | _own_forms(top)
    reports = tuple(_report(entry, forms) for entry in top.children("reports"))
    nothing = tuple(_nothing(entry) for entry in top.children("nothing"))
    if not reports and not nothing:
        raise UsageError(f"{where} says nothing", expected="reports, or nothing: [{claims: [...], why: ...}]")
    names = [report.name for report in reports]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{where}: two reports have the name {name}")
    return BugReportFile(reports, nothing)


def fill(text: str, factors: Mapping[str, str]) -> str:
    """Put the values of factors into a text. Raises UsageError for an unknown factor."""
    try:
        filled: str = Environment(undefined=StrictUndefined).from_string(text).render(**factors)
    except TemplateError as error:
        raise UsageError(
            f"{text.strip().splitlines()[0][:60]!r}: {error}", expected="one of " + ", ".join(factors)
        ) from error
    return filled


def _own_forms(top: SpecReader) -> dict[str, Form]:
    """The forms of projects that the lab does not know, by the name that ``project`` gives."""
    forms = {}
    for name, reader in top.named("forms").items():
        if name in FORMS:
            raise UsageError(f"{reader.where}: the lab has the form of {name}", expected="the form of another project")
        forms[name] = read_form(name, reader)
    return forms


def _report(reader: SpecReader, forms: Mapping[str, Form]) -> BugReport:
    reader.only(
        *("name", "project", "kind", "state", "status", "title", "experiment", "claims", "supporting", "shows"),
        *("control", "stacks", "measuring", "releases", "expected", "actual", "cause", "known", "related", "steps"),
        *("fixed_by", "configuration", "logs", "answers"),
    )
    name = reader.text("name")
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{reader.where}: name is {name!r}", expected="small letters, digits and dashes: it names a file"
        )
    experiment = _experiment(reader)
    variants, factors = experiment.variants, reader.scenario.factors
    measuring = reader.texts("measuring", of=factors)
    shows, control = reader.text("shows", of=variants), reader.text("control", of=variants)
    claims = reader.claims("claims", experiment)
    if not claims:
        raise UsageError(f"{reader.where}: no claims", expected="the ids of the claims that carry the report")
    return BugReport(
        name,
        forms[reader.text("project", of=forms)],
        reader.text("kind", of=KINDS),
        reader.text("state", of=STATES),
        reader.text("title"),
        experiment,
        claims,
        shows,
        control,
        _changed(reader, experiment, shows, control, measuring),
        reader.text("expected"),
        reader.text("actual"),
        _steps(reader),
        _stacks(reader, experiment, shows, control),
        releases=_releases(reader, experiment, shows),
        supporting=reader.claims("supporting", experiment),
        measuring=measuring,
        known=tuple(_known(thread) for thread in reader.children("known")),
        fixed_by=tuple(_known(thread) for thread in reader.children("fixed_by")),
        related=tuple(_known(thread) for thread in reader.children("related")),
        logs=tuple(_logs(log) for log in reader.children("logs")),
        status=reader.text("status", default=""),
        cause=reader.text("cause", default=""),
        configuration=reader.text("configuration", default=""),
        answers=reader.mapping("answers"),
    )


def _experiment(reader: SpecReader) -> Experiment:
    """The named experiment; the key may be missing if the scenario has only one."""
    experiments = reader.scenario.experiments
    only = next(iter(experiments)) if len(experiments) == 1 else None
    return experiments[reader.text("experiment", default=only, of=experiments)]


def _changed(reader: SpecReader, experiment: Experiment, shows: str, control: str, measuring: tuple[str, ...]) -> str:
    """The factor in which the control differs. Raises UsageError if it is not exactly one."""
    pair = [{**reader.scenario.factors, **experiment.variants[name]} for name in (shows, control)]
    changed = [name for name in pair[0] if pair[0][name] != pair[1][name] and name not in measuring]
    if len(changed) != 1:
        raise UsageError(
            f"{reader.where}: {shows} and {control} differ in {', '.join(changed) or 'nothing'}",
            expected="a control that differs in one factor, apart from those named under measuring",
        )
    return changed[0]


def _stacks(reader: SpecReader, experiment: Experiment, shows: str, control: str) -> dict[str, str]:
    """The descriptions of variants: first the showing one, then the control, then the others."""
    words = reader.mapping("stacks", of=experiment.variants)
    if missing := [name for name in (shows, control) if name not in words]:
        raise UsageError(f"{reader.where}: stacks does not say what {' and '.join(missing)} is", expected="NAME: words")
    return {name: words[name] for name in dict.fromkeys((shows, control, *words))}


def _steps(reader: SpecReader) -> tuple[ReportStep, ...]:
    steps = []
    for step in reader.children("steps"):
        step.only(*STEPS)
        if len(step.content) != 1:
            raise UsageError(f"{step.where} has {len(step.content)} keys", expected="one of " + ", ".join(STEPS))
        kind = next(iter(step.content))
        content = step.text(kind)
        if kind == "file" and not (reader.scenario.directory / content).is_file():
            raise UsageError(f"{step.where}: there is no file {content}", expected="a file of the scenario's directory")
        steps.append(ReportStep(kind, content))
    if not any(step.kind == "run" for step in steps):
        raise UsageError(f"{reader.where}: no steps with a run", expected="the shortest steps that show it")
    return tuple(steps)


def _releases(reader: SpecReader, experiment: Experiment, shows: str) -> Releases | None:
    if "releases" not in reader.content:
        return None
    block = SpecReader(reader.content["releases"], f"{reader.where}: releases", reader.scenario)
    block.only("factor", "of", "may_change", "newest")
    newest = block.text("newest", default="", of=["", *experiment.variants])
    return Releases(
        block.text("factor", of=reader.scenario.factors),
        block.text("of", default=shows, of=experiment.variants),
        block.texts("may_change", of=reader.scenario.factors),
        newest,
    )


def _known(reader: SpecReader) -> Known:
    reader.only("thread", "says")
    thread = reader.text("thread")
    if not THREAD.fullmatch(thread):
        raise UsageError(f"{reader.where}: thread is {thread!r}", expected="owner/name#number")
    return Known(thread, reader.text("says"))


def _logs(reader: SpecReader) -> Logs:
    reader.only("source", "title", "keep", "after", "drop")
    for pattern in (*reader.texts("keep"), reader.text("drop", default="")):
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"{reader.where}: {pattern!r} is no pattern: {error}") from error
    return Logs(
        reader.text("source"),
        reader.texts("keep"),
        reader.number("after"),
        reader.text("drop", default=""),
        reader.text("title", default=""),
    )


def _nothing(reader: SpecReader) -> Nothing:
    reader.only("claims", "why")
    claims = reader.texts("claims", of=[claim.id for claim in reader.scenario.claims])
    return Nothing(claims, reader.text("why"))
