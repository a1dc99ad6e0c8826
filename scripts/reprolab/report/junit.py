"""A judged run as JUnit XML, for the test reports of GitHub, GitLab and Jenkins: a test case for each claim.

| the claim | the test case |
|---|---|
| is confirmed, or refuted as on record | passes |
| was decided differently from the verdict on record | fails, type `drift` |
| is refuted, and nothing is on record | fails, type `refuted` |
| is intermittent, inconclusive, or was not tested | is skipped; the first word of its message tells which |
| a run that did not end as planned has one more test case, `run` | has an error, type `lab` |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from reprolab.core.files import replacing
from reprolab.core.foreign_text import SIGN, shown
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import ClaimVerdict, Verdict, VerdictDocument, read_verdict

PASSED, FAILURE, ERROR, SKIPPED = "passed", "failure", "error", "skipped"
# XML has no place for these two; all other characters that it forbids are replaced by `shown`.
NO_CHARACTERS = re.compile("[\ufffe\uffff]")
STARTED = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True)
class Case:
    """A test case: its class and name, its outcome (PASSED, FAILURE ...) with a message, and its time in seconds.

    ``kind`` is the type of a failure or an error. ``details`` is printed with the case.
    """

    group: str
    name: str
    outcome: str
    message: str
    kind: str = ""
    details: str = ""
    seconds: float = 0.0


def write(path: Path, scenario: Scenario, run: RunDirectory | None, failure: str = "") -> None:
    """Write the file of a run. ``failure`` says why the run ended early; a run that never began is None.

    Raises EvidenceError if the file cannot be written.
    """
    verdict = read_verdict(run) if run else None
    info = run.info() if run else RunInfo(scenario.name)
    trials = list(run.checked_trials().records) if run and verdict else []
    reason = failure or ("" if not info.status or info.complete else f"the run is {info.status}: {info.reason}")
    cases = claim_cases(scenario, verdict, trials) if verdict else []
    if reason:
        cases.append(Case(scenario.name, "run", ERROR, reason.splitlines()[0], "lab", reason))
    with replacing(path) as draft:
        draft.write_bytes(document(scenario, info, cases, sum(map(_seconds, trials)), run.name if run else ""))


def claim_cases(scenario: Scenario, verdict: VerdictDocument, trials: Sequence[TrialRecord]) -> list[Case]:
    """A case for each claim. Its time is that of all trials of the variants that the claim needs."""
    cases = []
    for experiment in scenario.experiments.values():
        ids = {claim.id for claim in experiment.claims}
        for claim in verdict.claims:
            if claim.id in ids:
                outcome, kind, message = result(verdict, claim)
                needed = [
                    trial
                    for trial in trials
                    if trial.experiment == experiment.name
                    and scenario.variant_key(experiment.name, trial.variant) in claim.variants
                ]
                name, group = f"{claim.id}: {claim.text}", f"{scenario.name}.{experiment.name}"
                cases.append(Case(group, name, outcome, message, kind, claim.document, sum(map(_seconds, needed))))
    return cases


def result(verdict: VerdictDocument, claim: ClaimVerdict) -> tuple[str, str, str]:
    """The outcome of a claim's case, the type of its failure ("" for none), and its message."""
    if not verdict.asked(claim):
        counts = [f"{name} {count.text}" for name, count in verdict.signs.get(claim.id, {}).items()]
        seen = f"; in what ran the sign showed in {', '.join(counts)}" if counts else ""
        return SKIPPED, "", f"not tested: {claim.why}{seen}"
    if claim.id in verdict.drifted:
        return FAILURE, "drift", f"{claim.verdict}, but {claim.recorded} on record: {claim.reason}"
    on_record = "as on record" if claim.recorded == claim.verdict else "nothing on record"
    message = f"{claim.verdict}, {on_record}: {claim.reason}"
    if claim.verdict == Verdict.INCONCLUSIVE:
        return SKIPPED, "", f"inconclusive: {claim.reason}"
    if claim.verdict == Verdict.INTERMITTENT:
        return SKIPPED, "", message
    if claim.verdict == Verdict.REFUTED and claim.recorded is None:
        return FAILURE, "refuted", message
    return PASSED, "", message


def document(scenario: Scenario, info: RunInfo, cases: Iterable[Case], seconds: float, run: str) -> bytes:
    """The XML of one test suite; ``seconds`` is the time of all its trials."""
    rows = list(cases)
    numbers = {
        "tests": str(len(rows)),
        "failures": str(sum(case.outcome == FAILURE for case in rows)),
        "errors": str(sum(case.outcome == ERROR for case in rows)),
        "skipped": str(sum(case.outcome == SKIPPED for case in rows)),
        "time": f"{seconds:.3f}",
    }
    # Jenkins' schema knows no number of skipped tests here.
    root = ElementTree.Element("testsuites", _harmless({"name": "reprolab", **numbers}, without="skipped"))
    suite = ElementTree.SubElement(root, "testsuite", _harmless({"name": scenario.name, **numbers, **_time(info)}))
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("title", scenario.title), ("run", run), ("lab", info.lab), ("kernel", info.host.kernel)):
        if value:
            ElementTree.SubElement(properties, "property", _harmless({"name": name, "value": value}))
    for case in rows:
        _add_case(suite, case)
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _add_case(suite: ElementTree.Element, case: Case) -> None:
    attributes = {"classname": case.group, "name": case.name, "time": f"{case.seconds:.3f}"}
    element = ElementTree.SubElement(suite, "testcase", _harmless(attributes))
    if case.outcome == PASSED:
        ElementTree.SubElement(element, "system-out").text = _harmless_text(f"{case.message}\n{case.details}")
        return
    kind = {"type": case.kind} if case.kind else {}
    part = ElementTree.SubElement(element, case.outcome, _harmless({"message": case.message, **kind}))
    if case.details:
        part.text = _harmless_text(f"{case.name}\n{case.details}")


def _time(info: RunInfo) -> dict[str, str]:
    """The start of the run in UTC, without a zone, as the format has it."""
    try:
        return {"timestamp": datetime.strptime(info.started, STARTED).replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S")}
    except ValueError:
        return {}


def _seconds(trial: TrialRecord) -> float:
    return sum((trial.seconds or {}).values())


def _harmless(attributes: dict[str, str], without: str = "") -> dict[str, str]:
    """Attributes in one line each, without characters that XML forbids or a reader obeys."""
    return {name: " ".join(_harmless_text(text).split()) for name, text in attributes.items() if name != without}


def _harmless_text(text: str) -> str:
    return NO_CHARACTERS.sub(SIGN, shown(text))
