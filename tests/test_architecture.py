"""The order of packages in docs/architecture.md, and the imports that keep to it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import ROOT

LAB = ROOT / "scripts" / "reprolab"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def order() -> list[list[str]]:
    """The packages, topmost line first, as the page's first block of text under "Packages" lists them."""
    found = re.search(r"^## Packages\n.*?^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found, "docs/architecture.md has no block of packages"
    return [line.split("  ")[0].split() for line in found[1].splitlines() if line.strip()]


LEVELS = {package: level for level, line in enumerate(reversed(order())) for package in line}


def imported(node: ast.AST) -> Iterator[str]:
    """Full names of the lab's modules that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide which package they reach"
        yield node.module or ""
        if node.module == "reprolab":
            yield from (f"reprolab.{alias.name}" for alias in node.names)


def package_of(path: Path) -> str:
    """The package of a file, or "" for the lab's own __init__."""
    parts = path.relative_to(LAB).parts
    return parts[0] if len(parts) > 1 else ""


def upward(path: Path) -> list[str]:
    """The imports of a file that do not go down, with their lines; those within functions are imports too."""
    own, faults = package_of(path), []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for name in imported(node):
            parts = name.split(".")
            if parts[0] != "reprolab" or len(parts) < 2 or parts[1] == own:
                continue
            if LEVELS[parts[1]] >= LEVELS[own]:
                faults.append(f"line {node.lineno}: {own} imports {name}")
    return faults


def test_every_package_has_its_place() -> None:
    """No folder is left out of the page, and the page names none that is gone."""
    assert sorted(LEVELS) == sorted(path.parent.name for path in LAB.glob("*/__init__.py"))


@pytest.mark.parametrize(
    "path", sorted(path for path in LAB.rglob("*.py") if package_of(path)), ids=lambda path: str(path.relative_to(LAB))
)
def test_imports_go_downwards(path: Path) -> None:
    """A module imports from its own package and from those below it, never from above or beside."""
    assert upward(path) == []


def test_an_import_within_a_function_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that runs later is an import: it would hide a circle."""
    monkeypatch.setattr("test_architecture.LAB", tmp_path)
    (tmp_path / "core").mkdir()
    path = tmp_path / "core" / "errors.py"
    path.write_text("def late() -> None:\n    from reprolab.cli import main\n")
    assert upward(path) == ["line 2: core imports reprolab.cli"]


def modules() -> dict[str, Path]:
    """Every module of the lab with its file."""
    names = {path: ".".join(path.relative_to(LAB.parent).with_suffix("").parts) for path in LAB.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


def graph() -> dict[str, set[str]]:
    """For each module those it imports; `from package import module` reaches the module."""
    known = modules()
    found: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    found[name].add(inner if inner in known else str(node.module))
    return {name: {one for one in reached if one in known and one != name} for name, reached in found.items()}


def test_no_circle() -> None:
    """Modules of one package do not import each other in a circle either."""
    left = graph()
    while free := [name for name, reached in left.items() if not reached & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"in a circle, or above one: {', '.join(sorted(left))}"
