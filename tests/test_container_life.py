"""Services are stopped, started, made anew, paused, cut off and sampled; a start that fails can be the observation."""

from __future__ import annotations

import gzip
import json
import os
import secrets
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import yaml
from cases import COMPOSE, EXPERIMENT, ROOT, load, trial
from lab import base, engine
from reprolab import InvalidTrial, wait_until
from reprolab.baseimage.resolve import policy
from reprolab.core.errors import UsageError
from reprolab.engine import labels
from reprolab.engine.detect import compose_command, ensure_engine
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.evidence.series import SAMPLES_FILE, SERIES_FILE, Sample, read_series
from reprolab.processes.snapshot import Process, Signals, Snapshot
from reprolab.report.html.series_chart import services
from reprolab.report.html.trials import read_trials
from reprolab.run.plan import Plan, PlannedVariant
from reprolab.run.runner import Prepared, Runner
from reprolab.scenario import loader
from reprolab.stack import disturbances, life
from reprolab.stack.compose import check_scenario, resolve
from reprolab.stack.disturbances import ServiceEvent, reason_of, undisturbed
from reprolab.stack.prepare import StackPreparer, StackRequest
from reprolab.stack.sampling import cpu_seconds, of_service, rows_of, series_of
from reprolab.stack.stack import Stack

# It fails to start, or answers 500, as /state/mode says; /leak opens a file, /work uses the processor in a child.
SERVER = """
import http.server, os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
mode = pathlib.Path("/state/mode")
mode = mode.read_text().strip() if mode.exists() else os.environ.get("MODE", "")
print("booting", mode, flush=True)
if mode == "fail":
    print("cannot boot", flush=True)
    sys.exit(3)
worker = subprocess.Popen([sys.executable, "-c", "while True: pass" if mode == "busy" else "input()"],
                          stdin=subprocess.PIPE)
leaked = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/leak":
            leaked.extend(open("/etc/hosts") for _ in range(100))
        self.send_response(500 if mode == "broken" else 200)
        self.end_headers()
        self.wfile.write(str(worker.pid).encode())
http.server.HTTPServer(("", 8000), Handler).serve_forever()
"""
docker_test = pytest.mark.docker
Make = Callable[..., Stack]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a stack with one service, not yet up; ``service`` are keys of the service, ``options`` of the stack."""
    stacks = []

    def stack(service: dict[str, Any] | None = None, forensics: str = "", **options: Any) -> Stack:
        found = ensure_engine(print)
        owner = labels.object_labels("life", "test")
        image = base("python:3.12.1-slim-bookworm")
        app = {
            "image": image,
            "command": ["python", "-c", SERVER],
            "init": True,
            "labels": owner,
            "ports": [{"target": 8000, "host_ip": "127.0.0.1", "protocol": "tcp"}],
            "volumes": [{"type": "volume", "source": "state", "target": "/state"}],
        } | (service or {})
        model = {
            "name": f"reprolab-life-{secrets.token_hex(4)}",
            "services": {"life-app": app, "forensics": {"image": forensics or image}},
            "volumes": {"state": {"labels": owner}},
            "networks": {"default": {"labels": owner}},
        }
        evidence = TrialDirectory(tmp_path / secrets.token_hex(4))
        evidence.path.mkdir()
        file = evidence.path / "compose.json"
        stacks.append(Stack("life", model, file, engine(), compose_command(found), evidence, owner, **options))
        return stacks[-1]

    yield stack
    for made in stacks:
        made.down()


def log(stack: Stack, name: str) -> str:
    """A captured log as text."""
    return gzip.decompress(stack.evidence.log_path(name).read_bytes()).decode()


def events(stack: Stack) -> list[dict[str, Any]]:
    """The events of the containers, as they are in the evidence."""
    rows: list[dict[str, Any]] = json.loads((stack.evidence.path / "events.json").read_text())
    return rows


def port(stack: Stack) -> str:
    """The port that the engine publishes now."""
    container = stack.client.containers.get(str(stack.container("app").id))
    return str(container.attrs["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"])


@docker_test
def test_a_service_lives_through_stops_starts_and_a_new_container(make: Make) -> None:
    """Each end is described, the port is always that of now, and the log of the first container stays."""
    stack = make()
    with undisturbed(stack):
        stack.up()
        stack.restart("app", grace=5)
        assert stack.url() == f"http://127.0.0.1:{port(stack)}/"
        assert stack.start().answered
        stopped = stack.stop("app", grace=5)
        assert (stopped.exit_status, stopped.oom_killed) == (0, False) and stopped.took_s < 5
        start = stack.start()
        assert start.answered and not start.ended and start.restarts == 0

        stack.execute("app", ["sh", "-c", "echo fail > /state/mode"])
        stack.restart("app", grace=5)
        failed = stack.start()
        assert not failed.answered and failed.exit_status == 3 and failed.lived_s < 20
        assert failed.last_lines == ("booting fail", "cannot boot")

        replaced = stack.recreate("app", new_address=True)
        assert replaced.before.keys() == replaced.after.keys() and replaced.before != replaced.after
        assert all(replaced.after.values())
        assert stack.start().last_lines[-1] == "cannot boot"
    stack.capture("docker")
    assert log(stack, "app").count("booting fail") == 1
    assert log(stack, "app.1").count("booting") == 4 and "cannot boot" in log(stack, "app.1")
    states = json.loads((stack.evidence.path / "containers.json").read_text())
    assert states["app"]["ExitCode"] == states["app.1"]["ExitCode"] == 3
    assert {row["declared"] for row in events(stack) if row["action"] == "die"} == {"the experiment restarts it"}
    starts = [json.loads(line) for line in (stack.evidence.path / "starts.jsonl").read_text().splitlines()]
    assert [row["exit_status"] for row in starts] == [None, None, 3, 3]


@docker_test
def test_a_service_is_paused_and_cut_off_and_a_process_ends(make: Make) -> None:
    """It does not answer meanwhile, and does so afterwards; a process has also ended if nobody reaps it."""
    stack = make()
    with undisturbed(stack):
        stack.up()
        worker = int(stack.get().text)
        stack.pause()
        with pytest.raises(requests.Timeout):
            stack.get(timeout=1)
        stack.unpause()
        assert stack.get().status_code == 200
        stack.cut_off()
        with pytest.raises((requests.RequestException, InvalidTrial)):
            stack.get(timeout=1)
        stack.rejoin()
        assert stack.start().answered
        with pytest.raises(InvalidTrial, match=rf"process {worker} of app has ended: not so after 0\.3 s"):
            stack.wait_ended("app", worker, limit=0.3)
        stack.execute("app", ["sh", "-c", f"(sleep 1; kill -9 {worker}) >/dev/null 2>&1 &"])
        assert stack.wait_ended("app", worker, limit=20) > 0.5
        # The server does not reap its child.
        assert "Z" in stack.execute("app", ["sh", "-c", f"cat /proc/{worker}/stat"])[1]
        again = stack.start_again("app", 2, grace=5)
        assert [start.answered for start in again] == [True, True] and stack.starts[-2:] == again


@docker_test
def test_a_start_that_fails_is_observed_only_where_it_may_fail(make: Make) -> None:
    """Otherwise the trial is invalid; and it is invalid if somebody else ended the service."""
    failing = {"environment": {"MODE": "fail"}}
    strict = make(failing)
    with pytest.raises(InvalidTrial, match="app did not start: exit code 3"), undisturbed(strict):
        strict.up()

    stack = make(failing | {"restart": "on-failure:2"}, may_fail=frozenset({"app"}))
    with undisturbed(stack):
        stack.up()
        start = stack.start(limit=30)
        assert (start.answered, start.exit_status, start.restarts) == (False, 3, 2)
        assert start.last_lines[-1] == "cannot boot"
    assert {row["action"] for row in events(stack)} >= {"start", "die"}
    assert not any("declared" in row for row in events(stack))

    broken = make({"environment": {"MODE": "broken"}}, may_fail=frozenset({"app"}))
    message = "^app was sent SIGKILL and ended with exit status 137 at .*, which is no part of the experiment$"
    with pytest.raises(InvalidTrial, match=message), undisturbed(broken):
        broken.up()
        alive = broken.start(limit=1)
        assert (alive.answered, alive.exit_status, alive.answer) == (False, None, "status 500")
        assert alive.lived_s >= 0.9
        broken.container("app").kill()


@docker_test
def test_processes_are_sampled_where_the_server_is_the_first_process(make: Make, tmp_path: Path) -> None:
    """Leaked descriptors and the CPU time of a busy child show; the worker is the child of the server.

    The health check that runs all the time is no process of the server, and its open files are none of the leak.
    """
    preparer = StackPreparer(ensure_engine(print), engine(), policy(os.environ), print)
    (model,) = preparer.models(loader.load(ROOT, "pool-freeze"), [StackRequest({})], {})
    tool = {"name": model["name"], "services": {"forensics": model["services"]["forensics"]}}
    preparer.build(tool, tmp_path / "build")
    image = tool["services"]["forensics"]["image"]
    check = {"test": ["CMD", "sleep", "60"], "interval": "1s", "timeout": "60s"}
    stack = make({"init": False, "environment": {"MODE": "busy"}, "healthcheck": check}, image)
    stack.up()

    def checked() -> bool:
        return "sleep 60" in [process.title for process in stack.forensics().snapshot.processes.values()]

    wait_until("the health check runs", checked, 30)
    (before,) = stack.workers()
    assert sorted(stack.processes().processes) == [1, before.pid]
    with stack.sample("app", ["cpu", "descriptors", "sockets", "rss"], every=0.2) as samples:
        stack.get("/leak")
        time.sleep(1)
    (after,) = stack.workers()
    files, cpu = samples.values("descriptors"), samples.values("cpu")
    assert len(files) >= 4 and files[-1] - files[0] == 100
    assert cpu[0] == 0 and 0 < cpu[-1] <= after.cpu_s - before.cpu_s + 0.1
    assert after.pid == before.pid and after.rss > 1 << 20
    # The server's, and that of the engine's resolver of names.
    assert all(sockets["tcp listening"] == 2 for sockets in samples.values("sockets"))
    assert min(samples.values("rss")) > 1 << 20
    drawn = list(read_series(stack.evidence.path / SAMPLES_FILE))
    assert len(drawn) == len(samples.rows) and {sample.service for sample in drawn} == {"app, sampled"}


LIMITS = {
    "INIT": "false",
    "READ_ONLY": "true",
    "DATA_SIZE": "64k",
    "MEMORY": "64m",
    "CPUS": "0.5",
    "PROCESSES": "50",
    "DESCRIPTORS": "60",
    "SOMAXCONN": "7",
}
LOOK = """
cat /proc/1/comm /proc/sys/net/core/somaxconn; ulimit -n
touch /x 2>/dev/null || echo cannot write
head -c 100000 /dev/zero >/data/x 2>/dev/null || echo full
"""


@docker_test
def test_the_limits_of_the_guide_are_factors_that_take_effect(make: Make, tmp_path: Path) -> None:
    """Compose and the policy take them with the documented values; the engine applies others."""
    guide = (ROOT / "docs" / "authoring.md").read_text(encoding="utf-8")
    example = textwrap.dedent(guide.partition("can be factors too:\n\n  ```yaml\n")[2].partition("  ```\n")[0])
    compose = COMPOSE.replace("    mem_limit: 64m\n    pids_limit: 64\n", textwrap.indent(example, "    "))
    scenario = load(tmp_path, compose=compose)
    assert {"RELEASE", "WORKERS", *LIMITS} == scenario.factors.keys()
    command = compose_command(ensure_engine(print))
    check_scenario(scenario, command)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/compose.yaml").write_text("services: {tool: {image: tool}}\n")
    service = resolve(scenario, LIMITS, command)["services"]["blink-app"]
    stack = make({key: service[key] for key in yaml.safe_load(example)})
    stack.up()
    printed = stack.execute("app", ["sh", "-c", LOOK])[1].splitlines()
    assert printed == ["python", "7", "60", "cannot write", "full"]
    settings = stack.container("app").attrs["HostConfig"]
    assert (settings["Memory"], settings["NanoCpus"], settings["PidsLimit"]) == (64 << 20, 500_000_000, 50)


# -- without an engine ----------------------------------------------------------------------------


def test_looks_become_samples() -> None:
    """CPU time is that of the same process; what began meanwhile counts whole. States have names."""
    first = {
        "at_ns": 10**9,
        "processes": {"7": [1, 100, 5, 3]},
        "sockets": {"tcp": {"08": 2}, "unix": {"listening": 1}},
    }
    second = {"at_ns": 3 * 10**9, "processes": {"7": [1, 150, 6, 4], "8": [9, 50, 1, 1]}, "sockets": {}}
    third = {"at_ns": 4 * 10**9, "processes": {"7": [20, 30, 6, 4]}, "sockets": {}}
    assert cpu_seconds(first, second) == 1.0 and cpu_seconds(second, third) == 0.3
    series = list(series_of("app", [first, second, third]))
    assert [sample.cpu for sample in series] == [0.0, 0.5, 0.3]
    assert series[0].sockets == {"tcp close-wait": 2, "unix listening": 1}
    rows = list(rows_of(series, [first, second, third], ("cpu", "rss")))
    assert rows == [
        {"at_s": 0.0, "cpu": 0.0, "rss": 5},
        {"at_s": 2.0, "cpu": 1.0, "rss": 7},
        {"at_s": 3.0, "cpu": 1.3, "rss": 6},
    ]


def test_a_health_check_is_no_process_of_the_service() -> None:
    """A look has it and its child; neither counts. What was started below the first process does."""
    look = {"at_ns": 1, "processes": {"1": [1, 0, 5, 3, 0], "7": [2, 0, 5, 3, 1], "40": [9, 1, 1, 1, 0]}}
    look["processes"] |= {"41": [9, 1, 1, 1, 40], "50": [3, 0, 5, 3, 99]}  # 99 ended during the look
    assert of_service(look) == {"at_ns": 1, "processes": {"1": [1, 0, 5, 3], "7": [2, 0, 5, 3], "50": [3, 0, 5, 3]}}
    assert sorted(of_service(look, joined=True)["processes"]) == ["1", "40", "41", "50", "7"]
    processes = {
        int(pid): Process(int(pid), values[-1], "S", ("x",), values[0], Signals(), ())
        for pid, values in look["processes"].items()
    }
    assert list(Snapshot(5, processes).of_service().processes) == [1, 7, 50]


@pytest.mark.parametrize(("first", "server"), [("/sbin/docker-init", 7), ("python", 1)])
def test_the_server_is_the_child_of_an_init_or_the_first_process(first: str, server: int) -> None:
    """Without the engine's init the server has the number 1, and its workers are no servers."""
    processes = {
        pid: Process(pid, parent, "S", (word, "x"), pid, Signals(), ())
        for pid, parent, word in ((1, 0, first), (7, 1, "python"), (9, 7, "python"), (40, 0, "sh"))
    }
    assert Snapshot(0, processes).server().pid == server


@pytest.mark.parametrize("look", [lambda stack: stack.workers(), lambda stack: stack.sample().__enter__()])
def test_trials_side_by_side_measure_no_processor_time(tmp_path: Path, look: Callable[[Stack], Any]) -> None:
    """The run ends with what to do; trials that share the processors would measure each other."""
    unused: Any = None
    model = {"name": "x", "services": {"life-app": {}}}
    stack = Stack("life", model, tmp_path / "c", unused, (), TrialDirectory(tmp_path), {}, side_by_side=True)
    with pytest.raises(UsageError, match="run side by side") as caught:
        look(stack)
    assert "remove PARALLEL" in str(caught.value)


def test_a_start_that_may_fail_must_be_observed(tmp_path: Path) -> None:
    """An experiment that forgets it would read a server that is not up."""
    unused: Any = None
    model = {"name": "x", "services": {"life-app": {}}}
    stack = Stack("life", model, tmp_path / "c", unused, (), TrialDirectory(tmp_path), {}, may_fail=frozenset({"app"}))
    with pytest.raises(InvalidTrial, match=r"did not call stack\.start"):
        stack.check_start_observed()


@pytest.mark.parametrize(
    ("actions", "reason"),
    [
        ("start die", ""),
        ("start oom die disconnect start die disconnect", ""),
        ("start kill die", "app was sent SIGKILL and ended with exit status 3 at 00:00:00 UTC"),
        ("start pause", "app was paused at 00:00:00 UTC"),
        ("start disconnect", "app was cut off from the network net at 00:00:00 UTC"),
    ],
)
def test_a_service_whose_start_may_fail_may_end_by_itself_only(actions: str, reason: str) -> None:
    """Its own end, with what follows from it, is no disturbance; of another service it is one."""
    details = {"die": "3", "kill": "SIGKILL", "disconnect": "net"}
    events = [ServiceEvent(n, "app", action, details.get(action, "")) for n, action in enumerate(actions.split())]
    suffix = ", which is no part of the experiment"
    assert reason_of(events, {}, {"app"}) == (reason and reason + suffix)
    assert reason_of(events, {}, {"proxy"})


def test_variants_and_experiments_say_that_a_start_may_fail(tmp_path: Path) -> None:
    """A variant for itself, MAY_FAIL_TO_START for all and for factors that a user sets; a dict says nothing."""
    changed = EXPERIMENT.replace('{"RELEASE": "0.9"}', 'Variant({"RELEASE": 0.9}, may_fail_to_start=True)')
    changed = changed.replace("import Claim, Column", "import Claim, Column, Variant")
    experiment = load(tmp_path / "a", lamp=changed).experiments["lamp"]
    assert experiment.variants == {"documented": {}, "old": {"RELEASE": "0.9"}} and experiment.may_fail == {"old"}
    every = load(tmp_path / "b", lamp=f"{EXPERIMENT}MAY_FAIL_TO_START = True\n").experiments["lamp"]
    assert every.may_fail == {"documented", "old", "custom"}
    assert load(tmp_path / "c").experiments["lamp"].may_fail == frozenset()
    with pytest.raises(UsageError, match="MAY_FAIL_TO_START is 'old'"):
        load(tmp_path / "d", lamp=f"{EXPERIMENT}MAY_FAIL_TO_START = 'old'\n")


def test_the_runner_tells_a_stack_what_may_fail_and_what_runs_beside_it(tmp_path: Path) -> None:
    """Only in that variant; side by side only if several trials run at once."""
    scenario = load(tmp_path)
    experiment = replace(scenario.experiments["lamp"], may_fail=frozenset({"old"}), parallel=True)
    unused: Any = SimpleNamespace(docker="docker", progress=print)
    run = RunDirectory(tmp_path / "results/blink/1")

    def stack(variant: str, jobs: int) -> Stack:
        planned = PlannedVariant(experiment, variant, {}, 1)
        runner = Runner(Plan(scenario, (planned,), jobs), run, unused, unused, unused, unused)
        return runner._stack(Prepared(planned, {"services": {}}), TrialDirectory(tmp_path))

    assert stack("old", 1).may_fail == {"app"} and stack("documented", 1).may_fail == frozenset()
    assert stack("old", 2).side_by_side and not stack("old", 1).side_by_side


def test_what_an_experiment_sampled_is_drawn(tmp_path: Path) -> None:
    """Beside the lab's own series of the trial."""
    scenario = load(tmp_path)
    run = RunDirectory(tmp_path / "results/blink/1")
    evidence = run.trial("lamp", "documented", 1)
    for name, service in ((SERIES_FILE, "app"), (SAMPLES_FILE, "app, sampled")):
        evidence.write_text(name, json.dumps(Sample(service, 10**18, 0.5, 1, 1).to_json()) + "\n")
    (shown,) = read_trials(scenario, run, [trial()])
    assert services(shown.series) == ["app", "app, sampled"]


class EndingService(Stack):
    """A service whose container ends together with a process of it."""

    def container(self, role: str) -> Any:
        return SimpleNamespace()

    def may_end(self, role: str, why: str) -> None:
        """Nothing is asked of an engine."""

    def execute(self, role: str, command: Any, limit: float = 0) -> tuple[int, str]:
        return 137, ""


@pytest.mark.parametrize(
    ("states", "ended"), [(["", "", "has ended with exit status 3"], True), (["has ended"], True), ([""], False)]
)
def test_the_engine_may_end_a_command_before_its_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: list[str], ended: bool
) -> None:
    """The end of a process with which its container ends; a command that fails beside a living one says nothing."""
    monkeypatch.setattr(life, "ENDING", 0.5)
    monkeypatch.setattr(life, "state_words", lambda container: states.pop(0) if len(states) > 1 else states[0])
    client: Any = None
    stack = EndingService("blink", {"name": "b", "services": {}}, tmp_path, client, (), TrialDirectory(tmp_path), {})
    if ended:
        assert stack.wait_ended("app", 8, limit=1) >= 0
    else:
        with pytest.raises(InvalidTrial, match="the end of process 8 of app could not be waited for"):
            stack.wait_ended("app", 8, limit=1)


@pytest.mark.parametrize(
    ("cut_s", "reason"),
    [(2, "app was cut off from the network n before it ended, which is no part of the experiment"), (6, "")],
)
def test_a_service_that_was_cut_off_before_it_ended_has_not_failed_by_itself(
    tmp_path: Path, cut_s: int, reason: str
) -> None:
    """The engine cuts a container off after its end; who did so before is somebody else."""
    state = {"FinishedAt": "1970-01-01T00:00:05.000000000Z"}
    container: Any = SimpleNamespace(reload=lambda: None, attrs={"State": state})
    stack: Any = SimpleNamespace(may_fail=frozenset({"app"}), ends={}, container=lambda role: container)
    events = [ServiceEvent(cut_s * 10**9, "app", "disconnect", "n"), ServiceEvent(7 * 10**9, "app", "die", "3")]
    assert disturbances._cut_off(stack, events) == reason
