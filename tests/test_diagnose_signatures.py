"""The signatures of the cases agree with the record: claims, releases, and the logs of real runs."""

from __future__ import annotations

import json

import pytest
from cases import DATA, ROOT, having
from diagnose_excerpts import cases
from packaging.version import Version
from reprolab import Known, LogLine, Signature, Step
from reprolab.core.errors import UsageError
from reprolab.diagnose.assess import Level, ReleaseState, release_state
from reprolab.diagnose.matcher import Block, Plan, Progress
from reprolab.diagnose.session import Diagnosis, Question, diagnose
from reprolab.diagnose.settings import Release
from reprolab.scenario import loader, signature
from reprolab.scenario.digest import case_digest
from reprolab.verdict.record import recorded_verdict

SCENARIOS = loader.names(ROOT)
SIGNATURES = [
    pytest.param(name, row, id=f"{name}: {row.title[:40]}")
    for name in having(signature.FILE)
    for row in loader.signatures(loader.load(ROOT, name))
]
LOGS = DATA / "diagnose"
WHOLE = DATA / "runs" / "whole" / "vanish"
# Logs of a run -> what is said of its case, without any setting beside the logs. In the controls nothing is.
SHOWN = [
    ("socket-vanish", [WHOLE / "documented" / "1" / "app.streams.log.gz"], Level.MATCHES),
    ("chunk-spin", [LOGS / "chunk-spin" / "sync.app.log.gz"], Level.COULD_BE),
    ("chunk-spin", [LOGS / "chunk-spin" / "documented.app.log.gz"], Level.NOT_SHOWN),
    ("exit-code-3", [LOGS / "exit-code-3" / "documented.app.log.gz"], Level.COULD_BE),
    ("import-failure", [LOGS / "import-failure" / "documented.app.log.gz"], Level.MATCHES),
    ("import-failure", [LOGS / "import-failure" / "recycled.app.log.gz"], Level.MATCHES),
    ("script-name", [LOGS / "script-name" / "refuse.app.log.gz"], Level.COULD_BE),
    ("failed-startup", [LOGS / "failed-startup" / "documented.app.log.gz"], Level.COULD_BE),
    ("failed-startup", [LOGS / "failed-startup" / "hypercorn-0.18.0.app.log.gz"], Level.COULD_BE),
    ("split-request", [LOGS / "split-request" / "documented.app.log.gz"], Level.COULD_BE),
    ("two-masters", [LOGS / "two-masters" / "documented.second.log.gz"], Level.COULD_BE),
    ("stale-upstream", [LOGS / "stale-upstream" / "documented.proxy.streams.log.gz"], Level.COULD_BE),
    ("gunicorn-settings", [LOGS / "gunicorn-settings" / "syslog.gunicorn.err.log.gz"], Level.MATCHES),
    ("gunicorn-settings", [LOGS / "gunicorn-settings" / "missing-module.gunicorn.err.log.gz"], Level.MATCHES),
    ("idle-connections", [LOGS / "idle-connections" / "documented.app.log.gz"], Level.NOT_SHOWN),
    ("unread-body", [LOGS / "unread-body" / "documented.app.log.gz"], Level.NOT_SHOWN),
    ("smuggled", [LOGS / "smuggled" / "documented.app.log.gz"], Level.NOT_SHOWN),
    ("enable-threads", [LOGS / "enable-threads" / "threads-off.app.log.gz"], Level.NOT_SHOWN),
    ("spawn-workers", [LOGS / "spawn-workers" / "documented.app.log.gz"], Level.NOT_SHOWN),
    ("sighup-dead", [LOGS / "sighup-dead" / "touch.app.log.gz"], Level.COULD_BE),
    ("reuse-port-unix", [LOGS / "reuse-port-unix" / "documented.app.log.gz"], Level.COULD_BE),
    ("reuse-port-unix", [LOGS / "reuse-port-unix" / "gunicorn-20.1.0.app.log.gz"], Level.COULD_BE),
    ("reuse-port-unix", [LOGS / "reuse-port-unix" / "gunicorn-27.0.1.app.log.gz"], Level.COULD_BE),
    ("silent-connection", [LOGS / "silent-connection" / "gunicorn-23.0.0.app.log.gz"], Level.COULD_BE),
    ("silent-connection", [LOGS / "silent-connection" / "documented.app.log.gz"], Level.NOT_SHOWN),
    ("dead-workers", [LOGS / "dead-workers" / "uvicorn-0.30.1.app.log.gz"], Level.COULD_BE),
    ("dead-workers", [LOGS / "dead-workers" / "0.54.0-status-3.app.log.gz"], Level.COULD_BE),
    ("gil-holder", [LOGS / "gil-holder" / "documented.app.log.gz"], Level.COULD_BE),
    ("gil-holder", [LOGS / "gil-holder" / "import.app.log.gz"], Level.COULD_BE),
]
CONTROLS = [
    ("socket-vanish", [WHOLE / "gunicorn-19.5.0" / "1" / "app.streams.log.gz"]),
    ("chunk-spin", [LOGS / "chunk-spin" / "gunicorn-23.0.0.app.log.gz"]),
    ("exit-code-3", [LOGS / "exit-code-3" / "status-5.app.log.gz"]),
    ("import-failure", [LOGS / "import-failure" / "gunicorn-24.1.0.app.log.gz"]),
    ("script-name", [LOGS / "script-name" / "documented.app.log.gz"]),
    ("split-request", [LOGS / "split-request" / "uvicorn-0.17.5.app.log.gz"]),
    ("two-masters", [LOGS / "two-masters" / f"first-killed.{name}.log.gz" for name in ("app", "second")]),
    ("stale-upstream", [LOGS / "stale-upstream" / "resolver.proxy.streams.log.gz"]),
    ("gunicorn-settings", [LOGS / "gunicorn-settings" / "python-3.11.gunicorn.err.log.gz"]),
    ("idle-connections", [LOGS / "idle-connections" / "gunicorn-21.2.0.app.log.gz"]),
    ("smuggled", [LOGS / "smuggled" / "gunicorn-22.0.0.app.log.gz"]),
    ("enable-threads", [LOGS / "enable-threads" / "threads-on.app.log.gz"]),
    ("spawn-workers", [LOGS / "spawn-workers" / "gunicorn.app.log.gz"]),
    ("sighup-dead", [LOGS / "sighup-dead" / "touch-2.0.28.app.log.gz"]),
    ("reuse-port-unix", [LOGS / "reuse-port-unix" / "without-option.app.log.gz"]),
    ("silent-connection", [LOGS / "silent-connection" / "27.0.1-two-seconds.app.log.gz"]),
    ("gil-holder", [LOGS / "gil-holder" / "limit-30.app.log.gz"]),
]


def ask(paths: list, **options: object) -> Diagnosis:
    """The answer for some logs, and nothing else."""
    return diagnose(cases(), Question(tuple(map(str, paths)), **options))


@pytest.mark.parametrize(("name", "paths", "level"), SHOWN)
def test_a_run_that_shows_a_case_is_recognised(name: str, paths: list, level: Level) -> None:
    """The log of an affected variant points to its case, as strongly as a log alone can."""
    assert level in {row.level for row in ask(paths).assessments if row.scenario == name}


@pytest.mark.parametrize(("name", "paths"), CONTROLS)
def test_a_control_is_not_taken_for_the_case(name: str, paths: list) -> None:
    """The log of a variant without the fault never points to the case."""
    levels = {row.level for row in ask(paths).assessments if row.scenario == name}
    assert not levels & {Level.MATCHES, Level.COULD_BE}


def test_no_log_of_a_run_matches_another_case() -> None:
    """No other case says "matches" to it."""
    for name, paths, _ in SHOWN:
        assert {row.scenario for row in ask(paths).assessments if row.level is Level.MATCHES} <= {name}


@pytest.mark.parametrize(("name", "row"), SIGNATURES)
def test_a_claim_from_which_something_is_known_was_confirmed(name: str, row: Signature) -> None:
    """A refuted claim proves nothing; its text is compared by nobody, so the id must at least exist."""
    verdict = recorded_verdict(loader.load(ROOT, name))
    assert verdict is not None
    verdicts = {claim.id: claim.verdict for claim in verdict.claims}
    for known in row.known_from:
        if known.claim:
            assert verdicts.get(known.claim) == "confirmed", f"{name}: {known.claim}"


def releases(name: str) -> dict[str, tuple[int, int]]:
    """Release -> (trials with the main claim's sign, trials) on record, for the releases of the server."""
    scenario = loader.load(ROOT, name)
    verdict, claim = recorded_verdict(scenario), scenario.main_claim
    if verdict is None or claim is None or scenario.main_experiment is None:
        return {}
    counts: dict[str, tuple[int, int]] = {}
    for variant, release in scenario.catalogue.releases.items():
        seen = verdict.signs[claim.id].get(scenario.variant_key(scenario.main_experiment.name, variant))
        if seen and seen.trials:
            shown, trials = counts.get(release, (0, 0))
            counts[release] = (shown + seen.shown, trials + seen.trials)
    return counts


# The signature of the main claim of each case that has releases on record.
MAIN = {
    **{"socket-vanish": 0, "chunk-spin": 2, "exit-code-3": 0, "idle-connections": 0, "unread-body": 0},
    **{"failed-startup": 0, "health-check-leak": 0, "split-request": 0, "two-masters": 0, "pool-freeze": 0},
    **{"sighup-dead": 1, "reuse-port-unix": 0, "silent-connection": 0},
    **{"dead-workers": 0, "gil-holder": 0},
    **{"smuggled": 0, "redos": 0},
    "import-failure": 0,
}


@pytest.mark.parametrize("name", MAIN)
def test_the_ranges_say_what_the_runs_on_record_measured(name: str) -> None:
    """Each release on record is in the range that the record supports."""
    row = loader.signatures(loader.load(ROOT, name))[MAIN[name]]
    measured = releases(name)
    assert len(measured) > 1, f"{name} has no releases on record"
    for release, (shown, _) in measured.items():
        state = release_state(row, Release(row.package, release, "the record"))
        assert state is (ReleaseState.AFFECTED if shown else ReleaseState.UNAFFECTED), f"{name}: {release}"


def test_no_range_reaches_beyond_the_newest_release_on_record() -> None:
    """A release that nobody ran is not measured, neither as affected nor as not affected."""
    for name in MAIN:
        newest = max(map(Version, releases(name)))
        for row in loader.signatures(loader.load(ROOT, name)):
            later = Release(row.package, f"{newest.major + 1}.0.0", "a later release")
            if row.package != "python":
                assert release_state(row, later) in (ReleaseState.UNMEASURED, ReleaseState.ANY), f"{name}: {row.title}"


def test_eventlet_is_affected_as_the_map_on_record_says() -> None:
    """The ranges of the eventlet worker are those of the map."""
    row = loader.signatures(loader.load(ROOT, "socket-vanish"))[1]
    cells = json.loads((ROOT / "scenarios" / "socket-vanish" / "matrix.json").read_text())["cells"]
    counts = {
        cell["coordinates"]["GUNICORN"]: cell["counts"]["SV-1"]
        for cell in cells
        if cell["coordinates"]["WORKER_CLASS"] == "eventlet" and cell.get("counts")
    }
    measured = {release: count for release, count in counts.items() if count["trials"]}
    assert len(measured) > 10
    for release, count in measured.items():
        state = release_state(row, Release("gunicorn", release, "the map"))
        assert state is (ReleaseState.AFFECTED if count["shown"] else ReleaseState.UNAFFECTED), release


def test_a_signature_does_not_change_the_digest_of_its_case(tmp_path) -> None:
    """So a verdict on record still fits after a signature is written."""
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    before = case_digest(tmp_path)
    (tmp_path / signature.FILE).write_text("SIGNATURES = []\n")
    assert case_digest(tmp_path) == before
    (tmp_path / "other.py").write_text("SIGNATURES = []\n")
    assert case_digest(tmp_path) != before


LINE = LogLine("gunicorn", "Worker exiting")
KNOWN = (Known("a thread", url="https://example.org/1"),)


@pytest.mark.parametrize(
    ("signatures", "message"),
    [
        ([], "SIGNATURES is []"),
        (["text"], "holds 'text'"),
        ([Signature("t", known_from=(), silent="s")], "does not say where it is known from"),
        (
            [Signature("t", known_from=(Known("both", claim="A-1", url="https://x.org"),), silent="s")],
            "known_from 'both'",
        ),
        ([Signature("t", known_from=KNOWN)], "neither steps nor silent"),
        ([Signature("t", known_from=KNOWN, silent="s", experiment="vanihs")], "did you mean vanish?"),
        ([Signature("t", known_from=KNOWN, silent="s", factors={"NOTHING": "x"})], "NOTHING is no factor"),
        ([Signature("t", known_from=KNOWN, silent="s", affected="about 3")], "is no range"),
        ([Signature("t", known_from=KNOWN, steps=(Step("w", (LogLine("x", "of"),)),))], "the text 'of'"),
        (
            [Signature("t", known_from=KNOWN, steps=(Step("w", (LogLine("x", "Worker", "("),)),))],
            "no regular expression",
        ),
    ],
)
def test_a_malformed_signature_is_named(signatures: list, message: str) -> None:
    """The message says which part of a signature is wrong."""
    with pytest.raises(UsageError) as error:
        signature.check(signatures, ROOT / "scenarios" / "socket-vanish", {"GUNICORN": "19.6.0"}, ["vanish"])
    assert message in str(error.value)


def run(steps: list[Step], *lines: str, size: int = 0) -> list[int]:
    """Numbers of the matched lines; the log comes in blocks of ``size`` lines."""
    progress, size = Progress(Plan.of(steps)), size or len(lines)
    for begin in range(0, len(lines), size):
        part = "".join(f"{line}\n" for line in lines[begin : begin + size]).encode()
        progress.feed(Block("a.log", part, begin))
    return [match.line for match in progress.matches] if progress.complete else []


def step(text: str, **options: object) -> Step:
    """A step whose lines hold a text."""
    return Step(text, (LogLine("x", text),), **options)


def test_the_steps_must_come_in_their_order() -> None:
    """A later step before an earlier one shows nothing."""
    steps = [step("first one"), step("second one")]
    assert run(steps, "second one", "first one") == []
    assert run(steps, "first one", "noise", "second one") == [1, 3]


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_a_step_within_some_lines_is_found_across_the_blocks(size: int) -> None:
    """It does not matter where a block of the log ends."""
    steps = [step("first one"), step("second one", within=2)]
    assert run(steps, "first one", "noise", "noise", "second one", size=size) == []
    assert run(steps, "first one", "noise", "second one", size=size) == [1, 3]
    assert run(steps, "first one", "first one", "noise", "second one", size=size) == [2, 4]
    assert run(steps, "first one", "x", "x", "first one", "second one", size=size) == [4, 5]


def test_a_reset_begins_the_search_again() -> None:
    """What ends the first step before the second one comes undoes it."""
    end = (LogLine("x", "the end"),)
    steps = [step("a start"), step("b start", resets=end)]
    assert run(steps, "a start", "the end", "b start") == []
    assert run(steps, "a start", "the end", "a start", "b start") == [3, 4]


def test_steps_with_a_group_in_common_are_about_the_same_thing() -> None:
    """Two services in one log are not taken for two instances of one."""
    steps = [Step(word, (LogLine("x", f"{word} at", r"at (?P<same>\S+)"),)) for word in ("begins", "ends")]
    assert run(steps, "begins at /a", "ends at /b", "ends at /a") == [1, 3]
    assert run(steps, "begins at /a", "ends at /b") == []
    near = [steps[0], Step("ends", steps[1].lines, within=1)]
    assert run(near, "begins at /a", "ends at /b", "begins at /b", "ends at /b") == [3, 4]


@pytest.mark.parametrize("size", [1, 2, 9])
def test_a_step_can_be_about_a_process_that_was_introduced_or_not(size: int) -> None:
    """A process that no line has introduced is no worker, wherever the blocks of the log end."""
    introduced_by = (LogLine("x", "a worker begins", r"begins (?P<pid>\d+)"),)
    end = (LogLine("x", "process ends", r"ends (?P<pid>\d+)"),)
    lines = ("a worker begins 7", "process ends 9", "process ends 7")
    assert run([Step("s", end, introduced_by=introduced_by)], *lines, size=size) == [3]
    assert run([Step("s", end, introduced_by=introduced_by, introduced=False)], *lines, size=size) == [2]


def test_a_pattern_must_match_the_same_line_as_the_text() -> None:
    """Text and pattern on two lines are no match."""
    line = LogLine("x", "connect() ", r"failed \(2:")
    assert run([Step("s", (line,))], "connect() ok", "failed (2: x", "connect() failed (2: x)") == [3]
