"""trials.jsonl: one line for each finished trial, with a checksum. Reading finds every line that is damaged."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from reprolab.core.errors import UsageError
from reprolab.core.files import json_text, replacing, writing
from reprolab.core.typed import checked
from reprolab.scenario.trial import TrialRecord

CHECKSUM = "crc32"
TORN = "trials.torn"  # half lines, beside the file of trials
# The checksum is the last key of a line. It is that of the line without this key.
ENDING = re.compile(rb', "crc32": "([0-9a-f]{8})"\}$')
# A name is a directory's name too.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")

Key = tuple[str, str, int]


@dataclass(frozen=True)
class TrialLines:
    """The content of a file of trials.

    ``records`` are the trials of its sound lines, in the order of the file, each once. ``damaged`` tells of each line
    that cannot be read, ``twice`` is trial -> the lines that hold it, where they are several. ``torn`` tells of a last
    line that a killed process left incomplete. ``unchecked``: no line has a checksum, as in runs of older releases.
    """

    records: tuple[TrialRecord, ...] = ()
    damaged: tuple[str, ...] = ()
    twice: Mapping[Key, tuple[int, ...]] = field(default_factory=dict)
    torn: str = ""
    unchecked: bool = False


def to_line(record: TrialRecord) -> str:
    """The line of a trial, with its checksum and its end."""
    plain = json_text(asdict(record))
    return f'{plain[:-1]}, "{CHECKSUM}": "{zlib.crc32(plain.encode()):08x}"}}\n'


def key(record: TrialRecord) -> Key:
    """What tells the trials of a run apart."""
    return record.experiment, record.variant, record.trial


def read(path: Path) -> TrialLines:
    """Read a file of trials; without a file there are none. Raises UsageError if the file cannot be read at all."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return TrialLines()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", expected="the trials of a run") from error
    # Split bytes, not text: a torn line may end within a character, and str.splitlines splits at more characters.
    *lines, rest = content.split(b"\n")
    torn = ""
    if rest and _fault_of(rest):
        torn = f"{path.name}, line {len(lines) + 1} is torn: the run ended while it was written"
    else:
        lines.append(rest)
    any_checked = any(ENDING.search(line) for line in lines)
    sound: dict[Key, TrialRecord] = {}
    places: dict[Key, tuple[int, ...]] = {}
    damaged = []
    for number, line in _numbered(lines):
        try:
            record = _parse(line, any_checked)
        except (ValueError, TypeError, RecursionError) as error:
            damaged.append(f"{path.name}, line {number} is damaged: {error or type(error).__name__}")
            continue
        sound.setdefault(key(record), record)
        places[key(record)] = (*places.get(key(record), ()), number)
    twice = {trial: numbers for trial, numbers in places.items() if len(numbers) > 1}
    return TrialLines(tuple(sound.values()), tuple(damaged), twice, torn, bool(lines) and not any_checked)


def end_last_line(path: Path) -> None:
    """Let a file of trials end with a whole line, so that another one can be added. Without a file nothing is done.

    A last line that a killed process left incomplete goes to a file of its own beside it.
    """
    with writing(path):
        content = path.read_bytes() if path.exists() else b""
    whole, newline, rest = content.rpartition(b"\n")
    if not rest:
        return
    if _fault_of(rest):
        with writing(path), path.with_name(TORN).open("ab") as stream:
            stream.write(rest + b"\n")
        rest = b""
    with replacing(path) as draft:
        draft.write_bytes(whole + newline + (rest and rest + b"\n"))


def _numbered(lines: list[bytes]) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _fault_of(line: bytes) -> str:
    try:
        _parse(line, with_checksum=False)
    except (ValueError, TypeError, RecursionError) as error:
        return str(error) or type(error).__name__
    return ""


def _parse(line: bytes, with_checksum: bool) -> TrialRecord:
    """The trial of a line. Raises ValueError, TypeError or RecursionError for a line that does not hold one."""
    ending = ENDING.search(line)
    if ending and zlib.crc32(line[: ending.start()] + b"}") != int(ending[1], 16):
        raise ValueError("its checksum is that of another content")
    try:
        content = json.loads(line)
    except ValueError as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(content, dict):
        raise TypeError("it is not an object")
    if ending:
        del content[CHECKSUM]
    elif with_checksum:
        raise ValueError("it has no checksum, as other lines have")
    try:
        record = TrialRecord(**content)
    except TypeError as error:
        raise TypeError(str(error).replace("TrialRecord.__init__() ", "")) from error
    checked(record)
    for text in (record.experiment, record.variant):
        if not NAME.fullmatch(text):
            raise ValueError(f"{text!r} is no name")
    if record.trial < 1:
        raise ValueError(f"{record.trial} is no number of a trial")
    return record
