"""`reprolab completion`: the completion of the command line in bash, zsh and fish."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reprolab.cli.common import boundary
from reprolab.cli.completion_shells import SHELLS, script
from reprolab.core.errors import UsageError
from reprolab.core.files import replacing

MARK = "# reprolab completion"
# The shell's own file, to which a line is added. fish reads the folder of completions by itself.
START_FILES = {"bash": ".bashrc", "zsh": ".zshrc"}


@click.command()
@click.argument("shell", required=False, default="", metavar="[bash|zsh|fish]")
@click.option("--install", is_flag=True, help="write the script below the home directory, and let the shell read it")
@boundary
def completion(shell: str, install: bool) -> None:
    """Print the completion script of a shell, or install it. Without a name, the shell is that of SHELL."""
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise UsageError(
            f"no completion for the shell {name!r}", expected=f"one of {', '.join(SHELLS)}", advice="name one of them"
        )
    if not install:
        click.echo(script(name), nl=False)
        return
    home = Path.home()
    for line in install_lines(name, home):
        click.echo(line)
    click.echo(f"it works in a new {name}")


def install_lines(shell: str, home: Path) -> list[str]:
    """Install the completion of a shell; returns what was written. A line that is there already stays."""
    if shell == "fish":
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return [_written(config / "fish" / "completions" / "reprolab.fish", script(shell))]
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    target = data / "reprolab" / f"completion.{shell}"
    lines = [_written(target, script(shell))]
    folder = Path(os.environ.get("ZDOTDIR") or home) if shell == "zsh" else home
    start = folder / START_FILES[shell]
    text = start.read_text(encoding="utf-8", errors="surrogateescape") if start.exists() else ""
    if MARK in text:
        return [*lines, f"there already: a line in {start}"]
    ending = "" if not text or text.endswith("\n") else "\n"
    quoted = str(target).replace("'", "'\\''")
    # Not `replacing`: the file may be a link into a repository of settings.
    with start.open("a", encoding="utf-8") as stream:
        stream.write(f"{ending}[ -r '{quoted}' ] && . '{quoted}'  {MARK}\n")
    return [*lines, f"added a line to {start}"]


def _written(path: Path, text: str) -> str:
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return f"written: {path}"
