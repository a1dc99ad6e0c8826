"""Maps on record: which may be put there, and what a README shows of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cases import DATA, ROOT, having
from click.testing import CliRunner
from reprolab.cli.main import main
from reprolab.core.errors import UsageError
from reprolab.matrix.document import MATRIX_FILE, MatrixDocument, read_matrix, write_matrix
from reprolab.matrix.layout import Layout
from reprolab.publish import maps, readme_sections
from reprolab.scenario import loader
from reprolab.scenario.digest import case_digest
from simulated import words
from test_matrix_changes import document

CLAIM = "B-1"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with socket-vanish, whose map is not on record."""
    source = ROOT / "scenarios" / "socket-vanish"
    shutil.copytree(source, tmp_path / "scenarios" / "socket-vanish", ignore=shutil.ignore_patterns(MATRIX_FILE))
    (tmp_path / "compose.yaml").write_text("name: reprolab\n")
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "results"))
    return tmp_path


def measured(root: Path, **changes: object) -> Path:
    """A map of results/, of the case as it is."""
    folder = root / "results" / "matrix" / "socket-vanish" / "latest"
    folder.mkdir(parents=True)
    case = case_digest(root / "scenarios" / "socket-vanish")
    write_matrix(folder, replace(read_matrix(DATA / "matrix"), case=case, **changes))
    return folder


def test_a_map_is_put_on_record(checkout: Path) -> None:
    """By the name of its scenario. The places of its evidence stay out: they are on one machine."""
    measured(checkout)
    scenario = checkout / "scenarios" / "socket-vanish"
    digest = case_digest(scenario)
    done = CliRunner().invoke(main, ["accept", "matrix/socket-vanish"])
    assert done.exit_code == 0, done.output
    record = read_matrix(scenario)
    before = read_matrix(DATA / "matrix")
    assert record.claims == before.asked
    assert record.cells[0].counts == {claim.id: before.cells[0].counts[claim.id] for claim in before.asked}
    assert {cell.evidence for cell in record.cells} == {""}
    assert case_digest(scenario) == digest, "a map is no file that decides a run"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "aborted", "reason": "interrupted"}, "aborted"),
        ({"ended": "budget", "budget": 60.0}, "budget of 60 s"),
    ],
)
def test_a_map_that_did_not_end_is_not_put_on_record(checkout: Path, changes: dict[str, object], message: str) -> None:
    """The message says how to go on."""
    folder = measured(checkout, **changes)
    with pytest.raises(UsageError, match=message):
        maps.accept_map(checkout, folder)
    assert not (checkout / "scenarios" / "socket-vanish" / MATRIX_FILE).exists()


VM = "vm-5.10.223: virtual machine (TCG) · kernel 5.10.0-32-cloud-amd64"
REMOTE = "another machine (behind ssh; its load was not watched) · kernel 6.1.0 · engine 28.0"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"hosts": ("local: 2 × CPU · kernel 6.18.0", VM)}, r"virtual machine \(TCG\)"),
        ({"hosts": (REMOTE,)}, "another machine"),
        ({"fixed": {"KERNEL": "5.10.223"}}, r"a virtual machine with kernel 5\.10\.223"),
    ],
)
def test_a_map_of_another_machine_is_not_put_on_record(checkout: Path, changes: dict[str, object], where: str) -> None:
    """As a run is not: nothing in the map says that the sign may be that of a kernel."""
    folder = measured(checkout, **changes)
    with pytest.raises(UsageError, match=f"ran elsewhere: .*{where}") as caught:
        maps.accept_map(checkout, folder)
    assert "an axis KERNEL" in caught.value.expected
    assert not (checkout / "scenarios" / "socket-vanish" / MATRIX_FILE).exists()


def test_a_map_over_kernels_is_put_on_record_and_its_page_names_the_machines(checkout: Path) -> None:
    """It compares them with each other. A map of this machine names none."""
    document = read_matrix(DATA / "matrix")
    axis = document.axes[0]
    kernels = replace(document, axes=(replace(axis, factor="KERNEL"), *document.axes[1:]), hosts=(VM, f"a: {REMOTE}"))
    folder = measured(checkout, axes=kernels.axes, hosts=kernels.hosts)
    maps.accept_map(checkout, folder)
    (scenario,) = [loader.load(checkout, "socket-vanish")]
    assert "Not measured on this machine: virtual machine (TCG), another machine" in maps.render([scenario])
    write_matrix(scenario.directory, replace(document, hosts=("2 × CPU · kernel 6.18.0 · engine 28.0",)))
    assert "Not measured on this machine" not in maps.render([scenario])


def test_the_command_that_measures_a_map_again_has_its_settings(checkout: Path) -> None:
    """All that its cells had in common."""
    document = replace(read_matrix(DATA / "matrix"), fixed={"THREADS": "2", "ARGUMENTS": "--a b"})
    assert maps.again(document).endswith("--set THREADS=2 --set 'ARGUMENTS=--a b'")


def test_a_map_of_other_files_is_not_put_on_record(checkout: Path) -> None:
    """The case changed since."""
    folder = measured(checkout)
    (checkout / "scenarios" / "socket-vanish" / "web.py").write_text("# another application\n", encoding="utf-8")
    with pytest.raises(UsageError, match="have changed since this map"):
        maps.accept_map(checkout, folder)


def rows(shown: MatrixDocument) -> list[tuple[int, str]]:
    """The number of values and the text of each band."""
    return [(len(band.values), band.cells[0]) for band in maps.bands(Layout(shown), CLAIM)]


def test_neighbours_with_one_result_are_one_row() -> None:
    """Their counts are added up. Another state, or another companion, begins a new row."""
    assert rows(document(["0/1", "0/3", "3/3", "3/3", "1/3", "x", "x", "e", "0/1"])) == [
        (2, "0/4"),
        (2, "6/6"),
        (1, "1/3"),
        (2, "invalid"),
        (1, "not exercised"),
        (1, "0/1"),
    ]
    assert rows(document(["0/1", "0/1"], cell_1={"PYTHON": "3.12.1"})) == [(1, "0/1"), (1, "0/1*")]


def test_values_without_an_order_are_all_named() -> None:
    """What is "plain to quiet"? Releases have an order."""
    modes = document(["0/1", "0/1", "3/3"], words("MODE", "plain", "loud", "quiet"))
    assert "| plain, loud | 0/2 |" in maps._table(Layout(modes), CLAIM)
    assert "| 0.0 to 0.1 (2) |" in maps._table(Layout(document(["0/1", "0/1", "3/3"])), CLAIM)


@pytest.mark.parametrize("name", having(MATRIX_FILE))
def test_the_readme_of_a_case_shows_its_map(name: str) -> None:
    """All that are on record can be read, are of the case as it is, and are shown."""
    scenario = loader.load(ROOT, name)
    record = read_matrix(scenario.directory)
    assert record.case == case_digest(scenario.directory)
    text = readme_sections.pages(ROOT)[scenario.directory / "README.md"]
    assert maps.render([scenario]) in text
