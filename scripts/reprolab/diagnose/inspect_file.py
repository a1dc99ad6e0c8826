"""Reads the output of `docker inspect CONTAINER`: the command, a few variables, how the container ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reprolab.diagnose import command_line, requirements
from reprolab.diagnose.settings import Release, Setting, Unread

SERVER = "container"
# Of the environment only these are read: any other variable may be a secret.
VARIABLES = ("GUNICORN_CMD_ARGS", "WEB_CONCURRENCY")
PYTHON = "PYTHON_VERSION"  # official images of Python set it
SCRIPT = ("sh", "bash", "dash", "ash")


def read(text: str, name: str) -> list[Setting | Release | Unread]:
    """The settings of all containers of a file, in its order."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        return [Unread(name, f"it is not JSON: {type(error).__name__}")]
    rows = content if isinstance(content, list) else [content]
    containers = [row for row in rows if isinstance(row, dict) and isinstance(row.get("Config"), dict)]
    if not containers:
        return [Unread(name, "it holds no container as `docker inspect` prints it")]
    items = [item for container in containers for item in _container(container, name)]
    if len(containers) == 1:
        return items
    # The status of one and the start of another would make a case that neither is.
    reason = f"how its {len(containers)} containers started and ended: give that of the server alone"
    kept = [item for item in items if not (isinstance(item, Setting) and item.server == SERVER)]
    return [*kept, Unread(name, reason)]


def _container(container: Mapping[str, Any], name: str) -> Iterator[Setting | Release | Unread]:
    config = container["Config"]
    for variable, value in _environment(config):
        if variable in VARIABLES:
            yield from command_line.read_variable(variable, value)
        elif variable == PYTHON:
            yield from requirements.exact(f"python={value}", name)
    words = [*_words(config.get("Entrypoint")), *_words(config.get("Cmd"))]
    if words:
        yield Setting(SERVER, "start", "script" if _is_script(words[0]) else "program", name)
        yield from command_line.read_words(words, name)
    yield from _state(container, name)


def _state(container: Mapping[str, Any], name: str) -> Iterator[Setting]:
    state, host = container.get("State"), container.get("HostConfig")
    if isinstance(state, dict):
        for key, setting in (("ExitCode", "exit_code"), ("OOMKilled", "out_of_memory")):
            if isinstance(state.get(key), int):
                yield Setting(SERVER, setting, str(state[key]).lower(), name)
    if isinstance(host, dict):
        yield Setting(SERVER, "init", str(bool(host.get("Init"))).lower(), name)


def _environment(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for line in _words(config.get("Env")):
        name, _, value = line.partition("=")
        yield name, value


def _words(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _is_script(word: str) -> bool:
    name = word.rpartition("/")[2]
    return name in SCRIPT or name.endswith(".sh")
