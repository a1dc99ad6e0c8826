"""A scenario and a run with hostile texts of others: logs, observations, values, documents, hosts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import yaml
from cases import lay_out, write_run_json
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario.trial import TrialRecord

# Window title, clear screen, clipboard, C1, direction, no width; HTML, Markdown, rich's markup.
ACTS = "\x1b]0;owned\x07\x1b[2J\x1b]52;c;bWFs\x07\x9b31m\x85\u202e\u2066\u200b\u2028\ufeff"
MARKUP = "<script>alert(1)</script>](javascript:alert(2))`x`|<img src=x onerror=alert(3)>[bold]fat[/bold][/tmp/x.sock]"
TEXT = f"hostile {ACTS}{MARKUP}"
LONG = 200_000  # characters of an endless line
STAMP = "2026-11-26T01:19:0{}.000000000Z"

EXPERIMENT = f'''\
"""Whether it blinks {ACTS!r}."""
from reprolab import Claim, Column

TEXT = {TEXT!r}
VARIANTS = {{"documented": {{}}, "old": {{"BIND": TEXT}}}}
TRIALS = 3


def drive(stack):
    return {{}}


def blinked(o):
    return o["blinked"]


blinked.__doc__ = TEXT


def raises(o):
    raise ValueError(TEXT)


CLAIMS = [Claim("B-1", "It blinks " + TEXT, sign=blinked, shows=["documented"], absent=["old"])]
COLUMNS = [
    Column("said " + TEXT[:20], lambda o: o["said"]),
    Column("raises", raises),
    Column("noted", lambda o: o["said"], note=True),
]
'''
UPSTREAM: dict[str, Any] = {
    "reports": [
        {
            "name": "gunicorn",
            "project": "gunicorn",
            "kind": "bug",
            "state": "new",
            "title": "it blinks",
            "claims": ["B-1"],
            "shows": "documented",
            "control": "old",
            "stacks": {"documented": "as documented", "old": "another"},
            "releases": {"factor": "BIND"},
            "expected": "no light",
            "actual": "light",
            "steps": [{"run": "true"}],
            "logs": [{"source": "app", "keep": ["hostile"]}],
        }
    ]
}
PLAN = [{"experiment": "lamp", "variant": name, "trials": 3} for name in ("documented", "old")]
DEMO: dict[str, Any] = {
    "opening": f"opening {ACTS}",
    "watch": {"processes": "app", "events": [{"role": "app", "pattern": "hostile.*"}]},
    "acts": [
        {"variant": name, "heading": f"act {ACTS}", "say": f"say {ACTS}", "expect": "?", "reveal": f"so {ACTS}"}
        for name in ("documented", "old")
    ],
    "closing": {"claims": ["B-1"], "cause": f"cause {ACTS}"},
}


def lay_out_all(root: Path) -> RunDirectory:
    """Write the checkout and a complete run of it; returns the run."""
    block = {"title": TEXT, "document": {"title": TEXT, "author": TEXT}, "summary": TEXT, "finding": TEXT}
    environment = {"BIND": "${BIND:-none}", "RELEASE": "${RELEASE:-1.0}"}
    limits = {"cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "mem_limit": "64m", "pids_limit": 64}
    service = {"image": "app:1", "environment": environment, **limits}
    model = {"x-reprolab": block, "services": {"blink-app": service}}
    directory = lay_out(root, compose=yaml.safe_dump(model), lamp=EXPERIMENT)
    (directory / "upstream.yaml").write_text(yaml.safe_dump(UPSTREAM), encoding="utf-8")
    (directory / "demo.yaml").write_text(yaml.safe_dump(DEMO), encoding="utf-8")
    (directory / "README.md").write_text("# blink: a lamp\n", encoding="utf-8")
    (root / "README.md").write_text("# lab\n", encoding="utf-8")
    return run_of(root, status="complete")


def run_of(root: Path, **info: Any) -> RunDirectory:
    """Write a run: valid trials of both variants, and an invalid one; ``info`` goes into run.json."""
    run = lookup.create_run(root, "blink")
    host = {"kernel": TEXT, "engine": TEXT, "compose": TEXT, "cpu": TEXT, "cpus": 2, "os": TEXT}
    bases = {"python": {"reference": TEXT, "origin": "host", "detail": TEXT}}
    write_run_json(run, started=TEXT, host=host, bases=bases, command=["run", TEXT], plan=PLAN, **info)
    for variant, shown in (("documented", True), ("old", False)):
        for number in (1, 2, 3):
            invalid = TEXT + "x" * LONG + "\n" + TEXT if number == 3 else ""
            factors = {"BIND": TEXT} if variant == "old" else {}
            # A lone surrogate comes out of JSON that a server writes.
            observation = {"blinked": shown, "said": json.loads(r'"\ud800"') + TEXT + "y" * LONG, TEXT: [TEXT]}
            run.append(TrialRecord("lamp", variant, number, factors, observation, invalid, busy=TEXT))
            _write_logs(run, variant, number)
    return run


def _write_logs(run: RunDirectory, variant: str, number: int) -> None:
    evidence = run.trial("lamp", variant, number)
    evidence.path.mkdir(parents=True)
    lines = [
        f"{STAMP.format(1)} [2026-11-26 01:19:01 +0000] [11] [INFO] Booting worker with pid: 11",
        f"{STAMP.format(2)} {TEXT} of {variant} {number}",
        f"{STAMP.format(3)} Traceback (most recent call last):",
        f'{STAMP.format(3)}   File "{TEXT}.py", line 1, in {ACTS}',
        f"{STAMP.format(3)} ValueError: {TEXT}",
        f"{STAMP.format(4)} hostile {variant} " + "z" * LONG,
    ]
    evidence.log_path("app").write_bytes(gzip.compress("\n".join(lines).encode("utf-8", "replace")))
    (evidence.path / f"said{ACTS[1:5]}.err").write_text(f"{TEXT} {variant}\n", encoding="utf-8")
    (evidence.path / "compose.json").write_text(json.dumps({"services": {"blink-app": {"image": TEXT}}}))
