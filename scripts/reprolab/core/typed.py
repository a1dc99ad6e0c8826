"""Checks that a dataclass has values of the types that its fields name: what is read from a file may have any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
LONGEST = 60  # characters of a value in a message


def checked(value: T) -> T:
    """Return a dataclass, if all values in it have the types of its fields.

    Raises TypeError that names the field.
    """
    _check("", value, type(value))
    return value


def _check(where: str, value: object, kind: Any) -> None:
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if kind is Any or kind is object:
        return
    if origin in (Union, UnionType):
        _check_one_of(where, value, arguments)
        return
    if not _is(value, origin):
        shown = repr(value)
        shown = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
        raise TypeError(f"{where or 'it'} is {shown}, expected {_name(kind)}")
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        for field in fields(kind):
            _check(f"{where}.{field.name}".lstrip("."), getattr(value, field.name), hints[field.name])
    elif isinstance(value, Mapping) and arguments:
        for key, item in value.items():
            _check(f"a key of {where}", key, arguments[0])
            _check(f"{where}.{key}", item, arguments[1])
    elif isinstance(value, tuple) and arguments:
        _check_tuple(where, value, arguments)


def _check_one_of(where: str, value: object, kinds: tuple[Any, ...]) -> None:
    fitting = [kind for kind in kinds if _is(value, get_origin(kind) or kind)]
    _check(where, value, fitting[0] if fitting else next(kind for kind in kinds if kind is not NoneType))


def _check_tuple(where: str, value: tuple[Any, ...], kinds: tuple[Any, ...]) -> None:
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise TypeError(f"{where} has {len(value)} values, expected {len(kinds)}")
    for number, (item, kind) in enumerate(zip(value, kinds, strict=True), 1):
        _check(f"{where}[{number}]", item, kind)


def _is(value: object, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind in (bool, Any)
    return isinstance(value, int | float if kind is float else kind)


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _name(kind: Any) -> str:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    return names.get(kind) or ("a list" if get_origin(kind) is tuple else "an object")
