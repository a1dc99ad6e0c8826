"""Builds of a run's images: each once, two at a time, and the message of a failed build."""

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


def test_the_line_with_the_reason_is_shown() -> None:
    """pip prints the reason long before its last line. The excerpt has it, with the lines around it."""
    shown = excerpt(PIP).splitlines()
    assert any("invalid metadata" in line for line in shown)
    assert "Please use pip<24.1 if you need to use this version." in shown
    assert sum("No matching distribution" in line for line in shown) == 1
    assert not any(line.startswith("#") for line in shown), "lines of BuildKit tell no reason"


def test_apts_refusal_is_shown() -> None:
    """A version that the archive no longer has is in the excerpt."""
    assert "E: Version '1.22.1-9+deb12u10' for 'nginx' was not found" in excerpt(APT)


def test_a_step_that_printed_nothing_has_only_its_error() -> None:
    """For example, COPY does not find a file."""
    log = '#4 [2/3] COPY gone /srv/\n#4 ERROR: failed to compute cache key: "/gone": not found\n'
    assert excerpt(log) == 'ERROR: failed to compute cache key: "/gone": not found'


def test_of_a_log_without_steps_the_end_is_shown() -> None:
    """Compose may fail before the build; the excerpt stays short."""
    assert excerpt("one\ntwo\n") == "one\ntwo"
    assert len(excerpt("\n".join(map(str, range(1000)))).splitlines()) == builds.EXCERPT_LINES
    long = "".join(f"#3 {n}.0 error {n}\n" for n in range(1000)) + "#3 ERROR: process\n"
    assert len(excerpt(long).splitlines()) <= builds.EXCERPT_LINES + 2


# -- the builder ------------------------------------------------------------------------------------


def model(**tags: str) -> dict[str, Any]:
    """A prepared model with these images: service -> tag."""
    return {"name": "reprolab-build", "services": {name: {"image": tag, "build": {}} for name, tag in tags.items()}}


class Engine:
    """An engine that counts builds; those of the services in ``broken`` fail. The images in ``existing`` exist."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *broken: str, existing: tuple[str, ...] = ()) -> None:
        self.images = SimpleNamespace(get=self._get)
        self.broken, self.existing = broken, set(existing)
        self.built: list[str] = []
        self.running = self.most = 0
        self._lock = threading.Lock()
        monkeypatch.setattr(builds, "run", self._run)

    def _get(self, tag: str) -> None:
        if tag not in self.existing:
            raise ImageNotFound(tag)

    def _run(self, command: list[str], *, stdout: Any, **rest: Any) -> None:
        service = command[-1]
        with self._lock:
            self.built.append(service)
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(0.05)
        with self._lock:
            self.running -= 1
        if service in self.broken:
            stdout.write(PIP.encode())
            stdout.flush()
            raise CommandError(Finished(tuple(command), 17, "", ""))


def builder(engine: Engine, tmp_path: Path, messages: list[str], **options: Any) -> Builder:
    """A builder on that engine."""
    return Builder(engine, ("compose",), tmp_path, messages.append, **options)  # type: ignore[arg-type]


def test_an_image_is_built_once_for_all_variants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An existing image is not built; an image of several variants is built once, and described once."""
    engine, messages, described = Engine(monkeypatch, existing=("p:1",)), [], []  # type: ignore[var-annotated]
    models: Mapping[str, Any] = {"a": model(app="x:1", proxy="p:1"), "b": model(app="x:1"), "c": model(app="x:2")}

    def describe(tag: str) -> BuiltImage:
        described.append(tag)
        return BuiltImage(Image(tag))

    run_builder = builder(engine, tmp_path, messages, describe=describe)
    run_builder.start(models)
    assert run_builder.wait(models["a"]) == {"app": BuiltImage(Image("x:1")), "proxy": BuiltImage(Image("p:1"))}
    assert run_builder.wait(models["c"]) == {"app": BuiltImage(Image("x:2"))}
    assert engine.built == ["app", "app"]
    assert sorted(described) == ["p:1", "x:1", "x:2"]


@pytest.mark.parametrize("change", ["none", "before", "meanwhile"])
def test_an_image_of_changed_files_does_not_keep_the_name_of_the_files_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: str
) -> None:
    """Its name is a digest of the files. When the old files are back, they would get the image of the others."""
    context = tmp_path / "context"
    context.mkdir()
    for name in ("Dockerfile", "app.py"):
        (context / name).write_text("FROM scratch\n", encoding="utf-8")
    prepared = model(app="x:1", proxy="p:1")
    for service in prepared["services"].values():
        service["build"] = {"context": str(context)}
    engine, removed = Engine(monkeypatch, existing=("p:1",)), []  # type: ignore[var-annotated]
    engine.images.remove = lambda tag, noprune: removed.append(tag)
    build = engine._run

    def builds_and_changes(command: list[str], **rest: Any) -> None:
        build(command, **rest)
        if change == "meanwhile":
            (context / "app.py").write_text("# other\n", encoding="utf-8")

    monkeypatch.setattr(builds, "run", builds_and_changes)
    made = builder(engine, tmp_path, [])
    if change == "before":
        note = made._files.note
        made._files.note = lambda part: (note(part), (context / "app.py").write_text("# other\n"))[0]  # type: ignore[method-assign]
    made.start({"a": prepared})
    if change == "none":
        made.wait(prepared)
        assert removed == []
        return
    with pytest.raises(BuildError, match=r"the files of the image x:1 were changed while it was built"):
        made.wait(prepared)
    assert removed == ["x:1"]


def test_a_failed_build_is_not_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One message has the reason and the variants that cannot run; the whole log is in a file."""
    engine, messages = Engine(monkeypatch, "nginx"), []  # type: ignore[var-annotated]
    models = {name: model(app="x:1", nginx="n:1") for name in ("few", "many", "unix")}
    run_builder = builder(engine, tmp_path, messages)
    run_builder.start(models)
    for variant_model in models.values():
        with pytest.raises(BuildError, match="invalid metadata"):
            run_builder.wait(variant_model)
    assert sorted(engine.built) == ["app", "nginx"]
    failures = [line for line in messages if "did not build" in line]
    assert len(failures) == 1
    assert "few, many, unix" in failures[0]
    assert (tmp_path / "n-1.log").read_text(encoding="utf-8") == PIP
    assert (tmp_path / "x-1.log").is_file(), "the log of a build that succeeded is kept too"


def test_a_failed_build_is_told_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the caller shows the error itself, there is no message about it beside."""
    engine, messages = Engine(monkeypatch, "nginx"), []  # type: ignore[var-annotated]
    run_builder = builder(engine, tmp_path, messages, tells_failures=False)
    run_builder.start({"": model(nginx="n:1")})
    with pytest.raises(BuildError, match="did not build"):
        run_builder.wait(model(nginx="n:1"))
    assert not [line for line in messages if "did not build" in line]


def test_two_builds_at_a_time_and_one_during_trials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """During trials a second build would take processor time from them."""
    models = {str(n): model(app=f"x:{n}") for n in range(6)}
    for gentle, most in ((False, 2), (True, 1)):
        engine = Engine(monkeypatch)
        run_builder = builder(engine, tmp_path, [], gentle=gentle)
        run_builder.start(models)
        for variant_model in models.values():
            run_builder.wait(variant_model)
        assert engine.most == most


def test_after_a_stop_no_build_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the builds that already run may be counted."""
    engine = Engine(monkeypatch)
    run_builder = builder(engine, tmp_path, [])
    run_builder.start({str(n): model(app=f"x:{n}") for n in range(20)})
    run_builder.stop()
    time.sleep(0.3)
    assert len(engine.built) <= builds.AT_ONCE


def test_a_build_that_waits_for_another_does_not_start_after_a_stop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """During trials the second build waits for the first; it prints no message."""
    engine, messages = Engine(monkeypatch), []  # type: ignore[var-annotated]
    run_builder = builder(engine, tmp_path, messages, gentle=True)
    run_builder.start({str(n): model(app=f"x:{n}") for n in range(2)})
    while not engine.built:
        time.sleep(0.001)
    run_builder.stop()
    time.sleep(0.3)
    assert len(engine.built) == 1
    assert not any("did not build" in line or "was not built" in line for line in messages)


def test_a_build_that_starts_during_a_stop_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise the lab would wait for it up to 20 minutes."""
    ended: list[Any] = []
    monkeypatch.setattr(builds, "end", ended.append)
    run_builder = builder(Engine(monkeypatch), tmp_path, [])

    def late(command: list[str], *, on_start: Any, **rest: Any) -> None:
        run_builder.stop()
        on_start("process")

    monkeypatch.setattr(builds, "run", late)
    run_builder.start({"": model(app="x:1")})
    run_builder._futures["x:1"].result()
    assert ended == ["process"]


def test_a_failure_of_the_engine_is_an_engine_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is not reported as a mistake in the lab."""
    engine = Engine(monkeypatch)

    def gone(tag: str) -> None:
        raise DockerException("connection refused")

    engine.images = SimpleNamespace(get=gone)
    run_builder = builder(engine, tmp_path, [])
    run_builder.start({"": model(app="x:1")})
    with pytest.raises(EngineError, match="connection refused"):
        run_builder.wait(model(app="x:1"))


def test_a_full_disk_of_the_engine_is_no_failed_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No other image can be built either: the run ends."""

    def full(command: list[str], *, stdout: Any, **rest: Any) -> None:
        stdout.write(b"#7 0.4 ERROR: [Errno 28] No space left on device\n#7 ERROR: process: exit code: 1\n")
        raise CommandError(Finished(tuple(command), 1, "", ""))

    run_builder = builder(Engine(monkeypatch), tmp_path, [])
    monkeypatch.setattr(builds, "run", full)
    run_builder.start({"": model(app="x:1")})
    with pytest.raises(EngineError, match=r"the engine's disk is full: .*No space left"):
        run_builder.wait(model(app="x:1"))


def test_images_come_in_the_order_of_the_variants() -> None:
    """The images of the first variant are first; a service without a build has none."""
    models = {"b": model(app="x:2"), "a": model(app="x:1", proxy="p:1")}
    models["a"]["services"]["volume-only"] = {"image": "other:1"}
    assert [(image.reference, image.variants) for image in images_of(models)] == [
        ("x:2", ("b",)),
        ("x:1", ("a",)),
        ("p:1", ("a",)),
    ]


def test_an_image_is_pending_until_its_build_has_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A trial without load starts when its images are built; it does not wait for images of other variants."""
    engine = Engine(monkeypatch)
    run_builder = builder(engine, tmp_path, [])
    run_builder.start({"a": model(app="x:1"), "b": model(app="x:2")})
    assert len(run_builder.pending(model(app="x:1"))) == 1
    run_builder.wait(model(app="x:1"))
    run_builder.wait(model(app="x:2"))
    assert run_builder.pending(model(app="x:1", proxy="x:2")) == []
    assert run_builder.pending(model(app="no-build:1")) == []
