"""Renders the files that the lab adds to a reproducer: compose.yaml, the scripts and the README."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from reprolab.baseimage.resolve import Origin
from reprolab.core.templates import environment
from reprolab.export import compose as export_compose
from reprolab.export import spec
from reprolab.export.compose import DRIVE
from reprolab.export.spec import APP, Reproducer
from reprolab.report.minimal_stack import MinimalStack, Setting
from reprolab.scenario.model import FACTOR, Scenario
from reprolab.stack.compose import Model
from reprolab.verdict.document import SignCount
from reprolab.verdict.record import read_record

IMAGE = re.compile(r"\$\{(\w+_IMAGE):-([^}]*)\}")
TEMPLATES = environment("reprolab.export")
TEMPLATES.filters |= {"quote": shlex.quote, "ljust": str.ljust}


@dataclass(frozen=True)
class LoadText:
    """The number of a load setting in the files of a drive, such as `--connections 200`, and what replaces it."""

    setting: Setting
    pattern: re.Pattern[str]

    def replaced(self, text: str) -> str:
        """A file of the drive with the smaller number."""
        return self.pattern.sub(rf"\g<1>{self.setting.least}\g<2>", text)


@dataclass(frozen=True)
class ExportCase:
    """The variant that a reproducer shows, with all its factors, and the factors that the control changes.

    ``minimal`` is set for the least stack of a shrink, which is no variant of the scenario; ``load`` are the numbers of
    its load in the drive.
    """

    scenario: Scenario
    reproducer: Reproducer
    variant: str
    factors: Mapping[str, str]
    control: Mapping[str, str]
    minimal: MinimalStack | None = None
    load: tuple[LoadText, ...] = ()

    @property
    def resolver(self) -> export_compose.Resolver:
        """A new resolver of the scenario's Compose file."""
        return export_compose.Resolver(self.scenario, self.reproducer, self.factors, self.control)

    @property
    def changes(self) -> Mapping[str, str]:
        """The factors of the variant that differ from the documented ones."""
        if self.minimal:
            return {name: value for name, value in self.minimal.changes.items() if name in self.factors}
        return self.reproducer.experiment.variants[self.variant]

    @property
    def not_part(self) -> list[str]:
        """The settings of the least stack that the reproducer does not have: only the lab uses them."""
        if self.minimal is None:
            return []
        resolver = self.resolver
        # Building the model fills in ``used``.
        resolver.model()
        has = resolver.used | {text.setting.name for text in self.load}
        return [name for name in self.minimal.changes if name not in has]

    @property
    def name(self) -> str:
        """The name of the reproducer's directory."""
        usual = self.variant == self.reproducer.variant
        return f"{self.scenario.name}-reproducer" if usual else f"{self.scenario.name}-{self.variant}-reproducer"


def render_files(case: ExportCase) -> dict[str, str]:
    """The text of each file that the lab adds, by its path."""
    model = case.resolver.model()
    body = yaml.dump(model, Dumper=_IndentedDumper, sort_keys=False, allow_unicode=True, width=120)
    compose = f"# {case.reproducer.title}. `./run.sh` uses this file; see the README.\n{body}"
    return {"compose.yaml": compose, **_scripts(case, model, compose)}


def base_images(case: ExportCase) -> dict[str, str]:
    """The variables for base images, each with the official image that it stands for."""
    return dict(sorted(IMAGE.findall(render_files(case)["compose.yaml"])))


class _IndentedDumper(yaml.SafeDumper):
    """Indents lists as people do, and writes equal parts in full instead of as references."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _scripts(case: ExportCase, model: Model, compose: str) -> dict[str, str]:
    """run.sh, the README, repro.sh where the case can run without Docker, and server.py where the drive needs it."""
    has_client = spec.has_client_container(case.scenario)
    venv = _venv(case)
    images = sorted(set(IMAGE.findall(compose)))
    values = {
        "case": case,
        "is_other_variant": case.variant != case.reproducer.variant,
        "minimal": case.minimal,
        "changes": {name: value for name, value in case.changes.items() if name not in case.not_part},
        "not_part": case.not_part,
        "reproducer": case.reproducer,
        "claim": case.reproducer.claim,
        "service": DRIVE if has_client else APP,
        "variant_values": {name: case.factors[name] for name in case.control},
        "current_values": " ".join(f"{name}={_variable(case, name)}" for name in case.control),
        "environment": _environment(case, model),
        "python": case.factors.get("PYTHON", "").rpartition(".")[0],
        "python_exact": case.factors.get("PYTHON", ""),
        "files": "app" if (case.scenario.directory / "app").is_dir() else ".",
        "venv": venv,
        "recorded": _recorded(case),
        "unmeasured": _unmeasured(case),
        "words": _words,
        "images": images,
        "base_notes": _base_notes(case, [official for _, official in images]),
    }
    templates = {"run.sh": "run.sh.j2", "README.md": "README.md.j2"}
    templates |= {f"{DRIVE}/server.py": "server.py.j2"} if not has_client else {}
    templates |= {"repro.sh": "repro.sh.j2"} if venv else {}
    return {path: TEMPLATES.get_template(template).render(**values) for path, template in templates.items()}


def _environment(case: ExportCase, model: Model) -> dict[str, str]:
    """The server's variables as shell words. Those that the control changes take the shell's value if it has one."""
    variables: dict[str, str] = model["services"][APP].get("environment", {})
    fixed = {name: shlex.quote(value.replace("$$", "$")) for name, value in variables.items() if name != "HOME"}
    return fixed | {name: f'"{_variable(case, name)}"' for name in case.control}


def _variable(case: ExportCase, name: str) -> str:
    """A factor as a shell variable, with this variant's value as its default."""
    return f"${{{name}:-{case.factors[name]}}}"


def _words(factors: Mapping[str, str]) -> str:
    """Factors as on a command line: A=1 B=2."""
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in factors.items())


def _venv(case: ExportCase) -> dict[str, Any] | None:
    """What repro.sh needs and installs, a line for each call of pip; None where the variant needs its image."""
    venv = case.reproducer.venv
    if venv is None or not case.factors.get("PYTHON") or "PYTHON" in case.control:
        return None
    build = export_compose.build_factors(case.scenario)
    changed = {name for name, value in case.factors.items() if value != case.scenario.factors[name]}
    if (changed | set(case.control)) & build - venv.factors - {"PYTHON"}:
        return None
    packages = [text for step in venv.install if step.applies(case.factors) for text in step.packages]
    options = ("--no-build-isolation",) if venv.first else ()
    return {"needs": venv.needs, "installs": [*_installs(case, venv.first), *_installs(case, packages, *options)]}


def _installs(case: ExportCase, packages: Iterable[str], *options: str) -> Iterator[str]:
    """One call for all named packages and one for each list: pip installs a list with hashes only by itself."""
    packages = tuple(packages)
    if named := [text for text in packages if not text.startswith("-r")]:
        yield shlex.join(["install", *options]) + "".join(f" {_shell_word(case, text)}" for text in named)
    for text in packages:
        if text.startswith("-r"):
            yield shlex.join(["install", "--require-hashes", *text.split()])


def _shell_word(case: ExportCase, word: str) -> str:
    """A word with its factors put in; those that the control changes become shell variables."""

    def put(match: re.Match[str]) -> str:
        return f"${{{match[1]}}}" if match[1] in case.control else case.factors[match[1]]

    text = FACTOR.sub(put, word)
    return f'"{text}"' if "$" in text else shlex.quote(text)


def _recorded(case: ExportCase) -> list[dict[str, Any]]:
    """What the lab measured for the variant and the control, as rows; empty where nothing is on record.

    If the reproducer's own variant is exported, a row has the factors that its variant changes. For another variant,
    each row has all factors in which the rows differ.
    """
    reproducer = case.reproducer
    variants = reproducer.experiment.variants
    record = read_record(case.scenario)
    counts = record.verdict.signs.get(reproducer.claim.id, {}) if record else {}
    keys = {name: case.scenario.variant_key(reproducer.experiment.name, name) for name in variants}
    candidates = dict.fromkeys((case.variant, reproducer.variant, _control(case)))
    names = [name for name in candidates if keys.get(name) in counts]
    rows = _least_rows(case) | {name: (_all_factors(case, name), counts[keys[name]]) for name in names}
    if case.variant == reproducer.variant:
        shown = {name: variants[name] for name in names}
    else:
        differing = [factor for factor in case.factors if len({values[factor] for values, _ in rows.values()}) > 1]
        shown = {name: {factor: values[factor] for factor in differing} for name, (values, _) in rows.items()}
    return [{"variant": name, "factors": shown[name], "count": count} for name, (_, count) in rows.items()]


def _least_rows(case: ExportCase) -> dict[str, tuple[Mapping[str, str], SignCount]]:
    """What the shrink measured for its least stack and for the control of it, with all factors."""
    if case.minimal is None:
        return {}
    rows: dict[str, tuple[Mapping[str, str], SignCount]] = {case.variant: (case.factors, case.minimal.count)}
    if case.minimal.control_count:
        rows[f"control of {case.variant}"] = ({**case.factors, **case.minimal.control}, case.minimal.control_count)
    return rows


def _all_factors(case: ExportCase, variant: str) -> dict[str, str]:
    return {**case.scenario.factors, **case.reproducer.experiment.variants[variant]}


def _control(case: ExportCase) -> str:
    """The variant with the factors of `./run.sh control`.

    If there is none, a variant that has them except those which are not part of the stack; else the usual control.
    """
    factors = {**case.factors, **case.control}
    names = (case.reproducer.control, *case.reproducer.experiment.variants)
    for ignored in ((), case.reproducer.means):
        wanted = {factor: value for factor, value in factors.items() if factor not in ignored}
        for name in names:
            if wanted.items() <= _all_factors(case, name).items():
                return name
    return case.reproducer.control


def _unmeasured(case: ExportCase) -> tuple[str, dict[str, str]] | None:
    """The measured control, and the factors of `./run.sh control` that it did not have; None where it had all."""
    if case.minimal and case.minimal.control_count and case.minimal.control == case.control:
        return None
    control = _control(case)
    measured = _all_factors(case, control)
    factors = {**case.factors, **case.control}
    differing = {name: value for name, value in factors.items() if measured[name] != value}
    return (control, differing) if differing else None


def _base_notes(case: ExportCase, images: Iterable[str]) -> list[str]:
    """A sentence for each base image that was replaced by a fallback image when the claim was measured."""
    record = read_record(case.scenario)
    bases = record.info.bases if record else {}
    notes = []
    for name in images:
        if name in bases and bases[name].origin == Origin.HOST:
            system = re.search(r"Debian [\d.]+", bases[name].detail or "")
            on = f" on {system[0]}" if system else ""
            notes.append(
                f"Measured with a fallback image for {name}, the same release{on}: Docker Hub could not be reached."
            )
    return notes
