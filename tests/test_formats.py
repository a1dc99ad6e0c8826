"""The file formats: run.json, verdict.json and recorded.json are read as they were written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cases import ROOT, RUNS, claim, having, in_memory, recorded_run, trial, trials, write_run_json
from reprolab.core import files
from reprolab.core.errors import UsageError
from reprolab.engine.host_facts import Host
from reprolab.evidence import packages
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import BaseImage, Image, ObservedAgain, PlanEntry, RoundsInfo, RunInfo
from reprolab.publish.accept import measure_variants
from reprolab.report import table
from reprolab.scenario import loader
from reprolab.scenario.model import Column, Experiment, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import VerdictDocument, read_verdict, write_verdict
from reprolab.verdict.judge import judge
from reprolab.verdict.record import RecordedRun, read_record

VERDICT = ("schema", "scenario", "run", "claims", "variants", "signs")
RECORDED = having("recorded.json")


def text(content: Any) -> str:
    """Return JSON text, which keeps the order of the keys."""
    return json.dumps(content, ensure_ascii=False)


def content_of(name: str) -> dict[str, Any]:
    """A scenario's recorded.json as plain data."""
    content: dict[str, Any] = files.read_json(ROOT / "scenarios" / name / "recorded.json")
    return content


# -- run.json -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["whole", "partial"])
def test_run_json_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    """Every key and value of a recorded run is kept."""
    run = recorded_run(tmp_path, name)
    before = files.read_json(run.path / "run.json")
    run.write_info(run.info())
    assert files.read_json(run.path / "run.json") == before


def test_the_keys_of_run_json() -> None:
    """Schema 1 has exactly these, in this order."""
    info = RunInfo(
        scenario="blink",
        started="2026-01-02 12:00 UTC",
        status="aborted",
        pid="boot 7 1",
        command=("reprolab", "run", "blink"),
        factors={"RELEASE": "1.0"},
        plan=(PlanEntry("lamp", "documented", {}, 3),),
        rounds=RoundsInfo(7, 3, 1),
        host=Host(kernel="6.1", cpus=2),
        bases={"python:3.6": BaseImage("local/python", "sha256:1", "host", "", "built on this host")},
        images={"documented": {"app": Image("app:1", "sha256:2")}},
        packages={"documented/app": {"pip": {"gunicorn": "19.6.0"}}},
        reason="interrupted",
        times="up 1.0 s",
        case="sha256:3",
        lab="0.1.0",
        observed=ObservedAgain("2026-01-03 12:00 UTC", 3, changed=2, now_valid=1, kept=4, case="sha256:4"),
    )
    base = {
        "reference": "local/python",
        "id": "sha256:1",
        "origin": "host",
        "digest": "",
        "detail": "built on this host",
    }
    observed = {"at": "2026-01-03 12:00 UTC", "trials": 3, "changed": 2, "now_valid": 1, "now_invalid": 0, "kept": 4}
    assert text(info.to_json()) == text(
        {
            "schema": 1,
            "scenario": "blink",
            "started": "2026-01-02 12:00 UTC",
            "status": "aborted",
            "pid": "boot 7 1",
            "command": ["reprolab", "run", "blink"],
            "factors": {"RELEASE": "1.0"},
            "plan": [{"experiment": "lamp", "variant": "documented", "factors": {}, "trials": 3}],
            "rounds": {"seed": 7, "planned": 3, "ran": 1},
            "host": {"kernel": "6.1", "cpus": 2},
            "bases": {"python:3.6": base},
            "images": {"documented": {"app": {"reference": "app:1", "id": "sha256:2", "digests": []}}},
            "packages": {"documented/app": {"pip": {"gunicorn": "19.6.0"}}},
            "reason": "interrupted",
            "times": "up 1.0 s",
            "case": "sha256:3",
            "lab": "0.1.0",
            "observed": observed | {"case": "sha256:4"},
        }
    )
    assert RunInfo.from_json(info.to_json()) == info


def test_a_run_of_an_older_release_is_read(tmp_path: Path) -> None:
    """Missing fields are empty, and images belong to every experiment that has a variant of their name."""
    (tmp_path / "run.json").write_bytes((RUNS / "old.json").read_bytes())
    info = RunDirectory(tmp_path).info()
    assert info.complete and info.pid == "" and info.command == () and info.images == {} and info.times == ""
    assert info.plan[1] == PlanEntry("orphans", "documented", {}, 1)
    assert info.host == Host(kernel="6.18.44", cpus=2, engine="20.10.24+dfsg1")
    (base,) = info.bases.values()
    assert (base.origin, base.reference, base.digest) == ("host", None, None)
    for experiment in ("freeze", "orphans"):
        services = packages.of_variant(info.packages, experiment, "documented")
        assert services == {"pool-freeze-app": {"pip": {"gunicorn": "19.9.0"}}}


def test_an_unknown_key_is_ignored(tmp_path: Path) -> None:
    """The other keys are read."""
    run = RunDirectory(tmp_path)
    write_run_json(run, status="complete", weather="fine", host={"kernel": "9.0", "moon": "full"})
    assert run.info() == RunInfo("blink", status="complete", host=Host(kernel="9.0"))


@pytest.mark.parametrize(
    "content", [{"plan": [{"variant": "documented"}]}, {"host": "here"}, {"images": {"documented": ["app"]}}]
)
def test_a_malformed_run_json_is_named(tmp_path: Path, content: dict[str, Any]) -> None:
    """The message has the file and the fault."""
    write_run_json(RunDirectory(tmp_path), **content)
    with pytest.raises(UsageError, match=r"run\.json does not have the lab's format: "):
        RunDirectory(tmp_path).info()


def test_each_experiment_has_its_own_packages() -> None:
    """Two experiments may have variants of the same name."""
    images = {"freeze/documented/app": {"pip": {"a": "1"}}, "orphans/documented/app": {"pip": {"a": "2"}}}
    assert packages.of_variant(images, "freeze", "documented") == {"app": {"pip": {"a": "1"}}}
    assert packages.of_variant(images, "orphans", "documented") == {"app": {"pip": {"a": "2"}}}
    assert packages.of_variant(images, "freeze", "old") == {}


def test_packages_are_compared_with_a_record_of_an_older_release() -> None:
    """Its names of images have no experiment."""
    record = {"documented/app": {"pip": {"a": "1"}}}
    run = {"freeze/documented/app": {"pip": {"a": "2"}}, "freeze/custom/app": {"pip": {"a": "3"}}}
    (change,) = packages.find_changes(record, ["freeze/documented"], run)
    assert (change.recorded, change.now, change.images) == ("1", "2", ("freeze/documented/app",))
    assert packages.find_changes(run, ["freeze/documented"], run) == []


# -- verdict.json ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDED)
def test_a_verdict_comes_back_byte_for_byte(name: str) -> None:
    """Holds for the verdict of every recorded run."""
    content = {key: value for key, value in content_of(name).items() if key in VERDICT}
    assert tuple(content) == VERDICT
    assert text(VerdictDocument.from_json(content).to_json()) == text(content)


@pytest.mark.parametrize("name", ["whole", "partial"])
def test_a_run_that_is_judged_reads_its_own_verdict(tmp_path: Path, name: str) -> None:
    """The file has the verdict that was computed."""
    run, scenario = recorded_run(tmp_path, name), loader.load(ROOT, "socket-vanish")
    assert read_verdict(run) is None
    verdict = judge(scenario, run.name, run.trials())
    write_verdict(run, verdict)
    assert read_verdict(run) == verdict


@pytest.mark.parametrize(
    "content", [[], {"claims": [{"verdict": "confirmed"}]}, {"claims": [{"id": "B-1", "verdict": "x"}]}]
)
def test_a_malformed_verdict_is_named(tmp_path: Path, content: Any) -> None:
    """The message has the file and the fault."""
    files.write_json(tmp_path / "verdict.json", content)
    with pytest.raises(UsageError, match=r"verdict\.json does not have the lab's format: "):
        read_verdict(RunDirectory(tmp_path))


# -- recorded.json --------------------------------------------------------------------------------


def recorded(scenario: Scenario, rows: list[TrialRecord]) -> RecordedRun:
    """Return the record of these trials, written and read again."""
    record = RecordedRun(
        judge(scenario, "now", rows), RunInfo(scenario.name, "2026-01-02", "complete"), measure_variants(scenario, rows)
    )
    return RecordedRun.from_json(json.loads(text(record.to_json())))


@pytest.mark.parametrize("name", RECORDED)
def test_a_record_comes_back_byte_for_byte(name: str) -> None:
    """Holds for verdict, host, bases, packages and values, in their order."""
    content = content_of(name)
    assert text(RecordedRun.from_json(content).to_json()) == text(content)


@pytest.mark.parametrize("name", RECORDED)
def test_a_record_has_the_columns_of_its_tables(name: str) -> None:
    """A renamed column would lose its recorded values; each variant that ran has an entry."""
    scenario = loader.load(ROOT, name)
    record = read_record(scenario)
    assert record is not None
    assert set(record.measured) == set(record.verdict.variants)
    headings = {
        scenario.variant_key(experiment.name, variant): {column.heading for column in experiment.columns}
        for experiment in scenario.experiments.values()
        for variant in experiment.variants
    }
    for variant, measured in record.measured.items():
        assert not measured.errors
        assert set(measured.values) <= headings[variant], variant


def test_the_tables_of_a_record_are_those_of_its_run(tmp_path: Path) -> None:
    """Every cell, note and reason of a real run is made from the recorded values."""
    scenario, run = loader.load(ROOT, "socket-vanish"), recorded_run(tmp_path, "whole")
    rows = run.trials()
    assert table.recorded_tables(scenario, recorded(scenario, rows)) == table.tables(scenario, rows)


def test_cells_of_every_kind_are_kept() -> None:
    """Number, rate, text, note, None, and a column that raises; with an experiment that did not run."""
    values: dict[str, Any] = {"n": 1234.5, "whole": 3, "rate": (7, 10), "word": "gone", "flag": True, "none": None}
    columns = (
        *(Column(name, lambda o, name=name: values[name], "{:,.1f}") for name in values),
        Column("as it is", lambda o: 200, "{}"),
        Column("seen", lambda o: "two\nlines", note=True),
        Column("broken", lambda o: o["missing"]),
        Column("no such form", lambda o: 1, "{:q}"),
    )
    bulb = Experiment("bulb", {"documented": {}}, 1, lambda stack: {}, (), columns=columns[:2])
    idle = Experiment("idle", {"documented": {}}, 1, lambda stack: {}, ())
    scenario = in_memory(claim(absent=["old"]), columns=columns, also=(bulb, idle))
    rows = [
        *trials(documented="++", old="-x"),
        trial("custom"),
        trial(experiment="bulb"),
        trial("gone", invalid="down"),
    ]
    tables = table.recorded_tables(scenario, recorded(scenario, rows))
    assert tables == table.tables(scenario, rows)
    assert list(tables) == ["lamp", "bulb"]
    assert tables["lamp"][0].cells == ("1 234.5", "3.0", "14/20 (48–85 %)", "gone", "1.0", "—", "200.0", "?", "?")
    assert [row.variant for row in tables["lamp"]] == ["documented", "old", "custom", "gone"]
    assert table.mistakes(scenario.experiments["lamp"], tables["lamp"])
