"""A scenario as its directory defines it: factors, experiments, variants and claims.

Nothing here talks to Docker: definitions are read from compose.yaml and from the experiment files,
so that listing, checking and judging work on any machine.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from reprolab.core.config_file import hint, mapping, read_yaml, reject_unknown_keys
from reprolab.core.error_place import place
from reprolab.core.errors import UsageError
from reprolab.scenario.model import (
    APP_ROLE,
    CUSTOM,
    EXPERIMENT,
    FACTOR,
    LANGUAGES,
    Claim,
    Document,
    Experiment,
    Scenario,
    official_image,
)

PACKAGE = "reprolab_scenarios"
TEXT_KEYS = ("title", "summary", "finding")
DOCUMENT_KEY, HEADLINE_KEY = "document", "headline"
DOCUMENT_FIELDS = tuple(field.name for field in fields(Document))
DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?( \([^()]+\))?")
VALUES_KEY = "values"
WHEN_KEY = "when"
EXPERIMENT_NAMES = ("VARIANTS", "TRIALS", "CLAIMS", "drive")


def names(root: Path) -> list[str]:
    """The scenarios below ``root``/scenarios, in alphabetical order."""
    return sorted(path.parent.name for path in (root / "scenarios").glob("*/compose.yaml"))


def load(root: Path, name: str) -> Scenario:
    """Read one scenario. Raises UsageError that says which file is malformed, and how."""
    known = names(root)
    if name not in known:
        raise UsageError(
            f"no scenario {name!r}{hint(name, known)}",
            expected="one of " + (", ".join(known) or "(none yet)"),
        )
    directory = root / "scenarios" / name
    bare = _read_compose(name, directory)
    package = _package(directory)
    experiments = {path.stem: _experiment(bare, package, path) for path in _experiment_files(directory)}
    if not experiments:
        raise UsageError(
            f"scenarios/{name} has no experiment", expected="a .py file with " + ", ".join(EXPERIMENT_NAMES)
        )
    scenario = replace(bare, experiments=experiments)
    _check_unique_ids(scenario)
    _check_when_experiments(scenario)
    return scenario


def _read_compose(name: str, directory: Path) -> Scenario:
    """What compose.yaml says of a scenario: all but its experiments."""
    where = f"scenarios/{name}/compose.yaml"
    model = read_yaml(directory / "compose.yaml", where)
    if not isinstance(model, dict) or not isinstance(model.get("services"), dict):
        raise UsageError(f"{where} has no services", expected="a Compose file with a services mapping")
    block, factors = _block(model.get("x-reprolab"), where), _factors(model)
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
    )


def _check_services(services: Mapping[str, object], name: str, where: str) -> None:
    """Services carry the scenario's name before their role; stacks, exports and reports look for the role `app`."""
    for service in services:
        if not str(service).startswith(f"{name}-"):
            raise UsageError(f"{where}: the service {service} lacks the scenario's name", expected=f"{name}-{service}")
    if f"{name}-app" not in services:
        raise UsageError(
            f"{where} has no service {name}-app",
            expected=f"the server under test under that name, beside {', '.join(map(str, services))}",
        )


def _value_lists(block: Mapping[str, Any], factors: Mapping[str, str], where: str) -> dict[str, tuple[str, ...]]:
    """The words of x-reprolab.values: for a factor all its values, documented one included."""
    listed = block.get(VALUES_KEY) or {}
    if not isinstance(listed, dict) or not all(isinstance(words, str) for words in listed.values()):
        raise UsageError(f"{where}: x-reprolab.{VALUES_KEY} is {listed!r}", expected="FACTOR: its values, in one line")
    found = {name: tuple(words.split()) for name, words in listed.items()}
    for name, words in found.items():
        if name not in factors:
            raise UsageError(f"{where}: x-reprolab.{VALUES_KEY} names {name}, which is no factor{hint(name, factors)}")
        if factors[name] not in words:
            raise UsageError(f"{where}: x-reprolab.{VALUES_KEY}.{name} lacks the documented value {factors[name]!r}")
    return found


def _conditions(
    block: Mapping[str, Any],
    factors: Mapping[str, str],
    values: Mapping[str, tuple[str, ...]],
    scenario: str,
    services: Mapping[str, Any],
    where: str,
) -> dict[str, dict[str, tuple[str, ...]]]:
    """The words of x-reprolab.when: for a role, the values of factors (or names of experiments) that need it."""
    listed = block.get(WHEN_KEY) or {}
    expected = "ROLE: {FACTOR: the values with which the service takes part, in one line}"
    if not isinstance(listed, dict) or not all(isinstance(needed, dict) and needed for needed in listed.values()):
        raise UsageError(f"{where}: x-reprolab.{WHEN_KEY} is {listed!r}", expected=expected)
    roles = [name.removeprefix(f"{scenario}-") for name in services if name != f"{scenario}-{APP_ROLE}"]
    found = {}
    for role, needed in listed.items():
        own = f"{where}: x-reprolab.{WHEN_KEY}.{role}"
        if role not in roles:
            raise UsageError(
                f"{own}: {role!r} is no role that could be left out{hint(role, roles)}",
                expected=f"a service's name without `{scenario}-`: " + ", ".join(roles),
            )
        found[role] = {name: _allowed(name, words, own, factors, values) for name, words in needed.items()}
    return found


def _allowed(
    name: str, words: object, where: str, factors: Mapping[str, str], values: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """The values of one factor with which a service takes part. YAML's `on` and lists could never match a factor."""
    if name != EXPERIMENT and name not in factors:
        raise UsageError(f"{where} names {name}, which is no factor{hint(name, factors)}")
    if isinstance(words, bool) or not isinstance(words, str | int) or not str(words).strip():
        raise UsageError(f"{where}.{name} is {words!r}", expected='values in one line, as text: "on", or sleep recv')
    for word in str(words).split():
        if name in values and word not in values[name]:
            raise UsageError(f"{where}: {name} cannot be {word!r}{hint(word, values[name])}")
    return tuple(str(words).split())


def _check_when_experiments(scenario: Scenario) -> None:
    for role, needed in scenario.when.items():
        for name in needed.get(EXPERIMENT, ()):
            if name not in scenario.experiments:
                raise UsageError(
                    f"scenarios/{scenario.name}/compose.yaml: x-reprolab.{WHEN_KEY}.{role} names the experiment "
                    f"{name!r}, which is not there{hint(name, scenario.experiments)}",
                    expected="one of " + ", ".join(scenario.experiments),
                )


def _block(block: object, where: str) -> dict[str, Any]:
    """The x-reprolab block, with known keys alone, a title and a document."""
    if not isinstance(block, dict):
        raise UsageError(
            f"{where} has no x-reprolab block", expected="x-reprolab: {title: ..., document: {title: ...}}"
        )
    known = (*TEXT_KEYS, DOCUMENT_KEY, HEADLINE_KEY, VALUES_KEY, WHEN_KEY)
    reject_unknown_keys(block, known, where, prefix="x-reprolab.")
    for key, expected in (("title", "a line of text"), (DOCUMENT_KEY, "{title: ..., author: ..., date: ...}")):
        if not block.get(key):
            raise UsageError(f"{where}: x-reprolab.{key} is missing", expected=expected)
    return block


def _text(value: object, where: str) -> str:
    """A value of YAML as text; a date or a number is text too, a list or a mapping is a mistake."""
    if isinstance(value, list | dict | bool):
        raise UsageError(f"{where} is {value!r}", expected="a line of text")
    return "" if value is None else str(value).strip()


def _document(content: object, where: str) -> Document:
    own = f"{where}: x-reprolab.{DOCUMENT_KEY}"
    block = mapping(content, DOCUMENT_FIELDS, own)
    document = Document(**{key: _text(block.get(key), f"{own}.{key}") for key in DOCUMENT_FIELDS})
    if not document.title:
        raise UsageError(f"{own}.title is missing", expected="the document's title, in its own language")
    if document.date and not DATE.fullmatch(document.date):
        raise UsageError(
            f"{own}.date is {document.date!r}",
            expected="YYYY, YYYY-MM or YYYY-MM-DD, and in brackets what it is: 2023-01-27 (last change)",
        )
    if document.url and not re.match(r"https?://\S+$", document.url):
        raise UsageError(f"{own}.url is {document.url!r}", expected="https://...")
    return document


def _headline(content: object, where: str) -> dict[str, str]:
    """The finding in one sentence, by language."""
    if content is None:
        return {}
    own = f"{where}: x-reprolab.{HEADLINE_KEY}"
    block = mapping(content, LANGUAGES, own)
    sentences = {language: _text(sentence, f"{own}.{language}") for language, sentence in block.items()}
    if not sentences.get("en"):
        raise UsageError(f"{own}.en is missing", expected="the finding in one English sentence")
    return sentences


def _factors(model: Mapping[str, object]) -> dict[str, str]:
    """The factors of a Compose model with their documented values, in order of appearance."""
    found: dict[str, str] = {}
    for value in _values({key: part for key, part in model.items() if key != "x-reprolab"}):
        for name, default in FACTOR.findall(official_image(value)):
            if not found.get(name):
                found[name] = default
    return found


def _values(part: object) -> Iterator[str]:
    """The texts in which Compose replaces variables: values, never keys."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _values(inner)


def _experiment_files(directory: Path) -> list[Path]:
    """The experiments among a directory's files: one name alone may as well stand in a container's file."""
    return [path for path in sorted(directory.glob("*.py")) if len(_top_level_names(path) & set(EXPERIMENT_NAMES)) > 1]


def _top_level_names(path: Path) -> set[str]:
    """What a file defines, without running it: files for the containers lie in the same directory."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        if "VARIANTS" in path.read_text(encoding="utf-8", errors="replace"):
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
            told = getattr(error, "msg", error)
            raise UsageError(f"scenarios/{path.parent.name}/{path.name}{line} is not valid Python: {told}") from error
        return set()
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _package(directory: Path) -> str:
    """Make a scenario's directory a package, so that its experiments may share a module: `from .common import x`."""
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
        parallel=bool(getattr(module, "PARALLEL", False)),
        summary=(module.__doc__ or "").strip().split("\n")[0],
    )


def _variants(scenario: Scenario, variants: object, where: str) -> dict[str, dict[str, str]]:
    if not isinstance(variants, dict) or not variants:
        raise UsageError(f"{where}: VARIANTS is {variants!r}", expected="a dict of name -> {FACTOR: value}")
    if CUSTOM in variants:
        raise UsageError(f"{where}: the variant name {CUSTOM!r} is that of a user's own factors", expected="another")
    for name, changes in variants.items():
        if not isinstance(changes, dict):
            raise UsageError(f"{where}: the variant {name} is {changes!r}", expected="a dict of {FACTOR: value}")
    clean = {str(name): {k: str(v) for k, v in changes.items()} for name, changes in variants.items()}
    for name, changes in clean.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise UsageError(f"{where}: {name!r} is no variant name", expected="letters, digits, . _ -")
        scenario.check_factors(changes, f"{where}, variant {name}")
    return clean


def _check_claims(claims: object, variants: Mapping[str, object], where: str) -> None:
    if not isinstance(claims, list | tuple):
        raise UsageError(f"{where}: CLAIMS is {claims!r}", expected="a list of Claim(...) objects")
    for claim in claims:
        if not isinstance(claim, Claim):
            raise UsageError(f"{where}: CLAIMS holds {claim!r}", expected="Claim(...) objects")
        if not claim.expectations:
            raise UsageError(f"{where}: {claim.id} names no variant", expected="shows=[...] and absent=[...]")
        if set(claim.shows) & set(claim.absent):
            raise UsageError(f"{where}: {claim.id} expects its sign both to show and to be absent in a variant")
        for name in claim.expectations:
            if name not in variants:
                raise UsageError(
                    f"{where}: {claim.id} names the variant {name!r}, which VARIANTS lacks{hint(name, variants)}",
                    expected="one of " + ", ".join(variants),
                )


def _check_unique_ids(scenario: Scenario) -> None:
    seen: set[str] = set()
    for claim in scenario.claims:
        if claim.id in seen:
            raise UsageError(f"scenarios/{scenario.name}: two claims have the id {claim.id}")
        seen.add(claim.id)
    for claim in scenario.claims:
        for other in claim.but:
            if other not in seen:
                raise UsageError(f"scenarios/{scenario.name}: {claim.id} points to {other}, which is no claim of it")
