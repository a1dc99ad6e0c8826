"""The installed lab, without a checkout: a wheel in a fresh environment, a lab folder, a run, an export."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from cases import ROOT
from environments import call, environment, wheel

USES_WRK = """
import importlib.util, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from wrk_wrapper import Wrk

class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *words): pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
threading.Thread(target=server.serve_forever, daemon=True).start()
result = Wrk(threads=1, connections=1, duration=1, statuses=True).run(f"http://127.0.0.1:{server.server_port}/")
print(result.requests == result.statuses[200] > 0, importlib.util.find_spec("reprolab"))
"""


@pytest.mark.slow
def test_wrk_wrapper_alone(tmp_path: Path) -> None:
    """Its own wheel runs wrk in an environment that has nothing of the lab."""
    programs = environment(tmp_path, wheel(tmp_path, "scripts/wrk_wrapper"), dependencies=False)
    assert call(programs / "python", "-c", USES_WRK, cwd=tmp_path).strip() == "True None"


@pytest.mark.slow
def test_the_wheel_has_what_a_lab_folder_needs(tmp_path: Path) -> None:
    """Every file of images/ and of the scenarios with its permissions, wrk's script, and nothing of the tests."""
    with zipfile.ZipFile(wheel(tmp_path)) as archive:
        members = {member.filename: member.external_attr >> 16 & 0o111 for member in archive.infolist()}
    for path in (ROOT / "images").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            name = f"reprolab/shared_images/{path.relative_to(ROOT / 'images')}"
            assert name in members and bool(members[name]) == bool(path.stat().st_mode & 0o111), name
    lab = ROOT / "scripts/reprolab"
    for path in lab.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert f"reprolab/{path.relative_to(lab)}" in members
    for path in (ROOT / "scenarios").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            name = f"reprolab/catalogue/scenarios/{path.relative_to(ROOT / 'scenarios')}"
            assert (name in members) == (path.suffix != ".jsonl"), name
            assert name not in members or bool(members[name]) == bool(path.stat().st_mode & 0o111), name
    assert {"wrk_wrapper/report.lua", "wrk_wrapper/.dockerignore", "reprolab/shared_docs/authoring.md"} <= set(members)
    assert {name.split("/")[0].split("-")[0] for name in members} == {"reprolab", "wrk_wrapper"}


@pytest.mark.slow
@pytest.mark.docker
def test_a_lab_folder_of_the_installed_lab(tmp_path: Path) -> None:
    """Laid out, run on the engine, judged, exported and reported, without a word about make."""
    programs = environment(tmp_path, wheel(tmp_path), dependencies=True)
    lab = programs / "reprolab"
    output = call(lab, "init", "my-lab", cwd=tmp_path)
    assert "it runs as it stands: cd my-lab && reprolab run first-case" in output
    below = tmp_path / "my-lab/scenarios/first-case"
    printed = call(lab, "run", "first-case", "--trials", "1", cwd=below, limit=1500)
    assert "1 confirmed · 0 refuted · 0 inconclusive" in printed
    assert "make " not in printed
    (run,) = (tmp_path / "my-lab/results/first-case").glob("2*")
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert info["status"] == "complete"
    assert "reprolab export first-case" in call(lab, "bugreport", "first-case", cwd=below)
    assert "run.sh" in call(lab, "export", "first-case", cwd=below)
    files = [path for path in (tmp_path / "my-lab/results/export").rglob("*") if path.is_file()]
    assert any(path.name == "compose.yaml" for path in files)
    assert not [path for path in files if str(tmp_path).encode() in path.read_bytes()]
    for command in (("accept", "first-case", "--thin"), ("site",), ("list",), ("docs", "--check"), ("clean",)):
        call(lab, *command, cwd=below)
    assert "make " not in call(lab, "site", cwd=below)
    log = tmp_path / "web.log"
    log.write_text("[2026-03-02 07:31:09 +0000] [14] [INFO] Using worker: gthread\n", encoding="utf-8")
    assert "reprolab take idle-connections && " in call(
        lab, "diagnose", str(log), "--version", "gunicorn=20.1.0", cwd=below
    )
    call(lab, "take", "idle-connections", cwd=below)
    assert "idle-connections" in call(lab, "list", cwd=below)
