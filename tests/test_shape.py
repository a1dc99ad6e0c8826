"""The shape of the tree: what every scenario and every image must have, told with the fix."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import ROOT, having
from reprolab import reproducer, scenario, upstream
from reprolab.scenario import FACTOR
from reprolab.stage import script

SCENARIOS = scenario.names(ROOT)
COMPOSE_FILES = [ROOT / "images" / "compose.yaml", *(ROOT / "scenarios" / name / "compose.yaml" for name in SCENARIOS)]
DOCKERFILES = sorted(
    path
    for pattern in ("images/*/Dockerfile", "scenarios/*/Dockerfile*", "scenarios/*/reproducer/Dockerfile")
    for path in ROOT.glob(pattern)
)
SERVICES = [
    pytest.param(file, name, service, id=f"{file.parent.name}:{name}")
    for file in COMPOSE_FILES
    for name, service in yaml.safe_load(file.read_text(encoding="utf-8"))["services"].items()
]
# What a root master needs that gives its workers another user (a variant of user.py); nothing in it reaches the host.
CAPABILITIES = {"gunicorn-settings-app": ["CHOWN", "KILL", "SETGID", "SETUID"]}
# A stand-in for an official image: it has what those have, a root user included.
BASE = ROOT / "images" / "base" / "Dockerfile"
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
    """Old servers with known holes run here: no capability, no way to more, limits, and an init."""
    where = f"{relative(file)}, {name}"
    wanted = {"init": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
    for key, value in wanted.items():
        assert service.get(key) == value, f"{where}: set {key}: {value} (or `<<: *hardened`)"
    for key in ("pids_limit", "mem_limit"):
        assert service.get(key), f"{where}: set a {key} (or `<<: *hardened`)"


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
            assert ":" in FACTOR.sub("x", text), f"{relative(file)}, {name}: give {argument} ({text!r}) a tag"


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
    documented = scenario.load(ROOT, name).factors
    for factor, default in FACTOR.findall((directory / "compose.yaml").read_text(encoding="utf-8")):
        if factor in documented:
            assert default == documented[factor], (
                f"scenarios/{name}/compose.yaml: {factor} is once {documented[factor]!r}, once {default!r}"
            )


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_sign_says_of_itself_is_for_readers(name: str) -> None:
    """Pages and bug reports quote a sign's docstring: what it raises, takes or returns is a matter for its comments."""
    for experiment in scenario.load(ROOT, name).experiments.values():
        for claim in experiment.claims:
            assert not re.search(r"\b(Raises|Returns|Error)\b", claim.sign.__doc__ or ""), claim.id


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_has_a_readme_with_its_generated_parts(name: str) -> None:
    """Claims and figures in it come from the recorded run, never from a hand."""
    readme = ROOT / "scenarios" / name / "README.md"
    assert readme.is_file(), f"write {relative(readme)}: the story, the claims, the finding, how to see it by hand"
    text = readme.read_text(encoding="utf-8")
    for part in ("claims", "results"):
        marker = f"<!-- generated: {part}/{name} -->"
        assert marker in text, f"{relative(readme)}: add {marker} and <!-- end -->, then run `make docs`"
    assert text.count("<!-- generated:") == text.count("<!-- end -->"), f"{relative(readme)}: a part has no end"


@pytest.mark.parametrize("name", having(upstream.FILE))
def test_what_is_worth_telling_upstream_is_whole(name: str) -> None:
    """Each upstream.yaml is well-formed, its texts name factors that exist, and a bug names known threads."""
    found = scenario.load(ROOT, name)
    for report in upstream.load(found).reports:
        where = f"scenarios/{name}/upstream.yaml, {report.name}"
        for variant, words in report.stacks.items():
            upstream.fill(words, found.factors | report.experiment.variants[variant])
        factors = found.factors | report.experiment.variants[report.shows]
        texts = [report.title, report.expected, report.actual, report.cause, report.configuration]
        for text in (*texts, *report.answers.values(), *(step.content for step in report.steps)):
            assert "{{" not in upstream.fill(text, factors), f"{where}: {text[:60]!r} is not filled"
        assert report.known or report.state in ("new", "intended"), f"{where}: name the threads that are known"
        assert report.releases is None or report.state in ("new", "intended") or report.releases.newest, (
            f"{where}: name the newest release's variant as releases: newest"
        )


@pytest.mark.parametrize("name", having(reproducer.FILE))
def test_what_is_handed_over_is_whole(name: str) -> None:
    """Each reproducer.yaml names a sign, a variant that shows it and a control; and something drives the server."""
    found = reproducer.load(scenario.load(ROOT, name))
    assert found.claim.expectations.get(found.variant) is not None, (
        f"scenarios/{name}/{reproducer.FILE}: {found.claim.id} says nothing of the variant {found.variant}"
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
    found = scenario.load(ROOT, name)
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


@pytest.mark.parametrize("page", ["README.md", "docs/claims.md"])
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


@pytest.mark.parametrize("file", DOCKERFILES, ids=relative)
def test_every_package_is_pinned(file: Path) -> None:
    """pip gets NAME==VERSION or a list of such, and resolves nothing: old pips know no requires-python."""
    for command in re.findall(r"pip install ([^&;|\n]*)", text_of(file)):
        where = f"{relative(file)}: pip install {command.strip()}"
        words = command.replace('"', "").split()
        lists = [words[n + 1] for n, word in enumerate(words[:-1]) if word == "-r"]
        packages = [word for word in words if not word.startswith("-") and word not in lists]
        assert all("==" in word for word in packages), f"{where}: pin each package with =="
        assert packages or lists, f"{where}: name the packages"
        if file != BASE:
            assert "--no-deps" in words, f"{where}: add --no-deps and name the dependencies"
    for requirements in file.parent.glob("requirements/*.txt"):
        for line in requirements.read_text(encoding="utf-8").splitlines():
            assert re.match(r"[\w.-]+==[\w.]+(;|$|\s)", line), f"{relative(requirements)}: pin {line!r} with =="


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
def test_values_are_those_that_start_knows(name: str) -> None:
    """compose.yaml lists for a factor the same words as the scenario's start.sh, where that refuses others."""
    start = ROOT / "scenarios" / name / "start.sh"
    text = start.read_text(encoding="utf-8") if start.is_file() else ""
    found = scenario.load(ROOT, name)
    for factor, words in re.findall(r'^one_of "\$\w+" (\w+) (.*)$', text, re.M):
        assert found.values.get(factor) == tuple(words.split()), (
            f"scenarios/{name}/compose.yaml: x-reprolab.values.{factor} and start.sh differ"
        )
