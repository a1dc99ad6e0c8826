"""docs/architecture.md names every module, and imports keep to its order of packages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import ROOT

LAB = ROOT / "scripts" / "reprolab"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE_FILES = sorted(path for path in LAB.rglob("*.py") if path.parent != LAB)
MODULE_LIST = re.compile(r"^\| `([\w/]+\.py)` \| .+ \|$", re.MULTILINE)


def order() -> list[list[str]]:
    """The packages, topmost line first, as the page's first block of text under "Packages" lists them."""
    block = re.search(r"^## Packages\n.*?^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert block, "docs/architecture.md has no block of packages"
    return [line.split("  ")[0].split() for line in block[1].splitlines() if line.strip()]


LEVELS = {package: level for level, line in enumerate(reversed(order())) for package in line}


def imported(node: ast.AST) -> Iterator[str]:
    """Full names of the lab's modules that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "a relative import hides the package that it reaches"
        yield node.module or ""
        if node.module == "reprolab":
            yield from (f"reprolab.{alias.name}" for alias in node.names)


def package_of(path: Path) -> str:
    """The package of a file, or "" for the lab's own __init__."""
    parts = path.relative_to(LAB).parts
    return parts[0] if len(parts) > 1 else ""


def upward_imports(path: Path) -> list[str]:
    """The imports of a file that do not go down, with their lines; imports inside functions count too."""
    package, faults = package_of(path), []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for name in imported(node):
            parts = name.split(".")
            if parts[0] != "reprolab" or len(parts) < 2 or parts[1] == package:
                continue
            if LEVELS[parts[1]] >= LEVELS[package]:
                faults.append(f"line {node.lineno}: {package} imports {name}")
    return faults


def test_every_package_has_its_place() -> None:
    """The page lists every package, and no package that does not exist."""
    assert sorted(LEVELS) == sorted(path.parent.name for path in LAB.glob("*/__init__.py"))


def test_the_page_lists_every_module() -> None:
    """Each module has one row with its path, and no row names a file that does not exist."""
    modules = [str(path.relative_to(LAB)) for path in PACKAGE_FILES if path.name != "__init__.py"]
    assert sorted(MODULE_LIST.findall(PAGE)) == modules


def test_paths_on_the_page_exist() -> None:
    """Every path in the repository that the page names exists; NAME and other capitals stand for a name."""
    paths = set(re.findall(r"`((?:scripts|tests|images|docs|scenarios)/[\w./-]+)`", PAGE))
    missing = [path for path in paths if not re.search(r"[A-Z]{2}", path) and not (ROOT / path).exists()]
    assert missing == []


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=lambda path: str(path.relative_to(LAB)))
def test_imports_go_downwards(path: Path) -> None:
    """A module imports from its own package and from those below it, never from above or beside."""
    assert upward_imports(path) == []


def test_an_import_within_a_function_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import inside a function could hide a circle."""
    monkeypatch.setattr("test_architecture.LAB", tmp_path)
    (tmp_path / "core").mkdir()
    path = tmp_path / "core" / "errors.py"
    path.write_text("def late() -> None:\n    from reprolab.cli import main\n")
    assert upward_imports(path) == ["line 2: core imports reprolab.cli"]


def modules() -> dict[str, Path]:
    """Every module of the lab with its file."""
    names = {path: ".".join(path.relative_to(LAB.parent).with_suffix("").parts) for path in LAB.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


def graph() -> dict[str, set[str]]:
    """The modules that each module imports; `from package import module` reaches the module."""
    files = modules()
    imports: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    imports[name].add(inner if inner in files else str(node.module))
            elif isinstance(node, ast.Import):
                imports[name] |= {alias.name for alias in node.names}
    return {
        name: {target for target in targets if target in files and target != name} for name, targets in imports.items()
    }


def test_no_circle() -> None:
    """Modules of one package do not import each other in a circle either."""
    remaining = graph()
    while free := [name for name, targets in remaining.items() if not targets & set(remaining)]:
        for name in free:
            del remaining[name]
    assert not remaining, f"in a circle, or above one: {', '.join(sorted(remaining))}"


def test_only_the_table_of_commands_imports_by_name() -> None:
    """The tests above do not see an import by importlib; the commands are on the top line, so they may use it."""
    users = [
        str(path.relative_to(LAB)) for path in PACKAGE_FILES if "import_module" in path.read_text(encoding="utf-8")
    ]
    assert users == ["cli/main.py"]
