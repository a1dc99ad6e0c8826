"""Secrets of the caller's environment are in no file of a run, and the stack still gets them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cases import lay_out
from lab import base, engine, lab
from reprolab.stack.hidden import hide, is_secret


@pytest.mark.parametrize(
    "name",
    (
        *("PASSWORD", "DB_PASSWORD", "dbPassword", "API_KEY", "KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "TOKENS"),
        *("PGPASSWORD", "BASIC_AUTH", "SENTRY_DSN", "session.cookie", "MYSQL_PWD", "CREDENTIALS", "client-secret"),
    ),
)
def test_names_of_secrets(name: str) -> None:
    """As people write them."""
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["HOME", "PWD", "AUTHOR", "KEYBOARD", "MONKEY", "TOKENIZERS_PARALLELISM", "PUBLIC_KEY", "WORKERS", "BYPASS"]
)
def test_names_of_no_secrets(name: str) -> None:
    """A factor or a directory stays readable."""
    assert not is_secret(name)


def model(**service: Any) -> dict[str, Any]:
    """A model with one service."""
    return {"name": "x", "services": {"blink-app": service}}


def test_a_secret_is_replaced_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a name that tells it, in a command, in an address, and where a variable of the caller has it."""
    monkeypatch.setenv("DEPLOY_TOKEN", "from-the-shell")
    shown, variables = hide(
        model(
            environment={
                "API_KEY": "hunter-2-hunter",
                "SHORT_KEY": "abc",
                "URL": "db://me:p$$ssw0rd@db/x",
                "WORKERS": "2",
            },
            command=["serve", "--key=hunter-2-hunter", "--token", "from-the-shell"],
            build={"context": "/x", "args": {"INDEX_TOKEN": "another-one"}},
            labels={"note": "abc"},
            ports=["127.0.0.1::80"],
        )
    )
    text = json.dumps(shown)
    for secret in ("hunter", "ssw0rd", "from-the-shell", "another-one"):
        assert secret not in text
    service = shown["services"]["blink-app"]
    assert service["environment"]["WORKERS"] == "2" and service["labels"] == {"note": "abc"}
    assert service["environment"]["SHORT_KEY"].endswith("-[masked]}")
    assert service["command"][1].removeprefix("--key=") == service["environment"]["API_KEY"]
    assert sorted(variables.values()) == ["abc", "another-one", "from-the-shell", "hunter-2-hunter", "p$ssw0rd"]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ({"command": ["serve", "--password", "SECRET"]}, "hunter22"),
        ({"command": ["serve", "--token=SECRET"]}, "hunter22"),
        ({"command": "serve --api-key SECRET x"}, "hunter22"),
        ({"environment": {"OPTIONS": '{"password": "SECRET"}'}}, "hunter22"),
        ({"environment": {"OPTIONS": "a=b;Password=SECRET"}}, "hunter22"),
        ({"environment": {"URL": "db://me:SECRET@db/x"}}, "a@b"),
        ({"environment": {"URL": "https://SECRET@errors.example/1"}}, "0123456789abcdef"),
        ({"environment": {"PAYMENT": "SECRET"}}, "sk_live_0123456789"),
        ({"environment": {"PEM": "SECRET"}}, "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----"),
        ({"healthcheck": {"test": ["CMD-SHELL", "curl -fu me:SECRET http://x"]}}, "hunter22"),
        ({"post_start": [{"command": ["x", "--password", "SECRET"]}]}, "hunter22"),
    ],
)
def test_a_secret_is_known_by_its_place_or_form(part: dict[str, Any], value: str) -> None:
    """In options, in JSON, in addresses, in health checks and hooks; keys of known forms under any name."""

    def filled(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {name: filled(entry) for name, entry in inner.items()}
        return [filled(entry) for entry in inner] if isinstance(inner, list) else inner.replace("SECRET", value)

    shown, variables = hide(model(**filled(part)))
    assert json.dumps(value)[1:-1] not in json.dumps(shown)
    assert list(variables.values()) == [value]


def test_contents_of_the_top_level_are_hidden_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret as a whole; of a configuration what is a secret in it."""
    monkeypatch.setenv("DEPLOY_TOKEN", "from-the-shell")
    entries = {"configs": {"c": {"content": "password=hunter22 from-the-shell"}, "d": {"file": "./d"}}}
    shown, variables = hide({**model(command=None), **entries, "secrets": {"s": {"content": "whole-secret\n"}}})
    assert sorted(variables.values()) == ["from-the-shell", "hunter22", "whole-secret"]
    assert not [text for text in variables.values() if text in json.dumps(shown)]
    assert shown["configs"]["d"] == {"file": "./d"}


def test_without_secrets_a_model_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the caller has some; the numbers of the variables do not depend on those."""
    monkeypatch.setenv("DEPLOY_TOKEN", "from-the-shell")
    plain = model(environment={"WORKERS": "2", "NOTHING": None, "API_KEY": ""}, command=None)
    assert hide(plain) == (plain, {})
    _, variables = hide(model(environment={"API_KEY": "x"}))
    assert list(variables) == ["REPROLAB_HIDDEN_1"]


APP = """\
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["APP_TOKEN"].encode())
http.server.HTTPServer(("", 8000), Page).serve_forever()
"""
STACK = """\
x-reprolab: {title: a server with a secret, document: {title: doc-1}}
services:
  blink-app:
    image: IMAGE
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    mem_limit: 64m
    pids_limit: 64
    user: "1000:1000"
    command: [python3, /app.py]
    environment: [APP_TOKEN]
    volumes: ["./app.txt:/app.py:ro"]
    ports: ["127.0.0.1::8000"]
"""
LAMP = '''\
"""Whether the server knows the secret."""
from reprolab import Claim

VARIANTS = {"documented": {}}
TRIALS = 1


def drive(stack):
    return {"length": len(stack.get("/").text)}


def knows(o):
    return o["length"] == 24


CLAIMS = [Claim("B-1", "It knows it.", sign=knows, shows=["documented"])]
'''


@pytest.mark.docker
def test_no_file_of_a_run_has_the_secret(tmp_path: Path) -> None:
    """The server gets it from the caller's environment, and nothing that the run keeps has it."""
    secret = "q7-not-in-any-file-b2-zz"
    python = base("python:3.12.1-slim-bookworm")
    directory = lay_out(tmp_path, compose=STACK.replace("IMAGE", python), lamp=LAMP)
    (directory / "app.txt").write_text(APP)
    shutil.copytree(Path(__file__).parents[1] / "images", tmp_path / "images")
    (tmp_path / "images" / "compose.yaml").write_text("services: {}\n")
    engine()
    results = tmp_path / "results"
    _, printed = lab(results, "run", "blink", REPROLAB_ROOT=str(tmp_path), APP_TOKEN=secret)
    trials = [json.loads(line) for file in results.rglob("trials.jsonl") for line in file.read_text().splitlines()]
    assert [trial["observation"] for trial in trials] == [{"length": 24}], printed
    assert secret not in printed
    found = subprocess.run(["grep", "-rlaF", secret, str(results)], capture_output=True, text=True, check=False)
    assert found.stdout == ""
    (kept,) = results.rglob("compose.json")
    assert "-[masked]}" in kept.read_text()
