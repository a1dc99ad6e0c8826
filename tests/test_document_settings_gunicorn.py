"""What two documents set, as the lab's files set it: read by running or parsing these, not by looking for a line."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from cases import ROOT
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario

VANISH = ROOT / "scenarios" / "socket-vanish"
SETTINGS = ROOT / "scenarios" / "gunicorn-settings"


def module(found: Scenario, experiment: str) -> ModuleType:
    """An experiment's module."""
    return sys.modules[found.experiments[experiment].drive.__module__]


# -- socket-vanish ---------------------------------------------------------------------------------

GUNICORN = {
    "bind": "unix:/tmp/gunicorn.sock",
    "backlog": 2048,
    "workers": 5,
    "threads": 5,
    "worker_class": "sync",
    "worker_connections": 1000,
    "timeout": 30,
    "keepalive": 2,
    "max_requests": 512,
    "umask": 0,
    "errorlog": "-",
    "loglevel": "info",
    "accesslog": "-",
    "access_log_format": '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"',
}
OFF = {"spew", "daemon", "pidfile", "user", "group", "tmp_upload_dir", "proc_name"}  # False or None: not to be set
VERSIONS = {"GUNICORN": r"19\.6\.0", "BOTTLE": r"0\.12\.13", "PYTHON": r"3\.6\.\d+"}
PORT = 18080
LOAD = {"threads": 10, "connections": 200, "duration": 10}
BODY = 11  # bytes, as the document's access log has it


@pytest.fixture(scope="module")
def vanish() -> Scenario:
    """socket-vanish."""
    return loader.load(ROOT, "socket-vanish")


def in_force(found: Scenario, folder: Path) -> dict[str, Any]:
    """gunicorn's settings in the documented stack: config.py, and over it the options that start.sh passes."""
    program = folder / "gunicorn"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    log = folder / "access.log"
    env = {**found.factors, "WITNESS": "off", "ACCESS_LOG": str(log), "PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(["sh", str(VANISH / "start.sh")], env=env, check=True, timeout=60)
    words = log.read_text(encoding="utf-8").splitlines()
    options = {word[2:].replace("-", "_"): words[n + 1] for n, word in enumerate(words) if word.startswith("--")}
    held = runpy.run_path(str(VANISH / options.pop("config")))
    numbers = {name: int(value) if value.isdigit() else value for name, value in options.items()}
    return {name: value for name, value in {**held, **numbers}.items() if not name.startswith("_")}


def test_socket_vanish_has_the_documents_settings(vanish: Scenario, tmp_path: Path) -> None:
    """Each with the document's value, and none that the document does not set or leaves off."""
    settings = in_force(vanish, tmp_path)
    assert {name: value for name, value in settings.items() if name not in OFF or value} == GUNICORN


@pytest.mark.parametrize("factor", VERSIONS)
def test_socket_vanish_has_the_documents_versions(vanish: Scenario, factor: str) -> None:
    """Of gunicorn and bottle to the last number; of Python, 3.6."""
    assert re.fullmatch(VERSIONS[factor], vanish.factors[factor])


def test_socket_vanish_has_the_documents_proxy() -> None:
    """h2o on the document's port; every path goes to the server, with the Host that the client sent."""
    held = yaml.safe_load((VANISH / "h2o.conf").read_bytes())
    assert held["listen"] == PORT
    (host,) = held["hosts"].values()
    assert host["paths"] == {"/": {"proxy.preserve-host": True, "proxy.reverse.url": "http://UPSTREAM/"}}


def test_socket_vanish_puts_on_the_documents_load(vanish: Scenario) -> None:
    """The experiment's wrk, and the exported case's."""
    loads: list[dict[str, int]] = []

    def wrk(path: str, **options: int) -> SimpleNamespace:
        loads.append(options)
        return SimpleNamespace(summary=dict)

    stack = SimpleNamespace(
        factors={**vanish.factors, "BIND": "127.0.0.1:8000"},
        wrk=wrk,
        probe=lambda *words, **options: "200",
        running=lambda role: True,
        printed=lambda role: [],
    )
    module(vanish, "vanish").drive(stack)
    assert loads == [LOAD]


def test_socket_vanish_exports_the_documents_load(tmp_path: Path) -> None:
    """drive.sh of the reproducer, run with programs that only note how they were called."""
    for name, does in {"wrk": 'echo "$@" >> "$NOTED"; exit 1', "curl": "printf 200"}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    noted = tmp_path / "noted"
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "NOTED": str(noted), "BIND": "x:1", "MAX_REQUESTS": "512"}
    script = str(VANISH / "reproducer" / "drive.sh")
    subprocess.run(["sh", script], env=env, capture_output=True, check=False, timeout=60)
    words = noted.read_text(encoding="utf-8").split()
    assert dict(zip(words[:-1:2], words[1:-1:2], strict=True)) == {
        "--threads": "10",
        "--connections": "200",
        "--duration": "10s",
    }
    assert words[-1] == f"http://127.0.0.1:{PORT}/"


def test_socket_vanish_answers_as_long_as_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page at / has as many bytes; bottle, which the lab itself does not have, only takes it down here."""
    pages: dict[str, Any] = {}

    class Bottle:
        def route(self, path: str, callback: Any) -> None:
            pages[path] = callback

    monkeypatch.setitem(sys.modules, "bottle", SimpleNamespace(Bottle=Bottle))
    assert isinstance(runpy.run_path(str(VANISH / "web.py"))["app"], Bottle)
    assert {path: len(page()) for path, page in pages.items()} == {"/": BODY}


# -- gunicorn-settings -----------------------------------------------------------------------------

STACK = {"GUNICORN": r"20\.1\.0", "PYTHON": r"3\.6\.(?:[7-9]|\d\d)"}
# What no experiment sets in its documented variant, so that gunicorn's own defaults hold: the document names most.
UNSET = {"ARGUMENTS": "", "WORKER_CLASS": "sync", "WORKERS": "default", "FILE": "none", "SHELL_ENV": "none"}
# (experiment, variant, option of gunicorn, the document's value; None: the option alone)
OPTIONS = [
    ("check-config", "check", "--check-config", None),
    ("check-config", "env", "--check-config", None),
    ("check-config", "env", "--env", "NAME=argument"),
    ("check-config", "print", "--print-config", None),
    ("environment", "both", "--env", "NAME=argument"),
    ("reload", "missing-module", "--reload", None),
    ("spew", "spew", "--spew", None),
    ("logging", "stdout", "--access-logfile", "-"),
    ("logging", "without", "--access-logfile", "-"),
    ("syslog", "syslog", "--log-syslog", None),
    ("syslog", "redirect-off", "--disable-redirect-access-to-syslog", None),
    ("limits", "limit-8190", "--limit-request-line", "8190"),
    ("limits", "limit-0", "--limit-request-line", "0"),
    ("preload", "preload", "--preload", None),
    ("timeout", "off", "--timeout", "0"),
]
# (experiment, variant, factor, the document's value)
FACTORS = [
    ("config", "gunicorn.config.py", "FILE", "gunicorn.config.py"),
    ("worker-class", "gevent", "WORKER_CLASS", "gevent"),
    ("worker-class", "gevent-compute", "WORKER_CLASS", "gevent"),
    ("worker-connections", "gevent-3", "WORKER_CLASS", "gevent"),
    ("worker-connections", "eventlet-3", "WORKER_CLASS", "eventlet"),
    ("timeout", "gevent", "WORKER_CLASS", "gevent"),
    ("graceful-timeout", "term", "SIGNAL", "TERM"),
    ("graceful-timeout", "hup", "SIGNAL", "HUP"),
    ("graceful-timeout", "gevent-hup", "SIGNAL", "HUP"),
    ("graceful-timeout", "gevent-hup", "WORKER_CLASS", "gevent"),
]


@pytest.fixture(scope="module")
def settings() -> Scenario:
    """gunicorn-settings."""
    return loader.load(ROOT, "gunicorn-settings")


def factors(found: Scenario, experiment: str, variant: str) -> dict[str, str]:
    """All factors of a variant."""
    return {**found.factors, **found.experiments[experiment].variants[variant]}


@pytest.mark.parametrize("factor", STACK)
def test_gunicorn_settings_has_the_documents_versions(settings: Scenario, factor: str) -> None:
    """gunicorn to the last number; of Python 3.6 a release that has the change of 3.6.7."""
    assert re.fullmatch(STACK[factor], settings.factors[factor])


def test_gunicorn_settings_sets_nothing_where_defaults_are_asked_for(settings: Scenario) -> None:
    """The documented variant of every experiment leaves each setting to gunicorn."""
    for experiment in settings.experiments:
        used = factors(settings, experiment, "documented")
        assert {name: used[name] for name in UNSET} == UNSET, experiment


@pytest.mark.parametrize(("experiment", "variant", "option", "value"), OPTIONS)
def test_gunicorn_settings_passes_the_documents_options(
    settings: Scenario, experiment: str, variant: str, option: str, value: str | None
) -> None:
    """The variant that the claim is shown in gives gunicorn the document's value."""
    words = shlex.split(factors(settings, experiment, variant)["ARGUMENTS"])
    assert option in words
    assert value is None or words[words.index(option) + 1] == value


@pytest.mark.parametrize(("experiment", "variant", "factor", "value"), FACTORS)
def test_gunicorn_settings_uses_the_documents_names(
    settings: Scenario, experiment: str, variant: str, factor: str, value: str
) -> None:
    """Files, worker classes and signals."""
    assert factors(settings, experiment, variant)[factor] == value


def test_gunicorn_settings_signs_know_the_documents_numbers(settings: Scenario) -> None:
    """What a sign takes for the document's: 4092 bytes, at most 8190; and where bind.py looks without --bind."""
    signs = {claim.id: claim.sign for experiment in settings.experiments.values() for claim in experiment.claims}
    line = {"limit": None, "largest_path": 4092, "largest_query": 4092}
    assert signs["GS-18"](line) and not signs["GS-18"]({**line, "largest_path": 4093})
    line = {"limit": 20000, "largest_path": 8190, "largest_query": 8190}
    assert signs["GS-19"](line) and not signs["GS-19"]({**line, "largest_path": 8191})
    assert module(settings, "bind").ADDRESS == "127.0.0.1:8000"


@pytest.mark.parametrize(("logging", "value"), [("kept", False), ("disabled", True), ("without", None)])
def test_gunicorn_settings_has_the_documents_logging(
    monkeypatch: pytest.MonkeyPatch, logging: str, value: bool | None
) -> None:
    """Django's LOGGING with disable_existing_loggers False, as the document asks, with True, and without it."""
    for name, setting in {"LOGGING": logging, "DICTCONFIG": "on", "NEEDS": "nothing"}.items():
        monkeypatch.setenv(name, setting)
    held = runpy.run_path(str(SETTINGS / "app" / "lab" / "settings.py"))
    assert held["LOGGING"].get("disable_existing_loggers") is value


def test_gunicorn_settings_proxies_to_the_socket_that_gunicorn_binds(settings: Scenario) -> None:
    """One of nginx's locations has the path of the variant's --bind unix:PATH, as in the document."""
    words = shlex.split(factors(settings, "bind", "unix")["ARGUMENTS"])
    bound = words[words.index("--bind") + 1]
    passed = re.findall(r"^\s*proxy_pass\s+http://([^;]+);$", (SETTINGS / "nginx.conf").read_text("utf-8"), re.M)
    assert bound.startswith("unix:") and bound in passed
