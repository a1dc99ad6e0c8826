"""The command line, such as `reprolab run socket-vanish`. make calls it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import IO, Any

import click
from click.exceptions import NoArgsIsHelpError

from reprolab.cli import completion_shells, last_status
from reprolab.cli.json_output import error_document, print_json
from reprolab.core import command_text
from reprolab.core.errors import Exit, LabError, UsageError
from reprolab.core.terminal import harmless_output

EPILOG = (
    "Exit status: 0 verdicts as recorded; 1 drift from the recorded verdict; 2 usage or a malformed "
    "scenario; 3 inconclusive; 4 the lab failed (engine, build, disk); 130 interrupted; 141 nobody reads the output."
)
# Each command with its module in this package and its function there.
COMMANDS = {
    "accept": ("publish", "accept"),
    "adopt": ("adopt", "adopt"),
    "bisect": ("bisect", "bisect"),
    "bugreport": ("bugreport", "bugreport"),
    "bundle": ("bundle", "bundle"),
    "clean": ("machine", "clean"),
    "compare": ("compare", "compare"),
    "completion": ("completion", "completion"),
    "demo": ("demo", "demo"),
    "diagnose": ("diagnose", "diagnose_"),
    "docs": ("publish", "docs_"),
    "doctor": ("machine", "doctor"),
    "down": ("manual", "down"),
    "export": ("export", "export"),
    "given-twice": ("make_words", "given_twice"),
    "html": ("run", "html"),
    "init": ("scenarios", "init"),
    "judge": ("run", "judge"),
    "list": ("scenarios", "list_"),
    "load": ("bundle", "load"),
    "logs": ("manual", "logs"),
    "matrix": ("matrix", "matrix"),
    "new-scenario": ("scenarios", "new_scenario"),
    "no-target": ("make_words", "no_target"),
    "no-word": ("make_words", "no_word"),
    "pins": ("pins", "pins"),
    "run": ("run", "run"),
    "shrink": ("shrink", "shrink"),
    "site": ("publish", "site"),
    "take": ("scenarios", "take"),
    "up": ("manual", "up"),
    "watch": ("watch", "watch"),
    "wrk": ("manual", "wrk"),
}
WORDS = "reprolab.words"  # the key of the typed words in a context of click


class Mistake(click.ClickException):
    """A mistake in the command line, in the words that were typed, with the status as the last line.

    ``words`` are those of the command line: with `--json`, the mistake is a JSON document too.
    """

    exit_code = int(Exit.USAGE)

    def __init__(self, error: click.UsageError, words: Sequence[str]) -> None:
        super().__init__(command_text.as_typed(error.format_message()))
        self.error = error
        self.as_json = "--json" in words

    def show(self, file: IO[Any] | None = None) -> None:
        if command_text.runs_under_make():
            # make's user has not typed the command whose usage click would show.
            click.echo(f"reprolab: {self.message}", err=True)
        else:
            self.error.show(file)
        if self.as_json:
            print_json(error_document(Exit.USAGE, UsageError(self.message)))
        click.echo(f"reprolab: exit status {self.exit_code} ({Exit.USAGE.words})", err=True)


class Interrupted(click.ClickException):
    """A signal before the command has begun. click would end with status 1, which means drift."""

    exit_code = int(Exit.INTERRUPTED)

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__("interrupted, before anything was done")
        self.as_json = "--json" in words

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"reprolab: {self.message}", err=True)
        if self.as_json:
            print_json(error_document(Exit.INTERRUPTED, LabError(self.message)))
        click.echo(f"reprolab: exit status {self.exit_code} ({Exit.INTERRUPTED.words})", err=True)


class LazyCommands(click.Group):
    """Imports the module of a command when it is called: the libraries of one command take up to half a second."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        if completion_shells.is_asked():
            completion_shells.register()
            return super().main(*arguments, **{**options, "complete_var": completion_shells.VARIABLE})
        with last_status.kept(), harmless_output():
            return super().main(*arguments, **options)

    def make_context(self, info_name: str | None, args: list[str], *others: Any, **options: Any) -> click.Context:
        words = tuple(args)
        try:
            context = super().make_context(info_name, args, *others, **options)
        except NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            raise Mistake(error, words) from error
        except KeyboardInterrupt as error:
            raise Interrupted(words) from error
        context.meta[WORDS] = words
        return context

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise Mistake(error, ctx.meta[WORDS]) from error
        except KeyboardInterrupt as error:
            raise Interrupted(ctx.meta[WORDS]) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        if completion_shells.is_asked():
            # Here and not above: only this needs the scenarios.
            from reprolab.cli import completion_commands

            return completion_commands.command(module, name, cmd_name)
        command: click.Command = getattr(import_module(f"reprolab.cli.{module}"), name)
        return command


@click.group(cls=LazyCommands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="reprolab")
def main() -> None:
    """Test published claims about Python application servers on real stacks."""


if __name__ == "__main__":
    main()
