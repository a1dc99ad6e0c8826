"""keep-alive-race: its signs on observations, its patch, and one pair of trials on real containers."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT
from lab import lab, read, run_directory
from reprolab.scenario import loader

NAME = "keep-alive-race"
DIRECTORY = ROOT / "scenarios" / NAME


@pytest.fixture(scope="module")
def race() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["race"].drive.__module__]


def rounds(bad: int, failed: int = 0, waited: float = 2.05, other: str = "200") -> dict[str, Any]:
    """What was observed: the first round, and one after 2.05 s with some answers of 502."""
    statuses = {other: 64 - bad, **({"502": bad} if bad else {})}
    first = {"pause": 0, "waited": 0, "statuses": {"200": 64}}
    return {"rounds": [first, {"pause": 2.05, "waited": waited, "statuses": statuses}], "failed": {"reset": failed}}


@pytest.mark.parametrize(
    ("sign", "shows", "absent"),
    [
        ("lost", [rounds(1, 1)], [rounds(0), rounds(0, 3)]),
        ("hidden", [rounds(0, 3)], [rounds(0), rounds(1, 3)]),
        ("paused", [rounds(0), rounds(9)], [rounds(0, waited=3.0), rounds(0, other="500")]),
    ],
)
def test_each_sign_comes_out_both_ways(
    race: ModuleType, sign: str, shows: list[dict[str, Any]], absent: list[dict[str, Any]]
) -> None:
    """What nginx hides is no loss; a client that was late, or another status, says nothing."""
    function = getattr(race, sign)
    assert all(function(o) for o in shows) and not any(function(o) for o in absent)


def test_the_first_round_does_not_count(race: ModuleType) -> None:
    """There is no kept connection in it; the pause with losses is named."""
    assert race.tries(rounds(4)) == (4, 64)
    assert race.by_pause(rounds(4)) == "2.05 s: 4 of 64"
    assert race.by_pause(rounds(0)) == "none"


def test_the_times_of_both_sides(race: ModuleType) -> None:
    """Seconds, with nginx's units."""
    assert [race.seconds(text) for text in ("2", "60s", "2500ms")] == [2, 60, 2.5]
    first, second = race.CURVES
    assert first.points({**rounds(4), "server_s": 2.0, "proxy_s": 2.5}) == {-0.5: (4, 64)}
    assert second.points(rounds(4)) == {2.05: (4, 64)}


def test_the_patch_fits_one_place_or_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The patched code compiles; what does not fit is an error; "none" reads nothing."""
    patch = runpy.run_path(str(DIRECTORY / "patch.py"))
    file = tmp_path / "gthread.py"
    workers = SimpleNamespace(gthread=SimpleNamespace(__file__=str(file)))
    for name in ("gunicorn", "gunicorn.workers", "gunicorn.workers.gthread"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(workers=workers))  # type: ignore[arg-type]
    patch["main"]("none")
    old, new = patch["PATCHES"]["looked"]
    file.write_text(f"def murder(conn, now):\n    if True:\n        if True:\n{old}                pass\n")
    patch["main"]("looked")
    assert new in file.read_text()
    compile(file.read_text(), str(file), "exec")
    with pytest.raises(SystemExit, match="does not fit"):
        patch["main"]("looked")
    with pytest.raises(SystemExit, match="unknown patch"):
        patch["main"]("other")


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_pair_on_real_containers(tmp_path: Path) -> None:
    """The control loses nothing; the documented stack answers, and each answer is good or lost."""
    options = ("--variant", "documented", "--variant", "keep-alive-75", "--trials", "1", "--jobs", "2")
    status, printed = lab(tmp_path / "results", "run", NAME, *options)
    assert status in (0, 1, 3), printed
    counts = read(run_directory(tmp_path / "results", NAME) / "verdict.json")["signs"]["KR-1"]
    assert counts["keep-alive-75"]["shown"] == 0
    assert counts["documented"]["trials"] == counts["keep-alive-75"]["trials"] == 1
