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
from reprolab.diagnose.log_stream import LogStream, open_logs
from reprolab.diagnose.matcher import Block, Match, Plan, Progress
from reprolab.diagnose.settings import Facts, Release
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
class _Search:
    """One case, and its progress in the log that is read."""

    case: Case
    evidence: Evidence = field(default_factory=Evidence)
    progress: Progress | None = None
    single_progress: list[Progress] = field(default_factory=list)

    def begin_log(self) -> None:
        plan = self.case.plan
        self.progress = Progress(plan) if plan.steps and not self.evidence.complete else None
        self.single_progress = [Progress(single) for single in self.case.singles]

    def feed(self, block: Block) -> None:
        for progress in (self.progress, *self.single_progress):
            if progress and not progress.complete:
                progress.feed(block)

    def end_log(self) -> None:
        steps, complete = self.evidence.steps, self.evidence.complete
        if self.progress and (self.progress.complete or len(self.progress.best) > len(steps)):
            steps, complete = tuple(self.progress.best), self.progress.complete
        seen = [progress.matches[0] if progress.complete else None for progress in self.single_progress]
        number = len(self.case.signature.beside)
        self.evidence = Evidence(
            steps, complete, _joined(self.evidence.beside, seen[:number]), _joined(self.evidence.absent, seen[number:])
        )


def _joined(before: tuple[Match, ...], seen: Sequence[Match | None]) -> tuple[Match, ...]:
    known = {match.what for match in before}
    return (*before, *(match for match in seen if match and match.what not in known))


def diagnose(cases: Sequence[Case], question: Question) -> Diagnosis:
    """Answer a question. Raises UsageError for a file that cannot be read."""
    facts = read_facts(question)
    searches = [_Search(case) for case in cases]
    log_facts: list[LogFact] = []
    samples: list[LineSample] = []
    logs = [_read(stream, searches, log_facts, samples) for stream in open_logs(question.logs)]
    _add_log_facts(facts, log_facts)
    rows = [
        (row, scenario)
        for search in searches
        for scenario, signature in [(search.case.scenario, search.case.signature)]
        if (row := assess(scenario.name, signature, search.evidence, facts, log_facts))
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
    before = 0
    for content in stream.blocks():
        block = Block(stream.name, content, before)
        before = stream.lines
        collector.feed(block)
        sample.feed(block)
        for search in searches:
            search.feed(block)
    for search in searches:
        search.end_log()
    log_facts += collector.facts
    samples.append(sample)
    return ReadLog(stream.name, stream.lines, tuple(stream.remarks))


def _add_log_facts(facts: Facts, log_facts: Sequence[LogFact]) -> None:
    """What a log says counts more than what a file says: it is what ran. But a file's setting is more exact."""
    given = {(setting.server, setting.name) for setting in facts.settings if setting.value}
    for row in log_facts:
        if isinstance(row.fact, Release) or (row.fact.server, row.fact.name) not in given:
            facts.add([row.fact])


def read_facts(question: Question) -> Facts:
    """What the user gives beside the logs; of a setting that has several values, the server's own order decides."""
    facts = Facts()
    for path in question.requirements:
        facts.add(requirements.read(read_bounded(path, LARGEST_LIST), path.name))
    for path in question.configs:
        text = read_bounded(path)
        reader = uwsgi_file if uwsgi_file.is_one(text, path.name) else gunicorn_file
        facts.add(reader.read(text, path.name))
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
        facts.add(requirements.exact(version, "--version"))
    return facts
