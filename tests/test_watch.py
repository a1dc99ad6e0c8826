"""The watch: all cases once, what drifted, and which layers changed."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cases import EXPERIMENT, claim, in_memory, lay_out, load, trials
from click.testing import CliRunner
from reprolab.cli import main
from reprolab.core import files
from reprolab.core.errors import EngineError, Exit, UsageError
from reprolab.engine import leftovers
from reprolab.report.layers import Comparison, Difference, Layer
from reprolab.run import session, watch
from reprolab.run.watch import Watched, drift_line, needed_plan, worst
from reprolab.scenario.model import Experiment
from reprolab.verdict.judge import judge
from rich.console import Console
from test_session import FakeRunner

AS_RECORDED, DRIFTED = trials(documented="+", old="-"), trials(documented="-", old="-")


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lay out cases whose runs end these trials, or raise this error; each is on record as confirmed."""
    engine = SimpleNamespace(kernel="6.1", os="Fake", version="25", compose="2.26", buildx="0.13", cgroup="v2", host="")
    outcomes: dict[str, Any] = {}

    def behave(runner: FakeRunner) -> None:
        outcome = outcomes[runner.plan.scenario.name]
        if isinstance(outcome, BaseException):
            raise outcome
        for row in outcome:
            runner.run.append(row)
            runner.trial_ends(row)

    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    monkeypatch.setattr(session, "ensure_engine", lambda on_progress: engine)
    monkeypatch.setattr(session, "client", lambda: None)
    monkeypatch.setattr(leftovers, "remove_leftovers", lambda client: leftovers.Removed())
    monkeypatch.setattr(session, "Runner", FakeRunner)
    monkeypatch.setattr(FakeRunner, "behave", behave, raising=False)

    def begin(**by_name: Any) -> None:
        for name, outcome in by_name.items():
            directory = lay_out(tmp_path, name)
            outcomes[name] = outcome
            recorded = {"claims": [{"id": "B-1", "verdict": "confirmed"}], "host": {"kernel": "6.0", "engine": "25"}}
            files.write_json(directory / "recorded.json", recorded)

    return begin


def lab(*arguments: str) -> Any:
    """Call the command line."""
    return CliRunner().invoke(main.main, ["watch", *arguments])


def row_of(output: str, name: str) -> str:
    """The first line of a case in the table, with single spaces; "" if the case has none."""
    table = output[output.index(" scenario ") :].splitlines()
    return next((" ".join(line.split()) for line in table if line.split()[:1] == [name]), "")


def test_one_trial_of_each_needed_variant(tmp_path: Path) -> None:
    """A variant that no claim of its experiment names does not run, even if another experiment needs that name."""
    bulb = Experiment("bulb", {"documented": {}, "old": {}}, 3, lambda stack: {}, (claim("B-2"),))
    scenario = in_memory(claim(absent=["old"]), also=(bulb,))
    plan = needed_plan(scenario)
    assert [(v.experiment.name, v.name, v.trials) for v in plan.variants] == [
        ("lamp", "documented", 1),
        ("lamp", "old", 1),
        ("bulb", "documented", 1),
    ]
    extra = load(tmp_path, lamp=EXPERIMENT.replace('"0.9"}}', '"0.9"}, "shown": {}}'))
    assert "shown" in extra.experiments["lamp"].variants
    assert [v.name for v in needed_plan(extra).variants] == ["documented", "old"]


def test_all_as_recorded(cases: Callable[..., None]) -> None:
    """Every case runs and has a row: verdicts, thin ones, changed layers, status."""
    cases(blink=AS_RECORDED, glow=AS_RECORDED)
    result = lab()
    assert result.exit_code == Exit.AS_RECORDED, result.output
    for name in ("blink", "glow"):
        row = row_of(result.output, name)
        assert row.startswith(f"{name} 1 of 1 0 0 1 engine, kernel, machine (not on record: case files, base, ")
        assert row.endswith("0 as recorded")
    assert "Changed since the record" not in result.output


def test_a_drift_names_the_layers(cases: Callable[..., None]) -> None:
    """Both verdicts, the reason, the layers, each difference, and the command for a full run."""
    cases(blink=DRIFTED, glow=AS_RECORDED)
    result = lab()
    assert result.exit_code == Exit.DRIFT, result.output
    assert (
        "blink B-1: recorded confirmed, now refuted (thin: refuted by a single trial): documented showed it in 0/1"
        in (result.output)
    )
    assert "Changed since the record: " in result.output and "differs: kernel: recorded 6.0, now 6.1" in result.output
    assert "case files, " in result.output and "not on record" in result.output
    assert row_of(result.output, "blink").startswith("blink 0 of 1 B-1 0 1 ")
    assert "in full: reprolab run blink\n" in result.output


def test_one_failing_case_does_not_stop_the_others(cases: Callable[..., None], tmp_path: Path) -> None:
    """An engine that is gone, an error in the lab, a malformed case: each has its row, and the worst status counts."""
    cases(blink=EngineError("the engine is gone"), bulb=ZeroDivisionError("oops"), dim=DRIFTED, glow=AS_RECORDED)
    lay_out(tmp_path, "broken", lamp=EXPERIMENT.replace("TRIALS = 3", "TRIALS = 0"))
    result = lab()
    assert result.exit_code == Exit.LAB_FAILED
    assert "blink failed: the engine is gone" in result.output
    assert "bulb failed: ZeroDivisionError: oops" in result.output
    assert "broken failed: scenarios/broken/lamp.py: TRIALS is 0" in result.output
    endings = {"blink": "4 lab failed", "broken": "2 usage", "bulb": "4 lab failed", "dim": "1 drift"}
    for name, ending in (endings | {"glow": "0 as recorded"}).items():
        assert row_of(result.output, name).endswith(ending)


def test_some_cases_only(cases: Callable[..., None]) -> None:
    """The named ones; an unknown name is an error before anything runs."""
    cases(blink=AS_RECORDED, glow=EngineError("the engine is gone"))
    assert lab("blink").exit_code == Exit.AS_RECORDED
    unknown = lab("blink", "glwo")
    assert unknown.exit_code == Exit.USAGE and "did you mean glow?" in unknown.output
    assert "as recorded" not in unknown.output


def test_an_interrupt_ends_the_watch(cases: Callable[..., None]) -> None:
    """The cases that have ended are shown."""
    cases(blink=AS_RECORDED, glow=KeyboardInterrupt(), zap=AS_RECORDED)
    result = lab()
    assert result.exit_code == Exit.INTERRUPTED
    assert row_of(result.output, "blink").endswith("0 as recorded")
    assert row_of(result.output, "zap") == "" and "zap: " not in result.output


def test_a_case_without_a_record(cases: Callable[..., None], tmp_path: Path) -> None:
    """It has verdicts, and nothing to compare them with."""
    cases(blink=AS_RECORDED)
    (tmp_path / "scenarios" / "blink" / "recorded.json").unlink()
    result = lab()
    assert result.exit_code == Exit.AS_RECORDED
    assert row_of(result.output, "blink") == "blink — 0 0 1 nothing on record 0 nothing on record"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], Exit.AS_RECORDED),
        ([Exit.AS_RECORDED, Exit.INCONCLUSIVE], Exit.INCONCLUSIVE),
        ([Exit.DRIFT, Exit.INCONCLUSIVE, Exit.AS_RECORDED], Exit.DRIFT),
        ([Exit.DRIFT, Exit.LAB_FAILED, Exit.INCONCLUSIVE], Exit.LAB_FAILED),
        ([Exit.USAGE, Exit.DRIFT], Exit.USAGE),
    ],
)
def test_the_worst_status(statuses: list[Exit], expected: Exit) -> None:
    """A drift outweighs an undecided claim, and a run that failed outweighs both, as in a run of one case."""
    assert worst(Watched("blink", status) for status in statuses) is expected


def test_a_drift_names_the_layers_of_its_own_variants() -> None:
    """A package of another variant's image is no explanation; if nothing changed, the line says so."""
    recorded = judge(in_memory(claim(absent=["old"])), "then", AS_RECORDED)
    (drifted,) = judge(in_memory(claim(absent=["old"])), "now", DRIFTED, recorded).claims
    other = Difference(Layer.PACKAGES, "pip a", "1", "2", ("new/app",))
    mine = Difference(Layer.PACKAGES, "pip a", "1", "2", ("old/app", "new/app"))
    assert drift_line(drifted, Comparison((other,))).endswith("Changed since the record: none of them")
    assert drift_line(drifted, Comparison((mine,))).endswith("Changed since the record: packages")


def test_undecided_claims_are_named() -> None:
    """Also in the table; a claim that is inconclusive on record is not one of them."""
    verdict = judge(in_memory(claim(absent=["old"])), "now", trials(documented="x", old="-"))
    result = Watched("blink", Exit.INCONCLUSIVE, verdict)
    assert result.undecided == ["B-1"] and result.as_recorded == [] and result.drifted == []
    stream = io.StringIO()
    watch.summary(Console(file=stream, width=150), [result])
    assert row_of(stream.getvalue(), "blink").startswith("blink — 0 B-1 0 ")


def test_an_unknown_name_raises() -> None:
    """Even if it is the last one."""
    with pytest.raises(UsageError):
        list(watch.watch(Path("/nowhere"), ["blink"], Console(quiet=True), print))
