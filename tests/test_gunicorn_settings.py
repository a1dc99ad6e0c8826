"""gunicorn-settings without Docker: every sign on a recorded run, each shown able to fail; the generated table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT
from reprolab.evidence.run_dir import RunDirectory
from reprolab.publish import readme_sections
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Scenario
from reprolab.verdict.judge import judge

DIRECTORY = ROOT / "scenarios" / "gunicorn-settings"
RUN = RunDirectory(Path(__file__).parent / "data" / "gunicorn-settings")
DOCUMENT = [f"GS-{number}" for number in (*range(1, 39), *range(60, 71))]


@pytest.fixture(scope="module")
def found() -> Scenario:
    """The scenario."""
    return loader.load(ROOT, "gunicorn-settings")


@pytest.fixture(scope="module")
def claims(found: Scenario) -> dict[str, tuple[str, Claim]]:
    """Each claim with its experiment, by id."""
    return {claim.id: (e.name, claim) for e in found.experiments.values() for claim in e.claims}


def observed(experiment: str, variant: str) -> dict[str, Any]:
    """What the recorded run saw in a variant."""
    for trial in RUN.trials():
        if (trial.experiment, trial.variant) == (experiment, variant) and trial.valid:
            return json.loads(json.dumps(trial.observation))
    raise AssertionError(f"tests/data/gunicorn-settings has no valid trial of {experiment}/{variant}: record it anew")


def test_every_sentence_of_the_document_is_a_claim(claims: dict[str, tuple[str, Claim]]) -> None:
    """GS-1 to GS-38 and GS-60 to GS-70, with what each is about; the others were found on the way. There is no gap."""
    assert set(DOCUMENT) <= set(claims)
    assert sorted(claims, key=lambda one: int(one[3:])) == [f"GS-{n}" for n in range(1, len(claims) + 1)]
    assert all(claim.setting and claim.measured for _, claim in claims.values())


def test_the_documented_versions(found: Scenario) -> None:
    """Python 3.6.15, Django 2.2, gunicorn 20.1.0, and no option that the document does not have."""
    wanted = {"PYTHON": "3.6.15", "DJANGO": "2.2", "GUNICORN": "20.1.0", "WORKER_CLASS": "sync", "ARGUMENTS": ""}
    assert {name: found.factors[name] for name in wanted} == wanted


def test_every_claim_is_decided_as_recorded(found: Scenario) -> None:
    """The recorded trials give the verdicts that are on record."""
    verdict = judge(found, "recorded", RUN.trials())
    recorded = json.loads((DIRECTORY / "recorded.json").read_text(encoding="utf-8"))
    now = {claim.id: claim.verdict for claim in verdict.claims}
    assert now == {claim["id"]: claim["verdict"] for claim in recorded["claims"]}
    assert "inconclusive" not in now.values()


def test_every_claim_has_words_for_what_was_measured(found: Scenario) -> None:
    """No observation leaves the table without them."""
    verdict = judge(found, "recorded", RUN.trials())
    for claim in verdict.claims:
        for name, row in claim.variants.items():
            assert row.measured and "?" not in row.measured, f"{claim.id}, {name}: {row}"


# For each claim a variant in which its sign shows, and one change that must take it away.
ABLE_TO_FAIL: list[tuple[str, str, Callable[[dict[str, Any]], Any]]] = [
    ("GS-2", "arguments", lambda o: o.update(workers=1)),
    ("GS-3", "file-and-arguments", lambda o: o.update(workers=3)),
    ("GS-4", "wsgi-app", lambda o: o.update(workers=None, code=1)),
    ("GS-5", "missing-module", lambda o: o.update(code=None)),
    ("GS-5", "missing-module", lambda o: o.update(missing=False)),
    ("GS-6", "spew", lambda o: o.update(view_lines=o["view_lines"] - 1)),
    ("GS-7", "bad-log-path", lambda o: o.update(code=0)),
    ("GS-8", "env", lambda o: o.update(key_error=False)),
    ("GS-9", "print", lambda o: o.update(settings_elsewhere=4)),
    ("GS-9", "print-bad-log-path", lambda o: o.update(code=0)),
    ("GS-10", "stdout", lambda o: o.update(access_on_stdout=False)),
    ("GS-11", "without", lambda o: o.update(access_on_stdout=True)),
    ("GS-12", "documented", lambda o: o["on_stderr"].update(end=0)),
    ("GS-12", "documented", lambda o: o["on_stdout"].update(start=1)),
    ("GS-13", "documented", lambda o: o["on_stderr"].update(ended=1)),
    ("GS-14", "syslog", lambda o: o.update(bad_descriptor=0)),
    ("GS-15", "plain-dictconfig", lambda o: o.update(bad_descriptor=0)),
    ("GS-16", "python-3.10", lambda o: o.update(bad_descriptor=0)),
    ("GS-17", "redirect-off", lambda o: o.update(access_in_syslog=True)),
    ("GS-19", "limit-8191", lambda o: o.update(largest_path=8191)),
    ("GS-19", "limit-8190", lambda o: o.update(largest_query=8191)),
    ("GS-19", "limit-0", lambda o: o.update(largest_query=8190)),
    ("GS-20", "preload", lambda o: o.update(importers=o["workers"])),
    ("GS-21", "both", lambda o: o.update(NAME="shell")),
    ("GS-22", "pidfile", lambda o: o.update(pid=o["pid"] + 1)),
    ("GS-22", "pidfile", lambda o: o.update(children=o["children"] - 1)),
    ("GS-23", "root-user-group", lambda o: o.update(workers=[[0, 0]])),
    ("GS-24", "documented", lambda o: o.update(listening=["127.0.0.1:8001"])),
    ("GS-24", "unix", lambda o: o.update(nginx=502)),
    ("GS-24", "several", lambda o: o.update(statuses=[200, None])),
    ("GS-26", "nginx-few", lambda o: o.update(waiting=40, queued=40)),
    ("GS-27", "five", lambda o: o.update(workers=4)),
    ("GS-28", "documented", lambda o: o.update(most=2)),
    ("GS-29", "gevent", lambda o: o.update(most=1)),
    ("GS-32", "limit-20", lambda o: o["ended"].append(21)),
    ("GS-32", "limit-20", lambda o: o.update(ended=[20])),
    ("GS-33", "jitter-10", lambda o: o["ended"].append(31)),
    ("GS-33", "jitter-10", lambda o: o["ended"].append(19)),
    ("GS-33", "jitter-2", lambda o: o.update(ended=[n for n in o["ended"] * 2 if n != 22])),
    ("GS-34", "sync", lambda o: o.update(status=200)),
    ("GS-34", "sync", lambda o: o.update(after_s=1.0)),
    ("GS-35", "gevent", lambda o: o.update(replaced=True)),
    ("GS-36", "term", lambda o: o.update(after_s=0.2)),
    ("GS-36", "term", lambda o: o.update(statuses=["200"])),
    ("GS-37", "hup", lambda o: o.update(new_s=6.5)),
    ("GS-37", "hup", lambda o: o.update(statuses=["None"])),
    ("GS-38", "gevent-hup", lambda o: o.update(after_s=6.0)),
    ("GS-38", "gevent-hup", lambda o: o.update(new_s=None)),
    ("GS-39", "hup-timeout", lambda o: o.update(timeout_told=False)),
    ("GS-40", "gthread", lambda o: o.update(status=None)),
    ("GS-41", "gunicorn.conf.py", lambda o: o.update(workers=1)),
    ("GS-42", "cmd-args", lambda o: o.update(workers=1)),
    ("GS-43", "in-view", lambda o: o.update(code=3)),
    ("GS-44", "syntax-error", lambda o: o.update(status=200)),
    ("GS-45", "own-log-path", lambda o: o.update(code=1)),
    ("GS-46", "spew", lambda o: o.update(thread_lines=2)),
    ("GS-47", "no-logging", lambda o: o.update(access_on_stdout=False)),
    ("GS-48", "without", lambda o: o["on_stderr"].update(ended=2)),
    ("GS-49", "python-3.11", lambda o: o.update(access_in_syslog=False)),
    ("GS-50", "unix", lambda o: o.update(bad_descriptor=1)),
    ("GS-51", "documented", lambda o: o.update(largest_path=4095)),
    ("GS-52", "port", lambda o: o.update(listening=["127.0.0.1:8000"])),
    ("GS-53", "backlog-5", lambda o: o.update(waiting=5, queued=5)),
    ("GS-54", "gthread-compute", lambda o: o.update(health_s=3.0)),
    ("GS-55", "gthread-3", lambda o: o.update(most=8)),
    ("GS-56", "gevent-compute", lambda o: o.update(told=False)),
    ("GS-57", "gthread-hup", lambda o: o.update(old_gone_s=2.0)),
    ("GS-58", "quit-stubborn", lambda o: o.update(after_s=0.2)),
    ("GS-59", "gthread-hup-timeout", lambda o: o.update(statuses=["200"])),
    ("GS-60", "hooks-in-file", lambda o: o["ran"].remove("when_ready")),
    ("GS-60", "hooks-in-file", lambda o: o["offered"].append("when_ready")),
    ("GS-60", "hooks-in-file", lambda o: o.update(options=0)),
    ("GS-61", "processors", lambda o: o.update(workers=4)),
    ("GS-63", "changes", lambda o: o["rounds"][2].update(replaced=False)),
    ("GS-64", "no-dictconfig", lambda o: o.update(access_in_syslog=False)),
    ("GS-64", "no-dictconfig", lambda o: o.update(started_in_syslog=False)),
    ("GS-65", "documented", lambda o: o.update(callers=["plain"])),
    ("GS-66", "max-requests-40", lambda o: o.update(unanswered=1)),
    ("GS-66", "max-requests-40", lambda o: o.update(oom_kills=1)),
    ("GS-66", "max-requests-40", lambda o: o.update(killed=1)),
    ("GS-67", "eventlet", lambda o: o.update(replaced=True)),
    ("GS-68", "gevent-term", lambda o: o.update(after_s=6.0)),
    ("GS-68", "gevent-term", lambda o: o.update(after_s=0.2)),
    ("GS-69", "limit-0", lambda o: o.update(direct=o["proxied"])),
    ("GS-70", "behind", lambda o: o["slow"]["short"].update(status=502)),
    ("GS-70", "behind", lambda o: o["slow"]["long"].update(status=504)),
    ("GS-70", "behind", lambda o: o.update(finished=1)),
    ("GS-71", "syslog", lambda o: o.update(access_in_syslog=True)),
    ("GS-72", "no-logging", lambda o: o.update(callers=[])),
    ("GS-73", "template", lambda o: o["rounds"][0].update(replaced=True)),
    ("GS-73", "template", lambda o: o.update(changed=False)),
    ("GS-74", "same-text", lambda o: o["rounds"][1].update(replaced=False)),
    ("GS-75", "term", lambda o: o.update(status=None)),
    ("GS-75", "term", lambda o: o.update(same_worker=True)),
]


@pytest.mark.parametrize(("identifier", "variant", "change"), ABLE_TO_FAIL)
def test_a_sign_can_come_out_false(
    claims: dict[str, tuple[str, Claim]], identifier: str, variant: str, change: Callable[[dict[str, Any]], Any]
) -> None:
    """It shows in what was recorded, and not once that is changed in one place."""
    experiment, claim = claims[identifier]
    seen = observed(experiment, variant)
    assert claim.sign(seen) is True
    change(seen)
    assert claim.sign(seen) is False


@pytest.mark.parametrize(
    ("identifier", "variant", "change"),
    [
        ("GS-1", "gunicorn.config.py", {"workers": 3}),
        ("GS-18", "documented", {"largest_path": 4092}),
        ("GS-25", "backlog-5", {"waiting": 5, "queued": 5}),
        ("GS-30", "gevent-compute", {"health_s": 0.01}),
        ("GS-31", "gevent", {"most": 3}),
        ("GS-65", "logging-config-none", {"callers": ["django.utils.log"]}),
        ("GS-67", "gevent-compute", {"status": 200, "replaced": False, "told": False, "after_s": 8.0}),
        ("GS-68", "term", {"status": None, "after_s": 2.1}),
    ],
)
def test_the_sign_of_a_refuted_claim_can_come_out_true(
    claims: dict[str, tuple[str, Claim]], identifier: str, variant: str, change: dict[str, Any]
) -> None:
    """Had the server done what the document says, the sign would have shown."""
    experiment, claim = claims[identifier]
    seen = observed(experiment, variant)
    assert claim.sign(seen) is False
    assert claim.sign(seen | change) is True


def throughput(*rates: float) -> dict[str, Any]:
    """An observation of a machine with four processors: the rates with 1, 4, 8, 16, 24 and 48 workers."""
    return {"processors": 4, "rates": dict(zip(("1", "4", "8", "16", "24", "48"), rates, strict=True)), "failed": 0}


@pytest.mark.parametrize(
    ("rates", "best", "grows"),
    [
        ((20, 80, 80, 79, 78, 76), True, False),
        # As fast with one worker.
        ((80, 80, 80, 80, 80, 80), False, False),
        # Slower with four for each processor than with two.
        ((20, 80, 80, 60, 60, 60), False, False),
        ((20, 80, 160, 320, 480, 960), False, True),
        # The last step brings nothing.
        ((20, 80, 160, 320, 480, 500), False, False),
    ],
)
def test_the_best_number_of_workers(
    claims: dict[str, tuple[str, Claim]], rates: tuple[float, ...], best: bool, grows: bool
) -> None:
    """GS-62: 2 to 4 for each processor are as good as any number. GS-76: the rate grows with each step beyond."""
    seen = throughput(*rates)
    assert (claims["GS-62"][1].sign(seen), claims["GS-76"][1].sign(seen)) == (best, grows)


@pytest.mark.parametrize(
    ("identifier", "variant", "change"),
    [
        ("GS-20", "preload", {"importers": [1]}),
        ("GS-23", "documented", {"workers": [[5, 5]]}),
        ("GS-25", "backlog-5", {"queued": 1}),
    ],
)
def test_what_cannot_be_told_is_no_answer(
    claims: dict[str, tuple[str, Claim]], identifier: str, variant: str, change: dict[str, Any]
) -> None:
    """Neither the one nor the other: the sign raises, and the claim stays undecided."""
    experiment, claim = claims[identifier]
    with pytest.raises(ValueError):
        claim.sign(observed(experiment, variant) | change)


def test_the_table_beside_the_manual() -> None:
    """Every claim once, in the document's order, with setting, verdict and number."""
    text = readme_sections.pages(ROOT)[DIRECTORY / "README.md"]
    table = text.partition("<!-- generated: settings/gunicorn-settings -->\n")[2].partition("<!-- end -->")[0]
    rows = [row.split(" | ") for row in table.splitlines()[2:]]
    assert [row[1] for row in rows if row[1] in DOCUMENT] == DOCUMENT
    first = dict(zip(("setting", "id", "says", "measured", "verdict", "number", "evidence"), rows[0], strict=True))
    assert (first["setting"], first["verdict"]) == ("| config", "**refuted**")
    assert "gunicorn.config.py, documented: 1 worker" in first["measured"] and first["number"].startswith("shown 0/")


# -- what the triggers read -----------------------------------------------------------------------


def common(found: Scenario) -> ModuleType:
    """The module that all experiments share."""
    return sys.modules[sys.modules[found.experiments["workers"].drive.__module__].Gunicorn.__module__]


@pytest.mark.parametrize(
    ("words", "variables", "expected"),
    [
        ("python gunicorn --worker-class sync --preload lab.wsgi", {"PYTHONPATH": "/srv/app", "HOME": "/tmp"}, True),
        ("python gunicorn --worker-class sync lab.wsgi", {"PYTHONPATH": "/srv/app"}, False),
        ("python gunicorn --worker-class sync --preload lab.wsgi", {"PYTHONPATH": "/other"}, False),
        ("", {}, False),
    ],
)
def test_the_settings_are_in_force(found: Scenario, words: str, variables: dict[str, str], expected: bool) -> None:
    """Both are read from the kernel: the arguments of the running master, and its variables."""
    answers = {"read": "".join(f"{word}\0" for word in words.split()), "environment": variables}
    gunicorn = object.__new__(common(found).Gunicorn)
    gunicorn.lab = SimpleNamespace(call=lambda do, **_: answers[do])
    gunicorn.master = 10
    gunicorn.words = ["gunicorn", "--worker-class", "sync", "--preload", "lab.wsgi"]
    gunicorn.environment = {"PYTHONPATH": "/srv/app"}
    assert gunicorn.in_force() is expected


def test_requests_overlap_if_the_last_was_sent_before_the_first_was_answered(found: Scenario) -> None:
    """By the client's clock; a request that fails has an end too."""
    first, second = {"began": 0.0, "ended": 0.5}, {"began": 0.4, "ended": 1.0}
    assert common(found).overlap([first, second]) is True
    assert common(found).overlap([first, second | {"began": 0.5}]) is False
