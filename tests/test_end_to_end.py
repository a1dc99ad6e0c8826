"""socket-vanish on real containers: the variants that decide each claim, one trial each."""

import json
import shutil
from pathlib import Path

import pytest
from cover import differences, run_cover, unmet
from lab import ROOT, engine, environment, lab, left, read, run_directory
from reprolab.scenario import loader

pytestmark = [pytest.mark.docker, pytest.mark.alone]

# The cause: with the one check put back into 19.6.0, and taken out of 19.5.0.
ALSO = ("creator-only", "19.5.0-unguarded")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One run of the variants that decide; its directory and what it printed."""
    return run_cover(tmp_path_factory.mktemp("e2e") / "results", "socket-vanish", ALSO)


def trials(run: Path) -> dict[str, dict]:
    """The observation of each variant's only trial."""
    lines = (run / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["variant"]: row for row in map(json.loads, lines)}


@pytest.mark.timeout(1500)
def test_every_sign_is_as_recorded(run: tuple[Path, str]) -> None:
    """Each claim's sign shows, and does not show, where the committed run has it so."""
    assert differences(run[0], "socket-vanish") == []
    assert unmet(run[0], "socket-vanish") == []


def test_documented_server_loses_its_socket_and_its_clients(run: tuple[Path, str]) -> None:
    """The file goes while gunicorn runs, and from then on a plain request gets 502."""
    seen = trials(run[0])["documented"]["observation"]
    assert seen["socket_before"] and not seen["socket_after"] and seen["server_running"]
    assert seen["probes"] == ["502"] * 3
    assert seen["share_502"] > 0.5


def test_controls_restart_their_workers_too(run: tuple[Path, str]) -> None:
    """A control that never reached max_requests would prove nothing about the releases."""
    seen = trials(run[0])
    for name in ("gunicorn-19.5.0", "tcp", "creator-only"):
        assert seen[name]["observation"]["worker_restarts"] > 0, name


def test_removal_is_by_the_worker_that_reached_max_requests(run: tuple[Path, str]) -> None:
    """The witness names a child of the master, after its own line, before the permanent 502."""
    order = trials(run[0])["documented"]["observation"]["order"]
    assert order["reached_first"]
    assert order["worker"] != order["parent"]
    assert order["unlinked_ms"] <= order["permanent_502_ms"]


def test_each_response_of_wrk_has_its_line_in_the_proxy_log(run: tuple[Path, str]) -> None:
    """No line is lost, beyond the connections in flight."""
    for name, row in trials(run[0]).items():
        assert abs(row["observation"]["log_lines_missing"]) <= 200, name


def test_judging_again_needs_no_docker(run: tuple[Path, str], tmp_path: Path) -> None:
    """`judge` writes the same verdict.json where no engine can be reached."""
    before = (run[0] / "verdict.json").read_bytes()
    copy = tmp_path / "run"
    shutil.copytree(run[0], copy, symlinks=True)
    (copy / "verdict.json").unlink()
    status, printed = lab(tmp_path / "none", "judge", str(copy), DOCKER_HOST="tcp://127.0.0.1:1", PATH="/usr/bin:/bin")
    assert status == 0, printed
    written = read(copy / "verdict.json")
    # The copy bears another name; nothing else may differ.
    written["run"] = run[0].name
    assert written == json.loads(before)


def test_the_run_leaves_its_page(run: tuple[Path, str]) -> None:
    """report.html has a timeline of each valid trial, and stays small however long the logs are."""
    text = (run[0] / "report.html").read_text(encoding="utf-8")
    valid = sum(not row["invalid"] for row in trials(run[0]).values())
    assert text.count('<div class="chart"') >= valid > 0
    assert "No timeline for" not in text
    assert len(text.encode()) < 5_000_000


def test_the_run_says_on_what_it_ran(run: tuple[Path, str]) -> None:
    """Bases with their origin, images with their id, packages with their versions, and where the time went."""
    content = read(run[0] / "run.json")
    assert content["status"] == "complete"
    base = content["bases"]["python:3.6.15-slim-bullseye"]
    assert base["origin"] in ("local", "pulled", "host") and base["detail"]
    assert content["packages"]["documented/socket-vanish-app"]["pip"]["gunicorn"] == "19.6.0"
    assert content["packages"]["documented/socket-vanish-proxy"]["deb"]["h2o"].startswith("2.2.5")
    report = (run[0] / "report.txt").read_text(encoding="utf-8")
    assert "drive" in content["times"] and content["times"] in report and base["detail"] in report


def test_nothing_is_left_on_the_engine(run: tuple[Path, str]) -> None:
    """No container, network or volume of the run survives it."""
    assert left(engine(), run[0]) == []


def test_a_server_that_cannot_start_is_invalid_with_its_last_words(tmp_path: Path) -> None:
    """A start-up failure is never taken for the sign, and the run is inconclusive."""
    results = tmp_path / "results"
    status, printed = lab(results, "run", "socket-vanish", "--set", "MAX_REQUESTS=many", "--trials", "1")
    assert status == 3, printed
    row = trials(run_directory(results))["custom"]
    assert "did not start" in row["invalid"] and "invalid int value" in row["invalid"]
    signs = read(run_directory(results) / "verdict.json")["signs"]
    assert signs["SV-1"]["custom"] == {"shown": 0, "trials": 0}


def test_an_image_that_cannot_be_built_is_no_verdict(tmp_path: Path) -> None:
    """A release that Debian does not have fails the lab (4), names the reason, and starts nothing."""
    results = tmp_path / "results"
    status, printed = lab(results, "run", "socket-vanish", "--set", "H2O=9.9.9", "--trials", "1")
    assert status == 4, printed
    assert "image build failed" in trials(run_directory(results))["custom"]["invalid"]
    assert "9.9.9" in printed


def test_environment_of_the_caller_does_not_change_the_stack(tmp_path: Path) -> None:
    """A THREADS that is set in the shell is no factor: only --set and variants are."""
    from reprolab.stack.compose import clean_environment

    found = loader.load(ROOT, "socket-vanish")
    assert "THREADS" in found.factors
    given = environment(tmp_path, THREADS="1")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        assert "THREADS" not in clean_environment(found, {})
        assert clean_environment(found, {"THREADS": "7"})["THREADS"] == "7"
