"""The files that outlive a release: run.json, verdict.json and recorded.json are read as they were written."""

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
from reprolab.evidence.run_info import BaseImage, Image, PlanEntry, RunInfo
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
    """JSON in which the order of keys tells."""
    return json.dumps(content, ensure_ascii=False)


def content_of(name: str) -> dict[str, Any]:
    """A scenario's recorded.json as plain data."""
    content: dict[str, Any] = files.read_json(ROOT / "scenarios" / name / "recorded.json")
    return content


# -- run.json -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["whole", "partial"])
def test_run_json_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    """Every key of a recorded run, with its value."""
    run = recorded_run(tmp_path, name)
    before = files.read_json(run.path / "run.json")
    run.write_info(run.info())
    assert files.read_json(run.path / "run.json") == before


def test_the_keys_of_run_json() -> None:
    """Schema 1 has exactly these, in this order."""
    whole = RunInfo(
        scenario="blink",
        started="2026-01-02 12:00 UTC",
        status="aborted",
        pid="boot 7 1",
        command=("reprolab", "run", "blink"),
        factors={"RELEASE": "1.0"},
        plan=(PlanEntry("lamp", "documented", {}, 3),),
        host=Host(kernel="6.1", cpus=2),
        bases={"python:3.6": BaseImage("local/python", "sha256:1", "host", "", "built on this host")},
        images={"documented": {"app": Image("app:1", "sha256:2")}},
        packages={"documented/app": {"pip": {"gunicorn": "19.6.0"}}},
        reason="interrupted",
        times="up 1.0 s",
    )
    base = {
        "reference": "local/python",
        "id": "sha256:1",
        "origin": "host",
        "digest": "",
        "detail": "built on this host",
    }
    assert text(whole.to_json()) == text(
        {
            "schema": 1,
            "scenario": "blink",
            "started": "2026-01-02 12:00 UTC",
            "status": "aborted",
            "pid": "boot 7 1",
            "command": ["reprolab", "run", "blink"],
            "factors": {"RELEASE": "1.0"},
            "plan": [{"experiment": "lamp", "variant": "documented", "factors": {}, "trials": 3}],
            "host": {"kernel": "6.1", "cpus": 2},
            "bases": {"python:3.6": base},
            "images": {"documented": {"app": {"reference": "app:1", "id": "sha256:2", "digests": []}}},
            "packages": {"documented/app": {"pip": {"gunicorn": "19.6.0"}}},
            "reason": "interrupted",
            "times": "up 1.0 s",
        }
    )
    assert RunInfo.from_json(whole.to_json()) == whole


def test_a_run_of_an_older_release_is_read(tmp_path: Path) -> None:
    """What it did not note is not known, and an experiment's images are those of all that share the variant's name."""
    (tmp_path / "run.json").write_bytes((RUNS / "old.json").read_bytes())
    info = RunDirectory(tmp_path).info()
    assert info.complete and info.pid == "" and info.command == () and info.images == {} and info.times == ""
    assert info.plan[1] == PlanEntry("orphans", "documented", {}, 1)
    assert info.host == Host(kernel="6.18.44", cpus=2, engine="20.10.24+dfsg1")
    (base,) = info.bases.values()
    assert (base.origin, base.reference, base.digest) == ("host", None, None)
    for experiment in ("freeze", "orphans"):
        own = packages.of_variant(info.packages, experiment, "documented")
        assert own == {"pool-freeze-app": {"pip": {"gunicorn": "19.9.0"}}}


def test_a_key_of_a_newer_release_is_passed_over(tmp_path: Path) -> None:
    """It is no reason not to read the rest."""
    run = RunDirectory(tmp_path)
    write_run_json(run, status="complete", weather="fine", host={"kernel": "9.0", "moon": "full"})
    assert run.info() == RunInfo("blink", status="complete", host=Host(kernel="9.0"))


@pytest.mark.parametrize(
    "content", [{"plan": [{"variant": "documented"}]}, {"host": "here"}, {"images": {"documented": ["app"]}}]
)
def test_a_run_json_that_is_none_is_named(tmp_path: Path, content: dict[str, Any]) -> None:
    """The file, and what is wrong with it; no traceback."""
    write_run_json(RunDirectory(tmp_path), **content)
    with pytest.raises(UsageError, match=r"run\.json is not as this lab writes it: "):
        RunDirectory(tmp_path).info()


def test_each_experiment_has_packages_of_its_own() -> None:
    """Of the same variant's name; one never stands for the other."""
    images = {"freeze/documented/app": {"pip": {"a": "1"}}, "orphans/documented/app": {"pip": {"a": "2"}}}
    assert packages.of_variant(images, "freeze", "documented") == {"app": {"pip": {"a": "1"}}}
    assert packages.of_variant(images, "orphans", "documented") == {"app": {"pip": {"a": "2"}}}
    assert packages.of_variant(images, "freeze", "old") == {}


def test_packages_are_held_against_a_record_of_an_older_release() -> None:
    """Whose images' names leave the experiment out."""
    record = {"documented/app": {"pip": {"a": "1"}}}
    run = {"freeze/documented/app": {"pip": {"a": "2"}}, "freeze/custom/app": {"pip": {"a": "3"}}}
    (change,) = packages.changed(record, ["freeze/documented"], run)
    assert (change.recorded, change.now, change.images) == ("1", "2", ("freeze/documented/app",))
    assert packages.changed(run, ["freeze/documented"], run) == []


# -- verdict.json ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDED)
def test_a_verdict_comes_back_byte_for_byte(name: str) -> None:
    """The verdict of every run on record."""
    content = {key: value for key, value in content_of(name).items() if key in VERDICT}
    assert tuple(content) == VERDICT
    assert text(VerdictDocument.from_json(content).to_json()) == text(content)


@pytest.mark.parametrize("name", ["whole", "partial"])
def test_a_run_that_is_judged_reads_its_own_verdict(tmp_path: Path, name: str) -> None:
    """What is written is what was judged."""
    run, found = recorded_run(tmp_path, name), loader.load(ROOT, "socket-vanish")
    assert read_verdict(run) is None
    verdict = judge(found, run.name, run.trials())
    write_verdict(run, verdict)
    assert read_verdict(run) == verdict


@pytest.mark.parametrize(
    "content", [[], {"claims": [{"verdict": "confirmed"}]}, {"claims": [{"id": "B-1", "verdict": "x"}]}]
)
def test_a_verdict_that_is_none_is_named(tmp_path: Path, content: Any) -> None:
    """The file, and what is wrong with it."""
    files.write_json(tmp_path / "verdict.json", content)
    with pytest.raises(UsageError, match=r"verdict\.json is not as this lab writes it: "):
        read_verdict(RunDirectory(tmp_path))


# -- recorded.json --------------------------------------------------------------------------------


def recorded(found: Scenario, rows: list[TrialRecord]) -> RecordedRun:
    """These trials on record, as they come back from the file."""
    record = RecordedRun(
        judge(found, "now", rows), RunInfo(found.name, "2026-01-02", "complete"), measure_variants(found, rows)
    )
    return RecordedRun.from_json(json.loads(text(record.to_json())))


@pytest.mark.parametrize("name", RECORDED)
def test_a_record_comes_back_byte_for_byte(name: str) -> None:
    """Verdict, host, bases, packages and values, in their order."""
    content = content_of(name)
    assert text(RecordedRun.from_json(content).to_json()) == text(content)


@pytest.mark.parametrize("name", RECORDED)
def test_a_record_has_the_columns_of_its_tables(name: str) -> None:
    """A column that was renamed since would lose its values without a word; each variant that ran has its entry."""
    found = loader.load(ROOT, name)
    record = read_record(found)
    assert record is not None
    assert set(record.measured) == set(record.verdict.variants)
    headings = {
        found.variant_key(one.name, variant): {column.heading for column in one.columns}
        for one in found.experiments.values()
        for variant in one.variants
    }
    for variant, own in record.measured.items():
        assert not own.errors
        assert set(own.values) <= headings[variant], variant


def test_the_tables_of_a_record_are_those_of_its_run(tmp_path: Path) -> None:
    """Every cell, note and reason of a real run, made from its values alone."""
    found, run = loader.load(ROOT, "socket-vanish"), recorded_run(tmp_path, "whole")
    rows = run.trials()
    assert table.recorded_tables(found, recorded(found, rows)) == table.tables(found, rows)


def test_cells_of_every_kind_are_kept() -> None:
    """Figure, rate, text and note, nothing, a column that raises; of two experiments, and of one that did not run."""
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
    found = in_memory(claim(absent=["old"]), columns=columns, also=(bulb, idle))
    rows = [
        *trials(documented="++", old="-x"),
        trial("custom"),
        trial(experiment="bulb"),
        trial("gone", invalid="down"),
    ]
    made = table.recorded_tables(found, recorded(found, rows))
    assert made == table.tables(found, rows)
    assert list(made) == ["lamp", "bulb"]
    assert made["lamp"][0].cells == ("1 234.5", "3.0", "14/20 (48–85 %)", "gone", "1.0", "—", "200.0", "?", "?")
    assert [row.variant for row in made["lamp"]] == ["documented", "old", "custom", "gone"]
    assert table.mistakes(found.experiments["lamp"], made["lamp"])
