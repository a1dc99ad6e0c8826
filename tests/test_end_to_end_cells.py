"""Cells on real containers: measured once, kept, measured again after a change."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos.attempt import CASE, lay_out
from lab import engine
from reprolab.evidence.run_dir import PAGE, RunDirectory
from reprolab.measure.cell import Cell, CellResult
from reprolab.measure.pages import write_pages
from reprolab.measure.session import measurer
from reprolab.run.observer import RunObserver
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario

pytestmark = pytest.mark.docker


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """The small case whose truth is known, and a results directory of its own."""
    lay_out(tmp_path / "checkout")
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    return loader.load(tmp_path / "checkout", CASE)


def ask(root: Path, scenario: Scenario, *cells: Cell, **options: bool) -> tuple[list[CellResult], tuple[int, int]]:
    """Measure cells once each; the results with the numbers of new and of kept trials."""
    engine()
    with measurer(root / "checkout", scenario, RunObserver(), **options) as lab:
        results = lab.measure(dict.fromkeys(cells, 1), scenario.claims[:1])
        return [results[cell] for cell in cells], (lab.trials_run, lab.trials_kept)


def test_a_cell_is_measured_once(tmp_path: Path, scenario: Scenario) -> None:
    """The signs are those of the truth. A second question runs nothing, one after a change of the case runs all."""
    claim = scenario.claims[0]
    fails, sound = Cell("failing"), Cell.of(scenario, "failing", {"FAILS": "no"})
    results, counts = ask(tmp_path, scenario, fails, sound)
    assert [result.count(claim).words for result in results] == ["1/1", "0/1"], results
    assert counts == (2, 0)
    results, counts = ask(tmp_path, scenario, fails, sound)
    assert [result.count(claim).words for result in results] == ["1/1", "0/1"]
    assert counts == (0, 2)
    run = RunDirectory(results[0].directory or tmp_path)
    assert run.checked_trials().faults == ()
    assert {image.id[:7] for image in run.info().images["custom"].values()} == {"sha256:"}
    assert next(run.trial("failing", "custom", 1).streams("app")), "the log is there"
    write_pages(scenario, [run.path], print)
    assert (run.path / PAGE).exists()
    experiment = scenario.directory / "failing.py"
    experiment.write_text(experiment.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    changed = loader.load(tmp_path / "checkout", CASE)
    assert ask(tmp_path, changed, sound)[1] == (1, 0)
