"""The words that complete a parameter: scenarios, experiments, variants, factors with values, claims, runs.

The metavar of a parameter says which (``SCENARIO``, ``RUN``, ``FACTOR=VALUE`` ...), else its name. Only files are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from reprolab.cli.common import project_root
from reprolab.core import shared_files
from reprolab.core.errors import LabError
from reprolab.core.results import BY_HAND, LATEST, results_root
from reprolab.scenario import loader
from reprolab.scenario.kernel_setting import KERNEL
from reprolab.scenario.load_settings import LOAD_SETTINGS
from reprolab.scenario.model import Scenario

MOST_RUNS = 50  # of a scenario, the newest
QUESTIONS = ("matrix", "bisect", "shrink")  # the commands for which KERNEL is a setting as factors are
KERNEL_HELP = "a virtual machine with this kernel"
# Arguments that may name a scenario, in the order in which they are asked.
NAMING = ("target", "name", "where", "words")


def candidates(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The words that complete ``incomplete``. Whatever is malformed or missing gives fewer words, never an error."""
    words = WORDS.get(parameter.metavar or str(parameter.name)) or WORDS.get(str(parameter.name))
    try:
        items = list(words(Line(context), incomplete)) if words else []
    except (LabError, OSError, ValueError):
        return []
    return [CompletionItem(text, help=about or None) for text, about in items if text.startswith(incomplete)]


class Line:
    """The command line so far: its folder, the scenario that it names, and the words that were given."""

    def __init__(self, context: click.Context) -> None:
        self.given = context.params
        self.asks = context.command.name in QUESTIONS
        self.root = project_root()
        self.names = loader.names(self.root)

    @property
    def results(self) -> Path:
        return results_root(self.root)

    def first(self) -> str:
        """The word that names a scenario or a run of it, "" if there is none yet."""
        for name in NAMING:
            value = self.given.get(name)
            for word in [value] if isinstance(value, str) else value or ():
                return str(word)
        return ""

    def scenario(self) -> Scenario | None:
        """The scenario that the line names, by itself or by one of its runs."""
        parts = [part for part in Path(self.first()).parts if part in self.names]
        return loader.load(self.root, parts[0]) if parts else None

    def experiment(self) -> str:
        """What stands behind the scenario: an experiment, a run, or nothing."""
        return self.first().partition("/")[2]

    def values_of(self, name: str) -> Sequence[str]:
        """The values that an option was given."""
        return tuple(map(str, self.given.get(name) or ()))


Words = Iterable[tuple[str, str]]


def _cases(line: Line, incomplete: str) -> Words:
    """The scenarios of the installed lab."""
    return [(name, "") for name in loader.names(shared_files.catalogue())]


def _scenarios(line: Line, incomplete: str) -> Words:
    return [(name, "") for name in line.names]


def _targets(line: Line, incomplete: str) -> Words:
    """Scenarios; behind a slash the experiments of one."""
    name, slash, _ = incomplete.partition("/")
    if not slash:
        return _scenarios(line, incomplete)
    experiments = loader.load(line.root, name).experiments.values() if name in line.names else ()
    return [(f"{name}/{row.name}", row.summary) for row in experiments]


def _variants(line: Line, incomplete: str) -> Iterator[tuple[str, str]]:
    """The variants of the named scenario, with what they change; those that were given are left out."""
    scenario, given = line.scenario(), line.values_of("variants")
    experiments = scenario.experiments if scenario else {}
    for experiment in experiments.values():
        if line.experiment() == experiment.name or line.experiment() not in experiments:
            for name, changes in experiment.variants.items():
                if name not in given:
                    yield name, " ".join(f"{factor}={value}" for factor, value in changes.items())


def _settings(line: Line, incomplete: str) -> Iterator[tuple[str, str]]:
    """Factors that have no value yet; behind `=` the values of one."""
    scenario = line.scenario()
    if scenario is None:
        return
    factor, equals, _ = incomplete.partition("=")
    if equals:
        yield from ((f"{factor}={value}", "") for value in _values(scenario, factor))
        return
    given = {pair.partition("=")[0] for name in ("pairs", "overs") for pair in line.values_of(name)}
    for name, documented in scenario.factors.items():
        if name not in given:
            yield f"{name}=", f"documented: {documented}"
    if any(not experiment.parallel for experiment in scenario.experiments.values()):
        yield from ((f"{name}=", "the load of the experiment") for name in LOAD_SETTINGS if name not in given)
    if line.asks and KERNEL not in given:
        yield f"{KERNEL}=", KERNEL_HELP


def _values(scenario: Scenario, factor: str) -> list[str]:
    """The values of a factor that the scenario names: the documented one, its lists, those of its variants."""
    documented = [scenario.factors[factor]] if factor in scenario.factors else []
    ranged = [scenario.ranges[factor].values] if factor in scenario.ranges else []
    changes = [row for experiment in scenario.experiments.values() for row in experiment.variants.values()]
    used = [row[factor] for row in changes if factor in row]
    return list(
        dict.fromkeys([*documented, *scenario.values.get(factor, ()), *(v for row in ranged for v in row), *used])
    )


def _factors(line: Line, incomplete: str) -> Words:
    scenario = line.scenario()
    if scenario is None:
        return []
    return [*((name, f"documented: {value}") for name, value in scenario.factors.items()), (KERNEL, KERNEL_HELP)]


def _claims(line: Line, incomplete: str) -> Words:
    scenario = line.scenario()
    return [(claim.id, claim.text) for claim in scenario.claims] if scenario else []


def _runs(line: Line, incomplete: str) -> Words:
    """Scenarios that have runs; behind a slash the runs of one, the newest first."""
    name, slash, _ = incomplete.partition("/")
    if slash:
        return [(f"{name}/{stamp}", "") for stamp in _stamps(line.results / name, "run.json")]
    folders = {path.parent.parent.name for path in line.results.glob("*/2*/run.json")}
    return [(folder, "the newest run that fits") for folder in sorted(folders)]


def _stamps(folder: Path, file: str) -> list[str]:
    stamps = sorted((path.parent.name for path in folder.glob(f"2*/{file}")), reverse=True)
    return stamps[:MOST_RUNS]


def _compared(line: Line, incomplete: str) -> Words:
    """A run first; then the variants of its scenario, other runs, and kept logs of stacks by hand."""
    copies = [
        (f"{BY_HAND}/{path.parent.name}/{path.name}", "kept logs of a stack by hand")
        for path in sorted(line.results.glob(f"{BY_HAND}/*/*"))
    ]
    return [*(_variants(line, incomplete) if line.first() else ()), *_runs(line, incomplete), *copies]


def _maps(line: Line, incomplete: str) -> Words:
    folder = line.results / "matrix" / line.first().partition("/")[0]
    stamps = _stamps(folder, "matrix.json")
    return [(stamp, "") for stamp in ([LATEST, *stamps] if stamps else [])]


def _stacks(line: Line, incomplete: str) -> Words:
    """Names of stacks by hand of the scenario whose logs were kept."""
    return [(path.name, "") for path in sorted((line.results / BY_HAND / line.first()).glob("*"))]


def _services(line: Line, incomplete: str) -> Words:
    """The services of the Compose file that the line names, or that the directory there has."""
    import yaml

    from reprolab.adopt.source import compose_file

    file = compose_file(Path(str(line.given.get("file") or "")))
    try:
        model = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return []
    services = model.get("services") if isinstance(model, dict) else None
    return [(str(name), "") for name in services] if isinstance(services, dict) else []


def _additions(line: Line, incomplete: str) -> Words:
    # Its templates need a library.
    from reprolab.scenario.scaffold import ADDITIONS

    return [(word, "") for word in ADDITIONS]


WORDS: dict[str, Callable[[Line, str], Words]] = {
    "SCENARIO": _scenarios,
    "[SCENARIO]...": _scenarios,
    "[CASE]...": _cases,
    "SCENARIO[/EXPERIMENT]": _targets,
    "RUN": _runs,
    "RUN|SCENARIO": lambda line, incomplete: dict([*_scenarios(line, incomplete), *_runs(line, incomplete)]).items(),
    "FACTOR=VALUE": _settings,
    "FACTOR=VALUES": _settings,
    "FACTOR[=FROM..TO]": _factors,
    "ID": _claims,
    "RUN VARIANT VARIANT | RUN VARIANT | RUN RUN | COPY COPY": _compared,
    "MAP": _maps,
    "WORD": _additions,
    "SERVICE": _services,
    "shrink|DIR": lambda line, incomplete: [("shrink", "the least stack of the newest shrink")],
    # Parameters whose metavar says less than their name.
    "variants": _variants,
    "label": _stacks,
    "wanted": _scenarios,
}
