"""Whether a sign depends on the host: what trials of several hosts show, and what they cannot show."""

from __future__ import annotations

from random import Random

import pytest
from cases import claim, trial
from reprolab.core.stats import association, fisher
from reprolab.measure.cell import Cell, CellResult
from reprolab.measure.hosts import ALPHA, UNNAMED, host_effect, host_sentences

OLD, NEW = Cell("lamp", (("RELEASE", "0.9"),)), Cell("lamp")


def result(cell: Cell = OLD, **hosts: str) -> CellResult:
    """A cell with trials by host: + shows the sign, - does not, x is invalid. ``here`` is a host without a name."""
    records = [
        trial(
            "custom",
            mark == "+",
            number,
            invalid="not healthy" if mark == "x" else "",
            machine={} if host == "here" else {"host": host},
        )
        for host, marks in hosts.items()
        for number, mark in enumerate(marks, 1)
    ]
    return CellResult(cell, tuple(records))


def sentence(*results: CellResult) -> str:
    """The sentence on the claim B-1."""
    return "".join(host_sentences([claim()], results))


@pytest.mark.parametrize("table", [((3, 3), (0, 3)), ((2, 5), (4, 7)), ((0, 3), (3, 3)), ((1, 1), (1, 1))])
def test_one_table_is_fishers_test(table: tuple[tuple[int, int], tuple[int, int]]) -> None:
    """In both directions."""
    test = association([table])
    assert test.more == pytest.approx(float(fisher(*table)))
    assert test.less == pytest.approx(float(fisher(*reversed(table))))


def test_cells_that_show_it_often_are_not_taken_for_a_host() -> None:
    """Each host has one of two cells more often. Added up they differ; within each cell they do not."""
    often, seldom = ((9, 9), (1, 1)), ((0, 1), (0, 9))
    assert float(fisher((9, 10), (1, 10))) < 0.01
    assert association([often, seldom]).two_sided == 1.0


def test_several_cells_together_show_what_none_shows() -> None:
    """One trial of each side in a cell tells nothing; ten such cells do: the chance is 1/1024."""
    table = ((1, 1), (0, 1))
    assert association([table]).more == 0.5
    assert association([table] * 10).more == pytest.approx(1 / 1024)


def test_an_impossible_table_is_an_error() -> None:
    """As in `fisher`."""
    with pytest.raises(ValueError, match="between 0 and n"):
        association([((2, 1), (0, 1))])


def test_a_sign_that_depends_on_the_host_is_named_with_host_and_cell() -> None:
    """The other hosts are taken together, in all cells that they share."""
    text = sentence(result(lab1="+++++", lab2="-----", lab3="+++++"), result(NEW, lab1="-", lab2="-"))
    assert text == "B-1 depends on the host: lab2 0/6, the other hosts 10/11 in the cells that they share (p = 0.002)"


def test_a_dependence_within_one_cell_is_found_among_cells_that_go_both_ways() -> None:
    """Over all cells the hosts are alike."""
    text = sentence(result(lab1="++++++", lab2="------"), result(NEW, lab1="------", lab2="++++++"))
    assert text.startswith("B-1 depends on the host: lab1 6/6, the other hosts 0/6 in RELEASE=0.9")


def test_hosts_that_do_not_differ_are_not_said_to_differ() -> None:
    """With enough trials to show it."""
    text = sentence(result(lab1="+-+-+-", lab2="-+-+-+"))
    assert text.startswith("no dependence of B-1 on the host was seen in 1 cell that several hosts measured")


def test_too_few_trials_tell_nothing() -> None:
    """One trial each, with different signs: that is no evidence for either."""
    assert "cannot be told: too few trials" in sentence(result(lab1="+", lab2="-"))


def test_cells_whose_trials_are_all_alike_are_said_to_be_so() -> None:
    """Their margins leave no other outcome, so a test says nothing; the trials do."""
    text = sentence(result(lab1="++", lab2="+"), result(NEW, lab1="-", lab2="--"))
    assert text == (
        "B-1 does not depend on the host: all trials of each cell came out alike in 2 cells that several hosts measured"
    )


def test_only_cells_with_several_hosts_count() -> None:
    """Invalid trials do not make a host. Trials without a name are of the engine in use."""
    assert host_effect(claim(), [result(lab1="+++"), result(NEW, lab2="---")]) is None
    assert host_effect(claim(), [result(lab1="+++", lab2="x")]) is None
    effect = host_effect(claim(), [result(lab1="+++", here="---")])
    assert effect and effect.hosts == ("lab1", UNNAMED)


def test_hosts_that_share_no_cell_cannot_be_compared() -> None:
    """A difference of two cells may be one of their hosts; the report says that nobody can know."""
    text = sentence(result(lab1="+++"), result(NEW, lab2="---"))
    assert text == "whether B-1 depends on the host cannot be told: each cell ran on one host only"
    assert sentence(result(lab1="+++"), result(NEW, lab1="---")) == ""


@pytest.mark.parametrize(("hosts", "cells", "rate"), [(2, 1, 0.5), (3, 8, 0.3), (5, 20, 0.5)])
def test_where_hosts_do_not_matter_it_is_seldom_said_that_they_do(hosts: int, cells: int, rate: float) -> None:
    """At most in the promised share of all questions."""
    random = Random(f"{hosts} {cells}")
    wrong = 0
    for _ in range(100):
        results = [
            result(
                Cell("lamp", (("RELEASE", str(number)),)),
                **{
                    f"lab{host}": "".join("+" if random.random() < rate else "-" for _ in range(4))
                    for host in range(hosts)
                },
            )
            for number in range(cells)
        ]
        effect = host_effect(claim(), results)
        wrong += bool(effect and effect.depends)
    assert wrong <= 100 * ALPHA * 1.5
