"""Copy a CPython of the host's pyenv to /usr/local of an image, with the layout of the official image."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reprolab.core.errors import BaseImageError, LabError
from reprolab.core.subprocesses import run

TARGET = "/usr/local"
ELF = b"\x7fELF"
# The programs of CPython's own `make install`. All other programs of a pyenv version were installed by pip.
PROGRAMS = re.compile(r"(python|pydoc|idle|2to3|pyvenv)[\d.]*m?(-config|-[\d.]+m?(-config)?)?")
# The official image leaves these out.
LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "idle_test", "__pycache__", "*.pyc", "*.pyo", "libpython*.a", "site-packages"
)
LIBRARY = re.compile(r"=> (/\S+)")
# Minor versions of CPython 3 with their own list of pip, setuptools and wheel. Later versions use the last list.
OWN_LISTS = (6, 7, 8, 9)


@dataclass(frozen=True)
class Interpreter:
    """One CPython of pyenv: its version and its directory."""

    version: str
    prefix: Path

    @property
    def minor(self) -> str:
        """The version without its patch number, as in file names: "3.6"."""
        return self.version.rpartition(".")[0]

    @property
    def identity(self) -> str:
        """A text that changes when pyenv builds this version again. It is cheap, since every run needs it."""
        binaries = (self.prefix / f"bin/python{self.minor}", *sorted(self.prefix.glob("lib/libpython*.so*")))
        return " ".join(f"{p.name}:{p.stat().st_size}:{p.stat().st_mtime_ns}" for p in binaries)


@dataclass(frozen=True)
class Libraries:
    """The shared libraries that an interpreter needs: Debian packages, and files of no package."""

    packages: tuple[str, ...]
    files: tuple[Path, ...]


def requirements_file(version: str) -> str:
    """Return the list of pip, setuptools and wheel for CPython ``version``, relative to images/base."""
    minor = int(version.split(".")[1])
    return f"requirements/python-3.{min(max(minor, OWN_LISTS[0]), OWN_LISTS[-1])}.txt"


def find_interpreter(version: str, environ: Mapping[str, str]) -> Interpreter:
    """Return the pyenv interpreter of exactly this version, for "3.12" the newest patch release of it.

    BaseImageError names the present ones.
    """
    root = pyenv_root(environ)
    exact = version
    if version.count(".") == 1 and root:
        patches = [present for present in installed_versions(root) if present.startswith(f"{version}.")]
        exact = patches[-1] if patches else version
    prefix = root / "versions" / exact if root else Path("/nonexistent")
    minor = exact.rpartition(".")[0]
    if (prefix / f"bin/python{minor}").is_file():
        return Interpreter(exact, prefix)
    versions = ", ".join(installed_versions(root)) if root else ""
    raise BaseImageError(
        f"pyenv on this host has no CPython {version}"
        + (
            f" (it has {versions})"
            if versions
            else " (nor any other)"
            if root
            else ": there is no pyenv that this user can read"
        ),
        expected=f"the interpreter for the fallback image of python:{version}",
        advice=f"`pyenv install {version}`"
        + (
            ""
            if root
            else ", once pyenv itself is installed; or as root, once: base images stay on the engine for all users"
        ),
    )


def pyenv_root(environ: Mapping[str, str]) -> Path | None:
    """Return pyenv's directory: PYENV_ROOT, else the output of `pyenv root`.

    None without pyenv, and where this user may not read its directory.
    """
    root = Path(environ["PYENV_ROOT"]) if environ.get("PYENV_ROOT") else _told_root(environ)
    return root if root and os.access(root, os.R_OK | os.X_OK) else None


def _told_root(environ: Mapping[str, str]) -> Path | None:
    if not shutil.which("pyenv", path=environ.get("PATH")):
        return None
    try:
        return Path(run(["pyenv", "root"], timeout=30, env=environ).stdout.strip())
    except LabError:
        return None


def installed_versions(root: Path) -> list[str]:
    """Return the CPython 3 versions of pyenv, the oldest first."""
    names = [p.name for p in (root / "versions").glob("3.*") if re.fullmatch(r"[\d.]+", p.name)]
    return sorted(names, key=lambda name: [int(part) for part in name.split(".") if part])


def find_libraries(interpreter: Interpreter) -> Libraries:
    """Return the libraries of an interpreter, from ldd, and their packages, from dpkg.

    The libraries of tkinter are left out, as in the official slim images: they would require X11.
    """
    modules = interpreter.prefix.glob(f"lib/python{interpreter.minor}/lib-dynload/*.so")
    binaries = [interpreter.prefix / f"bin/python{interpreter.minor}"]
    binaries += sorted(p for p in modules if not p.name.startswith("_tkinter"))
    output = run(["ldd", *map(str, binaries)], timeout=120, check=False).stdout
    libraries = {Path(name) for name in LIBRARY.findall(output)}
    libraries = {p for p in libraries if not p.is_relative_to(interpreter.prefix / "lib")}
    owners = _package_of(libraries)
    packages = {owner for owner in owners.values() if owner}
    return Libraries(tuple(sorted(packages)), tuple(sorted(p for p, owner in owners.items() if not owner)))


def _package_of(libraries: Iterable[Path]) -> dict[Path, str]:
    """Return library -> its package, or "". Since /lib is a link, dpkg may know a file by either name."""
    names = {p: {str(p), str(p.resolve()), f"/usr{p}", str(p).removeprefix("/usr")} for p in libraries}
    queries = sorted(set().union(*names.values()))
    output = run(["dpkg-query", "--search", *queries], timeout=60, check=False).stdout if queries else ""
    packages = {path: package.split(":")[0] for package, _, path in (s.partition(": ") for s in output.splitlines())}
    return {p: next((packages[n] for n in sorted(aliases) if n in packages), "") for p, aliases in names.items()}


def lay_out(interpreter: Interpreter, files: Iterable[Path], root: Path) -> None:
    """Copy the interpreter and ``files`` to ``root``/usr/local, and change its prefix to /usr/local."""
    source, target = interpreter.prefix, root / TARGET.lstrip("/")
    (target / "bin").mkdir(parents=True)
    for program in sorted((source / "bin").iterdir()):
        if PROGRAMS.fullmatch(program.name):
            shutil.copy2(program, target / "bin" / program.name, follow_symlinks=False)
    for part in _trees(source, interpreter.minor):
        copy = target / part.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if part.is_dir():
            shutil.copytree(part, copy, symlinks=True, ignore=LEFT_OUT)
        else:
            shutil.copy2(part, copy, follow_symlinks=False)
    for file in files:
        inside = file.is_relative_to(source)
        copy = target / (file.relative_to(source) if inside else Path("lib") / file.name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    (target / f"lib/python{interpreter.minor}/site-packages").mkdir()
    _relocate_all(target, str(source.resolve()), str(source))
    _strip(target)


def _trees(source: Path, minor: str) -> Iterator[Path]:
    yield from sorted(source.glob(f"include/python{minor}*"))
    yield from sorted(source.glob("lib/libpython*.so*"))
    yield from sorted(source.glob("lib/pkgconfig/python*"))
    yield source / f"lib/python{minor}"


def _relocate_all(target: Path, *prefixes: str) -> None:
    for file in target.rglob("*"):
        if file.is_symlink() or not file.is_file():
            continue
        before = after = file.read_bytes()
        for prefix in sorted(set(prefixes), key=len, reverse=True):
            after = relocate(after, prefix.encode(), TARGET.encode())
        if after != before:
            mode = file.stat().st_mode & 0o777
            file.chmod(mode | 0o200)
            file.write_bytes(after)
            file.chmod(mode)


def relocate(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace the prefix ``old`` by ``new`` in the content of a file.

    In a binary no byte may move, and the end of a string may also be a string of its own: a linker stores "3.6.15"
    only once, as the end of ".../versions/3.6.15". So the new path is padded with slashes, and a path that nothing
    follows stays unchanged. This sets the run path of the interpreter, and the path of the standard library for
    programs that embed Python. Raises BaseImageError if ``old`` is shorter than ``new`` in a binary.
    """
    if not data.startswith(ELF):
        return data.replace(old, new)
    if len(new) > len(old):
        raise BaseImageError(f"{old.decode()} is too short a path to be replaced by {new.decode()} in a binary")
    return data.replace(old + b"/", new + b"/" * (len(old) - len(new) + 1))


def _strip(target: Path) -> None:
    """Remove debug symbols, as the official build does. Without binutils the image is only larger."""
    binaries = [p for p in target.rglob("*") if p.is_file() and not p.is_symlink() and _is_elf(p)]
    if shutil.which("strip") and binaries:
        for file in binaries:
            file.chmod(file.stat().st_mode | 0o200)
        run(["strip", "--strip-unneeded", *map(str, binaries)], timeout=120, check=False)


def _is_elf(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) == ELF and file.suffix != ".o"
