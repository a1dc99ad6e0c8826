"""`make chaos`: injects each fault into a real run, and prints what the lab did.

It exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import re
import signal
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import docker
from reprolab.cli.common import show_progress
from reprolab.core.markdown import cell
from reprolab.core.terminal import Terminal
from reprolab.engine.detect import client, ensure_engine
from reprolab.evidence.run_info import RunInfo
from rich.table import Table

from chaos.attempt import CASE, Attempt, Outcome, lay_out, message_of, wrong
from chaos.engine import SpareEngine, spare_engine
from chaos.faults import Fault, all_faults

TRACEBACK = "Traceback (most recent call last)"


def attempt_fault(fault: Fault, folder: Path, engine: docker.DockerClient, spare: SpareEngine | None) -> Outcome:
    """Run the lab with a fault, and hold what came of it against the promises."""
    began = time.monotonic()
    environ = {**fault.environ, **({"DOCKER_HOST": spare.host} if spare else {})}
    results = folder / "runs" / re.sub(r"\W+", "-", fault.name)
    prefix = spare.prefix if spare else ()
    attempt = Attempt(folder / "checkout", results, engine, environ, fault.wrapper, prefix)
    attempt.results.parent.mkdir(exist_ok=True)
    attempt.start(*fault.arguments)
    broken = []
    try:
        fault.inject(attempt)
    except Exception as error:
        broken.append(f"the fault was not injected: {error}")
    status = attempt.end()
    try:
        later = fault.afterwards(attempt)
    except Exception as error:
        later = None
        broken.append(f"nothing could be done afterwards: {error}")
    status = status if later is None else later
    left, verdicts = attempt.left(), attempt.verdicts()
    broken += [text for text in broken_promises(fault, attempt, status, verdicts, left) if text]
    return Outcome(
        fault.name,
        status,
        verdicts,
        tuple(left),
        message_of(attempt.output.replace(f"{folder}/", ""), fault.says),
        time.monotonic() - began,
        tuple(broken),
    )


def broken_promises(
    fault: Fault, attempt: Attempt, status: int | None, verdicts: dict[str, str], left: list[str]
) -> Iterable[str]:
    """What the lab did that it promises not to do."""
    if status is None:
        yield "it did not end"
    elif status not in fault.exits:
        yield f"exit status {status}, not {' or '.join(map(str, sorted(fault.exits)))}"
    yield from (f"wrong verdict: {text}" for text in wrong(verdicts))
    if left:
        yield f"left on the engine: {', '.join(left)}"
    if TRACEBACK in attempt.output:
        yield "a traceback"
    if fault.says and not re.search(fault.says, attempt.output, re.IGNORECASE):
        yield f"no message with {fault.says!r}"
    if fault.status and attempt.status() != fault.status:
        yield f"run.json says {attempt.status() or 'nothing'}, not {fault.status}"


def row(outcome: Outcome) -> list[str]:
    """The cells of an outcome."""
    verdicts = " ".join(f"{claim} {verdict}" for claim, verdict in outcome.verdicts.items()) or "none"
    status = "none" if outcome.exit_status is None else str(outcome.exit_status)
    kept = "; ".join(outcome.broken) or "kept"
    return [outcome.name, status, verdicts, ", ".join(outcome.left) or "nothing", outcome.message, kept]


HEADINGS = ("fault", "exit", "verdicts", "left over", "message", "promises")


def table(outcomes: Iterable[Outcome]) -> Table:
    """All outcomes, for a terminal."""
    drawn = Table("fault", "exit", "verdicts", "left over", "promises")
    for outcome in outcomes:
        name, status, verdicts, left, _, kept = row(outcome)
        drawn.add_row(name, status, verdicts, left, kept, style="red" if outcome.broken else "")
    return drawn


def markdown(outcomes: Iterable[Outcome]) -> str:
    """All outcomes, for the documentation."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS)]
    rows += [tuple(cell(text)[:160] for text in row(outcome)) for outcome in outcomes]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows) + "\n"


PAGE = """# The faults of the last `make chaos`

{count} faults on real runs; {broken} with a broken promise. What is promised is in [reliability.md](reliability.md). In
truth X-1 is confirmed and X-2 refuted. `make chaos ARGS="--markdown docs/faults.md"` writes this page.

{table}"""


def page(outcomes: list[Outcome]) -> str:
    """docs/faults.md."""
    broken = sum(bool(outcome.broken) for outcome in outcomes)
    return PAGE.format(count=len(outcomes), broken=broken or "none", table=markdown(outcomes))


def run_all(
    faults: Iterable[Fault], folder: Path, engine: docker.DockerClient, spare: SpareEngine | None
) -> list[Outcome]:
    """Inject one fault after the other; prints a line for each."""
    outcomes = []
    for fault in faults:
        outcome = attempt_fault(fault, folder, engine, spare)
        outcomes.append(outcome)
        kept = "; ".join(outcome.broken) or "kept"
        print(f"{fault.name}: exit {outcome.exit_status} ({outcome.seconds:.0f} s): {kept}", flush=True)
        if spare and not spare.answers():
            spare.restore()
    return outcomes


def images_of(info: RunInfo) -> list[str]:
    """All images that a run used: the second engine has no network, and can build none."""
    built = {image.reference for services in info.images.values() for image in services.values()}
    return sorted(built | {base.reference for base in info.bases.values() if base.reference})


def images(folder: Path) -> list[str]:
    """Run the case once without a fault on the engine in use; returns the images that it has for it."""
    attempt = Attempt(folder / "checkout", folder / "sound", client(), {})
    attempt.start("run", CASE)
    if attempt.end(600) != 0:
        raise SystemExit(f"chaos: the case does not run without a fault:\n{attempt.output}")
    return images_of(attempt.run.info())


def main() -> int:
    """Inject the chosen faults; the exit status."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--shared", action="store_true", help="on the engine in use, without the faults that break it")
    parser.add_argument("--quick", action="store_true", help="only the faults that `make test` has; implies --shared")
    parser.add_argument("--only", default="", help="a regular expression for the names of the faults")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    parser.add_argument("--keep", type=Path, help="a directory for the evidence, which is kept")
    options = parser.parse_args()
    # A lab under nohup ignores SIGHUP; that must not depend on how this program was started.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    ensure_engine(show_progress)
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        lay_out(folder / "checkout")
        tags = images(folder)
        shared = options.shared or options.quick
        spare = None if shared else stack.enter_context(spare_engine(tags))
        faults = [f for f in all_faults(spare) if re.search(options.only, f.name) and (f.quick or not options.quick)]
        outcomes = run_all(faults, folder, spare.client() if spare else client(), spare)
    Terminal().print(table(outcomes))
    if options.markdown:
        options.markdown.write_text(page(outcomes), encoding="utf-8")
    count = sum(bool(outcome.broken) for outcome in outcomes)
    print(f"{len(outcomes)} faults, {count} with a broken promise")
    return 1 if count else 0


if __name__ == "__main__":
    raise SystemExit(main())
