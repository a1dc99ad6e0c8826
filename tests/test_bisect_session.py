"""A bisect from the question to its documents, and the command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cases import COMPOSE, ROOT, claim, in_memory, lay_out, load, write_run_json
from click.testing import CliRunner, Result
from repositories import Repository
from reprolab.bisect.document import read_document
from reprolab.bisect.measuring import POINTS
from reprolab.bisect.plan import plan_lines
from reprolab.bisect.question import Question, ascending, check
from reprolab.bisect.search import Rules
from reprolab.bisect.session import Session, SourceCheckout
from reprolab.cli import bisect as command
from reprolab.cli import main
from reprolab.core.errors import Exit, LabError, UsageError
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import ABORTED, COMPLETE, FAILED
from reprolab.measure.asked import choose_claim
from reprolab.measure.axis import Axis, Value
from reprolab.measure.cell import Cell
from reprolab.measure.known_values import KnownValues
from reprolab.scenario.model import Scenario
from simulated_bisect import RATES, Simulated

TRUTH = "gggggBBBBBggg"

RANGED = COMPOSE.replace("  document:", "  ranges: {RELEASE: ['0.9', '1.0']}\n  document:")


def axis(truth: str = TRUTH, *, ordered: bool = True, package: str = "blinker") -> Axis:
    """A release for each letter: 1.1, 1.2 and so on; the documented one, 1.0, is not among them."""
    values = [Value(f"1.{number}", f"2020-01-{number:02d}") for number in range(1, len(truth) + 1)]
    return Axis("RELEASE", tuple(values), ordered, package, ("left out: 1 pre-release (1.0rc1)",))


def lab(truth: str = TRUTH, **options: Any) -> Simulated:
    """The measurer of these releases."""
    return Simulated({f"1.{n}": RATES[letter] for n, letter in enumerate(truth, 1)}, **options)


def question(scenario: Scenario, truth: str = TRUTH, **changes: Any) -> Question:
    """The question where the lamp blinks."""
    experiment, chosen = choose_claim(scenario, "", "")
    return Question(scenario, experiment, chosen, axis(truth), changes.pop("fixed", {}), Rules(), **changes)


def session(tmp_path: Path, asked: Question, **options: Any) -> Session:
    """A session that writes below the directory of the test."""
    return Session(asked, tmp_path / "bisect", tmp_path, lambda text: None, **options)


# -- the question --------------------------------------------------------------------------------


def test_the_cell_of_a_value_has_the_settings_and_what_these_need(tmp_path: Path) -> None:
    """What a value needs is a companion, unless the user set it or it is the documented value."""

    def complete(settings: Mapping[str, str]) -> dict[str, str]:
        return {**settings, "WORKERS": "4" if settings["RELEASE"] in ("1.2", "1.3") else "2"}

    asked = question(load(tmp_path), "ggg", complete=complete)
    assert [cell.words for cell in asked.cells()] == ["RELEASE=1.1", "RELEASE=1.2 WORKERS=4", "RELEASE=1.3 WORKERS=4"]
    assert [point.companions for point in asked.points()] == [{}, {"WORKERS": "4"}, {"WORKERS": "4"}]
    assert asked.points({"1.1": "a note"})[0].note == "a note"
    fixed = question(load(tmp_path / "fixed"), "g", fixed={"WORKERS": "3"})
    assert fixed.cells()[0].words == "RELEASE=1.1 WORKERS=3" and fixed.points()[0].companions == {}


def test_the_claim_is_the_main_one_or_that_with_the_id(tmp_path: Path) -> None:
    """Where there are several and no main one, it must be named."""
    several = in_memory(claim("B-1"), claim("B-2"))
    assert choose_claim(several, "lamp", "B-2")[1].id == "B-2"
    with pytest.raises(UsageError, match=r"no main claim.*\n.*--claim ID, one of B-1, B-2"):
        choose_claim(several, "", "")
    with pytest.raises(UsageError, match=r"--claim B-3: blink has no such claim \(did you mean"):
        choose_claim(several, "", "B-3")
    with pytest.raises(UsageError, match="no experiment 'lmp' \\(did you mean lamp\\?\\)"):
        choose_claim(several, "lmp", "")
    assert choose_claim(load(tmp_path), "", "")[1].id == "B-1"


def test_what_cannot_be_bisected_is_refused(tmp_path: Path) -> None:
    """Values without an order, and a factor that is set beside its range."""
    scenario = load(tmp_path)
    check(axis(), scenario, {"WORKERS": "3"})
    with pytest.raises(UsageError, match=r"RELEASE: 1\.1, 1\.2, 1\.3 and others are in no order"):
        check(axis(ordered=False), scenario, {})
    with pytest.raises(UsageError, match="is the factor of the bisect, and set to 1 as well"):
        check(axis(), scenario, {"RELEASE": "1"})
    with pytest.raises(UsageError, match="no factor WROKERS"):
        check(axis(), scenario, {"WROKERS": "3"})


def test_the_oldest_value_comes_first() -> None:
    """First bad and fixed are words of time; a list without versions stays as it is."""
    assert [value.text for value in ascending(replace(axis("ggg"), values=axis("ggg").values[::-1])).values] == [
        "1.1",
        "1.2",
        "1.3",
    ]
    named = Axis("X", (Value("b"), Value("a")), ordered=True)
    assert ascending(named) is named


def test_a_factor_alone_is_the_range_from_its_first_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no pre-release. A factor without a range is refused, and so is an unknown one."""
    asked: list[str] = []
    monkeypatch.setattr(command, "read_axis", lambda root, scenario, factor, text: asked.append(text) or axis())
    known = KnownValues("release", (Value("0.1rc1"), Value("0.1"), Value("1.0")), left_out={0: "pre-release"})
    monkeypatch.setattr(command, "known_values", lambda root, scenario, factor, releases: known)
    scenario = load(tmp_path, compose=RANGED)
    command._axis(tmp_path, scenario, "RELEASE")
    command._axis(tmp_path, scenario, "RELEASE=0.9..1.0")
    with pytest.raises(UsageError, match="WORKERS of blink has no range, and no values are given"):
        command._axis(tmp_path, scenario, "WORKERS")
    with pytest.raises(UsageError, match=r"^--factor: blink has no factor RELEAS \(did you mean RELEASE"):
        command._axis(tmp_path, scenario, "RELEAS")
    assert asked == ["0.1..", "0.9..1.0"]


# -- a session -----------------------------------------------------------------------------------


def test_a_session_writes_its_documents(tmp_path: Path) -> None:
    """Complete, with the host and the base images of its first evidence."""
    evidence = RunDirectory(tmp_path / "cells" / "blink" / "1.1")
    evidence.path.mkdir(parents=True)
    write_run_json(evidence, host={"kernel": "6.1"}, bases={"python": {"detail": "python was here"}})
    bisect = session(tmp_path, question(load(tmp_path / "root")))
    measurer = lab()
    inner = measurer._result
    measurer._result = lambda cell, trials: _move(inner(cell, trials), tmp_path)  # type: ignore[method-assign]
    document = bisect.execute(measurer)
    assert document == read_document(bisect.directory)
    assert document.status == COMPLETE and document.ended == ""
    assert document.host.kernel == "6.1" and document.bases == ("python was here",)
    assert document.points[0].evidence == "cells/blink/1.1"
    assert {path.name for path in bisect.directory.iterdir()} == {
        "bisect.json",
        "report.txt",
        "report.md",
        "report.html",
    }


def test_the_note_on_hosts_is_of_the_trials_that_count(tmp_path: Path) -> None:
    """Not of all that lie in the directory of a cell: those of before may not count, and it may be damaged."""
    (tmp_path / "cells" / "blink" / "1.1" / "trials.jsonl").mkdir(parents=True)
    measurer = lab()
    inner = measurer._result

    def of_two_hosts(cell: Cell, trials: int) -> Any:
        result = _move(inner(cell, trials), tmp_path)
        hosts = [replace(r, machine={"host": f"lab{r.trial % 2}"}) for r in result.records]
        return replace(result, records=tuple(hosts))

    measurer._result = of_two_hosts  # type: ignore[method-assign]
    document = session(tmp_path, question(load(tmp_path / "root"))).execute(measurer)
    assert any("B-1 does not depend on the host" in note for note in document.notes)
    assert any("trials ran on lab1, lab0; the machine below" in note for note in document.notes)


def _move(result: Any, results: Path) -> Any:
    return replace(result, directory=results / "cells" / "blink" / result.cell.settings["RELEASE"])


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), ABORTED), (LabError("the engine is gone"), FAILED), (UsageError("refused"), FAILED)],
)
def test_what_was_measured_before_an_error_is_kept(tmp_path: Path, error: BaseException, status: str) -> None:
    """In all documents; the error passes through."""
    calls = iter([None, None, error])

    def fails() -> None:
        if raised := next(calls):
            raise raised

    bisect = session(tmp_path, question(load(tmp_path / "root")))
    with pytest.raises(type(error)):
        bisect.execute(lab(fails=fails))
    document = read_document(bisect.directory)
    assert document.status == status and sum(point.measured for point in document.points) == 2
    assert f"This bisect is {status}" in (bisect.directory / "report.md").read_text()


def test_an_ended_budget_is_in_the_document(tmp_path: Path) -> None:
    """With nothing measured, if it was used before the first batch."""
    bisect = session(tmp_path, question(load(tmp_path / "root")), budget=0.0)
    assert bisect.execute(lab()).ended == "budget"
    assert "Nothing is known" in (bisect.directory / "report.txt").read_text()


def test_each_batch_is_on_disk_before_the_next(tmp_path: Path) -> None:
    """So that a killed bisect has left what it measured."""
    seen = []
    bisect = session(tmp_path, question(load(tmp_path / "root")))

    def look() -> None:
        path = bisect.directory / "bisect.json"
        seen.append(sum(point.measured for point in read_document(path.parent).points) if path.exists() else 0)

    bisect.execute(lab(fails=look))
    assert seen[:3] == [0, 2, 2] and seen[-1] >= 6


# -- over commits --------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Repository:
    """Two releases, 1.5 and 1.6, with four commits between; the one after 1.10 has no tag."""
    repository = Repository(tmp_path / "source")
    repository.commit("begin", "1.5")
    for number in range(1, 4):
        repository.commit(f"change {number}")
    repository.commit("release", "v1.6")
    repository.commit("later", "1.10")
    return repository


class Commits(Simulated):
    """Releases by their rates; of the commits after 1.5, those from the third on show the sign."""

    def measure(self, wanted: Mapping[Any, int], claims: Any) -> Any:
        for cell in wanted:
            value = cell.settings["RELEASE"]
            if "+" in value:
                self.rates[value] = float(int(value.split("+")[1].split(".")[0]) >= 2)  # type: ignore[index]
        return super().measure(wanted, claims)


def test_the_commits_of_each_change_are_searched(tmp_path: Path, source: Repository) -> None:
    """The first bad one with its subject; a change whose release has no tag is an error at the end."""
    truth = "gggggBBBBB"
    measurer = Commits({f"1.{n}": RATES[letter] for n, letter in enumerate(truth, 1)})
    bisect = session(tmp_path, question(load(tmp_path / "root"), truth))
    packages: dict[str, Any] = {}
    document = bisect.execute(measurer, SourceCheckout(source.path, packages))
    (search,) = document.deep
    assert search.tags == ("1.5", "v1.6") and len(search.points) == 5 and not search.forked
    bad = [point.note for point in search.points if point.measured and point.shown]
    assert bad[0] == "change 2" and {package.name for package in packages.values()} == {"blinker"}
    assert "Last good: 1.5+1.g" in (bisect.directory / "report.md").read_text()
    assert read_document(bisect.directory) == document


def test_a_release_without_a_tag_is_an_error_after_all_was_kept(tmp_path: Path, source: Repository) -> None:
    """The first change has its commits; of the second one the message names the tags that are there."""
    truth = "gggggBBBBBggg"
    measurer = Commits({f"1.{n}": RATES[letter] for n, letter in enumerate(truth, 1)})
    bisect = session(tmp_path, question(load(tmp_path / "root"), truth))
    with pytest.raises(UsageError, match=r"no tag for 1\.11\n.*there are 1\.10, 1\.5, v1\.6"):
        bisect.execute(measurer, SourceCheckout(source.path, {}))
    document = read_document(bisect.directory)
    assert document.status == COMPLETE and len(document.deep) == 1


def test_an_interrupt_keeps_the_commits_so_far(tmp_path: Path, source: Repository) -> None:
    """The releases are complete by then."""
    truth = "gggggBBBBB"
    measurer = Commits({f"1.{n}": RATES[letter] for n, letter in enumerate(truth, 1)})
    bisect = session(tmp_path, question(load(tmp_path / "root"), truth))

    def fails() -> None:
        if len([call for call in measurer.calls for value in call if "+" in value]) > 6:
            raise KeyboardInterrupt

    measurer.fails = fails
    with pytest.raises(KeyboardInterrupt):
        bisect.execute(measurer, SourceCheckout(source.path, {}))
    document = read_document(bisect.directory)
    assert document.status == ABORTED and len(document.deep) == 1
    assert any(point.measured for point in document.deep[0].points)


# -- the plan and the command --------------------------------------------------------------------


def test_the_plan_names_what_would_be_measured(tmp_path: Path) -> None:
    """The values, those to begin with, what they need, and what it costs."""
    asked = question(load(tmp_path), complete=lambda settings: {**settings, "WORKERS": "4"})
    lines = list(plan_lines(tmp_path, asked))
    assert lines[0] == "RELEASE: 13 releases, 1.1 (2020-01-01) to 1.13 (2020-01-13)"
    assert lines[1] == "left out: 1 pre-release (1.0rc1)"
    assert lines[2].startswith("claim: B-1: ")
    assert lines[3:6] == ["sign: the sign of B-1 shows", "first: 1.1, 1.13", "with WORKERS=4: 1.1 to 1.13 (13)"]
    assert lines[6] == "without a change: about 4 releases with 2 trials each; if all show the sign, one each"
    assert lines[-2] == "time: not known, as there is no run of this experiment yet"
    assert lines[-1] == "nothing was run: leave out --plan to measure it"
    fixed = question(load(tmp_path / "fixed"), "g", fixed={"WORKERS": "3"})
    assert "in all trials: WORKERS=3" in plan_lines(tmp_path, fixed)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the small scenario, whose releases and cells are simulated."""
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    lay_out(tmp_path, compose=RANGED)
    measurer = SimpleNamespace(runner=SimpleNamespace(sources={}), measure=lab().measure)

    @contextmanager
    def simulated(*arguments: Any, **options: Any) -> Iterator[Any]:
        yield measurer

    monkeypatch.setattr(command, "open_measurer", simulated)
    monkeypatch.setattr(command, "read_axis", lambda root, scenario, factor, text: axis())
    monkeypatch.setattr(command, "known_values", lambda root, scenario, factor, releases: None)
    monkeypatch.setattr(command, "complete", lambda scenario, settings, fixed: dict(settings))
    return tmp_path


def test_without_a_factor_those_with_a_range_are_named(home: Path) -> None:
    """With a whole command."""
    result = bisect()
    assert "no factor is given" in result.output
    assert "to do:    reprolab bisect blink --factor RELEASE" in result.output


def bisect(*words: str) -> Result:
    """Call the command."""
    return CliRunner().invoke(main.main, ["bisect", "blink", *words])


def test_the_command_prints_and_keeps_the_result(home: Path) -> None:
    """And sets the link to the latest."""
    result = bisect("--factor", "RELEASE")
    assert result.exit_code == 0, result.output
    assert "First bad: 1.6 (2020-01-06). Last good: 1.5 (2020-01-05)." in result.stdout
    assert "Last bad: 1.10 (2020-01-10). Fixed in 1.11 (2020-01-11)." in result.stdout
    document = read_document(home / "results" / "bisect" / "blink" / "latest")
    assert document.rules == Rules() and document.notes == ("left out: 1 pre-release (1.0rc1)",)


def test_the_options_are_rules(home: Path) -> None:
    """And the limits of the trials hold for the ends of changes too."""
    words = "--gap 2 --confidence 95 --least-rate 90 --points 5 --trials 2 --set WORKERS=3 --claim B-1"
    assert bisect("--factor", "RELEASE=1.1..1.13", *words.split()).exit_code == 0
    document = read_document(home / "results" / "bisect" / "blink" / "latest")
    assert document.rules == Rules(2, 95.0, 90.0, 2, 2, 5)
    assert document.settings == {"WORKERS": "3"} and document.ended == POINTS
    assert all(point.trials <= 2 for point in document.points)


def test_the_plan_runs_nothing(home: Path) -> None:
    """No directory is made."""
    result = bisect("--factor", "RELEASE", "--plan")
    assert result.stdout.startswith("RELEASE: 13 releases") and result.exit_code == 0
    assert not (home / "results").exists()


def test_where_nothing_could_be_measured_the_status_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inconclusive, with the reasons."""

    @contextmanager
    def broken(*arguments: Any, **options: Any) -> Iterator[Any]:
        yield SimpleNamespace(runner=SimpleNamespace(sources={}), measure=lab("x" * 13).measure)

    monkeypatch.setattr(command, "open_measurer", broken)
    result = bisect("--factor", "RELEASE")
    assert result.exit_code == Exit.INCONCLUSIVE
    assert "1.13 could not be built: image build failed: no wheel" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--deep"], "--deep needs the source"),
        (["--source", "/nowhere"], "it together with --deep"),
        (["--deep", "--source", "/nowhere/at/all"], "is no git checkout"),
        (["--set", "RELEASE=1"], "is the factor of the bisect"),
        (["--claim", "B-7"], "--claim B-7: blink has no such claim"),
        (["--confidence", "100"], "100.0 is not in the range"),
        (["--gap", "0"], "0 is not in the range"),
        (["--engines", "nix://foo", "--plan"], "nix://foo"),
        (["--budget", "long"], "'long' is no duration"),
    ],
)
def test_a_wrong_option_ends_it_before_anything_is_built(home: Path, words: list[str], message: str) -> None:
    """Status 2, and no directory."""
    result = bisect("--factor", "RELEASE", *words)
    assert result.exit_code == Exit.USAGE and message in result.output
    assert not (home / "results").exists()


def test_the_reports_are_written_again_from_their_file(home: Path) -> None:
    """Without Docker; a damaged file is an error that names it."""
    bisect("--factor", "RELEASE")
    directory = home / "results" / "bisect" / "blink" / "latest"
    page = directory / "report.html"
    before = page.read_text()
    page.unlink()
    for where in ("bisect/blink", str(directory.resolve())):
        result = CliRunner().invoke(main.main, ["html", where])
        assert result.exit_code == 0, result.output
    assert page.read_text() == before
    (directory / "bisect.json").write_text("{}")
    assert CliRunner().invoke(main.main, ["html", "bisect/blink"]).exit_code == Exit.USAGE


def test_make_passes_each_option_on() -> None:
    """Factors beside the words are settings of all cells."""
    target = "bisect-socket-vanish"
    given = ["FACTOR=GUNICORN=19.5.0..19.7.0", "LEAST_RATE=90", "DEEP=1", "SOURCE=a b", "PYTHON=3.9.18", "GAP=2"]
    done = subprocess.run(["make", "-n", "-o", "setup", target, *given], cwd=ROOT, capture_output=True, text=True)
    assert " ".join(done.stdout.split()) == (
        ".venv/bin/reprolab bisect socket-vanish --factor 'GUNICORN=19.5.0..19.7.0' --least-rate '90' --gap '2' "
        "--source 'a b' --deep --set 'PYTHON=3.9.18'"
    )
