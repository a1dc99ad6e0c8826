"""What a reproducer says: its compose.yaml, its scripts and its page."""

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
from reprolab.scenario.model import FACTOR, Scenario
from reprolab.stack.compose import Model
from reprolab.verdict.record import read_record

TEMPLATES = environment("reprolab.export")
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
    def resolver(self) -> export_compose.Resolver:
        """What makes the Compose file and says which files belong to it."""
        return export_compose.Resolver(self.scenario, self.reproducer, self.factors, self.control)

    @property
    def own(self) -> Mapping[str, str]:
        """What the variant changes of the documented factors."""
        return self.reproducer.experiment.variants[self.variant]

    @property
    def name(self) -> str:
        """The directory's name."""
        usual = self.variant == self.reproducer.variant
        return f"{self.scenario.name}-reproducer" if usual else f"{self.scenario.name}-{self.variant}-reproducer"


def texts(chosen: Case) -> dict[str, str]:
    """Every file that is not the scenario's, by its path."""
    model = chosen.resolver.model()
    body = yaml.dump(model, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
    compose = f"# {chosen.reproducer.title}. `./run.sh` uses this file; see the README.\n{body}"
    return {"compose.yaml": compose, **_scripts(chosen, model, compose)}


class _Plain(yaml.SafeDumper):
    """Lists with the indentation that people write, and no references between equal parts."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _scripts(chosen: Case, model: Model, compose: str) -> dict[str, str]:
    """run.sh, repro.sh where the case goes without Docker, the README, and what starts the server."""
    beside = spec.beside(chosen.scenario)
    venv = _venv(chosen)
    images = sorted(set(re.findall(r"\$\{(\w+_IMAGE):-([^}]*)\}", compose)))
    values = {
        "case": chosen,
        "other": chosen.variant != chosen.reproducer.variant,
        "reproducer": chosen.reproducer,
        "claim": chosen.reproducer.claim,
        "service": DRIVE if beside else APP,
        "usual": {name: chosen.factors[name] for name in chosen.control},
        "inforce": " ".join(f"{name}={_variable(chosen, name)}" for name in chosen.control),
        "environment": _environment(chosen, model),
        "python": chosen.factors.get("PYTHON", "").rpartition(".")[0],
        "python_exact": chosen.factors.get("PYTHON", ""),
        "files": "app" if (chosen.scenario.directory / "app").is_dir() else ".",
        "venv": venv,
        "seen": _recorded(chosen),
        "unlike": _unlike(chosen),
        "words": _words,
        "images": images,
        "bases": _bases(chosen, [official for _, official in images]),
    }
    made = {"run.sh": "run.sh.j2", "README.md": "README.md.j2"}
    made |= {f"{DRIVE}/server.py": "server.py.j2"} if not beside else {}
    made |= {"repro.sh": "repro.sh.j2"} if venv else {}
    return {path: TEMPLATES.get_template(template).render(**values) for path, template in made.items()}


def _environment(chosen: Case, model: Model) -> dict[str, str]:
    """The server's variables as words for a shell; of those that the control changes, the shell's own value wins."""
    found: dict[str, str] = model["services"][APP].get("environment", {})
    fixed = {name: shlex.quote(value.replace("$$", "$")) for name, value in found.items() if name != "HOME"}
    return fixed | {name: f'"{_variable(chosen, name)}"' for name in chosen.control}


def _variable(chosen: Case, name: str) -> str:
    """A factor that the control changes, for a shell: the environment's value, or this variant's."""
    return f"${{{name}:-{chosen.factors[name]}}}"


def _words(factors: Mapping[str, str]) -> str:
    """Factors as one writes them on a command line."""
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in factors.items())


def _venv(chosen: Case) -> dict[str, Any] | None:
    """What repro.sh installs, a line for each call of pip; None where the variant cannot do without its image."""
    venv = chosen.reproducer.venv
    if venv is None or not chosen.factors.get("PYTHON") or "PYTHON" in chosen.control:
        return None
    build = export_compose.build_factors(chosen.scenario)
    changed = {name for name, value in chosen.factors.items() if value != chosen.scenario.factors[name]}
    if (changed | set(chosen.control)) & build - venv.factors - {"PYTHON"}:
        return None
    packages = [text for step in venv.install if step.applies(chosen.factors) for text in step.packages]
    how = ("--no-build-isolation",) if venv.first else ()
    return {"needs": venv.needs, "installs": [*_installs(chosen, venv.first), *_installs(chosen, packages, *how)]}


def _installs(chosen: Case, packages: Iterable[str], *how: str) -> Iterator[str]:
    """One call for what has a name, one for each list: pip takes no list with hashes beside anything else."""
    packages = tuple(packages)
    if named := [text for text in packages if not text.startswith("-r")]:
        yield shlex.join(["install", *how]) + "".join(f" {_shell(chosen, text)}" for text in named)
    for text in packages:
        if text.startswith("-r"):
            yield shlex.join(["install", "--require-hashes", *text.split()])


def _shell(chosen: Case, word: str) -> str:
    """One word for the shell: factors put in, but for the control's, which are the shell's variables there."""

    def put(found: re.Match[str]) -> str:
        return f"${{{found[1]}}}" if found[1] in chosen.control else chosen.factors[found[1]]

    text = FACTOR.sub(put, word)
    return f'"{text}"' if "$" in text else shlex.quote(text)


def _recorded(chosen: Case) -> list[dict[str, Any]]:
    """What the lab measured, for the variant and the control as they are there; empty where nothing is on record.

    Where another variant than the usual one is exported, each row has all factors in which the rows differ.
    """
    found = chosen.reproducer
    record = read_record(chosen.scenario)
    measured = record.verdict.signs.get(found.claim.id, {}) if record else {}
    keys = {name: chosen.scenario.variant_key(found.experiment.name, name) for name in found.experiment.variants}
    names = [
        name for name in dict.fromkeys((chosen.variant, found.variant, _control(chosen))) if keys[name] in measured
    ]
    if chosen.variant == found.variant:
        shown = {name: found.experiment.variants[name] for name in names}
    else:
        full = {name: _full(chosen, name) for name in names}
        differing = [one for one in chosen.factors if len({factors[one] for factors in full.values()}) > 1]
        shown = {name: {one: full[name][one] for one in differing} for name in names}
    return [{"variant": name, "factors": shown[name], "count": measured[keys[name]]} for name in names]


def _full(chosen: Case, variant: str) -> dict[str, str]:
    """Every factor of a variant."""
    return {**chosen.scenario.factors, **chosen.reproducer.experiment.variants[variant]}


def _control(chosen: Case) -> str:
    """The variant that is `./run.sh control`, or is so but for what is no part of the stack; else the usual control."""
    wanted = {**chosen.factors, **chosen.control}
    names = (chosen.reproducer.control, *chosen.reproducer.experiment.variants)
    for left_out in ((), chosen.reproducer.means):
        same = {one: value for one, value in wanted.items() if one not in left_out}
        for name in names:
            if same.items() <= _full(chosen, name).items():
                return name
    return chosen.reproducer.control


def _unlike(chosen: Case) -> tuple[str, dict[str, str]] | None:
    """The control that is shown as measured, and what `./run.sh control` has that it had not; None for nothing."""
    control = _control(chosen)
    measured, own = _full(chosen, control), {**chosen.factors, **chosen.control}
    differing = {name: value for name, value in own.items() if measured[name] != value}
    return (control, differing) if differing else None


def _bases(chosen: Case, images: Iterable[str]) -> list[str]:
    """Which of the base images the measurements had a stand-in for."""
    record = read_record(chosen.scenario)
    known = record.info.bases if record else {}
    lines = []
    for name in images:
        if name in known and known[name].origin == Origin.HOST:
            system = re.search(r"Debian [\d.]+", known[name].detail or "")
            on = f" on {system[0]}" if system else ""
            lines.append(f"Measured with a stand-in for {name}, the same release{on}: Docker Hub could not be reached.")
    return lines
