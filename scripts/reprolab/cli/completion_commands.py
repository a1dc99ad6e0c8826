"""The commands as completion needs them: read from the source of their modules, which are not imported.

A command's libraries take most of a second to load. Its decorators say all that completion asks for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click

from reprolab.cli.completion_words import candidates

FOLDER = Path(__file__).resolve().parent
# Of a decorator's options, those that completion needs. `type` has a rule of its own.
KEPT = ("metavar", "is_flag", "multiple", "nargs", "required", "hidden", "help")
FILES, CHOICES = ("Path", "File"), "Choice"


class Completed(click.Command):
    """A command whose line is not yet complete. It does nothing."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # click reads no argument of a line that ends with an option without its value.
        wanting = {name for param in self.params if not getattr(param, "is_flag", True) for name in param.opts}
        return super().parse_args(ctx, args[:-1] if args and args[-1] in wanting else args)


def command(module: str, function: str, name: str) -> click.Command:
    """A command with the options and arguments that a function in a module of this package declares."""
    definition = next(
        node for node in _tree(module).body if isinstance(node, ast.FunctionDef) and node.name == function
    )
    params: list[click.Parameter] = []
    options: dict[str, Any] = {}
    for decorator in definition.decorator_list:
        call = _resolved(module, decorator)
        if call is None:
            continue
        if _called(call) == "command":
            options = {key: value for key, value in _options(call).items() if key == "hidden"}
        elif _called(call) in ("option", "argument"):
            params.append(_parameter(call))
    return Completed(name, params=params, help=ast.get_docstring(definition), **options)


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))


def _resolved(module: str, node: ast.expr) -> ast.Call | None:
    """The call that a decorator makes; a name stands for the call that it was set to, in this module or another."""
    if isinstance(node, ast.Call):
        return node
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return _assigned(node.value.id, node.attr)
    if not isinstance(node, ast.Name):
        return None
    source = next((origin for name, origin in _imports(module) if name == node.id), module)
    return _assigned(source, node.id)


def _assigned(module: str, name: str) -> ast.Call | None:
    """The call whose result a module of this package gives a name."""
    if not (FOLDER / f"{module}.py").is_file():
        return None
    for node in _tree(module).body:
        if isinstance(node, ast.Assign) and name in [getattr(target, "id", "") for target in node.targets]:
            return node.value if isinstance(node.value, ast.Call) else None
    return None


def _imports(module: str) -> Iterator[tuple[str, str]]:
    """Names that a module imports from modules of this package, with these modules."""
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reprolab.cli."):
            yield from ((alias.name, str(node.module).removeprefix("reprolab.cli.")) for alias in node.names)


def _called(call: ast.Call) -> str:
    """The last name of what a call calls: "option" of `click.option(...)`."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _options(call: ast.Call) -> dict[str, Any]:
    """The keyword arguments that are literals, of those in KEPT."""
    return {
        keyword.arg: ast.literal_eval(keyword.value)
        for keyword in call.keywords
        if keyword.arg in KEPT and isinstance(keyword.value, ast.Constant | ast.UnaryOp)
    }


def _parameter(call: ast.Call) -> click.Parameter:
    """The parameter of a decorator, with the function that completes it."""
    names = [node.value for node in call.args if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    options = _options(call)
    options |= {"type": kind} if (kind := _type(call, options)) else {"shell_complete": candidates}
    if _called(call) == "argument":
        return click.Argument(names, **{key: value for key, value in options.items() if key not in ("help", "hidden")})
    return click.Option(names, **options)


def _type(call: ast.Call, options: Mapping[str, Any]) -> click.ParamType[Any] | None:
    """The type of files and of choices; click completes these itself. All other values are texts here."""
    kind = next((keyword.value for keyword in call.keywords if keyword.arg == "type"), None)
    if not isinstance(kind, ast.Call):
        return None
    if _called(kind) in FILES:
        folders = any(word.arg == "file_okay" for word in kind.keywords) or options.get("metavar") == "DIR"
        return click.Path(file_okay=not folders)
    if _called(kind) == CHOICES and kind.args and isinstance(kind.args[0], ast.List | ast.Tuple):
        return click.Choice(ast.literal_eval(kind.args[0]))
    return None
