"""Reads a scenario's demo.yaml: the texts of a demonstration, its acts, and the parts of its screen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from reprolab.core.config_file import hint, mapping, read_yaml
from reprolab.core.errors import UsageError
from reprolab.scenario.model import Experiment, Scenario
from reprolab.scenario.scaffold import how_to_add, how_to_write

FILE = "demo.yaml"
WINDOW = 20.0  # seconds on the moving line
TOP = ("experiment", "opening", "watch", "acts", "closing")
WATCH = ("processes", "file", "responses", "lines", "events", "window")
ACT = ("variant", "heading", "say", "expect", "show", "reveal")
CLOSING = ("claims", "cause", "ask")
LINE_SOURCE = ("role", "file", "pattern", "label")
WATCHED_FILE = ("role", "path", "name")


@dataclass(frozen=True)
class WatchedFile:
    """A path in the container of a role, and its name on the screen."""

    role: str
    path: str
    name: str


@dataclass(frozen=True)
class LineSource:
    """The lines of a role's log, or of a ``file`` in its container, that match; they may be counted under a ``label``.

    A reference in a label to a group of the pattern, such as ``\\1``, is replaced by the text of the group.
    """

    role: str
    pattern: re.Pattern[str]
    file: str = ""
    label: str = ""

    def label_of(self, match: re.Match[str]) -> str:
        """The label of a matching line."""
        return match.expand(self.label)


@dataclass(frozen=True)
class Watch:
    """The parts of the live screen. Empty or None: the screen has no such part."""

    processes: str = ""
    file: WatchedFile | None = None
    responses: str = ""
    lines: tuple[LineSource, ...] = ()
    events: tuple[LineSource, ...] = ()
    window: float = WINDOW


@dataclass(frozen=True)
class Act:
    """One variant in the demonstration: its text, the question, then the columns to show and the text to them."""

    variant: str
    heading: str
    say: str
    expect: str
    reveal: str
    show: tuple[str, ...]


@dataclass(frozen=True)
class Script:
    """A whole demonstration."""

    experiment: Experiment
    opening: str
    watch: Watch
    acts: tuple[Act, ...]
    claims: tuple[str, ...]
    cause: str
    ask: str


def exists(scenario: Scenario) -> bool:
    """Whether a scenario has a demonstration, which is optional."""
    return (scenario.directory / FILE).is_file()


def load(scenario: Scenario) -> Script:
    """Read and check scenarios/NAME/demo.yaml. Raises UsageError, which names the wrong key and the expected value."""
    path = scenario.directory / FILE
    where = f"scenarios/{scenario.name}/{FILE}"
    if not exists(scenario):
        raise UsageError(
            f"{where} is missing",
            expected="the text of the demonstration, see " + how_to_write(scenario.root),
            advice=how_to_add(scenario.name, "demo"),
        )
    return parse(scenario, read_yaml(path, where), where)


def parse(scenario: Scenario, content: object, where: str) -> Script:
    """The script in a parsed demo.yaml. Raises UsageError as ``load`` does."""
    top = mapping(content, TOP, where)
    experiment = _experiment(scenario, top.get("experiment"), where)
    acts = top.get("acts")
    if not isinstance(acts, list) or len(acts) < 2:
        raise UsageError(f"{where}: acts is {acts!r}", expected="a list of two or more: the case, and its control")
    closing = mapping(top.get("closing"), CLOSING, f"{where}, closing")
    parsed = tuple(_act(experiment, act, f"{where}, act {n}") for n, act in enumerate(acts, 1))
    if len({act.variant for act in parsed}) < len(parsed):
        raise UsageError(f"{where}: two acts play the same variant", expected="each variant once")
    watch = _watch(top.get("watch"), f"{where}, watch")
    _check_roles(scenario, watch, f"{where}, watch")
    return Script(
        experiment,
        _text(top, "opening", where),
        watch,
        parsed,
        _claims(scenario, closing.get("claims"), f"{where}, closing"),
        _text(closing, "cause", f"{where}, closing"),
        _text(closing, "ask", f"{where}, closing", needed=False),
    )


def _text(content: Mapping[str, Any], key: str, where: str, *, needed: bool = True) -> str:
    value = content.get(key, "")
    if not isinstance(value, str) or (needed and not value.strip()):
        raise UsageError(f"{where}: {key} is {value!r}", expected="a text")
    return value.strip()


def _experiment(scenario: Scenario, name: object, where: str) -> Experiment:
    if name is None and len(scenario.experiments) == 1:
        return next(iter(scenario.experiments.values()))
    if not isinstance(name, str) or name not in scenario.experiments:
        raise UsageError(
            f"{where}: experiment is {name!r}{hint(str(name), scenario.experiments)}",
            expected="one of " + ", ".join(scenario.experiments),
        )
    return scenario.experiments[name]


def _act(experiment: Experiment, content: object, where: str) -> Act:
    act = mapping(content, ACT, where)
    variant = act.get("variant")
    if not isinstance(variant, str) or variant not in experiment.variants:
        raise UsageError(
            f"{where}: variant is {variant!r}{hint(str(variant), experiment.variants)}",
            expected="one of " + ", ".join(experiment.variants),
        )
    known = [column.heading for column in experiment.columns]
    show = act.get("show", known)
    expected = "a list of headings of the experiment's COLUMNS: " + ", ".join(known)
    if not isinstance(show, list):
        raise UsageError(f"{where}: show is {show!r}", expected=expected)
    for heading in show:
        if heading not in known:
            raise UsageError(f"{where}: show names {heading!r}{hint(str(heading), known)}", expected=expected)
    texts = {key: _text(act, key, where) for key in ("heading", "say", "expect", "reveal")}
    return Act(variant, show=tuple(show), **texts)


def _claims(scenario: Scenario, content: object, where: str) -> tuple[str, ...]:
    known = [claim.id for claim in scenario.claims]
    if not isinstance(content, list) or not content or not all(name in known for name in content):
        raise UsageError(f"{where}: claims is {content!r}", expected="a list of ids among " + ", ".join(known))
    return tuple(content)


def _watch(content: object, where: str) -> Watch:
    watch = mapping(content, WATCH, where)
    window = watch.get("window", WINDOW)
    if isinstance(window, bool) or not isinstance(window, int | float) or window <= 0:
        raise UsageError(f"{where}: window is {window!r}", expected="a number of seconds above 0")
    return Watch(
        _text(watch, "processes", where, needed=False),
        _file(watch["file"], f"{where}, file") if "file" in watch else None,
        _text(watch, "responses", where, needed=False),
        _sources(watch.get("lines", []), f"{where}, lines", labelled=True),
        _sources(watch.get("events", []), f"{where}, events", labelled=False),
        float(window),
    )


def _check_roles(scenario: Scenario, watch: Watch, where: str) -> None:
    services = yaml.safe_load(scenario.compose_file.read_text(encoding="utf-8"))["services"]
    roles = [name.removeprefix(f"{scenario.name}-") for name in services]
    sources = [source.role for source in (*watch.lines, *watch.events)]
    for role in (watch.processes, watch.responses, watch.file.role if watch.file else "", *sources):
        if role and role not in roles:
            raise UsageError(
                f"{where}: no service in the role {role!r}{hint(role, roles)}", expected="one of " + ", ".join(roles)
            )


def _file(content: object, where: str) -> WatchedFile:
    watched = mapping(content, WATCHED_FILE, where)
    return WatchedFile(*(_text(watched, key, where) for key in WATCHED_FILE))


def _sources(content: object, where: str, *, labelled: bool) -> tuple[LineSource, ...]:
    if not isinstance(content, list):
        raise UsageError(f"{where} is {content!r}", expected="a list of {role, pattern}")
    return tuple(_source(entry, f"{where} {n}", labelled=labelled) for n, entry in enumerate(content, 1))


def _source(content: object, where: str, *, labelled: bool) -> LineSource:
    source = mapping(content, LINE_SOURCE if labelled else LINE_SOURCE[:-1], where)
    label = _text(source, "label", where) if labelled else ""
    try:
        pattern = re.compile(_text(source, "pattern", where))
        _check_label(pattern, label)
    except re.error as error:
        raise UsageError(f"{where}: {error}", expected="a regular expression, and a label with its groups") from error
    return LineSource(_text(source, "role", where), pattern, _text(source, "file", where, needed=False), label)


def _check_label(pattern: re.Pattern[str], label: str) -> None:
    """Raise re.error if the pattern lacks a group of the label. The check is early, not during the demonstration."""
    for number in re.findall(r"\\(\d+)", label):
        if int(number) > pattern.groups:
            raise re.error(f"label {label} asks for a group that the pattern does not have")
