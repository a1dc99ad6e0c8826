"""socket-vanish: how its servers are started, its signs, and what observe() reads in recorded logs."""

from __future__ import annotations

import gzip
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from cases import ROOT, RUNS
from reprolab import InvalidTrial
from reprolab.evidence.run_dir import STREAMS, RunDirectory, TrialDirectory
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.verdict.judge import judge

DIRECTORY = ROOT / "scenarios" / "socket-vanish"
WHOLE = RunDirectory(RUNS / "whole")
OTHER_LOADS = ("wrk-1-1", "wrk-1-10", "wrk-1-200", "wrk-10-10")
APP = STREAMS.format("app")  # what gunicorn says; its access log is a file of its own


@pytest.fixture(scope="module")
def found() -> Scenario:
    """The scenario."""
    return loader.load(ROOT, "socket-vanish")


@pytest.fixture(scope="module")
def vanish(found: Scenario) -> ModuleType:
    """Its experiment's module."""
    return sys.modules[found.experiments["vanish"].drive.__module__]


def observations(variant: str) -> list[dict[str, Any]]:
    """What the recorded run saw in a variant."""
    seen = [dict(trial.observation) for trial in WHOLE.trials() if trial.variant == variant and trial.valid]
    assert seen, f"tests/data/runs/whole has no valid trial of {variant}: record it anew"
    return seen


# -- how its servers are started -------------------------------------------------------------------


def test_start_hands_every_factor_to_gunicorn(found: Scenario, tmp_path: Path) -> None:
    """One option for each setting that a variant may change; all others stand in config.py."""
    gunicorn = tmp_path / "gunicorn"
    gunicorn.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    gunicorn.chmod(0o755)
    env = {**found.factors, "WITNESS": "off", "PATH": f"{tmp_path}:{os.environ['PATH']}", "THREADS": "1"}
    env["ACCESS_LOG"] = str(tmp_path / "access.log")
    subprocess.run(["sh", str(DIRECTORY / "start.sh")], env=env, capture_output=True, text=True, check=True)
    assert (tmp_path / "access.log").read_text(encoding="utf-8").split("\n")[:-1] == [
        *("--config", "config.py", "--bind", "unix:/tmp/gunicorn.sock", "--workers", "5", "--threads", "1"),
        *("--worker-class", "sync", "--max-requests", "512", "web:app"),
    ]
    options = {"bind", "workers", "threads", "worker_class", "max_requests"}
    assert not options & set(runpy.run_path(str(DIRECTORY / "config.py"))), "a setting stands in one place alone"


@pytest.mark.parametrize("factor", ["WITNESS", "SO_REUSEPORT"])
def test_start_refuses_a_value_it_does_not_know(found: Scenario, tmp_path: Path, factor: str) -> None:
    """A misspelt switch is not silently taken for the other position."""
    env = {**found.factors, "PATH": os.environ["PATH"], "ACCESS_LOG": str(tmp_path / "log"), factor: "maybe"}
    done = subprocess.run(["sh", str(DIRECTORY / "start.sh")], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and f"unknown {factor}: maybe" in done.stderr


def test_start_fails_without_a_factor(found: Scenario) -> None:
    """A factor that compose.yaml forgot to hand over is no silent default."""
    env = {**found.factors, "PATH": os.environ["PATH"]}
    del env["WITNESS"]
    done = subprocess.run(["sh", str(DIRECTORY / "start.sh")], env=env, capture_output=True, check=False)
    assert done.returncode != 0


@pytest.mark.parametrize(
    ("bind", "upstream"),
    [("unix:/tmp/gunicorn.sock", "[unix:/tmp/gunicorn.sock]"), ("127.0.0.1:8000", "127.0.0.1:8000")],
)
def test_the_proxy_follows_bind(tmp_path: Path, bind: str, upstream: str) -> None:
    """What start.sh makes of h2o.conf is the file itself, but for the server's address."""
    h2o = tmp_path / "h2o"
    h2o.write_text("#!/bin/sh\n")
    h2o.chmod(0o755)
    script = (ROOT / "images" / "h2o" / "start.sh").read_text(encoding="utf-8")
    assert "/etc/h2o/scenario.conf" in script
    script = script.replace("/etc/h2o/scenario.conf", str(DIRECTORY / "h2o.conf"))
    env = {"BIND": bind, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", script], env=env, cwd=tmp_path, check=True)
    before, after = (yaml.safe_load((folder / "h2o.conf").read_bytes()) for folder in (DIRECTORY, tmp_path))
    assert after["hosts"]["gunicorn"]["paths"]["/"]["proxy.reverse.url"] == f"http://{upstream}/"
    after["hosts"]["gunicorn"]["paths"]["/"]["proxy.reverse.url"] = "http://UPSTREAM/"
    assert after == before


def test_the_proxys_log_is_where_it_is_fetched() -> None:
    """h2o writes the file that compose.yaml's label names, and ends each line with the two fields that are read."""
    log = yaml.safe_load((DIRECTORY / "h2o.conf").read_bytes())["access-log"]
    compose = yaml.safe_load((DIRECTORY / "compose.yaml").read_bytes())
    assert compose["services"]["socket-vanish-proxy"]["labels"]["reprolab.log"] == log["path"]
    assert log["format"].endswith(" %{usec}t %{duration}x")


def test_the_patches_fit_their_releases(tmp_path: Path) -> None:
    """Each patch changes UnixSocket.close() alone; one that does not fit, or has no such name, fails the build."""
    package = tmp_path / "gunicorn"
    package.mkdir()
    (package / "__init__.py").write_text("")
    original = (
        "import os\n\n\nclass BaseSocket(object):\n    def close(self):\n        pass\n\n\n"
        "class UnixSocket(BaseSocket):\n    def __init__(self):\n        pass\n\n"
        "    def close(self):\n        os.unlink(self.cfg_addr)\n        super(UnixSocket, self).close()\n\n\n"
        "def create_sockets():\n    pass\n"
    )

    def patch(name: str, text: str = original) -> tuple[int, str]:
        (package / "sock.py").write_text(text)
        command = [sys.executable, "-B", str(DIRECTORY / "patch.py"), name]
        done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, check=False)
        return done.returncode, (package / "sock.py").read_text()

    assert patch("none") == (0, original)
    code, text = patch("creator-only")
    assert code == 0
    assert "        if os.getpid() == CREATOR:\n            os.unlink(self.cfg_addr)\n" in text
    assert text.count("def close(self):") == 2
    assert text.endswith("CREATOR = os.getpid()\n")
    compile(text, "sock.py", "exec")
    assert "def create_sockets():\n    pass\n" in text
    assert "CREATOR:" not in patch("unguarded")[1]
    assert patch("something-else")[0] != 0
    assert patch("creator-only", "class Other:\n    pass\n")[0] != 0


# -- what observe() reads -------------------------------------------------------------------------


def thinned(variant: str, folder: Path) -> tuple[TrialDirectory, dict[str, Any]]:
    """A copy of a variant's thinned logs, and what drive() returned, with wrk's count as thin as the log."""
    source = WHOLE.trial("vanish", variant, 1)
    place = TrialDirectory(folder / "trial")
    shutil.copytree(source.path, place.path)
    seen = observations(variant)[0]
    names = ("socket", "socket_before", "socket_after", "server_running", "probes", "workers", "load")
    driven = deepcopy({name: seen[name] for name in names})
    driven["load"]["requests"] = sum(1 for line in place.lines("proxy") if b'"-" "-"' in line)
    return place, driven


@pytest.mark.parametrize("variant", ["documented", "gunicorn-19.5.0"])
def test_the_logs_tell_what_was_recorded(vanish: ModuleType, tmp_path: Path, variant: str) -> None:
    """Restarts, tracebacks, removals and every moment: thin as they are, the logs still say the same."""
    again = vanish.observe(*thinned(variant, tmp_path))
    seen = observations(variant)[0]
    for name in ("reached", "worker_restarts", "tracebacks", "gone_ms", "last_ok_ms", "order", "other"):
        assert again[name] == seen[name], name
    strip = [{key: value for key, value in one.items() if key != "line"} for one in again["unlinks"]]
    assert strip == [{key: value for key, value in one.items() if key != "line"} for one in seen["unlinks"]]
    assert again["log_lines_missing"] == 0
    assert (again["ok_after_gone"] > 0) == (seen["ok_after_gone"] > 0)


def test_the_signs_come_out_either_way(found: Scenario, vanish: ModuleType, tmp_path: Path) -> None:
    """From the logs alone: every claim's sign shows in the documented stack; 19.5.0 shows none of them."""
    documented = vanish.observe(*thinned("documented", tmp_path / "a"))
    older = vanish.observe(*thinned("gunicorn-19.5.0", tmp_path / "b"))
    for claim in found.claims:
        # SV-13 says the opposite: that the file may stay.
        assert claim.sign(documented) is (claim.id != "SV-13"), claim.id
        assert claim.sign(older) is (claim.id == "SV-13"), claim.id


def test_the_order_of_events(vanish: ModuleType, tmp_path: Path) -> None:
    """A worker, no master, reached its limit, removed the file, the watcher saw it go, and then came the end."""
    order = vanish.observe(*thinned("documented", tmp_path))["order"]
    assert order["reached_first"] is True
    assert order["worker"] != order["parent"]
    steps = ("reached_ms", "unlinked_ms", "gone_ms", "permanent_502_ms")
    assert [order[name] for name in steps] == sorted(order[name] for name in steps)


def rewrite(place: TrialDirectory, role: str, old: bytes, new: bytes) -> None:
    """Change a captured log."""
    path = place.log_path(role)
    text = gzip.decompress(path.read_bytes())
    assert re.search(old, text, re.M)
    path.write_bytes(gzip.compress(re.sub(old, new, text, flags=re.M)))


def test_a_lost_log_is_an_invalid_trial(vanish: ModuleType, tmp_path: Path) -> None:
    """Where wrk counted more answers than the proxy's log has lines (and connections explain), nothing is said."""
    place, driven = thinned("documented", tmp_path)
    driven["load"]["requests"] += driven["load"]["connections"]
    assert vanish.observe(place, driven)["log_lines_missing"] == driven["load"]["connections"]
    driven["load"]["requests"] += 1
    with pytest.raises(InvalidTrial, match="have no line in the proxy's log"):
        vanish.observe(place, driven)


def test_removals_that_failed_name_nobody(vanish: ModuleType, tmp_path: Path) -> None:
    """Only the process whose unlink succeeded took the file; ENOENT is a later one's."""
    place, driven = thinned("documented", tmp_path)
    rewrite(place, APP, rb'"errno": 0', b'"errno": 2')
    seen = vanish.observe(place, driven)
    assert seen["order"] is None
    assert vanish.in_order(seen) is False


def test_a_worker_that_had_not_reached_its_limit(vanish: ModuleType, tmp_path: Path) -> None:
    """A removal by somebody else, or before the limit, is not the order that the claim names."""
    place, driven = thinned("documented", tmp_path)
    worker = observations("documented")[0]["order"]["worker"]
    rewrite(place, APP, rb"\[%d\] \[INFO\] Autorestarting" % worker, b"[999] [INFO] Autorestarting")
    seen = vanish.observe(place, driven)
    assert (seen["order"]["reached_first"], seen["order"]["reached_ms"]) == (False, None)
    assert vanish.in_order(seen) is False


def test_a_limit_reached_after_the_removal(vanish: ModuleType, tmp_path: Path) -> None:
    """Which came first is read from the worker's own stream, not from the engine's late timestamps."""
    place, driven = thinned("documented", tmp_path)
    path = place.streams_path("app")
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    mine = b"[%d] [INFO] Autorestarting" % observations("documented")[0]["order"]["worker"]
    moved = [line for line in lines if mine not in line] + [line for line in lines if mine in line]
    path.write_bytes(gzip.compress(b"".join(moved)))
    assert vanish.observe(place, driven)["order"]["reached_first"] is False


def test_without_the_witness(vanish: ModuleType, tmp_path: Path) -> None:
    """Nobody is named, and what the proxy saw stands."""
    place, driven = thinned("documented", tmp_path)
    rewrite(place, APP, rb'^.*"witness".*\n', b"")
    rewrite(place, "witness", rb'^.*"gone".*\n', b"")
    seen = vanish.observe(place, driven)
    assert (seen["order"], seen["gone_ms"], seen["ok_after_gone"]) == (None, None, 0)
    assert vanish.socket_gone(seen)
    assert vanish.permanent_502(seen)


def test_an_empty_proxy_log(vanish: ModuleType, tmp_path: Path) -> None:
    """Without any answer logged, wrk's own count tells that the log is lost."""
    place, driven = thinned("documented", tmp_path)
    place.log_path("proxy").write_bytes(gzip.compress(b""))
    with pytest.raises(InvalidTrial):
        vanish.observe(place, driven)
    driven["load"]["requests"] = 0
    seen = vanish.observe(place, driven)
    assert (seen["last_ok_ms"], seen["share_502"], seen["statuses"]) == (None, 0.0, {})
    assert vanish.permanent_502(seen) is False


# -- triggers -------------------------------------------------------------------------------------


def judged(found: Scenario, change: Callable[[str, dict[str, Any]], Any]) -> dict[str, str]:
    """The verdict on each claim from the recorded trials, with each valid observation changed; and its reason."""
    trials = []
    for trial in WHOLE.trials():
        observation = deepcopy(dict(trial.observation))
        if trial.valid:
            change(trial.variant, observation)
        trials.append(replace(trial, observation=observation))
    verdicts = {claim.id: f"{claim.verdict}: {claim.why}" for claim in judge(found, "changed", trials).claims}
    there = {trial.variant for trial in trials}
    # SV-13 and SV-14 are decided by other loads than the document's.
    decided = [c.id for c in found.claims if "documented" in c.shows and set(c.expectations) <= there]
    return {identifier: verdicts[identifier] for identifier in decided if identifier != "SV-14"}


def test_controls_without_a_restart_prove_nothing(found: Scenario) -> None:
    """With both counts 0 in the control trials no claim is confirmed: nothing was exercised in them."""

    def change(variant: str, o: dict[str, Any]) -> None:
        if not o["tracebacks"]:
            o.update(reached=0, worker_restarts=0)

    for name, words in judged(found, change).items():
        assert words.startswith("inconclusive") and "was not exercised" in words, (name, words)


@pytest.mark.parametrize(
    "change",
    [
        # Workers reached their limit, but none was replaced: the file is still there.
        {"worker_restarts": 0, "restarted_ms": None, "looked_ms": 10200.0, "socket_after": True},
        # The first replacement came after the last look, and so did the removal.
        {"restarted_ms": 12700.0, "looked_ms": 10200.0, "socket_after": True},
    ],
)
def test_starved_cores_refute_nothing(found: Scenario, change: dict[str, Any]) -> None:
    """The documented stack did not come to a restart in time: all claims are inconclusive, not refuted."""
    starved = change | {"ok_after_gone": 0, "order": None, "probes": ["200"] * 3, "statuses": {"200": 1652}}

    def starve(variant: str, o: dict[str, Any]) -> None:
        if variant == "documented":
            o.update(starved)

    for name, words in judged(found, starve).items():
        assert words.startswith("inconclusive") and "documented was not exercised" in words, (name, words)


def test_no_max_requests_must_not_restart(found: Scenario) -> None:
    """Its purpose is that no worker restarts; a trial in which one did says nothing there."""

    def change(variant: str, o: dict[str, Any]) -> None:
        if variant == "no-max-requests":
            o.update(reached=5, worker_restarts=5)

    changed = judged(found, change)
    assert changed.pop("SV-7").startswith("inconclusive: no-max-requests was not exercised")
    assert all(words.startswith("confirmed") for words in changed.values())


def test_one_restart_cannot_fail_to_remove_the_file(vanish: ModuleType, seen: dict[str, Any]) -> None:
    """The traceback of SV-2 needs a second worker; the other claims need one."""
    once = seen | {"worker_restarts": 1}
    assert vanish.restarted(once) is True and vanish.restarted_twice(once) is False


def test_a_restart_at_the_end_of_the_load_says_nothing_of_the_clients(vanish: ModuleType, seen: dict[str, Any]) -> None:
    """What the clients get from then on needs a load that goes on."""
    end = seen["load"]["duration_us"] / 1000
    for moment, enough in ((end - 1500, True), (end - 500, False)):
        o = seen | {"restarted_ms": moment, "looked_ms": end + 100}
        assert vanish.restarted(o) is True and vanish.restarted_under_load(o) is enough


def test_the_moments_of_restart_and_look_are_kept(vanish: ModuleType, tmp_path: Path) -> None:
    """A worker that reached its limit ended, then the master started another; only then was it replaced."""
    place, driven = thinned("documented", tmp_path)
    seen = vanish.observe(place, driven)
    assert 0 < seen["order"]["reached_ms"] < seen["restarted_ms"] < seen["looked_ms"]
    assert vanish.restarted(seen) and vanish.restarted_under_load(seen)
    rewrite(place, APP, rb"Worker exiting", b"Worker hangs")
    assert vanish.observe(place, driven)["restarted_ms"] is None


def test_the_last_look_waits_for_a_replacement(vanish: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a worker has reached its limit; and not for ever."""
    line = "[2026-11-26 01:19:01 +0000] [{0}] [INFO] "
    begun = [line.format(pid) + f"Booting worker with pid: {pid}" for pid in (10, 11)]
    reached = [*begun, line.format(10) + "Autorestarting worker after current request."]
    ended = [*reached, line.format(10) + "Worker exiting (pid: 10)"]
    replaced = [*ended, line.format(12) + "Booting worker with pid: 12"]
    for logs, waits in (([begun], 0), ([reached, ended, replaced], 2), ([reached] * 99, 34)):
        slept: list[float] = []
        monkeypatch.setattr(vanish.time, "sleep", slept.append)
        monkeypatch.setattr(vanish.time, "monotonic", lambda slept=slept: sum(slept))
        lines = iter(logs)
        stack = SimpleNamespace(printed=lambda role, lines=lines: next(lines))
        vanish.wait_for_replacement(stack, 2)
        assert len(slept) == waits


# -- signs ----------------------------------------------------------------------------------------


@pytest.fixture
def seen() -> dict[str, Any]:
    """What the recorded run saw in the documented stack."""
    return deepcopy(observations("documented")[0])


def test_gone_means_it_was_there_and_the_server_runs(vanish: ModuleType, seen: dict[str, Any]) -> None:
    """A server that never made the file, still has it, or ended (and tidied up) has not lost it."""
    assert vanish.socket_gone(seen) is True
    for change in ({"socket_before": False}, {"socket_after": True}, {"server_running": False}):
        assert vanish.socket_gone(seen | change) is False, change


def test_the_documents_traceback(vanish: ModuleType, seen: dict[str, Any]) -> None:
    """The error, the place and the way to it: another of either is not the document's."""
    assert vanish.unlink_traceback(seen) is True
    row = next(iter(seen["tracebacks"].values()))
    key = "FileNotFoundError at sock.py close"
    for other in (
        {},
        {key: row | {"frames": ["arbiter.py stop", "sock.py close"]}},
        {"OSError at sock.py close": row},
        {"FileNotFoundError at util.py unlink": row},
    ):
        assert vanish.unlink_traceback(seen | {"tracebacks": other}) is False, other


def test_permanent_means_to_the_end_and_for_everybody(vanish: ModuleType, seen: dict[str, Any]) -> None:
    """Another status, few 502 or one plain request that is answered: not permanent."""
    assert vanish.permanent_502(seen) is True
    for change in (
        {"probes": ["502", "502", "200"]},
        {"probes": ["502", "timeout", "502"]},
        {"other": 1},
        {"statuses": {"200": 9000, "502": vanish.MIN_REFUSED - 1}},
    ):
        assert vanish.permanent_502(seen | change) is False, change
    assert vanish.permanent_502(seen | {"last_ok_ms": None}) is True
    assert vanish.end_state_502(seen | {"socket_after": True}) is False


def test_the_order_counts(vanish: ModuleType, seen: dict[str, Any]) -> None:
    """Each step turned round, or missing, undoes the sign."""
    assert vanish.in_order(seen) is True
    order = seen["order"]
    for change in (
        {"reached_first": False},
        {"permanent_502_ms": order["unlinked_ms"] - 1},
        {"unlinked_ms": order["permanent_502_ms"] + 1},
    ):
        assert vanish.in_order(seen | {"order": order | change}) is False, change
    assert vanish.in_order(seen | {"probes": ["200"]}) is False


def test_a_trickle_that_outlasts_the_load_is_no_cure(vanish: ModuleType, seen: dict[str, Any]) -> None:
    """Answers up to the load's end came on connections from before; when those are closed there is nothing but 502."""
    end = seen["load"]["duration_us"] / 1000
    late = seen | {
        "last_ok_ms": end,
        "order": seen["order"] | {"last_ok_ms": end, "permanent_502_ms": None},
    }
    assert vanish.end_state_502(late) is True and vanish.in_order(late) is True
    assert vanish.end_state_502(late | {"probes": ["200", "502", "502"]}) is False


def test_plain_requests_come_when_no_old_connection_is_left(
    vanish: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file has gone, after more than the 2 s for which both sides keep a connection; else at once."""
    assert runpy.run_path(str(DIRECTORY / "config.py"))["keepalive"] == 2
    for there, waits in ((False, True), (True, False)):
        slept: list[float] = []
        monkeypatch.setattr(vanish.time, "sleep", slept.append)
        looks = iter([True, there])
        stack = SimpleNamespace(
            factors={"BIND": "unix:/tmp/a.sock", "WORKERS": "1", "WRK_THREADS": "1", "WRK_CONNECTIONS": "1"},
            exists=lambda role, path, looks=looks: next(looks),
            wrk=lambda *words, **options: SimpleNamespace(summary=dict),
            probe=lambda *words, **options: "502",
            running=lambda role: True,
            printed=lambda role: [],
        )
        vanish.drive(stack)
        assert (max(slept) > 2) is waits


def test_every_sign_is_a_bool_in_every_variant(found: Scenario) -> None:
    """On all recorded observations, those included that no claim names."""
    for trial in WHOLE.trials():
        if trial.valid:
            for claim in found.claims:
                assert isinstance(claim.sign(trial.observation), bool), (claim.id, trial.variant)


def test_signs_change_nothing(found: Scenario, seen: dict[str, Any]) -> None:
    """They are functions of the observation, the same each time, and leave it as it was."""
    before = deepcopy(seen)
    for claim in found.claims:
        assert claim.sign(seen) is claim.sign(seen)
    assert seen == before


def test_every_column_has_something_to_show(found: Scenario, seen: dict[str, Any]) -> None:
    """No cell of the documented stack is empty but for what did not happen."""
    for column in found.experiments["vanish"].columns:
        value = column.value(seen)
        assert value is not None or column.note, column.heading


def test_controls_that_ran_into_the_trigger() -> None:
    """A control without the trigger would prove nothing: the releases without the fault restarted workers too."""
    for variant in ("gunicorn-19.4.5", "gunicorn-19.5.0", "creator-only", "tcp", "one-thread"):
        assert all(o["worker_restarts"] > 0 and o["reached"] > 0 for o in observations(variant)), variant
    assert all(o["reached"] == 0 for o in observations("no-max-requests"))


def test_a_socket_path_is_one_of_a_unix_address(vanish: ModuleType) -> None:
    """A TCP address has none."""
    assert vanish.socket_path("unix:/tmp/gunicorn.sock") == "/tmp/gunicorn.sock"
    assert vanish.socket_path("127.0.0.1:8000") is None


# -- other numbers of threads and connections -----------------------------------------------------


def test_the_load_has_the_numbers_of_the_variant(vanish: ModuleType) -> None:
    """Those of compose.yaml in the documented stack; a variant changes them, and nothing else."""
    loads: list[dict[str, int]] = []
    stack = SimpleNamespace(
        factors={"BIND": "127.0.0.1:1", "WORKERS": "1", **vanish.VARIANTS["wrk-1-10"]},
        wrk=lambda path, **options: loads.append(options) or SimpleNamespace(summary=dict),
        probe=lambda *words, **options: "200",
        running=lambda role: True,
        printed=lambda role: [],
    )
    vanish.drive(stack)
    assert loads == [{"threads": 1, "connections": 10, "duration": 10}]
    for name in vanish.OTHER_LOADS:
        assert vanish.VARIANTS[name].keys() == {"WRK_THREADS", "WRK_CONNECTIONS"}


def test_the_file_may_stay_or_go_with_another_load(found: Scenario, seen: dict[str, Any]) -> None:
    """SV-13 is confirmed if it stays with one and one, and SV-14 if it goes with all."""
    goes = next(trial for trial in WHOLE.trials() if trial.variant == "documented" and trial.valid)
    older = next(trial for trial in WHOLE.trials() if trial.variant == "gunicorn-19.5.0" and trial.valid)
    stays = replace(goes, observation={**goes.observation, "socket_after": True})
    for first, words in ((goes, ("refuted", "confirmed")), (stays, ("confirmed", "refuted"))):
        rows = [replace(first if n == 0 else goes, variant=v, trial=1) for n, v in enumerate(OTHER_LOADS)]
        verdict = judge(found, "other loads", [replace(goes, trial=1), replace(older, trial=1), *rows])
        assert tuple(str(claim.verdict) for claim in verdict.claims if claim.id in ("SV-13", "SV-14")) == words
