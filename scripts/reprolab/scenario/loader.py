"""Load a scenario from its directory: factors, experiments, variants and claims.

Definitions come from compose.yaml and the experiment files, without Docker. Listing, checking and judging therefore
work on any machine.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from reprolab.core.config_file import hint, mapping, read_yaml, reject_unknown_keys
from reprolab.core.error_place import place
from reprolab.core.errors import UsageError
from reprolab.scenario import catalogue, ranges, signature
from reprolab.scenario.allowance import ALLOW_KEY, read_allowances
from reprolab.scenario.kernel_setting import KERNEL
from reprolab.scenario.load_settings import LOAD_SETTINGS
from reprolab.scenario.model import (
    APP_ROLE,
    CUSTOM,
    EXPERIMENT,
    FACTOR,
    LANGUAGES,
    Claim,
    Curve,
    Document,
    Experiment,
    Scenario,
    official_image,
)
from reprolab.scenario.not_tested import NOT_TESTED_KEY, check_ids, read_not_tested
from reprolab.scenario.requirement import REQUIRES_KEY, read_requirements
from reprolab.scenario.simpler import SIMPLER_KEY, read_simpler
from reprolab.scenario.variant import Variant

PACKAGE = "reprolab_scenarios"
TEXT_KEYS = ("title", "summary", "finding")
DOCUMENT_KEY, HEADLINE_KEY, ANSWER_KEY = "document", "headline", "answer"
DOCUMENT_FIELDS = tuple(field.name for field in fields(Document))
DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?( \([^()]+\))?")
VALUES_KEY = "values"
WHEN_KEY = "when"
MAY_FAIL = "MAY_FAIL_TO_START"
EXPERIMENT_NAMES = ("VARIANTS", "TRIALS", "CLAIMS", "drive")


def names(root: Path) -> list[str]:
    """Return the names of the scenarios below ``root``/scenarios, sorted."""
    return sorted(path.parent.name for path in (root / "scenarios").glob("*/compose.yaml"))


def load(root: Path, name: str) -> Scenario:
    """Load one scenario. Raises UsageError that names a malformed file and its fault."""
    known = names(root)
    if name not in known:
        raise UsageError(
            f"no scenario {name!r}{hint(name, known)}",
            expected="one of " + (", ".join(known) or "(none yet)"),
        )
    directory = root / "scenarios" / name
    definition = _read_compose(name, directory)
    package = _package(directory)
    experiments = {path.stem: _experiment(definition, package, path) for path in _experiment_files(directory)}
    if not experiments:
        raise UsageError(
            f"scenarios/{name} has no experiment", expected="a .py file with " + ", ".join(EXPERIMENT_NAMES)
        )
    scenario = replace(definition, experiments=experiments)
    _check_unique_ids(scenario)
    _check_when_experiments(scenario)
    _check_answer(scenario)
    _check_releases(scenario)
    return scenario


def signatures(scenario: Scenario) -> tuple[signature.Signature, ...]:
    """Load the signatures of a scenario; none if it has no such file. Raises UsageError for a malformed one."""
    path = scenario.directory / signature.FILE
    if not path.is_file():
        return ()
    module = _import(_package(scenario.directory), path)
    listed = getattr(module, signature.NAME, None)
    return signature.check(listed, scenario.directory, scenario.factors, scenario.experiments)


def _read_compose(name: str, directory: Path) -> Scenario:
    """Read a scenario from compose.yaml, without its experiments."""
    where = f"scenarios/{name}/compose.yaml"
    model = read_yaml(directory / "compose.yaml", where)
    if not isinstance(model, dict) or not isinstance(model.get("services"), dict):
        raise UsageError(f"{where} has no services", expected="a Compose file with a services mapping")
    block, factors = _block(model.get("x-reprolab"), where), _factors(model)
    _check_reserved(factors, where)
    _check_services(model["services"], name, where)
    texts = {key: _text(block.get(key), f"{where}: x-reprolab.{key}") for key in TEXT_KEYS}
    values = _value_lists(block, factors, where)
    return Scenario(
        name,
        directory,
        texts["title"],
        _document(block[DOCUMENT_KEY], where),
        texts["summary"],
        texts["finding"],
        factors,
        values=values,
        when=_conditions(block, factors, values, name, model["services"], where),
        headline=_headline(block.get(HEADLINE_KEY), where),
        answer=_answer(block.get(ANSWER_KEY), where),
        requires=read_requirements(
            block.get(REQUIRES_KEY), directory, where, partial(_allowed, factors=factors, values=values)
        ),
        allow=read_allowances(block.get(ALLOW_KEY), where),
        catalogue=catalogue.read_entry(block, where),
        simpler=read_simpler(block.get(SIMPLER_KEY), factors, values, where),
        ranges=ranges.read_ranges(block.get(ranges.RANGES_KEY), factors, values, where),
        companions=ranges.read_needs(block.get(ranges.NEEDS_KEY), factors, values, where),
        not_tested=read_not_tested(block.get(NOT_TESTED_KEY), where),
    )


def _check_reserved(factors: Mapping[str, str], where: str) -> None:
    """Raise UsageError for a factor with the name of a setting of the lab."""
    for name in factors:
        if name in (*LOAD_SETTINGS, KERNEL):
            what = "kernel" if name == KERNEL else "load"
            raise UsageError(f"{where}: {name} is the lab's own name for the {what}", expected="another name")


def _check_services(services: Mapping[str, object], name: str, where: str) -> None:
    """Check that each service is called SCENARIO-ROLE, and that one has the role `app`."""
    for service in services:
        if not str(service).startswith(f"{name}-"):
            raise UsageError(f"{where}: the service {service} lacks the scenario's name", expected=f"{name}-{service}")
    if f"{name}-app" not in services:
        raise UsageError(
            f"{where} has no service {name}-app",
            expected=f"the server under test under that name, beside {', '.join(map(str, services))}",
        )


def _value_lists(block: Mapping[str, Any], factors: Mapping[str, str], where: str) -> dict[str, tuple[str, ...]]:
    """Read x-reprolab.values: factor -> all its values, with the documented one."""
    texts = block.get(VALUES_KEY) or {}
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise UsageError(f"{where}: x-reprolab.{VALUES_KEY} is {texts!r}", expected="FACTOR: its values, in one line")
    values = {name: tuple(text.split()) for name, text in texts.items()}
    for name, factor_values in values.items():
        if name not in factors:
            raise UsageError(f"{where}: x-reprolab.{VALUES_KEY} names {name}, which is no factor{hint(name, factors)}")
        if factors[name] not in factor_values:
            raise UsageError(f"{where}: x-reprolab.{VALUES_KEY}.{name} lacks the documented value {factors[name]!r}")
    return values


def _conditions(
    block: Mapping[str, Any],
    factors: Mapping[str, str],
    values: Mapping[str, tuple[str, ...]],
    scenario: str,
    services: Mapping[str, Any],
    where: str,
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Read x-reprolab.when: role -> factor (or `experiment`) -> the values that need the service."""
    by_role = block.get(WHEN_KEY) or {}
    expected = "ROLE: {FACTOR: the values that need the service, in one line}"
    if not isinstance(by_role, dict) or not all(
        isinstance(conditions, dict) and conditions for conditions in by_role.values()
    ):
        raise UsageError(f"{where}: x-reprolab.{WHEN_KEY} is {by_role!r}", expected=expected)
    roles = [name.removeprefix(f"{scenario}-") for name in services if name != f"{scenario}-{APP_ROLE}"]
    when = {}
    for role, conditions in by_role.items():
        key_path = f"{where}: x-reprolab.{WHEN_KEY}.{role}"
        if role not in roles:
            raise UsageError(
                f"{key_path}: {role!r} is not a role that can be left out{hint(role, roles)}",
                expected=f"a service's name without `{scenario}-`: " + ", ".join(roles),
            )
        when[role] = {name: _allowed(name, text, key_path, factors, values) for name, text in conditions.items()}
    return when


def _allowed(
    name: str, text: object, where: str, factors: Mapping[str, str], values: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Read the values of one factor (or `experiment`) for which something is needed.

    Raises UsageError for a list or a YAML boolean such as `on`: they never equal a factor's value.
    """
    if name != EXPERIMENT and name not in factors:
        raise UsageError(f"{where} names {name}, which is no factor{hint(name, factors)}")
    if isinstance(text, bool) or not isinstance(text, str | int) or not str(text).strip():
        raise UsageError(f"{where}.{name} is {text!r}", expected='values in one line, as text: "on", or sleep recv')
    for value in str(text).split():
        if name in values and value not in values[name]:
            raise UsageError(f"{where}: {name} cannot be {value!r}{hint(value, values[name])}")
    return tuple(str(text).split())


def _check_when_experiments(scenario: Scenario) -> None:
    places = [(f"{WHEN_KEY}.{role}", conditions) for role, conditions in scenario.when.items()]
    places += [(f"{REQUIRES_KEY}[{n}].when", row.when) for n, row in enumerate(scenario.requires, 1)]
    for place_, conditions in places:
        for name in conditions.get(EXPERIMENT, ()):
            if name not in scenario.experiments:
                raise UsageError(
                    f"scenarios/{scenario.name}/compose.yaml: x-reprolab.{place_} names the experiment "
                    f"{name!r}, which does not exist{hint(name, scenario.experiments)}",
                    expected="one of " + ", ".join(scenario.experiments),
                )


def _block(block: object, where: str) -> dict[str, Any]:
    """Check the x-reprolab block: known keys only, with a title and a document."""
    if not isinstance(block, dict):
        raise UsageError(
            f"{where} has no x-reprolab block", expected="x-reprolab: {title: ..., document: {title: ...}}"
        )
    described = (*TEXT_KEYS, DOCUMENT_KEY, HEADLINE_KEY, ANSWER_KEY, VALUES_KEY, WHEN_KEY, REQUIRES_KEY, ALLOW_KEY)
    known = (*described, SIMPLER_KEY, NOT_TESTED_KEY, *catalogue.KEYS, *ranges.KEYS)
    reject_unknown_keys(block, known, where, prefix="x-reprolab.")
    for key, expected in (("title", "a line of text"), (DOCUMENT_KEY, "{title: ..., author: ..., date: ...}")):
        if not block.get(key):
            raise UsageError(f"{where}: x-reprolab.{key} is missing", expected=expected)
    return block


def _text(value: object, where: str) -> str:
    """Return a YAML value as text. Raises UsageError for a list, a mapping or a boolean."""
    if isinstance(value, list | dict | bool):
        raise UsageError(f"{where} is {value!r}", expected="a line of text")
    return "" if value is None else str(value).strip()


def _document(content: object, where: str) -> Document:
    key_path = f"{where}: x-reprolab.{DOCUMENT_KEY}"
    block = mapping(content, DOCUMENT_FIELDS, key_path)
    document = Document(**{key: _text(block.get(key), f"{key_path}.{key}") for key in DOCUMENT_FIELDS})
    if not document.title:
        raise UsageError(f"{key_path}.title is missing", expected="the document's title, in its own language")
    if document.date and not DATE.fullmatch(document.date):
        raise UsageError(
            f"{key_path}.date is {document.date!r}",
            expected="YYYY, YYYY-MM or YYYY-MM-DD, with its meaning in brackets: 2023-01-27 (last change)",
        )
    if document.url and not re.match(r"https?://\S+$", document.url):
        raise UsageError(f"{key_path}.url is {document.url!r}", expected="https://...")
    return document


def _headline(content: object, where: str) -> dict[str, str]:
    """Read the headline: language -> the finding in one sentence."""
    if content is None:
        return {}
    key_path = f"{where}: x-reprolab.{HEADLINE_KEY}"
    block = mapping(content, LANGUAGES, key_path)
    sentences = {language: _text(sentence, f"{key_path}.{language}") for language, sentence in block.items()}
    if not sentences.get("en"):
        raise UsageError(f"{key_path}.en is missing", expected="the finding in one English sentence")
    return sentences


def _answer(content: object, where: str) -> dict[str, str]:
    """Read the answer: claim -> its sign in words."""
    key_path = f"{where}: x-reprolab.{ANSWER_KEY}"
    if content is None:
        return {}
    if not isinstance(content, dict) or not content:
        raise UsageError(f"{key_path} is {content!r}", expected="CLAIM: its sign in words, such as `the file is gone`")
    words = {str(claim): _text(text, f"{key_path}.{claim}").rstrip(".") for claim, text in content.items()}
    for claim, text in words.items():
        if not text:
            raise UsageError(f"{key_path}.{claim} is empty", expected="the sign in words, such as `the file is gone`")
    return words


def _factors(model: Mapping[str, object]) -> dict[str, str]:
    """Return the factors of a Compose model with their documented values, in order of appearance."""
    factors: dict[str, str] = {}
    for value in _values({key: part for key, part in model.items() if key != "x-reprolab"}):
        for name, default in FACTOR.findall(official_image(value)):
            if not factors.get(name):
                factors[name] = default
    return factors


def _values(part: object) -> Iterator[str]:
    """Yield the texts in which Compose replaces variables: all values, no keys."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _values(inner)


def _experiment_files(directory: Path) -> list[Path]:
    """Return the experiment files: those that define at least two of EXPERIMENT_NAMES.

    A file for a container may define one such name by chance.
    """
    return [path for path in sorted(directory.glob("*.py")) if len(_top_level_names(path) & set(EXPERIMENT_NAMES)) > 1]


def _top_level_names(path: Path) -> set[str]:
    """Return the names that a file defines. It is not run, since it may be a file for a container."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        if "VARIANTS" in path.read_text(encoding="utf-8", errors="replace"):
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
            reason = getattr(error, "msg", error)
            raise UsageError(f"scenarios/{path.parent.name}/{path.name}{line} is not valid Python: {reason}") from error
        return set()
    defined: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            defined.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    return defined


def _package(directory: Path) -> str:
    """Make a scenario's directory a package: its experiments can then share a module by `from .common import x`."""
    name = f"{PACKAGE}.{directory.name.replace('-', '_')}"
    for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
        del sys.modules[loaded]
    for package, path in ((PACKAGE, directory.parent), (name, directory)):
        module = ModuleType(package)
        module.__path__ = [str(path)]
        sys.modules[package] = module
    return name


def _import(package: str, path: Path) -> ModuleType:
    module_name = f"{package}.{path.stem.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        where = place(error, path.parent) or path.name
        raise UsageError(f"scenarios/{path.parent.name}/{where}: {type(error).__name__}: {error}") from error
    return module


def _experiment(scenario: Scenario, package: str, path: Path) -> Experiment:
    where = f"scenarios/{scenario.name}/{path.name}"
    module = _import(package, path)
    missing = [name for name in EXPERIMENT_NAMES if not hasattr(module, name)]
    if missing:
        raise UsageError(
            f"{where} does not define {', '.join(missing)}",
            expected="VARIANTS, TRIALS, drive(stack) and CLAIMS",
        )
    variants = _variants(scenario, module.VARIANTS, where)
    if not isinstance(module.TRIALS, int) or module.TRIALS < 1:
        raise UsageError(f"{where}: TRIALS is {module.TRIALS!r}", expected="a whole number from 1")
    _check_claims(module.CLAIMS, variants, where)
    return Experiment(
        path.stem,
        variants,
        module.TRIALS,
        module.drive,
        tuple(module.CLAIMS),
        observe=getattr(module, "observe", None),
        events=getattr(module, "events", None),
        responses=getattr(module, "responses", None),
        zero=getattr(module, "zero", None),
        columns=tuple(getattr(module, "COLUMNS", ())),
        curves=_curves(getattr(module, "CURVES", ()), variants, where),
        parallel=bool(getattr(module, "PARALLEL", False)),
        may_fail=_may_fail(module, where),
        summary=(module.__doc__ or "").strip().split("\n")[0],
    )


def _variants(scenario: Scenario, variants: object, where: str) -> dict[str, dict[str, str]]:
    if not isinstance(variants, dict) or not variants:
        raise UsageError(f"{where}: VARIANTS is {variants!r}", expected="a dict of name -> {FACTOR: value}")
    if CUSTOM in variants:
        raise UsageError(
            f"{where}: the variant name {CUSTOM!r} is reserved for factors that a user sets", expected="another name"
        )
    changes_of = {name: item.changes if isinstance(item, Variant) else item for name, item in variants.items()}
    for name, changes in changes_of.items():
        if not isinstance(changes, dict):
            raise UsageError(
                f"{where}: the variant {name} is {changes!r}",
                expected="a dict of {FACTOR: value}, or Variant({FACTOR: value}, may_fail_to_start=True)",
            )
    clean = {str(name): {k: str(v) for k, v in changes.items()} for name, changes in changes_of.items()}
    for name, changes in clean.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise UsageError(f"{where}: {name!r} is not a variant name", expected="letters, digits, . _ -")
        scenario.check_factors(changes, f"{where}, variant {name}")
    return clean


def _may_fail(module: ModuleType, where: str) -> frozenset[str]:
    """The variants whose start may fail; with MAY_FAIL_TO_START all, also one of factors that a user sets."""
    every = getattr(module, MAY_FAIL, False)
    if not isinstance(every, bool):
        raise UsageError(f"{where}: {MAY_FAIL} is {every!r}", expected="True, or variants that say may_fail_to_start")
    if every:
        return frozenset({*map(str, module.VARIANTS), CUSTOM})
    variants = module.VARIANTS.items()
    return frozenset(str(name) for name, item in variants if isinstance(item, Variant) and item.may_fail_to_start)


def _check_claims(claims: object, variants: Mapping[str, object], where: str) -> None:
    if not isinstance(claims, list | tuple):
        raise UsageError(f"{where}: CLAIMS is {claims!r}", expected="a list of Claim(...) objects")
    for claim in claims:
        if not isinstance(claim, Claim):
            raise UsageError(f"{where}: CLAIMS holds {claim!r}", expected="Claim(...) objects")
        if not claim.expectations:
            raise UsageError(f"{where}: {claim.id} names no variant", expected="shows=[...] and absent=[...]")
        if set(claim.shows) & set(claim.absent):
            raise UsageError(f"{where}: {claim.id} expects its sign both to show and to be absent in one variant")
        for name in claim.expectations:
            if name not in variants:
                raise UsageError(
                    f"{where}: {claim.id} names the variant {name!r}, which VARIANTS lacks{hint(name, variants)}",
                    expected="one of " + ", ".join(variants),
                )


def _curves(curves: object, variants: Mapping[str, object], where: str) -> tuple[Curve, ...]:
    """Check CURVES. Titles differ, as a record names a curve by its title."""
    if not isinstance(curves, list | tuple) or not all(isinstance(curve, Curve) for curve in curves):
        raise UsageError(f"{where}: CURVES is {curves!r}", expected="a list of Curve(...) objects")
    titles = [curve.title for curve in curves]
    for curve in curves:
        if not all(isinstance(text, str) and text for text in (curve.title, curve.x, curve.y)):
            raise UsageError(f"{where}: a curve lacks a text: {curve!r}", expected="texts as title, x and y")
        if titles.count(curve.title) > 1:
            raise UsageError(f"{where}: two curves have the title {curve.title!r}", expected="a title for each")
        for name in curve.variants:
            if name not in variants:
                raise UsageError(
                    f"{where}: the curve {curve.title!r} names the variant {name!r}, which VARIANTS lacks"
                    f"{hint(name, variants)}",
                    expected="one of " + ", ".join(variants),
                )
    return tuple(curves)


def _check_answer(scenario: Scenario) -> None:
    """Each claim of x-reprolab.answer must exist, and its sign must be expected somewhere."""
    claims = {claim.id: claim for claim in scenario.claims}
    for identifier in scenario.answer:
        where = f"scenarios/{scenario.name}/compose.yaml: x-reprolab.{ANSWER_KEY}"
        if identifier not in claims:
            raise UsageError(
                f"{where} names {identifier!r}, which is not one of its claims{hint(identifier, claims)}",
                expected="one of " + ", ".join(claims),
            )
        if not claims[identifier].shows:
            raise UsageError(
                f"{where} names {identifier}, which expects its sign in no variant", expected="a claim with `shows`"
            )


def _check_releases(scenario: Scenario) -> None:
    """x-reprolab.releases needs a main claim, whose sign is counted, and names variants of its experiment."""
    if not scenario.catalogue.releases:
        return
    where = f"scenarios/{scenario.name}/compose.yaml: x-reprolab.{catalogue.RELEASES_KEY}"
    experiment = scenario.main_experiment
    if experiment is None:
        raise UsageError(
            f"{where} needs a main claim, whose sign is counted",
            expected=f"x-reprolab.{ANSWER_KEY}: {{CLAIM: its sign in words}}",
        )
    catalogue.check_releases(scenario.catalogue.releases, experiment.variants, scenario.factors, where)


def _check_unique_ids(scenario: Scenario) -> None:
    ids: set[str] = set()
    for claim in scenario.claims:
        if claim.id in ids:
            raise UsageError(f"scenarios/{scenario.name}: two claims have the id {claim.id}")
        ids.add(claim.id)
    check_ids(scenario.not_tested, ids, f"scenarios/{scenario.name}/compose.yaml")
    for claim in scenario.claims:
        for other_id in claim.but:
            if other_id not in ids:
                raise UsageError(
                    f"scenarios/{scenario.name}: {claim.id} points to {other_id}, which is not one of its claims"
                )
