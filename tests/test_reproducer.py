"""What reproducer.yaml says, and every way in which it can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import ROOT, having, lay_out
from reprolab.core.errors import UsageError
from reprolab.export import spec
from reprolab.export.spec import Step
from reprolab.scenario import loader

GOOD: dict[str, Any] = {
    "claim": "B-1",
    "title": "the lamp blinks",
    "variant": "documented",
    "control": "old",
    "sign": "it is on and off",
}


def read(root: Path, drive: str = "drive.py", **changes: Any) -> spec.Reproducer:
    """The small scenario with a reproducer.yaml; a change to None takes a key away."""
    directory = lay_out(root)
    (directory / "reproducer").mkdir()
    (directory / "reproducer" / drive).write_text("")
    content = {key: value for key, value in (GOOD | changes).items() if value is not None}
    (directory / "reproducer.yaml").write_text(yaml.safe_dump(content))
    return spec.load(loader.load(root, "blink"))


def test_it_names_a_claim_and_where_its_sign_is_looked_for(tmp_path: Path) -> None:
    """The claim brings its experiment; where no services are named, the server alone is needed."""
    found = read(tmp_path)
    assert found.claim.id == "B-1"
    assert found.experiment.name == "lamp"
    assert (found.variant, found.control, found.services, found.venv) == ("documented", "old", ("app",), None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"claim": "B-2"}, "no claim 'B-2' (did you mean B-1?)"),
        ({"claim": None}, "claim is missing"),
        ({"sign": " "}, "sign is missing"),
        ({"title": "one\ntwo"}, "expected: one line, without backticks"),
        ({"sign": "`it` blinks"}, "expected: one line, without backticks"),
        ({"variant": "new"}, "variant: lamp has no variant 'new'"),
        ({"control": "document"}, "did you mean documented?"),
        ({"control": "documented"}, "documented changes nothing of documented"),
        ({"tittle": "x"}, "unknown key tittle (did you mean title?)"),
        ({"services": ["app", "proxi"]}, "no service 'proxi'"),
        ({"services": "app"}, "services is 'app'"),
        ({"reads": ["WORKER"]}, "no factor WORKER (did you mean WORKERS?)"),
        ({"drive": "other.py"}, "reproducer/ holds no drive"),
        ({"venv": {"install": []}}, "venv: install is []"),
        ({"venv": {"install": ["a==${RELEES}"]}}, "no factor RELEES (did you mean RELEASE?)"),
        ({"venv": {"install": [{"package": ["a"]}]}}, "unknown key package (did you mean packages?)"),
        ({"venv": {"install": ["a==1"]}, "drive": "Dockerfile"}, "it only where the server alone is needed"),
    ],
)
def test_what_is_wrong_is_told_with_what_may_stand_there(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Whoever writes the file reads the file's name, the key and the fix."""
    with pytest.raises(UsageError) as caught:
        read(tmp_path, **changes)
    assert said in str(caught.value)
    assert "blink" in str(caught.value)
    assert "expected" in str(caught.value)


def test_a_file_that_is_missing_or_no_yaml_is_told(tmp_path: Path) -> None:
    """Both are errors of the scenario, with the file's name."""
    directory = lay_out(tmp_path)
    found = loader.load(tmp_path, "blink")
    with pytest.raises(UsageError, match=r"scenarios/blink/reproducer\.yaml is missing"):
        spec.load(found)
    (directory / "reproducer.yaml").write_text("claim: [")
    with pytest.raises(UsageError, match=r"reproducer\.yaml is not YAML"):
        spec.load(found)


@pytest.mark.parametrize(
    ("factors", "applies"),
    [
        ({"GUNICORN": "19.9.0", "DJANGO": "2.2"}, False),
        ({"GUNICORN": "21.2.0", "DJANGO": "2.2"}, True),
        ({"GUNICORN": "21.2.0", "DJANGO": "4.2.16"}, False),
    ],
)
def test_what_is_installed_may_follow_the_factors(factors: dict[str, str], applies: bool) -> None:
    """`when` must hold in one of its conditions, `unless` in none."""
    step = Step(("x==1",), when=("DJANGO=2.*", "DJANGO=3.*"), unless=("GUNICORN=19.*", "GUNICORN=20.*"))
    assert step.applies(factors) is applies


@pytest.mark.parametrize("name", having(spec.FILE, "recorded.json"))
def test_the_sign_came_out_either_way_in_the_recorded_run(name: str) -> None:
    """The variant showed the sign in every recorded trial, the control in none."""
    found = loader.load(ROOT, name)
    one = spec.load(found)
    signs = yaml.safe_load((found.directory / "recorded.json").read_text(encoding="utf-8"))["signs"][one.claim.id]
    shows, control = (signs[found.variant_key(one.experiment.name, variant)] for variant in (one.variant, one.control))
    assert shows["shown"] == shows["trials"] > 0
    assert control["shown"] == 0 < control["trials"]
