"""The verdicts of a run as JUnit XML, as GitHub, GitLab and Jenkins read it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cases import ROOT, lay_out, recorded_run, trials, write_run_json
from click.testing import CliRunner, Result
from reprolab.cli import junit_file, main
from reprolab.core.errors import EngineError, Exit, UsageError
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.report import junit
from reprolab.run import session
from reprolab.scenario import loader

# What the schema of Jenkins (junit-10.xsd) allows: attributes, and children in their order.
ALLOWED = {
    "testsuites": ({"name", "tests", "failures", "errors", "time", "disabled"}, ["testsuite"]),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"},
        ["properties", "testcase", "system-out", "system-err"],
    ),
    "properties": (set(), ["property"]),
    "property": ({"name", "value"}, []),
    "testcase": (
        {"name", "classname", "time", "assertions", "status"},
        ["skipped", "error", "failure", "system-out", "system-err"],
    ),
    "failure": ({"message", "type"}, []),
    "error": ({"message", "type"}, []),
    "skipped": ({"message"}, []),
    "system-out": (set(), []),
}
TWO_CLAIMS = '''\
"""Whether the lamp blinks."""
from reprolab import Claim

VARIANTS = {"documented": {}, "old": {"RELEASE": "0.9"}}
TRIALS = 3


def drive(stack):
    return {"blinked": True}


def blinked(o):
    return o["blinked"]


def dark(o):
    return not o["blinked"]


CLAIMS = [
    Claim("B-1", "It blinks.", sign=blinked, shows=["documented"], no_control="a test"),
    Claim("B-2", "It is <dark> & \\"mute\\" in 0.9\\x1b[31m\\u202e\\ufffe.", sign=dark, shows=["old"], no_control="x"),
]
'''


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout with a scenario of two claims."""
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    lay_out(tmp_path, lamp=TWO_CLAIMS)
    yield tmp_path


def lab(*arguments: str) -> Result:
    """Call the command line."""
    return CliRunner().invoke(main.main, list(arguments))


def on_record(home: Path, **verdicts: str) -> None:
    """Put verdicts on record; B_1 stands for B-1."""
    claims = [{"id": name.replace("_", "-"), "verdict": verdict} for name, verdict in verdicts.items()]
    content = {"scenario": "blink", "run": "r", "claims": claims}
    (home / "scenarios" / "blink" / "recorded.json").write_text(json.dumps(content), encoding="utf-8")


def a_run(home: Path, *, status: str = "complete", reason: str = "", **shown: str) -> RunDirectory:
    """A run with these trials."""
    run = lookup.create_run(home, "blink")
    write_run_json(run, started="2026-01-02 03:04 UTC", status=status, reason=reason, plan=[])
    for record in trials(**shown):
        run.append(record)
    return run


def checked(path: Path) -> ElementTree.Element:
    """The root of the file, after a check of each element and of the numbers."""
    root = ElementTree.fromstring(path.read_bytes())
    for element in root.iter():
        attributes, children = ALLOWED[element.tag]
        assert set(element.attrib) <= attributes and "name" in (
            *element.attrib,
            *("name" for _ in [0] if "name" not in attributes),
        )
        order = [children.index(child.tag) for child in element]
        assert order == sorted(order), f"the children of {element.tag} are in another order"
        assert all(float(element.attrib[name]) >= 0 for name in ("time", "tests") if name in element.attrib)
    for suite in root.iter("testsuite"):
        cases = suite.findall("testcase")
        numbers = {"failures": "failure", "errors": "error", "skipped": "skipped"}
        assert suite.get("tests") == str(len(cases))
        assert {name: suite.get(name) for name in numbers} == {
            name: str(sum(case.find(tag) is not None for case in cases)) for name, tag in numbers.items()
        }
    return root


def outcomes(path: Path) -> dict[str, tuple[str, str, str]]:
    """Claim -> (outcome, type, message)."""
    rows = {}
    for case in checked(path).iter("testcase"):
        part = next((child for child in case if child.tag != "system-out"), None)
        name = str(case.get("name")).partition(":")[0]
        if part is None:
            rows[name] = ("passed", "", str(case.findtext("system-out")).splitlines()[0])
        else:
            rows[name] = (part.tag, part.get("type", ""), part.get("message", ""))
    return rows


@pytest.mark.parametrize(
    ("shown", "recorded", "outcome", "kind", "message"),
    [
        ("+++", "", "passed", "", "confirmed, nothing on record: documented 3/3"),
        ("+++", "confirmed", "passed", "", "confirmed, as on record: documented 3/3"),
        ("---", "confirmed", "failure", "drift", "refuted, but confirmed on record: documented showed it in 0/3"),
        ("+++", "refuted", "failure", "drift", "confirmed, but refuted on record: documented 3/3"),
        ("+-+", "confirmed", "failure", "drift", "intermittent, but confirmed on record: documented showed it in 2/3"),
        ("---", "refuted", "passed", "", "refuted, as on record: documented showed it in 0/3"),
        ("---", "", "failure", "refuted", "refuted, nothing on record: documented showed it in 0/3"),
        ("+-+", "", "skipped", "", "intermittent, nothing on record: documented showed it in 2/3"),
        ("+-+", "intermittent", "skipped", "", "intermittent, as on record: documented showed it in 2/3"),
        ("xxx", "confirmed", "skipped", "", "inconclusive: documented has no valid trial"),
        ("", "confirmed", "skipped", "", "not tested: documented was not run"),
    ],
)
def test_each_verdict_has_its_outcome(
    home: Path, shown: str, recorded: str, outcome: str, kind: str, message: str
) -> None:
    """Only drift and an unreviewed refutation fail; what was not decided is told apart from both."""
    if recorded:
        on_record(home, B_1=recorded)
    run, path = a_run(home, documented=shown, old="---"), home / "junit.xml"
    lab("judge", str(run.path), "--junit", str(path))
    row = outcomes(path)["B-1"]
    assert row[:2] == (outcome, kind) and row[2].startswith(message)


def test_no_failure_where_the_exit_status_is_that_of_the_record(home: Path) -> None:
    """A CI job that looks at either of them comes to the same end; drift is a failure in both."""
    for number, (shown, status) in enumerate({"---": Exit.DRIFT, "+++": Exit.AS_RECORDED}.items()):
        on_record(home, B_1="confirmed", B_2="confirmed")
        path = home / f"{number}.xml"
        result = lab("judge", str(a_run(home, documented=shown, old="---").path), "--junit", str(path))
        failed = [name for name, row in outcomes(path).items() if row[0] == "failure"]
        assert (result.exit_code, failed) == (status, ["B-1"] if status else [])


def test_a_run_of_own_factors_says_what_it_saw(home: Path) -> None:
    """No claim is judged by it, but its signs were looked for."""
    path = home / "junit.xml"
    lab("judge", str(a_run(home, custom="++-").path), "--junit", str(path))
    assert outcomes(path)["B-1"] == (
        "skipped",
        "",
        "not tested: documented was not run; in what ran the sign showed in custom 2/3",
    )


def test_hostile_texts_are_harmless_and_the_file_is_xml(home: Path) -> None:
    """Markup is text, and a character that XML forbids or a terminal obeys has become a sign."""
    path = home / "junit.xml"
    lab("judge", str(a_run(home, documented="+++", old="---").path), "--junit", str(path))
    names = [case.get("name", "") for case in checked(path).iter("testcase")]
    assert names[1] == 'B-2: It is <dark> & "mute" in 0.9�[31m��.'


def test_a_reason_of_many_lines_is_one_line_in_an_attribute(home: Path) -> None:
    """Readers show the message as a title; the whole text is the content of the element."""
    path = home / "junit.xml"
    junit.write(path, loader.load(home, "blink"), None, "the build failed\n  expected: a\x00 build")
    error = next(checked(path).iter("error"))
    assert (error.get("message"), error.get("type")) == ("the build failed", "lab")
    assert error.text == "run\nthe build failed\n  expected: a� build"


def test_a_case_has_the_time_of_the_trials_of_its_claim(home: Path) -> None:
    """The suite has that of all trials, each once."""
    run = a_run(home)
    for record in trials(documented="++", old="-"):
        run.append(record.__class__(**{**record.__dict__, "seconds": {"up": 1.5, "drive": 2.0}}))
    path = home / "junit.xml"
    lab("judge", str(run.path), "--junit", str(path))
    root = checked(path)
    assert [case.get("time") for case in root.iter("testcase")] == ["7.000", "3.500"]
    assert [suite.get("time") for suite in root.iter("testsuite")] == ["10.500"]
    assert [suite.get("timestamp") for suite in root.iter("testsuite")] == ["2026-01-02T03:04:00"]


def test_a_run_that_did_not_end_has_an_error_beside_its_claims(home: Path) -> None:
    """Its claims may look fine."""
    run, path = a_run(home, status="failed", reason="the disk is full", documented="+++", old="---"), home / "junit.xml"
    lab("judge", str(run.path), "--junit", str(path))
    rows = outcomes(path)
    assert rows["run"] == ("error", "lab", "the run is failed: the disk is full") and rows["B-1"][0] == "passed"


@pytest.mark.parametrize(
    ("fault", "status", "message"),
    [
        (EngineError("no engine", expected="one"), Exit.LAB_FAILED, "no engine"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, "the run was interrupted"),
        (RuntimeError("a bug"), Exit.LAB_FAILED, "RuntimeError: a bug"),
    ],
)
def test_a_run_that_fails_leaves_the_file_too(
    home: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException, status: Exit, message: str
) -> None:
    """CI that publishes test reports would otherwise show nothing, or the file of an earlier run."""

    def fail(self: object) -> Exit:
        raise fault

    monkeypatch.setattr(session.Session, "execute", fail)
    path = home / "junit.xml"
    assert lab("run", "blink", "--junit", str(path)).exit_code == status
    assert outcomes(path) == {"run": ("error", "lab", message)}


def test_a_file_that_cannot_be_written_is_named_before_the_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run takes minutes; and a file that is no XML is not written over."""
    monkeypatch.setattr(session.Session, "execute", lambda self: pytest.fail("the run began"))
    other = home / "notes.txt"
    other.write_text("mine", encoding="utf-8")
    for path, reason in ((home / "no" / "junit.xml", "there is no directory"), (other, "is not an XML file")):
        result = lab("run", "blink", "--junit", str(path))
        assert result.exit_code == Exit.USAGE and reason in result.output
    assert other.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("kind", ["device", "pipe", "directory"])
def test_nothing_but_a_file_is_replaced_or_waited_for(home: Path, kind: str) -> None:
    """A report would take the place of /dev/null, and a named pipe would be waited for."""
    path = home / "junit.xml"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null" if kind == "device" else home)
    with pytest.raises(UsageError, match="it is no regular file"):
        junit_file.check(path)


def test_the_file_of_an_earlier_run_is_replaced(home: Path) -> None:
    """CI uses the same name each time."""
    path = home / "junit.xml"
    for shown, outcome in (("+++", "passed"), ("---", "failure")):
        lab("judge", str(a_run(home, documented=shown, old="---").path), "--junit", str(path))
        assert outcomes(path)["B-1"][0] == outcome


def test_an_error_while_the_file_is_written_does_not_hide_the_first(home: Path) -> None:
    """The engine's failure is what the user must read."""
    with (
        pytest.raises(EngineError, match="no engine"),
        junit_file.written(home / "no" / "folder" / ("x" * 300), loader.load(home, "blink"), lambda: None),
    ):
        raise EngineError("no engine")


def test_a_run_on_record_has_a_case_for_each_claim(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real scenario, with claims in other languages and long texts."""
    monkeypatch.setenv("REPROLAB_ROOT", str(ROOT))
    run, path = recorded_run(home, "whole"), home / "junit.xml"
    assert lab("judge", str(run.path), "--junit", str(path)).exit_code == 0
    assert len(outcomes(path)) == len(list(loader.load(ROOT, "socket-vanish").claims))


def test_only_xml_is_written_over(home: Path) -> None:
    """An empty file may be, as `mktemp` makes one."""
    path = home / "junit.xml"
    path.touch()
    junit_file.check(path)
    path.write_text("  <?xml version='1.0'?><a/>", encoding="utf-8")
    junit_file.check(path)
    path.write_text("<html>", encoding="utf-8")
    with pytest.raises(UsageError, match="not an XML file"):
        junit_file.check(path)
