"""What a stack may ask of the machine: each refused value, the exceptions, and a run that is refused."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from cases import COMPOSE, ROOT, lay_out, load
from lab import lab
from reprolab.core.errors import UsageError
from reprolab.scenario import loader
from reprolab.scenario.allowance import Allowance
from reprolab.stack import policy
from reprolab.stack.policy_check import check


def harmless() -> dict[str, Any]:
    """A service with which the policy is content."""
    return {
        "image": "app",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": "67108864",
        "pids_limit": 64,
        "logging": {"driver": "json-file"},
        "networks": {"default": None},
    }


def found(model: dict[str, Any], base: Path) -> list[tuple[str, str]]:
    """The refused values of a model, with their places."""
    return [(breach.what, breach.value) for breach in policy.breaches(model, base, [base / "case"], "blink-")]


def with_service(**changes: Any) -> dict[str, Any]:
    """A model whose first service has these keys; a key that is None is left out."""
    service = {key: value for key, value in {**harmless(), **changes}.items() if value is not None}
    return {"services": {"blink-app": service, "blink-proxy": harmless()}}


REFUSED_KEYS: list[tuple[dict[str, Any], str, str]] = [
    ({"ports": [{"target": 80}]}, "ports", "0.0.0.0::80"),
    ({"ports": [{"target": 80, "host_ip": "0.0.0.0", "published": "8080"}]}, "ports", "0.0.0.0:8080:80"),
    ({"ports": [{"target": 80, "host_ip": "::"}]}, "ports", "[::]::80"),
    ({"ports": ["8080:80"]}, "ports", "0.0.0.0:8080:80"),
    ({"scale": 3}, "scale", "3"),
    ({"deploy": {"replicas": 2}}, "deploy.replicas", "2"),
    ({"logging": {"driver": "json-file", "options": {"max-size": "2k"}}}, "logging", "max-size=2k"),
    ({"build": {"context": "case", "dockerfile_inline": "FROM x"}}, "build.dockerfile_inline", "FROM x"),
    ({"build": {"context": "case", "additional_contexts": {"a": "case"}}}, "build.additional_contexts", "a=case"),
    ({"ports": ["80"]}, "ports", "0.0.0.0::80"),
    ({"ports": ["10.0.0.1:8080:80"]}, "ports", "10.0.0.1:8080:80"),
    ({"privileged": True}, "privileged", "true"),
    ({"cap_add": ["NET_ADMIN"]}, "cap_add", "NET_ADMIN"),
    ({"cap_drop": None}, "cap_drop", "not ALL"),
    ({"cap_drop": ["NET_RAW"]}, "cap_drop", "not ALL"),
    ({"security_opt": None}, "security_opt", "without no-new-privileges"),
    ({"security_opt": ["no-new-privileges:true", "seccomp=unconfined"]}, "security_opt", "seccomp=unconfined"),
    ({"security_opt": ["no-new-privileges:true", "label:disable"]}, "security_opt", "label:disable"),
    ({"security_opt": ["no-new-privileges", "no-new-privileges:false"]}, "security_opt", "no-new-privileges:false"),
    ({"pid": "host"}, "pid", "host"),
    ({"pid": "container:other"}, "pid", "container:other"),
    ({"pid": "service:unknown"}, "pid", "service:unknown"),
    ({"ipc": "host"}, "ipc", "host"),
    ({"uts": "host"}, "uts", "host"),
    ({"userns_mode": "host"}, "userns_mode", "host"),
    ({"cgroup": "host"}, "cgroup", "host"),
    ({"network_mode": "host"}, "network_mode", "host"),
    ({"network_mode": "bridge"}, "network_mode", "bridge"),
    ({"network_mode": "container:other"}, "network_mode", "container:other"),
    ({"volumes": [{"type": "bind", "source": "/", "target": "/host", "read_only": True}]}, "volumes", "/"),
    ({"volumes": ["/var/run/docker.sock:/var/run/docker.sock:ro"]}, "volumes", "/var/run/docker.sock"),
    ({"volumes": ["./case/../secret:/x:ro"]}, "volumes", "./case/../secret"),
    ({"volumes": ["./case/conf:/x"]}, "volumes", "./case/conf"),
    ({"volumes": ["./case/conf:/x:rw"]}, "volumes", "./case/conf"),
    ({"volumes": ["~/x:/x:ro"]}, "volumes", "~/x"),
    ({"volumes": [{"type": "npipe", "source": "x", "target": "/x"}]}, "volumes", "npipe:x"),
    ({"volumes_from": ["container:other"]}, "volumes_from", "container:other"),
    ({"devices": ["/dev/kvm"]}, "devices", "/dev/kvm"),
    ({"device_cgroup_rules": ["c 1:3 mr"]}, "device_cgroup_rules", "c 1:3 mr"),
    ({"gpus": "all"}, "gpus", "all"),
    ({"mem_limit": None}, "mem_limit", "missing"),
    ({"mem_limit": "0"}, "mem_limit", "0"),
    ({"mem_limit": "9g"}, "mem_limit", "9g"),
    ({"mem_limit": str(9 << 30)}, "mem_limit", str(9 << 30)),
    ({"mem_limit": "much"}, "mem_limit", "much"),
    ({"pids_limit": 100000}, "pids_limit", "100000"),
    ({"mem_limit": None, "deploy": {"resources": {"limits": {"memory": "1tb"}}}}, "mem_limit", "1tb"),
    ({"pids_limit": None}, "pids_limit", "missing"),
    ({"pids_limit": -1}, "pids_limit", "-1"),
    ({"memswap_limit": "-1"}, "memswap_limit", "-1"),
    ({"cgroup_parent": "/system.slice"}, "cgroup_parent", "/system.slice"),
    ({"sysctls": {"kernel.msgmax": 1024}}, "sysctls", "kernel.msgmax=1024"),
    ({"sysctls": ["fs.mqueue.msg_max=9"]}, "sysctls", "fs.mqueue.msg_max=9"),
    ({"oom_kill_disable": True}, "oom_kill_disable", "true"),
    ({"oom_score_adj": -1000}, "oom_score_adj", "-1000"),
    ({"runtime": "other"}, "runtime", "other"),
    ({"external_links": ["other"]}, "external_links", "other"),
    ({"use_api_socket": True}, "use_api_socket", "true"),
    ({"a_key_of_a_later_compose": "x"}, "a_key_of_a_later_compose", "x"),
    ({"logging": {"driver": "syslog"}}, "logging", "syslog"),
    ({"post_start": [{"command": ["x"], "privileged": True}]}, "post_start", "privileged"),
    ({"build": "."}, "build.context", "."),
    ({"build": {"context": "https://example.org/x.git"}}, "build.context", "https://example.org/x.git"),
    ({"build": {"context": "github.com/example/x"}}, "build.context", "github.com/example/x"),
    ({"build": {"context": "user@example.org:x.git"}}, "build.context", "user@example.org:x.git"),
    ({"build": {"context": "case", "dockerfile": "../Dockerfile"}}, "build.dockerfile", "../Dockerfile"),
    ({"build": {"context": "case", "network": "host"}}, "build.network", "host"),
    ({"build": {"context": "case", "privileged": True}}, "build.privileged", "true"),
    ({"build": {"context": "case", "entitlements": ["security.insecure"]}}, "build.entitlements", "security.insecure"),
    ({"build": {"context": "case", "ssh": ["default"]}}, "build.ssh", "default"),
    ({"build": {"context": "case", "tags": ["python:3"]}}, "build.tags", "python:3"),
    ({"build": {"context": "case", "cache_to": ["type=local,dest=/x"]}}, "build.cache_to", "type=local,dest=/x"),
    ({"build": {"context": "case", "additional_contexts": {"x": "/"}}}, "build.additional_contexts", "x=/"),
    (
        {"deploy": {"resources": {"reservations": {"devices": [{"driver": "nvidia"}]}}}},
        "deploy.resources.reservations.devices",
        "driver=nvidia",
    ),
]


@pytest.mark.parametrize(
    ("changes", "key", "value"), REFUSED_KEYS, ids=lambda part: part if isinstance(part, str) else ""
)
def test_a_value_of_a_service_is_refused(changes: dict[str, Any], key: str, value: str, tmp_path: Path) -> None:
    """It and nothing else, with the role and the key; an exception for the same value lets it pass."""
    model = with_service(**changes)
    assert found(model, tmp_path) == [(f"app.{key}", value)]
    file = tmp_path / "compose.yaml"
    check(model, file, [tmp_path / "case"], [Allowance(f"app.{key}", (value,), "a reason")], "blink-")
    with pytest.raises(UsageError, match="app"):
        check(model, file, [tmp_path / "case"], [Allowance(f"app.{key}", ("another",), "a reason")], "blink-")


SHARED: list[tuple[dict[str, Any], str, str]] = [
    ({"networks": {"n": {"external": True, "name": "n"}}}, "networks.n.external", "true"),
    ({"networks": {"n": {"driver": "host"}}}, "networks.n.driver", "host"),
    ({"networks": {"n": {"driver": "macvlan"}}}, "networks.n.driver", "macvlan"),
    ({"networks": {"n": {"driver_opts": {"parent": "eth0"}}}}, "networks.n.driver_opts", "parent=eth0"),
    ({"volumes": {"v": {"external": True}}}, "volumes.v.external", "true"),
    ({"volumes": {"v": {"driver": "nfs"}}}, "volumes.v.driver", "nfs"),
    (
        {"volumes": {"v": {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": "/"}}}},
        "volumes.v.driver_opts",
        "device=/,o=bind,type=none",
    ),
    (
        {"volumes": {"v": {"driver_opts": {"type": "tmpfs", "o": "size=1m,bind", "device": "tmpfs"}}}},
        "volumes.v.driver_opts",
        "device=tmpfs,o=size=1m,bind,type=tmpfs",
    ),
    (
        {"volumes": {"v": {"driver_opts": {"type": "tmpfs", "device": "/"}}}},
        "volumes.v.driver_opts",
        "device=/,type=tmpfs",
    ),
    ({"secrets": {"s": {"file": "/etc/shadow"}}}, "secrets.s.file", "/etc/shadow"),
    ({"secrets": {"s": {"environment": "TOKEN"}}}, "secrets.s.environment", "TOKEN"),
    ({"configs": {"c": {"file": "../x"}}}, "configs.c.file", "../x"),
    ({"models": {"m": {"model": "x"}}}, "models", "m=model=x"),
]


@pytest.mark.parametrize(("part", "what", "value"), SHARED, ids=lambda part: part if isinstance(part, str) else "")
def test_a_value_that_services_share_is_refused(part: dict[str, Any], what: str, value: str, tmp_path: Path) -> None:
    """In the declarations of networks, volumes, configs and secrets, and in other keys of the file."""
    assert found({**with_service(), **part}, tmp_path) == [(what, value)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ports": [{"target": 80, "host_ip": "127.0.0.1"}, "127.0.0.1::80", "[::1]:80:80"]},
        {"pid": "service:blink-proxy", "network_mode": "service:blink-proxy", "ipc": "private"},
        {"volumes": ["data:/data", "/data", "./case/conf:/x:ro", {"type": "tmpfs", "target": "/t"}]},
        {"volumes": [{"type": "bind", "source": "./case/conf", "target": "/x", "read_only": True}]},
        {"mem_limit": None, "pids_limit": None, "deploy": {"resources": {"limits": {"memory": "64m", "pids": 10}}}},
        {"build": {"context": "case/sub", "args": {"A": "1"}, "target": "app"}},
        {"privileged": False, "cap_add": [], "devices": None, "x-note": "text"},
        {"sysctls": {"net.core.somaxconn": "128", "net.ipv4.tcp_abort_on_overflow": "1"}},
        {"sysctls": ["net.ipv4.ip_local_port_range=32768 32800"]},
        {"init": False, "read_only": True, "cpus": 0.5, "tmpfs": ["/data:size=64k"], "ulimits": {"nofile": 64}},
    ],
)
def test_what_a_stack_needs_is_not_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    """Loopback ports, namespaces of the same stack, own files that are read-only, volumes, limits in either place."""
    model = with_service(**changes)
    model["volumes"] = {"data": {"driver": "local", "driver_opts": {"type": "tmpfs", "device": "tmpfs"}}}
    model["networks"] = {"default": {"name": "x", "ipam": {}}, "inner": {"internal": True}}
    assert found(model, tmp_path) == []


def test_a_link_out_of_the_directory_is_a_path_of_the_host(tmp_path: Path) -> None:
    """Where a mount leads counts, not what it is called."""
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "link").symlink_to("/etc")
    model = with_service(volumes=["./case/link:/x:ro"])
    assert found(model, tmp_path) == [("app.volumes", "./case/link")]


def test_the_message_names_every_line(tmp_path: Path) -> None:
    """A key that the file has, with its line; a missing key with the line of its service."""
    text = COMPOSE.replace("    pids_limit: 64\n", "    privileged: true\n")
    directory = lay_out(tmp_path, compose=text)
    model = {"services": {"blink-app": {**harmless(), "privileged": True, "pids_limit": None}}}
    with pytest.raises(UsageError) as raised:
        check(model, directory / "compose.yaml", [directory], prefix="blink-")
    lines = str(raised.value).splitlines()
    assert lines[1] == "  line 10: app.privileged is true: it has every right on the host; remove it"
    assert lines[2].startswith("  line 5: app.pids_limit is missing: ") and "pids_limit: 256" in lines[2]
    assert "x-reprolab.allow" in lines[-1] and raised.value.exit_status == 2


def test_exceptions_are_read_and_shown(tmp_path: Path) -> None:
    """Values in one line or as a list, each exception with its reason."""
    allow = "  allow:\n    - {what: app.cap_add, values: CHOWN KILL, why: it  starts as root}\n"
    allow += "    - {what: app.ports, values: ['0.0.0.0:1:1'], why: other machines}\n"
    lay_out(tmp_path, compose=COMPOSE.replace("services:", f"{allow}services:"))
    scenario = loader.load(tmp_path, "blink")
    assert [allowance.words for allowance in scenario.allow] == [
        "app.cap_add CHOWN KILL (it starts as root)",
        "app.ports 0.0.0.0:1:1 (other machines)",
    ]


@pytest.mark.parametrize(
    ("allow", "message"),
    [
        ("all", "x-reprolab.allow is 'all'"),
        ("[{what: app.cap_add, values: KILL}]", r"allow\[1\].why is None"),
        ("[{what: app.cap_add, why: x}]", r"allow\[1\].values is None"),
        ("[{what: app.cap_add, values: [], why: x}]", r"allow\[1\].values is \[\]"),
        ("[{what: app.cap_add, reason: x}]", "unknown key reason"),
        ("[privileged]", r"allow\[1\] is 'privileged'"),
    ],
)
def test_an_exception_has_values_and_a_reason(allow: str, message: str, tmp_path: Path) -> None:
    """Anything else is a malformed scenario."""
    with pytest.raises(UsageError, match=message):
        load(tmp_path, compose=COMPOSE.replace("services:", f"  allow: {allow}\nservices:"))


def test_no_exception_is_useless(tmp_path: Path) -> None:
    """Each of a scenario's exceptions names a key of its own file."""
    for name in loader.names(ROOT):
        scenario = loader.load(ROOT, name)
        text = scenario.compose_file.read_text(encoding="utf-8").partition("\nservices:")[2]
        for allowance in scenario.allow:
            assert f"{allowance.what.split('.')[1]}:" in text, f"{name}: {allowance.words}"
            assert all(value in text for value in allowance.values), f"{name}: {allowance.words}"


def test_the_model_is_not_changed(tmp_path: Path) -> None:
    """The check only reads."""
    model = with_service(ports=["127.0.0.1::80"], build={"context": "case"})
    before = deepcopy(model)
    found(model, tmp_path)
    assert model == before


@pytest.mark.docker
@pytest.mark.parametrize("command", ["run", "up", "list"])
def test_a_stack_that_asks_for_the_host_is_not_started(command: str, tmp_path: Path) -> None:
    """Each command names all breaches with their lines and ends with status 2, before anything is built."""
    first = len(COMPOSE.splitlines()) + 1
    bad = "    privileged: true\n    pid: host\n    cap_add: [ALL]\n    ports: ['0.0.0.0::80']\n"
    bad += "    volumes: ['/:/host', '/var/run/docker.sock:/var/run/docker.sock']\n"
    lay_out(tmp_path, compose=COMPOSE + bad)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "compose.yaml").write_text("services: {}\n")
    words = [command] if command == "list" else [command, "blink"]
    status, printed = lab(tmp_path / "results", *words, REPROLAB_ROOT=str(tmp_path))
    assert status == 2, printed
    for text in ("privileged is true", "pid is host", "cap_add is ALL", "ports is 0.0.0.0::80", "volumes is /:"):
        assert f"app.{text}" in printed
    assert f"line {first}: app.privileged" in printed and "/var/run/docker.sock" in printed
    assert not list((tmp_path / "results").rglob("*.log"))


def test_files_that_compose_merges_are_those_of_the_scenario(tmp_path: Path) -> None:
    """The model does not name them any more, so the file itself is read."""
    case = tmp_path / "case"
    case.mkdir()
    file = case / "compose.yaml"
    file.write_text(
        "services:\n  blink-app:\n    env_file: [/etc/outside.env, inside.env, {path: ../x.env}]\n"
        "    label_file: /etc/passwd\n    extends: {file: ../../images/hardened.yaml, service: hardened}\n"
    )
    with pytest.raises(UsageError) as caught:
        check({"services": {"blink-app": harmless()}}, file, [case, tmp_path.parent / "images"], prefix="blink-")
    refused = [line for line in str(caught.value).splitlines() if line.startswith("  line")]
    assert len(refused) == 3 and "inside.env" not in str(caught.value)
    assert "line 3: app.env_file is /etc/outside.env" in refused[0] and "/etc/passwd" in refused[2]


def test_a_network_takes_no_addresses_of_others(tmp_path: Path) -> None:
    """The host would send their traffic into the stack."""
    model = {"services": {}, "networks": {"default": {"ipam": {"config": [{"subnet": "203.0.113.0/24"}]}}}}
    assert [what for what, _ in found(model, tmp_path)] == ["networks.default.ipam"]
    assert found({"services": {}, "networks": {"default": {"ipam": {}}}}, tmp_path) == []
