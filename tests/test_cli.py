"""The command line: its messages and exit statuses."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cases import COMPOSE, EXPERIMENT, ROOT, lay_out, recorded_run, trial, trials, write_run_json
from click.testing import CliRunner, Result
from reprolab.cli import common, machine, main, make_words
from reprolab.core.errors import EngineError, Exit
from reprolab.evidence import lookup, run_dir


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty checkout; restores the signal handling afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


def lab(*arguments: str) -> Result:
    """Call the command line."""
    return CliRunner().invoke(main.main, list(arguments))


def run_of(root: Path, **shown: str) -> str:
    """A run of the small scenario on disk, with these trials; its path."""
    run = lookup.create_run(root, "blink")
    write_run_json(run, started="2026-01-02", status="complete", plan=[])
    for record in trials(**shown):
        run.append(record)
    return str(run.path)


# -- usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["run", "blnk"], ["no scenario 'blnk' (did you mean blink?)", "expected: one of blink"]),
        (["run", "blink/lmap"], ["blink has no experiment 'lmap'", "expected: one of lamp"]),
        (["run", "blink", "--variant", "new"], ["no variant 'new'", "expected: one of documented, old"]),
        (["run", "blink", "--set", "RELAESE=1"], ["no factor RELAESE (did you mean RELEASE?)", "WORKERS (2)"]),
        (["run", "blink", "--set", "RELEASE"], ["--set 'RELEASE'", "expected: FACTOR=VALUE"]),
        (["run", "blink", "--set", "=1"], ["--set '=1'", "expected: FACTOR=VALUE"]),
        *(
            ([*command, "--set", "WORKERS=1", "--set", "WORKERS=2"], ["WORKERS is set twice: to '1' and to '2'"])
            for command in (
                ["run", "blink"],
                ["up", "blink"],
                ["shrink", "blink"],
                ["matrix", "blink", "--over", "RELEASE=1.0,0.9"],
                ["bisect", "blink", "--factor", "RELEASE"],
            )
        ),
        (["run", "blink", "--set", "WORKERS=1", "--variant", "old"], ["expected: one of the two"]),
        (["run", "blink", "--set", "TRIAL=1", "--variant", "old"], ["blink has no factor TRIAL"]),
        (["run", "blink", "--jobs", "2"], ["two at once would disturb each other", "expected: --jobs 1"]),
        (["run", "blink", "--trials", "0"], ["Invalid value for '--trials'", "x>=1"]),
        (["run", "blink", "--trials", "many"], ["'many' is not a valid integer"]),
        (["run", "blink", "--budget", "5"], ["Invalid value for '--budget'", "expected seconds, minutes or hours"]),
        (["run", "blink", "--budget", "0m"], ["'0m' is no duration"]),
        (["run", "blink", "--confidence", "100"], ["Invalid value for '--confidence'", "50<x<100"]),
        (["run", "blink", "--seed", "-1"], ["Invalid value for '--seed'", "x>=0"]),
        (["run"], ["Missing argument 'SCENARIO[/EXPERIMENT]'"]),
        (["rnu", "blink"], ["No such command 'rnu'", "reprolab: exit status 2 (usage)"]),
        (["--nope"], ["No such option", "reprolab: exit status 2 (usage)"]),
        (["judge", "blink"], ["no run 'blink'", "expected: a run directory, SCENARIO/STAMP, or SCENARIO"]),
        (["accept", "nowhere"], ["no run 'nowhere'"]),
        (["up", "blink", "--set", "RELAESE=1"], ["no factor RELAESE (did you mean RELEASE?)"]),
        (["export", "blnk"], ["no scenario 'blnk' (did you mean blink?)"]),
        (["export", "blink"], ["scenarios/blink/reproducer.yaml is missing", "docs/authoring.md"]),
        (["new-scenario", "Bad Name"], ["'Bad Name' is no scenario name", "expected:"]),
        (["new-scenario", "blink"], ["scenarios/blink is there already"]),
    ],
)
def test_usage_errors(home: Path, arguments: list[str], texts: list[str]) -> None:
    """Each ends with status 2, before an engine is looked for, and names the expected values."""
    lay_out(home)
    result = lab(*arguments)
    assert result.exit_code == Exit.USAGE, result.output
    for text in texts:
        assert text in result.output
    assert "Traceback" not in result.output


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """Call make in the checkout, without its set-up."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "REPROLAB"))}
    return subprocess.run(["make", "-o", "setup", *words], cwd=ROOT, env=kept, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("target", "lacks", "example"),
    [
        ("judge", "no RUN is given", "RUN=socket-vanish"),
        ("html", "no RUN is given", "RUN=socket-vanish"),
        ("accept", "no RUN is given", "RUN=socket-vanish"),
        ("compare", "nothing to compare is given", "RUN=socket-vanish A=documented B=gunicorn-19.5.0"),
        ("new-scenario", "no NAME is given", "NAME=my-case"),
        ("diagnose", "no LOG is given", "LOG=app.log"),
    ],
)
def test_make_says_which_variable_is_missing(target: str, lacks: str, example: str) -> None:
    """The message has make's words: a user of make has no use for reprolab's usage line."""
    done = make(target)
    assert done.returncode == Exit.USAGE
    assert done.stderr.startswith(f"make {target}: {lacks}\n  expected: ")
    assert f"\n  to do:    make {target} {example}\n" in done.stderr


def test_the_targets_with_a_scenario_are_those_of_the_makefile() -> None:
    """So that a mistyped one is met whichever it is."""
    targets = re.findall(r"^\$\(addprefix ([a-z]+)-,\$\(SCENARIOS\)\):", (ROOT / "Makefile").read_text(), re.M)
    assert sorted(make_words.OF_SCENARIOS) == sorted(targets)


@pytest.mark.parametrize("prefix", make_words.OF_SCENARIOS)
def test_make_says_which_target_was_meant(prefix: str) -> None:
    """A mistyped scenario runs nothing; the recipes of existing ones are unchanged."""
    target = f"{prefix}-soket-vanish"
    assert f".venv/bin/reprolab no-target '{target}' " in make("-n", target).stdout
    assert "no-target" not in make("-n", f"{prefix}-socket-vanish").stdout
    result = CliRunner().invoke(main.main, ["no-target", target], env={"REPROLAB_ROOT": str(ROOT)})
    assert result.exit_code == Exit.USAGE
    assert f"no target {target!r} (did you mean {prefix}-socket-vanish?)" in result.output
    assert f"to do:    make {prefix}-socket-vanish\n" in result.output
    assert "no-target" not in make("help").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["demo"], "no target 'demo'\n  expected: one of demo-"),
        (["lst"], "no target 'lst' (did you mean list?)"),
        (["tests"], "no target 'tests' (did you mean test?)"),
        (["dmeo-socket-vanish"], "no target 'dmeo-socket-vanish' (did you mean demo-socket-vanish?)"),
        (["scenario-socket-vanish", "TRIAL=2"], "no factor TRIAL (did you mean TRIALS?)"),
        (["scenario-socket-vanish", "VARIANTS=documented"], "no factor VARIANTS (did you mean VARIANT?)"),
        (["scenario-socket-vanish", "gunicorn=19.5.0"], "no factor gunicorn (did you mean GUNICORN?)"),
        (["scenario-socket-vanish", "TRIALS=many"], "Invalid value for TRIALS: 'many'"),
        (["up-socket-vanish", "TRIALS=2"], "up-socket-vanish takes no TRIALS\n  expected: AS, ARGS, factors"),
        (["down-socket-vanish", "GUNICORN=19.5.0"], "down-socket-vanish takes no GUNICORN\n  expected: AS, ARGS"),
        (["bugreport-socket-vanish", "VARIANT=documented"], "takes no VARIANT\n  expected: RUN, FROM, ARGS"),
        (["scenario-socket-vanish", "GUNICORN=1", "WORKERS=a b", "GUNICORN=2"], "vanish: GUNICORN is given twice\n"),
        (["up-socket-vanish", "ARGS=--set WORKERS=1", "WORKERS=2"], "WORKERS is set twice: to '2' and to '1'"),
        (["lint", "WORD=1"], "make lint takes no WORD\n  expected: no variable"),
        (["judge", "RUN=socket-vanish", "ARGS=--nope"], "No such option"),
        (["judge", "RUN=a b"], "no run 'a b'"),
        (["demo-socket-vanish", "AUTO=-1"], "Invalid value for AUTO: '-1'; expected: seconds to the next step"),
        (["logs-socket-vanish", "AS=a'b"], 'AS="a\'b" is no name of a stack'),
    ],
)
def test_mistyped_words_of_make(words: list[str], said: str, tmp_path: Path) -> None:
    """A word that no target takes ends with status 2 and says what was meant; nothing is ignored, nothing is run."""
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    (tmp_path / "tests").mkdir()
    (bin_directory / "python").symlink_to(sys.executable)
    lab = bin_directory / "reprolab"
    lab.write_text(f"#!{sys.executable}\nfrom reprolab.cli.main import main\nmain(prog_name='reprolab')\n")
    lab.chmod(0o755)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (tmp_path / "Makefile").write_text(
        makefile.replace("BIN := .venv/bin", f"BIN := {bin_directory}")
        .replace("@$(INTERPRETER) scripts/bootstrap", "@:")
        .replace("$(wildcard scenarios", f"$(wildcard {ROOT}/scenarios"),
        encoding="utf-8",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "REPROLAB"))}
    environ = kept | {"REPROLAB_ROOT": str(ROOT), "REPROLAB_RESULTS": str(tmp_path / "results")}
    environ["PYTHONPATH"] = str(ROOT / "scripts")
    done = subprocess.run(["make", *words], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert said in done.stderr
    assert "reprolab: exit status 2 (usage)" in done.stderr
    assert done.returncode == Exit.USAGE
    kept_status = tmp_path / "results" / "last-status"
    assert kept_status.exists() is (words[0] != "lint") and (words[0] == "lint" or kept_status.read_text() == "2\n")


def test_values_with_spaces_are_one_word() -> None:
    """A path and a name may have spaces and quotes."""
    words = shlex.split(make("-n", "compare", "RUN=a b", "A=it's", "HTML=c d.html").stdout)
    assert words == [".venv/bin/reprolab", "compare", "a b", "it's", "--html", "c d.html"]


def test_make_hands_the_junit_file_over() -> None:
    """To a run and to a judgement."""
    for target, words in (("scenario-socket-vanish", ()), ("judge", ("RUN=socket-vanish",))):
        assert "--junit 'a b.xml'" in make("-n", target, *words, "JUNIT=a b.xml").stdout


def test_make_help_has_colours_only_on_a_terminal() -> None:
    """A pipe gets plain text."""
    assert "\x1b" not in make("help").stdout


def test_the_last_line_names_the_status(home: Path) -> None:
    """make turns every failure into 2, so the last line gives the status in words."""
    lay_out(home)
    assert lab("run", "blnk").output.rstrip().endswith("reprolab: exit status 2 (usage)")


def test_a_malformed_scenario_is_a_usage_error(home: Path) -> None:
    """`list` names the file and the error in it."""
    lay_out(home, lamp=EXPERIMENT.replace("TRIALS = 3", "TRIALS = 0"))
    result = lab("list")
    assert result.exit_code == Exit.USAGE
    assert "scenarios/blink/lamp.py: TRIALS is 0" in result.output


def test_no_checkout(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong REPROLAB_ROOT is an error that says what is expected."""
    result = lab("list")
    assert result.exit_code == Exit.USAGE
    assert "expected: a folder with scenarios/ and compose.yaml, or REPROLAB_ROOT=DIR" in result.output


def test_the_checkout_is_found_from_below(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From any directory inside it."""
    directory = lay_out(home)
    monkeypatch.delenv("REPROLAB_ROOT")
    monkeypatch.chdir(directory)
    assert common.project_root() == home


def test_the_help_lists_the_exit_statuses() -> None:
    """Each with its meaning."""
    text = " ".join(lab("--help").output.split())
    for status, words in ((0, "as recorded"), (1, "drift"), (2, "usage"), (3, "inconclusive"), (4, "the lab failed")):
        assert f"{status} {words}" in text or f"{status} verdicts {words}" in text
    assert "130 interrupted" in text


def test_list_shows_what_can_be_asked(home: Path) -> None:
    """Scenarios with their titles, factors with the documented values, experiments with their variants."""
    lay_out(home)
    result = lab("list")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "blink  a server that blinks",
        "  factors:  RELEASE=1.0, WORKERS=2",
        "  lamp: documented, old",
    ]


def test_list_may_be_limited(home: Path) -> None:
    """To scenarios of a server, of a kind, or with a part of a name; words that fit none name those that exist."""
    lay_out(
        home, compose=COMPOSE.replace("x-reprolab:\n", "x-reprolab:\n  server: uWSGI\n  kind: [hang, lost request]\n")
    )
    for words in (["uwsgi"], ["hang", "bli"], ["lost request"], ["lost", "request"]):
        lines = lab("list", *words).stdout.splitlines()
        assert lines[:2] == ["blink  a server that blinks", "  about:    uWSGI: hang, lost request"]
    result = lab("list", "uwsgi", "leak")
    assert result.exit_code == 2
    assert "no scenario for uwsgi leak" in result.stderr and "words of hang, lost request, uwsgi" in result.stderr


# -- errors become statuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (EngineError("no engine", advice="start it"), 4, "reprolab: no engine\n  to do:    start it"),
        (KeyboardInterrupt(), 130, "the evidence so far is kept"),
        (ZeroDivisionError("oops"), 4, "ZeroDivisionError: oops"),
        (KeyError("scenario"), 4, "an error in the lab itself"),
    ],
)
def test_errors_become_statuses(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, message: str
) -> None:
    """No error ends with 1, which means drift; for an error of the lab the traceback is printed."""

    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(machine, "ensure_engine", fail)
    result = lab("doctor")
    assert result.exit_code == status
    assert message in result.output
    assert f"exit status {status}" in result.output.splitlines()[-1]


def test_sigterm_is_an_interrupt() -> None:
    """SIGTERM removes the stack as Ctrl-C does."""
    lab("list")
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("soft", "hard", "status"), [(32, 32, 4), (32, 4096, 0)])
def test_few_open_files(soft: int, hard: int, status: int) -> None:
    """Too few would fail in the middle of a run, and its stack would stay: nothing starts. A soft limit is raised."""
    program = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))"
    code = f"{program}; import sys; sys.argv = ['reprolab', 'list']; from reprolab.cli.main import main; main()"
    env = {**os.environ, "REPROLAB_ROOT": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert ("only 32 open files" in done.stderr and "ulimit -n 1024" in done.stderr) is (status == 4)


def test_a_library_that_panics_is_no_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic in Rust is no Exception in Python."""

    class PanicException(BaseException):
        pass

    def panic(*_: Any) -> None:
        raise PanicException("failed to create a stream")

    monkeypatch.setattr(machine, "ensure_engine", panic)
    result = lab("doctor")
    assert result.exit_code == 4 and "an error in the lab itself" in result.output


# -- judge, accept, docs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "shown", "status"),
    [
        (None, {"documented": "+++", "old": "---"}, 0),
        ("confirmed", {"documented": "+++", "old": "---"}, 0),
        ("confirmed", {"documented": "---", "old": "---"}, 1),
        ("confirmed", {"documented": "xxx", "old": "---"}, 3),
    ],
)
def test_judge_ends_with_the_runs_status(home: Path, recorded: str | None, shown: dict[str, str], status: int) -> None:
    """0 as recorded, 1 drift, 3 inconclusive, from files alone."""
    directory = lay_out(home)
    if recorded:
        content = {"claims": [{"id": "B-1", "verdict": recorded}], "host": {"kernel": "6.1"}}
        (directory / "recorded.json").write_text(json.dumps(content))
    result = lab("judge", run_of(home, **shown))
    assert result.exit_code == status, result.output
    assert ("DRIFT from the recorded verdict: B-1" in result.output) is (status == 1)
    assert ("differs: kernel: recorded 6.1, now —" in result.output) is (status == 1)


def test_answer_and_verdict_as_json(home: Path) -> None:
    """The answer comes first, nothing else is on standard output, and all files begin with the same sentence."""
    lay_out(home)
    path = Path(run_of(home, documented="+++", old="---"))
    result = lab("judge", str(path), "--json")
    content = json.loads(result.stdout)
    assert list(content)[:2] == ["answer", "schema"]
    sentence = content["answer"]["sentence"]
    assert sentence == "Reproduced: “It blinks since 1.0” (in documented 3/3, in old 0/3)."
    assert content["answer"]["kind"] == "Reproduced" and content["answer"]["claim"] == "B-1"
    verdict = json.loads((path / "verdict.json").read_text())
    assert {key: content[key] for key in verdict} == verdict
    assert (path / "report.txt").read_text(encoding="utf-8").startswith(f"{sentence}\n")
    assert (path / "report.md").read_text(encoding="utf-8").startswith(f"**{sentence}**\n")
    assert lab("judge", str(path)).output.startswith(f"{sentence}\n")


def test_the_host_is_printed_when_it_is_asked_for(home: Path) -> None:
    """Notes, base images and host are in report.txt; -v prints them too."""
    lay_out(home)
    path = run_of(home, documented="+++", old="---")
    assert "document: “doc-1”" not in lab("judge", path).output
    assert "document: “doc-1”" in lab("judge", path, "-v").output


def test_judging_again_gives_the_same_file(home: Path) -> None:
    """Byte for byte; the report names no directory of this machine."""
    lay_out(home)
    path = Path(run_of(home, documented="++x", old="---"))
    first, second = ((lab("judge", str(path)), (path / "verdict.json").read_bytes())[1] for _ in range(2))
    assert first == second
    assert str(home) not in (path / "report.txt").read_text(encoding="utf-8")


def test_html_writes_the_page_again(home: Path) -> None:
    """From files alone, also for a run that was never judged; the page names no directory of this machine."""
    lay_out(home)
    path = Path(run_of(home, documented="+++", old="---"))
    result = lab("html", str(path))
    assert result.exit_code == 0, result.output
    assert result.output == f"written: {path / 'report.html'}\n"
    text = (path / "report.html").read_text(encoding="utf-8")
    assert "1 confirmed" in text
    assert str(home) not in text
    assert not (path / "verdict.json").exists(), "html must not judge the run"
    missing = lab("html", "nowhere")
    assert missing.exit_code == Exit.USAGE
    assert "no run 'nowhere'" in missing.output


def test_judge_updates_an_existing_page(home: Path) -> None:
    """A run with a page gets a new one; a run without a page gets none."""
    lay_out(home)
    path = Path(run_of(home, documented="+", old="-"))
    lab("judge", str(path))
    assert not (path / "report.html").exists()
    lab("html", str(path))
    run_dir.RunDirectory(path).append(trial("old", shown=True, number=2))
    assert lab("judge", str(path)).exit_code == 0
    assert "1 intermittent" in (path / "report.html").read_text(encoding="utf-8")


def test_a_run_with_a_torn_line_is_judged(home: Path) -> None:
    """If the machine stopped while a line was written, only that trial is lost."""
    lay_out(home)
    path = Path(run_of(home, documented="++", old="--"))
    with (path / "trials.jsonl").open("ab") as stream:
        stream.write(b'{"experiment": "lamp", "variant": "old", "tri')
    assert lab("judge", str(path)).exit_code == 0
    assert json.loads((path / "verdict.json").read_text())["variants"]["old"]["trials"] == 2


def test_a_broken_run_json_is_named(home: Path) -> None:
    """The message names the file and the error, without a traceback."""
    lay_out(home)
    path = Path(run_of(home))
    (path / "run.json").write_text("{")
    result = lab("judge", str(path))
    assert result.exit_code == Exit.USAGE
    assert f"{path / 'run.json'} is not JSON" in result.output


def test_judge_needs_no_docker(tmp_path: Path) -> None:
    """Without docker on the PATH and without an engine, a real run is judged twice, with the same verdict."""
    run = recorded_run(tmp_path / "results", "whole")
    (tmp_path / "bin").mkdir()
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DOCKER")},
        "PATH": str(tmp_path / "bin"),
        "DOCKER_HOST": "tcp://127.0.0.1:1",
        "REPROLAB_ROOT": str(ROOT),
        "PYTHONPATH": str(ROOT / "scripts"),
    }
    verdicts = []
    for _ in range(2):
        command = [sys.executable, "-m", "reprolab.cli.main", "judge", str(run.path)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode in (Exit.AS_RECORDED, Exit.DRIFT), done.stdout + done.stderr
        assert "SV-1" in done.stdout
        verdicts.append((run.path / "verdict.json").read_bytes())
    assert verdicts[0] == verdicts[1]
    assert len(json.loads(verdicts[0])["claims"]) >= 12


def test_accept_records_and_writes_the_pages(home: Path) -> None:
    """It names the files that it wrote; `docs --check` succeeds afterwards."""
    lay_out(home)
    page = home / "README.md"
    page.write_text("<!-- generated: claims/blink -->\n<!-- end -->\n")
    run = run_of(home, documented="+++", old="---")
    plan = [{"experiment": "lamp", "variant": name} for name in ("documented", "old")]
    host = {"kernel": "6", "engine": "20", "compose": "2", "cpus": 1, "cpu": "x"}
    write_run_json(run_dir.RunDirectory(Path(run)), started="2026-01-02", status="complete", plan=plan, host=host)
    assert lab("docs", "--check").exit_code == Exit.USAGE
    result = lab("accept", run)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == ["recorded: scenarios/blink/recorded.json", "written:  README.md"]
    assert "**confirmed**" in page.read_text()
    assert lab("docs", "--check").exit_code == 0


def test_docs_check_names_the_page_and_the_remedy(home: Path) -> None:
    """It changes nothing."""
    lay_out(home)
    (home / "README.md").write_text("<!-- generated: scenarios -->\n<!-- end -->\n")
    result = lab("docs", "--check")
    assert result.exit_code == Exit.USAGE
    assert "out of date: README.md" in result.output
    assert "run `reprolab docs` and commit the result" in result.output
    assert lab("docs").output == "written: README.md\n"
    assert lab("docs", "--check").output == ""


def test_an_observation_that_changes_changes_the_verdict(home: Path) -> None:
    """Judging reads trials.jsonl each time, not the earlier verdict."""
    lay_out(home)
    run = run_dir.RunDirectory(Path(run_of(home, documented="+", old="-")))
    assert "1 confirmed" in lab("judge", str(run.path)).output
    run.append(trial("old", True, 2))
    assert "1 intermittent" in lab("judge", str(run.path)).output


def test_nothing_is_up(home: Path) -> None:
    """`down` succeeds; `logs` says how to bring a stack up. Neither needs an engine."""
    lay_out(home)
    assert lab("down", "blink").exit_code == 0
    result = lab("logs", "blink")
    assert result.exit_code == Exit.USAGE
    assert "reprolab up blink" in result.output
    shutil.rmtree(home / "scenarios")


def test_commands_that_draw_nothing_do_not_load_the_drawing_library() -> None:
    """It takes a quarter of a second, more than all else that `list` needs."""
    modules = sorted({f"reprolab.cli.{module}" for module, _ in main.COMMANDS.values()})
    program = f"import sys, {', '.join(modules)}; print('altair' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
