"""Which names a statement of Python binds, in whatever way, and which functions it calls. Nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def of(node: ast.AST) -> list[str]:
    """The names that a node binds or deletes where it stands; those inside of a function are the function's."""
    return sorted({name for part in _outside_functions(node) for name in _bound(part)})


def calls(node: ast.AST) -> set[str]:
    """The names of the functions that a node calls where it stands."""
    called = [part.func for part in _outside_functions(node) if isinstance(part, ast.Call)]
    return {func.id for func in called if isinstance(func, ast.Name)}


def takes_all(node: ast.AST) -> bool:
    """Whether a node has `from ... import *`."""
    imports = (part for part in _outside_functions(node) if isinstance(part, ast.ImportFrom))
    return any(alias.name == "*" for part in imports for alias in part.names)


def changed_by_functions(body: Sequence[ast.stmt]) -> set[str]:
    """The names of the module that some function declares as `global`: it may be called at any time."""
    return {name for node in body for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it, without the bodies of functions."""
    rest = [node]
    while rest:
        part = rest.pop()
        yield part
        if not isinstance(part, FUNCTIONS):
            rest += ast.iter_child_nodes(part)


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=other):
            yield other or name.partition(".")[0]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
