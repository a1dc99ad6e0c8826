"""Reads uWSGI's configuration files: ini, XML, YAML and JSON. No placeholder is replaced, no other file is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from xml.parsers import expat

import yaml

from reprolab.diagnose.command_line import CONFIG_FILES, LONG, uwsgi_value
from reprolab.diagnose.settings import Setting, Unread

SERVER = "uwsgi"
SECTION = "[uwsgi]"
LARGEST_YAML = 1 << 18  # characters: the reader of YAML is slow
DEEPEST_XML = 8
MOST_OPTIONS = 5000
MARKS = ("%", "$(", "@(")


class _Refused(Exception):
    """A file that is not read; the message is the reason."""


def is_one(text: str, name: str) -> bool:
    """Whether a configuration file is uWSGI's. Any other is taken for gunicorn's, which may have any name."""
    form = name.rpartition(".")[2].lower()
    return form in CONFIG_FILES or SECTION in (line.strip() for line in text.splitlines())


def read(text: str, name: str) -> list[Setting | Unread]:
    """The settings of a file; its name says which of the four forms it has."""
    form = name.rpartition(".")[2].lower()
    readers = {"xml": _xml, "yaml": _yaml, "yml": _yaml, "json": _json}
    if form not in readers:
        return list(_ini(text, name))
    try:
        pairs = readers[form](text)
    except (_Refused, RecursionError, ValueError) as error:
        return [Unread(name, f"it is not read: {str(error) or 'it is nested too deeply'}")]
    logic = Logic()
    return [item for option, value in pairs for item in logic.item(option, value, name)]


def _ini(text: str, name: str) -> Iterator[Setting | Unread]:
    inside = False
    logic = Logic()
    options = 0
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith("["):
            inside = line == SECTION
        elif inside and line and line[0] not in ";#":
            option, _, value = line.partition("=")
            yield from logic.item(option.strip(), value.strip(), f"{name}:{number}")
            options += 1
            if options == MOST_OPTIONS:
                yield Unread(f"{name}:{number}", f"no more than {MOST_OPTIONS} options are read")
                return


class Logic:
    """uWSGI's conditions and loops, such as `if-env = X` ... `endif =`. What holds in one is not known."""

    def __init__(self) -> None:
        self._depth = 0

    def item(self, option: str, value: str, source: str) -> Iterator[Setting | Unread]:
        """What an option says, in the order of the file."""
        if option.startswith("if-") or option in ("if", "for"):
            self._depth += 1
        elif option in ("endif", "end-if", "endfor", "end-for"):
            self._depth = max(0, self._depth - 1)
        elif self._depth and option not in ("else", "print"):
            option = LONG[SERVER].get(option, option)
            yield Unread(source, f"{option} is in a condition or a loop")
            yield Setting(SERVER, option, "", source)
        else:
            yield from _item(option, value, source)


def _item(option: str, value: str, source: str) -> Iterator[Setting | Unread]:
    option = LONG[SERVER].get(option, option)
    if option in CONFIG_FILES or option in ("include", "import", "inherit"):
        yield Unread(source, "it names another file: give that with --config")
    elif any(mark in value for mark in MARKS):
        yield Unread(source, f"{option} has a placeholder")
        yield Setting(SERVER, option, "", source)
    else:
        yield Setting(SERVER, option, uwsgi_value(option, value), source)


def _xml(text: str) -> list[tuple[str, str]]:
    """The options of an XML file. A document type is refused, and with it every entity."""
    pairs: list[tuple[str, list[str]]] = []
    path: list[str] = []

    def start(tag: str, _: object) -> None:
        path.append(tag)
        if len(path) > DEEPEST_XML:
            raise _Refused("it is nested too deeply")
        if len(pairs) >= MOST_OPTIONS:
            raise _Refused(f"it has more than {MOST_OPTIONS} options")
        if len(path) > 1:
            pairs.append((tag, []))

    def data(content: str) -> None:
        if len(path) > 1 and pairs:
            pairs[-1][1].append(content.strip())

    def refuse(*_: object) -> None:
        raise _Refused("it has a document type or an entity")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler = start, data
    parser.EndElementHandler = lambda _: path.pop()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise _Refused(f"it is not XML: {error}") from error
    return [(tag, "".join(texts)) for tag, texts in pairs]


class _Plain(yaml.SafeLoader):
    """YAML without aliases: each level of them may be ten times as large as the one before."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _Refused("it has aliases")
        return super().compose_node(parent, index)


def _yaml(text: str) -> list[tuple[str, str]]:
    if len(text) > LARGEST_YAML:
        raise _Refused(f"it is larger than {LARGEST_YAML >> 10} KiB")
    try:
        return _pairs(yaml.load(text, _Plain))
    except yaml.YAMLError as error:
        raise _Refused(f"it is not YAML: {type(error).__name__}") from error


def _json(text: str) -> list[tuple[str, str]]:
    return _pairs(json.loads(text))


def _pairs(content: object) -> list[tuple[str, str]]:
    """The options below the key `uwsgi`: texts, numbers, truth values, and lists of these."""
    block = content.get("uwsgi") if isinstance(content, dict) else None
    if not isinstance(block, dict):
        raise _Refused("it has no mapping `uwsgi`")
    return [
        (str(option), str(item).lower() if isinstance(item, bool) else str(item))
        for option, value in block.items()
        for item in (value if isinstance(value, list) else [value])
        if isinstance(item, str | int | float | bool)
    ]
