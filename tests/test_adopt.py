"""A user's stack as a scenario: roles, factors, what is left out, secrets, copies. No container is started here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from adoption import API_KEY, PASSWORD, SECRETS, TOKEN, stack, with_secrets
from click.testing import CliRunner, Result
from reprolab.adopt import names
from reprolab.adopt.changes import Changes
from reprolab.adopt.copies import Copies, is_secret_file, with_base_arguments
from reprolab.adopt.made_up import MadeUp
from reprolab.adopt.mounts import Mounts
from reprolab.adopt.services import Services
from reprolab.adopt.variables import Factors, variable_names
from reprolab.cli import main
from reprolab.core.config_file import read_yaml
from reprolab.core.errors import Exit, UsageError
from reprolab.scenario import lab_folder, loader

# -- roles ---------------------------------------------------------------------------------------


def test_services_get_roles() -> None:
    """The chosen ones by the options; the others keep their names, but for those that the lab itself uses."""
    chosen = names.choose("shop", {"web": {}, "proxy": {}, "client": {}, "My_DB": {}}, "web")
    assert chosen.roles == {"web": "app", "proxy": "proxy-service", "client": "client-service", "My_DB": "my-db"}
    assert chosen.service("My_DB") == "shop-my-db"
    assert names.choose("shop", {"a": {}, "b": {}, "c": {}}, "a", "b", ["c"]).roles == {"a": "app", "b": "proxy"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("wep",), r"--app wep: the stack has no service 'wep' \(did you mean web\?\)\n.*one of web, db"),
        (("web", "nginx"), "--proxy nginx: the stack has no service"),
        (("web", "web"), "cannot both be"),
        (("web", "", ["web"]), "cannot both be"),
        (("web", "", ["redis"]), "--without redis"),
    ],
)
def test_unknown_services_are_named(options: tuple[Any, ...], message: str) -> None:
    """With the closest name, and those that there are."""
    with pytest.raises(UsageError, match=message):
        names.choose("shop", {"web": {}, "db": {}}, *options)


# -- factors -------------------------------------------------------------------------------------


def merged(filled: Any, written: Any, **values: str) -> tuple[Any, dict[str, str], list[str]]:
    """The merged part, its factors, and what was noted."""
    factors = Factors(values, Changes())
    part = factors.merge(filled, written, "web")
    return part, factors.names, [change.what for change in factors.changes.rows]


def test_variables_become_factors_with_the_present_value() -> None:
    """A value of .env stands before the default; the forms without braces and without a default too."""
    filled = {"environment": {"A": "4", "B": "x-2", "C": "30"}, "command": ["run", "--workers", "4"]}
    written = {
        "environment": ["A=${WORKERS:-2}", "B=$NAME-2", "C=${LIMIT-30}"],
        "command": "run --workers ${WORKERS:-2}",
    }
    part, factors, notes = merged(filled, written, WORKERS="4", NAME="x")
    assert part["environment"] == {"A": "${WORKERS:-4}", "B": "${NAME:-x}-2", "C": "${LIMIT:-30}"}
    assert part["command"] == ["run", "--workers", "${WORKERS:-4}"]
    assert factors == {"WORKERS": "4", "NAME": "x", "LIMIT": "30"} and notes == []


def test_a_limit_is_a_factor_though_compose_writes_it_otherwise() -> None:
    """256m is 268435456 in the model."""
    assert merged({"mem_limit": "268435456"}, {"mem_limit": "${MEM:-256m}"})[0] == {"mem_limit": "${MEM:-256m}"}


@pytest.mark.parametrize(
    ("filled", "written", "values"),
    [
        ("x", "${A:-${B:-x}}", {}),  # nested
        ("yes", "${A:+yes}", {"A": "1"}),
        ("1", "${lower:-1}", {}),
        ("4", "${LOAD_THREADS:-4}", {}),  # the lab's own name
        ("a$$b", "${A:-x}", {"A": "a$b"}),
        ("python:3", "${PYTHON_IMAGE:-python:3}", {}),
    ],
)
def test_what_cannot_be_a_factor_keeps_its_value(filled: str, written: str, values: dict[str, str]) -> None:
    """And is named."""
    part, factors, notes = merged({"environment": {"X": filled}}, {"environment": {"X": written}}, **values)
    assert part == {"environment": {"X": filled}} and not factors
    assert notes and "keeps its present value" in notes[0]


def test_a_secret_is_no_factor() -> None:
    """Its value would stand in the file, and in each report."""
    part, factors, notes = merged({"P": "hunter2"}, {"P": "${DB_PASSWORD:-hunter2}"})
    assert part == {"P": "hunter2"} and not factors and not notes


def test_an_escaped_dollar_is_no_variable() -> None:
    """It stays as it is."""
    assert merged({"A": "$${NOT}"}, {"A": "$${NOT}"})[0] == {"A": "$${NOT}"}
    assert variable_names({"a": ["$${NOT}", "$ONE ${TWO:-${THREE}}"]}) == {"ONE", "TWO", "THREE"}


# -- secrets -------------------------------------------------------------------------------------


def test_one_secret_has_one_made_up_value_everywhere() -> None:
    """So a password of a database and the address that has it agree."""
    environment = {"DB_PASSWORD": "pw1", "URL": "postgres://shop:pw1@db/x", "DSN": "https://0123456789abcdef01@host/1"}
    made_up = MadeUp()
    made_up.learn(environment)
    replaced = made_up.replace(environment)
    assert replaced["URL"] == f"postgres://shop:{replaced['DB_PASSWORD']}@db/x"
    assert "0123456789abcdef01" not in str(replaced) and "pw1" not in str(replaced)
    assert made_up.replace(replaced) == replaced


@pytest.mark.parametrize(
    "value", [API_KEY, "ghp_" + "a" * 36, "AKIA" + "A" * 16, "eyJhbGciOiJI1." + "eyJzdWIiOi2.sig-x"]
)
def test_keys_of_known_forms_are_secrets_under_any_name(value: str) -> None:
    """In an environment, in a command and in a list."""
    part = {"environment": {"STRIPE": value}, "command": ["run", f"--with={value}"], "labels": [f"a={value}"]}
    made_up = MadeUp()
    made_up.learn(part)
    assert value.split(".")[0] not in str(made_up.replace(part))


def replaced(part: Any, *hosts: str) -> Any:
    """A part of a model with made-up values."""
    made_up = MadeUp(frozenset(hosts))
    made_up.learn(part)
    return made_up.replace(part)


def test_options_of_commands_have_made_up_values() -> None:
    """With `=`, with a space, in the next word; what the shell puts in stays."""
    part = {
        "command": ["redis-server", "--requirepass", "first-one", "--port", "6379"],
        "test": ["CMD-SHELL", "ping --password=second-one --user x --token third-one"],
        "shell": ["CMD-SHELL", 'ping --password="$$(cat /run/secrets/pw)" --silent'],
        "environment": {"GREETING": "the secret is out"},
    }
    shown = str(replaced(part))
    assert not any(f"{word}-one" in shown for word in ("first", "second", "third"))
    assert "'--port', '6379'" in shown and "--user x" in shown
    for key in ("shell", "environment"):
        assert replaced(part)[key] == part[key]


def test_a_password_that_is_also_a_name_is_replaced_at_its_place_only() -> None:
    """User and database of the same name stay: their length has limits, and other files name them."""
    part = {"USER_NAME": "wordpress", "DB_PASSWORD": "wordpress", "URL": "mysql://wordpress:wordpress@db/wordpress"}
    shown = replaced(part)
    password = shown["DB_PASSWORD"]
    assert password != "wordpress" and shown["USER_NAME"] == "wordpress"
    assert shown["URL"] == f"mysql://wordpress:{password}@db/wordpress"
    assert replaced({"A": "pa55word-123456", "B_TOKEN": "pa55word-123456"})["A"] != "pa55word-123456"


def test_what_only_sounds_like_a_secret_stays() -> None:
    """Switches, small numbers, paths of files, and addresses in the stack: a made-up one would break the stack."""
    part = {
        "AUTH_ENABLED": "true",
        "POSTGRES_HOST_AUTH_METHOD": "trust",
        "TOKEN_TTL": "3600",
        "PASSWORD_FILE": "/run/secrets/pw",
        "AUTH_URL": "http://auth:8000/x",
        "GREETING": "hello",
    }
    made_up = MadeUp(frozenset({"auth"}))
    made_up.learn(part)
    assert made_up.replace(part) == part and not made_up.values
    assert made_up.is_secret("AUTH_URL", "http://u:p@auth/") and made_up.is_secret("AUTH_URL", "http://elsewhere/key")


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        (".env", True),
        (".env.local", True),
        (".env.example", False),
        ("conf/prod.env", True),
        ("certs/site.key", True),
        (".ssh/id_ed25519", True),
        ("secrets.yml", True),
        ("secrets/db.txt", True),
        ("environment.py", False),
        ("keys.py", False),
        ("monkey.js", False),
    ],
)
def test_files_that_hold_secrets_by_their_names(name: str, is_secret: bool) -> None:
    """Neither copied into a build context nor mounted."""
    assert is_secret_file(Path(name)) is is_secret


# -- services ------------------------------------------------------------------------------------


def adopted(
    folder: Path, section: dict[str, Any], port: int = 0, **others: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """The service `web` of a stack as the role app, and what was changed: place -> what."""
    changes, made_up = Changes(), MadeUp()
    chosen = names.choose("shop", {"web": section, **others}, "web")
    target = folder / "scenario"
    target.mkdir(exist_ok=True)
    mounts = Mounts(folder, chosen, Copies(target, changes, made_up), changes, made_up)
    service = Services(chosen, mounts, changes, port).adopted("web", section)
    return service, {change.where: change.what for change in changes.rows}


PORTS = {"image": "x", "ports": [{"target": 80, "published": "8080", "protocol": "tcp"}]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("container_name", "shop_web"),
        ("restart", "always"),
        ("privileged", True),
        ("cap_add", ["SYS_ADMIN"]),
        ("devices", ["/dev/kvm"]),
        ("pid", "host"),
        ("ipc", "host"),
        ("userns_mode", "host"),
        ("security_opt", ["seccomp:unconfined"]),
        ("volumes_from", ["db"]),
        ("logging", {"driver": "syslog"}),
        ("a_key_of_a_later_compose", "yes"),
    ],
)
def test_what_the_lab_must_not_keep_is_left_out_and_named(tmp_path: Path, key: str, value: object) -> None:
    """Each with its place and its reason."""
    service, changes = adopted(tmp_path, {**PORTS, key: value})
    assert value not in service.values()
    assert [what for where, what in changes.items() if where.startswith(f"web.{key}")] == ["left out"]


def test_ports_move_to_loopback_without_a_number(tmp_path: Path) -> None:
    """The one of --port comes first; without `ports` the first of `expose` is published."""
    assert adopted(tmp_path, PORTS)[0]["ports"] == ["127.0.0.1::80"]
    assert adopted(tmp_path, PORTS, 9000)[0]["ports"] == ["127.0.0.1::9000", "127.0.0.1::80"]
    assert adopted(tmp_path, {"image": "x", "expose": ["8000"]})[0]["ports"] == ["127.0.0.1::8000"]
    assert "became a free port of 127.0.0.1 for 80" in adopted(tmp_path, PORTS)[1]["web.ports"]
    with pytest.raises(UsageError, match=r"web publishes no port(.|\n)*--port 8000"):
        adopted(tmp_path, {"image": "x"})


def test_the_front_is_asked_without_tls(tmp_path: Path) -> None:
    """Of 443 and 80 the port 80 takes the load, in whatever order they are written; --port decides otherwise."""
    both = {"image": "x", "ports": [{"target": 443, "published": "443"}, {"target": 80, "published": "80"}]}
    assert adopted(tmp_path, both)[0]["ports"] == ["127.0.0.1::80", "127.0.0.1::443"]
    assert adopted(tmp_path, both, 443)[0]["ports"][0] == "127.0.0.1::443"
    assert adopted(tmp_path, {"image": "x", "ports": [{"target": 8443}]})[0]["ports"] == ["127.0.0.1::8443"]


def test_a_service_without_image_and_build_is_refused(tmp_path: Path) -> None:
    """Nothing could be started."""
    with pytest.raises(UsageError, match="the service web has no image and no build"):
        adopted(tmp_path, {"ports": []})


def test_other_services_reach_it_by_its_earlier_names(tmp_path: Path) -> None:
    """Its service name, the name of its container, and what `links` of others call it."""
    section = {
        **PORTS,
        "container_name": "shop_web",
        "networks": {"back": {"aliases": ["www"], "ipv4_address": "10.0.0.9"}},
    }
    service, _ = adopted(tmp_path, section, db={"links": ["web:website", "web"]})
    assert service["networks"] == {"shop-back": {"aliases": ["web", "shop_web", "website", "www"]}}


def test_a_network_of_the_host_becomes_one_of_the_stack(tmp_path: Path) -> None:
    """A network of another service stays."""
    service, changes = adopted(tmp_path, {**PORTS, "network_mode": "host"})
    assert "network_mode" not in service and "web.network_mode" in changes
    service, _ = adopted(tmp_path, {**PORTS, "network_mode": "service:db"}, db={})
    assert service["network_mode"] == "service:shop-db" and "networks" not in service


def test_limits_of_deploy_are_kept_up_to_the_policy(tmp_path: Path) -> None:
    """Compose refuses the same limit in two places."""
    limits = {"memory": "512m", "pids": 100, "cpus": "0.5"}
    service, changes = adopted(tmp_path, {**PORTS, "deploy": {"resources": {"limits": limits}, "replicas": 3}})
    assert (service["mem_limit"], service["pids_limit"], service["cpus"]) == ("512m", 100, "0.5")
    assert "deploy" not in service and "web.deploy.replicas" in changes
    service, changes = adopted(tmp_path, {**PORTS, "mem_limit": "64g", "pids_limit": -1})
    assert service["mem_limit"] == 8 << 30 and "pids_limit" not in service and "web.mem_limit" in changes


def test_a_job_that_ends_is_refused(tmp_path: Path) -> None:
    """A service that ends makes a trial invalid."""
    section = {**PORTS, "depends_on": {"migrate": {"condition": "service_completed_successfully"}}}
    with pytest.raises(UsageError, match="--without migrate"):
        adopted(tmp_path, section, migrate={})
    assert adopted(tmp_path, {**PORTS, "depends_on": {"db": {}}}, db={})[0]["depends_on"] == {
        "shop-db": {"condition": "service_started"}
    }


# -- mounts and copies ---------------------------------------------------------------------------


def bind(source: Path, *, read_only: bool = False) -> dict[str, Any]:
    """A mount of the host at /x."""
    return {"type": "bind", "source": str(source), "target": "/x", "read_only": read_only}


def mounting(tmp_path: Path, recipe: str, mounted: str = ".", context: str = ".") -> tuple[Any, str, str]:
    """A service that mounts code at /code: its volumes, its copied Dockerfile, what became of the mount."""
    stack_folder = tmp_path / "stack"
    (stack_folder / context).mkdir(parents=True, exist_ok=True)
    (stack_folder / "src/shop").mkdir(parents=True, exist_ok=True)
    (stack_folder / "src/shop/app.py").write_text("x = 1\n")
    (stack_folder / context / "requirements.txt").write_text("flask\n")
    (stack_folder / context / "Dockerfile").write_text(f"FROM python:3.12-slim\n{recipe}\n")
    section = {**PORTS, "build": {"context": str(stack_folder / context)}}
    section["volumes"] = [{"type": "bind", "source": str(stack_folder / mounted), "target": "/code"}]
    service, changes = adopted(stack_folder, section)
    (copy,) = (stack_folder / "scenario").rglob("Dockerfile")
    (what,) = (what for where, what in changes.items() if "volumes" in where)
    return service.get("volumes"), copy.read_text(), what


@pytest.mark.parametrize(
    ("recipe", "mounted", "context"),
    [
        ("WORKDIR /code\nCOPY requirements.txt ./\nRUN pip install -r requirements.txt", ".", "."),
        ("COPY requirements.txt /", "src", "."),
        ("COPY requirements.txt /", "src", "docker"),
        ("COPY --from=node:20 /app /code", "src", "."),
    ],
)
def test_code_that_only_a_mount_brings_becomes_part_of_the_image(
    tmp_path: Path, recipe: str, mounted: str, context: str
) -> None:
    """Without it the server could not import its application."""
    volumes, text, what = mounting(tmp_path, recipe, mounted, context)
    assert volumes is None and what == "became part of the image, at /code"
    source, target = text.splitlines()[-1].removeprefix("COPY ").split()
    assert target == "/code"
    (copy,) = (tmp_path / "stack/scenario").rglob("Dockerfile")
    assert any((copy.parent / source).rglob("app.py"))


@pytest.mark.parametrize(
    "recipe",
    [
        "COPY . /code",
        "COPY src /code",
        "ADD ./ /code",
        "COPY src/shop /code/shop",
        'COPY ["src", "/code"]',
        "COPY s* /code",
    ],
)
def test_code_that_the_image_has_stays_as_it_built_it(tmp_path: Path, recipe: str) -> None:
    """The volume begins with what the Dockerfile copied; what cannot be read counts as copied."""
    volumes, text, what = mounting(tmp_path, recipe, "src")
    assert volumes == ["shop-web-code:/code"] and "volume of the stack" in what
    assert text.splitlines()[-1] == recipe


def test_data_is_no_code(tmp_path: Path) -> None:
    """A directory without Python files may be data of the user: it is not copied."""
    (tmp_path / "stack/data").mkdir(parents=True)
    (tmp_path / "stack/data/app.db").write_text("rows")
    volumes, text, _ = mounting(tmp_path, "COPY requirements.txt /", "data")
    assert volumes == ["shop-web-code:/code"] and "/code" not in text


def test_mounted_code_is_in_the_image_whatever_is_ignored(tmp_path: Path) -> None:
    """A copy beside the context's files is not left out of the build."""
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack/.dockerignore").write_text("*\n!requirements.txt\n")
    mounting(tmp_path, "COPY requirements.txt /", "src")
    (ignore,) = (tmp_path / "stack/scenario").rglob(".dockerignore")
    assert ignore.read_text().splitlines()[-1] == "!mounted-code"


def test_mounts_of_the_host(tmp_path: Path) -> None:
    """Files are copied and only read; a directory that is written to becomes a volume; the rest is left out."""
    (tmp_path / "site.conf").write_text("x")
    (tmp_path / "data").mkdir()
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/a.conf").write_text("y")
    (tmp_path / "tls.key").write_text("z")
    cases = [
        (bind(tmp_path / "site.conf"), "./files/web/site.conf:/x:ro"),
        (bind(tmp_path / "conf.d"), "./files/web/conf.d:/x:ro"),
        (bind(tmp_path / "data"), "shop-web-x:/x"),
        (bind(tmp_path / "missing"), "shop-web-x:/x"),
        (bind(tmp_path / "tls.key"), None),
        (bind(Path("/etc/localtime"), read_only=True), None),
        (bind(Path("/var/run/docker.sock")), None),
        (bind(tmp_path / "docker.sock"), None),
        ({"type": "volume", "source": "My_Data", "target": "/x"}, "shop-my-data:/x"),
        ({"type": "npipe", "source": "x", "target": "/x"}, None),
    ]
    for mount, expected in cases:
        service, changes = adopted(tmp_path, {**PORTS, "volumes": [mount]})
        assert service.get("volumes") == ([expected] if expected else None), mount
        assert expected == "shop-my-data:/x" or any("volumes" in where for where in changes), mount
    assert (tmp_path / "scenario/files/web/conf.d/a.conf").read_text() == "y"


def test_the_code_of_a_built_image_is_not_hidden_by_a_copy(tmp_path: Path) -> None:
    """A volume in place of `.:/code` has what the image has there."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    section = {"build": {"context": str(tmp_path)}, "ports": PORTS["ports"], "volumes": [bind(tmp_path)]}
    assert adopted(tmp_path / "..", section)[0]["volumes"] == ["shop-web-x:/x"]


def test_a_build_context_is_copied_without_what_it_ignores(tmp_path: Path) -> None:
    """Nor with secrets, links to elsewhere, and version control; the changes name the first two."""
    context = tmp_path / "web"
    for name in ("Dockerfile", "app.py", "big.bin", ".env", ".git/config", "lib/a.py"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text("FROM scratch\n")
    (context / "run.sh").write_text("x")
    (context / "run.sh").chmod(0o755)
    (context / "out").symlink_to("/etc/hostname")
    (context / ".dockerignore").write_text("*.bin\nDockerfile\n")
    service, changes = adopted(tmp_path, {**PORTS, "build": {"context": str(context)}})
    copy = tmp_path / "scenario/contexts/web"
    assert service["build"] == {"context": "./contexts/web"} and "image" not in service
    files = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert files == {"Dockerfile", "app.py", "lib/a.py", "run.sh", ".dockerignore"}
    assert (copy / "run.sh").stat().st_mode & 0o111
    assert changes["web.build .env"] == changes["web.build out"] == "left out"


def test_a_context_without_dockerfile_is_refused(tmp_path: Path) -> None:
    """So is an address, and an inline Dockerfile."""
    for build in ({"context": str(tmp_path)}, {"context": "https://example.org/x.git"}):
        with pytest.raises(UsageError, match="Dockerfile"):
            adopted(tmp_path, {**PORTS, "build": build})


def test_official_bases_become_arguments_of_the_build() -> None:
    """The lab can then get them also without a registry. Stages, other images and arguments of their own stay."""
    text, arguments = with_base_arguments(
        "# syntax=docker/dockerfile:1\nFROM python:3.12.1-slim-bookworm AS build\n"
        "FROM --platform=linux/amd64 debian:12\nFROM node:20\nFROM build\nFROM python:3.11.7\n"
    )
    assert arguments == {
        "PYTHON_IMAGE": "python:3.12.1-slim-bookworm",
        "DEBIAN_IMAGE": "debian:12",
        "PYTHON_2_IMAGE": "python:3.11.7",
    }
    lines = text.splitlines()
    assert lines[:2] == ["# syntax=docker/dockerfile:1", "ARG PYTHON_IMAGE=python:3.12.1-slim-bookworm"]
    assert lines[4:] == [
        "FROM ${PYTHON_IMAGE} AS build",
        "FROM --platform=linux/amd64 ${DEBIAN_IMAGE}",
        "FROM node:20",
        "FROM build",
        "FROM ${PYTHON_2_IMAGE}",
    ]
    assert with_base_arguments("FROM python:3.12-slim\n")[1] == {"PYTHON_IMAGE": "python:3.12-slim"}
    declared = "ARG BASE_IMAGE=debian:12\nFROM ${BASE_IMAGE}\n"
    assert with_base_arguments(declared) == (declared, {"BASE_IMAGE": "debian:12"})


def test_environment_files_and_secrets_in_files(tmp_path: Path) -> None:
    """A file that `env_file` names is not copied, whatever its name; one with a known secret in it is named."""
    (tmp_path / "settings").write_text("A=b")
    (tmp_path / "code.py").write_text("PASSWORD = 'known-secret-1'")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    changes, made_up = Changes(), MadeUp()
    made_up.of("known-secret-1")
    withheld = {tmp_path / "settings": "it holds secrets by its name"}
    copies = Copies(tmp_path / "out", changes, made_up, withheld)
    copies.context(tmp_path, "c", "Dockerfile", "web.build")
    assert {path.name for path in (tmp_path / "out/c").iterdir()} == {"Dockerfile", "code.py"}
    assert {(change.where, change.what) for change in changes.rows} == {
        ("web.build settings", "left out"),
        ("web.build", "look at c/code.py"),
    }
    assert (tmp_path / "out/c/code.py").read_text() == f"PASSWORD = '{made_up.of('known-secret-1')}'"


def test_no_way_leads_a_secret_file_into_a_copy(tmp_path: Path) -> None:
    """Neither a link of another name, nor a directory of a tool, nor a file that is no UTF-8."""
    folder = tmp_path / "stack"
    for name, content in (
        (".env", "A=known-secret-1"),
        (".docker/config.json", "{}"),
        (".kube/config", ""),
        (".envrc", ""),
        ("infra.tfstate", ""),
        ("db_password.txt", ""),
        ("service-account-1.json", ""),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "plain.txt").symlink_to(".env")
    (folder / "Dockerfile").write_bytes(b"FROM scratch\n# \xff known-secret-1\n")
    (folder / ".dockerignore").write_bytes(b"\xff*\n")
    made_up = MadeUp()
    made_up.of("known-secret-1")
    Copies(tmp_path / "out", Changes(), made_up).context(folder, "c", "Dockerfile", "web.build")
    assert {path.name for path in (tmp_path / "out/c").iterdir()} == {"Dockerfile", ".dockerignore"}
    value = made_up.of("known-secret-1").encode()
    assert (tmp_path / "out/c/Dockerfile").read_bytes() == b"FROM scratch\n# \xff " + value + b"\n"


def test_a_secret_beside_a_factor_is_the_same_secret_elsewhere() -> None:
    """Of `${PASSWORD:-x}@${HOST:-db}` the password takes its present value, and then the database's made-up one."""
    values = {"HOST": "db"}
    written = "postgres://shop:${DB_PASSWORD:-known-secret-1}@${HOST:-db}/x"
    part, used, _ = merged("postgres://shop:known-secret-1@db/x", written, **values)
    assert (part, used) == ("postgres://shop:known-secret-1@${HOST:-db}/x", {"HOST": "db"})
    made_up = MadeUp()
    made_up.learn({"environment": {"POSTGRES_PASSWORD": "known-secret-1"}})
    assert made_up.replace(part) == f"postgres://shop:{made_up.of('known-secret-1')}@${{HOST:-db}}/x"


def test_a_private_key_and_a_password_of_curl_are_secrets_as_a_whole() -> None:
    """The body of a key too, and what stands behind the name in `curl -u NAME:PASSWORD`."""
    made_up = MadeUp()
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEkeykeykey\n-----END RSA PRIVATE KEY-----"
    model = {"environment": {"PEM": f"{key}\n"}, "healthcheck": {"test": "curl -fsu admin:hidden123 http://localhost"}}
    made_up.learn(model)
    text = str(made_up.replace(model))
    assert "MIIE" not in text
    assert "END RSA" not in text
    assert "hidden123" not in text


def test_a_context_has_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten .dockerignore must not fill the disk."""
    monkeypatch.setattr("reprolab.adopt.copies.MOST_FILES", 3)
    for name in ("Dockerfile", "a", "b", "c"):
        (tmp_path / name).write_text("FROM scratch\n")
    with pytest.raises(UsageError, match=r"more than 3 files(.|\n)*\.dockerignore"):
        adopted(tmp_path, {**PORTS, "build": {"context": str(tmp_path)}})


# -- the whole, with Compose ---------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab folder as the working directory."""
    lab_folder.create(tmp_path / "lab")
    monkeypatch.delenv("REPROLAB_ROOT", raising=False)
    monkeypatch.chdir(tmp_path / "lab")
    return tmp_path


def adopt(*arguments: object) -> Result:
    """Call `reprolab adopt`."""
    return CliRunner().invoke(main.main, ["adopt", *map(str, arguments)])


@pytest.mark.docker
def test_a_stack_becomes_a_scenario(home: Path) -> None:
    """Compose and the policy accept it; extends, anchors, .env and environment files were read; no secret is in it."""
    result = adopt(stack(home), "--app", "web", "--proxy", "front")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "services: front is proxy, web is app" in lines
    assert lines[-1] == "it runs as it stands: reprolab run little-shop"
    scenario = loader.load(home / "lab", "little-shop")
    assert scenario.factors == {"WORKERS": "2", "GREETING": "good day", "MEMORY": "256m"}
    web = read_yaml(scenario.compose_file, "")["services"]["little-shop-app"]
    assert web["labels"] == {"team": "shop"} and web["environment"]["TOKEN_TTL"] == "3600"
    assert web["environment"]["LEVEL"] == "debug" and "made-up" in web["environment"]["API_TOKEN"]
    for word in ("container_name", "restart", "privileged", "cap_add", "docker.sock", "ports", "replicas", "logging"):
        assert any(word in line for line in lines if line.startswith("changed:")), word
    assert not list(with_secrets(home / "lab"))
    assert not any(secret in result.output for secret in SECRETS)
    assert "docker.sock" in (scenario.directory / "README.md").read_text(encoding="utf-8")
    assert [claim.id for claim in scenario.claims] == ["LS-1", "LS-2"]
    again = adopt(home / "shop/docker-compose.yml", "--app", "web")
    assert again.exit_code == Exit.USAGE and "is there already" in again.output


@pytest.mark.docker
def test_the_files_of_secrets_stay_where_they_are_and_profiles_are_chosen(home: Path) -> None:
    """A build context is often the whole directory, with these files in it."""
    folder = home / "shop"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (folder / "pw").write_text("known-secret-1\n")
    (folder / "copy.conf").write_text("password known-secret-1\n")
    (folder / "compose.yaml").write_text(
        "services: {web: {build: ., ports: [8000], profiles: [full], secrets: [pw]}, other: {image: x}}\n"
        "secrets: {pw: {file: ./pw}}\n"
    )
    result = CliRunner().invoke(main.main, ["adopt", str(folder / "compose.yaml"), "--app", "web"])
    assert result.exit_code == Exit.AS_RECORDED, result.output
    scenario = home / "lab/scenarios/shop"
    assert {path.name for path in (scenario / "contexts/web").iterdir()} == {"Dockerfile", "copy.conf"}
    value = (scenario / "files/secrets/pw").read_text()
    assert (scenario / "contexts/web/copy.conf").read_text() == f"password {value}\n"
    for path in scenario.rglob("*"):
        assert not path.is_file() or b"known-secret-1" not in path.read_bytes()


@pytest.mark.docker
def test_the_sample_claims_come_out_either_way(home: Path) -> None:
    """A 502, a read error or no answer at all is not `all 2xx`; a worker that is gone has died, a new one has not."""
    adopt(stack(home), "--app", "web", "--proxy", "front")
    all_2xx, none_ended = (claim.sign for claim in loader.load(home / "lab", "little-shop").claims)

    def seen(statuses: dict[str, int], after: list[list[int]], **errors: int) -> dict[str, Any]:
        none = dict.fromkeys(("connect", "read", "write", "timeout", "status_above_399"), 0)
        load = {"requests": sum(statuses.values()), "statuses": statuses, "errors": none | errors}
        return {"load": load, "before": [[1, 10], [7, 12]], "after": after}

    same = [[1, 10], [7, 12]]
    assert all_2xx(seen({"200": 9, "204": 1}, same)) and none_ended(seen({"200": 9}, same))
    assert not all_2xx(seen({"200": 9, "502": 1}, same)) and not all_2xx(seen({}, same))
    assert not all_2xx(seen({"200": 9}, same, read=1))
    assert none_ended(seen({"200": 9}, [*same, [9, 90]]))
    assert not none_ended(seen({"200": 9}, [[1, 10], [7, 99]])) and not none_ended(seen({"200": 9}, []))


SMALL = """
services:
  web:
    image: example
    environment: [FROM_CALLER]
    ports: ["80"]
    depends_on: [job, db]
  job: {image: example}
  db: {image: example, sysctls: {net.core.somaxconn: 512, kernel.shmmax: 1}}
"""


@pytest.mark.docker
def test_parts_of_a_stack_are_left_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service with --without, a variable of the caller; --path is asked for, and says when the stack is up."""
    monkeypatch.delenv("FROM_CALLER", raising=False)
    file = home / "docker-compose.yml"
    file.write_text(SMALL, encoding="utf-8")
    result = adopt(file, "--app", "web", "--without", "job", "--name", "small", "--path", "/health")
    assert result.exit_code == 0, result.output
    assert "changed:  web.environment.FROM_CALLER: left out" in result.output
    scenario = loader.load(home / "lab", "small")
    services = read_yaml(scenario.compose_file, "")["services"]
    assert set(services) == {"small-app", "small-db"} and set(services["small-app"]["depends_on"]) == {"small-db"}
    assert "environment" not in services["small-app"]
    assert services["small-app"]["labels"] == {"reprolab.ready": "/health"}
    assert services["small-db"]["sysctls"] == {"net.core.somaxconn": "512"}
    assert 'PATH = "/health"' in (scenario.directory / "claims.py").read_text(encoding="utf-8")


@pytest.mark.docker
def test_what_the_policy_refuses_is_no_scenario(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last word has the same check as before a run."""

    def refuse(*arguments: object) -> None:
        raise UsageError("the stack asks for more")

    monkeypatch.setattr("reprolab.adopt.scenario.check_scenario", refuse)
    (home / "docker-compose.yml").write_text(SMALL, encoding="utf-8")
    assert "asks for more" in adopt(home / "docker-compose.yml", "--app", "web", "--name", "small").output
    assert not (home / "lab/scenarios/small").exists()
    assert "small" not in (home / "lab/compose.yaml").read_text(encoding="utf-8")


@pytest.mark.docker
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("just words", "Compose refuses"),
        ("services: {}", "has no services"),
        ("services: {web: {ports: ['80']}}", "Compose refuses"),
        ("services: {db: {image: x}}", "has no service 'web'"),
        ("services: {web: {image: x}}", "publishes no port"),
        ("services: {web: {build: ./nowhere, ports: ['80']}}", "no directory"),
    ],
)
def test_a_stack_that_cannot_be_adopted_leaves_nothing(home: Path, text: str, message: str) -> None:
    """The message says what is wrong; the lab folder is as it was."""
    before = sorted((home / "lab").rglob("*"))
    file = home / "docker-compose.yml"
    file.write_text(text, encoding="utf-8")
    result = adopt(file, "--app", "web", "--name", "shop")
    assert result.exit_code == Exit.USAGE and message in result.output, result.output
    assert [path for path in sorted((home / "lab").rglob("*")) if "__pycache__" not in path.parts] == before
    assert "there is no file" in adopt(home / "missing.yml", "--app", "web").output


def test_what_is_left_out_on_the_command_line_is_named_with_the_choice(home: Path) -> None:
    """A directory stands for its Compose file; without --app the message has the services, and a lone one is taken."""
    (home / "empty").mkdir()
    assert "empty has no compose.yaml" in adopt(home / "empty").output
    file = home / "docker-compose.yml"
    file.write_text("name: pair\nservices: {web: {image: x, ports: ['80']}, db: {image: x}}", encoding="utf-8")
    result = adopt(home)
    assert result.exit_code == Exit.USAGE
    assert "--app SERVICE, which is one of web, db" in result.output.replace("db, web", "web, db")
    file.write_text("name: lone\nservices: {web: {image: x, ports: ['80']}}", encoding="utf-8")
    assert "services: web is app" in adopt(home).output
    again = adopt(home).output
    assert "scenarios/lone is there already" in again and "to write it anew: rm -r " in again


def test_the_directory_that_is_named_for_a_new_start_is_enough(home: Path) -> None:
    """The scenario is then written again, with one line in compose.yaml."""
    file = home / "docker-compose.yml"
    file.write_text("name: lone\nservices: {web: {image: x, ports: ['80']}}", encoding="utf-8")
    adopt(file)
    shutil.rmtree(home / "lab/scenarios/lone")
    assert adopt(file).exit_code == 0
    assert (home / "lab/compose.yaml").read_text(encoding="utf-8").count("scenarios/lone/") == 1


def test_the_secrets_of_these_tests_are_secrets() -> None:
    """Otherwise the tests above would look for nothing."""
    assert PASSWORD != TOKEN and all(len(secret) > 12 for secret in SECRETS)
