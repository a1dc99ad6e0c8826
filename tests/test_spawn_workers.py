"""spawn-workers: the application and its settings, and every sign on recorded trials."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT
from reprolab import InvalidTrial
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.processes import snapshot as snapshots
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.counting import count
from reprolab.verdict.decide import decide
from reprolab.verdict.judge import judge

DIRECTORY = ROOT / "scenarios" / "spawn-workers"
DATA = Path(__file__).parent / "data" / "spawn-workers"


@pytest.fixture(scope="module")
def found() -> Scenario:
    """The scenario."""
    return loader.load(ROOT, "spawn-workers")


def module(found: Scenario, experiment: str) -> ModuleType:
    """An experiment's module."""
    return sys.modules[found.experiments[experiment].drive.__module__]


@pytest.fixture(scope="module")
def imports(found: Scenario) -> ModuleType:
    """The experiment on loads."""
    return module(found, "imports")


@pytest.fixture(scope="module")
def tree(found: Scenario) -> ModuleType:
    """The experiment on processes."""
    return module(found, "tree")


@pytest.fixture(scope="module")
def distribution(found: Scenario) -> ModuleType:
    """The experiment on who answers."""
    return module(found, "distribution")


@pytest.fixture(scope="module")
def settling(tree: ModuleType) -> ModuleType:
    """What the experiments share."""
    return sys.modules[tree.wait_settled.__module__]


def recorded(experiment: str) -> dict[str, dict[str, Any]]:
    """The observations of a recorded run, by variant."""
    text = gzip.decompress((DATA / "trials.jsonl.gz").read_bytes()).decode()
    rows = [json.loads(line) for line in text.splitlines()]
    return {row["variant"]: row["observation"] for row in rows if row["experiment"] == experiment}


# -- the application, and how it is started ------------------------------------------------------


def start(tmp_path: Path, found: Scenario, **factors: str) -> tuple[int, str, str]:
    """Run start.sh with servers that print their command line; exit code, that line, and standard error."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    for name in ("python3", "uvicorn", "gunicorn"):
        program = programs / name
        # A command of one line is what checks the settings.
        program.write_text(f'#!/bin/sh\n[ "$1" != -c ] || exec {sys.executable} -B "$@"\necho {name} "$@"\n')
        program.chmod(0o755)
    env = {**found.factors, "HOME": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}", **factors}
    command = ["sh", str(DIRECTORY / "start.sh")]
    done = subprocess.run(command, env=env, cwd=DIRECTORY / "app", capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip(), done.stderr


@pytest.mark.parametrize(
    ("factors", "command"),
    [
        ({}, "python3 main.py"),
        ({"START": "command-line"}, "uvicorn main:app --host 0.0.0.0 --port 8000 --workers 3"),
        ({"START": "command-line", "RELOAD": "True"}, "uvicorn main:app --host 0.0.0.0 --port 8000 --reload"),
        ({"START": "launcher"}, "python3 launcher.py"),
        ({"START": "gunicorn"}, "gunicorn main:app --worker-class uvicorn_worker.UvicornWorker --workers 3 --bind"),
        ({"START": "gunicorn-preload"}, "--preload"),
        ({"START": "gunicorn-preload", "MARK": "on"}, "--preload --config gunicorn_mark.py"),
    ],
)
def test_each_start_has_its_command_line(
    found: Scenario, tmp_path: Path, factors: dict[str, str], command: str
) -> None:
    """START names what runs."""
    code, line, _ = start(tmp_path, found, **factors)
    assert code == 0 and command in line


@pytest.mark.parametrize("factor", ["START", "RELOAD", "ENDPOINT", "START_METHOD", "MARK", "IMPORT_AGAIN", "WITNESS"])
def test_start_refuses_a_value_it_does_not_know(found: Scenario, tmp_path: Path, factor: str) -> None:
    """A misspelt switch is not silently taken for the documented one."""
    code, line, said = start(tmp_path, found, **{factor: "maybe"})
    assert code != 0 and not line and factor in said and "maybe" in said


# In place of the two libraries: what the application asks of them is printed.
LIBRARIES = {
    "fastapi": """
class FastAPI:
    def add_api_route(self, path, answer):
        self.answer = answer
        print("route", path, answer.__name__)
""",
    "uvicorn": """
import json, multiprocessing, sys
def run(name, **settings):
    main = sys.modules.get("main", sys.modules["__main__"])
    known = {"g_var": getattr(main, "g_var", None), "method": multiprocessing.get_start_method(allow_none=True)}
    print("run", name, json.dumps({**settings, **known}, sort_keys=True))
""",
}


def ran(tmp_path: Path, found: Scenario, *command: str, **factors: str) -> list[str]:
    """What Python prints in the application's directory, with our libraries; a pid is written as PID."""
    for name, text in LIBRARIES.items():
        (tmp_path / f"{name}.py").write_text(text)
    env = {**found.factors, "PYTHONPATH": f"{tmp_path}:.", **factors}
    words = [sys.executable, "-B", *command]
    done = subprocess.run(words, env=env, cwd=found.directory / "app", capture_output=True, text=True, check=True)
    return re.sub(r"\bpid\W+\d+", "pid PID", done.stdout).splitlines()


def run_line(lines: list[str]) -> dict[str, Any]:
    """What uvicorn was given, and what it found."""
    (line,) = [line for line in lines if line.startswith("run main:app ")]
    settings: dict[str, Any] = json.loads(line.removeprefix("run main:app "))
    return settings


def test_the_documented_application(found: Scenario, tmp_path: Path) -> None:
    """A line as it is loaded, with 0; then uvicorn with three workers on port 8000, and 1 in memory."""
    lines = ran(tmp_path, found, "main.py")
    assert lines[:2] == ["g_var 0 as pid PID loads main.py", "route / in_thread"]
    assert run_line(lines) == {
        **{"host": "0.0.0.0", "port": 8000, "workers": 3, "reload": False},
        **{"g_var": 1, "method": None},
    }


@pytest.mark.parametrize(
    ("factors", "changes"),
    [
        ({"WORKERS": "2"}, {"workers": 2}),
        ({"RELOAD": "True"}, {"reload": True}),
        ({"START_METHOD": "fork"}, {"method": "fork"}),
        ({"MARK": "on"}, {"g_var": 1000}),
        ({"SLEEP": "0.05"}, {}),
    ],
)
def test_a_factor_changes_its_setting_alone(
    found: Scenario, tmp_path: Path, factors: dict[str, str], changes: dict[str, Any]
) -> None:
    """From the application's own file, and from another one, which loads it only to mark it."""
    documented, launched = (run_line(ran(tmp_path, found, file)) for file in ("main.py", "launcher.py"))
    assert run_line(ran(tmp_path, found, "main.py", **factors)) == documented | changes
    assert launched == documented | {"g_var": None}
    assert run_line(ran(tmp_path, found, "launcher.py", **factors)) == launched | changes


ASK = "import asyncio, main, time; begun = time.time(); {}; print(time.time() - begun >= 0.2)"
CALLS = {"sync": "print(main.app.answer())", "async": "print(asyncio.run(main.app.answer()))"}


@pytest.mark.parametrize("endpoint", CALLS)
@pytest.mark.parametrize("again", ["off", "on"])
def test_an_answer(found: Scenario, tmp_path: Path, endpoint: str, again: str) -> None:
    """It takes SLEEP, names the process, shows g_var; with IMPORT_AGAIN the file is loaded once more for it."""
    factors = {"ENDPOINT": endpoint, "IMPORT_AGAIN": again, "SLEEP": "0.2"}
    lines = ran(tmp_path, found, "-c", ASK.format(CALLS[endpoint]), **factors)
    load = ["g_var 0 as pid PID loads main.py", f"route / {'in_loop' if endpoint == 'async' else 'in_thread'}"]
    assert lines == [*load * (2 if again == "on" else 1), "{'pid PID, 'g_var': 1}", "True"]


def test_the_patches_fit_once_or_fail(tmp_path: Path) -> None:
    """Each changes one thing; where it does not fit, or has no such name, the build fails."""
    package = tmp_path / "uvicorn"
    package.mkdir()
    (package / "__init__.py").write_text("")
    sub = 'import multiprocessing\nspawn = multiprocessing.get_context("spawn")\n\ndef f(target, sockets):\n'
    sub += "    target(sockets=sockets)\n"
    config = "def bind(sock):\n            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"

    def patch(name: str, subprocess_text: str = sub) -> tuple[int, str, str]:
        (package / "_subprocess.py").write_text(subprocess_text)
        (package / "config.py").write_text(config)
        command = [sys.executable, "-B", str(DIRECTORY / "patch.py"), name]
        done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, check=False)
        return done.returncode, (package / "_subprocess.py").read_text(), (package / "config.py").read_text()

    assert patch("none") == (0, sub, config)
    assert patch("fork") == (0, sub.replace('"spawn"', '"fork"'), config)
    code, text, bound = patch("own-socket")
    assert code == 0 and "target(sockets=own_sockets(sockets))" in text and bound.count("SO_REUSEPORT") == 1
    compile(text, "_subprocess.py", "exec")
    assert patch("fork", "nothing of it\n")[0] != 0
    assert patch("something-else")[0] != 0


def test_the_witness_tells_under_which_name_a_file_runs(tmp_path: Path) -> None:
    """As a script and as an imported module, in this thread, with the token of this interpreter; others it ignores."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text("import other\nif __name__ == '__main__':\n    import main\n")
    (app / "other.py").write_text("")
    shutil.copytree(DIRECTORY / "app" / "witness", app / "witness", ignore=shutil.ignore_patterns("__pycache__"))
    env = {"PYTHONPATH": str(app / "witness")}
    command = [sys.executable, "-B", "main.py"]
    done = subprocess.run(command, cwd=app, env=env, capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(one["witness"], one.get("name")) for one in said] == [
        ("start", None),
        ("load", "__main__"),
        ("load", "main"),
    ]
    assert len({one["token"] for one in said}) == len({one["pid"] for one in said}) == 1


# -- processes ------------------------------------------------------------------------------------


def snapshot(variant: str) -> snapshots.Snapshot:
    """The processes of a recorded trial, decoded from the kernel's own text."""
    return snapshots.parse_snapshot(gzip.decompress((DATA / f"snapshot-{variant}.json.gz").read_bytes()).decode())


@pytest.mark.parametrize(("variant", "forked"), [("documented", False), ("forked", True), ("gunicorn", True)])
def test_the_kernel_tells_a_fork_from_a_spawn(tree: ModuleType, variant: str, forked: bool) -> None:
    """By its mark on the process, and by where program and stack lie; the server itself was executed."""
    seen = snapshot(variant)
    server = seen.server()
    assert not server.forked and server.layout
    kinds = [tree.child(server, one) for one in seen.children(server.pid)]
    workers = [one for one in kinds if one["kind"] != "resource_tracker"]
    assert len(workers) == 3
    assert [one["forked"] for one in workers] == [one["layout_of_parent"] for one in workers] == [forked] * 3
    assert {one["kind"] for one in workers} == {"the same command line" if forked else "spawn_main"}


def test_layouts_that_are_not_told_are_no_evidence(tree: ModuleType) -> None:
    """Without the right to trace the kernel shows 0 or 1 for addresses: that says nothing of a fork."""
    fields = ["S", *["1"] * 49]
    assert snapshots.layout_of(fields) == ()
    fields[23], fields[25] = "94366749032448", "140733559182992"
    assert snapshots.layout_of(fields) == (94366749032448, 140733559182992)
    server = snapshots.Process(7, 1, "S", ("python3",), 1, snapshots.Signals(), ())
    with pytest.raises(InvalidTrial, match="does not tell"):
        tree.child(server, server)


def test_a_container_without_a_server() -> None:
    """Nothing below the init is an error that names what there is."""
    lone = snapshots.Process(1, 0, "S", ("init",), 1, snapshots.Signals(), ())
    with pytest.raises(ValueError, match=r"\[1\]"):
        snapshots.Snapshot(0, {1: lone}).server()


# -- what the log tells ---------------------------------------------------------------------------


@pytest.fixture
def trial(tmp_path: Path) -> TrialDirectory:
    """The recorded log of the documented stack."""
    place = TrialDirectory(tmp_path / "trial")
    place.path.mkdir()
    shutil.copy(DATA / "app.log.gz", place.log_path("app"))
    return place


def rewrite(place: TrialDirectory, old: str, new: str) -> None:
    """Change the recorded log."""
    text = gzip.decompress(place.log_path("app").read_bytes()).decode()
    assert old in text
    place.log_path("app").write_bytes(gzip.compress(text.replace(old, new).encode()))


def driven(imports: ModuleType) -> dict[str, Any]:
    """What drive() returned in the recorded documented trial."""
    seen = deepcopy(recorded("imports")["documented"])
    return {name: value for name, value in seen.items() if name not in ("loads", "asked")}


def test_the_log_tells_what_was_recorded(imports: ModuleType, trial: TrialDirectory) -> None:
    """Read again, it says the same."""
    assert imports.observe(trial, driven(imports)) == recorded("imports")["documented"]


def test_a_witness_that_contradicts_the_program(imports: ModuleType, trial: TrialDirectory) -> None:
    """A load that was not printed, or printed in another process, makes the trial invalid."""
    server = driven(imports)["server"]
    rewrite(trial, f"g_var 0 as pid {server} loads", "g_var 0 as pid 99 loads")
    with pytest.raises(InvalidTrial, match="the witness saw"):
        imports.observe(trial, driven(imports))


def test_an_answer_by_a_stranger(imports: ModuleType, trial: TrialDirectory) -> None:
    """Who answers must be a worker that said it started."""
    with pytest.raises(InvalidTrial, match="99"):
        imports.observe(trial, driven(imports) | {"served": {"99": {"1": 3}}})


def test_a_worker_that_was_replaced_while_it_loaded(imports: ModuleType) -> None:
    """It never served: what it had printed is left out, and that there was one is kept."""
    lines = [f"g_var 0 as pid {pid} loads main.py" for pid in (7, 12, 15)]
    lines += ["INFO:     Child process [12] died", '{"witness": "load", "pid": 12}']
    assert imports.loads(lines) == {"replaced": 1, "printed": [[7, 0], [15, 0]], "witnessed": [], "begun": []}


# -- signs ----------------------------------------------------------------------------------------

IMPORTS = {
    "twice_each": {"documented", "two-workers", "reload", "set-start-method", "many-requests", "releases"},
    "seven_lines": {"documented", "unwatched", "set-start-method", "many-requests", "releases"},
    "main_again": {"documented", "two-workers", "reload", "set-start-method", "many-requests", "releases"},
    "loads_changed": {"import-again"},
    "all_forked": {"forked", "marked-forked", "gunicorn", "gunicorn-preload", "marked-gunicorn"},
    "has_parents_value": {"marked-forked", "marked-gunicorn"},
}


@pytest.mark.parametrize("name", IMPORTS)
def test_signs_of_the_loads_on_every_recorded_variant(imports: ModuleType, name: str) -> None:
    """Each shows where it should and nowhere else."""
    seen = recorded("imports")
    shown = {variant for variant, o in seen.items() if getattr(imports, name)(o)}
    merged = {"releases" if variant.startswith("uvicorn-") else variant for variant in shown}
    assert merged == IMPORTS[name]


def test_zero_is_printed_by_forked_and_spawned_alike(imports: ModuleType) -> None:
    """So the document's observation cannot tell them apart; a line with another value would show."""
    seen = recorded("imports")
    assert imports.zero_everywhere(seen["documented"]) and imports.zero_everywhere(seen["forked"])
    other = deepcopy(seen["forked"])
    other["loads"]["printed"][-1][1] = 1
    assert imports.zero_everywhere(other) is False
    assert imports.zero_everywhere(other | {"loads": {"printed": []}}) is False


def test_an_option_to_fork_would_be_found(imports: ModuleType) -> None:
    """In the help, as an argument, or by workers that are forked."""
    seen = recorded("imports")["set-start-method"]
    assert imports.no_way_to_fork(seen) is True
    for change in ({"help": ["--start-method"]}, {"config": ["fork"]}, {"text": "--how TEXT  fork or spawn"}):
        assert imports.no_way_to_fork(seen | {"options": seen["options"] | change}) is False, change
    assert imports.no_way_to_fork(recorded("imports")["forked"]) is False


def test_witnesses_of_a_fork_must_agree(imports: ModuleType) -> None:
    """Kernel, memory, interpreter and token; where one says otherwise nothing is concluded."""
    seen = recorded("imports")["forked"]
    worker = seen["workers"][0]
    assert imports.origin(seen, worker) == "fork" and imports.origin(seen, seen["server"]) == "first"
    for change in ({"forked": False}, {"layout_of_parent": False}):
        other = deepcopy(seen)
        imports.process(other, worker).update(change)
        with pytest.raises(ValueError, match="was forked"):
            imports.origin(other, worker)
    other = deepcopy(seen)
    for one in other["loads"]["begun"]:
        if one["pid"] == worker:
            one["token"] = "another"
    with pytest.raises(ValueError, match="token"):
        imports.origin(other, worker)


def test_two_threads_would_show(imports: ModuleType) -> None:
    """The document says that both loads are in one thread."""
    other = deepcopy(recorded("imports")["documented"])
    other["loads"]["witnessed"][-1]["thread"] += 1
    assert imports.twice_each(other) is False


TREE = {
    "tracker_and_three": {"documented", "releases"},
    "tracker_and_two": {"two-workers"},
    "named_fork_yet_spawned": {"documented", "two-workers", "releases"},
    "alone": {"one-worker"},
    "documents_tree": {"uvicorn-0.29.0"},
}


@pytest.mark.parametrize("name", TREE)
def test_signs_of_the_tree_on_every_recorded_variant(tree: ModuleType, name: str) -> None:
    """Each shows where it should and nowhere else."""
    shown = {variant for variant, o in recorded("tree").items() if getattr(tree, name)(o)}
    if name != "documents_tree":
        shown = {"releases" if variant.startswith("uvicorn-") else variant for variant in shown}
    assert shown == TREE[name]


def test_another_process_in_the_tree_would_show(tree: ModuleType) -> None:
    """A child more, a grandchild, a worker that does not serve: not the document's tree."""
    seen = recorded("tree")["documented"]
    more = {"pid": 99, "kind": "other", "command": "sleep", "forked": True, "layout_of_parent": True, "threads": 1}
    for change in ({"children": [*seen["children"], more]}, {"grandchildren": 1}, {"workers": [1, 2, 3]}):
        assert tree.tracker_and_three(seen | change) is False, change


def phase(name: str, *groups: list[int], **more: Any) -> dict[str, Any]:
    """A phase with these counts."""
    return {"phase": name, "groups": list(groups), "before": [2, 2, 2], "after": [3, 3, 3], "idle": 1.8} | more


def test_threads_that_attract_would_show(distribution: ModuleType) -> None:
    """If most groups went to the worker with the threads, whichever it is, the sign would be there."""
    drawn = [phase("three", *[[0] * t + [3] + [0] * (2 - t)] * 4, [1, 1, 1], target=t) for t in range(3)]
    assert distribution.threads_attract({"phases": drawn}) is True
    assert distribution.threes_to_threaded({"phases": drawn}) == (12, 15)
    favoured = [phase("three", *[[0, 0, 3]] * 5, target=t) for t in range(3)]
    assert distribution.threads_attract({"phases": favoured}) is False
    with pytest.raises(ValueError, match="no worker"):
        distribution.threads_attract({"phases": [phase("three", [1, 1, 1])]})


def test_the_order_of_listening_shows_beyond_chance_alone(distribution: ModuleType) -> None:
    """Equal shares, few requests, or another worker left out: no order."""
    lone = {key: [phase("lone", *rows)] for key, rows in {
        "order": [[0, 0, 1]] * 24 + [[0, 1, 0]] * 14 + [[1, 0, 0]] * 2,
        "equal": [[0, 0, 1]] * 14 + [[0, 1, 0]] * 13 + [[1, 0, 0]] * 13,
        "few": [[0, 0, 1]] * 3,
        "its part": [[0, 0, 1]] * 40 + [[1, 0, 0]] * 20,
        "turned": [[1, 0, 0]] * 24 + [[0, 1, 0]] * 14 + [[0, 0, 1]] * 2,
    }.items()}  # fmt: skip
    assert {key: distribution.oldest_last({"phases": rows, "busy": 0}) for key, rows in lone.items()} == {
        "order": True,
        "equal": False,
        "few": False,
        "its part": False,
        "turned": False,
    }


def test_cores_that_others_keep_busy_say_nothing_of_the_order(distribution: ModuleType) -> None:
    """Without an idle core nothing hidden is called absent; only where the lab took the cores is that a finding."""
    equal, order = [[1, 1, 1]] * 10, [[0, 0, 1]] * 24 + [[0, 1, 0]] * 14 + [[1, 0, 0]] * 2
    taken = {"busy": 2, "phases": [phase("lone", *equal, idle=0.0)]}
    assert distribution.oldest_last(taken) is False
    with pytest.raises(ValueError, match="were busy"):
        distribution.oldest_last(taken | {"busy": 0})
    with pytest.raises(ValueError, match="to be busy"):
        distribution.oldest_last({"busy": 2, "phases": [phase("lone", *equal, idle=1.0)]})
    with pytest.raises(ValueError, match="were busy"):
        later = [phase("lone", *equal), phase("lone", *equal, idle=0.1)]
        distribution.oldest_last({"busy": 0, "phases": later})
    assert distribution.oldest_last({"busy": 0, "phases": [phase("lone", *order, idle=0.1)]}) is True
    with pytest.raises(ValueError, match="one by one"):
        distribution.oldest_last({"busy": 0, "phases": [phase("by hand", [1, 1, 1])]})


def test_the_order_of_listening_is_made_not_read_from_the_log(distribution: ModuleType) -> None:
    """Two logs of eight had it wrong on one core; so all but one worker are replaced, one after the other."""
    stack = Starts([11, 12, 13])
    assert distribution.settled(stack, [11, 12, 13]) == [11, 14, 15]
    assert stack.killed == [12, 13]


class Starts:
    """A server whose workers are replaced when they are killed, as far as the order of listening asks for it."""

    def __init__(self, workers: list[int], **factors: str) -> None:
        self.alive, self.lines, self.killed = list(workers), [], []
        self.factors, self.later = factors, list[int]()
        for pid in workers:
            self.say(pid)

    def say(self, pid: int) -> None:
        """A worker's two lines."""
        self.lines += [f"INFO: Started server process [{pid}]", "INFO: Application startup complete."]

    def printed(self, role: str) -> list[str]:
        """All lines."""
        return self.lines

    def wait_printed(self, pattern: str, count: int) -> list[str]:
        """Lines that match; here they are there at once."""
        found = [line for line in self.lines if re.search(pattern, line)]
        assert len(found) >= count, (pattern, count, found)
        return found

    def processes(self) -> SimpleNamespace:
        """Those that live; afterwards one more starts, if one is to come later."""
        living = dict.fromkeys(self.alive)
        for pid in self.later[:1]:
            self.alive.append(pid)
            self.say(pid)
            self.later.remove(pid)
        return SimpleNamespace(processes=living)

    def kill(self, role: str, pids: list[int]) -> None:
        """End them; the parent starts others."""
        for pid in pids:
            self.killed.append(pid)
            self.alive.remove(pid)
            self.alive.append(max(self.alive + self.killed) + 1)
            self.say(self.alive[-1])


def test_clumps_and_threads(distribution: ModuleType) -> None:
    """The mean of the largest shares; more threads after than before."""
    clumps = {"phases": [phase("burst of 30", [28, 1, 1], [0, 20, 10])]}
    even = {"phases": [phase("burst of 30", [10, 10, 10], [12, 9, 9], after=[2, 2, 2])]}
    assert distribution.most_to_one(clumps) is True and distribution.most_to_one(even) is False
    assert distribution.threads_appear(clumps) is True and distribution.threads_appear(even) is False


def test_answers_are_counted_by_order_of_listening(distribution: ModuleType) -> None:
    """The oldest first; an answer by a process that is no worker makes the trial invalid."""
    step = {"do": "groups", "phase": "three", "clients": 3, "rounds": 1, "target": 1}
    said = {"step": step, "before": [1, 1], "after": [1, 2], "idle": 1.8, "pids": [[9, 8, 9]]}
    assert distribution.phase([8, 9], said)["groups"] == [[1, 2]]
    with pytest.raises(InvalidTrial, match=r"\[9\]"):
        distribution.phase([7, 8], said)


DISTRIBUTION = {
    "threads_appear": {"documented": True, "quick": True, "async": False},
    "oldest_last": {"quick": True, "own-socket": False, "busy": False},
    "most_to_one": {"quick": True, "async": True, "accept-one": False, "own-socket": False},
    "threads_attract": {"quick": False},
}


@pytest.mark.parametrize("name", DISTRIBUTION)
def test_signs_of_the_distribution_on_the_recorded_run(distribution: ModuleType, name: str) -> None:
    """Where a claim needs them."""
    seen = recorded("distribution")
    assert {variant: getattr(distribution, name)(seen[variant]) for variant in DISTRIBUTION[name]} == DISTRIBUTION[name]


def test_every_sign_is_a_bool_and_changes_nothing(found: Scenario) -> None:
    """On the recorded variants that its claim names."""
    for experiment in found.experiments.values():
        seen = recorded(experiment.name)
        for claim in experiment.claims:
            for variant in claim.expectations:
                before = deepcopy(seen[variant])
                assert isinstance(claim.sign(seen[variant]), bool), (claim.id, variant)
                assert seen[variant] == before


def test_every_column_has_something_to_show(found: Scenario) -> None:
    """In the recorded run each heading has a cell somewhere."""
    for experiment in found.experiments.values():
        seen = recorded(experiment.name)
        for column in experiment.columns:
            if column.note:
                continue
            cells = []
            for o in seen.values():
                try:
                    cells.append(column.value(o))
                except (IndexError, KeyError):
                    cells.append(None)
            assert any(cell is not None for cell in cells), column.heading


# -- triggers -------------------------------------------------------------------------------------


def replaced_one(o: dict[str, Any]) -> None:
    """A worker was replaced while the lab looked."""
    o["settled"] = False


def lost_one(o: dict[str, Any]) -> None:
    """In an observation without that fact: a worker that had started is not among the processes."""
    o["workers"] = [*o["workers"], 99]


def unanswered(o: dict[str, Any]) -> None:
    """No request was answered."""
    o.update(asked=0, served={})


def to_one(o: dict[str, Any]) -> None:
    """One process answered all requests."""
    o["served"] = {str(o["workers"][0]): {"1": o["asked"]}}


def to_two(o: dict[str, Any]) -> None:
    """Two processes answered."""
    o["served"] = {"7": {"1": 15}, "8": {"1": 15}}


def silent(o: dict[str, Any]) -> None:
    """No answer in the first phase."""
    o["phases"][0]["groups"] = []


def no_threads(o: dict[str, Any]) -> None:
    """No worker had more threads than the others."""
    for phase in o["phases"]:
        phase["before"] = [5] * len(phase["before"])


def in_pairs(o: dict[str, Any]) -> None:
    """Requests came two at a time."""
    for phase in o["phases"]:
        phase["groups"] = [[2 * n for n in counts] for counts in phase["groups"]]


def taken(o: dict[str, Any]) -> None:
    """No core was idle."""
    for phase in o["phases"]:
        phase["idle"] = 0.0


def free(o: dict[str, Any]) -> None:
    """All cores were idle."""
    for phase in o["phases"]:
        phase["idle"] = 2.0


def cut_short(o: dict[str, Any]) -> None:
    """A burst lost one of its requests."""
    burst = next(phase for phase in o["phases"] if phase["phase"] == "burst of 30")
    burst["groups"][0] = [10, 10, 9]


@pytest.mark.parametrize(
    ("identifier", "variant", "change"),
    [
        *(
            (f"SW-{number}", "documented", change)
            for number in (1, 2, 5, 11, 12, 13)
            for change in (replaced_one, lost_one)
        ),
        ("SW-14", "marked", unanswered),
        ("SW-14", "marked-forked", replaced_one),
        ("SW-7", "documented", to_one),
        ("SW-7", "many-requests", replaced_one),
        ("SW-7", "one-worker", to_two),
        *(
            (f"SW-{number}", "documented", change)
            for number in (3, 4, 9, 10, 15)
            for change in (replaced_one, lost_one)
        ),
        ("SW-6", "async", silent),
        ("SW-8", "quick", no_threads),
        ("SW-8", "quick", lambda o: [phase.pop("target", None) for phase in o["phases"]]),
        ("SW-16", "quick", taken),
        ("SW-16", "own-socket", in_pairs),
        ("SW-16", "busy", free),
        ("SW-17", "accept-one", cut_short),
        ("SW-17", "accept-one", in_pairs),
    ],
)
def test_a_trial_that_provoked_nothing_does_not_count(
    found: Scenario, identifier: str, variant: str, change: Callable[[dict[str, Any]], Any]
) -> None:
    """One fact changed, so that what the claim is about did not happen in one variant that it needs."""
    ((experiment, claim),) = [(e, c) for e in found.experiments.values() for c in e.claims if c.id == identifier]
    observation = recorded(experiment.name)[variant]
    trial = TrialRecord(experiment.name, variant, 1, {}, observation)
    assert count(claim, [trial]).trials == 1
    change(observation)
    total = count(claim, [trial])
    assert (total.trials, total.not_exercised, total.errors) == (0, 1, ())
    decision = decide(claim, {variant: total})
    assert decision.verdict == "inconclusive" and f"{variant} was not exercised" in decision.why


@pytest.mark.parametrize("worker", ["replaced", "being replaced"])
def test_a_tree_in_the_middle_of_a_replacement_refutes_nothing(found: Scenario, worker: str) -> None:
    """The parent had killed a worker that took too long to start: SW-3 is inconclusive, not refuted."""
    trials = [TrialRecord("tree", variant, 1, {}, o) for variant, o in recorded("tree").items()]
    seen = next(dict(trial.observation) for trial in trials if trial.variant == "documented")
    child = next(child for child in seen["children"] if child["kind"] == "spawn_main")
    others = [one for one in seen["children"] if one is not child]
    seen["children"] = [*others, child | {"pid": 99}] if worker == "being replaced" else others
    trials = [trial for trial in trials if trial.variant != "documented"]
    verdict = judge(found, "changed", [*trials, TrialRecord("tree", "documented", 1, {}, seen)])
    claim = verdict.claim("SW-3")
    assert claim is not None
    assert (claim.verdict, "documented was not exercised" in claim.why) == ("inconclusive", True)


def test_the_look_waits_until_no_worker_is_being_replaced(settling: ModuleType) -> None:
    """All have said that they are up, but one has died since: only with its replacement is the tree whole."""
    stack = Starts([11, 12, 13], WORKERS="3", RELOAD="False")
    stack.lines.append("INFO: Child process [12] died")
    stack.alive.remove(12)
    stack.later = [14]
    assert settling.wait_settled(stack) == [11, 13, 14]
    assert settling.serving(stack) == [11, 13, 14]
    stack.kill("app", [13])
    assert settling.serving(stack) == [11, 14, 15]


def test_a_worker_that_the_parent_has_given_up_does_not_serve(settling: ModuleType) -> None:
    """Its process may still be there when the log tells that it died."""
    stack = Starts([11, 12], WORKERS="2", RELOAD="False")
    stack.lines.append("INFO: Child process [12] died")
    assert settling.serving(stack) == [11]
    assert [settling.wanted({"RELOAD": reload, "WORKERS": "3"}) for reload in ("True", "False")] == [1, 3]
