"""Make a small recorded run in this directory from a run of the lab.

    python tests/data/runs/record.py results/socket-vanish/latest whole documented gunicorn-19.5.0
    python tests/data/runs/record.py results/socket-vanish/<UTC> partial

Kept are run.json, trials.jsonl (whole observations but for their timelines) and, of the variants named, the first
trial's logs. Those are thinned: of the lines that only repeat (answers to wrk) few stay, every line that decides
something does, in its order. So counts and rates in a thinned log are not those of the run; moments and order are.

`whole` has the variants of wrk's threads and connections (wrk-...) from a later run: their lines were added by hand.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
KEPT_RUN = ("schema", "scenario", "started", "status", "command", "factors", "plan", "host", "bases", "times")
EVERY_OK, EVERY_REFUSED, EVERY_ACCESS = 40, 400, 400


def plain(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Thin out a server's log: its access lines, and h2o's of what it cannot reach, are many; nothing reads them."""
    for number, line in enumerate(lines):
        many = b'"GET / HTTP' in line or b"failed to connect to host" in line
        if not many or number % EVERY_ACCESS == 0:
            yield line


def ended(line: bytes) -> float:
    """When a response of the proxy's log ended, in seconds."""
    came, took = line.rsplit(b'"', 1)[1].split()
    return int(came) / 1e6 + float(took)


def proxy(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Thin out the proxy's log but for the last 2xx (by the log's order, and by the clock) and the next 502."""
    every = list(lines)
    ok = [n for n, line in enumerate(every) if b'" 200 ' in line and b'"-" "-"' in line]
    decisive = {ok[-1], max(ok, key=lambda n: ended(every[n]))}
    after = (n for n in range(ok[-1] + 1, len(every)) if b'" 502 ' in every[n] and b'"-" "-"' in every[n])
    decisive |= {next(after, ok[-1])}
    for number, line in enumerate(every):
        step = EVERY_OK if b'" 200 ' in line else EVERY_REFUSED
        if number in decisive or b'"-" "-"' not in line or number % step == 0:
            yield line


def thin(source: Path, target: Path) -> None:
    """Copy one log; the same input always gives the same bytes."""
    with gzip.open(source, "rb") as lines:
        kept = b"".join((proxy if source.name == "proxy.log.gz" else plain)(lines))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(kept, mtime=0))


def main(source: Path, name: str, variants: list[str]) -> None:
    """Write HERE/name from the run in ``source``."""
    target = HERE / name
    target.mkdir(exist_ok=True)
    run = json.loads((source / "run.json").read_text(encoding="utf-8"))
    kept = {key: run[key] for key in KEPT_RUN}
    kept["packages"] = {image: {"pip": kinds["pip"]} for image, kinds in run["packages"].items() if kinds.get("pip")}
    (target / "run.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with (target / "trials.jsonl").open("w", encoding="utf-8") as stream:
        for line in (source / "trials.jsonl").read_text(encoding="utf-8").splitlines():
            trial = json.loads(line)
            trial["observation"].pop("timeline", None)
            # The checksum is that of the whole line.
            trial.pop("crc32", None)
            stream.write(json.dumps(trial, ensure_ascii=False) + "\n")
    for variant in variants:
        (where,) = source.glob(f"*/{variant}/1")
        for log in where.glob("*.log.gz"):
            thin(log, target / log.relative_to(source))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
