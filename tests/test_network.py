"""nginx as a shared proxy, slow links and IPv6, on one small stack."""

from __future__ import annotations

import gzip
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cases import EXPERIMENT, ROOT
from lab import engine, wait_for
from reprolab import logs
from reprolab.baseimage.resolve import policy
from reprolab.core.errors import InvalidTrial
from reprolab.engine import labels
from reprolab.engine.detect import compose_command, ensure_engine
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.scenario import loader
from reprolab.stack import network
from reprolab.stack.prepare import StackPreparer, StackRequest
from reprolab.stack.stack import Stack

SCENARIO = "linked"
IPV6 = "net.ipv6.conf.all.disable_ipv6"
COMPOSE = f"""\
x-reprolab:
  title: links
  document: {{title: none}}
  allow:
    - {{what: app.sysctls, values: {IPV6}=0, why: the server is reached over IPv6}}
services:
  linked-app:
    extends: {{file: ../../images/hardened.yaml, service: hardened}}
    build:
      context: .
      args: {{PYTHON_IMAGE: "${{PYTHON_IMAGE:-python:3.12.1-slim-bookworm}}"}}
    sysctls: {{{IPV6}: "0"}}
    ports: ["127.0.0.1::8000"]
    volumes: ["linked-socket:/run/lab"]
"""
PROXY = """\
  linked-{}:
    extends: {{file: ../../images/hardened.yaml, service: hardened}}
    build:
      context: ../../images/nginx
      args: {{DEBIAN_IMAGE: "${{DEBIAN_IMAGE:-debian:bookworm-slim}}", NGINX: 1.22.1-*}}
    environment: {}
    labels: {{reprolab.log: /srv/proxy/access.log}}
    user: {}
    ports: ["127.0.0.1::18080"]
    volumes: ["linked-socket:/run/lab"]
    depends_on: [linked-app]
"""
# JSON is YAML; in a Compose file $ is written twice.
PROXIES = {
    "proxy": '{UPSTREAM: "linked-app:8000", KEEPALIVE: 4, HEADERS: "SCRIPT_NAME: /a \\"b\\"\\nX-Peer: $$remote_addr"}',
    "uwsgi": '{UPSTREAM: "linked-app:8001", PASS: uwsgi, HEADERS: "X-Lab: yes", DIRECTIVES: "add_header X-Back 1;"}',
    "file": '{UPSTREAM: "unix:/run/lab/app.sock"}',
    "late": '{UPSTREAM: "linked-later:8000", RESOLVER: "127.0.0.11 valid=1s ipv6=off"}',
}
VOLUMES = """\
volumes:
  linked-socket: {driver: local, driver_opts: {type: tmpfs, device: tmpfs, o: "mode=1777,size=1m"}}
"""


# -- without an engine ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((100, 0.0, ""), "netem limit 100000 delay 100ms"),
        ((2.5, 0.015, "1mbit"), "netem limit 100000 delay 2.5ms loss 1.5% rate 1mbit"),
        ((0, 0.5, ""), "netem limit 100000 loss 50%"),
        ((0, 0, "64kbit"), "tbf rate 64kbit burst 70000 limit 16777216"),
    ],
)
def test_a_slow_link_in_words_of_tc(options: tuple[float, float, str], words: str) -> None:
    """A rate alone needs no netem."""
    assert " ".join(network.shaping(*options)) == words


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ((0, 0, ""), "needs delay_ms, loss or rate"),
        ((-1, 0, ""), "^delay_ms"),
        ((float("nan"), 0, ""), "^delay_ms"),
        ((0, 1, ""), "^loss"),
        ((0, 5, ""), "^loss"),
        ((0, 0, "1 mbit; reboot"), "^rate"),
        ((0, 0, "0kbit"), "^rate"),
    ],
)
def test_what_makes_no_link_is_refused(options: tuple[float, float, str], named: str) -> None:
    """Before anything is changed. A loss of 5 was meant in percent."""
    with pytest.raises(ValueError, match=named):
        network.shaping(*options)


def test_interfaces_and_reasons_are_read() -> None:
    """The peer of a pair of links is not part of the name."""
    shown = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\\    link/loopback\n7: eth0@if8: <BROADCAST,UP> mtu 1500\n"
    assert network.interfaces(shown) == ["lo", "eth0"]
    command = ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    assert network.why_forbidden("Error: Specified qdisc kind is unknown.\n", command) == "the kernel has no netem"
    assert "NET_ADMIN" in network.why_forbidden("RTNETLINK answers: Operation not permitted\n", command)
    assert network.why_forbidden("other\n", command) == "tc: other"


def test_addresses_in_urls() -> None:
    """Only an address of IPv6 needs brackets."""
    assert [network.in_url(host) for host in ("::1", "127.0.0.1", "app")] == ["[::1]", "127.0.0.1", "app"]


# -- on a real engine -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server with four proxies before it."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "images", root / "images")
    shutil.copytree(ROOT / "scripts/wrk_wrapper", root / "scripts/wrk_wrapper")
    directory = root / "scenarios" / SCENARIO
    directory.mkdir(parents=True)
    users = {"file": '"4321:4321"'}
    services = [PROXY.format(role, text, users.get(role, '"1000:1000"')) for role, text in PROXIES.items()]
    (directory / "compose.yaml").write_text(COMPOSE + "".join(services) + VOLUMES)
    (directory / "Dockerfile").write_text(
        "ARG PYTHON_IMAGE=python:3.12.1-slim-bookworm\nFROM ${PYTHON_IMAGE}\nCOPY app.py /srv/\nUSER 1000:1000\n"
        'CMD ["python", "-u", "/srv/app.py"]\n'
    )
    shutil.copy(Path(__file__).with_name("link_server.py"), directory / "app.py")
    (directory / "claims.py").write_text(EXPERIMENT.replace('"old": {"RELEASE": "0.9"}', '"old": {}'))
    lab, client = ensure_engine(print), engine()
    owner = labels.object_labels(SCENARIO, "test")
    preparer = StackPreparer(lab, client, policy(os.environ), print)
    project = f"reprolab-linked-{os.getpid()}"
    (model,) = preparer.models(loader.load(root, SCENARIO), [StackRequest({})], owner, project=project)
    for tool in ("forensics", "client"):
        del model["services"][tool]
    preparer.build(model, root)
    evidence = TrialDirectory(root / "trial")
    evidence.path.mkdir()
    made = Stack(SCENARIO, model, evidence.path / "compose.json", client, compose_command(lab), evidence, owner)
    try:
        made.up()
        yield made
    finally:
        made.down()


def told(stack: Stack, role: str) -> Any:
    """What the server says that it was sent."""
    answer = stack.get(role=role)
    assert answer.status_code == 200, answer.text
    return answer.json()


def started(stack: Stack, **variables: str) -> tuple[int, str]:
    """Exit status and output of a second start in a proxy's container, with these variables alone."""
    words = [f"{name}={value}" for name, value in variables.items()]
    return stack.execute("late", ["env", "-i", "PATH=/usr/sbin:/usr/bin:/bin", *words, "/usr/local/bin/start-nginx"])


@pytest.mark.docker
def test_nginx_passes_requests_as_its_variables_say(stack: Stack) -> None:
    """Over TCP on kept connections with more headers, in the uwsgi protocol, and to a Unix socket as another user."""
    first, second = told(stack, "proxy"), told(stack, "proxy")
    assert first["protocol"] == "HTTP/1.1" and first["peer"] == second["peer"]
    assert first["headers"]["SCRIPT_NAME"] == '/a "b"' and re.fullmatch(r"[\d.]+", first["headers"]["X-Peer"])
    assert first["headers"]["Host"] == stack.url("", "proxy").removeprefix("http://")
    answer = stack.get(role="uwsgi")
    assert (answer.headers["X-Back"], answer.json()["HTTP_X_LAB"], answer.json()["PATH_INFO"]) == ("1", "yes", "/")
    over_file = told(stack, "file")
    assert (over_file["protocol"], over_file["headers"]["Connection"]) == ("HTTP/1.0", "close")
    assert stack.execute("file", ["sh", "-c", "stat -c %u /srv/proxy/nginx.pid"]) == (0, "4321\n")


@pytest.mark.docker
def test_a_resolver_finds_a_server_that_comes_later(stack: Stack) -> None:
    """By default nginx looks a name up once, at its start, and does not start without an address."""
    app = stack.container("app")
    assert stack.get(role="late").status_code == 502
    (net,) = app.attrs["NetworkSettings"]["Networks"]
    # Another service answers to the name from now on.
    stack.client.networks.get(net).disconnect(app)
    stack.client.networks.get(net).connect(app, aliases=["linked-app", "linked-later"])
    wait_for("the later server", lambda: stack.get(role="late").status_code == 200, 20)
    code, printed = started(stack, UPSTREAM="linked-never:8000")
    assert code == 1 and "host not found in upstream" in printed


@pytest.mark.docker
def test_variables_that_make_no_proxy_are_refused(stack: Stack) -> None:
    """With status 64, before nginx starts."""
    for variables, reason in (
        ({}, "UPSTREAM is missing"),
        ({"PASS": "fastcgi"}, "not proxy or uwsgi"),
        ({"KEEPALIVE": "few"}, "not a number of connections"),
        ({"KEEPALIVE": "1", "PASS": "uwsgi"}, "keeps no connection"),
        ({"KEEPALIVE": "1", "HTTP_VERSION": "1.0"}, "KEEPALIVE needs HTTP_VERSION=1.1"),
        ({"KEEPALIVE": "1", "RESOLVER": "127.0.0.11"}, "exclude each other"),
        ({"RESOLVER": "127.0.0.11", "UPSTREAM": "unix:/x"}, "nothing to resolve"),
        ({"HEADERS": "no header"}, "not NAME: VALUE"),
    ):
        code, printed = started(stack, **({"UPSTREAM": "a:1"} | variables if variables else {}))
        assert code == 64 and reason in printed, (variables, code, printed)


@pytest.mark.docker
def test_ipv6_where_the_network_has_it(stack: Stack) -> None:
    """The proxy's has none, so there the load is invalid with the reason; a body goes over it too."""
    load = stack.wrk("/", role="app", host="::1", port=8000, duration=1, connections=2, reuse=False)
    assert load.result.url == "http://[::1]:8000/" and load.result.requests
    with pytest.raises(InvalidTrial, match=rf"^the network of proxy has no IPv6, so ::1 .*{IPV6}=0"):
        stack.wrk("/", host="::1", port=18080, duration=1)


def has_netem() -> bool | None:
    """Whether this machine's kernel has netem; None if it does not say."""
    release = platform.release()
    for path in (Path("/proc/config.gz"), Path(f"/boot/config-{release}")):
        if path.exists():
            text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            return re.search(rb"^CONFIG_NET_SCH_NETEM=[ym]", text, re.M) is not None
    return None


def helpers(stack: Stack) -> list[str]:
    """The containers in the network of the app."""
    mode = f"container:{stack.container('app').id}"
    containers = stack.client.containers.list(all=True, ignore_removed=True)
    return [str(c.name) for c in containers if c.attrs["HostConfig"]["NetworkMode"] == mode]


def seconds(stack: Stack, path: str) -> float:
    """How long a GET to the app takes."""
    begun = time.monotonic()
    assert stack.get(path, "app", timeout=60).status_code == 200
    return time.monotonic() - begun


@pytest.mark.docker
def test_a_slow_link_is_slow_and_then_as_before(stack: Stack) -> None:
    """A megabit a second cannot bring 200 kB in less than the time for what is beyond the burst. Nothing is left."""
    with stack.slow("app", rate="1mbit"):
        assert seconds(stack, "/big?200000") > 0.9 * (200_000 - network.BURST) * 8 / 1e6
        with pytest.raises(ValueError, match="slow already"), stack.slow("app", rate="1mbit"):
            pass
        (helper,) = helpers(stack)
        settings = stack.client.containers.get(helper).attrs
        assert settings["HostConfig"]["CapAdd"] == ["NET_ADMIN"] and settings["HostConfig"]["ReadonlyRootfs"]
        assert settings["Config"]["Labels"].items() >= stack.owner.items()
    assert helpers(stack) == []
    # It would refuse a link that already has a queue.
    with stack.slow("app", rate="1mbit"):
        pass


@pytest.mark.docker
def test_a_delay_or_the_reason_for_none(stack: Stack) -> None:
    """Where the kernel has no netem the trial is invalid, and nothing is left."""
    try:
        with stack.slow("app", delay_ms=400):
            assert seconds(stack, "/") > 0.4
        assert has_netem() in (True, None)
    except InvalidTrial as error:
        assert str(error) == "the links of app cannot be changed: the kernel has no netem"
        assert has_netem() in (False, None)
    assert helpers(stack) == []


@pytest.mark.docker
def test_a_link_that_is_not_as_it_should_be_is_told(stack: Stack) -> None:
    """The links of a new start are not slow. Links whose helper the lab removed, as at a trial's end, stay slow."""
    told = r"^app was started again while its links were slow"
    with pytest.raises(InvalidTrial, match=told), stack.slow("app", rate="1mbit"):
        stack.container("app").restart(timeout=0)
    assert helpers(stack) == []
    with pytest.raises(InvalidTrial, match=r"^the links of app stay slow: "), stack.slow("app", rate="1mbit"):
        stack.remove_network_helpers()
        assert helpers(stack) == []


@pytest.mark.docker
def test_both_logs_of_nginx_are_read(stack: Stack) -> None:
    """The last test of the stack. Requests are in the access log, names that were not found in the error log."""
    stack.capture("docker")
    summary = logs.access_summary(stack.evidence.lines("late"), 0, agent=b"reprolab-probe")
    assert summary.other_lines == 0 and summary.statuses[502] and summary.statuses[200]
    now = time.time_ns()
    assert all(abs(now - at) < 600e9 for at in summary.last_ns.values())
    errors = logs.nginx_errors(stack.evidence.streams("late"))
    assert errors and {error.text.partition(" could")[0] for error in errors} == {"linked-later"}
    assert len(errors) == summary.statuses[502] and abs(errors[-1].at_ns - summary.last_ns[502]) < 5e9
    assert logs.nginx_errors(stack.evidence.streams("file")) == []
