"""Writes matrix.json in this directory: a map of socket-vanish with simulated trials, for the tests of its pages.

    PYTHONPATH=scripts:tests python tests/data/matrix/simulate.py

The releases and their days are gunicorn's, and the observations are those of recorded trials. Which cell has which of
them is invented: two windows with the sign, cells in which it comes and goes, and cells that cannot run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cases import ROOT, trials_of
from reprolab.evidence import trials_file
from reprolab.matrix.collect import document_of
from reprolab.matrix.document import write_matrix
from reprolab.matrix.plan import MatrixOptions, make_plan
from reprolab.matrix.strategy import Survey
from reprolab.measure.axis import Axis, Value
from reprolab.measure.cell import Cell
from reprolab.scenario import loader
from simulated import BROKEN, INVALID, Simulated, Truth, words

HERE = Path(__file__).parent
DAYS = """
19.4.5 2016-01-05, 19.5.0 2016-05-11, 19.6.0 2016-05-23, 19.7.0 2017-03-04, 19.7.1 2017-03-21, 19.8.0 2018-04-28,
19.8.1 2018-04-30, 19.9.0 2018-07-03, 19.10.0 2019-11-23, 20.0.0 2019-11-09, 20.0.2 2019-11-23, 20.0.3 2019-11-25,
20.0.4 2019-11-26, 20.1.0 2021-03-27, 21.0.0 2023-07-17, 21.0.1 2023-07-17, 21.1.0 2023-07-18, 21.2.0 2023-07-19,
22.0.0 2024-04-16, 23.0.0 2024-08-10
"""
RELEASES = tuple(Value(*entry.split()) for entry in DAYS.replace("\n", " ").split(","))
NAMES = [value.text for value in RELEASES]


def truth(cell: Cell) -> Truth:
    """Which sign the trials of a cell show."""
    release, worker = cell.settings.get("GUNICORN", "19.6.0"), cell.settings.get("WORKER_CLASS", "sync")
    place = NAMES.index(release)
    if worker == "eventlet" and place >= NAMES.index("22.0.0"):
        return BROKEN
    if release in ("19.7.0", "19.7.1") and worker != "eventlet":
        return INVALID
    if worker == "gthread" and release in ("20.0.0", "20.0.2"):
        return 0.5
    windows = {"sync": ("19.6.0",), "gthread": ("19.6.0", "20.0.4", "20.1.0"), "eventlet": tuple(NAMES[2:6])}
    return release in windows[worker]


def observations() -> dict[bool, Mapping[str, object]]:
    """An observation of a recorded trial that shows the sign, and of one that does not."""
    file = Path("/tmp/simulate-trials.jsonl")
    file.write_bytes(trials_of("socket-vanish"))
    records = {record.variant: record.observation for record in trials_file.read(file).records}
    file.unlink()
    return {True: records["documented"], False: records["gunicorn-19.5.0"]}


def companions(settings: Mapping[str, str]) -> Mapping[str, str]:
    """Releases from 22.0.0 on need a newer Python."""
    new = NAMES.index(settings["GUNICORN"]) >= NAMES.index("22.0.0")
    return {**settings, "PYTHON": "3.12.1", "BOTTLE": "0.13.4"} if new else settings


def main() -> None:
    """Simulate the map and write it."""
    scenario = loader.load(ROOT, "socket-vanish")
    notes = ("left out: 20.0.1 (yanked)",)
    axes = (
        Axis("GUNICORN", RELEASES, ordered=True, package="gunicorn", notes=notes),
        words("WORKER_CLASS", "sync", "gthread", "eventlet"),
    )
    plan = make_plan(scenario, MatrixOptions("socket-vanish", seed=7), axes, companions)
    observed = observations()
    measurer = Simulated(truth, observation=lambda cell, shown, used: observed[shown])
    survey = Survey(plan, measurer, Path("results"))
    survey.execute()
    document = document_of(plan, "20261126T120000Z", "2026-11-26 12:00 UTC", survey.cells)
    document = replace(
        document,
        command=("reprolab", "matrix", "socket-vanish", "--over", "GUNICORN=19.4.5..23.0.0"),
        hosts=("2 × a simulated processor · kernel 6.1 · engine 20.10.24 · Compose 2.26.1",),
        seconds=1234.5,
        cells=tuple(
            replace(cell, evidence=f"cells/socket-vanish/vanish/{number:016x}" if cell.trials else "")
            for number, cell in enumerate(document.cells)
        ),
    )
    write_matrix(HERE, document)


if __name__ == "__main__":
    sys.exit(main())
