"""Claims as tests of pytest, on runs that are there: outcomes, exit statuses, and what pytest can do with tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cases import EXPERIMENT, LOADED, NO_ENGINE, PLUGIN, ROOT, lay_out, recorded_run, trials, write_run_json
from reprolab.core.errors import EngineError, Exit, UsageError
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.publish.accept import accept
from reprolab.pytest_plugin import case_run, claims
from reprolab.pytest_plugin.case_run import CaseOptions, plan_for
from reprolab.pytest_plugin.outcome import JudgedRun, Kind
from reprolab.pytest_plugin.selection import select
from reprolab.run.plan import Plan
from reprolab.scenario import loader
from reprolab.verdict import record

pytest_plugins = ["pytester"]

SECOND = """
CLAIMS.append(Claim("B-2", "It is bright.", sign=lambda o: o["bright"], shows=["documented"], absent=["old"]))
"""
# Takes the place of a run on containers: writes down that it ran, and judges the run that is there.
FAKE_RUN = """
from reprolab.evidence import lookup
from reprolab.pytest_plugin import case_run, claims

def run_case(root, scenario, chosen, options):
    with open(root / "ran.txt", "a") as log:
        log.write(" ".join(chosen) + "\\n")
    return case_run.judge_run(scenario, lookup.runs_of(root, scenario.name)[-1])

before = claims.run_case

def pytest_configure():
    claims.run_case = run_case

def pytest_unconfigure():
    claims.run_case = before
"""


@pytest.fixture(autouse=True)
def lab(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab with the small scenario, which is also where pytest runs. No engine can be reached."""
    lay_out(pytester.path, lamp=EXPERIMENT)
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    monkeypatch.setenv("REPROLAB_ROOT", str(pytester.path))
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    # The options of the outer pytest are not those of the inner one.
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester.path


def finished(root: Path, **shown: str) -> RunDirectory:
    """A complete run of the small scenario; each character is a trial, as in `cases.trials`."""
    run = lookup.create_run(root, "blink")
    plan = [{"experiment": "lamp", "variant": name, "factors": {}, "trials": len(of)} for name, of in shown.items()]
    write_run_json(run, started="2026-01-02 12:00 UTC", status="complete", plan=plan, host={"kernel": "6.1"})
    for row in trials(**shown):
        run.append(row)
    return run


def judged(pytester: pytest.Pytester, *words: str, **shown: str) -> pytest.RunResult:
    """Run pytest on the claims of a run with these trials."""
    run = finished(pytester.path, **shown)
    return pytester.runpytest_inprocess(*LOADED, f"--reprolab-run={run.path}", *words)


def put_on_record(root: Path, **shown: str) -> None:
    """Put a run with these trials on record."""
    accept(root, finished(root, **shown))


# -- outcomes -------------------------------------------------------------------------------------


def test_a_confirmed_claim_passes(pytester: pytest.Pytester) -> None:
    """Its name is that of the case and the claim."""
    result = judged(pytester, "-v", documented="+++", old="---")
    result.stdout.fnmatch_lines(["blink::B-1 PASSED *", "blink: 1 passed; evidence: results/blink/*/"])
    assert result.ret == 0


def test_a_thin_verdict_says_so(pytester: pytest.Pytester) -> None:
    """One trial of each variant may come out so by chance."""
    result = judged(pytester, "-v", documented="+", old="-")
    result.stdout.fnmatch_lines(["blink::B-1 PASSED (thin) *", "blink: 1 passed; 1 of them thin: *"])
    assert result.ret == 0


def test_drift_fails_with_reason_and_evidence(pytester: pytest.Pytester) -> None:
    """The verdict on record, that of the run, the layers that changed, and where the trials are."""
    put_on_record(pytester.path, documented="+++", old="---")
    result = judged(pytester, "-v", documented="---", old="---")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "blink::B-1 FAILED (drift) *",
            "B-1: recorded confirmed, now refuted*Changed since the record: *",
            "  claim:    It blinks since 1.0.",
            "  evidence: results/blink/*/",
            "    lamp/documented/: the sign showed in 0/3, expected: it shows",
            "    lamp/old/: the sign showed in 0/3, expected: it is absent",
            "FAILED (drift) blink::B-1 - B-1: recorded confirmed*",
        ]
    )
    assert result.ret == 1


def test_a_refuted_claim_fails_unless_it_is_on_record(pytester: pytest.Pytester) -> None:
    """What the record refutes too is as it was found."""
    result = judged(pytester, "-v", documented="---", old="---")
    result.stdout.fnmatch_lines(["blink::B-1 FAILED (refuted) *"])
    assert result.ret == 1
    put_on_record(pytester.path, documented="---", old="---")
    result = judged(pytester, "-v", documented="---", old="---")
    result.stdout.fnmatch_lines(["blink::B-1 PASSED (refuted, as on record) *"])
    assert result.ret == 0


@pytest.mark.parametrize(
    ("shown", "word", "letter", "reason"),
    [
        ({"documented": "++-", "old": "---"}, "INTERMITTENT", "~", "documented"),
        ({"documented": "xxx", "old": "---"}, "INCONCLUSIVE", "[?]", "documented"),
        ({"documented": "+++"}, "NOT JUDGED", "-", "old was not run"),
    ],
)
def test_what_is_undecided_has_a_word_and_a_status(
    pytester: pytest.Pytester, shown: dict[str, str], word: str, letter: str, reason: str
) -> None:
    """It is counted neither as passed nor as failed nor as skipped, and the reason is shown."""
    result = judged(pytester, "-v", **shown)
    result.stdout.fnmatch_lines(
        [f"blink::B-1 {word} *", "*= UNDECIDED CLAIMS =*", f"blink::B-1 {word.lower()}: *{reason}*", "*evidence: *"]
    )
    result.stdout.re_match_lines([rf"=+ 1 {word.lower()} in .*"])
    assert result.ret == claims.UNDECIDED
    assert judged(pytester, **shown).stdout.re_match_lines([rf"blink {letter} .*"]) is None


def test_a_claim_that_became_intermittent_is_a_drift(pytester: pytest.Pytester) -> None:
    """It has its own word, and the exit status of a failure, as a run of the lab has."""
    put_on_record(pytester.path, documented="+++", old="---")
    result = judged(pytester, "-v", documented="++-", old="---")
    result.stdout.fnmatch_lines(["blink::B-1 INTERMITTENT (drift) *", "*recorded confirmed, now intermittent*"])
    assert result.ret == 1


def test_an_intermittent_claim_on_record_ends_well(pytester: pytest.Pytester) -> None:
    """It does not look like a pass."""
    put_on_record(pytester.path, documented="++-", old="---")
    result = judged(pytester, "-v", documented="+--", old="---")
    result.stdout.fnmatch_lines(["blink::B-1 INTERMITTENT, as on record *", "*= 1 intermittent in *"])
    assert result.ret == 0


def test_a_failure_beside_an_undecided_claim_is_a_failure(pytester: pytest.Pytester) -> None:
    """Status 6 says that nothing failed."""
    pytester.makepyfile("def test_fails(): assert False")
    result = judged(pytester, ".", documented="xxx", old="---")
    assert result.ret == 1


def test_own_factors_are_judged_by_no_claim(pytester: pytest.Pytester) -> None:
    """The sign is looked for."""
    result = judged(pytester, custom="+++")
    result.stdout.fnmatch_lines(["*by factors of your own no claim is judged; the sign showed in custom 3/3"])
    assert result.ret == claims.UNDECIDED


def test_nothing_is_written_into_a_run_that_is_judged(pytester: pytest.Pytester) -> None:
    """It may be somebody else's."""
    run = finished(pytester.path, documented="+++", old="---")
    before = sorted(path.name for path in run.path.rglob("*"))
    pytester.runpytest_inprocess(*LOADED, f"--reprolab-run={run.path}")
    assert sorted(path.name for path in run.path.rglob("*")) == before


def test_the_recorded_run_of_a_real_case(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """All claims of socket-vanish, by the name of the scenario."""
    monkeypatch.setenv("REPROLAB_ROOT", str(ROOT))
    monkeypatch.setenv("REPROLAB_RESULTS", str(pytester.path / "results"))
    recorded_run(pytester.path / "results", "whole")
    result = pytester.runpytest_inprocess(*LOADED, "--reprolab-run", "socket-vanish", "-v", "-k", "SV-1 or SV-3")
    result.stdout.fnmatch_lines(["socket-vanish::SV-1 PASSED *", "socket-vanish::SV-3 PASSED *"])
    # -k takes parts of names.
    result.assert_outcomes(passed=7, deselected=7)


# -- what pytest can do with tests ----------------------------------------------------------------


def two_claims(root: Path) -> None:
    """Give the small scenario a second claim."""
    (root / "scenarios/blink/lamp.py").write_text(EXPERIMENT + SECOND, encoding="utf-8")


def test_collecting_runs_nothing(pytester: pytest.Pytester) -> None:
    """Neither an engine nor a run is needed."""
    two_claims(pytester.path)
    result = pytester.runpytest_inprocess(*LOADED, "--reprolab", "blink", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["blink::B-1", "blink::B-2", "2 tests collected *"])
    assert result.ret == 0 and not (pytester.path / "results").exists()


@pytest.mark.parametrize("word", ["blink::B-2", "blink/lamp::B-2"])
def test_one_claim_may_be_named(pytester: pytest.Pytester, word: str) -> None:
    """Then the others are no tests."""
    two_claims(pytester.path)
    result = pytester.runpytest_inprocess(*LOADED, "--reprolab", word, "--collect-only", "-q")
    result.stdout.fnmatch_lines(["blink::B-2", "1 test collected *"])


def test_cases_may_be_named_several_times(pytester: pytest.Pytester) -> None:
    """Each claim is one test, in the order of its scenario."""
    two_claims(pytester.path)
    words = [word for case in ("blink::B-2", "blink/lamp", "blink::B-1") for word in ("--reprolab", case)]
    result = pytester.runpytest_inprocess(*LOADED, *words, "--collect-only", "-q")
    assert [line for line in result.outlines if "::" in line] == ["blink::B-1", "blink::B-2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--reprolab", "blnk"), "no scenario 'blnk' (did you mean blink?)"),
        (("--reprolab", "blink/lmap"), "blink has no experiment 'lmap' (did you mean lamp?)"),
        (("--reprolab", "blink::B-9"), "blink has no claim 'B-9'*"),
        (("--reprolab", "blink", "--reprolab-set", "WORKRES=2"), "--reprolab-set: blink has no factor WORKRES*"),
        (("--reprolab", "blink", "--reprolab-set", "WORKERS"), "*expected: FACTOR=VALUE"),
        (("--reprolab", "blink", "--reprolab-trials", "0"), "--reprolab-trials is 0*"),
        (("--reprolab", "blink", "--reprolab-budget", "soon"), "--reprolab-budget: 'soon' is no duration*"),
        (("--reprolab-run", "nowhere"), "no run 'nowhere'*"),
        (("--reprolab-trials", "3"), "--reprolab-trials is about the case of --reprolab, and there is none"),
        (("--reprolab", "blink", "-n", "2", "--dist", "each"), "--reprolab runs a case once*"),
    ],
)
def test_a_wrong_word_is_a_usage_error(pytester: pytest.Pytester, words: tuple[str, ...], message: str) -> None:
    """Nothing runs, and the message is the lab's."""
    result = pytester.runpytest_inprocess(*LOADED, *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{re.sub(r'[][]', '?', message)}*"])


def test_options_of_a_run_are_not_for_one_that_is_there(pytester: pytest.Pytester) -> None:
    """Nothing would come of them."""
    result = judged(pytester, "--reprolab-trials=3", documented="+++", old="---")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*are about a case that runs*"])


def test_one_run_of_a_scenario(pytester: pytest.Pytester) -> None:
    """Of two runs nobody could say which verdict is that of the claim."""
    runs = [finished(pytester.path, documented="+").path for _ in range(2)]
    with pytest.raises(UsageError, match="two runs of blink"):
        select(pytester.path, [], [str(run) for run in runs])


def test_other_tests_run_where_they_are_named(pytester: pytest.Pytester) -> None:
    """A case alone collects only its claims; with a file or a directory both are collected, the claims last."""
    pytester.makepyfile(test_other="def test_other(): pass")
    judged(pytester, documented="+++", old="---").assert_outcomes(passed=1)
    result = judged(pytester, "-v", ".", documented="+++", old="---")
    result.stdout.fnmatch_lines(["test_other.py::test_other PASSED*", "blink::B-1 PASSED*"])


def test_a_case_in_addopts_is_beside_the_other_tests(pytester: pytest.Pytester) -> None:
    """Whoever writes it there did not ask for fewer tests."""
    pytester.makepyfile(test_other="def test_other(): pass")
    run = finished(pytester.path, documented="+++", old="---")
    pytester.makeini(f"[pytest]\naddopts = --reprolab-run={run.path}\n")
    pytester.runpytest_inprocess(*LOADED).assert_outcomes(passed=2)


def test_hooks_of_the_root_directory_are_for_claims_too(pytester: pytest.Pytester) -> None:
    """As for the tests below it."""
    pytester.makeconftest("def pytest_runtest_setup(item): print(f'hook for {item.nodeid}')")
    result = judged(pytester, "-s", documented="+++", old="---")
    result.stdout.fnmatch_lines(["*hook for blink::B-1*"])


def test_junitxml_has_the_verdicts(pytester: pytest.Pytester) -> None:
    """What is undecided is no pass and no skip there either, and says which word it has."""
    two_claims(pytester.path)
    run = finished(pytester.path, documented="+++", old="---")
    pytester.runpytest_inprocess(*LOADED, f"--reprolab-run={run.path}", "--junitxml=out.xml")
    suite = ElementTree.parse(pytester.path / "out.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "0")
    first, second = suite.findall("testcase")
    properties = {p.get("name"): p.get("value") for p in first.iter("property")}
    assert properties == {"verdict": "confirmed", "recorded": "", "evidence": str(run.path)}
    failure = second.find("failure")
    assert failure is not None and str(failure.get("message")).startswith("inconclusive: ")


def test_lf_and_x(pytester: pytest.Pytester) -> None:
    """-x ends after the first claim that is not as expected, --lf takes it again and no other."""
    two_claims(pytester.path)
    pytester.makeconftest(FAKE_RUN)
    finished(pytester.path, documented="---", old="---")
    result = pytester.runpytest_inprocess(*LOADED, "--reprolab", "blink", "-x")
    result.assert_outcomes(failed=1)
    result = pytester.runpytest_inprocess(*LOADED, "--reprolab", "blink", "--lf", "-v")
    result.stdout.fnmatch_lines(["blink::B-1 FAILED*"])
    # Each time the case was run for the claims that pytest had chosen.
    assert (pytester.path / "ran.txt").read_text().splitlines() == ["B-1 B-2", "B-1"]


def test_one_run_for_the_chosen_claims(pytester: pytest.Pytester) -> None:
    """Also if tests of files come between the claims."""
    two_claims(pytester.path)
    pytester.makeconftest(
        FAKE_RUN + "\ndef pytest_collection_modifyitems(items):\n    items.sort(key=lambda item: item.name[-1])\n"
    )
    pytester.makepyfile("def test_1b(): pass\ndef test_1a2(): pass\ndef test_3(): pass")
    finished(pytester.path, documented="+++", old="---")
    result = pytester.runpytest_inprocess(*LOADED, "--reprolab", "blink", ".", "-v")
    order = [line.split()[0] for line in result.outlines if "::" in line and "%" in line]
    assert order.index("blink::B-1") < order.index("test_one_run_for_the_chosen_claims.py::test_1a2")
    assert order.index("test_one_run_for_the_chosen_claims.py::test_1a2") < order.index("blink::B-2")
    assert (pytester.path / "ran.txt").read_text().splitlines() == ["B-1 B-2"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["load", "loadfile", "loadgroup"])
def test_a_case_runs_once_with_xdist(pytester: pytest.Pytester, how: str) -> None:
    """All its claims are on one worker, other tests are spread, and the words come through."""
    two_claims(pytester.path)
    pytester.makeconftest(FAKE_RUN)
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_other(n): pass")
    finished(pytester.path, documented="+++", old="---")
    result = pytester.runpytest_subprocess(*LOADED, "--reprolab", "blink", ".", "-n", "2", "--dist", how, "-v")
    result.stdout.re_match_lines_random([r".* PASSED blink::B-1 ", r".* INCONCLUSIVE blink::B-2 "])
    result.stdout.fnmatch_lines(["blink::B-2 inconclusive: *", "blink: 1 passed, 1 inconclusive; evidence: *"])
    assert (pytester.path / "ran.txt").read_text().splitlines() == ["B-1 B-2"]
    assert result.ret == claims.UNDECIDED


def test_the_limit_of_a_test_is_none_of_a_run(pytester: pytest.Pytester) -> None:
    """A whole run belongs to its first claim; pytest-timeout has a limit for tests."""
    pytester.makeconftest(FAKE_RUN.replace("    with open", "    import time\n    time.sleep(1.2)\n    with open"))
    finished(pytester.path, documented="+++", old="---")
    pytester.runpytest_inprocess(*LOADED, "--reprolab", "blink", "--timeout=1").assert_outcomes(passed=1)


# -- without an engine ----------------------------------------------------------------------------


def test_an_absent_engine_is_no_skip(pytester: pytest.Pytester) -> None:
    """Each claim has an error, the first one with the whole message of the lab."""
    two_claims(pytester.path)
    result = pytester.runpytest_inprocess(*LOADED, "--reprolab", "blink")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            f"*no Docker Engine answers at {NO_ENGINE}*",
            "*expected: a Docker Engine*",
            "*to do: *",
            "*no Docker Engine answers*(see the first claim of blink)",
        ]
    )
    assert result.ret == 1


def test_a_test_installs_no_engine(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make scenario-...` may set one up; a test must not change its machine."""
    pytester.makeconftest(
        "import os\nfrom reprolab.core.errors import EngineError\nfrom reprolab.run import session\n"
        "def ensure_engine(say):\n    raise EngineError('REPROLAB_ENGINE is ' + os.environ['REPROLAB_ENGINE'])\n"
        "session.ensure_engine = ensure_engine\n"
    )
    monkeypatch.delenv("REPROLAB_ENGINE", raising=False)
    result = pytester.runpytest_subprocess(*LOADED, "--reprolab", "blink")
    result.stdout.fnmatch_lines(["*REPROLAB_ENGINE is external"])
    assert "REPROLAB_ENGINE" not in os.environ


# -- a run ----------------------------------------------------------------------------------------


class FakeSession:
    """A run without containers: ``behave`` ends it."""

    behave: Callable[[FakeSession], Exit]

    def __init__(self, root: Path, plan: Plan, console: Any, observer: Any) -> None:
        self.root, self.plan, self.run = root, plan, None

    def execute(self) -> Exit:
        self.run = finished(self.root, documented="xxx", old="---")
        record.judge_run(self.plan.scenario, self.run)
        return self.behave()


@pytest.fixture
def run_of_blink(lab: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[FakeSession], Exit]], JudgedRun]:
    """Runs the small scenario with a session that ends in a given way."""
    monkeypatch.setattr(case_run, "Session", FakeSession)

    def run(behave: Callable[[FakeSession], Exit]) -> JudgedRun:
        monkeypatch.setattr(FakeSession, "behave", behave, raising=False)
        return case_run.run_case(lab, loader.load(lab, "blink"), ["B-1"], CaseOptions())

    return run


def test_an_image_that_could_not_be_built_is_a_failure(run_of_blink: Any) -> None:
    """The claim is undecided, but more trials would not decide it. Without that reason it is inconclusive."""
    outcome = run_of_blink(lambda session: Exit.LAB_FAILED).outcome("B-1")
    assert (outcome.kind, outcome.ends_well) == (Kind.FAILED, False)
    assert outcome.text.startswith("an image could not be built: ")
    assert run_of_blink(lambda session: Exit.INCONCLUSIVE).outcome("B-1").kind is Kind.INCONCLUSIVE


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (EngineError("gone", advice="start it"), r"gone\n  evidence: results/blink/\w+/\n  to do:    start it"),
        (KeyboardInterrupt(), r"evidence so far: results/blink/\w+/"),
    ],
)
def test_the_evidence_of_a_run_that_ended_early_is_named(run_of_blink: Any, error: BaseException, words: str) -> None:
    """pytest shows the message, and not what the lab has printed."""

    def behave(session: FakeSession) -> Exit:
        raise error

    with pytest.raises(type(error)) as caught:
        run_of_blink(behave)
    assert re.fullmatch(words, str(caught.value))


# -- the plan -------------------------------------------------------------------------------------


def test_a_run_has_what_its_claims_need() -> None:
    """Not the variants that only illustrate, nor the experiments of other claims."""
    scenario = loader.load(ROOT, "socket-vanish")
    plan = plan_for(scenario, ["SV-1", "SV-6"], CaseOptions(trials=2, seed=7, budget=60.0))
    assert {variant.name for variant in plan.variants} == {"documented", "gunicorn-19.5.0", "tcp"}
    assert {variant.trials for variant in plan.variants} == {2} and (plan.seed, plan.budget) == (7, 60.0)
    scenario = loader.load(ROOT, "pool-freeze")
    orphans = scenario.experiment("orphans").claims
    plan = plan_for(scenario, [claim.id for claim in orphans], CaseOptions())
    assert {variant.experiment.name for variant in plan.variants} == {"orphans"}


def test_the_folder_of_one_session_is_not_that_of_the_next(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both in one process: the setting of the first must not stay in the environment."""
    monkeypatch.delenv("REPROLAB_ROOT")
    for name, lamp in (("one", EXPERIMENT), ("two", EXPERIMENT + SECOND)):
        lay_out(pytester.path / name, lamp=lamp)
        (pytester.path / name / "pytest.ini").write_text("[pytest]\nreprolab_root = .\n")
        arguments = [*LOADED, "--rootdir", str(pytester.path / name), "-c", str(pytester.path / name / "pytest.ini")]
        result = pytester.runpytest_inprocess(*arguments, "--reprolab=blink", "--collect-only", "-q")
        assert result.parseoutcomes() == {"tests" if name == "two" else "test": 1 + (name == "two")}
    assert "REPROLAB_ROOT" not in os.environ


def test_a_seed_of_0_is_an_option_too(pytester: pytest.Pytester) -> None:
    """It needs a case, as every option of a run."""
    result = pytester.runpytest_inprocess(*LOADED, "--reprolab-seed=0")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--reprolab-seed is about the case of --reprolab*"])


def test_own_factors_run_in_the_experiments_of_the_claims() -> None:
    """One variant in each."""
    scenario = loader.load(ROOT, "pool-freeze")
    orphans = scenario.experiment("orphans").claims
    plan = plan_for(scenario, [orphans[0].id], CaseOptions({"PYTHON": "3.9.18"}, 1))
    assert [(variant.experiment.name, dict(variant.changes)) for variant in plan.variants] == [
        ("orphans", {"PYTHON": "3.9.18"})
    ]


# -- a session that asks for nothing --------------------------------------------------------------


def printed(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_session_without_the_lab_imports_nothing_of_it() -> None:
    """Whoever installed the lab has the plugin in every session of pytest."""
    loads = f"import pytest, sys; before = set(sys.modules); import {PLUGIN}; print(*sorted(set(sys.modules) - before))"
    assert set(printed(loads).split()) == {"reprolab", "reprolab.pytest_plugin", PLUGIN}


def test_the_lab_needs_no_pytest() -> None:
    """It is an optional extra."""
    assert printed("import sys; sys.modules['pytest'] = None; import reprolab.cli.main, reprolab.run.session; print(1)")


def test_the_entry_point_names_the_plugin() -> None:
    """Without an installation nothing else would notice a wrong name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"reprolab": PLUGIN}
    assert any(name.startswith("pytest>=") for name in project["optional-dependencies"]["pytest"])


def test_names_for_experiments_are_there_when_they_are_used() -> None:
    """`from reprolab import Claim`, and all others; a wrong name is an error as ever."""
    assert printed("from reprolab import *; print(Claim.__name__, logs.__name__)") == "Claim reprolab.logs"
    with pytest.raises(AttributeError, match="has no attribute 'Clam'"):
        __import__("reprolab").Clam  # noqa: B018
