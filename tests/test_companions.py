"""The factors that other factors need, by the rules of a scenario."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cases import ROOT, in_memory
from reprolab.measure.companions import complete
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.scenario.ranges import Need

FACTORS = {"SERVER": "1.0", "PYTHON": "3.6", "FRAME": "2.2"}


def having(*needs: Need) -> Scenario:
    """A scenario with three factors and these needs."""
    return replace(in_memory(), factors=FACTORS, companions=needs)


def test_what_a_value_needs_is_added() -> None:
    """To the settings, which stay; without a need nothing is added."""
    blink = having(Need({"SERVER": ">=2"}, {"PYTHON": "3.9"}))
    assert complete(blink, {"SERVER": "2.1"}, {"SERVER"}) == {"SERVER": "2.1", "PYTHON": "3.9"}
    assert complete(blink, {"SERVER": "1.9"}, {"SERVER"}) == {"SERVER": "1.9"}
    assert complete(blink, {}, ()) == {}


def test_what_the_user_chose_is_never_changed() -> None:
    """Such a cell may be unable to run, and then it says so."""
    blink = having(Need({"SERVER": ">=2"}, {"PYTHON": "3.9", "FRAME": "3.0"}))
    chosen = {"SERVER": "2.1", "PYTHON": "3.7"}
    assert complete(blink, chosen, {"SERVER", "PYTHON"}) == {"SERVER": "2.1", "PYTHON": "3.7", "FRAME": "3.0"}
    assert complete(blink, chosen, {"SERVER"})["PYTHON"] == "3.9"


def test_a_rule_sees_what_the_rules_before_it_chose() -> None:
    """And only those: the rules apply once, in their order."""
    python = Need({"SERVER": ">=2"}, {"PYTHON": "3.13"})
    frame = Need({"PYTHON": ">=3.13", "FRAME": "<4"}, {"FRAME": "4.2"})
    assert complete(having(python, frame), {"SERVER": "2"}, ()) == {"SERVER": "2", "PYTHON": "3.13", "FRAME": "4.2"}
    assert complete(having(frame, python), {"SERVER": "2"}, ()) == {"SERVER": "2", "PYTHON": "3.13"}


def test_a_later_rule_wins() -> None:
    """Two rules may choose a value for one factor."""
    blink = having(Need({"SERVER": ">=2"}, {"PYTHON": "3.7"}), Need({"SERVER": ">=2"}, {"PYTHON": "3.9"}))
    assert complete(blink, {"SERVER": "2"}, ())["PYTHON"] == "3.9"


def test_the_documented_values_count_for_a_rule() -> None:
    """A rule that asks for an older Python does not touch a newer one that a variant has."""
    blink = having(Need({"SERVER": ">=2", "PYTHON": "<3.9"}, {"PYTHON": "3.9"}))
    assert complete(blink, {"SERVER": "2"}, ())["PYTHON"] == "3.9"
    assert complete(blink, {"SERVER": "2", "PYTHON": "3.12"}, ())["PYTHON"] == "3.12"


@pytest.mark.parametrize(
    ("name", "experiment", "variant", "chosen"),
    [
        ("socket-vanish", "vanish", "gunicorn-27.0.1", "GUNICORN"),
        ("pool-freeze", "freeze", "gunicorn-23.0.0", "GUNICORN"),
        ("pool-freeze", "freeze", "gunicorn-27.0.1", "GUNICORN"),
        ("pool-freeze", "freeze", "python-3.13", "PYTHON"),
        ("enable-threads", "background-thread", "python-3.12", "PYTHON"),
        ("two-masters", "takeover", "gunicorn-19.9.0", "GUNICORN"),
        ("split-request", "split", "uvicorn-0.54.0", "UVICORN"),
    ],
)
def test_the_rules_choose_what_the_recorded_variants_have(
    name: str, experiment: str, variant: str, chosen: str
) -> None:
    """These variants were run and reviewed with the companions that their authors gave them."""
    scenario = loader.load(ROOT, name)
    changes = scenario.experiments[experiment].variants[variant]
    assert complete(scenario, {chosen: changes[chosen]}, {chosen}) == changes


@pytest.mark.parametrize("name", loader.names(ROOT))
def test_documented_stacks_need_nothing(name: str) -> None:
    """A rule that applied to the documented values would change every cell."""
    assert complete(loader.load(ROOT, name), {}, ()) == {}
