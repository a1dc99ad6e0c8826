"""Reads gunicorn's configuration file, which is Python, without executing it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence

from reprolab.diagnose.settings import Setting, Unread

SERVER = "gunicorn"
DEEPEST = 20  # levels of an expression
OPERATIONS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
LARGEST_NUMBER = 10**9
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try)


class _Unknown(Exception):
    """An expression whose value only running it would give; the message is the reason."""


def read(text: str, name: str) -> list[Setting | Unread]:
    """The settings that a file gives, in its order, and what in it cannot be known without running it."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of the user's file, not of the lab
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        reason = getattr(error, "msg", None) or type(error).__name__
        return [Unread(f"{name}:{line}" if line else name, f"it is not Python that can be read: {reason}")]
    return list(_statements(tree.body, name))


def _statements(body: Sequence[ast.stmt], name: str) -> Iterator[Setting | Unread]:
    names: dict[str, object] = {}
    for statement in body:
        place = f"{name}:{statement.lineno}"
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            yield from _assignment(statement, place, names)
        elif isinstance(statement, ast.AugAssign):
            yield from _forget(_targets([statement.target]), place, "it is changed by an operator", names)
        elif isinstance(statement, ast.ImportFrom) and any(alias.name == "*" for alias in statement.names):
            yield Unread(place, f"it takes all names of the module {statement.module}")
        elif isinstance(statement, BLOCKS):
            inside = {
                target
                for node in ast.walk(statement)
                if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign)
                for target in _targets(node.targets if isinstance(node, ast.Assign) else [node.target])
            }
            yield from _forget(sorted(inside), place, "a condition or a loop sets it", names)


def _assignment(
    statement: ast.Assign | ast.AnnAssign, place: str, names: dict[str, object]
) -> Iterator[Setting | Unread]:
    targets = _targets(statement.targets if isinstance(statement, ast.Assign) else [statement.target])
    if statement.value is None:
        return
    try:
        value = _value(statement.value, names)
    except _Unknown as reason:
        yield from _forget(targets, place, str(reason), names)
        return
    for target in targets:
        names[target] = value
        if value is not None:
            yield Setting(SERVER, target, _text(value), place)


def _forget(targets: Sequence[str], place: str, reason: str, names: dict[str, object]) -> Iterator[Setting | Unread]:
    for target in targets:
        names.pop(target, None)
        yield Unread(place, f"{target} is not known: {reason}")
        # An earlier value does not count any more. No value equals it.
        yield Setting(SERVER, target, "", place)


def _targets(nodes: Sequence[ast.expr]) -> list[str]:
    return [node.id for node in nodes if isinstance(node, ast.Name)]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(_text(item) for item in value)
    return str(value)


def _value(node: ast.expr, names: dict[str, object], depth: int = 0) -> object:
    """The value of an expression of constants. Raises _Unknown for any other."""
    if depth > DEEPEST:
        raise _Unknown("the expression is nested too deeply")
    if isinstance(node, ast.Constant):
        if node.value is None or isinstance(node.value, bool | int | float | str):
            return node.value
        raise _Unknown("it is no text and no number")
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item, names, depth + 1) for item in node.elts]
    if isinstance(node, ast.Name):
        if node.id in names:
            return names[node.id]
        raise _Unknown(f"it depends on {node.id}")
    if isinstance(node, ast.UnaryOp | ast.BinOp):
        return _number(node, names, depth)
    raise _Unknown(_what(node))


def _number(node: ast.UnaryOp | ast.BinOp, names: dict[str, object], depth: int) -> int | float:
    operands = [node.operand] if isinstance(node, ast.UnaryOp) else [node.left, node.right]
    values = [_value(operand, names, depth + 1) for operand in operands]
    numbers = [value for value in values if isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER]
    if len(numbers) < len(values):
        raise _Unknown("it is computed from texts, or from very large numbers")
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -numbers[0]
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        first, second = numbers
        results = {"+": first + second, "-": first - second, "*": first * second}
        return results[OPERATIONS[type(node.op)]]
    raise _Unknown("it is computed")


def _what(node: ast.expr) -> str:
    """What an expression is, in words, without its text: it may hold a secret."""
    if isinstance(node, ast.Call):
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in ("getenv", "get"):
            return "it is read from the environment"
        return f"it is computed by {name}()" if name.isidentifier() else "it is computed"
    if isinstance(node, ast.Subscript):
        return "it is read from the environment or a mapping"
    return "it is computed"
