"""scripts/bootstrap on small projects, without network and without packages of this repository."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "bootstrap"

# A build backend of the project's own, so that an editable installation needs no setuptools.
BACKEND = """
import pathlib, zipfile
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "tiny-1.0-py3-none-any.whl"
    files = {"tiny.pth": str(pathlib.Path.cwd() / "src"),
             "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n",
             "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w") as wheel:
        for path, text in files.items(): wheel.writestr(path, text)
        wheel.writestr("tiny-1.0.dist-info/RECORD", "".join(f"{path},,\\n" for path in files))
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "1.0"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A project whose bootstrap has run once, and the result. Its path has a space."""
    root = _project(tmp_path_factory.mktemp("a checkout") / "of it")
    return root, _bootstrap(root)


def _project(root: Path) -> Path:
    (root / "scripts").mkdir(parents=True)
    (root / "src").mkdir()
    (root / "src/tiny.py").write_text("")
    shutil.copy(SCRIPT, root / "scripts/bootstrap")
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(PYPROJECT)
    digest = _wheel(root / "pinned-1.0-py3-none-any.whl")
    (root / "requirements.lock").write_text(f"./pinned-1.0-py3-none-any.whl --hash=sha256:{digest}\n")
    return root


def _wheel(path: Path) -> str:
    """Write a wheel with one empty module; return its SHA-256."""
    info = "pinned-1.0.dist-info"
    files = {
        "pinned.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: pinned\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    sums = {
        name: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        for name, text in files.items()
    }
    record = "".join(f"{name},sha256={sums[name]},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            wheel.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _environ(**more: str) -> dict[str, str]:
    """Return this environment with the interpreter of these tests as PYTHON."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return {**kept, "PYTHON": sys.executable, "LC_ALL": "C", **more}


def _bootstrap(root: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = ["scripts/bootstrap"]
    return subprocess.run(
        command, cwd=root, env=_environ(**more), capture_output=True, text=True, timeout=120, check=False
    )


def _fake(directory: Path, name: str, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_first_run_makes_the_environment(
    project: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """Locked packages and the project itself are importable; each step has one line on stderr."""
    root, result = project
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert [line.split()[1] for line in lines] == ["making", "installing", "installing", ".venv"]
    assert "because there is none yet" in lines[0]
    code = "import pinned, tiny; print(tiny.__file__)"
    shown = subprocess.run([root / ".venv/bin/python", "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == str(root / "src/tiny.py")


def test_the_second_run_prints_nothing_and_is_fast(project: tuple[Path, object]) -> None:
    """Every make runs it, so it must take less than 0.1 s."""
    times = []
    for _ in range(5):
        began = time.monotonic()
        result = _bootstrap(project[0])
        times.append(time.monotonic() - began)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert min(times) < 0.1


def test_packages_can_come_from_files_alone(tmp_path: Path) -> None:
    """REPROLAB_WHEELS names a directory of packages, as in a bundle. No index is asked. Its path has a space."""
    root = _project(tmp_path / "offline")
    wheels = tmp_path / "the wheels"
    wheels.mkdir()
    (root / "pinned-1.0-py3-none-any.whl").rename(wheels / "pinned-1.0-py3-none-any.whl")
    digest = hashlib.sha256((wheels / "pinned-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    (root / "requirements.lock").write_text(f"pinned==1.0 --hash=sha256:{digest}\n")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/", "PIP_RETRIES": "0"}
    result = _bootstrap(root, REPROLAB_WHEELS=str(wheels), **nowhere)
    assert result.returncode == 0, result.stderr
    (wheels / "pinned-1.0-py3-none-any.whl").unlink()
    (root / ".venv/.ready").unlink()
    result = _bootstrap(root, REPROLAB_WHEELS=str(wheels), **nowhere)
    assert result.returncode == 4
    assert f"the locked files in {wheels}, for this Python" in result.stderr


def test_a_moved_checkout_is_made_again(project: tuple[Path, object], tmp_path: Path) -> None:
    """The environment's scripts and the editable installation name the old path."""
    broken = tmp_path / "copy"
    shutil.copytree(project[0], broken, symlinks=True)
    result = _bootstrap(broken)
    assert result.returncode == 0, result.stderr
    assert "the place of this checkout changed" in result.stderr
    assert str(broken) in (broken / ".venv/bin/pip").read_text()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("rm .venv/.ready", "it was left unfinished"),
        ("rm .venv/bin/python; ln -s /nonexistent .venv/bin/python", "its Python does not run"),
        ("rm .venv/bin/pip", "parts of it are gone"),
        ("rm -rf .venv; mkdir .venv", "its Python does not run"),
        ("echo '# more' >>requirements.lock", "requirements.lock, pyproject.toml"),
        ("echo '# more' >>pyproject.toml", "requirements.lock, pyproject.toml"),
    ],
)
def test_what_is_broken_or_out_of_date_is_made_again(project: tuple[Path, object], damage: str, reason: str) -> None:
    """The output has the reason, and afterwards the environment is ready."""
    subprocess.run(["sh", "-c", damage], cwd=project[0], check=True)
    result = _bootstrap(project[0])
    assert (result.returncode, reason in result.stderr) == (0, True), result.stderr
    assert _bootstrap(project[0]).stderr == ""


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    """The second one waits for the first and then finds the environment ready."""
    root = _project(tmp_path / "both")
    pair = [
        subprocess.Popen(["scripts/bootstrap"], cwd=root, env=_environ(), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120)[1] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], outputs
    assert sorted(text.count("making .venv") for text in outputs) == [0, 1]
    assert "another bootstrap of this checkout is running" in min(outputs, key=len)


def test_a_wrong_hash_stops_it(tmp_path: Path) -> None:
    """Nothing unverified is installed, pip's output is shown, and the environment is not marked as ready."""
    root = _project(tmp_path / "wrong")
    lock = root / "requirements.lock"
    lock.write_text(lock.read_text().split("sha256:")[0] + "sha256:" + "0" * 64 + "\n")
    result = _bootstrap(root)
    assert result.returncode == 4
    assert "DO NOT MATCH THE HASHES" in result.stderr
    assert "bootstrap: installing requirements.lock failed\n  expected: " in result.stderr
    assert not (root / ".venv/.ready").exists()


def test_a_package_without_a_hash_is_refused(tmp_path: Path) -> None:
    """The check also holds for a lock that was edited by hand."""
    root = _project(tmp_path / "bare")
    (root / "requirements.lock").write_text("./pinned-1.0-py3-none-any.whl\n")
    assert _bootstrap(root).returncode == 4


def test_an_old_python_is_named(tmp_path: Path) -> None:
    """The message has its version, what was expected and what to do. Exit status 4, and nothing is changed."""
    root = _project(tmp_path / "old")
    script = 'case $1 in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac'
    old = _fake(tmp_path / "bin", "python3", script)
    result = _bootstrap(root, PYTHON=str(old))
    assert result.returncode == 4
    assert f"no Python 3.11 or later: {old} is Python 3.9.2" in result.stderr
    assert "expected: " in result.stderr and "to do: " in result.stderr
    assert not (root / ".venv").exists()


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    """A PYTHON that does not exist is not replaced by another one."""
    result = _bootstrap(_project(tmp_path / "none"), PYTHON="/nonexistent/python3")
    assert result.returncode == 4
    assert "/nonexistent/python3 not found" in result.stderr


def test_a_newer_python_is_found_behind_an_old_python3(tmp_path: Path) -> None:
    """With no PYTHON set, python3.11 to python3.14 are tried after python3."""
    root = _project(tmp_path / "newer")
    _fake(tmp_path / "bin", "python3", '[ "$1" = --version ] && echo "Python 3.9.2"; exit 1')
    for name in ("python3.14", "python3.13", "python3.12", "python3.11"):
        _fake(tmp_path / "bin", name, f'exec "{sys.executable}" "$@"')
    result = _bootstrap(root, PYTHON="", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert result.returncode == 0, result.stderr
    version = ".".join(str(number) for number in sys.version_info[:3])
    assert f"making .venv with Python {version}" in result.stderr


def test_a_missing_lock_is_named(tmp_path: Path) -> None:
    """Without the lock no package can be verified."""
    root = _project(tmp_path / "lockless")
    (root / "requirements.lock").unlink()
    result = _bootstrap(root)
    assert result.returncode == 4
    assert "has no requirements.lock" in result.stderr


@pytest.mark.parametrize("uid", [0, 1000])
def test_debians_missing_ensurepip_is_installed_by_root_only(tmp_path: Path, uid: int) -> None:
    """Debian has venv in a separate package. Without root rights the message names it."""
    root = _project(tmp_path / "debian")
    mark = tmp_path / "installed"
    python = _fake(
        tmp_path / "bin",
        "python3",
        f'case "$*" in *ensurepip*) [ -e "{mark}" ] || exit 1 ;; esac\nexec "{sys.executable}" "$@"',
    )
    calls = tmp_path / "calls"
    apt = f'echo "$*" >>"{calls}"; case "$*" in *install*) touch "{mark}" ;; esac'
    _fake(tmp_path / "bin", "apt-get", apt)
    _fake(tmp_path / "bin", "id", f"echo {uid}")
    result = _bootstrap(root, PYTHON=str(python), PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    if uid == 0:
        assert result.returncode == 0, result.stderr
        assert "installing python3-venv by apt-get" in result.stderr
        assert calls.read_text().splitlines()[-1].endswith("--no-install-recommends python3-venv")
    else:
        assert (result.returncode, calls.exists()) == (4, False)
        assert "apt-get install python3-venv" in result.stderr
