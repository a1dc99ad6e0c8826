"""One diagnosis: reads what the user gives, follows all signatures through the logs in one pass, ranks the cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reprolab.core.errors import UsageError
from reprolab.diagnose import command_line, gunicorn_file, inspect_file, requirements, uwsgi_file
from reprolab.diagnose.assess import NAMED, Assessment, Evidence, Level, assess
from reprolab.diagnose.case_command import CaseCommand, case_command
from reprolab.diagnose.given_file import MEBIBYTE, read_bounded
from reprolab.diagnose.log_facts import LogFact, LogFacts
from reprolab.diagnose.log_stream import LogStream, open_logs, without_colours
from reprolab.diagnose.matcher import Block, Match, Plan, Progress
from reprolab.diagnose.origins import Origins
from reprolab.diagnose.settings import OPTION, Facts, Release, Unread
from reprolab.diagnose.unusual import LineSample, UnusualLine, learned, unusual_lines
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.scenario.signature import Signature

LARGEST_LIST = 16 * MEBIBYTE  # bytes of a lock file, or of what `docker inspect` prints


@dataclass(frozen=True)
class Question:
    """What the user gives. ``logs`` are paths, or `-`; the others are as the options of `reprolab diagnose`."""

    logs: tuple[str, ...]
    configs: tuple[Path, ...] = ()
    requirements: tuple[Path, ...] = ()
    commands: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    inspects: tuple[Path, ...] = ()
    versions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadLog:
    """One log that was read: its lines, and what a reader of the result must know of it."""

    name: str
    lines: int
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """The answer. ``commands`` has the command for each assessment, in the same order."""

    logs: tuple[ReadLog, ...]
    facts: Facts
    assessments: tuple[Assessment, ...]
    commands: tuple[CaseCommand, ...]
    unusual: tuple[UnusualLine, ...]
    compared_with: tuple[str, ...]

    @property
    def shown(self) -> bool:
        """Whether a log points to a case."""
        return any(row.level in NAMED for row in self.assessments)


@dataclass(frozen=True)
class Case:
    """One signature of a scenario, ready to be searched: its steps, and the lines that may come anywhere."""

    scenario: Scenario
    signature: Signature
    plan: Plan
    singles: tuple[Plan, ...]


def load_cases(*roots: Path) -> tuple[Case, ...]:
    """All signatures of these folders; of two scenarios with one name that of the first folder.

    Raises UsageError for a malformed one.
    """
    places = {name: root for root in reversed(roots) for name in loader.names(root)}
    scenarios = (loader.load(places[name], name) for name in sorted(places))
    return tuple(
        Case(
            scenario,
            signature,
            Plan.of(signature.steps),
            tuple(Plan.of([step]) for step in (*signature.beside, *signature.absent)),
        )
        for scenario in scenarios
        for signature in loader.signatures(scenario)
    )


@dataclass
class _Trail:
    """One case in the lines of one origin: how far its steps have come, and its lines that may come anywhere."""

    progress: Progress | None
    singles: list[Progress]

    def feed(self, block: Block) -> None:
        for progress in (self.progress, *self.singles):
            if progress and not progress.complete:
                progress.feed(block)


@dataclass
class _Search:
    """One case, and its trails in the log that is read, by origin."""

    case: Case
    evidence: Evidence = field(default_factory=Evidence)
    trails: dict[bytes, _Trail] = field(default_factory=dict)

    def begin_log(self) -> None:
        self.trails = {}

    def feed(self, block: Block) -> None:
        if block.origin not in self.trails:
            plan = self.case.plan
            progress = Progress(plan) if plan.steps and not self.evidence.complete else None
            self.trails[block.origin] = _Trail(progress, [Progress(single) for single in self.case.singles])
        self.trails[block.origin].feed(block)

    def end_log(self) -> None:
        for trail in self.trails.values():
            self._end_trail(trail)

    def _end_trail(self, trail: _Trail) -> None:
        steps, complete, progress = self.evidence.steps, self.evidence.complete, trail.progress
        if progress and not complete and (progress.complete or len(progress.best) > len(steps)):
            steps, complete = tuple(progress.best), progress.complete
        seen = [single.matches[0] if single.complete else None for single in trail.singles]
        number = len(self.case.signature.beside)
        self.evidence = Evidence(
            steps, complete, _joined(self.evidence.beside, seen[:number]), _joined(self.evidence.absent, seen[number:])
        )


def _joined(before: tuple[Match, ...], seen: Sequence[Match | None]) -> tuple[Match, ...]:
    """The first match of each step in each service of each log."""
    known = {(match.what, match.log, match.origin) for match in before}
    return (*before, *(match for match in seen if match and (match.what, match.log, match.origin) not in known))


def diagnose(cases: Sequence[Case], question: Question) -> Diagnosis:
    """Answer a question. Raises UsageError for a file that cannot be read."""
    given = read_facts(question)
    searches = [_Search(case) for case in cases]
    log_facts: list[LogFact] = []
    samples: list[LineSample] = []
    logs = [_read(stream, searches, log_facts, samples) for stream in open_logs(question.logs)]
    facts = _with_log_facts(given, log_facts)
    rows = [
        (row, scenario)
        for search in searches
        for scenario, signature in [(search.case.scenario, search.case.signature)]
        if (row := assess(scenario.name, signature, search.evidence, given, log_facts))
    ]
    named = {row.scenario for row, _ in rows if row.level in NAMED}
    # Another way in which a named case could show is of no interest where it is excluded.
    rows = [pair for pair in rows if pair[0].level is not Level.NOT_THIS or pair[0].scenario not in named]
    rows.sort(key=lambda pair: pair[0].rank)
    servers = sorted({*facts.servers, *_running_beside(facts)})
    return Diagnosis(
        tuple(logs),
        facts,
        tuple(row for row, _ in rows),
        tuple(case_command(scenario, row, facts) for row, scenario in rows),
        tuple(unusual_lines(samples, servers)),
        tuple(learned(servers)),
    )


def _running_beside(facts: Facts) -> Iterator[str]:
    """A worker of uvicorn under gunicorn writes both servers' lines."""
    worker = facts.setting("gunicorn", "worker_class")
    if worker and "uvicorn" in worker.value.lower():
        yield "uvicorn"


def _read(stream: LogStream, searches: list[_Search], log_facts: list[LogFact], samples: list[LineSample]) -> ReadLog:
    """Read one log once, for all signatures, for what it says of its server, and for its unusual lines."""
    collector, sample = LogFacts(), LineSample(stream.name)
    for search in searches:
        search.begin_log()
    before, origins = 0, Origins()
    for content in stream.blocks():
        whole = Block(stream.name, without_colours(content), before)
        before = stream.lines
        sample.feed(whole)
        for block in origins.split(whole):
            collector.feed(block)
            for search in searches:
                search.feed(block)
    for search in searches:
        search.end_log()
    log_facts += collector.facts
    samples.append(sample)
    return ReadLog(stream.name, stream.lines, tuple(stream.remarks))


def _with_log_facts(given: Facts, log_facts: Sequence[LogFact]) -> Facts:
    """All that is known, of whatever service. A file's setting is more exact than a log's."""
    facts = Facts(list(given.settings), list(given.releases), list(given.unread))
    names = {(setting.server, setting.name) for setting in facts.settings if setting.value}
    for row in log_facts:
        if isinstance(row.fact, Release) or (row.fact.server, row.fact.name) not in names:
            facts.add([row.fact])
    return facts


def read_facts(question: Question) -> Facts:
    """What the user gives beside the logs; of a setting that has several values, the server's own order decides."""
    facts = Facts()
    for path in question.requirements:
        facts.add(requirements.read(read_bounded(path, LARGEST_LIST), path.name))
    for path in question.configs:
        text = read_bounded(path)
        reader = uwsgi_file if uwsgi_file.is_one(text, path.name) else gunicorn_file
        items = reader.read(text, path.name)
        facts.add(items or [Unread(path.name, "it has no setting of gunicorn or uWSGI")])
    for path in question.inspects:
        facts.add(inspect_file.read(read_bounded(path, LARGEST_LIST), path.name))
    for pair in question.variables:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--env {pair!r}", expected="NAME=VALUE, such as GUNICORN_CMD_ARGS='--threads 4'")
        facts.add(command_line.read_variable(name, value))
    for command in question.commands:
        facts.add(command_line.read(command))
    for version in question.versions:
        facts.add(requirements.exact(version, OPTION))
    return facts
