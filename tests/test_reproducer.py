"""Reading reproducer.yaml, and every way in which it can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import COMPOSE, ROOT, having, lay_out
from reprolab.core.errors import UsageError
from reprolab.export import spec
from reprolab.export.spec import ReproducerStep
from reprolab.scenario import loader

GOOD: dict[str, Any] = {
    "claim": "B-1",
    "title": "the lamp blinks",
    "variant": "documented",
    "control": "old",
    "sign": "it is on and off",
}


def read(root: Path, drive: str = "drive.py", compose: str = COMPOSE, **changes: Any) -> spec.Reproducer:
    """The small scenario with a reproducer.yaml; a change to None removes a key."""
    directory = lay_out(root, compose=compose)
    (directory / "reproducer").mkdir()
    (directory / "reproducer" / drive).write_text("")
    content = {key: value for key, value in (GOOD | changes).items() if value is not None}
    (directory / "reproducer.yaml").write_text(yaml.safe_dump(content))
    return spec.load(loader.load(root, "blink"))


def test_it_names_a_claim_and_where_its_sign_is_looked_for(tmp_path: Path) -> None:
    """The claim determines the experiment; without `services` only the server is needed."""
    reproducer = read(tmp_path)
    assert reproducer.claim.id == "B-1"
    assert reproducer.experiment.name == "lamp"
    assert (reproducer.variant, reproducer.control) == ("documented", "old")
    assert (reproducer.services, reproducer.venv) == (("app",), None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"claim": "B-2"}, "no claim 'B-2' (did you mean B-1?)"),
        ({"claim": None}, "claim is missing"),
        ({"sign": " "}, "sign is missing"),
        ({"title": "one\ntwo"}, "expected: one line, without backticks"),
        ({"sign": "`it` blinks"}, "expected: one line, without backticks"),
        ({"variant": "new"}, "variant: lamp has no variant 'new'"),
        ({"control": "document"}, "did you mean documented?"),
        ({"control": "documented"}, "documented has the same factors as documented"),
        ({"tittle": "x"}, "unknown key tittle (did you mean title?)"),
        ({"services": ["app", "proxi"]}, "no service 'proxi'"),
        ({"services": "app"}, "services is 'app'"),
        ({"reads": ["WORKER"]}, "no factor WORKER (did you mean WORKERS?)"),
        ({"drive": "other.py"}, "reproducer/ has neither drive.py nor a Dockerfile"),
        ({"venv": {"install": []}}, "venv: install is []"),
        ({"venv": {"install": ["a==${RELEES}"]}}, "no factor RELEES (did you mean RELEASE?)"),
        ({"venv": {"install": [{"package": ["a"]}]}}, "unknown key package (did you mean packages?)"),
        ({"stops": ["app"]}, "stops names 'app'"),
        ({"stops": ["witness"], "drive": "Dockerfile"}, "stops names 'witness'"),
        (
            {"venv": {"install": ["a==1"]}, "drive": "Dockerfile"},
            "venv is set for a reproducer that needs more than the server",
        ),
    ],
)
def test_an_error_names_the_file_the_key_and_the_fix(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """The author of the file can mend it from the message alone."""
    with pytest.raises(UsageError) as caught:
        read(tmp_path, **changes)
    assert message in str(caught.value)
    assert "blink" in str(caught.value)
    assert "expected" in str(caught.value)


def test_a_factor_with_a_list_of_values_may_be_read(tmp_path: Path) -> None:
    """By the drive, and by a condition of what is installed."""
    compose = COMPOSE.replace("  title:", '  values: {WORKERS: "2 4"}\n  title:')
    venv = {"install": [{"packages": ["a==1"], "when": ["WORKERS=2"]}]}
    assert read(tmp_path, compose=compose, reads=["WORKERS"], venv=venv).reads == ("WORKERS",)


def test_a_file_that_is_missing_or_not_yaml_is_an_error(tmp_path: Path) -> None:
    """Both messages name the file."""
    directory = lay_out(tmp_path)
    scenario = loader.load(tmp_path, "blink")
    with pytest.raises(UsageError, match=r"scenarios/blink/reproducer\.yaml is missing"):
        spec.load(scenario)
    (directory / "reproducer.yaml").write_text("claim: [")
    with pytest.raises(UsageError, match=r"reproducer\.yaml is not YAML"):
        spec.load(scenario)


@pytest.mark.parametrize(
    ("factors", "applies"),
    [
        ({"GUNICORN": "19.9.0", "DJANGO": "2.2"}, False),
        ({"GUNICORN": "21.2.0", "DJANGO": "2.2"}, True),
        ({"GUNICORN": "21.2.0", "DJANGO": "4.2.16"}, False),
    ],
)
def test_what_is_installed_may_follow_the_factors(factors: dict[str, str], applies: bool) -> None:
    """At least one condition of `when` must hold, and none of `unless`."""
    step = ReproducerStep(("x==1",), when=("DJANGO=2.*", "DJANGO=3.*"), unless=("GUNICORN=19.*", "GUNICORN=20.*"))
    assert step.applies(factors) is applies


@pytest.mark.parametrize("name", having(spec.FILE, "recorded.json"))
def test_the_sign_came_out_either_way_in_the_recorded_run(name: str) -> None:
    """The variant showed the sign in every recorded trial, the control in none."""
    scenario = loader.load(ROOT, name)
    reproducer = spec.load(scenario)
    recorded = yaml.safe_load((scenario.directory / "recorded.json").read_text(encoding="utf-8"))
    signs = recorded["signs"][reproducer.claim.id]
    shows, control = (
        signs[scenario.variant_key(reproducer.experiment.name, variant)]
        for variant in (reproducer.variant, reproducer.control)
    )
    assert shows["shown"] == shows["trials"] > 0
    assert control["shown"] == 0 < control["trials"]
