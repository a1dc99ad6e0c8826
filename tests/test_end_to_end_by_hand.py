"""Two stacks of one case up at once, their logs kept and compared, on real containers."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from lab import engine, lab, read

pytestmark = pytest.mark.docker

CASE = "enable-threads"
# A developer's own stacks of this checkout may be up.
WITHOUT, WITH = "test-without", "test-with"


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Path]:
    """Where the stacks have their files; nothing of them is left afterwards."""
    yield tmp_path
    for name in (WITHOUT, WITH):
        lab(tmp_path, "down", CASE, "--as", name)
    assert stacks() == []


def stacks() -> list[str]:
    """The names of this test's containers and networks."""
    client = engine()
    found = [*client.containers.list(all=True, ignore_removed=True), *client.networks.list()]
    return [one.name for one in found if f"-{WITHOUT}" in one.name or f"-{WITH}" in one.name]


def succeed(results: Path, *words: str) -> str:
    """Run a command of the lab; what it printed."""
    status, printed = lab(results, *words)
    assert status == 0, printed
    return printed


def test_two_stacks_are_compared(results: Path) -> None:
    """Each answers at its own address; the copies tell the factor and the line by which they differ."""
    addresses = []
    for name, factors in ((WITHOUT, ()), (WITH, ("--set", "FLAGS=--enable-threads"))):
        printed = succeed(results, "up", CASE, "--as", name, *factors)
        assert f"reprolab down {CASE} --as {name}" in printed
        addresses.append(printed.partition("curl -i ")[2].split()[0])
    assert len(set(addresses)) == 2
    assert [requests.get(address, timeout=10).status_code for address in addresses] == [200, 200]
    succeed(results, "wrk", CASE, "--as", WITH, "--threads", "1", "--connections", "2", "--duration", "1")
    for name in (WITHOUT, WITH):
        printed = succeed(results, "logs", CASE, "--as", name, "--tail", "3")
        assert "GET / " in printed
        (copy,) = (results / "by-hand" / CASE / name).glob("2*")
        assert f"kept: {copy}" in printed
        assert read(copy / "stack.json")["changes"] == ({"FLAGS": "--enable-threads"} if name == WITH else {})
        # The whole log: what the server said at its start stands more than three lines before the end.
        assert b"uWSGI" in gzip.decompress((copy / "app.log.gz").read_bytes()).splitlines()[0]
        assert (copy / "wrk.json").exists() is (name == WITH)
    compared = succeed(results, "compare", WITHOUT, WITH)
    assert "FLAGS" in compared
    assert "Python threads support is disabled" in compared
    assert f"still up: {CASE} --as {WITH}" in succeed(results, "down", CASE, "--as", WITHOUT)
    assert requests.get(addresses[1], timeout=10).status_code == 200
    assert succeed(results, "down", CASE, "--as", WITH) == f"down: {CASE} --as {WITH}\n"
    assert stacks() == []
