"""Writes a reproducer: a directory and a .tar.gz of one sign of a scenario, which need nothing of the lab.

Files are the scenario's own, copied now; of the lab's come the scripts, the README and drive/server.py. The same
scenario gives the same archive, byte for byte.
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from docker.utils.build import exclude_paths

from reprolab.core import command_text
from reprolab.core.errors import EvidenceError, UsageError
from reprolab.export import compose, render, spec
from reprolab.export.render import Case
from reprolab.export.spec import Reproducer
from reprolab.report.table import short_reason
from reprolab.scenario.model import Scenario
from reprolab.verdict.record import recorded_verdict

DRIVE = compose.DRIVE
LAB_ONLY = re.compile(r"^[ \t]*# lab only, from here\n.*?^[ \t]*# lab only, to here\n", re.M | re.S)
SCRIPTS = (".sh",)
# What would end a default value, or a quoted word, of a shell.
AWKWARD = re.compile(r"[\"`$\\}]")


def case(scenario: Scenario, variant: str | None = None) -> Case:
    """Choose a variant of the reproducer's experiment. UsageError for the control itself, and for what never ran."""
    found = spec.load(scenario)
    variant = variant or found.variant
    _check_experiment(scenario, found, variant)
    spec.check_variant(found.experiment, variant, f"export {scenario.name}")
    _check_measured(scenario, found, variant)
    factors = {**scenario.factors, **found.experiment.variants[variant]}
    control = {**scenario.factors, **found.experiment.variants[found.control]}
    usual = {**scenario.factors, **found.experiment.variants[found.variant]}
    # What the control changes of the default variant; on any other variant the same change is its control.
    changes = {name: value for name, value in control.items() if value != usual[name]}
    if all(factors[name] == value for name, value in changes.items()):
        raise UsageError(
            f"{variant} is what the control of {scenario.name}'s reproducer changes to",
            expected=f"another variant, such as {found.variant}; its `./run.sh control` is this one",
        )
    chosen = Case(scenario, found, variant, factors, changes)
    _check(chosen)
    return chosen


def _check_experiment(scenario: Scenario, found: Reproducer, variant: str) -> None:
    """Raise UsageError for a variant of another experiment: the reproducer shows a sign of its own alone."""
    others = [one.name for one in scenario.experiments.values() if variant in one.variants]
    if others and found.experiment.name not in others:
        raise UsageError(
            f"export {scenario.name}: {variant} is a variant of {', '.join(others)}; this scenario's reproducer is of "
            f"the experiment {found.experiment.name}",
            expected=f"one of its variants: {', '.join(found.experiment.variants)}",
        )


def _check_measured(scenario: Scenario, found: Reproducer, variant: str) -> None:
    """Raise UsageError for a variant that is on record without a valid trial: there is nothing that it would show."""
    verdict = recorded_verdict(scenario)
    ran = {name for name, row in verdict.variants.items() if row.valid} if verdict else set()
    row = verdict.variants.get(scenario.variant_key(found.experiment.name, variant)) if verdict else None
    if row is None or row.valid:
        return
    own = found.experiment.variants[variant].items()
    # The nearest is the same with the fewest factors more.
    near = sorted(
        (len(factors), name)
        for name, factors in found.experiment.variants.items()
        if own <= factors.items() and scenario.variant_key(found.experiment.name, name) in ran
    )
    reason = short_reason(next(iter(row.invalid), "")) or "no reason is on record"
    raise UsageError(
        f"export {scenario.name}: {variant} has no valid trial on record: {reason}",
        expected="a variant that ran: what did not come up has shown nothing",
        advice=f"export the nearest that ran: make export-{scenario.name} VARIANT={near[0][1]}" if near else "",
    )


def _check(chosen: Case) -> None:
    """Raise UsageError where the reproducer would not be the variant, or its control none."""
    resolver = chosen.resolver
    resolver.model()
    where = f"export {chosen.scenario.name}, variant {chosen.variant}"
    if unused := ({*chosen.own, *chosen.control} - resolver.used):
        raise UsageError(
            f"{where}: {', '.join(sorted(unused))} would not come to stand in the reproducer",
            expected=f"a factor of its services that {spec.FILE} does not leave out, or one that it `reads`",
        )
    for name, value in chosen.control.items():
        if AWKWARD.search(value + chosen.factors[name]):
            raise UsageError(f"{where}: {name} has a value that a shell takes apart: {value!r}", expected="plain words")


def write(chosen: Case, output: Path) -> tuple[Path, Path]:
    """Write the directory and the archive below ``output``; returns both. An older directory is replaced."""
    content = files(chosen)
    directory = output / chosen.name
    archive = output / f"{chosen.name}.tar.gz"
    if directory.exists() and not (directory / "run.sh").is_file():
        raise UsageError(
            f"{directory} is there and is no reproducer",
            expected=f"another place: {command_text.option('output', 'DIR')}",
        )
    try:
        shutil.rmtree(directory, ignore_errors=True)
        for name, (data, mode) in content.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(mode)
        archive.write_bytes(packed(content, chosen.name))
    except OSError as error:
        raise EvidenceError(f"the reproducer could not be written: {error}") from error
    return directory, archive


def packed(content: Mapping[str, tuple[bytes, int]], name: str) -> bytes:
    """A .tar.gz in which nothing tells when, where or by whom it was made."""
    stream = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in sorted(content):
            data, mode = content[path]
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def files(chosen: Case) -> dict[str, tuple[bytes, int]]:
    """Every file of the reproducer, by its path: (content, mode)."""
    found: dict[str, tuple[bytes, int]] = {}
    for path, source in _sources(chosen):
        found[path] = (_without_lab(source.read_bytes()), 0o755 if source.stat().st_mode & 0o111 else 0o644)
    made = render.texts(chosen)
    for path, text in made.items():
        found[path] = (text.encode(), 0o755 if path.endswith(SCRIPTS) else 0o644)
    return dict(sorted(found.items()))


def _sources(chosen: Case) -> Iterator[tuple[str, Path]]:
    """The scenario's own files: what its images are built from, what they read, what drives them."""
    left_out = tuple(chosen.reproducer.leave_out)
    for built in chosen.resolver.contexts():
        for name in _context_files(built.directory, built.dockerfile):
            if not any(name == one or name.startswith(f"{one.rstrip('/')}/") for one in left_out):
                yield (name if built.place == "." else f"{built.place}/{name}"), built.directory / name
    for name in chosen.resolver.mounted():
        yield name, chosen.scenario.directory / name
    drives = spec.drives(chosen.scenario)
    for path in sorted(drives.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{DRIVE}/{path.relative_to(drives)}", path


def _context_files(directory: Path, dockerfile: str) -> Iterator[str]:
    """The Dockerfile, the list of what gets into the image, and what that list lets in."""
    ignore = directory / ".dockerignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    for name in sorted(exclude_paths(str(directory), patterns, dockerfile=dockerfile)):
        if (directory / name).is_file() and (directory / name).name != ".dockerignore":
            yield name
    if ignore.exists():
        yield ".dockerignore"


def _without_lab(content: bytes) -> bytes:
    """A file without what is marked as the lab's own."""
    try:
        return LAB_ONLY.sub("", content.decode()).encode()
    except UnicodeDecodeError:
        return content
