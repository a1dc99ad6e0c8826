"""Builds of a run's images: each once, two at a time, and what a failed one says."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import DockerException, ImageNotFound
from reprolab.core.errors import BuildError, EngineError
from reprolab.core.subprocesses import CommandError, Finished
from reprolab.evidence.run_info import BuiltImage, Image
from reprolab.stack import builds
from reprolab.stack.builds import Builder, excerpt, images_of

PIP = """#6 [app 2/4] COPY requirements/ /srv/
#6 DONE 0.1s
#7 [app 3/4] RUN pip install
#7 0.412 Collecting celery==4.0.0
#7 0.501   Downloading celery-4.0.0.tar.gz (1.6 MB)
#7 0.611 WARNING: Requested celery==4.0.0 has invalid metadata: Expected matching RIGHT_PARENTHESIS
#7 0.612 Please use pip<24.1 if you need to use this version.
#7 0.650 ERROR: Could not find a version that satisfies the requirement celery==4.0.0 (from versions: 4.0.0)
#7 0.651 ERROR: No matching distribution found for celery==4.0.0
#7 ERROR: process "/bin/sh -c pip install" did not complete successfully: exit code: 1
------
 > [app 3/4] RUN pip install:
0.650 ERROR: Could not find a version that satisfies the requirement celery==4.0.0
------
failed to solve: process "/bin/sh -c pip install" did not complete successfully: exit code: 1
"""
APT = """#5 [2/3] RUN apt-get update
#5 1.2 Reading package lists...
#5 1.9 E: Version '1.22.1-9+deb12u10' for 'nginx' was not found
#5 ERROR: process "/bin/sh -c apt-get install" did not complete successfully: exit code: 100
"""


def test_the_line_that_decides_is_shown() -> None:
    """pip says why far above its last line: what looks like a reason is shown with its neighbours."""
    shown = excerpt(PIP).splitlines()
    assert any("invalid metadata" in line for line in shown)
    assert "Please use pip<24.1 if you need to use this version." in shown
    assert sum("No matching distribution" in line for line in shown) == 1
    assert not any(line.startswith("#") for line in shown), "BuildKit's own frame says nothing"


def test_apts_refusal_is_shown() -> None:
    """A pin that the archive no longer has is named with its version."""
    assert "E: Version '1.22.1-9+deb12u10' for 'nginx' was not found" in excerpt(APT)


def test_a_step_that_never_printed_has_its_error_alone() -> None:
    """As where COPY does not find a file."""
    log = '#4 [2/3] COPY gone /srv/\n#4 ERROR: failed to compute cache key: "/gone": not found\n'
    assert excerpt(log) == 'ERROR: failed to compute cache key: "/gone": not found'


def test_a_log_without_steps_is_shown_by_its_end() -> None:
    """Compose itself may refuse before anything is built; the excerpt stays short."""
    assert excerpt("one\ntwo\n") == "one\ntwo"
    assert len(excerpt("\n".join(map(str, range(1000)))).splitlines()) == builds.EXCERPT_LINES
    long = "".join(f"#3 {n}.0 error {n}\n" for n in range(1000)) + "#3 ERROR: process\n"
    assert len(excerpt(long).splitlines()) <= builds.EXCERPT_LINES + 2


# -- the builder ------------------------------------------------------------------------------------


def model(**tags: str) -> dict[str, Any]:
    """An adopted model: service -> tag."""
    return {"name": "reprolab-build", "services": {name: {"image": tag, "build": {}} for name, tag in tags.items()}}


class Engine:
    """Counts the builds that Compose is asked for; those in ``broken`` fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *broken: str, there: tuple[str, ...] = ()) -> None:
        self.images = SimpleNamespace(get=self._get)
        self.broken, self.there = broken, set(there)
        self.asked: list[str] = []
        self.now = self.most = 0
        self._lock = threading.Lock()
        monkeypatch.setattr(builds, "run", self._run)

    def _get(self, tag: str) -> None:
        if tag not in self.there:
            raise ImageNotFound(tag)

    def _run(self, command: list[str], *, stdout: Any, **rest: Any) -> None:
        service = command[-1]
        with self._lock:
            self.asked.append(service)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        with self._lock:
            self.now -= 1
        if service in self.broken:
            stdout.write(PIP.encode())
            stdout.flush()
            raise CommandError(Finished(tuple(command), 17, "", ""))


def builder(engine: Engine, tmp_path: Path, said: list[str], **options: Any) -> Builder:
    """A builder on that engine."""
    return Builder(engine, ("compose",), tmp_path, said.append, **options)  # type: ignore[arg-type]


def test_an_image_is_built_once_for_all_variants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is there is not built; what several variants need is built once, and described once."""
    engine, said, described = Engine(monkeypatch, there=("p:1",)), [], []  # type: ignore[var-annotated]
    models: Mapping[str, Any] = {"a": model(app="x:1", proxy="p:1"), "b": model(app="x:1"), "c": model(app="x:2")}

    def describe(tag: str) -> BuiltImage:
        described.append(tag)
        return BuiltImage(Image(tag))

    own = builder(engine, tmp_path, said, describe=describe)
    own.start(models)
    assert own.wait(models["a"]) == {"app": BuiltImage(Image("x:1")), "proxy": BuiltImage(Image("p:1"))}
    assert own.wait(models["c"]) == {"app": BuiltImage(Image("x:2"))}
    assert engine.asked == ["app", "app"]
    assert sorted(described) == ["p:1", "x:1", "x:2"]


def test_a_build_that_failed_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One message with the reason and the variants that it takes along, and the whole log in a file."""
    engine, said = Engine(monkeypatch, "nginx"), []  # type: ignore[var-annotated]
    models = {name: model(app="x:1", nginx="n:1") for name in ("few", "many", "unix")}
    own = builder(engine, tmp_path, said)
    own.start(models)
    for one in models.values():
        with pytest.raises(BuildError, match="invalid metadata"):
            own.wait(one)
    assert sorted(engine.asked) == ["app", "nginx"]
    told = [line for line in said if "did not build" in line]
    assert len(told) == 1
    assert "few, many, unix" in told[0]
    assert (tmp_path / "n-1.log").read_text(encoding="utf-8") == PIP
    assert (tmp_path / "x-1.log").is_file(), "the log of a build that succeeded is kept too"


def test_two_builds_at_a_time_and_one_beside_trials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A build takes cores away from the trials that run beside it."""
    models = {str(n): model(app=f"x:{n}") for n in range(6)}
    for gentle, most in ((False, 2), (True, 1)):
        engine = Engine(monkeypatch)
        own = builder(engine, tmp_path, [], gentle=gentle)
        own.start(models)
        for one in models.values():
            own.wait(one)
        assert engine.most == most


def test_after_a_stop_no_build_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An interrupted run ends with the builds that are at work."""
    engine = Engine(monkeypatch)
    own = builder(engine, tmp_path, [])
    own.start({str(n): model(app=f"x:{n}") for n in range(20)})
    own.stop()
    time.sleep(0.3)
    assert len(engine.asked) <= builds.AT_ONCE


def test_a_build_that_waits_for_its_turn_does_not_begin_after_a_stop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two are at work at a time, and beside trials the second one waits for the first."""
    engine, said = Engine(monkeypatch), []  # type: ignore[var-annotated]
    own = builder(engine, tmp_path, said, gentle=True)
    own.start({str(n): model(app=f"x:{n}") for n in range(2)})
    while not engine.asked:
        time.sleep(0.001)
    own.stop()
    time.sleep(0.3)
    assert len(engine.asked) == 1
    assert not any("did not build" in line or "was not built" in line for line in said)


def test_a_build_that_begins_during_a_stop_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else the lab would wait for it, 20 minutes at most, before it ends."""
    ended: list[Any] = []
    monkeypatch.setattr(builds, "end", ended.append)
    own = builder(Engine(monkeypatch), tmp_path, [])

    def late(command: list[str], *, on_start: Any, **rest: Any) -> None:
        own.stop()
        on_start("process")

    monkeypatch.setattr(builds, "run", late)
    own.start({"": model(app="x:1")})
    own._futures["x:1"].result()
    assert ended == ["process"]


def test_an_engine_that_fails_is_told_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not as a mistake in the lab."""
    engine = Engine(monkeypatch)

    def gone(tag: str) -> None:
        raise DockerException("connection refused")

    engine.images = SimpleNamespace(get=gone)
    own = builder(engine, tmp_path, [])
    own.start({"": model(app="x:1")})
    with pytest.raises(EngineError, match="connection refused"):
        own.wait(model(app="x:1"))


def test_images_come_in_the_order_of_the_variants() -> None:
    """What the first variant needs is built first; a service without a build is none."""
    models = {"b": model(app="x:2"), "a": model(app="x:1", proxy="p:1")}
    models["a"]["services"]["volume-only"] = {"image": "other:1"}
    assert [(image.reference, image.variants) for image in images_of(models)] == [
        ("x:2", ("b",)),
        ("x:1", ("a",)),
        ("p:1", ("a",)),
    ]


def test_an_image_is_awaited_until_its_build_has_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trials without load begin by it: none before its own images are there, and none waits for those of others."""
    engine = Engine(monkeypatch)
    own = builder(engine, tmp_path, [])
    own.start({"a": model(app="x:1"), "b": model(app="x:2")})
    assert len(own.pending(model(app="x:1"))) == 1
    own.wait(model(app="x:1"))
    own.wait(model(app="x:2"))
    assert own.pending(model(app="x:1", proxy="x:2")) == []
    assert own.pending(model(app="no-build:1")) == []
