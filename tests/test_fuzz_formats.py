"""Damaged files of people and of programs: a message that names the file, never a traceback.

Records of runs and bundles have tests of their own. The lab does not read the configuration of a server: that is for
the server in its container.
"""

from __future__ import annotations

import copy
import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import ROOT, having, lay_out
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reprolab.bugreport import spec as bugreport_spec
from reprolab.bugreport.log_excerpt import excerpt
from reprolab.bugreport.spec import Logs
from reprolab.compare import log_reader
from reprolab.core.errors import UsageError
from reprolab.demo import from_logs, recording
from reprolab.demo import script as demo_script
from reprolab.demo.frames import frame
from reprolab.evidence import by_hand
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.evidence.series import read_series
from reprolab.export import spec as export_spec
from reprolab.logs import access_log, json_lines, server_events
from reprolab.logs.normalize import normalize_line
from reprolab.report.html.log_digest import digest_log
from reprolab.report.timeline import log_events, proxy_responses, zero_of
from reprolab.scenario import loader
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from wrk_wrapper import WrkError, WrkResult, parser

# The same examples in each run of the suite. REPROLAB_FUZZ=5000 looks for new ones.
MORE = int(os.environ.get("REPROLAB_FUZZ", "0"))
quiet = settings(max_examples=MORE or 100, derandomize=not MORE, deadline=None, suppress_health_check=list(HealthCheck))

# -- logs -------------------------------------------------------------------------------------------

STAMPS = st.sampled_from(
    [
        b"",
        b"2026-11-26T01:19:01.123456789Z ",
        b"2026-02-30T01:19:01Z ",
        b"9999-99-99T99:99:99Z ",
        b"0000-00-00T00:00:00Z ",
    ]
)
SERVER_LINES = [
    line
    for path in sorted((Path(__file__).parent / "data" / "servers").glob("*.log"))
    for line in path.read_bytes().splitlines()[::5]
]
ACCESS = (
    b'127.0.0.1 - - [26/Nov/2026:01:19:02 +0000] "GET / HTTP/1.1" 200 12 "-" "-" 1795272342000000 0.001',
    b'127.0.0.1 - - [26/Nov/2026:01:19:02 +0000] "GET / HTTP/1.1" 200 12 "-" "-" 9995272342000000000000 1e300',
    b'127.0.0.1 - - [x] "GET / HTTP/1.1" -7 12 "-" "-" -5 nan',
)
PYTHON = (b"Traceback (most recent call last):", b'  File "x.py", line ' + b"9" * 5000 + b", in f", b"ValueError: x")
JSON = (b'x {"at": 1}', b'{"at": [', b'{"at": "\\ud800"}', b"[" * 3000, b'{"at": ' + b"9" * 5000 + b"}")


@st.composite
def log_lines(draw: st.DrawFn) -> bytes:
    """A line of a server, of the lab's programs or of nobody, perhaps with bytes changed, and perhaps with a stamp."""
    line = draw(st.sampled_from([*SERVER_LINES, *ACCESS, *PYTHON, *JSON]) | st.binary(max_size=60))
    at = draw(st.integers(0, len(line)))
    changed = draw(st.sampled_from([b"", b"\xff", b"\x1b[2J", b"9" * 30, b"\0", b"\r"]))
    return draw(STAMPS) + line[:at] + changed + line[at + len(changed) * draw(st.booleans()) :]


def trial_with(path: Path, content: bytes) -> TrialDirectory:
    """A trial whose services all have this log."""
    for role in ("app", "proxy"):
        (path / f"{role}.log.gz").write_bytes(gzip.compress(content, 1))
    return TrialDirectory(path)


@quiet
@given(st.lists(log_lines(), max_size=12))
def test_logs(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    """Every reader of a log takes any bytes as lines."""
    evidence = trial_with(tmp_path_factory.mktemp("trial"), b"\n".join(lines))
    zero = zero_of(evidence, {})
    log_events(evidence, zero)
    proxy_responses(evidence, zero or 1_795_272_341_000_000_000)
    access_log.counts_per_step(access_log.access_summary(lines, 0).timeline())
    server_events.from_log(lines, zero, "app")
    digest_log(evidence.log_path("app"), 1)
    entries = list(log_reader.Log(evidence.log_path("app")).entries())
    assert all(normalize_line(entry.normalized) == entry.normalized for entry in entries if "\n" not in entry.text)
    log_reader.zero(log_reader.sources(evidence))
    assert excerpt(evidence, Logs("app", ("a",), after=1, drop="b"))
    for line in lines:
        with suppress(ValueError):
            assert isinstance(json_lines.json_object(line), dict)


@quiet
@given(st.lists(log_lines(), max_size=8))
def test_a_replay_from_any_log(
    tmp_path_factory: pytest.TempPathFactory, script: demo_script.Script, lines: list[bytes]
) -> None:
    """The recording that a replay makes from a log can be shown at every moment."""
    evidence = trial_with(tmp_path_factory.mktemp("trial"), b"\n".join(lines))
    (evidence.path / "err.log").write_bytes(b"\n".join(lines))
    made = from_logs.recorded(script, evidence, TrialRecord(script.experiment.name, "documented", 1, {}, {}))
    assert made.length_ms <= recording.LONGEST_MS
    frame(made, made.length_ms, 40, 20.0)


# -- files that people write ------------------------------------------------------------------------

JUNK = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        float("nan"),
        float("inf"),
        "",
        " ",
        "x",
        "[bold]",
        "(",
        "\\",
        "{{ X",
        "${X:-",
        [],
        [[]],
        {},
        {"x": 1},
        [None],
        {"": ""},
        {1: 2},
        {None: None},
        ["documented"],
        "documented",
        "app",
        "\x1b[2J".replace("\x1b", "e"),
        "9" * 5000,
        10**40,
    ]
)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a parsed file."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(pairs):
        yield node, key
        yield from places(value)


def change(draw: st.DrawFn, content: Any) -> Any:
    """The content with one to three values replaced or removed, or keys added."""
    changed = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(changed))
        if not found:
            return changed
        node, key = found[draw(st.integers(0, len(found) - 1))]
        action = draw(st.sampled_from(["replace", "replace", "remove", "add", "swap"]))
        if action == "replace":
            node[key] = copy.deepcopy(draw(JUNK))
        elif action == "remove":
            del node[key]
        elif action == "add" and isinstance(node, dict):
            node[draw(st.sampled_from(["x", 1, None, True, "", "name"]))] = copy.deepcopy(draw(JUNK))
        else:
            other, name = found[draw(st.integers(0, len(found) - 1))]
            node[key] = copy.deepcopy(other[name]) if other is not changed else copy.deepcopy(draw(JUNK))
    return changed


@st.composite
def texts(draw: st.DrawFn, whole: str) -> bytes:
    """A YAML file with another content, or with other bytes."""
    if draw(st.booleans()):
        return yaml.safe_dump(change(draw, yaml.safe_load(whole)), allow_unicode=True).encode("utf-8", "replace")
    data = whole.encode()
    at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 30))
    return data[:at] + draw(st.sampled_from(INSERTS) | st.binary(max_size=12)) + data[at + length :]


INSERTS = (
    b"\xff",
    b"\0",
    b"\x1b",
    b"[" * 2000,
    b"{",
    b": ",
    b"- ",
    b"&a *a",
    b"!!python/none",
    b"2026-99-99",
    b"\t",
    b"|",
)
INSERTS += (
    b"0o9",
    b"1_000",
    b"!!binary x",
    b"? [a]: b",
    b"<<: x",
    b"*x",
    b"%",
    b"@",
    b"9" * 5000,
    b"!!int x",
    b"2026-02-30",
)
CASES = having("demo.yaml", "upstream.yaml", "reproducer.yaml")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all scenarios, in which tests change files."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "scenarios", root / "scenarios", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "compose.yaml", root / "compose.yaml")
    return root


@pytest.fixture(scope="module")
def scenario(checkout: Path) -> Scenario:
    """A scenario that has all kinds of files."""
    return loader.load(checkout, CASES[0])


@pytest.fixture(scope="module")
def script(scenario: Scenario) -> demo_script.Script:
    """Its demonstration."""
    return demo_script.load(scenario)


def reads_or_names(path: Path, read: Callable[[], object], data: bytes) -> None:
    """The file is read, or the error names it and is one line with what is expected."""
    before = path.read_bytes()
    path.write_bytes(data)
    try:
        read()
    except UsageError as error:
        assert path.name in str(error) or "scenarios/" in str(error), str(error)
    finally:
        path.write_bytes(before)


LOADERS: dict[str, Callable[[Scenario], object]] = {
    "demo.yaml": demo_script.load,
    "upstream.yaml": bugreport_spec.load,
    "reproducer.yaml": export_spec.load,
}


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("case", CASES)
def test_files_about_a_scenario(checkout: Path, case: str, name: str) -> None:
    """demo.yaml, upstream.yaml and reproducer.yaml with changed keys, values, types and bytes."""
    of = loader.load(checkout, case)
    path = of.directory / name

    @settings(quiet, max_examples=MORE or 50)
    @given(texts(path.read_text(encoding="utf-8")))
    def check(data: bytes) -> None:
        reads_or_names(path, lambda: LOADERS[name](of), data)

    check()


@pytest.mark.parametrize("case", CASES)
def test_compose_files(checkout: Path, case: str) -> None:
    """compose.yaml and its section x-reprolab."""
    path = checkout / "scenarios" / case / "compose.yaml"
    whole = path.read_text(encoding="utf-8")

    # With few services, so that most changes are in the section.
    services = {f"{case}-app": {"image": "x", "environment": {"A": "${A:-1}"}}}
    section = {"x-reprolab": yaml.safe_load(whole)["x-reprolab"], "services": services}

    def read() -> None:
        loaded = loader.load(checkout, case)
        assert isinstance(loaded.document.citation, str)
        assert case_digest(loaded.directory).startswith("sha256:")

    @settings(quiet, max_examples=MORE or 30)
    @given(texts(whole) | texts(yaml.safe_dump(section)))
    def check(data: bytes) -> None:
        reads_or_names(path, read, data)

    check()


def test_a_file_that_is_nested_too_deeply(tmp_path: Path) -> None:
    """YAML's reader is recursive."""
    directory = lay_out(tmp_path)
    (directory / "compose.yaml").write_text("x: " + "[" * 5000)
    with pytest.raises(UsageError, match=r"compose\.yaml is (not YAML|nested too deeply)"):
        loader.load(tmp_path, "blink")


# -- files that the lab's own programs write -------------------------------------------------------

WRK = {
    "duration_us": 2_000_000,
    "requests": 10,
    "bytes": 100,
    "errors": {"connect": 0, "read": 0, "write": 0, "timeout": 0, "status_above_399": 0},
    "latency": {"min": 1, "max": 2, "mean": 1, "stdev": 0, "p50": 1, "p75": 1, "p90": 1, "p99": 1, "p99_9": 1},
    "statuses": {"200": 10},
}
VALUES = JUNK | st.sampled_from([float("inf"), "NaN", 1e400, {"200": "x"}, {"x": 1}])
changed_wrk = st.composite(lambda draw: change(draw, WRK))()


@quiet
@given(changed_wrk | VALUES, st.booleans())
def test_the_numbers_of_wrk(content: Any, twice: bool) -> None:
    """A changed line of JSON gives numbers, or wrk_wrapper's own error."""
    line = parser.PREFIX + json.dumps(content, default=str) + "\n"
    read = partial(parser.parse, url="http://x/", threads=1, connections=1, duration=2.0, command=("wrk",))
    try:
        result = read(line * (1 + twice), "", 0)
    except WrkError:
        return
    assert isinstance(result.requests_per_second, float)
    assert WrkResult.from_json(json.loads(json.dumps(result.to_json()))) == result
    result.summary()


@quiet
@given(st.binary(max_size=80) | changed_wrk.map(lambda content: json.dumps(content, default=str).encode()))
def test_the_kept_numbers_of_a_stack_by_hand(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """wrk.json of a copy."""
    path = tmp_path_factory.mktemp("copy")
    (path / "wrk.json").write_bytes(data)
    try:
        by_hand.StackCopy(path, None).load()  # type: ignore[arg-type]
    except UsageError as error:
        assert "wrk.json" in str(error)


RECORDING = [
    {"step_ms": 100},
    {"at_ms": 10.0, "look": {"at_ms": 10.0, "processes": [[11, 1, "app", 2]], "present": True}},
    {"at_ms": 20.0, "counts": [["200", 0, 5]]},
    {"event": {"at_ms": 15.0, "kind": "note", "text": "x", "source": "app", "until_ms": None}},
    {"missing": {"file": "not possible"}},
    {"length_ms": 100.0},
]


@quiet
@given(st.composite(lambda draw: change(draw, RECORDING))(), st.binary(max_size=20), st.integers(0, 300))
def test_recordings_of_demonstrations(
    tmp_path_factory: pytest.TempPathFactory, content: Any, extra: bytes, at: int
) -> None:
    """stage.jsonl: what is read can be shown at every moment."""
    path = tmp_path_factory.mktemp("trial") / recording.FILE
    data = b"\n".join(json.dumps(line, default=str).encode() for line in content)
    path.write_bytes(data[:at] + extra + data[at:])
    try:
        read = recording.read(path)
    except UsageError as error:
        assert recording.FILE in str(error)
        return
    for moment in (0.0, 50.0, read.length_ms):
        shown = frame(read, moment, 40, 20.0)
        assert all(isinstance(line.total, int) for line in shown.lines)


@quiet
@given(st.lists(st.binary(max_size=40) | JUNK.map(lambda value: json.dumps(value, default=str).encode()), max_size=5))
def test_series(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    """series.jsonl: lines of another kind are no samples."""
    path = tmp_path_factory.mktemp("trial") / "series.jsonl"
    path.write_bytes(b"\n".join(lines))
    assert list(read_series(path)) == []
