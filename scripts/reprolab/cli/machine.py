"""Commands about this machine: `reprolab doctor` and `reprolab clean`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from reprolab.baseimage import fallback
from reprolab.baseimage.resolve import policy, remove_bundled, resolve_base
from reprolab.cli.common import boundary, console, duration, folder_here, show_progress
from reprolab.cli.json_output import SCHEMA, exit_document, print_json
from reprolab.core.command_text import option
from reprolab.core.errors import Exit, UsageError
from reprolab.core.number_words import plural
from reprolab.engine import hand_stacks, labels, leftovers
from reprolab.engine.apt import Machine
from reprolab.engine.detect import client, ensure_engine
from reprolab.engine.images import listed_images
from reprolab.run import manual
from reprolab.vm.leftovers import remove_leftovers
from reprolab.vm.state import vm_state

# The tools and the proxies are built on this image. Its origin is the origin of all base images of this machine.
COMMON_BASE = "debian:bookworm-slim"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="print what was found as JSON")
@boundary
def doctor(as_json: bool) -> None:
    """Show the engine, Compose and the base images of this machine; set up what is missing."""
    engine = ensure_engine(show_progress)
    base = resolve_base(COMMON_BASE, client(), policy=policy(os.environ), on_progress=show_progress)
    # An image that a person built from a base image has its labels too, but another name.
    images = listed_images(client(), name=f"{fallback.NAME}/*", filters={"label": "reprolab.object=base"})
    fallbacks = sorted(tag for image in images for tag in image.tags)
    vm = vm_state(Machine())
    if as_json:
        bases = {"policy": policy(os.environ), "origin": str(base.origin), "detail": base.detail, "made": fallbacks}
        content = {"schema": SCHEMA, "engine": asdict(engine), "bases": bases, "vm": asdict(vm)}
        print_json({**content, "exit": exit_document(Exit(0))})
        return
    out = console()
    facts = (
        f"engine {engine.version} (API {engine.api}) at {engine.host} · bases: {base.detail}",
        f"compose {engine.compose} · buildx {engine.buildx} · client {engine.docker}",
        f"kernel {engine.kernel} · cgroup {engine.cgroup} · {engine.os}",
        f"virtual machines: {vm.detail}",
        f"base images: policy {policy(os.environ)} (REPROLAB_BASES)",
    )
    base_lines = (f"  made by the lab: {tag}" for tag in fallbacks)
    for line in (*facts, *base_lines, *hand_stacks.left_lines(client())):
        out.print(line)


@click.command()
@click.option("--images", is_flag=True, help="also remove the images that the lab built, base images too")
@click.option("--bundles", is_flag=True, help="also take back that base images come from a bundle")
@click.option("--force", is_flag=True, help="also remove objects of runs that cannot be seen from here")
@click.option("--older-than", callback=duration, metavar="DURATION", help="with --force, the least age: 90s, 5m, 2h")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="the stacks by hand of this lab folder, though it is gone",
)
@boundary
def clean(images: bool, bundles: bool, force: bool, older_than: float | None, folder: Path | None) -> Exit:
    """Remove leftovers of killed runs and stacks by hand.

    Only objects that the lab made are removed. Stacks by hand are those of the lab folder in which the command is
    called; the stacks of a folder that is gone are named.

    A run in another pid namespace (a container, a CI job), on another machine or of another user cannot be seen from
    here. Its objects are left alone, unless --force is given and they are old enough.
    """
    if force != (older_than is not None):
        raise UsageError(
            f"{option('force') if force else option('older-than')} is given alone",
            expected=f"both or neither: {leftovers.by_force()}",
            advice="choose an age that no run at work has reached",
        )
    ensure_engine(show_progress)
    stamp = _stamp(folder)
    removed = leftovers.remove_leftovers(client(), by_hand=stamp, unseen_age=older_than)
    click.echo(f"removed: {removed}")
    if machines := remove_leftovers():
        click.echo(f"removed: the files of {plural(machines, 'virtual machine')}")
    for line in (*removed.remarks(), *hand_stacks.left_lines(client())):
        click.echo(line)
    if bundles:
        click.echo(f"no longer from a bundle: {', '.join(remove_bundled(client())) or 'nothing was'}")
    if images:
        click.echo(f"removed: {plural(labels.remove_images(client()), 'image')}")
    return Exit.LAB_FAILED if removed.left else Exit.AS_RECORDED


def _stamp(folder: Path | None) -> str:
    """The run label of the stacks by hand that `clean` removes: of a folder, or of the one where the user stands.

    It is "" outside of any: leftovers of runs belong to no folder. Raises UsageError for a folder without a stack.
    """
    if folder is not None:
        stamp = hand_stacks.of_folder(client(), folder)
        if not stamp:
            known = sorted({str(stack.folder) for stack in hand_stacks.on_engine(client())})
            raise UsageError(
                f"{option('folder', folder)}: no stack by hand of this folder is up",
                expected="one of " + ", ".join(known) if known else "a folder with a stack by hand; none is up",
            )
        return stamp
    root = folder_here()
    return manual.stamp(root) if root else ""
