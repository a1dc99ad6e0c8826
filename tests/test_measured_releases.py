"""What the site says of a case's releases and of its time: from the counts and times of the run on record alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cases import claim, in_memory
from reprolab.publish.measured_releases import MeasuredReleases, measured_releases
from reprolab.publish.run_time import run_time
from reprolab.run.runner import Stopwatch
from reprolab.scenario.catalogue import CatalogueEntry
from reprolab.scenario.model import Experiment
from reprolab.verdict.document import SignCount, VerdictDocument


def measured(releases: dict[str, str], **shown: tuple[int, int]) -> MeasuredReleases:
    """The releases of a scenario whose variants are called like the keys of ``shown``: (k, n) trials with the sign."""
    scenario = replace(in_memory(claim(shows=list(releases))), catalogue=CatalogueEntry(releases=releases))
    signs = {"B-1": {variant: SignCount(*count) for variant, count in shown.items()}}
    result = measured_releases(scenario, VerdictDocument("blink", "run", (), signs=signs))
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("counts", "affected", "fixed"),
    [
        ({"1.0": (0, 3), "1.1": (3, 3), "1.2": (0, 3)}, "1.1", "1.2"),
        ({"1.0": (3, 3), "1.1": (1, 3)}, "1.0, 1.1", "none up to 1.1"),
        ({"1.9": (3, 3), "1.10": (0, 3)}, "1.9", "1.10"),
        ({"1.9": (3, 3), "1.10": (3, 3)}, "1.9, 1.10", "none up to 1.10"),
        ({"1.0": (0, 3), "1.1": (0, 1)}, "none of 2 measured", ""),
        ({"1.0": (3, 3), "1.1": (0, 3), "1.2": (2, 2), "1.3": (0, 3)}, "1.0, 1.2", "1.3"),
        ({"1.0": (3, 3), "1.1": (0, 0), "1.2": (0, 3)}, "1.0", "1.2"),
        ({"1.0": (0, 0)}, "", ""),
        ({f"1.{n}": (1, 1) for n in range(5)} | {"1.5": (0, 1)}, "1.0 to 1.4 (5 measured)", "1.5"),
    ],
)
def test_affected_releases_and_the_first_fixed_one(
    counts: dict[str, tuple[int, int]], affected: str, fixed: str
) -> None:
    """One trial with the sign is enough; one without a trial is neither; they are in the order of their numbers."""
    releases = {f"r{release}": release for release in reversed(counts)}
    result = measured(releases, **{f"r{release}": count for release, count in counts.items()})
    assert (result.affected, result.first_fixed) == (affected, fixed)


def test_a_variant_that_did_not_run_says_nothing() -> None:
    """A release that was added after the run on record is not measured."""
    result = measured({"old": "0.9", "new": "1.0"}, old=(3, 3))
    assert (result.affected, result.first_fixed) == ("0.9", "none up to 0.9")
    assert [row.word for row in result.rows] == ["affected", "not tested"]


def test_one_affected_variant_is_enough_for_its_release() -> None:
    """Two variants may run one release."""
    result = measured({"a": "1.0", "b": "1.0", "c": "1.1"}, a=(0, 3), b=(3, 3), c=(0, 3))
    assert (result.affected, result.first_fixed) == ("1.0", "1.1")


def test_releases_of_another_project_are_named() -> None:
    """Once, before all of them."""
    result = measured({"a": "CPython 3.7", "b": "CPython 3.12"}, a=(3, 3), b=(0, 3))
    assert (result.affected, result.first_fixed) == ("CPython 3.7", "CPython 3.12")


def test_the_sign_of_the_main_claim_counts() -> None:
    """Of several experiments that of the main claim, under the name of the variant there."""
    other = Experiment("bell", {"old": {}}, 1, lambda stack: {}, (claim("B-2", shows=["old"]),))
    scenario = replace(
        in_memory(claim("B-1", shows=["old"]), also=(other,)),
        answer={"B-2": "it rings", "B-1": "it blinks"},
        catalogue=CatalogueEntry(releases={"old": "1.0"}),
    )
    signs = {"B-1": {"lamp/old": SignCount(3, 3)}, "B-2": {"bell/old": SignCount(0, 3)}}
    result = measured_releases(scenario, VerdictDocument("blink", "run", (), signs=signs))
    assert result is not None and result.affected == "none of 1 measured"
    assert measured_releases(scenario, None) is None


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ("set-up 1.3 s · build 500.0 s · up 60.5 s · drive 589.9 s · evidence 48.2 s · down 37.0 s", "up to 13 min"),
        ("set-up 1.3 s · build 500.0 s · up 60.5 s · drive 589.9 s · down 37.0 s · in all 61.0 s", "61 s"),
        ("set-up 1.0 s · in all 3601.0 s", "61 min"),
        ("", ""),
    ],
)
def test_how_long_a_run_takes(times: str, words: str) -> None:
    """The whole run where it was measured; else the sum of its trials, without the builds, is an upper bound."""
    assert run_time(times) == words


def test_a_run_writes_how_long_it_took_in_all() -> None:
    """The stages are sums over trials that run side by side, so the whole is measured by itself."""
    watch = Stopwatch()
    watch.seconds["drive"] = 500.0
    assert "drive 500.0 s" in watch.line()
    assert "min" not in run_time(watch.line()), "not the sum of the stages"
