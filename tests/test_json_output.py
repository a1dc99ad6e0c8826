"""`--json`: one document on standard output, as docs/schemas/ describes it; everything else on standard error."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, lay_out, recorded_run, trials, write_run_json
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator, ValidationError
from reprolab.baseimage.resolve import Base, Origin
from reprolab.cli import json_output, machine, main, scenarios
from reprolab.core.errors import EngineError, Exit, LabError
from reprolab.engine.detect import Engine
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.run import session
from reprolab.verdict import record

SCHEMAS = ROOT / "docs" / "schemas"
ENGINE = Engine("28.0", "1.48", "2.32", "0.20", "/usr/bin/docker", "6.1", "v2 systemd", "Debian", "unix:///s", False)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout with the small scenario, and no Compose."""
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    monkeypatch.setattr(scenarios, "_compose", lambda: ())
    lay_out(tmp_path)
    yield tmp_path


def lab(*arguments: str) -> Result:
    """Call the command line."""
    return CliRunner().invoke(main.main, list(arguments))


def valid(name: str, content: object) -> Any:
    """The content, which fits the schema of this name."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(content)
    return content


def document(name: str, result: Result) -> Any:
    """The one document on standard output, which fits the schema and has the exit status of the command."""
    content = valid(name, json.loads(result.stdout))
    assert content["exit"]["status"] == result.exit_code
    return content


def a_run(root: Path, **shown: str) -> Path:
    """A run of the small scenario with these trials."""
    run = lookup.create_run(root, "blink")
    write_run_json(run, started="2026-01-02", status="complete", plan=[])
    for row in trials(**shown):
        run.append(row)
    return run.path


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_each_schema_allows_no_unknown_key(path: Path) -> None:
    """Else a document could gain or lose keys without a test that turns red."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate({"something": "else"})
    assert schema["additionalProperties"] is False and set(schema["required"]) == set(schema["properties"])


def test_the_list_has_factors_variants_and_claims() -> None:
    """The list as a program reads it; the note on Compose goes to standard error."""
    result = lab("list", "--json")
    content = document("list", result)
    assert content["checked"] is False and "was not checked" in result.stderr
    blink = content["scenarios"][0]
    assert blink["factors"]["RELEASE"] == {"documented": "1.0", "values": []}
    assert blink["experiments"]["lamp"]["variants"] == {"documented": {}, "old": {"RELEASE": "0.9"}}
    assert blink["experiments"]["lamp"]["claims"] == [{"id": "B-1", "text": "It blinks since 1.0."}]


def test_the_list_of_all_scenarios_fits_its_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real scenarios have what the small one has not: values, needs, several experiments."""
    monkeypatch.setenv("REPROLAB_ROOT", str(ROOT))
    content = document("list", lab("list", "--json"))
    assert [row["name"] for row in content["scenarios"]] == sorted(
        p.parent.name for p in ROOT.glob("scenarios/*/compose.yaml")
    )
    assert any(factor["values"] for row in content["scenarios"] for factor in row["factors"].values())


@pytest.mark.parametrize(
    ("shown", "status", "words", "drifted"),
    [
        ({"documented": "+++", "old": "---"}, 0, "as recorded", []),
        ({"documented": "---", "old": "---"}, 1, "drift", ["B-1"]),
        ({"documented": "xxx", "old": "---"}, 3, "inconclusive", []),
    ],
)
def test_a_judged_run_has_status_and_drift(
    home: Path, shown: dict[str, str], status: int, words: str, drifted: list[str]
) -> None:
    """A script needs no other output: the status with its words, and the claims that drifted."""
    on_record = {"scenario": "blink", "run": "r", "claims": [{"id": "B-1", "verdict": "confirmed"}]}
    (home / "scenarios" / "blink" / "recorded.json").write_text(json.dumps(on_record), encoding="utf-8")
    path = a_run(home, **shown)
    result = lab("judge", str(path), "--json")
    content = document("judged", result)
    assert (content["exit"], content["drifted"]) == ({"status": status, "words": words}, drifted)
    assert (content["evidence"], content["not_judged"]) == (str(path), [])
    assert f"evidence: {path}"[:60] in result.stderr.replace("\n", "")
    valid("verdict", json.loads((path / "verdict.json").read_text(encoding="utf-8")))


def test_a_run_prints_its_verdict(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document and nothing else on standard output; its words are those of the last line."""
    path = a_run(home, documented="+++", old="---")

    def execute(self: session.Session) -> Exit:
        self.run = RunDirectory(path)
        self.observer.progress("a line of progress")
        self.console.print("the report")
        record.judge_run(self.plan.scenario, self.run)
        return Exit.AS_RECORDED

    monkeypatch.setattr(session.Session, "execute", execute)
    junit = home / "junit.xml"
    result = lab("run", "blink", "--json", "--junit", str(junit))
    words = document("judged", result)["exit"]["words"]
    assert words == "everything decided, nothing on record yet"
    assert result.stderr.endswith(f"reprolab: exit status 0 ({words})\n")
    assert all(line in result.stderr for line in ("a line of progress", "the report"))
    assert 'tests="1" failures="0"' in junit.read_text(encoding="utf-8")


def test_claims_without_all_their_variants_are_named(home: Path) -> None:
    """They are in `claims` as inconclusive, which alone could be misread."""
    assert document("judged", lab("judge", str(a_run(home, documented="+")), "--json"))["not_judged"] == ["B-1"]


@pytest.mark.parametrize("name", ["whole", "partial"])
def test_recorded_runs_fit_the_schemas(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Runs of a real scenario: with intervals, triggers, notes and texts in other languages."""
    monkeypatch.setenv("REPROLAB_ROOT", str(ROOT))
    monkeypatch.setenv("REPROLAB_RESULTS", str(home / "results"))
    run = recorded_run(home / "results", name)
    content = document("judged", lab("judge", str(run.path), "--json"))
    assert content["answer"]["sentence"] and content["claims"]


@pytest.mark.parametrize("path", sorted(ROOT.glob("scenarios/*/recorded.json")), ids=lambda path: path.parent.name)
def test_verdicts_on_record_fit_the_schema(path: Path) -> None:
    """Their keys of verdict.json; records have more."""
    content = json.loads(path.read_text(encoding="utf-8"))
    keys = ("schema", "scenario", "run", "claims", "variants", "signs")
    valid("verdict", {key: content[key] for key in keys})


def test_a_comparison_has_facts_and_findings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two variants of a run with logs; the tables go to standard error."""
    monkeypatch.setenv("REPROLAB_ROOT", str(ROOT))
    monkeypatch.setenv("REPROLAB_RESULTS", str(home / "results"))
    run = recorded_run(home / "results", "whole")
    result = lab("compare", str(run.path), "documented", "gunicorn-19.5.0", "--json")
    content = document("compare", result)
    assert content["exit"]["words"] == "compared"
    factors = next(group for group in content["facts"] if group["title"] == "factors")
    assert factors["differences"] == [{"name": "GUNICORN", "left": "19.6.0", "right": "19.5.0"}]
    assert content["right"]["variant"] == "gunicorn-19.5.0" and "what stands out" in result.stderr


def test_a_finding_says_where_a_line_stands(home: Path) -> None:
    """The side that has it, its number in each trial, and its first line on each side."""
    run = a_run(home, documented="+", old="-")
    for variant, text in (("documented", "started"), ("old", "started\nOSError: no lamp")):
        folder = run / "lamp" / variant / "1"
        folder.mkdir(parents=True)
        lines = [f"2026-01-02T12:00:0{n}.000000000Z {line}\n" for n, line in enumerate(text.splitlines())]
        (folder / "app.log.gz").write_bytes(gzip.compress("".join(lines).encode()))
    content = document("compare", lab("compare", str(run), "documented", "old", "--json"))
    finding = content["findings"][0]
    assert (finding["log"], finding["standing"], finding["more_in"]) == ("app", "only", "right")
    assert finding["counts"] == {"left": [0], "right": [1]}
    assert finding["first"] == {"left": None, "right": {"line": 2, "at_ms": 1000.0, "text": "OSError: no lamp"}}
    assert content["logs"][0]["lines"] == {"left": [1], "right": [2]}


def test_a_page_beside_the_document_is_named_on_standard_error(home: Path) -> None:
    """`written: ...` would be a second thing on standard output."""
    run = a_run(home, documented="+", old="-")
    for variant in ("documented", "old"):
        (run / "lamp" / variant / "1").mkdir(parents=True)
    page = home / "page.html"
    result = lab("compare", str(run), "documented", "old", "--json", "--html", str(page))
    assert document("compare", result) and f"written: {page}" in result.stderr and page.exists()


def test_the_machine_as_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine and base images."""

    client = SimpleNamespace(api=SimpleNamespace(images=lambda **options: []))
    base = Base("debian:bookworm-slim", "debian:bookworm-slim", "sha256:1", Origin.LOCAL, "", "present")
    monkeypatch.setattr(machine, "ensure_engine", lambda on_progress: ENGINE)
    monkeypatch.setattr(machine, "client", lambda: client)
    monkeypatch.setattr(machine, "resolve_base", lambda *arguments, **options: base)
    content = document("doctor", lab("doctor", "--json"))
    assert (content["engine"]["version"], content["bases"]["detail"]) == ("28.0", "present")


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        (["run", "blnk", "--json"], "no scenario 'blnk' (did you mean blink?)", "one of blink"),
        (["judge", "nowhere", "--json"], "no run 'nowhere'", "a run directory"),
        (["compare", "nowhere", "x", "--json"], "no run 'nowhere'", "a run directory"),
        (["list", "nothing", "--json"], "no scenario for nothing", "a part of a name"),
        (["run", "blink", "--json", "--trials", "x"], "--trials", ""),
        (["run", "--json"], "Missing argument", ""),
        (["rnu", "--json"], "rnu", ""),
    ],
)
def test_a_mistake_is_a_document_too(arguments: list[str], error: str, expected: str) -> None:
    """With the same exit status and the same message as without `--json`."""
    result = lab(*arguments)
    content = document("error", result)
    assert result.exit_code == Exit.USAGE and error in content["error"] and expected in content["expected"]
    assert error in result.stderr and result.stderr.endswith("reprolab: exit status 2 (usage)\n")
    plain = lab(*(word for word in arguments if word != "--json"))
    assert (plain.exit_code, plain.stdout) == (Exit.USAGE, "")


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (EngineError("no engine", expected="one", advice="start it"), Exit.LAB_FAILED, "no engine"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, "interrupted"),
        (PermissionError(13, "Permission denied", "/a/file"), Exit.LAB_FAILED, "Permission denied (/a/file)"),
        (RuntimeError("a bug"), Exit.LAB_FAILED, "an error in the lab itself"),
    ],
)
def test_a_run_that_fails_is_a_document(
    monkeypatch: pytest.MonkeyPatch, fault: BaseException, status: Exit, error: str
) -> None:
    """Whatever ends it."""

    def fail(self: object) -> Exit:
        raise fault

    monkeypatch.setattr(session.Session, "execute", fail)
    result = lab("run", "blink", "--json")
    content = document("error", result)
    assert result.exit_code == status and error in content["error"]
    if isinstance(fault, LabError):
        assert (content["expected"], content["advice"]) == ("one", "start it")


def test_hostile_and_endless_texts_stay_whole(home: Path) -> None:
    """What a terminal obeys is escaped, not replaced, and a line of more than 4000 characters is not cut."""
    hostile = f"\x1b[2J\u202e\x7f\u2028 \ud800 “{'x' * 9000}"
    command = [
        sys.executable,
        "-c",
        f"from reprolab.cli.json_output import print_json\n"
        f"from reprolab.core.terminal import harmless_output\n"
        f"with harmless_output(): print_json({{'text': {hostile!a}}})",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    output = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert json.loads(output) == {"text": hostile}
    assert all(32 <= byte < 127 or byte == 10 for byte in output)


def test_a_fault_while_printing_is_no_second_document(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """judge prints its document last: what comes before it may fail."""
    path = a_run(home, documented="+++", old="---")
    (path / "report.html").write_text("", encoding="utf-8")
    result = lab("judge", str(path), "--json")
    assert document("judged", result) and "page: " in result.stderr
    assert json_output.SCHEMA == 1


NOISY = """
import os, subprocess, sys
print("noise of Python")
os.write(1, b"noise of the system\\n")
subprocess.run(["echo", "noise of a program"])
sys.stdout.write("noise of a stream\\n")
"""


def test_what_a_scenario_prints_is_not_in_the_document(home: Path) -> None:
    """Its files run when they are read; what they and their programs print is on standard error."""
    file = home / "scenarios" / "blink" / "lamp.py"
    file.write_text(f"{file.read_text()}\n{NOISY}")
    result = subprocess.run(
        [sys.executable, "-m", "reprolab.cli.main", "list", "--json"], capture_output=True, text=True
    )
    assert [row["name"] for row in valid("list", json.loads(result.stdout))["scenarios"]] == ["blink"]
    assert result.stderr.count("noise") == 4


def test_the_document_of_a_diagnosis_is_not_cut(tmp_path: Path) -> None:
    """It goes the way of all documents; a long word would be cut on the way of other texts."""
    (tmp_path / "a.log").write_text("x\n")
    arguments = ["diagnose", str(tmp_path / "a.log"), "--json", "--command", f"gunicorn --{'a' * 9000}"]
    result = subprocess.run([sys.executable, "-m", "reprolab.cli.main", *arguments], capture_output=True, text=True)
    assert "a" * 9000 in json.loads(result.stdout)["not_read"][0]["reason"]
    assert result.stdout.isascii()


@pytest.mark.parametrize("place", ["make_context", "get_command"])
def test_a_signal_before_the_command_begins_is_no_drift(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """click would say "Aborted!" with status 1."""

    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main.click.Group if place == "make_context" else main.LazyCommands, place, interrupt)
    result = lab("list", "--json")
    assert result.exit_code == Exit.INTERRUPTED
    assert document("error", result)["error"] == "interrupted, before anything was done"
