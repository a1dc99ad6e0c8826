"""The shape of the tree: what every scenario and every image must have, told with the fix."""

from __future__ import annotations

import ast
import gzip
import importlib
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import lock
import pytest
import yaml
from cases import ROOT, having
from reprolab.bugreport import spec as bugreport_spec
from reprolab.core.errors import LabError
from reprolab.demo import script
from reprolab.export import spec as export_spec
from reprolab.export.compose import read_compose
from reprolab.pins.builds import fill
from reprolab.publish.readme_sections import PAGES
from reprolab.scenario import loader
from reprolab.scenario.model import FACTOR, NAMED_IMAGE

SCENARIOS = loader.names(ROOT)
COMPOSE_FILES = [ROOT / "images" / "compose.yaml", *(ROOT / "scenarios" / name / "compose.yaml" for name in SCENARIOS)]
DOCKERFILES = sorted(
    path
    for pattern in ("images/*/Dockerfile", "scenarios/*/Dockerfile*", "scenarios/*/*/Dockerfile")
    for path in ROOT.glob(pattern)
)
SERVICES = [
    pytest.param(file, name, service, id=f"{file.parent.name}:{name}")
    for file in COMPOSE_FILES
    for name, service in read_compose(file)["services"].items()
]
# What a root master needs that gives its workers another user (a variant of user.py); nothing in it reaches the host.
CAPABILITIES = {"gunicorn-settings-app": ["CHOWN", "KILL", "SETGID", "SETUID"]}
# It replaces an official image: it has what official images have, a root user included.
BASE = ROOT / "images" / "base" / "Dockerfile"
# What a new scenario begins with.
SCAFFOLD = ROOT / "scripts" / "reprolab" / "scenario" / "templates" / "Dockerfile.j2"
# Host names of registries, in pieces, so that this file does not hold them either.
REGISTRIES = [
    "|".join(names).replace(" ", ".")
    for names in (
        ("pypi org", "pythonhosted org"),
        (
            "registry-1 docker io",
            "index docker io",
            "auth docker io",
            "hub docker com",
            "production cloudflare docker com",
        ),
        ("ghcr io", "quay io", "gcr io", "mcr microsoft com", "public ecr aws"),
        ("deb debian org", "security debian org", "ftp debian org", "archive ubuntu com", "snapshot debian org"),
        ("registry npmjs org", "proxy golang org", "crates io", "rubygems org"),
    )
]


def relative(path: Path) -> str:
    """A path as it is told to the reader."""
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    """A Dockerfile with its continued lines joined and its comments gone."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    return re.sub(r"\\\n\s*", " ", "\n".join(lines))


# -- services -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_services_are_hardened(file: Path, name: str, service: dict[str, Any]) -> None:
    """Old servers with known holes run here: no capability, no way to more, limits; an init, or a factor for it."""
    where = f"{relative(file)}, {name}"
    init = service.get("init")
    assert init is True or FACTOR.fullmatch(str(init)), f"{where}: set init: true, or a factor: ${{INIT:-true}}"
    wanted = {"cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
    for key, value in wanted.items():
        assert service.get(key) == value, f"{where}: set {key}: {value} (or extend images/hardened.yaml)"
    for key in ("pids_limit", "mem_limit"):
        assert service.get(key), f"{where}: set a {key} (or extend images/hardened.yaml)"


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_services_have_no_way_to_the_host(file: Path, name: str, service: dict[str, Any]) -> None:
    """No privileges, no device, no namespace of the host's, no name by which two stacks would collide."""
    where = f"{relative(file)}, {name}"
    allowed = CAPABILITIES.get(name, [])
    assert service.get("cap_add", []) == allowed, f"{where}: cap_add may be {allowed} only; see CAPABILITIES above"
    for key in ("privileged", "devices", "device_cgroup_rules", "userns_mode", "pid", "ipc", "volumes_from"):
        assert key not in service, f"{where}: remove {key}; a container must not reach its host"
    assert "host" not in str(service.get("network_mode", "")), f"{where}: remove network_mode: host"
    assert "container_name" not in service, f"{where}: remove container_name; each trial is a project of its own"
    assert "docker.sock" not in str(service), f"{where}: remove the Docker socket; whoever has it owns the host"


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_ports_are_on_the_loopback_alone(file: Path, name: str, service: dict[str, Any]) -> None:
    """On 127.0.0.1, and on a free port, so that two runs do not collide."""
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1::\d+", str(port)), (
            f'{relative(file)}, {name}: publish {port!r} as "127.0.0.1::PORT"'
        )


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_only_files_are_mounted_and_only_to_be_read(file: Path, name: str, service: dict[str, Any]) -> None:
    """Volumes of the stack's own are free; from the host come single configuration files, read-only."""
    named = yaml.safe_load(file.read_text(encoding="utf-8")).get("volumes") or {}
    for volume in service.get("volumes", []):
        where = f"{relative(file)}, {name}, volume {volume!r}"
        assert isinstance(volume, str), f"{where}: write it in the short form, so that this test can read it"
        source, _, rest = volume.partition(":")
        if source not in named:
            assert rest.endswith(":ro"), f"{where}: add :ro, or name a volume"
            assert (file.parent / source).is_file(), (
                f"{where}: mount a file, not a directory; copy more by the Dockerfile"
            )
            assert source.startswith("./"), f"{where}: mount files of the scenario's own directory only"


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_images_are_built_or_pinned(file: Path, name: str, service: dict[str, Any]) -> None:
    """An image that moves is another experiment next year."""
    image = service.get("image", "")
    assert "build" in service or re.search(r":[\w.-]+$", image), f"{relative(file)}, {name}: give {image!r} a tag"
    arguments = (service.get("build") or {}).get("args") or {}
    for argument, value in arguments.items():
        text = str(value)
        assert "latest" not in text, f"{relative(file)}, {name}: pin {argument}, which is {text!r}"
        if argument.endswith("_IMAGE"):
            assert ":" in fill(text, {}), f"{relative(file)}, {name}: give {argument} ({text!r}) a tag"


# -- docker compose by hand -----------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_profile_starts_the_documented_stack_and_nothing_else(name: str) -> None:
    """A service has its scenario's profile; one that the documented stack does without has a profile of its own."""
    found = loader.load(ROOT, name)
    for service, content in read_compose(found.compose_file)["services"].items():
        wanted = name if found.needs(service.removeprefix(f"{name}-"), {}) else service
        assert content.get("profiles") == [wanted], f"{relative(found.compose_file)}, {service}: profiles: [{wanted}]"


@pytest.mark.parametrize("name", SCENARIOS)
def test_healthchecks_connect_and_ask_nothing(name: str) -> None:
    """So that `up --wait` means something: a port that is published, and the server under test, take a connection."""
    file = ROOT / "scenarios" / name / "compose.yaml"
    for service, content in read_compose(file)["services"].items():
        test = str(content["healthcheck"].get("test"))
        if ports := content.get("ports"):
            port = ports[0].rpartition(":")[2]
            assert f"/dev/tcp/127.0.0.1/{port}" in test, f"{relative(file)}, {service}: test a connection to {port}"
        elif service == f"{name}-app":
            assert ".connect(" in test, f"{relative(file)}, {service}: test a connection to the server"
        assert not re.search("http|GET|curl|wget", test), f"{relative(file)}, {service}: the test sends a request"


@pytest.mark.parametrize("file", COMPOSE_FILES, ids=relative)
def test_a_base_image_can_be_named(file: Path) -> None:
    """Where no registry is reached, a person names what the lab built; one variable stands for one image."""
    named = defaultdict(set)
    for service in read_compose(file)["services"].values():
        for argument, text in ((service.get("build") or {}).get("args") or {}).items():
            if match := NAMED_IMAGE.fullmatch(str(text)):
                named[match[1]].add(match[2])
            else:
                assert not argument.endswith("_IMAGE"), f"{relative(file)}: write {argument}: ${{{argument}:-{text}}}"
    for variable, images in named.items():
        assert len(images) == 1, f"{relative(file)}: {variable} is {' and '.join(sorted(images))}; use two names"


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_compose_and_dockerfile_agree(file: Path, name: str, service: dict[str, Any]) -> None:
    """`docker build` by hand makes the documented image: what Compose hands over by default is the ARG's default."""
    build = service.get("build") or {}
    dockerfile = (file.parent / build.get("context", ".") / build.get("dockerfile", "Dockerfile")).resolve()
    for argument, value in (build.get("args") or {}).items():
        defaults = set(re.findall(rf"^ARG {argument}(?:=(\S+))?$", text_of(dockerfile), re.M))
        assert defaults == {fill(str(value), {})}, f"{relative(dockerfile)}: ARG {argument}, {name}: {value}"


# -- scenarios ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENARIOS)
def test_services_carry_the_scenarios_name(name: str) -> None:
    """The root file includes them all, so names must differ; the role is what follows. One is `app`."""
    services = yaml.safe_load((ROOT / "scenarios" / name / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for service in services:
        assert service.startswith(f"{name}-"), f"scenarios/{name}/compose.yaml: call {service} {name}-{service}"
    assert f"{name}-app" in services, f"scenarios/{name}/compose.yaml: call the server under test {name}-app"


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_factor_has_one_documented_value(name: str) -> None:
    """Used twice with two defaults, the documented stack would contradict itself."""
    directory = ROOT / "scenarios" / name
    documented = loader.load(ROOT, name).factors
    for factor, default in FACTOR.findall((directory / "compose.yaml").read_text(encoding="utf-8")):
        if factor in documented:
            assert default == documented[factor], (
                f"scenarios/{name}/compose.yaml: {factor} is once {documented[factor]!r}, once {default!r}"
            )


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_sign_says_of_itself_is_for_readers(name: str) -> None:
    """Pages and bug reports quote a sign's docstring: what it raises, takes or returns is a matter for its comments."""
    for experiment in loader.load(ROOT, name).experiments.values():
        for claim in experiment.claims:
            assert not re.search(r"\b(Raises|Returns|Error)\b", claim.sign.__doc__ or ""), claim.id


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_has_a_readme_with_its_generated_parts(name: str) -> None:
    """Claims and figures in it come from the recorded run, never from a hand."""
    readme = ROOT / "scenarios" / name / "README.md"
    assert readme.is_file(), f"write {relative(readme)}: the story, the claims, the finding, how to see it by hand"
    text = readme.read_text(encoding="utf-8")
    curves = ["curves"] if any(row.curves for row in loader.load(ROOT, name).experiments.values()) else []
    for part in ("claims", "results", *curves):
        marker = f"<!-- generated: {part}/{name} -->"
        assert marker in text, f"{relative(readme)}: add {marker} and <!-- end -->, then run `make docs`"
    assert text.count("<!-- generated:") == text.count("<!-- end -->"), f"{relative(readme)}: a part has no end"


@pytest.mark.parametrize("name", having(bugreport_spec.FILE))
def test_what_is_worth_telling_upstream_is_whole(name: str) -> None:
    """Each upstream.yaml is well-formed, its texts name factors that exist, and a bug names known threads."""
    found = loader.load(ROOT, name)
    for report in bugreport_spec.load(found).reports:
        where = f"scenarios/{name}/upstream.yaml, {report.name}"
        for variant, words in report.stacks.items():
            bugreport_spec.fill(words, found.factors | report.experiment.variants[variant])
        factors = found.factors | report.experiment.variants[report.shows]
        texts = [report.title, report.expected, report.actual, report.cause, report.configuration]
        for text in (*texts, *report.answers.values(), *(step.content for step in report.steps)):
            assert "{{" not in bugreport_spec.fill(text, factors), f"{where}: {text[:60]!r} is not filled"
        assert report.known or report.state in ("new", "intended"), f"{where}: name the threads that are known"
        assert report.releases is None or report.state in ("new", "intended") or report.releases.newest, (
            f"{where}: name the newest release's variant as releases: newest"
        )


@pytest.mark.parametrize("name", having(export_spec.FILE))
def test_what_is_handed_over_is_whole(name: str) -> None:
    """Each reproducer.yaml names a sign, a variant that shows it and a control; and something drives the server."""
    found = export_spec.load(loader.load(ROOT, name))
    assert found.claim.expectations.get(found.variant) is not None, (
        f"scenarios/{name}/{export_spec.FILE}: {found.claim.id} says nothing of the variant {found.variant}"
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_build_context_is_closed(name: str) -> None:
    """What is not named does not get into the image: an edited README would build all images anew."""
    ignore = ROOT / "scenarios" / name / ".dockerignore"
    assert ignore.is_file(), f"write {relative(ignore)}: `*`, then a ! line for each file that the Dockerfile copies"
    assert ignore.read_text(encoding="utf-8").splitlines()[0] == "*", f"{relative(ignore)}: begin with *"


@pytest.mark.parametrize("name", having(script.FILE))
def test_what_can_be_shown_is_whole(name: str) -> None:
    """Each demo.yaml is well-formed, and its acts are variants that a claim of the closing tells apart."""
    found = loader.load(ROOT, name)
    demo = script.load(found)
    acts = {act.variant for act in demo.acts}
    told = [claim for claim in demo.experiment.claims if claim.id in demo.claims]
    assert any(acts & set(claim.expectations) for claim in told), (
        f"scenarios/{name}/demo.yaml: name a claim in closing that is about one of the acts"
    )


def test_the_root_file_includes_every_stack() -> None:
    """So that `docker compose` by hand knows them all."""
    included = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["include"]
    for file in COMPOSE_FILES:
        assert relative(file) in included, f"compose.yaml: add `- {relative(file)}` below include"
    for path in included:
        assert (ROOT / path).is_file(), f"compose.yaml: remove {path}, which is not there"


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/workshop.md"])
def test_the_pages_about_all_scenarios(page: str) -> None:
    """They have generated parts too, so a new scenario appears in them by itself."""
    path = ROOT / page
    assert path.is_file(), f"write {page}"
    assert "<!-- generated: " in path.read_text(encoding="utf-8"), (
        f"{page}: add a generated part, see docs/authoring.md"
    )


# -- images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", DOCKERFILES, ids=relative)
def test_every_base_is_pinned(file: Path) -> None:
    """FROM names an argument whose default has a tag, so that the lab can put a substitute in its place."""
    text = text_of(file)
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.M))
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.M))
    for source in re.findall(r"^FROM (\S+)", text, re.M):
        if source in stages or file == BASE:
            continue
        argument = re.fullmatch(r"\$\{(\w+_IMAGE)\}", source)
        assert argument, f"{relative(file)}: write `ARG X_IMAGE={source}` and `FROM ${{X_IMAGE}}`"
        image = defaults.get(argument[1], "")
        assert re.fullmatch(r"[\w./-]+:[\w.-]+", image), (
            f"{relative(file)}: give ARG {argument[1]} a default with a tag"
        )
    assert "latest" not in text, f"{relative(file)}: name a version instead of latest"


def faults_of_pip(dockerfile: str) -> list[str]:
    """What is wrong with the calls of `pip install`, `wheel` and `download` in a Dockerfile's joined lines."""
    return [
        f"{command}: {fault}"
        for line in dockerfile.splitlines()
        for command in re.findall(r"\bpip (?:install|wheel|download) [^&;|\n]*", line)
        for fault in _faults(command.replace('"', "").split()[2:])
    ]


def _faults(words: list[str]) -> Iterator[str]:
    lists = [after for word, after in pairwise(words) if word == "-r"]
    beside = [after for word, after in pairwise(words) if word in ("--wheel-dir", "--dest")]
    packages = [word for word in words if not word.startswith("-") and word not in (*lists, *beside)]
    if not packages and not lists:
        yield "name the packages"
    # A path is what an earlier call, whose packages are pinned, has put into the image.
    if not all("==" in word or word.startswith("/") for word in packages):
        yield "pin each package with =="
    if "--no-deps" not in words:
        yield "add --no-deps and name the dependencies"
    if lists and (packages or "--require-hashes" not in words):
        yield "install a list by a call of its own, with --require-hashes"


@pytest.mark.parametrize("file", [*DOCKERFILES, SCAFFOLD], ids=relative)
def test_every_package_is_pinned(file: Path) -> None:
    """pip gets NAME==VERSION, or lists with hashes, and resolves nothing: old pips know no requires-python."""
    assert faults_of_pip(text_of(file)) == [], relative(file)


@pytest.mark.parametrize(
    ("dockerfile", "faults"),
    [
        ('RUN pip install --no-deps "a==${A}"\nRUN echo b', 0),
        ("RUN pip install --no-deps --require-hashes -r /srv/a.txt -r /srv/b.txt && pip wheel --no-deps a==1", 0),
        ("RUN case 1 in 2) pip install --no-deps a==1 ;; *) pip install --no-deps a ;; esac", 1),
        ("RUN pip download --no-deps --dest /a a==1 && pip wheel --no-deps --wheel-dir /b /a", 0),
        ("RUN pip download --no-deps --dest /a a", 1),
        ("RUN echo a==1 | pip install --no-deps", 1),
        ("RUN pip install a==1", 1),
        ("RUN python3 -m pip install --no-deps -r a.txt", 1),
        ("RUN pip install --no-deps --require-hashes -r a.txt a==1", 1),
        ("RUN pip install", 2),
    ],
)
def test_a_call_of_pip_is_read_to_its_end_and_no_further(dockerfile: str, faults: int) -> None:
    """The line is the limit: the next RUN is none of pip's words."""
    assert len(faults_of_pip(f"{dockerfile} \n" if dockerfile.endswith("install") else dockerfile)) == faults


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.py")), ids=relative)
def test_every_script_can_be_imported(path: Path) -> None:
    """mypy does not check the scripts, so a renamed function would break one without notice."""
    importlib.import_module(path.stem)


@pytest.mark.parametrize("path", lock.lists(), ids=relative)
def test_every_list_of_packages_has_hashes(path: Path) -> None:
    """NAME==VERSION with the hashes of its files, and nothing that says where to get it; as `make lock` writes it."""
    text = path.read_text(encoding="utf-8")
    held = {
        entry.split()[0]: re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry)
        for entry in text.replace("\\\n", "").splitlines()
        if not entry.startswith("#")
    }
    assert all(held.values()), f"{relative(path)}: run `make lock`"
    assert lock.locked(text, held.__getitem__) == text, f"{relative(path)}: run `make lock`"
    assert "://" not in text, f"{relative(path)}: remove the address"


def test_make_lock_writes_the_lists_of_one_scenario_where_it_is_named() -> None:
    """Each pin is a question to the index, so nobody must wait for the lists of all others."""
    chosen = lock.lists("failed-startup")
    assert chosen and all(path.parent == ROOT / "scenarios" / "failed-startup" / "requirements" for path in chosen)
    assert set(chosen) < set(lock.lists())
    with pytest.raises(LabError, match="scenarios/failed/requirements has no list"):
        lock.lists("failed")


@pytest.mark.parametrize("line", ["a", "a>=1", "a==1.*", "a @ b", "-r b.txt", "--index-url x", "a[b]==1"])
def test_what_is_no_pin_is_not_locked(line: str) -> None:
    """A list holds releases alone."""
    with pytest.raises(LabError, match="is not a pin"):
        lock.locked(f"{line}\n", lambda pin: [])


def test_a_pin_gets_its_hashes_and_keeps_its_marker() -> None:
    """Whatever hashes it had: those are the old release's where the pin was changed by hand."""
    text = '# why\na==2 ; python_version < "3.7" \\\n    --hash=sha256:00\nb-c==1.0\n'
    written = lock.locked(text, lambda pin: [f"--hash=sha256:{pin}"])
    assert written == (
        '# why\na==2 ; python_version < "3.7" \\\n    --hash=sha256:a==2\nb-c==1.0 \\\n    --hash=sha256:b-c==1.0\n'
    )


# What apt is asked for: NAME=VERSION, where VERSION may come from an argument.
APT_PIN = re.compile(r"(?<![\w-])([a-z0-9][a-z0-9.+-]+)=([^\s\"'=]+)")
APT_INSTALL = re.compile(r"\bapt-get (?:\S+ )*?install ([^&;|\n]*)")


def is_upstreams(version: str) -> bool:
    """Whether a pattern leaves Debian's revision open: Debian replaces revisions, and keeps none that it replaced."""
    return version.endswith("*") and ("-" not in version or version.endswith("-*"))


VARIANTS = [
    variant
    for name in SCENARIOS
    for experiment in loader.load(ROOT, name).experiments.values()
    for variant in experiment.variants.values()
]


def apt_pins(text: str, values: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    """(package, version) for each pin in calls of `apt-get install`, with each value that an argument may have."""
    for words in APT_INSTALL.findall(text):
        for package, version in APT_PIN.findall(words):
            argument = re.fullmatch(r"\$\{(\w+)\}", version)
            for value in values[argument[1]] if argument else [version]:
                yield package, value


def build_values(dockerfile: Path) -> dict[str, set[str]]:
    """What a Dockerfile's arguments may be: their defaults, and what compose files and variants give them."""
    values: dict[str, set[str]] = defaultdict(set)
    for name, default in re.findall(r"^ARG (\w+)=(\S+)$", text_of(dockerfile), re.M):
        values[name].add(default)
    for file in COMPOSE_FILES:
        for service in yaml.safe_load(file.read_text(encoding="utf-8"))["services"].values():
            build = service.get("build") or {"context": ".", "dockerfile": ""}
            if (file.parent / build["context"] / build.get("dockerfile", "Dockerfile")).resolve() == dockerfile:
                for name, value in (build.get("args") or {}).items():
                    values[name].add(FACTOR.sub(r"\2", value))
    for variant in VARIANTS:
        for name in values.keys() & variant.keys():
            values[name].add(variant[name])
    return values


@pytest.mark.parametrize("file", DOCKERFILES, ids=relative)
def test_packages_of_debian_are_pinned_to_upstreams_version(file: Path) -> None:
    """Debian's revision is open in a pin: an archive has the newest alone, and the image must build next year too."""
    pins = list(apt_pins(text_of(file), build_values(file)))
    assert pins or file == BASE or "apt-get" not in text_of(file), f"{relative(file)}: pin what apt installs"
    for package, version in pins:
        assert is_upstreams(version), f"{relative(file)}: pin {package}={version} to upstream's version, as in 1.22.1-*"


def test_scripts_pin_no_revision_of_debians() -> None:
    """Nor do the lab's own calls of apt-get."""
    for path in tracked():
        if path.is_relative_to(ROOT / "scripts") or path in (ROOT / "Makefile", ROOT / ".ci" / "run"):
            for package, version in apt_pins(text_of(path), {}):
                assert is_upstreams(version), f"{relative(path)}: pin {package}={version} to upstream's version"


@pytest.mark.parametrize(
    ("version", "open_"),
    [
        ("1.22.1-*", True),
        ("2.2.5+dfsg2-*", True),
        ("1*", True),
        ("4:1*", True),
        ("1.22.1-9+deb12u10", False),
        ("2.2.5+dfsg2-7", False),
        ("4.1.0-3*", False),
        ("1.22.1-9+deb12u*", False),
        ("1.22.1", False),
    ],
)
def test_a_revision_of_debians_is_told_from_upstreams_version(version: str, open_: bool) -> None:
    """All that follows the last dash is the revision."""
    assert is_upstreams(version) is open_
    pins = list(apt_pins('RUN apt-get update && apt-get install --yes "h2o=${H2O}" b', {"H2O": [version]}))
    assert pins == [("h2o", version)]


def test_compilers_are_one_layer() -> None:
    """What installs them has the same lines in every image, so that it runs once for a Debian release."""
    stages = {
        relative(file): stage.split("\nCOPY ")[0]
        for file in DOCKERFILES
        for stage in re.split(r"^FROM ", text_of(file), flags=re.M)
        if " gcc" in stage.replace('"', " ").split("\nCOPY ")[0]
    }
    assert len(stages) > 1
    assert len(set(stages.values())) == 1, f"begin the stages alike in {', '.join(stages)}"


@pytest.mark.parametrize("file", DOCKERFILES, ids=relative)
def test_images_run_as_nobody_special(file: Path) -> None:
    """Every final stage, and every one that has a program, names a user that is not root."""
    if file == BASE:
        return
    for stage in re.split(r"^FROM ", text_of(file), flags=re.M)[1:]:
        if "ENTRYPOINT" in stage or "CMD" in stage:
            users = re.findall(r"^USER (\S+)$", stage, re.M)
            assert users, f"{relative(file)}: add `USER 1000:1000` to the stage {stage.splitlines()[0]!r}"
            assert users[-1].split(":")[0] not in ("0", "root"), f"{relative(file)}: USER must not be root"


@pytest.mark.parametrize("file", DOCKERFILES, ids=relative)
def test_no_download_goes_into_a_shell(file: Path) -> None:
    """What is installed comes from a package manager that checks it."""
    text = text_of(file)
    # As a command; `curl=7...` is a package that is installed.
    assert not re.search(r"\b(curl|wget)\b(?!=)", text), (
        f"{relative(file)}: install from a package instead of a download"
    )
    assert not re.search(r"^ADD ", text, re.M), f"{relative(file)}: use COPY; ADD fetches and unpacks"


# -- the tree -------------------------------------------------------------------------------------


def tracked() -> list[Path]:
    """Every file that is, or would be, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert found, "git lists no files: run the tests in a checkout"
    return found


def test_a_list_of_the_engine_survives_what_ends_meanwhile() -> None:
    """The SDK asks for each listed image or container by itself: it fails if another process removes one meanwhile."""
    for path in (*(ROOT / "scripts").rglob("*.py"), *(ROOT / "tests").rglob("*.py")):
        text = path.read_text("utf-8")
        assert not re.search(r"images\.list\(", text), f"{relative(path)}: call reprolab.engine.images.listed_images()"
        for call in re.findall(r"containers\.list\([^)]*", text):
            assert "ignore_removed=True" in call, f"{relative(path)}: {call}: pass ignore_removed=True"


def test_no_registry_is_named() -> None:
    """Where packages and images come from is the machine's own matter: its configuration says it, no file here."""
    pattern = re.compile("|".join(re.escape(name) for group in REGISTRIES for name in group.split("|")).encode())
    for path in tracked():
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        hit = pattern.search(content.lower())
        assert not hit, f"{relative(path)}: remove {hit[0].decode()}; name no registry's host" if hit else ""


def test_the_lock_file_is_a_list_of_hashes() -> None:
    """Every package is pinned with its hashes, and nothing says where to get it."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text, "requirements.lock: run `make lock`, which leaves addresses out"
    for line in text.replace("\\\n", "").splitlines():
        if line and not line.lstrip().startswith(("#", "--")):
            assert re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:", line), f"requirements.lock: no hash for {line[:40]!r}"
        assert not line.startswith(("--index", "-i ", "--extra", "--find", "--trusted")), (
            f"requirements.lock: remove {line}"
        )


def test_no_large_file_is_tracked() -> None:
    """Evidence belongs below results/; recorded runs for the tests are thinned out."""
    for path in tracked():
        assert path.stat().st_size < 300_000, f"{relative(path)}: thin it out, or leave it to results/"


@pytest.mark.parametrize("name", SCENARIOS)
def test_values_are_those_that_the_server_knows(name: str) -> None:
    """compose.yaml lists for a factor what start.sh, or a table of the application, has a meaning for, and no more."""
    directory = ROOT / "scenarios" / name
    found = loader.load(ROOT, name)
    for factor, words in [*cases(directory / "start.sh"), *meanings(directory / "app")]:
        assert set(found.values.get(factor, ())) == words, (
            f"scenarios/{name}/compose.yaml: x-reprolab.values.{factor} and what is done with it differ"
        )


def cases(file: Path) -> Iterator[tuple[str, set[str]]]:
    """Each `case "$FACTOR" in` of a script that takes nothing else, and the words that it knows."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    for factor, body in re.findall(r'^case "\$(\w+)" in\n(.*?)^esac$', text, re.M | re.S):
        labels = re.findall(r"^    ([\w|* -]+)\)", body, re.M)
        if "*" in labels:
            yield factor, {word for label in labels if label != "*" for word in label.split(" | ")}


def meanings(directory: Path) -> Iterator[tuple[str, set[str]]]:
    """Each `chosen("FACTOR", TABLE)` of an application whose table is written out, and the values in the table."""
    for file in sorted(directory.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        tables = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
        for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
            if ast.unparse(call.func) == "chosen":
                table = tables.get(ast.unparse(call.args[1]), call.args[1])
                keys = table.keys if isinstance(table, ast.Dict) else []
                if keys and None not in keys:
                    yield ast.literal_eval(call.args[0]), {ast.literal_eval(key) for key in keys if key}


# They say nothing of what they hold: a scenario, a run, a line.
EMPTY_NAMES = {"found", "one", "own", "told", "say", "made"}
CODE = sorted({*(ROOT / "scripts").rglob("*.py"), *(ROOT / "scenarios").glob("*/*.py")})


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every variable and parameter of functions and modules, with its line; a field of a class is none."""
    fields = {id(node.target) for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in fields:
            yield node.id, node.lineno


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_variables_are_named_after_what_they_hold(path: Path) -> None:
    """A reader knows what a name stands for without looking where it was set."""
    names = bound_names(ast.parse(path.read_text(encoding="utf-8")))
    assert [f"line {line}: {name}" for name, line in names if name in EMPTY_NAMES] == []
