"""Stacks by hand on the engine: which folder each one is of, and what `clean` and `doctor` say of those left behind."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from reprolab.cli import machine, main
from reprolab.core.errors import Exit
from reprolab.engine import hand_stacks, labels
from reprolab.engine.leftovers import Removed
from reprolab.run import manual
from reprolab.scenario import lab_folder


def engine(*marks: Mapping[str, str]) -> Any:
    """An engine with a container for each set of labels; it answers a filter for labels as the real one does."""

    def listed(filters: Mapping[str, Any], **_: Any) -> list[Any]:
        pairs = [text.partition("=") for text in filters["label"]]
        fits = (own for own in marks if all(name in own and value in ("", own[name]) for name, _, value in pairs))
        return [SimpleNamespace(labels=dict(own)) for own in fits]

    return SimpleNamespace(containers=SimpleNamespace(list=listed))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lab folder whose name needs quotes everywhere."""
    lab_folder.create(tmp_path / "my $HOME lab")
    return tmp_path / "my $HOME lab"


def test_a_stack_names_its_folder(folder: Path) -> None:
    """Compose, which replaces `$`, gets none; the path comes back as it was."""
    marks = manual.hand_labels(folder, "first-case")
    assert "$" not in "".join(marks.values())
    (stack,) = hand_stacks.on_engine(engine(marks, marks, {labels.OBJECT: labels.HAND}, {labels.OBJECT: "trial"}))
    assert (stack.scenario, stack.folder, stack.run) == ("first-case", folder, manual.stamp(folder))
    assert not stack.is_left


def test_a_deleted_folder_is_named_with_the_removal(folder: Path) -> None:
    """Each folder once. A folder that is there is not named."""
    there = folder.with_name("there")
    lab_folder.create(there)
    stacks = [manual.hand_labels(folder, name) for name in ("first-case", "other")]
    api = engine(*stacks, manual.hand_labels(there, "first-case"))
    assert list(hand_stacks.left_lines(api)) == []
    shutil.rmtree(folder)
    assert list(hand_stacks.left_lines(api)) == [
        f"still up by hand: first-case, other of {folder}, which is no lab folder any more; "
        f"`reprolab clean --folder '{folder}'` takes it down"
    ]


def test_a_folder_elsewhere_is_not_taken_for_gone(folder: Path) -> None:
    """In another container or on another machine the path means another directory."""
    marks = {**manual.hand_labels(folder, "first-case"), labels.PLACE: "4026530000:0123abcd"}
    shutil.rmtree(folder)
    assert list(hand_stacks.left_lines(engine(marks))) == []


# -- commands ------------------------------------------------------------------------------------


@pytest.fixture
def stamps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> list[str]:
    """The stamps with which `clean` removes, outside of a lab folder; a stack of a deleted folder is up."""
    asked: list[str] = []
    marks = manual.hand_labels(folder, "first-case")
    shutil.rmtree(folder)

    def remove(api: Any, *, by_hand: str, unseen_age: float | None) -> Removed:
        asked.append(by_hand)
        return Removed()

    monkeypatch.delenv("REPROLAB_ROOT", raising=False)
    monkeypatch.setattr("reprolab.cli.common.__file__", str(tmp_path / "site-packages/reprolab/cli/common.py"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "ensure_engine", lambda _: None)
    monkeypatch.setattr(machine, "client", lambda: engine(marks))
    monkeypatch.setattr(machine.leftovers, "remove_leftovers", remove)
    return asked


def clean(*options: str) -> Result:
    """`reprolab clean` in this process."""
    return CliRunner().invoke(main.main, ["clean", *options])


def test_clean_works_outside_of_a_lab_folder(stamps: list[str]) -> None:
    """Leftovers of runs belong to no folder; no stack by hand is removed, and one that nobody sees is named."""
    result = clean()
    assert result.exit_code == 0 and stamps == [""]
    assert "still up by hand: first-case of " in result.output and "clean --folder " in result.output


def test_clean_takes_down_the_stacks_of_a_folder_that_is_gone(stamps: list[str], folder: Path) -> None:
    """It is named as the message names it; for another one the message says which there are."""
    assert clean("--folder", str(folder)).exit_code == 0
    assert stamps == [manual.stamp(folder)]
    result = clean("--folder", "elsewhere")
    assert result.exit_code == Exit.USAGE and len(stamps) == 1
    assert "no stack by hand of this folder is up" in result.output and str(folder) in result.output


def test_a_wrong_root_is_an_error(stamps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a folder means it."""
    monkeypatch.setenv("REPROLAB_ROOT", "elsewhere")
    assert clean().exit_code == Exit.USAGE and not stamps
