"""Damaged records of runs: a message that names the file, never a traceback, and no verdict from what is damaged."""

from __future__ import annotations

import copy
import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from cases import ROOT, RUNS, trials_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reprolab.bugreport import spec
from reprolab.bugreport.input import gather, obstacles
from reprolab.compare import select
from reprolab.compare.comparison import compare
from reprolab.core.errors import UsageError
from reprolab.demo import from_logs, script
from reprolab.evidence.by_hand import StackInfo
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.evidence.series import read_series
from reprolab.publish import history
from reprolab.report import table, write
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import Verdict, read_verdict, write_verdict
from reprolab.verdict.judge import judge
from reprolab.verdict.record import RecordedRun, judge_run, read_record
from rich.console import Console

# Without shrinking: the documents are large.
fixed = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# -- what is damaged ------------------------------------------------------------------------------

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**18),
    st.floats(),
    st.sampled_from(["", "x", "../..", "\ud800", "\x00", "complete", "running", "a" * 300]),
    st.sampled_from([[], {}, [1], ["ab"], {"x": 1}, [[]], [None], {"": {}}]),
)


def places(content: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to each value in a JSON document, down to a depth of five."""
    yield where
    if len(where) < 5:
        items: Any = (
            content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
        )
        for key, value in items:
            yield from places(value, (*where, key))


@st.composite
def other_shapes(draw: st.DrawFn, content: Any) -> str:
    """A JSON document with one to three values removed, or replaced by values of any type."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        # The places near the root are few, and those that the readers look at.
        depth = draw(st.integers(0, 5))
        known = [where for where in places(content) if len(where) == depth]
        if not known:
            continue
        where = draw(st.sampled_from(known))
        if not where:
            return json.dumps(draw(values))
        parent = content
        for key in where[:-1]:
            parent = parent[key]
        if draw(st.booleans()):
            del parent[where[-1]]
        else:
            parent[where[-1]] = draw(values)
    return json.dumps(content)


@st.composite
def other_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """The content cut off, with other bytes in some places, or with a line removed, doubled, moved or added."""
    kind = draw(st.sampled_from(["cut", "flip", "lines"]))
    if kind == "cut":
        return content[: draw(st.integers(0, len(content) - 1))]
    if kind == "flip":
        damaged = bytearray(content)
        for _ in range(draw(st.integers(1, 3))):
            damaged[draw(st.integers(0, len(content) - 1))] ^= draw(st.integers(1, 255))
        return bytes(damaged)
    lines = content.splitlines(keepends=True)
    number = draw(st.integers(0, len(lines) - 1))
    one = lines.pop(number)
    added = draw(st.sampled_from([[], [one, one], [b"\n", one], [b"null\n", one], [one, b"[" * 5000 + b"\n"]]))
    lines[number:number] = added
    return b"".join(lines)


@contextmanager
def told(*names: str) -> Iterator[None]:
    """The block ends well, or with a message that names one of the files."""
    try:
        yield
    except UsageError as error:
        message = str(error)
        message.encode()
        assert any(name in message for name in names), message


# -- the runs -------------------------------------------------------------------------------------


@cache
def vanish() -> Scenario:
    """The scenario of the recorded run."""
    return loader.load(ROOT, "socket-vanish")


@cache
def sealed() -> dict[str, bytes]:
    """The files of a whole run of this release: with checksums, and with its verdict."""
    with scratch() as run:
        run.replace_trials(run.trials())
        write_verdict(run, judge(vanish(), run.name, run.trials()))
        return {name: (run.path / name).read_bytes() for name in ("run.json", "trials.jsonl", "verdict.json")}


@contextmanager
def scratch(**files: bytes) -> Iterator[RunDirectory]:
    """A copy of the recorded run in which these files are others; run_json is run.json."""
    with tempfile.TemporaryDirectory() as place:
        run = RunDirectory(Path(place) / "socket-vanish" / "20260101T000000Z")
        run.path.mkdir(parents=True)
        for name in ("run.json", "trials.jsonl"):
            shutil.copy(RUNS / "whole" / name, run.path / name)
        for name, content in files.items():
            (run.path / name.replace("_", ".", 1)).write_bytes(content)
        yield run


def read_all(run: RunDirectory) -> None:
    """What the commands make of a run's files: the report, a bug report, a comparison."""
    write.report(Console(file=io.StringIO(), width=120), vanish(), run)
    (report, *_) = spec.load(vanish()).reports
    obstacles(gather(vanish(), report, run, run.info()))
    sides = [select.choose(run, select.parse(name)) for name in ("documented", "gunicorn-19.5.0")]
    warnings = select.check(*sides)
    compare(*sides, vanish(), warnings, (), lambda message: None)


RUN_JSON = json.loads((RUNS / "whole" / "run.json").read_bytes())
OLD_TRIALS = trials_of("socket-vanish")


@fixed
@given(other_shapes(RUN_JSON))
def test_run_json_of_any_shape(text: str) -> None:
    """Its readers name it; the trials are sound, so the verdicts are those of the whole run or open."""
    with scratch(**sealed() | {"run_json": text.encode()}) as run, told("run.json", "20260101T000000Z", "no variant"):
        info = run.info()
        assert isinstance(info.status, str)
        verdict = judge_run(vanish(), run)
        read_all(run)
        for claim in verdict.claims:
            assert claim.verdict in (Verdict.INCONCLUSIVE, before()[claim.id])


@cache
def before() -> dict[str, Verdict]:
    """The verdicts of the whole run."""
    return {claim.id: claim.verdict for claim in judge(vanish(), "r", _records()).claims}


@cache
def _records() -> tuple[Any, ...]:
    with scratch() as run:
        return tuple(run.trials())


@fixed
@given(st.data())
def test_trials_with_other_bytes(data: st.DataObject) -> None:
    """A checksum or the plan tells; a claim on a damaged variant is open, each other one as before."""
    content = data.draw(other_bytes(sealed()["trials.jsonl"]))
    files = {"run_json": sealed()["run.json"], "trials_jsonl": content}
    with scratch(**files) as run:
        checked = run.checked_trials()
        assert all(row in _records() for row in checked.records)
        whole = len(checked.records) == len(_records())
        assert checked.faults or whole
        for claim in judge_run(vanish(), run).claims:
            doubted = any(name in claim.variants for _, name in checked.doubted)
            assert claim.verdict == (Verdict.INCONCLUSIVE if doubted else before()[claim.id])
        write.report(Console(file=io.StringIO(), width=120), vanish(), run)
        text = (run.path / "report.txt").read_text(encoding="utf-8")
        assert not checked.faults or "this run's record is incomplete: trials.jsonl" in text


@settings(fixed, max_examples=20)
@given(st.data())
def test_trials_of_an_older_release_with_other_bytes_or_shapes(data: st.DataObject) -> None:
    """Without checksums not all can be told, but nothing raises."""
    lines = OLD_TRIALS.splitlines()
    if data.draw(st.booleans()):
        content = data.draw(other_bytes(OLD_TRIALS))
    else:
        number = data.draw(st.integers(0, len(lines) - 1))
        lines[number] = data.draw(other_shapes(json.loads(lines[number]))).encode()
        content = b"\n".join(lines) + b"\n"
    with scratch(trials_jsonl=content) as run, told("trials.jsonl", "20260101T000000Z", "documented"):
        judge_run(vanish(), run)
        read_all(run)


@fixed
@given(st.data())
def test_verdict_json_of_any_shape(data: st.DataObject) -> None:
    """The report names it."""
    shape = data.draw(other_shapes(json.loads(sealed()["verdict.json"])))
    with scratch(**{"verdict_json": shape.encode()}) as run, told("verdict.json"):
        read_verdict(run)
        read_all(run)


@fixed
@given(st.data())
def test_recorded_json_of_any_shape(data: st.DataObject) -> None:
    """Judging and the tables of the pages name it."""
    content = json.loads((ROOT / "scenarios" / "socket-vanish" / "recorded.json").read_bytes())
    content["packages"], content["signs"] = {}, {}
    shape = data.draw(other_shapes(content))
    with scratch() as run, told("recorded.json"):
        directory = run.path / "case"
        directory.mkdir()
        (directory / "recorded.json").write_text(shape, encoding="utf-8")
        scenario = replace(vanish(), directory=directory)
        record = read_record(scenario)
        assert isinstance(record, RecordedRun)
        table.recorded_tables(scenario, record)
        judge_run(scenario, run)


@fixed
@given(other_bytes(b'{"run": "1", "verdicts": {}}\n{"run": "2", "verdicts": {}}\n'))
def test_history_with_other_bytes(content: bytes) -> None:
    """A damaged line is named, and nothing is written; else the new line stands alone."""
    with scratch() as run:
        directory = run.path / "case"
        directory.mkdir()
        scenario = replace(vanish(), directory=directory)
        path = directory / "history.jsonl"
        path.write_bytes(content)
        record = RecordedRun(judge(scenario, run.name, ()), run.info())
        with told("history.jsonl"):
            history.append(scenario, record)
            assert json.loads(path.read_bytes().splitlines()[-1])["run"] == run.name
            return
        assert path.read_bytes() == content


SAMPLE = b'{"service": "app", "at_ns": 1, "cpu": 0.5, "memory": 7, "processes": 2, "sockets": {"tcp established": 1}}\n'


@fixed
@given(other_bytes(SAMPLE * 3))
def test_series_with_other_bytes(content: bytes) -> None:
    """What is no sample is no sample."""
    with scratch(series_jsonl=content) as run:
        for sample in read_series(run.path / "series.jsonl"):
            assert isinstance(sample.service, str) and isinstance(sample.at_ns, int) and sample.sockets is not None


@fixed
@given(other_shapes({"load": {"cpus": [0.1, 0.2]}, "missing": "psi"}), st.sampled_from(["machine", "wrk"]))
def test_machine_json_of_any_shape(text: str, name: str) -> None:
    """It is an object, or named."""
    with scratch(**{f"{name}_json": text.encode()}) as run, told("machine.json"):
        assert isinstance(TrialDirectory(run.path).machine(), dict | None)


STACK = {"scenario": "blink", "name": "default", "factors": {"A": "1"}, "changes": {}, "host": {"kernel": "6.1"}}


@fixed
@given(other_shapes(STACK))
def test_stack_json_of_any_shape(text: str) -> None:
    """That of a stack by hand."""
    with scratch(stack_json=text.encode()) as run, told("stack.json"):
        StackInfo.read(run.path / "stack.json")


LOGS = RUNS / "whole" / "vanish"


@settings(fixed, max_examples=15)
@given(st.data())
def test_logs_that_are_torn(data: st.DataObject) -> None:
    """The page, the comparison, the bug report and the replay show the rest."""
    name = data.draw(st.sampled_from(["app.log.gz", "app.streams.log.gz", "proxy.log.gz", "witness.log.gz"]))
    with scratch() as run:
        shutil.copytree(LOGS, run.path / "vanish")
        path = run.path / "vanish" / "documented" / "1" / name
        path.write_bytes(data.draw(other_bytes(path.read_bytes())))
        judge_run(vanish(), run)
        read_all(run)
        write.write_page(vanish(), run)
        (report, *_) = spec.load(vanish()).reports
        from reprolab.bugreport import render

        render.write(gather(vanish(), report, run, run.info()), ROOT)
        (record, *_) = (row for row in run.trials() if row.variant == "documented")
        from_logs.recorded(script.load(vanish()), run.trial("vanish", "documented", 1), record)
