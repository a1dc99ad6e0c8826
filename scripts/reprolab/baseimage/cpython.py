"""A CPython of the host's pyenv, laid out the way the official image has it in /usr/local."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reprolab.core.errors import BaseImageError, LabError
from reprolab.core.subprocesses import run

TARGET = "/usr/local"
ELF = b"\x7fELF"
# What CPython's own `make install` puts there; everything else in a pyenv version came with pip.
PROGRAMS = re.compile(r"(python|pydoc|idle|2to3|pyvenv)[\d.]*m?(-config|-[\d.]+m?(-config)?)?")
# As the official image leaves them out.
LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "idle_test", "__pycache__", "*.pyc", "*.pyo", "libpython*.a", "site-packages"
)
LIBRARY = re.compile(r"=> (/\S+)")
# The interpreters (minor versions of 3) that have a list of pip, setuptools and wheel of their own; later ones have the
# last of these lists.
OWN_LISTS = (6, 7, 8, 9)


@dataclass(frozen=True)
class Interpreter:
    """One CPython of pyenv: its version and the directory it is installed in."""

    version: str
    prefix: Path

    @property
    def minor(self) -> str:
        """The version without its patch number, as in file names: "3.6"."""
        return self.version.rpartition(".")[0]

    @property
    def identity(self) -> str:
        """What changes when pyenv builds this version anew; cheap, since it is asked for in every run."""
        binaries = (self.prefix / f"bin/python{self.minor}", *sorted(self.prefix.glob("lib/libpython*.so*")))
        return " ".join(f"{p.name}:{p.stat().st_size}:{p.stat().st_mtime_ns}" for p in binaries)


@dataclass(frozen=True)
class Needs:
    """The shared libraries an interpreter needs: by Debian package, or as files of no package."""

    packages: tuple[str, ...]
    files: tuple[Path, ...]


def requirements(version: str) -> str:
    """The list of pip, setuptools and wheel for CPython ``version``, below images/base."""
    minor = int(version.split(".")[1])
    return f"requirements/python-3.{min(max(minor, OWN_LISTS[0]), OWN_LISTS[-1])}.txt"


def find(version: str, environ: Mapping[str, str]) -> Interpreter:
    """The pyenv interpreter of exactly this version; BaseImageError that names those there are."""
    root = pyenv_root(environ)
    prefix = root / "versions" / version if root else Path("/nonexistent")
    minor = version.rpartition(".")[0]
    if (prefix / f"bin/python{minor}").is_file():
        return Interpreter(version, prefix)
    there = ", ".join(installed(root)) if root else ""
    raise BaseImageError(
        f"pyenv on this host has no CPython {version}"
        + (f" (it has {there})" if there else " (nor any other)" if root else ": there is no pyenv"),
        expected=f"the interpreter that goes into the stand-in for python:{version}",
        advice=f"`pyenv install {version}`" + ("" if root else ", once pyenv itself is installed"),
    )


def pyenv_root(environ: Mapping[str, str]) -> Path | None:
    """Where pyenv keeps its versions: PYENV_ROOT, or what pyenv says; None where there is no pyenv."""
    if environ.get("PYENV_ROOT"):
        return Path(environ["PYENV_ROOT"])
    if not shutil.which("pyenv", path=environ.get("PATH")):
        return None
    try:
        return Path(run(["pyenv", "root"], timeout=30, env=environ).stdout.strip())
    except LabError:
        return None


def installed(root: Path) -> list[str]:
    """The CPython 3 versions in pyenv, oldest first."""
    names = [p.name for p in (root / "versions").glob("3.*") if re.fullmatch(r"[\d.]+", p.name)]
    return sorted(names, key=lambda name: [int(part) for part in name.split(".") if part])


def needs(interpreter: Interpreter) -> Needs:
    """Ask ldd for the libraries, dpkg for the packages they come from.

    tkinter is left without its libraries, as in the official slim images: it would bring X11 in.
    """
    modules = interpreter.prefix.glob(f"lib/python{interpreter.minor}/lib-dynload/*.so")
    binaries = [interpreter.prefix / f"bin/python{interpreter.minor}"]
    binaries += sorted(p for p in modules if not p.name.startswith("_tkinter"))
    found = run(["ldd", *map(str, binaries)], timeout=120, check=False).stdout
    libraries = {Path(name) for name in LIBRARY.findall(found)}
    libraries = {p for p in libraries if not p.is_relative_to(interpreter.prefix / "lib")}
    owners = _owners(libraries)
    packages = {owner for owner in owners.values() if owner}
    return Needs(tuple(sorted(packages)), tuple(sorted(p for p, owner in owners.items() if not owner)))


def _owners(libraries: Iterable[Path]) -> dict[Path, str]:
    """Each library's package, or "". Since /lib became a link, dpkg may know a file by either name."""
    names = {p: {str(p), str(p.resolve()), f"/usr{p}", str(p).removeprefix("/usr")} for p in libraries}
    asked = sorted(set().union(*names.values()))
    said = run(["dpkg-query", "--search", *asked], timeout=60, check=False).stdout if asked else ""
    owner = {path: who.split(":")[0] for who, _, path in (s.partition(": ") for s in said.splitlines())}
    return {p: next((owner[n] for n in sorted(all_) if n in owner), "") for p, all_ in names.items()}


def lay_out(interpreter: Interpreter, files: Iterable[Path], root: Path) -> None:
    """Copy the interpreter to ``root``/usr/local as if it had been configured for that prefix."""
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
        old = new = file.read_bytes()
        for prefix in sorted(set(prefixes), key=len, reverse=True):
            new = relocate(new, prefix.encode(), TARGET.encode())
        if new != old:
            mode = file.stat().st_mode & 0o777
            file.chmod(mode | 0o200)
            file.write_bytes(new)
            file.chmod(mode)


def relocate(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace the prefix ``old`` by ``new`` in a file's content.

    In a text any length will do. In a binary nothing may move, and the end of a string may be another
    string as well: linkers keep "3.6.15" only once, as the tail of ".../versions/3.6.15". So the path
    is filled up with slashes, and stays as it is where nothing follows it. The run path of the
    interpreter is set that way, and the standard library's place for programs that embed Python.
    """
    if not data.startswith(ELF):
        return data.replace(old, new)
    if len(new) > len(old):
        raise BaseImageError(f"{old.decode()} is too short a path to be replaced by {new.decode()} in a binary")
    return data.replace(old + b"/", new + b"/" * (len(old) - len(new) + 1))


def _strip(target: Path) -> None:
    """Drop symbols for debuggers, as the official build does; without binutils the image is just larger."""
    binaries = [p for p in target.rglob("*") if p.is_file() and not p.is_symlink() and _is_elf(p)]
    if shutil.which("strip") and binaries:
        for file in binaries:
            file.chmod(file.stat().st_mode | 0o200)
        run(["strip", "--strip-unneeded", *map(str, binaries)], timeout=120, check=False)


def _is_elf(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) == ELF and file.suffix != ".o"
