"""Judges cases again and again, every second time while other work takes the processors: `make soak`.

Each line of results/soak.jsonl is a run of the needed variants of one case, one trial each. A verdict is wrong if the
claim is decided, and not as on record. Runs of earlier calls count too, so that two hundred can be collected over days.
With --record the runs are added to docs/soak.jsonl, and their table to docs/reliability.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from reprolab.evidence.run_dir import RunDirectory
from reprolab.verdict.document import Verdict, VerdictDocument, read_verdict

ROOT = Path(__file__).resolve().parents[1]
CASES = ("socket-vanish", "spawn-workers")
LIMIT = 1800  # seconds for one run, and for the other work beside it
LOOP = "while :; do :; done"
ON_RECORD, PAGE = ROOT / "docs" / "soak.jsonl", ROOT / "docs" / "reliability.md"
TABLE = re.compile(r"(?<=<!-- soak -->\n).*?(?=<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Sample:
    """One run: how many of its claims came out as on record, otherwise, or not at all.

    ``pressed``: the soak itself pressed on the machine. Other work of any kind disturbed ``busy`` of the ``trials``.
    """

    case: str
    pressed: bool
    status: int
    as_recorded: int
    wrong: tuple[str, ...]
    inconclusive: int
    seconds: float
    trials: int
    busy: int


@contextmanager
def other_work(pressed: bool) -> Iterator[None]:
    """Two endless loops for each processor while the block runs."""
    loops = 2 * (os.cpu_count() or 1) if pressed else 0
    processes = [
        subprocess.Popen(["timeout", str(LIMIT), "sh", "-c", LOOP], start_new_session=True) for _ in range(loops)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def sample(case: str, pressed: bool) -> Sample:
    """Run the needed variants of a case once."""
    with tempfile.TemporaryDirectory() as folder, other_work(pressed):
        began = time.monotonic()
        # The budget is used after the first round, so the variants that only illustrate do not run.
        command = [str(Path(sys.executable).with_name("reprolab")), "run", case, "--trials", "1", "--budget", "1s"]
        environ = {**os.environ, "REPROLAB_RESULTS": folder}
        status = subprocess.run(
            command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT, check=False
        ).returncode
        verdict = read_verdict(RunDirectory(Path(folder) / case / "latest"))
    if verdict is None:
        raise SystemExit(f"soak: {case} gave no verdict (exit status {status})")
    return counted(case, pressed, status, verdict, time.monotonic() - began)


def counted(case: str, pressed: bool, status: int, verdict: VerdictDocument, seconds: float) -> Sample:
    """The claims of a run, compared with the record."""
    undecided = [claim for claim in verdict.claims if claim.verdict == Verdict.INCONCLUSIVE]
    decided = [claim for claim in verdict.claims if claim not in undecided]
    wrong = tuple(f"{claim.id} {claim.verdict}" for claim in decided if claim.verdict != claim.recorded)
    trials, busy = (sum(getattr(row, name) for row in verdict.variants.values()) for name in ("trials", "busy"))
    return Sample(
        case, pressed, status, len(decided) - len(wrong), wrong, len(undecided), round(seconds, 1), trials, busy
    )


def read_samples(path: Path) -> list[Sample]:
    """The runs so far."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines() if path.exists() else [])
    return [Sample(**{**row, "wrong": tuple(row["wrong"])}) for row in rows]


def summary(samples: list[Sample]) -> Iterator[str]:
    """A Markdown table: a line for each case, with and without other work."""
    yield "| case | loops of the soak | busy trials | runs | verdicts | wrong | inconclusive | minutes a run (median) |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for case, pressed in sorted({(row.case, row.pressed) for row in samples}):
        rows = [row for row in samples if (row.case, row.pressed) == (case, pressed)]
        verdicts = sum(row.as_recorded + len(row.wrong) + row.inconclusive for row in rows)
        wrong = ", ".join(text for row in rows for text in row.wrong)
        count = sum(len(row.wrong) for row in rows)
        share = sum(row.inconclusive for row in rows) / verdicts
        minutes = median(row.seconds for row in rows) / 60
        busy = sum(row.busy for row in rows) / sum(row.trials for row in rows)
        work = "two for each processor" if pressed else "none"
        yield (
            f"| {case} | {work} | {busy:.0%} | {len(rows)} | {verdicts} | {count}{f' ({wrong})' if wrong else ''} "
            f"| {share:.0%} | {minutes:.1f} |"
        )


def put_into(page: str, samples: list[Sample]) -> str:
    """The page with the table of these runs. Raises ValueError for a page without its place."""
    text, count = TABLE.subn(lambda _: "\n".join(summary(samples)) + "\n", page)
    if count != 1:
        raise ValueError("the page has no place for the table: <!-- soak --> and <!-- end -->")
    return text


def main() -> int:
    """Collect runs; the exit status is 1 if any verdict so far is wrong."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=4, help="number of runs to add (default 4)")
    parser.add_argument("--case", action="append", help=f"cases to run in turn (default: {', '.join(CASES)})")
    parser.add_argument("--record", action="store_true", help="add them to docs/, with the table of all on record")
    options = parser.parse_args()
    file = ON_RECORD if options.record else Path(os.environ.get("REPROLAB_RESULTS", ROOT / "results")) / "soak.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    cases = options.case or CASES
    for number in range(options.runs):
        row = sample(cases[number % len(cases)], pressed=number // len(cases) % 2 == 1)
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(row)) + "\n")
        words = ", ".join(row.wrong) or "none"
        print(
            f"{row.case}{' beside other work' if row.pressed else ''}: wrong {words}; {row.seconds:.0f} s", flush=True
        )
    samples = read_samples(file)
    if options.record:
        PAGE.write_text(put_into(PAGE.read_text(encoding="utf-8"), samples), encoding="utf-8")
    print("\n".join(summary(samples)))
    return 1 if any(row.wrong for row in samples) else 0


if __name__ == "__main__":
    raise SystemExit(main())
