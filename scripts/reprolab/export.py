"""Writes a reproducer: a directory and a .tar.gz of one sign of a scenario, which need nothing of the lab.

Files are the scenario's own, copied now; of the lab's come the scripts, the README and drive/server.py. The same
scenario gives the same archive, byte for byte.
"""

from __future__ import annotations

import gzip
import io
import re
import shlex
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from docker.utils.build import exclude_paths
from jinja2 import Environment, PackageLoader, StrictUndefined

from reprolab import exportstack, reproducer
from reprolab.bases import Origin
from reprolab.composefile import Model
from reprolab.errors import EvidenceError, UsageError
from reprolab.evidence import read_json
from reprolab.reproducer import Reproducer
from reprolab.scenario import FACTOR, Scenario
from reprolab.session import RECORDED

DRIVE = exportstack.DRIVE
LAB_ONLY = re.compile(r"^[ \t]*# lab only, from here\n.*?^[ \t]*# lab only, to here\n", re.M | re.S)
SCRIPTS = (".sh",)
TEMPLATES = Environment(
    loader=PackageLoader("reprolab", "templates"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"quote": shlex.quote, "ljust": str.ljust}


@dataclass(frozen=True)
class Case:
    """What is exported: the reproducer, the variant, its factors, and those that the control changes."""

    scenario: Scenario
    reproducer: Reproducer
    variant: str
    factors: Mapping[str, str]
    control: Mapping[str, str]

    @property
    def own(self) -> Mapping[str, str]:
        """What the variant changes of the documented factors."""
        return self.reproducer.experiment.variants[self.variant]

    @property
    def name(self) -> str:
        """The directory's name."""
        usual = self.variant == self.reproducer.variant
        return f"{self.scenario.name}-reproducer" if usual else f"{self.scenario.name}-{self.variant}-reproducer"


def case(scenario: Scenario, variant: str | None = None) -> Case:
    """Choose a variant of the reproducer's experiment. UsageError for one that is the control itself."""
    found = reproducer.load(scenario)
    variant = variant or found.variant
    reproducer.check_variant(found.experiment, variant, f"export {scenario.name}")
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
    return Case(scenario, found, variant, factors, changes)


def write(chosen: Case, output: Path) -> tuple[Path, Path]:
    """Write the directory and the archive below ``output``; returns both. An older directory is replaced."""
    content = files(chosen)
    directory = output / chosen.name
    archive = output / f"{chosen.name}.tar.gz"
    if directory.exists() and not (directory / "run.sh").is_file():
        raise UsageError(f"{directory} is there and is no reproducer", expected="another --output")
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
    made = {"compose.yaml": _compose(chosen), **_scripts(chosen)}
    for path, text in made.items():
        found[path] = (text.encode(), 0o755 if path.endswith(SCRIPTS) else 0o644)
    return dict(sorted(found.items()))


def _sources(chosen: Case) -> Iterator[tuple[str, Path]]:
    """The scenario's own files: what its images are built from, what they read, what drives them."""
    left_out = tuple(chosen.reproducer.leave_out)
    for directory, place in set(exportstack.contexts(chosen.scenario, chosen.reproducer).values()):
        for name in _context_files(directory):
            if not any(name == one or name.startswith(f"{one.rstrip('/')}/") for one in left_out):
                yield (name if place == "." else f"{place}/{name}"), directory / name
    for name in exportstack.mounted(chosen.scenario, chosen.reproducer):
        yield name, chosen.scenario.directory / name
    drives = reproducer.drives(chosen.scenario)
    for path in sorted(drives.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{DRIVE}/{path.relative_to(drives)}", path


def _context_files(directory: Path) -> Iterator[str]:
    """The Dockerfile, the list of what gets into the image, and what that list lets in."""
    ignore = directory / ".dockerignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    for name in sorted(exclude_paths(str(directory), patterns)):
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


def _compose(chosen: Case) -> str:
    arguments = (chosen.scenario, chosen.reproducer, chosen.factors, set(chosen.control))
    if reproducer.beside(chosen.scenario):
        model: Model = exportstack.stack(*arguments)
    else:
        model = exportstack.inside(*arguments)
    body = yaml.dump(model, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
    return f"# {chosen.reproducer.title}. `./run.sh` uses this file; see the README.\n{body}"


class _Plain(yaml.SafeDumper):
    """Lists with the indentation that people write, and no references between equal parts."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _scripts(chosen: Case) -> dict[str, str]:
    """run.sh, repro.sh where the case goes without Docker, the README, and what starts the server."""
    beside = reproducer.beside(chosen.scenario)
    venv = _venv(chosen)
    images = sorted(set(re.findall(r"\$\{(\w+_IMAGE):-([^}]*)\}", _compose(chosen))))
    values = {
        "case": chosen,
        "reproducer": chosen.reproducer,
        "claim": chosen.reproducer.claim,
        "service": DRIVE if beside else "app",
        "usual": {name: chosen.factors[name] for name in chosen.control},
        "inforce": " ".join(f"{name}={_variable(chosen, name)}" for name in chosen.control),
        "environment": {} if beside else _environment(chosen),
        "python": chosen.factors.get("PYTHON", "").rpartition(".")[0],
        "python_exact": chosen.factors.get("PYTHON", ""),
        "files": "app" if (chosen.scenario.directory / "app").is_dir() else ".",
        "venv": venv,
        "seen": _recorded(chosen),
        "words": _words,
        "images": images,
        "bases": _bases(chosen, [official for _, official in images]),
    }
    made = {"run.sh": "export_run.sh.j2", "README.md": "export_README.md.j2"}
    made |= {f"{DRIVE}/server.py": "export_server.py.j2"} if not beside else {}
    made |= {"repro.sh": "export_repro.sh.j2"} if venv else {}
    return {path: TEMPLATES.get_template(template).render(**values) for path, template in made.items()}


def _environment(chosen: Case) -> dict[str, str]:
    """The server's variables as words for a shell; of those that the control changes, the shell's own value wins."""
    service = exportstack.inside(chosen.scenario, chosen.reproducer, chosen.factors, set(chosen.control))
    found: dict[str, str] = service["services"]["app"].get("environment", {})
    fixed = {name: shlex.quote(value.replace("$$", "$")) for name, value in found.items() if name != "HOME"}
    return fixed | {name: f'"{_variable(chosen, name)}"' for name in chosen.control}


def _variable(chosen: Case, name: str) -> str:
    """A factor that the control changes, for a shell: the environment's value, or this variant's."""
    return f"${{{name}:-{chosen.factors[name]}}}"


def _words(factors: Mapping[str, str]) -> str:
    """Factors as one writes them on a command line."""
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in factors.items())


def _venv(chosen: Case) -> dict[str, Any] | None:
    """What repro.sh installs, as words for a shell; None where the variant cannot do without its image."""
    venv = chosen.reproducer.venv
    if venv is None or not chosen.factors.get("PYTHON") or "PYTHON" in chosen.control:
        return None
    build = exportstack.build_factors(chosen.scenario)
    changed = {name for name, value in chosen.factors.items() if value != chosen.scenario.factors[name]}
    if (changed | set(chosen.control)) & build - venv.factors - {"PYTHON"}:
        return None
    packages = [text for step in venv.install if step.applies(chosen.factors) for text in step.packages]
    words = [word for text in packages for word in text.split()]
    return {"needs": venv.needs, "first": list(venv.first), "words": [_shell(chosen, word) for word in words]}


def _shell(chosen: Case, word: str) -> str:
    """One word for the shell: factors put in, but for the control's, which are the shell's variables there."""

    def put(found: re.Match[str]) -> str:
        return f"${{{found[1]}}}" if found[1] in chosen.control else chosen.factors[found[1]]

    text = FACTOR.sub(put, word)
    return f'"{text}"' if "$" in text else shlex.quote(text)


def _recorded(chosen: Case) -> list[dict[str, Any]]:
    """What the lab measured, for the variant and the control as they are there; empty where nothing is on record."""
    found = chosen.reproducer
    measured = _record(chosen).get("signs", {}).get(found.claim.id, {})
    rows = []
    for variant in dict.fromkeys((chosen.variant, found.variant, found.control)):
        key = chosen.scenario.variant_key(found.experiment.name, variant)
        if key in measured:
            rows.append({"variant": variant, "factors": found.experiment.variants[variant], **measured[key]})
    return rows


def _record(chosen: Case) -> dict[str, Any]:
    path = chosen.scenario.directory / RECORDED
    record: dict[str, Any] = read_json(path) if path.exists() else {}
    return record


def _bases(chosen: Case, images: Iterable[str]) -> list[str]:
    """Which of the base images the measurements had a stand-in for."""
    known = _record(chosen).get("bases", {})
    lines = []
    for name in images:
        if known.get(name, {}).get("origin") == Origin.HOST:
            system = re.search(r"Debian [\d.]+", known[name]["detail"])
            on = f" on {system[0]}" if system else ""
            lines.append(f"Measured with a stand-in for {name}, the same release{on}: Docker Hub could not be reached.")
    return lines
