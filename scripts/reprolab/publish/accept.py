"""Puts a reviewed run on record: recorded.json is its verdict, with the host and versions it holds for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reprolab.core import files
from reprolab.core.errors import UsageError
from reprolab.evidence import packages
from reprolab.evidence.run_dir import RunDirectory
from reprolab.publish import readme_sections
from reprolab.report import table
from reprolab.report.write import REPORT
from reprolab.scenario import loader, model
from reprolab.verdict.record import RECORDED, judge_run


def accept(root: Path, run: RunDirectory) -> Path:
    """Write the scenario's recorded.json from a complete run of all its variants; returns its path.

    Raises UsageError, before anything is written, for a run that was aborted, left variants out, or lacks trials.
    """
    content = files.read_json(run.path / "run.json")
    found = loader.load(root, content["scenario"])
    if content.get("status") != "complete":
        raise UsageError(f"{run.name} is {content.get('status')}", expected="a complete run")
    ran = {(planned["experiment"], planned["variant"]) for planned in content["plan"]}
    wanted = {(e.name, v) for e in found.experiments.values() for v in e.variants}
    if missing := wanted - ran:
        names = ", ".join(sorted(f"{e}/{v}" for e, v in missing))
        raise UsageError(f"{run.name} left out {names}", expected="a run of all variants")
    if lacking := _lacking(run, content):
        raise UsageError(
            f"{run.name} lacks trials of {', '.join(lacking)} in trials.jsonl",
            expected="a trial, valid or invalid with its reason, for each that was planned",
            advice=f"run it again: make scenario-{found.name}; nothing was written",
        )
    verdict = judge_run(found, run)
    path = found.directory / RECORDED
    # Deeply nested: a third of it would be spaces.
    files.write_json(path, verdict | _context(found, run, content), indent=1)
    return path


def record(root: Path, run: RunDirectory) -> tuple[Path, list[Path]]:
    """Accept a run and write the generated pages; returns recorded.json and the pages that changed.

    Where a page cannot be written, recorded.json is put back: the checkout is as it was.
    """
    name = files.read_json(run.path / "run.json")["scenario"]
    path = loader.load(root, name).directory / RECORDED
    before = path.read_bytes() if path.exists() else None
    accept(root, run)
    try:
        return path, readme_sections.write(root)
    except BaseException:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)
        raise


def _lacking(run: RunDirectory, content: dict[str, Any]) -> list[str]:
    """The planned variants of which trials are missing, with how many there are; an invalid trial is one too."""
    there: dict[tuple[str, str], set[int]] = {}
    for trial in run.trials():
        there.setdefault((trial.experiment, trial.variant), set()).add(trial.trial)
    rows = [
        (f"{row['experiment']}/{row['variant']}", len(there.get((row["experiment"], row["variant"]), ())), row)
        for row in content["plan"]
    ]
    return [f"{name} ({n} of {row.get('trials', 1)})" for name, n, row in rows if n < row.get("trials", 1)]


def _context(found: model.Scenario, run: RunDirectory, content: dict[str, Any]) -> dict[str, Any]:
    trials = run.trials()
    report = run.path / REPORT
    return {
        "started": content["started"],
        "host": content["host"],
        "bases": content.get("bases", {}),
        "packages": packages.kept(content.get("packages", {})),
        "times": content.get("times", ""),
        "tables": {
            e.name: {
                "headings": list(table.headings(e)),
                "rows": [row.to_json() for row in table.rows(e, trials)],
            }
            for e in found.experiments.values()
        },
        "report": report.read_text(encoding="utf-8") if report.exists() else "",
    }
