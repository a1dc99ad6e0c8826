"""gunicorn-settings on real containers: the variants that decide each claim show what the recorded run showed."""

from pathlib import Path

import pytest
from cover import differences, run_cover, unmet
from lab import engine, lab, left, read, run_directory

pytestmark = [pytest.mark.docker, pytest.mark.alone]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of the variants that decide; its directory."""
    return run_cover(tmp_path_factory.mktemp("gunicorn-settings") / "results", "gunicorn-settings")[0]


@pytest.mark.timeout(1500)
def test_every_sign_is_as_recorded(run: Path) -> None:
    """Each claim's sign shows, and does not show, where the committed run has it so."""
    assert differences(run, "gunicorn-settings") == []
    assert unmet(run, "gunicorn-settings") == []


def test_what_gunicorn_wrote_is_kept(run: Path) -> None:
    """Its two streams and what the views noted lie beside each trial."""
    where = run / "graceful-timeout/hup/1"
    assert "Handling signal: hup" in (where / "gunicorn.err").read_text(encoding="utf-8")
    assert " begin /sleep/6" in (where / "views.log").read_text(encoding="utf-8")


def test_nothing_is_left_on_the_engine(run: Path) -> None:
    """No container, network or volume of the run."""
    assert left(engine(), run) == []


def test_a_gunicorn_that_does_not_start_shows_nothing(tmp_path: Path) -> None:
    """An option that does not exist: invalid with gunicorn's own words, not the sign of anything."""
    results = tmp_path / "results"
    status, printed = lab(results, "run", "gunicorn-settings/timeout", "--set", "ARGUMENTS=--no-such-option")
    assert status == 3, printed
    verdict = read(run_directory(results, "gunicorn-settings") / "verdict.json")
    (row,) = verdict["variants"].values()
    assert "unrecognized arguments: --no-such-option" in row["invalid"][0]
