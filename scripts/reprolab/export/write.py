"""Writes a reproducer: a directory and a .tar.gz that show one sign of a scenario without the lab.

Most files are copies of the scenario's files. The lab adds the scripts, the README and drive/server.py. The same
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
from reprolab.export.render import ExportCase
from reprolab.export.spec import Reproducer
from reprolab.report.table import short_reason
from reprolab.scenario.model import Scenario
from reprolab.stack.compose import check_model
from reprolab.verdict.record import recorded_verdict

DRIVE = compose.DRIVE
LAB_ONLY = re.compile(r"^[ \t]*# lab only, from here\n.*?^[ \t]*# lab only, to here\n", re.M | re.S)
SCRIPTS = (".sh",)
# Characters that end a default value or a quoted word in a shell.
SHELL_SPECIAL = re.compile(r"[\"`$\\}]")


def choose_case(scenario: Scenario, variant: str | None = None) -> ExportCase:
    """The reproducer's own variant, or another one of its experiment.

    Raises UsageError for a variant that the control leads to, that has no valid trial on record, or that the
    reproducer cannot show.
    """
    reproducer = spec.load(scenario)
    variants = reproducer.experiment.variants
    variant = variant or reproducer.variant
    _check_experiment(scenario, reproducer, variant)
    spec.check_variant(reproducer.experiment, variant, f"export {scenario.name}")
    _check_measured(scenario, reproducer, variant)
    factors = {**scenario.factors, **variants[variant]}
    control = {**scenario.factors, **variants[reproducer.control]}
    usual = {**scenario.factors, **variants[reproducer.variant]}
    # The control of another variant makes the same change as the control of the reproducer's own variant.
    changes = {name: value for name, value in control.items() if value != usual[name]}
    if all(factors[name] == value for name, value in changes.items()):
        raise UsageError(
            f"{variant} is what the control of {scenario.name}'s reproducer changes to",
            expected=f"another variant, such as {reproducer.variant}; its `./run.sh control` runs {variant}",
        )
    case = ExportCase(scenario, reproducer, variant, factors, changes)
    check_case(case)
    return case


def _check_experiment(scenario: Scenario, reproducer: Reproducer, variant: str) -> None:
    """Raise UsageError for a variant of another experiment: the reproducer shows a sign of its own experiment only."""
    owners = [experiment.name for experiment in scenario.experiments.values() if variant in experiment.variants]
    if owners and reproducer.experiment.name not in owners:
        raise UsageError(
            f"export {scenario.name}: {variant} is a variant of {', '.join(owners)}; this scenario's reproducer is of "
            f"the experiment {reproducer.experiment.name}",
            expected=f"one of its variants: {', '.join(reproducer.experiment.variants)}",
        )


def _check_measured(scenario: Scenario, reproducer: Reproducer, variant: str) -> None:
    """Raise UsageError for a variant that is on record without a valid trial: nobody has seen its sign."""
    verdict = recorded_verdict(scenario)
    experiment = reproducer.experiment
    row = verdict.variants.get(scenario.variant_key(experiment.name, variant)) if verdict else None
    if verdict is None or row is None or row.valid:
        return
    valid = {name for name, other in verdict.variants.items() if other.valid}
    factors = experiment.variants[variant].items()
    # The nearest variant has all of these factors and the fewest others.
    nearest = min(
        (
            (len(other), name)
            for name, other in experiment.variants.items()
            if factors <= other.items() and scenario.variant_key(experiment.name, name) in valid
        ),
        default=None,
    )
    name = nearest[1] if nearest else ""
    again = command_text.command(f"export {scenario.name} --variant {name}", f"export-{scenario.name} VARIANT={name}")
    reason = short_reason(next(iter(row.invalid), "")) or "no reason is on record"
    raise UsageError(
        f"export {scenario.name}: {variant} has no valid trial on record: {reason}",
        expected="a variant with a valid trial",
        advice=f"export the nearest that ran: {again}" if nearest else "",
    )


def check_case(case: ExportCase) -> None:
    """Raise UsageError where a factor of the variant or of the control has no effect, or cannot be quoted."""
    resolver = case.resolver
    # Building the model fills in ``used``.
    check_model(resolver.model(), case.scenario)
    where = f"export {case.scenario.name}, variant {case.variant}"
    # Of a least stack some settings are only the lab's: the README names them.
    changed = {*case.control} if case.minimal else {*case.changes, *case.control}
    if unused := (changed - resolver.used):
        raise UsageError(
            f"{where}: the reproducer would not use {', '.join(sorted(unused))}",
            expected=f"a factor of its services that {spec.FILE} does not leave out, or one that it `reads`",
        )
    for name, value in case.control.items():
        if SHELL_SPECIAL.search(value + case.factors[name]):
            raise UsageError(
                f"{where}: the value of {name} has a character that is special in a shell: {value!r}",
                expected='a value without any of " ` $ \\ }',
            )


def write_reproducer(case: ExportCase, output: Path) -> tuple[Path, Path]:
    """Write the directory and the archive below ``output`` and return both paths. Replaces an older reproducer."""
    files = collect_files(case)
    directory = output / case.name
    archive = output / f"{case.name}.tar.gz"
    for path in (directory, archive):
        if path.is_symlink() or (path.exists() and not _is_older(path, files, case.name)):
            raise UsageError(
                f"{path} exists and is not just an older reproducer",
                expected=f"another place: {command_text.option('output', 'DIR')}",
                advice="move it away, or remove it, if nothing in it is needed",
            )
    try:
        shutil.rmtree(directory, ignore_errors=True)
        for name, (data, mode) in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(mode)
        archive.write_bytes(pack(files, case.name))
    except OSError as error:
        raise EvidenceError(f"the reproducer could not be written: {error}") from error
    return directory, archive


def _is_older(path: Path, files: Mapping[str, tuple[bytes, int]], name: str) -> bool:
    """Whether all that is there may be replaced: files that this reproducer has too, and no links."""
    if path.is_dir():
        entries = [entry for entry in path.rglob("*") if entry.is_symlink() or not entry.is_dir()]
        names = {str(entry.relative_to(path)) for entry in entries}
        return "run.sh" in names and names <= files.keys() and not any(entry.is_symlink() for entry in entries)
    try:
        with tarfile.open(path) as packed:
            return all(member.split("/")[0] == name for member in packed.getnames())
    except (OSError, tarfile.TarError):
        return False


def pack(files: Mapping[str, tuple[bytes, int]], name: str) -> bytes:
    """A .tar.gz of the files below the directory ``name``, without times and owners."""
    stream = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in sorted(files):
            data, mode = files[path]
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def collect_files(case: ExportCase) -> dict[str, tuple[bytes, int]]:
    """Every file of the reproducer, by its path: (content, mode)."""
    files: dict[str, tuple[bytes, int]] = {}
    for path, source in _scenario_files(case):
        executable = path.endswith(SCRIPTS) or source.stat().st_mode & 0o111
        content = _without_lab(source.read_bytes())
        if path.startswith(f"{DRIVE}/"):
            content = _with_load(case, content)
        files[path] = (content, 0o755 if executable else 0o644)
    for path, text in render.render_files(case).items():
        files[path] = (text.encode(), 0o755 if path.endswith(SCRIPTS) else 0o644)
    return dict(sorted(files.items()))


def _scenario_files(case: ExportCase) -> Iterator[tuple[str, Path]]:
    """The scenario's files by their path in the reproducer: build contexts, mounted files and the drive."""
    left_out = tuple(case.reproducer.leave_out)
    for context in case.resolver.contexts():
        for name in _context_files(context.directory, context.dockerfile):
            if not any(name == entry or name.startswith(f"{entry.rstrip('/')}/") for entry in left_out):
                yield (name if context.place == "." else f"{context.place}/{name}"), context.directory / name
    for name in case.resolver.mounted_files():
        yield name, case.scenario.directory / name
    directory = spec.drive_directory(case.scenario)
    for path in sorted(directory.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{DRIVE}/{path.relative_to(directory)}", path


def _context_files(directory: Path, dockerfile: str) -> Iterator[str]:
    """The Dockerfile, .dockerignore, and the files that .dockerignore lets in."""
    ignore = directory / ".dockerignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    for name in sorted(exclude_paths(str(directory), patterns, dockerfile=dockerfile)):
        if (directory / name).is_file() and (directory / name).name != ".dockerignore":
            yield name
    if ignore.exists():
        yield ".dockerignore"


def _with_load(case: ExportCase, content: bytes) -> bytes:
    """A file of the drive with the numbers of the case's load; any other file unchanged."""
    if not case.load:
        return content
    text = content.decode("utf-8", "surrogateescape")
    for number in case.load:
        text = number.replaced(text)
    return text.encode("utf-8", "surrogateescape")


def _without_lab(content: bytes) -> bytes:
    """A text file without the lines that are marked as the lab's; any other file unchanged."""
    try:
        return LAB_ONLY.sub("", content.decode()).encode()
    except UnicodeDecodeError:
        return content
