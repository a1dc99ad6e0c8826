"""gunicorn-settings on real containers: the variants that decide each claim show what the recorded run showed."""

from pathlib import Path
from typing import Any

import pytest
from lab import ROOT, engine, lab, left, read, run_directory
from reprolab.scenario import loader

pytestmark = pytest.mark.docker

# Each says again what its neighbours say, and takes time or an image of its own: 3.10 and 3.11 are on the two sides.
SAME_AGAIN = {
    "syslog/python-3.7",
    "syslog/python-3.8",
    "syslog/python-3.9",
    "syslog/python-3.12",
    "syslog/python-3.13",
    "syslog/gunicorn-21.2.0",
    "syslog/gunicorn-23.0.0",
    "syslog/gunicorn-27.0.1-python-3.10",
    "config/wsgi-app-gunicorn-20.0.4",
    "graceful-timeout/usr1",
    "graceful-timeout/winch",
    "limits/limit-20000",
    "backlog/backlog-64",
    "workers/five",
}


def deciding() -> list[str]:
    """The variants that decide the claims."""
    found = loader.load(ROOT, "gunicorn-settings").experiments.values()
    every = {f"{e.name}/{name}" for e in found for claim in e.claims for name in claim.expectations}
    return sorted(every - SAME_AGAIN)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of the deciding variants of all experiments."""
    results = tmp_path_factory.mktemp("gunicorn-settings") / "results"
    options = [word for name in sorted({key.partition("/")[2] for key in deciding()}) for word in ("--variant", name)]
    status, printed = lab(results, "run", "gunicorn-settings", *options, limit=1200)
    assert status == 0, printed
    return run_directory(results, "gunicorn-settings")


def signs(verdict: dict[str, Any]) -> dict[tuple[str, str], bool]:
    """For each claim and variant, whether the sign showed in its trials; those without a valid trial are left out."""
    return {
        (claim, variant): seen["shown"] > 0
        for claim, variants in verdict["signs"].items()
        for variant, seen in variants.items()
        if seen["trials"]
    }


@pytest.mark.timeout(1500)
def test_every_sign_is_as_recorded(run: Path) -> None:
    """Each claim's sign shows where the committed run has it, in the variants that decide it; none is undecided."""
    recorded = signs(read(ROOT / "scenarios/gunicorn-settings/recorded.json"))
    now = signs(read(run / "verdict.json"))
    wanted = [
        (claim.id, f"{e.name}/{name}")
        for e in loader.load(ROOT, "gunicorn-settings").experiments.values()
        for claim in e.claims
        for name in claim.expectations
        if f"{e.name}/{name}" in deciding()
    ]
    assert {key: now.get(key) for key in wanted} == {key: recorded[key] for key in wanted}


def test_what_gunicorn_wrote_is_kept(run: Path) -> None:
    """Its two streams and what the views noted lie beside each trial."""
    where = run / "graceful-timeout/hup/1"
    assert "Handling signal: hup" in (where / "gunicorn.err").read_text(encoding="utf-8")
    assert " begin /sleep/6" in (where / "views.log").read_text(encoding="utf-8")


def test_nothing_is_left_on_the_engine(run: Path) -> None:
    """No container, network or volume of the run."""
    assert left(engine(), run.name) == []


def test_a_gunicorn_that_does_not_start_shows_nothing(tmp_path: Path) -> None:
    """An option that does not exist: invalid with gunicorn's own words, not the sign of anything."""
    results = tmp_path / "results"
    status, printed = lab(results, "run", "gunicorn-settings/timeout", "--set", "ARGUMENTS=--no-such-option")
    assert status == 3, printed
    verdict = read(run_directory(results, "gunicorn-settings") / "verdict.json")
    (row,) = verdict["variants"].values()
    assert "unrecognized arguments: --no-such-option" in row["invalid"][0]
