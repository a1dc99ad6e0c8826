"""Reads gunicorn's configuration file, which is Python, without executing it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence

from reprolab.diagnose import bound_names
from reprolab.diagnose.settings import Setting, Unread

SERVER = "gunicorn"
DEEPEST = 20  # levels of an expression
OPERATIONS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
LARGEST = 1 << 18  # characters
LARGEST_NUMBER = 10**9
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.TryStar, ast.Match)
# A call of these can set a name that it does not name.
ANYTHING = frozenset({"exec", "eval", "globals", "locals", "vars", "setattr", "execfile"})
ASKED_NAMES = "bind workers threads worker_class max_requests timeout keepalive reload syslog preload_app"
ASKED = frozenset(ASKED_NAMES.split())


class _Unknown(Exception):
    """An expression whose value only running it would give; the message is the reason."""


def read(text: str, name: str) -> list[Setting | Unread]:
    """The settings that a file gives, in its order, and what in it cannot be known without running it."""
    if len(text) > LARGEST:
        return [Unread(name, f"it is larger than {LARGEST >> 10} KiB")]
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
        if called := bound_names.calls(statement) & ANYTHING:
            yield Unread(place, f"{min(called)}() may set anything")
            yield from _forget(sorted(names), place, "a later line may set it", names)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            yield from _assignment(statement, place, names)
        elif isinstance(statement, ast.AugAssign):
            yield from _forget(bound_names.of(statement), place, "it is changed by an operator", names)
        elif bound_names.takes_all(statement):
            yield Unread(place, "it takes all names of another module")
            yield from _forget(sorted(names), place, "a later line may set it", names)
        elif isinstance(statement, BLOCKS):
            yield from _forget(bound_names.of(statement), place, "a condition or a loop sets it", names)
        else:
            # A helper, or a module that the file needs, is no setting.
            targets = [target for target in bound_names.of(statement) if target in names or target in ASKED]
            yield from _forget(targets, place, "an import or a definition sets it", names)
    yield from _forget(sorted(bound_names.changed_by_functions(body)), name, "a function sets it", names)


def _assignment(
    statement: ast.Assign | ast.AnnAssign, place: str, names: dict[str, object]
) -> Iterator[Setting | Unread]:
    if statement.value is None:
        return
    for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
        for part, value in _pairs(target, statement.value):
            yield from _assign(part, value, place, names)


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """The targets and values of `a, b = 1, 2`; a target as a whole where they do not go together."""
    if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        parts = [*target.elts, *value.elts]
        if len(target.elts) == len(value.elts) and not any(isinstance(part, ast.Starred) for part in parts):
            return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def _assign(target: ast.expr, value: ast.expr, place: str, names: dict[str, object]) -> Iterator[Setting | Unread]:
    if not isinstance(target, ast.Name):
        yield from _forget(bound_names.of(target), place, "it is one of several values", names)
        return
    try:
        known = _value(value, names)
    except _Unknown as reason:
        yield from _forget([target.id], place, str(reason), names)
        return
    names[target.id] = known
    if known is not None:
        yield Setting(SERVER, target.id, _text(known), place)


def _forget(targets: Sequence[str], place: str, reason: str, names: dict[str, object]) -> Iterator[Setting | Unread]:
    for target in targets:
        names.pop(target, None)
        yield Unread(place, f"{target} is not known: {reason}")
        # An earlier value does not count any more. No value equals it.
        yield Setting(SERVER, target, "", place)


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
        if isinstance(node.value, int | float) and abs(node.value) > LARGEST_NUMBER:
            raise _Unknown("it is a very large number")
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
